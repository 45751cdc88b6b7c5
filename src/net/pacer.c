/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pacer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "net/loop_uv.h"

#ifdef __linux__

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct pacer {
    uv_poll_t poll;
    int fd;
    void (*fn)(void *context);
    void *context;
};

static void on_alarm(uv_poll_t *poll, int status, int events)
{
    struct pacer *pacer = poll->data;
    (void)events;
    uint64_t times;
    if (status < 0 || read(pacer->fd, &times, sizeof times) != sizeof times)
        return; /* it was moved meanwhile */
    pacer->fn(pacer->context);
}

struct pacer *pacer_new(struct loop *loop, void (*fn)(void *context), void *context,
                        struct error *err)
{
    struct pacer *pacer = calloc(1, sizeof *pacer);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int rc = pacer == NULL ? UV_ENOMEM : fd < 0 ? -errno : 0;
    if (rc == 0)
        rc = uv_poll_init(loop_uv(loop), &pacer->poll, fd);
    if (rc != 0) {
        error_set(err, ERROR_IO, "an alarm: %s", uv_strerror(rc));
        if (fd >= 0)
            close(fd);
        free(pacer);
        return NULL;
    }
    pacer->fd = fd;
    pacer->fn = fn;
    pacer->context = context;
    pacer->poll.data = pacer;
    uv_poll_start(&pacer->poll, UV_READABLE, on_alarm);
    return pacer;
}

static void set_alarm(struct pacer *pacer, int64_t when_ns)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = when_ns / NS_PER_S, .tv_nsec = when_ns % NS_PER_S},
    };
    timerfd_settime(pacer->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void pacer_at(struct pacer *pacer, int64_t when_ns)
{
    set_alarm(pacer, when_ns > 0 ? when_ns : 1);
}

void pacer_stop(struct pacer *pacer)
{
    set_alarm(pacer, 0);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void pacer_free(struct pacer *pacer)
{
    if (pacer == NULL)
        return;
    uv_poll_stop(&pacer->poll);
    close(pacer->fd);
    uv_close((uv_handle_t *)&pacer->poll, on_closed);
}

#else

struct pacer {
    struct loop_timer *timer;
    void (*fn)(void *context);
    void *context;
};

static void on_alarm(void *context)
{
    struct pacer *pacer = context;
    pacer->fn(pacer->context);
}

struct pacer *pacer_new(struct loop *loop, void (*fn)(void *context), void *context,
                        struct error *err)
{
    struct pacer *pacer = calloc(1, sizeof *pacer);
    if (pacer == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for an alarm");
        return NULL;
    }
    *pacer = (struct pacer){.fn = fn, .context = context};
    pacer->timer = loop_timer_new(loop, on_alarm, pacer);
    return pacer;
}

void pacer_at(struct pacer *pacer, int64_t when_ns)
{
    int64_t after_ns = when_ns - clock_monotonic_ns();
    loop_timer_start(pacer->timer, after_ns > 0 ? after_ns : 0, 0);
}

void pacer_stop(struct pacer *pacer)
{
    loop_timer_stop(pacer->timer);
}

void pacer_free(struct pacer *pacer)
{
    if (pacer == NULL)
        return;
    loop_timer_free(pacer->timer);
    free(pacer);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "observe/health.h"
#include "observe/log.h"

struct notify {
    int fd;
    struct sockaddr_un to;
    socklen_t to_size;
    struct loop_timer *watchdog; /* NULL: none */
};

/* A full socket must not hold the loop up: what doesn't go is left. */
static void tell(const struct notify *notify, const char *state)
{
    if (notify == NULL)
        return;
    ssize_t sent;
    do
        sent = sendto(notify->fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->to, notify->to_size);
    while (sent < 0 && errno == EINTR);
}

static void feed_watchdog(void *context)
{
    struct buf text;
    buf_init(&text, 1 << 14);
    if (health_print_alive(&text, clock_monotonic_ns()))
        tell(context, "WATCHDOG=1");
    else
        log_event(LOG_ERROR, "notify", "an event loop hangs: the watchdog is not fed",
                  LOG_B("loops", buf_bytes(&text)));
    buf_deinit(&text);
}

/* Half the interval, as sd_watchdog_enabled(3) advises. */
static void start_watchdog(struct notify *notify, struct loop *loop)
{
    const char *text = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t interval_us;
    uint64_t number;
    if (text == NULL || !text_to_u64(bytes_from_text(text), &interval_us) || interval_us == 0 ||
        interval_us > INT64_MAX / 2000)
        return;
    if (pid != NULL &&
        (!text_to_u64(bytes_from_text(pid), &number) || number != (uint64_t)getpid()))
        return;
    notify->watchdog = loop_timer_new(loop, feed_watchdog, notify);
    int64_t half_ns = (int64_t)interval_us * NS_PER_US / 2;
    loop_timer_start(notify->watchdog, 0, half_ns);
}

static bool find_address(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);
    if (len < 2 || len >= sizeof notify->to.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    notify->to.sun_family = AF_UNIX;
    memcpy(notify->to.sun_path, path, len);
    if (path[0] == '@') /* Linux's abstract namespace */
        notify->to.sun_path[0] = '\0';
    notify->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

struct notify *notify_start(struct loop *loop)
{
    struct notify *notify = calloc(1, sizeof *notify);
    if (notify == NULL)
        return NULL;
    notify->fd = find_address(notify) ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (notify->fd < 0) {
        free(notify);
        return NULL;
    }
    start_watchdog(notify, loop);
    return notify;
}

void notify_ready(struct notify *notify)
{
    tell(notify, "READY=1");
}

void notify_stopping(struct notify *notify)
{
    tell(notify, "STOPPING=1");
}

void notify_stop(struct notify *notify)
{
    if (notify == NULL)
        return;
    loop_timer_free(notify->watchdog);
    close(notify->fd);
    free(notify);
}

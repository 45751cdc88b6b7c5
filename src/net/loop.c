/* SPDX-License-Identifier: Apache-2.0 */
/* libuv's turn: timers, pending, prepare, poll, check, close. Our end of a turn
 * runs in check, right after the poll phase; work done outside of it (a timer
 * fired) is ended in prepare, before the loop may sleep. The turn's time is
 * read at the first question in a turn; from it to the end of the turn is how
 * long any other event of the turn had to wait: the loop's delay. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/loop_uv.h"
#include "observe/health.h"
#include "observe/metrics.h"

enum { BEAT_MS = 1000 };

/* What loop_post() queues. */
struct note {
    struct note *next;
    void (*fn)(void *context);
    void *context;
};

/* A hook of a role: lives as long as the loop. */
struct turn_end {
    struct turn_end *next;
    void (*fn)(void *context);
    void *context;
};

struct signal_watch {
    uv_signal_t uv;
    struct signal_watch *next;
    struct loop *loop;
    void (*fn)(void *context, int number);
    void *context;
};

struct turn {
    int64_t began_ns; /* 0 = nobody asked yet */
    bool is_touched;
    struct list *next_hook; /* while hooks run */
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake; /* posts, stop, loop_again */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t beat; /* of the pulse */
    struct health_pulse *pulse;
    struct turn *turn;
    struct list hooks[LOOP_PHASES];
    struct turn_end *turn_ends;
    struct signal_watch *signals;
    struct metric_series *turns;
    char *read_buffer;
    atomic_bool is_stopping;
    pthread_mutex_t notes_lock;
    struct note *notes, **notes_tail;
    pthread_t thread;
    bool has_thread;
    char name[16];
};

struct loop_timer {
    uv_timer_t uv;
    struct loop *loop;
    void (*fn)(void *context);
    void *context;
};

struct loop_waker {
    uv_async_t uv;
    struct loop *loop;
    void (*fn)(void *context);
    void *context;
};

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

char *loop_read_buffer(struct loop *loop)
{
    return loop->read_buffer;
}

int64_t loop_now_ns(const struct loop *loop)
{
    if (loop->turn->began_ns == 0)
        loop->turn->began_ns = clock_monotonic_ns();
    return loop->turn->began_ns;
}

void loop_touch(struct loop *loop)
{
    loop->turn->is_touched = true;
}

void loop_again(struct loop *loop)
{
    loop_touch(loop);
    uv_async_send(&loop->wake);
}

void loop_hook_add(struct loop *loop, enum loop_phase phase, struct loop_hook *hook)
{
    list_append(&loop->hooks[phase], &hook->node);
}

void loop_hook_remove(struct loop *loop, struct loop_hook *hook)
{
    if (loop->turn->next_hook == &hook->node)
        loop->turn->next_hook = hook->node.next;
    list_remove(&hook->node);
}

void loop_on_turn_end(struct loop *loop, void (*fn)(void *context), void *context)
{
    struct turn_end *turn_end = malloc(sizeof *turn_end);
    must(turn_end != NULL);
    *turn_end = (struct turn_end){.fn = fn, .context = context};
    struct turn_end **last = &loop->turn_ends;
    while (*last != NULL)
        last = &(*last)->next;
    *last = turn_end;
}

static void run_hooks(struct loop *loop, enum loop_phase phase)
{
    struct list *hooks = &loop->hooks[phase];
    for (struct list *node = hooks->next; node != hooks; node = loop->turn->next_hook) {
        loop->turn->next_hook = node->next; /* kept right by loop_hook_remove() */
        struct loop_hook *hook = list_item(node, struct loop_hook, node);
        hook->fn(hook->context);
    }
    loop->turn->next_hook = NULL;
}

static void end_turn(struct loop *loop)
{
    loop->turn->is_touched = false;
    run_hooks(loop, LOOP_PHASE_RESUME);
    for (struct turn_end *turn_end = loop->turn_ends; turn_end != NULL; turn_end = turn_end->next)
        turn_end->fn(turn_end->context);
    run_hooks(loop, LOOP_PHASE_FLUSH);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    if (loop->turn->is_touched)
        end_turn(loop);
    loop->turn->began_ns = 0; /* the sleep is not part of any turn */
}

static void on_check(uv_check_t *check)
{
    struct loop *loop = check->data;
    end_turn(loop);
    metric_series_add(loop->turns, 1);
    if (loop->turn->began_ns == 0)
        return;
    metrics_observe(METRIC_LOOP_DELAY_SECONDS, 0, clock_monotonic_ns() - loop->turn->began_ns);
    loop->turn->began_ns = 0;
}

/* Does no work of a turn: not a touch. */
static void on_beat(uv_timer_t *beat)
{
    health_beat(((struct loop *)beat->data)->pulse, clock_monotonic_ns());
}

static struct note *take_notes(struct loop *loop)
{
    pthread_mutex_lock(&loop->notes_lock);
    struct note *notes = loop->notes;
    loop->notes = NULL;
    loop->notes_tail = &loop->notes;
    pthread_mutex_unlock(&loop->notes_lock);
    return notes;
}

static void on_wake(uv_async_t *async)
{
    struct loop *loop = async->data;
    for (struct note *note = take_notes(loop), *next; note != NULL; note = next) {
        next = note->next;
        note->fn(note->context);
        free(note);
    }
    if (atomic_exchange(&loop->is_stopping, false))
        uv_stop(&loop->uv);
}

void loop_post(struct loop *loop, void (*fn)(void *context), void *context)
{
    struct note *note = malloc(sizeof *note);
    must(note != NULL);
    *note = (struct note){.fn = fn, .context = context};
    pthread_mutex_lock(&loop->notes_lock);
    *loop->notes_tail = note;
    loop->notes_tail = &note->next;
    pthread_mutex_unlock(&loop->notes_lock);
    uv_async_send(&loop->wake);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    uv_async_send(&loop->wake);
}

/* A peer that went away is an error of write(2), not the end of the process. */
static void ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

static int init_handles(struct loop *loop)
{
    int rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc != 0)
        return rc;
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_timer_init(&loop->uv, &loop->beat);
    loop->wake.data = loop->prepare.data = loop->check.data = loop->beat.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    return 0;
}

static int init_uv(struct loop *loop)
{
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0)
        return rc;
    rc = init_handles(loop);
    if (rc != 0)
        uv_loop_close(&loop->uv);
    return rc;
}

static void free_memory(struct loop *loop)
{
    for (struct turn_end *next; loop->turn_ends != NULL; loop->turn_ends = next) {
        next = loop->turn_ends->next;
        free(loop->turn_ends);
    }
    for (struct note *note = take_notes(loop), *next; note != NULL; note = next) {
        next = note->next;
        free(note);
    }
    pthread_mutex_destroy(&loop->notes_lock);
    free(loop->read_buffer);
    free(loop->turn);
    free(loop);
}

struct loop *loop_new(const char *name, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ignore_sigpipe);
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for an event loop");
        return NULL;
    }
    loop->turn = calloc(1, sizeof *loop->turn);
    loop->read_buffer = malloc(LOOP_READ_BYTES);
    loop->notes_tail = &loop->notes;
    pthread_mutex_init(&loop->notes_lock, NULL);
    snprintf(loop->name, sizeof loop->name, "%s", name);
    for (int i = 0; i < LOOP_PHASES; i++)
        list_init(&loop->hooks[i]);
    char labels[32];
    snprintf(labels, sizeof labels, "loop=\"%s\"", loop->name);
    loop->turns = metrics_series(METRIC_LOOP_TURNS, labels);
    int rc = loop->turn != NULL && loop->read_buffer != NULL ? init_uv(loop) : UV_ENOMEM;
    if (rc == 0)
        return loop;
    error_set(err, ERROR_IO, "event loop %s: %s", name, uv_strerror(rc));
    free_memory(loop);
    return NULL;
}

static void on_signal_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    must(!loop->has_thread);
    for (struct signal_watch *watch = loop->signals; watch != NULL; watch = watch->next)
        uv_close((uv_handle_t *)&watch->uv, on_signal_closed);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->beat, NULL);
    for (int i = 0; i < 3; i++) /* close callbacks, others' included */
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    must(uv_loop_close(&loop->uv) == 0); /* else something on it was not stopped */
    free_memory(loop);
}

/* A loop has a pulse while it runs. */
void loop_run(struct loop *loop)
{
    loop_touch(loop); /* what was given to do before the first turn */
    loop->pulse = health_pulse_new(loop->name);
    uv_timer_start(&loop->beat, on_beat, BEAT_MS, BEAT_MS);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_timer_stop(&loop->beat);
    health_pulse_free(loop->pulse);
    loop->pulse = NULL;
}

static void set_thread_name(const char *name)
{
#ifdef __APPLE__
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
}

static void *thread_main(void *context)
{
    struct loop *loop = context;
    set_thread_name(loop->name);
    loop_run(loop);
    return NULL;
}

int loop_start(struct loop *loop, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    int rc = pthread_create(&loop->thread, NULL, thread_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return error_set_errno(err, ERROR_IO, rc, "thread of event loop %s", loop->name);
    loop->has_thread = true;
    return 0;
}

void loop_join(struct loop *loop)
{
    if (!loop->has_thread)
        return;
    pthread_join(loop->thread, NULL);
    loop->has_thread = false;
}

static void on_waker(uv_async_t *async)
{
    struct loop_waker *waker = async->data;
    waker->fn(waker->context);
}

struct loop_waker *loop_waker_new(struct loop *loop, void (*fn)(void *context), void *context,
                                  struct error *err)
{
    struct loop_waker *waker = calloc(1, sizeof *waker);
    if (waker == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for a waker");
        return NULL;
    }
    waker->loop = loop;
    waker->fn = fn;
    waker->context = context;
    waker->uv.data = waker;
    int rc = uv_async_init(&loop->uv, &waker->uv, on_waker);
    if (rc == 0)
        return waker;
    error_set(err, ERROR_IO, "waker: %s", uv_strerror(rc));
    free(waker);
    return NULL;
}

void loop_wake(struct loop_waker *waker)
{
    uv_async_send(&waker->uv);
}

static void on_waker_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_waker_free(struct loop_waker *waker)
{
    if (waker != NULL)
        uv_close((uv_handle_t *)&waker->uv, on_waker_closed);
}

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    loop_touch(timer->loop);
    timer->fn(timer->context);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *context), void *context)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    must(timer != NULL);
    timer->loop = loop;
    timer->fn = fn;
    timer->context = context;
    timer->uv.data = timer;
    uv_timer_init(&loop->uv, &timer->uv);
    return timer;
}

/* libuv counts whole milliseconds: rounded up. */
static uint64_t to_ms(int64_t ns)
{
    return ns <= 0 ? 0 : (uint64_t)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

void loop_timer_start(struct loop_timer *timer, int64_t after_ns, int64_t repeat_ns)
{
    uv_update_time(&timer->loop->uv); /* else "after" counts from the turn's begin */
    uv_timer_start(&timer->uv, on_timer, to_ms(after_ns), to_ms(repeat_ns));
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

static void on_signal(uv_signal_t *uv, int number)
{
    struct signal_watch *watch = uv->data;
    watch->fn(watch->context, number);
}

int loop_on_signal(struct loop *loop, int signal_number, void (*fn)(void *context, int number),
                   void *context, struct error *err)
{
    struct signal_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to watch a signal");
    *watch = (struct signal_watch){.loop = loop, .fn = fn, .context = context};
    uv_signal_init(&loop->uv, &watch->uv);
    watch->uv.data = watch;
    watch->next = loop->signals;
    loop->signals = watch; /* from here on loop_free() closes it */
    int rc = uv_signal_start(&watch->uv, on_signal, signal_number);
    if (rc != 0)
        return error_set(err, ERROR_IO, "signal %d: %s", signal_number, uv_strerror(rc));
    return 0;
}

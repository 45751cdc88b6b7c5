/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_pages.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/admin.h"
#include "observe/log.h"
#include "tool/dlq_replay.h"
#include "tool/topic_plan.h"

enum job_state { JOB_IDLE, JOB_RUNNING, JOB_DONE, JOB_FAILED };

struct dlq_pages {
    struct broker *broker;
    struct topic_plan plan;
    const char *dead_letters[DLQ_TOPICS_MAX];
    size_t dead_letters_count;
    pthread_mutex_t lock; /* state, err, thread */
    enum job_state state;
    struct error err;
    bool has_thread;
    pthread_t thread;
    struct dlq_filter filter;
    struct dlq_progress progress;
};

static int replay(struct dlq_pages *pages, struct error *err)
{
    struct dlq_book book;
    int result = dlq_book_read(&book, pages->broker, pages->dead_letters, pages->dead_letters_count,
                               &pages->filter, err);
    if (result == 0)
        result = dlq_replay(pages->broker, &book, &pages->plan.list, &pages->progress, err);
    dlq_book_deinit(&book);
    return result;
}

static void *thread_main(void *context)
{
    struct dlq_pages *pages = context;
    struct error err = {0};
    int result = replay(pages, &err);
    if (result != 0)
        log_error("dlq", "a replay of dead letters failed", &err);
    log_event(LOG_INFO, "dlq", "dead letters replayed",
              LOG_I("replayed", (int64_t)atomic_load(&pages->progress.replayed)),
              LOG_I("failed", (int64_t)atomic_load(&pages->progress.failed)),
              LOG_I("unreplayable", (int64_t)atomic_load(&pages->progress.unreplayable)));
    pthread_mutex_lock(&pages->lock);
    pages->err = err;
    pages->state = result == 0 ? JOB_DONE : JOB_FAILED;
    pthread_mutex_unlock(&pages->lock);
    return NULL;
}

/* ---- pages ---- */

static unsigned answer(struct buf *out, unsigned status, const char *error, const char *detail)
{
    buf_printf(out, "{\"error\":\"%s\",\"detail\":", error);
    buf_append_json(out, bytes_from_text(detail));
    buf_append_text(out, "}\n");
    return out->has_failed ? 500 : status;
}

static int read_filter(struct dlq_filter *filter, struct bytes query, struct error *err)
{
    dlq_filter_init(filter);
    filter->state = DLQ_OPEN;
    for (size_t i = 0; dlq_filter_names[i] != NULL; i++) {
        char value[DLQ_VALUE_MAX];
        if (http1_query_value(query, dlq_filter_names[i], value, sizeof value) &&
            dlq_filter_set(filter, dlq_filter_names[i], value, clock_wall_ns(), err) != 0)
            return -1;
    }
    return 0;
}

/* With the lock held. */
static int start_thread(struct dlq_pages *pages, const struct dlq_filter *filter)
{
    if (pages->has_thread)
        pthread_join(pages->thread, NULL); /* it has ended */
    pages->filter = *filter;
    memset(&pages->progress, 0, sizeof pages->progress);
    pages->err = (struct error){0};
    pages->has_thread = pthread_create(&pages->thread, NULL, thread_main, pages) == 0;
    pages->state = pages->has_thread ? JOB_RUNNING : JOB_IDLE;
    return pages->has_thread ? 0 : -1;
}

static unsigned begin_replay(void *context, const struct http1_request *request, struct buf *out)
{
    struct dlq_pages *pages = context;
    struct dlq_filter filter;
    struct error err = {0};
    if (read_filter(&filter, request->query, &err) != 0)
        return answer(out, 400, "bad_request", err.text);
    pthread_mutex_lock(&pages->lock);
    bool is_busy = pages->state == JOB_RUNNING;
    int result = is_busy ? 0 : start_thread(pages, &filter);
    pthread_mutex_unlock(&pages->lock);
    if (is_busy)
        return answer(out, 409, "busy", "a replay is running already");
    if (result != 0)
        return answer(out, 503, "busy", "no thread can be started");
    return buf_append_text(out, "{\"state\":\"running\"}\n") == 0 ? 202 : 500;
}

static unsigned print_status(void *context, const struct http1_request *request, struct buf *out)
{
    static const char *const names[] = {"idle", "running", "done", "failed"};
    struct dlq_pages *pages = context;
    (void)request;
    pthread_mutex_lock(&pages->lock);
    enum job_state state = pages->state;
    struct error err = pages->err;
    pthread_mutex_unlock(&pages->lock);
    buf_printf(out,
               "{\"state\":\"%s\",\"replayed\":%" PRIuFAST64 ",\"failed\":%" PRIuFAST64
               ",\"unreplayable\":%" PRIuFAST64 ",\"error\":",
               names[state], atomic_load(&pages->progress.replayed),
               atomic_load(&pages->progress.failed), atomic_load(&pages->progress.unreplayable));
    buf_append_json(out, bytes_from_text(err.text));
    buf_append_text(out, "}\n");
    return out->has_failed ? 500 : 200;
}

/* ---- life ---- */

int dlq_pages_add(struct dlq_pages **out, struct broker *broker, const struct config *config,
                  struct error *err)
{
    struct dlq_pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the dead letters");
    pages->broker = broker;
    pthread_mutex_init(&pages->lock, NULL);
    if (topic_plan_make(&pages->plan, config, err) != 0) {
        topic_plan_deinit(&pages->plan);
        free(pages);
        return -1;
    }
    pages->dead_letters_count =
        topic_plan_dead_letters(&pages->plan, pages->dead_letters, DLQ_TOPICS_MAX);
    admin_add(&(struct admin_page){.path = "/admin/dlq/replay",
                                   .content_type = "application/json",
                                   .is_change = true,
                                   .serve = begin_replay,
                                   .context = pages});
    admin_add(&(struct admin_page){.path = "/admin/dlq/status",
                                   .content_type = "application/json",
                                   .is_change = true,
                                   .serve = print_status,
                                   .context = pages});
    *out = pages;
    return 0;
}

void dlq_pages_remove(struct dlq_pages *pages)
{
    if (pages == NULL)
        return;
    admin_remove("/admin/dlq/replay");
    admin_remove("/admin/dlq/status");
    atomic_store(&pages->progress.must_stop, true);
    if (pages->has_thread)
        pthread_join(pages->thread, NULL);
    topic_plan_deinit(&pages->plan);
    pthread_mutex_destroy(&pages->lock);
    free(pages);
}

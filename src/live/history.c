/* SPDX-License-Identifier: Apache-2.0 */
#include "live/history.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/must.h"
#include "observe/log.h"

enum { QUESTIONS_MAX = 64 }; /* waiting, being answered, or on their way back */

struct history {
    struct sink *sink;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    /* under the lock */
    struct list all;
    struct list queue;
    size_t count;
    bool must_stop;
};

/* ---- answering ---- */

static bool take_row(void *context, const struct sink_row *row)
{
    struct history_question *question = context;
    if (question->count++ > 0)
        buf_append_char(&question->text, ',');
    buf_append_bytes(&question->text, row->canonical);
    return question->count < question->limit && question->text.len < question->limit_bytes;
}

static void answer(struct history *history, struct history_question *question)
{
    const struct sink_query query = {bytes_of(question->vehicle, question->vehicle_len),
                                     question->from_ms, question->to_ms};
    struct error err;
    if (sink_find(history->sink, &query, &question->cursor, question->limit, take_row, question,
                  &err) != 0) {
        log_error("live", "can't read a track from the store", &err);
        question->has_failed = true;
    }
    question->has_failed |= question->text.has_failed;
}

static void deliver(void *context)
{
    struct history_question *question = context;
    question->on_answer(question);
}

static struct history_question *await_question(struct history *history)
{
    struct history_question *question = NULL;
    pthread_mutex_lock(&history->lock);
    while (list_is_empty(&history->queue) && !history->must_stop)
        pthread_cond_wait(&history->asked, &history->lock);
    if (!history->must_stop) {
        question = list_item(history->queue.next, struct history_question, of_queue);
        list_remove(&question->of_queue);
    }
    pthread_mutex_unlock(&history->lock);
    return question;
}

static void *run(void *context)
{
    struct history *history = context;
    for (struct history_question *question; (question = await_question(history)) != NULL;) {
        answer(history, question);
        loop_post(question->loop, deliver, question);
    }
    return NULL;
}

/* ---- asking ---- */

struct history_question *history_question_new(struct history *history)
{
    struct history_question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    buf_init(&question->text, 0);
    list_init(&question->of_all);
    list_init(&question->of_queue);
    list_init(&question->of_asker);
    pthread_mutex_lock(&history->lock);
    bool has_room = history->count < QUESTIONS_MAX;
    if (has_room) {
        list_append(&history->all, &question->of_all);
        history->count++;
    }
    pthread_mutex_unlock(&history->lock);
    if (has_room)
        return question;
    free(question);
    return NULL;
}

void history_ask(struct history *history, struct history_question *question)
{
    pthread_mutex_lock(&history->lock);
    list_append(&history->queue, &question->of_queue);
    pthread_cond_signal(&history->asked);
    pthread_mutex_unlock(&history->lock);
}

void history_question_free(struct history *history, struct history_question *question)
{
    pthread_mutex_lock(&history->lock);
    list_remove(&question->of_all);
    history->count--;
    pthread_mutex_unlock(&history->lock);
    buf_deinit(&question->text);
    free(question);
}

/* ---- begin and end ---- */

int history_start(struct history **out, struct sink *sink, struct error *err)
{
    struct history *history = calloc(1, sizeof *history);
    if (history == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the history");
    history->sink = sink;
    list_init(&history->all);
    list_init(&history->queue);
    must(pthread_mutex_init(&history->lock, NULL) == 0);
    must(pthread_cond_init(&history->asked, NULL) == 0);
    int number = pthread_create(&history->thread, NULL, run, history);
    if (number != 0) {
        free(history);
        return error_set_errno(err, ERROR_IO, number, "can't start the history's thread");
    }
    *out = history;
    return 0;
}

void history_stop(struct history *history)
{
    if (history == NULL)
        return;
    pthread_mutex_lock(&history->lock);
    history->must_stop = true;
    pthread_cond_signal(&history->asked);
    pthread_mutex_unlock(&history->lock);
    pthread_join(history->thread, NULL);
    while (!list_is_empty(&history->all))
        history_question_free(history,
                              list_item(history->all.next, struct history_question, of_all));
    pthread_cond_destroy(&history->asked);
    pthread_mutex_destroy(&history->lock);
    free(history);
}

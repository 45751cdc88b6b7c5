/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/crew.h"

#include <stdlib.h>

struct crew_member {
    struct crew *crew;
    struct pen *pen;
    pthread_t thread;
    bool is_started;
};

struct crew {
    size_t slice; /* rows */
    size_t count; /* members; the first is the caller */
    struct crew_member *members;
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    /* under the lock: the batch in hand */
    const struct sink_row *rows;
    struct pen_result *results;
    size_t row_count, next;
    size_t writing; /* members that are at a slice */
    bool must_stop;
};

/* Write slices until none is left; called and left with the lock held. */
static void write_slices(struct crew *crew, struct pen *pen)
{
    while (crew->next < crew->row_count) {
        size_t from = crew->next, left = crew->row_count - from;
        size_t count = left < crew->slice ? left : crew->slice;
        crew->next += count;
        crew->writing++;
        pthread_mutex_unlock(&crew->lock);
        pen_write(pen, crew->rows + from, crew->results + from, count);
        pthread_mutex_lock(&crew->lock);
        if (--crew->writing == 0)
            pthread_cond_signal(&crew->ended);
    }
}

static void *run(void *context)
{
    struct crew_member *member = context;
    struct crew *crew = member->crew;
    pthread_setname_np(pthread_self(), "store-writer");
    pthread_mutex_lock(&crew->lock);
    while (!crew->must_stop) {
        write_slices(crew, member->pen);
        if (!crew->must_stop)
            pthread_cond_wait(&crew->begun, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

void crew_write(struct crew *crew, const struct sink_row *rows, struct pen_result *results,
                size_t count)
{
    pthread_mutex_lock(&crew->lock);
    crew->rows = rows;
    crew->results = results;
    crew->next = 0;
    crew->row_count = count;
    if (count > crew->slice)
        pthread_cond_broadcast(&crew->begun);
    write_slices(crew, crew->members[0].pen);
    while (crew->writing > 0)
        pthread_cond_wait(&crew->ended, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}

static int start_members(struct crew *crew, const struct pen_ground *ground, struct error *err)
{
    for (size_t i = 0; i < crew->count; i++) {
        struct crew_member *member = &crew->members[i];
        member->crew = crew;
        member->pen = pen_new(ground);
        if (member->pen == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for the store's writers");
        if (i > 0 && pthread_create(&member->thread, NULL, run, member) != 0)
            return error_set(err, ERROR_IO, "can't start the store's writers");
        member->is_started = i > 0;
    }
    return 0;
}

int crew_new(struct crew **out, const struct pen_ground *ground, struct error *err)
{
    struct crew *crew = calloc(1, sizeof *crew);
    if (crew == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store's writers");
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->begun, NULL);
    pthread_cond_init(&crew->ended, NULL);
    crew->slice = (size_t)ground->config->message_docs;
    crew->count = ground->config->is_ordered ? 1 : (size_t)ground->config->writers;
    crew->members = calloc(crew->count, sizeof *crew->members);
    if (crew->members == NULL) {
        crew->count = 0;
        error_set(err, ERROR_MEMORY, "no memory for the store's writers");
    } else if (start_members(crew, ground, err) == 0) {
        *out = crew;
        return 0;
    }
    crew_free(crew);
    return -1;
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->must_stop = true;
    pthread_cond_broadcast(&crew->begun);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->members[i].is_started)
            pthread_join(crew->members[i].thread, NULL);
        pen_free(crew->members[i].pen);
    }
    free(crew->members);
    pthread_cond_destroy(&crew->begun);
    pthread_cond_destroy(&crew->ended);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

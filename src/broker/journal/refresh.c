/* SPDX-License-Identifier: Apache-2.0 */
/* A follower keeps up with the writing process: the watermark, and when its
 * generation moved the list of segments and topics. */
#include <stdlib.h>

#include "broker/journal/journal.h"
#include "broker/journal/meta.h"

static void refresh_topics(struct journal *journal)
{
    struct journal_files *files = &journal->files;
    bool is_found;
    pthread_mutex_lock(&journal->base.topics.lock);
    int before = topics_count(files->topics);
    meta_read(files->io, files->dir, files->topics, &is_found, NULL);
    for (int t = before; t < topics_count(files->topics); t++)
        if (files->partitions[t] == NULL)
            files->partitions[t] =
                calloc((size_t)files->topics->items[t].partitions, sizeof **files->partitions);
    pthread_mutex_unlock(&journal->base.topics.lock);
}

void journal_refresh(struct journal *journal)
{
    struct journal_files *files = &journal->files;
    struct watermark *mark = files->watermark;
    if (mark == NULL)
        return;
    uint64_t generation = atomic_load_explicit(&mark->generation, memory_order_acquire);
    if (generation != files->seen_generation) {
        files->seen_generation = generation;
        recover_list_new(&files->data);
        recover_list_new(&files->dead);
        refresh_topics(journal);
    }
    uint64_t data = atomic_load_explicit(&mark->data, memory_order_acquire);
    uint64_t dead = atomic_load_explicit(&mark->dead, memory_order_acquire);
    if (data > seglog_visible(&files->data))
        seglog_show(&files->data, data);
    if (dead > seglog_visible(&files->dead))
        seglog_show(&files->dead, dead);
}

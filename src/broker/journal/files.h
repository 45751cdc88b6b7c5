/* SPDX-License-Identifier: Apache-2.0 */
/* All that lies in <data>/journal, opened and recovered, without threads: the
 * lock, meta, the two logs, the state of each partition. The writer's thread
 * (writer.h) appends through it; tests open it over a disk made of memory. */
#pragma once

#include "broker/broker.h"
#include "broker/group.h"
#include "broker/journal/recover.h"
#include "broker/journal/seglog.h"
#include "broker/journal/watermark.h"
#include "broker/topics.h"

/* A sync covers at most so many records and (beyond one batch) bytes. */
enum { JOURNAL_GROUP_RECORDS_MAX = 65536, JOURNAL_GROUP_BYTES_MAX = 4 << 20 };

struct partition_state {
    int64_t next;         /* the writer's: the next offset to give */
    _Atomic int64_t end;  /* one past the last durable record */
    int64_t reserve_from; /* recovery's: next at the newest checkpoint */
};

struct journal_files_options {
    const char *data_dir;
    uint64_t segment_bytes;      /* of the data log */
    uint64_t dead_segment_bytes; /* of the dead-letter log */
    /* Offsets that may be used without being synced; see notes.h. */
    uint64_t reserve;
    bool is_readonly;
    struct seglog_hooks spare_hooks; /* its checkpoint is set here */
};

struct journal_files {
    const struct journal_io *io;
    char dir[4096];
    int lock_fd;
    bool is_readonly;
    bool has_writer; /* is_readonly: another process was writing at the open */
    uint64_t reserve, found_reserve;
    struct topics *topics; /* borrowed, as groups */
    struct groups *groups;
    struct seglog data, dead;
    struct partition_state *partitions[TOPICS_MAX];
    struct watermark *watermark;
    uint64_t seen_generation; /* a follower's */
    struct recovery data_report, dead_report;
};

/* Makes the folder when it isn't there (unless readonly). ERROR_BUSY: another
 * process writes; its pid is in the text. */
int journal_files_open(struct journal_files *files, const struct journal_io *io,
                       const struct journal_files_options *options, struct topics *topics,
                       struct groups *groups, struct error *err);
/* After an orderly end: positions, and a note that the next start needs no care. */
int journal_files_finish(struct journal_files *files, struct error *err);
void journal_files_close(struct journal_files *files);

/* The topic at topics->items[number] gets its state and its line in meta. */
int journal_files_add_topic(struct journal_files *files, int number, struct error *err);
static inline struct seglog *journal_files_log(struct journal_files *files, int topic)
{
    return files->topics->items[topic].is_dead_letters ? &files->dead : &files->data;
}
/* Tell followers. */
void journal_files_publish(struct journal_files *files, bool has_changed_files);

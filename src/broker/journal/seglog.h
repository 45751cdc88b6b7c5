/* SPDX-License-Identifier: Apache-2.0 */
/* A log: segments in order of position, written at the end by one thread, read
 * anywhere by any.
 *
 * Invariants. Positions only grow; a frame's position is where it stands. A
 * segment is sealed and synced before its successor can be seen, and the
 * successor's header and checkpoint are synced before it gets its name: so a
 * start has to look closely at the last segment only. Positions of a removed
 * segment are a hole; readers go on at the next one. Nothing at or above
 * `visible` is read by consumers.
 *
 * The lock guards the list of segments, their indexes and `end`. The writer's
 * thread alone changes them, so it reads them without. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "broker/journal/segment.h"

struct seglog;

struct seglog_hooks {
    void *checkpoint_context;
    /* The payload of a checkpoint as of now. */
    void (*checkpoint)(void *context, const struct seglog *log, struct buf *out);
    void *spare_context;
    /* A prepared file named seglog_spare_path(), if there is one: its descriptor
     * and size, else -1. NULL: none ever. */
    int (*take_spare)(void *context, const struct seglog *log, uint64_t *size);
    /* A spare of this size will be needed. NULL: never mind. */
    void (*want_spare)(void *context, const struct seglog *log, uint64_t size);
};

enum { SEGLOG_IOV_MAX = 512 };

struct seglog {
    const struct journal_io *io;
    const char *dir; /* borrowed */
    const char *name;
    uint64_t segment_bytes;
    struct seglog_hooks hooks;
    pthread_mutex_t lock;
    struct segment **segments;
    size_t count, cap;
    uint64_t end; /* where the next frame goes */
    _Atomic uint64_t visible;
    _Atomic int64_t bytes_on_disk;
    /* the writer's */
    struct segment *active; /* the last segment while it takes frames, else NULL */
    uint64_t synced;
    struct iovec iov[SEGLOG_IOV_MAX + 1]; /* and padding */
    int iov_count;
    uint64_t iov_position;
};

int seglog_init(struct seglog *log, const struct journal_io *io, const char *dir, const char *name,
                uint64_t segment_bytes, const struct seglog_hooks *hooks, struct error *err);
void seglog_deinit(struct seglog *log);

/* ---- the writer's thread ---- */

/* After recovery: room to append, behind a checkpoint that is synced. */
int seglog_begin(struct seglog *log, struct error *err);
/* `bytes`: room for the header, payload, zero padding; must stay until the next
 * flush or sync. Position, durable mark and header CRC are filled in here.
 * ERROR_FULL: there is no disk for the next segment; may be called again. */
int seglog_append(struct seglog *log, struct frame *frame, uint8_t *bytes, struct error *err);
/* One of the journal's own frames; copied. */
int seglog_append_note(struct seglog *log, enum frame_type type, uint16_t flags,
                       struct bytes payload, struct error *err);
int seglog_flush(struct seglog *log, struct error *err); /* write what was appended */
int seglog_sync(struct seglog *log, struct error *err);  /* and make it durable */
/* Let consumers see up to here. */
void seglog_show(struct seglog *log, uint64_t position);
/* Remove a sealed segment for good. */
void seglog_drop(struct seglog *log, struct segment *segment);
void seglog_spare_path(const struct seglog *log, char *out, size_t size);

/* ---- any thread ---- */

static inline uint64_t seglog_visible(const struct seglog *log)
{
    return atomic_load_explicit(&log->visible, memory_order_acquire);
}
void seglog_lock(struct seglog *log);
void seglog_unlock(struct seglog *log);
/* With the lock held: in order of position. For recovery and refresh. */
int seglog_add(struct seglog *log, struct segment *segment);
/* The segment that holds position, or the next one after it; NULL: none yet.
 * A reference; the caller unrefs. */
struct segment *seglog_segment_at(struct seglog *log, uint64_t position);
/* Where to begin reading for this offset: a position at or before its frame. */
uint64_t seglog_find(struct seglog *log, int topic, int partition, int64_t offset);
/* The same for records received at or after time_ns; *first_offset is set when
 * records of that segment may be meant, else to -1. */
uint64_t seglog_find_time(struct seglog *log, int topic, int partition, int64_t time_ns);
/* The least offset kept; `otherwise` when there are no records. */
int64_t seglog_earliest(struct seglog *log, int topic, int partition, int64_t otherwise);

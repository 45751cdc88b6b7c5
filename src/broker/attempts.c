/* SPDX-License-Identifier: Apache-2.0 */
/* One small file per group, in the machine's own byte order: it never leaves
 * the machine. Layout: magic; the suspects; one area per slot. A mark is one
 * pwrite of a slot's area. What a crash leaves in the areas becomes suspects at
 * the next open: a range of many records by itself, a range of one as a crash
 * that names its record. Suspects are few and looked for under a lock; in
 * normal times there are none and nobody looks. */
#include "broker/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/must.h"
#include "observe/log.h"

#define MAGIC UINT64_C(0x314D455454414D43) /* "CMATTEM1" */

enum { SUSPECTS_MAX = 256 };

struct mark {
    uint64_t topic; /* H64 of its name: numbers differ between starts */
    int64_t first, next;
    int32_t partition;
    uint32_t crashes; /* of a suspect of one record */
};

struct area {
    uint64_t count;
    struct mark marks[ATTEMPTS_RANGES_MAX];
};

struct file {
    uint64_t magic;
    uint64_t suspect_count;
    struct mark suspects[SUSPECTS_MAX];
    struct area slots[ATTEMPTS_SLOTS_MAX];
};

struct attempts {
    int fd; /* -1: nothing is remembered */
    char *path;
    atomic_bool is_suspicious;
    atomic_bool has_complained;
    pthread_mutex_t lock; /* of the suspects */
    size_t suspect_count;
    struct mark suspects[SUSPECTS_MAX];
};

/* ---- the file ---- */

static void write_at(struct attempts *attempts, const void *ptr, size_t len, size_t offset)
{
    ssize_t wrote;
    do
        wrote = pwrite(attempts->fd, ptr, len, (off_t)offset);
    while (wrote < 0 && errno == EINTR);
    if (wrote == (ssize_t)len || atomic_exchange(&attempts->has_complained, true))
        return;
    struct error err;
    error_set_errno(&err, ERROR_IO, wrote < 0 ? errno : ENOSPC, "can't write %s", attempts->path);
    log_error("broker", "a record that crashes the process can't be told from others now", &err);
}

static void write_suspects(struct attempts *attempts)
{
    struct file file = {.magic = MAGIC, .suspect_count = attempts->suspect_count};
    memcpy(file.suspects, attempts->suspects, sizeof file.suspects);
    write_at(attempts, &file, offsetof(struct file, slots), 0);
}

/* ---- suspects ---- */

static bool is_sane(const struct mark *mark)
{
    return mark->partition >= 0 && mark->first >= 0 && mark->next > mark->first;
}

static bool is_same(const struct mark *a, const struct mark *b)
{
    return a->topic == b->topic && a->partition == b->partition && a->first == b->first &&
           a->next == b->next;
}

static void add_suspect(struct attempts *attempts, struct mark mark)
{
    for (size_t i = 0; i < attempts->suspect_count; i++) {
        if (!is_same(&attempts->suspects[i], &mark))
            continue;
        attempts->suspects[i].crashes += mark.crashes;
        return;
    }
    if (attempts->suspect_count < SUSPECTS_MAX && is_sane(&mark))
        attempts->suspects[attempts->suspect_count++] = mark;
}

/* What the last process had in hand. */
static void take_over(struct attempts *attempts, const struct file *file)
{
    if (file->magic != MAGIC)
        return;
    for (size_t i = 0; i < file->suspect_count && i < SUSPECTS_MAX; i++)
        add_suspect(attempts, file->suspects[i]);
    for (size_t s = 0; s < ATTEMPTS_SLOTS_MAX; s++) {
        const struct area *area = &file->slots[s];
        for (size_t i = 0; i < area->count && i < ATTEMPTS_RANGES_MAX; i++) {
            struct mark mark = area->marks[i];
            mark.crashes = area->count == 1 && mark.next == mark.first + 1;
            add_suspect(attempts, mark);
        }
    }
}

static void tell(const struct attempts *attempts, const char *group)
{
    for (size_t i = 0; i < attempts->suspect_count; i++)
        log_event(LOG_WARN, "broker", "records were in hand when the process died",
                  LOG_T("group", group), LOG_I("partition", attempts->suspects[i].partition),
                  LOG_I("first", attempts->suspects[i].first),
                  LOG_I("next", attempts->suspects[i].next),
                  LOG_I("crashes", attempts->suspects[i].crashes));
}

/* ---- life ---- */

static int open_file(struct attempts *attempts, const char *group, struct error *err)
{
    attempts->fd = open(attempts->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (attempts->fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "can't open %s", attempts->path);
    /* What another has in hand would look like what a crash left. */
    if (flock(attempts->fd, LOCK_EX | LOCK_NB) != 0)
        return error_set(err, ERROR_BUSY,
                         "%s is in use by another process: give each %s a data folder of its own "
                         "(--data)",
                         attempts->path, group);
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read %s", attempts->path);
    if (pread(attempts->fd, file, sizeof *file, 0) < 0) {
        free(file);
        return error_set_errno(err, ERROR_IO, errno, "can't read %s", attempts->path);
    }
    take_over(attempts, file);
    memset(file, 0, sizeof *file);
    write_at(attempts, file, sizeof *file, 0);
    free(file);
    write_suspects(attempts);
    /* The counts may matter after the machine went down, too. */
    if (attempts->suspect_count > 0 && fdatasync(attempts->fd) != 0)
        return error_set_errno(err, ERROR_IO, errno, "can't sync %s", attempts->path);
    tell(attempts, group);
    return 0;
}

int attempts_open(struct attempts **out, const char *dir, const char *group, struct error *err)
{
    struct attempts *attempts = calloc(1, sizeof *attempts);
    if (attempts == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for attempts");
    attempts->fd = -1;
    pthread_mutex_init(&attempts->lock, NULL);
    int result = 0;
    if (dir != NULL && dir[0] != '\0') {
        result = asprintf(&attempts->path, "%s/attempts-%s", dir, group) < 0
                     ? error_set(err, ERROR_MEMORY, "no memory for attempts")
                     : open_file(attempts, group, err);
    }
    if (result != 0) {
        if (attempts->fd >= 0)
            close(attempts->fd);
        free(attempts->path);
        pthread_mutex_destroy(&attempts->lock);
        free(attempts);
        return -1;
    }
    atomic_init(&attempts->is_suspicious, attempts->suspect_count > 0);
    *out = attempts;
    return 0;
}

void attempts_close(struct attempts *attempts)
{
    if (attempts == NULL)
        return;
    if (attempts->fd >= 0) {
        for (unsigned slot = 0; slot < ATTEMPTS_SLOTS_MAX; slot++)
            attempts_end(attempts, slot);
        if (attempts->suspect_count == 0)
            unlink(attempts->path);
        close(attempts->fd);
    }
    free(attempts->path);
    pthread_mutex_destroy(&attempts->lock);
    free(attempts);
}

/* ---- marks ---- */

static size_t area_offset(unsigned slot)
{
    must(slot < ATTEMPTS_SLOTS_MAX);
    return offsetof(struct file, slots) + slot * sizeof(struct area);
}

void attempts_begin(struct attempts *attempts, unsigned slot, const struct attempts_range *ranges,
                    size_t count)
{
    if (attempts->fd < 0)
        return;
    struct area area;
    area.count = count < ATTEMPTS_RANGES_MAX ? count : ATTEMPTS_RANGES_MAX;
    for (size_t i = 0; i < area.count; i++)
        area.marks[i] = (struct mark){.topic = hash64(bytes_from_text(ranges[i].topic)),
                                      .first = ranges[i].first,
                                      .next = ranges[i].next,
                                      .partition = ranges[i].partition};
    write_at(attempts, &area, offsetof(struct area, marks) + area.count * sizeof area.marks[0],
             area_offset(slot));
}

void attempts_end(struct attempts *attempts, unsigned slot)
{
    if (attempts->fd < 0)
        return;
    uint64_t none = 0;
    write_at(attempts, &none, sizeof none, area_offset(slot));
}

/* ---- asking ---- */

bool attempts_is_suspicious(const struct attempts *attempts)
{
    return atomic_load_explicit(&attempts->is_suspicious, memory_order_relaxed);
}

enum attempt attempts_look(struct attempts *attempts, const char *topic, int partition,
                           int64_t offset)
{
    if (!attempts_is_suspicious(attempts))
        return ATTEMPT_NORMAL;
    enum attempt answer = ATTEMPT_NORMAL;
    uint64_t hash = hash64(bytes_from_text(topic));
    pthread_mutex_lock(&attempts->lock);
    for (size_t i = 0; i < attempts->suspect_count && answer != ATTEMPT_DIVERT; i++) {
        const struct mark *mark = &attempts->suspects[i];
        if (mark->topic != hash || mark->partition != partition || offset < mark->first ||
            offset >= mark->next)
            continue;
        answer = mark->crashes >= ATTEMPTS_MAX ? ATTEMPT_DIVERT : ATTEMPT_ALONE;
    }
    pthread_mutex_unlock(&attempts->lock);
    return answer;
}

void attempts_settled(struct attempts *attempts, const char *topic, int partition,
                      int64_t next_offset)
{
    if (!attempts_is_suspicious(attempts))
        return;
    uint64_t hash = hash64(bytes_from_text(topic));
    pthread_mutex_lock(&attempts->lock);
    size_t kept = 0;
    for (size_t i = 0; i < attempts->suspect_count; i++) {
        struct mark mark = attempts->suspects[i];
        bool is_done =
            mark.topic == hash && mark.partition == partition && mark.next <= next_offset;
        if (!is_done)
            attempts->suspects[kept++] = mark;
    }
    bool has_changed = kept != attempts->suspect_count;
    attempts->suspect_count = kept;
    if (has_changed)
        write_suspects(attempts);
    atomic_store_explicit(&attempts->is_suspicious, kept > 0, memory_order_relaxed);
    pthread_mutex_unlock(&attempts->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that writes snapshots. The loop hands over chunks through a short
 * queue and never waits; what a full queue refuses it offers again next turn.
 *
 * After each chunk its pages are started on their way to the disk, so that the
 * sync at the end is short: a large one would hold up the journal's syncs on the
 * same disk. Any failure drops this snapshot: the file before stays, the next
 * one tries again. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/fd.h"
#include "base/must.h"
#include "live/snapshot.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { QUEUE = 4 };

enum state {
    IDLE,
    OPEN,  /* begun, the last chunk not given yet */
    GIVEN, /* all given (or abandoned), the thread is not through */
};

struct snapshot_writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    enum state state;
    bool must_stop;
    bool is_abandoned; /* the chunk that is last now makes no whole */
    int last_result;
    struct buf queue[QUEUE];
    size_t first, count;
    bool has_last; /* the youngest chunk is the last */
    /* the thread's own */
    char *path, *tmp_path, *folder;
    int fd;
    uint32_t crc;
    int64_t written, shown_bytes, begun_ns;
    struct error err;
};

/* ---- the file ---- */

static int write_all(struct snapshot_writer *writer, struct bytes bytes)
{
    if (fd_write_all(writer->fd, bytes) != 0)
        return error_set_errno(&writer->err, ERROR_IO, errno, "can't write %s", writer->tmp_path);
    writer->written += (int64_t)bytes.len;
    return 0;
}

static int open_file(struct snapshot_writer *writer)
{
    writer->crc = 0;
    writer->written = 0;
    writer->begun_ns = clock_monotonic_ns();
    writer->err = (struct error){0};
    writer->fd = open(writer->tmp_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (writer->fd < 0)
        return error_set_errno(&writer->err, ERROR_IO, errno, "can't create %s", writer->tmp_path);
    return 0;
}

static int write_chunk(struct snapshot_writer *writer, struct bytes chunk)
{
    writer->crc = crc32c(writer->crc, chunk.ptr, chunk.len);
    if (write_all(writer, chunk) != 0)
        return -1;
#ifdef SYNC_FILE_RANGE_WRITE
    sync_file_range(writer->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
    return 0;
}

static int write_end(struct snapshot_writer *writer)
{
    struct buf end;
    buf_init(&end, 0);
    int result = snapshot_put_end(&end);
    size_t end_len = end.len;
    if (result == 0)
        result = snapshot_put_crc(&end, crc32c(writer->crc, end.ptr, end_len));
    if (result != 0)
        error_set(&writer->err, ERROR_MEMORY, "no memory for the end of %s", writer->tmp_path);
    else
        result = write_all(writer, buf_bytes(&end));
    buf_deinit(&end);
    return result;
}

static int sync_folder(struct snapshot_writer *writer)
{
    int fd = open(writer->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 || fsync(fd) != 0 ? -1 : 0;
    if (result != 0)
        error_set_errno(&writer->err, ERROR_IO, errno, "can't sync %s", writer->folder);
    if (fd >= 0)
        close(fd);
    return result;
}

static int finish_file(struct snapshot_writer *writer)
{
    if (write_end(writer) != 0)
        return -1;
    if (fsync(writer->fd) != 0)
        return error_set_errno(&writer->err, ERROR_IO, errno, "can't sync %s", writer->tmp_path);
    if (rename(writer->tmp_path, writer->path) != 0)
        return error_set_errno(&writer->err, ERROR_IO, errno, "can't rename %s to %s",
                               writer->tmp_path, writer->path);
    return sync_folder(writer);
}

static void close_file(struct snapshot_writer *writer, int result)
{
    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
    if (result != 0) {
        unlink(writer->tmp_path);
        log_error("live", "snapshot not written", &writer->err);
        metrics_add(METRIC_LIVE_SNAPSHOT_FAILURES, 0, 1);
        return;
    }
    metrics_observe(METRIC_LIVE_SNAPSHOT, 0, clock_monotonic_ns() - writer->begun_ns);
    metrics_add(METRIC_LIVE_SNAPSHOT_BYTES, 0, writer->written - writer->shown_bytes);
    writer->shown_bytes = writer->written;
}

/* ---- the thread ---- */

/* The next chunk into *chunk, or false: stop. */
static bool await_chunk(struct snapshot_writer *writer, struct buf *chunk, bool *is_last,
                        bool *is_abandoned)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->count == 0 && !writer->must_stop)
        pthread_cond_wait(&writer->changed, &writer->lock);
    bool has_one = writer->count != 0;
    if (has_one) {
        *chunk = writer->queue[writer->first];
        buf_init(&writer->queue[writer->first], 0);
        writer->first = (writer->first + 1) % QUEUE;
        *is_last = --writer->count == 0 && writer->has_last;
        *is_abandoned = writer->is_abandoned;
    }
    pthread_mutex_unlock(&writer->lock);
    return has_one;
}

static void set_idle(struct snapshot_writer *writer, int result)
{
    pthread_mutex_lock(&writer->lock);
    writer->state = IDLE;
    writer->has_last = false;
    writer->is_abandoned = false;
    writer->last_result = result;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static void end_file(struct snapshot_writer *writer, int result, bool is_abandoned)
{
    if (is_abandoned)
        result = error_set(&writer->err, ERROR_MEMORY, "no memory to gather the positions");
    if (result == 0)
        result = finish_file(writer);
    close_file(writer, result);
    set_idle(writer, result);
}

static void *run(void *context)
{
    struct snapshot_writer *writer = context;
    struct buf chunk;
    bool is_last, is_abandoned, is_first = true;
    int result = 0;
    while (await_chunk(writer, &chunk, &is_last, &is_abandoned)) {
        if (is_first)
            result = open_file(writer);
        if (result == 0)
            result = write_chunk(writer, buf_bytes(&chunk));
        buf_deinit(&chunk);
        is_first = is_last;
        if (is_last)
            end_file(writer, result, is_abandoned);
    }
    if (writer->fd >= 0) { /* begun and never ended */
        close(writer->fd);
        unlink(writer->tmp_path);
    }
    return NULL;
}

/* ---- the owner's side ---- */

static void free_writer(struct snapshot_writer *writer)
{
    free(writer->path);
    free(writer->tmp_path);
    free(writer->folder);
    free(writer);
}

static int set_paths(struct snapshot_writer *writer, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    must(slash != NULL && slash != path);
    writer->path = strdup(path);
    writer->folder = strndup(path, (size_t)(slash - path));
    size_t size = strlen(path) + sizeof ".tmp";
    writer->tmp_path = malloc(size);
    if (writer->path == NULL || writer->folder == NULL || writer->tmp_path == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the snapshot writer");
    snprintf(writer->tmp_path, size, "%s.tmp", path);
    if (mkdir(writer->folder, 0750) != 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno, "can't create %s", writer->folder);
    if (access(writer->folder, W_OK) != 0)
        return error_set_errno(err, ERROR_IO, errno, "can't write in %s", writer->folder);
    return 0;
}

int snapshot_writer_start(struct snapshot_writer **out, const char *path, struct error *err)
{
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the snapshot writer");
    writer->fd = -1;
    if (set_paths(writer, path, err) != 0) {
        free_writer(writer);
        return -1;
    }
    must(pthread_mutex_init(&writer->lock, NULL) == 0);
    must(pthread_cond_init(&writer->changed, NULL) == 0);
    int number = pthread_create(&writer->thread, NULL, run, writer);
    if (number != 0) {
        free_writer(writer);
        return error_set_errno(err, ERROR_IO, number, "can't start the snapshot writer");
    }
    *out = writer;
    return 0;
}

void snapshot_writer_stop(struct snapshot_writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->must_stop = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free_writer(writer);
}

bool snapshot_begin(struct snapshot_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool is_free = writer->state == IDLE;
    if (is_free)
        writer->state = OPEN;
    pthread_mutex_unlock(&writer->lock);
    return is_free;
}

bool snapshot_write(struct snapshot_writer *writer, struct buf *chunk, bool is_last)
{
    pthread_mutex_lock(&writer->lock);
    must(writer->state == OPEN);
    bool has_room = writer->count < QUEUE;
    if (has_room) {
        writer->queue[(writer->first + writer->count++) % QUEUE] = *chunk;
        writer->has_last = is_last;
        if (is_last)
            writer->state = GIVEN;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    if (has_room)
        buf_init(chunk, chunk->limit);
    return has_room;
}

/* An empty last chunk tells the thread; a full queue's youngest is made the last. */
void snapshot_abandon(struct snapshot_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    must(writer->state == OPEN);
    if (writer->count < QUEUE)
        buf_init(&writer->queue[(writer->first + writer->count++) % QUEUE], 0);
    writer->has_last = true;
    writer->is_abandoned = true;
    writer->state = GIVEN;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

int snapshot_wait(struct snapshot_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->state == GIVEN)
        pthread_cond_wait(&writer->changed, &writer->lock);
    int result = writer->last_result;
    pthread_mutex_unlock(&writer->lock);
    return result;
}

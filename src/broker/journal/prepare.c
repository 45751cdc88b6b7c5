/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/log.h"

enum { SPARES = 2, PATH_BYTES = 4096, PACE = 3 };
#define CHUNK_BYTES (UINT64_C(1) << 20)

enum spare_state { SPARE_NONE, SPARE_WANTED, SPARE_FILLING, SPARE_READY };

struct spare {
    const struct seglog *log;
    enum spare_state state;
    uint64_t size, filled;
    int fd;      /* what the log gets */
    int fill_fd; /* past the page cache: zeros there would only cost */
    char path[PATH_BYTES];
};

struct preparer {
    const struct journal_io *io;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool should_stop;
    bool is_writing; /* a chunk is on its way, without the lock */
    struct spare spares[SPARES];
};

static struct spare *spare_of(struct preparer *preparer, const struct seglog *log)
{
    for (int i = 0; i < SPARES; i++) {
        if (preparer->spares[i].log == NULL)
            preparer->spares[i].log = log;
        if (preparer->spares[i].log == log)
            return &preparer->spares[i];
    }
    must(!"more logs than spares");
    return NULL;
}

static void close_fill(struct preparer *preparer, struct spare *spare)
{
    if (spare->fill_fd >= 0)
        preparer->io->close(preparer->io->context, spare->fill_fd);
    spare->fill_fd = -1;
}

static void forget(struct preparer *preparer, struct spare *spare)
{
    close_fill(preparer, spare);
    if (spare->fd >= 0) {
        preparer->io->close(preparer->io->context, spare->fd);
        preparer->io->unlink(preparer->io->context, spare->path);
    }
    spare->fd = -1;
    spare->state = SPARE_NONE;
}

/* Without the lock. The file with its blocks; -errno. */
static int make(struct preparer *preparer, const char *path, uint64_t size)
{
    const struct journal_io *io = preparer->io;
    int fd = io->open(io->context, path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fd;
    int result = io->allocate(io->context, fd, size);
    if (result >= 0)
        return fd;
    io->close(io->context, fd);
    io->unlink(io->context, path);
    return result;
}

static int fill_chunk(struct preparer *preparer, int fd, uint64_t from, uint64_t to)
{
    int result = journal_io_write_zeros(preparer->io, fd, from, to);
    if (result >= 0)
        result = preparer->io->fdatasync(preparer->io->context, fd);
    return result;
}

static void pause_for(struct preparer *preparer, int64_t ns)
{
#ifdef __linux__
    int64_t at = clock_monotonic_ns() + ns;
#else
    int64_t at = clock_wall_ns() + ns;
#endif
    struct timespec until = {at / NS_PER_S, at % NS_PER_S};
    while (!preparer->should_stop &&
           pthread_cond_timedwait(&preparer->changed, &preparer->lock, &until) != ETIMEDOUT) {
    }
}

/* One step of work on this spare, with the lock held outside of system calls.
 * What fails is left to the writer, which makes its file itself and reports. */
static void step(struct preparer *preparer, struct spare *spare)
{
    int64_t began_ns = clock_monotonic_ns();
    int result;
    preparer->is_writing = true;
    if (spare->state == SPARE_WANTED) {
        char path[PATH_BYTES];
        uint64_t size = spare->size;
        memcpy(path, spare->path, sizeof path);
        pthread_mutex_unlock(&preparer->lock);
        result = make(preparer, path, size);
        pthread_mutex_lock(&preparer->lock);
        spare->fd = result;
        spare->fill_fd = -1;
        if (result >= 0 && size % CHUNK_BYTES == 0)
            spare->fill_fd =
                preparer->io->open(preparer->io->context, path, O_WRONLY | journal_io_direct);
        spare->filled = 0;
        spare->state = SPARE_FILLING;
    } else {
        uint64_t from = spare->filled;
        uint64_t to = spare->size - from < CHUNK_BYTES ? spare->size : from + CHUNK_BYTES;
        int fd = spare->fill_fd >= 0 ? spare->fill_fd : spare->fd;
        pthread_mutex_unlock(&preparer->lock);
        result = fill_chunk(preparer, fd, from, to);
        pthread_mutex_lock(&preparer->lock);
        spare->filled = to;
        if (to == spare->size) {
            close_fill(preparer, spare);
            spare->state = SPARE_READY;
        }
    }
    if (result < 0)
        forget(preparer, spare);
    preparer->is_writing = false;
    pthread_cond_broadcast(&preparer->changed);
    if (spare->state == SPARE_FILLING)
        pause_for(preparer, PACE * (clock_monotonic_ns() - began_ns));
}

static struct spare *next_work(struct preparer *preparer)
{
    for (int i = 0; i < SPARES; i++)
        if (preparer->spares[i].state == SPARE_WANTED || preparer->spares[i].state == SPARE_FILLING)
            return &preparer->spares[i];
    return NULL;
}

static void *run(void *context)
{
    struct preparer *preparer = context;
    pthread_mutex_lock(&preparer->lock);
    while (!preparer->should_stop) {
        struct spare *spare = next_work(preparer);
        if (spare != NULL)
            step(preparer, spare);
        else
            pthread_cond_wait(&preparer->changed, &preparer->lock);
    }
    pthread_mutex_unlock(&preparer->lock);
    return NULL;
}

int preparer_start(struct preparer **out, const struct journal_io *io, struct error *err)
{
    struct preparer *preparer = calloc(1, sizeof *preparer);
    if (preparer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to prepare segments");
    preparer->io = io;
    for (int i = 0; i < SPARES; i++)
        preparer->spares[i].fd = preparer->spares[i].fill_fd = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_mutex_init(&preparer->lock, NULL) == 0);
    must(pthread_cond_init(&preparer->changed, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    int result = pthread_create(&preparer->thread, NULL, run, preparer);
    if (result != 0) {
        free(preparer);
        return error_set_errno(err, ERROR_IO, result, "can't start a thread");
    }
    *out = preparer;
    return 0;
}

void preparer_stop(struct preparer *preparer)
{
    if (preparer == NULL)
        return;
    pthread_mutex_lock(&preparer->lock);
    preparer->should_stop = true;
    pthread_cond_broadcast(&preparer->changed);
    pthread_mutex_unlock(&preparer->lock);
    pthread_join(preparer->thread, NULL);
    for (int i = 0; i < SPARES; i++)
        forget(preparer, &preparer->spares[i]);
    pthread_mutex_destroy(&preparer->lock);
    pthread_cond_destroy(&preparer->changed);
    free(preparer);
}

void preparer_want(void *context, const struct seglog *log, uint64_t size)
{
    struct preparer *preparer = context;
    pthread_mutex_lock(&preparer->lock);
    struct spare *spare = spare_of(preparer, log);
    if (spare->state == SPARE_NONE) {
        spare->state = SPARE_WANTED;
        spare->size = size;
        seglog_spare_path(log, spare->path, sizeof spare->path);
        pthread_cond_broadcast(&preparer->changed);
    }
    pthread_mutex_unlock(&preparer->lock);
}

int preparer_take(void *context, const struct seglog *log, uint64_t *size)
{
    struct preparer *preparer = context;
    pthread_mutex_lock(&preparer->lock);
    while (preparer->is_writing) /* one chunk at most */
        pthread_cond_wait(&preparer->changed, &preparer->lock);
    struct spare *spare = spare_of(preparer, log);
    int fd = spare->fd;
    *size = spare->size;
    close_fill(preparer, spare);
    spare->fd = -1;
    spare->state = SPARE_NONE;
    pthread_mutex_unlock(&preparer->lock);
    return fd;
}

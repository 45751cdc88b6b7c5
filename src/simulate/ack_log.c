/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/ack_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

enum { BEHIND_MAX = 16 * 1024 * 1024 };

struct ack_log {
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t has_news; /* for the writer */
    pthread_cond_t has_room; /* for those who append */
    struct buf gathering;    /* under the lock */
    struct buf writing;      /* the writer's */
    bool is_closing;
    struct error failure;
};

static int write_durably(int fd, struct bytes bytes)
{
    return fd_write_all(fd, bytes) == 0 ? fdatasync(fd) : -1;
}

/* Under the lock: take what was gathered; false when there will be no more. */
static bool take_group(struct ack_log *log)
{
    while (log->gathering.len == 0 && !log->is_closing)
        pthread_cond_wait(&log->has_news, &log->lock);
    struct buf empty = log->writing;
    log->writing = log->gathering;
    log->gathering = empty;
    buf_clear(&log->gathering);
    pthread_cond_broadcast(&log->has_room);
    return log->writing.len > 0;
}

static void *writer_main(void *context)
{
    struct ack_log *log = context;
    pthread_mutex_lock(&log->lock);
    while (take_group(log)) {
        bool is_fine = log->failure.kind == ERROR_NONE;
        pthread_mutex_unlock(&log->lock);
        int number = is_fine && write_durably(log->fd, buf_bytes(&log->writing)) != 0 ? errno : 0;
        pthread_mutex_lock(&log->lock);
        if (number != 0)
            error_set_errno(&log->failure, ERROR_IO, number, "write the ack log");
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static void destroy(struct ack_log *log)
{
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->has_news);
    pthread_cond_destroy(&log->has_room);
    buf_deinit(&log->gathering);
    buf_deinit(&log->writing);
    free(log);
}

int ack_log_open(struct ack_log **out, const char *path, struct error *err)
{
    struct ack_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the ack log");
    log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log->fd < 0) {
        error_set_errno(err, ERROR_IO, errno, "open the ack log %s", path);
        free(log);
        return -1;
    }
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->has_news, NULL);
    pthread_cond_init(&log->has_room, NULL);
    buf_init(&log->gathering, 0);
    buf_init(&log->writing, 0);
    int rc = pthread_create(&log->thread, NULL, writer_main, log);
    if (rc != 0) {
        error_set_errno(err, ERROR_IO, rc, "a thread for the ack log");
        close(log->fd);
        destroy(log);
        return -1;
    }
    *out = log;
    return 0;
}

void ack_log_append(struct ack_log *log, struct bytes lines)
{
    pthread_mutex_lock(&log->lock);
    while (log->gathering.len > BEHIND_MAX)
        pthread_cond_wait(&log->has_room, &log->lock);
    if (buf_append_bytes(&log->gathering, lines) != 0)
        error_set(&log->failure, ERROR_MEMORY, "no memory for the ack log");
    pthread_cond_signal(&log->has_news);
    pthread_mutex_unlock(&log->lock);
}

int ack_log_close(struct ack_log *log, struct error *err)
{
    if (log == NULL)
        return 0;
    pthread_mutex_lock(&log->lock);
    log->is_closing = true;
    pthread_cond_signal(&log->has_news);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    int result = 0;
    if (close(log->fd) != 0)
        result = error_set_errno(err, ERROR_IO, errno, "close the ack log");
    if (log->failure.kind != ERROR_NONE) {
        if (err != NULL)
            *err = log->failure;
        result = -1;
    }
    destroy(log);
    return result;
}

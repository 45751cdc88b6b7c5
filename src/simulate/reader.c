/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/gzip.h"
#include "observe/log.h"
#include "simulate/trace.h"

enum {
    AHEAD_BLOCKS = 8,
    IN_BYTES = 128 * 1024,
    OUT_BYTES = 512 * 1024,
    BLOCK_BYTES = 1024 * 1024,
    TOLD_LINES = 10, /* bad lines are told one by one up to here */
    POLL_MS = 100,
};

struct reader {
    int fd;
    const char *path;
    const char *map;
    bool is_ndjson;
    struct trace *trace;
    struct gzip_stream *gzip; /* NULL: plain */
    bool is_member_done;
    struct stats *stats;
    uint64_t told_lines;
    struct reader_block *filling;
    char *in, *out;
    size_t start_len; /* bytes of `in` read while opening */
    uint64_t size;    /* of the file; 0: not known */
    _Atomic uint64_t position;
    atomic_bool is_stopping;
    void (*on_news)(void *context);
    void *context;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t has_room;
    struct reader_block *ready, **ready_tail;
    struct reader_block *spare;
    size_t ready_count;
    bool is_over;
    struct error failure;
};

/* ---- the queue ---- */

static void free_blocks(struct reader_block *block)
{
    for (struct reader_block *next; block != NULL; block = next) {
        next = block->next;
        buf_deinit(&block->bytes);
        free(block);
    }
}

static struct reader_block *get_block(struct reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    struct reader_block *block = reader->spare;
    if (block != NULL)
        reader->spare = block->next;
    pthread_mutex_unlock(&reader->lock);
    if (block == NULL) {
        block = malloc(sizeof *block);
        if (block == NULL)
            return NULL;
        buf_init(&block->bytes, 0);
    }
    block->next = NULL;
    block->count = 0;
    buf_clear(&block->bytes);
    return block;
}

/* false: asked to stop. */
static bool hand_over(struct reader *reader)
{
    struct reader_block *block = reader->filling;
    reader->filling = NULL;
    if (block == NULL)
        return true;
    pthread_mutex_lock(&reader->lock);
    while (reader->ready_count == AHEAD_BLOCKS && !atomic_load(&reader->is_stopping))
        pthread_cond_wait(&reader->has_room, &reader->lock);
    *reader->ready_tail = block;
    reader->ready_tail = &block->next;
    reader->ready_count++;
    pthread_mutex_unlock(&reader->lock);
    reader->on_news(reader->context);
    return !atomic_load(&reader->is_stopping);
}

struct reader_block *reader_take(struct reader *reader, bool *is_over)
{
    pthread_mutex_lock(&reader->lock);
    struct reader_block *block = reader->ready;
    if (block != NULL) {
        reader->ready = block->next;
        if (reader->ready == NULL)
            reader->ready_tail = &reader->ready;
        reader->ready_count--;
        pthread_cond_signal(&reader->has_room);
    }
    *is_over = block == NULL && reader->is_over;
    pthread_mutex_unlock(&reader->lock);
    return block;
}

void reader_give_back(struct reader *reader, struct reader_block *block)
{
    pthread_mutex_lock(&reader->lock);
    block->next = reader->spare;
    reader->spare = block;
    pthread_mutex_unlock(&reader->lock);
}

/* ---- reading ---- */

static int fail(struct reader *reader, const struct error *err)
{
    pthread_mutex_lock(&reader->lock);
    reader->failure = *err;
    pthread_mutex_unlock(&reader->lock);
    return -1;
}

static int add_packet(struct reader *reader, const struct trace_packet *packet, struct error *err)
{
    if (reader->filling == NULL)
        reader->filling = get_block(reader);
    struct reader_block *block = reader->filling;
    if (block == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read ahead");
    buf_append_bytes(&block->bytes, packet->packet);
    if (buf_append_bytes(&block->bytes, packet->note) != 0 || block->bytes.has_failed)
        return error_set(err, ERROR_MEMORY, "no memory to read ahead");
    block->items[block->count++] = (struct reader_item){
        .packet_len = (uint32_t)packet->packet.len,
        .note_len = (uint32_t)packet->note.len,
        .vehicle_hash = packet->vehicle_hash,
        .time_ms = packet->time_ms,
        .has_time = packet->has_time,
    };
    bool is_full = block->count == READER_BLOCK_PACKETS || block->bytes.len > BLOCK_BYTES;
    if (is_full && !hand_over(reader))
        return error_set(err, ERROR_NONE, "stopped");
    return 0;
}

static void tell_bad_line(struct reader *reader)
{
    counter_add(&reader->stats->bad_lines, 1);
    if (++reader->told_lines > TOLD_LINES)
        return;
    log_event(LOG_WARN, "replay", "a line is no packet; it is left out",
              LOG_I("line", trace_line(reader->trace)), LOG_T("why", trace_problem(reader->trace)));
    if (reader->told_lines == TOLD_LINES)
        log_write(LOG_WARN, "replay", "further bad lines are only counted", NULL, 0);
}

/* What one step of the trace says; *is_more: ask again. */
static int take_step(struct reader *reader, enum trace_step step, const struct trace_packet *packet,
                     bool *is_more, struct error *err)
{
    *is_more = step != TRACE_MORE;
    switch (step) {
    case TRACE_MORE:
        return 0;
    case TRACE_PACKET:
        return add_packet(reader, packet, err);
    case TRACE_BAD:
        tell_bad_line(reader);
        return 0;
    case TRACE_FAILED:
        return error_prefix(err, "%s", reader->path);
    }
    return 0;
}

static int parse(struct reader *reader, struct bytes text, struct error *err)
{
    struct trace_packet packet;
    bool is_more = true;
    while (is_more) {
        enum trace_step step = trace_next(reader->trace, &text, &packet, err);
        if (take_step(reader, step, &packet, &is_more, err) != 0)
            return -1;
    }
    return 0;
}

static int parse_end(struct reader *reader, struct error *err)
{
    struct trace_packet packet;
    bool is_more = true;
    while (is_more) {
        enum trace_step step = trace_finish(reader->trace, &packet, err);
        if (take_step(reader, step, &packet, &is_more, err) != 0)
            return -1;
    }
    return 0;
}

static int inflate_and_parse(struct reader *reader, struct bytes in, struct error *err)
{
    for (;;) {
        size_t used, written;
        enum gzip_result result =
            gzip_stream_read(reader->gzip, in, &used, reader->out, OUT_BYTES, &written);
        in = bytes_of(in.ptr + used, in.len - used);
        if (result != GZIP_OK && result != GZIP_MORE)
            return error_set(err, ERROR_CORRUPT, "%s: the gzip data is damaged", reader->path);
        if (parse(reader, bytes_of(reader->out, written), err) != 0)
            return -1;
        reader->is_member_done = result == GZIP_OK;
        if (in.len == 0 && written < OUT_BYTES)
            return 0;
    }
}

/* Bytes read; 0 at the end, -1 with *err. Blocks no longer than it is told to stop. */
static ssize_t read_some(struct reader *reader, struct error *err)
{
    for (;;) {
        struct pollfd wait = {.fd = reader->fd, .events = POLLIN};
        if (atomic_load(&reader->is_stopping))
            return error_set(err, ERROR_NONE, "stopped");
        if (poll(&wait, 1, POLL_MS) == 0)
            continue;
        ssize_t got = read(reader->fd, reader->in, IN_BYTES);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return error_set_errno(err, ERROR_IO, errno, "read %s", reader->path);
        atomic_fetch_add(&reader->position, (uint64_t)got);
        return got;
    }
}

static int take_input(struct reader *reader, struct bytes in, struct error *err)
{
    return reader->gzip == NULL ? parse(reader, in, err) : inflate_and_parse(reader, in, err);
}

static int read_on(struct reader *reader, struct error *err)
{
    ssize_t got;
    if (take_input(reader, bytes_of(reader->in, reader->start_len), err) != 0)
        return -1;
    while ((got = read_some(reader, err)) > 0)
        if (take_input(reader, bytes_of(reader->in, (size_t)got), err) != 0)
            return -1;
    if (got < 0)
        return -1;
    int result = parse_end(reader, err);
    if (result == 0 && reader->gzip != NULL && !reader->is_member_done)
        result = error_set(err, ERROR_CORRUPT, "%s: the gzip data ends early", reader->path);
    return result;
}

static void *reader_main(void *context)
{
    struct reader *reader = context;
    struct error err = {0};
    if (read_on(reader, &err) != 0 && err.kind != ERROR_NONE)
        fail(reader, &err);
    hand_over(reader);
    pthread_mutex_lock(&reader->lock);
    reader->is_over = true;
    pthread_mutex_unlock(&reader->lock);
    reader->on_news(reader->context);
    return NULL;
}

/* ---- opening ---- */

static int open_file(struct reader *reader, const char *path, struct error *err)
{
    reader->path = strcmp(path, "-") == 0 ? "standard input" : path;
    reader->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "open %s", path);
    struct stat info;
    if (fstat(reader->fd, &info) != 0 || S_ISDIR(info.st_mode))
        return error_set(err, ERROR_IO, "%s is no file", path);
    if (S_ISREG(info.st_mode))
        reader->size = (uint64_t)info.st_size;
    return 0;
}

/* Does the beginning of the text make sense? */
static int check_start(struct reader *reader, struct bytes text, struct error *err)
{
    struct trace *trace = trace_new(reader->map);
    if (trace == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read %s", reader->path);
    struct trace_packet packet;
    bool is_failed = trace_next(trace, &text, &packet, err) == TRACE_FAILED;
    reader->is_ndjson = trace_is_ndjson(trace);
    trace_free(trace);
    return is_failed ? error_prefix(err, "%s", reader->path) : 0;
}

static int check_gzip_start(struct reader *reader, struct bytes in, struct error *err)
{
    struct gzip_stream *gzip = gzip_stream_new();
    if (gzip == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to inflate");
    size_t used, written;
    enum gzip_result result = gzip_stream_read(gzip, in, &used, reader->out, OUT_BYTES, &written);
    gzip_stream_free(gzip);
    if (result != GZIP_OK && result != GZIP_MORE)
        return error_set(err, ERROR_CORRUPT, "%s: the gzip data is damaged", reader->path);
    return check_start(reader, bytes_of(reader->out, written), err);
}

static int read_start(struct reader *reader, struct error *err)
{
    ssize_t got = read_some(reader, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return error_set(err, ERROR_CORRUPT, "%s is empty", reader->path);
    struct bytes start = bytes_of(reader->in, (size_t)got);
    reader->start_len = start.len;
    if (start.len < 2 || memcmp(start.ptr, "\x1f\x8b", 2) != 0)
        return check_start(reader, start, err);
    reader->gzip = gzip_stream_new();
    if (reader->gzip == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to inflate");
    return check_gzip_start(reader, start, err);
}

static void destroy(struct reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    trace_free(reader->trace);
    gzip_stream_free(reader->gzip);
    free_blocks(reader->filling);
    free_blocks(reader->ready);
    free_blocks(reader->spare);
    free(reader->in);
    free(reader->out);
    pthread_mutex_destroy(&reader->lock);
    pthread_cond_destroy(&reader->has_room);
    free(reader);
}

int reader_open(struct reader **out, const char *path, const char *map, struct stats *stats,
                struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read %s", path);
    reader->fd = -1;
    reader->map = map;
    reader->stats = stats;
    reader->ready_tail = &reader->ready;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->has_room, NULL);
    reader->trace = trace_new(map);
    reader->in = malloc(IN_BYTES);
    reader->out = malloc(OUT_BYTES);
    int result = 0;
    if (reader->trace == NULL || reader->in == NULL || reader->out == NULL)
        result = error_set(err, ERROR_MEMORY, "no memory to read %s", path);
    if (result == 0)
        result = open_file(reader, path, err);
    if (result == 0)
        result = read_start(reader, err);
    if (result != 0) {
        destroy(reader);
        return -1;
    }
    *out = reader;
    return 0;
}

int reader_start(struct reader *reader, void (*on_news)(void *context), void *context,
                 struct error *err)
{
    reader->on_news = on_news;
    reader->context = context;
    int rc = pthread_create(&reader->thread, NULL, reader_main, reader);
    if (rc != 0)
        return error_set_errno(err, ERROR_IO, rc, "a thread to read");
    reader->has_thread = true;
    return 0;
}

int reader_close(struct reader *reader, struct error *err)
{
    if (reader == NULL)
        return 0;
    atomic_store(&reader->is_stopping, true);
    if (reader->has_thread) {
        pthread_mutex_lock(&reader->lock);
        pthread_cond_signal(&reader->has_room);
        pthread_mutex_unlock(&reader->lock);
        pthread_join(reader->thread, NULL);
    }
    int result = reader->failure.kind == ERROR_NONE ? 0 : -1;
    if (result != 0 && err != NULL)
        *err = reader->failure;
    destroy(reader);
    return result;
}

bool reader_is_ndjson(const struct reader *reader)
{
    return reader->is_ndjson;
}

double reader_share(struct reader *reader)
{
    if (reader->size == 0)
        return -1;
    return (double)atomic_load(&reader->position) / (double)reader->size;
}

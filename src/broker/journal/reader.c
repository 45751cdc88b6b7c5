/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/reader.h"

#include <stdlib.h>
#include <string.h>

void reader_init(struct reader *reader, const struct journal_io *io)
{
    *reader = (struct reader){.io = io, .fd = -1};
}

void reader_deinit(struct reader *reader)
{
    free(reader->window);
    reader_init(reader, reader->io);
}

void reader_set(struct reader *reader, int fd, uint64_t first)
{
    reader->fd = fd;
    reader->first = first;
    reader->len = 0;
}

bool reader_has(const struct reader *reader, uint64_t position, size_t len)
{
    return position >= reader->from && position - reader->from <= reader->len &&
           reader->len - (size_t)(position - reader->from) >= len;
}

static int reserve(struct reader *reader, size_t need)
{
    size_t cap = need < READER_WINDOW_BYTES ? (size_t)READER_WINDOW_BYTES : need;
    if (cap <= reader->cap)
        return 0;
    uint8_t *grown = malloc(cap);
    if (grown == NULL)
        return -1;
    free(reader->window);
    reader->window = grown;
    reader->cap = cap;
    reader->len = 0;
    return 0;
}

const uint8_t *reader_get(struct reader *reader, uint64_t position, size_t need, uint64_t limit,
                          struct error *err)
{
    if (reader_has(reader, position, need))
        return reader->window + (position - reader->from);
    if (reserve(reader, need) != 0) {
        error_set(err, ERROR_MEMORY, "no memory for a frame of %zu bytes", need);
        return NULL;
    }
    size_t want = reader->cap;
    if (limit > position && limit - position < want)
        want = (size_t)(limit - position);
    want = want < need ? need : want;
    reader->len = 0;
    ssize_t got =
        journal_io_read(reader->io, reader->fd, reader->window, want, position - reader->first);
    if (got < 0) {
        error_set_errno(err, ERROR_IO, (int)-got, "can't read the journal at position %llu",
                        (unsigned long long)position);
        return NULL;
    }
    reader->from = position;
    reader->len = (size_t)got;
    return (size_t)got >= need ? reader->window : NULL;
}

enum frame_state reader_frame(struct reader *reader, uint64_t position, uint64_t limit,
                              struct frame *frame, const uint8_t **payload, struct error *err)
{
    if (position + FRAME_HEADER_BYTES > limit)
        return FRAME_END;
    const uint8_t *header = reader_get(reader, position, FRAME_HEADER_BYTES, limit, err);
    if (header == NULL)
        return err != NULL && err->kind != ERROR_NONE ? FRAME_BAD : FRAME_END;
    enum frame_state state = frame_decode(header, position, frame);
    if (state != FRAME_GOOD)
        return state;
    uint64_t len = frame_len(frame);
    if (len > limit - position)
        return FRAME_BAD;
    const uint8_t *whole = reader_get(reader, position, (size_t)len, limit, err);
    if (whole == NULL)
        return FRAME_BAD;
    *payload = whole + FRAME_HEADER_BYTES;
    return frame_check_payload(frame, *payload) ? FRAME_GOOD : FRAME_BAD;
}

uint64_t reader_find_frame(struct reader *reader, uint64_t position, uint64_t limit,
                           struct frame *frame)
{
    struct error err = {0};
    const uint8_t *payload;
    for (position += FRAME_ALIGN; position + FRAME_HEADER_BYTES <= limit; position += FRAME_ALIGN) {
        const uint8_t *at = reader_get(reader, position, FRAME_HEADER_BYTES, limit, &err);
        if (at == NULL)
            return 0;
        if (le_get(at + 16, 8) == position &&
            reader_frame(reader, position, limit, frame, &payload, &err) == FRAME_GOOD)
            return position;
    }
    return 0;
}

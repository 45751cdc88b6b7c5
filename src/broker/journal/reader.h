/* SPDX-License-Identifier: Apache-2.0 */
/* A window over one segment file, moved by large preads from the page cache.
 * (Not mmap: a bad sector is then an error of one call, not a SIGBUS.) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker/journal/frame.h"
#include "broker/journal/io.h"

enum { READER_WINDOW_BYTES = 256 * 1024 };

struct reader {
    const struct journal_io *io;
    int fd;         /* borrowed */
    uint64_t first; /* position of the file's byte 0 */
    uint8_t *window;
    size_t cap;
    uint64_t from; /* position of window[0] */
    size_t len;
};

void reader_init(struct reader *reader, const struct journal_io *io);
void reader_deinit(struct reader *reader);
/* Look at this file from now on; what the window held is forgotten. */
void reader_set(struct reader *reader, int fd, uint64_t first);

/* Is [position, position + len) in the window? Then reader_get won't move it. */
bool reader_has(const struct reader *reader, uint64_t position, size_t len);
/* The bytes at position, at least `need`, reading up to `limit` (a position) if
 * the window must move. NULL: beyond the end of the file (err->kind ERROR_NONE),
 * no memory, or an error. Valid until the window moves. */
const uint8_t *reader_get(struct reader *reader, uint64_t position, size_t need, uint64_t limit,
                          struct error *err);

/* The frame at position, which may reach up to `limit`. Its payload is checked.
 * *payload is set when FRAME_GOOD. An error of the system is FRAME_BAD with
 * *err set. */
enum frame_state reader_frame(struct reader *reader, uint64_t position, uint64_t limit,
                              struct frame *frame, const uint8_t **payload, struct error *err);
/* The next position after `position` where a good frame begins, below limit; 0: none. */
uint64_t reader_find_frame(struct reader *reader, uint64_t position, uint64_t limit,
                           struct frame *frame);

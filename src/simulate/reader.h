/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a trace on a thread of its own, plain or gzip (told by its first bytes),
 * and hands its packets over in blocks: at most a few ahead of the player, so
 * that a file of any size takes the same memory, and standard input may block
 * without stopping the acks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "simulate/stats.h"

enum { READER_BLOCK_PACKETS = 512 };

struct reader;

struct reader_item {
    uint32_t packet_len;
    uint32_t note_len;
    uint64_t vehicle_hash;
    int64_t time_ms;
    bool has_time;
};

struct reader_block {
    struct reader_block *next; /* private */
    size_t count;
    struct reader_item items[READER_BLOCK_PACKETS];
    struct buf bytes; /* packet and note of each item, one behind the other */
};

/* path "-": standard input. `map` (see simulate/columns.h) and `stats`, where bad
 * lines are counted, must outlive it. The first line is read at once, so that what is
 * no trace is told here. on_news(context) is called on the reader's
 * thread when a block, or the end, is there. */
int reader_open(struct reader **out, const char *path, const char *map, struct stats *stats,
                struct error *err);
int reader_start(struct reader *reader, void (*on_news)(void *context), void *context,
                 struct error *err);
/* Stops, even in the middle. 0, or -1 when reading failed or was cut short. */
int reader_close(struct reader *reader, struct error *err);

/* The next block, which the caller gives back; NULL: none yet, or *is_over. */
struct reader_block *reader_take(struct reader *reader, bool *is_over);
void reader_give_back(struct reader *reader, struct reader_block *block);

/* Its packets are lines as they stand in the file (simulate/trace.h). */
bool reader_is_ndjson(const struct reader *reader);
/* 0..1 of the file; negative when its size is not known. Any thread. */
double reader_share(struct reader *reader);

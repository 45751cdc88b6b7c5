/* SPDX-License-Identifier: Apache-2.0 */
/* Finding rows, from any process: connections of its own, one short snapshot a
 * file, nothing kept between calls but open connections. */
#pragma once

#include <pthread.h>

#include "sink/sqlite/db.h"

enum { READ_OPEN_MAX = 16 };

struct read_file {
    struct db *db;
    char name[40];
    uint64_t inode;
    uint64_t last_use;
};

struct store_reader {
    pthread_mutex_t mutex; /* callers of several threads take turns */
    char *folder;
    struct packet_scratch *scratch;
    struct read_file files[READ_OPEN_MAX];
    uint64_t uses;
    struct pool pool;
    struct shape_table shapes;
};

int store_reader_init(struct store_reader *reader, const char *folder, struct error *err);
void store_reader_deinit(struct store_reader *reader);

int read_find(struct store_reader *reader, const struct sink_query *query,
              struct sink_cursor *cursor, size_t limit, sink_row_fn fn, void *context,
              struct error *err);
int read_latest(struct store_reader *reader, struct sink_cursor *cursor, size_t limit,
                sink_row_fn fn, void *context, struct error *err);
int read_count(struct store_reader *reader, const struct sink_query *query, uint64_t *out,
               struct error *err);

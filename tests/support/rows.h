/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for tests of the store, made as the product makes them: a packet's JSON
 * is decoded, identified, encoded canonically and decoded again. */
#pragma once

#include "sink/sink.h"

struct rows {
    struct sink_row *items; /* pass to sink_write */
    size_t count, cap;
    struct packet_scratch *scratch;
};

void rows_init(struct rows *rows);
void rows_deinit(struct rows *rows);
void rows_clear(struct rows *rows);
/* One packet received at received_ns; an invalid one ends the program. */
void rows_add_json(struct rows *rows, int64_t received_ns, struct bytes json);
void rows_add(struct rows *rows, int64_t received_ns, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a walk found: copies, in order. */
struct found_row {
    char *vehicle;
    char *canonical;
    size_t canonical_len;
    struct packet packet; /* its views are not valid any more */
};
struct found {
    struct found_row *items;
    size_t count, cap;
    size_t stop_after; /* 0 = never */
};
void found_init(struct found *found);
void found_deinit(struct found *found);
bool found_add(void *context, const struct sink_row *row); /* a sink_row_fn */
/* All pages of a query, of `page` rows each. -1 on error. */
int found_all(struct found *found, struct sink *sink, const struct sink_query *query, size_t page,
              struct error *err);
int found_latest(struct found *found, struct sink *sink, size_t page, struct error *err);

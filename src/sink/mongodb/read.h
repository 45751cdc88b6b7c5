/* SPDX-License-Identifier: Apache-2.0 */
/* Finding: what sink.h says of find, latest and count, over all collections of
 * the database (by category, by month).
 *
 * One vehicle's rows come from the index (vehicle, time, _id), a page at a time.
 * All vehicles' are read in order of _id, which begins with H64(vehicle): a
 * stretch of it holds whole vehicles, which are sorted by time here; only a
 * vehicle larger than a stretch is read by the index. (Of two such large
 * vehicles with one H64 the second is found by its name only.) */
#pragma once

#include "sink/mongodb/decode.h"
#include "sink/mongodb/server.h"

struct reader; /* one caller at a time */

struct reader *reader_new(struct server *server); /* NULL without memory */
void reader_free(struct reader *reader);

int reader_find(struct reader *reader, const struct sink_query *query, struct sink_cursor *cursor,
                size_t limit, sink_row_fn fn, void *context, struct error *err);
int reader_latest(struct reader *reader, struct sink_cursor *cursor, size_t limit, sink_row_fn fn,
                  void *context, struct error *err);
int reader_count(struct reader *reader, const struct sink_query *query, uint64_t *out,
                 struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* One writer: encodes some rows of a batch, sends them, and notes each row's
 * outcome. Several pens write slices of one batch at the same time; they share
 * the server and the collections, and never touch the same row. */
#pragma once

#include "sink/mongodb/collections.h"
#include "sink/sink.h"

enum outcome {
    OUTCOME_STORED,
    OUTCOME_DUPLICATE,
    OUTCOME_REFUSED,   /* the document will never be taken */
    OUTCOME_FAILED,    /* the document's own failure, which may pass */
    OUTCOME_UNREACHED, /* the connection's, the server's or the write concern's */
};

/* What a pen needs of the sink. */
struct pen_ground {
    const struct mongodb_config *config;
    struct server *server;
    struct collections *collections;
    bson_t *options; /* of insert_many */
};

/* One a row. `detail` is on the heap, NULL unless the row is not stored. */
struct pen_result {
    enum outcome outcome;
    char *detail;
};

struct pen;

struct pen *pen_new(const struct pen_ground *ground); /* NULL without memory */
void pen_free(struct pen *pen);
/* Write the rows; results[i] is row i's. */
void pen_write(struct pen *pen, const struct sink_row *rows, struct pen_result *results,
               size_t count);

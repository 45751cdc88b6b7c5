/* SPDX-License-Identifier: Apache-2.0 */
/* The store's transforms and schemas at work: a shaper, and what it remembers of
 * vehicles made again when records do not go on where the last ones ended. One
 * thread. */
#pragma once

#include "broker/broker.h"
#include "sink/sink.h"
#include "vehicle/transform/shape.h"

struct shaping;

struct shaping_handler {
    /* Around a batch that is read again. */
    void (*begin)(void *context, const struct consumed_batch *batch);
    void (*end)(void *context);
    /* A record that has crashed the process too often is passed by. */
    bool (*must_skip)(void *context, const struct consumed *in);
    bool (*must_stop)(void *context);
    void *context;
};

/* The shape, the broker and the topics must outlive it. */
int shaping_open(struct shaping **out, const struct shape *shape, size_t vehicles_max,
                 struct broker *broker, const int *topics, size_t topic_count,
                 const struct shaping_handler *handler, struct error *err);
void shaping_close(struct shaping *shaping); /* NULL is fine */

/* Before a fetched batch is taken. -1: with ERROR_BUSY it must stop, else the
 * broker failed; nothing of the batch may be taken. */
int shaping_prepare(struct shaping *shaping, const struct consumed_batch *batch, struct error *err);
/* The row's packet was decoded from row->canonical. The new text lives until the
 * next call. */
enum shaped shaping_apply(struct shaping *shaping, const struct consumed *in, struct sink_row *row,
                          enum reason *reason, char detail[SHAPE_DETAIL_MAX]);
/* After each record, whatever became of it. */
void shaping_note(struct shaping *shaping, const struct consumed *in);

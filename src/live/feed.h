/* SPDX-License-Identifier: Apache-2.0 */
/* The feed: reads the category topics, all partitions, without a group, and puts
 * each packet that has a position into the roster. It knows where it stands, so
 * that a snapshot can say so, and when it has caught up with what was there at
 * the start. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "broker/broker.h"
#include "live/roster.h"
#include "observe/trace_batch.h"
#include "live/snapshot.h"
#include "vehicle/packet.h"

struct feed_partition {
    int topic, partition;
    int64_t next_offset; /* all before are in the roster */
    int64_t target;      /* the end at the start: there the feed has caught up */
};

struct feed {
    struct broker *broker;
    struct consumer *consumer;
    struct packet_scratch *scratch;
    struct buf shortened; /* a packet without its signals */
    size_t packet_bytes;
    struct roster *roster;
    void (*on_change)(void *context, const struct roster_change *change);
    void (*wake)(void *context);
    void *context;
    int *topics;
    size_t topic_count;
    struct feed_partition *partitions;
    size_t partition_count;
    size_t found_last;
    bool is_caught_up;
    bool has_failed;         /* the last fetch: logged once */
    int64_t clock_offset_ns; /* wall - monotonic, while catching up */
    struct trace_batch traces;
};

struct feed_options {
    struct broker *broker;
    const char *const *topics; /* made where they are missing */
    size_t topic_count;
    size_t packet_bytes; /* a longer one is kept without its signals */
    struct roster *roster;
    void (*on_change)(void *context, const struct roster_change *change);
    void (*wake)(void *context); /* any thread: call feed_run soon */
    void *context;
};

/* From the earliest of each partition, until feed_seek says otherwise. */
int feed_open(struct feed *feed, const struct feed_options *options, struct error *err);
void feed_close(struct feed *feed); /* zeroed or closed before is fine */

/* Go on from here. An offset that is no longer (or not yet) there: from the
 * earliest, with a line in the log. Unknown topics and partitions: nothing. */
void feed_seek(struct feed *feed, const struct snapshot_position *position);
/* Where the group has got to in every partition; the earliest where it has none. */
void feed_seek_committed(struct feed *feed, const char *group);
void feed_seek_earliest(struct feed *feed);

/* Read these as well, from their earliest; those that are read already are passed
 * over. -1: it goes on as before. */
int feed_add_topics(struct feed *feed, const int *topics, size_t topic_count, struct error *err);

/* Take in one canonical packet (a record's value, a snapshot's, a sink's row). */
void feed_take(struct feed *feed, struct bytes canonical, int64_t now_ns);

/* One batch; false: there was nothing, `wake` tells of more (after a failure it
 * may not: call again in a while). */
bool feed_run(struct feed *feed, int64_t now_ns);
/* Records between the ends of the partitions and here. */
int64_t feed_lag(const struct feed *feed);
/* Into out (partition_count of them); names belong to the broker. */
void feed_positions(const struct feed *feed, struct snapshot_position *out);

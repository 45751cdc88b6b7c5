/* SPDX-License-Identifier: Apache-2.0 */
/* Live: keeps the newest position of each vehicle, answers and pushes it to
 * riders, serves the map. Every instance reads all partitions. */
#pragma once

#include "base/error.h"
#include "broker/broker.h"
#include "live/config.h"
#include "sink/sink.h"

struct live;

/* Reads the snapshot, else the newest rows of `sink` (may be NULL; open for
 * reading; live alone uses it until live_stop), listens, and then reads the
 * topics to their end: only then is its health check "live" ready. The config,
 * the broker and the sink must outlive it; the topics need not. */
int live_start(struct live **out, const struct live_config *config, struct broker *broker,
               struct sink *sink, const char *const *topics, size_t topic_count, struct error *err);
/* "127.0.0.1:30080", the port really bound. */
const char *live_address(const struct live *live);
/* From any thread: read these topics as well, from their beginning; they are made
 * where they are missing. */
int live_add_topics(struct live *live, const char *const *topics, size_t topic_count,
                    struct error *err);
/* Not ready any more; riders are closed (1001); waits until they are, at most a
 * few seconds. */
void live_drain(struct live *live);
/* Drain if that was not done, write a last snapshot, free. NULL is fine. */
void live_stop(struct live *live);

/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded packets, from a file or a topic, one after the other as ingest records.
 * One thread. */
#pragma once

#include "broker/broker.h"
#include "config/config.h"

struct packets;

/* CSV or NDJSON, plain or gzip, "-" for standard input. As the time of receipt
 * counts the event's time, or that of the packet before when it has none. */
int packets_open_file(struct packets **out, const char *path, struct error *err);
/* An ingest topic, or one of dead letters, of the broker that the configuration
 * names, from `from` (tool/where.h) up to its present end. */
int packets_open_topic(struct packets **out, const struct config *config, const char *topic,
                       const char *from, struct error *err);
void packets_close(struct packets *packets); /* NULL is fine */

/* 1: *record, good until the next call; 0: there are no more; -1: *err. */
int packets_next(struct packets *packets, struct consumed *record, struct error *err);
/* What the records were read from, as it is called in messages. */
const char *packets_topic(const struct packets *packets);

/* SPDX-License-Identifier: Apache-2.0 */
/* The handler: reads the ingest topics as a consumer group, decides by rules, and
 * writes each record to its category's topic or to the dead letters. A position
 * is committed after the outputs before it are durable: a crash repeats, never
 * loses, and a repeat writes the same bytes. */
#pragma once

#include "base/error.h"
#include "broker/broker.h"
#include "handler/config.h"
#include "vehicle/ruleset.h"

/* As journals of earlier versions know it; over Kafka, where the name is seen by
 * others, the one that was agreed on. */
#define HANDLER_GROUP "handler"
#define HANDLER_GROUP_KAFKA "gps"

struct handler;

/* Makes the topics, starts the threads; takes references of the ruleset. The
 * config need not outlive the call; the broker must outlive the handler. Sets
 * the health check "handler". */
int handler_start(struct handler **out, const struct handler_config *config, struct broker *broker,
                  struct ruleset *ruleset, struct error *err);

/* From any thread: each of the handler's threads goes over at the end of its
 * batch, after what it published is durable and committed. On an error (topics)
 * the old ruleset stays in force. */
int handler_reload(struct handler *handler, struct ruleset *ruleset, struct error *err);

/* Stop reading, wait (drain_timeout) until all outputs are durable, commit,
 * join. NULL is fine. */
void handler_stop(struct handler *handler);

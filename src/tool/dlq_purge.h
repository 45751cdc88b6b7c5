/* SPDX-License-Identifier: Apache-2.0 */
/* `motorcade dlq purge`: dead letters of Kafka deleted up to a point in time. */
#pragma once

#include "broker/kafka/client.h"
#include "tool/dlq_book.h"

struct dlq_purge {
    uint64_t records; /* to be deleted, marks included */
    uint64_t open;    /* dead letters among them that were not replayed */
};

/* Of each partition all before the first record received at or after before_ns.
 * Without is_agreed nothing is deleted: *out says what would be. `book`: all
 * letters. */
int dlq_purge(struct dlq_book *book, struct kafka_client *client, int64_t before_ns, bool is_agreed,
              struct dlq_purge *out, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's statistics (its STATISTICS.md) as metrics: how it stands with each
 * broker, and what waits in a client. */
#pragma once

#include <stddef.h>

/* `client` is the label: "producer-0". `json` is what librdkafka gave. Bad JSON
 * and more brokers than a cluster has (64) are passed over. Any thread. */
void kafka_stats_take(const char *client, const char *json, size_t len);

/* SPDX-License-Identifier: Apache-2.0 */
/* `motorcade topics grow`. More partitions move vehicles to other partitions: what
 * lies in the old ones must have been read before, or a vehicle's newer records
 * overtake its older ones. */
#pragma once

#include "broker/kafka/client.h"
#include "tool/topic_plan.h"

struct grow_options {
    const char *topic;  /* one of the plan, or NULL: all */
    bool is_agreed;     /* --yes */
    int64_t timeout_ns; /* to wait until all is read */
    int64_t quiet_ns;   /* no record may have come for so long */
};

int topics_grow(struct kafka_client *client, const struct topic_plan *plan,
                const struct grow_options *options, struct error *err);

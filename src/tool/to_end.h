/* SPDX-License-Identifier: Apache-2.0 */
/* Topics read up to where they end at the beginning: for tools that look once. */
#pragma once

#include "broker/broker.h"

/* 0: go on; 1: enough; -1: *err. */
typedef int (*to_end_fn)(void *context, const struct consumed *record, struct error *err);

/* Every record from the options' start (without a group) that lay there when this was
 * called, in order within a partition. */
int to_end_read(struct broker *broker, const struct consumer_options *options, to_end_fn fn,
                void *context, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a topic a tool begins: what --from says. */
#pragma once

#include "broker/broker.h"

/* "earliest", "latest", an offset, a received time (RFC 3339) or an age ("10m"). */
int where_parse(const char *text, enum consumer_start *start, int64_t *value, struct error *err);

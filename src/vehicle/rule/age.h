/* SPDX-License-Identifier: Apache-2.0 */
/* What max_age and max_ahead share: the event time against the record's clock. */
#pragma once

#include "vehicle/rule/rule.h"

/* Received time minus event time, ms; clamped to what 64 bits hold. */
int64_t rule_age_ms(const struct packet *packet, const struct rule_context *context);
/* "2008-05-20T07:00:00.000Z is 3.5 days <word> the time of arrival; at most 7 days" */
void rule_age_explain(const struct packet *packet, int64_t distance_ms, const char *word,
                      int64_t limit_ms, char *out, size_t cap);

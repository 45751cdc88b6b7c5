/* SPDX-License-Identifier: Apache-2.0 */
/* Which collection a packet lies in: its category's, with the month of its event
 * time where mongodb.by_month says so. The same packet always gives the same
 * name, whenever it is sent again, since an _id is unique only within one
 * collection; so a packet without event time, and one whose month lies beyond
 * 2000-2099, stays in the one without a month. The set of names is closed: what
 * comes over the wire chooses among them, and makes none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { NAME_MAX_BYTES = 100, NAME_MONTH_NONE = -1 };

/* Months since 2000-01, or NAME_MONTH_NONE. */
int name_month(bool has_time, int64_t time_ms);
/* "position" or "position_2008_05"; NUL-terminated. A category that can't name
 * a collection, or looks like one with a month, is "other". */
void name_of(struct bytes category, int month, char out[NAME_MAX_BYTES + 1]);
/* May a collection of that name hold packets of from_ms <= time < to_ms? */
bool name_may_hold(const char *name, int64_t from_ms, int64_t to_ms);

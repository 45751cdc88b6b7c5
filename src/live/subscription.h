/* SPDX-License-Identifier: Apache-2.0 */
/* What a rider asks to follow, or no longer: read from a URL's query
 * (?vehicles=a,b&bbox=w,s,e,n) or from a message:
 *
 *   {"subscribe":{"vehicles":["a",17],"bbox":[w,s,e,n]}}
 *   {"unsubscribe":{"vehicles":["a"],"bbox":true}}   {"unsubscribe":"all"}
 *
 * Strict: what is not understood is refused with a sentence that says so. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "codec/json.h"
#include "live/area.h"

enum { SUBSCRIPTION_PROBLEM_MAX = 200 };

struct subscription {
    bool is_end; /* unsubscribe */
    bool is_all; /* … from everything */
    bool has_area;
    struct area area; /* not filled for an unsubscribe */
    struct buf names; /* each: 1 length, the name */
    size_t name_count;
    size_t max_names;
    char problem[SUBSCRIPTION_PROBLEM_MAX];
};

void subscription_init(struct subscription *subscription, size_t max_names);
void subscription_deinit(struct subscription *subscription);

/* Each begins anew. false: `problem` says why. A query without any of the two
 * names is an empty subscription. */
bool subscription_parse_query(struct subscription *subscription, struct bytes query);
bool subscription_parse_message(struct subscription *subscription, struct json_reader *reader,
                                struct bytes message);

/* Walk the names: for (size_t at = 0; subscription_name(s, &at, &name);). */
bool subscription_name(const struct subscription *subscription, size_t *at, struct bytes *name);

/* A name that a vehicle can have (contracts: identity). */
bool subscription_is_vehicle(struct bytes name);

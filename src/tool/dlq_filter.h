/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters are meant. Named values, so that a command line and a query
 * of HTTP say the same. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "vehicle/mc.h"

enum dlq_state {
    DLQ_ANY,
    DLQ_OPEN,     /* never replayed */
    DLQ_AGAIN,    /* replayed, and failed again */
    DLQ_REPLAYED, /* and not failed again, so far */
};

enum { DLQ_NAME_MAX = 24, DLQ_VALUE_MAX = 256, DLQ_NAMES_MAX = 8 };

struct dlq_filter {
    enum reason reason;         /* REASON_COUNT: any */
    int64_t since_ns, until_ns; /* received; until is not included */
    enum dlq_state state;
    char vehicle[DLQ_VALUE_MAX]; /* whole key; "" = any */
    char detail[DLQ_VALUE_MAX];  /* a part of the detail: the rule, the field; "" = any */
    char topic[DLQ_VALUE_MAX];   /* the dead-letter topic, or the one they come from; "" = any */
    char id[2 * PACKET_IDENTITY_LEN + 1]; /* identity in hex, or its beginning; "" = any */
};

/* NULL-terminated: "reason", "since", … */
/* "all", "open", …; by enum dlq_state. */
extern const char *const dlq_state_names[];
extern const char *const dlq_filter_names[DLQ_NAMES_MAX + 1];

void dlq_filter_init(struct dlq_filter *filter);
/* One value as text; ERROR_USAGE says what it may be. now_ns: for ages. */
int dlq_filter_set(struct dlq_filter *filter, const char *name, const char *value, int64_t now_ns,
                   struct error *err);

/* All but state and id, which are known when every record was read. */
bool dlq_filter_takes(const struct dlq_filter *filter, const char *topic, struct bytes key,
                      const struct mc *mc);
bool dlq_filter_takes_id(const struct dlq_filter *filter, const struct packet_identity *id);

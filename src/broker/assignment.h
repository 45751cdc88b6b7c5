/* SPDX-License-Identifier: Apache-2.0 */
/* What one consumer reads: a cursor per partition of its topics, owned or not.
 * Without group it owns them all; in a group as group.h divides them. */
#pragma once

#include "broker/broker.h"
#include "broker/driver.h"

struct cursor {
    int topic;
    int partition;
    int64_t next; /* the next offset to give */
    bool is_owned;
    struct position *position; /* of the group, or NULL */
};

struct assignment {
    struct broker *broker;
    struct group_member member; /* member.group NULL: no group */
    struct cursor *cursors;
    size_t count;
    struct cursor *of_topic[TOPICS_MAX]; /* its partition 0, or NULL */
};

/* Which offset does this start mean in this partition? From the back end. */
typedef int64_t (*assignment_resolve_fn)(struct broker *broker, int topic, int partition,
                                         enum consumer_start start, int64_t value);

/* Joins the group. New positions begin where `resolve` says. */
int assignment_init(struct assignment *assignment, struct broker *broker,
                    const struct consumer_options *options, assignment_resolve_fn resolve,
                    struct error *err);
/* Leaves the group: wake the other consumers afterwards. */
void assignment_deinit(struct assignment *assignment);

static inline bool assignment_has_changed(const struct assignment *assignment)
{
    return assignment->member.group != NULL && group_has_changed(&assignment->member);
}

enum {
    ASSIGNMENT_GAINED = 1, /* has new cursors */
    ASSIGNMENT_GAVE = 2,   /* others may take what was given up: wake them */
};
/* At the begin of a fetch, when it has changed. A mask of the above. */
unsigned assignment_sync(struct assignment *assignment);

/* How many partitions are owned, as of the last sync. */
size_t assignment_owned(const struct assignment *assignment);

/* NULL when it isn't one of its topics. */
static inline struct cursor *assignment_find(const struct assignment *assignment, int topic,
                                             int partition)
{
    struct cursor *first = assignment->of_topic[topic];
    return first == NULL ? NULL : first + partition;
}

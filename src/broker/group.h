/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer groups of one process: who reads which partition, and how far the
 * group is. Shared by the back ends; a back end brings durability.
 *
 * Idea. A group owns one `position` per (topic, partition) of the topics that
 * its members read. The wanted assignment follows from the members alone: the
 * members that read a topic, in order of joining, take its partitions in turn,
 * so that one member has partition p of all its topics. A partition changes
 * hands only between two fetches of its old owner (group_sync gives up what is
 * no longer wanted), when the batch before has been worked through: the new
 * owner goes on at the committed position, so that what the old one did not
 * commit is seen again, never lost.
 *
 * Everything is guarded by the table's lock; the generation may be read
 * without, to see cheaply that nothing changed. Positions live as long as the
 * table: a position may be referred to by pointer. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker/topics.h"

enum { GROUP_NAME_MAX = 100, GROUPS_MAX = 64 };

struct group_member;

struct position {
    struct position *next; /* in its group */
    struct group *group;
    int topic;
    int partition;
    int64_t start;     /* where the group began: nothing below it is awaited */
    int64_t committed; /* -1: never */
    int64_t written;   /* in the log, maybe not yet durable (journal's writer) */
    int64_t durable;   /* what a restart will find; -1: nothing */
    struct group_member *owner;
};

struct group {
    char name[GROUP_NAME_MAX + 1];
    struct position *positions;
    struct group_member *members; /* in order of joining */
    _Atomic uint64_t generation;
};

struct group_member {
    struct group_member *next;
    struct group *group;
    uint64_t seen;          /* the generation of the last sync */
    bool reads[TOPICS_MAX]; /* by topic */
};

struct groups {
    pthread_mutex_t lock;
    atomic_int count;
    struct group *items[GROUPS_MAX];
};

void groups_init(struct groups *groups);
void groups_deinit(struct groups *groups);
void groups_lock(struct groups *groups);
void groups_unlock(struct groups *groups);

/* All below: with the lock held, unless said otherwise. */

/* The group, made when it isn't there; NULL with *err (name, number, memory). */
struct group *groups_get(struct groups *groups, const char *name, struct error *err);
struct group *groups_find(const struct groups *groups, const char *name);
struct position *group_find_position(const struct group *group, int topic, int partition);
/* The position, made with `start` when it isn't there. NULL without memory. */
struct position *group_get_position(struct group *group, int topic, int partition, int64_t start);
/* Where a member goes on. */
int64_t position_next(const struct position *position);

void group_join(struct group *group, struct group_member *member);
/* Gives up all it owns. */
void group_leave(struct group_member *member);

/* Without the lock: has anything changed since this member's last sync? */
static inline bool group_has_changed(const struct group_member *member)
{
    return atomic_load_explicit(&member->group->generation, memory_order_acquire) != member->seen;
}
/* Between two fetches: give up what should be another's, take what is free and
 * should be this member's. True when something was given up: others may now
 * take it, wake them. What it owns afterwards: position->owner == member. */
bool group_sync(struct group_member *member);

/* Commit: 0; -1 with ERROR_BUSY (transient) when the partition is not the
 * member's any more: another one goes on from the committed position. Never
 * moves back. *position may be NULL. */
int group_commit(struct group_member *member, int topic, int partition, int64_t next_offset,
                 struct position **position, struct error *err);

/* The least position that a restart would resume at, over all groups that read
 * this partition; INT64_MAX when no group does. */
int64_t groups_least_durable(const struct groups *groups, int topic, int partition);

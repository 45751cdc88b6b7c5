/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/assignment.h"

#include <stdlib.h>
#include <string.h>

static size_t count_partitions(struct assignment *assignment,
                               const struct consumer_options *options)
{
    size_t total = 0;
    for (size_t i = 0; i < options->topic_count; i++) {
        int topic = options->topics[i];
        if (assignment->member.reads[topic])
            continue;
        assignment->member.reads[topic] = true;
        total += (size_t)broker_partitions(assignment->broker, topic);
    }
    return total;
}

static bool is_wanted(const struct consumer_options *options, int topic, int partition)
{
    for (size_t i = 0; i < options->only_count; i++)
        if (options->only[i].topic == topic && options->only[i].partition == partition)
            return true;
    return options->only_count == 0;
}

/* Where to begin is looked up only where it matters: it may mean reading. */
static struct cursor make_cursor(struct assignment *assignment,
                                 const struct consumer_options *options,
                                 assignment_resolve_fn resolve, int topic, int partition)
{
    struct cursor cursor = {.topic = topic, .partition = partition};
    if (!is_wanted(options, topic, partition))
        return cursor;
    cursor.is_owned = options->group == NULL;
    cursor.next =
        resolve(assignment->broker, topic, partition,
                options->start == CONSUMER_FROM_COMMITTED ? CONSUMER_FROM_EARLIEST : options->start,
                options->start_value);
    return cursor;
}

static void make_cursors(struct assignment *assignment, const struct consumer_options *options,
                         assignment_resolve_fn resolve)
{
    for (int topic = 0; topic < TOPICS_MAX; topic++) {
        if (!assignment->member.reads[topic])
            continue;
        assignment->of_topic[topic] = &assignment->cursors[assignment->count];
        int partitions = broker_partitions(assignment->broker, topic);
        for (int p = 0; p < partitions; p++)
            assignment->cursors[assignment->count++] =
                make_cursor(assignment, options, resolve, topic, p);
    }
}

/* With the groups' lock held. */
static int join(struct assignment *assignment, const char *name, struct error *err)
{
    struct group *group = groups_get(&assignment->broker->groups, name, err);
    if (group == NULL)
        return -1;
    for (size_t i = 0; i < assignment->count; i++) {
        struct cursor *c = &assignment->cursors[i];
        c->position = group_get_position(group, c->topic, c->partition, c->next);
        if (c->position == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for a position");
    }
    group_join(group, &assignment->member);
    return 0;
}

int assignment_init(struct assignment *assignment, struct broker *broker,
                    const struct consumer_options *options, assignment_resolve_fn resolve,
                    struct error *err)
{
    *assignment = (struct assignment){.broker = broker};
    size_t count = count_partitions(assignment, options);
    assignment->cursors = calloc(count, sizeof *assignment->cursors);
    if (assignment->cursors == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu cursors", count);
    make_cursors(assignment, options, resolve);
    if (options->group == NULL)
        return 0;
    groups_lock(&broker->groups);
    int result = join(assignment, options->group, err);
    groups_unlock(&broker->groups);
    if (result != 0) {
        free(assignment->cursors);
        assignment->cursors = NULL;
    }
    return result;
}

void assignment_deinit(struct assignment *assignment)
{
    if (assignment->member.group != NULL) {
        groups_lock(&assignment->broker->groups);
        group_leave(&assignment->member);
        groups_unlock(&assignment->broker->groups);
    }
    free(assignment->cursors);
    *assignment = (struct assignment){0};
}

unsigned assignment_sync(struct assignment *assignment)
{
    unsigned what = 0;
    groups_lock(&assignment->broker->groups);
    if (group_sync(&assignment->member))
        what |= ASSIGNMENT_GAVE;
    for (size_t i = 0; i < assignment->count; i++) {
        struct cursor *c = &assignment->cursors[i];
        bool is_owned = c->position->owner == &assignment->member;
        if (is_owned && !c->is_owned) {
            c->next = position_next(c->position);
            what |= ASSIGNMENT_GAINED;
        }
        c->is_owned = is_owned;
    }
    groups_unlock(&assignment->broker->groups);
    return what;
}

size_t assignment_owned(const struct assignment *assignment)
{
    size_t count = 0;
    for (size_t i = 0; i < assignment->count; i++)
        count += assignment->cursors[i].is_owned ? 1 : 0;
    return count;
}

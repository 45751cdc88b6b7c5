/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void groups_init(struct groups *groups)
{
    memset(groups, 0, sizeof *groups);
    must(pthread_mutex_init(&groups->lock, NULL) == 0);
}

static void group_free(struct group *group)
{
    while (group->positions != NULL) {
        struct position *position = group->positions;
        group->positions = position->next;
        free(position);
    }
    free(group);
}

void groups_deinit(struct groups *groups)
{
    int count = atomic_load(&groups->count);
    for (int i = 0; i < count; i++)
        group_free(groups->items[i]);
    atomic_store(&groups->count, 0);
    pthread_mutex_destroy(&groups->lock);
}

void groups_lock(struct groups *groups)
{
    must(pthread_mutex_lock(&groups->lock) == 0);
}

void groups_unlock(struct groups *groups)
{
    must(pthread_mutex_unlock(&groups->lock) == 0);
}

struct group *groups_find(const struct groups *groups, const char *name)
{
    int count = atomic_load(&groups->count);
    for (int i = 0; i < count; i++)
        if (strcmp(groups->items[i]->name, name) == 0)
            return groups->items[i];
    return NULL;
}

struct group *groups_get(struct groups *groups, const char *name, struct error *err)
{
    struct group *group = groups_find(groups, name);
    if (group != NULL)
        return group;
    size_t len = strlen(name);
    if (len == 0 || len > GROUP_NAME_MAX) {
        error_set(err, ERROR_CONFIG, "group name of %zu bytes: 1 to %d are allowed", len,
                  GROUP_NAME_MAX);
        return NULL;
    }
    int count = atomic_load(&groups->count);
    if (count == GROUPS_MAX) {
        error_set(err, ERROR_FULL, "group \"%s\": there are %d groups already", name, count);
        return NULL;
    }
    group = calloc(1, sizeof *group);
    if (group == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for group \"%s\"", name);
        return NULL;
    }
    memcpy(group->name, name, len + 1);
    groups->items[count] = group;
    atomic_store(&groups->count, count + 1);
    return group;
}

struct position *group_find_position(const struct group *group, int topic, int partition)
{
    for (struct position *p = group->positions; p != NULL; p = p->next)
        if (p->topic == topic && p->partition == partition)
            return p;
    return NULL;
}

struct position *group_get_position(struct group *group, int topic, int partition, int64_t start)
{
    struct position *position = group_find_position(group, topic, partition);
    if (position != NULL)
        return position;
    position = calloc(1, sizeof *position);
    if (position == NULL)
        return NULL;
    *position = (struct position){.next = group->positions,
                                  .group = group,
                                  .topic = topic,
                                  .partition = partition,
                                  .start = start,
                                  .committed = -1,
                                  .written = -1,
                                  .durable = -1};
    group->positions = position;
    return position;
}

int64_t position_next(const struct position *position)
{
    return position->committed >= 0 ? position->committed : position->start;
}

static void changed(struct group *group)
{
    atomic_fetch_add_explicit(&group->generation, 1, memory_order_release);
}

void group_join(struct group *group, struct group_member *member)
{
    struct group_member **end = &group->members;
    while (*end != NULL)
        end = &(*end)->next;
    *end = member;
    member->next = NULL;
    member->group = group;
    changed(group);
    member->seen = atomic_load(&group->generation) - 1; /* not synced yet */
}

void group_leave(struct group_member *member)
{
    struct group_member **link = &member->group->members;
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    for (struct position *p = member->group->positions; p != NULL; p = p->next)
        if (p->owner == member)
            p->owner = NULL;
    changed(member->group);
}

/* Who should have this partition: the readers of the topic take turns. */
static struct group_member *wanted_owner(const struct group *group, int topic, int partition)
{
    int readers = 0;
    for (struct group_member *m = group->members; m != NULL; m = m->next)
        readers += m->reads[topic] ? 1 : 0;
    if (readers == 0)
        return NULL;
    int turn = partition % readers;
    for (struct group_member *m = group->members; m != NULL; m = m->next)
        if (m->reads[topic] && turn-- == 0)
            return m;
    return NULL;
}

bool group_sync(struct group_member *member)
{
    struct group *group = member->group;
    bool has_given = false;
    for (struct position *p = group->positions; p != NULL; p = p->next) {
        struct group_member *wanted = wanted_owner(group, p->topic, p->partition);
        if (p->owner == member && wanted != member) {
            p->owner = NULL;
            has_given = true;
        } else if (p->owner == NULL && wanted == member) {
            p->owner = member;
        }
    }
    if (has_given)
        changed(group);
    member->seen = atomic_load(&group->generation);
    return has_given;
}

int group_commit(struct group_member *member, int topic, int partition, int64_t next_offset,
                 struct position **position, struct error *err)
{
    struct position *found = group_find_position(member->group, topic, partition);
    if (found == NULL)
        return error_set(err, ERROR_NOT_FOUND, "group \"%s\" does not read topic %d partition %d",
                         member->group->name, topic, partition);
    if (found->owner != member) {
        error_set(err, ERROR_BUSY, "group \"%s\": topic %d partition %d has gone to another member",
                  member->group->name, topic, partition);
        if (err != NULL)
            err->is_transient = true;
        return -1;
    }
    if (next_offset > position_next(found) || found->committed < 0)
        found->committed = next_offset > found->start ? next_offset : found->start;
    if (position != NULL)
        *position = found;
    return 0;
}

int64_t groups_least_durable(const struct groups *groups, int topic, int partition)
{
    int64_t least = INT64_MAX;
    int count = atomic_load(&groups->count);
    for (int i = 0; i < count; i++) {
        const struct position *p = group_find_position(groups->items[i], topic, partition);
        if (p == NULL)
            continue;
        int64_t resume = p->durable >= 0 ? p->durable : p->start;
        least = resume < least ? resume : least;
    }
    return least;
}

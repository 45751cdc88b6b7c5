/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/topics_grow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/kafka/admin.h"
#include "tool/lag.h"

#define LOOK_NS (500 * NS_PER_MS)

struct grown {
    const char *name;
    enum topic_role role;
    int partitions; /* now */
    int64_t ends;   /* sum over its partitions */
    int64_t kept;   /* records */
};

struct growth {
    struct kafka_client *client;
    struct grown *topics;
    size_t count;
    int target;
    int64_t changed_ns; /* when a record was last seen to come */
    char told[256];     /* what was said last: nothing is said twice */
};

/* Progress: once, until it is something else. */
static void tell(struct growth *growth, const char *text)
{
    if (strcmp(growth->told, text) == 0)
        return;
    snprintf(growth->told, sizeof growth->told, "%s", text);
    fprintf(stderr, "motorcade topics: %s\n", text);
}

static int find_small(struct growth *growth, const struct topic_plan *plan, const char *only,
                      struct error *err)
{
    for (size_t i = 0; i < plan->list.count; i++) {
        struct kafka_topic_state state;
        const char *name = plan->list.names[i];
        if (only != NULL && strcmp(only, name) != 0)
            continue;
        if (kafka_admin_describe(growth->client, name, &state, err) != 0)
            return -1;
        if (state.exists && state.partitions < growth->target)
            growth->topics[growth->count++] = (struct grown){
                .name = name, .role = plan->roles[i], .partitions = state.partitions};
    }
    return 0;
}

static void print_plan(const struct growth *growth)
{
    for (size_t i = 0; i < growth->count; i++)
        printf("%s: %d -> %d partitions\n", growth->topics[i].name, growth->topics[i].partitions,
               growth->target);
    printf("Most vehicles move to another partition with this. So that none of their records\n"
           "overtakes an older one: stop every gateway (and produce), leave handlers and stores\n"
           "running until they have read everything (this command waits for that), and start\n"
           "the gateways again afterwards. It can't be taken back.\n");
    fflush(stdout);
}

/* How many records lie in the topic, and whether one came since the last look. */
static int look_at(struct growth *growth, struct grown *topic, struct error *err)
{
    int64_t ends = 0, kept = 0;
    for (int p = 0; p < topic->partitions; p++) {
        struct broker_offsets offsets;
        if (kafka_admin_offsets(growth->client, topic->name, p, &offsets, err) != 0)
            return -1;
        ends += offsets.end;
        kept += offsets.end - offsets.earliest;
    }
    if (ends != topic->ends)
        growth->changed_ns = clock_monotonic_ns();
    topic->ends = ends;
    topic->kept = kept;
    return 0;
}

/* What is still to be read, or false. */
static bool has_unread(struct growth *growth, const struct lag_table *lag)
{
    char text[256];
    for (size_t i = 0; i < growth->count; i++) {
        const struct grown *topic = &growth->topics[i];
        int64_t behind = lag_of_topic(lag, topic->name);
        bool is_unread =
            topic->role == TOPIC_INGEST && topic->kept > 0 && !lag_has_topic(lag, topic->name);
        if (is_unread)
            snprintf(text, sizeof text,
                     "waiting: no group has read anything of %s; is a handler running?",
                     topic->name);
        else if (behind > 0)
            snprintf(text, sizeof text, "waiting: %" PRId64 " records of %s are still to be read",
                     behind, topic->name);
        else
            continue;
        tell(growth, text);
        return true;
    }
    return false;
}

/* 1: everything is read and nothing comes any more; 0: not yet. */
static int is_drained(struct growth *growth, int64_t quiet_ns, struct error *err)
{
    struct lag_table lag = {0};
    for (size_t i = 0; i < growth->count; i++)
        if (look_at(growth, &growth->topics[i], err) != 0)
            return -1;
    int result = lag_read_kafka(&lag, growth->client, NULL, err);
    if (result == 0) {
        bool is_quiet = clock_monotonic_ns() - growth->changed_ns >= quiet_ns;
        bool is_unread = has_unread(growth, &lag);
        if (!is_unread && !is_quiet)
            tell(growth, "waiting: all is read; records came a moment ago, or still come (stop "
                         "every gateway)");
        result = is_quiet && !is_unread;
    }
    lag_table_deinit(&lag);
    return result;
}

static int drain(struct growth *growth, const struct grow_options *options, struct error *err)
{
    int64_t deadline_ns = clock_monotonic_ns() + options->timeout_ns;
    growth->changed_ns = clock_monotonic_ns();
    for (;;) {
        int state = is_drained(growth, options->quiet_ns, err);
        if (state != 0)
            return state < 0 ? -1 : 0;
        if (clock_monotonic_ns() >= deadline_ns)
            return error_set(err, ERROR_BUSY, "nothing was changed: %s", growth->told);
        clock_sleep_ns(LOOK_NS);
    }
}

static int grow_all(struct growth *growth, struct error *err)
{
    for (size_t i = 0; i < growth->count; i++) {
        if (kafka_admin_grow(growth->client, growth->topics[i].name, growth->target, err) != 0)
            return -1;
        printf("%s has %d partitions\n", growth->topics[i].name, growth->target);
    }
    printf("Set kafka.topic.partitions to %d, restart handlers, stores and lives, then start the "
           "gateways.\n",
           growth->target);
    return fflush(stdout) == 0 ? 0 : error_set(err, ERROR_IO, "write to standard output");
}

static int run(struct growth *growth, const struct topic_plan *plan,
               const struct grow_options *options, struct error *err)
{
    if (find_small(growth, plan, options->topic, err) != 0)
        return -1;
    if (growth->count == 0) {
        printf("nothing to grow: each topic has %d partitions or more\n", growth->target);
        return 0;
    }
    print_plan(growth);
    if (!options->is_agreed)
        return error_set(err, ERROR_USAGE, "nothing was changed: add --yes to do it");
    return drain(growth, options, err) == 0 ? grow_all(growth, err) : -1;
}

int topics_grow(struct kafka_client *client, const struct topic_plan *plan,
                const struct grow_options *options, struct error *err)
{
    struct growth growth = {
        .client = client,
        .topics = calloc(plan->list.count, sizeof *growth.topics),
        .target = (int)client->config->topic.partitions,
    };
    if (growth.topics == NULL)
        return error_set(err, ERROR_MEMORY, "no memory");
    int result = run(&growth, plan, options, err);
    free(growth.topics);
    return result;
}

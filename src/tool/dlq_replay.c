/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_replay.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { GROUP_MAX = 1000 };

#define WAIT_NS (20 * NS_PER_MS)

/* What was published together and is marked together. */
struct replay {
    struct broker *broker;
    struct producer *producer;
    const struct topic_list *allowed;
    struct dlq_progress *progress;
    int64_t now_ns;
    struct dlq_letter *group[GROUP_MAX];
    bool is_durable[GROUP_MAX];
    size_t count;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct replay *replay = context;
    (void)offset;
    replay->is_durable[tag] = delivery == DELIVERY_DURABLE;
}

static void on_room(void *context)
{
    (void)context; /* publish tries again after each wait */
}

static bool must_stop(const struct replay *replay)
{
    return atomic_load(&replay->progress->must_stop);
}

/* False: it was not taken, and will not be. */
static bool publish(struct replay *replay, int topic, const struct record *record, size_t tag)
{
    for (;;) {
        switch (producer_publish(replay->producer, topic, record, tag)) {
        case PUBLISH_ACCEPTED:
            return true;
        case PUBLISH_REFUSED:
            return false;
        case PUBLISH_FULL:
            break;
        }
        if (must_stop(replay))
            return false;
        producer_wait(replay->producer, WAIT_NS);
    }
}

/* Until every report has come. */
static void settle(struct replay *replay)
{
    producer_flush(replay->producer);
    while (producer_pending(replay->producer) > 0)
        producer_wait(replay->producer, WAIT_NS);
}

static uint8_t next_replay(const struct dlq_letter *letter)
{
    unsigned most = letter->marked > letter->replays ? letter->marked : letter->replays;
    return (uint8_t)(most < UINT8_MAX ? most + 1 : UINT8_MAX);
}

/* ---- marks ---- */

static bool publish_mark(struct replay *replay, size_t i)
{
    const struct dlq_letter *letter = replay->group[i];
    uint8_t out[MC_MAX];
    const struct mc mc = {
        .dialect = letter->dialect,
        .received_ns = letter->received_ns,
        .identity = letter->id,
        .is_dead_letter = true,
        .source_topic = letter->source_topic,
        .source_partition = letter->source_partition,
        .source_offset = letter->source_offset,
        .first_seen_ns = letter->first_seen_ns,
        .detail = BYTES(""),
        .replays = next_replay(letter),
        .replayed_ns = replay->now_ns,
        .is_mark = true,
    };
    const struct record record = {.key = letter->key,
                                  .value = BYTES(""),
                                  .mc = {(const char *)out, mc_encode(&mc, out)},
                                  .traceparent = BYTES(""),
                                  .timestamp_ns = replay->now_ns};
    return publish(replay, letter->topic, &record, i);
}

static void mark_group(struct replay *replay)
{
    struct dlq_progress *progress = replay->progress;
    settle(replay);
    for (size_t i = 0; i < replay->count; i++) {
        bool was_sent = replay->is_durable[i];
        replay->is_durable[i] = false;
        if (was_sent && !publish_mark(replay, i))
            was_sent = false;
        if (!was_sent)
            replay->group[i] = NULL;
    }
    settle(replay);
    for (size_t i = 0; i < replay->count; i++) {
        if (replay->group[i] == NULL || !replay->is_durable[i]) {
            atomic_fetch_add(&progress->failed, 1);
            continue;
        }
        replay->group[i]->marked = next_replay(replay->group[i]);
        atomic_fetch_add(&progress->replayed, 1);
    }
    replay->count = 0;
}

/* ---- records ---- */

/* The topic it came from, if it is one of ours; -1. */
static int target_of(const struct replay *replay, const struct dlq_letter *letter)
{
    for (size_t i = 0; i < replay->allowed->count; i++)
        if (bytes_equal_text(letter->source_topic, replay->allowed->names[i]))
            return broker_topic(replay->broker, replay->allowed->names[i], 0, NULL);
    return -1;
}

/* The header as it was before it became a dead letter. */
static size_t encode_mc(const struct replay *replay, const struct dlq_letter *letter,
                        const struct consumed *in, uint8_t out[MC_MAX])
{
    struct mc mc;
    if (!mc_decode(in->record.mc, &mc))
        mc = (struct mc){.received_ns = in->record.timestamp_ns};
    mc.is_dead_letter = false;
    mc.replays = next_replay(letter);
    mc.replayed_ns = replay->now_ns;
    return mc_encode(&mc, out);
}

static int replay_one(void *context, struct dlq_letter *letter, const struct consumed *in,
                      struct error *err)
{
    struct replay *replay = context;
    uint8_t mc[MC_MAX];
    struct record record = in->record;
    int topic = in->record.value.len == 0 ? -1 : target_of(replay, letter);
    if (must_stop(replay))
        return error_set(err, ERROR_BUSY, "ended before all were replayed");
    if (topic < 0) {
        atomic_fetch_add(&replay->progress->unreplayable, 1);
        return 0;
    }
    /* The record is new, though its packet is not: retention goes by this. */
    record.timestamp_ns = replay->now_ns;
    record.mc = bytes_of((const char *)mc, encode_mc(replay, letter, in, mc));
    replay->is_durable[replay->count] = false;
    if (!publish(replay, topic, &record, replay->count)) {
        atomic_fetch_add(&replay->progress->failed, 1);
        return 0;
    }
    replay->group[replay->count++] = letter;
    if (replay->count == GROUP_MAX)
        mark_group(replay);
    return 0;
}

int dlq_replay(struct broker *broker, struct dlq_book *book, const struct topic_list *allowed,
               struct dlq_progress *progress, struct error *err)
{
    struct replay replay = {
        .broker = broker, .allowed = allowed, .progress = progress, .now_ns = clock_wall_ns()};
    const struct producer_handler handler = {
        .on_delivery = on_delivery, .on_room = on_room, .context = &replay};
    if (producer_open(&replay.producer, broker, &handler, err) != 0)
        return -1;
    int result = dlq_book_visit(book, replay_one, &replay, err);
    mark_group(&replay);
    producer_close(replay.producer, 0);
    uint64_t failed = atomic_load(&progress->failed);
    if (result == 0 && failed > 0)
        result = error_set(err, ERROR_REMOTE, "%llu dead letters were not replayed: they stay open",
                           (unsigned long long)failed);
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/judge.h"

#include <stdio.h>

#include "base/hash.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"

/* Flattened paths can make a packet's canonical form larger than what was sent. */
enum { CANONICAL_MAX = 1 << 20 };

int judge_init(struct judge *judge, struct error *err)
{
    *judge = (struct judge){.scratch = packet_scratch_new()};
    buf_init(&judge->value, CANONICAL_MAX);
    /* All of it now: a later failure can only mean that the packet is too large. */
    if (judge->scratch == NULL || buf_reserve(&judge->value, CANONICAL_MAX) != 0) {
        judge_deinit(judge);
        return error_set(err, ERROR_MEMORY, "no memory for the handler");
    }
    return 0;
}

void judge_deinit(struct judge *judge)
{
    packet_scratch_free(judge->scratch);
    judge->scratch = NULL;
    buf_deinit(&judge->value);
}

/* ---- identity travels with the record: it is taken over, not computed ---- */

static uint64_t load_u64(const uint8_t *p)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return value;
}

static void store_u64(uint8_t *p, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        p[i] = (uint8_t)value;
}

static void take_over(struct packet *packet, const struct mc *mc)
{
    packet->identity = mc->identity;
    packet->order = load_u64(mc->identity.bytes + 8);
    packet->received_ns = mc->received_ns;
    if ((packet->fields & PACKET_HAS_TIME) == 0)
        packet->time_ms = packet_floor_ms(mc->received_ns);
}

/* A record without a readable mc still needs a key to be listed by: where it
 * lies in place of the order. */
static struct mc mc_of_unknown(const struct consumed *in)
{
    struct mc mc = {.received_ns = in->record.timestamp_ns};
    store_u64(mc.identity.bytes, hash64(in->record.key));
    store_u64(mc.identity.bytes + 8, (uint64_t)in->offset);
    store_u64(mc.identity.bytes + 16, hash64(in->record.value));
    return mc;
}

/* A record of another program, without mc, or one that no gateway could decode and
 * that was replayed: what the gateway would have done. The
 * offset in place of a number that a gateway assigns: a repeat decides the same. */
static void identify_foreign(struct packet *packet, const struct consumed *in, struct mc *mc)
{
    packet_identify(packet, mc->received_ns, (uint64_t)in->offset);
    struct mc identified = mc_of_packet(packet);
    identified.replays = mc->replays;
    identified.replayed_ns = mc->replayed_ns;
    *mc = identified;
}

/* ---- outputs ---- */

static void finish(struct judge *judge, const struct consumed *in, const struct mc *mc,
                   struct bytes value, struct record *out)
{
    size_t len = mc_encode(mc, judge->mc);
    *out = (struct record){.key = in->record.key,
                           .value = value,
                           .mc = bytes_of((const char *)judge->mc, len),
                           .traceparent = in->record.traceparent,
                           .timestamp_ns = in->record.timestamp_ns};
}

static void dead_letter(struct judge *judge, const struct ruleset *ruleset,
                        const struct consumed *in, const char *topic, const struct mc *origin,
                        enum reason reason, const char *detail, struct judgement *out)
{
    struct mc mc = *origin;
    mc.ruleset_hash = ruleset_hash(ruleset);
    mc.is_dead_letter = true;
    mc.reason = reason;
    mc.source_topic = bytes_from_text(topic);
    mc.source_partition = in->partition;
    mc.source_offset = in->offset;
    mc.first_seen_ns = mc.received_ns; /* no clock of ours: a repeat is equal */
    mc.detail = bytes_from_text(detail);
    out->verdict = VERDICT_DEAD_LETTER;
    out->category = ruleset_category_count(ruleset);
    out->reason = reason;
    finish(judge, in, &mc, in->record.value, &out->record);
}

static void undecodable(struct judge *judge, const struct ruleset *ruleset,
                        const struct consumed *in, const char *topic, const struct mc *mc,
                        const struct reject *reject, struct judgement *out)
{
    char detail[200];
    snprintf(detail, sizeof detail, "%s: %s", reason_code(reject->reason), reject->detail);
    dead_letter(judge, ruleset, in, topic, mc, REASON_UNDECODABLE, detail, out);
}

static void passed(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in,
                   const char *topic, struct mc *mc, struct judgement *out)
{
    buf_clear(&judge->value);
    if (canonical_encode(&judge->packet, &judge->value) != 0) {
        dead_letter(judge, ruleset, in, topic, mc, REASON_RECORD_TOO_LARGE,
                    "the canonical packet is larger than 1 MiB", out);
        return;
    }
    mc->ruleset_hash = ruleset_hash(ruleset);
    out->category = judge->decision.category;
    finish(judge, in, mc, buf_bytes(&judge->value), &out->record);
    out->record.key = judge->packet.vehicle; /* whatever key another program chose */
}

/* ---- deciding ---- */

enum reading { READ_PACKET, READ_NO_MC, READ_NO_PACKET };

/* The record into judge->packet and *mc. */
static enum reading read_record(struct judge *judge, const struct consumed *in, struct mc *mc,
                                struct reject *reject)
{
    bool is_foreign = in->record.mc.len == 0;
    bool has_mc = mc_decode(in->record.mc, mc);
    if (!has_mc)
        *mc = mc_of_unknown(in);
    if (!has_mc && !is_foreign)
        return READ_NO_MC;
    if (!dialect_decode(judge->scratch, in->record.value, &judge->packet, reject))
        return READ_NO_PACKET;
    if (is_foreign || !mc_is_identified(mc))
        identify_foreign(&judge->packet, in, mc);
    else
        take_over(&judge->packet, mc);
    return READ_PACKET;
}

static enum verdict apply_rules(struct judge *judge, const struct ruleset *ruleset,
                                const struct mc *mc)
{
    const struct rule_context context = {
        .received_ns = mc->received_ns, .stream = judge->stream, .thread = judge->thread};
    return ruleset_apply(ruleset, &judge->packet, &context, &judge->decision);
}

static void judge_packet(struct judge *judge, const struct ruleset *ruleset,
                         const struct consumed *in, const char *topic, struct mc *mc,
                         struct judgement *out)
{
    out->verdict = apply_rules(judge, ruleset, mc);
    switch (out->verdict) {
    case VERDICT_PASS:
    case VERDICT_FLAG:
    case VERDICT_ROUTE:
        passed(judge, ruleset, in, topic, mc, out);
        return;
    case VERDICT_DEAD_LETTER:
        dead_letter(judge, ruleset, in, topic, mc, judge->decision.reason, judge->decision.detail,
                    out);
        return;
    case VERDICT_DROP:
        out->category = judge->decision.category;
        return;
    }
}

/* Nothing is decided yet. */
static void begin(struct judge *judge)
{
    judge->decision.failed_count = 0;
    judge->decision.class = JUDGE_NO_CLASS;
}

void judge_record(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in,
                  const char *topic, struct judgement *out)
{
    struct mc mc;
    struct reject reject;
    begin(judge);
    switch (read_record(judge, in, &mc, &reject)) {
    case READ_PACKET:
        judge_packet(judge, ruleset, in, topic, &mc, out);
        return;
    case READ_NO_MC:
        dead_letter(judge, ruleset, in, topic, &mc, REASON_UNDECODABLE,
                    "the record's mc header can't be read", out);
        return;
    case READ_NO_PACKET:
        undecodable(judge, ruleset, in, topic, &mc, &reject, out);
        return;
    }
}

void judge_rehearse(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in)
{
    struct mc mc;
    struct reject reject;
    if (read_record(judge, in, &mc, &reject) == READ_PACKET)
        (void)apply_rules(judge, ruleset, &mc);
}

void judge_cut(struct judgement *judgement, size_t max)
{
    if (judgement->record.value.len > max)
        judgement->record.value.len = max;
}

void judge_divert(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in,
                  const char *topic, enum reason reason, const char *detail, struct judgement *out)
{
    struct mc mc;
    begin(judge);
    if (!mc_decode(in->record.mc, &mc))
        mc = mc_of_unknown(in);
    dead_letter(judge, ruleset, in, topic, &mc, reason, detail, out);
}

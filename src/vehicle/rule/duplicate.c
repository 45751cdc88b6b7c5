/* SPDX-License-Identifier: Apache-2.0 */
/* duplicate: the vehicle has not said the same just before. Repeats of one packet
 * (equal identity: a resend, a record that is worked on again) are no duplicates:
 * the store merges those. This finds packets that say the same and count as
 * different ones, as from an app that numbers its retries anew. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "vehicle/rule/rule.h"

struct duplicate {
    struct rule_fields fields;
    int64_t within_ns;
    int64_t last;
    struct state_slot slot;
};

struct said {
    uint64_t content;
    uint64_t identity[2]; /* order and content: the vehicle is the same */
    int64_t received_ns;  /* 0: nothing */
};

struct memory {
    uint64_t next;
    struct said said[]; /* `last` of them, in turn */
};

static const struct duplicate defaults = {.within_ns = 600 * NS_PER_S, .last = 8};

static const struct rule_setting settings[] = {
    {"fields", RULE_SETTING_FIELDS, offsetof(struct duplicate, fields), true, NULL,
     "what must not all be the same: fields without the time and the number of the packet"},
    {"within", RULE_SETTING_DURATION, offsetof(struct duplicate, within_ns), false, NULL,
     "how long, by the time of receipt, a packet is remembered; default 10m"},
    {"last", RULE_SETTING_INTEGER, offsetof(struct duplicate, last), false, NULL,
     "with how many packets before this one it is compared; default 8", .min = 1, .max = 64},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct duplicate *rule = check;
    if (rule->within_ns <= 0)
        return yaml_error(yaml_get(build->node, "within"), err, "within must be longer than 0");
    size_t bytes = sizeof(struct memory) + (size_t)rule->last * sizeof(struct said);
    return rule_claim_state(build, bytes, rule->within_ns, &rule->slot, err);
}

static uint64_t hash_fields(const struct duplicate *rule, const struct packet *packet)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < rule->fields.count; i++) {
        struct value value = field_read(&rule->fields.items[i], packet);
        hash = value_hash(&value, hash);
    }
    return hash;
}

static bool is_repeated(const struct duplicate *rule, const struct said *before,
                        const struct said *now)
{
    return before->received_ns != 0 && now->received_ns - before->received_ns <= rule->within_ns &&
           before->content == now->content &&
           memcmp(before->identity, now->identity, sizeof now->identity) != 0;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const struct duplicate *rule = check;
    struct memory *memory = rule_state(context, packet, rule->slot);
    struct said now = {.content = hash_fields(rule, packet), .received_ns = context->received_ns};
    memcpy(now.identity, packet->identity.bytes + 8, sizeof now.identity);
    size_t last = rule->last > 0 ? (size_t)rule->last : 1;
    bool is_new = true;
    for (size_t i = 0; i < last; i++)
        is_new = is_new && !is_repeated(rule, &memory->said[i], &now);
    memory->said[memory->next++ % last] = now;
    return is_new;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)packet, (void)context;
    const struct duplicate *rule = check;
    char within[TEXT_UNIT_MAX];
    int within_len = (int)text_from_duration_ns(within, rule->within_ns);
    snprintf(out, cap, "%s%s as in another packet within %.*s", rule->fields.items[0].name.ptr,
             rule->fields.count > 1 ? " and the other fields" : "", within_len, within);
}

const struct rule_kind rule_duplicate = {
    .name = "duplicate",
    .help = "None of the vehicle's `last` packets `within` this time said the same in these "
            "fields. A packet with the same identity is the same packet sent again and passes: "
            "it is stored once.",
    .example = "{id: repeat, kind: duplicate, fields: [lat, lon, speed], within: 1m, on_fail: "
               "drop}",
    .reason = REASON_RULE_DUPLICATE,
    .settings = settings,
    .check_size = sizeof(struct duplicate),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
    .explain = explain,
};

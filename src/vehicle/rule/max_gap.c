/* SPDX-License-Identifier: Apache-2.0 */
/* max_gap: the vehicle was not silent for too long before this packet. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "vehicle/rule/rule.h"

enum clock_choice { CLOCK_RECEIVED, CLOCK_EVENT };

static const char *const clock_names[] = {"received", "event", NULL};

struct max_gap {
    int64_t limit_ns;
    int64_t forget_ns;
    int clock; /* enum clock_choice */
    struct state_slot slot;
};

struct memory {
    int64_t received_ns; /* of the packet before; 0: none */
    int64_t time_ms;     /* of its event */
};

static const struct max_gap defaults = {.forget_ns = 3600 * NS_PER_S};

static const struct rule_setting settings[] = {
    {"limit", RULE_SETTING_DURATION, offsetof(struct max_gap, limit_ns), true, NULL,
     "the longest silence allowed"},
    {"clock", RULE_SETTING_CHOICE, offsetof(struct max_gap, clock), false, clock_names,
     "between receipts (default), or between event times"},
    {"forget", RULE_SETTING_DURATION, offsetof(struct max_gap, forget_ns), false, NULL,
     "a vehicle of which nothing was received for longer counts as new and passes; default 1h"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct max_gap *rule = check;
    if (rule->limit_ns <= 0)
        return yaml_error(yaml_get(build->node, "limit"), err, "limit must be longer than 0");
    if (rule->forget_ns <= rule->limit_ns)
        return yaml_error(build->node, err, "forget must be longer than limit (its default is 1h)");
    return rule_claim_state(build, sizeof(struct memory), rule->forget_ns, &rule->slot, err);
}

static int64_t gap_ns(const struct max_gap *rule, const struct memory *before,
                      const struct packet *packet, const struct rule_context *context)
{
    int64_t gap = context->received_ns - before->received_ns;
    if ((enum clock_choice)rule->clock == CLOCK_RECEIVED)
        return gap;
    int64_t gap_ms;
    if (__builtin_sub_overflow(packet->time_ms, before->time_ms, &gap_ms) ||
        __builtin_mul_overflow(gap_ms, NS_PER_MS, &gap))
        return packet->time_ms > before->time_ms ? INT64_MAX : INT64_MIN;
    return gap;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const struct max_gap *rule = check;
    struct memory *memory = rule_state(context, packet, rule->slot);
    const struct memory before = *memory;
    *memory = (struct memory){context->received_ns, packet->time_ms};
    if (before.received_ns == 0 || context->received_ns - before.received_ns > rule->forget_ns)
        return true;
    int64_t gap = gap_ns(rule, &before, packet, context);
    context->thread->notes.integers[0] = gap;
    return gap <= rule->limit_ns;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)packet;
    const struct max_gap *rule = check;
    char limit[TEXT_UNIT_MAX];
    int limit_len = (int)text_from_duration_ns(limit, rule->limit_ns);
    snprintf(out, cap, "%.3f s since the packet before; at most %.*s",
             (double)context->thread->notes.integers[0] / 1e9, limit_len, limit);
}

const struct rule_kind rule_max_gap = {
    .name = "max_gap",
    .help = "The vehicle was silent for no longer than `limit` before this packet.",
    .example = "{id: gap, kind: max_gap, limit: 5m, on_fail: flag}",
    .reason = REASON_RULE_MAX_GAP,
    .settings = settings,
    .check_size = sizeof(struct max_gap),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
    .explain = explain,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* rate: a vehicle sends at most so many packets in each stretch of time. Counted
 * in stretches that begin at multiples of their length, so that the count follows
 * from one stretch alone. */
#include <stdio.h>

#include "base/text.h"
#include "vehicle/rule/rule.h"

struct rate {
    int64_t limit;
    int64_t per_ns;
    struct state_slot slot;
};

struct memory {
    int64_t stretch; /* its number plus 1; 0: nothing yet */
    int64_t count;
};

static const struct rule_setting settings[] = {
    {"limit", RULE_SETTING_INTEGER, offsetof(struct rate, limit), true, NULL,
     "packets that pass in each stretch; those beyond fail", .min = 1, .max = 1e9},
    {"per", RULE_SETTING_DURATION, offsetof(struct rate, per_ns), true, NULL,
     "the stretch's length, by the time of receipt; stretches of `1m` are the clock's minutes"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct rate *rate = check;
    if (rate->per_ns <= 0)
        return yaml_error(yaml_get(build->node, "per"), err, "per must be longer than 0");
    return rule_claim_state(build, sizeof(struct memory), rate->per_ns, &rate->slot, err);
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const struct rate *rate = check;
    struct memory *memory = rule_state(context, packet, rate->slot);
    int64_t stretch = context->received_ns / rate->per_ns + 1;
    if (stretch > memory->stretch)
        *memory = (struct memory){.stretch = stretch};
    memory->count++;
    return memory->count <= rate->limit;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)packet, (void)context;
    const struct rate *rate = check;
    char per[TEXT_UNIT_MAX];
    int per_len = (int)text_from_duration_ns(per, rate->per_ns);
    snprintf(out, cap, "more than %lld packets in %.*s", (long long)rate->limit, per_len, per);
}

const struct rule_kind rule_rate = {
    .name = "rate",
    .help = "A vehicle sends at most `limit` packets in each `per`.",
    .example = "{id: flood, kind: rate, limit: 600, per: 1m, on_fail: drop}",
    .reason = REASON_RULE_RATE,
    .settings = settings,
    .check_size = sizeof(struct rate),
    .compile = compile,
    .run = run,
    .explain = explain,
};

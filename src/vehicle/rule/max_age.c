/* SPDX-License-Identifier: Apache-2.0 */
/* max_age: the event time is not too far before the record was received. */
#include "vehicle/rule/age.h"

struct max_age {
    int64_t limit_ns;
};

static const struct rule_setting settings[] = {
    {"limit", RULE_SETTING_DURATION, offsetof(struct max_age, limit_ns), true, NULL,
     "how long before the record was received the event may lie; no event time passes"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)build, (void)err;
    const struct max_age *max_age = check;
    test->form = RULE_AGE;
    test->mask = PACKET_HAS_TIME;
    test->age_low_ns = INT64_MIN;
    test->age_high_ns = max_age->limit_ns;
    return 0;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    const struct max_age *max_age = check;
    rule_age_explain(packet, rule_age_ns(packet, context), "before", max_age->limit_ns, out, cap);
}

const struct rule_kind rule_max_age = {
    .name = "max_age",
    .help = "The event time lies at most `limit` before the record was received.",
    .example = "{id: old, kind: max_age, limit: 7d, on_fail: flag}",
    .reason = REASON_RULE_MAX_AGE,
    .settings = settings,
    .check_size = sizeof(struct max_age),
    .compile = compile,
    .explain = explain,
};

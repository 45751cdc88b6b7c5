/* SPDX-License-Identifier: Apache-2.0 */
/* max_ahead: the event time is not too far after the record was received. */
#include "vehicle/rule/age.h"

struct max_ahead {
    int64_t limit_ns;
};

static const struct rule_setting settings[] = {
    {"limit", RULE_SETTING_DURATION, offsetof(struct max_ahead, limit_ns), true, NULL,
     "how long after the record was received the event may lie; no event time passes"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)build, (void)err;
    const struct max_ahead *max_ahead = check;
    test->form = RULE_AGE;
    test->mask = PACKET_HAS_TIME;
    test->age_low_ns = -max_ahead->limit_ns;
    test->age_high_ns = INT64_MAX;
    return 0;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    const struct max_ahead *max_ahead = check;
    int64_t age_ns = rule_age_ns(packet, context);
    rule_age_explain(packet, age_ns == INT64_MIN ? INT64_MAX : -age_ns, "after",
                     max_ahead->limit_ns, out, cap);
}

const struct rule_kind rule_max_ahead = {
    .name = "max_ahead",
    .help = "The event time lies at most `limit` after the record was received.",
    .example = "{id: ahead, kind: max_ahead, limit: 24h}",
    .reason = REASON_RULE_MAX_AHEAD,
    .settings = settings,
    .check_size = sizeof(struct max_ahead),
    .compile = compile,
    .explain = explain,
};

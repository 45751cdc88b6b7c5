/* SPDX-License-Identifier: Apache-2.0 */
/* range: a number lies between min and max, both included. */
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "vehicle/rule/rule.h"

struct range {
    struct field field;
    double min, max;
};

static const struct range defaults = {.min = -INFINITY, .max = INFINITY};

static const struct rule_setting settings[] = {
    {"field", RULE_SETTING_FIELD, offsetof(struct range, field), true, NULL,
     "a number of the packet or a signal; absent passes, a signal that is no number fails"},
    {"min", RULE_SETTING_NUMBER, offsetof(struct range, min), false, NULL,
     "smallest value allowed"},
    {"max", RULE_SETTING_NUMBER, offsetof(struct range, max), false, NULL, "largest value allowed"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    const struct range *range = check;
    if (range->field.type == FIELD_TIME)
        return yaml_error(build->node, err, "a range of time: use the kinds max_age and max_ahead");
    if (range->field.type != FIELD_NUMBER && range->field.type != FIELD_SIGNAL)
        return yaml_error(build->node, err, "\"%s\" is text: a range needs a number",
                          range->field.name.ptr);
    if (isinf(range->min) && isinf(range->max))
        return yaml_error(build->node, err, "a range needs min, max or both");
    if (range->min > range->max)
        return yaml_error(build->node, err, "min is greater than max");
    if (range->field.type != FIELD_NUMBER)
        return 0;
    test->form = RULE_NUMBER;
    test->offset = range->field.offset;
    test->mask = range->field.mask;
    test->low = range->min;
    test->high = range->max;
    return 0;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    const struct range *range = check;
    struct value value = field_read(&range->field, packet);
    if (value.type == VALUE_NONE)
        return true;
    return value.type == VALUE_NUMBER && value.number >= range->min && value.number <= range->max;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct range *range = check;
    struct value value = field_read(&range->field, packet);
    char shown[128], low[TEXT_DOUBLE_MAX], high[TEXT_DOUBLE_MAX];
    value_print(&value, shown, sizeof shown);
    int low_len = (int)text_from_double(low, range->min);
    int high_len = (int)text_from_double(high, range->max);
    const char *name = range->field.name.ptr;
    if (value.type != VALUE_NUMBER)
        snprintf(out, cap, "%s is %s, not a number", name, shown);
    else if (isinf(range->max))
        snprintf(out, cap, "%s %s is below %.*s", name, shown, low_len, low);
    else if (isinf(range->min))
        snprintf(out, cap, "%s %s is above %.*s", name, shown, high_len, high);
    else
        snprintf(out, cap, "%s %s is outside %.*s..%.*s", name, shown, low_len, low, high_len,
                 high);
}

const struct rule_kind rule_range = {
    .name = "range",
    .help = "A number lies between `min` and `max`, both included.",
    .example = "{id: lat-range, kind: range, field: lat, min: -90, max: 90}",
    .reason = REASON_RULE_RANGE,
    .settings = settings,
    .check_size = sizeof(struct range),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
    .explain = explain,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* compare: two fields of one packet stand in a relation. */
#include <stdio.h>

#include "base/text.h"
#include "vehicle/rule/rule.h"

enum relation { BELOW, AT_MOST, EQUALS, DIFFERS, AT_LEAST, ABOVE };

static const char *const relation_names[] = {"below",    "at_most", "equals", "differs",
                                             "at_least", "above",   NULL};
static const char *const relation_words[] = {"below",      "at most",  "equal to",
                                             "other than", "at least", "above"};

struct compare {
    struct field field, other;
    int relation; /* enum relation */
};

static const struct rule_setting settings[] = {
    {"field", RULE_SETTING_FIELD, offsetof(struct compare, field), true, NULL,
     "a field; absent passes"},
    {"is", RULE_SETTING_CHOICE, offsetof(struct compare, relation), true, relation_names,
     "the relation wanted. An order wants two numbers or two times (`time`, or text as of RFC "
     "3339), else it fails; `equals` and `differs` compare type and content"},
    {"other", RULE_SETTING_FIELD, offsetof(struct compare, other), true, NULL,
     "the field to compare with; absent passes"},
    {0},
};

static bool is_order(const struct compare *compare)
{
    return compare->relation != EQUALS && compare->relation != DIFFERS;
}

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    const struct compare *compare = check;
    const struct field *fields[] = {&compare->field, &compare->other};
    for (size_t i = 0; is_order(compare) && i < 2; i++)
        if (fields[i]->type == FIELD_TEXT || fields[i]->type == FIELD_DIALECT)
            return yaml_error(build->node, err, "\"%s\" is text: it has no order",
                              fields[i]->name.ptr);
    bool is_number = compare->field.type == FIELD_NUMBER || compare->other.type == FIELD_NUMBER;
    bool is_time = compare->field.type == FIELD_TIME || compare->other.type == FIELD_TIME;
    if (is_number && is_time)
        return yaml_error(build->node, err, "a time and a number can't be compared");
    return 0;
}

/* A number, or milliseconds of a time. */
static bool as_ordinal(const struct field *field, const struct value *value, bool *is_time,
                       double *out)
{
    *is_time = field->type == FIELD_TIME;
    if (value->type == VALUE_NUMBER) {
        *out = value->number;
        return true;
    }
    int64_t ms;
    *is_time = true;
    if (value->type != VALUE_TEXT || !text_to_time_ms(value->text, &ms))
        return false;
    *out = (double)ms;
    return true;
}

static bool is_in_order(const struct compare *compare, const struct value *a, const struct value *b)
{
    double left, right;
    bool is_left_time, is_right_time;
    if (!as_ordinal(&compare->field, a, &is_left_time, &left) ||
        !as_ordinal(&compare->other, b, &is_right_time, &right) || is_left_time != is_right_time)
        return false;
    switch ((enum relation)compare->relation) {
    case BELOW:
        return left < right;
    case AT_MOST:
        return left <= right;
    case AT_LEAST:
        return left >= right;
    case ABOVE:
        return left > right;
    case EQUALS:
    case DIFFERS:
        break;
    }
    return false;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    const struct compare *compare = check;
    struct value a = field_read(&compare->field, packet);
    struct value b = field_read(&compare->other, packet);
    if (a.type == VALUE_NONE || b.type == VALUE_NONE)
        return true;
    if (is_order(compare))
        return is_in_order(compare, &a, &b);
    return values_equal(&a, &b) == (compare->relation == EQUALS);
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct compare *compare = check;
    struct value a = field_read(&compare->field, packet);
    struct value b = field_read(&compare->other, packet);
    char left[64], right[64];
    value_print(&a, left, sizeof left);
    value_print(&b, right, sizeof right);
    snprintf(out, cap, "%.40s %s is not %s %.40s %s", compare->field.name.ptr, left,
             relation_words[compare->relation], compare->other.name.ptr, right);
}

const struct rule_kind rule_compare = {
    .name = "compare",
    .help = "Two fields of a packet stand in a relation.",
    .example = "{id: trip-times, kind: compare, field: payload.end, is: at_least, other: "
               "payload.start}",
    .reason = REASON_RULE_COMPARE,
    .settings = settings,
    .check_size = sizeof(struct compare),
    .compile = compile,
    .run = run,
    .explain = explain,
};

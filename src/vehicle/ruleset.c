/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded ruleset does; how it is loaded stands in ruleset_load.c. */
#include "vehicle/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"
#include "base/text.h"
#include "vehicle/rule/age.h"
#include "vehicle/ruleset_private.h"

struct ruleset *ruleset_ref(struct ruleset *ruleset)
{
    atomic_fetch_add_explicit(&ruleset->refs, 1, memory_order_relaxed);
    return ruleset;
}

void ruleset_unref(struct ruleset *ruleset)
{
    if (ruleset == NULL || atomic_fetch_sub_explicit(&ruleset->refs, 1, memory_order_acq_rel) != 1)
        return;
    rule_arena_deinit(&ruleset->arena);
    for (size_t i = 0; i < ruleset->document_count; i++)
        yaml_unload(ruleset->documents[i]);
    free(ruleset->documents);
    free(ruleset);
}

uint64_t ruleset_hash(const struct ruleset *ruleset)
{
    return ruleset->hash;
}

size_t ruleset_category_count(const struct ruleset *ruleset)
{
    return ruleset->category_count;
}

struct bytes ruleset_category_name(const struct ruleset *ruleset, size_t category)
{
    return ruleset->categories[category].name;
}

size_t ruleset_class_count(const struct ruleset *ruleset)
{
    return ruleset->class_count;
}

struct bytes ruleset_class_name(const struct ruleset *ruleset, size_t number)
{
    return ruleset->classes[number].name;
}

size_t ruleset_rule_count(const struct ruleset *ruleset)
{
    return ruleset->rule_count;
}

const struct rule *ruleset_rule(const struct ruleset *ruleset, size_t index)
{
    return ruleset->rules[index];
}

const struct rule *ruleset_category_rule(const struct ruleset *ruleset, size_t category, size_t i)
{
    const struct category *c = &ruleset->categories[category];
    return i < c->test_count ? c->tests[i].rule : NULL;
}

/* ---- deciding ---- */

static inline size_t find(const struct candidate *const lists[DIALECTS_MAX],
                          const struct packet *packet)
{
    const struct candidate *candidate = lists[packet->dialect % DIALECTS_MAX];
    while (candidate->match != NULL && !predicate_holds(candidate->match, packet))
        candidate++;
    return candidate->number;
}

static size_t find_category(const struct ruleset *ruleset, const struct packet *packet)
{
    return find(ruleset->candidates, packet);
}

/* The same packets, or vehicles, each time. */
static bool is_drawn(const struct rule *rule, const struct packet *packet)
{
    const uint8_t *identity = packet->identity.bytes;
    uint64_t parts[3] = {hash64(rule->id)};
    if (rule->state.bytes > 0)
        memcpy(&parts[1], identity, 8); /* the vehicle */
    else
        memcpy(&parts[1], identity + 8, 16); /* order and content */
    return hash64(bytes_of((const char *)parts, sizeof parts)) <= rule->sample_max;
}

bool ruleset_selects(const struct rule *rule, const struct packet *packet)
{
    if (rule->sample_max != UINT64_MAX && !is_drawn(rule, packet))
        return false;
    return rule->common.when == NULL || predicate_holds(rule->common.when, packet);
}

static bool passes_guarded(const struct rule *rule, const struct packet *packet,
                           const struct rule_context *context, int64_t age_ns);

/* The hot loop's body. The order of the cases is that of how often they occur. */
static inline bool passes(const struct rule_test *test, const struct packet *packet,
                          const struct rule_context *context, int64_t age_ns)
{
    switch ((enum rule_form)test->form) {
    case RULE_NUMBER: {
        double number = *(const double *)(const void *)((const char *)packet + test->offset);
        return (packet->fields & test->mask) == 0 || (number >= test->low && number <= test->high);
    }
    case RULE_PRESENT:
        return (packet->fields & test->mask) == test->mask;
    case RULE_AGE:
        return (packet->fields & test->mask) == 0 ||
               (age_ns >= test->age_low_ns && age_ns <= test->age_high_ns);
    case RULE_CALL:
        return test->rule->kind->run(test->rule->check, packet, context);
    case RULE_GUARDED:
        return passes_guarded(test->rule, packet, context, age_ns);
    }
    return false;
}

__attribute__((noinline)) static bool passes_guarded(const struct rule *rule,
                                                     const struct packet *packet,
                                                     const struct rule_context *context,
                                                     int64_t age_ns)
{
    return !ruleset_selects(rule, packet) || passes(&rule->test, packet, context, age_ns);
}

static void set_flag(struct packet *packet, struct bytes flag)
{
    for (size_t i = 0; i < packet->flag_count; i++)
        if (bytes_equal(packet->flags[i], flag))
            return;
    packet->flags[packet->flag_count++] = flag;
}

/* Room ends in the middle of a character: take it off. */
static void trim_utf8(char *text, size_t cap)
{
    size_t len = strlen(text);
    if (len + 1 < cap)
        return;
    while (len > 0 && !text_is_utf8(bytes_of(text, len)))
        text[--len] = '\0';
}

/* Out of line: its buffer would cost every packet a bigger frame. */
__attribute__((noinline, cold)) static void explain(const struct rule *rule,
                                                    const struct packet *packet,
                                                    const struct rule_context *context,
                                                    struct decision *out)
{
    char words[RULESET_DETAIL_MAX - 80]; /* the id always fits behind */
    char detail[sizeof words];
    rule->kind->explain(rule->check, packet, context, detail, sizeof detail);
    trim_utf8(detail, sizeof detail);
    if (rule->common.message == NULL)
        memcpy(words, detail, sizeof words);
    else
        rule_template_print(rule->common.message, packet, detail, words, sizeof words);
    trim_utf8(words, sizeof words);
    snprintf(out->detail, sizeof out->detail, "%s (rule %s)", words, rule->id.ptr);
    out->reason = rule->kind->reason;
}

/* Changes what is to be changed on the way to the category and in it. */
static size_t transform(const struct ruleset *ruleset, struct packet *packet,
                        const struct rule_context *context)
{
    struct transform_scratch *changed = context->thread->changed;
    transform_begin(changed);
    for (size_t i = 0; i < ruleset->transform_count; i++)
        transform_apply(&ruleset->transforms[i], changed, packet, context);
    size_t category = find_category(ruleset, packet);
    transform_apply(&ruleset->categories[category].transform, changed, packet, context);
    return category;
}

static void route(const struct ruleset *ruleset, const struct rule *rule, struct packet *packet,
                  struct decision *out)
{
    if (rule->flag.len > 0)
        set_flag(packet, rule->flag);
    out->category = rule->to;
    packet->category = ruleset->categories[rule->to].name;
}

enum verdict ruleset_apply(const struct ruleset *ruleset, struct packet *packet,
                           const struct rule_context *context, struct decision *out)
{
    if (context->thread != NULL)
        context->thread->block = NULL;
    else
        must(!ruleset->needs_thread);
    out->category = ruleset->has_transforms ? transform(ruleset, packet, context)
                                            : find_category(ruleset, packet);
    out->matched = out->category;
    out->class = find(ruleset->class_candidates, packet);
    out->failed_count = 0;
    const struct category *category = &ruleset->categories[out->category];
    packet->category = category->name;
    packet->flag_count = 0;
    int64_t age_ns = rule_age_ns(packet, context);
    bool is_folded = rule_fold_passes(&category->fold, packet, age_ns);
    const struct rule_test *test = is_folded ? category->rest : category->tests;
    const struct rule_test *end = test + (is_folded ? category->rest_count : category->test_count);
    for (; test < end; test++) {
        if (passes(test, packet, context, age_ns))
            continue;
        out->failed[out->failed_count++] = test->rule;
        switch ((enum rule_action)test->action) {
        case RULE_FLAG:
            set_flag(packet, test->rule->flag);
            break;
        case RULE_DEAD_LETTER:
            explain(test->rule, packet, context, out);
            return VERDICT_DEAD_LETTER;
        case RULE_DROP:
            return VERDICT_DROP;
        case RULE_ROUTE:
            route(ruleset, test->rule, packet, out);
            return VERDICT_ROUTE;
        }
    }
    return out->failed_count == 0 ? VERDICT_PASS : VERDICT_FLAG;
}

/* ---- topics ---- */

int ruleset_topic(const struct ruleset *ruleset, const char *ingest, size_t category,
                  char out[TOPIC_NAME_MAX + 1], struct error *err)
{
    const char *suffix = category == ruleset->category_count
                             ? "dead-letters"
                             : ruleset->categories[category].name.ptr;
    int len = snprintf(out, TOPIC_NAME_MAX + 1, "%s.%s", ingest, suffix);
    if (len < 0 || len > TOPIC_NAME_MAX)
        return error_set(err, ERROR_CONFIG, "the topic '%s.%s' is longer than %d bytes", ingest,
                         suffix, TOPIC_NAME_MAX);
    return 0;
}

int ruleset_topics(const struct ruleset *ruleset, const char *const *ingest, size_t ingest_count,
                   bool with_dead_letters, struct topic_list *out, struct error *err)
{
    size_t each = ruleset->category_count + (with_dead_letters ? 1 : 0);
    *out = (struct topic_list){.names = calloc(ingest_count * each + 1, sizeof *out->names)};
    if (out->names == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for topics' names");
    for (size_t i = 0; i < ingest_count; i++) {
        for (size_t c = 0; c < each; c++) {
            if (ruleset_topic(ruleset, ingest[i], c, out->names[out->count++], err) == 0)
                continue;
            topic_list_deinit(out);
            return -1;
        }
    }
    return 0;
}

void topic_list_deinit(struct topic_list *list)
{
    free(list->names);
    *list = (struct topic_list){0};
}

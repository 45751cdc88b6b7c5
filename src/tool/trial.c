/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/trial.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

static const char *const verdict_names[] = {"pass", "flag", "dead_letter", "drop", "route"};
static const char *const action_names[] = {"dead_letter", "flag", "drop", "route"};

/* ---- life ---- */

static int allocate(struct trial *trial, struct error *err)
{
    size_t rules = ruleset_rule_count(trial->ruleset);
    trial->rules = calloc(rules + 1, sizeof *trial->rules);
    trial->categories = calloc(ruleset_category_count(trial->ruleset), sizeof *trial->categories);
    trial->classes = calloc(ruleset_class_count(trial->ruleset), sizeof *trial->classes);
    bool is_good = trial->rules != NULL && trial->categories != NULL && trial->classes != NULL;
    for (size_t i = 0; is_good && i < rules; i++) {
        trial->rules[i].examples = calloc(trial->examples_max + 1, TRIAL_EXAMPLE_BYTES);
        is_good = trial->rules[i].examples != NULL;
    }
    return is_good ? 0 : error_set(err, ERROR_MEMORY, "no memory for the trial");
}

int trial_open(struct trial *trial, struct ruleset *ruleset, size_t examples_max, struct error *err)
{
    /* As many vehicles as a recording may hold. */
    const struct state_limits limits = {.vehicles = 10000000, .bytes = (size_t)2 << 30};
    *trial = (struct trial){.ruleset = ruleset_ref(ruleset), .examples_max = examples_max};
    struct rule_thread *thread = NULL;
    int result = judge_init(&trial->judge, err);
    if (result == 0)
        result = allocate(trial, err);
    if (result == 0 && ruleset_needs_thread(ruleset))
        result = ruleset_thread_new(&thread, ruleset, &limits, NULL, err);
    trial->judge.thread = thread;
    if (result != 0)
        trial_close(trial);
    return result;
}

void trial_close(struct trial *trial)
{
    for (size_t i = 0; trial->rules != NULL && i < ruleset_rule_count(trial->ruleset); i++)
        free(trial->rules[i].examples);
    free(trial->rules);
    free(trial->categories);
    free(trial->classes);
    ruleset_thread_free(trial->judge.thread);
    judge_deinit(&trial->judge);
    ruleset_unref(trial->ruleset);
    *trial = (struct trial){0};
}

/* ---- one packet ---- */

/* The packet as it was sent, cut and without control characters. */
static void put_packet(struct bytes value, char out[TRIAL_EXAMPLE_BYTES])
{
    size_t len = value.len < TRIAL_EXAMPLE_BYTES - 4 ? value.len : TRIAL_EXAMPLE_BYTES - 4;
    while (len > 0 && len < value.len && ((unsigned char)value.ptr[len] & 0xC0) == 0x80)
        len--;
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7F ? ' ' : value.ptr[i];
    snprintf(out + len, TRIAL_EXAMPLE_BYTES - len, "%s", len < value.len ? "..." : "");
}

static void put_example(struct trial *trial, const struct rule *rule, const struct consumed *in)
{
    struct trial_rule *counts = &trial->rules[rule->index];
    if (counts->example_count == trial->examples_max)
        return;
    char *out = counts->examples[counts->example_count++];
    if (rule->action != RULE_DEAD_LETTER) {
        put_packet(in->record.value, out);
        return;
    }
    struct bytes vehicle = trial->judge.packet.vehicle;
    snprintf(out, TRIAL_EXAMPLE_BYTES, "%.*s: %.*s", (int)vehicle.len, vehicle.ptr,
             TRIAL_EXAMPLE_BYTES - 70, trial->judge.decision.detail);
}

static bool has_failed(const struct decision *decision, const struct rule *rule)
{
    for (size_t i = 0; i < decision->failed_count; i++)
        if (decision->failed[i] == rule)
            return true;
    return false;
}

/* Rules in order, as far as the one that ended the work. */
static void count_rules(struct trial *trial, const struct consumed *in)
{
    const struct decision *decision = &trial->judge.decision;
    const struct rule *rule;
    for (size_t i = 0; (rule = ruleset_category_rule(trial->ruleset, decision->matched, i)) != NULL;
         i++) {
        if (!ruleset_selects(rule, &trial->judge.packet))
            continue;
        trial->rules[rule->index].seen++;
        if (!has_failed(decision, rule))
            continue;
        trial->rules[rule->index].failed++;
        put_example(trial, rule, in);
        if (rule->action != RULE_FLAG)
            return;
    }
}

static size_t put_flags(const struct packet *packet, char *out, size_t at)
{
    for (size_t i = 0; i < packet->flag_count; i++)
        at += (size_t)snprintf(out + at, TRIAL_OUTCOME_BYTES - at, "%s%s", i == 0 ? " [" : ", ",
                               packet->flags[i].ptr);
    return packet->flag_count == 0 ? at
                                   : at + (size_t)snprintf(out + at, TRIAL_OUTCOME_BYTES - at, "]");
}

static void put_outcome(const struct trial *trial, enum verdict verdict,
                        char out[TRIAL_OUTCOME_BYTES])
{
    const struct decision *decision = &trial->judge.decision;
    char text[TRIAL_OUTCOME_BYTES * 8];
    size_t at = (size_t)snprintf(text, sizeof text, "%s %s",
                                 ruleset_category_name(trial->ruleset, decision->category).ptr,
                                 verdict_names[verdict]);
    if (verdict == VERDICT_DEAD_LETTER || verdict == VERDICT_DROP)
        at += (size_t)snprintf(text + at, sizeof text - at, " by %s",
                               decision->failed[decision->failed_count - 1]->id.ptr);
    if (verdict != VERDICT_DEAD_LETTER && at < TRIAL_OUTCOME_BYTES / 2)
        put_flags(&trial->judge.packet, text, at);
    snprintf(out, TRIAL_OUTCOME_BYTES, "%.*s", TRIAL_OUTCOME_BYTES - 1, text);
}

void trial_take(struct trial *trial, const struct consumed *in, const char *topic,
                char outcome[TRIAL_OUTCOME_BYTES])
{
    struct judgement judgement;
    trial->packets++;
    trial->judge.stream = (unsigned)in->partition % STATE_STREAMS_MAX;
    judge_record(&trial->judge, trial->ruleset, in, topic, &judgement);
    bool is_unreadable =
        judgement.verdict == VERDICT_DEAD_LETTER && judgement.reason == REASON_UNDECODABLE;
    if (is_unreadable) {
        trial->unreadable++;
        snprintf(outcome, TRIAL_OUTCOME_BYTES, "unreadable");
        return;
    }
    trial->verdicts[judgement.verdict]++;
    trial->classes[trial->judge.decision.class]++;
    if (judgement.verdict != VERDICT_DEAD_LETTER && judgement.verdict != VERDICT_DROP)
        trial->categories[trial->judge.decision.category]++;
    count_rules(trial, in);
    put_outcome(trial, judgement.verdict, outcome);
}

/* ---- a table ---- */

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100 * (double)part / (double)whole;
}

static void print_totals(const struct trial *trial, struct buf *out)
{
    buf_printf(out, "%llu packets", (unsigned long long)trial->packets);
    if (trial->unreadable > 0)
        buf_printf(out, ", %llu of them unreadable", (unsigned long long)trial->unreadable);
    buf_append_text(out, "\n\n");
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        buf_printf(out, "%-32s %12llu  %5.1f %%\n", verdict_names[i],
                   (unsigned long long)trial->verdicts[i],
                   share(trial->verdicts[i], trial->packets));
    buf_append_text(out, "\n");
    for (size_t i = 0; i < ruleset_category_count(trial->ruleset); i++)
        buf_printf(out, "to %-29s %12llu  %5.1f %%\n", ruleset_category_name(trial->ruleset, i).ptr,
                   (unsigned long long)trial->categories[i],
                   share(trial->categories[i], trial->packets));
    buf_append_text(out, "\n");
    for (size_t i = 0; i < ruleset_class_count(trial->ruleset); i++)
        buf_printf(out, "of class %-23s %12llu  %5.1f %%\n",
                   ruleset_class_name(trial->ruleset, i).ptr, (unsigned long long)trial->classes[i],
                   share(trial->classes[i], trial->packets));
}

static void print_rule(const struct trial *trial, size_t i, struct buf *out)
{
    const struct rule *rule = ruleset_rule(trial->ruleset, i);
    const struct trial_rule *counts = &trial->rules[i];
    buf_printf(out, "%-32s %-25s %-11s %12llu %12llu  %5.1f %%\n", rule->id.ptr, rule->kind->name,
               rule->common.is_enabled ? action_names[rule->action] : "(disabled)",
               (unsigned long long)counts->seen, (unsigned long long)counts->failed,
               share(counts->failed, counts->seen));
    for (size_t e = 0; e < counts->example_count; e++)
        buf_printf(out, "    %s\n", counts->examples[e]);
}

void trial_print(const struct trial *trial, struct buf *out)
{
    print_totals(trial, out);
    buf_printf(out, "\n%-32s %-25s %-11s %12s %12s\n", "rule", "kind", "on_fail", "seen", "failed");
    for (size_t i = 0; i < ruleset_rule_count(trial->ruleset); i++)
        print_rule(trial, i, out);
}

/* ---- JSON ---- */

static void put_json_text(struct buf *out, const char *text)
{
    buf_append_json(out, bytes_from_text(text));
}

static void print_rule_json(const struct trial *trial, size_t i, struct buf *out)
{
    const struct rule *rule = ruleset_rule(trial->ruleset, i);
    const struct trial_rule *counts = &trial->rules[i];
    buf_printf(out,
               "{\"id\":\"%s\",\"kind\":\"%s\",\"on_fail\":\"%s\",\"enabled\":%s,\"seen\":%llu,"
               "\"failed\":%llu,\"examples\":[",
               rule->id.ptr, rule->kind->name, action_names[rule->action],
               rule->common.is_enabled ? "true" : "false", (unsigned long long)counts->seen,
               (unsigned long long)counts->failed);
    for (size_t e = 0; e < counts->example_count; e++) {
        buf_append_text(out, e == 0 ? "" : ",");
        put_json_text(out, counts->examples[e]);
    }
    buf_append_text(out, "]}");
}

void trial_print_json(const struct trial *trial, struct buf *out)
{
    buf_printf(out, "{\"packets\":%llu,\"unreadable\":%llu,\"ruleset\":\"%016llx\",\"verdicts\":{",
               (unsigned long long)trial->packets, (unsigned long long)trial->unreadable,
               (unsigned long long)ruleset_hash(trial->ruleset));
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        buf_printf(out, "%s\"%s\":%llu", i == 0 ? "" : ",", verdict_names[i],
                   (unsigned long long)trial->verdicts[i]);
    buf_append_text(out, "},\"categories\":{");
    for (size_t i = 0; i < ruleset_category_count(trial->ruleset); i++)
        buf_printf(out, "%s\"%s\":%llu", i == 0 ? "" : ",",
                   ruleset_category_name(trial->ruleset, i).ptr,
                   (unsigned long long)trial->categories[i]);
    buf_append_text(out, "},\"classes\":{");
    for (size_t i = 0; i < ruleset_class_count(trial->ruleset); i++)
        buf_printf(out, "%s\"%s\":%llu", i == 0 ? "" : ",",
                   ruleset_class_name(trial->ruleset, i).ptr,
                   (unsigned long long)trial->classes[i]);
    buf_append_text(out, "},\"rules\":[");
    for (size_t i = 0; i < ruleset_rule_count(trial->ruleset); i++) {
        buf_append_text(out, i == 0 ? "" : ",");
        print_rule_json(trial, i, out);
    }
    buf_append_text(out, "]}");
}

/* ---- differences ---- */

int trial_diff_init(struct trial_diff *diff, struct error *err)
{
    *diff = (struct trial_diff){.changes = calloc(TRIAL_CHANGES_MAX, sizeof *diff->changes)};
    return diff->changes == NULL ? error_set(err, ERROR_MEMORY, "no memory for the trial") : 0;
}

void trial_diff_deinit(struct trial_diff *diff)
{
    free(diff->changes);
    diff->changes = NULL;
}

static struct trial_change *find_change(struct trial_diff *diff, const char *from, const char *to)
{
    for (size_t i = 0; i < diff->count; i++)
        if (strcmp(diff->changes[i].from, from) == 0 && strcmp(diff->changes[i].to, to) == 0)
            return &diff->changes[i];
    if (diff->count == TRIAL_CHANGES_MAX)
        return NULL;
    struct trial_change *change = &diff->changes[diff->count++];
    snprintf(change->from, sizeof change->from, "%s", from);
    snprintf(change->to, sizeof change->to, "%s", to);
    return change;
}

void trial_diff_take(struct trial_diff *diff, const struct consumed *in, const char *from,
                     const char *to)
{
    diff->packets++;
    if (strcmp(from, to) == 0)
        return;
    diff->changed++;
    struct trial_change *change = find_change(diff, from, to);
    if (change == NULL) {
        diff->others++;
        return;
    }
    if (change->count < TRIAL_CHANGE_EXAMPLES)
        put_packet(in->record.value, change->examples[change->count]);
    change->count++;
}

static int by_count(const void *a, const void *b)
{
    const struct trial_change *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

void trial_diff_print(struct trial_diff *diff, struct buf *out)
{
    qsort(diff->changes, diff->count, sizeof *diff->changes, by_count);
    buf_printf(out, "%llu of %llu packets would end otherwise\n", (unsigned long long)diff->changed,
               (unsigned long long)diff->packets);
    for (size_t i = 0; i < diff->count; i++) {
        const struct trial_change *change = &diff->changes[i];
        buf_printf(out, "\n%12llu  - %s\n              + %s\n", (unsigned long long)change->count,
                   change->from, change->to);
        for (size_t e = 0; e < TRIAL_CHANGE_EXAMPLES && e < change->count; e++)
            buf_printf(out, "                  %s\n", change->examples[e]);
    }
    if (diff->others > 0)
        buf_printf(out, "\n%12llu  of other kinds\n", (unsigned long long)diff->others);
}

void trial_diff_print_json(struct trial_diff *diff, struct buf *out)
{
    qsort(diff->changes, diff->count, sizeof *diff->changes, by_count);
    buf_printf(out, "{\"packets\":%llu,\"changed\":%llu,\"others\":%llu,\"changes\":[",
               (unsigned long long)diff->packets, (unsigned long long)diff->changed,
               (unsigned long long)diff->others);
    for (size_t i = 0; i < diff->count; i++) {
        const struct trial_change *change = &diff->changes[i];
        buf_append_text(out, i == 0 ? "{\"from\":" : ",{\"from\":");
        put_json_text(out, change->from);
        buf_append_text(out, ",\"to\":");
        put_json_text(out, change->to);
        buf_printf(out, ",\"count\":%llu,\"examples\":[", (unsigned long long)change->count);
        for (size_t e = 0; e < TRIAL_CHANGE_EXAMPLES && e < change->count; e++) {
            buf_append_text(out, e == 0 ? "" : ",");
            put_json_text(out, change->examples[e]);
        }
        buf_append_text(out, "]}");
    }
    buf_append_text(out, "]}");
}

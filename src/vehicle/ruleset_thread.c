/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread owns that applies a ruleset: the vehicles' state and the rules'
 * machines. */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/ruleset_private.h"

bool ruleset_needs_thread(const struct ruleset *ruleset)
{
    return ruleset->needs_thread;
}

size_t ruleset_state_bytes(const struct ruleset *ruleset)
{
    return ruleset->layout.bytes;
}

int64_t ruleset_lookback_ns(const struct ruleset *ruleset)
{
    return ruleset->layout.lookback_ns;
}

/* ---- what stays over a reload ---- */

static const struct rule *find_same(const struct ruleset *ruleset, const struct rule *wanted)
{
    for (size_t i = 0; i < ruleset->rule_count; i++)
        if (ruleset->rules[i]->fingerprint == wanted->fingerprint &&
            bytes_equal(ruleset->rules[i]->id, wanted->id))
            return ruleset->rules[i];
    return NULL;
}

/* Of all lists: common ones first, then the categories'. NULL: past the last. */
static const struct transform *transform_at(const struct ruleset *ruleset, size_t i)
{
    if (i < ruleset->transform_count)
        return &ruleset->transforms[i];
    i -= ruleset->transform_count;
    return i < ruleset->category_count ? &ruleset->categories[i].transform : NULL;
}

static const struct transform_step *find_same_step(const struct ruleset *ruleset,
                                                   uint64_t fingerprint)
{
    const struct transform *transform;
    for (size_t i = 0; (transform = transform_at(ruleset, i)) != NULL; i++)
        for (size_t k = 0; k < transform->count; k++)
            if (transform->steps[k].fingerprint == fingerprint)
                return &transform->steps[k];
    return NULL;
}

static size_t count_steps(const struct ruleset *ruleset)
{
    const struct transform *transform;
    size_t count = 0;
    for (size_t i = 0; (transform = transform_at(ruleset, i)) != NULL; i++)
        count += transform->count;
    return count;
}

static size_t list_step_moves(const struct ruleset *from, const struct ruleset *to,
                              struct state_move *moves)
{
    const struct transform *transform;
    size_t count = 0;
    for (size_t i = 0; (transform = transform_at(to, i)) != NULL; i++) {
        for (size_t k = 0; k < transform->count; k++) {
            const struct transform_step *step = &transform->steps[k];
            const struct transform_step *old =
                step->state.bytes == 0 ? NULL : find_same_step(from, step->fingerprint);
            if (old != NULL && old->state.bytes == step->state.bytes)
                moves[count++] =
                    (struct state_move){old->state.offset, step->state.offset, step->state.bytes};
        }
    }
    return count;
}

static size_t list_moves(const struct ruleset *from, const struct ruleset *to,
                         struct state_move *moves)
{
    size_t count = 0;
    for (size_t i = 0; i < to->rule_count; i++) {
        const struct rule *rule = to->rules[i];
        const struct rule *old = rule->state.bytes == 0 ? NULL : find_same(from, rule);
        if (old != NULL && old->state.bytes == rule->state.bytes)
            moves[count++] =
                (struct state_move){old->state.offset, rule->state.offset, rule->state.bytes};
    }
    return count;
}

static int take_over(struct rule_thread *thread, const struct rule_thread *old, struct error *err)
{
    size_t rules = thread->ruleset->rule_count;
    struct state_move *moves = calloc(rules + count_steps(thread->ruleset) + 1, sizeof *moves);
    if (moves == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for vehicles' states");
    size_t count = list_moves(old->ruleset, thread->ruleset, moves);
    count += list_step_moves(old->ruleset, thread->ruleset, moves + count);
    if (count > 0)
        state_table_move(thread->state, old->state, moves, count);
    free(moves);
    return 0;
}

/* ---- machines ---- */

static int make_machines(struct rule_thread *thread, struct error *err)
{
    const struct ruleset *ruleset = thread->ruleset;
    if (!ruleset->has_machines)
        return 0;
    thread->machines = calloc(ruleset->rule_count, sizeof(void *));
    thread->breaks = calloc(ruleset->rule_count, sizeof *thread->breaks);
    if (thread->machines == NULL || thread->breaks == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for rules");
    for (size_t i = 0; i < ruleset->rule_count; i++) {
        const struct rule *rule = ruleset->rules[i];
        if (rule->kind->machine_new == NULL)
            continue;
        thread->machines[i] = rule->kind->machine_new(rule->check, err);
        if (thread->machines[i] == NULL)
            return error_prefix(err, "rule %s", rule->id.ptr);
    }
    return 0;
}

static void free_machines(struct rule_thread *thread)
{
    const struct ruleset *ruleset = thread->ruleset;
    for (size_t i = 0; thread->machines != NULL && i < ruleset->rule_count; i++)
        if (thread->machines[i] != NULL)
            ruleset->rules[i]->kind->machine_free(thread->machines[i]);
    free(thread->machines);
    free(thread->breaks);
}

void rule_broke(const struct rule_context *context, unsigned index, const char *text)
{
    struct rule_thread *thread = context->thread;
    thread->breaks[index]++;
    thread->break_count++;
    snprintf(thread->break_text, sizeof thread->break_text, "%s", text);
}

/* ---- life ---- */

static int fill(struct rule_thread *thread, const struct state_limits *limits,
                const struct rule_thread *old, struct error *err)
{
    const struct state_layout *layout = &thread->ruleset->layout;
    if (layout->bytes > 0 &&
        state_table_new(&thread->state, layout->bytes, layout->lookback_ns, limits, err) != 0)
        return -1;
    if (thread->state != NULL && old != NULL && old->state != NULL &&
        take_over(thread, old, err) != 0)
        return -1;
    if (thread->ruleset->has_transforms) {
        thread->changed = transform_scratch_new(thread->ruleset->transform_text);
        if (thread->changed == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for transforms");
    }
    return make_machines(thread, err);
}

int ruleset_thread_new(struct rule_thread **out, struct ruleset *ruleset,
                       const struct state_limits *limits, const struct rule_thread *old,
                       struct error *err)
{
    struct rule_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for rules");
    thread->ruleset = ruleset_ref(ruleset);
    if (fill(thread, limits, old, err) != 0) {
        ruleset_thread_free(thread);
        return -1;
    }
    *out = thread;
    return 0;
}

void ruleset_thread_free(struct rule_thread *thread)
{
    if (thread == NULL)
        return;
    free_machines(thread);
    transform_scratch_free(thread->changed);
    state_table_free(thread->state);
    ruleset_unref(thread->ruleset);
    free(thread);
}

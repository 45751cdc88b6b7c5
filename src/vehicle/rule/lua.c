/* SPDX-License-Identifier: Apache-2.0 */
/* lua: a script of the user's decides (script/script.h). */
#include <stdio.h>
#include <stdlib.h>

#include "vehicle/rule/rule.h"
#include "vehicle/script/script.h"

enum { INSTRUCTIONS = 10000, MEMORY_KIB = 1024, KIB = 1024 };

enum on_error { ON_ERROR_FAIL, ON_ERROR_PASS };

struct lua_rule {
    struct bytes text;
    struct rule_file file;
    struct rule_texts names;
    int64_t lookback_ns;
    int64_t instructions;
    int64_t memory_kib;
    int on_error;
    struct script script;
    struct state_slot slot;
    unsigned index; /* of the rule: of its machine */
};

static const struct lua_rule defaults = {.instructions = INSTRUCTIONS, .memory_kib = MEMORY_KIB};

static const char *const on_error_names[] = {"fail", "pass", NULL};

static const struct rule_setting settings[] = {
    {.name = "script",
     .type = RULE_SETTING_TEXT,
     .offset = offsetof(struct lua_rule, text),
     .bytes_max = SCRIPT_TEXT_MAX,
     .help = "Lua 5.4 that defines `check(packet, vehicle)`, which returns `true`, or `false` and "
             "a reason"},
    {.name = "file",
     .type = RULE_SETTING_FILE,
     .offset = offsetof(struct lua_rule, file),
     .bytes_max = SCRIPT_TEXT_MAX,
     .help = "the same in a file of its own"},
    {.name = "remember",
     .type = RULE_SETTING_TEXTS,
     .offset = offsetof(struct lua_rule, names),
     .help = "names, at most 16, that `vehicle` has: numbers, booleans and texts of at most 46 "
             "bytes, kept between the packets of a vehicle"},
    {.name = "lookback",
     .type = RULE_SETTING_DURATION,
     .offset = offsetof(struct lua_rule, lookback_ns),
     .help = "with `remember`: how old the packets are at most that matter for it; a restart reads "
             "as much again, and a vehicle that is silent for longer is forgotten"},
    {.name = "instructions",
     .type = RULE_SETTING_INTEGER,
     .offset = offsetof(struct lua_rule, instructions),
     .help = "of the interpreter, for one packet at most; default 10000",
     .min = 100,
     .max = 1000000},
    {.name = "memory_kib",
     .type = RULE_SETTING_INTEGER,
     .offset = offsetof(struct lua_rule, memory_kib),
     .help = "of the interpreter on each thread; default 1024",
     .min = 128,
     .max = 65536},
    {.name = "on_error",
     .type = RULE_SETTING_CHOICE,
     .offset = offsetof(struct lua_rule, on_error),
     .choices = on_error_names,
     .help = "of a script that errs or takes more than it may: `fail` (default) does what "
             "`on_fail` says, `pass` lets the packet pass. Both are counted"},
    {0},
};

/* ---- compiling ---- */

/* Texts of files go when the ruleset is loaded. */
static int keep_text(struct rule_build *build, struct lua_rule *rule, struct error *err)
{
    bool is_file = rule->file.text.ptr != NULL;
    if (is_file == (rule->text.ptr != NULL))
        return yaml_error(build->node, err, "a rule of kind lua needs either script or file");
    rule->script.text = rule->text;
    if (!is_file)
        return 0;
    char *copy = rule_alloc(build->arena, rule->file.text.len + 1);
    if (copy == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a script");
    memcpy(copy, rule->file.text.ptr, rule->file.text.len);
    rule->script.text = bytes_of(copy, rule->file.text.len);
    return 0;
}

static int claim_state(struct rule_build *build, struct lua_rule *rule, struct error *err)
{
    const struct yaml_node *remember = yaml_get(build->node, "remember");
    if (rule->names.count == 0)
        return rule->lookback_ns == 0
                   ? 0
                   : yaml_error(build->node, err, "lookback says nothing without remember");
    if (rule->names.count > SCRIPT_NAMES_MAX)
        return yaml_error(remember, err, "at most %d names can be remembered", SCRIPT_NAMES_MAX);
    for (size_t i = 0; i < rule->names.count; i++)
        if (rule->names.items[i].len > SCRIPT_NAME_MAX)
            return yaml_error(remember, err, "a name of more than %d bytes", SCRIPT_NAME_MAX);
    if (rule->lookback_ns <= 0)
        return yaml_error(build->node, err,
                          "with remember the rule needs \"lookback\": how far back what it "
                          "remembers comes from");
    rule->script.names = rule->names.items;
    rule->script.name_count = rule->names.count;
    return rule_claim_state(build, rule->names.count * sizeof(struct script_value),
                            rule->lookback_ns, &rule->slot, err);
}

/* Does it load? Each thread loads it again. */
static int try_script(struct rule_build *build, const struct lua_rule *rule, struct error *err)
{
    struct script_machine *machine;
    struct error cause;
    if (script_machine_new(&machine, &rule->script, &cause) == 0) {
        script_machine_free(machine);
        return 0;
    }
    const struct yaml_node *script = yaml_get(build->node, "script");
    if (cause.kind == ERROR_MEMORY)
        return error_set(err, ERROR_MEMORY, "%s", cause.text);
    return yaml_error(script == NULL ? yaml_get(build->node, "file") : script, err, "%s",
                      cause.text);
}

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct lua_rule *rule = check;
    if (keep_text(build, rule, err) != 0 || claim_state(build, rule, err) != 0)
        return -1;
    rule->script.name = build->rule->id.ptr;
    rule->script.instructions_max = rule->instructions;
    rule->script.memory_max = (size_t)rule->memory_kib * KIB;
    rule->index = build->rule->index;
    return try_script(build, rule, err);
}

/* ---- running ---- */

static void *machine_new(const void *check, struct error *err)
{
    const struct lua_rule *rule = check;
    struct script_machine *machine;
    return script_machine_new(&machine, &rule->script, err) == 0 ? machine : NULL;
}

static void machine_free(void *machine)
{
    script_machine_free(machine);
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const struct lua_rule *rule = check;
    struct script_value *kept =
        rule->slot.bytes == 0 ? NULL : rule_state(context, packet, rule->slot);
    char reason[SCRIPT_REASON_MAX];
    switch (script_check(rule_machine(context, rule->index), packet, kept, reason)) {
    case SCRIPT_PASSES:
        return true;
    case SCRIPT_FAILS:
        snprintf(context->thread->notes.text, RULE_NOTE_MAX, "%s",
                 reason[0] == '\0' ? "the script says no" : reason);
        return false;
    case SCRIPT_BREAKS:
        rule_broke(context, rule->index, reason);
        snprintf(context->thread->notes.text, RULE_NOTE_MAX, "broken: %s", reason);
        return rule->on_error == ON_ERROR_PASS;
    }
    return false;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)check, (void)packet;
    snprintf(out, cap, "%s", context->thread->notes.text);
    for (char *p = out; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
}

const struct rule_kind rule_lua = {
    .name = "lua",
    .help =
        "A script decides. It sees the packet (`packet.speed`, `packet[\"payload.soc\"]`; "
        "`packet.time` and `packet.received` in milliseconds; what is absent is `nil`) and what "
        "it remembers of the vehicle, and nothing else; its globals can't change. Of Lua's "
        "libraries it has what can't reach out of it and can't take long: `math` without "
        "random numbers, `string` with a `find` that is plain, `string.matches(text, "
        "expression)` instead of patterns, `table.add` and `table.concat`.",
    .example = "{id: soc-jump, kind: lua, remember: soc, lookback: 1h, script: \"function "
               "check(packet, vehicle) local last = vehicle.soc; vehicle.soc = packet.soc; return "
               "not last or not packet.soc or last - packet.soc < 20, 'the battery fell by a "
               "fifth' end\"}",
    .reason = REASON_RULE_LUA,
    .settings = settings,
    .check_size = sizeof(struct lua_rule),
    .defaults = &defaults,
    .compile = compile,
    .machine_new = machine_new,
    .machine_free = machine_free,
    .can_break = true,
    .run = run,
    .explain = explain,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "handler/config.h"
#include "sink/config.h"
#include "sink/sink.h"
#include "tool/output.h"
#include "vehicle/ruleset.h"

struct report {
    struct buf out;
    size_t faults;
};

static void take_finding(void *context, enum sink_finding finding, const char *text)
{
    static const char *const marks[] = {[SINK_FINE] = "ok       ",
                                        [SINK_NOTE] = "note     ",
                                        [SINK_FAULT] = "MISSING  ",
                                        [SINK_COMMAND] = ""};
    struct report *report = context;
    report->faults += finding == SINK_FAULT;
    buf_printf(&report->out, "%s%s\n", marks[finding], text);
}

/* In a plan, what is no command is a comment: the whole can be given to mongosh. */
static void take_step(void *context, enum sink_finding finding, const char *text)
{
    struct report *report = context;
    buf_printf(&report->out, "%s%s\n", finding == SINK_COMMAND ? "" : "// ", text);
}

static int ask(const struct sink_config *config, struct sink_report *questions, bool is_plan,
               struct error *err)
{
    struct report *report = questions->context;
    enum sink_kind kinds[SINK_KINDS];
    size_t count = sink_kinds(config, kinds);
    for (size_t i = 0; i < count; i++) {
        struct sink_config one = *config;
        size_t before = report->out.len;
        one.kind = (int)kinds[i];
        if ((is_plan ? sink_plan(&one, questions, err) : sink_verify(&one, questions, err)) != 0)
            return error_prefix(err, "%s", sink_kind_name(kinds[i]));
        if (report->out.len == before)
            buf_printf(&report->out, "%s%s: nothing to do: it takes care of its files itself\n",
                       is_plan ? "// " : "ok       ", sink_kind_name(kinds[i]));
    }
    return 0;
}

/* On the heap, NULL-terminated. */
static char **category_names(const struct ruleset *ruleset)
{
    size_t count = ruleset_category_count(ruleset);
    char **names = calloc(count + 1, sizeof(char *));
    for (size_t i = 0; names != NULL && i < count; i++)
        names[i] = bytes_dup_text(ruleset_category_name(ruleset, i));
    return names;
}

static void free_names(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free((void *)names);
}

static int ask_with_rules(const struct config *config, bool is_plan, struct report *report,
                          struct error *err)
{
    const struct handler_config *handler = config_get(config, &handler_module);
    struct ruleset *ruleset;
    if (ruleset_load(&ruleset, handler->rules, err) != 0)
        return -1;
    char **names = category_names(ruleset);
    struct sink_report questions = {.categories = (const char *const *)names,
                                    .fn = is_plan ? take_step : take_finding,
                                    .context = report};
    while (names != NULL && names[questions.category_count] != NULL)
        questions.category_count++;
    int result = names == NULL ? error_set(err, ERROR_MEMORY, "no memory")
                               : ask(config_get(config, &sink_module), &questions, is_plan, err);
    free_names(names);
    ruleset_unref(ruleset);
    return result;
}

int store_look(const struct config *config, const char *what)
{
    struct error err = {0};
    struct report report = {.faults = 0};
    bool is_plan = strcmp(what, "plan") == 0;
    if (!is_plan && strcmp(what, "verify") != 0) {
        error_set(&err, ERROR_USAGE, "\"%.40s\": wants verify or plan, or nothing to run the role",
                  what);
        return output_error("store", &err);
    }
    buf_init(&report.out, 0);
    int result = ask_with_rules(config, is_plan, &report, &err);
    int code = output_take(&report.out);
    if (result != 0)
        return output_error("store", &err);
    return code != 0 || report.faults == 0 ? code : 1;
}

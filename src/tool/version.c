/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/version.h"

#include "base/version.h"
#include "tool/options.h"
#include "tool/output.h"

static bool is_json;

static const struct option own_options[] = {
    {.name = "json", .flag = &is_json, .help = "as one JSON object"},
};

static const struct command command = {
    .name = "version",
    .help = "Prints the version of the program, of its compiler and of the libraries it was\n"
            "built with.",
    .options = own_options,
    .option_count = 1,
};

/* From src/tool/meson.build. */
static const struct {
    const char *name;
    const char *version;
} libraries[] = {VERSION_LIBRARIES};

static void print_json(struct buf *out)
{
    buf_append_text(out, "{\"version\":");
    buf_append_json(out, bytes_from_text(version_text()));
    buf_append_text(out, ",\"compiler\":");
    buf_append_json(out, bytes_from_text(version_compiler()));
    buf_append_text(out, ",\"libraries\":{");
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        buf_printf(out, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", libraries[i].name,
                   libraries[i].version);
    buf_append_text(out, "}}\n");
}

static void print_text(struct buf *out)
{
    buf_printf(out, "motorcade %s\n%s\n", version_text(), version_compiler());
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        buf_printf(out, "%s %s\n", libraries[i].name, libraries[i].version);
}

int version_tool(int argc, char **argv)
{
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    options_deinit(&options);
    struct buf out;
    buf_init(&out, 0);
    if (is_json)
        print_json(&out);
    else
        print_text(&out);
    return output_take(&out);
}

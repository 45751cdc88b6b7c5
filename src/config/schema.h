/* SPDX-License-Identifier: Apache-2.0 */
/* What a module's settings are: one table per module, from which parsing,
 * checking, --set, the environment, print-config, the reference page and the
 * JSON Schema all come. Nothing else in the program knows a setting's name.
 *
 * A module's settings live in a plain struct of its own; each row says at which
 * offset. In YAML they stand as `<module>: { <name>: value }`; a dot in a name
 * nests (`limits.header_bytes`). In the environment:
 * MOTORCADE_<MODULE>__<NAME>, dots as double underscores, upper case. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum setting_type {
    SETTING_BOOL,     /* bool */
    SETTING_INT,      /* int64_t, within min..max */
    SETTING_DOUBLE,   /* double, within min..max */
    SETTING_STRING,   /* const char *, owned by the snapshot; "" when unset */
    SETTING_DURATION, /* int64_t nanoseconds; min..max in nanoseconds */
    SETTING_SIZE,     /* int64_t bytes; min..max in bytes */
    SETTING_CHOICE,   /* int: index into choices */
    SETTING_LIST,     /* struct setting_list of strings, owned by the snapshot */
};

struct setting_list {
    const char *const *items;
    size_t count;
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;              /* offsetof() in the module's struct */
    const char *default_text;   /* as it would be written in YAML; lists: "a, b" */
    int64_t min, max;           /* both 0 = unbounded */
    const char *const *choices; /* NULL-terminated, for SETTING_CHOICE */
    const char *unit;           /* for the reference: "bytes", "packets/s", … or NULL */
    bool is_reloadable;         /* SIGHUP applies it without a restart */
    bool is_secret;             /* never printed; may be given as @/path/to/file */
    const char *help;           /* one sentence */
};

struct config_module {
    const char *name;
    const char *help;
    const struct setting *settings;
    size_t setting_count;
    size_t size; /* sizeof the module's struct */
    /* `<module>: value` is short for `<module>: {<scalar>: value}`; NULL: it isn't. */
    const char *scalar;
    /* Conditions between settings, asked once all are read; NULL = none. -1 with
     * a text to go after the module's name. */
    int (*check)(const void *module, struct error *err);
};

#define SETTING_COUNT(table) (sizeof(table) / sizeof((table)[0]))

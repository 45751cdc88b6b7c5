/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration snapshot: every module's settings, checked, immutable,
 * shared by reference count. Built whole or not at all. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "config/schema.h"

struct config;

struct config_source {
    const char *path;             /* YAML file, or NULL: defaults only */
    const char *const *overrides; /* "module.name=value", as --set gives them */
    size_t override_count;
    char *const *environment;    /* environ, or NULL */
    const char *const *defaults; /* as overrides: defaults that depend on the machine */
    size_t default_count;
};

/* Modules are a NULL-terminated array; it must outlive the snapshot. Later
 * sources win: the tables' defaults < source->defaults < file < environment < overrides. Errors are
 * ERROR_CONFIG and name file:line:column and, for an unknown name, the nearest
 * known one. On success *out has one reference. */
int config_load(struct config **out, const struct config_module *const *modules,
                const struct config_source *source, struct error *err);

struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* The module's struct, or a bug if the module was not in the array. */
const void *config_get(const struct config *config, const struct config_module *module);

/* The configuration in force as YAML that config_load reads back; secrets as
 * "********". Each value is followed by a comment with where it came from. */
int config_print(const struct config *config, struct buf *out);
/* A file to start from: every setting with its help and its default, commented out. */
int config_print_example(const struct config_module *const *modules, struct buf *out);
/* The reference page (Markdown) and the JSON Schema (draft 2020-12). */
int config_print_reference(const struct config_module *const *modules, struct buf *out);
int config_print_json_schema(const struct config_module *const *modules, struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a ruleset names (GeoJSON, scripts, schemas), read once each
 * while it is loaded and gone afterwards. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum { RULE_FILES_MAX = 4096 };

struct rule_files {
    char folder[4096]; /* of the ruleset's file in hand; "" = the working directory */
    struct read_file *read;
    size_t count;
    uint64_t hash; /* of all that was read, in order; 0 = nothing was */
};

void rule_files_init(struct rule_files *files);
void rule_files_deinit(struct rule_files *files);
/* Names are relative to this file's folder from now on. -1: its path is too long. */
int rule_files_enter(struct rule_files *files, const char *path, struct error *err);

/* What a kind of rule made of a file's text, kept beside it until deinit: read
 * once, however many rules use it. */
struct rule_file_made {
    void *made; /* NULL at first */
    void (*free_made)(void *made);
};
/* Of the file whose text rule_files_read gave. */
struct rule_file_made *rule_files_made(struct rule_files *files, struct bytes text);

/* The whole of a regular file, NUL-terminated, until deinit. ERROR_CONFIG when it
 * is not there, no file, larger than bytes_max, or shrank while it was read.
 * *hash: of its content. */
int rule_files_read(struct rule_files *files, struct bytes name, size_t bytes_max,
                    struct bytes *out, uint64_t *hash, struct error *err);

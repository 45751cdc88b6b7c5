/* SPDX-License-Identifier: Apache-2.0 */
/* What could not be published, appended to a file as JSON lines:
 *   {"time","topic","key","value","attempts","reason","detail"}
 * A value that is not UTF-8 is written as "value_hex" instead. One thread. */
#pragma once

#include "base/buf.h"
#include "broker/broker.h"

struct letter_file {
    int fd;
    const char *path;
    uint64_t count;
    bool is_ours; /* made here: taken away again if nothing went in */
    struct buf line;
};

struct letter {
    const char *topic;
    const struct record *record;
    unsigned attempts;
    const char *reason; /* a code */
    const char *detail; /* a sentence */
};

/* Opened at once, so that a place that can't be written is known before a message
 * is lost. `path` must stay. */
int letter_file_open(struct letter_file *file, const char *path, struct error *err);
/* Written when it returns, on disk after letter_file_close(). */
int letter_file_put(struct letter_file *file, const struct letter *letter, struct error *err);
/* Synced; twice is safe. */
int letter_file_close(struct letter_file *file, struct error *err);

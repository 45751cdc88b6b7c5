/* SPDX-License-Identifier: Apache-2.0 */
/* When the certificates end that this process uses: whoever is configured with
 * one names its file, once. Each is a gauge (certificate_expires_timestamp_seconds),
 * read at once, again each hour, and within seconds when the file has changed; a
 * line in the log says when an end comes near. One thread for all, which starts
 * with the first and only reads files: nobody waits for a disk. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
    CERTIFICATES_WATCHED_MAX = 64,
    CERTIFICATE_SOON_DAYS = 21, /* the alerts' warning */
};

enum certificate_state {
    CERTIFICATE_UNREAD, /* not yet */
    CERTIFICATE_UNREADABLE,
    CERTIFICATE_GOOD,
    CERTIFICATE_ENDS_SOON,
    CERTIFICATE_ENDED,
};

struct certificate_report {
    enum certificate_state state;
    int64_t end_s;     /* of the one that ends first, seconds since 1970; when readable */
    char problem[256]; /* when unreadable */
};

/* Reads the PEM file; blocks as files do. now_s: wall clock. */
void certificate_report_file(const char *path, int64_t now_s, struct certificate_report *report);
enum { CERTIFICATE_TEXT_MAX = 320 };
/* "ends on 2026-11-30 12:00 UTC, in 4 days", "ended on …", "can't be read: …". */
void certificate_report_text(const struct certificate_report *report, int64_t now_s,
                             char out[CERTIFICATE_TEXT_MAX]);

/* Watch a file: `use` says for what ("kafka client"). Both are copied. The same
 * pair again only makes it be looked at now. -1: there are too many, or no memory or thread. A
 * file that can't be read is no failure: it is logged, and looked at again. */
int certificates_add(const char *use, const char *path, struct error *err);
/* All that is watched, in the order of adding; valid in the call only. */
void certificates_each(void (*fn)(void *context, const char *use, const char *path,
                                  const struct certificate_report *report),
                       void *context);
/* Forgets all and ends the thread. */
void certificates_stop(void);

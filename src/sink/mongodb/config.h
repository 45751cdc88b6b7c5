/* SPDX-License-Identifier: Apache-2.0 */
/* The settings sink.mongodb.* (settings.def), a part of struct sink_config. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/schema.h"

struct mongodb_config {
    const char *uri;
    const char *database;
    bool is_by_month;            /* a collection per category and month of event time */
    struct setting_list indexes; /* indexes.h: their form */
    const char *w;               /* "majority", a number or a tag set's name */
    bool is_journaled;
    int64_t w_timeout_ns;
    int64_t message_docs;
    int64_t writers;
    bool is_ordered;
    double verify_rate; /* 0 to 1 */
    int64_t selection_timeout_ns;
    int64_t socket_timeout_ns;
    int64_t status_interval_ns; /* 0 = the server is not asked how it does */
};

/* What the table can't say: -1 with a text. */
int mongodb_config_check(const struct mongodb_config *config, struct error *err);
/* Gives the certificate files that the connection string names, and what each is
 * for; valid in the call. */
void mongodb_config_files(const struct mongodb_config *config,
                          void (*fn)(void *context, const char *use, const char *path),
                          void *context);

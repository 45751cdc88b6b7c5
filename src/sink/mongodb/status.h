/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of itself, as metrics: the replies of serverStatus, dbStats
 * and $collStats (their pages in MongoDB's manual). Only figures: a field that is
 * missing, negative or no number is not shown, whatever else the reply holds.
 *
 * The server counts since its own start; shown is what it counted since the
 * first look, so that rates begin at zero and a server that starts again takes
 * nothing away. One thread. */
#pragma once

#include <mongoc/mongoc.h>
#include <stdbool.h>
#include <stdint.h>

enum { STATUS_COUNTERS_MAX = 24 };

struct status_counter {
    int64_t last, total;
    bool is_known; /* there is a last */
};

/* Zeroed at first. */
struct status {
    struct status_counter counters[STATUS_COUNTERS_MAX];
};

/* Does the server answer at all? */
void status_set_up(bool is_up);

/* reply NULL: none came, its figures are not shown. */
void status_take_server(struct status *status, const bson_t *reply);
void status_take_database(const char *database, const bson_t *reply);

/* A collection's figures are sums: on a cluster each shard gives its own. */
enum { STATUS_COLLECTION_FIGURES = 4 };
struct status_sums {
    int64_t values[STATUS_COLLECTION_FIGURES]; /* METRIC_ABSENT: none gave it */
};
void status_sums_init(struct status_sums *sums);
/* One document that $collStats gave. */
void status_sums_add(struct status_sums *sums, const bson_t *document);
void status_take_collection(const char *database, const char *collection,
                            const struct status_sums *sums);

/* SPDX-License-Identifier: Apache-2.0 */
/* Which ingest topic a dialect's packets go to (module "topics"): the dialect's
 * own default unless the configuration names another. Gateway, handler, store
 * and live all ask here, so that they agree. */
#pragma once

#include "base/error.h"
#include "config/schema.h"
#include "vehicle/dialect.h"

enum { TOPICS_INGEST_MAX = 16 };

struct topics_config {
    struct setting_list ingest; /* "dialect=topic" */
};

extern const struct config_module topics_module;

/* Every entry names a dialect that exists, once, and a topic name that is valid. */
int topics_check(const struct topics_config *config, struct error *err);
/* Views borrow from the configuration. */
struct bytes topics_of_dialect(const struct topics_config *config, const struct dialect *dialect);
/* The different ingest topics, in order of the registry; their number. */
size_t topics_ingest(const struct topics_config *config, struct bytes out[TOPICS_INGEST_MAX]);

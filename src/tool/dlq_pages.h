/* SPDX-License-Identifier: Apache-2.0 */
/* Replaying dead letters inside the process that writes the journal, asked for on
 * the operator's address:
 *   POST /admin/dlq/replay?state=open&reason=…   begins (202), or says that one runs (409)
 *   POST /admin/dlq/status {"state","replayed","failed","unreplayable","error"} The query names the
 * filters of dlq_filter.h. One replay at a time, on a thread of its own. */
#pragma once

#include "broker/broker.h"
#include "config/config.h"

struct dlq_pages;

/* broker and config must outlive it. */
int dlq_pages_add(struct dlq_pages **out, struct broker *broker, const struct config *config,
                  struct error *err);
/* Ends a replay that runs; its rest stays open. NULL is fine. */
void dlq_pages_remove(struct dlq_pages *pages);

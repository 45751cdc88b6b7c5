/* SPDX-License-Identifier: Apache-2.0 */
/* A replay in the process that writes the journal, asked for over HTTP (see
 * tool/dlq_pages.h). */
#pragma once

#include "config/config.h"
#include "tool/dlq_replay.h"

/* values[i] of dlq_filter_names[i]; NULL: not given. `url`: the process's address,
 * NULL: as the configuration says. Waits for the end; *progress as it was told. */
int dlq_remote_replay(const struct config *config, const char *url,
                      const char *const values[DLQ_NAMES_MAX], struct dlq_progress *progress,
                      struct error *err);

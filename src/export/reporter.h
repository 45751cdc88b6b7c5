/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes all metrics to Graphite and StatsD, each from a thread of its own that
 * reads, formats and sends: never in the way of packets. While a server is away
 * its reports are kept up to a bound, then the oldest lines go, counted. */
#pragma once

#include "base/error.h"
#include "export/config.h"

struct reporter;

/* `role`: "gateway", "run". Starts nothing where no address is set; *out may be
 * NULL then. The configs must stay until the end. */
int reporter_start_graphite(struct reporter **out, const struct graphite_config *config,
                            const char *role, struct error *err);
int reporter_start_statsd(struct reporter **out, const struct statsd_config *config,
                          const char *role, struct error *err);
/* Sends a last report, waiting for it as long as the timeout says. NULL is fine. */
void reporter_stop(struct reporter *reporter);

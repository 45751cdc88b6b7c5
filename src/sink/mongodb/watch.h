/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the database server now and then how it does (status.h), on a thread and
 * with a connection of its own: nobody waits for it, and a server that is away
 * costs nothing but the figures. */
#pragma once

#include "sink/mongodb/collections.h"

struct watch;

/* Watches until it is freed; the config and the collections must outlive it.
 * *out stays NULL where the settings say that there is no watching. */
int watch_new(struct watch **out, const struct sink_config *config, struct collections *collections,
              struct error *err);
/* Waits for an answer under way, some seconds at most. */
void watch_free(struct watch *watch);

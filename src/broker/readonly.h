/* SPDX-License-Identifier: Apache-2.0 */
/* Another process's journal, to look at: no lock is taken, nothing is written,
 * the writer is not slowed. It sees what the writer's consumers see, and keeps
 * up with it; without a writer, all that is whole. broker_topic finds topics and
 * makes none; consumers have no group; producers can't be opened. */
#pragma once

#include "broker/broker.h"

/* ERROR_NOT_FOUND: there is no journal in <data_dir>/journal. Closed by
 * broker_close, after its consumers. */
int broker_open_readonly(struct broker **out, const char *data_dir, struct error *err);

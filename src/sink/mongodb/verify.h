/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks: is the database as the settings want it, and how would
 * it be spread over shards. */
#pragma once

#include "sink/driver.h"

int mongodb_verify(const struct sink_config *config, const struct sink_report *report,
                   struct error *err);
int mongodb_plan(const struct sink_config *config, const struct sink_report *report,
                 struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* `motorcade store verify` and `motorcade store plan`: the databases of the
 * configuration, looked at. Returns the exit code: 1 when something is missing. */
#pragma once

#include "config/config.h"

int store_look(const struct config *config, const char *what);

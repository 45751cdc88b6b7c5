/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate files that a configuration names. */
#pragma once

#include "config/config.h"

/* Gives each with what it is for ("kafka ca"); `is_of_sink`: those of the
 * database as well. Paths are valid in the call. */
void certificate_files(const struct config *config, bool is_of_sink,
                       void (*fn)(void *context, const char *use, const char *path), void *context);

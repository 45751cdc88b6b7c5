/* SPDX-License-Identifier: Apache-2.0 */
/* Where this machine's data lie when nobody says so. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* $STATE_DIRECTORY (systemd; its first entry), else $HOME/.local/state/motorcade.
 * Nothing is made there. */
int data_dir_default(char *out, size_t size, struct error *err);

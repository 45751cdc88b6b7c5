/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway serves: paths to packets. Context: struct worker. */
#pragma once

#include "net/server.h"

extern const struct server_handler front_handler;

/* SPDX-License-Identifier: Apache-2.0 */
/* Private to vehicle/: the dialects, one line each here and in registry.c. */
#pragma once

#include "vehicle/dialect.h"

extern const struct dialect dialect_obu;
extern const struct dialect dialect_envelope;

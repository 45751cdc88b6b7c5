/* SPDX-License-Identifier: Apache-2.0 */
/* What jansson says to a text. Apart, because its names are those of codec/json. */
#pragma once

#include "base/bytes.h"

enum oracle_verdict { ORACLE_JSON, ORACLE_NOT_JSON, ORACLE_BEYOND_ITS_LIMITS };

/* Duplicate keys are refused; a NUL in strings and big integers are taken. */
enum oracle_verdict jansson_oracle(struct bytes text);

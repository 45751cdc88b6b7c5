/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/bytes.h"

enum reason {
#define REASON(id, code, help) id,
#include "vehicle/reason.def"
#undef REASON
    REASON_COUNT
};

const char *reason_code(enum reason reason); /* "not_json" */
const char *reason_help(enum reason reason);
/* REASON_COUNT when no reason has that code. */
enum reason reason_from_code(struct bytes code);

/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/reason.h"

#include "base/must.h"

static const struct {
    const char *code;
    const char *help;
} reasons[] = {
#define REASON(id, text, what) {text, what},
#include "vehicle/reason.def"
#undef REASON
};

const char *reason_code(enum reason reason)
{
    must(reason < REASON_COUNT);
    return reasons[reason].code;
}

const char *reason_help(enum reason reason)
{
    must(reason < REASON_COUNT);
    return reasons[reason].help;
}

enum reason reason_from_code(struct bytes code)
{
    enum reason reason = REASON_NONE;
    while (reason < REASON_COUNT && !bytes_equal_text(code, reasons[reason].code))
        reason++;
    return reason;
}

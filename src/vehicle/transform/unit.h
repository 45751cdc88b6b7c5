/* SPDX-License-Identifier: Apache-2.0 */
/* Units of what vehicles measure, for conversion. Factors are exact by their
 * definitions (NIST SP 811, appendix B) unless noted. Pure. */
#pragma once

#include "base/bytes.h"

struct unit {
    const char *name;
    const char *dimension;
    double factor, offset; /* base = value * factor + offset */
};

extern const struct unit unit_table[]; /* ends with name NULL; of one dimension together */
/* NULL: not known. */
const struct unit *unit_find(struct bytes name);
double unit_convert(double value, const struct unit *from, const struct unit *to);

/* SPDX-License-Identifier: Apache-2.0 */
/* JSON numbers as the numbers they are, of any length, from their text: nothing
 * goes through a double where that could lose a digit. `text` is always a whole
 * JSON number (RFC 8259 section 6), as the reader found it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* The same number as (-1)^is_negative * digits * 10^exp10, where the digits
 * begin and end with one that is not 0. */
struct json_number {
    bool is_negative;
    bool is_zero;
    const char *first, *end; /* its digits, maybe with a point among them */
    int64_t exp10;           /* of the last digit; held within +-10^12 */
    int64_t top10;           /* of the first digit */
};

struct json_number json_number_parse(struct bytes text);
/* <0, 0, >0. 1, 1.0 and 10e-1 are equal. */
int json_number_compare(struct bytes a, struct bytes b);
/* 1.0 and 1e2 are integers, too (JSON Schema 2020-12, core section 4.2.3). */
bool json_number_is_integer(struct bytes text);
/* Is it a whole multiple of divisor * 10^exp10? Exact. */
bool json_number_is_multiple(struct bytes text, uint64_t divisor, int32_t exp10);

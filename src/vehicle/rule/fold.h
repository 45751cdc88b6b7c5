/* SPDX-License-Identifier: Apache-2.0 */
/* Many tests as one. Ranges of the same number overlap in a single range, and
 * presences in a single mask; so all tests of a category that end a packet and
 * were lowered become six ranges, a mask and one range of age, whatever their
 * number. A packet that passes the fold passes each of them. One that does not
 * is walked through test by test, to find which. */
#pragma once

#include "vehicle/rule/rule.h"

enum { FOLD_NUMBERS = 6 }; /* lat to accuracy: contiguous in struct packet */

struct rule_fold {
    uint32_t present;
    double low[FOLD_NUMBERS], high[FOLD_NUMBERS];
    int64_t age_low_ns, age_high_ns;
};

void rule_fold_init(struct rule_fold *fold);
/* False: this test can't be folded. */
bool rule_fold_add(struct rule_fold *fold, const struct rule_test *test);

/* Two doubles compared at once (the vector extension of GCC and Clang); may lie
 * as a struct's members do. */
typedef double fold_pair __attribute__((vector_size(16), aligned(8), may_alias));

/* Is any of the six outside, absent ones included? The likely answer is no. */
static inline bool rule_fold_has_outlier(const struct rule_fold *fold, const double *numbers)
{
    const fold_pair *number = (const void *)numbers;
    const fold_pair *low = (const void *)fold->low;
    const fold_pair *high = (const void *)fold->high;
    __typeof__(number[0] >= low[0]) inside = (number[0] >= low[0]) & (number[0] <= high[0]) &
                                             (number[1] >= low[1]) & (number[1] <= high[1]) &
                                             (number[2] >= low[2]) & (number[2] <= high[2]);
    return (inside[0] & inside[1]) == 0;
}

/* The same, asking for each whether it is there. */
bool rule_fold_is_outside(const struct rule_fold *fold, const struct packet *packet);

static inline bool rule_fold_passes(const struct rule_fold *fold, const struct packet *packet,
                                    int64_t age_ns)
{
    if ((packet->fields & fold->present) != fold->present)
        return false;
    if ((age_ns < fold->age_low_ns || age_ns > fold->age_high_ns) &&
        (packet->fields & PACKET_HAS_TIME) != 0)
        return false;
    return !rule_fold_has_outlier(fold, &packet->lat) || !rule_fold_is_outside(fold, packet);
}

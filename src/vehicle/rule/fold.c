/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/fold.h"

#include <math.h>

/* What the comparison of all six at once builds on. */
#define CHECK_PLACE(member, bit, i)                                               \
    _Static_assert(offsetof(struct packet, member) ==                             \
                           offsetof(struct packet, lat) + (i) * sizeof(double) && \
                       (bit) == PACKET_HAS_LAT << (i),                            \
                   "the packet's numbers lie in the order of their bits")
CHECK_PLACE(lat, PACKET_HAS_LAT, 0);
CHECK_PLACE(lon, PACKET_HAS_LON, 1);
CHECK_PLACE(speed_ms, PACKET_HAS_SPEED, 2);
CHECK_PLACE(heading_deg, PACKET_HAS_HEADING, 3);
CHECK_PLACE(altitude_m, PACKET_HAS_ALTITUDE, 4);
CHECK_PLACE(accuracy_m, PACKET_HAS_ACCURACY, 5);
_Static_assert(PACKET_HAS_TIME < PACKET_HAS_LAT, "bits of the numbers stand above");

void rule_fold_init(struct rule_fold *fold)
{
    *fold = (struct rule_fold){.age_low_ns = INT64_MIN, .age_high_ns = INT64_MAX};
    for (size_t i = 0; i < FOLD_NUMBERS; i++) {
        fold->low[i] = -INFINITY;
        fold->high[i] = INFINITY;
    }
}

static void add_number(struct rule_fold *fold, const struct rule_test *test)
{
    size_t i = (test->offset - offsetof(struct packet, lat)) / sizeof(double);
    fold->low[i] = fmax(fold->low[i], test->low);
    fold->high[i] = fmin(fold->high[i], test->high);
}

static void add_age(struct rule_fold *fold, const struct rule_test *test)
{
    if (test->age_low_ns > fold->age_low_ns)
        fold->age_low_ns = test->age_low_ns;
    if (test->age_high_ns < fold->age_high_ns)
        fold->age_high_ns = test->age_high_ns;
}

bool rule_fold_add(struct rule_fold *fold, const struct rule_test *test)
{
    switch ((enum rule_form)test->form) {
    case RULE_PRESENT:
        fold->present |= test->mask;
        return true;
    case RULE_NUMBER:
        add_number(fold, test);
        return true;
    case RULE_AGE:
        add_age(fold, test);
        return true;
    case RULE_CALL:
    case RULE_GUARDED:
        return false;
    }
    return false;
}

bool rule_fold_is_outside(const struct rule_fold *fold, const struct packet *packet)
{
    const double *numbers = &packet->lat;
    for (unsigned i = 0; i < FOLD_NUMBERS; i++)
        if ((packet->fields & (uint32_t)PACKET_HAS_LAT << i) != 0 &&
            !(numbers[i] >= fold->low[i] && numbers[i] <= fold->high[i]))
            return true;
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of a counter, as users of Dropwizard's metrics know them: over all time,
 * and moving averages over 1, 5 and 15 minutes that weigh older seconds less,
 * like the load average of Unix (Dropwizard: EWMA.java; here with the time that
 * really passed in place of a tick of 5 s). Pure. Zeroed = a new meter. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct meter {
    bool is_begun;
    int64_t begun_ns, last_ns; /* monotonic */
    double total;
    double m1, m5, m15; /* per second */
};

/* `change` events came since the last call, or since the counter was made. */
void meter_tick(struct meter *meter, double change, int64_t now_ns);
/* Per second since the first tick. */
double meter_mean(const struct meter *meter);

/* SPDX-License-Identifier: Apache-2.0 */
#include "export/meter.h"

#include <math.h>

#include "base/clock.h"

static double decay(double average, double rate, double elapsed_s, double minutes)
{
    double weight = 1 - exp(-elapsed_s / 60 / minutes);
    return average + weight * (rate - average);
}

void meter_tick(struct meter *meter, double change, int64_t now_ns)
{
    if (!meter->is_begun) { /* when what came until now came is not known */
        *meter = (struct meter){.is_begun = true, .begun_ns = now_ns, .last_ns = now_ns};
        return;
    }
    double elapsed_s = (double)(now_ns - meter->last_ns) / (double)NS_PER_S;
    if (elapsed_s <= 0) {
        meter->total += change;
        return;
    }
    double rate = change / elapsed_s;
    bool is_second = meter->last_ns == meter->begun_ns;
    meter->m1 = is_second ? rate : decay(meter->m1, rate, elapsed_s, 1);
    meter->m5 = is_second ? rate : decay(meter->m5, rate, elapsed_s, 5);
    meter->m15 = is_second ? rate : decay(meter->m15, rate, elapsed_s, 15);
    meter->total += change;
    meter->last_ns = now_ns;
}

double meter_mean(const struct meter *meter)
{
    double elapsed_s = (double)(meter->last_ns - meter->begun_ns) / (double)NS_PER_S;
    return elapsed_s > 0 ? meter->total / elapsed_s : 0;
}

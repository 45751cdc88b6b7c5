/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments that simulate and replay share, from text to values. */
#pragma once

#include "simulate/sender.h"

/* NULL leaves a value as it is, so that defaults are set before. ERROR_USAGE names the
 * option. */
int argument_count(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                   struct error *err);
int argument_rate(const char *name, const char *text, double *out, struct error *err);
int argument_duration(const char *name, const char *text, int64_t *out_ns, struct error *err);
/* "minlat,minlon,maxlat,maxlon": out holds 4. */
int argument_box(const char *name, const char *text, double out[4], struct error *err);

/* client_target_resolve(); an address without a path means the gateway's own:
 * /ws or /packets. */
int argument_target(const char *url, struct client_target *target, struct error *err);

/* Of each of `links` connections, so that all together hold about a quarter of a
 * million packets. */
size_t argument_window(uint64_t links, uint64_t batch);

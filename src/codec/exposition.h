/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the Prometheus text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/), line by line:
 * what `motorcade top` shows comes from another process's page. Comments are
 * passed over; a line that is none of the format's is passed over and counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct exposition_sample {
    struct bytes name;
    struct bytes labels; /* between the braces, as it stands; may be empty */
    double value;        /* may be infinite or NaN */
};

/* The next sample of *page, which moves on behind it; false at its end. *bad
 * (may be NULL) counts lines that could not be read. */
bool exposition_next(struct bytes *page, struct exposition_sample *out, size_t *bad);

/* Walks labels: the next name and value, as they stand, escapes and all; false at
 * the end, and where there is no label. */
bool exposition_next_label(struct bytes *labels, struct bytes *name, struct bytes *value);

/* The value of one label as it stands (escapes and all); false when absent. */
bool exposition_label(struct bytes labels, const char *name, struct bytes *value);

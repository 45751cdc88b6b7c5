/* SPDX-License-Identifier: Apache-2.0 */
/* The writers of one sink: a batch is cut into slices, and each writer takes the
 * next one until none is left. The caller is one of them. */
#pragma once

#include "sink/mongodb/pen.h"

struct crew;

int crew_new(struct crew **out, const struct pen_ground *ground, struct error *err);
void crew_free(struct crew *crew);
/* Returns when every row has its result. One caller at a time. */
void crew_write(struct crew *crew, const struct sink_row *rows, struct pen_result *results,
                size_t count);

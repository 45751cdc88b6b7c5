/* SPDX-License-Identifier: Apache-2.0 */
/* A text with placeholders, from which any number of messages is made: JSON or
 * whatever else. What stands outside {{…}} is taken as it is.
 *
 *   {{uuid}}                       a random UUID (RFC 9562, version 4)
 *   {{counter [START [STEP]]}}     START (1), then STEP (1) more in each message
 *   {{timestamp [FORMAT]}}         now: rfc3339 (default), s, ms, us or ns since 1970
 *   {{int MIN MAX}}                a whole number, both ends included
 *   {{float MIN MAX [PLACES]}}     a number with that many decimal places (6)
 *   {{string [MIN [MAX]]}}         letters and digits, MIN (8) to MAX (MIN) of them
 *   {{bool}}                       true or false
 *   {{choice A B …}}               one of these words; a word in double quotes is a
 *                                  JSON string and keeps its quotes
 *   {{either}}…{{or}}…{{end}}      one of these parts, which may hold placeholders
 *   {{repeat MIN MAX}}…{{end}}     the part MIN to MAX times, commas between
 *   {{braces}}                     two opening braces
 *
 * Blocks nest up to TEMPLATE_DEPTH_MAX. A template may come from a stranger: its
 * size, its parts and the work of one message are bounded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"

enum {
    TEMPLATE_BYTES_MAX = 1 << 20,
    TEMPLATE_PARTS_MAX = 10000,
    TEMPLATE_DEPTH_MAX = 16,
    TEMPLATE_REPEAT_MAX = 10000,
    TEMPLATE_STRING_MAX = 65536,
    TEMPLATE_STEPS_MAX = 1000000, /* parts visited for one message */
};

struct template;

/* The text is copied. ERROR_CONFIG says at which line and column what is wrong. */
int template_new(struct template **out, struct bytes text, struct error *err);
void template_free(struct template *template);

/* Append one message made with these random numbers at this time. One thread:
 * counters live in the template. -1: larger than out->limit, or more than
 * TEMPLATE_STEPS_MAX steps (ERROR_FULL). */
int template_expand(struct template *template, struct random_source *random, int64_t wall_ns,
                    struct buf *out, struct error *err);

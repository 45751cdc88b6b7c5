/* SPDX-License-Identifier: Apache-2.0 */
/* Rulesets from text and packets from JSON, for the tests about rules. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"
#include "vehicle/dialect.h"
#include "vehicle/ruleset.h"

/* All records arrive at this moment. */
#define RECEIVED_TEXT "2026-05-20T12:00:00.000Z"

static struct packet_scratch *scratch;

static inline int make_scratch(void **state)
{
    (void)state;
    scratch = packet_scratch_new();
    return scratch == NULL;
}

static inline int free_scratch(void **state)
{
    (void)state;
    packet_scratch_free(scratch);
    return 0;
}

static inline int64_t received_ns(void)
{
    int64_t ms;
    assert_true(text_to_time_ms(BYTES(RECEIVED_TEXT), &ms));
    return ms * NS_PER_MS;
}

static inline struct packet packet_of(const char *json)
{
    struct packet packet;
    struct reject reject = {0};
    if (!dialect_decode(scratch, bytes_from_text(json), &packet, &reject))
        fail_msg("%s: %s", json, reject.detail);
    packet_identify(&packet, received_ns(), 1);
    return packet;
}

static inline struct ruleset *ruleset_of(const char *yaml)
{
    struct ruleset *ruleset;
    struct error err;
    if (ruleset_load_bytes(&ruleset, "test.yaml", bytes_from_text(yaml), &err) != 0)
        fail_msg("%s", err.text);
    return ruleset;
}

static inline enum verdict apply(const struct ruleset *ruleset, struct packet *packet,
                                 struct decision *out)
{
    struct rule_context context = {.received_ns = packet->received_ns};
    return ruleset_apply(ruleset, packet, &context, out);
}

/* The error of a ruleset that must not load. */
static inline const char *error_of(const char *yaml)
{
    static struct error err;
    struct ruleset *ruleset = NULL;
    if (ruleset_load_bytes(&ruleset, "test.yaml", bytes_from_text(yaml), &err) == 0)
        fail_msg("this was accepted:\n%s", yaml);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_null(ruleset);
    return err.text;
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, text);
}

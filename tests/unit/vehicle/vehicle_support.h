/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of vehicle/ share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vehicle/dialect.h"
#include "vehicle/packet.h"

static inline void assert_bytes(struct bytes actual, const char *expected)
{
    if (bytes_equal_text(actual, expected))
        return;
    fail_msg("got \"%.*s\", expected \"%s\"", (int)actual.len, actual.ptr, expected);
}

static inline void assert_decodes(struct packet_scratch *scratch, const char *text,
                                  struct packet *packet)
{
    struct reject reject = {0};
    if (!dialect_decode(scratch, bytes_from_text(text), packet, &reject))
        fail_msg("%s: refused, %s: %s", text, reason_code(reject.reason), reject.detail);
}

static inline void assert_refused(struct packet_scratch *scratch, const char *text,
                                  enum reason expected)
{
    struct packet packet;
    struct reject reject = {0};
    if (dialect_decode(scratch, bytes_from_text(text), &packet, &reject))
        fail_msg("%s: accepted, expected %s", text, reason_code(expected));
    if (reject.reason != expected)
        fail_msg("%s: %s (%s), expected %s", text, reason_code(reject.reason), reject.detail,
                 reason_code(expected));
    assert_true(reject.detail[0] != '\0');
}

static inline void assert_signal(const struct packet *packet, const char *path, const char *raw,
                                 enum signal_type type)
{
    const struct signal *signal = packet_find_signal(packet, bytes_from_text(path));
    if (signal == NULL)
        fail_msg("no signal %s", path);
    else {
        assert_bytes(signal->raw, raw);
        assert_int_equal(signal->type, type);
    }
}

static inline int new_scratch(void **state)
{
    *state = packet_scratch_new();
    return *state == NULL ? -1 : 0;
}

static inline int free_scratch(void **state)
{
    packet_scratch_free(*state);
    return 0;
}

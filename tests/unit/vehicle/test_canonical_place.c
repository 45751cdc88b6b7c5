/* SPDX-License-Identifier: Apache-2.0 */
/* The short way to a packet's place agrees with decoding it whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vehicle/canonical.h"
#include "vehicle/dialect.h"

static struct packet_scratch *scratch;

static void encode(const char *obu, struct buf *out)
{
    struct packet packet;
    struct reject reject;
    assert_true(dialect_decode(scratch, bytes_from_text(obu), &packet, &reject));
    packet_identify(&packet, INT64_C(1700000000123456789), 42);
    packet.category = BYTES("position");
    buf_clear(out);
    assert_int_equal(canonical_encode(&packet, out), 0);
}

static void assert_agrees(struct bytes value)
{
    struct packet packet;
    struct reject reject;
    double lat, lon;
    assert_true(canonical_decode(scratch, value, &packet, &reject));
    assert_true(canonical_place(value, packet.vehicle, &lat, &lon));
    assert_true(lat == packet.lat && lon == packet.lon);
}

static void test_agrees_with_decoding(void **state)
{
    (void)state;
    static const char *const packets[] = {
        "{\"obuid\":7,\"lat\":50.5,\"lon\":-10.25}",
        "{\"obuid\":\"k\",\"lat\":0,\"lon\":-0.0,\"time\":1700000000,\"speed\":3}",
        "{\"obuid\":\"k\",\"lat\":1e-7,\"lon\":179.99999999999997,\"seq\":4,\"epoch\":2}",
        "{\"obuid\":\"\\u00f6\",\"lat\":-90,\"lon\":180,\"x\":{\"lat\":9,\"lon\":8}}",
        "{\"obuid\":\"lat\\\\\",\"lat\":3,\"lon\":4}",
    };
    struct buf value;
    buf_init(&value, 0);
    for (size_t i = 0; i + 1 < sizeof packets / sizeof packets[0]; i++) {
        encode(packets[i], &value);
        assert_agrees(buf_bytes(&value));
    }
    uint64_t seed = 9;
    char obu[160];
    for (int i = 0; i < 20000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        snprintf(obu, sizeof obu, "{\"obuid\":\"v%d\",\"lat\":%.*g,\"lon\":%.*g%s}", i,
                 (int)(seed >> 60) + 1, (double)(int64_t)seed / 1.03e17, (int)(seed >> 58 & 15) + 1,
                 (double)(int64_t)(seed * 3) / 5.2e16, i % 2 ? ",\"time\":1700000000" : "");
        encode(obu, &value);
        assert_agrees(buf_bytes(&value));
    }
    buf_deinit(&value);
}

static void test_says_no_when_it_can_not_be_sure(void **state)
{
    (void)state;
    struct buf value;
    double lat, lon;
    buf_init(&value, 0);
    encode("{\"obuid\":\"quo\\\"te\",\"lat\":3,\"lon\":4}", &value); /* written with an escape */
    assert_false(canonical_place(buf_bytes(&value), BYTES("quo\"te"), &lat, &lon));
    encode("{\"obuid\":\"a\",\"lat\":3,\"lon\":4}", &value);
    assert_true(canonical_place(buf_bytes(&value), BYTES("a"), &lat, &lon));
    assert_false(canonical_place(buf_bytes(&value), BYTES("b"), &lat, &lon));
    assert_false(canonical_place(buf_bytes(&value), BYTES("a\",\"x"), &lat, &lon));
    encode("{\"obuid\":\"a\",\"lat\":3}", &value);
    assert_false(canonical_place(buf_bytes(&value), BYTES("a"), &lat, &lon));
    encode("{\"obuid\":\"a\"}", &value);
    assert_false(canonical_place(buf_bytes(&value), BYTES("a"), &lat, &lon));
    buf_deinit(&value);
}

static void test_every_cut_is_safe(void **state)
{
    (void)state;
    struct buf value;
    double lat, lon;
    buf_init(&value, 0);
    encode("{\"obuid\":\"a\",\"lat\":3.5,\"lon\":4,\"time\":1700000000}", &value);
    const char *end = strstr(value.ptr, ",\"category\"");
    for (size_t len = 0; len < (size_t)(end - value.ptr) - 1; len++) {
        char *cut = test_malloc(len + 1); /* its guards notice a read beyond */
        memcpy(cut, value.ptr, len);
        assert_false(canonical_place(bytes_of(cut, len), BYTES("a"), &lat, &lon));
        test_free(cut);
    }
    buf_deinit(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_decoding),
        cmocka_unit_test(test_says_no_when_it_can_not_be_sure),
        cmocka_unit_test(test_every_cut_is_safe),
    };
    scratch = packet_scratch_new();
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    packet_scratch_free(scratch);
    return result;
}

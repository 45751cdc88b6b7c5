/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "simulate/generator.h"
#include "simulate/produce.h"
#include "vehicle/mc.h"

#define WALL_NS (INT64_C(1779260400123) * NS_PER_MS)

static struct generator *make(const char *text, const char *key)
{
    struct generator *generator;
    const struct generator_options options = {
        .text = bytes_from_text(text), .key = key, .message_bytes = 65536, .seed = 1};
    assert_int_equal(generator_new(&generator, &options, NULL), 0);
    return generator;
}

static void check_key(const char *text, const char *path, const char *expected)
{
    struct generator *generator = make(text, path);
    struct generated made;
    assert_int_equal(generator_next(generator, WALL_NS, &made, NULL), 0);
    assert_int_equal(made.lacks_key, expected == NULL);
    if (expected != NULL && !bytes_equal_text(made.record.key, expected))
        fail_msg("key %.*s, not %s", (int)made.record.key.len, made.record.key.ptr, expected);
    generator_free(generator);
}

static void test_the_default_is_a_packet(void **state)
{
    (void)state;
    struct generator *generator = make(produce_template, NULL);
    for (int i = 0; i < 100; i++) {
        struct generated made;
        struct mc mc;
        assert_int_equal(generator_next(generator, WALL_NS, &made, NULL), 0);
        assert_int_equal(made.dialect, DIALECT_ENVELOPE);
        assert_memory_equal(made.record.key.ptr, "car-", 4);
        assert_true(mc_decode(made.record.mc, &mc));
        assert_int_equal(mc.received_ns, WALL_NS);
        assert_true(mc.has_event_time);
    }
    generator_free(generator);
}

static void test_packets_without_time_differ_in_identity(void **state)
{
    (void)state;
    struct generator *generator = make("{\"obuid\":1,\"lat\":1,\"lon\":2}", NULL);
    struct generated made;
    struct mc first, second;
    assert_int_equal(generator_next(generator, WALL_NS, &made, NULL), 0);
    assert_true(mc_decode(made.record.mc, &first));
    assert_int_equal(generator_next(generator, WALL_NS, &made, NULL), 0);
    assert_true(mc_decode(made.record.mc, &second));
    assert_memory_not_equal(first.identity.bytes, second.identity.bytes, PACKET_IDENTITY_LEN);
    generator_free(generator);
}

static void test_the_key_is_found_at_its_path(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":{\"b\":{\"c\":\"deep\"},\"c\":-5},\"l\":[{\"b\":\"no\"}],"
                               "\"b\":\"top\",\"t\":true,\"e\":\"\",\"u\":\"\\u0061\\n\"}";
    check_key(text, "b", "top");
    check_key(text, "a.b.c", "deep");
    check_key(text, "a.c", "-5");
    check_key(text, "u", "a\n");
    check_key(text, "c", NULL);
    check_key(text, "a.b", NULL);
    check_key(text, "l.b", NULL);
    check_key(text, "t", NULL);
    check_key(text, "e", NULL);
    check_key(text, "a.b.c.d", NULL);
    check_key("not JSON", "a", NULL);
    check_key("[{\"a\":1}]", "a", NULL);
}

static void test_what_is_no_packet_says_why(void **state)
{
    (void)state;
    struct generator *generator = make("temperature 21", NULL);
    struct generated made;
    assert_int_equal(generator_next(generator, WALL_NS, &made, NULL), 0);
    assert_int_equal(made.dialect, DIALECT_NONE);
    assert_int_equal(made.reject.reason, REASON_NOT_JSON);
    assert_int_equal(made.record.mc.len, 0);
    assert_int_equal(made.record.key.len, 0);
    generator_free(generator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_is_a_packet),
        cmocka_unit_test(test_packets_without_time_differ_in_identity),
        cmocka_unit_test(test_the_key_is_found_at_its_path),
        cmocka_unit_test(test_what_is_no_packet_says_why),
    };
    return cmocka_run_group_tests_name("simulate/generator", tests, NULL, NULL);
}

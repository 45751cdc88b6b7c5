/* SPDX-License-Identifier: Apache-2.0 */
/* The fast path takes what it should, and decodes it as the general path does.
 * That both agree on everything else is the fuzz target `packet`. */
#include "vehicle_support.h"

#include <stdlib.h>

#include "vehicle/canonical.h"
#include "vehicle/scratch.h"

struct pair {
    struct packet_scratch *fast;
    struct packet_scratch *general;
};

static int setup(void **state)
{
    static struct pair pair;
    pair.fast = packet_scratch_new();
    pair.general = packet_scratch_new();
    if (pair.fast == NULL || pair.general == NULL)
        return -1;
    pair.general->is_general_only = true;
    *state = &pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    packet_scratch_free(pair->fast);
    packet_scratch_free(pair->general);
    return 0;
}

/* Does a layout that was learnt fit? */
static bool fits(struct packet_scratch *scratch, const char *text)
{
    struct packet packet;
    struct filling filling;
    enum packet_dialect dialect;
    packet_scratch_reset(scratch);
    filling_init(&filling, &packet, &scratch->texts, scratch->signals);
    return layout_match(scratch->packets, bytes_from_text(text), &filling, &dialect);
}

static void assert_same(const struct packet *a, const struct packet *b)
{
    assert_true(bytes_equal(a->vehicle, b->vehicle));
    assert_true(a->fields == b->fields && a->time_ms == b->time_ms && a->order == b->order);
    assert_memory_equal(&a->lat, &b->lat, 6 * sizeof a->lat);
    assert_true(bytes_equal(a->content, b->content) && bytes_equal(a->id, b->id));
    assert_int_equal(a->dialect, b->dialect);
    assert_int_equal(a->signal_count, b->signal_count);
    for (size_t i = 0; i < a->signal_count; i++) {
        assert_true(bytes_equal(a->signals[i].path, b->signals[i].path));
        assert_true(bytes_equal(a->signals[i].raw, b->signals[i].raw));
        assert_int_equal(a->signals[i].type, b->signals[i].type);
    }
}

static void decode_both(struct pair *pair, const char *text)
{
    /* Exactly as long as the text, so that the sanitizer sees a byte too many. */
    size_t len = strlen(text);
    char *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, text, len);
    struct packet fast, general;
    struct reject reject, other;
    bool is_taken = dialect_decode(pair->fast, bytes_of(copy, len), &fast, &reject);
    assert_int_equal(dialect_decode(pair->general, bytes_of(copy, len), &general, &other),
                     is_taken);
    if (is_taken)
        assert_same(&fast, &general);
    else
        assert_int_equal(reject.reason, other.reason);
    free(copy);
}

static void learn(struct pair *pair, const char *text)
{
    decode_both(pair, text);
    decode_both(pair, text);
    assert_true(fits(pair->fast, text));
}

static void test_a_layout_is_learnt_when_it_came_twice(void **state)
{
    struct pair *pair = *state;
    const char *text = "{\"obuid\":1,\"once\":2}";
    assert_false(fits(pair->fast, text));
    decode_both(pair, text);
    assert_false(fits(pair->fast, text));
    decode_both(pair, text);
    assert_true(fits(pair->fast, text));
}

static void test_other_values_take_the_fast_path(void **state)
{
    struct pair *pair = *state;
    learn(pair, "{\"obuid\":5,\"lat\":1.5,\"time\":1211266800123,\"fuel\":0.5,\"gear\":\"D\"}");
    static const char *const same[] = {
        "{\"obuid\":18446744073709551615,\"lat\":-89.1234567,\"time\":0,\"fuel\":-0.001,"
        "\"gear\":\"\"}",
        "{\"obuid\":\"cab\",\"lat\":0,\"time\":1.5,\"fuel\":null,\"gear\":true}",
        "{\"obuid\":-7,\"lat\":-0,\"time\":\"2008-05-20T07:00:00Z\",\"fuel\":\"\\u00e9\",\"gear\":"
        "9}",
        "{\"obuid\":\"\\u0041\",\"lat\":37.774929000000001,\"time\":null,\"fuel\":0,\"gear\":"
        "false}",
        "{\"obuid\":1,\"lat\":1,\"time\":1211266800.123456,\"fuel\":123456789012345678901234,"
        "\"gear\":\"a somewhat longer text that spans a few blocks of sixteen bytes each\"}",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        if (!fits(pair->fast, same[i]))
            fail_msg("no layout for %s", same[i]);
        decode_both(pair, same[i]);
    }
}

static void test_surprises_go_to_the_general_path(void **state)
{
    struct pair *pair = *state;
    learn(pair, "{\"obuid\":5,\"lat\":1.5,\"speed\":2}");
    static const char *const others[] = {
        "{\"obuid\":5,\"lat\":1.5,\"speed\":2} ",   "{\"obuid\":5,\"lat\":1.5,\"speed\":2}}",
        "{\"obuid\":5,\"lat\":1.5,\"speed\":2",     "{\"obuid\":5,\"lat\":1.5,\"speed\":",
        "{\"obuid\":5,\"lat\":01.5,\"speed\":2}",   "{\"obuid\":5,\"lat\":1.,\"speed\":2}",
        "{\"obuid\":5,\"lat\":.5,\"speed\":2}",     "{\"obuid\":5,\"lat\":-,\"speed\":2}",
        "{\"obuid\":5,\"lat\":1.5e,\"speed\":2}",   "{\"obuid\":5,\"lat\":\"1.5\",\"speed\":2}",
        "{\"obuid\":5,\"lat\":1e-3,\"speed\":2}",   "{\"obuid\":5,\"lat\":1e400,\"speed\":2}",
        "{\"obuid\":5,\"lat\":[],\"speed\":2}",     "{\"obuid\":05,\"lat\":1.5,\"speed\":2}",
        "{\"obuid\":null,\"lat\":1.5,\"speed\":2}", "{\"obuid\":\"\",\"lat\":1.5,\"speed\":2}",
        "{\"obuid\":5,\"lat\":1.5.5,\"speed\":2}",  "{\"obuid\":5,\"lat\":1.5,\"lat\":2}",
        "{\"obuid\":5.0,\"lat\":1.5,\"speed\":2}",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        decode_both(pair, others[i]);
}

static void test_layouts_that_begin_alike(void **state)
{
    struct pair *pair = *state;
    static const char *const texts[] = {
        "{\"obuid\":5,\"lat\":1.5,\"n\":7,\"speed\":2}",
        "{\"obuid\":6,\"lat\":2.5,\"n\":8,\"speed\":2,\"e\":{}}",
        "{\"obuid\":7,\"lat\":3.5,\"n\":9,\"heading\":2,\"e\":[]}",
        "{\"obuid\":8,\"lat\":4.5,\"n\":10}",
        "{\"source\":9,\"payload\":{\"lat\":4.5,\"n\":11},\"id\":\"x\"}",
        "{\"source\":9,\"payload\":{\"lat\":4.5,\"n\":12,\"m\":{}},\"id\":\"x\"}",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    for (size_t i = 0; i < COUNT; i++)
        learn(pair, texts[i]);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            decode_both(pair, texts[i]);
            decode_both(pair, texts[j]);
            assert_true(fits(pair->fast, texts[j]));
        }
}

/* The packet's end is read from a copy: every place where that may begin. */
static void test_every_length(void **state)
{
    struct pair *pair = *state;
    char text[600], pad[201];
    for (size_t len = 0; len <= 200; len++) {
        memset(pad, 'p', len);
        pad[len] = '\0';
        for (int i = 0; i < 3; i++) {
            snprintf(text, sizeof text,
                     "{\"source\":1,\"%s\":%d,\"payload\":{\"a\":{},\"b\":\"%s\",\"lat\":%d.25},"
                     "\"id\":\"z\"}",
                     pad, i, pad, i);
            decode_both(pair, text);
        }
    }
}

static void test_more_layouts_than_there_is_room(void **state)
{
    struct pair *pair = *state;
    char text[100];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 40; i++) {
            snprintf(text, sizeof text, "{\"obuid\":1,\"key-%d\":%d}", i, round);
            decode_both(pair, text);
            decode_both(pair, text);
            assert_true(fits(pair->fast, text));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_layout_is_learnt_when_it_came_twice),
        cmocka_unit_test(test_other_values_take_the_fast_path),
        cmocka_unit_test(test_surprises_go_to_the_general_path),
        cmocka_unit_test(test_layouts_that_begin_alike),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_more_layouts_than_there_is_room),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

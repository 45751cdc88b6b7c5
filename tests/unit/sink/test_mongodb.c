/* SPDX-License-Identifier: Apache-2.0 */
/* MongoDB without a server: documents, names, indexes, what an error means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sink/mongodb/decode.h"
#include "sink/mongodb/encode.h"
#include "sink/mongodb/indexes.h"
#include "sink/mongodb/names.h"
#include "sink/mongodb/server.h"
#include "support/rows.h"
#include "vehicle/canonical.h"

#define RECEIVED_NS (INT64_C(1211284800123) * NS_PER_MS + 456789)

struct fixture {
    struct rows rows;
    struct encoder *encoder;
    struct decoder *decoder;
    struct buf out;
    bson_t *document;
    char *json;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rows_init(&f->rows);
    f->encoder = encoder_new();
    f->decoder = decoder_new();
    buf_init(&f->out, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rows_deinit(&f->rows);
    encoder_free(f->encoder);
    decoder_free(f->decoder);
    buf_deinit(&f->out);
    bson_free(f->json);
    if (f->document != NULL)
        bson_destroy(f->document);
    free(f);
    return 0;
}

/* The packet as a document, and back again as it was. */
static void convert(struct fixture *f, const char *packet)
{
    struct bytes category;
    struct sink_row found;
    struct error err;
    rows_add(&f->rows, RECEIVED_NS, "%s", packet);
    struct sink_row *row = &f->rows.items[f->rows.count - 1];
    row->source = (struct sink_source){BYTES("gpscoords.position"), 2, 77};
    buf_clear(&f->out);
    assert_int_equal(encoder_put(f->encoder, row, &f->out, &category), ENCODE_DONE);
    assert_true(bytes_equal_text(category, "position"));
    if (f->document != NULL)
        bson_destroy(f->document);
    f->document = bson_new_from_data((const uint8_t *)f->out.ptr, f->out.len);
    assert_non_null(f->document);
    if (decoder_row(f->decoder, f->document, &found, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(found.canonical.len, row->canonical.len);
    assert_memory_equal(found.canonical.ptr, row->canonical.ptr, found.canonical.len);
    bson_free(f->json);
    f->json = bson_as_relaxed_extended_json(f->document, NULL);
}

static void expect_part(const struct fixture *f, const char *part)
{
    if (strstr(f->json, part) == NULL)
        fail_msg("%s\nis not in\n%s", part, f->json);
}

static void expect_no_text(const struct fixture *f)
{
    if (bson_has_field(f->document, "canonical"))
        fail_msg("the fields should say it all: %s", f->json);
}

static void test_a_position(void **state)
{
    struct fixture *f = *state;
    convert(f, "{\"obuid\":\"cab\",\"lat\":37.75134,\"lon\":-122.39488,\"time\":1211284800000,"
               "\"speed\":13.5,\"occupied\":1}");
    expect_no_text(f);
    bson_t expected;
    bson_error_t cause;
    char text[1024];
    snprintf(text, sizeof text,
             "{\"_id\":\"%.48s\",\"vehicle\":\"cab\",\"time\":{\"$date\":\"2008-05-20T12:00:00Z\"},"
             "\"received\":{\"$date\":\"2008-05-20T12:00:00.123Z\"},"
             "\"received_ns\":{\"$numberInt\":\"456789\"},"
             "\"location\":{\"type\":\"Point\",\"coordinates\":[-122.39488,37.75134]},"
             "\"speed\":13.5,\"signals\":{\"occupied\":{\"$numberLong\":\"1\"}},"
             "\"category\":\"position\",\"dialect\":\"obu\","
             "\"source\":{\"topic\":\"gpscoords.position\",\"partition\":{\"$numberInt\":\"2\"},"
             "\"offset\":{\"$numberLong\":\"77\"}}}",
             strstr(f->rows.items[0].canonical.ptr, "\"identity\":\"") + 12);
    if (!bson_init_from_json(&expected, text, -1, &cause))
        fail_msg("%s", cause.message);
    char *json = bson_as_canonical_extended_json(f->document, NULL);
    char *wanted = bson_as_canonical_extended_json(&expected, NULL);
    assert_string_equal(json, wanted);
    assert_true(bson_equal(f->document, &expected));
    bson_free(json);
    bson_free(wanted);
    bson_destroy(&expected);
}

static void test_an_event_stays_as_it_came(void **state)
{
    struct fixture *f = *state;
    convert(f, "{\"id\":\"e-1\",\"timestamp\":\"2008-05-20T12:00:00.000Z\",\"source\":\"cab\","
               "\"type\":\"door\",\"payload\":{\"door\":[\"open\",\"shut\"],\"who\":{\"n\":1}},"
               "\"metadata\":{\"sent\":5}}");
    expect_no_text(f);
    expect_part(f, "\"payload\" : { \"door\" : [ \"open\", \"shut\" ], \"who\" : { \"n\" : 1 } }");
    expect_part(f, "\"metadata\" : { \"sent\" : 5 }");
    expect_part(f, "\"type\" : \"door\", \"id\" : \"e-1\"");
    assert_null(strstr(f->json, "\"signals\""));
}

static void test_signals_nest_again(void **state)
{
    struct fixture *f = *state;
    convert(f,
            "{\"obuid\":1,\"driver\":{\"name\":\"Z\",\"shift\":[1,2,[3]]},\"a\":{\"0\":1,\"x\":2},"
            "\"none\":null,\"yes\":true,\"o\":{},\"l\":[]}");
    expect_no_text(f);
    expect_part(f, "\"driver\" : { \"name\" : \"Z\", \"shift\" : [ 1, 2, [ 3 ] ] }");
    expect_part(f, "\"a\" : { \"0\" : 1, \"x\" : 2 }");
    expect_part(f, "\"none\" : null, \"yes\" : true");
    expect_part(f, "\"time_is_received\" : true");
}

static void test_numbers_are_exact_or_kept_as_text(void **state)
{
    struct fixture *f = *state;
    convert(f, "{\"obuid\":1,\"a\":9223372036854775807,\"b\":-5,\"c\":0.1,\"d\":2.5}");
    expect_no_text(f);
    expect_part(f, "\"a\" : 9223372036854775807, \"b\" : -5, \"c\" : 0.1");
    convert(f, "{\"obuid\":2,\"a\":18446744073709551615,\"b\":1e400,\"c\":12.50}");
    expect_part(f, "\"a\" : \"18446744073709551615\", \"b\" : \"1e400\", \"c\" : 12.5");
    assert_true(bson_has_field(f->document, "canonical"));
}

static void test_names_that_mongodb_does_not_take_become_pairs(void **state)
{
    struct fixture *f = *state;
    static const char *const packets[] = {
        "{\"obuid\":1,\"$set\":{\"x\":1}}", "{\"obuid\":2,\"a.b\":1}", "{\"obuid\":3,\"\":1}",
        "{\"obuid\":4,\"a\\u0000b\":1}", "{\"obuid\":5,\"a\":{\"$x\":1},\"b\":2}"};
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        convert(f, packets[i]);
        expect_part(f, "\"signals\" : [ { \"path\" : ");
    }
}

static void test_a_place_that_is_none_is_no_point(void **state)
{
    struct fixture *f = *state;
    convert(f, "{\"obuid\":1,\"lat\":90.5,\"lon\":10}");
    expect_part(f, "\"lat\" : 90.5, \"lon\" : 10.0");
    convert(f, "{\"obuid\":2,\"lat\":10}");
    expect_part(f, "\"lat\" : 10.0");
    assert_false(bson_has_field(f->document, "location"));
}

static void test_a_document_that_is_too_large_is_named(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct bytes category;
    rows_add(&f->rows, RECEIVED_NS, "{\"obuid\":1,\"lat\":1,\"lon\":2}");
    struct sink_row row = f->rows.items[0];
    buf_init(&text, 0);
    buf_append(&text, row.canonical.ptr, row.canonical.len - 1);
    buf_append_text(&text, ",\"signals\":{\"long\":\"");
    while (text.len < 15 << 20)
        buf_append_text(&text, "0123456789abcdef0123456789abcdef");
    buf_append_text(&text, "\\u00e9\"}}"); /* the escape makes it keep its text as well */
    row.canonical = buf_bytes(&text);
    assert_int_equal(encoder_put(f->encoder, &row, &f->out, &category), ENCODE_TOO_LARGE);
    assert_int_equal(f->out.len, 0);
    row.canonical = BYTES("{\"vehicle\":1}");
    assert_int_equal(encoder_put(f->encoder, &row, &f->out, &category), ENCODE_UNDECODABLE);
    buf_deinit(&text);
}

static void test_names_of_collections(void **state)
{
    (void)state;
    char name[NAME_MAX_BYTES + 1];
    int may = name_month(true, INT64_C(1211284800000));
    name_of(BYTES("position"), NAME_MONTH_NONE, name);
    assert_string_equal(name, "position");
    name_of(BYTES("position"), may, name);
    assert_string_equal(name, "position_2008_05");
    name_of(BYTES(""), may, name);
    assert_string_equal(name, "other_2008_05");
    name_of(BYTES("system.users"), NAME_MONTH_NONE, name);
    assert_string_equal(name, "other");
    name_of(BYTES("a$b"), NAME_MONTH_NONE, name);
    assert_string_equal(name, "other");
    name_of(BYTES("x_2008_05"), NAME_MONTH_NONE, name); /* would be taken for a month */
    assert_string_equal(name, "other");
    assert_int_equal(name_month(false, 0), NAME_MONTH_NONE);
    assert_int_equal(name_month(true, INT64_MIN), NAME_MONTH_NONE);
    assert_int_equal(name_month(true, INT64_MAX), NAME_MONTH_NONE);
}

static void test_months_narrow_a_question(void **state)
{
    (void)state;
    int64_t may = INT64_C(1211284800000), day = INT64_C(86400000);
    assert_true(name_may_hold("position_2008_05", may, may + 1));
    assert_false(name_may_hold("position_2008_04", may, may + 1));
    assert_false(name_may_hold("position_2008_06", may, may + 1));
    assert_true(name_may_hold("position_2008_06", may, may + 30 * day));
    assert_true(name_may_hold("position", may, may + 1));
    assert_true(name_may_hold("position_2008_05", INT64_MIN, INT64_MAX));
}

static struct indexes read_indexes(const char *const *items, size_t count, int64_t retention_ns)
{
    struct indexes indexes;
    struct error err;
    const struct sink_config config = {.retention_ns = retention_ns,
                                       .mongodb.indexes = {items, count}};
    if (indexes_read(&indexes, &config, &err) != 0)
        fail_msg("%s", err.text);
    return indexes;
}

static void test_indexes_are_declared(void **state)
{
    (void)state;
    static const char *const items[] = {"vehicle+-time+_id", "location:2dsphere", "received:ttl"};
    struct indexes indexes = read_indexes(items, 3, 0);
    struct buf text;
    buf_init(&text, 0);
    assert_int_equal(indexes.count, 2); /* nothing is deleted */
    index_print(&indexes.items[0], &text);
    index_print(&indexes.items[1], &text);
    indexes = read_indexes(items, 3, 3600 * NS_PER_S);
    assert_int_equal(indexes.count, 3);
    index_print(&indexes.items[2], &text);
    assert_true(bytes_equal_text(
        buf_bytes(&text), "{\"vehicle\": 1, \"time\": -1, \"_id\": 1}{\"location\": \"2dsphere\"}"
                          "{\"received\": 1}, {expireAfterSeconds: 3600}"));
    buf_deinit(&text);
}

static void test_an_index_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",       "a+",      "location:2d", "a b",
                                        "$where", "a+b:ttl", "-",           "a:ttl:ttl"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct indexes indexes;
        struct error err;
        const struct sink_config config = {.mongodb.indexes = {&wrong[i], 1}};
        if (indexes_read(&indexes, &config, &err) == 0)
            fail_msg("%s was taken", wrong[i]);
    }
}

static void test_what_an_error_means(void **state)
{
    (void)state;
    bson_t *id = BCON_NEW("_id", BCON_INT32(1)), *other = BCON_NEW("vehicle", BCON_INT32(1));
    struct bytes plain = BYTES("E11000 duplicate key error collection: m.position");
    struct bytes by_id =
        BYTES("E11000 duplicate key error collection: m.p index: _id_ dup key: {}");
    struct bytes by_other =
        BYTES("E11000 duplicate key error collection: m.p index: v_1 dup key: {}");
    assert_int_equal(server_item_fault(11000, plain, NULL), FAULT_DUPLICATE);
    assert_int_equal(server_item_fault(11000, by_id, NULL), FAULT_DUPLICATE);
    assert_int_equal(server_item_fault(11000, plain, id), FAULT_DUPLICATE);
    /* A unique index that somebody else made: not the same packet. */
    assert_int_equal(server_item_fault(11000, by_other, NULL), FAULT_DOCUMENT);
    assert_int_equal(server_item_fault(11000, by_id, other), FAULT_DOCUMENT);
    assert_int_equal(server_item_fault(121, plain, NULL), FAULT_DOCUMENT);
    assert_int_equal(server_item_fault(16755, plain, NULL), FAULT_DOCUMENT);
    assert_int_equal(server_item_fault(14031, plain, NULL), FAULT_SERVER); /* OutOfDiskSpace */
    assert_int_equal(server_item_fault(10107, plain, NULL), FAULT_SERVER); /* not primary */
    assert_int_equal(server_item_fault(112, plain, NULL), FAULT_PASSING);  /* WriteConflict */
    assert_int_equal(server_item_fault(8, plain, NULL), FAULT_PASSING);    /* UnknownError */
    bson_destroy(id);
    bson_destroy(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_position),
        TEST(test_an_event_stays_as_it_came),
        TEST(test_signals_nest_again),
        TEST(test_numbers_are_exact_or_kept_as_text),
        TEST(test_names_that_mongodb_does_not_take_become_pairs),
        TEST(test_a_place_that_is_none_is_no_point),
        TEST(test_a_document_that_is_too_large_is_named),
        cmocka_unit_test(test_names_of_collections),
        cmocka_unit_test(test_months_narrow_a_question),
        cmocka_unit_test(test_indexes_are_declared),
        cmocka_unit_test(test_an_index_that_is_none_is_refused),
        cmocka_unit_test(test_what_an_error_means),
    };
    return cmocka_run_group_tests_name("sink mongodb", tests, NULL, NULL);
}

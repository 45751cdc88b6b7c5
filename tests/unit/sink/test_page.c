/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "sink/sqlite/batch.h"
#include "support/rows.h"

#define NOON_NS INT64_C(1211284800000000000)

struct fixture {
    struct rows rows;
    struct batch batch;
    struct sorter sorter;
    struct shape_table shapes;
    struct pool pool;
    struct buf page;
    unsigned seed;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rows_init(&f->rows);
    batch_init(&f->batch);
    sorter_init(&f->sorter);
    shape_table_init(&f->shapes);
    pool_init(&f->pool);
    buf_init(&f->page, 0);
    f->seed = 7;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rows_deinit(&f->rows);
    batch_deinit(&f->batch);
    sorter_deinit(&f->sorter);
    shape_table_deinit(&f->shapes);
    pool_deinit(&f->pool);
    buf_deinit(&f->page);
    free(f);
    return 0;
}

static int random_below(struct fixture *f, int bound)
{
    return (int)(rand_r(&f->seed) % (unsigned)bound);
}

/* A packet of a kind that a stranger may send. */
static void add_random(struct fixture *f)
{
    int64_t received_ns = NOON_NS + (int64_t)rand_r(&f->seed) * 1000 + random_below(f, 1000);
    int v = random_below(f, 20);
    switch (random_below(f, 6)) {
    case 0:
        rows_add(&f->rows, received_ns, "{\"obuid\":%d,\"lat\":%d.%d,\"lon\":-%d.%06d,\"time\":%d}",
                 v, random_below(f, 90), random_below(f, 1000000), random_below(f, 180),
                 random_below(f, 1000000), 1211284800 + random_below(f, 1000));
        return;
    case 1:
        rows_add(
            &f->rows, received_ns,
            "{\"obuid\":\"cab-%d\",\"lat\":1,\"lon\":2,\"seq\":%d,\"epoch\":%d,\"fuel\":%d.%d0,"
            "\"driver\":\"n%d\",\"raw\":[1e%d,true,null]}",
            v, rand_r(&f->seed), random_below(f, 3), random_below(f, 100), random_below(f, 100),
            random_below(f, 5), random_below(f, 400));
        return;
    case 2:
        rows_add(&f->rows, received_ns,
                 "{\"obuid\":\"Z\\u00fcrich \\\"%d\\\"\",\"lat\":%d,\"lon\":0.1,\"time\":%d.%03d}",
                 v, random_below(f, 90), -random_below(f, 100000), random_below(f, 1000));
        return;
    case 3:
        rows_add(&f->rows, received_ns, "{\"obuid\":\"%018d%d\",\"lat\":0,\"lon\":0,\"x\":%d}", v,
                 v, random_below(f, 1 << 30));
        return;
    case 4:
        rows_add(
            &f->rows, received_ns,
            "{\"id\":\"m%d\",\"timestamp\":\"2008-05-20T12:00:%02d.5Z\",\"source\":\"%d\","
            "\"type\":\"t\",\"payload\":{\"a\":{\"b\":%d,\"time\":\"2008-05-20T12:00:00.000Z\"}},"
            "\"metadata\":{}}",
            random_below(f, 1000000), random_below(f, 60), v, random_below(f, 100));
        return;
    case 5:
        rows_add(&f->rows, received_ns, "{\"obuid\":%llu,\"lat\":%.15f,\"lon\":%.17g}",
                 ~(unsigned long long)v, random_below(f, 1000) / 7.0, random_below(f, 1000) / 3.0);
        return;
    }
}

static size_t encode(struct fixture *f, size_t count)
{
    struct error err;
    rows_clear(&f->rows);
    for (size_t i = 0; i < count; i++)
        add_random(f);
    assert_int_equal(batch_fill(&f->batch, f->rows.items, f->rows.count, &err), 0);
    assert_int_equal(batch_sort_by_key(&f->sorter, f->batch.sorted, count), 0);
    buf_clear(&f->page);
    assert_int_equal(page_encode(f->batch.sorted, count, &f->page), 0);
    return count;
}

static const struct sink_row *row_of(const struct fixture *f, const struct row *row)
{
    return &f->rows.items[row - f->batch.rows];
}

static void test_random_rows_come_back_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 0);
    for (int round = 0; round < 300; round++) {
        struct row *rows;
        struct error err;
        size_t count = encode(f, 1 + (size_t)random_below(f, 150)), found;
        pool_reset(&f->pool);
        if (round % 40 == 0)
            shape_table_deinit(&f->shapes);
        if (page_decode(buf_bytes(&f->page), &f->shapes, &f->pool, &rows, &found, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(found, count);
        assert_int_equal(page_row_count(buf_bytes(&f->page)), count);
        for (size_t i = 0; i < count; i++) {
            const struct sink_row *sent = row_of(f, f->batch.sorted[i]);
            struct packet_identity identity = key_identity(&rows[i].key);
            buf_clear(&text);
            assert_int_equal(row_text(&rows[i], &text), 0);
            assert_true(bytes_equal(buf_bytes(&text), sent->canonical));
            assert_memory_equal(&identity, &sent->packet.identity, sizeof identity);
            assert_true(bytes_equal(rows[i].vehicle, sent->packet.vehicle));
            assert_true(rows[i].received_ns == sent->packet.received_ns);
            assert_true(rows[i].key.time_ms == sent->packet.time_ms);
        }
    }
    buf_deinit(&text);
}

static void test_keys_alone_are_the_same(void **state)
{
    struct fixture *f = *state;
    struct row *rows;
    struct error err;
    size_t count = encode(f, 200), found;
    assert_int_equal(page_decode_keys(buf_bytes(&f->page), &f->pool, &rows, &found, &err), 0);
    assert_int_equal(found, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(key_compare(&rows[i].key, &f->batch.sorted[i]->key), 0);
}

static void test_any_flipped_bit_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct row *rows;
    struct error err;
    size_t found;
    encode(f, 5);
    for (size_t bit = 0; bit < 8 * f->page.len; bit++) {
        f->page.ptr[bit / 8] ^= (char)(1 << bit % 8);
        pool_reset(&f->pool);
        assert_int_equal(
            page_decode(buf_bytes(&f->page), &f->shapes, &f->pool, &rows, &found, &err), -1);
        assert_int_equal(err.kind, ERROR_CORRUPT);
        f->page.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
}

/* Bytes that are wrong under a right checksum: an error or other rows, never a
 * step outside (the sanitizers look). */
static void test_wrong_bytes_under_a_right_checksum_do_no_harm(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 0);
    for (int round = 0; round < 20000; round++) {
        struct row *rows;
        size_t found;
        if (round % 50 == 0)
            encode(f, 1 + (size_t)random_below(f, 20));
        struct buf copy;
        buf_init(&copy, 0);
        buf_append_bytes(&copy, buf_bytes(&f->page));
        for (int change = random_below(f, 3); change >= 0; change--)
            copy.ptr[8 + random_below(f, (int)copy.len - 8)] = (char)rand_r(&f->seed);
        if (round % 7 == 0)
            copy.len = 40 + (size_t)random_below(f, (int)copy.len - 39);
        uint32_t crc = crc32c(0, copy.ptr + 8, copy.len - 8);
        memcpy(copy.ptr + 4, &crc, 4);
        pool_reset(&f->pool);
        if (shape_table_is_full(&f->shapes))
            shape_table_deinit(&f->shapes);
        if (page_decode(buf_bytes(&copy), &f->shapes, &f->pool, &rows, &found, NULL) == 0)
            for (size_t i = 0; i < found; i++) {
                buf_clear(&text);
                row_text(&rows[i], &text);
            }
        buf_deinit(&copy);
    }
    buf_deinit(&text);
}

/* A merge of more shapes than a table holds keeps such rows whole. */
static void test_decoding_with_a_full_table_keeps_texts(void **state)
{
    struct fixture *f = *state;
    struct row *rows;
    struct error err;
    struct buf text;
    buf_init(&text, 0);
    for (int i = 0; !shape_table_is_full(&f->shapes); i++) {
        char skeleton[16];
        snprintf(skeleton, sizeof skeleton, "%d", i);
        assert_non_null(shape_intern(&f->shapes, bytes_from_text(skeleton)));
    }
    size_t count = encode(f, 100), found;
    assert_int_equal(page_decode(buf_bytes(&f->page), &f->shapes, &f->pool, &rows, &found, &err),
                     0);
    assert_int_equal(found, count);
    for (size_t i = 0; i < count; i++) {
        assert_null(rows[i].shape);
        buf_clear(&text);
        row_text(&rows[i], &text);
        assert_true(bytes_equal(buf_bytes(&text), row_of(f, f->batch.sorted[i])->canonical));
    }
    buf_deinit(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_random_rows_come_back_byte_for_byte),
        TEST(test_keys_alone_are_the_same),
        TEST(test_any_flipped_bit_is_noticed),
        TEST(test_wrong_bytes_under_a_right_checksum_do_no_harm),
        TEST(test_decoding_with_a_full_table_keeps_texts),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}

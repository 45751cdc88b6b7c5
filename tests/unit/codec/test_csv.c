/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/csv.h"

/* Records as text: fields joined by '|', records ended by '\n', a bad one as
 * "!line", fed in pieces of `piece` bytes. */
static void parse(struct bytes in, size_t piece, struct buf *out)
{
    struct csv csv;
    csv_init(&csv, ',', 64);
    enum csv_step step = CSV_MORE;
    bool is_over = false;
    while (!is_over) {
        struct bytes part = bytes_of(in.ptr, in.len < piece ? in.len : piece);
        in = bytes_of(in.ptr + part.len, in.len - part.len);
        is_over = part.len == 0;
        do {
            step = is_over ? csv_finish(&csv) : csv_next(&csv, &part);
            for (size_t i = 0; step == CSV_RECORD && i < csv.field_count; i++) {
                buf_append_text(out, i > 0 ? "|" : "");
                buf_append_bytes(out, csv_field(&csv, i));
            }
            if (step == CSV_BAD)
                buf_printf(out, "!%d", (int)csv.line);
            if (step != CSV_MORE)
                buf_append_char(out, '\n');
        } while (!is_over && (part.len > 0));
    }
    csv_deinit(&csv);
}

/* The same answer whatever the pieces. */
static void check(struct bytes in, const char *want)
{
    for (size_t piece = 1; piece <= in.len + 1; piece++) {
        struct buf out;
        buf_init(&out, 0);
        parse(in, piece, &out);
        assert_int_equal(out.len, strlen(want));
        if (out.len > 0)
            assert_memory_equal(out.ptr, want, out.len);
        buf_deinit(&out);
    }
}

static void test_records_and_fields(void **state)
{
    (void)state;
    check(BYTES("a,b,c\n1,2,3\n"), "a|b|c\n1|2|3\n");
    check(BYTES("a,b\r\nc,d"), "a|b\nc|d\n");
    check(BYTES(",\n"), "|\n");
    check(BYTES("a,\n"), "a|\n");
    check(BYTES(""), "");
}

static void test_quotes(void **state)
{
    (void)state;
    check(BYTES("\"a,b\",\"c\nd\",\"e\"\"f\"\n"), "a,b|c\nd|e\"f\n");
    check(BYTES("\"\"\r\n\"\"\"\"\n"), "\n\"\n");
    check(BYTES("\"a\r\nb\",c\r\n"), "a\r\nb|c\n");
}

static void test_empty_lines_and_bom_are_skipped(void **state)
{
    (void)state;
    check(BYTES("\xEF\xBB\xBF"
                "a,b\n\n\r\nc\n"),
          "a|b\nc\n");
    check(BYTES("\xEF\xBB"), "\xEF\xBB\n");
    check(BYTES("\xEFx,y\n"), "\xEFx|y\n");
}

static void test_bad_records_are_skipped_and_counted_by_line(void **state)
{
    (void)state;
    check(BYTES("a,b\nc\"d,e\nf\n"), "a|b\n!2\nf\n");
    check(BYTES("\"a\"b,c\nd\n"), "!1\nd\n");
    check(BYTES("a\rb\nc\n"), "!1\nc\n");
    check(BYTES("a\n\"b\nc"), "a\n!2\n");
    check(BYTES("a\r"), "!1\n");
    check(BYTES("\"x\ny\",1\nb\"\n"), "x\ny|1\n!3\n");
}

static void test_record_limit(void **state)
{
    (void)state;
    char long_line[80];
    memset(long_line, 'x', sizeof long_line);
    long_line[70] = '\n';
    long_line[79] = '\n';
    check(bytes_of(long_line, sizeof long_line), "!1\nxxxxxxxx\n");
}

static void test_too_many_fields(void **state)
{
    (void)state;
    struct csv csv;
    csv_init(&csv, ',', 1024);
    char commas[CSV_FIELDS_MAX + 1];
    memset(commas, ',', sizeof commas);
    commas[CSV_FIELDS_MAX - 1] = '\n';
    struct bytes fits = bytes_of(commas, CSV_FIELDS_MAX);
    assert_int_equal(csv_next(&csv, &fits), CSV_RECORD);
    assert_int_equal(csv.field_count, CSV_FIELDS_MAX);
    commas[CSV_FIELDS_MAX - 1] = ',';
    commas[CSV_FIELDS_MAX] = '\n';
    struct bytes too_many = bytes_of(commas, sizeof commas);
    assert_int_equal(csv_next(&csv, &too_many), CSV_BAD);
    csv_deinit(&csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_and_fields),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_empty_lines_and_bom_are_skipped),
        cmocka_unit_test(test_bad_records_are_skipped_and_counted_by_line),
        cmocka_unit_test(test_record_limit),
        cmocka_unit_test(test_too_many_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

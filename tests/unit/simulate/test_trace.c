/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "simulate/trace.h"

/* The packets of a text, one a line, each with its note; "!line" for a bad line,
 * "failed" when the first line makes no sense. Fed in pieces. */
static void parse(struct bytes in, size_t piece, const char *map, struct buf *out,
                  struct error *err)
{
    struct trace *trace = trace_new(map);
    assert_non_null(trace);
    bool is_over = false;
    while (!is_over) {
        struct bytes part = bytes_of(in.ptr, in.len < piece ? in.len : piece);
        in = bytes_of(in.ptr + part.len, in.len - part.len);
        is_over = part.len == 0;
        struct trace_packet packet;
        enum trace_step step;
        do {
            step = is_over ? trace_finish(trace, &packet, err)
                           : trace_next(trace, &part, &packet, err);
            if (step == TRACE_PACKET) {
                buf_append_bytes(out, packet.packet);
                buf_append_char(out, ' ');
                buf_append_bytes(out, packet.note);
                if (packet.note.len == 0)
                    buf_append_char(out, '\n');
            }
            if (step == TRACE_BAD) {
                assert_non_null(trace_problem(trace));
                buf_printf(out, "!%d\n", (int)trace_line(trace));
            }
        } while (step == TRACE_PACKET || step == TRACE_BAD);
        if (step == TRACE_FAILED) {
            buf_append_text(out, "failed\n");
            break;
        }
    }
    trace_free(trace);
}

static void check(const char *text, const char *map, const char *want)
{
    struct bytes in = bytes_from_text(text);
    for (size_t piece = 1; piece <= in.len + 1; piece += 1 + piece / 8) {
        struct buf out;
        struct error err;
        buf_init(&out, 0);
        parse(in, piece, map, &out, &err);
        buf_append_char(&out, '\0');
        assert_string_equal(out.ptr, want);
        buf_deinit(&out);
    }
}

static void test_cab_trace_without_options(void **state)
{
    (void)state;
    check("unix_time,vehicle_id,lat,lon,occupied\n"
          "1211266800,ancyclsu,37.78643,-122.43123,0\n"
          "1211266827,uvreoipy,37.7864,-122.41349,1",
          NULL,
          "{\"obuid\":\"ancyclsu\",\"time\":1211266800,\"lat\":37.78643,\"lon\":-122.43123,"
          "\"occupied\":0} ancyclsu,,1211266800000\n"
          "{\"obuid\":\"uvreoipy\",\"time\":1211266827,\"lat\":37.7864,\"lon\":-122.41349,"
          "\"occupied\":1} uvreoipy,,1211266827000\n");
}

static void test_names_numbers_and_texts(void **state)
{
    (void)state;
    check("Longitude,LATITUDE,id,vehicle,Timestamp,speed,seq,fuel type,code,empty\r\n"
          "1.50,-2e1,7,\"a,\"\"b\"\"\",2008-05-20T07:00:00Z,3.0,12,petrol,007,\r\n"
          "1,2,8,c,2008-05-20 07:00:01,,,\"di\tesel\",-0.5,x\r\n",
          NULL,
          "{\"obuid\":\"a,\\\"b\\\"\",\"seq\":12,\"time\":\"2008-05-20T07:00:00Z\",\"lat\":-2e1,"
          "\"lon\":1.50,\"speed\":3.0,\"id\":7,\"fuel type\":\"petrol\",\"code\":\"007\"} "
          "\"a,\"\"b\"\"\",12,1211266800000\n"
          "{\"obuid\":\"c\",\"time\":\"2008-05-20 07:00:01Z\",\"lat\":2,\"lon\":1,\"id\":8,"
          "\"fuel type\":\"di\\tesel\",\"code\":-0.5,\"empty\":\"x\"} c,,1211266801000\n");
}

static void test_map(void **state)
{
    (void)state;
    check("a,b,c,time,d\n1,2,3,4,5\n", "vehicle=c,lat=a,lon=b,time=signal,d=skip",
          "{\"obuid\":\"3\",\"lat\":1,\"lon\":2,\"time\":4} 3,,\n");
    check("a,b,c\n1,2,3\n", "vehicle=c,lat=a,lon=z", "failed\n");
    check("a,b,c\n1,2,3\n", "vehicle=c,lat=a,lon", "failed\n");
    check("a,b,c\n1,2,3\n", "vehicle=c,lat=a,nonsense=b", "failed\n");
    check("a,b,c\n1,2,3\n", NULL, "failed\n");
    check("vehicle,lat,lon,x1,x1\n1,2,3,4,5\n", NULL, "failed\n");
    check("vehicle,lat,lon,obuid\n1,2,3,4\n", "obuid=skip",
          "{\"obuid\":\"1\",\"lat\":2,\"lon\":3} 1,,\n");
}

static void test_bad_records_are_left_out(void **state)
{
    (void)state;
    check("vehicle,time,lat,lon\n"
          "a,1,2,3\n"
          "b,1,2\n"       /* too few fields */
          "c,1,north,3\n" /* no number */
          ",1,2,3\n"      /* no vehicle */
          "d,noon,2,3\n"  /* no time */
          "e,1,nan,3\n"   /* no number in JSON */
          "f\"g,1,2,3\n"  /* no CSV */
          "h,1,2,3\n",
          NULL,
          "{\"obuid\":\"a\",\"time\":1,\"lat\":2,\"lon\":3} a,,1000\n"
          "!3\n!4\n!5\n!6\n!7\n!8\n"
          "{\"obuid\":\"h\",\"time\":1,\"lat\":2,\"lon\":3} h,,1000\n");
}

static void test_lines_are_sent_as_they_are(void **state)
{
    (void)state;
    check("{\"obuid\":5,\"seq\":1,\"time\":1700000000123,\"x\":{\"time\":1}}\r\n"
          "\n"
          "  {\"source\":\"car\",\"timestamp\":\"2008-05-20T07:00:00.5Z\"}\n"
          "[{\"obuid\":1}]\n"
          "{broken\n"
          "{\"lat\":1}",
          NULL,
          "{\"obuid\":5,\"seq\":1,\"time\":1700000000123,\"x\":{\"time\":1}} 5,1,1700000000123\n"
          "{\"source\":\"car\",\"timestamp\":\"2008-05-20T07:00:00.5Z\"} car,,1211266800500\n"
          "!4\n"
          "{broken \n"
          "{\"lat\":1} \n");
}

static void test_a_line_without_end_is_bounded(void **state)
{
    (void)state;
    size_t len = 300 * 1024;
    char *text = malloc(len + 20);
    assert_non_null(text);
    memset(text, 'x', len);
    text[0] = '{';
    memcpy(text + len, "\n{\"lat\":1}\n", 12);
    struct buf out;
    struct error err;
    buf_init(&out, 0);
    parse(bytes_of(text, len + 11), 1000, NULL, &out, &err);
    assert_true(bytes_equal(buf_bytes(&out), BYTES("!1\n{\"lat\":1} \n")));
    buf_deinit(&out);
    free(text);
}

static void test_a_vehicle_has_one_hash(void **state)
{
    (void)state;
    struct trace *csv = trace_new(NULL);
    struct trace *lines = trace_new(NULL);
    struct bytes csv_text = BYTES("vehicle,lat,lon\nv7,1,2\n");
    struct bytes line_text = BYTES("{\"obuid\":\"v7\"}\n");
    struct trace_packet a, b;
    assert_int_equal(trace_next(csv, &csv_text, &a, NULL), TRACE_PACKET);
    assert_int_equal(trace_next(lines, &line_text, &b, NULL), TRACE_PACKET);
    assert_true(a.vehicle_hash == b.vehicle_hash && a.vehicle_hash == hash64(BYTES("v7")));
    assert_false(trace_is_ndjson(csv));
    assert_true(trace_is_ndjson(lines));
    trace_free(csv);
    trace_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cab_trace_without_options),
        cmocka_unit_test(test_names_numbers_and_texts),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_bad_records_are_left_out),
        cmocka_unit_test(test_lines_are_sent_as_they_are),
        cmocka_unit_test(test_a_line_without_end_is_bounded),
        cmocka_unit_test(test_a_vehicle_has_one_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

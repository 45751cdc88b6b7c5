/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format, byte by byte; that collectors understand the whole is
 * tests/integration/test_tracing.py's matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "export/otlp.h"
#include "export/protobuf.h"

static void expect(struct buf *out, const char *bytes, size_t len)
{
    assert_false(out->has_failed);
    assert_int_equal(out->len, len);
    assert_memory_equal(out->ptr, bytes, len);
    buf_clear(out);
}

/* The examples of the encoding guide, where it has one. */
static void test_scalars(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    protobuf_varint(&out, 1, 150);
    expect(&out, "\x08\x96\x01", 3);
    protobuf_varint(&out, 16, UINT64_MAX);
    expect(&out, "\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    protobuf_bytes(&out, 2, BYTES("testing"));
    expect(&out, "\x12\x07testing", 9);
    protobuf_fixed64(&out, 7, UINT64_C(0x0102030405060708));
    expect(&out, "\x39\x08\x07\x06\x05\x04\x03\x02\x01", 9);
    buf_deinit(&out);
}

static void test_nested_messages_have_padded_lengths(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    size_t outer = protobuf_begin(&out, 3);
    size_t inner = protobuf_begin(&out, 1);
    protobuf_varint(&out, 1, 150);
    protobuf_end(&out, inner);
    protobuf_end(&out, outer);
    expect(&out, "\x1a\x88\x80\x80\x00\x0a\x83\x80\x80\x00\x08\x96\x01", 13);
    buf_deinit(&out);
}

static void test_a_full_buffer_fails_whole(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    struct span span;
    struct trace_context context;
    trace_begin(&context);
    span_init(&span, SPAN_PRODUCER, "send", &context, NULL);
    const struct otlp_resource resource = {"1", "h", "run", "h-1", "motorcade"};
    otlp_encode(&out, &resource, &span, 1);
    assert_true(out.has_failed);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_nested_messages_have_padded_lengths),
        cmocka_unit_test(test_a_full_buffer_fails_whole),
    };
    return cmocka_run_group_tests_name("otlp", tests, NULL, NULL);
}

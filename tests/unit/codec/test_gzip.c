/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

/* Append a gzip member of this content, made by zlib itself. */
static void append_member(struct buf *out, struct bytes content)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, content.len);
    assert_int_equal(buf_reserve(out, bound), 0);
    char *copy = malloc(content.len + 1);
    assert_non_null(copy);
    memcpy(copy, content.ptr, content.len);
    z.next_in = (Bytef *)copy;
    z.avail_in = (unsigned)content.len;
    z.next_out = (Bytef *)(out->ptr + out->len);
    z.avail_out = (unsigned)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += bound - z.avail_out;
    deflateEnd(&z);
    free(copy);
}

struct input {
    struct buf gz;
    struct buf content;
};

static void make(struct input *input, size_t lines)
{
    buf_init(&input->gz, 0);
    buf_init(&input->content, 0);
    for (size_t i = 0; i < lines; i++)
        buf_printf(&input->content, "{\"obuid\":%zu,\"lat\":45.5,\"lon\":%zu}\n", i, i * i % 1000);
    append_member(&input->gz, buf_bytes(&input->content));
}

static void unmake(struct input *input)
{
    buf_deinit(&input->gz);
    buf_deinit(&input->content);
}

static enum gzip_result inflate_to(struct bytes in, size_t most, size_t *len)
{
    struct buf out;
    buf_init(&out, 0);
    enum gzip_result result = gzip_inflate(in, &out, most);
    *len = out.len;
    buf_deinit(&out);
    return result;
}

static void test_content_comes_back(void **state)
{
    (void)state;
    struct input input;
    make(&input, 5000);
    struct buf out;
    buf_init(&out, 0);
    buf_append_text(&out, "kept:");
    assert_int_equal(gzip_inflate(buf_bytes(&input.gz), &out, input.content.len), GZIP_OK);
    assert_int_equal(out.len, 5 + input.content.len);
    assert_memory_equal(out.ptr, "kept:", 5);
    assert_memory_equal(out.ptr + 5, input.content.ptr, input.content.len);
    buf_deinit(&out);
    unmake(&input);
}

static void test_members_are_one_content(void **state)
{
    (void)state;
    struct buf gz, out;
    buf_init(&gz, 0);
    buf_init(&out, 0);
    append_member(&gz, BYTES("first "));
    append_member(&gz, BYTES(""));
    append_member(&gz, BYTES("second"));
    assert_int_equal(gzip_inflate(buf_bytes(&gz), &out, 100), GZIP_OK);
    assert_true(bytes_equal(buf_bytes(&out), BYTES("first second")));
    buf_deinit(&gz);
    buf_deinit(&out);
}

static void test_output_is_bounded_to_the_byte(void **state)
{
    (void)state;
    struct input input;
    make(&input, 3000);
    size_t len;
    assert_int_equal(inflate_to(buf_bytes(&input.gz), input.content.len, &len), GZIP_OK);
    assert_int_equal(inflate_to(buf_bytes(&input.gz), input.content.len - 1, &len), GZIP_TOO_BIG);
    assert_true(len <= input.content.len - 1);
    assert_int_equal(inflate_to(buf_bytes(&input.gz), 0, &len), GZIP_TOO_BIG);
    assert_int_equal(len, 0);
    unmake(&input);
}

/* 100 MB of zeros in 100 KB: memory follows the bound, not the bomb. */
static void test_bomb(void **state)
{
    (void)state;
    struct buf gz, out;
    buf_init(&gz, 0);
    buf_init(&out, 0);
    size_t len = 100 * 1024 * 1024;
    char *zeros = calloc(1, len);
    assert_non_null(zeros);
    append_member(&gz, bytes_of(zeros, len));
    free(zeros);
    assert_true(gz.len < len / 900);
    assert_int_equal(gzip_inflate(buf_bytes(&gz), &out, 1 << 20), GZIP_TOO_BIG);
    assert_true(out.cap <= 2 << 20);
    buf_deinit(&gz);
    buf_deinit(&out);
}

static void test_damage_is_told(void **state)
{
    (void)state;
    struct input input;
    size_t len;
    make(&input, 100);
    struct bytes gz = buf_bytes(&input.gz);
    for (size_t n = 0; n < gz.len; n++) /* every cut */
        assert_int_equal(inflate_to(bytes_of(gz.ptr, n), 1 << 20, &len), GZIP_CUT);
    input.gz.ptr[gz.len - 8] ^= 1; /* checksum */
    assert_int_equal(inflate_to(gz, 1 << 20, &len), GZIP_BAD);
    input.gz.ptr[gz.len - 8] ^= 1;
    input.gz.ptr[gz.len - 1] ^= 1; /* length */
    assert_int_equal(inflate_to(gz, 1 << 20, &len), GZIP_BAD);
    input.gz.ptr[gz.len - 1] ^= 1;
    buf_append_text(&input.gz, "garbage");
    assert_int_equal(inflate_to(buf_bytes(&input.gz), 1 << 20, &len), GZIP_BAD);
    assert_int_equal(inflate_to(BYTES("{\"lat\":1}"), 1 << 20, &len), GZIP_BAD);
    unmake(&input);
}

static void test_stream_of_any_piece_and_room(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, 100, 4096};
    struct input input;
    make(&input, 300);
    append_member(&input.gz, BYTES("tail"));
    buf_append_text(&input.content, "tail");
    for (size_t i = 0; i < 25; i++) {
        size_t piece = sizes[i / 5], room = sizes[i % 5];
        struct bytes in = buf_bytes(&input.gz);
        struct buf out;
        buf_init(&out, 0);
        struct gzip_stream *stream = gzip_stream_new();
        enum gzip_result result = GZIP_MORE;
        while (in.len > 0 || result == GZIP_MORE) {
            char part[4096];
            size_t used, written;
            result = gzip_stream_read(stream, bytes_of(in.ptr, in.len < piece ? in.len : piece),
                                      &used, part, room, &written);
            assert_true(result == GZIP_MORE || result == GZIP_OK);
            assert_true(used + written > 0);
            buf_append(&out, part, written);
            in = bytes_of(in.ptr + used, in.len - used);
        }
        assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&input.content)));
        gzip_stream_free(stream);
        buf_deinit(&out);
    }
    unmake(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_comes_back),
        cmocka_unit_test(test_members_are_one_content),
        cmocka_unit_test(test_output_is_bounded_to_the_byte),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_damage_is_told),
        cmocka_unit_test(test_stream_of_any_piece_and_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "live/snapshot.h"

struct fixture {
    char folder[64];
    char path[128];
    struct snapshot_writer *writer;
    struct buf heard; /* what the reader told */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/test_snapshot.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/live/snapshot", f->folder);
    struct error err;
    assert_int_equal(snapshot_writer_start(&f->writer, f->path, &err), 0);
    buf_init(&f->heard, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[256];
    snapshot_writer_stop(f->writer);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    buf_deinit(&f->heard);
    int result = system(command);
    free(f);
    return result;
}

static void on_position(void *context, const struct snapshot_position *position)
{
    buf_printf(context, "%s/%d@%lld ", position->topic, position->partition,
               (long long)position->next_offset);
}

static void on_packet(void *context, struct bytes packet)
{
    buf_append_bytes(context, packet);
    buf_append_char(context, ' ');
}

static int read_back(struct fixture *f, struct error *err)
{
    struct snapshot_reader reader = {on_position, on_packet, &f->heard};
    buf_clear(&f->heard);
    int result = snapshot_read(f->path, &reader, err);
    buf_append_char(&f->heard, '\0');
    return result;
}

static void put(struct fixture *f, struct buf *chunk, bool is_last)
{
    while (!snapshot_write(f->writer, chunk, is_last))
        usleep(100); /* the queue is short on purpose */
}

static void save(struct fixture *f, const char *const *packets, size_t count)
{
    static const struct snapshot_position positions[] = {{"t.a", 0, 12}, {"t.b", 3, 1LL << 40}};
    struct buf chunk;
    buf_init(&chunk, 0);
    assert_true(snapshot_begin(f->writer));
    assert_int_equal(snapshot_put_head(&chunk, 99, positions, 2), 0);
    for (size_t i = 0; i < count; i++) {
        put(f, &chunk, false);
        assert_int_equal(snapshot_put_packet(&chunk, bytes_from_text(packets[i])), 0);
    }
    put(f, &chunk, true);
    assert_int_equal(snapshot_wait(f->writer), 0);
}

static const char *const packets[] = {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}",
                                      "{\"e\":5}", "{\"f\":6}", "{\"g\":7}", "{\"h\":8}"};
static const char whole[] = "t.a/0@12 t.b/3@1099511627776 {\"a\":1} {\"b\":2} {\"c\":3} {\"d\":4} "
                            "{\"e\":5} {\"f\":6} {\"g\":7} {\"h\":8} ";

static void test_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct error err;
    save(f, packets, 8);
    assert_int_equal(read_back(f, &err), 0);
    assert_string_equal(f->heard.ptr, whole);
    save(f, packets, 0); /* replaces it */
    assert_int_equal(read_back(f, &err), 0);
    assert_string_equal(f->heard.ptr, "t.a/0@12 t.b/3@1099511627776 ");
}

static void test_missing_is_told_from_broken(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(read_back(f, &err), -1);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static char *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = malloc(1 << 16);
    *len = fread(text, 1, 1 << 16, file);
    fclose(file);
    return text;
}

static void spill(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void test_every_flipped_bit_is_noticed_before_a_byte_is_told(void **state)
{
    struct fixture *f = *state;
    struct error err;
    save(f, packets, 8);
    size_t len;
    char *text = slurp(f->path, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        spill(f->path, text, len);
        assert_int_equal(read_back(f, &err), -1);
        assert_int_equal(err.kind, ERROR_CORRUPT);
        assert_string_equal(f->heard.ptr, "");
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(text);
}

static void test_every_cut_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct error err;
    save(f, packets, 8);
    size_t len;
    char *text = slurp(f->path, &len);
    for (size_t cut = 0; cut < len; cut++) {
        spill(f->path, text, cut);
        assert_int_equal(read_back(f, &err), -1);
        assert_int_equal(err.kind, ERROR_CORRUPT);
        assert_string_equal(f->heard.ptr, "");
    }
    free(text);
}

/* Lengths that lie under a good checksum: what a bug of a writer would leave. */
static void test_lengths_that_lie_are_noticed(void **state)
{
    struct fixture *f = *state;
    struct error err;
    save(f, packets, 8);
    size_t len;
    char *text = slurp(f->path, &len);
    for (size_t at = 20; at < len - 4; at++) {
        char before = text[at];
        text[at] = (char)0xff;
        uint32_t crc = crc32c(0, text, len - 4);
        for (int i = 0; i < 4; i++)
            text[len - 4 + (size_t)i] = (char)(crc >> (24 - 8 * i));
        spill(f->path, text, len);
        if (read_back(f, &err) != 0) {
            assert_int_equal(err.kind, ERROR_CORRUPT);
            assert_string_equal(f->heard.ptr, "");
        }
        text[at] = before;
    }
    free(text);
}

static void test_newer_version_is_named(void **state)
{
    struct fixture *f = *state;
    struct error err;
    save(f, packets, 1);
    size_t len;
    char *text = slurp(f->path, &len);
    text[11] = 2;
    spill(f->path, text, len);
    free(text);
    assert_int_equal(read_back(f, &err), -1);
    assert_non_null(strstr(err.text, "newer version"));
}

static void test_abandoned_leaves_the_one_before(void **state)
{
    struct fixture *f = *state;
    struct error err;
    save(f, packets, 8);
    assert_true(snapshot_begin(f->writer));
    struct buf chunk;
    buf_init(&chunk, 0);
    assert_int_equal(snapshot_put_head(&chunk, 1, NULL, 0), 0);
    put(f, &chunk, false);
    snapshot_abandon(f->writer);
    assert_int_equal(snapshot_wait(f->writer), -1);
    assert_int_equal(read_back(f, &err), 0);
    assert_string_equal(f->heard.ptr, whole);
    save(f, packets, 2); /* the next one is written */
    assert_int_equal(read_back(f, &err), 0);
}

static void test_unended_leaves_the_one_before(void **state)
{
    struct fixture *f = *state;
    struct error err;
    char tmp[160];
    save(f, packets, 8);
    assert_true(snapshot_begin(f->writer));
    struct buf chunk;
    buf_init(&chunk, 0);
    assert_int_equal(snapshot_put_head(&chunk, 1, NULL, 0), 0);
    put(f, &chunk, false);
    snapshot_writer_stop(f->writer);
    f->writer = NULL;
    assert_int_equal(read_back(f, &err), 0);
    assert_string_equal(f->heard.ptr, whole);
    snprintf(tmp, sizeof tmp, "%s.tmp", f->path);
    assert_int_equal(access(tmp, F_OK), -1);
}

static void test_failure_to_write_leaves_the_one_before(void **state)
{
    struct fixture *f = *state;
    struct error err;
    char tmp[160];
    save(f, packets, 8);
    snprintf(tmp, sizeof tmp, "%s.tmp", f->path);
    assert_int_equal(mkdir(tmp, 0700), 0); /* open() fails */
    struct buf chunk;
    buf_init(&chunk, 0);
    assert_true(snapshot_begin(f->writer));
    assert_int_equal(snapshot_put_head(&chunk, 1, NULL, 0), 0);
    put(f, &chunk, true);
    assert_int_equal(snapshot_wait(f->writer), -1);
    assert_int_equal(read_back(f, &err), 0);
    assert_string_equal(f->heard.ptr, whole);
    assert_int_equal(rmdir(tmp), 0);
    save(f, packets, 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_comes_back_as_it_was),
        TEST(test_missing_is_told_from_broken),
        TEST(test_every_flipped_bit_is_noticed_before_a_byte_is_told),
        TEST(test_every_cut_is_noticed),
        TEST(test_lengths_that_lie_are_noticed),
        TEST(test_newer_version_is_named),
        TEST(test_abandoned_leaves_the_one_before),
        TEST(test_unended_leaves_the_one_before),
        TEST(test_failure_to_write_leaves_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 4 * 1024 * 1024 }; /* more than any pipe holds */

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 131 >> 3);
}

struct received {
    int fd;
    size_t count, wrong;
};

static void *reader(void *context)
{
    struct received *received = context;
    unsigned char part[8191];
    for (ssize_t n; (n = read(received->fd, part, sizeof part)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            received->wrong += part[i] != byte_at(received->count++);
    return NULL;
}

static void test_more_than_a_pipe_holds_is_written_whole(void **state)
{
    (void)state;
    int ends[2];
    pthread_t thread;
    unsigned char *all = malloc(MANY);
    assert_non_null(all);
    for (size_t i = 0; i < MANY; i++)
        all[i] = byte_at(i);
    assert_int_equal(pipe(ends), 0);
    struct received received = {.fd = ends[0]};
    assert_int_equal(pthread_create(&thread, NULL, reader, &received), 0);
    assert_int_equal(fd_write_all(ends[1], bytes_of((const char *)all, MANY)), 0);
    close(ends[1]);
    pthread_join(thread, NULL);
    assert_int_equal(received.count, MANY);
    assert_int_equal(received.wrong, 0);
    close(ends[0]);
    free(all);
}

static void test_errno_says_why_not(void **state)
{
    (void)state;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(fd_write_all(ends[1], bytes_of("x", 1)), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(fd_write_all(ends[1], bytes_of("", 0)), 0); /* nothing to do */
    close(ends[1]);
}

static void test_all_is_read_or_one_piece_too_much(void **state)
{
    (void)state;
    for (size_t enough = 0; enough <= MANY; enough += MANY / 2) {
        FILE *file = tmpfile();
        assert_non_null(file);
        for (size_t i = 0; i < MANY; i++)
            fputc(byte_at(i), file);
        rewind(file);
        struct buf all;
        buf_init(&all, 0);
        assert_int_equal(fd_read_all(fileno(file), enough, &all), 0);
        assert_true(enough == MANY ? all.len == MANY : all.len > enough);
        for (size_t i = 0; i < all.len; i++)
            assert_int_equal((unsigned char)all.ptr[i], byte_at(i));
        buf_deinit(&all);
        fclose(file);
    }
}

static void test_reading_stays_in_the_room_that_there_is(void **state)
{
    (void)state;
    int ends[2];
    struct buf some;
    buf_init(&some, 0);
    assert_int_equal(buf_reserve(&some, 4), 0);
    const char *before = some.ptr;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_write_all(ends[1], bytes_of("abc", 3)), 0);
    close(ends[1]);
    assert_int_equal(fd_read_all(ends[0], 3, &some), 0);
    assert_int_equal(some.len, 3);
    assert_ptr_equal(some.ptr, before);
    close(ends[0]);
    assert_int_equal(fd_read_all(ends[0], 3, &some), -1);
    assert_int_equal(errno, EBADF);
    buf_deinit(&some);
    buf_init(&some, 8); /* may not grow */
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_read_all(ends[0], 3, &some), -1);
    assert_int_equal(errno, ENOMEM);
    assert_true(some.has_failed);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_than_a_pipe_holds_is_written_whole),
        cmocka_unit_test(test_errno_says_why_not),
        cmocka_unit_test(test_all_is_read_or_one_piece_too_much),
        cmocka_unit_test(test_reading_stays_in_the_room_that_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

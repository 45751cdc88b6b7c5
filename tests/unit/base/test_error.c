/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void test_set_and_prefix(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, ERROR_FULL, "queue of %d", 5), -1);
    assert_int_equal(error_prefix(&err, "topic %s", "a"), -1);
    assert_string_equal(err.text, "topic a: queue of 5");
    assert_int_equal(err.kind, ERROR_FULL);
    assert_false(err.is_transient);
    assert_int_equal(error_set(NULL, ERROR_IO, "x"), -1);
    assert_int_equal(error_prefix(NULL, "x"), -1);
    assert_int_equal(error_set_errno(NULL, ERROR_IO, EIO, "x"), -1);
}

static void test_errno(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set_errno(&err, ERROR_IO, ENOENT, "open %s", "/x"), -1);
    assert_string_equal(err.text, "open /x: No such file or directory");
    assert_false(err.is_transient);
    error_set_errno(&err, ERROR_IO, EAGAIN, "read");
    assert_true(err.is_transient);
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    struct error err;
    char large[1000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    error_set_errno(&err, ERROR_IO, ENOENT, "%s", large);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    error_prefix(&err, "%s", large);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void test_exit_codes(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_exit_code(&err), 0);
    error_set(&err, ERROR_USAGE, "x");
    assert_int_equal(error_exit_code(&err), 2);
    error_set(&err, ERROR_CONFIG, "x");
    assert_int_equal(error_exit_code(&err), 78);
    error_set(&err, ERROR_CORRUPT, "x");
    assert_int_equal(error_exit_code(&err), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_prefix),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}

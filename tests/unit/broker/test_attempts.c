/* SPDX-License-Identifier: Apache-2.0 */
/* A crash is a process that stops without attempts_close: here a child that
 * leaves by _exit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/attempts.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test-attempts-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static void file_path(char out[128])
{
    snprintf(out, 128, "%s/attempts-handler", dir);
}

static int remove_dir(void **state)
{
    (void)state;
    char path[128];
    file_path(path);
    unlink(path);
    return rmdir(dir);
}

static struct attempts *open_attempts(void)
{
    struct attempts *attempts;
    struct error err;
    assert_int_equal(attempts_open(&attempts, dir, "handler", &err), 0);
    return attempts;
}

/* Die with these records in hand. */
static void crash_with(int64_t first, int64_t next)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct attempts *attempts;
        if (attempts_open(&attempts, dir, "handler", NULL) != 0)
            _exit(1);
        attempts_begin(attempts, 0, &(struct attempts_range){"gpscoords", 2, first, next}, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_clean_end_leaves_nothing(void **state)
{
    (void)state;
    struct attempts *attempts = open_attempts();
    attempts_begin(attempts, 3, &(struct attempts_range){"gpscoords", 2, 10, 20}, 1);
    attempts_close(attempts);
    attempts = open_attempts();
    assert_false(attempts_is_suspicious(attempts));
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 10), ATTEMPT_NORMAL);
    attempts_close(attempts);
    char path[128];
    file_path(path);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_crash_makes_the_batch_suspicious(void **state)
{
    (void)state;
    crash_with(10, 20);
    struct attempts *attempts = open_attempts();
    assert_true(attempts_is_suspicious(attempts));
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 9), ATTEMPT_NORMAL);
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 10), ATTEMPT_ALONE);
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 19), ATTEMPT_ALONE);
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 20), ATTEMPT_NORMAL);
    assert_int_equal(attempts_look(attempts, "gpscoords", 1, 10), ATTEMPT_NORMAL);
    assert_int_equal(attempts_look(attempts, "data-topic", 2, 10), ATTEMPT_NORMAL);
    attempts_close(attempts);
}

static void settling_forgets_step_by_step(void **state)
{
    (void)state;
    crash_with(10, 20);
    struct attempts *attempts = open_attempts();
    attempts_settled(attempts, "gpscoords", 2, 19);
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 19), ATTEMPT_ALONE);
    attempts_settled(attempts, "gpscoords", 1, 20);
    assert_true(attempts_is_suspicious(attempts));
    attempts_settled(attempts, "gpscoords", 2, 20);
    assert_false(attempts_is_suspicious(attempts));
    attempts_close(attempts);
    attempts = open_attempts();
    assert_false(attempts_is_suspicious(attempts));
    attempts_close(attempts);
}

static void the_third_crash_at_one_record_diverts_it(void **state)
{
    (void)state;
    crash_with(10, 20);
    for (int crashes = 1; crashes <= 3; crashes++) {
        crash_with(14, 15);
        struct attempts *attempts = open_attempts();
        assert_int_equal(attempts_look(attempts, "gpscoords", 2, 14),
                         crashes < 3 ? ATTEMPT_ALONE : ATTEMPT_DIVERT);
        assert_int_equal(attempts_look(attempts, "gpscoords", 2, 15), ATTEMPT_ALONE);
        attempts_close(attempts);
    }
}

static void an_end_before_the_crash_clears_the_mark(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct attempts *attempts;
        if (attempts_open(&attempts, dir, "handler", NULL) != 0)
            _exit(1);
        attempts_begin(attempts, 0, &(struct attempts_range){"gpscoords", 2, 1, 2}, 1);
        attempts_end(attempts, 0);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    struct attempts *attempts = open_attempts();
    assert_false(attempts_is_suspicious(attempts));
    attempts_close(attempts);
}

static void a_file_of_garbage_is_nothing(void **state)
{
    (void)state;
    char path[128];
    file_path(path);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 50000; i++)
        fputc(i * 7, file);
    fclose(file);
    struct attempts *attempts = open_attempts();
    assert_false(attempts_is_suspicious(attempts));
    attempts_close(attempts);
}

static void without_a_folder_nothing_is_kept(void **state)
{
    (void)state;
    struct attempts *attempts;
    assert_int_equal(attempts_open(&attempts, NULL, "handler", NULL), 0);
    attempts_begin(attempts, 0, &(struct attempts_range){"gpscoords", 2, 1, 2}, 1);
    attempts_end(attempts, 0);
    assert_int_equal(attempts_look(attempts, "gpscoords", 2, 1), ATTEMPT_NORMAL);
    attempts_close(attempts);
}

static void a_missing_folder_is_an_error(void **state)
{
    (void)state;
    struct attempts *attempts;
    struct error err;
    assert_int_equal(attempts_open(&attempts, "/nowhere/at/all", "handler", &err), -1);
    assert_non_null(strstr(err.text, "/nowhere/at/all/attempts-handler"));
}

static void a_folder_has_one_process(void **state)
{
    (void)state;
    struct attempts *attempts = open_attempts();
    struct attempts *second;
    struct error err = {0};
    assert_int_equal(attempts_open(&second, dir, "handler", &err), -1);
    assert_int_equal(err.kind, ERROR_BUSY);
    assert_non_null(strstr(err.text, "--data"));
    attempts_close(attempts);
    attempts_close(open_attempts());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_has_one_process, make_dir, remove_dir),
        TEST(a_clean_end_leaves_nothing),
        TEST(a_crash_makes_the_batch_suspicious),
        TEST(settling_forgets_step_by_step),
        TEST(the_third_crash_at_one_record_diverts_it),
        TEST(an_end_before_the_crash_clears_the_mark),
        TEST(a_file_of_garbage_is_nothing),
        TEST(without_a_folder_nothing_is_kept),
        TEST(a_missing_folder_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

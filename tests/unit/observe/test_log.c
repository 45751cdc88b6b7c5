/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/text.h"
#include "observe/log.h"
#include "observe/log_site.h"
#include "observe/metrics.h"

enum { CAPTURE_MAX = 65536 };

static char captured[CAPTURE_MAX];
static int saved_stderr;
static int pipe_fds[2];

static void capture_begin(void)
{
    assert_int_equal(pipe(pipe_fds), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
}

static size_t capture_end(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    size_t len = 0;
    ssize_t n;
    while ((n = read(pipe_fds[0], captured + len, CAPTURE_MAX - 1 - len)) > 0)
        len += (size_t)n;
    close(pipe_fds[0]);
    captured[len] = '\0';
    return len;
}

/* The line after its time field. */
static const char *after_time(const char *separator)
{
    const char *rest = strstr(captured, separator);
    assert_non_null(rest);
    return rest;
}

static void test_json_line(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_JSON);
    log_set_role("run");
    capture_begin();
    log_event(LOG_WARN, "gateway", "too Slow, twice", LOG_T("peer", "a\"b\n\x1b[31m"),
              LOG_I("n", -5), LOG_F("ms", 1.5), LOG_F("bad", NAN));
    capture_end();
    assert_memory_equal(captured, "{\"@timestamp\":\"2", 16);
    char expected[512];
    snprintf(
        expected, sizeof expected,
        ",\"log.level\":\"warn\",\"message\":\"too Slow, twice\",\"ecs.version\":\"8.11.0\","
        "\"service.name\":\"motorcade\",\"service.node.role\":\"run\",\"log.logger\":\"gateway\","
        "\"process.pid\":%d,\"event.action\":\"too-slow-twice\",\"client.address\":"
        "\"a\\\"b\\n\\u001b[31m\",\"motorcade.n\":-5,\"motorcade.ms\":1.5,\"motorcade.bad\":"
        "\"nan\"}\n",
        getpid());
    assert_string_equal(after_time(",\"log.level\""), expected);
}

static void test_logfmt_line(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_LOGFMT);
    capture_begin();
    log_event(LOG_INFO, "live", "two words", LOG_T("bare", "a.b/c"), LOG_T("empty", ""),
              LOG_T("spaced", "a b"), LOG_T("forged", "x level=error"));
    capture_end();
    assert_string_equal(after_time(" level="),
                        " level=info module=live message=\"two words\" bare=a.b/c empty=\"\" "
                        "spaced=\"a b\" forged=\"x level=error\"\n");
}

static void test_invalid_utf8_is_replaced(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_JSON);
    capture_begin();
    log_event(LOG_INFO, "m", "t", LOG_T("x", "a\xff\xc3\xa9\xed\xa0\x80z\xc2"));
    capture_end();
    assert_true(text_is_utf8(bytes_from_text(captured)));
    assert_non_null(strstr(captured, "x\":\"a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD"
                                     "\xEF\xBF\xBDz\xEF\xBF\xBD\"}\n"));
}

static void test_lines_are_capped_and_say_so(void **state)
{
    (void)state;
    static char large[20000];
    memset(large, '\x01', sizeof large - 1); /* six bytes each when escaped */
    log_configure(LOG_INFO, LOG_JSON);
    capture_begin();
    log_event(LOG_INFO, "m", "t", LOG_T("large", large), LOG_T("small", "kept"));
    size_t len = capture_end();
    assert_true(len <= 4096);
    assert_non_null(strstr(captured, "small\":\"kept\",\"motorcade.cut\":true}\n"));

    memset(large, 'y', sizeof large - 1);
    struct log_field fields[10];
    for (size_t i = 0; i < 10; i++)
        fields[i] = LOG_T("f", large);
    capture_begin();
    log_write(LOG_INFO, "m", "t", fields, 10);
    len = capture_end();
    assert_true(len <= 4096);
    assert_memory_equal(captured + len - 23, ",\"motorcade.cut\":true}\n", 23);
}

static void test_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[2001];
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    memmove(text + 1, text, 1999);
    text[0] = 'a'; /* the cut would fall into a character now */
    text[2000] = '\0';
    log_configure(LOG_INFO, LOG_JSON);
    capture_begin();
    log_event(LOG_INFO, "m", "t", LOG_T("x", text));
    capture_end();
    assert_null(strstr(captured, "\xEF\xBF\xBD"));
    assert_true(text_is_utf8(bytes_from_text(captured)));
}

static void test_levels_below_the_least_are_silent(void **state)
{
    (void)state;
    log_configure(LOG_WARN, LOG_JSON);
    int64_t before = metrics_value(METRIC_LOG_LINES, LOG_INFO);
    capture_begin();
    log_write(LOG_INFO, "m", "quiet", NULL, 0);
    log_write(LOG_ERROR, "m", "loud", NULL, 0);
    capture_end();
    assert_null(strstr(captured, "quiet"));
    assert_non_null(strstr(captured, "loud"));
    assert_int_equal(metrics_value(METRIC_LOG_LINES, LOG_INFO), before);
}

static void test_auto_is_json_when_not_a_terminal(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_AUTO);
    capture_begin();
    struct error err;
    error_set(&err, ERROR_IO, "disk %d", 7);
    log_error("journal", "append failed", &err);
    capture_end();
    assert_int_equal(captured[0], '{');
    assert_non_null(strstr(captured, "\"error.message\":\"disk 7\"}\n"));
}

static void test_a_module_has_a_level_of_its_own(void **state)
{
    (void)state;
    log_configure(LOG_WARN, LOG_JSON);
    assert_int_equal(log_set_level(BYTES("journal"), LOG_DEBUG), 0);
    capture_begin();
    log_write(LOG_DEBUG, "journal", "heard", NULL, 0);
    log_write(LOG_INFO, "gateway", "unheard", NULL, 0);
    capture_end();
    assert_non_null(strstr(captured, "heard"));
    assert_null(strstr(captured, "unheard"));
    struct buf out;
    buf_init(&out, 0);
    log_print_levels(&out);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "{\"level\":\"warn\",\"modules\":{"));
    assert_non_null(strstr(out.ptr, "\"journal\":\"debug\""));
    buf_deinit(&out);
    assert_int_equal(log_set_level(BYTES(""), LOG_ERROR), 0);
    capture_begin();
    log_write(LOG_WARN, "journal", "unheard", NULL, 0);
    capture_end();
    assert_string_equal(captured, "");
    char name[80] = {0};
    memset(name, 'n', sizeof name - 1);
    assert_int_equal(log_set_level(bytes_from_text(name), LOG_INFO), -1);
}

static void test_debug_can_be_switched_on_and_off(void **state)
{
    (void)state;
    log_configure(LOG_WARN, LOG_JSON);
    log_toggle_debug();
    capture_begin();
    log_write(LOG_DEBUG, "m", "on", NULL, 0);
    log_toggle_debug();
    log_write(LOG_INFO, "m", "off", NULL, 0);
    capture_end();
    assert_non_null(strstr(captured, "\"on\""));
    assert_null(strstr(captured, "\"off\""));
}

static void test_a_site_that_speaks_too_often_is_held_back(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_JSON);
    log_set_limit(3, 1);
    int64_t before = metrics_value(METRIC_LOG_HELD_BACK, 0);
    capture_begin();
    for (int i = 0; i < 10; i++)
        log_event(LOG_INFO, "m", "again and again", LOG_I("i", i));
    log_write(LOG_INFO, "m", "another", NULL, 0);
    capture_end();
    log_set_limit(20, 5);
    assert_non_null(strstr(captured, "motorcade.i\":2"));
    assert_null(strstr(captured, "motorcade.i\":3"));
    assert_non_null(strstr(captured, "another"));
    assert_int_equal(metrics_value(METRIC_LOG_HELD_BACK, 0), before + 7);
}

static void test_what_was_held_back_is_told(void **state)
{
    (void)state;
    static const char module[] = "m", message[] = "t";
    uint64_t held;
    int64_t now = INT64_C(1000000000000);
    assert_true(log_site_take(module, message, now, 2, 10, &held));
    assert_true(log_site_take(module, message, now, 2, 10, &held));
    for (int i = 0; i < 5; i++)
        assert_false(log_site_take(module, message, now + 99000000, 2, 10, &held));
    assert_true(log_site_take(module, message, now + 100000000, 2, 10, &held));
    assert_int_equal(held, 5);
    assert_false(log_site_take(module, message, now + 100000000, 2, 10, &held));
    assert_true(log_site_take(module, message, now + 100000000, 2, 0, &held)); /* no limit */
    assert_true(log_site_take(module, message, now + 900000000000, 2, 10, &held));
    assert_int_equal(held, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_logfmt_line),
        cmocka_unit_test(test_invalid_utf8_is_replaced),
        cmocka_unit_test(test_lines_are_capped_and_say_so),
        cmocka_unit_test(test_text_is_cut_between_characters),
        cmocka_unit_test(test_levels_below_the_least_are_silent),
        cmocka_unit_test(test_auto_is_json_when_not_a_terminal),
        cmocka_unit_test(test_a_module_has_a_level_of_its_own),
        cmocka_unit_test(test_debug_can_be_switched_on_and_off),
        cmocka_unit_test(test_a_site_that_speaks_too_often_is_held_back),
        cmocka_unit_test(test_what_was_held_back_is_told),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/certificates.h"
#include "observe/metrics.h"
#include "support/certificate_maker.h"

enum { DAY_S = 86400 };
#define DEADLINE_NS (30 * NS_PER_S)

struct fixture {
    char dir[64];
    char path[96];
    int64_t now_s;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/motorcade-cert-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/a \"b\\.pem", f->dir); /* wants escaping as a label */
    f->now_s = clock_wall_ns() / NS_PER_S;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    certificates_stop();
    unlink(f->path);
    rmdir(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* A new file in the place of the old one, as those who renew do it. */
static void put(struct fixture *f, int64_t end_s)
{
    char next[112];
    struct buf pem;
    buf_init(&pem, 0);
    certificate_make(&pem, end_s);
    snprintf(next, sizeof next, "%s.next", f->path);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(pem.ptr, 1, pem.len, file), pem.len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, f->path), 0);
    buf_deinit(&pem);
}

static enum certificate_state state_of(struct fixture *f)
{
    struct certificate_report report;
    certificate_report_file(f->path, f->now_s, &report);
    return report.state;
}

static void test_states(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(state_of(f), CERTIFICATE_UNREADABLE);
    put(f, f->now_s + 400 * DAY_S);
    assert_int_equal(state_of(f), CERTIFICATE_GOOD);
    put(f, f->now_s + CERTIFICATE_SOON_DAYS * DAY_S + 60);
    assert_int_equal(state_of(f), CERTIFICATE_GOOD);
    put(f, f->now_s + CERTIFICATE_SOON_DAYS * DAY_S - 60);
    assert_int_equal(state_of(f), CERTIFICATE_ENDS_SOON);
    put(f, f->now_s);
    assert_int_equal(state_of(f), CERTIFICATE_ENDED);
}

static void expect_text(const struct fixture *f, const char *wanted)
{
    struct certificate_report report;
    char text[CERTIFICATE_TEXT_MAX];
    certificate_report_file(f->path, 1800000000, &report);
    certificate_report_text(&report, 1800000000, text);
    assert_string_equal(text, wanted);
}

static void test_words(void **state)
{
    struct fixture *f = *state;
    expect_text(f, "can't be read: No such file or directory");
    assert_int_equal(mkdir(f->path, 0700), 0);
    expect_text(f, "can't be read: it is no plain file");
    rmdir(f->path);
    assert_int_equal(mkfifo(f->path, 0600), 0); /* nobody waits for it */
    expect_text(f, "can't be read: it is no plain file");
    unlink(f->path);
    put(f, 1800000000 + 3 * DAY_S + 5);
    expect_text(f, "ends on 2027-01-18 08:00 UTC, in 3 days");
    put(f, 1800000000 - 1);
    expect_text(f, "ended on 2027-01-15 07:59 UTC");
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs("hello\n", file);
    fclose(file);
    expect_text(f, "can't be read: it holds no certificate");
    assert_int_equal(truncate(f->path, 2 << 20), 0);
    expect_text(f, "can't be read: File too large");
}

struct seen {
    size_t count;
    struct certificate_report last;
};

static void on_certificate(void *context, const char *use, const char *path,
                           const struct certificate_report *report)
{
    struct seen *seen = context;
    assert_string_equal(use, "test");
    assert_non_null(strstr(path, ".pem"));
    seen->count++;
    seen->last = *report;
}

/* Until the watch has seen it. */
static void wait_for(struct fixture *f, enum certificate_state wanted, int64_t end_s)
{
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    struct seen seen;
    do {
        seen = (struct seen){0};
        assert_int_equal(certificates_add("test", f->path, &f->err), 0); /* looks at once */
        certificates_each(on_certificate, &seen);
        assert_int_equal(seen.count, 1);
        if (seen.last.state == wanted && seen.last.end_s == end_s &&
            metrics_value(METRIC_CERTIFICATE_EXPIRES, 0) == end_s)
            return;
        clock_sleep_ns(NS_PER_MS);
    } while (clock_monotonic_ns() < deadline_ns);
    fail_msg("state %d, end %lld", (int)seen.last.state, (long long)seen.last.end_s);
}

static void expect_printed(const char *wanted, bool is_there)
{
    struct buf page;
    buf_init(&page, 0);
    assert_int_equal(metrics_print(&page, METRICS_PROMETHEUS), 0);
    buf_append_char(&page, '\0');
    if ((strstr(page.ptr, wanted) != NULL) != is_there)
        fail_msg("%s is %s", wanted, is_there ? "missing" : "there");
    buf_deinit(&page);
}

static void test_a_file_that_is_renewed_and_vanishes(void **state)
{
    struct fixture *f = *state;
    put(f, f->now_s + 2 * DAY_S);
    assert_int_equal(certificates_add("test", f->path, &f->err), 0);
    wait_for(f, CERTIFICATE_ENDS_SOON, f->now_s + 2 * DAY_S);
    char line[256];
    snprintf(line, sizeof line,
             "motorcade_certificate_expires_timestamp_seconds{use=\"test\","
             "file=\"%s/a \\\"b\\\\.pem\"} %lld\n",
             f->dir, (long long)(f->now_s + 2 * DAY_S));
    expect_printed(line, true);
    put(f, f->now_s + 400 * DAY_S);
    wait_for(f, CERTIFICATE_GOOD, f->now_s + 400 * DAY_S);
    unlink(f->path);
    wait_for(f, CERTIFICATE_UNREADABLE, 0);
    expect_printed("motorcade_certificate_expires_timestamp_seconds{", false);
    put(f, f->now_s + 300 * DAY_S);
    wait_for(f, CERTIFICATE_GOOD, f->now_s + 300 * DAY_S);
    certificates_stop();
    expect_printed("motorcade_certificate_expires_timestamp_seconds{", false);
    certificates_stop(); /* twice is fine */
}

static void test_no_more_than_fit(void **state)
{
    struct fixture *f = *state;
    char path[128];
    for (int i = 0; i < CERTIFICATES_WATCHED_MAX; i++) {
        snprintf(path, sizeof path, "%s/%d.pem", f->dir, i);
        assert_int_equal(certificates_add("test", path, &f->err), 0);
        assert_int_equal(certificates_add("test", path, &f->err), 0);
    }
    assert_int_equal(certificates_add("test", f->path, &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_FULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_states),
        TEST(test_words),
        TEST(test_a_file_that_is_renewed_and_vanishes),
        TEST(test_no_more_than_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

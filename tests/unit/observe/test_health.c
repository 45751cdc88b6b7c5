/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "observe/health.h"

static bool printed(char *text, size_t size)
{
    struct buf out;
    buf_init(&out, 0);
    bool is_ready = health_print(&out);
    assert_true(out.len < size);
    memcpy(text, out.ptr, out.len);
    text[out.len] = '\0';
    buf_deinit(&out);
    return is_ready;
}

static void test_life_of_a_check(void **state)
{
    (void)state;
    char text[512];
    assert_true(printed(text, sizeof text));
    assert_string_equal(text, "{\"ready\":true,\"checks\":{}}");

    struct health_check *journal = health_check("journal");
    assert_ptr_equal(health_check("journal"), journal);
    assert_false(printed(text, sizeof text));
    assert_string_equal(text, "{\"ready\":false,\"checks\":{\"journal\":\"starting\"}}");

    struct health_check *live = health_check("live");
    health_set_ready(journal);
    health_set_unready(live, "reads \"positions\"");
    assert_false(printed(text, sizeof text));
    assert_string_equal(text, "{\"ready\":false,\"checks\":{\"journal\":\"ok\","
                              "\"live\":\"reads \\\"positions\\\"\"}}");

    health_retire(live);
    assert_true(printed(text, sizeof text));
    assert_string_equal(text, "{\"ready\":true,\"checks\":{\"journal\":\"ok\"}}");
    health_set_unready(live, "");
    assert_false(printed(text, sizeof text));
    assert_non_null(strstr(text, "\"live\":\"not ready\""));
    health_retire(live);
}

static void test_long_reasons_are_cut(void **state)
{
    (void)state;
    char reason[1000];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    struct health_check *check = health_check("long");
    health_set_unready(check, reason);
    char text[512];
    assert_false(printed(text, sizeof text));
    reason[127] = '\0';
    assert_non_null(strstr(text, reason));
    health_retire(check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_a_check),
        cmocka_unit_test(test_long_reasons_are_cut),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}

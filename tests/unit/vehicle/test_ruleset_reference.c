/* SPDX-License-Identifier: Apache-2.0 */
/* docs/reference/rules.md is what the tables say. MOTORCADE_UPDATE=1 writes it. */
#include "rules_support.h"

static void the_page_is_up_to_date(void **state)
{
    (void)state;
    struct buf wanted, found;
    buf_init(&wanted, 0);
    buf_init(&found, 0);
    assert_int_equal(ruleset_print_reference(&wanted), 0);
    const char *path = SOURCE_ROOT "/docs/reference/rules.md";
    if (getenv("MOTORCADE_UPDATE") != NULL) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(wanted.ptr, 1, wanted.len, file);
        fclose(file);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char part[4096];
    for (size_t len; (len = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(&found, part, len);
    fclose(file);
    if (!bytes_equal(buf_bytes(&wanted), buf_bytes(&found)))
        fail_msg("%s is old: run this test with MOTORCADE_UPDATE=1", path);
    buf_deinit(&wanted);
    buf_deinit(&found);
}

/* The ruleset shown at its top is one. */
static void the_example_loads(void **state)
{
    (void)state;
    struct buf page;
    buf_init(&page, 0);
    assert_int_equal(ruleset_print_reference(&page), 0);
    buf_append_char(&page, '\0');
    char *begin = strstr(page.ptr, "```yaml\n") + strlen("```yaml\n");
    *strstr(begin, "```") = '\0';
    struct ruleset *ruleset = ruleset_of(begin);
    assert_string_equal(ruleset_category_name(ruleset, 0).ptr, "taxi");
    ruleset_unref(ruleset);
    buf_deinit(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_up_to_date),
        cmocka_unit_test(the_example_loads),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}

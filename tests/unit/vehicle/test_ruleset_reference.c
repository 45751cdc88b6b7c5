/* SPDX-License-Identifier: Apache-2.0 */
/* docs/reference/rules.md; that the page is the newest, scripts/test_docs sees. */
#include "rules_support.h"

static void every_kind_setting_and_field_is_explained(void **state)
{
    (void)state;
    struct buf page;
    buf_init(&page, 0);
    assert_int_equal(ruleset_print_reference(&page), 0);
    buf_append_char(&page, '\0');
    char row[64];
    for (size_t i = 0; rule_registry[i] != NULL; i++) {
        snprintf(row, sizeof row, "### %s\n", rule_registry[i]->name);
        assert_contains(page.ptr, row);
        for (const struct rule_setting *s = rule_registry[i]->settings; s->name != NULL; s++) {
            snprintf(row, sizeof row, "| `%s` | ", s->name);
            assert_contains(strstr(page.ptr, rule_registry[i]->help), row);
        }
    }
    for (const struct field_info *info = field_table; info->name != NULL; info++) {
        snprintf(row, sizeof row, "| `%s` | %s |\n", info->name, info->help);
        assert_contains(page.ptr, row);
    }
    buf_deinit(&page);
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
        cmocka_unit_test(every_kind_setting_and_field_is_explained),
        cmocka_unit_test(the_example_loads),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}

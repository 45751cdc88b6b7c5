/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/list.h"

static void test_equality(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of(NULL, 0), BYTES("")));
    assert_false(bytes_equal(BYTES("a"), BYTES("A")));
    assert_true(bytes_equal_nocase(BYTES("Content-TYPE"), BYTES("content-type")));
    assert_false(bytes_equal_nocase(BYTES("@["), BYTES("`{"))); /* 32 apart, no letters */
    assert_false(bytes_equal_nocase(BYTES("a"), BYTES("ab")));
}

static void test_order(void **state)
{
    (void)state;
    assert_true(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    assert_true(bytes_compare(BYTES("a"), BYTES("ab")) < 0);
    assert_true(bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_int_equal(bytes_compare(bytes_of(NULL, 0), BYTES("")), 0);
}

static void test_trim_and_dup(void **state)
{
    (void)state;
    assert_true(bytes_equal_text(bytes_trim(BYTES(" \t a b\t ")), "a b"));
    assert_int_equal(bytes_trim(BYTES(" \t ")).len, 0);
    char *copy = bytes_dup_text(bytes_of("abc", 2));
    assert_string_equal(copy, "ab");
    free(copy);
}

/* Of xxhash 0.8's XXH3_64bits with seed 0: the stored identities depend on it. */
static void test_hash_is_stable(void **state)
{
    (void)state;
    assert_true(hash64(BYTES("")) == UINT64_C(0x2D06800538D394C2));
    assert_true(hash64_local(BYTES("a")) == hash64_local(BYTES("a")));
}

struct thing {
    int number;
    struct list node;
};

static void test_list(void **state)
{
    (void)state;
    struct list head;
    list_init(&head);
    assert_true(list_is_empty(&head));
    struct thing things[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    for (size_t i = 0; i < 3; i++)
        list_append(&head, &things[i].node);
    list_remove(&things[1].node);
    list_remove(&things[1].node);
    assert_int_equal(list_item(head.next, struct thing, node)->number, 1);
    assert_int_equal(list_item(head.next->next, struct thing, node)->number, 3);
    assert_ptr_equal(head.next->next->next, &head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_trim_and_dup), cmocka_unit_test(test_hash_is_stable),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}

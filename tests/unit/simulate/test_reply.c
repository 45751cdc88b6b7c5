/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulate/reply.h"
#include "vehicle/reason.h"

static struct reply_reader *reader;

static enum reply_kind read_text(const char *text, struct reply *reply)
{
    return reply_read_message(reader, bytes_from_text(text), reply);
}

static void test_acks(void **state)
{
    (void)state;
    struct reply reply;
    assert_int_equal(read_text("{\"ack\":17}", &reply), REPLY_ACK);
    assert_int_equal(reply.number, 17);
    assert_int_equal(read_text("{\"ack\":18446744073709551615}", &reply), REPLY_ACK);
    assert_true(reply.number == UINT64_MAX);
    assert_int_equal(read_text(" { \"more\" : {\"ack\":1}, \"ack\" : 18 } ", &reply), REPLY_ACK);
    assert_int_equal(reply.number, 18);
}

static void test_rejects(void **state)
{
    (void)state;
    struct reply reply;
    assert_int_equal(
        read_text("{\"reject\":3,\"reason\":\"range\",\"detail\":\"lat 91 is above 90\"}", &reply),
        REPLY_REJECT);
    assert_int_equal(reply.number, 3);
    assert_int_equal(reply.reason, REASON_RULE_RANGE);
    assert_true(bytes_equal_text(reply.detail, "lat 91 is above 90"));
    assert_int_equal(read_text("{\"detail\":\"\",\"reason\":\"of tomorrow\",\"reject\":4}", &reply),
                     REPLY_REJECT);
    assert_int_equal(reply.reason, REPLY_REASON_OTHER);
}

static void test_anything_else_is_neither(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "{}",
        "{\"ack\":}",
        "{\"ack\":-1}",
        "{\"ack\":1",
        "[1]",
        "{\"ack\":1}}",
        "{\"ack\":1.5}",
        "hello",
        "{\"ack\":\"1\"}",
        "{\"a\":{\"ack\":1}}",
        "[{\"ack\":1}]",
        "{\"ack\":18446744073709551616}",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct reply reply;
        if (read_text(others[i], &reply) != REPLY_OTHER)
            fail_msg("%s was taken", others[i]);
    }
}

static uint64_t rejected_sum, rejected_count;

static void on_reject(void *context, const struct reply *reply)
{
    (void)context;
    rejected_count++;
    rejected_sum += reply->number * 1000 + reply->reason;
}

static bool read_body(const char *text, struct reply_totals *totals)
{
    rejected_count = rejected_sum = 0;
    return reply_read_body(reader, bytes_from_text(text), totals, on_reject, NULL);
}

static void test_bodies(void **state)
{
    (void)state;
    struct reply_totals totals;
    assert_true(read_body("{\"accepted\":5,\"duplicate\":2,\"rejected\":[]}", &totals));
    assert_int_equal(totals.accepted, 5);
    assert_int_equal(totals.duplicate, 2);
    assert_int_equal(totals.rejected, 0);
    assert_true(read_body("{\"accepted\":0,\"duplicate\":0,\"rejected\":["
                          "{\"index\":2,\"reason\":\"range\",\"detail\":\"d\"},"
                          "{\"detail\":\"e\",\"reason\":\"empty\",\"index\":7}],"
                          "\"rejected_unlisted\":3}\n",
                          &totals));
    assert_int_equal(totals.rejected, 5);
    assert_int_equal(rejected_count, 2);
    assert_int_equal(rejected_sum, 9000 + REASON_RULE_RANGE + REASON_EMPTY);
}

static void test_other_bodies(void **state)
{
    (void)state;
    struct reply_totals totals;
    assert_false(read_body("", &totals));
    assert_false(read_body("{\"error\":\"bad_gzip\",\"detail\":\"no\"}", &totals));
    assert_false(read_body("{\"accepted\":5", &totals));
    assert_false(read_body("[{\"accepted\":5}]", &totals));
    assert_true(
        read_body("{\"accepted\":1,\"rejected\":[[{\"index\":1}],{\"reason\":\"x\"}]}", &totals));
    assert_int_equal(rejected_count, 0); /* none said which */
}

static int set_up(void **state)
{
    (void)state;
    reader = reply_reader_new();
    return reader == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    reply_reader_free(reader);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),
        cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_anything_else_is_neither),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_other_bodies),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

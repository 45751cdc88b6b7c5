/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/kafka/topic_check.h"

static const struct kafka_config wanted = {
    .topic = {.partitions = 6,
              .replication = 3,
              .min_insync_replicas = 2,
              .retention_ns = INT64_C(604800) * NS_PER_S,
              .max_message_bytes = 2 << 20},
};

static struct kafka_topic_state as_wanted(void)
{
    return (struct kafka_topic_state){
        .exists = true,
        .is_ready = true,
        .partitions = 6,
        .replicas = 3,
        .min_insync_replicas = "2",
        .retention_ms = "604800000",
        .compression = "producer",
        .max_message_bytes = "2097152",
        .cleanup_policy = "delete",
    };
}

static struct kafka_difference found[KAFKA_DIFFERENCES_MAX];

static size_t compare(const struct kafka_topic_state *state)
{
    return kafka_topic_compare(&wanted, 1 << 20, state, found);
}

static void check(const char *setting, const char *expected, const char *value, bool is_fatal)
{
    assert_string_equal(found[0].setting, setting);
    assert_string_equal(found[0].expected, expected);
    assert_string_equal(found[0].found, value);
    assert_int_equal(found[0].is_fatal, is_fatal);
}

static void test_as_wanted_or_better_is_no_difference(void **state)
{
    (void)state;
    struct kafka_topic_state topic = as_wanted();
    assert_int_equal(compare(&topic), 0);
    topic.partitions = 12;
    topic.replicas = 5;
    strcpy(topic.max_message_bytes, "10000000");
    strcpy(topic.min_insync_replicas, "3");
    assert_int_equal(compare(&topic), 0);
}

static void test_a_missing_topic_is_one_difference(void **state)
{
    (void)state;
    struct kafka_topic_state topic = {0};
    assert_int_equal(compare(&topic), 1);
    check("topic", "exists", "missing", true);
}

static void test_each_setting_is_told_by_itself(void **state)
{
    (void)state;
    struct kafka_topic_state topic = as_wanted();
    topic.partitions = 5;
    assert_int_equal(compare(&topic), 1);
    check("partitions", "6", "5", false);

    topic = as_wanted();
    topic.replicas = 1;
    assert_int_equal(compare(&topic), 1);
    check("replication.factor", "3", "1", false);

    topic = as_wanted();
    strcpy(topic.retention_ms, "-1");
    assert_int_equal(compare(&topic), 1);
    check("retention.ms", "604800000", "-1", false);

    topic = as_wanted();
    strcpy(topic.cleanup_policy, "compact");
    assert_int_equal(compare(&topic), 1);
    check("cleanup.policy", "delete", "compact", false);
}

/* What a gateway accepts must fit, or an ack could not be kept. */
static void test_only_too_small_a_message_is_fatal(void **state)
{
    (void)state;
    struct kafka_topic_state topic = as_wanted();
    strcpy(topic.max_message_bytes, "1048576");
    assert_int_equal(compare(&topic), 1);
    check("max.message.bytes", "2097152", "1048576", false);
    strcpy(topic.max_message_bytes, "1048575");
    assert_int_equal(compare(&topic), 1);
    check("max.message.bytes", "2097152", "1048575", true);
}

static void test_what_was_not_told_is_no_difference(void **state)
{
    (void)state;
    struct kafka_topic_state topic = as_wanted();
    topic.retention_ms[0] = '\0';
    assert_int_equal(compare(&topic), 0);
}

static void test_no_more_copies_in_sync_than_there_are(void **state)
{
    (void)state;
    struct kafka_config one = wanted;
    struct kafka_topic_setting settings[KAFKA_DIFFERENCES_MAX];
    one.topic.replication = 1;
    kafka_topic_settings(&one, settings);
    assert_string_equal(settings[0].name, "min.insync.replicas");
    assert_string_equal(settings[0].value, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_wanted_or_better_is_no_difference),
        cmocka_unit_test(test_a_missing_topic_is_one_difference),
        cmocka_unit_test(test_each_setting_is_told_by_itself),
        cmocka_unit_test(test_only_too_small_a_message_is_fatal),
        cmocka_unit_test(test_what_was_not_told_is_no_difference),
        cmocka_unit_test(test_no_more_copies_in_sync_than_there_are),
    };
    return cmocka_run_group_tests_name("broker/topic_check", tests, NULL, NULL);
}

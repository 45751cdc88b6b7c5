/* SPDX-License-Identifier: Apache-2.0 */
/* What a MongoDB server says of itself, as metrics: replies of the forms that
 * its manual shows, and such as only an enemy sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/metrics.h"
#include "sink/mongodb/status.h"

static const char server_7[] =
    "{\"host\": \"db1:27017\", \"version\": \"7.0.14\", \"process\": \"mongod\","
    " \"asserts\": {\"regular\": 1, \"warning\": 2, \"msg\": 3, \"user\": 400, \"rollovers\": 0},"
    " \"connections\": {\"current\": 21, \"available\": 51179, \"totalCreated\": 900},"
    " \"mem\": {\"bits\": 64, \"resident\": 512, \"virtual\": 3900, \"supported\": true},"
    " \"opLatencies\": {\"reads\": {\"latency\": {\"$numberLong\": \"5000000\"},"
    "   \"ops\": {\"$numberLong\": \"1000\"}, \"queryableEncryptionLatencyMicros\": 0},"
    "  \"writes\": {\"latency\": {\"$numberLong\": \"9000000\"},"
    "   \"ops\": {\"$numberLong\": \"300\"}},"
    "  \"commands\": {\"latency\": {\"$numberLong\": \"100\"}, \"ops\": 10}},"
    " \"opcounters\": {\"insert\": {\"$numberLong\": \"70000\"}, \"query\": 50, \"update\": 2,"
    "  \"delete\": 1, \"getmore\": 4, \"command\": 999},"
    " \"repl\": {\"setName\": \"rs0\", \"isWritablePrimary\": true, \"secondary\": false,"
    "  \"hosts\": [\"a:1\", \"b:1\", \"c:1\"]},"
    " \"wiredTiger\": {\"cache\": {\"bytes currently in the cache\": 1048576,"
    "  \"maximum bytes configured\": {\"$numberDouble\": \"3.0e9\"},"
    "  \"tracked dirty bytes in the cache\": 4096}}, \"ok\": 1}";

static bson_t *from_json(const char *json)
{
    bson_error_t cause;
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &cause);
    if (document == NULL)
        fail_msg("%s", cause.message);
    return document;
}

/* The series' value as it is printed; false when it is not. */
static bool shown(const char *series, double *value)
{
    struct buf page;
    char line[256];
    buf_init(&page, 0);
    assert_int_equal(metrics_print(&page, METRICS_PROMETHEUS), 0);
    buf_append_char(&page, '\0');
    snprintf(line, sizeof line, "\nmotorcade_mongodb_%s ", series);
    const char *found = strstr(page.ptr, line);
    if (found != NULL)
        *value = strtod(found + strlen(line), NULL);
    buf_deinit(&page);
    return found != NULL;
}

static void expect(const char *series, double wanted)
{
    double value;
    if (!shown(series, &value))
        fail_msg("%s is missing", series);
    assert_float_equal(value, wanted, 1e-9);
}

static void expect_absent(const char *series)
{
    double value;
    if (shown(series, &value))
        fail_msg("%s is there", series);
}

static void take(struct status *status, const char *json)
{
    bson_t *reply = from_json(json);
    status_take_server(status, reply);
    bson_destroy(reply);
}

static void test_a_server_of_today(void **state)
{
    (void)state;
    struct status status = {0};
    take(&status, server_7);
    expect("connections{state=\"current\"}", 21);
    expect("connections{state=\"available\"}", 51179);
    expect("resident_memory_bytes", 512.0 * (1 << 20));
    expect("cache_used_bytes", 1048576);
    expect("cache_max_bytes", 3e9);
    expect("cache_dirty_bytes", 4096);
    expect("member_state", 1);
    expect("members", 3);
    /* Counted from the first look. */
    expect("operations_total{type=\"insert\"}", 0);
    expect("latency_seconds_total{kind=\"writes\"}", 0);
}

static void test_counters_grow_and_survive_a_restart(void **state)
{
    (void)state;
    struct status status = {0};
    take(&status, "{\"opcounters\": {\"insert\": 1000},"
                  " \"opLatencies\": {\"writes\": {\"latency\": 2000000, \"ops\": 10}}}");
    take(&status, "{\"opcounters\": {\"insert\": 1500},"
                  " \"opLatencies\": {\"writes\": {\"latency\": 4500000, \"ops\": 20}}}");
    expect("operations_total{type=\"insert\"}", 500);
    expect("latency_seconds_total{kind=\"writes\"}", 2.5);
    expect("latency_operations_total{kind=\"writes\"}", 10);
    take(&status, "{\"opcounters\": {\"insert\": 30}}"); /* began at zero */
    expect("operations_total{type=\"insert\"}", 530);
    expect_absent("latency_seconds_total{kind=\"writes\"}");
    status_take_server(&status, NULL); /* away */
    expect_absent("operations_total{type=\"insert\"}");
    take(&status, "{\"opcounters\": {\"insert\": 40}}");
    expect("operations_total{type=\"insert\"}", 540);
}

static void test_what_a_server_does_not_give_is_absent(void **state)
{
    (void)state;
    struct status status = {0};
    take(&status, server_7);
    /* FerretDB 1.24's, shortened: no opcounters, no opLatencies, no cache. */
    take(&status,
         "{\"host\": \"vm\", \"version\": \"7.0.42\", \"process\": \"ferretdb\","
         " \"uptimeMillis\": {\"$numberLong\": \"4188\"},"
         " \"metrics\": {\"commands\": {\"insert\": {\"total\": {\"$numberLong\": \"1\"}}}},"
         " \"ok\": 1.0}");
    expect_absent("operations_total{type=\"insert\"}");
    expect_absent("connections{state=\"current\"}");
    expect_absent("cache_used_bytes");
    expect_absent("member_state");
    expect_absent("members");
}

static void test_an_older_primary_and_other_members(void **state)
{
    (void)state;
    struct status status = {0};
    take(&status, "{\"repl\": {\"setName\": \"rs0\", \"ismaster\": true}}");
    expect("member_state", 1);
    expect_absent("members");
    take(&status, "{\"repl\": {\"setName\": \"rs0\", \"secondary\": true, \"hosts\": []}}");
    expect("member_state", 2);
    expect("members", 0);
    take(&status, "{\"repl\": {\"setName\": \"rs0\", \"arbiterOnly\": true}}");
    expect("member_state", 7);
    take(&status, "{\"repl\": {\"setName\": \"rs0\"}}");
    expect("member_state", 0);
}

static void test_wrong_types_and_absurd_values(void **state)
{
    (void)state;
    struct status status = {0};
    take(&status, "{\"opcounters\": [1, 2, 3], \"connections\": \"many\","
                  " \"mem\": {\"resident\": {\"$numberLong\": \"9223372036854775807\"}},"
                  " \"wiredTiger\": {\"cache\": {\"bytes currently in the cache\": -1,"
                  "  \"maximum bytes configured\": {\"$numberDouble\": \"NaN\"},"
                  "  \"tracked dirty bytes in the cache\": {\"$numberDouble\": \"1e300\"}}},"
                  " \"repl\": {\"setName\": 7, \"isWritablePrimary\": \"yes\", \"hosts\": \"a\"}}");
    expect_absent("operations_total{type=\"insert\"}");
    expect_absent("connections{state=\"current\"}");
    expect("resident_memory_bytes", 9223372036854775807.0);
    expect_absent("cache_used_bytes");
    expect_absent("cache_max_bytes");
    expect_absent("cache_dirty_bytes");
    expect("member_state", 0);
    expect_absent("members");
}

static void test_sums_never_overflow(void **state)
{
    (void)state;
    struct status status = {0};
    for (int i = 0; i < 6; i++)
        take(&status, i % 2 == 0 ? "{\"opcounters\": {\"insert\": 0}}"
                                 : "{\"opcounters\": {\"insert\": {\"$numberLong\": "
                                   "\"9223372036854775807\"}}}");
    expect("operations_total{type=\"insert\"}", 9223372036854775807.0);
}

static void test_a_huge_array(void **state)
{
    (void)state;
    struct status status = {0};
    bson_t reply, repl, hosts;
    bson_init(&reply);
    BSON_APPEND_DOCUMENT_BEGIN(&reply, "repl", &repl);
    BSON_APPEND_UTF8(&repl, "setName", "rs0");
    BSON_APPEND_ARRAY_BEGIN(&repl, "hosts", &hosts);
    for (int i = 0; i < 100000; i++)
        bson_append_utf8(&hosts, "0", 1, "host:27017", -1);
    bson_append_array_end(&repl, &hosts);
    bson_append_document_end(&reply, &repl);
    status_take_server(&status, &reply);
    bson_destroy(&reply);
    expect("members", 1000); /* counted no further */
}

/* Any byte of a reply changed: nothing but figures comes of it (the sanitizers
 * look on). */
static void test_bytes_that_are_no_bson(void **state)
{
    (void)state;
    bson_t *reply = from_json(server_7);
    uint8_t *bytes = malloc(reply->len);
    assert_non_null(bytes);
    for (uint32_t i = 4; i < reply->len; i++) {
        for (int flip = 0; flip < 3; flip++) {
            struct status status = {0};
            bson_t changed;
            static const uint8_t with[] = {0x01, 0x80, 0xff};
            memcpy(bytes, bson_get_data(reply), reply->len);
            bytes[i] ^= with[flip];
            if (bson_init_static(&changed, bytes, reply->len))
                status_take_server(&status, &changed);
        }
    }
    free(bytes);
    bson_destroy(reply);
}

static void test_database(void **state)
{
    (void)state;
    bson_t *reply = from_json(
        "{\"db\": \"motorcade\", \"collections\": 2, \"objects\": {\"$numberLong\": \"1000\"},"
        " \"dataSize\": {\"$numberDouble\": \"122000\"}, \"storageSize\": 61440, \"indexes\": 4,"
        " \"indexSize\": 4096, \"fsUsedSize\": {\"$numberDouble\": \"8e10\"},"
        " \"fsTotalSize\": {\"$numberDouble\": \"1e11\"}, \"ok\": 1}");
    status_take_database("motorcade", reply);
    expect("database_documents{database=\"motorcade\"}", 1000);
    expect("database_data_bytes{database=\"motorcade\"}", 122000);
    expect("database_storage_bytes{database=\"motorcade\"}", 61440);
    expect("database_index_bytes{database=\"motorcade\"}", 4096);
    expect("disk_used_bytes{database=\"motorcade\"}", 8e10);
    expect("disk_size_bytes{database=\"motorcade\"}", 1e11);
    status_take_database("a\"} 1\nb", reply);
    expect_absent("database_documents{database=\"a\"} 1\nb\"}");
    bson_destroy(reply);
    status_take_database("motorcade", NULL);
    expect_absent("database_documents{database=\"motorcade\"}");
}

static void test_a_collection_on_two_shards(void **state)
{
    (void)state;
    struct status_sums sums;
    status_sums_init(&sums);
    bson_t *shard = from_json("{\"ns\": \"m.position\", \"storageStats\": {\"size\": 100,"
                              " \"count\": 2, \"storageSize\": 4096, \"wiredTiger\": {}}}");
    status_sums_add(&sums, shard);
    status_sums_add(&sums, shard);
    bson_destroy(shard);
    status_take_collection("m", "position", &sums);
    expect("collection_documents{database=\"m\",collection=\"position\"}", 4);
    expect("collection_data_bytes{database=\"m\",collection=\"position\"}", 200);
    expect("collection_storage_bytes{database=\"m\",collection=\"position\"}", 8192);
    expect_absent("collection_index_bytes{database=\"m\",collection=\"position\"}");
    status_sums_init(&sums);
    status_take_collection("m", "position", &sums);
    expect_absent("collection_documents{database=\"m\",collection=\"position\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_of_today),
        cmocka_unit_test(test_counters_grow_and_survive_a_restart),
        cmocka_unit_test(test_what_a_server_does_not_give_is_absent),
        cmocka_unit_test(test_an_older_primary_and_other_members),
        cmocka_unit_test(test_wrong_types_and_absurd_values),
        cmocka_unit_test(test_sums_never_overflow),
        cmocka_unit_test(test_a_huge_array),
        cmocka_unit_test(test_bytes_that_are_no_bson),
        cmocka_unit_test(test_database),
        cmocka_unit_test(test_a_collection_on_two_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A publisher over a broker that answers as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "broker/driver.h"
#include "simulate/publisher.h"

enum { TAGS_MAX = 64 };

/* The one producer, and the tags that wait for their report. */
static struct {
    struct producer base;
    uint64_t tags[TAGS_MAX];
    size_t count;
    char order[256]; /* the values published, one after the other */
    bool is_full;
    int refuses; /* so many, from now on */
} fake;

static int fake_open(struct producer **out, struct broker *broker, struct error *err)
{
    (void)broker, (void)err;
    memset(&fake, 0, sizeof fake);
    *out = &fake.base;
    return 0;
}

static enum publish_result fake_publish(struct producer *producer, int topic, int partition,
                                        const struct record *record, uint64_t tag)
{
    (void)producer, (void)topic, (void)partition;
    if (fake.is_full || fake.count == TAGS_MAX)
        return PUBLISH_FULL;
    if (fake.refuses > 0) {
        fake.refuses--;
        return PUBLISH_REFUSED;
    }
    fake.tags[fake.count++] = tag;
    size_t used = strlen(fake.order);
    snprintf(fake.order + used, sizeof fake.order - used, "%.*s", (int)record->value.len,
             record->value.ptr);
    return PUBLISH_ACCEPTED;
}

static void fake_nothing(struct producer *producer)
{
    (void)producer;
}

static void fake_wait(struct producer *producer, int64_t timeout_ns)
{
    (void)producer, (void)timeout_ns;
}

/* The i-th of those that fly. */
static void report(size_t i, enum delivery delivery)
{
    uint64_t tag = fake.tags[i];
    memmove(&fake.tags[i], &fake.tags[i + 1], (--fake.count - i) * sizeof fake.tags[0]);
    producer_deliver(&fake.base, tag, delivery, 0);
}

static void fake_close(struct producer *producer, int64_t timeout_ns)
{
    (void)timeout_ns;
    while (fake.count > 0)
        report(0, DELIVERY_FAILED);
    producer_deinit(producer);
}

static int fake_add_topic(struct broker *broker, int number, struct error *err)
{
    (void)broker, (void)number, (void)err;
    return 0;
}

static const struct broker_driver fake_driver = {
    .name = "fake",
    .add_topic = fake_add_topic,
    .producer_open = fake_open,
    .publish = fake_publish,
    .flush = fake_nothing,
    .poll = fake_nothing,
    .wait = fake_wait,
    .producer_close = fake_close,
};

struct fixture {
    struct broker broker;
    struct publisher publisher;
    struct letter_file letters;
    struct produce_stats stats;
    int topic;
    char path[64];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct broker_config config = {.partitions = 1, .record_bytes_max = 1000};
    const struct publisher_options options = {.messages_max = 8,
                                              .bytes_max = 1000,
                                              .attempts = 3,
                                              .backoff_first_ns = 1,
                                              .backoff_max_ns = 1};
    broker_init(&f->broker, &fake_driver, &config);
    f->topic = broker_topic(&f->broker, "t", 1, NULL);
    snprintf(f->path, sizeof f->path, "/tmp/motorcade-letters-%d", (int)getpid());
    assert_int_equal(letter_file_open(&f->letters, f->path, NULL), 0);
    assert_int_equal(
        publisher_open(&f->publisher, &f->broker, &options, &f->letters, &f->stats, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    publisher_close(&f->publisher);
    assert_int_equal(letter_file_close(&f->letters, NULL), 0);
    unlink(f->path);
    broker_deinit(&f->broker);
    free(f);
    return 0;
}

static void add(struct fixture *f, const char *value)
{
    const struct record record = {.key = BYTES("k"), .value = bytes_from_text(value)};
    assert_int_equal(publisher_add(&f->publisher, f->topic, &record, 0, NULL), 0);
}

/* Past every pause. */
static void pump(struct fixture *f)
{
    publisher_pump(&f->publisher, INT64_MAX);
}

/* The dead-letter file's text; to be freed. */
static char *letters(struct fixture *f)
{
    publisher_close(&f->publisher);
    assert_int_equal(letter_file_close(&f->letters, NULL), 0);
    char *text = calloc(1, 4096);
    FILE *file = fopen(f->path, "r");
    if (file != NULL) {
        text[fread(text, 1, 4095, file)] = '\0';
        fclose(file);
    }
    return text;
}

static void test_all_durable_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    add(f, "a");
    add(f, "b");
    pump(f);
    assert_int_equal(fake.count, 2);
    report(1, DELIVERY_DURABLE);
    report(0, DELIVERY_DURABLE);
    assert_int_equal(f->publisher.count, 0);
    assert_int_equal(f->stats.durable, 2);
    char *text = letters(f);
    assert_string_equal(text, "");
    assert_int_not_equal(access(f->path, F_OK), 0);
    free(text);
}

static void test_failed_ones_go_again_in_order_before_newer_ones(void **state)
{
    struct fixture *f = *state;
    add(f, "a");
    add(f, "b");
    add(f, "c");
    pump(f);
    report(1, DELIVERY_FAILED); /* b */
    add(f, "d");
    pump(f);
    assert_string_equal(fake.order, "abc"); /* nothing, while a and c fly */
    assert_false(publisher_has_room(&f->publisher));
    report(0, DELIVERY_FAILED);  /* a */
    report(0, DELIVERY_DURABLE); /* c */
    publisher_pump(&f->publisher, 0);
    assert_string_equal(fake.order, "abc"); /* nor before the pause is over */
    assert_true(publisher_next_ns(&f->publisher) < INT64_MAX);
    pump(f);
    assert_string_equal(fake.order, "abcabd");
    assert_int_equal(f->stats.failed_attempts, 2);
    while (fake.count > 0)
        report(0, DELIVERY_DURABLE);
    assert_int_equal(f->stats.durable, 4);
    assert_int_equal(f->stats.dead_letters, 0);
}

static void test_the_last_attempt_leads_to_the_file(void **state)
{
    struct fixture *f = *state;
    add(f, "{\"a\":1}");
    for (int i = 0; i < 3; i++) {
        pump(f);
        assert_int_equal(fake.count, 1);
        report(0, DELIVERY_FAILED);
    }
    pump(f);
    assert_int_equal(fake.count, 0);
    assert_int_equal(f->stats.dead_letters, 1);
    char *text = letters(f);
    assert_non_null(
        strstr(text, "\"topic\":\"t\",\"key\":\"k\",\"value\":\"{\\\"a\\\":1}\",\"attempts\":3,"
                     "\"reason\":\"not_durable\""));
    free(text);
}

static void test_what_is_too_large_is_not_tried_again(void **state)
{
    struct fixture *f = *state;
    fake.refuses = 1;
    add(f, "\xff");
    add(f, "b");
    pump(f);
    assert_string_equal(fake.order, "b");
    char *text = letters(f);
    assert_non_null(strstr(text, "\"value_hex\":\"ff\",\"attempts\":0,\"reason\":\"too_large\""));
    free(text);
}

static void test_the_end_leaves_nothing_out(void **state)
{
    struct fixture *f = *state;
    add(f, "a");
    pump(f);
    fake.is_full = true;
    add(f, "b");
    pump(f);
    char *text = letters(f);
    assert_non_null(strstr(text, "\"value\":\"a\",\"attempts\":1,\"reason\":\"unconfirmed\""));
    assert_non_null(strstr(text, "\"value\":\"b\",\"attempts\":0,\"reason\":\"unpublished\""));
    assert_int_equal(f->stats.dead_letters, 2);
    free(text);
}

static void test_bounds_in_messages_and_bytes(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        assert_true(publisher_has_room(&f->publisher));
        add(f, "x");
    }
    assert_false(publisher_has_room(&f->publisher));
    pump(f);
    report(0, DELIVERY_DURABLE);
    assert_true(publisher_has_room(&f->publisher));
    char large[1001] = "";
    memset(large, 'x', 999);
    add(f, large);
    assert_false(publisher_has_room(&f->publisher));
}

static void test_a_full_broker_is_asked_again(void **state)
{
    struct fixture *f = *state;
    fake.is_full = true;
    add(f, "a");
    pump(f);
    pump(f);
    assert_false(publisher_has_room(&f->publisher));
    assert_int_equal(f->stats.full, 1); /* once a time, not once a look */
    fake.is_full = false;
    pump(f);
    assert_string_equal(fake.order, "a");
    assert_true(publisher_has_room(&f->publisher));
}

static void test_backoff_doubles_up_to_its_limit(void **state)
{
    (void)state;
    struct random_source random = {1};
    assert_int_equal(backoff_limit_ns(100, 1000, 0), 100);
    assert_int_equal(backoff_limit_ns(100, 1000, 3), 800);
    assert_int_equal(backoff_limit_ns(100, 1000, 4), 1000);
    assert_int_equal(backoff_limit_ns(100, INT64_MAX, 1000), INT64_C(100) << 20);
    int64_t least = 800, most = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t pause = backoff_ns(&random, 100, 1000, 3);
        assert_in_range(pause, 0, 800);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    assert_true(least < 80 && most > 720);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_durable_leaves_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_ones_go_again_in_order_before_newer_ones,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_attempt_leads_to_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_too_large_is_not_tried_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_leaves_nothing_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds_in_messages_and_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_broker_is_asked_again, set_up, tear_down),
        cmocka_unit_test(test_backoff_doubles_up_to_its_limit),
    };
    return cmocka_run_group_tests_name("simulate/publisher", tests, NULL, NULL);
}

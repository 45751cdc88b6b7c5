/* SPDX-License-Identifier: Apache-2.0 */
/* What every broker back end keeps to. The argument names the back end. */
#include "contract/broker_fixture.h"

/* ---- topics ---- */

static void topics_have_numbers_and_names(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(topic(f, "gpscoords"), 0);
    struct error err;
    assert_int_equal(broker_topic(f->broker, "data-topic", 5, &err), 1);
    assert_int_equal(topic(f, "gpscoords"), 0);
    assert_int_equal(broker_find_topic(f->broker, "data-topic"), 1);
    assert_int_equal(broker_find_topic(f->broker, "none"), -1);
    assert_string_equal(broker_topic_name(f->broker, 1), "data-topic");
    assert_int_equal(broker_topic_count(f->broker), 2);
    assert_int_equal(broker_partitions(f->broker, 0), 3);
    assert_int_equal(broker_partitions(f->broker, 1), 5);
}

static void bad_topics_are_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    assert_int_equal(broker_topic(f->broker, "", 0, &err), -1);
    assert_int_equal(broker_topic(f->broker, "Upper", 0, &err), -1);
    assert_non_null(strstr(err.text, "Upper"));
    assert_int_equal(broker_topic(f->broker, "a/b", 0, &err), -1);
    assert_int_equal(broker_topic(f->broker, "ok", 100000, &err), -1);
    char longest[102];
    memset(longest, 'a', sizeof longest);
    longest[101] = 0;
    assert_int_equal(broker_topic(f->broker, longest, 0, &err), -1);
    longest[100] = 0;
    assert_int_equal(broker_topic(f->broker, longest, 0, &err), 0);
}

/* ---- producing ---- */

static void what_is_published_is_fetched_whole(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    char value[300];
    memset(value, 'x', sizeof value);
    struct record record = {.key = BYTES("car 1"),
                            .value = {value, sizeof value},
                            .mc = BYTES("header\0with zero"),
                            .traceparent = BYTES("00-0af7651916cd43dd8448eb211c80319c-01"),
                            .timestamp_ns = INT64_C(1700000000123456789)};
    assert_int_equal(producer_publish(f->producer, t, &record, 7), PUBLISH_ACCEPTED);
    wait_delivered(f->producer);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    struct consumed_batch batch = fetch(consumer, 10);
    assert_int_equal(batch.count, 1);
    const struct record *got = &batch.records[0].record;
    assert_true(bytes_equal(got->key, record.key));
    assert_true(bytes_equal(got->value, record.value));
    assert_true(bytes_equal(got->mc, record.mc));
    assert_true(bytes_equal(got->traceparent, record.traceparent));
    assert_int_equal(got->timestamp_ns / NS_PER_MS, record.timestamp_ns / NS_PER_MS);
    assert_int_equal(batch.records[0].topic, t);
    assert_int_equal(batch.records[0].offset, f->offsets[0]);
    consumer_close(consumer);
}

static void empty_parts_stay_empty(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct record record = {.timestamp_ns = -5};
    assert_int_equal(producer_publish(f->producer, t, &record, 1), PUBLISH_ACCEPTED);
    wait_delivered(f->producer);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    struct consumed_batch batch = fetch(consumer, 10);
    assert_int_equal(batch.records[0].record.key.len, 0);
    assert_int_equal(batch.records[0].record.value.len, 0);
    assert_int_equal(batch.records[0].record.mc.len, 0);
    consumer_close(consumer);
}

static void deliveries_come_once_and_in_order(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 5000);
    assert_int_equal(f->durable, 5000);
    assert_int_equal(f->failed, 0);
    expect_told(f, 5000);
    for (size_t i = 0; i < 5000 && kind != BROKER_KAFKA; i++)
        assert_int_equal(f->tags[i], i); /* over Kafka each partition goes its own way */
}

static void same_key_same_partition_as_javas_clients(void **state)
{
    struct fixture *f = *state;
    struct error err;
    int t = broker_topic(f->broker, "t", 100, &err);
    publish_durably(f, t, "foobar", "v0", 0);
    publish_durably(f, t, "foobar", "v1", 1);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct consumed_batch batch = fetch(consumer, 1);
        /* murmur2("foobar") = -790332482 in Apache Kafka's UtilsTest */
        assert_int_equal(batch.records[0].partition, (-790332482 & 0x7fffffff) % 100);
        assert_int_equal(tag_of(&batch.records[0]), i);
    }
    consumer_close(consumer);
}

static void records_without_key_go_round(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    for (unsigned i = 0; i < 6; i++)
        publish_durably(f, t, "", "v", i);
    for (int p = 0; p < 3; p++) {
        struct broker_offsets offsets;
        assert_int_equal(broker_offsets(f->broker, t, p, &offsets, NULL), 0);
        assert_int_equal(offsets.end - offsets.earliest, 2);
    }
}

static void too_large_is_refused(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    char *value = calloc(1, 10001);
    struct record record = {.value = {value, 10001}};
    assert_int_equal(producer_publish(f->producer, t, &record, 1), PUBLISH_REFUSED);
    record.value.len = 10000;
    assert_int_equal(producer_publish(f->producer, t, &record, 2), PUBLISH_ACCEPTED);
    wait_delivered(f->producer);
    assert_int_equal(f->durable, 1);
    assert_int_equal(f->tags[0], 2);
    free(value);
}

static void a_full_queue_answers_full_then_room(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    unsigned accepted = 0;
    while (publish(f->producer, t, "k", "v", accepted) == PUBLISH_ACCEPTED)
        accepted++;
    assert_int_equal(accepted, 2000);
    assert_int_equal(f->rooms, 0);
    wait_delivered(f->producer);
    assert_int_equal(f->durable, 2000);
    assert_int_equal(f->rooms, 1);
    assert_int_equal(publish(f->producer, t, "k", "v", 2000), PUBLISH_ACCEPTED);
}

static void closing_a_producer_delivers_the_rest(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(publish(f->producer, t, "k", "v", i), PUBLISH_ACCEPTED);
    producer_close(f->producer, DEADLINE);
    f->producer = NULL;
    assert_int_equal(f->delivered, 100);
    assert_int_equal(f->durable, 100);
}

static void the_owner_is_woken_when_durable(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    producer_close(f->producer, DEADLINE);
    struct producer_handler handler = {.on_delivery = on_delivery, .wake = on_wake, .context = f};
    assert_int_equal(producer_open(&f->producer, f->broker, &handler, NULL), 0);
    assert_int_equal(publish(f->producer, t, "k", "v", 1), PUBLISH_ACCEPTED);
    producer_flush(f->producer);
    int seen = 0;
    do {
        wait_wakes(f, seen);
        assert_int_equal(f->delivered, 0); /* not before a poll */
        seen = atomic_load(&f->wakes);
        producer_poll(f->producer);
    } while (kind == BROKER_KAFKA && f->durable == 0); /* others than reports wake, too */
    assert_int_equal(f->durable, 1);
}

/* ---- recalling ---- */

static void reopen_with_returns(struct fixture *f)
{
    producer_close(f->producer, DEADLINE);
    struct producer_handler handler = {
        .on_delivery = on_delivery, .on_return = on_return, .wake = on_wake, .context = f};
    assert_int_equal(producer_open(&f->producer, f->broker, &handler, NULL), 0);
}

static void what_is_recalled_comes_back_or_is_durable(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    reopen_with_returns(f);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(publish_tag(f, t, i), PUBLISH_ACCEPTED);
        if (i == 400)
            producer_flush(f->producer);
    }
    producer_recall(f->producer);
    wait_wakes(f, 0);
    assert_int_equal(f->delivered, 0); /* not before a poll */
    wait_delivered(f->producer);
    expect_told(f, 1000);
    assert_int_equal(f->durable + f->returned, 1000);
    if (is_spooled)
        assert_int_equal(f->durable, 1000); /* on its disk */
    else if (kind == BROKER_MEMORY || kind == BROKER_JOURNAL)
        assert_int_equal(f->returned, 599);
}

static void a_producer_goes_on_after_a_recall(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    reopen_with_returns(f);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(publish_tag(f, t, i), PUBLISH_ACCEPTED);
    producer_recall(f->producer);
    for (unsigned i = 100; i < 200; i++)
        assert_int_equal(publish_tag(f, t, i), PUBLISH_ACCEPTED);
    wait_delivered(f->producer);
    expect_told(f, 200);
    assert_true(f->durable >= 100);
    for (unsigned i = 0; i < 200; i++)
        assert_true(f->offsets[i] != NOT_DURABLE || f->tags[i] < 100);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    for (size_t got = 0; got < f->durable;)
        got += fetch(consumer, 100).count;
    consumer_close(consumer);
}

static void without_on_return_the_recalled_fail(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(publish_tag(f, t, i), PUBLISH_ACCEPTED);
    producer_recall(f->producer);
    wait_delivered(f->producer);
    expect_told(f, 100);
    assert_int_equal(f->durable + f->failed, 100);
    producer_recall(f->producer); /* of nothing */
    producer_poll(f->producer);
    assert_int_equal(f->delivered, 100);
}

/* ---- consuming ---- */

static void consumers_see_all_in_order(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 5000);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    expect_all(consumer, 5000);
    consumer_close(consumer);
}

static void other_topics_are_not_seen(void **state)
{
    struct fixture *f = *state;
    int a = topic(f, "a");
    int b = topic(f, "b");
    int dead = topic(f, "a.dead-letters");
    publish_durably(f, a, "k", "v1", 1);
    publish_durably(f, b, "k", "v2", 2);
    publish_durably(f, dead, "k", "v3", 3);
    publish_durably(f, a, "k", "v4", 4);
    struct consumer *consumer = consume(f, NULL, b, CONSUMER_FROM_EARLIEST, 0);
    struct consumed_batch batch = fetch(consumer, 10);
    assert_int_equal(batch.count, 1);
    assert_int_equal(tag_of(&batch.records[0]), 2);
    consumer_close(consumer);
    consumer = consume(f, NULL, dead, CONSUMER_FROM_EARLIEST, 0);
    assert_int_equal(tag_of(&fetch(consumer, 10).records[0]), 3);
    assert_int_equal(fetch_now(consumer), 0);
    consumer_close(consumer);
}

static void one_consumer_reads_several_topics(void **state)
{
    struct fixture *f = *state;
    int topics[] = {topic(f, "a"), topic(f, "a.dead-letters"), topic(f, "c")};
    for (unsigned i = 0; i < 30; i++)
        publish_durably(f, topics[i % 3], "k", "v", i);
    struct consumer_options options = {
        .topics = topics, .topic_count = 3, .start = CONSUMER_FROM_EARLIEST};
    struct consumer *consumer;
    assert_int_equal(consumer_open(&consumer, f->broker, &options, NULL), 0);
    unsigned seen[3] = {0};
    for (unsigned got = 0; got < 30;) {
        struct consumed_batch batch = fetch(consumer, 7);
        for (size_t i = 0; i < batch.count; i++, got++)
            seen[batch.records[i].topic]++;
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[topics[i]], 10);
    consumer_close(consumer);
}

static void latest_offset_and_time_starts(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    for (unsigned i = 0; i < 20; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%u", i);
        publish_durably(f, t, "k", value, i);
    }
    struct consumer *latest = consume(f, NULL, t, CONSUMER_FROM_LATEST, 0);
    struct consumer *time = consume(f, NULL, t, CONSUMER_FROM_TIME, 12 * NS_PER_MS);
    struct consumer *offset = consume(f, NULL, t, CONSUMER_FROM_OFFSET, f->offsets[15]);
    assert_int_equal(fetch_now(latest), 0);
    assert_int_equal(tag_of(&fetch(time, 1).records[0]), 12);
    assert_int_equal(tag_of(&fetch(offset, 1).records[0]), 15);
    publish_durably(f, t, "k", "v20", 20);
    assert_int_equal(tag_of(&fetch(latest, 1).records[0]), 20);
    consumer_close(latest);
    consumer_close(time);
    consumer_close(offset);
}

/* What is asked for comes whole; more may. */
static void a_broadcast_may_want_some_partitions_only(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 60);
    const struct consumer_partition only = {t, 1};
    const struct consumer_options options = {.topics = &t,
                                             .topic_count = 1,
                                             .start = CONSUMER_FROM_TIME,
                                             .start_value = 0,
                                             .only = &only,
                                             .only_count = 1};
    struct consumer *consumer;
    struct broker_offsets offsets;
    int64_t next = 0;
    assert_int_equal(consumer_open(&consumer, f->broker, &options, NULL), 0);
    assert_int_equal(broker_offsets(f->broker, t, 1, &offsets, NULL), 0);
    assert_true(offsets.end > 0);
    while (next < offsets.end) {
        struct consumed_batch batch = fetch(consumer, 7);
        for (size_t i = 0; i < batch.count; i++) {
            if (batch.records[i].partition != 1)
                continue;
            assert_int_equal(batch.records[i].offset, next);
            next = batch.records[i].offset + 1;
        }
    }
    consumer_close(consumer);
    struct consumer_options grouped = options;
    grouped.group = "g";
    struct error err;
    assert_int_equal(consumer_open(&consumer, f->broker, &grouped, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
}

static void seek_goes_back_and_forth(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    for (unsigned i = 0; i < 20; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%u", i);
        publish_durably(f, t, "k", value, i);
    }
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    int partition = fetch(consumer, 20).records[0].partition;
    assert_int_equal(consumer_seek(consumer, t, partition, f->offsets[3], NULL), 0);
    assert_int_equal(consumer_lag(consumer, t, partition), 17);
    assert_int_equal(tag_of(&fetch(consumer, 2).records[0]), 3);
    assert_int_equal(consumer_seek(consumer, t, partition, f->offsets[18], NULL), 0);
    assert_int_equal(tag_of(&fetch(consumer, 2).records[0]), 18);
    consumer_close(consumer);
}

static void lag_is_what_is_left(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 100);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    int64_t lag = 0;
    for (int p = 0; p < 3; p++)
        lag += consumer_lag(consumer, t, p);
    assert_int_equal(lag, 100);
    for (size_t got = 0; got < 100;)
        got += fetch(consumer, 30).count;
    for (int p = 0; p < 3; p++)
        assert_int_equal(consumer_lag(consumer, t, p), 0);
    consumer_close(consumer);
}

static void *publish_later(void *context)
{
    struct fixture *f = context;
    usleep(20000);
    publish(f->producer, 0, "k", "v1", 1);
    while (producer_pending(f->producer) > 0)
        producer_wait(f->producer, SECOND);
    return NULL;
}

static void fetch_waits_for_a_record(void **state)
{
    struct fixture *f = *state;
    struct consumer *consumer = consume(f, NULL, topic(f, "t"), CONSUMER_FROM_EARLIEST, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, publish_later, f), 0);
    assert_int_equal(fetch(consumer, 10).count, 1);
    pthread_join(thread, NULL);
    consumer_close(consumer);
}

static void an_idle_consumer_is_woken(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct consumer_options options = {.topics = &t,
                                       .topic_count = 1,
                                       .start = CONSUMER_FROM_EARLIEST,
                                       .wake = on_wake,
                                       .context = f};
    struct consumer *consumer;
    assert_int_equal(consumer_open(&consumer, f->broker, &options, NULL), 0);
    assert_int_equal(fetch_now(consumer), 0);
    int before = atomic_load(&f->wakes);
    publish_durably(f, t, "k", "v1", 1);
    assert_int_equal(fetch_woken(f, consumer, before), 1);
    consumer_close(consumer);
}

/* ---- groups ---- */

static void commit(struct consumer *consumer, const struct consumed *c)
{
    struct error err = {0};
    if (consumer_commit(consumer, c->topic, c->partition, c->offset + 1, &err) != 0)
        fail_msg("%s", err.text);
}

static void a_group_goes_on_where_it_committed(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    for (unsigned i = 0; i < 20; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%u", i);
        publish_durably(f, t, "k", value, i);
    }
    struct consumer *consumer = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    struct consumed_batch batch = fetch(consumer, 10);
    assert_int_equal(batch.count, 10);
    int partition = batch.records[0].partition;
    assert_int_equal(broker_committed(f->broker, "g", t, partition), -1);
    commit(consumer, &batch.records[4]);
    assert_int_equal(broker_committed(f->broker, "g", t, partition), f->offsets[5]);
    consumer_close(consumer);
    consumer = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    assert_int_equal(tag_of(&fetch(consumer, 1).records[0]), 5);
    consumer_close(consumer);
}

static void groups_are_independent(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 50);
    struct consumer *a = consume(f, "a", t, CONSUMER_FROM_COMMITTED, 0);
    struct consumer *b = consume(f, "b", t, CONSUMER_FROM_COMMITTED, 0);
    expect_all(a, 50);
    expect_all(b, 50);
    consumer_close(a);
    consumer_close(b);
}

static void a_group_from_latest_skips_what_was(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_durably(f, t, "k", "v1", 1);
    struct consumer *consumer = consume(f, "g", t, CONSUMER_FROM_LATEST, 0);
    assert_int_equal(fetch_now(consumer), 0);
    publish_durably(f, t, "k", "v2", 2);
    consumer_close(consumer); /* the begin is the group's, not the consumer's */
    consumer = consume(f, "g", t, CONSUMER_FROM_LATEST, 0);
    assert_int_equal(tag_of(&fetch(consumer, 10).records[0]), 2);
    consumer_close(consumer);
}

static void members_divide_the_partitions(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct consumer *a = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    struct consumer *b = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    wait_divided(a, b);
    for (unsigned i = 0; i < 6; i++)
        publish_durably(f, t, "", "v", i); /* two in each partition */
    size_t of_a = 0;
    size_t of_b = 0;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (of_a + of_b < 6 && clock_monotonic_ns() < deadline) {
        of_a += fetch_now(a);
        of_b += fetch_now(b);
    }
    assert_int_equal(of_a, 2 * consumer_owned(a));
    assert_int_equal(of_b, 2 * consumer_owned(b));
    assert_int_equal(fetch_now(a) + fetch_now(b), 0);
    if (kind != BROKER_KAFKA) /* whose assignor may choose */
        assert_int_equal(of_a, 4);
    consumer_close(a);
    consumer_close(b);
}

static void a_leaver_s_uncommitted_records_come_again(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct consumer *a = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    struct consumer *b = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    wait_divided(a, b);
    for (unsigned i = 0; i < 6; i++)
        publish_durably(f, t, "", "v", i);
    fetch(a, 100);
    consumer_close(a);
    size_t of_b = 0;
    while (of_b < 6)
        of_b += fetch(b, 100).count;
    assert_int_equal(fetch_now(b), 0);
    consumer_close(b);
}

static void a_partition_moves_only_between_fetches(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 30);
    struct consumer *a = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    struct consumed_batch batch = fetch(a, 30);
    struct consumer *b = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    assert_int_equal(fetch_now(b), 0); /* all are still with a */
    for (size_t i = 0; i < batch.count; i++)
        commit(a, &batch.records[i]);
    size_t got = batch.count;
    struct consumed_batch more;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (got < 30) {
        assert_int_equal(consumer_fetch(a, &more, 30, 0, NULL), 0);
        for (size_t i = 0; i < more.count; i++)
            commit(a, &more.records[i]);
        size_t b_got = fetch_now(b);
        got += more.count + b_got;
        assert_true(more.count + b_got > 0 ||
                    (kind == BROKER_KAFKA && clock_monotonic_ns() < deadline));
    }
    assert_int_equal(got, 30);
    wait_divided(a, b);
    size_t refused = 0;
    for (int p = 0; p < 3; p++) {
        struct error err = {0};
        if (consumer_commit(a, t, p, 1, &err) == 0)
            continue;
        assert_int_equal(err.kind, ERROR_BUSY); /* b's now */
        assert_true(err.is_transient);
        refused++;
    }
    assert_int_equal(refused, consumer_owned(b));
    consumer_close(a);
    consumer_close(b);
}

static void a_waiting_member_gets_what_a_leaver_had(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 10);
    struct consumer *a = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    fetch(a, 10);
    struct consumer_options options = {.group = "g",
                                       .topics = &t,
                                       .topic_count = 1,
                                       .start = CONSUMER_FROM_COMMITTED,
                                       .wake = on_wake,
                                       .context = f};
    struct consumer *b;
    assert_int_equal(consumer_open(&b, f->broker, &options, NULL), 0);
    assert_int_equal(fetch_now(b), 0);
    int before = atomic_load(&f->wakes);
    consumer_close(a);
    assert_true(fetch_woken(f, b, before) > 0);
    consumer_close(b);
}

static void commits_need_a_group(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    struct error err = {0};
    assert_int_equal(consumer_commit(consumer, t, 0, 1, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    consumer_close(consumer);
}

static void a_commit_never_goes_back(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    publish_many(f, t, 30);
    struct consumer *consumer = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    fetch(consumer, 30);
    assert_int_equal(consumer_commit(consumer, t, 0, 5, NULL), 0);
    assert_int_equal(consumer_commit(consumer, t, 0, 3, NULL), 0);
    assert_int_equal(broker_committed(f->broker, "g", t, 0), 5);
    consumer_close(consumer);
}

/* ---- the cap ---- */

static void the_cap_stops_sources_until_consumers_catch_up(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct consumer *consumer = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    unsigned accepted = publish_until_full(f, f->producer, t);
    assert_in_range(accepted, 300, 1100);
    size_t rooms = f->rooms;
    struct producer *derived = open_producer(f, true);
    assert_int_equal(publish(derived, t, "k", "v", 1), PUBLISH_ACCEPTED);
    wait_delivered(derived);
    producer_close(derived, DEADLINE);
    for (unsigned got = 0; got < accepted + 1;) {
        struct consumed_batch batch = fetch(consumer, 1000);
        got += (unsigned)batch.count;
        commit(consumer, &batch.records[batch.count - 1]);
    }
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (f->rooms == rooms) {
        assert_true(clock_monotonic_ns() < deadline);
        producer_wait(f->producer, SECOND / 100);
    }
    assert_int_equal(publish(f->producer, t, "k", "v", 9), PUBLISH_ACCEPTED);
    wait_delivered(f->producer);
    assert_int_equal(f->failed, 0);
    consumer_close(consumer);
}

static void what_no_group_reads_is_not_dropped_at_the_cap(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    unsigned accepted = publish_until_full(f, f->producer, t);
    struct consumer *consumer = consume(f, NULL, t, CONSUMER_FROM_EARLIEST, 0);
    for (unsigned got = 0; got < accepted;)
        got += (unsigned)fetch(consumer, 1000).count;
    consumer_close(consumer);
}

/* ---- many threads ---- */

enum { THREADS = 3, PER_THREAD = 3000 };

struct sender {
    struct fixture *f;
    struct fixture mine; /* its deliveries */
    unsigned number;
};

static void *send_many(void *context)
{
    struct sender *sender = context;
    sender->mine.broker = sender->f->broker;
    struct producer *producer = open_producer(&sender->mine, false);
    for (unsigned i = 0; i < PER_THREAD; i++) {
        char key[16];
        char value[32];
        snprintf(key, sizeof key, "k%u", i % 5);
        snprintf(value, sizeof value, "v%u", sender->number * PER_THREAD + i);
        while (publish(producer, 0, key, value, i) == PUBLISH_FULL)
            producer_wait(producer, SECOND);
        if (i % 50 == 49)
            producer_flush(producer);
        producer_poll(producer);
    }
    producer_close(producer, DEADLINE);
    return NULL;
}

static void threads_publish_and_consume_at_once(void **state)
{
    struct fixture *f = *state;
    int t = topic(f, "t");
    struct sender *senders = calloc(THREADS, sizeof *senders);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i].f = f;
        senders[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    struct consumer *consumer = consume(f, "g", t, CONSUMER_FROM_COMMITTED, 0);
    bool *seen = calloc(THREADS * PER_THREAD, sizeof *seen);
    for (unsigned got = 0; got < THREADS * PER_THREAD;) {
        struct consumed_batch batch = fetch(consumer, 500);
        for (size_t i = 0; i < batch.count; i++, got++) {
            assert_false(seen[tag_of(&batch.records[i])]);
            seen[tag_of(&batch.records[i])] = true;
        }
        commit(consumer, &batch.records[batch.count - 1]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(senders[i].mine.durable, PER_THREAD);
    }
    consumer_close(consumer);
    free(seen);
    free(senders);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int usage(void)
{
    fprintf(stderr, "usage: test_broker memory|journal|kafka|spool\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return usage();
    static const char *const kinds[] = {"journal", "memory", "kafka"};
    is_spooled = strcmp(argv[1], "spool") == 0; /* over memory */
    while (strcmp(is_spooled ? "memory" : argv[1], kinds[kind]) != 0)
        if (++kind > BROKER_KAFKA)
            return usage();
    if (kind == BROKER_KAFKA && getenv("MOTORCADE_TEST_KAFKA") == NULL) {
        printf("1..0 # SKIP: no cluster; its address (host:port) goes into MOTORCADE_TEST_KAFKA\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        CASE(topics_have_numbers_and_names),
        CASE(bad_topics_are_refused),
        CASE(what_is_published_is_fetched_whole),
        CASE(empty_parts_stay_empty),
        CASE(deliveries_come_once_and_in_order),
        CASE(same_key_same_partition_as_javas_clients),
        CASE(records_without_key_go_round),
        CASE(too_large_is_refused),
        CASE(a_full_queue_answers_full_then_room),
        CASE(closing_a_producer_delivers_the_rest),
        CASE(the_owner_is_woken_when_durable),
        CASE(what_is_recalled_comes_back_or_is_durable),
        CASE(a_producer_goes_on_after_a_recall),
        CASE(without_on_return_the_recalled_fail),
        CASE(consumers_see_all_in_order),
        CASE(other_topics_are_not_seen),
        CASE(one_consumer_reads_several_topics),
        CASE(latest_offset_and_time_starts),
        CASE(a_broadcast_may_want_some_partitions_only),
        CASE(seek_goes_back_and_forth),
        CASE(lag_is_what_is_left),
        CASE(fetch_waits_for_a_record),
        CASE(an_idle_consumer_is_woken),
        CASE(a_group_goes_on_where_it_committed),
        CASE(groups_are_independent),
        CASE(a_group_from_latest_skips_what_was),
        CASE(members_divide_the_partitions),
        CASE(a_leaver_s_uncommitted_records_come_again),
        CASE(a_partition_moves_only_between_fetches),
        CASE(a_waiting_member_gets_what_a_leaver_had),
        CASE(commits_need_a_group),
        CASE(a_commit_never_goes_back),
        CASE(threads_publish_and_consume_at_once),
        CASE(the_cap_stops_sources_until_consumers_catch_up),
        CASE(what_no_group_reads_is_not_dropped_at_the_cap),
    };
    enum { CAPPED = 2 }; /* the last ones: a cluster's disks are the cluster's matter */
    size_t count = sizeof tests / sizeof tests[0] - (kind == BROKER_KAFKA ? CAPPED : 0);
    return _cmocka_run_group_tests(argv[1], tests, count, NULL, NULL);
}

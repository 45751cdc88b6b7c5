/* SPDX-License-Identifier: Apache-2.0 */
/* What the journal adds to the contract: restarts, damage, failing disks,
 * retention, followers. Over a disk made of memory where bytes are bent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "broker/journal/journal.h"
#include "broker/readonly.h"
#include "observe/log.h"
#include "support/memory_disk.h"

#define DEADLINE (20 * NS_PER_S)

struct fixture {
    struct memory_disk disk;
    char dir[64]; /* of the real disk, when is_real */
    bool is_real;
    struct broker_config config;
    struct broker *broker;
    struct producer *producer;
    size_t durable, failed, told_failures;
    int64_t last_offset;
    int topic;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct fixture *f = context;
    (void)tag;
    if (delivery == DELIVERY_DURABLE) {
        f->durable++;
        f->last_offset = offset;
    } else {
        f->failed++;
    }
}

static int try_open(struct fixture *f, struct error *err)
{
    return journal_open_over(&f->broker, &f->config, f->is_real ? &journal_io_posix : &f->disk.io,
                             err);
}

static void open_producer(struct fixture *f)
{
    const struct producer_handler handler = {.on_delivery = on_delivery, .context = f};
    struct error err = {0};
    if (producer_open(&f->producer, f->broker, &handler, &err) != 0)
        fail_msg("%s", err.text);
}

static void start(struct fixture *f)
{
    struct error err = {0};
    if (try_open(f, &err) != 0)
        fail_msg("%s", err.text);
    open_producer(f);
    f->topic = broker_topic(f->broker, "t", 1, &err);
    assert_true(f->topic >= 0);
}

static void stop(struct fixture *f)
{
    producer_close(f->producer, DEADLINE);
    f->broker->driver->close(f->broker);
    f->broker = NULL;
}

/* As after kill -9: what was written is there, nothing is closed in order. */
static void crash(struct fixture *f)
{
    struct memory_disk copy;
    memory_disk_init(&copy, false);
    for (int i = 0; i < f->disk.name_count; i++) {
        const struct disk_inode *inode = &f->disk.inodes[f->disk.names[i].inode];
        memory_disk_put(&copy, f->disk.names[i].path, inode->bytes, inode->size);
    }
    stop(f);
    memory_disk_deinit(&f->disk);
    f->disk = copy;
    f->disk.io.context = &f->disk;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    log_configure(LOG_ERROR, LOG_LOGFMT);
    memory_disk_init(&f->disk, false);
    f->config = (struct broker_config){.kind = BROKER_JOURNAL,
                                       .data_dir = "/d",
                                       .partitions = 1,
                                       .group_bytes = 65536,
                                       .segment_bytes = 65536,
                                       .cap_bytes = 4 << 20,
                                       .retention_ns = 3600 * NS_PER_S,
                                       .dead_letter_cap_bytes = 4 << 20,
                                       .producer_queue_records = 2000,
                                       .producer_queue_bytes = 1 << 20,
                                       .record_bytes_max = 100000};
    *state = f;
    return 0;
}

static int setup_real(void **state)
{
    setup(state);
    struct fixture *f = *state;
    f->is_real = true;
    snprintf(f->dir, sizeof f->dir, "%s", "/tmp/motorcade-journal-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config.data_dir = f->dir;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int result = 0;
    if (f->broker != NULL)
        stop(f);
    memory_disk_deinit(&f->disk);
    if (f->is_real) {
        char command[128];
        snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
        result = system(command);
    }
    free(f);
    return result;
}

static void publish_at(struct fixture *f, int topic, unsigned number, int64_t time_ns, size_t len)
{
    char value[70000];
    memset(value, 'x', sizeof value);
    snprintf(value, sizeof value, "v%u", number);
    struct record record = {
        .key = BYTES("k"), .value = bytes_of(value, len), .timestamp_ns = time_ns};
    while (producer_publish(f->producer, topic, &record, number) == PUBLISH_FULL)
        producer_wait(f->producer, NS_PER_S);
}

static void settle(struct fixture *f)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (producer_pending(f->producer) > 0) {
        assert_true(clock_monotonic_ns() < deadline);
        producer_wait(f->producer, NS_PER_S / 10);
    }
}

/* numbers first..first+n-1, each its own group */
static void publish(struct fixture *f, int topic, unsigned first, unsigned n, size_t len)
{
    for (unsigned i = 0; i < n; i++) {
        publish_at(f, topic, first + i, clock_wall_ns(), len);
        settle(f);
    }
}

static unsigned number_of(const struct consumed *c)
{
    return (unsigned)strtoul(c->record.value.ptr + 1, NULL, 10);
}

static struct consumer *consume(struct broker *broker, const char *group, int topic)
{
    struct consumer *consumer;
    struct consumer_options options = {.group = group,
                                       .topics = &topic,
                                       .topic_count = 1,
                                       .start = group == NULL ? CONSUMER_FROM_EARLIEST
                                                              : CONSUMER_FROM_COMMITTED};
    struct error err = {0};
    if (consumer_open(&consumer, broker, &options, &err) != 0)
        fail_msg("%s", err.text);
    return consumer;
}

/* All that is there, as a set of numbers below 1000. */
static unsigned read_all(struct broker *broker, int topic, bool seen[1000])
{
    struct consumer *consumer = consume(broker, NULL, topic);
    struct consumed_batch batch;
    unsigned count = 0;
    memset(seen, 0, 1000);
    while (consumer_fetch(consumer, &batch, 100, 0, NULL) == 0 && batch.count > 0)
        for (size_t i = 0; i < batch.count; i++, count++)
            seen[number_of(&batch.records[i])] = true;
    consumer_close(consumer);
    return count;
}

static void expect_range(struct fixture *f, unsigned n)
{
    bool seen[1000];
    assert_int_equal(read_all(f->broker, f->topic, seen), n);
    for (unsigned i = 0; i < n; i++)
        assert_true(seen[i]);
}

/* ---- restarts ---- */

static void records_and_topics_outlive_a_restart(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 300, 500);
    stop(f);
    start(f);
    assert_int_equal(broker_partitions(f->broker, f->topic), 1);
    expect_range(f, 300);
    publish(f, f->topic, 300, 1, 500);
    assert_int_equal(f->last_offset, 300); /* a clean end leaves no gap */
}

static void positions_outlive_a_restart(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 20, 100);
    struct consumer *consumer = consume(f->broker, "g", f->topic);
    assert_int_equal(consumer_commit(consumer, f->topic, 0, 1, NULL), -1); /* not yet assigned */
    struct consumed_batch batch;
    assert_int_equal(consumer_fetch(consumer, &batch, 10, 0, NULL), 0);
    assert_int_equal(consumer_commit(consumer, f->topic, 0, 7, NULL), 0);
    consumer_close(consumer);
    stop(f);
    start(f);
    assert_int_equal(broker_committed(f->broker, "g", f->topic, 0), 7);
    consumer = consume(f->broker, "g", f->topic);
    assert_int_equal(consumer_fetch(consumer, &batch, 10, 0, NULL), 0);
    assert_int_equal(number_of(&batch.records[0]), 7);
    consumer_close(consumer);
}

static void offsets_are_not_used_again_after_a_crash(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 10, 100);
    crash(f);
    start(f);
    expect_range(f, 10);
    struct broker_offsets offsets;
    assert_int_equal(broker_offsets(f->broker, f->topic, 0, &offsets, NULL), 0);
    assert_int_equal(offsets.end, 10); /* no false lag */
    publish(f, f->topic, 10, 1, 100);
    assert_true(f->last_offset > 10);
    expect_range(f, 11);
}

static void a_lost_list_of_topics_comes_from_the_log(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(broker_topic(f->broker, "other", 3, NULL), 1);
    publish(f, f->topic, 0, 5, 100);
    stop(f);
    memory_disk_file(&f->disk, "/d/journal/meta")->bytes[25] ^= 1;
    start(f);
    assert_int_equal(broker_partitions(f->broker, 1), 3);
    expect_range(f, 5);
}

static void a_newer_version_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    start(f);
    stop(f);
    static const char newer[] = "motorcade-journal 2\nwhatever\n";
    memory_disk_put(&f->disk, "/d/journal/meta", newer, sizeof newer - 1);
    assert_int_equal(try_open(f, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_non_null(strstr(err.text, "newer version"));
}

static void a_second_process_is_told_who_has_it(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct broker *second;
    struct error err = {0};
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(broker_open(&second, &f->config, &err), -1);
    assert_int_equal(err.kind, ERROR_BUSY);
    assert_non_null(strstr(err.text, pid));
    stop(f);
    start(f);
}

/* ---- damage ---- */

static struct disk_inode *segment(struct fixture *f, int i)
{
    const char *name = memory_disk_name(&f->disk, "/d/journal/data-", i);
    assert_non_null(name);
    return memory_disk_file(&f->disk, name);
}

static uint8_t *find(struct disk_inode *inode, const char *text)
{
    uint8_t *found = memmem(inode->bytes, inode->size, text, strlen(text));
    assert_non_null(found);
    return found;
}

static uint8_t *find_value(struct disk_inode *inode, const char *text)
{
    uint8_t *found = memmem(inode->bytes, inode->size, text, strlen(text) + 1);
    assert_non_null(found);
    return found;
}

static void a_torn_tail_is_cut_off(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 10, 100);
    crash(f);
    *find_value(segment(f, 0), "v9") ^= 1; /* nothing behind says that it was synced */
    start(f);
    expect_range(f, 9);
    assert_int_equal(as_journal(f->broker)->files.data_report.bad_segments, 0);
    assert_true(as_journal(f->broker)->files.data_report.torn_bytes > 0);
    publish(f, f->topic, 9, 5, 100);
    expect_range(f, 14);
}

static void damage_costs_only_what_it_hit(void **state)
{
    struct fixture *f = *state;
    bool seen[1000];
    start(f);
    publish(f, f->topic, 0, 10, 100);
    crash(f);
    *find_value(segment(f, 0), "v4") ^= 1; /* later frames say that it was synced */
    start(f);
    assert_int_equal(as_journal(f->broker)->files.data_report.bad_segments, 1);
    assert_int_equal(read_all(f->broker, f->topic, seen), 9);
    assert_false(seen[4]);
    assert_true(seen[3] && seen[5] && seen[9]);
    assert_non_null(memory_disk_name(&f->disk, "/d/journal/data-00000000000000000000.log.bad", 0));
    publish(f, f->topic, 10, 3, 100);
    crash(f);
    start(f); /* the gap is no damage the second time */
    assert_int_equal(as_journal(f->broker)->files.data_report.bad_segments, 0);
    assert_int_equal(read_all(f->broker, f->topic, seen), 12);
}

static void a_bad_middle_segment_is_kept_aside(void **state)
{
    struct fixture *f = *state;
    bool seen[1000];
    start(f);
    publish(f, f->topic, 0, 400, 500);
    stop(f);
    struct disk_inode *middle = segment(f, 1);
    unsigned hit = (unsigned)strtoul((char *)find(middle, "v1") + 1, NULL, 10);
    *find(middle, "v1") ^= 1;
    middle->bytes[middle->size - 1] ^= 1; /* the footer: so that the start looks closely */
    start(f);
    assert_int_equal(as_journal(f->broker)->files.data_report.bad_segments, 1);
    assert_int_equal(read_all(f->broker, f->topic, seen), 399);
    assert_false(seen[hit]);
}

static void readers_step_over_damage(void **state)
{
    struct fixture *f = *state;
    bool seen[1000];
    start(f);
    publish(f, f->topic, 0, 400, 500);
    unsigned hit = (unsigned)strtoul((char *)find(segment(f, 0), "v7") + 1, NULL, 10);
    *find(segment(f, 0), "v7") ^= 1;
    assert_int_equal(read_all(f->broker, f->topic, seen), 399);
    assert_false(seen[hit]);
}

static void a_lost_segment_is_a_hole(void **state)
{
    struct fixture *f = *state;
    bool seen[1000];
    start(f);
    publish(f, f->topic, 0, 400, 500);
    stop(f);
    const char *name = memory_disk_name(&f->disk, "/d/journal/data-", 1);
    f->disk.io.unlink(&f->disk, name);
    start(f);
    assert_int_equal(as_journal(f->broker)->files.data_report.holes, 1);
    unsigned left = read_all(f->broker, f->topic, seen);
    assert_in_range(left, 200, 399);
    assert_true(seen[0] && seen[399]);
}

/* ---- failing disks ---- */

static void on_failure(void *context, const struct error *err)
{
    assert_true(err->kind == ERROR_IO);
    ((struct fixture *)context)->told_failures++;
}

static void after_a_failed_sync_nothing_is_acked(void **state)
{
    struct fixture *f = *state;
    start(f);
    broker_on_failure(f->broker, on_failure, f);
    publish(f, f->topic, 0, 3, 100);
    f->disk.fault = DISK_FAILS_SYNCS;
    publish(f, f->topic, 3, 1, 100);
    assert_int_equal(f->durable, 3);
    assert_int_equal(f->failed, 1);
    assert_int_equal(f->told_failures, 1);
    f->disk.fault = DISK_SOUND; /* the next sync would «succeed» */
    struct record record = {.value = BYTES("x")};
    assert_int_equal(producer_publish(f->producer, f->topic, &record, 9), PUBLISH_FULL);
    bool seen[1000];
    assert_int_equal(read_all(f->broker, f->topic, seen), 3);
}

static void a_full_disk_waits_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    start(f);
    f->disk.fault = DISK_IS_FULL;
    unsigned accepted = 0;
    struct record record = {.key = BYTES("k"), .timestamp_ns = clock_wall_ns()};
    char value[500];
    do {
        memset(value, 'x', sizeof value);
        snprintf(value, sizeof value, "v%u", accepted++);
        record.value = bytes_of(value, sizeof value);
    } while (producer_publish(f->producer, f->topic, &record, accepted) == PUBLISH_ACCEPTED &&
             accepted < 300);
    if (accepted < 300)
        accepted--;              /* the last one was told FULL */
    assert_true(accepted > 115); /* more than the segment that is there takes */
    producer_wait(f->producer, NS_PER_S / 5);
    assert_int_equal(f->failed, 0);
    assert_true(producer_pending(f->producer) > 0);
    f->disk.fault = DISK_SOUND;
    settle(f);
    assert_int_equal(f->durable, accepted);
    expect_range(f, accepted);
}

/* ---- retention ---- */

static void wait_segments(struct fixture *f, size_t at_most)
{
    struct seglog *log = &as_journal(f->broker)->files.data;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    for (;;) {
        seglog_lock(log);
        size_t count = log->count;
        seglog_unlock(log);
        if (count <= at_most)
            return;
        assert_true(clock_monotonic_ns() < deadline);
        usleep(1000);
    }
}

static void old_records_go_when_their_groups_are_done(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct consumer *consumer = consume(f->broker, "g", f->topic);
    for (unsigned i = 0; i < 400; i++)
        publish_at(f, f->topic, i, clock_wall_ns() - 7200 * NS_PER_S, 500);
    settle(f);
    assert_true(as_journal(f->broker)->files.data.count > 2); /* the group has not begun */
    struct consumed_batch batch;
    for (unsigned got = 0; got < 400; got += (unsigned)batch.count)
        assert_int_equal(consumer_fetch(consumer, &batch, 400, DEADLINE, NULL), 0);
    assert_int_equal(consumer_commit(consumer, f->topic, 0, 400, NULL), 0);
    wait_segments(f, 1);
    consumer_close(consumer);
    stop(f);
    start(f); /* the position was in the segments that went */
    assert_int_equal(broker_committed(f->broker, "g", f->topic, 0), 400);
}

static void dead_letters_have_their_own_quota(void **state)
{
    struct fixture *f = *state;
    bool seen[1000];
    f->config.dead_letter_cap_bytes = 400000;
    start(f);
    publish(f, f->topic, 0, 10, 100);
    int dead = broker_topic(f->broker, "t.dead-letters", 1, NULL);
    publish(f, dead, 0, 900, 1000);
    unsigned left = read_all(f->broker, dead, seen);
    assert_in_range(left, 100, 500);
    assert_true(seen[899]); /* the oldest went */
    assert_false(seen[0]);
    expect_range(f, 10);
}

/* ---- followers ---- */

static void a_follower_sees_what_is_durable_and_keeps_up(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 10, 500);
    struct broker *follower;
    struct error err = {0};
    if (broker_open_readonly(&follower, f->dir, &err) != 0)
        fail_msg("%s", err.text);
    struct consumer *consumer = consume(follower, NULL, broker_find_topic(follower, "t"));
    struct consumed_batch batch;
    unsigned next = 0;
    publish(f, f->topic, 10, 490, 500); /* over several segments */
    while (next < 500) {
        assert_int_equal(consumer_fetch(consumer, &batch, 100, DEADLINE, NULL), 0);
        assert_true(batch.count > 0);
        for (size_t i = 0; i < batch.count; i++)
            assert_int_equal(number_of(&batch.records[i]), next++);
    }
    consumer_close(consumer);
    broker_close(follower);
}

static void a_follower_survives_retention(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 1, 500);
    struct broker *follower;
    assert_int_equal(broker_open_readonly(&follower, f->dir, NULL), 0);
    struct consumer *reader = consume(follower, NULL, 0);
    for (unsigned i = 1; i < 600; i++) /* no group: their age alone lets them go */
        publish_at(f, f->topic, i, clock_wall_ns() - 7200 * NS_PER_S, 500);
    settle(f);
    publish(f, f->topic, 600, 1, 500);
    unsigned last = 0;
    struct consumed_batch batch;
    while (last != 600) {
        assert_int_equal(consumer_fetch(reader, &batch, 100, DEADLINE, NULL), 0);
        assert_true(batch.count > 0);
        last = number_of(&batch.records[batch.count - 1]);
    }
    consumer_close(reader);
    broker_close(follower);
}

static void a_follower_can_not_commit_nor_publish(void **state)
{
    struct fixture *f = *state;
    start(f);
    stop(f);
    struct broker *follower;
    struct error err = {0};
    assert_int_equal(broker_open_readonly(&follower, f->dir, NULL), 0);
    int topic = 0;
    struct consumer *consumer;
    struct consumer_options options = {.group = "g", .topics = &topic, .topic_count = 1};
    assert_int_equal(consumer_open(&consumer, follower, &options, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    struct producer *producer;
    const struct producer_handler handler = {.on_delivery = on_delivery};
    assert_int_equal(producer_open(&producer, follower, &handler, &err), -1);
    assert_int_equal(broker_topic(follower, "new", 1, &err), -1);
    broker_close(follower);
    assert_int_equal(broker_open_readonly(&follower, "/nonexistent", &err), -1);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

/* ---- the rest ---- */

static void other_durabilities_deliver_too(void **state)
{
    struct fixture *f = *state;
    for (int durability = DURABILITY_INTERVAL; durability <= DURABILITY_NONE; durability++) {
        f->config.durability = durability;
        f->config.sync_interval_ns = NS_PER_MS;
        start(f);
        publish(f, f->topic, (unsigned)f->durable, 200, 500);
        crash(f);
    }
    start(f);
    expect_range(f, 400);
    publish(f, f->topic, 400, 1, 500);
    assert_true(f->last_offset >= 400 + 65536 / RECORD_BYTES_MIN); /* the reserve of a segment */
}

static void a_record_larger_than_a_segment_fits(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish(f, f->topic, 0, 3, 69000);
    publish(f, f->topic, 3, 3, 100);
    expect_range(f, 6);
    stop(f);
    start(f);
    expect_range(f, 6);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define REAL(function) cmocka_unit_test_setup_teardown(function, setup_real, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records_and_topics_outlive_a_restart),
        CASE(positions_outlive_a_restart),
        CASE(offsets_are_not_used_again_after_a_crash),
        CASE(a_lost_list_of_topics_comes_from_the_log),
        CASE(a_newer_version_is_refused),
        REAL(a_second_process_is_told_who_has_it),
        CASE(a_torn_tail_is_cut_off),
        CASE(damage_costs_only_what_it_hit),
        CASE(a_bad_middle_segment_is_kept_aside),
        CASE(readers_step_over_damage),
        CASE(a_lost_segment_is_a_hole),
        CASE(after_a_failed_sync_nothing_is_acked),
        CASE(a_full_disk_waits_and_loses_nothing),
        CASE(old_records_go_when_their_groups_are_done),
        CASE(dead_letters_have_their_own_quota),
        REAL(a_follower_sees_what_is_durable_and_keeps_up),
        REAL(a_follower_survives_retention),
        REAL(a_follower_can_not_commit_nor_publish),
        CASE(other_durabilities_deliver_too),
        CASE(a_record_larger_than_a_segment_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

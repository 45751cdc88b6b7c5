/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "base/random.h"
#include "observe/metrics.h"
#include "unit/broker/spool_fixture.h"

/* However slow the machine is: only what comes back means an outage. */
static void be_patient(struct fixture *f)
{
    f->spool_config.after_ns = DEADLINE;
    close_spool(f);
    open_spool(f);
}

/* ---- passing ---- */

static void records_pass_while_all_is_well(void **state)
{
    struct fixture *f = *state;
    be_patient(f);
    int64_t spooled = metrics_value(METRIC_SPOOL_SPOOLED, 0);
    send_many(f, 5000);
    wait_told(f);
    assert_int_equal(f->durable, 5000);
    assert_int_equal(mode_of(f), SPOOL_PASSING);
    assert_int_equal(metrics_value(METRIC_SPOOL_SPOOLED, 0), spooled);
    assert_int_equal(check_memory(f), 5000);
}

static void a_busy_broker_is_not_an_absent_one(void **state)
{
    struct fixture *f = *state;
    be_patient(f);
    faulty_set(f->faulty, FAULT_FULL);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(send_next(f, 0), PUBLISH_FULL);
    faulty_set(f->faulty, FAULT_NONE);
    WAIT_UNTIL(f, f->rooms == 1);
    send_many(f, 10);
    wait_told(f);
    assert_int_equal(mode_of(f), SPOOL_PASSING);
}

/* ---- an outage, of each kind ---- */

static void outage(struct fixture *f, enum fault fault, bool land)
{
    faulty_let_returns_land(f->faulty, land);
    send_many(f, 400);
    wait_told(f);
    faulty_set(f->faulty, fault);
    send_many(f, 1000);
    wait_told(f); /* acked, from the disk */
    assert_int_equal(f->durable, 1400);
    assert_int_equal(f->failed, 0);
    send_many(f, 1000);
    wait_told(f);
    assert_int_equal(mode_of(f), SPOOL_AWAY);
    assert_int_equal(records_in(f), 2000);
    faulty_set(f->faulty, FAULT_NONE);
    send_many(f, 1000);
    wait_passing(f);
    wait_told(f);
    send_many(f, 400);
    wait_told(f);
    assert_int_equal(f->durable, 3800);
    check_memory(f);
}

static void a_stalled_broker_is_spooled_over(void **state)
{
    outage(*state, FAULT_STALL, false);
}

static void a_full_broker_is_spooled_over(void **state)
{
    outage(*state, FAULT_FULL, false);
}

static void a_broker_that_gives_back_is_spooled_over(void **state)
{
    outage(*state, FAULT_RETURN, false);
}

static void what_was_given_back_may_be_there_already(void **state)
{
    outage(*state, FAULT_STALL, true);
}

static void half_comes_back(void **state)
{
    struct fixture *f = *state;
    faulty_set(f->faulty, FAULT_HALF);
    send_many(f, 1000);
    wait_told(f);
    assert_int_equal(f->durable, 1000);
    faulty_set(f->faulty, FAULT_NONE);
    wait_passing(f);
    check_memory(f);
}

static void an_outage_is_told_and_counted(void **state)
{
    struct fixture *f = *state;
    struct spool_status status;
    int64_t outages = metrics_value(METRIC_SPOOL_OUTAGES, 0);
    int64_t drained = metrics_value(METRIC_SPOOL_DRAINED, 0);
    be_patient(f);
    faulty_set(f->faulty, FAULT_RETURN);
    int64_t before_ns = clock_wall_ns();
    send_many(f, 500);
    wait_told(f);
    WAIT_UNTIL(f, (spool_status(f->spool, &status), status.oldest_ns) >= before_ns);
    assert_int_equal(status.mode, SPOOL_AWAY);
    assert_int_equal(status.records, 500);
    assert_true(status.bytes > 500 * 64 && status.room_bytes > 1 << 20);
    faulty_set(f->faulty, FAULT_NONE);
    wait_passing(f);
    assert_int_equal(metrics_value(METRIC_SPOOL_OUTAGES, 0), outages + 1);
    assert_int_equal(metrics_value(METRIC_SPOOL_DRAINED, 0), drained + 500);
}

/* ---- draining ---- */

/* Cars that were silent in the outage don't wait for those that were not. */
static void cars_without_backlog_pass(void **state)
{
    struct fixture *f = *state;
    f->spool_config.drain_rate = 100;
    be_patient(f);
    faulty_set(f->faulty, FAULT_RETURN);
    for (int i = 0; i < 300; i++)
        assert_int_equal(send_next(f, 0), PUBLISH_ACCEPTED);
    wait_told(f);
    faulty_set(f->faulty, FAULT_NONE);
    WAIT_UNTIL(f, mode_of(f) == SPOOL_DRAINING);
    int64_t spooled = metrics_value(METRIC_SPOOL_SPOOLED, 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(send_next(f, 1), PUBLISH_ACCEPTED);
    wait_told(f);
    assert_int_equal(metrics_value(METRIC_SPOOL_SPOOLED, 0), spooled);
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_next(f, 0), PUBLISH_ACCEPTED);
    wait_told(f);
    wait_passing(f);
    check_memory(f);
}

static void the_rate_is_kept(void **state)
{
    struct fixture *f = *state;
    f->spool_config.drain_rate = 1000;
    close_spool(f);
    open_spool(f);
    faulty_set(f->faulty, FAULT_STALL);
    send_many(f, 600);
    wait_told(f);
    int64_t began_ns = clock_monotonic_ns();
    faulty_set(f->faulty, FAULT_NONE);
    WAIT_UNTIL(f, records_in(f) <= 300);
    assert_true(clock_monotonic_ns() - began_ns > 200 * NS_PER_MS);
    wait_passing(f);
    check_memory(f);
}

/* A car that never pauses gets out of the spool all the same. */
static void a_car_that_never_pauses_passes_in_the_end(void **state)
{
    struct fixture *f = *state;
    faulty_set(f->faulty, FAULT_STALL);
    send_many(f, 500);
    wait_told(f);
    faulty_set(f->faulty, FAULT_NONE);
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (mode_of(f) != SPOOL_PASSING) {
        assert_true(clock_monotonic_ns() < deadline);
        if (f->next[0] < SEQUENCE_MAX - 100)
            send_next(f, 0);
        turn(f, 0);
    }
    wait_told(f);
    wait_passing(f);
    check_memory(f);
}

static void it_dies_again_while_draining(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 5; round++) {
        faulty_set(f->faulty, round % 2 == 0 ? FAULT_STALL : FAULT_RETURN);
        send_many(f, 3000);
        wait_told(f);
        uint64_t before = records_in(f);
        faulty_set(f->faulty, FAULT_NONE);
        WAIT_UNTIL(f, records_in(f) < before);
    }
    wait_passing(f);
    assert_int_equal(f->durable, 15000);
    check_memory(f);
}

/* ---- restarts ---- */

static void a_backlog_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    faulty_set(f->faulty, FAULT_STALL);
    send_many(f, 2000);
    wait_told(f);
    close_spool(f);
    open_spool(f);
    assert_int_equal(records_in(f), 2000);
    send_many(f, 1000); /* behind what is there */
    wait_told(f);
    faulty_set(f->faulty, FAULT_NONE);
    send_many(f, 1000);
    wait_told(f);
    wait_passing(f);
    assert_int_equal(f->failed, 0);
    check_memory(f);
}

/* As after a kill: what stands on the disk while it runs. */
static void crash(struct fixture *f)
{
    char command[300];
    faulty_set(f->faulty, FAULT_STALL);
    wait_told(f);
    snprintf(command, sizeof command, "cp -r '%s/spool' '%s/crashed'", f->dir, f->dir);
    assert_int_equal(system(command), 0);
    close_spool(f);
    snprintf(command, sizeof command, "rm -rf '%s/spool' && mv '%s/crashed' '%s/spool'", f->dir,
             f->dir, f->dir);
    assert_int_equal(system(command), 0);
    open_spool(f);
}

static void a_backlog_survives_a_crash(void **state)
{
    struct fixture *f = *state;
    faulty_set(f->faulty, FAULT_STALL);
    send_many(f, 2000);
    wait_told(f);
    crash(f);
    faulty_set(f->faulty, FAULT_NONE);
    send_many(f, 1000);
    wait_told(f);
    wait_passing(f);
    check_memory(f);
}

static void what_is_under_way_at_the_end_is_spooled(void **state)
{
    struct fixture *f = *state;
    faulty_set(f->faulty, FAULT_STALL);
    send_many(f, 500);
    close_spool(f); /* before anybody saw the outage */
    assert_int_equal(f->durable, 500);
    faulty_set(f->faulty, FAULT_NONE);
    open_spool(f);
    wait_passing(f);
    assert_int_equal(check_memory(f), 500);
}

static void a_start_without_the_broker_needs_known_topics(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    send_many(f, 10);
    wait_told(f);
    close_spool(f);
    broker_close(f->faulty); /* another run of it, that knows nothing yet */
    f->faulty = faulty_open(f->memory);
    faulty_set(f->faulty, FAULT_UNREACHABLE);
    open_spool(f);
    assert_int_equal(broker_partitions(f->spool, f->topic), 3);
    assert_int_equal(broker_topic(f->spool, "new", 3, &err), -1);
    assert_non_null(strstr(err.text, "nobody answers"));
    assert_int_equal(mode_of(f), SPOOL_AWAY);
    send_many(f, 1000);
    wait_told(f);
    assert_int_equal(f->durable, 1010);
    faulty_set(f->faulty, FAULT_NONE);
    wait_passing(f);
    check_memory(f);
}

static void dead_letters_go_the_same_way(void **state)
{
    struct fixture *f = *state;
    struct record record = {.key = BYTES("car0"), .value = BYTES("0"), .timestamp_ns = 1};
    int topic = broker_topic(f->spool, "t.dead-letters", 1, NULL);
    struct error err = {0};
    assert_int_equal(broker_topic(f->spool, "t.dead_letters", 1, &err), -1);
    faulty_set(f->faulty, FAULT_STALL);
    f->sent_count = 1;
    assert_int_equal(producer_publish(f->producer, topic, &record, 0), PUBLISH_ACCEPTED);
    wait_told(f);
    faulty_set(f->faulty, FAULT_NONE);
    wait_passing(f);
    struct broker_offsets offsets;
    int there = broker_find_topic(f->memory, "t.dead-letters");
    assert_int_equal(broker_offsets(f->memory, there, 0, &offsets, NULL), 0);
    assert_int_equal(offsets.end, 1);
}

/* ---- full ---- */

static void when_full_it_stops_and_goes_on_by_itself(void **state)
{
    struct fixture *f = *state;
    f->spool_config.cap_bytes = 1 << 20;
    close_spool(f);
    open_spool(f);
    faulty_set(f->faulty, FAULT_STALL);
    unsigned accepted = 0;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    for (int full = 0; full < 20;) { /* no room, and nothing is taken any more */
        struct spool_status status;
        spool_status(f->spool, &status);
        assert_true(clock_monotonic_ns() < deadline);
        enum publish_result result = send_next(f, accepted % KEYS);
        accepted += result == PUBLISH_ACCEPTED;
        full = result == PUBLISH_FULL && status.room_bytes < 80000 ? full + 1 : 0;
        if (result == PUBLISH_FULL)
            turn(f, 5 * NS_PER_MS);
    }
    assert_true(f->durable > 1000);
    assert_int_equal(f->durable + producer_pending(f->producer), accepted);
    while (send_next(f, 0) == PUBLISH_ACCEPTED) {
    }
    size_t rooms = f->rooms;
    faulty_set(f->faulty, FAULT_NONE);
    WAIT_UNTIL(f, f->rooms > rooms);
    send_many(f, 1000);
    wait_told(f);
    wait_passing(f);
    assert_int_equal(f->failed, 0);
    check_memory(f);
}

static void too_old_is_full(void **state)
{
    struct fixture *f = *state;
    f->spool_config.age_limit_ns = 100 * NS_PER_MS;
    close_spool(f);
    open_spool(f);
    faulty_set(f->faulty, FAULT_STALL);
    send_many(f, 100);
    wait_told(f);
    WAIT_UNTIL(f, send_next(f, 0) == PUBLISH_FULL);
    faulty_set(f->faulty, FAULT_NONE);
    send_many(f, 100);
    wait_passing(f);
    wait_told(f);
    check_memory(f);
}

/* Acked, and then refused for ever: kept in the spool's own dead letters. */
static void what_is_refused_for_ever_stays_here(void **state)
{
    struct fixture *f = *state;
    struct record poison = {.key = BYTES("car0"), .value = BYTES(FAULTY_POISON), .timestamp_ns = 1};
    int64_t refused = metrics_value(METRIC_SPOOL_REFUSED, 0);
    be_patient(f);
    f->sent_count = 1;
    assert_int_equal(producer_publish(f->producer, f->topic, &poison, 0), PUBLISH_ACCEPTED);
    wait_told(f);
    assert_int_equal(f->failed, 1); /* not acked: the car is told */
    faulty_set(f->faulty, FAULT_RETURN);
    f->failed = 0;
    assert_int_equal(producer_publish(f->producer, f->topic, &poison, 0), PUBLISH_ACCEPTED);
    wait_told(f);
    assert_int_equal(f->failed, 0);
    f->acked[0][0] = false;
    send_many(f, 100);
    wait_told(f);
    faulty_set(f->faulty, FAULT_NONE);
    wait_passing(f);
    assert_int_equal(metrics_value(METRIC_SPOOL_REFUSED, 0), refused + 1);
    check_memory(f);
}

/* ---- anything, at random ---- */

static void send_some(struct fixture *f, struct random_source *random)
{
    unsigned count = random_below(random, 300);
    for (unsigned i = 0; i < count; i++)
        if (send_next(f, random_below(random, KEYS)) == PUBLISH_FULL)
            break;
    if (random_below(random, 4) > 0)
        producer_flush(f->producer);
    if (random_below(random, 4) > 0)
        producer_wait(f->producer, random_below(random, 30) * NS_PER_MS);
}

static void do_anything(struct fixture *f, struct random_source *random)
{
    unsigned what = random_below(random, 100);
    faulty_let_returns_land(f->faulty, random_below(random, 2) == 0);
    if (what < 70) {
        send_some(f, random);
    } else if (what < 90) {
        faulty_set(f->faulty, random_below(random, 2) == 0
                                  ? FAULT_NONE
                                  : (enum fault)random_below(random, FAULT_COUNT));
    } else if (what < 94) {
        close_spool(f);
        if (random_below(random, 2) == 0)
            faulty_set(f->faulty, FAULT_NONE);
        open_spool(f);
    } else if (what < 97) {
        crash(f);
    } else {
        producer_recall(f->producer);
        wait_told(f); /* what comes back is sent again before what is new */
    }
}

static void nothing_acked_is_lost_and_order_is_kept(void **state)
{
    struct fixture *f = *state;
    const char *seed = getenv("SPOOL_SEED");
    const char *steps = getenv("SPOOL_STEPS");
    struct random_source random = {seed == NULL ? 1 : strtoull(seed, NULL, 10)};
    f->spool_config.cap_bytes = 2 << 20;
    f->config.producer_queue_records = 500;
    for (int i = steps == NULL ? 300 : atoi(steps); i > 0; i--)
        do_anything(f, &random);
    faulty_set(f->faulty, FAULT_NONE);
    send_many(f, KEYS * 3);
    wait_told(f);
    wait_passing(f);
    check_memory(f);
    close_spool(f);
    open_spool(f); /* the positions say so, too */
    assert_int_equal(records_in(f), 0);
    for (unsigned k = 0; k < KEYS; k++)
        for (uint32_t s = 0; s < f->next[k]; s++)
            assert_true(f->acked[k][s]);
}

/* ---- many threads ---- */

enum { THREADS = 3, PER_THREAD = 8000 };

struct sender {
    struct fixture *f;
    unsigned number;
    size_t durable, failed;
};

static void on_sent(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)offset;
    struct sender *sender = context;
    struct fixture *f = sender->f;
    sender->durable += delivery == DELIVERY_DURABLE;
    sender->failed += delivery == DELIVERY_FAILED;
    /* each key is one thread's */
    f->acked[sender->number * 10 + tag % 10][tag / 10] = delivery == DELIVERY_DURABLE;
}

static void *send_thread(void *context)
{
    struct sender *sender = context;
    const struct producer_handler handler = {.on_delivery = on_sent, .context = sender};
    struct producer *producer;
    assert_int_equal(producer_open(&producer, sender->f->spool, &handler, NULL), 0);
    for (unsigned i = 0; i < PER_THREAD; i++) {
        char key[16];
        char value[16];
        snprintf(key, sizeof key, "car%u", sender->number * 10 + i % 10);
        snprintf(value, sizeof value, "%u", i / 10);
        struct record record = {.key = bytes_from_text(key),
                                .value = {value, strlen(value) + 1},
                                .timestamp_ns = clock_wall_ns()};
        while (producer_publish(producer, sender->f->topic, &record, i) == PUBLISH_FULL)
            producer_wait(producer, SECOND / 10);
        if (i % 50 == 49)
            producer_wait(producer, NS_PER_MS);
    }
    producer_close(producer, DEADLINE);
    return NULL;
}

static void threads_publish_through_outages(void **state)
{
    struct fixture *f = *state;
    struct sender senders[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_thread, &senders[i]), 0);
    }
    for (int i = 0; i < 12; i++) {
        faulty_set(f->faulty, i % 2 == 0 ? FAULT_STALL : FAULT_NONE);
        usleep(100000);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(senders[i].durable, PER_THREAD);
    }
    wait_passing(f);
    check_memory(f);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records_pass_while_all_is_well),
        CASE(a_busy_broker_is_not_an_absent_one),
        CASE(a_stalled_broker_is_spooled_over),
        CASE(a_full_broker_is_spooled_over),
        CASE(a_broker_that_gives_back_is_spooled_over),
        CASE(what_was_given_back_may_be_there_already),
        CASE(half_comes_back),
        CASE(an_outage_is_told_and_counted),
        CASE(cars_without_backlog_pass),
        CASE(the_rate_is_kept),
        CASE(a_car_that_never_pauses_passes_in_the_end),
        CASE(it_dies_again_while_draining),
        CASE(a_backlog_survives_a_restart),
        CASE(a_backlog_survives_a_crash),
        CASE(what_is_under_way_at_the_end_is_spooled),
        CASE(a_start_without_the_broker_needs_known_topics),
        CASE(dead_letters_go_the_same_way),
        CASE(when_full_it_stops_and_goes_on_by_itself),
        CASE(too_old_is_full),
        CASE(what_is_refused_for_ever_stays_here),
        CASE(nothing_acked_is_lost_and_order_is_kept),
        CASE(threads_publish_through_outages),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

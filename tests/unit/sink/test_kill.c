/* SPDX-License-Identifier: Apache-2.0 */
/* A writer is killed (SIGKILL) at random moments, again and again, while it
 * writes and merges. What it was told is STORED must be there, once; a batch in
 * hand may be there or not. MOTORCADE_KILLS sets the number of kills. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sink/config.h"
#include "support/rows.h"

#define NOON_MS INT64_C(1211284800000)

enum { BATCH_ROWS = 150, VEHICLES = 40, BATCHES_MAX = 100000 };

static char folder[64];

static struct sink_config settings(void)
{
    return (struct sink_config){.kind = SINK_SQLITE,
                                .data_dir = folder,
                                .span_ns = 60 * NS_PER_S,
                                .merge_interval_ns = 5 * NS_PER_MS,
                                .vehicles_in_memory = 64};
}

/* The rows of a batch follow from its number alone. */
static void make_batch(struct rows *rows, int64_t batch)
{
    rows_clear(rows);
    for (int64_t i = 0; i < BATCH_ROWS; i++) {
        int64_t number = batch * BATCH_ROWS + i;
        int64_t time_ms = NOON_MS + number * 50;
        if (i % 3 == 0)
            rows_add(rows, time_ms * NS_PER_MS,
                     "{\"obuid\":%d,\"lat\":1.5,\"seq\":%d,\"epoch\":1,"
                     "\"lon\":%d.5}",
                     (int)(number % VEHICLES), (int)number, (int)(number % 90));
        else
            rows_add(rows, time_ms * NS_PER_MS,
                     "{\"obuid\":%d,\"lat\":1.5,\"time\":%lld,\"lon\":%d}",
                     (int)(number % VEHICLES), (long long)time_ms, (int)(number % 90));
    }
}

static int write_one(struct sink *sink, struct rows *rows, int64_t batch)
{
    struct sink_write_result result;
    struct error err;
    make_batch(rows, batch);
    return sink_write(sink, rows->items, rows->count, &result, &err) == SINK_STORED ? 0 : -1;
}

/* The child: batches from `next` on, the one before it once more, each STORED
 * batch's number to the pipe. */
static void write_until_killed(int pipe, int64_t next)
{
    struct sink_config config = settings();
    struct sink *sink;
    struct rows rows;
    struct error err;
    rows_init(&rows);
    if (sink_open(&sink, &config, false, &err) != 0) {
        fprintf(stderr, "open: %s\n", err.text);
        _exit(1);
    }
    for (int64_t batch = next;; batch++) {
        if (batch > 0 && batch % 4 == 0 && write_one(sink, &rows, batch - 1) != 0)
            _exit(2);
        if (write_one(sink, &rows, batch) != 0 ||
            write(pipe, &batch, sizeof batch) != (ssize_t)sizeof batch)
            _exit(3);
    }
}

static int compare_identities(const void *a, const void *b)
{
    return memcmp(a, b, PACKET_IDENTITY_LEN);
}

struct identities {
    struct packet_identity *items;
    size_t count, cap;
};

static bool collect(void *context, const struct sink_row *row)
{
    struct identities *all = context;
    if (all->count == all->cap) {
        all->cap = all->cap == 0 ? 4096 : 2 * all->cap;
        all->items = realloc(all->items, all->cap * sizeof *all->items);
        assert_non_null(all->items);
    }
    all->items[all->count++] = row->packet.identity;
    return true;
}

/* All of batches [0, stored) are there once; of batch `stored`, all or none of
 * what lies in one file; nothing else. */
static void check(struct sink *sink, int64_t stored)
{
    const struct sink_query everything = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct identities all = {0};
    struct sink_cursor cursor = {0};
    struct error err;
    struct rows rows;
    uint64_t count;
    while (!cursor.is_end)
        if (sink_find(sink, &everything, &cursor, SINK_PAGE_MAX, collect, &all, &err) != 0)
            fail_msg("%s", err.text);
    assert_int_equal(sink_count(sink, &everything, &count, &err), 0);
    assert_int_equal(count, all.count);
    if (all.count > 0)
        qsort(all.items, all.count, sizeof *all.items, compare_identities);
    for (size_t i = 1; i < all.count; i++)
        assert_true(compare_identities(&all.items[i - 1], &all.items[i]) != 0);
    rows_init(&rows);
    size_t expected = 0;
    for (int64_t batch = 0; batch <= stored; batch++) {
        make_batch(&rows, batch);
        for (size_t i = 0; i < rows.count; i++) {
            bool is_there =
                all.count > 0 && bsearch(&rows.items[i].packet.identity, all.items, all.count,
                                         sizeof *all.items, compare_identities) != NULL;
            assert_true(is_there || batch == stored);
            expected += is_there;
        }
    }
    assert_int_equal(expected, all.count);
    rows_deinit(&rows);
    free(all.items);
}

static int64_t read_stored(int pipe, int64_t next)
{
    int64_t batch;
    return read(pipe, &batch, sizeof batch) == (ssize_t)sizeof batch ? batch + 1 : next;
}

/* Some batches, then a moment more: into a write, a merge or a start. Now and
 * then at once, into the opening. */
static int64_t wait_a_random_while(int pipe, int64_t next, unsigned *seed)
{
    for (int batches = rand_r(seed) % 12; batches > 0; batches--)
        next = read_stored(pipe, next);
    const struct timespec wait = {.tv_nsec = rand_r(seed) % (20 * NS_PER_MS)};
    nanosleep(&wait, NULL);
    return next;
}

static void test_nothing_stored_is_lost_or_doubled_by_kills(void **state)
{
    (void)state;
    const char *wanted = getenv("MOTORCADE_KILLS");
    int usual = getenv("MOTORCADE_SOAK") != NULL ? 500 : 10;
    int kills = wanted != NULL ? atoi(wanted) : usual;
    struct sink_config config = settings();
    unsigned seed = (unsigned)clock_monotonic_ns();
    int64_t next = 0;
    print_message("seed %u\n", seed);
    for (int i = 0; i < kills; i++) {
        int ends[2], status;
        struct sink *sink;
        struct error err;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_until_killed(ends[1], next);
        close(ends[1]);
        next = wait_a_random_while(ends[0], next, &seed);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); /* it did not end by itself */
        for (int64_t last = -1; last != next;) {
            last = next;
            next = read_stored(ends[0], next);
        }
        close(ends[0]);
        if (sink_open(&sink, &config, i % 2 == 0, &err) != 0) { /* also as a reader */
            if (err.kind == ERROR_NOT_FOUND && next == 0)
                continue; /* killed before there was a folder */
            fail_msg("%s", err.text);
        }
        check(sink, next);
        sink_close(sink);
    }
    assert_true(next > 0);
    print_message("%d kills, %lld batches stored\n", kills, (long long)next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_stored_is_lost_or_doubled_by_kills),
    };
    snprintf(folder, sizeof folder, "/tmp/motorcade-kill-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = cmocka_run_group_tests_name("kill", tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0 || failed != 0;
}

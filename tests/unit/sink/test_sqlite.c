/* SPDX-License-Identifier: Apache-2.0 */
/* What only the embedded store does: merges, files, damage, retention. What it
 * shares with other sinks is in tests/contract/test_sink.c. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "observe/metrics.h"
#include "sink/config.h"
#include "sink/sqlite/directory.h"
#include "support/rows.h"

#define NOON_MS INT64_C(1211284800000)
#define DEADLINE_NS (30 * NS_PER_S)

struct fixture {
    char dir[64];
    char file[128]; /* the file of noon's span */
    struct sink_config config;
    struct sink *sink;
    struct rows rows;
    struct found found;
    struct sink_write_result result;
    struct error err;
};

static void open_sink(struct fixture *f)
{
    if (sink_open(&f->sink, &f->config, false, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static void close_sink(struct fixture *f)
{
    sink_close(f->sink);
    f->sink = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/motorcade-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->file, sizeof f->file, "%s/store/20080520T120000Z.db", f->dir);
    f->config = (struct sink_config){.kind = SINK_SQLITE,
                                     .data_dir = f->dir,
                                     .span_ns = 3600 * NS_PER_S,
                                     .merge_interval_ns = 3600 * NS_PER_S,
                                     .vehicles_in_memory = 100000};
    rows_init(&f->rows);
    found_init(&f->found);
    open_sink(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    sink_close(f->sink);
    rows_deinit(&f->rows);
    found_deinit(&f->found);
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int rc = system(command);
    free(f);
    return rc;
}

/* Positions of vehicles 0..vehicles-1 at `second`, received then. */
static void write_round(struct fixture *f, int vehicles, int64_t second)
{
    rows_clear(&f->rows);
    for (int v = 0; v < vehicles; v++)
        rows_add(&f->rows, (NOON_MS + second * 1000) * NS_PER_MS + v,
                 "{\"obuid\":%d,\"lat\":45.%d,\"lon\":%d.5,\"time\":%lld,\"tag\":\"t%d\"}", v,
                 v % 100 + 100, v % 90, (long long)(NOON_MS + second * 1000), v % 3);
    if (sink_write(f->sink, f->rows.items, f->rows.count, &f->result, &f->err) != SINK_STORED)
        fail_msg("%s", f->err.text);
}

static uint64_t count(struct fixture *f)
{
    const struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    uint64_t rows;
    if (sink_count(f->sink, &all, &rows, &f->err) != 0)
        fail_msg("%s", f->err.text);
    return rows;
}

static void find_vehicle(struct fixture *f, const char *vehicle)
{
    const struct sink_query query = {
        .vehicle = bytes_from_text(vehicle), .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    found_deinit(&f->found);
    if (found_all(&f->found, f->sink, &query, 100, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

/* Runs of the noon file by tier, as another process sees them. */
static void count_runs(const struct fixture *f, size_t tiers[8])
{
    struct db *db;
    struct run *runs;
    size_t runs_count;
    struct error err;
    memset(tiers, 0, 8 * sizeof *tiers);
    assert_int_equal(db_open(&db, f->file, DB_READ, false, &err), 0);
    assert_int_equal(db_runs(db, &runs, &runs_count, &err), 0);
    for (size_t i = 0; i < runs_count; i++)
        tiers[runs[i].tier]++;
    free(runs);
    db_close(db);
}

static void wait_until_merged(const struct fixture *f, size_t first_tier_at_most)
{
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    const struct timespec step = {.tv_nsec = 2 * NS_PER_MS};
    size_t tiers[8];
    for (;;) {
        count_runs(f, tiers);
        if (tiers[0] == 0 && tiers[1] <= first_tier_at_most)
            return;
        assert_true(clock_monotonic_ns() < deadline_ns);
        nanosleep(&step, NULL);
    }
}

static int64_t query_integer(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    int code = sqlite3_step(stmt);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static bool has_file(const struct fixture *f, const char *part)
{
    char path[128];
    bool is_there = false;
    snprintf(path, sizeof path, "%s/store", f->dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        is_there |= strstr(entry->d_name, part) != NULL;
    closedir(dir);
    return is_there;
}

/* ---- merging ---- */

static void test_merged_rows_are_the_same_rows(void **state)
{
    struct fixture *f = *state;
    for (int64_t second = 0; second < 40; second++)
        write_round(f, 300, second);
    size_t tiers[8];
    count_runs(f, tiers);
    assert_int_equal(tiers[0], 40);
    find_vehicle(f, "17");
    struct found before = f->found;
    found_init(&f->found);
    close_sink(f);
    f->config.merge_interval_ns = NS_PER_MS;
    open_sink(f);
    wait_until_merged(f, 8);
    assert_int_equal(count(f), 40 * 300);
    find_vehicle(f, "17");
    assert_int_equal(f->found.count, before.count);
    assert_int_equal(f->found.count, 40);
    for (size_t i = 0; i < 40; i++)
        assert_string_equal(f->found.items[i].canonical, before.items[i].canonical);
    found_deinit(&before);
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (query_integer(f->file,
                         "SELECT count(*) FROM place WHERE run NOT IN (SELECT id FROM run)") > 0)
        assert_true(clock_monotonic_ns() < deadline_ns);
    assert_int_equal(query_integer(f->file, "SELECT count(*) FROM page WHERE id NOT IN "
                                            "(SELECT page FROM place)"),
                     0);
}

/* Many small merges do not leave many runs: eight of a tier become one. */
static void test_small_runs_are_merged_again(void **state)
{
    struct fixture *f = *state;
    close_sink(f);
    f->config.merge_interval_ns = NS_PER_MS;
    open_sink(f);
    for (int64_t second = 0; second < 40; second++) {
        write_round(f, 20, second);
        wait_until_merged(f, 8);
    }
    wait_until_merged(f, 7);
    size_t tiers[8];
    count_runs(f, tiers);
    assert_true(tiers[2] > 0);
    assert_true(tiers[1] + tiers[2] <= 16);
    assert_int_equal(count(f), 800);
    write_round(f, 20, 7);
    assert_int_equal(f->result.duplicates, 20);
}

/* An order that is the event's time is kept once, and found again by that. */
static void test_orders_that_are_times_take_no_room(void **state)
{
    struct fixture *f = *state;
    write_round(f, 100, 0);
    assert_int_equal(query_integer(f->file, "SELECT count(*) FROM place"), 1);
    assert_int_equal(query_integer(f->file, "SELECT count(*) FROM place WHERE min_order IS NULL"),
                     1);
    write_round(f, 100, 0);
    assert_int_equal(f->result.duplicates, 100);
}

static void test_pages_of_an_unfinished_merge_are_deleted(void **state)
{
    struct fixture *f = *state;
    write_round(f, 100, 0);
    close_sink(f);
    assert_int_equal(query_integer(f->file, "INSERT INTO page SELECT id + 1000, data FROM page"),
                     0);
    assert_int_equal(query_integer(f->file, "INSERT INTO place SELECT 77, hash, time, page + 1000, "
                                            "rows, min_time, max_time, min_order, max_order "
                                            "FROM place"),
                     0);
    open_sink(f);
    assert_int_equal(count(f), 100); /* nobody sees them */
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (query_integer(f->file, "SELECT count(*) FROM place WHERE run = 77") > 0)
        assert_true(clock_monotonic_ns() < deadline_ns);
    assert_int_equal(count(f), 100);
}

/* ---- latest ---- */

static void expect_latest(struct fixture *f, size_t vehicles, int64_t second)
{
    found_deinit(&f->found);
    if (found_latest(&f->found, f->sink, 33, &f->err) != 0)
        fail_msg("%s", f->err.text);
    assert_int_equal(f->found.count, vehicles);
    for (size_t i = 0; i < vehicles; i++)
        assert_true(f->found.items[i].packet.time_ms == NOON_MS + second * 1000);
}

static void test_latest_after_merges_and_without_its_file(void **state)
{
    struct fixture *f = *state;
    char path[128];
    close_sink(f);
    f->config.merge_interval_ns = NS_PER_MS;
    open_sink(f);
    for (int64_t second = 0; second < 5; second++) {
        write_round(f, 1000, second);
        expect_latest(f, 1000, second);
    }
    wait_until_merged(f, 8);
    expect_latest(f, 1000, 4);
    close_sink(f);
    snprintf(path, sizeof path, "%s/store/latest.db", f->dir);
    assert_int_equal(unlink(path), 0);
    open_sink(f);
    expect_latest(f, 1000, 4);
    write_round(f, 1000, 4);
    assert_int_equal(f->result.duplicates, 1000);
}

/* ---- files ---- */

static void test_each_span_has_its_file(void **state)
{
    struct fixture *f = *state;
    write_round(f, 5, 0);
    write_round(f, 5, 3600);
    write_round(f, 5, -1);
    assert_true(has_file(f, "20080520T120000Z.db"));
    assert_true(has_file(f, "20080520T130000Z.db"));
    assert_true(has_file(f, "20080520T110000Z.db"));
    assert_int_equal(count(f), 15);
}

static void test_retention_deletes_whole_files_and_old_positions(void **state)
{
    struct fixture *f = *state;
    write_round(f, 5, 0); /* received in 2008 */
    close_sink(f);
    f->config.merge_interval_ns = NS_PER_MS;
    open_sink(f);
    wait_until_merged(f, 8); /* into latest.db, too */
    close_sink(f);
    f->config.retention_ns = 86400 * NS_PER_S;
    open_sink(f);
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (has_file(f, "20080520T120000Z.db") || f->found.count != 0 || count(f) > 0) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        found_deinit(&f->found);
    }
    do {
        assert_true(clock_monotonic_ns() < deadline_ns);
        found_deinit(&f->found);
        assert_int_equal(found_latest(&f->found, f->sink, 10, &f->err), 0);
    } while (f->found.count > 0);
}

static void test_a_newer_version_is_refused(void **state)
{
    struct fixture *f = *state;
    write_round(f, 5, 0);
    close_sink(f);
    query_integer(f->file, "PRAGMA user_version=99");
    assert_int_equal(sink_open(&f->sink, &f->config, false, &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_CONFIG);
    assert_non_null(strstr(f->err.text, "newer"));
    assert_true(has_file(f, "20080520T120000Z.db"));
    assert_int_equal(sink_open(&f->sink, &f->config, true, &f->err), 0);
    const struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    uint64_t rows;
    assert_int_equal(sink_count(f->sink, &all, &rows, &f->err), -1);
    assert_non_null(strstr(f->err.text, "newer"));
}

static void test_a_file_that_is_no_database_is_set_aside(void **state)
{
    struct fixture *f = *state;
    write_round(f, 5, 0);
    close_sink(f);
    FILE *file = fopen(f->file, "r+");
    assert_non_null(file);
    fputs("this is no database at all, not even a little", file);
    fclose(file);
    open_sink(f);
    assert_true(has_file(f, ".corrupt"));
    write_round(f, 5, 0);
    assert_int_equal(f->result.stored, 5);
    assert_int_equal(count(f), 5);
}

static void test_a_damaged_page_is_told_and_not_merged_away(void **state)
{
    struct fixture *f = *state;
    write_round(f, 50, 0);
    close_sink(f);
    query_integer(f->file, "UPDATE page SET data = substr(data, 1, length(data) - 1) || 'x'");
    f->config.merge_interval_ns = NS_PER_MS;
    open_sink(f);
    const struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct sink_cursor cursor = {0};
    assert_int_equal(sink_find(f->sink, &all, &cursor, 10, found_add, &f->found, &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_CORRUPT);
    assert_non_null(strstr(f->err.text, "20080520T120000Z.db"));
    write_round(f, 50, 10); /* goes on */
    assert_int_equal(f->result.stored, 50);
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    size_t tiers[8];
    do { /* the sound chunk is merged, the damaged one stays */
        count_runs(f, tiers);
        assert_true(clock_monotonic_ns() < deadline_ns);
    } while (tiers[1] == 0 || tiers[0] != 1);
    assert_int_equal(count(f), 100);
}

static void test_names_of_files(void **state)
{
    (void)state;
    char name[SPAN_NAME_MAX];
    int64_t start_ns;
    span_name(name, NOON_MS * NS_PER_MS);
    assert_string_equal(name, "20080520T120000Z.db");
    assert_true(span_start(name, &start_ns));
    assert_true(start_ns == NOON_MS * NS_PER_MS);
    assert_false(span_start("latest.db", &start_ns));
    assert_false(span_start("20080520T120000Z.db-wal", &start_ns));
    assert_false(span_start("20081320T120000Z.db", &start_ns));
    assert_false(span_start("20080520T120000Z.db.1.corrupt", &start_ns));
}

static void test_its_size_is_shown(void **state)
{
    struct fixture *f = *state;
    write_round(f, 50, 0);
    write_round(f, 50, 1);
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (metrics_value(METRIC_SINK_STORED_ROWS, 0) != 100 && clock_monotonic_ns() < deadline_ns)
        clock_sleep_ns(NS_PER_MS);
    assert_int_equal(metrics_value(METRIC_SINK_STORED_ROWS, 0), 100);
    assert_true(metrics_value(METRIC_SINK_DISK_BYTES, 0) >= 4096);
    assert_true(metrics_value(METRIC_SINK_DISK_BYTES, 0) % 512 == 0);
    close_sink(f);
    assert_int_equal(metrics_value(METRIC_SINK_STORED_ROWS, 0), 0);
    open_sink(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_merged_rows_are_the_same_rows),
        TEST(test_small_runs_are_merged_again),
        TEST(test_orders_that_are_times_take_no_room),
        TEST(test_pages_of_an_unfinished_merge_are_deleted),
        TEST(test_latest_after_merges_and_without_its_file),
        TEST(test_each_span_has_its_file),
        TEST(test_retention_deletes_whole_files_and_old_positions),
        TEST(test_a_newer_version_is_refused),
        TEST(test_a_file_that_is_no_database_is_set_aside),
        TEST(test_a_damaged_page_is_told_and_not_merged_away),
        TEST(test_its_size_is_shown),
        cmocka_unit_test(test_names_of_files),
    };
    return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What storing costs: rows durable and found by vehicle and time, duplicates
 * recognised, lossless; against a plain SQLite table with the same guarantees
 * (primary key vehicle, time, identity; INSERT OR IGNORE; WAL, synchronous=FULL;
 * the same commits). Rounds of both are interleaved, the median is printed.
 *
 * The time of making packets is left out. Merging begins when 8 M rows wait; with
 * fewer, all of it comes after the writing, where it can be seen by itself. The
 * product does both at once, on two threads. CPU is that of both.
 *
 *   bench_store [VEHICLES [ROWS [PEER_ROWS [ROUNDS]]]]  in $TMPDIR or /tmp */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"
#include "observe/metrics.h"
#include "sink/config.h"
#include "sink/key.h"
#include "sink/sink.h"
#include "vehicle/canonical.h"

enum { BATCH = 20000, ROUNDS_MAX = 15 };

struct fleet {
    size_t vehicles;
    uint64_t next; /* packets made so far */
    struct sink_row *rows;
    char (*names)[24];
    struct buf text;
    size_t *places;
    uint32_t random;
};

static uint32_t next_random(struct fleet *fleet)
{
    fleet->random = fleet->random * 1664525u + 1013904223u;
    return fleet->random >> 8;
}

static void fleet_init(struct fleet *fleet, size_t vehicles)
{
    *fleet = (struct fleet){.vehicles = vehicles, .random = 1};
    fleet->rows = calloc(BATCH, sizeof *fleet->rows);
    fleet->places = calloc(BATCH, sizeof *fleet->places);
    fleet->names = calloc(vehicles, sizeof *fleet->names);
    must(fleet->rows != NULL && fleet->places != NULL && fleet->names != NULL);
    buf_init(&fleet->text, 0);
    for (size_t v = 0; v < vehicles; v++)
        snprintf(fleet->names[v], sizeof fleet->names[v], "%llu",
                 (unsigned long long)(UINT64_C(8674665223082153551) + v * 7919));
}

static void fleet_deinit(struct fleet *fleet)
{
    free(fleet->rows);
    free(fleet->places);
    free(fleet->names);
    buf_deinit(&fleet->text);
}

/* The fleet drives round after round: each vehicle sends once a second. */
static void make_packet(struct fleet *fleet, struct packet *packet)
{
    size_t v = fleet->next % fleet->vehicles;
    int64_t second = (int64_t)(fleet->next / fleet->vehicles);
    int64_t start_ms = INT64_C(1750000000000);
    *packet = (struct packet){.vehicle = bytes_from_text(fleet->names[v]),
                              .dialect = DIALECT_OBU,
                              .category = BYTES("position")};
    packet->fields =
        PACKET_HAS_TIME | PACKET_HAS_LAT | PACKET_HAS_LON | PACKET_HAS_SPEED | PACKET_HAS_HEADING;
    packet->time_ms = start_ms + second * 1000 + (int64_t)(v % 997);
    packet->received_ns = packet->time_ms * NS_PER_MS + 40 * NS_PER_MS + next_random(fleet);
    packet->lat = (double)(37000000 + (v * 31 + (uint64_t)second * 7) % 900000) / 1e6;
    packet->lon = -(double)(122000000 + (v * 17 + (uint64_t)second * 11) % 900000) / 1e6;
    packet->speed_ms = (double)(next_random(fleet) % 3000) / 100;
    packet->heading_deg = (double)(next_random(fleet) % 360);
    packet->order = packet_order_from_time(packet->time_ms);
    struct row_key key = {hash64(packet->vehicle), packet->time_ms, packet->order,
                          fleet->next * UINT64_C(0x9E3779B97F4A7C15)};
    packet->identity = key_identity(&key);
    fleet->next++;
}

static void make_batch(struct fleet *fleet)
{
    buf_clear(&fleet->text);
    for (size_t i = 0; i < BATCH; i++) {
        make_packet(fleet, &fleet->rows[i].packet);
        fleet->places[i] = fleet->text.len;
        must(canonical_encode(&fleet->rows[i].packet, &fleet->text) == 0);
    }
    for (size_t i = 0; i < BATCH; i++) {
        size_t end = i + 1 < BATCH ? fleet->places[i + 1] : fleet->text.len;
        fleet->rows[i].canonical =
            bytes_of(fleet->text.ptr + fleet->places[i], end - fleet->places[i]);
    }
}

struct figure {
    double write_s, drain_s, cpu_s;
    uint64_t bytes_per_row;
};

static double cpu_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double now_s(void)
{
    return (double)clock_monotonic_ns() / 1e9;
}

static void remove_folder(const char *path)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    must(system(command) == 0);
}

static uint64_t folder_bytes(const char *path)
{
    char command[512];
    unsigned long long bytes = 0;
    snprintf(command, sizeof command, "du -sb '%s' | cut -f1", path);
    FILE *pipe = popen(command, "r");
    must(pipe != NULL && fscanf(pipe, "%llu", &bytes) == 1);
    pclose(pipe);
    return bytes;
}

static void must_be_fine(int rc, const struct error *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static void check_count(struct sink *sink, uint64_t rows)
{
    const struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct error err;
    uint64_t count;
    must_be_fine(sink_count(sink, &all, &count, &err), &err);
    must(count == rows);
}

static struct figure run_motorcade(const char *folder, size_t vehicles, size_t rows)
{
    const struct sink_config config = {.kind = SINK_SQLITE,
                                       .data_dir = folder,
                                       .span_ns = 86400 * NS_PER_S,
                                       .merge_interval_ns = 60 * NS_PER_S,
                                       .vehicles_in_memory = 1000000};
    struct figure figure = {0};
    struct fleet fleet;
    struct sink *sink;
    struct error err;
    fleet_init(&fleet, vehicles);
    must_be_fine(sink_open(&sink, &config, false, &err), &err);
    double cpu_before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), making_cpu = 0;
    int64_t merged_before = metrics_value(METRIC_SINK_MERGED_ROWS, 0);
    for (size_t done = 0; done < rows; done += BATCH) {
        struct sink_write_result result;
        double cpu = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
        make_batch(&fleet);
        making_cpu += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
        double start = now_s();
        enum sink_verdict verdict = sink_write(sink, fleet.rows, BATCH, &result, &err);
        figure.write_s += now_s() - start;
        must_be_fine(verdict != SINK_STORED, &err);
        must(result.stored == BATCH);
    }
    /* Merge the rest now, not when it is due. */
    sink_close(sink);
    struct sink_config at_once = config;
    at_once.merge_interval_ns = NS_PER_MS;
    must_be_fine(sink_open(&sink, &at_once, false, &err), &err);
    double start = now_s();
    const struct timespec step = {.tv_nsec = NS_PER_MS};
    do
        nanosleep(&step, NULL);
    while (metrics_value(METRIC_SINK_MERGED_ROWS, 0) - merged_before < (int64_t)rows);
    figure.drain_s = now_s() - start;
    figure.cpu_s = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_before - making_cpu;
    check_count(sink, rows);
    sink_close(sink);
    figure.bytes_per_row = folder_bytes(folder) / rows;
    fleet_deinit(&fleet);
    return figure;
}

static void execute(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK)
        return;
    fprintf(stderr, "%s: %s\n", sql, message);
    exit(1);
}

static struct figure run_plain(const char *folder, size_t vehicles, size_t rows)
{
    struct figure figure = {0};
    struct fleet fleet;
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *insert;
    fleet_init(&fleet, vehicles);
    snprintf(path, sizeof path, "mkdir -p '%s'", folder);
    must(system(path) == 0);
    snprintf(path, sizeof path, "%s/plain.db", folder);
    must(sqlite3_open(path, &db) == SQLITE_OK);
    execute(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;"
                "CREATE TABLE packet(vehicle TEXT, time INTEGER, identity BLOB, canonical TEXT,"
                " PRIMARY KEY(vehicle, time, identity)) WITHOUT ROWID;");
    must(sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO packet VALUES(?1, ?2, ?3, ?4)", -1, &insert,
                            NULL) == SQLITE_OK);
    for (size_t done = 0; done < rows; done += BATCH) {
        make_batch(&fleet);
        double start = now_s(), cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
        execute(db, "BEGIN");
        for (size_t i = 0; i < BATCH; i++) {
            const struct packet *packet = &fleet.rows[i].packet;
            struct bytes canonical = fleet.rows[i].canonical;
            sqlite3_bind_text(insert, 1, packet->vehicle.ptr, (int)packet->vehicle.len,
                              SQLITE_STATIC);
            sqlite3_bind_int64(insert, 2, packet->time_ms);
            sqlite3_bind_blob(insert, 3, packet->identity.bytes, PACKET_IDENTITY_LEN,
                              SQLITE_STATIC);
            sqlite3_bind_text(insert, 4, canonical.ptr, (int)canonical.len, SQLITE_STATIC);
            must(sqlite3_step(insert) == SQLITE_DONE);
            sqlite3_reset(insert);
        }
        execute(db, "COMMIT");
        figure.write_s += now_s() - start;
        figure.cpu_s += cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    }
    sqlite3_finalize(insert);
    sqlite3_close(db);
    figure.bytes_per_row = folder_bytes(folder) / rows;
    fleet_deinit(&fleet);
    return figure;
}

static int compare_rates(const void *a, const void *b)
{
    const struct figure *x = a, *y = b;
    double left = x->write_s + x->drain_s, right = y->write_s + y->drain_s;
    return left < right ? -1 : left > right;
}

static struct figure median(struct figure *figures, size_t count)
{
    qsort(figures, count, sizeof *figures, compare_rates);
    return figures[count / 2];
}

/* "merged": the merging thread's own rate; "one after the other": as if a single
 * thread did both. Beside each other, the slower of the two counts. */
static void print(const char *name, const struct figure *figure, size_t rows)
{
    double n = (double)rows;
    printf("%-20s %9.0f rows/s written", name, n / figure->write_s);
    if (figure->drain_s > 0)
        printf(", %9.0f merged, %9.0f one after the other", n / figure->drain_s,
               n / (figure->write_s + figure->drain_s));
    printf("; %5.0f CPU ns/row, %4llu B/row\n", figure->cpu_s / n * 1e9,
           (unsigned long long)figure->bytes_per_row);
}

int main(int argc, char **argv)
{
    size_t vehicles = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
    size_t rows = argc > 2 ? strtoul(argv[2], NULL, 10) : 6000000;
    size_t peer_rows = argc > 3 ? strtoul(argv[3], NULL, 10) : 400000;
    size_t rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 3;
    const char *tmp = getenv("TMPDIR");
    char folder[256];
    struct figure ours[ROUNDS_MAX], plain[ROUNDS_MAX];
    must(rounds >= 1 && rounds <= ROUNDS_MAX && rows % BATCH == 0 && peer_rows % BATCH == 0);
    snprintf(folder, sizeof folder, "%s/motorcade-bench-store-%d", tmp != NULL ? tmp : "/tmp",
             (int)getpid());
    for (size_t i = 0; i < rounds; i++) {
        ours[i] = run_motorcade(folder, vehicles, rows);
        remove_folder(folder);
        if (peer_rows == 0)
            continue;
        plain[i] = run_plain(folder, vehicles, peer_rows);
        remove_folder(folder);
    }
    struct figure best = median(ours, rounds);
    double slower_s = best.write_s > best.drain_s ? best.write_s : best.drain_s;
    printf("%zu vehicles, commits of %d rows, %zu rows, median of %zu\n", vehicles, BATCH, rows,
           rounds);
    print("motorcade", &best, rows);
    if (peer_rows > 0) {
        struct figure peer = median(plain, rounds);
        print("SQLite, plain table", &peer, peer_rows);
        double peer_rate = (double)peer_rows / peer.write_s;
        printf("ratio: %.1f on two threads, %.1f one after the other\n",
               (double)rows / slower_s / peer_rate,
               (double)rows / (best.write_s + best.drain_s) / peer_rate);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* G5: the durable journal. Records of a 148-byte value, a 12-byte key and a
 * 44-byte header, every one acked after the sync that covers it. Interleaved
 * in one run, medians:
 *   journal   CPU (whole process, all threads) and wall time a record
 *   disk      the same bytes by plain pwrite + fdatasync into a preallocated,
 *             zeroed file, in groups of the size the journal's groups had
 *   LMDB      the same records, full sync, as many a transaction
 *
 * usage: bench_journal [DIRECTORY] [RECORDS] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef HAS_LMDB
#include <lmdb.h>
#endif

#include "base/clock.h"
#include "base/must.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { ROUNDS = 5, VALUE = 148, KEY = 12, MC = 44, TURN = 400, QUEUE = 16384 };

struct result {
    double cpu_ns, wall_ns, bytes, group_bytes, sync_us;
};

static char value[VALUE], mc[MC];

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag;
    (void)offset;
    must(delivery == DELIVERY_DURABLE);
    ++*(uint64_t *)context;
}

static void make_key(char key[KEY + 1], unsigned long i)
{
    snprintf(key, KEY + 1, "v%011lu", i * 7919 % 200000);
}

/* ---- the journal ---- */

static void publish_all(struct producer *producer, int topic, unsigned long records,
                        const char (*keys)[KEY + 1])
{
    struct record record = {.value = {value, VALUE}, .mc = {mc, MC}};
    int64_t now_ns = clock_wall_ns();
    for (unsigned long i = 0; i < records;) {
        for (int n = 0; n < TURN && i < records; n++) {
            record.key = bytes_of(keys[i % 65536], KEY);
            record.timestamp_ns = now_ns + (int64_t)i;
            if (producer_publish(producer, topic, &record, i) == PUBLISH_FULL) {
                producer_wait(producer, NS_PER_S);
                continue;
            }
            i++;
        }
        producer_flush(producer);
        producer_poll(producer);
    }
    while (producer_pending(producer) > 0)
        producer_wait(producer, NS_PER_S);
}

static struct result bench_journal(const char *dir, unsigned long records,
                                   const char (*keys)[KEY + 1])
{
    struct broker_config config = {.kind = BROKER_JOURNAL,
                                   .data_dir = dir,
                                   .partitions = 4,
                                   .group_delay_ns = NS_PER_MS,
                                   .group_bytes = 1 << 20,
                                   .segment_bytes = 64 << 20,
                                   .cap_bytes = INT64_C(8) << 30,
                                   .retention_ns = INT64_MAX / 2,
                                   .dead_letter_cap_bytes = 64 << 20,
                                   .producer_queue_records = QUEUE,
                                   .producer_queue_bytes = 32 << 20,
                                   .record_bytes_max = 1 << 20};
    struct broker *broker;
    struct producer *producer;
    uint64_t delivered = 0;
    const struct producer_handler handler = {.on_delivery = on_delivery, .context = &delivered};
    struct error err = {0};
    if (broker_open(&broker, &config, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    must(producer_open(&producer, broker, &handler, NULL) == 0);
    int topic = broker_topic(broker, "gpscoords", 4, NULL);
    publish_all(producer, topic, records / 10, keys); /* memory and segments are there */
    delivered = 0;
    int64_t groups = metrics_value(METRIC_JOURNAL_SYNCS, 0);
    int64_t bytes = metrics_value(METRIC_JOURNAL_BYTES_WRITTEN, 0);
    double cpu = cpu_ns();
    int64_t wall = clock_monotonic_ns();
    publish_all(producer, topic, records, keys);
    struct result result = {.cpu_ns = (cpu_ns() - cpu) / (double)records,
                            .wall_ns = (double)(clock_monotonic_ns() - wall) / (double)records};
    must(delivered == records);
    groups = metrics_value(METRIC_JOURNAL_SYNCS, 0) - groups;
    result.bytes = (double)(metrics_value(METRIC_JOURNAL_BYTES_WRITTEN, 0) - bytes);
    result.group_bytes = result.bytes / (double)(groups > 0 ? groups : 1);
    result.sync_us = (double)metrics_quantile(METRIC_JOURNAL_SYNC_SECONDS, 0, 0.5) / 1e3;
    producer_close(producer, NS_PER_S);
    broker_close(broker);
    return result;
}

/* ---- the disk ---- */

static struct result bench_disk(const char *dir, double bytes, double group_bytes)
{
    char path[4096];
    size_t group = (size_t)group_bytes / 4096 * 4096 + 4096;
    size_t groups = (size_t)(bytes / (double)group) + 1;
    char *buffer = malloc(group);
    must(buffer != NULL);
    memset(buffer, 7, group);
    snprintf(path, sizeof path, "%s/plain", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && posix_fallocate(fd, 0, (off_t)(group * groups)) == 0);
    for (size_t i = 0; i < groups; i++)
        must(pwrite(fd, buffer, group, (off_t)(i * group)) == (ssize_t)group);
    must(fsync(fd) == 0);
    memset(buffer, 9, group);
    double cpu = cpu_ns();
    int64_t wall = clock_monotonic_ns();
    for (size_t i = 0; i < groups; i++) {
        must(pwrite(fd, buffer, group, (off_t)(i * group)) == (ssize_t)group);
        must(fdatasync(fd) == 0);
    }
    double total = (double)(group * groups);
    struct result result = {.cpu_ns = (cpu_ns() - cpu) / total,
                            .wall_ns = (double)(clock_monotonic_ns() - wall) / total,
                            .bytes = total};
    close(fd);
    unlink(path);
    free(buffer);
    return result;
}

/* ---- LMDB ---- */

#ifdef HAS_LMDB
static struct result bench_lmdb(const char *dir, unsigned long records, unsigned long per_txn,
                                const char (*keys)[KEY + 1])
{
    char path[4096];
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn;
    struct {
        uint64_t number; /* appended in order, as a log is */
    } key = {0};
    char data[KEY + MC + VALUE + 8];
    snprintf(path, sizeof path, "%s/lmdb", dir);
    mkdir(path, 0700);
    must(mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, (size_t)4 << 30) == 0 &&
         mdb_env_open(env, path, 0, 0600) == 0);
    must(mdb_txn_begin(env, NULL, 0, &txn) == 0 &&
         mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi) == 0 && mdb_txn_commit(txn) == 0);
    double cpu = cpu_ns();
    int64_t wall = clock_monotonic_ns();
    for (unsigned long i = 0; i < records;) {
        must(mdb_txn_begin(env, NULL, 0, &txn) == 0);
        for (unsigned long n = 0; n < per_txn && i < records; n++, i++) {
            key.number = i;
            memcpy(data, keys[i % 65536], KEY);
            memcpy(data + KEY, mc, MC);
            memcpy(data + KEY + MC, value, VALUE);
            memcpy(data + KEY + MC + VALUE, &wall, 8);
            MDB_val k = {sizeof key, &key};
            MDB_val v = {sizeof data, data};
            must(mdb_put(txn, dbi, &k, &v, MDB_APPEND) == 0);
        }
        must(mdb_txn_commit(txn) == 0);
    }
    struct result result = {.cpu_ns = (cpu_ns() - cpu) / (double)records,
                            .wall_ns = (double)(clock_monotonic_ns() - wall) / (double)records};
    mdb_env_close(env);
    return result;
}
#endif

/* ---- the table ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static void remove_all(const char *dir)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s/journal' '%s/lmdb' '%s/plain'", dir, dir, dir);
    must(system(command) == 0);
}

int main(int argc, char **argv)
{
    static char keys[65536][KEY + 1];
    char dir[4000];
    unsigned long records = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
    snprintf(dir, sizeof dir, "%s/motorcade-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    must(mkdtemp(dir) != NULL);
    log_configure(LOG_ERROR, LOG_LOGFMT);
    memset(value, 'v', sizeof value);
    memset(mc, 'm', sizeof mc);
    for (unsigned long i = 0; i < 65536; i++)
        make_key(keys[i], i);
    double cpu[ROUNDS], wall[ROUNDS], disk[ROUNDS], rate[ROUNDS], lmdb_cpu[ROUNDS],
        lmdb_wall[ROUNDS];
    struct result last = {0};
    for (int r = 0; r < ROUNDS; r++) {
        remove_all(dir);
        last = bench_journal(dir, records, (const char(*)[KEY + 1]) keys);
        cpu[r] = last.cpu_ns;
        wall[r] = last.wall_ns;
        rate[r] = last.bytes / (last.wall_ns * (double)records); /* GB/s */
        remove_all(dir);
        disk[r] = 1 / bench_disk(dir, last.bytes, last.group_bytes).wall_ns;
        remove_all(dir);
#ifdef HAS_LMDB
        struct result lmdb =
            bench_lmdb(dir, records / 4, (unsigned long)(last.group_bytes / (VALUE + KEY + MC)),
                       (const char(*)[KEY + 1]) keys);
        lmdb_cpu[r] = lmdb.cpu_ns;
        lmdb_wall[r] = lmdb.wall_ns;
#else
        lmdb_cpu[r] = lmdb_wall[r] = 0;
#endif
    }
    remove_all(dir);
    rmdir(dir);
    double journal_wall = median(wall), journal_rate = median(rate), disk_rate = median(disk);
    printf("G5 durable journal, %lu records, groups of %.0f KB, sync p50 %.0f us\n", records,
           last.group_bytes / 1e3, last.sync_us);
    printf("  journal   %6.1f ns CPU a record  %6.2f M records/s  %7.1f MB/s   (goal <= 60 ns)\n",
           median(cpu), 1e3 / journal_wall, journal_rate * 1e3);
    printf("  disk      plain pwrite + fdatasync of the same groups  %7.1f MB/s: journal %.0f %%  "
           "(goal >= 80 %%)\n",
           disk_rate * 1e3, 100 * journal_rate / disk_rate);
#ifdef HAS_LMDB
    double other = median(lmdb_wall);
    printf("  LMDB      %6.1f ns CPU a record  %6.2f M records/s: journal %.1fx  (goal >= 2x)\n",
           median(lmdb_cpu), 1e3 / other, other / journal_wall);
#else
    puts("  LMDB      not installed (liblmdb-dev)");
#endif
    return 0;
}

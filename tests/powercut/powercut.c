/* SPDX-License-Identifier: Apache-2.0 */
/* What a power cut may do to the journal, and that it keeps its promise.
 *
 * A workload runs over the journal on a recording disk: inputs are published,
 * a group reads them, publishes outputs and dead letters, commits. Then, for
 * many points of the record and many choices of which unsynced sectors and names
 * had reached the disk by then, the disk is built, recovered, and checked:
 *   - it opens;
 *   - every record acked by then is there, once, at its offset, whole;
 *   - offsets of a partition grow, and the next one was never given before;
 *   - a group's position is one that was committed, and covers no input whose
 *     output or dead letter is missing.
 * A sample is cut once more while it recovers. Last comes the proof that this
 * would notice: disks that lose a sync must be found out.
 *
 * usage: powercut [--states N] [--seed N] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/journal/journal.h"
#include "broker/murmur2.h"
#include "observe/log.h"
#include "support/memory_disk.h"

enum { PARTITIONS = 2, INPUTS_MAX = 4096, VALUE_MAX = 1600 };

/* topics by number, in order of making */
enum { IN, OUT, DEAD, TOPICS };
/* events */
enum { ACKED, COMMITTING };

#define TAG(topic, input) ((uint64_t)(topic) << 32 | (uint64_t)(input))
#define TAG_TOPIC(tag) ((int)((tag) >> 32))
#define TAG_INPUT(tag) ((uint32_t)(tag))

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static unsigned rng_below(unsigned n)
{
    return (unsigned)((rng() >> 11) % n);
}

/* ---- the workload ---- */

/* Where each record of the trace went; offset -1: never acked. */
struct place {
    int partition;
    int64_t offset;
};

struct trace {
    struct memory_disk disk;
    bool may_remove; /* the cap presses: consumed segments go */
    unsigned inputs;
    struct place places[TOPICS][INPUTS_MAX];
};

static size_t value_len(uint64_t tag)
{
    return 8 + (size_t)((tag * UINT64_C(0x9e3779b97f4a7c15)) >> 53) % (VALUE_MAX - 8);
}

static void fill_value(uint8_t *value, uint64_t tag)
{
    size_t len = value_len(tag);
    memcpy(value, &tag, 8);
    for (size_t i = 8; i < len; i++)
        value[i] = (uint8_t)(tag * 31 + i);
}

static bool is_value(struct bytes value, uint64_t *tag)
{
    uint8_t expected[VALUE_MAX];
    if (value.len < 8)
        return false;
    memcpy(tag, value.ptr, 8);
    if (TAG_TOPIC(*tag) >= TOPICS || TAG_INPUT(*tag) >= INPUTS_MAX || value.len != value_len(*tag))
        return false;
    fill_value(expected, *tag);
    return memcmp(expected, value.ptr, value.len) == 0;
}

struct run {
    struct trace *trace;
    struct broker *broker;
    struct producer *producer;
    struct consumer *in, *out;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct run *run = context;
    must(delivery == DELIVERY_DURABLE);
    struct place *place = &run->trace->places[TAG_TOPIC(tag)][TAG_INPUT(tag)];
    place->offset = offset;
    memory_disk_event(&run->trace->disk, ACKED, tag, (uint64_t)place->partition, (uint64_t)offset);
}

/* The key chooses the partition: one key for each. */
static void publish(struct run *run, int topic, unsigned input)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
    uint8_t value[VALUE_MAX];
    uint64_t tag = TAG(topic, input);
    fill_value(value, tag);
    struct record record = {.key = bytes_from_text(keys[input % 6]),
                            .value = bytes_of((char *)value, value_len(tag)),
                            .timestamp_ns = clock_wall_ns()};
    run->trace->places[topic][input] =
        (struct place){murmur2_partition(record.key, PARTITIONS), -1};
    while (producer_publish(run->producer, topic, &record, tag) == PUBLISH_FULL)
        producer_wait(run->producer, NS_PER_S);
}

static bool is_dead(unsigned input)
{
    return input % 5 == 0;
}

static void commit(struct run *run, struct consumer *consumer, const struct consumed *c)
{
    memory_disk_event(&run->trace->disk, COMMITTING, (uint64_t)c->topic, (uint64_t)c->partition,
                      (uint64_t)c->offset + 1);
    must(consumer_commit(consumer, c->topic, c->partition, c->offset + 1, NULL) == 0);
}

static void handle_some(struct run *run)
{
    struct consumed_batch batch;
    must(consumer_fetch(run->in, &batch, 20, 0, NULL) == 0);
    for (size_t i = 0; i < batch.count; i++) {
        uint64_t tag;
        must(is_value(batch.records[i].record.value, &tag));
        publish(run, is_dead(TAG_INPUT(tag)) ? DEAD : OUT, TAG_INPUT(tag));
    }
    for (size_t i = 0; i < batch.count; i++)
        commit(run, run->in, &batch.records[i]);
    must(consumer_fetch(run->out, &batch, 50, 0, NULL) == 0);
    for (size_t i = 0; i < batch.count; i++)
        commit(run, run->out, &batch.records[i]);
}

static struct consumer *consume(struct broker *broker, const char *group, int topic)
{
    struct consumer *consumer;
    struct consumer_options options = {
        .group = group, .topics = &topic, .topic_count = 1, .start = CONSUMER_FROM_COMMITTED};
    must(consumer_open(&consumer, broker, &options, NULL) == 0);
    return consumer;
}

static void wait_all(struct run *run)
{
    while (producer_pending(run->producer) > 0)
        producer_wait(run->producer, NS_PER_S);
}

static void run_steps(struct run *run, unsigned steps, bool is_slow)
{
    unsigned next = 0;
    for (unsigned s = 0; s < steps; s++) {
        for (unsigned n = 1 + rng_below(6); n > 0 && next < INPUTS_MAX; n--)
            publish(run, IN, next++);
        producer_flush(run->producer);
        if (is_slow || rng_below(3) > 0)
            wait_all(run);
        handle_some(run);
        if (is_slow) {
            wait_all(run);
            usleep(25000); /* lone commits become due */
        }
        producer_poll(run->producer);
    }
    run->trace->inputs = next;
    wait_all(run);
}

static void run_trace(struct trace *trace, unsigned steps, bool is_slow, bool may_remove,
                      enum disk_fault fault)
{
    struct run run = {.trace = trace};
    const struct broker_config config = {.kind = BROKER_JOURNAL,
                                         .data_dir = "/d",
                                         .partitions = PARTITIONS,
                                         .durability = DURABILITY_FSYNC,
                                         .group_bytes = 65536,
                                         .segment_bytes = 65536,
                                         .cap_bytes = may_remove ? 300000 : 64 << 20,
                                         .retention_ns = INT64_MAX / 2,
                                         .dead_letter_cap_bytes = 64 << 20,
                                         .producer_queue_records = 1000,
                                         .producer_queue_bytes = 1 << 20,
                                         .record_bytes_max = 4096};
    static const char *const names[TOPICS] = {"in", "out", "in.dead-letters"};
    const struct producer_handler handler = {
        .on_delivery = on_delivery, .context = &run, .uses_reserve = true};
    memset(trace, 0, sizeof *trace);
    trace->may_remove = may_remove;
    memory_disk_init(&trace->disk, true);
    trace->disk.fault = fault;
    must(journal_open_over(&run.broker, &config, &trace->disk.io, NULL) == 0);
    /* cap: sources stop with the reserve; here everything uses the reserve */
    for (int t = 0; t < TOPICS; t++)
        must(broker_topic(run.broker, names[t], 0, NULL) == t);
    must(producer_open(&run.producer, run.broker, &handler, NULL) == 0);
    run.producer->broker = run.broker;
    run.in = consume(run.broker, "g", IN);
    run.out = consume(run.broker, "g", OUT);
    run_steps(&run, steps, is_slow);
    producer_close(run.producer, 10 * NS_PER_S);
    consumer_close(run.in);
    consumer_close(run.out);
    run.broker->driver->close(run.broker);
    memory_disk_index(&trace->disk);
}

/* ---- one recovered disk ---- */

struct found {
    struct topics topics;
    struct groups groups;
    struct journal_files files;
    struct place places[TOPICS][INPUTS_MAX]; /* offset -1: not found */
    int64_t last[TOPICS][PARTITIONS];
    const char *wrong; /* what is */
};

static void on_record(struct found *found, const struct frame *frame, const struct record *record,
                      int64_t offset)
{
    uint64_t tag;
    if (!is_value(record->value, &tag) || TAG_TOPIC(tag) != frame->topic) {
        found->wrong = "a record that was never published";
        return;
    }
    struct place *place = &found->places[frame->topic][TAG_INPUT(tag)];
    if (place->offset >= 0)
        found->wrong = "a record is there twice";
    if (offset <= found->last[frame->topic][frame->partition])
        found->wrong = "offsets do not grow";
    found->last[frame->topic][frame->partition] = offset;
    *place = (struct place){frame->partition, offset};
}

static void on_frame(void *context, const struct frame *frame, const uint8_t *payload)
{
    struct found *found = context;
    if (frame->type == FRAME_GAP)
        found->wrong = "a gap: recovery took a torn tail for damage";
    if (frame->type != FRAME_RECORDS)
        return;
    if (frame->topic >= TOPICS || frame->partition >= PARTITIONS) {
        found->wrong = "a frame of no topic";
        return;
    }
    const uint8_t *end = payload + frame->payload_len;
    struct record record;
    for (uint32_t i = 0; i < frame->count; i++) {
        if (!record_decode(&payload, end, &record)) {
            found->wrong = "a record that can't be decoded";
            return;
        }
        on_record(found, frame, &record, frame->base_offset + i);
    }
}

static void read_log(struct found *found, struct seglog *log)
{
    const struct recover_visitor visitor = {.context = found, .on_frame = on_frame};
    for (size_t i = 0; i < log->count; i++) {
        struct scan scan;
        must(scan_segment(log, log->segments[i], log->segments[i]->end, &visitor, &scan, NULL) ==
             0);
        if (scan.damage_count > 0)
            found->wrong = "damage after recovery";
    }
}

static int64_t position_of(struct found *found, int topic, int partition)
{
    struct group *group = groups_find(&found->groups, "g");
    struct position *position = group == NULL ? NULL : group_find_position(group, topic, partition);
    return position == NULL ? -1 : position->committed;
}

/* Removed, not lost: its group was done with it. */
static bool may_be_gone(const struct trace *trace, struct found *found, int topic,
                        struct place place)
{
    return trace->may_remove && topic != DEAD && place.offset >= 0 &&
           place.offset < position_of(found, topic, place.partition);
}

static void check_acks(const struct trace *trace, size_t op_count, struct found *found)
{
    for (size_t i = 0; i < op_count; i++) {
        const struct disk_op *op = &trace->disk.ops[i];
        if (op->kind != DISK_EVENT || op->event[0] != ACKED)
            continue;
        int topic = TAG_TOPIC(op->event[1]);
        struct place is = found->places[topic][TAG_INPUT(op->event[1])];
        struct place was = {(int)op->event[2], (int64_t)op->event[3]};
        if (topic >= topics_count(&found->topics))
            found->wrong = "a topic with acked records is missing";
        else if (found->files.partitions[topic][was.partition].next <= was.offset)
            found->wrong = "an acked offset would be given again";
        else if (is.offset < 0 && !may_be_gone(trace, found, topic, was))
            found->wrong = "an acked record is missing";
        else if (is.offset >= 0 && (is.offset != was.offset || is.partition != was.partition))
            found->wrong = "an acked record is somewhere else";
    }
}

static void check_positions(const struct trace *trace, size_t op_count, struct found *found)
{
    int64_t issued[TOPICS][PARTITIONS];
    memset(issued, 0xff, sizeof issued);
    for (size_t i = 0; i < op_count; i++) {
        const struct disk_op *op = &trace->disk.ops[i];
        if (op->kind == DISK_EVENT && op->event[0] == COMMITTING)
            issued[op->event[1]][op->event[2]] = (int64_t)op->event[3];
    }
    for (int t = 0; t < TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++)
            if (position_of(found, t, p) > issued[t][p])
                found->wrong = "a position that was never committed";
}

static void check_outputs(const struct trace *trace, struct found *found)
{
    for (unsigned i = 0; i < trace->inputs; i++) {
        struct place in = trace->places[IN][i];
        if (in.offset < 0 || in.offset >= position_of(found, IN, in.partition))
            continue;
        int topic = is_dead(i) ? DEAD : OUT;
        if (found->places[topic][i].offset < 0 &&
            !may_be_gone(trace, found, topic, trace->places[topic][i]))
            found->wrong = is_dead(i) ? "a position covers an input whose dead letter is missing"
                                      : "a position covers an input whose output is missing";
    }
}

static void check_next(struct found *found)
{
    for (int t = 0; t < topics_count(&found->topics) && t < TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++)
            if (found->files.partitions[t][p].next <= found->last[t][p])
                found->wrong = "an offset would be given again";
}

/* NULL: as it must be. */
static const char *check(const struct trace *trace, struct memory_disk *disk, size_t op_count)
{
    static struct found found;
    const struct journal_files_options options = {
        .data_dir = "/d", .segment_bytes = 65536, .dead_segment_bytes = 65536};
    static struct error err;
    memset(&found, 0, sizeof found);
    for (int t = 0; t < TOPICS; t++)
        for (unsigned i = 0; i < INPUTS_MAX; i++)
            found.places[t][i].offset = -1;
    memset(found.last, 0xff, sizeof found.last);
    topics_init(&found.topics);
    groups_init(&found.groups);
    if (journal_files_open(&found.files, &disk->io, &options, &found.topics, &found.groups, &err) !=
        0) {
        found.wrong = err.text;
    } else {
        read_log(&found, &found.files.data);
        read_log(&found, &found.files.dead);
        check_next(&found);
        check_acks(trace, op_count, &found);
        check_positions(trace, op_count, &found);
        check_outputs(trace, &found);
        journal_files_close(&found.files);
    }
    topics_deinit(&found.topics);
    groups_deinit(&found.groups);
    return found.wrong;
}

/* ---- choosing states ---- */

struct chooser {
    unsigned percent;
    uint64_t mask; /* with `is_mask`: bit i answers the i-th question */
    bool is_mask;
    unsigned asked;
};

static bool choose(void *context)
{
    struct chooser *chooser = context;
    unsigned i = chooser->asked++;
    if (chooser->is_mask)
        return i < 64 && (chooser->mask >> i & 1) != 0;
    return rng_below(100) < chooser->percent;
}

static unsigned long states_checked, states_wrong;

static bool judge(const struct trace *trace, struct memory_disk *disk, size_t op_count,
                  const char *how)
{
    const char *wrong = check(trace, disk, op_count);
    states_checked++;
    if (wrong == NULL)
        return true;
    if (states_wrong++ < 3 && how != NULL)
        printf("powercut: after operation %zu of %zu (%s): %s\n", op_count, trace->disk.op_count,
               how, wrong);
    return false;
}

/* Recovery is recorded, too, and cut. */
static bool judge_twice(const struct trace *trace, const struct memory_disk *disk, size_t op_count,
                        const char *how)
{
    struct memory_disk first;
    memory_disk_init(&first, true);
    for (int i = 0; i < disk->name_count; i++) { /* what is there is durable */
        const struct disk_inode *inode = &disk->inodes[disk->names[i].inode];
        int fd = first.io.open(&first, disk->names[i].path, 0100 /* O_CREAT */);
        struct iovec iov = {inode->bytes, inode->size};
        first.io.pwritev(&first, fd, &iov, 1, 0);
        first.io.fdatasync(&first, fd);
        first.io.close(&first, fd);
    }
    first.io.sync_dir(&first, "/d/journal");
    size_t before = first.op_count;
    bool is_right = judge(trace, &first, op_count, how);
    memory_disk_index(&first);
    static const unsigned percents[] = {0, 50, 100};
    for (int i = 0; i < 3 && is_right; i++) {
        struct memory_disk second;
        struct chooser chooser = {.percent = percents[i]};
        size_t cut = before + rng_below((unsigned)(first.op_count - before) + 1);
        memory_disk_cut(&second, &first, cut, choose, &chooser);
        is_right = judge(trace, &second, op_count, "cut while recovering");
        memory_disk_deinit(&second);
    }
    memory_disk_deinit(&first);
    return is_right;
}

static void sample(struct trace *trace, unsigned long states, const char *how)
{
    static const unsigned percents[] = {0, 100, 50, 10, 90};
    for (unsigned long i = 0; i < states; i++) {
        struct memory_disk disk;
        struct chooser chooser = {.percent = percents[rng_below(5)]};
        size_t op_count = rng_below((unsigned)trace->disk.op_count + 1);
        memory_disk_cut(&disk, &trace->disk, op_count, choose, &chooser);
        if (i % 16 == 0)
            judge_twice(trace, &disk, op_count, how);
        else
            judge(trace, &disk, op_count, how);
        memory_disk_deinit(&disk);
    }
}

/* Every subset at every point, where there are few enough. */
static unsigned long exhaust(struct trace *trace, unsigned bits_max)
{
    unsigned long skipped = 0;
    for (size_t op_count = 0; op_count <= trace->disk.op_count; op_count++) {
        uint64_t masks = 1;
        for (uint64_t mask = 0; mask < masks; mask++) {
            struct memory_disk disk;
            struct chooser chooser = {.is_mask = true, .mask = mask};
            size_t choices = memory_disk_cut(&disk, &trace->disk, op_count, choose, &chooser);
            if (choices > bits_max)
                skipped++;
            else if (mask == 0)
                masks = UINT64_C(1) << choices;
            judge(trace, &disk, op_count, "exhaustive");
            memory_disk_deinit(&disk);
        }
    }
    return skipped;
}

/* ---- proof that it would notice ---- */

static bool is_noticed(enum disk_fault fault, const char *name, uint64_t seed)
{
    static struct trace trace;
    rng_state = seed;
    run_trace(&trace, 30, false, false, fault);
    unsigned long before = states_wrong;
    unsigned long tried = states_checked;
    for (int i = 0; i < 40 && states_wrong == before; i++)
        sample(&trace, 50, NULL);
    bool was_noticed = states_wrong > before;
    printf("powercut: self-test: a disk that loses %s: %s after %lu states\n", name,
           was_noticed ? "noticed" : "NOT NOTICED", states_checked - tried);
    memory_disk_deinit(&trace.disk);
    states_wrong = before;
    states_checked = tried;
    return was_noticed;
}

static bool test_itself(uint64_t seed)
{
    bool data = is_noticed(DISK_LOSES_DATA_SYNCS, "syncs of the data log", seed);
    bool dead = is_noticed(DISK_LOSES_DEAD_SYNCS, "syncs of the dead-letter log", seed);
    bool folder = is_noticed(DISK_LOSES_DIR_SYNCS, "syncs of the folder", seed);
    return data && dead && folder;
}

static unsigned count_unlinks(const struct memory_disk *disk)
{
    unsigned count = 0;
    for (size_t i = 0; i < disk->op_count; i++)
        count += disk->ops[i].kind == DISK_UNLINK;
    return count;
}

static void parse(int argc, char **argv, unsigned long *states, uint64_t *seed)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--states") == 0)
            *states = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            *seed = strtoull(argv[i + 1], NULL, 10);
    }
}

int main(int argc, char **argv)
{
    static struct trace trace;
    unsigned long states = getenv("MOTORCADE_SOAK") == NULL ? 12000 : 50000;
    uint64_t seed = 20260520;
    parse(argc, argv, &states, &seed);
    log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT); /* recovery would tell each time */
    rng_state = seed | 1;
    run_trace(&trace, 3, true, false, DISK_SOUND);
    unsigned long skipped = exhaust(&trace, 9);
    printf("powercut: small case: %zu operations, %lu states, every subset at all points but %lu\n",
           trace.disk.op_count, states_checked, skipped);
    memory_disk_deinit(&trace.disk);
    enum { TRACES = 6 };
    for (int i = 0; i < TRACES; i++) {
        run_trace(&trace, 60, i == 4, i >= 3, DISK_SOUND);
        size_t ops = trace.disk.op_count;
        unsigned long before = states_checked;
        sample(&trace, states / TRACES, i >= 3 ? "sampled, segments removed" : "sampled");
        printf("powercut: trace %d: %u inputs, %zu operations, %u names removed, %lu states\n", i,
               trace.inputs, ops, count_unlinks(&trace.disk), states_checked - before);
        memory_disk_deinit(&trace.disk);
    }
    bool is_sharp = test_itself(seed | 1);
    printf("powercut: seed %" PRIu64 ": %lu states, %lu wrong\n", seed, states_checked,
           states_wrong);
    return states_wrong == 0 && is_sharp ? 0 : 1;
}

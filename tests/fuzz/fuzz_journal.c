/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery of a journal whose bytes are anything. Input: repeated edits of a
 * sound journal (2 bytes which place, 1 byte what to do, 1 byte with what), or,
 * after a first byte of 0xff, the whole content of one segment. Whatever it is,
 * the journal opens, reads to its end, takes one more record, and opens again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "broker/journal/journal.h"
#include "observe/log.h"
#include "support/memory_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct broker_config config = {.kind = BROKER_JOURNAL,
                                            .data_dir = "/d",
                                            .partitions = 1,
                                            .group_bytes = 65536,
                                            .segment_bytes = 65536,
                                            .cap_bytes = 64 << 20,
                                            .retention_ns = INT64_MAX / 2,
                                            .dead_letter_cap_bytes = 64 << 20,
                                            .producer_queue_records = 1000,
                                            .producer_queue_bytes = 1 << 20,
                                            .record_bytes_max = 65536};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag;
    (void)offset;
    must(delivery == DELIVERY_DURABLE);
    ++*(unsigned *)context;
}

static void append(struct broker *broker, int topic, unsigned records, size_t len)
{
    static char value[2000];
    unsigned delivered = 0;
    struct producer *producer;
    const struct producer_handler handler = {.on_delivery = on_delivery, .context = &delivered};
    must(producer_open(&producer, broker, &handler, NULL) == 0);
    struct record record = {.key = BYTES("k"), .value = {value, len}, .timestamp_ns = 1};
    for (unsigned i = 0; i < records; i++)
        must(producer_publish(producer, topic, &record, i) == PUBLISH_ACCEPTED);
    producer_close(producer, INT64_C(20000000000));
    must(delivered == records);
}

static unsigned read_all(struct broker *broker, int topic)
{
    struct consumer *consumer;
    struct consumed_batch batch;
    struct consumer_options options = {
        .topics = &topic, .topic_count = 1, .start = CONSUMER_FROM_EARLIEST};
    unsigned records = 0;
    int64_t last = -1;
    must(consumer_open(&consumer, broker, &options, NULL) == 0);
    while (consumer_fetch(consumer, &batch, 1000, 0, NULL) == 0 && batch.count > 0)
        for (size_t i = 0; i < batch.count; i++, records++) {
            must(batch.records[i].offset > last);
            last = batch.records[i].offset;
        }
    consumer_close(consumer);
    return records;
}

/* A sound journal: two segments, a group's position. */
static void make_sound(struct memory_disk *disk)
{
    struct broker *broker;
    struct consumer *consumer;
    struct consumed_batch batch;
    memory_disk_init(disk, false);
    must(journal_open_over(&broker, &config, &disk->io, NULL) == 0);
    int topic = broker_topic(broker, "t", 1, NULL);
    must(topic == 0);
    append(broker, topic, 60, 1900);
    struct consumer_options options = {.group = "g", .topics = &topic, .topic_count = 1};
    must(consumer_open(&consumer, broker, &options, NULL) == 0);
    must(consumer_fetch(consumer, &batch, 10, 0, NULL) == 0 && batch.count > 0);
    must(consumer_commit(consumer, topic, 0, 5, NULL) == 0);
    consumer_close(consumer);
    broker->driver->close(broker);
}

static void edit(struct disk_inode *inode, const uint8_t *input)
{
    /* Positions in units of 8 bytes reach the whole of a segment. */
    uint64_t at = (uint64_t)(input[0] | input[1] << 8) * 8 + (input[2] >> 5);
    if (at >= inode->size)
        return;
    switch (input[2] & 3) {
    case 0:
        inode->bytes[at] ^= input[3];
        break;
    case 1:
        memset(inode->bytes + at, input[3], inode->size - at < 512 ? inode->size - at : 512);
        break;
    case 2:
        inode->size = at;
        break;
    default:
        memmove(inode->bytes + at, inode->bytes, inode->size - at < 64 ? inode->size - at : 64);
    }
}

static void bend(struct memory_disk *disk, const uint8_t *data, size_t size)
{
    const char *name = memory_disk_name(disk, "/d/journal/data-", (int)(data[0] & 1));
    struct disk_inode *inode = memory_disk_file(disk, name);
    if (data[0] == 0xff) {
        memcpy(inode->bytes, data + 1, size - 1 < inode->size ? size - 1 : inode->size);
        return;
    }
    for (size_t at = 1; at + 4 <= size; at += 4)
        edit(inode, data + at);
}

static unsigned open_and_read(struct memory_disk *disk, unsigned more)
{
    struct broker *broker;
    struct error err = {0};
    if (journal_open_over(&broker, &config, &disk->io, &err) != 0) {
        must(err.kind == ERROR_CONFIG); /* made to look newer: the one reason */
        return 0;
    }
    int topic = broker_topic(broker, "t", 1, NULL);
    must(topic >= 0);
    unsigned before = read_all(broker, topic);
    append(broker, topic, more, 10);
    must(read_all(broker, topic) == before + more);
    broker->driver->close(broker);
    return before + more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_disk disk;
    if (size == 0)
        return 0;
    log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT); /* nothing */
    make_sound(&disk);
    bend(&disk, data, size);
    unsigned first = open_and_read(&disk, 1);
    if (first > 0)
        must(open_and_read(&disk, 0) >= first);
    memory_disk_deinit(&disk);
    return 0;
}

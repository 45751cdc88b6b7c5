/* SPDX-License-Identifier: Apache-2.0 */
#include "live/saver.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/metrics.h"

enum { CHUNK_BYTES = 256 << 10 };

void saver_init(struct saver *saver, struct snapshot_writer *writer, const struct roster *roster,
                const struct feed *feed)
{
    *saver = (struct saver){.writer = writer, .roster = roster, .feed = feed};
    buf_init(&saver->chunk, 0);
}

void saver_deinit(struct saver *saver)
{
    buf_deinit(&saver->chunk);
}

static int put_head(struct saver *saver)
{
    size_t count = saver->feed->partition_count;
    struct snapshot_position *positions = calloc(count + 1, sizeof *positions);
    if (positions == NULL)
        return -1;
    feed_positions(saver->feed, positions);
    int result = snapshot_put_head(&saver->chunk, clock_wall_ns(), positions, count);
    free(positions);
    return result;
}

bool saver_begin(struct saver *saver)
{
    if (saver->is_saving || !snapshot_begin(saver->writer))
        return false;
    saver->is_saving = true;
    saver->has_filled = false;
    saver->next_id = 0;
    buf_clear(&saver->chunk);
    if (put_head(saver) == 0)
        return true;
    saver->is_saving = false;
    snapshot_abandon(saver->writer);
    return false;
}

/* -1: no memory; a chunk with half a packet must not be written. */
static int fill(struct saver *saver)
{
    while (saver->next_id < saver->roster->id_end && saver->chunk.len < CHUNK_BYTES) {
        const struct roster_entry *entry = roster_by_id(saver->roster, saver->next_id++);
        if (entry != NULL && snapshot_put_packet(&saver->chunk, roster_json(entry)) != 0)
            return -1;
    }
    saver->has_filled = true;
    return 0;
}

bool saver_step(struct saver *saver)
{
    if (!saver->is_saving)
        return false;
    if (!saver->has_filled && fill(saver) != 0) {
        saver->is_saving = false;
        buf_deinit(&saver->chunk);
        snapshot_abandon(saver->writer);
        metrics_add(METRIC_LIVE_SNAPSHOT_FAILURES, 0, 1);
        return false;
    }
    bool is_last = saver->next_id >= saver->roster->id_end;
    if (snapshot_write(saver->writer, &saver->chunk, is_last)) {
        saver->has_filled = false;
        saver->is_saving = !is_last;
    }
    return saver->is_saving;
}

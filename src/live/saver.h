/* SPDX-License-Identifier: Apache-2.0 */
/* Saves the roster while it goes on changing: a slice of it each step, copied
 * into a chunk for the snapshot's writer, so that no turn of the loop is long. The
 * loop's thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "live/feed.h"
#include "live/roster.h"
#include "live/snapshot.h"

struct saver {
    struct snapshot_writer *writer;
    const struct roster *roster;
    const struct feed *feed;
    bool is_saving;
    bool has_filled; /* chunk is full (or the last one), waiting for the writer */
    uint32_t next_id;
    struct buf chunk;
};

void saver_init(struct saver *saver, struct snapshot_writer *writer, const struct roster *roster,
                const struct feed *feed);
void saver_deinit(struct saver *saver);

/* Begin a snapshot; false: the one before is not through yet, or no memory. */
bool saver_begin(struct saver *saver);
/* One slice; true: call again. */
bool saver_step(struct saver *saver);

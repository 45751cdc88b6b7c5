/* SPDX-License-Identifier: Apache-2.0 */
/* <journal>/watermark: one page of shared memory through which the writing
 * process tells followers how far they may read. Never synced, never needed for
 * recovery: without a writer a follower finds the end by the frames. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "broker/journal/io.h"

enum { WATERMARK_BYTES = 4096 };

struct watermark {
    _Atomic uint64_t magic;
    _Atomic uint64_t data;       /* visible end of the data log */
    _Atomic uint64_t dead;       /* … of the dead-letter log */
    _Atomic uint64_t generation; /* grows when topics or segments change */
};

/* For the writer: made and emptied. */
int watermark_open(struct watermark **out, const struct journal_io *io, const char *dir,
                   bool is_writable, struct error *err);
void watermark_close(struct watermark *watermark, const struct journal_io *io);

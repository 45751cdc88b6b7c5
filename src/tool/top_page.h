/* SPDX-License-Identifier: Apache-2.0 */
/* What `motorcade top` shows, as lines of text, from two scrapes. Pure. */
#pragma once

#include "tool/scrape.h"

struct top_page {
    const struct scrape *now, *before;
    const char *where; /* "127.0.0.1:30000", "3 processes" */
    const char *ready; /* "ready", or why not; of the first process */
    size_t width, height;
    bool is_styled; /* bold and colours (ECMA-48) */
};

/* At most `height` lines of at most `width` columns, each ending in a newline. */
void top_page_print(const struct top_page *page, struct buf *out);

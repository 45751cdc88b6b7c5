/* SPDX-License-Identifier: Apache-2.0 */
/* `promtool check metrics` finds nothing to say about the page. Its own program,
 * so that it can be skipped (77) where there is no promtool: cmocka's skip()
 * prints "not ok … # SKIP", which meson counts as failed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "observe/metrics.h"
#include "observe/metrics_cells.h"

enum { SKIPPED = 77 };

static int check(const struct buf *page)
{
    FILE *lint = popen("promtool check metrics 2>&1", "w");
    if (lint == NULL)
        return 1;
    size_t written = fwrite(page->ptr, 1, page->len, lint);
    return pclose(lint) == 0 && written == page->len ? 0 : 1;
}

int main(void)
{
    static const char *const names[] = {"a", "b"};
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        puts("SKIP: promtool is not installed");
        return SKIPPED;
    }
    for (int i = 0; i < 1000; i++)
        metrics_observe(METRIC_SCRAPE_SECONDS, 0, (int64_t)i * i * i * i);
    for (enum metric id = 0; id < METRIC_COUNT; id++) { /* so that every metric shows */
        if (metric_is_series(id))
            metric_series_set(metrics_series(id, "one=\"1\",two=\"b c\""), 1);
        else if (metrics_label_count(id) == 0)
            metrics_label_values(id, names, 2);
    }
    struct buf page;
    buf_init(&page, 0);
    int code = metrics_print(&page, METRICS_PROMETHEUS) == 0 ? check(&page) : 1;
    buf_deinit(&page);
    return code;
}

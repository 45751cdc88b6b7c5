/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/where.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

int where_parse(const char *text, enum consumer_start *start, int64_t *value, struct error *err)
{
    struct bytes bytes = bytes_from_text(text);
    *value = 0;
    if (strcmp(text, "earliest") == 0) {
        *start = CONSUMER_FROM_EARLIEST;
    } else if (strcmp(text, "latest") == 0) {
        *start = CONSUMER_FROM_LATEST;
    } else if (text_to_i64(bytes, value) && *value >= 0) {
        *start = CONSUMER_FROM_OFFSET;
    } else if (text_to_time_ms(bytes, value)) {
        *start = CONSUMER_FROM_TIME;
        *value *= NS_PER_MS;
    } else if (text_to_duration_ns(bytes, value) && *value >= 0) {
        *start = CONSUMER_FROM_TIME;
        *value = clock_wall_ns() - *value;
    } else {
        return error_set(err, ERROR_USAGE,
                         "--from %s: expected earliest, latest, an offset, a time like "
                         "2026-05-20T07:00:00Z or an age like 10m",
                         text);
    }
    return 0;
}

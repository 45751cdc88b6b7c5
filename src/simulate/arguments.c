/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/arguments.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

int argument_count(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                   struct error *err)
{
    uint64_t value;
    if (text == NULL)
        return 0;
    if (!text_to_u64(bytes_from_text(text), &value) || value < min || value > max)
        return error_set(err, ERROR_USAGE, "--%s %.40s: wants a whole number from %llu to %llu",
                         name, text, (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

int argument_rate(const char *name, const char *text, double *out, struct error *err)
{
    double value;
    if (text == NULL)
        return 0;
    if (!text_to_double(bytes_from_text(text), &value) || !(value >= 1e-6 && value <= 1e6))
        return error_set(err, ERROR_USAGE, "--%s %.40s: wants a number from 0.000001 to 1000000",
                         name, text);
    *out = value;
    return 0;
}

int argument_duration(const char *name, const char *text, int64_t *out_ns, struct error *err)
{
    int64_t value;
    if (text == NULL)
        return 0;
    if (!text_to_duration_ns(bytes_from_text(text), &value) || value <= 0)
        return error_set(err, ERROR_USAGE, "--%s %.40s: wants a time like 30s, 10m or 1.5h", name,
                         text);
    *out_ns = value;
    return 0;
}

int argument_box(const char *name, const char *text, double out[4], struct error *err)
{
    if (text == NULL)
        return 0;
    const char *start = text;
    for (int i = 0; i < 4; i++) {
        size_t len = strcspn(start, ",");
        bool is_last = start[len] == '\0';
        if (!text_to_double(bytes_of(start, len), &out[i]) || is_last != (i == 3))
            return error_set(err, ERROR_USAGE,
                             "--%s %.80s: wants minlat,minlon,maxlat,maxlon in degrees", name,
                             text);
        start += len + 1;
    }
    return 0;
}

int argument_target(const char *url, struct client_target *target, struct error *err)
{
    if (client_target_resolve(target, url, err) != 0)
        return -1;
    if (strcmp(target->path, "/") == 0)
        snprintf(target->path, sizeof target->path, "%s",
                 target->is_websocket ? "/ws" : "/packets");
    return 0;
}

size_t argument_window(uint64_t links, uint64_t batch)
{
    uint64_t packets = 262144 / links;
    packets = packets < 64 ? 64 : packets > 16384 ? 16384 : packets;
    return packets < 2 * batch ? 2 * batch : packets;
}

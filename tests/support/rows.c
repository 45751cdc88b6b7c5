/* SPDX-License-Identifier: Apache-2.0 */
#include "support/rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"

void rows_init(struct rows *rows)
{
    memset(rows, 0, sizeof *rows);
    rows->scratch = packet_scratch_new();
    must(rows->scratch != NULL);
}

void rows_clear(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free((void *)(uintptr_t)rows->items[i].packet.vehicle.ptr);
        free((void *)(uintptr_t)rows->items[i].canonical.ptr);
    }
    rows->count = 0;
}

void rows_deinit(struct rows *rows)
{
    rows_clear(rows);
    free(rows->items);
    packet_scratch_free(rows->scratch);
}

static struct bytes copy(struct bytes bytes)
{
    char *text = malloc(bytes.len + 1);
    must(text != NULL);
    memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    return bytes_of(text, bytes.len);
}

void rows_add_json(struct rows *rows, int64_t received_ns, struct bytes json)
{
    static uint64_t assigned = UINT64_C(1) << 63;
    struct packet packet;
    struct reject reject;
    struct buf text;
    if (!dialect_decode(rows->scratch, json, &packet, &reject)) {
        fprintf(stderr, "%.*s: %s\n", (int)json.len, json.ptr, reject.detail);
        abort();
    }
    packet_identify(&packet, received_ns, assigned++);
    packet.category = BYTES("position");
    buf_init(&text, 0);
    must(canonical_encode(&packet, &text) == 0);
    if (rows->count == rows->cap) {
        rows->cap = rows->cap == 0 ? 64 : 2 * rows->cap;
        rows->items = realloc(rows->items, rows->cap * sizeof *rows->items);
        must(rows->items != NULL);
    }
    struct sink_row *row = &rows->items[rows->count++];
    row->source = (struct sink_source){BYTES("gpscoords.position"), 3, (int64_t)rows->count};
    row->canonical = copy(buf_bytes(&text));
    buf_deinit(&text);
    must(canonical_decode(rows->scratch, row->canonical, &row->packet, &reject));
    row->packet.vehicle = copy(row->packet.vehicle);
    row->packet.signals = NULL; /* not the sink's to look at */
    row->packet.signal_count = 0;
}

void rows_add(struct rows *rows, int64_t received_ns, const char *format, ...)
{
    char json[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(json, sizeof json, format, args);
    va_end(args);
    must(len > 0 && (size_t)len < sizeof json);
    rows_add_json(rows, received_ns, bytes_of(json, (size_t)len));
}

void found_init(struct found *found)
{
    memset(found, 0, sizeof *found);
}

void found_deinit(struct found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        free(found->items[i].vehicle);
        free(found->items[i].canonical);
    }
    free(found->items);
    found_init(found);
}

bool found_add(void *context, const struct sink_row *row)
{
    struct found *found = context;
    if (found->count == found->cap) {
        found->cap = found->cap == 0 ? 64 : 2 * found->cap;
        found->items = realloc(found->items, found->cap * sizeof *found->items);
        must(found->items != NULL);
    }
    found->items[found->count++] = (struct found_row){
        .vehicle = bytes_dup_text(row->packet.vehicle),
        .canonical = bytes_dup_text(row->canonical),
        .canonical_len = row->canonical.len,
        .packet = row->packet,
    };
    return found->stop_after == 0 || found->count < found->stop_after;
}

int found_all(struct found *found, struct sink *sink, const struct sink_query *query, size_t page,
              struct error *err)
{
    struct sink_cursor cursor = {0};
    while (!cursor.is_end)
        if (sink_find(sink, query, &cursor, page, found_add, found, err) != 0)
            return -1;
    return 0;
}

int found_latest(struct found *found, struct sink *sink, size_t page, struct error *err)
{
    struct sink_cursor cursor = {0};
    while (!cursor.is_end)
        if (sink_latest(sink, &cursor, page, found_add, found, err) != 0)
            return -1;
    return 0;
}

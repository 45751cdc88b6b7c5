/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: the same records whatever the pieces, within the bounds. */
#include "base/must.h"
#include "codec/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD_BYTES = 512 };

static void print(const struct csv *csv, enum csv_step step, struct buf *out)
{
    buf_append_u64(out, csv->line);
    buf_append_char(out, step == CSV_RECORD ? 'r' : 'b');
    size_t bytes = 0;
    for (size_t i = 0; step == CSV_RECORD && i < csv->field_count; i++) {
        struct bytes field = csv_field(csv, i);
        bytes += field.len;
        buf_append_u64(out, field.len);
        buf_append_char(out, ':');
        buf_append_bytes(out, field);
    }
    must(bytes <= RECORD_BYTES);
    must(step == CSV_BAD || (csv->field_count > 0 && csv->field_count <= CSV_FIELDS_MAX));
    must(step == CSV_RECORD || csv->problem != NULL);
}

static void parse(struct bytes in, size_t piece, struct buf *out)
{
    struct csv csv;
    csv_init(&csv, ',', RECORD_BYTES);
    enum csv_step step;
    while (in.len > 0) {
        struct bytes part = bytes_of(in.ptr, in.len < piece ? in.len : piece);
        in = bytes_of(in.ptr + part.len, in.len - part.len);
        while ((step = csv_next(&csv, &part)) != CSV_MORE)
            print(&csv, step, out);
        must(part.len == 0);
    }
    while ((step = csv_finish(&csv)) != CSV_MORE)
        print(&csv, step, out);
    csv_deinit(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of((const char *)data, size);
    struct buf whole, pieces;
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    parse(in, size + 1, &whole);
    parse(in, 1 + size % 7, &pieces);
    must(bytes_equal(buf_bytes(&whole), buf_bytes(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}

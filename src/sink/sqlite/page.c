/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/page.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/decimal.h"
#include "base/must.h"
#include "base/text.h"
#include "sink/sqlite/varint.h"

enum { HEADER_LEN = 40, ORDERS_ARE_TIMES = 1, ONE_SHAPE = 2, SCALE_PACKED = 255 };

static int64_t power(unsigned scale)
{
    return (int64_t)decimal_whole_powers[scale];
}

struct shape_fields row_fields(const struct row *row)
{
    return (struct shape_fields){row->vehicle, key_identity(&row->key), row->key.time_ms,
                                 row->received_ns};
}

int row_text(const struct row *row, struct buf *out)
{
    if (row->shape == NULL)
        return buf_append_bytes(out, row->text);
    struct shape_fields fields = row_fields(row);
    return shape_join(row->shape, &fields, row->numbers, out);
}

/* ---- writing ---- */

/* Which shapes a page uses, and its rows by shape. */
struct page_shapes {
    uint16_t local[SHAPE_TABLE_MAX]; /* a shape's number in this page, from 1 */
    const struct shape *shapes[PAGE_ROWS_MAX];
    uint32_t count;
    uint16_t of_row[PAGE_ROWS_MAX]; /* 0 = kept whole */
};

static void find_shapes(struct page_shapes *used, const struct row *const *rows, size_t count)
{
    memset(used->local, 0, sizeof used->local);
    used->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct shape *shape = rows[i]->shape;
        used->of_row[i] = 0;
        if (shape == NULL)
            continue;
        uint16_t *local = &used->local[shape->number];
        if (*local == 0) {
            used->shapes[used->count++] = shape;
            *local = (uint16_t)used->count;
        }
        used->of_row[i] = *local;
    }
}

static size_t length_bound(const struct row *const *rows, size_t count,
                           const struct page_shapes *used)
{
    size_t bound = HEADER_LEN + count * (5 * VARINT_MAX + 8 + PACKET_VEHICLE_MAX + VARINT_MAX);
    for (size_t i = 0; i < count; i++)
        bound += rows[i]->shape != NULL ? VARINT_MAX * (size_t)rows[i]->shape->number_count
                                        : VARINT_MAX + rows[i]->text.len;
    for (uint32_t i = 0; i < used->count; i++)
        bound += VARINT_MAX + used->shapes[i]->len + used->shapes[i]->number_count;
    return bound;
}

static bool same_vehicle(const struct row *a, const struct row *b)
{
    return a->key.hash == b->key.hash && bytes_equal(a->vehicle, b->vehicle);
}

static uint8_t *put_vehicle(uint8_t *p, struct bytes vehicle)
{
    uint64_t number;
    if (text_to_u64(vehicle, &number) && (vehicle.ptr[0] != '0' || vehicle.len == 1)) {
        unsigned len = 1;
        while (len < 8 && number >> 8 * len != 0)
            len++;
        *p++ = (uint8_t)(2 * len + 1);
        memcpy(p, &number, len);
        return p + len;
    }
    p = varint_put(p, 2 * vehicle.len);
    memcpy(p, vehicle.ptr, vehicle.len);
    return p + vehicle.len;
}

/* Groups are runs of equal vehicles: rows of two vehicles with one hash may
 * alternate, and then make more groups. */
static uint8_t *put_groups(uint8_t *p, const struct row *const *rows, size_t count,
                           uint32_t *groups)
{
    *groups = 0;
    for (size_t i = 0, end; i < count; i = end, ++*groups) {
        for (end = i + 1; end < count && same_vehicle(rows[i], rows[end]);)
            end++;
        p = varint_put(p, end - i);
        p = put_vehicle(p, rows[i]->vehicle);
    }
    return p;
}

static uint8_t *put_keys(uint8_t *p, const struct row *const *rows, size_t count, uint32_t *flags)
{
    int64_t time_ms = rows[0]->key.time_ms;
    bool orders_are_times = true;
    for (size_t i = 0; i < count; i++) {
        p = varint_put_delta(p, rows[i]->key.time_ms, time_ms);
        time_ms = rows[i]->key.time_ms;
        orders_are_times &= rows[i]->key.order == packet_order_from_time(time_ms);
    }
    *flags |= orders_are_times ? ORDERS_ARE_TIMES : 0;
    uint64_t order = 0;
    for (size_t i = 0; i < count && !orders_are_times; i++) {
        p = varint_put_delta(p, (int64_t)rows[i]->key.order, (int64_t)order);
        order = rows[i]->key.order;
    }
    for (size_t i = 0; i < count; i++, p += 8)
        memcpy(p, &rows[i]->key.content, 8);
    int64_t received_ns = rows[0]->received_ns;
    for (size_t i = 0; i < count; i++) {
        p = varint_put_delta(p, rows[i]->received_ns, received_ns);
        received_ns = rows[i]->received_ns;
    }
    return p;
}

/* All values of a column on one scale, when that is exact. */
static unsigned column_scale(const struct row *const *rows, size_t count, unsigned column)
{
    unsigned scale = 0;
    int64_t largest[18] = {0};
    for (size_t i = 0; i < count; i++) {
        int64_t decimal = rows[i]->numbers[column];
        unsigned own = decimal_scale(decimal);
        int64_t size =
            decimal_mantissa(decimal) < 0 ? -decimal_mantissa(decimal) : decimal_mantissa(decimal);
        if (own > scale)
            scale = own;
        if (size > largest[own])
            largest[own] = size;
    }
    for (unsigned own = 0; own < scale; own++)
        if (largest[own] > (INT64_C(1) << 58) / power(scale - own))
            return SCALE_PACKED;
    return scale;
}

static uint8_t *put_column(uint8_t *p, const struct row *const *rows, size_t count, unsigned column)
{
    unsigned scale = column_scale(rows, count, column);
    int64_t last = 0;
    *p++ = (uint8_t)scale;
    for (size_t i = 0; i < count; i++) {
        int64_t value = rows[i]->numbers[column];
        if (scale != SCALE_PACKED)
            value = decimal_mantissa(value) * power(scale - decimal_scale(value));
        p = varint_put_delta(p, value, last);
        last = value;
    }
    return p;
}

static uint8_t *put_numbers(uint8_t *p, const struct row *const *rows, size_t count,
                            const struct page_shapes *used, bool is_one_shape)
{
    const struct row *same[PAGE_ROWS_MAX];
    for (uint32_t s = 0; s < used->count; s++) {
        size_t n = 0;
        for (size_t i = 0; i < count && !is_one_shape; i++)
            if (used->of_row[i] == s + 1)
                same[n++] = rows[i];
        for (unsigned column = 0; column < used->shapes[s]->number_count; column++)
            p = put_column(p, is_one_shape ? rows : same, is_one_shape ? count : n, column);
    }
    return p;
}

static uint8_t *put_shapes(uint8_t *p, const struct page_shapes *used, size_t count,
                           uint32_t *flags)
{
    bool is_one = used->count == 1;
    for (size_t i = 0; i < count; i++)
        is_one &= used->of_row[i] == 1;
    *flags |= is_one ? ONE_SHAPE : 0;
    for (uint32_t s = 0; s < used->count; s++) {
        p = varint_put(p, used->shapes[s]->len);
        memcpy(p, used->shapes[s]->skeleton, used->shapes[s]->len);
        p += used->shapes[s]->len;
    }
    for (size_t i = 0; i < count && !is_one; i++)
        p = varint_put(p, used->of_row[i]);
    return p;
}

static uint8_t *put_whole(uint8_t *p, const struct row *const *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i]->shape != NULL)
            continue;
        p = varint_put(p, rows[i]->text.len);
        memcpy(p, rows[i]->text.ptr, rows[i]->text.len);
        p += rows[i]->text.len;
    }
    return p;
}

static void put_header(uint8_t *page, const struct row *first, uint32_t counts[4], size_t len)
{
    memcpy(page, "mcp\1", 4);
    memcpy(page + 8, counts, 16);
    memcpy(page + 24, &first->key.time_ms, 8);
    memcpy(page + 32, &first->received_ns, 8);
    uint32_t crc = crc32c(0, page + 8, len - 8);
    memcpy(page + 4, &crc, 4);
}

int page_encode(const struct row *const *rows, size_t count, struct buf *out)
{
    must(count > 0 && count <= PAGE_ROWS_MAX);
    struct page_shapes used;
    find_shapes(&used, rows, count);
    if (buf_reserve(out, length_bound(rows, count, &used)) != 0)
        return -1;
    uint32_t counts[4] = {(uint32_t)count, 0, used.count, 0};
    uint8_t *page = (uint8_t *)out->ptr + out->len;
    uint8_t *p = put_groups(page + HEADER_LEN, rows, count, &counts[1]);
    p = put_keys(p, rows, count, &counts[3]);
    p = put_shapes(p, &used, count, &counts[3]);
    p = put_numbers(p, rows, count, &used, (counts[3] & ONE_SHAPE) != 0);
    p = put_whole(p, rows, count);
    put_header(page, rows[0], counts, (size_t)(p - page));
    out->len += (size_t)(p - page);
    return 0;
}

/* ---- reading ---- */

struct decoder {
    struct reader in;
    struct pool *pool;
    struct row *rows;
    uint32_t row_count, group_count, shape_count, flags;
    int64_t first_time_ms, first_received_ns;
};

uint32_t page_row_count(struct bytes page)
{
    uint32_t count = 0;
    if (page.len >= HEADER_LEN && memcmp(page.ptr, "mcp\1", 4) == 0)
        memcpy(&count, page.ptr + 8, 4);
    return count <= PAGE_ROWS_MAX ? count : 0;
}

static int decoder_init(struct decoder *decoder, struct bytes page, struct pool *pool,
                        struct error *err)
{
    uint32_t crc, counts[4];
    if (page_row_count(page) == 0)
        return error_set(err, ERROR_CORRUPT, "a page has no valid header");
    memcpy(&crc, page.ptr + 4, 4);
    if (crc != crc32c(0, page.ptr + 8, page.len - 8))
        return error_set(err, ERROR_CORRUPT, "a page's checksum is wrong");
    memcpy(counts, page.ptr + 8, 16);
    const uint8_t *start = (const uint8_t *)page.ptr;
    *decoder = (struct decoder){
        .in = {start + HEADER_LEN, start + page.len, false},
        .pool = pool,
        .row_count = counts[0],
        .group_count = counts[1],
        .shape_count = counts[2],
        .flags = counts[3],
    };
    memcpy(&decoder->first_time_ms, page.ptr + 24, 8);
    memcpy(&decoder->first_received_ns, page.ptr + 32, 8);
    decoder->rows = pool_take(pool, decoder->row_count * sizeof(struct row));
    if (decoder->rows == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a page");
    if (decoder->group_count > decoder->row_count || decoder->shape_count > decoder->row_count)
        decoder->in.has_failed = true;
    return 0;
}

static struct bytes take_vehicle(struct decoder *decoder)
{
    uint64_t head = reader_varint(&decoder->in), number = 0;
    const uint8_t *p = reader_take(&decoder->in, head / 2);
    if (p == NULL || head / 2 > PACKET_VEHICLE_MAX || (head % 2 == 1 && head / 2 > 8))
        goto failed;
    if (head % 2 == 0)
        return bytes_of((const char *)p, head / 2);
    memcpy(&number, p, head / 2);
    char *text = pool_take(decoder->pool, TEXT_U64_MAX);
    if (text != NULL)
        return bytes_of(text, text_from_u64(text, number));
failed:
    decoder->in.has_failed = true;
    return bytes_of("", 0);
}

static void take_groups(struct decoder *decoder)
{
    uint32_t row = 0;
    for (uint32_t g = 0; g < decoder->group_count && !decoder->in.has_failed; g++) {
        uint64_t count = reader_varint(&decoder->in);
        struct bytes vehicle = take_vehicle(decoder);
        uint64_t hash = hash64(vehicle);
        if (count > decoder->row_count - row)
            decoder->in.has_failed = true;
        for (uint64_t i = 0; i < count && !decoder->in.has_failed; i++, row++) {
            decoder->rows[row].vehicle = vehicle;
            decoder->rows[row].key.hash = hash;
        }
    }
    if (row != decoder->row_count)
        decoder->in.has_failed = true;
}

static void take_keys(struct decoder *decoder)
{
    struct row *rows = decoder->rows;
    uint32_t count = decoder->row_count;
    take_groups(decoder);
    int64_t time_ms = decoder->first_time_ms;
    for (uint32_t i = 0; i < count; i++)
        rows[i].key.time_ms = time_ms = reader_delta(&decoder->in, time_ms);
    int64_t order = 0;
    if (decoder->flags & ORDERS_ARE_TIMES)
        for (uint32_t i = 0; i < count; i++)
            rows[i].key.order = packet_order_from_time(rows[i].key.time_ms);
    else
        for (uint32_t i = 0; i < count; i++)
            rows[i].key.order = (uint64_t)(order = reader_delta(&decoder->in, order));
    const uint8_t *contents = reader_take(&decoder->in, 8 * (uint64_t)count);
    for (uint32_t i = 0; i < count && contents != NULL; i++)
        memcpy(&rows[i].key.content, contents + 8 * i, 8);
}

static void take_received(struct decoder *decoder)
{
    int64_t received_ns = decoder->first_received_ns;
    for (uint32_t i = 0; i < decoder->row_count; i++)
        decoder->rows[i].received_ns = received_ns = reader_delta(&decoder->in, received_ns);
}

/* Into decoder->rows[].shape, from the table or, when that is full, on their
 * own in the pool: such rows are put together again below. */
static const struct shape *take_shape(struct decoder *decoder, struct shape_table *table,
                                      struct pool *pool)
{
    uint64_t len = reader_varint(&decoder->in);
    const uint8_t *p = reader_take(&decoder->in, len);
    if (p == NULL || len > SHAPE_LITERAL_MAX)
        return NULL;
    struct bytes skeleton = bytes_of((const char *)p, len);
    if (!shape_table_is_full(table))
        return shape_intern(table, skeleton);
    struct shape *shape = pool_take(pool, sizeof *shape + len);
    if (shape == NULL)
        return NULL;
    *shape = (struct shape){.number = SHAPE_TABLE_MAX, .len = (uint32_t)len};
    memcpy(shape->skeleton, p, len);
    for (size_t i = 0; i < len; i++) {
        shape->number_count += p[i] == SHAPE_NUMBER;
        if (p[i] < 0x20 && (p[i] < SHAPE_NUMBER || p[i] > SHAPE_RECEIVED))
            return NULL;
    }
    return shape->number_count <= SHAPE_NUMBERS_MAX ? shape : NULL;
}

static void take_shapes(struct decoder *decoder, struct shape_table *table,
                        const struct shape **shapes, struct pool *pool)
{
    for (uint32_t s = 0; s < decoder->shape_count && !decoder->in.has_failed; s++) {
        shapes[s] = take_shape(decoder, table, pool);
        if (shapes[s] == NULL)
            decoder->in.has_failed = true;
    }
    for (uint32_t i = 0; i < decoder->row_count && !decoder->in.has_failed; i++) {
        uint64_t local = decoder->flags & ONE_SHAPE ? 1 : reader_varint(&decoder->in);
        if (local > decoder->shape_count) {
            decoder->in.has_failed = true;
            return;
        }
        decoder->rows[i].shape = local == 0 ? NULL : shapes[local - 1];
        decoder->rows[i].text = bytes_of(NULL, 0);
    }
}

/* A value on its column's scale, as the decimal without trailing zeros. */
static int64_t decimal_of(int64_t value, unsigned scale)
{
    if (value == 0)
        return 0;
    while (scale > 0 && value % 10 == 0) {
        value /= 10;
        scale--;
    }
    return decimal_pack(value, scale);
}

static void take_column(struct decoder *decoder, int64_t **numbers, size_t count, unsigned column)
{
    const uint8_t *scale = reader_take(&decoder->in, 1);
    if (scale == NULL || (*scale > 17 && *scale != SCALE_PACKED)) {
        decoder->in.has_failed = true;
        return;
    }
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = reader_delta(&decoder->in, value);
        numbers[i][column] = *scale == SCALE_PACKED ? value : decimal_of(value, *scale);
        if (decimal_scale(numbers[i][column]) > 17)
            decoder->in.has_failed = true;
    }
}

static void take_numbers(struct decoder *decoder, const struct shape *const *shapes)
{
    int64_t *numbers[PAGE_ROWS_MAX];
    for (uint32_t s = 0; s < decoder->shape_count && !decoder->in.has_failed; s++) {
        size_t count = 0, width = shapes[s]->number_count;
        for (uint32_t i = 0; i < decoder->row_count; i++)
            count += decoder->rows[i].shape == shapes[s];
        int64_t *all = pool_take(decoder->pool, count * width * sizeof *all);
        if (all == NULL) {
            decoder->in.has_failed = true;
            return;
        }
        count = 0;
        for (uint32_t i = 0; i < decoder->row_count; i++) {
            if (decoder->rows[i].shape != shapes[s])
                continue;
            numbers[count] = all + count * width;
            decoder->rows[i].numbers = numbers[count++];
        }
        for (unsigned column = 0; column < width; column++)
            take_column(decoder, numbers, count, column);
    }
}

static void take_whole(struct decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->row_count && !decoder->in.has_failed; i++) {
        if (decoder->rows[i].shape != NULL)
            continue;
        uint64_t len = reader_varint(&decoder->in);
        decoder->rows[i].text = bytes_of((const char *)reader_take(&decoder->in, len), len);
    }
}

/* Rows whose shape found no room in the table: kept whole from now on. */
static int join_strays(struct decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->row_count; i++) {
        struct row *row = &decoder->rows[i];
        if (row->shape == NULL || row->shape->number < SHAPE_TABLE_MAX)
            continue;
        struct buf text;
        buf_init(&text, 0);
        char *copy = row_text(row, &text) == 0 ? pool_take(decoder->pool, text.len) : NULL;
        if (copy != NULL) {
            memcpy(copy, text.ptr, text.len);
            row->text = bytes_of(copy, text.len);
            row->shape = NULL;
        }
        buf_deinit(&text);
        if (copy == NULL)
            return -1;
    }
    return 0;
}

int page_decode(struct bytes page, struct shape_table *table, struct pool *pool, struct row **rows,
                size_t *count, struct error *err)
{
    struct decoder decoder;
    const struct shape *shapes[PAGE_ROWS_MAX];
    if (decoder_init(&decoder, page, pool, err) != 0)
        return -1;
    take_keys(&decoder);
    take_received(&decoder);
    take_shapes(&decoder, table, shapes, pool);
    if (!decoder.in.has_failed)
        take_numbers(&decoder, shapes);
    take_whole(&decoder);
    if (decoder.in.has_failed || decoder.in.p != decoder.in.end)
        return error_set(err, ERROR_CORRUPT, "a page's columns don't fit together");
    if (join_strays(&decoder) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a page");
    *rows = decoder.rows;
    *count = decoder.row_count;
    return 0;
}

int page_decode_keys(struct bytes page, struct pool *pool, struct row **rows, size_t *count,
                     struct error *err)
{
    struct decoder decoder;
    if (decoder_init(&decoder, page, pool, err) != 0)
        return -1;
    take_keys(&decoder);
    if (decoder.in.has_failed)
        return error_set(err, ERROR_CORRUPT, "a page's columns don't fit together");
    *rows = decoder.rows;
    *count = decoder.row_count;
    return 0;
}

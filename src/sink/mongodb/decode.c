/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/decode.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "sink/mongodb/encode.h"
#include "sink/mongodb/nest.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"

enum { TEXTS_MAX = 64 << 20 }; /* paths and values of one document's signals */

/* Views into texts, which may move while it grows, are made at the end. */
struct place {
    size_t path, path_len;
    size_t raw, raw_len;
};

struct decoder {
    struct packet_scratch *scratch;
    struct packet packet;
    struct buf texts;
    struct buf canonical;
    struct place places[PACKET_SIGNALS_MAX];
    struct signal signals[PACKET_SIGNALS_MAX];
    size_t count;
};

struct decoder *decoder_new(void)
{
    struct decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL)
        return NULL;
    buf_init(&decoder->texts, TEXTS_MAX);
    buf_init(&decoder->canonical, 0);
    decoder->scratch = packet_scratch_new();
    if (decoder->scratch != NULL)
        return decoder;
    free(decoder);
    return NULL;
}

void decoder_free(struct decoder *decoder)
{
    if (decoder == NULL)
        return;
    packet_scratch_free(decoder->scratch);
    buf_deinit(&decoder->texts);
    buf_deinit(&decoder->canonical);
    free(decoder);
}

static struct bytes text_of(const bson_iter_t *iter)
{
    uint32_t len = 0;
    const char *text = BSON_ITER_HOLDS_UTF8(iter) ? bson_iter_utf8(iter, &len) : "";
    return bytes_of(text, len);
}

/* ---- signals ---- */

/* The value as JSON text, as the encoder found it. */
static bool append_value(struct buf *texts, const bson_iter_t *iter)
{
    char text[TEXT_DOUBLE_MAX];
    switch ((int)bson_iter_type(iter)) { /* of BSON's many types those that JSON has */
    case BSON_TYPE_UTF8:
        return buf_append_json(texts, text_of(iter)) == 0;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return buf_append_i64(texts, bson_iter_as_int64(iter)) == 0;
    case BSON_TYPE_DOUBLE:
        return bson_iter_double(iter) - bson_iter_double(iter) == 0 && /* finite */
               buf_append(texts, text, text_from_double(text, bson_iter_double(iter))) == 0;
    case BSON_TYPE_BOOL:
        return buf_append_text(texts, bson_iter_bool(iter) ? "true" : "false") == 0;
    case BSON_TYPE_NULL:
        return buf_append_text(texts, "null") == 0;
    case BSON_TYPE_DOCUMENT:
        return buf_append_text(texts, "{}") == 0;
    case BSON_TYPE_ARRAY:
        return buf_append_text(texts, "[]") == 0;
    default:
        return false;
    }
}

static bool add_signal(struct decoder *decoder, struct bytes path, const bson_iter_t *value)
{
    if (decoder->count == PACKET_SIGNALS_MAX)
        return false;
    struct place *place = &decoder->places[decoder->count++];
    place->path = decoder->texts.len;
    place->path_len = path.len;
    buf_append_bytes(&decoder->texts, path);
    place->raw = decoder->texts.len;
    bool is_fine = append_value(&decoder->texts, value);
    place->raw_len = decoder->texts.len - place->raw;
    return is_fine && !decoder->texts.has_failed;
}

static bool has_children(const bson_iter_t *iter)
{
    bson_iter_t child;
    return (BSON_ITER_HOLDS_DOCUMENT(iter) || BSON_ITER_HOLDS_ARRAY(iter)) &&
           bson_iter_recurse(iter, &child) && bson_iter_next(&child);
}

/* As deep as paths go; each level appends its name to `path` and takes it off. */
static bool add_nested(struct decoder *decoder, struct buf *path, const bson_iter_t *iter,
                       size_t depth)
{
    bson_iter_t child;
    if (!has_children(iter))
        return add_signal(decoder, buf_bytes(path), iter);
    if (depth == NEST_DEPTH_MAX || !bson_iter_recurse(iter, &child))
        return false;
    while (bson_iter_next(&child)) {
        size_t len = path->len;
        if (len > 0)
            buf_append_char(path, '.');
        buf_append_text(path, bson_iter_key(&child));
        if (path->has_failed || !add_nested(decoder, path, &child, depth + 1))
            return false;
        path->len = len;
    }
    return true;
}

static bool add_pairs(struct decoder *decoder, const bson_iter_t *iter)
{
    bson_iter_t pair, path, value;
    if (!bson_iter_recurse(iter, &pair))
        return false;
    while (bson_iter_next(&pair)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&pair) || !bson_iter_recurse(&pair, &path) ||
            !bson_iter_find(&path, "path") || !BSON_ITER_HOLDS_UTF8(&path) ||
            !bson_iter_recurse(&pair, &value) || !bson_iter_find(&value, "value") ||
            !add_signal(decoder, text_of(&path), &value))
            return false;
    }
    return true;
}

static bool add_signals(struct decoder *decoder, const bson_iter_t *iter)
{
    struct buf path;
    bool is_at_top = strcmp(bson_iter_key(iter), "signals") != 0;
    if (!is_at_top && BSON_ITER_HOLDS_ARRAY(iter))
        return add_pairs(decoder, iter);
    buf_init(&path, BSON_MAX);
    if (is_at_top)
        buf_append_text(&path, bson_iter_key(iter));
    bool is_fine = !path.has_failed && add_nested(decoder, &path, iter, 0);
    buf_deinit(&path);
    return is_fine;
}

static void set_views(struct decoder *decoder)
{
    for (size_t i = 0; i < decoder->count; i++) {
        const struct place *place = &decoder->places[i];
        decoder->signals[i].path = bytes_of(decoder->texts.ptr + place->path, place->path_len);
        decoder->signals[i].raw = bytes_of(decoder->texts.ptr + place->raw, place->raw_len);
    }
    decoder->packet.signals = decoder->signals;
    decoder->packet.signal_count = decoder->count;
}

/* ---- fields ---- */

static bool read_coordinate(const bson_iter_t *list, const char *index, double *out)
{
    bson_iter_t value;
    if (!bson_iter_recurse(list, &value) || !bson_iter_find(&value, index) ||
        !BSON_ITER_HOLDS_NUMBER(&value))
        return false;
    *out = bson_iter_as_double(&value);
    return true;
}

static bool read_location(struct packet *packet, const bson_iter_t *iter)
{
    bson_iter_t list;
    packet->fields |= PACKET_HAS_LAT | PACKET_HAS_LON;
    return BSON_ITER_HOLDS_DOCUMENT(iter) && bson_iter_recurse(iter, &list) &&
           bson_iter_find(&list, "coordinates") && BSON_ITER_HOLDS_ARRAY(&list) &&
           read_coordinate(&list, "0", &packet->lon) && read_coordinate(&list, "1", &packet->lat);
}

static bool read_flags(struct packet *packet, const bson_iter_t *iter)
{
    bson_iter_t flag;
    if (!BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &flag))
        return false;
    while (bson_iter_next(&flag)) {
        if (packet->flag_count == sizeof packet->flags / sizeof packet->flags[0])
            return false;
        packet->flags[packet->flag_count++] = text_of(&flag);
    }
    return true;
}

static bool read_dialect(struct packet *packet, const bson_iter_t *iter)
{
    for (int id = DIALECT_NONE + 1;; id++) {
        const struct dialect *dialect = dialect_by_id((enum packet_dialect)id);
        if (dialect == NULL)
            return false;
        packet->dialect = (enum packet_dialect)id;
        if (bytes_equal_text(text_of(iter), dialect->name))
            return true;
    }
}

static bool read_double(const bson_iter_t *iter, struct packet *packet, uint32_t field, double *out)
{
    packet->fields |= field;
    *out = bson_iter_as_double(iter);
    return BSON_ITER_HOLDS_NUMBER(iter);
}

static bool read_received(struct packet *packet, const bson_iter_t *iter)
{
    int64_t ms = BSON_ITER_HOLDS_DATE_TIME(iter) ? bson_iter_date_time(iter) : INT64_MAX;
    packet->received_ns += ms % (INT64_MAX / NS_PER_MS) * NS_PER_MS;
    return ms > -INT64_MAX / NS_PER_MS && ms < INT64_MAX / NS_PER_MS;
}

static bool read_known(struct packet *packet, const char *key, const bson_iter_t *iter)
{
    if (strcmp(key, "lat") == 0)
        return read_double(iter, packet, PACKET_HAS_LAT, &packet->lat);
    if (strcmp(key, "lon") == 0)
        return read_double(iter, packet, PACKET_HAS_LON, &packet->lon);
    if (strcmp(key, "speed") == 0)
        return read_double(iter, packet, PACKET_HAS_SPEED, &packet->speed_ms);
    if (strcmp(key, "heading") == 0)
        return read_double(iter, packet, PACKET_HAS_HEADING, &packet->heading_deg);
    if (strcmp(key, "altitude") == 0)
        return read_double(iter, packet, PACKET_HAS_ALTITUDE, &packet->altitude_m);
    if (strcmp(key, "accuracy") == 0)
        return read_double(iter, packet, PACKET_HAS_ACCURACY, &packet->accuracy_m);
    if (strcmp(key, "location") == 0)
        return read_location(packet, iter);
    if (strcmp(key, "flags") == 0)
        return read_flags(packet, iter);
    if (strcmp(key, "dialect") == 0)
        return read_dialect(packet, iter);
    if (strcmp(key, "vehicle") == 0)
        packet->vehicle = text_of(iter);
    else if (strcmp(key, "category") == 0)
        packet->category = text_of(iter);
    else if (strcmp(key, "type") == 0)
        packet->type = text_of(iter);
    else if (strcmp(key, "id") == 0)
        packet->id = text_of(iter);
    else if (strcmp(key, "received") == 0)
        return read_received(packet, iter);
    else if (strcmp(key, "received_ns") == 0)
        packet->received_ns += (int32_t)bson_iter_as_int64(iter);
    else if (strcmp(key, "time_is_received") == 0)
        packet->fields &= ~(uint32_t)PACKET_HAS_TIME;
    return true; /* members of others are no part of the packet */
}

static bool read_fields(struct decoder *decoder, const bson_t *document, struct bytes *canonical)
{
    bson_iter_t iter;
    decoder->packet = (struct packet){.fields = PACKET_HAS_TIME};
    decoder->count = 0;
    buf_clear(&decoder->texts);
    if (!bson_iter_init(&iter, document))
        return false;
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        bool holds_signals = strcmp(key, "signals") == 0 || strcmp(key, "payload") == 0 ||
                             strcmp(key, "metadata") == 0;
        if (holds_signals ? !add_signals(decoder, &iter)
                          : !read_known(&decoder->packet, key, &iter))
            return false;
        if (strcmp(key, "canonical") == 0)
            *canonical = text_of(&iter);
    }
    set_views(decoder);
    return iter.err_off == 0;
}

/* ---- a row ---- */

int decoder_key(const bson_t *document, struct row_key *key, struct error *err)
{
    bson_iter_t id, time;
    struct packet packet;
    if (!bson_iter_init_find(&id, document, "_id") ||
        !text_to_hex_bytes(text_of(&id), packet.identity.bytes, PACKET_IDENTITY_LEN) ||
        !bson_iter_init_find(&time, document, "time") || !BSON_ITER_HOLDS_DATE_TIME(&time))
        return error_set(
            err, ERROR_CORRUPT,
            "a document of this database is none of motorcade's: its _id is not 48 hex "
            "digits, or it has no time");
    packet.time_ms = bson_iter_date_time(&time);
    *key = key_of(&packet);
    return 0;
}

int decoder_row(struct decoder *decoder, const bson_t *document, struct sink_row *row,
                struct error *err)
{
    struct row_key key;
    struct bytes canonical = {NULL, 0};
    *row = (struct sink_row){0};
    if (decoder_key(document, &key, err) != 0)
        return -1;
    decoder->packet.signals = NULL;
    if (!read_fields(decoder, document, &canonical))
        return error_set(err, ERROR_CORRUPT, "a stored document has another form than motorcade's");
    decoder->packet.identity = key_identity(&key);
    decoder->packet.time_ms = key.time_ms;
    if (canonical.ptr == NULL) {
        buf_clear(&decoder->canonical);
        if (canonical_encode(&decoder->packet, &decoder->canonical) != 0)
            return error_set(err, ERROR_MEMORY, "no memory for a stored document");
        canonical = buf_bytes(&decoder->canonical);
    }
    return key_row(decoder->scratch, &key, canonical, row, err);
}

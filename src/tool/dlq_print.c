/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_print.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"
#include "tool/output.h"
#include "vehicle/dialect.h"

static void put_time(struct buf *out, int64_t time_ns)
{
    char text[TEXT_TIME_MAX];
    buf_append(out, text, text_from_time_ms(text, time_ns / NS_PER_MS));
}

static void put_id(struct buf *out, const struct dlq_letter *letter)
{
    char text[2 * PACKET_IDENTITY_LEN];
    buf_append(out, text, text_from_hex(text, letter->id.bytes, PACKET_IDENTITY_LEN));
}

static const char *state_of(const struct dlq_letter *letter)
{
    return dlq_state_names[dlq_state_of(letter)];
}

static const char *dialect_of(const struct dlq_letter *letter)
{
    const struct dialect *dialect = dialect_by_id(letter->dialect);
    return dialect == NULL ? "unknown" : dialect->name;
}

void dlq_put_text(struct buf *out, const struct dlq_book *book, const struct dlq_letter *letter)
{
    put_time(out, letter->received_ns);
    buf_printf(out, "  %-8s  %-16s  ", state_of(letter), reason_code(letter->reason));
    output_put_safe(out, letter->key.len > 0 ? letter->key : BYTES("-"));
    buf_append_text(out, "  ");
    output_put_safe(out, letter->detail);
    buf_append_text(out, "\n    ");
    put_id(out, letter);
    buf_printf(out, "  %s %d:%" PRId64, broker_topic_name(book->broker, letter->topic),
               letter->partition, letter->offset);
    if (letter->source_offset >= 0) {
        buf_append_text(out, ", from ");
        output_put_safe(out, letter->source_topic);
        buf_printf(out, " %d:%" PRId64, letter->source_partition, letter->source_offset);
    }
    buf_printf(out, ", %zu bytes", letter->bytes);
    if (letter->seen > 1)
        buf_printf(out, ", %u letters", letter->seen);
    if (letter->replays > 0)
        buf_printf(out, ", failed again after replay %u", letter->replays);
    if (letter->marked > 0) {
        buf_append_text(out, ", last replayed ");
        put_time(out, letter->replayed_ns);
    }
    buf_append_char(out, '\n');
}

static void put_value(struct buf *out, struct bytes value)
{
    if (text_is_utf8(value)) {
        buf_append_text(out, ",\"value\":");
        buf_append_json(out, value);
        return;
    }
    buf_append_text(out, ",\"value_hex\":\"");
    if (buf_reserve(out, 2 * value.len) == 0)
        out->len += text_from_hex(out->ptr + out->len, value.ptr, value.len);
    buf_append_char(out, '"');
}

void dlq_put_json(struct buf *out, const struct dlq_book *book, const struct dlq_letter *letter,
                  const struct bytes *value)
{
    buf_append_text(out, "{\"id\":\"");
    put_id(out, letter);
    buf_printf(out, "\",\"state\":\"%s\",\"topic\":\"%s\",\"partition\":%d,\"offset\":%" PRId64,
               state_of(letter), broker_topic_name(book->broker, letter->topic), letter->partition,
               letter->offset);
    buf_append_text(out, ",\"received\":\"");
    put_time(out, letter->received_ns);
    buf_append_text(out, "\",\"first_seen\":\"");
    put_time(out, letter->first_seen_ns);
    buf_append_text(out, "\",\"vehicle\":");
    buf_append_json(out, letter->key);
    buf_printf(out, ",\"dialect\":\"%s\",\"reason\":\"%s\",\"detail\":", dialect_of(letter),
               reason_code(letter->reason));
    buf_append_json(out, letter->detail);
    buf_append_text(out, ",\"source_topic\":");
    buf_append_json(out, letter->source_topic);
    buf_printf(out,
               ",\"source_partition\":%d,\"source_offset\":%" PRId64
               ",\"bytes\":%zu,\"letters\":%u,\"replays\":%u,\"replayed\":",
               letter->source_partition, letter->source_offset, letter->bytes, letter->seen,
               letter->replays);
    if (letter->marked > 0) {
        buf_append_char(out, '"');
        put_time(out, letter->replayed_ns);
        buf_append_char(out, '"');
    } else {
        buf_append_text(out, "null");
    }
    if (value != NULL)
        put_value(out, *value);
    buf_append_text(out, "}\n");
}

void dlq_put_whole(struct buf *out, const struct dlq_book *book, const struct dlq_letter *letter,
                   struct bytes value)
{
    dlq_put_text(out, book, letter);
    buf_printf(out, "    dialect %s, first seen ", dialect_of(letter));
    put_time(out, letter->first_seen_ns);
    buf_printf(out, "\n    %s: %s\n    ", reason_code(letter->reason), reason_help(letter->reason));
    output_put_safe(out, value);
    buf_append_char(out, '\n');
}

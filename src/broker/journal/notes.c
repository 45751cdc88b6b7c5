/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/notes.h"

#include "broker/journal/frame.h"

static void put(struct buf *out, unsigned bytes, uint64_t value)
{
    uint8_t raw[8];
    le_put(raw, bytes, value);
    buf_append(out, raw, bytes);
}

void note_put_u32(struct buf *out, uint32_t value)
{
    put(out, 4, value);
}

void note_put_u64(struct buf *out, uint64_t value)
{
    put(out, 8, value);
}

static void put_name(struct buf *out, struct bytes name)
{
    put(out, 1, name.len);
    buf_append_bytes(out, name);
}

void note_put_commit(struct buf *out, const struct note_commit *commit)
{
    put_name(out, commit->group);
    put(out, 1, commit->is_start ? 1 : 0);
    put(out, 2, commit->topic);
    put(out, 2, commit->partition);
    put(out, 8, (uint64_t)commit->offset);
}

void note_put_topic(struct buf *out, const struct note_topic *topic)
{
    put(out, 2, topic->number);
    put(out, 2, topic->partitions);
    put_name(out, topic->name);
}

void note_put_end(struct buf *out, const struct note_end *end)
{
    put(out, 2, end->topic);
    put(out, 2, end->partition);
    put(out, 8, (uint64_t)end->next);
}

/* Takes `bytes` off the front; false when there are fewer. */
static bool get(struct bytes *in, unsigned bytes, uint64_t *value)
{
    if (in->len < bytes)
        return false;
    *value = le_get((const uint8_t *)in->ptr, bytes);
    *in = bytes_of(in->ptr + bytes, in->len - bytes);
    return true;
}

static bool get_name(struct bytes *in, struct bytes *name)
{
    uint64_t len;
    if (!get(in, 1, &len) || in->len < len)
        return false;
    *name = bytes_of(in->ptr, (size_t)len);
    *in = bytes_of(in->ptr + len, in->len - (size_t)len);
    return true;
}

static bool get_commit(struct bytes *in, struct note_commit *commit)
{
    uint64_t flags, topic, partition, offset;
    if (!get_name(in, &commit->group) || !get(in, 1, &flags) || !get(in, 2, &topic) ||
        !get(in, 2, &partition) || !get(in, 8, &offset))
        return false;
    commit->is_start = (flags & 1) != 0;
    commit->topic = (uint16_t)topic;
    commit->partition = (uint16_t)partition;
    commit->offset = (int64_t)offset;
    return true;
}

bool notes_read_commits(struct bytes payload, const struct note_visitor *visitor)
{
    while (payload.len > 0) {
        struct note_commit commit;
        if (!get_commit(&payload, &commit))
            return false;
        if (visitor->on_commit != NULL)
            visitor->on_commit(visitor->context, &commit);
    }
    return true;
}

static bool read_topics(struct bytes *in, const struct note_visitor *visitor)
{
    uint64_t count, number, partitions;
    if (!get(in, 4, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct note_topic topic;
        if (!get(in, 2, &number) || !get(in, 2, &partitions) || !get_name(in, &topic.name))
            return false;
        topic.number = (uint16_t)number;
        topic.partitions = (uint16_t)partitions;
        if (visitor->on_topic != NULL)
            visitor->on_topic(visitor->context, &topic);
    }
    return true;
}

static bool read_ends(struct bytes *in, const struct note_visitor *visitor)
{
    uint64_t count, topic, partition, next;
    if (!get(in, 4, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!get(in, 2, &topic) || !get(in, 2, &partition) || !get(in, 8, &next))
            return false;
        struct note_end end = {(uint16_t)topic, (uint16_t)partition, (int64_t)next};
        if (visitor->on_end != NULL)
            visitor->on_end(visitor->context, &end);
    }
    return true;
}

bool notes_read_checkpoint(struct bytes payload, const struct note_visitor *visitor)
{
    uint64_t reserve;
    if (!get(&payload, 8, &reserve))
        return false;
    if (visitor->on_reserve != NULL)
        visitor->on_reserve(visitor->context, reserve);
    return read_topics(&payload, visitor) && read_ends(&payload, visitor) &&
           notes_read_commits(payload, visitor);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/dialect.h"

#include "vehicle/dialect/field.h"
#include "vehicle/scratch.h"

static const struct slot plain_signal = {.kind = SLOT_SIGNAL};

static const struct dialect *sniff(const struct document *document)
{
    const struct dialect *best = NULL;
    unsigned best_score = 0;
    for (const struct dialect *const *dialect = dialect_registry; *dialect != NULL; dialect++) {
        unsigned score = (*dialect)->sniff(document);
        if (score > best_score) {
            best = *dialect;
            best_score = score;
        }
    }
    return best;
}

/* Does the path lead into the value at `field`? */
static bool is_inside(struct bytes path, struct bytes field)
{
    return path.len > field.len && path.ptr[field.len] == '.' &&
           memcmp(path.ptr, field.ptr, field.len) == 0;
}

static bool refuse_container(const struct document *document, const struct leaf *leaf,
                             struct bytes field, const char *expected, struct reject *reject)
{
    bool is_array = document->members[leaf->member].raw.ptr[0] == '[';
    return reject_set(reject, REASON_WRONG_TYPE, "%.*s: expected %s, found %s", (int)field.len,
                      field.ptr, expected, is_array ? "an array" : "an object");
}

/* Which of the dialect's fields the leaf is. */
static bool assign_slot(const struct dialect *dialect, const struct document *document,
                        struct leaf *leaf, struct reject *reject)
{
    struct bytes path = leaf->value.path;
    leaf->slot = &plain_signal;
    for (const struct dialect_field *field = dialect->fields; field->path.len > 0; field++) {
        if (bytes_equal(path, field->path)) {
            leaf->slot = &field->slot;
            return true;
        }
        if (field->slot.is_signal || !is_inside(path, field->path))
            continue;
        if (field->slot.kind != SLOT_OBJECT)
            return refuse_container(document, leaf, field->path, "a single value", reject);
        if (document->members[leaf->member].raw.ptr[0] == '[')
            return refuse_container(document, leaf, field->path, "an object", reject);
    }
    return true;
}

static bool fill_leaves(struct filling *filling, const struct dialect *dialect,
                        struct document *document, struct reject *reject)
{
    for (size_t i = 0; i < document->leaf_count; i++) {
        struct leaf *leaf = &document->leaves[i];
        if (!assign_slot(dialect, document, leaf, reject) ||
            !slot_fill(filling, leaf->slot, &leaf->value, reject))
            return false;
    }
    return true;
}

/* What the identity hashes, see packet.h. */
static bool set_content(struct filling *filling, struct arena *arena, struct reject *reject)
{
    struct packet *packet = filling->packet;
    packet->content = packet->original;
    if (packet->dialect != DIALECT_ENVELOPE)
        return true;
    size_t len = 0;
    for (size_t i = 0; i < CONTENT_PARTS; i++)
        len += filling->content[i].len + 1;
    char *text = arena_take(arena, len);
    if (text == NULL)
        return reject_set(reject, REASON_TOO_LARGE, "an envelope holds at most %d bytes",
                          DOCUMENT_TEXT_MAX);
    packet->content = bytes_of(text, len);
    for (size_t i = 0; i < CONTENT_PARTS; i++) {
        memcpy(text, filling->content[i].ptr, filling->content[i].len);
        text += filling->content[i].len;
        *text++ = '\0';
    }
    return true;
}

static bool finish(struct filling *filling, struct arena *content, struct reject *reject)
{
    if (filling->packet->vehicle.len == 0)
        return reject_set(reject, REASON_NO_VEHICLE, "the packet does not name its vehicle");
    filling_finish(filling);
    return set_content(filling, content, reject);
}

static bool decode_general(struct packet_scratch *scratch, struct bytes one, struct packet *packet,
                           struct reject *reject)
{
    struct document *document = &scratch->document;
    if (!document_read(document, one, DOCUMENT_PATHS, reject))
        return false;
    const struct dialect *dialect = sniff(document);
    if (dialect == NULL)
        return reject_set(reject, REASON_UNKNOWN_DIALECT,
                          "neither \"obuid\" nor \"source\" and \"payload\" are there");
    struct filling filling;
    filling_init(&filling, packet, &scratch->texts, scratch->signals);
    packet->dialect = dialect->id;
    const struct member *payload = NULL;
    if (dialect->id == DIALECT_ENVELOPE)
        payload = document_find(document, BYTES("payload"));
    struct bytes raw = payload == NULL ? bytes_of("", 0) : payload->raw;
    filling.content[CONTENT_PAYLOAD - 1] = raw;
    if (!fill_leaves(&filling, dialect, document, reject) ||
        !finish(&filling, &scratch->content, reject))
        return false;
    layout_learn(scratch->packets, one, document, dialect->id, raw);
    return true;
}

bool dialect_decode(struct packet_scratch *scratch, struct bytes one, struct packet *packet,
                    struct reject *reject)
{
    struct filling filling;
    packet_scratch_reset(scratch);
    packet->original = one;
    filling_init(&filling, packet, &scratch->texts, scratch->signals);
    if (!scratch->is_general_only &&
        layout_match(scratch->packets, one, &filling, &packet->dialect) &&
        finish(&filling, &scratch->content, reject))
        return true;
    packet_scratch_reset(scratch);
    return decode_general(scratch, one, packet, reject);
}

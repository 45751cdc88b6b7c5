/* SPDX-License-Identifier: Apache-2.0 */
/* Idea: a car writes every packet alike: same keys, same order, same blanks;
 * only values differ. So a packet is literal, value, literal, value … literal.
 * A layout keeps the literals of a packet that the strict general path took,
 * and the slot of each value. When the literals of the next packet are the same
 * bytes and each value is one scalar of JSON, then brackets, commas, keys (no
 * duplicates, UTF-8) and nesting are as right as they were: only the values need
 * to be looked at.
 *
 * Invariants:
 *   a layout never refuses a packet: whatever it does not expect, and whatever
 *   a slot refuses, goes to the general path, which finds the reason;
 *   what a value means is decided by slot.c; the shortcuts here cover forms
 *   whose meaning is the same by construction (the fuzz target `packet` compares
 *   both paths on every input);
 *   layouts own their literals and paths: they outlive the packet learnt from. */
#include "vehicle/layout.h"

#include <stdlib.h>

#include "base/hash.h"
#include "vehicle/layout_steps.h"

static struct shape make_shape(unsigned whole, unsigned places)
{
    static const uint32_t scales[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    unsigned len = whole + places + (places > 0);
    bool is_two_words = whole + places > 8;
    if (whole == 0 || len >= BLOCK || (is_two_words && places > 0 && (whole > 8 || places > 8)))
        return (struct shape){.mask = 0, .bits = 1};
    return (struct shape){
        .mask = (2u << len) - 1,
        .bits = 1u << whole | 1u << len,
        .len = (uint8_t)len,
        .whole = (uint8_t)whole,
        .places = (uint8_t)places,
        .count = (uint8_t)(whole + places),
        .has_point = places > 0,
        .forbidden = whole > 1 ? '0' : '\0',
        .scale = scales[!is_two_words ? 0
                        : places > 0  ? places
                                      : whole - 8],
        .whole_mask = whole < 8 && places > 0 ? (UINT64_C(1) << 8 * whole) - 1 : UINT64_MAX,
        .power = decimal_powers[places],
    };
}

static void make_shapes(struct shapes *shapes)
{
    for (unsigned whole = 0; whole < BLOCK; whole++)
        for (unsigned places = 0; places < BLOCK; places++)
            shapes->table[whole][places] = make_shape(whole, places);
}

struct layout_cache *layout_cache_new(void)
{
    struct layout_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->draft = malloc(sizeof *cache->draft);
    for (size_t i = 0; i < LAYOUTS_MAX; i++)
        cache->layouts[i] = malloc(sizeof *cache->layouts[i]);
    bool is_whole = cache->draft != NULL;
    for (size_t i = 0; i < LAYOUTS_MAX; i++)
        is_whole = is_whole && cache->layouts[i] != NULL;
    if (is_whole) {
        for (size_t i = 0; i < LAYOUTS_MAX; i++)
            cache->layouts[i]->number = i;
        cache->draft->number = LAYOUTS_MAX;
        make_shapes(&cache->shapes);
        return cache;
    }
    layout_cache_free(cache);
    return NULL;
}

void layout_cache_free(struct layout_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < LAYOUTS_MAX; i++)
        free(cache->layouts[i]);
    free(cache->draft);
    free(cache);
}

/* ---- learning ---- */

/* Everything is written to the draft; false when it does not fit. */
struct draft {
    struct layout *layout;
    const struct shape *no_shape;
    const char *at; /* what is before it is in the template */
};

static char *keep(struct layout *layout, struct bytes text)
{
    if (text.len > LAYOUT_TEXT_MAX - layout->text_len)
        return NULL;
    char *copy = layout->text + layout->text_len;
    memcpy(copy, text.ptr, text.len);
    layout->text_len += text.len;
    return copy;
}

static struct step *add_piece(struct draft *draft, struct bytes literal, enum step_kind kind)
{
    struct layout *layout = draft->layout;
    if (keep(layout, literal) == NULL || layout->step_count == LAYOUT_STEPS_MAX)
        return NULL;
    struct step *step = &layout->steps[layout->step_count++];
    *step = (struct step){.kind = kind, .shape = draft->no_shape};
    memcpy(step->block, literal.ptr, literal.len);
    step->block_mask = (1u << literal.len) - 1;
    step->len = (uint32_t)literal.len;
    return step;
}

/* The literal up to literal_end, in pieces when it is long. */
static struct step *add_step(struct draft *draft, const char *literal_end, enum step_kind kind)
{
    for (; literal_end - draft->at > BLOCK; draft->at += BLOCK)
        if (add_piece(draft, bytes_of(draft->at, BLOCK), STEP_LITERAL) == NULL)
            return NULL;
    struct bytes rest = bytes_of(draft->at, (size_t)(literal_end - draft->at));
    draft->at = literal_end;
    return add_piece(draft, rest, kind);
}

/* The payload's brackets, when they stand before `next`. A payload that is a leaf
 * itself begins at `next` and is passed when the following one is added. */
static bool add_marks(struct draft *draft, struct bytes payload, const char *next)
{
    const char *end = payload.ptr + payload.len;
    if (payload.len == 0)
        return true;
    if (payload.ptr >= draft->at && payload.ptr < next &&
        add_step(draft, payload.ptr, STEP_PAYLOAD_BEGIN) == NULL)
        return false;
    return end <= draft->at || end > next || add_step(draft, end, STEP_PAYLOAD_END) != NULL;
}

static enum step_kind kind_of(enum slot_kind kind)
{
    switch (kind) {
    case SLOT_SIGNAL:
        return STEP_SIGNAL;
    case SLOT_VEHICLE:
        return STEP_VEHICLE;
    case SLOT_TIME:
        return STEP_TIME;
    case SLOT_LAT:
    case SLOT_LON:
    case SLOT_SPEED:
    case SLOT_HEADING:
    case SLOT_ALTITUDE:
    case SLOT_ACCURACY:
        return STEP_DOUBLE;
    case SLOT_TYPE:
    case SLOT_ID:
    case SLOT_IDENTITY:
    case SLOT_RECEIVED:
    case SLOT_CATEGORY:
    case SLOT_DIALECT:
        return STEP_TEXT;
    case SLOT_SKIP:
    case SLOT_SEQ:
    case SLOT_EPOCH:
    case SLOT_OBJECT:
    case SLOT_FLAG:
        break;
    }
    return STEP_SCALAR;
}

static void set_double(struct step *step)
{
    struct packet packet;
    step->double_at = (uint16_t)((char *)slot_double(&packet, step->slot.kind) - (char *)&packet);
    step->field = slot_field(step->slot.kind);
}

static bool add_leaf(struct draft *draft, const struct leaf *leaf, struct bytes payload)
{
    struct bytes raw = leaf->value.raw;
    bool is_empty = leaf->value.type == SIGNAL_EMPTY;
    if (!add_marks(draft, payload, raw.ptr))
        return false;
    struct step *step = add_step(draft, is_empty ? raw.ptr + raw.len : raw.ptr,
                                 is_empty ? STEP_EMPTY : kind_of(leaf->slot->kind));
    char *path = keep(draft->layout, leaf->value.path);
    if (step == NULL || path == NULL)
        return false;
    draft->at = raw.ptr + raw.len;
    step->empty_len = (uint16_t)(is_empty ? raw.len : 0);
    step->slot = *leaf->slot;
    if (step->kind == STEP_DOUBLE)
        set_double(step);
    step->path = bytes_of(path, leaf->value.path.len);
    if (raw.ptr == payload.ptr)
        step->slot.content = CONTENT_PAYLOAD;
    if (step->slot.kind == SLOT_SIGNAL || step->slot.is_signal)
        draft->layout->signals[draft->layout->signal_count++].path = step->path;
    return true;
}

static bool write_draft(struct layout_cache *cache, struct bytes text,
                        const struct document *document, struct bytes payload)
{
    const char *end = text.ptr + text.len;
    struct layout *layout = cache->draft;
    struct draft draft = {layout, &cache->shapes.table[0][0], text.ptr};
    layout->step_count = 0;
    layout->signal_count = 0;
    layout->text_len = 0;
    for (size_t i = 0; i < document->leaf_count; i++)
        if (!add_leaf(&draft, &document->leaves[i], payload))
            return false;
    return add_marks(&draft, payload, end) && add_step(&draft, end, STEP_END) != NULL;
}

/* Did this layout come before? A layout that comes once is not worth the place
 * of another. */
static bool was_seen(struct layout_cache *cache, const struct layout *draft)
{
    uint64_t hash = hash64_local(bytes_of(draft->text, draft->text_len)) + draft->step_count;
    for (size_t i = 0; i < LAYOUTS_SEEN_MAX; i++)
        if (cache->seen[i] == hash)
            return true;
    cache->seen[cache->next_seen++ % LAYOUTS_SEEN_MAX] = hash;
    return false;
}

static bool is_same_step(const struct step *a, const struct step *b)
{
    return a->len == b->len && memcmp(a->block, b->block, BLOCK) == 0 && a->kind == b->kind &&
           a->empty_len == b->empty_len && a->slot.kind == b->slot.kind &&
           a->slot.is_signal == b->slot.is_signal && a->slot.content == b->slot.content &&
           bytes_equal(a->path, b->path);
}

static void compare_with_all(struct layout_cache *cache, const struct layout *fresh)
{
    for (size_t i = 0; i < cache->count; i++) {
        const struct layout *other = cache->layouts[i];
        size_t most = fresh->step_count < other->step_count ? fresh->step_count : other->step_count;
        size_t count = 0;
        while (count < most && is_same_step(&fresh->steps[count], &other->steps[count]))
            count++;
        cache->common[fresh->number][other->number] = (uint8_t)count;
        cache->common[other->number][fresh->number] = (uint8_t)count;
    }
}

void layout_learn(struct layout_cache *cache, struct bytes text, const struct document *document,
                  enum packet_dialect dialect, struct bytes payload)
{
    struct layout *draft = cache->draft;
    if (document->leaf_count >= LAYOUT_STEPS_MAX || !write_draft(cache, text, document, payload) ||
        !was_seen(cache, draft))
        return;
    draft->dialect = dialect;
    if (cache->count < LAYOUTS_MAX)
        cache->count++;
    size_t last = cache->count - 1;
    cache->draft = cache->layouts[last];
    memmove(&cache->layouts[1], &cache->layouts[0], last * sizeof(struct layout *));
    cache->layouts[0] = draft;
    compare_with_all(cache, draft);
}

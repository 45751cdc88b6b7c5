/* SPDX-License-Identifier: Apache-2.0 */
/* The hottest loop of the program. What makes it fast:
 *   one comparison of 16 bytes a literal, no look at keys;
 *   numbers that look like the last of their field (struct shape) are read by
 *     masks and constants found out then; and as their length is one of these,
 *     the processor goes on to the next step without waiting for this one;
 *   no check for the end of the packet inside a step: while LAYOUT_MARGIN bytes
 *     are left none can pass it, and the rest is copied to where zeros follow, at
 *     which every scan stops. */
#include "base/decimal.h"
#include "base/must.h"
#include "base/text.h"
#include "vehicle/dialect.h"
#include "vehicle/layout_steps.h"

#define ALWAYS __attribute__((always_inline))

struct match {
    struct filling *filling;
    struct packet *packet;
    const struct shapes *shapes;
    struct signal *signal; /* the next one */
    const char *p;         /* only between layouts */
    const char *end;       /* of the packet, or of its copied tail */
    const char *limit;     /* up to here a step may begin */
    const char *tail;      /* the copy, when reading has come there; */
    const char *origin;    /* and what it was copied from */
    const char *payload;
};

/* ---- scanning: what follows the value at p; NULL: none, or with care ---- */

/* The shape of the number at p, behind the sign; NULL: none, or another than
 * shapes can say. An exponent is taken for what follows the number, where no
 * literal fits. */
static inline ALWAYS const struct shape *find_shape(const struct shapes *shapes, const char *p)
{
    uint32_t others = block_not_digits(p) | 1u << BLOCK;
    unsigned whole = (unsigned)__builtin_ctz(others);
    if (whole == 0 || whole == BLOCK)
        return NULL;
    if (p[whole] != '.')
        return &shapes->table[whole][0];
    unsigned places = (unsigned)__builtin_ctz((others & (others - 1)) | 1u << BLOCK) - whole - 1;
    return places == 0 ? NULL : &shapes->table[whole][places];
}

/* Is the number behind the sign of that shape? Then *p is a digit. */
static inline ALWAYS bool has_shape(const struct shape *shape, const char *p)
{
    bool is_same = (block_not_digits(p) & shape->mask) == shape->bits;
    bool has_point = p[shape->whole] == '.';
    return is_same && has_point == shape->has_point && *p != shape->forbidden;
}

/* The shape of the number behind the sign: the step's, or one that the step
 * takes over. NULL: with care. */
static inline ALWAYS const struct shape *guess_shape(const struct match *match, struct step *step,
                                                     const char *p)
{
    const struct shape *shape = step->shape;
    if (__builtin_expect(has_shape(shape, p), 1))
        return shape;
    shape = find_shape(match->shapes, p);
    if (shape == NULL || !has_shape(shape, p))
        return NULL;
    step->shape = shape;
    return shape;
}

/* The digits of a number that has the shape, without the point: fits 64 bits. */
static inline ALWAYS uint64_t read_digits(const struct shape *shape, const char *p)
{
    unsigned count = shape->count;
    if (__builtin_expect(count <= 8, 1)) {
        uint64_t word = word_load(p) & shape->whole_mask;
        word |= word_load(p + 1) & ~shape->whole_mask;
        return word_parse_digits(word, count);
    }
    if (shape->places == 0)
        return word_parse_digits(word_load(p), 8) * shape->scale +
               word_parse_digits(word_load(p + 8), count - 8);
    return word_parse_digits(word_load(p), shape->whole) * shape->scale +
           word_parse_digits(word_load(p + shape->whole + 1), shape->places);
}

/* *is_plain: ASCII without escapes and DEL. */
static inline ALWAYS const char *skip_string(const struct match *match, const char *p,
                                             bool *is_plain)
{
    const char *start = p++;
    *is_plain = true;
    for (; p <= match->limit + 2 * BLOCK; p += BLOCK) {
        uint32_t stops = block_not_plain(p);
        if (stops == 0)
            continue;
        p += __builtin_ctz(stops);
        if (*p == '"')
            return p + 1;
        break;
    }
    struct json_fault fault;
    bool has_escapes;
    *is_plain = false;
    return json_scan_string(start, match->end, &has_escapes, &fault);
}

static const char *skip_word(const char *p, const char *end, struct bytes word)
{
    bool is_there = (size_t)(end - p) >= word.len && memcmp(p, word.ptr, word.len) == 0;
    return is_there ? p + word.len : NULL;
}

/* A scalar of any type. */
static inline ALWAYS const char *skip_scalar(const struct match *match, const char *p,
                                             enum signal_type *type)
{
    bool is_plain;
    char c = *p;
    if (c == '"') {
        *type = SIGNAL_STRING;
        return skip_string(match, p, &is_plain);
    }
    if ((c >= '0' && c <= '9') || c == '-') {
        *type = SIGNAL_NUMBER;
        return decimal_scan(p, match->end, NULL);
    }
    *type = c == 'n' ? SIGNAL_NULL : SIGNAL_BOOL;
    return skip_word(p, match->end,
                     c == 'n'   ? BYTES("null")
                     : c == 't' ? BYTES("true")
                                : BYTES("false"));
}

/* ---- steps ---- */

/* The value's end. Lengths repeat, so the processor is made to guess: behind the
 * branch the end comes from the last packet and not from the digits just read,
 * and the next steps start without waiting for those. The empty asm hides from
 * the compiler that both are the same number. */
static inline ALWAYS const char *end_by_guess(struct step *step, const char *start,
                                              const char *next)
{
    size_t guess = step->guess;
    if (__builtin_expect((size_t)(next - start) == guess, 1)) {
        __asm__("" : "+r"(guess));
        return start + guess;
    }
    step->guess = (uint32_t)(next - start);
    return next;
}

static inline ALWAYS void put_signal(struct match *match, const char *start, const char *next,
                                     enum signal_type type)
{
    match->signal->raw = bytes_of(start, (size_t)(next - start));
    match->signal->type = type;
    match->signal++;
}

static inline ALWAYS void put_content(struct match *match, const struct step *step,
                                      const char *start, const char *next)
{
    if (step->slot.content != 0)
        match->filling->content[step->slot.content - 1] = bytes_of(start, (size_t)(next - start));
}

/* With the whole care: any scalar, and what its slot says to it. */
static __attribute__((noinline)) const char *match_carefully(struct match *match, struct step *step,
                                                             const char *p)
{
    struct signal value = {.path = step->path};
    const char *next = skip_scalar(match, p, &value.type);
    if (next == NULL)
        return NULL;
    value.raw = bytes_of(p, (size_t)(next - p));
    if (step->slot.is_signal)
        put_signal(match, p, next, value.type);
    put_content(match, step, p, next);
    struct reject reject;
    if (!slot_fill_field(match->filling, &step->slot, &value, &reject))
        return NULL;
    return end_by_guess(step, p, next);
}

static inline ALWAYS const char *match_signal(struct match *match, struct step *step, const char *p)
{
    const char *first = p + (*p == '-');
    const struct shape *shape = guess_shape(match, step, first);
    if (shape != NULL) {
        const char *next = first + shape->len;
        put_signal(match, p, next, SIGNAL_NUMBER);
        return next;
    }
    enum signal_type type;
    const char *next = skip_scalar(match, p, &type);
    if (next == NULL)
        return NULL;
    put_signal(match, p, next, type);
    return end_by_guess(step, p, next);
}

static inline ALWAYS const char *match_double(struct match *match, struct step *step, const char *p)
{
    const uint64_t exact_max = UINT64_C(1) << 53;
    bool is_negative = *p == '-';
    const char *first = p + is_negative;
    const struct shape *shape = guess_shape(match, step, first);
    if (__builtin_expect(shape == NULL, 0))
        return match_carefully(match, step, p);
    uint64_t digits = read_digits(shape, first);
    if (__builtin_expect(digits > exact_max, 0))
        return match_carefully(match, step, p);
    const char *next = first + shape->len;
    if (step->slot.is_signal) {
        put_signal(match, p, next, SIGNAL_NUMBER);
        if ((match->packet->fields & step->field) != 0)
            return next;
    }
    /* Both are exact, so this is the nearest double (base/decimal.c). The sign
     * comes without a branch: in some fleets it is anybody's guess. */
    double value = (double)(int64_t)digits / shape->power;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits |= (uint64_t)is_negative << 63;
    memcpy((char *)match->packet + step->double_at, &bits, sizeof bits);
    match->packet->fields |= step->field;
    return next;
}

/* 1 to 19 digits: they fit 64 bits. */
static inline ALWAYS const char *skip_id_digits(const char *p)
{
    unsigned len = (unsigned)__builtin_ctz(block_not_digits(p) | 1u << BLOCK);
    if (len == BLOCK)
        len += word_count_digits(word_load(p + BLOCK));
    return len == 0 || len > 19 || (*p == '0' && len > 1) ? NULL : p + len;
}

static inline ALWAYS const char *match_vehicle(struct match *match, struct step *step,
                                               const char *p)
{
    bool is_plain = true;
    bool is_string = *p == '"';
    const char *next = is_string ? skip_string(match, p, &is_plain) : skip_id_digits(p);
    if (next == NULL || !is_plain)
        return match_carefully(match, step, p);
    next = end_by_guess(step, p, next);
    struct bytes vehicle = bytes_of(p + is_string, (size_t)(next - p) - 2 * is_string);
    if (vehicle.len == 0 || vehicle.len > PACKET_VEHICLE_MAX)
        return NULL;
    match->packet->vehicle = vehicle;
    put_content(match, step, p, next);
    return next;
}

/* What the slot makes of a plain text. */
static bool take_text(struct match *match, enum slot_kind kind, struct bytes text)
{
    struct packet *packet = match->packet;
    const struct dialect *dialect;
    switch (kind) {
    case SLOT_TIME:
        packet->fields |= PACKET_HAS_TIME;
        return slot_time_from_text(text, &packet->time_ms);
    case SLOT_RECEIVED:
        match->filling->has_received = true;
        return text_to_time_ns(text, &packet->received_ns);
    case SLOT_IDENTITY:
        match->filling->has_identity = true;
        return text_to_hex_bytes(text, packet->identity.bytes, PACKET_IDENTITY_LEN);
    case SLOT_TYPE:
        packet->type = text;
        return true;
    case SLOT_ID:
        packet->id = text;
        return true;
    case SLOT_CATEGORY:
        packet->category = text;
        return true;
    case SLOT_DIALECT:
        dialect = dialect_by_name(text);
        packet->dialect = dialect == NULL ? DIALECT_NONE : dialect->id;
        return dialect != NULL;
    case SLOT_SKIP:
    case SLOT_SIGNAL:
    case SLOT_VEHICLE:
    case SLOT_SEQ:
    case SLOT_EPOCH:
    case SLOT_LAT:
    case SLOT_LON:
    case SLOT_SPEED:
    case SLOT_HEADING:
    case SLOT_ALTITUDE:
    case SLOT_ACCURACY:
    case SLOT_OBJECT:
    case SLOT_FLAG:
        break;
    }
    return false;
}

static const char *match_text(struct match *match, struct step *step, const char *p)
{
    bool is_plain = false;
    const char *next = *p == '"' ? skip_string(match, p, &is_plain) : NULL;
    if (next == NULL || !is_plain)
        return match_carefully(match, step, p);
    next = end_by_guess(step, p, next);
    put_content(match, step, p, next);
    struct bytes text = bytes_of(p + 1, (size_t)(next - p) - 2);
    return take_text(match, step->slot.kind, text) ? next : NULL;
}

static inline ALWAYS const char *match_time(struct match *match, struct step *step, const char *p)
{
    const struct shape *shape = guess_shape(match, step, p);
    if (shape == NULL)
        return match_text(match, step, p);
    struct decimal decimal = {
        .digits = read_digits(shape, p),
        .exp10 = -(int32_t)shape->places,
    };
    if (!slot_time_from_decimal(&decimal, &match->packet->time_ms))
        return NULL;
    match->packet->fields |= PACKET_HAS_TIME;
    put_content(match, step, p, p + shape->len);
    return p + shape->len;
}

/* Where p is in the packet itself. */
static const char *in_packet(const struct match *match, const char *p)
{
    return match->tail == NULL ? p : match->origin + (p - match->tail);
}

/* The literal's last pieces are the value; reading may have come to the tail
 * between them, so the view is of the packet itself. */
static void take_empty(struct match *match, const struct step *step, const char *p)
{
    const char *next = in_packet(match, p);
    const char *start = next - step->empty_len;
    put_content(match, step, start, next);
    if (step->slot.kind == SLOT_SIGNAL || step->slot.is_signal)
        put_signal(match, start, next, SIGNAL_EMPTY);
}

static void take_payload(struct match *match, const char *p)
{
    const char *end = in_packet(match, p);
    match->filling->content[CONTENT_PAYLOAD - 1] =
        bytes_of(match->payload, (size_t)(end - match->payload));
}

/* The packet's end is near: go on in a copy with zeros behind it. Nothing that a
 * literal matches goes beyond those: a literal holds no zero. */
static __attribute__((noinline)) const char *enter_tail(struct match *match, char *tail,
                                                        const char *p)
{
    must(match->tail == NULL && p <= match->end);
    size_t left = (size_t)(match->end - p);
    memcpy(tail, p, left);
    memset(tail + left, 0, LAYOUT_MARGIN);
    match->origin = p;
    match->tail = tail;
    match->end = tail + left;
    match->limit = tail + LAYOUT_MARGIN;
    return tail;
}

static inline ALWAYS const char *match_value(struct match *match, struct step *step, const char *p)
{
    switch (step->kind) {
    case STEP_SIGNAL:
        return match_signal(match, step, p);
    case STEP_DOUBLE:
        return match_double(match, step, p);
    case STEP_VEHICLE:
        return match_vehicle(match, step, p);
    case STEP_TIME:
        return match_time(match, step, p);
    case STEP_TEXT:
        return match_text(match, step, p);
    case STEP_SCALAR:
        return match_carefully(match, step, p);
    case STEP_EMPTY:
        take_empty(match, step, p);
        return p;
    case STEP_LITERAL:
        return p;
    case STEP_PAYLOAD_BEGIN:
        match->payload = in_packet(match, p);
        return p;
    case STEP_PAYLOAD_END:
        take_payload(match, p);
        return p;
    case STEP_END:
        return NULL;
    }
    __builtin_unreachable();
}

enum outcome { MATCH_WHOLE, MATCH_OTHER_LITERAL, MATCH_NO };

/* From step `at` and match->p on. MATCH_OTHER_LITERAL: up to *at, where another
 * literal stands at match->p; nothing but what these steps fill is filled. */
static inline ALWAYS enum outcome match_steps(struct layout_cache *cache, struct layout *layout,
                                              struct match *match, size_t *at)
{
    const char *p = match->p;
    for (struct step *step = layout->steps + *at;; step++) {
        if (__builtin_expect(p > match->limit, 0))
            p = enter_tail(match, cache->tail, p);
        bool is_same = block_equal(p, step->block, step->block_mask);
        const char *value = p + step->len;
        if (__builtin_expect(is_same && step->kind == STEP_END, 0) && value == match->end)
            return MATCH_WHOLE;
        if (__builtin_expect(!is_same || step->kind == STEP_END, 0)) {
            match->p = p;
            *at = (size_t)(step - layout->steps);
            return MATCH_OTHER_LITERAL;
        }
        p = match_value(match, step, value);
        if (p == NULL)
            return MATCH_NO;
    }
}

static void begin(struct match *match, struct layout_cache *cache, struct filling *filling,
                  struct layout *layout, struct bytes text)
{
    const char *end = text.ptr + text.len;
    *match = (struct match){
        .filling = filling,
        .packet = filling->packet,
        .shapes = &cache->shapes,
        .signal = layout->signals,
        .p = text.ptr,
        .end = end,
        .limit = text.len < LAYOUT_MARGIN ? text.ptr : end - LAYOUT_MARGIN,
    };
    if (text.len < LAYOUT_MARGIN)
        match->p = enter_tail(match, cache->tail, text.ptr);
}

/* The first steps of both are the same and were matched: go on with the other. */
static void change_layout(struct match *match, const struct layout *from, struct layout *to)
{
    size_t count = (size_t)(match->signal - from->signals);
    for (size_t i = 0; i < count; i++) {
        to->signals[i].raw = from->signals[i].raw;
        to->signals[i].type = from->signals[i].type;
    }
    match->signal = to->signals + count;
}

static void move_to_front(struct layout_cache *cache, size_t i)
{
    struct layout *layout = cache->layouts[i];
    memmove(&cache->layouts[1], &cache->layouts[0], i * sizeof(struct layout *));
    cache->layouts[0] = layout;
}

bool layout_match(struct layout_cache *cache, struct bytes text, struct filling *filling,
                  enum packet_dialect *dialect)
{
    struct match match;
    struct layout *last = NULL; /* the match is in its steps, before step `at` */
    size_t at = 0;
    for (size_t i = 0; i < cache->count; i++) {
        struct layout *layout = cache->layouts[i];
        if (last != NULL && cache->common[last->number][layout->number] >= at) {
            change_layout(&match, last, layout);
        } else {
            if (i > 0)
                filling_reset(filling);
            begin(&match, cache, filling, layout, text);
            at = 0;
        }
        enum outcome outcome = match_steps(cache, layout, &match, &at);
        last = outcome == MATCH_OTHER_LITERAL ? layout : NULL;
        if (outcome != MATCH_WHOLE)
            continue;
        filling->signals = layout->signals;
        filling->signal_count = layout->signal_count;
        *dialect = layout->dialect;
        if (i > 0)
            move_to_front(cache, i);
        return true;
    }
    return false;
}

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
#include "vehicle/layout_steps.h"

#define ALWAYS __attribute__((always_inline))

struct match {
    struct filling *filling;
    struct packet *packet;
    struct signal *signal; /* the next one */
    const char *end;       /* of the packet, or of its copied tail */
    const char *limit;     /* up to here a step may begin */
    const char *tail;      /* the copy, when reading has come there; */
    const char *origin;    /* and what it was copied from */
    const char *payload;
};

/* ---- scanning: what follows the value at p; NULL: none, or with care ---- */

/* Take over the shape of the number at p, behind the sign. false: none, or
 * another than shapes can say. An exponent is taken for what follows the number,
 * where no literal fits. */
static __attribute__((noinline)) bool learn_shape(struct shape *shape, const char *p)
{
    static const uint32_t scales[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    uint32_t others = block_not_digits(p) | 1u << BLOCK;
    unsigned whole = (unsigned)__builtin_ctz(others);
    unsigned len = whole;
    if (whole < BLOCK && p[whole] == '.')
        len = (unsigned)__builtin_ctz((others & (others - 1)) | 1u << BLOCK);
    unsigned places = len == whole ? 0 : len - whole - 1;
    if (whole == 0 || len >= BLOCK || (len > whole && places == 0) || (*p == '0' && whole > 1))
        return false;
    if (whole + places > 8 && places > 0 && (whole > 8 || places > 8))
        return false;
    *shape = (struct shape){
        .mask = (2u << len) - 1,
        .bits = 1u << whole | 1u << len,
        .len = (uint8_t)len,
        .whole = (uint8_t)whole,
        .places = (uint8_t)places,
        .point_mask = places > 0 ? 0xFF : 0,
        .forbidden = whole > 1 ? '0' : '\0',
        .scale = scales[places > 0  ? places
                        : whole > 8 ? whole - 8
                                    : 0],
        .whole_mask = whole < 8 && places > 0 ? (UINT64_C(1) << 8 * whole) - 1 : UINT64_MAX,
        .power = decimal_powers[places],
    };
    return true;
}

/* Is the number behind the sign of that shape? Then all places where something
 * must stand are as they were, and *p is a digit. */
static inline ALWAYS bool has_shape(const struct shape *shape, const char *p)
{
    bool is_same = (block_not_digits(p) & shape->mask) == shape->bits;
    bool is_odd = ((p[shape->whole] ^ '.') & shape->point_mask) != 0 || *p == shape->forbidden;
    return __builtin_expect(is_same && !is_odd && shape->len != 0, 1);
}

/* The digits of a number that has the shape, without the point: fits 64 bits. */
static inline ALWAYS uint64_t read_digits(const struct shape *shape, const char *p)
{
    unsigned count = shape->whole + shape->places;
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
    const char *next;
    enum signal_type type;
    if (has_shape(&step->shape, first)) {
        next = first + step->shape.len;
        put_signal(match, p, next, SIGNAL_NUMBER);
        return next;
    }
    next = skip_scalar(match, p, &type);
    if (next == NULL)
        return NULL;
    if (type == SIGNAL_NUMBER)
        (void)learn_shape(&step->shape, first);
    put_signal(match, p, next, type);
    return end_by_guess(step, p, next);
}

static inline ALWAYS const char *match_double(struct match *match, struct step *step, const char *p)
{
    const uint64_t exact_max = UINT64_C(1) << 53;
    bool is_negative = *p == '-';
    const char *first = p + is_negative;
    const struct shape *shape = &step->shape;
    if (!has_shape(shape, first) && !learn_shape(&step->shape, first))
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

static inline ALWAYS const char *match_time(struct match *match, struct step *step, const char *p)
{
    const struct shape *shape = &step->shape;
    if (*p == '-' || (!has_shape(shape, p) && !learn_shape(&step->shape, p)))
        return match_carefully(match, step, p);
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

static inline ALWAYS bool match_steps(struct layout_cache *cache, struct layout *layout,
                                      struct filling *filling, struct bytes text)
{
    const char *p = text.ptr;
    const char *end = text.ptr + text.len;
    struct match match = {
        .filling = filling,
        .packet = filling->packet,
        .signal = layout->signals,
        .end = end,
        .limit = text.len < LAYOUT_MARGIN ? p : end - LAYOUT_MARGIN,
    };
    if (text.len < LAYOUT_MARGIN)
        p = enter_tail(&match, cache->tail, p);
    for (struct step *step = layout->steps;; step++) {
        if (__builtin_expect(p > match.limit, 0))
            p = enter_tail(&match, cache->tail, p);
        if (!block_equal(p, step->block, step->block_mask))
            return false;
        p += step->len;
        if (step->kind == STEP_END)
            return p == match.end;
        p = match_value(&match, step, p);
        if (p == NULL)
            return false;
    }
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
    for (size_t i = 0; i < cache->count; i++) {
        struct layout *layout = cache->layouts[i];
        if (match_steps(cache, layout, filling, text)) {
            filling->signals = layout->signals;
            filling->signal_count = layout->signal_count;
            *dialect = layout->dialect;
            if (i > 0)
                move_to_front(cache, i);
            return true;
        }
        filling_reset(filling);
    }
    return false;
}

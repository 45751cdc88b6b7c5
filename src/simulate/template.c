/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/template.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"
#include "simulate/template_private.h"

/* One message in the making. */
struct expansion {
    struct template *template;
    struct random_source *random;
    int64_t wall_ns;
    struct buf *out;
    uint64_t steps;
};

static void put_uuid(struct expansion *e)
{
    uint64_t words[2] = {random_u64(e->random), random_u64(e->random)};
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)(words[i / 8] >> (8 * (i % 8)));
    bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0f));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    static const uint8_t lengths[] = {4, 2, 2, 2, 6};
    char text[36];
    size_t at = 0, from = 0;
    for (int i = 0; i < 5; i++) {
        if (i > 0)
            text[at++] = '-';
        at += text_from_hex(text + at, bytes + from, lengths[i]);
        from += lengths[i];
    }
    buf_append(e->out, text, at);
}

/* min..max, both included: also the whole range of int64. The bias of the modulo
 * is range / 2^64. */
static int64_t random_between(struct random_source *random, int64_t min, int64_t max)
{
    uint64_t range = (uint64_t)max - (uint64_t)min + 1;
    uint64_t value = random_u64(random);
    return (int64_t)((uint64_t)min + (range == 0 ? value : value % range));
}

static void put_timestamp(struct expansion *e, const struct part *part)
{
    char text[TEXT_TIME_MAX];
    static const int64_t units[] = {
        [TIME_S] = NS_PER_S, [TIME_MS] = NS_PER_MS, [TIME_US] = NS_PER_US, [TIME_NS] = 1};
    if (part->format == TIME_RFC3339)
        buf_append(e->out, text, text_from_time_ms(text, e->wall_ns / NS_PER_MS));
    else
        buf_append_i64(e->out, e->wall_ns / units[part->format]);
}

/* Exact: the scaled integer with a point in it. */
static void put_float(struct expansion *e, const struct part *part)
{
    int64_t value = random_between(e->random, part->min, part->max);
    uint64_t digits = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t scale = 1;
    for (uint32_t i = 0; i < part->places; i++)
        scale *= 10;
    buf_append_text(e->out, value < 0 ? "-" : "");
    buf_append_u64(e->out, digits / scale);
    if (part->places > 0)
        buf_printf(e->out, ".%0*" PRIu64, (int)part->places, digits % scale);
}

static void put_string(struct expansion *e, const struct part *part)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = (size_t)random_between(e->random, part->min, part->max);
    if (buf_reserve(e->out, len) != 0)
        return;
    for (size_t i = 0; i < len; i++)
        buf_append_char(e->out, letters[random_below(e->random, sizeof letters - 1)]);
}

/* The index-th of a block's branches or words. */
static size_t nth_child(const struct template *template, size_t block, uint32_t index)
{
    size_t at = block + 1;
    while (index-- > 0)
        at = template->parts[at].after;
    return at;
}

static bool has_failed(const struct expansion *e)
{
    return e->out->has_failed || e->steps > TEMPLATE_STEPS_MAX;
}

static void put_range(struct expansion *e, size_t at, size_t end); /* a block holds ranges */

static void put_repeat(struct expansion *e, size_t block, const struct part *part)
{
    int64_t times = random_between(e->random, part->min, part->max);
    for (int64_t i = 0; i < times && !has_failed(e); i++) {
        e->steps++; /* an empty part costs time, too */
        if (i > 0)
            buf_append_char(e->out, ',');
        put_range(e, block + 2, part->after);
    }
}

static void put_part(struct expansion *e, size_t at)
{
    struct part *part = &e->template->parts[at];
    switch (part->kind) {
    case PART_TEXT:
        buf_append_bytes(e->out, part->text);
        break;
    case PART_UUID:
        put_uuid(e);
        break;
    case PART_COUNTER:
        buf_append_i64(e->out, (int64_t)part->next);
        part->next += part->step;
        break;
    case PART_TIMESTAMP:
        put_timestamp(e, part);
        break;
    case PART_INT:
        buf_append_i64(e->out, random_between(e->random, part->min, part->max));
        break;
    case PART_FLOAT:
        put_float(e, part);
        break;
    case PART_STRING:
        put_string(e, part);
        break;
    case PART_BOOL:
        buf_append_text(e->out, random_below(e->random, 2) == 0 ? "false" : "true");
        break;
    case PART_CHOICE:
    case PART_EITHER: {
        uint32_t index = random_below(e->random, part->count);
        size_t child = nth_child(e->template, at, index);
        e->steps += index;
        bool is_word = part->kind == PART_CHOICE;
        put_range(e, is_word ? child : child + 1, e->template->parts[child].after);
        break;
    }
    case PART_REPEAT:
        put_repeat(e, at, part);
        break;
    case PART_BRANCH:
        break; /* put_range never meets one */
    }
}

/* Recursion is as deep as blocks nest: TEMPLATE_DEPTH_MAX. */
static void put_range(struct expansion *e, size_t at, size_t end)
{
    for (; at < end && !has_failed(e); at = e->template->parts[at].after) {
        e->steps++;
        put_part(e, at);
    }
}

int template_expand(struct template *template, struct random_source *random, int64_t wall_ns,
                    struct buf *out, struct error *err)
{
    struct expansion e = {.template = template, .random = random, .wall_ns = wall_ns, .out = out};
    put_range(&e, 0, template->count);
    if (out->has_failed)
        return error_set(err, ERROR_FULL, "a message of the template is larger than %zu bytes",
                         out->limit);
    if (e.steps > TEMPLATE_STEPS_MAX)
        return error_set(err, ERROR_FULL,
                         "a message of the template takes more than %d steps: fewer repeats",
                         TEMPLATE_STEPS_MAX);
    return 0;
}

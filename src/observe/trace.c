/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/trace.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "observe/metrics.h"

enum { QUEUE_MAX = 4096 };

static _Atomic bool is_on;
static _Atomic double sampled_ratio;
static _Atomic int64_t slow_limit_ns;
static _Atomic int64_t traces_per_s;
/* When the next trace may begin, were they spread evenly. */
static _Atomic int64_t due_ns;

/* ---- ids and their text ---- */

static void fill_random(uint8_t *out, size_t len)
{
    static _Thread_local struct random_source source;
    if (source.state == 0 && getentropy(&source.state, sizeof source.state) != 0)
        source.state = (uint64_t)clock_wall_ns() ^ (uint64_t)(uintptr_t)&source;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t number = random_u64(&source);
        memcpy(out + i, &number, 8);
    }
    out[0] |= (uint8_t)(out[0] == 0); /* all zeros would mean none */
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool is_lower_hex(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')
            return false;
    return true;
}

/* 00-<32 hex>-<16 hex>-<2 hex>; a later version may have more behind it. */
bool trace_parse(struct bytes text, struct trace_context *out)
{
    uint8_t version;
    uint8_t flags;
    if (text.len < TRACEPARENT_LEN || text.ptr[2] != '-' || text.ptr[35] != '-' ||
        text.ptr[52] != '-' || !is_lower_hex(bytes_of(text.ptr, TRACEPARENT_LEN)))
        return false;
    if (!text_to_hex_bytes(bytes_of(text.ptr, 2), &version, 1) || version == 0xff ||
        !text_to_hex_bytes(bytes_of(text.ptr + 3, 32), out->trace_id, TRACE_ID_BYTES) ||
        !text_to_hex_bytes(bytes_of(text.ptr + 36, 16), out->span_id, SPAN_ID_BYTES) ||
        !text_to_hex_bytes(bytes_of(text.ptr + 53, 2), &flags, 1))
        return false;
    if (text.len > TRACEPARENT_LEN && (version == 0 || text.ptr[TRACEPARENT_LEN] != '-'))
        return false;
    out->is_sampled = (flags & 1) != 0;
    return !is_zero(out->trace_id, TRACE_ID_BYTES) && !is_zero(out->span_id, SPAN_ID_BYTES);
}

void trace_format(const struct trace_context *context, char out[TRACEPARENT_LEN])
{
    memcpy(out, "00-", 3);
    text_from_hex(out + 3, context->trace_id, TRACE_ID_BYTES);
    out[35] = '-';
    text_from_hex(out + 36, context->span_id, SPAN_ID_BYTES);
    memcpy(out + 52, context->is_sampled ? "-01" : "-00", 3);
}

void trace_begin(struct trace_context *out)
{
    fill_random(out->trace_id, TRACE_ID_BYTES);
    fill_random(out->span_id, SPAN_ID_BYTES);
    out->is_sampled = true;
}

void trace_child(const struct trace_context *parent, struct trace_context *out)
{
    memcpy(out->trace_id, parent->trace_id, TRACE_ID_BYTES);
    fill_random(out->span_id, SPAN_ID_BYTES);
    out->is_sampled = parent->is_sampled;
}

/* ---- settings ---- */

void trace_configure(double ratio, int64_t slow_ns, int64_t per_s)
{
    atomic_store(&sampled_ratio, ratio);
    atomic_store(&slow_limit_ns, slow_ns);
    atomic_store(&traces_per_s, per_s);
    atomic_store(&is_on, true);
}

void trace_off(void)
{
    atomic_store(&is_on, false);
}

bool trace_is_on(void)
{
    return atomic_load_explicit(&is_on, memory_order_relaxed);
}

int64_t trace_slow_ns(void)
{
    return trace_is_on() ? atomic_load_explicit(&slow_limit_ns, memory_order_relaxed) : 0;
}

bool trace_take(int64_t now_ns)
{
    int64_t per_s = atomic_load(&traces_per_s);
    if (!trace_is_on() || per_s <= 0)
        return false;
    /* a second's worth may come at once */
    return bucket_take(&due_ns, now_ns, NS_PER_S / per_s, NS_PER_S - 1);
}

/* While tracing is off or a gap is longer, look again after so many packets. */
enum { LOOK_AGAIN = 1 << 16 };

/* 0 < u <= 1 */
static double draw_unit(struct trace_sampler *sampler)
{
    struct random_source source = {sampler->random};
    uint64_t bits = random_u64(&source) >> 11;
    sampler->random = source.state;
    return ((double)bits + 1) * 0x1p-53;
}

/* Packets to pass by until the next success of a trial that succeeds with
 * probability p: floor(ln u / ln(1-p)). It has no memory, so that a long gap may
 * be gone in parts. */
bool trace_sampler_draw(struct trace_sampler *sampler)
{
    double ratio = trace_is_on() ? atomic_load(&sampled_ratio) : 0;
    if (sampler->random == 0) {
        fill_random((uint8_t *)&sampler->random, sizeof sampler->random);
        sampler->is_due = draw_unit(sampler) <= ratio;
    }
    bool is_taken = sampler->is_due && ratio > 0;
    double gap = ratio <= 0   ? LOOK_AGAIN
                 : ratio >= 1 ? 0
                              : floor(log(draw_unit(sampler)) / log1p(-ratio));
    sampler->is_due = gap < LOOK_AGAIN;
    sampler->left = sampler->is_due ? (uint32_t)gap : LOOK_AGAIN - 1;
    return is_taken;
}

/* ---- spans ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct span queue[QUEUE_MAX];
static size_t first, count;
static void (*on_many)(void *context);
static void *on_many_context;

void span_init(struct span *span, enum span_kind kind, const char *operation,
               const struct trace_context *context, const struct trace_context *parent)
{
    *span = (struct span){
        .context = *context, .kind = kind, .operation = operation, .partition = -1, .offset = -1};
    if (parent != NULL)
        memcpy(span->parent_id, parent->span_id, SPAN_ID_BYTES);
}

static void copy_text(char *out, size_t size, struct bytes text)
{
    size_t len = text.len < size ? text.len : size - 1;
    memcpy(out, text.ptr, len);
    out[len] = '\0';
}

void span_set_topic(struct span *span, const char *topic, int partition, int64_t offset)
{
    copy_text(span->topic, sizeof span->topic, bytes_from_text(topic));
    span->partition = partition;
    span->offset = offset;
}

void span_set_packet(struct span *span, struct bytes vehicle, const uint8_t identity[24])
{
    copy_text(span->vehicle, sizeof span->vehicle, vehicle);
    text_from_hex(span->identity, identity, 24);
    span->identity[48] = '\0';
}

void span_set_error(struct span *span, const char *type)
{
    copy_text(span->error, sizeof span->error, bytes_from_text(type));
}

void span_finish(const struct span *span, int64_t end_ns)
{
    if (!trace_is_on())
        return;
    void (*wake)(void *) = NULL;
    void *context = NULL;
    pthread_mutex_lock(&lock);
    bool has_room = count < QUEUE_MAX;
    if (has_room) {
        struct span *place = &queue[(first + count++) % QUEUE_MAX];
        *place = *span;
        place->end_ns = end_ns;
        if (count == QUEUE_MAX / 2) {
            wake = on_many;
            context = on_many_context;
        }
    }
    pthread_mutex_unlock(&lock);
    metrics_add(METRIC_TRACE_SPANS, has_room ? 0 : 1, 1);
    if (wake != NULL)
        wake(context);
}

size_t trace_drain(struct span *out, size_t max)
{
    pthread_mutex_lock(&lock);
    size_t taken = count < max ? count : max;
    for (size_t i = 0; i < taken; i++)
        out[i] = queue[(first + i) % QUEUE_MAX];
    first = (first + taken) % QUEUE_MAX;
    count -= taken;
    pthread_mutex_unlock(&lock);
    return taken;
}

void trace_on_many(void (*wake)(void *context), void *context)
{
    pthread_mutex_lock(&lock);
    on_many = wake;
    on_many_context = context;
    pthread_mutex_unlock(&lock);
}

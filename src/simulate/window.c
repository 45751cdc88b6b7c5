/* SPDX-License-Identifier: Apache-2.0 */
/* Two queues side by side: a ring of entries, and the bytes they speak of in one
 * buffer whose settled front is cut off when it is as long as the rest: each byte
 * is moved once on average, and the buffer holds at most twice bytes_max. Both grow when needed: a
 * thousand connections that are acked in time hold a few packets each. */
#include "simulate/window.h"

#include <stdlib.h>

#include "base/must.h"

enum { ENTRIES_AT_FIRST = 4 };

void window_init(struct window *window, size_t packets_max, size_t bytes_max)
{
    *window = (struct window){.packets_max = packets_max, .first_number = 1};
    window->bytes_max = bytes_max;
    buf_init(&window->bytes, 0);
}

void window_deinit(struct window *window)
{
    free(window->entries);
    window->entries = NULL;
    buf_deinit(&window->bytes);
    window->count = window->sent = window->first = window->mask = window->dead = 0;
}

struct window_entry *window_at(const struct window *window, size_t i)
{
    must(i < window->count);
    return &window->entries[(window->first + i) & window->mask];
}

static size_t live_bytes(const struct window *window)
{
    return window->bytes.len - window->dead;
}

bool window_has_room(const struct window *window, size_t bytes)
{
    return window->count < window->packets_max && bytes <= window->bytes_max - live_bytes(window);
}

static bool grow_entries(struct window *window)
{
    size_t old = window->entries == NULL ? 0 : window->mask + 1;
    size_t size = old == 0 ? ENTRIES_AT_FIRST : 2 * old;
    struct window_entry *entries = malloc(size * sizeof *entries);
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < window->count; i++)
        entries[i] = *window_at(window, i);
    free(window->entries);
    window->entries = entries;
    window->mask = size - 1;
    window->first = 0;
    return true;
}

static void cut_dead(struct window *window)
{
    buf_consume(&window->bytes, window->dead);
    window->base += window->dead;
    window->dead = 0;
}

bool window_push(struct window *window, struct bytes packet, struct bytes note, int64_t intended_ns)
{
    size_t len = packet.len + note.len;
    if (!window_has_room(window, len) || packet.len > UINT32_MAX || note.len > UINT16_MAX)
        return false;
    bool is_ring_full = window->entries == NULL || window->count == window->mask + 1;
    if (is_ring_full && !grow_entries(window))
        return false;
    if (buf_reserve(&window->bytes, len) != 0) {
        window->bytes.has_failed = false;
        return false;
    }
    uint64_t start = window->base + window->bytes.len;
    buf_append_bytes(&window->bytes, packet);
    buf_append_bytes(&window->bytes, note);
    window->count++;
    *window_at(window, window->count - 1) = (struct window_entry){
        .intended_ns = intended_ns,
        .start = start,
        .packet_len = (uint32_t)packet.len,
        .note_len = (uint16_t)note.len,
    };
    return true;
}

struct bytes window_packet(const struct window *window, const struct window_entry *entry)
{
    return bytes_of(window->bytes.ptr + (entry->start - window->base), entry->packet_len);
}

struct bytes window_note(const struct window *window, const struct window_entry *entry)
{
    struct bytes packet = window_packet(window, entry);
    return bytes_of(packet.ptr + packet.len, entry->note_len);
}

struct window_entry *window_by_number(const struct window *window, uint64_t number)
{
    if (number < window->first_number || number - window->first_number >= window->sent)
        return NULL;
    return window_at(window, (size_t)(number - window->first_number));
}

void window_pop(struct window *window)
{
    must(window->sent > 0);
    struct window_entry *entry = window_at(window, 0);
    window->dead += entry->packet_len + entry->note_len;
    window->first = (window->first + 1) & window->mask;
    window->count--;
    window->sent--;
    window->first_number++;
    if (window->dead >= window->bytes.len - window->dead)
        cut_dead(window);
}

void window_rewind(struct window *window)
{
    window->sent = 0;
    window->first_number = 1;
    for (size_t i = 0; i < window->count; i++)
        window_at(window, i)->reason = 0;
}

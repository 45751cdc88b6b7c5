/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants. A rider is on `ready` exactly when something waits for it and it is
 * not blocked. Ids in `changes` are a hint: the vehicle may have left the box or
 * the roster since, and its id may be another's now, so each is checked against
 * the area when it is taken out.
 *
 * Order on the wire: a snapshot to its end, then `left`, then `positions`. A
 * vehicle that left and came back is in both, left first; one that came and left
 * is only in `left`. */
#include "live/rider.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/metrics.h"

enum {
    LEFT_BYTES = 16 << 10,
    ROOM_BYTES = 64 << 10,   /* nothing is added to a socket with more unsent */
    TURN_BYTES = 4 << 20,    /* of one riders_push */
    WALK_STEPS = 20000,      /* vehicles looked at for one message */
    MESSAGE_LIMIT = 1 << 20, /* of the scratch: message_bytes and one packet more */
};

void riders_init(struct riders *riders, const struct rider_limits *limits, struct roster *roster)
{
    *riders = (struct riders){.limits = *limits, .roster = roster};
    watches_init(&riders->watches, roster);
    list_init(&riders->all);
    list_init(&riders->ready);
    buf_init(&riders->message, limits->message_bytes + MESSAGE_LIMIT);
}

void riders_deinit(struct riders *riders)
{
    must(list_is_empty(&riders->all));
    watches_deinit(&riders->watches);
    buf_deinit(&riders->message);
}

struct rider *rider_new(struct riders *riders, const struct rider_transport *transport,
                        struct conn *conn, int64_t now_ns)
{
    if (riders->count >= riders->limits.max_riders)
        return NULL;
    struct rider *rider = calloc(1, sizeof *rider);
    if (rider == NULL)
        return NULL;
    rider->riders = riders;
    rider->transport = transport;
    rider->conn = conn;
    rider->sent_ns = now_ns;
    list_append(&riders->all, &rider->of_all);
    list_init(&rider->of_ready);
    list_init(&rider->links);
    list_init(&rider->changed_links);
    idset_init(&rider->changes, riders->limits.max_changes);
    buf_init(&rider->left, LEFT_BYTES);
    riders->count++;
    metrics_add(METRIC_LIVE_RIDERS, transport->metric_label, 1);
    return rider;
}

static struct watch_link *first_link(const struct rider *rider)
{
    return list_item(rider->links.next, struct watch_link, of_rider);
}

void rider_free(struct rider *rider)
{
    if (rider == NULL)
        return;
    struct riders *riders = rider->riders;
    rider_unfollow_all(rider);
    rider_set_area(rider, NULL);
    list_remove(&rider->of_all);
    list_remove(&rider->of_ready);
    idset_deinit(&rider->changes);
    buf_deinit(&rider->left);
    riders->count--;
    metrics_add(METRIC_LIVE_RIDERS, rider->transport->metric_label, -1);
    free(rider);
}

/* ---- what it follows ---- */

static void set_ready(struct rider *rider)
{
    if (!rider->is_blocked && list_is_empty(&rider->of_ready))
        list_append(&rider->riders->ready, &rider->of_ready);
}

enum rider_verdict rider_follow(struct rider *rider, struct bytes vehicle)
{
    struct riders *riders = rider->riders;
    if (rider->link_count >= riders->limits.max_vehicles &&
        watch_find(&riders->watches, vehicle, rider) == NULL)
        return RIDER_TOO_MANY_VEHICLES;
    bool is_new;
    if (watch_add(&riders->watches, vehicle, rider, &rider->links, &is_new) == NULL)
        return RIDER_NO_MEMORY;
    rider->link_count += is_new;
    return RIDER_OK;
}

void rider_unfollow(struct rider *rider, struct bytes vehicle)
{
    struct watch_link *link = watch_find(&rider->riders->watches, vehicle, rider);
    if (link == NULL)
        return;
    watch_remove(&rider->riders->watches, link);
    rider->link_count--;
}

void rider_unfollow_all(struct rider *rider)
{
    while (!list_is_empty(&rider->links))
        watch_remove(&rider->riders->watches, first_link(rider));
    rider->link_count = 0;
}

bool rider_may_speak(struct rider *rider, int64_t now_ns, unsigned most)
{
    if (now_ns - rider->second_ns >= NS_PER_S) {
        rider->second_ns = now_ns;
        rider->messages = 0;
    }
    return rider->messages++ < most;
}

enum rider_verdict rider_set_area(struct rider *rider, const struct area *area)
{
    struct grid *grid = &rider->riders->roster->grid;
    if (rider->has_area)
        grid_unwatch(grid, &rider->area, rider);
    rider->has_area = false;
    idset_clear(&rider->changes);
    buf_clear(&rider->left);
    if (area == NULL)
        return RIDER_OK;
    if (grid_watch(grid, area, rider) != 0)
        return RIDER_NO_MEMORY;
    rider->has_area = true;
    rider->area = *area;
    return RIDER_OK;
}

/* All that waited is in the new snapshot, so none of it need be kept. */
static void begin_snapshot(struct rider *rider)
{
    rider->must_restart = false;
    rider->is_walking = true;
    rider->is_first = true;
    idset_clear(&rider->changes);
    buf_clear(&rider->left);
    if (rider->has_area)
        grid_walk_init(&rider->walk, &rider->area);
    for (struct list *node = rider->links.next; node != &rider->links; node = node->next) {
        struct watch_link *link = list_item(node, struct watch_link, of_rider);
        list_remove(&link->dirty);
        list_append(&rider->changed_links, &link->dirty);
    }
}

void rider_restart(struct rider *rider)
{
    begin_snapshot(rider);
    set_ready(rider);
}

/* ---- what happens to the roster ---- */

static void ask_for_snapshot(struct rider *rider)
{
    rider->must_restart = true;
    idset_clear(&rider->changes);
    buf_clear(&rider->left);
    metrics_add(METRIC_LIVE_RESYNCS, 0, 1);
    set_ready(rider);
}

static void note_change(struct rider *rider, uint32_t id)
{
    if (rider->must_restart)
        return;
    switch (idset_add(&rider->changes, id)) {
    case IDSET_ADDED:
        set_ready(rider);
        return;
    case IDSET_PRESENT:
        metrics_add(METRIC_LIVE_CONFLATED, 0, 1);
        return;
    case IDSET_FULL:
        ask_for_snapshot(rider);
        return;
    }
}

static void note_left(struct rider *rider, struct bytes vehicle)
{
    if (rider->must_restart)
        return;
    if (rider->left.len != 0)
        buf_append_char(&rider->left, ',');
    buf_append_json(&rider->left, vehicle);
    if (rider->left.has_failed)
        ask_for_snapshot(rider);
    else
        set_ready(rider);
}

static void note_link(struct watch_link *link)
{
    if (!list_is_empty(&link->dirty)) {
        metrics_add(METRIC_LIVE_CONFLATED, 0, 1);
        return;
    }
    list_append(&link->rider->changed_links, &link->dirty);
    set_ready(link->rider);
}

static void came_in(const struct grid_watchers *watchers, const struct roster_entry *entry)
{
    for (uint32_t i = 0; i < watchers->count; i++)
        if (area_contains(&watchers->items[i]->area, entry->lat, entry->lon))
            note_change(watchers->items[i], entry->id);
}

static bool is_followed_by(const struct roster_entry *entry, const struct rider *rider)
{
    return entry->watch != NULL &&
           watch_find(&rider->riders->watches, roster_vehicle(entry), rider) != NULL;
}

static void went_out(const struct grid_watchers *watchers, const struct roster_change *change)
{
    const struct roster_entry *entry = change->entry;
    for (uint32_t i = 0; i < watchers->count; i++) {
        struct rider *rider = watchers->items[i];
        if (area_contains(&rider->area, change->old_lat, change->old_lon) &&
            !area_contains(&rider->area, entry->lat, entry->lon) && !is_followed_by(entry, rider))
            note_left(rider, roster_vehicle(entry));
    }
}

void riders_changed(struct riders *riders, const struct roster_change *change)
{
    struct roster_entry *entry = change->entry;
    const struct grid *grid = &riders->roster->grid;
    bool is_new = change->old_cell == GRID_NONE;
    if (is_new)
        watch_entry_added(&riders->watches, entry);
    came_in(&grid->cells[entry->cell].watchers, entry);
    came_in(&grid->wide, entry);
    if (!is_new) {
        /* A cell emptied and dropped by this move has no watchers: none are lost. */
        went_out(&grid->cells[change->old_cell].watchers, change);
        went_out(&grid->wide, change);
    }
    if (entry->watch == NULL)
        return;
    struct list *links = &entry->watch->links;
    for (struct list *node = links->next; node != links; node = node->next)
        note_link(list_item(node, struct watch_link, of_watch));
}

static void entry_left(const struct grid_watchers *watchers, const struct roster_entry *entry)
{
    for (uint32_t i = 0; i < watchers->count; i++)
        if (area_contains(&watchers->items[i]->area, entry->lat, entry->lon))
            note_left(watchers->items[i], roster_vehicle(entry));
}

void riders_left(struct riders *riders, const struct roster_entry *entry)
{
    entry_left(&riders->roster->grid.cells[entry->cell].watchers, entry);
    entry_left(&riders->roster->grid.wide, entry);
    if (entry->watch == NULL)
        return;
    struct list *links = &entry->watch->links;
    for (struct list *node = links->next; node != links; node = node->next)
        note_left(list_item(node, struct watch_link, of_watch)->rider, roster_vehicle(entry));
    watch_entry_leaves(entry);
}

/* ---- telling it ---- */

static bool has_more(const struct rider *rider)
{
    return rider->is_walking || rider->must_restart || rider->left.len != 0 ||
           rider->changes.count != 0 || !list_is_empty(&rider->changed_links);
}

/* The next of the vehicles followed by name, or NULL. */
static const struct roster_entry *next_link(struct rider *rider)
{
    while (!list_is_empty(&rider->changed_links)) {
        struct list *node = rider->changed_links.next;
        list_remove(node);
        const struct roster_entry *entry = list_item(node, struct watch_link, dirty)->watch->entry;
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

static const struct roster_entry *next_change(struct rider *rider)
{
    const struct roster_entry *entry = next_link(rider);
    while (entry == NULL && rider->changes.count != 0) {
        entry = roster_by_id(rider->riders->roster, idset_take(&rider->changes));
        if (entry != NULL && !area_contains(&rider->area, entry->lat, entry->lon))
            entry = NULL;
    }
    return entry;
}

/* The next of a snapshot. NULL with is_walking off: it is complete; NULL with
 * *steps at zero: go on in another message. */
static const struct roster_entry *next_of_snapshot(struct rider *rider, int *steps)
{
    const struct roster *roster = rider->riders->roster;
    const struct roster_entry *entry = next_link(rider);
    while (entry == NULL && rider->has_area && (*steps)-- > 0) {
        uint32_t id = grid_walk_next(&roster->grid, &rider->walk);
        if (id == GRID_NONE)
            break;
        entry = roster_by_id(roster, id);
        if (!area_contains(&rider->area, entry->lat, entry->lon))
            entry = NULL;
    }
    if (entry == NULL && (*steps >= 0 || !rider->has_area))
        rider->is_walking = false;
    return entry;
}

static void append_packet(struct buf *out, const struct roster_entry *entry, bool is_first)
{
    if (!is_first)
        buf_append_char(out, ',');
    buf_append_bytes(out, roster_json(entry));
}

static void write_snapshot(struct rider *rider, struct buf *out)
{
    size_t count = 0, limit = out->len + rider->riders->limits.message_bytes;
    int steps = WALK_STEPS;
    buf_append_text(out, "{\"snapshot\":[");
    while (out->len < limit) {
        const struct roster_entry *entry = next_of_snapshot(rider, &steps);
        if (entry == NULL)
            break;
        append_packet(out, entry, count++ == 0);
    }
    buf_append_text(out, rider->is_first ? "],\"begin\":true" : "],\"begin\":false");
    buf_append_text(out, rider->is_walking ? ",\"end\":false}" : ",\"end\":true}");
    rider->is_first = false;
    metrics_add(METRIC_LIVE_PUSHED_PACKETS, 0, (int64_t)count);
}

static void write_left(struct rider *rider, struct buf *out)
{
    buf_append_text(out, "{\"left\":[");
    buf_append_bytes(out, buf_bytes(&rider->left));
    buf_append_text(out, "]}");
    buf_deinit(&rider->left);
}

/* False: all that had changed is out of the rider's sight by now. */
static bool write_changes(struct rider *rider, struct buf *out)
{
    size_t count = 0, limit = out->len + rider->riders->limits.message_bytes;
    int64_t wall_ns = clock_wall_ns();
    buf_append_text(out, "{\"positions\":[");
    while (out->len < limit) {
        const struct roster_entry *entry = next_change(rider);
        if (entry == NULL)
            break;
        append_packet(out, entry, count++ == 0);
        metrics_observe(METRIC_LIVE_DELAY, 0, wall_ns - entry->received_ns);
    }
    buf_append_text(out, "]}");
    metrics_add(METRIC_LIVE_PUSHED_PACKETS, 0, (int64_t)count);
    return count != 0;
}

/* One message into the scratch: false when nothing was to be told. */
static bool write_message(struct rider *rider, struct buf *out)
{
    buf_clear(out);
    buf_append_text(out, rider->transport->before);
    bool has_any = true;
    if (rider->must_restart && !rider->is_walking)
        begin_snapshot(rider);
    if (rider->is_walking)
        write_snapshot(rider, out);
    else if (rider->left.len != 0)
        write_left(rider, out);
    else
        has_any = write_changes(rider, out);
    buf_append_text(out, rider->transport->after);
    return has_any;
}

static void set_blocked(struct rider *rider, int64_t now_ns)
{
    rider->is_blocked = true;
    rider->blocked_ns = now_ns;
}

static size_t send_one(struct rider *rider, int64_t now_ns)
{
    struct buf *out = &rider->riders->message;
    if (!write_message(rider, out))
        return 0;
    /* Short of memory, or closing: nothing more for it; riders_check() ends it if
     * nobody else does. */
    if (out->has_failed || !rider->transport->send(rider->conn, buf_bytes(out))) {
        set_blocked(rider, now_ns);
        return 0;
    }
    rider->sent_ns = now_ns;
    metrics_add(METRIC_LIVE_PUSHES, rider->transport->metric_label, 1);
    metrics_add(METRIC_LIVE_PUSHED_BYTES, 0, (int64_t)out->len);
    return out->len;
}

/* Until the socket has enough or nothing waits. */
static size_t push_one(struct rider *rider, int64_t now_ns)
{
    size_t sent = 0;
    while (has_more(rider) && !rider->is_blocked) {
        if (rider->transport->unsent_bytes(rider->conn) >= ROOM_BYTES)
            set_blocked(rider, now_ns);
        else
            sent += send_one(rider, now_ns);
    }
    return sent;
}

bool riders_push(struct riders *riders, int64_t now_ns)
{
    size_t sent = 0;
    while (!list_is_empty(&riders->ready) && sent < TURN_BYTES) {
        struct rider *rider = list_item(riders->ready.next, struct rider, of_ready);
        list_remove(&rider->of_ready);
        sent += push_one(rider, now_ns);
    }
    return !list_is_empty(&riders->ready);
}

bool rider_drained(struct rider *rider)
{
    rider->is_blocked = false;
    if (has_more(rider))
        set_ready(rider);
    return !list_is_empty(&rider->of_ready);
}

static void keep_alive(struct rider *rider, int64_t now_ns)
{
    const struct rider_transport *transport = rider->transport;
    if (transport->keep_alive == NULL || rider->is_blocked ||
        now_ns - rider->sent_ns < rider->riders->limits.keep_alive_ns)
        return;
    rider->sent_ns = now_ns;
    transport->send(rider->conn, bytes_from_text(transport->keep_alive));
}

void riders_check(struct riders *riders, int64_t now_ns)
{
    for (struct list *node = riders->all.next, *next; node != &riders->all; node = next) {
        struct rider *rider = list_item(node, struct rider, of_all);
        next = node->next; /* ending a rider may free it */
        if (rider->is_blocked && now_ns - rider->blocked_ns > riders->limits.stall_ns) {
            metrics_add(METRIC_LIVE_STALLED, rider->transport->metric_label, 1);
            rider->transport->end(rider->conn, "too slow: nothing was taken for too long");
            rider_free(rider); /* the connection may take its time to go */
        } else {
            keep_alive(rider, now_ns);
        }
    }
}

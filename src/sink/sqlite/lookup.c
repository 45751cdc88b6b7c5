/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/lookup.h"

#include "observe/log.h"
#include "observe/metrics.h"

void lookup_init(struct lookup *lookup)
{
    memset(lookup, 0, sizeof *lookup);
    pool_init(&lookup->pool);
}

void lookup_deinit(struct lookup *lookup)
{
    pool_deinit(&lookup->pool);
}

int lookup_load(struct lookup *lookup, struct db *db, const struct place *place, struct error *err)
{
    struct bytes page;
    struct error broken;
    if (lookup->db == db && lookup->page == place->page)
        return 0;
    lookup->page = 0;
    pool_reset(&lookup->pool);
    if (db_page(db, place->page, &page, &broken) == 0 &&
        page_decode_keys(page, &lookup->pool, &lookup->rows, &lookup->row_count, &broken) == 0) {
        lookup->pages_loaded++;
    } else if (broken.kind == ERROR_CORRUPT) {
        metrics_add(METRIC_SINK_CORRUPT_PAGES, 0, 1);
        error_prefix(&broken, "%s", db_path(db));
        log_error("sink", "a page can't be read; its packets may be stored twice", &broken);
        lookup->row_count = 0;
    } else {
        if (err != NULL)
            *err = broken;
        return -1;
    }
    lookup->db = db;
    lookup->page = place->page;
    lookup->first = *place;
    return 0;
}

/* The first loaded row at or after (hash, time). */
static size_t first_row(const struct lookup *lookup, uint64_t hash, int64_t time_ms)
{
    size_t low = 0, high = lookup->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct row_key *key = &lookup->rows[middle].key;
        if (key->hash < hash || (key->hash == hash && key->time_ms < time_ms))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void compare(const struct row_key *key, struct candidate *candidate)
{
    if (key->order != candidate->key.order)
        return;
    if (key->content == candidate->key.content)
        candidate->is_known = true;
    else
        candidate->is_conflict = true;
}

static void check_at_time(const struct lookup *lookup, struct candidate *candidate)
{
    uint64_t hash = candidate->key.hash;
    int64_t time_ms = packet_order_to_time(candidate->key.order);
    for (size_t i = first_row(lookup, hash, time_ms); i < lookup->row_count; i++) {
        const struct row_key *key = &lookup->rows[i].key;
        if (key->hash != hash || key->time_ms != time_ms)
            break;
        compare(key, candidate);
    }
}

static bool is_before(uint64_t hash, int64_t time_ms, const struct place *place)
{
    return hash < place->hash || (hash == place->hash && time_ms < place->time_ms);
}

static bool is_after(uint64_t hash, int64_t time_ms, const struct place *place)
{
    return hash > place->hash || (hash == place->hash && time_ms > place->time_ms);
}

/* Nothing at (hash, time) can lie outside the loaded page. */
static bool covers(const struct lookup *lookup, struct db *db, uint64_t hash, int64_t time_ms)
{
    return lookup->page != 0 && lookup->db == db && is_after(hash, time_ms, &lookup->first) &&
           (lookup->next.page == 0 || is_before(hash, time_ms, &lookup->next));
}

static int look_at_time(struct lookup *lookup, struct db *db, int64_t run,
                        struct candidate *candidate, struct error *err)
{
    struct walk walk;
    uint64_t hash = candidate->key.hash;
    int64_t time_ms = packet_order_to_time(candidate->key.order);
    if (covers(lookup, db, hash, time_ms) && lookup->first.run == run) {
        check_at_time(lookup, candidate);
        return 0;
    }
    if (walk_start(&walk, db, run, hash, time_ms, hash, time_ms, err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        if (lookup_load(lookup, db, &walk.place, err) != 0) {
            walk_stop(&walk);
            return -1;
        }
        check_at_time(lookup, candidate);
    }
    lookup->next = walk.is_past ? walk.place : (struct place){0};
    return rc;
}

static bool in_orders(const struct ranges *ranges, uint64_t order)
{
    return ranges->has_orders && order >= ranges->min_order && order <= ranges->max_order;
}

static bool wants_orders(const struct candidate *candidate, const struct ranges *ranges)
{
    return !candidate->is_known && !candidate->is_by_time &&
           in_orders(ranges, candidate->key.order);
}

static void check_orders(const struct lookup *lookup, const struct ranges *ranges,
                         struct candidate *candidates, size_t count)
{
    uint64_t hash = candidates[0].key.hash;
    size_t first = first_row(lookup, hash, INT64_MIN), end = first;
    while (end < lookup->row_count && lookup->rows[end].key.hash == hash)
        end++;
    for (size_t c = 0; c < count; c++) {
        if (!wants_orders(&candidates[c], ranges))
            continue;
        for (size_t i = first; i < end; i++)
            compare(&lookup->rows[i].key, &candidates[c]);
    }
}

/* Candidates of one vehicle. */
static int look_at_orders(struct lookup *lookup, struct db *db, int64_t run,
                          struct candidate *candidates, size_t count, struct error *err)
{
    struct walk walk;
    uint64_t hash = candidates[0].key.hash;
    if (walk_start(&walk, db, run, hash, INT64_MIN, hash, INT64_MAX, err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        bool is_wanted = false;
        for (size_t c = 0; c < count; c++)
            is_wanted |= wants_orders(&candidates[c], &walk.place.ranges);
        if (!is_wanted)
            continue;
        if (lookup_load(lookup, db, &walk.place, err) != 0) {
            walk_stop(&walk);
            return -1;
        }
        check_orders(lookup, &walk.place.ranges, candidates, count);
    }
    lookup->page = 0; /* its successor is not known: not for look_at_time */
    return rc;
}

static int look_by_order(struct lookup *lookup, struct db *db, const struct run *run,
                         struct candidate *candidates, size_t count, struct error *err)
{
    for (size_t i = 0, end; i < count; i = end) {
        bool is_wanted = false;
        for (end = i; end < count && candidates[end].key.hash == candidates[i].key.hash; end++)
            is_wanted |= wants_orders(&candidates[end], &run->ranges);
        if (is_wanted && look_at_orders(lookup, db, run->id, candidates + i, end - i, err) != 0)
            return -1;
    }
    return 0;
}

int lookup_run(struct lookup *lookup, struct db *db, const struct run *run,
               struct candidate *candidates, size_t count, struct error *err)
{
    lookup->page = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms = packet_order_to_time(candidates[i].key.order);
        if (!candidates[i].is_known && time_ms >= run->ranges.min_time &&
            time_ms <= run->ranges.max_time &&
            look_at_time(lookup, db, run->id, &candidates[i], err) != 0)
            return -1;
    }
    return look_by_order(lookup, db, run, candidates, count, err);
}

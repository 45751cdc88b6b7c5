/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 12, BUCKETS = 1 << BITS, INSERTION_MAX = 16 };

void sorter_init(struct sorter *sorter)
{
    memset(sorter, 0, sizeof *sorter);
}

void sorter_deinit(struct sorter *sorter)
{
    free(sorter->items);
    free(sorter->other);
    sorter_init(sorter);
}

int sorter_reserve(struct sorter *sorter, size_t count)
{
    if (count <= sorter->cap)
        return 0;
    sorter_deinit(sorter);
    sorter->items = malloc(count * sizeof *sorter->items);
    sorter->other = malloc(count * sizeof *sorter->other);
    if (sorter->items == NULL || sorter->other == NULL) {
        sorter_deinit(sorter);
        return -1;
    }
    sorter->cap = count;
    return 0;
}

static bool is_less(const struct sort_item *a, const struct sort_item *b)
{
    for (size_t i = 0; i < 4; i++)
        if (a->parts[i] != b->parts[i])
            return a->parts[i] < b->parts[i];
    return false;
}

static void insertion_sort(struct sort_item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (!is_less(&items[i], &items[i - 1]))
            continue;
        struct sort_item item = items[i];
        size_t j = i;
        for (; j > 0 && is_less(&item, &items[j - 1]); j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

static void merge_sort(struct sort_item *items, struct sort_item *scratch, size_t count)
{
    if (count <= INSERTION_MAX) {
        insertion_sort(items, count);
        return;
    }
    size_t half = count / 2;
    merge_sort(items, scratch, half);
    merge_sort(items + half, scratch, count - half);
    if (!is_less(&items[half], &items[half - 1]))
        return;
    memcpy(scratch, items, half * sizeof *items);
    size_t left = 0, right = half, out = 0;
    while (left < half)
        items[out++] = right < count && is_less(&items[right], &scratch[left]) ? items[right++]
                                                                               : scratch[left++];
}

void sorter_sort(struct sorter *sorter, size_t count)
{
    uint32_t starts[BUCKETS + 1] = {0};
    const unsigned shift = 64 - BITS;
    for (size_t i = 0; i < count; i++)
        starts[(sorter->items[i].parts[0] >> shift) + 1]++;
    for (size_t b = 0; b < BUCKETS; b++)
        starts[b + 1] += starts[b];
    uint32_t next[BUCKETS];
    memcpy(next, starts, sizeof next);
    for (size_t i = 0; i < count; i++)
        sorter->other[next[sorter->items[i].parts[0] >> shift]++] = sorter->items[i];
    struct sort_item *sorted = sorter->other;
    sorter->other = sorter->items;
    sorter->items = sorted;
    for (size_t b = 0; b < BUCKETS; b++)
        merge_sort(sorted + starts[b], sorter->other, starts[b + 1] - starts[b]);
}

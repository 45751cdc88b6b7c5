/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/geofence/crowding.h"

#include <stdlib.h>

enum { SMALL = 200 }; /* corners of a polygon that can't cost much */

struct box {
    double west, east, south, north;
};

static int by_west(const void *a, const void *b)
{
    const struct box *x = a, *y = b;
    return (x->west > y->west) - (x->west < y->west);
}

static void list_boxes(const struct outline *outline, struct box *out)
{
    for (size_t r = 0; r < outline->ring_count; r++) {
        const struct outline_ring *ring = &outline->rings[r];
        const struct point *points = outline->points + ring->first;
        for (size_t i = 0; i < ring->count; i++) {
            struct point a = points[i], b = points[i + 1 < ring->count ? i + 1 : 0];
            *out++ = (struct box){fmin(a.x, b.x), fmax(a.x, b.x), fmin(a.y, b.y), fmax(a.y, b.y)};
        }
    }
}

static bool take_pairs(struct crowding *crowding, const struct box *boxes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1, overlapping = 0;
        for (; end < count && boxes[end].west <= boxes[i].east; end++)
            overlapping += boxes[end].south <= boxes[i].north && boxes[end].north >= boxes[i].south;
        size_t columns = end - i - 1;
        if (overlapping > crowding->boxes_left || columns > crowding->columns_left)
            return false;
        crowding->boxes_left -= overlapping;
        crowding->columns_left -= columns;
    }
    return true;
}

int crowding_take(struct crowding *crowding, const struct outline *outline)
{
    size_t count = outline->point_count; /* as many edges */
    if (count <= SMALL)
        return 1;
    struct box *boxes = calloc(count, sizeof *boxes);
    if (boxes == NULL)
        return -1;
    list_boxes(outline, boxes);
    qsort(boxes, count, sizeof *boxes, by_west);
    bool is_fine = take_pairs(crowding, boxes, count);
    free(boxes);
    return is_fine;
}

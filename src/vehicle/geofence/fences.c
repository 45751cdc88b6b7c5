/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded set of fences answers; loaded in fences_load.c. */
#include <stdlib.h>

#include "vehicle/geofence/fences_private.h"

void fences_free(struct fences *fences)
{
    if (fences == NULL)
        return;
    raster_deinit(&fences->raster);
    buf_deinit(&fences->names);
    free(fences->name_starts);
    free(fences);
}

size_t fences_count(const struct fences *fences)
{
    return fences->count;
}

struct bytes fences_name(const struct fences *fences, size_t fence)
{
    size_t start = fences->name_starts[fence];
    return bytes_of(fences->names.ptr + start, fences->name_starts[fence + 1] - start);
}

size_t fences_size_bytes(const struct fences *fences)
{
    return sizeof *fences + fences->raster.word_count * sizeof *fences->raster.words +
           fences->names.cap + fences->cap * sizeof *fences->name_starts;
}

bool fences_find(const struct fences *fences, double lat, double lon, size_t *fence)
{
    if (!(fabs(lon) <= 180)) /* beyond ±90 no fence reaches */
        return false;
    int64_t found = raster_find(&fences->raster, (struct point){lon, lat});
    if (found == RASTER_NONE && fabs(lon) == 180)
        found = raster_find(&fences->raster, (struct point){-lon, lat});
    *fence = (size_t)found;
    return found != RASTER_NONE;
}

/* On the antimeridian: what is found under either of its longitudes. */
static size_t list_both(const struct fences *fences, double lat, uint32_t *out, size_t cap)
{
    size_t count = raster_list(&fences->raster, (struct point){180, lat}, out, cap);
    if (count > cap)
        return count;
    size_t more = raster_list(&fences->raster, (struct point){-180, lat}, out + count, cap - count);
    if (more > cap - count)
        return count + more;
    size_t kept = count;
    for (size_t i = count; i < count + more; i++) {
        size_t twin = 0;
        while (twin < count && out[twin] != out[i])
            twin++;
        if (twin == count)
            out[kept++] = out[i];
    }
    return kept;
}

size_t fences_list(const struct fences *fences, double lat, double lon, uint32_t *out, size_t cap)
{
    if (!(fabs(lon) <= 180))
        return 0;
    if (fabs(lon) == 180)
        return list_both(fences, lat, out, cap);
    return raster_list(&fences->raster, (struct point){lon, lat}, out, cap);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as GeoJSON: refused with words, or fences that answer, the same twice,
 * and find a fence exactly where they list one. */
#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/geofence/fences.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_position(const struct fences *fences, double lat, double lon)
{
    uint32_t list[16];
    size_t fence = 0;
    bool found = fences_find(fences, lat, lon, &fence);
    size_t count = fences_list(fences, lat, lon, list, 16);
    must(found == (count > 0));
    must(!found || fence < fences_count(fences));
    bool is_listed = !found || count > 16;
    for (size_t i = 0; i < count && i < 16; i++)
        is_listed |= list[i] == fence;
    must(is_listed);
    must(fences_list(fences, lat, lon, NULL, 0) >= count || count > 16 || lon == 180 ||
         lon == -180);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fences_options options = {.radius_m = 1000, .width_m = 500};
    struct fences *fences = NULL;
    struct error err = {0};
    struct bytes text = {(const char *)data, size};
    if (fences_load(&fences, "fuzz", text, &options, &err) != 0) {
        must(err.text[0] != '\0' && fences == NULL);
        return 0;
    }
    for (int lat = -90; lat <= 90; lat += 6)
        for (int lon = -180; lon <= 180; lon += 6)
            check_position(fences, lat, lon);
    for (size_t i = 0; i < fences_count(fences); i++)
        must(fences_name(fences, i).len > 0);
    fences_free(fences);
    return 0;
}

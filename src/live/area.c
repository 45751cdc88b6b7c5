/* SPDX-License-Identifier: Apache-2.0 */
#include "live/area.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

bool area_is_position(double lat, double lon)
{
    /* Comparisons with NaN are false, so it falls out here, too. */
    return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180;
}

static bool refuse(char problem[AREA_PROBLEM_MAX], const char *why)
{
    snprintf(problem, AREA_PROBLEM_MAX, "%s", why);
    return false;
}

bool area_set(struct area *out, const double corners[4], char problem[AREA_PROBLEM_MAX])
{
    *out = (struct area){corners[0], corners[1], corners[2], corners[3]};
    if (!area_is_position(out->south, out->west) || !area_is_position(out->north, out->east))
        return refuse(problem, "bbox is west,south,east,north in degrees: longitudes within "
                               "-180..180, latitudes within -90..90");
    if (out->south > out->north)
        return refuse(problem, "bbox has its south above its north: the order is "
                               "west,south,east,north");
    return true;
}

bool area_parse(struct area *out, struct bytes text, char problem[AREA_PROBLEM_MAX])
{
    double corners[4];
    for (int i = 0; i < 4; i++) {
        const char *comma = text.len == 0 ? NULL : memchr(text.ptr, ',', text.len);
        if ((comma != NULL) != (i < 3))
            return refuse(problem, "bbox needs four numbers: west,south,east,north");
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.ptr);
        if (!text_to_double(bytes_trim(bytes_of(text.ptr, len)), &corners[i]))
            return refuse(problem, "bbox holds something that is no number: "
                                   "west,south,east,north in degrees");
        if (comma != NULL)
            text = bytes_of(comma + 1, text.len - len - 1);
    }
    return area_set(out, corners, problem);
}

static bool spans(const struct area *area, double lon)
{
    if (area->west <= area->east)
        return lon >= area->west && lon <= area->east;
    return lon >= area->west || lon <= area->east;
}

bool area_contains(const struct area *area, double lat, double lon)
{
    if (lat < area->south || lat > area->north)
        return false;
    return spans(area, lon) || (fabs(lon) == 180 && spans(area, -lon));
}

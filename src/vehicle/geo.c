/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/geo.h"

#include <math.h>

#define RADIANS (3.14159265358979323846 / 180)

double geo_distance_m(double lat_a, double lon_a, double lat_b, double lon_b)
{
    double sin_lat = sin((lat_b - lat_a) * RADIANS / 2);
    double sin_lon = sin((lon_b - lon_a) * RADIANS / 2);
    double h = sin_lat * sin_lat + cos(lat_a * RADIANS) * cos(lat_b * RADIANS) * sin_lon * sin_lon;
    return 2 * GEO_RADIUS_M * asin(sqrt(fmin(h, 1)));
}

double geo_bearing_deg(double lat_a, double lon_a, double lat_b, double lon_b)
{
    double a = lat_a * RADIANS, b = lat_b * RADIANS, lon = (lon_b - lon_a) * RADIANS;
    double east = sin(lon) * cos(b);
    double north = cos(a) * sin(b) - sin(a) * cos(b) * cos(lon);
    double degrees = atan2(east, north) / RADIANS;
    degrees = degrees < 0 ? degrees + 360 : degrees;
    return degrees < 360 ? degrees : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Distances on the globe. Pure. */
#pragma once

/* Of the sphere that is reckoned with: the mean radius R1 of WGS84 (IUGG). */
#define GEO_RADIUS_M 6371008.8

/* Metres between two points in degrees WGS84: haversine on a sphere of the mean
 * radius GEO_RADIUS_M, which errs by up to 0.56 % of the ellipsoid's
 * geodesic. R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984. */
double geo_distance_m(double lat_a, double lon_a, double lat_b, double lon_b);
/* The direction of the great circle's first step from a to b, degrees clockwise
 * from north, 0 <= and < 360; 0 when they are one point. E. Williams, "Aviation
 * Formulary", Course between points. */
double geo_bearing_deg(double lat_a, double lon_a, double lat_b, double lon_b);

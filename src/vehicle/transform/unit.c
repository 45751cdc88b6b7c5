/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/transform/unit.h"

const struct unit unit_table[] = {
    {"m/s", "speed", 1, 0},
    {"km/h", "speed", 1 / 3.6, 0},
    {"mph", "speed", 0.44704, 0},
    {"kn", "speed", 1852.0 / 3600, 0},
    {"m", "distance", 1, 0},
    {"km", "distance", 1000, 0},
    {"mi", "distance", 1609.344, 0},
    {"ft", "distance", 0.3048, 0},
    {"nmi", "distance", 1852, 0},
    {"deg", "angle", 1, 0},
    {"rad", "angle", 180 / 3.14159265358979323846, 0},
    {"degC", "temperature", 1, 0},
    {"degF", "temperature", 5.0 / 9, -160.0 / 9},
    {"K", "temperature", 1, -273.15},
    {"kPa", "pressure", 1, 0},
    {"bar", "pressure", 100, 0},
    {"hPa", "pressure", 0.1, 0},
    {"psi", "pressure", 6.894757293168, 0}, /* to 13 digits */
    {"kWh", "energy", 1, 0},
    {"Wh", "energy", 0.001, 0},
    {"MJ", "energy", 1 / 3.6, 0},
    {"kW", "power", 1, 0},
    {"W", "power", 0.001, 0},
    {"hp", "power", 0.745699871582270, 0}, /* mechanical, to 15 digits */
    {"PS", "power", 0.73549875, 0},
    {"l", "volume", 1, 0},
    {"gal", "volume", 3.785411784, 0}, /* US liquid */
    {"kg", "mass", 1, 0},
    {"t", "mass", 1000, 0},
    {"lb", "mass", 0.45359237, 0},
    {"s", "time", 1, 0},
    {"ms", "time", 0.001, 0},
    {"min", "time", 60, 0},
    {"h", "time", 3600, 0},
    {"ratio", "share", 1, 0},
    {"%", "share", 0.01, 0},
    {0},
};

const struct unit *unit_find(struct bytes name)
{
    for (const struct unit *unit = unit_table; unit->name != NULL; unit++)
        if (bytes_equal_text(name, unit->name))
            return unit;
    return NULL;
}

double unit_convert(double value, const struct unit *from, const struct unit *to)
{
    return (value * from->factor + from->offset - to->offset) / to->factor;
}

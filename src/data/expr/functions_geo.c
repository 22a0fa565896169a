/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of geography, on a sphere: the earth is flattened by a third of a percent, and so wrong
 * may a distance be.
 *
 * The haversine formula keeps its digits for short distances, where the one by the cosine loses
 * them. A geohash halves the ranges of longitude and latitude in turns; five halvings are a letter.
 */
#include "data/expr/function.h"
#include "data/expr/text_room.h"

#include <math.h>

#define EARTH_RADIUS_M      6371008.8 /* the mean of the three half axes of the ellipsoid */
#define RADIANS             (M_PI / 180)
#define GEOHASH_LETTERS_MAX 12

static bool is_place(double latitude, double longitude)
{
    return latitude >= -90 && latitude <= 90 && isfinite(longitude);
}

static double haversine(double latitude1, double longitude1, double latitude2, double longitude2)
{
    double up = sin((latitude2 - latitude1) * RADIANS / 2);
    double along = sin((longitude2 - longitude1) * RADIANS / 2);
    double h = up * up + cos(latitude1 * RADIANS) * cos(latitude2 * RADIANS) * along * along;
    return 2 * EARTH_RADIUS_M * asin(fmin(1, sqrt(h)));
}

static enum ax_code run_haversine(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        double place[4];
        for (size_t i = 0; i < AX_COUNT(place); i++)
            place[i] = call->args[i]->f64s[row];
        if (is_place(place[0], place[1]) && is_place(place[2], place[3]))
            call->out->f64s[row] = haversine(place[0], place[1], place[2], place[3]);
        else
            ax_values_set_null(call->out, row);
    }
    return AX_OK;
}

/* One halving: whether `value` lies in the upper half, which is the range then. */
static unsigned halve(double value, double *low, double *high)
{
    double middle = (*low + *high) / 2;
    bool upper = value >= middle;
    *(upper ? low : high) = middle;
    return upper;
}

static void geohash(double latitude, double longitude, size_t letters, char *out)
{
    static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    double south = -90, north = 90, west = -180, east = 180;
    bool along = true; /* longitude's turn */
    for (size_t i = 0; i < letters; i++) {
        unsigned digit = 0;
        for (unsigned bit = 0; bit < 5; bit++, along = !along)
            digit = digit << 1 |
                    (along ? halve(longitude, &west, &east) : halve(latitude, &south, &north));
        out[i] = digits[digit];
    }
}

static enum ax_code run_geohash(struct ax_call *call, struct ax_err *err)
{
    struct ax_text_room room = { .arena = call->arena };
    for (size_t row = 0; row < call->rows; row++) {
        double latitude = call->args[0]->f64s[row], longitude = call->args[1]->f64s[row];
        int64_t letters = call->args[2]->i64s[row];
        if (!is_place(latitude, longitude) || fabs(longitude) > 180 || letters < 1 ||
            letters > GEOHASH_LETTERS_MAX) {
            ax_values_set_null(call->out, row);
            continue;
        }
        char *out = ax_text_room_ask(&room, (size_t)letters);
        if (!out)
            return ax_arena_fail(call->arena, "the texts of an expression", err);
        geohash(latitude, longitude, (size_t)letters, out);
        call->out->texts[row] = ax_text_room_keep(&room, (size_t)letters);
    }
    return AX_OK;
}

const struct ax_function ax_functions_geo[] = {
    { .name = "haversine",
      .params = { AX_PARAM_FLOAT64, AX_PARAM_FLOAT64, AX_PARAM_FLOAT64, AX_PARAM_FLOAT64 },
      .param_count = 4,
      .result = AX_PARAM_FLOAT64,
      .run = run_haversine,
      .about =
          "Metres between two places (latitude, longitude, latitude, longitude, in degrees) on "
          "a sphere of radius 6,371,008.8 m; null for a latitude beyond 90 degrees.",
      .examples = { { "round(haversine(40.6925, -74.1687, 33.9425, -118.4081) / 1000)", "3941.0" },
                    { "haversine(50.0, 8.0, 50.0, 8.0)", "0.0" } } },
    { .name = "geohash",
      .params = { AX_PARAM_FLOAT64, AX_PARAM_FLOAT64, AX_PARAM_INT64 },
      .param_count = 3,
      .result = AX_PARAM_STRING,
      .run = run_geohash,
      .about = "The geohash of a latitude and a longitude, 1 to 12 letters long; null for a place "
               "beyond 90 or 180 degrees.",
      .examples = { { "geohash(57.64911, 10.40744, 11)", "'u4pruydqqvj'" },
                    { "geohash(42.6, -5.6, 5)", "'ezs42'" } } },
    { 0 },
};

const size_t ax_functions_geo_count = AX_COUNT(ax_functions_geo) - 1;

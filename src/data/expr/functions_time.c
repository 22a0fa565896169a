/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of time.
 *
 * Zones are ours in DuckDB too: its ICU has a time zone database of its own, so that the answers of
 * training and serving would depend on which is older.
 */
#include "data/expr/times.h"

#define STRING    AX_PARAM_STRING
#define TIMESTAMP AX_PARAM_TIMESTAMP
#define INTEGER   AX_PARAM_INT64

#define EXTRACT_ABOUT                                                                        \
    "A part of a timestamp: year, quarter, month, week (ISO), day, dow (Monday is 1), doy, " \
    "isoyear, hour, minute, second; millisecond and microsecond are within the minute."

const struct ax_function ax_functions_time[] = {
    { .name = "extract",
      .params = { STRING, TIMESTAMP },
      .param_count = 2,
      .result = INTEGER,
      .literals = 1,
      .run = ax_time_extract,
      .prepare = ax_time_prepare_extract,
      .release = ax_time_release,
      .put_duckdb = ax_time_put_extract,
      .about = EXTRACT_ABOUT,
      .examples = { { "extract(hour from timestamp '2013-10-01T23:30:00Z')", "23" },
                    { "extract(dow from timestamp '2013-10-06')", "7" },
                    { "extract(hour from timestamp '2013-10-01T23:30:00Z' at time zone "
                      "'America/New_York')",
                      "19" } } },
    { .name = "date_part",
      .params = { STRING, TIMESTAMP },
      .param_count = 2,
      .result = INTEGER,
      .literals = 1,
      .run = ax_time_extract,
      .prepare = ax_time_prepare_extract,
      .release = ax_time_release,
      .put_duckdb = ax_time_put_extract,
      .about = "The same as extract, with the field as a text.",
      .examples = { { "date_part('week', timestamp '2013-12-30')", "1" } } },
    { .name = "date_trunc",
      .params = { STRING, TIMESTAMP },
      .param_count = 2,
      .result = TIMESTAMP,
      .literals = 1,
      .run = ax_time_trunc,
      .prepare = ax_time_prepare_unit,
      .release = ax_time_release,
      .put_duckdb = ax_time_put_trunc,
      .about = "Where the microsecond, millisecond, second, minute, hour, day, week (from Monday), "
               "month, quarter or year begins.",
      .examples = { { "date_trunc('hour', timestamp '2013-10-01T23:30:00Z')",
                      "2013-10-01T23:00:00Z" },
                    { "date_trunc('week', timestamp '2013-10-06T12:00:00Z')",
                      "2013-09-30T00:00:00Z" } } },
    { .name = "date_diff",
      .params = { STRING, TIMESTAMP, TIMESTAMP },
      .param_count = 3,
      .result = INTEGER,
      .literals = 1,
      .run = ax_time_diff,
      .prepare = ax_time_prepare_unit,
      .release = ax_time_release,
      .put_duckdb = ax_time_put_diff,
      .about = "How many such units begin behind the first timestamp, up to the second.",
      .examples = { { "date_diff('day', timestamp '2013-10-01T23:59:59Z', timestamp '2013-10-02')",
                      "1" },
                    { "date_diff('month', timestamp '2013-10-01', timestamp '2013-09-30')",
                      "-1" } } },
    { .name = "at time zone",
      .params = { TIMESTAMP, STRING },
      .param_count = 2,
      .result = TIMESTAMP,
      .literals = 2,
      .run = ax_time_at_zone,
      .prepare = ax_time_prepare_zone,
      .release = ax_time_release_zone,
      .about = "What the clocks of a zone of the tz database show, as if it were UTC.",
      .examples = { { "timestamp '2013-07-01T12:00:00Z' at time zone 'America/New_York'",
                      "2013-07-01T08:00:00Z" },
                    { "timestamp '2013-01-01T12:00:00Z' at time zone 'Asia/Kolkata'",
                      "2013-01-01T17:30:00Z" } } },
    { .name = "from_local",
      .params = { TIMESTAMP, STRING },
      .param_count = 2,
      .result = TIMESTAMP,
      .literals = 2,
      .run = ax_time_from_local,
      .prepare = ax_time_prepare_zone,
      .release = ax_time_release_zone,
      .about = "The moment at which the clocks of a zone show this; what they never show is moved "
               "forward, of what they show twice the second is meant.",
      .examples = { { "from_local(timestamp '2013-07-01T08:00:00', 'America/New_York')",
                      "2013-07-01T12:00:00Z" },
                    { "from_local(timestamp '2013-03-10T02:30:00', 'America/New_York')",
                      "2013-03-10T07:30:00Z" },
                    { "from_local(timestamp '2013-11-03T01:30:00', 'America/New_York')",
                      "2013-11-03T06:30:00Z" } } },
    { .name = "epoch",
      .params = { TIMESTAMP },
      .param_count = 1,
      .result = AX_PARAM_FLOAT64,
      .run = ax_time_epoch,
      .duckdb = "epoch($1)",
      .about = "Seconds since 1970.",
      .examples = { { "epoch(timestamp '1970-01-01T00:01:00.5Z')", "60.5" } } },
    { .name = "epoch_ms",
      .params = { TIMESTAMP },
      .param_count = 1,
      .result = INTEGER,
      .run = ax_time_epoch_ms,
      .duckdb = "date_diff('millisecond', make_timestamp(0), $1)",
      .about = "Milliseconds since 1970, rounded down.",
      .examples = { { "epoch_ms(timestamp '1969-12-31T23:59:59.9999Z')", "-1" } } },
    { .name = "make_timestamp",
      .params = { INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, AX_PARAM_FLOAT64 },
      .param_count = 6,
      .result = TIMESTAMP,
      .run = ax_time_make,
      .about =
          "The moment of year, month, day, hour, minute, second in UTC; null when there is none "
          "such in the years 1 to 9999. Of the second, microseconds count.",
      .examples = { { "make_timestamp(2013, 10, 1, 5, 30, 7.25)", "2013-10-01T05:30:07.25Z" },
                    { "make_timestamp(2013, 2, 29, 0, 0, 0)", "null" } } },
    { 0 },
};

const size_t ax_functions_time_count = AX_COUNT(ax_functions_time) - 1;

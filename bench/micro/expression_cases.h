/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twenty typical expressions over columns of flights, and what somebody would write for them in
 * DuckDB.
 */
#ifndef AX_BENCH_MICRO_EXPRESSION_CASES_H
#define AX_BENCH_MICRO_EXPRESSION_CASES_H

#include "data/expr/expr.h"

static const struct ax_scope_column columns[] = {
    { { "dep_delay", 9 }, { AX_TYPE_FLOAT64, false }, false },
    { { "arr_delay", 9 }, { AX_TYPE_FLOAT64, false }, false },
    { { "distance", 8 }, { AX_TYPE_FLOAT64, false }, false },
    { { "air_time", 8 }, { AX_TYPE_FLOAT64, false }, false },
    { { "month", 5 }, { AX_TYPE_INT64, false }, false },
    { { "built", 5 }, { AX_TYPE_INT64, false }, false },
    { { "origin", 6 }, { AX_TYPE_STRING, false }, false },
    { { "dest", 4 }, { AX_TYPE_STRING, false }, false },
    { { "tailnum", 7 }, { AX_TYPE_STRING, false }, false },
    { { "departed", 8 }, { AX_TYPE_TIMESTAMP, false }, false },
    { { "arrived", 7 }, { AX_TYPE_TIMESTAMP, false }, false },
};

static const struct {
    const char *text;
    const char *sql;
} expressions[] = {
    { "arr_delay - dep_delay", "arr_delay - dep_delay" },
    { "distance / air_time * 60", "distance / air_time * 60" },
    { "dep_delay > 15", "dep_delay > 15" },
    { "case when dep_delay > 15 then 1 else 0 end", "CASE WHEN dep_delay > 15 THEN 1 ELSE 0 END" },
    { "coalesce(dep_delay, arr_delay)", "coalesce(dep_delay, arr_delay)" },
    { "month in (6, 7, 8)", "month IN (6, 7, 8)" },
    { "2013 - built", "2013 - built" },
    { "ln(1 + distance)", "ln(1 + distance)" },
    { "round(dep_delay / 5) * 5", "round(dep_delay / 5) * 5" },
    { "greatest(dep_delay, 0)", "greatest(dep_delay, 0)" },
    { "dep_delay > 15 and distance < 500 or month = 12",
      "dep_delay > 15 AND distance < 500 OR month = 12" },
    { "extract(hour from departed)", "extract(hour FROM departed)" },
    { "extract(hour from departed at time zone 'America/New_York')",
      "extract(hour FROM departed AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York')" },
    { "date_trunc('day', departed)", "date_trunc('day', departed)" },
    { "date_diff('minute', departed, arrived)", "date_diff('minute', departed, arrived)" },
    { "lower(origin)", "lower(origin)" },
    { "origin || '-' || dest", "origin || '-' || dest" },
    { "tailnum like 'N%UA'", "tailnum LIKE 'N%UA'" },
    { "regexp_matches(tailnum, '^N[0-9]+')", "regexp_matches(tailnum, '^N[0-9]+')" },
    { "substr(tailnum, 2, 3)", "substr(tailnum, 2, 3)" },
};

#endif

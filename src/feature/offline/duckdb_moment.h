/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times and durations as texts, read and printed by our own calendar and zones; and which texts
 * stand for nothing.
 *
 * DuckDB reads more than we do ('2024/3/4', 'epoch'), and its zones are those that it was built
 * with, which differ from the system's in some places. So these are functions of ours there:
 *
 *     ax_moment(text, zone, micros)    a time; without an offset it is read in the zone; micros:
 *                                      a whole number is one, in microseconds
 *     ax_from_zone(timestamp, zone)    what clocks show there, as a moment
 *     ax_duration(text)                microseconds, of "90s" or of a whole number of them
 *     ax_moment_text(timestamp)        RFC 3339 in UTC
 *     ax_given(text)                   null in place of one that stands for nothing: '', NA, N/A,
 *                                      NaN, nan, null, NULL
 *
 * The first three fail at what they cannot read; under the same name with _or_null they are null.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_MOMENT_H
#define AX_FEATURE_OFFLINE_DUCKDB_MOMENT_H

#include "base/sql.h"

/* Once a handle. Expected: INTERNAL. */
AX_MUST_USE enum ax_code ax_moment_register(struct ax_sql *sql, struct ax_err *err);

#endif

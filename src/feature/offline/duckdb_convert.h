/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a value enters: from what a file, a query or a table gives to the declared type.
 *
 * The rules are in docs/internals/point-in-time.md. A conversion is an SQL expression; where a
 * value cannot be converted it fails, or, printed as a trial, is null, so that a second run can
 * find the row that the first one failed at. Times and durations of texts are read by functions of
 * ours (duckdb_moment.h), which the handle must have.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_CONVERT_H
#define AX_FEATURE_OFFLINE_DUCKDB_CONVERT_H

#include "base/buf.h"
#include "data/expr/type.h"

/* One column as it comes, and as it shall be. All texts are borrowed. */
struct ax_conversion {
    struct ax_str from;        /* the column in SQL: a quoted name */
    struct ax_str name;        /* what people call it */
    struct ax_str type;        /* DuckDB's word for what comes; empty: texts of CSV or JSON lines */
    struct ax_storage storage; /* what it becomes */
    struct ax_str zone;        /* of times without one */
    bool micros;               /* a whole number is a time, in microseconds since 1970 */
    bool is_json;              /* a text that is a list is one of JSON's */
};

/* Whether values of `type` can become such at all. */
bool ax_conversion_is_possible(const struct ax_conversion *conversion);

void ax_conversion_put_sql(struct ax_buf *out, const struct ax_conversion *conversion, bool trial);

/* Append a condition that holds where a value is there and cannot be converted. */
void ax_conversion_put_failed(struct ax_buf *out, const struct ax_conversion *conversion);

/* What values of a type of DuckDB's are when nothing is declared; false: nothing that we have. */
AX_MUST_USE bool ax_conversion_storage(struct ax_str type, struct ax_storage *ret);

/* The stored type in SQL, "FLOAT[]"; durations are BIGINT. */
void ax_storage_put_type(struct ax_buf *out, struct ax_storage storage);

#endif

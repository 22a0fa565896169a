/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims as SQL. Three-valued logic does most of what docs/internals/expectations.md says about
 * nulls: a comparison with null is null, so the row is left out.
 *
 * Bounds are doubles. Against whole numbers they are rounded inwards and compared as such, since
 * DuckDB would compare as doubles, to which great integers are not exact.
 */
#include "feature/offline/duckdb_expectation_sql.h"

#include "base/alloc.h"
#include "base/sql.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_MAX   0x1p62
#define SHOWN_CHARS "60"

static void put(struct ax_buf *out, const char *text)
{
    (void)ax_buf_append_str(out, ax_str_from(text));
}

static const struct ax_definition_column *column_of(const struct ax_claim *claim)
{
    return &claim->result.source->columns[claim->result.columns[0]];
}

void ax_claim_mark_columns(const struct ax_claim *claim, bool *used)
{
    assert(claim && used);
    const struct ax_expectation *expectation = claim->result.expectation;
    for (size_t i = 0; i < claim->result.column_count; i++)
        used[claim->result.columns[i]] = true;
    for (size_t i = 0; i < expectation->by_count; i++)
        used[expectation->by[i]] = true;
    if (expectation->expr)
        ax_expr_inputs(expectation->expr, used);
    if (expectation->kind == AX_EXPECT_FRESHNESS)
        used[claim->result.source->time] = true;
}

/* ---- side tables ---- */

bool ax_claim_has_side(const struct ax_claim *claim)
{
    assert(claim);
    enum ax_expectation_kind kind = claim->result.expectation->kind;
    return kind == AX_EXPECT_UNIQUE || kind == AX_EXPECT_MONOTONIC || kind == AX_EXPECT_REFERENTIAL;
}

static void put_columns(struct ax_buf *out, const size_t *columns, size_t count,
                        const char *separator, const char *end)
{
    for (size_t i = 0; i < count; i++)
        ax_buf_printf(out, "%sc%zu%s", i ? separator : "", columns[i], end);
}

/* Values that are there more than once. */
static void put_doubles(struct ax_buf *out, const struct ax_claim *claim, const char *table)
{
    const size_t *columns = claim->result.columns;
    size_t count = claim->result.column_count;
    put(out, "SELECT ");
    put_columns(out, columns, count, ", ", "");
    ax_buf_printf(out, " FROM %s WHERE ", table);
    put_columns(out, columns, count, " AND ", " IS NOT NULL");
    put(out, " GROUP BY ");
    put_columns(out, columns, count, ", ", "");
    put(out, " HAVING count(*) > 1");
}

/* Numbers of rows that lie below one before them. */
static void put_steps_back(struct ax_buf *out, const struct ax_claim *claim, const char *table)
{
    const struct ax_expectation *expectation = claim->result.expectation;
    size_t column = claim->result.columns[0];
    ax_buf_printf(out, "SELECT n FROM (SELECT rowid AS n, c%zu AS v, max(c%zu) OVER (", column,
                  column);
    if (expectation->by_count) {
        put(out, "PARTITION BY ");
        put_columns(out, expectation->by, expectation->by_count, ", ", "");
    }
    ax_buf_printf(out,
                  " ORDER BY rowid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS m FROM %s "
                  "WHERE c%zu IS NOT NULL",
                  table, column);
    if (expectation->by_count) {
        put(out, " AND ");
        put_columns(out, expectation->by, expectation->by_count, " AND ", " IS NOT NULL");
    }
    put(out, ") WHERE v < m");
}

void ax_claim_put_side(struct ax_buf *out, const struct ax_claim *claim, const char *table)
{
    assert(out && claim && table && ax_claim_has_side(claim));
    ax_buf_printf(out, "CREATE TEMP TABLE ax_d%zu AS ", claim->number);
    if (claim->result.expectation->kind == AX_EXPECT_UNIQUE)
        put_doubles(out, claim, table);
    else if (claim->result.expectation->kind == AX_EXPECT_MONOTONIC)
        put_steps_back(out, claim, table);
    else
        put(out, "SELECT DISTINCT r FROM ax_r");
}

/* Bytes and texts are compared as bytes. */
static void put_referring(struct ax_buf *out, const struct ax_claim *claim)
{
    const struct ax_expectation *expectation = claim->result.expectation;
    bool is_text = column_of(claim)->storage.kind == AX_STORAGE_STRING;
    const struct ax_definition_column *other =
        &expectation->referred->columns[expectation->referred_column];
    bool differ = is_text != (other->storage.kind == AX_STORAGE_STRING) &&
                  ax_storage_type(other->storage).kind == AX_TYPE_STRING;
    ax_buf_printf(out, "%s(b.c%zu) = %s(ax_d%zu.r)", differ && is_text ? "encode" : "",
                  claim->result.columns[0], differ && !is_text ? "encode" : "", claim->number);
}

void ax_claim_put_join(struct ax_buf *out, const struct ax_claim *claim)
{
    assert(out && claim && ax_claim_has_side(claim));
    ax_buf_printf(out, " LEFT JOIN ax_d%zu ON ", claim->number);
    if (claim->result.expectation->kind == AX_EXPECT_MONOTONIC)
        ax_buf_printf(out, "b.rowid = ax_d%zu.n", claim->number);
    else if (claim->result.expectation->kind == AX_EXPECT_REFERENTIAL)
        put_referring(out, claim);
    else
        for (size_t i = 0; i < claim->result.column_count; i++)
            ax_buf_printf(out, "%sb.c%zu = ax_d%zu.c%zu", i ? " AND " : "",
                          claim->result.columns[i], claim->number, claim->result.columns[i]);
}

/* ---- claims ---- */

/* Rounded inwards, when whole numbers are compared with it. */
static void put_whole(struct ax_buf *out, const struct ax_bound *bound, bool is_min)
{
    double rounded = is_min ? ceil(bound->number) : floor(bound->number);
    if (bound->is_whole)
        ax_buf_printf(out, "CAST('%" PRId64 "' AS BIGINT)", bound->whole);
    else if (fabs(rounded) < WHOLE_MAX)
        ax_buf_printf(out, "CAST(%" PRId64 " AS BIGINT)", (int64_t)rounded);
    else
        ax_buf_printf(out, "CAST('%.17g' AS DOUBLE)", rounded);
}

/* What a float32 column has of the number: 0.1 is another one there. */
static double narrowed(double number)
{
    double narrow = (double)(float)number;
    return isfinite(narrow) ? narrow : number;
}

static void put_bound(struct ax_buf *out, const struct ax_bound *bound, bool is_min,
                      enum ax_storage_kind kind)
{
    bool is_narrow = kind == AX_STORAGE_FLOAT32;
    if (is_narrow || kind == AX_STORAGE_FLOAT64)
        ax_buf_printf(out, "CAST('%.17g' AS DOUBLE)",
                      is_narrow ? narrowed(bound->number) : bound->number);
    else
        put_whole(out, bound, is_min);
}

/* `kind` is of the value: floats, or all else that is compared as whole numbers. */
static void put_bounds(struct ax_buf *out, const struct ax_expectation *expectation,
                       const char *value, enum ax_storage_kind kind)
{
    const struct ax_bound *min = &expectation->min, *max = &expectation->max;
    put(out, "(");
    if (min->is_there) {
        ax_buf_printf(out, "%s >= ", value);
        put_bound(out, min, true, kind);
    }
    if (min->is_there && max->is_there)
        put(out, " AND ");
    if (max->is_there) {
        ax_buf_printf(out, "%s <= ", value);
        put_bound(out, max, false, kind);
    }
    put(out, ")");
}

static void put_between(struct ax_buf *out, const struct ax_claim *claim)
{
    char value[64];
    struct ax_storage storage = column_of(claim)->storage;
    enum ax_type_kind kind = ax_storage_type(storage).kind;
    const char *function = kind == AX_TYPE_TIMESTAMP ? "epoch_us"
                           : kind == AX_TYPE_FLOAT64 ? "CAST"
                                                     : "";
    (void)snprintf(value, sizeof(value), "%s(b.c%zu%s)", function, claim->result.columns[0],
                   kind == AX_TYPE_FLOAT64 ? " AS DOUBLE" : "");
    put_bounds(out, claim->result.expectation, value, storage.kind);
}

static void put_length(struct ax_buf *out, const struct ax_claim *claim)
{
    char value[64];
    struct ax_storage storage = column_of(claim)->storage;
    const char *function = storage.is_list                    ? "len"
                           : storage.kind == AX_STORAGE_BYTES ? "octet_length"
                                                              : "length";
    (void)snprintf(value, sizeof(value), "%s(b.c%zu)", function, claim->result.columns[0]);
    put_bounds(out, claim->result.expectation, value, AX_STORAGE_INT64);
}

/* Of a float32 column the value that it has of the number, when there is one. */
static void put_member(struct ax_buf *out, struct ax_str text, const char *type, bool is_narrow)
{
    if (is_narrow) {
        put(out, "coalesce(CAST(TRY_CAST(");
        ax_sql_put_literal(out, text);
        put(out, " AS FLOAT) AS DOUBLE), ");
    }
    put(out, "CAST(");
    ax_sql_put_literal(out, text);
    ax_buf_printf(out, " AS %s)%s", type, is_narrow ? ")" : "");
}

static void put_in_set(struct ax_buf *out, const struct ax_claim *claim)
{
    const struct ax_expectation *expectation = claim->result.expectation;
    struct ax_storage storage = column_of(claim)->storage;
    enum ax_type_kind kind = ax_storage_type(storage).kind;
    const char *type = kind == AX_TYPE_INT64     ? "BIGINT"
                       : kind == AX_TYPE_FLOAT64 ? "DOUBLE"
                                                 : "VARCHAR";
    ax_buf_printf(out, "(CAST(b.c%zu AS %s) IN (", claim->result.columns[0], type);
    for (size_t i = 0; i < expectation->set_count; i++) {
        if (i)
            put(out, ", ");
        put_member(out, expectation->set[i], type, storage.kind == AX_STORAGE_FLOAT32);
    }
    put(out, "))");
}

/* The group in front keeps DuckDB from making a LIKE of the pattern, as in expressions. */
static void put_regex(struct ax_buf *out, const struct ax_claim *claim)
{
    ax_buf_printf(out, "regexp_matches(b.c%zu, '()' || ", claim->result.columns[0]);
    ax_sql_put_literal(out, claim->result.expectation->pattern);
    put(out, ")");
}

/* By the side table: rows with a null are left out, the others are joined or not. */
static void put_sided(struct ax_buf *out, const struct ax_claim *claim)
{
    const struct ax_expectation *expectation = claim->result.expectation;
    put(out, "CASE WHEN ");
    for (size_t i = 0; i < claim->result.column_count; i++)
        ax_buf_printf(out, "%sb.c%zu IS NULL", i ? " OR " : "", claim->result.columns[i]);
    for (size_t i = 0; i < expectation->by_count; i++)
        ax_buf_printf(out, " OR b.c%zu IS NULL", expectation->by[i]);
    ax_buf_printf(out, " THEN NULL ELSE ax_d%zu.", claim->number);
    if (expectation->kind == AX_EXPECT_MONOTONIC)
        put(out, "n IS NULL END");
    else if (expectation->kind == AX_EXPECT_REFERENTIAL)
        put(out, "r IS NOT NULL END");
    else
        ax_buf_printf(out, "c%zu IS NULL END", claim->result.columns[0]);
}

void ax_claim_put_sql(struct ax_buf *out, const struct ax_claim *claim)
{
    assert(out && claim && !ax_expectation_is_whole(claim->result.expectation->kind));
    switch (claim->result.expectation->kind) {
    case AX_EXPECT_NOT_NULL:
        ax_buf_printf(out, "(b.c%zu IS NOT NULL)", claim->result.columns[0]);
        return;
    case AX_EXPECT_BETWEEN:
        put_between(out, claim);
        return;
    case AX_EXPECT_IN_SET:
        put_in_set(out, claim);
        return;
    case AX_EXPECT_REGEX:
        put_regex(out, claim);
        return;
    case AX_EXPECT_LENGTH:
        put_length(out, claim);
        return;
    case AX_EXPECT_UNIQUE:
    case AX_EXPECT_MONOTONIC:
    case AX_EXPECT_REFERENTIAL:
        put_sided(out, claim);
        return;
    case AX_EXPECT_EXPRESSION:
    case AX_EXPECT_ROW_COUNT:
    case AX_EXPECT_FRESHNESS:
    case AX_EXPECT_KIND_COUNT:
        break;
    }
    assert(!"a claim that is printed here");
}

/* ---- what a row has ---- */

static void put_shown(struct ax_buf *out, const struct ax_source *source, size_t column)
{
    struct ax_buf name;
    ax_buf_init(&name, 1024);
    (void)ax_buf_append_str(&name, ax_str_cut(source->columns[column].name, 60));
    (void)ax_buf_append_char(&name, '=');
    put(out, ", ");
    ax_sql_put_literal(out, ax_buf_str(&name));
    ax_buf_fail_with(out, &name);
    ax_buf_printf(out, " || coalesce(left(CAST(c%zu AS VARCHAR), " SHOWN_CHARS "), 'null')",
                  column);
    ax_buf_done(&name);
}

void ax_claim_put_shown(struct ax_buf *out, const struct ax_claim *claim)
{
    assert(out && claim);
    const struct ax_source *source = claim->result.source;
    bool *used = ax_xalloc((source->column_count + 1) * sizeof(*used));
    ax_claim_mark_columns(claim, used);
    put(out, "concat_ws(', '");
    for (size_t i = 0; i < source->column_count; i++)
        if (used[i])
            put_shown(out, source, i);
    put(out, ")");
    free(used);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions as SQL. DuckDB's own casts are taken where they mean what we mean, and kept from what
 * they would do beyond that: a text with a fraction is no int64 (DuckDB rounds it), nanoseconds are
 * floored (DuckDB truncates towards 1970). Texts that are times, and what clocks of a zone show,
 * are read by functions of ours.
 */
#include "feature/offline/duckdb_convert.h"

#include "base/sql.h"
#include "data/expr/values.h"

#include <assert.h>

/* Groups of DuckDB's types between which conversions are the same. */
enum origin {
    ORIGIN_TEXT, /* of a file that has nothing but texts */
    ORIGIN_VARCHAR,
    ORIGIN_NULL,
    ORIGIN_BOOL,
    ORIGIN_INTEGER,
    ORIGIN_NUMBER,
    ORIGIN_BLOB,
    ORIGIN_NAIVE,
    ORIGIN_NAIVE_NS,
    ORIGIN_MOMENT,
    ORIGIN_LIST,
    ORIGIN_OTHER,
};

#define MOMENT_MIN "'0001-01-01 00:00:00" /* of a literal: the zone and the quote follow */
#define MOMENT_MAX "'9999-12-31 23:59:59.999999"

static enum origin origin_of(struct ax_str type)
{
    static const struct {
        const char *name;
        enum origin origin;
    } names[] = {
        { "VARCHAR", ORIGIN_VARCHAR },
        { "JSON", ORIGIN_VARCHAR },
        { "UUID", ORIGIN_VARCHAR },
        { "\"NULL\"", ORIGIN_NULL },
        { "BOOLEAN", ORIGIN_BOOL },
        { "TINYINT", ORIGIN_INTEGER },
        { "SMALLINT", ORIGIN_INTEGER },
        { "INTEGER", ORIGIN_INTEGER },
        { "BIGINT", ORIGIN_INTEGER },
        { "HUGEINT", ORIGIN_INTEGER },
        { "UTINYINT", ORIGIN_INTEGER },
        { "USMALLINT", ORIGIN_INTEGER },
        { "UINTEGER", ORIGIN_INTEGER },
        { "UBIGINT", ORIGIN_INTEGER },
        { "UHUGEINT", ORIGIN_INTEGER },
        { "FLOAT", ORIGIN_NUMBER },
        { "DOUBLE", ORIGIN_NUMBER },
        { "BLOB", ORIGIN_BLOB },
        { "DATE", ORIGIN_NAIVE },
        { "TIMESTAMP", ORIGIN_NAIVE },
        { "TIMESTAMP_S", ORIGIN_NAIVE },
        { "TIMESTAMP_MS", ORIGIN_NAIVE },
        { "TIMESTAMP_NS", ORIGIN_NAIVE_NS },
        { "TIMESTAMP WITH TIME ZONE", ORIGIN_MOMENT },
    };
    if (!type.len)
        return ORIGIN_TEXT;
    if (ax_str_ends_with(type, AX_STR("[]")))
        return ORIGIN_LIST;
    if (ax_str_starts_with(type, AX_STR("DECIMAL")))
        return ORIGIN_NUMBER;
    if (ax_str_starts_with(type, AX_STR("ENUM")))
        return ORIGIN_VARCHAR;
    for (size_t i = 0; i < AX_COUNT(names); i++)
        if (ax_str_is(type, names[i].name))
            return names[i].origin;
    return ORIGIN_OTHER;
}

static const char *scalar_sql(enum ax_storage_kind kind)
{
    static const char *const names[] = {
        [AX_STORAGE_BOOL] = "BOOLEAN",    [AX_STORAGE_INT32] = "INTEGER",
        [AX_STORAGE_INT64] = "BIGINT",    [AX_STORAGE_FLOAT32] = "FLOAT",
        [AX_STORAGE_FLOAT64] = "DOUBLE",  [AX_STORAGE_STRING] = "VARCHAR",
        [AX_STORAGE_BYTES] = "BLOB",      [AX_STORAGE_TIMESTAMP] = "TIMESTAMP",
        [AX_STORAGE_DURATION] = "BIGINT",
    };
    assert((size_t)kind < AX_COUNT(names));
    return names[kind];
}

void ax_storage_put_type(struct ax_buf *out, struct ax_storage storage)
{
    ax_buf_printf(out, "%s%s", scalar_sql(storage.kind), storage.is_list ? "[]" : "");
}

static bool is_possible(enum origin origin, enum ax_storage_kind kind)
{
    if (origin == ORIGIN_TEXT || origin == ORIGIN_NULL)
        return true;
    switch (kind) {
    case AX_STORAGE_BOOL:
        return origin == ORIGIN_BOOL;
    case AX_STORAGE_INT32:
    case AX_STORAGE_INT64:
        return origin == ORIGIN_INTEGER;
    case AX_STORAGE_DURATION:
        return origin == ORIGIN_INTEGER || origin == ORIGIN_VARCHAR;
    case AX_STORAGE_FLOAT32:
    case AX_STORAGE_FLOAT64:
        return origin == ORIGIN_INTEGER || origin == ORIGIN_NUMBER;
    case AX_STORAGE_STRING:
        return origin == ORIGIN_VARCHAR;
    case AX_STORAGE_BYTES:
        return origin == ORIGIN_BLOB || origin == ORIGIN_VARCHAR;
    case AX_STORAGE_TIMESTAMP:
        return origin == ORIGIN_VARCHAR || origin == ORIGIN_NAIVE || origin == ORIGIN_NAIVE_NS ||
               origin == ORIGIN_MOMENT;
    case AX_STORAGE_COUNT:
        break;
    }
    return false;
}

static struct ax_str element_type(struct ax_str list)
{
    return (struct ax_str){ list.ptr, list.len - 2 };
}

bool ax_conversion_is_possible(const struct ax_conversion *conversion)
{
    assert(conversion);
    enum origin origin = origin_of(conversion->type);
    if (origin == ORIGIN_INTEGER && conversion->micros)
        return true;
    if (origin != ORIGIN_LIST)
        return (!conversion->storage.is_list || origin == ORIGIN_TEXT || origin == ORIGIN_NULL) &&
               is_possible(origin, conversion->storage.kind);
    enum origin element = origin_of(element_type(conversion->type));
    return conversion->storage.is_list && element != ORIGIN_LIST &&
           is_possible(element, conversion->storage.kind);
}

bool ax_conversion_storage(struct ax_str type, struct ax_storage *ret)
{
    assert(ret);
    static const struct {
        enum origin origin;
        enum ax_storage_kind kind;
    } kinds[] = {
        { ORIGIN_VARCHAR, AX_STORAGE_STRING },     { ORIGIN_BOOL, AX_STORAGE_BOOL },
        { ORIGIN_INTEGER, AX_STORAGE_INT64 },      { ORIGIN_NUMBER, AX_STORAGE_FLOAT64 },
        { ORIGIN_BLOB, AX_STORAGE_BYTES },         { ORIGIN_NAIVE, AX_STORAGE_TIMESTAMP },
        { ORIGIN_NAIVE_NS, AX_STORAGE_TIMESTAMP }, { ORIGIN_MOMENT, AX_STORAGE_TIMESTAMP },
    };
    enum origin origin = origin_of(type);
    bool is_list = origin == ORIGIN_LIST;
    if (is_list)
        origin = origin_of(element_type(type));
    for (size_t i = 0; i < AX_COUNT(kinds); i++)
        if (kinds[i].origin == origin) {
            *ret = (struct ax_storage){ kinds[i].kind, is_list };
            return true;
        }
    return false;
}

/* ---- printing ---- */

/* One value being converted; `from` is an SQL expression that is cheap to repeat. */
struct value {
    struct ax_buf *out;
    struct ax_str from;
    enum origin origin;
    enum ax_storage_kind kind;
    struct ax_str zone;
    bool micros;
    bool is_json;
    bool trial;
    const char *cast; /* "CAST" or "TRY_CAST" */
};

static void put(const struct value *v, const char *text)
{
    (void)ax_buf_append_str(v->out, ax_str_from(text));
}

static void put_from(const struct value *v)
{
    (void)ax_buf_append_str(v->out, v->from);
}

/* The text, or null where it stands for nothing. A function of ours, since DuckDB makes a join of
 * each IN with more than four constants, through which all columns go, and compares what it is
 * written out with that of all other columns: of many columns the cube. */
static void put_text(const struct value *v)
{
    put(v, "ax_given(");
    put_from(v);
    put(v, ")");
}

static bool is_text(const struct value *v)
{
    return v->origin == ORIGIN_TEXT || v->origin == ORIGIN_VARCHAR;
}

/* What is converted: of a text nothing where it stands for nothing, but for strings. */
static void put_given(const struct value *v)
{
    bool is_string = v->kind == AX_STORAGE_STRING || v->kind == AX_STORAGE_BYTES;
    if (is_text(v) && !is_string)
        put_text(v);
    else
        put_from(v);
}

static void put_number(const struct value *v)
{
    ax_buf_printf(v->out, "%s(", v->cast);
    put_given(v);
    put(v, " AS DOUBLE)");
}

/* Texts that a cast of an expression takes for no number are none here: DuckDB makes inf of 1e500,
 * and reads 1_000. */
static void put_check_of_number(const struct value *v)
{
    put(v, "WHEN contains(");
    put_from(v);
    put(v, ", '_') OR (isinf(");
    put_number(v);
    put(v, ") AND regexp_matches(");
    put_from(v);
    ax_buf_printf(v->out, ", '[0-9]')) THEN %s('no number' AS DOUBLE) ", v->cast);
}

/* NaN is null, and -0 is 0, also where narrowing makes it. */
static void put_float(const struct value *v)
{
    const char *type = scalar_sql(v->kind);
    put(v, "(");
    if (v->kind == AX_STORAGE_FLOAT32)
        ax_buf_printf(v->out, "%s(", v->cast);
    put(v, "CASE WHEN isnan(");
    put_number(v);
    put(v, ") THEN NULL ");
    if (v->origin == ORIGIN_TEXT)
        put_check_of_number(v);
    put(v, "ELSE ");
    put_number(v);
    put(v, " END");
    if (v->kind == AX_STORAGE_FLOAT32)
        ax_buf_printf(v->out, " AS %s)", type);
    ax_buf_printf(v->out, " + CAST(0 AS %s))", type);
}

/* DuckDB rounds 1.5, and reads 0x1F, 0b1 and 1_000. */
static void put_integer(const struct value *v)
{
    ax_buf_printf(v->out, "%s(", v->cast);
    if (v->origin == ORIGIN_TEXT) {
        put(v, "CASE WHEN regexp_matches(");
        put_from(v);
        put(v, ", '[.eExXbB_]') AND (regexp_matches(");
        put_from(v);
        put(v, ", '[xXbB_]') OR TRY_CAST(");
        put_from(v);
        put(v, " AS DOUBLE) % 1 <> 0) THEN 'no whole number' ELSE ");
        put_text(v);
        put(v, " END");
    } else {
        put_from(v);
    }
    ax_buf_printf(v->out, " AS %s)", scalar_sql(v->kind));
}

/* A function of ours, which fails or gives null. */
static void put_function(const struct value *v, const char *name)
{
    ax_buf_printf(v->out, "%s%s(", name, v->trial ? "_or_null" : "");
}

static void put_duration(const struct value *v)
{
    put_function(v, "ax_duration");
    put_given(v);
    put(v, ")");
}

/* A time as it stands, without regard to where clocks show it; of a moment, as UTC. */
static void put_as_it_stands(const struct value *v)
{
    if (v->origin == ORIGIN_NAIVE_NS) {
        put(v, "make_timestamp(CASE WHEN epoch_ns(");
        put_from(v);
        put(v, ") >= 0 THEN epoch_ns(");
        put_from(v);
        put(v, ") // 1000 ELSE -((999 - epoch_ns(");
        put_from(v);
        put(v, ")) // 1000) END)");
        return;
    }
    put(v, v->origin == ORIGIN_INTEGER ? "make_timestamp(" : "");
    ax_buf_printf(v->out, "%s(", v->cast);
    put_from(v);
    put(v, v->origin == ORIGIN_INTEGER ? " AS BIGINT))" : " AS TIMESTAMP)");
}

/* A moment is compared as it is, and made from its number: a cast of it counts the calendar's
 * fields anew each time. */
static void put_checked_years(const struct value *v)
{
    bool is_moment = v->origin == ORIGIN_MOMENT;
    put(v, "CASE WHEN ");
    if (is_moment)
        put_from(v);
    else
        put_as_it_stands(v);
    put(v, is_moment ? " NOT BETWEEN TIMESTAMPTZ " MOMENT_MIN "+00' AND TIMESTAMPTZ " MOMENT_MAX
                       "+00'"
                     : " NOT BETWEEN TIMESTAMP " MOMENT_MIN "' AND TIMESTAMP " MOMENT_MAX "'");
    ax_buf_printf(v->out, " THEN %s('outside of the years 1 to 9999' AS TIMESTAMP) ELSE ", v->cast);
    if (is_moment) {
        put(v, "make_timestamp(epoch_us(");
        put_from(v);
        put(v, "))");
    } else {
        put_as_it_stands(v);
    }
    put(v, " END");
}

static void put_time(const struct value *v)
{
    bool is_naive = v->origin == ORIGIN_NAIVE || v->origin == ORIGIN_NAIVE_NS;
    bool in_zone = is_naive && v->zone.len && !ax_str_is(v->zone, "UTC");
    if (!is_text(v) && !in_zone) {
        put_checked_years(v);
        return;
    }
    put_function(v, is_text(v) ? "ax_moment" : "ax_from_zone");
    if (is_text(v))
        put_text(v);
    else
        put_as_it_stands(v);
    put(v, ", ");
    ax_sql_put_literal(v->out, v->zone);
    if (is_text(v))
        put(v, v->micros ? ", true" : ", false");
    put(v, ")");
}

static void put_bytes(const struct value *v)
{
    put(v, is_text(v) ? "encode(" : "CAST(");
    put_from(v);
    put(v, is_text(v) ? ")" : " AS BLOB)");
}

static void put_value(const struct value *v)
{
    switch (v->kind) {
    case AX_STORAGE_FLOAT32:
    case AX_STORAGE_FLOAT64:
        put_float(v);
        return;
    case AX_STORAGE_DURATION:
        if (is_text(v))
            put_duration(v);
        else
            put_integer(v);
        return;
    case AX_STORAGE_INT32:
    case AX_STORAGE_INT64:
        put_integer(v);
        return;
    case AX_STORAGE_TIMESTAMP:
        put_time(v);
        return;
    case AX_STORAGE_BYTES:
        put_bytes(v);
        return;
    case AX_STORAGE_BOOL:
        ax_buf_printf(v->out, "%s(", v->cast);
        put_given(v);
        put(v, " AS BOOLEAN)");
        return;
    case AX_STORAGE_STRING:
        put(v, "CAST(");
        put_from(v);
        put(v, " AS VARCHAR)");
        return;
    case AX_STORAGE_COUNT:
        break;
    }
    assert(!"a stored type");
}

/* The list itself, its items as they come. A text is parsed as a list of texts first, so that its
 * items are read as single values are: as JSON, whose escapes are others than those of DuckDB's
 * lists, where it is that. */
static void put_items(const struct value *v)
{
    if (v->origin != ORIGIN_TEXT) {
        put_from(v);
        return;
    }
    if (v->is_json) {
        put(v, "CASE WHEN json_valid(");
        put_from(v);
        ax_buf_printf(v->out, ") THEN %s(CAST(", v->cast);
        put_text(v);
        put(v, " AS JSON) AS VARCHAR[]) ELSE ");
    }
    ax_buf_printf(v->out, "%s(", v->cast);
    put_text(v);
    put(v, v->is_json ? " AS VARCHAR[]) END" : " AS VARCHAR[])");
}

static struct value item_of(const struct value *v, struct ax_str type)
{
    struct value item = *v;
    item.from = AX_STR("item");
    item.origin = v->origin == ORIGIN_LIST ? origin_of(element_type(type)) : v->origin;
    return item;
}

static void put_check_of_length(const struct value *v)
{
    put(v, "len(");
    put_items(v);
    ax_buf_printf(v->out, ") > %d", AX_VALUES_ELEMENTS_MAX);
}

static void put_list(const struct value *v, struct ax_str type)
{
    struct value item = item_of(v, type);
    put(v, "CASE WHEN ");
    put_check_of_length(v);
    put(v, v->trial ? " THEN NULL ELSE " : " THEN error('a list is too long') ELSE ");
    put(v, "list_transform(");
    put_items(v);
    put(v, ", lambda item: ");
    put_value(&item);
    put(v, ") END");
}

static struct value value_of(struct ax_buf *out, const struct ax_conversion *conversion, bool trial)
{
    return (struct value){
        .out = out,
        .from = conversion->from,
        .origin = origin_of(conversion->type),
        .kind = conversion->storage.kind,
        .zone = conversion->zone,
        .micros = conversion->micros,
        .is_json = conversion->is_json,
        .trial = trial,
        .cast = trial ? "TRY_CAST" : "CAST",
    };
}

void ax_conversion_put_sql(struct ax_buf *out, const struct ax_conversion *conversion, bool trial)
{
    assert(out && conversion && ax_conversion_is_possible(conversion));
    struct value value = value_of(out, conversion, trial);
    if (value.origin == ORIGIN_NULL) {
        put(&value, "CAST(NULL AS ");
        ax_storage_put_type(out, conversion->storage);
        put(&value, ")");
    } else if (conversion->storage.is_list) {
        put_list(&value, conversion->type);
    } else {
        put_value(&value);
    }
}

/* ---- what cannot be converted ---- */

/* NaN becomes null, and is no failure. */
static void put_failed_value(const struct value *v)
{
    put(v, "(");
    put_given(v);
    put(v, " IS NOT NULL AND ");
    put_value(v);
    put(v, " IS NULL");
    if (v->kind == AX_STORAGE_FLOAT32 || v->kind == AX_STORAGE_FLOAT64) {
        put(v, " AND NOT coalesce(isnan(");
        put_number(v);
        put(v, "), false)");
    }
    put(v, ")");
}

static void put_failed_list(const struct value *v, struct ax_str type)
{
    struct value item = item_of(v, type);
    put(v, "(");
    if (v->origin == ORIGIN_TEXT)
        put_text(v);
    else
        put_from(v);
    put(v, " IS NOT NULL AND coalesce(");
    put_check_of_length(v);
    put(v, " OR len(list_filter(");
    put_items(v);
    put(v, ", lambda item: ");
    put_failed_value(&item);
    put(v, ")) > 0, true))");
}

void ax_conversion_put_failed(struct ax_buf *out, const struct ax_conversion *conversion)
{
    assert(out && conversion && ax_conversion_is_possible(conversion));
    struct value value = value_of(out, conversion, true);
    if (value.origin == ORIGIN_NULL)
        put(&value, "false");
    else if (conversion->storage.is_list)
        put_failed_list(&value, conversion->type);
    else
        put_failed_value(&value);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions as SQL. DuckDB's own casts are taken where they mean what we mean, and kept from what
 * they would do beyond that: a text with a fraction is no int64 (DuckDB rounds it), a text with an
 * offset is cast to TIMESTAMPTZ (the cast to TIMESTAMP drops the offset), nanoseconds are floored
 * (DuckDB truncates towards 1970).
 */
#include "feature/offline/duckdb_convert.h"

#include "base/sql.h"

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

/* What a value must look like to be a time with an offset: behind the minutes, so that the end of a
 * date is none. */
#define OFFSET_PATTERN ":[0-9]{2}(\\.[0-9]+)?\\s*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"

#define MOMENT_MIN "TIMESTAMP '0001-01-01 00:00:00'"
#define MOMENT_MAX "TIMESTAMP '9999-12-31 23:59:59.999999'"

static bool ends_with(struct ax_str text, const char *ending)
{
    size_t len = strlen(ending);
    return text.len >= len && memcmp(text.ptr + text.len - len, ending, len) == 0;
}

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
    if (ends_with(type, "[]"))
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
    case AX_STORAGE_DURATION:
        return origin == ORIGIN_INTEGER;
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
    if (origin != ORIGIN_LIST)
        return (!conversion->storage.is_list || origin == ORIGIN_TEXT || origin == ORIGIN_NULL) &&
               is_possible(origin, conversion->storage.kind);
    enum origin element = origin_of(element_type(conversion->type));
    return conversion->storage.is_list && element != ORIGIN_LIST &&
           is_possible(element, conversion->storage.kind);
}

/* ---- printing ---- */

/* One value being converted; `from` is an SQL expression that is cheap to repeat. */
struct value {
    struct ax_buf *out;
    struct ax_str from;
    enum origin origin;
    enum ax_storage_kind kind;
    struct ax_str zone;
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

/* The text, or null where it stands for nothing. */
static void put_text(const struct value *v)
{
    put(v, "CASE WHEN ");
    put_from(v);
    put(v, " IN ('', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL') THEN NULL ELSE ");
    put_from(v);
    put(v, " END");
}

static void put_number(const struct value *v)
{
    ax_buf_printf(v->out, "%s(", v->cast);
    if (v->origin == ORIGIN_TEXT)
        put_text(v);
    else
        put_from(v);
    put(v, " AS DOUBLE)");
}

/* NaN is null, and -0 is 0. */
static void put_float(const struct value *v)
{
    if (v->kind == AX_STORAGE_FLOAT32)
        ax_buf_printf(v->out, "%s(", v->cast);
    put(v, "CASE WHEN isnan(");
    put_number(v);
    put(v, ") THEN NULL ELSE ");
    put_number(v);
    put(v, " + CAST(0 AS DOUBLE) END");
    if (v->kind == AX_STORAGE_FLOAT32)
        put(v, " AS FLOAT)");
}

static void put_integer(const struct value *v)
{
    ax_buf_printf(v->out, "%s(", v->cast);
    if (v->origin == ORIGIN_TEXT) {
        put(v, "CASE WHEN regexp_matches(");
        put_from(v);
        put(v, ", '[.eE]') AND TRY_CAST(");
        put_from(v);
        put(v, " AS DOUBLE) % 1 <> 0 THEN 'a fraction' ELSE ");
        put_text(v);
        put(v, " END");
    } else {
        put_from(v);
    }
    ax_buf_printf(v->out, " AS %s)", scalar_sql(v->kind));
}

/* A time as it stands, without regard to where clocks show it. */
static void put_naive(const struct value *v)
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
    ax_buf_printf(v->out, "%s(", v->cast);
    if (v->origin == ORIGIN_NAIVE || v->origin == ORIGIN_NULL)
        put_from(v);
    else
        put_text(v);
    put(v, " AS TIMESTAMP)");
}

static void put_in_zone(const struct value *v)
{
    if (!v->zone.len || ax_str_is(v->zone, "UTC")) {
        put_naive(v);
        return;
    }
    put(v, "CAST(timezone(");
    ax_sql_put_literal(v->out, v->zone);
    put(v, ", ");
    put_naive(v);
    put(v, ") AS TIMESTAMP)");
}

/* A text with an offset says itself which moment it is; one without is read in the zone. */
static void put_moment(const struct value *v)
{
    bool is_text = v->origin == ORIGIN_TEXT || v->origin == ORIGIN_VARCHAR;
    if (is_text) {
        put(v, "CASE WHEN regexp_matches(");
        put_from(v);
        put(v, ", '" OFFSET_PATTERN "') THEN ");
    }
    if (is_text || v->origin == ORIGIN_MOMENT) {
        ax_buf_printf(v->out, "CAST(%s(", v->cast);
        put_from(v);
        put(v, " AS TIMESTAMPTZ) AS TIMESTAMP)");
    }
    if (is_text)
        put(v, " ELSE ");
    if (v->origin != ORIGIN_MOMENT)
        put_in_zone(v);
    if (is_text)
        put(v, " END");
}

static void put_time(const struct value *v)
{
    put(v, "CASE WHEN ");
    put_moment(v);
    put(v, " NOT BETWEEN " MOMENT_MIN " AND " MOMENT_MAX " THEN ");
    ax_buf_printf(v->out, "%s('outside of the years 1 to 9999' AS TIMESTAMP) ELSE ", v->cast);
    put_moment(v);
    put(v, " END");
}

static void put_bytes(const struct value *v)
{
    bool is_text = v->origin == ORIGIN_TEXT || v->origin == ORIGIN_VARCHAR;
    put(v, is_text ? "encode(" : "CAST(");
    put_from(v);
    put(v, is_text ? ")" : " AS BLOB)");
}

static void put_value(const struct value *v)
{
    switch (v->kind) {
    case AX_STORAGE_FLOAT32:
    case AX_STORAGE_FLOAT64:
        put_float(v);
        return;
    case AX_STORAGE_INT32:
    case AX_STORAGE_INT64:
    case AX_STORAGE_DURATION:
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
        if (v->origin == ORIGIN_TEXT)
            put_text(v);
        else
            put_from(v);
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

/* A list that comes as a text is parsed as one of texts first, so that its items are read as
 * single values are. */
static void put_list(const struct value *v, struct ax_str type)
{
    struct value item = *v;
    item.from = AX_STR("item");
    item.origin = v->origin == ORIGIN_LIST ? origin_of(element_type(type)) : v->origin;
    put(v, "list_transform(");
    if (v->origin == ORIGIN_TEXT)
        ax_buf_printf(v->out, "%s(", v->cast);
    if (v->origin == ORIGIN_TEXT)
        put_text(v);
    else
        put_from(v);
    if (v->origin == ORIGIN_TEXT)
        put(v, " AS VARCHAR[])");
    put(v, ", lambda item: ");
    put_value(&item);
    put(v, ")");
}

void ax_conversion_put_sql(struct ax_buf *out, const struct ax_conversion *conversion, bool trial)
{
    assert(out && conversion && ax_conversion_is_possible(conversion));
    struct value value = {
        .out = out,
        .from = conversion->from,
        .origin = origin_of(conversion->type),
        .kind = conversion->storage.kind,
        .zone = conversion->zone,
        .cast = trial ? "TRY_CAST" : "CAST",
    };
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

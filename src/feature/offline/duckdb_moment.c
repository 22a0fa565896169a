/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One callback a function, which goes over the rows of a chunk. A zone is the same in all rows of
 * a query; it is looked up again when a chunk shows another. Texts are borrowed from the chunk.
 */
#include "feature/offline/duckdb_moment.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/sql_function.h"
#include "base/zone.h"
#include "data/expr/expr.h"

#include <assert.h>
#include <stdlib.h>

#define CHUNK_ROWS  2048
#define SHOWN_BYTES 64

struct moment_call {
    struct ax_sql_call base;
    char zone_name[AX_ZONE_NAME_BYTES_MAX];
    size_t zone_name_len;
    const struct ax_zone *zone; /* NULL: UTC, or none yet */
    int64_t values[CHUNK_ROWS];
    uint64_t validity[CHUNK_ROWS / 64];
    struct ax_str texts[CHUNK_ROWS];
    char text_bytes[CHUNK_ROWS][AX_CALENDAR_TEXT_SIZE];
};

/* A value of row `row`; false: it cannot be read. The zone was looked up. */
typedef bool (*moment_read_fn)(const struct moment_call *call, const struct ax_sql_chunk *in,
                               size_t row, int64_t *ret);

struct moment_function {
    struct ax_sql_function base;
    moment_read_fn read;
    long zone; /* the argument that is a zone, or -1 */
    bool is_strict;
    const char *what;
};

/* ---- reading ---- */

static bool is_in_years(int64_t us)
{
    return us >= AX_CALENDAR_MIN_US && us <= AX_CALENDAR_MAX_US;
}

static int64_t from_zone(const struct moment_call *call, int64_t us)
{
    return call->zone ? ax_zone_to_utc(call->zone, us) : us;
}

static bool read_moment(const struct moment_call *call, const struct ax_sql_chunk *in, size_t row,
                        int64_t *ret)
{
    struct ax_str text = in->columns[0].texts[row];
    bool is_naive = false;
    if (in->columns[2].bools[row] && ax_str_to_i64(text, ret))
        return is_in_years(*ret);
    if (!ax_calendar_parse(text, ret, &is_naive))
        return false;
    if (is_naive)
        *ret = from_zone(call, *ret);
    return is_in_years(*ret);
}

static bool read_local(const struct moment_call *call, const struct ax_sql_chunk *in, size_t row,
                       int64_t *ret)
{
    int64_t local = in->columns[0].i64s[row];
    if (!is_in_years(local))
        return false;
    *ret = from_zone(call, local);
    return is_in_years(*ret);
}

static bool read_duration(const struct moment_call *call AX_UNUSED, const struct ax_sql_chunk *in,
                          size_t row, int64_t *ret)
{
    struct ax_str text = in->columns[0].texts[row];
    struct ax_err ignored = AX_ERR_INIT;
    return ax_str_to_i64(text, ret) || !ax_duration_parse(text, ret, &ignored);
}

/* ---- calls ---- */

static struct ax_sql_call *moment_call_new(const struct ax_sql_function *function AX_UNUSED)
{
    struct moment_call *call = ax_try_alloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->zone_name_len = 0;
    call->zone = NULL;
    return &call->base;
}

static void moment_call_free(struct ax_sql_call *base)
{
    free(container_of(base, struct moment_call, base));
}

static enum ax_code find_zone(struct moment_call *call, struct ax_str name, struct ax_err *err)
{
    if (ax_str_equals(name, (struct ax_str){ call->zone_name, call->zone_name_len }))
        return AX_OK;
    call->zone = NULL;
    call->zone_name_len = 0;
    if (!name.len || ax_str_is(name, "UTC"))
        return AX_OK;
    if (ax_zone_get(name, &call->zone, err))
        return err->code;
    if (name.len <= sizeof(call->zone_name)) {
        memcpy(call->zone_name, name.ptr, name.len);
        call->zone_name_len = name.len;
    }
    return AX_OK;
}

static enum ax_code fail_value(const struct moment_function *function,
                               const struct ax_sql_column *column, size_t row, struct ax_err *err)
{
    if (column->type != AX_SQL_TEXT)
        return ax_fail(err, AX_E_INVALID, "a value is no %s", function->what);
    return ax_fail(err, AX_E_INVALID, "'%.*s' is no %s",
                   AX_STR_ARG(ax_str_cut(column->texts[row], SHOWN_BYTES)), function->what);
}

static bool any_null(const struct ax_sql_chunk *in, size_t count, size_t row)
{
    for (size_t i = 0; i < count; i++)
        if (ax_sql_is_null(&in->columns[i], row))
            return true;
    return false;
}

static enum ax_code moment_call_run(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                                    struct ax_sql_column *ret_result, struct ax_err *err)
{
    struct moment_call *call = container_of(base, struct moment_call, base);
    const struct moment_function *function =
        container_of_const(base->function, struct moment_function, base);
    assert(in->rows <= CHUNK_ROWS);
    memset(call->validity, 0, sizeof(call->validity));
    for (size_t row = 0; row < in->rows; row++) {
        call->values[row] = 0;
        if (any_null(in, function->base.parameter_count, row))
            continue;
        if (function->zone >= 0 && find_zone(call, in->columns[function->zone].texts[row], err))
            return err->code;
        if (function->read(call, in, row, &call->values[row]))
            call->validity[row / 64] |= UINT64_C(1) << (row % 64);
        else if (function->is_strict)
            return fail_value(function, &in->columns[0], row, err);
    }
    *ret_result = (struct ax_sql_column){ .type = function->base.result.type,
                                          .i64s = call->values,
                                          .validity = call->validity };
    return AX_OK;
}

static enum ax_code text_call_run(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                                  struct ax_sql_column *ret_result, struct ax_err *err AX_UNUSED)
{
    struct moment_call *call = container_of(base, struct moment_call, base);
    assert(in->rows <= CHUNK_ROWS);
    for (size_t row = 0; row < in->rows; row++) {
        struct ax_str text = { call->text_bytes[row], 0 };
        if (!ax_sql_is_null(&in->columns[0], row))
            text.len = ax_calendar_text(in->columns[0].i64s[row], call->text_bytes[row]);
        call->texts[row] = text;
    }
    *ret_result = (struct ax_sql_column){ .type = AX_SQL_TEXT, .texts = call->texts };
    return AX_OK;
}

/* ---- texts that stand for nothing ---- */

struct given_call {
    struct ax_sql_call base;
    uint64_t validity[CHUNK_ROWS / 64];
};

static struct ax_sql_call *given_call_new(const struct ax_sql_function *function AX_UNUSED)
{
    struct given_call *call = ax_try_alloc(1, sizeof(*call));
    return call ? &call->base : NULL;
}

static void given_call_free(struct ax_sql_call *base)
{
    free(container_of(base, struct given_call, base));
}

static bool is_nothing(struct ax_str text)
{
    static const char *const words[] = { "", "NA", "N/A", "NaN", "nan", "null", "NULL" };
    bool found = false;
    for (size_t i = 0; i < AX_COUNT(words) && text.len <= 4 && !found; i++)
        found = ax_str_is(text, words[i]);
    return found;
}

static enum ax_code given_call_run(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                                   struct ax_sql_column *ret_result, struct ax_err *err AX_UNUSED)
{
    struct given_call *call = container_of(base, struct given_call, base);
    const struct ax_sql_column *texts = &in->columns[0];
    assert(in->rows <= CHUNK_ROWS);
    memset(call->validity, 0, sizeof(call->validity));
    for (size_t row = 0; row < in->rows; row++)
        if (!ax_sql_is_null(texts, row) && !is_nothing(texts->texts[row]))
            call->validity[row / 64] |= UINT64_C(1) << (row % 64);
    *ret_result = (struct ax_sql_column){ .type = AX_SQL_TEXT,
                                          .texts = texts->texts,
                                          .validity = call->validity };
    return AX_OK;
}

/* ---- the functions ---- */

static const struct ax_sql_kind moment_parameters[] = { { AX_SQL_TEXT, AX_SQL_TEXT },
                                                        { AX_SQL_TEXT, AX_SQL_TEXT },
                                                        { AX_SQL_BOOL, AX_SQL_BOOL } };
static const struct ax_sql_kind local_parameters[] = { { AX_SQL_TIMESTAMP, AX_SQL_TIMESTAMP },
                                                       { AX_SQL_TEXT, AX_SQL_TEXT } };

#define READER(text, params, count, kind, reader, zone_argument, strict, words) \
    {                                                                           \
        .base = { .name = (text),                                               \
                  .parameters = (params),                                       \
                  .parameter_count = (count),                                   \
                  .result = { kind, kind },                                     \
                  .call_new = moment_call_new,                                  \
                  .call_run = moment_call_run,                                  \
                  .call_free = moment_call_free },                              \
        .read = (reader),                                                       \
        .zone = (zone_argument),                                                \
        .is_strict = (strict),                                                  \
        .what = (words),                                                        \
    }

static const struct moment_function moment_functions[] = {
    READER("ax_moment", moment_parameters, 3, AX_SQL_TIMESTAMP, read_moment, 1, true, "time"),
    READER("ax_moment_or_null", moment_parameters, 3, AX_SQL_TIMESTAMP, read_moment, 1, false, ""),
    READER("ax_from_zone", local_parameters, 2, AX_SQL_TIMESTAMP, read_local, 1, true,
           "time of the years 1 to 9999"),
    READER("ax_from_zone_or_null", local_parameters, 2, AX_SQL_TIMESTAMP, read_local, 1, false, ""),
    READER("ax_duration", moment_parameters, 1, AX_SQL_I64, read_duration, -1, true, "duration"),
    READER("ax_duration_or_null", moment_parameters, 1, AX_SQL_I64, read_duration, -1, false, ""),
};

static const struct ax_sql_function moment_text = {
    .name = "ax_moment_text",
    .parameters = local_parameters,
    .parameter_count = 1,
    .result = { AX_SQL_TEXT, AX_SQL_TEXT },
    .call_new = moment_call_new,
    .call_run = text_call_run,
    .call_free = moment_call_free,
};

static const struct ax_sql_function given = {
    .name = "ax_given",
    .parameters = moment_parameters,
    .parameter_count = 1,
    .result = { AX_SQL_TEXT, AX_SQL_TEXT },
    .call_new = given_call_new,
    .call_run = given_call_run,
    .call_free = given_call_free,
};

enum ax_code ax_moment_register(struct ax_sql *sql, struct ax_err *err)
{
    assert(sql && err);
    for (size_t i = 0; i < AX_COUNT(moment_functions); i++)
        if (ax_sql_add_function(sql, &moment_functions[i].base, err))
            return err->code;
    return ax_sql_add_function(sql, &moment_text, err) ? err->code
                                                       : ax_sql_add_function(sql, &given, err);
}

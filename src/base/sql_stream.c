/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries and their results as a stream of chunks.
 *
 * A query is prepared twice where its columns need it: once to learn their types, and once wrapped
 * in casts to the types that base/sql.h promises, so that reading a chunk knows few layouts and
 * DuckDB does the conversions. The wrapping projection keeps the order of rows. Texts of a chunk
 * are copied into views (pointer and length), the bytes stay DuckDB's until the next chunk.
 */
#include "base/sql.h"

#include "base/alloc.h"

#include <assert.h>
#include <duckdb.h>
#include <stdlib.h>

#include "base/sql_handle.h"

#define SQL_TEXT_MAX ((size_t)1 << 20)

struct ax_sql_stream {
    struct ax_sql *sql;
    duckdb_result result;
    duckdb_data_chunk chunk;
    size_t column_count;
    struct ax_sql_column *columns; /* of the current chunk */
    struct ax_sql_view *views;     /* one a column */
};

/* A column as "CAST(c0 AS DOUBLE) AS "x"" or "c0 AS "x"". */
static void sql_print_cast(struct ax_buf *out, idx_t index, const char *name,
                           struct ax_sql_kind kind, bool cast)
{
    bool is_list = kind.type == AX_SQL_LIST;
    ax_buf_printf(out, cast ? "%sCAST(c%llu AS " : "%sc%llu AS ", index ? ", " : "",
                  (unsigned long long)index);
    if (cast)
        ax_buf_printf(out, "%s%s) AS ", ax_sql_type_name(is_list ? kind.item : kind.type),
                      is_list ? "[]" : "");
    ax_sql_put_name(out, ax_str_from(name));
}

/* "SELECT CAST(c0 AS DOUBLE) AS "x", c1 AS "y" FROM (query) AS q(c0, c1)", or nothing to do. */
static enum ax_code sql_print_casts(duckdb_prepared_statement statement, struct ax_str query,
                                    struct ax_buf *out, bool *ret_needed, struct ax_err *err)
{
    idx_t count = duckdb_prepared_statement_column_count(statement);
    bool needed = false;
    ax_buf_printf(out, "SELECT ");
    for (idx_t i = 0; i < count; i++) {
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(statement, i);
        struct ax_sql_kind kind = { AX_SQL_F64, AX_SQL_F64 };
        bool cast = false;
        if (!ax_sql_kind_of(type, &kind, &cast)) {
            (void)ax_fail(err, AX_E_UNSUPPORTED,
                          "column '%s' has a type that cannot be read; cast it to a number, "
                          "VARCHAR, BLOB, BOOLEAN, TIMESTAMP or a list of such",
                          name ? name : "?");
        }
        needed = needed || cast;
        sql_print_cast(out, i, name ? name : "", kind, cast);
        duckdb_destroy_logical_type(&type);
        duckdb_free((void *)(uintptr_t)name);
    }
    while (query.len && strchr(" \t\r\n;", query.ptr[query.len - 1]))
        query.len--;
    ax_buf_printf(out, " FROM (\n");
    (void)ax_buf_append_str(out, query);
    for (idx_t i = 0; i < count; i++)
        ax_buf_printf(out, "%sc%llu", i ? ", " : "\n) AS q(", (unsigned long long)i);
    (void)ax_buf_append_char(out, ')');
    *ret_needed = needed;
    return err->code ? err->code : ax_buf_check(out, "query", err);
}

static enum ax_code sql_prepare_cast(struct ax_sql *sql, struct ax_str query,
                                     duckdb_prepared_statement *ret_statement, struct ax_err *err)
{
    duckdb_prepared_statement statement = NULL;
    struct ax_buf text;
    bool needed = false;
    if (ax_sql_prepare(sql, query, &statement, err))
        return err->code;
    ax_buf_init(&text, SQL_TEXT_MAX);
    if (!sql_print_casts(statement, query, &text, &needed, err) && needed) {
        duckdb_destroy_prepare(&statement);
        (void)ax_sql_prepare(sql, ax_buf_str(&text), &statement, err);
    }
    ax_buf_done(&text);
    if (err->code) {
        duckdb_destroy_prepare(&statement);
        return err->code;
    }
    *ret_statement = statement;
    return AX_OK;
}

static void stream_prepare_columns(struct ax_sql_stream *stream)
{
    size_t count = (size_t)duckdb_column_count(&stream->result);
    stream->column_count = count;
    stream->columns = ax_xalloc((count ? count : 1) * sizeof(*stream->columns));
    stream->views = ax_xalloc((count ? count : 1) * sizeof(*stream->views));
    for (size_t i = 0; i < count; i++) {
        struct ax_sql_kind kind = { AX_SQL_F64, AX_SQL_F64 };
        bool cast;
        duckdb_logical_type type = duckdb_column_logical_type(&stream->result, i);
        (void)ax_sql_kind_of(type, &kind, &cast);
        duckdb_destroy_logical_type(&type);
        ax_sql_view_init(&stream->views[i], kind);
        stream->columns[i].type = kind.type;
    }
}

enum ax_code ax_sql_query(struct ax_sql *sql, struct ax_str query,
                          struct ax_sql_stream **ret_stream, struct ax_err *err)
{
    assert(sql && (query.ptr || !query.len) && ret_stream && err);
    duckdb_prepared_statement statement = NULL;
    struct ax_sql_stream *stream = ax_xalloc(sizeof(*stream));
    stream->sql = sql;
    if (!sql_prepare_cast(sql, query, &statement, err))
        (void)ax_sql_execute(sql, statement, true, &stream->result, err);
    duckdb_destroy_prepare(&statement);
    if (err->code) {
        free(stream);
        return err->code;
    }
    stream_prepare_columns(stream);
    *ret_stream = stream;
    return AX_OK;
}

void ax_sql_stream_free(struct ax_sql_stream *stream)
{
    if (!stream)
        return;
    if (stream->chunk)
        duckdb_destroy_data_chunk(&stream->chunk);
    duckdb_destroy_result(&stream->result);
    for (size_t i = 0; i < stream->column_count; i++)
        ax_sql_view_done(&stream->views[i]);
    free(stream->views);
    free(stream->columns);
    free(stream);
}

size_t ax_sql_stream_column_count(const struct ax_sql_stream *stream)
{
    assert(stream);
    return stream->column_count;
}

struct ax_str ax_sql_stream_column_name(const struct ax_sql_stream *stream, size_t column)
{
    assert(stream && column < stream->column_count);
    duckdb_result result = stream->result;
    return ax_str_from(duckdb_column_name(&result, column));
}

enum ax_sql_type ax_sql_stream_column_type(const struct ax_sql_stream *stream, size_t column)
{
    assert(stream && column < stream->column_count);
    return stream->columns[column].type;
}

struct ax_sql_kind ax_sql_stream_column_kind(const struct ax_sql_stream *stream, size_t column)
{
    assert(stream && column < stream->column_count);
    return stream->views[column].kind;
}

enum ax_code ax_sql_stream_next(struct ax_sql_stream *stream, struct ax_sql_chunk *ret_chunk,
                                struct ax_err *err)
{
    assert(stream && ret_chunk && err);
    if (stream->chunk)
        duckdb_destroy_data_chunk(&stream->chunk);
    if (ax_sql_is_cancelled(stream->sql))
        return ax_fail(err, AX_E_CANCELLED, "the query was interrupted");
    stream->chunk = duckdb_fetch_chunk(stream->result);
    const char *message = stream->chunk ? NULL : duckdb_result_error(&stream->result);
    if (message)
        return ax_sql_fail(stream->sql, message, err);
    size_t rows = stream->chunk ? (size_t)duckdb_data_chunk_get_size(stream->chunk) : 0;
    for (size_t i = 0; rows && i < stream->column_count; i++)
        if (ax_sql_view_read(&stream->views[i], duckdb_data_chunk_get_vector(stream->chunk, i),
                             rows, &stream->columns[i], err))
            return err->code;
    *ret_chunk = (struct ax_sql_chunk){ rows, stream->columns };
    return AX_OK;
}

/* The first row of a query with one column. */
static enum ax_code sql_get(struct ax_sql *sql, struct ax_str query, enum ax_sql_type type,
                            struct ax_sql_stream **ret_stream, struct ax_sql_chunk *ret_chunk,
                            struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    if (ax_sql_query(sql, query, &stream, err))
        return err->code;
    if (!ax_sql_stream_next(stream, &chunk, err) &&
        (chunk.rows == 0 || stream->column_count != 1 || stream->columns[0].type != type ||
         ax_sql_is_null(&chunk.columns[0], 0)))
        (void)ax_fail(err, AX_E_INVALID, "the query does not give one %s", ax_sql_type_name(type));
    if (err->code) {
        ax_sql_stream_free(stream);
        return err->code;
    }
    *ret_stream = stream;
    *ret_chunk = chunk;
    return AX_OK;
}

enum ax_code ax_sql_get_i64(struct ax_sql *sql, struct ax_str query, int64_t *ret,
                            struct ax_err *err)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk;
    if (sql_get(sql, query, AX_SQL_I64, &stream, &chunk, err))
        return err->code;
    *ret = chunk.columns[0].i64s[0];
    ax_sql_stream_free(stream);
    return AX_OK;
}

enum ax_code ax_sql_get_text(struct ax_sql *sql, struct ax_str query, char **ret,
                             struct ax_err *err)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk;
    if (sql_get(sql, query, AX_SQL_TEXT, &stream, &chunk, err))
        return err->code;
    *ret = ax_xmemdup0(chunk.columns[0].texts[0].ptr, chunk.columns[0].texts[0].len);
    ax_sql_stream_free(stream);
    return AX_OK;
}

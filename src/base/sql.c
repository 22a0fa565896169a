/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB behind base/sql.h.
 *
 * A query is prepared twice where its columns need it: once to learn their types, and once wrapped
 * in casts to the five types that the header promises, so that reading a chunk knows five layouts
 * and DuckDB does the conversions. The wrapping projection keeps the order of rows. Execution goes
 * task by task, so that a cancellation is noticed between two tasks; within one, a watching thread
 * interrupts it. Texts of a chunk are copied
 * into views (pointer and length), the bytes stay DuckDB's until the next chunk.
 *
 * Extensions are neither fetched nor loaded by themselves: what is not built in is an error.
 */
#include "base/sql.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const char *ax_sql_type_name(enum ax_sql_type type)
{
    static const char *const names[] = { "BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP" };
    assert((size_t)type < AX_COUNT(names));
    return names[type];
}

static void put_quoted(struct ax_buf *out, struct ax_str text, char quote)
{
    (void)ax_buf_append_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote)
            (void)ax_buf_append_char(out, quote);
        (void)ax_buf_append_char(out, text.ptr[i]);
    }
    (void)ax_buf_append_char(out, quote);
}

void ax_sql_put_literal(struct ax_buf *out, struct ax_str text)
{
    put_quoted(out, text, '\'');
}

void ax_sql_put_name(struct ax_buf *out, struct ax_str name)
{
    put_quoted(out, name, '"');
}

#if AX_HAVE_DUCKDB

#include <duckdb.h>

#define SQL_TEXT_MAX ((size_t)1 << 20)
#define WATCH_NS     50000000L

struct ax_sql {
    duckdb_database database;
    duckdb_connection connection;
    atomic_bool *cancelled; /* NULL: nobody cancels, and there is no watcher */
    struct ax_thread watcher;
    pthread_mutex_t lock; /* guards closing */
    pthread_cond_t wake;
    bool closing;
};

struct ax_sql_stream {
    struct ax_sql *sql;
    duckdb_result result;
    duckdb_data_chunk chunk;
    size_t column_count;
    struct ax_sql_column *columns; /* of the current chunk */
    struct ax_str **texts;         /* per column: room for a chunk's views, or NULL */
};

/* DuckDB's words begin with the kind of error; its lines become one. The last ones show a piece of
 * the statement with a mark below it, which makes no sense in one line, nor to somebody who did not
 * write the statement. */
static enum ax_code sql_fail(struct ax_err *err, const char *message)
{
    static const struct {
        const char *begins;
        enum ax_code code;
    } kinds[] = {
        { "IO Error: No files found", AX_E_NOT_FOUND },
        { "IO Error: Cannot open file", AX_E_NOT_FOUND },
        { "Out of Memory", AX_E_TOO_LARGE },
        { "INTERRUPT", AX_E_CANCELLED },
        { "INTERNAL", AX_E_INTERNAL },
        { "Missing Extension", AX_E_UNSUPPORTED },
    };
    if (!message)
        message = "no reason given";
    char line[sizeof(err->msg)];
    size_t at = 0;
    for (; *message && strncmp(message, "\n\nLINE ", 7) != 0 && at < sizeof(line) - 1; message++) {
        bool is_space = *message == '\n' || *message == '\r' || *message == '\t' || *message == ' ';
        if (is_space && (at == 0 || line[at - 1] == ' '))
            continue;
        line[at++] = is_space ? ' ' : *message;
    }
    line[at] = '\0';
    enum ax_code code = AX_E_INVALID;
    for (size_t i = 0; i < AX_COUNT(kinds); i++)
        if (strncmp(line, kinds[i].begins, strlen(kinds[i].begins)) == 0)
            code = kinds[i].code;
    return ax_fail(err, code, "%s", line);
}

static enum ax_code sql_set(struct ax_sql *sql, const char *name, struct ax_str value,
                            struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, SQL_TEXT_MAX);
    ax_buf_printf(&text, "SET %s = ", name);
    ax_sql_put_literal(&text, value);
    enum ax_code code = ax_buf_check(&text, "setting", err);
    if (!code)
        code = ax_sql_run(sql, ax_buf_str(&text), err);
    ax_buf_done(&text);
    return code;
}

static enum ax_code sql_configure(struct ax_sql *sql, const struct ax_sql_config *config,
                                  struct ax_err *err)
{
    char number[48];
    (void)snprintf(number, sizeof(number), "%zu", config->threads);
    if (sql_set(sql, "threads", ax_str_from(number), err) ||
        sql_set(sql, "autoinstall_known_extensions", AX_STR("false"), err) ||
        sql_set(sql, "autoload_known_extensions", AX_STR("false"), err) ||
        sql_set(sql, "preserve_insertion_order", AX_STR("true"), err) ||
        sql_set(sql, "TimeZone", AX_STR("UTC"), err) ||
        sql_set(sql, "enable_progress_bar", AX_STR("true"), err) ||
        sql_set(sql, "enable_progress_bar_print", AX_STR("false"), err) ||
        sql_set(sql, "temp_directory", ax_str_from(config->temp_folder ? config->temp_folder : ""),
                err))
        return err->code;
    if (!config->memory_bytes_max)
        return AX_OK;
    (void)snprintf(number, sizeof(number), "%zuKiB", config->memory_bytes_max / 1024);
    return sql_set(sql, "memory_limit", ax_str_from(number), err);
}

/* One task of a query may take long, and it runs on the thread that asked, so another one looks
 * whether the work was cancelled. Interrupting a connection that is idle does nothing. */
static void watcher_run(void *arg)
{
    struct ax_sql *sql = arg;
    pthread_mutex_lock(&sql->lock);
    while (!sql->closing) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WATCH_NS;
        until.tv_sec += until.tv_nsec / (long)AX_NS_PER_S;
        until.tv_nsec %= (long)AX_NS_PER_S;
        (void)pthread_cond_timedwait(&sql->wake, &sql->lock, &until);
        if (atomic_load(sql->cancelled))
            duckdb_interrupt(sql->connection);
    }
    pthread_mutex_unlock(&sql->lock);
}

static void watcher_stop(struct ax_sql *sql)
{
    pthread_mutex_lock(&sql->lock);
    sql->closing = true;
    pthread_cond_signal(&sql->wake);
    pthread_mutex_unlock(&sql->lock);
    ax_thread_join(&sql->watcher);
}

enum ax_code ax_sql_open(const struct ax_sql_config *config, struct ax_sql **ret_sql,
                         struct ax_err *err)
{
    assert(config && config->threads > 0 && ret_sql && err);
    struct ax_sql *sql = ax_xalloc(sizeof(*sql));
    char *message = NULL;
    pthread_mutex_init(&sql->lock, NULL);
    pthread_cond_init(&sql->wake, NULL);
    if (duckdb_open_ext(NULL, &sql->database, NULL, &message) == DuckDBError)
        (void)sql_fail(err, message);
    else if (duckdb_connect(sql->database, &sql->connection) == DuckDBError)
        (void)ax_fail(err, AX_E_LIMIT, "no connection to the embedded database");
    duckdb_free(message);
    if (!err->code && config->cancelled &&
        !ax_thread_start(&sql->watcher, "sql-watcher", watcher_run, sql, err))
        sql->cancelled = config->cancelled;
    if (err->code || sql_configure(sql, config, err)) {
        ax_sql_close(sql);
        return err->code;
    }
    *ret_sql = sql;
    return AX_OK;
}

void ax_sql_close(struct ax_sql *sql)
{
    if (!sql)
        return;
    if (sql->cancelled)
        watcher_stop(sql);
    duckdb_disconnect(&sql->connection);
    duckdb_close(&sql->database);
    pthread_cond_destroy(&sql->wake);
    pthread_mutex_destroy(&sql->lock);
    free(sql);
}

/* Prepare exactly one statement. */
static enum ax_code sql_prepare(struct ax_sql *sql, struct ax_str text,
                                duckdb_prepared_statement *ret_statement, struct ax_err *err)
{
    char *copy = ax_xmemdup0(text.ptr, text.len);
    duckdb_extracted_statements list = NULL;
    idx_t count = duckdb_extract_statements(sql->connection, copy, &list);
    duckdb_prepared_statement statement = NULL;
    if (count == 0)
        (void)sql_fail(err, duckdb_extract_statements_error(list)
                                ? duckdb_extract_statements_error(list)
                                : "the query is empty");
    else if (count > 1)
        (void)ax_fail(err, AX_E_INVALID, "expected one statement, found %llu",
                      (unsigned long long)count);
    else if (duckdb_prepare_extracted_statement(sql->connection, list, 0, &statement) ==
             DuckDBError)
        (void)sql_fail(err, duckdb_prepare_error(statement));
    duckdb_destroy_extracted(&list);
    free(copy);
    if (err->code) {
        duckdb_destroy_prepare(&statement);
        return err->code;
    }
    *ret_statement = statement;
    return AX_OK;
}

static bool sql_is_cancelled(const struct ax_sql *sql)
{
    return sql->cancelled && atomic_load(sql->cancelled);
}

/* Run a prepared statement task by task. `*ret_result` is to be destroyed by the caller. */
static enum ax_code sql_execute(struct ax_sql *sql, duckdb_prepared_statement statement,
                                bool streaming, duckdb_result *ret_result, struct ax_err *err)
{
    duckdb_pending_result pending = NULL;
    if (sql_is_cancelled(sql))
        return ax_fail(err, AX_E_CANCELLED, "the query was cancelled");
    duckdb_state state = streaming ? duckdb_pending_prepared_streaming(statement, &pending)
                                   : duckdb_pending_prepared(statement, &pending);
    if (state == DuckDBError) {
        (void)sql_fail(err, pending ? duckdb_pending_error(pending) : NULL);
        duckdb_destroy_pending(&pending);
        return err->code;
    }
    duckdb_pending_state progress;
    /* A cancelled query is run on to its end, which the interruption makes a near one: DuckDB
     * leaks what it made for one that is dropped halfway. */
    do {
        if (!err->code && sql_is_cancelled(sql)) {
            (void)ax_fail(err, AX_E_CANCELLED, "the query was cancelled");
            duckdb_interrupt(sql->connection);
        }
        progress = duckdb_pending_execute_task(pending);
    } while (!duckdb_pending_execution_is_finished(progress) && progress != DUCKDB_PENDING_ERROR);
    if (!err->code && progress == DUCKDB_PENDING_ERROR)
        (void)sql_fail(err, duckdb_pending_error(pending));
    duckdb_result result = { 0 };
    if (duckdb_execute_pending(pending, &result) == DuckDBError)
        (void)sql_fail(err, duckdb_result_error(&result));
    duckdb_destroy_pending(&pending);
    if (err->code) {
        duckdb_destroy_result(&result);
        return err->code;
    }
    *ret_result = result;
    return AX_OK;
}

enum ax_code ax_sql_run(struct ax_sql *sql, struct ax_str text, struct ax_err *err)
{
    assert(sql && (text.ptr || !text.len) && err);
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    if (sql_prepare(sql, text, &statement, err))
        return err->code;
    if (!sql_execute(sql, statement, false, &result, err))
        duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&statement);
    return err->code;
}

/* The type that a column of DuckDB's becomes; false where none fits. */
static bool sql_type(duckdb_type type, enum ax_sql_type *ret_type, bool *ret_cast)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    *ret_cast = true;
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        *ret_cast = false;
        *ret_type = AX_SQL_BOOL;
        return true;
    case DUCKDB_TYPE_BIGINT:
        *ret_cast = false;
        *ret_type = AX_SQL_I64;
        return true;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
        *ret_type = AX_SQL_I64;
        return true;
    case DUCKDB_TYPE_DOUBLE:
        *ret_cast = false;
        *ret_type = AX_SQL_F64;
        return true;
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_SQLNULL:
        *ret_type = AX_SQL_F64;
        return true;
    case DUCKDB_TYPE_VARCHAR:
        *ret_cast = false;
        *ret_type = AX_SQL_TEXT;
        return true;
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_UUID:
        *ret_type = AX_SQL_TEXT;
        return true;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        *ret_cast = false;
        *ret_type = AX_SQL_TIMESTAMP;
        return true;
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
        *ret_type = AX_SQL_TIMESTAMP;
        return true;
    default:
        return false;
    }
#pragma GCC diagnostic pop
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
        enum ax_sql_type type = AX_SQL_F64;
        bool cast = false;
        if (!sql_type(duckdb_prepared_statement_column_type(statement, i), &type, &cast)) {
            (void)ax_fail(err, AX_E_UNSUPPORTED,
                          "column '%s' has a type that cannot be read; cast it to a number, "
                          "VARCHAR, BOOLEAN or TIMESTAMP",
                          name ? name : "?");
        }
        needed = needed || cast;
        ax_buf_printf(out, cast ? "%sCAST(c%llu AS %s) AS " : "%sc%llu AS ", i ? ", " : "",
                      (unsigned long long)i, ax_sql_type_name(type));
        ax_sql_put_name(out, ax_str_from(name ? name : ""));
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
    if (sql_prepare(sql, query, &statement, err))
        return err->code;
    ax_buf_init(&text, SQL_TEXT_MAX);
    if (!sql_print_casts(statement, query, &text, &needed, err) && needed) {
        duckdb_destroy_prepare(&statement);
        (void)sql_prepare(sql, ax_buf_str(&text), &statement, err);
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
    stream->texts = ax_xalloc((count ? count : 1) * sizeof(*stream->texts));
    for (size_t i = 0; i < count; i++) {
        bool cast;
        (void)sql_type(duckdb_column_type(&stream->result, i), &stream->columns[i].type, &cast);
        if (stream->columns[i].type == AX_SQL_TEXT)
            stream->texts[i] = ax_xalloc(duckdb_vector_size() * sizeof(struct ax_str));
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
        (void)sql_execute(sql, statement, true, &stream->result, err);
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
        free(stream->texts[i]);
    free(stream->texts);
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

static void stream_read_column(struct ax_sql_stream *stream, size_t index, size_t rows)
{
    struct ax_sql_column *column = &stream->columns[index];
    duckdb_vector vector = duckdb_data_chunk_get_vector(stream->chunk, index);
    void *data = duckdb_vector_get_data(vector);
    column->validity = duckdb_vector_get_validity(vector);
    switch (column->type) {
    case AX_SQL_BOOL:
        column->bools = data;
        return;
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        column->i64s = data;
        return;
    case AX_SQL_F64:
        column->f64s = data;
        return;
    case AX_SQL_TEXT:
        break;
    }
    duckdb_string_t *strings = data;
    struct ax_str *texts = stream->texts[index];
    for (size_t row = 0; row < rows; row++)
        texts[row] = ax_sql_is_null(column, row)
                         ? (struct ax_str){ "", 0 }
                         : (struct ax_str){ duckdb_string_t_data(&strings[row]),
                                            duckdb_string_t_length(strings[row]) };
    column->texts = texts;
}

enum ax_code ax_sql_stream_next(struct ax_sql_stream *stream, struct ax_sql_chunk *ret_chunk,
                                struct ax_err *err)
{
    assert(stream && ret_chunk && err);
    if (stream->chunk)
        duckdb_destroy_data_chunk(&stream->chunk);
    if (sql_is_cancelled(stream->sql))
        return ax_fail(err, AX_E_CANCELLED, "the query was cancelled");
    stream->chunk = duckdb_fetch_chunk(stream->result);
    const char *message = stream->chunk ? NULL : duckdb_result_error(&stream->result);
    if (message)
        return sql_fail(err, message);
    size_t rows = stream->chunk ? (size_t)duckdb_data_chunk_get_size(stream->chunk) : 0;
    for (size_t i = 0; rows && i < stream->column_count; i++)
        stream_read_column(stream, i, rows);
    *ret_chunk = (struct ax_sql_chunk){ rows, stream->columns };
    return AX_OK;
}

double ax_sql_progress(const struct ax_sql *sql)
{
    assert(sql);
    return duckdb_query_progress(sql->connection).percentage / 100;
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

#else

enum ax_code ax_sql_open(const struct ax_sql_config *config, struct ax_sql **ret_sql,
                         struct ax_err *err)
{
    assert(config && ret_sql && err);
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL: build it with DuckDB");
}

/* Nobody holds a handle, so none of these is ever called; they exist to be linked. */
void ax_sql_close(struct ax_sql *sql)
{
    assert(!sql);
}

enum ax_code ax_sql_run(struct ax_sql *sql AX_UNUSED, struct ax_str text AX_UNUSED,
                        struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

enum ax_code ax_sql_query(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                          struct ax_sql_stream **ret_stream AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

void ax_sql_stream_free(struct ax_sql_stream *stream)
{
    assert(!stream);
}

size_t ax_sql_stream_column_count(const struct ax_sql_stream *stream AX_UNUSED)
{
    return 0;
}

struct ax_str ax_sql_stream_column_name(const struct ax_sql_stream *stream AX_UNUSED,
                                        size_t column AX_UNUSED)
{
    return AX_STR("");
}

enum ax_sql_type ax_sql_stream_column_type(const struct ax_sql_stream *stream AX_UNUSED,
                                           size_t column AX_UNUSED)
{
    return AX_SQL_F64;
}

enum ax_code ax_sql_stream_next(struct ax_sql_stream *stream AX_UNUSED,
                                struct ax_sql_chunk *ret_chunk AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

double ax_sql_progress(const struct ax_sql *sql AX_UNUSED)
{
    return -1;
}

enum ax_code ax_sql_get_i64(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                            int64_t *ret AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

enum ax_code ax_sql_get_text(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                             char **ret AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

#endif

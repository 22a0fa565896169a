/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB behind base/sql.h: the handle, and running statements.
 *
 * Execution goes task by task, so that a cancellation is noticed between two tasks; within one, a
 * watching thread interrupts it. What our own functions and tables fail with would pass through
 * DuckDB as words; the handle keeps the first such failure of a statement and answers it instead.
 *
 * Extensions are neither fetched nor loaded by themselves: what is not built in is an error.
 */
#include "base/sql.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <duckdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sql_handle.h"

#define SETTING_BYTES_MAX ((size_t)64 << 10)
#define WATCH_NS          50000000L
#define TICK_NS           ((uint64_t)AX_NS_PER_S / 10)

/* The statement, and advice about settings that nobody has here. */
static bool is_no_reason(const char *message)
{
    static const char *const begins[] = { "\n\nLINE ", "\nPossible solutions:", " Try setting '" };
    for (size_t i = 0; i < AX_COUNT(begins); i++)
        if (strncmp(message, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

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
        { "IO Error: Could not write file", AX_E_LIMIT },
        { "Out of Memory", AX_E_TOO_LARGE },
        { "INTERRUPT", AX_E_CANCELLED },
        { "INTERNAL", AX_E_INTERNAL },
        { "Missing Extension", AX_E_UNSUPPORTED },
    };
    if (!message)
        message = "no reason given";
    char line[sizeof(err->msg)];
    size_t at = 0;
    for (; *message && !is_no_reason(message) && at < sizeof(line) - 1; message++) {
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
    return ax_fail(err, code, "%s", code == AX_E_CANCELLED ? "the query was interrupted" : line);
}

enum ax_code ax_sql_fail(struct ax_sql *sql, const char *message, struct ax_err *err)
{
    pthread_mutex_lock(&sql->lock);
    struct ax_err raised = sql->raised;
    pthread_mutex_unlock(&sql->lock);
    return raised.code ? ax_fail(err, raised.code, "%s", raised.msg) : sql_fail(err, message);
}

void ax_sql_raise(struct ax_sql *sql, const struct ax_err *err)
{
    assert(err->code);
    pthread_mutex_lock(&sql->lock);
    if (!sql->raised.code)
        sql->raised = *err;
    pthread_mutex_unlock(&sql->lock);
}

static void sql_forget_raised(struct ax_sql *sql)
{
    pthread_mutex_lock(&sql->lock);
    ax_err_clear(&sql->raised);
    pthread_mutex_unlock(&sql->lock);
}

static enum ax_code sql_set(struct ax_sql *sql, const char *name, struct ax_str value,
                            struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, SETTING_BYTES_MAX);
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
        /* Of files that are written anew it mixed old pages with new ones (1.5.5). */
        sql_set(sql, "enable_external_file_cache", AX_STR("false"), err) ||
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
    sql->tick = config->tick;
    sql->tick_arg = config->arg;
    sql->cancelled = err->code ? NULL : config->cancelled; /* before its watcher reads it */
    if (sql->cancelled && ax_thread_start(&sql->watcher, "sql-watcher", watcher_run, sql, err))
        sql->cancelled = NULL;
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
    for (struct ax_sql_table_slot *slot = sql->tables; slot;) {
        struct ax_sql_table_slot *next = slot->next;
        pthread_mutex_destroy(&slot->lock);
        free(slot->name);
        free(slot);
        slot = next;
    }
    pthread_cond_destroy(&sql->wake);
    pthread_mutex_destroy(&sql->lock);
    free(sql);
}

/* DuckDB 1.5 has made a keyword of it, which as a column's name takes quotes; its words do not tell
 * that, but put their mark behind it. */
static bool is_behind_at(struct ax_str text, size_t mark)
{
    while (mark && strchr(" \t\r\n", text.ptr[mark - 1]))
        mark--;
    return mark > 2 && (text.ptr[mark - 2] | ' ') == 'a' && (text.ptr[mark - 1] | ' ') == 't' &&
           strchr(" \t\r\n,.(", text.ptr[mark - 3]);
}

/* *ret_mark is where the statement is wrong. */
static enum ax_code tell_mark(struct ax_sql *sql, const char *message, struct ax_str text,
                              size_t *ret_mark, struct ax_err *err)
{
    static const char syntax[] = "Parser Error: syntax error";
    bool is_syntax = message && strncmp(message, syntax, sizeof(syntax) - 1) == 0;
    *ret_mark = message ? ax_sql_find_mark(message, text) : SIZE_MAX;
    if (*ret_mark == SIZE_MAX && is_syntax && strstr(message, "at end of input"))
        *ret_mark = text.len;
    (void)ax_sql_fail(sql, message, err);
    if (*ret_mark != SIZE_MAX && is_syntax && is_behind_at(text, *ret_mark)) {
        struct ax_err said = *err;
        ax_err_clear(err);
        (void)ax_fail(err, said.code, "%s: in SQL a column 'at' is written \"at\"", said.msg);
    }
    return err->code;
}

static enum ax_code prepare(struct ax_sql *sql, struct ax_str text,
                            duckdb_prepared_statement *ret_statement, size_t *ret_mark,
                            struct ax_err *err)
{
    if (text.len && memchr(text.ptr, '\0', text.len))
        return ax_fail(err, AX_E_INVALID, "a NUL stands in the query, or in a name of it");
    char *copy = ax_xmemdup0(text.ptr, text.len);
    sql_forget_raised(sql);
    duckdb_extracted_statements list = NULL;
    idx_t count = duckdb_extract_statements(sql->connection, copy, &list);
    duckdb_prepared_statement statement = NULL;
    const char *message = count ? NULL : duckdb_extract_statements_error(list);
    if (count == 0)
        (void)tell_mark(sql, message ? message : "the query is empty", text, ret_mark, err);
    else if (count > 1)
        (void)ax_fail(err, AX_E_INVALID, "expected one statement, found %llu",
                      (unsigned long long)count);
    else if (duckdb_prepare_extracted_statement(sql->connection, list, 0, &statement) ==
             DuckDBError)
        (void)tell_mark(sql, duckdb_prepare_error(statement), text, ret_mark, err);
    duckdb_destroy_extracted(&list);
    free(copy);
    if (err->code) {
        duckdb_destroy_prepare(&statement);
        return err->code;
    }
    *ret_statement = statement;
    return AX_OK;
}

enum ax_code ax_sql_prepare(struct ax_sql *sql, struct ax_str text,
                            duckdb_prepared_statement *ret_statement, struct ax_err *err)
{
    size_t ignored;
    return prepare(sql, text, ret_statement, &ignored, err);
}

/* Names are those of the statement itself: as a part of another one DuckDB gives them numbers. */
static enum ax_code check_columns(duckdb_prepared_statement statement, struct ax_err *err)
{
    size_t count = (size_t)duckdb_prepared_statement_column_count(statement);
    if (duckdb_prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_SELECT)
        return ax_fail(err, AX_E_INVALID, "the query gives no rows; expected a SELECT");
    struct ax_str *names = ax_xalloc((count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = ax_str_from(duckdb_prepared_statement_column_name(statement, i));
    for (size_t i = 0; i < count && !err->code; i++)
        for (size_t k = 0; k < i && !err->code; k++)
            if (ax_str_equals_nocase(names[i], names[k]))
                (void)ax_fail(err, AX_E_INVALID, "the query gives column '%.*s' twice",
                              AX_STR_ARG(names[i]));
    for (size_t i = 0; i < count; i++)
        duckdb_free((void *)(uintptr_t)names[i].ptr);
    free(names);
    return err->code;
}

enum ax_code ax_sql_check(struct ax_sql *sql, struct ax_str query, size_t *ret_at,
                          struct ax_err *err)
{
    assert(sql && (query.ptr || !query.len) && ret_at && err);
    duckdb_prepared_statement statement = NULL;
    *ret_at = SIZE_MAX;
    if (prepare(sql, query, &statement, ret_at, err))
        return err->code;
    (void)(check_columns(statement, err) != AX_OK);
    duckdb_destroy_prepare(&statement);
    return err->code;
}

size_t ax_sql_explain(struct ax_sql *sql, struct ax_str query, struct ax_err *err)
{
    assert(sql && err && err->code);
    struct ax_err found = AX_ERR_INIT;
    size_t at = SIZE_MAX;
    if ((err->code == AX_E_INVALID || err->code == AX_E_NOT_FOUND) &&
        ax_sql_check(sql, query, &at, &found))
        *err = found;
    return at;
}

bool ax_sql_is_cancelled(const struct ax_sql *sql)
{
    return sql->cancelled && atomic_load(sql->cancelled);
}

static void sql_tick(struct ax_sql *sql)
{
    if (!sql->tick)
        return;
    uint64_t now_ns = ax_clock_ns();
    if (now_ns - sql->ticked_ns < TICK_NS)
        return;
    sql->ticked_ns = now_ns;
    sql->tick(sql->tick_arg, ax_sql_progress(sql));
}

enum ax_code ax_sql_execute(struct ax_sql *sql, duckdb_prepared_statement statement, bool streaming,
                            duckdb_result *ret_result, struct ax_err *err)
{
    duckdb_pending_result pending = NULL;
    if (ax_sql_is_cancelled(sql))
        return ax_fail(err, AX_E_CANCELLED, "the query was interrupted");
    duckdb_state state = streaming ? duckdb_pending_prepared_streaming(statement, &pending)
                                   : duckdb_pending_prepared(statement, &pending);
    if (state == DuckDBError) {
        (void)ax_sql_fail(sql, pending ? duckdb_pending_error(pending) : NULL, err);
        duckdb_destroy_pending(&pending);
        return err->code;
    }
    duckdb_pending_state progress;
    /* A cancelled query is run on to its end, which the interruption makes a near one: DuckDB
     * leaks what it made for one that is dropped halfway. */
    do {
        if (!err->code && ax_sql_is_cancelled(sql)) {
            (void)ax_fail(err, AX_E_CANCELLED, "the query was interrupted");
            duckdb_interrupt(sql->connection);
        }
        progress = duckdb_pending_execute_task(pending);
        sql_tick(sql);
    } while (!duckdb_pending_execution_is_finished(progress) && progress != DUCKDB_PENDING_ERROR);
    if (!err->code && progress == DUCKDB_PENDING_ERROR)
        (void)ax_sql_fail(sql, duckdb_pending_error(pending), err);
    duckdb_result result = { 0 };
    if (duckdb_execute_pending(pending, &result) == DuckDBError)
        (void)ax_sql_fail(sql, duckdb_result_error(&result), err);
    duckdb_destroy_pending(&pending);
    if (err->code) {
        duckdb_destroy_result(&result);
        return err->code;
    }
    *ret_result = result;
    return AX_OK;
}

double ax_sql_progress(const struct ax_sql *sql)
{
    assert(sql);
    return duckdb_query_progress(sql->connection).percentage / 100;
}

enum ax_code ax_sql_run(struct ax_sql *sql, struct ax_str text, struct ax_err *err)
{
    assert(sql && (text.ptr || !text.len) && err);
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    if (ax_sql_prepare(sql, text, &statement, err))
        return err->code;
    if (!ax_sql_execute(sql, statement, false, &result, err))
        duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&statement);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of ours in DuckDB: table functions without parameters.
 *
 * DuckDB cannot forget a table function, so what it is given is a slot of the handle's, behind
 * which tables come and go; the columns are asked for anew for each query. One thread reads a scan
 * (DuckDB's default), which keeps the order. Chunks may be of any size and are handed on in pieces
 * of DuckDB's.
 */
#include "base/sql_table.h"

#include "base/alloc.h"

#include <assert.h>
#include <duckdb.h>
#include <stdlib.h>

#include "base/sql_handle.h"

/* DuckDB's state of one scan. The executor of a statement, with its scans, may live until the next
 * statement, and longer while a thread of DuckDB's holds a task of it: so what is ours of a scan
 * goes with the table, if that is removed before. */
struct table_scan {
    struct ax_sql_table_slot *slot;
    struct table_scan *next;
    struct ax_sql_scan *scan; /* freed when it is no more in the list */
    struct ax_sql_chunk chunk;
    size_t at;      /* rows of the chunk that were handed on */
    size_t *wanted; /* columns in the order in which they are asked for */
    size_t wanted_count;
    bool is_over;
};

static void scan_free(void *data)
{
    struct table_scan *scan = data;
    struct ax_sql_table_slot *slot = scan->slot;
    (void)pthread_mutex_lock(&slot->lock);
    struct table_scan **at = &slot->scans;
    while (*at && *at != scan)
        at = &(*at)->next;
    if (*at) {
        *at = scan->next;
        scan->scan->table->scan_free(scan->scan);
    }
    (void)pthread_mutex_unlock(&slot->lock);
    free(scan->wanted);
    free(scan);
}

static void table_bind(duckdb_bind_info info)
{
    const struct ax_sql_table_slot *slot = duckdb_bind_get_extra_info(info);
    const struct ax_sql_table *table = slot->table;
    if (!table) {
        duckdb_bind_set_error(info, "the table is there no more");
        return;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        duckdb_logical_type type = ax_sql_logical_type(table->columns[i].kind);
        duckdb_bind_add_result_column(info, table->columns[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
    if (table->row_count != AX_SQL_ROWS_UNKNOWN)
        duckdb_bind_set_cardinality(info, table->row_count, true);
}

static void table_init(duckdb_init_info info)
{
    struct ax_sql_table_slot *slot = duckdb_init_get_extra_info(info);
    struct ax_sql_scan *begun = NULL;
    struct ax_err err = AX_ERR_INIT;
    assert(slot->table); /* removed only while no query runs */
    if (slot->table->scan_new(slot->table, &begun, &err)) {
        ax_sql_raise(slot->sql, &err);
        duckdb_init_set_error(info, err.msg);
        return;
    }
    begun->table = slot->table;
    struct table_scan *scan = ax_xalloc(sizeof(*scan));
    scan->slot = slot;
    scan->scan = begun;
    (void)pthread_mutex_lock(&slot->lock);
    scan->next = slot->scans;
    slot->scans = scan;
    (void)pthread_mutex_unlock(&slot->lock);
    scan->wanted_count = (size_t)duckdb_init_get_column_count(info);
    scan->wanted = ax_xalloc(AX_MAX(scan->wanted_count, 1) * sizeof(*scan->wanted));
    for (size_t i = 0; i < scan->wanted_count; i++)
        scan->wanted[i] = (size_t)duckdb_init_get_column_index(info, i);
    duckdb_init_set_max_threads(info, 1);
    duckdb_init_set_init_data(info, scan, scan_free);
}

static enum ax_code scan_refill(struct table_scan *scan, const struct ax_sql *sql,
                                struct ax_err *err)
{
    if (scan->is_over || scan->at < scan->chunk.rows)
        return AX_OK;
    if (ax_sql_is_cancelled(sql))
        return ax_fail(err, AX_E_CANCELLED, "the query was interrupted");
    scan->at = 0;
    scan->chunk.rows = 0;
    if (scan->scan->table->scan_next(scan->scan, &scan->chunk, err))
        return err->code;
    scan->is_over = scan->chunk.rows == 0;
    return AX_OK;
}

static void table_run(duckdb_function_info info, duckdb_data_chunk output)
{
    const struct ax_sql_table_slot *slot = duckdb_function_get_extra_info(info);
    struct table_scan *scan = duckdb_function_get_init_data(info);
    struct ax_err err = AX_ERR_INIT;
    if (scan_refill(scan, slot->sql, &err)) {
        ax_sql_raise(slot->sql, &err);
        duckdb_function_set_error(info, err.msg);
        return;
    }
    size_t rows = AX_MIN(scan->chunk.rows - scan->at, (size_t)duckdb_vector_size());
    for (size_t i = 0; rows && i < scan->wanted_count; i++) {
        /* What is no column of the table is DuckDB's own way to count rows: it reads nothing. */
        if (scan->wanted[i] < scan->scan->table->column_count)
            ax_sql_column_write(&scan->chunk.columns[scan->wanted[i]], scan->at, rows,
                                duckdb_data_chunk_get_vector(output, i));
    }
    scan->at += rows;
    duckdb_data_chunk_set_size(output, rows);
}

static struct ax_sql_table_slot *find_slot(struct ax_sql *sql, const char *name)
{
    struct ax_sql_table_slot *slot = sql->tables;
    while (slot && strcmp(slot->name, name) != 0)
        slot = slot->next;
    return slot;
}

static enum ax_code add_slot(struct ax_sql *sql, const char *name,
                             struct ax_sql_table_slot **ret_slot, struct ax_err *err)
{
    struct ax_sql_table_slot *slot = ax_xalloc(sizeof(*slot));
    slot->next = sql->tables;
    slot->sql = sql;
    slot->name = ax_xstrdup(name);
    (void)pthread_mutex_init(&slot->lock, NULL);
    duckdb_table_function made = duckdb_create_table_function();
    duckdb_table_function_set_name(made, name);
    duckdb_table_function_set_extra_info(made, slot, NULL);
    duckdb_table_function_set_bind(made, table_bind);
    duckdb_table_function_set_init(made, table_init);
    duckdb_table_function_set_function(made, table_run);
    duckdb_table_function_supports_projection_pushdown(made, true);
    duckdb_state state = duckdb_register_table_function(sql->connection, made);
    duckdb_destroy_table_function(&made);
    if (state == DuckDBError) {
        (void)pthread_mutex_destroy(&slot->lock);
        free(slot->name);
        free(slot);
        return ax_fail(err, AX_E_EXISTS, "there is a table '%s' already", name);
    }
    sql->tables = slot;
    *ret_slot = slot;
    return AX_OK;
}

enum ax_code ax_sql_add_table(struct ax_sql *sql, const struct ax_sql_table *table,
                              struct ax_err *err)
{
    assert(sql && table && table->name && table->column_count > 0 && err);
    assert(table->scan_new && table->scan_next && table->scan_free);
    struct ax_sql_table_slot *slot = find_slot(sql, table->name);
    if (slot && slot->table)
        return ax_fail(err, AX_E_EXISTS, "there is a table '%s' already", table->name);
    if (!slot && add_slot(sql, table->name, &slot, err))
        return err->code;
    slot->table = table;
    return AX_OK;
}

static bool has_scans(struct ax_sql_table_slot *slot)
{
    (void)pthread_mutex_lock(&slot->lock);
    bool has = slot->scans != NULL;
    (void)pthread_mutex_unlock(&slot->lock);
    return has;
}

/* Another statement ends the one before it, with its stream: nothing runs in its scans any more. */
static void end_statement(struct ax_sql *sql)
{
    duckdb_result result;
    (void)duckdb_query(sql->connection, "SELECT 1", &result);
    duckdb_destroy_result(&result);
}

void ax_sql_remove_table(struct ax_sql *sql, const struct ax_sql_table *table)
{
    assert(sql && table);
    struct ax_sql_table_slot *slot = find_slot(sql, table->name);
    if (!slot || slot->table != table)
        return;
    if (has_scans(slot))
        end_statement(sql);
    slot->table = NULL;
    (void)pthread_mutex_lock(&slot->lock);
    for (; slot->scans; slot->scans = slot->scans->next)
        slot->scans->scan->table->scan_free(slot->scans->scan);
    (void)pthread_mutex_unlock(&slot->lock);
}

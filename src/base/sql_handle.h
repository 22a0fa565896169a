/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind base/sql.h share. Included by them alone, after duckdb.h.
 */
#ifndef AX_BASE_SQL_HANDLE_H
#define AX_BASE_SQL_HANDLE_H

#include "base/sql.h"
#include "base/thread.h"

struct ax_sql_table;

/* A name that queries may read from: outlives the table behind it, since DuckDB forgets none. */
struct ax_sql_table_slot {
    struct ax_sql_table_slot *next;
    struct ax_sql *sql;
    char *name;
    const struct ax_sql_table *table; /* borrowed; NULL: removed */
    pthread_mutex_t lock;
    struct table_scan *scans; /* lock: those that are not freed */
};

struct ax_sql {
    duckdb_database database;
    duckdb_connection connection;
    atomic_bool *cancelled;                /* NULL: nobody cancels, and there is no watcher */
    void (*tick)(void *arg, double share); /* or NULL */
    void *tick_arg;
    uint64_t ticked_ns;
    struct ax_thread watcher;
    pthread_mutex_t lock; /* guards closing and raised */
    pthread_cond_t wake;
    bool closing;
    struct ax_err raised; /* the first failure of a callback in the running statement */
    struct ax_sql_table_slot *tables;
};

/* Words of DuckDB as an error of ours; what a callback raised comes first. */
enum ax_code ax_sql_fail(struct ax_sql *sql, const char *message, struct ax_err *err);

/* Keep what a callback failed with: it passes through DuckDB as words only. Any thread. */
void ax_sql_raise(struct ax_sql *sql, const struct ax_err *err);

bool ax_sql_is_cancelled(const struct ax_sql *sql);

/* Where in the statement DuckDB's words put their mark, in bytes; SIZE_MAX: nowhere. */
size_t ax_sql_find_mark(const char *message, struct ax_str text);

/* Prepare exactly one statement, and run one task by task. The caller destroys what comes. */
enum ax_code ax_sql_prepare(struct ax_sql *sql, struct ax_str text,
                            duckdb_prepared_statement *ret_statement, struct ax_err *err);
enum ax_code ax_sql_execute(struct ax_sql *sql, duckdb_prepared_statement statement, bool streaming,
                            duckdb_result *ret_result, struct ax_err *err);

/* What a type of DuckDB's becomes; false where nothing fits. *ret_cast: by a cast. */
bool ax_sql_kind_of(duckdb_logical_type type, struct ax_sql_kind *ret_kind, bool *ret_cast);
/* The way back; to be destroyed. */
duckdb_logical_type ax_sql_logical_type(struct ax_sql_kind kind);

/* A vector of DuckDB's seen as a column of ours: the room that views of it need. */
struct ax_sql_view {
    struct ax_sql_kind kind;
    struct ax_str *texts; /* of the column or of a list's items; grows */
    size_t text_max;
    struct ax_sql_list *lists;  /* of a chunk */
    struct ax_sql_column items; /* of a list */
};

void ax_sql_view_init(struct ax_sql_view *view, struct ax_sql_kind kind);
void ax_sql_view_done(struct ax_sql_view *view);
/* *ret_column is valid as long as the vector and until the next call. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_sql_view_read(struct ax_sql_view *view, duckdb_vector vector,
                                          size_t rows, struct ax_sql_column *ret_column,
                                          struct ax_err *err);

/* Copy `rows` rows of a column from row `from` (a multiple of 64) into a vector of its type. */
void ax_sql_column_write(const struct ax_sql_column *column, size_t from, size_t rows,
                         duckdb_vector vector);

#endif

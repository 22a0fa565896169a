/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statement a role: an inner query finds each row's winner and carries the columns that the
 * fields read, the outer one computes the fields where a winner counts, and orders by row number.
 * There are five ways to find winners, told in docs/internals/point-in-time.md: the ASOF join, the
 * same with the event before it (exclude_self), by key alone (time: none), as known (ASOF by the
 * moment from which a row is seen, then back to the best row), and by what is the newest when (as
 * known, where versions of events go again or the own one does not count).
 */
#include "feature/offline/duckdb_join.h"

#include "base/alloc.h"
#include "feature/offline/duckdb_newest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct join {
    struct ax_role_run run;
    bool *used;      /* columns of the source that fields read */
    bool *narrow;    /* keys whose values in the source all fit 32 bits; of an ASOF join alone */
    bool has_self;   /* a row's own event does not count */
    bool takes_rows; /* the table has the rows' columns, too */
};

static void put(const struct join *j, const char *text)
{
    (void)ax_buf_append_str(j->run.text, ax_str_from(text));
}

/* ---- pieces ---- */

enum columns { KEYS = 1, READ = 2, IDS = 4 };

/* ", c1, c2": keys, what fields read, ids; each once. */
static void put_columns(const struct join *j, unsigned which)
{
    const struct ax_source *source = j->run.table->source;
    bool *wanted = ax_xalloc((source->column_count + 1) * sizeof(*wanted));
    if (which & READ)
        memcpy(wanted, j->used, source->column_count * sizeof(*wanted));
    for (size_t i = 0; which & KEYS && i < j->run.view->entity->key_count; i++) {
        size_t column = j->run.view->key_columns[i];
        if (j->narrow[i])
            ax_buf_printf(j->run.text, ", CAST(c%zu AS INTEGER) AS j%zu", column, i);
        else
            wanted[column] = true;
    }
    for (size_t i = 0; which & IDS && i < source->event_id_count; i++)
        wanted[source->event_id[i]] = true;
    for (size_t i = 0; i < source->column_count; i++)
        if (wanted[i])
            ax_buf_printf(j->run.text, ", c%zu", i);
    free(wanted);
}

/* What fields read of the row h, as expressions see it. */
static void put_seen_columns(const struct join *j)
{
    char name[32];
    for (size_t i = 0; i < j->run.table->source->column_count; i++) {
        if (!j->used[i])
            continue;
        (void)snprintf(name, sizeof(name), "h.c%zu", i);
        put(j, ", ");
        ax_storage_put_widened(j->run.text, name, j->run.table->source->columns[i].storage);
        ax_buf_printf(j->run.text, " AS x%zu", i);
    }
}

static void put_keys(const struct join *j, const char *separator)
{
    for (size_t i = 0; i < j->run.view->entity->key_count; i++)
        ax_buf_printf(j->run.text, "%sc%zu", i ? separator : "", j->run.view->key_columns[i]);
}

/* That a row of the source is in the slice, which whoever looks for it leaves out otherwise. */
static void put_source_slice(const struct join *j, const char *before)
{
    ax_view_put_slice(j->run.text, before, j->run.view, j->run.slice);
}

/* The rows that some key can match. An ASOF join by several keys takes a null for the equal of a
 * null when it compares structs (DuckDB 1.5.5), so those go before it. */
static void put_keyed_rows(const struct join *j)
{
    put(j, " FROM ");
    ax_source_table_put_from(j->run.text, j->run.table);
    put(j, " WHERE ");
    put_keys(j, " IS NOT NULL AND ");
    put(j, " IS NOT NULL");
    put_source_slice(j, " AND ");
}

static void put_key_match(const struct join *j)
{
    for (size_t i = 0; i < j->run.view->entity->key_count; i++)
        if (j->narrow[i])
            ax_buf_printf(j->run.text, "%sp.j%zu = h.j%zu", i ? " AND " : "", i, i);
        else
            ax_buf_printf(j->run.text, "%sp.k%zu = h.c%zu", i ? " AND " : "",
                          j->run.role->call_keys[i], j->run.view->key_columns[i]);
}

/* The number of a row; 32 bits sort faster than 64. */
static const char *row_number(const struct join *j)
{
    return j->run.offline->rows <= UINT32_MAX ? "CAST(rowid AS UINTEGER)" : "rowid";
}

/* The rows as probes: n, a, keys, of exclude_self the id of the own event, and `o` when it is asked
 * for. */
static void put_probes(const struct join *j, bool order)
{
    const struct ax_service *service = j->run.service;
    bool *wanted = ax_xalloc((service->call_count + 1) * sizeof(*wanted));
    for (size_t i = 0; i < j->run.view->entity->key_count; i++)
        if (!j->narrow[i])
            wanted[j->run.role->call_keys[i]] = true;
    for (size_t i = 0; j->has_self && i < j->run.table->source->event_id_count; i++)
        wanted[ax_role_run_self_call(&j->run, i)] = true;
    ax_buf_printf(j->run.text, "(SELECT %s AS n, %s", row_number(j), j->takes_rows ? "*" : "a");
    for (size_t i = 0; i < service->call_count && !j->takes_rows; i++)
        if (wanted[i])
            ax_buf_printf(j->run.text, ", k%zu", i);
    for (size_t i = 0; i < j->run.view->entity->key_count; i++)
        if (j->narrow[i])
            ax_buf_printf(j->run.text, ", TRY_CAST(k%zu AS INTEGER) AS j%zu",
                          j->run.role->call_keys[i], i);
    if (order) {
        put(j, ", ");
        ax_source_table_put_moment(j->run.text, j->run.table, "a");
        put(j, " AS o");
    }
    put(j, " FROM ax_rows");
    ax_role_put_rows_slice(j->run.text, " WHERE ", service, j->run.number, j->run.slice);
    put(j, ") AS p");
    free(wanted);
}

/* ---- winners: n, age (null: none was found), and the columns ---- */

static void put_asof(const struct join *j)
{
    put(j, j->takes_rows ? "SELECT p.*, " : "SELECT p.n AS n, ");
    /* Null for a moment that is null, too, with which DuckDB 1.5.5 finds a row. */
    if (j->run.view->ttl_us || !j->run.table->capacity) {
        put(j, "p.a - ");
        ax_source_table_put_time(j->run.text, j->run.table, "h.o");
    } else {
        put(j, "p.o - h.o");
    }
    put(j, " AS age");
    put_seen_columns(j);
    put(j, " FROM ");
    put_probes(j, true);
    put(j, " ASOF LEFT JOIN (SELECT ");
    ax_source_table_put_order(j->run.text, j->run.table);
    put(j, " AS o");
    put_columns(j, KEYS | READ);
    put_keyed_rows(j);
    put(j, ") AS h ON ");
    put_key_match(j);
    put(j, " AND p.o >= h.o");
}

static void put_timeless(const struct join *j)
{
    put(j, "SELECT p.n AS n, h.t AS age");
    put_seen_columns(j);
    put(j, " FROM ");
    put_probes(j, false);
    put(j, " LEFT JOIN (SELECT 0 AS t");
    put_columns(j, KEYS | READ);
    ax_buf_printf(j->run.text, " FROM %s WHERE rowid IN (SELECT max(rowid) FROM %s",
                  j->run.table->name, j->run.table->name);
    put_source_slice(j, " WHERE ");
    put(j, " GROUP BY ");
    put_keys(j, ", ");
    put(j, ")) AS h ON ");
    put_key_match(j);
}

/* From the number of the best row to the row. */
static void put_back(const struct join *j)
{
    put(j, "SELECT w.n AS n, w.a - h.t AS age");
    put_seen_columns(j);
    put(j, " FROM (");
}

/* `row` is its rowid. */
static void put_back_end(const struct join *j, const char *row)
{
    put(j, ") AS w LEFT JOIN (SELECT rowid AS r");
    ax_buf_printf(j->run.text, ", epoch_us(c%ld) AS t", j->run.table->source->time);
    put_columns(j, READ);
    ax_buf_printf(j->run.text, " FROM %s", j->run.table->name);
    put_source_slice(j, " WHERE ");
    ax_buf_printf(j->run.text, ") AS h ON h.r = %s", row);
}

/* The same of what orders a row, w.o. */
static void put_back_end_of_order(const struct join *j)
{
    char row[40] = "w.o.r";
    if (j->run.table->capacity)
        (void)snprintf(row, sizeof(row), "w.o %% %" PRId64, j->run.table->capacity);
    put_back_end(j, row);
}

/* Where the newest event is the row's own, the one before it counts. */
static void put_previous(const struct join *j)
{
    put_back(j);
    put(j, "SELECT p.n AS n, p.a AS a, CASE WHEN ");
    ax_role_run_put_self(&j->run, "p", "h");
    put(j, " THEN h.before ELSE h.o END AS o FROM ");
    put_probes(j, true);
    put(j, " ASOF LEFT JOIN (SELECT o, lag(o) OVER (PARTITION BY ");
    put_keys(j, ", ");
    put(j, " ORDER BY o) AS before");
    put_columns(j, KEYS | IDS);
    put(j, " FROM (SELECT ");
    ax_source_table_put_order(j->run.text, j->run.table);
    put(j, " AS o");
    put_columns(j, KEYS | IDS);
    put_keyed_rows(j);
    put(j, ")) AS h ON ");
    put_key_match(j);
    put(j, " AND p.o >= h.o");
    put_back_end_of_order(j);
}

/* What was seen by a moment is the best of what became visible until then. */
static void put_seen(const struct join *j)
{
    put_back(j);
    put(j, "SELECT p.n AS n, p.a AS a, h.o AS o FROM ");
    put_probes(j, false);
    put(j, " ASOF LEFT JOIN (SELECT seen, max(");
    ax_source_table_put_order(j->run.text, j->run.table);
    put(j, ") OVER (PARTITION BY ");
    put_keys(j, ", ");
    put(j, " ORDER BY seen) AS o, ");
    put_keys(j, ", ");
    put_keyed_rows(j);
    put(j, ") AS h ON ");
    put_key_match(j);
    put(j, " AND p.a >= h.seen");
    put_back_end_of_order(j);
}

static bool is_key(const struct ax_view *view, size_t column)
{
    for (size_t i = 0; i < view->entity->key_count; i++)
        if (view->key_columns[i] == column)
            return true;
    return false;
}

/* The keys of the row k, and of the row i its id, of which a part may be a key. */
static void put_keys_and_ids(const struct join *j)
{
    const struct ax_source *source = j->run.table->source;
    for (size_t i = 0; i < j->run.view->entity->key_count; i++)
        ax_buf_printf(j->run.text, ", k.c%zu", j->run.view->key_columns[i]);
    for (size_t i = 0; j->has_self && i < source->event_id_count; i++)
        if (!is_key(j->run.view, source->event_id[i]))
            ax_buf_printf(j->run.text, ", i.c%zu", source->event_id[i]);
}

/* The newest of what comes and goes, of the rows of the table ax_v<role>; where it is the row's
 * own, the one behind it. */
static void put_newest(const struct join *j)
{
    put_back(j);
    put(j, "SELECT p.n AS n, p.a AS a, ");
    if (j->has_self) {
        put(j, "CASE WHEN ");
        ax_role_run_put_self(&j->run, "p", "h");
        put(j, " THEN h.behind ELSE h.r END AS r FROM ");
    } else {
        put(j, "h.r AS r FROM ");
    }
    put_probes(j, false);
    put(j, " ASOF LEFT JOIN (SELECT v.m, v.r, v.behind");
    put_keys_and_ids(j);
    ax_buf_printf(j->run.text, " FROM ax_v%zu AS v JOIN %s AS k ON k.rowid = v.k", j->run.number,
                  j->run.table->name);
    if (j->has_self)
        ax_buf_printf(j->run.text, " LEFT JOIN %s AS i ON i.rowid = v.r", j->run.table->name);
    put(j, ") AS h ON ");
    put_key_match(j);
    put(j, " AND p.a >= h.m");
    put_back_end(j, "w.r");
}

/* As known, where versions of events are gone again or the own one does not count. */
static bool comes_and_goes(const struct join *j)
{
    return j->run.table->has_versions || (j->run.table->as_known && j->has_self);
}

static bool is_asof(const struct join *j)
{
    return j->run.table->source->time >= 0 && !j->run.table->as_known && !j->has_self;
}

static void put_winners(const struct join *j)
{
    if (is_asof(j))
        put_asof(j);
    else if (j->run.table->source->time < 0)
        put_timeless(j);
    else if (comes_and_goes(j))
        put_newest(j);
    else if (j->run.table->as_known)
        put_seen(j);
    else
        put_previous(j);
}

/* The join sorts by keys and order: of 16 bytes faster than of more. */
static enum ax_code find_narrow(struct join *j, struct ax_err *err)
{
    const struct ax_view *view = j->run.view;
    for (size_t i = 0; i < view->entity->key_count && is_asof(j); i++) {
        int64_t fits = 0;
        size_t column = view->key_columns[i];
        if (view->source->columns[column].storage.kind != AX_STORAGE_INT64)
            continue;
        ax_buf_printf(j->run.text,
                      "SELECT CAST(coalesce(min(c%zu) >= -2147483648 AND max(c%zu) <= 2147483647, "
                      "true) AS BIGINT) FROM ",
                      column, column);
        ax_source_table_put_from(j->run.text, j->run.table);
        if (ax_offline_get_i64(j->run.offline, &fits, err))
            return err->code;
        j->narrow[i] = fits;
    }
    return AX_OK;
}

/* ---- fields ---- */

/* Input i of a field's expression is the source's column i. */
static void put_input(struct ax_buf *out, size_t input, void *arg AX_UNUSED)
{
    ax_buf_printf(out, "x%zu", input);
}

/* Where a winner counts. */
static void put_condition(const struct join *j, char *text, size_t size)
{
    if (j->run.view->ttl_us && j->run.table->source->time >= 0)
        (void)snprintf(text, size, "age <= %" PRId64, j->run.view->ttl_us);
    else
        (void)snprintf(text, size, "age IS NOT NULL");
}

/* ---- the role ---- */

static enum ax_code run_join(struct join *j, struct ax_err *err)
{
    const struct ax_view *view = j->run.view;
    struct ax_buf *text = j->run.text;
    struct ax_buf winners;
    char condition[64];
    ax_buf_init(&winners, AX_OFFLINE_TEXT_MAX);
    j->run.text = &winners;
    put(j, "(");
    put_winners(j);
    put(j, ")");
    j->run.text = text;
    const struct ax_expr **roots =
        ax_xalloc((view->field_count + 1) * sizeof(const struct ax_expr *));
    for (size_t i = 0; i < view->field_count; i++)
        roots[i] = view->fields[i].parsed.root;
    put_condition(j, condition, sizeof(condition));
    ax_buf_printf(text, "CREATE TEMP TABLE ax_s%zu AS SELECT ", j->run.number);
    ax_role_run_put_fields(&j->run, condition);
    put(j, j->takes_rows ? "a, COLUMNS('^[ck][0-9]+$'), n FROM " : "n FROM ");
    ax_role_run_put_values(&j->run, roots, j->takes_rows ? AX_STR("*") : AX_STR("n, age"),
                           ax_buf_str(&winners), put_input);
    if (j->run.slice.count == 1)
        put(j, " ORDER BY n");
    ax_buf_fail_with(text, &winners);
    ax_buf_done(&winners);
    free(roots);
    if (ax_offline_run(j->run.offline, err) || !comes_and_goes(j))
        return err->code;
    ax_buf_printf(text, "DROP TABLE ax_v%zu", j->run.number);
    return ax_offline_run(j->run.offline, err);
}

bool ax_role_can_take_rows(const struct ax_service *service, bool as_known)
{
    assert(service);
    return service->role_count == 1 && !service->roles[0].view->windowed &&
           service->roles[0].view->source->time >= 0 && !as_known && !service->exclude_self;
}

enum ax_code ax_role_join(struct ax_offline *offline, const struct ax_role_job *job,
                          struct ax_err *err)
{
    assert(offline && job && err);
    const struct ax_source_table *table = job->table;
    struct join j = { .used = ax_xalloc((table->source->column_count + 1) * sizeof(bool)),
                      .takes_rows = job->takes_rows };
    ax_role_run_init(&j.run, offline, job);
    const struct ax_view *view = j.run.view;
    assert(!view->windowed);
    j.narrow = ax_xalloc((view->entity->key_count + 1) * sizeof(bool));
    j.has_self = ax_role_run_has_self(&j.run);
    for (size_t i = 0; i < view->field_count; i++)
        if (j.run.wanted[i])
            ax_expr_inputs(view->fields[i].parsed.root, j.used);
    if ((comes_and_goes(&j) &&
         ax_newest_table_make(offline, view, table, job->slice, job->role, err)) ||
        find_narrow(&j, err) || run_join(&j, err))
        (void)ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
    free(j.used);
    free(j.narrow);
    ax_role_run_done(&j.run);
    return err->code;
}

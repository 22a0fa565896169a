/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows. A file is read by a query of our own: what the service's call names comes as text from
 * CSV and JSON lines and is converted as values of sources are, so that "007" stays a key; the
 * other columns are the user's, and have the types that the whole file lets DuckDB see.
 */
#include "feature/offline/duckdb_rows.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct rows_loader {
    struct ax_offline *offline;
    const struct ax_service *service;
    const struct ax_offline_rows *rows;
    struct ax_history_rows loaded;
    bool is_text; /* the call's columns come as texts */
    size_t at;    /* the column that is the moment */
    struct ax_err *err;
};

static bool is_call(const struct ax_service *service, struct ax_str name)
{
    for (size_t i = 0; i < service->call_count; i++)
        if (ax_str_equals(service->call[i].name, name))
            return true;
    return false;
}

/* ---- the query ---- */

/* "{'tailnum':'VARCHAR'}": of JSON lines all columns, of CSV those that the call names. */
static void put_types(const struct rows_loader *l, struct ax_buf *out,
                      const struct ax_relation_run *run, bool all)
{
    bool first = true;
    ax_buf_printf(out, "{");
    for (size_t i = 0; i < run->column_count; i++) {
        bool forced = is_call(l->service, run->names[i]);
        if (!forced && !all)
            continue;
        if (!first)
            (void)ax_buf_append_char(out, ',');
        first = false;
        ax_sql_put_literal(out, run->names[i]);
        (void)ax_buf_append_char(out, ':');
        ax_sql_put_literal(out, forced ? AX_STR("VARCHAR") : run->types[i]);
    }
    ax_buf_printf(out, "}");
}

static void put_csv(const struct rows_loader *l, struct ax_buf *out, struct ax_str path,
                    const struct ax_relation_run *run)
{
    bool any = false;
    for (size_t i = 0; i < run->column_count; i++)
        any = any || is_call(l->service, run->names[i]);
    ax_buf_printf(out, "SELECT * FROM read_csv(");
    ax_sql_put_literal(out, path);
    ax_buf_printf(out, ", header=true, delim=',', quote='\"', escape='\"', comment='', "
                       "sample_size=-1, allow_quoted_nulls=false, hive_partitioning=false");
    if (any) {
        ax_buf_printf(out, ", types=");
        put_types(l, out, run, false);
    }
    ax_buf_printf(out, ")");
}

static enum ax_code open_file(struct rows_loader *l, struct ax_relation *ret_relation)
{
    const char *path = l->rows->path;
    struct ax_relation plain;
    struct ax_buf query;
    struct stat info;
    if (stat(path, &info))
        return ax_fail_errno(l->err, errno, "open '%s'", path);
    if (ax_relation_open_file(l->offline, path, &plain, l->err))
        return l->err->code;
    const struct ax_relation_run *run = &plain.runs[0];
    if (run->format == AX_RELATION_PARQUET) {
        *ret_relation = plain;
        return AX_OK;
    }
    l->is_text = true;
    ax_buf_init(&query, AX_OFFLINE_TEXT_MAX);
    if (run->format == AX_RELATION_CSV) {
        put_csv(l, &query, ax_str_from(path), run);
    } else {
        ax_buf_printf(&query, "SELECT * FROM read_json(");
        ax_sql_put_literal(&query, ax_str_from(path));
        ax_buf_printf(&query, ", format='newline_delimited', hive_partitioning=false, columns=");
        put_types(l, &query, run, true);
        ax_buf_printf(&query, ")");
    }
    if (!ax_buf_check(&query, "the query", l->err))
        (void)(ax_relation_open_sql(l->offline, ax_buf_str(&query), ret_relation, l->err) != AX_OK);
    ax_buf_done(&query);
    ax_relation_done(&plain);
    return l->err->code;
}

static enum ax_code open_rows(struct rows_loader *l)
{
    struct ax_relation *relation = &l->loaded.relation;
    enum ax_code code = l->rows->path
                            ? open_file(l, relation)
                            : ax_relation_open_sql(l->offline, l->rows->sql, relation, l->err);
    if (code)
        return code;
    assert(relation->run_count == 1);
    l->loaded.run = &relation->runs[0];
    return AX_OK;
}

/* ---- columns ---- */

static enum ax_code missing(struct rows_loader *l, struct ax_str name, const char *what)
{
    const struct ax_relation_run *run = l->loaded.run;
    long nearest = ax_str_nearest(name, run->names, run->column_count);
    return ax_fail(l->err, AX_E_INVALID, "the rows have no column '%.*s', %s%s%.*s%s",
                   AX_STR_ARG(name), what, nearest < 0 ? "" : "; nearest is '",
                   nearest < 0 ? 0 : (int)run->names[nearest].len,
                   nearest < 0 ? "" : run->names[nearest].ptr, nearest < 0 ? "" : "'");
}

static enum ax_code find_columns(struct rows_loader *l)
{
    const struct ax_service *service = l->service;
    const struct ax_relation_run *run = l->loaded.run;
    struct ax_str at = l->rows->at.len ? l->rows->at : AX_STR("at");
    l->loaded.calls = ax_xalloc((service->call_count + 1) * sizeof(*l->loaded.calls));
    for (size_t i = 0; i < service->call_count; i++) {
        long found = ax_relation_run_find(run, service->call[i].name);
        if (found < 0)
            return missing(l, service->call[i].name,
                           i < service->request_count ? "which the service's request names"
                                                      : "which is a key of the service");
        l->loaded.calls[i] = (size_t)found;
    }
    long found = ax_relation_run_find(run, at);
    if (found < 0)
        return missing(l, at, "the moment asked about");
    l->at = (size_t)found;
    return AX_OK;
}

/* The call's columns, then the moment. */
static void list_columns(const struct rows_loader *l, struct ax_relation_column *columns,
                         char (*aliases)[24])
{
    size_t count = l->service->call_count;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(aliases[i], sizeof(aliases[i]), "k%zu", i);
        columns[i] = (struct ax_relation_column){
            .name = l->service->call[i].name,
            .storage = l->service->call[i].storage,
            .zone = AX_STR("UTC"),
            .alias = ax_str_from(aliases[i]),
            .is_text = l->is_text,
        };
    }
    columns[count] = (struct ax_relation_column){
        .name = l->loaded.run->names[l->at],
        .storage = { AX_STORAGE_TIMESTAMP, false },
        .zone = AX_STR("UTC"),
        .alias = AX_STR("a"),
        .is_text = l->is_text && is_call(l->service, l->loaded.run->names[l->at]),
    };
}

/* ---- loading ---- */

static enum ax_code load_table(struct rows_loader *l, const struct ax_relation_column *columns)
{
    struct ax_buf *text = &l->offline->text;
    const struct ax_relation_run *run = l->loaded.run;
    size_t calls = l->service->call_count;
    ax_buf_printf(text, "CREATE TEMP TABLE ax_rows AS SELECT ");
    for (size_t i = 0; i < run->column_count; i++) {
        ax_relation_put_column(text, run, i);
        ax_buf_printf(text, " AS c%zu, ", i);
    }
    for (size_t i = 0; i < calls; i++) {
        ax_relation_put_value(text, run, &columns[i]);
        ax_buf_printf(text, " AS k%zu, ", i);
    }
    ax_buf_printf(text, "epoch_us(");
    ax_relation_put_value(text, run, &columns[calls]);
    ax_buf_printf(text, ") AS a FROM ");
    ax_relation_put_from(text, &l->loaded.relation, run, run->first, run->count);
    struct ax_relation_load load = { "ax_rows", columns, calls + 1, { "", 0 } };
    if (ax_offline_run_in_order(l->offline, l->err))
        return ax_relation_explain(l->offline, &l->loaded.relation, run, run->first, &load, l->err);
    return AX_OK;
}

static enum ax_code check_required(struct rows_loader *l)
{
    for (size_t i = 0; i < l->service->request_count; i++) {
        int64_t row = 0;
        if (!l->service->call[i].required)
            continue;
        ax_buf_printf(&l->offline->text,
                      "SELECT coalesce(min(rowid) + 1, 0) FROM ax_rows WHERE k%zu IS NULL", i);
        if (ax_offline_get_i64(l->offline, &row, l->err))
            return l->err->code;
        if (row)
            return ax_fail(l->err, AX_E_INVALID, "row %lld has no '%.*s', which is required",
                           (long long)row, AX_STR_ARG(l->service->call[i].name));
    }
    return AX_OK;
}

static enum ax_code count_rows(struct rows_loader *l)
{
    int64_t count = 0;
    ax_buf_printf(&l->offline->text, "SELECT count(*) FROM ax_rows");
    if (ax_offline_get_i64(l->offline, &count, l->err))
        return l->err->code;
    l->loaded.count = (size_t)count;
    return AX_OK;
}

static enum ax_code load(struct rows_loader *l)
{
    size_t count = l->service->call_count + 1;
    if (open_rows(l) || find_columns(l))
        return l->err->code;
    struct ax_relation_column *columns = ax_xalloc(count * sizeof(*columns));
    char(*aliases)[24] = ax_xalloc(count * sizeof(*aliases));
    list_columns(l, columns, aliases);
    if (!ax_relation_check(&l->loaded.relation, columns, count, l->err))
        (void)(load_table(l, columns) || check_required(l) || count_rows(l));
    free(columns);
    free(aliases);
    return l->err->code;
}

enum ax_code ax_history_rows_load(struct ax_offline *offline, const struct ax_service *service,
                                  const struct ax_offline_rows *rows,
                                  struct ax_history_rows *ret_rows, struct ax_err *err)
{
    assert(offline && service && rows && (!rows->path) != (!rows->sql.len) && ret_rows && err);
    struct rows_loader l = { .offline = offline, .service = service, .rows = rows, .err = err };
    if (load(&l)) {
        ax_history_rows_done(&l.loaded);
        return ax_err_context(err, "rows");
    }
    *ret_rows = l.loaded;
    return AX_OK;
}

void ax_history_rows_done(struct ax_history_rows *rows)
{
    if (!rows)
        return;
    free(rows->calls);
    ax_relation_done(&rows->relation);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows. What the service's call names is converted as values of sources are; the other columns
 * are the user's and are passed on as they are: from CSV every one is a text.
 *
 * The moment is a column, or an expression over the columns, of the types that the call declares or
 * that the rows have. Its query stands around the one that reads, and keeps its order.
 */
#include "feature/offline/duckdb_rows.h"

#include "base/alloc.h"
#include "data/expr/expr_sql.h"
#include "feature/offline/duckdb_role.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ARENA_BYTES_FIRST ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)

struct rows_loader {
    struct ax_offline *offline;
    const struct ax_service *service;
    const struct ax_offline_rows *rows;
    struct ax_history_rows loaded;
    size_t wrong_at;       /* of a failure: byte of the SQL; SIZE_MAX: elsewhere */
    long at;               /* the column that is the moment; -1: it is an expression */
    struct ax_arena arena; /* of the expression and its scope */
    struct ax_parsed moment;
    struct ax_scope_column *scope; /* the call's columns, then the rows' own, as far as they have
                                      a type that expressions know */
    size_t *scope_columns;         /* column i of the scope is this column of the rows */
    bool *used;                    /* columns of the scope that the expression reads */
    size_t scope_count;
    /* What is converted: the call's columns, then the moment or what it reads. */
    struct ax_relation_column *columns;
    char (*aliases)[24];
    size_t column_count;
    struct ax_err *err;
};

static bool is_call(const struct ax_service *service, struct ax_str name)
{
    for (size_t i = 0; i < service->call_count; i++)
        if (ax_str_equals(service->call[i].name, name))
            return true;
    return false;
}

static enum ax_code open_rows(struct rows_loader *l)
{
    struct ax_relation *relation = &l->loaded.relation;
    struct stat info;
    if (l->rows->path && stat(l->rows->path, &info))
        return ax_fail_errno(l->err, errno, "open '%s'", l->rows->path);
    if (l->rows->path && ax_relation_open_file(l->offline, l->rows->path, relation, l->err))
        return l->err->code;
    if (!l->rows->path && ax_relation_open_sql(l->offline, l->rows->sql, relation, l->err)) {
        size_t at = ax_sql_explain(l->offline->sql, l->rows->sql, l->err);
        l->wrong_at = at == SIZE_MAX ? 0 : at;
        return l->err->code;
    }
    assert(relation->run_count == 1);
    l->loaded.run = &relation->runs[0];
    return AX_OK;
}

static enum ax_code missing(struct rows_loader *l, struct ax_str name, const char *what)
{
    const struct ax_relation_run *run = l->loaded.run;
    long nearest = ax_str_nearest(name, run->names, run->column_count);
    return ax_fail(l->err, AX_E_INVALID, "the rows have no column '%.*s', %s%s%.*s%s",
                   AX_STR_ARG(name), what, nearest < 0 ? "" : "; nearest is '",
                   nearest < 0 ? 0 : (int)run->names[nearest].len,
                   nearest < 0 ? "" : run->names[nearest].ptr, nearest < 0 ? "" : "'");
}

/* ---- the moment ---- */

static bool is_name(struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (!i || c < '0' || c > '9'))
            return false;
    }
    return text.len > 0;
}

/* What a column of the rows is that is in the scope, though no call declares it. */
static struct ax_storage own_storage(const struct rows_loader *l, size_t column)
{
    struct ax_storage storage;
    bool is_known = ax_conversion_storage(l->loaded.run->types[column], &storage);
    assert(is_known);
    return storage;
}

static void add_to_scope(struct rows_loader *l, struct ax_str name, struct ax_storage storage,
                         size_t column)
{
    l->scope_columns[l->scope_count] = column;
    l->scope[l->scope_count++] = (struct ax_scope_column){
        .name = name,
        .type = ax_storage_type(storage),
        .is_bytes = storage.kind == AX_STORAGE_BYTES,
    };
}

static enum ax_code make_scope(struct rows_loader *l)
{
    const struct ax_relation_run *run = l->loaded.run;
    size_t max = l->service->call_count + run->column_count;
    l->scope = ax_arena_zalloc(&l->arena, max, sizeof(*l->scope));
    l->scope_columns = ax_arena_zalloc(&l->arena, max, sizeof(*l->scope_columns));
    l->used = ax_arena_zalloc(&l->arena, max, sizeof(*l->used));
    if (!l->scope || !l->scope_columns || !l->used)
        return ax_arena_fail(&l->arena, "names of columns", l->err);
    for (size_t i = 0; i < l->service->call_count; i++)
        add_to_scope(l, l->service->call[i].name, l->service->call[i].storage, l->loaded.calls[i]);
    for (size_t i = 0; i < run->column_count; i++) {
        struct ax_storage storage;
        if (ax_conversion_storage(run->types[i], &storage) && !is_call(l->service, run->names[i]))
            add_to_scope(l, run->names[i], storage, i);
    }
    return AX_OK;
}

static enum ax_code parse_moment(struct rows_loader *l, struct ax_str text)
{
    size_t place = 0;
    if (make_scope(l))
        return l->err->code;
    struct ax_scope scope = { .columns = l->scope, .column_count = l->scope_count };
    if (!ax_expr_parse(text, &scope, &l->arena, &l->moment, &place, l->err) &&
        !ax_type_equals(l->moment.root->type, (struct ax_type){ AX_TYPE_TIMESTAMP, false }))
        (void)ax_fail(l->err, AX_E_INVALID, "it is %s; timestamp is expected",
                      ax_type_name(l->moment.root->type));
    if (!l->err->code) {
        ax_expr_inputs(l->moment.root, l->used);
        return AX_OK;
    }
    if (l->rows->ret_at_place)
        *l->rows->ret_at_place = place;
    return ax_err_context(l->err, "at, column %zu", place + 1);
}

/* A value of the call is no moment when it is declared as something else. */
static enum ax_code check_moment(struct rows_loader *l, struct ax_str at)
{
    for (size_t i = 0; i < l->service->call_count; i++) {
        struct ax_storage storage = l->service->call[i].storage;
        bool may_be = !storage.is_list &&
                      (storage.kind == AX_STORAGE_TIMESTAMP || storage.kind == AX_STORAGE_INT32 ||
                       storage.kind == AX_STORAGE_INT64 || storage.kind == AX_STORAGE_STRING);
        if (!may_be && ax_str_equals(l->service->call[i].name, at))
            return ax_fail(l->err, AX_E_INVALID,
                           "column '%.*s' is %s, the moment asked about a timestamp (or int64: "
                           "microseconds since 1970); write an expression that makes one of it",
                           AX_STR_ARG(at), ax_storage_name(storage));
    }
    return AX_OK;
}

/* ---- columns ---- */

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
    l->at = ax_relation_run_find(run, at);
    if (l->at < 0 && !is_name(at))
        return parse_moment(l, at);
    if (l->at < 0 ? missing(l, at, "the moment asked about") : check_moment(l, at)) {
        if (l->rows->ret_at_place)
            *l->rows->ret_at_place = 0;
        return l->err->code;
    }
    return AX_OK;
}

static struct ax_relation_column *add_column(struct rows_loader *l, const char *kind, size_t number,
                                             struct ax_str name, struct ax_storage storage)
{
    struct ax_relation_column *column = &l->columns[l->column_count];
    char *alias = l->aliases[l->column_count++];
    (void)snprintf(alias, sizeof(l->aliases[0]), "%s%zu", kind, number);
    *column = (struct ax_relation_column){
        .name = name, .storage = storage, .zone = AX_STR("UTC"), .alias = ax_str_from(alias)
    };
    return column;
}

/* The call's columns, then the moment, or what its expression reads of the rows' own. */
static void list_columns(struct rows_loader *l)
{
    const struct ax_service *service = l->service;
    const struct ax_relation_run *run = l->loaded.run;
    struct ax_storage time = { AX_STORAGE_TIMESTAMP, false };
    size_t max = service->call_count + run->column_count + 1;
    l->columns = ax_xalloc(max * sizeof(*l->columns));
    l->aliases = ax_xalloc(max * sizeof(*l->aliases));
    for (size_t i = 0; i < service->call_count; i++) {
        struct ax_relation_column *column =
            add_column(l, "k", i, service->call[i].name, service->call[i].storage);
        if (service->call[i].required)
            column->necessity = "which is required";
    }
    if (l->at >= 0)
        add_column(l, "m", 0, run->names[l->at], time)->micros = true;
    for (size_t i = service->call_count; i < l->scope_count; i++)
        if (l->used[i])
            (void)add_column(l, "x", i, l->scope[i].name, own_storage(l, l->scope_columns[i]));
}

/* ---- loading ---- */

long ax_history_rows_call(const struct ax_history_rows *rows, const struct ax_service *service,
                          size_t column)
{
    assert(rows && service && column < rows->run->column_count);
    for (size_t i = 0; i < service->call_count; i++)
        if (rows->calls[i] == column)
            return (long)i;
    return -1;
}

/* "k0, c2, c3": what the table has but for the moment. */
static void put_names(const struct rows_loader *l, struct ax_buf *out)
{
    const char *separator = "";
    for (size_t i = 0; i < l->service->call_count; i++, separator = ", ")
        ax_buf_printf(out, "%sk%zu", separator, i);
    for (size_t i = 0; i < l->loaded.run->column_count; i++) {
        if (ax_history_rows_call(&l->loaded, l->service, i) >= 0)
            continue;
        ax_buf_printf(out, "%sc%zu", separator, i);
        separator = ", ";
    }
}

static void put_read(const struct rows_loader *l, struct ax_buf *out)
{
    const struct ax_relation_run *run = l->loaded.run;
    ax_buf_printf(out, "(SELECT ");
    for (size_t i = 0; i < run->column_count; i++) {
        if (ax_history_rows_call(&l->loaded, l->service, i) >= 0)
            continue;
        ax_relation_put_own(out, run, i);
        ax_buf_printf(out, " AS c%zu, ", i);
    }
    for (size_t i = 0; i < l->column_count; i++) {
        ax_relation_put_value(out, run, &l->columns[i]);
        ax_buf_printf(out, " AS %.*s%s", AX_STR_ARG(l->columns[i].alias),
                      i + 1 < l->column_count ? ", " : "");
    }
    ax_buf_printf(out, " FROM ");
    ax_relation_put_from(out, &l->loaded.relation, run, run->first, run->count);
    (void)ax_buf_append_char(out, ')');
}

/* Input i of the expression is column i of the scope, as expressions see it. */
static void put_input(struct ax_buf *out, size_t input, void *arg)
{
    const struct rows_loader *l = arg;
    char name[32];
    bool is_call = input < l->service->call_count;
    (void)snprintf(name, sizeof(name), is_call ? "k%zu" : "x%zu", input);
    ax_storage_put_widened(out, name,
                           is_call ? l->service->call[input].storage
                                   : own_storage(l, l->scope_columns[input]));
}

static void put_computed(struct rows_loader *l, struct ax_buf *out)
{
    struct ax_expr_column moment = { l->moment.root, AX_STR("m0") };
    struct ax_buf names;
    struct ax_buf from;
    ax_buf_init(&names, AX_OFFLINE_TEXT_MAX);
    ax_buf_init(&from, AX_OFFLINE_TEXT_MAX);
    put_names(l, &names);
    put_read(l, &from);
    (void)ax_buf_append_char(out, '(');
    ax_expr_put_select(out, &moment, 1, ax_buf_str(&names), ax_buf_str(&from), AX_SQL_DUCKDB,
                       put_input, l);
    (void)ax_buf_append_char(out, ')');
    ax_buf_fail_with(out, &names);
    ax_buf_fail_with(out, &from);
    ax_buf_done(&names);
    ax_buf_done(&from);
}

static enum ax_code load_table(struct rows_loader *l)
{
    struct ax_buf *text = &l->offline->text;
    const struct ax_relation_run *run = l->loaded.run;
    ax_buf_printf(text, "CREATE TEMP TABLE ax_rows AS SELECT ");
    put_names(l, text);
    ax_buf_printf(text, ", epoch_us(m0) AS a FROM ");
    if (l->at < 0)
        put_computed(l, text);
    else
        put_read(l, text);
    struct ax_relation_load load = { .table = "ax_rows",
                                     .columns = l->columns,
                                     .count = l->column_count };
    if (ax_relation_run_in_order(l->offline, run, l->err))
        return ax_relation_explain(l->offline, &l->loaded.relation, run, run->first, &load, l->err);
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
    if (open_rows(l) || find_columns(l))
        return l->err->code;
    list_columns(l);
    if (ax_relation_check(&l->loaded.relation, l->columns, l->column_count, l->err) ||
        load_table(l))
        return l->err->code;
    return count_rows(l);
}

static void tell_place(const struct rows_loader *l)
{
    unsigned line, column;
    (void)ax_err_context(l->err, "rows");
    if (l->wrong_at == SIZE_MAX || !l->rows->sql_path)
        return;
    ax_str_place(l->rows->sql, l->wrong_at, &line, &column);
    (void)ax_err_context(l->err, "%s:%u:%u", l->rows->sql_path, line, column);
}

enum ax_code ax_history_rows_load(struct ax_offline *offline, const struct ax_service *service,
                                  const struct ax_offline_rows *rows,
                                  struct ax_history_rows *ret_rows, struct ax_err *err)
{
    assert(offline && service && rows && (!rows->path) != (!rows->sql.len) && ret_rows && err);
    struct rows_loader l = {
        .offline = offline, .service = service, .rows = rows, .wrong_at = SIZE_MAX, .err = err
    };
    ax_arena_init(&l.arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    if (load(&l)) {
        ax_history_rows_done(&l.loaded);
        tell_place(&l);
    } else {
        *ret_rows = l.loaded;
    }
    ax_arena_done(&l.arena);
    free(l.columns);
    free(l.aliases);
    return err->code;
}

void ax_history_rows_done(struct ax_history_rows *rows)
{
    if (!rows)
        return;
    free(rows->calls);
    ax_relation_done(&rows->relation);
}

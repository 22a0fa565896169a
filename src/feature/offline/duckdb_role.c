/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions of fields are computed in a query of their own (ax_expr_put_select), whose columns
 * e<i> are then narrowed to what is stored. So no expression is printed into another text, which
 * would grow as a power of its depth.
 */
#include "feature/offline/duckdb_role.h"

#include "base/alloc.h"
#include "data/expr/expr_sql.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void ax_role_run_init(struct ax_role_run *run, struct ax_offline *offline,
                      const struct ax_role_job *job)
{
    assert(run && offline && job && job->role < job->service->role_count &&
           job->slice.at < job->slice.count);
    const struct ax_service *service = job->service;
    const struct ax_role *role = &service->roles[job->role];
    assert(role->view->source == job->table->source);
    *run = (struct ax_role_run){ .offline = offline,
                                 .text = &offline->text,
                                 .service = service,
                                 .role = role,
                                 .view = role->view,
                                 .table = job->table,
                                 .wanted = ax_xalloc((role->view->field_count + 1) * sizeof(bool)),
                                 .number = job->role,
                                 .slice = job->slice };
    for (size_t i = 0; i < service->input_count; i++)
        if (service->inputs[i].kind == AX_INPUT_FIELD && service->inputs[i].role == job->role)
            run->wanted[service->inputs[i].field] = true;
}

void ax_role_run_done(struct ax_role_run *run)
{
    assert(run);
    free(run->wanted);
    run->wanted = NULL;
}

bool ax_role_run_has_self(const struct ax_role_run *run)
{
    assert(run);
    return run->service->exclude_self && run->service->self == run->table->source;
}

size_t ax_role_run_self_call(const struct ax_role_run *run, size_t part)
{
    assert(run && part < run->table->source->event_id_count);
    const struct ax_source *source = run->table->source;
    struct ax_str name = source->columns[source->event_id[part]].name;
    size_t i = 0;
    while (i < run->service->call_count && !ax_str_equals(run->service->call[i].name, name))
        i++;
    assert(i < run->service->call_count); /* Checked where definitions are read. */
    return i;
}

void ax_role_run_put_self(const struct ax_role_run *run, const char *rows, const char *events)
{
    assert(run && rows && events);
    const struct ax_source *source = run->table->source;
    for (size_t i = 0; i < source->event_id_count; i++)
        ax_buf_printf(run->text, "%s%s.k%zu = %s.c%zu", i ? " AND " : "", rows,
                      ax_role_run_self_call(run, i), events, source->event_id[i]);
}

/* ---- values as they are stored ---- */

void ax_storage_put_widened(struct ax_buf *out, const char *value, struct ax_storage storage)
{
    assert(out && value);
    const char *type = storage.kind == AX_STORAGE_FLOAT32 ? "DOUBLE"
                       : storage.kind == AX_STORAGE_INT32 ? "BIGINT"
                                                          : NULL;
    if (type)
        ax_buf_printf(out, "CAST(%s AS %s%s)", value, type, storage.is_list ? "[]" : "");
    else
        (void)ax_buf_append_str(out, ax_str_from(value));
}

/* Narrowing may make -0 of what is not 0. */
static void put_narrowed(struct ax_buf *out, struct ax_str value, enum ax_storage_kind kind)
{
    bool is_float = kind == AX_STORAGE_FLOAT32;
    ax_buf_printf(out, is_float ? "(TRY_CAST(" : "TRY_CAST(");
    (void)ax_buf_append_str(out, value);
    ax_buf_printf(out, is_float ? " AS FLOAT) + CAST(0 AS FLOAT))" : " AS INTEGER)");
}

void ax_expr_put_stored(struct ax_buf *out, struct ax_str value, struct ax_type type,
                        struct ax_storage storage)
{
    assert(out && ax_type_equals(type, ax_storage_type(storage)));
    if (storage.kind != AX_STORAGE_FLOAT32 && storage.kind != AX_STORAGE_INT32) {
        (void)ax_buf_append_str(out, value);
    } else if (storage.is_list) {
        ax_buf_printf(out, "list_transform(");
        (void)ax_buf_append_str(out, value);
        ax_buf_printf(out, ", lambda item: ");
        put_narrowed(out, AX_STR("item"), storage.kind);
        ax_buf_printf(out, ")");
    } else {
        put_narrowed(out, value, storage.kind);
    }
}

/* A field's default, which is there and not null, as it is stored. */
static void put_default(struct ax_buf *out, const struct ax_field *field)
{
    const union ax_literal *value = &field->default_value;
    struct ax_type type = ax_storage_type(field->storage);
    struct ax_buf text;
    ax_buf_init(&text, AX_OFFLINE_TEXT_MAX);
    switch (type.kind) {
    case AX_TYPE_BOOL:
        ax_buf_printf(&text, value->truth ? "true" : "false");
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        ax_buf_printf(&text, "CAST(%" PRId64 " AS BIGINT)", value->i64);
        break;
    case AX_TYPE_FLOAT64:
        ax_buf_printf(&text, "CAST('%.17g' AS DOUBLE)", value->f64);
        break;
    case AX_TYPE_STRING:
        ax_sql_put_literal(&text, value->text);
        break;
    case AX_TYPE_TIMESTAMP:
        ax_buf_printf(&text, "make_timestamp(%" PRId64 ")", value->i64);
        break;
    case AX_TYPE_COUNT:
        break;
    }
    ax_expr_put_stored(out, ax_buf_str(&text), type, field->storage);
    ax_buf_fail_with(out, &text);
    ax_buf_done(&text);
}

/* ---- fields ---- */

void ax_role_run_put_values(const struct ax_role_run *run, const struct ax_expr *const *roots,
                            struct ax_str keep, struct ax_str from, ax_expr_put_input_fn put_input)
{
    assert(run && roots && put_input);
    size_t count = run->view->field_count;
    struct ax_expr_column *columns = ax_xalloc((count + 1) * sizeof(*columns));
    char(*names)[24] = ax_xalloc((count + 1) * sizeof(*names));
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        if (!run->wanted[i])
            continue;
        (void)snprintf(names[i], sizeof(names[i]), "e%zu", i);
        columns[wanted++] = (struct ax_expr_column){ roots[i], ax_str_from(names[i]) };
    }
    (void)ax_buf_append_char(run->text, '(');
    ax_expr_put_select(run->text, columns, wanted, keep, from, AX_SQL_DUCKDB, put_input, NULL);
    (void)ax_buf_append_char(run->text, ')');
    free(columns);
    free(names);
}

static void put_field(const struct ax_role_run *run, size_t i, const char *condition)
{
    const struct ax_field *field = &run->view->fields[i];
    bool has_default = ax_field_has_default(field) && !run->has_no_defaults;
    char value[32];
    (void)snprintf(value, sizeof(value), "e%zu", i);
    ax_buf_printf(run->text, has_default ? "coalesce(" : "");
    if (condition)
        ax_buf_printf(run->text, "CASE WHEN %s THEN ", condition);
    ax_expr_put_stored(run->text, ax_str_from(value), field->parsed.root->type, field->storage);
    ax_buf_printf(run->text, condition ? " END" : "");
    if (has_default) {
        ax_buf_printf(run->text, ", ");
        put_default(run->text, field);
        ax_buf_printf(run->text, ")");
    }
    ax_buf_printf(run->text, " AS f%zu, ", i);
}

void ax_role_run_put_fields(const struct ax_role_run *run, const char *condition)
{
    assert(run);
    for (size_t i = 0; i < run->view->field_count; i++)
        if (run->wanted[i])
            put_field(run, i, condition);
}

/* ---- slices ---- */

/* As measured, see "What goes on after a kill" in docs/internals/point-in-time.md. */
static size_t aggregate_cost(const struct ax_aggregate *aggregate)
{
    size_t items = aggregate->type.is_list ? (size_t)aggregate->n : 0;
    if (aggregate->kind == AX_AGGREGATE_TOP_K)
        return 32 + items;
    return aggregate->kind == AX_AGGREGATE_COUNT_DISTINCT ? 8 : AX_MAX(items, (size_t)1);
}

struct ax_role_values ax_role_values(const struct ax_service *service, size_t role)
{
    assert(service && role < service->role_count);
    const struct ax_view *view = service->roles[role].view;
    struct ax_role_values values = { .cost = 0 };
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind != AX_INPUT_FIELD || input->role != role)
            continue;
        const struct ax_parsed *parsed = &view->fields[input->field].parsed;
        for (size_t k = 0; k < parsed->aggregate_count; k++) {
            const struct ax_aggregate *aggregate = &parsed->aggregates[k];
            values.cost += aggregate_cost(aggregate);
            values.are_wide |= aggregate->type.is_list || aggregate->type.kind == AX_TYPE_STRING;
        }
    }
    return values;
}

size_t ax_role_slice_begin(size_t rows, size_t at, size_t count)
{
    assert(at <= count && count);
    return rows / count * at + rows % count * at / count;
}

/* Hashes are of a value and its type: that which both sides are widened to. */
static void put_key(struct ax_buf *out, size_t i, char kind, size_t column,
                    struct ax_storage storage)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%c%zu", kind, column);
    ax_buf_printf(out, i ? ", " : "");
    ax_storage_put_widened(out, name, storage);
}

void ax_role_put_rows_slice(struct ax_buf *out, const char *before,
                            const struct ax_service *service, size_t role,
                            struct ax_role_slice slice)
{
    assert(out && before && service && role < service->role_count);
    const struct ax_role *asked = &service->roles[role];
    if (slice.count == 1)
        return;
    ax_buf_printf(out, "%shash(", before);
    for (size_t i = 0; i < asked->view->entity->key_count; i++) {
        size_t call = asked->call_keys[i];
        put_key(out, i, 'k', call, service->call[call].storage);
    }
    ax_buf_printf(out, ") %% %zu = %zu", slice.count, slice.at);
}

void ax_view_put_slice(struct ax_buf *out, const char *before, const struct ax_view *view,
                       struct ax_role_slice slice)
{
    assert(out && before && view);
    if (slice.count == 1)
        return;
    ax_buf_printf(out, "%shash(", before);
    for (size_t i = 0; i < view->entity->key_count; i++) {
        size_t column = view->key_columns[i];
        put_key(out, i, 'c', column, view->source->columns[column].storage);
    }
    ax_buf_printf(out, ") %% %zu = %zu", slice.count, slice.at);
}

enum ax_code ax_role_count_rows(struct ax_offline *offline, const struct ax_service *service,
                                size_t role, struct ax_role_slice slice, size_t *ret_rows,
                                struct ax_err *err)
{
    assert(offline && ret_rows && err);
    int64_t rows = 0;
    if (ax_role_values(service, role).are_wide) {
        *ret_rows = ax_role_slice_begin(offline->rows, slice.at + 1, slice.count) -
                    ax_role_slice_begin(offline->rows, slice.at, slice.count);
        return AX_OK;
    }
    ax_buf_printf(&offline->text, "SELECT count(*) FROM ax_rows");
    ax_role_put_rows_slice(&offline->text, " WHERE ", service, role, slice);
    if (!ax_offline_get_i64(offline, &rows, err))
        *ret_rows = (size_t)rows;
    return err->code;
}

/* ---- the promise ---- */

enum ax_code ax_role_check(struct ax_offline *offline, size_t role, struct ax_err *err)
{
    assert(offline && err);
    int64_t missing = 0;
    ax_buf_printf(&offline->text,
                  "SELECT (SELECT count(*) FROM ax_rows) - (SELECT count(*) FROM ax_s%zu)", role);
    if (ax_offline_get_i64(offline, &missing, err))
        return err->code;
    if (missing)
        return ax_fail(err, AX_E_INTERNAL, "the join lost or doubled %" PRId64 " rows", missing);
    return AX_OK;
}

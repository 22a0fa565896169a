/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statement a role: an inner query finds each row's winner and carries the columns that the
 * fields read, the outer one computes the fields where a winner counts, and orders by row number.
 * There are four ways to find winners, told in docs/internals/point-in-time.md: the ASOF join, by
 * key alone (time: none), as known (ASOF by the moment from which a row is seen, then back to the
 * best row), and by candidates (as known, where versions of events go again).
 */
#include "feature/offline/duckdb_join.h"

#include "base/alloc.h"
#include "data/expr/expr_sql.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct join {
    struct ax_offline *offline;
    struct ax_buf *text;
    const struct ax_service *service;
    const struct ax_role *role;
    const struct ax_view *view;
    const struct ax_source_table *table;
    bool *used;   /* columns of the source that fields read */
    bool *wanted; /* fields that the service's inputs are */
    size_t number;
};

static void put(const struct join *j, const char *text)
{
    (void)ax_buf_append_str(j->text, ax_str_from(text));
}

/* ---- pieces ---- */

/* ", c3, c4": what fields read. */
static void put_columns(const struct join *j)
{
    for (size_t i = 0; i < j->table->source->column_count; i++)
        if (j->used[i])
            ax_buf_printf(j->text, ", c%zu", i);
}

/* The same of the row h, as expressions see it. */
static void put_seen_columns(const struct join *j)
{
    char name[32];
    for (size_t i = 0; i < j->table->source->column_count; i++) {
        if (!j->used[i])
            continue;
        (void)snprintf(name, sizeof(name), "h.c%zu", i);
        put(j, ", ");
        ax_storage_put_widened(j->text, name, j->table->source->columns[i].storage);
        ax_buf_printf(j->text, " AS c%zu", i);
    }
}

static void put_keys(const struct join *j, const char *separator)
{
    for (size_t i = 0; i < j->view->entity->key_count; i++)
        ax_buf_printf(j->text, "%sc%zu", i ? separator : "", j->view->key_columns[i]);
}

/* ", c1, c2": the keys, and the columns that are no keys and that fields read. */
static void put_keys_and_columns(const struct join *j)
{
    bool *wanted = ax_xalloc((j->table->source->column_count + 1) * sizeof(*wanted));
    memcpy(wanted, j->used, j->table->source->column_count * sizeof(*wanted));
    for (size_t i = 0; i < j->view->entity->key_count; i++)
        wanted[j->view->key_columns[i]] = true;
    for (size_t i = 0; i < j->table->source->column_count; i++)
        if (wanted[i])
            ax_buf_printf(j->text, ", c%zu", i);
    free(wanted);
}

/* The rows that some key can match. An ASOF join by several keys takes a null for the equal of a
 * null when it compares structs (DuckDB 1.5.5), so those go before it. */
static void put_keyed_rows(const struct join *j)
{
    ax_buf_printf(j->text, " FROM %s WHERE ", j->table->name);
    put_keys(j, " IS NOT NULL AND ");
    put(j, " IS NOT NULL");
}

static void put_key_match(const struct join *j)
{
    for (size_t i = 0; i < j->view->entity->key_count; i++)
        ax_buf_printf(j->text, "%sp.k%zu = h.c%zu", i ? " AND " : "", j->role->call_keys[i],
                      j->view->key_columns[i]);
}

/* The rows as probes: n, a, keys, and `o` when it is asked for. */
static void put_probes(const struct join *j, bool order)
{
    put(j, "(SELECT rowid AS n, a");
    for (size_t i = 0; i < j->view->entity->key_count; i++)
        ax_buf_printf(j->text, ", k%zu", j->role->call_keys[i]);
    if (order) {
        put(j, ", ");
        ax_source_table_put_moment(j->text, j->table, "a");
        put(j, " AS o");
    }
    put(j, " FROM ax_rows) AS p");
}

/* ---- winners: n, age (null: none was found), and the columns ---- */

static void put_asof(const struct join *j)
{
    put(j, "SELECT p.n AS n, p.a - h.t AS age");
    put_seen_columns(j);
    put(j, " FROM ");
    put_probes(j, true);
    ax_buf_printf(j->text, " ASOF LEFT JOIN (SELECT epoch_us(c%ld) AS t, ", j->table->source->time);
    ax_source_table_put_order(j->text, j->table);
    put(j, " AS o");
    put_keys_and_columns(j);
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
    put_keys_and_columns(j);
    ax_buf_printf(j->text, " FROM %s WHERE rowid IN (SELECT max(rowid) FROM %s GROUP BY ",
                  j->table->name, j->table->name);
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

static void put_back_end(const struct join *j)
{
    put(j, ") AS w LEFT JOIN (SELECT rowid AS r");
    ax_buf_printf(j->text, ", epoch_us(c%ld) AS t", j->table->source->time);
    put_columns(j);
    ax_buf_printf(j->text, " FROM %s) AS h ON h.r = ", j->table->name);
    if (j->table->capacity)
        ax_buf_printf(j->text, "w.o %% %" PRId64, j->table->capacity);
    else
        put(j, "w.o.r");
}

/* What was seen by a moment is the best of what became visible until then. */
static void put_seen(const struct join *j)
{
    put_back(j);
    put(j, "SELECT p.n AS n, p.a AS a, h.o AS o FROM ");
    put_probes(j, false);
    put(j, " ASOF LEFT JOIN (SELECT seen, max(");
    ax_source_table_put_order(j->text, j->table);
    put(j, ") OVER (PARTITION BY ");
    put_keys(j, ", ");
    put(j, " ORDER BY seen) AS o, ");
    put_keys(j, ", ");
    put_keyed_rows(j);
    put(j, ") AS h ON ");
    put_key_match(j);
    put(j, " AND p.a >= h.seen");
    put_back_end(j);
}

static void put_candidates(const struct join *j)
{
    put_back(j);
    put(j, "SELECT p.n AS n, any_value(p.a) AS a, max(h.o) AS o FROM ");
    put_probes(j, false);
    put(j, " LEFT JOIN (SELECT seen, gone, ");
    ax_source_table_put_order(j->text, j->table);
    put(j, " AS o, ");
    put_keys(j, ", ");
    put_keyed_rows(j);
    put(j, ") AS h ON ");
    put_key_match(j);
    put(j, " AND p.a >= h.seen AND (h.gone IS NULL OR p.a < h.gone) GROUP BY p.n");
    put_back_end(j);
}

static void put_winners(const struct join *j)
{
    if (j->table->source->time < 0)
        put_timeless(j);
    else if (j->table->has_versions)
        put_candidates(j);
    else if (j->table->as_known)
        put_seen(j);
    else
        put_asof(j);
}

/* ---- fields ---- */

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

void ax_expr_put_stored(struct ax_buf *out, struct ax_str value, struct ax_type type,
                        struct ax_storage storage)
{
    assert(out && ax_type_equals(type, ax_storage_type(storage)));
    const char *narrow = storage.kind == AX_STORAGE_FLOAT32 ? "FLOAT"
                         : storage.kind == AX_STORAGE_INT32 ? "INTEGER"
                                                            : NULL;
    if (!narrow) {
        (void)ax_buf_append_str(out, value);
    } else if (storage.is_list) {
        ax_buf_printf(out, "list_transform(");
        (void)ax_buf_append_str(out, value);
        ax_buf_printf(out, ", lambda item: TRY_CAST(item AS %s))", narrow);
    } else {
        ax_buf_printf(out, "TRY_CAST(");
        (void)ax_buf_append_str(out, value);
        ax_buf_printf(out, " AS %s)", narrow);
    }
}

/* Input i of a field's expression is the source's column i. */
static void put_input(struct ax_buf *out, size_t input, void *arg AX_UNUSED)
{
    ax_buf_printf(out, "c%zu", input);
}

void ax_field_put_default(struct ax_buf *out, const struct ax_field *field)
{
    assert(out && field);
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
    ax_buf_done(&text);
}

/* Field i from its expression's value e<i>, where the winner counts. */
static void put_field(struct join *j, size_t i)
{
    const struct ax_field *field = &j->view->fields[i];
    bool has_default = field->has_default && !field->default_is_null;
    char value[32];
    (void)snprintf(value, sizeof(value), "e%zu", i);
    if (has_default)
        put(j, "coalesce(");
    put(j, "CASE WHEN ");
    if (j->view->ttl_us && j->table->source->time >= 0)
        ax_buf_printf(j->text, "age <= %" PRId64, j->view->ttl_us);
    else
        put(j, "age IS NOT NULL");
    put(j, " THEN ");
    ax_expr_put_stored(j->text, ax_str_from(value), field->parsed.root->type, field->storage);
    put(j, " END");
    if (has_default) {
        put(j, ", ");
        ax_field_put_default(j->text, field);
        put(j, ")");
    }
    ax_buf_printf(j->text, " AS f%zu, ", i);
}

/* ---- the role ---- */

/* "(SELECT n, age, … AS e0, … FROM (winners))" */
static void put_values(struct join *j)
{
    size_t count = j->view->field_count;
    struct ax_expr_column *columns = ax_xalloc((count + 1) * sizeof(*columns));
    char(*names)[24] = ax_xalloc((count + 1) * sizeof(*names));
    struct ax_buf *text = j->text;
    struct ax_buf winners;
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        if (!j->wanted[i])
            continue;
        (void)snprintf(names[i], sizeof(names[i]), "e%zu", i);
        columns[wanted++] =
            (struct ax_expr_column){ j->view->fields[i].parsed.root, ax_str_from(names[i]) };
    }
    ax_buf_init(&winners, AX_OFFLINE_TEXT_MAX);
    j->text = &winners;
    put(j, "(");
    put_winners(j);
    put(j, ")");
    j->text = text;
    put(j, "(");
    ax_expr_put_select(text, columns, wanted, AX_STR("n, age"), ax_buf_str(&winners), AX_SQL_DUCKDB,
                       put_input, NULL);
    put(j, ")");
    if (winners.failed)
        text->failed = winners.failed;
    ax_buf_done(&winners);
    free(columns);
    free(names);
}

static enum ax_code run_join(struct join *j, struct ax_err *err)
{
    ax_buf_printf(j->text, "CREATE TEMP TABLE ax_s%zu AS SELECT ", j->number);
    for (size_t i = 0; i < j->view->field_count; i++)
        if (j->wanted[i])
            put_field(j, i);
    put(j, "n FROM ");
    put_values(j);
    put(j, " ORDER BY n");
    return ax_offline_run(j->offline, err);
}

/* Each row once: what positional joins rely on, and the first promise of all this. */
enum ax_code ax_role_check_count(struct ax_offline *offline, size_t role, struct ax_err *err)
{
    int64_t missing = 0;
    ax_buf_printf(&offline->text,
                  "SELECT (SELECT count(*) FROM ax_rows) - (SELECT count(*) FROM ax_s%zu)", role);
    if (ax_offline_get_i64(offline, &missing, err))
        return err->code;
    if (missing)
        return ax_fail(err, AX_E_INTERNAL, "the join lost or doubled %" PRId64 " rows", missing);
    return AX_OK;
}

enum ax_code ax_role_join(struct ax_offline *offline, const struct ax_service *service, size_t role,
                          const struct ax_source_table *table, struct ax_err *err)
{
    assert(offline && service && role < service->role_count && table && err);
    struct join j = {
        .offline = offline,
        .text = &offline->text,
        .service = service,
        .role = &service->roles[role],
        .view = service->roles[role].view,
        .table = table,
        .used = ax_xalloc((table->source->column_count + 1) * sizeof(bool)),
        .wanted = ax_xalloc((service->roles[role].view->field_count + 1) * sizeof(bool)),
        .number = role,
    };
    assert(!j.view->windowed && j.view->source == table->source);
    for (size_t i = 0; i < service->input_count; i++) {
        if (service->inputs[i].kind != AX_INPUT_FIELD || service->inputs[i].role != role)
            continue;
        j.wanted[service->inputs[i].field] = true;
        ax_expr_inputs(j.view->fields[service->inputs[i].field].parsed.root, j.used);
    }
    if (run_join(&j, err) || ax_role_check_count(offline, role, err))
        (void)ax_err_context(err, "view '%.*s'", AX_STR_ARG(j.view->name));
    free(j.used);
    free(j.wanted);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source is loaded as for a history, so ties are broken and expectations held alike; then of
 * each view the greatest order a key is found, and by the rowid in it the row, of which the fields
 * are computed. What is narrowed to what is stored comes back widened, as everything that is read.
 * Rows come about in the order of the bytes that keys have in the online store, where whole numbers
 * begin with the least significant byte: a store that keeps them by those bytes then writes each
 * page once. The sort costs less than a third of what that saves.
 *
 * Of views with windows the events within reach are what is wanted, all columns of them, and those
 * that a correction took out of it: whoever gets them makes the windows.
 *
 * With a mark, what was read before is left out where the rest tells the same: of states of which
 * nothing is expected. Of events a new row may be an older version of one that was read, which the
 * source alone can tell; and what is expected is expected of all rows.
 */
#include "feature/offline/duckdb_latest.h"

#include "base/alloc.h"
#include "data/expr/values_sql.h"
#include "feature/offline/duckdb_expectations.h"
#include "feature/offline/duckdb_mark.h"
#include "feature/offline/duckdb_role.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_INIT ((size_t)256 << 10)
#define ARENA_BYTES_MAX  ((size_t)1 << 30)

struct latest {
    struct ax_offline *offline;
    const struct ax_offline_latest *request;
    const struct ax_source *source;
    struct ax_mark before, now;
    struct ax_source_table table;
    size_t given;          /* rows of the view under way */
    bool has_events;       /* they were given */
    struct ax_arena arena; /* of those that are given at once */
    struct ax_err *err;
};

static void show(const struct latest *l)
{
    const struct ax_offline *offline = l->offline;
    if (offline->config.progress)
        offline->config.progress(offline->config.arg, offline->step, l->given, offline->rows);
}

static void tell(struct latest *l, const char *what, struct ax_str name)
{
    struct ax_offline *offline = l->offline;
    (void)snprintf(offline->step, sizeof(offline->step), "%s %.*s", what, AX_STR_ARG(name));
    l->given = 0;
    show(l);
}

/* ---- the source ---- */

static bool *used_columns(const struct latest *l)
{
    bool *used = ax_xalloc((l->source->column_count + 1) * sizeof(*used));
    for (size_t i = 0; i < l->request->view_count; i++) {
        const struct ax_view *view = l->request->views[i];
        for (size_t k = 0; view->windowed && k < l->source->column_count; k++)
            used[k] = true;
        for (size_t k = 0; k < view->entity->key_count; k++)
            used[view->key_columns[k]] = true;
        for (size_t k = 0; k < view->field_count; k++)
            ax_expr_inputs(view->fields[k].parsed.root, used);
    }
    return used;
}

/* Nothing that was not known, and no row whose time has come since. */
static bool is_all_read(const struct latest *l)
{
    return l->request->since.len && ax_mark_has_files(&l->before, &l->now) &&
           !(l->before.has_later && l->request->to_us > l->before.to_us);
}

static bool can_leave_out(const struct latest *l)
{
    const struct ax_source *source = l->source;
    return l->request->since.len && !source->event_id_count && !source->expectation_count &&
           (source->kind == AX_SOURCE_FILES ||
            (source->created >= 0 && l->before.known_us != INT64_MIN));
}

/* Of what was read before, the rows that are new all the same. */
static void put_new_rows(const struct latest *l, struct ax_buf *where)
{
    const struct ax_source *source = l->source;
    if (source->kind != AX_SOURCE_FILES)
        ax_buf_printf(where, "epoch_us(c%ld) >= %" PRId64 " OR c%ld IS NULL", source->created,
                      l->before.known_us, source->created);
    if (l->before.has_later)
        ax_buf_printf(where, "%sepoch_us(c%ld) > %" PRId64, where->len ? " OR " : "", source->time,
                      l->before.to_us);
}

static enum ax_code load(struct latest *l)
{
    struct ax_buf where;
    bool *used = used_columns(l);
    ax_buf_init(&where, 512);
    put_new_rows(l, &where);
    const struct ax_source_seen seen = {
        .files = l->source->kind == AX_SOURCE_FILES ? &l->before.files : NULL,
        .where = ax_buf_str(&where),
    };
    const struct ax_source_reading reading = { .source = l->source,
                                               .used = used,
                                               .seen = can_leave_out(l) ? &seen : NULL };
    tell(l, "reading source", l->source->name);
    if (!ax_source_table_load(l->offline, &reading, &l->table, l->err))
        ax_source_tell_held(l->offline);
    ax_buf_done(&where);
    free(used);
    return l->err->code;
}

static enum ax_code mark_rows(struct latest *l)
{
    struct ax_mark *now = &l->now;
    now->to_us = l->request->to_us;
    now->has_later = l->table.rows && l->source->time >= 0 && l->table.last > now->to_us;
    now->known_us = l->before.known_us;
    if (l->source->created < 0)
        return AX_OK;
    ax_buf_printf(&l->offline->text,
                  "SELECT greatest(%" PRId64 ", coalesce(max(epoch_us(c%ld)), %" PRId64
                  ")) FROM %s",
                  now->known_us, l->source->created, now->known_us, l->table.name);
    return ax_offline_get_i64(l->offline, &now->known_us, l->err);
}

/* ---- the rows ---- */

static void put_keys(struct ax_buf *out, const struct ax_view *view, const char *separator)
{
    for (size_t i = 0; i < view->entity->key_count; i++)
        ax_buf_printf(out, "%sc%zu", i ? separator : "", view->key_columns[i]);
}

/* The table ax_w0: the rowid of the latest row of each key. */
static enum ax_code find_winners(struct latest *l, const struct ax_view *view)
{
    const struct ax_source_table *table = &l->table;
    struct ax_buf *out = &l->offline->text;
    long time = l->source->time;
    ax_buf_printf(out, "CREATE TEMP TABLE ax_w0 AS SELECT max(");
    if (time >= 0)
        ax_source_table_put_order(out, table);
    else
        ax_buf_printf(out, "rowid");
    ax_buf_printf(out, ")");
    if (time >= 0 && table->capacity)
        ax_buf_printf(out, " %% %" PRId64, table->capacity);
    else if (time >= 0)
        ax_buf_printf(out, ".r");
    ax_buf_printf(out, " AS r FROM %s WHERE ", table->name);
    put_keys(out, view, " IS NOT NULL AND ");
    ax_buf_printf(out, " IS NOT NULL");
    if (time >= 0 && table->last > l->request->to_us)
        ax_buf_printf(out, " AND epoch_us(c%ld) <= %" PRId64, time, l->request->to_us);
    if (time >= 0 && l->request->from_us != INT64_MIN)
        ax_buf_printf(out, " AND epoch_us(c%ld) >= %" PRId64, time, l->request->from_us);
    ax_buf_printf(out, " GROUP BY ");
    put_keys(out, view, ", ");
    return ax_offline_run(l->offline, l->err);
}

/* ", c1 AS k0": widened. */
static void put_column(struct ax_buf *out, const struct ax_source *source, size_t column, char kind,
                       size_t number)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "c%zu", column);
    ax_buf_printf(out, ", ");
    ax_storage_put_widened(out, name, source->columns[column].storage);
    ax_buf_printf(out, " AS %c%zu", kind, number);
}

/* Time, known, keys, and what fields read, of the latest row of each key. */
static void put_rows(struct ax_buf *out, const struct latest *l, const struct ax_view *view)
{
    const struct ax_source *source = l->source;
    bool *used = ax_xalloc((source->column_count + 1) * sizeof(*used));
    for (size_t i = 0; i < view->field_count; i++)
        ax_expr_inputs(view->fields[i].parsed.root, used);
    ax_buf_printf(out, "(SELECT ");
    if (source->time >= 0)
        ax_buf_printf(out, "epoch_us(c%ld) AS t, ", source->time);
    else
        ax_buf_printf(out, "CAST(NULL AS BIGINT) AS t, ");
    ax_source_put_known(out, source, l->table.has_pushed);
    ax_buf_printf(out, " AS w");
    for (size_t i = 0; i < view->entity->key_count; i++)
        put_column(out, source, view->key_columns[i], 'k', i);
    for (size_t i = 0; i < source->column_count; i++)
        if (used[i])
            put_column(out, source, i, 'x', i);
    ax_buf_printf(out, " FROM %s WHERE rowid IN (SELECT r FROM ax_w0))", l->table.name);
    free(used);
}

/* Input i of a field's expression is the source's column i. */
static void put_input(struct ax_buf *out, size_t input, void *arg AX_UNUSED)
{
    ax_buf_printf(out, "x%zu", input);
}

/* " ORDER BY …": of whole numbers by their three lowest bytes, of texts in a key of several parts
 * first by their length, which is stored before them. */
static void put_order(struct ax_buf *out, const struct ax_view *view)
{
    for (size_t i = 0; i < view->entity->key_count; i++) {
        struct ax_type type = ax_storage_type(view->entity->keys[i].storage);
        char key[48];
        (void)snprintf(key, sizeof(key), type.kind == AX_TYPE_TIMESTAMP ? "epoch_us(k%zu)" : "k%zu",
                       i);
        ax_buf_printf(out, i ? ", " : " ORDER BY ");
        if (type.kind == AX_TYPE_INT64 || type.kind == AX_TYPE_TIMESTAMP)
            ax_buf_printf(out, "(%s & 255) * 65536 + ((%s >> 8) & 255) * 256 + ((%s >> 16) & 255)",
                          key, key, key);
        else if (type.kind == AX_TYPE_STRING && view->entity->key_count > 1)
            ax_buf_printf(out, "strlen(%s), %s", key, key);
        else
            ax_buf_printf(out, "%s", key);
    }
}

static void put_query(struct latest *l, const struct ax_view *view)
{
    struct ax_role_run run = { .offline = l->offline,
                               .text = &l->offline->text,
                               .view = view,
                               .table = &l->table,
                               .wanted = ax_xalloc((view->field_count + 1) * sizeof(bool)),
                               .has_no_defaults = true };
    const struct ax_expr **roots =
        ax_xalloc((view->field_count + 1) * sizeof(const struct ax_expr *));
    struct ax_buf rows, keep;
    ax_buf_init(&rows, AX_OFFLINE_TEXT_MAX);
    ax_buf_init(&keep, AX_OFFLINE_TEXT_MAX);
    put_rows(&rows, l, view);
    for (size_t i = 0; i < view->entity->key_count; i++)
        ax_buf_printf(&keep, "k%zu, ", i);
    ax_buf_printf(&keep, "t, w");
    for (size_t i = 0; i < view->field_count; i++) {
        run.wanted[i] = true;
        roots[i] = view->fields[i].parsed.root;
    }
    ax_buf_printf(run.text, "SELECT ");
    ax_role_run_put_fields(&run, NULL);
    ax_buf_printf(run.text, "%.*s FROM ", AX_STR_ARG(ax_buf_str(&keep)));
    ax_role_run_put_values(&run, roots, ax_buf_str(&keep), ax_buf_str(&rows), put_input);
    put_order(run.text, view);
    ax_buf_fail_with(run.text, &rows);
    ax_buf_fail_with(run.text, &keep);
    ax_buf_done(&rows);
    ax_buf_done(&keep);
    free(roots);
    ax_role_run_done(&run);
}

/* Columns of the stream: fields, keys, time, known. */
static enum ax_code give_chunk(struct latest *l, const struct ax_view *view,
                               const struct ax_sql_chunk *chunk)
{
    const struct ax_type whole = { AX_TYPE_INT64, false };
    size_t keys = view->entity->key_count;
    size_t count = view->field_count + keys + 2;
    ax_arena_reset(&l->arena);
    struct ax_values *columns = ax_arena_alloc(&l->arena, count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(&l->arena, "the rows of a view", l->err);
    for (size_t i = 0; i < count; i++) {
        struct ax_type type = whole;
        if (i < view->field_count)
            type = ax_storage_type(view->fields[i].storage);
        else if (i < view->field_count + keys)
            type = ax_storage_type(view->entity->keys[i - view->field_count].storage);
        if (ax_values_read_sql(&chunk->columns[i], type, chunk->rows, &l->arena, &columns[i],
                               l->err))
            return l->err->code;
    }
    const struct ax_offline_latest_rows rows = { .view = view,
                                                 .rows = chunk->rows,
                                                 .fields = columns,
                                                 .keys = columns + view->field_count,
                                                 .times = &columns[count - 2],
                                                 .known = &columns[count - 1] };
    assert(rows.rows <= AX_VALUES_ROWS_MAX);
    l->given += rows.rows;
    show(l);
    return l->request->rows(l->request->arg, &rows, l->err);
}

static enum ax_code give_rows(struct latest *l, const struct ax_view *view)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk = { 0 };
    put_query(l, view);
    if (ax_offline_query(l->offline, &stream, l->err))
        return l->err->code;
    do {
        if (!ax_sql_stream_next(stream, &chunk, l->err) && chunk.rows)
            (void)give_chunk(l, view, &chunk);
    } while (chunk.rows && !l->err->code);
    ax_sql_stream_free(stream);
    return l->err->code;
}

static enum ax_code count_winners(struct latest *l)
{
    int64_t rows = 0;
    ax_buf_printf(&l->offline->text, "SELECT count(*) FROM ax_w0");
    if (!ax_offline_get_i64(l->offline, &rows, l->err))
        l->offline->rows = (size_t)rows;
    return l->err->code;
}

static enum ax_code give_view(struct latest *l, const struct ax_view *view)
{
    tell(l, "latest rows of view", view->name);
    if (find_winners(l, view) || count_winners(l) || give_rows(l, view))
        return ax_err_context(l->err, "view '%.*s'", AX_STR_ARG(view->name));
    ax_buf_printf(&l->offline->text, "DROP TABLE ax_w0");
    return ax_offline_run(l->offline, l->err);
}

/* ---- the events ---- */

static void put_events(struct latest *l)
{
    const struct ax_source *source = l->source;
    struct ax_buf *out = &l->offline->text;
    ax_buf_printf(out, "SELECT * EXCLUDE (t, r) FROM (SELECT epoch_us(c%ld) AS t, rowid AS r",
                  source->time);
    for (size_t i = 0; i < source->column_count; i++)
        put_column(out, source, i, 'x', i);
    ax_buf_printf(out, " FROM %s) WHERE t <= %" PRId64 " AND (t > %" PRId64, l->table.name,
                  l->request->events_to_us, l->request->events_from_us);
    if (source->created >= 0)
        ax_buf_printf(out, " OR epoch_us(x%ld) > %" PRId64, source->created,
                      l->request->events_from_us);
    ax_buf_printf(out, ") ORDER BY t, r");
}

static enum ax_code give_some_events(struct latest *l, const struct ax_sql_chunk *chunk)
{
    size_t count = l->source->column_count;
    ax_arena_reset(&l->arena);
    struct ax_values *columns = ax_arena_alloc(&l->arena, count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(&l->arena, "the events of a source", l->err);
    for (size_t i = 0; i < count; i++) {
        struct ax_type type = ax_storage_type(l->source->columns[i].storage);
        if (ax_values_read_sql(&chunk->columns[i], type, chunk->rows, &l->arena, &columns[i],
                               l->err))
            return l->err->code;
    }
    const struct ax_offline_event_rows rows = { l->source, chunk->rows, columns };
    l->given += rows.rows;
    show(l);
    return l->request->events(l->request->arg, &rows, l->err);
}

static enum ax_code give_events(struct latest *l)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk = { 0 };
    l->has_events = true;
    tell(l, "events of source", l->source->name);
    put_events(l);
    if (ax_offline_query(l->offline, &stream, l->err))
        return ax_err_context(l->err, "source '%.*s'", AX_STR_ARG(l->source->name));
    do {
        if (!ax_sql_stream_next(stream, &chunk, l->err) && chunk.rows)
            (void)give_some_events(l, &chunk);
    } while (chunk.rows && !l->err->code);
    ax_sql_stream_free(stream);
    const struct ax_offline_event_rows none = { l->source, 0, NULL };
    if (!l->err->code)
        (void)(l->request->events(l->request->arg, &none, l->err) != AX_OK);
    return l->err->code;
}

/* ---- all of it ---- */

static enum ax_code give(struct latest *l, const struct ax_view *view)
{
    if (!view->windowed)
        return give_view(l, view);
    return l->has_events ? AX_OK : give_events(l);
}

static enum ax_code end_views(struct latest *l, bool is_read)
{
    const struct ax_offline_latest *request = l->request;
    struct ax_buf mark;
    ax_buf_init(&mark, AX_OFFLINE_TEXT_MAX);
    if (is_read)
        ax_mark_put(&mark, &l->now);
    else
        (void)ax_buf_append_str(&mark, request->since);
    (void)(ax_buf_check(&mark, "the list of files", l->err) != AX_OK);
    for (size_t i = 0; i < request->view_count && !l->err->code; i++) {
        if (is_read && give(l, request->views[i]))
            break;
        (void)(request->done(request->arg, request->views[i], ax_buf_str(&mark), l->err) != AX_OK);
    }
    ax_buf_done(&mark);
    return l->err->code;
}

static enum ax_code read_source(struct latest *l, struct ax_offline_latest_report *ret_report)
{
    if (ax_mark_read(&l->before, l->request->since, l->err) ||
        ax_mark_of_files(&l->now, l->offline, l->source, l->err))
        return l->err->code;
    if (is_all_read(l))
        return end_views(l, false);
    if (load(l))
        return l->err->code;
    if (mark_rows(l) || end_views(l, true))
        return l->err->code;
    ret_report->rows = l->table.rows + l->offline->dropped_rows;
    return AX_OK;
}

static void drop_tables(struct ax_offline *offline)
{
    static const char *const names[] = { "ax_h0", "ax_b0", "ax_w0" };
    ax_buf_reset(&offline->text);
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        struct ax_err ignored = AX_ERR_INIT;
        ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS %s", names[i]);
        (void)(ax_offline_run(offline, &ignored) != AX_OK);
    }
}

enum ax_code ax_source_latest(struct ax_offline *offline, const struct ax_offline_latest *request,
                              struct ax_offline_latest_report *ret_report, struct ax_err *err)
{
    assert(offline && request && request->view_count && request->rows && request->done &&
           ret_report && err);
    assert(!request->since.len || request->from_us == INT64_MIN);
    struct ax_offline_latest_report report = { 0 };
    struct latest l = {
        .offline = offline, .request = request, .source = request->views[0]->source, .err = err
    };
    for (size_t i = 0; i < request->view_count; i++)
        assert(request->views[i]->source == l.source &&
               (!request->views[i]->windowed || (request->events && l.source->event_id_count)));
    offline->dropped_rows = 0;
    offline->rows = 0;
    offline->steps_done = 0;
    offline->steps = 1;
    ax_buf_reset(&offline->held);
    ax_arena_init(&l.arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    if (!read_source(&l, &report)) {
        report.dropped_rows = offline->dropped_rows;
        *ret_report = report;
    }
    drop_tables(offline);
    ax_mark_done(&l.before);
    ax_mark_done(&l.now);
    ax_arena_done(&l.arena);
    offline->step[0] = '\0';
    return err->code;
}

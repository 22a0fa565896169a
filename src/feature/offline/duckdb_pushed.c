/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal is read while the query runs, a chunk at a time, each time from its first row to the
 * last one that was there when it was opened.
 *
 * What a partial row leaves out is what the online store filled in: that of the newest row of its
 * key among those that were known before it was taken in. So rows are looked at in the order in
 * which they were learnt. One that is not older than all before it is the newest then, and what
 * the newest one has of a column is what the last of them gave that gives the column. A partial row
 * that is no newest one was stale, and changed nothing.
 */
#include "feature/offline/duckdb_pushed.h"

#include "base/alloc.h"
#include "base/sql_table.h"
#include "data/expr/values_sql.h"
#include "feature/offline/duckdb_convert.h"
#include "feature/offline/duckdb_table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_FIRST ((size_t)256 << 10)
#define ARENA_BYTES_MAX   ((size_t)1 << 30)

struct ax_pushed {
    struct ax_sql_table base;
    struct ax_sql *sql;
    const struct ax_source_journal *journal;
    struct ax_sql_table_column *columns; /* the source's, ax_taken, ax_left */
    char (*names)[24];
};

struct pushed_scan {
    struct ax_sql_scan base;
    const struct ax_pushed *pushed;
    struct ax_journal_reader *reader;
    struct ax_arena arena; /* of a chunk */
};

/* ---- the table ---- */

static enum ax_code scan_new(const struct ax_sql_table *table, struct ax_sql_scan **ret_scan,
                             struct ax_err *err)
{
    const struct ax_pushed *pushed = container_of_const(table, struct ax_pushed, base);
    const struct ax_source_journal *journal = pushed->journal;
    struct ax_journal_reader *reader;
    if (ax_journal_reader_open(journal->folder, journal->columns, journal->column_count,
                               journal->extent.first, journal->extent.next, &reader, err))
        return err->code;
    if (ax_journal_reader_at(reader) != journal->extent.first) {
        ax_journal_reader_close(reader);
        return ax_fail(err, AX_E_CONFLICT,
                       "old rows of '%s' were removed meanwhile: give the command again",
                       journal->folder);
    }
    struct pushed_scan *scan = ax_xalloc(sizeof(*scan));
    scan->pushed = pushed;
    scan->reader = reader;
    ax_arena_init(&scan->arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    *ret_scan = &scan->base;
    return AX_OK;
}

static enum ax_code lend(struct pushed_scan *scan, const struct ax_values *values,
                         struct ax_sql_column *ret_column, struct ax_err *err)
{
    struct ax_sql_list *lists = NULL;
    struct ax_sql_column *items = NULL;
    if (values->type.is_list) {
        lists = ax_arena_alloc(&scan->arena, values->rows, sizeof(*lists));
        items = ax_arena_alloc(&scan->arena, 1, sizeof(*items));
        if (!lists || !items)
            return ax_arena_fail(&scan->arena, "lists of a journal", err);
    }
    *ret_column = ax_values_lend_sql(values, lists, items);
    return AX_OK;
}

/* An event leaves nothing out. */
static enum ax_code lend_left(struct pushed_scan *scan, const struct ax_journal_rows *rows,
                              struct ax_sql_column *ret_column, struct ax_err *err)
{
    const struct ax_source_journal *journal = scan->pushed->journal;
    size_t count = journal->source->column_count;
    if (journal->column_count > count)
        return lend(scan, &rows->values[count], ret_column, err);
    struct ax_values *items = ax_arena_alloc(&scan->arena, 1, sizeof(*items));
    struct ax_values none;
    if (!items)
        return ax_arena_fail(&scan->arena, "rows of a journal", err);
    if (ax_values_init(items, (struct ax_type){ AX_TYPE_STRING, false }, 0, &scan->arena, err) ||
        ax_values_init(&none, (struct ax_type){ AX_TYPE_STRING, true }, rows->rows, &scan->arena,
                       err))
        return err->code;
    none.items = items;
    for (size_t row = 0; row < rows->rows; row++)
        ax_values_set_null(&none, row);
    return lend(scan, &none, ret_column, err);
}

/* A row that has no value was erased: it was not taken in. */
static enum ax_code lend_taken(struct pushed_scan *scan, const struct ax_journal_rows *rows,
                               struct ax_sql_column *ret_column, struct ax_err *err)
{
    size_t words = (rows->rows + 63) / 64;
    uint64_t *validity = ax_arena_zalloc(&scan->arena, words, sizeof(*validity));
    if (!validity)
        return ax_arena_fail(&scan->arena, "rows of a journal", err);
    for (size_t i = 0; i < scan->pushed->journal->source->column_count; i++) {
        for (size_t w = 0; w < words; w++)
            validity[w] |= rows->values[i].validity ? rows->values[i].validity[w] : UINT64_MAX;
    }
    *ret_column =
        (struct ax_sql_column){ .type = AX_SQL_I64, .i64s = rows->taken_us, .validity = validity };
    return AX_OK;
}

static enum ax_code scan_next(struct ax_sql_scan *base, struct ax_sql_chunk *ret_chunk,
                              struct ax_err *err)
{
    struct pushed_scan *scan = container_of(base, struct pushed_scan, base);
    size_t count = scan->pushed->journal->source->column_count;
    struct ax_journal_rows rows;
    ax_arena_reset(&scan->arena);
    struct ax_sql_column *columns = ax_arena_alloc(&scan->arena, count + 2, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(&scan->arena, "rows of a journal", err);
    if (ax_journal_reader_next(scan->reader, &scan->arena, &rows, err))
        return err->code;
    *ret_chunk = (struct ax_sql_chunk){ .rows = rows.rows, .columns = columns };
    if (!rows.rows)
        return AX_OK;
    for (size_t i = 0; i < count; i++)
        if (lend(scan, &rows.values[i], &columns[i], err))
            return err->code;
    return lend_taken(scan, &rows, &columns[count], err) ||
                   lend_left(scan, &rows, &columns[count + 1], err)
               ? err->code
               : AX_OK;
}

static void scan_free(struct ax_sql_scan *base)
{
    struct pushed_scan *scan = container_of(base, struct pushed_scan, base);
    ax_journal_reader_close(scan->reader);
    ax_arena_done(&scan->arena);
    free(scan);
}

static void name_columns(struct ax_pushed *pushed)
{
    const struct ax_source *source = pushed->journal->source;
    size_t count = source->column_count;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(pushed->names[i], sizeof(pushed->names[i]), "c%zu", i);
        pushed->columns[i] = (struct ax_sql_table_column){
            pushed->names[i], ax_values_sql_kind(ax_storage_type(source->columns[i].storage))
        };
    }
    pushed->columns[count] = (struct ax_sql_table_column){ "ax_taken", { .type = AX_SQL_I64 } };
    pushed->columns[count + 1] =
        (struct ax_sql_table_column){ "ax_left", { .type = AX_SQL_LIST, .item = AX_SQL_TEXT } };
}

enum ax_code ax_pushed_open(struct ax_offline *offline, const struct ax_source_journal *journal,
                            struct ax_pushed **ret_pushed, struct ax_err *err)
{
    assert(offline && journal && ret_pushed && err);
    size_t count = journal->source->column_count + 2;
    struct ax_pushed *pushed = ax_xalloc(sizeof(*pushed));
    *pushed = (struct ax_pushed){
        .base = { .name = "ax_pushed",
                  .column_count = count,
                  .row_count = journal->extent.next - journal->extent.first,
                  .scan_new = scan_new,
                  .scan_next = scan_next,
                  .scan_free = scan_free },
        .sql = offline->sql,
        .journal = journal,
        .columns = ax_xalloc(count * sizeof(*pushed->columns)),
        .names = ax_xalloc(count * sizeof(*pushed->names)),
    };
    pushed->base.columns = pushed->columns;
    name_columns(pushed);
    if (!ax_sql_add_table(offline->sql, &pushed->base, err)) {
        *ret_pushed = pushed;
        return AX_OK;
    }
    free(pushed->columns);
    free(pushed->names);
    free(pushed);
    return err->code;
}

void ax_pushed_close(struct ax_pushed *pushed)
{
    if (!pushed)
        return;
    ax_sql_remove_table(pushed->sql, &pushed->base);
    free(pushed->columns);
    free(pushed->names);
    free(pushed);
}

/* Of texts that are bytes, these; all else fits. */
void ax_pushed_put_value(struct ax_buf *out, struct ax_str from, struct ax_storage storage)
{
    assert(out);
    if (storage.kind == AX_STORAGE_BYTES) {
        ax_buf_printf(out,
                      storage.is_list ? "list_transform(%.*s, lambda item: encode(item))"
                                      : "encode(%.*s)",
                      AX_STR_ARG(from));
        return;
    }
    ax_buf_printf(out, "CAST(%.*s AS ", AX_STR_ARG(from));
    ax_storage_put_type(out, storage);
    (void)ax_buf_append_char(out, ')');
}

/* ---- partial rows ---- */

/* The keys of those views of a source into which rows are pushed; false: there is none. */
static bool mark_keys(const struct ax_offline *offline, const struct ax_source *source,
                      bool *is_key)
{
    const struct ax_definitions *definitions = offline->config.definitions;
    bool has_view = false;
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        if (view->source != source || !view->online || view->windowed)
            continue;
        has_view = true;
        for (size_t k = 0; k < view->entity->key_count; k++)
            is_key[view->key_columns[k]] = true;
    }
    return has_view;
}

void ax_pushed_mark_columns(const struct ax_offline *offline, const struct ax_source *source,
                            bool *used)
{
    assert(offline && source && used);
    if (source->event_id_count)
        return;
    (void)mark_keys(offline, source, used);
    if (source->time >= 0)
        used[source->time] = true;
    if (source->created >= 0)
        used[source->created] = true;
}

void ax_pushed_put_keys(const struct ax_offline *offline, const struct ax_source *source,
                        struct ax_buf *out)
{
    assert(offline && source && out);
    if (source->event_id_count)
        return;
    bool *is_key = ax_xalloc((source->column_count + 1) * sizeof(*is_key));
    (void)mark_keys(offline, source, is_key);
    (void)ax_buf_append_str(out, AX_STR("\nfilled by"));
    for (size_t i = 0; i < source->column_count; i++) {
        if (is_key[i])
            ax_buf_printf(out, " %zu", i);
    }
    free(is_key);
}

struct merging {
    struct ax_offline *offline;
    const struct ax_source *source;
    const bool *used;
    bool *is_key;
    const char *table;
    struct ax_err *err;
};

static bool is_filled(const struct merging *m, size_t column)
{
    return m->used[column] && !m->is_key[column] && (long)column != m->source->time &&
           (long)column != m->source->created;
}

static void put_is_left(const struct merging *m, size_t column)
{
    struct ax_buf *out = &m->offline->text;
    ax_buf_printf(out, "coalesce(list_contains(ax_left, ");
    ax_sql_put_literal(out, m->source->columns[column].name);
    ax_buf_printf(out, "), false)");
}

/* " OVER (…": the rows of a key as they were learnt. */
static void put_learnt(const struct merging *m)
{
    struct ax_buf *out = &m->offline->text;
    const char *separator = " OVER (PARTITION BY ";
    for (size_t i = 0; i < m->source->column_count; i++) {
        if (!m->is_key[i])
            continue;
        ax_buf_printf(out, "%sc%zu", separator, i);
        separator = ", ";
    }
    ax_buf_printf(out, " ORDER BY ax_learnt NULLS FIRST, ax_row ROWS BETWEEN UNBOUNDED PRECEDING "
                       "AND ");
}

/* Each row with when it was learnt, and what orders it. */
static void put_ordered(const struct merging *m)
{
    struct ax_buf *out = &m->offline->text;
    ax_buf_printf(out, "(SELECT *, rowid AS ax_row, coalesce(ax_taken, ");
    ax_source_put_known(out, m->source, true);
    ax_buf_printf(out, ") AS ax_learnt, {'t': ");
    ax_buf_printf(out, m->source->time >= 0 ? "epoch_us(c%ld)" : "0", m->source->time);
    ax_buf_printf(out, ", 'k': coalesce(");
    ax_source_put_known(out, m->source, true);
    ax_buf_printf(out, ", -9223372036854775807), 'r': rowid} AS ax_order FROM %s)", m->table);
}

static void put_merged(const struct merging *m)
{
    struct ax_buf *out = &m->offline->text;
    const char *separator = "";
    ax_buf_printf(out, "CREATE TEMP TABLE ax_merged AS SELECT ");
    for (size_t i = 0; i < m->source->column_count; i++) {
        if (!m->used[i])
            continue;
        ax_buf_printf(out, "%s", separator);
        separator = ", ";
        if (is_filled(m, i)) {
            ax_buf_printf(out, "CASE WHEN ");
            put_is_left(m, i);
            ax_buf_printf(out, " THEN (last_value(CASE WHEN ax_newest AND NOT ");
            put_is_left(m, i);
            ax_buf_printf(out, " THEN {'v': c%zu} END IGNORE NULLS)", i);
            put_learnt(m);
            ax_buf_printf(out, "CURRENT ROW)).v ELSE c%zu END AS ", i);
        }
        ax_buf_printf(out, "c%zu", i);
    }
    ax_buf_printf(out, ", ax_taken, ax_left FROM (SELECT *, coalesce(ax_order >= max(ax_order)");
    put_learnt(m);
    ax_buf_printf(out, "1 PRECEDING), true) AS ax_newest FROM ");
    put_ordered(m);
    ax_buf_printf(out, ") WHERE ax_newest OR coalesce(len(ax_left), 0) = 0 ORDER BY ax_row");
}

static enum ax_code merge(const struct merging *m)
{
    put_merged(m);
    if (ax_offline_run(m->offline, m->err))
        return m->err->code;
    ax_buf_printf(&m->offline->text, "DROP TABLE %s", m->table);
    if (ax_offline_run(m->offline, m->err))
        return m->err->code;
    ax_buf_printf(&m->offline->text, "ALTER TABLE ax_merged RENAME TO %s", m->table);
    return ax_offline_run(m->offline, m->err);
}

enum ax_code ax_pushed_merge(struct ax_offline *offline, const struct ax_source *source,
                             const bool *used, const char *table, struct ax_err *err)
{
    assert(offline && source && used && table && err);
    int64_t partial = 0;
    if (source->event_id_count)
        return AX_OK;
    ax_buf_printf(&offline->text, "SELECT count(*) FROM %s WHERE len(ax_left) > 0", table);
    if (ax_offline_get_i64(offline, &partial, err) || !partial)
        return err->code;
    struct merging m = { .offline = offline,
                         .source = source,
                         .used = used,
                         .is_key = ax_xalloc((source->column_count + 1) * sizeof(bool)),
                         .table = table,
                         .err = err };
    if (mark_keys(offline, source, m.is_key))
        (void)(merge(&m) != AX_OK);
    free(m.is_key);
    return err->code;
}

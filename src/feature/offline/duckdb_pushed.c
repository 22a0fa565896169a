/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal is read while the query runs, a chunk at a time, each time from its first row to the
 * last one that was there when it was opened.
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
    struct ax_sql_table_column *columns; /* the source's, ax_taken */
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
    const struct ax_source *source = journal->source;
    if (ax_journal_reader_open(journal->folder, source->columns, source->column_count,
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
    struct ax_sql_column *columns = ax_arena_alloc(&scan->arena, count + 1, sizeof(*columns));
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
    return lend_taken(scan, &rows, &columns[count], err);
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
        pushed->columns[i] =
            (struct ax_sql_table_column){ pushed->names[i],
                                          ax_storage_sql_kind(source->columns[i].storage) };
    }
    pushed->columns[count] = (struct ax_sql_table_column){ "ax_taken", { .type = AX_SQL_I64 } };
}

enum ax_code ax_pushed_open(struct ax_offline *offline, const struct ax_source_journal *journal,
                            struct ax_pushed **ret_pushed, struct ax_err *err)
{
    assert(offline && journal && ret_pushed && err);
    size_t count = journal->source->column_count + 1;
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

void ax_pushed_put_value(struct ax_buf *out, struct ax_str from, struct ax_storage storage)
{
    assert(out);
    ax_buf_printf(out, "CAST(%.*s AS ", AX_STR_ARG(from));
    ax_storage_put_type(out, storage);
    (void)ax_buf_append_char(out, ')');
}

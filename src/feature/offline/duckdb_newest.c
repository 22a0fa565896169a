/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB sorts the moments at which rows come or go, by key; one pass over them keeps the newest
 * rows (feature/newest.h) and notes where they change. Read in parts by a hash of the key, so that
 * what is noted fits memory; DuckDB has one stream at a time, so it is handed back after it.
 */
#include "feature/offline/duckdb_newest.h"

#include "feature/newest.h"
#include "feature/offline/duckdb_keep.h"

#include <assert.h>
#include <stdio.h>

#define CHANGE_BYTES ((size_t)32)

/* Columns of the stream, and of what is noted. */
enum { KEY, MOMENT, TIME, ROW, GONE, READ_COUNT };
enum { BEHIND = 3, NOTED_COUNT };

struct maker {
    struct ax_offline *offline;
    const struct ax_view *view;
    const struct ax_source_table *table;
    struct ax_role_slice slice;
    size_t number;
    struct ax_newest newest;
    struct ax_buf noted[NOTED_COUNT]; /* int64_t: k, m, r, behind */
    size_t noted_rows;
    int64_t key, moment; /* that rows are read of; key -1: none yet */
    int64_t last[2];     /* what was noted last of the key */
    struct ax_err *err;
};

/* ---- the stream ---- */

static void put_keys(const struct maker *m, const char *separator)
{
    for (size_t i = 0; i < m->view->entity->key_count; i++)
        ax_buf_printf(&m->offline->text, "%sc%zu", i ? separator : "", m->view->key_columns[i]);
}

static void put_stream(const struct maker *m, size_t part, size_t parts)
{
    struct ax_buf *text = &m->offline->text;
    ax_buf_printf(text, "WITH ax_r AS (SELECT rowid AS r, min(rowid) OVER (PARTITION BY ");
    put_keys(m, ", ");
    ax_buf_printf(text, ") AS k, epoch_us(c%ld) AS t, seen, gone FROM %s WHERE ",
                  m->table->source->time, m->table->name);
    put_keys(m, " IS NOT NULL AND ");
    ax_buf_printf(text, " IS NOT NULL");
    ax_view_put_slice(text, " AND ", m->view, m->slice);
    ax_buf_printf(text, ") SELECT * FROM (SELECT k, seen AS m, t, r, gone FROM ax_r "
                        "UNION ALL SELECT k, gone, NULL, NULL, NULL FROM ax_r WHERE gone IS NOT "
                        "NULL)");
    if (parts > 1)
        ax_buf_printf(text, " WHERE hash(k) %% %zu = %zu", parts, part);
    ax_buf_printf(text, " ORDER BY k, m");
}

/* ---- what changes ---- */

static enum ax_code note(struct maker *m, const int64_t numbers[2])
{
    const int64_t row[NOTED_COUNT] = { m->key, m->moment, numbers[0], numbers[1] };
    for (size_t i = 0; i < NOTED_COUNT; i++)
        if (ax_buf_append(&m->noted[i], &row[i], sizeof(row[i])))
            return ax_buf_check(&m->noted[i], "what changes of the newest events", m->err);
    m->noted_rows++;
    m->last[0] = numbers[0];
    m->last[1] = numbers[1];
    return AX_OK;
}

/* All rows of a moment were read. */
static enum ax_code end_moment(struct maker *m)
{
    int64_t numbers[2];
    if (m->key < 0)
        return AX_OK;
    ax_newest_get(&m->newest, m->moment, numbers);
    if (numbers[0] == m->last[0] && numbers[1] == m->last[1])
        return AX_OK;
    return note(m, numbers);
}

static enum ax_code read_row(struct maker *m, const struct ax_sql_chunk *chunk, size_t row)
{
    const struct ax_sql_column *columns = chunk->columns;
    int64_t key = columns[KEY].i64s[row];
    int64_t moment = columns[MOMENT].i64s[row];
    if ((key != m->key || moment != m->moment) && end_moment(m))
        return m->err->code;
    if (key != m->key) {
        ax_newest_clear(&m->newest);
        m->last[0] = m->last[1] = -1;
    }
    m->key = key;
    m->moment = moment;
    if (ax_sql_is_null(&columns[ROW], row))
        return AX_OK;
    bool stays = ax_sql_is_null(&columns[GONE], row);
    struct ax_newest_row one = { .time = columns[TIME].i64s[row],
                                 .number = columns[ROW].i64s[row],
                                 .gone = stays ? AX_NEWEST_STAYS : columns[GONE].i64s[row] };
    return ax_newest_add(&m->newest, one, m->err);
}

static enum ax_code read_stream(struct maker *m)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk = { 0 };
    if (ax_offline_query(m->offline, &stream, m->err))
        return m->err->code;
    assert(ax_sql_stream_column_count(stream) == READ_COUNT);
    m->key = -1;
    while (!ax_sql_stream_next(stream, &chunk, m->err) && chunk.rows)
        for (size_t row = 0; row < chunk.rows && !m->err->code; row++)
            (void)read_row(m, &chunk, row);
    if (!m->err->code)
        (void)end_moment(m);
    ax_sql_stream_free(stream);
    return m->err->code;
}

/* ---- the table ---- */

static enum ax_code hand_back(struct maker *m, bool is_first)
{
    static const struct ax_sql_table_column columns[NOTED_COUNT] = {
        { "k", { .type = AX_SQL_I64 } },
        { "m", { .type = AX_SQL_I64 } },
        { "r", { .type = AX_SQL_I64 } },
        { "behind", { .type = AX_SQL_I64 } },
    };
    char name[24];
    struct ax_sql_column noted[NOTED_COUNT];
    for (size_t i = 0; i < NOTED_COUNT; i++)
        noted[i] = (struct ax_sql_column){ .type = AX_SQL_I64,
                                           .i64s = (const int64_t *)(const void *)m->noted[i].ptr };
    (void)snprintf(name, sizeof(name), "ax_v%zu", m->number);
    struct ax_kept_rows rows = { name,    is_first,    AX_STR("SELECT * FROM " AX_KEPT_ROWS),
                                 columns, NOTED_COUNT, { m->noted_rows, noted } };
    return ax_offline_keep(m->offline, &rows, m->err);
}

static enum ax_code make_part(struct maker *m, size_t part, size_t parts)
{
    m->noted_rows = 0;
    for (size_t i = 0; i < NOTED_COUNT; i++)
        ax_buf_reset(&m->noted[i]);
    put_stream(m, part, parts);
    return read_stream(m) || hand_back(m, part == 0) ? m->err->code : AX_OK;
}

enum ax_code ax_newest_table_make(struct ax_offline *offline, const struct ax_view *view,
                                  const struct ax_source_table *table, struct ax_role_slice slice,
                                  size_t number, struct ax_err *err)
{
    assert(offline && view && table && table->as_known && table->source->event_id_count && err);
    struct maker m = { .offline = offline,
                       .view = view,
                       .table = table,
                       .slice = slice,
                       .number = number,
                       .err = err };
    ax_newest_init(&m.newest);
    for (size_t i = 0; i < NOTED_COUNT; i++)
        ax_buf_init(&m.noted[i], SIZE_MAX);
    /* A row comes, and may go. */
    size_t parts =
        table->rows / slice.count / (ax_offline_part_bytes(offline) / (2 * CHANGE_BYTES)) + 1;
    for (size_t part = 0; part < parts && !err->code; part++)
        (void)make_part(&m, part, parts);
    for (size_t i = 0; i < NOTED_COUNT; i++)
        ax_buf_done(&m.noted[i]);
    ax_newest_done(&m.newest);
    return err->code;
}

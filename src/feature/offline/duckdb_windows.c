/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB sorts events and rows together by (key, moment, events first); feature/window_join.h reads
 * that stream and gives values; they go back as a table of ours, and DuckDB computes the fields.
 *
 * An event is told by its rowid, whose order is that of ids. Final: it comes in at its time. As
 * known: each version is an event of its own, which comes in when it is seen and is gone when the
 * next version is known. States are events whose id is their key and time. DuckDB has one stream at
 * a time, so values are handed back after it, and the stream is read for so many rows, or keys, as
 * have values that fit memory. DuckDB holds the lists and texts that it sorts, so those are put in
 * the order of rows here, one range of rows after the other.
 */
#include "feature/offline/duckdb_windows.h"

#include "base/alloc.h"
#include "data/expr/expr_sql.h"
#include "data/expr/values_sql.h"
#include "feature/offline/duckdb_keep.h"
#include "feature/offline/duckdb_role.h"
#include "feature/view_windows.h"
#include "feature/window_id.h"
#include "feature/window_output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define LIST_GUESS      16   /* items of a list, before any is seen */
#define SHARE_WANTED    0.75 /* of memory for values, by those of the piece before */
#define KEYS_MAX        16   /* of an entity; where definitions are read it is checked */
#define KEY_BYTES_MAX   ((size_t)1 << 20)

/* Columns of the stream behind the keys. */
enum { MOMENT, IS_PROBE, EVENT, TIME, IS_GONE, NUMBER, VALUES };

struct windows {
    struct ax_role_run run;
    struct ax_arena arena;
    struct ax_view_windows made;
    struct ax_window_output output;
    bool *used; /* columns of the source that are read of events */
    /* Keys as numbers, in the order in which they come. */
    struct ax_buf key, last_key;
    int64_t key_number;
    int64_t *keys;
    int64_t *sequences;
    uint64_t *key_validity;
    size_t room;
    size_t from, to; /* rows to be given values; of a slice by keys those of them that it has */
    size_t parts;    /* by keys */
    bool is_ordered; /* pieces are ranges of rows without gaps, put in order here */
    bool has_table;  /* for values, or for fields */
    struct ax_err *err;
};

/* What is made at once: rows [from, to), of those the keys whose hash is `part` of `parts`. */
struct piece {
    size_t part, parts;
    size_t from, to;
    /* Times of events that matter: (after, until]. */
    int64_t after, until;
};

static void put(const struct windows *w, const char *text)
{
    (void)ax_buf_append_str(w->run.text, ax_str_from(text));
}

static bool is_whole(const struct windows *w, const struct piece *piece)
{
    return piece->from == 0 && piece->to == w->run.offline->rows;
}

/* All, of slices that are ranges of rows. */
static struct ax_role_slice keys_of(const struct windows *w)
{
    return w->is_ordered ? (struct ax_role_slice){ 0, 1 } : w->run.slice;
}

/* Values by keys are put in order when all are there: those of slices when these are united. */
static bool is_ordered_at_last(const struct windows *w)
{
    return !w->is_ordered && w->run.slice.count == 1;
}

/* ---- the stream in SQL ---- */

static void put_input(struct ax_buf *out, size_t input, void *arg AX_UNUSED)
{
    ax_buf_printf(out, "c%zu", input);
}

/* "c1, c2": the keys. */
static void put_keys(const struct windows *w, const char *separator)
{
    for (size_t i = 0; i < w->run.view->entity->key_count; i++)
        ax_buf_printf(w->run.text, "%sc%zu", i ? separator : "", w->run.view->key_columns[i]);
}

/* The rows that have a key and matter to a piece, with their rowid as r; as known also seen and
 * gone. */
static void put_keyed_rows(const struct windows *w, const struct piece *piece)
{
    ax_buf_printf(w->run.text, "SELECT *, rowid AS r FROM %s WHERE ", w->run.table->name);
    put_keys(w, " IS NOT NULL AND ");
    put(w, " IS NOT NULL");
    ax_view_put_slice(w->run.text, " AND ", w->run.view, keys_of(w));
    if (!is_whole(w, piece))
        ax_buf_printf(
            w->run.text, " AND epoch_us(c%ld) > %" PRId64 " AND epoch_us(c%ld) <= %" PRId64,
            w->run.table->source->time, piece->after, w->run.table->source->time, piece->until);
}

/* Of states a key has one a time, the last: of all rows, or as known of those that are seen, until
 * the next one is. */
static void put_states(const struct windows *w, const struct piece *piece)
{
    if (!w->run.table->as_known) {
        put_keyed_rows(w, piece);
        ax_buf_printf(w->run.text, " AND rowid IN (SELECT max(rowid) FROM %s", w->run.table->name);
        ax_view_put_slice(w->run.text, " WHERE ", w->run.view, keys_of(w));
        put(w, " GROUP BY ");
        put_keys(w, ", ");
        ax_buf_printf(w->run.text, ", c%ld)", w->run.table->source->time);
        return;
    }
    put(w, "SELECT * FROM (SELECT *, lead(seen) OVER (PARTITION BY ");
    put_keys(w, ", ");
    ax_buf_printf(w->run.text, ", c%ld ORDER BY r) AS gone FROM (", w->run.table->source->time);
    put_keyed_rows(w, piece);
    put(w, ")) WHERE gone IS NULL OR gone > seen");
}

static bool are_states(const struct windows *w)
{
    return w->run.table->source->event_id_count == 0;
}

/* Of a row: its key as g<i>, and the columns that the stream has of rows of all kinds. */
static void put_event(const struct windows *w, const char *moment, bool is_gone)
{
    put(w, "SELECT ");
    for (size_t i = 0; i < w->run.view->entity->key_count; i++)
        ax_buf_printf(w->run.text, "c%zu AS g%zu, ", w->run.view->key_columns[i], i);
    ax_buf_printf(w->run.text,
                  "%s AS m, false AS p, r AS i, epoch_us(c%ld) AS t, %s AS x, CAST(NULL AS BIGINT) "
                  "AS n",
                  moment, w->run.table->source->time, is_gone ? "true" : "false");
}

static void put_no_values(const struct windows *w)
{
    for (size_t i = 0; i < w->made.column_count; i++)
        ax_buf_printf(w->run.text, ", CAST(NULL AS %s) AS v%zu",
                      ax_type_sql(w->made.columns[i]->type, AX_SQL_DUCKDB), i);
}

/* What the columns read of an event, as expressions see it. */
static void put_seen_columns(const struct windows *w)
{
    char name[32];
    for (size_t i = 0; i < w->run.table->source->column_count; i++) {
        if (!w->used[i])
            continue;
        (void)snprintf(name, sizeof(name), "c%zu", i);
        put(w, ", ");
        ax_storage_put_widened(w->run.text, name, w->run.table->source->columns[i].storage);
        ax_buf_printf(w->run.text, " AS c%zu", i);
    }
}

/* The names that put_event gives. */
static void put_event_names(const struct windows *w, struct ax_buf *out)
{
    for (size_t i = 0; i < w->run.view->entity->key_count; i++)
        ax_buf_printf(out, "g%zu, ", i);
    ax_buf_printf(out, "m, p, i, t, x, n");
}

static void put_events(struct windows *w)
{
    size_t count = w->made.column_count;
    struct ax_expr_column *columns = ax_xalloc((count + 1) * sizeof(*columns));
    char(*names)[24] = ax_xalloc((count + 1) * sizeof(*names));
    struct ax_buf *text = w->run.text;
    struct ax_buf from;
    struct ax_buf keep;
    ax_buf_init(&from, AX_OFFLINE_TEXT_MAX);
    ax_buf_init(&keep, AX_OFFLINE_TEXT_MAX);
    char time[40];
    (void)snprintf(time, sizeof(time), "epoch_us(c%ld)", w->run.table->source->time);
    w->run.text = &from;
    put(w, "(");
    put_event(w, w->run.table->as_known ? "seen" : time, false);
    put_seen_columns(w);
    put(w, " FROM ax_events)");
    w->run.text = text;
    put_event_names(w, &keep);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "v%zu", i);
        columns[i] = (struct ax_expr_column){ w->made.columns[i], ax_str_from(names[i]) };
    }
    ax_expr_put_select(text, columns, count, ax_buf_str(&keep), ax_buf_str(&from), AX_SQL_DUCKDB,
                       put_input, NULL);
    ax_buf_fail_with(text, &from);
    ax_buf_fail_with(text, &keep);
    ax_buf_done(&from);
    ax_buf_done(&keep);
    free(columns);
    free(names);
}

static void put_gone(struct windows *w)
{
    put(w, " UNION ALL ");
    put_event(w, "gone", true);
    put_no_values(w);
    put(w, " FROM ax_events WHERE gone IS NOT NULL");
}

/* The event that the row is itself. */
static void put_self(const struct windows *w)
{
    const struct ax_source *source = w->run.table->source;
    put(w, " LEFT JOIN (SELECT rowid AS i");
    for (size_t i = 0; i < source->event_id_count; i++)
        ax_buf_printf(w->run.text, ", c%zu", source->event_id[i]);
    ax_buf_printf(w->run.text, "%s FROM %s) AS h ON ", w->run.table->as_known ? ", seen, gone" : "",
                  w->run.table->name);
    ax_role_run_put_self(&w->run, "r", "h");
    /* Were it told by OR, DuckDB would not hash but compare all rows to all events. */
    if (w->run.table->as_known)
        ax_buf_printf(w->run.text, " AND r.a >= h.seen AND r.a < coalesce(h.gone, %" PRId64 ")",
                      INT64_MAX);
}

/* A row without a moment is one without a key: it meets no event. */
static void put_probes(struct windows *w, const struct piece *piece)
{
    put(w, " UNION ALL SELECT ");
    for (size_t i = 0; i < w->run.view->entity->key_count; i++)
        ax_buf_printf(w->run.text, "CASE WHEN r.a IS NOT NULL THEN r.k%zu END, ",
                      w->run.role->call_keys[i]);
    put(w, "coalesce(r.a, 0), true, ");
    bool has_self = ax_role_run_has_self(&w->run);
    put(w, has_self ? "h.i" : "CAST(NULL AS BIGINT)");
    put(w, ", CAST(NULL AS BIGINT), false, r.n");
    put_no_values(w);
    put(w, " FROM (SELECT rowid AS n, * FROM ax_rows");
    if (!is_whole(w, piece))
        ax_buf_printf(w->run.text, " WHERE rowid >= %zu AND rowid < %zu", piece->from, piece->to);
    ax_role_put_rows_slice(w->run.text, is_whole(w, piece) ? " WHERE " : " AND ", w->run.service,
                           w->run.number, keys_of(w));
    put(w, ") AS r");
    if (has_self)
        put_self(w);
}

static void put_stream(struct windows *w, const struct piece *piece)
{
    size_t key_count = w->run.view->entity->key_count;
    put(w, "WITH ax_events AS (");
    if (are_states(w))
        put_states(w, piece);
    else
        put_keyed_rows(w, piece);
    put(w, ") SELECT * FROM (");
    put_events(w);
    if (w->run.table->has_versions || (w->run.table->as_known && are_states(w)))
        put_gone(w);
    put_probes(w, piece);
    put(w, ")");
    for (size_t i = 0; piece->parts > 1 && i < key_count; i++)
        ax_buf_printf(w->run.text, "%sg%zu", i ? ", " : " WHERE hash(", i);
    /* The hash divided by the number of slices has left the same in all of one. */
    if (piece->parts > 1)
        ax_buf_printf(w->run.text, ") // %zu %% %zu = %zu", w->run.slice.count, piece->parts,
                      piece->part);
    put(w, " ORDER BY ");
    for (size_t i = 0; i < key_count; i++)
        ax_buf_printf(w->run.text, "g%zu, ", i);
    put(w, "m, p");
}

/* ---- the stream in C ---- */

static struct ax_type type_of(enum ax_sql_type type)
{
    static const enum ax_type_kind kinds[] = {
        [AX_SQL_BOOL] = AX_TYPE_BOOL,           [AX_SQL_I64] = AX_TYPE_INT64,
        [AX_SQL_F64] = AX_TYPE_FLOAT64,         [AX_SQL_TEXT] = AX_TYPE_STRING,
        [AX_SQL_TIMESTAMP] = AX_TYPE_TIMESTAMP,
    };
    assert(type != AX_SQL_LIST);
    return (struct ax_type){ kinds[type], false };
}

static enum ax_code make_room(struct windows *w, size_t rows)
{
    if (rows <= w->room)
        return AX_OK;
    free(w->keys);
    free(w->sequences);
    free(w->key_validity);
    w->room = 0;
    w->keys = ax_try_alloc(rows, sizeof(*w->keys));
    w->sequences = ax_try_alloc(rows, sizeof(*w->sequences));
    w->key_validity = ax_try_alloc(rows / 64 + 1, sizeof(*w->key_validity));
    if (!w->keys || !w->sequences || !w->key_validity)
        return ax_fail(w->err, AX_E_LIMIT, "no memory for a part of the stream");
    w->room = rows;
    return AX_OK;
}

/* Number the keys of a chunk: a key that differs from the one before is the next. */
static enum ax_code number_keys(struct windows *w, const struct ax_sql_chunk *chunk)
{
    size_t key_count = w->run.view->entity->key_count;
    assert(key_count <= KEYS_MAX);
    struct ax_values parts[KEYS_MAX];
    const struct ax_values *list[KEYS_MAX];
    for (size_t i = 0; i < key_count; i++) {
        parts[i] =
            ax_values_borrow_sql(&chunk->columns[i], type_of(chunk->columns[i].type), chunk->rows);
        list[i] = &parts[i];
    }
    memset(w->key_validity, 0, (chunk->rows / 64 + 1) * sizeof(*w->key_validity));
    for (size_t row = 0; row < chunk->rows; row++) {
        bool is_null = false;
        for (size_t i = 0; i < key_count; i++)
            is_null |= ax_values_is_null(&parts[i], row);
        w->keys[row] = w->key_number;
        if (is_null)
            continue;
        if (ax_window_id_put(&w->key, list, key_count, row, w->err))
            return w->err->code;
        if (!ax_str_equals(ax_buf_str(&w->key), ax_buf_str(&w->last_key)) || !w->key_number) {
            struct ax_buf kept = w->last_key;
            w->last_key = w->key;
            w->key = kept;
            w->key_number++;
        }
        w->keys[row] = w->key_number;
        w->key_validity[row / 64] |= UINT64_C(1) << row % 64;
    }
    return AX_OK;
}

static enum ax_code push_chunk(struct windows *w, struct ax_window_join *join,
                               const struct ax_sql_chunk *chunk)
{
    const struct ax_sql_column *columns = chunk->columns + w->run.view->entity->key_count;
    if (make_room(w, chunk->rows) || number_keys(w, chunk))
        return w->err->code;
    for (size_t row = 0; row < chunk->rows; row++)
        w->sequences[row] = columns[IS_GONE].bools[row];
    struct ax_values event = ax_values_borrow_sql(
        &columns[EVENT], (struct ax_type){ AX_TYPE_INT64, false }, chunk->rows);
    const struct ax_values *ids[] = { &event };
    struct ax_values values[AX_WINDOW_COLUMNS_MAX];
    const struct ax_values *list[AX_WINDOW_COLUMNS_MAX];
    for (size_t i = 0; i < w->made.column_count; i++) {
        values[i] =
            ax_values_borrow_sql(&columns[VALUES + i], w->made.columns[i]->type, chunk->rows);
        list[i] = &values[i];
    }
    struct ax_window_join_rows rows = {
        .count = chunk->rows,
        .keys = w->keys,
        .key_validity = w->key_validity,
        .moments = columns[MOMENT].i64s,
        .are_probes = columns[IS_PROBE].bools,
        .times = columns[TIME].i64s,
        .sequences = w->sequences,
        .are_gone = columns[IS_GONE].bools,
        .ids = ids,
        .id_count = 1,
        .numbers = columns[NUMBER].i64s,
        .columns = list,
    };
    return ax_window_join_push(join, &rows, w->err);
}

static enum ax_code read_stream(struct windows *w, struct ax_sql_stream *stream)
{
    struct ax_window_join_config config = {
        .spec = w->made.spec,
        .mode = w->run.table->as_known || ax_role_run_has_self(&w->run) ? AX_WINDOW_ANY
                                                                        : AX_WINDOW_SORTED,
        .sink = &w->output.sink,
    };
    struct ax_window_join *join;
    struct ax_sql_chunk chunk;
    if (ax_window_join_new(&config, &join, w->err))
        return w->err->code;
    w->key_number = 0;
    do {
        if (ax_sql_stream_next(stream, &chunk, w->err) ||
            (chunk.rows && push_chunk(w, join, &chunk)))
            break;
    } while (chunk.rows);
    ax_window_join_free(join);
    return w->err->code;
}

/* ---- the values as a table ---- */

/* A list's spans are of another form. False: memory was refused. */
static bool fill_column(const struct ax_values *values, struct ax_sql_column *column,
                        struct ax_sql_column *items)
{
    struct ax_sql_list *lists = NULL;
    if (values->type.is_list) {
        lists = ax_try_alloc(AX_MAX(values->rows, (size_t)1), sizeof(*lists));
        if (!lists)
            return false;
    }
    *column = ax_values_lend_sql(values, lists, items);
    return true;
}

/* ---- the fields ---- */

static void put_aggregate(struct ax_buf *out, size_t input, void *arg AX_UNUSED)
{
    ax_buf_printf(out, "w%zu", input);
}

static void put_fields(struct windows *w, struct ax_str from)
{
    put(w, "SELECT ");
    ax_role_run_put_fields(&w->run, NULL);
    put(w, "n FROM ");
    ax_role_run_put_values(&w->run, w->made.field_roots, AX_STR("n"), from, put_aggregate);
}

/* Append what comes of a piece: its fields to ax_s<role>, or its values to ax_w<role>, when they
 * are to be put in order. */
static enum ax_code keep_values(struct windows *w, const struct ax_sql_table_column *columns,
                                const struct ax_sql_column *values)
{
    char name[24];
    struct ax_buf query;
    struct ax_buf *text = w->run.text;
    (void)snprintf(name, sizeof(name), is_ordered_at_last(w) ? "ax_w%zu" : "ax_s%zu",
                   w->run.number);
    ax_buf_init(&query, AX_OFFLINE_TEXT_MAX);
    w->run.text = &query;
    if (is_ordered_at_last(w))
        put(w, "SELECT * FROM " AX_KEPT_ROWS);
    else
        put_fields(w, AX_STR(AX_KEPT_ROWS));
    w->run.text = text;
    struct ax_kept_rows rows = { .table = name,
                                 .is_first = !w->has_table,
                                 .query = ax_buf_str(&query),
                                 .columns = columns,
                                 .column_count = w->made.aggregate_count + 1,
                                 .chunk = { w->output.rows, values } };
    w->has_table = true;
    if (!ax_buf_check(&query, "the query", w->err))
        (void)(ax_offline_keep(w->run.offline, &rows, w->err) != AX_OK);
    ax_buf_done(&query);
    return w->err->code;
}

static enum ax_code hand_back(struct windows *w)
{
    size_t count = w->made.aggregate_count;
    struct ax_sql_table_column *columns = ax_xalloc((count + 1) * sizeof(*columns));
    char(*names)[24] = ax_xalloc((count + 1) * sizeof(*names));
    struct ax_sql_column *values = ax_xalloc((count + 1) * sizeof(*values));
    struct ax_sql_column *items = ax_xalloc((count + 1) * sizeof(*items));
    bool filled = true;
    columns[0] = (struct ax_sql_table_column){ .name = "n", .kind = { .type = AX_SQL_I64 } };
    values[0] = (struct ax_sql_column){ .type = AX_SQL_I64, .i64s = w->output.numbers };
    for (size_t i = 0; i < count; i++) {
        const struct ax_values *from = &w->output.columns[i];
        (void)snprintf(names[i], sizeof(names[i]), "w%zu", i);
        columns[i + 1] = (struct ax_sql_table_column){
            .name = names[i],
            .kind = ax_values_sql_kind(from->type),
        };
        filled = fill_column(from, &values[i + 1], &items[i]) && filled;
    }
    enum ax_code code = filled ? keep_values(w, columns, values)
                               : ax_fail(w->err, AX_E_LIMIT, "no memory for lists of windows");
    for (size_t i = 0; i < count; i++)
        if (w->output.columns[i].type.is_list)
            free((void *)(uintptr_t)values[i + 1].lists);
    free(values);
    free(items);
    free(names);
    free(columns);
    return code;
}

/* Of values by keys. */
static enum ax_code make_fields(struct windows *w)
{
    char from[32];
    (void)snprintf(from, sizeof(from), "ax_w%zu", w->run.number);
    ax_buf_printf(w->run.text, "CREATE TEMP TABLE ax_s%zu AS ", w->run.number);
    put_fields(w, ax_str_from(from));
    put(w, " ORDER BY n");
    if (ax_offline_run(w->run.offline, w->err))
        return w->err->code;
    ax_buf_printf(w->run.text, "DROP TABLE ax_w%zu", w->run.number);
    return ax_offline_run(w->run.offline, w->err);
}

/* ---- the role ---- */

/* The field whose values take most: that with the longest list. */
static struct ax_str longest_field(const struct windows *w)
{
    const struct ax_field *longest = NULL;
    int64_t most = -1;
    for (size_t i = 0; i < w->run.view->field_count; i++) {
        const struct ax_field *field = &w->run.view->fields[i];
        for (size_t k = 0; w->run.wanted[i] && k < field->parsed.aggregate_count; k++) {
            const struct ax_aggregate *aggregate = &field->parsed.aggregates[k];
            int64_t length = aggregate->type.is_list ? aggregate->n : 0;
            if (length <= most)
                continue;
            most = length;
            longest = field;
        }
    }
    assert(longest);
    return longest->name;
}

/* Values did not fit memory. */
static void tell_remedy(const struct windows *w)
{
    if (w->err->code == AX_E_LIMIT || w->err->code == AX_E_TOO_LARGE)
        (void)ax_err_context(
            w->err,
            "too many values for memory; shorter lists in field '%.*s' or a higher "
            "--memory-max help",
            AX_STR_ARG(longest_field(w)));
}

static enum ax_code read_piece(struct windows *w, const struct piece *piece)
{
    struct ax_sql_stream *stream;
    put_stream(w, piece);
    if (ax_offline_query(w->run.offline, &stream, w->err))
        return w->err->code;
    enum ax_code code = read_stream(w, stream);
    ax_sql_stream_free(stream);
    return code;
}

/* Times that can matter to the rows of a piece. */
static enum ax_code find_times(const struct windows *w, struct piece *piece)
{
    int64_t least = 0;
    static const char *const ends[] = { "min", "max" };
    int64_t *found[] = { &least, &piece->until };
    for (size_t i = 0; i < AX_COUNT(ends) && !is_whole(w, piece); i++) {
        ax_buf_printf(w->run.text,
                      "SELECT coalesce(%s(a), 0) FROM ax_rows WHERE rowid >= %zu AND rowid < %zu",
                      ends[i], piece->from, piece->to);
        if (ax_offline_get_i64(w->run.offline, found[i], w->err))
            return w->err->code;
    }
    piece->after = least - ax_window_spec_reach_us(w->made.spec);
    return AX_OK;
}

static enum ax_code run_piece(struct windows *w, struct piece *piece)
{
    if (find_times(w, piece) || read_piece(w, piece))
        return w->err->code;
    if (w->is_ordered && !ax_window_output_sort(&w->output, (int64_t)piece->from))
        return ax_fail(w->err, AX_E_LIMIT, "no memory for the values of windows");
    return hand_back(w);
}

/* Rows whose values take what is wanted, by what so many took. */
static size_t next_count(const struct windows *w, size_t count, size_t bytes)
{
    double wanted = SHARE_WANTED * (double)w->output.bytes_max * (double)count;
    double rows = wanted / (double)AX_MAX(bytes, (size_t)1);
    return rows < (double)w->to ? AX_MAX((size_t)rows, (size_t)1) : w->to;
}

/* As many rows at a time as memory has for their values: half as many when there were too many,
 * and else as many as what the last ones took tells. */
static enum ax_code run_part(struct windows *w, size_t part, size_t count)
{
    struct piece piece = { .part = part, .parts = w->parts, .from = w->from };
    do {
        piece.to = AX_MIN(w->to, piece.from + count);
        size_t too_many = w->output.too_many;
        (void)(run_piece(w, &piece) != AX_OK);
        bool is_full = w->output.is_full;
        size_t bytes = w->output.bytes;
        ax_window_output_reset(&w->output);
        if (is_full && count > 1) {
            ax_err_clear(w->err);
            w->output.too_many = too_many;
            count = (AX_MIN(count, w->to - piece.from) + 1) / 2;
            continue;
        }
        count = next_count(w, piece.to - piece.from, bytes);
        piece.from = piece.to;
    } while (piece.from < w->to && !w->err->code);
    return w->err->code;
}

/* What a row's values take, if lists are short. */
static size_t guess_row_bytes(const struct windows *w)
{
    size_t bytes = 2 * sizeof(int64_t);
    for (size_t i = 0; i < w->made.aggregate_count; i++) {
        int64_t n = AX_MIN(w->made.aggregates[i].n, (int64_t)LIST_GUESS);
        bytes += 2 * sizeof(int64_t) * (size_t)AX_MAX(n, (int64_t)1);
    }
    return bytes;
}

/* Recurses, no deeper than trees are. */
static bool reads_aggregate(const struct ax_expr *root, size_t aggregate)
{
    if (!root || root->kind == AX_EXPR_LITERAL)
        return false;
    if (root->kind == AX_EXPR_INPUT)
        return root->input == aggregate;
    for (size_t i = 0; i < root->arg_count; i++)
        if (reads_aggregate(root->args[i], aggregate))
            return true;
    return false;
}

/* Which values of top_k are null since there were too many. */
static struct ax_too_many find_too_many(const struct windows *w)
{
    size_t field = 0;
    if (!w->output.too_many)
        return (struct ax_too_many){ .count = 0 };
    while (!reads_aggregate(w->made.field_roots[field], w->output.first_too_many))
        field++;
    return (struct ax_too_many){ w->output.too_many, w->run.view, field };
}

static enum ax_code run_parts(struct windows *w)
{
    size_t most = w->output.bytes_max / guess_row_bytes(w) + 1;
    size_t rows = w->run.offline->rows;
    struct ax_role_slice slice = w->run.slice;
    bool is_wide = ax_role_values(w->run.service, w->run.number).are_wide;
    w->parts = is_wide ? 1 : rows / slice.count / most + 1;
    w->is_ordered = is_wide || (slice.count == 1 && w->parts == 1);
    w->from = is_wide ? ax_role_slice_begin(rows, slice.at, slice.count) : 0;
    w->to = is_wide ? ax_role_slice_begin(rows, slice.at + 1, slice.count) : rows;
    for (size_t part = 0; part < w->parts; part++)
        if (run_part(w, part, is_wide ? most : rows))
            break;
    if (!w->err->code && is_ordered_at_last(w))
        (void)(make_fields(w) != AX_OK);
    if (w->err->code)
        tell_remedy(w);
    else
        w->run.offline->too_many = find_too_many(w);
    return w->err->code;
}

/* What is read of events, once the view's windows are made. */
static void mark_used(struct windows *w)
{
    for (size_t i = 0; i < w->made.column_count; i++)
        ax_expr_inputs(w->made.columns[i], w->used);
}

enum ax_code ax_role_windows(struct ax_offline *offline, const struct ax_role_job *job,
                             struct ax_err *err)
{
    assert(offline && job && !job->takes_rows && err);
    struct windows w = { .err = err };
    const struct ax_view *view = job->service->roles[job->role].view;
    assert(view->windowed);
    if (job->table->source->time < 0)
        return ax_fail(err, AX_E_UNSUPPORTED, "view '%.*s' has windows over a source without times",
                       AX_STR_ARG(view->name));
    ax_role_run_init(&w.run, offline, job);
    ax_arena_init(&w.arena, 4096, ARENA_BYTES_MAX);
    if (!ax_view_windows_make(view, w.run.wanted, &w.arena, &w.made, err)) {
        ax_buf_init(&w.key, KEY_BYTES_MAX);
        ax_buf_init(&w.last_key, KEY_BYTES_MAX);
        ax_window_output_init(&w.output, w.made.spec, ax_offline_part_bytes(offline));
        w.used = ax_xalloc((job->table->source->column_count + 1) * sizeof(*w.used));
        mark_used(&w);
        if (run_parts(&w))
            (void)ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
        ax_window_output_done(&w.output);
        ax_buf_done(&w.key);
        ax_buf_done(&w.last_key);
        free(w.used);
        free(w.keys);
        free(w.sequences);
        free(w.key_validity);
        ax_view_windows_done(&w.made);
    }
    ax_arena_done(&w.arena);
    ax_role_run_done(&w.run);
    return err->code;
}

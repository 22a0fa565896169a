/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a training set. Two tables of the embedded database carry the work: ax_rows, the query's
 * result, and ax_parts, which adds label, weight and part to each row that has a label. The rows of
 * ax_parts are streamed once, in order; each is converted and appended to the files of its part.
 * The order is that of the query, or of the file without one: then ax_row counts its rows from 1.
 */
#include "pipeline/training_set.h"

#include "base/alloc.h"
#include "pipeline/dataset_content.h"
#include "pipeline/row_order.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX    ((size_t)16 << 20)
#define ARENA_MAX   ((size_t)256 << 20)
#define SHOWN_BYTES 200

struct part_files {
    FILE *values, *labels, *weights;
    struct ax_sha256 digest;
    size_t rows;
};

struct maker {
    struct ax_sql *sql;
    const struct ax_train_spec *spec;
    struct ax_str moment; /* the column that is `at`, or empty */
    const char *file;     /* or NULL */
    const char *folder;
    struct ax_training_set *set;
    struct ax_buf text;  /* of the statement being made */
    struct ax_buf order; /* `"a", "b"` */
    struct part_files files[AX_PART_COUNT];
    float *row;
    size_t rows_written;
    struct ax_err *err;
};

const char *ax_part_name(enum ax_part part)
{
    static const char *const names[] = { "train", "stop", "test" };
    assert((size_t)part < AX_COUNT(names));
    return names[part];
}

/* ---- statements ---- */

/* The statement that was made in m->text. */
static enum ax_code run(struct maker *m)
{
    enum ax_code code = ax_buf_check(&m->text, "statement", m->err);
    if (!code)
        code = ax_sql_run(m->sql, ax_buf_str(&m->text), m->err);
    ax_buf_reset(&m->text);
    return code;
}

static enum ax_code get_count(struct maker *m, int64_t *ret)
{
    enum ax_code code = ax_buf_check(&m->text, "statement", m->err);
    if (!code)
        code = ax_sql_get_i64(m->sql, ax_buf_str(&m->text), ret, m->err);
    ax_buf_reset(&m->text);
    return code;
}

static enum ax_code query(struct maker *m, struct ax_sql_stream **ret_stream)
{
    enum ax_code code = ax_buf_check(&m->text, "statement", m->err);
    if (!code)
        code = ax_sql_query(m->sql, ax_buf_str(&m->text), ret_stream, m->err);
    ax_buf_reset(&m->text);
    return code;
}

/* A column that is added; DuckDB would silently call ours otherwise. */
static enum ax_code check_own_name(struct maker *m, const struct ax_sql_stream *stream,
                                   struct ax_str name)
{
    for (size_t i = 0; i < ax_sql_stream_column_count(stream); i++)
        if (ax_str_equals_nocase(ax_sql_stream_column_name(stream, i), name))
            return ax_fail(m->err, AX_E_INVALID,
                           "the rows have a column '%.*s', a name that training needs itself; give "
                           "it another one",
                           AX_STR_ARG(name));
    return AX_OK;
}

static enum ax_code run_query(struct maker *m)
{
    if (!ax_row_order_print(m->sql, m->spec->query, &m->order, NULL, m->err)) {
        ax_buf_printf(&m->text, "CREATE TABLE ax_rows AS SELECT * FROM (\n%.*s\n)",
                      AX_STR_ARG(m->spec->query));
        (void)(run(m) != AX_OK);
    }
    return m->err->code ? ax_train_spec_explain_query(m->spec, m->sql, m->err) : AX_OK;
}

static void put_file(struct maker *m, const char *option)
{
    ax_buf_printf(&m->text, "FROM read_parquet(");
    ax_dataset_put_path(&m->text, m->file);
    ax_buf_printf(&m->text, ", hive_partitioning=false%s)", option);
}

/* The rows of the file, in its order, which a column counts. */
static enum ax_code read_in_order(struct maker *m)
{
    struct ax_sql_stream *stream = NULL;
    ax_buf_printf(&m->text, "SELECT * ");
    put_file(m, "");
    ax_buf_printf(&m->text, " LIMIT 0");
    if (query(m, &stream))
        return m->err->code;
    (void)check_own_name(m, stream, AX_STR(AX_TRAINING_ROW));
    ax_sql_stream_free(stream);
    if (m->err->code)
        return m->err->code;
    ax_buf_printf(&m->order, AX_TRAINING_ROW);
    ax_buf_printf(&m->text,
                  "CREATE TABLE ax_rows AS SELECT * EXCLUDE (file_row_number), file_row_number + 1 "
                  "AS %s ",
                  AX_TRAINING_ROW);
    put_file(m, ", file_row_number=true");
    return run(m);
}

/* The order is the query's, or else that of the file. */
static enum ax_code read_file(struct maker *m)
{
    if (!m->spec->query.len)
        return read_in_order(m) ? ax_err_context(m->err, "the rows") : AX_OK;
    if (ax_row_order_print(m->sql, m->spec->query, &m->order, NULL, m->err))
        return m->err->code;
    ax_buf_printf(&m->text, "CREATE TABLE ax_rows AS SELECT * ");
    put_file(m, "");
    return run(m) ? ax_err_context(m->err, "the history") : AX_OK;
}

/* What a dataset snapshot of the same rows would tell. */
static enum ax_code digest_rows(struct maker *m)
{
    const struct ax_str order = ax_buf_str(&m->order);
    ax_buf_printf(&m->text, "(SELECT * %s FROM ax_rows ORDER BY %.*s)",
                  m->spec->query.len ? "" : "EXCLUDE (" AX_TRAINING_ROW ")", AX_STR_ARG(order));
    enum ax_code code = ax_buf_check(&m->text, "the statement", m->err);
    if (!code)
        code = ax_dataset_content_digest(m->sql, ax_buf_str(&m->text), m->set->content, m->err);
    ax_buf_reset(&m->text);
    return code;
}

static enum ax_code make_rows(struct maker *m)
{
    int64_t rows = 0;
    if ((!m->spec->service && ax_train_spec_check(m->spec, m->sql, m->err)) ||
        (m->file ? read_file(m) : run_query(m)))
        return m->err->code;
    ax_buf_printf(&m->text, "SELECT count(*) FROM ax_rows");
    if (get_count(m, &rows))
        return m->err->code;
    m->set->rows_read = (size_t)rows;
    if (m->spec->query.len && ax_row_order_check(m->sql, "ax_rows", ax_buf_str(&m->order), m->err))
        return m->err->code;
    return m->spec->service ? AX_OK : digest_rows(m);
}

/* ---- columns ---- */

static enum ax_code unknown_column(struct maker *m, struct ax_str name,
                                   const struct ax_sql_stream *stream)
{
    size_t count = ax_sql_stream_column_count(stream);
    struct ax_str *names = ax_xalloc((count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = ax_sql_stream_column_name(stream, i);
    long nearest = ax_str_nearest(name, names, count);
    (void)ax_fail(m->err, AX_E_INVALID, "the rows have no column '%.*s'%s%.*s%s", AX_STR_ARG(name),
                  nearest < 0 ? "" : "; nearest is '", nearest < 0 ? 0 : (int)names[nearest].len,
                  nearest < 0 ? "" : names[nearest].ptr, nearest < 0 ? "" : "'");
    free(names);
    return m->err->code;
}

static enum ax_code find_column(struct maker *m, const struct ax_sql_stream *stream,
                                struct ax_training_column *column)
{
    size_t count = ax_sql_stream_column_count(stream);
    for (size_t i = 0; i < count; i++) {
        if (!ax_str_equals(ax_sql_stream_column_name(stream, i), column->name))
            continue;
        column->type = ax_sql_stream_column_type(stream, i);
        if (column->type == AX_SQL_TIMESTAMP)
            return ax_fail(m->err, AX_E_UNSUPPORTED,
                           "column '%.*s' is a time, which is no input; take numbers out of it in "
                           "the query (extract, date_diff)",
                           AX_STR_ARG(column->name));
        if (column->type == AX_SQL_BYTES)
            return ax_fail(m->err, AX_E_UNSUPPORTED,
                           "column '%.*s' is of bytes, which are no input; make a text or numbers "
                           "of them in the query (decode, hex)",
                           AX_STR_ARG(column->name));
        if (column->type == AX_SQL_LIST)
            return ax_fail(m->err, AX_E_UNSUPPORTED,
                           "column '%.*s' is a list, which is no input; take its items one by one "
                           "in the query",
                           AX_STR_ARG(column->name));
        return AX_OK;
    }
    return unknown_column(m, column->name, stream);
}

static enum ax_code find_columns(struct maker *m)
{
    struct ax_training_set *set = m->set;
    struct ax_sql_stream *stream = NULL;
    set->columns = ax_arena_zalloc(&set->arena, m->spec->column_count, sizeof(*set->columns));
    m->row = ax_arena_alloc(&set->arena, m->spec->column_count, sizeof(float));
    if (!set->columns || !m->row)
        return ax_arena_fail(&set->arena, "columns", m->err);
    ax_buf_printf(&m->text, "SELECT * FROM ax_rows LIMIT 0");
    if (query(m, &stream))
        return m->err->code;
    (void)(check_own_name(m, stream, AX_STR("ax_label")) ||
           check_own_name(m, stream, AX_STR("ax_weight")) ||
           check_own_name(m, stream, AX_STR("ax_part")));
    for (size_t i = 0; i < m->spec->column_count && !m->err->code; i++) {
        set->columns[i].name = m->spec->columns[i].name;
        ax_map_init(&set->columns[i].indexes);
        set->column_count = i + 1;
        (void)find_column(m, stream, &set->columns[i]);
    }
    ax_sql_stream_free(stream);
    return m->err->code;
}

/* ---- label, weight, part ---- */

static void print_part(struct maker *m)
{
    const struct ax_train_spec *spec = m->spec;
    if (spec->hash_column.len) {
        /* MD5, since it is the same on every machine and in every release of the library. */
        ax_buf_printf(&m->text, "CASE WHEN (md5_number_lower(CAST(");
        ax_sql_put_name(&m->text, spec->hash_column);
        ax_buf_printf(&m->text,
                      " AS VARCHAR)) %% 1000000) < %.0f THEN %d WHEN (md5_number_lower(CAST(",
                      spec->hash_test * 1e6, (int)AX_PART_TEST);
        ax_sql_put_name(&m->text, spec->hash_column);
        ax_buf_printf(&m->text, " AS VARCHAR)) %% 1000000) < %.0f THEN %d ELSE %d END",
                      (spec->hash_test + spec->hash_stop) * 1e6, (int)AX_PART_STOP,
                      (int)AX_PART_TRAIN);
        return;
    }
    ax_buf_printf(&m->text, "CASE WHEN ");
    ax_sql_put_name(&m->text, m->moment);
    ax_buf_printf(&m->text, " < CAST(");
    ax_sql_put_literal(&m->text, spec->stop_from);
    ax_buf_printf(&m->text, " AS TIMESTAMP) THEN %d WHEN ", (int)AX_PART_TRAIN);
    ax_sql_put_name(&m->text, m->moment);
    ax_buf_printf(&m->text, " < CAST(");
    ax_sql_put_literal(&m->text, spec->test_from);
    ax_buf_printf(&m->text, " AS TIMESTAMP) THEN %d ELSE %d END", (int)AX_PART_STOP,
                  (int)AX_PART_TEST);
}

/* Whether an expression over the rows can be computed; when not, its place is told. */
static bool can_compute(struct maker *m, const char *key, const char *before, struct ax_str text,
                        const char *behind)
{
    int64_t ignored = 0;
    if (!text.len)
        return true;
    ax_buf_printf(&m->text, "SELECT count(%s%.*s%s) FROM ax_rows", before, AX_STR_ARG(text),
                  behind);
    return !get_count(m, &ignored) || !ax_train_spec_context(m->spec, key, SIZE_MAX, m->err);
}

/* Of the expressions that failed together, tell the first that fails alone. */
static enum ax_code blame(struct maker *m)
{
    struct ax_err all = *m->err;
    struct ax_buf names;
    if (all.code == AX_E_CANCELLED)
        return all.code;
    ax_err_clear(m->err);
    ax_buf_init(&names, TEXT_MAX);
    if (m->spec->hash_column.len)
        ax_sql_put_name(&names, m->spec->hash_column);
    size_t hash = names.len;
    if (m->moment.len)
        ax_sql_put_name(&names, m->moment);
    struct ax_str text = ax_buf_str(&names);
    if (can_compute(m, "label", "(", m->spec->label, "\n)") &&
        can_compute(m, "weight", "CAST((", m->spec->weight, "\n) AS DOUBLE)") &&
        can_compute(m, "hash", "", (struct ax_str){ text.ptr, hash }, "") &&
        can_compute(m, "at", "CAST(", (struct ax_str){ text.ptr + hash, text.len - hash },
                    " AS TIMESTAMP)") &&
        can_compute(m, "test_from", "CAST('", m->spec->test_from, "' AS TIMESTAMP)") &&
        can_compute(m, "stop_from", "CAST('", m->spec->stop_from, "' AS TIMESTAMP)")) {
        *m->err = all;
        (void)ax_err_context(m->err, "label, weight or split");
    }
    ax_buf_done(&names);
    return m->err->code;
}

static enum ax_code make_parts(struct maker *m)
{
    struct ax_training_set *set = m->set;
    int64_t labelled = 0;
    set->weighted = m->spec->weight.len > 0;
    ax_buf_printf(
        &m->text,
        "CREATE TABLE ax_parts AS SELECT *, (%.*s\n) AS ax_label, CAST((%.*s\n) AS DOUBLE) AS "
        "ax_weight, CAST(",
        AX_STR_ARG(m->spec->label), set->weighted ? (int)m->spec->weight.len : 1,
        set->weighted ? m->spec->weight.ptr : "1");
    print_part(m);
    ax_buf_printf(&m->text, " AS BIGINT) AS ax_part FROM ax_rows");
    if (run(m))
        return blame(m);
    ax_buf_printf(&m->text, "SELECT count(ax_label) FROM ax_parts");
    if (get_count(m, &labelled))
        return m->err->code;
    set->rows_unlabelled = set->rows_read - (size_t)labelled;
    return AX_OK;
}

/* Of the labelled rows that `where` holds for: how many, and the first one's columns of the order,
 * "flight_id=7, carrier=AA". Freed by the caller. */
static enum ax_code find_rows(struct maker *m, struct ax_str where, int64_t *ret_count,
                              char **ret_first)
{
    ax_buf_printf(&m->text, "SELECT count(*) FROM ax_parts WHERE ax_label IS NOT NULL AND %.*s",
                  AX_STR_ARG(where));
    if (get_count(m, ret_count) || !*ret_count)
        return m->err->code;
    const struct ax_str order = ax_buf_str(&m->order);
    ax_buf_printf(&m->text,
                  "SELECT CAST(t AS VARCHAR) FROM (SELECT %s%.*s FROM ax_parts WHERE ax_label IS "
                  "NOT NULL AND %.*s ORDER BY %.*s LIMIT 1) t",
                  ax_str_is(order, "ALL") ? "*" : "", ax_str_is(order, "ALL") ? 0 : (int)order.len,
                  order.ptr, AX_STR_ARG(where), AX_STR_ARG(order));
    enum ax_code code = ax_buf_check(&m->text, "statement", m->err);
    if (!code)
        code = ax_sql_get_text(m->sql, ax_buf_str(&m->text), ret_first, m->err);
    ax_buf_reset(&m->text);
    return code;
}

static enum ax_code check_has_moment(struct maker *m)
{
    struct ax_buf where;
    int64_t bad = 0;
    char *first = NULL;
    ax_buf_init(&where, TEXT_MAX);
    ax_sql_put_name(&where, m->moment);
    ax_buf_printf(&where, " IS NULL");
    if (!find_rows(m, ax_buf_str(&where), &bad, &first) && bad)
        (void)ax_fail(m->err, AX_E_INVALID,
                      "%lld labelled rows have no time in '%.*s'; the first "
                      "is %.*s",
                      (long long)bad, AX_STR_ARG(m->spec->at),
                      AX_STR_ARG(ax_str_cut(ax_str_from(first), SHOWN_BYTES)));
    if (m->err->code)
        (void)ax_train_spec_context(m->spec, "at", SIZE_MAX, m->err);
    free(first);
    ax_buf_done(&where);
    return m->err->code;
}

/* A label that was known at the moment asked about is a leak, whatever it is. */
static enum ax_code check_is_unknown(struct maker *m)
{
    struct ax_buf where;
    int64_t bad = 0;
    char *first = NULL;
    ax_buf_init(&where, TEXT_MAX);
    ax_buf_printf(&where, "((%.*s\n) > ", AX_STR_ARG(m->spec->label_known_at));
    ax_sql_put_name(&where, m->moment);
    ax_buf_printf(&where, ") IS NOT TRUE");
    if (!find_rows(m, ax_buf_str(&where), &bad, &first) && bad)
        (void)ax_fail(m->err, AX_E_INVALID,
                      "the label of %lld rows was known at or before '%.*s', the moment asked "
                      "about, or nobody knows when; the first is %.*s: such rows would teach the "
                      "answer; leave them out of the query, or ask earlier",
                      (long long)bad, AX_STR_ARG(m->spec->at),
                      AX_STR_ARG(ax_str_cut(ax_str_from(first), SHOWN_BYTES)));
    if (m->err->code)
        (void)ax_train_spec_context(m->spec, "label_known_at", SIZE_MAX, m->err);
    free(first);
    ax_buf_done(&where);
    return m->err->code;
}

static enum ax_code check_moments(struct maker *m)
{
    if (!m->moment.len || check_has_moment(m))
        return m->err->code;
    return m->spec->label_known_at.len ? check_is_unknown(m) : AX_OK;
}

static enum ax_code check_train_rows(struct maker *m)
{
    int64_t labelled = 0;
    ax_buf_printf(&m->text, "SELECT count(ax_label) FROM ax_parts WHERE ax_part = %d",
                  (int)AX_PART_TRAIN);
    if (get_count(m, &labelled))
        return m->err->code;
    if (labelled)
        return AX_OK;
    (void)ax_fail(m->err, AX_E_INVALID, "no row with a label is left to train on");
    return ax_train_spec_context(m->spec, "split", SIZE_MAX, m->err);
}

/* ---- dictionaries ---- */

/* Take a stream of distinct texts, in order, as the column's categories. */
static enum ax_code take_categories(struct maker *m, struct ax_training_column *column,
                                    struct ax_sql_stream *stream)
{
    struct ax_arena *arena = &m->set->arena;
    struct ax_sql_chunk chunk;
    size_t cap = 0;
    do {
        if (ax_sql_stream_next(stream, &chunk, m->err))
            return m->err->code;
        for (size_t row = 0; row < chunk.rows; row++) {
            if (column->category_count == cap) {
                cap = AX_MAX(cap * 2, (size_t)64);
                struct ax_str *grown = ax_arena_alloc(arena, cap, sizeof(*grown));
                if (!grown)
                    return ax_arena_fail(arena, "categories", m->err);
                if (column->category_count)
                    memcpy(grown, column->categories, column->category_count * sizeof(*grown));
                column->categories = grown;
            }
            struct ax_str text = chunk.columns[0].texts[row];
            char *copy = ax_arena_strdup(arena, text);
            if (!copy)
                return ax_arena_fail(arena, "categories", m->err);
            column->categories[column->category_count++] = (struct ax_str){ copy, text.len };
        }
        if (column->category_count > AX_TRAINING_CATEGORIES_MAX)
            return ax_fail(m->err, AX_E_TOO_LARGE, "column '%.*s' has more than %d distinct texts",
                           AX_STR_ARG(column->name), AX_TRAINING_CATEGORIES_MAX);
    } while (chunk.rows);
    for (size_t i = 0; i < column->category_count; i++)
        (void)ax_map_put(&column->indexes, column->categories[i], &column->categories[i]);
    return AX_OK;
}

static enum ax_code make_dictionary(struct maker *m, struct ax_training_column *column,
                                    const char *where)
{
    struct ax_sql_stream *stream = NULL;
    /* No alias: one that is the name of a column would mean that column in WHERE. */
    ax_buf_printf(&m->text, "SELECT DISTINCT ");
    ax_sql_put_name(&m->text, column->name);
    ax_buf_printf(&m->text, " FROM ax_parts WHERE ");
    ax_sql_put_name(&m->text, column->name);
    ax_buf_printf(&m->text, " IS NOT NULL AND %s ORDER BY 1", where);
    if (query(m, &stream))
        return m->err->code;
    enum ax_code code = take_categories(m, column, stream);
    ax_sql_stream_free(stream);
    if (!code && !column->category_count)
        return ax_fail(m->err, AX_E_INVALID, "column '%.*s' is null in every row to train on",
                       AX_STR_ARG(column->name));
    return code;
}

static enum ax_code make_dictionaries(struct maker *m)
{
    struct ax_training_set *set = m->set;
    struct ax_sql_stream *stream = NULL;
    for (size_t i = 0; i < set->column_count; i++)
        if (set->columns[i].type == AX_SQL_TEXT &&
            make_dictionary(m, &set->columns[i], "ax_part = 0 AND ax_label IS NOT NULL"))
            return m->err->code;
    ax_map_init(&set->label.indexes);
    set->label.name = AX_STR("ax_label");
    ax_buf_printf(&m->text, "SELECT ax_label FROM ax_parts LIMIT 0");
    if (query(m, &stream))
        return m->err->code;
    set->label.type = ax_sql_stream_column_type(stream, 0);
    ax_sql_stream_free(stream);
    if (set->label.type == AX_SQL_TIMESTAMP || set->label.type == AX_SQL_BYTES ||
        set->label.type == AX_SQL_LIST) {
        (void)ax_fail(m->err, AX_E_UNSUPPORTED, "it is %s; make a number of it",
                      set->label.type == AX_SQL_LIST    ? "a list"
                      : set->label.type == AX_SQL_BYTES ? "of bytes"
                                                        : "a time");
        return ax_train_spec_context(m->spec, "label", SIZE_MAX, m->err);
    }
    return set->label.type == AX_SQL_TEXT ? make_dictionary(m, &set->label, "true") : AX_OK;
}

/* ---- rows ---- */

static float text_index(const struct ax_training_column *column, struct ax_str text)
{
    const struct ax_str *found = ax_map_get(&column->indexes, text);
    return found ? (float)(found - column->categories) : NAN;
}

static float value_at(const struct ax_training_column *column, const struct ax_sql_column *data,
                      size_t row)
{
    if (ax_sql_is_null(data, row))
        return NAN;
    switch (data->type) {
    case AX_SQL_BOOL:
        return data->bools[row] ? 1.0f : 0.0f;
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        return (float)(double)data->i64s[row];
    case AX_SQL_F64:
        return (float)data->f64s[row];
    case AX_SQL_TEXT:
        return text_index(column, data->texts[row]);
    case AX_SQL_BYTES: /* a weight: the others were refused */
    case AX_SQL_LIST:
        break;
    }
    return NAN;
}

static enum ax_code open_files(struct maker *m)
{
    for (size_t p = 0; p < AX_PART_COUNT; p++) {
        FILE **files[] = { &m->files[p].values, &m->files[p].labels, &m->files[p].weights };
        const char *endings[] = { "values", "labels", "weights" };
        ax_sha256_init(&m->files[p].digest);
        for (size_t i = 0; i < (m->set->weighted ? 3u : 2u); i++) {
            char path[4096];
            (void)snprintf(path, sizeof(path), "%s/%s.%s", m->folder, ax_part_name((enum ax_part)p),
                           endings[i]);
            *files[i] = fopen(path, "wbe");
            if (!*files[i])
                return ax_fail(m->err, errno == EACCES ? AX_E_DENIED : AX_E_LIMIT,
                               "cannot write '%s'", path);
        }
    }
    return AX_OK;
}

static bool write_floats(struct part_files *files, FILE *file, const float *values, size_t count)
{
    ax_sha256_add(&files->digest, values, count * sizeof(float));
    return fwrite(values, sizeof(float), count, file) == count;
}

static enum ax_code write_row(struct maker *m, const struct ax_sql_chunk *chunk, size_t row)
{
    size_t n = m->set->column_count;
    size_t part = (size_t)chunk->columns[n + 2].i64s[row];
    struct part_files *files = &m->files[part];
    float label = value_at(&m->set->label, &chunk->columns[n], row);
    float weight = value_at(NULL, &chunk->columns[n + 1], row);
    m->rows_written++;
    if (!isfinite(label)) {
        (void)ax_fail(m->err, AX_E_INVALID,
                      "that of row %zu, of those that have one, is not finite", m->rows_written);
        return ax_train_spec_context(m->spec, "label", SIZE_MAX, m->err);
    }
    if (!(weight >= 0) || !isfinite(weight)) {
        (void)ax_fail(m->err, AX_E_INVALID,
                      "that of row %zu, of those that have a label, is null, negative or not "
                      "finite",
                      m->rows_written);
        return ax_train_spec_context(m->spec, "weight", SIZE_MAX, m->err);
    }
    for (size_t i = 0; i < n; i++)
        m->row[i] = value_at(&m->set->columns[i], &chunk->columns[i], row);
    m->set->label_max = fmaxf(m->set->label_max, label);
    m->set->label_is_index = m->set->label_is_index && label >= 0 && label == truncf(label);
    files->rows++;
    if (!write_floats(files, files->values, m->row, n) ||
        !write_floats(files, files->labels, &label, 1) ||
        (files->weights && !write_floats(files, files->weights, &weight, 1)))
        return ax_fail(m->err, AX_E_LIMIT,
                       "cannot write the training set to '%s': is the disk full?", m->folder);
    return AX_OK;
}

static enum ax_code write_rows(struct maker *m)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    ax_buf_printf(&m->text, "SELECT ");
    for (size_t i = 0; i < m->set->column_count; i++) {
        ax_sql_put_name(&m->text, m->set->columns[i].name);
        ax_buf_printf(&m->text, ", ");
    }
    ax_buf_printf(&m->text,
                  "ax_label, ax_weight, ax_part FROM ax_parts WHERE ax_label IS NOT NULL "
                  "ORDER BY %.*s",
                  AX_STR_ARG(ax_buf_str(&m->order)));
    if (query(m, &stream))
        return m->err->code;
    do {
        if (ax_sql_stream_next(stream, &chunk, m->err))
            break;
        for (size_t row = 0; row < chunk.rows && !m->err->code; row++)
            (void)write_row(m, &chunk, row);
    } while (chunk.rows && !m->err->code);
    ax_sql_stream_free(stream);
    return m->err->code;
}

static enum ax_code close_files(struct maker *m)
{
    bool failed = false;
    for (size_t p = 0; p < AX_PART_COUNT; p++) {
        struct part_files *files = &m->files[p];
        FILE *all[] = { files->values, files->labels, files->weights };
        for (size_t i = 0; i < AX_COUNT(all); i++)
            failed |= all[i] && fclose(all[i]) != 0;
        m->set->parts[p].rows = files->rows;
        ax_sha256_text(&files->digest, m->set->parts[p].digest);
    }
    if (failed && !m->err->code)
        return ax_fail(m->err, AX_E_LIMIT,
                       "cannot write the training set to '%s': is the disk full?", m->folder);
    return m->err->code;
}

static enum ax_code make_files(struct maker *m)
{
    if (!open_files(m))
        (void)write_rows(m);
    return close_files(m);
}

enum ax_code ax_training_set_make(struct ax_sql *sql, const struct ax_train_spec *spec,
                                  const char *file, const char *folder,
                                  struct ax_training_set *ret_set, struct ax_err *err)
{
    assert(sql && spec && spec->column_count && folder && ret_set && err);
    assert((spec->service || !spec->query.len) == (file != NULL));
    struct ax_training_set set = { .label_is_index = true };
    struct maker m = { .sql = sql,
                       .spec = spec,
                       .moment = spec->service ? AX_STR(AX_TRAINING_MOMENT) : spec->at,
                       .file = file,
                       .folder = folder,
                       .set = &set,
                       .err = err };
    ax_arena_init(&set.arena, 65536, ARENA_MAX);
    ax_buf_init(&m.text, TEXT_MAX);
    ax_buf_init(&m.order, TEXT_MAX);
    (void)(make_rows(&m) || find_columns(&m) || make_parts(&m) || check_moments(&m) ||
           check_train_rows(&m) || make_dictionaries(&m) || make_files(&m));
    ax_buf_done(&m.text);
    ax_buf_done(&m.order);
    if (err->code)
        ax_training_set_done(&set);
    else
        *ret_set = set;
    return err->code;
}

void ax_training_set_done(struct ax_training_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->column_count; i++)
        ax_map_done(&set->columns[i].indexes);
    ax_map_done(&set->label.indexes);
    set->column_count = 0;
    ax_arena_done(&set->arena);
}

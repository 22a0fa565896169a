/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three passes over a file of texts. DuckDB guesses the columns' types from the whole file; then
 * all is read as texts, to see in which columns a value of the guessed type would not say what its
 * text does; these stay texts. Last, the rows are copied with types that nobody guesses any more.
 * The first and the last are read by one thread, since DuckDB 1.5.5 lost the order of rows with
 * two.
 */
#include "pipeline/dataset_rows.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include "data/csv_header.h"
#include "data/line_file.h"
#include "pipeline/dataset_content.h"
#include "pipeline/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX    ((size_t)64 << 20)
#define ARENA_INIT  ((size_t)64 << 10)
#define ARENA_MAX   ((size_t)256 << 20)
#define COLUMNS_MAX 100000

/* Of a record of CSV, and of a line of JSON. */
#define LINE_BYTES_MAX 16777216

struct column {
    struct ax_str name;
    struct ax_str type; /* DuckDB's word */
};

struct rows {
    struct ax_sql *sql;
    const char *path;
    const struct ax_str *texts; /* names of columns that are to be texts */
    size_t text_count;
    enum ax_table_format format;
    struct ax_arena arena;
    struct column *columns;
    size_t count;
    struct ax_buf text; /* of the statement that is being made */
    struct ax_err *err;
};

/* ---- statements ---- */

static enum ax_code run(struct rows *r)
{
    enum ax_code code = ax_buf_check(&r->text, "the statement", r->err);
    if (!code)
        code = ax_sql_run(r->sql, ax_buf_str(&r->text), r->err);
    ax_buf_reset(&r->text);
    return code;
}

static enum ax_code query(struct rows *r, struct ax_sql_stream **ret_stream)
{
    enum ax_code code = ax_buf_check(&r->text, "the query", r->err);
    if (!code)
        code = ax_sql_query(r->sql, ax_buf_str(&r->text), ret_stream, r->err);
    ax_buf_reset(&r->text);
    return code;
}

static enum ax_code set_threads(struct rows *r, size_t threads)
{
    ax_buf_printf(&r->text, "SET threads = %zu", threads);
    return run(r);
}

/* ", columns={'a':'BIGINT'}"; `as_texts`: all of them VARCHAR. */
static void put_types(struct rows *r, bool as_texts)
{
    ax_buf_printf(&r->text, ", columns={");
    for (size_t i = 0; i < r->count; i++) {
        if (i)
            (void)ax_buf_append_char(&r->text, ',');
        ax_sql_put_literal(&r->text, r->columns[i].name);
        (void)ax_buf_append_char(&r->text, ':');
        ax_sql_put_literal(&r->text, as_texts ? AX_STR("VARCHAR") : r->columns[i].type);
    }
    (void)ax_buf_append_char(&r->text, '}');
}

enum reading { GUESSED, AS_TEXTS, AS_TYPES };

/* "read_csv('path', …)" */
static void put_from(struct rows *r, enum reading reading)
{
    static const char *const functions[] = {
        [AX_TABLE_CSV] = "read_csv(",
        [AX_TABLE_JSONL] = "read_json(",
        [AX_TABLE_PARQUET] = "read_parquet(",
    };
    ax_buf_printf(&r->text, "%s", functions[r->format]);
    ax_dataset_put_path(&r->text, r->path);
    ax_buf_printf(&r->text, ", hive_partitioning=false");
    if (r->format == AX_TABLE_CSV)
        ax_buf_printf(&r->text,
                      ", header=true, delim=',', quote='\"', escape='\"', comment='', "
                      "allow_quoted_nulls=false, max_line_size=%d, buffer_size=%d",
                      LINE_BYTES_MAX, 2 * LINE_BYTES_MAX);
    if (r->format == AX_TABLE_JSONL)
        ax_buf_printf(&r->text, ", format='newline_delimited', maximum_object_size=%d",
                      LINE_BYTES_MAX);
    if (r->format != AX_TABLE_PARQUET && reading == GUESSED)
        ax_buf_printf(&r->text, ", sample_size=-1");
    if (r->format == AX_TABLE_CSV)
        ax_buf_printf(&r->text, reading == GUESSED
                                    ? ", auto_type_candidates=['BOOLEAN','BIGINT','DOUBLE','DATE',"
                                      "'TIMESTAMP','VARCHAR']"
                                    : ", auto_detect=false");
    if (reading != GUESSED)
        put_types(r, reading == AS_TEXTS);
    (void)ax_buf_append_char(&r->text, ')');
}

/* ---- columns ---- */

static enum ax_code add_column(struct rows *r, size_t *cap, struct ax_str name, struct ax_str type)
{
    if (r->count == COLUMNS_MAX)
        return ax_fail(r->err, AX_E_TOO_LARGE, "it has more than %d columns", COLUMNS_MAX);
    if (r->count == *cap) {
        *cap = AX_MAX(*cap * 2, (size_t)64);
        struct column *grown = ax_arena_alloc(&r->arena, *cap, sizeof(*grown));
        if (!grown)
            return ax_arena_fail(&r->arena, "the columns", r->err);
        if (r->count)
            memcpy(grown, r->columns, r->count * sizeof(*grown));
        r->columns = grown;
    }
    char *name_copy = ax_arena_strdup(&r->arena, name);
    char *type_copy = ax_arena_strdup(&r->arena, type);
    if (!name_copy || !type_copy)
        return ax_arena_fail(&r->arena, "the columns", r->err);
    r->columns[r->count++] = (struct column){ { name_copy, name.len }, { type_copy, type.len } };
    return AX_OK;
}

/* What DuckDB would not tell. */
static enum ax_code check_lines(struct rows *r)
{
    struct ax_buf path;
    ax_buf_init(&path, TEXT_MAX);
    ax_dataset_put_path(&path, r->path);
    if (!ax_line_file_check_end(r->path, LINE_BYTES_MAX, r->err) && r->format == AX_TABLE_JSONL)
        (void)(ax_line_file_check_depth(r->sql, ax_buf_str(&path), LINE_BYTES_MAX, r->err) !=
               AX_OK);
    ax_buf_done(&path);
    return r->err->code;
}

static enum ax_code guess(struct rows *r)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    size_t cap = 0;
    ax_buf_printf(&r->text, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
    put_from(r, GUESSED);
    (void)ax_buf_append_char(&r->text, ')');
    if (query(r, &stream))
        return r->err->code;
    do {
        if (ax_sql_stream_next(stream, &chunk, r->err))
            break;
        for (size_t row = 0; row < chunk.rows && !r->err->code; row++)
            (void)(add_column(r, &cap, chunk.columns[0].texts[row], chunk.columns[1].texts[row]) !=
                   AX_OK);
    } while (chunk.rows && !r->err->code);
    ax_sql_stream_free(stream);
    return r->err->code;
}

/* DuckDB changes names that it finds twice or that are empty; these are the file's own. */
static enum ax_code take_csv_names(struct rows *r)
{
    struct ax_str *names = NULL;
    size_t count = 0;
    struct ax_buf head;
    ax_buf_init(&head, AX_CSV_HEADER_BYTES_MAX);
    if (!ax_line_file_read_head(r->path, &head, r->err) &&
        !ax_csv_header_parse(ax_buf_str(&head), &r->arena, &names, &count, r->err)) {
        if (count != r->count)
            (void)ax_fail(r->err, AX_E_INVALID, "its first line has %zu names, its rows %zu values",
                          count, r->count);
        for (size_t i = 0; i < count && !r->err->code; i++)
            r->columns[i].name = names[i];
    }
    ax_buf_done(&head);
    return r->err->code;
}

/* What reads Parquet by SQL cannot tell two such columns apart. */
static enum ax_code check_names(struct rows *r)
{
    struct ax_map names;
    ax_map_init(&names);
    for (size_t i = 0; i < r->count && !r->err->code; i++) {
        struct ax_str name = r->columns[i].name;
        char *lower = ax_arena_strdup(&r->arena, name);
        if (!lower) {
            (void)ax_arena_fail(&r->arena, "the columns", r->err);
            break;
        }
        for (size_t k = 0; k < name.len; k++)
            lower[k] = lower[k] >= 'A' && lower[k] <= 'Z' ? (char)(lower[k] + 32) : lower[k];
        if (ax_map_put(&names, (struct ax_str){ lower, name.len }, r))
            (void)ax_fail(r->err, AX_E_INVALID, "it has two columns '%.*s' (case does not count)",
                          AX_STR_ARG(name));
    }
    ax_map_done(&names);
    return r->err->code;
}

/* ---- types ---- */

/* A pattern of texts that a value of the guessed type stands for; others would lose something.
 * NULL: no text does. */
static const char *pattern_of(struct ax_str type)
{
    static const struct {
        const char *type;
        const char *pattern;
    } patterns[] = {
        { "BOOLEAN", "true|false|True|False|TRUE|FALSE" },
        { "BIGINT", "-?(0|[1-9][0-9]*)" },
        /* No leading zeros, and no whole numbers that are too long for a double. */
        { "DOUBLE", "[+-]?(0|[1-9][0-9]{0,14}|(0|[1-9][0-9]*)?\\.[0-9]*)([eE][+-]?[0-9]+)?|"
                    "[+-]?(?i:nan|inf|infinity)" },
        { "DATE", "[0-9]{4}-[0-9]{2}-[0-9]{2}" },
        { "TIMESTAMP",
          "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?"
          "(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?" },
    };
    for (size_t i = 0; i < AX_COUNT(patterns); i++)
        if (ax_str_is(type, patterns[i].type))
            return patterns[i].pattern;
    return NULL;
}

static bool is_to_be_text(const struct rows *r, const struct column *column)
{
    /* Texts of JSON that look like it; they are texts. */
    bool found = ax_str_is(column->type, "UUID") || ax_str_is(column->type, "TIME");
    for (size_t i = 0; i < r->text_count && !found; i++)
        found = ax_str_equals(r->texts[i], column->name);
    return found;
}

/* Types that are made of texts of JSON, which may mean something else. */
static bool is_to_be_checked(const struct rows *r, struct ax_str type)
{
    if (r->format == AX_TABLE_JSONL)
        return ax_str_is(type, "DATE") || ax_str_is(type, "TIMESTAMP");
    return pattern_of(type) != NULL;
}

/* Of a text of the pattern: whether it is within what a double holds, or says that it is not. */
static void put_range_check(struct rows *r, struct ax_str name)
{
    ax_buf_printf(&r->text, " AND (regexp_matches(");
    ax_sql_put_name(&r->text, name);
    ax_buf_printf(&r->text, ", '(?i:n)') OR coalesce(isfinite(TRY_CAST(");
    ax_sql_put_name(&r->text, name);
    ax_buf_printf(&r->text, " AS DOUBLE)) AND (TRY_CAST(");
    ax_sql_put_name(&r->text, name);
    ax_buf_printf(&r->text, " AS DOUBLE) <> 0 OR NOT regexp_matches(");
    ax_sql_put_name(&r->text, name);
    ax_buf_printf(&r->text, ", '^[^eE]*[1-9]')), false))");
}

static void put_check(struct rows *r, const struct column *column)
{
    ax_buf_printf(&r->text, "coalesce(bool_and(regexp_full_match(");
    ax_sql_put_name(&r->text, column->name);
    ax_buf_printf(&r->text, ", ");
    ax_sql_put_literal(&r->text, ax_str_from(pattern_of(column->type)));
    (void)ax_buf_append_char(&r->text, ')');
    if (ax_str_is(column->type, "DOUBLE"))
        put_range_check(r, column->name);
    ax_buf_printf(&r->text, "), true)");
}

static void keep_texts(struct rows *r, const struct ax_sql_chunk *chunk)
{
    size_t at = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct column *column = &r->columns[i];
        if (is_to_be_checked(r, column->type) && !chunk->columns[at++].bools[0])
            column->type = AX_STR("VARCHAR");
    }
}

/* One query: of each column that is no text, whether all its texts are of the pattern. */
static enum ax_code check_types(struct rows *r)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    size_t checks = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct column *column = &r->columns[i];
        if (is_to_be_text(r, column))
            column->type = AX_STR("VARCHAR");
        if (!is_to_be_checked(r, column->type))
            continue;
        ax_buf_printf(&r->text, checks++ ? ", " : "SELECT ");
        put_check(r, column);
    }
    if (!checks)
        return AX_OK;
    ax_buf_printf(&r->text, " FROM ");
    put_from(r, AS_TEXTS);
    if (query(r, &stream))
        return r->err->code;
    if (!ax_sql_stream_next(stream, &chunk, r->err) && chunk.rows)
        keep_texts(r, &chunk);
    ax_sql_stream_free(stream);
    return r->err->code;
}

/* ---- copying ---- */

static enum ax_code copy_rows(struct rows *r, const char *out)
{
    ax_buf_printf(&r->text, "COPY (SELECT * FROM ");
    put_from(r, r->format == AX_TABLE_PARQUET ? GUESSED : AS_TYPES);
    ax_buf_printf(&r->text, ") TO ");
    ax_sql_put_literal(&r->text, ax_str_from(out));
    ax_buf_printf(&r->text, " (FORMAT parquet)");
    return run(r);
}

static enum ax_code copy_texts(struct rows *r, size_t threads, const char *out)
{
    if (check_lines(r) || set_threads(r, 1) || guess(r) ||
        (r->format == AX_TABLE_CSV && take_csv_names(r)) || check_names(r) || check_types(r) ||
        copy_rows(r, out))
        return r->err->code;
    return set_threads(r, threads);
}

static enum ax_code check_file(const char *path, enum ax_table_format *ret_format,
                               struct ax_err *err)
{
    struct stat info;
    if (!ax_table_format_of(path, ret_format))
        return ax_fail(err, AX_E_INVALID, "'%s' does not end in .csv, .jsonl, .ndjson or .parquet",
                       path);
    if (stat(path, &info))
        return ax_fail_errno(err, errno, "open '%s'", path);
    if (!S_ISREG(info.st_mode))
        return ax_fail(err, AX_E_INVALID, "'%s' is no regular file", path);
    if (!info.st_size)
        return ax_fail(err, AX_E_INVALID, "'%s' is empty", path);
    return AX_OK;
}

enum ax_code ax_dataset_rows_copy(struct ax_sql *sql, size_t threads, const char *path,
                                  const struct ax_str *texts, size_t text_count, const char *out,
                                  struct ax_err *err)
{
    assert(sql && threads && path && (texts || !text_count) && out && err);
    struct rows r = {
        .sql = sql, .path = path, .texts = texts, .text_count = text_count, .err = err
    };
    if (check_file(path, &r.format, err))
        return err->code;
    ax_arena_init(&r.arena, ARENA_INIT, ARENA_MAX);
    ax_buf_init(&r.text, TEXT_MAX);
    if (r.format == AX_TABLE_PARQUET ? guess(&r) || check_names(&r) || copy_rows(&r, out)
                                     : copy_texts(&r, threads, out) != AX_OK)
        (void)ax_err_context(err, "'%s'", path);
    ax_buf_done(&r.text);
    ax_arena_done(&r.arena);
    return err->code;
}

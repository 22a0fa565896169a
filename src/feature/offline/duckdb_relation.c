/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relations. DuckDB describes each file; a run's SQL names its columns, so files whose columns
 * differ in order or type are read by queries of their own and joined by UNION ALL, which keeps the
 * order of its parts.
 */
#include "feature/offline/duckdb_relation.h"

#include "base/alloc.h"
#include "data/csv_header.h"
#include "data/expr/values.h"
#include "data/line_file.h"
#include "feature/offline/duckdb_csv.h"
#include "feature/offline/duckdb_pushed.h"

#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ARENA_MAX     ((size_t)512 << 20)
#define SHOWN_BYTES   64
#define EXPECTED_TIME " (like 2013-12-01T10:00:00Z, years 1 to 9999)"
#define EXPECTED_LIST " of at most 65536 elements"
static_assert(AX_VALUES_ELEMENTS_MAX == 65536, "EXPECTED_LIST");

static enum ax_code copy(struct ax_relation *relation, struct ax_str text, struct ax_str *ret,
                         struct ax_err *err)
{
    char *ptr = ax_arena_strdup(&relation->arena, text);
    if (!ptr)
        return ax_arena_fail(&relation->arena, "names of files and columns", err);
    *ret = (struct ax_str){ ptr, text.len };
    return AX_OK;
}

/* ---- files ---- */

static enum ax_code format_of(struct ax_str path, enum ax_relation_format *ret, struct ax_err *err)
{
    static const struct {
        const char *ending;
        enum ax_relation_format format;
    } formats[] = {
        { ".csv", AX_RELATION_CSV },         { ".csv.gz", AX_RELATION_CSV },
        { ".jsonl", AX_RELATION_JSONL },     { ".jsonl.gz", AX_RELATION_JSONL },
        { ".ndjson", AX_RELATION_JSONL },    { ".ndjson.gz", AX_RELATION_JSONL },
        { ".parquet", AX_RELATION_PARQUET },
    };
    for (size_t i = 0; i < AX_COUNT(formats); i++)
        if (ax_str_ends_with(path, ax_str_from(formats[i].ending))) {
            *ret = formats[i].format;
            return AX_OK;
        }
    return ax_fail(err, AX_E_INVALID, "'%.*s' does not end in .csv, .jsonl or .parquet",
                   AX_STR_ARG(path));
}

static enum ax_code add_file(struct ax_relation *relation, struct ax_str path, size_t *cap,
                             struct ax_err *err)
{
    if (relation->file_count == AX_RELATION_FILES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %d files", AX_RELATION_FILES_MAX);
    if (relation->file_count == *cap) {
        *cap = AX_MAX(*cap * 2, (size_t)64);
        struct ax_str *grown = ax_arena_alloc(&relation->arena, *cap, sizeof(*grown));
        if (!grown)
            return ax_arena_fail(&relation->arena, "names of files", err);
        if (relation->file_count)
            memcpy(grown, relation->files, relation->file_count * sizeof(*grown));
        relation->files = grown;
    }
    return copy(relation, path, &relation->files[relation->file_count++], err);
}

/* A path as a pattern that nothing but it matches. */
static void put_escaped(struct ax_buf *out, struct ax_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        bool is_special = path.ptr[i] == '*' || path.ptr[i] == '?' || path.ptr[i] == '[';
        if (is_special)
            (void)ax_buf_append_char(out, '[');
        (void)ax_buf_append_char(out, path.ptr[i]);
        if (is_special)
            (void)ax_buf_append_char(out, ']');
    }
}

void ax_relation_put_path(struct ax_buf *out, struct ax_str path)
{
    assert(out && (path.ptr || !path.len));
    struct ax_buf pattern;
    ax_buf_init(&pattern, PATH_MAX * 3 + 1);
    put_escaped(&pattern, path);
    ax_sql_put_literal(out, ax_buf_str(&pattern));
    ax_buf_fail_with(out, &pattern);
    ax_buf_done(&pattern);
}

void ax_relation_put_pattern(struct ax_buf *out, const struct ax_offline *offline,
                             struct ax_str glob)
{
    assert(out && offline);
    if (glob.len && glob.ptr[0] != '/') {
        put_escaped(out, ax_str_from(offline->data_folder));
        (void)ax_buf_append_char(out, '/');
    }
    (void)ax_buf_append_str(out, glob);
}

static enum ax_code check_is_file(const char *path, struct ax_err *err)
{
    struct stat status;
    if (stat(path, &status))
        return ax_fail_errno(err, errno, "read '%s'", path);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return ax_fail(err, AX_E_INVALID, "'%s' is no file", path);
    return AX_OK;
}

/* DuckDB passes over links to nothing and pipes without a word, and with them over their rows.
 * Folders are no files, and are not looked into here: of "**" this sees what '*' would. */
static enum ax_code check_are_files(const char *pattern, struct ax_err *err)
{
    glob_t found = { 0 };
    int failed = glob(pattern, GLOB_NOSORT | GLOB_NOESCAPE, NULL, &found);
    if (failed && failed != GLOB_NOMATCH)
        (void)ax_fail(err, AX_E_LIMIT, "cannot look for files '%s'", pattern);
    for (size_t i = 0; !failed && i < found.gl_pathc && !err->code; i++)
        (void)(check_is_file(found.gl_pathv[i], err) != AX_OK);
    globfree(&found);
    return err->code;
}

static enum ax_code find_files(struct ax_offline *offline, struct ax_str glob,
                               struct ax_relation *relation, struct ax_err *err)
{
    struct ax_buf pattern;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    size_t cap = 0;
    ax_buf_init(&pattern, PATH_MAX * 4);
    ax_relation_put_pattern(&pattern, offline, glob);
    ax_buf_printf(&offline->text, "SELECT file FROM glob(");
    ax_sql_put_literal(&offline->text, ax_buf_str(&pattern));
    ax_buf_printf(&offline->text, ") ORDER BY file");
    if (ax_buf_check(&pattern, "the path", err) || ax_offline_query(offline, &stream, err)) {
        ax_buf_done(&pattern);
        return ax_err_context(err, "look for files '%.*s'", AX_STR_ARG(glob));
    }
    do {
        if (ax_sql_stream_next(stream, &chunk, err))
            break;
        for (size_t row = 0; row < chunk.rows && !err->code; row++)
            (void)(add_file(relation, chunk.columns[0].texts[row], &cap, err) != AX_OK);
    } while (chunk.rows && !err->code);
    ax_sql_stream_free(stream);
    if (!err->code && !ax_buf_append_char(&pattern, '\0'))
        (void)(check_are_files(pattern.ptr, err) != AX_OK);
    if (!err->code && !relation->file_count)
        (void)ax_fail(err, AX_E_NOT_FOUND, "there is no file '%s%s%.*s'",
                      glob.len && glob.ptr[0] == '/' ? "" : offline->data_folder,
                      glob.len && glob.ptr[0] == '/' ? "" : "/", AX_STR_ARG(glob));
    ax_buf_done(&pattern);
    return err->code;
}

static enum ax_code finish_open(struct ax_relation *relation, struct ax_relation *ret_relation,
                                struct ax_err *err)
{
    if (err->code)
        ax_relation_done(relation);
    else
        *ret_relation = *relation;
    return err->code;
}

/* The path of a table's database: "store.duckdb/main.flights" less its last part. */
static void put_database(struct ax_buf *out, const struct ax_offline *offline, struct ax_str table)
{
    while (table.len && table.ptr[table.len - 1] != '/')
        table.len--;
    if (table.len && table.ptr[0] != '/')
        ax_buf_printf(out, "%s/", offline->data_folder);
    (void)ax_buf_append(out, table.ptr, table.len ? table.len - 1 : 0);
}

/* ---- columns ---- */

static enum ax_code grow_columns(struct ax_relation *relation, struct ax_relation_run *run,
                                 size_t added, size_t *cap, struct ax_err *err)
{
    if (run->column_count + added <= *cap)
        return AX_OK;
    *cap = (run->column_count + added) * 2;
    struct ax_str *grown = ax_arena_zalloc(&relation->arena, *cap * 2, sizeof(*grown));
    if (!grown)
        return ax_arena_fail(&relation->arena, "names of columns", err);
    if (run->column_count) {
        memcpy(grown, run->names, run->column_count * sizeof(*grown));
        memcpy(grown + *cap, run->types, run->column_count * sizeof(*grown));
    }
    run->names = grown;
    run->types = grown + *cap;
    return AX_OK;
}

/* The text is a relation: ask for its columns. */
static enum ax_code describe(struct ax_offline *offline, struct ax_relation *relation,
                             struct ax_relation_run *run, struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    size_t cap = 0;
    if (ax_offline_query(offline, &stream, err))
        return err->code;
    do {
        if (ax_sql_stream_next(stream, &chunk, err))
            break;
        if (grow_columns(relation, run, chunk.rows, &cap, err))
            break;
        for (size_t row = 0; row < chunk.rows && !err->code; row++) {
            size_t at = run->column_count++;
            if (!copy(relation, chunk.columns[0].texts[row], &run->names[at], err))
                (void)(copy(relation, chunk.columns[1].texts[row], &run->types[at], err) != AX_OK);
        }
    } while (chunk.rows && !err->code);
    ax_sql_stream_free(stream);
    return err->code;
}

static void put_description(struct ax_offline *offline)
{
    ax_buf_printf(&offline->text, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
}

static bool is_alike(const struct ax_relation_run *a, const struct ax_relation_run *b)
{
    if (a->format != b->format || a->column_count != b->column_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (!ax_str_equals(a->names[i], b->names[i]) || !ax_str_equals(a->types[i], b->types[i]))
            return false;
    return true;
}

/* Of JSON lines, types that no text can become anything else by; DuckDB takes texts that look like
 * dates for dates. */
static void keep_plain_types(struct ax_relation_run *run)
{
    static const char *const plain[] = { "BOOLEAN", "BIGINT", "UBIGINT", "DOUBLE" };
    for (size_t i = 0; i < run->column_count; i++) {
        bool found = false;
        for (size_t k = 0; k < AX_COUNT(plain) && !found; k++)
            found = ax_str_is(run->types[i], plain[k]);
        if (!found)
            run->types[i] = AX_STR("VARCHAR");
    }
}

/* A column without a name is called by its number. */
static enum ax_code read_header(struct ax_relation *relation, struct ax_relation_run *run,
                                struct ax_str line, struct ax_err *err)
{
    struct ax_str *names;
    size_t count = 0;
    if (ax_csv_header_parse(line, &relation->arena, &names, &count, err))
        return err->code;
    run->types = ax_arena_zalloc(&relation->arena, count, sizeof(*run->types));
    if (!run->types)
        return ax_arena_fail(&relation->arena, "names of columns", err);
    for (size_t i = 0; i < count; i++) {
        char number[32];
        run->types[i] = AX_STR("VARCHAR");
        (void)snprintf(number, sizeof(number), "column%zu", i);
        if (!names[i].len && copy(relation, ax_str_from(number), &names[i], err))
            return err->code;
    }
    run->names = names;
    run->column_count = count;
    return AX_OK;
}

/* DuckDB would look at the lines behind the header, too. */
static enum ax_code describe_csv(struct ax_relation *relation, struct ax_relation_run *run,
                                 struct ax_str path, struct ax_err *err)
{
    struct ax_buf head;
    ax_buf_init(&head, AX_CSV_HEADER_BYTES_MAX);
    if (ax_line_file_read_head(path.ptr, &head, err) ||
        read_header(relation, run, ax_buf_str(&head), err))
        (void)ax_err_context(err, "'%.*s'", AX_STR_ARG(path));
    ax_buf_done(&head);
    return err->code;
}

static enum ax_code describe_compressed_csv(struct ax_offline *offline,
                                            struct ax_relation *relation,
                                            struct ax_relation_run *run, struct ax_str path,
                                            struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    struct ax_buf literal;
    ax_buf_init(&literal, PATH_MAX * 4);
    ax_relation_put_path(&literal, path);
    ax_csv_put_first_line(&offline->text, ax_buf_str(&literal));
    ax_buf_fail_with(&offline->text, &literal);
    ax_buf_done(&literal);
    if (!ax_offline_query(offline, &stream, err) && !ax_sql_stream_next(stream, &chunk, err)) {
        struct ax_str line = { "", 0 };
        if (chunk.rows && !ax_sql_is_null(&chunk.columns[0], 0))
            line = chunk.columns[0].texts[0];
        if (read_header(relation, run, line, err))
            (void)ax_err_context(err, "'%.*s'", AX_STR_ARG(path));
    } else {
        ax_csv_explain(path, err);
    }
    ax_sql_stream_free(stream);
    return err->code;
}

/* What DuckDB would not tell. */
static enum ax_code check_lines(struct ax_offline *offline, const struct ax_relation *relation,
                                enum ax_relation_format format, struct ax_str path,
                                struct ax_err *err)
{
    struct ax_buf literal;
    size_t len_max = relation->csv_buffer_bytes / 2;
    ax_buf_init(&literal, PATH_MAX * 4);
    ax_relation_put_path(&literal, path);
    if (ax_buf_check(&literal, "the path", err) || ax_line_file_check_end(path.ptr, len_max, err) ||
        (format == AX_RELATION_JSONL &&
         ax_line_file_check_depth(offline->sql, ax_buf_str(&literal), len_max, err)))
        ax_csv_explain(path, err);
    ax_buf_done(&literal);
    return err->code;
}

static enum ax_code describe_file(struct ax_offline *offline, struct ax_relation *relation,
                                  size_t index, struct ax_relation_run *run, struct ax_err *err)
{
    struct ax_str path = relation->files[index];
    struct stat info;
    *run = (struct ax_relation_run){ .first = index, .count = 1 };
    if (format_of(path, &run->format, err))
        return err->code;
    if (stat(path.ptr, &info))
        return ax_fail_errno(err, errno, "open '%.*s'", AX_STR_ARG(path));
    if (!S_ISREG(info.st_mode))
        return ax_fail(err, AX_E_INVALID, "'%.*s' is no regular file", AX_STR_ARG(path));
    if (!info.st_size && run->format == AX_RELATION_JSONL)
        return AX_OK;
    if (!info.st_size)
        return ax_fail(err, AX_E_INVALID, "'%.*s' is empty: not even the names of columns",
                       AX_STR_ARG(path));
    if (run->format != AX_RELATION_PARQUET &&
        check_lines(offline, relation, run->format, path, err))
        return err->code;
    if (run->format == AX_RELATION_CSV)
        return ax_str_ends_with(path, AX_STR(".gz"))
                   ? describe_compressed_csv(offline, relation, run, path, err)
                   : describe_csv(relation, run, path, err);
    put_description(offline);
    if (run->format == AX_RELATION_JSONL) {
        ax_buf_printf(&offline->text, "read_json(");
        ax_relation_put_path(&offline->text, path);
        ax_buf_printf(&offline->text, ", format='newline_delimited', sample_size=-1, "
                                      "hive_partitioning=false))");
    } else {
        ax_relation_put_from(&offline->text, relation, run, index, 1);
        ax_buf_printf(&offline->text, ")");
    }
    if (describe(offline, relation, run, err))
        return ax_err_context(err, "'%.*s'", AX_STR_ARG(path));
    if (run->format == AX_RELATION_JSONL)
        keep_plain_types(run);
    return AX_OK;
}

static enum ax_code add_run(struct ax_relation *relation, const struct ax_relation_run *run,
                            size_t *cap, struct ax_err *err)
{
    struct ax_relation_run *last =
        relation->run_count ? &relation->runs[relation->run_count - 1] : NULL;
    if (last && is_alike(last, run)) {
        last->count += run->count;
        return AX_OK;
    }
    if (relation->run_count == *cap) {
        *cap = AX_MAX(*cap * 2, (size_t)8);
        struct ax_relation_run *grown = ax_arena_alloc(&relation->arena, *cap, sizeof(*grown));
        if (!grown)
            return ax_arena_fail(&relation->arena, "files", err);
        if (relation->run_count)
            memcpy(grown, relation->runs, relation->run_count * sizeof(*grown));
        relation->runs = grown;
    }
    relation->runs[relation->run_count++] = *run;
    return AX_OK;
}

static enum ax_code open_files(struct ax_offline *offline, struct ax_relation *relation,
                               struct ax_err *err)
{
    size_t cap = 0;
    for (size_t i = 0; i < relation->file_count; i++) {
        struct ax_relation_run run;
        if (describe_file(offline, relation, i, &run, err))
            return err->code;
        /* A file of JSON lines without a line says nothing, and has nothing. */
        if (run.format == AX_RELATION_JSONL && !run.column_count)
            continue;
        if (add_run(relation, &run, &cap, err))
            return err->code;
    }
    return AX_OK;
}

/* One run that is SQL; `from` is in parentheses, or a table's name. */
static enum ax_code open_from(struct ax_offline *offline, struct ax_relation *relation,
                              struct ax_str from, struct ax_err *err)
{
    struct ax_relation_run run = { .format = AX_RELATION_SQL, .count = 1 };
    size_t cap = 0;
    if (copy(relation, from, &run.from, err))
        return err->code;
    put_description(offline);
    (void)ax_buf_append_str(&offline->text, run.from);
    (void)ax_buf_append_char(&offline->text, ')');
    return describe(offline, relation, &run, err) ? err->code : add_run(relation, &run, &cap, err);
}

/* How far a comment or a quoted text goes that begins at `at`; `at` where none does. */
static size_t skip_quoted(struct ax_str query, size_t at)
{
    struct ax_str rest = { query.ptr + at, query.len - at };
    const char *end = NULL;
    if (ax_str_starts_with(rest, AX_STR("--")))
        end = memchr(rest.ptr, '\n', rest.len);
    else if (ax_str_starts_with(rest, AX_STR("/*")))
        end = memmem(rest.ptr + 2, rest.len - 2, "*/", 2);
    else if (rest.ptr[0] == '\'' || rest.ptr[0] == '"')
        end = memchr(rest.ptr + 1, rest.ptr[0], rest.len - 1);
    else
        return at;
    if (!end)
        return query.len;
    return (size_t)(end - query.ptr) + (rest.ptr[0] == '/' ? 2 : 1);
}

/* The length of a statement without the semicolon that ends it, and what stands behind that. */
static size_t statement_len(struct ax_str query)
{
    size_t len = 0;
    for (size_t at = 0; at < query.len;) {
        size_t next = skip_quoted(query, at);
        bool is_comment = next > at && (query.ptr[at] == '-' || query.ptr[at] == '/');
        next = AX_MAX(next, at + 1);
        if (!is_comment && !strchr(" \t\r\n;", query.ptr[at]))
            len = next;
        at = next;
    }
    return len;
}

static enum ax_code open_query(struct ax_offline *offline, struct ax_relation *relation,
                               struct ax_str query, struct ax_err *err)
{
    struct ax_buf from;
    query.len = statement_len(query);
    ax_buf_init(&from, AX_OFFLINE_TEXT_MAX);
    ax_buf_printf(&from, "(\n");
    (void)ax_buf_append_str(&from, query);
    ax_buf_printf(&from, "\n)");
    enum ax_code code = ax_buf_check(&from, "the query", err);
    if (!code)
        code = open_from(offline, relation, ax_buf_str(&from), err);
    ax_buf_done(&from);
    return code;
}

/* DuckDB's words for a file that is missing have no kind of their own when it is attached. */
static enum ax_code check_there(struct ax_str path, struct ax_err *err)
{
    struct stat info;
    char *text = ax_xmemdup0(path.ptr, path.len);
    if (stat(text, &info))
        (void)ax_fail_errno(err, errno, "open '%s'", text);
    free(text);
    return err->code;
}

/* What a view answers may change without its file, so that nobody could tell. */
static enum ax_code check_table(struct ax_offline *offline, struct ax_str database,
                                struct ax_str schema, struct ax_str table, struct ax_err *err)
{
    int64_t views = 0;
    ax_buf_printf(&offline->text, "SELECT count(*) FROM duckdb_views() WHERE database_name = ");
    ax_sql_put_literal(&offline->text, database);
    ax_buf_printf(&offline->text, " AND lower(schema_name) = lower(");
    ax_sql_put_literal(&offline->text, schema);
    ax_buf_printf(&offline->text, ") AND lower(view_name) = lower(");
    ax_sql_put_literal(&offline->text, table);
    ax_buf_printf(&offline->text, ")");
    if (ax_offline_get_i64(offline, &views, err))
        return err->code;
    if (views)
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "'%.*s.%.*s' is a view; name a table, or give a query as sql",
                       AX_STR_ARG(schema), AX_STR_ARG(table));
    return AX_OK;
}

/* "store.duckdb/main.flights": the file is attached, to be read, under a name made of its path. */
static enum ax_code open_table(struct ax_offline *offline, struct ax_relation *relation,
                               struct ax_str text, struct ax_err *err)
{
    size_t slash = text.len;
    while (slash && text.ptr[slash - 1] != '/')
        slash--;
    struct ax_str table = { text.ptr + slash, text.len - slash };
    const char *dot = memchr(table.ptr, '.', table.len);
    if (slash < 2 || !table.len || !dot)
        return ax_fail(err, AX_E_INVALID, "'%.*s' is no table; expected FILE/SCHEMA.TABLE",
                       AX_STR_ARG(text));
    struct ax_str schema = { table.ptr, (size_t)(dot - table.ptr) };
    table = (struct ax_str){ dot + 1, table.len - schema.len - 1 };
    struct ax_buf path;
    struct ax_buf from;
    ax_buf_init(&path, 8192);
    ax_buf_init(&from, 8192);
    put_database(&path, offline, text);
    ax_buf_printf(&offline->text, "ATTACH IF NOT EXISTS ");
    ax_sql_put_literal(&offline->text, ax_buf_str(&path));
    ax_buf_printf(&offline->text, " AS ");
    ax_sql_put_name(&offline->text, ax_buf_str(&path));
    ax_buf_printf(&offline->text, " (READ_ONLY)");
    ax_sql_put_name(&from, ax_buf_str(&path));
    (void)ax_buf_append_char(&from, '.');
    ax_sql_put_name(&from, schema);
    (void)ax_buf_append_char(&from, '.');
    ax_sql_put_name(&from, table);
    if (!ax_buf_check(&path, "the path", err) && !ax_buf_check(&from, "the table", err) &&
        !check_there(ax_buf_str(&path), err) && !ax_offline_run(offline, err) &&
        !check_table(offline, ax_buf_str(&path), schema, table, err))
        (void)(open_from(offline, relation, ax_buf_str(&from), err) != AX_OK);
    ax_buf_reset(&offline->text);
    ax_buf_done(&path);
    ax_buf_done(&from);
    return err->code;
}

enum ax_code ax_relation_open(struct ax_offline *offline, const struct ax_source *source,
                              struct ax_relation *ret_relation, struct ax_err *err)
{
    assert(offline && source && ret_relation && err);
    struct ax_relation relation = { .csv_buffer_bytes = ax_csv_buffer_bytes(offline) };
    size_t at = SIZE_MAX;
    ax_arena_init(&relation.arena, 65536, ARENA_MAX);
    switch (source->kind) {
    case AX_SOURCE_FILES:
        if (!find_files(offline, source->text, &relation, err))
            (void)(open_files(offline, &relation, err) != AX_OK);
        break;
    case AX_SOURCE_SQL:
        (void)(ax_sql_check(offline->sql, source->text, &at, err) ||
               open_query(offline, &relation, source->text, err));
        break;
    case AX_SOURCE_TABLE:
        (void)(open_table(offline, &relation, source->text, err) != AX_OK);
        break;
    }
    if (err->code)
        (void)ax_source_context(source, at, err);
    return finish_open(&relation, ret_relation, err);
}

enum ax_code ax_relation_find_files(struct ax_offline *offline, const struct ax_source *source,
                                    struct ax_relation *ret_relation, struct ax_err *err)
{
    assert(offline && source && source->kind == AX_SOURCE_FILES && ret_relation && err);
    struct ax_relation relation = { 0 };
    ax_arena_init(&relation.arena, 65536, ARENA_MAX);
    (void)(find_files(offline, source->text, &relation, err) != AX_OK);
    return finish_open(&relation, ret_relation, err);
}

enum ax_code ax_relation_open_file(struct ax_offline *offline, const char *path,
                                   struct ax_relation *ret_relation, struct ax_err *err)
{
    assert(offline && path && path[0] == '/' && ret_relation && err);
    struct ax_relation relation = { .csv_buffer_bytes = ax_csv_buffer_bytes(offline) };
    size_t cap = 0;
    ax_arena_init(&relation.arena, 65536, ARENA_MAX);
    if (!add_file(&relation, ax_str_from(path), &cap, err))
        (void)(open_files(offline, &relation, err) != AX_OK);
    if (!err->code && !relation.run_count)
        (void)ax_fail(err, AX_E_INVALID, "'%s' is empty", path);
    return finish_open(&relation, ret_relation, err);
}

enum ax_code ax_relation_open_sql(struct ax_offline *offline, struct ax_str query,
                                  struct ax_relation *ret_relation, struct ax_err *err)
{
    assert(offline && (query.ptr || !query.len) && ret_relation && err);
    struct ax_relation relation = { .csv_buffer_bytes = ax_csv_buffer_bytes(offline) };
    ax_arena_init(&relation.arena, 65536, ARENA_MAX);
    (void)(open_query(offline, &relation, query, err) != AX_OK);
    return finish_open(&relation, ret_relation, err);
}

/* Its columns are those of the source, by their numbers. */
enum ax_code ax_relation_add_pushed(struct ax_offline *offline, const struct ax_source *source,
                                    struct ax_relation *relation, struct ax_err *err)
{
    assert(offline && source && relation && !relation->pushed && err);
    const struct ax_source_journal *journal = ax_offline_pushed(offline, source);
    struct ax_relation_run run = { .format = AX_RELATION_PUSHED,
                                   .first = AX_MAX(relation->file_count, (size_t)1),
                                   .count = 1,
                                   .from = AX_STR(AX_PUSHED_FROM) };
    size_t cap = 0;
    if (!journal)
        return AX_OK;
    if (grow_columns(relation, &run, source->column_count, &cap, err))
        return err->code;
    for (size_t i = 0; i < source->column_count; i++)
        run.names[run.column_count++] = source->columns[i].name;
    cap = relation->run_count; /* The list is full, or may be. */
    return add_run(relation, &run, &cap, err) ||
                   ax_pushed_open(offline, journal, &relation->pushed, err)
               ? err->code
               : AX_OK;
}

void ax_relation_done(struct ax_relation *relation)
{
    if (!relation)
        return;
    ax_pushed_close(relation->pushed);
    ax_arena_done(&relation->arena);
}

long ax_relation_run_find(const struct ax_relation_run *run, struct ax_str name)
{
    assert(run);
    for (size_t i = 0; i < run->column_count; i++)
        if (ax_str_equals(run->names[i], name))
            return (long)i;
    return -1;
}

/* ---- printing ---- */

static void put_json_columns(struct ax_buf *out, const struct ax_relation_run *run)
{
    ax_buf_printf(out, ", format='newline_delimited', hive_partitioning=false, columns={");
    for (size_t i = 0; i < run->column_count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        ax_sql_put_literal(out, run->names[i]);
        ax_buf_printf(out, ":'VARCHAR'");
    }
    (void)ax_buf_append_char(out, '}');
}

void ax_relation_put_from(struct ax_buf *out, const struct ax_relation *relation,
                          const struct ax_relation_run *run, size_t first, size_t count)
{
    assert(out && relation && run && first >= run->first &&
           first + count <= run->first + run->count);
    static const char *const readers[] = {
        [AX_RELATION_CSV] = "read_csv",
        [AX_RELATION_JSONL] = "read_json",
        [AX_RELATION_PARQUET] = "read_parquet",
    };
    if (run->format == AX_RELATION_SQL || run->format == AX_RELATION_PUSHED) {
        (void)ax_buf_append_str(out, run->from);
        return;
    }
    ax_buf_printf(out, "%s([", readers[run->format]);
    for (size_t i = 0; i < count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        ax_relation_put_path(out, relation->files[first + i]);
    }
    (void)ax_buf_append_char(out, ']');
    if (run->format == AX_RELATION_CSV)
        ax_csv_put_options(out, run->column_count, relation->csv_buffer_bytes);
    else if (run->format == AX_RELATION_JSONL)
        put_json_columns(out, run);
    else
        ax_buf_printf(out, ", hive_partitioning=false");
    (void)ax_buf_append_char(out, ')');
}

void ax_relation_put_column(struct ax_buf *out, const struct ax_relation_run *run, size_t column)
{
    assert(out && run && column < run->column_count);
    if (run->format == AX_RELATION_CSV || run->format == AX_RELATION_PUSHED)
        ax_buf_printf(out, "c%zu", column);
    else
        ax_sql_put_name(out, run->names[column]);
}

void ax_relation_put_own(struct ax_buf *out, const struct ax_relation_run *run, size_t column)
{
    assert(out && run && column < run->column_count);
    bool is_cast = run->format == AX_RELATION_JSONL && !ax_str_is(run->types[column], "VARCHAR");
    ax_buf_printf(out, is_cast ? "CAST(" : "");
    ax_relation_put_column(out, run, column);
    if (is_cast)
        ax_buf_printf(out, " AS %.*s)", AX_STR_ARG(run->types[column]));
}

static bool has_texts(const struct ax_relation_run *run)
{
    return run->format == AX_RELATION_CSV || run->format == AX_RELATION_JSONL;
}

static struct ax_conversion conversion_of(const struct ax_relation_run *run, size_t index,
                                          const struct ax_relation_column *column,
                                          struct ax_str from)
{
    return (struct ax_conversion){
        .from = from,
        .name = column->name,
        .type = has_texts(run) ? (struct ax_str){ "", 0 } : run->types[index],
        .storage = column->storage,
        .zone = column->zone,
        .micros = column->micros,
        .is_json = run->format == AX_RELATION_JSONL,
    };
}

struct ax_str ax_relation_run_place(const struct ax_relation *relation,
                                    const struct ax_relation_run *run)
{
    assert(relation && run);
    return run->format == AX_RELATION_SQL ? AX_STR("the query") : relation->files[run->first];
}

static enum ax_code fail_missing(const struct ax_relation *relation,
                                 const struct ax_relation_run *run, struct ax_str name,
                                 struct ax_err *err)
{
    struct ax_str place = ax_relation_run_place(relation, run);
    long nearest = ax_str_nearest(name, run->names, run->column_count);
    if (nearest < 0)
        return ax_fail(err, AX_E_INVALID, "column '%.*s' is not in %.*s", AX_STR_ARG(name),
                       AX_STR_ARG(place));
    return ax_fail(err, AX_E_INVALID, "column '%.*s' is not in %.*s; nearest is '%.*s'",
                   AX_STR_ARG(name), AX_STR_ARG(place), AX_STR_ARG(run->names[nearest]));
}

enum ax_code ax_relation_check(const struct ax_relation *relation,
                               const struct ax_relation_column *columns, size_t count,
                               struct ax_err *err)
{
    assert(relation && (columns || !count) && err);
    for (size_t r = 0; r < relation->run_count; r++) {
        const struct ax_relation_run *run = &relation->runs[r];
        for (size_t i = 0; i < count && run->format != AX_RELATION_PUSHED; i++) {
            long found = ax_relation_run_find(run, columns[i].name);
            if (found < 0)
                return fail_missing(relation, run, columns[i].name, err);
            struct ax_conversion conversion =
                conversion_of(run, (size_t)found, &columns[i], AX_STR(""));
            if (!ax_conversion_is_possible(&conversion))
                return ax_fail(err, AX_E_INVALID, "column '%.*s' is %.*s in %.*s; %s is expected",
                               AX_STR_ARG(columns[i].name), AX_STR_ARG(run->types[found]),
                               AX_STR_ARG(ax_relation_run_place(relation, run)),
                               ax_storage_name(columns[i].storage));
        }
    }
    return AX_OK;
}

enum printed { PRINTED_VALUE, PRINTED_TRIAL, PRINTED_FAILED };

/* One column of a run: its value, its value or null, or whether it cannot be converted. */
static void put_conversion(struct ax_buf *out, const struct ax_relation_run *run,
                           const struct ax_relation_column *column, enum printed what)
{
    struct ax_buf from;
    long found = ax_relation_run_find(run, column->name);
    assert(found >= 0);
    ax_buf_init(&from, AX_OFFLINE_TEXT_MAX);
    ax_relation_put_column(&from, run, (size_t)found);
    if (run->format == AX_RELATION_PUSHED) {
        ax_pushed_put_value(out, ax_buf_str(&from), column->storage);
        ax_buf_fail_with(out, &from);
        ax_buf_done(&from);
        return;
    }
    struct ax_conversion conversion = conversion_of(run, (size_t)found, column, ax_buf_str(&from));
    if (what == PRINTED_FAILED)
        ax_conversion_put_failed(out, &conversion);
    else
        ax_conversion_put_sql(out, &conversion, what == PRINTED_TRIAL);
    ax_buf_fail_with(out, &from);
    ax_buf_done(&from);
}

void ax_relation_put_value(struct ax_buf *out, const struct ax_relation_run *run,
                           const struct ax_relation_column *column)
{
    assert(out && run && column);
    if (!column->necessity) {
        put_conversion(out, run, column, PRINTED_VALUE);
        return;
    }
    ax_buf_printf(out, "CASE WHEN ");
    put_conversion(out, run, column, PRINTED_VALUE);
    ax_buf_printf(out, " IS NULL THEN error('a value is missing') ELSE ");
    put_conversion(out, run, column, PRINTED_VALUE);
    ax_buf_printf(out, " END");
}

/* What every table has besides, when something was pushed. */
static const char *pushed_columns(const struct ax_relation *relation,
                                  const struct ax_relation_run *run)
{
    if (!relation->pushed)
        return "";
    return run->format == AX_RELATION_PUSHED ? ", ax_taken" : ", CAST(NULL AS BIGINT) AS ax_taken";
}

static bool is_seen(const struct ax_relation_load *load, size_t file)
{
    return load->is_seen && load->is_seen[file];
}

/* The rows of `count` files from `first` on, which were all read before or none of them, converted,
 * and the columns that `also` names. */
static void put_query(struct ax_buf *out, const struct ax_relation *relation,
                      const struct ax_relation_run *run, size_t first, size_t count,
                      const struct ax_relation_load *load, const char *also)
{
    ax_buf_printf(out, "SELECT * FROM (SELECT ");
    for (size_t i = 0; i < load->count; i++) {
        if (i)
            ax_buf_printf(out, ", ");
        ax_relation_put_value(out, run, &load->columns[i]);
        ax_buf_printf(out, " AS ");
        ax_sql_put_name(out, load->columns[i].alias);
    }
    ax_buf_printf(out, "%s FROM ", also);
    ax_relation_put_from(out, relation, run, first, count);
    (void)ax_buf_append_char(out, ')');
    if (load->where.len)
        ax_buf_printf(out, " WHERE %.*s", AX_STR_ARG(load->where));
    if (is_seen(load, first))
        ax_buf_printf(out, " %s (%.*s)", load->where.len ? "AND" : "WHERE",
                      AX_STR_ARG(load->seen_where));
}

bool ax_relation_has_places(const struct ax_relation *relation)
{
    assert(relation);
    const struct ax_relation_run *run = relation->runs;
    if (relation->run_count != 1 || run->format != AX_RELATION_PARQUET)
        return false;
    for (size_t i = 0; i < run->column_count; i++)
        if (ax_str_equals_nocase(run->names[i], AX_STR("file_index")) ||
            ax_str_equals_nocase(run->names[i], AX_STR("file_row_number")))
            return false;
    return true;
}

void ax_relation_put_scan(struct ax_buf *out, const struct ax_relation *relation,
                          const struct ax_relation_load *load)
{
    assert(out && load && load->count && !load->is_seen && ax_relation_has_places(relation));
    const struct ax_relation_run *run = relation->runs;
    put_query(out, relation, run, run->first, run->count, load,
              ", CAST(file_index AS BIGINT) AS file_index, file_row_number");
}

static void put_table(struct ax_buf *out, const struct ax_relation *relation,
                      const struct ax_relation_load *load)
{
    ax_buf_printf(out, "CREATE TEMP TABLE %s (", load->table);
    for (size_t i = 0; i < load->count; i++) {
        if (i)
            ax_buf_printf(out, ", ");
        ax_sql_put_name(out, load->columns[i].alias);
        (void)ax_buf_append_char(out, ' ');
        ax_storage_put_type(out, load->columns[i].storage);
    }
    ax_buf_printf(out, relation->pushed ? ", ax_taken BIGINT)" : ")");
}

/* ---- what was wrong ---- */

static enum ax_code query_in_order(struct ax_offline *offline, struct ax_sql_stream **ret_stream,
                                   struct ax_err *err)
{
    return ax_offline_set_threads(offline, 1, err) ? err->code
                                                   : ax_offline_query(offline, ret_stream, err);
}

/* The first value of a file that cannot be converted, or is missing: true, and `err` tells it. */
static bool explain_column(struct ax_offline *offline, const struct ax_relation *relation,
                           const struct ax_relation_run *run, size_t file,
                           const struct ax_relation_column *column, struct ax_err *err)
{
    struct ax_err quiet = AX_ERR_INIT;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    long index = ax_relation_run_find(run, column->name);
    ax_buf_printf(&offline->text, "SELECT n, v, f FROM (SELECT row_number() OVER () AS n, CAST(");
    ax_relation_put_column(&offline->text, run, (size_t)index);
    ax_buf_printf(&offline->text, " AS VARCHAR) AS v, ");
    put_conversion(&offline->text, run, column, PRINTED_FAILED);
    ax_buf_printf(&offline->text, " AS f, ");
    put_conversion(&offline->text, run, column, PRINTED_TRIAL);
    ax_buf_printf(&offline->text, " AS w FROM ");
    ax_relation_put_from(&offline->text, relation, run, file, 1);
    ax_buf_printf(&offline->text, ") WHERE f%s LIMIT 1", column->necessity ? " OR w IS NULL" : "");
    bool found = !query_in_order(offline, &stream, &quiet) &&
                 !ax_sql_stream_next(stream, &chunk, &quiet) && chunk.rows;
    if (found) {
        bool is_sql = run->format == AX_RELATION_SQL;
        struct ax_str place = is_sql ? AX_STR("the query") : relation->files[file];
        long long row = (long long)chunk.columns[0].i64s[0];
        ax_err_clear(err);
        if (chunk.columns[2].bools[0])
            (void)ax_fail(
                err, AX_E_INVALID, "%.*s: row %lld: column '%.*s' is '%.*s'; %s%s is expected%s",
                AX_STR_ARG(place), row, AX_STR_ARG(column->name),
                AX_STR_ARG(ax_str_cut(chunk.columns[1].texts[0], SHOWN_BYTES)),
                ax_storage_name(column->storage), column->storage.is_list ? EXPECTED_LIST : "",
                column->storage.kind == AX_STORAGE_TIMESTAMP ? EXPECTED_TIME : "");
        else
            (void)ax_fail(err, AX_E_INVALID, "%.*s: row %lld has no '%.*s', %s", AX_STR_ARG(place),
                          row, AX_STR_ARG(column->name), column->necessity);
    }
    ax_sql_stream_free(stream);
    return found;
}

enum ax_code ax_relation_explain(struct ax_offline *offline, const struct ax_relation *relation,
                                 const struct ax_relation_run *run, size_t file,
                                 const struct ax_relation_load *load, struct ax_err *err)
{
    assert(offline && relation && run && load && err && err->code);
    struct ax_err ignored = AX_ERR_INIT;
    bool found = false;
    if (err->code != AX_E_INVALID)
        return err->code;
    for (size_t i = 0; i < load->count && !found; i++)
        found = explain_column(offline, relation, run, file, &load->columns[i], err);
    /* Fewer threads change no answer. */
    (void)(ax_offline_set_threads(offline, offline->config.threads, &ignored) != AX_OK);
    if (!found && run->format != AX_RELATION_SQL)
        ax_csv_explain(relation->files[file], err);
    return err->code;
}

enum ax_code ax_relation_run_in_order(struct ax_offline *offline, const struct ax_relation_run *run,
                                      struct ax_err *err)
{
    assert(offline && run && err);
    return run->format == AX_RELATION_PARQUET ? ax_offline_run(offline, err)
                                              : ax_offline_run_in_order(offline, err);
}

/* One statement a file, although DuckDB reads many at once: with several threads the rows of small
 * CSV files then come in any order of the files, and the order is what breaks ties. */
enum ax_code ax_relation_load(struct ax_offline *offline, const struct ax_relation *relation,
                              const struct ax_relation_load *load, struct ax_err *err)
{
    assert(offline && relation && load && load->count && err);
    assert(!relation->pushed || !load->is_seen);
    put_table(&offline->text, relation, load);
    if (ax_offline_run(offline, err))
        return err->code;
    for (size_t r = 0; r < relation->run_count; r++) {
        const struct ax_relation_run *run = &relation->runs[r];
        for (size_t file = run->first; file < run->first + run->count; file++) {
            if (is_seen(load, file) && !load->seen_where.len)
                continue;
            ax_buf_printf(&offline->text, "INSERT INTO %s ", load->table);
            put_query(&offline->text, relation, run, file, 1, load, pushed_columns(relation, run));
            if (!ax_relation_run_in_order(offline, run, err))
                continue;
            if (run->format == AX_RELATION_PUSHED)
                return ax_err_context(err, "the rows that were pushed");
            return ax_relation_explain(offline, relation, run, file, load, err);
        }
    }
    return AX_OK;
}

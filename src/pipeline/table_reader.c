/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three formats, one stream of DuckDB's. CSV: its columns as text, called c0, c1, … so that the
 * names of the file never reach SQL. JSON lines: each line as one text, read here, so that numbers
 * mean what they mean to the server. Parquet: the columns wanted, typed for a model, cast to text
 * when they are passed through.
 */
#include "pipeline/table_reader.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_reader.h"
#include "data/csv_header.h"
#include "data/line_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX  4194304  /* of a CSV record or a JSON line */
#define BUFFER_BYTES    16777216 /* DuckDB's, one a thread and one ahead */
#define TEXT_MAX        ((size_t)64 << 20)
#define ARENA_MAX       ((size_t)256 << 20)
#define BLOCK_CELLS_MAX ((size_t)1 << 18)
#define IGNORED_MAX     64
#define SHOWN_BYTES_MAX 64
#define NOT_THERE       SIZE_MAX

struct column {
    struct ax_str name;
    const char *type;
};

struct want {
    size_t source; /* column of the stream; of JSON lines, slot of a line; or NOT_THERE */
    bool pass;
    bool is_number; /* passed through from a Parquet column of numbers */
    bool is_bool;
};

struct ax_table_reader {
    struct ax_sql *sql;
    char *path;
    enum ax_table_format format;
    struct ax_arena arena; /* names, and what select makes */
    struct column *columns;
    size_t column_count;
    struct ax_map indexes; /* name -> its struct column */
    struct want *wants;
    size_t want_count;
    struct ax_map ignored;
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk;
    size_t at; /* next row of the chunk */
    size_t rows_read;
    struct ax_arena block; /* cells, and texts of JSON with escapes */
    struct ax_map slots;   /* of JSON lines: name -> its slot in line_slots */
    struct ax_table_cell *line_cells;
    bool *line_given;
    size_t slot_count;
};

bool ax_table_format_of(const char *path, enum ax_table_format *ret)
{
    static const struct {
        const char *ending;
        enum ax_table_format format;
    } formats[] = {
        { ".csv", AX_TABLE_CSV },
        { ".jsonl", AX_TABLE_JSONL },
        { ".ndjson", AX_TABLE_JSONL },
        { ".parquet", AX_TABLE_PARQUET },
    };
    assert(path && ret);
    struct ax_str text = ax_str_from(path);
    for (size_t i = 0; i < AX_COUNT(formats); i++) {
        struct ax_str ending = ax_str_from(formats[i].ending);
        if (text.len > ending.len &&
            ax_str_equals_nocase((struct ax_str){ text.ptr + text.len - ending.len, ending.len },
                                 ending)) {
            *ret = formats[i].format;
            return true;
        }
    }
    return false;
}

/* ---- columns ---- */

/* DuckDB goes on with advice about settings that nobody can make here. */
static enum ax_code fail_read(struct ax_err *err)
{
    char *advice = strstr(err->msg, " Possible ");
    if (advice)
        *advice = '\0';
    return err->code;
}

/* The file's first bytes. DuckDB's own words for a file that is not there are about patterns. */
static enum ax_code read_head(const char *path, struct ax_buf *out, struct ax_err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open '%s'", path);
    ssize_t got = 0;
    if (fstat(fd, &info))
        (void)ax_fail_errno(err, errno, "stat '%s'", path);
    else if (!S_ISREG(info.st_mode))
        (void)ax_fail(err, AX_E_INVALID, "'%s' is not a regular file", path);
    while (!err->code && out->len < out->max) {
        size_t room = AX_MIN(out->max - out->len, (size_t)65536);
        char *at = ax_buf_reserve(out, room);
        got = at ? read(fd, at, room) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            (void)ax_fail_errno(err, errno, "read '%s'", path);
        if (got <= 0)
            break;
        ax_buf_added(out, (size_t)got);
    }
    (void)close(fd);
    return err->code ? err->code : ax_buf_check(out, "the first line", err);
}

static enum ax_code add_columns(struct ax_table_reader *reader, const struct ax_str *names,
                                size_t count, struct ax_err *err)
{
    reader->columns = ax_arena_alloc(&reader->arena, count, sizeof(*reader->columns));
    if (!reader->columns)
        return ax_arena_fail(&reader->arena, "the columns", err);
    for (size_t i = 0; i < count; i++) {
        reader->columns[i] = (struct column){ names[i], "VARCHAR" };
        (void)ax_map_put(&reader->indexes, names[i], &reader->columns[i]);
    }
    reader->column_count = count;
    return AX_OK;
}

static enum ax_code find_csv_columns(struct ax_table_reader *reader, struct ax_str head,
                                     struct ax_err *err)
{
    struct ax_str *names = NULL;
    size_t count = 0;
    if (ax_csv_header_parse(head, &reader->arena, &names, &count, err))
        return err->code;
    return add_columns(reader, names, count, err);
}

static enum ax_code fail_line(enum ax_json_token found, struct ax_err *err)
{
    if (found == AX_JSON_FAILED)
        return err->code;
    return ax_fail(err, AX_E_INVALID, "expected one object a line, found %s",
                   ax_json_token_text(found));
}

/* The names of the first line that is not empty. */
static enum ax_code find_json_columns(struct ax_table_reader *reader, struct ax_str head,
                                      struct ax_err *err)
{
    while (head.len && strchr(" \t\r\n", head.ptr[0]))
        head = (struct ax_str){ head.ptr + 1, head.len - 1 };
    const char *end = head.len ? memchr(head.ptr, '\n', head.len) : NULL;
    if (end)
        head.len = (size_t)(end - head.ptr);
    if (!head.len)
        return AX_OK;
    struct ax_json_reader json;
    struct ax_map seen;
    size_t cap = 64;
    size_t count = 0;
    struct ax_str *names = ax_xalloc(cap * sizeof(*names));
    ax_map_init(&seen);
    ax_json_reader_init(&json, head);
    enum ax_json_token token = ax_json_read(&json, err);
    if (token != AX_JSON_OBJECT_BEGIN)
        (void)fail_line(token, err);
    while (!err->code && ax_json_read(&json, err) == AX_JSON_KEY) {
        bool done = false;
        if (count == cap) {
            cap *= 2;
            names = ax_xrealloc(names, cap, sizeof(*names));
        }
        if (ax_json_read_text(&json, &reader->arena, &names[count], err))
            break;
        /* A text without escapes lies in the head, which goes away. */
        names[count].ptr = ax_arena_strdup(&reader->arena, names[count]);
        if (!names[count].ptr)
            (void)ax_arena_fail(&reader->arena, "the first line", err);
        else if (!ax_map_put(&seen, names[count], reader))
            count++;
        unsigned depth = json.depth;
        if (!err->code && ax_json_read(&json, err) != AX_JSON_FAILED)
            (void)(ax_json_skip(&json, depth, SIZE_MAX, &done, err) != AX_OK);
    }
    if (!err->code)
        (void)(add_columns(reader, names, count, err) != AX_OK);
    else
        (void)ax_err_context(err, "row 1");
    ax_map_done(&seen);
    free(names);
    return err->code;
}

static void put_parquet(const struct ax_table_reader *reader, struct ax_buf *text)
{
    (void)ax_buf_append_str(text, AX_STR("read_parquet("));
    ax_sql_put_literal(text, ax_str_from(reader->path));
    (void)ax_buf_append_char(text, ')');
}

static enum ax_code take_parquet_columns(struct ax_table_reader *reader,
                                         struct ax_sql_stream *stream, struct ax_err *err)
{
    struct ax_sql_chunk chunk;
    size_t cap = 0;
    do {
        if (ax_sql_stream_next(stream, &chunk, err))
            return err->code;
        for (size_t row = 0; row < chunk.rows; row++) {
            if (reader->column_count == cap) {
                cap = AX_MAX(cap * 2, (size_t)64);
                struct column *grown = ax_arena_alloc(&reader->arena, cap, sizeof(*grown));
                if (!grown)
                    return ax_arena_fail(&reader->arena, "the columns", err);
                if (reader->column_count)
                    memcpy(grown, reader->columns, reader->column_count * sizeof(*grown));
                reader->columns = grown;
            }
            struct ax_str name = chunk.columns[0].texts[row];
            struct column *column = &reader->columns[reader->column_count];
            column->name = (struct ax_str){ ax_arena_strdup(&reader->arena, name), name.len };
            column->type = ax_arena_strdup(&reader->arena, chunk.columns[1].texts[row]);
            if (!column->name.ptr || !column->type)
                return ax_arena_fail(&reader->arena, "the columns", err);
            reader->column_count++;
        }
    } while (chunk.rows);
    for (size_t i = 0; i < reader->column_count; i++)
        (void)ax_map_put(&reader->indexes, reader->columns[i].name, &reader->columns[i]);
    return AX_OK;
}

static enum ax_code find_parquet_columns(struct ax_table_reader *reader, struct ax_err *err)
{
    struct ax_buf text;
    struct ax_sql_stream *stream = NULL;
    ax_buf_init(&text, TEXT_MAX);
    (void)ax_buf_append_str(
        &text, AX_STR("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "));
    put_parquet(reader, &text);
    (void)ax_buf_append_char(&text, ')');
    if (!ax_buf_check(&text, "the query", err) &&
        !ax_sql_query(reader->sql, ax_buf_str(&text), &stream, err))
        (void)(take_parquet_columns(reader, stream, err) != AX_OK);
    ax_sql_stream_free(stream);
    ax_buf_done(&text);
    return err->code;
}

enum ax_code ax_table_reader_open(struct ax_sql *sql, const char *path, enum ax_table_format format,
                                  struct ax_table_reader **ret_reader, struct ax_err *err)
{
    assert(sql && path && ret_reader && err);
    struct ax_table_reader *reader = ax_xalloc(sizeof(*reader));
    struct ax_buf head;
    reader->sql = sql;
    reader->path = ax_xstrdup(path);
    reader->format = format;
    ax_arena_init(&reader->arena, 65536, ARENA_MAX);
    ax_arena_init(&reader->block, (size_t)1 << 20, ARENA_MAX);
    ax_map_init(&reader->indexes);
    ax_map_init(&reader->ignored);
    ax_map_init(&reader->slots);
    ax_buf_init(&head, format == AX_TABLE_PARQUET ? 4096 : LINE_BYTES_MAX);
    if (!read_head(path, &head, err) &&
        (format == AX_TABLE_PARQUET || !ax_line_file_check_end(path, LINE_BYTES_MAX, err))) {
        if (format == AX_TABLE_CSV)
            (void)(find_csv_columns(reader, ax_buf_str(&head), err) != AX_OK);
        else if (format == AX_TABLE_JSONL)
            (void)(find_json_columns(reader, ax_buf_str(&head), err) != AX_OK);
        else
            (void)(find_parquet_columns(reader, err) != AX_OK);
    }
    ax_buf_done(&head);
    if (err->code) {
        ax_table_reader_close(reader);
        return err->code;
    }
    *ret_reader = reader;
    return AX_OK;
}

void ax_table_reader_close(struct ax_table_reader *reader)
{
    if (!reader)
        return;
    ax_sql_stream_free(reader->stream);
    ax_map_done(&reader->indexes);
    ax_map_done(&reader->ignored);
    ax_map_done(&reader->slots);
    ax_arena_done(&reader->arena);
    ax_arena_done(&reader->block);
    free(reader->path);
    free(reader);
}

size_t ax_table_reader_column_count(const struct ax_table_reader *reader)
{
    assert(reader);
    return reader->column_count;
}

struct ax_str ax_table_reader_column_name(const struct ax_table_reader *reader, size_t column)
{
    assert(reader && column < reader->column_count);
    return reader->columns[column].name;
}

const char *ax_table_reader_column_type(const struct ax_table_reader *reader, size_t column)
{
    assert(reader && column < reader->column_count);
    return reader->columns[column].type;
}

const struct ax_map *ax_table_reader_ignored(const struct ax_table_reader *reader)
{
    assert(reader);
    return &reader->ignored;
}

/* ---- select ---- */

static void ignore(struct ax_table_reader *reader, struct ax_str name)
{
    if (reader->ignored.count < IGNORED_MAX)
        (void)ax_map_put(&reader->ignored, name, reader);
}

/* "SELECT c3, c0 FROM read_csv(…)", or of a Parquet file with its own names. */
static void print_select(struct ax_table_reader *reader, const struct ax_table_want *wants,
                         struct ax_buf *text)
{
    size_t count = 0;
    (void)ax_buf_append_str(text, AX_STR("SELECT "));
    for (size_t i = 0; i < reader->want_count; i++) {
        const struct column *column = ax_map_get(&reader->indexes, wants[i].name);
        if (!column)
            continue;
        bool cast = reader->format == AX_TABLE_PARQUET && wants[i].pass;
        (void)ax_buf_append_str(text, count ? AX_STR(", ") : AX_STR(""));
        (void)ax_buf_append_str(text, cast ? AX_STR("CAST(") : AX_STR(""));
        if (reader->format == AX_TABLE_CSV)
            ax_buf_printf(text, "c%zu", (size_t)(column - reader->columns));
        else
            ax_sql_put_name(text, column->name);
        (void)ax_buf_append_str(text, cast ? AX_STR(" AS VARCHAR)") : AX_STR(""));
        reader->wants[i].source = count++;
    }
    /* Rows are counted even where nothing of them is wanted. */
    (void)ax_buf_append_str(text, count ? AX_STR(" FROM ") : AX_STR("true FROM "));
}

static void print_csv(const struct ax_table_reader *reader, struct ax_buf *text)
{
    (void)ax_buf_append_str(text, AX_STR("read_csv("));
    ax_sql_put_literal(text, ax_str_from(reader->path));
    (void)ax_buf_append_str(text, AX_STR(", auto_detect=false, columns={"));
    for (size_t i = 0; i < reader->column_count; i++)
        ax_buf_printf(text, "%s'c%zu':'VARCHAR'", i ? "," : "", i);
    ax_buf_printf(text,
                  "}, delim=',', quote='\"', escape='\"', header=true, comment='', "
                  "null_padding=false, allow_quoted_nulls=false, max_line_size=%d, "
                  "buffer_size=%d)",
                  LINE_BYTES_MAX, BUFFER_BYTES);
}

/* A line is one field: nothing divides or quotes it. */
static void print_lines(const struct ax_table_reader *reader, struct ax_buf *text)
{
    (void)ax_buf_append_str(text, AX_STR("SELECT c FROM read_csv("));
    ax_sql_put_literal(text, ax_str_from(reader->path));
    ax_buf_printf(text,
                  ", auto_detect=false, columns={'c':'VARCHAR'}, delim='', quote='', escape='', "
                  "header=false, comment='', strict_mode=false, max_line_size=%d, buffer_size=%d)",
                  LINE_BYTES_MAX, BUFFER_BYTES);
}

/* Each distinct name gets a slot of the line. */
static enum ax_code make_slots(struct ax_table_reader *reader, const struct ax_table_want *wants,
                               struct ax_err *err)
{
    size_t count = reader->want_count;
    reader->line_cells = ax_arena_alloc(&reader->arena, count, sizeof(*reader->line_cells));
    reader->line_given = ax_arena_alloc(&reader->arena, count, sizeof(*reader->line_given));
    if (!reader->line_cells || !reader->line_given)
        return ax_arena_fail(&reader->arena, "the columns", err);
    for (size_t i = 0; i < count; i++) {
        struct ax_table_cell *slot = ax_map_get(&reader->slots, wants[i].name);
        if (!slot) {
            slot = &reader->line_cells[reader->slot_count++];
            (void)ax_map_put(&reader->slots, wants[i].name, slot);
        }
        reader->wants[i].source = (size_t)(slot - reader->line_cells);
    }
    return AX_OK;
}

static bool is_number_type(const char *type)
{
    static const char *const names[] = { "TINYINT", "SMALLINT", "INTEGER",   "BIGINT",
                                         "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                                         "UBIGINT", "UHUGEINT", "FLOAT",     "DOUBLE" };
    for (size_t i = 0; i < AX_COUNT(names); i++)
        if (strcmp(type, names[i]) == 0)
            return true;
    return strncmp(type, "DECIMAL(", strlen("DECIMAL(")) == 0;
}

static void make_wants(struct ax_table_reader *reader, const struct ax_table_want *wants)
{
    struct ax_map wanted;
    ax_map_init(&wanted);
    for (size_t i = 0; i < reader->want_count; i++) {
        const struct column *column = ax_map_get(&reader->indexes, wants[i].name);
        reader->wants[i] = (struct want){
            .source = NOT_THERE,
            .pass = wants[i].pass,
            .is_number = column && is_number_type(column->type),
            .is_bool = column && strcmp(column->type, "BOOLEAN") == 0,
        };
        (void)ax_map_put(&wanted, wants[i].name, reader);
    }
    for (size_t i = 0; i < reader->column_count; i++)
        if (!ax_map_get(&wanted, reader->columns[i].name))
            ignore(reader, reader->columns[i].name);
    ax_map_done(&wanted);
}

/* NULL: it may be an input. A moment has no number of its own (which unit, since when?), bytes have
 * none at all, and a list has many. */
static const char *no_input(enum ax_sql_type type)
{
    return type == AX_SQL_TIMESTAMP ? "a time"
           : type == AX_SQL_BYTES   ? "of bytes"
           : type == AX_SQL_LIST    ? "a list"
                                    : NULL;
}

static enum ax_code check_types(const struct ax_table_reader *reader,
                                const struct ax_table_want *wants, struct ax_err *err)
{
    for (size_t i = 0; reader->format == AX_TABLE_PARQUET && i < reader->want_count; i++) {
        size_t source = reader->wants[i].source;
        if (source == NOT_THERE || wants[i].pass)
            continue;
        const char *what = no_input(ax_sql_stream_column_type(reader->stream, source));
        if (what)
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "column '%.*s' is %s, which is no input; make a number of it",
                           AX_STR_ARG(ax_str_cut(wants[i].name, SHOWN_BYTES_MAX)), what);
    }
    return AX_OK;
}

enum ax_code ax_table_reader_select(struct ax_table_reader *reader,
                                    const struct ax_table_want *wants, size_t count,
                                    struct ax_err *err)
{
    assert(reader && !reader->stream && wants && count && err);
    struct ax_buf text;
    reader->want_count = count;
    reader->wants = ax_arena_alloc(&reader->arena, count, sizeof(*reader->wants));
    if (!reader->wants)
        return ax_arena_fail(&reader->arena, "the columns", err);
    make_wants(reader, wants);
    ax_buf_init(&text, TEXT_MAX);
    if (reader->format == AX_TABLE_JSONL) {
        if (!make_slots(reader, wants, err))
            print_lines(reader, &text);
    } else {
        print_select(reader, wants, &text);
        if (reader->format == AX_TABLE_CSV)
            print_csv(reader, &text);
        else
            put_parquet(reader, &text);
    }
    if (!err->code && !ax_buf_check(&text, "the query", err) &&
        !ax_sql_query(reader->sql, ax_buf_str(&text), &reader->stream, err))
        (void)(check_types(reader, wants, err) != AX_OK);
    ax_buf_done(&text);
    return err->code ? fail_read(err) : AX_OK;
}

/* ---- rows ---- */

static struct ax_table_cell pass_cell(const struct want *want, struct ax_str text)
{
    struct ax_table_cell cell = { .kind = AX_CELL_TEXT, .text = text };
    const char *end = text.ptr + text.len;
    if (want->is_bool)
        cell = (struct ax_table_cell){ .kind = AX_CELL_BOOL, .truth = ax_str_is(text, "true") };
    else if (want->is_number && text.len && ax_json_number_skip(text.ptr, end) == end)
        cell.kind = AX_CELL_NUMBER;
    return cell;
}

static struct ax_table_cell column_cell(const struct ax_table_reader *reader,
                                        const struct want *want, size_t row)
{
    struct ax_table_cell cell = { .kind = AX_CELL_NULL };
    if (want->source == NOT_THERE)
        return cell;
    const struct ax_sql_column *column = &reader->chunk.columns[want->source];
    if (ax_sql_is_null(column, row))
        return cell;
    switch (column->type) {
    case AX_SQL_BOOL:
        return (struct ax_table_cell){ .kind = AX_CELL_BOOL, .truth = column->bools[row] };
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
        return (struct ax_table_cell){ .kind = AX_CELL_I64, .i64 = column->i64s[row] };
    case AX_SQL_F64:
        return (struct ax_table_cell){ .kind = AX_CELL_F64, .f64 = column->f64s[row] };
    case AX_SQL_TEXT:
    case AX_SQL_BYTES:
    case AX_SQL_LIST: /* refused when the columns were chosen */
        break;
    }
    if (reader->format == AX_TABLE_PARQUET && want->pass)
        return pass_cell(want, column->texts[row]);
    return (struct ax_table_cell){
        .kind = reader->format == AX_TABLE_CSV ? AX_CELL_PLAIN : AX_CELL_TEXT,
        .text = column->texts[row],
    };
}

/* The value behind a key. */
static enum ax_code read_value(struct ax_table_reader *reader, struct ax_json_reader *json,
                               struct ax_table_cell *ret_cell, struct ax_err *err)
{
    unsigned depth = json->depth;
    enum ax_json_token token = ax_json_read(json, err);
    size_t from = json->at - 1;
    bool done = false;
    *ret_cell = (struct ax_table_cell){ .kind = AX_CELL_NULL };
    switch (token) {
    case AX_JSON_FAILED:
        return err->code;
    case AX_JSON_TRUE:
    case AX_JSON_FALSE:
        ret_cell->kind = AX_CELL_BOOL;
        ret_cell->truth = token == AX_JSON_TRUE;
        return AX_OK;
    case AX_JSON_NUMBER:
        ret_cell->kind = AX_CELL_NUMBER;
        ret_cell->text = json->raw;
        return AX_OK;
    case AX_JSON_STRING:
        ret_cell->kind = AX_CELL_TEXT;
        return ax_json_read_text(json, &reader->block, &ret_cell->text, err);
    case AX_JSON_OBJECT_BEGIN:
    case AX_JSON_ARRAY_BEGIN:
        if (ax_json_skip(json, depth, SIZE_MAX, &done, err))
            return err->code;
        ret_cell->kind = AX_CELL_NESTED;
        ret_cell->text = (struct ax_str){ json->text.ptr + from, json->at - from };
        return AX_OK;
    case AX_JSON_NULL:
    case AX_JSON_END:
    case AX_JSON_OBJECT_END:
    case AX_JSON_ARRAY_END:
    case AX_JSON_KEY:
        break;
    }
    return AX_OK;
}

static enum ax_code read_member(struct ax_table_reader *reader, struct ax_json_reader *json,
                                struct ax_err *err)
{
    struct ax_str key;
    struct ax_table_cell cell;
    if (ax_json_read_text(json, &reader->block, &key, err))
        return err->code;
    struct ax_table_cell *slot = ax_map_get(&reader->slots, key);
    if (read_value(reader, json, &cell, err))
        return err->code;
    if (!slot) {
        ignore(reader, key);
        return AX_OK;
    }
    size_t index = (size_t)(slot - reader->line_cells);
    if (reader->line_given[index])
        return ax_fail(err, AX_E_INVALID, "'%.*s' is given twice",
                       AX_STR_ARG(ax_str_cut(key, SHOWN_BYTES_MAX)));
    reader->line_given[index] = true;
    *slot = cell;
    return AX_OK;
}

static enum ax_code read_line(struct ax_table_reader *reader, struct ax_str line,
                              struct ax_table_cell *cells, struct ax_err *err)
{
    struct ax_json_reader json;
    enum ax_json_token token;
    for (size_t i = 0; i < reader->slot_count; i++) {
        reader->line_cells[i] = (struct ax_table_cell){ .kind = AX_CELL_NULL };
        reader->line_given[i] = false;
    }
    ax_json_reader_init(&json, line);
    if ((token = ax_json_read(&json, err)) != AX_JSON_OBJECT_BEGIN)
        return fail_line(token, err);
    while ((token = ax_json_read(&json, err)) == AX_JSON_KEY)
        if (read_member(reader, &json, err))
            return err->code;
    if (token == AX_JSON_FAILED || ax_json_read(&json, err) == AX_JSON_FAILED)
        return err->code;
    for (size_t i = 0; i < reader->want_count; i++)
        cells[i] = reader->line_cells[reader->wants[i].source];
    return AX_OK;
}

static bool is_blank_line(const struct ax_table_reader *reader, size_t row)
{
    if (reader->format != AX_TABLE_JSONL)
        return false;
    const struct ax_sql_column *column = &reader->chunk.columns[0];
    if (ax_sql_is_null(column, row))
        return true;
    for (size_t i = 0; i < column->texts[row].len; i++)
        if (!strchr(" \t\r", column->texts[row].ptr[i]))
            return false;
    return true;
}

static enum ax_code read_row(struct ax_table_reader *reader, size_t row,
                             struct ax_table_cell *cells, struct ax_err *err)
{
    if (reader->format == AX_TABLE_JSONL)
        return read_line(reader, reader->chunk.columns[0].texts[row], cells, err);
    for (size_t i = 0; i < reader->want_count; i++)
        cells[i] = column_cell(reader, &reader->wants[i], row);
    return AX_OK;
}

enum ax_code ax_table_reader_next(struct ax_table_reader *reader, size_t rows_max,
                                  struct ax_table_block *ret_block, struct ax_err *err)
{
    assert(reader && reader->stream && rows_max && ret_block && err);
    struct ax_table_block block = { .first_row = reader->rows_read + 1 };
    size_t width = reader->want_count;
    size_t room = AX_MIN(rows_max, AX_MAX(BLOCK_CELLS_MAX / width, (size_t)1));
    ax_arena_reset(&reader->block);
    struct ax_table_cell *cells = ax_arena_alloc(&reader->block, room * width, sizeof(*cells));
    if (!cells)
        return ax_arena_fail(&reader->block, "the rows", err);
    /* A block does not go over the end of a chunk: its texts would be gone. */
    while (!block.rows) {
        if (reader->at == reader->chunk.rows) {
            reader->at = 0;
            if (ax_sql_stream_next(reader->stream, &reader->chunk, err))
                return fail_read(err);
            if (!reader->chunk.rows)
                break;
        }
        for (; reader->at < reader->chunk.rows && block.rows < room; reader->at++) {
            if (is_blank_line(reader, reader->at))
                continue;
            if (read_row(reader, reader->at, cells + block.rows * width, err))
                return ax_err_context(err, "row %zu", block.first_row + block.rows);
            block.rows++;
        }
    }
    reader->rows_read += block.rows;
    block.cells = cells;
    *ret_block = block;
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells become text in one buffer, which is written out when it is large. Parquet takes the way
 * over a hidden CSV file, which DuckDB reads back with the columns' types: so its own writer does
 * the work, in bounded memory.
 */
#include "pipeline/table_writer.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_BYTES ((size_t)1 << 18)
#define TEXT_MAX    ((size_t)1 << 30)

struct ax_table_writer {
    enum ax_table_format format;
    int fd;
    bool owns_fd;
    char *path;   /* the file's; NULL: what is written to is no file of ours */
    char *hidden; /* rows so far; NULL likewise */
    char *hidden_parquet;
    struct ax_table_column *columns;
    struct ax_str *keys; /* of JSON: `{"a":` and `,"b":` */
    size_t column_count;
    size_t at; /* column of the next cell */
    struct ax_buf text;
};

/* ---- cells ---- */

static bool is_json(const struct ax_table_writer *writer)
{
    return writer->format == AX_TABLE_JSONL;
}

static void begin_cell(struct ax_table_writer *writer)
{
    if (is_json(writer))
        (void)ax_buf_append_str(&writer->text, writer->keys[writer->at]);
    else if (writer->at > 0)
        (void)ax_buf_append_char(&writer->text, ',');
}

static void end_cell(struct ax_table_writer *writer)
{
    if (++writer->at < writer->column_count)
        return;
    writer->at = 0;
    (void)ax_buf_append_str(&writer->text, is_json(writer) ? AX_STR("}\n") : AX_STR("\n"));
}

/* A text as a CSV field. Spaces at the ends are quoted too, since readers differ about them. */
static void put_field(struct ax_buf *out, struct ax_str text)
{
    bool quote = text.len == 0 || text.ptr[0] == ' ' || text.ptr[text.len - 1] == ' ';
    for (size_t i = 0; i < text.len && !quote; i++)
        quote =
            text.ptr[i] == ',' || text.ptr[i] == '"' || text.ptr[i] == '\n' || text.ptr[i] == '\r';
    if (!quote) {
        (void)ax_buf_append_str(out, text);
        return;
    }
    (void)ax_buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            (void)ax_buf_append_char(out, '"');
        (void)ax_buf_append_char(out, text.ptr[i]);
    }
    (void)ax_buf_append_char(out, '"');
}

void ax_table_put_null(struct ax_table_writer *writer)
{
    assert(writer);
    begin_cell(writer);
    if (is_json(writer))
        (void)ax_buf_append_str(&writer->text, AX_STR("null"));
    end_cell(writer);
}

void ax_table_put_text(struct ax_table_writer *writer, struct ax_str text)
{
    assert(writer);
    begin_cell(writer);
    if (is_json(writer))
        ax_json_put_str(&writer->text, text);
    else
        put_field(&writer->text, text);
    end_cell(writer);
}

static void put_raw(struct ax_table_writer *writer, struct ax_str text)
{
    begin_cell(writer);
    (void)ax_buf_append_str(&writer->text, text);
    end_cell(writer);
}

void ax_table_put_i64(struct ax_table_writer *writer, int64_t value)
{
    assert(writer);
    begin_cell(writer);
    ax_json_put_i64(&writer->text, value);
    end_cell(writer);
}

/* JSON's NaN and Infinity; what readers of CSV know. */
static struct ax_str special(const struct ax_table_writer *writer, double value)
{
    if (is_json(writer))
        return isnan(value) ? AX_STR("NaN") : value > 0 ? AX_STR("Infinity") : AX_STR("-Infinity");
    return isnan(value) ? AX_STR("nan") : value > 0 ? AX_STR("inf") : AX_STR("-inf");
}

void ax_table_put_f32(struct ax_table_writer *writer, float value)
{
    assert(writer);
    if (!isfinite(value)) {
        put_raw(writer, special(writer, (double)value));
        return;
    }
    begin_cell(writer);
    ax_json_put_f32(&writer->text, value);
    end_cell(writer);
}

void ax_table_put_f64(struct ax_table_writer *writer, double value)
{
    assert(writer);
    if (!isfinite(value)) {
        put_raw(writer, special(writer, value));
        return;
    }
    begin_cell(writer);
    ax_json_put_f64(&writer->text, value);
    end_cell(writer);
}

void ax_table_put_cell(struct ax_table_writer *writer, const struct ax_table_cell *cell)
{
    assert(writer && cell);
    switch (cell->kind) {
    case AX_CELL_NULL:
        ax_table_put_null(writer);
        return;
    case AX_CELL_PLAIN:
    case AX_CELL_TEXT:
        ax_table_put_text(writer, cell->text);
        return;
    case AX_CELL_NUMBER:
        put_raw(writer, cell->text);
        return;
    case AX_CELL_NESTED:
        if (is_json(writer))
            put_raw(writer, cell->text);
        else
            ax_table_put_text(writer, cell->text);
        return;
    case AX_CELL_BOOL:
        put_raw(writer, cell->truth ? AX_STR("true") : AX_STR("false"));
        return;
    case AX_CELL_I64:
        ax_table_put_i64(writer, cell->i64);
        return;
    case AX_CELL_F64:
        ax_table_put_f64(writer, cell->f64);
        return;
    }
}

/* ---- the file ---- */

static const char *told_path(const struct ax_table_writer *writer)
{
    return writer->path ? writer->path : writer->owns_fd ? "the device or pipe" : "standard output";
}

/* ".NAME.UUID" in the folder of `path`. */
static char *hidden_name(const char *path)
{
    char unique[AX_UUID_TEXT_SIZE];
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    size_t size = strlen(path) + sizeof(unique) + 3;
    char *name = ax_xalloc(size);
    ax_uuid7_text(unique);
    (void)snprintf(name, size, "%.*s.%s.%s", folder, path, path + folder, unique);
    return name;
}

/* Standard output, a pipe or a device takes the rows as they come. */
static enum ax_code open_stream(struct ax_table_writer *writer, const char *path,
                                struct ax_err *err)
{
    if (writer->format == AX_TABLE_PARQUET)
        return ax_fail(err, AX_E_INVALID, "Parquet needs a file, which '%s' is not", path);
    writer->fd = STDOUT_FILENO;
    if (strcmp(path, "-") == 0)
        return AX_OK;
    writer->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    writer->owns_fd = true;
    return writer->fd < 0 ? ax_fail_errno(err, errno, "open '%s'", path) : AX_OK;
}

static enum ax_code open_file(struct ax_table_writer *writer, const char *path, struct ax_err *err)
{
    char real[PATH_MAX];
    /* A link stays one: the file that it leads to is replaced. */
    writer->path = ax_xstrdup(realpath(path, real) ? real : path);
    writer->hidden = hidden_name(writer->path);
    writer->hidden_parquet = writer->format == AX_TABLE_PARQUET ? hidden_name(writer->path) : NULL;
    writer->fd = open(writer->hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    writer->owns_fd = true;
    return writer->fd < 0 ? ax_fail_errno(err, errno, "create '%s'", path) : AX_OK;
}

static void make_columns(struct ax_table_writer *writer, const struct ax_table_column *columns,
                         size_t count)
{
    writer->column_count = count;
    writer->columns = ax_xalloc(count * sizeof(*writer->columns));
    writer->keys = ax_xalloc(count * sizeof(*writer->keys));
    for (size_t i = 0; i < count; i++) {
        struct ax_str name = columns[i].name;
        struct ax_buf key;
        ax_buf_init(&key, TEXT_MAX);
        (void)ax_buf_append_char(&key, i ? ',' : '{');
        ax_json_put_str(&key, name);
        (void)ax_buf_append_char(&key, ':');
        writer->columns[i] = (struct ax_table_column){
            { ax_xmemdup0(name.ptr, name.len), name.len },
            columns[i].type,
        };
        struct ax_str text = ax_buf_str(&key);
        writer->keys[i] = (struct ax_str){ ax_xmemdup0(text.ptr, text.len), text.len };
        ax_buf_done(&key);
    }
}

static void print_header(struct ax_table_writer *writer)
{
    for (size_t i = 0; i < writer->column_count && !is_json(writer); i++)
        ax_table_put_text(writer, writer->columns[i].name);
}

enum ax_code ax_table_writer_open(const char *path, enum ax_table_format format,
                                  const struct ax_table_column *columns, size_t count,
                                  struct ax_table_writer **ret_writer, struct ax_err *err)
{
    assert(path && columns && count && ret_writer && err);
    struct ax_table_writer *writer = ax_xalloc(sizeof(*writer));
    struct stat info;
    writer->format = format;
    writer->fd = -1;
    ax_buf_init(&writer->text, TEXT_MAX);
    bool is_stream = strcmp(path, "-") == 0 || (stat(path, &info) == 0 && !S_ISREG(info.st_mode));
    if (is_stream ? open_stream(writer, path, err) : open_file(writer, path, err)) {
        ax_table_writer_close(writer);
        return err->code;
    }
    make_columns(writer, columns, count);
    print_header(writer);
    *ret_writer = writer;
    return AX_OK;
}

static enum ax_code write_out(struct ax_table_writer *writer, struct ax_err *err)
{
    struct ax_str text = ax_buf_str(&writer->text);
    if (ax_buf_check(&writer->text, "a row", err))
        return err->code;
    while (text.len) {
        ssize_t wrote = write(writer->fd, text.ptr, text.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EPIPE)
            return ax_fail(err, AX_E_INTERNAL, "write %s: its reader went away", told_path(writer));
        if (wrote < 0)
            return ax_fail_errno(err, errno, "write %s", told_path(writer));
        text = (struct ax_str){ text.ptr + wrote, text.len - (size_t)wrote };
    }
    ax_buf_reset(&writer->text);
    return AX_OK;
}

enum ax_code ax_table_writer_flush(struct ax_table_writer *writer, struct ax_err *err)
{
    assert(writer && err);
    if (writer->text.len < FLUSH_BYTES && !writer->text.failed)
        return AX_OK;
    return write_out(writer, err);
}

/* "COPY (SELECT c0 AS "name", … FROM read_csv(hidden)) TO hidden_parquet (FORMAT parquet)" */
static enum ax_code make_parquet(struct ax_table_writer *writer, struct ax_sql *sql,
                                 struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    (void)ax_buf_append_str(&text, AX_STR("COPY (SELECT "));
    for (size_t i = 0; i < writer->column_count; i++) {
        ax_buf_printf(&text, "%sc%zu AS ", i ? ", " : "", i);
        ax_sql_put_name(&text, writer->columns[i].name);
    }
    (void)ax_buf_append_str(&text, AX_STR(" FROM read_csv("));
    ax_sql_put_literal(&text, ax_str_from(writer->hidden));
    (void)ax_buf_append_str(&text, AX_STR(", auto_detect=false, columns={"));
    for (size_t i = 0; i < writer->column_count; i++) {
        ax_buf_printf(&text, "%s'c%zu':", i ? "," : "", i);
        ax_sql_put_literal(&text, ax_str_from(writer->columns[i].type));
    }
    (void)ax_buf_append_str(&text, AX_STR("}, delim=',', quote='\"', escape='\"', header=true, "
                                          "comment='', allow_quoted_nulls=false, "
                                          "max_line_size=16777216, buffer_size=33554432)) TO "));
    ax_sql_put_literal(&text, ax_str_from(writer->hidden_parquet));
    (void)ax_buf_append_str(&text, AX_STR(" (FORMAT parquet)"));
    enum ax_code code = ax_buf_check(&text, "the query", err);
    if (!code && ax_sql_run(sql, ax_buf_str(&text), err))
        code = ax_err_context(err, "write Parquet");
    ax_buf_done(&text);
    return code;
}

static enum ax_code sync_file(const char *path, struct ax_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum ax_code code = AX_OK;
    if (fd < 0 || fsync(fd))
        code = ax_fail_errno(err, errno, "write '%s'", path);
    if (fd >= 0)
        (void)close(fd);
    return code;
}

enum ax_code ax_table_writer_commit(struct ax_table_writer *writer, struct ax_sql *sql,
                                    struct ax_err *err)
{
    assert(writer && writer->at == 0 && sql && err);
    if (write_out(writer, err) || !writer->hidden)
        return err->code;
    const char *finished = writer->hidden_parquet ? writer->hidden_parquet : writer->hidden;
    if ((writer->hidden_parquet && make_parquet(writer, sql, err)) || sync_file(finished, err))
        return err->code;
    if (rename(finished, writer->path))
        return ax_fail_errno(err, errno, "replace '%s'", writer->path);
    return AX_OK;
}

void ax_table_writer_close(struct ax_table_writer *writer)
{
    if (!writer)
        return;
    if (writer->owns_fd && writer->fd >= 0)
        (void)close(writer->fd);
    /* Of a file that was committed one of the names is no longer there, which is fine. */
    if (writer->hidden)
        (void)unlink(writer->hidden);
    if (writer->hidden_parquet)
        (void)unlink(writer->hidden_parquet);
    for (size_t i = 0; i < writer->column_count; i++) {
        free((void *)(uintptr_t)writer->columns[i].name.ptr);
        free((void *)(uintptr_t)writer->keys[i].ptr);
    }
    free(writer->columns);
    free(writer->keys);
    free(writer->path);
    free(writer->hidden);
    free(writer->hidden_parquet);
    ax_buf_done(&writer->text);
    free(writer);
}

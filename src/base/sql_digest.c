/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two running hashes a column: one of a byte a row (has it a value), one of the values alone. So
 * neither depends on how DuckDB cuts rows into chunks, and a null is no value. A text comes with
 * its length in front, so that "a", "bc" is not "ab", "c".
 */
#include "base/sql_digest.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define BLOCK_MAX ((size_t)1 << 30)

struct digest_column {
    struct ax_str name; /* owned */
    enum ax_sql_type type;
    struct ax_hasher *marks;
    struct ax_hasher *values;
};

struct ax_sql_digest {
    struct digest_column *columns;
    size_t count;
    struct ax_buf scratch;
};

struct ax_sql_digest *ax_sql_digest_new(const struct ax_sql_stream *stream)
{
    assert(stream);
    struct ax_sql_digest *digest = ax_xalloc(sizeof(*digest));
    digest->count = ax_sql_stream_column_count(stream);
    digest->columns = ax_xalloc((digest->count + 1) * sizeof(*digest->columns));
    for (size_t i = 0; i < digest->count; i++) {
        struct ax_str name = ax_sql_stream_column_name(stream, i);
        digest->columns[i] = (struct digest_column){
            .name = { ax_xmemdup0(name.ptr, name.len), name.len },
            .type = ax_sql_stream_column_type(stream, i),
            .marks = ax_hasher_new(),
            .values = ax_hasher_new(),
        };
    }
    ax_buf_init(&digest->scratch, BLOCK_MAX);
    return digest;
}

void ax_sql_digest_free(struct ax_sql_digest *digest)
{
    if (!digest)
        return;
    for (size_t i = 0; i < digest->count; i++) {
        free((void *)(uintptr_t)digest->columns[i].name.ptr);
        ax_hasher_free(digest->columns[i].marks);
        ax_hasher_free(digest->columns[i].values);
    }
    free(digest->columns);
    ax_buf_done(&digest->scratch);
    free(digest);
}

static void put_texts(struct ax_buf *out, const struct ax_sql_column *column, size_t rows)
{
    for (size_t row = 0; row < rows; row++) {
        if (ax_sql_is_null(column, row))
            continue;
        (void)ax_buf_append(out, &column->texts[row].len, sizeof(size_t));
        (void)ax_buf_append_str(out, column->texts[row]);
    }
}

static bool has_texts(const struct ax_sql_column *column)
{
    return column->type == AX_SQL_TEXT || column->type == AX_SQL_BYTES;
}

/* Of a bool or a number. */
static const char *bytes_of(const struct ax_sql_column *column, size_t *ret_size)
{
    bool is_bool = column->type == AX_SQL_BOOL;
    *ret_size = is_bool ? sizeof(bool) : sizeof(int64_t);
    return is_bool ? (const char *)column->bools : (const char *)column->i64s;
}

static void put_numbers(struct ax_buf *out, const struct ax_sql_column *column, size_t rows)
{
    size_t size;
    const char *values = bytes_of(column, &size);
    for (size_t row = 0; row < rows; row++)
        if (!ax_sql_is_null(column, row))
            (void)ax_buf_append(out, values + row * size, size);
}

static void add_marks(struct ax_hasher *to, const struct ax_sql_column *column, size_t rows)
{
    char marks[1024];
    for (size_t done = 0, count; done < rows; done += count) {
        count = AX_MIN(rows - done, sizeof(marks));
        for (size_t i = 0; i < count; i++)
            marks[i] = ax_sql_is_null(column, done + i) ? 0 : 1;
        ax_hasher_add(to, marks, count);
    }
}

static enum ax_code add_column(const struct digest_column *to, const struct ax_sql_column *column,
                               size_t rows, struct ax_buf *scratch, struct ax_err *err)
{
    if (column->type == AX_SQL_LIST)
        return ax_fail(err, AX_E_UNSUPPORTED, "column '%.*s' is a list, which has no digest",
                       AX_STR_ARG(to->name));
    add_marks(to->marks, column, rows);
    if (!has_texts(column) && !column->validity) {
        size_t size;
        const char *values = bytes_of(column, &size);
        ax_hasher_add(to->values, values, rows * size);
        return AX_OK;
    }
    ax_buf_reset(scratch);
    if (has_texts(column))
        put_texts(scratch, column, rows);
    else
        put_numbers(scratch, column, rows);
    if (ax_buf_check(scratch, "the values of a block of rows", err))
        return err->code;
    if (scratch->len)
        ax_hasher_add(to->values, scratch->ptr, scratch->len);
    return AX_OK;
}

enum ax_code ax_sql_digest_add(struct ax_sql_digest *digest, const struct ax_sql_chunk *chunk,
                               struct ax_err *err)
{
    assert(digest && chunk && err);
    for (size_t i = 0; i < digest->count && chunk->rows; i++)
        if (add_column(&digest->columns[i], &chunk->columns[i], chunk->rows, &digest->scratch, err))
            return err->code;
    return AX_OK;
}

void ax_sql_digest_text(const struct ax_sql_digest *digest, char ret_text[AX_SHA256_TEXT_SIZE])
{
    assert(digest && ret_text);
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    for (size_t i = 0; i < digest->count; i++) {
        const struct digest_column *column = &digest->columns[i];
        const char *type = ax_sql_type_name(column->type);
        struct ax_hash128 results[] = { ax_hasher_result(column->marks),
                                        ax_hasher_result(column->values) };
        ax_sha256_add(&sha, &column->name.len, sizeof(column->name.len));
        ax_sha256_add(&sha, column->name.ptr, column->name.len);
        ax_sha256_add(&sha, type, strlen(type) + 1);
        ax_sha256_add(&sha, results, sizeof(results));
    }
    ax_sha256_text(&sha, ret_text);
}

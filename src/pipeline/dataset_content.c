/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is read once, as a stream in its own order. Values of types that a stream would change
 * (base/sql.h widens to five) or cannot read are cast to text, so the digest tells them apart.
 */
#include "pipeline/dataset_content.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/sql_digest.h"

#include <assert.h>

#define TEXT_MAX    ((size_t)64 << 20)
#define ARENA_INIT  ((size_t)64 << 10)
#define ARENA_MAX   ((size_t)256 << 20)
#define COLUMNS_MAX 100000

void ax_dataset_put_path(struct ax_buf *out, const char *path)
{
    struct ax_buf pattern;
    ax_buf_init(&pattern, TEXT_MAX);
    for (; *path; path++) {
        if (strchr("*?[", *path))
            ax_buf_printf(&pattern, "[%c]", *path);
        else
            (void)ax_buf_append_char(&pattern, *path);
    }
    ax_sql_put_literal(out, ax_buf_str(&pattern));
    ax_buf_done(&pattern);
}

/* ---- columns ---- */

static enum ax_code copy(struct ax_arena *arena, struct ax_str text, struct ax_str *ret,
                         struct ax_err *err)
{
    char *copied = ax_arena_strdup(arena, text);
    if (!copied)
        return ax_arena_fail(arena, "the columns", err);
    *ret = (struct ax_str){ copied, text.len };
    return AX_OK;
}

static enum ax_code add_column(struct ax_dataset_content *content, size_t *cap, struct ax_str name,
                               struct ax_str type, struct ax_err *err)
{
    if (content->column_count == COLUMNS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %d columns", COLUMNS_MAX);
    if (content->column_count == *cap) {
        *cap = AX_MAX(*cap * 2, (size_t)64);
        struct ax_dataset_column *grown =
            ax_arena_zalloc(&content->arena, *cap, sizeof(*content->columns));
        if (!grown)
            return ax_arena_fail(&content->arena, "the columns", err);
        if (content->column_count)
            memcpy(grown, content->columns, content->column_count * sizeof(*grown));
        content->columns = grown;
    }
    struct ax_dataset_column *column = &content->columns[content->column_count];
    column->statistics.is_rendered = !ax_sql_type_is_exact(type);
    if (copy(&content->arena, name, &column->name, err) ||
        copy(&content->arena, type, &column->type, err))
        return err->code;
    content->column_count++;
    return AX_OK;
}

static enum ax_code check_names(const struct ax_dataset_content *content, struct ax_err *err)
{
    struct ax_map names;
    ax_map_init(&names);
    for (size_t i = 0; i < content->column_count && !err->code; i++)
        if (ax_map_put(&names, content->columns[i].name, content->columns))
            (void)ax_fail(err, AX_E_INVALID, "two columns '%.*s'",
                          AX_STR_ARG(content->columns[i].name));
    ax_map_done(&names);
    return err->code;
}

static enum ax_code take_columns(struct ax_dataset_content *content, struct ax_sql_stream *stream,
                                 struct ax_err *err)
{
    struct ax_sql_chunk chunk = { 0 };
    size_t cap = 0;
    do {
        if (ax_sql_stream_next(stream, &chunk, err))
            return err->code;
        for (size_t row = 0; row < chunk.rows; row++)
            if (add_column(content, &cap, chunk.columns[0].texts[row], chunk.columns[1].texts[row],
                           err))
                return err->code;
    } while (chunk.rows);
    return check_names(content, err);
}

static void put_from(struct ax_buf *text, const char *path)
{
    ax_buf_printf(text, "read_parquet(");
    ax_dataset_put_path(text, path);
    ax_buf_printf(text, ", hive_partitioning=false)");
}

static enum ax_code query(struct ax_sql *sql, struct ax_buf *text,
                          struct ax_sql_stream **ret_stream, struct ax_err *err)
{
    return ax_buf_check(text, "the query", err)
               ? err->code
               : ax_sql_query(sql, ax_buf_str(text), ret_stream, err);
}

static enum ax_code find_columns(struct ax_sql *sql, struct ax_str from,
                                 struct ax_dataset_content *content, struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    ax_buf_printf(&text, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM %.*s)",
                  AX_STR_ARG(from));
    if (!query(sql, &text, &stream, err))
        (void)(take_columns(content, stream, err) != AX_OK);
    ax_sql_stream_free(stream);
    ax_buf_done(&text);
    return err->code;
}

/* ---- rows ---- */

static enum ax_code add_rows(struct ax_dataset_content *content, struct ax_sql_stream *stream,
                             struct ax_sql_digest *digest, bool with_statistics, struct ax_err *err)
{
    struct ax_sql_chunk chunk = { 0 };
    do {
        if (ax_sql_stream_next(stream, &chunk, err) || ax_sql_digest_add(digest, &chunk, err))
            return err->code;
        for (size_t i = 0; i < content->column_count && chunk.rows && with_statistics; i++)
            if (ax_dataset_statistics_add(&content->columns[i].statistics, &chunk.columns[i],
                                          chunk.rows, err))
                return err->code;
        content->rows += chunk.rows;
    } while (chunk.rows);
    return AX_OK;
}

static void add_text(struct ax_sha256 *sha, struct ax_str text)
{
    uint64_t len = text.len;
    ax_sha256_add(sha, &len, sizeof(len));
    ax_sha256_add(sha, text.ptr, text.len);
}

/* The content tells names, order and values; the exact types make the rest of the digest. */
static void finish(struct ax_dataset_content *content, const struct ax_sql_digest *digest)
{
    struct ax_sha256 sha;
    ax_sql_digest_text(digest, content->content);
    ax_sha256_init(&sha);
    add_text(&sha, AX_STR("auspex dataset 1"));
    add_text(&sha, ax_str_from(content->content));
    for (size_t i = 0; i < content->column_count; i++)
        add_text(&sha, content->columns[i].type);
    ax_sha256_text(&sha, content->digest);
}

static void put_columns(const struct ax_dataset_content *content, struct ax_buf *text)
{
    ax_buf_printf(text, "SELECT ");
    for (size_t i = 0; i < content->column_count; i++) {
        const struct ax_dataset_column *column = &content->columns[i];
        bool is_rendered = column->statistics.is_rendered;
        ax_buf_printf(text, "%s%s", i ? ", " : "", is_rendered ? "CAST(" : "");
        ax_sql_put_name(text, column->name);
        if (!is_rendered)
            continue;
        ax_buf_printf(text, " AS VARCHAR) AS ");
        ax_sql_put_name(text, column->name);
    }
}

static enum ax_code measure(struct ax_sql *sql, struct ax_str from, bool with_statistics,
                            struct ax_dataset_content *content, struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    put_columns(content, &text);
    ax_buf_printf(&text, " FROM %.*s", AX_STR_ARG(from));
    if (!query(sql, &text, &stream, err)) {
        struct ax_sql_digest *digest = ax_sql_digest_new(stream);
        for (size_t i = 0; i < content->column_count; i++)
            content->columns[i].statistics.type = ax_sql_stream_column_type(stream, i);
        if (!add_rows(content, stream, digest, with_statistics, err))
            finish(content, digest);
        ax_sql_digest_free(digest);
        ax_sql_stream_free(stream);
    }
    ax_buf_done(&text);
    return err->code;
}

enum ax_code ax_dataset_content_read(struct ax_sql *sql, const char *path,
                                     struct ax_dataset_content *ret_content, struct ax_err *err)
{
    assert(sql && path && ret_content && err);
    struct ax_dataset_content content = { 0 };
    struct ax_buf from;
    ax_arena_init(&content.arena, ARENA_INIT, ARENA_MAX);
    ax_buf_init(&from, TEXT_MAX);
    put_from(&from, path);
    if (ax_buf_check(&from, "the path", err) ||
        find_columns(sql, ax_buf_str(&from), &content, err) ||
        measure(sql, ax_buf_str(&from), true, &content, err)) {
        ax_dataset_content_done(&content);
        (void)ax_err_context(err, "'%s'", path);
    } else {
        *ret_content = content;
    }
    ax_buf_done(&from);
    return err->code;
}

enum ax_code ax_dataset_content_digest(struct ax_sql *sql, struct ax_str from,
                                       char ret_content[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    assert(sql && from.len && ret_content && err);
    struct ax_dataset_content content = { 0 };
    ax_arena_init(&content.arena, ARENA_INIT, ARENA_MAX);
    if (!find_columns(sql, from, &content, err) && !measure(sql, from, false, &content, err))
        memcpy(ret_content, content.content, sizeof(content.content));
    ax_dataset_content_done(&content);
    return err->code;
}

void ax_dataset_content_done(struct ax_dataset_content *content)
{
    if (!content)
        return;
    for (size_t i = 0; i < content->column_count; i++)
        ax_dataset_statistics_done(&content->columns[i].statistics);
    ax_arena_done(&content->arena);
}

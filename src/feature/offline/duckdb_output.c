/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of rows and of roles have the same rows in the same order and lie side by side
 * (POSITIONAL JOIN). Expressions of the service are computed in layers of subqueries: one reads
 * what the layers below it made, so that no expression is printed into another. The same query is
 * run twice, by COPY into a hidden file and as a stream for the digest.
 */
#include "feature/offline/duckdb_output.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sql_digest.h"
#include "data/expr/expr_sql.h"
#include "feature/offline/duckdb_role.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VECTOR_ROWS    2048
#define GROUP_ROWS_MAX 122880 /* of Parquet; DuckDB's own default */

struct output {
    struct ax_offline *offline;
    struct ax_buf *text;
    const struct ax_service *service;
    const struct ax_history_rows *rows;
    struct ax_str moment; /* name of the column that holds it, or empty */
    size_t *scope;        /* inputs that are no call columns, in order */
    size_t *levels;       /* of an input: expressions below it, at most */
    size_t level_count;
    size_t group_rows; /* of Parquet; 0: as DuckDB likes */
    const struct ax_service_input *widest;
    struct ax_err *err;
};

static bool is_made(const struct ax_service_input *input)
{
    return input->kind == AX_INPUT_FIELD || input->kind == AX_INPUT_EXPR;
}

/* ---- names ---- */

static struct ax_str lower(struct ax_str name, char *text, size_t size)
{
    size_t len = AX_MIN(name.len, size);
    for (size_t i = 0; i < len; i++)
        text[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    return (struct ax_str){ text, len };
}

enum ax_code ax_history_output_check(const struct ax_service *service,
                                     const struct ax_history_rows *rows, struct ax_str moment,
                                     struct ax_err *err)
{
    assert(service && rows && err);
    static const char rows_mark = 0;
    static const char input_mark = 0;
    struct ax_map names;
    char text[1024];
    ax_map_init(&names);
    for (size_t i = 0; i < rows->run->column_count && !err->code; i++)
        if (ax_map_put(&names, lower(rows->run->names[i], text, sizeof(text)),
                       (void *)(uintptr_t)&rows_mark))
            (void)ax_fail(err, AX_E_INVALID, "the rows have two columns '%.*s'",
                          AX_STR_ARG(rows->run->names[i]));
    for (size_t i = 0; i < service->input_count && !err->code; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (!is_made(input))
            continue;
        const char *found = ax_map_put(&names, lower(input->name, text, sizeof(text)),
                                       (void *)(uintptr_t)&input_mark);
        if (found == &rows_mark)
            (void)ax_fail(err, AX_E_INVALID,
                          "'%.*s' is a column of the rows and an input of service '%.*s'; leave "
                          "the column out, or give the view a role with 'as'",
                          AX_STR_ARG(input->name), AX_STR_ARG(service->name));
        else if (found)
            (void)ax_fail(err, AX_E_INVALID,
                          "service '%.*s' has two inputs '%.*s' but for case, which files cannot "
                          "tell apart",
                          AX_STR_ARG(service->name), AX_STR_ARG(input->name));
    }
    if (!err->code && moment.len && ax_map_get(&names, lower(moment, text, sizeof(text))))
        (void)ax_fail(err, AX_E_INVALID,
                      "the rows have a column '%.*s', the name of the moment's own; call it "
                      "otherwise",
                      AX_STR_ARG(moment));
    ax_map_done(&names);
    return err->code;
}

/* ---- expressions ---- */

/* A column of the service's scope: a call column, or an input that was made. */
static void put_input(struct ax_buf *out, size_t input, void *arg)
{
    const struct output *o = arg;
    if (input < o->service->call_count)
        ax_buf_printf(out, "v%zu", input);
    else
        ax_buf_printf(out, "w%zu", o->scope[input - o->service->call_count]);
}

static size_t level_of(const struct output *o, const struct ax_service_input *input, bool *used,
                       size_t scope_count)
{
    size_t level = 0;
    memset(used, 0, scope_count * sizeof(*used));
    ax_expr_inputs(input->parsed.root, used);
    for (size_t i = o->service->call_count; i < scope_count; i++)
        if (used[i])
            level = AX_MAX(level, o->levels[o->scope[i - o->service->call_count]]);
    return level + 1;
}

static void find_levels(struct output *o)
{
    const struct ax_service *service = o->service;
    size_t made = 0;
    size_t size = service->call_count + service->input_count + 1;
    bool *used = ax_xalloc(size * sizeof(*used));
    o->scope = ax_xalloc(size * sizeof(*o->scope));
    o->levels = ax_xalloc(size * sizeof(*o->levels));
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind == AX_INPUT_EXPR)
            o->levels[i] = level_of(o, input, used, service->call_count + made);
        o->level_count = AX_MAX(o->level_count, o->levels[i]);
        if (is_made(input))
            o->scope[made++] = i;
    }
    free(used);
}

/* ---- the query ---- */

/* ", k0 AS v0": as expressions see it. */
static void put_view_of(struct output *o, const char *name, size_t number,
                        struct ax_storage storage)
{
    ax_buf_printf(o->text, ", ");
    ax_storage_put_widened(o->text, name, storage);
    ax_buf_printf(o->text, name[0] == 'r' ? " AS v%zu" : " AS w%zu", number);
}

/* What was joined: c<i>, k<i>, i<input>; for expressions also v<i> of calls, w<input> of inputs. */
static void put_tables(struct output *o)
{
    const struct ax_service *service = o->service;
    char name[64];
    ax_buf_printf(o->text, "SELECT r.*");
    for (size_t i = 0; i < service->call_count; i++) {
        (void)snprintf(name, sizeof(name), "r.k%zu", i);
        put_view_of(o, name, i, service->call[i].storage);
    }
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind != AX_INPUT_FIELD)
            continue;
        if (o->rows->are_taken)
            (void)snprintf(name, sizeof(name), "f%zu", input->field);
        else
            (void)snprintf(name, sizeof(name), "s%zu.f%zu", input->role, input->field);
        ax_buf_printf(o->text, ", %s AS i%zu", name, i);
        put_view_of(o, name, i, input->storage);
    }
    ax_buf_printf(o->text, o->rows->are_taken ? " FROM ax_s0 AS r" : " FROM ax_rows AS r");
    for (size_t i = 0; i < service->role_count && !o->rows->are_taken; i++)
        ax_buf_printf(o->text, " POSITIONAL JOIN ax_s%zu AS s%zu", i, i);
}

/* The expressions of one level over what `from` gives. */
static void put_layer(struct output *o, size_t level, struct ax_str from)
{
    const struct ax_service *service = o->service;
    struct ax_expr_column *columns = ax_xalloc((service->input_count + 1) * sizeof(*columns));
    char(*names)[24] = ax_xalloc((service->input_count + 1) * sizeof(*names));
    size_t count = 0;
    ax_buf_printf(o->text, "SELECT *");
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (o->levels[i] != level)
            continue;
        (void)snprintf(names[i], sizeof(names[i]), "e%zu", i);
        columns[count++] = (struct ax_expr_column){ input->parsed.root, ax_str_from(names[i]) };
        struct ax_buf stored;
        ax_buf_init(&stored, 256);
        ax_expr_put_stored(&stored, ax_str_from(names[i]), input->parsed.root->type,
                           input->storage);
        if (!ax_buf_append_char(&stored, '\0')) {
            ax_buf_printf(o->text, ", %s AS i%zu", stored.ptr, i);
            put_view_of(o, stored.ptr, i, input->storage);
        }
        ax_buf_fail_with(o->text, &stored);
        ax_buf_done(&stored);
    }
    ax_buf_printf(o->text, " FROM (");
    ax_expr_put_select(o->text, columns, count, AX_STR("*"), from, AX_SQL_DUCKDB, put_input, o);
    (void)ax_buf_append_char(o->text, ')');
    free(columns);
    free(names);
}

static void put_layers(struct output *o)
{
    struct ax_buf *text = o->text;
    struct ax_buf inner;
    struct ax_buf outer;
    ax_buf_init(&inner, AX_OFFLINE_TEXT_MAX);
    ax_buf_init(&outer, AX_OFFLINE_TEXT_MAX);
    o->text = &inner;
    put_tables(o);
    for (size_t level = 1; level <= o->level_count; level++) {
        ax_buf_reset(&outer);
        ax_buf_printf(&outer, "(");
        (void)ax_buf_append_str(&outer, ax_buf_str(&inner));
        ax_buf_printf(&outer, ")");
        ax_buf_fail_with(&outer, &inner);
        ax_buf_reset(&inner);
        put_layer(o, level, ax_buf_str(&outer));
        ax_buf_fail_with(&inner, &outer);
    }
    o->text = text;
    (void)ax_buf_append_str(text, ax_buf_str(&inner));
    ax_buf_fail_with(text, &inner);
    ax_buf_done(&inner);
    ax_buf_done(&outer);
}

/* What the query is for, which decides how some values are printed. */
enum purpose { PURPOSE_PARQUET, PURPOSE_CSV, PURPOSE_DIGEST };

static void put_column(struct output *o, const char *format, const char *name, struct ax_str title)
{
    for (; *format; format++)
        if (*format == '@')
            (void)ax_buf_append_str(o->text, ax_str_from(name));
        else
            (void)ax_buf_append_char(o->text, *format);
    ax_buf_printf(o->text, " AS ");
    ax_sql_put_name(o->text, title);
}

/* How a stored value is printed; '@' is the value. In CSV a float32 has the digits of the number
 * that it is, not the fewest that tell it from other float32: whoever reads the file has wider
 * ones. */
static const char *storage_format(struct ax_storage storage, enum purpose purpose)
{
    bool is_text = storage.is_list || storage.kind == AX_STORAGE_BYTES;
    if (purpose == PURPOSE_DIGEST && is_text)
        return "CAST(@ AS VARCHAR)";
    if (purpose == PURPOSE_CSV && storage.kind == AX_STORAGE_FLOAT32)
        return storage.is_list ? "CAST(@ AS DOUBLE[])" : "CAST(@ AS DOUBLE)";
    if (purpose != PURPOSE_CSV || storage.kind != AX_STORAGE_TIMESTAMP)
        return "@";
    return storage.is_list ? "list_transform(@, lambda item: ax_moment_text(item))"
                           : "ax_moment_text(@)";
}

/* The same of a column of the rows that is nothing to the service, in Parquet: what it does not
 * hold as it is, DuckDB would round. A number that no decimal holds ends the history. */
static const char *parquet_format(struct ax_str type)
{
    static const char *const parts[] = { "HUGEINT", "INTERVAL", "TIME WITH TIME ZONE",
                                         "UNION(",  "BIGNUM",   "TIME_NS" };
    if (ax_str_is(type, "HUGEINT") || ax_str_is(type, "UHUGEINT"))
        return "CAST(@ AS DECIMAL(38, 0))";
    for (size_t i = 0; i < AX_COUNT(parts); i++)
        if (memmem(type.ptr, type.len, parts[i], strlen(parts[i])))
            return "CAST(@ AS VARCHAR)";
    return "@";
}

static const char *own_format(struct ax_str type, enum purpose purpose)
{
    if (purpose == PURPOSE_DIGEST)
        return ax_sql_type_is_exact(type) ? "@" : "CAST(@ AS VARCHAR)";
    if (purpose == PURPOSE_PARQUET)
        return parquet_format(type);
    if (ax_str_is(type, "FLOAT"))
        return "CAST(@ AS DOUBLE)";
    if (!ax_str_starts_with(type, AX_STR("TIMESTAMP")) || type.ptr[type.len - 1] == ']')
        return "@";
    return ax_str_is(type, "TIMESTAMP_NS") ? "replace(CAST(@ AS VARCHAR), ' ', 'T') || 'Z'"
                                           : "ax_moment_text(CAST(@ AS TIMESTAMP))";
}

static void put_query(struct output *o, enum purpose purpose)
{
    const struct ax_relation_run *run = o->rows->run;
    char name[32];
    ax_buf_printf(o->text, "SELECT ");
    for (size_t i = 0; i < run->column_count; i++) {
        long call = ax_history_rows_call(o->rows, o->service, i);
        const char *format = own_format(run->types[i], purpose);
        (void)snprintf(name, sizeof(name), "c%zu", i);
        if (call >= 0) {
            (void)snprintf(name, sizeof(name), "k%ld", call);
            format = storage_format(o->service->call[call].storage, purpose);
        }
        ax_buf_printf(o->text, i ? ", " : "");
        put_column(o, format, name, run->names[i]);
    }
    for (size_t i = 0; i < o->service->input_count; i++) {
        const struct ax_service_input *input = &o->service->inputs[i];
        if (!is_made(input))
            continue;
        (void)snprintf(name, sizeof(name), "i%zu", i);
        ax_buf_printf(o->text, ", ");
        put_column(o, storage_format(input->storage, purpose), name, input->name);
    }
    if (o->moment.len && purpose != PURPOSE_DIGEST) {
        const struct ax_storage time = { AX_STORAGE_TIMESTAMP, false };
        ax_buf_printf(o->text, ", ");
        put_column(o, storage_format(time, purpose), "make_timestamp(a)", o->moment);
    }
    ax_buf_printf(o->text, " FROM (");
    put_layers(o);
    (void)ax_buf_append_char(o->text, ')');
}

/* ---- the digest ---- */

static enum ax_code hash_rows(struct output *o, struct ax_sql_stream *stream,
                              struct ax_sql_digest *content)
{
    struct ax_sql_chunk chunk = { 0 };
    do {
        if (ax_sql_stream_next(stream, &chunk, o->err) ||
            ax_sql_digest_add(content, &chunk, o->err))
            break;
    } while (chunk.rows);
    return o->err->code;
}

static enum ax_code digest(struct output *o, char ret_digest[65])
{
    struct ax_sql_stream *stream = NULL;
    put_query(o, PURPOSE_DIGEST);
    if (ax_offline_query(o->offline, &stream, o->err))
        return o->err->code;
    struct ax_sql_digest *content = ax_sql_digest_new(stream);
    if (!hash_rows(o, stream, content))
        ax_sql_digest_text(content, ret_digest);
    ax_sql_digest_free(content);
    ax_sql_stream_free(stream);
    return o->err->code;
}

/* ---- the file ---- */

/* What 2,048 rows of an input take at most when its values are lists or texts, else 0. */
static enum ax_code find_input_bytes(struct output *o, const struct ax_service_input *input,
                                     int64_t *ret_bytes)
{
    bool is_text = input->storage.kind == AX_STORAGE_STRING;
    if (input->kind != AX_INPUT_FIELD || (!is_text && !input->storage.is_list)) {
        *ret_bytes = 0;
        return AX_OK;
    }
    ax_buf_printf(o->text, "SELECT coalesce(max(b), 0) FROM (SELECT CAST(sum(");
    if (!input->storage.is_list)
        ax_buf_printf(o->text, "strlen(f%zu)", input->field);
    else if (!is_text)
        ax_buf_printf(o->text, "8 * len(f%zu)", input->field);
    else
        ax_buf_printf(o->text, "list_sum(list_transform(f%zu, lambda item: 16 + strlen(item)))",
                      input->field);
    ax_buf_printf(o->text, ") AS BIGINT) AS b FROM ax_s%zu GROUP BY rowid // %d)", input->role,
                  VECTOR_ROWS);
    return ax_offline_get_i64(o->offline, ret_bytes, o->err);
}

/* Of lists and texts DuckDB holds 2,048 rows several times while they are written, and of a group
 * of Parquet's all rows: so of those that are long a group has fewer rows, in one thread. */
static enum ax_code find_group(struct output *o)
{
    int64_t most = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < o->service->input_count; i++) {
        int64_t more = 0;
        enum ax_code code = find_input_bytes(o, &o->service->inputs[i], &more);
        if (code || more > most)
            o->widest = &o->service->inputs[i];
        if (code)
            return code;
        most = AX_MAX(most, more);
        bytes += (size_t)more;
    }
    size_t vectors = ax_offline_part_bytes(o->offline) / 2 / AX_MAX(bytes, (size_t)1);
    if (vectors < GROUP_ROWS_MAX / VECTOR_ROWS)
        o->group_rows = AX_MAX(vectors, (size_t)1) * VECTOR_ROWS;
    return AX_OK;
}

/* In the work folder, which is cleaned by who made it, whatever happens here. */
static char *hidden_name(const struct ax_offline *offline)
{
    char unique[AX_UUID_TEXT_SIZE];
    size_t size = strlen(offline->work_folder) + sizeof(unique) + 8;
    char *name = ax_xalloc(size);
    ax_uuid7_text(unique);
    (void)snprintf(name, size, "%s/out.%s", offline->work_folder, unique);
    return name;
}

/* So that the disk is at work while the digest is made; when that fails, the sync does it all. */
static void begin_sync(const char *hidden)
{
    int fd = open(hidden, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    (void)close(fd);
}

static enum ax_code copy_rows(struct output *o, const char *out, const char *hidden)
{
    bool is_csv = ax_str_ends_with(ax_str_from(out), AX_STR(".csv"));
    ax_buf_printf(o->text, "COPY (");
    put_query(o, is_csv ? PURPOSE_CSV : PURPOSE_PARQUET);
    ax_buf_printf(o->text, ") TO ");
    ax_sql_put_literal(o->text, ax_str_from(hidden));
    ax_buf_printf(o->text, is_csv ? " (FORMAT csv, HEADER true" : " (FORMAT parquet");
    if (o->group_rows && !is_csv)
        ax_buf_printf(o->text, ", ROW_GROUP_SIZE %zu", o->group_rows);
    (void)ax_buf_append_char(o->text, ')');
    if (!(o->group_rows ? ax_offline_run_in_order(o->offline, o->err)
                        : ax_offline_run(o->offline, o->err)))
        begin_sync(hidden);
    return o->err->code;
}

static enum ax_code publish(struct output *o, const char *hidden, const char *out)
{
    int fd = open(hidden, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        (void)ax_fail_errno(o->err, errno, "write '%s'", hidden);
    if (fd >= 0)
        (void)close(fd);
    if (!o->err->code && rename(hidden, out))
        (void)ax_fail_errno(o->err, errno, "replace '%s'", out);
    if (o->err->code)
        return o->err->code;
    char *folder = ax_xmemdup0(out, (size_t)(strrchr(out, '/') - out) + 1);
    enum ax_code code = ax_file_sync_folder(folder, o->err);
    free(folder);
    return code;
}

static void tell_remedy(const struct output *o)
{
    if (o->err->code == AX_E_TOO_LARGE && o->widest)
        (void)ax_err_context(o->err,
                             "too many values for memory; shorter lists and texts in input '%.*s' "
                             "or a higher --memory-max help",
                             AX_STR_ARG(o->widest->name));
}

enum ax_code ax_history_output_write(struct ax_offline *offline, const struct ax_service *service,
                                     const struct ax_history_rows *rows, struct ax_str moment,
                                     const char *out, char ret_digest[65], struct ax_err *err)
{
    assert(offline && service && rows && out && out[0] == '/' && ret_digest && err);
    struct output o = { .offline = offline,
                        .text = &offline->text,
                        .service = service,
                        .rows = rows,
                        .moment = moment,
                        .err = err };
    char *hidden = hidden_name(offline);
    find_levels(&o);
    if (find_group(&o) || copy_rows(&o, out, hidden) || digest(&o, ret_digest) ||
        publish(&o, hidden, out)) {
        tell_remedy(&o);
        (void)ax_err_context(err, "write '%s'", out);
    }
    (void)unlink(hidden);
    free(hidden);
    free(o.scope);
    free(o.levels);
    return err->code;
}

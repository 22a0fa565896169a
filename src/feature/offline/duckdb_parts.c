/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of rows is made by DuckDB's own hash of each row with its number: an exclusive or and
 * a sum over all, which any number of threads may take in any order. It tells runs of one command
 * apart and withstands no forger, as the parts themselves do not.
 */
#include "feature/offline/duckdb_parts.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "feature/offline/duckdb_pushed.h"
#include "feature/offline/duckdb_relation.h"
#include "feature/offline/duckdb_stamp.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool ax_role_parts_are_there(const struct ax_offline *offline)
{
    char folder[PATH_MAX];
    assert(offline);
    int len = snprintf(folder, sizeof(folder), "%s/parts", offline->work_folder);
    return len > 0 && (size_t)len < sizeof(folder) && access(folder, F_OK) == 0;
}

/* ---- digests of tables ---- */

/* Of the columns, with which each row is told from all others: its rowid is among them. */
static char *table_digest(struct ax_offline *offline, struct ax_str columns, const char *table)
{
    struct ax_buf *text = &offline->text;
    struct ax_err ignored = AX_ERR_INIT;
    char *digest = NULL;
    ax_buf_printf(text, "SELECT count(*) || '.' || coalesce(bit_xor(hash(");
    (void)ax_buf_append_str(text, columns);
    ax_buf_printf(text, ")), 0) || '.' || coalesce(sum(hash(0, ");
    (void)ax_buf_append_str(text, columns);
    ax_buf_printf(text, ")::HUGEINT), 0) FROM %s AS t", table);
    if (!ax_buf_check(text, "the query", &ignored) &&
        ax_sql_get_text(offline->sql, ax_buf_str(text), &digest, &ignored))
        digest = NULL;
    ax_buf_reset(text);
    return digest;
}

char *ax_role_part_rows_digest(struct ax_offline *offline, const struct ax_service *service)
{
    assert(offline && service);
    struct ax_buf columns;
    ax_buf_init(&columns, AX_OFFLINE_TEXT_MAX);
    ax_buf_printf(&columns, "rowid, a");
    for (size_t i = 0; i < service->call_count; i++)
        ax_buf_printf(&columns, ", k%zu", i);
    char *digest = columns.failed ? NULL : table_digest(offline, ax_buf_str(&columns), "ax_rows");
    ax_buf_done(&columns);
    return digest;
}

/* ---- names ---- */

/* A source and its files; false: nobody knows which. */
static bool put_source(struct ax_buf *out, struct ax_offline *offline,
                       const struct ax_source *source)
{
    struct ax_err ignored = AX_ERR_INIT;
    char stamp[AX_SHA256_TEXT_SIZE];
    if (ax_source_stamp(offline, source, stamp, &ignored) || !stamp[0])
        return false;
    ax_definition_put_json(out, AX_DEFINITION_SOURCE, source);
    const struct ax_source_journal *pushed = ax_offline_pushed(offline, source);
    if (pushed)
        ax_source_journal_put_extent(out, pushed);
    ax_buf_printf(out, "\n%s\n", stamp);
    return true;
}

bool ax_role_part_put_files(struct ax_offline *offline, const struct ax_source *source,
                            struct ax_buf *out)
{
    assert(offline && source && out);
    bool is_known = put_source(out, offline, source);
    for (size_t i = 0; i < source->expectation_count && is_known; i++)
        if (source->expectations[i].referred)
            is_known = put_source(out, offline, source->expectations[i].referred);
    return is_known && !out->failed;
}

bool ax_role_part_put_content(struct ax_offline *offline, const struct ax_source_table *table,
                              struct ax_buf *out)
{
    assert(offline && table && out);
    char *digest = table->scan ? NULL : table_digest(offline, AX_STR("rowid, t"), table->name);
    if (!digest)
        return false;
    ax_definition_put_json(out, AX_DEFINITION_SOURCE, table->source);
    ax_buf_printf(out, "\n%s", digest);
    free(digest);
    return !out->failed;
}

static void put_key(struct ax_buf *out, const struct ax_role_part_of *of)
{
    const struct ax_view *view = of->service->roles[of->role].view;
    ax_buf_printf(out, "part 6 of auspex %s\n%zu %zu/%zu %d %s\n", AX_VERSION, of->role,
                  of->slice.at, of->slice.count, of->as_known, of->rows);
    ax_definition_put_json(out, AX_DEFINITION_SERVICE, of->service);
    ax_definition_put_json(out, AX_DEFINITION_VIEW, view);
    ax_definition_put_json(out, AX_DEFINITION_ENTITY, view->entity);
    (void)ax_buf_append_str(out, of->source);
}

/* Where a part is, whether it is there or not; false: there can be none. */
static bool part_path(const struct ax_offline *offline, const struct ax_role_part_of *of,
                      char path[PATH_MAX])
{
    assert(of->role < of->service->role_count && of->slice.at < of->slice.count);
    struct ax_sha256 sha;
    struct ax_buf key;
    char digest[AX_SHA256_TEXT_SIZE];
    if (!of->rows)
        return false;
    ax_buf_init(&key, AX_OFFLINE_TEXT_MAX);
    put_key(&key, of);
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, key.ptr, key.len);
    ax_sha256_text(&sha, digest);
    int len = snprintf(path, PATH_MAX, "%s/parts/%s.parquet", offline->work_folder, digest);
    bool is_whole = !key.failed && len > 0 && len < PATH_MAX;
    ax_buf_done(&key);
    return is_whole;
}

bool ax_role_part_is_there(const struct ax_offline *offline, const struct ax_role_part_of *of)
{
    char path[PATH_MAX];
    assert(offline && of);
    return part_path(offline, of, path) && access(path, R_OK) == 0;
}

/* ---- files ---- */

static void drop_table(struct ax_offline *offline, size_t role)
{
    struct ax_err ignored = AX_ERR_INIT;
    ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS ax_s%zu", role);
    (void)(ax_offline_run(offline, &ignored) != AX_OK);
}

/* What a part has in its metadata, a text that the caller frees; NULL: it cannot be read. */
static char *load_metadata(struct ax_offline *offline, const char *path, const char *key)
{
    struct ax_err ignored = AX_ERR_INIT;
    char *value = NULL;
    ax_buf_printf(&offline->text, "SELECT coalesce(max(decode(value)), '') FROM "
                                  "parquet_kv_metadata(");
    ax_relation_put_path(&offline->text, ax_str_from(path));
    ax_buf_printf(&offline->text, ") WHERE decode(key) = '%s'", key);
    if (!ax_buf_check(&offline->text, "the query", &ignored) &&
        ax_sql_get_text(offline->sql, ax_buf_str(&offline->text), &value, &ignored))
        value = NULL;
    ax_buf_reset(&offline->text);
    return value;
}

static bool load_held(struct ax_offline *offline, const char *path)
{
    char *held = load_metadata(offline, path, "held");
    ax_buf_reset(&offline->held);
    if (held)
        (void)ax_buf_append_str(&offline->held, ax_str_from(held));
    bool done = held && !offline->held.failed;
    free(held);
    return done;
}

static bool load_too_many(struct ax_offline *offline, const struct ax_role_part_of *of,
                          const char *path)
{
    const struct ax_view *view = of->service->roles[of->role].view;
    char *text = load_metadata(offline, path, "too_many");
    char *end = text;
    size_t count = text ? strtoull(text, &end, 10) : 0;
    size_t field = text ? strtoull(end, NULL, 10) : view->field_count;
    free(text);
    if (field >= view->field_count)
        return false;
    offline->too_many = (struct ax_too_many){ count, view, field };
    return true;
}

/* INVALID: it is torn, or of other rows. */
static enum ax_code load_part(struct ax_offline *offline, const struct ax_role_part_of *of,
                              const char *path, struct ax_err *err)
{
    int64_t count = -1;
    size_t rows = 0;
    ax_buf_printf(&offline->text, "CREATE TEMP TABLE ax_s%zu AS SELECT * FROM read_parquet(",
                  of->role);
    ax_relation_put_path(&offline->text, ax_str_from(path));
    ax_buf_printf(&offline->text, ", hive_partitioning=false)");
    if (ax_offline_run(offline, err))
        return err->code;
    ax_buf_printf(&offline->text, "SELECT count(*) FROM ax_s%zu", of->role);
    if (ax_offline_get_i64(offline, &count, err) ||
        ax_role_count_rows(offline, of->service, of->role, of->slice, &rows, err))
        return err->code;
    return (size_t)count == rows && load_held(offline, path) && load_too_many(offline, of, path)
               ? AX_OK
               : ax_fail(err, AX_E_INVALID, "'%s' is no part", path);
}

bool ax_role_part_load(struct ax_offline *offline, const struct ax_role_part_of *of)
{
    assert(offline && of);
    struct ax_err err = AX_ERR_INIT;
    char path[PATH_MAX];
    if (!part_path(offline, of, path) || access(path, R_OK))
        return false;
    if (!load_part(offline, of, path, &err))
        return true;
    drop_table(offline, of->role);
    /* Who interrupts, or has too little room, may still want it. */
    if (err.code == AX_E_INVALID)
        (void)unlink(path);
    return false;
}

static bool sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return done;
}

void ax_role_part_keep(struct ax_offline *offline, const struct ax_role_part_of *of)
{
    assert(offline && of);
    struct ax_err ignored = AX_ERR_INIT;
    char path[PATH_MAX];
    char folder[PATH_MAX];
    char hidden[PATH_MAX + 8];
    if (!part_path(offline, of, path))
        return;
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    (void)snprintf(hidden, sizeof(hidden), "%s.tmp", path);
    if (ax_file_make_folder(folder, &ignored))
        return;
    ax_buf_printf(&offline->text, "COPY (SELECT COLUMNS('^(n|f[0-9]+)$') FROM ax_s%zu) TO ",
                  of->role);
    ax_sql_put_literal(&offline->text, ax_str_from(hidden));
    ax_buf_printf(&offline->text,
                  " (FORMAT parquet, COMPRESSION uncompressed, KV_METADATA {held: ");
    ax_sql_put_literal(&offline->text, ax_buf_str(&offline->held));
    ax_buf_printf(&offline->text, ", too_many: '%zu %zu'}", offline->too_many.count,
                  offline->too_many.field);
    /* DuckDB holds a group of rows in each thread. */
    bool is_wide = ax_role_values(of->service, of->role).are_wide;
    ax_buf_printf(&offline->text, is_wide ? ", ROW_GROUP_SIZE 2048)" : ")");
    if ((is_wide ? ax_offline_run_in_order(offline, &ignored)
                 : ax_offline_run(offline, &ignored)) ||
        !sync_file(hidden) || rename(hidden, path))
        (void)unlink(hidden);
}

/* ---- slices ---- */

enum ax_code ax_role_slice_put_aside(struct ax_offline *offline, size_t role, size_t at,
                                     struct ax_err *err)
{
    assert(offline && at < AX_ROLE_SLICES && err);
    ax_buf_printf(&offline->text, "ALTER TABLE ax_s%zu RENAME TO ax_p%zu_%zu", role, role, at);
    return ax_offline_run(offline, err);
}

enum ax_code ax_role_slices_unite(struct ax_offline *offline, const struct ax_service *service,
                                  size_t role, struct ax_err *err)
{
    assert(offline && service && err);
    bool is_wide = ax_role_values(service, role).are_wide;
    ax_buf_printf(&offline->text, "CREATE TEMP TABLE ax_s%zu AS SELECT * FROM (", role);
    for (size_t at = 0; at < AX_ROLE_SLICES; at++)
        ax_buf_printf(&offline->text, "%sFROM ax_p%zu_%zu", at ? " UNION ALL " : "", role, at);
    /* Ranges of rows are in order. */
    ax_buf_printf(&offline->text, is_wide ? ")" : ") ORDER BY n");
    if (!(is_wide ? ax_offline_run_in_order(offline, err) : ax_offline_run(offline, err)))
        ax_role_slices_drop(offline, role);
    return err->code;
}

void ax_role_slices_drop(struct ax_offline *offline, size_t role)
{
    assert(offline);
    for (size_t at = 0; at < AX_ROLE_SLICES; at++) {
        struct ax_err ignored = AX_ERR_INIT;
        ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS ax_p%zu_%zu", role, at);
        (void)(ax_offline_run(offline, &ignored) != AX_OK);
    }
}

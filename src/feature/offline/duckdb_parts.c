/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of the rows is made by DuckDB's own hash of each row with its number: an exclusive or
 * and a sum over all, which any number of threads may take in any order. It tells runs of one
 * command apart and withstands no forger, as the parts themselves do not.
 */
#include "feature/offline/duckdb_parts.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "feature/offline/duckdb_relation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES_MAX ((size_t)64 << 20)

char *ax_role_part_rows_digest(struct ax_offline *offline, const struct ax_service *service)
{
    assert(offline && service);
    struct ax_buf *text = &offline->text;
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_buf columns;
    char *digest = NULL;
    ax_buf_init(&columns, AX_OFFLINE_TEXT_MAX);
    ax_buf_printf(&columns, "rowid, a");
    for (size_t i = 0; i < service->call_count; i++)
        ax_buf_printf(&columns, ", k%zu", i);
    ax_buf_printf(text, "SELECT count(*) || '.' || coalesce(bit_xor(hash(");
    (void)ax_buf_append_str(text, ax_buf_str(&columns));
    ax_buf_printf(text, ")), 0) || '.' || coalesce(sum(hash(0, ");
    (void)ax_buf_append_str(text, ax_buf_str(&columns));
    ax_buf_printf(text, ")::HUGEINT), 0) FROM ax_rows");
    ax_buf_fail_with(text, &columns);
    if (!ax_buf_check(text, "the query", &ignored) &&
        ax_sql_get_text(offline->sql, ax_buf_str(text), &digest, &ignored))
        digest = NULL;
    ax_buf_reset(text);
    ax_buf_done(&columns);
    return digest;
}

/* ---- names ---- */

static enum ax_code put_file(void *arg, struct ax_str path, struct ax_err *err)
{
    struct stat info;
    char *text = ax_xmemdup0(path.ptr, path.len);
    if (stat(text, &info))
        (void)ax_fail_errno(err, errno, "open '%s'", text);
    else
        ax_buf_printf(arg, "%s %lld %llu %lld.%09ld\n", text, (long long)info.st_size,
                      (unsigned long long)info.st_ino, (long long)info.st_mtim.tv_sec,
                      info.st_mtim.tv_nsec);
    free(text);
    return err->code;
}

/* A source and all files of it; false: nobody knows which. */
static bool put_source(struct ax_buf *out, struct ax_offline *offline,
                       const struct ax_source *source)
{
    struct ax_err ignored = AX_ERR_INIT;
    if (source->kind == AX_SOURCE_SQL)
        return false;
    ax_definition_put_json(out, AX_DEFINITION_SOURCE, source);
    size_t begin = out->len;
    return !ax_offline_files(offline, source, put_file, out, &ignored) && out->len > begin;
}

/* The same with those that its expectations refer to. */
static bool put_sources(struct ax_buf *out, struct ax_offline *offline,
                        const struct ax_source *source)
{
    bool is_known = put_source(out, offline, source);
    for (size_t i = 0; i < source->expectation_count && is_known; i++)
        if (source->expectations[i].referred)
            is_known = put_source(out, offline, source->expectations[i].referred);
    return is_known;
}

static bool put_key(struct ax_buf *out, struct ax_offline *offline,
                    const struct ax_service *service, size_t role, bool as_known,
                    const char *rows_digest)
{
    const struct ax_view *view = service->roles[role].view;
    ax_buf_printf(out, "part 3 of auspex %s\n%zu %d %s\n", AX_VERSION, role, as_known, rows_digest);
    ax_definition_put_json(out, AX_DEFINITION_SERVICE, service);
    ax_definition_put_json(out, AX_DEFINITION_VIEW, view);
    ax_definition_put_json(out, AX_DEFINITION_ENTITY, view->entity);
    return put_sources(out, offline, view->source) && !out->failed;
}

void ax_role_part_name(struct ax_offline *offline, const struct ax_service *service, size_t role,
                       bool as_known, const char *rows_digest, struct ax_role_part *ret_part)
{
    assert(offline && service && role < service->role_count && ret_part);
    struct ax_sha256 sha;
    struct ax_buf key;
    char digest[AX_SHA256_TEXT_SIZE];
    ret_part->path[0] = '\0';
    if (!offline->config.keep_parts || !rows_digest)
        return;
    ax_buf_init(&key, KEY_BYTES_MAX);
    if (put_key(&key, offline, service, role, as_known, rows_digest)) {
        ax_sha256_init(&sha);
        ax_sha256_add(&sha, key.ptr, key.len);
        ax_sha256_text(&sha, digest);
        int len = snprintf(ret_part->path, sizeof(ret_part->path), "%s/parts/%s.parquet",
                           offline->work_folder, digest);
        if (len < 0 || (size_t)len >= sizeof(ret_part->path) - 8)
            ret_part->path[0] = '\0';
    }
    ax_buf_done(&key);
}

/* ---- files ---- */

static void drop_table(struct ax_offline *offline, size_t role)
{
    struct ax_err ignored = AX_ERR_INIT;
    ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS ax_s%zu", role);
    (void)(ax_offline_run(offline, &ignored) != AX_OK);
}

/* What a part has in its metadata under `held`; false: it cannot be read. */
static bool load_held(struct ax_offline *offline, const struct ax_role_part *part)
{
    struct ax_err ignored = AX_ERR_INIT;
    char *held = NULL;
    ax_buf_printf(&offline->text, "SELECT coalesce(max(decode(value)), '') FROM "
                                  "parquet_kv_metadata(");
    ax_relation_put_path(&offline->text, ax_str_from(part->path));
    ax_buf_printf(&offline->text, ") WHERE decode(key) = 'held'");
    enum ax_code code = ax_buf_check(&offline->text, "the query", &ignored);
    if (!code)
        code = ax_sql_get_text(offline->sql, ax_buf_str(&offline->text), &held, &ignored);
    ax_buf_reset(&offline->text);
    ax_buf_reset(&offline->held);
    if (!code)
        (void)ax_buf_append_str(&offline->held, ax_str_from(held));
    free(held);
    return !code && !offline->held.failed;
}

bool ax_role_part_load(struct ax_offline *offline, const struct ax_role_part *part, size_t role,
                       size_t rows)
{
    assert(offline && part);
    struct ax_err ignored = AX_ERR_INIT;
    int64_t count = -1;
    if (!part->path[0] || access(part->path, R_OK))
        return false;
    ax_buf_printf(&offline->text, "CREATE TEMP TABLE ax_s%zu AS SELECT * FROM read_parquet(", role);
    ax_relation_put_path(&offline->text, ax_str_from(part->path));
    ax_buf_printf(&offline->text, ", hive_partitioning=false)");
    if (!ax_offline_run(offline, &ignored)) {
        ax_buf_printf(&offline->text, "SELECT count(*) FROM ax_s%zu", role);
        if (!ax_offline_get_i64(offline, &count, &ignored) && (size_t)count == rows &&
            load_held(offline, part))
            return true;
    }
    drop_table(offline, role);
    (void)unlink(part->path);
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

void ax_role_part_keep(struct ax_offline *offline, const struct ax_role_part *part, size_t role)
{
    assert(offline && part);
    struct ax_err ignored = AX_ERR_INIT;
    char folder[PATH_MAX];
    char hidden[PATH_MAX + 8];
    if (!part->path[0])
        return;
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(part->path, '/') - part->path),
                   part->path);
    (void)snprintf(hidden, sizeof(hidden), "%s.tmp", part->path);
    if (ax_file_make_folder(folder, &ignored))
        return;
    ax_buf_printf(&offline->text, "COPY (SELECT * EXCLUDE (n) FROM ax_s%zu) TO ", role);
    ax_sql_put_literal(&offline->text, ax_str_from(hidden));
    ax_buf_printf(&offline->text,
                  " (FORMAT parquet, COMPRESSION uncompressed, KV_METADATA {held: ");
    ax_sql_put_literal(&offline->text, ax_buf_str(&offline->held));
    ax_buf_printf(&offline->text, "})");
    if (ax_offline_run(offline, &ignored) || !sync_file(hidden) || rename(hidden, part->path))
        (void)unlink(hidden);
}

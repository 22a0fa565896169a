/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite behind registry/database.h.
 *
 * The file has a write-ahead log and is synced at each commit, so what was committed is there after
 * kill -9 and after a loss of power, and readers are never kept waiting by a writer. It is opened
 * as one that a stranger may have written: the schema in it is not trusted, sizes in its pages are
 * checked, and nothing in it can run. SQLite notices damage to its own structure; damage inside of
 * texts is found by the checksums that reading compares.
 *
 * Reading makes files beside it, of the log. Where these may not be made (a folder or a mount that
 * may only be read), a registry whose writer has ended is read without them, as a file that nobody
 * changes. Where there is no room for them it is read with what is shared otherwise in our memory,
 * while all others are kept waiting.
 */
#include "registry/database.h"

#include "base/buf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BUSY_MS_MAX   5000
#define URI_BYTES_MAX ((size_t)1 << 16)

enum ax_code ax_database_damaged_fail(const struct ax_registry *registry, struct ax_err *err,
                                      const char *fmt, ...)
{
    char reason[160];
    va_list args;
    va_start(args, fmt);
    ax_err_print(reason, sizeof(reason), fmt, args);
    va_end(args);
    return ax_fail(err, AX_E_INVALID,
                   "'%s' is damaged: %s; put back a copy of it, or move it away and apply again",
                   registry->path, reason);
}

/* What SQLite calls a failure of the system, and is a full disk: also where its shared memory is to
 * grow, or a limit on files is met. */
static bool is_no_room(const struct ax_registry *registry, int status)
{
    int number = registry->sqlite ? sqlite3_system_errno(registry->sqlite) : 0;
    return status == SQLITE_IOERR_SHMSIZE ||
           ((status & 0xff) == SQLITE_IOERR &&
            (number == ENOSPC || number == EDQUOT || number == EFBIG));
}

/* SQLite's status as one of ours. */
static enum ax_code sqlite_fail(const struct ax_registry *registry, int status, struct ax_err *err)
{
    static const struct {
        int status;
        enum ax_code code;
    } kinds[] = {
        { SQLITE_FULL, AX_E_LIMIT },       { SQLITE_NOMEM, AX_E_LIMIT },
        { SQLITE_PERM, AX_E_DENIED },      { SQLITE_READONLY, AX_E_DENIED },
        { SQLITE_CANTOPEN, AX_E_DENIED },  { SQLITE_AUTH, AX_E_DENIED },
        { SQLITE_TOOBIG, AX_E_TOO_LARGE },
    };
    int kind = is_no_room(registry, status) ? SQLITE_FULL : status & 0xff;
    const char *text = registry->sqlite && kind != SQLITE_FULL ? sqlite3_errmsg(registry->sqlite)
                                                               : sqlite3_errstr(kind);
    if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
        return ax_fail(err, AX_E_UNAVAILABLE, "'%s' is busy: another process writes to it",
                       registry->path);
    if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB)
        return ax_database_damaged_fail(registry, err, "%s", text);
    for (size_t i = 0; i < AX_COUNT(kinds); i++)
        if (kinds[i].status == kind)
            return ax_fail(err, kinds[i].code, "'%s': %s", registry->path, text);
    return ax_fail(err, AX_E_INTERNAL, "'%s': %s", registry->path, text);
}

/* SQLite would wait at a fifo, and calls a missing file and a forbidden one by the same name. */
static enum ax_code check_file(const char *path, enum ax_registry_access access, struct ax_err *err)
{
    struct stat info;
    if (stat(path, &info) == 0)
        return S_ISREG(info.st_mode)
                   ? AX_OK
                   : ax_fail(err, AX_E_INVALID, "'%s' is not a regular file", path);
    if (errno == ENOENT && access == AX_REGISTRY_WRITE)
        return AX_OK;
    return ax_fail_errno(err, errno, "open '%s'", path);
}

static enum ax_code configure(struct ax_registry *registry, enum ax_registry_access access,
                              struct ax_err *err)
{
    struct sqlite3 *sqlite = registry->sqlite;
    (void)sqlite3_extended_result_codes(sqlite, 1);
    (void)sqlite3_busy_timeout(sqlite, BUSY_MS_MAX);
    (void)sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (ax_database_run(registry, "pragma cell_size_check = on; pragma foreign_keys = on;", err))
        return err->code;
    if (access == AX_REGISTRY_READ)
        return ax_database_run(registry, "pragma query_only = on;", err);
    return ax_database_run(registry, "pragma journal_mode = wal; pragma synchronous = full;", err);
}

/* Who only reads may have to undo what a killed writer has left, so all open it to write; SQLite
 * opens a file that may not be written to read. */
static enum ax_code open_file(struct ax_registry *registry, enum ax_registry_access access,
                              struct ax_err *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE |
                (access == AX_REGISTRY_WRITE ? SQLITE_OPEN_CREATE : 0);
    int status = sqlite3_open_v2(registry->path, &registry->sqlite, flags, NULL);
    return status ? sqlite_fail(registry, status, err) : configure(registry, access, err);
}

/* Fails when the log has something that is not in the file yet. */
static enum ax_code check_log(const struct ax_registry *registry, struct ax_err *err)
{
    char path[PATH_MAX];
    struct stat info;
    int len = snprintf(path, sizeof(path), "%s-wal", registry->path);
    if (len > 0 && (size_t)len < sizeof(path) &&
        (stat(path, &info) == 0 ? info.st_size == 0 : errno == ENOENT))
        return AX_OK;
    return ax_fail(err, AX_E_DENIED,
                   "'%s' holds what is not in the registry yet: reading it takes the right to "
                   "write to its folder",
                   path);
}

/* "file:a%20b?immutable=1" */
static void put_immutable(struct ax_buf *out, const char *path)
{
    (void)ax_buf_append_str(out, AX_STR("file:"));
    for (const char *at = path; *at; at++)
        if (isalnum((unsigned char)*at) || strchr("/-._", *at))
            (void)ax_buf_append_char(out, *at);
        else
            ax_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
    ax_buf_printf(out, "?immutable=1%c", '\0');
}

/* As a file that nobody changes: without locks, the log, and what is shared with writers. */
static enum ax_code open_immutable(struct ax_registry *registry, struct ax_err *err)
{
    struct ax_buf uri;
    if (check_log(registry, err))
        return err->code;
    ax_buf_init(&uri, URI_BYTES_MAX);
    put_immutable(&uri, registry->path);
    if (!ax_buf_check(&uri, "the path of the registry", err)) {
        int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
        int status = sqlite3_open_v2(uri.ptr, &registry->sqlite, flags, NULL);
        (void)(status ? sqlite_fail(registry, status, err)
                      : configure(registry, AX_REGISTRY_READ, err));
    }
    ax_buf_done(&uri);
    return err->code;
}

/* As the only one that has it open. What the log has is left there, since the file could grow. */
static enum ax_code open_alone(struct ax_registry *registry, struct ax_err *err)
{
    if (open_file(registry, AX_REGISTRY_READ, err))
        return err->code;
    (void)sqlite3_db_config(registry->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return ax_database_run(registry, "pragma locking_mode = exclusive;", err);
}

/* That the log's files cannot be made is noticed when the first page is read. */
static enum ax_code read_page(struct ax_registry *registry, struct ax_err *err)
{
    int64_t ignored;
    return ax_database_get(registry, "pragma user_version", &ignored, err);
}

enum ax_code ax_database_open(struct ax_registry *registry, enum ax_registry_access access,
                              struct ax_err *err)
{
    assert(registry && registry->path && !registry->sqlite && err);
    if (check_file(registry->path, access, err) || open_file(registry, access, err) ||
        access == AX_REGISTRY_WRITE || !read_page(registry, err))
        return err->code;
    if (err->code != AX_E_DENIED && err->code != AX_E_LIMIT)
        return err->code;
    bool is_denied = err->code == AX_E_DENIED;
    ax_err_clear(err);
    ax_database_close(registry);
    return is_denied ? open_immutable(registry, err)
                     : (open_alone(registry, err) ? err->code : read_page(registry, err));
}

void ax_database_close(struct ax_registry *registry)
{
    int status = sqlite3_close(registry->sqlite);
    assert(status == SQLITE_OK); /* else a query was not ended */
    registry->sqlite = NULL;
}

enum ax_code ax_database_run(struct ax_registry *registry, const char *statements,
                             struct ax_err *err)
{
    int status = sqlite3_exec(registry->sqlite, statements, NULL, NULL, NULL);
    return status ? sqlite_fail(registry, status, err) : AX_OK;
}

enum ax_code ax_database_get(struct ax_registry *registry, const char *sql, int64_t *ret,
                             struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    if (!ax_query_begin(&query, registry, sql, err) && !ax_query_step(&query, &has_row, err) &&
        has_row)
        *ret = ax_query_i64(&query, 0);
    ax_query_end(&query);
    if (!err->code && !has_row)
        return ax_fail(err, AX_E_INTERNAL, "'%s': no row from %s", registry->path, sql);
    return err->code;
}

enum ax_code ax_database_end(struct ax_registry *registry, struct ax_err *err)
{
    if (!err->code && !ax_database_run(registry, "commit", err))
        return AX_OK;
    /* What made it fail may have undone it already. */
    if (!sqlite3_get_autocommit(registry->sqlite))
        (void)sqlite3_exec(registry->sqlite, "rollback", NULL, NULL, NULL);
    return err->code;
}

enum ax_code ax_query_begin(struct ax_query *query, struct ax_registry *registry, const char *sql,
                            struct ax_err *err)
{
    assert(query && registry && registry->sqlite && sql && err);
    *query = (struct ax_query){ .registry = registry };
    int status = sqlite3_prepare_v2(registry->sqlite, sql, -1, &query->statement, NULL);
    return status ? sqlite_fail(registry, status, err) : AX_OK;
}

void ax_query_end(struct ax_query *query)
{
    (void)sqlite3_finalize(query->statement);
    query->statement = NULL;
}

/* A value that SQLite has no memory for stays NULL, which no column of ours may be: the step fails.
 */
void ax_query_set_text(struct ax_query *query, int at, struct ax_str text)
{
    (void)sqlite3_bind_text64(query->statement, at + 1, text.len ? text.ptr : "", text.len,
                              SQLITE_STATIC, SQLITE_UTF8);
}

void ax_query_set_i64(struct ax_query *query, int at, int64_t value)
{
    (void)sqlite3_bind_int64(query->statement, at + 1, value);
}

void ax_query_set_u64(struct ax_query *query, int at, uint64_t value)
{
    assert(value <= INT64_MAX);
    ax_query_set_i64(query, at, (int64_t)value);
}

enum ax_code ax_query_step(struct ax_query *query, bool *ret_row, struct ax_err *err)
{
    int status = sqlite3_step(query->statement);
    if (status != SQLITE_ROW && status != SQLITE_DONE)
        return sqlite_fail(query->registry, status, err);
    *ret_row = status == SQLITE_ROW;
    return AX_OK;
}

enum ax_code ax_query_run(struct ax_query *query, struct ax_err *err)
{
    bool has_row = true;
    while (has_row)
        if (ax_query_step(query, &has_row, err))
            return err->code;
    (void)sqlite3_reset(query->statement);
    return AX_OK;
}

int64_t ax_query_i64(struct ax_query *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

uint64_t ax_query_u64(struct ax_query *query, int column)
{
    return (uint64_t)AX_MAX(ax_query_i64(query, column), (int64_t)0);
}

struct ax_str ax_query_text(struct ax_query *query, int column)
{
    const unsigned char *text = sqlite3_column_text(query->statement, column);
    int bytes = sqlite3_column_bytes(query->statement, column);
    return text && bytes > 0 ? (struct ax_str){ (const char *)text, (size_t)bytes } : AX_STR("");
}

enum ax_code ax_query_copy(struct ax_query *query, int column, struct ax_arena *arena,
                           struct ax_str *ret_text, struct ax_err *err)
{
    struct ax_str text = ax_query_text(query, column);
    char *copy = ax_arena_strdup(arena, text);
    if (!copy)
        return ax_arena_fail(arena, "what the registry holds", err);
    *ret_text = (struct ax_str){ copy, text.len };
    return AX_OK;
}

int64_t ax_database_last_key(const struct ax_registry *registry)
{
    return sqlite3_last_insert_rowid(registry->sqlite);
}

int64_t ax_database_changes(const struct ax_registry *registry)
{
    return sqlite3_changes64(registry->sqlite);
}

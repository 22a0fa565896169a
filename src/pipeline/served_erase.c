/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each file is looked through by DuckDB, and one that has such vectors is written anew without them
 * beside its place, which it takes when it is on the disk; its age stays. Keys are compared as
 * texts, so that a column may have had another type.
 */
#include "pipeline/served_erase.h"

#include "base/file.h"
#include "base/sql.h"
#include "pipeline/served_form.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES_MAX   ((size_t)16 << 20)
#define KEYS_AT_ONCE     ((size_t)1000)
#define MEMORY_BYTES_MAX ((size_t)256 << 20)
#define KEYS_MAX         16 /* columns of an entity's key */
#define FILE_END         ".parquet"

struct eraser {
    struct ax_served_erase *erase;
    struct ax_sql *sql;    /* NULL: not needed yet */
    struct ax_buf text;    /* of a statement */
    struct ax_buf is_gone; /* the condition for a file */
    struct ax_err *err;
};

static enum ax_code run(struct eraser *e)
{
    if (!ax_buf_check(&e->text, "the query", e->err))
        (void)(ax_sql_run(e->sql, ax_buf_str(&e->text), e->err) != AX_OK);
    ax_buf_reset(&e->text);
    return e->err->code;
}

static enum ax_code get(struct eraser *e, int64_t *ret)
{
    if (!ax_buf_check(&e->text, "the query", e->err))
        (void)(ax_sql_get_i64(e->sql, ax_buf_str(&e->text), ret, e->err) != AX_OK);
    ax_buf_reset(&e->text);
    return e->err->code;
}

/* ---- keys ---- */

/* Take a value of a key from its bytes, and put it as a text of SQL. */
static void put_part(struct ax_buf *out, const struct ax_entity *entity, size_t part,
                     struct ax_str *bytes)
{
    struct ax_type type = ax_storage_type(entity->keys[part].storage);
    size_t len = bytes->len;
    int64_t number = 0;
    if (type.kind == AX_TYPE_STRING && entity->key_count > 1) {
        uint32_t length;
        memcpy(&length, bytes->ptr, sizeof(length));
        bytes->ptr += sizeof(length);
        bytes->len -= sizeof(length);
        len = length;
    } else if (type.kind != AX_TYPE_STRING) {
        len = type.kind == AX_TYPE_BOOL ? 1 : sizeof(number);
        memcpy(&number, bytes->ptr, len);
    }
    if (type.kind == AX_TYPE_STRING)
        ax_sql_put_literal(out, (struct ax_str){ bytes->ptr, len });
    else if (type.kind == AX_TYPE_BOOL)
        ax_buf_printf(out, "'%s'", number ? "true" : "false");
    else if (type.kind == AX_TYPE_TIMESTAMP)
        ax_buf_printf(out, "make_timestamp(%" PRId64 ")::VARCHAR", number);
    else
        ax_buf_printf(out, "'%" PRId64 "'", number);
    bytes->ptr += len;
    bytes->len -= len;
}

static enum ax_code make_keys(struct eraser *e)
{
    const struct ax_entity *entity = e->erase->entity;
    struct ax_str key;
    void *value;
    size_t count = 0;
    ax_buf_printf(&e->text, "CREATE TEMP TABLE ax_gone (");
    for (size_t i = 0; i < entity->key_count; i++)
        ax_buf_printf(&e->text, "%sk%zu VARCHAR", i ? ", " : "", i);
    (void)ax_buf_append_char(&e->text, ')');
    if (run(e))
        return e->err->code;
    for (size_t at = 0; ax_map_next(e->erase->keys, &at, &key, &value); count++) {
        if (count % KEYS_AT_ONCE == 0 && count && run(e))
            return e->err->code;
        ax_buf_printf(&e->text, count % KEYS_AT_ONCE ? ", (" : "INSERT INTO ax_gone VALUES (");
        for (size_t i = 0; i < entity->key_count; i++) {
            ax_buf_printf(&e->text, i ? ", " : "");
            put_part(&e->text, entity, i, &key);
        }
        (void)ax_buf_append_char(&e->text, ')');
    }
    return count ? run(e) : AX_OK;
}

static enum ax_code have_sql(struct eraser *e)
{
    const struct ax_sql_config config = { .threads = 1, .memory_bytes_max = MEMORY_BYTES_MAX };
    return e->sql || (!ax_sql_open(&config, &e->sql, e->err) && !make_keys(e)) ? AX_OK
                                                                               : e->err->code;
}

/* ---- which vectors ---- */

/* The columns of a call that may be a key of the entity. */
struct mapping {
    struct ax_str columns[KEYS_MAX];
};

static bool call_has(const struct ax_service *service, struct ax_str name)
{
    for (size_t i = 0; i < service->call_count; i++) {
        if (ax_str_equals(service->call[i].name, name))
            return true;
    }
    return false;
}

static void put_column(struct ax_buf *out, struct ax_str name)
{
    (void)ax_buf_append_str(out, AX_STR("\"" AX_SERVED_CALL));
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            (void)ax_buf_append_char(out, '"');
        (void)ax_buf_append_char(out, name.ptr[i]);
    }
    (void)ax_buf_append_char(out, '"');
}

/* Whether the file has all columns of a mapping: then it is another condition. */
static enum ax_code add_mapping(struct eraser *e, const char *path, const struct mapping *mapping)
{
    size_t count = e->erase->entity->key_count;
    int64_t found = 0;
    ax_buf_printf(&e->text, "SELECT count(DISTINCT name) FROM parquet_schema(");
    ax_sql_put_literal(&e->text, ax_str_from(path));
    ax_buf_printf(&e->text, ") WHERE ");
    for (size_t i = 0; i < count; i++) {
        ax_buf_printf(&e->text, "%sname = '" AX_SERVED_CALL "' || ", i ? " OR " : "");
        ax_sql_put_literal(&e->text, mapping->columns[i]);
    }
    if (get(e, &found) || (size_t)found < count)
        return e->err->code;
    ax_buf_printf(&e->is_gone, "%s(", e->is_gone.len ? " OR " : "");
    for (size_t i = 0; i < count; i++) {
        ax_buf_printf(&e->is_gone, i ? ", " : "");
        put_column(&e->is_gone, mapping->columns[i]);
        ax_buf_printf(&e->is_gone, "::VARCHAR");
    }
    ax_buf_printf(&e->is_gone, ") IN (SELECT (k0");
    for (size_t i = 1; i < count; i++)
        ax_buf_printf(&e->is_gone, ", k%zu", i);
    ax_buf_printf(&e->is_gone, ") FROM ax_gone)");
    return AX_OK;
}

/* Make the condition; empty: no vector of the file can be of such a key. */
static enum ax_code make_condition(struct eraser *e, const struct ax_service *service,
                                   const char *path)
{
    const struct ax_entity *entity = e->erase->entity;
    struct mapping mapping;
    bool is_former = true;
    ax_buf_reset(&e->is_gone);
    for (size_t i = 0; i < service->role_count; i++) {
        const struct ax_role *role = &service->roles[i];
        if (role->view->entity != entity)
            continue;
        for (size_t k = 0; k < entity->key_count; k++)
            mapping.columns[k] = service->call[role->call_keys[k]].name;
        if (add_mapping(e, path, &mapping))
            return e->err->code;
    }
    for (size_t k = 0; k < entity->key_count; k++) {
        mapping.columns[k] = entity->keys[k].name;
        is_former = is_former && !call_has(service, mapping.columns[k]);
    }
    return is_former && add_mapping(e, path, &mapping) ? e->err->code : AX_OK;
}

/* ---- files ---- */

static void put_from(struct eraser *e, const char *path)
{
    (void)ax_buf_append_str(&e->text, AX_STR(" FROM read_parquet("));
    ax_sql_put_literal(&e->text, ax_str_from(path));
    (void)ax_buf_append_str(&e->text, AX_STR(", hive_partitioning = false) WHERE coalesce("));
    (void)ax_buf_append_str(&e->text, ax_buf_str(&e->is_gone));
    ax_buf_fail_with(&e->text, &e->is_gone);
}

static enum ax_code count(struct eraser *e, const char *path, const char *wanted, int64_t *ret)
{
    (void)ax_buf_append_str(&e->text, AX_STR("SELECT count(*)"));
    put_from(e, path);
    ax_buf_printf(&e->text, ", false) = %s", wanted);
    return get(e, ret);
}

/* As old as the one whose place it takes. */
static enum ax_code publish(struct eraser *e, const char *hidden, const char *path)
{
    struct stat info;
    if (stat(path, &info))
        return ax_fail_errno(e->err, errno, "'%s'", path);
    const struct timespec times[] = { info.st_atim, info.st_mtim };
    if (utimensat(AT_FDCWD, hidden, times, 0))
        return ax_fail_errno(e->err, errno, "'%s'", hidden);
    return ax_file_publish(hidden, path, e->err);
}

static enum ax_code write_anew(struct eraser *e, const char *path)
{
    char hidden[PATH_MAX];
    const char *name = strrchr(path, '/') + 1;
    int len = snprintf(hidden, sizeof(hidden), "%.*s.%s", (int)(name - path), path, name);
    if (len < 0 || (size_t)len >= sizeof(hidden))
        return ax_fail(e->err, AX_E_INVALID, "the path of the state directory is too long");
    (void)ax_buf_append_str(&e->text, AX_STR("COPY (SELECT *"));
    put_from(e, path);
    (void)ax_buf_append_str(&e->text, AX_STR(", false) = false) TO "));
    ax_sql_put_literal(&e->text, ax_str_from(hidden));
    (void)ax_buf_append_str(&e->text, AX_STR(" (FORMAT parquet, COMPRESSION zstd)"));
    if (run(e) || publish(e, hidden, path))
        (void)unlink(hidden);
    return e->err->code;
}

static enum ax_code erase_file(struct eraser *e, const struct ax_service *service, const char *path)
{
    int64_t gone = 0, left = 0;
    if (have_sql(e) || make_condition(e, service, path) || !e->is_gone.len ||
        count(e, path, "true", &gone) || !gone)
        return e->err->code;
    if (!e->erase->is_dry) {
        if (count(e, path, "false", &left) || (left && write_anew(e, path)))
            return e->err->code;
        if (!left && unlink(path))
            return ax_fail_errno(e->err, errno, "remove '%s'", path);
    }
    e->erase->vectors += (uint64_t)gone;
    return AX_OK;
}

/* The path of what a folder has; false: it is nothing that counts. */
static bool inner_path(char ret_path[PATH_MAX], const char *folder, const char *name)
{
    int len = snprintf(ret_path, PATH_MAX, "%s/%s", folder, name);
    return name[0] != '.' && len > 0 && len < PATH_MAX;
}

static enum ax_code erase_service(struct eraser *e, const char *folder, const char *name)
{
    const struct ax_definitions *definitions = e->erase->definitions;
    const struct ax_service *service =
        ax_map_get(&definitions->names[AX_DEFINITION_SERVICE], ax_str_from(name));
    char path[PATH_MAX];
    if (!service) {
        e->erase->stranger(e->erase->arg, folder);
        return AX_OK;
    }
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && !e->err->code && (entry = readdir(dir))) {
        if (!inner_path(path, folder, entry->d_name) ||
            !ax_str_ends_with(ax_str_from(path), AX_STR(FILE_END)))
            continue;
        if (erase_file(e, service, path) && access(path, F_OK))
            ax_err_clear(e->err); /* It was too old, and is gone. */
    }
    if (dir)
        (void)closedir(dir);
    return e->err->code;
}

enum ax_code ax_served_erase(struct ax_served_erase *erase, struct ax_err *err)
{
    assert(erase && erase->definitions && erase->keys && err);
    assert(erase->entity && erase->entity->key_count <= KEYS_MAX);
    struct eraser e = { .erase = erase, .err = err };
    char served[PATH_MAX], folder[PATH_MAX];
    erase->vectors = 0;
    (void)snprintf(served, sizeof(served), "%s/served", erase->state);
    DIR *dir = opendir(served);
    if (!dir)
        return errno == ENOENT ? AX_OK : ax_fail_errno(err, errno, "cannot read '%s'", served);
    ax_buf_init(&e.text, TEXT_BYTES_MAX);
    ax_buf_init(&e.is_gone, TEXT_BYTES_MAX);
    const struct dirent *entry;
    while (!err->code && (entry = readdir(dir))) {
        if (inner_path(folder, served, entry->d_name))
            (void)(erase_service(&e, folder, entry->d_name) != AX_OK);
    }
    (void)closedir(dir);
    ax_sql_close(e.sql);
    ax_buf_done(&e.text);
    ax_buf_done(&e.is_gone);
    return err->code;
}

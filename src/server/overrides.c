/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by plain system calls below a folder that is this user's alone, in the state directory that
 * this process owns.
 *
 * What is staged goes to a folder with a new name, made with O_EXCL at each step, so that no link
 * and no file of before can be in the way. The entry of a model is one file that is replaced as a
 * whole, and the only thing that says what is in force: so a crash leaves nothing half done, only
 * files that no entry names, which the next start removes.
 */
#include "server/overrides.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_CHARS     ((size_t)64 << 10) /* of base64, decoded and written at once */
#define ENTRY_BYTES_MAX (6 * AX_OVERRIDE_CONFIG_BYTES_MAX + 1024)

struct ax_overrides {
    char *path; /* STATE/overrides */
    struct ax_override **at_open;
    size_t at_open_count;
    size_t taken;
};

struct ax_override {
    struct ax_overrides *store;
    char *model;
    char *config;
    char *folder; /* NULL: it has no files */
    char name[AX_UUID_TEXT_SIZE];
};

static char *print_path(const char *fmt, ...) AX_PRINTF(1, 2);

/* As asprintf(3). */
static char *print_path(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(len >= 0);
    char *path = ax_xalloc((size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(path, (size_t)len + 1, fmt, args);
    va_end(args);
    return path;
}

/* ---- paths of files ---- */

/* "3", not "0", "03" or more than an int64: as the repository has it. */
static bool is_version(struct ax_str part)
{
    uint64_t number;
    return part.ptr[0] != '0' && ax_str_to_u64(part, &number) && number <= INT64_MAX;
}

/* The part that begins at *at; moves *at behind it and its '/'. */
static struct ax_str take_part(struct ax_str path, size_t *at)
{
    const char *begin = path.ptr + *at;
    const char *slash = memchr(begin, '/', path.len - *at);
    struct ax_str part = { begin, slash ? (size_t)(slash - begin) : path.len - *at };
    *at += part.len + 1;
    return part;
}

enum ax_code ax_override_check_path(struct ax_str path, struct ax_err *err)
{
    assert((path.ptr || !path.len) && err);
    struct ax_str shown = ax_str_cut(path, 64);
    size_t count = 0;
    if (!path.len)
        return ax_fail(err, AX_E_INVALID, "file path '' is empty");
    if (path.len > AX_OVERRIDE_PATH_BYTES_MAX || !ax_str_is_utf8(path))
        return ax_fail(err, AX_E_INVALID, "file path '%.*s' is no UTF-8 of at most %d bytes",
                       AX_STR_ARG(shown), AX_OVERRIDE_PATH_BYTES_MAX);
    if (!ax_str_is_plain(path) || memchr(path.ptr, '\\', path.len))
        return ax_fail(err, AX_E_INVALID,
                       "file path '%.*s' holds a backslash, a control or a format character",
                       AX_STR_ARG(shown));
    for (size_t at = 0; at <= path.len; count++) {
        struct ax_str part = take_part(path, &at);
        if (!part.len || part.ptr[0] == '.')
            return ax_fail(
                err, AX_E_INVALID,
                "file path '%.*s' must be relative, without '..', empty and hidden parts",
                AX_STR_ARG(shown));
        if (part.len > NAME_MAX)
            return ax_fail(err, AX_E_INVALID, "file path '%.*s' has a part over %d bytes",
                           AX_STR_ARG(shown), NAME_MAX);
        if (count == 0 && !is_version(part))
            return ax_fail(err, AX_E_INVALID, "file path '%.*s' must begin with a version: 1/…",
                           AX_STR_ARG(shown));
    }
    if (count < 2 || count > AX_OVERRIDE_PATH_PARTS_MAX)
        return ax_fail(err, AX_E_INVALID, "file path '%.*s' must have 2 to %d parts",
                       AX_STR_ARG(shown), AX_OVERRIDE_PATH_PARTS_MAX);
    return AX_OK;
}

/* ---- one override ---- */

static struct ax_override *override_new(struct ax_overrides *store, struct ax_str model,
                                        struct ax_str config, const char *name)
{
    struct ax_override *override = ax_xalloc(sizeof(*override));
    override->store = store;
    override->model = ax_xmemdup0(model.ptr, model.len);
    override->config = ax_xmemdup0(config.len ? config.ptr : "", config.len);
    if (name[0]) {
        (void)snprintf(override->name, sizeof(override->name), "%s", name);
        override->folder = print_path("%s/files/%s", store->path, name);
    }
    return override;
}

void ax_override_free(struct ax_override *override)
{
    if (!override)
        return;
    free(override->model);
    free(override->config);
    free(override->folder);
    free(override);
}

void ax_override_discard(struct ax_override *override)
{
    /* What stays is removed at the next start. */
    struct ax_err ignored = AX_ERR_INIT;
    if (override && override->folder)
        (void)(ax_file_remove_tree(override->folder, &ignored) != AX_OK);
    ax_override_free(override);
}

const char *ax_override_model(const struct ax_override *override)
{
    assert(override);
    return override->model;
}

struct ax_str ax_override_config(const struct ax_override *override)
{
    assert(override);
    return ax_str_from(override->config);
}

const char *ax_override_folder(const struct ax_override *override)
{
    assert(override);
    return override->folder;
}

enum ax_code ax_override_commit(const struct ax_override *override, struct ax_err *err)
{
    assert(override && err);
    struct ax_buf text;
    char *path = print_path("%s/models/%s", override->store->path, override->model);
    ax_buf_init(&text, ENTRY_BYTES_MAX);
    (void)ax_buf_append_char(&text, '{');
    ax_json_put_key(&text, "files");
    ax_json_put_str(&text, ax_str_from(override->name));
    ax_json_put_key(&text, "config");
    ax_json_put_str(&text, ax_str_from(override->config));
    (void)ax_buf_append_str(&text, AX_STR("}\n"));
    if (!ax_buf_check(&text, "the override", err))
        (void)(ax_file_replace(path, ax_buf_str(&text), err) != AX_OK);
    ax_buf_done(&text);
    free(path);
    return err->code;
}

/* ---- staging ---- */

static enum ax_code write_base64(int fd, struct ax_str text, struct ax_err *err)
{
    char *piece = ax_xalloc(ax_base64_bytes_max(PIECE_CHARS));
    for (size_t at = 0; at < text.len && !err->code;) {
        struct ax_str part = { text.ptr + at, AX_MIN(PIECE_CHARS, text.len - at) };
        size_t len;
        at += part.len;
        if (ax_base64_decode(part, at == text.len, piece, &len))
            (void)(ax_file_write_all(fd, (struct ax_str){ piece, len }, err) != AX_OK);
        else
            (void)ax_fail(err, AX_E_INVALID, "no base64 (RFC 4648, padded)");
    }
    free(piece);
    return err->code;
}

/* Make the folders that `path`, below `root`, lies in, and tell them to the disk. */
static enum ax_code make_folders(const char *root, struct ax_str path, struct ax_err *err)
{
    for (size_t i = 0; i < path.len && !err->code; i++) {
        if (path.ptr[i] != '/')
            continue;
        char *folder = print_path("%s/%.*s", root, (int)i, path.ptr);
        if (mkdir(folder, 0700) && errno != EEXIST)
            (void)ax_fail_errno(err, errno, "make the folder");
        free(folder);
    }
    return err->code;
}

static enum ax_code sync_folders(const char *root, struct ax_str path, struct ax_err *err)
{
    for (size_t i = 0; i < path.len && !err->code; i++) {
        if (path.ptr[i] != '/')
            continue;
        char *folder = print_path("%s/%.*s", root, (int)i, path.ptr);
        (void)(ax_file_sync_folder(folder, err) != AX_OK);
        free(folder);
    }
    return err->code;
}

static enum ax_code stage_file(const char *root, const struct ax_override_file *file,
                               struct ax_err *err)
{
    if (make_folders(root, file->path, err))
        return err->code;
    char *path = print_path("%s/%.*s", root, AX_STR_ARG(file->path));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(path);
    if (fd < 0 && errno == EEXIST)
        return ax_fail(err, AX_E_INVALID, "it is there twice");
    if (fd < 0)
        return ax_fail_errno(err, errno, "create");
    (void)((file->is_base64 ? write_base64(fd, file->bytes, err)
                            : ax_file_write_all(fd, file->bytes, err)) != AX_OK);
    if (!err->code && fsync(fd))
        (void)ax_fail_errno(err, errno, "write");
    if (close(fd) && !err->code)
        (void)ax_fail_errno(err, errno, "write");
    return err->code;
}

static enum ax_code stage_files(struct ax_override *override, const struct ax_override_draft *draft,
                                struct ax_err *err)
{
    char *root = print_path("%s/%s", override->folder, override->model);
    if (mkdir(override->folder, 0700) || mkdir(root, 0700))
        (void)ax_fail_errno(err, errno, "make folder '%s'", root);
    for (size_t i = 0; i < draft->file_count && !err->code; i++)
        if (stage_file(root, &draft->files[i], err))
            (void)ax_err_context(err, "file '%.*s'",
                                 AX_STR_ARG(ax_str_cut(draft->files[i].path, 64)));
    for (size_t i = 0; i < draft->file_count && !err->code; i++)
        (void)(sync_folders(root, draft->files[i].path, err) != AX_OK);
    char *above = print_path("%s/files", override->store->path);
    (void)(err->code || ax_file_sync_folder(root, err) ||
           ax_file_sync_folder(override->folder, err) || ax_file_sync_folder(above, err));
    free(above);
    free(root);
    return err->code;
}

static enum ax_code check_draft(const struct ax_override_draft *draft, struct ax_err *err)
{
    if (draft->model.ptr[0] == '.')
        return ax_fail(err, AX_E_INVALID, "model name must not begin with '.'");
    if (draft->config.len > AX_OVERRIDE_CONFIG_BYTES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "'config' is over %zu bytes",
                       AX_OVERRIDE_CONFIG_BYTES_MAX);
    if (draft->config.len && !ax_str_is_utf8(draft->config))
        return ax_fail(err, AX_E_INVALID, "'config' is not UTF-8");
    if (memchr(draft->config.len ? draft->config.ptr : "", 0, draft->config.len))
        return ax_fail(err, AX_E_INVALID, "'config' holds a NUL");
    if (draft->file_count > AX_OVERRIDE_FILES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "over %d files", AX_OVERRIDE_FILES_MAX);
    for (size_t i = 0; i < draft->file_count; i++)
        if (ax_override_check_path(draft->files[i].path, err))
            return err->code;
    return AX_OK;
}

enum ax_code ax_overrides_stage(struct ax_overrides *overrides,
                                const struct ax_override_draft *draft,
                                struct ax_override **ret_override, struct ax_err *err)
{
    assert(overrides && draft && draft->model.len && ret_override && err);
    char name[AX_UUID_TEXT_SIZE] = "";
    if (check_draft(draft, err))
        return err->code;
    if (draft->file_count)
        ax_uuid7_text(name);
    struct ax_override *override = override_new(overrides, draft->model, draft->config, name);
    if (draft->file_count && stage_files(override, draft, err)) {
        ax_override_discard(override);
        return err->code;
    }
    *ret_override = override;
    return AX_OK;
}

enum ax_code ax_overrides_clear(struct ax_overrides *overrides, const char *model,
                                struct ax_err *err)
{
    assert(overrides && model && err);
    char *path = print_path("%s/models/%s", overrides->path, model);
    char *folder = print_path("%s/models", overrides->path);
    if (unlink(path) && errno != ENOENT)
        (void)ax_fail_errno(err, errno, "remove '%s'", path);
    else
        (void)(ax_file_sync_folder(folder, err) != AX_OK);
    free(folder);
    free(path);
    return err->code;
}

/* ---- opening ---- */

static bool is_name(struct ax_str text)
{
    return text.len == AX_UUID_TEXT_SIZE - 1 && !memchr(text.ptr, '/', text.len) &&
           text.ptr[0] != '.';
}

static enum ax_code read_entry(struct ax_overrides *store, const char *model, struct ax_str text,
                               struct ax_override **ret_override, struct ax_err *err)
{
    struct ax_json_doc *doc;
    if (ax_json_parse(text, &doc, err))
        return err->code;
    const struct ax_json *root = ax_json_root(doc);
    struct ax_str files = ax_json_str(ax_json_get(root, "files"));
    struct ax_str config = ax_json_str(ax_json_get(root, "config"));
    char name[AX_UUID_TEXT_SIZE] = "";
    if (ax_json_kind(ax_json_get(root, "files")) != AX_JSON_KIND_STRING ||
        ax_json_kind(ax_json_get(root, "config")) != AX_JSON_KIND_STRING ||
        (files.len && !is_name(files)))
        (void)ax_fail(err, AX_E_INVALID, "no entry of an override");
    if (!err->code && files.len)
        (void)snprintf(name, sizeof(name), "%.*s", AX_STR_ARG(files));
    struct ax_override *override =
        err->code ? NULL : override_new(store, ax_str_from(model), config, name);
    ax_json_free(doc);
    if (override && override->folder && access(override->folder, R_OK | X_OK)) {
        (void)ax_fail_errno(err, errno, "its files '%s'", override->folder);
        ax_override_free(override);
    }
    if (!err->code)
        *ret_override = override;
    return err->code;
}

static enum ax_code load_entry(struct ax_overrides *store, const char *model,
                               struct ax_override **ret_override, struct ax_err *err)
{
    struct ax_buf text;
    char *path = print_path("%s/models/%s", store->path, model);
    ax_buf_init(&text, ENTRY_BYTES_MAX);
    if (!ax_file_read(path, &text, err))
        (void)(read_entry(store, model, ax_buf_str(&text), ret_override, err) != AX_OK);
    ax_buf_done(&text);
    free(path);
    return err->code;
}

static DIR *open_within(const struct ax_overrides *store, const char *name)
{
    char *path = print_path("%s/%s", store->path, name);
    DIR *dir = opendir(path);
    free(path);
    return dir;
}

/* Read all entries; *ret_is_whole: each of them could be read. What a writer that was killed has
 * left beside them begins with a dot. */
static enum ax_code load_entries(struct ax_overrides *store, bool *ret_is_whole, struct ax_err *err)
{
    DIR *dir = open_within(store, "models");
    size_t cap = 0;
    if (!dir)
        return ax_fail_errno(err, errno, "open folder '%s/models'", store->path);
    *ret_is_whole = true;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        struct ax_err failure = AX_ERR_INIT;
        struct ax_override *override = NULL;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (entry->d_name[0] == '.') {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
            continue;
        }
        if (load_entry(store, entry->d_name, &override, &failure)) {
            ax_log(AX_LOG_ERROR, "override passed over", AX_LOG_TEXT("model", entry->d_name),
                   AX_LOG_ERR(&failure));
            *ret_is_whole = false;
            continue;
        }
        if (store->at_open_count == cap) {
            cap = cap ? cap * 2 : 16;
            store->at_open = ax_xrealloc(store->at_open, cap, sizeof(struct ax_override *));
        }
        store->at_open[store->at_open_count++] = override;
    }
    (void)closedir(dir);
    return AX_OK;
}

static bool is_in_force(const struct ax_map *names, const char *name)
{
    return ax_map_get(names, ax_str_from(name)) != NULL;
}

/* Remove the files that no entry names. */
static void remove_left_behind(const struct ax_overrides *store)
{
    struct ax_map names;
    DIR *dir = open_within(store, "files");
    ax_map_init(&names);
    for (size_t i = 0; i < store->at_open_count; i++)
        (void)ax_map_put(&names, ax_str_from(store->at_open[i]->name), store->at_open[i]);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct ax_err err = AX_ERR_INIT;
        if (!is_name(ax_str_from(entry->d_name)) || is_in_force(&names, entry->d_name))
            continue;
        char *path = print_path("%s/files/%s", store->path, entry->d_name);
        if (ax_file_remove_tree(path, &err))
            ax_log(AX_LOG_WARN, "files of an override stay", AX_LOG_ERR(&err));
        free(path);
    }
    if (dir)
        (void)closedir(dir);
    ax_map_done(&names);
}

static enum ax_code make_store(const char *state, const char *path, struct ax_err *err)
{
    static const char *const within[] = { "", "/models", "/files" };
    if (ax_file_make_private_folder(state, err))
        return err->code;
    for (size_t i = 0; i < AX_COUNT(within) && !err->code; i++) {
        char *folder = print_path("%s%s", path, within[i]);
        (void)(ax_file_make_private_folder(folder, err) != AX_OK);
        free(folder);
    }
    return err->code;
}

static enum ax_code check_store(const char *path, struct ax_err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info))
        (void)ax_fail_errno(err, errno, "open folder '%s'", path);
    if (fd >= 0)
        (void)close(fd);
    if (err->code)
        return err->code;
    if (info.st_uid != geteuid() || info.st_mode & (S_IWGRP | S_IWOTH))
        return ax_fail(err, AX_E_DENIED, "others may write '%s': chown it, chmod go-w", path);
    return AX_OK;
}

enum ax_code ax_overrides_open(const char *state, struct ax_overrides **ret_overrides,
                               struct ax_err *err)
{
    assert(state && ret_overrides && err);
    bool is_whole;
    if (!state[0])
        return ax_fail(err, AX_E_INVALID, "state: no folder is named");
    struct ax_overrides *store = ax_xalloc(sizeof(*store));
    store->path = print_path("%s/overrides", state);
    if (make_store(state, store->path, err) || check_store(store->path, err) ||
        load_entries(store, &is_whole, err)) {
        ax_overrides_free(store);
        return err->code;
    }
    /* The files of an entry that cannot be read may be wanted by whoever mends it. */
    if (is_whole)
        remove_left_behind(store);
    *ret_overrides = store;
    return AX_OK;
}

void ax_overrides_free(struct ax_overrides *overrides)
{
    if (!overrides)
        return;
    while (overrides->taken < overrides->at_open_count)
        ax_override_free(overrides->at_open[overrides->taken++]);
    free(overrides->at_open);
    free(overrides->path);
    free(overrides);
}

struct ax_override *ax_overrides_take(struct ax_overrides *overrides)
{
    assert(overrides);
    if (overrides->taken == overrides->at_open_count)
        return NULL;
    return overrides->at_open[overrides->taken++];
}

size_t ax_overrides_count(const char *state)
{
    assert(state);
    char *path = print_path("%s/overrides/models", state);
    DIR *dir = opendir(path);
    size_t count = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    free(path);
    return count;
}

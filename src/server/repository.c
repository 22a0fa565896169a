/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of models, then each model's. What is passed over is told in the log once a listing:
 * folders whose name is no name, or no version number. Plain files and names that begin with a dot
 * are nobody's business.
 *
 * A fingerprint is the sum of a hash of each file's name and status, so that it depends neither on
 * the order in which the folder is read nor on memory for sorting it. It leaves out what a load
 * never reads: dot files, among which the temporary files of editors and copies are, and README.
 */
#include "server/repository.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/image.h"
#include "engine/version.h"
#include "server/account.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct ax_option ax_repository_options[] = {
    { .type = AX_OPTION_SIZE,
      .name = "versions_max",
      .default_text = "10000",
      .offset = offsetof(struct ax_repository_config, versions_max),
      .min = 1,
      .max = 1000000,
      .unit = "versions",
      .description = "Most model versions that the folder may hold." },
    { 0 },
};

#define SETTINGS_BYTES_MAX ((size_t)1 << 20) /* of serving.yaml */

/* Names that would be read as a route (GET /v2/models/stats), or are labels of no model's metrics.
 */
static const char *const reserved_names[] = { "stats", AX_ACCOUNT_GONE, AX_ACCOUNT_OTHER };

/* A listing of the sub-folders of a folder. */
struct listing {
    char **names;
    size_t count;
};

static void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->names[i]);
    free(listing->names);
    *listing = (struct listing){ 0 };
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum ax_code listing_read(struct listing *listing, const char *path, size_t max,
                                 struct ax_err *err)
{
    struct stat info;
    DIR *dir = opendir(path);
    if (!dir)
        return ax_fail_errno(err, errno, "open the folder '%s'", path);
    enum ax_code code = AX_OK;
    size_t cap = 0;
    for (struct dirent *entry; !code && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || entry->d_type == DT_REG ||
            (entry->d_type != DT_DIR &&
             (fstatat(dirfd(dir), entry->d_name, &info, 0) || !S_ISDIR(info.st_mode))))
            continue;
        if (listing->count == max) {
            code = ax_fail(err, AX_E_TOO_LARGE, "over %zu folders in '%s'", max, path);
            break;
        }
        if (listing->count == cap) {
            cap = cap ? cap * 2 : 16;
            listing->names = ax_xrealloc(listing->names, cap, sizeof(*listing->names));
        }
        listing->names[listing->count++] = ax_xstrdup(entry->d_name);
    }
    (void)closedir(dir);
    if (listing->count)
        qsort(listing->names, listing->count, sizeof(*listing->names), compare_names);
    return code;
}

static bool is_blank(struct ax_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] != ' ')
            return false;
    return true;
}

enum ax_code ax_repository_check_name(struct ax_str name, struct ax_err *err)
{
    assert(err && (name.ptr || !name.len));
    /* The texts of the empty one and of paths are Triton's, which clients look for. */
    if (is_blank(name))
        return ax_fail(err, AX_E_INVALID,
                       "Model name cannot be empty. Please enter a valid name to deploy.");
    if (name.len > AX_MODEL_NAME_BYTES_MAX)
        return ax_fail(err, AX_E_INVALID, "model name is longer than %d bytes",
                       AX_MODEL_NAME_BYTES_MAX);
    if (!ax_str_is_utf8(name))
        return ax_fail(err, AX_E_INVALID, "model name is not UTF-8");
    if (!ax_str_is_plain(name))
        return ax_fail(err, AX_E_INVALID, "model name holds a control or format character");
    if (memchr(name.ptr, '/', name.len) || memchr(name.ptr, '\\', name.len) ||
        memmem(name.ptr, name.len, "..", 2))
        return ax_fail(err, AX_E_INVALID, "model name must not contain path traversal characters");
    for (size_t i = 0; i < AX_COUNT(reserved_names); i++)
        if (ax_str_is(name, reserved_names[i]))
            return ax_fail(err, AX_E_INVALID, "model name '%s' is reserved", reserved_names[i]);
    return AX_OK;
}

/* "3", not "0", "03", "-3", "abc" or more than an int64. */
static bool read_version_number(const char *name, uint64_t *ret)
{
    uint64_t number;
    if (name[0] == '0' || !ax_str_to_u64(ax_str_from(name), &number) || number > INT64_MAX)
        return false;
    *ret = number;
    return true;
}

static int compare_versions(const void *a, const void *b)
{
    const struct ax_repository_version *left = a;
    const struct ax_repository_version *right = b;
    return (left->number > right->number) - (left->number < right->number);
}

/* ---- fingerprints ---- */

/* What is hashed of a file, besides its name. */
struct file_status {
    uint64_t size, mtime_s, mtime_ns, ctime_s, ctime_ns, device, inode;
    uint32_t mode, user, group, name_len;
};

static void fingerprint_add(struct ax_fingerprint *fingerprint, const char *name,
                            const struct stat *info)
{
    char bytes[sizeof(struct file_status) + NAME_MAX];
    size_t name_len = strnlen(name, NAME_MAX);
    struct file_status status = {
        .size = (uint64_t)info->st_size,
        .mtime_s = (uint64_t)info->st_mtim.tv_sec,
        .mtime_ns = (uint64_t)info->st_mtim.tv_nsec,
        /* Nobody sets this one: it tells of a writer that puts the other back. */
        .ctime_s = (uint64_t)info->st_ctim.tv_sec,
        .ctime_ns = (uint64_t)info->st_ctim.tv_nsec,
        .device = info->st_dev,
        .inode = info->st_ino,
        .mode = info->st_mode,
        .user = info->st_uid,
        .group = info->st_gid,
        .name_len = (uint32_t)name_len,
    };
    memcpy(bytes, &status, sizeof(status));
    memcpy(bytes + sizeof(status), name, name_len);
    struct ax_str text = { bytes, sizeof(status) + name_len };
    fingerprint->low += ax_hash(text);
    fingerprint->high += ax_hash_seeded(text, 1);
}

enum ax_code ax_fingerprint_read(const char *path, struct ax_fingerprint *ret, struct ax_err *err)
{
    assert(path && ret && err);
    struct stat info;
    DIR *dir = opendir(path);
    if (!dir)
        return ax_fail_errno(err, errno, "open the folder '%s'", path);
    /* An empty folder is another one than a folder that cannot be read. */
    struct ax_fingerprint fingerprint = { 1, 1 };
    for (struct dirent *entry; (entry = readdir(dir));)
        if (!ax_version_ignores(entry->d_name) &&
            fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode))
            fingerprint_add(&fingerprint, entry->d_name, &info);
    (void)closedir(dir);
    *ret = fingerprint;
    return AX_OK;
}

/* ---- listing ---- */

/* A look through the folder of models. */
struct look {
    const char *folder;
    const struct ax_repository_config *config;
    size_t versions_left;
    bool tells; /* in the log, of what is passed over */
};

static enum ax_code look_join(const struct look *look, const char *model, const char *name,
                              char ret[PATH_MAX], struct ax_err *err)
{
    int len = snprintf(ret, PATH_MAX, "%s/%s%s%s", look->folder, model, name ? "/" : "",
                       name ? name : "");
    if (len < 0 || len >= PATH_MAX)
        return ax_fail(err, AX_E_INVALID, "the path '%s/%s' is too long", look->folder, model);
    return AX_OK;
}

static void look_read_settings(const struct look *look, struct ax_repository_model *model)
{
    char path[PATH_MAX];
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    if (look->config->settings)
        model->settings = *look->config->settings;
    else
        ax_model_settings_init(&model->settings);
    if (look_join(look, model->name, AX_MODEL_SETTINGS_NAME, path, &err))
        return; /* The path of no version fits either. */
    ax_buf_init(&text, SETTINGS_BYTES_MAX);
    enum ax_code code = ax_file_read(path, &text, &err);
    if (code != AX_E_NOT_FOUND &&
        (code || ax_model_settings_yaml(ax_buf_str(&text), &model->settings, &err)))
        model->err = err;
    ax_buf_done(&text);
}

static void look_add_version(const struct look *look, struct ax_repository_model *model,
                             const char *name)
{
    char path[PATH_MAX];
    struct ax_err err = AX_ERR_INIT;
    struct ax_repository_version *version = &model->versions[model->version_count];
    if (!read_version_number(name, &version->number)) {
        if (look->tells)
            ax_log(AX_LOG_WARN, "folder passed over", AX_LOG_TEXT("model", model->name),
                   AX_LOG_TEXT("folder", name),
                   AX_LOG_TEXT("error", "no positive integer without leading zero"));
        return;
    }
    (void)snprintf(version->text, sizeof(version->text), "%s", name);
    /* What is wrong with a folder is told by its load. */
    if (look_join(look, model->name, name, path, &err) ||
        ax_fingerprint_read(path, &version->fingerprint, &err))
        version->fingerprint = (struct ax_fingerprint){ 0, 0 };
    model->version_count++;
}

static enum ax_code look_list_versions(const struct look *look, struct ax_repository_model *model,
                                       struct ax_err *err)
{
    char path[PATH_MAX];
    struct listing listing = { 0 };
    if (look_join(look, model->name, NULL, path, err) ||
        listing_read(&listing, path, look->versions_left, err)) {
        listing_done(&listing);
        return err->code;
    }
    model->versions = ax_xalloc(listing.count * sizeof(*model->versions));
    for (size_t i = 0; i < listing.count; i++)
        look_add_version(look, model, listing.names[i]);
    listing_done(&listing);
    if (!model->version_count)
        return ax_fail(err, AX_E_NOT_FOUND, "no version folder in '%s'", path);
    qsort(model->versions, model->version_count, sizeof(*model->versions), compare_versions);
    return AX_OK;
}

static enum ax_code look_add_model(struct look *look, struct ax_repository *repository,
                                   const char *name, struct ax_err *err)
{
    struct ax_err cause = AX_ERR_INIT;
    if (ax_repository_check_name(ax_str_from(name), &cause)) {
        ax_log(AX_LOG_WARN, "folder passed over", AX_LOG_TEXT("folder", name), AX_LOG_ERR(&cause));
        return AX_OK;
    }
    struct ax_repository_model *model = &repository->models[repository->model_count++];
    model->name = ax_xstrdup(name);
    if (look_list_versions(look, model, &cause) == AX_E_TOO_LARGE)
        return ax_fail(err, AX_E_TOO_LARGE, "%s", cause.msg); /* The limit is the repository's. */
    look_read_settings(look, model);
    if (cause.code)
        model->err = cause;
    if (model->err.code)
        ax_log(AX_LOG_WARN,
               model->version_count ? "model without settings" : "model without versions",
               AX_LOG_TEXT("model", name), AX_LOG_ERR(&model->err));
    look->versions_left -= model->version_count;
    return AX_OK;
}

/* Whether a name in `folder` is the folder of state, which lies there when the server was started
 * in the folder of models. */
static bool is_state(const char *folder, const char *name, const struct ax_image_config *images)
{
    char path[PATH_MAX];
    struct stat entry, state;
    int len = snprintf(path, sizeof(path), "%s/%s", folder, name);
    return images && images->state && len > 0 && (size_t)len < sizeof(path) &&
           stat(path, &entry) == 0 && stat(images->state, &state) == 0 &&
           entry.st_dev == state.st_dev && entry.st_ino == state.st_ino;
}

static enum ax_code look_list_models(struct look *look, struct ax_repository *repository,
                                     struct ax_err *err)
{
    struct listing listing = { 0 };
    enum ax_code code = listing_read(&listing, look->folder, look->config->versions_max, err);
    if (!code && listing.count)
        repository->models = ax_xalloc(listing.count * sizeof(*repository->models));
    for (size_t i = 0; !code && i < listing.count; i++) {
        if (!is_state(look->folder, listing.names[i], look->config->images))
            code = look_add_model(look, repository, listing.names[i], err);
    }
    listing_done(&listing);
    return code;
}

enum ax_code ax_repository_list(const char *folder, const struct ax_repository_config *config,
                                struct ax_repository **ret_repository, struct ax_err *err)
{
    assert(folder && config && config->versions_max && ret_repository && err);
    struct look look = { folder, config, config->versions_max, .tells = true };
    struct ax_repository *repository = ax_xalloc(sizeof(*repository));
    if (look_list_models(&look, repository, err)) {
        ax_repository_free(repository);
        return err->code;
    }
    *ret_repository = repository;
    return AX_OK;
}

enum ax_code ax_repository_list_model(const char *folder, struct ax_str name,
                                      const struct ax_repository_config *config,
                                      struct ax_repository_model *ret_model, struct ax_err *err)
{
    assert(folder && config && config->versions_max && ret_model && err);
    char path[PATH_MAX];
    struct stat info;
    struct ax_err cause = AX_ERR_INIT;
    struct look look = { folder, config, config->versions_max, .tells = false };
    if (ax_repository_check_name(name, &cause))
        return ax_fail(err, AX_E_NOT_FOUND, "%s", cause.msg);
    struct ax_repository_model model = { .name = ax_xmemdup0(name.ptr, name.len) };
    enum ax_code code = look_join(&look, model.name, NULL, path, err);
    if (!code && stat(path, &info))
        code = ax_fail_errno(err, errno, "look at the folder '%s'", path);
    else if (!code && (!S_ISDIR(info.st_mode) || name.ptr[0] == '.' ||
                       is_state(folder, model.name, config->images)))
        code = ax_fail(err, AX_E_NOT_FOUND, "no folder of a model: '%s'", path);
    if (!code && look_list_versions(&look, &model, &cause) == AX_E_TOO_LARGE)
        code = ax_fail(err, AX_E_TOO_LARGE, "%s", cause.msg);
    if (code) {
        ax_repository_model_done(&model);
        return code;
    }
    look_read_settings(&look, &model);
    if (cause.code)
        model.err = cause;
    *ret_model = model;
    return AX_OK;
}

void ax_repository_model_done(struct ax_repository_model *model)
{
    if (!model)
        return;
    free(model->versions);
    free(model->name);
    *model = (struct ax_repository_model){ 0 };
}

void ax_repository_free(struct ax_repository *repository)
{
    if (!repository)
        return;
    for (size_t i = 0; i < repository->model_count; i++)
        ax_repository_model_done(&repository->models[i]);
    free(repository->models);
    free(repository);
}

static int compare_model(const void *key, const void *element)
{
    const struct ax_str *name = key;
    const struct ax_repository_model *model = element;
    return ax_str_compare(*name, ax_str_from(model->name));
}

const struct ax_repository_model *ax_repository_model(const struct ax_repository *repository,
                                                      struct ax_str name)
{
    assert(repository);
    if (!repository->model_count)
        return NULL;
    return bsearch(&name, repository->models, repository->model_count, sizeof(*repository->models),
                   compare_model);
}

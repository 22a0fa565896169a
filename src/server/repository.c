/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes. The first lists the folders: models, then each model's versions. The second loads:
 * the versions are one flat list of jobs on a bounded pool, each of which writes to its own place
 * only, so that nothing is shared but the end. What is passed over is told in the log once: folders
 * whose name is no name, or no version number. Plain files and names that begin with a dot are
 * nobody's business.
 */
#include "server/repository.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/image.h"

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
      .name = "load_threads",
      .default_text = "2",
      .offset = offsetof(struct ax_repository_config, load_threads),
      .min = 1,
      .max = 64,
      .unit = "threads",
      .description = "Model versions that are loaded at the same time." },
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

/* Names that would be read as a route: GET /v2/models/stats. */
static const char *const reserved_names[] = { "stats" };

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
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &info, 0) ||
            !S_ISDIR(info.st_mode))
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

enum ax_code ax_repository_check_name(struct ax_str name, struct ax_err *err)
{
    assert(err && (name.ptr || !name.len));
    bool is_blank = true;
    if (!name.len)
        return ax_fail(err, AX_E_INVALID,
                       "Model name cannot be empty. Please enter a valid name to deploy.");
    if (name.len > AX_MODEL_NAME_BYTES_MAX)
        return ax_fail(err, AX_E_INVALID, "model name is longer than %d bytes",
                       AX_MODEL_NAME_BYTES_MAX);
    if (!ax_str_is_utf8(name))
        return ax_fail(err, AX_E_INVALID, "model name is not UTF-8");
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return ax_fail(err, AX_E_INVALID, "model name holds a control character");
        if (c == '/' || c == '\\')
            return ax_fail(err, AX_E_INVALID,
                           "model name must not contain path traversal characters");
        is_blank = is_blank && c == ' ';
    }
    if (is_blank)
        return ax_fail(err, AX_E_INVALID, "model name is blank");
    if (memmem(name.ptr, name.len, "..", 2))
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

static enum ax_code list_versions(struct ax_repository_model *model, const char *path, size_t max,
                                  struct ax_err *err)
{
    struct listing listing = { 0 };
    if (listing_read(&listing, path, max, err)) {
        listing_done(&listing);
        return err->code;
    }
    model->versions = ax_xalloc(listing.count * sizeof(*model->versions));
    for (size_t i = 0; i < listing.count; i++) {
        struct ax_repository_version *version = &model->versions[model->version_count];
        if (!read_version_number(listing.names[i], &version->number)) {
            ax_log(AX_LOG_WARN, "folder passed over", AX_LOG_TEXT("model", model->name),
                   AX_LOG_TEXT("folder", listing.names[i]),
                   AX_LOG_TEXT("error", "no positive integer without leading zero"));
            continue;
        }
        (void)snprintf(version->text, sizeof(version->text), "%s", listing.names[i]);
        model->version_count++;
    }
    listing_done(&listing);
    qsort(model->versions, model->version_count, sizeof(*model->versions), compare_versions);
    if (!model->version_count)
        (void)ax_fail(&model->err, AX_E_NOT_FOUND, "no version folder in '%s'", path);
    return AX_OK;
}

static enum ax_code add_model(struct ax_repository *repository, const char *folder,
                              const char *name, size_t *versions_left, struct ax_err *err)
{
    struct ax_err cause = AX_ERR_INIT;
    char path[PATH_MAX];
    if (ax_repository_check_name(ax_str_from(name), &cause)) {
        ax_log(AX_LOG_WARN, "folder passed over", AX_LOG_TEXT("folder", name), AX_LOG_ERR(&cause));
        return AX_OK;
    }
    struct ax_repository_model *model = &repository->models[repository->model_count++];
    model->name = ax_xstrdup(name);
    int len = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        (void)ax_fail(&model->err, AX_E_INVALID, "the path '%s/%s' is too long", folder, name);
    else
        (void)list_versions(model, path, *versions_left, &model->err);
    if (model->err.code == AX_E_TOO_LARGE) /* The limit is the repository's, not the model's. */
        return ax_fail(err, AX_E_TOO_LARGE, "%s", model->err.msg);
    if (!model->version_count)
        ax_log(AX_LOG_WARN, "model without versions", AX_LOG_TEXT("model", name),
               AX_LOG_ERR(&model->err));
    *versions_left -= model->version_count;
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

static enum ax_code list_models(struct ax_repository *repository, const char *folder,
                                const struct ax_repository_config *config, struct ax_err *err)
{
    struct listing listing = { 0 };
    size_t versions_left = config->versions_max;
    enum ax_code code = listing_read(&listing, folder, config->versions_max, err);
    if (!code && listing.count)
        repository->models = ax_xalloc(listing.count * sizeof(*repository->models));
    for (size_t i = 0; !code && i < listing.count; i++) {
        if (!is_state(folder, listing.names[i], config->images))
            code = add_model(repository, folder, listing.names[i], &versions_left, err);
    }
    listing_done(&listing);
    return code;
}

/* ---- loading ---- */

struct load_job {
    const char *folder;
    const struct ax_version_options *options;
    const struct ax_repository_model *model;
    struct ax_repository_version *version;
};

static const char *const image_names[] = { [AX_VERSION_IMAGE_NONE] = "none",
                                           [AX_VERSION_IMAGE_USED] = "used",
                                           [AX_VERSION_IMAGE_MADE] = "made" };

static void load_run(void *arg)
{
    const struct load_job *job = arg;
    struct ax_repository_version *version = job->version;
    char path[PATH_MAX];
    int len =
        snprintf(path, sizeof(path), "%s/%s/%s", job->folder, job->model->name, version->text);
    enum ax_code code;
    if (len < 0 || (size_t)len >= sizeof(path))
        code = ax_fail(&version->err, AX_E_INVALID, "the path is too long");
    else
        code = ax_version_load(path, job->model->name, version->number, job->options,
                               &version->version, &version->err);
    if (code) {
        ax_log(AX_LOG_ERROR, "model version failed", AX_LOG_TEXT("model", job->model->name),
               AX_LOG_TEXT("version", version->text), AX_LOG_ERR(&version->err));
        return;
    }
    const struct ax_model *model = version->version->model;
    if (version->version->image_note.code)
        ax_log(AX_LOG_WARN, "model image passed over", AX_LOG_TEXT("model", job->model->name),
               AX_LOG_TEXT("version", version->text), AX_LOG_ERR(&version->version->image_note));
    ax_log(AX_LOG_INFO, "model version loaded", AX_LOG_TEXT("model", job->model->name),
           AX_LOG_TEXT("version", version->text), AX_LOG_TEXT("format", model->format),
           AX_LOG_U64("inputs", model->signature.input_count),
           AX_LOG_TEXT("image", image_names[version->version->image]),
           AX_LOG_F64("seconds", (double)version->version->load_ns / AX_NS_PER_S));
}

static size_t count_versions(const struct ax_repository *repository)
{
    size_t count = 0;
    for (size_t i = 0; i < repository->model_count; i++)
        count += repository->models[i].version_count;
    return count;
}

static enum ax_code load_all(struct ax_repository *repository, const char *folder,
                             size_t thread_count, const struct ax_version_options *options,
                             struct ax_err *err)
{
    size_t count = count_versions(repository);
    if (!count)
        return AX_OK;
    struct ax_pool *pool;
    if (ax_pool_new("load", AX_MIN(thread_count, count), count, &pool, err))
        return err->code;
    struct load_job *jobs = ax_xalloc(count * sizeof(*jobs));
    enum ax_code code = AX_OK;
    size_t at = 0;
    for (size_t i = 0; i < repository->model_count; i++) {
        struct ax_repository_model *model = &repository->models[i];
        for (size_t k = 0; !code && k < model->version_count; k++) {
            jobs[at] = (struct load_job){ folder, options, model, &model->versions[k] };
            code = ax_pool_submit(pool, load_run, &jobs[at++], err);
        }
    }
    ax_pool_free(pool); /* Waits for all that was submitted. */
    free(jobs);
    return code;
}

static void count_ready(struct ax_repository *repository)
{
    for (size_t i = 0; i < repository->model_count; i++)
        for (size_t k = 0; k < repository->models[i].version_count; k++)
            repository->ready_count += repository->models[i].versions[k].version != NULL;
}

/* The store of images, or NULL, which is told when it is not as it should be. */
static struct ax_image_store *open_images(const struct ax_image_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image_store *store = NULL;
    if (config && config->images && ax_image_store_open(config->state, true, &store, &err))
        ax_log(AX_LOG_WARN, "models are served without images", AX_LOG_ERR(&err));
    return store;
}

static enum ax_code load_versions(struct ax_repository *repository, const char *folder,
                                  const struct ax_repository_config *config, struct ax_err *err)
{
    struct ax_version_options options = { .images = open_images(config->images),
                                          .tune = config->images != NULL };
    (void)load_all(repository, folder, config->load_threads, &options, err);
    ax_image_store_free(options.images); /* Images that are in use stay mapped. */
    return err->code;
}

enum ax_code ax_repository_load(const char *folder, const struct ax_repository_config *config,
                                struct ax_repository **ret_repository, struct ax_err *err)
{
    assert(folder && config && config->load_threads && ret_repository && err);
    struct ax_repository *repository = ax_xalloc(sizeof(*repository));
    if (list_models(repository, folder, config, err) ||
        load_versions(repository, folder, config, err)) {
        ax_repository_free(repository);
        return err->code;
    }
    count_ready(repository);
    *ret_repository = repository;
    return AX_OK;
}

void ax_repository_free(struct ax_repository *repository)
{
    if (!repository)
        return;
    for (size_t i = 0; i < repository->model_count; i++) {
        struct ax_repository_model *model = &repository->models[i];
        for (size_t k = 0; k < model->version_count; k++)
            ax_version_unref(model->versions[k].version);
        free(model->versions);
        free(model->name);
    }
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

struct ax_version *ax_repository_model_highest(const struct ax_repository_model *model)
{
    assert(model);
    for (size_t i = model->version_count; i > 0; i--)
        if (model->versions[i - 1].version)
            return model->versions[i - 1].version;
    return NULL;
}

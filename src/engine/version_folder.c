/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a version's folder.
 *
 * The model file is the one regular file that an engine recognises by its first bytes (or that the
 * engine named in model.yaml does); model.yaml, names that begin with a dot and README files are
 * never looked at. So the reports of a training run may lie beside it. Names are sorted before
 * anything is decided: messages are the same whatever order the file system has.
 */
#include "engine/version.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"
#include "engine/foreign.h"
#include "engine/image_keeper.h"
#include "engine/version_model.h"
#include "engine/version_yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES     4096
#define FILES_MAX      256
#define YAML_BYTES_MAX ((size_t)1 << 27) /* of memory for model.yaml */

/* The names in a version's folder that may be the model file. */
struct folder {
    char *names[FILES_MAX];
    size_t count;
};

static void folder_done(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->names[i]);
    folder->count = 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool ax_version_ignores(const char *name)
{
    return name[0] == '.' || strncmp(name, "README", strlen("README")) == 0;
}

static enum ax_code folder_read(struct folder *folder, const char *path, struct ax_err *err)
{
    struct stat info;
    DIR *dir = opendir(path);
    if (!dir)
        return ax_fail_errno(err, errno, "open the folder '%s'", path);
    enum ax_code code = AX_OK;
    for (struct dirent *entry; !code && (entry = readdir(dir));) {
        if (ax_version_ignores(entry->d_name) || strcmp(entry->d_name, AX_VERSION_YAML_NAME) == 0 ||
            fstatat(dirfd(dir), entry->d_name, &info, 0) || !S_ISREG(info.st_mode))
            continue;
        if (folder->count == FILES_MAX)
            code = ax_fail(err, AX_E_TOO_LARGE, "over %d files in '%s'", FILES_MAX, path);
        else
            folder->names[folder->count++] = ax_xstrdup(entry->d_name);
    }
    (void)closedir(dir);
    qsort(folder->names, folder->count, sizeof(folder->names[0]), compare_names);
    return code;
}

static enum ax_code join_path(char ret[PATH_MAX], const char *folder, const char *name,
                              struct ax_err *err)
{
    int len = snprintf(ret, PATH_MAX, "%s/%s", folder, name);
    if (len < 0 || len >= PATH_MAX)
        return ax_fail(err, AX_E_INVALID, "the path '%s/%s' is too long", folder, name);
    return AX_OK;
}

static enum ax_code read_head(const char *path, char head[HEAD_BYTES], size_t *ret_len,
                              struct ax_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open '%s'", path);
    size_t len = 0;
    ssize_t got = 1;
    while (len < HEAD_BYTES && got > 0) {
        got = read(fd, head + len, HEAD_BYTES - len);
        if (got > 0)
            len += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    int errnum = errno;
    (void)close(fd);
    if (got < 0)
        return ax_fail_errno(err, errnum, "read '%s'", path);
    *ret_len = len;
    return AX_OK;
}

/* The model file's place in the folder, and its engine: `wanted`, or when that is NULL the one that
 * recognises the file. */
static enum ax_code find_model(const struct folder *folder, const char *path,
                               const struct ax_engine *wanted, size_t *ret_index,
                               const struct ax_engine **ret_engine, struct ax_err *err)
{
    char file[PATH_MAX];
    char head[HEAD_BYTES];
    size_t head_len = 0;
    size_t found = 0;
    const char *foreign = NULL; /* what the file that is told of seems to be */
    size_t told = 0;
    for (size_t i = 0; i < folder->count; i++) {
        if (join_path(file, path, folder->names[i], err) || read_head(file, head, &head_len, err))
            return err->code;
        struct ax_str bytes = { head, head_len };
        const struct ax_engine *engine = wanted && wanted->recognise(bytes) ? wanted : NULL;
        if (!wanted)
            engine = ax_engine_by_content(bytes);
        if (!engine && !foreign && (foreign = ax_foreign_describe(bytes)))
            told = i;
        if (!engine)
            continue;
        if (found++)
            return ax_fail(err, AX_E_INVALID,
                           "both '%s' and '%s' are model files; a version has one",
                           folder->names[*ret_index], folder->names[i]);
        *ret_index = i;
        *ret_engine = engine;
    }
    if (found)
        return AX_OK;
    if (foreign)
        return ax_fail(err, AX_E_UNSUPPORTED, "'%s' is %s", folder->names[told], foreign);
    if (wanted && folder->count == 1) { /* Its load says best what is wrong with it. */
        *ret_index = 0;
        *ret_engine = wanted;
        return AX_OK;
    }
    if (folder->count)
        return ax_fail(err, AX_E_NOT_FOUND, "no model file: '%s' is none that %s knows",
                       folder->names[0], wanted ? wanted->name : "any engine");
    return ax_fail(err, AX_E_NOT_FOUND, "no model file in '%s'", path);
}

/* The parsed model.yaml, or an empty mapping. */
static enum ax_code read_yaml(const char *path, struct ax_arena *arena, struct ax_yaml **ret_root,
                              struct ax_err *err)
{
    char file[PATH_MAX];
    struct ax_buf text;
    if (join_path(file, path, AX_VERSION_YAML_NAME, err))
        return err->code;
    ax_buf_init(&text, (size_t)1 << 23);
    enum ax_code code = ax_file_read(file, &text, err);
    if (code == AX_E_NOT_FOUND) {
        ax_err_clear(err);
        code = AX_OK;
    }
    if (!code)
        code = ax_yaml_parse(ax_buf_str(&text), AX_VERSION_YAML_NAME, arena, ret_root, err);
    ax_buf_done(&text);
    return code;
}

/* What is loaded, and how. */
struct folder_load {
    struct ax_version *version;
    const struct ax_version_options *options;
    struct ax_arena arena; /* of the load */
};

static enum ax_code load_model(struct folder_load *l, const struct ax_engine *engine,
                               const char *name, const struct ax_yaml *root, struct ax_err *err)
{
    char file[PATH_MAX];
    if (join_path(file, l->version->path, name, err))
        return err->code;
    void *config = engine->options ? ax_xalloc(engine->config_size) : NULL;
    const struct ax_option_group groups[] = { { engine->options, config }, { 0 } };
    if (config)
        ax_option_defaults(groups);
    enum ax_code code = ax_version_yaml_options(root, engine, config, &l->arena, err);
    if (!code && ax_version_model_load(l->version, engine, file, config, l->options, err))
        code = ax_err_context(err, "'%s'", name);
    if (config)
        ax_option_done(groups);
    free(config);
    return code;
}

static enum ax_code load_folder(struct folder_load *l, struct ax_err *err)
{
    struct ax_version *version = l->version;
    struct folder folder = { .count = 0 };
    struct ax_yaml *root;
    const struct ax_engine *engine;
    size_t index = 0;
    enum ax_code code = folder_read(&folder, version->path, err);
    if (!code)
        code = read_yaml(version->path, &l->arena, &root, err);
    if (!code)
        code = ax_version_yaml_engine(root, &engine, err);
    if (!code)
        code = find_model(&folder, version->path, engine, &index, &engine, err);
    if (!code)
        code = load_model(l, engine, folder.names[index], root, err);
    if (!code)
        code = ax_version_yaml_apply(root, version, err);
    folder_done(&folder);
    return code;
}

enum ax_code ax_version_load(const char *path, const char *model_name, uint64_t number,
                             const struct ax_version_options *options,
                             struct ax_version **ret_version, struct ax_err *err)
{
    assert(path && model_name && ret_version && err);
    uint64_t began_ns = ax_clock_ns();
    struct ax_version *version = ax_xalloc(sizeof(*version));
    atomic_init(&version->refs, 1);
    version->model_name = ax_xstrdup(model_name);
    version->path = ax_xstrdup(path);
    version->number = number;
    (void)snprintf(version->text, sizeof(version->text), "%" PRIu64, number);
    ax_arena_init(&version->arena, 1024, (size_t)1 << 20);

    struct folder_load l = { .version = version, .options = options };
    ax_arena_init(&l.arena, 8192, YAML_BYTES_MAX);
    enum ax_code code = load_folder(&l, err);
    ax_arena_done(&l.arena);
    if (code) {
        ax_version_unref(version);
        return code;
    }
    version->load_ns = ax_clock_ns() - began_ns;
    *ret_version = version;
    return AX_OK;
}

struct ax_version *ax_version_ref(struct ax_version *version)
{
    assert(version);
    unsigned before = atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return version;
}

void ax_version_unref(struct ax_version *version)
{
    if (!version)
        return;
    unsigned before = atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    ax_model_unref(version->model);
    ax_image_hold_free(version->image_hold);
    ax_arena_done(&version->arena);
    free(version->model_name);
    free(version->path);
    free(version);
}

size_t ax_version_memory_bytes(const struct ax_version *version)
{
    assert(version);
    return ax_alloc_bytes(version) + ax_alloc_bytes(version->model_name) +
           ax_alloc_bytes(version->path) + ax_arena_bytes(&version->arena) +
           ax_model_memory_bytes(version->model);
}

struct ax_str ax_version_decide(const struct ax_version *version, double score)
{
    assert(version);
    for (size_t i = 0; !isnan(score) && i < version->decision_count; i++)
        if (score >= version->decision[i].at_least)
            return version->decision[i].action;
    return (struct ax_str){ "", 0 };
}

static double number_at(const struct ax_column *column, size_t row, size_t element)
{
    const void *at = ax_column_at(column, row);
    if (column->datatype == AX_FP32)
        return (double)((const float *)at)[element];
    if (column->datatype == AX_FP64)
        return ((const double *)at)[element];
    return NAN;
}

struct ax_str ax_version_decide_row(const struct ax_version *version, const struct ax_batch *out,
                                    size_t row)
{
    assert(version && out && row < out->rows);
    const struct ax_signature *signature = version->signature;
    const struct ax_output *score = ax_signature_output(signature, AX_STR("probability"));
    size_t low;
    size_t high;
    size_t element = 0;
    if (!score)
        score = ax_signature_output(signature, AX_STR("prediction"));
    if (!score)
        return (struct ax_str){ "", 0 };
    if (signature->task == AX_TASK_MULTICLASS)
        element = version->decision_class;
    else if (signature->task == AX_TASK_BINARY)
        element = score->width - 1;
    else if (signature->task == AX_TASK_QUANTILES)
        ax_signature_find_quantiles(signature, &low, &high, &element);
    const struct ax_column *column = &out->columns[score - signature->outputs];
    assert(column->values);
    return element < score->width ? ax_version_decide(version, number_at(column, row, element))
                                  : (struct ax_str){ "", 0 };
}

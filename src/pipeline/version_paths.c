/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One listing of the folder, and when it holds no version one of each folder in it. Names that
 * begin with a dot are passed over, as the server does. What is found is sorted, so that reports do
 * not depend on the file system.
 */
#include "pipeline/version_paths.h"

#include "base/alloc.h"
#include "base/str.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* "3", not "0", "03" or "abc". */
static bool read_number(const char *name, uint64_t *ret)
{
    return name[0] != '0' && ax_str_to_u64(ax_str_from(name), ret) && *ret <= INT64_MAX;
}

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum ax_code add(struct ax_version_paths *paths, const char *path, const char *model,
                        uint64_t number, struct ax_err *err)
{
    if (paths->count == AX_VERSION_PATHS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "over %zu versions", AX_VERSION_PATHS_MAX);
    paths->items = ax_xrealloc(paths->items, paths->count + 1, sizeof(*paths->items));
    paths->items[paths->count++] = (struct ax_version_path){ .path = ax_xstrdup(path),
                                                             .model = ax_xstrdup(model),
                                                             .number = number };
    return AX_OK;
}

/* What is done with a folder in `folder`. */
typedef enum ax_code (*each_fn)(struct ax_version_paths *paths, const char *folder,
                                const char *name, struct ax_err *err);

static enum ax_code each_folder(struct ax_version_paths *paths, const char *folder, each_fn each,
                                struct ax_err *err)
{
    struct stat info;
    DIR *dir = opendir(folder);
    if (!dir)
        return ax_fail_errno(err, errno, "open the folder '%s'", folder);
    for (const struct dirent *entry; !err->code && (entry = readdir(dir));) {
        if (entry->d_name[0] != '.' && !fstatat(dirfd(dir), entry->d_name, &info, 0) &&
            S_ISDIR(info.st_mode))
            (void)(each(paths, folder, entry->d_name, err) != AX_OK);
    }
    (void)closedir(dir);
    return err->code;
}

static enum ax_code add_version(struct ax_version_paths *paths, const char *folder,
                                const char *name, struct ax_err *err)
{
    uint64_t number;
    if (!read_number(name, &number))
        return AX_OK;
    char *path = join(folder, name);
    (void)(add(paths, path, last_name(folder), number, err) != AX_OK);
    free(path);
    return err->code;
}

static enum ax_code add_model(struct ax_version_paths *paths, const char *folder, const char *name,
                              struct ax_err *err)
{
    char *path = join(folder, name);
    (void)(each_folder(paths, path, add_version, err) != AX_OK);
    free(path);
    return err->code;
}

/* The folder itself, as a version of the folder above when it is named so. */
static enum ax_code add_itself(struct ax_version_paths *paths, char *path, struct ax_err *err)
{
    uint64_t number = 0;
    const char *model = last_name(path);
    char *end = strrchr(path, '/');
    if (!read_number(model, &number) || !end)
        return add(paths, path, model, 0, err);
    *end = '\0';
    char *name = ax_xstrdup(last_name(path));
    *end = '/';
    (void)(add(paths, path, name, number, err) != AX_OK);
    free(name);
    return err->code;
}

static int compare(const void *a, const void *b)
{
    const struct ax_version_path *one = a, *other = b;
    int order = strcmp(one->model, other->model);
    return order ? order : (one->number > other->number) - (one->number < other->number);
}

enum ax_code ax_version_paths_add(struct ax_version_paths *paths, const char *folder,
                                  struct ax_err *err)
{
    assert(paths && folder && err);
    size_t before = paths->count;
    char *path = realpath(folder, NULL);
    if (!path)
        return ax_fail_errno(err, errno, "open the folder '%s'", folder);
    enum ax_code code = each_folder(paths, path, add_version, err);
    if (!code && paths->count == before)
        code = each_folder(paths, path, add_model, err);
    if (!code && paths->count == before)
        code = add_itself(paths, path, err);
    free(path);
    if (!code)
        qsort(paths->items + before, paths->count - before, sizeof(*paths->items), compare);
    return code;
}

void ax_version_paths_done(struct ax_version_paths *paths)
{
    if (!paths)
        return;
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->items[i].path);
        free(paths->items[i].model);
    }
    free(paths->items);
    *paths = (struct ax_version_paths){ 0 };
}

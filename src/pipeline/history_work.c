/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has the folder holds its lock (base/folder_lock.h), which the kernel ends with the process.
 */
#include "pipeline/history_work.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder_lock.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether a name in the folder is that of the parts, or no name of an entry. */
static bool is_kept(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "parts") == 0;
}

/* Remove what was being made, but for parts that are done. */
static void clear(const char *work)
{
    char path[PATH_MAX];
    struct ax_err ignored = AX_ERR_INIT;
    DIR *folder = opendir(work);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int len = snprintf(path, sizeof(path), "%s/%s", work, entry->d_name);
        if (!is_kept(entry->d_name) && len > 0 && (size_t)len < sizeof(path))
            (void)(ax_file_remove_tree(path, &ignored) != AX_OK);
    }
    if (folder)
        (void)closedir(folder);
}

enum ax_code ax_history_work_open(const char *path, struct ax_history_work *ret_work,
                                  struct ax_err *err)
{
    assert(path && ret_work && err);
    int lock;
    if (ax_folder_lock(path, &lock, err))
        return err->code;
    clear(path);
    *ret_work = (struct ax_history_work){ ax_xstrdup(path), lock };
    return AX_OK;
}

bool ax_history_work_close(struct ax_history_work *work, enum ax_code ended)
{
    assert(work);
    struct ax_err ignored = AX_ERR_INIT;
    char parts[PATH_MAX];
    bool stays = false;
    if (!work->path)
        return false;
    if (ended == AX_E_CANCELLED || ended == AX_E_LIMIT || ended == AX_E_TOO_LARGE) {
        (void)snprintf(parts, sizeof(parts), "%s/parts", work->path);
        clear(work->path);
        (void)rmdir(parts);
        stays = rmdir(work->path) != 0;
    } else {
        (void)(ax_file_remove_tree(work->path, &ignored) != AX_OK);
    }
    (void)close(work->lock);
    free(work->path);
    *work = (struct ax_history_work){ NULL, -1 };
    return stays;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has the folder holds an flock(2) of it, which the kernel ends with the process.
 */
#include "pipeline/history_work.h"

#include "base/alloc.h"
#include "base/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
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
    if (mkdir(path, 0700) && errno != EEXIST)
        return ax_fail_errno(err, errno, "make '%s'", path);
    int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
        return ax_fail_errno(err, errno, "open '%s'", path);
    if (flock(lock, LOCK_EX | LOCK_NB)) {
        (void)close(lock);
        return ax_fail(err, AX_E_LIMIT, "another process has '%s'", path);
    }
    clear(path);
    *ret_work = (struct ax_history_work){ ax_xstrdup(path), lock };
    return AX_OK;
}

bool ax_history_work_close(struct ax_history_work *work, bool keep)
{
    assert(work);
    struct ax_err ignored = AX_ERR_INIT;
    char parts[PATH_MAX];
    bool stays = false;
    if (!work->path)
        return false;
    if (keep) {
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

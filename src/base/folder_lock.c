/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between open and flock the owner may end and remove the folder: what is locked then is one that
 * no path leads to, and the next process would make and lock another one. So after the lock the
 * path is looked at again, and where it names something else, all of it is done again.
 */
#include "base/folder_lock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES_MAX 100

static bool is_still_at(const char *path, int fd)
{
    struct stat named, opened;
    return !stat(path, &named) && !fstat(fd, &opened) && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

/* -1 without a failure: the folder was removed before it was locked. */
static int try_lock(const char *path, struct ax_err *err)
{
    if (mkdir(path, 0700) && errno != EEXIST) {
        (void)ax_fail_errno(err, errno, "make '%s'", path);
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            (void)ax_fail_errno(err, errno, "open '%s'", path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB))
        (void)ax_fail(err, AX_E_LIMIT, "another process has '%s'", path);
    else if (is_still_at(path, fd))
        return fd;
    (void)close(fd);
    return -1;
}

enum ax_code ax_folder_lock(const char *path, int *ret_fd, struct ax_err *err)
{
    assert(path && ret_fd && err);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        int fd = try_lock(path, err);
        if (err->code)
            return err->code;
        if (fd >= 0) {
            *ret_fd = fd;
            return AX_OK;
        }
    }
    return ax_fail(err, AX_E_LIMIT, "'%s' is removed again and again", path);
}

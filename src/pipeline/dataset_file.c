/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is taken for the same while its device, inode, size and time of modification are. Whoever
 * puts the time back after writing is not found out.
 */
#include "pipeline/dataset_file.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 20)

static void take_stamp(const struct stat *info, struct ax_dataset_file *file)
{
    file->bytes = (uint64_t)info->st_size;
    file->device = (uint64_t)info->st_dev;
    file->inode = (uint64_t)info->st_ino;
    file->changed_ns =
        (int64_t)info->st_mtim.tv_sec * (int64_t)AX_NS_PER_S + (int64_t)info->st_mtim.tv_nsec;
}

static bool is_same(const struct ax_dataset_file *a, const struct ax_dataset_file *b)
{
    return a->bytes == b->bytes && a->device == b->device && a->inode == b->inode &&
           a->changed_ns == b->changed_ns;
}

enum ax_code ax_dataset_file_check(const char *path, const struct ax_dataset_file *file,
                                   struct ax_err *err)
{
    assert(path && file && err);
    struct stat info;
    struct ax_dataset_file now = { 0 };
    if (stat(path, &info))
        return ax_fail_errno(err, errno, "look at '%s'", path);
    take_stamp(&info, &now);
    if (!is_same(file, &now))
        return ax_fail(err, AX_E_CONFLICT, "'%s' changed while it was read; try again", path);
    return AX_OK;
}

static enum ax_code read_all(int fd, const char *path, atomic_bool *cancelled,
                             struct ax_dataset_file *file, struct ax_err *err)
{
    struct ax_sha256 sha;
    char *block = ax_xalloc(BLOCK_BYTES);
    ax_sha256_init(&sha);
    while (!err->code) {
        ssize_t got = read(fd, block, BLOCK_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            (void)ax_fail_errno(err, errno, "read '%s'", path);
        else if (cancelled && atomic_load(cancelled))
            (void)ax_fail(err, AX_E_CANCELLED, "interrupted");
        if (got <= 0)
            break;
        ax_sha256_add(&sha, block, (size_t)got);
    }
    ax_sha256_text(&sha, file->digest);
    free(block);
    return err->code;
}

enum ax_code ax_dataset_file_read(const char *path, atomic_bool *cancelled,
                                  struct ax_dataset_file *ret_file, struct ax_err *err)
{
    assert(path && ret_file && err);
    struct ax_dataset_file file = { 0 };
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open '%s'", path);
    if (fstat(fd, &info))
        (void)ax_fail_errno(err, errno, "look at '%s'", path);
    else if (!S_ISREG(info.st_mode))
        (void)ax_fail(err, AX_E_INVALID, "'%s' is no regular file", path);
    else
        take_stamp(&info, &file);
    if (!err->code && !read_all(fd, path, cancelled, &file, err) &&
        !ax_dataset_file_check(path, &file, err))
        *ret_file = file;
    (void)close(fd);
    return err->code;
}

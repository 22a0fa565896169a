/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by plain system calls. Removal walks with descriptors (openat, unlinkat), so that a folder
 * renamed or replaced by a link meanwhile cannot lead it elsewhere, and keeps its own stack of open
 * folders instead of recursing.
 */
#include "base/file.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP        65536
#define TREE_DEPTH_MAX   32
#define TREE_ENTRIES_MAX 1000000

/* Up to the end of the file, whatever its size was: it may grow, and /proc says 0. */
static enum ax_code file_read_all(int fd, const char *path, size_t size, struct ax_buf *out,
                                  struct ax_err *err)
{
    size_t room = AX_MIN(AX_MAX(size, (size_t)1), out->max - out->len);
    for (;;) {
        char probe;
        char *at = &probe;
        if (out->len < out->max && !(at = ax_buf_reserve(out, room)))
            return ax_buf_check(out, path, err);
        ssize_t got = read(fd, at, at == &probe ? 1 : room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ax_fail_errno(err, errno, "read '%s'", path);
        if (got == 0)
            return AX_OK;
        if (at == &probe)
            return ax_fail(err, AX_E_TOO_LARGE, "'%s' is over %zu bytes", path, out->max);
        ax_buf_added(out, (size_t)got);
        if ((size_t)got < room)
            room -= (size_t)got;
        else
            room = AX_MIN((size_t)READ_STEP, out->max - out->len);
    }
}

enum ax_code ax_file_read(const char *path, struct ax_buf *out, struct ax_err *err)
{
    assert(path && out && err);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open '%s'", path);
    struct stat info;
    size_t before = out->len;
    enum ax_code code;
    if (fstat(fd, &info))
        code = ax_fail_errno(err, errno, "stat '%s'", path);
    else if (!S_ISREG(info.st_mode))
        code = ax_fail(err, AX_E_INVALID, "'%s' is not a regular file", path);
    else if ((uint64_t)info.st_size > out->max - out->len)
        code = ax_fail(err, AX_E_TOO_LARGE, "'%s' is over %zu bytes", path, out->max);
    else
        code = file_read_all(fd, path, (size_t)info.st_size, out, err);
    (void)close(fd);
    if (code) {
        out->len = before;
        out->failed = AX_OK;
    }
    return code;
}

enum ax_code ax_file_write_all(int fd, struct ax_str bytes, struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && err);
    while (bytes.len) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return ax_fail_errno(err, errno, "write");
        bytes.ptr += wrote;
        bytes.len -= (size_t)wrote;
    }
    return AX_OK;
}

/* The length of `path` up to and with the last '/', or 0. */
static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

enum ax_code ax_file_sync_folder(const char *path, struct ax_err *err)
{
    assert(path && err);
    enum ax_code code = AX_OK;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) && errno != EINVAL && errno != EROFS))
        code = ax_fail_errno(err, errno, "sync folder '%s'", path);
    if (fd >= 0)
        (void)close(fd);
    return code;
}

static enum ax_code sync_folder_of(const char *path, struct ax_err *err)
{
    size_t len = folder_len(path);
    char *folder = len ? ax_xmemdup0(path, len) : ax_xstrdup(".");
    enum ax_code code = ax_file_sync_folder(folder, err);
    free(folder);
    return code;
}

enum ax_code ax_file_publish(const char *hidden, const char *path, struct ax_err *err)
{
    assert(hidden && path && err);
    int fd = open(hidden, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) || rename(hidden, path))
        (void)ax_fail_errno(err, errno, "write '%s'", path);
    if (fd >= 0)
        (void)close(fd);
    return err->code ? err->code : sync_folder_of(path, err);
}

enum ax_code ax_file_replace(const char *path, struct ax_str bytes, struct ax_err *err)
{
    assert(path && (bytes.ptr || !bytes.len) && err);
    char unique[AX_UUID_TEXT_SIZE];
    ax_uuid7_text(unique);
    size_t len = folder_len(path);
    size_t size = strlen(path) + sizeof(unique) + 8;
    char *temporary = ax_xalloc(size);
    (void)snprintf(temporary, size, "%.*s.%s.%s", (int)len, path, path + len, unique);
    enum ax_code code = AX_OK;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        code = ax_fail_errno(err, errno, "create '%s'", temporary);
    } else {
        code = ax_file_write_all(fd, bytes, err) ? ax_err_context(err, "'%s'", path) : AX_OK;
        if (!code && fsync(fd))
            code = ax_fail_errno(err, errno, "write '%s'", path);
        if (close(fd) && !code)
            code = ax_fail_errno(err, errno, "write '%s'", path);
        if (!code && rename(temporary, path))
            code = ax_fail_errno(err, errno, "replace '%s'", path);
        if (code)
            (void)unlink(temporary);
        else
            code = sync_folder_of(path, err);
    }
    free(temporary);
    return code;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum ax_code ax_file_make_folder(const char *path, struct ax_err *err)
{
    assert(path && err);
    char *part = ax_xstrdup(path);
    enum ax_code code = AX_OK;
    size_t len = strlen(part);
    for (size_t i = 1; i <= len && !code; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        int errnum = mkdir(part, 0777) ? errno : 0;
        if (errnum && !is_folder(part))
            code =
                ax_fail_errno(err, errnum == EEXIST ? ENOTDIR : errnum, "make folder '%s'", part);
        part[i] = kept;
    }
    free(part);
    return code;
}

enum ax_code ax_file_make_private_folder(const char *path, struct ax_err *err)
{
    assert(path && err);
    char *above = ax_xstrdup(path);
    for (size_t len = strlen(above); len > 1 && above[len - 1] == '/';)
        above[--len] = '\0';
    char *slash = strrchr(above, '/');
    if (slash && slash != above) {
        *slash = '\0';
        (void)(ax_file_make_folder(above, err) != AX_OK);
    }
    free(above);
    struct stat info;
    if (err->code || mkdir(path, 0700) == 0)
        return err->code;
    int errnum = errno;
    if (errnum != EEXIST)
        return ax_fail_errno(err, errnum, "make folder '%s'", path);
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
        return ax_fail_errno(err, ENOTDIR, "make folder '%s'", path);
    return AX_OK;
}

struct tree_walk {
    const char *path;
    DIR *folders[TREE_DEPTH_MAX];
    char *names[TREE_DEPTH_MAX]; /* of each folder, in the one above it; [0] is not used */
    size_t depth;
    size_t entry_count;
};

static enum ax_code tree_enter(struct tree_walk *walk, int above, const char *name,
                               struct ax_err *err)
{
    if (walk->depth == TREE_DEPTH_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "'%s' is nested over %d deep", walk->path,
                       TREE_DEPTH_MAX);
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open '%s' in '%s'", name, walk->path);
    DIR *folder = fdopendir(fd);
    if (!folder) {
        (void)close(fd);
        return ax_fail_errno(err, errno, "open '%s' in '%s'", name, walk->path);
    }
    walk->names[walk->depth] = ax_xstrdup(name);
    walk->folders[walk->depth++] = folder;
    return AX_OK;
}

/* Close the deepest folder, and remove it from the one above it. */
static enum ax_code tree_leave(struct tree_walk *walk, bool remove, struct ax_err *err)
{
    enum ax_code code = AX_OK;
    walk->depth--;
    (void)closedir(walk->folders[walk->depth]);
    if (remove && walk->depth) {
        int above = dirfd(walk->folders[walk->depth - 1]);
        if (unlinkat(above, walk->names[walk->depth], AT_REMOVEDIR) && errno != ENOENT)
            code = ax_fail_errno(err, errno, "remove '%s' in '%s'", walk->names[walk->depth],
                                 walk->path);
    }
    free(walk->names[walk->depth]);
    return code;
}

/* Remove one name of the deepest folder, or enter it when it is a folder. */
static enum ax_code tree_step(struct tree_walk *walk, struct ax_err *err)
{
    DIR *folder = walk->folders[walk->depth - 1];
    errno = 0;
    const struct dirent *entry = readdir(folder);
    if (!entry && errno)
        return ax_fail_errno(err, errno, "list '%s'", walk->path);
    if (!entry)
        return tree_leave(walk, true, err);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return AX_OK;
    if (++walk->entry_count > TREE_ENTRIES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "'%s' holds over %d names", walk->path,
                       TREE_ENTRIES_MAX);
    if (unlinkat(dirfd(folder), entry->d_name, 0) == 0 || errno == ENOENT)
        return AX_OK;
    /* Linux says EISDIR, POSIX allows EPERM. */
    if (errno != EISDIR && errno != EPERM)
        return ax_fail_errno(err, errno, "remove '%s' in '%s'", entry->d_name, walk->path);
    return tree_enter(walk, dirfd(folder), entry->d_name, err);
}

enum ax_code ax_file_remove_tree(const char *path, struct ax_err *err)
{
    assert(path && err);
    if (unlink(path) == 0 || errno == ENOENT)
        return AX_OK;
    if (errno != EISDIR && errno != EPERM)
        return ax_fail_errno(err, errno, "remove '%s'", path);
    struct tree_walk walk = { .path = path };
    enum ax_code code = tree_enter(&walk, AT_FDCWD, path, err);
    while (!code && walk.depth)
        code = tree_step(&walk, err);
    while (walk.depth)
        (void)tree_leave(&walk, false, err);
    if (!code && rmdir(path) && errno != ENOENT)
        code = ax_fail_errno(err, errno, "remove '%s'", path);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stamp is of paths, sizes, inodes and times. The time of the inode's last change is among them,
 * which cannot be set by whoever copies files with their times; so a file that was written anew is
 * told, but for one that was written twice within a tick of the kernel's clock.
 */
#include "feature/offline/duckdb_stamp.h"

#include "feature/offline/duckdb_relation.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_number(struct ax_sha256 *sha, int64_t number)
{
    ax_sha256_add(sha, &number, sizeof(number));
}

static enum ax_code add_file(struct ax_sha256 *sha, const char *path, struct ax_err *err)
{
    struct stat info;
    if (stat(path, &info))
        return ax_fail_errno(err, errno, "open '%s'", path);
    ax_sha256_add(sha, path, strlen(path) + 1);
    add_number(sha, info.st_size);
    add_number(sha, (int64_t)info.st_ino);
    add_number(sha, info.st_mtim.tv_sec);
    add_number(sha, info.st_mtim.tv_nsec);
    add_number(sha, info.st_ctim.tv_sec);
    add_number(sha, info.st_ctim.tv_nsec);
    return AX_OK;
}

static enum ax_code add_files(struct ax_offline *offline, const struct ax_source *source,
                              struct ax_sha256 *sha, struct ax_err *err)
{
    struct ax_relation relation;
    if (ax_relation_find_files(offline, source, &relation, err))
        return ax_source_context(source, SIZE_MAX, err);
    for (size_t i = 0; i < relation.file_count && !err->code; i++)
        (void)(add_file(sha, relation.files[i].ptr, err) != AX_OK);
    ax_relation_done(&relation);
    return err->code;
}

/* "store.duckdb/main.flights": the file is what stands before the last slash. */
static enum ax_code add_store(struct ax_sha256 *sha, struct ax_str text, struct ax_err *err)
{
    char path[PATH_MAX];
    const char *slash = memrchr(text.ptr, '/', text.len);
    int len = slash ? (int)(slash - text.ptr) : 0;
    if (len <= 0 || (size_t)len >= sizeof(path))
        return ax_fail(err, AX_E_INVALID, "'%.*s' is no table; expected FILE/SCHEMA.TABLE",
                       AX_STR_ARG(text));
    (void)snprintf(path, sizeof(path), "%.*s", len, text.ptr);
    if (add_file(sha, path, err))
        return err->code;
    /* What was written last may stand in its log alone. */
    char log[PATH_MAX + sizeof(".wal")];
    (void)snprintf(log, sizeof(log), "%s.wal", path);
    return access(log, F_OK) ? AX_OK : add_file(sha, log, err);
}

enum ax_code ax_source_stamp(struct ax_offline *offline, const struct ax_source *source,
                             char ret_stamp[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    assert(offline && source && ret_stamp && err);
    struct ax_sha256 sha;
    if (source->kind == AX_SOURCE_SQL) {
        ret_stamp[0] = '\0';
        return AX_OK;
    }
    ax_sha256_init(&sha);
    if (source->kind == AX_SOURCE_FILES ? add_files(offline, source, &sha, err)
                                        : add_store(&sha, source->text, err))
        return err->code;
    ax_sha256_text(&sha, ret_stamp);
    return AX_OK;
}

enum ax_code ax_file_stamp(const char *path, char ret_stamp[AX_SHA256_TEXT_SIZE],
                           struct ax_err *err)
{
    assert(path && path[0] == '/' && ret_stamp && err);
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    if (!add_file(&sha, path, err))
        ax_sha256_text(&sha, ret_stamp);
    return err->code;
}

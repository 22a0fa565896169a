/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files and folders: read within a limit, replace atomically, make and remove folders.
 *
 * All of it blocks and belongs on control threads or the pool. Descriptors are close-on-exec.
 * Errors name the path. Symbolic links are followed when a file is read or replaced, never when a
 * tree is removed.
 */
#ifndef AX_BASE_FILE_H
#define AX_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* What a file holds, under the path by which it is known. */
struct ax_file_text {
    struct ax_str path;
    struct ax_str text;
};

/* Append the contents of a regular file to `out`, whose maximum is the limit. `out` is as before
 * after a failure. Expected: NOT_FOUND, DENIED, INVALID (no regular file), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_file_read(const char *path, struct ax_buf *out, struct ax_err *err);

/* Make `bytes` the contents of `path`: a temporary file beside it, fsync, rename, fsync of the
 * folder. Whoever reads sees the old contents or the new ones, also after a crash. The mode is 0644
 * less the umask. Expected: NOT_FOUND (no such folder), DENIED. */
AX_MUST_USE enum ax_code ax_file_replace(const char *path, struct ax_str bytes, struct ax_err *err);

/* Give a file that was written, `hidden`, the place of `path`, in the same folder, once it is on
 * the disk. Blocks. Expected: NOT_FOUND, DENIED, LIMIT (disk full). */
AX_MUST_USE enum ax_code ax_file_publish(const char *hidden, const char *path, struct ax_err *err);

/* Write all of it, however often that is interrupted; the text of a failure names no path.
 * Expected: LIMIT (disk full). */
AX_MUST_USE enum ax_code ax_file_write_all(int fd, struct ax_str bytes, struct ax_err *err);

/* Have what was made, renamed or removed in a folder survive a crash. Fine where the file system
 * knows no such thing. Expected: NOT_FOUND, DENIED. */
AX_MUST_USE enum ax_code ax_file_sync_folder(const char *path, struct ax_err *err);

/* Make the folder and those above it that are missing; fine when it is there. Expected: DENIED,
 * INVALID (something on the way is no folder). */
AX_MUST_USE enum ax_code ax_file_make_folder(const char *path, struct ax_err *err);

/* The same, and what is made at `path` itself is for this user alone (0700). One that is there
 * stays as it is. Expected: DENIED, INVALID. */
AX_MUST_USE enum ax_code ax_file_make_private_folder(const char *path, struct ax_err *err);

/* Remove a file, or a folder with all that is in it; fine when it is not there. Folders nested more
 * than 32 deep or holding more than 1,000,000 names in all are left half removed with TOO_LARGE.
 * Expected: DENIED, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_file_remove_tree(const char *path, struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder that one process has at a time, and that its owner removes while it has it.
 *
 * The lock is an flock(2) of the folder itself, so it ends with the process, or with close(2) of
 * the descriptor.
 */
#ifndef AX_BASE_FOLDER_LOCK_H
#define AX_BASE_FOLDER_LOCK_H

#include "base/err.h"

/* Make the folder for this user alone, or take the one that is there, and lock it. Expected: LIMIT
 * (another process has it), NOT_FOUND (the folder above is missing), DENIED, INVALID. */
AX_MUST_USE enum ax_code ax_folder_lock(const char *path, int *ret_fd, struct ax_err *err);

#endif

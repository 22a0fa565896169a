/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work folder of a history: one process has it, and what is done of a history that was
 * interrupted or killed, or had no room, stays in it (offline.h, `keep_parts`), so that the same
 * command goes on.
 */
#ifndef AX_PIPELINE_HISTORY_WORK_H
#define AX_PIPELINE_HISTORY_WORK_H

#include "base/err.h"

#include <stdbool.h>

struct ax_history_work {
    char *path;
    int lock;
};

/* Make it, or take what a process that is gone has left; all but its parts is removed. Expected:
 * LIMIT (another process has it), DENIED, NOT_FOUND. */
AX_MUST_USE enum ax_code ax_history_work_open(const char *path, struct ax_history_work *ret_work,
                                              struct ax_err *err);

/* Remove it, but for the parts when the history ended with a code that it may not end with again:
 * CANCELLED, or LIMIT and TOO_LARGE, of a disk or memory that was full. True: there are some. */
bool ax_history_work_close(struct ax_history_work *work, enum ax_code ended);

#endif

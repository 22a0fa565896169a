/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of the state directory: who changes what lies there is its one owner.
 *
 * It is an flock(2) of the file `lock` in that folder, so it ends with the process that has it,
 * however that ends, and nothing is left to be cleaned up. The file says who that is: a line of the
 * process's number and its command. A lock belongs to a process, not to a thread; it is not
 * inherited by programs that the process starts. Who only reads takes no lock.
 */
#ifndef AX_BASE_STATE_LOCK_H
#define AX_BASE_STATE_LOCK_H

#include "base/err.h"

struct ax_state_lock;

/* Become the owner of the folder `state`, which is made when it is not there. `command` is what
 * others are told: "auspex apply". Waits no longer than it takes to learn who has it, some 0.2 s at
 * most. Expected: UNAVAILABLE ("'auspex-data' is in use by process 1234 (auspex apply)"), DENIED,
 * INVALID (something on the way is no folder). */
AX_MUST_USE enum ax_code ax_state_lock_take(const char *state, const char *command,
                                            struct ax_state_lock **ret_lock, struct ax_err *err);

/* Give it back. NULL is fine. */
void ax_state_lock_free(struct ax_state_lock *lock);

#endif

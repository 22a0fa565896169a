/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ctrl-C for commands that have something to clean up: the signal becomes a flag that the work
 * looks at, so that it ends by CANCELLED and leaves nothing behind.
 */
#ifndef AX_CMD_INTERRUPT_H
#define AX_CMD_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

/* From now on SIGINT and SIGTERM set the flag that is returned, and a closed pipe is an error of
 * the write instead of a signal. Once a process, before its threads. */
atomic_bool *ax_interrupt_catch(void);

#endif

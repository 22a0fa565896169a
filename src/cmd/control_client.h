/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that change what the owner of the state directory keeps: they become the owner, or have
 * the server do their work that is. See docs/internals/control.md.
 */
#ifndef AX_CMD_CONTROL_CLIENT_H
#define AX_CMD_CONTROL_CLIENT_H

#include "base/option.h"
#include "base/state_lock.h"
#include "cmd/progress.h"

#include <stdatomic.h>

/* Who owns the state directory: one of the two is set. */
struct ax_control_owner {
    struct ax_state_lock *lock; /* this process */
    int server;                 /* a server: the connection to it; -1: none */
};

/* Become the owner of `state`, or connect to the server that is; `command` is told to others. What
 * is neither is tried again for a moment: a server may be starting or ending. Expected: UNAVAILABLE
 * (another command owns it), and those of ax_state_lock_take. */
AX_MUST_USE enum ax_code ax_control_owner_find(const char *state, const char *command,
                                               struct ax_control_owner *ret_owner,
                                               struct ax_err *err);
/* The same of a state directory that is there already. Expected: besides, NOT_FOUND. */
AX_MUST_USE enum ax_code ax_control_owner_find_existing(const char *state, const char *command,
                                                        struct ax_control_owner *ret_owner,
                                                        struct ax_err *err);
void ax_control_owner_done(struct ax_control_owner *owner);

/* A command for the server. */
struct ax_control_work {
    const char *command;                  /* "apply" */
    struct ax_str typed;                  /* the command line */
    const struct ax_option_group *groups; /* options that the server needs, as they were given */
    const struct ax_option_args *args;    /* what stood beside them */
    struct ax_progress *progress;         /* or NULL: none is shown */
    const atomic_bool *cancelled;         /* or NULL */
};

/* Have it done by the server, once: what it says goes to standard output and standard error.
 * Returns what the work has ended with. Expected: besides, UNAVAILABLE (the server has ended),
 * CANCELLED. */
AX_MUST_USE enum ax_code ax_control_owner_run(struct ax_control_owner *owner,
                                              const struct ax_control_work *work,
                                              struct ax_err *err);

/* The command line of a command, from its name on: "auspex apply flights". */
void ax_control_put_typed(struct ax_buf *out, int argc, char **argv);

/* "ana@host"; a user without a name by number. */
void ax_control_put_who(struct ax_buf *out);

#endif

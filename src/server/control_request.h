/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to the control socket: a command line, who typed it, and where. One line of JSON.
 *
 * Both ends are the same program, perhaps of two versions, so what is not known is refused and
 * nothing is passed over.
 */
#ifndef AX_SERVER_CONTROL_REQUEST_H
#define AX_SERVER_CONTROL_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"

#define AX_CONTROL_ARGUMENTS_MAX 4096

/* All texts are UTF-8 without a NUL inside. */
struct ax_control_request {
    const char *command; /* "apply" */
    const char *who;     /* "ana@host" */
    const char *typed;   /* "auspex apply --force flights" */
    const char *folder;  /* absolute: where relative paths of arguments start */
    char **argv;         /* flags and other arguments, as main() gets them; argv[0] is NULL */
    int argc;            /* with argv[0] */
};

/* Everything lies in the arena. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_control_request_parse(struct ax_str line, struct ax_arena *arena,
                                                  struct ax_control_request *ret_request,
                                                  struct ax_err *err);

/* As the line that is sent, with its end. Expected: INVALID (a text that is no UTF-8), TOO_LARGE.
 */
AX_MUST_USE enum ax_code ax_control_request_put(const struct ax_control_request *request,
                                                struct ax_buf *out, struct ax_err *err);

#endif

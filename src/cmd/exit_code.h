/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit statuses of `auspex`, the same for every subcommand.
 *
 * One list: name, number, and what it means to a script. docs/exit-codes.md repeats it, and
 * tests/docs compare the two.
 */
#ifndef AX_CMD_EXIT_CODE_H
#define AX_CMD_EXIT_CODE_H

#include "base/err.h"

#define AX_EXIT_LIST(X)                                                                    \
    X(OK, 0, "The command did what was asked.")                                            \
    X(FAILURE, 1, "It failed while running, for a reason that none of the others names.")  \
    X(USAGE, 2, "The arguments, the environment or the configuration file are wrong.")     \
    X(INPUT, 3, "The data, query or model that it was given is invalid or not supported.") \
    X(NOT_FOUND, 4, "A file, folder or model that it was told to use is not there.")       \
    X(UNAVAILABLE, 5,                                                                      \
      "Something it needs is busy or full (a port in use); it may be tried again.")        \
    X(INTERRUPTED, 130, "It was interrupted (Ctrl-C) and cleaned up.")

enum ax_exit {
#define X(name, number, meaning) AX_EXIT_##name = (number),
    AX_EXIT_LIST(X)
#undef X
};

/* The exit status for a failure while a command works; failures in its own arguments are USAGE. */
static inline enum ax_exit ax_exit_from_code(enum ax_code code)
{
    switch (code) {
    case AX_OK:
        return AX_EXIT_OK;
    case AX_E_INVALID:
    case AX_E_TOO_LARGE:
    case AX_E_UNSUPPORTED:
        return AX_EXIT_INPUT;
    case AX_E_NOT_FOUND:
        return AX_EXIT_NOT_FOUND;
    case AX_E_LIMIT:
    case AX_E_TIMEOUT:
    case AX_E_UNAVAILABLE:
        return AX_EXIT_UNAVAILABLE;
    case AX_E_CANCELLED:
        return AX_EXIT_INTERRUPTED;
    case AX_E_UNAUTHENTICATED:
    case AX_E_DENIED:
    case AX_E_EXISTS:
    case AX_E_CONFLICT:
    case AX_E_INTERNAL:
        return AX_EXIT_FAILURE;
    }
    return AX_EXIT_FAILURE;
}

#endif

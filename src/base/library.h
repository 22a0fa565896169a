/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that are opened at run time.
 *
 * What a library does as it is opened must not change our answers: those that were compiled for
 * speed above all set flush-to-zero in a constructor, for the whole thread that opens them. So
 * every library is opened here, and the calling thread computes afterwards as it did before.
 * Libraries stay open. Any thread; may block.
 */
#ifndef AX_BASE_LIBRARY_H
#define AX_BASE_LIBRARY_H

#include "base/err.h"

#include <stdbool.h>

/* Open the file at `path` with all its symbols, which stay its own. `*ret_changed_fp`: it had
 * changed the floating-point mode, which was put back; whoever logs says so. Expected: UNSUPPORTED.
 */
AX_MUST_USE enum ax_code ax_library_open(const char *path, void **ret_library, bool *ret_changed_fp,
                                         struct ax_err *err);

#endif

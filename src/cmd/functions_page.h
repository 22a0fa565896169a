/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of expressions as docs/functions.md tells them, printed from their tables.
 */
#ifndef AX_CMD_FUNCTIONS_PAGE_H
#define AX_CMD_FUNCTIONS_PAGE_H

#include "base/buf.h"

/* Append all groups as Markdown; `out` tells what its maximum refused. */
void ax_functions_page_put(struct ax_buf *out);

#endif

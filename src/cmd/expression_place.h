/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an expression went wrong, shown below the message.
 */
#ifndef AX_CMD_EXPRESSION_PLACE_H
#define AX_CMD_EXPRESSION_PLACE_H

#include "base/str.h"

#include <stdio.h>

/* Print the line that holds byte `at` of the text, which is UTF-8, and a caret under the place. */
void ax_expression_place_show(struct ax_str text, size_t at, FILE *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the output of a command goes: to standard output, or, when a server does its work, to the
 * command that had it do so.
 */
#ifndef AX_CMD_TEXT_OUTPUT_H
#define AX_CMD_TEXT_OUTPUT_H

#include "base/err.h"
#include "base/str.h"

struct ax_text_output {
    /* All of it, now. Expected: INTERNAL (nobody reads it), LIMIT (disk full), CANCELLED. */
    enum ax_code (*print)(struct ax_text_output *output, struct ax_str text, struct ax_err *err);
};

/* Standard output. */
extern struct ax_text_output ax_text_output_standard;

#endif

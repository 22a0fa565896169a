/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output, flushed at once: what was told is told, whatever becomes of the process.
 */
#include "cmd/text_output.h"

#include <errno.h>
#include <stdio.h>

static enum ax_code standard_print(struct ax_text_output *output, struct ax_str text,
                                   struct ax_err *err)
{
    (void)output;
    if (fwrite(text.ptr, 1, text.len, stdout) != text.len || fflush(stdout))
        return ax_fail_errno(err, errno, "write to standard output");
    return AX_OK;
}

struct ax_text_output ax_text_output_standard = { .print = standard_print };

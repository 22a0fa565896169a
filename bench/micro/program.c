/* SPDX-License-Identifier: Apache-2.0 */
/* The name is glibc's, the last part of what the program was called by. */
#include "program.h"

#include "base/err.h"
#include "base/file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 32)

void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

struct ax_buf read_file(const char *path)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf bytes;
    ax_buf_init(&bytes, FILE_BYTES_MAX);
    if (ax_file_read(path, &bytes, &err))
        die(err.msg);
    return bytes;
}

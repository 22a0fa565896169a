/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every small measuring program does: end with a message, and read its files.
 */
#ifndef AX_BENCH_MICRO_PROGRAM_H
#define AX_BENCH_MICRO_PROGRAM_H

#include "base/buf.h"
#include "base/compiler.h"

/* Print the program's name and `what` to stderr, and end with status 1. */
AX_NORETURN void die(const char *what);

/* A whole file; the bytes live as long as the program. */
struct ax_buf read_file(const char *path);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of tests/data/forest/ for the tests of the engine; `tools/parity --fixtures` makes them.
 */
#ifndef AX_TESTS_UNIT_ENGINE_FOREST_FOREST_DATA_H
#define AX_TESTS_UNIT_ENGINE_FOREST_FOREST_DATA_H

#include "base/alloc.h"
#include "base/str.h"
#include "engine/forest/kernel.h"

#include <stdio.h>
#include <stdlib.h>

/* Names of the models there are. */
static const char *const forest_names[] = { "binary",  "regression", "quantiles",
                                            "classes", "onehot",     "softmax" };

/* Whether to test a kernel: those that this CPU can run, or of them the one that AX_TEST_KERNEL
 * names. */
static inline bool forest_wants_kernel(const struct ax_forest_kernel *kernel)
{
    const char *wanted = getenv("AX_TEST_KERNEL");
    return kernel->runs_here() && (!wanted || strcmp(wanted, kernel->name) == 0);
}

/* What a program says instead of its tests when it has none. */
static inline int forest_skip_program(void)
{
    puts("1..0 # SKIP this CPU cannot run the kernel");
    return 0;
}

/* The bytes in memory of exactly their size, so that a sanitizer sees one byte too far. */
static inline char *forest_copy(struct ax_str bytes)
{
    char *copy = ax_xalloc(bytes.len);
    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    return copy;
}

/* tests/data/forest/NAME.EXT, to be freed. Ends the program when there is none. */
static inline struct ax_str forest_file(const char *name, const char *ext)
{
    const char *folder = getenv("AX_TEST_DATA");
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/forest/%s.%s", folder ? folder : "tests/data", name,
                   ext);
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        abort();
    }
    char buffer[1 << 16];
    size_t size = fread(buffer, 1, sizeof(buffer), f);
    (void)fclose(f);
    struct ax_str bytes = { buffer, size };
    bytes.ptr = forest_copy(bytes);
    return bytes;
}

/* Whether this is one of many runs with a refused allocation: then less repetition will do. */
static inline bool forest_is_torture(void)
{
    return getenv("AX_TORTURE_FAIL_AT") != NULL;
}

/* The same sequence on every run: xorshift. */
static inline uint64_t forest_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif

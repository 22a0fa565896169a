/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of contestants share: how they fail, how files and libraries are opened. */
#include "contestant.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void compare_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fputs("compare: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

char *compare_read_file(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        compare_die("cannot read '%s'", path);
    long size = ftell(f);
    if (size < 0 || fseek(f, 0, SEEK_SET) != 0)
        compare_die("cannot read '%s'", path);
    char *bytes = ax_xalloc((size_t)size + 1);
    *ret_size = fread(bytes, 1, (size_t)size, f);
    (void)fclose(f);
    return bytes;
}

void *compare_open_library(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        compare_die("%s", dlerror());
    return library;
}

void compare_find(void *library, const char *name, void *ret_function)
{
    void *found = dlsym(library, name);
    if (!found)
        compare_die("the library has no function '%s'", name);
    memcpy(ret_function, &found, sizeof(found));
}

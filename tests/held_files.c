/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to preload: loads of models take as long as the test wants.
 *
 * Opening a rules.yaml below a folder whose name begins with "held" waits for as long as the file
 * that AX_TEST_HELD names is there. Loaders alone open such files, so nothing else is kept.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_while_held(const char *path)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    const char *held = getenv("AX_TEST_HELD");
    const char *name = strrchr(path, '/');
    if (!held || !name || strcmp(name, "/rules.yaml") != 0 || !strstr(path, "/held"))
        return;
    while (access(held, F_OK) == 0)
        (void)nanosleep(&pause, NULL);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    wait_while_held(path);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

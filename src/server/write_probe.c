/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read lease is granted only while nobody has the file open for writing, so trying to take one
 * answers the question. It is given back at once: whoever opens the file for writing meanwhile is
 * held up by the kernel until then. To have it given back, the kernel sends the holder a signal;
 * its default, SIGIO, ends a process that does not expect it, and SIGURG does nothing.
 *
 * fcntl(2). The alternatives: /proc/PID/fd of all processes shows only those of one's own user, and
 * costs a walk over all of them; locks are only seen by who asks for locks.
 */
#include "server/write_probe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ax_write_probe probe_lease(int file)
{
    if (fcntl(file, F_SETSIG, SIGURG) != 0)
        return AX_WRITE_PROBE_UNKNOWN;
    if (fcntl(file, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN ? AX_WRITE_PROBE_OPEN : AX_WRITE_PROBE_UNKNOWN;
    (void)fcntl(file, F_SETLEASE, F_UNLCK);
    return AX_WRITE_PROBE_CLOSED;
}

/* Opening a fifo would let somebody go on who waits for a reader, so what it is, is asked first;
 * should it be replaced by one just then, opening it does not wait. */
enum ax_write_probe ax_write_probe_file(int folder, const char *name)
{
    struct stat info;
    assert(folder >= 0 && name);
    bool is_there = fstatat(folder, name, &info, 0) == 0;
    if (!is_there && errno == ENOENT)
        return AX_WRITE_PROBE_CLOSED;
    if (!is_there || !S_ISREG(info.st_mode))
        return AX_WRITE_PROBE_UNKNOWN;
    int file = openat(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return AX_WRITE_PROBE_UNKNOWN;
    enum ax_write_probe found = probe_lease(file);
    (void)close(file);
    return found;
}

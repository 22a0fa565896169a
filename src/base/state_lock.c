/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flock(2) on a file that stays where it is: removing it would let two processes lock two files of
 * one name. The owner writes its line after it has the lock and empties the file before it gives it
 * back, so a line may be missing for a moment, or be that of one that was killed. So who finds no
 * line looks again for a while; what stays without one is told as "another process". fcntl's locks
 * would name the owner by themselves, but are lost as soon as anything in the process closes the
 * file.
 */
#include "base/state_lock.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX 160
#define NAME_WAIT_NS   (200 * (uint64_t)AX_NS_PER_MS) /* for the owner to write its line, or end */

struct ax_state_lock {
    int fd;
};

/* Whether the line names a process that lives: "1234 auspex apply". */
static bool read_owner(int fd, char line[LINE_BYTES_MAX], uint64_t *ret_pid,
                       struct ax_str *ret_command)
{
    ssize_t got = pread(fd, line, LINE_BYTES_MAX, 0);
    struct ax_str text = { line, got > 0 ? (size_t)got : 0 };
    const char *end = memchr(text.ptr, '\n', text.len);
    const char *blank = memchr(text.ptr, ' ', text.len);
    uint64_t pid;
    if (!end || !blank || blank > end ||
        !ax_str_to_u64((struct ax_str){ line, (size_t)(blank - line) }, &pid) || pid == 0 ||
        pid > INT_MAX)
        return false;
    if (kill((pid_t)pid, 0) && errno == ESRCH)
        return false;
    *ret_pid = pid;
    *ret_command = (struct ax_str){ blank + 1, (size_t)(end - blank) - 1 };
    return true;
}

/* *ret_is_named: the failure says who has the lock; else that may be known in a moment. */
static enum ax_code try_lock(const char *state, int fd, bool *ret_is_named, struct ax_err *err)
{
    *ret_is_named = false;
    int failed;
    do
        failed = flock(fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    if (!failed)
        return AX_OK;
    if (errno != EWOULDBLOCK)
        return ax_fail_errno(err, errno, "lock '%s/lock'", state);
    char line[LINE_BYTES_MAX];
    uint64_t pid;
    struct ax_str command;
    *ret_is_named = read_owner(fd, line, &pid, &command);
    if (!*ret_is_named)
        return ax_fail(err, AX_E_UNAVAILABLE, "'%s' is in use by another process", state);
    return ax_fail(err, AX_E_UNAVAILABLE, "'%s' is in use by process %zu (%.*s)", state,
                   (size_t)pid, AX_STR_ARG(command));
}

static enum ax_code lock_or_name(const char *state, int fd, struct ax_err *err)
{
    uint64_t until_ns = ax_clock_ns() + NAME_WAIT_NS;
    bool is_named;
    while (try_lock(state, fd, &is_named, err) == AX_E_UNAVAILABLE && !is_named) {
        if (!ax_thread_wait_a_little(until_ns))
            return err->code;
        ax_err_clear(err);
    }
    return err->code;
}

static enum ax_code lock_file(const char *state, int fd, const char *command, struct ax_err *err)
{
    struct stat info;
    if (fstat(fd, &info))
        return ax_fail_errno(err, errno, "stat '%s/lock'", state);
    if (!S_ISREG(info.st_mode))
        return ax_fail(err, AX_E_INVALID, "'%s/lock' is not a regular file", state);
    if (lock_or_name(state, fd, err))
        return err->code;
    char line[LINE_BYTES_MAX];
    int len = snprintf(line, sizeof(line), "%ld %.100s\n", (long)getpid(), command);
    assert(len > 0 && (size_t)len < sizeof(line));
    /* A disk without room for the line locks as well as any. */
    if (ftruncate(fd, 0) == 0)
        (void)(pwrite(fd, line, (size_t)len, 0) < 0);
    return AX_OK;
}

enum ax_code ax_state_lock_take(const char *state, const char *command,
                                struct ax_state_lock **ret_lock, struct ax_err *err)
{
    assert(state && command && ret_lock && err);
    if (ax_file_make_private_folder(state, err))
        return err->code;
    size_t size = strlen(state) + sizeof("/lock");
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/lock", state);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0)
        (void)ax_fail_errno(err, errno, "open '%s'", path);
    else if (lock_file(state, fd, command, err))
        (void)close(fd);
    free(path);
    if (err->code)
        return err->code;
    struct ax_state_lock *lock = ax_xalloc(sizeof(*lock));
    lock->fd = fd;
    *ret_lock = lock;
    return AX_OK;
}

void ax_state_lock_free(struct ax_state_lock *lock)
{
    if (!lock)
        return;
    (void)(ftruncate(lock->fd, 0) != 0);
    (void)close(lock->fd);
    free(lock);
}

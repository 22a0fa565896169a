/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a state directory has one owner, others are told who it is, and the lock ends with its
 * process, however that ends.
 * Method: children that take the lock and tell so through a pipe; one is killed. Files in place of
 * the lock that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/state_lock.h"

#include "base/str.h"
#include "test_folder.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *in_folder(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void one_owner_at_a_time(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_state_lock *lock, *other = NULL;
    char expected[512];
    assert_int_equal(ax_state_lock_take(in_folder("one"), "auspex apply", &lock, &err), AX_OK);
    assert_int_equal(ax_state_lock_take(in_folder("one"), "auspex plan", &other, &err),
                     AX_E_UNAVAILABLE);
    assert_null(other);
    (void)snprintf(expected, sizeof(expected), "'%s' is in use by process %ld (auspex apply)",
                   in_folder("one"), (long)getpid());
    assert_string_equal(err.msg, expected);
    ax_err_clear(&err);
    assert_int_equal(ax_state_lock_take(in_folder("two"), "auspex apply", &other, &err), AX_OK);
    ax_state_lock_free(lock);
    assert_int_equal(ax_state_lock_take(in_folder("one"), "auspex apply", &lock, &err), AX_OK);
    ax_state_lock_free(lock);
    ax_state_lock_free(other);
    ax_state_lock_free(NULL);
}

/* A child that has the lock and waits to be killed. */
static pid_t start_owner(const char *path)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_state_lock *lock;
        bool has_it = ax_state_lock_take(path, "auspex apply", &lock, &err) == AX_OK;
        if (write(ends[1], has_it ? "y" : "n", 1) == 1)
            (void)pause();
        _exit(1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    (void)close(ends[0]);
    assert_int_equal(byte, 'y');
    return pid;
}

static void ends_with_its_process(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_state_lock *lock = NULL;
    char name[64];
    const char *path = in_folder("killed");
    pid_t pid = start_owner(path);
    assert_int_equal(ax_state_lock_take(path, "auspex apply", &lock, &err), AX_E_UNAVAILABLE);
    (void)snprintf(name, sizeof(name), "process %ld (auspex apply)", (long)pid);
    assert_non_null(strstr(err.msg, name));
    ax_err_clear(&err);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(ax_state_lock_take(path, "auspex apply", &lock, &err), AX_OK);
    ax_state_lock_free(lock);
}

/* What another owner has left or not yet written is no name of a process. */
static void owner_without_a_name(void **state)
{
    (void)state;
    static const char *const lines[] = { "",
                                         "12",
                                         "0 auspex apply\n",
                                         "x auspex\n",
                                         "7\n",
                                         "99999999999 auspex\n",
                                         "2147483647 gone\n" };
    const char *path = in_folder("nameless");
    for (size_t i = 0; i < AX_COUNT(lines); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_state_lock *lock, *other;
        assert_int_equal(ax_state_lock_take(path, "auspex apply", &lock, &err), AX_OK);
        FILE *file = fopen(in_folder("nameless/lock"), "w");
        assert_non_null(file);
        assert_true(fputs(lines[i], file) >= 0 && fclose(file) == 0);
        path = in_folder("nameless");
        assert_int_equal(ax_state_lock_take(path, "auspex apply", &other, &err), AX_E_UNAVAILABLE);
        assert_non_null(strstr(err.msg, "is in use by another process"));
        ax_state_lock_free(lock);
    }
}

static void refuses_what_is_no_lock(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_state_lock *lock = NULL;
    assert_int_equal(mkdir(in_folder("fifo"), 0700), 0);
    assert_int_equal(mkfifo(in_folder("fifo/lock"), 0600), 0);
    assert_int_equal(ax_state_lock_take(in_folder("fifo"), "auspex apply", &lock, &err),
                     AX_E_INVALID);
    assert_non_null(strstr(err.msg, "fifo/lock' is not a regular file"));
    ax_err_clear(&err);
    assert_int_not_equal(ax_state_lock_take(in_folder("fifo/lock"), "auspex apply", &lock, &err),
                         AX_OK);
    ax_err_clear(&err);
    assert_int_equal(mkdir(in_folder("link"), 0700), 0);
    assert_int_equal(symlink("/etc/hostname", in_folder("link/lock")), 0);
    assert_int_not_equal(ax_state_lock_take(in_folder("link"), "auspex apply", &lock, &err), AX_OK);
    assert_null(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_owner_at_a_time),
        cmocka_unit_test(ends_with_its_process),
        cmocka_unit_test(owner_without_a_name),
        cmocka_unit_test(refuses_what_is_no_lock),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

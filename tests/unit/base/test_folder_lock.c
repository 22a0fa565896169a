/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: of a folder there is one owner, also where the one before removes it just then.
 *
 * Method: flock(2) is called through a function that first does what another process may do at
 * that very moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static char above[] = "/tmp/auspex-lock-XXXXXX";
static char work[sizeof(above) + sizeof("/work")];

static int removals; /* of the folder, before it is locked */

static int late_flock(int fd, int operation)
{
    if (removals > 0) {
        removals--;
        assert_int_equal(rmdir(work), 0);
    }
    return flock(fd, operation);
}

#define flock late_flock
#include "../../../src/base/folder_lock.c" /* NOLINT(bugprone-suspicious-include) */
#undef flock

static int make_place(void **state AX_UNUSED)
{
    if (!mkdtemp(above))
        return 1;
    (void)snprintf(work, sizeof(work), "%s/work", above);
    return 0;
}

static int remove_place(void **state AX_UNUSED)
{
    (void)rmdir(work);
    return rmdir(above);
}

static void one_has_it(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    int first = -1;
    int second = -1;
    assert_int_equal(ax_folder_lock(work, &first, &err), AX_OK);
    assert_int_equal(ax_folder_lock(work, &second, &err), AX_E_LIMIT);
    assert_non_null(strstr(err.msg, "another process has '"));
    assert_int_equal(second, -1);
    assert_int_equal(close(first), 0);
    ax_err_clear(&err);
    assert_int_equal(ax_folder_lock(work, &second, &err), AX_OK);
    assert_int_equal(close(second), 0);
}

static void removed_before_it_was_locked(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    int first = -1;
    int second = -1;
    removals = 2;
    assert_int_equal(ax_folder_lock(work, &first, &err), AX_OK);
    assert_int_equal(removals, 0);
    assert_int_equal(ax_folder_lock(work, &second, &err), AX_E_LIMIT);
    assert_int_equal(close(first), 0);
}

static void gives_up(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    int fd = -1;
    removals = 1000;
    assert_int_equal(ax_folder_lock(work, &fd, &err), AX_E_LIMIT);
    assert_int_equal(fd, -1);
    removals = 0;
}

static void tells_what_is_wrong(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    int fd = -1;
    assert_int_equal(ax_folder_lock("/nowhere/at/all", &fd, &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
    assert_int_equal(ax_folder_lock("/proc/self/status", &fd, &err), AX_E_INVALID);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_has_it),
        cmocka_unit_test(removed_before_it_was_locked),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(tells_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}

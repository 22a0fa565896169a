/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is done of a history stays when it may go on, and nothing else does.
 *
 * Method: a work folder with parts and with what was being made is closed with each code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/history_work.h"
#include "test_folder.h"

#include <stdio.h>
#include <unistd.h>

static const char *in_work(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/work/%s", folder, name);
    return path;
}

static struct ax_history_work open_work(bool has_parts)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_history_work work;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/work", folder);
    assert_int_equal(ax_history_work_open(path, &work, &err), AX_OK);
    assert_int_equal(ax_file_replace(in_work("out.half"), AX_STR("x"), &err), AX_OK);
    assert_int_equal(ax_file_make_folder(in_work("spill"), &err), AX_OK);
    if (!has_parts)
        return work;
    assert_int_equal(ax_file_make_folder(in_work("parts"), &err), AX_OK);
    assert_int_equal(ax_file_replace(in_work("parts/a.parquet"), AX_STR("x"), &err), AX_OK);
    return work;
}

static void parts_stay_when_it_may_go_on(void **state AX_UNUSED)
{
    static const enum ax_code codes[] = { AX_OK,          AX_E_CANCELLED, AX_E_LIMIT,
                                          AX_E_TOO_LARGE, AX_E_INVALID,   AX_E_INTERNAL };
    for (size_t i = 0; i < AX_COUNT(codes); i++) {
        bool stays = i > 0 && i < 4;
        struct ax_history_work work = open_work(true);
        assert_int_equal(ax_history_work_close(&work, codes[i]), stays);
        assert_int_equal(access(in_work("parts/a.parquet"), F_OK) == 0, stays);
        assert_int_not_equal(access(in_work("out.half"), F_OK), 0);
        assert_int_not_equal(access(in_work("spill"), F_OK), 0);
        assert_int_equal(access(in_work(""), F_OK) == 0, stays);
    }
}

static void without_parts_nothing_stays(void **state AX_UNUSED)
{
    struct ax_history_work work = open_work(true);
    assert_true(ax_history_work_close(&work, AX_E_CANCELLED));
    /* What a killed one left is taken, and goes with a success. */
    work = open_work(false);
    assert_int_equal(access(in_work("parts/a.parquet"), F_OK), 0);
    assert_false(ax_history_work_close(&work, AX_OK));
    work = open_work(false);
    assert_false(ax_history_work_close(&work, AX_E_CANCELLED));
    assert_int_not_equal(access(in_work(""), F_OK), 0);
}

static void one_has_it(void **state AX_UNUSED)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_history_work other = { NULL, -1 };
    struct ax_history_work work = open_work(true);
    assert_int_equal(ax_history_work_open(work.path, &other, &err), AX_E_LIMIT);
    assert_int_equal(access(in_work("out.half"), F_OK), 0);
    assert_false(ax_history_work_close(&other, AX_OK));
    assert_false(ax_history_work_close(&work, AX_OK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_stay_when_it_may_go_on),
        cmocka_unit_test(without_parts_nothing_stays),
        cmocka_unit_test(one_has_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

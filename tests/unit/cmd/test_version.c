/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: `auspex version` succeeds, and takes no arguments but --help.
 * Method: call the subcommand as main() does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/cmd.h"

static char name[] = "version";
static char help[] = "--help";
static char other[] = "3";

static void version_is_printed(void **state)
{
    (void)state;
    char *argv[] = { name, NULL };
    assert_int_equal(ax_cmd_version(1, argv), 0);
    char *asked[] = { name, help, NULL };
    assert_int_equal(ax_cmd_version(2, asked), 0);
}

static void arguments_are_refused(void **state)
{
    (void)state;
    char *argv[] = { name, other, NULL };
    assert_int_equal(ax_cmd_version(2, argv), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_printed),
        cmocka_unit_test(arguments_are_refused),
    };
    return cmocka_run_group_tests_name("cmd/version", tests, NULL, NULL);
}

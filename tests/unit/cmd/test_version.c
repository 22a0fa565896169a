/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: `auspex version` succeeds whatever stands after it.
 * Method: call the subcommand as main() does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/cmd.h"

static void version_is_printed(void **state)
{
    (void)state;
    char name[] = "version";
    char *argv[] = { name, NULL };
    assert_int_equal(ax_cmd_version(1, argv), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_printed),
    };
    return cmocka_run_group_tests_name("cmd/version", tests, NULL, NULL);
}

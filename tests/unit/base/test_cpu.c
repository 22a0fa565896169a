/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the CPU's name is a name: printable, without blanks at its ends, the same each time.
 * Method: ask twice. Which name it is cannot be known here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"

#include <string.h>

static void the_name_is_one(void **state)
{
    (void)state;
    char name[AX_CPU_NAME_BYTES], again[AX_CPU_NAME_BYTES];
    memset(name, 'x', sizeof(name));
    ax_cpu_name(name);
    size_t len = strnlen(name, sizeof(name));
    assert_true(len > 0 && len < sizeof(name));
    assert_true(name[0] != ' ' && name[len - 1] != ' ');
    for (size_t i = 0; i < len; i++)
        assert_true(name[i] >= ' ' && name[i] < 0x7f);
    ax_cpu_name(again);
    assert_string_equal(name, again);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_name_is_one) };
    return cmocka_run_group_tests_name("base/cpu", tests, NULL, NULL);
}

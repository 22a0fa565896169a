/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of a test program's own, made before its tests and removed behind them:
 *
 *     cmocka_run_group_tests(tests, make_folder, remove_folder)
 */
#ifndef AX_TESTS_TEST_FOLDER_H
#define AX_TESTS_TEST_FOLDER_H

#include "base/file.h"

#include <stdlib.h>

static char folder[] = "/tmp/auspex-test-XXXXXX"; /* mkdtemp fills in the end */

AX_UNUSED static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

AX_UNUSED static int remove_folder(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    return ax_file_remove_tree(folder, &err) ? -1 : 0;
}

#endif

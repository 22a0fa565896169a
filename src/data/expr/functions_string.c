/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of strings.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_string[] = {
    { 0 },
};

const size_t ax_functions_string_count = AX_COUNT(ax_functions_string) - 1;

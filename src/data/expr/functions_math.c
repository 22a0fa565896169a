/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of mathematics.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_math[] = {
    { 0 },
};

const size_t ax_functions_math_count = AX_COUNT(ax_functions_math) - 1;

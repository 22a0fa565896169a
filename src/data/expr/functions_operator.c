/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of operators, comparison, logic, case, casts.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_operator[] = {
    { 0 },
};

const size_t ax_functions_operator_count = AX_COUNT(ax_functions_operator) - 1;

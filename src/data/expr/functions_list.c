/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of lists.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_list[] = {
    { 0 },
};

const size_t ax_functions_list_count = AX_COUNT(ax_functions_list) - 1;

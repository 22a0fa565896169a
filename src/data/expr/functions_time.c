/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of time.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_time[] = {
    { 0 },
};

const size_t ax_functions_time_count = AX_COUNT(ax_functions_time) - 1;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of JSON.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_json[] = {
    { 0 },
};

const size_t ax_functions_json_count = AX_COUNT(ax_functions_json) - 1;

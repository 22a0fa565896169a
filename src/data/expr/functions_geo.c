/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of geography.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_geo[] = {
    { 0 },
};

const size_t ax_functions_geo_count = AX_COUNT(ax_functions_geo) - 1;

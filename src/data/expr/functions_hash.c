/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of hashes.
 */
#include "data/expr/function.h"

const struct ax_function ax_functions_hash[] = {
    { 0 },
};

const size_t ax_functions_hash_count = AX_COUNT(ax_functions_hash) - 1;

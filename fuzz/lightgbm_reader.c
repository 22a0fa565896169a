/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of LightGBM models, and the walk through what it accepts.
 */
#include "forest_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    forest_fuzz((struct ax_str){ (const char *)data, size });
    return 0;
}

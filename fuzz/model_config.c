/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no configuration that comes with a load breaks the server.
 */
#include "fuzz_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ax_code read_config(struct ax_str text, struct ax_model_settings *settings,
                                struct ax_err *err)
{
    return ax_model_settings_config(text, AX_STR("m"), settings, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_settings(read_config, (struct ax_str){ (const char *)data, size });
    return 0;
}

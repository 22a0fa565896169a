/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no serving.yaml breaks the server.
 */
#include "fuzz_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_str text = { (const char *)data, size };
    struct ax_err err = AX_ERR_INIT;
    struct ax_version_policy policy;
    fuzz_settings(ax_model_settings_yaml, text);
    if (!ax_version_policy_parse(text, &policy, &err))
        fuzz_check_policy(&policy);
    return 0;
}

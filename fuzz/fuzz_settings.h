/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds of all settings of a model that were accepted, whichever form they were written in.
 */
#ifndef AX_FUZZ_FUZZ_SETTINGS_H
#define AX_FUZZ_FUZZ_SETTINGS_H

#include "server/model_settings.h"

#include <stdlib.h>

typedef enum ax_code (*ax_settings_fn)(struct ax_str text, struct ax_model_settings *settings,
                                       struct ax_err *err);

static inline void fuzz_check_policy(const struct ax_version_policy *policy)
{
    if (policy->number_count > AX_POLICY_NUMBERS_MAX ||
        (policy->kind == AX_POLICY_LATEST && policy->latest_count == 0) ||
        (policy->kind == AX_POLICY_SPECIFIC && policy->number_count == 0))
        abort();
    for (size_t i = 0; i < policy->number_count; i++)
        if (policy->numbers[i] < 1 || policy->numbers[i] > INT64_MAX ||
            (i && policy->numbers[i] <= policy->numbers[i - 1]) ||
            (policy->kind == AX_POLICY_SPECIFIC &&
             !ax_version_policy_has(policy, policy->numbers[i], i)))
            abort();
}

/* Read a text over the defaults: refused, nothing is taken; accepted, it holds together, and the
 * same text over the result changes nothing. */
static inline void fuzz_settings(ax_settings_fn read, struct ax_str text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model_settings before, once, twice;
    ax_model_settings_init(&before);
    once = before;
    if (read(text, &once, &err)) {
        if (!ax_model_settings_equal(&once, &before))
            abort();
        return;
    }
    fuzz_check_policy(&once.policy);
    if (once.priority > AX_PRIORITIES_MAX || once.warm_up_count > AX_WARM_UPS_MAX)
        abort();
    for (size_t i = 0; i < once.warm_up_count; i++)
        if (once.warm_ups[i].rows < 1 || once.warm_ups[i].rows > AX_WARM_UP_ROWS_MAX ||
            once.warm_ups[i].count < 1 || once.warm_ups[i].count > AX_WARM_UP_COUNT_MAX)
            abort();
    twice = once;
    if (read(text, &twice, &err) || !ax_model_settings_equal(&once, &twice))
        abort();
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a model, which hold for all of its versions: DIR/<model>/serving.yaml, or the
 * `config` of a load (Triton's model configuration as JSON). What neither says is the server's
 * default.
 */
#ifndef AX_SERVER_MODEL_SETTINGS_H
#define AX_SERVER_MODEL_SETTINGS_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AX_MODEL_SETTINGS_NAME "serving.yaml"
#define AX_POLICY_NUMBERS_MAX  64
#define AX_PRIORITIES_MAX      16
#define AX_WARM_UPS_MAX        8
#define AX_WARM_UP_ROWS_MAX    1024
#define AX_WARM_UP_COUNT_MAX   1024

/* Which versions of those that are there should be ready. */
struct ax_version_policy {
    enum { AX_POLICY_LATEST, AX_POLICY_ALL, AX_POLICY_SPECIFIC } kind;
    uint64_t latest_count;                   /* of LATEST */
    uint64_t numbers[AX_POLICY_NUMBERS_MAX]; /* of SPECIFIC, ascending */
    size_t number_count;
};

/* Batches that Triton's model_warmup asks for; the shapes are the signature's. */
struct ax_warm_up_batch {
    uint32_t rows;
    uint32_t count;  /* how often, at least 1 */
    bool has_spread; /* numbers of a spread (random_data), else zeros */
};

/* A value, not shared: copied freely. Zeroed but for the policy, nothing is set. */
struct ax_model_settings {
    struct ax_version_policy policy;
    uint64_t timeout_ns;   /* of requests that name none; 0: none */
    bool timeout_override; /* whether a request may name a longer one than timeout_ns; a shorter
                              one it always may */
    unsigned priority;     /* of requests that name none, 1 first; 0: the server's */
    size_t in_flight_max;  /* requests of the model at one time; 0: the server's */
    size_t rows_max;       /* of a request; 0: as the version says. Never over the version's */
    bool is_pinned;        /* never evicted, loaded before others */
    struct ax_warm_up_batch warm_ups[AX_WARM_UPS_MAX];
    size_t warm_up_count; /* 0: the loader's own */
};

/* How long a request may take, as the model has it. */
struct ax_model_timeout {
    uint64_t ns;        /* 0: it does not say */
    bool may_be_longer; /* when the request says so */
};
static inline struct ax_model_timeout ax_model_settings_timeout(
    const struct ax_model_settings *settings)
{
    return (struct ax_model_timeout){ settings->timeout_ns, settings->timeout_override };
}

/* What holds without any: the latest version, and nothing else set. */
void ax_model_settings_init(struct ax_model_settings *settings);
bool ax_model_settings_equal(const struct ax_model_settings *a, const struct ax_model_settings *b);

/* "latest:2", "all" or "specific:1,3". Expected: INVALID. */
AX_MUST_USE enum ax_code ax_version_policy_parse(struct ax_str text,
                                                 struct ax_version_policy *ret_policy,
                                                 struct ax_err *err);

/* Whether version `number` is a target, when `newer_count` higher ones are there. */
bool ax_version_policy_has(const struct ax_version_policy *policy, uint64_t number,
                           size_t newer_count);

/* Read serving.yaml's text over what *settings holds, which is untouched on failure. Errors have
 * line and column. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_model_settings_yaml(struct ax_str text,
                                                struct ax_model_settings *settings,
                                                struct ax_err *err);

/* The same for a model configuration of Triton's, as JSON (server/model_config.c); keys that we
 * have no use for are left alone, values of those that we have must be right. `model` is whose it
 * is, which its `name` must be when it is there. Expected: INVALID, UNSUPPORTED, LIMIT. */
AX_MUST_USE enum ax_code ax_model_settings_config(struct ax_str text, struct ax_str model,
                                                  struct ax_model_settings *settings,
                                                  struct ax_err *err);

#endif

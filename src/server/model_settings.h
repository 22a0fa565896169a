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

/* Which versions of those that are there should be ready. */
struct ax_version_policy {
    enum { AX_POLICY_LATEST, AX_POLICY_ALL, AX_POLICY_SPECIFIC } kind;
    uint64_t latest_count;                   /* of LATEST */
    uint64_t numbers[AX_POLICY_NUMBERS_MAX]; /* of SPECIFIC, ascending */
    size_t number_count;
};

/* A value, not shared: copied freely. */
struct ax_model_settings {
    struct ax_version_policy policy;
    uint64_t timeout_ns;   /* of requests that name none; 0: none */
    bool timeout_override; /* whether a request may name a longer one than timeout_ns */
    unsigned priority;     /* of requests that name none, 1 first; 0: the server's */
    size_t in_flight_max;  /* requests of the model at one time; 0: the server's */
    size_t rows_max;       /* of a request; 0: as the version says. Never over the version's */
    bool is_pinned;        /* never evicted, loaded before others */
};

/* "latest:2", "all" or "specific:1,3". Expected: INVALID. */
AX_MUST_USE enum ax_code ax_version_policy_parse(struct ax_str text,
                                                 struct ax_version_policy *ret_policy,
                                                 struct ax_err *err);

/* Whether version `number` is a target, when `newer_count` higher ones are there. */
bool ax_version_policy_has(const struct ax_version_policy *policy, uint64_t number,
                           size_t newer_count);

/* Read serving.yaml's text over what *settings holds. Errors have line and column. Expected:
 * INVALID. */
AX_MUST_USE enum ax_code ax_model_settings_yaml(struct ax_str text,
                                                struct ax_model_settings *settings,
                                                struct ax_err *err);

/* The same for a model configuration of Triton's, as JSON; keys that we have no use for are left
 * alone, values of those that we have must be right. Expected: INVALID, UNSUPPORTED. */
AX_MUST_USE enum ax_code ax_model_settings_config(struct ax_str text,
                                                  struct ax_model_settings *settings,
                                                  struct ax_err *err);

#endif

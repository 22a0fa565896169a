/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.yaml: what it may say, and how it is laid over a loaded model. docs/models.md describes
 * every key. Errors give the place: "model.yaml:3:5: …".
 */
#ifndef AX_ENGINE_VERSION_YAML_H
#define AX_ENGINE_VERSION_YAML_H

#include "base/yaml.h"
#include "engine/version.h"

#define AX_VERSION_YAML_NAME "model.yaml"

/* The engine that the key `engine` names; NULL without the key. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_version_yaml_engine(const struct ax_yaml *root,
                                                const struct ax_engine **ret_engine,
                                                struct ax_err *err);

/* Refuse unknown keys, and fill `config`, which holds the defaults, with the engine's options.
 * `arena` is for the time of the call. Expected: INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_version_yaml_options(const struct ax_yaml *root,
                                                 const struct ax_engine *engine, void *config,
                                                 struct ax_arena *arena, struct ax_err *err);

/* Complete the signature of the version's model, and set the decision and the service. An empty
 * mapping completes it too: names that are still missing, the form, whether there is a label.
 * Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_version_yaml_apply(const struct ax_yaml *root,
                                               struct ax_version *version, struct ax_err *err);

#endif

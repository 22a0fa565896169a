/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of a version: from its image when there is one, else from the model file.
 */
#ifndef AX_ENGINE_VERSION_MODEL_H
#define AX_ENGINE_VERSION_MODEL_H

#include "engine/version.h"

/* Set the version's model, digest, image and image_note. `config` as ax_engine_load has it,
 * `options` may be NULL. Expected: as ax_version_load. */
AX_MUST_USE enum ax_code ax_version_model_load(struct ax_version *version,
                                               const struct ax_engine *engine, const char *path,
                                               const void *config,
                                               const struct ax_version_options *options,
                                               struct ax_err *err);

#endif

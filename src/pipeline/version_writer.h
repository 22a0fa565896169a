/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model.yaml that training writes beside the model file.
 *
 * `signature` and `decision` are what engine/version.h reads; `training` tells where the version
 * came from: query, digests of the data, parameters, metrics, gain of each input.
 */
#ifndef AX_PIPELINE_VERSION_WRITER_H
#define AX_PIPELINE_VERSION_WRITER_H

#include "base/buf.h"
#include "pipeline/train_file.h"
#include "pipeline/trainer/trainer.h"
#include "pipeline/training_set.h"

/* Append the text. Without `result` and `metrics` (both NULL) the block `training` is left out:
 * that is what a version is first loaded with, to be evaluated. Expected: TOO_LARGE. */
AX_MUST_USE enum ax_code ax_version_print(const struct ax_train_spec *spec,
                                          const struct ax_training_set *set,
                                          const struct ax_trainer_result *result, size_t threads,
                                          struct ax_str metrics, struct ax_buf *out,
                                          struct ax_err *err);

#endif

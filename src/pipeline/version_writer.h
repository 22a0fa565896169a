/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model.yaml that training writes beside the model file.
 *
 * `signature` and `decision` are what engine/version.h reads; `service` tells which service gives
 * the inputs, in which version; `training` where the version came from: query, digests of the data,
 * parameters, metrics, gain of each input.
 */
#ifndef AX_PIPELINE_VERSION_WRITER_H
#define AX_PIPELINE_VERSION_WRITER_H

#include "base/buf.h"
#include "pipeline/train_file.h"
#include "pipeline/trainer/trainer.h"
#include "pipeline/training_history.h"
#include "pipeline/training_registry.h"
#include "pipeline/training_set.h"

/* What is known of a version; all of it is borrowed. */
struct ax_version_facts {
    const struct ax_train_spec *spec;
    const struct ax_training_set *set;
    const struct ax_training_service *service; /* of a spec with a service, as is `history` */
    const struct ax_training_history *history;
    const struct ax_trainer_result *result; /* or NULL, before it is evaluated */
    size_t threads;
    struct ax_str metrics; /* one JSON object */
};

/* Append the text. Without a result the blocks `service` and `training` are left out: that is what
 * a version is first loaded with, to be evaluated. Expected: TOO_LARGE. */
AX_MUST_USE enum ax_code ax_version_print(const struct ax_version_facts *facts, struct ax_buf *out,
                                          struct ax_err *err);

#endif

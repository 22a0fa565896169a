/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a trained version has to do with the registry: which version of its service is in force, and
 * the record that it was made with that one.
 *
 * So `plan` tells what a change breaks, and lineage shows the versions. A service is the one in
 * force when it means the same with all that it is made from. See docs/internals/training-sets.md.
 */
#ifndef AX_PIPELINE_TRAINING_REGISTRY_H
#define AX_PIPELINE_TRAINING_REGISTRY_H

#include "base/err.h"
#include "base/hash.h"
#include "feature/definitions.h"
#include "registry/registry.h"

struct ax_training_service {
    char digest[AX_SHA256_TEXT_SIZE]; /* of the service with all that it is made from */
    uint64_t version;                 /* in force; 0: the folder's is not in force */
};

/* Compare the service with the one in force in `state`. Without a registry there, nothing is in
 * force. Expected: those of ax_registry_open and ax_registry_read, but for NOT_FOUND. */
AX_MUST_USE enum ax_code ax_training_service_find(const struct ax_definitions *definitions,
                                                  const struct ax_service *service,
                                                  const char *state,
                                                  struct ax_training_service *ret_service,
                                                  struct ax_err *err);

/* Write the record, with the real path of the version's folder, whoever owns the state directory:
 * it is one step of the registry's. Expected: UNAVAILABLE (somebody writes to the registry for too
 * long; to be tried again), and those of ax_registry_put_model_version. */
AX_MUST_USE enum ax_code ax_training_version_record(const char *state,
                                                    const struct ax_registry_model_version *version,
                                                    struct ax_err *err);

/* A version that was trained with a service, as its folder tells. */
struct ax_trained_version {
    char model[256];
    uint64_t number;
    char service[256];
    uint64_t service_version;
};

/* Record the version in `folder` (…/<model>/<version>): when the service that its model.yaml names
 * is in force as it was in training. Expected: INVALID (no version, or one without a service),
 * NOT_FOUND (the service is not in force, or was changed), and as above. */
AX_MUST_USE enum ax_code ax_training_folder_record(const char *folder, const char *state,
                                                   int64_t now_us,
                                                   struct ax_trained_version *ret_version,
                                                   struct ax_err *err);

#endif

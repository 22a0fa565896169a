/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model repository: what DIR/<model>/<version>/ holds, loaded.
 *
 * All versions are loaded, several at a time; one that cannot be is listed with the reason and
 * never stops the others. Immutable once made: a later state of the folder is another repository.
 * Whoever keeps a version longer than the repository takes a reference of its own. Control threads
 * only.
 */
#ifndef AX_SERVER_REPOSITORY_H
#define AX_SERVER_REPOSITORY_H

#include "base/option.h"
#include "engine/version.h"

#define AX_MODEL_NAME_BYTES_MAX 128

struct ax_image_config;

struct ax_repository_config {
    size_t load_threads;
    size_t versions_max;
    const struct ax_image_config *images; /* not an option: set by the caller; NULL: none, and no
                                             tuning */
};
extern const struct ax_option ax_repository_options[];

struct ax_repository_version {
    uint64_t number;
    char text[24];              /* the number as text */
    struct ax_version *version; /* one reference; NULL: not ready */
    struct ax_err err;          /* why it is not ready */
};

struct ax_repository_model {
    char *name;
    struct ax_repository_version *versions; /* ascending */
    size_t version_count;
    struct ax_err err; /* why it has no versions, when it has none */
};

struct ax_repository {
    struct ax_repository_model *models; /* in bytewise order of names */
    size_t model_count;
    size_t ready_count; /* versions that can answer */
};

/* Look through `folder` and load every version of every model. Logs a line a version, and a warning
 * for each folder that is passed over, but for the folder of state. Expected: NOT_FOUND, DENIED,
 * TOO_LARGE (over config->versions_max), LIMIT. */
AX_MUST_USE enum ax_code ax_repository_load(const char *folder,
                                            const struct ax_repository_config *config,
                                            struct ax_repository **ret_repository,
                                            struct ax_err *err);
/* NULL is fine. Drops its references of the versions. */
void ax_repository_free(struct ax_repository *repository);

/* The model of that name, or NULL. */
const struct ax_repository_model *ax_repository_model(const struct ax_repository *repository,
                                                      struct ax_str name);

/* The version that answers when none is asked for, the highest that is ready; NULL: none is. */
struct ax_version *ax_repository_model_highest(const struct ax_repository_model *model);

/* Whether a folder may be a model of this name. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_repository_check_name(struct ax_str name, struct ax_err *err);

#endif

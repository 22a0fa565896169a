/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model repository: what lies in DIR/<model>/<version>/, and DIR/<model>/serving.yaml.
 *
 * Listed, not loaded: names, version numbers, settings, and for each version a fingerprint of its
 * files, by which it is seen that they are others than they were. A listing is a value of its
 * moment. Control threads only.
 */
#ifndef AX_SERVER_REPOSITORY_H
#define AX_SERVER_REPOSITORY_H

#include "base/err.h"
#include "base/option.h"
#include "base/str.h"
#include "server/model_settings.h"

#define AX_MODEL_NAME_BYTES_MAX 128

struct ax_image_config;

struct ax_repository_config {
    size_t versions_max;
    const struct ax_image_config *images; /* not an option: set by the caller; NULL: none, and no
                                             tuning */
    const struct ax_model_settings *settings; /* not an option: of models that have none of their
                                                 own; NULL: as ax_model_settings_init */
};
extern const struct ax_option ax_repository_options[];

/* Of the names, sizes, times of change (also of the inode), inodes, owners and modes of the files
 * in a version's folder that a load may read; their contents are not looked at. Zero: the folder
 * cannot be read.
 */
struct ax_fingerprint {
    uint64_t low, high;
};

/* What the version's folder holds now. Expected: NOT_FOUND, DENIED. */
AX_MUST_USE enum ax_code ax_fingerprint_read(const char *path, struct ax_fingerprint *ret,
                                             struct ax_err *err);
static inline bool ax_fingerprint_equal(struct ax_fingerprint a, struct ax_fingerprint b)
{
    return a.low == b.low && a.high == b.high;
}

struct ax_repository_version {
    uint64_t number;
    char text[24]; /* the number as text */
    struct ax_fingerprint fingerprint;
};

struct ax_repository_model {
    char *name;
    struct ax_repository_version *versions; /* ascending */
    size_t version_count;
    struct ax_model_settings settings; /* those of the config when its serving.yaml is refused */
    struct ax_err err; /* why it has no versions, when it has none, or what is wrong with its
                          serving.yaml */
};

struct ax_repository {
    struct ax_repository_model *models; /* in bytewise order of names */
    size_t model_count;
};

/* Look through `folder`. Logs a warning for each folder that is passed over, but for the folder of
 * state. Expected: NOT_FOUND, DENIED, TOO_LARGE (over config->versions_max), LIMIT. */
AX_MUST_USE enum ax_code ax_repository_list(const char *folder,
                                            const struct ax_repository_config *config,
                                            struct ax_repository **ret_repository,
                                            struct ax_err *err);

/* Look at one model again; `ret_model` is the caller's to release. Logs nothing. Expected:
 * NOT_FOUND (no such folder, or no model's name), DENIED, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_repository_list_model(const char *folder, struct ax_str name,
                                                  const struct ax_repository_config *config,
                                                  struct ax_repository_model *ret_model,
                                                  struct ax_err *err);
/* Fine on a zeroed one. */
void ax_repository_model_done(struct ax_repository_model *model);

/* NULL is fine. */
void ax_repository_free(struct ax_repository *repository);

/* The model of that name, or NULL. */
const struct ax_repository_model *ax_repository_model(const struct ax_repository *repository,
                                                      struct ax_str name);

/* Whether a folder may be a model of this name. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_repository_check_name(struct ax_str name, struct ax_err *err);

#endif

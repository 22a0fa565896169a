/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions that a folder on a command line means: a version's own, all of a model's, or all of
 * all models'.
 */
#ifndef AX_PIPELINE_VERSION_PATHS_H
#define AX_PIPELINE_VERSION_PATHS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define AX_VERSION_PATHS_MAX ((size_t)100000)

struct ax_version_path {
    char *path;
    char *model;     /* its name, as the folder above is called */
    uint64_t number; /* 0: the folder's name is no version's */
};

struct ax_version_paths {
    struct ax_version_path *items; /* by model, then by number */
    size_t count;
};

/* Append the versions below `folder`: folders named by a number are versions, and a folder without
 * any, in itself and in the folders in it, is taken for a version. Expected: NOT_FOUND, DENIED,
 * INVALID (no folder), TOO_LARGE. */
AX_MUST_USE enum ax_code ax_version_paths_add(struct ax_version_paths *paths, const char *folder,
                                              struct ax_err *err);
void ax_version_paths_done(struct ax_version_paths *paths);

#endif

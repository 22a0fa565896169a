/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where rows come from, gathered: files are digested as they are added, and looked at again when
 * the rows are made.
 */
#ifndef AX_PIPELINE_DATASET_ORIGIN_H
#define AX_PIPELINE_DATASET_ORIGIN_H

#include "pipeline/dataset_manifest.h"

struct ax_dataset_origins {
    struct ax_arena arena;
    struct ax_dataset_origin origin;   /* its texts are in the arena, or literals */
    struct ax_dataset_source *sources; /* those of `origin` */
    struct ax_dataset_file *files;     /* one a source; bytes only, of SQL */
    size_t count, cap;
};

void ax_dataset_origins_init(struct ax_dataset_origins *origins);
void ax_dataset_origins_done(struct ax_dataset_origins *origins);

/* A copy in the arena. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_dataset_origins_copy(struct ax_dataset_origins *origins,
                                                 struct ax_str text, struct ax_str *ret,
                                                 struct ax_err *err);

/* Digest a file, of which `whose` says what it is. Expected: those of ax_dataset_file_read,
 * TOO_LARGE. */
AX_MUST_USE enum ax_code ax_dataset_origins_add_file(struct ax_dataset_origins *origins,
                                                     struct ax_str whose, struct ax_str path,
                                                     atomic_bool *cancelled, struct ax_err *err);
/* Digest a text of SQL; or one that says which rows of a folder's are meant, `path`. */
AX_MUST_USE enum ax_code ax_dataset_origins_add_text(struct ax_dataset_origins *origins,
                                                     struct ax_str whose, struct ax_str path,
                                                     struct ax_str text, struct ax_err *err);

/* The rows are made: CONFLICT when a file is no longer what was digested. */
AX_MUST_USE enum ax_code ax_dataset_origins_check(const struct ax_dataset_origins *origins,
                                                  struct ax_err *err);

#endif

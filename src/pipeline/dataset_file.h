/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a file: their digest, and whether the file is still the one that was digested.
 */
#ifndef AX_PIPELINE_DATASET_FILE_H
#define AX_PIPELINE_DATASET_FILE_H

#include "base/err.h"
#include "base/hash.h"

#include <stdatomic.h>

struct ax_dataset_file {
    uint64_t bytes;
    char digest[AX_SHA256_TEXT_SIZE];
    bool is_text; /* no file: bytes and digest are those of a text */
    /* What tells that it was written or replaced since. */
    uint64_t device, inode;
    int64_t changed_ns;
};

/* Read it all. `cancelled` may be NULL. Expected: NOT_FOUND, DENIED, INVALID (no regular file),
 * CONFLICT (it changed meanwhile), CANCELLED. */
AX_MUST_USE enum ax_code ax_dataset_file_read(const char *path, atomic_bool *cancelled,
                                              struct ax_dataset_file *ret_file, struct ax_err *err);

/* CONFLICT when the file at `path` is not the one that was read, or was written since. */
AX_MUST_USE enum ax_code ax_dataset_file_check(const char *path, const struct ax_dataset_file *file,
                                               struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of served vectors: <state>/served/<service>/<when>_<digest>.parquet.
 *
 * One thread writes, of the process that owns the state directory; others may read what is there.
 */
#ifndef AX_SERVER_SERVED_FILES_H
#define AX_SERVER_SERVED_FILES_H

#include "pipeline/served_form.h"

struct ax_served_files {
    const char *state; /* borrowed */
    size_t bytes_max;
    size_t days_max;
    int64_t last_us; /* that a file was named by */
    bool is_swept;   /* what a process left that was killed while it wrote is gone */
};

void ax_served_files_init(struct ax_served_files *files, const char *state, size_t bytes_max,
                          size_t days_max);

/* Expected: those of ax_served_file_write. */
AX_MUST_USE enum ax_code ax_served_files_write(struct ax_served_files *files,
                                               const struct ax_served_form *form,
                                               struct ax_str rows, struct ax_err *err);

/* Remove what is too old, and the oldest of what is too much. */
void ax_served_files_trim(struct ax_served_files *files);

#endif

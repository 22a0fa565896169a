/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a dataset snapshot: of a file, or of a history. docs/internals/dataset-snapshots.md
 */
#ifndef AX_PIPELINE_DATASET_MAKE_H
#define AX_PIPELINE_DATASET_MAKE_H

#include "pipeline/dataset_store.h"

/* Rows with the inputs of a service, as ax_offline_history makes them. */
struct ax_dataset_history {
    const char *definitions; /* folder */
    const char *data;        /* where relative paths start; NULL: in that folder */
    const char *service;
    const char *rows; /* a file, or NULL */
    const char *sql;  /* or a file with one SELECT */
    const char *at;
    bool as_known;
};

struct ax_dataset_job {
    const char *state;                        /* the state directory */
    const char *path;                         /* a CSV, JSON lines or Parquet file, or NULL */
    const struct ax_dataset_history *history; /* or this */
    size_t threads;
    size_t memory_bytes_max; /* 0: 80 % of the machine's */
    atomic_bool *cancelled;  /* or NULL */
    /* Or NULL: what is being done, rows done of rows. */
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    /* Or NULL: a line about what is expected of a source and does not hold, or what is deprecated.
     */
    void (*notice)(void *arg, struct ax_str text);
    void *arg; /* of both */
};

/* Make it, or find that the same is there. Expected: those of ax_dataset_store_open and
 * ax_dataset_store_keep, of ax_dataset_rows_copy or of ax_definitions_read and ax_offline_history,
 * and CONFLICT (a file changed while it was read). */
AX_MUST_USE enum ax_code ax_dataset_make(const struct ax_dataset_job *job,
                                         struct ax_dataset_kept *ret_kept, struct ax_err *err);

#endif

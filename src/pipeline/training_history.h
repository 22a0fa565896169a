/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a training set: the rows of a model with the inputs of its service, as they were
 * at each row's moment.
 *
 * It is what `auspex features history` makes of the same rows, and one column more, with the
 * moment; see docs/internals/training-sets.md. Before, leaks are looked for (pipeline/leakage.h).
 */
#ifndef AX_PIPELINE_TRAINING_HISTORY_H
#define AX_PIPELINE_TRAINING_HISTORY_H

#include "base/hash.h"
#include "feature/source_journal.h"
#include "pipeline/leakage.h"

struct ax_training_history_job {
    const struct ax_train_file *file; /* with definitions */
    const struct ax_train_spec *spec; /* of that file, with a service */
    const char *rows;                 /* a Parquet file with the rows; NULL: the spec's query */
    const char *data_folder;          /* relative paths start here */
    const struct ax_source_journals *journals; /* or NULL: see offline.h */
    const char *work_folder;                   /* for spilling, */
    bool keep_parts;                           /* and what is done of it; see offline.h */
    const char *out;                           /* what is written: a path that ends in .parquet */
    size_t threads;
    size_t memory_bytes_max; /* 0: DuckDB's default */
    atomic_bool *cancelled;
    /* Or NULL: how far it is (offline.h), and what may be a leak or does not hold of a source. */
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    ax_leakage_warn_fn warn;
    void *arg; /* of both */
};

struct ax_training_history {
    size_t rows;
    char digest[AX_SHA256_TEXT_SIZE];   /* of the content, without the column of moments */
    char snapshot[AX_SHA256_TEXT_SIZE]; /* that it is kept as; "": it is not */
};

/* Make it. While it runs, the working folder of the process is `data_folder`. Expected: those of
 * ax_leakage_check and of ax_offline_history. */
AX_MUST_USE enum ax_code ax_training_history_make(const struct ax_training_history_job *job,
                                                  struct ax_training_history *ret_history,
                                                  struct ax_err *err);

#endif

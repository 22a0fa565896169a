/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a train file, or the definitions of a model, to a model version: query, history, train,
 * evaluate, write.
 *
 * The version appears whole: everything is made in a hidden folder beside the versions and renamed
 * at the end; a failure, a crash of the training process or an interruption leaves nothing behind
 * but, after kill -9 of this process, that hidden folder, which the next training of the model
 * removes. The same data, parameters, seed and threads give the same model file, model.yaml and
 * digest; what differs from run to run (times) stands in timings.json.
 *
 * While the query runs, the working folder of the process is that of the data: not beside threads
 * that open files by relative paths.
 */
#ifndef AX_PIPELINE_TRAINING_H
#define AX_PIPELINE_TRAINING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "pipeline/train_file.h"
#include "pipeline/training_history.h"
#include "pipeline/training_registry.h"

#include <stdatomic.h>

struct ax_training_options {
    const char *models_folder; /* DIR/<model>/<version>/ */
    const char *data_folder;   /* relative paths of the query start here; NULL: the file's folder */
    const char *state_folder;  /* whose registry records versions with a service */
    uint64_t version;          /* 0: the highest that is there, plus one */
    int64_t now_us;            /* UTC: when such a record is made */
    bool snapshot;             /* keep the history in the state directory, as a dataset */
    size_t threads;
    size_t memory_bytes_max;                    /* of the query; 0: DuckDB's default */
    ax_trainer_progress_fn progress;            /* or NULL */
    void (*stage)(void *arg, const char *what); /* or NULL: a new stage begins */
    /* Or NULL: how far the history of a service is, and what may be a leak or does not hold. */
    void (*history)(void *arg, const char *what, size_t rows_done, size_t rows);
    ax_leakage_warn_fn warn;
    void *arg; /* of all of them */
    atomic_bool *cancelled;
};

struct ax_training_report {
    char path[4096]; /* of the version's folder */
    uint64_t version;
    char digest[AX_SHA256_TEXT_SIZE];  /* of model file and model.yaml */
    char content[AX_SHA256_TEXT_SIZE]; /* of the rows, without a service */
    size_t rows_read, rows_unlabelled;
    size_t rows[3]; /* train, stop, test */
    size_t rounds_run, rounds_kept;
    struct ax_buf metrics; /* one JSON object, of the part "test"; ax_buf_done */
    bool has_service;      /* of the spec; the next two are set then */
    struct ax_training_service service;
    struct ax_training_history history;
    bool is_recorded; /* in the registry */
    double seconds_history, seconds_query, seconds_train, seconds_evaluate;
};

/* Expected: everything that the query, the data or the parameters deserve as INVALID; EXISTS (that
 * version is there), NOT_FOUND, DENIED, UNSUPPORTED, CANCELLED, INTERNAL (the training process
 * died), UNAVAILABLE (the version is written, and could not be recorded, as the message says).
 * `*ret_report` is the caller's to end with ax_training_report_done. */
AX_MUST_USE enum ax_code ax_training_run(const struct ax_train_file *file,
                                         const struct ax_train_spec *spec,
                                         const struct ax_training_options *options,
                                         struct ax_training_report *ret_report, struct ax_err *err);
void ax_training_report_done(struct ax_training_report *report);

#endif

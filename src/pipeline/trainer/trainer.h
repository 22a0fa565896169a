/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training a model in a child process.
 *
 * The training library runs in a child that this program starts by exec of itself: a crash, an
 * abort or running out of memory there becomes an error here, and an end of this process ends the
 * child. What passes between the two lies in one folder: job.json and the raw sets in, the model
 * and result.json out; progress comes over a pipe, a line a round.
 *
 * A set is three files of the folder: NAME.values (float32, rows x columns, row-major, NaN =
 * missing, a category as its index), NAME.labels (float32) and, with weights, NAME.weights.
 */
#ifndef AX_PIPELINE_TRAINER_TRAINER_H
#define AX_PIPELINE_TRAINER_TRAINER_H

#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>

struct ax_trainer_param {
    char *name;
    char *text;
};

/* One round was trained; `metric` and `value` are of the last evaluated set. */
typedef void (*ax_trainer_progress_fn)(void *arg, size_t round, size_t rounds, const char *metric,
                                       double value);

struct ax_trainer_job {
    const char *folder; /* holds the sets "train" and, when stop_rows, "stop" */
    const struct ax_str *names;
    const size_t *category_counts; /* a column; 0: numeric */
    size_t column_count;
    size_t train_rows;
    size_t stop_rows; /* 0: no early stopping */
    bool weighted;
    const struct ax_trainer_param *params; /* as XGBoost names them */
    size_t param_count;
    size_t rounds;
    size_t early_stopping_rounds; /* without a better value: stop */
    size_t threads;
    ax_trainer_progress_fn progress; /* or NULL */
    void *progress_arg;
    atomic_bool *cancelled; /* or NULL; the child is ended within a tenth of a second */
};

struct ax_trainer_result {
    char model_path[4096]; /* in the folder; only the rounds up to the best */
    size_t rounds_run;
    size_t rounds_kept;
    char metric[64]; /* that decided, or the last one seen */
    double best_value;
    double *gains;    /* owned: total gain a column; free() */
    char library[64]; /* name and version of what trained */
};

/* Train. Expected: INVALID (the library refused data or parameters, in its words), UNSUPPORTED (the
 * library is not installed), CANCELLED, INTERNAL (the child died; the text names the signal). */
AX_MUST_USE enum ax_code ax_trainer_run(const struct ax_trainer_job *job,
                                        struct ax_trainer_result *ret_result, struct ax_err *err);

/* The child's main: do the job that lies in `folder`. Returns the exit status; what went wrong is
 * told over the pipe (stdout). */
int ax_trainer_worker(const char *folder);

/* ---- between trainer.c and the library's file ---- */

/* What the child reads from job.json. All texts live in the document. */
struct ax_trainer_work {
    const char *folder;
    const char **names; /* column_count */
    const char **types; /* "q" or "c" */
    size_t column_count;
    size_t train_rows, stop_rows;
    bool weighted;
    const char **param_names;
    const char **param_texts;
    size_t param_count;
    size_t rounds, early_stopping_rounds, threads;
};

/* Train with XGBoost and write the model to `model_path`; `report` a line after each round. */
AX_MUST_USE enum ax_code ax_xgboost_train(const struct ax_trainer_work *work,
                                          const char *model_path,
                                          struct ax_trainer_result *ret_result,
                                          ax_trainer_progress_fn report, struct ax_err *err);

#endif

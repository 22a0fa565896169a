/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch prediction: every row of a file through one model version, into another file.
 *
 * Rows keep their order and there are as many behind as in front. Memory does not grow with the
 * file. Values mean what they mean to the server (data/rows.h); of CSV, fields of numeric inputs
 * are read as numbers, an empty field is missing. The same engine answers, so the same row gets the
 * same bits as from the server. The output appears whole or not at all.
 */
#ifndef AX_PIPELINE_BATCH_PREDICT_H
#define AX_PIPELINE_BATCH_PREDICT_H

#include "base/err.h"
#include "pipeline/table.h"

#include <stdatomic.h>

struct ax_image_config;

struct ax_batch_predict_options {
    const struct ax_image_config *images; /* NULL: none; no folder is made for them */
    const char *model; /* a version's folder, or a model's: its highest version then */
    const char *input;
    const char *output; /* "-": standard output */
    enum ax_table_format input_format, output_format;
    char *const *keep; /* input columns to put in front; "all": all of them */
    size_t keep_count;
    size_t threads;                                         /* of reading; at least 1 */
    size_t memory_bytes_max;                                /* of reading; 0: DuckDB's default */
    void (*progress)(void *arg, size_t rows, double share); /* or NULL; share < 0: not known */
    void (*note)(void *arg, const char *text);              /* or NULL: what should be known */
    void *arg;                                              /* of both */
    atomic_bool *cancelled;                                 /* or NULL */
};

struct ax_batch_predict_report {
    size_t rows;
    double seconds;
    char model[256];
    uint64_t version;
};

/* Expected: NOT_FOUND, DENIED, INVALID (a missing column, a value: with the row, from 1, and the
 * column; a malformed file), UNSUPPORTED, TOO_LARGE, LIMIT (disk full), CANCELLED. */
AX_MUST_USE enum ax_code ax_batch_predict_run(const struct ax_batch_predict_options *options,
                                              struct ax_batch_predict_report *ret_report,
                                              struct ax_err *err);

#endif

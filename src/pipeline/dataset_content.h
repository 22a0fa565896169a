/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a Parquet file: schema, rows, digests, and statistics of each column, from one pass.
 *
 * The digest tells a dataset: equal names, exact types, values and order of rows, equal digest,
 * whatever wrote the file and however many threads read it. docs/internals/dataset-snapshots.md
 */
#ifndef AX_PIPELINE_DATASET_CONTENT_H
#define AX_PIPELINE_DATASET_CONTENT_H

#include "base/arena.h"
#include "base/hash.h"
#include "pipeline/dataset_statistics.h"

struct ax_dataset_column {
    struct ax_str name;
    struct ax_str type; /* as DuckDB calls it: INTEGER, VARCHAR[], … */
    struct ax_dataset_statistics statistics;
};

struct ax_dataset_content {
    struct ax_arena arena;
    char digest[AX_SHA256_TEXT_SIZE];  /* of columns with their exact types, and of the values */
    char content[AX_SHA256_TEXT_SIZE]; /* as ax_offline_report's digest: of wide types */
    uint64_t rows;
    struct ax_dataset_column *columns;
    size_t column_count;
};

/* Read the file, which was not read by this handle before: DuckDB may keep what it has read. Done
 * by the caller, after a success. Expected: NOT_FOUND, INVALID (no Parquet, two columns of one
 * name), TOO_LARGE, LIMIT, CANCELLED. */
AX_MUST_USE enum ax_code ax_dataset_content_read(struct ax_sql *sql, const char *path,
                                                 struct ax_dataset_content *ret_content,
                                                 struct ax_err *err);
/* The digest of the content alone, of what a FROM may name, in its order. Expected: INVALID,
 * TOO_LARGE, LIMIT, CANCELLED. */
AX_MUST_USE enum ax_code ax_dataset_content_digest(struct ax_sql *sql, struct ax_str from,
                                                   char ret_content[AX_SHA256_TEXT_SIZE],
                                                   struct ax_err *err);
void ax_dataset_content_done(struct ax_dataset_content *content);

/* Append a path as an SQL literal whose file is meant and no pattern. */
void ax_dataset_put_path(struct ax_buf *out, const char *path);

#endif

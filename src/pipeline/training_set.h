/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training set: the rows of a query, split in three, as files that the trainer maps.
 *
 * The query runs once, into a table of the embedded database; its rows are then streamed in their
 * total order into NAME.values, NAME.labels and NAME.weights of the parts "train", "stop" and
 * "test" (see trainer.h). Text columns become categories: the dictionary holds the texts of the
 * part "train" in byte order, and a text that is not in it is a missing value. The same data gives
 * the same bytes, told by a digest of each part.
 */
#ifndef AX_PIPELINE_TRAINING_SET_H
#define AX_PIPELINE_TRAINING_SET_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/sql.h"
#include "data/signature.h"
#include "pipeline/train_file.h"

enum ax_part { AX_PART_TRAIN, AX_PART_STOP, AX_PART_TEST, AX_PART_COUNT };
const char *ax_part_name(enum ax_part part) AX_RETURNS_NONNULL;

struct ax_training_column {
    struct ax_str name;
    enum ax_sql_type type;
    struct ax_str *categories; /* of a TEXT column, in byte order */
    size_t category_count;
    struct ax_map indexes; /* category -> its struct ax_str in `categories` */
};

struct ax_training_part {
    size_t rows;
    char digest[AX_SHA256_TEXT_SIZE];
};

struct ax_training_set {
    struct ax_arena arena;
    struct ax_training_column *columns;
    size_t column_count;
    struct ax_training_column label; /* with categories: the classes of a text label */
    float label_max;                 /* of a label that is a number */
    bool label_is_index;             /* all labels are whole and not negative */
    bool weighted;
    char content[AX_SHA256_TEXT_SIZE]; /* digest of the rows, as of a dataset; "": of a service,
                                          whose history has it */
    size_t rows_read;                  /* by the query */
    size_t rows_unlabelled;            /* label null: left out */
    struct ax_training_part parts[AX_PART_COUNT];
};

#define AX_TRAINING_CATEGORIES_MAX 65536

/* The column of a history that holds each row's moment. */
#define AX_TRAINING_MOMENT "ax_moment"
/* The column that counts the rows of a file. */
#define AX_TRAINING_ROW "ax_row"

/* Make it in `folder`, which exists. `file` is NULL, or the Parquet file with what the spec's query
 * gives, the inputs of its service and AX_TRAINING_MOMENT, so that the query is not run again; or
 * with the rows of a spec that has no query.
 * Expected: INVALID (the query, an unknown column, an order that is not total, a label known before
 * its moment, an empty part "train"), UNSUPPORTED (a column's type), TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_training_set_make(struct ax_sql *sql, const struct ax_train_spec *spec,
                                              const char *file, const char *folder,
                                              struct ax_training_set *ret_set, struct ax_err *err);
void ax_training_set_done(struct ax_training_set *set);

#endif

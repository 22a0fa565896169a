/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables in files: what reading and writing them share.
 *
 * A cell is one value on its way from a file to a model, or through to another file. What a CSV
 * file says has no type until someone wants one; numbers of JSON and what is only passed through
 * stay the text that they were, so nothing is rounded on the way.
 */
#ifndef AX_PIPELINE_TABLE_H
#define AX_PIPELINE_TABLE_H

#include "base/str.h"

enum ax_table_format { AX_TABLE_CSV, AX_TABLE_JSONL, AX_TABLE_PARQUET };

/* By the path's ending: .csv, .jsonl or .ndjson, .parquet. */
AX_MUST_USE bool ax_table_format_of(const char *path, enum ax_table_format *ret);

enum ax_table_cell_kind {
    AX_CELL_NULL,
    AX_CELL_PLAIN,  /* `text`, which may mean a number: what CSV holds */
    AX_CELL_TEXT,   /* `text` */
    AX_CELL_NUMBER, /* `text`, a number as JSON writes it */
    AX_CELL_NESTED, /* `text`, JSON of a list or an object */
    AX_CELL_BOOL,
    AX_CELL_I64,
    AX_CELL_F64,
};

struct ax_table_cell {
    enum ax_table_cell_kind kind;
    union {
        struct ax_str text; /* borrowed */
        bool truth;
        int64_t i64;
        double f64;
    };
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the JSON value that holds the rows of a request into cells.
 *
 * The protocols that name their values differ in how they lay rows out; all of it is read here:
 *
 *   rows      [{"a":1,"b":2}, …] objects, [[1,2], …] arrays by position, [1, …] one value a row
 *   inputs    the same, or {"a":[1, …],"b":[2, …]}: an array a column
 *   split     {"columns":["a","b"],"data":[[1,2], …]}: as pandas writes a table; without "columns"
 *             values are taken by position; other members are passed over
 *   one       what a row may be, alone, or an array of rows; a row is no array then
 *
 * One call reads a token or a few, so a long body is read in slices. Rows that are objects and rows
 * that are arrays are not mixed. null is a missing value, or a cell where cells keep nulls.
 */
#ifndef AX_SERVER_API_ROW_READER_H
#define AX_SERVER_API_ROW_READER_H

#include "base/json_reader.h"
#include "data/cells.h"

enum ax_row_layout { AX_LAYOUT_ROWS, AX_LAYOUT_INPUTS, AX_LAYOUT_SPLIT, AX_LAYOUT_ONE };

/* What a row may be, and more that a protocol may allow. */
enum {
    AX_ROW_OBJECT = 1u << 0,
    AX_ROW_ARRAY = 1u << 1,
    AX_ROW_SCALAR = 1u << 2,
    AX_ROW_BOXED = 1u << 3,  /* a value may stand in an array of its own: the shape [-1, 1] */
    AX_ROW_TENSOR = 1u << 4, /* "input" names all values of a row, by position */
    AX_ROW_ANY = (1u << 5) - 1,
    AX_ROW_LIST = 1u << 5,  /* a value may be a list of values */
    AX_ROW_ALONE = 1u << 6, /* of AX_LAYOUT_ONE: there is one row, and no array of rows */
};

struct ax_row_reader {
    struct ax_json_reader *json; /* the protocol's, in front of the value */
    struct ax_cells *cells;
    struct ax_str what;   /* the member that holds the rows, for messages */
    unsigned accepts;     /* AX_ROW_* */
    int state;            /* READ_* of row_reader.c */
    int rows_end_state;   /* where to go behind the array of rows, */
    int object_end_state; /* behind a row that is an object, */
    int row_end_state;    /* and behind one that is an array */
    int list_end_state;   /* and behind a value that is a list */
    bool is_one;          /* it was a row alone */
    unsigned skip_depth;
    size_t column; /* of the value that comes next */
    size_t row;    /* and its row, in an array a column */

    /* Of a split table. */
    struct ax_str *names;
    size_t name_count, name_cap;
    bool has_names, has_data;
    bool has_positions; /* the names are the numbers from 0 */
};

/* Begin with the value that comes next. `what` is borrowed. */
void ax_row_reader_init(struct ax_row_reader *reader, struct ax_json_reader *json,
                        struct ax_cells *cells, enum ax_row_layout layout, unsigned accepts,
                        struct ax_str what);

/* Read on, a token or a few; skipping reads about `byte_budget` bytes. *ret_done says whether the
 * value is over. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_row_reader_step(struct ax_row_reader *reader, size_t byte_budget,
                                            bool *ret_done, struct ax_err *err);

#endif

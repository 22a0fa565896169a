/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells: rows of named values as a client sent them, before any model's signature is looked at.
 *
 * A reader (of JSON, of CSV) puts cells in, in whatever order its format has; then they are filled
 * into the rows of one model or of several, without the text being read again. A missing value is
 * a cell that is not there. Columns are known by name, or by position where the format has no
 * names; a name is looked up in a signature once a model, not once a row. Cells, names and texts
 * live in the arena or in the body; nothing is freed singly. One thread.
 */
#ifndef AX_DATA_CELLS_H
#define AX_DATA_CELLS_H

#include "data/rows.h"

#define AX_CELLS_ROWS_MAX    AX_SIGNATURE_ROWS_MAX
#define AX_CELLS_COLUMNS_MAX AX_SIGNATURE_INPUTS_MAX
#define AX_CELLS_TEXT_MAX    ((size_t)64 << 10)

enum ax_cell_kind {
    AX_CELL_F64,
    AX_CELL_I64,
    AX_CELL_U64, /* over INT64_MAX */
    AX_CELL_BOOL,
    AX_CELL_TEXT,
    AX_CELL_FIELD, /* text without a type: the input says what it is read as */
    AX_CELL_NULL,  /* of cells that keep nulls */
    AX_CELL_LIST,  /* u64 elements, which are the cells behind it */
};

struct ax_cell {
    union {
        double f64;
        int64_t i64;
        uint64_t u64;
        bool boolean;
        const char *text; /* len bytes */
    };
    uint64_t row : 20;
    uint64_t column : 16;
    uint64_t kind : 4;
    uint64_t len : 24;
};

struct ax_cells_column {
    struct ax_str name;   /* empty in a positional set */
    uint64_t hash;        /* of the name */
    size_t first_row;     /* where it was met first */
    size_t given_before;  /* 1 + the row that gave it last; 0: none did */
    size_t given_rows;    /* from the first on, that all gave it */
    size_t element_count; /* of all lists */
    bool is_others;       /* where nothing has its name, it is for something else */
};

struct ax_cells_block;

struct ax_cells {
    struct ax_arena *arena;
    struct ax_cells_column *columns;
    size_t column_count, column_cap;
    uint32_t *slots; /* 1 + a column; open addressing over the names; 0: free */
    size_t slot_count;
    size_t next_column; /* the one that most probably comes next */
    bool is_positional; /* columns have no names: column i is input i; set before there are any */
    bool keeps_nulls;   /* a null is a cell, too, as in lists; set before there are any */
    size_t row_count;
    struct ax_cells_block *first, *last;
    struct ax_cell *list; /* that cells are elements of; NULL: of none */
};

/* Empty; memory is the arena's. */
void ax_cells_init(struct ax_cells *cells, struct ax_arena *arena);

/* The column of that name, made if it is new; the name must live as long as the cells. Expected:
 * TOO_LARGE (too many columns), LIMIT. */
AX_MUST_USE enum ax_code ax_cells_column(struct ax_cells *cells, struct ax_str name,
                                         size_t *ret_column, struct ax_err *err);

/* One more column of a positional set. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_add_unnamed(struct ax_cells *cells, struct ax_err *err);

/* Name the columns of a positional set, which then is none. Expected: INVALID (another number of
 * names than of columns, a name twice), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_name(struct ax_cells *cells, const struct ax_str *names,
                                       size_t count, struct ax_err *err);

/* Begin the next row. Expected: INVALID (over AX_CELLS_ROWS_MAX). */
AX_MUST_USE enum ax_code ax_cells_add_row(struct ax_cells *cells, struct ax_err *err);

/* Note that `row` gives `column`, a value or null. Expected: INVALID (given before). */
AX_MUST_USE enum ax_code ax_cells_give(struct ax_cells *cells, size_t row, size_t column,
                                       struct ax_err *err);

/* Put a value in; its row, column and len are within the limits. Expected: INVALID (a list of more
 * than AX_VALUES_ELEMENTS_MAX), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_put(struct ax_cells *cells, struct ax_cell cell,
                                      struct ax_err *err);

/* Begin a list, whose elements are the cells that are put in until it is ended; no lists. Expected:
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_begin_list(struct ax_cells *cells, size_t row, size_t column,
                                             struct ax_err *err);
void ax_cells_end_list(struct ax_cells *cells);

/* Put a text in. Expected: INVALID (over AX_CELLS_TEXT_MAX), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_put_text(struct ax_cells *cells, size_t row, size_t column,
                                           enum ax_cell_kind kind, struct ax_str text,
                                           struct ax_err *err);

/* Going through the cells in the order in which they came; zeroed at first. */
struct ax_cells_cursor {
    const struct ax_cells_block *block;
    size_t at;
};

/* The next cell, or NULL behind the last one. */
const struct ax_cell *ax_cells_next(const struct ax_cells *cells, struct ax_cells_cursor *cursor);

/* "input 'carrier', row 3" (or "value 2 of row 3") in front of the cause. */
enum ax_code ax_cells_context(const struct ax_cells *cells, size_t row, size_t column,
                              struct ax_err *err);

/* Filling cells into rows, in steps. */
struct ax_cells_fill {
    const struct ax_cells *cells;
    struct ax_rows *rows;
    uint32_t *inputs;                   /* of each column */
    const struct ax_cells_block *block; /* being filled in */
    int state;                          /* FILL_* of cells.c */
    size_t at;                          /* in what the state goes through */
};

/* Make `rows` for the cells, in `arena`. Expected: INVALID (more rows than the model takes, or
 * another number of values a row), UNSUPPORTED, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_fill_begin(struct ax_cells_fill *fill,
                                             const struct ax_cells *cells, struct ax_rows *rows,
                                             const struct ax_signature *signature,
                                             struct ax_arena *arena, struct ax_err *err);

/* Go on for about as long as reading `byte_budget` bytes takes, and add that to *cost; when
 * *ret_done is set the rows are complete, with their defaults. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_cells_fill_step(struct ax_cells_fill *fill, size_t byte_budget,
                                            size_t *cost, bool *ret_done, struct ax_err *err);

#endif

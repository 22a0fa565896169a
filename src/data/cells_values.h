/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells into columns of computed values (data/expr/values.h), in steps: what a call gives to a
 * service, or a client to a source.
 *
 * A column's declared type says what its cells may be: of an int64 whole numbers, of a float64 all
 * numbers (NaN is null, -0 is 0), of a timestamp RFC 3339 texts, or whole microseconds since 1970,
 * in the years 1 to 9999, of a duration texts as 90s, or whole microseconds. Where there is no cell
 * there is null. Values are of the computation type; whether they fit a narrower storage is not
 * looked at. Texts are borrowed from the cells.
 */
#ifndef AX_DATA_CELLS_VALUES_H
#define AX_DATA_CELLS_VALUES_H

#include "base/zone.h"
#include "data/cells.h"
#include "data/expr/values.h"

struct ax_cells_target {
    struct ax_str name;         /* for messages */
    struct ax_storage storage;  /* as declared */
    const struct ax_zone *zone; /* of timestamps without an offset; NULL: UTC */
    bool in_seconds; /* whole numbers that are timestamps are seconds, the least is null */
    /* The result. */
    struct ax_values values;
    uint64_t *given;      /* bits of the rows that have a cell, which may be a null that was kept */
    size_t element_count; /* of its lists, so far */
};

/* In place of a target: the column is passed over. */
#define AX_CELLS_PASSED_OVER UINT32_MAX

struct ax_cells_values {
    const struct ax_cells *cells;
    struct ax_cells_target *targets;
    size_t target_count;
    const uint32_t *places; /* of each column of the cells: which target, or PASSED_OVER */
    size_t rows;
    struct ax_arena *arena;
    struct ax_cells_cursor cursor;
    struct ax_cells_target *list; /* whose elements are the next `list_left` cells */
    uint64_t list_left;
    int state; /* of cells_values.c */
    size_t at; /* in what the state goes through */
};

/* Columns of `rows` rows: as many as the cells have; or the cells have at most one, which is that
 * of all. All is borrowed until the end; the columns are in the arena. */
void ax_cells_values_begin(struct ax_cells_values *fill, const struct ax_cells *cells,
                           struct ax_cells_target *targets, size_t target_count,
                           const uint32_t *places, size_t rows, struct ax_arena *arena);

/* Go on for about as long as reading `byte_budget` bytes takes, and add that to *cost. Expected:
 * INVALID (a value of another type, with the column and the row), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_cells_values_step(struct ax_cells_values *fill, size_t byte_budget,
                                              size_t *cost, bool *ret_done, struct ax_err *err);

/* Which target each column of the cells is, in *ret_places: the one of its name. `what` is what the
 * names are, for messages, and `of` whose: "key of service" and "x"; empty: nobody's. A column that
 * is for others is passed over where there is none. Expected: INVALID (there is none; names the
 * nearest), LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_cells_values_find(const struct ax_cells *cells,
                                              const struct ax_cells_target *targets,
                                              size_t target_count, const char *what,
                                              struct ax_str of, struct ax_arena *arena,
                                              const uint32_t **ret_places, struct ax_err *err);

#endif

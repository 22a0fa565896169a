/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the join of a plain role and the windows of a windowed one have in common: whose values are
 * being made, and how a field comes from its expression.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_ROLE_H
#define AX_FEATURE_OFFLINE_DUCKDB_ROLE_H

#include "data/expr/expr_text.h"
#include "feature/offline/duckdb_table.h"

/* The rows, of the history and of the source, whose keys' hash leaves `at` when it is divided by
 * `count`: each row is in one slice, one with a key that is null, too; equal keys are in the same
 * one. Of a wide role the `at`th of `count` ranges of the history's rows, and all of the source. */
struct ax_role_slice {
    size_t at, count;
};

/* What of a role is to be made, from what. */
struct ax_role_job {
    const struct ax_service *service;
    size_t role;
    const struct ax_source_table *table;
    struct ax_role_slice slice;
    bool takes_rows; /* the rows' columns, too; see ax_role_can_take_rows */
};

/* All but `wanted` is borrowed. */
struct ax_role_run {
    struct ax_offline *offline;
    struct ax_buf *text; /* where SQL is appended */
    const struct ax_service *service;
    const struct ax_role *role;
    const struct ax_view *view;
    const struct ax_source_table *table;
    bool *wanted; /* of the view's fields: those that the service's inputs are */
    size_t number;
    struct ax_role_slice slice;
    bool has_no_defaults; /* what is absent stays so */
};

void ax_role_run_init(struct ax_role_run *run, struct ax_offline *offline,
                      const struct ax_role_job *job);
void ax_role_run_done(struct ax_role_run *run);

/* Whether the service leaves out the event that a row is itself, and the view reads its source. */
bool ax_role_run_has_self(const struct ax_role_run *run);

/* The call column that is a part of that event's id. */
size_t ax_role_run_self_call(const struct ax_role_run *run, size_t part);

/* Append "r.k0 = h.c2 AND …": the row `rows` carries the id of the event `events`. */
void ax_role_run_put_self(const struct ax_role_run *run, const char *rows, const char *events);

/* Append "(SELECT <keep>, … AS e<i> FROM <from>)" with the expressions of the wanted fields,
 * roots[i] being that of field i. */
void ax_role_run_put_values(const struct ax_role_run *run, const struct ax_expr *const *roots,
                            struct ax_str keep, struct ax_str from, ax_expr_put_input_fn put_input);

/* Append "<field i> AS f<i>, " of each wanted field from its expression's value e<i>, which counts
 * where `condition` is true (NULL: everywhere). */
void ax_role_run_put_fields(const struct ax_role_run *run, const char *condition);

/* What windows give a row; of a plain role nothing. */
struct ax_role_values {
    size_t cost; /* in values that cost as a sum does; items of lists do, as many as may be */
    /* Some are lists or texts: what came by keys could not be put in the order of rows, since
     * DuckDB would hold it all. */
    bool are_wide;
};
struct ax_role_values ax_role_values(const struct ax_service *service, size_t role);

/* Of a wide role the rows from this one on to that of the next slice. */
size_t ax_role_slice_begin(size_t rows, size_t at, size_t count);

/* Append `before` and that a row of ax_rows, or one of the view's source, is in the slice by keys;
 * nothing when that has all. */
void ax_role_put_rows_slice(struct ax_buf *out, const char *before,
                            const struct ax_service *service, size_t role,
                            struct ax_role_slice slice);
void ax_view_put_slice(struct ax_buf *out, const char *before, const struct ax_view *view,
                       struct ax_role_slice slice);

/* How many of ax_rows are in the slice. */
AX_MUST_USE enum ax_code ax_role_count_rows(struct ax_offline *offline,
                                            const struct ax_service *service, size_t role,
                                            struct ax_role_slice slice, size_t *ret_rows,
                                            struct ax_err *err);

/* Whether ax_s<role> has each row once: what positional joins rely on, and the first promise of all
 * this. Expected: INTERNAL. */
AX_MUST_USE enum ax_code ax_role_check(struct ax_offline *offline, size_t role, struct ax_err *err);

/* Append a value of the expression's type as it is stored: narrowed, null where it does not fit. */
void ax_expr_put_stored(struct ax_buf *out, struct ax_str value, struct ax_type type,
                        struct ax_storage storage);

/* Append a stored value as expressions see it. What is stored here has no NaN and no -0 any more.
 */
void ax_storage_put_widened(struct ax_buf *out, const char *value, struct ax_storage storage);

#endif

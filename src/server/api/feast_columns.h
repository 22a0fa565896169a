/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields and expressions of a service as they are called in an answer of POST
 * /get-online-features: made once a service that is in force, or for one request that lists them.
 *
 * Immutable; threads may share it. It lives in the arena, and borrows from the service.
 */
#ifndef AX_SERVER_API_FEAST_COLUMNS_H
#define AX_SERVER_API_FEAST_COLUMNS_H

#include "feature/definitions.h"

struct ax_feast_columns {
    const size_t *inputs; /* of the service, one a column */
    size_t count;
    struct ax_str names;        /* of all, as JSON, with commas between them */
    const bool *are_names_used; /* one a column of the service's call: a column here has its name */
};

/* `has_full_names`: a field is called VIEW__FIELD, else FIELD. Expected: INVALID (two columns of
 * one name: names it and what to do), LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_feast_columns_init(struct ax_feast_columns *columns,
                                               const struct ax_service *service,
                                               bool has_full_names, struct ax_arena *arena,
                                               struct ax_err *err);

/* INVALID: two columns have that name. */
enum ax_code ax_feast_columns_fail_twice(struct ax_str name, bool has_full_names,
                                         struct ax_err *err);

#endif

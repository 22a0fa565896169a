/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reference page says of the aggregates over events: one entry each. How they are read is
 * parser_aggregates.c's matter, and how they are computed feature/window.h's.
 *
 * The examples are over the events of ax_aggregate_events, of one entity, asked at
 * AX_AGGREGATE_EXAMPLES_AT; tests compute them.
 */
#ifndef AX_DATA_EXPR_AGGREGATE_ABOUT_H
#define AX_DATA_EXPR_AGGREGATE_ABOUT_H

#include "data/expr/function.h"

#define AX_AGGREGATE_EXAMPLES_AT  "2013-10-01T12:00:00Z"
#define AX_AGGREGATE_EXAMPLES_MAX 4

struct ax_aggregate_about {
    const char *form;    /* "last_n(x, n)" */
    const char *takes;   /* the types of x */
    const char *gives;   /* the type of the result */
    const char *nothing; /* what it is over no values: "0" or "null" */
    const char *about;   /* sentences */
    struct ax_function_example examples[AX_AGGREGATE_EXAMPLES_MAX];
};

const struct ax_aggregate_about *ax_aggregate_about(enum ax_aggregate_kind kind) AX_RETURNS_NONNULL;

/* An event of the examples; texts as CSV has them, "" is null. */
struct ax_aggregate_event {
    const char *flight; /* int64, the event's id */
    const char *time;   /* timestamp */
    const char *delay;  /* float64 */
    const char *dest;   /* string */
};

const struct ax_aggregate_event *ax_aggregate_events(size_t *ret_count) AX_RETURNS_NONNULL;

#endif

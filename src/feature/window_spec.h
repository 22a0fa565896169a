/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the aggregates of one view need: windows, accumulators, the layout of a row.
 *
 * Made once a view and immutable; all states of its entities share it, in any thread. Aggregates
 * that read the same values share accumulators, those of equal windows share a window. The meaning
 * of every word is told in docs/internals/windows.md.
 */
#ifndef AX_FEATURE_WINDOW_SPEC_H
#define AX_FEATURE_WINDOW_SPEC_H

#include "base/err.h"
#include "data/expr/expr.h"
#include "feature/window_sketch.h"

#define AX_WINDOW_COLUMNS_MAX    64
#define AX_WINDOW_AGGREGATES_MAX 256
#define AX_WINDOW_US_MAX         (INT64_C(400) * 86400 * 1000000)
#define AX_WINDOW_EXACT_DEFAULT  1024
#define AX_WINDOW_EXACT_MAX      ((size_t)1 << 20)
#define AX_WINDOW_LIST_MAX       1024 /* of last_n and top_k */

/* Columns are what aggregates read: values and filters, computed. */
struct ax_window_aggregate {
    enum ax_aggregate_kind kind;
    int value;         /* column; -1: count(*) */
    int filter;        /* column of bools; -1: all rows */
    int64_t n;         /* of last_n, top_k */
    double quantile;   /* of approx_quantile */
    int64_t window_us; /* 1 us to AX_WINDOW_US_MAX */
    int64_t hop_us;    /* 0: exact for the newest events, the ladder beyond */
};

struct ax_window_config {
    const struct ax_type *columns; /* scalars */
    size_t column_count;
    const struct ax_window_aggregate *aggregates;
    size_t aggregate_count;
    size_t exact_events; /* 0: AX_WINDOW_EXACT_DEFAULT */
};

struct ax_window_spec;

/* Expected: INVALID ("avg of string is not there"), TOO_LARGE. */
AX_MUST_USE enum ax_code ax_window_spec_new(const struct ax_window_config *config,
                                            struct ax_window_spec **ret_spec, struct ax_err *err);
void ax_window_spec_free(struct ax_window_spec *spec);

size_t ax_window_spec_aggregate_count(const struct ax_window_spec *spec);
/* What an aggregate's values are: sum(bool) is int64, avg is float64, last_n is a list. */
struct ax_type ax_window_spec_type(const struct ax_window_spec *spec, size_t aggregate);

/* How far behind a moment events can matter, hops included: to any aggregate, and to one. */
int64_t ax_window_spec_reach_us(const struct ax_window_spec *spec);
int64_t ax_window_aggregate_reach_us(const struct ax_window_aggregate *aggregate);

/* Most bytes of one entity's newest rows and tiles (not of texts over 12 bytes), and bytes of each
 * event that is kept for corrections. */
size_t ax_window_spec_bytes(const struct ax_window_spec *spec);
size_t ax_window_spec_row_bytes(const struct ax_window_spec *spec);

/* The ladder's hop for a window. */
int64_t ax_window_hop_us(int64_t window_us);

#endif

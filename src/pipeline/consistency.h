/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what was served is what a history says: the log of served vectors of a service, computed
 * again by the offline store, as it was known when each of them was made.
 *
 * By the definitions that are in force; vectors of others are counted apart. Nothing that is read
 * is changed. One thread; blocks. See docs/internals/served-vectors.md.
 */
#ifndef AX_PIPELINE_CONSISTENCY_H
#define AX_PIPELINE_CONSISTENCY_H

#include "base/arena.h"
#include "pipeline/applied_definitions.h"

/* What becomes of a value. */
enum ax_consistency_outcome {
    AX_CONSISTENCY_EQUAL,     /* the same, or the neighbour of a number of what is stored */
    AX_CONSISTENCY_DIFFERING, /* both are there */
    AX_CONSISTENCY_MISSING,   /* was served as null */
    AX_CONSISTENCY_EXTRA,     /* was served, and is null in the history */
    AX_CONSISTENCY_UNSETTLED, /* not the same, and nobody knows what had been seen */
    AX_CONSISTENCY_OUTCOME_COUNT
};
const char *ax_consistency_outcome_name(enum ax_consistency_outcome outcome) AX_RETURNS_NONNULL;

struct ax_consistency_counts {
    uint64_t values[AX_CONSISTENCY_OUTCOME_COUNT];
    /* Of numbers of which both are there: the sum of 2 |served - known| / (|served| + |known|). */
    double smape_sum;
    uint64_t smape_count;
};

struct ax_consistency_day {
    int64_t day;                            /* since 1970, of the moments that were asked about */
    struct ax_consistency_counts *features; /* one a feature */
};

struct ax_consistency_report {
    size_t vectors;                /* that were compared */
    size_t other_vectors;          /* that were served by other definitions */
    const struct ax_str *features; /* fields and computed inputs, in the service's order */
    size_t feature_count;
    struct ax_consistency_counts *totals; /* one a feature */
    struct ax_consistency_day *days;      /* in order */
    size_t day_count;
};

struct ax_consistency_config {
    const char *state;
    const struct ax_applied_definitions *applied;
    const struct ax_applied_service *service;
    const char *data; /* where relative paths of sources start; NULL: the definitions' folder */
    const char *work; /* a folder for what is made, which is there */
    int64_t from_us;  /* moments in [from, to] count */
    int64_t to_us;
    const char *out; /* or NULL: a Parquet file for the vectors that are not as they should be */
    size_t threads;
    size_t memory_bytes_max;
    atomic_bool *cancelled;
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    void (*notice)(void *arg, struct ax_str text);
    void *arg;
};

/* The report is in the arena. Expected: NOT_FOUND (nothing was logged), and those of the offline
 * store. */
AX_MUST_USE enum ax_code ax_consistency_check(const struct ax_consistency_config *config,
                                              struct ax_arena *arena,
                                              struct ax_consistency_report *ret_report,
                                              struct ax_err *err);

#endif

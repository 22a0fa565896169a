/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of an expectation when rows were looked at, and how it is told.
 *
 * An expectation over several columns, each for itself, has a result a column. The meaning of every
 * check is told in docs/internals/expectations.md. All pointers are borrowed.
 */
#ifndef AX_FEATURE_EXPECTATION_RESULT_H
#define AX_FEATURE_EXPECTATION_RESULT_H

#include "feature/definitions.h"

#define AX_EXPECTATION_OUTCOME_LIST(X) \
    X(HELD, "held")                    \
    X(WARNED, "warned")                \
    X(DROPPED, "dropped")              \
    X(FAILED, "failed")

enum ax_expectation_outcome {
#define X(name, text) AX_EXPECTATION_##name,
    AX_EXPECTATION_OUTCOME_LIST(X)
#undef X
        AX_EXPECTATION_OUTCOME_COUNT
};

struct ax_expectation_result {
    const struct ax_source *source;
    const struct ax_expectation *expectation;
    const size_t *columns; /* of the source: those that this result is about */
    size_t column_count;
    enum ax_expectation_outcome outcome;
    bool is_met;         /* enough rows hold, whatever is done about the others */
    size_t rows;         /* of the source */
    size_t missing;      /* rows left out, because a value is null */
    size_t unexpected;   /* rows that do not hold */
    size_t first_row;    /* the first of them, from 1 in the order of the source; 0: none */
    struct ax_str first; /* its values: "dep_delay=5000" */
    /* Of row_count the number of rows; of freshness the newest time that is not in the future, when
     * there is one, and the time that its age is measured from. */
    bool has_observed;
    int64_t observed;
    int64_t now_us;
};

/* "held", …; and the word of a check, of an action: "not_null", "drop_row". */
const char *ax_expectation_outcome_name(enum ax_expectation_outcome outcome) AX_RETURNS_NONNULL;
struct ax_str ax_expectation_kind_name(enum ax_expectation_kind kind);
struct ax_str ax_expectation_action_name(enum ax_expectation_action action);

/* Whether it is a matter of the whole source, not of rows. */
bool ax_expectation_is_whole(enum ax_expectation_kind kind);

/* What is_met and outcome are, made of the rest. */
void ax_expectation_judge(struct ax_expectation_result *result);

/* Append which expectation it is: "between dep_delay (-120 to 2000)". */
void ax_expectation_put_name(struct ax_buf *out, const struct ax_expectation_result *result);

/* Append what was found: "12 of 1000 rows (1.2 %) do not hold; mostly 0.999 allows 1; row 17:
 * dep_delay=5000". */
void ax_expectation_put_finding(struct ax_buf *out, const struct ax_expectation_result *result);

#endif

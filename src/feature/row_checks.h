/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is expected of a source's rows, asked of single rows, natively: for those that are pushed.
 *
 * What needs more than one row (unique, monotonic, referential, row_count, freshness, a share to
 * fail by) is not asked here. A check that looks at a column which the row does not give is asked
 * when the row is whole. Immutable; shared by threads. See docs/internals/expectations.md.
 */
#ifndef AX_FEATURE_ROW_CHECKS_H
#define AX_FEATURE_ROW_CHECKS_H

#include "feature/definitions.h"

struct ax_row_checks;
struct ax_source_rows;

/* Whether a check can be asked of one row. */
bool ax_row_checks_ask(enum ax_expectation_kind kind);

/* *ret_checks is NULL when nothing is asked. The source is borrowed. Expected: INVALID, TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_row_checks_new(const struct ax_source *source,
                                           struct ax_row_checks **ret_checks, struct ax_err *err);
/* NULL is fine. */
void ax_row_checks_free(struct ax_row_checks *checks);
size_t ax_row_checks_count(const struct ax_row_checks *checks);

/* Ask rows [from, from + count), `from` a multiple of 64 and `count` at most AX_VALUES_ROWS_MAX.
 * Set the bits of rows that are to be left out in `dropped`, which has one a row, and add to
 * counts[i] how often one was not as expected by a check of the action i. Expected: INVALID (a row
 * that fails; names it and the check), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_row_checks_run(const struct ax_row_checks *checks,
                                           const struct ax_source_rows *rows, size_t from,
                                           size_t count, struct ax_arena *arena, uint64_t *dropped,
                                           size_t counts[AX_EXPECT_FAIL + 1], struct ax_err *err);

/* Only set those bits, for rows that were taken in before: what would fail or warn is no matter.
 * Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_row_checks_run_drops(const struct ax_row_checks *checks,
                                                 const struct ax_source_rows *rows, size_t from,
                                                 size_t count, struct ax_arena *arena,
                                                 uint64_t *dropped, struct ax_err *err);

/* As the first, all of at most AX_VALUES_ROWS_MAX rows that are whole now, by those checks alone
 * that were not asked when they were as `rows->given` says. Messages call row i numbers[i]. */
AX_MUST_USE enum ax_code ax_row_checks_run_rest(const struct ax_row_checks *checks,
                                                const struct ax_source_rows *rows,
                                                const size_t *numbers, struct ax_arena *arena,
                                                uint64_t *dropped,
                                                size_t counts[AX_EXPECT_FAIL + 1],
                                                struct ax_err *err);

#endif

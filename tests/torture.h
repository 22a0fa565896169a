/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Torture: a test runs again and again, and each time another one of its calls
 * of ax_try_alloc and ax_try_map is refused.
 *
 * A program that tests/<suite>/meson.build names in its list of torture tests is
 * linked with tests/torture.c, which stands between it and those two. In an
 * ordinary run it only passes the calls on. tools/torture runs the program with
 * AX_TORTURE_FAIL_AT=1, 2, 3, … until a run comes to its end without a refusal.
 *
 * What counts as a failure there: a signal, a failed assert, a report of a
 * sanitizer, no end. A cmocka assertion that fails because the refused call
 * rightly reported AX_E_LIMIT does not; but then leaks cannot be told from the
 * rest of the broken-off test and are not counted either. So a test that wants
 * its leaks watched accepts the refusal and cleans up:
 *
 *     if (ax_buf_reserve(&buf, 1000, &err)) {
 *         assert_true(ax_torture_struck());
 *         assert_int_equal(err.code, AX_E_LIMIT);
 *         ax_buf_done(&buf);
 *         return;
 *     }
 *
 * A program that would take long to start so often names the call itself, in the list
 * of refusing tests, which are run as all others are:
 *
 *     for (unsigned long i = 1; !is_done; i++) {
 *         ax_torture_refuse(i);
 *         …
 *         is_done = !ax_torture_struck();
 *     }
 */
#ifndef AX_TESTS_TORTURE_H
#define AX_TESTS_TORTURE_H

#include <stdbool.h>

/* Whether an allocation was refused in this run, or since ax_torture_refuse. */
bool ax_torture_struck(void);

/* Refuse the call of that number, counted from now on; 0: none. */
void ax_torture_refuse(unsigned long number);

/* How often our own objects (not the libraries) have called malloc and its kind so far. */
unsigned long ax_torture_allocations(void);

#endif

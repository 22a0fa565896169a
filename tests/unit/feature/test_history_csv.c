/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the names of a CSV header are read as the values below it are, and what DuckDB says of a
 * bad line becomes one line of ours.
 *
 * Method: tables of headers and messages with what they must become; every cut of a header is read,
 * too, in memory of just its size, so that a sanitizer sees a step too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feature/offline/duckdb_csv.h"

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *theirs;
        const char *ours;
    } cases[] = {
        { "Invalid Input Error: CSV Error on Line: 3 Original Line: 3 Expected Number of Columns: "
          "2 "
          "Found: 1 Possible fixes:",
          "/d/x.csv: line 3 has not as many fields as the header" },
        { "Invalid Input Error: CSV Error on Line: 12 Original Line: \"a Value with unterminated "
          "quote found.",
          "/d/x.csv: line 12 has a quote that is not closed" },
        { "Invalid Input Error: CSV Error on Line: 2 Original Line: a very long one",
          "/d/x.csv: line 2 cannot be read: it has not as many fields as the header, or a quote "
          "that is not closed, or is not UTF-8, or is too long" },
        { "Invalid Input Error: The CSV Parser state machine reached an invalid state. This can",
          "'/d/x.csv': lines end in LF and in CR LF, or a quote stands where none may" },
        { "Not implemented Error: The Parallel CSV Reader currently does not support a full read",
          "'/d/x.csv': a line is too long" },
        { "IO Error: it went away", "'/d/x.csv': IO Error: it went away" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        (void)ax_fail(&err, AX_E_INVALID, "%s", cases[i].theirs);
        ax_csv_explain(AX_STR("/d/x.csv"), &err);
        assert_string_equal(err.msg, cases[i].ours);
    }
}

static void test_buffers(void **state)
{
    (void)state;
    static const struct {
        size_t memory, buffer;
    } cases[] = {
        { 0, (size_t)32 << 20 },
        { AX_OFFLINE_MEMORY_BYTES_MIN, AX_OFFLINE_MEMORY_BYTES_MIN / 16 },
        { (size_t)160 << 20, (size_t)10 << 20 },
        { SIZE_MAX, (size_t)32 << 20 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_offline offline = { .config = { .memory_bytes_max = cases[i].memory } };
        assert_int_equal(ax_csv_buffer_bytes(&offline), cases[i].buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every check is read with its columns, bounds and words, judged by the table of
 * docs/internals/expectations.md, and told in one line; what does not fit it is refused where it
 * stands.
 * Method: a source of one column of each type, of which one thing is expected at a time; tables of
 * texts and of counts. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/expectation_result.h"

#include "definition_fixture.h"

#include "torture.h"

#include <math.h>

static const char definitions[] =
    "auspex: 1\n"
    "project: test\n"
    "sources:\n"
    "  other: {files: o.csv, time: none, columns: {k: string, n: int64}}\n"
    "  a:\n"
    "    files: a.csv\n"
    "    time: t\n"
    "    columns: {k: string, b: bytes, n: int64, x: float64, ok: bool, t: timestamp,\n"
    "              d: duration, l: list<int64>}\n"
    "    expect: [{check: %s}]\n";

#define PLACE "f.yaml:10:"

/* False when memory was refused. */
static bool read_one(const char *text, struct ax_definitions *ret, struct ax_err *err)
{
    char all[4096];
    (void)snprintf(all, sizeof(all), definitions, text);
    if (read_definitions(ax_str_from(all), ret, err)) {
        assert_true(err->code != AX_E_LIMIT || ax_torture_struck());
        return false;
    }
    return true;
}

static struct ax_expectation_result result_of(const struct ax_definitions *read)
{
    const struct ax_source *source = &read->sources[1];
    assert_int_equal(source->expectation_count, 1);
    const struct ax_expectation *expectation = &source->expectations[0];
    bool is_each = expectation->kind != AX_EXPECT_UNIQUE && expectation->column_count;
    return (struct ax_expectation_result){ .source = source,
                                           .expectation = expectation,
                                           .columns = expectation->columns,
                                           .column_count =
                                               is_each ? 1 : expectation->column_count };
}

static void assert_put(struct ax_buf *out, const char *expected)
{
    assert_true(ax_buf_append_char(out, '\0') == AX_OK || ax_torture_struck());
    if (!out->failed)
        assert_string_equal(out->ptr, expected);
    ax_buf_done(out);
}

static void names(void **state AX_UNUSED)
{
    static const char *const rows[][2] = {
        { "not_null, columns: [k, l]", "not_null k" },
        { "unique, columns: [k, t]", "unique k, t" },
        { "between, column: n, min: -120, max: 2000", "between n (-120 to 2000)" },
        { "between, column: x, min: 0.5", "between x (at least 0.5)" },
        { "between, column: t, min: \"2013-01-01T00:00:00Z\", max: \"2014-01-01T00:00:00Z\"",
          "between t (2013-01-01T00:00:00Z to 2014-01-01T00:00:00Z)" },
        { "between, column: d, max: 90m", "between d (at most 90m)" },
        { "in_set, column: k, values: [UA, B6]", "in_set k (UA, B6)" },
        { "in_set, column: n, values: [1, 2]", "in_set n (1, 2)" },
        { "in_set, column: k, values: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
          "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, c, d]",
          "in_set k (aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, "
          "and 2 more)" },
        { "regex, column: k, pattern: \"^N[0-9]+$\"", "regex k (^N[0-9]+$)" },
        { "length, column: k, min: 3, max: 3", "length k (3)" },
        { "length, column: l, max: 3", "length l (at most 3)" },
        { "row_count, min: 1", "row_count (at least 1)" },
        { "freshness, max_age: 26h", "freshness (at most 26h old)" },
        { "monotonic, column: t", "monotonic t" },
        { "monotonic, column: t, by: [k, n]", "monotonic t by k, n" },
        { "referential, column: k, refers_to: other.k", "referential k (other.k)" },
        { "expression, expr: n > 1 and ok", "expression n > 1 and ok" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_definitions read;
        struct ax_buf out;
        if (!read_one(rows[i][0], &read, &err)) {
            if (!ax_torture_struck())
                fail_msg("%s: %s", rows[i][0], err.msg);
            continue;
        }
        struct ax_expectation_result result = result_of(&read);
        ax_buf_init(&out, 4096);
        ax_expectation_put_name(&out, &result);
        assert_put(&out, rows[i][1]);
        ax_definitions_done(&read);
    }
}

static void refused(void **state AX_UNUSED)
{
    static const char *const rows[][2] = {
        { "all_fine, column: k", "22: 'check' must be one of not_null|unique|" },
        { "not_null", "not_null needs 'column'" },
        { "not_null, column: k, columns: [n]", "'column' and 'columns' are not used together" },
        { "not_null, column: kk", "source 'a' has no column 'kk'; did you mean 'k'?" },
        { "not_null, columns: []", "'columns'" },
        { "not_null, column: k, min: 1", "'min' means nothing to not_null" },
        { "unique, column: l", "column 'l' is list<int64>, which unique does not take" },
        { "between, column: ok, min: 0", "column 'ok' is bool, which between does not take" },
        { "between, column: k, min: 0", "column 'k' is string, which between does not take" },
        { "between, columns: [n, x], min: 0", "columns of one 'between' have one type" },
        { "between, column: n", "between needs 'min', 'max' or both" },
        { "between, column: n, min: .nan", "finite number" },
        { "between, column: t, min: 3", "'min' must be a timestamp" },
        { "in_set, column: x, values: []", "'values'" },
        { "in_set, column: b, values: [x]", "column 'b' is bytes, which in_set does not take" },
        { "in_set, column: n, values: [1, two]", "int64" },
        { "regex, column: b, pattern: x", "column 'b' is bytes, which regex does not take" },
        { "regex, column: k, pattern: \"(\"", "regular expression '(': missing ): (" },
        { "length, column: n, min: 1", "column 'n' is int64, which length does not take" },
        { "length, column: k, min: -1", "a number of things is not negative" },
        { "length, column: k, min: 0, max: -1", "10:54: a number of things is not negative" },
        { "length, column: k, min: 1.5", "int64" },
        { "row_count, column: k, min: 1", "'column' means nothing to row_count" },
        { "row_count, min: 2, max: 1", "'min' lies above 'max'" },
        { "row_count, min: 2, mostly: 0.5", "'mostly' means nothing to row_count" },
        { "freshness", "freshness needs max_age" },
        { "freshness, max_age: 1h, do: drop_row", "freshness is no matter of single rows" },
        { "monotonic, columns: [n, x]", "2 names; at most 1 are allowed" },
        { "monotonic, column: n, by: [l]", "a list does not part rows" },
        { "referential, column: k", "referential needs refers_to" },
        { "referential, column: k, refers_to: others.k", "no source 'others'" },
        { "referential, column: k, refers_to: other.n", "'k' is string, which refers to no int64" },
        { "expression, column: k, expr: ok", "'column' means nothing to expression" },
        { "expression, expr: n", "the expression is int64; bool is expected" },
        { "expression, expr: count(*) over 1h > 1", PLACE },
        { "not_null, column: k, mostly: 0", "'mostly' is a share: above 0, at most 1" },
        { "not_null, column: k, mostly: .nan", "'mostly'" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_definitions read;
        if (read_one(rows[i][0], &read, &err))
            fail_msg("'%s' is taken", rows[i][0]);
        if (err.code != AX_E_LIMIT && !(strstr(err.msg, PLACE) && strstr(err.msg, rows[i][1])))
            fail_msg("'%s': %s", rows[i][0], err.msg);
    }
}

/* ---- judging ---- */

static const char *finding_of(const struct ax_expectation_result *result)
{
    static char text[512];
    struct ax_buf out;
    ax_buf_init(&out, sizeof(text) - 1);
    ax_expectation_put_finding(&out, result);
    struct ax_str found = ax_buf_str(&out);
    (void)snprintf(text, sizeof(text), "%.*s", AX_STR_ARG(found));
    bool failed = out.failed != AX_OK;
    ax_buf_done(&out);
    return failed ? NULL : text;
}

static void rows_are_judged(void **state AX_UNUSED)
{
    static const struct {
        const char *rest;
        size_t rows, missing, unexpected;
        enum ax_expectation_outcome outcome;
        bool is_met;
        const char *finding;
    } rows[] = {
        { "", 0, 0, 0, AX_EXPECTATION_HELD, true, "0 rows hold" },
        { "", 1, 0, 0, AX_EXPECTATION_HELD, true, "1 row holds" },
        { "", 3, 3, 0, AX_EXPECTATION_HELD, true, "0 rows hold (3 left out: null)" },
        { "", 3, 1, 1, AX_EXPECTATION_WARNED, false,
          "1 of 2 rows (50 %) does not hold; row 7: n=5 (1 left out: null)" },
        { ", do: fail", 3, 0, 2, AX_EXPECTATION_FAILED, false,
          "2 of 3 rows (66.7 %) do not hold; row 7: n=5" },
        { ", do: drop_row", 4, 0, 4, AX_EXPECTATION_DROPPED, false,
          "4 of 4 rows (100 %) do not hold; row 7: n=5" },
        { ", do: drop_row", 4, 0, 0, AX_EXPECTATION_HELD, true, "4 rows hold" },
        { ", do: drop_row, mostly: 0.5", 4, 0, 2, AX_EXPECTATION_DROPPED, true,
          "2 of 4 rows (50 %) do not hold; mostly 0.5 allows 2; row 7: n=5" },
        { ", do: drop_row, mostly: 0.5", 4, 0, 3, AX_EXPECTATION_FAILED, false,
          "3 of 4 rows (75 %) do not hold; mostly 0.5 allows 2; row 7: n=5" },
        { ", mostly: 0.999, do: fail", 1000, 0, 1, AX_EXPECTATION_HELD, true,
          "1 of 1000 rows (0.1 %) does not hold; mostly 0.999 allows 1; row 7: n=5" },
        { ", mostly: 0.999, do: fail", 999, 0, 1, AX_EXPECTATION_FAILED, false,
          "1 of 999 rows (0.1 %) does not hold; mostly 0.999 allows 0; row 7: n=5" },
        { ", mostly: 0.9, do: fail", 10, 0, 1, AX_EXPECTATION_HELD, true,
          "1 of 10 rows (10 %) does not hold; mostly 0.9 allows 1; row 7: n=5" },
        { ", mostly: 0.7, do: fail", 10, 0, 3, AX_EXPECTATION_HELD, true,
          "3 of 10 rows (30 %) do not hold; mostly 0.7 allows 3; row 7: n=5" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_definitions read;
        char text[128];
        (void)snprintf(text, sizeof(text), "between, column: n, max: 1%s", rows[i].rest);
        if (!read_one(text, &read, &err)) {
            assert_true(ax_torture_struck());
            continue;
        }
        struct ax_expectation_result result = result_of(&read);
        result.rows = rows[i].rows;
        result.missing = rows[i].missing;
        result.unexpected = rows[i].unexpected;
        result.first_row = 7;
        result.first = AX_STR("n=5");
        ax_expectation_judge(&result);
        assert_int_equal(result.outcome, rows[i].outcome);
        assert_int_equal(result.is_met, rows[i].is_met);
        const char *finding = finding_of(&result);
        if (finding)
            assert_string_equal(finding, rows[i].finding);
        else
            assert_true(ax_torture_struck());
        ax_definitions_done(&read);
    }
}

static void the_whole_is_judged(void **state AX_UNUSED)
{
    enum { NOW_S = 1388534400 }; /* 2014-01-01 */
    static const struct {
        const char *text;
        bool has_observed;
        int64_t observed;
        size_t rows;
        bool is_met;
        const char *finding;
    } rows[] = {
        { "row_count, min: 1, do: fail", true, 0, 0, false, "0 rows" },
        { "row_count, min: 1, max: 2, do: fail", true, 1, 1, true, "1 row" },
        { "row_count, max: 2, do: fail", true, 3, 3, false, "3 rows" },
        { "freshness, max_age: 26h, do: fail", false, 0, 5, false,
          "there is no time that is not in the future" },
        { "freshness, max_age: 26h, do: fail", true, (NOW_S - 26 * 3600) * INT64_C(1000000), 5,
          true, "the newest time is 2013-12-30T22:00:00Z, 26h ago" },
        { "freshness, max_age: 26h, do: fail", true, (NOW_S - 26 * 3600) * INT64_C(1000000) - 1, 5,
          false, "the newest time is 2013-12-30T21:59:59.999999Z, 26h ago" },
        { "freshness, max_age: 1s, do: fail", true, (NOW_S - 48 * 3600) * INT64_C(1000000), 5,
          false, "the newest time is 2013-12-30T00:00:00Z, 2d ago" },
        { "freshness, max_age: 1s, do: fail", true, NOW_S * INT64_C(1000000), 5, true,
          "the newest time is 2014-01-01T00:00:00Z, 0s ago" },
        { "freshness, max_age: 1s, do: fail", true, -INT64_MAX, 5, false, NULL },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_definitions read;
        if (!read_one(rows[i].text, &read, &err)) {
            assert_true(ax_torture_struck());
            continue;
        }
        struct ax_expectation_result result = result_of(&read);
        result.rows = rows[i].rows;
        result.has_observed = rows[i].has_observed;
        result.observed = rows[i].observed;
        result.now_us = NOW_S * INT64_C(1000000);
        ax_expectation_judge(&result);
        assert_int_equal(result.is_met, rows[i].is_met);
        assert_int_equal(result.outcome,
                         rows[i].is_met ? AX_EXPECTATION_HELD : AX_EXPECTATION_FAILED);
        const char *finding = finding_of(&result);
        if (finding && rows[i].finding)
            assert_string_equal(finding, rows[i].finding);
        else
            assert_true(finding || ax_torture_struck());
        ax_definitions_done(&read);
    }
}

/* However many rows there are, as many are allowed as judging lets pass. */
static void what_is_allowed_is_what_passes(void **state AX_UNUSED)
{
    static const char *const shares[] = { "0.9", "0.99", "0.999", "0.3", "0.07", "1e-9" };
    for (size_t i = 0; i < AX_COUNT(shares); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_definitions read;
        char text[128];
        (void)snprintf(text, sizeof(text), "not_null, column: k, mostly: %s", shares[i]);
        if (!read_one(text, &read, &err)) {
            assert_true(ax_torture_struck());
            continue;
        }
        struct ax_expectation_result result = result_of(&read);
        for (result.rows = 1; result.rows < 300 && !ax_torture_struck(); result.rows++) {
            result.unexpected = 1;
            const char *finding = finding_of(&result);
            if (!finding)
                break;
            const char *words = strstr(finding, "allows ");
            assert_non_null(words);
            size_t allowed = strtoul(words + strlen("allows "), NULL, 10);
            result.unexpected = allowed;
            ax_expectation_judge(&result);
            assert_true(result.is_met);
            result.unexpected = allowed + 1;
            if (result.unexpected > result.rows)
                continue;
            ax_expectation_judge(&result);
            assert_false(result.is_met);
        }
        ax_definitions_done(&read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(refused),
        cmocka_unit_test(rows_are_judged),
        cmocka_unit_test(the_whole_is_judged),
        cmocka_unit_test(what_is_allowed_is_what_passes),
    };
    return cmocka_run_group_tests(tests, make_definitions, remove_definitions);
}

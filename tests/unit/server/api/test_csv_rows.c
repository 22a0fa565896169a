/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: CSV as spreadsheets and pandas write it arrives in the fields it names, and what is broken
 * is refused with its line; in slices of any size as at once.
 * Method: a table of bodies with the rows or the message that each must give, read with several
 * budgets. tests/unit/data/test_cells.c has what fields mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/csv_rows.h"

#include "rows_fixture.h"

static const struct {
    const char *body;
    bool mixed;
    const char *rows;    /* as rows_fixture.h prints them; NULL: refused */
    const char *message; /* then */
} cases[] = {
    { "a,b,c\n1,2,3\n4,,6\n", false, "1 2 3|4 - 6", NULL },
    { "c,a\r\n1,2\r\n", false, "2 - 1", NULL },
    { "a\r1\r2", false, "1 - -|2 - -", NULL },
    { "\xef\xbb\xbf\n\na\n\n1\n\n\n", false, "1 - -", NULL },
    { "a,b\n1,", false, "1 - -", NULL },
    { "a,b\n,\n", false, "- - -", NULL },
    { "a,b,c", false, "", NULL },
    { "\"a\",\"b\"\n\"1\",\"\"\n", false, "1 - -", NULL },
    { "note,stops\n\"x\"\"y\"\"\",1\n\"\"\"\",2\n", true, "- 1 - x\"y\" -1|- 2 - \" -1", NULL },
    { "note\n\"a,\r\nb\"\n", true, "- - - a,\r\nb -1", NULL },
    { "note,carrier\nin\"side,NA\n", true, "2 - - in\"side -1", NULL },
    { "", false, NULL, "the body is empty; its first line must name the columns" },
    { "\n\n", false, NULL, "the body is empty; its first line must name the columns" },
    { ",a\n0,1\n", false, NULL, "line 1: column 0 has no name" },
    { "a,b,a\n", false, NULL, "line 1: the column 'a' is named twice" },
    { "a,b\n1,2\n\n3\n", false, NULL, "line 4 does not hold 2 fields" },
    { "a,b\n1,2,3\n", false, NULL, "line 2 does not hold 2 fields" },
    { "a,b\n1,2,", false, NULL, "line 2 does not hold 2 fields" },
    { "a\n\"1\n2\n", false, NULL, "line 2: a quote is not closed" },
    { "a\n\"1\"x\n", false, NULL, "line 2: something follows a closing quote" },
    { "a\n\"1\n\"x\n", false, NULL, "line 3: something follows a closing quote" },
    { "a\n\xff\n", false, NULL, "line 2: a field is not UTF-8" },
    { "a\none\n", false, NULL, "input 'a', row 0: found the text 'one'" },
    { "aa\n1\n", false, NULL, "row 0: no input 'aa'; nearest is 'a'" },
};

static enum ax_code read_csv(const char *body, const struct ax_signature *signature, size_t budget,
                             struct ax_arena *arena, struct ax_buf *out, struct ax_err *err)
{
    struct ax_cells cells;
    struct ax_csv_rows csv;
    size_t cost = 0;
    bool done = false;
    ax_cells_init(&cells, arena);
    ax_csv_rows_init(&csv, ax_str_from(body), &cells);
    while (!done)
        if (ax_csv_rows_read(&csv, budget, &cost, &done, err))
            return err->code;
    assert_int_equal(csv.at, strlen(body));
    return rows_fill(&cells, signature, arena, budget, out, err);
}

static void test_bodies(void **state)
{
    static const size_t budgets[] = { SIZE_MAX, 1, 3, 16 };
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(cases) * AX_COUNT(budgets); i++) {
        size_t at = i / AX_COUNT(budgets);
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_buf out;
        ax_arena_init(&arena, 1024, 1 << 20);
        ax_buf_init(&out, 4096);
        enum ax_code code = read_csv(cases[at].body, cases[at].mixed ? &f->mixed : &f->numbers,
                                     budgets[i % AX_COUNT(budgets)], &arena, &out, &err);
        if (code == AX_E_LIMIT || out.failed) {
            assert_true(ax_torture_struck());
        } else if (cases[at].rows) {
            assert_string_equal(err.msg, "");
            if (!ax_str_is(ax_buf_str(&out), cases[at].rows))
                fail_msg("case %zu: '%.*s'", at, AX_STR_ARG(ax_buf_str(&out)));
        } else {
            assert_int_equal(code, AX_E_INVALID);
            if (!strstr(err.msg, cases[at].message))
                assert_string_equal(err.msg, cases[at].message);
        }
        ax_buf_done(&out);
        ax_arena_done(&arena);
    }
}

/* Just as long as a field may be, and one byte longer. */
static void test_long_fields(void **state)
{
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < 4; i++) {
        size_t len = AX_CELLS_TEXT_MAX + i % 2;
        const char *quote = i < 2 ? "" : "\"";
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_buf out;
        char *body = calloc(1, len + 16);
        assert_non_null(body);
        int head = snprintf(body, 16, "note\n%s", quote);
        memset(body + head, 'x', len);
        body[(size_t)head + len] = *quote;
        ax_arena_init(&arena, 1024, 1 << 20);
        ax_buf_init(&out, 1 << 20);
        (void)read_csv(body, &f->mixed, SIZE_MAX, &arena, &out, &err);
        if (err.code == AX_E_LIMIT || out.failed)
            assert_true(ax_torture_struck());
        else if (i % 2)
            assert_string_equal(err.msg, "line 2: a field is longer than 65536 bytes");
        else
            assert_int_equal(err.code, AX_OK);
        ax_buf_done(&out);
        ax_arena_done(&arena);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bodies, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_long_fields, rows_set_up, rows_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

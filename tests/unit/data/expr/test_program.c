/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a program gives the same whatever the number of rows and wherever the nulls are, takes no
 * memory from the heap in steady use, and reports memory that is refused.
 * Method: one expression with steps of each kind over columns with nulls in changing places, row by
 * row and all at once; a count of the heap's calls; arenas that are too small; and every
 * allocation refused in turn (torture).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/expr/program.h"
#include "data/expr/value_text.h"

#include "torture.h"

static const struct ax_scope_column columns[] = {
    { { "i", 1 }, { AX_TYPE_INT64, false }, false },
    { { "s", 1 }, { AX_TYPE_STRING, false }, false },
};
static const struct ax_scope scope = { .columns = columns, .column_count = AX_COUNT(columns) };

static const char *const texts[] = {
    "case when i > 100 and s != 'b' then i * 2 when i < 10 or s is null then -i end",
    "coalesce(cast(s as int64), i // 7, 0)",
    "cast(i / 8 as string)",
    "i in (1, 2, 300) or s in ('a', 'b')",
    "greatest(i, 50) - least(i, 50) + 1 + 2",
    "s",
    "i in (1, null, 17, 91, 300, 17, -20) and s in ('17', 'b', 'b', '')",
    "i / 2 in (8.5, 0.0, null) or s in ('a', null)",
    "i in (1, i + 0) or s in ('x', s)",
    "i + 9223372036854775500",
    "-9223372036854775700 - i",
    "i * 1e306 + i * 1e306 - 1e308",
};

static bool was_refused(const struct ax_err *err)
{
    if (err->code != AX_E_LIMIT)
        return false;
    assert_true(ax_torture_struck());
    return true;
}

/* A program of the texts; NULL when memory was refused. */
static struct ax_program *make_program(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_program *program = NULL;
    const struct ax_expr *roots[AX_COUNT(texts)];
    size_t at = 0;
    ax_arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < AX_COUNT(texts) && !err.code; i++) {
        struct ax_parsed parsed = { 0 };
        (void)!ax_expr_parse(ax_str_from(texts[i]), &scope, &arena, &parsed, &at, &err);
        roots[i] = parsed.root;
    }
    if (!err.code)
        (void)!ax_program_new(roots, AX_COUNT(texts), &program, &err);
    /* The program holds what it needs. */
    ax_arena_done(&arena);
    if (!was_refused(&err))
        assert_string_equal(err.msg, "");
    return program;
}

static bool fill(struct ax_values *values, size_t first, size_t rows, struct ax_arena *arena)
{
    static const struct ax_str words[] = { { "a", 1 }, { "b", 1 }, { "17", 2 } };
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < AX_COUNT(columns); i++)
        if (ax_values_init(&values[i], columns[i].type, rows, arena, &err))
            return !was_refused(&err);
    for (size_t row = 0; row < rows; row++) {
        values[0].i64s[row] = (int64_t)(first + row) * 37 % 401 - 20;
        values[1].texts[row] = words[(first + row) % AX_COUNT(words)];
        if ((first + row) % 5 == 0)
            ax_values_set_null(&values[0], row);
        if ((first + row) % 7 == 0)
            ax_values_set_null(&values[1], row);
    }
    return true;
}

/* Append the values of `rows` rows from `first` on. */
static bool put_rows(const struct ax_program *program, size_t first, size_t rows,
                     struct ax_arena *arena, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_values values[AX_COUNT(columns)];
    const struct ax_values *const inputs[] = { &values[0], &values[1] };
    struct ax_values outputs[AX_COUNT(texts)];
    if (!fill(values, first, rows, arena) || ax_torture_struck())
        return false;
    if (ax_program_run(program, inputs, rows, arena, outputs, &err))
        return was_refused(&err) ? false : (fail(), false);
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < AX_COUNT(texts); i++) {
            ax_values_put_text(out, &outputs[i], row);
            (void)ax_buf_append_char(out, i + 1 < AX_COUNT(texts) ? ' ' : '\n');
        }
    }
    return true;
}

static void test_rows(void **state)
{
    enum { ROWS = 1000 };
    struct ax_arena arena;
    struct ax_buf whole, single;
    struct ax_program *program = make_program();
    (void)state;
    ax_arena_init(&arena, 4096, 16 << 20);
    ax_buf_init(&whole, 1 << 20);
    ax_buf_init(&single, 1 << 20);
    bool ran = program && put_rows(program, 0, ROWS, &arena, &whole);
    for (size_t row = 0; ran && row < ROWS; row++) {
        ax_arena_reset(&arena);
        ran = put_rows(program, row, 1, &arena, &single);
    }
    if (ran && !ax_torture_struck()) {
        assert_true(whole.len > ROWS);
        assert_true(ax_str_equals(ax_buf_str(&whole), ax_buf_str(&single)));
    }
    ax_buf_done(&whole);
    ax_buf_done(&single);
    ax_arena_done(&arena);
    ax_program_free(program);
}

static void test_heap(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena, input_arena;
    struct ax_values values[AX_COUNT(columns)];
    const struct ax_values *const inputs[] = { &values[0], &values[1] };
    struct ax_values outputs[AX_COUNT(texts)];
    struct ax_program *program = make_program();
    (void)state;
    ax_arena_init(&arena, 1 << 20, 16 << 20);
    ax_arena_init(&input_arena, 4096, 16 << 20);
    bool ready = program && fill(values, 0, AX_VALUES_ROWS_MAX, &input_arena);
    if (ready && !ax_torture_struck() &&
        !ax_program_run(program, inputs, AX_VALUES_ROWS_MAX, &arena, outputs, &err)) {
        unsigned long before = ax_torture_allocations();
        for (size_t rows = 1; rows <= AX_VALUES_ROWS_MAX; rows *= 2) {
            ax_arena_reset(&arena);
            assert_int_equal(ax_program_run(program, inputs, rows, &arena, outputs, &err), AX_OK);
        }
        assert_int_equal(ax_torture_allocations(), before);
    }
    ax_arena_done(&arena);
    ax_arena_done(&input_arena);
    ax_program_free(program);
}

/* An arena that is too small is told, at whichever step it ends. */
static void test_small_arena(void **state)
{
    struct ax_arena input_arena;
    struct ax_values values[AX_COUNT(columns)];
    const struct ax_values *const inputs[] = { &values[0], &values[1] };
    struct ax_values outputs[AX_COUNT(texts)];
    struct ax_program *program = make_program();
    size_t refused = 0;
    (void)state;
    ax_arena_init(&input_arena, 4096, 16 << 20);
    bool ready = program && fill(values, 0, 100, &input_arena) && !ax_torture_struck();
    for (size_t max = 64; ready && max < (64 << 10); max += 997) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        ax_arena_init(&arena, 64, max);
        if (ax_program_run(program, inputs, 100, &arena, outputs, &err)) {
            assert_true(err.code == AX_E_TOO_LARGE || was_refused(&err));
            refused++;
        }
        ax_arena_done(&arena);
    }
    if (ready && !ax_torture_struck())
        assert_in_range(refused, 5, 60);
    ax_arena_done(&input_arena);
    ax_program_free(program);
}

static void test_no_rows(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_values values[AX_COUNT(columns)];
    const struct ax_values *const inputs[] = { &values[0], &values[1] };
    struct ax_values outputs[AX_COUNT(texts)];
    struct ax_program *program = make_program();
    (void)state;
    ax_arena_init(&arena, 4096, 16 << 20);
    if (program && fill(values, 0, 0, &arena) && !ax_torture_struck() &&
        !ax_program_run(program, inputs, 0, &arena, outputs, &err))
        assert_int_equal(outputs[0].rows, 0);
    if (!ax_torture_struck())
        assert_int_equal(err.code, AX_OK);
    ax_arena_done(&arena);
    ax_program_free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_small_arena),
        cmocka_unit_test(test_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

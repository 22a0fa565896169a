/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: cells put in by any reader arrive in the rows of every model they are filled into, whatever
 * their order and number; limits are refused.
 * Method: cells are made by hand: many of them, columns in changing order, the same cells for two
 * signatures, and fields of text for inputs of each kind. The readers have tests of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/cells.h"

#include "rows_fixture.h"

static bool was_refused(const struct ax_err *err)
{
    if (err->code != AX_E_LIMIT)
        return false;
    assert_true(ax_torture_struck());
    return true;
}

/* `rows` rows, in each the columns `count` of `names`, in an order that changes from row to row. */
static enum ax_code put_rows(struct ax_cells *cells, const char *const *names, size_t count,
                             size_t rows, struct ax_err *err)
{
    for (size_t row = 0; row < rows && !err->code; row++) {
        if (ax_cells_add_row(cells, err))
            break;
        for (size_t i = 0; i < count && !err->code; i++) {
            size_t which = (i + row) % count;
            size_t column = 0;
            if (ax_cells_column(cells, ax_str_from(names[which]), &column, err) ||
                ax_cells_give(cells, row, column, err))
                break;
            struct ax_cell cell = { .i64 = (int64_t)(row * count + which),
                                    .row = row,
                                    .column = column,
                                    .kind = AX_CELL_I64 };
            if (ax_cells_put(cells, cell, err))
                break;
        }
    }
    return err->code;
}

static void test_many_rows(void **state)
{
    static const char *const names[] = { "a", "b", "c" };
    enum { ROWS = 5000 };
    struct rows_fixture *f = *state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_cells cells;
    struct ax_cells_fill fill;
    struct ax_rows rows;
    ax_arena_init(&arena, 1024, 4 << 20);
    ax_cells_init(&cells, &arena);
    size_t cost = 0;
    size_t steps = 0;
    bool done = false;
    if (f->ready && !put_rows(&cells, names, 3, ROWS, &err) &&
        !ax_cells_fill_begin(&fill, &cells, &rows, &f->numbers, &arena, &err))
        for (; !done && !ax_cells_fill_step(&fill, 100, &cost, &done, &err); steps++)
            continue;
    if (f->ready && !was_refused(&err)) {
        assert_int_equal(err.code, AX_OK);
        assert_int_equal(cells.column_count, 3);
        const float *values = (const float *)(const void *)rows.block;
        for (size_t i = 0; i < ROWS * 3; i++)
            assert_true(values[i] == (float)i);
        /* Each step does about what it is allowed to. */
        assert_in_range(cost / steps, 90, 200);
    }
    ax_arena_done(&arena);
}

/* More columns than the first table of names holds, known again in every row. */
static void test_many_columns(void **state)
{
    enum { COLUMNS = 300 };
    static char texts[COLUMNS][16];
    const char *names[COLUMNS];
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_cells cells;
    for (size_t i = 0; i < COLUMNS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "column%zu", i);
        names[i] = texts[i];
    }
    ax_arena_init(&arena, 1024, 1 << 20);
    ax_cells_init(&cells, &arena);
    if (!put_rows(&cells, names, COLUMNS, 4, &err)) {
        assert_int_equal(cells.column_count, COLUMNS);
        for (size_t i = 0; i < COLUMNS; i++)
            assert_true(ax_str_is(cells.columns[i].name, names[i]));
    } else {
        assert_true(was_refused(&err));
    }
    ax_arena_done(&arena);
}

static void test_one_set_for_two_models(void **state)
{
    static const char *const names[] = { "stops" };
    struct rows_fixture *f = *state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_cells cells;
    struct ax_buf out;
    ax_arena_init(&arena, 1024, 1 << 20);
    ax_buf_init(&out, 4096);
    ax_cells_init(&cells, &arena);
    if (f->ready && !put_rows(&cells, names, 1, 2, &err)) {
        enum ax_code code = rows_fill(&cells, &f->mixed, &arena, SIZE_MAX, &out, &err);
        if (!code)
            assert_true(out.failed || ax_str_is(ax_buf_str(&out), "- 0 - - -1|- 1 - - -1"));
        else
            assert_true(was_refused(&err));
        ax_err_clear(&err);
        if (rows_fill(&cells, &f->numbers, &arena, SIZE_MAX, &out, &err) != AX_E_INVALID)
            assert_true(was_refused(&err));
        else
            assert_string_equal(err.msg, "row 0: no input 'stops'");
    }
    ax_buf_done(&out);
    ax_arena_done(&arena);
}

static void test_limits(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_cells cells;
    ax_arena_init(&arena, 1024, (size_t)16 << 20);
    ax_cells_init(&cells, &arena);
    cells.row_count = AX_CELLS_ROWS_MAX;
    assert_int_equal(ax_cells_add_row(&cells, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "inference request batch-size must be <= 1048576");
    ax_err_clear(&err);
    cells.is_positional = true;
    while (!ax_cells_add_unnamed(&cells, &err))
        assert_true(cells.column_count <= AX_CELLS_COLUMNS_MAX);
    assert_true(err.code == AX_E_TOO_LARGE || was_refused(&err));
    if (err.code == AX_E_TOO_LARGE) {
        static char text[AX_CELLS_TEXT_MAX + 1];
        ax_err_clear(&err);
        assert_int_equal(cells.column_count, AX_CELLS_COLUMNS_MAX);
        assert_int_equal(ax_cells_put_text(&cells, 7, 3, AX_CELL_TEXT,
                                           (struct ax_str){ text, sizeof(text) }, &err),
                         AX_E_INVALID);
        assert_string_equal(err.msg, "value 3 of row 7: the text is longer than 65536 bytes");
    }
    ax_arena_done(&arena);
}

/* Text without a type, for each kind of input. */
static const struct {
    const char *input;
    const char *field;
    const char *value; /* as rows_fixture.h prints it; NULL: refused */
} fields[] = {
    { "carrier", "UA", "1" },     { "carrier", "NA", "2" },
    { "carrier", "", "-" },       { "carrier", "nan", "-" },
    { "carrier", "ZZ", NULL },    { "carrier", "1", NULL },
    { "stops", "12", "12" },      { "stops", " 12 ", "12" },
    { "stops", "12.0", "12" },    { "stops", "NA", "-" },
    { "stops", "0.5", NULL },     { "stops", "9007199254740993", "9007199254740993" },
    { "stops", "two", NULL },     { "stops", "0x10", NULL },
    { "night", "True", "true" },  { "night", "FALSE", "false" },
    { "night", "1", "true" },     { "night", "0", "false" },
    { "night", "2", NULL },       { "note", "hello", "hello" },
    { "note", " x ", " x " },     { "note", "NULL", "-" },
    { "far", "1e22", "1e+22" },   { "far", "+.5", "0.5" },
    { "far", "2.", "2" },         { "far", "-inf", "-inf" },
    { "far", "Infinity", "inf" }, { "far", "1e999", NULL },
    { "far", "nan", "-1" },       { "far", "nan(1)", NULL },
    { "far", "1 2", NULL },       { "far", "0x1p3", NULL },
    { "far", "1e", NULL },        { "far", ".", NULL },
};

static void test_fields(void **state)
{
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(fields); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_cells cells;
        struct ax_rows rows;
        struct ax_cells_fill fill;
        size_t column = 0;
        size_t cost = 0;
        bool done;
        struct ax_buf out;
        ax_arena_init(&arena, 1024, 1 << 20);
        ax_buf_init(&out, 4096);
        ax_cells_init(&cells, &arena);
        struct ax_str name = ax_str_from(fields[i].input);
        enum ax_code code =
            ax_cells_add_row(&cells, &err) || ax_cells_column(&cells, name, &column, &err) ||
                    ax_cells_put_text(&cells, 0, column, AX_CELL_FIELD,
                                      ax_str_from(fields[i].field), &err) ||
                    ax_cells_fill_begin(&fill, &cells, &rows, &f->mixed, &arena, &err) ||
                    ax_cells_fill_step(&fill, SIZE_MAX, &cost, &done, &err)
                ? err.code
                : AX_OK;
        if (!was_refused(&err)) {
            assert_int_equal(code, fields[i].value ? AX_OK : AX_E_INVALID);
            const struct ax_input *input = ax_signature_input(&f->mixed, name);
            if (!code)
                rows_print_field(&rows.columns[ax_signature_index(&f->mixed, input)], 0, &out);
            if (!code && !out.failed && !ax_str_is(ax_buf_str(&out), fields[i].value))
                fail_msg("field '%s' of '%s'", fields[i].field, fields[i].input);
        }
        ax_buf_done(&out);
        ax_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_rows, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_many_columns, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_one_set_for_two_models, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_limits, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_fields, rows_set_up, rows_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of readers of rows: two signatures, and rows as a text that a table can hold.
 *
 * A row is "carrier stops night note far" with each value as it arrived, "-" where none did; of the
 * signature of numbers it is "a b c".
 */
#ifndef AX_TESTS_ROWS_FIXTURE_H
#define AX_TESTS_ROWS_FIXTURE_H

#include "base/buf.h"
#include "data/cells.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "torture.h"

struct rows_fixture {
    struct ax_signature numbers; /* a, b, c: FP32 */
    struct ax_signature mixed;   /* carrier (AA, UA, NA), stops INT64, night BOOL, note BYTES, far
                                    FP64 with the default -1 */
    bool ready;
};

static inline bool rows_fixture_make(struct ax_signature *signature, const char *const *names,
                                     const enum ax_datatype *datatypes, size_t count)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_signature_init(signature, count, 1, &err))
        return false;
    for (size_t i = 0; i < count; i++) {
        signature->inputs[i].datatype = datatypes[i];
        if (ax_signature_name_input(signature, i, ax_str_from(names[i]), &err))
            return false;
    }
    signature->outputs[0] = (struct ax_output){ AX_STR("prediction"), AX_FP32, 1, true };
    return true;
}

static inline void rows_fixture_init(struct rows_fixture *f)
{
    static const char *const numbers[] = { "a", "b", "c" };
    static const enum ax_datatype number_types[] = { AX_FP32, AX_FP32, AX_FP32 };
    static const char *const mixed[] = { "carrier", "stops", "night", "note", "far" };
    static const enum ax_datatype mixed_types[] = { AX_FP32, AX_INT64, AX_BOOL, AX_BYTES, AX_FP64 };
    const struct ax_str carriers[] = { AX_STR("AA"), AX_STR("UA"), AX_STR("NA") };
    struct ax_err err = AX_ERR_INIT;
    *f = (struct rows_fixture){ 0 };
    f->ready = rows_fixture_make(&f->numbers, numbers, number_types, 3) &&
               rows_fixture_make(&f->mixed, mixed, mixed_types, 5) &&
               !ax_signature_add_dictionary(&f->mixed, 0, carriers, 3, &err);
    if (!f->ready)
        return;
    f->mixed.inputs[4].has_default = true;
    f->mixed.inputs[4].default_number = -1;
}

static inline void rows_fixture_done(struct rows_fixture *f)
{
    ax_signature_done(&f->numbers);
    ax_signature_done(&f->mixed);
}

static inline int rows_set_up(void **state)
{
    static struct rows_fixture fixture;
    rows_fixture_init(&fixture);
    *state = &fixture;
    return 0;
}

static inline int rows_tear_down(void **state)
{
    rows_fixture_done(*state);
    return 0;
}

static inline void rows_print_field(const struct ax_column *column, size_t row, struct ax_buf *out)
{
    const void *value = ax_column_at(column, row);
    double number = column->datatype == AX_FP32   ? (double)*(const float *)value
                    : column->datatype == AX_FP64 ? *(const double *)value
                                                  : 0;
    struct ax_str text = column->datatype == AX_BYTES ? *(const struct ax_str *)value : AX_STR("");
    if (isnan(number) || !ax_column_is_valid(column, row))
        (void)ax_buf_append_char(out, '-');
    else if (column->datatype == AX_BYTES)
        (void)ax_buf_append_str(out, text);
    else if (column->datatype == AX_INT64)
        (void)ax_buf_printf(out, "%lld", (long long)*(const int64_t *)value);
    else if (column->datatype == AX_BOOL)
        (void)ax_buf_append_str(out, *(const uint8_t *)value ? AX_STR("true") : AX_STR("false"));
    else
        (void)ax_buf_printf(out, "%.17g", number);
}

/* All rows as one text, divided by "|". */
static inline void rows_print(const struct ax_rows *rows, struct ax_buf *out)
{
    for (size_t row = 0; row < rows->count; row++) {
        if (row > 0)
            (void)ax_buf_append_char(out, '|');
        for (size_t i = 0; i < rows->signature->input_count; i++) {
            if (i > 0)
                (void)ax_buf_append_char(out, ' ');
            rows_print_field(&rows->columns[i], row, out);
        }
    }
}

/* Fill cells in, a bit at a time, and print the rows. */
static inline enum ax_code rows_fill(const struct ax_cells *cells,
                                     const struct ax_signature *signature, struct ax_arena *arena,
                                     size_t budget, struct ax_buf *out, struct ax_err *err)
{
    struct ax_cells_fill fill;
    struct ax_rows rows;
    size_t cost = 0;
    bool done = false;
    if (ax_cells_fill_begin(&fill, cells, &rows, signature, arena, err))
        return err->code;
    while (!done)
        if (ax_cells_fill_step(&fill, budget, &cost, &done, err))
            return err->code;
    rows_print(&rows, out);
    return AX_OK;
}

#endif

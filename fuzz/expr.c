/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the text of an expression, over columns of each type. The first byte says whether
 * aggregates are allowed.
 *
 * What is accepted is printed, and what is printed must be read as the same tree: it prints alike,
 * and computes alike over rows of edges and of nulls. No value is NaN or -0, and the place of a
 * failure lies in the text.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "data/expr/expr_text.h"
#include "data/expr/program.h"
#include "data/expr/value_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS         3
#define BYTES_MAX    ((size_t)1 << 20)
#define COLUMN_COUNT 8

static const struct ax_scope_column columns[COLUMN_COUNT] = {
    { { "t", 1 }, { AX_TYPE_BOOL, false }, false },
    { { "i", 1 }, { AX_TYPE_INT64, false }, false },
    { { "f", 1 }, { AX_TYPE_FLOAT64, false }, false },
    { { "s", 1 }, { AX_TYPE_STRING, false }, false },
    { { "at", 2 }, { AX_TYPE_TIMESTAMP, false }, false },
    { { "d", 1 }, { AX_TYPE_DURATION, false }, false },
    { { "l", 1 }, { AX_TYPE_INT64, true }, false },
    { { "b", 1 }, { AX_TYPE_STRING, false }, true },
};

static void need(bool holds)
{
    if (!holds)
        abort();
}

static void fill_column(struct ax_values *values, struct ax_type type, struct ax_arena *arena)
{
    static const int64_t wholes[ROWS] = { INT64_MIN, 3, 0 };
    static const double numbers[ROWS] = { INFINITY, -2.5, 0 };
    struct ax_err err = AX_ERR_INIT;
    need(ax_values_init(values, type, ROWS, arena, &err) == AX_OK);
    for (size_t row = 0; row < ROWS; row++) {
        if (type.is_list)
            values->spans[row] = (struct ax_span){ (uint32_t)row, (uint32_t)(ROWS - row) };
        else if (type.kind == AX_TYPE_BOOL)
            values->bools[row] = row == 1;
        else if (type.kind == AX_TYPE_FLOAT64)
            values->f64s[row] = numbers[row];
        else if (type.kind == AX_TYPE_STRING)
            values->texts[row] = row ? AX_STR("x\xC3\xA9 1") : AX_STR("");
        else
            values->i64s[row] = wholes[row];
    }
    if (type.is_list) {
        values->items = ax_arena_alloc(arena, 1, sizeof(*values->items));
        need(values->items != NULL);
        fill_column(values->items, (struct ax_type){ type.kind, false }, arena);
    }
    ax_values_set_null(values, ROWS - 1);
}

static void put_column(struct ax_buf *out, size_t input, void *arg)
{
    (void)arg;
    ax_expr_put_name(out, columns[input].name);
}

static void check_numbers(const struct ax_values *values)
{
    for (size_t row = 0; values->type.kind == AX_TYPE_FLOAT64 && row < values->rows; row++)
        if (!values->type.is_list && !ax_values_is_null(values, row))
            need(!isnan(values->f64s[row]) &&
                 !(values->f64s[row] == 0 && signbit(values->f64s[row])));
}

/* Append what a tree computes; false when it could not be done within the memory. */
static bool put_values(struct ax_buf *out, const struct ax_expr *root, struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_program *program = NULL;
    struct ax_values inputs[COLUMN_COUNT];
    const struct ax_values *pointers[COLUMN_COUNT];
    struct ax_values output;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        fill_column(&inputs[i], columns[i].type, arena);
        pointers[i] = &inputs[i];
    }
    if (ax_program_new(&root, 1, &program, &err))
        return false;
    bool ran = ax_program_run(program, pointers, ROWS, arena, &output, &err) == AX_OK;
    if (ran)
        check_numbers(&output);
    for (size_t row = 0; ran && row < ROWS; row++)
        ax_values_put_text(out, &output, row);
    ax_program_free(program);
    return ran;
}

/* Read what was printed, and compare. */
static void check_printed(const struct ax_parsed *parsed, const struct ax_scope *scope,
                          struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_parsed again;
    struct ax_buf texts[4];
    size_t at = 0;
    for (size_t i = 0; i < AX_COUNT(texts); i++)
        ax_buf_init(&texts[i], BYTES_MAX);
    ax_parsed_put_text(&texts[0], parsed, put_column, NULL);
    /* A tree may be longer as text than a text may be. */
    enum ax_code code = ax_expr_parse(ax_buf_str(&texts[0]), scope, arena, &again, &at, &err);
    need(!code || code == AX_E_TOO_LARGE);
    if (!code) {
        ax_parsed_put_text(&texts[1], &again, put_column, NULL);
        need(ax_str_equals(ax_buf_str(&texts[0]), ax_buf_str(&texts[1])));
        if (!parsed->aggregate_count && put_values(&texts[2], parsed->root, arena)) {
            need(put_values(&texts[3], again.root, arena));
            need(ax_str_equals(ax_buf_str(&texts[2]), ax_buf_str(&texts[3])));
        }
    }
    for (size_t i = 0; i < AX_COUNT(texts); i++)
        ax_buf_done(&texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_parsed parsed;
    size_t at = 0;
    if (!size)
        return 0;
    const struct ax_scope scope = { .columns = columns,
                                    .column_count = COLUMN_COUNT,
                                    .has_aggregates = data[0] & 1 };
    struct ax_str text = { (const char *)data + 1, size - 1 };
    ax_arena_init(&arena, 4096, (size_t)64 << 20);
    if (ax_expr_parse(text, &scope, &arena, &parsed, &at, &err) == AX_OK)
        check_printed(&parsed, &scope, &arena);
    else
        need(at <= text.len && err.msg[0]);
    ax_arena_done(&arena);
    return 0;
}

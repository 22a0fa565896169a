/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the targets that read rows into cells: read an input whole and in slices, fill the cells into
 * the rows of a signature, and compare.
 */
#ifndef AX_FUZZ_FUZZ_ROWS_H
#define AX_FUZZ_FUZZ_ROWS_H

#include "data/cells.h"

#include <stdlib.h>

#define FUZZ_ROWS_ARENA_MAX ((size_t)1 << 20)

/* Read `text` into cells, about `budget` bytes a call. */
typedef enum ax_code (*ax_fuzz_rows_fn)(struct ax_str text, size_t budget, struct ax_arena *arena,
                                        struct ax_cells *ret_cells, struct ax_err *err);

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* All FP32; and one of each kind. */
static struct ax_signature numbers;
static struct ax_signature mixed;

static void make_signature(struct ax_signature *signature, const char *const *names,
                           const enum ax_datatype *datatypes, size_t count)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_signature_init(signature, count, 0, &err))
        abort();
    for (size_t i = 0; i < count; i++) {
        signature->inputs[i].datatype = datatypes[i];
        if (ax_signature_name_input(signature, i, ax_str_from(names[i]), &err))
            abort();
    }
    signature->rows_max = 1000;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const number_names[] = { "a", "b", "c" };
    static const enum ax_datatype number_types[] = { AX_FP32, AX_FP32, AX_FP32 };
    static const char *const mixed_names[] = { "carrier", "stops", "night", "note", "far" };
    static const enum ax_datatype mixed_types[] = { AX_FP32, AX_INT16, AX_BOOL, AX_BYTES, AX_FP64 };
    const struct ax_str carriers[] = { AX_STR("AA"), AX_STR("NA") };
    struct ax_err err = AX_ERR_INIT;
    (void)argc;
    (void)argv;
    make_signature(&numbers, number_names, number_types, AX_COUNT(number_types));
    make_signature(&mixed, mixed_names, mixed_types, AX_COUNT(mixed_types));
    if (ax_signature_add_dictionary(&mixed, 0, carriers, 2, &err))
        abort();
    mixed.inputs[1].has_default = true;
    mixed.inputs[4].required = true;
    return 0;
}

struct fuzz_reading {
    struct ax_arena arena;
    struct ax_rows rows;
    struct ax_err err;
};

static void fuzz_read(struct fuzz_reading *reading, ax_fuzz_rows_fn read,
                      const struct ax_signature *signature, struct ax_str text, size_t budget)
{
    struct ax_cells cells;
    struct ax_cells_fill fill;
    size_t cost = 0;
    bool done = false;
    *reading = (struct fuzz_reading){ .err = AX_ERR_INIT };
    struct ax_err *err = &reading->err;
    ax_arena_init(&reading->arena, 1024, FUZZ_ROWS_ARENA_MAX);
    if (read(text, budget, &reading->arena, &cells, err) ||
        ax_cells_fill_begin(&fill, &cells, &reading->rows, signature, &reading->arena, err))
        done = true;
    while (!done && !ax_cells_fill_step(&fill, budget, &cost, &done, err))
        continue;
    if (err->code && err->code != AX_E_INVALID && err->code != AX_E_TOO_LARGE)
        abort();
}

static bool fuzz_same_field(const struct ax_column *a, const struct ax_column *b, size_t row)
{
    const void *left = ax_column_at(a, row);
    const void *right = ax_column_at(b, row);
    if (ax_column_is_valid(a, row) != ax_column_is_valid(b, row))
        return false;
    if (!ax_column_is_valid(a, row))
        return true;
    if (a->datatype == AX_BYTES)
        return ax_str_equals(*(const struct ax_str *)left, *(const struct ax_str *)right);
    return memcmp(left, right, ax_datatype_size(a->datatype)) == 0;
}

static bool fuzz_same(const struct fuzz_reading *a, const struct fuzz_reading *b)
{
    if (a->err.code || b->err.code)
        return a->err.code == b->err.code && strcmp(a->err.msg, b->err.msg) == 0;
    if (a->rows.count != b->rows.count)
        return false;
    for (size_t i = 0; i < a->rows.signature->input_count; i++)
        for (size_t row = 0; row < a->rows.count; row++)
            if (!fuzz_same_field(&a->rows.columns[i], &b->rows.columns[i], row))
                return false;
    return true;
}

/* The first byte chooses the signature and the size of a slice. */
static void fuzz_rows(const uint8_t *data, size_t size, ax_fuzz_rows_fn read)
{
    if (size == 0)
        return;
    const struct ax_signature *signature = data[0] & 1 ? &mixed : &numbers;
    size_t budget = 1 + data[0] / 2;
    char *copy = calloc(1, size - 1 + 16);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    struct ax_str text = { copy, size - 1 };
    struct fuzz_reading whole;
    struct fuzz_reading sliced;
    fuzz_read(&whole, read, signature, text, SIZE_MAX);
    fuzz_read(&sliced, read, signature, text, budget);
    if (!fuzz_same(&whole, &sliced))
        abort();
    ax_arena_done(&whole.arena);
    ax_arena_done(&sliced.arena);
    free(copy);
}

#endif

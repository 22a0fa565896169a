/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the targets that read rows into cells: read an input whole and in slices, fill the cells into
 * the rows of a signature, and compare.
 */
#ifndef AX_FUZZ_FUZZ_ROWS_H
#define AX_FUZZ_FUZZ_ROWS_H

#include "data/cells.h"

#include "fuzz_signatures.h"

#define FUZZ_ROWS_ARENA_MAX ((size_t)1 << 20)

/* Read `text` into cells, about `budget` bytes a call. */
typedef enum ax_code (*ax_fuzz_rows_fn)(struct ax_str text, size_t budget, struct ax_arena *arena,
                                        struct ax_cells *ret_cells, struct ax_err *err);

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

static bool fuzz_same(const struct fuzz_reading *a, const struct fuzz_reading *b)
{
    if (a->err.code || b->err.code)
        return fuzz_same_failure(&a->err, &b->err);
    return fuzz_same_rows(&a->rows, &b->rows);
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

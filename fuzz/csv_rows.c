/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of CSV bodies, and the fields' way into the rows of a model, whole and in slices:
 * both must end in the same rows or in the same failure, and only in failures that a client may be
 * told.
 */
#include "server/api/csv_rows.h"

#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ax_code read_csv(struct ax_str text, size_t budget, struct ax_arena *arena,
                             struct ax_cells *ret_cells, struct ax_err *err)
{
    struct ax_cells cells;
    struct ax_csv_rows csv;
    bool done = false;
    size_t cost = 0;
    ax_cells_init(&cells, arena);
    ax_csv_rows_init(&csv, text, &cells);
    while (!done)
        if (ax_csv_rows_read(&csv, budget, &cost, &done, err))
            return err->code;
    *ret_cells = cells;
    return AX_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_rows(data, size, read_csv);
    return 0;
}

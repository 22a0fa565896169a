/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of rows of named values in every layout, and their way into the rows of a model,
 * whole and in slices: both must end in the same rows or in the same failure, and only in failures
 * that a client may be told.
 */
#include "server/api/row_body.h"

#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ax_row_member members[] = {
    { .name = "rows", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT },
    { .name = "instances", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_ANY },
    { .name = "inputs", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_ANY },
    { .name = "dataframe_split", .layout = AX_LAYOUT_SPLIT, .accepts = AX_ROW_ARRAY },
    { .name = "version", .read = ax_row_body_read_version },
    { 0 },
};
static const struct ax_row_protocol protocol = { .members = members, .wanted = "'rows'" };

static enum ax_code read_body(struct ax_str text, size_t budget, struct ax_arena *arena,
                              struct ax_cells *ret_cells, struct ax_err *err)
{
    struct ax_row_body body;
    bool done = false;
    size_t cost = 0;
    ax_row_body_init(&body, &protocol, text, arena);
    while (!done)
        if (ax_row_body_read(&body, budget, &cost, &done, err))
            return err->code;
    *ret_cells = body.cells[AX_ROW_SET_ROWS];
    return AX_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_rows(data, size, read_body);
    return 0;
}

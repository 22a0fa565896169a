/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the bodies of Feast's client: read whole and in slices, a body must give the same names,
 * features and columns, or the same failure, and only one that a client may be told. The columns
 * are made typed, which reads every cell.
 */
#include "data/cells_values.h"
#include "server/api/feast_body.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct ax_arena arena;
    struct ax_feast_body body;
    struct ax_cells_target *columns;
    struct ax_err err;
};

/* The columns, of types by turns. */
static void fill(struct reading *reading, size_t budget)
{
    static const enum ax_storage_kind kinds[] = { AX_STORAGE_INT64, AX_STORAGE_STRING,
                                                  AX_STORAGE_FLOAT64, AX_STORAGE_TIMESTAMP,
                                                  AX_STORAGE_BOOL };
    const struct ax_cells *cells = &reading->body.rows.cells[AX_ROW_SET_ROWS];
    struct ax_arena *arena = &reading->arena;
    struct ax_cells_values values;
    size_t count = cells->column_count, cost = 0;
    bool done = false;
    reading->columns = ax_arena_zalloc(arena, count, sizeof(*reading->columns));
    uint32_t *places = ax_arena_alloc(arena, count, sizeof(*places));
    if (!reading->columns || !places) {
        (void)ax_arena_fail(arena, "the columns", &reading->err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        places[i] = (uint32_t)i;
        reading->columns[i].name = cells->columns[i].name;
        reading->columns[i].storage.kind = kinds[i % AX_COUNT(kinds)];
    }
    ax_cells_values_begin(&values, cells, reading->columns, count, places, cells->row_count, arena);
    while (!done && !ax_cells_values_step(&values, budget, &cost, &done, &reading->err))
        continue;
}

static void read_body(struct reading *reading, const struct ax_row_protocol *protocol,
                      struct ax_str text, size_t budget)
{
    bool done = false;
    size_t cost = 0;
    *reading = (struct reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->arena, 1024, ARENA_MAX);
    ax_feast_body_init(&reading->body, protocol, text, &reading->arena);
    while (!done && !ax_row_body_read(&reading->body.rows, budget, &cost, &done, &reading->err))
        continue;
    if (!reading->err.code)
        fill(reading, budget);
    if (reading->err.code && reading->err.code != AX_E_INVALID &&
        reading->err.code != AX_E_TOO_LARGE)
        abort();
}

static bool same_column(const struct ax_cells_target *a, const struct ax_cells_target *b)
{
    size_t words = (a->values.rows + 63) / 64;
    return ax_str_equals(a->name, b->name) && a->values.rows == b->values.rows &&
           (!words ||
            (memcmp(a->values.validity, b->values.validity, words * sizeof(uint64_t)) == 0 &&
             memcmp(a->given, b->given, words * sizeof(uint64_t)) == 0));
}

static bool same(const struct reading *a, const struct reading *b)
{
    const struct ax_feast_body *left = &a->body, *right = &b->body;
    size_t columns = left->rows.cells[AX_ROW_SET_ROWS].column_count;
    if (a->err.code || b->err.code)
        return a->err.code == b->err.code && strcmp(a->err.msg, b->err.msg) == 0;
    bool is_same = ax_str_equals(left->name, right->name) &&
                   left->feature_count == right->feature_count &&
                   left->has_full_names == right->has_full_names &&
                   columns == right->rows.cells[AX_ROW_SET_ROWS].column_count;
    for (size_t i = 0; is_same && i < left->feature_count; i++)
        is_same = ax_str_equals(left->features[i], right->features[i]);
    for (size_t i = 0; is_same && i < columns; i++)
        is_same = same_column(&a->columns[i], &b->columns[i]);
    return is_same;
}

/* The first byte chooses the protocol and the size of a slice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading whole, sliced;
    if (size == 0)
        return 0;
    const struct ax_row_protocol *protocol = data[0] & 1 ? &ax_feast_get : &ax_feast_write;
    char *copy = calloc(1, size - 1 + 16);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    read_body(&whole, protocol, (struct ax_str){ copy, size - 1 }, SIZE_MAX);
    read_body(&sliced, protocol, (struct ax_str){ copy, size - 1 }, 1 + (size_t)data[0] / 2);
    if (!same(&whole, &sliced))
        abort();
    ax_arena_done(&whole.arena);
    ax_arena_done(&sliced.arena);
    free(copy);
    return 0;
}

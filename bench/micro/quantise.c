/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What turning values into ranks costs: the step between a batch and the programs of mux.h.
 *
 *   quantise MODEL ROWS
 *
 * ROWS is a file of native numbers of the model's input type, row by row. Every byte is first held
 * against a rank that is counted threshold by threshold. Then blocks of 64 rows, and single rows,
 * go round; what is printed is the time of a value (turns.h tells how it is taken).
 */
#include "base/alloc.h"
#include "engine/forest/forest_model.h"
#include "engine/forest/rank_avx2.h"
#include "program.h"
#include "turns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 1024 /* that go round, where there are as many */

struct bench {
    const struct ax_forest_plan *plan;
    struct ax_batch batch;
    struct ax_column *columns;
    const char *rows;
    size_t row_bytes;
    int8_t *ranks;
    uint16_t *row_ranks;
};

static double value_at(const struct bench *b, uint32_t feature, size_t row)
{
    const void *at = ax_column_at(&b->columns[feature], row);
    double value =
        b->plan->compiled.input_type == AX_FP32 ? (double)*(const float *)at : *(const double *)at;
    bool is_zero = b->plan->compiled.flush_zero && fabs(value) <= AX_FOREST_ZERO_MAX;
    return is_zero ? 0 : value;
}

/* How many of a feature's thresholds are <= the value. */
static int32_t count_rank(const struct ax_compiled *compiled, uint32_t feature, double value)
{
    const struct ax_rank_source *source = compiled->ranks;
    while (source->feature != feature)
        source++;
    int32_t rank = 0;
    for (size_t i = 0; i < source->threshold_count; i++)
        rank += compiled->thresholds[source->thresholds_from + i] <= value;
    return rank;
}

static void check_row(const struct bench *b, size_t from, size_t row)
{
    const struct ax_mux *mux = &b->plan->mux;
    for (size_t i = 0; i < mux->source_count; i++) {
        const struct ax_mux_source *source = &mux->sources[i];
        double value = value_at(b, source->feature, from + row);
        int32_t rank = count_rank(&b->plan->compiled, source->feature, value);
        for (uint32_t c = source->column_from; c < source->column_end; c++) {
            const struct ax_mux_column *column = &mux->columns[c];
            bool is_missing = isnan(value) || (column->zero_is_missing && value == 0);
            int32_t wanted = is_missing ? column->missing
                                        : AX_MIN(AX_MAX(rank - column->base, 0), AX_MUX_BOUNDS);
            if (b->ranks[c * AX_MUX_ROWS + row] != wanted - 128)
                die("a rank is not what counting says");
        }
    }
}

static void rank_block(const void *context, size_t number)
{
    const struct bench *b = context;
    ax_mux_rank_avx2(b->plan, &b->batch, number * AX_MUX_ROWS, AX_MUX_ROWS, b->ranks);
}

static void rank_row(const void *context, size_t number)
{
    const struct bench *b = context;
    ax_mux_rank_row_avx2(b->plan, b->rows + number * b->row_bytes, b->row_ranks);
}

static void prepare(struct bench *b, const struct ax_model *model, struct ax_str rows)
{
    enum ax_datatype type = b->plan->compiled.input_type;
    size_t count = model->signature.input_count;
    b->row_bytes = count * ax_datatype_size(type);
    b->rows = rows.ptr;
    b->columns = ax_xalloc(count * sizeof(*b->columns));
    for (size_t i = 0; i < count; i++)
        b->columns[i] =
            (struct ax_column){ .datatype = type,
                                .width = 1,
                                .values = (char *)(uintptr_t)b->rows + i * ax_datatype_size(type),
                                .stride = b->row_bytes };
    b->batch = (struct ax_batch){ rows.len / b->row_bytes, count, b->columns };
    size_t columns = b->plan->mux.column_count;
    b->ranks = aligned_alloc(64, AX_MAX(columns, 1) * AX_MUX_ROWS);
    b->row_ranks = aligned_alloc(64, (AX_MAX(columns, AX_RANKED_COLUMNS_MAX) * 2 + 63) / 64 * 64);
}

int main(int argc, char **argv)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model;
    if (argc != 3)
        die("MODEL ROWS");
    struct ax_buf bytes = read_file(argv[1]), rows = read_file(argv[2]);
    if (setenv(AX_KERNEL_VARIABLE, "avx2", 1) ||
        ax_engine_load(&ax_engine_forest, ax_buf_str(&bytes), NULL, &model, &err))
        die(err.msg);
    struct bench b = { .plan = &container_of(model, struct ax_forest_model, base)->plan };
    if (!b.plan->mux.trees)
        die("this forest has no ranks");
    prepare(&b, model, ax_buf_str(&rows));
    size_t blocks = AX_MIN(b.batch.rows / AX_MUX_ROWS, (size_t)BLOCKS);
    for (size_t block = 0; block < blocks; block++) {
        rank_block(&b, block);
        for (size_t row = 0; row < AX_MUX_ROWS; row += 7)
            check_row(&b, block * AX_MUX_ROWS, row);
    }
    size_t values = b.plan->mux.source_count;
    printf("%zu values a row; parity: as counted\n", values);
    struct turns_part parts[] = {
        { "a value, of blocks of 64 rows", rank_block, &b, blocks, values * AX_MUX_ROWS, { 0 } },
        { "a value, of one row", rank_row, &b, blocks * AX_MUX_ROWS, values, { 0 } },
    };
    turns_take(parts, AX_COUNT(parts) - (b.plan->mux.category_count > 0));
    ax_model_unref(model);
    return 0;
}

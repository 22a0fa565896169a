/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: datatypes have the protocol's names, and views of batches point at the right values.
 * Method: tables of names, good and bad; slices and matrices laid over small arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/batch.h"

static void names_and_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ax_datatype datatype;
        size_t size;
        const char *config_name;
    } known[] = {
        { "BOOL", AX_BOOL, 1, "TYPE_BOOL" },     { "UINT16", AX_UINT16, 2, "TYPE_UINT16" },
        { "INT64", AX_INT64, 8, "TYPE_INT64" },  { "FP16", AX_FP16, 2, "TYPE_FP16" },
        { "BF16", AX_BF16, 2, "TYPE_BF16" },     { "FP32", AX_FP32, 4, "TYPE_FP32" },
        { "BYTES", AX_BYTES, 16, "TYPE_STRING" }
    };
    for (size_t i = 0; i < AX_COUNT(known); i++) {
        enum ax_datatype datatype = AX_DATATYPE_COUNT;
        assert_true(ax_datatype_from_name(ax_str_from(known[i].name), &datatype));
        assert_int_equal(datatype, known[i].datatype);
        assert_string_equal(ax_datatype_name(datatype), known[i].name);
        assert_string_equal(ax_datatype_config_name(datatype), known[i].config_name);
        assert_int_equal(ax_datatype_size(datatype), known[i].size);
    }
}

static void unknown_names(void **state)
{
    (void)state;
    static const char *const unknown[] = { "", "fp32", "FP3", "FP320", "STRING", "TYPE_FP32" };
    for (size_t i = 0; i < AX_COUNT(unknown); i++) {
        enum ax_datatype datatype = AX_INT8;
        assert_false(ax_datatype_from_name(ax_str_from(unknown[i]), &datatype));
        assert_int_equal(datatype, AX_INT8);
    }
}

static void slices(void **state)
{
    (void)state;
    float values[100];
    uint64_t bits[2] = { 0, 1u << 3 };
    for (size_t i = 0; i < AX_COUNT(values); i++)
        values[i] = (float)i;
    struct ax_column columns[] = {
        { .datatype = AX_FP32, .width = 1, .values = values, .stride = 4, .validity = bits },
        { .datatype = AX_FP32, .width = 1, .values = NULL, .stride = 4 },
    };
    struct ax_batch batch = { 100, 2, columns };
    struct ax_column view[2];
    struct ax_batch slice = ax_batch_slice(&batch, 64, 36, view);
    assert_int_equal(slice.rows, 36);
    assert_true(*(float *)ax_column_at(&slice.columns[0], 3) == 67.0f);
    assert_true(ax_column_is_valid(&slice.columns[0], 3));
    assert_false(ax_column_is_valid(&slice.columns[0], 4));
    assert_null(slice.columns[1].values);
    assert_true(ax_column_is_valid(&slice.columns[1], 4));
}

static struct ax_column plain_column(enum ax_datatype datatype, void *values, size_t stride)
{
    return (
        struct ax_column){ .datatype = datatype, .width = 1, .values = values, .stride = stride };
}

static void matrix(void **state)
{
    (void)state;
    float values[12];
    uint64_t bits[1] = { 0 };
    struct ax_column columns[3];
    for (size_t i = 0; i < 3; i++)
        columns[i] = plain_column(AX_FP32, values + i, 12);
    struct ax_batch batch = { 4, 3, columns };
    assert_true(ax_batch_is_matrix(&batch, AX_FP32));
    assert_false(ax_batch_is_matrix(&batch, AX_FP64));
    assert_false(ax_batch_is_matrix(&(struct ax_batch){ 4, 0, columns }, AX_FP32));

    struct ax_column changed[] = {
        plain_column(AX_FP32, values + 2, 12),  plain_column(AX_FP32, values + 1, 16),
        plain_column(AX_FP32, values + 1, 12),  plain_column(AX_FP32, values + 1, 12),
        plain_column(AX_INT32, values + 1, 12),
    };
    changed[2].width = 2;
    changed[3].validity = bits;
    for (size_t i = 0; i < AX_COUNT(changed); i++) {
        columns[1] = changed[i];
        assert_false(ax_batch_is_matrix(&batch, AX_FP32));
    }
    /* What the maker says is believed, of these columns and of this datatype alone. */
    columns[0].matrix_columns = 3;
    assert_true(ax_batch_is_matrix(&batch, AX_FP32));
    assert_false(ax_batch_is_matrix(&batch, AX_FP64));
    columns[0].matrix_columns = 2;
    assert_false(ax_batch_is_matrix(&batch, AX_FP32));

    /* Rows that overlap are no matrix. */
    for (size_t i = 0; i < 3; i++)
        columns[i] = plain_column(AX_FP32, values + i, 8);
    assert_false(ax_batch_is_matrix(&batch, AX_FP32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_sizes),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(slices),
        cmocka_unit_test(matrix),
    };
    return cmocka_run_group_tests_name("data/batch", tests, NULL, NULL);
}

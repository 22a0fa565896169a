/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an element of every datatype arrives in every kind of field as the same value in JSON
 * would, at every address, and what does not fit is refused. Method: a table of elements and what
 * they are; each as a column of floats of both widths, and as part of a whole row; wants of other
 * fields apart. Blobs in bodies are in test_oip_infer.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/oip_blob.h"

#include <math.h>

#define ELEMENT(datatype, literal, value) { datatype, { literal, sizeof(literal) - 1 }, value }

static const struct {
    enum ax_datatype datatype;
    struct ax_str bytes;
    double value;
} elements[] = {
    ELEMENT(AX_BOOL, "\0", 0),
    ELEMENT(AX_BOOL, "\1", 1),
    ELEMENT(AX_UINT8, "\xff", 255),
    ELEMENT(AX_UINT16, "\x02\xff", 65282),
    ELEMENT(AX_UINT32, "\x01\0\0\xff", 4278190081),
    ELEMENT(AX_UINT64, "\xff\xff\xff\xff\xff\xff\xff\xff", 0x1p64),
    ELEMENT(AX_INT8, "\x80", -128),
    ELEMENT(AX_INT8, "\x7f", 127),
    ELEMENT(AX_INT16, "\xfe\xff", -2),
    ELEMENT(AX_INT32, "\0\0\0\x80", -0x1p31),
    ELEMENT(AX_INT32, "\x01\0\0\x01", 16777217),
    ELEMENT(AX_INT64, "\0\0\0\0\0\0\0\x80", -0x1p63),
    ELEMENT(AX_INT64, "\xff\xff\xff\xff\xff\xff\xff\xff", -1),
    ELEMENT(AX_FP16, "\x00\x3c", 1),
    ELEMENT(AX_FP16, "\x00\xc0", -2),
    ELEMENT(AX_FP16, "\x55\x35", 0x1.554p-2),
    ELEMENT(AX_FP16, "\xff\x7b", 65504),
    ELEMENT(AX_FP16, "\x01\x00", 0x1p-24),
    ELEMENT(AX_FP16, "\xff\x03", 0x1.ff8p-15),
    ELEMENT(AX_FP16, "\x00\x04", 0x1p-14),
    ELEMENT(AX_FP16, "\x00\x80", -0.0),
    ELEMENT(AX_FP16, "\x00\x7c", INFINITY),
    ELEMENT(AX_FP16, "\x00\xfc", -INFINITY),
    ELEMENT(AX_FP16, "\x00\x7e", NAN),
    ELEMENT(AX_FP16, "\x01\xfc", NAN),
    ELEMENT(AX_BF16, "\x80\x3f", 1),
    ELEMENT(AX_BF16, "\x01\x00", 0x1p-133),
    ELEMENT(AX_BF16, "\x7f\xff", -0x1.fep127),
    ELEMENT(AX_BF16, "\x80\xff", -INFINITY),
    ELEMENT(AX_BF16, "\xc0\x7f", NAN),
    ELEMENT(AX_FP32, "\xcd\xcc\xcc\x3d", (double)0.1F),
    ELEMENT(AX_FP32, "\0\0\xc0\x7f", NAN),
    ELEMENT(AX_FP64, "\x9a\x99\x99\x99\x99\x99\xb9\x3f", 0.1),
    ELEMENT(AX_FP64, "\0\0\0\0\0\0\xf0\x7f", INFINITY),
    ELEMENT(AX_FP64, "\xa0\xc8\xeb\x85\xf3\xcc\xe1\x7f", 1e308),
};

enum { SINGLE, DOUBLE, WHOLE, FLAG, FIELD_COUNT };

struct fixture {
    struct ax_signature signature;
    struct ax_arena arena;
    struct ax_rows rows;
    struct ax_err err;
};

static struct fixture fixture;

static int set_up(void **state)
{
    static const enum ax_datatype datatypes[] = { AX_FP32, AX_FP64, AX_INT16, AX_BOOL };
    static const char *const names[] = { "single", "double", "whole", "flag" };
    struct fixture *f = &fixture;
    *state = f;
    *f = (struct fixture){ .err = AX_ERR_INIT };
    ax_arena_init(&f->arena, 4096, 1 << 20);
    assert_int_equal(ax_signature_init(&f->signature, FIELD_COUNT, 0, &f->err), 0);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        f->signature.inputs[i].datatype = datatypes[i];
        assert_int_equal(ax_signature_name_input(&f->signature, i, ax_str_from(names[i]), &f->err),
                         0);
    }
    assert_int_equal(ax_rows_init(&f->rows, &f->signature, 3, &f->arena, &f->err), 0);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ax_arena_done(&f->arena);
    ax_signature_done(&f->signature);
    return 0;
}

static void assert_same_f64(double a, double b)
{
    if (!isnan(a) || !isnan(b))
        assert_memory_equal(&a, &b, sizeof(a));
}

/* Three elements in a row, one byte further in each run. */
static void test_floats(void **state)
{
    struct fixture *f = *state;
    char bytes[64];
    for (size_t i = 0; i < AX_COUNT(elements); i++) {
        size_t size = elements[i].bytes.len;
        assert_int_equal(size, ax_blob_element_size(elements[i].datatype));
        for (size_t off = 0; off < 8; off++) {
            for (size_t k = 0; k < 3; k++)
                memcpy(bytes + off + k * size, elements[i].bytes.ptr, size);
            for (size_t column = SINGLE; column <= DOUBLE; column++) {
                struct ax_blob blob = { .bytes = { bytes + off, 3 * size },
                                        .datatype = elements[i].datatype,
                                        .column = column,
                                        .width = 1 };
                ax_rows_clear(&f->rows, 0, 3);
                assert_int_equal(ax_blob_read(&blob, &f->rows, 1, &f->err), 0);
                assert_int_equal(ax_blob_read(&blob, &f->rows, 2, &f->err), 0);
                assert_int_equal(blob.at, 3 * size);
                for (size_t row = 0; row < 3; row++) {
                    const void *at = ax_column_at(&f->rows.columns[column], row);
                    if (column == DOUBLE)
                        assert_same_f64(*(const double *)at, elements[i].value);
                    else
                        assert_same_f64((double)*(const float *)at,
                                        (double)(float)elements[i].value);
                }
            }
        }
    }
}

static void test_whole_rows(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] = "\x01\x02\xfd\x01"
                                "\x04\x05\x06\x00";
    struct ax_blob blob = {
        .bytes = { bytes, 8 }, .datatype = AX_INT8, .column = 0, .width = FIELD_COUNT
    };
    /* Numbers are no BOOL field's, but 0 and 1 are. */
    assert_int_equal(ax_blob_read(&blob, &f->rows, 8, &f->err), 0);
    assert_true(*(float *)ax_column_at(&f->rows.columns[SINGLE], 1) == 4);
    assert_true(*(double *)ax_column_at(&f->rows.columns[DOUBLE], 0) == 2);
    assert_int_equal(*(int16_t *)ax_column_at(&f->rows.columns[WHOLE], 0), -3);
    assert_true(ax_column_is_valid(&f->rows.columns[WHOLE], 1));
    assert_false(ax_column_is_valid(&f->rows.columns[WHOLE], 2));
    assert_int_equal(*(uint8_t *)ax_column_at(&f->rows.columns[FLAG], 0), 1);
}

static void test_refused(void **state)
{
    static const struct {
        enum ax_datatype datatype;
        size_t column;
        struct ax_str bytes;
        const char *error;
    } cases[] = {
        { AX_BOOL, FLAG, { "\2", 1 }, "input 'flag', element 0: a BOOL is a byte 0 or 1, found 2" },
        { AX_BOOL, SINGLE, { "\xff", 1 }, "a BOOL is a byte 0 or 1, found 255" },
        { AX_INT8, FLAG, { "\2", 1 }, "input 'flag', row 0: the number does not fit BOOL" },
        { AX_FP16, WHOLE, { "\x00\x38", 2 }, "a number with a fraction" },
        { AX_FP32, WHOLE, { "\0\0\xc0\x7f", 4 }, "found NaN" },
        { AX_UINT16, WHOLE, { "\0\x80", 2 }, "does not fit INT16" },
        { AX_BYTES, WHOLE, { "\1\0\0\0x", 5 }, "found the text 'x' where a whole number" },
        { AX_BYTES, WHOLE, { "\1\0\0", 3 }, "element 0: a text's length takes 4 bytes" },
        { AX_BYTES, WHOLE, { "\1\0\0\0", 4 }, "the text has 1 bytes, only 0 are left" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_blob blob = { .bytes = cases[i].bytes,
                                .datatype = cases[i].datatype,
                                .column = cases[i].column,
                                .width = 1 };
        ax_err_clear(&f->err);
        assert_int_equal(ax_blob_read(&blob, &f->rows, 1, &f->err), AX_E_INVALID);
        assert_non_null(strstr(f->err.msg, cases[i].error));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_floats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("server/api/oip_blob", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: values arrive in the engine's datatypes as documented, and what does not fit is refused
 * with the input's name and the row.
 * Method: one signature with a field of each kind; tables of conversions, good and bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows.h"
#include "torture.h"

#include <math.h>

enum { FLAG, SMALL, SIGNED, BIG, SINGLE, DOUBLE, CARRIER, TEXT, FIELD_COUNT };

static const struct {
    const char *name;
    enum ax_datatype datatype;
} fields[] = {
    [FLAG] = { "flag", AX_BOOL },       [SMALL] = { "small", AX_UINT8 },
    [SIGNED] = { "signed", AX_INT16 },  [BIG] = { "big", AX_UINT64 },
    [SINGLE] = { "single", AX_FP32 },   [DOUBLE] = { "double", AX_FP64 },
    [CARRIER] = { "carrier", AX_FP32 }, [TEXT] = { "text", AX_BYTES },
};

struct fixture {
    struct ax_signature signature;
    struct ax_arena arena;
    struct ax_rows rows;
    struct ax_err err;
    bool ready;
};

static struct fixture fixture;

/* Signature and 70 rows; not ready when the torture run refused an allocation on the way. */
static int set_up(void **state)
{
    struct fixture *f = &fixture;
    const struct ax_str carriers[] = { AX_STR("UA"), AX_STR("AA") };
    *state = f;
    *f = (struct fixture){ .err = AX_ERR_INIT };
    ax_arena_init(&f->arena, 4096, 1 << 20);
    if (ax_signature_init(&f->signature, FIELD_COUNT, 0, &f->err))
        return 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        f->signature.inputs[i].datatype = fields[i].datatype;
        if (ax_signature_name_input(&f->signature, i, ax_str_from(fields[i].name), &f->err))
            return 0;
    }
    f->ready = !ax_signature_add_dictionary(&f->signature, CARRIER, carriers, 2, &f->err) &&
               !ax_rows_init(&f->rows, &f->signature, 70, &f->arena, &f->err);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ax_arena_done(&f->arena);
    ax_signature_done(&f->signature);
    return 0;
}

static bool is_ready(const struct fixture *f)
{
    if (f->ready)
        return true;
    assert_true(ax_torture_struck());
    assert_int_equal(f->err.code, AX_E_LIMIT);
    return false;
}

/* A cell as f64; NAN when missing. */
static double cell(const struct fixture *f, size_t row, size_t input)
{
    struct ax_batch batch = ax_rows_batch(&f->rows);
    const struct ax_column *column = &batch.columns[input];
    if (!ax_column_is_valid(column, row))
        return NAN;
    const void *at = ax_column_at(column, row);
    switch (input) {
    case FLAG:
        return *(const bool *)at;
    case SMALL:
        return *(const uint8_t *)at;
    case SIGNED:
        return *(const int16_t *)at;
    case BIG:
        return (double)*(const uint64_t *)at;
    case DOUBLE:
        return *(const double *)at;
    default:
        return *(const float *)at;
    }
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

static void everything_is_missing_at_first(void **state)
{
    struct fixture *f = *state;
    if (!is_ready(f))
        return;
    assert_false(f->rows.is_matrix);
    assert_int_equal(f->rows.row_bytes % 8, 0);
    assert_int_equal((uintptr_t)f->rows.block % 64, 0);
    for (size_t row = 0; row < 70; row++)
        for (size_t i = 0; i < FIELD_COUNT - 1; i++)
            assert_true(isnan(cell(f, row, i)));
    assert_false(ax_column_is_valid(&f->rows.columns[TEXT], 69));
}

static void good_numbers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t input;
        double value, expected;
    } good[] = {
        { FLAG, 1, 1 },
        { FLAG, 0, 0 },
        { SMALL, 255, 255 },
        { SMALL, -0.0, 0 },
        { SIGNED, -32768, -32768 },
        { SIGNED, 32767, 32767 },
        { BIG, 0x1p63, 0x1p63 },
        { SINGLE, 0.1, 0x1.99999ap-4 },
        { SINGLE, -0.0, -0.0 },
        { SINGLE, 1e39, INFINITY },
        { SINGLE, -1e39, -INFINITY },
        { SINGLE, 16777217, 16777216 },
        /* Half-way cases go to the even neighbour; a hair above does not. */
        { SINGLE, 0x1.000001p0, 1 },
        { SINGLE, 0x1.000003p0, 0x1.000004p0 },
        { SINGLE, 0x1.0000010000001p0, 0x1.000002p0 },
        { SINGLE, 1e-45, 0x1p-149 },
        { SINGLE, 0x1p-150, 0 },
        { SINGLE, 0x1.fffffeffffffep127, 0x1.fffffep127 },
        { SINGLE, NAN, NAN },
        { DOUBLE, 0.1, 0.1 },
        { DOUBLE, -INFINITY, -INFINITY },
        { CARRIER, 1, 1 },
        /* Numbers for a category are the engine's business, as they are the library's. */
        { CARRIER, 7, 7 },
        { CARRIER, -1, -1 },
    };
    if (!is_ready(f))
        return;
    for (size_t i = 0; i < AX_COUNT(good); i++) {
        assert_int_equal(ax_rows_set_f64(&f->rows, 65, good[i].input, good[i].value, &f->err), 0);
        assert_true(same(cell(f, 65, good[i].input), good[i].expected));
        assert_true(isnan(cell(f, 64, good[i].input)));
        assert_true(isnan(cell(f, 66, good[i].input)));
    }
}

static void bad_numbers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t input;
        double value;
        const char *message;
    } bad[] = {
        { FLAG, 2, "input 'flag', row 3: the number does not fit BOOL (0 to 1)" },
        { SMALL, 256, "input 'small', row 3: the number does not fit UINT8 (0 to 255)" },
        { SMALL, -1, "input 'small', row 3: the number does not fit UINT8 (0 to 255)" },
        { SMALL, 1.5,
          "input 'small', row 3: found a number with a fraction where a whole number is wanted" },
        { SMALL, NAN, "input 'small', row 3: found NaN where a whole number is wanted" },
        { SIGNED, 32768, "input 'signed', row 3: the number does not fit INT16 (-32768 to 32767)" },
        { SIGNED, -32769,
          "input 'signed', row 3: the number does not fit INT16 (-32768 to 32767)" },
        { BIG, 0x1p64,
          "input 'big', row 3: the number does not fit UINT64 (0 to 18446744073709551615)" },
        { BIG, INFINITY,
          "input 'big', row 3: the number does not fit UINT64 (0 to 18446744073709551615)" },
        { BIG, -0x1.0000000000001p63,
          "input 'big', row 3: the number does not fit UINT64 (0 to 18446744073709551615)" },
        { TEXT, 1, "input 'text', row 3: found a number where a text is wanted" },
    };
    if (!is_ready(f))
        return;
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        ax_err_clear(&f->err);
        assert_int_equal(ax_rows_set_f64(&f->rows, 3, bad[i].input, bad[i].value, &f->err),
                         AX_E_INVALID);
        assert_string_equal(f->err.msg, bad[i].message);
        if (bad[i].input != TEXT)
            assert_true(isnan(cell(f, 3, bad[i].input)));
    }
}

static void integers(void **state)
{
    struct fixture *f = *state;
    if (!is_ready(f))
        return;
    assert_int_equal(ax_rows_set_u64(&f->rows, 0, BIG, UINT64_MAX, &f->err), 0);
    assert_true(*(uint64_t *)ax_column_at(&f->rows.columns[BIG], 0) == UINT64_MAX);
    assert_int_equal(ax_rows_set_i64(&f->rows, 0, SIGNED, -5, &f->err), 0);
    assert_true(cell(f, 0, SIGNED) == -5);
    assert_int_equal(ax_rows_set_i64(&f->rows, 0, SINGLE, INT64_MIN, &f->err), 0);
    assert_true(cell(f, 0, SINGLE) == -0x1p63);
    assert_int_equal(ax_rows_set_u64(&f->rows, 0, DOUBLE, UINT64_MAX, &f->err), 0);
    assert_true(cell(f, 0, DOUBLE) == 0x1p64);

    assert_int_equal(ax_rows_set_i64(&f->rows, 1, BIG, -1, &f->err), AX_E_INVALID);
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_set_u64(&f->rows, 1, SIGNED, 32768, &f->err), AX_E_INVALID);
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_set_i64(&f->rows, 1, TEXT, 1, &f->err), AX_E_INVALID);
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_set_u64(&f->rows, 1, TEXT, 1, &f->err), AX_E_INVALID);
}

static void booleans(void **state)
{
    struct fixture *f = *state;
    static const size_t takes[] = { FLAG, SINGLE, DOUBLE };
    static const size_t refuses[] = { SMALL, BIG, CARRIER, TEXT };
    if (!is_ready(f))
        return;
    for (size_t i = 0; i < AX_COUNT(takes); i++) {
        assert_int_equal(ax_rows_set_bool(&f->rows, 1, takes[i], true, &f->err), 0);
        assert_true(cell(f, 1, takes[i]) == 1);
        assert_int_equal(ax_rows_set_bool(&f->rows, 1, takes[i], false, &f->err), 0);
        assert_true(cell(f, 1, takes[i]) == 0);
    }
    for (size_t i = 0; i < AX_COUNT(refuses); i++) {
        ax_err_clear(&f->err);
        assert_int_equal(ax_rows_set_bool(&f->rows, 1, refuses[i], true, &f->err), AX_E_INVALID);
        assert_non_null(strstr(f->err.msg, "row 1: found true where "));
    }
}

static void texts(void **state)
{
    struct fixture *f = *state;
    if (!is_ready(f))
        return;
    struct ax_str text = AX_STR("N14228");
    assert_int_equal(ax_rows_set_str(&f->rows, 0, TEXT, text, &f->err), 0);
    assert_true(ax_column_is_valid(&f->rows.columns[TEXT], 0));
    struct ax_str *at = ax_column_at(&f->rows.columns[TEXT], 0);
    assert_ptr_equal(at->ptr, text.ptr);
    assert_int_equal(ax_rows_set_str(&f->rows, 0, SINGLE, AX_STR("12"), &f->err), AX_E_INVALID);
    assert_string_equal(f->err.msg,
                        "input 'single', row 0: found the text '12' where a number is wanted");
}

static void category_names(void **state)
{
    struct fixture *f = *state;
    if (!is_ready(f))
        return;
    assert_int_equal(ax_rows_set_str(&f->rows, 0, CARRIER, AX_STR("AA"), &f->err), 0);
    assert_true(cell(f, 0, CARRIER) == 1);
    assert_int_equal(ax_rows_set_str(&f->rows, 1, CARRIER, AX_STR("AAA"), &f->err), AX_E_INVALID);
    assert_string_equal(f->err.msg,
                        "input 'carrier', row 1: unknown category 'AAA'; nearest is 'AA'");
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_set_str(&f->rows, 1, CARRIER, AX_STR("Lufthansa"), &f->err),
                     AX_E_INVALID);
    assert_string_equal(f->err.msg, "input 'carrier', row 1: unknown category 'Lufthansa'");
    ax_err_clear(&f->err);
    f->rows.first_number = 41; /* rows are numbered over a whole file */
    assert_int_equal(ax_rows_set_str(&f->rows, 1, CARRIER, AX_STR("Lufthansa"), &f->err),
                     AX_E_INVALID);
    assert_string_equal(f->err.msg, "input 'carrier', row 42: unknown category 'Lufthansa'");
    ax_err_clear(&f->err);
    f->signature.unknown_category_is_missing = true;
    assert_int_equal(ax_rows_set_str(&f->rows, 0, CARRIER, AX_STR("ZZ"), &f->err), 0);
    assert_true(isnan(cell(f, 0, CARRIER)));
}

/* Categories 20, 10, -3, 0.5 and 007 in FP32 and in INT32; the number, and which it is: -1 is an
 * unknown one. */
static const struct {
    double number;
    int index;
} named_numbers[] = {
    { 10, 1 },    { 20, 0 },   { -3, 2 },        { 0.5, 3 },          { 1, -1 },     { 0, -1 },
    { 10.5, -1 }, { -10, -1 }, { INFINITY, -1 }, { 7, -1 /* 007 */ }, { 1e300, -1 }, { 3e18, -1 },
};

static bool begin_numbered(struct fixture *f, struct ax_signature *signature, struct ax_rows *rows)
{
    const struct ax_str names[] = { AX_STR("20"), AX_STR("10"), AX_STR("-3"), AX_STR("0.5"),
                                    AX_STR("007") };
    f->err = (struct ax_err)AX_ERR_INIT;
    if (ax_signature_init(signature, 2, 0, &f->err))
        return false;
    signature->inputs[1].datatype = AX_INT32;
    for (size_t i = 0; i < 2; i++)
        if (ax_signature_name_input(signature, i, i ? AX_STR("b") : AX_STR("a"), &f->err) ||
            ax_signature_add_dictionary(signature, i, names, AX_COUNT(names), &f->err))
            return false;
    return !ax_rows_init(rows, signature, 1, &f->arena, &f->err);
}

static double numbered_cell(const struct ax_rows *rows, size_t input)
{
    const void *at = ax_column_at(&rows->columns[input], 0);
    return input ? *(const int32_t *)at : *(const float *)at;
}

/* By the setter of f64, and of i64 and u64 where they can say it. */
static void numbered_check(struct ax_rows *rows, size_t input, size_t i)
{
    double number = named_numbers[i].number;
    bool is_whole = number == trunc(number) && fabs(number) < 9e18;
    for (int setter = 0; setter < 3; setter++) {
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = AX_OK;
        if (setter > 0 && (!is_whole || (setter == 2 && number < 0)))
            continue;
        if (setter == 0)
            code = ax_rows_set_f64(rows, 0, input, number, &err);
        else if (setter == 1)
            code = ax_rows_set_i64(rows, 0, input, (int64_t)number, &err);
        else
            code = ax_rows_set_u64(rows, 0, input, (uint64_t)number, &err);
        assert_int_equal(code, named_numbers[i].index < 0 ? AX_E_INVALID : AX_OK);
        if (code)
            assert_non_null(strstr(err.msg, "row 0: unknown category '"));
        else
            assert_true(numbered_cell(rows, input) == named_numbers[i].index);
    }
}

static void numbers_that_are_names(void **state)
{
    struct fixture *f = *state;
    struct ax_signature signature;
    struct ax_rows rows;
    if (!is_ready(f))
        return;
    if (!begin_numbered(f, &signature, &rows)) {
        assert_true(ax_torture_struck());
        ax_signature_done(&signature);
        return;
    }
    for (size_t input = 0; input < 2; input++) {
        assert_true(ax_rows_names_by_number(&rows, input));
        for (size_t i = 0; i < AX_COUNT(named_numbers); i++)
            numbered_check(&rows, input, i);
        assert_int_equal(ax_rows_set_f64(&rows, 0, input, NAN, &f->err), AX_OK);
    }
    assert_true(isnan(numbered_cell(&rows, 0)) && !ax_column_is_valid(&rows.columns[1], 0));
    assert_int_equal(ax_rows_set_i64(&rows, 0, 0, 11, &f->err), AX_E_INVALID);
    assert_non_null(strstr(f->err.msg, "input 'a', row 0: unknown category '11'"));
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_set_f64(&rows, 0, 0, 10, &f->err), AX_OK);
    signature.unknown_category_is_missing = true;
    assert_int_equal(ax_rows_set_f64(&rows, 0, 0, 11, &f->err), AX_OK);
    assert_true(isnan(numbered_cell(&rows, 0)));
    /* In the library's own matrix they are codes. */
    rows.takes_codes = true;
    assert_false(ax_rows_names_by_number(&rows, 0));
    assert_int_equal(ax_rows_set_i64(&rows, 0, 0, 10, &f->err), AX_OK);
    assert_int_equal(ax_rows_set_f64(&rows, 0, 1, 20, &f->err), AX_OK);
    assert_true(numbered_cell(&rows, 0) == 10 && numbered_cell(&rows, 1) == 20);
    ax_signature_done(&signature);
}

static void long_texts_do_not_hide_the_message(void **state)
{
    struct fixture *f = *state;
    char text[1000];
    if (!is_ready(f))
        return;
    memset(text, 'x', sizeof(text));
    assert_int_equal(
        ax_rows_set_str(&f->rows, 0, SINGLE, (struct ax_str){ text, sizeof(text) }, &f->err),
        AX_E_INVALID);
    assert_non_null(strstr(f->err.msg, "x' where a number is wanted"));
}

static void finishing(void **state)
{
    struct fixture *f = *state;
    if (!is_ready(f))
        return;
    struct ax_input *inputs = f->signature.inputs;
    inputs[SMALL].has_default = inputs[SINGLE].has_default = inputs[TEXT].has_default = true;
    inputs[SMALL].default_number = 150;
    inputs[SINGLE].default_number = 0.5;
    inputs[TEXT].default_text = AX_STR("none");
    inputs[DOUBLE].required = true;
    if (ax_rows_init(&f->rows, &f->signature, 70, &f->arena, &f->err)) {
        assert_true(ax_torture_struck());
        return;
    }
    for (size_t row = 0; row < 69; row++)
        assert_int_equal(ax_rows_set_f64(&f->rows, row, DOUBLE, 1, &f->err), 0);
    assert_int_equal(ax_rows_set_f64(&f->rows, 0, SMALL, 1, &f->err), 0);
    assert_int_equal(ax_rows_set_f64(&f->rows, 1, SMALL, 1, &f->err), 0);
    ax_rows_set_missing(&f->rows, 1, SMALL);

    assert_int_equal(ax_rows_finish(&f->rows, 0, 64, &f->err), 0);
    assert_true(cell(f, 0, SMALL) == 1);
    assert_true(cell(f, 1, SMALL) == 150);
    assert_true(cell(f, 63, SINGLE) == 0.5);
    assert_true(isnan(cell(f, 64, SINGLE)));
    assert_true(isnan(cell(f, 0, SIGNED)));
    assert_true(ax_str_is(*(struct ax_str *)ax_column_at(&f->rows.columns[TEXT], 5), "none"));
    assert_int_equal(ax_rows_finish(&f->rows, 64, 70, &f->err), AX_E_INVALID);
    assert_string_equal(f->err.msg,
                        "input 'double', row 69: found no value where a number is wanted");
}

static void all_fp32_is_a_matrix(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    struct ax_arena arena;
    struct ax_rows rows;
    ax_arena_init(&arena, 4096, 1 << 20);
    if (ax_signature_init(&signature, 3, 0, &err)) {
        assert_true(ax_torture_struck());
        return;
    }
    signature.inputs[1].has_default = true;
    signature.inputs[1].default_number = 3;
    if (ax_rows_init(&rows, &signature, 5, &arena, &err)) {
        assert_true(ax_torture_struck());
        goto done;
    }
    assert_true(rows.is_matrix && rows.matrix_type == AX_FP32);
    assert_int_equal(rows.row_bytes, 12);
    struct ax_batch batch = ax_rows_batch(&rows);
    assert_true(ax_batch_is_matrix(&batch, AX_FP32));
    ax_rows_matrix(&rows, 4)[2] = 7;
    assert_true(*(float *)ax_column_at(&batch.columns[2], 4) == 7);
    assert_int_equal(ax_rows_finish(&rows, 0, 5, &err), 0);
    assert_true(ax_rows_matrix(&rows, 4)[1] == 3);
    assert_true(isnan(ax_rows_matrix(&rows, 4)[0]));
    for (size_t i = 0; i < 3; i++) {
        signature.inputs[i].datatype = AX_FP64;
        if (ax_rows_init(&rows, &signature, 5, &arena, &err)) {
            assert_true(ax_torture_struck());
            goto done;
        }
        assert_true(rows.is_matrix == (i == 2)); /* mixtures are none */
    }
    assert_true(rows.matrix_type == AX_FP64 && rows.row_bytes == 24);
    assert_true(isnan(ax_rows_matrix_f64(&rows, 4)[2]));
    assert_int_equal(ax_rows_set_f64(&rows, 4, 2, 0.1, &err), 0);
    assert_true(ax_rows_matrix_f64(&rows, 4)[2] == 0.1);
    batch = ax_rows_batch(&rows);
    assert_true(ax_batch_is_matrix(&batch, AX_FP64));
    /* Which rows say themselves, and which is so. */
    assert_int_equal(batch.columns[0].matrix_columns, 3);
    batch.columns[0].matrix_columns = 0;
    assert_true(ax_batch_is_matrix(&batch, AX_FP64));
done:
    ax_arena_done(&arena);
    ax_signature_done(&signature);
}

/* What lies right is viewed where it lies; everything else has to be copied. */
static void values_are_viewed_where_they_lie(void **state)
{
    (void)state;
    static const enum ax_datatype datatypes[] = { AX_FP32, AX_FP64 };
    _Alignas(16) static const double values[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, 1 << 20);
    if (ax_signature_init(&signature, 2, 0, &err)) {
        assert_true(ax_torture_struck());
        return;
    }
    for (size_t i = 0; i < AX_COUNT(datatypes); i++) {
        size_t size = ax_datatype_size(datatypes[i]);
        signature.inputs[0].datatype = signature.inputs[1].datatype = datatypes[i];
        const char *at = (const char *)values + size;
        assert_true(ax_rows_can_view(&signature, datatypes[i], at));
        assert_false(ax_rows_can_view(&signature, datatypes[1 - i], values));
        for (size_t off = 1; off < size; off++)
            assert_false(ax_rows_can_view(&signature, datatypes[i], at + off));
        struct ax_rows rows;
        if (ax_rows_view(&rows, &signature, 3, at, &arena, &err)) {
            assert_true(ax_torture_struck());
            break;
        }
        struct ax_batch batch = ax_rows_batch(&rows);
        assert_int_equal(batch.rows, 3);
        assert_true(ax_batch_is_matrix(&batch, datatypes[i]));
        for (size_t k = 0; k < 6; k++)
            assert_ptr_equal(ax_column_at(&batch.columns[k % 2], k / 2), at + k * size);
        assert_int_equal(ax_rows_finish(&rows, 0, 3, &err), 0);
        signature.rows_max = 2;
        assert_int_equal(ax_rows_view(&rows, &signature, 3, at, &arena, &err), AX_E_INVALID);
        signature.rows_max = SIZE_MAX;
        ax_err_clear(&err);
        /* A default would be written into what is not ours. */
        signature.inputs[1].has_default = true;
        assert_false(ax_rows_can_view(&signature, datatypes[i], at));
        signature.inputs[1].has_default = false;
    }
    signature.inputs[1].datatype = AX_INT64;
    assert_false(ax_rows_can_view(&signature, AX_FP64, values));
    signature.inputs[0].datatype = AX_INT64;
    assert_false(ax_rows_can_view(&signature, AX_INT64, values));
    ax_arena_done(&arena);
    ax_signature_done(&signature);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct ax_rows rows;
    if (!is_ready(f))
        return;
    f->signature.rows_max = 8;
    assert_int_equal(ax_rows_init(&rows, &f->signature, 9, &f->arena, &f->err), AX_E_INVALID);
    assert_string_equal(f->err.msg, "inference request batch-size must be <= 8");
    ax_err_clear(&f->err);
    f->signature.rows_max = SIZE_MAX;
    assert_int_equal(ax_rows_init(&rows, &f->signature, 1 << 20, &f->arena, &f->err),
                     AX_E_TOO_LARGE);
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_init(&rows, &f->signature, SIZE_MAX / 2, &f->arena, &f->err),
                     AX_E_TOO_LARGE);
    ax_err_clear(&f->err);
    assert_int_equal(ax_rows_init(&rows, &f->signature, 0, &f->arena, &f->err), 0);
    assert_int_equal(ax_rows_batch(&rows).rows, 0);
    assert_int_equal(ax_rows_finish(&rows, 0, 0, &f->err), 0);
    f->signature.inputs[SINGLE].datatype = AX_FP16;
    assert_int_equal(ax_rows_init(&rows, &f->signature, 1, &f->arena, &f->err), AX_E_UNSUPPORTED);
}

#define ROWS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The text's number, or its length: so that numbers can be told from their texts. */
static uint32_t text_hash(struct ax_str text)
{
    int64_t number;
    return ax_str_to_i64(text, &number) ? (uint32_t)number : (uint32_t)text.len + 1000;
}

/* One input, whose categories are 5, -7 and all texts of two letters. */
static bool begin_hashed(struct fixture *f, struct ax_signature *signature, struct ax_rows *rows)
{
    const uint32_t hashes[] = { 5, (uint32_t)-7, 1002 };
    f->err = (struct ax_err)AX_ERR_INIT;
    if (ax_signature_init(signature, 1, 0, &f->err))
        return false;
    signature->inputs[0].required = true;
    return !ax_signature_name_input(signature, 0, AX_STR("c"), &f->err) &&
           !ax_signature_add_hashes(signature, 0, text_hash, hashes, 3, &f->err) &&
           !ax_rows_init(rows, signature, 2, &f->arena, &f->err);
}

static float hashed_cell(const struct ax_rows *rows)
{
    return *(const float *)ax_column_at(&rows->columns[0], 0);
}

static void categories_by_hash_take_anything(void **state)
{
    struct fixture *f = *state;
    struct ax_signature signature;
    struct ax_rows rows;
    if (!is_ready(f))
        return;
    if (!begin_hashed(f, &signature, &rows)) {
        assert_true(ax_torture_struck());
        ax_signature_done(&signature);
        return;
    }
    struct ax_err *err = &f->err;
    /* Numbers may not be written past the hash, nor read where they lie. */
    const float numbers[2] = { 0 };
    assert_false(rows.is_matrix);
    assert_false(ax_rows_can_view(&signature, AX_FP32, numbers));
    assert_int_equal(ax_rows_set_str(&rows, 0, 0, AX_STR("xy"), err), AX_OK);
    assert_true(hashed_cell(&rows) == 2);
    assert_int_equal(ax_rows_set_str(&rows, 0, 0, AX_STR("5"), err), AX_OK);
    assert_true(hashed_cell(&rows) == 0);
    assert_int_equal(ax_rows_set_str(&rows, 0, 0, AX_STR("unknown"), err), AX_OK);
    assert_true(hashed_cell(&rows) == 3);
    assert_int_equal(ax_rows_set_i64(&rows, 0, 0, -7, err), AX_OK);
    assert_true(hashed_cell(&rows) == 1);
    assert_int_equal(ax_rows_set_i64(&rows, 0, 0, INT64_MIN, err), AX_OK);
    assert_true(hashed_cell(&rows) == 3);
    assert_int_equal(ax_rows_set_u64(&rows, 0, 0, 5, err), AX_OK);
    assert_true(hashed_cell(&rows) == 0);
    assert_int_equal(ax_rows_set_f64(&rows, 0, 0, -7, err), AX_OK);
    assert_true(hashed_cell(&rows) == 1);
    assert_int_equal(ax_rows_set_f64(&rows, 0, 0, 2, err), AX_OK); /* no index */
    assert_true(hashed_cell(&rows) == 3);
    static const double bad[] = { 1.5, INFINITY, -1e300, 18446744073709551616.0 };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        *err = (struct ax_err)AX_ERR_INIT;
        assert_int_equal(ax_rows_set_f64(&rows, 0, 0, bad[i], err), AX_E_INVALID);
        assert_non_null(strstr(err->msg, "a category, as text or as a whole number, is wanted"));
    }
    /* Row 1 was never set, and row 0 is made missing. */
    *err = (struct ax_err)AX_ERR_INIT;
    assert_int_equal(ax_rows_set_f64(&rows, 0, 0, NAN, err), AX_OK);
    assert_int_equal(ax_rows_finish(&rows, 0, 1, err), AX_E_INVALID);
    assert_non_null(strstr(err->msg, "input 'c', row 0: found no value"));
    *err = (struct ax_err)AX_ERR_INIT;
    signature.inputs[0].has_default = true;
    signature.inputs[0].default_number = 2;
    assert_int_equal(ax_rows_finish(&rows, 0, 2, err), AX_OK);
    assert_true(hashed_cell(&rows) == 2);
    ax_signature_done(&signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS_TEST(everything_is_missing_at_first),
        ROWS_TEST(good_numbers),
        ROWS_TEST(bad_numbers),
        ROWS_TEST(integers),
        ROWS_TEST(booleans),
        ROWS_TEST(texts),
        ROWS_TEST(category_names),
        ROWS_TEST(numbers_that_are_names),
        ROWS_TEST(long_texts_do_not_hide_the_message),
        ROWS_TEST(finishing),
        ROWS_TEST(limits),
        ROWS_TEST(categories_by_hash_take_anything),
        cmocka_unit_test(all_fp32_is_a_matrix),
        cmocka_unit_test(values_are_viewed_where_they_lie),
    };
    return cmocka_run_group_tests_name("data/rows", tests, NULL, NULL);
}

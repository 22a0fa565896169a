/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a body read in slices of any size gives what it gives read at once: the same rows, outputs
 * and id, or the same failure. And values arrive in the fields they are meant for.
 * Method: two signatures, a table of bodies, good and bad; each is read with several budgets, whole
 * and cut off behind each byte. tests/e2e/hostile.py has the texts of all failures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/oip_infer.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct ax_signature numbers; /* a, b, c: FP32 */
    struct ax_signature mixed;   /* carrier (categories), stops INT16, night BOOL, note BYTES */
    struct ax_err err;
    bool ready;
};

static struct fixture fixture;

static enum ax_code make_signature(struct ax_signature *signature, const char *const *names,
                                   const enum ax_datatype *datatypes, size_t count,
                                   struct ax_err *err)
{
    if (ax_signature_init(signature, count, 2, err))
        return err->code;
    for (size_t i = 0; i < count; i++) {
        signature->inputs[i].datatype = datatypes[i];
        if (ax_signature_name_input(signature, i, ax_str_from(names[i]), err))
            return err->code;
    }
    signature->outputs[0] = (struct ax_output){ AX_STR("prediction"), AX_FP32, 1, true };
    signature->outputs[1] = (struct ax_output){ AX_STR("margin"), AX_FP32, 1, false };
    return AX_OK;
}

static int set_up(void **state)
{
    static const char *const numbers[] = { "a", "b", "c" };
    static const enum ax_datatype number_types[] = { AX_FP32, AX_FP32, AX_FP32 };
    static const char *const mixed[] = { "carrier", "stops", "night", "note", "far" };
    static const enum ax_datatype mixed_types[] = { AX_FP32, AX_INT16, AX_BOOL, AX_BYTES, AX_FP64 };
    const struct ax_str carriers[] = { AX_STR("AA"), AX_STR("UA"), AX_STR("\xc3\xa9") };
    struct fixture *f = &fixture;
    *state = f;
    *f = (struct fixture){ .err = AX_ERR_INIT };
    f->ready = !make_signature(&f->numbers, numbers, number_types, 3, &f->err) &&
               !make_signature(&f->mixed, mixed, mixed_types, 5, &f->err) &&
               !ax_signature_add_dictionary(&f->mixed, 0, carriers, 3, &f->err);
    if (!f->ready)
        return 0;
    f->mixed.inputs[1].has_default = true;
    f->mixed.inputs[1].default_number = -3;
    f->mixed.inputs[4].required = true;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ax_signature_done(&f->numbers);
    ax_signature_done(&f->mixed);
    return 0;
}

/* One reading of a body. */
struct reading {
    struct ax_arena arena;
    struct ax_infer infer;
    struct ax_err err;
    size_t slices;
};

static void read_parts(struct reading *reading, const struct ax_signature *signature,
                       const struct ax_infer_body *parts, size_t budget)
{
    bool done = false;
    *reading = (struct reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->arena, 1024, 1 << 20);
    if (ax_infer_begin(&reading->infer, signature, signature, &reading->arena, parts,
                       &reading->err))
        return;
    while (!done && !ax_infer_read(&reading->infer, budget, &done, &reading->err))
        reading->slices++;
}

/* `body` lies alone in its memory, with the bytes behind it that net promises. */
static void read_body(struct reading *reading, const struct ax_signature *signature,
                      struct ax_str body, size_t budget)
{
    const struct ax_infer_body parts = { .json = body, .model = AX_STR("m") };
    read_parts(reading, signature, &parts, budget);
}

/* Whether the torture run refused this reading an allocation. */
static bool was_refused(const struct reading *reading)
{
    if (reading->err.code != AX_E_LIMIT)
        return false;
    assert_true(ax_torture_struck());
    return true;
}

static struct ax_str copy_body(const char *text, size_t len)
{
    char *copy = calloc(1, len + 16);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return (struct ax_str){ copy, len };
}

static void assert_same_columns(const struct ax_rows *a, const struct ax_rows *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->signature->input_count; i++) {
        size_t size = ax_datatype_size(a->columns[i].datatype);
        for (size_t row = 0; row < a->count; row++) {
            bool valid = ax_column_is_valid(&a->columns[i], row);
            assert_int_equal(valid, ax_column_is_valid(&b->columns[i], row));
            if (valid)
                assert_memory_equal(ax_column_at(&a->columns[i], row),
                                    ax_column_at(&b->columns[i], row), size);
        }
    }
}

/* Both read the same body, so even borrowed texts are the same pointers, if they have no escape. */
static void assert_same(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->err.code, b->err.code);
    assert_string_equal(a->err.msg, b->err.msg);
    if (a->err.code)
        return;
    assert_same_columns(&a->infer.rows, &b->infer.rows);
    assert_true(ax_str_equals(a->infer.id, b->infer.id));
    assert_int_equal(a->infer.output_count, b->infer.output_count);
    for (size_t i = 0; i < a->infer.output_count; i++) {
        assert_int_equal(a->infer.outputs[i].index, b->infer.outputs[i].index);
        assert_int_equal(a->infer.outputs[i].form, b->infer.outputs[i].form);
    }
}

#define NUMBERS_SHAPE "\"name\":\"input\",\"shape\":[2,3],\"datatype\":\"FP32\""

static const struct {
    const char *body;
    bool mixed;
    bool good;
} bodies[] = {
    { "{\"inputs\":[{" NUMBERS_SHAPE ",\"data\":[1,2.5,-3e2,null,NaN,Infinity]}]}", false, true },
    { "{\"inputs\":[{" NUMBERS_SHAPE ",\"data\":[[1,2,3],[4,null,6]]}],\"id\":\"x\"}", false,
      true },
    { "{\"id\":\"\\u00e9\",\"outputs\":[{\"name\":\"margin\"},{\"parameters\":{\"binary_data\":"
      "false},\"name\":\"prediction\"}],\"inputs\":[{\"data\":[1,2,3,4,5,6]," NUMBERS_SHAPE "}]}",
      false, true },
    { " { \"x\" : { \"y\" : [ 1 , { } ] } , \"inputs\" : [ { \"parameters\" : { \"z\" : [ ] } ,"
      " \"data\" : [ [ 1 , 2 , 3 ] , [ 4 , 5 , 6 ] ] , " NUMBERS_SHAPE " } ] } ",
      false, true },
    { "{\"inputs\":[{\"name\":\"c\",\"shape\":[2],\"datatype\":\"INT8\",\"data\":[-128,127]},"
      "{\"name\":\"a\",\"shape\":[2,1],\"datatype\":\"BOOL\",\"data\":[[true],[false]]}]}",
      false, true },
    { "{\"inputs\":[{\"name\":\"carrier\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"UA\","
      "\"\\u00e9\"]},{\"name\":\"far\",\"shape\":[2],\"datatype\":\"FP64\",\"data\":[0.1,1e300]}]}",
      true, true },
    { "{\"inputs\":[{\"data\":[\"plain\",null],\"name\":\"note\",\"shape\":[2],\"datatype\":"
      "\"BYTES\"},{\"name\":\"far\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[0.1,2]}]}",
      true, true },
    { "{\"inputs\":[{" NUMBERS_SHAPE ",\"data\":[1,2,3,4,5]}]}", false, false },
    { "{\"inputs\":[{" NUMBERS_SHAPE ",\"data\":[[1,2],[3,4,5,6]]}]}", false, false },
    { "{\"inputs\":[{\"name\":\"carrier\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"X\"]}]}",
      true, false },
    { "{\"inputs\":[{\"name\":\"stops\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[40000]}]}",
      true, false },
    { "{\"inputs\":[{\"name\":\"stops\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[4]}]}", true,
      false },
    { "{\"inputs\":[{\"name\":\"night\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[0.5]}]}",
      true, false },
};

static void test_slices_are_the_whole(void **state)
{
    static const size_t budgets[] = { 1, 2, 7, 64 };
    struct fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(bodies); i++) {
        const struct ax_signature *signature = bodies[i].mixed ? &f->mixed : &f->numbers;
        struct ax_str body = copy_body(bodies[i].body, strlen(bodies[i].body));
        struct reading whole;
        read_body(&whole, signature, body, SIZE_MAX);
        for (size_t k = 0; k < AX_COUNT(budgets) && !was_refused(&whole); k++) {
            struct reading sliced;
            read_body(&sliced, signature, body, budgets[k]);
            if (!was_refused(&sliced)) {
                assert_int_equal(whole.err.code, bodies[i].good ? AX_OK : AX_E_INVALID);
                assert_same(&whole, &sliced);
                assert_true(!bodies[i].good || budgets[k] > 2 || sliced.slices > 10);
            }
            ax_arena_done(&sliced.arena);
        }
        ax_arena_done(&whole.arena);
        free((void *)(uintptr_t)body.ptr);
    }
}

static void test_every_cut_is_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(bodies); i++) {
        /* A good body may end in a blank. */
        size_t len = strlen(bodies[i].body) - (i == 3);
        for (size_t cut = 0; cut < len; cut++) {
            struct ax_str body = copy_body(bodies[i].body, cut);
            struct reading reading;
            read_body(&reading, bodies[i].mixed ? &f->mixed : &f->numbers, body, 16);
            if (!was_refused(&reading))
                assert_int_equal(reading.err.code, AX_E_INVALID);
            ax_arena_done(&reading.arena);
            free((void *)(uintptr_t)body.ptr);
        }
    }
}

/* Read a good body whose first fields are asserted by the caller. */
static bool read_good(struct reading *reading, const struct ax_signature *signature,
                      const char *text)
{
    read_body(reading, signature, (struct ax_str){ text, strlen(text) }, SIZE_MAX);
    if (was_refused(reading))
        return false;
    assert_int_equal(reading->err.code, AX_OK);
    return true;
}

static void test_values(void **state)
{
    struct fixture *f = *state;
    struct reading reading;
    if (!f->ready)
        return;
    if (read_good(&reading, &f->numbers, bodies[0].body)) {
        const float *m = (const float *)(const void *)reading.infer.rows.block;
        assert_true(m[0] == 1.0F && m[1] == 2.5F && m[2] == -300.0F);
        assert_true(isnan(m[3]) && isnan(m[4]) && isinf(m[5]));
        assert_null(reading.infer.id.ptr);
        assert_int_equal(reading.infer.output_count, 1);
        assert_int_equal(reading.infer.outputs[0].index, 0);
        assert_int_equal(reading.infer.outputs[0].form, AX_INFER_JSON);
    }
    ax_arena_done(&reading.arena);
    if (read_good(&reading, &f->mixed, bodies[5].body)) {
        const struct ax_column *columns = reading.infer.rows.columns;
        assert_true(*(const float *)ax_column_at(&columns[0], 0) == 1.0F);
        assert_true(*(const float *)ax_column_at(&columns[0], 1) == 2.0F);
        assert_int_equal(*(const int16_t *)ax_column_at(&columns[1], 1), -3); /* the default */
        assert_false(ax_column_is_valid(&columns[2], 0));
        assert_true(*(const double *)ax_column_at(&columns[4], 0) == 0.1);
    }
    ax_arena_done(&reading.arena);
    /* What was named FP32 is an FP32 number, in a wider field too. */
    if (read_good(&reading, &f->mixed, bodies[6].body))
        assert_true(*(const double *)ax_column_at(&reading.infer.rows.columns[4], 0) ==
                    (double)0.1F);
    ax_arena_done(&reading.arena);
}

/* A shape alone takes no memory. */
static void test_claims_are_not_believed(void **state)
{
    struct fixture *f = *state;
    static const char body[] = "{\"inputs\":[{\"name\":\"input\",\"shape\":[1000000,3],"
                               "\"datatype\":\"FP32\",\"data\":[1,2,3]}]}";
    struct reading reading;
    if (!f->ready)
        return;
    read_body(&reading, &f->numbers, AX_STR(body), SIZE_MAX);
    if (!was_refused(&reading))
        assert_int_equal(reading.err.code, AX_E_INVALID);
    assert_true(reading.arena.used < 4096);
    ax_arena_done(&reading.arena);
}

#define BLOB(bytes) ",\"parameters\":{\"binary_data_size\":" bytes "}}"
#define COLUMN(name, datatype, bytes) \
    "{\"name\":\"" name "\",\"shape\":[2],\"datatype\":\"" datatype "\"" BLOB(bytes)
#define FAR COLUMN("far", "FP64", "16")
#define TWO_FP64           \
    "\0\0\0\0\0\0\xf0\x3f" \
    "\0\0\0\0\0\0\x00\xc0" /* 1, -2 */
#define BYTES(literal) { literal, sizeof(literal) - 1 }

static const struct {
    const char *json;
    struct ax_str blobs;
    bool mixed;
    const char *error; /* NULL: it is good */
} blobs[] = {
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("24") "]}", BYTES("aaaabbbbccccddddeeeeffff"), false,
      NULL },
    { "{\"inputs\":[{\"parameters\":{\"x\":[],\"binary_data_size\":6},"
      "\"name\":\"input\",\"shape\":[1,3],\"datatype\":\"FP16\"}]}",
      BYTES("\x00\x3c\x00\xc0\x00\x7c"), false, NULL },
    /* Blobs and data side by side; digits in a blob do not run on from the JSON. */
    { "{\"inputs\":[" FAR ",{\"name\":\"stops\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":"
      "[7,8]}," COLUMN("carrier", "BYTES", "12") "," COLUMN("night", "BOOL", "2") "]}",
      BYTES(TWO_FP64 "\2\0\0\0UA\2\0\0\0AA"
                     "\1\0"),
      true, NULL },
    { "{\"inputs\":[" FAR "," COLUMN("note", "BYTES", "11") "]}",
      BYTES(TWO_FP64 "\0\0\0\0\3\0\0\0\0\xff\n"), true, NULL },
    { "{\"inputs\":[{\"name\":\"input\",\"shape\":[0,3],\"datatype\":\"FP32\"" BLOB("0") "]}",
      BYTES(""), false, NULL },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("24") "]}", BYTES("aaaabbbbccccdddd"), false,
      "unexpected size for input 'input', expecting 8 additional bytes for model 'm'" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("24") "]}", BYTES("aaaabbbbccccddddeeeeffff1"), false,
      "unexpected additional input data for model 'm'" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("20") "]}", BYTES("aaaabbbbccccddddeeee"), false,
      "input byte size mismatch for input 'input' for model 'm'. Expected 24, got 20" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("28") "]}", BYTES("aaaabbbbccccddddeeeeffffgggg"), false,
      "input byte size mismatch for input 'input' for model 'm'. Expected 24, got 28" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("18446744073709551615") "]}", BYTES("aaaa"), false,
      "expecting 18446744073709551611 additional bytes" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("18446744073709551616") "]}", BYTES("aaaa"), false,
      "input 'input': 'binary_data_size' must be a whole number from 0" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("-1") "]}", BYTES("aaaa"), false, "whole number from 0" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("1.5") "]}", BYTES("aaaa"), false, "whole number" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("\"4\"") "]}", BYTES("aaaa"), false,
      "'binary_data_size' must be a number, found a string" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("24,\"binary_data_size\":24") "]}",
      BYTES("aaaabbbbccccddddeeeeffff"), false, "'binary_data_size' is given twice" },
    { "{\"inputs\":[{" NUMBERS_SHAPE ",\"data\":[1,2,3,4,5,6]" BLOB("24") "]}",
      BYTES("aaaabbbbccccddddeeeeffff"), false,
      "input 'input': has both 'data' and 'binary_data_size'" },
    { "{\"inputs\":[{\"data\":[1,2,3,4,5,6]," NUMBERS_SHAPE BLOB("24") "]}",
      BYTES("aaaabbbbccccddddeeeeffff"), false,
      "input 'input': has both 'data' and 'binary_data_size'" },
    { "{\"inputs\":[{" NUMBERS_SHAPE BLOB("24") ",{" NUMBERS_SHAPE BLOB("24") "]}",
      BYTES("aaaabbbbccccddddeeeeffffaaaabbbbccccddddeeeeffff"), false,
      "input 'input' already exists in request" },
    { "{\"inputs\":[" FAR "," COLUMN("note", "BYTES", "7") "]}", BYTES(TWO_FP64 "\0\0\0\0\1\0\0"),
      true, "unexpected number of string elements for input 'note'" },
    { "{\"inputs\":[" FAR "," COLUMN("note", "BYTES", "8") "]}", BYTES(TWO_FP64 "\0\0\0\0\1\0\0\0"),
      true, "input 'note', element 1: the text has 1 bytes, only 0 are left" },
    { "{\"inputs\":[" FAR "," COLUMN("note", "BYTES", "9") "]}", BYTES(TWO_FP64 "\2\0\0\0abc\0\0"),
      true, "input 'note', element 1: a text's length takes 4 bytes, only 3 are left" },
    { "{\"inputs\":[" FAR "," COLUMN("note", "BYTES", "9") "]}",
      BYTES(TWO_FP64 "\xff\xff\xff\xff"
                     "abcde"),
      true, "the text has 4294967295 bytes" },
    { "{\"inputs\":[" FAR "," COLUMN("note", "BYTES", "10") "]}",
      BYTES(TWO_FP64 "\0\0\0\0\0\0\0\0++"), true, "2 bytes are left behind the 2 of its shape" },
    { "{\"inputs\":[" FAR "," COLUMN("night", "BOOL", "2") "]}", BYTES(TWO_FP64 "\1\2"), true,
      "input 'night', element 1: a BOOL is a byte 0 or 1, found 2" },
    { "{\"inputs\":[" FAR "," COLUMN("stops", "UINT16", "4") "]}", BYTES(TWO_FP64 "\0\0\0\x80"),
      true, "input 'stops', row 1: the number does not fit INT16" },
    { "{\"inputs\":[{\"name\":\"carrier\",\"shape\":[1048576],\"datatype\":\"BYTES\"" BLOB(
          "8") "]}",
      BYTES("\0\0\0\0\0\0\0\0"), true, "unexpected number of string elements" },
    { "{\"parameters\":{\"binary_data_output\":1},\"inputs\":[]}", BYTES(""), false,
      "'binary_data_output' must be true or false, found a number" },
    { "{\"outputs\":[{\"name\":\"margin\",\"parameters\":{\"binary_data\":null}}],\"inputs\":[]}",
      BYTES(""), false, "'binary_data' must be true or false, found null" },
};

/* JSON and blobs as one body, the blobs `off` bytes behind an address that suits any number. */
static struct ax_infer_body make_parts(const char *json, struct ax_str bytes, size_t off)
{
    size_t len = strlen(json);
    size_t pad = (16 + off - len % 16) % 16;
    char *copy = aligned_alloc(16, (pad + len + bytes.len + 31) / 16 * 16);
    assert_non_null(copy);
    memset(copy, ' ', pad);
    memcpy(copy + pad, json, len);
    memcpy(copy + pad + len, bytes.ptr, bytes.len);
    return (struct ax_infer_body){ .json = { copy, pad + len },
                                   .blobs = { copy + pad + len, bytes.len },
                                   .model = AX_STR("m") };
}

static void test_blobs(void **state)
{
    static const size_t budgets[] = { 1, 3, 64 };
    struct fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(blobs); i++) {
        for (size_t off = 0; off < 16; off += 3) {
            const struct ax_signature *signature = blobs[i].mixed ? &f->mixed : &f->numbers;
            struct ax_infer_body parts = make_parts(blobs[i].json, blobs[i].blobs, off);
            struct reading whole;
            read_parts(&whole, signature, &parts, SIZE_MAX);
            for (size_t k = 0; k < AX_COUNT(budgets) && !was_refused(&whole); k++) {
                struct reading sliced;
                read_parts(&sliced, signature, &parts, budgets[k]);
                if (!was_refused(&sliced)) {
                    assert_int_equal(whole.err.code, blobs[i].error ? AX_E_INVALID : AX_OK);
                    if (blobs[i].error && !strstr(whole.err.msg, blobs[i].error))
                        fail_msg("%s: %s", blobs[i].error, whole.err.msg);
                    assert_same(&whole, &sliced);
                }
                ax_arena_done(&sliced.arena);
            }
            /* Nothing is allocated for what only a shape or a size says. */
            assert_true(whole.arena.used < 4096);
            ax_arena_done(&whole.arena);
            free((void *)(uintptr_t)parts.json.ptr);
        }
    }
}

/* A matrix is viewed where it lies, when it lies right; else it is copied. */
static void test_a_matrix_is_not_copied(void **state)
{
    struct fixture *f = *state;
    static const float values[6] = { 1, 2, 3, -4, NAN, INFINITY };
    struct ax_str bytes = { (const char *)values, sizeof(values) };
    for (size_t off = 0; f->ready && off < 16; off++) {
        struct ax_infer_body parts = make_parts(blobs[0].json, bytes, off);
        struct reading reading;
        read_parts(&reading, &f->numbers, &parts, SIZE_MAX);
        if (!was_refused(&reading)) {
            assert_int_equal(reading.err.code, AX_OK);
            const struct ax_rows *rows = &reading.infer.rows;
            assert_int_equal(rows->block == parts.blobs.ptr, off % sizeof(float) == 0);
            assert_memory_equal(rows->block, values, sizeof(values));
            for (size_t i = 0; i < 6; i++)
                assert_ptr_equal(ax_column_at(&rows->columns[i % 3], i / 3),
                                 rows->block + i * sizeof(float));
        }
        ax_arena_done(&reading.arena);
        free((void *)(uintptr_t)parts.json.ptr);
    }
    /* A default has to be written, and not into the body. */
    float lacks[6] = { 1, 2, 3, 4, NAN, 6 };
    struct ax_infer_body parts =
        make_parts(blobs[0].json, (struct ax_str){ (const char *)lacks, sizeof(lacks) }, 0);
    f->numbers.inputs[1].has_default = true;
    f->numbers.inputs[1].default_number = 5;
    struct reading reading;
    read_parts(&reading, &f->numbers, &parts, SIZE_MAX);
    if (!was_refused(&reading)) {
        assert_ptr_not_equal(reading.infer.rows.block, parts.blobs.ptr);
        assert_true(ax_rows_matrix(&reading.infer.rows, 1)[1] == 5);
        assert_memory_equal(parts.blobs.ptr, lacks, sizeof(lacks));
    }
    ax_arena_done(&reading.arena);
    free((void *)(uintptr_t)parts.json.ptr);
}

static void test_where_a_body_is_split(void **state)
{
    static const struct {
        const char *header;
        size_t json; /* SIZE_MAX: refused */
        const char *error;
    } cases[] = {
        { NULL, 10, NULL },
        { "10", 10, NULL },
        { "4", 4, NULL },
        { "0", 0, NULL },
        { "0004", 4, NULL },
        { "11", SIZE_MAX, "inference header size should be in range (0, 10), got: 11" },
        { "-1", SIZE_MAX, "inference header size should be in range (0, 10), got: -1" },
        { "18446744073709551615", SIZE_MAX, "should be in range (0, 10), got: 1844674407" },
        { "18446744073709551616", SIZE_MAX,
          "Unable to parse Inference-Header-Content-Length, got" },
        { "", SIZE_MAX, "Unable to parse Inference-Header-Content-Length, got: " },
        { "4 ", SIZE_MAX, "Unable to parse" },
        { "+4", SIZE_MAX, "Unable to parse" },
        { "0x4", SIZE_MAX, "Unable to parse" },
        { "4.0", SIZE_MAX, "Unable to parse" },
    };
    (void)state;
    struct ax_str bytes = AX_STR("0123456789");
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_infer_body body;
        struct ax_str header = { 0 };
        if (cases[i].header)
            header = (struct ax_str){ cases[i].header, strlen(cases[i].header) };
        enum ax_code code = ax_infer_split(bytes, header, &body, &err);
        assert_int_equal(code, cases[i].error ? AX_E_INVALID : AX_OK);
        if (code) {
            assert_non_null(strstr(err.msg, cases[i].error));
            continue;
        }
        assert_ptr_equal(body.json.ptr, bytes.ptr);
        assert_int_equal(body.json.len, cases[i].json);
        assert_ptr_equal(body.blobs.ptr, bytes.ptr + cases[i].json);
        assert_int_equal(body.json.len + body.blobs.len, bytes.len);
        assert_int_equal(body.is_raw, cases[i].json == 0);
    }
}

static void test_raw_bodies(void **state)
{
    struct fixture *f = *state;
    static const float values[6] = { 1, 2, 3, 4, 5, 6 };
    if (!f->ready)
        return;
    for (size_t len = 0; len <= sizeof(values); len++) {
        struct ax_infer_body parts =
            make_parts("", (struct ax_str){ (const char *)values, len }, 0);
        parts.is_raw = true;
        struct reading reading;
        read_parts(&reading, &f->numbers, &parts, 5);
        if (!was_refused(&reading) && len % 12) {
            assert_int_equal(reading.err.code, AX_E_INVALID);
            assert_non_null(strstr(reading.err.msg, "input byte size mismatch for input 'input'"));
        } else if (!was_refused(&reading)) {
            assert_int_equal(reading.err.code, AX_OK);
            assert_int_equal(reading.infer.rows.count, len / 12);
            assert_ptr_equal(reading.infer.rows.block, parts.blobs.ptr);
            assert_int_equal(reading.infer.output_count, 1);
            assert_int_equal(reading.infer.outputs[0].form, AX_INFER_BINARY);
        }
        ax_arena_done(&reading.arena);
        free((void *)(uintptr_t)parts.json.ptr);
    }
    /* Which of five inputs would it be? */
    struct ax_infer_body parts = make_parts("", AX_STR("UA"), 0);
    parts.is_raw = true;
    struct reading reading;
    f->mixed.form = AX_FORM_COLUMNS;
    read_parts(&reading, &f->mixed, &parts, SIZE_MAX);
    if (!was_refused(&reading)) {
        assert_int_equal(reading.err.code, AX_E_INVALID);
        assert_string_equal(reading.err.msg,
                            "a raw request can only be sent to a model with one input, 'm' has 5");
    }
    ax_arena_done(&reading.arena);
    free((void *)(uintptr_t)parts.json.ptr);
}

/* The only input is a text: the body is that text. */
static void test_a_raw_text(void **state)
{
    static const char *const names[] = { "carrier" };
    static const enum ax_datatype datatypes[] = { AX_FP32 };
    const struct ax_str carriers[] = { AX_STR("AA"), AX_STR("UA") };
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    if (make_signature(&signature, names, datatypes, 1, &err) ||
        ax_signature_add_dictionary(&signature, 0, carriers, 2, &err)) {
        assert_true(ax_torture_struck());
        ax_signature_done(&signature);
        return;
    }
    signature.form = AX_FORM_COLUMNS;
    struct ax_infer_body parts = make_parts("", AX_STR("UA"), 0);
    parts.is_raw = true;
    struct reading reading;
    read_parts(&reading, &signature, &parts, 1);
    if (!was_refused(&reading)) {
        assert_int_equal(reading.infer.rows.count, 1);
        assert_true(ax_rows_matrix(&reading.infer.rows, 0)[0] == 1);
    }
    ax_arena_done(&reading.arena);
    free((void *)(uintptr_t)parts.json.ptr);
    ax_signature_done(&signature);
}

static void test_forms_of_outputs(void **state)
{
    static const struct {
        const char *json;
        size_t count;
        enum ax_infer_form forms[2];
    } cases[] = {
        { "", 1, { AX_INFER_JSON } },
        { "\"parameters\":{\"binary_data_output\":true},", 1, { AX_INFER_BINARY } },
        { "\"outputs\":[{\"name\":\"margin\"},{\"name\":\"prediction\",\"parameters\":"
          "{\"binary_data\":false}}],\"parameters\":{\"binary_data_output\":true},",
          2,
          { AX_INFER_BINARY, AX_INFER_JSON } },
        { "\"outputs\":[{\"name\":\"margin\",\"parameters\":{\"binary_data\":true}},"
          "{\"name\":\"prediction\"}],",
          2,
          { AX_INFER_BINARY, AX_INFER_JSON } },
    };
    struct fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(cases); i++) {
        char json[400];
        (void)snprintf(json, sizeof(json),
                       "{%s\"inputs\":[{" NUMBERS_SHAPE ",\"data\":[1,2,3,4,5,6]}]}",
                       cases[i].json);
        struct reading reading;
        if (read_good(&reading, &f->numbers, json)) {
            assert_int_equal(reading.infer.output_count, cases[i].count);
            for (size_t k = 0; k < cases[i].count; k++)
                assert_int_equal(reading.infer.outputs[k].form, cases[i].forms[k]);
        }
        ax_arena_done(&reading.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slices_are_the_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_cut_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_claims_are_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_blobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_matrix_is_not_copied, set_up, tear_down),
        cmocka_unit_test(test_where_a_body_is_split),
        cmocka_unit_test_setup_teardown(test_raw_bodies, set_up, tear_down),
        cmocka_unit_test(test_a_raw_text),
        cmocka_unit_test_setup_teardown(test_forms_of_outputs, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

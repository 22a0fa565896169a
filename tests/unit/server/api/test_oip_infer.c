/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a body read in slices of any size gives what it gives read at once: the same rows, outputs
 * and id, or the same failure. And values arrive in the fields they are meant for.
 * Method: two signatures, a table of bodies, good and bad; each is read with several budgets, whole
 * and cut off behind each byte. tests/e2e/test_infer_refused.py has the texts of all failures.
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

/* `body` lies alone in its memory, with the bytes behind it that net promises. */
static void read_body(struct reading *reading, const struct ax_signature *signature,
                      struct ax_str body, size_t budget)
{
    bool done = false;
    *reading = (struct reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->arena, 1024, 1 << 20);
    if (ax_infer_begin(&reading->infer, signature, &reading->arena, body, &reading->err))
        return;
    while (!done && !ax_infer_read(&reading->infer, budget, &done, &reading->err))
        reading->slices++;
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
    for (size_t i = 0; i < a->infer.output_count; i++)
        assert_int_equal(a->infer.outputs[i], b->infer.outputs[i]);
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
        assert_int_equal(reading.infer.outputs[0], 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slices_are_the_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_cut_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_claims_are_not_believed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

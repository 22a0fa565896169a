/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whichever way rows of named values are laid out, the values arrive in their fields, and
 * what is wrong is refused by name; in slices of any size as at once.
 * Method: a protocol that has every layout, and a table of bodies, good and bad, with the rows or
 * the message that each must give. Each is read with several budgets, whole and cut off behind each
 * byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/row_body.h"

#include "rows_fixture.h"

static const struct ax_row_member members[] = {
    { .name = "rows", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT },
    { .name = "instances", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_ANY },
    { .name = "inputs", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_ANY },
    { .name = "split", .layout = AX_LAYOUT_SPLIT, .accepts = AX_ROW_ARRAY },
    { .name = "version", .read = ax_row_body_read_version },
    { 0 },
};
static const struct ax_row_protocol lenient = { .members = members, .wanted = "'rows'" };
static const struct ax_row_protocol strict = { .members = members,
                                               .wanted = "'rows'",
                                               .unknown_hint = "there are others" };

/* One reading of a body, into rows as text. */
struct reading {
    struct ax_arena arena;
    struct ax_row_body body;
    struct ax_err err;
    struct ax_buf rows;
    size_t slices;
};

static void read_body(struct reading *reading, const struct ax_row_protocol *protocol,
                      const struct ax_signature *signature, struct ax_str text, size_t budget)
{
    bool done = false;
    size_t cost = 0;
    *reading = (struct reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->arena, 1024, 1 << 20);
    ax_buf_init(&reading->rows, 1 << 16);
    ax_row_body_init(&reading->body, protocol, text, &reading->arena);
    while (!done && !ax_row_body_read(&reading->body, budget, &cost, &done, &reading->err))
        reading->slices++;
    if (!reading->err.code)
        (void)rows_fill(&reading->body.cells[AX_ROW_SET_ROWS], signature, &reading->arena, budget,
                        &reading->rows, &reading->err);
}

static void reading_done(struct reading *reading)
{
    ax_arena_done(&reading->arena);
    ax_buf_done(&reading->rows);
}

static bool was_refused(const struct reading *reading)
{
    if (reading->err.code != AX_E_LIMIT && !reading->rows.failed)
        return false;
    assert_true(ax_torture_struck());
    return true;
}

static struct ax_str copy_text(const char *text, size_t len)
{
    char *copy = calloc(1, len + 16);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return (struct ax_str){ copy, len };
}

static const struct {
    const char *body;
    bool mixed;
    const char *rows; /* as rows_fixture.h prints them */
} good[] = {
    { "{\"rows\":[]}", false, "" },
    { "{\"rows\":[{}]}", false, "- - -" },
    { "{\"rows\":[{},{\"b\":2}]}", false, "- - -|- 2 -" },
    { "{\"version\":3,\"rows\":[{\"c\":3,\"a\":1},{\"a\":null,\"c\":NaN,\"b\":-0}]}", false,
      "1 - 3|- -0 -" },
    { "{\"rows\":[{\"\\u0061\":1e-1}],\"more\":[{\"x\":[[]]}]}", false, "0.10000000149011612 - -" },
    { "{\"rows\":[{\"carrier\":\"UA\",\"stops\":9007199254740993,\"night\":true,\"note\":\"\\n\"},"
      "{\"carrier\":0,\"stops\":null,\"night\":0,\"far\":18446744073709551615}]}",
      true, "1 9007199254740993 true \n -1|0 - false - 1.8446744073709552e+19" },
    { "{\"instances\":[[1,2,3],[4,null,6.5]]}", false, "1 2 3|4 - 6.5" },
    { "{\"instances\":[{\"b\":[2],\"a\":1}]}", false, "1 2 -" },
    { "{\"instances\":[{\"input\":[1,[2],3]},{\"input\":[4,5,6]}]}", false, "1 2 3|4 5 6" },
    { "{\"instances\":[[\"UA\",1,false,\"x\",2]]}", true, "1 1 false x 2" },
    { "{\"inputs\":{\"b\":[1,2],\"a\":[[3],null]}}", false, "3 1 -|- 2 -" },
    { "{\"inputs\":[[1,2,3]]}", false, "1 2 3" },
    { "{\"inputs\":{\"input\":[[1,2,3],[4,5,6]]}}", false, "1 2 3|4 5 6" },
    { "{\"inputs\":[{\"a\":1}]}", false, "1 - -" },
    { "{\"inputs\":{}}", false, "" },
    { "{\"inputs\":{\"a\":[],\"b\":[]}}", false, "" },
    { "{\"split\":{\"columns\":[\"c\",\"a\"],\"index\":[0,[1]],\"data\":[[1,2],[3,null]]}}", false,
      "2 - 1|- - 3" },
    { "{\"split\":{\"data\":[[1,2,3]],\"columns\":[\"b\",\"a\",\"c\"]}}", false, "2 1 3" },
    { "{\"split\":{\"data\":[[1,2,3]]}}", false, "1 2 3" },
    { "{\"split\":{\"columns\":[0,1,2],\"data\":[[1,2,3]]}}", false, "1 2 3" },
    { "{\"split\":{\"columns\":[\"a\"],\"data\":[]}}", false, "" },
    { " { \"rows\" : [ { \"a\" : 1 } ] , \"version\" : \"2\" } ", false, "1 - -" },
};

static const struct {
    const char *body;
    bool mixed;
    const char *message;
} bad[] = {
    { "[]", false, "the body must be an object, found an array" },
    { "{}", false, "the request has no 'rows'" },
    { "{\"rows\":[],\"rows\":[]}", false, "'rows' is given twice" },
    { "{\"rows\":[],\"inputs\":[]}", false, "'inputs' comes on top of other rows" },
    { "{\"rows\":{}}", false, "'rows' must be an array, found an object" },
    { "{\"rows\":[[1,2,3]]}", false, "row 0 must be an object, found an array" },
    { "{\"rows\":[{},1]}", false, "row 1 must be an object, found a number" },
    { "{\"rows\":[{\"a\":[1]}]}", false, "input 'a', row 0: found an array where a value" },
    { "{\"rows\":[{},{\"a\":{}}]}", false, "input 'a', row 1: found an object where a value" },
    { "{\"rows\":[{\"a\":1,\"a\":null}]}", false, "input 'a', row 0: is given twice" },
    { "{\"rows\":[{},{\"ab\":1}]}", false, "row 1: no input 'ab'; nearest is 'a'" },
    { "{\"rows\":[{\"a\":\"x\"}]}", false, "input 'a', row 0: found the text 'x'" },
    { "{\"rows\":[{\"a\":1e999}]}", false, "input 'a', row 0: the number is too large" },
    { "{\"rows\":[{\"carrier\":\"XX\"}]}", true, "input 'carrier', row 0: unknown category 'XX'" },
    { "{\"rows\":[{\"stops\":0.5}]}", true, "input 'stops', row 0" },
    { "{\"instances\":[[1,2]]}", false, "a row holds 2 values, the model takes 3" },
    { "{\"instances\":[[1,2,3],[4,5]]}", false, "row 1 does not hold 3 values" },
    { "{\"instances\":[[1,2,3],[4,5,6,7]]}", false, "row 1 does not hold 3 values" },
    { "{\"instances\":[[1,2,3],{\"a\":1}]}", false, "row 1 mixes values with names and" },
    { "{\"instances\":[{\"a\":1},[1,2,3]]}", false, "row 1 mixes values with names and" },
    { "{\"instances\":[{\"a\":1,\"input\":[1,2,3]}]}", false, "row 0 mixes values with names and" },
    { "{\"instances\":[{\"input\":[1,2,3],\"a\":1}]}", false, "the tensor 'input' and values" },
    { "{\"instances\":[{\"input\":1}]}", false, "'input' must be an array, found a number" },
    { "{\"instances\":[{\"a\":[1,2]}]}", false, "input 'a', row 0: holds more than one value" },
    { "{\"instances\":[{\"a\":[]}]}", false, "input 'a', row 0: found nothing where a value" },
    { "{\"instances\":[[[[1]],2,3]]}", false, "value 0 of row 0: found an array where a value" },
    { "{\"instances\":[1]}", false, "a row holds 1 values, the model takes 3" },
    { "{\"instances\":[[]]}", false, "a row holds 0 values, the model takes 3" },
    { "{\"inputs\":1}", false, "'inputs' must be an array or an object, found a number" },
    { "{\"inputs\":{\"a\":1}}", false, "'a' must be an array, found a number" },
    { "{\"inputs\":{\"a\":[1],\"a\":[2]}}", false, "input 'a' is given twice" },
    { "{\"inputs\":{\"a\":[1,2],\"b\":[1]}}", false, "input 'b' does not hold 2 values" },
    { "{\"inputs\":{\"a\":[1],\"b\":[1,2]}}", false, "input 'b' does not hold 1 values" },
    { "{\"inputs\":{\"input\":[[1,2,3]],\"a\":[1]}}", false, "the tensor 'input' and values" },
    { "{\"split\":[]}", false, "'split' must be an object, found an array" },
    { "{\"split\":{\"columns\":[\"a\"]}}", false, "'split' has no 'data'" },
    { "{\"split\":{\"columns\":[\"a\"],\"data\":[[1,2]]}}", false,
      "1 columns are named, a row holds 2 values" },
    { "{\"split\":{\"columns\":[\"a\",\"a\"],\"data\":[[1,2]]}}", false,
      "the column 'a' is named twice" },
    { "{\"split\":{\"columns\":[\"a\"],\"columns\":[],\"data\":[[1]]}}", false,
      "'columns' is given twice" },
    { "{\"split\":{\"columns\":[null],\"data\":[[1]]}}", false, "'columns' must hold names" },
    { "{\"split\":{\"columns\":[\"a\"],\"data\":[{\"a\":1}]}}", false,
      "row 0 must be an array, found an object" },
    { "{\"split\":{\"columns\":[\"z\"],\"data\":[]}}", false, "no input 'z'" },
    { "{\"rows\":[],\"version\":[]}", false, "'version' must be a number or a string" },
    { "{\"rows\":[],\"version\":1,\"version\":1}", false, "'version' is given twice" },
    { "{\"rows\":[]}x", false, "nothing may follow the value" },
};

/* Whole and in slices: the same rows or the same message. */
static void check_body(struct rows_fixture *f, const char *text, bool mixed, const char *rows,
                       const char *message)
{
    static const size_t budgets[] = { SIZE_MAX, 1, 2, 7, 64 };
    const struct ax_signature *signature = mixed ? &f->mixed : &f->numbers;
    struct ax_str body = copy_text(text, strlen(text));
    for (size_t k = 0; k < AX_COUNT(budgets); k++) {
        struct reading reading;
        read_body(&reading, &lenient, signature, body, budgets[k]);
        if (was_refused(&reading)) {
            reading_done(&reading);
            continue;
        }
        if (rows) {
            assert_string_equal(reading.err.msg, "");
            assert_int_equal(reading.rows.len, strlen(rows));
            assert_memory_equal(ax_buf_str(&reading.rows).ptr, rows, reading.rows.len);
        } else {
            assert_int_equal(reading.err.code, AX_E_INVALID);
            if (!strstr(reading.err.msg, message))
                assert_string_equal(reading.err.msg, message);
        }
        assert_true(!rows || budgets[k] > 1 || reading.slices > 4);
        reading_done(&reading);
    }
    free((void *)(uintptr_t)body.ptr);
}

static void test_good_bodies(void **state)
{
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(good); i++)
        check_body(f, good[i].body, good[i].mixed, good[i].rows, NULL);
}

static void test_bad_bodies(void **state)
{
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(bad); i++)
        check_body(f, bad[i].body, bad[i].mixed, NULL, bad[i].message);
}

static void test_every_cut_is_refused(void **state)
{
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(good); i++) {
        size_t len = strlen(good[i].body);
        while (good[i].body[len - 1] == ' ')
            len--;
        for (size_t cut = 0; cut < len; cut++) {
            struct ax_str body = copy_text(good[i].body, cut);
            struct reading reading;
            read_body(&reading, &lenient, &f->mixed, body, 16);
            if (!was_refused(&reading))
                assert_int_equal(reading.err.code, AX_E_INVALID);
            reading_done(&reading);
            free((void *)(uintptr_t)body.ptr);
        }
    }
}

static void test_unknown_members(void **state)
{
    struct rows_fixture *f = *state;
    struct reading reading;
    if (!f->ready)
        return;
    read_body(&reading, &strict, &f->numbers, AX_STR("{\"rowz\":[]}"), SIZE_MAX);
    if (!was_refused(&reading))
        assert_string_equal(reading.err.msg, "unknown member 'rowz'; there are others");
    reading_done(&reading);
}

static void test_version(void **state)
{
    static const char *const bodies[] = { "{\"version\":12,\"rows\":[]}",
                                          "{\"rows\":[],\"version\":\"\\u0031\\u0032\"}" };
    struct rows_fixture *f = *state;
    for (size_t i = 0; f->ready && i < AX_COUNT(bodies); i++) {
        struct reading reading;
        read_body(&reading, &strict, &f->numbers, ax_str_from(bodies[i]), SIZE_MAX);
        if (!was_refused(&reading))
            assert_true(ax_str_is(reading.body.version, "12"));
        reading_done(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_bodies, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_bad_bodies, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_every_cut_is_refused, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_members, rows_set_up, rows_tear_down),
        cmocka_unit_test_setup_teardown(test_version, rows_set_up, rows_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: classes are ranked by value, ties by index, NaN last; texts are whole for any value and
 * label; and memory that is refused is told.
 * Method: a table of rows with the texts that they give; the longest numbers; an arena too small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api/oip_classes.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 4

static struct ax_str labels[WIDTH] = { { "a", 1 }, { "b:c", 3 }, { "", 0 }, { "\xc3\xa9", 2 } };

/* The texts of a row, divided by blanks. */
static void rank(const struct ax_signature *signature, enum ax_datatype datatype,
                 const void *values, size_t wanted, char *ret_text, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_oip_classes classes;
    const struct ax_output output = { AX_STR("out"), datatype, WIDTH, true };
    size_t stride = WIDTH * ax_datatype_size(datatype);
    const struct ax_column column = {
        .datatype = datatype, .width = WIDTH, .stride = stride, .values = (void *)(uintptr_t)values
    };
    ax_arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(ax_oip_classes_init(&classes, signature, &output, wanted, &arena, &err),
                     AX_OK);
    assert_int_equal(classes.count, AX_MIN(wanted, (size_t)WIDTH));
    const struct ax_str *texts = ax_oip_classes_rank(&classes, &column, 0);
    size_t len = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < classes.count; i++)
        len += (size_t)snprintf(ret_text + len, size - len, "%s%.*s", i ? " " : "",
                                AX_STR_ARG(texts[i]));
    assert_true(len < size);
    ax_arena_done(&arena);
}

static void order(void **state)
{
    static const struct {
        float values[WIDTH];
        size_t wanted;
        const char *text;
    } cases[] = {
        { { 0.5F, 0.25F, 2, -1 }, 4, "2.0:2 0.5:0 0.25:1 -1.0:3" },
        { { 0.5F, 0.25F, 2, -1 }, 1, "2.0:2" },
        { { 1, 2, 1, 2 }, 9, "2.0:1 2.0:3 1.0:0 1.0:2" },
        { { NAN, 1, -INFINITY, INFINITY }, 4, "Infinity:3 1.0:1 -Infinity:2 NaN:0" },
        { { NAN, NAN, NAN, -INFINITY }, 3, "-Infinity:3 NaN:0 NaN:1" },
        { { -0.0F, 0, -0.0F, 0 }, 4, "-0.0:0 0.0:1 -0.0:2 0.0:3" },
    };
    (void)state;
    const struct ax_signature signature = { 0 };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        char text[256];
        rank(&signature, AX_FP32, cases[i].values, cases[i].wanted, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

static void labels_and_long_numbers(void **state)
{
    (void)state;
    const double values[WIDTH] = { -DBL_MAX, -DBL_TRUE_MIN, -1.2345678901234568e-300, 1 };
    const int64_t whole[WIDTH] = { INT64_MIN, 0, INT64_MAX, 7 };
    const struct ax_signature named = { .labels = labels, .label_count = WIDTH };
    const struct ax_signature others = { .labels = labels, .label_count = WIDTH - 1 };
    char text[512];
    rank(&named, AX_FP64, values, WIDTH, text, sizeof(text));
    assert_string_equal(text, "1.0:3:\xc3\xa9 -5e-324:1:b:c -1.2345678901234568e-300:2: "
                              "-1.7976931348623157e308:0:a");
    rank(&named, AX_INT64, whole, 2, text, sizeof(text));
    assert_string_equal(text, "9223372036854775807:2: 7:3:\xc3\xa9");
    /* Labels that are not those of the elements. */
    rank(&others, AX_FP64, values, 1, text, sizeof(text));
    assert_string_equal(text, "1.0:3");
}

static void refused(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_oip_classes classes;
    const struct ax_signature signature = { 0 };
    const struct ax_output texts = { AX_STR("label"), AX_BYTES, 1, false };
    const struct ax_output wide = { AX_STR("wide"), AX_FP32, 1 << 20, false };
    ax_arena_init(&arena, 4096, 1 << 16);
    assert_int_equal(ax_oip_classes_init(&classes, &signature, &texts, 1, &arena, &err),
                     AX_E_INVALID);
    assert_non_null(strstr(err.msg, "output 'label' holds texts"));
    ax_err_clear(&err);
    assert_int_equal(ax_oip_classes_init(&classes, &signature, &wide, 1, &arena, &err),
                     AX_E_TOO_LARGE);
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(labels_and_long_numbers),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("server/api/oip_classes", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a signature finds its inputs, outputs and categories by name, refuses bad names, and gives
 * everything back.
 * Method: build small signatures through the interface; the torture run refuses each allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/signature.h"
#include "torture.h"

#include <math.h>

/* Whether the step failed only because an allocation was refused on purpose. */
static bool refused(enum ax_code code, const struct ax_err *err)
{
    if (!code)
        return false;
    assert_true(ax_torture_struck());
    assert_int_equal(err->code, AX_E_LIMIT);
    return true;
}

static void names(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    if (refused(ax_signature_init(&signature, 3, 2, &err), &err))
        return;
    assert_int_equal(signature.rows_max, AX_SIGNATURE_ROWS_MAX);
    assert_int_equal(signature.inputs[2].datatype, AX_FP32);
    static const char *const inputs[] = { "dep_delay", "carrier", "seats" };
    for (size_t i = 0; i < 3; i++)
        if (refused(ax_signature_name_input(&signature, i, ax_str_from(inputs[i]), &err), &err))
            goto done;
    signature.outputs[0].name = AX_STR("prediction");
    signature.outputs[1].name = AX_STR("margin");

    for (size_t i = 0; i < 3; i++) {
        const struct ax_input *input = ax_signature_input(&signature, ax_str_from(inputs[i]));
        assert_non_null(input);
        assert_int_equal(ax_signature_index(&signature, input), i);
    }
    assert_null(ax_signature_input(&signature, AX_STR("dep")));
    assert_ptr_equal(ax_signature_output(&signature, AX_STR("margin")), &signature.outputs[1]);
    assert_null(ax_signature_output(&signature, AX_STR("label")));

    /* Naming anew takes the old name away; all at once lets names change places. */
    if (refused(ax_signature_name_input(&signature, 2, AX_STR("places"), &err), &err))
        goto done;
    assert_null(ax_signature_input(&signature, AX_STR("seats")));
    assert_non_null(ax_signature_input(&signature, AX_STR("places")));
    ax_signature_clear_names(&signature);
    assert_null(ax_signature_input(&signature, AX_STR("places")));
    if (refused(ax_signature_name_input(&signature, 0, AX_STR("carrier"), &err), &err))
        goto done;
    assert_ptr_equal(ax_signature_input(&signature, AX_STR("carrier")), &signature.inputs[0]);
done:
    ax_signature_done(&signature);
}

static void bad_names(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    char longest[AX_SIGNATURE_NAME_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    if (refused(ax_signature_init(&signature, 2, 0, &err), &err))
        return;
    if (refused(ax_signature_name_input(&signature, 0, AX_STR("a"), &err), &err)) {
        ax_signature_done(&signature);
        return;
    }
    const struct {
        struct ax_str name;
        const char *message;
    } bad[] = {
        { AX_STR(""), "the name of input 1 is empty" },
        { AX_STR("a"), "inputs 0 and 1 are both called 'a'" },
        { AX_STR("a\nb"), "the name of input 1 is not UTF-8 or holds a control character" },
        { AX_STR("a\0b"), "the name of input 1 is not UTF-8 or holds a control character" },
        { AX_STR("\xff"), "the name of input 1 is not UTF-8 or holds a control character" },
        { { longest, sizeof(longest) }, "the name of input 1 is longer than 256 bytes" },
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_signature_name_input(&signature, 1, bad[i].name, &err), AX_E_INVALID);
        assert_string_equal(err.msg, bad[i].message);
    }
    ax_signature_done(&signature);
    ax_err_clear(&err);
    assert_int_equal(ax_signature_init(&signature, AX_SIGNATURE_INPUTS_MAX + 1, 0, &err),
                     AX_E_TOO_LARGE);
}

static void nearest_input(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    if (refused(ax_signature_init(&signature, 3, 0, &err), &err))
        return;
    static const char *const inputs[] = { "arr_delay", "dep_delay", "carrier" };
    for (size_t i = 0; i < 3; i++)
        if (refused(ax_signature_name_input(&signature, i, ax_str_from(inputs[i]), &err), &err))
            goto done;
    assert_int_equal(ax_signature_unknown_input(&signature, AX_STR("dep_dely"), &err),
                     AX_E_INVALID);
    assert_string_equal(err.msg, "no input 'dep_dely'; nearest is 'dep_delay'");
    ax_err_clear(&err);
    assert_int_equal(ax_signature_unknown_input(&signature, AX_STR("temperature"), &err),
                     AX_E_INVALID);
    assert_string_equal(err.msg, "no input 'temperature'");
done:
    ax_signature_done(&signature);
}

static void categories(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    const struct ax_str carriers[] = { AX_STR("UA"), AX_STR("AA"), AX_STR(""), AX_STR("B6") };
    if (refused(ax_signature_init(&signature, 2, 0, &err), &err))
        return;
    assert_true(ax_signature_is_uniform(&signature));
    if (refused(ax_signature_add_dictionary(&signature, 1, carriers, 4, &err), &err))
        goto done;
    const struct ax_dictionary *dictionary = signature.inputs[1].categories;
    for (long i = 0; i < 4; i++)
        assert_int_equal(ax_dictionary_index(dictionary, carriers[i]), i);
    assert_int_equal(ax_dictionary_index(dictionary, AX_STR("ua")), -1);
    assert_int_equal(ax_input_wire_datatype(&signature.inputs[1]), AX_BYTES);
    assert_int_equal(ax_input_wire_datatype(&signature.inputs[0]), AX_FP32);
    assert_false(ax_signature_is_uniform(&signature));

    const struct ax_str twice[] = { AX_STR("x"), AX_STR("y"), AX_STR("x") };
    enum ax_code code = ax_signature_add_dictionary(&signature, 0, twice, 3, &err);
    if (ax_torture_struck())
        goto done;
    assert_int_equal(code, AX_E_INVALID);
    assert_string_equal(err.msg, "category 'x' is listed twice");
    assert_null(signature.inputs[0].categories);
done:
    ax_signature_done(&signature);
}

static void categories_called_by_numbers(void **state)
{
    (void)state;
    const struct {
        struct ax_str names[3];
        size_t count;
        bool has_numbers;
    } cases[] = {
        { { AX_STR("10"), AX_STR("-20"), AX_STR("0") }, 3, true },
        { { AX_STR("0.5"), AX_STR("1e+22"), AX_STR("-0.25") }, 3, true },
        { { AX_STR("02134"), AX_STR("007"), AX_STR("00") }, 3, true },
        { { AX_STR("10"), AX_STR("20"), AX_STR("other") }, 3, false },
        { { AX_STR("10"), AX_STR("") }, 2, false },
        { { AX_STR("-") }, 1, false },
        { { AX_STR("1a") }, 1, false },
        { { AX_STR("2024-01-01") }, 1, false },
        { { AX_STR("0x10") }, 1, false },
        { { AX_STR("1\0002") }, 1, false },
        { { AX_STR("") }, 0, false },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_signature signature;
        if (refused(ax_signature_init(&signature, 1, 0, &err), &err))
            return;
        if (!refused(
                ax_signature_add_dictionary(&signature, 0, cases[i].names, cases[i].count, &err),
                &err))
            assert_int_equal(signature.inputs[0].categories->has_numbers, cases[i].has_numbers);
        ax_signature_done(&signature);
    }
}

static void numbers_as_categories(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        { 10, "10" },
        { -3, "-3" },
        { -0.0, "0" },
        { 0.5, "0.5" },
        { 0.1, "0.1" },
        { 1e22, "1e+22" },
        { INFINITY, "inf" },
        { 9007199254740992.0, "9007199254740992" },
        { 1.0 / 3, "0.3333333333333333" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        char text[AX_CATEGORY_NUMBER_BYTES];
        ax_category_print(cases[i].number, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* Stands for a library's hash: the length, and the first letter. */
static uint32_t letter_hash(struct ax_str text)
{
    return (uint32_t)(text.len << 8) + (text.len ? (unsigned char)text.ptr[0] : 0);
}

static void categories_by_hash(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    if (refused(ax_signature_init(&signature, 3, 0, &err), &err))
        return;
    const uint32_t hashes[] = { 0x200 + 'b', 0, 0x200 + 'a' };
    const uint32_t twice[] = { 7, 8, 7 };
    if (refused(ax_signature_add_hashes(&signature, 0, letter_hash, hashes, 3, &err), &err) ||
        refused(ax_signature_add_hashes(&signature, 1, letter_hash, NULL, 0, &err), &err))
        goto done;
    const struct ax_dictionary *dictionary = signature.inputs[0].categories;
    assert_true(ax_dictionary_is_hashed(dictionary));
    assert_int_equal(ax_dictionary_index(dictionary, AX_STR("bx")), 0);
    assert_int_equal(ax_dictionary_index(dictionary, AX_STR("")), 1);
    assert_int_equal(ax_dictionary_index(dictionary, AX_STR("ax")), 2);
    assert_int_equal(ax_dictionary_index(dictionary, AX_STR("cx")), 3); /* any other */
    assert_int_equal(ax_dictionary_index(signature.inputs[1].categories, AX_STR("a")), 0);
    assert_int_equal(ax_input_wire_datatype(&signature.inputs[0]), AX_BYTES);
    enum ax_code code = ax_signature_add_hashes(&signature, 2, letter_hash, twice, 3, &err);
    if (ax_torture_struck() && code == AX_E_LIMIT)
        goto done;
    assert_int_equal(code, AX_E_INVALID);
    assert_string_equal(err.msg, "the category with hash 7 is listed twice");
    assert_null(signature.inputs[2].categories);
done:
    ax_signature_done(&signature);
}

static void mixed_datatypes_are_not_uniform(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_signature signature;
    if (refused(ax_signature_init(&signature, 2, 0, &err), &err))
        return;
    signature.inputs[1].datatype = AX_INT64;
    assert_false(ax_signature_is_uniform(&signature));
    signature.inputs[0].datatype = AX_INT64;
    assert_true(ax_signature_is_uniform(&signature));
    ax_signature_done(&signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(nearest_input),
        cmocka_unit_test(categories),
        cmocka_unit_test(categories_called_by_numbers),
        cmocka_unit_test(numbers_as_categories),
        cmocka_unit_test(categories_by_hash),
        cmocka_unit_test(mixed_datatypes_are_not_uniform),
    };
    return cmocka_run_group_tests_name("data/signature", tests, NULL, NULL);
}

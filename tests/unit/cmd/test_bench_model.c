/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: requests made up for a model are what the protocol says: names, datatypes, shapes and the
 * number of values as the metadata have them, in JSON and in binary; the same seed makes the same
 * ones; what cannot be made is refused with the fix.
 * Method: tables of metadata. Bodies are read back: JSON by a parser, tensors by their sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "cmd/bench_model.h"

#include <math.h>
#include <stdio.h>

#define BODY_BYTES_MAX ((size_t)1 << 20)

static struct ax_bench_model *parse(const char *metadata)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_bench_model *model = NULL;
    assert_int_equal(ax_bench_model_parse(ax_str_from(metadata), &model, &err), AX_OK);
    return model;
}

/* A body and the length of its JSON. */
static size_t print(const struct ax_bench_model *model, size_t rows, enum ax_bench_format format,
                    uint64_t seed, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_random random;
    ax_random_init(&random, seed, 0);
    ax_buf_init(out, BODY_BYTES_MAX);
    assert_int_equal(ax_bench_model_check(model, rows, format, &err), AX_OK);
    size_t json_len = ax_bench_model_print(model, rows, format, &random, out);
    assert_int_equal(out->failed, AX_OK);
    assert_true(json_len <= out->len);
    return json_len;
}

static struct ax_json_doc *read_json(struct ax_str text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc = NULL;
    assert_int_equal(ax_json_parse(text, &doc, &err), AX_OK);
    return doc;
}

static const struct ax_json *element(const struct ax_json *array, size_t index)
{
    struct ax_json_iter it = ax_json_iterate(array);
    const struct ax_json *value = ax_json_next(&it);
    while (index--)
        value = ax_json_next(&it);
    return value;
}

#define ONE_INPUT(datatype, shape)                                                               \
    "{\"name\":\"m\",\"inputs\":[{\"name\":\"x\",\"datatype\":\"" datatype "\",\"shape\":" shape \
    "}]}"

static void shapes_are_those_of_the_model(void **state)
{
    (void)state;
    const struct {
        const char *metadata;
        size_t rows;
        const char *shape;
        size_t count;
    } cases[] = {
        { ONE_INPUT("FP32", "[-1,50]"), 1, "[1,50]", 50 },
        { ONE_INPUT("FP32", "[-1,50]"), 64, "[64,50]", 3200 },
        { ONE_INPUT("INT64", "[-1]"), 7, "[7]", 7 },
        { ONE_INPUT("FP64", "[-1,-1,3]"), 2, "[2,1,3]", 6 },
        { ONE_INPUT("BOOL", "[4,5]"), 1, "[4,5]", 20 },
        { ONE_INPUT("UINT8", "[16,2]"), 16, "[16,2]", 32 },
        { ONE_INPUT("FP32", "[]"), 1, "[]", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_bench_model *model = parse(cases[i].metadata);
        struct ax_buf out;
        char wanted[64];
        size_t json_len = print(model, cases[i].rows, AX_BENCH_JSON, 1, &out);
        assert_int_equal(json_len, out.len);
        (void)snprintf(wanted, sizeof(wanted), "\"shape\":%s,\"data\":[", cases[i].shape);
        assert_non_null(memmem(out.ptr, out.len, wanted, strlen(wanted)));
        struct ax_json_doc *doc = read_json(ax_buf_str(&out));
        const struct ax_json *input = element(ax_json_get(ax_json_root(doc), "inputs"), 0);
        assert_int_equal(ax_json_count(ax_json_get(input, "data")), cases[i].count);
        assert_true(ax_str_is(ax_json_str(ax_json_get(input, "name")), "x"));
        ax_json_free(doc);
        ax_buf_done(&out);
        ax_bench_model_free(model);
    }
}

static void each_datatype_has_its_size(void **state)
{
    (void)state;
    const struct {
        const char *metadata;
        size_t bytes;
    } cases[] = {
        { ONE_INPUT("BOOL", "[-1,3]"), 1 },   { ONE_INPUT("UINT8", "[-1,3]"), 1 },
        { ONE_INPUT("UINT16", "[-1,3]"), 2 }, { ONE_INPUT("UINT32", "[-1,3]"), 4 },
        { ONE_INPUT("UINT64", "[-1,3]"), 8 }, { ONE_INPUT("INT8", "[-1,3]"), 1 },
        { ONE_INPUT("INT16", "[-1,3]"), 2 },  { ONE_INPUT("INT32", "[-1,3]"), 4 },
        { ONE_INPUT("INT64", "[-1,3]"), 8 },  { ONE_INPUT("FP16", "[-1,3]"), 2 },
        { ONE_INPUT("BF16", "[-1,3]"), 2 },   { ONE_INPUT("FP32", "[-1,3]"), 4 },
        { ONE_INPUT("FP64", "[-1,3]"), 8 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_bench_model *model = parse(cases[i].metadata);
        struct ax_buf out;
        size_t json_len = print(model, 5, AX_BENCH_BINARY, 1, &out);
        assert_int_equal(out.len - json_len, 15 * cases[i].bytes);
        struct ax_json_doc *doc = read_json((struct ax_str){ out.ptr, json_len });
        const struct ax_json *root = ax_json_root(doc);
        const struct ax_json *input = element(ax_json_get(root, "inputs"), 0);
        uint64_t size = 0;
        assert_true(ax_json_to_u64(
            ax_json_get(ax_json_get(input, "parameters"), "binary_data_size"), &size));
        assert_int_equal(size, 15 * cases[i].bytes);
        assert_null(ax_json_get(input, "data"));
        assert_true(
            ax_json_is_true(ax_json_get(ax_json_get(root, "parameters"), "binary_data_output")));
        ax_json_free(doc);
        ax_buf_done(&out);
        ax_bench_model_free(model);
    }
}

/* Drawn halves are finite, of both signs, between 1/8 and 2; BF16 is the upper half of an FP32. */
static void halves_are_moderate(void **state)
{
    (void)state;
    struct ax_bench_model *model = parse(ONE_INPUT("BF16", "[-1,500]"));
    struct ax_buf out;
    size_t at = print(model, 1, AX_BENCH_BINARY, 1, &out);
    int negative = 0;
    for (; at < out.len; at += 2) {
        uint16_t half;
        memcpy(&half, out.ptr + at, 2);
        uint32_t bits = (uint32_t)half << 16;
        float value;
        memcpy(&value, &bits, 4);
        assert_true(fabsf(value) >= 0.125f && fabsf(value) < 2);
        negative += value < 0;
    }
    assert_in_range(negative, 150, 350);
    ax_buf_done(&out);
    ax_bench_model_free(model);

    model = parse(ONE_INPUT("FP16", "[-1,500]"));
    for (at = print(model, 1, AX_BENCH_BINARY, 1, &out); at < out.len; at += 2) {
        uint16_t half;
        memcpy(&half, out.ptr + at, 2);
        assert_in_range(half >> 10 & 31, 12, 15);
    }
    ax_buf_done(&out);
    ax_bench_model_free(model);
}

static void seeds_repeat(void **state)
{
    (void)state;
    struct ax_bench_model *model = parse(ONE_INPUT("FP32", "[-1,50]"));
    struct ax_buf first, again, other;
    (void)print(model, 2, AX_BENCH_JSON, 3, &first);
    (void)print(model, 2, AX_BENCH_JSON, 3, &again);
    (void)print(model, 2, AX_BENCH_JSON, 4, &other);
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.ptr, again.ptr, first.len);
    assert_false(ax_str_equals(ax_buf_str(&first), ax_buf_str(&other)));
    ax_buf_done(&first);
    ax_buf_done(&again);
    ax_buf_done(&other);
    ax_bench_model_free(model);
}

/* JSON and binary draw the same values. */
static void both_formats_say_the_same(void **state)
{
    (void)state;
    struct ax_bench_model *model = parse(ONE_INPUT("FP32", "[-1,50]"));
    struct ax_buf json, binary;
    (void)print(model, 2, AX_BENCH_JSON, 3, &json);
    size_t at = print(model, 2, AX_BENCH_BINARY, 3, &binary);
    struct ax_json_doc *doc = read_json(ax_buf_str(&json));
    struct ax_json_iter it =
        ax_json_iterate(ax_json_get(element(ax_json_get(ax_json_root(doc), "inputs"), 0), "data"));
    double sum = 0, squares = 0;
    for (const struct ax_json *value; (value = ax_json_next(&it)); at += 4) {
        double told;
        float sent;
        assert_true(ax_json_to_f64(value, &told));
        memcpy(&sent, binary.ptr + at, 4);
        assert_true((float)told == sent);
        sum += told;
        squares += told * told;
    }
    assert_int_equal(at, binary.len);
    assert_true(fabs(sum / 100) < 0.5 && fabs(squares / 100 - 1) < 0.8);
    ax_json_free(doc);
    ax_buf_done(&json);
    ax_buf_done(&binary);
    ax_bench_model_free(model);
}

static void given_values_are_drawn(void **state)
{
    (void)state;
    struct ax_bench_model *model =
        parse("{\"inputs\":[{\"name\":\"carrier\",\"datatype\":\"BYTES\",\"shape\":[-1,1]},"
              "{\"name\":\"day\",\"datatype\":\"INT8\",\"shape\":[-1,1]},"
              "{\"name\":\"big\",\"datatype\":\"UINT64\",\"shape\":[-1,1]},"
              "{\"name\":\"delay\",\"datatype\":\"FP64\",\"shape\":[-1,1]},"
              "{\"name\":\"night\",\"datatype\":\"BOOL\",\"shape\":[-1,1]}]}");
    const char *const values[] = { "day=1",
                                   "carrier=AA,\"B6\",Ü",
                                   "day=-128,127",
                                   "big=18446744073709551615",
                                   "delay=0.1,-1e300",
                                   "night=true" };
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(ax_bench_model_set_values(model, ax_str_from(values[i]), &err), AX_OK);
    struct ax_buf out;
    (void)print(model, 64, AX_BENCH_JSON, 1, &out);
    struct ax_str text = ax_buf_str(&out);
    const char *const found[] = { "\"AA\"", "\"\\\"B6\\\"\"", "\"Ü\"",
                                  "-128,",  "127,",           "18446744073709551615",
                                  "0.1,",   "-1e300,",        "true,true" };
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        assert_non_null(memmem(text.ptr, text.len, found[i], strlen(found[i])));
    assert_null(memmem(text.ptr, text.len, "false", 5));
    ax_json_free(read_json(text));
    ax_buf_done(&out);

    /* Texts have their lengths in front; the next tensor begins where they end. */
    assert_int_equal(ax_bench_model_set_values(model, AX_STR("carrier=UA"), &err), AX_OK);
    assert_int_equal(ax_bench_model_set_values(model, AX_STR("day=-2"), &err), AX_OK);
    size_t json_len = print(model, 2, AX_BENCH_BINARY, 1, &out);
    assert_memory_equal(out.ptr + json_len, "\2\0\0\0UA\2\0\0\0UA\xfe\xfe\xff\xff", 16);
    assert_int_equal(out.len - json_len, 12 + 2 + 16 + 16 + 2);
    ax_buf_done(&out);
    ax_bench_model_free(model);
}

static void bad_metadata_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *metadata;
        enum ax_code code;
        const char *says;
    } cases[] = {
        { "", AX_E_INVALID, "metadata" },
        { "{\"inputs\":[", AX_E_INVALID, "metadata" },
        { "[]", AX_E_INVALID, "--bodies" },
        { "{\"inputs\":[]}", AX_E_INVALID, "--bodies" },
        { "{\"inputs\":{\"name\":\"x\"}}", AX_E_INVALID, "--bodies" },
        { "{\"inputs\":[7]}", AX_E_INVALID, "'name'" },
        { "{\"inputs\":[{\"name\":\"\"}]}", AX_E_INVALID, "'name'" },
        { "{\"inputs\":[{\"name\":\"a\\u0000b\"}]}", AX_E_INVALID, "'name'" },
        { "{\"inputs\":[{\"name\":\"x\",\"shape\":[1]}]}", AX_E_UNSUPPORTED, "'x'" },
        { ONE_INPUT("FP8", "[-1]"), AX_E_UNSUPPORTED, "'FP8'" },
        { ONE_INPUT("FP32", "3"), AX_E_INVALID, "'shape'" },
        { ONE_INPUT("FP32", "[-2]"), AX_E_INVALID, "'shape'" },
        { ONE_INPUT("FP32", "[0]"), AX_E_INVALID, "'shape'" },
        { ONE_INPUT("FP32", "[1.5]"), AX_E_INVALID, "'shape'" },
        { ONE_INPUT("FP32", "[\"-1\"]"), AX_E_INVALID, "'shape'" },
        { ONE_INPUT("FP32", "[9223372036854775807]"), AX_E_INVALID, "'shape'" },
        { ONE_INPUT("FP32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"), AX_E_INVALID, "'shape'" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_bench_model *model = NULL;
        assert_int_equal(ax_bench_model_parse(ax_str_from(cases[i].metadata), &model, &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_null(model);
    }
}

static void what_cannot_be_made_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *metadata;
        size_t rows;
        enum ax_bench_format format;
        enum ax_code code;
        const char *says;
    } cases[] = {
        { ONE_INPUT("FP32", "[50]"), 2, AX_BENCH_JSON, AX_E_INVALID, "--rows" },
        { ONE_INPUT("FP32", "[]"), 2, AX_BENCH_JSON, AX_E_INVALID, "--rows" },
        { ONE_INPUT("BYTES", "[-1]"), 1, AX_BENCH_JSON, AX_E_INVALID, "--values 'x=" },
        { ONE_INPUT("FP16", "[-1]"), 1, AX_BENCH_JSON, AX_E_UNSUPPORTED, "--format binary" },
        { ONE_INPUT("BF16", "[-1]"), 1, AX_BENCH_JSON, AX_E_UNSUPPORTED, "--format binary" },
        { ONE_INPUT("FP32", "[-1,1000000]"), 64, AX_BENCH_JSON, AX_E_TOO_LARGE, "values" },
        { ONE_INPUT("FP32", "[2000000000,2000000000,2000000000]"), 1, AX_BENCH_BINARY,
          AX_E_TOO_LARGE, "values" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_bench_model *model = parse(cases[i].metadata);
        assert_int_equal(ax_bench_model_check(model, cases[i].rows, cases[i].format, &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        ax_bench_model_free(model);
    }
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *metadata;
        const char *values;
        enum ax_code code;
        const char *says;
    } cases[] = {
        { ONE_INPUT("FP32", "[-1]"), "", AX_E_INVALID, "NAME=" },
        { ONE_INPUT("FP32", "[-1]"), "x", AX_E_INVALID, "NAME=" },
        { ONE_INPUT("FP32", "[-1]"), "=1", AX_E_INVALID, "NAME=" },
        { ONE_INPUT("FP32", "[-1]"), "xy=1", AX_E_NOT_FOUND, "there is 'x'" },
        { ONE_INPUT("FP32", "[-1]"), "somethingelse=1", AX_E_NOT_FOUND, "the first one is 'x'" },
        { ONE_INPUT("FP32", "[-1]"), "x=", AX_E_INVALID, "'' is no FP32" },
        { ONE_INPUT("FP32", "[-1]"), "x=1,,2", AX_E_INVALID, "'' is no FP32" },
        { ONE_INPUT("FP32", "[-1]"), "x=1e39", AX_E_INVALID, "'1e39' is no FP32" },
        { ONE_INPUT("FP64", "[-1]"), "x=1e999", AX_E_INVALID, "FP64" },
        { ONE_INPUT("FP64", "[-1]"), "x=0x1", AX_E_INVALID, "FP64" },
        { ONE_INPUT("INT8", "[-1]"), "x=128", AX_E_INVALID, "INT8" },
        { ONE_INPUT("INT8", "[-1]"), "x=-129", AX_E_INVALID, "INT8" },
        { ONE_INPUT("INT64", "[-1]"), "x=9223372036854775808", AX_E_INVALID, "INT64" },
        { ONE_INPUT("UINT16", "[-1]"), "x=-1", AX_E_INVALID, "UINT16" },
        { ONE_INPUT("UINT32", "[-1]"), "x=1.0", AX_E_INVALID, "UINT32" },
        { ONE_INPUT("BOOL", "[-1]"), "x=1", AX_E_INVALID, "BOOL" },
        { ONE_INPUT("BYTES", "[-1]"), "x=\xff", AX_E_INVALID, "BYTES" },
        { ONE_INPUT("FP16", "[-1]"), "x=1", AX_E_UNSUPPORTED, "FP16" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_bench_model *model = parse(cases[i].metadata);
        assert_int_equal(ax_bench_model_set_values(model, ax_str_from(cases[i].values), &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        ax_bench_model_free(model);
    }
}

static void a_full_buffer_is_noticed(void **state)
{
    (void)state;
    struct ax_bench_model *model = parse(ONE_INPUT("FP64", "[-1,100]"));
    for (size_t max = 1; max < 800; max += 100) {
        struct ax_random random;
        struct ax_buf out;
        ax_random_init(&random, 1, 0);
        ax_buf_init(&out, max);
        (void)ax_bench_model_print(model, 1, max % 200 == 1 ? AX_BENCH_JSON : AX_BENCH_BINARY,
                                   &random, &out);
        assert_int_equal(out.failed, AX_E_TOO_LARGE);
        ax_buf_done(&out);
    }
    ax_bench_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_those_of_the_model),
        cmocka_unit_test(each_datatype_has_its_size),
        cmocka_unit_test(halves_are_moderate),
        cmocka_unit_test(seeds_repeat),
        cmocka_unit_test(both_formats_say_the_same),
        cmocka_unit_test(given_values_are_drawn),
        cmocka_unit_test(bad_metadata_are_refused),
        cmocka_unit_test(what_cannot_be_made_is_refused),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(a_full_buffer_is_noticed),
    };
    return cmocka_run_group_tests_name("cmd/bench_model", tests, NULL, NULL);
}

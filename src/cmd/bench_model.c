/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer requests from a model's metadata.
 *
 * A first dimension of -1 is the rows; any other -1 becomes 1, the least that is certain to be
 * allowed. A shape without a variable first dimension is taken as it is: one row, or as many as its
 * first dimension says. Binary tensors follow the extension binary_tensor_data: little-endian,
 * row-major, texts with their lengths in front, outputs asked for in the same form.
 *
 * FP16 and BF16 are drawn as bits: any sign and fraction, an exponent that gives values between 1/8
 * and 2. JSON has no form for them in the protocol.
 */
#include "cmd/bench_model.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/json_number.h"
#include "data/batch.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define INPUTS_MAX    4096
#define RANK_MAX      16
#define NAME_MAX_LEN  1024
#define ELEMENTS_MAX  ((size_t)1 << 24)
#define DIMENSION_MAX ((int64_t)1 << 31)
#define INTEGERS      100

/* A value as given, and as a number for the datatypes that are one. */
struct bench_value {
    struct ax_str text;
    double real;
    uint64_t bits; /* of an integer or a truth value, two's complement */
};

struct bench_input {
    char *name;
    enum ax_datatype datatype;
    size_t rank;
    int64_t shape[RANK_MAX]; /* -1: variable */
    char *value_text;        /* the list as given; values are parts of it */
    struct bench_value *values;
    size_t value_count; /* 0: drawn */
};

struct ax_bench_model {
    struct bench_input *inputs;
    size_t count;
};

/* ---- metadata ---- */

static enum ax_code input_parse_shape(struct bench_input *input, const struct ax_json *shape,
                                      struct ax_err *err)
{
    if (ax_json_kind(shape) != AX_JSON_KIND_ARRAY || ax_json_count(shape) > RANK_MAX)
        return ax_fail(err, AX_E_INVALID, "input '%s': 'shape' is no array of at most %d numbers",
                       input->name, RANK_MAX);
    struct ax_json_iter it = ax_json_iterate(shape);
    for (const struct ax_json *value; (value = ax_json_next(&it));) {
        int64_t dimension = 0;
        if (!ax_json_to_i64(value, &dimension) || dimension < -1 || dimension == 0 ||
            dimension > DIMENSION_MAX)
            return ax_fail(err, AX_E_INVALID,
                           "input '%s': a dimension of 'shape' is neither -1 nor over 0",
                           input->name);
        input->shape[input->rank++] = dimension;
    }
    return AX_OK;
}

static enum ax_code input_parse(struct bench_input *input, const struct ax_json *value,
                                struct ax_err *err)
{
    struct ax_str name = ax_json_str(ax_json_get(value, "name"));
    if (name.len == 0 || name.len > NAME_MAX_LEN || memchr(name.ptr, '\0', name.len))
        return ax_fail(err, AX_E_INVALID, "an input's 'name' is no text of 1 to %d bytes",
                       NAME_MAX_LEN);
    input->name = ax_xmemdup0(name.ptr, name.len);
    struct ax_str datatype = ax_json_str(ax_json_get(value, "datatype"));
    if (!ax_datatype_from_name(datatype, &input->datatype))
        return ax_fail(err, AX_E_UNSUPPORTED, "input '%s': datatype '%.*s' is not known",
                       input->name, AX_STR_ARG(ax_str_cut(datatype, 60)));
    return input_parse_shape(input, ax_json_get(value, "shape"), err);
}

static enum ax_code model_parse_inputs(struct ax_bench_model *model, const struct ax_json *inputs,
                                       struct ax_err *err)
{
    size_t count = ax_json_count(inputs);
    if (ax_json_kind(inputs) != AX_JSON_KIND_ARRAY || count == 0)
        return ax_fail(err, AX_E_INVALID,
                       "the metadata tell no inputs; say --bodies instead of --model");
    if (count > INPUTS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu inputs; at most %d", count, INPUTS_MAX);
    model->inputs = ax_xalloc(count * sizeof(model->inputs[0]));
    struct ax_json_iter it = ax_json_iterate(inputs);
    for (const struct ax_json *value; (value = ax_json_next(&it));)
        if (input_parse(&model->inputs[model->count++], value, err))
            return err->code;
    return AX_OK;
}

enum ax_code ax_bench_model_parse(struct ax_str metadata, struct ax_bench_model **ret_model,
                                  struct ax_err *err)
{
    assert((metadata.ptr || metadata.len == 0) && ret_model && err);
    struct ax_json_doc *doc = NULL;
    if (ax_json_parse(metadata, &doc, err))
        return ax_err_context(err, "metadata");
    struct ax_bench_model *model = ax_xalloc(sizeof(*model));
    enum ax_code code = model_parse_inputs(model, ax_json_get(ax_json_root(doc), "inputs"), err);
    ax_json_free(doc);
    if (code) {
        ax_bench_model_free(model);
        return code;
    }
    *ret_model = model;
    return AX_OK;
}

void ax_bench_model_free(struct ax_bench_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->count; i++) {
        free(model->inputs[i].name);
        free(model->inputs[i].value_text);
        free(model->inputs[i].values);
    }
    free(model->inputs);
    free(model);
}

/* ---- values that were given ---- */

/* The smallest and largest integer of a datatype; both 0: it has none. */
static void datatype_range(enum ax_datatype datatype, int64_t *ret_min, uint64_t *ret_max)
{
    static const struct {
        int64_t min;
        uint64_t max;
    } ranges[AX_DATATYPE_COUNT] = {
        [AX_UINT8] = { 0, UINT8_MAX },         [AX_UINT16] = { 0, UINT16_MAX },
        [AX_UINT32] = { 0, UINT32_MAX },       [AX_UINT64] = { 0, UINT64_MAX },
        [AX_INT8] = { INT8_MIN, INT8_MAX },    [AX_INT16] = { INT16_MIN, INT16_MAX },
        [AX_INT32] = { INT32_MIN, INT32_MAX }, [AX_INT64] = { INT64_MIN, INT64_MAX },
    };
    *ret_min = ranges[datatype].min;
    *ret_max = ranges[datatype].max;
}

static bool value_parse_integer(struct bench_value *value, int64_t min, uint64_t max)
{
    int64_t negative = 0;
    if (ax_str_to_u64(value->text, &value->bits))
        return value->bits <= max;
    if (!ax_str_to_i64(value->text, &negative) || negative < min)
        return false;
    value->bits = (uint64_t)negative;
    return true;
}

static bool value_parse_real(struct bench_value *value, bool narrow)
{
    const char *end = value->text.ptr + value->text.len;
    if (ax_json_number_read(value->text.ptr, end, &value->real) != end)
        return false;
    return !narrow || isfinite((float)value->real);
}

static bool value_parse(struct bench_value *value, enum ax_datatype datatype)
{
    int64_t min;
    uint64_t max;
    datatype_range(datatype, &min, &max);
    if (max)
        return value_parse_integer(value, min, max);
    if (datatype == AX_FP32 || datatype == AX_FP64)
        return value_parse_real(value, datatype == AX_FP32);
    if (datatype == AX_BOOL) {
        value->bits = ax_str_is(value->text, "true");
        return value->bits || ax_str_is(value->text, "false");
    }
    return datatype == AX_BYTES && ax_str_is_utf8(value->text);
}

static struct bench_input *model_find(const struct ax_bench_model *model, struct ax_str name)
{
    for (size_t i = 0; i < model->count; i++)
        if (ax_str_is(name, model->inputs[i].name))
            return &model->inputs[i];
    return NULL;
}

static enum ax_code model_miss(const struct ax_bench_model *model, struct ax_str name,
                               struct ax_err *err)
{
    struct ax_str *names = ax_xalloc(model->count * sizeof(names[0]));
    for (size_t i = 0; i < model->count; i++)
        names[i] = ax_str_from(model->inputs[i].name);
    long nearest = ax_str_nearest(name, names, model->count);
    (void)ax_fail(err, AX_E_NOT_FOUND, "the model has no input '%.*s'; %s '%s'",
                  AX_STR_ARG(ax_str_cut(name, 60)), nearest < 0 ? "the first one is" : "there is",
                  model->inputs[nearest < 0 ? 0 : nearest].name);
    free(names);
    return err->code;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

enum ax_code ax_bench_model_set_values(struct ax_bench_model *model, struct ax_str text,
                                       struct ax_err *err)
{
    assert(model && (text.ptr || text.len == 0) && err);
    const char *equals = text.len ? memchr(text.ptr, '=', text.len) : NULL;
    if (!equals || equals == text.ptr)
        return ax_fail(err, AX_E_INVALID, "'%.*s' is no NAME=VALUE,VALUE…",
                       AX_STR_ARG(ax_str_cut(text, 60)));
    struct ax_str name = { text.ptr, (size_t)(equals - text.ptr) };
    struct bench_input *input = model_find(model, name);
    if (!input)
        return model_miss(model, name, err);
    if (input->datatype == AX_FP16 || input->datatype == AX_BF16)
        return ax_fail(err, AX_E_UNSUPPORTED, "input '%s': values of %s can only be drawn",
                       input->name, ax_datatype_name(input->datatype));
    free(input->value_text);
    free(input->values);
    input->value_text = ax_xmemdup0(equals + 1, text.len - name.len - 1);
    input->value_count = 0;
    input->values = ax_xalloc((count_commas(input->value_text) + 1) * sizeof(input->values[0]));
    for (const char *at = input->value_text; at;) {
        const char *comma = strchr(at, ',');
        struct bench_value *value = &input->values[input->value_count++];
        value->text = (struct ax_str){ at, comma ? (size_t)(comma - at) : strlen(at) };
        if (!value_parse(value, input->datatype)) {
            input->value_count = 0;
            return ax_fail(err, AX_E_INVALID, "input '%s': '%.*s' is no %s", input->name,
                           AX_STR_ARG(ax_str_cut(value->text, 60)),
                           ax_datatype_name(input->datatype));
        }
        at = comma ? comma + 1 : NULL;
    }
    return AX_OK;
}

/* ---- bodies ---- */

/* The size of dimension `i` in a request of so many rows. */
static uint64_t input_dimension(const struct bench_input *input, size_t i, size_t rows)
{
    if (input->shape[i] != -1)
        return (uint64_t)input->shape[i];
    return i == 0 ? rows : 1;
}

/* SIZE_MAX when it is over ELEMENTS_MAX. */
static size_t input_elements(const struct bench_input *input, size_t rows)
{
    size_t count = 1;
    for (size_t i = 0; i < input->rank; i++)
        if (AX_MUL_OVERFLOWS(count, input_dimension(input, i, rows), &count) ||
            count > ELEMENTS_MAX)
            return SIZE_MAX;
    return count;
}

enum ax_code ax_bench_model_check(const struct ax_bench_model *model, size_t rows,
                                  enum ax_bench_format format, struct ax_err *err)
{
    assert(model && rows >= 1 && rows <= AX_BENCH_ROWS_MAX && err);
    size_t elements = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct bench_input *input = &model->inputs[i];
        bool fixed = input->rank == 0 || input->shape[0] != -1;
        if (fixed && rows > 1 && (input->rank == 0 || (uint64_t)input->shape[0] != rows))
            return ax_fail(err, AX_E_INVALID,
                           "--rows: the first dimension of input '%s' is not variable",
                           input->name);
        if (input->datatype == AX_BYTES && input->value_count == 0)
            return ax_fail(err, AX_E_INVALID,
                           "input '%s' takes texts: say which, --values '%s=A,B,C'", input->name,
                           input->name);
        if (format == AX_BENCH_JSON && (input->datatype == AX_FP16 || input->datatype == AX_BF16))
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "input '%s': the protocol has no JSON for %s; say --format binary",
                           input->name, ax_datatype_name(input->datatype));
        size_t more = input_elements(input, rows);
        if (more > ELEMENTS_MAX || (elements += more) > ELEMENTS_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "--rows: over %zu values in a request",
                           ELEMENTS_MAX);
    }
    return AX_OK;
}

/* The next value of the input: given, or made up in *made. */
static const struct bench_value *input_draw(const struct bench_input *input,
                                            struct ax_random *random, struct bench_value *made)
{
    if (input->value_count)
        return &input->values[ax_random_below(random, input->value_count)];
    enum ax_datatype datatype = input->datatype;
    uint64_t bits = ax_random_next(random);
    *made = (struct bench_value){ 0 };
    if (datatype == AX_FP32 || datatype == AX_FP64)
        made->real = ax_random_normal(random);
    else if (datatype == AX_FP16)
        made->bits = (bits & 0x83FF) | (12 + (bits >> 32) % 4) << 10;
    else if (datatype == AX_BF16)
        made->bits = (bits & 0x807F) | (124 + (bits >> 32) % 4) << 7;
    else
        made->bits = bits % (datatype == AX_BOOL ? 2 : INTEGERS);
    return made;
}

static void print_json_value(const struct bench_input *input, const struct bench_value *value,
                             struct ax_buf *out)
{
    if (input->datatype == AX_BYTES)
        ax_json_put_str(out, value->text);
    else if (input->datatype == AX_FP32)
        ax_json_put_f32(out, (float)value->real);
    else if (input->datatype == AX_FP64)
        ax_json_put_f64(out, value->real);
    else if (input->datatype == AX_BOOL)
        ax_json_put_bool(out, value->bits);
    else if (value->bits > INT64_MAX && input->datatype != AX_UINT64)
        ax_json_put_i64(out, (int64_t)value->bits);
    else
        ax_json_put_u64(out, value->bits);
}

/* Little-endian, as this machine and the wire are. */
static void print_binary_value(const struct bench_input *input, const struct bench_value *value,
                               struct ax_buf *out)
{
    float narrow = (float)value->real;
    uint32_t len = (uint32_t)value->text.len;
    if (input->datatype == AX_BYTES) {
        (void)ax_buf_append(out, &len, sizeof(len));
        (void)ax_buf_append_str(out, value->text);
    } else if (input->datatype == AX_FP32) {
        (void)ax_buf_append(out, &narrow, sizeof(narrow));
    } else if (input->datatype == AX_FP64) {
        (void)ax_buf_append(out, &value->real, sizeof(value->real));
    } else {
        (void)ax_buf_append(out, &value->bits, ax_datatype_size(input->datatype));
    }
}

static void print_data(const struct bench_input *input, size_t rows, struct ax_random *random,
                       struct ax_buf *out)
{
    size_t count = input_elements(input, rows);
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        struct bench_value made;
        if (i)
            (void)ax_buf_append_char(out, ',');
        print_json_value(input, input_draw(input, random, &made), out);
    }
    (void)ax_buf_append_char(out, ']');
}

/* Its members up to where the data come. */
static void print_head(const struct bench_input *input, size_t rows, struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("{\"name\":"));
    ax_json_put_str(out, ax_str_from(input->name));
    (void)ax_buf_printf(out, ",\"datatype\":\"%s\",\"shape\":[", ax_datatype_name(input->datatype));
    for (size_t i = 0; i < input->rank; i++)
        (void)ax_buf_printf(out, "%s%llu", i ? "," : "",
                            (unsigned long long)input_dimension(input, i, rows));
    (void)ax_buf_append_char(out, ']');
}

static void print_json(const struct ax_bench_model *model, size_t rows, struct ax_random *random,
                       struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("{\"inputs\":["));
    for (size_t i = 0; i < model->count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        print_head(&model->inputs[i], rows, out);
        (void)ax_buf_append_str(out, AX_STR(",\"data\":"));
        print_data(&model->inputs[i], rows, random, out);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_str(out, AX_STR("]}"));
}

/* The tensors first, since the JSON in front of them tells their sizes. */
static size_t print_binary(const struct ax_bench_model *model, size_t rows,
                           struct ax_random *random, struct ax_buf *out)
{
    struct ax_buf tensors;
    ax_buf_init(&tensors, out->max);
    size_t before = out->len;
    (void)ax_buf_append_str(out, AX_STR("{\"inputs\":["));
    for (size_t i = 0; i < model->count; i++) {
        const struct bench_input *input = &model->inputs[i];
        size_t begin = tensors.len;
        size_t count = input_elements(input, rows);
        for (size_t k = 0; k < count; k++) {
            struct bench_value made;
            print_binary_value(input, input_draw(input, random, &made), &tensors);
        }
        if (i)
            (void)ax_buf_append_char(out, ',');
        print_head(input, rows, out);
        (void)ax_buf_printf(out, ",\"parameters\":{\"binary_data_size\":%zu}}",
                            tensors.len - begin);
    }
    (void)ax_buf_append_str(out, AX_STR("],\"parameters\":{\"binary_data_output\":true}}"));
    size_t json_len = out->len - before;
    if (tensors.failed && !out->failed)
        out->failed = tensors.failed;
    (void)ax_buf_append_str(out, ax_buf_str(&tensors));
    ax_buf_done(&tensors);
    return json_len;
}

size_t ax_bench_model_print(const struct ax_bench_model *model, size_t rows,
                            enum ax_bench_format format, struct ax_random *random,
                            struct ax_buf *out)
{
    assert(model && rows && random && out);
    if (format == AX_BENCH_BINARY)
        return print_binary(model, rows, random, out);
    size_t before = out->len;
    print_json(model, rows, random, out);
    return out->len - before;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of an input as JSON. Numbers for a model whose fields are all FP32, or all FP64, go
 * from the body into the matrix in one loop of the reader, without a token each; everything else
 * goes element by element through the setters of data/rows.h.
 *
 * Data that stands in front of its shape or datatype is skipped, and the reader as it stood in
 * front of it is kept: at the end of the input's object reading jumps back, and behind the data it
 * jumps forward again. So such data is scanned twice, and no order of members is refused.
 */
#include "server/api/oip_infer_states.h"

/* Elements that the fast path reads before the budget is looked at again. */
#define FAST_ELEMENTS_MAX 4096

/* The reader stands in front of the data, and name, shape and datatype are known. */
static enum ax_code infer_begin_data(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    size_t rows = 0;
    if (ax_infer_check_input(infer, &rows, err))
        return err->code;
    if (ax_infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'data'", err))
        return ax_infer_context(infer, err);
    /* Elements are divided by commas, so nothing is allocated for what a body cannot hold. */
    size_t bytes_left = infer->reader.text.len - infer->reader.at;
    if (input->element_count > bytes_left / 2 + 1) {
        (void)ax_fail(err, AX_E_INVALID, "'data' holds fewer elements than the %zu of its shape",
                      input->element_count);
        return ax_infer_context(infer, err);
    }
    input->data_depth = infer->reader.depth;
    return ax_infer_take_rows(infer, rows, AX_INFER_DATA, err);
}

enum ax_code ax_infer_meet_data(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if ((input->seen & AX_INFER_SEEN_ALL) == AX_INFER_SEEN_ALL)
        return infer_begin_data(infer, err);
    input->is_deferred = true;
    input->data = infer->reader;
    return ax_infer_skip(infer, AX_INFER_INPUT, err);
}

enum ax_code ax_infer_return_to_data(struct ax_infer *infer, struct ax_err *err)
{
    infer->input.after = infer->reader;
    infer->reader = infer->input.data;
    return infer_begin_data(infer, err);
}

/* "input 'carrier', element 7: " in front of the cause. */
static enum ax_code infer_element_context(const struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(infer->input.name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_err_context(err, "input '%.*s', element %zu", AX_STR_ARG(name), infer->input.element);
}

/* An integer token for the field at (row, column), which must fit the datatype that was named. */
static enum ax_code infer_put_integer(struct ax_infer *infer, size_t row, size_t column,
                                      struct ax_err *err)
{
    enum ax_datatype datatype = infer->input.datatype;
    unsigned bits = 8 * (unsigned)ax_datatype_size(datatype);
    bool is_signed = datatype >= AX_INT8 && datatype <= AX_INT64;
    int64_t number;
    uint64_t large;
    if (is_signed && ax_json_read_i64(&infer->reader, &number)) {
        int64_t max = bits == 64 ? INT64_MAX : ((int64_t)1 << (bits - 1)) - 1;
        if (number <= max && number >= -max - 1)
            return ax_rows_set_i64(&infer->rows, row, column, number, err);
    } else if (!is_signed && ax_json_read_u64(&infer->reader, &large)) {
        if (bits == 64 || large >> bits == 0)
            return ax_rows_set_u64(&infer->rows, row, column, large, err);
    }
    struct ax_str raw = ax_str_cut(infer->reader.raw, AX_SIGNATURE_SHOWN_BYTES_MAX);
    (void)ax_fail(err, AX_E_INVALID, "'%.*s' is no %s", AX_STR_ARG(raw),
                  ax_datatype_name(datatype));
    return infer_element_context(infer, err);
}

static enum ax_code infer_put_float(struct ax_infer *infer, size_t row, size_t column,
                                    struct ax_err *err)
{
    double value;
    if (!ax_json_read_f64(&infer->reader, &value)) {
        (void)ax_fail(err, AX_E_INVALID, "the number is too large for FP64");
        return infer_element_context(infer, err);
    }
    /* What was named FP32 is an FP32 number, whatever the width of the field. */
    if (infer->input.datatype == AX_FP32)
        value = (double)(float)value;
    return ax_rows_set_f64(&infer->rows, row, column, value, err);
}

/* One element that is no null. */
static enum ax_code infer_put(struct ax_infer *infer, enum ax_json_token token, struct ax_err *err)
{
    const struct ax_infer_input *input = &infer->input;
    size_t row = input->element / input->width;
    size_t column = input->is_tensor ? input->element % input->width : input->column;
    bool is_text = input->datatype == AX_BYTES;
    if (token == AX_JSON_STRING && is_text) {
        struct ax_str text;
        if (ax_json_read_text(&infer->reader, infer->arena, &text, err))
            return infer_element_context(infer, err);
        return ax_rows_set_str(&infer->rows, row, column, text, err);
    }
    if ((token == AX_JSON_TRUE || token == AX_JSON_FALSE) && input->datatype == AX_BOOL)
        return ax_rows_set_bool(&infer->rows, row, column, token == AX_JSON_TRUE, err);
    if (token == AX_JSON_NUMBER && (input->datatype == AX_FP32 || input->datatype == AX_FP64))
        return infer_put_float(infer, row, column, err);
    if (token == AX_JSON_NUMBER && !is_text && input->datatype != AX_BOOL)
        return infer_put_integer(infer, row, column, err);
    (void)ax_fail(err, AX_E_INVALID, "found %s in data of datatype %s", ax_json_token_text(token),
                  ax_datatype_name(input->datatype));
    return infer_element_context(infer, err);
}

/* An array begins inside the data: a row, when all rows are arrays. */
static enum ax_code infer_begin_row(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if (input->dimension_count == 2 && !input->is_flat &&
        infer->reader.depth == input->data_depth + 1) {
        input->is_nested = true;
        input->row_end = input->element + input->width;
        return AX_OK;
    }
    (void)ax_fail(err, AX_E_INVALID, "'data' is nested otherwise than its shape");
    return ax_infer_context(infer, err);
}

static enum ax_code infer_row_fail(struct ax_infer *infer, struct ax_err *err)
{
    const struct ax_infer_input *input = &infer->input;
    (void)ax_fail(err, AX_E_INVALID, "row %zu of 'data' does not hold %zu elements",
                  input->row_end / input->width - 1, input->width);
    return ax_infer_context(infer, err);
}

/* An array ended: a row, or the data. */
static enum ax_code infer_end_array(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if (infer->reader.depth >= input->data_depth) {
        return input->element == input->row_end ? AX_OK : infer_row_fail(infer, err);
    }
    if (input->element != input->element_count) {
        (void)ax_fail(err, AX_E_INVALID, "'data' holds %zu elements, its shape %zu", input->element,
                      input->element_count);
        return ax_infer_context(infer, err);
    }
    if (input->is_deferred)
        infer->reader = input->after;
    infer->state = input->is_deferred ? AX_INFER_INPUTS : AX_INFER_INPUT;
    return AX_OK;
}

/* How many elements may come before the next bracket at the latest. */
static size_t infer_run_length(const struct ax_infer *infer)
{
    const struct ax_infer_input *input = &infer->input;
    bool inside_row = infer->reader.depth > input->data_depth;
    size_t end = inside_row ? AX_MIN(input->row_end, input->element_count) : input->element_count;
    return input->is_nested && !inside_row ? 0 : end - AX_MIN(input->element, end);
}

/* Numbers straight into the matrix, as many as there are in a row of plain ones. */
static size_t infer_read_fast(struct ax_infer *infer)
{
    struct ax_infer_input *input = &infer->input;
    size_t count = AX_MIN(infer_run_length(infer), (size_t)FAST_ELEMENTS_MAX);
    bool is_float = input->datatype == AX_FP32 || input->datatype == AX_FP64;
    /* What was named FP32 is narrowed first, which a matrix of FP64 does not do. */
    bool is_narrow = input->datatype == AX_FP32 && infer->rows.matrix_type == AX_FP64;
    bool is_name = !input->is_tensor && ax_rows_names_by_number(&infer->rows, input->column);
    if (!infer->rows.is_matrix || !is_float || is_narrow || is_name || count == 0)
        return 0;
    size_t pitch = infer->signature->input_count;
    size_t stride = input->is_tensor ? 1 : pitch;
    size_t at = input->is_tensor ? input->element : input->element * pitch + input->column;
    void *matrix = infer->rows.block;
    if (infer->rows.matrix_type == AX_FP64)
        return ax_json_read_f64s(&infer->reader, (double *)matrix + at, stride, count);
    return ax_json_read_f32s(&infer->reader, (float *)matrix + at, stride, count);
}

enum ax_code ax_infer_step_data(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    size_t fast = infer_read_fast(infer);
    input->element += fast;
    if (fast > 0 && infer->reader.depth == input->data_depth)
        input->is_flat = true;
    if (fast == FAST_ELEMENTS_MAX)
        return AX_OK;
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_ARRAY_END)
        return infer_end_array(infer, err);
    if (token == AX_JSON_ARRAY_BEGIN)
        return infer_begin_row(infer, err);
    if (token == AX_JSON_OBJECT_BEGIN)
        return infer_put(infer, token, err);
    if (infer_run_length(infer) == 0 && infer->reader.depth > input->data_depth)
        return infer_row_fail(infer, err);
    if (infer_run_length(infer) == 0) {
        (void)ax_fail(err, AX_E_INVALID,
                      input->is_nested ? "'data' mixes rows and single elements"
                                       : "'data' holds more than the %zu elements of its shape",
                      input->element_count);
        return ax_infer_context(infer, err);
    }
    input->is_flat = input->is_flat || infer->reader.depth == input->data_depth;
    /* All fields began as missing. */
    if (token != AX_JSON_NULL && infer_put(infer, token, err))
        return err->code;
    input->element++;
    return AX_OK;
}

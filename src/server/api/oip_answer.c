/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing the answer of an infer request: flat data, outputs in the order that was asked. Behind
 * the JSON lie the blobs of the outputs whose values were asked for in binary form.
 *
 * NaN and infinities are printed as the bare tokens that Python's json reads, as other servers of
 * this protocol do. Printing stops between two rows when the budget is spent.
 */
#include "server/api/oip.h"

#include "base/json.h"

#include <assert.h>
#include <stdio.h>

#define TEXT_LENGTH_BYTES 4 /* in front of a text in a blob */

double ax_oip_number(enum ax_datatype datatype, const void *value)
{
    switch (datatype) {
    case AX_BOOL:
    case AX_UINT8:
        return *(const uint8_t *)value;
    case AX_UINT16:
        return *(const uint16_t *)value;
    case AX_UINT32:
        return *(const uint32_t *)value;
    case AX_UINT64:
        return (double)*(const uint64_t *)value;
    case AX_INT8:
        return *(const int8_t *)value;
    case AX_INT16:
        return *(const int16_t *)value;
    case AX_INT32:
        return *(const int32_t *)value;
    case AX_INT64:
        return (double)*(const int64_t *)value;
    case AX_FP32:
        return (double)*(const float *)value;
    case AX_FP64:
        return *(const double *)value;
    case AX_FP16:
    case AX_BF16:
    case AX_BYTES:
    case AX_DATATYPE_COUNT:
        break;
    }
    assert(!"ax_oip_number: no number that an engine writes");
    return 0;
}

void ax_oip_put_number(struct ax_buf *out, enum ax_datatype datatype, const void *value)
{
    switch (datatype) {
    case AX_BOOL:
        ax_json_put_bool(out, *(const uint8_t *)value);
        break;
    case AX_UINT8:
        ax_json_put_u64(out, *(const uint8_t *)value);
        break;
    case AX_UINT16:
        ax_json_put_u64(out, *(const uint16_t *)value);
        break;
    case AX_UINT32:
        ax_json_put_u64(out, *(const uint32_t *)value);
        break;
    case AX_UINT64:
        ax_json_put_u64(out, *(const uint64_t *)value);
        break;
    case AX_INT8:
        ax_json_put_i64(out, *(const int8_t *)value);
        break;
    case AX_INT16:
        ax_json_put_i64(out, *(const int16_t *)value);
        break;
    case AX_INT32:
        ax_json_put_i64(out, *(const int32_t *)value);
        break;
    case AX_INT64:
        ax_json_put_i64(out, *(const int64_t *)value);
        break;
    case AX_FP32:
        ax_json_put_f32(out, *(const float *)value);
        break;
    case AX_FP64:
        ax_json_put_f64(out, *(const double *)value);
        break;
    case AX_FP16:
    case AX_BF16:
    case AX_BYTES:
    case AX_DATATYPE_COUNT:
        assert(!"ax_oip_put_number: no number that an engine writes");
    }
}

static void print_head(const struct ax_oip_request *request, struct ax_buf *out)
{
    const struct ax_version *version = request->prediction.job.served->version;
    (void)ax_buf_append_str(out, AX_STR("{\"model_name\":"));
    ax_json_put_str(out, ax_str_from(version->model_name));
    (void)ax_buf_append_str(out, AX_STR(",\"model_version\":"));
    ax_json_put_str(out, ax_str_from(version->text));
    if (request->infer.id.ptr) {
        (void)ax_buf_append_str(out, AX_STR(",\"id\":"));
        ax_json_put_str(out, request->infer.id);
    }
    (void)ax_buf_append_str(out, AX_STR(",\"outputs\":["));
}

/* The next output's column and rows; `end` is where this turn's printing stops. */
struct turn {
    struct ax_oip_printer *printer;
    const struct ax_output *output;
    const struct ax_column *column;
    struct ax_oip_classes *classes; /* NULL: the column's own values are sent */
    size_t rows;
    struct ax_buf *out;
    size_t end;
};

/* What is sent of a row: texts or numbers, and how many. */
static bool turn_sends_texts(const struct turn *turn)
{
    return turn->classes || turn->output->datatype == AX_BYTES;
}

static size_t turn_width(const struct turn *turn)
{
    return turn->classes ? turn->classes->count : turn->column->width;
}

static const struct ax_str *turn_texts(const struct turn *turn, size_t row)
{
    return turn->classes ? ax_oip_classes_rank(turn->classes, turn->column, row)
                         : ax_column_at(turn->column, row);
}

/* The next of the outputs that were asked for. */
static void turn_choose(struct turn *turn, struct ax_oip_request *request)
{
    const struct ax_prediction *prediction = &request->prediction;
    size_t index = request->infer.outputs[turn->printer->output].index;
    turn->output = &prediction->job.served->version->signature->outputs[index];
    turn->column = &prediction->job.out.columns[index];
    turn->classes = request->classes ? &request->classes[turn->printer->output] : NULL;
    if (turn->classes && turn->classes->count == 0)
        turn->classes = NULL;
}

static void print_texts_row(const struct turn *turn, size_t row)
{
    const struct ax_str *texts = turn_texts(turn, row);
    for (size_t i = 0; i < turn_width(turn); i++) {
        if (row > 0 || i > 0)
            (void)ax_buf_append_char(turn->out, ',');
        ax_json_put_str(turn->out, texts[i]);
    }
}

static void print_row(const struct turn *turn, size_t row)
{
    const char *value = ax_column_at(turn->column, row);
    size_t size = ax_datatype_size(turn->column->datatype);
    for (size_t i = 0; i < turn->column->width; i++, value += size) {
        if (row > 0 || i > 0)
            (void)ax_buf_append_char(turn->out, ',');
        ax_oip_put_number(turn->out, turn->column->datatype, value);
    }
}

static void print_output_head(const struct turn *turn)
{
    struct ax_buf *out = turn->out;
    enum ax_datatype datatype = turn->classes ? AX_BYTES : turn->output->datatype;
    (void)ax_buf_append_str(out, AX_STR("{\"name\":"));
    ax_json_put_str(out, turn->output->name);
    (void)ax_buf_append_str(out, AX_STR(",\"datatype\":"));
    ax_json_put_str(out, ax_str_from(ax_datatype_name(datatype)));
    (void)ax_buf_append_str(out, AX_STR(",\"shape\":["));
    (void)ax_buf_append_u64(out, turn->rows);
    if (turn->classes || turn->output->width > 1) {
        (void)ax_buf_append_char(out, ',');
        (void)ax_buf_append_u64(out, turn_width(turn));
    }
    (void)ax_buf_append_char(out, ']');
}

static size_t turn_left(const struct turn *turn)
{
    return turn->end - AX_MIN(turn->out->len, turn->end);
}

/* Print on in one output, until `out` holds `end` bytes; true when it is complete. */
static bool print_data(const struct turn *turn)
{
    struct ax_oip_printer *printer = turn->printer;
    struct ax_buf *out = turn->out;
    if (!printer->in_data) {
        print_output_head(turn);
        (void)ax_buf_append_str(out, AX_STR(",\"data\":["));
    }
    printer->in_data = true;
    /* A buffer that failed no longer grows. */
    while (printer->row < turn->rows && out->len < turn->end && !out->failed) {
        if (turn_sends_texts(turn))
            print_texts_row(turn, printer->row++);
        else
            print_row(turn, printer->row++);
    }
    if (printer->row < turn->rows)
        return false;
    (void)ax_buf_append_str(out, AX_STR("]}"));
    return true;
}

/* Bytes that the texts of a row take in a blob. */
static size_t text_bytes(const struct turn *turn, size_t row)
{
    const struct ax_str *texts = turn_texts(turn, row);
    size_t bytes = 0;
    for (size_t i = 0; i < turn_width(turn); i++)
        bytes += TEXT_LENGTH_BYTES + texts[i].len;
    return bytes;
}

/* Measure the texts of as many rows as this turn has bytes left, at least one; true when all are.
 */
static bool measure_texts(const struct turn *turn)
{
    struct ax_oip_printer *printer = turn->printer;
    size_t count = AX_MAX(turn_left(turn) / TEXT_LENGTH_BYTES, (size_t)1);
    for (; printer->row < turn->rows && count > 0; count--)
        printer->blob_bytes += text_bytes(turn, printer->row++);
    return printer->row == turn->rows;
}

/* Print the JSON of an output that is sent as a blob; true when it is complete. */
static bool print_blob_head(const struct turn *turn)
{
    struct ax_oip_printer *printer = turn->printer;
    size_t bytes = turn->rows * turn->column->stride;
    if (turn_sends_texts(turn)) {
        if (!measure_texts(turn))
            return false;
        bytes = printer->blob_bytes;
        printer->blob_bytes = 0;
    }
    print_output_head(turn);
    (void)ax_buf_append_str(turn->out, AX_STR(",\"parameters\":{\"binary_data_size\":"));
    (void)ax_buf_append_u64(turn->out, bytes);
    (void)ax_buf_append_str(turn->out, AX_STR("}}"));
    return true;
}

static void print_texts(const struct turn *turn, size_t row)
{
    const struct ax_str *texts = turn_texts(turn, row);
    for (size_t i = 0; i < turn_width(turn); i++) {
        uint32_t len = (uint32_t)texts[i].len;
        (void)ax_buf_append(turn->out, &len, TEXT_LENGTH_BYTES);
        (void)ax_buf_append_str(turn->out, texts[i]);
    }
}

/* Print on in one blob; true when it is complete. */
static bool print_blob(const struct turn *turn)
{
    struct ax_oip_printer *printer = turn->printer;
    struct ax_buf *out = turn->out;
    bool is_text = turn_sends_texts(turn);
    if (!is_text) {
        size_t count = AX_MAX(turn_left(turn) / turn->column->stride, (size_t)1);
        count = AX_MIN(count, turn->rows - printer->row);
        (void)ax_buf_append(out, ax_column_at(turn->column, printer->row),
                            count * turn->column->stride);
        printer->row += count;
    }
    while (is_text && printer->row < turn->rows && out->len < turn->end && !out->failed)
        print_texts(turn, printer->row++);
    return printer->row == turn->rows;
}

/* Print on in the JSON; true when it is complete. */
static bool print_outputs(struct ax_oip_request *request, struct turn *turn)
{
    struct ax_oip_printer *printer = turn->printer;
    for (; printer->output < request->infer.output_count; printer->output++) {
        const struct ax_infer_output *wanted = &request->infer.outputs[printer->output];
        bool is_binary = wanted->form == AX_INFER_BINARY;
        turn_choose(turn, request);
        if (printer->output > 0 && printer->row == 0 && !printer->in_data)
            (void)ax_buf_append_char(turn->out, ',');
        if (!(is_binary ? print_blob_head(turn) : print_data(turn)))
            return false;
        printer->row = 0;
        printer->in_data = false;
    }
    (void)ax_buf_append_str(turn->out, AX_STR("]}"));
    return true;
}

/* Print on in the blobs; true when all are complete. */
static bool print_blobs(struct ax_oip_request *request, struct turn *turn)
{
    struct ax_oip_printer *printer = turn->printer;
    for (; printer->output < request->infer.output_count; printer->output++) {
        const struct ax_infer_output *wanted = &request->infer.outputs[printer->output];
        if (wanted->form != AX_INFER_BINARY)
            continue;
        turn_choose(turn, request);
        if (!print_blob(turn))
            return false;
        printer->row = 0;
    }
    return true;
}

/* The JSON is `len` bytes long; if blobs follow, the answer's head says so. */
static void begin_blobs(struct ax_oip_request *request, size_t len)
{
    struct ax_prediction *prediction = &request->prediction;
    bool has_blobs = false;
    for (size_t i = 0; i < request->infer.output_count; i++)
        has_blobs |= request->infer.outputs[i].form == AX_INFER_BINARY;
    request->printer.in_blobs = true;
    request->printer.output = 0;
    if (!has_blobs)
        return;
    prediction->content_type = "application/octet-stream";
    int written = snprintf(prediction->extra_headers, sizeof(prediction->extra_headers),
                           "Inference-Header-Content-Length: %zu\r\n", len);
    assert(written > 0 && (size_t)written < sizeof(prediction->extra_headers));
}

bool ax_oip_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    struct ax_oip_request *request = container_of(prediction, struct ax_oip_request, prediction);
    struct ax_oip_printer *printer = &request->printer;
    struct turn turn = {
        .printer = printer,
        .rows = prediction->rows.count,
        .out = out,
        .end = byte_budget > SIZE_MAX - out->len ? SIZE_MAX : out->len + byte_budget,
    };
    if (!printer->began)
        print_head(request, out);
    printer->began = true;
    if (!printer->in_blobs) {
        if (!print_outputs(request, &turn))
            return false;
        begin_blobs(request, out->len);
    }
    return print_blobs(request, &turn);
}

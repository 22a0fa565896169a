/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing the answer of an infer request: flat data, outputs in the order that was asked.
 *
 * NaN and infinities are printed as the bare tokens that Python's json reads, as other servers of
 * this protocol do. Printing stops between two rows when the budget is spent.
 */
#include "server/api/oip.h"

#include "base/json.h"

#include <assert.h>

static void print_number(struct ax_buf *out, enum ax_datatype datatype, const void *value)
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
        assert(!"print_number: no number that an engine writes");
    }
}

static void print_row(struct ax_buf *out, const struct ax_column *column, size_t row)
{
    const char *value = ax_column_at(column, row);
    size_t size = ax_datatype_size(column->datatype);
    for (size_t i = 0; i < column->width; i++, value += size) {
        if (row > 0 || i > 0)
            (void)ax_buf_append_char(out, ',');
        if (column->datatype == AX_BYTES)
            ax_json_put_str(out, *(const struct ax_str *)(const void *)value);
        else
            print_number(out, column->datatype, value);
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

static void print_output_head(const struct ax_output *output, size_t rows, struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("{\"name\":"));
    ax_json_put_str(out, output->name);
    (void)ax_buf_append_str(out, AX_STR(",\"datatype\":"));
    ax_json_put_str(out, ax_str_from(ax_datatype_name(output->datatype)));
    (void)ax_buf_append_str(out, AX_STR(",\"shape\":["));
    (void)ax_buf_append_u64(out, rows);
    if (output->width > 1) {
        (void)ax_buf_append_char(out, ',');
        (void)ax_buf_append_u64(out, output->width);
    }
    (void)ax_buf_append_str(out, AX_STR("],\"data\":["));
}

/* Print on in one output, until `out` holds `end` bytes; true when it is complete. */
static bool print_output(struct ax_oip_request *request, size_t index, struct ax_buf *out,
                         size_t end)
{
    struct ax_oip_printer *printer = &request->printer;
    const struct ax_output *output =
        &request->prediction.job.served->version->signature->outputs[index];
    size_t rows = request->prediction.rows.count;
    if (!printer->in_data)
        print_output_head(output, rows, out);
    printer->in_data = true;
    /* A buffer that failed no longer grows. */
    while (printer->row < rows && out->len < end && !out->failed)
        print_row(out, &request->prediction.job.out.columns[index], printer->row++);
    if (printer->row < rows)
        return false;
    (void)ax_buf_append_str(out, AX_STR("]}"));
    return true;
}

bool ax_oip_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    struct ax_oip_request *request = container_of(prediction, struct ax_oip_request, prediction);
    struct ax_oip_printer *printer = &request->printer;
    size_t end = byte_budget > SIZE_MAX - out->len ? SIZE_MAX : out->len + byte_budget;
    if (!printer->began)
        print_head(request, out);
    printer->began = true;
    while (printer->output < request->infer.output_count) {
        if (printer->output > 0 && !printer->in_data)
            (void)ax_buf_append_char(out, ',');
        if (!print_output(request, request->infer.outputs[printer->output], out, end))
            return false;
        printer->output++;
        printer->row = 0;
        printer->in_data = false;
    }
    (void)ax_buf_append_str(out, AX_STR("]}"));
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/models/{m}/predict: rows as objects of named values, answers as objects of named
 * results; docs/protocols/predict.md.
 *
 * How many rows there are is known only when the last one was seen, and which version is asked for
 * may stand behind them. So the body is read twice: once to count and to check its grammar, which
 * only looks for brackets and quotes, and once to fill the rows in. Both go in slices.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "server/api/endpoints.h"
#include "server/prediction.h"
#include "server/server_thread.h"

#include <assert.h>
#include <math.h>

enum {
    PREDICT_BEGIN,
    PREDICT_REQUEST, /* between members of the request */
    PREDICT_COUNT,   /* between rows, counting */
    PREDICT_SKIP,    /* inside a row, counting */
    PREDICT_TRAIL,   /* behind the request */
    PREDICT_CLEAR,
    PREDICT_ROWS, /* between rows, filling in */
    PREDICT_ROW,  /* between members of a row */
    PREDICT_FINISH,
    PREDICT_DONE,
};

#define CLEAR_BYTES_MAX   ((size_t)512 << 10)
#define FINISH_VALUES_MAX 8192

/* What of the outputs goes into an answer; NULL: not there. */
struct predict_outputs {
    const struct ax_column *prediction;
    const struct ax_column *probability;
    const struct ax_column *label;
};

struct predict_request {
    struct ax_prediction prediction; /* first */
    struct ax_json_reader reader;
    struct ax_json_reader rows_reader; /* behind the bracket of "rows" */
    int state;
    unsigned skip_depth;
    bool has_rows;
    struct ax_str version; /* as asked for; ptr NULL: the highest */
    size_t row_count;
    size_t row;         /* being filled in, cleared or finished */
    uint32_t *given_in; /* of each input: 1 + the row that gave it last */
    size_t printed;     /* rows */
    bool began;         /* the head of the answer is printed */
    char id[AX_UUID_TEXT_SIZE];
};

static enum ax_code predict_expect(struct predict_request *request, enum ax_json_token wanted,
                                   const char *what, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&request->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != wanted)
        return ax_fail(err, AX_E_INVALID, "%s must be %s, found %s", what,
                       ax_json_token_text(wanted), ax_json_token_text(token));
    return AX_OK;
}

static struct ax_arena *predict_arena(struct predict_request *request)
{
    return &request->prediction.job.request->arena;
}

static enum ax_code predict_read_version(struct predict_request *request, struct ax_err *err)
{
    if (request->version.ptr)
        return ax_fail(err, AX_E_INVALID, "'version' is given twice");
    enum ax_json_token token = ax_json_read(&request->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_STRING)
        return ax_json_read_text(&request->reader, predict_arena(request), &request->version, err);
    if (token != AX_JSON_NUMBER)
        return ax_fail(err, AX_E_INVALID, "'version' must be a number or a string, found %s",
                       ax_json_token_text(token));
    request->version = request->reader.raw;
    return AX_OK;
}

static enum ax_code predict_step_request(struct predict_request *request, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&request->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_OBJECT_END) {
        request->state = PREDICT_TRAIL;
        return AX_OK;
    }
    struct ax_str key;
    if (ax_json_read_text(&request->reader, predict_arena(request), &key, err))
        return err->code;
    if (ax_str_is(key, "version"))
        return predict_read_version(request, err);
    if (!ax_str_is(key, "rows"))
        return ax_fail(err, AX_E_INVALID,
                       "unknown member '%.*s'; a request has 'rows' and may "
                       "have 'version'",
                       AX_STR_ARG(ax_str_cut(key, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    if (request->has_rows)
        return ax_fail(err, AX_E_INVALID, "'rows' is given twice");
    request->has_rows = true;
    request->state = PREDICT_COUNT;
    if (predict_expect(request, AX_JSON_ARRAY_BEGIN, "'rows'", err))
        return err->code;
    request->rows_reader = request->reader;
    return AX_OK;
}

static enum ax_code predict_step_count(struct predict_request *request, struct ax_err *err)
{
    request->skip_depth = request->reader.depth;
    enum ax_json_token token = ax_json_read(&request->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_ARRAY_END) {
        request->state = PREDICT_REQUEST;
        return AX_OK;
    }
    if (token != AX_JSON_OBJECT_BEGIN)
        return ax_fail(err, AX_E_INVALID, "row %zu must be an object, found %s", request->row_count,
                       ax_json_token_text(token));
    request->row_count++;
    request->state = PREDICT_SKIP;
    return AX_OK;
}

static enum ax_code predict_step_skip(struct predict_request *request, size_t byte_budget,
                                      struct ax_err *err)
{
    bool done;
    if (ax_json_skip(&request->reader, request->skip_depth, byte_budget, &done, err))
        return err->code;
    if (done)
        request->state = PREDICT_COUNT;
    return AX_OK;
}

/* All is counted: find the version, and make its rows. */
static enum ax_code predict_step_trail(struct predict_request *request, struct ax_err *err)
{
    struct ax_prediction *prediction = &request->prediction;
    if (ax_json_read(&request->reader, err) == AX_JSON_FAILED)
        return err->code;
    if (!request->has_rows)
        return ax_fail(err, AX_E_INVALID, "the request has no 'rows'");
    if (request->version.ptr && ax_prediction_choose(prediction, request->version, err))
        return err->code;
    const struct ax_signature *signature = prediction->job.served->version->signature;
    if (ax_rows_reserve(&prediction->rows, signature, request->row_count, predict_arena(request),
                        err))
        return err->code;
    request->given_in =
        ax_arena_zalloc(predict_arena(request), signature->input_count, sizeof(*request->given_in));
    if (!request->given_in)
        return ax_arena_fail(predict_arena(request), "the rows", err);
    request->state = PREDICT_CLEAR;
    return AX_OK;
}

static enum ax_code predict_step_clear(struct predict_request *request, size_t *cost)
{
    struct ax_rows *rows = &request->prediction.rows;
    size_t count = AX_MAX(CLEAR_BYTES_MAX / AX_MAX(rows->row_bytes, (size_t)1), (size_t)1);
    size_t to = AX_MIN(request->row + count, rows->count);
    ax_rows_clear(rows, request->row, to);
    *cost += (to - request->row) * rows->row_bytes / 16;
    request->row = to;
    if (to < rows->count)
        return AX_OK;
    request->row = 0;
    request->reader = request->rows_reader;
    request->state = PREDICT_ROWS;
    return AX_OK;
}

/* The grammar was checked when the rows were counted. */
static enum ax_code predict_step_rows(struct predict_request *request, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&request->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    assert(token == AX_JSON_OBJECT_BEGIN || request->row == request->row_count);
    request->state = token == AX_JSON_OBJECT_BEGIN ? PREDICT_ROW : PREDICT_FINISH;
    if (request->state == PREDICT_FINISH)
        request->row = 0;
    return AX_OK;
}

static enum ax_code predict_put_number(struct predict_request *request, size_t input,
                                       struct ax_err *err)
{
    struct ax_rows *rows = &request->prediction.rows;
    enum ax_datatype datatype = rows->signature->inputs[input].datatype;
    int64_t whole;
    uint64_t large;
    double value;
    if (datatype != AX_FP32 && datatype != AX_FP64) {
        if (ax_json_read_i64(&request->reader, &whole))
            return ax_rows_set_i64(rows, request->row, input, whole, err);
        if (ax_json_read_u64(&request->reader, &large))
            return ax_rows_set_u64(rows, request->row, input, large, err);
    }
    if (ax_json_read_f64(&request->reader, &value))
        return ax_rows_set_f64(rows, request->row, input, value, err);
    return ax_fail(err, AX_E_INVALID, "input '%.*s', row %zu: the number is too large",
                   AX_STR_ARG(rows->signature->inputs[input].name), request->row);
}

static enum ax_code predict_put(struct predict_request *request, size_t input, struct ax_err *err)
{
    struct ax_rows *rows = &request->prediction.rows;
    struct ax_str text;
    enum ax_json_token token = ax_json_read(&request->reader, err);
    switch (token) {
    case AX_JSON_FAILED:
        return err->code;
    case AX_JSON_NULL:
        return AX_OK;
    case AX_JSON_NUMBER:
        return predict_put_number(request, input, err);
    case AX_JSON_TRUE:
    case AX_JSON_FALSE:
        return ax_rows_set_bool(rows, request->row, input, token == AX_JSON_TRUE, err);
    case AX_JSON_STRING:
        if (ax_json_read_text(&request->reader, predict_arena(request), &text, err))
            return err->code;
        return ax_rows_set_str(rows, request->row, input, text, err);
    case AX_JSON_OBJECT_BEGIN:
    case AX_JSON_ARRAY_BEGIN:
    case AX_JSON_END:
    case AX_JSON_OBJECT_END:
    case AX_JSON_ARRAY_END:
    case AX_JSON_KEY:
        break;
    }
    return ax_fail(err, AX_E_INVALID, "input '%.*s', row %zu: found %s where a value is wanted",
                   AX_STR_ARG(rows->signature->inputs[input].name), request->row,
                   ax_json_token_text(token));
}

static enum ax_code predict_step_row(struct predict_request *request, struct ax_err *err)
{
    const struct ax_signature *signature = request->prediction.rows.signature;
    enum ax_json_token token = ax_json_read(&request->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_OBJECT_END) {
        request->row++;
        request->state = PREDICT_ROWS;
        return AX_OK;
    }
    struct ax_str key;
    if (ax_json_read_text(&request->reader, predict_arena(request), &key, err))
        return err->code;
    const struct ax_input *input = ax_signature_input(signature, key);
    if (!input) {
        (void)ax_signature_unknown_input(signature, key, err);
        return ax_err_context(err, "row %zu", request->row);
    }
    size_t index = ax_signature_index(signature, input);
    if (request->given_in[index] == request->row + 1)
        return ax_fail(err, AX_E_INVALID, "input '%.*s', row %zu: is given twice",
                       AX_STR_ARG(input->name), request->row);
    request->given_in[index] = (uint32_t)request->row + 1;
    return predict_put(request, index, err);
}

static enum ax_code predict_step_finish(struct predict_request *request, size_t *cost,
                                        struct ax_err *err)
{
    struct ax_rows *rows = &request->prediction.rows;
    size_t width = rows->signature->input_count;
    size_t count = AX_MAX(FINISH_VALUES_MAX / AX_MAX(width, (size_t)1), (size_t)1);
    size_t to = AX_MIN(request->row + count, rows->count);
    if (ax_rows_finish(rows, request->row, to, err))
        return err->code;
    *cost += (to - request->row) * width;
    request->row = to;
    if (to == rows->count)
        request->state = PREDICT_DONE;
    return AX_OK;
}

static enum ax_code predict_step(struct predict_request *request, size_t byte_budget, size_t *cost,
                                 struct ax_err *err)
{
    switch (request->state) {
    case PREDICT_BEGIN:
        ax_json_reader_init(&request->reader, request->prediction.job.request->body);
        request->reader.token_max = AX_JSON_TOKEN_BYTES_MAX;
        request->state = PREDICT_REQUEST;
        return predict_expect(request, AX_JSON_OBJECT_BEGIN, "the body", err);
    case PREDICT_REQUEST:
        return predict_step_request(request, err);
    case PREDICT_COUNT:
        return predict_step_count(request, err);
    case PREDICT_SKIP:
        return predict_step_skip(request, byte_budget, err);
    case PREDICT_TRAIL:
        return predict_step_trail(request, err);
    case PREDICT_CLEAR:
        return predict_step_clear(request, cost);
    case PREDICT_ROWS:
        return predict_step_rows(request, err);
    case PREDICT_ROW:
        return predict_step_row(request, err);
    case PREDICT_FINISH:
        return predict_step_finish(request, cost, err);
    default:
        assert(!"predict_step: no such state");
        return AX_OK;
    }
}

/* The outputs that an answer is made of. */
static const char *const predict_output_names[] = { "prediction", "probability", "label" };

static enum ax_code predict_read(struct ax_prediction *prediction, size_t byte_budget,
                                 bool *ret_done, struct ax_err *err)
{
    struct predict_request *request = container_of(prediction, struct predict_request, prediction);
    size_t cost = 0;
    while (request->state != PREDICT_DONE && cost < byte_budget) {
        size_t at = request->reader.at;
        if (predict_step(request, byte_budget - cost, &cost, err))
            return err->code;
        if (request->reader.at > at)
            cost += request->reader.at - at;
    }
    *ret_done = request->state == PREDICT_DONE;
    const struct ax_signature *signature = prediction->job.served->version->signature;
    for (size_t i = 0; *ret_done && i < AX_COUNT(predict_output_names); i++) {
        const struct ax_output *output =
            ax_signature_output(signature, ax_str_from(predict_output_names[i]));
        if (output)
            prediction->wanted[output - signature->outputs] = true;
    }
    return AX_OK;
}

static const struct ax_column *predict_column(const struct predict_request *request,
                                              const char *name)
{
    const struct ax_signature *signature = request->prediction.rows.signature;
    const struct ax_output *output = ax_signature_output(signature, ax_str_from(name));
    return output ? &request->prediction.job.out.columns[output - signature->outputs] : NULL;
}

/* Element `index` of a row, as a number. */
static double predict_number(const struct ax_column *column, size_t row, size_t index)
{
    const char *value = ax_column_at(column, row);
    value += index * ax_datatype_size(column->datatype);
    if (column->datatype == AX_FP32)
        return (double)*(const float *)(const void *)value;
    if (column->datatype == AX_FP64)
        return *(const double *)(const void *)value;
    return NAN;
}

static void put_element(struct ax_buf *out, const struct ax_column *column, size_t row,
                        size_t index)
{
    if (column->datatype == AX_BYTES) {
        const struct ax_str *texts = ax_column_at(column, row);
        ax_json_put_str(out, texts[index]);
    } else if (column->datatype == AX_FP32) {
        ax_json_put_f32(out, (float)predict_number(column, row, index));
    } else if (column->datatype == AX_INT64) {
        const int64_t *values = ax_column_at(column, row);
        ax_json_put_i64(out, values[index]);
    } else {
        ax_json_put_f64(out, predict_number(column, row, index));
    }
}

/* "key": a value, or an array of them. */
static void put_elements(struct ax_buf *out, const char *key, const struct ax_column *column,
                         size_t row)
{
    ax_json_put_key(out, key);
    if (column->width > 1)
        (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < column->width; i++) {
        if (i > 0)
            (void)ax_buf_append_char(out, ',');
        put_element(out, column, row, i);
    }
    if (column->width > 1)
        (void)ax_buf_append_char(out, ']');
}

/* "probabilities": by label where there are labels. */
static void put_probabilities(struct ax_buf *out, const struct ax_signature *signature,
                              const struct ax_column *column, size_t row)
{
    if (signature->label_count != column->width) {
        put_elements(out, "probabilities", column, row);
        return;
    }
    ax_json_put_key(out, "probabilities");
    (void)ax_buf_append_char(out, '{');
    for (size_t i = 0; i < column->width; i++) {
        if (i > 0)
            (void)ax_buf_append_char(out, ',');
        ax_json_put_str(out, signature->labels[i]);
        (void)ax_buf_append_char(out, ':');
        put_element(out, column, row, i);
    }
    (void)ax_buf_append_char(out, '}');
}

static void put_interval(struct ax_buf *out, const struct ax_signature *signature,
                         const struct ax_column *column, size_t row)
{
    size_t low;
    size_t high;
    size_t middle;
    ax_signature_find_quantiles(signature, &low, &high, &middle);
    ax_json_put_key(out, "value");
    put_element(out, column, row, middle);
    if (low == high)
        return;
    ax_json_put_key(out, "interval");
    (void)ax_buf_append_str(out, AX_STR("{\"lower\":"));
    put_element(out, column, row, low);
    (void)ax_buf_append_str(out, AX_STR(",\"upper\":"));
    put_element(out, column, row, high);
    /* 0.95 - 0.05 is a hair off 0.9. */
    double coverage = signature->quantiles[high] - signature->quantiles[low];
    (void)ax_buf_append_str(out, AX_STR(",\"coverage\":"));
    ax_json_put_f64(out, round(coverage * 1e9) / 1e9);
    (void)ax_buf_append_char(out, '}');
}

static void put_row(struct ax_buf *out, const struct ax_version *version,
                    const struct ax_batch *answers, const struct predict_outputs *outputs,
                    size_t row)
{
    const struct ax_signature *signature = version->signature;
    (void)ax_buf_append_str(out, AX_STR("{\"row\":"));
    (void)ax_buf_append_u64(out, row);
    put_elements(out, "prediction", outputs->prediction, row);
    if (signature->task == AX_TASK_QUANTILES)
        put_interval(out, signature, outputs->prediction, row);
    else if (signature->task == AX_TASK_VALUE)
        put_elements(out, "value", outputs->prediction, row);
    else if (outputs->probability && outputs->probability->width > 1)
        put_probabilities(out, signature, outputs->probability, row);
    else if (outputs->probability)
        put_elements(out, "probability", outputs->probability, row);
    if (outputs->label)
        put_elements(out, "label", outputs->label, row);
    if (version->decision_count > 0) {
        struct ax_str action = ax_version_decide_row(version, answers, row);
        ax_json_put_key(out, "decision");
        if (action.len > 0)
            ax_json_put_str(out, action);
        else
            (void)ax_buf_append_str(out, AX_STR("null"));
    }
    (void)ax_buf_append_char(out, '}');
}

static void put_head(struct predict_request *request, struct ax_buf *out)
{
    const struct ax_version *version = request->prediction.job.served->version;
    (void)ax_buf_append_str(out, AX_STR("{\"model\":"));
    ax_json_put_str(out, ax_str_from(version->model_name));
    ax_json_put_key(out, "version");
    ax_json_put_str(out, ax_str_from(version->text));
    ax_json_put_key(out, "id");
    ax_uuid7_text(request->id);
    ax_json_put_str(out, ax_str_from(request->id));
    (void)ax_buf_append_str(out, AX_STR(",\"predictions\":["));
}

static bool predict_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    struct predict_request *request = container_of(prediction, struct predict_request, prediction);
    struct predict_outputs outputs = {
        .prediction = predict_column(request, "prediction"),
        .probability = predict_column(request, "probability"),
        .label = predict_column(request, "label"),
    };
    size_t end = byte_budget > SIZE_MAX - out->len ? SIZE_MAX : out->len + byte_budget;
    assert(outputs.prediction);
    if (!request->began)
        put_head(request, out);
    request->began = true;
    while (request->printed < request->row_count) {
        if (out->len >= end || out->failed)
            return false;
        if (request->printed > 0)
            (void)ax_buf_append_char(out, ',');
        put_row(out, prediction->job.served->version, &prediction->job.out, &outputs,
                request->printed++);
    }
    (void)ax_buf_append_str(out, AX_STR("],\"time_us\":"));
    (void)ax_buf_append_u64(out,
                            (ax_clock_ns() - prediction->job.request->began_ns) / AX_NS_PER_US);
    (void)ax_buf_append_char(out, '}');
    return true;
}

static const struct ax_prediction_form predict_form = {
    .read = predict_read,
    .print = predict_print,
    .status = ax_code_http,
    .value_bytes = 80,
};

void ax_predict(struct ax_call *call)
{
    struct predict_request *request = ax_arena_zalloc(&call->request->arena, 1, sizeof(*request));
    struct ax_err err = AX_ERR_INIT;
    if (request) {
        ax_prediction_start(call, &predict_form, &request->prediction);
        return;
    }
    (void)ax_arena_fail(&call->request->arena, "the request", &err);
    ax_prediction_refuse(call, &predict_form, &err);
}

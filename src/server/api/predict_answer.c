/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything here prints; a failure of the buffer sticks and is found by who owns it.
 */
#include "server/api/predict_answer.h"

#include "base/clock.h"
#include "base/json.h"
#include "server/api/service_call.h"

#include <assert.h>
#include <math.h>

static const char *const output_names[] = { "prediction", "probability", "label" };

void ax_predict_answer_want(const struct ax_signature *signature, bool *wanted)
{
    assert(signature && wanted);
    for (size_t i = 0; i < AX_COUNT(output_names); i++) {
        const struct ax_output *output =
            ax_signature_output(signature, ax_str_from(output_names[i]));
        if (output)
            wanted[output - signature->outputs] = true;
    }
}

static const struct ax_column *answer_column(const struct ax_predict_answer *answer,
                                             const char *name)
{
    const struct ax_signature *signature = answer->version->signature;
    const struct ax_output *output = ax_signature_output(signature, ax_str_from(name));
    return output ? &answer->batch->columns[output - signature->outputs] : NULL;
}

void ax_predict_answer_put_id(struct ax_buf *out)
{
    assert(out);
    char id[AX_UUID_TEXT_SIZE];
    ax_uuid7_text(id);
    (void)ax_buf_append_str(out, AX_STR("\"id\":"));
    ax_json_put_str(out, ax_str_from(id));
}

void ax_predict_answer_put_end(uint64_t began_ns, struct ax_buf *out)
{
    assert(out);
    (void)ax_buf_append_str(out, AX_STR(",\"time_us\":"));
    (void)ax_buf_append_u64(out, (ax_clock_ns() - began_ns) / AX_NS_PER_US);
    (void)ax_buf_append_char(out, '}');
}

void ax_predict_answer_init(struct ax_predict_answer *answer, const struct ax_version *version,
                            const struct ax_batch *batch, const struct ax_service_call *call)
{
    assert(answer && version && batch);
    *answer = (struct ax_predict_answer){ .version = version, .batch = batch, .call = call };
    answer->prediction = answer_column(answer, "prediction");
    answer->probability = answer_column(answer, "probability");
    answer->label = answer_column(answer, "label");
    assert(answer->prediction);
}

/* Element `index` of a row, as a number. */
static double number_at(const struct ax_column *column, size_t row, size_t index)
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
        ax_json_put_f32(out, (float)number_at(column, row, index));
    } else if (column->datatype == AX_INT64) {
        const int64_t *values = ax_column_at(column, row);
        ax_json_put_i64(out, values[index]);
    } else {
        ax_json_put_f64(out, number_at(column, row, index));
    }
}

/* A value, or an array of them. */
static void put_bare(struct ax_buf *out, const struct ax_column *column, size_t row)
{
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

/* "key": a value, or an array of them. */
static void put_elements(struct ax_buf *out, const char *key, const struct ax_column *column,
                         size_t row)
{
    ax_json_put_key(out, key);
    put_bare(out, column, row);
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

static void put_decision(struct ax_buf *out, struct ax_str action)
{
    ax_json_put_key(out, "decision");
    if (action.len > 0)
        ax_json_put_str(out, action);
    else
        (void)ax_buf_append_str(out, AX_STR("null"));
}

/* Of the features that the row was made of. */
static void put_told(struct ax_buf *out, const struct ax_service_call *call, size_t row)
{
    struct ax_str told = call ? ax_service_call_told(call, row) : AX_STR("");
    if (!told.len)
        return;
    (void)ax_buf_append_char(out, ',');
    (void)ax_buf_append_str(out, told);
}

void ax_predict_answer_put_row(const struct ax_predict_answer *answer, size_t row,
                               struct ax_buf *out)
{
    assert(answer && out && row < answer->batch->rows);
    const struct ax_version *version = answer->version;
    const struct ax_signature *signature = version->signature;
    (void)ax_buf_append_str(out, AX_STR("{\"row\":"));
    (void)ax_buf_append_u64(out, row);
    put_elements(out, "prediction", answer->prediction, row);
    if (signature->task == AX_TASK_QUANTILES)
        put_interval(out, signature, answer->prediction, row);
    else if (signature->task == AX_TASK_VALUE)
        put_elements(out, "value", answer->prediction, row);
    else if (answer->probability && answer->probability->width > 1)
        put_probabilities(out, signature, answer->probability, row);
    else if (answer->probability)
        put_elements(out, "probability", answer->probability, row);
    if (answer->label)
        put_elements(out, "label", answer->label, row);
    if (version->decision_count > 0)
        put_decision(out, ax_version_decide_row(version, answer->batch, row));
    put_told(out, answer->call, row);
    (void)ax_buf_append_char(out, '}');
}

void ax_predict_answer_put_bare(const struct ax_predict_answer *answer, size_t row,
                                struct ax_buf *out)
{
    assert(answer && out && row < answer->batch->rows);
    put_bare(out, answer->prediction, row);
}

bool ax_predict_answer_put_rows(const struct ax_predict_answer *answer, size_t *row, size_t end,
                                void (*put)(const struct ax_predict_answer *answer, size_t row,
                                            struct ax_buf *out),
                                struct ax_buf *out)
{
    assert(answer && row && put && out);
    for (; *row < answer->batch->rows; ++*row) {
        /* A buffer that failed no longer grows. */
        if (out->len >= end || out->failed)
            return false;
        if (*row > 0)
            (void)ax_buf_append_char(out, ',');
        put(answer, *row, out);
    }
    return true;
}

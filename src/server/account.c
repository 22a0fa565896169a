/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series, cells and what they mean.
 *
 * Series are registered on a control thread, so that the data plane only writes to numbers it
 * finds. A label is never taken from a request: what names no version of ours is counted under
 * empty names, however it was spelled.
 *
 * What only the statistics of the Open Inference Protocol show stands in cells of its own, which
 * no scrape prints: times by stage, and a small table by the rows of a call. Everything is a sum
 * that only grows, so two readings have a difference; a reading is no moment: cells that were
 * written together may be seen apart.
 */
#include "server/account.h"

#include <assert.h>

static const struct ax_metric_family requests_family = {
    .name = "ax_requests_total",
    .help = "Prediction requests that ended, by the outcome's code.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version,code",
};

static const struct ax_metric_family in_progress_family = {
    .name = "ax_requests_in_progress",
    .help = "Prediction requests that were handed over and have not ended.",
    .type = AX_METRIC_GAUGE,
    .labels = "model,version",
};

static const struct ax_metric_family rows_family = {
    .name = "ax_rows_total",
    .help = "Rows that were scored.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family batches_family = {
    .name = "ax_batches_total",
    .help = "Calls of the engine: joined requests, or a slice of a large one.",
    .type = AX_METRIC_COUNTER,
    .labels = "model,version",
};

static const struct ax_metric_family request_seconds_family = {
    .name = "ax_request_duration_seconds",
    .help = "From the first byte of a prediction request to its end.",
    .type = AX_METRIC_HISTOGRAM,
    .labels = "model,version",
};

static const struct ax_metric_family predict_seconds_family = {
    .name = "ax_predict_duration_seconds",
    .help = "A call of the engine.",
    .type = AX_METRIC_HISTOGRAM,
    .labels = "model,version",
};

/* The outcomes that are counted apart; any other one counts as INTERNAL. */
static const enum ax_code counted_codes[] = {
    AX_OK,      AX_E_INVALID, AX_E_NOT_FOUND,   AX_E_CANCELLED,   AX_E_TOO_LARGE,
    AX_E_LIMIT, AX_E_TIMEOUT, AX_E_UNAVAILABLE, AX_E_UNSUPPORTED, AX_E_INTERNAL,
};

/* Of account->cells. Behind them: CLASS_COUNT cells a class. */
enum {
    CELL_FAIL_NS,
    CELL_REQUEST_NS,
    CELL_INPUT_NS,
    CELL_QUEUE_NS,
    CELL_INFER_NS,
    CELL_OUTPUT_NS,
    CELL_COUNT,
};
enum { CLASS_CALLS, CLASS_INFER_NS, CLASS_INPUT_NS, CLASS_OUTPUT_NS, CLASS_COUNT };

#define CELLS         (CELL_COUNT + CLASS_COUNT * AX_ACCOUNT_CLASSES)
#define CLASSES_EXACT ((size_t)8)

static struct ax_account no_model;

enum ax_outcome ax_outcome_from_code(enum ax_code code)
{
    if (code == AX_OK)
        return AX_OUTCOME_SUCCESS;
    if (code == AX_E_CANCELLED)
        return AX_OUTCOME_CANCELLED;
    if (code == AX_E_LIMIT || code == AX_E_TIMEOUT || code == AX_E_UNAVAILABLE)
        return AX_OUTCOME_REJECTED;
    return AX_OUTCOME_FAILED;
}

static enum ax_code reserve_cells(struct ax_account *account, const char *model,
                                  const char *version, struct ax_err *err)
{
    struct ax_buf name;
    ax_buf_init(&name, 1024);
    (void)ax_buf_printf(&name, "%s/%s", model, version);
    enum ax_code code = ax_buf_check(&name, "the model's name", err);
    if (!code)
        code = ax_metric_reserve(ax_buf_str(&name), CELLS, &account->cells, err);
    ax_buf_done(&name);
    return code;
}

enum ax_code ax_account_init(struct ax_account *account, const char *model, const char *version,
                             struct ax_err *err)
{
    assert(account && model && version && err);
    struct ax_str labels[3] = { ax_str_from(model), ax_str_from(version) };
    for (size_t i = 0; i < AX_COUNT(counted_codes); i++) {
        labels[2] = ax_str_from(ax_code_name(counted_codes[i]));
        if (ax_metric_register(&requests_family, labels, &account->requests[counted_codes[i]], err))
            return err->code;
    }
    if (ax_metric_register(&request_seconds_family, labels, &account->request_seconds, err) ||
        reserve_cells(account, model, version, err))
        return err->code;
    /* Without a model nothing is scored. */
    if (!model[0])
        return AX_OK;
    if (ax_metric_register(&in_progress_family, labels, &account->in_progress, err) ||
        ax_metric_register(&rows_family, labels, &account->rows, err) ||
        ax_metric_register(&batches_family, labels, &account->batches, err) ||
        ax_metric_register(&predict_seconds_family, labels, &account->predict_seconds, err))
        return err->code;
    return AX_OK;
}

enum ax_code ax_account_register_no_model(struct ax_err *err)
{
    return ax_account_init(&no_model, "", "", err);
}

const struct ax_account *ax_account_no_model(void)
{
    return &no_model;
}

void ax_account_enter(const struct ax_account *account)
{
    ax_metric_gauge_add(account->in_progress, 1);
}

void ax_account_leave(const struct ax_account *account)
{
    ax_metric_gauge_add(account->in_progress, -1);
}

void ax_account_fail(const struct ax_account *account, enum ax_code code, uint64_t took_ns)
{
    assert(account && code != AX_OK && code < AX_CODE_COUNT);
    ax_metric counter = account->requests[code];
    ax_metric_add(counter ? counter : account->requests[AX_E_INTERNAL], 1);
    ax_metric_observe_ns(account->request_seconds, took_ns);
    ax_metric_add(account->cells + CELL_FAIL_NS, took_ns);
}

/* Which class a call of so many rows, at least one, belongs to. */
static size_t class_of(size_t rows)
{
    if (rows <= CLASSES_EXACT)
        return rows - 1;
    /* 9 to 16 is the first behind the exact ones. */
    size_t octave = 64 - (size_t)__builtin_clzll((unsigned long long)rows - 1) - 4;
    return AX_MIN(CLASSES_EXACT + octave, (size_t)AX_ACCOUNT_CLASSES - 1);
}

size_t ax_account_class_rows(size_t index)
{
    assert(index < AX_ACCOUNT_CLASSES);
    return index < CLASSES_EXACT ? index + 1 : (size_t)16 << (index - CLASSES_EXACT);
}

static ax_metric class_cells(const struct ax_account *account, size_t rows)
{
    return account->cells + CELL_COUNT + CLASS_COUNT * (ax_metric)class_of(rows);
}

void ax_account_succeed(const struct ax_account *account, const struct ax_account_spent *spent,
                        size_t call_rows)
{
    assert(account && spent);
    ax_metric_add(account->requests[AX_OK], 1);
    ax_metric_observe_ns(account->request_seconds, spent->request_ns);
    ax_metric_add(account->cells + CELL_REQUEST_NS, spent->request_ns);
    ax_metric_add(account->cells + CELL_INPUT_NS, spent->input_ns);
    ax_metric_add(account->cells + CELL_QUEUE_NS, spent->queue_ns);
    ax_metric_add(account->cells + CELL_INFER_NS, spent->infer_ns);
    ax_metric_add(account->cells + CELL_OUTPUT_NS, spent->output_ns);
    if (call_rows == 0)
        return;
    ax_metric cells = class_cells(account, call_rows);
    ax_metric_add(cells + CLASS_INPUT_NS, spent->input_ns);
    ax_metric_add(cells + CLASS_OUTPUT_NS, spent->output_ns);
}

void ax_account_call(const struct ax_account *account, size_t rows, uint64_t took_ns)
{
    assert(account && rows);
    ax_metric_add(account->batches, 1);
    ax_metric_observe_ns(account->predict_seconds, took_ns);
    ax_metric cells = class_cells(account, rows);
    ax_metric_add(cells + CLASS_CALLS, 1);
    ax_metric_add(cells + CLASS_INFER_NS, took_ns);
}

uint64_t ax_account_received(const struct ax_account_reading *reading)
{
    assert(reading);
    uint64_t received = 0;
    for (size_t i = 0; i < AX_OUTCOME_COUNT; i++)
        received += reading->outcomes[i];
    return received;
}

static uint64_t read_counter(ax_metric metric)
{
    return (uint64_t)ax_metric_read(metric);
}

void ax_account_read(const struct ax_account *account, struct ax_account_reading *ret_reading)
{
    assert(account && ret_reading);
    uint64_t cells[CELL_COUNT];
    struct ax_account_reading reading = { .in_progress = ax_metric_read(account->in_progress),
                                          .rows = read_counter(account->rows),
                                          .calls = read_counter(account->batches) };
    for (size_t i = 0; i < AX_COUNT(counted_codes); i++) {
        enum ax_code code = counted_codes[i];
        reading.codes[code] = read_counter(account->requests[code]);
        reading.outcomes[ax_outcome_from_code(code)] += reading.codes[code];
    }
    ax_metric_read_cells(account->cells, CELL_COUNT, cells);
    reading.fail_ns = cells[CELL_FAIL_NS];
    reading.spent = (struct ax_account_spent){ .request_ns = cells[CELL_REQUEST_NS],
                                               .input_ns = cells[CELL_INPUT_NS],
                                               .queue_ns = cells[CELL_QUEUE_NS],
                                               .infer_ns = cells[CELL_INFER_NS],
                                               .output_ns = cells[CELL_OUTPUT_NS] };
    *ret_reading = reading;
}

void ax_account_read_classes(const struct ax_account *account,
                             struct ax_account_class ret_classes[AX_ACCOUNT_CLASSES])
{
    assert(account && ret_classes);
    uint64_t cells[CELLS];
    ax_metric_read_cells(account->cells, CELLS, cells);
    for (size_t i = 0; i < AX_ACCOUNT_CLASSES; i++) {
        const uint64_t *of_class = cells + CELL_COUNT + CLASS_COUNT * i;
        ret_classes[i] = (struct ax_account_class){ .call_count = of_class[CLASS_CALLS],
                                                    .infer_ns = of_class[CLASS_INFER_NS],
                                                    .input_ns = of_class[CLASS_INPUT_NS],
                                                    .output_ns = of_class[CLASS_OUTPUT_NS] };
    }
}

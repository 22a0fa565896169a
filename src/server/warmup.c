/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial.
 *
 * Given rows come through the conversions that a request's come through. Made rows are a function
 * of row and input alone, the same at each load: the first is all zeros, the second misses what may
 * be missing, the others have numbers of a spread, each category's first, last and some between,
 * empty and short texts.
 *
 * All rows are scored once in the largest batches, so that each is checked; then the first ones in
 * batches of the other kernel classes. When the time is over the rest is left out, and the trial
 * has passed.
 */
#include "server/warmup.h"

#include "base/clock.h"
#include "server/warmup_rows.h"

#include <assert.h>
#include <math.h>

#define ROWS            ((size_t)64) /* that are made, and that one call scores at most */
#define MADE_BYTES_MAX  ((size_t)16 << 20)
#define ARENA_BYTES_MAX ((size_t)256 << 20)

/* Batches besides the largest: one for each kernel class (engine/forest/kernel.h), which is nothing
 * special to other engines. */
static const size_t batch_rows[] = { 16, 6, 1 };

/* ---- made rows ---- */

static const double spread[] = { 1,   -1,   0.5,  2,    10,   -10,   100, 0.001, 1e3,
                                 1e6, -1e3, 0.25, 1e-6, 12.5, -0.75, 42,  7,     3e4 };

static enum ax_code set_number(struct ax_rows *rows, size_t row, size_t input, size_t turn,
                               struct ax_err *err)
{
    static const int64_t signed_spread[] = { 1, -1, 2, 10, -10, 100, 7 };
    static const uint64_t unsigned_spread[] = { 1, 2, 10, 100, 7 };
    switch (rows->signature->inputs[input].datatype) {
    case AX_BOOL:
        return ax_rows_set_bool(rows, row, input, turn % 2 == 1, err);
    case AX_UINT8:
    case AX_UINT16:
    case AX_UINT32:
    case AX_UINT64:
        return ax_rows_set_u64(rows, row, input,
                               turn ? unsigned_spread[turn % AX_COUNT(unsigned_spread)] : 0, err);
    case AX_INT8:
    case AX_INT16:
    case AX_INT32:
    case AX_INT64:
        return ax_rows_set_i64(rows, row, input,
                               turn ? signed_spread[turn % AX_COUNT(signed_spread)] : 0, err);
    case AX_FP16:
    case AX_BF16:
    case AX_FP32:
    case AX_FP64:
    case AX_BYTES:
    case AX_DATATYPE_COUNT:
        break;
    }
    return ax_rows_set_f64(rows, row, input, turn ? spread[turn % AX_COUNT(spread)] : 0, err);
}

static enum ax_code set_category(struct ax_rows *rows, size_t row, size_t input, size_t turn,
                                 struct ax_err *err)
{
    const struct ax_dictionary *categories = rows->signature->inputs[input].categories;
    size_t index = turn % 3 == 0 ? 0 : turn % 3 == 1 ? categories->count - 1 : turn;
    if (!categories->count)
        return AX_OK; /* There is none to be named. */
    return ax_rows_set_str(rows, row, input, categories->names[index % categories->count], err);
}

/* The value of one input. `turn` 0 is zero, the first category, the empty text. */
static enum ax_code set_value(struct ax_rows *rows, size_t row, size_t input, size_t turn,
                              struct ax_err *err)
{
    static const struct ax_str texts[] = { { "", 0 }, { "a", 1 }, { "warm up", 7 } };
    const struct ax_input *in = &rows->signature->inputs[input];
    if (in->categories && !ax_dictionary_is_hashed(in->categories))
        return set_category(rows, row, input, turn, err);
    if (in->categories || in->datatype == AX_BYTES)
        return ax_rows_set_str(rows, row, input, texts[turn % AX_COUNT(texts)], err);
    return set_number(rows, row, input, turn, err);
}

/* Whether made row `row` misses values; row 1 does. */
static bool row_misses(const struct ax_rows *rows, size_t row)
{
    for (size_t i = 0; row == 1 && i < rows->signature->input_count; i++)
        if (!rows->signature->inputs[i].required && !rows->signature->inputs[i].has_default)
            return true;
    return false;
}

/* Make `count` rows; without a spread all are zeros. */
static enum ax_code make_rows(struct ax_warm_up *w, size_t count, bool has_spread,
                              struct ax_rows *rows, struct ax_err *err)
{
    size_t inputs = w->signature.input_count;
    if (ax_rows_init(rows, &w->signature, count, &w->arena, err))
        return err->code;
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < inputs; i++) {
            bool is_missing = has_spread && row == 1 && !w->signature.inputs[i].required;
            size_t turn = has_spread && row ? row + 5 * i : 0;
            if (!is_missing && set_value(rows, row, i, turn, err))
                return err->code;
        }
    }
    return ax_rows_finish(rows, 0, count, err);
}

/* ---- scoring ---- */

/* What a call needs, for up to ROWS rows. */
struct trial {
    struct ax_warm_up *w;
    const struct ax_rows *rows;
    struct ax_rows made;
    bool is_made; /* the rows are, with a spread */
    size_t rows_max;
    struct ax_column *in, *out;
    uint64_t *validity; /* of each input, ROWS bits */
    void *scratch;
    uint64_t until_ns; /* of the thread's time */
};

static enum ax_code trial_init(struct trial *t, struct ax_err *err)
{
    const struct ax_signature *signature = t->w->version->signature;
    struct ax_arena *arena = &t->w->arena;
    t->rows_max = AX_MIN(ROWS, signature->rows_max);
    t->in = ax_arena_zalloc(arena, signature->input_count + 1, sizeof(*t->in));
    t->out = ax_arena_zalloc(arena, signature->output_count + 1, sizeof(*t->out));
    t->validity = ax_arena_alloc(arena, signature->input_count + 1, sizeof(*t->validity));
    t->scratch = ax_arena_alloc_aligned(
        arena, ax_model_scratch_size(t->w->version->model, t->rows_max) + 1, 1, 64);
    if (!t->in || !t->out || !t->validity || !t->scratch)
        return ax_arena_fail(arena, "the warm-up", err);
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        size_t stride = output->width * ax_datatype_size(output->datatype);
        t->out[i] = (struct ax_column){
            .datatype = output->datatype,
            .width = output->width,
            .values = ax_arena_alloc_aligned(arena, t->rows_max, stride, 64),
            .stride = stride,
        };
        if (!t->out[i].values)
            return ax_arena_fail(arena, "the warm-up", err);
    }
    return AX_OK;
}

static bool has_nan(const struct ax_column *column, size_t row)
{
    const void *at = ax_column_at(column, row);
    for (size_t i = 0; i < column->width; i++)
        if ((column->datatype == AX_FP32 && isnan(((const float *)at)[i])) ||
            (column->datatype == AX_FP64 && isnan(((const double *)at)[i])))
            return true;
    return false;
}

/* Look for NaN in the answers of rows [from, from + count). */
static enum ax_code trial_check(const struct trial *t, size_t from, size_t count,
                                struct ax_err *err)
{
    const struct ax_signature *signature = t->w->version->signature;
    if (t->w->version->model->engine->answers_nan)
        return AX_OK;
    for (size_t row = 0; row < count; row++) {
        if (t->is_made && row_misses(t->rows, from + row))
            continue;
        for (size_t i = 0; i < signature->output_count; i++)
            if (has_nan(&t->out[i], row))
                return ax_fail(err, AX_E_INVALID, "output '%.*s' of %s row %zu is NaN",
                               AX_STR_ARG(signature->outputs[i].name),
                               t->w->is_given ? "the given" : "a made", from + row);
    }
    return AX_OK;
}

/* Rows [from, from + count) wherever they begin, of which ax_batch_slice could not move the bits.
 */
static struct ax_batch trial_slice(struct trial *t, size_t from, size_t count)
{
    const struct ax_rows *rows = t->rows;
    size_t inputs = rows->signature->input_count;
    for (size_t i = 0; i < inputs; i++) {
        t->in[i] = rows->columns[i];
        t->in[i].values = ax_column_at(&rows->columns[i], from);
        if (!rows->columns[i].validity)
            continue;
        t->validity[i] = 0;
        for (size_t row = 0; row < count; row++)
            t->validity[i] |= (uint64_t)ax_column_is_valid(&rows->columns[i], from + row) << row;
        t->in[i].validity = &t->validity[i];
    }
    return (struct ax_batch){ count, inputs, t->in };
}

/* Score rows [from, from + count), at most ROWS. */
static enum ax_code trial_score(struct trial *t, size_t from, size_t count, struct ax_err *err)
{
    const struct ax_batch in = trial_slice(t, from, count);
    struct ax_batch out = { count, t->w->version->signature->output_count, t->out };
    if (ax_model_predict(t->w->version->model, &in, &out, t->scratch, err))
        return err->code;
    return trial_check(t, from, count, err);
}

static bool trial_is_over(const struct trial *t)
{
    return ax_clock_thread_ns() >= t->until_ns ||
           (t->w->is_stopped && atomic_load_explicit(t->w->is_stopped, memory_order_relaxed));
}

/* All rows, in batches as large as they may be. */
static enum ax_code trial_score_all(struct trial *t, struct ax_err *err)
{
    size_t count;
    for (size_t from = 0; from < t->rows->count && (!from || !trial_is_over(t)); from += count) {
        count = AX_MIN(t->rows_max, t->rows->count - from);
        if (trial_score(t, from, count, err))
            return err->code;
    }
    return AX_OK;
}

/* ---- the whole ---- */

static enum ax_code trial_run_rows(struct trial *t, struct ax_err *err)
{
    if (trial_score_all(t, err))
        return err->code;
    for (size_t i = 0; i < AX_COUNT(batch_rows) && !trial_is_over(t); i++) {
        size_t count = AX_MIN(batch_rows[i], AX_MIN(t->rows_max, t->rows->count));
        if (trial_score(t, 0, count, err))
            return err->code;
    }
    return AX_OK;
}

/* The batches of Triton's model_warmup. */
static enum ax_code trial_run_settings(struct trial *t, const struct ax_model_settings *settings,
                                       struct ax_err *err)
{
    for (size_t i = 0; i < settings->warm_up_count && !trial_is_over(t); i++) {
        const struct ax_warm_up_batch *batch = &settings->warm_ups[i];
        if (make_rows(t->w, batch->rows, batch->has_spread, &t->made, err))
            return err->code;
        t->is_made = batch->has_spread;
        for (uint32_t k = 0; k < batch->count && !trial_is_over(t); k++)
            if (trial_score_all(t, err))
                return err->code;
    }
    return AX_OK;
}

static enum ax_code run(struct ax_warm_up *w, const struct ax_model_settings *settings,
                        struct ax_err *err)
{
    struct trial t = { .w = w, .until_ns = ax_clock_thread_ns() + AX_WARM_UP_NS_MAX };
    if (trial_init(&t, err))
        return err->code;
    t.rows = w->is_given ? &w->rows : &t.made;
    if (!w->is_given) {
        size_t row_bytes = w->signature.input_count * sizeof(struct ax_str) + 1;
        size_t count = AX_MIN(ROWS, MADE_BYTES_MAX / row_bytes + 2);
        if (make_rows(w, count, true, &t.made, err))
            return err->code;
        t.is_made = true;
    }
    if (trial_run_rows(&t, err))
        return err->code;
    t.rows = &t.made;
    return trial_run_settings(&t, settings, err);
}

enum ax_code ax_warm_up_run(struct ax_warm_up *warm_up, const struct ax_model_settings *settings,
                            struct ax_err *err)
{
    assert(warm_up && warm_up->version && settings && err);
    if (!warm_up->is_off && run(warm_up, settings, err))
        return ax_err_context(err, "warm-up");
    return AX_OK;
}

enum ax_code ax_warm_up_read(struct ax_warm_up *ret, const struct ax_version *version,
                             struct ax_err *err)
{
    assert(ret && version && err);
    *ret = (struct ax_warm_up){ .version = version, .signature = *version->signature };
    /* The limit of rows is a request's, not that of the rows that are given. */
    ret->signature.rows_max = AX_SIGNATURE_ROWS_MAX;
    ax_arena_init(&ret->arena, 1 << 16, ARENA_BYTES_MAX);
    ax_buf_init(&ret->file, AX_WARM_UP_FILE_BYTES_MAX);
    return ax_warm_up_rows_read(ret, err);
}

void ax_warm_up_done(struct ax_warm_up *warm_up)
{
    if (!warm_up)
        return;
    ax_arena_done(&warm_up->arena);
    ax_buf_done(&warm_up->file);
    *warm_up = (struct ax_warm_up){ 0 };
}

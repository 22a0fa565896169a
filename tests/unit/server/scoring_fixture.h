/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of scoring: an engine that adds up what it reads, counts its calls and moves a clock;
 * jobs with missing values and different outputs; and net's part. Includes scoring.c, whose clock
 * stands still but for what the engine takes.
 */
#ifndef AX_TESTS_UNIT_SERVER_SCORING_FIXTURE_H
#define AX_TESTS_UNIT_SERVER_SCORING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

/* The scoring's clock stands still but for what the engine takes. */
static uint64_t test_now_ns;
static uint64_t test_tick_ns; /* what reading it takes */
static uint64_t test_clock_ns(void)
{
    test_now_ns += test_tick_ns;
    return test_now_ns;
}
#define ax_clock_ns test_clock_ns
#include "../../../src/server/scoring.c"

#include <stdio.h>
#include <stdlib.h>

#define JOBS_MAX   400
#define SERVED_MAX 100

/* ---- the engine: out[0] = sum of what is there, out[1] = how many are missing ---- */

static size_t engine_calls;
static size_t engine_rows_most;
static double engine_poison; /* a row that holds it fails the call */

struct test_model {
    struct ax_model base;
    uint64_t row_ns;   /* what a row takes */
    uint64_t spent_ns; /* so far */
};

static double engine_cell(const struct ax_column *column, size_t row, int64_t *missing)
{
    double value = 0;
    if (!ax_column_is_valid(column, row))
        *missing += 1;
    else if (column->datatype == AX_FP32)
        value = (double)*(const float *)ax_column_at(column, row);
    else
        value = (double)*(const int64_t *)ax_column_at(column, row);
    return value;
}

static enum ax_code sum_predict(const struct ax_model *model, const struct ax_batch *in,
                                struct ax_batch *out, void *scratch, struct ax_err *err)
{
    struct test_model *own = (struct test_model *)(uintptr_t)model;
    assert_non_null(scratch);
    assert_int_equal((uintptr_t)scratch % 64, 0);
    engine_calls++;
    engine_rows_most = AX_MAX(engine_rows_most, in->rows);
    test_now_ns += in->rows * own->row_ns;
    own->spent_ns += in->rows * own->row_ns;
    for (size_t row = 0; row < in->rows; row++) {
        int64_t missing = 0;
        double sum = 0;
        for (size_t i = 0; i < in->column_count; i++) {
            double value = engine_cell(&in->columns[i], row, &missing);
            if (value == engine_poison)
                return ax_fail(err, AX_E_INVALID, "poison");
            sum += value;
        }
        if (out->columns[0].values)
            *(double *)ax_column_at(&out->columns[0], row) = sum;
        if (out->columns[1].values) {
            int64_t *pair = ax_column_at(&out->columns[1], row);
            pair[0] = missing;
            pair[1] = -missing;
        }
    }
    return AX_OK;
}

static size_t sum_scratch_size(const struct ax_model *model, size_t rows)
{
    (void)model;
    return rows;
}

static const struct ax_engine sum_engine = {
    .name = "sum",
    .caps = AX_ENGINE_CAP_INLINE,
    .scratch_size = sum_scratch_size,
    .predict = sum_predict,
};

static size_t finished_count;

/* ---- net ---- */

static bool is_cancelled;

bool ax_request_is_cancelled(const struct ax_request *request)
{
    (void)request;
    return is_cancelled;
}

/* ---- served versions ---- */

struct ax_served *ax_served_ref(struct ax_served *served)
{
    (void)atomic_fetch_add(&served->refs, 1);
    return served;
}

/* Metrics that are no series are not counted. */
struct fixture {
    struct ax_signature signature;
    struct test_model models[SERVED_MAX];
    struct ax_version versions[SERVED_MAX];
    struct ax_served served[SERVED_MAX];
    struct ax_account account; /* of all of them; its metrics are no series */
    struct ax_catalog catalog;
    struct ax_admission_config config;
    struct ax_server_thread thread;
    struct ax_arena arena;
    struct ax_err err;
};

static struct fixture fixture;

static int set_up(void **state)
{
    static const enum ax_datatype datatypes[] = { AX_FP32, AX_INT64, AX_FP32, AX_INT64 };
    struct fixture *f = &fixture;
    *state = f;
    *f = (struct fixture){ .err = AX_ERR_INIT };
    engine_calls = engine_rows_most = finished_count = 0;
    test_tick_ns = 0;
    engine_poison = -1e9;
    test_now_ns = 1000000000;
    is_cancelled = false;
    ax_arena_init(&f->arena, 1 << 16, 1 << 28);
    assert_int_equal(ax_signature_init(&f->signature, AX_COUNT(datatypes), 2, &f->err), AX_OK);
    for (size_t i = 0; i < AX_COUNT(datatypes); i++)
        f->signature.inputs[i].datatype = datatypes[i];
    for (size_t i = 0; i < SERVED_MAX; i++) {
        f->models[i].base.engine = &sum_engine;
        f->versions[i].model = &f->models[i].base;
        f->versions[i].signature = &f->signature;
        f->served[i].version = &f->versions[i];
        f->served[i].account = &f->account;
    }
    f->thread.catalog = &f->catalog;
    f->config = (struct ax_admission_config){ .priority_levels = 4 };
    ax_scoring_init(&f->thread.scoring, &f->config);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ax_scoring_done(&f->thread.scoring);
    ax_arena_done(&f->arena);
    ax_signature_done(&f->signature);
    return 0;
}

struct test_job {
    struct ax_scoring_job job; /* first */
    struct ax_request request;
    struct ax_rows rows;
    struct ax_column columns[2];
    enum ax_code code;
    size_t finished; /* how often */
    size_t place;    /* in the order of all that finished */
};

static void test_finish(struct ax_server_thread *thread, struct ax_scoring_job *job,
                        struct ax_err *err)
{
    struct test_job *test = container_of(job, struct test_job, job);
    assert_ptr_equal(thread, &fixture.thread);
    test->finished++;
    test->place = finished_count++;
    test->code = err->code;
    /* Nobody reads a finished job's links. */
    job->next = (void *)(uintptr_t)64;
}

static void fill_rows(struct fixture *f, struct ax_rows *rows)
{
    for (size_t row = 0; row < rows->count; row++) {
        for (size_t i = 0; i < f->signature.input_count; i++) {
            if (random() % 4 == 0)
                continue;
            assert_int_equal(ax_rows_set_i64(rows, row, i, random() % 1000, &f->err), AX_OK);
        }
    }
    /* NaN is the missing value of FP32, which this engine does not know. */
    for (size_t row = 0; row < rows->count; row++)
        for (size_t i = 0; i < f->signature.input_count; i += 2)
            assert_int_equal(ax_rows_set_i64(rows, row, i, random() % 1000, &f->err), AX_OK);
}

/* `wanted`: bit i is output i. */
static struct test_job *make_job(struct fixture *f, size_t served, size_t rows, unsigned wanted)
{
    static const size_t strides[] = { sizeof(double), 2 * sizeof(int64_t) };
    struct test_job *test = ax_arena_zalloc(&f->arena, 1, sizeof(*test));
    assert_non_null(test);
    assert_int_equal(ax_rows_init(&test->rows, &f->signature, rows, &f->arena, &f->err), AX_OK);
    fill_rows(f, &test->rows);
    for (size_t i = 0; i < 2; i++) {
        test->columns[i] = (struct ax_column){ .datatype = i ? AX_INT64 : AX_FP64,
                                               .width = i + 1,
                                               .stride = strides[i] };
        if (wanted >> i & 1)
            test->columns[i].values = ax_arena_zalloc(&f->arena, rows + 1, strides[i]);
    }
    test->request.user = test;
    test->job = (struct ax_scoring_job){ .served = &f->served[served],
                                         .request = &test->request,
                                         .rows = &test->rows,
                                         .out = { rows, 2, test->columns },
                                         .finish = test_finish };
    return test;
}

/* What the engine says of this job alone. */
static void assert_scored(struct fixture *f, struct test_job *test)
{
    assert_int_equal(test->finished, 1);
    assert_int_equal(test->code, AX_OK);
    for (size_t i = 0; i < 2; i++) {
        struct ax_column *column = &test->columns[i];
        size_t bytes = test->rows.count * column->stride;
        if (!column->values)
            continue;
        char *got = ax_arena_alloc(&f->arena, bytes + 1, 1);
        assert_non_null(got);
        memcpy(got, column->values, bytes);
        struct ax_batch in = ax_rows_batch(&test->rows);
        static char scratch[64] AX_ALIGNED(64);
        assert_int_equal(
            sum_predict(test->job.served->version->model, &in, &test->job.out, scratch, &f->err),
            AX_OK);
        assert_memory_equal(got, column->values, bytes);
    }
}

static enum ax_code submit(struct fixture *f, struct test_job *test)
{
    struct ax_err err = AX_ERR_INIT;
    return ax_scoring_submit(&f->thread, &test->job, test_now_ns, &err);
}

static void submit_taken(struct fixture *f, struct test_job *test)
{
    assert_int_equal(submit(f, test), AX_OK);
}

static void run_all(struct fixture *f)
{
    while (ax_scoring_run(&f->thread))
        continue;
}

/* The engine takes so long for a row of this version, which is known. */
static void set_cost(struct fixture *f, size_t served, uint64_t row_ns)
{
    f->models[served].row_ns = row_ns;
    ax_cost_set(&f->served[served].cost, 0, (float)row_ns);
}

static void set_costs(struct fixture *f, uint64_t row_ns)
{
    for (size_t i = 0; i < SERVED_MAX; i++)
        set_cost(f, i, row_ns);
}

#endif

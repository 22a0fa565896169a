/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: jobs of one wake-up are joined per version within a slice, each gets exactly the scores
 * that it would get alone, large ones go on in turns, and a failure hits only its own job. Method:
 * an engine that adds up what it reads and counts its calls; hundreds of random jobs with missing
 * values and different outputs. net's resuming is played by this file, which is why scoring.c is
 * included and not linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/server/scoring.c"

#include <stdio.h>
#include <stdlib.h>

#define JOBS_MAX 400

/* ---- the engine: out[0] = sum of what is there, out[1] = how many are missing ---- */

static size_t engine_calls;
static size_t engine_rows_most;
static double engine_poison; /* a row that holds it fails the call */

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
    (void)model;
    assert_non_null(scratch);
    assert_int_equal((uintptr_t)scratch % 64, 0);
    engine_calls++;
    engine_rows_most = AX_MAX(engine_rows_most, in->rows);
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

/* ---- net ---- */

static struct ax_request *runnable[JOBS_MAX];
static size_t runnable_count;
static bool is_cancelled;

void ax_request_resume(struct ax_request *request,
                       void (*step)(void *context, void *state, struct ax_request *request))
{
    assert_ptr_equal(step, score_large);
    assert_true(runnable_count < JOBS_MAX);
    runnable[runnable_count++] = request;
}

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
    struct ax_model model;
    struct ax_version version;
    struct ax_served served[3];
    struct ax_catalog catalog;
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
    engine_calls = engine_rows_most = runnable_count = 0;
    engine_poison = -1e9;
    is_cancelled = false;
    ax_arena_init(&f->arena, 1 << 16, 1 << 28);
    assert_int_equal(ax_signature_init(&f->signature, AX_COUNT(datatypes), 2, &f->err), AX_OK);
    for (size_t i = 0; i < AX_COUNT(datatypes); i++)
        f->signature.inputs[i].datatype = datatypes[i];
    f->model.engine = &sum_engine;
    f->version.model = &f->model;
    f->version.signature = &f->signature;
    for (size_t i = 0; i < AX_COUNT(f->served); i++)
        f->served[i].version = &f->version;
    f->thread.catalog = &f->catalog;
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
};

static void test_finish(struct ax_server_thread *thread, struct ax_scoring_job *job,
                        struct ax_err *err)
{
    struct test_job *test = container_of(job, struct test_job, job);
    assert_ptr_equal(thread, &fixture.thread);
    test->finished++;
    test->code = err->code;
    /* Nobody reads a finished job's links. */
    job->next = job->bucket_next = job->group_first = (void *)(uintptr_t)64;
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
        assert_int_equal(sum_predict(&f->model, &in, &test->job.out, scratch, &f->err), AX_OK);
        assert_memory_equal(got, column->values, bytes);
    }
}

static void run_turns(struct fixture *f)
{
    while (runnable_count > 0) {
        size_t count = runnable_count;
        struct ax_request *now[JOBS_MAX];
        memcpy(now, runnable, count * sizeof(now[0]));
        runnable_count = 0;
        for (size_t i = 0; i < count; i++)
            score_large(NULL, &f->thread, now[i]);
    }
}

static void test_small_jobs_are_one_call(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[40];
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 1 + (unsigned)i % 3);
        ax_scoring_submit(&f->thread, &jobs[i]->job);
    }
    assert_int_equal(engine_calls, 0);
    ax_scoring_run(&f->thread);
    assert_int_equal(engine_calls, 1);
    for (size_t i = 0; i < AX_COUNT(jobs); i++)
        assert_scored(f, jobs[i]);
    ax_scoring_run(&f->thread);
    assert_true(f->served[0].refs == 0);
}

static void test_random_jobs(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[JOBS_MAX];
    srandom(7);
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < JOBS_MAX; i++) {
            size_t rows = random() % 50 ? (size_t)random() % 5 : (size_t)random() % 3000;
            jobs[i] = make_job(f, (size_t)random() % 3, rows, 1 + (unsigned)random() % 3);
        }
        for (size_t i = 0; i < 3; i++)
            atomic_store(&f->served[i].row_ns, 1000000 / (10 + 40 * (uint32_t)round));
        engine_rows_most = 0;
        for (size_t i = 0; i < JOBS_MAX; i++)
            ax_scoring_submit(&f->thread, &jobs[i]->job);
        ax_scoring_run(&f->thread);
        run_turns(f);
        for (size_t i = 0; i < JOBS_MAX; i++)
            assert_scored(f, jobs[i]);
        assert_null(f->thread.scoring.first);
        for (size_t i = 0; i < AX_SCORING_BUCKETS; i++)
            assert_null(f->thread.scoring.buckets[i]);
    }
}

static void test_large_job_takes_turns(void **state)
{
    struct fixture *f = *state;
    struct test_job *large = make_job(f, 0, 5000, 3);
    struct test_job *small = make_job(f, 0, 1, 3);
    atomic_store(&f->served[0].row_ns, 5000); /* 200 rows a slice, or 192 at words of bits */
    ax_scoring_submit(&f->thread, &large->job);
    ax_scoring_submit(&f->thread, &small->job);
    ax_scoring_run(&f->thread);
    /* The small one did not wait, and the large one holds its version. */
    assert_int_equal(small->finished, 1);
    assert_int_equal(large->finished, 0);
    assert_int_equal(engine_calls, 1);
    assert_true(large->job.holds_served);
    assert_true(f->served[0].refs == 1);
    score_large(NULL, &f->thread, runnable[0]);
    assert_int_equal(large->job.scored, 192);
    assert_int_equal(runnable_count, 2);
    runnable_count = 1;
    run_turns(f);
    assert_scored(f, large);
    assert_scored(f, small);
}

static void test_cancelled(void **state)
{
    struct fixture *f = *state;
    struct test_job *large = make_job(f, 0, 5000, 1);
    ax_scoring_submit(&f->thread, &large->job);
    ax_scoring_run(&f->thread);
    is_cancelled = true;
    run_turns(f);
    assert_int_equal(large->finished, 1);
    assert_int_equal(large->code, AX_E_CANCELLED);
    assert_int_equal(engine_calls, 0);
}

static void test_failure_is_its_own(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[9];
    engine_poison = 5000;
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 2, 3);
        if (i == 4)
            assert_int_equal(ax_rows_set_i64(&jobs[i]->rows, 1, 0, 5000, &f->err), AX_OK);
        ax_scoring_submit(&f->thread, &jobs[i]->job);
    }
    ax_scoring_run(&f->thread);
    assert_int_equal(jobs[4]->code, AX_E_INVALID);
    assert_int_equal(jobs[4]->finished, 1);
    for (size_t i = 0; i < AX_COUNT(jobs); i++)
        if (i != 4)
            assert_scored(f, jobs[i]);
}

static void test_learning(void **state)
{
    struct fixture *f = *state;
    struct ax_served *served = &f->served[0];
    assert_int_equal(slice_rows(served), 50); /* nothing known */
    learn(served, 1, 15000);
    assert_int_equal(served->row_ns, 0); /* mostly fixed cost */
    learn(served, 2, 400000);
    assert_int_equal(served->row_ns, 200001); /* a heavy model */
    for (int i = 0; i < 100; i++)
        learn(served, 1000, 100000);
    assert_in_range(served->row_ns, 100, 116);
    uint32_t before = served->row_ns;
    learn(served, 1000, 10000000); /* preempted once */
    assert_in_range(served->row_ns, before, before + 1300);
    learn(served, 1, UINT64_MAX);
    assert_true(slice_rows(served) >= 1);
}

int main(void)
{
    ax_metric_thread_attach();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_small_jobs_are_one_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_jobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_job_takes_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure_is_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_learning, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ax_metric_thread_detach();
    return failed;
}

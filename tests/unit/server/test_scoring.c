/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: jobs of one wake-up are joined per version within a slice, each gets exactly the scores
 * that it would get alone, large ones go on in turns, a failure hits only its own job, and a
 * wake-up ends in time, whatever waits: the rest is scored in those that follow, versions in turn.
 * Method: an engine that adds up what it reads, counts its calls and moves a clock; hundreds of
 * random jobs with missing values and different outputs. net's resuming is played by this file,
 * which is why scoring.c is included and not linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

/* The scoring's clock stands still but for what the engine takes. */
static uint64_t test_now_ns;
static uint64_t test_clock_ns(void)
{
    return test_now_ns;
}
#define ax_clock_ns test_clock_ns
#include "../../../src/server/scoring.c"

#include <stdio.h>
#include <stdlib.h>

#define JOBS_MAX 400

/* ---- the engine: out[0] = sum of what is there, out[1] = how many are missing ---- */

static size_t engine_calls;
static size_t engine_rows_most;
static double engine_poison;   /* a row that holds it fails the call */
static uint64_t engine_row_ns; /* what a row takes */

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
    test_now_ns += in->rows * engine_row_ns;
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
    engine_calls = engine_rows_most = runnable_count = finished_count = 0;
    engine_poison = -1e9;
    engine_row_ns = 0;
    test_now_ns = 1000000000;
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
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(engine_calls, 1);
    for (size_t i = 0; i < AX_COUNT(jobs); i++)
        assert_scored(f, jobs[i]);
    assert_false(ax_scoring_run(&f->thread));
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
        assert_false(ax_scoring_run(&f->thread));
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
    atomic_store(&f->served[0].row_ns, 2500); /* 200 rows a slice, or 192 at words of bits */
    ax_scoring_submit(&f->thread, &large->job);
    ax_scoring_submit(&f->thread, &small->job);
    assert_false(ax_scoring_run(&f->thread));
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
    assert_false(ax_scoring_run(&f->thread));
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
    assert_false(ax_scoring_run(&f->thread));
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

/* One row was preempted for 3 ms: slices of few rows must not stay that small. */
static void test_learning_recovers(void **state)
{
    struct fixture *f = *state;
    struct ax_served *served = &f->served[0];
    learn(served, 64, 64000);
    assert_int_equal(served->row_ns, 1001);
    learn(served, 1, 3000000);
    assert_in_range(slice_rows(served), 1, LEARN_ROWS_MIN - 1);
    for (int i = 0; i < 100; i++)
        learn(served, slice_rows(served), slice_rows(served) * 1000);
    assert_in_range(served->row_ns, 1000, 1150);
    /* The fixed cost of short calls does not make rows dearer. */
    learn(served, 1, 15000);
    assert_in_range(served->row_ns, 1000, 1150);
}

/* A hundred jobs of a version whose rows take a call each: every wake-up makes as many calls as
 * fit, in the order of arrival, and what waits holds its version. */
static void test_wake_up_ends_in_time(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[100];
    engine_row_ns = 400000;
    atomic_store(&f->served[0].row_ns, (uint32_t)engine_row_ns);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 3);
        ax_scoring_submit(&f->thread, &jobs[i]->job);
    }
    size_t wake_ups = 0;
    bool more = true;
    while (more) {
        size_t calls = engine_calls;
        more = ax_scoring_run(&f->thread);
        assert_in_range(engine_calls - calls, 1, 2);
        assert_int_equal(finished_count, engine_calls);
        if (++wake_ups == 1)
            assert_true(f->served[0].refs == AX_COUNT(jobs) - finished_count);
    }
    assert_int_equal(wake_ups, AX_COUNT(jobs) / 2);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        assert_int_equal(jobs[i]->place, i);
        assert_int_equal(jobs[i]->job.holds_served, i >= 2);
        assert_scored(f, jobs[i]);
    }
    assert_false(ax_scoring_run(&f->thread));
}

/* A job that comes while many wait for another version is scored with the next call but one; one
 * that comes for the same version goes behind them, and holds it like them. */
static void test_versions_take_turns(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[50];
    engine_row_ns = 400000;
    for (size_t i = 0; i < 3; i++)
        atomic_store(&f->served[i].row_ns, (uint32_t)engine_row_ns);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, i % 2, 1, 3);
        ax_scoring_submit(&f->thread, &jobs[i]->job);
    }
    assert_true(ax_scoring_run(&f->thread));
    struct test_job *other = make_job(f, 2, 1, 3);
    struct test_job *same = make_job(f, 0, 1, 3);
    ax_scoring_submit(&f->thread, &other->job);
    ax_scoring_submit(&f->thread, &same->job);
    assert_true(same->job.holds_served);
    assert_false(other->job.holds_served);
    assert_true(ax_scoring_run(&f->thread));
    assert_true(ax_scoring_run(&f->thread));
    assert_int_equal(other->finished, 1);
    assert_int_equal(other->place, 4);
    while (ax_scoring_run(&f->thread))
        ;
    assert_scored(f, other);
    assert_scored(f, same);
    assert_in_range(same->place, 50, 51);
    for (size_t i = 0; i < AX_COUNT(jobs); i++)
        assert_scored(f, jobs[i]);
}

/* Who waits too long, or leaves, costs nothing more. */
static void test_waiting_in_vain(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[10];
    engine_row_ns = 1000000;
    atomic_store(&f->served[0].row_ns, (uint32_t)engine_row_ns);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 1);
        jobs[i]->job.deadline_ns = test_now_ns + 3 * engine_row_ns;
        ax_scoring_submit(&f->thread, &jobs[i]->job);
    }
    for (size_t i = 1; i <= 2; i++) {
        assert_true(ax_scoring_run(&f->thread));
        assert_int_equal(engine_calls, i);
    }
    jobs[2]->job.deadline_ns = 0;
    is_cancelled = true;
    jobs[4]->job.deadline_ns = jobs[5]->job.deadline_ns = 0;
    test_now_ns += engine_row_ns;
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(engine_calls, 2);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        bool is_free = i == 2 || i == 4 || i == 5;
        assert_int_equal(jobs[i]->finished, 1);
        assert_int_equal(jobs[i]->code, i < 2 ? AX_OK : is_free ? AX_E_CANCELLED : AX_E_TIMEOUT);
    }
}

/* The thread ends: requests are released while their jobs wait, and no job is looked at again. */
static void test_forgetting(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[10];
    engine_row_ns = 1000000;
    atomic_store(&f->served[0].row_ns, (uint32_t)engine_row_ns);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, i % 3, 1, 1);
        ax_scoring_submit(&f->thread, &jobs[i]->job);
    }
    assert_true(ax_scoring_run(&f->thread));
    assert_int_equal(jobs[0]->finished, 1);
    ax_scoring_forget(&f->thread.scoring, &jobs[0]->job); /* does nothing */
    assert_non_null(f->thread.scoring.first);
    for (size_t i = 1; i < AX_COUNT(jobs); i++) {
        ax_scoring_forget(&f->thread.scoring, &jobs[i]->job);
        jobs[i]->job.next = jobs[i]->job.bucket_next = (void *)(uintptr_t)64;
    }
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(finished_count, 1);
}

/* However cheap its rows are, a call has few jobs, since each of them is answered behind it. */
static void test_jobs_of_a_call(void **state)
{
    struct fixture *f = *state;
    atomic_store(&f->served[0].row_ns, 1);
    for (size_t i = 0; i < JOBS_MAX; i++)
        ax_scoring_submit(&f->thread, &make_job(f, 0, 1, 1)->job);
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(engine_rows_most, AX_SCORING_JOBS_MAX);
    assert_int_equal(engine_calls, 2);
    assert_int_equal(finished_count, JOBS_MAX);
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
        cmocka_unit_test_setup_teardown(test_learning_recovers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wake_up_ends_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_versions_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_in_vain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgetting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_jobs_of_a_call, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ax_metric_thread_detach();
    return failed;
}

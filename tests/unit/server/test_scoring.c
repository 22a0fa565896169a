/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: jobs of one wake-up are joined per version within a slice, each gets exactly the scores
 * that it would get alone, large ones go on in turns, a failure hits only its own job, and a
 * wake-up ends in time, whatever waits: the rest is scored in those that follow.
 * Method: the fixture's engine and clock; hundreds of random jobs. Whose turn it is, and what is
 * refused, is tested in test_scheduling.c.
 */
#include "scoring_fixture.h"

static void test_small_jobs_are_one_call(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[40];
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 1 + (unsigned)i % 3);
        submit_taken(f, jobs[i]);
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
            jobs[i]->job.level = (unsigned)random() % 4;
        }
        set_costs(f, AX_SCORING_SLICE_NS / (5 + 20 * round));
        for (size_t i = 0; i < JOBS_MAX; i++)
            submit_taken(f, jobs[i]);
        run_all(f);
        for (size_t i = 0; i < JOBS_MAX; i++)
            assert_scored(f, jobs[i]);
        assert_int_equal(f->thread.scoring.queue.waiting, 0);
        assert_int_equal(ax_scoring_backlog_ns(&f->thread.scoring), 0);
        for (size_t i = 0; i < AX_SCORING_BUCKETS; i++)
            assert_null(f->thread.scoring.queue.buckets[i]);
    }
}

/* 100 rows a slice, so that validity bits are cut anywhere. */
static void test_large_job_takes_turns(void **state)
{
    struct fixture *f = *state;
    struct test_job *large = make_job(f, 0, 5000, 3);
    struct test_job *small = make_job(f, 0, 1, 3);
    set_costs(f, AX_SCORING_SLICE_NS / 100);
    submit_taken(f, large);
    submit_taken(f, small);
    assert_true(ax_scoring_run(&f->thread));
    assert_true(ax_scoring_run(&f->thread));
    /* The small one waited for one slice only, and the large one holds its version. */
    assert_int_equal(small->finished, 1);
    assert_int_equal(large->finished, 0);
    assert_int_equal(engine_rows_most, 100);
    assert_true(large->job.holds_served);
    assert_true(f->served[0].refs == 2);
    run_all(f);
    assert_int_equal(engine_rows_most, 100);
    assert_int_equal(engine_calls, 1 + 5000 / 100);
    assert_scored(f, large);
    assert_scored(f, small);
}

/* Nothing is known of the version: its first call is short, however long the job is. */
static void test_first_call_is_short(void **state)
{
    struct fixture *f = *state;
    struct test_job *large = make_job(f, 0, 100000, 1);
    f->models[0].row_ns = 2000;
    submit_taken(f, large);
    assert_true(ax_scoring_run(&f->thread));
    assert_in_range(engine_rows_most, 1, 2 * AX_SCORING_ROWS_FIRST);
    run_all(f);
    assert_in_range(engine_rows_most, 64, 2 * AX_SCORING_SLICE_NS / 2000);
    assert_scored(f, large);
}

static void test_cancelled(void **state)
{
    struct fixture *f = *state;
    struct test_job *large = make_job(f, 0, 5000, 1);
    set_costs(f, 100000);
    submit_taken(f, large);
    assert_true(ax_scoring_run(&f->thread));
    size_t calls = engine_calls;
    is_cancelled = true;
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(large->finished, 1);
    assert_int_equal(large->code, AX_E_CANCELLED);
    assert_int_equal(engine_calls, calls);
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
        submit_taken(f, jobs[i]);
    }
    run_all(f);
    assert_int_equal(jobs[4]->code, AX_E_INVALID);
    assert_int_equal(jobs[4]->finished, 1);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        if (i != 4)
            assert_scored(f, jobs[i]);
        assert_int_equal(jobs[i]->place, i);
    }
}

/* A call of many jobs fails. What scoring them one by one takes is not one turn's. */
static void test_failure_takes_turns(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[200];
    engine_poison = 5000;
    set_costs(f, 1000);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 3);
        submit_taken(f, jobs[i]);
    }
    assert_int_equal(ax_rows_set_i64(&jobs[0]->rows, 0, 0, 5000, &f->err), AX_OK);
    f->models[0].row_ns = 100000; /* alone they take longer */
    assert_true(ax_scoring_run(&f->thread));
    struct test_job *other = make_job(f, 1, 1, 3);
    submit_taken(f, other);
    while (!other->finished)
        assert_true(ax_scoring_run(&f->thread));
    assert_in_range(other->place, 0, 4);
    run_all(f);
    for (size_t i = 1; i < AX_COUNT(jobs); i++)
        assert_scored(f, jobs[i]);
    assert_int_equal(jobs[0]->code, AX_E_INVALID);
}

/* A hundred jobs of a version whose rows take a call each: every wake-up makes as many calls as
 * fit, in the order of arrival, and what waits holds its version. */
static void test_wake_up_ends_in_time(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[100];
    set_costs(f, 200000);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 3);
        submit_taken(f, jobs[i]);
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

/* Who waits too long, or leaves, costs nothing more. */
static void test_waiting_in_vain(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[10];
    set_costs(f, 1000000);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, 0, 1, 1);
        submit_taken(f, jobs[i]);
        jobs[i]->job.deadline_ns = test_now_ns + 3 * 1000000;
    }
    for (size_t i = 1; i <= 2; i++) {
        assert_true(ax_scoring_run(&f->thread));
        assert_int_equal(engine_calls, i);
    }
    jobs[2]->job.deadline_ns = 0;
    is_cancelled = true;
    jobs[4]->job.deadline_ns = jobs[5]->job.deadline_ns = 0;
    test_now_ns += 1000000;
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
    set_costs(f, 1000000);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, i % 3, 1, 1);
        submit_taken(f, jobs[i]);
    }
    assert_true(ax_scoring_run(&f->thread));
    assert_int_equal(jobs[0]->finished, 1);
    ax_scoring_forget(&f->thread.scoring, &jobs[0]->job); /* does nothing */
    assert_int_not_equal(f->thread.scoring.queue.waiting, 0);
    for (size_t i = 1; i < AX_COUNT(jobs); i++) {
        ax_scoring_forget(&f->thread.scoring, &jobs[i]->job);
        jobs[i]->job.next = (void *)(uintptr_t)64;
    }
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(finished_count, 1);
    assert_int_equal(ax_scoring_backlog_ns(&f->thread.scoring), 0);
}

/* However cheap its rows are, a call has few jobs, since each of them is answered behind it. */
static void test_jobs_of_a_call(void **state)
{
    struct fixture *f = *state;
    set_costs(f, 1);
    for (size_t i = 0; i < JOBS_MAX; i++)
        submit_taken(f, make_job(f, 0, 1, 1));
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(engine_rows_most, AX_SCORING_JOBS_MAX);
    assert_int_equal(engine_calls, 2);
    assert_int_equal(finished_count, JOBS_MAX);
}

/* For the only one no flow is made, which nobody may notice: others wait for it, it goes first, it
 * is cut in slices, ends in vain, and is forgotten like any other. */
static void test_the_lone_job(void **state)
{
    struct fixture *f = *state;
    struct ax_scoring *scoring = &f->thread.scoring;
    struct ax_err err = AX_ERR_INIT;
    struct test_job *jobs[6];
    set_costs(f, 100000);
    f->config.queue_time_ns_max = 50000;
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, i % 2, i == 4 ? 50 : 1, 3);
        jobs[i]->job.level = 1;
    }
    submit_taken(f, jobs[0]);
    assert_int_equal(scoring->queue.waiting, 0);
    assert_false(ax_scoring_queue_is_empty(&scoring->queue));
    assert_in_range(ax_scoring_backlog_ns(scoring), 100000, 400000);
    assert_int_equal(ax_scoring_check(scoring, &f->served[1], 0, 0, test_now_ns, &err), AX_OK);
    assert_int_equal(ax_scoring_check(scoring, &f->served[1], 1, 0, test_now_ns, &err), AX_E_LIMIT);
    f->config.queue_time_ns_max = 0;
    submit_taken(f, jobs[1]);
    assert_int_not_equal(scoring->queue.waiting, 0);
    assert_false(ax_scoring_run(&f->thread));
    assert_scored(f, jobs[0]);
    assert_scored(f, jobs[1]);
    assert_true(jobs[0]->place < jobs[1]->place);
    jobs[2]->job.deadline_ns = test_now_ns + 200000;
    submit_taken(f, jobs[2]);
    test_now_ns += 200000;
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(jobs[2]->code, AX_E_TIMEOUT);
    submit_taken(f, jobs[3]);
    is_cancelled = true;
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(jobs[3]->code, AX_E_CANCELLED);
    is_cancelled = false;
    engine_calls = 0;
    submit_taken(f, jobs[4]);
    assert_true(ax_scoring_run(&f->thread));
    assert_int_equal(engine_calls, 1);
    assert_true(jobs[4]->job.holds_served);
    run_all(f);
    assert_scored(f, jobs[4]);
    assert_true(engine_calls > 20);
    submit_taken(f, jobs[5]);
    ax_scoring_forget(scoring, &jobs[5]->job);
    assert_true(ax_scoring_queue_is_empty(&scoring->queue));
    assert_false(ax_scoring_run(&f->thread));
    assert_int_equal(jobs[5]->finished, 0);
}

int main(void)
{
    ax_metric_thread_attach();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_small_jobs_are_one_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_jobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_job_takes_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_call_is_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure_is_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure_takes_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wake_up_ends_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_in_vain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgetting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_jobs_of_a_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_lone_job, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ax_metric_thread_detach();
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whose turn it is and what is refused, as docs/internals/scheduling.md promises: models
 * share time by cost, a hot one does not hurt quiet ones, priorities go first and starve nobody,
 * nothing begins after its deadline, and under twice the load that fits the queue stays short, the
 * engine busy, and all is well again soon after. Method: the fixture's engine and clock; what is
 * asserted are counts, and times of that clock, so no run differs from another. The load is played:
 * what came while the engine was busy is submitted before the next run, as the loop does it.
 */
#include "scoring_fixture.h"

#define US ((uint64_t)1000)
#define MS ((uint64_t)1000000)

/* A job that can be used again when it is finished. */
static void again(struct test_job *test)
{
    test->finished = 0;
    test->job.deadline_ns = 0;
    test->job.holds_served = false;
}

/* A version whose rows take ten times as long as another's, both with long queues: each gets half
 * of the time, also when one of its rows is longer than a turn. */
static void test_models_share_by_cost(void **state)
{
    struct fixture *f = *state;
    static const uint64_t heavy_ns[] = { 100 * US, 1 * MS, 3 * MS };
    for (size_t at = 0; at < AX_COUNT(heavy_ns); at++) {
        set_cost(f, 0, heavy_ns[at]);
        set_cost(f, 1, 10 * US);
        size_t heavy_count = 100 * MS / heavy_ns[at];
        for (size_t i = 0; i < heavy_count; i++)
            submit_taken(f, make_job(f, 0, 1, 1));
        for (size_t i = 0; i < 10000; i++)
            submit_taken(f, make_job(f, 1, 1, 1));
        f->models[0].spent_ns = f->models[1].spent_ns = 0;
        while (f->models[0].spent_ns + f->models[1].spent_ns < 60 * MS)
            assert_true(ax_scoring_run(&f->thread));
        assert_in_range(f->models[0].spent_ns, 26 * MS, 34 * MS + heavy_ns[at]);
        run_all(f);
    }
}

/* A hot version has a long queue of its own. What comes for 99 others is scored within their round:
 * one turn of the hot one, and their own. */
static void test_hot_one_hurts_no_other(void **state)
{
    struct fixture *f = *state;
    struct test_job *quiet[99];
    set_costs(f, 10 * US);
    for (size_t i = 0; i < 3000; i++)
        submit_taken(f, make_job(f, 0, 1, 1));
    assert_true(ax_scoring_run(&f->thread));
    for (size_t i = 0; i < AX_COUNT(quiet); i++) {
        quiet[i] = make_job(f, 1 + i, 1, 1);
        submit_taken(f, quiet[i]);
    }
    uint64_t began_ns = test_now_ns;
    while (quiet[98]->finished == 0)
        assert_true(ax_scoring_run(&f->thread));
    /* 99 rows, and a turn or two. */
    assert_in_range(test_now_ns - began_ns, 990 * US, 990 * US + 2 * AX_SCORING_RUN_NS);
    for (size_t i = 0; i < AX_COUNT(quiet); i++)
        assert_int_equal(quiet[i]->finished, 1);
    run_all(f);
}

static void test_priorities(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[40];
    set_costs(f, 200 * US);
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        jobs[i] = make_job(f, i % 3, 1, 1);
        jobs[i]->job.level = 3 - (unsigned)i % 4;
        submit_taken(f, jobs[i]);
    }
    run_all(f);
    /* Higher ones go first, but for the few turns that lower ones are owed. */
    size_t sum[4] = { 0 };
    for (size_t i = 0; i < AX_COUNT(jobs); i++) {
        assert_scored(f, jobs[i]);
        sum[jobs[i]->job.level] += jobs[i]->place;
    }
    for (size_t i = 0; i + 1 < AX_COUNT(sum); i++)
        assert_true(sum[i] < sum[i + 1]);
    assert_in_range(sum[0], 45, 45 + 10);
}

/* What waits behind a level that never ends gets a sixteenth, each of the lower ones. */
static void test_nothing_starves(void **state)
{
    struct fixture *f = *state;
    set_costs(f, 50 * US);
    for (size_t i = 0; i < 8000; i++) {
        struct test_job *test = make_job(f, i % 4, 1, 1);
        test->job.level = (unsigned)(i % 4);
        if (i % 4 == 0 || i < 2000)
            submit_taken(f, test);
    }
    while (f->models[0].spent_ns < 90 * MS)
        assert_true(ax_scoring_run(&f->thread));
    for (size_t i = 1; i < 4; i++)
        assert_in_range(f->models[i].spent_ns, f->models[0].spent_ns / 16 - MS,
                        f->models[0].spent_ns / 16 + 2 * MS);
    run_all(f);
}

/* A million jobs with random deadlines, a clock that goes on whenever it is read, costs that are
 * predicted wrongly: a call never begins for one that is late. */
static void test_nothing_starts_late(void **state)
{
    struct fixture *f = *state;
    static struct test_job *pool[200];
    size_t scored = 0;
    size_t refused = 0;
    size_t late = 0;
    srandom(11);
    for (size_t i = 0; i < AX_COUNT(pool); i++)
        pool[i] = make_job(f, i % 5, 1 + i % 3 * 40, 1);
    test_tick_ns = 70;
    for (size_t sent = 0; sent < 1000000;) {
        for (size_t i = 0; i < 5; i++)
            f->models[i].row_ns = (uint64_t)random() % 4000;
        for (size_t i = 0; i < AX_COUNT(pool); i++, sent++) {
            again(pool[i]);
            pool[i]->job.level = (unsigned)random() % 3;
            pool[i]->job.deadline_ns = test_now_ns + (uint64_t)random() % (4 * MS);
            refused += submit(f, pool[i]) != AX_OK;
        }
        run_all(f);
        for (size_t i = 0; i < AX_COUNT(pool); i++) {
            const struct ax_scoring_job *job = &pool[i]->job;
            if (!pool[i]->finished)
                continue;
            assert_int_equal(pool[i]->finished, 1);
            if (pool[i]->code == AX_OK)
                assert_true(job->began_ns < job->deadline_ns);
            scored += pool[i]->code == AX_OK;
            late += pool[i]->code == AX_E_TIMEOUT;
        }
    }
    assert_int_equal(scored + refused + late, 1000000);
    assert_in_range(scored, 100000, 900000);
    assert_in_range(refused, 50000, 900000);
    assert_in_range(late, 100, 500000);
}

/* What cannot be done in time is refused at once, for its own cost too; and a cost that was learnt
 * wrongly is tried again. */
static void test_refused_at_once(void **state)
{
    struct fixture *f = *state;
    struct test_job *test = make_job(f, 0, 1, 1);
    set_costs(f, 100 * US);
    test->job.deadline_ns = test_now_ns;
    assert_int_equal(submit(f, test), AX_E_TIMEOUT);
    test->job.deadline_ns = test_now_ns + 90 * US;
    assert_int_equal(submit(f, test), AX_E_TIMEOUT);
    test->job.deadline_ns = test_now_ns + 110 * US;
    assert_int_equal(submit(f, test), AX_OK);
    run_all(f);
    assert_scored(f, test);
    for (size_t i = 0; i < 20; i++)
        submit_taken(f, make_job(f, 1, 1, 1));
    struct ax_err err = AX_ERR_INIT;
    const struct ax_served *other = &f->served[1];
    assert_int_equal(
        ax_scoring_check(&f->thread.scoring, other, 0, test_now_ns + MS, test_now_ns, &err),
        AX_E_TIMEOUT);
    assert_string_equal(err.msg, "Request timeout expired");
    run_all(f);
    ax_cost_set(&f->served[2].cost, 0, 1e9F);
    test = make_job(f, 2, 1, 1);
    size_t tries = 0;
    enum ax_code code = AX_E_TIMEOUT;
    for (; code && tries < 1000; tries++) {
        test->job.deadline_ns = test_now_ns + 10 * MS;
        code = submit(f, test);
    }
    assert_in_range(tries, 10, 999);
    run_all(f);
}

/* Open-loop load: a job every `gap_ns` for each of the first versions, a number of which is
 * outstanding at most, as the pool has it. */
struct load {
    struct test_job *pool[3000];
    uint64_t submitted_ns[3000];
    size_t count;        /* of the pool in use */
    size_t rows;         /* of a job */
    uint64_t timeout_ns; /* of a job, since it was due; 0: none */
    uint64_t due_ns;
    size_t sent, taken, refused, late;
    uint64_t wait_ns_most; /* of those that were scored, until their call began */
};

static void load_collect(struct load *load)
{
    for (size_t i = 0; i < load->count; i++) {
        struct test_job *test = load->pool[i];
        if (!test->job.request || !test->finished)
            continue;
        test->job.request = NULL; /* free to be sent again */
        if (test->code == AX_E_TIMEOUT) {
            load->late++;
            continue;
        }
        assert_int_equal(test->code, AX_OK);
        uint64_t wait_ns = test->job.began_ns - load->submitted_ns[i];
        load->wait_ns_most = AX_MAX(load->wait_ns_most, wait_ns);
    }
}

static void load_send(struct fixture *f, struct load *load, size_t served, uint64_t gap_ns)
{
    size_t at = 0;
    for (; load->due_ns <= test_now_ns; load->due_ns += gap_ns, load->sent++) {
        while (at < load->count && load->pool[at]->job.request)
            at++;
        assert_true(at < AX_COUNT(load->pool));
        if (at == load->count)
            load->pool[load->count++] = make_job(f, served, load->rows, 1);
        struct test_job *test = load->pool[at];
        again(test);
        uint64_t deadline_ns = load->timeout_ns ? load->due_ns + load->timeout_ns : 0;
        test->job.deadline_ns = deadline_ns;
        test->job.request = &test->request;
        load->submitted_ns[at] = load->due_ns;
        struct ax_err err = AX_ERR_INIT;
        if (ax_scoring_check(&f->thread.scoring, test->job.served, 0, deadline_ns, test_now_ns,
                             &err) == AX_OK &&
            submit(f, test) == AX_OK) {
            load->taken++;
            continue;
        }
        load->refused++;
        test->job.request = NULL;
    }
}

/* For `for_ns`, rounds of the loop: what came is submitted, a run, and a tenth of a millisecond for
 * all that a loop does besides. */
static void play(struct fixture *f, struct load *hot, uint64_t hot_gap_ns, struct load *quiet,
                 uint64_t quiet_gap_ns, uint64_t for_ns)
{
    uint64_t end_ns = test_now_ns + for_ns;
    hot->due_ns = quiet->due_ns = test_now_ns;
    while (test_now_ns < end_ns) {
        load_send(f, hot, 0, hot_gap_ns);
        load_send(f, quiet, 1, quiet_gap_ns);
        bool more = ax_scoring_run(&f->thread);
        assert_true(more || !f->thread.scoring.queue.waiting);
        load_collect(hot);
        load_collect(quiet);
        test_now_ns += 100 * US;
    }
}

static void test_twice_the_load(void **state)
{
    struct fixture *f = *state;
    static struct load hot, quiet;
    hot = quiet = (struct load){ .rows = 1 };
    f->config.queue_time_ns_max = 2 * MS;
    set_costs(f, 100 * US);
    /* The thread learns what time passes beside the engine's. */
    play(f, &hot, 50 * US, &quiet, 5 * MS, 300 * MS);
    assert_in_range(hot.wait_ns_most, 1 * MS, 4 * MS);
    hot.wait_ns_most = hot.taken = hot.refused = hot.sent = 0;
    f->models[0].spent_ns = f->models[1].spent_ns = 0;
    play(f, &hot, 50 * US, &quiet, 5 * MS, 1000 * MS);
    /* All that was taken was done, within the limit and a round; the engine was busy for all but
     * what the loop took; and the quiet one's were all taken, and did not wait for the others. */
    assert_in_range(hot.wait_ns_most, 1 * MS, 4 * MS);
    uint64_t spent_ns = f->models[0].spent_ns + f->models[1].spent_ns;
    assert_in_range(spent_ns, 780 * MS, 1000 * MS);
    assert_in_range(hot.refused, hot.sent * 5 / 10, hot.sent * 7 / 10);
    assert_int_equal(quiet.refused, 0);
    assert_in_range(quiet.wait_ns_most, 0, 2 * MS);
    /* Half the load: within 10 ms nothing waits, nothing is refused. */
    play(f, &hot, 200 * US, &quiet, 5 * MS, 10 * MS);
    hot.wait_ns_most = hot.refused = 0;
    play(f, &hot, 200 * US, &quiet, 5 * MS, 100 * MS);
    assert_int_equal(hot.refused, 0);
    assert_in_range(hot.wait_ns_most, 0, 2 * MS);
    run_all(f);
}

/* Twice the load again, of jobs that take two slices and have a deadline, by an engine that takes a
 * half more or less than it did before: what is refused is refused at once, and not when its turn
 * comes; what is taken is done in one go; and the engine is busy. */
static void test_twice_the_load_with_deadlines(void **state)
{
    struct fixture *f = *state;
    static struct load hot, quiet;
    hot = quiet = (struct load){ .rows = 4, .timeout_ns = 5 * MS };
    set_costs(f, 100 * US);
    srandom(5);
    for (size_t round = 0; round < 150; round++) {
        if (round == 25)
            hot.late = hot.refused = hot.taken = f->models[0].spent_ns = 0;
        f->models[0].row_ns = 50 * US + (uint64_t)random() % (100 * US);
        play(f, &hot, 200 * US, &quiet, 30 * MS, 20 * MS);
    }
    assert_in_range(hot.late, 0, (hot.taken + hot.refused) / 66);
    assert_in_range(hot.refused, hot.taken * 8 / 10, hot.taken * 16 / 10);
    assert_in_range(f->models[0].spent_ns, 1800 * MS, 2100 * MS); /* of 2,530 */
    assert_int_equal(quiet.refused, 0);
    run_all(f);
}

/* By the default limit a crowd that waits for its answers is served, and the limit is not far off;
 * a request of many rows is served, too, beside others like it. */
static void test_what_is_no_overload(void **state)
{
    struct fixture *f = *state;
    struct test_job *jobs[128];
    struct ax_err err = AX_ERR_INIT;
    const struct ax_option_group options[] = { { ax_admission_options, &f->config }, { 0 } };
    ax_option_defaults(options);
    set_costs(f, 100 * US);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < AX_COUNT(jobs); i++) {
            jobs[i] = make_job(f, 0, 1, 1);
            submit_taken(f, jobs[i]);
        }
        run_all(f);
    }
    for (size_t i = 0; i < 8; i++) {
        jobs[i] = make_job(f, 0, 20000, 1); /* two seconds */
        submit_taken(f, jobs[i]);
    }
    assert_true(ax_scoring_backlog_ns(&f->thread.scoring) > 8 * 1000 * MS);
    struct test_job *small = make_job(f, 1, 1, 1);
    submit_taken(f, small);
    assert_true(ax_scoring_run(&f->thread));
    assert_true(ax_scoring_run(&f->thread));
    assert_int_equal(small->finished, 1);
    run_all(f);
    for (size_t i = 0; i < 8; i++)
        assert_scored(f, jobs[i]);
    size_t taken = 0;
    while (taken < JOBS_MAX * 4 &&
           !ax_scoring_check(&f->thread.scoring, &f->served[0], 0, 0, test_now_ns, &err)) {
        submit_taken(f, make_job(f, 0, 1, 1));
        taken++;
    }
    assert_int_equal(err.code, AX_E_LIMIT);
    assert_in_range(taken, 600, 1100);
    run_all(f);
}

/* Requests of a version, of all threads together, with the model's limit or the server's. */
static void test_in_flight(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t model, server, wanted;
    } cases[] = { { 0, 0, SIZE_MAX }, { 0, 1, 1 }, { 0, 3, 3 }, { 2, 0, 2 }, { 4, 1, 4 } };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        _Atomic size_t in_flight = 0;
        _Atomic size_t *entered[5] = { NULL };
        f->config.model_requests_max = cases[i].server;
        for (size_t k = 0; k < AX_COUNT(entered); k++) {
            bool is_taken = ax_admission_enter(&f->config, cases[i].model, &in_flight, &entered[k],
                                               &err) == AX_OK;
            assert_int_equal(is_taken, k < cases[i].wanted);
            assert_true(is_taken || err.code == AX_E_LIMIT);
            ax_err_clear(&err);
        }
        assert_true(in_flight == (cases[i].wanted == SIZE_MAX ? 0 : cases[i].wanted));
        /* Those that were refused have nothing to leave, and who leaves makes room. */
        for (size_t k = 0; k < AX_COUNT(entered); k++)
            ax_admission_leave(entered[k]);
        assert_true(in_flight == 0);
        assert_int_equal(
            ax_admission_enter(&f->config, cases[i].model, &in_flight, &entered[0], &err), AX_OK);
    }
}

static void test_levels(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t priority;
        unsigned model, levels, wanted;
    } cases[] = {
        { 0, 0, 4, 1 }, { 1, 0, 4, 0 }, { 4, 0, 4, 3 }, { 5, 0, 4, 1 }, { UINT64_MAX, 3, 4, 2 },
        { 0, 3, 4, 2 }, { 2, 3, 4, 1 }, { 0, 9, 4, 1 }, { 7, 1, 1, 0 }, { 0, 0, 16, 7 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        f->config.priority_levels = cases[i].levels;
        assert_int_equal(ax_admission_level(&f->config, cases[i].priority, cases[i].model),
                         cases[i].wanted);
    }
}

int main(void)
{
    ax_metric_thread_attach();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_models_share_by_cost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hot_one_hurts_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_priorities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_starves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_starts_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_twice_the_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_twice_the_load_with_deadlines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_overload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ax_metric_thread_detach();
    return failed;
}

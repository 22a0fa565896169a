/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a prediction that waits while it is read, as for a store that answers later, holds its
 * version and no step of the loop; it goes on when it is woken, and ends when its client goes away
 * or its time is over. What its form holds is given back once.
 * Method: prediction.c alone; what it asks of net, of the catalog and of scoring is played: the
 * step that is asked for is run by the test, a job is finished by it, and an answer ends the
 * request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static uint64_t test_now_ns;
static uint64_t test_clock_ns(void)
{
    return test_now_ns;
}
#define ax_clock_ns test_clock_ns
#include "../../../src/server/prediction.c"

static struct {
    struct ax_signature signature;
    struct ax_version version;
    struct ax_served served;
    struct ax_account account; /* its metrics are no series */
    struct ax_admission_config config;
    struct ax_server_thread thread;
    struct ax_err err;
    bool is_cancelled;
    struct ax_scoring_job *job; /* that was submitted */
} fixture;

static struct {
    struct ax_request request;
    struct ax_prediction prediction;
    bool is_there; /* what the form waits for */
    size_t reads, released, steps;
    void (*step)(void *context, void *state, struct ax_request *request);
    int status; /* of the answer; 0: none */
    char text[256];
    struct ax_buf answer;
} test;

/* ---- net and the server's own ---- */

void ax_request_resume(struct ax_request *request,
                       void (*step)(void *context, void *state, struct ax_request *request))
{
    assert_ptr_equal(request, &test.request);
    test.step = step;
    test.steps++;
}

static void end_request(int status, const char *text)
{
    assert_int_equal(test.status, 0);
    test.status = status;
    (void)snprintf(test.text, sizeof(test.text), "%s", text);
    prediction_release(test.request.user);
}

void ax_request_answer(struct ax_request *request, const struct ax_answer *answer)
{
    (void)request;
    end_request(answer->status, "");
}

bool ax_request_is_cancelled(const struct ax_request *request)
{
    (void)request;
    return fixture.is_cancelled;
}

struct ax_str ax_request_header(const struct ax_request *request, const char *name)
{
    (void)request;
    (void)name;
    return (struct ax_str){ NULL, 0 };
}

bool ax_request_has_second(const struct ax_request *request, const char *name)
{
    (void)request;
    (void)name;
    return false;
}

struct ax_buf *ax_server_thread_answer_begin(struct ax_server_thread *thread)
{
    (void)thread;
    return &test.answer;
}

void ax_server_thread_answer(struct ax_server_thread *thread, struct ax_request *request,
                             int status)
{
    (void)thread;
    (void)request;
    end_request(status, "");
}

void ax_server_thread_answer_error(struct ax_server_thread *thread, struct ax_request *request,
                                   int status, const char *text, const char *extra_headers)
{
    (void)thread;
    (void)request;
    (void)extra_headers;
    end_request(status, text);
}

bool ax_cold_is_there(const struct ax_server_thread *thread, struct ax_str model,
                      struct ax_str version)
{
    (void)thread;
    (void)model;
    (void)version;
    return false;
}

uint64_t ax_cold_until_ns(const struct ax_server_thread *thread)
{
    (void)thread;
    return 0;
}

void ax_cold_ask(struct ax_server_thread *thread, struct ax_request *request,
                 struct ax_cold_wait *wait)
{
    (void)thread;
    (void)request;
    (void)wait;
    fail();
}

void ax_cold_withdraw(struct ax_server_thread *thread, struct ax_cold_wait *wait)
{
    (void)thread;
    assert_null(wait);
}

void ax_scoring_forget(struct ax_scoring *scoring, const struct ax_scoring_job *job)
{
    (void)scoring;
    (void)job;
}

enum ax_code ax_scoring_check(struct ax_scoring *scoring, const struct ax_served *served,
                              unsigned level, uint64_t deadline_ns, uint64_t now_ns,
                              struct ax_err *err)
{
    (void)scoring;
    (void)served;
    (void)level;
    (void)deadline_ns;
    (void)now_ns;
    (void)err;
    return AX_OK;
}

enum ax_code ax_scoring_submit(struct ax_server_thread *thread, struct ax_scoring_job *job,
                               uint64_t now_ns, struct ax_err *err)
{
    (void)thread;
    (void)now_ns;
    (void)err;
    fixture.job = job;
    return AX_OK;
}

struct ax_served *ax_served_ref(struct ax_served *served)
{
    (void)atomic_fetch_add(&served->refs, 1);
    return served;
}

void ax_served_unref(struct ax_served *served)
{
    if (served)
        (void)atomic_fetch_sub(&served->refs, 1);
}

const struct ax_catalog_version *ax_catalog_find(const struct ax_catalog *catalog,
                                                 struct ax_str model, struct ax_str version)
{
    (void)catalog;
    (void)model;
    (void)version;
    return NULL;
}

struct ax_account *ax_catalog_account(const struct ax_catalog *catalog, struct ax_str model,
                                      struct ax_str version)
{
    (void)catalog;
    (void)model;
    (void)version;
    return &fixture.account;
}

enum ax_code ax_catalog_version(const struct ax_catalog *catalog, struct ax_str model,
                                struct ax_str version, struct ax_served **ret_served,
                                struct ax_err *err)
{
    (void)catalog;
    (void)model;
    (void)version;
    *ret_served = NULL;
    return ax_fail(err, AX_E_NOT_FOUND, "not asked for");
}

/* ---- a form that waits ---- */

static enum ax_code wait_read(struct ax_prediction *prediction, size_t byte_budget, bool *ret_done,
                              struct ax_err *err)
{
    (void)byte_budget;
    test.reads++;
    if (!test.is_there) {
        ax_prediction_wait(prediction);
        return AX_OK;
    }
    prediction->wanted[0] = true;
    *ret_done = true;
    return ax_rows_init(&prediction->rows, &fixture.signature, 1, &test.request.arena, err);
}

static bool wait_print(struct ax_prediction *prediction, struct ax_buf *out, size_t byte_budget)
{
    (void)prediction;
    (void)byte_budget;
    (void)ax_buf_append_char(out, '!');
    return true;
}

static void wait_release(struct ax_prediction *prediction)
{
    assert_ptr_equal(prediction, &test.prediction);
    test.released++;
}

static const struct ax_prediction_form wait_form = {
    .read = wait_read,
    .print = wait_print,
    .release = wait_release,
    .status = ax_prediction_status,
};

static int begin(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof(fixture));
    memset(&test, 0, sizeof(test));
    test_now_ns = 1000000000;
    assert_int_equal(ax_signature_init(&fixture.signature, 1, 1, &fixture.err), AX_OK);
    fixture.signature.outputs[0].datatype = AX_FP64;
    fixture.signature.outputs[0].width = 1;
    fixture.version.signature = &fixture.signature;
    fixture.served.version = &fixture.version;
    fixture.config = (struct ax_admission_config){ .priority_levels = 1, .request_rows_max = 1 };
    fixture.thread.scoring.admission = &fixture.config;
    fixture.thread.print_left = AX_SERVER_PRINT_BYTES;
    ax_arena_init(&test.request.arena, 1024, (size_t)1 << 20);
    ax_buf_init(&test.answer, 1024);
    test.request.began_ns = test_now_ns;
    struct ax_call call = { .thread = &fixture.thread, .request = &test.request };
    prediction_begin(&call, &wait_form, &test.prediction, &fixture.account);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(test.released, 1);
    assert_int_equal(atomic_load(&fixture.served.refs), 0);
    ax_buf_done(&test.answer);
    ax_arena_done(&test.request.arena);
    ax_signature_done(&fixture.signature);
    return 0;
}

/* The rows were scored. */
static void finish_job(void)
{
    assert_non_null(fixture.job);
    fixture.job->finish(&fixture.thread, fixture.job, &fixture.err);
}

/* Read: it waits, and the loop has nothing of it. */
static void begin_waiting(void)
{
    prediction_go(&test.prediction, &fixture.served, &fixture.err);
    assert_int_equal(test.reads, 1);
    assert_int_equal(test.steps, 0);
    assert_int_equal(test.status, 0);
    assert_int_equal(atomic_load(&fixture.served.refs), 1);
}

static void test_woken(void **state)
{
    (void)state;
    begin_waiting();
    test.is_there = true;
    ax_prediction_wake(&test.prediction);
    assert_int_equal(test.steps, 1);
    assert_int_equal(test.reads, 1); /* Not at once: the one who wakes has not returned. */
    test.step(NULL, &fixture.thread, &test.request);
    assert_int_equal(test.reads, 2);
    finish_job();
    assert_int_equal(test.status, 200);
}

/* It may wait again, as between two slices. */
static void test_waits_again(void **state)
{
    (void)state;
    begin_waiting();
    ax_prediction_wake(&test.prediction);
    test.step(NULL, &fixture.thread, &test.request);
    assert_int_equal(test.reads, 2);
    assert_int_equal(test.steps, 1);
    assert_int_equal(atomic_load(&fixture.served.refs), 1);
    test.is_there = true;
    ax_prediction_wake(&test.prediction);
    test.step(NULL, &fixture.thread, &test.request);
    finish_job();
    assert_int_equal(test.status, 200);
}

static void test_client_goes_away(void **state)
{
    (void)state;
    begin_waiting();
    fixture.is_cancelled = true;
    prediction_cancelled(&test.prediction);
    assert_int_equal(test.status, 499);
    assert_int_equal(test.steps, 0);
    assert_null(fixture.job);
}

static void test_time_is_over(void **state)
{
    (void)state;
    test.prediction.deadline_ns = test_now_ns + 1000;
    begin_waiting();
    test_now_ns += 1000;
    test.is_there = true;
    ax_prediction_wake(&test.prediction);
    test.step(NULL, &fixture.thread, &test.request);
    assert_int_equal(test.status, 503);
    assert_string_equal(test.text, "Request timeout expired");
    assert_int_equal(test.reads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_woken, begin, end),
        cmocka_unit_test_setup_teardown(test_waits_again, begin, end),
        cmocka_unit_test_setup_teardown(test_client_goes_away, begin, end),
        cmocka_unit_test_setup_teardown(test_time_is_over, begin, end),
    };
    ax_metric_thread_attach();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ax_metric_thread_detach();
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an account's numbers add up, every code has an outcome, and calls of the engine stand in
 * the class of their rows. Method: accounts with series of their own, counted into and read back;
 * every code; the rows at both sides of every class's edge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/account.h"

static struct ax_account make(const char *model, const char *version)
{
    struct ax_account account = { 0 };
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_account_init(&account, model, version, &err), AX_OK);
    return account;
}

static void every_code_has_an_outcome(void **state)
{
    (void)state;
    struct ax_account account = make("codes", "1");
    struct ax_account_reading reading;
    for (int code = AX_OK + 1; code < AX_CODE_COUNT; code++) {
        enum ax_outcome outcome = ax_outcome_from_code((enum ax_code)code);
        assert_int_not_equal(outcome, AX_OUTCOME_SUCCESS);
        ax_account_read(&account, &reading);
        uint64_t before = reading.outcomes[outcome];
        ax_account_fail(&account, (enum ax_code)code, 10);
        ax_account_read(&account, &reading);
        assert_int_equal(reading.outcomes[outcome], before + 1);
        assert_int_equal(ax_account_received(&reading), code);
        assert_int_equal(reading.fail_ns, 10 * (uint64_t)code);
    }
    assert_int_equal(reading.outcomes[AX_OUTCOME_REJECTED], 3);
    assert_int_equal(reading.outcomes[AX_OUTCOME_CANCELLED], 1);
    /* What has no series of its own: EXISTS, CONFLICT, DENIED, UNAUTHENTICATED. */
    assert_int_equal(reading.codes[AX_E_INTERNAL], 5);
    assert_int_equal(ax_outcome_from_code(AX_OK), AX_OUTCOME_SUCCESS);
}

static void times_add_up(void **state)
{
    (void)state;
    struct ax_account account = make("times", "1");
    struct ax_account other = make("times", "2");
    const struct ax_account_spent spent = { 100, 10, 20, 30, 40 };
    ax_account_enter(&account);
    ax_account_enter(&account);
    ax_account_call(&account, 3, 60);
    ax_account_succeed(&account, &spent, 3);
    ax_account_succeed(&account, &spent, 3);
    ax_account_succeed(&account, &spent, 0);
    ax_account_leave(&account);
    struct ax_account_reading reading;
    ax_account_read(&account, &reading);
    assert_int_equal(reading.codes[AX_OK], 3);
    assert_int_equal(reading.outcomes[AX_OUTCOME_SUCCESS], 3);
    assert_int_equal(reading.in_progress, 1);
    assert_int_equal(reading.calls, 1);
    assert_int_equal(reading.fail_ns, 0);
    assert_int_equal(reading.spent.request_ns, 300);
    assert_int_equal(reading.spent.input_ns, 30);
    assert_int_equal(reading.spent.queue_ns, 60);
    assert_int_equal(reading.spent.infer_ns, 90);
    assert_int_equal(reading.spent.output_ns, 120);
    struct ax_account_class classes[AX_ACCOUNT_CLASSES];
    ax_account_read_classes(&account, classes);
    assert_int_equal(classes[2].call_count, 1);
    assert_int_equal(classes[2].infer_ns, 60);
    /* One that had nothing to score was in no call. */
    assert_int_equal(classes[2].input_ns, 20);
    assert_int_equal(classes[2].output_ns, 80);
    ax_account_read(&other, &reading);
    assert_int_equal(ax_account_received(&reading), 0);
    assert_int_equal(reading.calls, 0);
}

static void the_same_names_go_on(void **state)
{
    (void)state;
    struct ax_account first = make("again", "1");
    ax_account_fail(&first, AX_E_LIMIT, 5);
    struct ax_account second = make("again", "1");
    struct ax_account_reading reading;
    ax_account_read(&second, &reading);
    assert_int_equal(reading.codes[AX_E_LIMIT], 1);
    assert_int_equal(reading.fail_ns, 5);
}

static void classes_have_edges(void **state)
{
    (void)state;
    struct ax_account account = make("classes", "1");
    struct ax_account_class classes[AX_ACCOUNT_CLASSES];
    struct ax_account_reading reading;
    size_t below = 0;
    for (size_t i = 0; i < AX_ACCOUNT_CLASSES; i++) {
        size_t most = ax_account_class_rows(i);
        assert_true(most > below);
        ax_account_call(&account, below + 1, 1);
        ax_account_call(&account, most, 1);
        ax_account_read_classes(&account, classes);
        assert_int_equal(classes[i].call_count, 2);
        below = most;
    }
    assert_int_equal(below, 1 << 20);
    /* More than any class has is in the last. */
    ax_account_call(&account, SIZE_MAX, 1);
    ax_account_read_classes(&account, classes);
    assert_int_equal(classes[AX_ACCOUNT_CLASSES - 1].call_count, 3);
    ax_account_read(&account, &reading);
    assert_int_equal(reading.calls, 2 * AX_ACCOUNT_CLASSES + 1);
}

static int set_up(void **state)
{
    (void)state;
    ax_metric_thread_attach();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_metric_thread_detach();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_an_outcome),
        cmocka_unit_test(times_add_up),
        cmocka_unit_test(the_same_names_go_on),
        cmocka_unit_test(classes_have_edges),
    };
    return cmocka_run_group_tests_name("server/account", tests, set_up, tear_down);
}

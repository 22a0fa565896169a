/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an account's numbers add up, every code has an outcome, and calls of the engine stand in
 * the class of their rows; whatever versions come and go, the sum over all accounts is what was
 * counted, and none has more series than it may. Method: accounts with series of their own, counted
 * into and read back; every code; the rows at both sides of every class's edge; accounts that are
 * given back, also by threads that open, count and let go as they like, beside one that adds all of
 * them up, from readings and from the text of scrapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/account.h"

#include "base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sum over all accounts of what they received. */
static uint64_t received_by_all(void)
{
    size_t count;
    struct ax_account **accounts = ax_account_list(&count);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        struct ax_account_reading reading;
        ax_account_read(accounts[i], &reading);
        sum += ax_account_received(&reading);
    }
    ax_account_list_free(accounts, count);
    return sum;
}

/* The account of these names, or NULL. */
static struct ax_account *find(const char *model, const char *version)
{
    size_t count;
    struct ax_account **accounts = ax_account_list(&count);
    struct ax_account *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(accounts[i]->model, model) == 0 && strcmp(accounts[i]->version, version) == 0)
            found = accounts[i];
    ax_account_list_free(accounts, count);
    return found;
}

/* What a scrape in small steps shows; the caller frees it. */
static char *scraped(struct ax_metric_scrape *scrape)
{
    struct ax_buf out;
    ax_buf_init(&out, 64 << 20);
    while (!ax_metric_scrape_step(scrape, &out, 100))
        ;
    ax_metric_scrape_free(scrape);
    char *text = ax_buf_take(&out);
    assert_non_null(text);
    return text;
}

static uint64_t lines_of(const char *model)
{
    char *text = scraped(ax_metric_scrape_new());
    char label[64];
    (void)snprintf(label, sizeof(label), "{model=\"%s\"", model);
    uint64_t count = 0;
    for (const char *at = text; (at = strstr(at, label)); at++)
        count++;
    free(text);
    return count;
}

static void every_code_has_an_outcome(void **state)
{
    (void)state;
    struct ax_account *account = ax_account_open("codes", "1");
    struct ax_account_reading reading;
    for (int code = AX_OK + 1; code < AX_CODE_COUNT; code++) {
        enum ax_outcome outcome = ax_outcome_from_code((enum ax_code)code);
        assert_int_not_equal(outcome, AX_OUTCOME_SUCCESS);
        ax_account_read(account, &reading);
        uint64_t before = reading.outcomes[outcome];
        ax_account_fail(account, (enum ax_code)code, 10);
        ax_account_read(account, &reading);
        assert_int_equal(reading.outcomes[outcome], before + 1);
        assert_int_equal(ax_account_received(&reading), code);
        assert_int_equal(reading.fail_ns, 10 * (uint64_t)code);
    }
    assert_int_equal(reading.outcomes[AX_OUTCOME_REJECTED], 3);
    assert_int_equal(reading.outcomes[AX_OUTCOME_CANCELLED], 1);
    /* What has no series of its own: EXISTS, CONFLICT, DENIED, UNAUTHENTICATED. */
    assert_int_equal(reading.codes[AX_E_INTERNAL], 5);
    assert_int_equal(ax_outcome_from_code(AX_OK), AX_OUTCOME_SUCCESS);
    ax_account_unref(account);
}

static void times_add_up(void **state)
{
    (void)state;
    struct ax_account *account = ax_account_open("times", "1");
    struct ax_account *other = ax_account_open("times", "2");
    const struct ax_account_spent spent = { 100, 10, 20, 30, 40 };
    ax_account_enter(account);
    ax_account_enter(account);
    ax_account_call(account, 3, 60);
    ax_account_succeed(account, &spent, 3);
    ax_account_succeed(account, &spent, 3);
    ax_account_succeed(account, &spent, 0);
    ax_account_leave(account);
    struct ax_account_reading reading;
    ax_account_read(account, &reading);
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
    ax_account_read_classes(account, classes);
    assert_int_equal(classes[2].call_count, 1);
    assert_int_equal(classes[2].infer_ns, 60);
    /* One that had nothing to score was in no call. */
    assert_int_equal(classes[2].input_ns, 20);
    assert_int_equal(classes[2].output_ns, 80);
    ax_account_read(other, &reading);
    assert_int_equal(ax_account_received(&reading), 0);
    assert_int_equal(reading.calls, 0);
    ax_account_unref(account);
    ax_account_unref(other);
}

static void the_same_names_go_on(void **state)
{
    (void)state;
    struct ax_account *first = ax_account_open("again", "1");
    ax_account_fail(first, AX_E_LIMIT, 5);
    struct ax_account *second = ax_account_open("again", "1");
    assert_ptr_equal(first, second);
    ax_account_unref(first);
    struct ax_account_reading reading;
    ax_account_read(second, &reading);
    assert_int_equal(reading.codes[AX_E_LIMIT], 1);
    assert_int_equal(reading.fail_ns, 5);
    ax_account_unref(second);
    ax_account_unref(NULL);
}

static void what_is_gone_stays_in_the_sum(void **state)
{
    (void)state;
    struct ax_account_reading before = { 0 };
    if (find(AX_ACCOUNT_GONE, ""))
        ax_account_read(find(AX_ACCOUNT_GONE, ""), &before);
    uint64_t received = received_by_all();
    struct ax_account *account = ax_account_open("leaves", "7");
    assert_false(ax_account_is_shared(account));
    const struct ax_account_spent spent = { 100, 10, 20, 30, 40 };
    ax_account_call(account, 5, 60);
    ax_account_succeed(account, &spent, 5);
    ax_account_found(account, true);
    ax_account_fail(account, AX_E_UNAVAILABLE, 7);
    ax_account_found(account, false);
    ax_metric_add(account->rows, 5);
    ax_metric_add(account->evictions, 1);
    assert_int_equal(received_by_all(), received + 2);
    uint64_t lines = lines_of("leaves");
    assert_true(lines > 40);
    ax_account_unref(account);
    assert_null(find("leaves", "7"));
    assert_int_equal(lines_of("leaves"), 0);
    assert_int_equal(lines_of(AX_ACCOUNT_GONE), lines);
    assert_int_equal(received_by_all(), received + 2);
    struct ax_account *gone = find(AX_ACCOUNT_GONE, "");
    assert_true(gone && ax_account_is_shared(gone));
    struct ax_account_reading after;
    ax_account_read(gone, &after);
    assert_int_equal(after.codes[AX_OK], before.codes[AX_OK] + 1);
    assert_int_equal(after.codes[AX_E_UNAVAILABLE], before.codes[AX_E_UNAVAILABLE] + 1);
    assert_int_equal(after.rows, before.rows + 5);
    assert_int_equal(after.calls, before.calls + 1);
    assert_int_equal(after.hits, before.hits + 1);
    assert_int_equal(after.misses, before.misses + 1);
    assert_int_equal(after.evictions, before.evictions + 1);
    assert_int_equal(after.fail_ns, before.fail_ns + 7);
    assert_int_equal(after.spent.request_ns, before.spent.request_ns + 100);
    struct ax_account_class classes[AX_ACCOUNT_CLASSES];
    ax_account_read_classes(gone, classes);
    assert_true(classes[4].call_count >= 1);
    /* It comes back as a new one. */
    account = ax_account_open("leaves", "7");
    ax_account_read(account, &after);
    assert_int_equal(ax_account_received(&after) + after.rows + after.hits, 0);
    ax_account_unref(account);
}

enum { VERSIONS = 40 };

/* References are given back in steps when they were the last ones. */
static void a_list_is_dropped_in_steps(void **state)
{
    (void)state;
    struct ax_account *opened[VERSIONS];
    for (size_t i = 0; i < VERSIONS; i++) {
        char version[8];
        (void)snprintf(version, sizeof(version), "%zu", i + 1);
        opened[i] = ax_account_open("listed", version);
    }
    size_t count;
    size_t dropped = 0;
    struct ax_account **accounts = ax_account_list(&count);
    for (size_t i = 0; i < VERSIONS / 2; i++)
        ax_account_unref(opened[i]);
    assert_non_null(find("listed", "1")); /* The list holds it. */
    size_t steps = 1;
    while (!ax_account_list_drop(accounts, count, &dropped))
        steps++;
    free(accounts);
    assert_in_range(steps, 2, VERSIONS / 2);
    assert_int_equal(dropped, count);
    assert_null(find("listed", "1"));
    assert_non_null(find("listed", "40"));
    for (size_t i = VERSIONS / 2; i < VERSIONS; i++)
        ax_account_unref(opened[i]);
    assert_null(find("listed", "40"));
}

static void versions_without_room_share_an_account(void **state)
{
    (void)state;
    static struct ax_account *accounts[VERSIONS];
    uint64_t received = received_by_all();
    ax_account_set_up(VERSIONS / 2);
    for (size_t i = 0; i < VERSIONS; i++) {
        char version[8];
        (void)snprintf(version, sizeof(version), "%zu", i + 1);
        accounts[i] = ax_account_open("many", version);
        ax_account_fail(accounts[i], AX_E_INVALID, 1);
        assert_int_equal(ax_account_is_shared(accounts[i]), i >= VERSIONS / 2);
        assert_true(i < VERSIONS / 2 || accounts[i] == accounts[VERSIONS / 2]);
    }
    struct ax_account_reading reading;
    ax_account_read(find(AX_ACCOUNT_OTHER, ""), &reading);
    assert_int_equal(reading.codes[AX_E_INVALID], VERSIONS / 2);
    assert_int_equal(received_by_all(), received + VERSIONS);
    /* One that goes makes room for the next; those that share go on sharing. */
    ax_account_unref(accounts[0]);
    accounts[0] = ax_account_open("many", "new");
    assert_false(ax_account_is_shared(accounts[0]));
    for (size_t i = 0; i < VERSIONS; i++)
        ax_account_unref(accounts[i]);
    assert_non_null(find(AX_ACCOUNT_OTHER, ""));
    assert_int_equal(received_by_all(), received + VERSIONS);
    ax_account_set_up(AX_ACCOUNT_VERSIONS_MAX);
}

enum { THREADS = 4, LIVES = 2000, NAMES = 7 };
static atomic_bool over;

/* Of few names, so that one thread opens what another gives back. */
static void come_and_go(void *arg)
{
    unsigned seed = *(const unsigned *)arg;
    for (size_t i = 0; i < LIVES; i++) {
        char version[8];
        seed = seed * 1664525 + 1013904223;
        (void)snprintf(version, sizeof(version), "%u", (seed >> 24) % NAMES);
        struct ax_account *account = ax_account_open("threads", version);
        ax_account_enter(account);
        ax_account_fail(account, AX_E_INVALID, 1000);
        ax_account_leave(account);
        ax_account_unref(account);
    }
}

/* The sum of a family in a scrape for which the accounts are held. */
static uint64_t received_by_text(void)
{
    struct ax_metric_scrape *scrape;
    size_t count;
    size_t dropped = 0;
    struct ax_account **accounts = ax_account_list_scrape(&count, &scrape);
    char *text = scraped(scrape);
    while (!ax_account_list_drop(accounts, count, &dropped))
        ;
    free(accounts);
    const char *name = "\nax_requests_total{";
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, name)); at += strlen(name))
        sum += strtoull(strstr(at, "\"} ") + 3, NULL, 10);
    free(text);
    return sum;
}

static void add_up(void *arg)
{
    (void)arg;
    uint64_t before = 0;
    while (!atomic_load(&over)) {
        uint64_t sum = received_by_all();
        assert_true(sum >= before);
        before = received_by_text();
        assert_true(before >= sum);
    }
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    static const unsigned seeds[THREADS] = { 1, 2, 3, 4 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread threads[THREADS];
    struct ax_thread adder;
    uint64_t received = received_by_all();
    struct ax_account_reading before;
    ax_account_read(find(AX_ACCOUNT_GONE, ""), &before);
    assert_int_equal(ax_thread_start(&adder, "add", add_up, NULL, &err), AX_OK);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(
            ax_thread_start(&threads[i], "come and go", come_and_go, (void *)&seeds[i], &err),
            AX_OK);
    for (size_t i = 0; i < THREADS; i++)
        ax_thread_join(&threads[i]);
    atomic_store(&over, true);
    ax_thread_join(&adder);
    assert_int_equal(received_by_all(), received + (uint64_t)THREADS * LIVES);
    assert_int_equal(received_by_text(), received + (uint64_t)THREADS * LIVES);
    assert_int_equal(lines_of("threads"), 0);
    struct ax_account_reading reading;
    ax_account_read(find(AX_ACCOUNT_GONE, ""), &reading);
    assert_int_equal(reading.in_progress, before.in_progress);
}

static void classes_have_edges(void **state)
{
    (void)state;
    struct ax_account *account = ax_account_open("classes", "1");
    struct ax_account_class classes[AX_ACCOUNT_CLASSES];
    struct ax_account_reading reading;
    size_t below = 0;
    for (size_t i = 0; i < AX_ACCOUNT_CLASSES; i++) {
        size_t most = ax_account_class_rows(i);
        assert_true(most > below);
        ax_account_call(account, below + 1, 1);
        ax_account_call(account, most, 1);
        ax_account_read_classes(account, classes);
        assert_int_equal(classes[i].call_count, 2);
        below = most;
    }
    assert_int_equal(below, 1 << 20);
    /* More than any class has is in the last. */
    ax_account_call(account, SIZE_MAX, 1);
    ax_account_read_classes(account, classes);
    assert_int_equal(classes[AX_ACCOUNT_CLASSES - 1].call_count, 3);
    ax_account_read(account, &reading);
    assert_int_equal(reading.calls, 2 * AX_ACCOUNT_CLASSES + 1);
    ax_account_unref(account);
}

static int set_up(void **state)
{
    (void)state;
    ax_metric_thread_attach();
    ax_account_set_up(AX_ACCOUNT_VERSIONS_MAX);
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
        cmocka_unit_test(what_is_gone_stays_in_the_sum),
        cmocka_unit_test(a_list_is_dropped_in_steps),
        cmocka_unit_test(versions_without_room_share_an_account),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests_name("server/account", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a server begins wholly or not at all, and ends without losing an answer.
 * Method: servers that cannot begin; drains of idle, busy, slow and loaded servers, where each
 * client knows what it asked for and counts what it got.
 */
#include "http_fixture.h"

#include "base/clock.h"

#define HOST "Host: a\r\n"

static struct fixture *started(const char *threads)
{
    struct fixture *fixture = fixture_new("127.0.0.1:0", threads);
    fixture_start(fixture);
    return fixture;
}

static void ask(struct client *client, const char *target)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    assert_true(client_say(client, text));
}

/* The next answer is 200, and whether it is the last is as told. */
static void expect_answer(struct client *client, bool last)
{
    struct reply reply = client_read(client, false);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.closes, last);
    reply_done(&reply);
    if (last)
        assert_int_equal(client_read(client, false).status, 0);
}

static void start_refused(const char *listen, enum ax_code code, const char *text)
{
    struct fixture *fixture = fixture_new(listen, "2");
    struct ax_err err = AX_ERR_INIT;
    struct ax_http_server *server = NULL;
    assert_int_equal(ax_http_server_start(&fixture->config, &fixture->handler, &server, &err),
                     code);
    assert_null(server);
    assert_non_null(strstr(err.msg, text));
    struct ax_option_group groups[] = { { ax_http_options, &fixture->config }, { 0 } };
    ax_option_done(groups);
    free(fixture);
}

static void what_cannot_be_bound_is_refused(void **state)
{
    (void)state;
    struct fixture *first = started("2");
    start_refused(first->address, AX_E_UNAVAILABLE, "in use");
    /* Also as the second of two, and then the first is given back. */
    char both[160];
    (void)snprintf(both, sizeof(both), "127.0.0.1:0,%s", first->address);
    start_refused(both, AX_E_UNAVAILABLE, "in use");
    start_refused("127.0.0.1", AX_E_INVALID, "'127.0.0.1'");
    start_refused("unix:/nowhere/at/all", AX_E_INVALID, "folder");
    start_refused("192.0.2.1:0", AX_E_UNAVAILABLE, "no address of this machine");
    fixture_free(first);
}

static enum ax_code second_fails(void *context, struct ax_http_worker *worker, void **ret_state,
                                 struct ax_err *err)
{
    struct fixture *fixture = context;
    (void)worker;
    if (atomic_fetch_add(&fixture->handed, 1) == 1)
        return ax_fail(err, AX_E_LIMIT, "no place for thread 2");
    *ret_state = ax_xalloc(1);
    return AX_OK;
}

static void count_end(void *context, void *state)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->released, 1);
    free(state);
}

static void a_thread_that_cannot_begin_stops_all(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new("127.0.0.1:0", "3");
    fixture->handler.thread_begin = second_fails;
    fixture->handler.thread_end = count_end;
    struct ax_err err = AX_ERR_INIT;
    struct ax_http_server *server = NULL;
    assert_int_equal(ax_http_server_start(&fixture->config, &fixture->handler, &server, &err),
                     AX_E_LIMIT);
    assert_string_equal(err.msg, "no place for thread 2");
    assert_int_equal(atomic_load(&fixture->handed), 3);
    assert_int_equal(atomic_load(&fixture->released), 2);
    struct ax_option_group groups[] = { { ax_http_options, &fixture->config }, { 0 } };
    ax_option_done(groups);
    free(fixture);
}

static void several_addresses_are_served(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new("127.0.0.1:0,[::1]:0,127.0.0.1:0", "2");
    fixture_start(fixture);
    assert_int_equal(ax_http_server_listener_count(fixture->server), 3);
    assert_true(!strncmp(ax_http_server_listener(fixture->server, 1), "[::1]:", 6));
    for (size_t i = 0; i < 3; i += 2) {
        struct client client = { .fd = client_socket() };
        assert_true(client_connect(&client, ax_http_server_listener(fixture->server, i)));
        ask(&client, "/now");
        expect_answer(&client, false);
        client_close(&client);
    }
    fixture_free(fixture);
}

static void an_idle_server_ends_soon(void **state)
{
    (void)state;
    struct fixture *fixture = started("2");
    struct client used = client_open(fixture);
    struct client fresh = client_open(fixture);
    ask(&used, "/now");
    expect_answer(&used, false);
    uint64_t began_ns = ax_clock_ns();
    ax_http_server_drain(fixture->server);
    ax_http_server_drain(fixture->server); /* harmless */
    ax_http_server_join(fixture->server);
    assert_true(ax_clock_ns() - began_ns < 5 * (uint64_t)AX_NS_PER_S);
    assert_int_equal(client_read(&used, false).status, 0);
    assert_int_equal(client_read(&fresh, false).status, 0);
    struct client late = { .fd = client_socket() };
    assert_false(client_connect(&late, fixture->address));
    client_close(&late);
    client_close(&used);
    client_close(&fresh);
    fixture_free(fixture);
}

static void what_was_received_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = started("1");
    struct client held = client_open(fixture);
    struct client piped = client_open(fixture);
    struct client cut = client_open(fixture);
    struct client kept = client_open(fixture);
    ask(&held, "/hold");
    ask(&piped, "/hold");
    ask(&piped, "/now");
    ask(&piped, "/steps/5");
    ask(&kept, "/now");
    expect_answer(&kept, false);
    assert_true(client_say(&cut, "POST /now HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe"));
    fixture_wait(&fixture->handed, 5);
    ax_http_server_drain(fixture->server);
    /* A client that keeps its connection may ask once more. */
    ask(&kept, "/post");
    expect_answer(&kept, true);
    assert_true(client_say(&cut, "llo"));
    expect_answer(&cut, true);
    fixture_let_go(fixture);
    expect_answer(&held, true);
    expect_answer(&piped, false);
    expect_answer(&piped, false);
    struct reply reply = client_read(&piped, false);
    assert_int_equal(reply.status, 200);
    reply_done(&reply);
    assert_int_equal(client_read(&piped, false).status, 0);
    client_close(&held);
    client_close(&piped);
    client_close(&cut);
    client_close(&kept);
    fixture_free(fixture);
}

static void who_waits_in_the_queue_is_answered(void **state)
{
    (void)state;
    struct fixture *fixture = started("1");
    struct client blocking = client_open(fixture);
    ask(&blocking, "/block");
    fixture_wait(&fixture->handed, 1);
    /* The only thread is busy: nobody accepts these. */
    struct client waiting[50];
    for (size_t i = 0; i < AX_COUNT(waiting); i++) {
        waiting[i] = client_open(fixture);
        ask(&waiting[i], i % 2 ? "/now" : "/post");
    }
    ax_http_server_drain(fixture->server);
    atomic_store(&fixture->unblocked, true);
    for (size_t i = 0; i < AX_COUNT(waiting); i++) {
        expect_answer(&waiting[i], true);
        client_close(&waiting[i]);
    }
    client_close(&blocking);
    fixture_free(fixture);
}

static void the_drain_timeout_cuts(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new("127.0.0.1:0", "2");
    fixture->config.drain_timeout_ns = 200 * (uint64_t)AX_NS_PER_MS;
    fixture_start(fixture);
    struct client held = client_open(fixture);
    struct client stepping = client_open(fixture);
    ask(&held, "/hold");
    ask(&stepping, "/steps/1000000000");
    fixture_wait(&fixture->handed, 2);
    ax_http_server_drain(fixture->server);
    ax_http_server_join(fixture->server);
    assert_true(client_read(&held, false).status <= 0);
    assert_true(client_read(&stepping, false).status <= 0);
    /* Both were released, and what the engine still has to say finds nobody. */
    assert_int_equal(atomic_load(&fixture->released), 2);
    assert_int_equal(atomic_load(&fixture->orphans), 0);
    fixture_let_go(fixture);
    fixture_end_engine(fixture);
    ax_http_server_join_free(fixture->server);
    assert_int_equal(atomic_load(&fixture->orphans), 1);
    struct ax_option_group groups[] = { { ax_http_options, &fixture->config }, { 0 } };
    ax_option_done(groups);
    client_close(&held);
    client_close(&stepping);
    free(fixture);
}

/* A client under load: asks until it is told that its connection ends. */
struct loader {
    const struct fixture *fixture;
    pthread_t thread;
    size_t index;
    size_t answered;
    const char *failed; /* cmocka's asserts are not for threads */
};

static const char *loader_exchange(struct loader *loader, struct client *client, bool *ret_last)
{
    static const char *const ways[] = { "/now", "/wake", "/post", "/steps/3" };
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "POST %s?n=%zu HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
                   ways[(loader->index + loader->answered) % AX_COUNT(ways)], loader->answered);
    if (!client_say(client, text))
        return "could not send";
    struct reply reply = client_read(client, false);
    char wanted[32];
    (void)snprintf(wanted, sizeof(wanted), "?n=%zu ", loader->answered);
    const char *failed = NULL;
    if (reply.status != 200)
        failed = "no answer";
    else if (!strstr(reply.body, wanted))
        failed = "another one's answer";
    *ret_last = reply.closes;
    loader->answered += !failed;
    reply_done(&reply);
    return failed;
}

static void *loader_keeps(void *arg)
{
    struct loader *loader = arg;
    struct client client = client_open(loader->fixture);
    bool last = false;
    while (!last && !loader->failed)
        loader->failed = loader_exchange(loader, &client, &last);
    client_close(&client);
    return NULL;
}

static void no_answer_is_lost_under_load(void **state)
{
    (void)state;
    struct fixture *fixture = started("3");
    struct loader loaders[12] = { 0 };
    for (size_t i = 0; i < AX_COUNT(loaders); i++) {
        loaders[i].fixture = fixture;
        loaders[i].index = i;
        assert_int_equal(pthread_create(&loaders[i].thread, NULL, loader_keeps, &loaders[i]), 0);
    }
    (void)poll(NULL, 0, 300);
    ax_http_server_drain(fixture->server);
    size_t answered = 0;
    for (size_t i = 0; i < AX_COUNT(loaders); i++) {
        pthread_join(loaders[i].thread, NULL);
        if (loaders[i].failed)
            fail_msg("client %zu after %zu answers: %s", i, loaders[i].answered, loaders[i].failed);
        answered += loaders[i].answered;
    }
    print_message("%zu answers\n", answered);
    assert_int_equal(answered, atomic_load(&fixture->handed));
    fixture_free(fixture);
}

/* A new connection for each request, until nobody is there any more. */
static void *loader_comes_and_goes(void *arg)
{
    struct loader *loader = arg;
    while (!loader->failed) {
        struct client client = { .fd = client_socket_of(AF_UNIX) };
        bool last;
        if (!client_connect(&client, loader->fixture->address)) {
            client_close(&client);
            break;
        }
        loader->failed = loader_exchange(loader, &client, &last);
        client_close(&client);
    }
    return NULL;
}

static void no_newcomer_is_lost_at_a_unix_socket(void **state)
{
    (void)state;
    char folder[] = "/tmp/ax-test-http-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char listen[64];
    (void)snprintf(listen, sizeof(listen), "unix:%s/s", folder);
    for (size_t round = 0; round < 3; round++) {
        struct fixture *fixture = fixture_new(listen, "3");
        fixture_start(fixture);
        struct loader loaders[8] = { 0 };
        for (size_t i = 0; i < AX_COUNT(loaders); i++) {
            loaders[i].fixture = fixture;
            loaders[i].index = i;
            assert_int_equal(
                pthread_create(&loaders[i].thread, NULL, loader_comes_and_goes, &loaders[i]), 0);
        }
        (void)poll(NULL, 0, 100);
        ax_http_server_drain(fixture->server);
        for (size_t i = 0; i < AX_COUNT(loaders); i++) {
            pthread_join(loaders[i].thread, NULL);
            if (loaders[i].failed)
                fail_msg("client %zu after %zu answers: %s", i, loaders[i].answered,
                         loaders[i].failed);
        }
        fixture_free(fixture);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_bound_is_refused),
        cmocka_unit_test(a_thread_that_cannot_begin_stops_all),
        cmocka_unit_test(several_addresses_are_served),
        cmocka_unit_test(an_idle_server_ends_soon),
        cmocka_unit_test(what_was_received_is_answered),
        cmocka_unit_test(who_waits_in_the_queue_is_answered),
        cmocka_unit_test(the_drain_timeout_cuts),
        cmocka_unit_test(no_answer_is_lost_under_load),
        cmocka_unit_test(no_newcomer_is_lost_at_a_unix_socket),
    };
    return cmocka_run_group_tests_name("net/http_life", tests, NULL, NULL);
}

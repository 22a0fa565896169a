/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: requests of honest clients are answered rightly, in order, in one write a wake-up, however
 * they are cut, pipelined and answered: at once, in wake_end, in steps, by another thread.
 * Method: the real server on port 0, the handler and the client of http_fixture.h.
 */
#include "http_fixture.h"

static int setup(void **state)
{
    struct fixture *fixture = fixture_new("127.0.0.1:0", "2");
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void one_request(struct client *client, const char *method, const char *target,
                        const char *body)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                   method, target, strlen(body), body);
    assert_true(client_say(client, text));
}

static void each_way_of_answering_works(void **state)
{
    static const char *const targets[] = { "/now?a=1",    "/wake",    "/steps/1", "/steps/50?x",
                                           "/post?b=%41", "/.././/x", "/" };
    struct client client = client_open(*state);
    for (size_t i = 0; i < AX_COUNT(targets); i++) {
        one_request(&client, "POST", targets[i], "body");
        client_expect(&client, "POST", targets[i], AX_STR("body"));
        one_request(&client, "GET", targets[i], "");
        client_expect(&client, "GET", targets[i], AX_STR(""));
    }
    client_close(&client);
}

static void methods_are_told_apart(void **state)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    struct client client = client_open(*state);
    for (size_t i = 0; i < AX_COUNT(methods); i++) {
        one_request(&client, methods[i], "/now", "");
        client_expect(&client, methods[i], "/now", AX_STR(""));
    }
    one_request(&client, "LINK", "/now", "");
    client_expect(&client, "OTHER", "/now", AX_STR(""));
    client_close(&client);
}

static void head_gets_the_length_but_no_body(void **state)
{
    struct client client = client_open(*state);
    one_request(&client, "HEAD", "/now", "");
    struct reply reply = client_read(&client, /* to_head= */ true);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "\r\nContent-Length: 27\r\n"));
    assert_non_null(strstr(reply.head, "\r\nX-Test: yes\r\n"));
    reply_done(&reply);
    one_request(&client, "HEAD", "/big/100000", "");
    reply = client_read(&client, /* to_head= */ true);
    assert_non_null(strstr(reply.head, "\r\nContent-Length: 100000\r\n"));
    reply_done(&reply);
    one_request(&client, "GET", "/now", "");
    client_expect(&client, "GET", "/now", AX_STR(""));
    client_close(&client);
}

/* The way of answering is chosen so that later requests are ready before earlier ones. */
static const char *mixed_target(size_t i, char *text, size_t size)
{
    static const char *const ways[] = { "/post", "/steps/7", "/wake", "/now", "/steps/2", "/post" };
    (void)snprintf(text, size, "%s?n=%zu", ways[i % AX_COUNT(ways)], i);
    return text;
}

static void pipelined_answers_keep_their_order(void **state)
{
    enum { COUNT = 1000 }; /* far above pipeline_requests_max */
    struct client client = client_open(*state);
    struct ax_buf all;
    ax_buf_init(&all, 1 << 20);
    char target[64];
    for (size_t i = 0; i < COUNT; i++)
        (void)ax_buf_printf(&all, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%.*s",
                            mixed_target(i, target, sizeof(target)), i % 10, (int)(i % 10),
                            "0123456789");
    assert_true(client_send(&client, all.ptr, all.len));
    for (size_t i = 0; i < COUNT; i++)
        client_expect(&client, "POST", mixed_target(i, target, sizeof(target)),
                      (struct ax_str){ "0123456789", i % 10 });
    ax_buf_done(&all);
    client_close(&client);
}

/* Three small requests are less than what is handed over between two looks at the clock, so they
 * are not parted, however slow the machine is. */
static void one_wakeup_writes_once(void **state)
{
    enum { COUNT = 3 };
    static const char *const ways[] = { "/now", "/wake" };
    for (size_t way = 0; way < AX_COUNT(ways); way++) {
        struct client client = client_open(*state);
        char text[4096] = "";
        size_t len = 0;
        for (size_t i = 0; i < COUNT; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len,
                                    "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", ways[way]);
        assert_true(client_send(&client, text, len));
        for (size_t i = 0; i < COUNT; i++)
            client_expect(&client, "GET", ways[way], AX_STR(""));
        struct tcp_info info;
        socklen_t size = sizeof(info);
        assert_int_equal(getsockopt(client.fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        /* Without Nagle each write is a segment of its own. */
        assert_int_equal(info.tcpi_data_segs_in, 1);
        client_close(&client);
    }
}

static void requests_may_be_cut_anywhere(void **state)
{
    static const char text[] =
        "\r\nPOST /wake?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        "POST /now HTTP/1.1\r\nhost: b\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
        "GET /post HTTP/1.1\r\nHost:\r\nX: \t y \r\n\r\n";
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct client client = client_open(*state);
        assert_true(client_send(&client, text, cut));
        (void)sched_yield();
        assert_true(client_send(&client, text + cut, sizeof(text) - 1 - cut));
        client_expect(&client, "POST", "/wake?q=1", AX_STR("hello"));
        client_expect(&client, "POST", "/now", AX_STR("abc0123456789"));
        client_expect(&client, "GET", "/post", AX_STR(""));
        client_close(&client);
    }
    struct client client = client_open(*state);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        assert_true(client_send(&client, text + i, 1));
    client_expect(&client, "POST", "/wake?q=1", AX_STR("hello"));
    client_expect(&client, "POST", "/now", AX_STR("abc0123456789"));
    client_expect(&client, "GET", "/post", AX_STR(""));
    client_close(&client);
}

static void large_bodies_go_in_and_out(void **state)
{
    enum { SIZE = 5000003 };
    struct client client = client_open(*state);
    char *body = ax_xalloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)(i * 7 + i / 255);
    for (int chunked = 0; chunked < 2; chunked++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "POST /now HTTP/1.1\r\nHost: a\r\n%s%d\r\n\r\n",
                       chunked ? "Transfer-Encoding: chunked\r\nX: " : "Content-Length: ", SIZE);
        assert_true(client_say(&client, text));
        if (chunked) {
            (void)snprintf(text, sizeof(text), "%x\r\n", SIZE);
            assert_true(client_say(&client, text));
        }
        assert_true(client_send(&client, body, SIZE));
        if (chunked)
            assert_true(client_say(&client, "\r\n0\r\n\r\n"));
        client_expect(&client, "POST", "/now", (struct ax_str){ body, SIZE });
    }
    /* The client reads nothing until it has asked for all: much must wait in the server. */
    for (size_t i = 0; i < 20; i++)
        one_request(&client, "GET", i % 2 ? "/big/3000000" : "/now?between", "");
    for (size_t i = 0; i < 20; i++) {
        if (i % 2 == 0) {
            client_expect(&client, "GET", "/now?between", AX_STR(""));
            continue;
        }
        struct reply reply = client_read(&client, false);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_len, 3000000);
        assert_int_equal(strspn(reply.body, "b"), 3000000);
        reply_done(&reply);
    }
    free(body);
    client_close(&client);
}

static void continue_is_sent_when_it_is_waited_for(void **state)
{
    struct client client = client_open(*state);
    /* Behind a request that is answered later, it must wait for that answer. */
    one_request(&client, "GET", "/post", "");
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                                    "Content-Length: 5\r\n\r\n"));
    client_expect(&client, "GET", "/post", AX_STR(""));
    struct reply reply = client_read(&client, false);
    assert_int_equal(reply.status, 100);
    reply_done(&reply);
    assert_true(client_say(&client, "hello"));
    client_expect(&client, "POST", "/now", AX_STR("hello"));
    /* Nobody waits for it when the body is there, or when there is none. */
    assert_true(client_say(&client,
                           "POST /now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                           "Content-Length: 5\r\n\r\nhello"
                           "GET /now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"));
    client_expect(&client, "POST", "/now", AX_STR("hello"));
    client_expect(&client, "GET", "/now", AX_STR(""));
    client_close(&client);
}

static void http_1_0_closes_unless_asked(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "GET /now HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    struct reply reply = client_read(&client, false);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "\r\nConnection: keep-alive\r\n"));
    reply_done(&reply);
    assert_true(client_say(&client, "GET /post HTTP/1.0\r\n\r\nGET /never HTTP/1.0\r\n\r\n"));
    reply = client_read(&client, false);
    assert_int_equal(reply.status, 200);
    assert_true(reply.closes);
    assert_non_null(strstr(reply.body, "/post"));
    reply_done(&reply);
    assert_int_equal(client_read(&client, false).status, 0);
    client_close(&client);
}

static void connection_close_is_honoured(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "GET /post HTTP/1.1\r\nHost: a\r\n\r\n"
                                    "GET /steps/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                                    "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_expect(&client, "GET", "/post", AX_STR(""));
    struct reply reply = client_read(&client, false);
    assert_true(reply.closes);
    assert_non_null(strstr(reply.body, "/steps/3"));
    reply_done(&reply);
    assert_int_equal(client_read(&client, false).status, 0);
    client_close(&client);
}

static void upgrades_are_ignored(void **state)
{
    struct client client = client_open(*state);
    assert_true(client_say(&client, "POST /now HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-"
                                    "Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi"
                                    "GET /now HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                                    "Upgrade: websocket\r\n\r\n"
                                    "GET /wake HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_expect(&client, "POST", "/now", AX_STR("hi"));
    client_expect(&client, "GET", "/now", AX_STR(""));
    client_expect(&client, "GET", "/wake", AX_STR(""));
    client_close(&client);
}

/* Who waits long is asked whether it is still there. */
static void expect_behind_probes(struct client *client, const char *target)
{
    while (client->len || client_more(client) > 0) {
        static const char probe[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (strncmp(client->bytes, probe, strlen(probe)) != 0)
            break;
        client->len -= strlen(probe);
        memmove(client->bytes, client->bytes + strlen(probe), client->len + 1);
    }
    client_expect(client, "GET", target, AX_STR(""));
}

static void half_closed_clients_get_their_answers(void **state)
{
    static const char *const targets[] = { "/now", "/wake", "/steps/9", "/post" };
    for (size_t i = 0; i < AX_COUNT(targets); i++) {
        struct client client = client_open(*state);
        one_request(&client, "GET", targets[i], "");
        one_request(&client, "GET", targets[i], "");
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        expect_behind_probes(&client, targets[i]);
        expect_behind_probes(&client, targets[i]);
        assert_int_equal(client_read(&client, false).status, 0);
        client_close(&client);
    }
}

static void clients_may_vanish(void **state)
{
    struct fixture *fixture = *state;
    size_t handed = atomic_load(&fixture->handed);
    for (size_t i = 0; i < 20; i++) {
        struct client client = client_open(fixture);
        one_request(&client, "GET", "/hold", "");
        one_request(&client, "GET", "/post", "");
        one_request(&client, "GET", i % 2 ? "/steps/1000" : "/hold", "");
        fixture_wait(&fixture->handed, handed += 3);
        client_reset(&client);
    }
    struct client alive = client_open(fixture);
    one_request(&alive, "GET", "/hold", "");
    fixture_wait(&fixture->handed, handed + 1);
    fixture_let_go(fixture);
    client_expect(&alive, "GET", "/hold", AX_STR(""));
    fixture_wait(&fixture->released, handed + 1);
    /* At least those 30 that were held until after the reset. */
    assert_true(atomic_load(&fixture->cancelled) >= 30);
    client_close(&alive);
}

static void steps_do_not_keep_others_waiting(void **state)
{
    struct client slow = client_open(*state);
    one_request(&slow, "GET", "/steps/200000", "");
    struct client others[8];
    for (size_t i = 0; i < AX_COUNT(others); i++)
        others[i] = client_open(*state);
    for (size_t k = 0; k < 20; k++)
        for (size_t i = 0; i < AX_COUNT(others); i++) {
            one_request(&others[i], "GET", "/wake", "");
            client_expect(&others[i], "GET", "/wake", AX_STR(""));
        }
    client_expect(&slow, "GET", "/steps/200000", AX_STR(""));
    for (size_t i = 0; i < AX_COUNT(others); i++)
        client_close(&others[i]);
    client_close(&slow);
}

static void unix_sockets_are_served(void **state)
{
    (void)state;
    char folder[] = "/tmp/ax-test-http-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char listen[64];
    (void)snprintf(listen, sizeof(listen), "unix:%s/s", folder);
    struct fixture *fixture = fixture_new(listen, "2");
    fixture_start(fixture);
    assert_string_equal(fixture->address, listen);
    struct client clients[16];
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        clients[i] = client_open(fixture);
        one_request(&clients[i], "GET", "/post", "");
    }
    for (size_t i = 0; i < AX_COUNT(clients); i++) {
        client_expect(&clients[i], "GET", "/post", AX_STR(""));
        client_close(&clients[i]);
    }
    fixture_free(fixture);
    /* The socket's file is gone, so the folder is empty. */
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_of_answering_works),
        cmocka_unit_test(methods_are_told_apart),
        cmocka_unit_test(head_gets_the_length_but_no_body),
        cmocka_unit_test(pipelined_answers_keep_their_order),
        cmocka_unit_test(one_wakeup_writes_once),
        cmocka_unit_test(requests_may_be_cut_anywhere),
        cmocka_unit_test(large_bodies_go_in_and_out),
        cmocka_unit_test(continue_is_sent_when_it_is_waited_for),
        cmocka_unit_test(http_1_0_closes_unless_asked),
        cmocka_unit_test(connection_close_is_honoured),
        cmocka_unit_test(upgrades_are_ignored),
        cmocka_unit_test(half_closed_clients_get_their_answers),
        cmocka_unit_test(clients_may_vanish),
        cmocka_unit_test(steps_do_not_keep_others_waiting),
        cmocka_unit_test(unix_sockets_are_served),
    };
    return cmocka_run_group_tests_name("net/http", tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: connections are counted exactly, in all and for each peer, whoever counts them at once;
 * what is over a limit is told so, and when it leaves there is room again. Method: the table alone,
 * with addresses of every kind; then threads that come and go with few addresses, whose counts must
 * come out at nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = { 0 };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(1234) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(1234) };
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&address, &v4, sizeof(v4));
    } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(&address, &v6, sizeof(v6));
    } else {
        struct sockaddr_un local = { .sun_family = AF_UNIX };
        memcpy(&address, &local, sizeof(local.sun_family));
    }
    return address;
}

static enum ax_peers_verdict admit(struct ax_peers *peers, const char *text, struct ax_peer **peer)
{
    struct sockaddr_storage address = address_of(text);
    return ax_peers_admit(peers, &address, peer);
}

/* Whether two addresses are one peer: with one connection each, the second is one too many. */
static void who_is_the_same(void **state)
{
    static const struct {
        const char *first, *second;
        bool same;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "::ffff:192.0.2.1", "192.0.2.1", true },
        { "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
        { "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true },
        { "2001:db8:1:2::1", "2001:db8:1:3::1", false },
        { "::1", "127.0.0.1", false },
        { "::", "0.0.0.0", false },
        { "unix", "unix", false },
        { "unix", "0.0.0.0", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_peers peers;
        struct ax_peer *first;
        struct ax_peer *second;
        ax_peers_init(&peers, 10, 1);
        assert_true(ax_peers_tells_apart(&peers));
        assert_int_equal(admit(&peers, cases[i].first, &first), AX_PEERS_ADMITTED);
        enum ax_peers_verdict verdict = admit(&peers, cases[i].second, &second);
        assert_int_equal(verdict, cases[i].same ? AX_PEERS_PEER_FULL : AX_PEERS_ADMITTED);
        ax_peers_leave(&peers, first);
        if (cases[i].same) /* There is room again, for the other one as well. */
            assert_int_equal(admit(&peers, cases[i].second, &second), AX_PEERS_ADMITTED);
        ax_peers_leave(&peers, second);
        assert_int_equal(atomic_load(&peers.count), 0);
        ax_peers_done(&peers);
    }
}

/* Refused ones are not counted, nor do they fill the other limit. */
static void both_limits_hold(void **state)
{
    (void)state;
    struct ax_peers peers;
    struct ax_peer *all[5];
    struct ax_peer *none = (struct ax_peer *)&peers;
    ax_peers_init(&peers, 5, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(admit(&peers, "10.0.0.1", &all[i]), AX_PEERS_ADMITTED);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(admit(&peers, "10.0.0.1", &none), AX_PEERS_PEER_FULL);
    assert_int_equal(admit(&peers, "10.0.0.2", &all[3]), AX_PEERS_ADMITTED);
    assert_int_equal(ax_peers_admit(&peers, NULL, &all[4]), AX_PEERS_ADMITTED);
    assert_null(all[4]);
    assert_int_equal(admit(&peers, "10.0.0.3", &none), AX_PEERS_FULL);
    assert_int_equal(admit(&peers, "10.0.0.1", &none), AX_PEERS_FULL);
    assert_ptr_equal(none, &peers); /* untouched */
    for (size_t i = 0; i < 5; i++)
        ax_peers_leave(&peers, all[i]);
    ax_peers_done(&peers);
}

static void without_a_limit_nobody_is_told_apart(void **state)
{
    (void)state;
    struct ax_peers peers;
    struct ax_peer *peer;
    ax_peers_init(&peers, 1000, 0);
    assert_false(ax_peers_tells_apart(&peers));
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(admit(&peers, "10.0.0.1", &peer), AX_PEERS_ADMITTED);
    assert_int_equal(admit(&peers, "10.0.0.1", &peer), AX_PEERS_FULL);
    for (size_t i = 0; i < 1000; i++)
        ax_peers_leave(&peers, NULL);
    ax_peers_done(&peers);
}

/* As many peers as connections, in a table that was sized for them, leave in another order. */
static void many_peers_come_and_go(void **state)
{
    enum { COUNT = 5000 };
    (void)state;
    static struct ax_peer *all[COUNT];
    struct ax_peers peers;
    struct ax_peer *peer;
    ax_peers_init(&peers, COUNT, 1);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(i + round) };
            struct sockaddr_storage address = { 0 };
            memcpy(&address, &v4, sizeof(v4));
            assert_int_equal(ax_peers_admit(&peers, &address, &all[i]), AX_PEERS_ADMITTED);
        }
        assert_int_equal(admit(&peers, "255.0.0.1", &peer), AX_PEERS_FULL);
        for (uint32_t i = 0; i < COUNT; i++)
            ax_peers_leave(&peers, all[(uint64_t)i * 4099 % COUNT]);
    }
    ax_peers_done(&peers);
}

#define THREADS 4
#define TURNS   20000

struct visitor {
    struct ax_peers *peers;
    size_t admitted, refused;
};

static void *visit(void *arg)
{
    static const char *const texts[] = { "10.0.0.1", "10.0.0.2", "2001:db8::1" };
    struct visitor *visitor = arg;
    struct ax_peer *held[4];
    size_t count = 0;
    for (size_t i = 0; i < TURNS; i++) {
        struct sockaddr_storage address = address_of(texts[i % 3]);
        if (count < 4 &&
            ax_peers_admit(visitor->peers, &address, &held[count]) == AX_PEERS_ADMITTED)
            count++, visitor->admitted++;
        else
            visitor->refused++;
        if (i % 2 && count)
            ax_peers_leave(visitor->peers, held[--count]);
    }
    while (count)
        ax_peers_leave(visitor->peers, held[--count]);
    return NULL;
}

static void threads_count_together(void **state)
{
    (void)state;
    struct ax_peers peers;
    ax_peers_init(&peers, 10, 4);
    pthread_t threads[THREADS];
    struct visitor visitors[THREADS];
    size_t admitted = 0;
    for (size_t i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){ .peers = &peers };
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(visitors[i].admitted + visitors[i].refused, TURNS);
        admitted += visitors[i].admitted;
    }
    assert_true(admitted); /* of one alone perhaps none: others may hold all places while it runs */
    /* Nothing is left: as many as at the beginning come in. */
    struct ax_peer *all[4];
    struct ax_peer *peer;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(admit(&peers, "10.0.0.1", &all[i]), AX_PEERS_ADMITTED);
    assert_int_equal(admit(&peers, "10.0.0.1", &peer), AX_PEERS_PEER_FULL);
    for (size_t i = 0; i < 4; i++)
        ax_peers_leave(&peers, all[i]);
    ax_peers_done(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_the_same),
        cmocka_unit_test(both_limits_hold),
        cmocka_unit_test(without_a_limit_nobody_is_told_apart),
        cmocka_unit_test(many_peers_come_and_go),
        cmocka_unit_test(threads_count_together),
    };
    return cmocka_run_group_tests_name("net/peers", tests, NULL, NULL);
}

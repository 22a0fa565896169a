/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: addresses are read strictly; what is in use is refused, what was left behind is not.
 * Method: a table of addresses; listeners beside sockets of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void addresses_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *again; /* NULL: refused; "": as it was */
    } cases[] = {
        { "127.0.0.1:8000", "" },
        { "0.0.0.0:0", "" },
        { "255.255.255.255:65535", "" },
        { "[::1]:8000", "" },
        { "[::]:1", "" },
        { "[0:0::1]:0080", "[::1]:80" },
        { "unix:/run/a b.sock", "" },
        { "unix:relative", "" },
        { "", NULL },
        { ":", NULL },
        { ":80", NULL },
        { "127.0.0.1", NULL },
        { "127.0.0.1:", NULL },
        { "127.0.0.1:65536", NULL },
        { "127.0.0.1:-1", NULL },
        { "127.0.0.1: 80", NULL },
        { "127.0.0.1:80 ", NULL },
        { "127.0.0.1:80a", NULL },
        { "127.1:80", NULL },
        { "256.0.0.1:80", NULL },
        { "localhost:80", NULL },
        { "::1:80", NULL },
        { "[::1:80", NULL },
        { "[::1]80", NULL },
        { "[]:80", NULL },
        { "[127.0.0.1]:80", NULL },
        { "[::1%lo]:80", NULL },
        { "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80", NULL },
        { "unix:", NULL },
        { "UNIX:/a", NULL },
        { "unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
          "0123456789012345678901234567890123456789",
          NULL },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_address address;
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = ax_address_parse(ax_str_from(cases[i].text), &address, &err);
        if (!cases[i].again) {
            if (code != AX_E_INVALID)
                fail_msg("'%s' was taken", cases[i].text);
            assert_true(strlen(err.msg) > 0);
            continue;
        }
        if (code)
            fail_msg("%s", err.msg);
        char text[AX_ADDRESS_TEXT_SIZE];
        ax_address_text(&address, text);
        assert_string_equal(text, *cases[i].again ? cases[i].again : cases[i].text);
    }
    struct ax_address address;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_address_parse((struct ax_str){ "127.0.0.1\0:80", 13 }, &address, &err),
                     AX_E_INVALID);
}

static enum ax_code listener_try(const char *text, size_t threads, struct ax_listener **ret,
                                 struct ax_err *err)
{
    ax_err_clear(err);
    return ax_listener_open(ax_str_from(text), threads, ret, err);
}

static void a_port_in_use_is_refused(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_listener *first = NULL, *second = NULL;
    assert_int_equal(listener_try("127.0.0.1:0", 3, &first, &err), AX_OK);
    assert_int_equal(first->fd_count, 3);
    /* Even though SO_REUSEPORT would allow it. */
    assert_int_equal(listener_try(first->name, 1, &second, &err), AX_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, first->name));
    assert_null(second);
    char name[AX_ADDRESS_TEXT_SIZE];
    (void)snprintf(name, sizeof(name), "%s", first->name);
    for (size_t i = 0; i < 3; i++)
        ax_listener_leave(first, i);
    ax_listener_free(first);
    assert_int_equal(listener_try(name, 1, &second, &err), AX_OK);
    assert_string_equal(second->name, name);
    ax_listener_free(second); /* without having been left */

    /* By somebody who shares: not with us. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(in);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u", ntohs(in.sin_port));
    assert_int_equal(listener_try(name, 1, &second, &err), AX_E_UNAVAILABLE);
    (void)close(fd);
}

static void unix_sockets_left_behind_are_replaced(void **state)
{
    (void)state;
    char folder[] = "/tmp/ax-test-listener-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char name[96];
    (void)snprintf(name, sizeof(name), "unix:%s/s", folder);
    const char *path = name + 5;
    struct ax_err err = AX_ERR_INIT;
    struct ax_listener *first = NULL, *second = NULL;
    assert_int_equal(listener_try(name, 2, &first, &err), AX_OK);
    assert_int_equal(first->fds[0], first->fds[1]);
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    assert_int_equal(listener_try(name, 1, &second, &err), AX_E_UNAVAILABLE);

    /* Somebody removes the file: the next one takes the name, and the first one's end leaves it. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(listener_try(name, 1, &second, &err), AX_OK);
    ax_listener_free(first);
    assert_int_equal(lstat(path, &status), 0);
    ax_listener_free(second);
    assert_int_equal(lstat(path, &status), -1);

    /* Whoever had it died without removing it. */
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    (void)snprintf(local.sun_path, sizeof(local.sun_path), "%s", path);
    assert_int_equal(bind(dead, (struct sockaddr *)&local, sizeof(local)), 0);
    assert_int_equal(listen(dead, 1), 0);
    (void)close(dead);
    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(listener_try(name, 1, &second, &err), AX_OK);
    ax_listener_unlink(second);
    assert_int_equal(lstat(path, &status), -1);
    ax_listener_unlink(second);
    ax_listener_leave(second, 0);
    ax_listener_free(second);

    /* What is no socket is never removed. */
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(listener_try(name, 1, &second, &err), AX_E_UNAVAILABLE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_strictly),
        cmocka_unit_test(a_port_in_use_is_refused),
        cmocka_unit_test(unix_sockets_left_behind_are_replaced),
    };
    return cmocka_run_group_tests_name("net/listener", tests, NULL, NULL);
}

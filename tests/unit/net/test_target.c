/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: URLs are cut into address, Host header and path; what could leave the machine, or end a
 * line of the request, is refused.
 * Method: a table of good URLs with their parts, a table of bad ones with what is said about them,
 * and connections to a socket that listens and to one that does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static void good_urls(void **state)
{
    (void)state;
    const struct {
        const char *url, *host, *path;
        int family;
        unsigned port;
    } cases[] = {
        { "http://127.0.0.1:8000/v2/models/m/infer", "127.0.0.1:8000", "/v2/models/m/infer",
          AF_INET, 8000 },
        { "http://127.3.2.1", "127.3.2.1", "/", AF_INET, 80 },
        { "http://127.0.0.1:1/?a=b/c", "127.0.0.1:1", "/?a=b/c", AF_INET, 1 },
        { "http://[::1]:65535/x", "[::1]:65535", "/x", AF_INET6, 65535 },
        { "http://localhost:80/", "localhost:80", "/", AF_UNSPEC, 80 },
        { "unix:/run/ax.sock", "localhost", "/", AF_UNIX, 0 },
        { "unix:ax.sock:/v2/a:/b", "localhost", "/v2/a:/b", AF_UNIX, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_target target = { 0 };
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_target_parse(ax_str_from(cases[i].url), false, &target, &err), AX_OK);
        assert_string_equal(target.host, cases[i].host);
        assert_string_equal(target.path, cases[i].path);
        if (cases[i].family != AF_UNSPEC)
            assert_int_equal(target.address.ss_family, cases[i].family);
        /* The port lies at the same place for both families of IP. */
        if (cases[i].port)
            assert_int_equal(ntohs(((struct sockaddr_in *)&target.address)->sin_port),
                             cases[i].port);
        ax_target_done(&target);
        assert_null(target.host);
    }
}

static void bad_urls(void **state)
{
    (void)state;
    static char long_path[200] = "unix:";
    memset(long_path + 5, 'a', sizeof(long_path) - 6);
    const struct {
        const char *url;
        enum ax_code code;
        const char *says;
    } cases[] = {
        { "", AX_E_INVALID, "neither" },
        { "127.0.0.1:80/", AX_E_INVALID, "neither" },
        { "https://127.0.0.1/", AX_E_INVALID, "neither" },
        { "http://", AX_E_INVALID, "HOST" },
        { "http:///x", AX_E_INVALID, "HOST" },
        { "http://127.0.0.1:/", AX_E_INVALID, "HOST" },
        { "http://127.0.0.1:0/", AX_E_INVALID, "HOST" },
        { "http://127.0.0.1:65536/", AX_E_INVALID, "HOST" },
        { "http://127.0.0.1:8x/", AX_E_INVALID, "HOST" },
        { "http://[::1/", AX_E_INVALID, "']'" },
        { "http://[::1]8000/", AX_E_INVALID, "HOST" },
        { "http://127.0.0.1?x", AX_E_INVALID, "path" },
        { "http://me@127.0.0.1/", AX_E_INVALID, "user" },
        { "http://127.0.0.1/a b", AX_E_INVALID, "ASCII" },
        { "http://127.0.0.1/a\r\nX: y", AX_E_INVALID, "ASCII" },
        { "http://127.0.0.1/#top", AX_E_INVALID, "'#'" },
        { "http://127.0.0.1/\xc3\xa9", AX_E_INVALID, "ASCII" },
        { "unix:", AX_E_INVALID, "socket" },
        { "unix::/x", AX_E_INVALID, "socket" },
        { long_path, AX_E_INVALID, "socket" },
        { "http://192.0.2.1:80/", AX_E_DENIED, "--allow-remote" },
        { "http://[2001:db8::1]/", AX_E_DENIED, "--allow-remote" },
        { "http://no.such.host.invalid./", AX_E_NOT_FOUND, "no.such.host" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ax_target target = { 0 };
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_target_parse(ax_str_from(cases[i].url), false, &target, &err),
                         cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_null(target.host);
    }
}

static void remote_only_when_allowed(void **state)
{
    (void)state;
    struct ax_target target = { 0 };
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_target_parse(AX_STR("http://192.0.2.1:80/"), true, &target, &err), AX_OK);
    ax_target_done(&target);
    ax_target_done(NULL);
}

static void connects_or_says_why_not(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    struct ax_target target = { .host = "here", .address_len = len };
    memcpy(&target.address, &address, len);

    struct ax_err err = AX_ERR_INIT;
    int fd = -1;
    assert_int_equal(ax_target_connect(&target, 1000000000u, &fd, &err), AX_OK);
    assert_true(fd >= 0);
    close(fd);
    close(listener);
    fd = -1;
    assert_int_equal(ax_target_connect(&target, 1000000000u, &fd, &err), AX_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "'here'"));
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls),
        cmocka_unit_test(bad_urls),
        cmocka_unit_test(remote_only_when_allowed),
        cmocka_unit_test(connects_or_says_why_not),
    };
    return cmocka_run_group_tests_name("net/target", tests, NULL, NULL);
}

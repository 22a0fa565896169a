/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: targets are split and decoded as they were meant, and bad escapes are refused.
 * Method: a table of targets with what must come out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "net/uri.h"

static void targets_are_split_and_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *query; /* path NULL: refused */
    } cases[] = {
        { "/", "/", "" },
        { "/a/b", "/a/b", "" },
        { "/a?b", "/a", "b" },
        { "/a?", "/a", "" },
        { "/a?b?c=%41", "/a", "b?c=%41" },
        { "/%41%62%7e", "/Ab~", "" },
        { "/a%2Fb%2fc", "/a/b/c", "" },
        { "/a%20b+c", "/a b+c", "" },
        { "/%25%32%35", "/%25", "" }, /* decoded once */
        { "/../..//./", "/../..//./", "" },
        { "/%2e%2E", "/..", "" },
        { "/%01%ff", "/\x01\xff", "" },
        { "*", "*", "" },
        { "http://host:80/p?q", "/p", "q" },
        { "HTTP://u@[::1]/", "/", "" },
        { "/a%", NULL, NULL },
        { "/a%4", NULL, NULL },
        { "/a%4?1", NULL, NULL },
        { "/%g1", NULL, NULL },
        { "/%1g", NULL, NULL },
        { "/%%41", NULL, NULL },
        { "/%00", NULL, NULL },
        { "/a%00b", NULL, NULL },
        { "/a#b", NULL, NULL },
        { "/a?b#c", NULL, NULL },
        { "", NULL, NULL },
        { "a", NULL, NULL },
        { "?a", NULL, NULL },
        { "**", NULL, NULL },
        { "http://host", NULL, NULL },
        { "http:/host/a", NULL, NULL },
        { "host:80", NULL, NULL },
    };
    struct ax_arena arena;
    ax_arena_init(&arena, 256, 4096);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_uri uri = { { "untouched", 9 }, { "untouched", 9 } };
        enum ax_code code = ax_uri_parse(ax_str_from(cases[i].text), &arena, &uri, &err);
        if (!cases[i].path) {
            assert_int_equal(code, AX_E_INVALID);
            assert_true(ax_str_is(uri.path, "untouched"));
            continue;
        }
        assert_int_equal(code, AX_OK);
        assert_true(ax_str_is(uri.path, cases[i].path));
        assert_true(ax_str_is(uri.query, cases[i].query));
    }
    ax_arena_done(&arena);
}

static void parameters_are_taken_and_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *query, *all; /* "name=value|", NULL: refused */
    } cases[] = {
        { "", "" },
        { "a=1", "a=1|" },
        { "a=1&b=2&a=3", "a=1|b=2|a=3|" },
        { "&&a=1&", "a=1|" },
        { "a", "a=|" },
        { "=x", "=x|" },
        { "a=b=c", "a=b=c|" },
        { "a+b=%2b%26+%3D", "a b=+& =|" },
        { "%61=", "a=|" },
        { "a=%", NULL },
        { "%4=1", NULL },
        { "a=%00", NULL },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_buf all;
        struct ax_str query = ax_str_from(cases[i].query);
        struct ax_str name, value;
        bool taken = true;
        ax_arena_init(&arena, 256, 4096);
        ax_buf_init(&all, 256);
        while (taken && !ax_uri_take_parameter(&query, &arena, &name, &value, &taken, &err))
            if (taken)
                ax_buf_printf(&all, "%.*s=%.*s|", AX_STR_ARG(name), AX_STR_ARG(value));
        assert_int_equal(err.code, cases[i].all ? AX_OK : AX_E_INVALID);
        if (cases[i].all && !all.failed)
            assert_true(ax_str_is(ax_buf_str(&all), cases[i].all));
        ax_buf_done(&all);
        ax_arena_done(&arena);
    }
}

static void a_path_may_be_too_large_for_its_arena(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 16, 16);
    struct ax_err err = AX_ERR_INIT;
    struct ax_uri uri;
    assert_int_equal(ax_uri_parse(AX_STR("/0123456789%2012345678"), &arena, &uri, &err),
                     AX_E_TOO_LARGE);
    /* Without an escape nothing is copied. */
    ax_err_clear(&err);
    assert_int_equal(ax_uri_parse(AX_STR("/0123456789x2012345678"), &arena, &uri, &err), AX_OK);
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_split_and_decoded),
        cmocka_unit_test(parameters_are_taken_and_decoded),
        cmocka_unit_test(a_path_may_be_too_large_for_its_arena),
    };
    return cmocka_run_group_tests_name("net/uri", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the body of a load yields its configuration and files, and whatever it should not be is
 * refused with INVALID; an unload's flag likewise.
 * Method: tables of bodies; what was parsed is compared with what was written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/load_request.h"

#include "base/buf.h"

static enum ax_code parse(const char *body, struct ax_arena *arena,
                          struct ax_load_request *ret_request)
{
    struct ax_err err = AX_ERR_INIT;
    return ax_load_request_parse(ax_str_from(body), arena, ret_request, &err);
}

static void test_good_loads(void **state)
{
    (void)state;
    static const struct {
        const char *body, *config, *path, *bytes;
        size_t file_count;
    } cases[] = {
        { "", "", "", "", 0 },
        { "{}", "", "", "", 0 },
        { " { } \n", "", "", "", 0 },
        { "{\"parameters\":{}}", "", "", "", 0 },
        { "{\"other\":[1,{\"a\":[]}],\"parameters\":{},\"more\":\"x\"}", "", "", "", 0 },
        { "{\"parameters\":{\"config\":\"{\\\"a\\\":1}\"}}", "{\"a\":1}", "", "", 0 },
        { "{\"parameters\":{\"config\":\"{}\",\"file:1/m.json\":\"AAAA\"}}", "{}", "1/m.json",
          "AAAA", 1 },
        { "{\"parameters\":{\"file:1/m.json\":\"A\\/==\",\"config\":\"{}\",\"file:2/x\":\"\"}}",
          "{}", "1/m.json", "A/==", 2 },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_arena arena;
        struct ax_load_request request;
        ax_arena_init(&arena, 256, 65536);
        assert_int_equal(parse(cases[i].body, &arena, &request), AX_OK);
        assert_true(ax_str_is(request.config, cases[i].config) ||
                    (!request.config.len && !cases[i].config[0]));
        assert_int_equal(request.file_count, cases[i].file_count);
        if (request.file_count) {
            assert_true(ax_str_is(request.files[0].path, cases[i].path));
            assert_true(ax_str_is(request.files[0].bytes, cases[i].bytes));
            assert_true(request.files[0].is_base64);
        }
        ax_arena_done(&arena);
    }
}

static void test_bad_loads(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "x",
        "[]",
        "1",
        "{",
        "{}}",
        "{} {}",
        "{\"parameters\":1}",
        "{\"parameters\":null}",
        "{\"parameters\":[]}",
        "{\"parameters\":{},\"parameters\":{}}",
        "{\"parameters\":{\"config\":1}}",
        "{\"parameters\":{\"config\":{}}}",
        "{\"parameters\":{\"config\":\"\"}}",
        "{\"parameters\":{\"config\":\"{}\",\"config\":\"{}\"}}",
        "{\"parameters\":{\"Config\":\"{}\"}}",
        "{\"parameters\":{\"file:1/a\":\"AAAA\"}}",
        "{\"parameters\":{\"config\":\"{}\",\"file:1/a\":1}}",
        "{\"parameters\":{\"config\":\"{}\",\"file:1/a\":\"\",\"file:1/a\":\"\"}}",
        "{\"parameters\":{\"config\":\"{}\",\"file:\":\"\"}}",
        "{\"parameters\":{\"config\":\"{}\",\"file:../a\":\"\"}}",
        "{\"parameters\":{\"config\":\"{}\",\"file:1\\u002f..\\u002fa\":\"\"}}",
        "{\"parameters\":{\"config\":\"{}\",\"file:1/a\\u0000b\":\"\"}}",
        "{\"parameters\":{\"config\":\"\\ud800\"}}",
    };
    for (size_t i = 0; i < AX_COUNT(bodies); i++) {
        struct ax_arena arena;
        struct ax_load_request request = { .file_count = 77 };
        ax_arena_init(&arena, 256, 65536);
        if (parse(bodies[i], &arena, &request) != AX_E_INVALID)
            fail_msg("%s", bodies[i]);
        assert_int_equal(request.file_count, 77);
        ax_arena_done(&arena);
    }
}

static void test_too_many_files(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct ax_arena arena;
        struct ax_buf body;
        struct ax_load_request request;
        ax_arena_init(&arena, 4096, 1 << 20);
        ax_buf_init(&body, 1 << 20);
        (void)ax_buf_printf(&body, "{\"parameters\":{\"config\":\"{}\"");
        for (size_t i = 0; i < AX_OVERRIDE_FILES_MAX + more; i++)
            (void)ax_buf_printf(&body, ",\"file:1/%zu\":\"AAAA\"", i);
        (void)ax_buf_printf(&body, "}}");
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = ax_load_request_parse(ax_buf_str(&body), &arena, &request, &err);
        assert_int_equal(code, more ? AX_E_TOO_LARGE : AX_OK);
        ax_buf_done(&body);
        ax_arena_done(&arena);
    }
}

static void test_unloads(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum ax_code code;
        bool dependents;
    } cases[] = {
        { "", AX_OK, false },
        { "{}", AX_OK, false },
        { "{\"parameters\":{}}", AX_OK, false },
        { "{\"parameters\":{\"unload_dependents\":false}}", AX_OK, false },
        { "{\"parameters\":{\"unload_dependents\":true,\"x\":1}}", AX_OK, true },
        { "x", AX_E_INVALID, false },
        { "[]", AX_E_INVALID, false },
        { "{\"parameters\":[]}", AX_E_INVALID, false },
        { "{\"parameters\":{\"unload_dependents\":1}}", AX_E_INVALID, false },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        bool dependents = false;
        assert_int_equal(ax_unload_request_parse(ax_str_from(cases[i].body), &dependents, &err),
                         cases[i].code);
        assert_int_equal(dependents, cases[i].dependents);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_loads),
        cmocka_unit_test(test_bad_loads),
        cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_unloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

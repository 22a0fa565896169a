/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: messages are whole, the first failure wins, and each code has its name and statuses.
 * Method: short and too long texts, ASCII and UTF-8, cut at every offset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

static void first_failure_wins(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_fail(&err, AX_E_NOT_FOUND, "no model '%s'", "fraud"), AX_E_NOT_FOUND);
    assert_int_equal(ax_fail(&err, AX_E_INTERNAL, "cleanup"), AX_E_NOT_FOUND);
    assert_int_equal(ax_fail_errno(&err, EACCES, "cleanup"), AX_E_NOT_FOUND);
    assert_string_equal(err.msg, "no model 'fraud'");
    ax_err_clear(&err);
    assert_int_equal(err.code, AX_OK);
    assert_int_equal(ax_fail(&err, AX_E_LIMIT, "full"), AX_E_LIMIT);
    assert_string_equal(err.msg, "full");
}

static void context_stands_in_front(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_INVALID, "no field '%s'", "objective");
    assert_int_equal(ax_err_context(&err, "load '%s'", "fraud/1"), AX_E_INVALID);
    assert_string_equal(err.msg, "load 'fraud/1': no field 'objective'");
}

/* A character of three bytes begins at each offset around the end of the message. */
static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t start = 200; start < 245; start++) {
        char text[400];
        memset(text, 'a', sizeof(text));
        for (size_t i = start; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 3);
        text[300 - (300 - start) % 3] = '\0';
        struct ax_err err = AX_ERR_INIT;
        (void)ax_fail(&err, AX_E_INVALID, "%s", text);
        struct ax_str message = ax_str_from(err.msg);
        assert_true(message.len < sizeof(err.msg) && message.len >= sizeof(err.msg) - 4);
        assert_true(ax_str_is_utf8(message));
        assert_memory_equal(message.ptr, text, message.len);
        (void)ax_err_context(&err, "%s", "read");
        assert_true(ax_str_is_utf8(ax_str_from(err.msg)));
        assert_true(ax_str_starts_with(ax_str_from(err.msg), AX_STR("read: aaa")));
        (void)ax_err_context(&err, "%s", text);
        assert_true(ax_str_is_utf8(ax_str_from(err.msg)));
    }
}

static void errors_of_the_system_are_translated(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum ax_code code;
        const char *msg;
    } rows[] = {
        { ENOENT, AX_E_NOT_FOUND, "open 'x': No such file or directory" },
        { EACCES, AX_E_DENIED, "open 'x': Permission denied" },
        { EMFILE, AX_E_LIMIT, "open 'x': Too many open files" },
        { ENOTDIR, AX_E_INVALID, "open 'x': Not a directory" },
        { EIO, AX_E_INTERNAL, "open 'x': Input/output error" },
        { 99999, AX_E_INTERNAL, "open 'x': error 99999 of the system" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_fail_errno(&err, rows[i].errnum, "open '%s'", "x"), rows[i].code);
        assert_string_equal(err.msg, rows[i].msg);
    }
}

static void codes_have_names_and_statuses(void **state)
{
    (void)state;
    assert_string_equal(ax_code_name(AX_OK), "OK");
    assert_int_equal(ax_code_http(AX_OK), 200);
    assert_int_equal(ax_code_grpc(AX_OK), 0);
    assert_string_equal(ax_code_name(AX_E_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(ax_code_text(AX_E_NOT_FOUND), "not found");
    assert_int_equal(ax_code_http(AX_E_NOT_FOUND), 404);
    assert_int_equal(ax_code_grpc(AX_E_NOT_FOUND), 5);
    assert_int_equal(ax_code_http(AX_E_INTERNAL), 500);
    assert_int_equal(ax_code_grpc(AX_E_INTERNAL), 13);
    for (int code = AX_E_INVALID; code <= AX_E_INTERNAL; code++) {
        assert_in_range(ax_code_http((enum ax_code)code), 400, 599);
        assert_in_range(ax_code_grpc((enum ax_code)code), 1, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_failure_wins),
        cmocka_unit_test(context_stands_in_front),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(errors_of_the_system_are_translated),
        cmocka_unit_test(codes_have_names_and_statuses),
    };
    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}

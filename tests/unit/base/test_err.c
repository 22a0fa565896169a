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
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

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

/* Texts of users are shown whole and cannot end the line. */
static void control_characters_are_shown(void **state)
{
    (void)state;
    const struct {
        struct ax_str text;
        const char *msg;
    } rows[] = {
        { AX_STR("a\0b"), "no 'a\\u0000b' here" },
        { AX_STR("\0"), "no '\\u0000' here" },
        { AX_STR("a\r\nlevel=error"), "no 'a\\u000d\\u000alevel=error' here" },
        { AX_STR("\x1b[31m\x7f\t"), "no '\\u001b[31m\\u007f\\u0009' here" },
        { AX_STR("\xC3\xA9\\u0000"), "no '\xC3\xA9\\u0000' here" },
        { { "", 0 }, "no '' here" },
        { { NULL, 0 }, "no '' here" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_err err = AX_ERR_INIT;
        (void)ax_fail(&err, AX_E_INVALID, "no '%.*s' here", AX_STR_ARG(rows[i].text));
        assert_string_equal(err.msg, rows[i].msg);
        (void)ax_err_context(&err, "%s\n", "row 1");
        assert_true(ax_str_starts_with(ax_str_from(err.msg), AX_STR("row 1\n: no '")));
    }
    struct ax_err err = AX_ERR_INIT;
    (void)ax_fail(&err, AX_E_INVALID, "%s%c", "two\nlines", '\n');
    assert_string_equal(err.msg, "two\\u000alines\\u000a");
    char many[400] = { 0 };
    ax_err_clear(&err);
    (void)ax_fail(&err, AX_E_INVALID, "%.*s", (int)sizeof(many), many);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

/* All conversions that messages have, as vsnprintf has them. */
static void values_are_printed(void **state)
{
    (void)state;
    char wanted[240];
#define CHECK(...)                                                            \
    do {                                                                      \
        struct ax_err err = AX_ERR_INIT;                                      \
        (void)snprintf(wanted, sizeof(wanted), __VA_ARGS__);                  \
        assert_int_equal(ax_fail(&err, AX_E_LIMIT, __VA_ARGS__), AX_E_LIMIT); \
        assert_string_equal(err.msg, wanted);                                 \
    } while (0)
    CHECK("%d %d %ld %lld %zd|", 0, INT32_MIN, INT64_MIN, -7LL, (ssize_t)-1);
    CHECK("%u %lu %llu %zu|", UINT32_MAX, UINT64_MAX, 7ULL, SIZE_MAX);
    CHECK("%04x %x %llx %02d %5d %3u|", 0xabu, UINT32_MAX, 1ULL << 63, 7, -42, 1u);
    CHECK("%g %.3f %.0f %.17g %.*g %f|", 0.1, -2.0005, 1e30, 0.1, 9, 1.0 / 3, 1e15);
    CHECK("%g %g %f|", (double)INFINITY, (double)NAN, -0.0);
    CHECK("%s %.3s %.60s %.*s 100%% %c", "abc", "abcdef", "abc", 2, "xyz", 'c');
#undef CHECK
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
        cmocka_unit_test(control_characters_are_shown),
        cmocka_unit_test(values_are_printed),
        cmocka_unit_test(errors_of_the_system_are_translated),
        cmocka_unit_test(codes_have_names_and_statuses),
    };
    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}

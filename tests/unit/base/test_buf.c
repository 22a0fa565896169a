/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a buffer holds what was appended, never more than its maximum, and remembers a failure.
 * Method: maxima one byte apart, every kind of append. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

#include "torture.h"

#include <stdlib.h>
#include <string.h>

static void assert_holds(const struct ax_buf *buf, const char *text)
{
    struct ax_str held = ax_buf_str(buf);
    assert_int_equal(held.len, strlen(text));
    assert_memory_equal(held.ptr, text, held.len);
}

static void appends_add_up(void **state)
{
    (void)state;
    struct ax_buf buf;
    ax_buf_init(&buf, 10000);
    assert_holds(&buf, "");
    (void)ax_buf_append(&buf, "ab", 2);
    (void)ax_buf_append(&buf, NULL, 0);
    (void)ax_buf_append_str(&buf, AX_STR("cd"));
    (void)ax_buf_append_char(&buf, '-');
    (void)ax_buf_append_u64(&buf, 0);
    (void)ax_buf_append_u64(&buf, UINT64_MAX);
    (void)ax_buf_printf(&buf, " %s=%d", "x", -7);
    struct ax_err err = AX_ERR_INIT;
    if (ax_buf_check(&buf, "text", &err)) {
        assert_true(ax_torture_struck());
        assert_int_equal(err.code, AX_E_LIMIT);
    } else {
        assert_holds(&buf, "abcd-018446744073709551615 x=-7");
        ax_buf_consume(&buf, 4);
        assert_holds(&buf, "-018446744073709551615 x=-7");
        ax_buf_consume(&buf, buf.len);
        assert_holds(&buf, "");
    }
    ax_buf_done(&buf);
}

/* printf into every free length, so that both its branches meet every boundary. */
static void prints_of_every_length(void **state)
{
    (void)state;
    for (int len = 0; len < 600; len++) {
        struct ax_buf buf;
        ax_buf_init(&buf, 2000);
        enum ax_code code = ax_buf_printf(&buf, "%*s", len, "");
        if (!code)
            code = ax_buf_printf(&buf, "%d|", len);
        if (code)
            assert_true(code == AX_E_LIMIT && ax_torture_struck());
        else
            assert_true(buf.ptr[len] ==
                        (char)('0' + (len < 10 ? len : len / (len < 100 ? 10 : 100))));
        ax_buf_done(&buf);
    }
}

static void quotes_are_doubled(void **state)
{
    (void)state;
    struct ax_buf buf;
    ax_buf_init(&buf, 8);
    if (ax_buf_append_quoted(&buf, AX_STR("a'\"b"), '\'')) {
        assert_true(ax_torture_struck());
        return;
    }
    assert_holds(&buf, "'a''\"b'");
    ax_buf_reset(&buf);
    assert_int_equal(ax_buf_append_quoted(&buf, AX_STR(""), '"'), AX_OK);
    assert_holds(&buf, "\"\"");
    ax_buf_reset(&buf);
    assert_int_equal(ax_buf_append_quoted(&buf, AX_STR("seven.."), '"'), AX_E_TOO_LARGE);
    ax_buf_done(&buf);
}

static void maximum_is_exact_and_failure_sticks(void **state)
{
    (void)state;
    struct ax_buf buf;
    ax_buf_init(&buf, 5);
    if (ax_buf_append(&buf, "abcde", 5)) {
        assert_true(ax_torture_struck());
        return;
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_buf_check(&buf, "body", &err), AX_OK);
    assert_int_equal(ax_buf_append_char(&buf, 'f'), AX_E_TOO_LARGE);
    assert_holds(&buf, "abcde");
    ax_buf_consume(&buf, 3);
    assert_int_equal(ax_buf_append_char(&buf, 'f'), AX_E_TOO_LARGE);
    assert_int_equal(ax_buf_printf(&buf, "x"), AX_E_TOO_LARGE);
    assert_null(ax_buf_reserve(&buf, 1));
    assert_int_equal(ax_buf_check(&buf, "body", &err), AX_E_TOO_LARGE);
    assert_string_equal(err.msg, "body: over 5 bytes");
    ax_buf_reset(&buf);
    assert_int_equal(ax_buf_append(&buf, "abcde", 5), AX_OK);
    assert_holds(&buf, "abcde");
    ax_buf_done(&buf);
}

/* Lengths whose sum with what is there would wrap around. */
static void a_failure_of_what_was_appended_is_ones_own(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf buf;
    struct ax_buf part;
    ax_buf_init(&buf, 100);
    ax_buf_init(&part, 1);
    ax_buf_fail_with(&buf, &part);
    assert_int_equal(ax_buf_append_str(&part, AX_STR("ab")), AX_E_TOO_LARGE);
    assert_int_equal(buf.failed, AX_OK);
    ax_buf_fail_with(&buf, &part);
    assert_int_equal(ax_buf_append_char(&buf, 'a'), AX_E_TOO_LARGE);
    /* The first failure sticks. */
    part.failed = AX_E_LIMIT;
    ax_buf_fail_with(&buf, &part);
    assert_int_equal(ax_buf_check(&buf, "text", &err), AX_E_TOO_LARGE);
    ax_buf_done(&part);
    ax_buf_done(&buf);
}

static void absurd_lengths_are_refused(void **state)
{
    (void)state;
    for (size_t below = 0; below < 3; below++) {
        struct ax_buf buf;
        ax_buf_init(&buf, 100);
        if (ax_buf_append(&buf, "0123456789", 10)) {
            assert_true(ax_torture_struck());
            return;
        }
        assert_null(ax_buf_reserve(&buf, SIZE_MAX - 5 * below));
        assert_int_equal(buf.failed, AX_E_TOO_LARGE);
        assert_holds(&buf, "0123456789");
        ax_buf_done(&buf);
    }
}

static void reserve_and_added(void **state)
{
    (void)state;
    struct ax_buf buf;
    ax_buf_init(&buf, 100000);
    for (size_t i = 0; i < 1000; i++) {
        char *at = ax_buf_reserve(&buf, 50);
        if (!at) {
            assert_true(ax_torture_struck());
            break;
        }
        memset(at, (int)('a' + i % 26), 50);
        ax_buf_added(&buf, 37);
    }
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.ptr[i], 'a' + i / 37 % 26);
    ax_buf_clear(&buf, 1 << 20);
    assert_true(buf.len == 0 && (buf.cap > 0 || ax_torture_struck()));
    ax_buf_clear(&buf, 100);
    assert_true(buf.cap == 0 && !buf.ptr);
    ax_buf_done(&buf);
}

static void take_gives_the_text_away(void **state)
{
    (void)state;
    struct ax_buf buf;
    ax_buf_init(&buf, 4);
    (void)ax_buf_append(&buf, "abc", 3);
    char *text = ax_buf_take(&buf);
    if (!text) {
        assert_true(ax_torture_struck());
        ax_buf_done(&buf);
        return;
    }
    assert_string_equal(text, "abc");
    assert_holds(&buf, "");
    free(text);
    if (!ax_buf_append(&buf, "abcd", 4)) {
        text = ax_buf_take(&buf);
        assert_true(text ? !strcmp(text, "abcd") : ax_torture_struck());
        free(text);
    }
    (void)ax_buf_append(&buf, "abcde", 5);
    assert_null(ax_buf_take(&buf));
    ax_buf_done(&buf);
}

/* Through the sizes where small blocks become mapped ones, in odd steps. */
static void a_large_one_keeps_its_contents(void **state)
{
    (void)state;
    static char piece[100003];
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)(i % 251);
    struct ax_buf buf;
    ax_buf_init(&buf, 20000000);
    size_t count = 0;
    while (!ax_buf_append(&buf, piece, sizeof(piece)))
        count++;
    assert_true(buf.failed == AX_E_TOO_LARGE || ax_torture_struck());
    assert_true(count == 20000000 / sizeof(piece) || ax_torture_struck());
    assert_int_equal(buf.len, count * sizeof(piece));
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(buf.ptr + i * sizeof(piece), piece, sizeof(piece));
    assert_true(buf.cap <= buf.max);
    ax_buf_done(&buf);
}

static void a_boundless_buffer_still_grows(void **state)
{
    (void)state;
    struct ax_buf buf;
    ax_buf_init(&buf, SIZE_MAX);
    assert_null(ax_buf_reserve(&buf, SIZE_MAX - 4096));
    assert_int_equal(buf.failed, AX_E_LIMIT);
    ax_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_add_up),
        cmocka_unit_test(prints_of_every_length),
        cmocka_unit_test(quotes_are_doubled),
        cmocka_unit_test(maximum_is_exact_and_failure_sticks),
        cmocka_unit_test(a_failure_of_what_was_appended_is_ones_own),
        cmocka_unit_test(absurd_lengths_are_refused),
        cmocka_unit_test(reserve_and_added),
        cmocka_unit_test(take_gives_the_text_away),
        cmocka_unit_test(a_large_one_keeps_its_contents),
        cmocka_unit_test(a_boundless_buffer_still_grows),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}

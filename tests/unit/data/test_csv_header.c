/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the names of a CSV header are read as RFC 4180 has it, and bad headers are refused.
 * Method: a table of texts with the names, divided by '|', or the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/csv_header.h"

static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *names; /* NULL: refused */
        const char *message;
    } cases[] = {
        { "a,b\n1,2\n", "a|b", NULL },
        { "a,b\r\n1,2\r\n", "a|b", NULL },
        { "a", "a", NULL },
        { "a,A,\"a\"\"\"\n", "a|A|a\"", NULL },
        { "\xef\xbb\xbf"
          "a,\"b,c\",\"d\ne\",\n",
          "a|b,c|d\ne|", NULL },
        { " a ,b", " a |b", NULL },
        { "", NULL, "the first line is empty" },
        { "\na,b\n", NULL, "the first line is empty" },
        { "\xef\xbb\xbf\n", NULL, "the first line is empty" },
        { "a,\"b\n1,2\n", NULL, "a quote in the header is not closed" },
        { "a,b,a\n", NULL, "the header has the column 'a' twice" },
        { "a,,\n", NULL, "the header has the column '' twice" },
        { "a,\xff\n", NULL, "the header is not UTF-8, or has a NUL" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_str *names = NULL;
        size_t count = 0;
        char joined[64] = "";
        ax_arena_init(&arena, 1024, 65536);
        enum ax_code code =
            ax_csv_header_parse(ax_str_from(cases[i].text), &arena, &names, &count, &err);
        size_t len = 0;
        for (size_t k = 0; k < count; k++) {
            if (k)
                joined[len++] = '|';
            memcpy(joined + len, names[k].ptr, names[k].len);
            len += names[k].len;
        }
        joined[len] = '\0';
        if (cases[i].names ? code != AX_OK || strcmp(joined, cases[i].names) != 0
                           : code != AX_E_INVALID || !strstr(err.msg, cases[i].message))
            fail_msg("case %zu: '%s' %s", i, joined, err.msg);
        ax_arena_done(&arena);
    }
}

static void limits(void **state)
{
    (void)state;
    static char many[65537];
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_str *names = NULL;
    size_t count = 0;
    memset(many, ',', sizeof(many));
    ax_arena_init(&arena, 1024, 1024);
    assert_int_equal(
        ax_csv_header_parse((struct ax_str){ many, sizeof(many) }, &arena, &names, &count, &err),
        AX_E_TOO_LARGE);
    ax_err_clear(&err);
    assert_int_equal(
        ax_csv_header_parse((struct ax_str){ many, 1000 }, &arena, &names, &count, &err),
        AX_E_TOO_LARGE);
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests_name("pipeline/csv_header", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the beginning of a file is read; files whose last line DuckDB would leave out, and JSON
 * that it would not survive, are told. Method: a small file at each side of the limits; what DuckDB
 * makes of a last line that is too long is asked, too, so that a version that reads it right shows
 * here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/line_file.h"

#include "base/buf.h"

#include "test_folder.h"

#include <stdio.h>

#define LINE_MAX_BYTES ((size_t)200000)
#define DEPTH_MAX      ((size_t)AX_LINE_FILE_DEPTH_MAX)

static char path[96];
static struct ax_buf content;

static int set_up(void **state)
{
    ax_buf_init(&content, (size_t)4 << 20);
    if (make_folder(state))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/x.csv", folder);
    return 0;
}

static int tear_down(void **state)
{
    ax_buf_done(&content);
    return remove_folder(state);
}

static void put_many(char c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)ax_buf_append_char(&content, c);
}

static void write_file(void)
{
    struct ax_err err = AX_ERR_INIT;
    assert_false(content.failed);
    assert_int_equal(ax_file_replace(path, ax_buf_str(&content), &err), AX_OK);
    ax_buf_reset(&content);
}

static void test_heads(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf head;
    ax_buf_init(&head, LINE_MAX_BYTES);
    put_many('x', 100000);
    put_many('\r', 1);
    put_many('y', 1000000);
    write_file();
    assert_int_equal(ax_line_file_read_head(path, &head, &err), AX_OK);
    assert_true(head.len > 100000 && head.len < 1000000 && head.ptr[100000] == '\r');
    ax_buf_reset(&head);
    put_many('x', LINE_MAX_BYTES + 1);
    write_file();
    assert_int_equal(ax_line_file_read_head(path, &head, &err), AX_OK);
    assert_int_equal(head.len, LINE_MAX_BYTES); /* full */
    ax_buf_reset(&head);
    put_many('x', 3);
    write_file();
    assert_int_equal(ax_line_file_read_head(path, &head, &err), AX_OK);
    assert_true(ax_str_is(ax_buf_str(&head), "xxx"));
    assert_int_equal(ax_line_file_read_head("/dev/zero", &head, &err), AX_E_INVALID);
    ax_buf_done(&head);
}

static void test_last_lines(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        size_t len;
        const char *after;
        bool is_fine;
    } cases[] = {
        { "", 0, "", true },
        { "a\n", 1, "", true },
        { "", LINE_MAX_BYTES, "", true },
        { "a\n", LINE_MAX_BYTES, "", true },
        { "a\n", LINE_MAX_BYTES - 2, "\r\n", true },
        { "a\n", LINE_MAX_BYTES + 1, "", false },
        { "a\n", 3 * LINE_MAX_BYTES, "", false },
        { "a\r", 3 * LINE_MAX_BYTES, "\r", false },
        { "", 3 * LINE_MAX_BYTES, "", false },
        { "a\n", 3 * LINE_MAX_BYTES, "\nb", true },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        (void)ax_buf_append_str(&content, ax_str_from(cases[i].before));
        put_many('x', cases[i].len);
        (void)ax_buf_append_str(&content, ax_str_from(cases[i].after));
        write_file();
        enum ax_code code = ax_line_file_check_end(path, LINE_MAX_BYTES, &err);
        if (code != (cases[i].is_fine ? AX_OK : AX_E_INVALID))
            fail_msg("case %zu: %s", i, err.msg);
        if (code)
            assert_string_equal(err.msg, "the last line is longer than 200000 bytes");
    }
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_line_file_check_end("/dev/zero", 1, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "it is no regular file");
    ax_err_clear(&err);
    assert_int_equal(ax_line_file_check_end("/nowhere/x", 1, &err), AX_E_NOT_FOUND);
}

static struct ax_sql *open_sql(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_config config = { .threads = 1 };
    assert_int_equal(ax_sql_open(&config, &sql, &err), AX_OK);
    return sql;
}

static void test_what_is_left_out(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = open_sql();
    char query[512];
    int64_t rows = -1;
    put_many('a', 1);
    put_many('\n', 1);
    put_many('x', 3 * LINE_MAX_BYTES);
    write_file();
    (void)snprintf(query, sizeof(query),
                   "SELECT count(*) FROM read_csv('%s', auto_detect=false, header=false, "
                   "columns={'a':'VARCHAR'}, max_line_size=%zu, buffer_size=%zu)",
                   path, LINE_MAX_BYTES, 2 * LINE_MAX_BYTES);
    assert_int_equal(ax_sql_get_i64(sql, ax_str_from(query), &rows, &err), AX_OK);
    assert_int_equal(rows, 1); /* Of two. */
    ax_sql_close(sql);
}

static void test_depth(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        size_t depth;
        const char *after;
        const char *told;
    } cases[] = {
        { "{\"a\":1}\n", DEPTH_MAX, "\n", NULL },
        { "{\"a\":1}\n", DEPTH_MAX + 1, "\r\n", "nested more than 1000 deep" },
        { "{\"a\":", DEPTH_MAX - 1, "}", NULL },
        { "{\"a\":", DEPTH_MAX, "}\n", "nested more than 1000 deep" },
        { "{\"a\\\"\":", DEPTH_MAX, "}\n", "nested more than 1000 deep" },
        { "{\"a\\\":", DEPTH_MAX, "\"}\n", NULL }, /* all of it a text */
        { "{\"a\":\"", 3 * DEPTH_MAX, "\"}\n", NULL },
        { "[[[]]],[[[[]]]]\n", DEPTH_MAX, "", NULL },
        { "{\"a\":1}\n", LINE_MAX_BYTES * 3 / 4, "\n", "CSV Error on Line" },
    };
    struct ax_sql *sql = open_sql();
    struct ax_buf literal;
    ax_buf_init(&literal, 256);
    ax_sql_put_literal(&literal, ax_str_from(path));
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        (void)ax_buf_append_str(&content, ax_str_from(cases[i].before));
        put_many(i % 2 ? '[' : '{', cases[i].depth);
        put_many(i % 2 ? ']' : '}', cases[i].depth);
        (void)ax_buf_append_str(&content, ax_str_from(cases[i].after));
        write_file();
        enum ax_code code =
            ax_line_file_check_depth(sql, ax_buf_str(&literal), LINE_MAX_BYTES, &err);
        if (cases[i].told ? code != AX_E_INVALID || !strstr(err.msg, cases[i].told) : code != AX_OK)
            fail_msg("case %zu: %s", i, err.msg);
    }
    ax_buf_done(&literal);
    ax_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_last_lines),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

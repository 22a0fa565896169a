/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: code points are taken and put as UTF-8 has them; their case and whether they are spaces is
 * what DuckDB thinks.
 * Method: every code point there and back; every code point asked in DuckDB, in one query.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sql.h"
#include "base/unicode.h"

#define CODE_POINTS 0x110000

static bool is_surrogate(uint32_t code_point)
{
    return code_point >= 0xD800 && code_point < 0xE000;
}

static void every_code_point_there_and_back(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < CODE_POINTS; c++) {
        char bytes[AX_UNICODE_BYTES_MAX + 1];
        size_t len = ax_unicode_put(c, bytes);
        struct ax_str text = { bytes, len };
        if (is_surrogate(c))
            continue;
        assert_true(ax_str_is_utf8(text));
        assert_int_equal(ax_unicode_count(text), 1);
        assert_int_equal(ax_unicode_take(&text), c);
        assert_int_equal(text.len, 0);
        char mapped[AX_UNICODE_BYTES_MAX];
        assert_true(ax_unicode_put(ax_unicode_lower(c), mapped) <= AX_UNICODE_CASE_GROWTH(len));
        assert_true(ax_unicode_put(ax_unicode_upper(c), mapped) <= AX_UNICODE_CASE_GROWTH(len));
    }
}

static void places_in_a_text(void **state)
{
    (void)state;
    struct ax_str text = AX_STR("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z");
    static const size_t offsets[] = { 0, 1, 3, 6, 10, 11, 11 };
    for (size_t i = 0; i < AX_COUNT(offsets); i++)
        assert_int_equal(ax_unicode_offset(text, i), offsets[i]);
    assert_int_equal(ax_unicode_offset(text, SIZE_MAX), 11);
    assert_int_equal(ax_unicode_count(text), 5);
    assert_int_equal(ax_unicode_count(AX_STR("")), 0);
    assert_int_equal(ax_unicode_offset(AX_STR(""), 0), 0);
}

static void case_and_spaces_are_as_in_duckdb(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql = NULL;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk;
    struct ax_sql_config config = { .threads = 1 };
    struct ax_str query =
        AX_STR("SELECT i, unicode(lower(chr(i))), unicode(upper(chr(i))), trim(chr(i)) = '' FROM "
               "(SELECT i::INT AS i FROM range(1, 1114112) t(i) WHERE NOT i BETWEEN 55296 AND "
               "57343)");
    if (ax_sql_open(&config, &sql, &err) || ax_sql_query(sql, query, &stream, &err))
        fail_msg("%s", err.msg);
    size_t rows = 0;
    do {
        assert_int_equal(ax_sql_stream_next(stream, &chunk, &err), AX_OK);
        for (size_t row = 0; row < chunk.rows; row++) {
            uint32_t c = (uint32_t)chunk.columns[0].i64s[row];
            if (ax_unicode_lower(c) != chunk.columns[1].i64s[row] ||
                ax_unicode_upper(c) != chunk.columns[2].i64s[row] ||
                ax_unicode_is_space(c) != chunk.columns[3].bools[row])
                fail_msg("U+%04X", c);
        }
        rows += chunk.rows;
    } while (chunk.rows);
    assert_int_equal(rows, CODE_POINTS - 1 - 0x800);
    ax_sql_stream_free(stream);
    ax_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_there_and_back),
        cmocka_unit_test(places_in_a_text),
        cmocka_unit_test(case_and_spaces_are_as_in_duckdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an error inside a scalar is told where it stands in the file, however the scalar is
 * written. Method: texts in which a '$' marks the place: it is looked up in the scalar's text, and
 * has to be found where it stands in the source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/yaml.h"

static struct ax_arena arena;

static int set_up(void **state)
{
    (void)state;
    ax_arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    return 0;
}

static const struct ax_yaml *parse_a(const char *text)
{
    struct ax_yaml *root = NULL;
    struct ax_err err = AX_ERR_INIT;
    if (ax_yaml_parse(ax_str_from(text), "a.yaml", &arena, &root, &err))
        fail_msg("%s", err.msg);
    const struct ax_yaml *node = ax_yaml_get(root, "a");
    assert_non_null(node);
    return node;
}

static void every_style(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
    } rows[] = {
        { "a: $\n", 1, 4 },
        { "a: x + $y\n", 1, 8 },
        { "b: 1\nc: {d: 2}\na: x $ y\n", 3, 6 },
        { "{b: 1, a: x + $y}", 1, 15 },
        { "a: '$'\n", 1, 5 },
        { "a: 'it''s ''$'\n", 1, 13 },
        { "a: \"x\\\" \\\\ \\x41 \\u00e4 \\U0001F600 $\"\n", 1, 35 },
        { "a: \"x \\t\\n\\x20\\_ $\"\n", 1, 18 },
        { "a: \"one \\\n   two $\"\n", 2, 8 },
        { "a: |\n  one\n  two + $\n", 3, 9 },
        { "a: |-  # comment $\n  one\n\n  two + $\n", 4, 9 },
        { "a: >\n  one\n\n  two\n  three $\n", 5, 9 },
        { "a: one\n  two\n\n  three $\n", 4, 9 },
        { "a: 'one\n\n  two\n  $'\n", 4, 3 },
        { "a: \"\xC3\xA4\xF0\x9F\x98\x80 $\"\n", 1, 8 },
        { "\xEF\xBB\xBF"
          "a: x $\n",
          1, 6 },
        { "b: 1\r\na: |\r\n  x\r\n  $\r\n", 4, 3 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const struct ax_yaml *node = parse_a(rows[i].text);
        const char *at = strchr(node->text.ptr, '$');
        unsigned line = 0, column = 0;
        assert_non_null(at);
        ax_yaml_locate(ax_str_from(rows[i].text), node, (size_t)(at - node->text.ptr), &line,
                       &column);
        if (line != rows[i].line || column != rows[i].column)
            fail_msg("%s: %u:%u", rows[i].text, line, column);
    }
}

static void behind_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
    } rows[] = {
        { "a: x +\n", 1, 7 },
        { "a: 'x +'  # why\n", 1, 8 },
        { "a: ''\n", 1, 5 },
        { "a: |\n  x\n  y +\nb: 2\n", 3, 6 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const struct ax_yaml *node = parse_a(rows[i].text);
        unsigned line = 0, column = 0;
        ax_yaml_locate(ax_str_from(rows[i].text), node, node->text.len, &line, &column);
        if (line != rows[i].line || column != rows[i].column)
            fail_msg("%s: %u:%u", rows[i].text, line, column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_style),
        cmocka_unit_test(behind_the_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

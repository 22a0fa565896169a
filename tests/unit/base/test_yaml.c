/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the accepted subset becomes the right tree with the right places; everything outside it is
 * refused with its place; limits hold.
 * Method: one document checked node by node, a table of refused texts with their messages, sizes at
 * the limits. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/yaml.h"

#include "base/file.h"

#include "torture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct ax_arena arena;

static int set_up(void **state)
{
    (void)state;
    ax_arena_init(&arena, 4096, 64 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    return 0;
}

/* NULL when an allocation was refused. */
static struct ax_yaml *parse(const char *text)
{
    struct ax_yaml *root = NULL;
    struct ax_err err = AX_ERR_INIT;
    ax_arena_reset(&arena);
    enum ax_code code = ax_yaml_parse(ax_str_from(text), "a.yaml", &arena, &root, &err);
    if (code == AX_E_LIMIT && ax_torture_struck())
        return NULL;
    if (code)
        fail_msg("%s", err.msg);
    return root;
}

static void a_tree_with_places(void **state)
{
    (void)state;
    const struct ax_yaml *root = parse("# comment\n"
                                       "name: flight_delay\n"
                                       "\"quoted key\": 'it''s'\n"
                                       "list:\n"
                                       "  - 1\n"
                                       "  - two: 2\n"
                                       "    three: [a, \"b\", 3]\n"
                                       "flow: {x: 1, y: }\n"
                                       "text: |\n"
                                       "  line one\n"
                                       "  line two\n");
    if (!root)
        return;
    assert_int_equal(root->kind, AX_YAML_MAP);
    assert_int_equal(root->count, 5);
    const struct ax_yaml *node = ax_yaml_get(root, "name");
    assert_true(node->kind == AX_YAML_SCALAR && !node->quoted);
    assert_string_equal(node->text.ptr, "flight_delay");
    assert_true(node->line == 2 && node->column == 7 && node->key_line == 2 &&
                node->key_column == 1);
    node = ax_yaml_get(root, "quoted key");
    assert_true(node->quoted);
    assert_string_equal(node->text.ptr, "it's");
    node = ax_yaml_get(root, "list");
    assert_true(node->kind == AX_YAML_LIST && node->count == 2);
    assert_string_equal(node->first->text.ptr, "1");
    node = ax_yaml_get(node->first->next, "three");
    assert_true(node->line == 7 && node->column == 12 && node->key_column == 5);
    assert_true(node->count == 3 && node->first->next->quoted);
    assert_null(node->first->next->next->next);
    node = ax_yaml_get(ax_yaml_get(root, "flow"), "y");
    assert_true(node && ax_yaml_is_null(node));
    assert_string_equal(ax_yaml_get(root, "text")->text.ptr, "line one\nline two\n");
    assert_null(ax_yaml_get(root, "absent"));
    assert_null(ax_yaml_get(ax_yaml_get(root, "name"), "x"));
    assert_null(ax_yaml_get(NULL, "x"));
}

static void empty_documents_are_empty_mappings(void **state)
{
    (void)state;
    static const char *const texts[] = { "",      "\n\n",         "# only a comment\n",
                                         "---\n", "--- ~\n...\n", "{}" };
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        const struct ax_yaml *root = parse(texts[i]);
        assert_true(!root || (root->kind == AX_YAML_MAP && !root->count && !root->first));
    }
}

static void bad_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *msg;
    } rows[] = {
        { "a: 1\nb: &x 2\n", "a.yaml:2:4: anchors and tags are not allowed" },
        { "a: *x\n", "a.yaml:1:4: aliases are not allowed" },
        { "a: !!str 1\n", "a.yaml:1:4: anchors and tags are not allowed" },
        { "a: !x [1]\n", "a.yaml:1:4: anchors and tags are not allowed" },
        { "a: &x {}\n", "a.yaml:1:4: anchors and tags are not allowed" },
        { "<<: {a: 1}\n", "a.yaml:1:1: merge keys are not allowed" },
        { "a: 1\nb: 2\na: 3\n", "a.yaml:3:1: 'a' was given before, in line 1" },
        { "x:\n  - {a: 1, \"a\": 3}\n", "a.yaml:2:12: 'a' was given before, in line 2" },
        { "a: yes\n", "a.yaml:1:4: 'yes' means a boolean to some and a text to others: write true, "
                      "false, or quotes" },
        { "a: [Off]\n", "a.yaml:1:5: 'Off' means a boolean to some and a text to others: write "
                        "true, false, or quotes" },
        { "on: 1\n", "a.yaml:1:1: 'on' means a boolean to some and a text to others: write true, "
                     "false, or quotes" },
        { "a: 1\n---\nb: 2\n", "a.yaml:2:1: only one document is allowed" },
        { "%TAG ! x:\n---\na: 1\n", "a.yaml:1:1: %TAG is not allowed" },
        { "[a, b]: 1\n", "a.yaml:1:1: a key must be a plain text" },
        { "? {a: 1}\n: 1\n", "a.yaml:1:3: a key must be a plain text" },
        { "a: \"x\\0y\"\n", "a.yaml:1:4: a text may not hold a NUL" },
        { "a: [1\n", "a.yaml:2:1: did not find expected ',' or ']'" },
        { "a: 1\n b: 2\n", "a.yaml:2:3: mapping values are not allowed in this context" },
        { "a: \xFF\n", "a.yaml:1:4: invalid leading UTF-8 octet" },
        { "\xEF\xBB\xBF"
          "b: c\n\xC3\xA4: \x01\n",
          "a.yaml:2:4: control characters are not allowed" },
        { "\ta: 1\n", "a.yaml:1:1: found character that cannot start any token" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_yaml *root = NULL;
        struct ax_err err = AX_ERR_INIT;
        ax_arena_reset(&arena);
        enum ax_code code = ax_yaml_parse(ax_str_from(rows[i].text), "a.yaml", &arena, &root, &err);
        if (code == AX_E_LIMIT && ax_torture_struck())
            continue;
        assert_int_equal(code, AX_E_INVALID);
        assert_string_equal(err.msg, rows[i].msg);
        assert_null(root);
    }
}

static enum ax_code parse_sized(const char *text, size_t len, struct ax_err *err)
{
    struct ax_yaml *root;
    *err = (struct ax_err)AX_ERR_INIT;
    ax_arena_reset(&arena);
    return ax_yaml_parse((struct ax_str){ text, len }, "a.yaml", &arena, &root, err);
}

static void limits(void **state)
{
    (void)state;
    static char text[(8 << 20) + 1];
    struct ax_err err;
    memset(text, '[', 200);
    memset(text + 32, ']', 32);
    enum ax_code code = parse_sized(text, 64, &err);
    assert_true(code == AX_OK || ax_torture_struck());
    memset(text + 32, '[', 32);
    code = parse_sized(text, 200, &err);
    assert_true(code == AX_E_INVALID || ax_torture_struck());
    if (code == AX_E_INVALID)
        assert_string_equal(err.msg, "a.yaml:1:33: nested over 32 deep");

    memset(text, '\n', sizeof(text));
    assert_int_equal(parse_sized(text, sizeof(text), &err), AX_E_TOO_LARGE);
    code = parse_sized(text, sizeof(text) - 1, &err);
    assert_true(code == AX_OK || ax_torture_struck());

    size_t len = 1;
    text[0] = '[';
    for (int i = 0; i < 100000; i++, len += 2)
        memcpy(text + len, "1,", 2);
    text[len++] = ']';
    code = parse_sized(text, len, &err);
    assert_true(code == AX_E_TOO_LARGE || ax_torture_struck());
    if (code == AX_E_TOO_LARGE)
        assert_string_equal(err.msg, "a.yaml:1:200000: over 100000 values");
}

/* libyaml compares every %TAG with all before it; this text would take a quarter of an hour. */
static void many_tags(void **state)
{
    (void)state;
    static char text[6 << 20];
    size_t len = 0;
    struct ax_err err;
    for (int i = 0; i < 300000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%%TAG !%d! x:\n", i);
    assert_int_equal(parse_sized(text, len, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "a.yaml: %TAG is not allowed");
    /* As a text it is nothing special. */
    enum ax_code code = parse_sized("a: '%TAG %TAG %TAG'\n", 20, &err);
    assert_true(code == AX_OK || ax_torture_struck());
}

static void a_byte_order_mark_is_skipped(void **state)
{
    (void)state;
    const struct ax_yaml *root = parse("\xEF\xBB\xBF"
                                       "a: 1\n");
    assert_true(!root || ax_yaml_get(root, "a"));
}

/* 99,999 keys; were duplicates searched for one by one, this would take minutes. */
static void many_keys(void **state)
{
    (void)state;
    static char text[2 << 20];
    size_t len = 0;
    struct ax_err err;
    for (int i = 0; i < 99999; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "k%d: 1\n", i);
    enum ax_code code = parse_sized(text, len, &err);
    assert_true(code == AX_OK || ax_torture_struck());
}

static void booleans_and_numbers(void **state)
{
    (void)state;
    const struct ax_yaml *root =
        parse("t: true\nf: false\ni: -42\nx: 1.5e3\ninf: -.inf\nnan: .nan\n"
              "q: \"1\"\ns: text\nh: 0x10\no: 010\nl: [1]\nn: ~\nu: 1_000\n"
              "big: 9223372036854775808\nw: True\nN: NaN\nI: Infinity\n");
    if (!root)
        return;
    struct ax_err err = AX_ERR_INIT;
    bool yes = false;
    bool no = true;
    int64_t whole;
    double real;
    assert_int_equal(ax_yaml_bool(ax_yaml_get(root, "t"), "a.yaml", &yes, &err), AX_OK);
    assert_int_equal(ax_yaml_bool(ax_yaml_get(root, "f"), "a.yaml", &no, &err), AX_OK);
    assert_true(yes && !no);
    assert_int_equal(ax_yaml_i64(ax_yaml_get(root, "i"), "a.yaml", &whole, &err), AX_OK);
    assert_int_equal(whole, -42);
    assert_int_equal(ax_yaml_f64(ax_yaml_get(root, "i"), "a.yaml", &real, &err), AX_OK);
    assert_true(real == -42);
    assert_int_equal(ax_yaml_f64(ax_yaml_get(root, "x"), "a.yaml", &real, &err), AX_OK);
    assert_true(real == 1500);
    assert_int_equal(ax_yaml_f64(ax_yaml_get(root, "inf"), "a.yaml", &real, &err), AX_OK);
    assert_true(real == -INFINITY);
    assert_int_equal(ax_yaml_f64(ax_yaml_get(root, "nan"), "a.yaml", &real, &err), AX_OK);
    assert_true(isnan(real));

    static const char *const no_numbers[] = { "q", "s", "h", "o", "l", "n", "u", "w", "N", "I" };
    for (size_t i = 0; i < AX_COUNT(no_numbers); i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_yaml_f64(ax_yaml_get(root, no_numbers[i]), "a.yaml", &real, &err),
                         AX_E_INVALID);
        ax_err_clear(&err);
        assert_int_equal(ax_yaml_bool(ax_yaml_get(root, no_numbers[i]), "a.yaml", &yes, &err),
                         AX_E_INVALID);
    }
    static const char *const no_integers[] = { "x", "big", "q", "o", "inf" };
    for (size_t i = 0; i < AX_COUNT(no_integers); i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_yaml_i64(ax_yaml_get(root, no_integers[i]), "a.yaml", &whole, &err),
                         AX_E_INVALID);
    }
    ax_err_clear(&err);
    (void)!ax_yaml_i64(ax_yaml_get(root, "q"), "a.yaml", &whole, &err);
    assert_string_equal(err.msg, "a.yaml:7:4: 'q' must be a whole number, found the text '1'");
    ax_err_clear(&err);
    (void)!ax_yaml_f64(ax_yaml_get(root, "l"), "a.yaml", &real, &err);
    assert_string_equal(err.msg, "a.yaml:11:4: 'l' must be a number, found a list");
}

static void texts(void **state)
{
    (void)state;
    const struct ax_yaml *root = parse("a: 1\nb: \"\"\nc:\nd: null\ne: 'null'\nf: {}\n");
    if (!root)
        return;
    struct ax_err err = AX_ERR_INIT;
    struct ax_str text;
    assert_int_equal(ax_yaml_str(ax_yaml_get(root, "a"), "a.yaml", &text, &err), AX_OK);
    assert_true(ax_str_is(text, "1"));
    assert_int_equal(ax_yaml_str(ax_yaml_get(root, "b"), "a.yaml", &text, &err), AX_OK);
    assert_int_equal(text.len, 0);
    assert_int_equal(ax_yaml_str(ax_yaml_get(root, "e"), "a.yaml", &text, &err), AX_OK);
    assert_true(ax_str_is(text, "null"));
    static const char *const no_texts[] = { "c", "d", "f" };
    for (size_t i = 0; i < AX_COUNT(no_texts); i++) {
        ax_err_clear(&err);
        assert_int_equal(ax_yaml_str(ax_yaml_get(root, no_texts[i]), "a.yaml", &text, &err),
                         AX_E_INVALID);
    }
}

static void unknown_keys(void **state)
{
    (void)state;
    static const char *const keys[] = { "engine", "signature", NULL };
    const struct ax_yaml *root = parse("engine: forest\nsignatur: {}\n");
    struct ax_err err = AX_ERR_INIT;
    if (!root)
        return;
    assert_int_equal(ax_yaml_only(root, "a.yaml", keys, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "a.yaml:2:1: unknown key 'signatur'; did you mean 'signature'?");
    ax_err_clear(&err);
    assert_int_equal(ax_yaml_only(root->first, "a.yaml", keys, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "a.yaml:1:9: 'engine' must be a mapping, found 'forest'");
    root = parse("engine: forest\n");
    ax_err_clear(&err);
    if (root)
        assert_int_equal(ax_yaml_only(root, "a.yaml", keys, &err), AX_OK);
    root = parse("wholly_different: 1\n");
    if (root)
        assert_int_equal(ax_yaml_only(root, "a.yaml", keys, &err), AX_E_INVALID);
    if (root)
        assert_string_equal(err.msg, "a.yaml:1:1: unknown key 'wholly_different'");
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/auspex-test-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 7\n", 5), 5);
    (void)close(fd);
    struct ax_err err = AX_ERR_INIT;
    struct ax_yaml *root = NULL;
    ax_arena_reset(&arena);
    enum ax_code code = ax_yaml_read(path, &arena, &root, &err);
    (void)unlink(path);
    if (!code)
        assert_string_equal(ax_yaml_get(root, "a")->text.ptr, "7");
    else
        assert_true(ax_torture_struck());
    ax_err_clear(&err);
    assert_int_equal(ax_yaml_read(path, &arena, &root, &err), AX_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_with_places),
        cmocka_unit_test(empty_documents_are_empty_mappings),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(limits),
        cmocka_unit_test(many_tags),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(booleans_and_numbers),
        cmocka_unit_test(texts),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests_name("base/yaml", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: like, ilike and trim are what they say, for any text and any pattern or set, and also where
 * those are long: each of these ways has a shorter one beside it. Method: random texts of few code
 * points (U+0000 and signs of patterns among them) against a table of what fits what, and against a
 * search for each code point; and long texts, whose answers are known and which other ways of
 * matching would take minutes for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/unicode.h"
#include "data/expr/program.h"
#include "data/expr/strings.h"

#include <string.h>

#define ROWS       2000
#define POINTS_MAX 40
#define TEXT_BYTES (POINTS_MAX * AX_UNICODE_BYTES_MAX)

static const struct ax_scope_column columns[] = {
    { { "s", 1 }, { AX_TYPE_STRING, false }, false },
    { { "t", 1 }, { AX_TYPE_STRING, false }, false },
};

struct texts {
    struct ax_str s[ROWS];
    struct ax_str t[ROWS];
    char bytes[2 * ROWS][TEXT_BYTES];
};

/* The values of an expression over the first `rows` texts, in `arena`. */
static struct ax_values evaluate(const char *text, struct texts *texts, size_t rows,
                                 struct ax_arena *arena)
{
    const struct ax_scope scope = { .columns = columns, .column_count = AX_COUNT(columns) };
    struct ax_values s = { { AX_TYPE_STRING, false }, rows, { texts->s }, NULL, NULL };
    struct ax_values t = { { AX_TYPE_STRING, false }, rows, { texts->t }, NULL, NULL };
    const struct ax_values *inputs[] = { &s, &t };
    struct ax_err err = AX_ERR_INIT;
    struct ax_program *program = NULL;
    struct ax_parsed parsed;
    struct ax_values out = { 0 };
    size_t at = 0;
    if (ax_expr_parse(ax_str_from(text), &scope, arena, &parsed, &at, &err) ||
        ax_program_new(&parsed.root, 1, &program, &err) ||
        ax_program_run(program, inputs, rows, arena, &out, &err))
        fail_msg("%s: %s", text, err.msg);
    ax_program_free(program);
    return out;
}

/* ---- random texts ---- */

static struct ax_str random_text(struct ax_random *random, size_t points_max, char *bytes)
{
    static const uint32_t points[] = { 'a', 'a', 'b', '%', '%', '_', 'A', 0, 0xE4, 0xC4, 0x1F600 };
    size_t count = (size_t)ax_random_below(random, points_max + 1);
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += ax_unicode_put(points[ax_random_below(random, AX_COUNT(points))], bytes + len);
    return (struct ax_str){ bytes, len };
}

/* Every other t is the one before. */
static void make_texts(struct texts *texts, size_t s_max, size_t t_max)
{
    struct ax_random random;
    ax_random_init(&random, 1, s_max);
    for (size_t row = 0; row < ROWS; row++) {
        texts->s[row] = random_text(&random, s_max, texts->bytes[2 * row]);
        texts->t[row] =
            row % 2 ? texts->t[row - 1] : random_text(&random, t_max, texts->bytes[2 * row + 1]);
    }
}

static size_t points_of(struct ax_str text, bool nocase, uint32_t points[POINTS_MAX])
{
    size_t count = 0;
    while (text.len) {
        uint32_t point = ax_unicode_take(&text);
        points[count++] = nocase ? ax_unicode_lower(point) : point;
    }
    return count;
}

/* fits[i][j]: the first i code points of a text fit the first j of a pattern. */
static bool fits_pattern(struct ax_str text, struct ax_str pattern, bool nocase)
{
    uint32_t points[POINTS_MAX], signs[POINTS_MAX];
    bool fits[POINTS_MAX + 1][POINTS_MAX + 1];
    size_t n = points_of(text, nocase, points), m = points_of(pattern, nocase, signs);
    for (size_t i = 0; i <= n; i++) {
        fits[i][0] = i == 0;
        for (size_t j = 1; j <= m; j++) {
            if (signs[j - 1] == '%')
                fits[i][j] = fits[i][j - 1] || (i && fits[i - 1][j]);
            else
                fits[i][j] = i && fits[i - 1][j - 1] &&
                             (signs[j - 1] == '_' || signs[j - 1] == points[i - 1]);
        }
    }
    return fits[n][m];
}

static void patterns_fit(void **state)
{
    static struct texts texts;
    struct ax_arena arena;
    (void)state;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (size_t longest = 4; longest <= 12; longest += 4) {
        size_t fitting = 0;
        make_texts(&texts, longest, longest);
        const struct ax_values like = evaluate("s like t", &texts, ROWS, &arena);
        const struct ax_values ilike = evaluate("s ilike t", &texts, ROWS, &arena);
        for (size_t row = 0; row < ROWS; row++) {
            assert_int_equal(like.bools[row], fits_pattern(texts.s[row], texts.t[row], false));
            assert_int_equal(ilike.bools[row], fits_pattern(texts.s[row], texts.t[row], true));
            fitting += like.bools[row];
        }
        assert_in_range(fitting, ROWS / 50, ROWS / 2);
    }
    ax_arena_done(&arena);
}

/* Whether a code point is one of a text. */
static bool has_point(struct ax_str text, uint32_t point)
{
    while (text.len)
        if (ax_unicode_take(&text) == point)
            return true;
    return false;
}

/* Which code points of a text stay: [*ret_from, *ret_to). */
static void trim(struct ax_str text, struct ax_str set, size_t *ret_from, size_t *ret_to)
{
    uint32_t points[POINTS_MAX];
    size_t from = 0, to = points_of(text, false, points);
    while (from < to && has_point(set, points[from]))
        from++;
    while (to > from && has_point(set, points[to - 1]))
        to--;
    *ret_from = from;
    *ret_to = to;
}

static void sets_are_cut_off(void **state)
{
    static struct texts texts;
    struct ax_arena arena;
    (void)state;
    ax_arena_init(&arena, 4096, (size_t)2 << 20);
    for (size_t longest = 2; longest <= POINTS_MAX; longest += POINTS_MAX - 2) {
        make_texts(&texts, 8, longest);
        const struct ax_values both = evaluate("trim(s, t)", &texts, ROWS, &arena);
        const struct ax_values left = evaluate("ltrim(s, t)", &texts, ROWS, &arena);
        const struct ax_values right = evaluate("rtrim(s, t)", &texts, ROWS, &arena);
        for (size_t row = 0; row < ROWS; row++) {
            struct ax_str s = texts.s[row];
            size_t from, to;
            trim(s, texts.t[row], &from, &to);
            const char *begin = s.ptr + ax_unicode_offset(s, from);
            const char *end = s.ptr + ax_unicode_offset(s, to);
            size_t len = (size_t)(end - begin);
            assert_true(ax_str_equals(both.texts[row], (struct ax_str){ begin, len }));
            len = len ? s.len - (size_t)(begin - s.ptr) : 0;
            assert_true(ax_str_equals(left.texts[row], (struct ax_str){ begin, len }));
            len = begin == end ? 0 : (size_t)(end - s.ptr);
            assert_true(ax_str_equals(right.texts[row], (struct ax_str){ s.ptr, len }));
        }
    }
    ax_arena_done(&arena);
}

/* ---- long texts ---- */

static void long_texts(void **state)
{
    static char as[60000], bs[60000];
    static const struct {
        const char *pattern; /* of `as` */
        bool fits;
    } patterns[] = {
        { "%a_%a%a%a%a%a%b", false },  { "%a_%a%a%a%a%a%_", true }, { "%_%_%_%_%_%_%_", true },
        { "A_%A%A%A%A%A%A%B", false }, { "%a%a%a%a%a%a%b", false },
    };
    static struct texts texts;
    struct ax_arena arena;
    (void)state;
    memset(as, 'a', sizeof(as));
    memset(bs, 'b', sizeof(bs));
    bs[sizeof(bs) - 1] = 'a';
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    texts.s[0] = (struct ax_str){ as, sizeof(as) };
    for (size_t i = 0; i < AX_COUNT(patterns); i++) {
        texts.t[0] = ax_str_from(patterns[i].pattern);
        assert_int_equal(evaluate("s ilike t", &texts, 1, &arena).bools[0], patterns[i].fits);
        if (patterns[i].pattern[0] == '%')
            assert_int_equal(evaluate("s like t", &texts, 1, &arena).bools[0], patterns[i].fits);
    }
    texts.t[0] = (struct ax_str){ bs, sizeof(bs) };
    assert_int_equal(evaluate("trim(s, t)", &texts, 1, &arena).texts[0].len, 0);
    assert_int_equal(evaluate("trim(t, s)", &texts, 1, &arena).texts[0].len, sizeof(bs) - 1);
    texts.s[0] = texts.s[1] = AX_STR("ab");
    texts.t[0] = (struct ax_str){ as, sizeof(as) };
    texts.t[1] = (struct ax_str){ bs, sizeof(bs) - 1 };
    const struct ax_values rest = evaluate("trim(s, t)", &texts, 2, &arena);
    assert_true(ax_str_is(rest.texts[0], "b") && ax_str_is(rest.texts[1], "a"));
    ax_arena_done(&arena);
}

static void long_patterns_are_null(void **state)
{
    static char as[AX_STRING_PATTERN_MAX + 1];
    static const char *const expressions[] = { "s like t", "s ilike t" };
    static struct texts texts;
    struct ax_arena arena;
    (void)state;
    memset(as, 'a', sizeof(as));
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (size_t i = 0; i < AX_COUNT(expressions); i++) {
        for (size_t row = 0; row < 3; row++) {
            texts.s[row] = (struct ax_str){ as, AX_STRING_PATTERN_MAX };
            texts.t[row] = (struct ax_str){ as, AX_STRING_PATTERN_MAX + row % 2 };
        }
        const struct ax_values values = evaluate(expressions[i], &texts, 3, &arena);
        for (size_t row = 0; row < 3; row++)
            assert_int_equal(ax_values_is_null(&values, row), row % 2);
        assert_true(values.bools[0] && values.bools[2]);
    }
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_fit),
        cmocka_unit_test(sets_are_cut_off),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(long_patterns_are_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: conditions mean what condition.h says, three-valued logic included, and a wrong one is
 * refused at the right byte with the fix.
 * Method: tables of texts over one row of values; the same row with everything missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows.h"
#include "engine/condition.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>

enum { DELAY, SINGLE, COUNT, LATE, CARRIER, ODD, GONE, INPUT_COUNT };

static const struct {
    const char *name;
    enum ax_datatype datatype;
} inputs[] = {
    [DELAY] = { "dep_delay", AX_FP64 },  [SINGLE] = { "single", AX_FP32 },
    [COUNT] = { "count", AX_INT64 },     [LATE] = { "late", AX_BOOL },
    [CARRIER] = { "carrier", AX_BYTES }, [ODD] = { "an \"odd\" name", AX_FP64 },
    [GONE] = { "gone", AX_FP64 },
};

struct fixture {
    struct ax_signature signature;
    struct ax_arena arena;
    struct ax_rows rows; /* row 0: the values below, `gone` missing; row 1: everything missing */
    struct ax_err err;
    bool ready;
};

static struct fixture fixture;

static bool fill(struct fixture *f)
{
    for (size_t i = 0; i < INPUT_COUNT; i++) {
        f->signature.inputs[i].datatype = inputs[i].datatype;
        if (ax_signature_name_input(&f->signature, i, ax_str_from(inputs[i].name), &f->err))
            return false;
    }
    return !ax_rows_init(&f->rows, &f->signature, 2, &f->arena, &f->err) &&
           !ax_rows_set_f64(&f->rows, 0, DELAY, 42.5, &f->err) &&
           !ax_rows_set_f64(&f->rows, 0, SINGLE, 0.1, &f->err) &&
           !ax_rows_set_i64(&f->rows, 0, COUNT, INT64_C(9007199254740991), &f->err) &&
           !ax_rows_set_bool(&f->rows, 0, LATE, true, &f->err) &&
           !ax_rows_set_str(&f->rows, 0, CARRIER, AX_STR("O'H"), &f->err) &&
           !ax_rows_set_f64(&f->rows, 0, ODD, -1, &f->err);
}

static int set_up(void **state)
{
    struct fixture *f = &fixture;
    *state = f;
    *f = (struct fixture){ .err = AX_ERR_INIT };
    ax_arena_init(&f->arena, 256, 1 << 20);
    f->ready = !ax_signature_init(&f->signature, INPUT_COUNT, 0, &f->err) && fill(f);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ax_arena_done(&f->arena);
    ax_signature_done(&f->signature);
    return 0;
}

/* -1 when an allocation was refused on purpose. */
static int holds(struct fixture *f, const char *text, size_t row)
{
    struct ax_condition condition;
    size_t at = 0;
    struct ax_err err = AX_ERR_INIT;
    if (!f->ready ||
        ax_condition_compile(ax_str_from(text), &f->signature, &f->arena, &condition, &at, &err)) {
        if (!ax_torture_struck())
            print_error("%s: %s\n", text, err.msg);
        assert_true(ax_torture_struck());
        return -1;
    }
    struct ax_batch batch = ax_rows_batch(&f->rows);
    return ax_condition_holds(&condition, &batch, row);
}

static void check(struct fixture *f, const char *text, size_t row, bool expected)
{
    int got = holds(f, text, row);
    if (got >= 0 && got != expected)
        print_error("%s: %d\n", text, got);
    assert_true(got < 0 || got == expected);
}

static void comparisons(void **state)
{
    static const struct {
        const char *text;
        bool expected;
    } rows[] = {
        { "dep_delay < 42.5", false },
        { "dep_delay <= 42.5", true },
        { "dep_delay > 42.4", true },
        { "dep_delay>=42.6", false },
        { "dep_delay = 42.5", true },
        { "dep_delay != 42.5", false },
        { "dep_delay > -1e3", true },
        { "dep_delay = 425e-1", true },
        { "single = 0.1", true },
        { "single > 0.1", false },
        { "count = 9007199254740991", true },
        { "count < 9007199254740991", false },
        { "count > 1.5", true },
        { "late = true", true },
        { "late != TRUE", false },
        { "late = false", false },
        { "carrier = 'O''H'", true },
        { "carrier != 'UA'", true },
        { "carrier = ''", false },
        { "\"an \"\"odd\"\" name\" = -1", true },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        check(*state, rows[i].text, 0, rows[i].expected);
}

static void lists_and_null(void **state)
{
    static const struct {
        const char *text;
        bool expected;
    } rows[] = {
        { "carrier in ('UA', 'O''H')", true },
        { "carrier in ('UA')", false },
        { "carrier not in ('UA', 'AA')", true },
        { "count in (1,2,9007199254740991)", true },
        { "dep_delay not in (42.5)", false },
        { "late in (true, false)", true },
        { "gone is null", true },
        { "gone is not null", false },
        { "carrier is not null", true },
        { "carrier IS NULL", false },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        check(*state, rows[i].text, 0, rows[i].expected);
}

/* T: true, F: false, U: neither. A condition holds when true; its negation tells F from U. */
static void logic(void **state)
{
    static const char t[] = "count > 0";
    static const char f[] = "count < 0";
    static const char u[] = "gone > 0";
    static const struct {
        const char *left, *word, *right;
        char expected;
    } rows[] = {
        { t, "and", t, 'T' }, { t, "and", f, 'F' }, { f, "and", t, 'F' }, { f, "and", f, 'F' },
        { u, "and", t, 'U' }, { t, "and", u, 'U' }, { u, "and", f, 'F' }, { f, "and", u, 'F' },
        { u, "and", u, 'U' }, { t, "or", t, 'T' },  { t, "or", f, 'T' },  { f, "or", t, 'T' },
        { f, "or", f, 'F' },  { u, "or", t, 'T' },  { t, "or", u, 'T' },  { u, "or", f, 'U' },
        { f, "or", u, 'U' },  { u, "or", u, 'U' },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "%s %s %s", rows[i].left, rows[i].word, rows[i].right);
        check(*state, text, 0, rows[i].expected == 'T');
        (void)snprintf(text, sizeof(text), "not (%s %s %s)", rows[i].left, rows[i].word,
                       rows[i].right);
        check(*state, text, 0, rows[i].expected == 'F');
    }
}

static void precedence(void **state)
{
    static const struct {
        const char *text;
        bool expected;
    } rows[] = {
        /* and binds tighter than or, not tighter than both. */
        { "count > 0 or count > 0 and count < 0", true },
        { "(count > 0 or count > 0) and count < 0", false },
        { "count < 0 and count < 0 or count > 0", true },
        { "not count > 0 and count < 0", false },
        { "not (count > 0 and count < 0)", true },
        { "not count < 0 and not count < 0", true },
        { "not not count > 0", true },
        { "not (not (count > 0)) and ((dep_delay > 1))", true },
        { "count > 0 and (count < 0 or (late = true and carrier != 'x'))", true },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        check(*state, rows[i].text, 0, rows[i].expected);
}

static void nothing_known_decides_nothing(void **state)
{
    static const char *const unknown[] = { "dep_delay > 0",        "dep_delay != 0",
                                           "not dep_delay = 0",    "late = true",
                                           "carrier = ''",         "carrier != ''",
                                           "carrier not in ('x')", "single <= 0",
                                           "not (count in (0))",   "count = 0 or count != 0" };
    for (size_t i = 0; i < AX_COUNT(unknown); i++)
        check(*state, unknown[i], 1, false);
    check(*state, "carrier is null and count is null", 1, true);
}

static void bad_conditions(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        size_t at;
        const char *message;
    } bad[] = {
        { "", 0, "the condition ends; expected an input's name, not or '('" },
        { "dep_dely > 1", 0, "no input 'dep_dely'; nearest is 'dep_delay'" },
        { "late = true and dep_delay", 25,
          "the condition ends; expected a comparison (< <= > >= = !=), in, not in or is" },
        { "dep_delay == 1", 11, "found '=='; write '='" },
        { "dep_delay ! 1", 10, "'!' means nothing here" },
        { "dep_delay > 'x'", 12, "found ''x''; expected a number" },
        { "dep_delay > 1.2.3", 12, "found '1.2.3'; expected a number like 12, -0.5 or 1e6" },
        { "dep_delay > 1e999", 12, "found '1e999'; expected a number like 12, -0.5 or 1e6" },
        { "dep_delay > 0x10", 12, "found '0x10'; expected a number like 12, -0.5 or 1e6" },
        { "dep_delay > -", 12, "found '-'; expected a number like 12, -0.5 or 1e6" },
        { "dep_delay > NaN", 12, "found 'NaN'; expected a number" },
        { "count < 9007199254740992", 8, "numbers beyond 2^53 cannot be compared with INT64" },
        { "carrier = UA", 10, "found 'UA'; expected a text like 'UA'" },
        { "carrier < 'UA'", 8, "found '<'; expected = or !=, since the input is no number" },
        { "late = 1", 7, "found '1'; expected true or false" },
        { "late >= true", 5, "found '>='; expected = or !=, since the input is no number" },
        { "carrier = 'UA", 10, "the quote ' is not closed" },
        { "carrier in 'UA'", 11, "found ''UA''; expected '(' and a list of constants" },
        { "carrier in ('UA' 'AA')", 17, "found ''AA''; expected ',' or ')'" },
        { "carrier in ()", 12, "found ')'; expected a text like 'UA'" },
        { "carrier not = 'UA'", 12, "found '='; expected in" },
        { "gone is 0", 8, "found '0'; expected null or not null" },
        { "gone is not 0", 12, "found '0'; expected null" },
        { "gone = null", 7, "found 'null'; expected a number" },
        { "(late = true", 12, "the condition ends; expected ')'" },
        { "late = true)", 11, "found ')'; expected '(' in front of it" },
        { "late = true late = true", 12, "found 'late'; expected and, or, or the end" },
        { "late = true and or late = true", 16,
          "found 'or'; expected an input's name, not or '('" },
        { "and late = true", 0, "found 'and'; expected an input's name, not or '('" },
        { "() and late = true", 1, "found ')'; expected an input's name, not or '('" },
        { "late = true; drop", 11, "';' means nothing here" },
        { "1 < dep_delay", 0, "found '1'; expected an input's name, not or '('" },
    };
    if (!f->ready)
        return;
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        struct ax_condition condition;
        size_t at = SIZE_MAX;
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = ax_condition_compile(ax_str_from(bad[i].text), &f->signature, &f->arena,
                                                 &condition, &at, &err);
        if (ax_torture_struck() && code == AX_E_LIMIT)
            return;
        assert_int_equal(code, AX_E_INVALID);
        assert_string_equal(err.msg, bad[i].message);
        if (at != bad[i].at)
            print_error("%s: at %zu\n", bad[i].text, at);
        assert_int_equal(at, bad[i].at);
    }
}

/* `count` times `part`, then `end`. */
static enum ax_code compile_repeated(struct fixture *f, const char *part, size_t count,
                                     const char *end)
{
    static char text[1 << 16];
    struct ax_condition condition;
    size_t at;
    size_t len = 0;
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", part);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", end);
    return ax_condition_compile((struct ax_str){ text, len }, &f->signature, &f->arena, &condition,
                                &at, &err);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    if (!f->ready || ax_torture_struck())
        return;
    static const struct {
        const char *part, *end;
        size_t fits;
    } rows[] = {
        { "not ", "count > 0", AX_CONDITION_DEPTH_MAX },
        { "(", "count > 0", 0 },
        { "count = 1 and ", "count = 1", (AX_CONDITION_OPS_MAX - 1) / 2 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        if (rows[i].fits)
            assert_int_equal(compile_repeated(f, rows[i].part, rows[i].fits, rows[i].end), AX_OK);
        size_t over = rows[i].fits ? rows[i].fits + 1 : AX_CONDITION_DEPTH_MAX + 1;
        assert_int_equal(compile_repeated(f, rows[i].part, over, rows[i].end), AX_E_TOO_LARGE);
    }
    assert_int_equal(compile_repeated(f, "count in (0", 1, ")"), AX_OK);
    static char list[1 << 16];
    size_t len = (size_t)snprintf(list, sizeof(list), "count in (0");
    for (size_t i = 1; i < AX_CONDITION_CONSTANTS_MAX; i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, ",0");
    assert_int_equal(compile_repeated(f, list, 1, ")"), AX_OK);
    assert_int_equal(compile_repeated(f, list, 1, ",0)"), AX_E_TOO_LARGE);
}

#define CONDITION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONDITION_TEST(comparisons),
        CONDITION_TEST(lists_and_null),
        CONDITION_TEST(logic),
        CONDITION_TEST(precedence),
        CONDITION_TEST(nothing_known_decides_nothing),
        CONDITION_TEST(bad_conditions),
        CONDITION_TEST(limits),
    };
    return cmocka_run_group_tests_name("engine/condition", tests, NULL, NULL);
}

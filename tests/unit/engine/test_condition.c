/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: conditions mean what condition.h says, three-valued logic included, whether they are tests
 * alone or compute; and a wrong one is refused at the right byte with the fix.
 * Method: tables of texts over one row of values; the same row with everything missing. Each is
 * also computed whole by a program, which has to agree: as `case when … then true else false end =
 * true`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/rows.h"
#include "engine/batch_values.h"
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

static enum ax_code compile(struct fixture *f, struct ax_str text, struct ax_condition *ret,
                            size_t *ret_at, struct ax_err *err)
{
    struct ax_condition_names names;
    ax_condition_names_init(&names, &f->signature);
    (void)!ax_condition_compile(text, &names, &f->arena, ret, ret_at, err);
    ax_condition_names_done(&names);
    return err->code;
}

/* Of row 1 too, so that a program sees both. */
static int compute_and_hold(struct fixture *f, const struct ax_condition *condition, size_t row,
                            struct ax_err *err)
{
    bool reads[INPUT_COUNT] = { false };
    const struct ax_values **values = NULL;
    struct ax_values outputs[8];
    struct ax_batch batch = ax_rows_batch(&f->rows);
    if (!condition->program)
        return ax_condition_holds(condition, &batch, row, NULL, 0);
    assert_true(ax_program_output_count(condition->program) <= AX_COUNT(outputs));
    for (size_t i = 0; i < INPUT_COUNT; i++)
        reads[i] = ax_program_reads(condition->program, i);
    if (ax_batch_values_make(&batch, 0, 2, reads, &f->arena, &values, err) ||
        ax_program_run(condition->program, values, 2, &f->arena, outputs, err))
        return -1;
    return ax_condition_holds(condition, &batch, row, outputs, row);
}

/* -1 when an allocation was refused on purpose. */
static int holds(struct fixture *f, const char *text, size_t row, bool *ret_computes)
{
    struct ax_condition condition = { 0 };
    size_t at = 0;
    struct ax_err err = AX_ERR_INIT;
    int got = -1;
    if (f->ready && !compile(f, ax_str_from(text), &condition, &at, &err)) {
        *ret_computes = condition.program;
        got = compute_and_hold(f, &condition, row, &err);
    }
    ax_condition_done(&condition);
    if (got < 0 && !ax_torture_struck())
        print_error("%s: %s\n", text, err.msg);
    assert_true(got >= 0 || ax_torture_struck());
    return got;
}

static void check_one(struct fixture *f, const char *text, size_t row, bool expected, bool computes)
{
    bool found = computes;
    int got = holds(f, text, row, &found);
    if (got >= 0 && (got != expected || found != computes))
        print_error("%s: %d, %s\n", text, got, found ? "computed" : "tests alone");
    assert_true(got < 0 || (got == expected && found == computes));
}

static void check(struct fixture *f, const char *text, size_t row, bool expected)
{
    char whole[300];
    (void)snprintf(whole, sizeof(whole), "case when %s then true else false end = true", text);
    check_one(f, text, row, expected, false);
    check_one(f, whole, row, expected, true);
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

/* What is no test of one input against constants. */
static void computing(void **state)
{
    static const struct {
        const char *text;
        bool expected[2]; /* of each row */
    } rows[] = {
        { "dep_delay / 2 > 21", { true, false } },
        { "dep_delay > 1 and dep_delay + count > 1e15", { true, false } },
        { "dep_delay > count", { false, false } },
        { "length(carrier) = 3 or late", { true, false } },
        { "carrier like 'O%' and not (gone + 1 > 0 or late = false)", { false, false } },
        { "coalesce(gone, dep_delay, 7) = 7", { false, true } },
        { "count < 9007199254740992", { true, false } },
        { "count = 9007199254740991 and count != 9007199254740993", { true, false } },
        { "carrier < 'P'", { true, false } },
        { "late > false", { true, false } },
        { "carrier in ('UA', null)", { false, false } },
        { "late is true", { true, false } },
        { "late is not true", { false, true } },
        { "abs(single) = 0.1", { false, false } },
        { "case when single = 0.1 then 1 else 0 end = 1", { true, false } },
        { "true", { true, true } },
        { "1 = 2", { false, false } },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        for (size_t row = 0; row < 2; row++)
            check_one(*state, rows[i].text, row, rows[i].expected[row], true);
}

/* And what is, in other words. */
static void tests_in_other_words(void **state)
{
    static const struct {
        const char *text;
        bool expected;
    } rows[] = {
        { "late", true },
        { "not late", false },
        { "42.4 < dep_delay", true },
        { "42.5 >= dep_delay and 43 > dep_delay", true },
        { "'O''H' = carrier", true },
        { "dep_delay between 42 and 43", true },
        { "single between 0.1 and 0.1", true },
        { "dep_delay not between 42 and 43", false },
        { "dep_delay == 42.5", true },
        { "carrier <> 'UA'", true },
        { "count in (1.5, 9007199254740991)", true },
        { "1 < dep_delay", true },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        check_one(*state, rows[i].text, 0, rows[i].expected, false);
}

static void bad_conditions(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        size_t at;
        const char *message;
    } bad[] = {
        { "", 0, "the text ends; expected a name, a constant, a function or '('" },
        { "dep_dely > 1", 0, "'dep_dely' is not known here; nearest is 'dep_delay'" },
        { "late = true and dep_delay", 12,
          "and(bool, float64) is not there; there is and(bool, "
          "bool, …)" },
        { "dep_delay", 0, "the condition: is float64; bool is expected" },
        { "dep_delay > 'x'", 10, "float64 > string is not there; there is T > T" },
        { "dep_delay > 1e999", 12,
          "found '1e999'; expected a number like 12, 0.5 or 1e6 within float64" },
        { "dep_delay > -", 13, "the text ends; expected a name, a constant, a function or '('" },
        { "carrier = UA", 10, "'UA' is not known here" },
        { "late = 1", 5, "bool = int64 is not there; there is T = T" },
        { "carrier = 'UA", 10, "the quote ' is not closed" },
        { "carrier in 'UA'", 11, "found ''UA''; expected '('" },
        { "carrier in ('UA' 'AA')", 17, "found ''AA''; expected ',' or ')'" },
        { "gone is 0", 8, "found '0'; expected null, true, false or not" },
        { "(late = true", 12, "the text ends; expected ')'" },
        { "late = true)", 11, "found ')'; expected an operator or the end" },
        { "late = true late = true", 12, "found 'late'; expected an operator or the end" },
        { "late = true; drop", 11, "';' means nothing here" },
        { "count(*) over 1h > 1", 0, "count is an aggregate, which only a field of a view can be" },
    };
    if (!f->ready)
        return;
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        struct ax_condition condition;
        size_t at = SIZE_MAX;
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = compile(f, ax_str_from(bad[i].text), &condition, &at, &err);
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
    struct ax_condition condition = { 0 };
    size_t at;
    size_t len = 0;
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", part);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", end);
    enum ax_code code = compile(f, (struct ax_str){ text, len }, &condition, &at, &err);
    ax_condition_done(&condition);
    return code;
}

/* The bounds are those of expressions; at each of them a condition is compiled and holds. */
static void limits(void **state)
{
    struct fixture *f = *state;
    if (!f->ready || ax_torture_struck())
        return;
    static const struct {
        const char *part, *end;
        size_t fits;
    } rows[] = {
        { "not ", "late", AX_EXPR_DEPTH_MAX - 1 },
        { "late or ", "late", 500 },
        { "late!=true or ", "late", 300 },
        { "count+1>0 and ", "late", 150 },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        assert_int_equal(compile_repeated(f, rows[i].part, rows[i].fits, rows[i].end), AX_OK);
        assert_int_equal(compile_repeated(f, rows[i].part, 1100, rows[i].end), AX_E_TOO_LARGE);
    }
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
        CONDITION_TEST(computing),
        CONDITION_TEST(tests_in_other_words),
        CONDITION_TEST(bad_conditions),
        CONDITION_TEST(limits),
    };
    return cmocka_run_group_tests_name("engine/condition", tests, NULL, NULL);
}

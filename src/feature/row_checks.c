/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A check of each column that an expectation names. It means what the same means as SQL
 * (offline/duckdb_expectation_sql.c), to the last edge: bounds of whole numbers are rounded
 * inwards, those of float32 are what the column has of them. Expressions are one program.
 */
#include "feature/row_checks.h"

#include "base/alloc.h"
#include "base/regex.h"
#include "data/expr/program.h"
#include "feature/expectation_result.h"
#include "feature/source_plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)4 << 10)
#define ARENA_BYTES_MAX   ((size_t)16 << 20)
#define WHOLE_MAX         0x1p62
#define NUMBER_BYTES_MAX  ((size_t)400) /* of a number as text */

struct row_check {
    const struct ax_expectation *expectation;
    enum ax_expectation_action action;
    const size_t *column; /* NULL: an expression */
    bool is_narrow;       /* float32 */
    struct ax_bound min, max;
    union {
        int64_t *wholes; /* of in_set, in order */
        double *numbers;
        struct ax_str *texts;
    };
    struct ax_regex *regex;
    const bool *reads; /* of an expression: columns */
    size_t output;     /* of the program */
};

struct ax_row_checks {
    struct ax_arena arena;
    const struct ax_source *source;
    struct row_check *checks;
    size_t count;
    struct ax_program *program; /* NULL: there are no expressions */
    size_t output_count;
};

/* ---- making ---- */

bool ax_row_checks_ask(enum ax_expectation_kind kind)
{
    switch (kind) {
    case AX_EXPECT_NOT_NULL:
    case AX_EXPECT_BETWEEN:
    case AX_EXPECT_IN_SET:
    case AX_EXPECT_REGEX:
    case AX_EXPECT_LENGTH:
    case AX_EXPECT_EXPRESSION:
        return true;
    case AX_EXPECT_UNIQUE:
    case AX_EXPECT_ROW_COUNT:
    case AX_EXPECT_FRESHNESS:
    case AX_EXPECT_MONOTONIC:
    case AX_EXPECT_REFERENTIAL:
    case AX_EXPECT_KIND_COUNT:
        break;
    }
    return false;
}

/* What a float32 column has of the number. */
static double narrowed(double number)
{
    double narrow = (double)(float)number;
    return isfinite(narrow) ? narrow : number;
}

/* As it is compared with whole numbers, or with floats. */
static struct ax_bound make_bound(const struct ax_bound *bound, bool is_min, bool is_float,
                                  bool is_narrow)
{
    struct ax_bound made = *bound;
    if (is_float) {
        made.is_whole = false;
        made.number = is_narrow ? narrowed(bound->number) : bound->number;
    } else if (!bound->is_whole) {
        made.number = is_min ? ceil(bound->number) : floor(bound->number);
        made.is_whole = fabs(made.number) < WHOLE_MAX;
        made.whole = made.is_whole ? (int64_t)made.number : 0;
    }
    return made;
}

static int compare_wholes(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_texts(const void *a, const void *b)
{
    return ax_str_compare(*(const struct ax_str *)a, *(const struct ax_str *)b);
}

/* They were numbers when the definitions were read. */
static double number_of(struct ax_str text)
{
    char copy[NUMBER_BYTES_MAX];
    size_t len = AX_MIN(text.len, sizeof(copy) - 1);
    memcpy(copy, text.ptr, len);
    copy[len] = '\0';
    return strtod(copy, NULL);
}

static enum ax_code make_set(struct ax_row_checks *checks, struct row_check *check,
                             enum ax_type_kind kind, struct ax_err *err)
{
    const struct ax_expectation *expectation = check->expectation;
    size_t count = expectation->set_count;
    check->texts = ax_arena_zalloc(&checks->arena, count, sizeof(*check->texts));
    if (!check->texts)
        return ax_arena_fail(&checks->arena, "expectations", err);
    for (size_t i = 0; i < count; i++) {
        struct ax_str text = expectation->set[i];
        if (kind == AX_TYPE_FLOAT64)
            check->numbers[i] = check->is_narrow ? narrowed(number_of(text)) : number_of(text);
        else if (kind != AX_TYPE_INT64)
            check->texts[i] = text;
        else if (!ax_str_to_i64(text, &check->wholes[i]))
            return ax_fail(err, AX_E_INVALID, "'%.*s' is no whole number", AX_STR_ARG(text));
    }
    if (kind == AX_TYPE_INT64)
        qsort(check->wholes, count, sizeof(*check->wholes), compare_wholes);
    else if (kind == AX_TYPE_FLOAT64)
        qsort(check->numbers, count, sizeof(*check->numbers), compare_numbers);
    else
        qsort(check->texts, count, sizeof(*check->texts), compare_texts);
    return AX_OK;
}

static enum ax_code make_check(struct ax_row_checks *checks, struct row_check *check,
                               struct ax_err *err)
{
    static const struct ax_regex_options plain = { 0 };
    const struct ax_expectation *expectation = check->expectation;
    struct ax_storage storage = checks->source->columns[*check->column].storage;
    enum ax_type_kind kind = ax_storage_type(storage).kind;
    bool is_float = expectation->kind == AX_EXPECT_BETWEEN && kind == AX_TYPE_FLOAT64;
    check->is_narrow = storage.kind == AX_STORAGE_FLOAT32;
    check->min = make_bound(&expectation->min, true, is_float, check->is_narrow);
    check->max = make_bound(&expectation->max, false, is_float, check->is_narrow);
    if (expectation->kind == AX_EXPECT_IN_SET)
        return make_set(checks, check, kind, err);
    return expectation->kind == AX_EXPECT_REGEX
               ? ax_regex_new(expectation->pattern, &plain, &check->regex, err)
               : AX_OK;
}

static enum ax_code make_expression(struct ax_row_checks *checks, struct row_check *check,
                                    struct ax_err *err)
{
    bool *reads = ax_arena_zalloc(&checks->arena, checks->source->column_count, sizeof(*reads));
    if (!reads)
        return ax_arena_fail(&checks->arena, "expectations", err);
    ax_expr_inputs(check->expectation->expr, reads);
    check->reads = reads;
    check->output = checks->output_count++;
    return AX_OK;
}

/* One failure is told by who asks for a share of all rows: it is no matter of one row. */
static enum ax_expectation_action action_of(const struct ax_expectation *expectation)
{
    return expectation->action == AX_EXPECT_FAIL && expectation->mostly < 1 ? AX_EXPECT_WARN
                                                                            : expectation->action;
}

static enum ax_code add_checks(struct ax_row_checks *checks,
                               const struct ax_expectation *expectation, struct ax_err *err)
{
    size_t count = expectation->kind == AX_EXPECT_EXPRESSION ? 1 : expectation->column_count;
    for (size_t i = 0; i < count; i++) {
        struct row_check *check = &checks->checks[checks->count++];
        *check = (struct row_check){ .expectation = expectation, .action = action_of(expectation) };
        if (expectation->kind != AX_EXPECT_EXPRESSION)
            check->column = &expectation->columns[i];
        if (check->column ? make_check(checks, check, err) : make_expression(checks, check, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code make_program(struct ax_row_checks *checks, struct ax_err *err)
{
    if (!checks->output_count)
        return AX_OK;
    const struct ax_expr **exprs = ax_xalloc(checks->output_count * sizeof(const struct ax_expr *));
    for (size_t i = 0; i < checks->count; i++)
        if (!checks->checks[i].column)
            exprs[checks->checks[i].output] = checks->checks[i].expectation->expr;
    (void)(ax_program_new(exprs, checks->output_count, &checks->program, err) != AX_OK);
    free(exprs);
    return err->code;
}

static enum ax_code make_all(struct ax_row_checks *checks, size_t count, struct ax_err *err)
{
    const struct ax_source *source = checks->source;
    checks->checks = ax_arena_zalloc(&checks->arena, count, sizeof(*checks->checks));
    if (!checks->checks)
        return ax_arena_fail(&checks->arena, "expectations", err);
    for (size_t i = 0; i < source->expectation_count; i++)
        if (ax_row_checks_ask(source->expectations[i].kind) &&
            add_checks(checks, &source->expectations[i], err))
            return err->code;
    return make_program(checks, err);
}

enum ax_code ax_row_checks_new(const struct ax_source *source, struct ax_row_checks **ret_checks,
                               struct ax_err *err)
{
    assert(source && ret_checks && err);
    size_t count = 0;
    for (size_t i = 0; i < source->expectation_count; i++)
        if (ax_row_checks_ask(source->expectations[i].kind))
            count += AX_MAX(source->expectations[i].column_count, (size_t)1);
    *ret_checks = NULL;
    if (!count)
        return AX_OK;
    struct ax_row_checks *checks = ax_xalloc(sizeof(*checks));
    *checks = (struct ax_row_checks){ .source = source };
    ax_arena_init(&checks->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    if (make_all(checks, count, err)) {
        ax_row_checks_free(checks);
        return err->code;
    }
    *ret_checks = checks;
    return AX_OK;
}

void ax_row_checks_free(struct ax_row_checks *checks)
{
    if (!checks)
        return;
    for (size_t i = 0; i < checks->count; i++)
        ax_regex_free(checks->checks[i].regex);
    ax_program_free(checks->program);
    ax_arena_done(&checks->arena);
    free(checks);
}

size_t ax_row_checks_count(const struct ax_row_checks *checks)
{
    return checks ? checks->count : 0;
}

/* ---- asking ---- */

static bool lies_whole(const struct row_check *check, int64_t value)
{
    const struct ax_bound *min = &check->min, *max = &check->max;
    if (min->is_there && !(min->is_whole ? value >= min->whole : (double)value >= min->number))
        return false;
    return !max->is_there || (max->is_whole ? value <= max->whole : (double)value <= max->number);
}

static bool lies_float(const struct row_check *check, double value)
{
    return (!check->min.is_there || value >= check->min.number) &&
           (!check->max.is_there || value <= check->max.number);
}

static bool is_member(const struct row_check *check, const struct ax_values *values, size_t row)
{
    size_t count = check->expectation->set_count;
    if (values->type.kind == AX_TYPE_INT64)
        return bsearch(&values->i64s[row], check->wholes, count, sizeof(*check->wholes),
                       compare_wholes) != NULL;
    if (values->type.kind == AX_TYPE_FLOAT64)
        return bsearch(&values->f64s[row], check->numbers, count, sizeof(*check->numbers),
                       compare_numbers) != NULL;
    return bsearch(&values->texts[row], check->texts, count, sizeof(*check->texts),
                   compare_texts) != NULL;
}

/* Items of a list, bytes, or code points of a text, which are all bytes but those that go on. */
static size_t length_of(const struct ax_values *values, enum ax_storage_kind kind, size_t row)
{
    if (values->type.is_list)
        return values->spans[row].count;
    struct ax_str text = values->texts[row];
    size_t count = kind == AX_STORAGE_BYTES ? text.len : 0;
    for (size_t i = 0; kind != AX_STORAGE_BYTES && i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* Of a value that is there. */
static bool holds(const struct ax_row_checks *checks, const struct row_check *check,
                  const struct ax_values *values, size_t row)
{
    switch (check->expectation->kind) {
    case AX_EXPECT_BETWEEN:
        return values->type.kind == AX_TYPE_FLOAT64 ? lies_float(check, values->f64s[row])
                                                    : lies_whole(check, values->i64s[row]);
    case AX_EXPECT_IN_SET:
        return is_member(check, values, row);
    case AX_EXPECT_REGEX:
        return ax_regex_matches(check->regex, values->texts[row]);
    case AX_EXPECT_LENGTH:
        return lies_whole(
            check,
            (int64_t)length_of(values, checks->source->columns[*check->column].storage.kind, row));
    case AX_EXPECT_EXPRESSION:
        return values->bools[row];
    case AX_EXPECT_NOT_NULL:
    case AX_EXPECT_UNIQUE:
    case AX_EXPECT_ROW_COUNT:
    case AX_EXPECT_FRESHNESS:
    case AX_EXPECT_MONOTONIC:
    case AX_EXPECT_REFERENTIAL:
    case AX_EXPECT_KIND_COUNT:
        break;
    }
    return true;
}

static bool gives(const struct ax_source_rows *rows, size_t column, size_t row)
{
    return !rows->given || !rows->given[column] || rows->given[column][row / 64] >> (row % 64) & 1;
}

static bool gives_all(const struct ax_row_checks *checks, const struct row_check *check,
                      const struct ax_source_rows *rows, size_t row)
{
    if (check->column)
        return gives(rows, *check->column, row);
    for (size_t i = 0; rows->given && i < checks->source->column_count; i++)
        if (check->reads[i] && !gives(rows, i, row))
            return false;
    return true;
}

/* Some rows that are asked. */
struct asked {
    const struct ax_row_checks *checks;
    const struct ax_source_rows *rows;
    size_t from, count;
    const size_t *numbers; /* of all rows, in messages; NULL: as they stand */
    bool were_partial;     /* and were asked then */
    bool only_drops;       /* other checks are not asked */
    uint64_t *dropped;
    size_t *counts;
};

static enum ax_code fail_row(const struct asked *asked, const struct row_check *check, size_t row,
                             struct ax_err *err)
{
    const struct ax_expectation *expectation = check->expectation;
    const struct ax_expectation_result result = {
        .source = asked->checks->source,
        .expectation = expectation,
        .columns = check->column ? check->column : expectation->columns,
        .column_count = check->column != NULL,
    };
    struct ax_buf name;
    ax_buf_init(&name, sizeof(err->msg));
    ax_expectation_put_name(&name, &result);
    (void)ax_fail(err, AX_E_INVALID, "row %zu: %.*s does not hold",
                  asked->numbers ? asked->numbers[row] : row, AX_STR_ARG(ax_buf_str(&name)));
    ax_buf_done(&name);
    return err->code;
}

/* `values` are those of the rows that are asked. */
static enum ax_code ask(const struct asked *asked, const struct row_check *check,
                        const struct ax_values *values, struct ax_err *err)
{
    bool wants_value = check->expectation->kind == AX_EXPECT_NOT_NULL;
    for (size_t i = 0; i < asked->count; i++) {
        size_t row = asked->from + i;
        bool is_null = ax_values_is_null(values, i);
        bool is_fine = is_null ? !wants_value : holds(asked->checks, check, values, i);
        if (is_fine || gives_all(asked->checks, check, asked->rows, row) == asked->were_partial)
            continue;
        if (check->action == AX_EXPECT_FAIL)
            return fail_row(asked, check, row, err);
        asked->counts[check->action]++;
        if (check->action == AX_EXPECT_DROP_ROW)
            asked->dropped[row / 64] |= (uint64_t)1 << (row % 64);
    }
    return AX_OK;
}

static enum ax_code run_program(const struct asked *asked, struct ax_arena *arena,
                                const struct ax_values *slices, struct ax_values **ret_outputs,
                                struct ax_err *err)
{
    const struct ax_row_checks *checks = asked->checks;
    size_t columns = checks->source->column_count;
    *ret_outputs = NULL;
    if (!checks->program)
        return AX_OK;
    const struct ax_values **inputs = ax_arena_alloc(arena, columns, sizeof(*inputs));
    struct ax_values *outputs = ax_arena_alloc(arena, checks->output_count, sizeof(*outputs));
    if (!inputs || !outputs)
        return ax_arena_fail(arena, "expectations", err);
    for (size_t i = 0; i < columns; i++)
        inputs[i] = &slices[i];
    *ret_outputs = outputs;
    return ax_program_run(checks->program, inputs, asked->count, arena, outputs, err);
}

static enum ax_code ask_all(const struct asked *asked, struct ax_arena *arena, struct ax_err *err)
{
    const struct ax_row_checks *checks = asked->checks;
    size_t columns = checks->source->column_count;
    assert(asked->count <= AX_VALUES_ROWS_MAX && arena && asked->dropped && asked->counts && err);
    struct ax_values *outputs, *slices = ax_arena_alloc(arena, columns, sizeof(*slices));
    if (!slices)
        return ax_arena_fail(arena, "expectations", err);
    for (size_t i = 0; i < columns; i++)
        if (ax_values_slice(&asked->rows->columns[i], asked->from, asked->count, arena, &slices[i],
                            err))
            return err->code;
    if (run_program(asked, arena, slices, &outputs, err))
        return err->code;
    for (size_t i = 0; i < checks->count; i++) {
        const struct row_check *check = &checks->checks[i];
        if (asked->only_drops && check->action != AX_EXPECT_DROP_ROW)
            continue;
        if (ask(asked, check, check->column ? &slices[*check->column] : &outputs[check->output],
                err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_row_checks_run(const struct ax_row_checks *checks,
                               const struct ax_source_rows *rows, size_t from, size_t count,
                               struct ax_arena *arena, uint64_t *dropped,
                               size_t counts[AX_EXPECT_FAIL + 1], struct ax_err *err)
{
    assert(checks && rows && from % 64 == 0 && from <= rows->rows && count <= rows->rows - from);
    const struct asked asked = { .checks = checks,
                                 .rows = rows,
                                 .from = from,
                                 .count = count,
                                 .dropped = dropped,
                                 .counts = counts };
    return ask_all(&asked, arena, err);
}

enum ax_code ax_row_checks_run_drops(const struct ax_row_checks *checks,
                                     const struct ax_source_rows *rows, size_t from, size_t count,
                                     struct ax_arena *arena, uint64_t *dropped, struct ax_err *err)
{
    assert(checks && rows && from % 64 == 0 && from <= rows->rows && count <= rows->rows - from);
    size_t ignored[AX_EXPECT_FAIL + 1] = { 0 };
    const struct asked asked = { .checks = checks,
                                 .rows = rows,
                                 .from = from,
                                 .count = count,
                                 .only_drops = true,
                                 .dropped = dropped,
                                 .counts = ignored };
    return ask_all(&asked, arena, err);
}

enum ax_code ax_row_checks_run_rest(const struct ax_row_checks *checks,
                                    const struct ax_source_rows *rows, const size_t *numbers,
                                    struct ax_arena *arena, uint64_t *dropped,
                                    size_t counts[AX_EXPECT_FAIL + 1], struct ax_err *err)
{
    assert(checks && rows && numbers);
    const struct asked asked = { .checks = checks,
                                 .rows = rows,
                                 .count = rows->rows,
                                 .numbers = numbers,
                                 .were_partial = true,
                                 .dropped = dropped,
                                 .counts = counts };
    return ask_all(&asked, arena, err);
}

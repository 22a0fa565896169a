/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the comparison of native evaluation with SQL: random rows that are full of edges, and random
 * typed trees over them, made of everything that the table of functions has.
 */
#ifndef AX_TESTS_UNIT_DATA_EXPR_EXPR_RANDOM_H
#define AX_TESTS_UNIT_DATA_EXPR_EXPR_RANDOM_H

#include "base/alloc.h"
#include "base/random.h"
#include "base/sql_table.h"
#include "data/expr/expr_sql.h"
#include "data/expr/function.h"
#include "data/expr/program.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* ---- rows ---- */

#define DATA_ROWS       100
#define DATA_ITEMS_MAX  6
#define DATA_TEXT_BYTES 48

#define TIME_OF(days, us) ((int64_t)(days) * 86400000000 + (us))

static const int64_t random_i64s[] = {
    0,
    1,
    -1,
    2,
    -2,
    3,
    5,
    7,
    10,
    -10,
    12,
    24,
    60,
    64,
    100,
    -100,
    1000,
    INT32_MAX,
    INT32_MIN,
    (int64_t)1 << 32,
    (1LL << 53) - 1,
    (1LL << 53) + 1,
    -(1LL << 53) - 1,
    3037000500,
    -3037000500,
    1000000000000000000,
    INT64_MAX,
    INT64_MIN,
    INT64_MAX - 1,
    INT64_MIN + 1,
};

static const double random_f64s[] = {
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    0.1,
    0.3,
    2.0,
    3.0,
    10.0,
    100.0,
    1e15,
    1e16,
    1e17,
    -1e17,
    1e22,
    1e-5,
    1e-7,
    123456.75,
    9007199254740993.0,
    0x1p63,
    -0x1p63,
    0x1p62,
    1e300,
    -1e300,
    DBL_MAX,
    -DBL_MAX,
    DBL_MIN,
    5e-324,
    -5e-324,
    0x1p-1060,
    3.141592653589793,
    709.78,
    710.0,
    -745.2,
    0.49999999999999994,
    4503599627370497.5,
    1.0 / 3,
    180.0,
    90.0,
    -90.0,
    45.5,
    INFINITY,
    -INFINITY,
    NAN,
    40.6413,
};

static const char *const random_texts[] = {
    "",
    "a",
    "A",
    "abc",
    "ABC",
    "aBc",
    "b",
    "ab",
    "aaa",
    "a,b,c",
    ",",
    ",,",
    "a b",
    " a ",
    "\t x\n",
    "äöü",
    "ÄÖÜ",
    "ß",
    "İstanbul",
    "ı",
    "Ǆ",
    "日本語",
    "日",
    "e\xCC\x81",
    "\xC3\xA9",
    "👩\u200d👩\u200d👧",
    "👍🏽",
    "\xF4\x8F\xBF\xBF",
    "ﬁ",
    "Σίσυφος",
    "0",
    "1",
    "12",
    "-5",
    " 12 ",
    "+3",
    "007",
    "1.5",
    "-0.0",
    ".5",
    "5.",
    "1e3",
    "1e400",
    "1e-400",
    "0x10",
    "1_000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "nan",
    "inf",
    "-Infinity",
    "true",
    "false",
    "TRUE",
    "true",
    "false",
    "true",
    "false",
    "t",
    "yes",
    "f",
    "2013-10-01",
    "2013-10-01T12:34:56Z",
    "2013-10-01 12:34:56.789012+05:30",
    "2013-02-29",
    "2012-02-29T23:59:59.999999Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01",
    "2013-10-01T25:00:00",
    "%",
    "_",
    "a%",
    "%b%",
    "a_c",
    "%a_%",
    "%_%b%_%",
    "\\",
    "\\%",
    "it's",
    "\"",
    "$1",
    "a\nb",
    "(",
    "a.c",
    "[ab]+",
    "{\"a\":{\"b\":[1,2,\"x\"]},\"c\":null,\"d\":1.50}",
    "[1,2]",
    "{",
    "null",
    "dr5ru7",
    "N14228",
    "a text that is longer than twelve bytes",
    "JFK",
    "New York",
};

static const int64_t random_times[] = {
    0,
    -1,
    1,
    -TIME_OF(1, 0),
    TIME_OF(1, 0),
    TIME_OF(15399, 0), /* 2012-02-29 */
    TIME_OF(15399, 86399999999),
    TIME_OF(15400, 0),
    TIME_OF(11016, 43200000000), /* 2000-02-29 12:00 */
    TIME_OF(15774, 25199999999),
    TIME_OF(15774, 25200000000), /* New York goes forward, 2013 */
    TIME_OF(15774, 25200000001),
    TIME_OF(16012, 19800000000),
    TIME_OF(16012, 21600000000), /* and back */
    TIME_OF(16012, 23400000000),
    TIME_OF(15795, 3600000000),
    TIME_OF(16005, 3600000000), /* Berlin */
    TIME_OF(15706, 0),
    TIME_OF(15705, 86399999999), /* 2013-01-01 */
    TIME_OF(16070, 86399000000), /* 2013-12-31 */
    TIME_OF(24855, 11647000000),
    TIME_OF(-25567, 0), /* 2038, 1900 */
    TIME_OF(-135140, 0),
    TIME_OF(-719162, 0),
    TIME_OF(2932896, 86399999999), /* 1600, 1, 9999 */
    TIME_OF(14609, 3661000001),    /* a Friday, ISO week 53 */
};

static const int64_t random_durations[] = {
    0,
    1,
    -1,
    1000,
    1000000,
    -1000000,
    60000000,
    3600000000,
    86400000000,
    -86400000000,
    TIME_OF(365, 0),
    TIME_OF(7, 5),
    TIME_OF(4000000, 0),
    INT64_MAX,
    INT64_MIN,
};

/* Mostly a month, an hour, a place in a list. */
static int64_t random_small(struct ax_random *random)
{
    return ax_random_below(random, 3) ? (int64_t)ax_random_below(random, 13)
                                      : (int64_t)ax_random_below(random, 41) - 20;
}

static int64_t random_i64(struct ax_random *random)
{
    switch (ax_random_below(random, 8)) {
    case 0:
    case 1:
        return random_i64s[ax_random_below(random, AX_COUNT(random_i64s))];
    case 2:
        return (int64_t)ax_random_next(random) >> ax_random_below(random, 64);
    default:
        return random_small(random);
    }
}

static double random_f64(struct ax_random *random)
{
    uint64_t bits = ax_random_next(random);
    double value;
    switch (ax_random_below(random, 5)) {
    case 0:
    case 1:
        return random_f64s[ax_random_below(random, AX_COUNT(random_f64s))];
    case 2:
        memcpy(&value, &bits, sizeof(value));
        return value;
    case 3:
        return (double)random_small(random) / 4;
    default:
        return ax_random_normal(random) * 50;
    }
}

static int64_t random_time(struct ax_random *random)
{
    int64_t time = random_times[ax_random_below(random, AX_COUNT(random_times))];
    if (ax_random_below(random, 3) == 0)
        time = TIME_OF(ax_random_below(random, 24800), ax_random_below(random, 86400000000));
    return time;
}

static int64_t random_duration(struct ax_random *random)
{
    if (ax_random_below(random, 2))
        return random_durations[ax_random_below(random, AX_COUNT(random_durations))];
    return (int64_t)ax_random_next(random) >> (10 + ax_random_below(random, 40));
}

/* Mostly an edge, or two edges in a row. */
static struct ax_str random_text(struct ax_random *random, struct ax_arena *arena)
{
    char text[2 * DATA_TEXT_BYTES];
    const char *first = random_texts[ax_random_below(random, AX_COUNT(random_texts))];
    const char *second = random_texts[ax_random_below(random, AX_COUNT(random_texts))];
    if (ax_random_below(random, 4))
        second = "";
    if (ax_random_below(random, 5) == 0) {
        (void)snprintf(text, sizeof(text), "%lld%s", (long long)random_i64(random), second);
        first = "";
    } else {
        (void)snprintf(text, sizeof(text), "%s%s", first, second);
    }
    struct ax_str made = ax_str_from(text);
    made.ptr = ax_arena_strdup(arena, made);
    return made;
}

/* The same with U+0000 in the place of a code point, now and then: no constant has it. */
static struct ax_str random_stored_text(struct ax_random *random, struct ax_arena *arena)
{
    struct ax_str text = random_text(random, arena);
    size_t at = (size_t)ax_random_below(random, text.len + 1);
    if (ax_random_below(random, 8) || at == text.len || (unsigned char)text.ptr[at] >= 0x80)
        return text;
    char *bytes = ax_arena_strdup(arena, text);
    bytes[at] = '\0';
    return (struct ax_str){ bytes, text.len };
}

/* One value of a type, into row `row` of an array of it; floats as a source has them. */
static void random_value(struct ax_random *random, enum ax_type_kind kind, struct ax_values *into,
                         size_t row, struct ax_arena *arena)
{
    switch (kind) {
    case AX_TYPE_BOOL:
        into->bools[row] = (uint8_t)ax_random_below(random, 2);
        break;
    case AX_TYPE_INT64:
        into->i64s[row] = random_i64(random);
        break;
    case AX_TYPE_FLOAT64:
        into->f64s[row] = random_f64(random);
        break;
    case AX_TYPE_STRING:
        into->texts[row] = random_stored_text(random, arena);
        break;
    case AX_TYPE_TIMESTAMP:
        into->i64s[row] = random_time(random);
        break;
    case AX_TYPE_DURATION:
        into->i64s[row] = random_duration(random);
        break;
    case AX_TYPE_COUNT:
        break;
    }
}

/* The columns, one after the other; what trees call input i. */
#define DATA_COLUMNS (3 * AX_TYPE_COUNT)

/* Two columns of each scalar type, and one of lists. */
static struct ax_type data_type(size_t column)
{
    return (struct ax_type){ (enum ax_type_kind)(column / 3), column % 3 == 2 };
}

static const char *data_name(size_t column)
{
    static const char *const names[DATA_COLUMNS] = {
        "b0", "b1", "bl", "i0", "i1", "il", "f0", "f1", "fl",
        "s0", "s1", "sl", "t0", "t1", "tl", "d0", "d1", "dl",
    };
    return names[column];
}

struct edge_data {
    struct ax_arena arena;
    struct ax_values raw[DATA_COLUMNS];    /* as a source has them: NaN, -0 */
    struct ax_values values[DATA_COLUMNS]; /* as expressions see them */
    const struct ax_values *inputs[DATA_COLUMNS];
};

static void init_values(struct ax_values *values, struct ax_type type, size_t rows,
                        struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_values_init(values, type, rows, arena, &err))
        fail_msg("%s", err.msg);
}

/* NaN is null and -0 is 0 where a value enters. */
static void enter_values(const struct ax_values *raw, struct ax_values *into,
                         struct ax_arena *arena)
{
    init_values(into, raw->type, raw->rows, arena);
    memcpy(into->data, raw->data, raw->rows * ax_type_size(raw->type));
    memcpy(into->validity, raw->validity, (raw->rows + 63) / 64 * sizeof(uint64_t));
    if (raw->type.is_list) {
        into->items = ax_arena_alloc(arena, 1, sizeof(*into->items));
        enter_values(raw->items, into->items, arena);
    } else if (raw->type.kind == AX_TYPE_FLOAT64) {
        ax_values_take_nan(into);
    }
}

/* What every column has, whatever the dice say. */
static bool put_edge(enum ax_type_kind kind, size_t edge, struct ax_values *into, size_t row)
{
    static const int64_t i64s[] = { INT64_MIN, INT64_MAX, 0 };
    static const double f64s[] = { NAN, -0.0, INFINITY, -INFINITY, DBL_MAX, 5e-324 };
    static const struct ax_str texts[] = { { "", 0 },
                                           { "日本語", sizeof("日本語") - 1 },
                                           { "e\xCC\x81", 3 },
                                           { "İstanbul", sizeof("İstanbul") - 1 },
                                           { "\0a", 2 } };
    static const int64_t times[] = {
        TIME_OF(15399, 86399999999), /* a leap day's end */
        TIME_OF(15774, 25200000000), /* New York goes forward, */
        TIME_OF(16012, 19800000000), /* and has this time twice, */
        TIME_OF(16012, 23400000000), /* now again */
        TIME_OF(-719162, 0),         TIME_OF(2932896, 86399999999),
    };
    size_t count = 0;
    switch (kind) {
    case AX_TYPE_BOOL:
        count = 2;
        into->bools[row] = edge != 0;
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        count = AX_COUNT(i64s);
        into->i64s[row] = i64s[edge % count];
        break;
    case AX_TYPE_FLOAT64:
        count = AX_COUNT(f64s);
        into->f64s[row] = f64s[edge % count];
        break;
    case AX_TYPE_STRING:
        count = AX_COUNT(texts);
        into->texts[row] = texts[edge % count];
        break;
    case AX_TYPE_TIMESTAMP:
        count = AX_COUNT(times);
        into->i64s[row] = times[edge % count];
        break;
    case AX_TYPE_COUNT:
        break;
    }
    into->validity[row / 64] |= UINT64_C(1) << (row % 64);
    return edge + 1 < count;
}

/* All edges of a type into rows 7, 14, … behind some row, as values or as first items of lists; and
 * a null. */
static void put_edges(struct ax_random *random, struct ax_values *raw)
{
    size_t row = (size_t)ax_random_below(random, raw->rows);
    bool more = true;
    ax_values_set_null(raw, row);
    for (size_t edge = 0; more; edge++) {
        row = (row + 7) % raw->rows;
        if (raw->type.is_list) {
            size_t item = row * DATA_ITEMS_MAX;
            raw->spans[row].from = (uint32_t)item;
            raw->spans[row].count = AX_MAX(raw->spans[row].count, 1U);
            raw->validity[row / 64] |= UINT64_C(1) << (row % 64);
            more = put_edge(raw->type.kind, edge, raw->items, item);
        } else {
            more = put_edge(raw->type.kind, edge, raw, row);
        }
    }
}

static void make_column(struct ax_random *random, struct ax_type type, size_t rows,
                        struct ax_values *raw, struct ax_arena *arena)
{
    init_values(raw, type, rows, arena);
    if (type.is_list) {
        raw->items = ax_arena_alloc(arena, 1, sizeof(*raw->items));
        make_column(random, (struct ax_type){ type.kind, false }, rows * DATA_ITEMS_MAX, raw->items,
                    arena);
    }
    for (size_t row = 0; row < rows; row++) {
        if (ax_random_below(random, 8) == 0)
            ax_values_set_null(raw, row);
        else if (type.is_list)
            raw->spans[row] =
                (struct ax_span){ (uint32_t)(row * DATA_ITEMS_MAX),
                                  (uint32_t)ax_random_below(random, DATA_ITEMS_MAX + 1) };
        else
            random_value(random, type.kind, raw, row, arena);
    }
    put_edges(random, raw);
}

static void edge_data_init(struct edge_data *data, struct ax_random *random)
{
    ax_arena_init(&data->arena, 1 << 20, 1 << 26);
    for (size_t i = 0; i < DATA_COLUMNS; i++) {
        make_column(random, data_type(i), DATA_ROWS, &data->raw[i], &data->arena);
        enter_values(&data->raw[i], &data->values[i], &data->arena);
        data->inputs[i] = &data->values[i];
    }
}

static void edge_data_done(struct edge_data *data)
{
    ax_arena_done(&data->arena);
}

/* ---- the rows as a table of SQL ---- */

struct random_table {
    struct ax_sql_table base;
    struct ax_sql_table_column columns[DATA_COLUMNS];
    const struct edge_data *data;
};

struct random_scan {
    struct ax_sql_scan base;
    bool is_over;
    struct ax_sql_column columns[DATA_COLUMNS];
    struct ax_sql_column items[DATA_COLUMNS];
    struct ax_sql_list lists[DATA_COLUMNS][DATA_ROWS];
};

static enum ax_code random_scan_new(const struct ax_sql_table *table, struct ax_sql_scan **ret_scan,
                                    struct ax_err *err)
{
    (void)table;
    (void)err;
    struct random_scan *scan = ax_xalloc(sizeof(*scan));
    *ret_scan = &scan->base;
    return AX_OK;
}

static void random_scan_free(struct ax_sql_scan *scan)
{
    free(container_of(scan, struct random_scan, base));
}

static enum ax_sql_type sql_type_of(enum ax_type_kind kind)
{
    static const enum ax_sql_type types[AX_TYPE_COUNT] = {
        AX_SQL_BOOL, AX_SQL_I64, AX_SQL_F64, AX_SQL_TEXT, AX_SQL_TIMESTAMP, AX_SQL_I64,
    };
    return types[kind];
}

static struct ax_sql_column as_sql(const struct ax_values *values)
{
    return (struct ax_sql_column){ .type = sql_type_of(values->type.kind),
                                   .i64s = values->data,
                                   .validity = values->validity };
}

static enum ax_code random_scan_next(struct ax_sql_scan *base, struct ax_sql_chunk *ret_chunk,
                                     struct ax_err *err)
{
    struct random_scan *scan = container_of(base, struct random_scan, base);
    const struct edge_data *data = container_of_const(base->table, struct random_table, base)->data;
    (void)err;
    for (size_t i = 0; i < DATA_COLUMNS; i++) {
        const struct ax_values *raw = &data->raw[i];
        scan->columns[i] = as_sql(raw);
        if (!raw->type.is_list)
            continue;
        for (size_t row = 0; row < DATA_ROWS; row++)
            scan->lists[i][row] =
                (struct ax_sql_list){ raw->spans[row].from, raw->spans[row].count };
        scan->items[i] = as_sql(raw->items);
        scan->columns[i].type = AX_SQL_LIST;
        scan->columns[i].lists = scan->lists[i];
        scan->columns[i].items = &scan->items[i];
    }
    *ret_chunk = (struct ax_sql_chunk){ scan->is_over ? 0 : DATA_ROWS, scan->columns };
    scan->is_over = true;
    return AX_OK;
}

static void random_table_init(struct random_table *table, const struct edge_data *data)
{
    *table = (struct random_table){ .data = data };
    for (size_t i = 0; i < DATA_COLUMNS; i++) {
        enum ax_sql_type type = sql_type_of(data_type(i).kind);
        table->columns[i].name = data_name(i);
        table->columns[i].kind =
            (struct ax_sql_kind){ data_type(i).is_list ? AX_SQL_LIST : type, type };
    }
    table->base = (struct ax_sql_table){ .name = "random_rows",
                                         .columns = table->columns,
                                         .column_count = DATA_COLUMNS,
                                         .row_count = DATA_ROWS,
                                         .scan_new = random_scan_new,
                                         .scan_next = random_scan_next,
                                         .scan_free = random_scan_free };
}

/* ---- trees ---- */

/* An entry of the table with T as one type: what a call can be. */
struct random_function {
    const struct ax_function *function;
    enum ax_type_kind t;
    struct ax_type result;
    size_t made;      /* in how many trees it stood */
    size_t values;    /* of those that were compared with it at the root: rows that are not null */
    uint32_t columns; /* and parameters in whose place a column stood, with all of its edges */
};

struct random_trees {
    struct ax_random random;
    struct ax_arena arena;
    struct random_function *functions;
    size_t function_count;
};

static struct ax_type param_as_type(enum ax_param param, enum ax_type_kind t)
{
    if (param == AX_PARAM_T || param == AX_PARAM_LIST_T)
        return (struct ax_type){ t, param == AX_PARAM_LIST_T };
    if (param > AX_PARAM_T)
        return (struct ax_type){ (enum ax_type_kind)(param - AX_PARAM_LIST_BOOL), true };
    return (struct ax_type){ (enum ax_type_kind)param, false };
}

static bool is_generic_function(const struct ax_function *function)
{
    bool generic = function->result == AX_PARAM_T || function->result == AX_PARAM_LIST_T;
    for (size_t i = 0; i < function->param_count; i++)
        generic |= function->params[i] == AX_PARAM_T || function->params[i] == AX_PARAM_LIST_T;
    return generic;
}

static void random_trees_init(struct random_trees *trees, uint64_t seed)
{
    *trees = (struct random_trees){ 0 };
    ax_random_init(&trees->random, seed, 0);
    ax_arena_init(&trees->arena, 1 << 20, 1 << 26);
    for (size_t group = 0; group < AX_FUNCTIONS_GROUP_COUNT; group++) {
        size_t count = 0;
        const struct ax_function *functions = ax_functions((enum ax_function_group)group, &count);
        for (size_t i = 0; i < count; i++) {
            size_t types = is_generic_function(&functions[i]) ? AX_TYPE_COUNT : 1;
            for (size_t t = 0; t < types; t++) {
                trees->functions = ax_xrealloc(trees->functions, trees->function_count + 1,
                                               sizeof(*trees->functions));
                trees->functions[trees->function_count++] = (struct random_function){
                    .function = &functions[i],
                    .t = (enum ax_type_kind)t,
                    .result = param_as_type(functions[i].result, (enum ax_type_kind)t),
                };
            }
        }
    }
}

static void random_trees_done(struct random_trees *trees)
{
    free(trees->functions);
    ax_arena_done(&trees->arena);
}

static const struct ax_expr *keep_expr(struct random_trees *trees, struct ax_expr expr)
{
    struct ax_expr *copy = ax_arena_alloc(&trees->arena, 1, sizeof(*copy));
    *copy = expr;
    return copy;
}

/* Texts that functions ask for as literals: patterns, zones, fields, paths. */
static struct ax_str random_word(struct ax_random *random)
{
    static const char *const words[] = {
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "dow",
        "doy",
        "isoyear",
        "isodow",
        "hour",
        "minute",
        "second",
        "millisecond",
        "microsecond",
        "epoch",
        "America/New_York",
        "Europe/Berlin",
        "UTC",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/Puerto_Rico",
        "a+",
        "(a)(b)?",
        "^a.*c$",
        "\\d+",
        "[^,]*",
        "(?i)abc",
        "\\w",
        ".",
        "",
        "日|本",
        "x*",
        "$.a",
        "$.a.b",
        "$.a.b[0]",
        "$.a.b[2]",
        "$[1]",
        "$.c",
        "$.d",
        "$",
        "i",
        "g",
        "c",
        "s",
        "a%",
        "%b%",
        "_",
        "%",
        "a_c",
        "%a_%b%",
        "_%_%c",
        "",
        ",",
        "abc",
    };
    return ax_str_from(words[ax_random_below(random, AX_COUNT(words))]);
}

static const struct ax_expr *random_literal(struct random_trees *trees, enum ax_type_kind kind,
                                            bool is_word)
{
    struct ax_expr literal = { .kind = AX_EXPR_LITERAL, .type = { kind, false } };
    struct ax_str text;
    int64_t i64 = 0;
    uint8_t truth = 0;
    struct ax_values into = { .data = &i64 };
    switch (kind) {
    case AX_TYPE_STRING:
        text = is_word ? random_word(&trees->random) : random_text(&trees->random, &trees->arena);
        literal.literal.text = text;
        break;
    case AX_TYPE_BOOL:
        into.data = &truth;
        random_value(&trees->random, kind, &into, 0, &trees->arena);
        literal.literal.truth = truth;
        break;
    case AX_TYPE_FLOAT64:
        do {
            literal.literal.f64 = random_f64(&trees->random) + 0.0;
        } while (!isfinite(literal.literal.f64));
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        random_value(&trees->random, kind, &into, 0, &trees->arena);
        literal.literal.i64 = i64;
    }
    if (kind == AX_TYPE_INT64 && is_word)
        literal.literal.i64 = random_small(&trees->random);
    return keep_expr(trees, literal);
}

static const struct ax_expr *random_leaf(struct random_trees *trees, struct ax_type type)
{
    uint64_t dice = ax_random_below(&trees->random, 10);
    if (dice == 0)
        return keep_expr(
            trees, (struct ax_expr){ .kind = AX_EXPR_LITERAL, .type = type, .is_null = true });
    if (dice < 4 && !type.is_list)
        return random_literal(trees, type.kind, ax_random_below(&trees->random, 2));
    size_t input = (size_t)type.kind * 3 + (type.is_list ? 2 : ax_random_below(&trees->random, 2));
    return keep_expr(trees,
                     (struct ax_expr){ .kind = AX_EXPR_INPUT, .type = type, .input = input });
}

static const struct ax_expr *random_expr(struct random_trees *trees, struct ax_type type,
                                         unsigned depth);

/* NULL when no literals were found that the function takes. */
static const struct ax_expr *random_call(struct random_trees *trees, struct random_function *chosen,
                                         unsigned depth)
{
    const struct ax_function *function = chosen->function;
    size_t count = function->param_count;
    if (function->repeated)
        count += function->repeated * ax_random_below(&trees->random, 3);
    const struct ax_expr **args = ax_arena_alloc(&trees->arena, count, sizeof(void *));
    struct ax_expr call = { .kind = AX_EXPR_CALL,
                            .type = chosen->result,
                            .function = function,
                            .args = args,
                            .arg_count = count };
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        if (i >= function->param_count)
            at = function->param_count - function->repeated +
                 (i - function->param_count) % function->repeated;
        if (!(function->literals >> i & 1))
            args[i] = random_expr(trees, param_as_type(function->params[at], chosen->t), depth);
    }
    for (unsigned tries = 0; tries < 300; tries++) {
        struct ax_err err = AX_ERR_INIT;
        void *made = NULL;
        for (size_t i = 0; i < function->param_count; i++)
            if (function->literals >> i & 1)
                args[i] =
                    random_literal(trees, param_as_type(function->params[i], chosen->t).kind, true);
        if (!function->prepare || function->prepare(&call, &made, &err) == AX_OK) {
            if (function->prepare)
                function->release(made);
            chosen->made++;
            return keep_expr(trees, call);
        }
    }
    return NULL;
}

static const struct ax_expr *random_expr(struct random_trees *trees, struct ax_type type,
                                         unsigned depth)
{
    const struct ax_expr *call = NULL;
    if (!depth || ax_random_below(&trees->random, 4) == 0)
        return random_leaf(trees, type);
    for (unsigned tries = 0; tries < 200 && !call; tries++) {
        struct random_function *chosen =
            &trees->functions[ax_random_below(&trees->random, trees->function_count)];
        if (ax_type_equals(chosen->result, type))
            call = random_call(trees, chosen, depth - 1);
    }
    return call ? call : random_leaf(trees, type);
}

#endif

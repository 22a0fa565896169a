/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: native evaluation and DuckDB's SQL of a tree give the same values, bit for bit, for every
 * function and every overload; and a tree's text is read back as the same tree.
 * Method: random typed trees over random rows full of edges. Each function of the table is the root
 * of as many trees as any other. What costs is that DuckDB plans a query, some 0.15 ms a call in
 * it, so most trees are made of each other: two hundred are one query in layers, where a tree is a
 * call over columns, constants and trees of the layers below, each of which is a column that is
 * compared. In one query of WHOLE_EVERY trees have arguments of their own of random depth, twenty a
 * query, as columns of a query with queries inside or as expressions: so DuckDB's optimiser sees
 * them whole. What differs is made smaller as long as it differs, and shown as text, with the row.
 * Counted are the trees in which a function stands and the values other than null that it gave at a
 * root, and noted is where a column was its argument: every column has the edges of its type (NaN,
 * -0, infinities, extreme integers, texts beyond ASCII and with U+0000, leap days, changes of
 * clocks), so that each parameter of each function meets them. No function may be without.
 *
 * AX_EXPR_TREES is how many trees, AX_EXPR_SEED which ones; AX_EXPR_FROM begins with the data of
 * that number, each being a thousand trees or so with a seed of its own, as `make soak` shows them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/expr/expr_sql.h"

#include "data/expr/parser.h"

#include "expr_random.h"

#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TREES 10000
#elif defined(__has_feature)
#define TREES (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 10000 : 100000)
#else
#define TREES 100000
#endif
#define TREES_A_QUERY  200
#define QUERIES_A_DATA 8
#define WHOLE_EVERY    8 /* queries */
#define WHOLE_A_QUERY  20
#define LAYERS         3
#define DEPTH_MAX      4
#define TREES_A_DATA                                \
    (QUERIES_A_DATA / WHOLE_EVERY * WHOLE_A_QUERY + \
     (QUERIES_A_DATA - QUERIES_A_DATA / WHOLE_EVERY) * TREES_A_QUERY)
#define DATA_A_MESSAGE 1000
#define SQL_BYTES_MAX  ((size_t)4 << 20)
#define WORSE_MAX      5 /* differences that are shown before the test gives up */

struct trial {
    struct ax_sql *sql;
    struct edge_data data;
    struct random_table table;
    struct random_trees trees;
    struct ax_arena arena;      /* of a comparison */
    struct ax_program *program; /* of the last one */
    uint64_t seed;
    size_t turn; /* of the functions at the root */
    size_t compared;
    size_t read_back;
};

enum query_form { AS_EXPRESSIONS, AS_SELECT, IN_LAYERS };

/* The trees of one query. In layers, `calls` say the same with what stands below as an input: tree
 * i is input DATA_COLUMNS + i. */
struct query {
    enum query_form form;
    size_t count;
    const struct ax_expr *trees[TREES_A_QUERY];
    struct random_function *roots[TREES_A_QUERY];
    const struct ax_expr *calls[TREES_A_QUERY];
    size_t layer_ends[LAYERS];
};

/* What differed, or could not be computed. */
struct difference {
    size_t expr;
    size_t row;
    char native[400];
    char sql[400];
};

static void put_input(struct ax_buf *out, size_t input, void *arg)
{
    (void)arg;
    if (input < DATA_COLUMNS)
        ax_sql_put_name(out, ax_str_from(data_name(input)));
    else
        ax_buf_printf(out, "e%zu", input - DATA_COLUMNS);
}

/* ---- values ---- */

static void print_text(struct ax_buf *out, struct ax_str text)
{
    ax_buf_printf(out, "'");
    for (size_t i = 0; i < text.len; i++)
        (void)ax_buf_append_str(out,
                                text.ptr[i] ? (struct ax_str){ &text.ptr[i], 1 } : AX_STR("\\0"));
    ax_buf_printf(out, "'");
}

static void print_value(struct ax_buf *out, const struct ax_values *values, size_t row)
{
    if (ax_values_is_null(values, row)) {
        ax_buf_printf(out, "null");
        return;
    }
    if (values->type.is_list) {
        ax_buf_printf(out, "[");
        for (uint32_t i = 0; i < values->spans[row].count; i++) {
            ax_buf_printf(out, i ? ", " : "");
            print_value(out, values->items, values->spans[row].from + i);
        }
        ax_buf_printf(out, "]");
        return;
    }
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        ax_buf_printf(out, values->bools[row] ? "true" : "false");
        break;
    case AX_TYPE_FLOAT64:
        ax_buf_printf(out, "%.17g", values->f64s[row]);
        break;
    case AX_TYPE_STRING:
        print_text(out, values->texts[row]);
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        ax_buf_printf(out, "%lld", (long long)values->i64s[row]);
    }
}

static void print_into(char text[400], const struct ax_values *values, size_t row)
{
    struct ax_buf out;
    ax_buf_init(&out, 1 << 20);
    print_value(&out, values, row);
    (void)snprintf(text, 400, "%.*s", AX_STR_ARG(ax_buf_str(&out)));
    ax_buf_done(&out);
}

static bool values_are_equal(const struct ax_values *a, size_t row_a, const struct ax_values *b,
                             size_t row_b)
{
    if (ax_values_is_null(a, row_a) || ax_values_is_null(b, row_b))
        return ax_values_is_null(a, row_a) == ax_values_is_null(b, row_b);
    if (a->type.is_list) {
        struct ax_span span_a = a->spans[row_a];
        struct ax_span span_b = b->spans[row_b];
        for (uint32_t i = 0; span_a.count == span_b.count && i < span_a.count; i++)
            if (!values_are_equal(a->items, span_a.from + i, b->items, span_b.from + i))
                return false;
        return span_a.count == span_b.count;
    }
    switch (a->type.kind) {
    case AX_TYPE_BOOL:
        return a->bools[row_a] == b->bools[row_b];
    case AX_TYPE_STRING:
        return ax_str_equals(a->texts[row_a], b->texts[row_b]);
    case AX_TYPE_FLOAT64:
        assert_false(isnan(a->f64s[row_a]));
        return memcmp(&a->f64s[row_a], &b->f64s[row_b], sizeof(double)) == 0;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        break;
    }
    return a->i64s[row_a] == b->i64s[row_b];
}

/* A column of a result as values. */
static void as_values(const struct ax_sql_column *column, struct ax_type type, size_t rows,
                      struct ax_arena *arena, struct ax_values *ret)
{
    *ret = (struct ax_values){ .type = type,
                               .rows = rows,
                               .data = (void *)(uintptr_t)column->i64s,
                               .validity = (uint64_t *)(uintptr_t)column->validity };
    if (!type.is_list)
        return;
    ret->spans = ax_arena_alloc(arena, rows, sizeof(*ret->spans));
    ret->items = ax_arena_alloc(arena, 1, sizeof(*ret->items));
    for (size_t row = 0; row < rows; row++)
        ret->spans[row] = (struct ax_span){ (uint32_t)column->lists[row].offset,
                                            (uint32_t)column->lists[row].len };
    as_values(column->items, (struct ax_type){ type.kind, false }, 0, arena, ret->items);
}

/* ---- comparing ---- */

/* A query in the place of the one before it, with what it has and the next layer. */
static void put_layer(const struct ax_expr_column *columns, size_t count, struct ax_buf *inner)
{
    struct ax_buf outer;
    ax_buf_init(&outer, SQL_BYTES_MAX);
    ax_expr_put_select(&outer, columns, count, AX_STR("*"), ax_buf_str(inner), AX_SQL_DUCKDB,
                       put_input, NULL);
    ax_buf_reset(inner);
    ax_buf_printf(inner, "(%.*s)", AX_STR_ARG(ax_buf_str(&outer)));
    ax_buf_done(&outer);
}

static void print_layers(const struct query *query, const struct ax_expr_column *columns,
                         struct ax_buf *out)
{
    struct ax_buf inner;
    size_t from = 0;
    ax_buf_init(&inner, SQL_BYTES_MAX);
    ax_buf_printf(&inner, "entered");
    for (size_t i = 0; i < LAYERS; from = query->layer_ends[i++])
        put_layer(columns + from, query->layer_ends[i] - from, &inner);
    for (size_t i = 0; i < query->count; i++)
        ax_buf_printf(out, i ? ", e%zu" : "SELECT e%zu", i);
    ax_buf_printf(out, " FROM %.*s", AX_STR_ARG(ax_buf_str(&inner)));
    ax_buf_done(&inner);
}

static void print_query(const struct query *query, struct ax_buf *out)
{
    struct ax_expr_column columns[TREES_A_QUERY];
    char names[TREES_A_QUERY][24];
    bool in_layers = query->form == IN_LAYERS;
    for (size_t i = 0; i < query->count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "e%zu", i);
        columns[i] = (struct ax_expr_column){ in_layers ? query->calls[i] : query->trees[i],
                                              ax_str_from(names[i]) };
    }
    if (query->form == AS_SELECT) {
        ax_expr_put_select(out, columns, query->count, AX_STR(""), AX_STR("entered"), AX_SQL_DUCKDB,
                           put_input, NULL);
        return;
    }
    if (in_layers) {
        print_layers(query, columns, out);
        return;
    }
    for (size_t i = 0; i < query->count; i++) {
        ax_buf_printf(out, i ? ", " : "SELECT ");
        ax_expr_put_sql(out, query->trees[i], AX_SQL_DUCKDB, put_input, NULL);
    }
    ax_buf_printf(out, " FROM entered");
}

/* The values are valid as long as the program. */
static enum ax_code evaluate(struct trial *trial, const struct ax_expr *const *exprs, size_t count,
                             struct ax_values *outputs, struct ax_err *err)
{
    ax_program_free(trial->program);
    trial->program = NULL;
    if (!ax_program_new(exprs, count, &trial->program, err))
        (void)(ax_program_run(trial->program, trial->data.inputs, DATA_ROWS, &trial->arena, outputs,
                              err) != AX_OK);
    return err->code;
}

/* The first difference among some trees of one query. */
static bool find_difference(struct trial *trial, const struct ax_expr *const *exprs,
                            const struct ax_values *outputs, size_t count,
                            const struct ax_sql_chunk *chunk, struct difference *ret)
{
    for (size_t i = 0; i < count; i++) {
        struct ax_values values;
        as_values(&chunk->columns[i], exprs[i]->type, DATA_ROWS, &trial->arena, &values);
        for (size_t row = 0; row < DATA_ROWS; row++) {
            if (values_are_equal(&outputs[i], row, &values, row))
                continue;
            ret->expr = i;
            ret->row = row;
            print_into(ret->native, &outputs[i], row);
            print_into(ret->sql, &values, row);
            return true;
        }
    }
    return false;
}

static bool differs_alone(struct trial *trial, const struct ax_expr *tree, enum query_form form,
                          struct difference *ret);

/* Whether some trees differ; of one that fails alone, the failure is the difference. */
static bool differ(struct trial *trial, const struct query *query, struct ax_values *outputs,
                   struct difference *ret)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    struct ax_buf text;
    bool found = false;
    ax_buf_init(&text, SQL_BYTES_MAX);
    ax_arena_reset(&trial->arena);
    *ret = (struct difference){ 0 };
    if (evaluate(trial, query->trees, query->count, outputs, &err)) {
        (void)snprintf(ret->native, sizeof(ret->native), "%s", err.msg);
    } else {
        print_query(query, &text);
        if (!ax_buf_check(&text, "the query", &err) &&
            !ax_sql_query(trial->sql, ax_buf_str(&text), &stream, &err) &&
            !ax_sql_stream_next(stream, &chunk, &err)) {
            assert_int_equal(chunk.rows, DATA_ROWS);
            found = find_difference(trial, query->trees, outputs, query->count, &chunk, ret);
        }
        if (err.code)
            (void)snprintf(ret->sql, sizeof(ret->sql), "%s", err.msg);
    }
    ax_sql_stream_free(stream);
    ax_buf_done(&text);
    for (size_t i = 0; err.code && query->count > 1 && i < query->count; i++) {
        if (differs_alone(trial, query->trees[i], query->form, ret)) {
            ret->expr = i;
            return true;
        }
    }
    return found || err.code;
}

static bool differs_alone(struct trial *trial, const struct ax_expr *tree, enum query_form form,
                          struct difference *ret)
{
    struct ax_values output;
    const struct query alone = { .form = form == IN_LAYERS ? AS_SELECT : form,
                                 .count = 1,
                                 .trees = { tree } };
    return differ(trial, &alone, &output, ret);
}

/* ---- making it smaller ---- */

static const struct ax_expr *replace(struct trial *trial, const struct ax_expr *expr, size_t *at,
                                     const struct ax_expr *with)
{
    if ((*at)-- == 0)
        return with;
    if (expr->kind != AX_EXPR_CALL)
        return expr;
    struct ax_expr copy = *expr;
    const struct ax_expr **args =
        ax_arena_alloc(&trial->trees.arena, expr->arg_count, sizeof(void *));
    for (size_t i = 0; i < expr->arg_count; i++)
        args[i] = *at == SIZE_MAX ? expr->args[i] : replace(trial, expr->args[i], at, with);
    copy.args = args;
    return keep_expr(&trial->trees, copy);
}

/* Node number *at of the tree, and whether it has to stay the literal that it is. */
static const struct ax_expr *node_at(const struct ax_expr *expr, size_t *at, bool fixed,
                                     bool *ret_fixed)
{
    const struct ax_expr *found = NULL;
    *ret_fixed = fixed;
    if ((*at)-- == 0)
        return expr;
    for (size_t i = 0; expr->kind == AX_EXPR_CALL && i < expr->arg_count && !found; i++)
        found =
            node_at(expr->args[i], at, i < 32 && (expr->function->literals >> i & 1), ret_fixed);
    return found;
}

static bool try_instead(struct trial *trial, const struct ax_expr **tree, size_t at,
                        enum query_form form, const struct ax_expr *with)
{
    struct difference difference;
    const struct ax_expr *smaller = replace(trial, *tree, &at, with);
    if (!differs_alone(trial, smaller, form, &difference))
        return false;
    *tree = smaller;
    return true;
}

/* Something simpler in the place of one node: one of its arguments, a column, a constant. */
static bool simplify_node(struct trial *trial, const struct ax_expr **tree, size_t at,
                          enum query_form form, bool is_root)
{
    bool fixed = false;
    size_t index = at;
    const struct ax_expr *node = node_at(*tree, &index, false, &fixed);
    if (!node || fixed || node->kind != AX_EXPR_CALL)
        return false;
    for (size_t i = 0; i < node->arg_count; i++)
        if ((is_root || ax_type_equals(node->args[i]->type, node->type)) &&
            try_instead(trial, tree, at, form, node->args[i]))
            return true;
    for (unsigned tries = 0; tries < 12; tries++)
        if (try_instead(trial, tree, at, form, random_leaf(&trial->trees, node->type)))
            return true;
    return false;
}

static const struct ax_expr *shrink(struct trial *trial, const struct ax_expr *tree,
                                    enum query_form form)
{
    bool smaller = true;
    while (smaller) {
        bool fixed;
        smaller = false;
        for (size_t at = 0, index = 0; !smaller && node_at(tree, &index, false, &fixed);
             index = ++at)
            smaller = simplify_node(trial, &tree, at, form, at == 0);
    }
    return tree;
}

static void print_inputs(const struct trial *trial, const struct ax_expr *tree, size_t row)
{
    bool used[DATA_COLUMNS] = { false };
    ax_expr_inputs(tree, used);
    for (size_t i = 0; i < DATA_COLUMNS; i++) {
        char text[400];
        if (!used[i])
            continue;
        print_into(text, &trial->data.values[i], row);
        print_error("    %s = %s\n", data_name(i), text);
    }
}

/* A tree that differs only beside others is shown as it is, with the whole query. */
static void show(struct trial *trial, const struct query *query,
                 const struct difference *difference)
{
    struct difference last = *difference;
    const struct ax_expr *tree = query->trees[difference->expr];
    struct query alone = { .form = query->form == IN_LAYERS ? AS_SELECT : query->form, .count = 1 };
    struct ax_buf text;
    bool is_alone = differs_alone(trial, tree, query->form, &last);
    if (is_alone) {
        tree = shrink(trial, tree, query->form);
        (void)differs_alone(trial, tree, query->form, &last);
    } else {
        last = *difference;
    }
    alone.trees[0] = tree;
    ax_buf_init(&text, SQL_BYTES_MAX);
    ax_expr_put_text(&text, tree, put_input, NULL);
    print_error("%.*s\n    native %s\n    sql    %s\n", AX_STR_ARG(ax_buf_str(&text)), last.native,
                last.sql);
    print_inputs(trial, tree, last.row);
    ax_buf_reset(&text);
    print_query(is_alone ? &alone : query, &text);
    print_error("    %.*s\n", AX_STR_ARG(ax_str_cut(ax_buf_str(&text), is_alone ? 1500 : 60000)));
    ax_buf_done(&text);
}

/* ---- the text of a tree ---- */

static void read_back(struct trial *trial, const struct ax_expr *tree)
{
    struct ax_scope_column columns[DATA_COLUMNS];
    struct ax_scope scope = { .columns = columns, .column_count = DATA_COLUMNS };
    struct ax_parsed parsed;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    struct ax_buf again;
    size_t at = 0;
    for (size_t i = 0; i < DATA_COLUMNS; i++)
        columns[i] = (struct ax_scope_column){ ax_str_from(data_name(i)), data_type(i), false };
    ax_buf_init(&text, SQL_BYTES_MAX);
    ax_buf_init(&again, SQL_BYTES_MAX);
    ax_expr_put_text(&text, tree, put_input, NULL);
    enum ax_code code =
        ax_expr_parse(ax_buf_str(&text), &scope, &trial->trees.arena, &parsed, &at, &err);
    if (code && code != AX_E_TOO_LARGE)
        fail_msg("%.*s: at %zu: %s", AX_STR_ARG(ax_buf_str(&text)), at, err.msg);
    if (!code) {
        ax_expr_put_text(&again, parsed.root, put_input, NULL);
        if (!ax_expr_equals(parsed.root, tree) ||
            !ax_str_equals(ax_buf_str(&text), ax_buf_str(&again)))
            fail_msg("%.*s is read as %.*s", AX_STR_ARG(ax_buf_str(&text)),
                     AX_STR_ARG(ax_buf_str(&again)));
        trial->read_back++;
    }
    ax_buf_done(&text);
    ax_buf_done(&again);
}

/* ---- the test ---- */

static void enter_rows(struct trial *trial)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    if (trial->table.data) {
        ax_sql_remove_table(trial->sql, &trial->table.base);
        edge_data_done(&trial->data);
    }
    edge_data_init(&trial->data, &trial->trees.random);
    random_table_init(&trial->table, &trial->data);
    ax_buf_init(&text, SQL_BYTES_MAX);
    for (size_t i = 0; i < DATA_COLUMNS; i++) {
        ax_buf_printf(&text, i ? ", " : "CREATE OR REPLACE TABLE entered AS SELECT ");
        ax_storage_put_sql(&text, ax_type_storage(data_type(i)), ax_str_from(data_name(i)),
                           AX_SQL_DUCKDB);
        ax_buf_printf(&text, " AS %s", data_name(i));
    }
    ax_buf_printf(&text, " FROM random_rows()");
    if (ax_sql_add_table(trial->sql, &trial->table.base, &err) ||
        ax_sql_run(trial->sql, ax_buf_str(&text), &err))
        fail_msg("%s", err.msg);
    ax_buf_done(&text);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static int setup(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct trial *trial = ax_xalloc(sizeof(*trial));
    struct ax_sql_config config = { .threads = 1 };
    trial->seed = number_of("AX_EXPR_SEED", 1);
    random_trees_init(&trial->trees, trial->seed);
    ax_arena_init(&trial->arena, 1 << 20, 1 << 28);
    if (ax_sql_open(&config, &trial->sql, &err) || ax_expr_register(trial->sql, &err))
        fail_msg("%s", err.msg);
    enter_rows(trial);
    *state = trial;
    return 0;
}

static int teardown(void **state)
{
    struct trial *trial = *state;
    ax_sql_close(trial->sql);
    ax_program_free(trial->program);
    edge_data_done(&trial->data);
    random_trees_done(&trial->trees);
    ax_arena_done(&trial->arena);
    free(trial);
    return 0;
}

/* What enters is the same on both sides: NaN, -0, extremes, nulls, lists of such. */
static void rows_enter_alike(void **state)
{
    struct trial *trial = *state;
    struct ax_expr inputs[DATA_COLUMNS];
    for (size_t i = 0; i < DATA_COLUMNS; i++) {
        struct difference difference;
        inputs[i] = (struct ax_expr){ .kind = AX_EXPR_INPUT, .type = data_type(i), .input = i };
        if (differs_alone(trial, &inputs[i], AS_SELECT, &difference))
            fail_msg("%s: row %zu: native %s, sql %s", data_name(i), difference.row,
                     difference.native, difference.sql);
    }
}

/* And of what is stored narrower than it is computed with. */
static void stored_values_enter(void **state)
{
    struct trial *trial = *state;
    static const struct {
        const char *stored; /* column "x" */
        struct ax_storage storage;
        const char *want;
    } cases[] = {
        { "CAST('NaN' AS FLOAT)", { AX_STORAGE_FLOAT32, false }, "null" },
        { "CAST('-0.0' AS FLOAT)", { AX_STORAGE_FLOAT32, false }, "0" },
        { "CAST(0.1 AS FLOAT)", { AX_STORAGE_FLOAT32, false }, "0.10000000149011612" },
        { "CAST('-inf' AS DOUBLE)", { AX_STORAGE_FLOAT64, false }, "-inf" },
        { "CAST(NULL AS DOUBLE)", { AX_STORAGE_FLOAT64, false }, "null" },
        { "CAST(['0.5', 'NaN', NULL, '-0.0'] AS FLOAT[])",
          { AX_STORAGE_FLOAT32, true },
          "[0.5, null, null, 0]" },
        { "CAST(NULL AS DOUBLE[])", { AX_STORAGE_FLOAT64, true }, "null" },
        { "CAST(-7 AS INTEGER)", { AX_STORAGE_INT32, false }, "-7" },
        { "CAST([1, NULL] AS INTEGER[])", { AX_STORAGE_INT32, true }, "[1, null]" },
        { "TIMESTAMP '1970-01-02'", { AX_STORAGE_TIMESTAMP, false }, "86400000000" },
        { "CAST(5 AS BIGINT)", { AX_STORAGE_DURATION, false }, "5" },
        { "'it''s'", { AX_STORAGE_STRING, false }, "'it's'" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_sql_stream *stream = NULL;
        struct ax_sql_chunk chunk;
        struct ax_values values;
        struct ax_buf text;
        char printed[400];
        ax_buf_init(&text, SQL_BYTES_MAX);
        ax_arena_reset(&trial->arena);
        ax_buf_printf(&text, "SELECT ");
        ax_storage_put_sql(&text, cases[i].storage, AX_STR("x"), AX_SQL_DUCKDB);
        ax_buf_printf(&text, " FROM (SELECT unnest([%s]) AS x)", cases[i].stored);
        if (ax_sql_query(trial->sql, ax_buf_str(&text), &stream, &err) ||
            ax_sql_stream_next(stream, &chunk, &err))
            fail_msg("%s: %s", cases[i].stored, err.msg);
        as_values(&chunk.columns[0], ax_storage_type(cases[i].storage), 1, &trial->arena, &values);
        print_into(printed, &values, 0);
        assert_string_equal(printed, cases[i].want);
        assert_false(values.type.kind == AX_TYPE_FLOAT64 && !values.type.is_list &&
                     signbit(values.f64s[0]) && values.f64s[0] == 0);
        ax_sql_stream_free(stream);
        ax_buf_done(&text);
    }
}

static struct random_function *next_root(struct trial *trial)
{
    return &trial->trees.functions[trial->turn++ % trial->trees.function_count];
}

static const struct ax_expr *make_call(struct trial *trial, struct random_function *root,
                                       unsigned depth)
{
    const struct ax_expr *call = random_call(&trial->trees, root, depth);
    if (!call)
        fail_msg("no literals were found that '%s' takes", root->function->name);
    return call;
}

/* Trees with arguments of their own. */
static void make_whole(struct trial *trial, struct query *query)
{
    for (; query->count < WHOLE_A_QUERY; query->count++) {
        struct random_function *root = next_root(trial);
        query->roots[query->count] = root;
        query->trees[query->count] =
            make_call(trial, root, (unsigned)ax_random_below(&trial->trees.random, DEPTH_MAX));
    }
}

/* A tree of the layers below that has this type, three times of four where a few tries find one. */
static bool find_below(struct trial *trial, const struct query *query, size_t below,
                       struct ax_type type, size_t *ret)
{
    struct ax_random *random = &trial->trees.random;
    if (!below || ax_random_below(random, 4) == 0)
        return false;
    for (unsigned tries = 0; tries < 40; tries++) {
        *ret = ax_random_below(random, below);
        if (ax_type_equals(query->trees[*ret]->type, type))
            return true;
    }
    return false;
}

/* Put trees of the layers below into the places of a call's arguments: as they are, and as the
 * inputs that they are in the query's SQL. Constants that a function asks for stay. */
static void build_on(struct trial *trial, struct query *query, size_t index, size_t below)
{
    struct random_trees *trees = &trial->trees;
    struct ax_expr tree = *query->trees[index];
    struct ax_expr call = tree;
    const struct ax_expr **whole = ax_arena_alloc(&trees->arena, tree.arg_count, sizeof(void *));
    const struct ax_expr **named = ax_arena_alloc(&trees->arena, tree.arg_count, sizeof(void *));
    for (size_t i = 0; i < tree.arg_count; i++) {
        size_t found = 0;
        whole[i] = named[i] = tree.args[i];
        bool fixed = i < 32 && (tree.function->literals >> i & 1);
        if (fixed || !find_below(trial, query, below, tree.args[i]->type, &found))
            continue;
        whole[i] = query->trees[found];
        named[i] = keep_expr(trees, (struct ax_expr){ .kind = AX_EXPR_INPUT,
                                                      .type = whole[i]->type,
                                                      .input = DATA_COLUMNS + found });
    }
    tree.args = whole;
    call.args = named;
    query->trees[index] = keep_expr(trees, tree);
    query->calls[index] = keep_expr(trees, call);
}

static void make_layers(struct trial *trial, struct query *query)
{
    static const size_t ends[LAYERS] = { TREES_A_QUERY / 2, TREES_A_QUERY * 4 / 5, TREES_A_QUERY };
    memcpy(query->layer_ends, ends, sizeof(ends));
    for (size_t layer = 0; layer < LAYERS; layer++) {
        for (; query->count < ends[layer]; query->count++) {
            query->roots[query->count] = next_root(trial);
            query->trees[query->count] = make_call(trial, query->roots[query->count], 0);
            build_on(trial, query, query->count, layer ? ends[layer - 1] : 0);
        }
    }
}

static void count_values(struct random_function *const *roots, const struct ax_values *outputs,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t row = 0; row < DATA_ROWS; row++)
            roots[i]->values += !ax_values_is_null(&outputs[i], row);
}

static void note_columns(const struct query *query)
{
    for (size_t i = 0; i < query->count; i++)
        for (size_t k = 0; k < query->trees[i]->arg_count && k < 32; k++)
            if (query->trees[i]->args[k]->kind == AX_EXPR_INPUT)
                query->roots[i]->columns |= UINT32_C(1) << k;
}

/* Parameters that take columns, and never had one. */
static unsigned parameters_missing(const struct random_function *function)
{
    unsigned missing = 0;
    for (size_t i = 0; i < function->function->param_count && i < 32; i++)
        missing += !((function->function->literals | function->columns) >> i & 1);
    return missing;
}

static void check_counts(const struct trial *trial, uint64_t trees)
{
    size_t least = (size_t)(trees / trial->trees.function_count / 2);
    size_t missing = 0;
    for (size_t i = 0; i < trial->trees.function_count; i++) {
        const struct random_function *function = &trial->trees.functions[i];
        if (function->made >= least && function->values > 0 && !parameters_missing(function))
            continue;
        print_error("'%s' (T is %s) stood in %zu trees and gave %zu values; %u of its parameters "
                    "never had a column\n",
                    function->function->name, ax_type_name((struct ax_type){ function->t, false }),
                    function->made, function->values, parameters_missing(function));
        missing++;
    }
    assert_int_equal(missing, 0);
}

/* Returns whether nothing differed. */
static bool compare_query(struct trial *trial, enum query_form form)
{
    struct query query = { .form = form };
    struct ax_values outputs[TREES_A_QUERY];
    struct difference difference;
    ax_arena_reset(&trial->trees.arena);
    if (form == IN_LAYERS)
        make_layers(trial, &query);
    else
        make_whole(trial, &query);
    for (size_t i = 0; i < query.count; i++)
        read_back(trial, query.trees[i]);
    if (differ(trial, &query, outputs, &difference)) {
        show(trial, &query, &difference);
        return false;
    }
    count_values(query.roots, outputs, query.count);
    note_columns(&query);
    trial->compared += query.count;
    return true;
}

/* All data have the same number of trees, so that one can begin anywhere. */
static void native_is_sql(void **state)
{
    struct trial *trial = *state;
    uint64_t wanted = number_of("AX_EXPR_TREES", TREES);
    uint64_t from = number_of("AX_EXPR_FROM", 0);
    uint64_t worse_max = number_of("AX_EXPR_SHOWN", WORSE_MAX);
    uint64_t worse = 0;
    for (uint64_t data = from; trial->compared < wanted && worse < worse_max; data++) {
        ax_random_init(&trial->trees.random, trial->seed, data);
        trial->turn = (size_t)(data * TREES_A_DATA);
        enter_rows(trial);
        for (size_t i = 0; i < QUERIES_A_DATA; i++) {
            enum query_form whole = data % 2 ? AS_EXPRESSIONS : AS_SELECT;
            worse += !compare_query(trial, i % WHOLE_EVERY ? IN_LAYERS : whole);
        }
        if ((data - from) % DATA_A_MESSAGE == DATA_A_MESSAGE - 1)
            print_message("%zu trees; AX_EXPR_SEED=%llu AX_EXPR_FROM=%llu goes on\n",
                          trial->compared, (unsigned long long)trial->seed,
                          (unsigned long long)data + 1);
    }
    assert_int_equal(worse, 0);
    check_counts(trial, trial->compared);
    print_message("%zu trees of %zu functions compared, %zu texts read back\n", trial->compared,
                  trial->trees.function_count, trial->read_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_enter_alike),
        cmocka_unit_test(stored_values_enter),
        cmocka_unit_test(native_is_sql),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

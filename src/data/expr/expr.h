/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions: from text to a typed tree.
 *
 * The language is told in docs/internals/expressions.md, its functions in docs/functions.md. One
 * parser and one tree serve all: native evaluation (data/expr/program.h), SQL of other engines
 * (data/expr/expr_sql.h), and text again (data/expr/expr_text.h). Names are resolved and types are
 * checked while parsing, so a tree is always well typed. Trees live in the caller's arena and are
 * immutable.
 *
 * Bounds: text 8 KiB, 1,024 nodes, depth 64, 1,024 arguments of one call.
 */
#ifndef AX_DATA_EXPR_EXPR_H
#define AX_DATA_EXPR_EXPR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "data/expr/type.h"

#define AX_EXPR_TEXT_BYTES_MAX ((size_t)8 << 10)
#define AX_EXPR_NODES_MAX      1024
#define AX_EXPR_DEPTH_MAX      64
#define AX_EXPR_ARGUMENTS_MAX  1024

struct ax_function;

enum ax_expr_kind {
    AX_EXPR_LITERAL,
    AX_EXPR_INPUT, /* a column of the scope; in a windowed expression the result of an aggregate */
    AX_EXPR_CALL,  /* operators, case, in, casts are calls too */
};

union ax_literal {
    bool truth;
    int64_t i64; /* INT64, TIMESTAMP, DURATION */
    double f64;  /* finite */
    struct ax_str text;
};

struct ax_expr {
    enum ax_expr_kind kind;
    struct ax_type type;
    size_t at;                          /* byte of the text where it stands, for messages */
    bool is_null;                       /* of a LITERAL */
    union ax_literal literal;           /* of a LITERAL that is not null; never a list */
    size_t input;                       /* of an INPUT: its index */
    const struct ax_function *function; /* of a CALL */
    const struct ax_expr *const *args;  /* of a CALL */
    size_t arg_count;
};

/* Aggregates over events: agg(value) [filter (where cond)] over W [hop H]. */
#define AX_AGGREGATE_LIST(X)              \
    X(COUNT, "count")                     \
    X(SUM, "sum")                         \
    X(AVG, "avg")                         \
    X(MIN, "min")                         \
    X(MAX, "max")                         \
    X(STDDEV, "stddev")                   \
    X(VAR, "var")                         \
    X(FIRST, "first")                     \
    X(LAST, "last")                       \
    X(LAST_N, "last_n")                   \
    X(COUNT_DISTINCT, "count_distinct")   \
    X(APPROX_QUANTILE, "approx_quantile") \
    X(TOP_K, "top_k")

enum ax_aggregate_kind {
#define X(name, text) AX_AGGREGATE_##name,
    AX_AGGREGATE_LIST(X)
#undef X
        AX_AGGREGATE_COUNT_OF
};

const char *ax_aggregate_name(enum ax_aggregate_kind kind) AX_RETURNS_NONNULL;

struct ax_aggregate {
    enum ax_aggregate_kind kind;
    const struct ax_expr *value;  /* over the scope's columns; NULL: count(*) */
    const struct ax_expr *filter; /* bool over the scope's columns, or NULL: all */
    int64_t n;                    /* of last_n(x, n) and top_k(x, k): 1 to 1,024 */
    double quantile;              /* of approx_quantile(x, q): 0 to 1 */
    int64_t window_us;            /* (at - window, at]; 1 s to 400 d */
    int64_t hop_us;               /* 0: exact */
    struct ax_type type;          /* of the result */
};

/* What names mean. Columns are told apart by case; input i is column i. */
struct ax_scope_column {
    struct ax_str name;
    struct ax_type type;
    bool is_bytes; /* may only be passed on as it is */
};

struct ax_scope {
    const struct ax_scope_column *columns;
    size_t column_count;
    const struct ax_map
        *indexes;        /* name -> its struct ax_scope_column; NULL: searched one by one */
    bool has_aggregates; /* aggregates are allowed */
    /* Other names are columns too, of any type. What is made of one is null without a type, in
     * whose stead nothing is checked but how it is written. */
    bool is_open;
};

/* A parsed expression. With aggregates, `root` reads their results as inputs 0, 1, …, and no column
 * stands outside of one; the same aggregate twice is one. */
struct ax_parsed {
    const struct ax_expr *root;
    const struct ax_aggregate *aggregates;
    size_t aggregate_count;
};

/* Parse `text`. On failure *ret_at is the byte where it went wrong; messages say what was found,
 * what was expected and the nearest known name. The text itself need not outlive the tree.
 * Expected: INVALID, TOO_LARGE (a bound above), LIMIT. */
AX_MUST_USE enum ax_code ax_expr_parse(struct ax_str text, const struct ax_scope *scope,
                                       struct ax_arena *arena, struct ax_parsed *ret,
                                       size_t *ret_at, struct ax_err *err);

/* The same tree with an implicit conversion to `type` where there is one (int64 to float64, and
 * null to anything). INVALID: "is string; float64 is expected". */
AX_MUST_USE enum ax_code ax_expr_convert(const struct ax_expr *expr, struct ax_type type,
                                         struct ax_arena *arena, const struct ax_expr **ret,
                                         struct ax_err *err);

/* Set used[i] for every input that the tree reads. */
void ax_expr_inputs(const struct ax_expr *expr, bool *used);

/* A duration as it is written after `over`: "90s", "15m", "24h", "7d" (d is 86,400 s), "500ms".
 * INVALID otherwise. */
AX_MUST_USE enum ax_code ax_duration_parse(struct ax_str text, int64_t *ret_us, struct ax_err *err);

#endif

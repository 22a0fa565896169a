/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of functions: everything that a call in an expression can be.
 *
 * One entry an overload. An entry says what the parser needs (name, parameter types), how to
 * evaluate natively (a kernel over columns), how DuckDB says the same (a template), and what the
 * reference page says (docs/functions.md is printed from here, and its examples are tests). Tables
 * stand in functions_*.c by group; operators, case, in, casts are entries like any other, under the
 * names in quotes below.
 *
 * Kernels are total: overflow, division by zero, a domain error, a failed cast are null, never an
 * error; a result is never NaN, is infinite only if an argument was, and -0 becomes 0. A kernel
 * does not allocate per row, and what it allocates is the call's arena's.
 */
#ifndef AX_DATA_EXPR_FUNCTION_H
#define AX_DATA_EXPR_FUNCTION_H

#include "base/buf.h"
#include "data/expr/expr.h"
#include "data/expr/values.h"

/* A parameter's type: a type, or T, which is any scalar type, the same one everywhere in the entry
 * (int64 and float64 together are float64). */
enum ax_param {
    AX_PARAM_BOOL = AX_TYPE_BOOL,
    AX_PARAM_INT64 = AX_TYPE_INT64,
    AX_PARAM_FLOAT64 = AX_TYPE_FLOAT64,
    AX_PARAM_STRING = AX_TYPE_STRING,
    AX_PARAM_TIMESTAMP = AX_TYPE_TIMESTAMP,
    AX_PARAM_DURATION = AX_TYPE_DURATION,
    AX_PARAM_T,
    AX_PARAM_LIST_BOOL, /* in the order of the types above */
    AX_PARAM_LIST_INT64,
    AX_PARAM_LIST_FLOAT64,
    AX_PARAM_LIST_STRING,
    AX_PARAM_LIST_TIMESTAMP,
    AX_PARAM_LIST_DURATION,
    AX_PARAM_LIST_T,
};

struct ax_call {
    size_t rows;
    const struct ax_values *const *args;
    size_t arg_count;
    struct ax_values *out; /* made by ax_values_init; of a list: spans, items are the kernel's */
    struct ax_arena *arena;
    const void *state; /* from `prepare` */
};

/* Fill call->out. Rows in which an argument is null are null already (unless the entry sees nulls),
 * and their arguments hold a harmless value that may be computed with. Expected: TOO_LARGE, LIMIT
 * (the arena). */
typedef enum ax_code (*ax_function_fn)(struct ax_call *call, struct ax_err *err);

struct ax_function_example {
    const char *text;  /* an expression without columns */
    const char *value; /* what `auspex eval` prints for it */
};

enum ax_function_group {
    AX_FUNCTIONS_OPERATOR, /* arithmetic, comparison, logic, case, casts */
    AX_FUNCTIONS_MATH,
    AX_FUNCTIONS_STRING,
    AX_FUNCTIONS_TIME,
    AX_FUNCTIONS_GEO,
    AX_FUNCTIONS_HASH,
    AX_FUNCTIONS_LIST,
    AX_FUNCTIONS_JSON,
    AX_FUNCTIONS_GROUP_COUNT
};

#define AX_FUNCTION_PARAMS_MAX   6
#define AX_FUNCTION_EXAMPLES_MAX 3

struct ax_function {
    const char *name; /* "round"; "+", "and", "case", "in", "[]", "cast:int64" */
    enum ax_param params[AX_FUNCTION_PARAMS_MAX];
    size_t param_count;
    size_t repeated; /* the last so many parameters may come any number of times more */
    enum ax_param result;
    bool sees_nulls;   /* the kernel decides about nulls: coalesce, and, is null */
    unsigned literals; /* bit i: argument i must be a literal that is not null */
    ax_function_fn run;
    /* What literal arguments are made into once (a compiled pattern, a time zone), and its end.
     * Both NULL: nothing. The state is immutable and shared by threads. Expected: INVALID (the
     * pattern, the zone), TOO_LARGE. A state may be NULL, which `release` takes too. */
    enum ax_code (*prepare)(const struct ax_expr *call, void **ret_state, struct ax_err *err);
    void (*release)(void *state);
    size_t state_replaces; /* where there is a state, arguments from this one on are not given to
                              the kernel; 0: all are */
    /* DuckDB: a template in which $1, $2, … are the arguments, each in parentheses already, and $*
     * is all of them with commas; or a printer for what no template can say. Both NULL: DuckDB has
     * no such function, and ours is registered there under ax_<name>. The type of what the template
     * gives is cast to the result's. */
    const char *duckdb;
    void (*put_duckdb)(struct ax_buf *out, const struct ax_expr *call,
                       const struct ax_buf *args); /* args[i]: the SQL of argument i */
    const char *about;                             /* one sentence */
    struct ax_function_example examples[AX_FUNCTION_EXAMPLES_MAX];
};

/* The tables of a group; `*ret_count` entries. */
const struct ax_function *ax_functions(enum ax_function_group group, size_t *ret_count);
const char *ax_function_group_name(enum ax_function_group group) AX_RETURNS_NONNULL;

/* One table a group, each in its functions_*.c. */
extern const struct ax_function ax_functions_operator[];
extern const struct ax_function ax_functions_math[];
extern const struct ax_function ax_functions_string[];
extern const struct ax_function ax_functions_time[];
extern const struct ax_function ax_functions_geo[];
extern const struct ax_function ax_functions_hash[];
extern const struct ax_function ax_functions_list[];
extern const struct ax_function ax_functions_json[];
extern const size_t ax_functions_operator_count, ax_functions_math_count, ax_functions_string_count,
    ax_functions_time_count, ax_functions_geo_count, ax_functions_hash_count,
    ax_functions_list_count, ax_functions_json_count;

/* Whether a function is called so; operators and the like are not. */
bool ax_function_is_known(struct ax_str name);

/* Fail as a call of a function that is not there: "no function 'rond'; nearest is 'round'". Where
 * aggregates are allowed, they are near too. */
enum ax_code ax_function_fail_unknown(struct ax_str name, bool with_aggregates, struct ax_err *err);

/* The overload of `name` for arguments of these types: an exact one, else the one with the fewest
 * conversions of int64 to float64. `is_null[i]`: argument i is the literal null and takes any type.
 * *ret_types are the types that the arguments are to be converted to, *ret_type that of the result.
 * Expected: INVALID: "no function 'rond'; nearest is 'round'", "round(string) is not there; there
 * is round(float64), round(float64, int64)". */
AX_MUST_USE enum ax_code ax_function_find(struct ax_str name, const struct ax_type *types,
                                          const bool *is_null, size_t count,
                                          const struct ax_function **ret_function,
                                          struct ax_type *ret_types, struct ax_type *ret_type,
                                          struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that DuckDB lacks, registered there: each is a program of one call.
 *
 * One function of DuckDB's for each entry without SQL and each type that its T may be, under a name
 * that tells the types, since int64 and duration are the same type there. A program is made when
 * the first chunk shows what the literal arguments are, which are the same in all rows, and again
 * if another chunk shows others. The list of what is registered is made once a process.
 */
#include "data/expr/expr_sql.h"

#include "base/alloc.h"
#include "base/sql_function.h"
#include "data/expr/function.h"
#include "data/expr/program.h"
#include "data/expr/values_sql.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define NAME_BYTES_MAX   200
#define CALL_BYTES_FIRST ((size_t)256 << 10)
#define CALL_BYTES_MAX   ((size_t)1 << 30)

struct registered {
    struct ax_sql_function base;
    const struct ax_function *function;
    struct ax_type types[AX_FUNCTION_PARAMS_MAX];
    struct ax_type result;
    struct ax_sql_kind kinds[AX_FUNCTION_PARAMS_MAX];
};

struct registered_call {
    struct ax_sql_call base;
    struct ax_program *program;
    struct ax_arena arena; /* of a run */
    struct ax_arena texts; /* of the literals that the program was made with */
    union ax_literal literals[AX_FUNCTION_PARAMS_MAX];
};

static struct ax_sql_kind kind_of(struct ax_type type)
{
    static const enum ax_sql_type types[AX_TYPE_COUNT] = {
        [AX_TYPE_BOOL] = AX_SQL_BOOL,           [AX_TYPE_INT64] = AX_SQL_I64,
        [AX_TYPE_FLOAT64] = AX_SQL_F64,         [AX_TYPE_STRING] = AX_SQL_TEXT,
        [AX_TYPE_TIMESTAMP] = AX_SQL_TIMESTAMP, [AX_TYPE_DURATION] = AX_SQL_I64,
    };
    enum ax_sql_type scalar = types[type.kind];
    return (struct ax_sql_kind){ type.is_list ? AX_SQL_LIST : scalar, scalar };
}

/* ---- literal arguments ---- */

static bool is_literal(const struct registered *registered, size_t i)
{
    return registered->function->literals >> i & 1;
}

static union ax_literal first_value(const struct ax_sql_column *column)
{
    switch (column->type) {
    case AX_SQL_BOOL:
        return (union ax_literal){ .truth = column->bools[0] };
    case AX_SQL_F64:
        return (union ax_literal){ .f64 = column->f64s[0] };
    case AX_SQL_TEXT:
        return (union ax_literal){ .text = column->texts[0] };
    case AX_SQL_BYTES:
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
    case AX_SQL_LIST:
        break;
    }
    return (union ax_literal){ .i64 = column->i64s[0] };
}

static bool is_same(const struct ax_sql_column *column, union ax_literal literal)
{
    union ax_literal value = first_value(column);
    if (column->type == AX_SQL_TEXT)
        return ax_str_equals(value.text, literal.text);
    return column->type == AX_SQL_BOOL ? value.truth == literal.truth : value.i64 == literal.i64;
}

/* Whether the program has the literals of this chunk. */
static bool program_fits(const struct registered *registered, const struct registered_call *call,
                         const struct ax_sql_chunk *in)
{
    for (size_t i = 0; call->program && i < registered->function->param_count; i++)
        if (is_literal(registered, i) && !is_same(&in->columns[i], call->literals[i]))
            return false;
    return call->program;
}

static enum ax_code keep_literal(struct registered_call *call, size_t i,
                                 const struct ax_sql_column *column, struct ax_err *err)
{
    if (ax_sql_is_null(column, 0))
        return ax_fail(err, AX_E_INVALID, "argument %zu of %s is null", i + 1,
                       call->base.function->name);
    call->literals[i] = first_value(column);
    if (column->type != AX_SQL_TEXT)
        return AX_OK;
    const char *copy = ax_arena_strdup(&call->texts, call->literals[i].text);
    if (!copy)
        return ax_arena_fail(&call->texts, "a constant", err);
    call->literals[i].text.ptr = copy;
    return AX_OK;
}

static enum ax_code make_program(const struct registered *registered, struct registered_call *call,
                                 const struct ax_sql_chunk *in, struct ax_err *err)
{
    struct ax_expr args[AX_FUNCTION_PARAMS_MAX] = { 0 };
    const struct ax_expr *pointers[AX_FUNCTION_PARAMS_MAX];
    struct ax_expr root = { .kind = AX_EXPR_CALL,
                            .type = registered->result,
                            .function = registered->function,
                            .args = pointers,
                            .arg_count = registered->function->param_count };
    ax_program_free(call->program);
    call->program = NULL;
    ax_arena_reset(&call->texts);
    for (size_t i = 0; i < root.arg_count; i++) {
        args[i] =
            (struct ax_expr){ .kind = is_literal(registered, i) ? AX_EXPR_LITERAL : AX_EXPR_INPUT,
                              .type = registered->types[i],
                              .input = i };
        pointers[i] = &args[i];
        if (is_literal(registered, i) && keep_literal(call, i, &in->columns[i], err))
            return err->code;
        args[i].literal = call->literals[i];
    }
    return ax_program_new(&(const struct ax_expr *){ &root }, 1, &call->program, err);
}

/* ---- columns ---- */

static struct ax_sql_column borrow_values(const struct ax_values *values)
{
    return (struct ax_sql_column){ .type = kind_of(values->type).type,
                                   .i64s = values->data,
                                   .validity = values->validity };
}

static enum ax_code write_column(const struct ax_values *values, struct ax_arena *arena,
                                 struct ax_sql_column *ret, struct ax_err *err)
{
    *ret = borrow_values(values);
    if (!values->type.is_list)
        return AX_OK;
    struct ax_sql_list *lists = ax_arena_alloc(arena, values->rows, sizeof(*lists));
    struct ax_sql_column *items = ax_arena_alloc(arena, 1, sizeof(*items));
    if (!lists || !items)
        return ax_arena_fail(arena, "the lists of a query", err);
    for (size_t row = 0; row < values->rows; row++)
        lists[row] = (struct ax_sql_list){ values->spans[row].from, values->spans[row].count };
    *items = borrow_values(values->items);
    ret->lists = lists;
    ret->items = items;
    return AX_OK;
}

/* ---- calls ---- */

static struct ax_sql_call *registered_call_new(const struct ax_sql_function *function)
{
    (void)function;
    struct registered_call *call = ax_xalloc(sizeof(*call));
    ax_arena_init(&call->arena, CALL_BYTES_FIRST, CALL_BYTES_MAX);
    ax_arena_init(&call->texts, 1024, CALL_BYTES_MAX);
    return &call->base;
}

static void registered_call_free(struct ax_sql_call *base)
{
    struct registered_call *call = container_of(base, struct registered_call, base);
    ax_program_free(call->program);
    ax_arena_done(&call->arena);
    ax_arena_done(&call->texts);
    free(call);
}

static enum ax_code registered_call_run(struct ax_sql_call *base, const struct ax_sql_chunk *in,
                                        struct ax_sql_column *ret_result, struct ax_err *err)
{
    struct registered_call *call = container_of(base, struct registered_call, base);
    const struct registered *registered =
        container_of_const(base->function, struct registered, base);
    struct ax_values values[AX_FUNCTION_PARAMS_MAX];
    const struct ax_values *inputs[AX_FUNCTION_PARAMS_MAX];
    struct ax_values result;
    if (!program_fits(registered, call, in) && make_program(registered, call, in, err))
        return err->code;
    ax_arena_reset(&call->arena);
    for (size_t i = 0; i < registered->function->param_count; i++) {
        inputs[i] = &values[i];
        if (ax_values_read_sql(&in->columns[i], registered->types[i], in->rows, &call->arena,
                               &values[i], err))
            return err->code;
    }
    if (ax_program_run(call->program, inputs, in->rows, &call->arena, &result, err))
        return err->code;
    return write_column(&result, &call->arena, ret_result, err);
}

/* ---- the list ---- */

static struct registered *registered_list; /* by registered_once, and never changed again */
static size_t registered_count;
static pthread_once_t registered_once = PTHREAD_ONCE_INIT;

static bool is_generic(enum ax_param param)
{
    return param == AX_PARAM_T || param == AX_PARAM_LIST_T;
}

static struct ax_type type_of(enum ax_param param, enum ax_type_kind t)
{
    if (is_generic(param))
        return (struct ax_type){ t, param == AX_PARAM_LIST_T };
    bool is_list = param >= AX_PARAM_LIST_BOOL;
    return (struct ax_type){ (enum ax_type_kind)(is_list ? param - AX_PARAM_LIST_BOOL : param),
                             is_list };
}

static void add_registered(const struct ax_function *function, enum ax_type_kind t)
{
    struct ax_buf name;
    registered_list = ax_xrealloc(registered_list, registered_count + 1, sizeof(*registered_list));
    struct registered *made = &registered_list[registered_count++];
    *made = (struct registered){ .function = function, .result = type_of(function->result, t) };
    for (size_t i = 0; i < function->param_count; i++) {
        made->types[i] = type_of(function->params[i], t);
        made->kinds[i] = kind_of(made->types[i]);
    }
    ax_buf_init(&name, NAME_BYTES_MAX);
    ax_expr_put_registered(&name, function, made->types, function->param_count);
    assert(!name.failed && name.len > 2);
    made->base = (struct ax_sql_function){ .name = ax_xmemdup0(name.ptr + 1, name.len - 2),
                                           .parameter_count = function->param_count,
                                           .result = kind_of(made->result),
                                           .sees_nulls = function->sees_nulls,
                                           .call_new = registered_call_new,
                                           .call_run = registered_call_run,
                                           .call_free = registered_call_free };
    ax_buf_done(&name);
}

static void add_function(const struct ax_function *function)
{
    bool generic = is_generic(function->result);
    for (size_t i = 0; i < function->param_count; i++)
        generic |= is_generic(function->params[i]);
    assert(!function->repeated); /* DuckDB's names tell how many arguments there are */
    for (size_t t = 0; t < (generic ? AX_TYPE_COUNT : 1); t++)
        add_registered(function, (enum ax_type_kind)t);
}

static void make_list(void)
{
    for (size_t group = 0; group < AX_FUNCTIONS_GROUP_COUNT; group++) {
        size_t count = 0;
        const struct ax_function *functions = ax_functions((enum ax_function_group)group, &count);
        for (size_t i = 0; i < count; i++)
            if (!functions[i].duckdb && !functions[i].put_duckdb)
                add_function(&functions[i]);
    }
    for (size_t i = 0; i < registered_count; i++)
        registered_list[i].base.parameters = registered_list[i].kinds;
}

enum ax_code ax_expr_register(struct ax_sql *sql, struct ax_err *err)
{
    assert(sql && err);
    pthread_once(&registered_once, make_list);
    for (size_t i = 0; i < registered_count; i++)
        if (ax_sql_add_function(sql, &registered_list[i].base, err))
            return err->code;
    return AX_OK;
}

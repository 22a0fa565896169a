/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of ours in DuckDB.
 *
 * DuckDB's state of a thread holds the call and the views of its arguments. Functions are always
 * registered with "special handling" of nulls, which means none: the rule that null gives null is
 * applied here, over the validity words, so that it holds for constants and columns alike.
 */
#include "base/sql_function.h"

#include "base/alloc.h"

#include <assert.h>
#include <duckdb.h>
#include <stdlib.h>

#include "base/sql_handle.h"

/* What DuckDB keeps of a function. */
struct function_entry {
    struct ax_sql *sql;
    const struct ax_sql_function *function;
};

/* And for each of its threads. */
struct function_state {
    struct ax_sql_call *call;
    struct ax_sql_column *columns;
    struct ax_sql_view *views;
    size_t count;
};

static void state_free(void *data)
{
    struct function_state *state = data;
    for (size_t i = 0; i < state->count; i++)
        ax_sql_view_done(&state->views[i]);
    state->call->function->call_free(state->call);
    free(state->views);
    free(state->columns);
    free(state);
}

static void function_init(duckdb_init_info info)
{
    const struct function_entry *entry = duckdb_scalar_function_init_get_extra_info(info);
    const struct ax_sql_function *function = entry->function;
    size_t count = function->parameter_count;
    struct ax_sql_call *call = function->call_new(function);
    if (!call) {
        struct ax_err err = AX_ERR_INIT;
        (void)ax_fail(&err, AX_E_LIMIT, "no memory to call '%s'", function->name);
        ax_sql_raise(entry->sql, &err);
        duckdb_scalar_function_init_set_error(info, err.msg);
        return;
    }
    call->function = function;
    struct function_state *state = ax_xalloc(sizeof(*state));
    *state = (struct function_state){ .call = call, .count = count };
    state->columns = ax_xalloc(AX_MAX(count, 1) * sizeof(*state->columns));
    state->views = ax_xalloc(AX_MAX(count, 1) * sizeof(*state->views));
    for (size_t i = 0; i < count; i++)
        ax_sql_view_init(&state->views[i], function->parameters[i]);
    duckdb_scalar_function_init_set_state(info, state, state_free);
}

/* A null argument makes the row null. */
static void mask_nulls(const struct ax_sql_chunk *in, size_t column_count, duckdb_vector output)
{
    uint64_t *validity = NULL;
    for (size_t i = 0; i < column_count; i++) {
        if (!in->columns[i].validity)
            continue;
        if (!validity) {
            duckdb_vector_ensure_validity_writable(output);
            validity = duckdb_vector_get_validity(output);
        }
        for (size_t word = 0; word < (in->rows + 63) / 64; word++)
            validity[word] &= in->columns[i].validity[word];
    }
}

static void function_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct function_entry *entry = duckdb_scalar_function_get_extra_info(info);
    struct function_state *state = duckdb_scalar_function_get_state(info);
    struct ax_sql_chunk in = { (size_t)duckdb_data_chunk_get_size(input), state->columns };
    struct ax_sql_column result = { 0 };
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < state->count && !err.code; i++)
        (void)(ax_sql_view_read(&state->views[i], duckdb_data_chunk_get_vector(input, i), in.rows,
                                &state->columns[i], &err) != AX_OK);
    if (err.code || entry->function->call_run(state->call, &in, &result, &err)) {
        ax_sql_raise(entry->sql, &err);
        duckdb_scalar_function_set_error(info, err.msg);
        return;
    }
    assert(result.type == entry->function->result.type);
    ax_sql_column_write(&result, 0, in.rows, output);
    if (!entry->function->sees_nulls)
        mask_nulls(&in, state->count, output);
}

enum ax_code ax_sql_add_function(struct ax_sql *sql, const struct ax_sql_function *function,
                                 struct ax_err *err)
{
    assert(sql && function && function->call_new && function->call_run && function->call_free);
    struct function_entry *entry = ax_xalloc(sizeof(*entry));
    *entry = (struct function_entry){ sql, function };
    duckdb_scalar_function made = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(made, function->name);
    for (size_t i = 0; i < function->parameter_count; i++) {
        duckdb_logical_type type = ax_sql_logical_type(function->parameters[i]);
        duckdb_scalar_function_add_parameter(made, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_logical_type type = ax_sql_logical_type(function->result);
    duckdb_scalar_function_set_return_type(made, type);
    duckdb_destroy_logical_type(&type);
    duckdb_scalar_function_set_special_handling(made);
    duckdb_scalar_function_set_extra_info(made, entry, free);
    duckdb_scalar_function_set_init(made, function_init);
    duckdb_scalar_function_set_function(made, function_run);
    if (duckdb_register_scalar_function(sql->connection, made) == DuckDBError)
        (void)ax_fail(err, AX_E_INTERNAL, "cannot add the function '%s'", function->name);
    duckdb_destroy_scalar_function(&made);
    return err->code;
}

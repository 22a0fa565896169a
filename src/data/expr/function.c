/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which overload a call means.
 *
 * All entries of a name are tried in the order of the table; the one with the fewest conversions of
 * int64 to float64 is taken, the first among equals. T is bound by the arguments that are no bare
 * null: to their one type, or to float64 when they are int64 and float64. There are some hundred
 * entries, and a text has few calls, so they are searched one by one.
 */
#include "data/expr/function.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define NO_COST         SIZE_MAX
#define T_UNKNOWN       AX_TYPE_COUNT
#define MESSAGE_BYTES   200
#define SHOWN_BYTES_MAX 64

static_assert((int)AX_PARAM_T == (int)AX_TYPE_COUNT, "parameters begin with the types");
static_assert((int)AX_PARAM_LIST_T - (int)AX_PARAM_LIST_BOOL == (int)AX_TYPE_COUNT,
              "lists are in the order of the types");

static const struct {
    const char *name;
    const struct ax_function *functions;
    const size_t *count;
} function_groups[AX_FUNCTIONS_GROUP_COUNT] = {
    [AX_FUNCTIONS_OPERATOR] = { "operators", ax_functions_operator, &ax_functions_operator_count },
    [AX_FUNCTIONS_MATH] = { "mathematics", ax_functions_math, &ax_functions_math_count },
    [AX_FUNCTIONS_STRING] = { "strings", ax_functions_string, &ax_functions_string_count },
    [AX_FUNCTIONS_TIME] = { "time", ax_functions_time, &ax_functions_time_count },
    [AX_FUNCTIONS_GEO] = { "geography", ax_functions_geo, &ax_functions_geo_count },
    [AX_FUNCTIONS_HASH] = { "hashes", ax_functions_hash, &ax_functions_hash_count },
    [AX_FUNCTIONS_LIST] = { "lists", ax_functions_list, &ax_functions_list_count },
    [AX_FUNCTIONS_JSON] = { "JSON", ax_functions_json, &ax_functions_json_count },
};

const struct ax_function *ax_functions(enum ax_function_group group, size_t *ret_count)
{
    assert(group < AX_FUNCTIONS_GROUP_COUNT && ret_count);
    *ret_count = *function_groups[group].count;
    return function_groups[group].functions;
}

const char *ax_function_group_name(enum ax_function_group group)
{
    assert(group < AX_FUNCTIONS_GROUP_COUNT);
    return function_groups[group].name;
}

/* The next entry after `*at`, which is begun with 0, over all groups; NULL at the end. */
static const struct ax_function *next_function(size_t *at)
{
    size_t index = (*at)++;
    for (size_t group = 0; group < AX_FUNCTIONS_GROUP_COUNT; group++) {
        if (index < *function_groups[group].count)
            return &function_groups[group].functions[index];
        index -= *function_groups[group].count;
    }
    return NULL;
}

static bool takes_count(const struct ax_function *function, size_t count)
{
    if (count == function->param_count)
        return true;
    return function->repeated && count > function->param_count &&
           (count - function->param_count) % function->repeated == 0;
}

static enum ax_param param_at(const struct ax_function *function, size_t i)
{
    if (i < function->param_count)
        return function->params[i];
    size_t first = function->param_count - function->repeated;
    return function->params[first + (i - first) % function->repeated];
}

/* The type of a parameter when T is `t`. */
static struct ax_type param_type(enum ax_param param, enum ax_type_kind t)
{
    if (param < AX_PARAM_T)
        return (struct ax_type){ (enum ax_type_kind)param, false };
    if (param == AX_PARAM_T)
        return (struct ax_type){ t, false };
    if (param == AX_PARAM_LIST_T)
        return (struct ax_type){ t, true };
    return (struct ax_type){ (enum ax_type_kind)(param - AX_PARAM_LIST_BOOL), true };
}

static bool is_generic(enum ax_param param)
{
    return param == AX_PARAM_T || param == AX_PARAM_LIST_T;
}

/* What T is when an argument of type `kind` comes to those before, of type `t`. */
static enum ax_type_kind bind(enum ax_type_kind t, enum ax_type_kind kind)
{
    if (t == T_UNKNOWN || t == kind)
        return kind;
    return t == AX_TYPE_INT64 && kind == AX_TYPE_FLOAT64 ? kind : t;
}

struct candidate {
    const struct ax_function *function;
    enum ax_type_kind t;
    size_t cost; /* conversions; NO_COST: it does not fit */
};

static struct candidate try_function(const struct ax_function *function,
                                     const struct ax_type *types, const bool *is_null, size_t count)
{
    struct candidate candidate = { function, T_UNKNOWN, NO_COST };
    if (!takes_count(function, count))
        return candidate;
    for (size_t i = 0; i < count; i++)
        if (is_generic(param_at(function, i)) && !is_null[i])
            candidate.t = bind(candidate.t, types[i].kind);
    size_t cost = 0;
    for (size_t i = 0; i < count; i++) {
        struct ax_type wanted = param_type(param_at(function, i), candidate.t);
        if (is_null[i] || ax_type_equals(wanted, types[i]))
            continue;
        if (wanted.is_list || types[i].is_list || wanted.kind != AX_TYPE_FLOAT64 ||
            types[i].kind != AX_TYPE_INT64)
            return candidate;
        cost++;
    }
    candidate.cost = cost;
    return candidate;
}

/* Whether T is asked for, but nothing says what it is. */
static bool is_unbound(const struct candidate *candidate, size_t count)
{
    bool asks = is_generic(candidate->function->result);
    for (size_t i = 0; i < count; i++)
        asks |= is_generic(param_at(candidate->function, i));
    return asks && candidate->t == T_UNKNOWN;
}

static const char *param_name(enum ax_param param)
{
    if (param == AX_PARAM_T)
        return "T";
    return param == AX_PARAM_LIST_T ? "list<T>" : ax_type_name(param_type(param, T_UNKNOWN));
}

/* An operator is shown as it is written: "int64 + int64". */
static bool is_infix(struct ax_str name, size_t count)
{
    char first = name.ptr[0];
    return count == 2 && first != '[' && !(first >= 'a' && first <= 'z');
}

static void put_call(struct ax_buf *out, struct ax_str name, const char *const *words, size_t count)
{
    if (is_infix(name, count)) {
        (void)ax_buf_printf(out, "%s %.*s %s", words[0], AX_STR_ARG(name), words[1]);
        return;
    }
    (void)ax_buf_printf(out, "%.*s(", AX_STR_ARG(name));
    for (size_t i = 0; i < count; i++)
        (void)ax_buf_printf(out, "%s%s", i ? ", " : "", words[i]);
    (void)ax_buf_append_char(out, ')');
}

static void put_signature(struct ax_buf *out, const struct ax_function *function)
{
    const char *words[AX_FUNCTION_PARAMS_MAX + 1];
    size_t count = function->param_count;
    for (size_t i = 0; i < count; i++)
        words[i] = param_name(function->params[i]);
    if (function->repeated)
        words[count++] = "…";
    put_call(out, ax_str_from(function->name), words, count);
}

static enum ax_code fail_types(struct ax_str name, const struct ax_type *types, const bool *is_null,
                               size_t count, struct ax_err *err)
{
    const char *words[AX_FUNCTION_PARAMS_MAX + 1];
    size_t shown = AX_MIN(count, (size_t)AX_FUNCTION_PARAMS_MAX);
    struct ax_buf call;
    struct ax_buf known;
    ax_buf_init(&call, MESSAGE_BYTES);
    ax_buf_init(&known, MESSAGE_BYTES);
    for (size_t i = 0; i < shown; i++)
        words[i] = is_null[i] ? "null" : ax_type_name(types[i]);
    if (shown < count)
        words[shown++] = "…";
    put_call(&call, name, words, shown);
    const struct ax_function *function;
    for (size_t at = 0; (function = next_function(&at));) {
        if (!ax_str_equals_nocase(name, ax_str_from(function->name)))
            continue;
        if (known.len)
            (void)ax_buf_append_str(&known, AX_STR(", "));
        put_signature(&known, function);
    }
    (void)ax_fail(err, AX_E_INVALID, "%.*s is not there; there is %.*s",
                  AX_STR_ARG(ax_buf_str(&call)), AX_STR_ARG(ax_buf_str(&known)));
    ax_buf_done(&call);
    ax_buf_done(&known);
    return err->code;
}

/* Operators and the like have names that nobody writes as a call. */
static bool is_word(const char *name)
{
    return name[0] >= 'a' && name[0] <= 'z' && !strpbrk(name, " :");
}

/* What others call what is here. */
static const struct {
    const char *theirs, *ours;
} other_names[] = {
    { "ceiling", "ceil" },     { "char_length", "length" },
    { "date_add", "+" },       { "datediff", "date_diff" },
    { "if", "case" },          { "ifnull", "coalesce" },
    { "log", "ln" },           { "mod", "%" },
    { "power", "pow" },        { "regexp_like", "regexp_matches" },
    { "substring", "substr" }, { "ucase", "upper" },
};

static const char *find_other_name(struct ax_str name)
{
    for (size_t i = 0; i < AX_COUNT(other_names); i++)
        if (ax_str_equals_nocase(name, ax_str_from(other_names[i].theirs)))
            return other_names[i].ours;
    return NULL;
}

bool ax_function_is_known(struct ax_str name)
{
    const struct ax_function *function;
    for (size_t at = 0; (function = next_function(&at));)
        if (is_word(function->name) && ax_str_equals_nocase(name, ax_str_from(function->name)))
            return true;
    return false;
}

enum ax_code ax_function_fail_unknown(struct ax_str name, bool with_aggregates, struct ax_err *err)
{
    size_t count = AX_AGGREGATE_COUNT_OF;
    const struct ax_function *function;
    struct ax_str shown = ax_str_cut(name, SHOWN_BYTES_MAX);
    const char *ours = find_other_name(name);
    if (ours)
        return ax_fail(err, AX_E_INVALID, "no function '%.*s'; it is called '%s' here",
                       AX_STR_ARG(shown), ours);
    for (size_t at = 0; next_function(&at);)
        count++;
    struct ax_str *names = ax_xalloc(count * sizeof(*names));
    count = 0;
    for (size_t at = 0; (function = next_function(&at));)
        if (is_word(function->name))
            names[count++] = ax_str_from(function->name);
    for (size_t kind = 0; with_aggregates && kind < AX_AGGREGATE_COUNT_OF; kind++)
        names[count++] = ax_str_from(ax_aggregate_name((enum ax_aggregate_kind)kind));
    long nearest = ax_str_nearest(name, names, count);
    if (nearest >= 0)
        (void)ax_fail(err, AX_E_INVALID, "no function '%.*s'; nearest is '%.*s'", AX_STR_ARG(shown),
                      AX_STR_ARG(names[nearest]));
    else
        (void)ax_fail(err, AX_E_INVALID, "no function '%.*s'", AX_STR_ARG(shown));
    free(names);
    return err->code;
}

/* The best overload in a group for these arguments, if it is better than `*best`. Returns whether
 * there is any of that name. */
static bool search_group(size_t group, struct ax_str name, const struct ax_type *types,
                         const bool *is_null, size_t count, struct candidate *best)
{
    const struct ax_function *functions = function_groups[group].functions;
    bool known = false;
    for (size_t i = 0; i < *function_groups[group].count; i++) {
        /* One look at the first letter rules out nearly all. */
        if ((functions[i].name[0] | 0x20) != (name.ptr[0] | 0x20) ||
            !ax_str_equals_nocase(name, ax_str_from(functions[i].name)))
            continue;
        struct candidate candidate = try_function(&functions[i], types, is_null, count);
        known = true;
        if (candidate.cost < best->cost)
            *best = candidate;
    }
    return known;
}

enum ax_code ax_function_find(struct ax_str name, const struct ax_type *types, const bool *is_null,
                              size_t count, const struct ax_function **ret_function,
                              struct ax_type *ret_types, struct ax_type *ret_type,
                              struct ax_err *err)
{
    assert(name.len && (types || !count) && (is_null || !count) && ret_function && ret_type && err);
    struct candidate best = { NULL, T_UNKNOWN, NO_COST };
    bool known = false;
    for (size_t i = 0; i < AX_FUNCTIONS_GROUP_COUNT; i++)
        known |= search_group(i, name, types, is_null, count, &best);
    if (!known)
        return ax_function_fail_unknown(name, false, err);
    if (!best.function)
        return fail_types(name, types, is_null, count, err);
    if (is_unbound(&best, count))
        return ax_fail(err, AX_E_INVALID,
                       "nothing says which type null has here; write cast(null as int64) or so");
    for (size_t i = 0; i < count; i++)
        ret_types[i] = param_type(param_at(best.function, i), best.t);
    *ret_function = best.function;
    *ret_type = param_type(best.function->result, best.t);
    return AX_OK;
}

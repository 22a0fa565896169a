/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x in (a, b, …). Where all that x is looked for in is constant, which it is nearly always, it
 * becomes a table of hashes once, and the constants are no columns. Numbers are told by their bits:
 * neither NaN nor two zeros are among them.
 */
#include "data/expr/function_rules.h"
#include "data/expr/operators.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

union member {
    uint64_t bits; /* of a bool, a whole number, a time, a float64 */
    struct ax_str text;
};

#define FEW_MEMBERS 8

struct members {
    bool is_text;
    bool has_null;
    size_t count;
    size_t mask;     /* slots - 1 */
    uint32_t *slots; /* member + 1; 0: free */
    union member *members;
};

static uint64_t member_hash(bool is_text, union member member)
{
    if (is_text)
        return ax_hash(member.text);
    uint64_t hash = member.bits * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static bool members_are_equal(bool is_text, union member a, union member b)
{
    return is_text ? ax_str_equals(a.text, b.text) : a.bits == b.bits;
}

/* Where the member is, or the free slot where it belongs. */
static uint32_t *find_slot(const struct members *m, union member member)
{
    size_t at = member_hash(m->is_text, member) & m->mask;
    while (m->slots[at] && !members_are_equal(m->is_text, m->members[m->slots[at] - 1], member))
        at = (at + 1) & m->mask;
    return &m->slots[at];
}

static union member f64_member(double value)
{
    union member member = { 0 };
    value += 0.0; /* turns -0 into 0 */
    memcpy(&member.bits, &value, sizeof(value));
    return member;
}

static union member literal_member(const struct ax_expr *literal)
{
    if (literal->type.kind == AX_TYPE_STRING)
        return (union member){ .text = literal->literal.text };
    if (literal->type.kind == AX_TYPE_FLOAT64)
        return f64_member(literal->literal.f64);
    if (literal->type.kind == AX_TYPE_BOOL)
        return (union member){ .bits = literal->literal.truth };
    return (union member){ .bits = (uint64_t)literal->literal.i64 };
}

static union member value_member(const struct ax_values *values, size_t row)
{
    if (values->type.kind == AX_TYPE_STRING)
        return (union member){ .text = values->texts[row] };
    if (values->type.kind == AX_TYPE_FLOAT64)
        return f64_member(values->f64s[row]);
    if (values->type.kind == AX_TYPE_BOOL)
        return (union member){ .bits = values->bools[row] };
    return (union member){ .bits = (uint64_t)values->i64s[row] };
}

/* Bounded by the text of an expression, so the memory is small. */
enum ax_code ax_operator_prepare_in(const struct ax_expr *call, void **ret_state,
                                    struct ax_err *err)
{
    size_t slots = 4;
    (void)err;
    for (size_t i = 1; i < call->arg_count; i++)
        if (call->args[i]->kind != AX_EXPR_LITERAL)
            return AX_OK;
    while (slots < 2 * call->arg_count)
        slots *= 2;
    struct members *m = ax_xalloc(sizeof(*m));
    m->is_text = call->args[0]->type.kind == AX_TYPE_STRING;
    m->mask = slots - 1;
    m->slots = ax_xalloc(slots * sizeof(*m->slots));
    m->members = ax_xalloc(call->arg_count * sizeof(*m->members));
    size_t count = 0;
    for (size_t i = 1; i < call->arg_count; i++) {
        if (call->args[i]->is_null) {
            m->has_null = true;
            continue;
        }
        union member member = literal_member(call->args[i]);
        uint32_t *slot = find_slot(m, member);
        if (*slot)
            continue;
        if (m->is_text)
            member.text.ptr = ax_xmemdup0(member.text.ptr, member.text.len);
        m->members[count++] = member;
        *slot = (uint32_t)count;
    }
    m->count = count;
    *ret_state = m;
    return AX_OK;
}

void ax_operator_release_in(void *state)
{
    struct members *m = state;
    if (!m)
        return;
    for (size_t i = 0; m->is_text && i <= m->mask; i++)
        if (m->slots[i])
            free((char *)(uintptr_t)m->members[m->slots[i] - 1].text.ptr);
    free(m->slots);
    free(m->members);
    free(m);
}

/* A few whole numbers are compared with all of them, which takes less than a hash. */
static void look_up_few(struct ax_call *call, const struct members *m)
{
    const int64_t *x = call->args[0]->i64s;
    uint8_t *out = call->out->bools;
    for (size_t row = 0; row < call->rows; row++) {
        bool found = false;
        for (size_t i = 0; i < m->count; i++)
            found |= (uint64_t)x[row] == m->members[i].bits;
        out[row] = found;
    }
    for (size_t row = 0; row < call->rows && (m->has_null || call->args[0]->validity); row++)
        if (ax_values_is_null(call->args[0], row) || (!out[row] && m->has_null))
            ax_values_set_null(call->out, row);
}

static bool is_whole(enum ax_type_kind kind)
{
    return kind == AX_TYPE_INT64 || kind == AX_TYPE_TIMESTAMP || kind == AX_TYPE_DURATION;
}

static void look_up(struct ax_call *call, const struct members *m)
{
    if (m->count <= FEW_MEMBERS && is_whole(call->args[0]->type.kind)) {
        look_up_few(call, m);
        return;
    }
    const struct ax_values *x = call->args[0];
    for (size_t row = 0; row < call->rows; row++) {
        bool is_null = ax_values_is_null(x, row);
        bool found = !is_null && *find_slot(m, value_member(x, row));
        call->out->bools[row] = found;
        if (is_null || (!found && m->has_null))
            ax_values_set_null(call->out, row);
    }
}

/* True when one is equal; else null when x or one of them is null. */
static void compare_all(struct ax_call *call)
{
    const struct ax_values *x = call->args[0];
    bool is_text = x->type.kind == AX_TYPE_STRING;
    for (size_t row = 0; row < call->rows; row++) {
        bool found = false;
        bool unknown = ax_values_is_null(x, row);
        for (size_t i = 1; i < call->arg_count && !found && !ax_values_is_null(x, row); i++) {
            bool is_null = ax_values_is_null(call->args[i], row);
            unknown |= is_null;
            found = !is_null && members_are_equal(is_text, value_member(x, row),
                                                  value_member(call->args[i], row));
        }
        call->out->bools[row] = found;
        if (unknown && !found)
            ax_values_set_null(call->out, row);
    }
}

enum ax_code ax_operator_in(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    if (call->state)
        look_up(call, call->state);
    else
        compare_all(call);
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three parts, each in steps: cells to columns, call by call; then slice by slice, asked for and
 * finished. A small pass has one slice, whose memory is the request's; of a large one each slice
 * has the memory of the one before it.
 */
#include "server/api/service_pass.h"

#include <assert.h>

enum { PASS_FILL, PASS_ASK, PASS_WAIT, PASS_FINISH, PASS_DONE };

/* Values of a slice, so that it takes a part of a millisecond; its least rows when calls share it;
 * and what a value costs, in bytes of reading. */
#define SLICE_VALUES    ((size_t)16 << 10)
#define SHARED_ROWS_MIN ((size_t)16)
#define VALUE_COST      ((size_t)8)
#define OWN_FIRST_BYTES ((size_t)256 << 10)

/* ---- life ---- */

void ax_service_pass_begin(struct ax_service_pass *pass, struct ax_serving_features *features,
                           size_t rows, struct ax_arena *arena, struct ax_loop *loop,
                           uint64_t deadline_ns)
{
    assert(pass && !pass->features && features && arena);
    pass->features = ax_serving_features_ref(features);
    pass->arena = arena;
    pass->rows = rows;
    pass->lookups.loop = loop;
    pass->lookups.deadline_ns = deadline_ns ? deadline_ns : UINT64_MAX;
    ax_arena_init(&pass->own, OWN_FIRST_BYTES, arena->max);
    pass->own.budget = arena->budget;
}

void ax_service_pass_done(struct ax_service_pass *pass)
{
    if (!pass || !pass->features)
        return;
    if (pass->state == PASS_WAIT)
        ax_service_lookups_cancel(&pass->lookups);
    for (struct ax_service_call *call = pass->calls; call; call = call->next)
        ax_buf_done(&call->told);
    ax_arena_done(&pass->own);
    ax_serving_features_unref(pass->features);
    pass->features = NULL;
}

bool ax_service_pass_has_room(const struct ax_service_pass *pass,
                              const struct ax_serving_service *service, enum ax_service_tell tell)
{
    assert(pass && pass->features && service);
    size_t values = pass->row_values + ax_service_call_row_values(service, tell);
    return !pass->calls || AX_MIN(pass->rows, SHARED_ROWS_MIN) * values <= SLICE_VALUES;
}

void ax_service_pass_add(struct ax_service_pass *pass, struct ax_service_call *call)
{
    assert(pass && pass->features && pass->state == PASS_FILL && call);
    struct ax_service_call **at = &pass->calls;
    while (*at)
        at = &(*at)->next;
    *at = call;
    pass->row_values += ax_service_call_row_values(call->service, call->tell);
    size_t rows = SLICE_VALUES / (pass->row_values + 1);
    pass->slice_rows = AX_MIN(AX_MAX(rows, (size_t)1), (size_t)AX_VALUES_ROWS_MAX);
}

/* ---- steps ---- */

static struct ax_service_call *next_alive(struct ax_service_call *call)
{
    while (call && call->err.code)
        call = call->next;
    return call;
}

static void step_fill(struct ax_service_pass *pass, size_t byte_budget, size_t *cost)
{
    struct ax_service_call *call = next_alive(pass->calls);
    for (; call && *cost < byte_budget; call = next_alive(call->next)) {
        if (!ax_service_call_fill(call, byte_budget - *cost, cost))
            return;
    }
    if (!call)
        pass->state = PASS_ASK;
}

static void woken(struct ax_service_lookups *lookups)
{
    struct ax_service_pass *pass = container_of(lookups, struct ax_service_pass, lookups);
    pass->state = PASS_FINISH;
    pass->woken(pass);
}

static void begin_lookups(struct ax_service_pass *pass, uint64_t seed)
{
    struct ax_arena *arena = pass->arena;
    if (pass->rows > pass->slice_rows) {
        arena = &pass->own;
        ax_arena_reset(arena);
    }
    pass->lookups = (struct ax_service_lookups){ .store = pass->features->store,
                                                 .arena = arena,
                                                 .loop = pass->lookups.loop,
                                                 .deadline_ns = pass->lookups.deadline_ns,
                                                 .seed = seed,
                                                 .done = woken };
}

static void step_ask(struct ax_service_pass *pass)
{
    size_t rows = AX_MIN(pass->slice_rows, pass->rows - pass->from);
    struct ax_service_call *first = next_alive(pass->calls);
    struct ax_err err = AX_ERR_INIT;
    bool is_done;
    pass->state = PASS_DONE;
    if (!rows || !first)
        return;
    begin_lookups(pass, first->service->plan->seed);
    for (struct ax_service_call *call = first; call; call = next_alive(call->next))
        ax_service_call_ask(call, pass->from, rows, &pass->lookups);
    if (!ax_service_lookups_ask(&pass->lookups, &is_done, &err)) {
        pass->state = is_done ? PASS_FINISH : PASS_WAIT;
        return;
    }
    for (struct ax_service_call *call = first; call; call = next_alive(call->next))
        ax_service_call_fail(call, &err);
}

static void step_finish(struct ax_service_pass *pass, size_t *cost)
{
    size_t rows = AX_MIN(pass->slice_rows, pass->rows - pass->from);
    struct ax_service_call *call = next_alive(pass->calls);
    for (; call; call = next_alive(call->next)) {
        ax_service_call_finish(call);
        *cost += rows * ax_service_call_row_values(call->service, call->tell) * VALUE_COST;
    }
    pass->from += rows;
    pass->state = PASS_ASK;
}

void ax_service_pass_step(struct ax_service_pass *pass, size_t byte_budget, size_t *cost,
                          bool *ret_done, bool *ret_waits)
{
    assert(pass && pass->features && cost && ret_done && ret_waits);
    size_t spent = 0;
    while (spent < byte_budget && pass->state != PASS_WAIT && pass->state != PASS_DONE) {
        if (pass->state == PASS_FILL)
            step_fill(pass, byte_budget, &spent);
        else if (pass->state == PASS_ASK)
            step_ask(pass);
        else
            step_finish(pass, &spent);
    }
    *cost += spent;
    *ret_waits = pass->state == PASS_WAIT;
    *ret_done = pass->state == PASS_DONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three parts, each in steps: cells to columns, then slice by slice a vector, asked for and
 * finished. A small call has one slice, whose memory is the request's; of a large one each slice
 * has the memory of the one before it.
 */
#include "server/api/service_call.h"

#include "base/calendar.h"
#include "base/json.h"
#include "data/expr/value_text.h"
#include "feature/online/online_windows.h"

#include <assert.h>

enum { CALL_TAKE, CALL_FILL, CALL_ASK, CALL_WAIT, CALL_FINISH, CALL_DONE };

/* Values of a slice, about, so that it takes a part of a millisecond; and what one costs, in bytes
 * of reading. */
#define SLICE_VALUES    ((size_t)16 << 10)
#define VALUE_COST      ((size_t)8)
#define TOLD_BYTES_MAX  ((size_t)64 << 20)
#define OWN_FIRST_BYTES ((size_t)256 << 10)

static const struct ax_service *service_of(const struct ax_service_call *call)
{
    return call->service->applied->service;
}

/* ---- beginning ---- */

/* A multiple of 64, as slices of columns are. */
static size_t slice_rows(const struct ax_service *service)
{
    size_t rows = SLICE_VALUES / (service->input_count + service->call_count + 1) / 64 * 64;
    return AX_MIN(AX_MAX(rows, (size_t)64), (size_t)AX_VALUES_ROWS_MAX);
}

static enum ax_code begin_telling(struct ax_service_call *call, struct ax_err *err)
{
    size_t rows = call->request.rows;
    if (!call->tell)
        return AX_OK;
    if (rows > AX_SERVICE_TELL_ROWS_MAX)
        return ax_fail(err, AX_E_INVALID,
                       "'features' are told of at most %zu entities a request, this one has %zu",
                       AX_SERVICE_TELL_ROWS_MAX, rows);
    call->told_ends = ax_arena_alloc(call->arena, rows, sizeof(*call->told_ends));
    return call->told_ends ? AX_OK : ax_arena_fail(call->arena, "the request", err);
}

enum ax_code ax_service_call_begin(struct ax_service_call *call,
                                   struct ax_serving_features *features,
                                   const struct ax_serving_service *service, size_t rows,
                                   enum ax_service_tell tell, struct ax_arena *arena,
                                   struct ax_loop *loop, uint64_t deadline_ns, struct ax_err *err)
{
    assert(call && !call->features && features && service->plan && arena && err);
    call->service = service;
    call->arena = arena;
    call->tell = tell;
    call->slice_rows = slice_rows(service->applied->service);
    call->request =
        (struct ax_service_request){ .plan = service->plan,
                                     .store = features->store,
                                     .rows = rows,
                                     .arena = arena,
                                     .loop = loop,
                                     .deadline_ns = deadline_ns ? deadline_ns : UINT64_MAX };
    ax_arena_init(&call->own, OWN_FIRST_BYTES, arena->max);
    call->own.budget = arena->budget;
    if (rows > call->slice_rows)
        call->request.arena = &call->own;
    ax_buf_init(&call->told, TOLD_BYTES_MAX);
    call->features = ax_serving_features_ref(features);
    return begin_telling(call, err);
}

void ax_service_call_done(struct ax_service_call *call)
{
    if (!call || !call->features)
        return;
    if (call->state == CALL_WAIT)
        ax_service_vector_cancel(&call->vector);
    ax_arena_done(&call->own);
    ax_buf_done(&call->told);
    ax_serving_features_unref(call->features);
    call->features = NULL;
}

void ax_service_call_sample(struct ax_service_call *call, struct ax_served_sampler *sampler)
{
    assert(call && call->features);
    call->sampler = call->service->served ? sampler : NULL;
}

void ax_service_call_add(struct ax_service_call *call, struct ax_service_target *target)
{
    assert(call && target && target->inputs && target->rows);
    target->next = call->targets;
    call->targets = target;
}

/* ---- columns ---- */

static enum ax_code check_rows(const struct ax_service_call *call, const char *name,
                               const struct ax_cells *cells, bool is_one, struct ax_err *err)
{
    if (is_one || cells->row_count == call->request.rows)
        return AX_OK;
    return ax_fail(err, AX_E_INVALID,
                   "%s holds %zu values, 'entities' %zu: send one for all, or one an entity", name,
                   cells->row_count, call->request.rows);
}

/* Each entity gives each key, the columns of the service's call from `first` on: where keys of
 * others are passed over, one that is mistyped would be null. */
static enum ax_code check_keys(const struct ax_service_call *call, const struct ax_cells *cells,
                               const uint32_t *places, size_t first, struct ax_err *err)
{
    const struct ax_service *service = service_of(call);
    for (size_t key = first; key < service->call_count; key++) {
        size_t given = 0;
        for (size_t i = 0; i < cells->column_count; i++)
            if (places[i] == key - first)
                given = cells->columns[i].given_rows;
        if (given < call->request.rows)
            return ax_fail(err, AX_E_INVALID,
                           "row %zu: key '%.*s' of service '%.*s' is missing; send null where "
                           "there is none",
                           given, AX_STR_ARG(service->call[key].name), AX_STR_ARG(service->name));
    }
    return AX_OK;
}

/* The columns of the service's call from `first` on, and which one each of the cells is. */
static enum ax_code take_columns(struct ax_service_call *call, enum ax_row_set set,
                                 const struct ax_cells *cells, size_t first, size_t count,
                                 struct ax_err *err)
{
    const struct ax_service *service = service_of(call);
    struct ax_cells_target *targets = call->columns + first;
    const uint32_t *places;
    const char *what = set == AX_ROW_SET_ROWS ? "key of service" : "request value of service";
    for (size_t i = 0; i < count; i++)
        targets[i] = (struct ax_cells_target){ .name = service->call[first + i].name,
                                               .storage = service->call[first + i].storage };
    if (ax_cells_values_find(cells, targets, count, what, service->name, call->arena, &places, err))
        return err->code;
    if (call->is_shared && set == AX_ROW_SET_ROWS && check_keys(call, cells, places, first, err))
        return err->code;
    ax_cells_values_begin(&call->fills[set], cells, targets, count, places, call->request.rows,
                          call->arena);
    return AX_OK;
}

/* Features that a call may give: fields and expressions. */
static enum ax_code take_given(struct ax_service_call *call, const struct ax_cells *cells,
                               struct ax_err *err)
{
    const struct ax_service *service = service_of(call);
    struct ax_arena *arena = call->arena;
    size_t count = cells->column_count;
    ax_cells_values_begin(&call->fills[AX_ROW_SET_GIVEN], cells, NULL, 0, NULL, call->request.rows,
                          arena);
    if (!count)
        return AX_OK;
    struct ax_cells_target *all = ax_arena_zalloc(arena, service->input_count, sizeof(*all));
    struct ax_service_given *given = ax_arena_zalloc(arena, count, sizeof(*given));
    uint32_t *own = ax_arena_alloc(arena, count, sizeof(*own));
    size_t *inputs = ax_arena_alloc(arena, service->input_count, sizeof(*inputs));
    call->given = ax_arena_zalloc(arena, count, sizeof(*call->given));
    if (!all || !given || !own || !inputs || !call->given)
        return ax_arena_fail(arena, "the features that are given", err);
    size_t known = 0;
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (!ax_service_input_is_made(input))
            continue;
        inputs[known] = i;
        all[known++] = (struct ax_cells_target){ .name = input->name, .storage = input->storage };
    }
    const uint32_t *places;
    if (ax_cells_values_find(cells, all, known, "field or expression of service", service->name,
                             arena, &places, err))
        return err->code;
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        own[i] = AX_CELLS_PASSED_OVER;
        if (places[i] == AX_CELLS_PASSED_OVER)
            continue;
        call->given[taken] = all[places[i]];
        given[taken].input = inputs[places[i]];
        own[i] = (uint32_t)taken++;
    }
    call->request.given = call->replaced = given;
    call->request.given_count = taken;
    ax_cells_values_begin(&call->fills[AX_ROW_SET_GIVEN], cells, call->given, taken, own,
                          call->request.rows, arena);
    return AX_OK;
}

static void take_at(struct ax_service_call *call, const struct ax_cells *cells)
{
    static const uint32_t place = 0;
    call->at = (struct ax_cells_target){ .name = AX_STR("at"),
                                         .storage = { .kind = AX_STORAGE_TIMESTAMP } };
    ax_cells_values_begin(&call->fills[AX_ROW_SET_AT], cells, &call->at, 1, &place,
                          call->request.rows, call->arena);
}

static void share_columns(struct ax_cells *cells, const struct ax_serving_names *names)
{
    for (size_t i = 0; i < cells->column_count; i++)
        cells->columns[i].is_others = ax_serving_names_have(names, cells->columns[i].name);
}

void ax_service_call_share(struct ax_service_call *call, struct ax_cells *sets)
{
    assert(call && call->features && call->state == CALL_TAKE && sets);
    call->is_shared = true;
    share_columns(&sets[AX_ROW_SET_ROWS], &call->features->keys);
    share_columns(&sets[AX_ROW_SET_REQUEST], &call->features->request_values);
    share_columns(&sets[AX_ROW_SET_GIVEN], &call->features->given);
}

enum ax_code ax_service_call_take(struct ax_service_call *call, const struct ax_cells *sets,
                                  const bool *is_one, int64_t now_us, struct ax_err *err)
{
    assert(call && call->state == CALL_TAKE && sets && is_one && err);
    const struct ax_service *service = service_of(call);
    const struct ax_cells *request = &sets[AX_ROW_SET_REQUEST];
    const struct ax_cells *given = &sets[AX_ROW_SET_GIVEN];
    const struct ax_cells *at = &sets[AX_ROW_SET_AT];
    size_t values = service->request_count;
    call->columns = ax_arena_zalloc(call->arena, service->call_count, sizeof(*call->columns));
    if (!call->columns)
        return ax_arena_fail(call->arena, "the request", err);
    if (check_rows(call, "'request'", request, is_one[AX_ROW_SET_REQUEST], err) ||
        check_rows(call, "'given'", given, is_one[AX_ROW_SET_GIVEN], err) ||
        check_rows(call, "'at'", at, is_one[AX_ROW_SET_AT], err) ||
        take_columns(call, AX_ROW_SET_ROWS, &sets[AX_ROW_SET_ROWS], values,
                     service->call_count - values, err) ||
        take_columns(call, AX_ROW_SET_REQUEST, request, 0, values, err) ||
        take_given(call, given, err))
        return err->code;
    take_at(call, at);
    call->now_us = now_us;
    call->state = CALL_FILL;
    return AX_OK;
}

/* The moments of all rows are one. */
static enum ax_code set_moments(struct ax_service_call *call, int64_t moment, struct ax_err *err)
{
    size_t rows = call->request.rows;
    int64_t *at = ax_arena_alloc(call->arena, rows, sizeof(*at));
    if (!at)
        return ax_arena_fail(call->arena, "the request", err);
    for (size_t i = 0; i < rows; i++)
        at[i] = moment;
    call->request.at = at;
    return AX_OK;
}

enum ax_code ax_service_call_take_columns(struct ax_service_call *call,
                                          const struct ax_values *columns, int64_t at,
                                          struct ax_err *err)
{
    assert(call && call->state == CALL_TAKE && columns && err);
    call->request.call = columns;
    call->state = CALL_ASK;
    return set_moments(call, at, err);
}

static enum ax_code check_at(struct ax_service_call *call, struct ax_err *err)
{
    const struct ax_values *values = &call->at.values;
    bool is_told = call->fills[AX_ROW_SET_AT].cells->row_count > 0;
    if (!is_told)
        return set_moments(call, call->now_us, err);
    for (size_t row = 0; row < call->request.rows; row++) {
        if (ax_values_is_null(values, row))
            return ax_fail(err, AX_E_INVALID, "'at', row %zu: a time is wanted, found null", row);
    }
    call->request.at = values->i64s;
    return AX_OK;
}

static bool all_are_set(const uint64_t *words, size_t bits)
{
    size_t row = 0;
    while (row < bits && words[row / 64] >> (row % 64) & 1)
        row++;
    return row == bits;
}

/* The cells are in their columns. */
static enum ax_code end_columns(struct ax_service_call *call, struct ax_err *err)
{
    const struct ax_service *service = service_of(call);
    struct ax_values *columns = ax_arena_alloc(call->arena, service->call_count, sizeof(*columns));
    struct ax_service_given *given = call->replaced;
    if (!columns)
        return ax_arena_fail(call->arena, "the request", err);
    for (size_t i = 0; i < service->call_count; i++)
        columns[i] = call->columns[i].values;
    for (size_t i = 0; i < call->request.given_count; i++) {
        given[i].values = call->given[i].values;
        given[i].rows =
            all_are_set(call->given[i].given, call->request.rows) ? NULL : call->given[i].given;
    }
    call->request.call = columns;
    call->state = CALL_ASK;
    return check_at(call, err);
}

static enum ax_code step_fill(struct ax_service_call *call, size_t byte_budget, size_t *cost,
                              struct ax_err *err)
{
    bool done;
    if (ax_cells_values_step(&call->fills[call->fill], byte_budget, cost, &done, err))
        return err->code;
    if (!done || ++call->fill < AX_ROW_SETS)
        return AX_OK;
    return end_columns(call, err);
}

/* ---- slices ---- */

/* From when what a role found is: its row; of windows, the newest event of all keys. TIMELESS: not
 * known, or later than the moment. */
static int64_t time_of(const struct ax_service_call *call, size_t role, size_t row)
{
    const struct ax_service_vector *vector = &call->vector;
    const struct ax_online_windows *windows = call->request.plan->parts[role].windows;
    size_t cell = role * vector->rows + row;
    if (!windows || vector->states[cell] != AX_ONLINE_PRESENT)
        return vector->times[cell];
    int64_t newest = atomic_load_explicit(&windows->newest, memory_order_relaxed);
    return newest <= call->request.at[vector->from + row] ? newest : AX_ONLINE_TIMELESS;
}

/* What was looked for, and how old it was. */
static void count_rows(const struct ax_service_call *call)
{
    const struct ax_service_vector *vector = &call->vector;
    const struct ax_service *service = service_of(call);
    const struct ax_view *first = call->features->applied->definitions.views;
    for (size_t role = 0; role < service->role_count; role++) {
        const struct ax_serving_view *view =
            &call->features->views[service->roles[role].view - first];
        uint64_t counts[AX_ONLINE_STATUS_COUNT] = { 0 };
        for (size_t row = 0; row < vector->rows; row++) {
            int64_t time = time_of(call, role, row);
            counts[vector->states[role * vector->rows + row]]++;
            if (time != AX_ONLINE_TIMELESS)
                ax_metric_observe_age_us(view->age, (uint64_t)call->request.at[vector->from + row] -
                                                        (uint64_t)time);
        }
        for (size_t i = 0; i < AX_ONLINE_STATUS_COUNT; i++)
            if (counts[i])
                ax_metric_add(view->found[i], counts[i]);
    }
}

static void put_source(struct ax_service_call *call, size_t input, size_t row,
                       const struct ax_service_status *status)
{
    const struct ax_service *service = service_of(call);
    const struct ax_service_input *in = &service->inputs[input];
    struct ax_buf *out = &call->told;
    if (in->kind != AX_INPUT_FIELD)
        return;
    const struct ax_view *view = service->roles[in->role].view;
    ax_json_put_member(out, "view", view->name);
    ax_json_put_member(out, "field", view->fields[in->field].name);
    ax_json_put_member(out, "source", view->source->name);
    int64_t time = status->given ? AX_ONLINE_TIMELESS : time_of(call, in->role, row);
    if (time == AX_ONLINE_TIMELESS)
        return;
    ax_json_put_key(out, "age_s");
    ax_json_put_f64(out, (double)(call->request.at[call->from + row] - time) / 1e6);
}

static void tell_input(struct ax_service_call *call, size_t input, size_t row)
{
    const struct ax_service_vector *vector = &call->vector;
    struct ax_service_status status = ax_service_vector_status(vector, input, row);
    struct ax_buf *out = &call->told;
    char text[AX_CALENDAR_TEXT_SIZE];
    if (input > 0)
        (void)ax_buf_append_char(out, ',');
    ax_json_put_str(out, service_of(call)->inputs[input].name);
    (void)ax_buf_append_str(out, AX_STR(":{"));
    if (call->tell >= AX_SERVICE_TELL_FULL) {
        ax_json_put_key(out, "value");
        ax_values_put_json(out, &vector->inputs[input], row);
    }
    ax_json_put_member(out, "status", ax_str_from(ax_online_status_name(status.status)));
    if (status.defaulted)
        ax_json_put_member_bool(out, "defaulted", true);
    if (status.given)
        ax_json_put_member_bool(out, "given", true);
    if (status.time != AX_ONLINE_TIMELESS) {
        (void)ax_calendar_text(status.time, text);
        ax_json_put_member(out, "time", ax_str_from(text));
    }
    if (call->tell == AX_SERVICE_TELL_SOURCES)
        put_source(call, input, row, &status);
    (void)ax_buf_append_char(out, '}');
}

static enum ax_code tell_rows(struct ax_service_call *call, struct ax_err *err)
{
    struct ax_buf *out = &call->told;
    for (size_t row = 0; call->tell && row < call->vector.rows; row++) {
        char text[AX_CALENDAR_TEXT_SIZE];
        (void)ax_calendar_text(call->request.at[call->from + row], text);
        (void)ax_buf_printf(out, "\"at\":\"%s\",\"features\":{", text);
        for (size_t i = 0; i < service_of(call)->input_count; i++)
            tell_input(call, i, row);
        (void)ax_buf_append_char(out, '}');
        call->told_ends[call->from + row] = out->len;
    }
    return ax_buf_check(out, "what is told of the features", err);
}

static void fill_target(const struct ax_service_call *call, struct ax_service_target *target)
{
    size_t end = call->from + call->vector.rows;
    if (target->err.code)
        return;
    ax_rows_clear(target->rows, call->from, end);
    (void)(ax_service_vector_write(&call->vector, target->inputs, target->rows, call->from,
                                   call->arena, &target->err) ||
           ax_rows_finish(target->rows, call->from, end, &target->err));
}

static void vector_done(struct ax_service_vector *vector)
{
    struct ax_service_call *call = container_of(vector, struct ax_service_call, vector);
    call->state = CALL_FINISH;
    call->woken(call);
}

static enum ax_code step_ask(struct ax_service_call *call, struct ax_err *err)
{
    bool done;
    size_t rows = AX_MIN(call->slice_rows, call->request.rows - call->from);
    if (!rows) {
        call->state = CALL_DONE;
        return AX_OK;
    }
    if (call->request.arena == &call->own)
        ax_arena_reset(&call->own);
    if (call->sampler)
        ax_served_sampler_begin(call->service->served, call->seen);
    if (ax_service_vector_begin(&call->vector, &call->request, call->from, rows, vector_done, &done,
                                err))
        return err->code;
    call->state = done ? CALL_FINISH : CALL_WAIT;
    return AX_OK;
}

static enum ax_code step_finish(struct ax_service_call *call, size_t *cost, struct ax_err *err)
{
    struct ax_service_vector *vector = &call->vector;
    const struct ax_service *service = service_of(call);
    if (ax_service_vector_finish(vector, err))
        return err->code;
    count_rows(call);
    if (call->sampler)
        ax_served_sampler_take(call->sampler, call->service->served, vector, call->seen);
    if (tell_rows(call, err) || (call->visit && call->visit(call, err)))
        return err->code;
    for (struct ax_service_target *target = call->targets; target; target = target->next)
        fill_target(call, target);
    *cost += vector->rows * (service->input_count + service->call_count) * VALUE_COST;
    call->from += vector->rows;
    call->state = CALL_ASK;
    return AX_OK;
}

enum ax_code ax_service_call_step(struct ax_service_call *call, size_t byte_budget, size_t *cost,
                                  bool *ret_done, bool *ret_waits, struct ax_err *err)
{
    assert(call && call->state != CALL_TAKE && cost && ret_done && ret_waits && err);
    size_t spent = 0;
    enum ax_code code = AX_OK;
    while (!code && spent < byte_budget && call->state != CALL_WAIT && call->state != CALL_DONE) {
        if (call->state == CALL_FILL)
            code = step_fill(call, byte_budget - spent, &spent, err);
        else if (call->state == CALL_ASK)
            code = step_ask(call, err);
        else
            code = step_finish(call, &spent, err);
    }
    *cost += spent;
    *ret_waits = call->state == CALL_WAIT;
    *ret_done = call->state == CALL_DONE;
    return code;
}

struct ax_str ax_service_call_told(const struct ax_service_call *call, size_t row)
{
    assert(call && (!call->tell || row < call->request.rows));
    if (!call->tell)
        return AX_STR("");
    size_t from = row ? call->told_ends[row - 1] : 0;
    return (struct ax_str){ call->told.ptr + from, call->told_ends[row] - from };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells to columns, in steps; then what a slice's vector looks for, and what it found: counted,
 * logged, told, and filled into rows.
 */
#include "server/api/service_call.h"

#include "base/calendar.h"
#include "base/json.h"
#include "data/expr/value_text.h"
#include "feature/online/online_windows.h"
#include "server/api/service_pass.h"

#include <assert.h>

enum { CALL_TAKE, CALL_FILL, CALL_READY };

#define TOLD_BYTES_MAX ((size_t)64 << 20)

/* To print a value and what became of it takes as long as to make so many others. */
#define TOLD_VALUES ((size_t)8)

static const struct ax_service *service_of(const struct ax_service_call *call)
{
    return call->service->applied->service;
}

/* ---- beginning ---- */

size_t ax_service_call_row_values(const struct ax_serving_service *service,
                                  enum ax_service_tell tell)
{
    assert(service);
    const struct ax_service *of = service->applied->service;
    return of->input_count * (tell ? 1 + TOLD_VALUES : 1) + of->call_count;
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

enum ax_code ax_service_call_begin(struct ax_service_call *call, struct ax_service_pass *pass,
                                   const struct ax_serving_service *service,
                                   enum ax_service_tell tell, struct ax_err *err)
{
    assert(call && !call->pass && pass && service->plan && err);
    call->pass = pass;
    call->service = service;
    call->arena = pass->arena;
    call->tell = tell;
    call->request = (struct ax_service_request){ .plan = service->plan, .rows = pass->rows };
    ax_buf_init(&call->told, TOLD_BYTES_MAX);
    ax_service_pass_add(pass, call);
    return begin_telling(call, err);
}

void ax_service_call_sample(struct ax_service_call *call, struct ax_served_sampler *sampler)
{
    assert(call && call->pass);
    call->sampler = call->service->served ? sampler : NULL;
}

void ax_service_call_add(struct ax_service_call *call, struct ax_service_target *target)
{
    assert(call && target && target->inputs && target->rows);
    target->next = call->targets;
    call->targets = target;
    if (call->err.code)
        target->err = call->err;
}

/* The call has failed, and so have its targets. */
static void fail_targets(struct ax_service_call *call)
{
    for (struct ax_service_target *target = call->targets; target; target = target->next)
        target->err = call->err;
}

void ax_service_call_fail(struct ax_service_call *call, const struct ax_err *err)
{
    assert(call && err && err->code);
    call->err = *err;
    fail_targets(call);
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
    assert(call && call->pass && call->state == CALL_TAKE && sets);
    const struct ax_serving_features *features = call->pass->features;
    call->is_shared = true;
    share_columns(&sets[AX_ROW_SET_ROWS], &features->keys);
    share_columns(&sets[AX_ROW_SET_REQUEST], &features->request_values);
    share_columns(&sets[AX_ROW_SET_GIVEN], &features->given);
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
    call->state = CALL_READY;
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
    call->state = CALL_READY;
    return check_at(call, err);
}

static enum ax_code fill_columns(struct ax_service_call *call, size_t byte_budget, size_t *cost,
                                 struct ax_err *err)
{
    size_t end = *cost + byte_budget;
    while (call->fill < AX_ROW_SETS && *cost < end) {
        bool done;
        if (ax_cells_values_step(&call->fills[call->fill], end - *cost, cost, &done, err))
            return err->code;
        call->fill += done;
    }
    return call->fill < AX_ROW_SETS ? AX_OK : end_columns(call, err);
}

bool ax_service_call_fill(struct ax_service_call *call, size_t byte_budget, size_t *cost)
{
    assert(call && call->state != CALL_TAKE && !call->err.code && byte_budget && cost);
    if (call->state == CALL_FILL && fill_columns(call, byte_budget, cost, &call->err))
        fail_targets(call);
    return !call->err.code && call->state == CALL_READY;
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

/* How old what is of `time` is, at the row's moment, which is no earlier. */
static uint64_t age_us(const struct ax_service_call *call, size_t row, int64_t time)
{
    return (uint64_t)call->request.at[call->vector.from + row] - (uint64_t)time;
}

/* What was looked for, and how old it was. */
static void count_rows(const struct ax_service_call *call)
{
    const struct ax_service_vector *vector = &call->vector;
    const struct ax_service *service = service_of(call);
    const struct ax_serving_features *features = call->pass->features;
    const struct ax_view *first = features->applied->definitions.views;
    for (size_t role = 0; role < service->role_count; role++) {
        const struct ax_serving_view *view = &features->views[service->roles[role].view - first];
        uint64_t counts[AX_ONLINE_STATUS_COUNT] = { 0 };
        for (size_t row = 0; row < vector->rows; row++) {
            int64_t time = time_of(call, role, row);
            counts[vector->states[role * vector->rows + row]]++;
            if (time != AX_ONLINE_TIMELESS)
                ax_metric_observe_age_us(view->age, age_us(call, row, time));
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
    ax_json_put_f64(out, (double)age_us(call, row, time) / 1e6);
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
        (void)ax_calendar_text(call->request.at[call->vector.from + row], text);
        (void)ax_buf_printf(out, "\"at\":\"%s\",\"features\":{", text);
        for (size_t i = 0; i < service_of(call)->input_count; i++)
            tell_input(call, i, row);
        (void)ax_buf_append_char(out, '}');
        call->told_ends[call->vector.from + row] = out->len;
    }
    return ax_buf_check(out, "what is told of the features", err);
}

static void fill_target(const struct ax_service_call *call, struct ax_service_target *target)
{
    size_t from = call->vector.from;
    size_t end = from + call->vector.rows;
    if (target->err.code)
        return;
    ax_rows_clear(target->rows, from, end);
    (void)(ax_service_vector_write(&call->vector, target->inputs, target->rows, from, call->arena,
                                   &target->err) ||
           ax_rows_finish(target->rows, from, end, &target->err));
}

void ax_service_call_ask(struct ax_service_call *call, size_t from, size_t rows,
                         struct ax_service_lookups *lookups)
{
    assert(call && call->state == CALL_READY && !call->err.code && lookups);
    call->request.arena = lookups->arena;
    if (call->sampler)
        ax_served_sampler_begin(call->service->served, call->seen);
    if (ax_service_vector_begin(&call->vector, &call->request, from, rows, lookups, &call->err))
        fail_targets(call);
}

static enum ax_code finish_vector(struct ax_service_call *call, struct ax_err *err)
{
    struct ax_service_vector *vector = &call->vector;
    if (ax_service_vector_finish(vector, err))
        return err->code;
    count_rows(call);
    bool is_looked_at = call->tell || call->visit;
    if ((call->sampler &&
         ax_served_sampler_take(call->sampler, call->service->served, vector, call->seen, err)) ||
        (is_looked_at && ax_service_vector_columns(vector, err)) || tell_rows(call, err) ||
        (call->visit && call->visit(call, err)))
        return err->code;
    for (struct ax_service_target *target = call->targets; target; target = target->next)
        fill_target(call, target);
    return AX_OK;
}

void ax_service_call_finish(struct ax_service_call *call)
{
    assert(call && call->state == CALL_READY && !call->err.code);
    if (finish_vector(call, &call->err))
        fail_targets(call);
}

struct ax_str ax_service_call_told(const struct ax_service_call *call, size_t row)
{
    assert(call && (!call->tell || row < call->request.rows));
    if (!call->tell)
        return AX_STR("");
    size_t from = row ? call->told_ends[row - 1] : 0;
    return (struct ax_str){ call->told.ptr + from, call->told_ends[row] - from };
}

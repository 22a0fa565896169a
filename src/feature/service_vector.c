/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From keys to columns: keys of all rows and names of an entity; rows of the store to parts, with
 * the status of each; parts to columns, all fields of a part together; what the call gives, then
 * defaults; expressions level by level. What is no column is written from the parts.
 *
 * A status is put together when it is asked for, of what there is anyway: the part's state, the
 * bits of what the call gave, and validity as it was before defaults.
 */
#include "feature/service_vector.h"

#include "base/bits.h"
#include "data/rows_values.h"
#include "feature/online/online_key.h"
#include "feature/online/online_windows.h"
#include "feature/window_id.h"

#include <assert.h>

static const struct ax_service *service_of(const struct ax_service_vector *vector)
{
    return vector->request->plan->service;
}

static void *vector_alloc(const struct ax_service_vector *vector, size_t count, size_t size,
                          struct ax_err *err)
{
    void *made = ax_arena_alloc(vector->request->arena, count, size);
    if (!made)
        (void)ax_arena_fail(vector->request->arena, "the features of a request", err);
    return made;
}

static void *vector_zalloc(const struct ax_service_vector *vector, size_t count, size_t size,
                           struct ax_err *err)
{
    void *made = vector_alloc(vector, count, size, err);
    if (made)
        memset(made, 0, count * size);
    return made;
}

static bool has_bit(const uint64_t *words, size_t bit)
{
    return words[bit / 64] >> (bit % 64) & 1;
}

/* So many rows are written into a model's rows before the next ones: they stay in the first cache,
 * and are of one word of validity. */
#define BLOCK_ROWS ((size_t)16)

static bool is_column(const struct ax_service_vector *vector, size_t input)
{
    return vector->is_whole || vector->request->plan->numbers[input].group == AX_ONLINE_NUMBER_NONE;
}

/* ---- what the call gives ---- */

/* The slice of a column that a call gives, as it is stored. */
static enum ax_code take(const struct ax_service_vector *vector, const struct ax_values *values,
                         struct ax_str name, struct ax_storage storage, struct ax_values *ret,
                         struct ax_err *err)
{
    assert(values->rows >= vector->request->rows);
    struct ax_arena *arena = vector->request->arena;
    struct ax_values given;
    if (ax_values_slice(values, vector->from, vector->rows, arena, &given, err))
        return err->code;
    *ret = given;
    if (ax_values_narrow(ret, storage, arena, err))
        return err->code;
    size_t lost = ax_values_first_lost(&given, ret);
    if (lost != SIZE_MAX)
        return ax_fail(err, AX_E_INVALID, "'%.*s', row %zu: the number does not fit %s",
                       AX_STR_ARG(name), vector->from + lost, ax_storage_name(storage));
    return AX_OK;
}

static enum ax_code check_required(const struct ax_service_vector *vector,
                                   const struct ax_definition_column *column,
                                   const struct ax_values *values, struct ax_err *err)
{
    for (size_t row = 0; column->required && row < vector->rows; row++) {
        if (ax_values_is_null(values, row))
            return ax_fail(err, AX_E_INVALID, "'%.*s', row %zu: a value is required",
                           AX_STR_ARG(column->name), vector->from + row);
    }
    return AX_OK;
}

static enum ax_code take_call(struct ax_service_vector *vector, struct ax_err *err)
{
    const struct ax_service *service = service_of(vector);
    for (size_t i = 0; i < service->call_count; i++) {
        const struct ax_definition_column *column = &service->call[i];
        struct ax_values *values = &vector->call[i];
        if (take(vector, &vector->request->call[i], column->name, column->storage, values, err) ||
            check_required(vector, column, values, err))
            return err->code;
        vector->scope[i] = values;
    }
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind == AX_INPUT_KEY || input->kind == AX_INPUT_REQUEST)
            vector->inputs[i] = vector->call[input->call_column];
    }
    return AX_OK;
}

/* Which rows of the slice an input is given in, from bits of all rows. */
static enum ax_code take_rows(const struct ax_service_vector *vector, const uint64_t **rows,
                              struct ax_err *err)
{
    uint64_t *taken = vector_alloc(vector, ax_bits_words(vector->rows), sizeof(*taken), err);
    if (!taken)
        return err->code;
    ax_bits_copy(taken, *rows, vector->request->rows, vector->from, vector->rows);
    *rows = taken;
    return AX_OK;
}

static enum ax_code take_given(struct ax_service_vector *vector, struct ax_err *err)
{
    const struct ax_service_request *request = vector->request;
    struct ax_service_given *slices =
        vector_alloc(vector, request->given_count, sizeof(*slices), err);
    if (!slices)
        return err->code;
    for (size_t i = 0; i < request->given_count; i++) {
        const struct ax_service_given *given = &request->given[i];
        const struct ax_service_input *input = &service_of(vector)->inputs[given->input];
        assert(input->kind == AX_INPUT_FIELD || input->kind == AX_INPUT_EXPR);
        if (input->storage.is_list && given->rows)
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "'%.*s' is a list, which is given in all rows or in none",
                           AX_STR_ARG(input->name));
        slices[i] = *given;
        if (take(vector, &given->values, input->name, input->storage, &slices[i].values, err) ||
            (given->rows && take_rows(vector, &slices[i].rows, err)))
            return err->code;
        vector->given[given->input] = &slices[i];
    }
    return AX_OK;
}

static bool is_given(const struct ax_service_given *given, size_t row)
{
    return given && (!given->rows || has_bit(given->rows, row));
}

/* ---- keys ---- */

/* The keys of all groups, one group behind the other. */
static enum ax_code make_keys(const struct ax_service_vector *vector,
                              const struct ax_service_visit *visit, struct ax_str *ret_keys,
                              struct ax_err *err)
{
    const struct ax_values **columns =
        vector_alloc(vector, visit->entity->key_count, sizeof(*columns), err);
    if (!columns)
        return err->code;
    for (size_t g = 0; g < visit->group_count; g++) {
        for (size_t i = 0; i < visit->entity->key_count; i++)
            columns[i] = &vector->call[visit->groups[g][i]];
        struct ax_str *keys = ret_keys + g * vector->rows;
        if (ax_online_keys_make(visit->entity, columns, vector->rows, vector->request->arena, keys,
                                err) ||
            ax_online_keys_check(visit->entity, keys, vector->from, vector->rows, err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_code add_keys(const struct ax_service_vector *vector,
                             const struct ax_service_visit *visit,
                             struct ax_service_lookups *lookups, struct ax_service_keys *ret_keys,
                             struct ax_err *err)
{
    size_t count = visit->group_count * vector->rows;
    struct ax_str *keys = vector_alloc(vector, count, sizeof(*keys), err);
    if (!keys || make_keys(vector, visit, keys, err))
        return err->code;
    *ret_keys = (struct ax_service_keys){ .keys = keys, .count = count };
    return ax_service_lookups_add(lookups, visit->online, ret_keys, err);
}

/* ---- beginning ---- */

static enum ax_code make_room(struct ax_service_vector *vector, struct ax_err *err)
{
    const struct ax_service_plan *plan = vector->request->plan;
    const struct ax_service *service = plan->service;
    size_t cells = service->role_count * vector->rows;
    vector->inputs = vector_alloc(vector, service->input_count, sizeof(*vector->inputs), err);
    vector->call = vector_alloc(vector, service->call_count, sizeof(*vector->call), err);
    vector->scope = vector_zalloc(vector, plan->scope_count, sizeof(*vector->scope), err);
    vector->found = vector_zalloc(vector, service->input_count, sizeof(*vector->found), err);
    vector->given = vector_zalloc(vector, service->input_count, sizeof(*vector->given), err);
    vector->parts = vector_alloc(vector, cells, sizeof(*vector->parts), err);
    vector->states = vector_alloc(vector, cells, sizeof(*vector->states), err);
    vector->times = vector_alloc(vector, cells, sizeof(*vector->times), err);
    vector->keys = vector_alloc(vector, plan->visit_count, sizeof(*vector->keys), err);
    return err->code;
}

enum ax_code ax_service_vector_begin(struct ax_service_vector *vector,
                                     const struct ax_service_request *request, size_t from,
                                     size_t rows, struct ax_service_lookups *lookups,
                                     struct ax_err *err)
{
    assert(vector && request && lookups && lookups->arena == request->arena && err);
    assert(from <= request->rows && rows <= request->rows - from && rows <= AX_VALUES_ROWS_MAX);
    const struct ax_service_plan *plan = request->plan;
    *vector = (struct ax_service_vector){ .request = request, .from = from, .rows = rows };
    if (make_room(vector, err) || take_call(vector, err) || take_given(vector, err))
        return err->code;
    for (size_t i = 0; i < plan->visit_count; i++) {
        if (add_keys(vector, &plan->visits[i], lookups, &vector->keys[i], err))
            return err->code;
    }
    return AX_OK;
}

/* ---- fields ---- */

/* The part of each row that counts, or NULL, with its state and time. */
static void find_parts(struct ax_service_vector *vector, size_t role)
{
    const struct ax_service_part *part = &vector->request->plan->parts[role];
    size_t cell = role * vector->rows;
    const struct ax_service_keys *keys = &vector->keys[part->visit];
    const int64_t *at = vector->request->at + vector->from;
    bool is_down = ax_service_keys_is_down(keys);
    for (size_t row = 0; row < vector->rows; row++) {
        const struct ax_online_row *found =
            is_down ? NULL : ax_service_keys_row(keys, part->group * vector->rows + row);
        const struct ax_online_part *is =
            found ? ax_online_row_part(found, part->layout->id) : NULL;
        enum ax_online_status state =
            is_down ? AX_ONLINE_STORE_DOWN : ax_online_part_status(is, part->ttl_us, at[row]);
        bool is_seen = state == AX_ONLINE_PRESENT || state == AX_ONLINE_OUTSIDE_MAX_AGE;
        vector->states[cell + row] = (uint8_t)state;
        vector->times[cell + row] = is_seen ? is->stamp.time : AX_ONLINE_TIMELESS;
        vector->parts[cell + row] = state == AX_ONLINE_PRESENT ? is : NULL;
    }
}

static void set_value(struct ax_values *values, size_t row, const union ax_literal *value)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        values->bools[row] = value->truth;
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        values->i64s[row] = value->i64;
        return;
    case AX_TYPE_FLOAT64:
        values->f64s[row] = value->f64;
        return;
    case AX_TYPE_STRING:
        values->texts[row] = value->text;
        return;
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no type");
}

/* A field's default where there is nothing; what there was is noted. */
static enum ax_code put_default(struct ax_service_vector *vector, size_t input,
                                const struct ax_field *field, struct ax_err *err)
{
    struct ax_values *values = &vector->inputs[input];
    size_t row = 0;
    while (row < vector->rows && !ax_values_is_null(values, row))
        row++;
    if (row == vector->rows)
        return AX_OK;
    size_t words = ax_bits_words(vector->rows);
    uint64_t *found = vector_alloc(vector, words, sizeof(*found), err);
    if (!found)
        return err->code;
    memcpy(found, values->validity, words * sizeof(*found));
    vector->found[input] = found;
    union ax_literal value = ax_field_default(field);
    for (; row < vector->rows; row++) {
        if (!has_bit(found, row))
            set_value(values, row, &value);
    }
    memset(values->validity, 0xFF, words * sizeof(*found));
    return AX_OK;
}

/* ---- what the call gives instead ---- */

static void copy_value(struct ax_values *to, const struct ax_values *from, size_t row)
{
    size_t size = ax_type_size(to->type);
    if (ax_values_is_null(from, row))
        ax_values_set_null(to, row);
    else
        memcpy((char *)to->data + row * size, (const char *)from->data + row * size, size);
}

/* An input as it was made, or as the call gives it. Another column is made, since neither is ours
 * to write to. */
static enum ax_code put_given(struct ax_service_vector *vector, size_t input, struct ax_err *err)
{
    const struct ax_service_given *given = vector->given[input];
    struct ax_values *values = &vector->inputs[input];
    assert(ax_type_equals(values->type, given->values.type));
    if (values->type.is_list) {
        *values = given->values;
        return AX_OK;
    }
    struct ax_values merged;
    if (ax_values_init(&merged, values->type, vector->rows, vector->request->arena, err))
        return err->code;
    for (size_t row = 0; row < vector->rows; row++)
        copy_value(&merged, is_given(given, row) ? &given->values : values, row);
    *values = merged;
    return AX_OK;
}

/* ---- finishing ---- */

/* An input is known: it is what expressions see. */
static void show(struct ax_service_vector *vector, size_t input)
{
    vector->scope[vector->request->plan->scope[input]] = &vector->inputs[input];
}

/* ---- windows ---- */

#define ID_BYTES_MAX ((size_t)64 << 10)

/* The ids of the events that do not count; ptr NULL: all do. */
static enum ax_code make_selfs(const struct ax_service_vector *vector,
                               const struct ax_service_part *part, struct ax_str *ret_selfs,
                               struct ax_err *err)
{
    size_t count = service_of(vector)->self->event_id_count;
    const struct ax_values **ids = vector_alloc(vector, count, sizeof(*ids), err);
    struct ax_buf id;
    if (!ids)
        return err->code;
    for (size_t i = 0; i < count; i++)
        ids[i] = &vector->call[part->self[i]];
    ax_buf_init(&id, ID_BYTES_MAX);
    for (size_t row = 0; row < vector->rows && !err->code; row++) {
        bool is_null = false;
        for (size_t i = 0; i < count; i++)
            is_null |= ax_values_is_null(ids[i], row);
        ret_selfs[row] = (struct ax_str){ NULL, 0 };
        if (is_null || ax_window_id_put(&id, ids, count, row, err))
            continue;
        char *text = ax_arena_strdup(vector->request->arena, ax_buf_str(&id));
        ret_selfs[row] = (struct ax_str){ text, ax_buf_str(&id).len };
        if (!text)
            (void)ax_arena_fail(vector->request->arena, "the features of a request", err);
    }
    ax_buf_done(&id);
    return err->code;
}

/* A field's column that is ours to write to, null where nothing is known. */
static enum ax_code copy_known(const struct ax_service_vector *vector, const bool *known,
                               struct ax_values *values, struct ax_err *err)
{
    struct ax_values copy;
    size_t size = ax_type_size(values->type);
    if (ax_values_init(&copy, values->type, vector->rows, vector->request->arena, err))
        return err->code;
    memcpy(copy.data, values->data, vector->rows * size);
    copy.items = values->items;
    for (size_t row = 0; row < vector->rows; row++) {
        if (!known[row] || ax_values_is_null(values, row))
            ax_values_set_null(&copy, row);
    }
    *values = copy;
    return AX_OK;
}

static enum ax_code get_windows(struct ax_service_vector *vector,
                                const struct ax_service_part *part, struct ax_values *ret_fields,
                                bool *ret_known, struct ax_err *err)
{
    const struct ax_str *keys = vector->keys[part->visit].keys + part->group * vector->rows;
    struct ax_str *selfs = vector_alloc(vector, vector->rows, sizeof(*selfs), err);
    if (!selfs || (part->self && make_selfs(vector, part, selfs, err)))
        return err->code;
    const struct ax_online_windows_read read = { keys, vector->request->at + vector->from,
                                                 part->self ? selfs : NULL, vector->rows };
    struct ax_window_scratch scratch;
    if (ax_window_scratch_init(&scratch, part->windows->made.spec, vector->request->arena))
        (void)(ax_online_windows_get(part->windows, &read, &scratch, vector->request->arena,
                                     ret_fields, ret_known, err) != AX_OK);
    else
        (void)ax_arena_fail(vector->request->arena, "the values of windows", err);
    ax_window_scratch_done(&scratch, part->windows->made.spec);
    return err->code;
}

/* The fields of a role whose view has windows. */
static enum ax_code read_windows(struct ax_service_vector *vector, size_t role, struct ax_err *err)
{
    const struct ax_service_part *part = &vector->request->plan->parts[role];
    const struct ax_view *view = service_of(vector)->roles[role].view;
    struct ax_values *fields = vector_alloc(vector, view->field_count, sizeof(*fields), err);
    bool *known = vector_alloc(vector, vector->rows, sizeof(*known), err);
    if (!fields || !known || get_windows(vector, part, fields, known, err))
        return err->code;
    for (size_t row = 0; row < vector->rows; row++) {
        size_t cell = role * vector->rows + row;
        vector->states[cell] = known[row] ? AX_ONLINE_PRESENT : AX_ONLINE_NOT_FOUND;
        vector->times[cell] = AX_ONLINE_TIMELESS;
    }
    bool is_whole = true;
    for (size_t row = 0; row < vector->rows; row++)
        is_whole &= known[row];
    for (size_t i = 0; i < part->count; i++) {
        struct ax_values *input = &vector->inputs[part->inputs[i]];
        *input = fields[part->fields[i]];
        bool is_changed = !is_whole || ax_field_has_default(&view->fields[part->fields[i]]);
        if (is_changed && copy_known(vector, known, input, err))
            return err->code;
    }
    return AX_OK;
}

/* What the call gives in place of fields [from, end) of a role, then defaults; expressions see the
 * result. */
static enum ax_code replace_fields(struct ax_service_vector *vector, size_t role, size_t from,
                                   size_t end, struct ax_err *err)
{
    const struct ax_service_part *part = &vector->request->plan->parts[role];
    const struct ax_field *fields = service_of(vector)->roles[role].view->fields;
    bool is_replaced = part->has_defaults || vector->request->given_count;
    for (size_t i = from; is_replaced && i < end; i++) {
        const struct ax_field *field = &fields[part->fields[i]];
        size_t input = part->inputs[i];
        if ((vector->given[input] && put_given(vector, input, err)) ||
            (ax_field_has_default(field) && put_default(vector, input, field, err)))
            return err->code;
    }
    for (size_t i = from; vector->request->plan->step_count && i < end; i++)
        show(vector, part->inputs[i]);
    return AX_OK;
}

/* Columns of fields [from, end) of a role whose view has a layout. */
static enum ax_code read_fields(struct ax_service_vector *vector, size_t role, size_t from,
                                size_t end, struct ax_err *err)
{
    const struct ax_service_part *part = &vector->request->plan->parts[role];
    if (from == end)
        return AX_OK;
    struct ax_values *made = vector_alloc(vector, end - from, sizeof(*made), err);
    if (!made || ax_online_read(part->layout, part->fields + from, end - from,
                                vector->parts + role * vector->rows, vector->rows,
                                vector->request->arena, made, err))
        return err->code;
    for (size_t i = from; i < end; i++)
        vector->inputs[part->inputs[i]] = made[i - from];
    return replace_fields(vector, role, from, end, err);
}

static enum ax_code read_role(struct ax_service_vector *vector, size_t role, struct ax_err *err)
{
    const struct ax_service_part *part = &vector->request->plan->parts[role];
    if (part->windows)
        return read_windows(vector, role, err) ? err->code
                                               : replace_fields(vector, role, 0, part->count, err);
    find_parts(vector, role);
    return read_fields(vector, role, 0, vector->is_whole ? part->count : part->column_count, err);
}

static enum ax_code run_step(struct ax_service_vector *vector, const struct ax_service_step *step,
                             struct ax_err *err)
{
    struct ax_arena *arena = vector->request->arena;
    struct ax_values *outputs = vector_alloc(vector, step->count, sizeof(*outputs), err);
    if (!outputs || ax_program_run(step->program, vector->scope, vector->rows, arena, outputs, err))
        return err->code;
    for (size_t i = 0; i < step->count; i++) {
        size_t input = step->inputs[i];
        vector->inputs[input] = outputs[i];
        if (ax_values_narrow(&vector->inputs[input], service_of(vector)->inputs[input].storage,
                             arena, err) ||
            (vector->given[input] && put_given(vector, input, err)))
            return err->code;
        show(vector, input);
    }
    return AX_OK;
}

enum ax_code ax_service_vector_finish(struct ax_service_vector *vector, struct ax_err *err)
{
    assert(vector && err);
    const struct ax_service_plan *plan = vector->request->plan;
    vector->is_whole = vector->request->given_count;
    for (size_t role = 0; role < plan->service->role_count; role++) {
        if (read_role(vector, role, err))
            return err->code;
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        if (run_step(vector, &plan->steps[i], err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_service_vector_columns(struct ax_service_vector *vector, struct ax_err *err)
{
    assert(vector && err);
    const struct ax_service_plan *plan = vector->request->plan;
    for (size_t role = 0; !vector->is_whole && role < plan->service->role_count; role++) {
        const struct ax_service_part *part = &plan->parts[role];
        if (!part->windows && read_fields(vector, role, part->column_count, part->count, err))
            return err->code;
    }
    vector->is_whole = true;
    return AX_OK;
}

/* ---- what became of it ---- */

struct ax_service_status ax_service_vector_status(const struct ax_service_vector *vector,
                                                  size_t input, size_t row)
{
    const struct ax_service *service = service_of(vector);
    assert(input < service->input_count && row < vector->rows && is_column(vector, input));
    const struct ax_service_input *in = &service->inputs[input];
    const uint64_t *found = vector->found[input];
    bool is_null = found ? !has_bit(found, row) : ax_values_is_null(&vector->inputs[input], row);
    struct ax_service_status status = { .status = AX_ONLINE_PRESENT,
                                        .defaulted = found && is_null,
                                        .given = is_given(vector->given[input], row),
                                        .time = AX_ONLINE_TIMELESS };
    if (in->kind == AX_INPUT_FIELD && !status.given) {
        status.status = vector->states[in->role * vector->rows + row];
        status.time = vector->times[in->role * vector->rows + row];
    }
    if (status.status == AX_ONLINE_PRESENT && is_null)
        status.status = AX_ONLINE_NULL_VALUE;
    return status;
}

static enum ax_code write_columns(const struct ax_service_vector *vector, const size_t *inputs,
                                  size_t first, size_t count, struct ax_rows *rows, size_t to,
                                  struct ax_arena *arena, struct ax_err *err)
{
    for (size_t i = 0; i < rows->signature->input_count; i++) {
        if (is_column(vector, inputs[i]) &&
            ax_rows_set_values(rows, to, i, &vector->inputs[inputs[i]], first, count, arena, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_service_vector_write(const struct ax_service_vector *vector, const size_t *inputs,
                                     struct ax_rows *rows, size_t to, struct ax_arena *arena,
                                     struct ax_err *err)
{
    assert(vector && rows && (inputs || !rows->signature->input_count) && arena && err);
    const struct ax_online_number *numbers = vector->request->plan->numbers;
    const struct ax_online_groups groups = { vector->parts, vector->rows };
    for (size_t first = 0; first < vector->rows; first += BLOCK_ROWS, to += BLOCK_ROWS) {
        size_t count = AX_MIN(vector->rows - first, BLOCK_ROWS);
        if ((!vector->is_whole &&
             ax_online_numbers_set(numbers, inputs, &groups, first, count, rows, to, err)) ||
            write_columns(vector, inputs, first, count, rows, to, arena, err))
            return err->code;
    }
    return AX_OK;
}

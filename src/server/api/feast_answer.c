/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of a slice, in this order: of each role its times and its statuses, which are those of all
 * of its fields; the times of what has none; then of each column its values, and its statuses if
 * they are not its role's. Each is what stands between '[' and ']', so that texts of two slices are
 * joined by a comma.
 *
 * Feast's client makes types of JSON again: a number with a point is a float, so a whole float64
 * keeps its ".0". A float32 is printed as the double that it is.
 */
#include "server/api/feast_answer.h"

#include "base/base64.h"
#include "base/calendar.h"
#include "base/hash.h"
#include "base/json.h"
#include "server/server_thread.h"

#include <assert.h>
#include <math.h>

#define SLICE_BYTES_MAX ((size_t)1 << 30)

enum { LIST_VALUES, LIST_STATUSES, LIST_TIMES, LISTS };

/* What stands in front of a list of a column, with the comma behind what was there before. */
static const struct ax_str list_fronts[LISTS] = { { ",{\"values\":[", 12 },
                                                  { ",\"statuses\":[", 13 },
                                                  { ",\"event_timestamps\":[", 21 } };

/* ---- columns ---- */

static struct ax_str full_name(const struct ax_service *service,
                               const struct ax_service_input *input, struct ax_arena *arena)
{
    const struct ax_role *role = &service->roles[input->role];
    struct ax_str front = role->as.len ? role->as : role->view->name;
    struct ax_str field = role->view->fields[input->field].name;
    struct ax_str name = { NULL, front.len + 2 + field.len };
    char *text = ax_arena_alloc(arena, name.len, 1);
    if (text) {
        memcpy(text, front.ptr, front.len);
        memset(text + front.len, '_', 2);
        memcpy(text + front.len + 2, field.ptr, field.len);
    }
    name.ptr = text;
    return name;
}

/* Its ptr is NULL when there is no memory. */
static struct ax_str name_of(const struct ax_service *service, size_t index, bool has_full_names,
                             struct ax_arena *arena)
{
    const struct ax_service_input *input = &service->inputs[index];
    if (input->kind == AX_INPUT_EXPR)
        return input->name;
    if (has_full_names)
        return full_name(service, input, arena);
    return service->roles[input->role].view->fields[input->field].name;
}

static enum ax_code fail_twice(struct ax_str name, bool has_full_names, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "two columns of the answer would be called '%.*s'; %s",
                   AX_STR_ARG(name),
                   has_full_names ? "give one of the views another name in the service"
                                  : "ask with \"full_feature_names\": true");
}

static enum ax_code check_names(const struct ax_feast_answer *answer, bool has_full_names,
                                struct ax_arena *arena, struct ax_err *err)
{
    size_t slot_count = 2;
    while (slot_count < 2 * answer->column_count)
        slot_count *= 2;
    uint32_t *slots = ax_arena_zalloc(arena, slot_count, sizeof(*slots));
    if (!slots)
        return ax_arena_fail(arena, "the names of an answer", err);
    for (size_t i = 0; i < answer->column_count; i++) {
        struct ax_str name = answer->columns[i].name;
        size_t at = ax_hash(name) & (slot_count - 1);
        for (; slots[at]; at = (at + 1) & (slot_count - 1))
            if (ax_str_equals(answer->columns[slots[at] - 1].name, name))
                return fail_twice(name, has_full_names, err);
        slots[at] = (uint32_t)i + 1;
    }
    return AX_OK;
}

static enum ax_code make_columns(struct ax_feast_answer *answer, const struct ax_cells *cells,
                                 const uint32_t *places, bool has_full_names,
                                 struct ax_arena *arena, struct ax_err *err)
{
    const struct ax_service *service = answer->service;
    size_t count = 0, most = cells->column_count + service->input_count;
    struct ax_feast_column *columns = ax_arena_alloc(arena, most, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(arena, "the columns of an answer", err);
    for (size_t i = 0; i < cells->column_count; i++)
        if (places[i] != AX_CELLS_PASSED_OVER)
            columns[count++] = (struct ax_feast_column){ .name = service->call[places[i]].name,
                                                         .is_call = true,
                                                         .index = places[i] };
    for (size_t i = 0; i < service->input_count; i++) {
        enum ax_input_kind kind = service->inputs[i].kind;
        if (kind != AX_INPUT_FIELD && kind != AX_INPUT_EXPR)
            continue;
        struct ax_str name = name_of(service, i, has_full_names, arena);
        if (!name.ptr)
            return ax_arena_fail(arena, "the names of an answer", err);
        columns[count++] = (struct ax_feast_column){ .name = name, .index = i };
    }
    answer->columns = columns;
    answer->column_count = count;
    return check_names(answer, has_full_names, arena, err);
}

enum ax_code ax_feast_answer_init(struct ax_feast_answer *answer, const struct ax_service *service,
                                  const struct ax_cells *cells, const uint32_t *places,
                                  bool has_full_names, size_t slice_max, struct ax_arena *arena,
                                  struct ax_err *err)
{
    assert(answer && service && cells && (places || !cells->column_count) && arena && err);
    *answer = (struct ax_feast_answer){ .service = service };
    if (make_columns(answer, cells, places, has_full_names, arena, err))
        return err->code;
    answer->part_count = 2 * service->role_count + 1 + 2 * answer->column_count;
    answer->slices = ax_arena_zalloc(arena, slice_max, sizeof(*answer->slices));
    for (size_t i = 0; answer->slices && i < slice_max; i++) {
        struct ax_feast_slice *slice = &answer->slices[i];
        ax_buf_init(&slice->text, SLICE_BYTES_MAX);
        slice->ends = ax_arena_alloc(arena, answer->part_count, sizeof(*slice->ends));
        if (!slice->ends)
            answer->slices = NULL;
    }
    if (!answer->slices)
        return ax_arena_fail(arena, "the slices of an answer", err);
    answer->slice_max = slice_max;
    return AX_OK;
}

void ax_feast_answer_done(struct ax_feast_answer *answer)
{
    for (size_t i = 0; answer && i < answer->slice_count; i++)
        ax_buf_done(&answer->slices[i].text);
}

/* ---- values ---- */

static int64_t whole_seconds(int64_t us)
{
    return us / AX_US_PER_S - (us % AX_US_PER_S < 0);
}

static void put_scalar(struct ax_buf *out, const struct ax_values *values,
                       enum ax_storage_kind storage, size_t row)
{
    if (ax_values_is_null(values, row) ||
        (values->type.kind == AX_TYPE_FLOAT64 && !isfinite(values->f64s[row]))) {
        (void)ax_buf_append_str(out, AX_STR("null"));
        return;
    }
    switch (storage) {
    case AX_STORAGE_BOOL:
        ax_json_put_bool(out, values->bools[row]);
        return;
    case AX_STORAGE_INT32:
    case AX_STORAGE_INT64:
    case AX_STORAGE_DURATION:
        ax_json_put_i64(out, values->i64s[row]);
        return;
    case AX_STORAGE_TIMESTAMP:
        ax_json_put_i64(out, whole_seconds(values->i64s[row]));
        return;
    case AX_STORAGE_FLOAT32:
    case AX_STORAGE_FLOAT64:
        ax_json_put_f64(out, values->f64s[row]);
        return;
    case AX_STORAGE_STRING:
        ax_json_put_str(out, values->texts[row]);
        return;
    case AX_STORAGE_BYTES:
        (void)ax_buf_append_char(out, '"');
        ax_base64_put(out, values->texts[row]);
        (void)ax_buf_append_char(out, '"');
        return;
    case AX_STORAGE_COUNT:
        break;
    }
    assert(!"no storage");
}

static void put_list(struct ax_buf *out, const struct ax_values *values,
                     enum ax_storage_kind storage, size_t row)
{
    if (ax_values_is_null(values, row)) {
        (void)ax_buf_append_str(out, AX_STR("null"));
        return;
    }
    struct ax_span span = values->spans[row];
    (void)ax_buf_append_char(out, '[');
    for (uint32_t i = 0; i < span.count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        put_scalar(out, values->items, storage, span.from + i);
    }
    (void)ax_buf_append_char(out, ']');
}

/* Numbers of which many are asked for, in one piece of the buffer. */
static void put_i64s(struct ax_buf *out, const struct ax_values *values, size_t rows)
{
    char *begin = ax_buf_reserve(out, rows * (AX_U64_TEXT_MAX + 2));
    char *at = begin;
    for (size_t row = 0; begin && row < rows; row++) {
        int64_t value = values->i64s[row];
        if (row)
            *at++ = ',';
        if (ax_values_is_null(values, row)) {
            memcpy(at, "null", 4);
            at += 4;
            continue;
        }
        if (value < 0)
            *at++ = '-';
        at += ax_u64_text(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, at);
    }
    if (begin)
        ax_buf_added(out, (size_t)(at - begin));
}

static void put_values(struct ax_buf *out, const struct ax_values *values,
                       struct ax_storage storage, size_t rows)
{
    bool is_i64 = storage.kind == AX_STORAGE_INT32 || storage.kind == AX_STORAGE_INT64 ||
                  storage.kind == AX_STORAGE_DURATION;
    if (is_i64 && !storage.is_list) {
        put_i64s(out, values, rows);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        if (row)
            (void)ax_buf_append_char(out, ',');
        if (storage.is_list)
            put_list(out, values, storage.kind, row);
        else
            put_scalar(out, values, storage.kind, row);
    }
}

/* ---- statuses and times ---- */

/* Feast's words; it has none for a store that cannot be asked. With the comma in front of them,
 * since there are as many as values. */
#define STATUS(text) { ",\"" text "\"", sizeof(text) + 2 }
static const struct ax_str status_texts[] = {
    [AX_ONLINE_PRESENT] = STATUS("PRESENT"),
    [AX_ONLINE_NULL_VALUE] = STATUS("NULL_VALUE"),
    [AX_ONLINE_NOT_FOUND] = STATUS("NOT_FOUND"),
    [AX_ONLINE_OUTSIDE_MAX_AGE] = STATUS("OUTSIDE_MAX_AGE"),
    [AX_ONLINE_STORE_DOWN] = STATUS("NOT_FOUND"),
};

static void put_status(struct ax_buf *out, size_t row, enum ax_online_status status)
{
    size_t from = row == 0;
    (void)ax_buf_append(out, status_texts[status].ptr + from, status_texts[status].len - from);
}

static void put_statuses(struct ax_buf *out, const struct ax_service_vector *vector, size_t input)
{
    for (size_t row = 0; row < vector->rows; row++) {
        const struct ax_service_status status = ax_service_vector_status(vector, input, row);
        put_status(out, row, status.defaulted ? AX_ONLINE_PRESENT : status.status);
    }
}

static void put_role_statuses(struct ax_buf *out, const uint8_t *states, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        put_status(out, row, (enum ax_online_status)states[row]);
}

/* Whether what is null in a field is all that its role's rows do not have, so that its statuses are
 * theirs. */
static bool has_role_statuses(const struct ax_service_vector *vector, size_t input, size_t role)
{
    const struct ax_values *values = &vector->inputs[input];
    const uint8_t *states = vector->states + role * vector->rows;
    if (vector->found[input] || vector->given[input])
        return false;
    for (size_t row = 0; row < vector->rows; row++)
        if (ax_values_is_null(values, row) != (states[row] != AX_ONLINE_PRESENT))
            return false;
    return true;
}

static void put_call_statuses(struct ax_buf *out, const struct ax_values *values, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        put_status(out, row,
                   ax_values_is_null(values, row) ? AX_ONLINE_NULL_VALUE : AX_ONLINE_PRESENT);
}

/* RFC 3339 with no digits behind the second, three or six, as protobuf has it. */
static void put_time(struct ax_buf *out, int64_t us)
{
    char text[AX_CALENDAR_TEXT_SIZE];
    int64_t seconds = us == AX_ONLINE_TIMELESS ? 0 : whole_seconds(us);
    int64_t rest = us == AX_ONLINE_TIMELESS ? 0 : us - seconds * AX_US_PER_S;
    size_t len = ax_calendar_text(seconds * AX_US_PER_S, text);
    (void)ax_buf_append_char(out, '"');
    (void)ax_buf_append(out, text, len - 1);
    if (rest % 1000)
        ax_buf_printf(out, ".%06u", (unsigned)rest);
    else if (rest)
        ax_buf_printf(out, ".%03u", (unsigned)(rest / 1000));
    (void)ax_buf_append_str(out, AX_STR("Z\""));
}

/* Of rows that often have the same one. */
static void put_times(struct ax_buf *out, const int64_t *times, size_t rows)
{
    size_t from = 0, to = 0;
    for (size_t row = 0; row < rows; row++) {
        if (row)
            (void)ax_buf_append_char(out, ',');
        if (row && times[row] == times[row - 1] && !out->failed) {
            char *room = ax_buf_reserve(out, to - from);
            if (room) {
                memcpy(room, out->ptr + from, to - from);
                ax_buf_added(out, to - from);
            }
            continue;
        }
        from = out->len;
        put_time(out, times[row]);
        to = out->len;
    }
}

static void put_no_times(struct ax_buf *out, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        (void)ax_buf_append_str(out, row ? AX_STR(",\"1970-01-01T00:00:00Z\"")
                                         : AX_STR("\"1970-01-01T00:00:00Z\""));
}

/* ---- slices ---- */

static bool is_down(const struct ax_service_vector *vector, size_t role_count)
{
    size_t count = role_count * vector->rows;
    for (size_t i = 0; i < count; i++)
        if (vector->states[i] != AX_ONLINE_STORE_DOWN)
            return false;
    return count > 0;
}

static void put_column(struct ax_feast_slice *slice, const struct ax_service_vector *vector,
                       const struct ax_service *service, const struct ax_feast_column *column,
                       size_t *ends)
{
    struct ax_buf *out = &slice->text;
    const struct ax_values *values =
        column->is_call ? &vector->call[column->index] : &vector->inputs[column->index];
    put_values(out, values,
               column->is_call ? service->call[column->index].storage
                               : service->inputs[column->index].storage,
               vector->rows);
    ends[LIST_VALUES] = out->len;
    const struct ax_service_input *input = &service->inputs[column->index];
    if (column->is_call)
        put_call_statuses(out, values, vector->rows);
    else if (input->kind != AX_INPUT_FIELD ||
             !has_role_statuses(vector, column->index, input->role))
        put_statuses(out, vector, column->index);
    ends[LIST_STATUSES] = out->len;
}

enum ax_code ax_feast_answer_add(struct ax_feast_answer *answer,
                                 const struct ax_service_vector *vector, struct ax_err *err)
{
    assert(answer && vector && answer->slice_count < answer->slice_max && err);
    const struct ax_service *service = answer->service;
    if (is_down(vector, service->role_count))
        return ax_fail(err, AX_E_UNAVAILABLE, "the online store cannot be asked");
    struct ax_feast_slice *slice = &answer->slices[answer->slice_count++];
    size_t *ends = slice->ends;
    for (size_t role = 0; role < service->role_count; role++) {
        put_times(&slice->text, vector->times + role * vector->rows, vector->rows);
        *ends++ = slice->text.len;
        put_role_statuses(&slice->text, vector->states + role * vector->rows, vector->rows);
        *ends++ = slice->text.len;
    }
    put_no_times(&slice->text, vector->rows);
    *ends++ = slice->text.len;
    for (size_t i = 0; i < answer->column_count; i++, ends += 2)
        put_column(slice, vector, service, &answer->columns[i], ends);
    return ax_buf_check(&slice->text, "the answer", err);
}

/* ---- printing ---- */

static struct ax_str part_text(const struct ax_feast_slice *slice, size_t part)
{
    size_t from = part ? slice->ends[part - 1] : 0;
    return (struct ax_str){ slice->text.ptr + from, slice->ends[part] - from };
}

/* Of the column and list that are printed. */
static struct ax_str list_text(const struct ax_feast_answer *answer,
                               const struct ax_feast_slice *slice)
{
    const struct ax_service *service = answer->service;
    const struct ax_feast_column *column = &answer->columns[answer->column];
    bool is_field = !column->is_call && service->inputs[column->index].kind == AX_INPUT_FIELD;
    size_t role = is_field ? 2 * service->inputs[column->index].role : 2 * service->role_count;
    if (answer->list == LIST_TIMES)
        return part_text(slice, role);
    size_t own = 2 * service->role_count + 1 + 2 * answer->column + answer->list;
    struct ax_str text = part_text(slice, own);
    return answer->list == LIST_STATUSES && !text.len ? part_text(slice, role + 1) : text;
}

/* Behind what is printed in front of it; the text of a list ends with its last slice. */
static void print_text(struct ax_buf *out, struct ax_str front, struct ax_str text,
                       struct ax_str end)
{
    char *at = ax_buf_reserve(out, front.len + text.len + end.len);
    if (!at)
        return;
    memcpy(at, front.ptr, front.len);
    memcpy(at + front.len, text.ptr, text.len);
    memcpy(at + front.len + text.len, end.ptr, end.len);
    ax_buf_added(out, front.len + text.len + end.len);
}

/* The next text; false: there was none any more. */
static bool print_part(struct ax_feast_answer *answer, struct ax_buf *out)
{
    if (answer->column == answer->column_count)
        return false;
    struct ax_str front = answer->slice ? AX_STR(",") : list_fronts[answer->list];
    if (!answer->slice && !answer->list && !answer->column)
        front = (struct ax_str){ front.ptr + 1, front.len - 1 }; /* without the comma */
    struct ax_str text = answer->slice < answer->slice_count
                             ? list_text(answer, &answer->slices[answer->slice])
                             : AX_STR("");
    bool is_last = answer->slice + 1 >= answer->slice_count;
    bool ends_column = answer->list + 1 == LISTS;
    print_text(out, front, text, !is_last ? AX_STR("") : ends_column ? AX_STR("]}") : AX_STR("]"));
    answer->slice = is_last ? 0 : answer->slice + 1;
    answer->list = !is_last ? answer->list : ends_column ? 0 : answer->list + 1;
    answer->column += is_last && ends_column;
    return true;
}

bool ax_feast_answer_print(struct ax_feast_answer *answer, struct ax_buf *out, size_t bytes)
{
    assert(answer && out && bytes);
    size_t begin = out->len;
    if (!answer->has_begun)
        (void)ax_buf_append_str(out, AX_STR("{\"results\":["));
    answer->has_begun = true;
    while (out->len - begin < bytes && !out->failed) {
        if (print_part(answer, out))
            continue;
        (void)ax_buf_append_str(out, AX_STR("],\"metadata\":{\"feature_names\":["));
        for (size_t i = 0; i < answer->column_count; i++) {
            if (i)
                (void)ax_buf_append_char(out, ',');
            ax_json_put_str(out, answer->columns[i].name);
        }
        (void)ax_buf_append_str(out, AX_STR("]}}"));
        return true;
    }
    return false;
}

void ax_feast_put_error(struct ax_buf *out, const char *class, const struct ax_err *err)
{
    struct ax_buf inside;
    ax_buf_init(&inside, (size_t)4 << 10);
    (void)ax_buf_append_char(&inside, '{');
    ax_json_put_member(&inside, "module", AX_STR("feast.errors"));
    ax_json_put_member(&inside, "class", ax_str_from(class));
    ax_json_put_member(&inside, "message", ax_str_from(err->msg));
    (void)ax_buf_append_char(&inside, '}');
    ax_buf_fail_with(out, &inside);
    ax_json_put_str(out, ax_buf_str(&inside));
    ax_buf_done(&inside);
}

void ax_feast_answer_failure(struct ax_server_thread *thread, struct ax_request *request,
                             const struct ax_err *err)
{
    assert(thread && request && err);
    bool is_wrong = err->code == AX_E_INVALID || err->code == AX_E_UNSUPPORTED;
    const char *class = err->code == AX_E_NOT_FOUND ? "FeatureViewNotFoundException" : "FeastError";
    ax_feast_put_error(ax_server_thread_answer_begin(thread), class, err);
    ax_server_thread_answer(thread, request, is_wrong ? 422 : ax_code_http(err->code));
}

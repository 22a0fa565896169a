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
#include "base/json.h"
#include "server/server.h"
#include "server/server_thread.h"

#include <assert.h>
#include <math.h>

/* Of a part's text, about; of an answer, at least: a value, its status and its time. */
#define VALUE_BYTES     ((size_t)12)
#define VALUE_BYTES_MIN ((size_t)32)

enum { LIST_VALUES, LIST_STATUSES, LIST_TIMES, LISTS };

#define VALUES_FRONT   "{\"values\":["
#define STATUSES_FRONT "\"statuses\":["
#define TIMES_FRONT    "\"event_timestamps\":["
#define COLUMN_BYTES   ((size_t)64) /* of all that is not a list's */

static const char *const list_fronts[LISTS] = { VALUES_FRONT, STATUSES_FRONT, TIMES_FRONT };

/* ---- columns ---- */

/* A column of the answer. */
struct column {
    bool is_call;
    size_t index; /* of the service's call, or its inputs */
};

static struct column column_at(const struct ax_feast_answer *answer, size_t number)
{
    bool is_call = number < answer->called_count;
    return (struct column){ is_call, is_call
                                         ? answer->called[number]
                                         : answer->columns->inputs[number - answer->called_count] };
}

static enum ax_code find_called(struct ax_feast_answer *answer, const struct ax_cells *cells,
                                const uint32_t *places, bool has_full_names, struct ax_arena *arena,
                                struct ax_err *err)
{
    uint32_t *called = ax_arena_alloc(arena, cells->column_count, sizeof(*called));
    if (!called)
        return ax_arena_fail(arena, "the columns of an answer", err);
    for (size_t i = 0; i < cells->column_count; i++) {
        if (places[i] == AX_CELLS_PASSED_OVER)
            continue;
        if (answer->columns->are_names_used[places[i]])
            return ax_feast_columns_fail_twice(answer->service->call[places[i]].name,
                                               has_full_names, err);
        called[answer->called_count++] = places[i];
    }
    answer->called = called;
    return AX_OK;
}

static enum ax_code fail_large(const struct ax_feast_answer *answer, struct ax_err *err)
{
    return ax_fail(err, AX_E_TOO_LARGE,
                   "the answer: over %zu bytes (request_bytes_max); ask for fewer rows at a time",
                   answer->bytes_max);
}

/* Known before anything is looked up: each value has its few bytes at least. */
static enum ax_code check_values(const struct ax_feast_answer *answer, size_t rows,
                                 struct ax_err *err)
{
    size_t values_max = answer->bytes_max / VALUE_BYTES_MIN;
    if (!answer->column_count || rows <= values_max / answer->column_count)
        return AX_OK;
    return ax_fail(err, AX_E_TOO_LARGE,
                   "%zu rows of %zu columns; an answer has at most %zu values (request_bytes_max / "
                   "%zu): ask for fewer rows at a time",
                   rows, answer->column_count, values_max, VALUE_BYTES_MIN);
}

enum ax_code ax_feast_answer_init(struct ax_feast_answer *answer, const struct ax_service *service,
                                  const struct ax_feast_columns *columns,
                                  const struct ax_cells *cells, const uint32_t *places,
                                  bool has_full_names, size_t slice_max, struct ax_arena *arena,
                                  struct ax_err *err)
{
    assert(answer && service && columns && cells && (places || !cells->column_count));
    assert(arena && err);
    *answer = (struct ax_feast_answer){ .service = service, .columns = columns };
    if (find_called(answer, cells, places, has_full_names, arena, err))
        return err->code;
    answer->column_count = answer->called_count + columns->count;
    answer->bytes_max = AX_MIN(arena->max, AX_SERVER_ANSWER_MAX);
    answer->bytes = answer->column_count * COLUMN_BYTES + columns->names.len;
    if (check_values(answer, cells->row_count, err))
        return err->code;
    answer->part_count = 2 * service->role_count + 1 + 2 * answer->column_count;
    answer->slices = ax_arena_zalloc(arena, slice_max, sizeof(*answer->slices));
    for (size_t i = 0; answer->slices && i < slice_max; i++) {
        struct ax_feast_slice *slice = &answer->slices[i];
        ax_buf_init(&slice->text, answer->bytes_max);
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

static char *put_part(char *at, struct ax_str text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
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
            at = put_part(at, AX_STR("null"));
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

static void put_called(struct ax_buf *out, const struct ax_service_vector *vector,
                       const struct ax_service *service, size_t column, size_t *ends)
{
    const struct ax_values *values = &vector->call[column];
    put_values(out, values, service->call[column].storage, vector->rows);
    ends[LIST_VALUES] = out->len;
    put_call_statuses(out, values, vector->rows);
    ends[LIST_STATUSES] = out->len;
}

static void put_input(struct ax_buf *out, const struct ax_service_vector *vector,
                      const struct ax_service *service, size_t number, size_t *ends)
{
    const struct ax_service_input *input = &service->inputs[number];
    put_values(out, &vector->inputs[number], input->storage, vector->rows);
    ends[LIST_VALUES] = out->len;
    if (input->kind != AX_INPUT_FIELD || !has_role_statuses(vector, number, input->role))
        put_statuses(out, vector, number);
    ends[LIST_STATUSES] = out->len;
}

static struct ax_str part_text(const struct ax_feast_slice *slice, size_t part)
{
    size_t from = part ? slice->ends[part - 1] : 0;
    return (struct ax_str){ slice->text.ptr + from, slice->ends[part] - from };
}

/* Which part has a column's times; that of a role has its statuses behind it. */
static size_t shared_part(const struct ax_feast_answer *answer, size_t number)
{
    const struct ax_service *service = answer->service;
    struct column column = column_at(answer, number);
    bool is_field = !column.is_call && service->inputs[column.index].kind == AX_INPUT_FIELD;
    return 2 * (is_field ? service->inputs[column.index].role : service->role_count);
}

/* Which part has a column's values; its own statuses, if any, are behind it. */
static size_t own_part(const struct ax_feast_answer *answer, size_t number)
{
    return 2 * answer->service->role_count + 1 + 2 * number;
}

/* A column's lists in a slice. */
static void find_lists(const struct ax_feast_answer *answer, const struct ax_feast_slice *slice,
                       size_t number, struct ax_str *ret_lists)
{
    size_t shared = shared_part(answer, number);
    size_t own = own_part(answer, number);
    ret_lists[LIST_VALUES] = part_text(slice, own);
    ret_lists[LIST_STATUSES] = part_text(slice, own + 1);
    if (!ret_lists[LIST_STATUSES].len)
        ret_lists[LIST_STATUSES] = part_text(slice, shared + 1);
    ret_lists[LIST_TIMES] = part_text(slice, shared);
}

/* What a slice adds to the answer, with commas. */
static size_t slice_bytes(const struct ax_feast_answer *answer, const struct ax_feast_slice *slice)
{
    size_t bytes = answer->column_count * LISTS;
    for (size_t i = 0; i < answer->column_count; i++) {
        struct ax_str lists[LISTS];
        find_lists(answer, slice, i, lists);
        bytes += lists[LIST_VALUES].len + lists[LIST_STATUSES].len + lists[LIST_TIMES].len;
    }
    return bytes;
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
    /* One piece is taken from the heap, rather than ever larger ones. */
    (void)ax_buf_reserve(&slice->text, vector->rows * answer->part_count * VALUE_BYTES);
    for (size_t role = 0; role < service->role_count; role++) {
        put_times(&slice->text, vector->times + role * vector->rows, vector->rows);
        *ends++ = slice->text.len;
        put_role_statuses(&slice->text, vector->states + role * vector->rows, vector->rows);
        *ends++ = slice->text.len;
    }
    put_no_times(&slice->text, vector->rows);
    *ends++ = slice->text.len;
    for (size_t i = 0; i < answer->called_count; i++, ends += 2)
        put_called(&slice->text, vector, service, answer->called[i], ends);
    for (size_t i = 0; i < answer->columns->count; i++, ends += 2)
        put_input(&slice->text, vector, service, answer->columns->inputs[i], ends);
    if (slice->text.failed != AX_E_TOO_LARGE && ax_buf_check(&slice->text, "the answer", err))
        return err->code;
    if (!slice->text.failed)
        answer->bytes += slice_bytes(answer, slice);
    return slice->text.failed || answer->bytes > answer->bytes_max ? fail_large(answer, err)
                                                                   : AX_OK;
}

/* ---- printing ---- */

/* A constant text to *at, which is behind it then. */
#define PUT_TEXT(at, text) ((void)memcpy(at, text, sizeof(text) - 1), (at) += sizeof(text) - 1)

/* The column of an answer of one slice, all at once, as most are. */
static void print_column(struct ax_feast_answer *answer, struct ax_buf *out)
{
    struct ax_str lists[LISTS];
    find_lists(answer, &answer->slices[0], answer->column, lists);
    char *begin = ax_buf_reserve(out, lists[LIST_VALUES].len + lists[LIST_STATUSES].len +
                                          lists[LIST_TIMES].len + COLUMN_BYTES);
    if (!begin)
        return;
    char *at = begin;
    if (answer->column++)
        *at++ = ',';
    PUT_TEXT(at, VALUES_FRONT);
    at = put_part(at, lists[LIST_VALUES]);
    PUT_TEXT(at, "]," STATUSES_FRONT);
    at = put_part(at, lists[LIST_STATUSES]);
    PUT_TEXT(at, "]," TIMES_FRONT);
    at = put_part(at, lists[LIST_TIMES]);
    PUT_TEXT(at, "]}");
    ax_buf_added(out, (size_t)(at - begin));
}

/* The next text of several slices, or of none. */
static void print_part(struct ax_feast_answer *answer, struct ax_buf *out)
{
    if (answer->slice || answer->list || answer->column)
        (void)ax_buf_append_char(out, ',');
    if (!answer->slice)
        (void)ax_buf_append_str(out, ax_str_from(list_fronts[answer->list]));
    if (answer->slice < answer->slice_count) {
        struct ax_str lists[LISTS];
        find_lists(answer, &answer->slices[answer->slice], answer->column, lists);
        (void)ax_buf_append_str(out, lists[answer->list]);
    }
    if (++answer->slice < answer->slice_count)
        return;
    answer->slice = 0;
    (void)ax_buf_append_char(out, ']');
    if (++answer->list < LISTS)
        return;
    answer->list = 0;
    answer->column++;
    (void)ax_buf_append_char(out, '}');
}

static void print_names(const struct ax_feast_answer *answer, struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("],\"metadata\":{\"feature_names\":["));
    for (size_t i = 0; i < answer->called_count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        ax_json_put_str(out, answer->service->call[answer->called[i]].name);
    }
    if (answer->called_count && answer->columns->count)
        (void)ax_buf_append_char(out, ',');
    (void)ax_buf_append_str(out, answer->columns->names);
    (void)ax_buf_append_str(out, AX_STR("]}}"));
}

bool ax_feast_answer_print(struct ax_feast_answer *answer, struct ax_buf *out, size_t bytes)
{
    assert(answer && out && bytes);
    size_t begin = out->len;
    if (!answer->has_begun)
        (void)ax_buf_append_str(out, AX_STR("{\"results\":["));
    answer->has_begun = true;
    while (out->len - begin < bytes && !out->failed) {
        if (answer->column == answer->column_count) {
            print_names(answer, out);
            return true;
        }
        if (answer->slice_count == 1)
            print_column(answer, out);
        else
            print_part(answer, out);
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
    bool is_view = err->code == AX_E_NOT_FOUND && ax_server_features(thread->server);
    const char *class = is_view ? "FeatureViewNotFoundException" : "FeastError";
    ax_feast_put_error(ax_server_thread_answer_begin(thread), class, err);
    ax_server_thread_answer(thread, request, is_wrong ? 422 : ax_code_http(err->code));
}

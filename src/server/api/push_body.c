/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON is read by row_body.c. A line is one that row_reader.c reads into the same cells, one after
 * another. Then cells become columns (data/cells_values.h), the columns are narrowed to what the
 * source declares, and rows are checked, some at a time.
 */
#include "server/api/push_body.h"

#include <assert.h>

enum {
    PUSH_JSON,
    PUSH_LINE_BEGIN, /* in front of a line */
    PUSH_LINE,       /* in one */
    PUSH_READ,       /* cells and source are complete */
    PUSH_FILL,       /* columns */
    PUSH_NARROW,     /* one after another */
    PUSH_CHECK,      /* rows */
    PUSH_DROP,       /* what is not as expected, of one column after another */
    PUSH_DONE,
};

/* What narrowing and checking cost, in bytes of reading: a row of a column, and a row. */
#define NARROW_COST ((size_t)1)
#define CHECK_COST  ((size_t)4)
/* Copying a byte costs a sixteenth of reading it. */
#define COPY_COST_DIVISOR 16

static struct ax_cells *cells_of(struct ax_push_body *body)
{
    return &body->json.cells[AX_ROW_SET_ROWS];
}

/* ---- members ---- */

static enum ax_code read_text(struct ax_row_body *json, const char *name, struct ax_str *ret,
                              struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&json->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_STRING)
        return ax_fail(err, AX_E_INVALID, "'%s' must be a string, found %s", name,
                       ax_json_token_text(token));
    return ax_json_read_text(&json->json, json->arena, ret, err);
}

static enum ax_code read_named(struct ax_row_body *json, const char *name, bool is_feast,
                               struct ax_err *err)
{
    struct ax_push_body *body = container_of(json, struct ax_push_body, json);
    if (body->source.len)
        return ax_fail(err, AX_E_INVALID, "'%s' comes on top of another source", name);
    body->is_feast = is_feast;
    return read_text(json, name, &body->source, err);
}

static enum ax_code read_source(struct ax_row_body *json, struct ax_err *err)
{
    return read_named(json, "source", false, err);
}

static enum ax_code read_push_source_name(struct ax_row_body *json, struct ax_err *err)
{
    return read_named(json, "push_source_name", true, err);
}

/* What is pushed is both history and online, so that they never differ. */
static enum ax_code read_to(struct ax_row_body *json, struct ax_err *err)
{
    struct ax_str to;
    if (read_text(json, "to", &to, err))
        return err->code;
    if (ax_str_is(to, "online") || ax_str_is(to, "online_and_offline"))
        return AX_OK;
    if (ax_str_is(to, "offline"))
        return ax_fail(err, AX_E_INVALID,
                       "'to' is 'offline': what is pushed is always online, too");
    return ax_fail(err, AX_E_INVALID, "'to' must be 'online' or 'online_and_offline', found '%.*s'",
                   AX_STR_ARG(ax_str_cut(to, AX_SIGNATURE_SHOWN_BYTES_MAX)));
}

/* What Feast's clients send, and what changes nothing here. */
static enum ax_code read_flag(struct ax_row_body *json, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&json->json, err);
    if (token == AX_JSON_FAILED || token == AX_JSON_TRUE || token == AX_JSON_FALSE)
        return err->code;
    return ax_fail(err, AX_E_INVALID,
                   "'allow_registry_cache' and 'transform_on_write' are true or false, found %s",
                   ax_json_token_text(token));
}

static const struct ax_row_member members[] = {
    { .name = "source", .read = read_source },
    { .name = "push_source_name", .read = read_push_source_name },
    { .name = "rows", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT | AX_ROW_LIST },
    { .name = "row",
      .layout = AX_LAYOUT_ONE,
      .accepts = AX_ROW_OBJECT | AX_ROW_LIST | AX_ROW_ALONE },
    { .name = "df", .layout = AX_LAYOUT_INPUTS, .accepts = AX_ROW_OBJECT | AX_ROW_LIST },
    { .name = "to", .read = read_to },
    { .name = "allow_registry_cache", .read = read_flag },
    { .name = "transform_on_write", .read = read_flag },
    { 0 },
};

static const struct ax_row_protocol protocol = {
    .members = members,
    .wanted = "'rows', 'row' or 'df'",
    .unknown_hint = "a push has 'source', and 'rows' or 'row'; of Feast's form 'push_source_name', "
                    "'df' and 'to'",
};

/* ---- reading ---- */

void ax_push_body_init(struct ax_push_body *body, struct ax_str text, bool is_lines,
                       struct ax_str source, struct ax_arena *arena)
{
    assert(body && arena);
    *body = (struct ax_push_body){ .state = is_lines ? PUSH_LINE_BEGIN : PUSH_JSON,
                                   .lines = text,
                                   .source = source };
    ax_row_body_init(&body->json, &protocol, text, arena);
    cells_of(body)->keeps_nulls = true;
}

static struct ax_str take_line(struct ax_str *lines)
{
    const char *end = lines->len ? memchr(lines->ptr, '\n', lines->len) : NULL;
    size_t len = end ? (size_t)(end - lines->ptr) : lines->len;
    struct ax_str line = { lines->ptr, len };
    *lines = (struct ax_str){ lines->ptr + len + (end != NULL), lines->len - len - (end != NULL) };
    return line;
}

static bool is_blank(struct ax_str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            return false;
    }
    return true;
}

static void begin_line(struct ax_push_body *body, size_t *cost)
{
    struct ax_str line = take_line(&body->lines);
    *cost += line.len ? 0 : 1;
    if (is_blank(line)) {
        body->line++;
        body->state = body->lines.len ? PUSH_LINE_BEGIN : PUSH_READ;
        return;
    }
    ax_json_reader_init(&body->json.json, line);
    body->json.json.token_max = AX_JSON_TOKEN_BYTES_MAX;
    ax_row_reader_init(&body->json.rows, &body->json.json, cells_of(body), AX_LAYOUT_ONE,
                       AX_ROW_OBJECT | AX_ROW_LIST | AX_ROW_ALONE, AX_STR("row"));
    body->state = PUSH_LINE;
}

/* A few tokens of it. */
static enum ax_code read_line(struct ax_push_body *body, size_t byte_budget, struct ax_err *err)
{
    bool done;
    if (ax_row_reader_step(&body->json.rows, byte_budget, &done, err) ||
        (done && ax_json_read(&body->json.json, err) == AX_JSON_FAILED))
        return ax_err_context(err, "line %zu", body->line);
    if (!done)
        return AX_OK;
    body->line++;
    body->state = body->lines.len ? PUSH_LINE_BEGIN : PUSH_READ;
    return AX_OK;
}

static enum ax_code read_lines(struct ax_push_body *body, size_t byte_budget, size_t *cost,
                               struct ax_err *err)
{
    size_t spent = 0;
    while (body->state != PUSH_READ && spent < byte_budget) {
        if (body->state == PUSH_LINE_BEGIN)
            begin_line(body, &spent);
        size_t start = body->json.json.at;
        if (body->state == PUSH_LINE && read_line(body, byte_budget - spent, err))
            return err->code;
        spent += body->json.json.at - start;
    }
    *cost += spent;
    return AX_OK;
}

static enum ax_code read_json(struct ax_push_body *body, size_t byte_budget, size_t *cost,
                              struct ax_err *err)
{
    bool done;
    if (ax_row_body_read(&body->json, byte_budget, cost, &done, err))
        return err->code;
    body->state = done ? PUSH_READ : PUSH_JSON;
    return AX_OK;
}

enum ax_code ax_push_body_read(struct ax_push_body *body, size_t byte_budget, size_t *cost,
                               bool *ret_done, struct ax_err *err)
{
    assert(body && byte_budget && cost && ret_done && err);
    if (body->state == PUSH_JSON ? read_json(body, byte_budget, cost, err)
                                 : read_lines(body, byte_budget, cost, err))
        return err->code;
    body->row_count = cells_of(body)->row_count;
    if (body->row_count > AX_PUSH_ROWS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "a push has at most %zu rows; send several",
                       AX_PUSH_ROWS_MAX);
    *ret_done = body->state == PUSH_READ;
    if (*ret_done && !body->source.len)
        return ax_fail(err, AX_E_INVALID, "the request names no source; send 'source'");
    return AX_OK;
}

/* ---- columns ---- */

static bool has_column(const struct ax_cells *cells, struct ax_str name)
{
    for (size_t i = 0; i < cells->column_count; i++) {
        if (ax_str_equals(cells->columns[i].name, name))
            return true;
    }
    return false;
}

/* In Feast the time of a row has this name, whatever the source calls it, unless a column has it.
 */
static void name_time(struct ax_push_body *body)
{
    const struct ax_source *source = body->plan->source;
    const struct ax_str name = AX_STR("event_timestamp");
    struct ax_cells_target *time = &body->targets[source->time];
    if (body->is_feast && !has_column(cells_of(body), time->name))
        time->name = name;
    for (size_t i = 0; i < source->column_count; i++) {
        if (ax_str_equals(source->columns[i].name, name))
            time->name = source->columns[source->time].name;
    }
}

enum ax_code ax_push_body_fill_begin(struct ax_push_body *body, const struct ax_source_plan *plan,
                                     int64_t now_us, struct ax_arena *arena, struct ax_err *err)
{
    assert(body && body->state == PUSH_READ && plan && plan->source->time >= 0 && arena && err);
    const struct ax_source *source = plan->source;
    const uint32_t *places;
    size_t count = source->column_count;
    body->arena = arena;
    body->plan = plan;
    body->latest_us = now_us + AX_PUSH_AHEAD_US;
    body->targets = ax_arena_zalloc(arena, count, sizeof(*body->targets));
    body->columns = ax_arena_alloc(arena, count, sizeof(*body->columns));
    if (!body->targets || !body->columns)
        return ax_arena_fail(arena, "the columns", err);
    for (size_t i = 0; i < count; i++)
        body->targets[i] = (struct ax_cells_target){ .name = source->columns[i].name,
                                                     .storage = source->columns[i].storage,
                                                     .in_seconds = body->is_feast,
                                                     .zone = plan->zone };
    name_time(body);
    if (ax_cells_values_find(cells_of(body), body->targets, count, "column of the source",
                             AX_STR(""), arena, &places, err))
        return err->code;
    ax_cells_values_begin(&body->fill, cells_of(body), body->targets, count, places,
                          body->row_count, arena);
    body->state = PUSH_FILL;
    return AX_OK;
}

static enum ax_code fail_lost(const struct ax_cells_target *target, size_t lost, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "'%.*s', row %zu: the number does not fit %s",
                   AX_STR_ARG(target->name), lost, ax_storage_name(target->storage));
}

/* The row whose list has that element. */
static size_t row_of_element(const struct ax_values *lists, size_t element)
{
    size_t row = 0;
    while (element < lists->spans[row].from ||
           element - lists->spans[row].from >= lists->spans[row].count)
        row++;
    return row;
}

/* Have the texts outlive the body. */
static enum ax_code copy_texts(const struct ax_values *texts, struct ax_arena *arena, size_t *cost,
                               struct ax_err *err)
{
    size_t total = 0;
    for (size_t row = 0; row < texts->rows; row++)
        total += texts->texts[row].len;
    char *to = ax_arena_alloc(arena, total, 1);
    if (!to)
        return ax_arena_fail(arena, "the columns", err);
    for (size_t row = 0; row < texts->rows; row++) {
        struct ax_str *text = &texts->texts[row];
        memcpy(to, text->ptr, text->len);
        text->ptr = to;
        to += text->len;
    }
    *cost += total / COPY_COST_DIVISOR;
    return AX_OK;
}

/* The next column, as it is stored. */
static enum ax_code narrow(struct ax_push_body *body, size_t *cost, struct ax_err *err)
{
    const struct ax_cells_target *target = &body->targets[body->at];
    struct ax_values *column = &body->columns[body->at++];
    *column = target->values;
    if (ax_values_narrow(column, target->storage, body->arena, err))
        return err->code;
    bool is_list = target->storage.is_list;
    struct ax_values *scalars = is_list ? column->items : column;
    const struct ax_values *before = is_list ? target->values.items : &target->values;
    size_t lost = ax_values_first_lost(before, scalars);
    if (lost != SIZE_MAX)
        return fail_lost(target, is_list ? row_of_element(column, lost) : lost, err);
    if (target->storage.kind == AX_STORAGE_FLOAT32)
        ax_values_take_nan(scalars); /* where narrowing made -0 */
    return scalars->type.kind == AX_TYPE_STRING ? copy_texts(scalars, body->arena, cost, err)
                                                : AX_OK;
}

static bool are_all(const uint64_t *bits, size_t rows)
{
    for (size_t i = 0; i < rows / 64; i++) {
        if (bits[i] != UINT64_MAX)
            return false;
    }
    return rows % 64 == 0 || bits[rows / 64] == ((uint64_t)1 << (rows % 64)) - 1;
}

/* Columns are there: which rows give them. */
static enum ax_code begin_check(struct ax_push_body *body, struct ax_err *err)
{
    size_t count = body->plan->source->column_count;
    const uint64_t **given = ax_arena_zalloc(body->arena, count, sizeof(*given));
    if (!given)
        return ax_arena_fail(body->arena, "the columns", err);
    body->rows = (struct ax_source_rows){ .rows = body->row_count, .columns = body->columns };
    for (size_t i = 0; i < count; i++) {
        if (are_all(body->targets[i].given, body->row_count))
            continue;
        given[i] = body->targets[i].given;
        body->rows.given = given;
    }
    body->state = PUSH_CHECK;
    body->at = 0;
    if (!body->plan->checks)
        return AX_OK;
    body->dropped =
        ax_arena_zalloc(body->arena, (body->row_count + 63) / 64, sizeof(*body->dropped));
    return body->dropped ? AX_OK : ax_arena_fail(body->arena, "the columns", err);
}

static bool is_dropped(const struct ax_push_body *body, size_t row)
{
    return body->dropped[row / 64] >> (row % 64) & 1;
}

/* All rows are checked. */
static void end_check(struct ax_push_body *body)
{
    for (size_t row = 0; body->dropped && row < body->row_count; row++)
        body->dropped_count += is_dropped(body, row);
    body->state = body->dropped_count ? PUSH_DROP : PUSH_DONE;
    body->at = 0;
}

static void move_bit(uint64_t *bits, size_t from, size_t to)
{
    uint64_t bit = bits[from / 64] >> (from % 64) & 1;
    bits[to / 64] = (bits[to / 64] & ~((uint64_t)1 << (to % 64))) | bit << (to % 64);
}

/* Close up the next column. */
static void drop(struct ax_push_body *body)
{
    struct ax_values *column = &body->columns[body->at];
    uint64_t *given = body->targets[body->at].given;
    size_t size = ax_type_size(column->type), to = 0;
    for (size_t row = 0; row < body->row_count; row++) {
        if (is_dropped(body, row))
            continue;
        memmove((char *)column->data + to * size, (char *)column->data + row * size, size);
        if (column->validity)
            move_bit(column->validity, row, to);
        move_bit(given, row, to);
        to++;
    }
    column->rows = to;
    if (to % 64)
        given[to / 64] &= ((uint64_t)1 << (to % 64)) - 1;
    if (++body->at < body->plan->source->column_count)
        return;
    body->rows.rows = body->row_count = to;
    body->state = PUSH_DONE;
}

static enum ax_code check(struct ax_push_body *body, struct ax_err *err)
{
    size_t count = AX_MIN(body->row_count - body->at, (size_t)AX_VALUES_ROWS_MAX);
    if (ax_source_plan_check(body->plan, &body->rows, body->at, count, body->latest_us, err) ||
        (body->plan->checks &&
         ax_row_checks_run(body->plan->checks, &body->rows, body->at, count, body->arena,
                           body->dropped, body->unexpected, err)))
        return err->code;
    body->at += count;
    if (body->at == body->row_count)
        end_check(body);
    return AX_OK;
}

static enum ax_code fill_step(struct ax_push_body *body, size_t byte_budget, size_t *cost,
                              struct ax_err *err)
{
    bool done;
    switch (body->state) {
    case PUSH_FILL:
        if (ax_cells_values_step(&body->fill, byte_budget, cost, &done, err))
            return err->code;
        body->state = done ? PUSH_NARROW : PUSH_FILL;
        return AX_OK;
    case PUSH_NARROW:
        if (body->at == body->plan->source->column_count)
            return begin_check(body, err);
        *cost += body->row_count * NARROW_COST;
        return narrow(body, cost, err);
    case PUSH_CHECK:
        *cost += AX_VALUES_ROWS_MAX * CHECK_COST * (1 + ax_row_checks_count(body->plan->checks));
        return check(body, err);
    case PUSH_DROP:
        *cost += body->row_count * NARROW_COST;
        drop(body);
        return AX_OK;
    default:
        assert(!"fill_step: no such state");
        return AX_OK;
    }
}

enum ax_code ax_push_body_fill(struct ax_push_body *body, size_t byte_budget, size_t *cost,
                               bool *ret_done, struct ax_err *err)
{
    assert(body && body->plan && byte_budget && cost && ret_done && err);
    size_t spent = 0;
    while (body->state != PUSH_DONE && spent < byte_budget) {
        if (fill_step(body, byte_budget - spent, &spent, err))
            return err->code;
    }
    *cost += spent;
    *ret_done = body->state == PUSH_DONE;
    return AX_OK;
}

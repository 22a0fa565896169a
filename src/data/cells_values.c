/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns are made one after another, with every row null; then the cells are set in the order in
 * which they came; then the one row of those that have one is spread over all. Each part stops when
 * the budget is spent.
 *
 * NumPy has no time in the least int64 (NaT), and Feast's client, which makes seconds of its times,
 * sends that number as it is.
 */
#include "data/cells_values.h"

#include "base/calendar.h"
#include "base/json_number.h"
#include "data/expr/expr.h"

#include <assert.h>
#include <math.h>

/* What a step costs, in bytes of reading: setting a cell; of making and spreading a column a
 * sixteenth of its bytes. */
#define CELL_COST           4
#define COLUMN_COST_DIVISOR 16
#define NEAREST_NAMES_MAX   ((size_t)1024)

enum { FILL_MAKE, FILL_SET, FILL_SPREAD, FILL_DONE };

/* ---- names ---- */

static enum ax_code fail_name(const struct ax_cells_column *column,
                              const struct ax_cells_target *targets, size_t target_count,
                              const char *what, struct ax_str of, struct ax_arena *arena,
                              struct ax_err *err)
{
    size_t count = AX_MIN(target_count, NEAREST_NAMES_MAX);
    struct ax_str *names = ax_arena_alloc(arena, count, sizeof(*names));
    if (!names)
        return ax_arena_fail(arena, "the names", err);
    for (size_t i = 0; i < count; i++)
        names[i] = targets[i].name;
    long nearest = ax_str_nearest(column->name, names, count);
    struct ax_str shown = ax_str_cut(column->name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    const char *quote = of.len ? "'" : "";
    of = ax_str_cut(of, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (nearest < 0)
        return ax_fail(err, AX_E_INVALID, "row %zu: '%.*s' is no %s%s%.*s%s", column->first_row,
                       AX_STR_ARG(shown), what, of.len ? " '" : "", AX_STR_ARG(of), quote);
    return ax_fail(err, AX_E_INVALID, "row %zu: '%.*s' is no %s%s%.*s%s; nearest is '%.*s'",
                   column->first_row, AX_STR_ARG(shown), what, of.len ? " '" : "", AX_STR_ARG(of),
                   quote, AX_STR_ARG(names[nearest]));
}

/* Names mostly come in the order of the targets, so one behind the last one is tried first. */
enum ax_code ax_cells_values_find(const struct ax_cells *cells,
                                  const struct ax_cells_target *targets, size_t target_count,
                                  const char *what, struct ax_str of, struct ax_arena *arena,
                                  const uint32_t **ret_places, struct ax_err *err)
{
    assert(cells && !cells->is_positional && (targets || !target_count) && what && arena && err);
    uint32_t *places = ax_arena_alloc(arena, cells->column_count, sizeof(*places));
    size_t next = 0;
    if (!places)
        return ax_arena_fail(arena, "the names", err);
    for (size_t i = 0; i < cells->column_count; i++) {
        size_t tried = 0;
        while (tried < target_count &&
               !ax_str_equals(targets[next % target_count].name, cells->columns[i].name)) {
            next++;
            tried++;
        }
        if (tried < target_count)
            places[i] = (uint32_t)(next++ % target_count);
        else if (cells->columns[i].is_others)
            places[i] = AX_CELLS_PASSED_OVER;
        else
            return fail_name(&cells->columns[i], targets, target_count, what, of, arena, err);
    }
    *ret_places = places;
    return AX_OK;
}

/* ---- values ---- */

static const char *wanted_text(struct ax_type type, bool in_seconds)
{
    if (type.is_list)
        return "a list";
    switch (type.kind) {
    case AX_TYPE_BOOL:
        return "true or false";
    case AX_TYPE_INT64:
        return "a whole number";
    case AX_TYPE_FLOAT64:
        return "a number";
    case AX_TYPE_STRING:
        return "a text";
    case AX_TYPE_TIMESTAMP:
        return in_seconds ? "a time (RFC 3339, or whole seconds since 1970)"
                          : "a time (RFC 3339, or whole microseconds since 1970)";
    case AX_TYPE_DURATION:
        return "a duration (90s, 15m, 24h, 7d, or whole microseconds)";
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no type");
    return "";
}

static const char *found_text(const struct ax_cell *cell)
{
    switch ((enum ax_cell_kind)cell->kind) {
    case AX_CELL_BOOL:
        return "true or false";
    case AX_CELL_U64:
        return "a whole number over 2^63";
    case AX_CELL_LIST:
        return "a list";
    case AX_CELL_I64:
        return "a whole number";
    case AX_CELL_F64:
    case AX_CELL_TEXT:
    case AX_CELL_FIELD:
    case AX_CELL_NULL:
        break;
    }
    return "another number";
}

static enum ax_code fail_value(const struct ax_cells_target *target, struct ax_type type,
                               const struct ax_cell *cell, struct ax_err *err)
{
    struct ax_str text = { cell->text, cell->len };
    const char *wanted = wanted_text(type, target->in_seconds);
    bool is_text = cell->kind == AX_CELL_TEXT || cell->kind == AX_CELL_FIELD;
    if (is_text)
        return ax_fail(err, AX_E_INVALID, "'%.*s', row %u: %s is wanted, found '%.*s'",
                       AX_STR_ARG(target->name), (unsigned)cell->row, wanted,
                       AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    return ax_fail(err, AX_E_INVALID, "'%.*s', row %u: %s is wanted, found %s",
                   AX_STR_ARG(target->name), (unsigned)cell->row, wanted, found_text(cell));
}

static bool to_bool(const struct ax_cell *cell, uint8_t *ret)
{
    struct ax_str text = { cell->text, cell->len };
    if (cell->kind == AX_CELL_FIELD && (ax_str_is(text, "true") || ax_str_is(text, "false"))) {
        *ret = ax_str_is(text, "true");
        return true;
    }
    if (cell->kind == AX_CELL_BOOL)
        *ret = cell->boolean;
    return cell->kind == AX_CELL_BOOL;
}

static bool to_i64(const struct ax_cell *cell, int64_t *ret)
{
    switch ((enum ax_cell_kind)cell->kind) {
    case AX_CELL_I64:
        *ret = cell->i64;
        return true;
    case AX_CELL_F64:
        /* 2^63 is a double, and too large. */
        if (trunc(cell->f64) != cell->f64 || !(fabs(cell->f64) < 0x1p63))
            return false;
        *ret = (int64_t)cell->f64;
        return true;
    case AX_CELL_FIELD:
        return ax_json_number_i64((struct ax_str){ cell->text, cell->len }, ret);
    case AX_CELL_U64:
    case AX_CELL_BOOL:
    case AX_CELL_TEXT:
    case AX_CELL_NULL:
    case AX_CELL_LIST:
        break;
    }
    return false;
}

static bool to_f64(const struct ax_cell *cell, double *ret)
{
    switch ((enum ax_cell_kind)cell->kind) {
    case AX_CELL_F64:
        *ret = cell->f64;
        return true;
    case AX_CELL_I64:
        *ret = (double)cell->i64;
        return true;
    case AX_CELL_U64:
        *ret = (double)cell->u64;
        return true;
    case AX_CELL_FIELD:
        return cell->len && ax_json_number_read(cell->text, cell->text + cell->len, ret) ==
                                cell->text + cell->len;
    case AX_CELL_BOOL:
    case AX_CELL_TEXT:
    case AX_CELL_NULL:
    case AX_CELL_LIST:
        break;
    }
    return false;
}

/* What lies beyond an int64 of them is the last one, which is in no year that is taken. */
static int64_t us_of_seconds(int64_t seconds)
{
    int64_t us;
    bool is_over = AX_MUL_OVERFLOWS(seconds, AX_US_PER_S, &us);
    return is_over ? INT64_MAX : us;
}

static bool to_timestamp(const struct ax_cell *cell, const struct ax_zone *zone, bool in_seconds,
                         int64_t *ret)
{
    bool is_naive;
    if (cell->kind != AX_CELL_TEXT && cell->kind != AX_CELL_FIELD) {
        if (!to_i64(cell, ret))
            return false;
        *ret = in_seconds ? us_of_seconds(*ret) : *ret;
        return true;
    }
    if (!ax_calendar_parse((struct ax_str){ cell->text, cell->len }, ret, &is_naive))
        return to_i64(cell, ret);
    if (is_naive && zone)
        *ret = ax_zone_to_utc(zone, *ret);
    return true;
}

static bool to_duration(const struct ax_cell *cell, int64_t *ret)
{
    struct ax_str text = { cell->text, cell->len };
    struct ax_err ignored = AX_ERR_INIT;
    bool is_text = cell->kind == AX_CELL_TEXT || cell->kind == AX_CELL_FIELD;
    return to_i64(cell, ret) || (is_text && !ax_duration_parse(text, ret, &ignored));
}

/* Set a value that is null so far; false: the cell is none of the type. */
static bool set_value(const struct ax_cells_target *target, struct ax_values *values, size_t at,
                      const struct ax_cell *cell)
{
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return to_bool(cell, &values->bools[at]);
    case AX_TYPE_INT64:
        return to_i64(cell, &values->i64s[at]);
    case AX_TYPE_DURATION:
        return to_duration(cell, &values->i64s[at]);
    case AX_TYPE_TIMESTAMP:
        return to_timestamp(cell, target->zone, target->in_seconds, &values->i64s[at]);
    case AX_TYPE_FLOAT64:
        return to_f64(cell, &values->f64s[at]);
    case AX_TYPE_STRING:
        if (cell->kind == AX_CELL_TEXT || cell->kind == AX_CELL_FIELD)
            values->texts[at] = (struct ax_str){ cell->text, cell->len };
        return cell->kind == AX_CELL_TEXT || cell->kind == AX_CELL_FIELD;
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no type");
    return false;
}

static void set_bit(uint64_t *words, size_t bit)
{
    words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static bool is_null(const struct ax_cells_target *target, struct ax_type type,
                    const struct ax_cell *cell)
{
    return cell->kind == AX_CELL_NULL || (target->in_seconds && type.kind == AX_TYPE_TIMESTAMP &&
                                          cell->kind == AX_CELL_I64 && cell->i64 == INT64_MIN);
}

static enum ax_code check_years(const struct ax_cells_target *target, const struct ax_cell *cell,
                                int64_t us, struct ax_err *err)
{
    if (us >= AX_CALENDAR_MIN_US && us <= AX_CALENDAR_MAX_US)
        return AX_OK;
    return ax_fail(err, AX_E_INVALID,
                   "'%.*s', row %u: the time lies outside of the years 1 to 9999",
                   AX_STR_ARG(target->name), (unsigned)cell->row);
}

/* A value, or an element of a list. */
static enum ax_code set_scalar(const struct ax_cells_target *target, struct ax_values *values,
                               size_t at, const struct ax_cell *cell, struct ax_err *err)
{
    if (is_null(target, values->type, cell))
        return AX_OK;
    if (!set_value(target, values, at, cell))
        return fail_value(target, values->type, cell, err);
    if (values->type.kind == AX_TYPE_TIMESTAMP && check_years(target, cell, values->i64s[at], err))
        return err->code;
    if (values->type.kind == AX_TYPE_FLOAT64) {
        if (isnan(values->f64s[at])) {
            values->f64s[at] = 0;
            return AX_OK;
        }
        values->f64s[at] += 0.0; /* -0 is 0 */
    }
    set_bit(values->validity, at);
    return AX_OK;
}

/* Its elements follow. */
static enum ax_code begin_list(struct ax_cells_values *fill, struct ax_cells_target *target,
                               const struct ax_cell *cell, struct ax_err *err)
{
    struct ax_values *values = &target->values;
    if (cell->kind == AX_CELL_NULL)
        return AX_OK;
    if (cell->kind != AX_CELL_LIST)
        return fail_value(target, values->type, cell, err);
    values->spans[cell->row] =
        (struct ax_span){ (uint32_t)target->element_count, (uint32_t)cell->u64 };
    set_bit(values->validity, cell->row);
    fill->list = target;
    fill->list_left = cell->u64;
    return AX_OK;
}

static enum ax_code set_cell(struct ax_cells_values *fill, const struct ax_cell *cell,
                             struct ax_err *err)
{
    uint32_t place = fill->places[cell->column];
    if (place == AX_CELLS_PASSED_OVER)
        return AX_OK;
    if (fill->list_left) {
        fill->list_left--;
        return set_scalar(fill->list, fill->list->values.items, fill->list->element_count++, cell,
                          err);
    }
    struct ax_cells_target *target = &fill->targets[place];
    set_bit(target->given, cell->row);
    return target->storage.is_list ? begin_list(fill, target, cell, err)
                                   : set_scalar(target, &target->values, cell->row, cell, err);
}

/* ---- steps ---- */

static size_t words_of(size_t bits)
{
    return (bits + 63) / 64;
}

/* All null. */
static enum ax_code make_nulls(struct ax_values *values, struct ax_type type, size_t rows,
                               struct ax_arena *arena, struct ax_err *err)
{
    if (ax_values_init(values, type, rows, arena, err))
        return err->code;
    memset(values->validity, 0, words_of(rows) * sizeof(uint64_t));
    memset(values->data, 0, rows * ax_type_size(type));
    for (size_t row = 0; type.kind == AX_TYPE_STRING && !type.is_list && row < rows; row++)
        values->texts[row] = AX_STR("");
    return AX_OK;
}

/* Room for the elements of all lists of a target. */
static enum ax_code make_items(const struct ax_cells_values *fill, struct ax_cells_target *target,
                               size_t *cost, struct ax_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < fill->cells->column_count; i++) {
        if (fill->places[i] == (size_t)(target - fill->targets))
            count += fill->cells->columns[i].element_count;
    }
    struct ax_values *items = ax_arena_alloc(fill->arena, 1, sizeof(*items));
    if (!items)
        return ax_arena_fail(fill->arena, "the columns", err);
    target->values.items = items;
    *cost += fill->cells->column_count + count;
    return make_nulls(items, (struct ax_type){ target->values.type.kind, false }, count,
                      fill->arena, err);
}

static enum ax_code make_column(struct ax_cells_values *fill, struct ax_cells_target *target,
                                size_t *cost, struct ax_err *err)
{
    struct ax_type type = ax_storage_type(target->storage);
    *cost += fill->rows * ax_type_size(type) / COLUMN_COST_DIVISOR + 1;
    if (make_nulls(&target->values, type, fill->rows, fill->arena, err))
        return err->code;
    target->given = ax_arena_zalloc(fill->arena, words_of(fill->rows), sizeof(uint64_t));
    if (!target->given)
        return ax_arena_fail(fill->arena, "the columns", err);
    return type.is_list ? make_items(fill, target, cost, err) : AX_OK;
}

/* Of row 0 over all. */
static void spread_column(const struct ax_cells_values *fill, struct ax_cells_target *target,
                          size_t *cost)
{
    size_t words = words_of(fill->rows);
    size_t size = ax_type_size(target->values.type);
    char *data = target->values.data;
    if (!(target->given[0] & 1))
        return;
    memset(target->given, 0xFF, words * sizeof(uint64_t));
    if (ax_values_is_null(&target->values, 0))
        return;
    memset(target->values.validity, 0xFF, words * sizeof(uint64_t));
    for (size_t row = 1; row < fill->rows; row++)
        memcpy(data + row * size, data, size);
    *cost += fill->rows * size / COLUMN_COST_DIVISOR;
}

static enum ax_code set_cells(struct ax_cells_values *fill, size_t byte_budget, size_t *cost,
                              struct ax_err *err)
{
    for (; *cost < byte_budget; *cost += CELL_COST) {
        const struct ax_cell *cell = ax_cells_next(fill->cells, &fill->cursor);
        if (!cell) {
            fill->state = FILL_SPREAD;
            return AX_OK;
        }
        if (set_cell(fill, cell, err))
            return err->code;
    }
    return AX_OK;
}

void ax_cells_values_begin(struct ax_cells_values *fill, const struct ax_cells *cells,
                           struct ax_cells_target *targets, size_t target_count,
                           const uint32_t *places, size_t rows, struct ax_arena *arena)
{
    assert(fill && cells && (targets || !target_count) && arena);
    assert(cells->row_count <= 1 || cells->row_count == rows);
    *fill = (struct ax_cells_values){ .cells = cells,
                                      .targets = targets,
                                      .target_count = target_count,
                                      .places = places,
                                      .rows = rows,
                                      .arena = arena };
}

enum ax_code ax_cells_values_step(struct ax_cells_values *fill, size_t byte_budget, size_t *cost,
                                  bool *ret_done, struct ax_err *err)
{
    assert(fill && byte_budget && cost && ret_done && err);
    size_t spent = 0;
    enum ax_code code = AX_OK;
    bool is_spread = fill->cells->row_count == 1 && fill->rows > 1;
    while (!code && fill->state != FILL_DONE && spent < byte_budget) {
        if (fill->state == FILL_SET) {
            code = set_cells(fill, byte_budget, &spent, err);
        } else if (fill->at == fill->target_count || (fill->state == FILL_SPREAD && !is_spread)) {
            /* Without rows there is no room for a cell, and none. */
            fill->state = fill->state == FILL_SPREAD || !fill->rows ? FILL_DONE : FILL_SET;
            fill->at = 0;
        } else if (fill->state == FILL_MAKE) {
            code = make_column(fill, &fill->targets[fill->at++], &spent, err);
        } else {
            spread_column(fill, &fill->targets[fill->at++], &spent);
        }
    }
    *cost += spent;
    *ret_done = fill->state == FILL_DONE;
    return code;
}

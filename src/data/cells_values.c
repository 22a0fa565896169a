/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns are made one after another, with every row null; then the cells are set in the order in
 * which they came; then the one row of those that have one is spread over all. Each part stops when
 * the budget is spent.
 */
#include "data/cells_values.h"

#include "base/calendar.h"
#include "base/json_number.h"

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
                              const char *what, struct ax_arena *arena, struct ax_err *err)
{
    size_t count = AX_MIN(target_count, NEAREST_NAMES_MAX);
    struct ax_str *names = ax_arena_alloc(arena, count, sizeof(*names));
    if (!names)
        return ax_arena_fail(arena, "the names", err);
    for (size_t i = 0; i < count; i++)
        names[i] = targets[i].name;
    long nearest = ax_str_nearest(column->name, names, count);
    struct ax_str shown = ax_str_cut(column->name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (nearest < 0)
        return ax_fail(err, AX_E_INVALID, "row %zu: '%.*s' is no %s", column->first_row,
                       AX_STR_ARG(shown), what);
    return ax_fail(err, AX_E_INVALID, "row %zu: '%.*s' is no %s; nearest is '%.*s'",
                   column->first_row, AX_STR_ARG(shown), what, AX_STR_ARG(names[nearest]));
}

/* Names mostly come in the order of the targets, so one behind the last one is tried first. */
enum ax_code ax_cells_values_find(const struct ax_cells *cells,
                                  const struct ax_cells_target *targets, size_t target_count,
                                  const char *what, struct ax_arena *arena,
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
        if (tried == target_count)
            return fail_name(&cells->columns[i], targets, target_count, what, arena, err);
        places[i] = (uint32_t)(next++ % target_count);
    }
    *ret_places = places;
    return AX_OK;
}

/* ---- values ---- */

static const char *wanted_text(struct ax_type type)
{
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
        return "a time (RFC 3339, or whole microseconds since 1970)";
    case AX_TYPE_DURATION:
        return "a duration (whole microseconds)";
    case AX_TYPE_COUNT:
        break;
    }
    assert(!"no type");
    return "";
}

static enum ax_code fail_value(const struct ax_cells_target *target, const struct ax_cell *cell,
                               struct ax_err *err)
{
    const char *wanted = wanted_text(target->values.type);
    struct ax_str text = { cell->text, cell->len };
    bool is_text = cell->kind == AX_CELL_TEXT || cell->kind == AX_CELL_FIELD;
    if (is_text)
        return ax_fail(err, AX_E_INVALID, "'%.*s', row %u: %s is wanted, found '%.*s'",
                       AX_STR_ARG(target->name), (unsigned)cell->row, wanted,
                       AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    return ax_fail(err, AX_E_INVALID, "'%.*s', row %u: %s is wanted, found %s",
                   AX_STR_ARG(target->name), (unsigned)cell->row, wanted,
                   cell->kind == AX_CELL_BOOL  ? "true or false"
                   : cell->kind == AX_CELL_U64 ? "a number over 2^63"
                                               : "another number");
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
        break;
    }
    return false;
}

static bool to_timestamp(const struct ax_cell *cell, const struct ax_zone *zone, int64_t *ret)
{
    bool is_naive;
    if (cell->kind != AX_CELL_TEXT && cell->kind != AX_CELL_FIELD)
        return to_i64(cell, ret);
    if (!ax_calendar_parse((struct ax_str){ cell->text, cell->len }, ret, &is_naive))
        return to_i64(cell, ret);
    if (is_naive && zone)
        *ret = ax_zone_to_utc(zone, *ret);
    return true;
}

/* Set a row that is null so far; false: the cell is none of the type. */
static bool set_value(struct ax_cells_target *target, size_t row, const struct ax_cell *cell)
{
    struct ax_values *values = &target->values;
    switch (values->type.kind) {
    case AX_TYPE_BOOL:
        return to_bool(cell, &values->bools[row]);
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        return to_i64(cell, &values->i64s[row]);
    case AX_TYPE_TIMESTAMP:
        return to_timestamp(cell, target->zone, &values->i64s[row]);
    case AX_TYPE_FLOAT64:
        return to_f64(cell, &values->f64s[row]);
    case AX_TYPE_STRING:
        if (cell->kind == AX_CELL_TEXT || cell->kind == AX_CELL_FIELD)
            values->texts[row] = (struct ax_str){ cell->text, cell->len };
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

static enum ax_code set_cell(struct ax_cells_target *target, const struct ax_cell *cell,
                             struct ax_err *err)
{
    struct ax_values *values = &target->values;
    size_t row = cell->row;
    set_bit(target->given, row);
    if (cell->kind == AX_CELL_NULL)
        return AX_OK;
    if (!set_value(target, row, cell))
        return fail_value(target, cell, err);
    if (values->type.kind == AX_TYPE_FLOAT64) {
        if (isnan(values->f64s[row])) {
            values->f64s[row] = 0;
            return AX_OK;
        }
        values->f64s[row] += 0.0; /* -0 is 0 */
    }
    set_bit(values->validity, row);
    return AX_OK;
}

/* ---- steps ---- */

static size_t words_of(size_t bits)
{
    return (bits + 63) / 64;
}

static enum ax_code make_column(struct ax_cells_values *fill, struct ax_cells_target *target,
                                size_t *cost, struct ax_err *err)
{
    size_t words = words_of(fill->rows);
    struct ax_type type = ax_storage_type(target->storage);
    assert(!type.is_list);
    if (ax_values_init(&target->values, type, fill->rows, fill->arena, err))
        return err->code;
    target->given = ax_arena_zalloc(fill->arena, words, sizeof(uint64_t));
    if (!target->given)
        return ax_arena_fail(fill->arena, "the columns", err);
    memset(target->values.validity, 0, words * sizeof(uint64_t));
    memset(target->values.data, 0, fill->rows * ax_type_size(type));
    for (size_t row = 0; type.kind == AX_TYPE_STRING && row < fill->rows; row++)
        target->values.texts[row] = AX_STR("");
    *cost += fill->rows * ax_type_size(type) / COLUMN_COST_DIVISOR + 1;
    return AX_OK;
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
        if (set_cell(&fill->targets[fill->places[cell->column]], cell, err))
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

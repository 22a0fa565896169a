/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells lie in blocks, in the order in which they came; each says which row and column it is of, so
 * the order does not matter and formats that go down the columns need no second pass.
 *
 * Rows mostly name the same columns in the same order. So the column behind the last one is tried
 * first, which costs one comparison of texts, and the table of names is asked only when that fails.
 *
 * Filling goes through four states: names are looked up in the signature, rows are cleared, cells
 * are set, defaults are put in. Each stops when the budget is spent.
 */
#include "data/cells.h"

#include "base/hash.h"
#include "data/expr/values.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#define BLOCK_CELLS_MIN  64
#define BLOCK_CELLS_MAX  4096
#define COLUMNS_MIN      64
#define FIELD_DIGITS_MAX 512

/* What a step of filling costs, in bytes of reading: looking a name up, setting a cell. Clearing
 * costs about a sixteenth of a byte a byte, finishing a byte a value. */
#define NAME_COST          16
#define CELL_COST          4
#define CLEAR_COST_DIVISOR 16

static_assert((AX_CELLS_ROWS_MAX - 1) >> 20 == 0, "a row fits into its bits of a cell");
static_assert((AX_CELLS_COLUMNS_MAX - 1) >> 16 == 0, "so does a column");
static_assert(AX_CELLS_TEXT_MAX < (size_t)1 << 24, "and a length");

enum { FILL_NAMES, FILL_CLEAR, FILL_CELLS, FILL_FINISH, FILL_DONE };

struct ax_cells_block {
    struct ax_cells_block *next;
    size_t count, cap;
    struct ax_cell cells[];
};

void ax_cells_init(struct ax_cells *cells, struct ax_arena *arena)
{
    assert(cells && arena);
    *cells = (struct ax_cells){ .arena = arena };
}

static enum ax_code cells_fail(const struct ax_cells *cells, struct ax_err *err)
{
    return ax_arena_fail(cells->arena, "the rows", err);
}

static void cells_link(struct ax_cells *cells, size_t column)
{
    size_t mask = cells->slot_count - 1;
    size_t at = cells->columns[column].hash & mask;
    while (cells->slots[at])
        at = (at + 1) & mask;
    cells->slots[at] = (uint32_t)column + 1;
}

/* Room for `count` columns, and for their names at most half the table. */
static enum ax_code cells_grow(struct ax_cells *cells, size_t count, struct ax_err *err)
{
    if (count <= cells->column_cap)
        return AX_OK;
    if (count > AX_CELLS_COLUMNS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "more than %zu columns", AX_CELLS_COLUMNS_MAX);
    size_t cap = AX_MAX(cells->column_cap, (size_t)COLUMNS_MIN);
    while (cap < count)
        cap *= 2;
    struct ax_cells_column *columns = ax_arena_alloc(cells->arena, cap, sizeof(*columns));
    uint32_t *slots = columns ? ax_arena_zalloc(cells->arena, 2 * cap, sizeof(*slots)) : NULL;
    if (!slots)
        return cells_fail(cells, err);
    if (cells->column_count > 0)
        memcpy(columns, cells->columns, cells->column_count * sizeof(*columns));
    cells->columns = columns;
    cells->column_cap = cap;
    cells->slots = slots;
    cells->slot_count = 2 * cap;
    for (size_t i = 0; !cells->is_positional && i < cells->column_count; i++)
        cells_link(cells, i);
    return AX_OK;
}

/* The column of that name, or SIZE_MAX. */
static size_t cells_find(const struct ax_cells *cells, struct ax_str name, uint64_t hash)
{
    if (cells->slot_count == 0)
        return SIZE_MAX;
    size_t mask = cells->slot_count - 1;
    for (size_t at = hash & mask; cells->slots[at]; at = (at + 1) & mask) {
        const struct ax_cells_column *column = &cells->columns[cells->slots[at] - 1];
        if (column->hash == hash && ax_str_equals(column->name, name))
            return cells->slots[at] - 1;
    }
    return SIZE_MAX;
}

static enum ax_code cells_add_column(struct ax_cells *cells, struct ax_str name, uint64_t hash,
                                     struct ax_err *err)
{
    if (cells_grow(cells, cells->column_count + 1, err))
        return err->code;
    cells->columns[cells->column_count] = (struct ax_cells_column){
        .name = name,
        .hash = hash,
        .first_row = cells->row_count > 0 ? cells->row_count - 1 : 0,
    };
    cells_link(cells, cells->column_count++);
    return AX_OK;
}

enum ax_code ax_cells_column(struct ax_cells *cells, struct ax_str name, size_t *ret_column,
                             struct ax_err *err)
{
    assert(cells && !cells->is_positional && (name.ptr || !name.len) && ret_column && err);
    size_t column = cells->next_column;
    if (column >= cells->column_count || !ax_str_equals(cells->columns[column].name, name)) {
        uint64_t hash = ax_hash(name);
        column = cells_find(cells, name, hash);
        if (column == SIZE_MAX) {
            column = cells->column_count;
            if (cells_add_column(cells, name, hash, err))
                return err->code;
        }
    }
    cells->next_column = column + 1;
    *ret_column = column;
    return AX_OK;
}

enum ax_code ax_cells_add_unnamed(struct ax_cells *cells, struct ax_err *err)
{
    assert(cells && cells->is_positional && err);
    if (cells_grow(cells, cells->column_count + 1, err))
        return err->code;
    cells->columns[cells->column_count++] = (struct ax_cells_column){ 0 };
    return AX_OK;
}

enum ax_code ax_cells_name(struct ax_cells *cells, const struct ax_str *names, size_t count,
                           struct ax_err *err)
{
    assert(cells && (cells->is_positional || !cells->row_count) && (names || !count) && err);
    cells->is_positional = true;
    while (cells->row_count == 0 && cells->column_count < count)
        if (ax_cells_add_unnamed(cells, err))
            return err->code;
    if (count != cells->column_count)
        return ax_fail(err, AX_E_INVALID, "%zu columns are named, a row holds %zu values", count,
                       cells->column_count);
    cells->is_positional = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = ax_hash(names[i]);
        if (cells_find(cells, names[i], hash) != SIZE_MAX)
            return ax_fail(err, AX_E_INVALID, "the column '%.*s' is named twice",
                           AX_STR_ARG(ax_str_cut(names[i], AX_SIGNATURE_SHOWN_BYTES_MAX)));
        cells->columns[i].name = names[i];
        cells->columns[i].hash = hash;
        cells_link(cells, i);
    }
    return AX_OK;
}

enum ax_code ax_cells_add_row(struct ax_cells *cells, struct ax_err *err)
{
    assert(cells && err);
    if (cells->row_count == AX_CELLS_ROWS_MAX)
        return ax_fail(err, AX_E_INVALID, "inference request batch-size must be <= %zu",
                       AX_CELLS_ROWS_MAX);
    cells->row_count++;
    cells->next_column = 0;
    return AX_OK;
}

enum ax_code ax_cells_context(const struct ax_cells *cells, size_t row, size_t column,
                              struct ax_err *err)
{
    assert(cells && column < cells->column_count && err);
    struct ax_str name = ax_str_cut(cells->columns[column].name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (cells->is_positional)
        return ax_err_context(err, "value %zu of row %zu", column, row);
    return ax_err_context(err, "input '%.*s', row %zu", AX_STR_ARG(name), row);
}

enum ax_code ax_cells_give(struct ax_cells *cells, size_t row, size_t column, struct ax_err *err)
{
    assert(cells && column < cells->column_count && err);
    if (cells->columns[column].given_before == row + 1) {
        (void)ax_fail(err, AX_E_INVALID, "is given twice");
        return ax_cells_context(cells, row, column, err);
    }
    cells->columns[column].given_before = row + 1;
    if (cells->columns[column].given_rows == row)
        cells->columns[column].given_rows++;
    return AX_OK;
}

static struct ax_cells_block *cells_add_block(struct ax_cells *cells)
{
    size_t cap =
        cells->last ? AX_MIN(2 * cells->last->cap, (size_t)BLOCK_CELLS_MAX) : BLOCK_CELLS_MIN;
    struct ax_cells_block *block =
        ax_arena_alloc(cells->arena, 1, sizeof(*block) + cap * sizeof(struct ax_cell));
    if (!block)
        return NULL;
    *block = (struct ax_cells_block){ .cap = cap };
    if (cells->last)
        cells->last->next = block;
    else
        cells->first = block;
    cells->last = block;
    return block;
}

static enum ax_code cells_add_element(struct ax_cells *cells, struct ax_err *err)
{
    struct ax_cell *list = cells->list;
    cells->columns[list->column].element_count++;
    if (list->u64++ < AX_VALUES_ELEMENTS_MAX)
        return AX_OK;
    (void)ax_fail(err, AX_E_INVALID, "the list has more than %d elements", AX_VALUES_ELEMENTS_MAX);
    return ax_cells_context(cells, list->row, list->column, err);
}

enum ax_code ax_cells_put(struct ax_cells *cells, struct ax_cell cell, struct ax_err *err)
{
    assert(cells && cell.column < cells->column_count && err);
    struct ax_cells_block *block = cells->last;
    if (!block || block->count == block->cap) {
        block = cells_add_block(cells);
        if (!block)
            return cells_fail(cells, err);
    }
    block->cells[block->count++] = cell;
    return cells->list ? cells_add_element(cells, err) : AX_OK;
}

enum ax_code ax_cells_begin_list(struct ax_cells *cells, size_t row, size_t column,
                                 struct ax_err *err)
{
    assert(cells && !cells->list);
    struct ax_cell cell = { .row = row, .column = column, .kind = AX_CELL_LIST };
    if (ax_cells_put(cells, cell, err))
        return err->code;
    cells->list = &cells->last->cells[cells->last->count - 1];
    return AX_OK;
}

void ax_cells_end_list(struct ax_cells *cells)
{
    assert(cells && cells->list);
    cells->list = NULL;
}

enum ax_code ax_cells_put_text(struct ax_cells *cells, size_t row, size_t column,
                               enum ax_cell_kind kind, struct ax_str text, struct ax_err *err)
{
    assert((text.ptr || !text.len) && row < AX_CELLS_ROWS_MAX);
    if (text.len > AX_CELLS_TEXT_MAX) {
        (void)ax_fail(err, AX_E_INVALID, "the text is longer than %zu bytes", AX_CELLS_TEXT_MAX);
        return ax_cells_context(cells, row, column, err);
    }
    struct ax_cell cell = {
        .text = text.ptr, .row = row, .column = column, .kind = kind, .len = text.len
    };
    return ax_cells_put(cells, cell, err);
}

const struct ax_cell *ax_cells_next(const struct ax_cells *cells, struct ax_cells_cursor *cursor)
{
    assert(cells && cursor);
    if (!cursor->block)
        cursor->block = cells->first;
    else if (cursor->at == cursor->block->count && cursor->block->next)
        *cursor = (struct ax_cells_cursor){ .block = cursor->block->next };
    return cursor->block && cursor->at < cursor->block->count ? &cursor->block->cells[cursor->at++]
                                                              : NULL;
}

/* The words that stand for a missing value in tables written as text, as pandas reads them. */
static bool field_is_missing(struct ax_str field)
{
    static const char *const words[] = { "",       "NaN",     "nan",     "NA",      "N/A",
                                         "n/a",    "NULL",    "null",    "None",    "<NA>",
                                         "#N/A",   "#NA",     "-NaN",    "-nan",    "#N/A N/A",
                                         "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN" };
    for (size_t i = 0; i < AX_COUNT(words); i++)
        if (ax_str_is(field, words[i]))
            return true;
    return false;
}

/* A decimal number in any of the ways that tables are written in: "1", "+.5", "2.", "1e3", "inf".
 * Not the hexadecimal ones that strtod would take. */
static bool field_to_f64(struct ax_str field, double *ret)
{
    char text[FIELD_DIGITS_MAX];
    char *end;
    if (field.len == 0 || field.len >= sizeof(text) || memchr(field.ptr, '\0', field.len))
        return false;
    memcpy(text, field.ptr, field.len);
    text[field.len] = '\0';
    size_t sign = text[0] == '+' || text[0] == '-';
    bool is_decimal = strspn(text + sign, "0123456789.eE+-") == field.len - sign;
    bool is_infinity = ax_str_equals_nocase(ax_str_from(text + sign), AX_STR("inf")) ||
                       ax_str_equals_nocase(ax_str_from(text + sign), AX_STR("infinity"));
    if (!is_decimal && !is_infinity)
        return false;
    double value = strtod(text, &end);
    if (end == text || *end || (is_decimal && isinf(value)))
        return false;
    *ret = value;
    return true;
}

static bool field_to_bool(struct ax_str field, bool *ret)
{
    bool is_true = ax_str_equals_nocase(field, AX_STR("true")) || ax_str_is(field, "1");
    bool is_false = ax_str_equals_nocase(field, AX_STR("false")) || ax_str_is(field, "0");
    *ret = is_true;
    return is_true || is_false;
}

/* A number of the datatype, as text. False when it is none; then nothing was set. */
static bool fill_number(struct ax_rows *rows, size_t row, size_t input, struct ax_str field,
                        enum ax_code *ret_code, struct ax_err *err)
{
    enum ax_datatype datatype = rows->signature->inputs[input].datatype;
    bool is_float = datatype == AX_FP32 || datatype == AX_FP64;
    bool is_exact = !is_float || ax_rows_names_by_number(rows, input);
    int64_t whole;
    uint64_t large;
    double value;
    bool truth;
    if (datatype == AX_BOOL && field_to_bool(field, &truth))
        *ret_code = ax_rows_set_bool(rows, row, input, truth, err);
    else if (is_exact && ax_str_to_i64(field, &whole))
        *ret_code = ax_rows_set_i64(rows, row, input, whole, err);
    else if (is_exact && ax_str_to_u64(field, &large))
        *ret_code = ax_rows_set_u64(rows, row, input, large, err);
    else if (field_to_f64(field, &value))
        *ret_code = ax_rows_set_f64(rows, row, input, value, err);
    else
        return false;
    return true;
}

/* Text without a type: a name where names are wanted, a number where numbers are. */
static enum ax_code fill_field(struct ax_rows *rows, size_t row, size_t input, struct ax_str field,
                               struct ax_err *err)
{
    const struct ax_input *in = &rows->signature->inputs[input];
    /* "NA" may be a category: Namibia, North America. */
    if (in->categories && ax_dictionary_index(in->categories, field) >= 0)
        return ax_rows_set_str(rows, row, input, field, err);
    struct ax_str trimmed = ax_str_trim(field);
    if (field_is_missing(trimmed))
        return AX_OK;
    enum ax_code code;
    bool takes_numbers = in->categories ? in->categories->has_numbers : in->datatype != AX_BYTES;
    if (takes_numbers && fill_number(rows, row, input, trimmed, &code, err))
        return code;
    return ax_rows_set_str(rows, row, input, field, err);
}

static enum ax_code fill_cell(struct ax_rows *rows, size_t input, const struct ax_cell *cell,
                              struct ax_err *err)
{
    size_t row = cell->row;
    struct ax_str text = { cell->text, cell->len };
    switch ((enum ax_cell_kind)cell->kind) {
    case AX_CELL_F64:
        return ax_rows_set_f64(rows, row, input, cell->f64, err);
    case AX_CELL_I64:
        return ax_rows_set_i64(rows, row, input, cell->i64, err);
    case AX_CELL_U64:
        return ax_rows_set_u64(rows, row, input, cell->u64, err);
    case AX_CELL_BOOL:
        return ax_rows_set_bool(rows, row, input, cell->boolean, err);
    case AX_CELL_TEXT:
        return ax_rows_set_str(rows, row, input, text, err);
    case AX_CELL_NULL:
        return AX_OK;
    case AX_CELL_LIST:
        return ax_fail(err, AX_E_INVALID, "is a list");
    case AX_CELL_FIELD:
        break;
    }
    return fill_field(rows, row, input, text, err);
}

static enum ax_code fill_check_width(const struct ax_cells *cells,
                                     const struct ax_signature *signature, struct ax_err *err)
{
    /* Without rows nothing was said about columns. */
    bool is_silent = cells->row_count == 0 && cells->column_count == 0;
    if (!cells->is_positional || is_silent || cells->column_count == signature->input_count)
        return AX_OK;
    return ax_fail(err, AX_E_INVALID, "a row holds %zu values, the model takes %zu",
                   cells->column_count, signature->input_count);
}

enum ax_code ax_cells_fill_begin(struct ax_cells_fill *fill, const struct ax_cells *cells,
                                 struct ax_rows *rows, const struct ax_signature *signature,
                                 struct ax_arena *arena, struct ax_err *err)
{
    assert(fill && cells && rows && signature && arena && err);
    if (fill_check_width(cells, signature, err) ||
        ax_rows_reserve(rows, signature, cells->row_count, arena, err))
        return err->code;
    uint32_t *inputs = ax_arena_alloc(arena, cells->column_count, sizeof(*inputs));
    if (!inputs)
        return ax_arena_fail(arena, "the rows", err);
    *fill = (struct ax_cells_fill){
        .cells = cells, .rows = rows, .inputs = inputs, .block = cells->first
    };
    /* Values without names are a row of the library's own matrix. */
    rows->takes_codes = cells->is_positional;
    return AX_OK;
}

/* Which input each column is. Without names it is the next one, and with them it often is. */
static enum ax_code fill_names(struct ax_cells_fill *fill, size_t *cost, struct ax_err *err)
{
    const struct ax_cells *cells = fill->cells;
    const struct ax_signature *signature = fill->rows->signature;
    const struct ax_cells_column *column = &cells->columns[fill->at];
    size_t next = fill->at > 0 ? (size_t)fill->inputs[fill->at - 1] + 1 : 0;
    const struct ax_input *input = next < signature->input_count ? &signature->inputs[next] : NULL;
    if (!cells->is_positional && (!input || !ax_str_equals(input->name, column->name)))
        input = ax_signature_input(signature, column->name);
    if (!input) {
        (void)ax_signature_unknown_input(signature, column->name, err);
        return ax_err_context(err, "row %zu", column->first_row);
    }
    fill->inputs[fill->at++] = (uint32_t)ax_signature_index(signature, input);
    *cost += NAME_COST;
    return AX_OK;
}

/* How many of the `left` things that cost `unit` each may be done now; at least one. */
static size_t fill_share(size_t byte_budget, size_t unit, size_t left)
{
    return AX_MIN(AX_MAX(byte_budget / unit, (size_t)1), left);
}

static void fill_clear(struct ax_cells_fill *fill, size_t byte_budget, size_t *cost)
{
    struct ax_rows *rows = fill->rows;
    size_t row_cost = rows->row_bytes / CLEAR_COST_DIVISOR + 1;
    size_t count = fill_share(byte_budget, row_cost, rows->count - fill->at);
    ax_rows_clear(rows, fill->at, fill->at + count);
    fill->at += count;
    *cost += count * row_cost;
}

static enum ax_code fill_cells(struct ax_cells_fill *fill, size_t byte_budget, size_t *cost,
                               struct ax_err *err)
{
    const struct ax_cells_block *block = fill->block;
    size_t count = fill_share(byte_budget, CELL_COST, block->count - fill->at);
    for (size_t i = 0; i < count; i++) {
        const struct ax_cell *cell = &block->cells[fill->at + i];
        if (fill_cell(fill->rows, fill->inputs[cell->column], cell, err))
            return err->code;
    }
    fill->at += count;
    *cost += count * CELL_COST;
    if (fill->at == block->count) {
        fill->block = block->next;
        fill->at = 0;
    }
    return AX_OK;
}

static enum ax_code fill_finish(struct ax_cells_fill *fill, size_t byte_budget, size_t *cost,
                                struct ax_err *err)
{
    size_t width = AX_MAX(fill->rows->signature->input_count, (size_t)1);
    size_t count = fill_share(byte_budget, width, fill->rows->count - fill->at);
    if (ax_rows_finish(fill->rows, fill->at, fill->at + count, err))
        return err->code;
    fill->at += count;
    *cost += count * width;
    return AX_OK;
}

static bool fill_state_is_over(const struct ax_cells_fill *fill)
{
    if (fill->state == FILL_NAMES)
        return fill->at == fill->cells->column_count;
    if (fill->state == FILL_CELLS)
        return !fill->block;
    return fill->at == fill->rows->count;
}

enum ax_code ax_cells_fill_step(struct ax_cells_fill *fill, size_t byte_budget, size_t *cost,
                                bool *ret_done, struct ax_err *err)
{
    assert(fill && byte_budget && cost && ret_done && err);
    size_t spent = 0;
    while (fill->state != FILL_DONE && spent < byte_budget) {
        size_t left = byte_budget - spent;
        enum ax_code code = AX_OK;
        if (fill_state_is_over(fill)) {
            fill->state++;
            fill->at = 0;
        } else if (fill->state == FILL_NAMES) {
            code = fill_names(fill, &spent, err);
        } else if (fill->state == FILL_CLEAR) {
            fill_clear(fill, left, &spent);
        } else if (fill->state == FILL_CELLS) {
            code = fill_cells(fill, left, &spent, err);
        } else {
            code = fill_finish(fill, left, &spent, err);
        }
        if (code)
            return code;
    }
    *cost += spent;
    *ret_done = fill->state == FILL_DONE;
    return AX_OK;
}

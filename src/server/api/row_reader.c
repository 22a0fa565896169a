/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine over the pull reader: each state is a place between two tokens.
 *
 * An array of rows, and a row that is an array, occur in several layouts; the state behind them is
 * kept in rows_end_state and row_end_state, so each is read by one function.
 */
#include "server/api/row_reader.h"

#include <assert.h>

enum {
    READ_ROWS,           /* in front of the array of rows */
    READ_INPUTS,         /* in front of rows or of an object of columns */
    READ_SPLIT,          /* in front of a split table */
    READ_ONE,            /* in front of a row or of rows */
    READ_ROW,            /* between rows */
    READ_OBJECT,         /* between members of a row */
    READ_TENSOR_ROW_END, /* behind the tensor of one row */
    READ_ARRAY,          /* between values of a row */
    READ_LIST,           /* between elements of a value */
    READ_COLUMNS,        /* between columns */
    READ_COLUMN,         /* between values of a column */
    READ_TENSOR_END,     /* behind the tensor of all rows */
    READ_TABLE,          /* between members of a split table */
    READ_NAMES,          /* between names of its columns */
    READ_SKIP,           /* inside a member that says nothing */
    READ_DONE,
};

#define NAMES_MIN 16

void ax_row_reader_init(struct ax_row_reader *reader, struct ax_json_reader *json,
                        struct ax_cells *cells, enum ax_row_layout layout, unsigned accepts,
                        struct ax_str what)
{
    assert(reader && json && cells && accepts);
    static const int states[] = {
        [AX_LAYOUT_ROWS] = READ_ROWS,
        [AX_LAYOUT_INPUTS] = READ_INPUTS,
        [AX_LAYOUT_SPLIT] = READ_SPLIT,
        [AX_LAYOUT_ONE] = READ_ONE,
    };
    *reader = (struct ax_row_reader){ .json = json,
                                      .cells = cells,
                                      .what = what,
                                      .accepts = accepts,
                                      .state = states[layout],
                                      .rows_end_state = READ_DONE,
                                      .object_end_state = READ_ROW,
                                      .row_end_state = READ_ROW };
}

static struct ax_arena *reader_arena(const struct ax_row_reader *reader)
{
    return reader->cells->arena;
}

static enum ax_code reader_fail_token(const struct ax_row_reader *reader, enum ax_json_token token,
                                      const char *wanted, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "'%.*s' must be %s, found %s", AX_STR_ARG(reader->what),
                   wanted, ax_json_token_text(token));
}

static bool reader_accepts(const struct ax_row_reader *reader, unsigned what)
{
    return reader->accepts & what;
}

/* Digits alone; "-0" is more than an integer can hold, "2.0" is one to those who want one. */
static bool is_whole(struct ax_str number)
{
    size_t at = number.ptr[0] == '-';
    if (at && number.ptr[1] == '0')
        return false;
    while (at < number.len && number.ptr[at] >= '0' && number.ptr[at] <= '9')
        at++;
    return at == number.len;
}

/* A number as exactly as its text is. */
static enum ax_code reader_put_number(struct ax_row_reader *reader, size_t row, size_t column,
                                      struct ax_err *err)
{
    struct ax_cell cell = { .row = row, .column = column };
    bool whole = is_whole(reader->json->raw);
    if (whole && ax_json_read_i64(reader->json, &cell.i64)) {
        cell.kind = AX_CELL_I64;
    } else if (whole && ax_json_read_u64(reader->json, &cell.u64)) {
        cell.kind = AX_CELL_U64;
    } else if (ax_json_read_f64(reader->json, &cell.f64)) {
        cell.kind = AX_CELL_F64;
    } else {
        (void)ax_fail(err, AX_E_INVALID, "the number is too large");
        return ax_cells_context(reader->cells, row, column, err);
    }
    return ax_cells_put(reader->cells, cell, err);
}

static enum ax_code reader_fail_value(const struct ax_row_reader *reader, size_t row, size_t column,
                                      enum ax_json_token token, struct ax_err *err)
{
    (void)ax_fail(err, AX_E_INVALID, "found %s where a value is wanted", ax_json_token_text(token));
    return ax_cells_context(reader->cells, row, column, err);
}

/* The value whose first token was just read, of a field that was not given yet. */
static enum ax_code reader_put_scalar(struct ax_row_reader *reader, size_t row, size_t column,
                                      enum ax_json_token token, struct ax_err *err)
{
    struct ax_cell cell = { .row = row, .column = column, .kind = AX_CELL_BOOL };
    struct ax_str text;
    switch (token) {
    case AX_JSON_FAILED:
        return err->code;
    case AX_JSON_NULL:
        cell.kind = AX_CELL_NULL;
        /* One of a list holds its place. */
        return reader->cells->keeps_nulls || reader->cells->list
                   ? ax_cells_put(reader->cells, cell, err)
                   : AX_OK;
    case AX_JSON_NUMBER:
        return reader_put_number(reader, row, column, err);
    case AX_JSON_TRUE:
    case AX_JSON_FALSE:
        cell.boolean = token == AX_JSON_TRUE;
        return ax_cells_put(reader->cells, cell, err);
    case AX_JSON_STRING:
        if (ax_json_read_text(reader->json, reader_arena(reader), &text, err))
            return err->code;
        return ax_cells_put_text(reader->cells, row, column, AX_CELL_TEXT, text, err);
    case AX_JSON_OBJECT_BEGIN:
    case AX_JSON_ARRAY_BEGIN:
    case AX_JSON_END:
    case AX_JSON_OBJECT_END:
    case AX_JSON_ARRAY_END:
    case AX_JSON_KEY:
        break;
    }
    return reader_fail_value(reader, row, column, token, err);
}

static enum ax_code reader_put(struct ax_row_reader *reader, size_t row, size_t column,
                               enum ax_json_token token, struct ax_err *err)
{
    if (token == AX_JSON_FAILED || ax_cells_give(reader->cells, row, column, err))
        return err->code;
    if (token == AX_JSON_ARRAY_BEGIN && reader_accepts(reader, AX_ROW_LIST)) {
        reader->list_end_state = reader->state;
        reader->state = READ_LIST;
        return ax_cells_begin_list(reader->cells, row, column, err);
    }
    if (token != AX_JSON_ARRAY_BEGIN || !reader_accepts(reader, AX_ROW_BOXED))
        return reader_put_scalar(reader, row, column, token, err);
    if (reader_put_scalar(reader, row, column, ax_json_read(reader->json, err), err))
        return err->code;
    token = ax_json_read(reader->json, err);
    if (token == AX_JSON_ARRAY_END)
        return AX_OK;
    if (token == AX_JSON_FAILED)
        return err->code;
    (void)ax_fail(err, AX_E_INVALID, "holds more than one value");
    return ax_cells_context(reader->cells, row, column, err);
}

static enum ax_code reader_step_list(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token != AX_JSON_ARRAY_END)
        return reader_put_scalar(reader, cells->list->row, cells->list->column, token, err);
    ax_cells_end_list(cells);
    reader->state = reader->list_end_state;
    return AX_OK;
}

/* Begin an array of rows whose bracket was read. */
static void reader_begin_rows(struct ax_row_reader *reader, int end_state)
{
    reader->state = READ_ROW;
    reader->rows_end_state = end_state;
}

/* All rows name their values, or none does; the first one decides. */
static enum ax_code reader_set_form(const struct ax_row_reader *reader, bool is_positional,
                                    struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    if (cells->row_count == 1 && cells->column_count == 0)
        cells->is_positional = is_positional;
    if (cells->is_positional == is_positional)
        return AX_OK;
    return ax_fail(err, AX_E_INVALID,
                   "row %zu mixes values with names and values by position; send one or the other",
                   cells->row_count - 1);
}

/* A row by position has begun. */
static enum ax_code reader_begin_array(struct ax_row_reader *reader, int end_state,
                                       struct ax_err *err)
{
    reader->column = 0;
    reader->state = READ_ARRAY;
    reader->row_end_state = end_state;
    return reader_set_form(reader, true, err);
}

static enum ax_code reader_fail_width(const struct ax_row_reader *reader, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "row %zu does not hold %zu values, as the first one does",
                   reader->cells->row_count - 1, reader->cells->column_count);
}

/* The next value of a row by position; the first row says how many there are. */
static enum ax_code reader_put_next(struct ax_row_reader *reader, enum ax_json_token token,
                                    struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    size_t row = cells->row_count - 1;
    if (reader->column == cells->column_count) {
        if (row > 0)
            return reader_fail_width(reader, err);
        if (ax_cells_add_unnamed(cells, err))
            return err->code;
    }
    return reader_put(reader, row, reader->column++, token, err);
}

static enum ax_code reader_end_array(struct ax_row_reader *reader, struct ax_err *err)
{
    reader->state = reader->row_end_state;
    return reader->column == reader->cells->column_count ? AX_OK : reader_fail_width(reader, err);
}

static enum ax_code reader_step_array(struct ax_row_reader *reader, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_ARRAY_END)
        return reader_end_array(reader, err);
    return token == AX_JSON_FAILED ? err->code : reader_put_next(reader, token, err);
}

static enum ax_code reader_fail_row(const struct ax_row_reader *reader, enum ax_json_token token,
                                    struct ax_err *err)
{
    const char *wanted = reader->accepts == AX_ROW_SCALAR         ? "a value"
                         : !reader_accepts(reader, AX_ROW_ARRAY)  ? "an object"
                         : !reader_accepts(reader, AX_ROW_OBJECT) ? "an array"
                                                                  : "an object or an array";
    return ax_fail(err, AX_E_INVALID, "row %zu must be %s, found %s", reader->cells->row_count - 1,
                   wanted, ax_json_token_text(token));
}

/* The row whose first token was just read; behind one that is an array it goes on in `end_state`.
 */
static enum ax_code reader_begin_row(struct ax_row_reader *reader, enum ax_json_token token,
                                     int end_state, struct ax_err *err)
{
    if (ax_cells_add_row(reader->cells, err))
        return err->code;
    if (token == AX_JSON_OBJECT_BEGIN && reader_accepts(reader, AX_ROW_OBJECT)) {
        reader->state = READ_OBJECT;
        return AX_OK;
    }
    if (token == AX_JSON_ARRAY_BEGIN && reader_accepts(reader, AX_ROW_ARRAY))
        return reader_begin_array(reader, end_state, err);
    bool is_nested = token == AX_JSON_OBJECT_BEGIN || token == AX_JSON_ARRAY_BEGIN;
    if (is_nested || !reader_accepts(reader, AX_ROW_SCALAR))
        return reader_fail_row(reader, token, err);
    if (reader_begin_array(reader, end_state, err) || reader_put_next(reader, token, err))
        return err->code;
    return reader_end_array(reader, err);
}

static enum ax_code reader_step_row(struct ax_row_reader *reader, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_ARRAY_END)
        return reader_begin_row(reader, token, READ_ROW, err);
    reader->state = reader->rows_end_state;
    return AX_OK;
}

static enum ax_code reader_step_one(struct ax_row_reader *reader, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    reader->is_one = token != AX_JSON_ARRAY_BEGIN;
    if (!reader->is_one && reader_accepts(reader, AX_ROW_ALONE))
        return reader_fail_token(reader, token, "an object", err);
    if (!reader->is_one) {
        reader_begin_rows(reader, READ_DONE);
        return AX_OK;
    }
    reader->object_end_state = READ_DONE;
    return reader_begin_row(reader, token, READ_DONE, err);
}

/* Read a token and refuse another one than the beginning of an array. */
static enum ax_code reader_expect_array(struct ax_row_reader *reader, struct ax_str name,
                                        struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED || token == AX_JSON_ARRAY_BEGIN)
        return err->code;
    return ax_fail(err, AX_E_INVALID, "'%.*s' must be an array, found %s",
                   AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)),
                   ax_json_token_text(token));
}

static bool reader_is_tensor(const struct ax_row_reader *reader, struct ax_str key)
{
    return reader_accepts(reader, AX_ROW_TENSOR) && ax_str_is(key, "input");
}

static enum ax_code reader_step_object(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    struct ax_str key;
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_OBJECT_END) {
        reader->state = reader->object_end_state;
        return reader_set_form(reader, false, err);
    }
    if (ax_json_read_text(reader->json, reader_arena(reader), &key, err))
        return err->code;
    if (reader_is_tensor(reader, key))
        return reader_expect_array(reader, key, err)
                   ? err->code
                   : reader_begin_array(reader, READ_TENSOR_ROW_END, err);
    if (reader_set_form(reader, false, err) || ax_cells_column(cells, key, &reader->column, err))
        return err->code;
    return reader_put(reader, cells->row_count - 1, reader->column, ax_json_read(reader->json, err),
                      err);
}

/* Behind the tensor "input", which stands alone in its object. */
static enum ax_code reader_step_tensor_end(struct ax_row_reader *reader, int then,
                                           struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_OBJECT_END)
        return ax_fail(err, AX_E_INVALID,
                       "the tensor 'input' and values named like features are mixed; send one or "
                       "the other");
    reader->state = then;
    return AX_OK;
}

static enum ax_code reader_step_inputs(struct ax_row_reader *reader, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_ARRAY_BEGIN)
        reader_begin_rows(reader, READ_DONE);
    else if (token == AX_JSON_OBJECT_BEGIN)
        reader->state = READ_COLUMNS;
    else
        return reader_fail_token(reader, token, "an array or an object", err);
    return AX_OK;
}

/* Between columns. */
static enum ax_code reader_step_columns(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    struct ax_str key;
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_OBJECT_END) {
        reader->state = READ_DONE;
        return AX_OK;
    }
    size_t count = cells->column_count;
    if (ax_json_read_text(reader->json, reader_arena(reader), &key, err) ||
        reader_expect_array(reader, key, err))
        return err->code;
    if (count == 0 && reader_is_tensor(reader, key)) {
        reader_begin_rows(reader, READ_TENSOR_END);
        return AX_OK;
    }
    if (ax_cells_column(cells, key, &reader->column, err))
        return err->code;
    if (cells->column_count == count)
        return ax_fail(err, AX_E_INVALID, "input '%.*s' is given twice",
                       AX_STR_ARG(ax_str_cut(key, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    reader->row = 0;
    reader->state = READ_COLUMN;
    return AX_OK;
}

/* Between values of a column; the first one says how many rows there are. */
static enum ax_code reader_step_column(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    bool is_end = token == AX_JSON_ARRAY_END;
    if (is_end)
        reader->state = READ_COLUMNS;
    if (is_end != (reader->row == cells->row_count) && reader->column > 0) {
        struct ax_str name = cells->columns[reader->column].name;
        return ax_fail(
            err, AX_E_INVALID, "input '%.*s' does not hold %zu values, as the first does",
            AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)), cells->row_count);
    }
    if (is_end || (reader->column == 0 && ax_cells_add_row(cells, err)))
        return err->code;
    return reader_put(reader, reader->row++, reader->column, token, err);
}

static enum ax_code reader_step_open(struct ax_row_reader *reader, enum ax_json_token wanted,
                                     int then, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != wanted)
        return reader_fail_token(reader, token, ax_json_token_text(wanted), err);
    reader->state = then;
    return AX_OK;
}

/* The members of a split table are over. Names that are the numbers from 0 are pandas' way to say
 * that there are none. */
static enum ax_code reader_end_table(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_cells *cells = reader->cells;
    reader->state = READ_DONE;
    if (!reader->has_data)
        return ax_fail(err, AX_E_INVALID, "'%.*s' has no 'data'", AX_STR_ARG(reader->what));
    if (reader->has_names && !reader->has_positions)
        return ax_cells_name(cells, reader->names, reader->name_count, err);
    return AX_OK;
}

static enum ax_code reader_step_table(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_str key;
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_OBJECT_END)
        return reader_end_table(reader, err);
    if (ax_json_read_text(reader->json, reader_arena(reader), &key, err))
        return err->code;
    bool is_names = ax_str_is(key, "columns");
    bool is_data = ax_str_is(key, "data");
    if ((is_names && reader->has_names) || (is_data && reader->has_data))
        return ax_fail(err, AX_E_INVALID, "'%.*s' is given twice", AX_STR_ARG(key));
    if (!is_names && !is_data) {
        reader->skip_depth = reader->json->depth;
        reader->state = READ_SKIP;
        return ax_json_read(reader->json, err) == AX_JSON_FAILED ? err->code : AX_OK;
    }
    if (reader_expect_array(reader, key, err))
        return err->code;
    reader->has_names = reader->has_names || is_names;
    reader->has_data = reader->has_data || is_data;
    if (is_names)
        reader->state = READ_NAMES;
    else
        reader_begin_rows(reader, READ_TABLE);
    return AX_OK;
}

static enum ax_code reader_add_name(struct ax_row_reader *reader, struct ax_str name,
                                    struct ax_err *err)
{
    if (reader->name_count == reader->name_cap) {
        if (reader->name_cap >= AX_CELLS_COLUMNS_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "more than %zu columns", AX_CELLS_COLUMNS_MAX);
        size_t cap = AX_MAX(2 * reader->name_cap, (size_t)NAMES_MIN);
        struct ax_str *names = ax_arena_alloc(reader_arena(reader), cap, sizeof(*names));
        if (!names)
            return ax_arena_fail(reader_arena(reader), "the rows", err);
        if (reader->name_count > 0)
            memcpy(names, reader->names, reader->name_count * sizeof(*names));
        reader->names = names;
        reader->name_cap = cap;
    }
    reader->names[reader->name_count++] = name;
    return AX_OK;
}

static enum ax_code reader_step_names(struct ax_row_reader *reader, struct ax_err *err)
{
    struct ax_str name;
    uint64_t number;
    enum ax_json_token token = ax_json_read(reader->json, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_ARRAY_END) {
        reader->state = READ_TABLE;
        return AX_OK;
    }
    if (token != AX_JSON_STRING && token != AX_JSON_NUMBER)
        return ax_fail(err, AX_E_INVALID, "'columns' must hold names, found %s",
                       ax_json_token_text(token));
    bool is_position = token == AX_JSON_NUMBER && ax_json_read_u64(reader->json, &number) &&
                       number == reader->name_count;
    reader->has_positions = is_position && (reader->has_positions || reader->name_count == 0);
    if (token == AX_JSON_NUMBER)
        return reader_add_name(reader, reader->json->raw, err);
    if (ax_json_read_text(reader->json, reader_arena(reader), &name, err))
        return err->code;
    return reader_add_name(reader, name, err);
}

static enum ax_code reader_step_skip(struct ax_row_reader *reader, size_t byte_budget,
                                     struct ax_err *err)
{
    bool done;
    if (ax_json_skip(reader->json, reader->skip_depth, byte_budget, &done, err))
        return err->code;
    if (done)
        reader->state = READ_TABLE;
    return AX_OK;
}

static enum ax_code reader_step(struct ax_row_reader *reader, size_t byte_budget,
                                struct ax_err *err)
{
    switch (reader->state) {
    case READ_ROWS:
        return reader_step_open(reader, AX_JSON_ARRAY_BEGIN, READ_ROW, err);
    case READ_INPUTS:
        return reader_step_inputs(reader, err);
    case READ_SPLIT:
        return reader_step_open(reader, AX_JSON_OBJECT_BEGIN, READ_TABLE, err);
    case READ_ONE:
        return reader_step_one(reader, err);
    case READ_ROW:
        return reader_step_row(reader, err);
    case READ_OBJECT:
        return reader_step_object(reader, err);
    case READ_TENSOR_ROW_END:
        return reader_step_tensor_end(reader, reader->object_end_state, err);
    case READ_ARRAY:
        return reader_step_array(reader, err);
    case READ_LIST:
        return reader_step_list(reader, err);
    case READ_COLUMNS:
        return reader_step_columns(reader, err);
    case READ_COLUMN:
        return reader_step_column(reader, err);
    case READ_TENSOR_END:
        return reader_step_tensor_end(reader, READ_DONE, err);
    case READ_TABLE:
        return reader_step_table(reader, err);
    case READ_NAMES:
        return reader_step_names(reader, err);
    case READ_SKIP:
        return reader_step_skip(reader, byte_budget, err);
    default:
        assert(!"reader_step: no such state");
        return AX_OK;
    }
}

enum ax_code ax_row_reader_step(struct ax_row_reader *reader, size_t byte_budget, bool *ret_done,
                                struct ax_err *err)
{
    assert(reader && reader->state != READ_DONE && byte_budget && ret_done && err);
    if (reader_step(reader, byte_budget, err))
        return err->code;
    *ret_done = reader->state == READ_DONE;
    return AX_OK;
}

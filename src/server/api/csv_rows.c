/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One field a step. A field lies in the body, or, when it holds quotes, as a copy in the arena.
 *
 * DuckDB reads the CSV files of batch prediction; here a few rows come from a network, are read on
 * an I/O thread in slices, and must not be able to name files or settings.
 */
#include "server/api/csv_rows.h"

#include <assert.h>

void ax_csv_rows_init(struct ax_csv_rows *csv, struct ax_str text, struct ax_cells *cells)
{
    static const struct ax_str mark = { "\xef\xbb\xbf", 3 };
    assert(csv && (text.ptr || !text.len) && cells);
    *csv = (struct ax_csv_rows){ .text = text, .cells = cells, .line = 1 };
    if (ax_str_starts_with(text, mark))
        csv->at = mark.len;
}

static bool csv_at_line_end(const struct ax_csv_rows *csv)
{
    return csv->at == csv->text.len || csv->text.ptr[csv->at] == '\n' ||
           csv->text.ptr[csv->at] == '\r';
}

/* Pass over the end of a line, if one is next. */
static void csv_skip_line_end(struct ax_csv_rows *csv)
{
    size_t left = csv->text.len - csv->at;
    const char *at = csv->text.ptr + csv->at;
    if (left == 0)
        return;
    csv->at += left > 1 && at[0] == '\r' && at[1] == '\n' ? 2 : 1;
    csv->line++;
}

static enum ax_code csv_fail_long(const struct ax_csv_rows *csv, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "line %zu: a field is longer than %zu bytes", csv->line,
                   AX_CELLS_TEXT_MAX);
}

static enum ax_code csv_read_plain(struct ax_csv_rows *csv, struct ax_str *ret_field,
                                   struct ax_err *err)
{
    size_t begin = csv->at;
    while (!csv_at_line_end(csv) && csv->text.ptr[csv->at] != ',') {
        if (csv->at - begin == AX_CELLS_TEXT_MAX)
            return csv_fail_long(csv, err);
        csv->at++;
    }
    *ret_field = (struct ax_str){ csv->text.ptr + begin, csv->at - begin };
    return AX_OK;
}

/* `text` with each pair of quotes made one. */
static enum ax_code csv_unquote(const struct ax_csv_rows *csv, struct ax_str text,
                                struct ax_str *ret_field, struct ax_err *err)
{
    char *copy = ax_arena_alloc_aligned(csv->cells->arena, text.len, 1, 1);
    if (!copy)
        return ax_arena_fail(csv->cells->arena, "a field", err);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        copy[len++] = text.ptr[i];
        i += text.ptr[i] == '"';
    }
    *ret_field = (struct ax_str){ copy, len };
    return AX_OK;
}

static enum ax_code csv_read_quoted(struct ax_csv_rows *csv, struct ax_str *ret_field,
                                    struct ax_err *err)
{
    const char *text = csv->text.ptr;
    size_t len = csv->text.len;
    size_t line = csv->line;
    size_t begin = ++csv->at;
    bool has_pairs = false;
    for (; csv->at < len; csv->at++) {
        if (csv->at - begin > AX_CELLS_TEXT_MAX)
            return csv_fail_long(csv, err);
        bool is_pair = csv->at + 1 < len && text[csv->at] == '"' && text[csv->at + 1] == '"';
        if (text[csv->at] == '"' && !is_pair)
            break;
        has_pairs = has_pairs || is_pair;
        csv->at += is_pair;
        csv->line += text[csv->at] == '\n';
    }
    if (csv->at >= len)
        return ax_fail(err, AX_E_INVALID, "line %zu: a quote is not closed", line);
    struct ax_str field = { text + begin, csv->at++ - begin };
    if (!csv_at_line_end(csv) && text[csv->at] != ',')
        return ax_fail(err, AX_E_INVALID, "line %zu: something follows a closing quote", csv->line);
    if (has_pairs)
        return csv_unquote(csv, field, ret_field, err);
    *ret_field = field;
    return AX_OK;
}

static enum ax_code csv_read_field(struct ax_csv_rows *csv, struct ax_str *ret_field,
                                   struct ax_err *err)
{
    size_t line = csv->line;
    bool is_quoted = csv->at < csv->text.len && csv->text.ptr[csv->at] == '"';
    enum ax_code code =
        is_quoted ? csv_read_quoted(csv, ret_field, err) : csv_read_plain(csv, ret_field, err);
    if (code)
        return code;
    if (!ax_str_is_utf8(*ret_field))
        return ax_fail(err, AX_E_INVALID, "line %zu: a field is not UTF-8", line);
    return AX_OK;
}

static enum ax_code csv_add_name(struct ax_csv_rows *csv, struct ax_str name, struct ax_err *err)
{
    size_t count = csv->cells->column_count;
    size_t column;
    if (name.len == 0)
        return ax_fail(err, AX_E_INVALID,
                       "line %zu: column %zu has no name; is it an index? pandas leaves that out "
                       "with index=False",
                       csv->line, count);
    if (ax_cells_column(csv->cells, name, &column, err))
        return err->code;
    if (csv->cells->column_count == count)
        return ax_fail(err, AX_E_INVALID, "line %zu: the column '%.*s' is named twice", csv->line,
                       AX_STR_ARG(ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    return AX_OK;
}

static enum ax_code csv_fail_width(const struct ax_csv_rows *csv, struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID,
                   "line %zu does not hold %zu fields, as the line of names does", csv->line,
                   csv->cells->column_count);
}

static enum ax_code csv_add_value(struct ax_csv_rows *csv, struct ax_str value, struct ax_err *err)
{
    struct ax_cells *cells = csv->cells;
    if (csv->column == cells->column_count)
        return csv_fail_width(csv, err);
    if (!csv->in_line && ax_cells_add_row(cells, err))
        return err->code;
    size_t column = csv->column++;
    return value.len == 0
               ? AX_OK
               : ax_cells_put_text(cells, cells->row_count - 1, column, AX_CELL_FIELD, value, err);
}

/* A field and what divides it from the next one. */
static enum ax_code csv_step(struct ax_csv_rows *csv, struct ax_err *err)
{
    struct ax_str field;
    if (!csv->in_line && csv_at_line_end(csv)) {
        csv_skip_line_end(csv);
        return AX_OK;
    }
    if (csv_read_field(csv, &field, err) ||
        (csv->has_names ? csv_add_value(csv, field, err) : csv_add_name(csv, field, err)))
        return err->code;
    csv->in_line = !csv_at_line_end(csv);
    if (csv->in_line) {
        csv->at++; /* the comma */
        return AX_OK;
    }
    if (csv->has_names && csv->column != csv->cells->column_count)
        return csv_fail_width(csv, err);
    csv->has_names = true;
    csv->column = 0;
    csv_skip_line_end(csv);
    return AX_OK;
}

enum ax_code ax_csv_rows_read(struct ax_csv_rows *csv, size_t byte_budget, size_t *cost,
                              bool *ret_done, struct ax_err *err)
{
    assert(csv && byte_budget && cost && ret_done && err);
    size_t start = csv->at;
    /* A comma at the very end stands in front of one more, empty, field. */
    while ((csv->at < csv->text.len || csv->in_line) && csv->at - start < byte_budget)
        if (csv_step(csv, err))
            return err->code;
    *cost += csv->at - start;
    *ret_done = csv->at == csv->text.len && !csv->in_line;
    if (*ret_done && !csv->has_names)
        return ax_fail(err, AX_E_INVALID,
                       "the body is empty; its first line must name the columns");
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Given rows become cells first, as those of a request do, and then rows of the model's.
 *
 * In model.yaml a value without quotes is what its input is, as in CSV; one in quotes is a text. In
 * JSON lines values have JSON's types. A value that is left out, empty or null is missing. The file
 * is read in one piece; so many rows are no large file.
 */
#include "server/warmup_rows.h"

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "data/cells_json.h"
#include "engine/version_yaml.h"
#include "server/api/csv_rows.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#define NAME           AX_VERSION_YAML_NAME
#define KEY            "warmup"
#define YAML_BYTES_MAX ((size_t)1 << 23) /* as a version's load has it */

static enum ax_code add_row(struct ax_cells *cells, struct ax_err *err)
{
    if (cells->row_count == AX_WARM_UP_ROWS_MAX)
        return ax_fail(err, AX_E_INVALID, "over %d rows", AX_WARM_UP_ROWS_MAX);
    return ax_cells_add_row(cells, err);
}

/* Fill the cells into the model's rows. */
static enum ax_code fill(struct ax_warm_up *w, const struct ax_cells *cells, struct ax_err *err)
{
    struct ax_cells_fill fill;
    bool is_done = false;
    size_t cost = 0;
    if (cells->row_count == 0)
        return ax_fail(err, AX_E_INVALID, "no rows");
    if (ax_cells_fill_begin(&fill, cells, &w->rows, &w->signature, &w->arena, err))
        return err->code;
    while (!is_done)
        if (ax_cells_fill_step(&fill, SIZE_MAX, &cost, &is_done, err))
            return err->code;
    w->is_given = true;
    return AX_OK;
}

/* ---- rows of model.yaml ---- */

static enum ax_code take_yaml_value(struct ax_cells *cells, const struct ax_yaml *node,
                                    struct ax_err *err)
{
    size_t column;
    size_t row = cells->row_count - 1;
    if (node->kind != AX_YAML_SCALAR)
        return ax_yaml_fail(node, NAME, err, "expected the value of '%.*s'", AX_STR_ARG(node->key));
    if (ax_cells_column(cells, node->key, &column, err) || ax_cells_give(cells, row, column, err))
        return err->code;
    if (ax_yaml_is_null(node))
        return AX_OK;
    return ax_cells_put_text(cells, row, column, node->quoted ? AX_CELL_TEXT : AX_CELL_FIELD,
                             node->text, err);
}

static enum ax_code take_yaml_rows(struct ax_warm_up *w, const struct ax_yaml *list,
                                   struct ax_err *err)
{
    struct ax_cells cells;
    ax_cells_init(&cells, &w->arena);
    if (list->kind != AX_YAML_LIST)
        return ax_yaml_fail(list, NAME, err, "expected a list of rows");
    for (const struct ax_yaml *row = list->first; row; row = row->next) {
        if (row->kind != AX_YAML_MAP)
            return ax_yaml_fail(row, NAME, err, "expected a row: a mapping of inputs to values");
        if (add_row(&cells, err))
            return ax_err_context(err, NAME ":%u:%u", row->line, row->column);
        for (const struct ax_yaml *value = row->first; value; value = value->next)
            if (take_yaml_value(&cells, value, err))
                return err->code;
    }
    if (fill(w, &cells, err))
        return ax_err_context(err, NAME ":%u:%u", list->line, list->column);
    return AX_OK;
}

/* ---- a file of rows ---- */

static enum ax_code take_json_lines(struct ax_str text, struct ax_cells *cells, struct ax_err *err)
{
    for (size_t number = 1; text.len; number++) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct ax_str line = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };
        size_t taken = AX_MIN(line.len + 1, text.len);
        struct ax_json_doc *doc = NULL;
        text = (struct ax_str){ text.ptr + taken, text.len - taken };
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!ax_str_trim(line).len)
            continue;
        if (!ax_json_parse(line, &doc, err) && !add_row(cells, err))
            (void)(ax_cells_put_object(cells, ax_json_root(doc), err) != AX_OK);
        ax_json_free(doc);
        if (err->code)
            return ax_err_context(err, "line %zu", number);
    }
    return AX_OK;
}

static enum ax_code take_csv(struct ax_str text, struct ax_cells *cells, struct ax_err *err)
{
    struct ax_csv_rows csv;
    bool is_done = false;
    size_t cost = 0;
    ax_csv_rows_init(&csv, text, cells);
    while (!is_done) {
        if (ax_csv_rows_read(&csv, 4096, &cost, &is_done, err))
            return err->code;
        if (cells->row_count > AX_WARM_UP_ROWS_MAX)
            return ax_fail(err, AX_E_INVALID, "over %d rows", AX_WARM_UP_ROWS_MAX);
    }
    return AX_OK;
}

static enum ax_code take_text(struct ax_warm_up *w, struct ax_str name, struct ax_str text,
                              struct ax_err *err)
{
    struct ax_cells cells;
    ax_cells_init(&cells, &w->arena);
    enum ax_code code = ax_str_ends_with(name, AX_STR(".csv")) ? take_csv(text, &cells, err)
                                                               : take_json_lines(text, &cells, err);
    if (code || fill(w, &cells, err))
        return ax_err_context(err, "'%.*s'", AX_STR_ARG(name));
    return AX_OK;
}

/* A plain name, so that it lies in the version's folder, where its fingerprint sees it. */
static enum ax_code check_name(const struct ax_yaml *node, struct ax_str name, struct ax_err *err)
{
    if (!name.len || memchr(name.ptr, '/', name.len) || ax_version_ignores(name.ptr))
        return ax_yaml_fail(node, NAME, err,
                            "expected the name of a file in the version's folder, not one that "
                            "begins with '.' or README");
    if (!ax_str_ends_with(name, AX_STR(".csv")) && !ax_str_ends_with(name, AX_STR(".jsonl")))
        return ax_yaml_fail(node, NAME, err, "the file's name ends neither in .csv nor in .jsonl");
    return AX_OK;
}

static enum ax_code take_file(struct ax_warm_up *w, const struct ax_yaml *node, struct ax_err *err)
{
    struct ax_str name;
    struct ax_err cause = AX_ERR_INIT;
    char path[PATH_MAX];
    if (ax_yaml_str(node, NAME, &name, err) || check_name(node, name, err))
        return err->code;
    int len = snprintf(path, sizeof(path), "%s/%.*s", w->version->path, AX_STR_ARG(name));
    if (len < 0 || (size_t)len >= sizeof(path))
        return ax_yaml_fail(node, NAME, err, "the path of the file is too long");
    if (ax_file_read(path, &w->file, &cause) == AX_E_NOT_FOUND)
        (void)ax_yaml_fail(node, NAME, err, "no file '%.*s' in the version's folder",
                           AX_STR_ARG(name));
    else if (cause.code)
        (void)ax_fail(err, cause.code, "%s", cause.msg);
    else
        (void)(take_text(w, name, ax_buf_str(&w->file), err) != AX_OK);
    return err->code;
}

/* ---- the key ---- */

static enum ax_code take_key(struct ax_warm_up *w, const struct ax_yaml *node, struct ax_err *err)
{
    static const char *const keys[] = { "rows", "file", NULL };
    if (node->kind == AX_YAML_SCALAR && ax_str_is(node->text, "none")) {
        w->is_off = true;
        return AX_OK;
    }
    if (node->kind != AX_YAML_MAP)
        return ax_yaml_fail(node, NAME, err, "expected none, or a mapping with 'rows' or 'file'");
    if (ax_yaml_only(node, NAME, keys, err))
        return err->code;
    const struct ax_yaml *rows = ax_yaml_get(node, "rows");
    const struct ax_yaml *file = ax_yaml_get(node, "file");
    if (!rows == !file)
        return ax_yaml_fail(node, NAME, err, "expected one of the keys 'rows' and 'file'");
    return rows ? take_yaml_rows(w, rows, err) : take_file(w, file, err);
}

enum ax_code ax_warm_up_rows_read(struct ax_warm_up *warm_up, struct ax_err *err)
{
    assert(warm_up && warm_up->version && err);
    char path[PATH_MAX];
    struct ax_buf text;
    struct ax_err cause = AX_ERR_INIT;
    struct ax_yaml *root;
    int len = snprintf(path, sizeof(path), "%s/" NAME, warm_up->version->path);
    if (len < 0 || (size_t)len >= sizeof(path))
        return AX_OK; /* As there is none for the version's load. */
    ax_buf_init(&text, YAML_BYTES_MAX);
    struct ax_str all = { 0 };
    if (!ax_file_read(path, &text, &cause))
        all = ax_buf_str(&text);
    else if (cause.code != AX_E_NOT_FOUND)
        (void)ax_fail(err, cause.code, "%s", cause.msg);
    /* The load has read it already; most say nothing of this. */
    if (all.len && memmem(all.ptr, all.len, KEY, sizeof(KEY) - 1) &&
        !ax_yaml_parse(all, NAME, &warm_up->arena, &root, err)) {
        const struct ax_yaml *node = ax_yaml_get(root, KEY);
        if (node)
            (void)(take_key(warm_up, node, err) != AX_OK);
    }
    ax_buf_done(&text);
    return err->code;
}

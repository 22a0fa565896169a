/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of a folder: which service they take, and the query of their rows or the file with them.
 *
 * What else training needs is read by pipeline/train_file from the same node; here only its keys
 * are checked, so that a misspelt one is found by `plan` too.
 */
#include "feature/definition_reader.h"

#include <assert.h>

static enum ax_code read_rows(struct ax_definition_reader *r, const struct ax_yaml *rows,
                              struct ax_model_definition *model)
{
    struct ax_str path;
    model->rows = (struct ax_str){ "", 0 };
    if (ax_definition_check_keys(r, rows, AX_MAPPING_ROWS))
        return r->err->code;
    const struct ax_yaml *sql = ax_yaml_get(rows, "sql");
    if (!sql == !ax_yaml_get(rows, "file"))
        return ax_definition_fail(r, rows, "rows are {sql: …} or {file: …}; %s",
                                  sql ? "these are both" : "these are neither");
    return sql ? ax_definition_sql(r, sql, &model->rows, &path) : AX_OK;
}

enum ax_code ax_definition_read_model(struct ax_definition_reader *r, const struct ax_yaml *node,
                                      struct ax_model_definition *model)
{
    assert(r && node && model);
    void *service = NULL;
    int unknown;
    if (ax_definition_check_keys(r, node, AX_MAPPING_MODEL))
        return r->err->code;
    const struct ax_yaml *name = ax_yaml_get(node, "service");
    const struct ax_yaml *columns = ax_yaml_get(node, "columns");
    const struct ax_yaml *train = ax_yaml_get(node, "train");
    if (!name == !columns)
        return ax_definition_fail_key(r, node, "a model has 'service' or 'columns'; %s",
                                      name ? "this one has both" : "this one has neither");
    if ((name && ax_definition_reference(r, name, AX_DEFINITION_SERVICE, &service)) ||
        ax_definition_check_keys(r, train, AX_MAPPING_TRAIN) ||
        read_rows(r, ax_yaml_get(train, "rows"), model) ||
        ax_definition_word(r, node, AX_MAPPING_MODEL, "unknown_category", &unknown) ||
        ax_definition_text(r, node, AX_MAPPING_MODEL, "description", &model->description))
        return r->err->code;
    model->service = service;
    model->node = node;
    model->file = r->file->path;
    return AX_OK;
}

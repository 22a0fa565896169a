/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser refuses comes back as an object too, with its message and, as a text, the place.
 */
#include "pipeline/sql_tree.h"

#include <assert.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)16 << 20)

static enum ax_code fail(const struct ax_json *root, size_t *ret_place, struct ax_err *err)
{
    uint64_t place = SIZE_MAX;
    struct ax_str position = ax_json_str(ax_json_get(root, "position"));
    if (ret_place)
        *ret_place = ax_str_to_u64(position, &place) ? (size_t)place : SIZE_MAX;
    return ax_fail(err, AX_E_INVALID, "%.*s",
                   AX_STR_ARG(ax_json_str(ax_json_get(root, "error_message"))));
}

enum ax_code ax_sql_tree_read(struct ax_sql *sql, struct ax_str query, struct ax_json_doc **ret_doc,
                              size_t *ret_place, struct ax_err *err)
{
    assert(sql && ret_doc && err);
    struct ax_json_doc *doc = NULL;
    struct ax_buf text;
    char *json = NULL;
    if (ret_place)
        *ret_place = SIZE_MAX;
    ax_buf_init(&text, TEXT_MAX);
    (void)ax_buf_append_str(&text, AX_STR("SELECT json_serialize_sql("));
    ax_sql_put_literal(&text, query);
    (void)ax_buf_append_str(&text, AX_STR(")::VARCHAR"));
    if (!ax_buf_check(&text, "the query", err) &&
        !ax_sql_get_text(sql, ax_buf_str(&text), &json, err) &&
        !ax_json_parse(ax_str_from(json), &doc, err)) {
        if (ax_json_is_true(ax_json_get(ax_json_root(doc), "error")))
            (void)fail(ax_json_root(doc), ret_place, err);
    }
    free(json);
    ax_buf_done(&text);
    if (err->code)
        ax_json_free(doc);
    else
        *ret_doc = doc;
    return err->code;
}

const struct ax_json *ax_sql_tree_node(const struct ax_json_doc *doc)
{
    assert(doc);
    struct ax_json_iter statements = ax_json_iterate(ax_json_get(ax_json_root(doc), "statements"));
    return ax_json_get(ax_json_next(&statements), "node");
}

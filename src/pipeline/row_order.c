/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the ORDER BY of a query out of json_serialize_sql(), whose node has a list `modifiers`
 * with at most one ORDER_MODIFIER; each of its orders holds an expression: COLUMN_REF with the
 * parts of a name, or STAR for ORDER BY ALL.
 */
#include "pipeline/row_order.h"

#include "pipeline/sql_tree.h"

#include <assert.h>

#define TEXT_MAX ((size_t)16 << 20)

static enum ax_code print_expression(const struct ax_json *expression, struct ax_buf *out,
                                     struct ax_err *err)
{
    struct ax_str class = ax_json_str(ax_json_get(expression, "class"));
    if (ax_str_is(class, "STAR")) {
        (void)ax_buf_append_str(out, AX_STR("ALL"));
        return AX_OK;
    }
    if (!ax_str_is(class, "COLUMN_REF"))
        return ax_fail(err, AX_E_INVALID,
                       "the query must be ordered by columns of its result, by their names");
    struct ax_json_iter parts = ax_json_iterate(ax_json_get(expression, "column_names"));
    const struct ax_json *part;
    struct ax_str name = { "", 0 };
    while ((part = ax_json_next(&parts)))
        name = ax_json_str(part);
    ax_sql_put_name(out, name);
    return AX_OK;
}

static enum ax_code print_orders(const struct ax_json *node, struct ax_buf *out, struct ax_err *err)
{
    struct ax_json_iter modifiers = ax_json_iterate(ax_json_get(node, "modifiers"));
    const struct ax_json *modifier;
    while ((modifier = ax_json_next(&modifiers))) {
        struct ax_json_iter orders = ax_json_iterate(ax_json_get(modifier, "orders"));
        const struct ax_json *order;
        while ((order = ax_json_next(&orders))) {
            if (out->len)
                (void)ax_buf_append_str(out, AX_STR(", "));
            if (print_expression(ax_json_get(order, "expression"), out, err))
                return err->code;
        }
    }
    if (!out->len)
        return ax_fail(err, AX_E_INVALID,
                       "the query has no ORDER BY: training is repeatable only over rows in a "
                       "total order; order it by a key");
    return ax_buf_check(out, "the order", err);
}

enum ax_code ax_row_order_print(struct ax_sql *sql, struct ax_str query, struct ax_buf *out,
                                size_t *ret_place, struct ax_err *err)
{
    assert(sql && out && out->len == 0 && err);
    struct ax_json_doc *doc = NULL;
    if (ax_sql_tree_read(sql, query, &doc, ret_place, err))
        return err->code;
    (void)(print_orders(ax_sql_tree_node(doc), out, err) != AX_OK);
    ax_json_free(doc);
    return err->code;
}

enum ax_code ax_row_order_check(struct ax_sql *sql, const char *table, struct ax_str order,
                                struct ax_err *err)
{
    assert(sql && table && order.len && err);
    struct ax_buf text;
    int64_t ties = 0;
    ax_buf_init(&text, TEXT_MAX);
    if (ax_str_is(order, "ALL")) /* GROUP BY ALL would mean none of the columns here. */
        ax_buf_printf(&text,
                      "SELECT (SELECT count(*) FROM %s) - (SELECT count(*) FROM (SELECT DISTINCT * "
                      "FROM %s))",
                      table, table);
    else
        ax_buf_printf(&text,
                      "SELECT count(*) FROM (SELECT count(*) AS n FROM %s GROUP BY %.*s) WHERE "
                      "n > 1",
                      table, AX_STR_ARG(order));
    enum ax_code code = ax_buf_check(&text, "the order", err);
    if (!code)
        code = ax_sql_get_i64(sql, ax_buf_str(&text), &ties, err);
    ax_buf_done(&text);
    if (code)
        return ax_err_context(err, "the query must select the columns that it is ordered by");
    if (ties)
        return ax_fail(err, AX_E_INVALID,
                       "the order of the query is not total: rows agree in (%.*s) in %lld places; "
                       "add a key to ORDER BY",
                       AX_STR_ARG(order), (long long)ties);
    return AX_OK;
}

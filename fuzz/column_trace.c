/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no tree of a query breaks the tracer of columns, keeps it long, or makes its answers depend
 * on what was asked before.
 * Method: the text is what json_serialize_sql() makes of a query, or anything else that is JSON.
 * Nothing of DuckDB runs: files have no names of columns, and `sum` is the one function that takes
 * other rows. Two columns are traced twice in turn, with the same outcome, of which each column is
 * there once and has a file.
 */
#include "pipeline/column_trace.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct ax_traced_column *a, const struct ax_traced_column *b)
{
    return a->reading == b->reading && ax_str_equals(a->file, b->file) &&
           ax_str_equals_nocase(a->name, b->name);
}

static void check(struct ax_column_trace trace)
{
    for (size_t i = 0; i < trace.count; i++) {
        if (!trace.columns[i].file.len)
            abort();
        for (size_t k = 0; k < i; k++)
            if (is_same(&trace.columns[i], &trace.columns[k]))
                abort();
    }
}

static void compare(struct ax_column_trace first, struct ax_column_trace second)
{
    if (first.count != second.count || first.is_whole != second.is_whole)
        abort();
    for (size_t i = 0; i < first.count; i++)
        if (!is_same(&first.columns[i], &second.columns[i]) ||
            first.columns[i].is_plain != second.columns[i].is_plain ||
            first.columns[i].is_of_row != second.columns[i].is_of_row)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc;
    if (ax_json_parse((struct ax_str){ (const char *)data, size }, &doc, &err))
        return 0;
    struct ax_column_tracer *tracer = make(NULL);
    tracer->doc = doc;
    tracer->mixing = ax_xstrdup(" sum ");
    add_query(tracer, (struct ax_str){ "", 0 }, ax_sql_tree_node(doc), NONE, 0);
    struct ax_column_trace traces[4];
    for (size_t i = 0; i < AX_COUNT(traces); i++)
        traces[i] = ax_column_tracer_find(tracer, i % 2 ? AX_STR("b") : AX_STR("y"));
    for (size_t i = 0; i < 2; i++) {
        check(traces[i]);
        compare(traces[i], traces[i + 2]);
    }
    ax_column_tracer_free(tracer);
    return 0;
}

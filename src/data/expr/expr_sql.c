/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees as DuckDB's SQL, by the templates of the table of functions.
 *
 * A call is CAST(<template> AS <type>), so what DuckDB makes of the template does not matter. In a
 * template, $1 to $9 stand for arguments, $* for all of them with commas, $2* for those from the
 * second on; a $ before anything else is a $. Where there is neither template nor printer, the
 * function is one of ours that is registered there.
 *
 * For ax_expr_put_select an argument that its place names more than once is printed once, as a
 * column of a query inside; equal texts are one column. A column stands one layer above the columns
 * that it names itself, so there are at most as many layers as the tree is deep. All of this
 * recurses, no deeper than trees are.
 */
#include "data/expr/expr_sql.h"

#include "base/alloc.h"
#include "base/map.h"
#include "data/expr/function.h"

#include <assert.h>
#include <stdlib.h>

/* A column of a query inside. */
struct sql_binding {
    char *text;
    size_t layer; /* from 1 */
};

struct sql_printer {
    ax_expr_put_input_fn put_input;
    void *arg;
    size_t max; /* bytes of any text */
    bool binds;
    struct sql_binding *bindings; /* number i is called "~i" */
    size_t binding_count;
    size_t binding_cap;
    struct ax_map numbers; /* text -> its binding's number + 1 */
};

/* A printed expression. */
struct sql_text {
    struct ax_buf buf;
    size_t layer; /* of the highest binding in it; 0: none */
};

const char *ax_type_sql(struct ax_type type, enum ax_sql_dialect dialect)
{
    static const char *const names[AX_TYPE_COUNT][2] = {
        [AX_TYPE_BOOL] = { "BOOLEAN", "BOOLEAN[]" },
        [AX_TYPE_INT64] = { "BIGINT", "BIGINT[]" },
        [AX_TYPE_FLOAT64] = { "DOUBLE", "DOUBLE[]" },
        [AX_TYPE_STRING] = { "VARCHAR", "VARCHAR[]" },
        [AX_TYPE_TIMESTAMP] = { "TIMESTAMP", "TIMESTAMP[]" },
        [AX_TYPE_DURATION] = { "BIGINT", "BIGINT[]" },
    };
    assert(type.kind < AX_TYPE_COUNT && dialect == AX_SQL_DUCKDB);
    return names[type.kind][type.is_list];
}

void ax_storage_put_sql(struct ax_buf *out, struct ax_storage storage, struct ax_str column,
                        enum ax_sql_dialect dialect)
{
    struct ax_type type = ax_storage_type(storage);
    assert(out && dialect == AX_SQL_DUCKDB);
    if (storage.kind == AX_STORAGE_BYTES) {
        ax_sql_put_name(out, column);
        return;
    }
    bool is_float = type.kind == AX_TYPE_FLOAT64;
    (void)ax_buf_append_str(out, AX_STR("CAST("));
    if (is_float && type.is_list)
        (void)ax_buf_append_str(out, AX_STR("list_transform("));
    if (is_float && !type.is_list)
        (void)ax_buf_append_str(out, AX_STR("nullif("));
    ax_sql_put_name(out, column);
    if (is_float) /* adding 0 makes 0 of -0; DuckDB's NaN equals itself */
        (void)ax_buf_append_str(
            out, type.is_list
                     ? AX_STR(", lambda x: nullif(x, CAST('NaN' AS DOUBLE)) + CAST(0 AS DOUBLE))")
                     : AX_STR(", CAST('NaN' AS DOUBLE)) + CAST(0 AS DOUBLE)"));
    (void)ax_buf_printf(out, " AS %s)", ax_type_sql(type, dialect));
}

void ax_expr_put_registered(struct ax_buf *out, const struct ax_function *function,
                            const struct ax_type *types, size_t count)
{
    (void)ax_buf_printf(out, "\"ax_%s(", function->name);
    for (size_t i = 0; i < count; i++)
        (void)ax_buf_printf(out, "%s%s", i ? ", " : "", ax_type_name(types[i]));
    (void)ax_buf_append_str(out, AX_STR(")\""));
}

/* ---- literals ---- */

static void put_literal(struct ax_buf *out, const struct ax_expr *expr)
{
    if (expr->is_null) {
        (void)ax_buf_printf(out, "CAST(NULL AS %s)", ax_type_sql(expr->type, AX_SQL_DUCKDB));
        return;
    }
    switch (expr->type.kind) {
    case AX_TYPE_BOOL:
        (void)ax_buf_printf(out, "CAST(%s AS BOOLEAN)", expr->literal.truth ? "true" : "false");
        return;
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
        (void)ax_buf_printf(out, "CAST(%lld AS BIGINT)", (long long)expr->literal.i64);
        return;
    case AX_TYPE_FLOAT64:
        /* A text is read as the nearest double; a bare number may go through DECIMAL. */
        (void)ax_buf_printf(out, "CAST('%.17g' AS DOUBLE)", expr->literal.f64);
        return;
    case AX_TYPE_TIMESTAMP:
        (void)ax_buf_printf(out, "make_timestamp(CAST(%lld AS BIGINT))",
                            (long long)expr->literal.i64);
        return;
    case AX_TYPE_STRING:
        assert(!memchr(expr->literal.text.ptr, '\0', expr->literal.text.len));
        (void)ax_buf_append_str(out, AX_STR("CAST("));
        ax_sql_put_literal(out, expr->literal.text);
        (void)ax_buf_append_str(out, AX_STR(" AS VARCHAR)"));
        return;
    case AX_TYPE_COUNT:
        break;
    }
    assert(false);
}

/* ---- templates ---- */

/* The next place for arguments in a template: those from `from` on, one or all. */
struct place {
    const char *begin;
    const char *end;
    size_t from;
    bool all;
};

/* False when none is left. A sign that is followed by anything else is text. */
static bool next_place(const char *at, struct place *ret)
{
    const char *sign = strchr(at, '$');
    while (sign && sign[1] != '*' && !(sign[1] >= '1' && sign[1] <= '9'))
        sign = strchr(sign + 1, '$');
    if (!sign)
        return false;
    bool numbered = sign[1] != '*';
    ret->begin = sign;
    ret->from = numbered ? (size_t)(sign[1] - '1') : 0;
    ret->all = !numbered || sign[2] == '*';
    ret->end = sign + 2 + (numbered && ret->all);
    return true;
}

/* How often the template names argument i; a printer may name all of them. */
static size_t count_places(const struct ax_expr *call, size_t i)
{
    const char *at = call->function->duckdb;
    struct place place;
    size_t places = 0;
    if (!at)
        return call->function->put_duckdb ? 2 : 1;
    for (; next_place(at, &place); at = place.end)
        places += place.all ? i >= place.from : i == place.from;
    return places;
}

static void put_arguments(struct ax_buf *out, const struct ax_buf *args, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (i > from)
            (void)ax_buf_append_str(out, AX_STR(", "));
        (void)ax_buf_append_str(out, ax_buf_str(&args[i]));
    }
}

static void put_template(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args)
{
    const char *at = call->function->duckdb;
    struct place place;
    for (; next_place(at, &place); at = place.end) {
        assert(place.from < call->arg_count);
        (void)ax_buf_append(out, at, (size_t)(place.begin - at));
        put_arguments(out, args, place.from, place.all ? call->arg_count : place.from + 1);
    }
    (void)ax_buf_append_str(out, ax_str_from(at));
}

static void put_call_of_ours(struct ax_buf *out, const struct ax_expr *call,
                             const struct ax_buf *args)
{
    struct ax_type types[AX_FUNCTION_PARAMS_MAX];
    assert(call->arg_count <= AX_FUNCTION_PARAMS_MAX);
    for (size_t i = 0; i < call->arg_count; i++)
        types[i] = call->args[i]->type;
    ax_expr_put_registered(out, call->function, types, call->arg_count);
    (void)ax_buf_append_char(out, '(');
    put_arguments(out, args, 0, call->arg_count);
    (void)ax_buf_append_char(out, ')');
}

/* ---- bindings ---- */

static size_t add_binding(struct sql_printer *p, const struct sql_text *text)
{
    if (p->binding_count == p->binding_cap) {
        p->binding_cap = AX_MAX(2 * p->binding_cap, (size_t)16);
        p->bindings = ax_xrealloc(p->bindings, p->binding_cap, sizeof(*p->bindings));
    }
    p->bindings[p->binding_count] =
        (struct sql_binding){ ax_xmemdup0(text->buf.ptr, text->buf.len), text->layer + 1 };
    return ++p->binding_count;
}

/* Put the name of a column in the place of the text. */
static void bind_text(struct sql_printer *p, struct sql_text *text)
{
    if (text->buf.failed)
        return;
    struct ax_str key = ax_buf_str(&text->buf);
    uintptr_t number = (uintptr_t)ax_map_get(&p->numbers, key);
    if (!number) {
        number = add_binding(p, text);
        (void)ax_map_put(&p->numbers, key, (void *)number);
    }
    text->layer = p->bindings[number - 1].layer;
    ax_buf_reset(&text->buf);
    (void)ax_buf_printf(&text->buf, "\"~%zu\"", (size_t)number);
}

/* ---- trees ---- */

static void print_expr(struct sql_printer *p, const struct ax_expr *expr, struct sql_text *ret);

static void print_call(struct sql_printer *p, const struct ax_expr *call, struct sql_text *ret)
{
    struct ax_buf *args = ax_xalloc(call->arg_count * sizeof(*args));
    struct ax_buf *out = &ret->buf;
    enum ax_code failed = AX_OK;
    for (size_t i = 0; i < call->arg_count; i++) {
        struct sql_text arg;
        print_expr(p, call->args[i], &arg);
        if (p->binds && call->args[i]->kind == AX_EXPR_CALL && count_places(call, i) > 1)
            bind_text(p, &arg);
        args[i] = arg.buf;
        failed = failed ? failed : arg.buf.failed;
        ret->layer = AX_MAX(ret->layer, arg.layer);
    }
    (void)ax_buf_append_str(out, AX_STR("CAST("));
    if (call->function->put_duckdb)
        call->function->put_duckdb(out, call, args);
    else if (call->function->duckdb)
        put_template(out, call, args);
    else
        put_call_of_ours(out, call, args);
    (void)ax_buf_printf(out, " AS %s)", ax_type_sql(call->type, AX_SQL_DUCKDB));
    if (failed && !out->failed)
        out->failed = failed;
    for (size_t i = 0; i < call->arg_count; i++)
        ax_buf_done(&args[i]);
    free(args);
}

static void print_expr(struct sql_printer *p, const struct ax_expr *expr, struct sql_text *ret)
{
    ret->layer = 0;
    ax_buf_init(&ret->buf, p->max);
    if (expr->kind == AX_EXPR_LITERAL)
        put_literal(&ret->buf, expr);
    else if (expr->kind == AX_EXPR_INPUT)
        p->put_input(&ret->buf, expr->input, p->arg);
    else
        print_call(p, expr, ret);
}

static void put_text(struct ax_buf *out, const struct sql_text *text)
{
    (void)ax_buf_append_str(out, ax_buf_str(&text->buf));
    ax_buf_fail_with(out, &text->buf);
}

void ax_expr_put_sql(struct ax_buf *out, const struct ax_expr *expr, enum ax_sql_dialect dialect,
                     ax_expr_put_input_fn put_input, void *arg)
{
    assert(out && expr && dialect == AX_SQL_DUCKDB && put_input);
    struct sql_printer printer = { .put_input = put_input, .arg = arg, .max = out->max };
    struct sql_text text;
    print_expr(&printer, expr, &text);
    put_text(out, &text);
    ax_buf_done(&text.buf);
}

/* The queries inside, from the outermost: "(SELECT *, … AS "~3" FROM (SELECT *, …" and so on. */
static void put_layers(struct ax_buf *out, const struct sql_printer *p, size_t layers,
                       struct ax_str from)
{
    for (size_t layer = layers; layer > 0; layer--) {
        (void)ax_buf_append_str(out, AX_STR("(SELECT *"));
        for (size_t i = 0; i < p->binding_count; i++)
            if (p->bindings[i].layer == layer)
                (void)ax_buf_printf(out, ", %s AS \"~%zu\"", p->bindings[i].text, i + 1);
        (void)ax_buf_append_str(out, AX_STR(" FROM "));
    }
    (void)ax_buf_append_str(out, from);
    for (size_t layer = 0; layer < layers; layer++)
        (void)ax_buf_append_char(out, ')');
}

/* What stands before the columns; of "*" without the columns of queries inside. */
static void put_kept(struct ax_buf *out, const struct sql_printer *p, struct ax_str keep)
{
    (void)ax_buf_append_str(out, keep);
    if (!ax_str_is(keep, "*") || !p->binding_count)
        return;
    for (size_t i = 0; i < p->binding_count; i++)
        (void)ax_buf_printf(out, "%s\"~%zu\"", i ? ", " : " EXCLUDE (", i + 1);
    (void)ax_buf_append_char(out, ')');
}

/* ", a AS "x", b AS "y"", and how many layers stand below. */
static size_t print_columns(struct sql_printer *p, const struct ax_expr_column *columns,
                            size_t count, struct ax_buf *out)
{
    size_t layers = 0;
    for (size_t i = 0; i < count; i++) {
        struct sql_text text;
        print_expr(p, columns[i].expr, &text);
        (void)ax_buf_append_str(out, AX_STR(", "));
        put_text(out, &text);
        (void)ax_buf_append_str(out, AX_STR(" AS "));
        ax_sql_put_name(out, columns[i].name);
        layers = AX_MAX(layers, text.layer);
        ax_buf_done(&text.buf);
    }
    return layers;
}

void ax_expr_put_select(struct ax_buf *out, const struct ax_expr_column *columns, size_t count,
                        struct ax_str keep, struct ax_str from, enum ax_sql_dialect dialect,
                        ax_expr_put_input_fn put_input, void *arg)
{
    assert(out && (columns || !count) && (count || keep.len) && put_input);
    assert(dialect == AX_SQL_DUCKDB);
    struct sql_printer printer = {
        .put_input = put_input, .arg = arg, .max = out->max, .binds = true
    };
    struct sql_text text = { .layer = 0 };
    ax_map_init(&printer.numbers);
    ax_buf_init(&text.buf, out->max);
    text.layer = print_columns(&printer, columns, count, &text.buf);
    if (!keep.len)
        ax_buf_consume(&text.buf, text.buf.len ? strlen(", ") : 0);
    (void)ax_buf_append_str(out, AX_STR("SELECT "));
    put_kept(out, &printer, keep);
    put_text(out, &text);
    (void)ax_buf_append_str(out, AX_STR(" FROM "));
    put_layers(out, &printer, text.layer, from);
    for (size_t i = 0; i < printer.binding_count; i++)
        free(printer.bindings[i].text);
    free(printer.bindings);
    ax_map_done(&printer.numbers);
    ax_buf_done(&text.buf);
}

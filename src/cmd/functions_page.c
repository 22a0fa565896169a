/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heading a group, one a name, and a line an overload: how it is written, what it gives, what it
 * does; its examples below. Entries that are no plain calls are shown as they are written.
 */
#include "cmd/functions_page.h"
#include "data/expr/function.h"

#include <assert.h>
#include <ctype.h>

/* How to write what is no call: $1, $2 are the types of the parameters. */
static const struct form {
    const char *name, *text;
} forms[] = {
    { "case", "case when $2 then $1 [when …] [else $1] end" },
    { "in", "$1 in ($1, …)" },
    { "list", "[$1, …]" },
    { "[]", "$1[$2]" },
    { "extract", "extract($1 from $2)" },
    { "and", "$1 and $2" },
    { "or", "$1 or $2" },
    { "not", "not $1" },
    { "is null", "$1 is null" },
    { "is true", "$1 is true" },
    { "is false", "$1 is false" },
    { "like", "$1 like $2" },
    { "ilike", "$1 ilike $2" },
    { "at time zone", "$1 at time zone $2" },
};

static const char *param_name(enum ax_param param)
{
    if (param == AX_PARAM_T)
        return "T";
    if (param == AX_PARAM_LIST_T)
        return "list<T>";
    bool is_list = param > AX_PARAM_T;
    return ax_type_name((struct ax_type){
        (enum ax_type_kind)(is_list ? param - AX_PARAM_LIST_BOOL : param), is_list });
}

static void put_form(struct ax_buf *out, const struct ax_function *function, const char *form)
{
    for (const char *at = form; *at; at++) {
        if (*at != '$') {
            (void)ax_buf_append_char(out, *at);
            continue;
        }
        at++;
        assert(*at >= '1' && (size_t)(*at - '1') < function->param_count);
        (void)ax_buf_append_str(out, ax_str_from(param_name(function->params[*at - '1'])));
    }
}

static void put_call(struct ax_buf *out, const struct ax_function *function)
{
    (void)ax_buf_printf(out, "%s(", function->name);
    for (size_t i = 0; i < function->param_count; i++)
        (void)ax_buf_printf(out, "%s%s", i ? ", " : "", param_name(function->params[i]));
    (void)ax_buf_printf(out, "%s)", function->repeated ? ", …" : "");
}

static void put_signature(struct ax_buf *out, const struct ax_function *function)
{
    for (size_t i = 0; i < AX_COUNT(forms); i++) {
        if (strcmp(function->name, forms[i].name) == 0) {
            put_form(out, function, forms[i].text);
            return;
        }
    }
    if (ax_str_starts_with(ax_str_from(function->name), AX_STR("cast:"))) {
        (void)ax_buf_printf(out, "cast(%s as %s)", param_name(function->params[0]),
                            function->name + 5);
    } else if (isalpha((unsigned char)function->name[0])) {
        put_call(out, function);
    } else if (function->param_count == 1) {
        (void)ax_buf_printf(out, "%s%s", function->name, param_name(function->params[0]));
    } else {
        (void)ax_buf_printf(out, "%s %s %s", param_name(function->params[0]), function->name,
                            param_name(function->params[1]));
    }
}

static void put_entry(struct ax_buf *out, const struct ax_function *function)
{
    (void)ax_buf_append_str(out, AX_STR("- `"));
    put_signature(out, function);
    (void)ax_buf_printf(out, "` gives `%s`. %s\n", param_name(function->result), function->about);
    for (size_t i = 0; i < AX_FUNCTION_EXAMPLES_MAX && function->examples[i].text; i++)
        (void)ax_buf_printf(out, "  - `%s` is `%s`\n", function->examples[i].text,
                            function->examples[i].value);
}

void ax_functions_page_put(struct ax_buf *out)
{
    assert(out);
    for (unsigned group = 0; group < AX_FUNCTIONS_GROUP_COUNT; group++) {
        size_t count;
        const struct ax_function *functions = ax_functions(group, &count);
        const char *title = ax_function_group_name(group);
        (void)ax_buf_printf(out, "\n## %c%s\n", toupper((unsigned char)title[0]), title + 1);
        for (size_t i = 0; i < count; i++) {
            if (i == 0 || strcmp(functions[i].name, functions[i - 1].name) != 0)
                (void)ax_buf_printf(out, "\n### `%s`\n\n", functions[i].name);
            put_entry(out, &functions[i]);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heading a group, one a name, and a line an overload: how it is written, what it gives, what it
 * does; its examples below. Entries that are no plain calls are shown as they are written.
 * Aggregates stand at the end, with the events that their examples are over.
 */
#include "cmd/functions_page.h"

#include "data/expr/aggregate_about.h"
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
    (void)ax_buf_printf(out, "` gives `%s`. %s%s\n", param_name(function->result), function->about,
                        function->sees_nulls ? " *Sees nulls.*" : "");
    for (size_t i = 0; i < AX_FUNCTION_EXAMPLES_MAX && function->examples[i].text; i++)
        (void)ax_buf_printf(out, "  - `%s` is `%s`\n", function->examples[i].text,
                            function->examples[i].value);
}

static void put_aggregate(struct ax_buf *out, enum ax_aggregate_kind kind)
{
    const struct ax_aggregate_about *about = ax_aggregate_about(kind);
    (void)ax_buf_printf(out, "\n### `%s`\n\n", ax_aggregate_name(kind));
    (void)ax_buf_printf(out, "- `%s` of %s gives %s; over nothing `%s`. %s\n", about->form,
                        about->takes, about->gives, about->nothing, about->about);
    for (size_t i = 0; i < AX_AGGREGATE_EXAMPLES_MAX && about->examples[i].text; i++)
        (void)ax_buf_printf(out, "  - `%s` is `%s`\n", about->examples[i].text,
                            about->examples[i].value);
}

static void put_aggregates(struct ax_buf *out)
{
    size_t count;
    const struct ax_aggregate_event *events = ax_aggregate_events(&count);
    (void)ax_buf_append_str(
        out, AX_STR("\n## Aggregates over events\n\n"
                    "In the fields of a view: `AGG(x) [filter (where CONDITION)] over WINDOW [hop "
                    "HOP]`, and arithmetic on\nthem.\n\n"
                    "- The window ends with the moment that is asked about, which belongs to it, "
                    "and begins behind the\n  moment so much earlier: `(at - W, at]`. It is 1s to "
                    "400d long.\n"
                    "- Events of the entity count whose condition is true and whose `x` is not "
                    "null; `x` and the\n  condition are expressions over the source's columns.\n"
                    "- A window is exact for the newest events (1,024, or `exact_events` of the "
                    "view). One that holds more\n  begins at a multiple of a hop before, so that "
                    "it is at most a tenth too long. `hop` sets the hop (1s\n  to W), and then "
                    "the window always begins at a multiple.\n"
                    "- A result that is infinite is null. An expression has at most 64 "
                    "aggregates, and a view 256.\n\n"
                    "More of it: [windows](internals/windows.md). The examples are tests; they are "
                    "over these events of one entity,\nasked at "
                    "" AX_AGGREGATE_EXAMPLES_AT ":\n\n"
                    "| flight | time | delay | dest |\n| --- | --- | --- | --- |\n"));
    for (size_t i = 0; i < count; i++)
        (void)ax_buf_printf(out, "| %s | %s | %s | %s |\n", events[i].flight, events[i].time,
                            events[i].delay[0] ? events[i].delay : "null",
                            events[i].dest[0] ? events[i].dest : "null");
    (void)ax_buf_append_str(out, AX_STR("\nThe beginning of a window and hops:\n\n"
                                        "  - `count(*) over 2h` is `3`\n"
                                        "  - `count(*) over 30m` is `1`\n"
                                        "  - `count(*) over 30m hop 20m` is `2`\n"
                                        "  - `count(*) filter (where delay > 15) over 24h / "
                                        "count(*) over 24h` is `0.4`\n"));
    for (unsigned kind = 0; kind < AX_AGGREGATE_COUNT_OF; kind++)
        put_aggregate(out, (enum ax_aggregate_kind)kind);
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
    put_aggregates(out);
}

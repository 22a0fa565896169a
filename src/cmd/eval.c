/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex eval EXPRESSION`: what an expression gives, over one row or without any.
 *
 * The same parser and programs that compute features; so what is tried here means the same there.
 */
#include "cmd/cmd.h"

#include "base/json.h"
#include "cmd/command_line.h"
#include "cmd/eval_row.h"
#include "cmd/exit_code.h"
#include "cmd/expression_place.h"
#include "data/expr/program.h"
#include "data/expr/value_text.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_FIRST ((size_t)64 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)
#define OUTPUT_BYTES_MAX  ((size_t)64 << 20)

struct eval_config {
    char *row;
    struct ax_option_list types;
    bool json;
};

static const struct ax_option eval_options[] = {
    { AX_OPTION_TEXT, "row", NULL, offsetof(struct eval_config, row), 0, 0, "JSON",
      "Row that the names in the expression mean: a JSON object." },
    { AX_OPTION_LIST, "type", NULL, offsetof(struct eval_config, types), 0, 0, "NAME=TYPE",
      "Type of a name, where JSON does not say it (timestamp, duration) or the value is null." },
    { AX_OPTION_BOOL, "json", "false", offsetof(struct eval_config, json), 0, 0, NULL,
      "Print type and value as JSON." },
    { 0 },
};

const struct ax_option *const ax_cmd_eval_options[] = { eval_options, NULL };

struct evaluation {
    struct ax_str text;
    struct ax_eval_row row;
    struct ax_arena arena;
    struct ax_program *program;
    struct ax_values value;
    bool has_place; /* of the failure */
    size_t place;   /* byte of the text */
};

static enum ax_code compute(struct evaluation *e, const struct eval_config *config,
                            struct ax_err *err)
{
    struct ax_parsed parsed;
    if (ax_eval_row_read(ax_str_from(config->row), &config->types, &e->arena, &e->row, err))
        return err->code;
    const struct ax_scope scope = { .columns = e->row.columns, .column_count = e->row.count };
    if (ax_expr_parse(e->text, &scope, &e->arena, &parsed, &e->place, err)) {
        e->has_place = ax_str_is_utf8(e->text) && e->text.len <= AX_EXPR_TEXT_BYTES_MAX;
        return err->code;
    }
    if (ax_program_new(&parsed.root, 1, &e->program, err))
        return err->code;
    return ax_program_run(e->program, e->row.inputs, 1, &e->arena, &e->value, err);
}

static enum ax_code print_value(const struct ax_values *value, bool json, struct ax_err *err)
{
    struct ax_buf out;
    ax_buf_init(&out, OUTPUT_BYTES_MAX);
    if (json) {
        (void)ax_buf_printf(&out, "{\"type\":\"%s\",\"value\":", ax_type_name(value->type));
        ax_values_put_json(&out, value, 0);
        (void)ax_buf_append_char(&out, '}');
    } else {
        ax_values_put_text(&out, value, 0);
    }
    (void)ax_buf_append_char(&out, '\n');
    if (!ax_buf_check(&out, "the value", err) &&
        (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout)))
        (void)ax_fail(err, AX_E_INTERNAL, "standard output was closed");
    ax_buf_done(&out);
    return err->code;
}

static int evaluate(const struct ax_command_line *line, const struct eval_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct evaluation e = { .text = ax_str_from(line->args.texts[0]) };
    ax_arena_init(&e.arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    if (compute(&e, config, &err) || print_value(&e.value, config->json, &err)) {
        ax_command_line_complain(line, "%s", err.msg);
        if (e.has_place)
            ax_expression_place_show(e.text, e.place, stderr);
    }
    ax_program_free(e.program);
    ax_arena_done(&e.arena);
    return (int)ax_exit_from_code(err.code);
}

int ax_cmd_eval(int argc, char **argv)
{
    struct eval_config config = { 0 };
    const struct ax_option_group groups[] = { { eval_options, &config }, { 0 } };
    struct ax_command_line line = {
        .name = "eval",
        .usage = "[OPTION]... [--] EXPRESSION",
        .about = "Compute an expression, over the row that --row gives or without any.\n"
                 "The language is told in docs/expressions.md, its functions in "
                 "docs/functions.md.",
        .groups = groups,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = evaluate(&line, &config);
    ax_command_line_done(&line);
    return status;
}

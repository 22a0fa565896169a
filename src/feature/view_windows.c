/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees are alike when their canonical texts are, so a map from text to number finds what was there
 * already: of an expression its text, of an aggregate its members and the numbers of its columns.
 */
#include "feature/view_windows.h"

#include "base/buf.h"
#include "base/map.h"
#include "data/expr/expr_text.h"

#include <assert.h>

#define KEY_BYTES_MAX ((size_t)1 << 20)

struct windows_run {
    const struct ax_view *view;
    struct ax_arena *arena;
    struct ax_map numbers; /* canonical text -> its place in `slots` */
    struct ax_buf key;
    const struct ax_expr **columns;
    struct ax_type *types;
    size_t column_count;
    struct ax_window_aggregate *aggregates;
    size_t aggregate_count;
    size_t *numbers_of; /* of a field's aggregates, by the numbers that its root reads */
    char *slots;        /* slots + i is the number i in the map */
};

static void put_column(struct ax_buf *out, size_t input, void *arg)
{
    const struct ax_source *source = arg;
    ax_expr_put_name(out, source->columns[input].name);
}

/* The number that the key has, or `next`, which it has from now on. */
static enum ax_code find_number(struct windows_run *run, size_t next, size_t *ret,
                                struct ax_err *err)
{
    if (ax_buf_check(&run->key, "an aggregate", err))
        return err->code;
    const char *slot = ax_map_get(&run->numbers, ax_buf_str(&run->key));
    if (!slot)
        (void)ax_map_put(&run->numbers, ax_buf_str(&run->key), run->slots + next);
    *ret = slot ? (size_t)(slot - run->slots) : next;
    return AX_OK;
}

/* The column that computes the expression; -1 for none. */
static enum ax_code find_column(struct windows_run *run, const struct ax_expr *expr, int *ret,
                                struct ax_err *err)
{
    size_t number;
    if (!expr) {
        *ret = -1;
        return AX_OK;
    }
    ax_buf_reset(&run->key);
    (void)ax_buf_append_str(&run->key, AX_STR("column "));
    ax_expr_put_text(&run->key, expr, put_column, (void *)run->view->source);
    if (find_number(run, run->column_count, &number, err))
        return err->code;
    if (number == run->column_count) {
        run->columns[number] = expr;
        run->types[number] = expr->type;
        run->column_count++;
    }
    *ret = (int)number;
    return AX_OK;
}

static enum ax_code find_aggregate(struct windows_run *run, const struct ax_aggregate *aggregate,
                                   size_t *ret, struct ax_err *err)
{
    struct ax_window_aggregate made = { .kind = aggregate->kind,
                                        .n = aggregate->n,
                                        .quantile = aggregate->quantile,
                                        .window_us = aggregate->window_us,
                                        .hop_us = aggregate->hop_us };
    if (find_column(run, aggregate->value, &made.value, err) ||
        find_column(run, aggregate->filter, &made.filter, err))
        return err->code;
    ax_buf_reset(&run->key);
    ax_buf_printf(&run->key, "aggregate %d %d %d %lld %a %lld %lld", (int)made.kind, made.value,
                  made.filter, (long long)made.n, made.quantile, (long long)made.window_us,
                  (long long)made.hop_us);
    if (find_number(run, run->aggregate_count, ret, err))
        return err->code;
    if (*ret == run->aggregate_count)
        run->aggregates[run->aggregate_count++] = made;
    return AX_OK;
}

/* A field's root with the numbers of the view's aggregates as its inputs. Recurses, no deeper than
 * trees are. NULL: the arena is full. */
static const struct ax_expr *renumber(const struct windows_run *run, const struct ax_expr *expr)
{
    if (expr->kind == AX_EXPR_LITERAL)
        return expr;
    struct ax_expr *made = ax_arena_alloc(run->arena, 1, sizeof(*made));
    if (!made)
        return NULL;
    *made = *expr;
    if (expr->kind == AX_EXPR_INPUT) {
        made->input = run->numbers_of[expr->input];
        return made;
    }
    const struct ax_expr **args =
        ax_arena_alloc(run->arena, expr->arg_count + 1, sizeof(const struct ax_expr *));
    if (!args)
        return NULL;
    for (size_t i = 0; i < expr->arg_count; i++) {
        args[i] = renumber(run, expr->args[i]);
        if (!args[i])
            return NULL;
    }
    made->args = args;
    return made;
}

static enum ax_code find_field(struct windows_run *run, const struct ax_field *field,
                               const struct ax_expr **ret_root, struct ax_err *err)
{
    for (size_t i = 0; i < field->parsed.aggregate_count; i++)
        if (find_aggregate(run, &field->parsed.aggregates[i], &run->numbers_of[i], err))
            return err->code;
    const struct ax_expr *root = renumber(run, field->parsed.root);
    if (!root)
        return ax_arena_fail(run->arena, "the windows", err);
    *ret_root = root;
    return AX_OK;
}

static enum ax_code find_all(struct windows_run *run, const bool *wanted,
                             const struct ax_expr **roots, struct ax_err *err)
{
    for (size_t i = 0; i < run->view->field_count; i++)
        if ((!wanted || wanted[i]) && find_field(run, &run->view->fields[i], &roots[i], err))
            return err->code;
    return AX_OK;
}

/* Room for every aggregate as if none was like another. */
static enum ax_code make_room(struct windows_run *run, struct ax_err *err)
{
    size_t most = 1;
    for (size_t i = 0; i < run->view->field_count; i++)
        most += run->view->fields[i].parsed.aggregate_count;
    run->columns = ax_arena_alloc(run->arena, 2 * most, sizeof(*run->columns));
    run->types = ax_arena_alloc(run->arena, 2 * most, sizeof(*run->types));
    run->aggregates = ax_arena_alloc(run->arena, most, sizeof(*run->aggregates));
    run->numbers_of = ax_arena_alloc(run->arena, most, sizeof(*run->numbers_of));
    run->slots = ax_arena_alloc(run->arena, 2 * most, 1);
    if (!run->columns || !run->types || !run->aggregates || !run->numbers_of || !run->slots)
        return ax_arena_fail(run->arena, "the windows", err);
    return AX_OK;
}

enum ax_code ax_view_windows_make(const struct ax_view *view, const bool *wanted,
                                  struct ax_arena *arena, struct ax_view_windows *ret_windows,
                                  struct ax_err *err)
{
    assert(view && view->windowed && arena && ret_windows && err);
    struct windows_run run = { .view = view, .arena = arena };
    struct ax_window_spec *spec = NULL;
    const struct ax_expr **roots =
        ax_arena_zalloc(arena, view->field_count + 1, sizeof(const struct ax_expr *));
    if (!roots)
        return ax_arena_fail(arena, "the windows", err);
    ax_map_init(&run.numbers);
    ax_buf_init(&run.key, KEY_BYTES_MAX);
    if (!make_room(&run, err) && !find_all(&run, wanted, roots, err)) {
        const struct ax_window_config config = { .columns = run.types,
                                                 .column_count = run.column_count,
                                                 .aggregates = run.aggregates,
                                                 .aggregate_count = run.aggregate_count,
                                                 .exact_events = view->exact_events };
        if (ax_window_spec_new(&config, &spec, err))
            (void)ax_err_context(err, "%s:%u:%u: view '%.*s'", view->place.file, view->place.line,
                                 view->place.column, AX_STR_ARG(view->name));
    }
    ax_map_done(&run.numbers);
    ax_buf_done(&run.key);
    if (!err->code)
        *ret_windows = (struct ax_view_windows){ .columns = run.columns,
                                                 .column_count = run.column_count,
                                                 .aggregates = run.aggregates,
                                                 .aggregate_count = run.aggregate_count,
                                                 .field_roots = roots,
                                                 .spec = spec };
    return err->code;
}

void ax_view_windows_done(struct ax_view_windows *windows)
{
    ax_window_spec_free(windows->spec);
    windows->spec = NULL;
}

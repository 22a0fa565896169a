/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for each view, and for each field the columns that it reads, which only rows that leave
 * columns out are held against. Parts are measured first and then written to one piece of the
 * arena, view by view.
 */
#include "feature/source_plan.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "feature/online/online_key.h"
#include "feature/source_journal.h"
#include "feature/window_id.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)
#define ID_BYTES_MAX      ((size_t)64 << 10)

static size_t words_of(size_t bits)
{
    return (bits + 63) / 64;
}

static bool has_bit(const uint64_t *words, size_t bit)
{
    return words[bit / 64] >> (bit % 64) & 1;
}

static void set_bit(uint64_t *words, size_t bit)
{
    words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* ---- planning ---- */

static void *plan_alloc(struct ax_source_plan *plan, size_t count, size_t size, struct ax_err *err)
{
    void *made = ax_arena_zalloc(&plan->arena, count, size);
    if (!made)
        (void)ax_arena_fail(&plan->arena, "the plan of a source", err);
    return made;
}

static enum ax_code plan_zone(struct ax_source_plan *plan, struct ax_err *err)
{
    struct ax_str name = plan->source->zone;
    return ax_str_is(name, "UTC") ? AX_OK : ax_zone_get(name, &plan->zone, err);
}

static bool is_target(const struct ax_view *view, const struct ax_source *source)
{
    return view->source == source && view->online && !view->windowed;
}

static enum ax_code plan_reads(struct ax_source_plan *plan, struct ax_source_target *target,
                               struct ax_err *err)
{
    const struct ax_view *view = target->definition;
    size_t columns = plan->source->column_count;
    bool *used = plan_alloc(plan, columns, sizeof(*used), err);
    const uint64_t **reads = plan_alloc(plan, view->field_count, sizeof(*reads), err);
    if (err->code)
        return err->code;
    for (size_t i = 0; i < view->field_count; i++) {
        uint64_t *words = plan_alloc(plan, words_of(columns), sizeof(*words), err);
        if (!words)
            return err->code;
        memset(used, 0, columns * sizeof(*used));
        ax_expr_inputs(view->fields[i].parsed.root, used);
        for (size_t c = 0; c < columns; c++) {
            if (used[c])
                set_bit(words, c);
        }
        reads[i] = words;
    }
    target->reads = reads;
    return AX_OK;
}

static enum ax_code plan_target(struct ax_source_plan *plan, const struct ax_view *view,
                                size_t number, const struct ax_online_layout *layout,
                                struct ax_err *err)
{
    struct ax_source_target *target = &plan->targets[plan->target_count++];
    const struct ax_expr **roots = plan_alloc(plan, view->field_count, sizeof(*roots), err);
    if (!roots)
        return err->code;
    for (size_t i = 0; i < view->field_count; i++)
        roots[i] = view->fields[i].parsed.root;
    *target = (struct ax_source_target){ .view = number, .definition = view, .layout = layout };
    if (ax_program_new(roots, view->field_count, &target->program, err))
        return ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
    return plan_reads(plan, target, err);
}

static enum ax_code plan_targets(struct ax_source_plan *plan,
                                 const struct ax_definitions *definitions,
                                 const struct ax_online_view *views, struct ax_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < definitions->view_count; i++)
        count += is_target(&definitions->views[i], plan->source);
    plan->targets = plan_alloc(plan, count, sizeof(*plan->targets), err);
    for (size_t i = 0; i < definitions->view_count && !err->code; i++) {
        const struct ax_view *view = &definitions->views[i];
        if (is_target(view, plan->source))
            (void)(plan_target(plan, view, i, views[i].layout, err) != AX_OK);
    }
    return err->code;
}

static bool has_windows(const struct ax_source_plan *plan, const struct ax_view *view,
                        const struct ax_online_view *online)
{
    return view->source == plan->source && view->windowed && online->windows;
}

static enum ax_code plan_windows(struct ax_source_plan *plan,
                                 const struct ax_definitions *definitions,
                                 const struct ax_online_view *views, struct ax_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < definitions->view_count; i++)
        count += has_windows(plan, &definitions->views[i], &views[i]);
    plan->windows = plan_alloc(plan, count, sizeof(*plan->windows), err);
    for (size_t i = 0; i < definitions->view_count && !err->code; i++) {
        const struct ax_view *view = &definitions->views[i];
        if (!has_windows(plan, view, &views[i]))
            continue;
        struct ax_source_windows *one = &plan->windows[plan->windows_count++];
        const struct ax_view_windows *made = &views[i].windows->made;
        *one = (struct ax_source_windows){ .definition = view, .windows = views[i].windows };
        if (ax_program_new(made->columns, made->column_count, &one->program, err))
            return ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
    }
    return err->code;
}

/* An event is given whole, but for when it was learnt; of a state, what says whose it is and when.
 */
static enum ax_code plan_needs(struct ax_source_plan *plan, struct ax_err *err)
{
    const struct ax_source *source = plan->source;
    bool *is_needed = plan_alloc(plan, source->column_count, sizeof(*is_needed), err);
    if (!is_needed)
        return err->code;
    for (size_t i = 0; i < source->column_count; i++)
        is_needed[i] = source->event_id_count > 0;
    for (size_t t = 0; t < plan->target_count; t++) {
        const struct ax_view *view = plan->targets[t].definition;
        for (size_t i = 0; i < view->entity->key_count; i++)
            is_needed[view->key_columns[i]] = true;
    }
    if (source->created >= 0)
        is_needed[source->created] = false;
    if (source->time >= 0)
        is_needed[source->time] = true;
    plan->is_needed = is_needed;
    return AX_OK;
}

static enum ax_code plan_journal(struct ax_source_plan *plan, struct ax_err *err)
{
    const struct ax_source *source = plan->source;
    plan->journal_columns =
        ax_source_journal_columns(source, &plan->arena, &plan->journal_column_count);
    return plan->journal_columns ? AX_OK : ax_arena_fail(&plan->arena, "the plan of a source", err);
}

enum ax_code ax_source_plan_new(const struct ax_definitions *definitions,
                                const struct ax_source *source, const struct ax_online_view *views,
                                struct ax_source_plan **ret_plan, struct ax_err *err)
{
    assert(definitions && source && (views || !definitions->view_count) && ret_plan && err);
    struct ax_source_plan *plan = ax_try_alloc(1, sizeof(*plan));
    if (!plan)
        return ax_fail(err, AX_E_LIMIT, "no memory for the plan of source '%.*s'",
                       AX_STR_ARG(source->name));
    *plan = (struct ax_source_plan){ .source = source };
    ax_arena_init(&plan->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    if (plan_zone(plan, err) || plan_targets(plan, definitions, views, err) ||
        plan_windows(plan, definitions, views, err) || plan_needs(plan, err) ||
        plan_journal(plan, err) || ax_row_checks_new(source, &plan->checks, err)) {
        ax_source_plan_free(plan);
        return err->code;
    }
    *ret_plan = plan;
    return AX_OK;
}

void ax_source_plan_free(struct ax_source_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->target_count; i++)
        ax_program_free(plan->targets[i].program);
    for (size_t i = 0; i < plan->windows_count; i++)
        ax_program_free(plan->windows[i].program);
    ax_row_checks_free(plan->checks);
    ax_arena_done(&plan->arena);
    free(plan);
}

/* ---- columns that a row does not give ---- */

static bool is_given(const struct ax_source_rows *rows, size_t column, size_t row)
{
    return !rows->given || !rows->given[column] || has_bit(rows->given[column], row);
}

/* When it was learnt is nothing that stays what it was. */
static bool is_left_out(const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                        size_t column, size_t row)
{
    return (long)column != plan->source->created && !is_given(rows, column, row);
}

/* Bits of the columns that the row leaves out. False: none. */
static bool find_left_out(const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                          size_t row, uint64_t *ret_words)
{
    bool is_partial = false;
    memset(ret_words, 0, words_of(plan->source->column_count) * sizeof(*ret_words));
    for (size_t c = 0; rows->given && c < plan->source->column_count; c++) {
        if (!is_left_out(plan, rows, c, row))
            continue;
        set_bit(ret_words, c);
        is_partial = true;
    }
    return is_partial;
}

/* The first column that both have, or SIZE_MAX. */
static size_t find_common(const uint64_t *a, const uint64_t *b, size_t columns)
{
    for (size_t w = 0; w < words_of(columns); w++) {
        if (a[w] & b[w])
            return w * 64 + (size_t)__builtin_ctzll(a[w] & b[w]);
    }
    return SIZE_MAX;
}

/* The first column of `a` that `b` has not, or SIZE_MAX. */
static size_t find_other(const uint64_t *a, const uint64_t *b, size_t columns)
{
    for (size_t w = 0; w < words_of(columns); w++) {
        if (a[w] & ~b[w])
            return w * 64 + (size_t)__builtin_ctzll(a[w] & ~b[w]);
    }
    return SIZE_MAX;
}

/* ---- checking ---- */

static struct ax_str column_name(const struct ax_source_plan *plan, size_t column)
{
    return plan->source->columns[column].name;
}

static enum ax_code check_id(const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                             size_t row, struct ax_err *err)
{
    const struct ax_source *source = plan->source;
    for (size_t i = 0; i < source->event_id_count; i++) {
        if (ax_values_is_null(&rows->columns[source->event_id[i]], row))
            return ax_fail(err, AX_E_INVALID, "row %zu has no '%.*s', which is the id of its event",
                           row, AX_STR_ARG(column_name(plan, source->event_id[i])));
    }
    return AX_OK;
}

static enum ax_code check_time(const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                               size_t row, int64_t latest_us, struct ax_err *err)
{
    if (plan->source->time < 0)
        return AX_OK;
    size_t column = (size_t)plan->source->time;
    const struct ax_values *times = &rows->columns[column];
    char text[AX_CLOCK_TEXT_SIZE];
    if (ax_values_is_null(times, row))
        return ax_fail(err, AX_E_INVALID, "row %zu has no '%.*s', which is its time", row,
                       AX_STR_ARG(column_name(plan, column)));
    if (times->i64s[row] <= latest_us)
        return AX_OK;
    ax_clock_text(times->i64s[row], text);
    return ax_fail(err, AX_E_INVALID, "row %zu: '%.*s' is %s, which lies in the future", row,
                   AX_STR_ARG(column_name(plan, column)), text);
}

static enum ax_code check_fields(const struct ax_source_plan *plan,
                                 const struct ax_source_target *target, const uint64_t *left_out,
                                 size_t row, struct ax_err *err)
{
    const struct ax_view *view = target->definition;
    size_t columns = plan->source->column_count;
    for (size_t i = 0; i < view->field_count; i++) {
        size_t missing = find_common(target->reads[i], left_out, columns);
        size_t given = find_other(target->reads[i], left_out, columns);
        if (missing != SIZE_MAX && given != SIZE_MAX)
            return ax_fail(err, AX_E_INVALID,
                           "row %zu gives '%.*s' and leaves out '%.*s', of which field '%.*s' of "
                           "view '%.*s' is made; give both or neither",
                           row, AX_STR_ARG(column_name(plan, given)),
                           AX_STR_ARG(column_name(plan, missing)), AX_STR_ARG(view->fields[i].name),
                           AX_STR_ARG(view->name));
    }
    return AX_OK;
}

static enum ax_code check_partial(const struct ax_source_plan *plan, const uint64_t *left_out,
                                  size_t row, struct ax_err *err)
{
    for (size_t c = 0; c < plan->source->column_count; c++) {
        if (plan->is_needed[c] && has_bit(left_out, c))
            return ax_fail(err, AX_E_INVALID, "row %zu leaves out '%.*s', %s", row,
                           AX_STR_ARG(column_name(plan, c)),
                           plan->source->event_id_count    ? "and events are given whole"
                           : (long)c == plan->source->time ? "which is its time"
                                                           : "which is a key");
    }
    for (size_t t = 0; t < plan->target_count; t++) {
        if (check_fields(plan, &plan->targets[t], left_out, row, err))
            return err->code;
    }
    return AX_OK;
}

/* Rows mostly leave out what the one before them does. */
static enum ax_code check_left_out(const struct ax_source_plan *plan,
                                   const struct ax_source_rows *rows, size_t from, size_t count,
                                   struct ax_arena *arena, struct ax_err *err)
{
    size_t words = words_of(plan->source->column_count);
    uint64_t *left_out = ax_arena_zalloc(arena, words, sizeof(*left_out));
    uint64_t *before = ax_arena_zalloc(arena, words, sizeof(*before));
    if (!left_out || !before)
        return ax_arena_fail(arena, "rows of a source", err);
    for (size_t row = from; rows->given && row < from + count; row++) {
        find_left_out(plan, rows, row, left_out);
        if (memcmp(left_out, before, words * sizeof(*before)) == 0)
            continue;
        if (check_partial(plan, left_out, row, err))
            return err->code;
        memcpy(before, left_out, words * sizeof(*before));
    }
    return AX_OK;
}

enum ax_code ax_source_plan_check(const struct ax_source_plan *plan,
                                  const struct ax_source_rows *rows, size_t from, size_t count,
                                  int64_t latest_us, struct ax_arena *arena, struct ax_err *err)
{
    assert(plan && rows && from <= rows->rows && count <= rows->rows - from && arena && err);
    if (check_left_out(plan, rows, from, count, arena, err))
        return err->code;
    for (size_t row = from; row < from + count; row++) {
        if (check_id(plan, rows, row, err) || check_time(plan, rows, row, latest_us, err))
            return err->code;
    }
    return AX_OK;
}

int64_t ax_source_rows_latest_us(const struct ax_source_plan *plan,
                                 const struct ax_source_rows *rows)
{
    assert(plan && rows);
    int64_t latest_us = INT64_MIN;
    for (size_t row = 0; plan->source->time >= 0 && row < rows->rows; row++)
        latest_us = AX_MAX(latest_us, rows->columns[plan->source->time].i64s[row]);
    return latest_us;
}

/* ---- applying ---- */

/* Some rows, at most AX_VALUES_ROWS_MAX, as they are applied. */
struct applier {
    const struct ax_source_plan *plan;
    const struct ax_source_rows *rows;
    size_t from, count;
    struct ax_arena *arena;
    const struct ax_values **columns; /* of these rows */
    uint64_t *left_out;               /* columns, of the row that is looked at */
    struct ax_err *err;
};

/* One view's. */
struct target_rows {
    const struct ax_source_target *target;
    const struct ax_values **fields;
    struct ax_str *keys;
    size_t *bytes; /* of each row's part; 0: it makes no item */
    size_t total;
};

static void *apply_alloc(const struct applier *a, size_t count, size_t size)
{
    void *made = ax_arena_alloc(a->arena, count, size);
    if (!made)
        (void)ax_arena_fail(a->arena, "rows of a source", a->err);
    return made;
}

static enum ax_code take_columns(struct applier *a)
{
    assert(a->from % 64 == 0 && a->from <= a->rows->rows && a->count <= a->rows->rows - a->from);
    assert(a->count <= AX_VALUES_ROWS_MAX && a->rows->rows <= UINT32_MAX);
    size_t count = a->plan->source->column_count;
    struct ax_values *slices = apply_alloc(a, count, sizeof(*slices));
    a->columns = apply_alloc(a, count, sizeof(*a->columns));
    a->left_out = apply_alloc(a, words_of(count), sizeof(*a->left_out));
    if (a->err->code)
        return a->err->code;
    for (size_t i = 0; i < count; i++) {
        slices[i] = ax_values_slice(&a->rows->columns[i], a->from, a->count);
        a->columns[i] = &slices[i];
    }
    return AX_OK;
}

/* What a program makes of the rows: `count` columns. */
static enum ax_code make_values(const struct applier *a, const struct ax_program *program,
                                size_t count, const struct ax_values ***ret_values)
{
    struct ax_values *values = apply_alloc(a, count, sizeof(*values));
    const struct ax_values **list = apply_alloc(a, count, sizeof(*list));
    if (a->err->code || ax_program_run(program, a->columns, a->count, a->arena, values, a->err))
        return a->err->code;
    for (size_t i = 0; i < count; i++)
        list[i] = &values[i];
    *ret_values = list;
    return AX_OK;
}

static enum ax_code make_keys(const struct applier *a, const struct ax_view *view,
                              struct ax_str **ret_keys)
{
    const struct ax_values **columns = apply_alloc(a, view->entity->key_count, sizeof(*columns));
    *ret_keys = apply_alloc(a, a->count, sizeof(**ret_keys));
    if (a->err->code)
        return a->err->code;
    for (size_t i = 0; i < view->entity->key_count; i++)
        columns[i] = a->columns[view->key_columns[i]];
    return ax_online_keys_make(view->entity, columns, a->count, a->arena, *ret_keys, a->err);
}

static bool has_time(const struct applier *a, size_t row)
{
    long time = a->plan->source->time;
    return time < 0 || !ax_values_is_null(a->columns[time], row);
}

static struct ax_online_stamp stamp_of(const struct applier *a, size_t row)
{
    const struct ax_source *source = a->plan->source;
    struct ax_online_stamp stamp = { .time = AX_ONLINE_TIMELESS,
                                     .sequence = a->rows->first_sequence + a->from + row };
    if (source->time >= 0)
        stamp.time = a->columns[source->time]->i64s[row];
    if (source->created >= 0 && !ax_values_is_null(a->columns[source->created], row))
        stamp.created = a->columns[source->created]->i64s[row];
    else
        stamp.created = a->rows->taken_us ? a->rows->taken_us[a->from + row] : stamp.time;
    return stamp;
}

/* Which rows make items, and how large they are. */
static enum ax_code measure(const struct applier *a, struct target_rows *made,
                            struct ax_source_items *items)
{
    const struct ax_online_stamp none = { 0 };
    made->bytes = apply_alloc(a, a->count, sizeof(*made->bytes));
    if (!made->bytes)
        return a->err->code;
    for (size_t row = 0; row < a->count; row++) {
        size_t bytes = 0;
        bool is_refused = !has_time(a, row) || made->keys[row].len > AX_ONLINE_KEY_BYTES_MAX;
        if (!is_refused && made->keys[row].ptr)
            bytes = ax_online_part_write(made->target->layout, &none, made->fields, row, NULL);
        is_refused = is_refused || bytes > AX_ONLINE_ROW_BYTES_MAX;
        items->refused += is_refused;
        made->bytes[row] = is_refused ? 0 : bytes;
        made->total += made->bytes[row];
        items->count += made->bytes[row] > 0;
    }
    return AX_OK;
}

/* Bits of the fields whose columns the row gives. */
static enum ax_code find_given(const struct applier *a, const struct ax_source_target *target,
                               size_t row, const uint64_t **ret_given)
{
    size_t fields = target->definition->field_count;
    *ret_given = NULL;
    if (!a->rows->given || !find_left_out(a->plan, a->rows, a->from + row, a->left_out))
        return AX_OK;
    uint64_t *given = apply_alloc(a, words_of(fields), sizeof(*given));
    if (!given)
        return a->err->code;
    memset(given, 0, words_of(fields) * sizeof(*given));
    for (size_t i = 0; i < fields; i++) {
        if (find_common(target->reads[i], a->left_out, a->plan->source->column_count) == SIZE_MAX)
            set_bit(given, i);
    }
    *ret_given = given;
    return AX_OK;
}

static enum ax_code write_items(const struct applier *a, const struct target_rows *made,
                                struct ax_source_items *items)
{
    char *to = apply_alloc(a, 1, made->total);
    size_t count = 0;
    items->items = apply_alloc(a, items->count, sizeof(*items->items));
    items->rows = apply_alloc(a, items->count, sizeof(*items->rows));
    for (size_t row = 0; row < a->count && !a->err->code; row++) {
        struct ax_online_item *item = &items->items[count];
        if (!made->bytes[row])
            continue;
        const struct ax_online_stamp stamp = stamp_of(a, row);
        *item = (struct ax_online_item){ .key = made->keys[row],
                                         .layout = made->target->layout,
                                         .part = (const void *)to,
                                         .bytes = made->bytes[row] };
        (void)ax_online_part_write(item->layout, &stamp, made->fields, row, to);
        items->rows[count++] = (uint32_t)(a->from + row);
        to += item->bytes;
        if (find_given(a, made->target, row, &item->given))
            return a->err->code;
    }
    return a->err->code;
}

static enum ax_code apply_target(const struct applier *a, const struct ax_source_target *target,
                                 struct ax_source_items *ret_items)
{
    struct target_rows made = { .target = target };
    *ret_items = (struct ax_source_items){ .view = target->view };
    return make_values(a, target->program, target->definition->field_count, &made.fields) ||
                   make_keys(a, target->definition, &made.keys) || measure(a, &made, ret_items) ||
                   write_items(a, &made, ret_items)
               ? a->err->code
               : AX_OK;
}

enum ax_code ax_source_plan_apply(const struct ax_source_plan *plan,
                                  const struct ax_source_rows *rows, size_t from, size_t count,
                                  struct ax_arena *arena, struct ax_source_items *ret_items,
                                  struct ax_err *err)
{
    assert(plan && rows && arena && (ret_items || !plan->target_count) && err);
    struct applier a = {
        .plan = plan, .rows = rows, .from = from, .count = count, .arena = arena, .err = err
    };
    if (take_columns(&a))
        return err->code;
    for (size_t i = 0; i < plan->target_count; i++) {
        if (apply_target(&a, &plan->targets[i], &ret_items[i]))
            return err->code;
    }
    return AX_OK;
}

/* ---- events ---- */

/* Ids of all rows, in the arena; ptr NULL: there is none, or it is too large. */
static enum ax_code make_ids(const struct applier *a, struct ax_str *ret_ids)
{
    const struct ax_source *source = a->plan->source;
    const struct ax_values **parts = apply_alloc(a, source->event_id_count, sizeof(*parts));
    struct ax_buf id;
    if (!parts)
        return a->err->code;
    for (size_t i = 0; i < source->event_id_count; i++)
        parts[i] = a->columns[source->event_id[i]];
    ax_buf_init(&id, ID_BYTES_MAX);
    for (size_t row = 0; row < a->count && !a->err->code; row++) {
        struct ax_err failed = AX_ERR_INIT;
        enum ax_code code = ax_window_id_put(&id, parts, source->event_id_count, row, &failed);
        struct ax_str text = ax_buf_str(&id);
        ret_ids[row] = (struct ax_str){ NULL, 0 };
        if (code == AX_E_LIMIT)
            *a->err = failed;
        if (code)
            continue;
        ret_ids[row] = (struct ax_str){ ax_arena_strdup(a->arena, text), text.len };
        if (!ret_ids[row].ptr)
            (void)ax_arena_fail(a->arena, "rows of a source", a->err);
    }
    ax_buf_done(&id);
    return a->err->code;
}

static enum ax_code make_events(const struct applier *a, const struct ax_source_windows *windows,
                                const struct ax_str *ids, struct ax_source_events *ret_events)
{
    const struct ax_values **columns;
    struct ax_str *keys;
    struct ax_online_windows_item *items = apply_alloc(a, a->count, sizeof(*items));
    if (!items || make_values(a, windows->program, windows->windows->made.column_count, &columns) ||
        make_keys(a, windows->definition, &keys))
        return a->err->code;
    *ret_events = (struct ax_source_events){ .items = items, .columns = columns };
    for (size_t row = 0; row < a->count; row++) {
        if (!has_time(a, row) || !ids[row].ptr) {
            ret_events->refused++;
            continue;
        }
        struct ax_online_stamp stamp = stamp_of(a, row);
        items[ret_events->count++] =
            (struct ax_online_windows_item){ .key = keys[row],
                                             .event = { .id = ids[row],
                                                        .time = stamp.time,
                                                        .created = stamp.created,
                                                        .sequence = (int64_t)stamp.sequence },
                                             .row = row };
    }
    return AX_OK;
}

enum ax_code ax_source_plan_events(const struct ax_source_plan *plan,
                                   const struct ax_source_rows *rows, size_t from, size_t count,
                                   struct ax_arena *arena, struct ax_source_events *ret_events,
                                   struct ax_err *err)
{
    assert(plan && rows && arena && (ret_events || !plan->windows_count) && err);
    struct applier a = {
        .plan = plan, .rows = rows, .from = from, .count = count, .arena = arena, .err = err
    };
    if (!plan->windows_count)
        return AX_OK;
    struct ax_str *ids = apply_alloc(&a, count, sizeof(*ids));
    if (!ids || take_columns(&a) || make_ids(&a, ids))
        return err->code;
    for (size_t i = 0; i < plan->windows_count; i++) {
        if (make_events(&a, &plan->windows[i], ids, &ret_events[i]))
            return err->code;
    }
    return AX_OK;
}

/* ---- the journal ---- */

/* Of each row the names of the columns that it leaves out. */
static enum ax_code put_left_out(const struct ax_source_plan *plan,
                                 const struct ax_source_rows *rows, struct ax_arena *arena,
                                 struct ax_values *ret, struct ax_err *err)
{
    const struct ax_type list = { AX_TYPE_STRING, true };
    const struct ax_type text = { AX_TYPE_STRING, false };
    size_t count = 0;
    size_t columns = rows->given ? plan->source->column_count : 0;
    for (size_t c = 0; c < columns; c++) {
        for (size_t row = 0; row < rows->rows; row++)
            count += is_left_out(plan, rows, c, row);
    }
    ret->items = ax_arena_alloc(arena, 1, sizeof(*ret->items));
    struct ax_values *items = ret->items;
    if (!items)
        return ax_arena_fail(arena, "rows of a source", err);
    if (ax_values_init(ret, list, rows->rows, arena, err) ||
        ax_values_init(items, text, count, arena, err))
        return err->code;
    ret->items = items;
    count = 0;
    for (size_t row = 0; row < rows->rows; row++) {
        size_t first = count;
        for (size_t c = 0; c < columns; c++) {
            if (is_left_out(plan, rows, c, row))
                items->texts[count++] = column_name(plan, c);
        }
        ret->spans[row] = (struct ax_span){ (uint32_t)first, (uint32_t)(count - first) };
        if (count == first)
            ax_values_set_null(ret, row);
    }
    return AX_OK;
}

enum ax_code ax_source_rows_to_journal(const struct ax_source_plan *plan,
                                       const struct ax_source_rows *rows, struct ax_arena *arena,
                                       const struct ax_values *const **ret_columns,
                                       struct ax_err *err)
{
    assert(plan && rows && arena && ret_columns && err);
    const struct ax_values **columns =
        ax_arena_alloc(arena, plan->journal_column_count, sizeof(*columns));
    struct ax_values *left_out = ax_arena_alloc(arena, 1, sizeof(*left_out));
    if (!columns || !left_out)
        return ax_arena_fail(arena, "rows of a source", err);
    for (size_t i = 0; i < plan->source->column_count; i++)
        columns[i] = &rows->columns[i];
    if (plan->journal_column_count > plan->source->column_count) {
        if (put_left_out(plan, rows, arena, left_out, err))
            return err->code;
        columns[plan->source->column_count] = left_out;
    }
    *ret_columns = columns;
    return AX_OK;
}

static size_t find_column(const struct ax_source *source, struct ax_str name)
{
    for (size_t i = 0; i < source->column_count; i++) {
        if (ax_str_equals(source->columns[i].name, name))
            return i;
    }
    return SIZE_MAX;
}

/* Bits of the rows that give a column, all of them at first. */
static uint64_t *take_bits(struct ax_arena *arena, size_t rows)
{
    uint64_t *bits = ax_arena_alloc(arena, words_of(rows), sizeof(*bits));
    if (bits)
        memset(bits, 0xFF, words_of(rows) * sizeof(*bits));
    return bits;
}

/* A name that the source has no more is passed over. */
static enum ax_code take_left_out(const struct ax_source_plan *plan,
                                  const struct ax_values *left_out, struct ax_arena *arena,
                                  struct ax_source_rows *rows, struct ax_err *err)
{
    uint64_t **given = NULL;
    for (size_t row = 0; row < rows->rows; row++) {
        struct ax_span span = { 0 };
        if (!ax_values_is_null(left_out, row))
            span = left_out->spans[row];
        if (span.count && !given)
            given = ax_arena_zalloc(arena, plan->source->column_count, sizeof(*given));
        if (span.count && !given)
            return ax_arena_fail(arena, "rows of a source", err);
        for (size_t i = 0; i < span.count; i++) {
            size_t column = find_column(plan->source, left_out->items->texts[span.from + i]);
            if (column == SIZE_MAX)
                continue;
            if (!given[column])
                given[column] = take_bits(arena, rows->rows);
            if (!given[column])
                return ax_arena_fail(arena, "rows of a source", err);
            given[column][row / 64] &= ~((uint64_t)1 << (row % 64));
        }
    }
    rows->given = (const uint64_t *const *)given;
    return AX_OK;
}

enum ax_code ax_source_rows_from_journal(const struct ax_source_plan *plan,
                                         const struct ax_journal_rows *read, struct ax_arena *arena,
                                         struct ax_source_rows *ret_rows, struct ax_err *err)
{
    assert(plan && read && arena && ret_rows && err);
    struct ax_source_rows rows = { .rows = read->rows,
                                   .columns = read->values,
                                   .taken_us = read->taken_us,
                                   .first_sequence = read->first_sequence };
    if (plan->journal_column_count > plan->source->column_count && read->rows &&
        take_left_out(plan, &read->values[plan->source->column_count], arena, &rows, err))
        return err->code;
    *ret_rows = rows;
    return AX_OK;
}

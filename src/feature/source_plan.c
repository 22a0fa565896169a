/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for each view, and where views keep columns as they are, which only rows that leave
 * columns out are held against. Parts are measured first and then written to one piece of the
 * arena, view by view.
 */
#include "feature/source_plan.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "feature/online/online_key.h"
#include "feature/window_id.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)
#define ID_BYTES_MAX      ((size_t)64 << 10)

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
    return AX_OK;
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

/* Whether a value of the one storage is the same value in the other. */
static bool holds_all_of(struct ax_storage field, struct ax_storage column)
{
    bool is_narrow = field.kind == AX_STORAGE_INT32 || field.kind == AX_STORAGE_FLOAT32;
    return ax_type_equals(ax_storage_type(field), ax_storage_type(column)) &&
           (field.kind == column.kind || !is_narrow);
}

static bool has_keys_of(const struct ax_view *view, const struct ax_view *other)
{
    size_t found = 0;
    for (size_t i = 0; i < view->entity->key_count; i++) {
        for (size_t k = 0; k < other->entity->key_count; k++)
            found += view->key_columns[i] == other->key_columns[k];
    }
    return found == view->entity->key_count && found == other->entity->key_count;
}

/* Whether all plain views have the same keys, so that a row of the source changes one stored row.
 */
static bool has_stored_row(const struct ax_source_plan *plan)
{
    for (size_t t = 1; t < plan->target_count; t++) {
        if (!has_keys_of(plan->targets[t].definition, plan->targets[0].definition))
            return false;
    }
    return plan->target_count > 0 && !plan->source->event_id_count;
}

static bool is_key(const struct ax_source_plan *plan, size_t column)
{
    for (size_t t = 0; t < plan->target_count; t++) {
        const struct ax_view *view = plan->targets[t].definition;
        for (size_t i = 0; i < view->entity->key_count; i++) {
            if (view->key_columns[i] == column)
                return true;
        }
    }
    return false;
}

/* What the fields of a target keep: what is no key, no time, and changes from row to row. */
static enum ax_code keep_fields(struct ax_source_plan *plan, size_t target, struct ax_err *err)
{
    const struct ax_source *source = plan->source;
    const struct ax_view *view = plan->targets[target].definition;
    for (size_t i = 0; i < view->field_count; i++) {
        const struct ax_expr *root = view->fields[i].parsed.root;
        if (root->kind == AX_EXPR_INPUT && (long)root->input != source->time &&
            (long)root->input != source->created && !is_key(plan, root->input) &&
            holds_all_of(view->fields[i].storage, source->columns[root->input].storage)) {
            struct ax_source_kept *kept = plan_alloc(plan, 1, sizeof(*kept), err);
            if (!kept)
                return err->code;
            *kept = (struct ax_source_kept){ target, i, plan->kept[root->input] };
            plan->kept[root->input] = kept;
        }
    }
    return AX_OK;
}

static enum ax_code plan_kept(struct ax_source_plan *plan, struct ax_err *err)
{
    plan->kept =
        plan_alloc(plan, plan->source->column_count, sizeof(const struct ax_source_kept *), err);
    plan->has_stored_row = has_stored_row(plan);
    for (size_t t = 0; plan->has_stored_row && t < plan->target_count && !err->code; t++)
        (void)(keep_fields(plan, t, err) != AX_OK);
    return err->code;
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
        plan_windows(plan, definitions, views, err) || plan_kept(plan, err) ||
        ax_row_checks_new(source, &plan->checks, err)) {
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
    return !rows->given || !rows->given[column] || rows->given[column][row / 64] >> (row % 64) & 1;
}

bool ax_source_rows_leave_out(const struct ax_source_plan *plan, const struct ax_source_rows *rows,
                              size_t column, size_t row)
{
    return (long)column != plan->source->created && !is_given(rows, column, row);
}

bool ax_source_rows_are_partial(const struct ax_source_plan *plan,
                                const struct ax_source_rows *rows)
{
    for (size_t c = 0; rows->given && c < plan->source->column_count; c++) {
        if (rows->given[c] && (long)c != plan->source->created)
            return true;
    }
    return false;
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

/* Why a column must be given. */
static const char *reason_of(const struct ax_source_plan *plan, size_t column)
{
    return plan->source->event_id_count         ? "and events are given whole"
           : (long)column == plan->source->time ? "which is its time"
           : is_key(plan, column)               ? "which is a key"
           : !plan->has_stored_row && plan->target_count
               ? "and views of the source have different keys, so its rows are given whole"
               : "and what it was is not kept, since no plain online view has it as a field: "
                 "give it";
}

/* Whether what the rows leave out is kept. */
static enum ax_code check_left_out(const struct ax_source_plan *plan,
                                   const struct ax_source_rows *rows, size_t from, size_t count,
                                   struct ax_err *err)
{
    for (size_t c = 0; rows->given && c < plan->source->column_count; c++) {
        for (size_t row = from; !plan->kept[c] && row < from + count; row++) {
            if (ax_source_rows_leave_out(plan, rows, c, row))
                return ax_fail(err, AX_E_INVALID, "row %zu leaves out '%.*s', %s", row,
                               AX_STR_ARG(column_name(plan, c)), reason_of(plan, c));
        }
    }
    return AX_OK;
}

enum ax_code ax_source_plan_check(const struct ax_source_plan *plan,
                                  const struct ax_source_rows *rows, size_t from, size_t count,
                                  int64_t latest_us, struct ax_err *err)
{
    assert(plan && rows && from <= rows->rows && count <= rows->rows - from && err);
    if (check_left_out(plan, rows, from, count, err))
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
    if (a->err->code)
        return a->err->code;
    for (size_t i = 0; i < count; i++) {
        if (ax_values_slice(&a->rows->columns[i], a->from, a->count, a->arena, &slices[i], a->err))
            return a->err->code;
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

static bool is_dropped(const struct applier *a, size_t row)
{
    const uint64_t *dropped = a->rows->dropped;
    return dropped && dropped[(a->from + row) / 64] >> ((a->from + row) % 64) & 1;
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
        made->bytes[row] = 0;
        if (is_dropped(a, row))
            continue;
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
    assert(!ax_source_rows_are_partial(plan, rows));
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
        if (is_dropped(a, row))
            continue;
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

struct ax_source_rows ax_source_rows_from_journal(const struct ax_journal_rows *read)
{
    assert(read);
    return (struct ax_source_rows){ .rows = read->rows,
                                    .columns = read->values,
                                    .taken_us = read->taken_us,
                                    .first_sequence = read->first_sequence };
}

void ax_source_plan_drop(const struct ax_source_plan *plan, struct ax_source_rows *rows,
                         struct ax_arena *arena)
{
    assert(plan && rows && arena);
    struct ax_err ignored = AX_ERR_INIT;
    uint64_t *dropped =
        plan->checks ? ax_arena_zalloc(arena, rows->rows / 64 + 1, sizeof(*dropped)) : NULL;
    for (size_t from = 0; dropped && from < rows->rows; from += AX_VALUES_ROWS_MAX) {
        size_t count = AX_MIN(rows->rows - from, (size_t)AX_VALUES_ROWS_MAX);
        ax_err_clear(&ignored);
        (void)(ax_row_checks_run_drops(plan->checks, rows, from, count, arena, dropped, &ignored) !=
               AX_OK);
    }
    rows->dropped = dropped;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are rows of the table's index; the only part of each has the address of its windows. They
 * are looked for in groups, whose misses overlap, as the store in memory does; and so are the
 * events of a group put in.
 *
 * Values come as a row of all aggregates at a time. They are put into columns, over which the
 * view's expressions run at once.
 */
#include "feature/online/online_windows.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)16 << 10)
#define ARENA_BYTES_MAX   ((size_t)64 << 20)

enum { GROUP = 16, PUT_AT_ONCE = 16 * GROUP };

/* The part of a key's row. */
struct windows_part {
    struct ax_online_stamp stamp; /* of no meaning */
    struct ax_online_window *window;
};

#define LAYOUT 0

static struct ax_online_window *window_of(const struct ax_online_row *row)
{
    const void *part = ax_online_row_part(row, LAYOUT);
    return ((const struct windows_part *)part)->window;
}

/* ---- Life. ---- */

static enum ax_code open_view(struct ax_online_windows *windows, struct ax_err *err)
{
    const struct ax_view *view = windows->view;
    if (ax_view_windows_make(view, NULL, &windows->arena, &windows->made, err))
        return ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
    size_t count = AX_MAX(windows->made.aggregate_count, (size_t)1);
    windows->sinces = ax_arena_alloc(&windows->arena, count, sizeof(*windows->sinces));
    if (!windows->sinces)
        return ax_arena_fail(&windows->arena, "the windows of a view", err);
    for (size_t i = 0; i < count; i++)
        atomic_init(&windows->sinces[i], INT64_MIN);
    if (ax_program_new(windows->made.field_roots, view->field_count, &windows->program, err))
        return ax_err_context(err, "view '%.*s'", AX_STR_ARG(view->name));
    return ax_online_window_new(windows->made.spec, &windows->heap, &windows->nobody, err);
}

enum ax_code ax_online_windows_open(const struct ax_view *view, struct ax_epoch *epoch,
                                    size_t memory_bytes_max, struct ax_online_windows **ret_windows,
                                    struct ax_err *err)
{
    assert(view && view->windowed && epoch && ret_windows && err);
    struct ax_online_windows *windows = ax_xalloc(sizeof *windows);
    windows->view = view;
    atomic_init(&windows->floor, INT64_MIN);
    atomic_init(&windows->newest, AX_ONLINE_TIMELESS);
    ax_arena_init(&windows->arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    ax_memory_slab_init(&windows->slab,
                        memory_bytes_max > SIZE_MAX / 2 ? SIZE_MAX : 2 * memory_bytes_max);
    ax_window_heap_init(&windows->heap, epoch, &windows->slab, memory_bytes_max);
    ax_memory_index_init(&windows->index);
    if (!ax_memory_retired_init(&windows->retired, epoch, &windows->slab))
        (void)ax_fail(err, AX_E_LIMIT, "no memory for the windows of view '%.*s'",
                      AX_STR_ARG(view->name));
    if (err->code || open_view(windows, err)) {
        ax_online_windows_close(windows);
        return err->code;
    }
    *ret_windows = windows;
    return AX_OK;
}

void ax_online_windows_close(struct ax_online_windows *windows)
{
    if (!windows)
        return;
    for (size_t segment = 0; segment < AX_MEMORY_SEGMENTS; segment++) {
        uintptr_t slots =
            atomic_load_explicit(&windows->index.segments[segment].slots, memory_order_relaxed);
        for (size_t i = 0; i < ax_memory_segment_slots(slots); i++) {
            const struct ax_online_row *row = ax_memory_segment_row(slots, i);
            if (row)
                ax_online_window_drop(window_of(row));
        }
    }
    ax_online_window_drop(windows->nobody);
    ax_window_heap_done(&windows->heap);
    ax_memory_retired_done(&windows->retired);
    ax_memory_slab_done(&windows->slab);
    ax_program_free(windows->program);
    ax_view_windows_done(&windows->made);
    ax_arena_done(&windows->arena);
    free(windows);
}

/* ---- Writing. ---- */

static enum ax_code fail_full(const struct ax_online_windows *windows, struct ax_err *err)
{
    return ax_fail(err, AX_E_LIMIT,
                   "no memory for another key of view '%.*s'; raise online_memory_bytes_max",
                   AX_STR_ARG(windows->view->name));
}

static void add_key(struct ax_online_windows *windows, bool is_added)
{
    uint64_t keys = atomic_load_explicit(&windows->keys, memory_order_relaxed);
    atomic_store_explicit(&windows->keys, is_added ? keys + 1 : keys - 1, memory_order_relaxed);
}

/* Room in the table, and memory of a key's row. NULL: there is none. */
static struct ax_online_row *row_alloc(struct ax_online_windows *windows,
                                       const struct ax_memory_probe *probe, size_t bytes)
{
    for (int tries = 0; tries < 2; tries++) {
        if (ax_memory_index_reserve(&windows->index, probe, &windows->retired)) {
            void *row = ax_memory_slab_alloc(&windows->slab, bytes, 0);
            if (row)
                return row;
        }
        if (!ax_memory_retired_flush(&windows->retired))
            break;
    }
    return NULL;
}

/* The windows of a key, which are made when it is new; NULL: no memory. */
static struct ax_online_window *window_for(struct ax_online_windows *windows, struct ax_str key,
                                           struct ax_err *err)
{
    struct ax_memory_probe probe;
    ax_memory_index_begin(&windows->index, key, &probe);
    const struct ax_online_row *found = ax_memory_index_find(&probe, key);
    if (found)
        return window_of(found);
    struct ax_online_window *window;
    if (ax_online_window_new(windows->made.spec, &windows->heap, &window, err))
        return NULL;
    union {
        struct windows_part own;
        struct ax_online_part part;
    } part = { .own = { .window = window } };
    size_t bytes = ax_online_row_with(NULL, key, LAYOUT, &part.part, sizeof part.own, NULL);
    struct ax_online_row *row = row_alloc(windows, &probe, bytes);
    if (!row) {
        (void)fail_full(windows, err);
        ax_online_window_drop(window);
        return NULL;
    }
    (void)ax_online_row_with(NULL, key, LAYOUT, &part.part, sizeof part.own, row);
    ax_memory_index_put(&windows->index, &probe, NULL, row);
    add_key(windows, true);
    return window;
}

/* Have the keys of a group come near, and begin to look for them. */
static void approach_keys(const struct ax_online_windows *windows,
                          const struct ax_online_windows_item *items, size_t count,
                          struct ax_memory_probe *ret_probes)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].key.ptr)
            ax_memory_index_begin(&windows->index, items[i].key, &ret_probes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct ax_online_row *row =
            items[i].key.ptr ? ax_memory_index_peek(&ret_probes[i]) : NULL;
        if (row)
            __builtin_prefetch(row);
    }
}

/* The windows of a group's items, which are made where a key is new. NULL: there is no key, or the
 * item was refused. */
static void windows_for_group(struct ax_online_windows *windows,
                              struct ax_online_windows_item *items, size_t count,
                              struct ax_online_window **ret_found, struct ax_err *err)
{
    struct ax_memory_probe probes[GROUP];
    struct ax_err failed = AX_ERR_INIT;
    bool has_changed = false; /* The table, in which searches have begun. */
    approach_keys(windows, items, count, probes);
    for (size_t i = 0; i < count; i++) {
        struct ax_str key = items[i].key;
        const struct ax_online_row *row =
            key.ptr && !has_changed ? ax_memory_index_find(&probes[i], key) : NULL;
        ret_found[i] = row ? window_of(row) : NULL;
        items[i].ret_code = AX_OK;
        if (!key.ptr || row)
            continue;
        if (key.len > AX_ONLINE_KEY_BYTES_MAX)
            (void)ax_fail(&failed, AX_E_TOO_LARGE, "a key of view '%.*s' has over %zu bytes",
                          AX_STR_ARG(windows->view->name), AX_ONLINE_KEY_BYTES_MAX);
        else
            ret_found[i] = window_for(windows, key, &failed);
        has_changed = true;
        items[i].ret_code = failed.code;
        if (failed.code && !err->code)
            *err = failed;
        ax_err_clear(&failed);
    }
}

/* An event that is corrected or goes may have been the newest one: it came all the same. */
static void show_newest(struct ax_online_windows *windows, int64_t time)
{
    if (time > atomic_load_explicit(&windows->newest, memory_order_relaxed))
        atomic_store_explicit(&windows->newest, time, memory_order_relaxed);
}

/* Each key's windows are published once. */
static void put_some(struct ax_online_windows *windows, struct ax_online_windows_item *items,
                     size_t count, const struct ax_values *const *columns, struct ax_err *err)
{
    struct ax_online_window *found[PUT_AT_ONCE];
    struct ax_online_window_put puts[PUT_AT_ONCE];
    size_t put_count = 0, put = 0;
    for (size_t at = 0; at < count; at += GROUP)
        windows_for_group(windows, items + at, AX_MIN(count - at, (size_t)GROUP), found + at, err);
    for (size_t i = 0; i < count; i++) {
        if (!found[i])
            continue;
        puts[put_count++] = (struct ax_online_window_put){
            .window = found[i], .event = &items[i].event, .columns = columns, .row = items[i].row
        };
    }
    struct ax_err failed = AX_ERR_INIT;
    if (ax_online_window_put_all(puts, put_count, ax_online_windows_floor(windows), &failed) &&
        !err->code)
        *err = failed;
    for (size_t i = 0; i < count; i++) {
        if (found[i])
            items[i].ret_code = puts[put++].ret_code;
        windows->refused += items[i].ret_code != AX_OK;
        if (found[i] && !items[i].ret_code)
            show_newest(windows, items[i].event.time);
    }
}

enum ax_code ax_online_windows_put(struct ax_online_windows *windows,
                                   struct ax_online_windows_item *items, size_t count,
                                   const struct ax_values *const *columns, struct ax_err *err)
{
    assert(windows && (items || !count) && err);
    for (size_t at = 0; at < count; at += PUT_AT_ONCE)
        put_some(windows, items + at, AX_MIN(count - at, (size_t)PUT_AT_ONCE), columns, err);
    return err->code;
}

bool ax_online_windows_end(struct ax_online_windows *windows, struct ax_str key)
{
    assert(windows && key.ptr);
    struct ax_memory_probe probe;
    ax_memory_index_begin(&windows->index, key, &probe);
    union {
        const struct ax_online_row *found;
        struct ax_online_row *own; /* Only the writer has rows that may go. */
    } row = { .found = ax_memory_index_find(&probe, key) };
    if (!row.own)
        return false;
    ax_memory_index_put(&windows->index, &probe, row.own, NULL);
    ax_online_window_drop(window_of(row.own));
    ax_memory_retire(&windows->retired, row.own, row.own->bytes);
    add_key(windows, false);
    return true;
}

/* Whether something reads a column of the source that is lacking. `used` has room for all. */
static bool is_lacking(const struct ax_expr *expr, const bool *lacking, bool *used, size_t count)
{
    bool found = false;
    memset(used, 0, count * sizeof(*used));
    ax_expr_inputs(expr, used);
    for (size_t i = 0; i < count; i++)
        found |= used[i] && lacking[i];
    return found;
}

static bool reads_lacking(const struct ax_online_windows *windows,
                          const struct ax_window_aggregate *aggregate, const bool *lacking,
                          bool *used)
{
    const struct ax_expr *const *columns = windows->made.columns;
    size_t count = windows->view->source->column_count;
    return (aggregate->value >= 0 && is_lacking(columns[aggregate->value], lacking, used, count)) ||
           (aggregate->filter >= 0 && is_lacking(columns[aggregate->filter], lacking, used, count));
}

/* Or some part of the key. */
static bool is_key_lacking(const struct ax_view *view, const bool *lacking)
{
    bool found = false;
    for (size_t i = 0; i < view->entity->key_count; i++)
        found |= lacking[view->key_columns[i]];
    return found;
}

/* From which moment on an aggregate reaches no event that is not later than `from`. */
static int64_t since_of(const struct ax_window_aggregate *aggregate, int64_t from)
{
    int64_t since;
    if (from == INT64_MIN ||
        __builtin_add_overflow(from, ax_window_aggregate_reach_us(aggregate), &since))
        return from == INT64_MIN ? INT64_MIN : INT64_MAX;
    return since;
}

void ax_online_windows_complete(struct ax_online_windows *windows, int64_t from,
                                const bool *lacking)
{
    assert(windows);
    bool *used = ax_xalloc(windows->view->source->column_count * sizeof(*used));
    if (lacking && is_key_lacking(windows->view, lacking))
        from = INT64_MAX;
    for (size_t i = 0; i < windows->made.aggregate_count; i++) {
        const struct ax_window_aggregate *aggregate = &windows->made.aggregates[i];
        bool is_known = !lacking || !reads_lacking(windows, aggregate, lacking, used);
        atomic_store_explicit(&windows->sinces[i], since_of(aggregate, is_known ? from : INT64_MAX),
                              memory_order_release);
    }
    free(used);
}

bool ax_online_windows_sweep(struct ax_online_windows *windows, int64_t floor, size_t *cursor)
{
    assert(windows && cursor && *cursor < AX_MEMORY_SEGMENTS);
    /* Before keys go: who does not find one then sees that it may have been there. */
    floor = AX_MAX(floor, ax_online_windows_floor(windows));
    atomic_store_explicit(&windows->floor, floor, memory_order_release);
    uintptr_t slots =
        atomic_load_explicit(&windows->index.segments[*cursor].slots, memory_order_relaxed);
    for (size_t i = 0; i < ax_memory_segment_slots(slots); i++) {
        const struct ax_online_row *row = ax_memory_segment_row(slots, i);
        if (row && ax_online_window_forget(window_of(row), floor))
            (void)ax_online_windows_end(windows, ax_online_row_key(row));
    }
    return ++*cursor < AX_MEMORY_SEGMENTS;
}

void ax_online_windows_clear(struct ax_online_windows *windows)
{
    assert(windows);
    atomic_store_explicit(&windows->newest, AX_ONLINE_TIMELESS, memory_order_relaxed);
    for (size_t segment = 0; segment < AX_MEMORY_SEGMENTS; segment++) {
        uintptr_t slots =
            atomic_load_explicit(&windows->index.segments[segment].slots, memory_order_relaxed);
        for (size_t i = 0; i < ax_memory_segment_slots(slots); i++) {
            const struct ax_online_row *row = ax_memory_segment_row(slots, i);
            if (row)
                (void)ax_online_windows_end(windows, ax_online_row_key(row));
        }
        ax_online_windows_settle(windows);
    }
}

void ax_online_windows_settle(struct ax_online_windows *windows)
{
    assert(windows);
    ax_window_heap_settle(&windows->heap);
    ax_memory_retired_settle(&windows->retired);
}

/* ---- Reading. ---- */

/* The windows of a group's keys; of one that has none, those of nobody. */
static void find_group(const struct ax_online_windows *windows, const struct ax_str *keys,
                       size_t count, const struct ax_online_window **ret_found)
{
    struct ax_memory_probe probes[GROUP];
    for (size_t i = 0; i < count; i++) {
        if (keys[i].ptr)
            ax_memory_index_begin(&windows->index, keys[i], &probes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct ax_online_row *row = keys[i].ptr ? ax_memory_index_peek(&probes[i]) : NULL;
        if (row)
            __builtin_prefetch(row);
    }
    for (size_t i = 0; i < count; i++) {
        const struct ax_online_row *row =
            keys[i].ptr ? ax_memory_index_find(&probes[i], keys[i]) : NULL;
        ret_found[i] = row ? window_of(row) : windows->nobody;
        __builtin_prefetch(ret_found[i]);
    }
}

/* Room for the values of aggregates; of lists for as many items as there can be. */
static enum ax_code make_columns(const struct ax_online_windows *windows, size_t rows,
                                 struct ax_arena *arena, struct ax_values *columns,
                                 struct ax_err *err)
{
    for (size_t i = 0; i < windows->made.aggregate_count; i++) {
        struct ax_type type = ax_window_spec_type(windows->made.spec, i);
        if (ax_values_init(&columns[i], type, rows, arena, err))
            return err->code;
        if (!type.is_list)
            continue;
        struct ax_values *items = ax_arena_alloc(arena, 1, sizeof *items);
        if (!items)
            return ax_arena_fail(arena, "the values of windows", err);
        size_t room = rows * (size_t)windows->made.aggregates[i].n;
        if (ax_values_init(items, (struct ax_type){ type.kind, false }, room, arena, err))
            return err->code;
        items->validity = NULL;
        items->rows = 0;
        columns[i].items = items;
    }
    return AX_OK;
}

/* Texts are copied: those of rooms are good for one row. */
static bool put_item(struct ax_values *column, size_t row, const struct ax_window_item *item,
                     struct ax_arena *arena)
{
    switch (column->type.kind) {
    case AX_TYPE_BOOL:
        column->bools[row] = item->i64 != 0;
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        column->i64s[row] = item->i64;
        break;
    case AX_TYPE_FLOAT64:
        column->f64s[row] = item->f64;
        break;
    case AX_TYPE_STRING: {
        char *text = ax_arena_strdup(arena, item->text);
        column->texts[row] = (struct ax_str){ text, text ? item->text.len : 0 };
        return text != NULL;
    }
    case AX_TYPE_COUNT:
        break;
    }
    return true;
}

static bool put_value(struct ax_values *column, size_t row, const struct ax_window_value *value,
                      struct ax_arena *arena)
{
    if (value->status != AX_WINDOW_PRESENT) {
        ax_values_set_null(column, row);
        return true;
    }
    if (!column->type.is_list)
        return put_item(column, row, &value->item, arena);
    struct ax_values *items = column->items;
    column->spans[row] = (struct ax_span){ (uint32_t)items->rows, (uint32_t)value->item_count };
    for (size_t i = 0; i < value->item_count; i++) {
        if (!put_item(items, items->rows++, &value->items[i], arena))
            return false;
    }
    return true;
}

/* The values of all aggregates in a row of columns. *ret_known: the moment is one that is kept, and
 * some aggregate has all events. */
static enum ax_code read_row(const struct ax_online_windows *windows,
                             const struct ax_online_window *window,
                             const struct ax_online_windows_read *read, size_t row,
                             struct ax_window_scratch *scratch, struct ax_arena *arena,
                             struct ax_values *columns, bool *ret_known, struct ax_err *err)
{
    const struct ax_window_value *values = NULL;
    struct ax_err failed = AX_ERR_INIT;
    const struct ax_str *self = read->selfs && read->selfs[row].ptr ? &read->selfs[row] : NULL;
    enum ax_code code =
        ax_online_window_get(window, read->at[row], self, scratch, &values, &failed);
    if (code && code != AX_E_INVALID) {
        *err = failed;
        return code;
    }
    bool is_kept =
        !code && read->at[row] >= atomic_load_explicit(&windows->floor, memory_order_acquire);
    *ret_known = false;
    for (size_t i = 0; i < windows->made.aggregate_count; i++) {
        int64_t since = atomic_load_explicit(&windows->sinces[i], memory_order_acquire);
        if (!is_kept || read->at[row] < since)
            ax_values_set_null(&columns[i], row);
        else if (put_value(&columns[i], row, &values[i], arena))
            *ret_known = true;
        else
            return ax_arena_fail(arena, "the values of windows", err);
    }
    return AX_OK;
}

static enum ax_code read_rows(const struct ax_online_windows *windows,
                              const struct ax_online_windows_read *read,
                              struct ax_window_scratch *scratch, struct ax_arena *arena,
                              struct ax_values *columns, bool *ret_known, struct ax_err *err)
{
    for (size_t at = 0; at < read->count; at += GROUP) {
        const struct ax_online_window *found[GROUP];
        size_t count = AX_MIN(read->count - at, (size_t)GROUP);
        find_group(windows, read->keys + at, count, found);
        for (size_t i = 0; i < count; i++) {
            if (read_row(windows, found[i], read, at + i, scratch, arena, columns,
                         &ret_known[at + i], err))
                return err->code;
        }
    }
    return AX_OK;
}

enum ax_code ax_online_windows_get(const struct ax_online_windows *windows,
                                   const struct ax_online_windows_read *read,
                                   struct ax_window_scratch *scratch, struct ax_arena *arena,
                                   struct ax_values *ret_fields, bool *ret_known,
                                   struct ax_err *err)
{
    assert(windows && read && read->count <= AX_VALUES_ROWS_MAX && scratch && arena);
    const struct ax_view *view = windows->view;
    size_t count = AX_MAX(windows->made.aggregate_count, (size_t)1);
    struct ax_values *columns = ax_arena_alloc(arena, count, sizeof *columns);
    const struct ax_values **inputs = ax_arena_alloc(arena, count, sizeof(*inputs));
    if (!columns || !inputs)
        return ax_arena_fail(arena, "the values of windows", err);
    for (size_t i = 0; i < windows->made.aggregate_count; i++)
        inputs[i] = &columns[i];
    if (make_columns(windows, read->count, arena, columns, err) ||
        read_rows(windows, read, scratch, arena, columns, ret_known, err) ||
        ax_program_run(windows->program, inputs, read->count, arena, ret_fields, err))
        return err->code;
    for (size_t i = 0; i < view->field_count; i++) {
        if (ax_values_narrow(&ret_fields[i], view->fields[i].storage, arena, err))
            return err->code;
    }
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice of rows at a time, their stored rows are read, and then each value of the result is said
 * to be one of a column that came, or of one that was read. In the end the columns are put together
 * from that.
 */
#include "feature/online/online_merge.h"

#include "base/map.h"
#include "feature/online/online_key.h"

#include <assert.h>

/* Where a value stands. */
struct origin {
    const struct ax_values *values;
    size_t row;
};

struct merging {
    struct ax_online_merge *merge;
    const struct ax_source_plan *plan;
    struct origin **origins; /* of the result, one list a column */
    struct ax_online_stamp *stamps;
    size_t count;         /* of rows of the result */
    struct ax_map newest; /* of a key, its newest row in the result, counted from 1 */
    struct ax_err *err;
};

/* Some rows, and what is stored of their keys. */
struct slice {
    size_t from, count;
    struct ax_str *keys;                   /* ptr NULL: none */
    const struct ax_online_part ***parts;  /* one list a target */
    const struct ax_online_stamp **newest; /* of the parts of a key; NULL: there are none */
    const struct ax_values **stored;       /* one a column; NULL: it is not kept */
};

static void *merge_alloc(const struct merging *m, size_t count, size_t size)
{
    void *made = ax_arena_zalloc(m->merge->arena, count, size);
    if (!made)
        (void)ax_arena_fail(m->merge->arena, "rows of a source", m->err);
    return made;
}

/* ---- what is stored ---- */

static enum ax_code make_keys(const struct merging *m, const struct slice *s,
                              const struct ax_view *view, struct ax_str *ret_keys)
{
    size_t count = view->entity->key_count;
    struct ax_values *slices = merge_alloc(m, count, sizeof(*slices));
    const struct ax_values **columns = merge_alloc(m, count, sizeof(*columns));
    if (m->err->code)
        return m->err->code;
    for (size_t i = 0; i < count; i++) {
        slices[i] =
            ax_values_slice(&m->merge->rows->columns[view->key_columns[i]], s->from, s->count);
        columns[i] = &slices[i];
    }
    if (ax_online_keys_make(view->entity, columns, s->count, m->merge->arena, ret_keys, m->err))
        return m->err->code;
    for (size_t i = 0; i < s->count; i++) {
        if (ret_keys[i].len > AX_ONLINE_KEY_BYTES_MAX)
            ret_keys[i] = (struct ax_str){ NULL, 0 };
    }
    return AX_OK;
}

/* The parts of one target. */
static enum ax_code fetch(const struct merging *m, struct slice *s, size_t target)
{
    size_t view = m->plan->targets[target].view;
    const struct ax_online_row **rows = merge_alloc(m, s->count, sizeof(*rows));
    s->parts[target] = merge_alloc(m, s->count, sizeof(*s->parts[target]));
    if (m->err->code || make_keys(m, s, &m->merge->views->given.definitions->views[view], s->keys))
        return m->err->code;
    struct ax_online_fetch fetch = { .entity = m->merge->views->views[view].entity,
                                     .keys = s->keys,
                                     .count = s->count,
                                     .rows = rows,
                                     .arena = m->merge->arena };
    bool is_done =
        ax_online_fetch(m->merge->store, &fetch); /* Rows are freed by this thread alone. */
    assert(is_done);
    if (fetch.err.code) {
        *m->err = fetch.err;
        return m->err->code;
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct ax_online_part *part =
            rows[i] ? ax_online_row_part(rows[i], m->plan->targets[target].layout->id) : NULL;
        s->parts[target][i] = part;
        if (part && (!s->newest[i] || ax_online_stamp_compare(&part->stamp, s->newest[i]) > 0))
            s->newest[i] = &part->stamp;
    }
    return AX_OK;
}

/* What the rows are applied to may free the texts' rows. */
static enum ax_code own_texts(const struct merging *m, struct ax_values *values)
{
    struct ax_values *texts = values->type.is_list ? values->items : values;
    for (size_t i = 0; texts->type.kind == AX_TYPE_STRING && i < texts->rows; i++) {
        texts->texts[i].ptr = ax_arena_strdup(m->merge->arena, texts->texts[i]);
        if (!texts->texts[i].ptr)
            return ax_arena_fail(m->merge->arena, "rows of a source", m->err);
    }
    return AX_OK;
}

static enum ax_code read_stored(const struct merging *m, struct slice *s)
{
    for (size_t c = 0; c < m->plan->source->column_count; c++) {
        const struct ax_source_kept *kept = &m->plan->kept[c];
        struct ax_values *values = kept->is_kept ? merge_alloc(m, 1, sizeof(*values)) : NULL;
        if (values &&
            (ax_online_read(m->plan->targets[kept->target].layout, &kept->field, 1,
                            s->parts[kept->target], s->count, m->merge->arena, values, m->err) ||
             own_texts(m, values)))
            return m->err->code;
        s->stored[c] = values;
    }
    return m->err->code;
}

static enum ax_code look_up(const struct merging *m, struct slice *s)
{
    size_t targets = m->plan->target_count;
    s->keys = merge_alloc(m, s->count, sizeof(*s->keys));
    s->newest = merge_alloc(m, s->count, sizeof(*s->newest));
    s->parts = merge_alloc(m, targets, sizeof(*s->parts));
    s->stored = merge_alloc(m, m->plan->source->column_count, sizeof(*s->stored));
    /* The first one's keys stay. */
    for (size_t t = targets; t > 0 && !m->err->code; t--)
        (void)(fetch(m, s, t - 1) != AX_OK);
    return m->err->code ? m->err->code : read_stored(m, s);
}

/* ---- rows ---- */

static enum ax_code fail_unknown(const struct merging *m, size_t column, size_t row,
                                 const char *reason)
{
    return ax_fail(m->err, AX_E_INVALID, "row %zu leaves out '%.*s', and %s: give it", row,
                   AX_STR_ARG(m->plan->source->columns[column].name), reason);
}

/* What a row leaves out, from the row of the result that is number `before`, counted from 1, or
 * from what is stored. */
static enum ax_code find_origin(const struct merging *m, const struct slice *s, size_t i,
                                size_t column, size_t before, struct origin *ret)
{
    const struct ax_source_kept *kept = &m->plan->kept[column];
    size_t row = s->from + i;
    if (!kept->is_kept)
        return fail_unknown(m, column, row, "what it was is not kept");
    const struct ax_online_part *part = s->parts[kept->target][i];
    if (before)
        *ret = m->origins[column][before - 1];
    else if (!s->newest[i])
        return fail_unknown(m, column, row, "there is no stored row of its key");
    else if (!part || ax_online_stamp_compare(&part->stamp, s->newest[i]))
        return fail_unknown(m, column, row,
                            "the view that has it does not have the stored row of its key");
    else
        *ret = (struct origin){ s->stored[column], i };
    return AX_OK;
}

static struct ax_online_stamp stamp_of(const struct merging *m, size_t row)
{
    const struct ax_source *source = m->plan->source;
    const struct ax_values *columns = m->merge->rows->columns;
    const struct ax_values *created = source->created >= 0 ? &columns[source->created] : NULL;
    return (struct ax_online_stamp){
        .time = source->time >= 0 ? columns[source->time].i64s[row] : AX_ONLINE_TIMELESS,
        .created =
            created && !ax_values_is_null(created, row) ? created->i64s[row] : m->merge->taken_us,
        .sequence = UINT64_MAX, /* that it will have is above all that are stored */
    };
}

static bool leaves_some_out(const struct merging *m, size_t row)
{
    size_t c = 0, count = m->plan->source->column_count;
    while (c < count && !ax_source_rows_leave_out(m->plan, m->merge->rows, c, row))
        c++;
    return c < count;
}

static enum ax_code merge_row(struct merging *m, const struct slice *s, size_t i)
{
    size_t row = s->from + i;
    bool has_key = s->keys[i].ptr != NULL;
    size_t before = has_key ? (uintptr_t)ax_map_get(&m->newest, s->keys[i]) : 0;
    const struct ax_online_stamp stamp = stamp_of(m, row);
    const struct ax_online_stamp *newest = before ? &m->stamps[before - 1] : s->newest[i];
    bool is_newest = !newest || ax_online_stamp_compare(&stamp, newest) >= 0;
    if (!is_newest && leaves_some_out(m, row)) {
        m->merge->stale += m->plan->target_count;
        return AX_OK;
    }
    for (size_t c = 0; c < m->plan->source->column_count; c++) {
        struct origin *origin = &m->origins[c][m->count];
        *origin = (struct origin){ &m->merge->rows->columns[c], row };
        if (ax_source_rows_leave_out(m->plan, m->merge->rows, c, row) &&
            find_origin(m, s, i, c, before, origin))
            return m->err->code;
    }
    m->stamps[m->count++] = stamp;
    if (is_newest && has_key)
        (void)ax_map_put(&m->newest, s->keys[i], (void *)(uintptr_t)m->count);
    return AX_OK;
}

static enum ax_code merge_slice(struct merging *m, size_t from, size_t count)
{
    struct slice s = { .from = from, .count = count };
    if (look_up(m, &s))
        return m->err->code;
    for (size_t i = 0; i < count && !m->err->code; i++)
        (void)(merge_row(m, &s, i) != AX_OK);
    return m->err->code;
}

/* ---- columns ---- */

static void put_value(struct ax_values *to, size_t at, const struct ax_values *from, size_t row)
{
    size_t size = ax_type_size(to->type);
    if (ax_values_is_null(from, row))
        ax_values_set_null(to, at);
    else
        memcpy((char *)to->data + at * size, (const char *)from->data + row * size, size);
}

static enum ax_code gather_items(const struct merging *m, const struct origin *origins,
                                 struct ax_values *values)
{
    size_t total = 0, at = 0;
    for (size_t row = 0; row < m->count; row++)
        total += values->spans[row].count;
    values->items = merge_alloc(m, 1, sizeof(*values->items));
    if (!values->items ||
        ax_values_init(values->items, (struct ax_type){ values->type.kind, false }, total,
                       m->merge->arena, m->err))
        return m->err->code;
    for (size_t row = 0; row < m->count; row++) {
        struct ax_span *span = &values->spans[row];
        for (size_t i = 0; i < span->count; i++)
            put_value(values->items, at + i, origins[row].values->items, span->from + i);
        span->from = (uint32_t)at;
        at += span->count;
    }
    return AX_OK;
}

static enum ax_code gather(const struct merging *m, size_t column, struct ax_values *values)
{
    const struct origin *origins = m->origins[column];
    if (ax_values_init(values, m->merge->rows->columns[column].type, m->count, m->merge->arena,
                       m->err))
        return m->err->code;
    for (size_t row = 0; row < m->count; row++)
        put_value(values, row, origins[row].values, origins[row].row);
    return values->type.is_list ? gather_items(m, origins, values) : AX_OK;
}

static enum ax_code gather_all(const struct merging *m, struct ax_source_rows *ret_rows)
{
    size_t count = m->plan->source->column_count;
    struct ax_values *columns = merge_alloc(m, count, sizeof(*columns));
    for (size_t c = 0; c < count && !m->err->code; c++)
        (void)(gather(m, c, &columns[c]) != AX_OK);
    *ret_rows = (struct ax_source_rows){ .rows = m->count, .columns = columns };
    return m->err->code;
}

static enum ax_code merge_all(struct merging *m, struct ax_source_rows *ret_rows)
{
    size_t columns = m->plan->source->column_count, rows = m->merge->rows->rows;
    m->stamps = merge_alloc(m, rows, sizeof(*m->stamps));
    m->origins = merge_alloc(m, columns, sizeof(*m->origins));
    for (size_t c = 0; c < columns && !m->err->code; c++)
        m->origins[c] = merge_alloc(m, rows, sizeof(*m->origins[c]));
    for (size_t from = 0; from < rows && !m->err->code; from += AX_VALUES_ROWS_MAX)
        (void)(merge_slice(m, from, AX_MIN(rows - from, (size_t)AX_VALUES_ROWS_MAX)) != AX_OK);
    return m->err->code ? m->err->code : gather_all(m, ret_rows);
}

enum ax_code ax_online_merge_rows(struct ax_online_merge *merge, struct ax_source_rows *ret_rows,
                                  struct ax_err *err)
{
    assert(merge && merge->views->source_plans[merge->source] && ret_rows && err);
    struct merging m = { .merge = merge,
                         .plan = merge->views->source_plans[merge->source],
                         .err = err };
    ax_map_init(&m.newest);
    (void)(merge_all(&m, ret_rows) != AX_OK);
    ax_map_done(&m.newest);
    return err->code;
}

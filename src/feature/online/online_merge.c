/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice of rows at a time, their stored rows are looked up, and each value of the result is said
 * to be one of a column that came, or of one that is stored. Then those of the stored ones are read
 * that are in the result, and in the end the columns are put together.
 *
 * If something is expected of rows, the slice is put together before, and rows that were partial
 * are asked what could not be asked of them then. A slice ends where a row would be merged with one
 * that is not asked yet.
 *
 * Small rows may have large stored ones: what the journal would not take is refused before there is
 * memory for it.
 */
#include "feature/online/online_merge.h"

#include "base/map.h"
#include "feature/online/journal.h"
#include "feature/online/online_key.h"

#include <assert.h>

#define SCRATCH_BYTES_FIRST ((size_t)64 << 10)

/* Where a value stands. */
struct origin {
    const struct ax_values *values;
    size_t row;
};

struct merging {
    struct ax_online_merge *merge;
    struct ax_arena *arena;  /* the merge's, */
    struct ax_arena scratch; /* and of what is needed until a slice was asked */
    const struct ax_source_plan *plan;
    const struct ax_source_kept **kept; /* one a column: where it is read; NULL: nowhere */
    struct origin **origins;            /* of the result, one list a column */
    struct ax_online_stamp *stamps;
    size_t *numbers;      /* of rows of the result, among those that came */
    uint64_t *dropped;    /* bits of those that are to be left out of it */
    size_t count;         /* of rows of the result */
    uint64_t bytes;       /* that it has at least, without texts and lists that came */
    uint64_t asked_bytes; /* of lists of rows that were asked, and of which none was dropped */
    struct ax_map newest; /* of a key, its newest row in the result, counted from 1 */
    struct ax_err *err;
};

/* Some rows, and what is stored of their keys. */
struct slice {
    size_t from, count;
    struct ax_str *keys;                   /* ptr NULL: none */
    const struct ax_online_part ***parts;  /* one list a target */
    const struct ax_online_stamp **newest; /* of the parts of a key; NULL: there are none */
    size_t *before; /* the newest row of a key before it, in the result, counted from 1; 0: none */
    struct ax_values **stored; /* one a column; NULL: nothing is needed of it; read when all rows
                                  are known that have something of it */
};

static void *merge_alloc(const struct merging *m, size_t count, size_t size)
{
    void *made = ax_arena_zalloc(m->arena, count, size);
    if (!made)
        (void)ax_arena_fail(m->arena, "rows of a source", m->err);
    return made;
}

static enum ax_code check_bytes(const struct merging *m, uint64_t bytes)
{
    return bytes <= AX_JOURNAL_GROUP_BYTES_MAX
               ? AX_OK
               : ax_fail(m->err, AX_E_TOO_LARGE,
                         "the rows, with what they leave out, are over %zu bytes: give fewer at a "
                         "time",
                         AX_JOURNAL_GROUP_BYTES_MAX);
}

static enum ax_code take_bytes(struct merging *m, uint64_t bytes)
{
    m->bytes += bytes;
    return check_bytes(m, m->bytes);
}

/* ---- what is stored ---- */

static enum ax_code make_keys(const struct merging *m, const struct slice *s,
                              const struct ax_view *view, struct ax_str *ret_keys)
{
    size_t count = view->entity->key_count;
    struct ax_values *values = merge_alloc(m, count, sizeof(*values));
    const struct ax_values **columns = merge_alloc(m, count, sizeof(*columns));
    for (size_t i = 0; i < count && !m->err->code; i++) {
        const struct ax_values *from = &m->merge->rows->columns[view->key_columns[i]];
        columns[i] = &values[i];
        if (ax_values_init(&values[i], from->type, s->count, m->arena, m->err))
            break;
        for (size_t row = 0; row < s->count; row++)
            ax_values_put(&values[i], row, from, s->from + row);
    }
    if (m->err->code)
        return m->err->code;
    if (ax_online_keys_make(view->entity, columns, s->count, m->arena, ret_keys, m->err))
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
                                     .arena = m->arena };
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
static enum ax_code own_texts(struct merging *m, struct ax_values *values)
{
    struct ax_values *texts = values->type.is_list ? values->items : values;
    if (texts->type.kind != AX_TYPE_STRING)
        return AX_OK;
    for (size_t i = 0; i < texts->rows; i++) {
        if (ax_values_is_null(texts, i))
            continue;
        if (take_bytes(m, texts->texts[i].len))
            return m->err->code;
        texts->texts[i].ptr = ax_arena_strdup(m->arena, texts->texts[i]);
        if (!texts->texts[i].ptr)
            return ax_arena_fail(m->arena, "rows of a source", m->err);
    }
    return AX_OK;
}

/* The elements that lists of parts have. */
static enum ax_code take_lists(struct merging *m, const struct ax_online_layout *layout,
                               size_t field, const struct ax_online_part *const *parts,
                               size_t count)
{
    const struct ax_online_field *list = &layout->fields[field];
    size_t width = ax_online_value_width((struct ax_storage){ .kind = list->storage.kind });
    for (size_t i = 0; i < count && list->storage.is_list; i++) {
        struct ax_online_tail tail;
        if (!parts[i] || !ax_online_part_has(parts[i], field))
            continue;
        memcpy(&tail, (const char *)parts[i] + list->offset, sizeof(tail));
        if (take_bytes(m, (uint64_t)tail.count * width))
            return m->err->code;
    }
    return AX_OK;
}

/* Parts of the slice's rows of which rows of the result from `first` on have a column; false: there
 * are none. */
static bool find_read(const struct merging *m, const struct slice *s, size_t column, size_t first,
                      const struct ax_online_part **parts)
{
    const struct ax_source_kept *kept = m->kept[column];
    bool are_some = false;
    if (!s->stored[column])
        return false;
    memset(parts, 0, s->count * sizeof(*parts));
    for (size_t row = first; row < m->count; row++) {
        const struct origin *origin = &m->origins[column][row];
        if (origin->values != s->stored[column])
            continue;
        parts[origin->row] = s->parts[kept->target][origin->row];
        are_some = true;
    }
    return are_some;
}

static enum ax_code read_stored(struct merging *m, const struct slice *s, size_t first)
{
    const struct ax_online_part **parts = merge_alloc(m, s->count, sizeof(*parts));
    for (size_t c = 0; c < m->plan->source->column_count && !m->err->code; c++) {
        const struct ax_source_kept *kept = m->kept[c];
        if (!find_read(m, s, c, first, parts))
            continue;
        const struct ax_online_layout *layout = m->plan->targets[kept->target].layout;
        (void)(take_lists(m, layout, kept->field, parts, s->count) ||
               ax_online_read(layout, &kept->field, 1, parts, s->count, m->arena, s->stored[c],
                              m->err) ||
               own_texts(m, s->stored[c]));
    }
    return m->err->code;
}

static enum ax_code look_up(const struct merging *m, struct slice *s)
{
    size_t targets = m->plan->target_count;
    s->keys = merge_alloc(m, s->count, sizeof(*s->keys));
    s->before = merge_alloc(m, s->count, sizeof(*s->before));
    s->newest = merge_alloc(m, s->count, sizeof(*s->newest));
    s->parts = merge_alloc(m, targets, sizeof(*s->parts));
    s->stored = merge_alloc(m, m->plan->source->column_count, sizeof(struct ax_values *));
    /* The first one's keys stay. */
    for (size_t t = targets; t > 0 && !m->err->code; t--)
        (void)(fetch(m, s, t - 1) != AX_OK);
    return m->err->code;
}

/* ---- rows ---- */

static enum ax_code fail_unknown(const struct merging *m, size_t column, size_t row,
                                 const char *reason)
{
    return ax_fail(m->err, AX_E_INVALID, "row %zu leaves out '%.*s', and %s: give it", row,
                   AX_STR_ARG(m->plan->source->columns[column].name), reason);
}

/* The first field that keeps a column and lacks nothing. */
static const struct ax_source_kept *find_kept(const struct merging *m, size_t column)
{
    const struct ax_source_kept *kept = m->plan->kept[column];
    while (
        kept &&
        m->merge->views->forms[m->plan->targets[kept->target].view].fields[kept->field].lacks_files)
        kept = kept->next;
    return kept;
}

static enum ax_code fail_lacking(const struct merging *m, size_t column, size_t row)
{
    const struct ax_source_kept *kept = m->plan->kept[column];
    if (!kept)
        return fail_unknown(m, column, row, "what it was is not kept");
    struct ax_str view = m->plan->targets[kept->target].definition->name;
    return ax_fail(m->err, AX_E_UNAVAILABLE,
                   "row %zu leaves out '%.*s', and files may have values of it that view '%.*s' "
                   "lacks: give it, or run 'auspex materialize --view %.*s'",
                   row, AX_STR_ARG(m->plan->source->columns[column].name), AX_STR_ARG(view),
                   AX_STR_ARG(view));
}

/* What a row leaves out, from the row of the result that is number `before`, counted from 1, or
 * from what is stored. */
static enum ax_code find_origin(const struct merging *m, const struct slice *s, size_t i,
                                size_t column, size_t before, struct origin *ret)
{
    const struct ax_source_kept *kept = m->kept[column];
    size_t row = s->from + i;
    if (!kept)
        return fail_lacking(m, column, row);
    const struct ax_online_part *part = s->parts[kept->target][i];
    if (before)
        *ret = m->origins[column][before - 1];
    else if (!s->newest[i])
        return fail_unknown(m, column, row, "there is no stored row of its key");
    else if (!part || ax_online_stamp_compare(&part->stamp, s->newest[i]))
        return fail_unknown(m, column, row,
                            "the view that has it does not have the stored row of its key");
    else if (s->stored[column] ||
             (s->stored[column] = merge_alloc(m, 1, sizeof(*s->stored[column]))))
        *ret = (struct origin){ s->stored[column], i };
    return m->err->code;
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

static size_t newest_of(const struct merging *m, const struct slice *s, size_t i)
{
    return s->keys[i].ptr ? (uintptr_t)ax_map_get(&m->newest, s->keys[i]) : 0;
}

static enum ax_code merge_row(struct merging *m, const struct slice *s, size_t i)
{
    size_t row = s->from + i;
    bool has_key = s->keys[i].ptr != NULL;
    size_t before = s->before[i] = newest_of(m, s, i);
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
    m->numbers[m->count] = row;
    m->stamps[m->count++] = stamp;
    if (is_newest && has_key)
        (void)ax_map_put(&m->newest, s->keys[i], (void *)(uintptr_t)m->count);
    return AX_OK;
}

/* ---- columns ---- */

static enum ax_code gather_items(struct merging *m, size_t column, size_t first,
                                 struct ax_values *values)
{
    const struct origin *origins = &m->origins[column][first];
    enum ax_storage_kind kind = m->plan->source->columns[column].storage.kind;
    size_t total = 0, at = 0;
    for (size_t row = 0; row < values->rows; row++)
        total += values->spans[row].count;
    if (take_bytes(m, (uint64_t)total * ax_online_value_width((struct ax_storage){ .kind = kind })))
        return m->err->code;
    values->items = merge_alloc(m, 1, sizeof(*values->items));
    if (!values->items ||
        ax_values_init(values->items, (struct ax_type){ values->type.kind, false }, total, m->arena,
                       m->err))
        return m->err->code;
    for (size_t row = 0; row < values->rows; row++) {
        struct ax_span *span = &values->spans[row];
        for (size_t i = 0; i < span->count; i++)
            ax_values_put(values->items, at + i, origins[row].values->items, span->from + i);
        span->from = (uint32_t)at;
        at += span->count;
    }
    return AX_OK;
}

static enum ax_code gather(struct merging *m, size_t column, size_t first, struct ax_values *values)
{
    const struct origin *origins = &m->origins[column][first];
    if (ax_values_init(values, m->merge->rows->columns[column].type, m->count - first, m->arena,
                       m->err))
        return m->err->code;
    for (size_t row = 0; row < values->rows; row++)
        ax_values_put(values, row, origins[row].values, origins[row].row);
    return values->type.is_list ? gather_items(m, column, first, values) : AX_OK;
}

/* Rows of the result from `first` on. */
static enum ax_code gather_all(struct merging *m, size_t first, struct ax_source_rows *ret_rows)
{
    size_t count = m->plan->source->column_count;
    struct ax_values *columns = merge_alloc(m, count, sizeof(*columns));
    m->bytes = 0; /* A list that was read once may be in many rows: they are counted anew. */
    for (size_t c = 0; c < count && !m->err->code; c++)
        (void)(gather(m, c, first, &columns[c]) != AX_OK);
    *ret_rows = (struct ax_source_rows){ .rows = m->count - first, .columns = columns };
    return m->err->code;
}

/* ---- what is expected ---- */

/* Bits of what rows of the result gave when they came, one list a column. */
static const uint64_t *const *find_given(const struct merging *m, size_t first)
{
    size_t columns = m->plan->source->column_count, count = m->count - first;
    const uint64_t **given = merge_alloc(m, columns, sizeof(*given));
    for (size_t c = 0; c < columns && !m->err->code; c++) {
        uint64_t *bits = merge_alloc(m, (count + 63) / 64, sizeof(*bits));
        for (size_t i = 0; bits && i < count; i++) {
            bool is_given =
                !ax_source_rows_leave_out(m->plan, m->merge->rows, c, m->numbers[first + i]);
            bits[i / 64] |= (uint64_t)is_given << (i % 64);
        }
        given[c] = bits;
    }
    return given;
}

/* It was partial, so that its key has no row behind it in the slice. */
static void drop_row(struct merging *m, const struct slice *s, size_t row)
{
    size_t i = m->numbers[row] - s->from;
    m->dropped[row / 64] |= (uint64_t)1 << (row % 64);
    m->merge->dropped++;
    if (s->before[i])
        (void)ax_map_put(&m->newest, s->keys[i], (void *)(uintptr_t)s->before[i]);
    else
        (void)ax_map_remove(&m->newest, s->keys[i]);
}

static bool are_some_partial(const struct merging *m, size_t first)
{
    size_t row = first;
    while (row < m->count && !leaves_some_out(m, m->numbers[row]))
        row++;
    return row < m->count;
}

static enum ax_code ask_rows(struct merging *m, const struct slice *s, size_t first)
{
    struct ax_source_rows rows;
    uint64_t *dropped = merge_alloc(m, (m->count - first + 63) / 64, sizeof(*dropped));
    if (!dropped || gather_all(m, first, &rows))
        return m->err->code;
    rows.given = find_given(m, first);
    if (m->err->code || ax_row_checks_run_rest(m->plan->checks, &rows, m->numbers + first, m->arena,
                                               dropped, m->merge->unexpected, m->err))
        return m->err->code;
    for (size_t i = 0; i < rows.rows; i++) {
        if (dropped[i / 64] >> (i % 64) & 1)
            drop_row(m, s, first + i);
    }
    return AX_OK;
}

/* Rows of the slice, which are those of the result from `first` on. */
static enum ax_code ask(struct merging *m, const struct slice *s, size_t first)
{
    uint64_t bytes = m->bytes;
    size_t dropped = m->merge->dropped;
    if (!m->plan->checks || !are_some_partial(m, first))
        return AX_OK;
    m->arena = &m->scratch;
    (void)(ask_rows(m, s, first) != AX_OK);
    m->arena = m->merge->arena;
    if (m->merge->dropped == dropped)
        m->asked_bytes += m->bytes;
    m->bytes = bytes;
    ax_arena_reset(&m->scratch);
    return m->err->code ? m->err->code : check_bytes(m, m->asked_bytes);
}

static void leave_out_dropped(struct merging *m)
{
    size_t count = 0;
    for (size_t row = 0; row < m->count; row++) {
        if (m->dropped[row / 64] >> (row % 64) & 1)
            continue;
        for (size_t c = 0; c < m->plan->source->column_count; c++)
            m->origins[c][count] = m->origins[c][row];
        count++;
    }
    m->count = count;
}

/* ---- all of it ---- */

/* Whether the newest row of its key is one of the slice, which has to be asked before. */
static bool waits(const struct merging *m, const struct slice *s, size_t first, size_t i)
{
    size_t before = m->plan->checks ? newest_of(m, s, i) : 0;
    return before > first && leaves_some_out(m, m->numbers[before - 1]);
}

/* Up to `count` rows; *ret_count are done. */
static enum ax_code merge_slice(struct merging *m, size_t from, size_t count, size_t *ret_count)
{
    struct slice s = { .from = from, .count = count };
    size_t first = m->count, done = 0;
    if (look_up(m, &s))
        return m->err->code;
    while (done < count && !waits(m, &s, first, done) && !merge_row(m, &s, done))
        done++;
    *ret_count = done;
    return m->err->code || read_stored(m, &s, first) ? m->err->code : ask(m, &s, first);
}

static enum ax_code merge_all(struct merging *m, struct ax_source_rows *ret_rows)
{
    size_t columns = m->plan->source->column_count, rows = m->merge->rows->rows;
    uint64_t row_bytes = sizeof(struct ax_online_stamp);
    for (size_t c = 0; c < columns; c++)
        row_bytes += ax_online_value_width(m->plan->source->columns[c].storage);
    if (take_bytes(m, rows * row_bytes))
        return m->err->code;
    m->stamps = merge_alloc(m, rows, sizeof(*m->stamps));
    m->numbers = merge_alloc(m, rows, sizeof(*m->numbers));
    m->dropped = merge_alloc(m, rows / 64 + 1, sizeof(*m->dropped));
    m->kept = merge_alloc(m, columns, sizeof(const struct ax_source_kept *));
    m->origins = merge_alloc(m, columns, sizeof(*m->origins));
    for (size_t c = 0; c < columns && !m->err->code; c++) {
        m->kept[c] = find_kept(m, c);
        m->origins[c] = merge_alloc(m, rows, sizeof(*m->origins[c]));
    }
    /* What is looked up in vain is at most as much as is not. */
    for (size_t from = 0, most = AX_VALUES_ROWS_MAX, done; from < rows && !m->err->code;
         from += done, most = AX_MIN(2 * done, (size_t)AX_VALUES_ROWS_MAX)) {
        done = 0;
        (void)(merge_slice(m, from, AX_MIN(rows - from, most), &done) != AX_OK);
    }
    if (m->err->code)
        return m->err->code;
    if (m->merge->dropped)
        leave_out_dropped(m);
    return gather_all(m, 0, ret_rows);
}

enum ax_code ax_online_merge_rows(struct ax_online_merge *merge, struct ax_source_rows *ret_rows,
                                  struct ax_err *err)
{
    assert(merge && merge->views->source_plans[merge->source] && ret_rows && err);
    struct merging m = { .merge = merge,
                         .arena = merge->arena,
                         .plan = merge->views->source_plans[merge->source],
                         .err = err };
    ax_map_init(&m.newest);
    ax_arena_init(&m.scratch, SCRATCH_BYTES_FIRST, merge->arena->max);
    (void)(merge_all(&m, ret_rows) != AX_OK);
    ax_arena_done(&m.scratch);
    ax_map_done(&m.newest);
    return err->code;
}

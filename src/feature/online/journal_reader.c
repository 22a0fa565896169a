/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a journal, by groups that are in memory at once.
 *
 * Rows of one answer are of one segment, and of groups that lie in the same part of it; small
 * groups are read together, so that a journal of single pushes is read as fast as one of batches.
 * Where the writer is at work the last group may be seen in part, or be cut off again: then the
 * last segment ends in front of it.
 */
#include "feature/online/journal_reader.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "feature/online/journal_segment.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#define NOT_THERE SIZE_MAX

struct ax_journal_reader {
    char *folder;
    const struct ax_definition_column *columns;
    size_t column_count;
    uint64_t next;    /* sequence of the next row */
    uint64_t until;   /* behind the last one; UINT64_MAX: what there is */
    uint64_t *firsts; /* of the segments */
    size_t count;
    size_t segment_at; /* which one is open, if one is */
    struct ax_journal_segment segment;
    size_t *fields;                       /* of the segment, for each column; or NOT_THERE */
    const struct ax_journal_group *group; /* NULL: none */
    size_t row;                           /* the next one of it, */
    size_t offset;                        /* and where its part begins */
};

enum ax_code ax_journal_reader_open(const char *folder, const struct ax_definition_column *columns,
                                    size_t column_count, uint64_t from, uint64_t until,
                                    struct ax_journal_reader **ret_reader, struct ax_err *err)
{
    assert(folder && columns && column_count && ret_reader && err);
    uint64_t *firsts;
    size_t count;
    if (ax_journal_list(folder, &firsts, &count, err))
        return err->code;
    struct ax_journal_reader *reader = ax_xalloc(sizeof(*reader));
    *reader = (struct ax_journal_reader){
        .folder = ax_xstrdup(folder),
        .columns = columns,
        .column_count = column_count,
        .next = count ? AX_MAX(from, firsts[0]) : from,
        .until = until ? until : UINT64_MAX,
        .firsts = firsts,
        .count = count,
        .fields = ax_xrealloc(NULL, column_count, sizeof(*reader->fields)),
    };
    while (reader->segment_at + 1 < count && firsts[reader->segment_at + 1] <= reader->next)
        reader->segment_at++;
    *ret_reader = reader;
    return AX_OK;
}

static enum ax_code fail_removed(const char *folder, struct ax_err *err)
{
    ax_err_clear(err);
    return ax_fail(err, AX_E_CONFLICT, "a segment of '%s' was removed meanwhile", folder);
}

/* A segment that rows were erased from has another seed. */
static enum ax_code read_seeds(const char *folder, const uint64_t *firsts, size_t count,
                               struct ax_journal_extent *extent, struct ax_err *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t of[] = { extent->hash, firsts[i], 0 };
        if (ax_journal_segment_seed(folder, firsts[i], &of[2], err))
            return err->code == AX_E_NOT_FOUND ? fail_removed(folder, err) : err->code;
        extent->hash = ax_hash((struct ax_str){ (const char *)of, sizeof(of) });
    }
    return AX_OK;
}

static enum ax_code read_last(struct ax_journal_segment *segment, struct ax_journal_extent *extent,
                              struct ax_err *err)
{
    enum ax_journal_step step;
    uint64_t of[] = { extent->hash, 0 };
    if (ax_journal_segment_to_end(segment, &step, &of[1], err))
        return err->code;
    extent->hash = ax_hash((struct ax_str){ (const char *)of, sizeof(of) });
    extent->next = segment->next;
    return AX_OK;
}

enum ax_code ax_journal_extent_read(const char *folder, struct ax_journal_extent *ret_extent,
                                    struct ax_err *err)
{
    assert(folder && ret_extent && err);
    struct ax_journal_segment segment = { 0 };
    struct ax_journal_extent extent = { 0 };
    uint64_t *firsts;
    size_t count;
    if (ax_journal_list(folder, &firsts, &count, err))
        return err->code;
    if (count) {
        extent.first = firsts[0];
        (void)(read_seeds(folder, firsts, count, &extent, err) ||
               ax_journal_segment_open(&segment, folder, firsts[count - 1], O_RDONLY, err) ||
               read_last(&segment, &extent, err));
        ax_journal_segment_done(&segment);
    }
    free(firsts);
    if (!err->code)
        *ret_extent = extent;
    return err->code;
}

uint64_t ax_journal_reader_at(const struct ax_journal_reader *reader)
{
    assert(reader);
    return reader->next;
}

void ax_journal_reader_close(struct ax_journal_reader *reader)
{
    if (!reader)
        return;
    ax_journal_segment_done(&reader->segment);
    free(reader->fields);
    free(reader->firsts);
    free(reader->folder);
    free(reader);
}

/* ---- columns of today in a segment ---- */

static bool is_integer(enum ax_storage_kind kind)
{
    return kind == AX_STORAGE_INT32 || kind == AX_STORAGE_INT64;
}

/* Whether what was stored as `from` can be read as `to`. */
static bool is_readable_as(struct ax_storage from, struct ax_storage to)
{
    if (from.is_list != to.is_list)
        return false;
    return from.kind == to.kind || (from.kind == AX_STORAGE_INT32 && to.kind == AX_STORAGE_INT64) ||
           (from.kind == AX_STORAGE_FLOAT32 && to.kind == AX_STORAGE_FLOAT64) ||
           (is_integer(from.kind) && to.kind == AX_STORAGE_FLOAT64);
}

static enum ax_code find_columns(struct ax_journal_reader *reader, struct ax_err *err)
{
    const struct ax_journal_segment *segment = &reader->segment;
    for (size_t i = 0; i < reader->column_count; i++) {
        const struct ax_definition_column *column = &reader->columns[i];
        reader->fields[i] = NOT_THERE;
        for (size_t f = 0; f < segment->column_count; f++) {
            if (ax_str_equals(segment->columns[f].name, column->name))
                reader->fields[i] = f;
        }
        if (reader->fields[i] == NOT_THERE)
            continue;
        struct ax_storage stored = segment->columns[reader->fields[i]].storage;
        if (!is_readable_as(stored, column->storage)) {
            return ax_fail(err, AX_E_INVALID,
                           "'%s' has '%.*s' as %s, which cannot be read as %s: give the column "
                           "of another type another name",
                           segment->path, AX_STR_ARG(column->name), ax_storage_name(stored),
                           ax_storage_name(column->storage));
        }
    }
    return AX_OK;
}

enum ax_code ax_journal_check_columns(const char *folder,
                                      const struct ax_definition_column *columns,
                                      size_t column_count, bool *ret_missing, struct ax_err *err)
{
    assert(folder && columns && err);
    struct ax_err other = AX_ERR_INIT;
    struct ax_journal_reader *reader;
    for (size_t c = 0; ret_missing && c < column_count; c++)
        ret_missing[c] = false;
    if (ax_journal_reader_open(folder, columns, column_count, 0, 0, &reader, &other))
        return AX_OK;
    for (size_t i = 0; i < reader->count && !err->code; i++) {
        ax_err_clear(&other);
        if (ax_journal_segment_open(&reader->segment, folder, reader->firsts[i], O_RDONLY, &other))
            continue;
        (void)(find_columns(reader, err) != AX_OK);
        for (size_t c = 0; ret_missing && !err->code && c < column_count; c++)
            ret_missing[c] |= reader->fields[c] == NOT_THERE;
        ax_journal_segment_done(&reader->segment);
    }
    ax_journal_reader_close(reader);
    return err->code;
}

static void to_reals(struct ax_values *values)
{
    for (size_t r = 0; r < values->rows; r++)
        values->f64s[r] = (double)values->i64s[r];
    values->type.kind = AX_TYPE_FLOAT64;
}

static enum ax_code make_nulls(struct ax_values *values, struct ax_type type, size_t rows,
                               struct ax_arena *arena, struct ax_err *err)
{
    if (ax_values_init(values, type, rows, arena, err))
        return err->code;
    if (type.is_list) {
        values->items = ax_arena_alloc(arena, 1, sizeof(*values->items));
        if (!values->items)
            return ax_arena_fail(arena, "rows of a journal", err);
        if (ax_values_init(values->items, (struct ax_type){ type.kind, false }, 0, arena, err))
            return err->code;
    }
    for (size_t r = 0; r < rows; r++)
        ax_values_set_null(values, r);
    return AX_OK;
}

/* The columns as they are wanted, of those that the segment has. */
static enum ax_code place_columns(const struct ax_journal_reader *reader,
                                  const struct ax_values *read, size_t rows, struct ax_arena *arena,
                                  struct ax_values *values, struct ax_err *err)
{
    for (size_t i = 0; i < reader->column_count; i++) {
        struct ax_type type = ax_storage_type(reader->columns[i].storage);
        if (reader->fields[i] == NOT_THERE) {
            if (make_nulls(&values[i], type, rows, arena, err))
                return err->code;
            continue;
        }
        values[i] = *read++;
        struct ax_values *scalars = type.is_list ? values[i].items : &values[i];
        if (scalars->type.kind != type.kind)
            to_reals(scalars);
        values[i].type = type;
        if (type.kind == AX_TYPE_FLOAT64)
            ax_values_take_nan(scalars);
    }
    return AX_OK;
}

static enum ax_code read_columns(const struct ax_journal_reader *reader,
                                 const struct ax_online_part *const *parts, size_t rows,
                                 struct ax_arena *arena, struct ax_journal_rows *ret_rows,
                                 struct ax_err *err)
{
    size_t *fields = ax_arena_alloc(arena, reader->column_count, sizeof(*fields));
    struct ax_values *read = ax_arena_alloc(arena, 2 * reader->column_count, sizeof(*read));
    int64_t *taken_us = ax_arena_alloc(arena, rows, sizeof(*taken_us));
    if (!fields || !read || !taken_us)
        return ax_arena_fail(arena, "rows of a journal", err);
    size_t count = 0;
    for (size_t i = 0; i < reader->column_count; i++) {
        if (reader->fields[i] != NOT_THERE)
            fields[count++] = reader->fields[i];
    }
    struct ax_values *values = read + reader->column_count;
    if ((count &&
         ax_online_read(&reader->segment.layout, fields, count, parts, rows, arena, read, err)) ||
        place_columns(reader, read, rows, arena, values, err))
        return err->code;
    for (size_t r = 0; r < rows; r++)
        taken_us[r] = parts[r]->stamp.created;
    *ret_rows = (struct ax_journal_rows){
        .rows = rows,
        .first_sequence = reader->next - rows,
        .taken_us = taken_us,
        .values = values,
    };
    return AX_OK;
}

/* ---- rows ---- */

static enum ax_code open_segment(struct ax_journal_reader *reader, struct ax_err *err)
{
    if (reader->segment.path)
        return AX_OK;
    uint64_t first = reader->firsts[reader->segment_at];
    if (first > reader->next)
        return ax_fail(err, AX_E_INVALID,
                       "'%s' lacks the rows %" PRIu64 " to %" PRIu64
                       ": restore the segment with them, or remove those of lower numbers",
                       reader->folder, reader->next, first - 1);
    if (ax_journal_segment_open(&reader->segment, reader->folder, first, O_RDONLY, err))
        return err->code == AX_E_NOT_FOUND ? fail_removed(reader->folder, err) : err->code;
    if (find_columns(reader, err))
        ax_journal_segment_done(&reader->segment);
    return err->code;
}

/* No whole group follows: go to the next segment, unless rows are missing. */
static enum ax_code end_segment(struct ax_journal_reader *reader, enum ax_journal_step step,
                                struct ax_err *err)
{
    bool is_last = reader->segment_at + 1 == reader->count;
    bool is_published = reader->until != UINT64_MAX; /* And so are all rows below. */
    if (is_last ? is_published : step == AX_JOURNAL_BROKEN)
        return ax_fail(err, AX_E_INVALID,
                       "'%s' is damaged at byte %" PRIu64
                       ": restore it, or remove it and the segments of lower numbers",
                       reader->segment.path, reader->segment.at);
    reader->segment_at++;
    ax_journal_segment_done(&reader->segment);
    return AX_OK;
}

/* Have a group with a row to give, if there is one; `is_kept`: only from what is in memory. */
static enum ax_code next_group(struct ax_journal_reader *reader, bool is_kept, struct ax_err *err)
{
    while (!reader->group && reader->segment_at < reader->count) {
        enum ax_journal_step step;
        const struct ax_journal_group *group;
        if (open_segment(reader, err) ||
            ax_journal_segment_step(&reader->segment, reader->next, is_kept, &step, &group, err))
            return err->code;
        if (step != AX_JOURNAL_GROUP && is_kept)
            return AX_OK;
        if (step != AX_JOURNAL_GROUP) {
            if (end_segment(reader, step, err))
                return err->code;
            continue;
        }
        reader->group = group;
        reader->offset = sizeof(*group);
        for (reader->row = 0; group->first + reader->row < reader->next; reader->row++)
            reader->offset += ax_journal_group_lengths(group)[reader->row];
    }
    return AX_OK;
}

/* Take rows of the group. */
static size_t take_parts(struct ax_journal_reader *reader, const struct ax_online_part **parts,
                         size_t max)
{
    const struct ax_journal_group *group = reader->group;
    const uint32_t *lengths = ax_journal_group_lengths(group);
    size_t count = 0;
    while (count < max && reader->row < group->rows && reader->next < reader->until) {
        parts[count++] = (const void *)((const char *)group + reader->offset);
        reader->offset += lengths[reader->row++];
        reader->next++;
    }
    if (reader->row == group->rows)
        reader->group = NULL;
    return count;
}

enum ax_code ax_journal_reader_next(struct ax_journal_reader *reader, struct ax_arena *arena,
                                    struct ax_journal_rows *ret_rows, struct ax_err *err)
{
    assert(reader && arena && ret_rows && err);
    const struct ax_online_part *parts[AX_VALUES_ROWS_MAX];
    size_t rows = 0;
    while (rows < AX_VALUES_ROWS_MAX && reader->next < reader->until) {
        if (next_group(reader, rows > 0, err))
            return err->code;
        if (!reader->group)
            break;
        rows += take_parts(reader, parts + rows, AX_VALUES_ROWS_MAX - rows);
    }
    if (rows)
        return read_columns(reader, parts, rows, arena, ret_rows, err);
    *ret_rows = (struct ax_journal_rows){ 0 };
    return AX_OK;
}

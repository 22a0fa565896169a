/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts, and parts written and read by them.
 *
 * A part is written by one walk over the fields, which only counts when it is given nothing to
 * write to: what was measured is what is written. Texts and lists are appended behind the fixed
 * values as the walk comes to them. Reading goes by blocks of 64 rows, all fields of a block before
 * the next one, so that the rows of a block are still near when the next field is read, and a word
 * of validity is made in a register; of few rows, row by row.
 */
#include "feature/online/online_layout.h"

#include <assert.h>
#include <math.h>

#define ALIGN          8
#define BLOCK_ROWS_MIN 8

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t words_of(size_t bits)
{
    return (bits + 63) / 64;
}

/* Bytes of a value that is no list: of a text, of what points to it. */
static size_t scalar_width(enum ax_storage_kind kind)
{
    static const uint8_t widths[AX_STORAGE_COUNT] = {
        [AX_STORAGE_BOOL] = 1,    [AX_STORAGE_INT32] = 4,     [AX_STORAGE_INT64] = 8,
        [AX_STORAGE_FLOAT32] = 4, [AX_STORAGE_FLOAT64] = 8,   [AX_STORAGE_STRING] = 8,
        [AX_STORAGE_BYTES] = 8,   [AX_STORAGE_TIMESTAMP] = 8, [AX_STORAGE_DURATION] = 8,
    };
    return widths[kind];
}

size_t ax_online_value_width(struct ax_storage storage)
{
    return storage.is_list ? sizeof(struct ax_online_tail) : scalar_width(storage.kind);
}

static bool is_text(enum ax_storage_kind kind)
{
    return kind == AX_STORAGE_STRING || kind == AX_STORAGE_BYTES;
}

static bool has_tail(struct ax_storage storage)
{
    return storage.is_list || is_text(storage.kind);
}

enum ax_code ax_online_layout_init(struct ax_online_layout *layout, uint32_t id,
                                   const struct ax_storage *storages, size_t count,
                                   struct ax_arena *arena, struct ax_err *err)
{
    static const size_t widths[] = { 8, 4, 1 };
    assert(layout && storages && count && count <= UINT16_MAX && arena && err);
    struct ax_online_field *fields = ax_arena_alloc(arena, count, sizeof(*fields));
    if (!fields)
        return ax_arena_fail(arena, "the layout of a view", err);
    size_t at = sizeof(struct ax_online_part) + words_of(count) * sizeof(uint64_t);
    bool has_tails = false;
    for (size_t w = 0; w < AX_COUNT(widths); w++) {
        for (size_t i = 0; i < count; i++) {
            if (ax_online_value_width(storages[i]) != widths[w])
                continue;
            fields[i] = (struct ax_online_field){ .storage = storages[i],
                                                  .type = ax_storage_type(storages[i]),
                                                  .offset = (uint32_t)at };
            has_tails = has_tails || has_tail(storages[i]);
            at += widths[w];
        }
    }
    *layout = (struct ax_online_layout){ .id = id,
                                         .bytes = (uint32_t)aligned(at),
                                         .field_count = count,
                                         .has_tails = has_tails,
                                         .fields = fields };
    return AX_OK;
}

enum ax_code ax_online_layout_of_view(struct ax_online_layout *layout, uint32_t id,
                                      const struct ax_view *view, struct ax_arena *arena,
                                      struct ax_err *err)
{
    assert(view && arena && err);
    struct ax_storage *storages = ax_arena_alloc(arena, view->field_count, sizeof(*storages));
    if (!storages)
        return ax_arena_fail(arena, "the layout of a view", err);
    for (size_t i = 0; i < view->field_count; i++)
        storages[i] = view->fields[i].storage;
    return ax_online_layout_init(layout, id, storages, view->field_count, arena, err);
}

/* ---- writing ---- */

struct part_writer {
    char *part; /* NULL: it only counts */
    size_t end;
};

/* Room behind the values, from `align` on. */
static struct ax_online_tail writer_take(struct part_writer *writer, size_t bytes, size_t align,
                                         size_t count)
{
    size_t from = (writer->end + align - 1) / align * align;
    if (writer->part)
        memset(writer->part + writer->end, 0, from - writer->end);
    writer->end = from + bytes;
    return (struct ax_online_tail){ (uint32_t)from, (uint32_t)count };
}

static void writer_put(const struct part_writer *writer, size_t at, const void *value, size_t size)
{
    if (writer->part)
        memcpy(writer->part + at, value, size);
}

static void writer_put_text(struct part_writer *writer, size_t at, struct ax_str text)
{
    struct ax_online_tail tail = writer_take(writer, text.len, 1, text.len);
    writer_put(writer, at, &tail, sizeof(tail));
    if (text.len)
        writer_put(writer, tail.offset, text.ptr, text.len);
}

static void set_bit(const struct part_writer *writer, size_t words_at, size_t bit)
{
    if (!writer->part)
        return;
    uint64_t *words = (void *)(writer->part + words_at);
    words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* Write a value that is not null to `at`. False: it does not fit what is stored. */
static bool put_scalar(struct part_writer *writer, enum ax_storage_kind kind,
                       const struct ax_values *values, size_t row, size_t at)
{
    switch (kind) {
    case AX_STORAGE_BOOL:
        writer_put(writer, at, &values->bools[row], 1);
        return true;
    case AX_STORAGE_INT32: {
        int32_t narrow = (int32_t)values->i64s[row];
        writer_put(writer, at, &narrow, sizeof(narrow));
        return narrow == values->i64s[row];
    }
    case AX_STORAGE_FLOAT32: {
        float narrow = (float)values->f64s[row] + 0.0F; /* turns -0 into 0 */
        writer_put(writer, at, &narrow, sizeof(narrow));
        return isfinite(narrow) || !isfinite(values->f64s[row]);
    }
    case AX_STORAGE_INT64:
    case AX_STORAGE_TIMESTAMP:
    case AX_STORAGE_DURATION:
    case AX_STORAGE_FLOAT64:
        writer_put(writer, at, &values->i64s[row], sizeof(int64_t));
        return true;
    case AX_STORAGE_STRING:
    case AX_STORAGE_BYTES:
        writer_put_text(writer, at, values->texts[row]);
        return true;
    case AX_STORAGE_COUNT:
        break;
    }
    assert(!"no storage");
    return false;
}

/* A place that was written to, and is to hold nothing. */
static void put_nothing(const struct part_writer *writer, size_t at, size_t width)
{
    if (writer->part)
        memset(writer->part + at, 0, width);
}

/* Validity words and zeroed elements. */
static struct ax_online_tail take_list(struct part_writer *writer, enum ax_storage_kind kind,
                                       size_t count)
{
    size_t bytes = words_of(count) * sizeof(uint64_t) + count * scalar_width(kind);
    struct ax_online_tail tail = writer_take(writer, bytes, ALIGN, count);
    put_nothing(writer, tail.offset, bytes);
    return tail;
}

static size_t element_offset(struct ax_online_tail list, enum ax_storage_kind kind, size_t index)
{
    return list.offset + words_of(list.count) * sizeof(uint64_t) + index * scalar_width(kind);
}

static void put_list(struct part_writer *writer, enum ax_storage_kind kind,
                     const struct ax_values *values, size_t row, size_t at)
{
    struct ax_span span = values->spans[row];
    struct ax_online_tail list = take_list(writer, kind, span.count);
    writer_put(writer, at, &list, sizeof(list));
    for (size_t i = 0; i < span.count; i++) {
        size_t item = span.from + i;
        if (ax_values_is_null(values->items, item))
            continue;
        size_t to = element_offset(list, kind, i);
        if (put_scalar(writer, kind, values->items, item, to))
            set_bit(writer, list.offset, i);
        else
            put_nothing(writer, to, scalar_width(kind));
    }
}

static void writer_begin(struct part_writer *writer, const struct ax_online_layout *layout,
                         const struct ax_online_stamp *stamp, void *out)
{
    *writer = (struct part_writer){ .part = out, .end = layout->bytes };
    put_nothing(writer, 0, layout->bytes);
    writer_put(writer, 0, stamp, sizeof(*stamp));
}

static size_t writer_end(struct part_writer *writer)
{
    (void)writer_take(writer, 0, ALIGN, 0);
    return writer->end;
}

size_t ax_online_part_write(const struct ax_online_layout *layout,
                            const struct ax_online_stamp *stamp,
                            const struct ax_values *const *fields, size_t row, void *out)
{
    assert(layout && stamp && fields);
    if (!out && !layout->has_tails)
        return layout->bytes;
    struct part_writer writer;
    writer_begin(&writer, layout, stamp, out);
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct ax_online_field *field = &layout->fields[i];
        if (ax_values_is_null(fields[i], row))
            continue;
        bool fits = true;
        if (field->storage.is_list)
            put_list(&writer, field->storage.kind, fields[i], row, field->offset);
        else
            fits = put_scalar(&writer, field->storage.kind, fields[i], row, field->offset);
        if (fits)
            set_bit(&writer, sizeof(*stamp), i);
        else
            put_nothing(&writer, field->offset, ax_online_value_width(field->storage));
    }
    return writer_end(&writer);
}

/* ---- values of a part ---- */

static struct ax_online_tail tail_at(const struct ax_online_part *part, size_t at)
{
    struct ax_online_tail tail;
    memcpy(&tail, (const char *)part + at, sizeof(tail));
    return tail;
}

static struct ax_str text_at(const struct ax_online_part *part, size_t at)
{
    struct ax_online_tail tail = tail_at(part, at);
    return (struct ax_str){ (const char *)part + tail.offset, tail.count };
}

static bool element_is_there(const struct ax_online_part *part, struct ax_online_tail list,
                             size_t index)
{
    uint64_t word;
    memcpy(&word, (const char *)part + list.offset + index / 64 * sizeof(word), sizeof(word));
    return word >> (index % 64) & 1;
}

static void copy_scalar(struct part_writer *writer, enum ax_storage_kind kind,
                        const struct ax_online_part *part, size_t from, size_t to)
{
    if (is_text(kind))
        writer_put_text(writer, to, text_at(part, from));
    else
        writer_put(writer, to, (const char *)part + from, scalar_width(kind));
}

static void copy_list(struct part_writer *writer, enum ax_storage_kind kind,
                      const struct ax_online_part *part, size_t from_at, size_t to_at)
{
    struct ax_online_tail from = tail_at(part, from_at);
    struct ax_online_tail to = take_list(writer, kind, from.count);
    writer_put(writer, to_at, &to, sizeof(to));
    for (size_t i = 0; i < from.count; i++) {
        if (!element_is_there(part, from, i))
            continue;
        set_bit(writer, to.offset, i);
        copy_scalar(writer, kind, part, element_offset(from, kind, i), element_offset(to, kind, i));
    }
}

/* Field `from` of a part, if it is there, as field `to`. */
static void copy_field(struct part_writer *writer, const struct ax_online_layout *former,
                       const struct ax_online_part *part, size_t from,
                       const struct ax_online_layout *layout, size_t to)
{
    const struct ax_online_field *field = &layout->fields[to];
    if (!ax_online_part_has(part, from))
        return;
    set_bit(writer, sizeof(part->stamp), to);
    if (field->storage.is_list)
        copy_list(writer, field->storage.kind, part, former->fields[from].offset, field->offset);
    else
        copy_scalar(writer, field->storage.kind, part, former->fields[from].offset, field->offset);
}

size_t ax_online_part_merge(const struct ax_online_layout *layout,
                            const struct ax_online_part *newer, const uint64_t *given,
                            const struct ax_online_part *stored, void *out)
{
    assert(layout && newer && given && stored);
    if (!out && !layout->has_tails)
        return layout->bytes;
    struct part_writer writer;
    writer_begin(&writer, layout, &newer->stamp, out);
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct ax_online_part *from = given[i / 64] >> (i % 64) & 1 ? newer : stored;
        copy_field(&writer, layout, from, i, layout, i);
    }
    return writer_end(&writer);
}

size_t ax_online_part_carry(const struct ax_online_layout *layout, const size_t *from,
                            const struct ax_online_layout *former,
                            const struct ax_online_part *part, void *out)
{
    assert(layout && from && former && part);
    if (!out && !layout->has_tails)
        return layout->bytes;
    struct part_writer writer;
    writer_begin(&writer, layout, &part->stamp, out);
    for (size_t i = 0; i < layout->field_count; i++) {
        if (from[i] < former->field_count)
            copy_field(&writer, former, part, from[i], layout, i);
    }
    return writer_end(&writer);
}

/* ---- checking ---- */

static bool lies_in(struct ax_online_tail tail, uint64_t bytes, size_t from, size_t len)
{
    return tail.offset >= from && tail.offset <= len && bytes <= len - tail.offset;
}

static bool check_list(const struct ax_online_layout *layout, enum ax_storage_kind kind,
                       const struct ax_online_part *part, size_t at, size_t len)
{
    struct ax_online_tail list = tail_at(part, at);
    uint64_t bytes = (uint64_t)words_of(list.count) * sizeof(uint64_t) +
                     (uint64_t)list.count * scalar_width(kind);
    if (list.offset % ALIGN || !lies_in(list, bytes, layout->bytes, len))
        return false;
    for (size_t i = 0; is_text(kind) && i < list.count; i++) {
        struct ax_online_tail text = tail_at(part, element_offset(list, kind, i));
        if (element_is_there(part, list, i) && !lies_in(text, text.count, layout->bytes, len))
            return false;
    }
    return true;
}

enum ax_code ax_online_part_check(const struct ax_online_layout *layout,
                                  const struct ax_online_part *part, size_t len, struct ax_err *err)
{
    assert(layout && part && (uintptr_t)part % ALIGN == 0);
    if (len < layout->bytes || len % ALIGN || (!layout->has_tails && len != layout->bytes))
        return ax_fail(err, AX_E_INVALID, "a part of the online store has %zu bytes, not %u", len,
                       layout->bytes);
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct ax_online_field *field = &layout->fields[i];
        if (!has_tail(field->storage) || !ax_online_part_has(part, i))
            continue;
        struct ax_online_tail text = tail_at(part, field->offset);
        if (field->storage.is_list
                ? !check_list(layout, field->storage.kind, part, field->offset, len)
                : !lies_in(text, text.count, layout->bytes, len))
            return ax_fail(err, AX_E_INVALID,
                           "field %zu of a part of the online store lies "
                           "outside of it",
                           i);
    }
    return AX_OK;
}

/* ---- reading ---- */

/* At most 64 parts that are read together. */
struct read_block {
    const struct ax_online_part *const *parts;
    size_t rows;
    size_t first; /* row of the columns */
    size_t word;  /* of validity that `all` is of */
    uint64_t all; /* the fields of that word that each part has */
};

static uint64_t fields_of_all(const struct read_block *block, size_t word)
{
    uint64_t all = UINT64_MAX;
    for (size_t r = 0; r < block->rows; r++)
        all &= block->parts[r] ? block->parts[r]->validity[word] : 0;
    return all;
}

/* Whether each part has the field. */
static bool is_in_all(struct read_block *block, size_t field)
{
    if (block->word != field / 64) {
        block->word = field / 64;
        block->all = fields_of_all(block, block->word);
    }
    return block->all >> (field % 64) & 1;
}

/* One field of a block: `widened`, which is of `from`, of what lies there, else 0, and the bits. A
 * field that each part has is not asked for part by part. */
#define READ_BLOCK(to, widened)                                              \
    do {                                                                     \
        for (size_t r = 0; is_whole && r < rows; r++) {                      \
            const char *from = (const char *)parts[r] + offset;              \
            (to)[r] = (widened);                                             \
        }                                                                    \
        for (size_t r = 0; !is_whole && r < rows; r++) {                     \
            bool has = parts[r] && ax_online_part_has(parts[r], at);         \
            const char *from = has ? (const char *)parts[r] + offset : NULL; \
            (to)[r] = has ? (widened) : 0;                                   \
            present |= (uint64_t)has << r;                                   \
        }                                                                    \
    } while (0)

/* The field `at`, which is no list. Returns its validity. */
static uint64_t read_scalars(const struct ax_online_field *field, size_t at,
                             struct read_block *block, struct ax_values *values)
{
    const struct ax_online_part *const *parts = block->parts;
    size_t rows = block->rows;
    size_t first = block->first;
    size_t offset = field->offset;
    bool is_whole = is_in_all(block, at);
    uint64_t present = is_whole ? UINT64_MAX : 0;
    switch (field->storage.kind) {
    case AX_STORAGE_BOOL:
        READ_BLOCK(values->bools + first, (uint8_t)*from);
        break;
    case AX_STORAGE_INT32:
        READ_BLOCK(values->i64s + first, ax_online_load_i32(from));
        break;
    case AX_STORAGE_FLOAT32:
        READ_BLOCK(values->f64s + first, (double)ax_online_load_f32(from));
        break;
    case AX_STORAGE_FLOAT64:
        READ_BLOCK(values->f64s + first, ax_online_load_f64(from));
        break;
    case AX_STORAGE_INT64:
    case AX_STORAGE_TIMESTAMP:
    case AX_STORAGE_DURATION:
        READ_BLOCK(values->i64s + first, ax_online_load_i64(from));
        break;
    case AX_STORAGE_STRING:
    case AX_STORAGE_BYTES:
        for (size_t r = 0; r < rows; r++) {
            bool is_there = parts[r] && ax_online_part_has(parts[r], at);
            values->texts[first + r] = is_there ? text_at(parts[r], offset) : AX_STR("");
            present |= (uint64_t)is_there << r;
        }
        break;
    case AX_STORAGE_COUNT:
        assert(!"no storage");
    }
    return present;
}

/* The elements of a list, as a column of a scalar storage is read. */
static inline void read_element(const struct ax_online_part *part, enum ax_storage_kind kind,
                                size_t from, struct ax_values *items, size_t item)
{
    const char *at = (const char *)part + from;
    switch (kind) {
    case AX_STORAGE_BOOL:
        items->bools[item] = (uint8_t)*at;
        break;
    case AX_STORAGE_INT32:
        items->i64s[item] = ax_online_load_i32(at);
        break;
    case AX_STORAGE_FLOAT32:
        items->f64s[item] = (double)ax_online_load_f32(at);
        break;
    case AX_STORAGE_FLOAT64:
        items->f64s[item] = ax_online_load_f64(at);
        break;
    case AX_STORAGE_INT64:
    case AX_STORAGE_TIMESTAMP:
    case AX_STORAGE_DURATION:
        items->i64s[item] = ax_online_load_i64(at);
        break;
    case AX_STORAGE_STRING:
    case AX_STORAGE_BYTES:
        items->texts[item] = text_at(part, from);
        break;
    case AX_STORAGE_COUNT:
        assert(!"no storage");
    }
}

static void read_list(const struct ax_online_part *part, const struct ax_online_field *field,
                      struct ax_values *items, struct ax_span *span)
{
    struct ax_online_tail list = tail_at(part, field->offset);
    for (size_t i = 0; i < list.count; i++) {
        size_t item = span->from + i;
        if (element_is_there(part, list, i))
            read_element(part, field->storage.kind, element_offset(list, field->storage.kind, i),
                         items, item);
        else
            ax_values_set_null(items, item);
    }
    span->count = list.count;
}

static enum ax_code read_lists(const struct ax_online_field *field, size_t at,
                               const struct ax_online_part *const *parts, size_t rows,
                               struct ax_arena *arena, struct ax_values *values, struct ax_err *err)
{
    size_t total = 0;
    for (size_t r = 0; r < rows; r++) {
        if (parts[r] && ax_online_part_has(parts[r], at))
            total += tail_at(parts[r], field->offset).count;
    }
    if (total > UINT32_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "lists of a batch have %zu elements", total);
    struct ax_values *items = ax_arena_alloc(arena, 1, sizeof(*items));
    struct ax_type type = { field->type.kind, false };
    if (!items)
        return ax_arena_fail(arena, "the lists of a batch", err);
    if (ax_values_init(items, type, total, arena, err))
        return err->code;
    values->items = items;
    uint32_t from = 0;
    for (size_t r = 0; r < rows; r++) {
        values->spans[r] = (struct ax_span){ .from = from };
        if (parts[r] && ax_online_part_has(parts[r], at))
            read_list(parts[r], field, items, &values->spans[r]);
        else
            ax_values_set_null(values, r);
        from += values->spans[r].count;
    }
    return AX_OK;
}

/* Room for all columns at once, each as long as the longest can be, and validity bits that are all
 * set. */
static enum ax_code make_columns(const struct ax_online_layout *layout, const size_t *fields,
                                 size_t field_count, size_t rows, struct ax_arena *arena,
                                 struct ax_values *ret_values, struct ax_err *err)
{
    size_t words = words_of(rows);
    size_t column_bytes = rows * (layout->has_tails ? sizeof(struct ax_str) : sizeof(int64_t));
    uint64_t *validity = ax_arena_alloc(arena, words * field_count, sizeof(*validity));
    char *data = validity ? ax_arena_alloc(arena, field_count, column_bytes) : NULL;
    if (!data)
        return ax_arena_fail(arena, "the features of a batch", err);
    memset(validity, 0xFF, words * field_count * sizeof(*validity));
    for (size_t i = 0; i < field_count; i++, data += column_bytes, validity += words)
        ret_values[i] = (struct ax_values){
            .type = layout->fields[fields[i]].type, .rows = rows, .data = data, .validity = validity
        };
    return AX_OK;
}

/* What is no list, of one part: of few, field by field costs more to begin with. */
static void read_row(const struct ax_online_layout *layout, const size_t *fields,
                     size_t field_count, const struct ax_online_part *part, size_t row,
                     struct ax_values *values)
{
    for (size_t i = 0; i < field_count; i++) {
        const struct ax_online_field *field = &layout->fields[fields[i]];
        if (field->storage.is_list)
            continue;
        if (part && ax_online_part_has(part, fields[i]))
            read_element(part, field->storage.kind, field->offset, &values[i], row);
        else
            ax_values_set_null(&values[i], row);
    }
}

enum ax_code ax_online_read(const struct ax_online_layout *layout, const size_t *fields,
                            size_t field_count, const struct ax_online_part *const *parts,
                            size_t rows, struct ax_arena *arena, struct ax_values *ret_values,
                            struct ax_err *err)
{
    assert(layout && fields && parts && arena && ret_values && err);
    if (make_columns(layout, fields, field_count, rows, arena, ret_values, err))
        return err->code;
    for (size_t i = 0; layout->has_tails && i < field_count; i++) {
        const struct ax_online_field *field = &layout->fields[fields[i]];
        if (field->storage.is_list &&
            read_lists(field, fields[i], parts, rows, arena, &ret_values[i], err))
            return err->code;
    }
    if (rows < BLOCK_ROWS_MIN) {
        for (size_t row = 0; row < rows; row++)
            read_row(layout, fields, field_count, parts[row], row, ret_values);
        return AX_OK;
    }
    for (size_t first = 0; first < rows; first += 64) {
        struct read_block block = { .parts = parts + first,
                                    .rows = AX_MIN(rows - first, (size_t)64),
                                    .first = first,
                                    .word = SIZE_MAX };
        for (size_t i = 0; i < field_count; i++) {
            const struct ax_online_field *field = &layout->fields[fields[i]];
            if (!field->storage.is_list)
                ret_values[i].validity[first / 64] =
                    read_scalars(field, fields[i], &block, &ret_values[i]);
        }
    }
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding parts, and making a row of another one.
 *
 * Parts lie in the order of the list, one behind the other, so that a part ends where the next one
 * begins and the list needs no lengths. A row with another part is written in one pass: header and
 * list, key, and the parts.
 */
#include "feature/online/online_row.h"

#include <assert.h>

#define ALIGN 8

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

const char *ax_online_status_name(enum ax_online_status status)
{
    static const char *const names[] = {
        [AX_ONLINE_PRESENT] = "PRESENT",       [AX_ONLINE_NULL_VALUE] = "NULL_VALUE",
        [AX_ONLINE_NOT_FOUND] = "NOT_FOUND",   [AX_ONLINE_OUTSIDE_MAX_AGE] = "OUTSIDE_MAX_AGE",
        [AX_ONLINE_STORE_DOWN] = "STORE_DOWN",
    };
    assert((size_t)status < AX_COUNT(names));
    return names[status];
}

int ax_online_stamp_compare(const struct ax_online_stamp *a, const struct ax_online_stamp *b)
{
    assert(a && b);
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static size_t key_offset(size_t part_count)
{
    return sizeof(struct ax_online_row) + part_count * sizeof(struct ax_online_place);
}

struct ax_str ax_online_row_key(const struct ax_online_row *row)
{
    assert(row);
    return (struct ax_str){ (const char *)row + key_offset(row->part_count), row->key_len };
}

/* Where the layout stands in the list, or would. */
static size_t find_place(const struct ax_online_row *row, uint32_t layout)
{
    size_t low = 0;
    size_t high = row->part_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (row->places[middle].layout < layout)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_layout(const struct ax_online_row *row, size_t at, uint32_t layout)
{
    return at < row->part_count && row->places[at].layout == layout;
}

static const struct ax_online_part *part_at(const struct ax_online_row *row, size_t at)
{
    return (const void *)((const char *)row + row->places[at].offset);
}

const struct ax_online_part *ax_online_row_part(const struct ax_online_row *row, uint32_t layout)
{
    assert(row);
    size_t at = find_place(row, layout);
    return has_layout(row, at, layout) ? part_at(row, at) : NULL;
}

enum ax_online_status ax_online_part_status(const struct ax_online_part *part, int64_t ttl_us,
                                            int64_t at)
{
    if (!part || part->stamp.time > at)
        return AX_ONLINE_NOT_FOUND;
    bool is_old = ttl_us && part->stamp.time != AX_ONLINE_TIMELESS &&
                  (uint64_t)at - (uint64_t)part->stamp.time > (uint64_t)ttl_us;
    return is_old ? AX_ONLINE_OUTSIDE_MAX_AGE : AX_ONLINE_PRESENT;
}

size_t ax_online_row_part_bytes(const struct ax_online_row *row, size_t at)
{
    assert(row && at < row->part_count);
    size_t end = at + 1 < row->part_count ? row->places[at + 1].offset : row->bytes;
    return end - row->places[at].offset;
}

/* A row that is written from its front to its end. */
struct row_writer {
    struct ax_online_row *row;
    size_t end;
};

static void writer_begin(struct row_writer *writer, struct ax_str key, size_t part_count)
{
    size_t offset = key_offset(part_count);
    writer->row->key_len = (uint16_t)key.len;
    writer->row->part_count = 0;
    writer->end = offset + aligned(key.len);
    char *to = (char *)writer->row + offset;
    memset(to + key.len, 0, writer->end - offset - key.len);
    memcpy(to, key.ptr, key.len);
}

static void writer_add(struct row_writer *writer, uint32_t layout,
                       const struct ax_online_part *part, size_t bytes)
{
    writer->row->places[writer->row->part_count++] =
        (struct ax_online_place){ layout, (uint32_t)writer->end };
    memcpy((char *)writer->row + writer->end, part, bytes);
    writer->end += bytes;
}

static void writer_add_old(struct row_writer *writer, const struct ax_online_row *old, size_t from,
                           size_t end)
{
    for (size_t i = from; i < end; i++)
        writer_add(writer, old->places[i].layout, part_at(old, i),
                   ax_online_row_part_bytes(old, i));
}

/* Bytes of the parts of `old` but for the one at `at`, if it is there. */
static size_t other_bytes(const struct ax_online_row *old, size_t at, bool is_there)
{
    if (!old->part_count)
        return 0;
    return old->bytes - old->places[0].offset - (is_there ? ax_online_row_part_bytes(old, at) : 0);
}

size_t ax_online_row_with(const struct ax_online_row *old, struct ax_str key, uint32_t layout,
                          const struct ax_online_part *part, size_t bytes, void *out)
{
    static const struct ax_online_row none;
    assert(key.ptr && key.len <= AX_ONLINE_KEY_BYTES_MAX && part && bytes % ALIGN == 0);
    if (!old)
        old = &none;
    size_t at = find_place(old, layout);
    bool is_there = has_layout(old, at, layout);
    size_t part_count = old->part_count + (size_t)!is_there;
    size_t total =
        key_offset(part_count) + aligned(key.len) + other_bytes(old, at, is_there) + bytes;
    if (!out)
        return total;
    assert(total <= AX_ONLINE_ROW_BYTES_MAX && part_count <= UINT16_MAX);
    struct row_writer writer = { .row = out };
    writer.row->bytes = (uint32_t)total;
    writer_begin(&writer, key, part_count);
    writer_add_old(&writer, old, 0, at);
    writer_add(&writer, layout, part, bytes);
    writer_add_old(&writer, old, at + is_there, old->part_count);
    assert(writer.end == total);
    return total;
}

size_t ax_online_row_without(const struct ax_online_row *old, uint32_t layout, void *out)
{
    assert(old);
    size_t at = find_place(old, layout);
    assert(has_layout(old, at, layout));
    size_t total = old->bytes - ax_online_row_part_bytes(old, at) - sizeof(struct ax_online_place);
    if (!out)
        return total;
    struct row_writer writer = { .row = out };
    writer.row->bytes = (uint32_t)total;
    writer_begin(&writer, ax_online_row_key(old), old->part_count - (size_t)1);
    writer_add_old(&writer, old, 0, at);
    writer_add_old(&writer, old, at + 1, old->part_count);
    assert(writer.end == total);
    return total;
}

enum ax_code ax_online_row_check(const void *ptr, size_t len, struct ax_err *err)
{
    assert(ptr && (uintptr_t)ptr % ALIGN == 0);
    const struct ax_online_row *row = ptr;
    if (len < sizeof(*row) || len > AX_ONLINE_ROW_BYTES_MAX || row->bytes != len || len % ALIGN)
        return ax_fail(err, AX_E_INVALID, "a row of the online store has another size");
    size_t end = key_offset(row->part_count) + aligned(row->key_len);
    if (row->key_len > AX_ONLINE_KEY_BYTES_MAX || end > len)
        return ax_fail(err, AX_E_INVALID, "the key of a row of the online store is too long");
    for (size_t i = 0; i < row->part_count; i++) {
        const struct ax_online_place *place = &row->places[i];
        bool is_placed = i ? place->layout > place[-1].layout &&
                                 place->offset >= place[-1].offset + sizeof(struct ax_online_part)
                           : place->offset == end;
        if (!is_placed || place->offset % ALIGN || place->offset > len ||
            len - place->offset < sizeof(struct ax_online_part))
            return ax_fail(err, AX_E_INVALID, "part %zu of a row of the online store is misplaced",
                           i);
    }
    return AX_OK;
}

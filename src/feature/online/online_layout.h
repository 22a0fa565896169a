/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one view's values lie in a part of a row: written from columns, and read into columns.
 *
 * Behind the validity words come the values in the order of their widths (8, 4, 1 bytes), as they
 * are stored; behind those, texts and lists, which the values point to by offsets from the part's
 * begin. A layout has a number; that of a changed view is another one, so that parts of both may
 * stand in one row. A layout is immutable; threads may share it.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_LAYOUT_H
#define AX_FEATURE_ONLINE_ONLINE_LAYOUT_H

#include "data/expr/values.h"
#include "feature/definitions.h"
#include "feature/online/online_row.h"

#include <string.h>

struct ax_online_field {
    struct ax_storage storage;
    struct ax_type type; /* the computation type */
    uint32_t offset;     /* of the value, from the part's begin */
};

/* Of a text: its bytes. Of a list: validity words, aligned to 8, then the elements, of which texts
 * are again such. */
struct ax_online_tail {
    uint32_t offset; /* from the part's begin */
    uint32_t count;  /* of bytes, or elements */
};

struct ax_online_layout {
    uint32_t id;
    uint32_t bytes; /* of a part without its texts and lists, a multiple of 8 */
    size_t field_count;
    bool has_tails; /* some field is a text or a list */
    const struct ax_online_field *fields;
};

/* Bytes of a value in a part, without its tail. */
size_t ax_online_value_width(struct ax_storage storage);

/* For fields of these storages, in their order. Lives in the arena. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_online_layout_init(struct ax_online_layout *layout, uint32_t id,
                                               const struct ax_storage *storages, size_t count,
                                               struct ax_arena *arena, struct ax_err *err);
/* For the fields of a view. */
AX_MUST_USE enum ax_code ax_online_layout_of_view(struct ax_online_layout *layout, uint32_t id,
                                                  const struct ax_view *view,
                                                  struct ax_arena *arena, struct ax_err *err);

/* Write row `row` of `fields` (a column of the computation type for each field of the layout) as a
 * part to `out`, aligned to 8, and return its bytes, a multiple of 8; `out` NULL: only that. Values
 * are narrowed to what is stored; what does not fit is null. More than AX_ONLINE_ROW_BYTES_MAX must
 * not be written. */
size_t ax_online_part_write(const struct ax_online_layout *layout,
                            const struct ax_online_stamp *stamp,
                            const struct ax_values *const *fields, size_t row, void *out);

/* Likewise a part with `newer`'s stamp and those of its fields that `given` has a bit for; the
 * others are those of `stored`. */
size_t ax_online_part_merge(const struct ax_online_layout *layout,
                            const struct ax_online_part *newer, const uint64_t *given,
                            const struct ax_online_part *stored, void *out);

/* Likewise a part with the stamp of a part of another layout and, for each field, its field of that
 * number, of the same storage; AX_ONLINE_FORM_NEW: null. */
size_t ax_online_part_carry(const struct ax_online_layout *layout, const size_t *from,
                            const struct ax_online_layout *former,
                            const struct ax_online_part *part, void *out);

/* Whether a part of `len` bytes from elsewhere is one of this layout: all that its values point to
 * lies in it. Texts are not looked into. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_online_part_check(const struct ax_online_layout *layout,
                                              const struct ax_online_part *part, size_t len,
                                              struct ax_err *err);

/* A value as it lies in a part. */
static inline int64_t ax_online_load_i64(const char *from)
{
    int64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline int32_t ax_online_load_i32(const char *from)
{
    int32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline float ax_online_load_f32(const char *from)
{
    float value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline double ax_online_load_f64(const char *from)
{
    double value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline bool ax_online_part_has(const struct ax_online_part *part, size_t field)
{
    return part->validity[field / 64] >> (field % 64) & 1;
}

/* Read these fields of `rows` parts (NULL: all of its values are null) into a column each, of the
 * computation types. Texts are borrowed from the parts. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_online_read(const struct ax_online_layout *layout, const size_t *fields,
                                        size_t field_count,
                                        const struct ax_online_part *const *parts, size_t rows,
                                        struct ax_arena *arena, struct ax_values *ret_values,
                                        struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of the online store: one key of an entity, with the newest values of all its views.
 *
 * A row is flat bytes without pointers, aligned to 8: the header, a list of its parts in the order
 * of their layouts' ids, the key, and the parts. A part has one view's values as its layout says
 * (feature/online/online_layout.h). So a row may be kept anywhere byte for byte, and read where it
 * lies. A published row is never changed: a change makes another one. See
 * docs/internals/online-store.md.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_ROW_H
#define AX_FEATURE_ONLINE_ONLINE_ROW_H

#include "base/err.h"
#include "base/str.h"

#define AX_ONLINE_KEY_BYTES_MAX ((size_t)1 << 10)
#define AX_ONLINE_ROW_BYTES_MAX ((size_t)1 << 20)

/* The time of a part whose source has none: the same at every moment. */
#define AX_ONLINE_TIMELESS INT64_MIN

/* What orders the versions of a part: the greatest (time, created, sequence) is the newest. */
struct ax_online_stamp {
    int64_t time;    /* from when it is true, microseconds UTC; or AX_ONLINE_TIMELESS */
    int64_t created; /* when it was learnt, microseconds UTC */
    uint64_t sequence;
};

struct ax_online_part {
    struct ax_online_stamp stamp;
    uint64_t validity[]; /* bit f % 64 of word f / 64 is 1: field f is there; then the values */
};

struct ax_online_place {
    uint32_t layout; /* id */
    uint32_t offset; /* of the part, from the row's begin */
};

struct ax_online_row {
    uint32_t bytes; /* of all of it, a multiple of 8 */
    uint16_t key_len;
    uint16_t part_count;
    struct ax_online_place places[];
};

/* Of a value, or of a whole part. */
enum ax_online_status {
    AX_ONLINE_PRESENT,
    AX_ONLINE_NULL_VALUE,      /* the newest value is null */
    AX_ONLINE_NOT_FOUND,       /* nothing is known, or only what is later than the moment */
    AX_ONLINE_OUTSIDE_MAX_AGE, /* the newest value is older than the view's ttl allows */
    AX_ONLINE_STORE_DOWN,      /* the store could not be asked */
    AX_ONLINE_STATUS_COUNT
};
/* "PRESENT", … */
const char *ax_online_status_name(enum ax_online_status status) AX_RETURNS_NONNULL;

/* Negative, 0 or positive: a is older than b, the same, newer. */
int ax_online_stamp_compare(const struct ax_online_stamp *a, const struct ax_online_stamp *b);

struct ax_str ax_online_row_key(const struct ax_online_row *row);

/* The part of that layout, or NULL. */
const struct ax_online_part *ax_online_row_part(const struct ax_online_row *row, uint32_t layout);

/* Of a part (NULL: there is none) at the moment `at`: PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE. A ttl
 * of 0 is none. */
enum ax_online_status ax_online_part_status(const struct ax_online_part *part, int64_t ttl_us,
                                            int64_t at);

/* Bytes of the part at place `at`. */
size_t ax_online_row_part_bytes(const struct ax_online_row *row, size_t at);

/* Write the row `old` (NULL: none yet) of `key` with one part replaced or added to `out`, and
 * return its bytes; `out` NULL: only that. `bytes` are the part's, a multiple of 8. `out` is zeroed
 * nowhere. More than AX_ONLINE_ROW_BYTES_MAX must not be written. */
size_t ax_online_row_with(const struct ax_online_row *old, struct ax_str key, uint32_t layout,
                          const struct ax_online_part *part, size_t bytes, void *out);

/* Likewise without the part of that layout, which is there. */
size_t ax_online_row_without(const struct ax_online_row *old, uint32_t layout, void *out);

/* Whether `len` bytes from elsewhere, aligned to 8, are one row: sizes, order and places. What lies
 * in a part is for ax_online_part_check. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_online_row_check(const void *ptr, size_t len, struct ax_err *err);

#endif

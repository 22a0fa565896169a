/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of a journal: its file's name, its head, and a walk over its groups.
 *
 * What writer and readers have in common (docs/internals/online-store.md has the format). All bytes
 * are taken for foreign ones, and checked. Not thread-safe.
 */
#ifndef AX_FEATURE_ONLINE_JOURNAL_SEGMENT_H
#define AX_FEATURE_ONLINE_JOURNAL_SEGMENT_H

#include "base/buf.h"
#include "feature/online/online_layout.h"

#define AX_JOURNAL_HEAD_BYTES_MAX ((size_t)1 << 20)
#define AX_JOURNAL_SEQUENCE_MAX   UINT64_C(9999999999999999)

struct ax_journal_group {
    uint32_t bytes; /* of all of it, a multiple of 8 */
    uint32_t rows;
    uint64_t first; /* sequence */
    uint64_t body_hash;
    uint64_t head_hash; /* of what stands above, and its place */
};

/* A segment that is open. */
struct ax_journal_segment {
    int fd;
    char *path;            /* owned */
    uint64_t first;        /* sequence */
    uint64_t seed;         /* of its hashes */
    uint64_t at;           /* where the next group begins */
    uint64_t next;         /* the sequence of its first row */
    uint64_t bytes_at;     /* where `bytes` stands in the file */
    struct ax_buf bytes;   /* a part of the file */
    struct ax_arena arena; /* of what follows */
    struct ax_str source;
    struct ax_definition_column *columns;
    size_t column_count;
    struct ax_online_layout layout;
};

/* The first sequences of a folder's segments, ascending; to be freed. A folder that is not there
 * has none. Expected: DENIED, INVALID. */
AX_MUST_USE enum ax_code ax_journal_list(const char *folder, uint64_t **ret_firsts,
                                         size_t *ret_count, struct ax_err *err);

/* To be freed. */
char *ax_journal_path(const char *folder, uint64_t first);

/* Make the file of a new segment, which takes the place of one of that name. Blocks. Expected:
 * LIMIT, DENIED. */
AX_MUST_USE enum ax_code ax_journal_segment_make(const char *path, uint64_t first,
                                                 struct ax_str source,
                                                 const struct ax_definition_column *columns,
                                                 size_t column_count, struct ax_err *err);

/* Open a file and read its head; `flags` as for open(2). The walk begins at the first group.
 * Expected: NOT_FOUND, DENIED, INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_journal_segment_open(struct ax_journal_segment *segment,
                                                 const char *folder, uint64_t first, int flags,
                                                 struct ax_err *err);
/* One that was opened, or is zeroed. */
void ax_journal_segment_done(struct ax_journal_segment *segment);

enum ax_journal_step {
    AX_JOURNAL_GROUP,  /* a whole group */
    AX_JOURNAL_END,    /* the end of the file */
    AX_JOURNAL_BROKEN, /* what stands at `at` is no whole group */
    AX_JOURNAL_LATER,  /* the group is not in memory */
};

/* Go to the next group that has rows of `from` on. Groups that were given before may be gone
 * afterwards, unless `is_kept`: then only what is in memory is looked at. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_journal_segment_step(struct ax_journal_segment *segment, uint64_t from,
                                                 bool is_kept, enum ax_journal_step *ret_step,
                                                 const struct ax_journal_group **ret_group,
                                                 struct ax_err *err);

/* Go to the end: *ret_step is AX_JOURNAL_END, or AX_JOURNAL_BROKEN where a write was broken off or
 * is under way; *ret_hash the last whole group's head's, 0 without one. Expected: INVALID (what is
 * broken has the head of a later group behind it: damage), LIMIT. */
AX_MUST_USE enum ax_code ax_journal_segment_to_end(struct ax_journal_segment *segment,
                                                   enum ax_journal_step *ret_step,
                                                   uint64_t *ret_hash, struct ax_err *err);

/* Whether the group at `at`, which is not whole, goes on behind the end of the file, or ends in its
 * head. */
AX_MUST_USE enum ax_code ax_journal_segment_is_short(struct ax_journal_segment *segment,
                                                     uint64_t file_bytes, bool *ret_is_short,
                                                     struct ax_err *err);

/* Fill in the head of a group that is complete but for that, for the place `at` in the file of a
 * segment with that seed. */
void ax_journal_group_seal(uint64_t seed, uint64_t at, struct ax_journal_group *group);

/* Give a segment's head, which is whole, another seed: that of what takes its place. */
AX_MUST_USE enum ax_code ax_journal_head_reseed(char *head, size_t bytes, uint64_t *ret_seed,
                                                struct ax_err *err);

/* The seed alone of a segment; of one whose head is damaged, some number. Expected: NOT_FOUND,
 * DENIED. */
AX_MUST_USE enum ax_code ax_journal_segment_seed(const char *folder, uint64_t first,
                                                 uint64_t *ret_seed, struct ax_err *err);

/* Make the file anew in which rows have no values: those of the `count` sequences, ascending, of
 * which those behind the segment are left; *ret_count says how many it has. Nobody appends to it;
 * who has it open goes on reading the former. Blocks. Expected: INVALID (damaged), LIMIT, DENIED.
 */
AX_MUST_USE enum ax_code ax_journal_segment_erase(const char *folder, uint64_t first,
                                                  const uint64_t *sequences, size_t count,
                                                  size_t *ret_count, struct ax_err *err);

/* Append the part of a row without values. */
void ax_journal_put_blank(struct ax_buf *out, const struct ax_online_layout *layout,
                          const struct ax_online_stamp *stamp);

/* The bytes of each row of a group. */
static inline const uint32_t *ax_journal_group_lengths(const struct ax_journal_group *group)
{
    size_t table = ((size_t)group->rows + 1) / 2 * 2 * sizeof(uint32_t);
    return (const void *)((const char *)group + group->bytes - table);
}

#endif

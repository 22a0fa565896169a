/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the online store on the disk: what the table in memory is filled from at a start.
 *
 * A folder with rows by entity and key, and facts about them: the numbers of entities and layouts,
 * and up to where each journal is in the rows. Rows are folded into it by batches, each with the
 * journals' new positions in one transaction, synced: after kill -9 or a loss of power, rows and
 * positions agree. The caller owns the folder (base/state_lock.h), and opens it once.
 *
 * One thread, the store's writer, uses it; where it is said, others may beside it. All of it may
 * wait for the disk. Damage and foreign files are INVALID, with what to do.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_DISK_H
#define AX_FEATURE_ONLINE_ONLINE_DISK_H

#include "base/arena.h"
#include "feature/online/online.h"

/* Of the names and the digest of a layout together, and of other names. */
#define AX_ONLINE_DISK_NAME_BYTES_MAX 448

/* What bytes_max may be at the least. */
#define AX_ONLINE_DISK_BYTES_MIN ((uint64_t)64 << 10)

struct ax_online_disk;
struct ax_online_disk_walk;

/* What is so of one key from now on. */
struct ax_online_disk_item {
    uint32_t entity; /* number */
    struct ax_str key;
    const struct ax_online_row *row; /* of that key; NULL: there is none */
};

/* Rows of the journal with sequences below `next` are in the rows. */
struct ax_online_disk_position {
    struct ax_str journal;
    uint64_t next;
};

/* The form (feature/online/online_form.h) of a view of which all values are in the rows. */
struct ax_online_disk_form {
    struct ax_str entity, view; /* names */
    struct ax_str bytes;
};

struct ax_online_disk_fold {
    const struct ax_online_disk_item *items; /* in any order; of one key the last is taken */
    size_t item_count;
    const struct ax_online_disk_position *positions;
    size_t position_count;
    const struct ax_online_disk_form *forms;
    size_t form_count;
};

/* Open a folder, which is made when it is not there. `bytes_max` bounds its file, and takes
 * addresses, not memory. Expected: INVALID, LIMIT, DENIED. */
AX_MUST_USE enum ax_code ax_online_disk_open(const char *folder, uint64_t bytes_max,
                                             struct ax_online_disk **ret_disk, struct ax_err *err);
/* Nobody uses it any more. NULL is fine. */
void ax_online_disk_close(struct ax_online_disk *disk);

/* When its file was made, UTC; 0: by an auspex that did not write it down. Any thread. */
int64_t ax_online_disk_made_us(const struct ax_online_disk *disk);

/* The number of an entity, or of a view's layout (`digest` says what of the view's definition it
 * depends on): the same whenever it is asked for, given when it is asked for first. From 1 on.
 * Expected: INVALID, LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_online_disk_entity(struct ax_online_disk *disk, struct ax_str entity,
                                               uint32_t *ret_number, struct ax_err *err);
AX_MUST_USE enum ax_code ax_online_disk_layout(struct ax_online_disk *disk, struct ax_str entity,
                                               struct ax_str view, struct ax_str digest,
                                               uint32_t *ret_number, struct ax_err *err);

/* Up to where a journal is in the rows; 0: nothing of it. *ret_is_told: a fold told it, if only
 * that there is nothing. Expected: INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_online_disk_position(struct ax_online_disk *disk, struct ax_str journal,
                                                 uint64_t *ret_next, bool *ret_is_told,
                                                 struct ax_err *err);

/* The form of a view that was folded last, copied to the arena; ptr NULL: there is none. Expected:
 * INVALID, LIMIT, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_online_disk_form(struct ax_online_disk *disk, struct ax_str entity,
                                             struct ax_str view, struct ax_arena *arena,
                                             struct ax_str *ret_bytes, struct ax_err *err);

/* Do all of it, or nothing; then the rows and positions that were there stay and can be read.
 * Expected: LIMIT (bytes_max, the disk or memory), INVALID, UNAVAILABLE (it takes nothing more
 * until it is opened anew). */
AX_MUST_USE enum ax_code ax_online_disk_fold(struct ax_online_disk *disk,
                                             const struct ax_online_disk_fold *fold,
                                             struct ax_err *err);

/* The row of a key, copied to the arena; NULL: there is none. Any thread, beside a fold, too.
 * Expected: INVALID, TOO_LARGE (the arena), LIMIT. */
AX_MUST_USE enum ax_code ax_online_disk_get(struct ax_online_disk *disk, uint32_t entity,
                                            struct ax_str key, struct ax_arena *arena,
                                            const struct ax_online_row **ret_row,
                                            struct ax_err *err);

/* Rows of all entities, and facts about them. Any thread. */
uint64_t ax_online_disk_entries(const struct ax_online_disk *disk);

/* A walk through all rows of an entity as they are when it begins, beside folds, too, whose file
 * grows meanwhile. Any thread, one at a time. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_online_disk_walk_begin(struct ax_online_disk *disk, uint32_t entity,
                                                   struct ax_online_disk_walk **ret_walk,
                                                   struct ax_err *err);
/* NULL is fine. */
void ax_online_disk_walk_end(struct ax_online_disk_walk *walk);
/* The next rows, a few hundred at most, which are valid until it is called again; 0: there are no
 * more. Expected: INVALID; then it can only be ended. */
AX_MUST_USE enum ax_code ax_online_disk_walk_next(struct ax_online_disk_walk *walk,
                                                  const struct ax_online_row *const **ret_rows,
                                                  size_t *ret_count, struct ax_err *err);

#endif

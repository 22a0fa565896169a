/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folding in the background: keys that were written go to the disk as they are in the table.
 *
 * A thread of its own takes a set of keys, in the order of the disk, in parts: it copies their rows
 * as a reader does, and writes them in one transaction a part; the last one has the journals'
 * positions, and the forms of views. Since rows are copied later than their keys were noted, they
 * may be newer than the positions say: what is applied again then is the same, or stale.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_FOLD_H
#define AX_FEATURE_ONLINE_ONLINE_FOLD_H

#include "base/inbox.h"
#include "feature/online/online_disk.h"
#include "feature/online/online_unfolded.h"

struct ax_online_folder;

/* The owner's, until it comes to its inbox; `receive` is the owner's. */
struct ax_online_fold {
    struct ax_message message;
    struct ax_online_unfolded keys;
    struct ax_buf positions; /* struct ax_online_disk_position, whose names are borrowed */
    struct ax_buf forms;     /* struct ax_online_disk_form, likewise */
    struct ax_err err;
    uint64_t folded; /* keys */
};

/* Store, disk, epoch and inbox are borrowed. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_online_folder_new(struct ax_online *store, struct ax_online_disk *disk,
                                              struct ax_epoch *epoch, struct ax_inbox *inbox,
                                              struct ax_online_folder **ret_folder,
                                              struct ax_err *err);
/* Waits for what it does; its message is in the inbox then. NULL is fine. */
void ax_online_folder_free(struct ax_online_folder *folder);

/* Begin one; the one before has come back. Never blocks. */
void ax_online_folder_begin(struct ax_online_folder *folder, struct ax_online_fold *fold);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dataset snapshots of a state directory: folders named by their digests, each whole or not
 * there.
 *
 * Who makes or deletes one opens the store, as often and by as many processes as want to: each has
 * a work folder of its own, and of two that make the same snapshot one is kept. Nobody takes the
 * lock of the state directory. Who only reads needs no store. docs/internals/dataset-snapshots.md
 *
 *     ax_dataset_store_open → write a Parquet file to ax_dataset_store_rows → ax_dataset_store_keep
 */
#ifndef AX_PIPELINE_DATASET_STORE_H
#define AX_PIPELINE_DATASET_STORE_H

#include "pipeline/dataset_manifest.h"

struct ax_dataset_store;

/* Make a work folder in the state directory `state`, which is made when it is not there, and remove
 * those that dead processes left. Expected: DENIED, INVALID, LIMIT (the disk is full). */
AX_MUST_USE enum ax_code ax_dataset_store_open(const char *state,
                                               struct ax_dataset_store **ret_store,
                                               struct ax_err *err);
/* The work folder goes. NULL is fine. */
void ax_dataset_store_close(struct ax_dataset_store *store);

/* The work folder, for what is needed on the way (spilling), and where the rows are to be written;
 * absolute paths, on the file system of the snapshots. */
const char *ax_dataset_store_work(const struct ax_dataset_store *store) AX_RETURNS_NONNULL;
const char *ax_dataset_store_rows(const struct ax_dataset_store *store) AX_RETURNS_NONNULL;

struct ax_dataset_kept {
    char digest[AX_SHA256_TEXT_SIZE];
    char content[AX_SHA256_TEXT_SIZE];
    uint64_t rows;
    size_t columns;
    uint64_t bytes; /* of the Parquet file */
    bool was_there; /* the same dataset was kept before: nothing was written */
};

/* Measure the rows that were written and make a snapshot of them, once a store. `cancelled` may be
 * NULL. Expected: INVALID (no Parquet; a damaged snapshot of that digest is there), LIMIT (the disk
 * is full), TOO_LARGE, CANCELLED. */
AX_MUST_USE enum ax_code ax_dataset_store_keep(struct ax_dataset_store *store, struct ax_sql *sql,
                                               const struct ax_dataset_origin *origin,
                                               atomic_bool *cancelled,
                                               struct ax_dataset_kept *ret_kept,
                                               struct ax_err *err);

/* Delete a snapshot, by its whole digest. Expected: NOT_FOUND, DENIED. */
AX_MUST_USE enum ax_code ax_dataset_store_delete(struct ax_dataset_store *store, const char *digest,
                                                 struct ax_err *err);

/* ---- reading ---- */

/* Digests of the snapshots of `state`, in byte order; those of folders that hold no manifest that
 * can be read too. None when there is no such folder. */
struct ax_dataset_digests {
    char (*items)[AX_SHA256_TEXT_SIZE];
    size_t count;
};
AX_MUST_USE enum ax_code ax_dataset_digests_read(const char *state,
                                                 struct ax_dataset_digests *ret_digests,
                                                 struct ax_err *err);
void ax_dataset_digests_done(struct ax_dataset_digests *digests);

/* The one digest that begins with `start`, at least 4 hex digits of any case. Expected: INVALID (no
 * hex digits, or the beginning of several, which are named), NOT_FOUND (with the nearest). */
AX_MUST_USE enum ax_code ax_dataset_find(const char *state, struct ax_str start,
                                         char ret_digest[AX_SHA256_TEXT_SIZE], struct ax_err *err);

/* Expected: NOT_FOUND, INVALID (damaged), UNSUPPORTED (a newer format), TOO_LARGE. */
AX_MUST_USE enum ax_code ax_dataset_read(const char *state, const char *digest,
                                         struct ax_dataset_manifest *ret_manifest,
                                         struct ax_err *err);

/* Read the rows again, and compare everything with the manifest. Expected: INVALID (what differs),
 * NOT_FOUND (the rows), CANCELLED. */
AX_MUST_USE enum ax_code ax_dataset_verify(const char *state,
                                           const struct ax_dataset_manifest *manifest,
                                           struct ax_sql *sql, atomic_bool *cancelled,
                                           struct ax_err *err);

/* The snapshot's file of rows; the caller frees. */
char *ax_dataset_rows_path(const char *state, const char *digest) AX_RETURNS_NONNULL;

#endif

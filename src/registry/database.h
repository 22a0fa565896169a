/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database below the registry: private to src/registry, so that one file knows SQLite.
 *
 * A query is prepared, given its values, stepped through and ended; it lives on the caller's stack.
 * Positions of values and columns count from 0. Errors are sticky in `err`: when preparing has
 * failed, everything else does nothing, so that a caller checks once a step.
 */
#ifndef AX_REGISTRY_DATABASE_H
#define AX_REGISTRY_DATABASE_H

#include "registry/registry.h"

struct sqlite3;
struct sqlite3_stmt;

struct ax_registry {
    struct sqlite3 *sqlite;
    char *path; /* of the file */
};

/* Open the file, made when `access` is to write. The schema is not looked at. */
AX_MUST_USE enum ax_code ax_database_open(struct ax_registry *registry,
                                          enum ax_registry_access access, struct ax_err *err);
void ax_database_close(struct ax_registry *registry);

/* Run statements without values and results. */
AX_MUST_USE enum ax_code ax_database_run(struct ax_registry *registry, const char *statements,
                                         struct ax_err *err);

/* The integer that a query without values gives. */
AX_MUST_USE enum ax_code ax_database_get(struct ax_registry *registry, const char *query,
                                         int64_t *ret, struct ax_err *err);

/* Fail: the file holds what no registry of ours writes. */
enum ax_code ax_database_damaged_fail(const struct ax_registry *registry, struct ax_err *err,
                                      const char *fmt, ...) AX_PRINTF(3, 4);

/* End the transaction that `begin` has begun: with success when `err` holds none, else undo it.
 * Returns err->code. */
enum ax_code ax_database_end(struct ax_registry *registry, struct ax_err *err);

struct ax_query {
    struct ax_registry *registry;
    struct sqlite3_stmt *statement;
};

AX_MUST_USE enum ax_code ax_query_begin(struct ax_query *query, struct ax_registry *registry,
                                        const char *sql, struct ax_err *err);
/* Fine on one that was not begun, zeroed. */
void ax_query_end(struct ax_query *query);

/* Values; a text is borrowed until the query is reset or ended. */
void ax_query_set_text(struct ax_query *query, int at, struct ax_str text);
void ax_query_set_i64(struct ax_query *query, int at, int64_t value);
void ax_query_set_u64(struct ax_query *query, int at, uint64_t value);

/* Go to the next row; *ret_row is false when there is none. */
AX_MUST_USE enum ax_code ax_query_step(struct ax_query *query, bool *ret_row, struct ax_err *err);

/* Step to the end, for statements without rows, and be ready for the next values. */
AX_MUST_USE enum ax_code ax_query_run(struct ax_query *query, struct ax_err *err);

/* Columns of the row; a text lives until the next step. NULL is 0 and "". */
int64_t ax_query_i64(struct ax_query *query, int column);
uint64_t ax_query_u64(struct ax_query *query, int column); /* of what is never negative */
struct ax_str ax_query_text(struct ax_query *query, int column);

/* A copy of a column's text in the arena. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_query_copy(struct ax_query *query, int column, struct ax_arena *arena,
                                       struct ax_str *ret_text, struct ax_err *err);

/* The key of the last row that was inserted. */
int64_t ax_database_last_key(const struct ax_registry *registry);

/* Room for what a query, which may have one value, counts; one more, so that none is not NULL.
 * Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_registry_make_room(struct ax_registry *registry,
                                               const char *count_query, int64_t value,
                                               size_t item_size, struct ax_arena *arena,
                                               void **ret_items, size_t *ret_count,
                                               struct ax_err *err);

/* How many rows the last statement has changed. */
int64_t ax_database_changes(const struct ax_registry *registry);

/* Make an empty file a registry, or bring an older one up to date; refuse what is none. */
AX_MUST_USE enum ax_code ax_schema_bring(struct ax_registry *registry,
                                         enum ax_registry_access access, struct ax_err *err);

/* Keep the files of `change` as those of apply `number`, in the transaction that is open. */
AX_MUST_USE enum ax_code ax_registry_keep_files(struct ax_registry *registry, uint64_t number,
                                                const struct ax_registry_change *change,
                                                struct ax_err *err);

/* What `versions.checksum` holds: of the object as it stands in the rows of its version. */
int64_t ax_registry_object_checksum(const struct ax_registry_object *object);

/* What `applies.files_checksum` holds. */
int64_t ax_registry_files_checksum(struct ax_str folder, const struct ax_file_text *files,
                                   size_t count);

#endif

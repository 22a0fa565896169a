/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the DuckDB backend share: the handle, and the statement that is being made.
 *
 * Statements are appended to `text` and then run, which empties it; a failed append shows then.
 */
#ifndef AX_FEATURE_OFFLINE_DUCKDB_STORE_H
#define AX_FEATURE_OFFLINE_DUCKDB_STORE_H

#include "base/sql.h"
#include "feature/offline/offline.h"

/* Values of top_k that are null since they met too many different ones, and whose the first was. */
struct ax_too_many {
    size_t count;
    const struct ax_view *view;
    size_t field;
};

struct ax_offline {
    struct ax_offline_config config;
    struct ax_sql *sql;
    char *data_folder; /* absolute */
    char *work_folder; /* absolute */
    struct ax_buf text;
    size_t dropped_rows; /* of the sources that the history under way has read */
    /* What became of the expectations of the source that was read last, or whose part was: how many
     * rows they dropped, and a line each that is told. Empty when nothing is expected. */
    struct ax_buf held;
    /* What is being done, for who watches: which step of how many, and of how many rows. */
    char step[256];
    size_t steps_done, steps, rows;
    size_t slice, slices;        /* of the step, when it is one of slices; else 0 */
    struct ax_too_many too_many; /* of the windows that were made last, or whose part was read */
};

#define AX_OFFLINE_TEXT_MAX ((size_t)64 << 20)

/* Run the text as a statement, as a query, or as one that gives one integer. */
AX_MUST_USE enum ax_code ax_offline_run(struct ax_offline *offline, struct ax_err *err);
/* The same for a statement that reads files into a table whose rowid is to be their order. DuckDB
 * keeps the order of files with several threads too, but not of each statement: it lost that of CSV
 * where texts were converted to numbers. With one thread there is but one order. */
AX_MUST_USE enum ax_code ax_offline_run_in_order(struct ax_offline *offline, struct ax_err *err);
AX_MUST_USE enum ax_code ax_offline_set_threads(struct ax_offline *offline, size_t threads,
                                                struct ax_err *err);
AX_MUST_USE enum ax_code ax_offline_query(struct ax_offline *offline,
                                          struct ax_sql_stream **ret_stream, struct ax_err *err);
AX_MUST_USE enum ax_code ax_offline_get_i64(struct ax_offline *offline, int64_t *ret,
                                            struct ax_err *err);

/* What values may take that are made here of a stream and handed back: they are in memory twice
 * then, and DuckDB has its own. */
#define AX_OFFLINE_PART_BYTES_MAX ((size_t)256 << 20)
size_t ax_offline_part_bytes(const struct ax_offline *offline);

#endif

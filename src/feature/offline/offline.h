/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam of the offline store: history of sources, and features as they were at given moments.
 *
 * DuckDB over files is the only backend so far (feature/offline/duckdb.c). The contract is that of
 * a brute-force join over rows, which is the oracle of its test: docs/internals/point-in-time.md. A
 * store belongs to one thread at a time; everything here blocks.
 */
#ifndef AX_FEATURE_OFFLINE_OFFLINE_H
#define AX_FEATURE_OFFLINE_OFFLINE_H

#include "base/err.h"
#include "data/expr/values.h"
#include "feature/definitions.h"
#include "feature/expectation_result.h"
#include "feature/source_journal.h"

#include <stdatomic.h>

struct ax_offline;

#define AX_OFFLINE_MEMORY_BYTES_MIN ((size_t)64000000)

struct ax_offline_config {
    const struct ax_definitions *definitions; /* borrowed */
    const char *data_folder;                  /* relative paths of sources start here */
    /* Or NULL: rows that were pushed, which then are part of the history of their sources;
     * borrowed. */
    const struct ax_source_journals *journals;
    const char *work_folder; /* for spilling and half-written files; on the file system of `out` */
    size_t threads;
    size_t memory_bytes_max; /* at least AX_OFFLINE_MEMORY_BYTES_MIN; 0: 80 % of the machine's */
    atomic_bool *cancelled;  /* or NULL */
    /* Or NULL: what is being done and which share of the work is done, as rows of all rows (0: not
     * known yet). On the calling thread, at each step and some times a second. */
    void (*progress)(void *arg, const char *what, size_t rows_done, size_t rows);
    /* Or NULL: a line about what goes on all the same: a source's expectation that does not hold,
     * nulls that are no absence. */
    void (*notice)(void *arg, struct ax_str text);
    void *arg;
    /* Keep what large views came to in work_folder/parts, and begin with what is there. */
    bool keep_parts;
};

/* The rows to enrich. */
struct ax_offline_rows {
    struct ax_str sql;    /* one SELECT, or empty */
    const char *sql_path; /* or NULL: its file, which messages name with line and column */
    const char *path;     /* or a CSV, JSON lines or Parquet file */
    /* The column that is the moment asked about, or an expression over the columns, "sched_dep -
     * 2h"; empty: "at". The columns that the service's call names have the types declared there;
     * others have their own, and those of CSV are strings. */
    struct ax_str at;
    bool as_known; /* count only what was known at that moment */
    /* Or NULL: rows of sources that became known later, microseconds, are as if they were not
     * there. Not with as_known; parts are not kept. */
    const int64_t *known_until;
    size_t *ret_at_place; /* or NULL; set to the byte of `at` where it went wrong */
    /* Or empty: the name of a last column of the output, which holds the moment as a time; it is no
     * part of the digest. */
    struct ax_str moment;
};

struct ax_offline_report {
    size_t rows;
    size_t inputs;
    size_t dropped_rows; /* of sources, by their expectations */
    char digest[65];     /* of the content in row order: docs/internals/point-in-time.md */
    double seconds;
    /* Values of top_k that are null since a window had more than 256 different ones, over all
     * rows. */
    size_t too_many;
};

/* Expected: UNSUPPORTED (built without DuckDB), INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_offline_open(const struct ax_offline_config *config,
                                         struct ax_offline **ret_offline, struct ax_err *err);
void ax_offline_close(struct ax_offline *offline);

/* The rows of a source that were pushed and that the store reads; NULL: none. */
const struct ax_source_journal *ax_offline_pushed(const struct ax_offline *offline,
                                                  const struct ax_source *source);

/* Open a source's files and compare what they hold with its columns. Expected: NOT_FOUND, INVALID
 * ("source 'weather': column 'temp' is VARCHAR in data/w2.csv; float64 is expected"). */
AX_MUST_USE enum ax_code ax_offline_check(struct ax_offline *offline,
                                          const struct ax_source *source, struct ax_err *err);

/* The digest of which files a source has, how large they are and when they were changed: while it
 * stays the same, ax_offline_check says what it said before. Empty when that cannot be known, as of
 * SQL. Opens nothing. Expected: NOT_FOUND, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_offline_stamp(struct ax_offline *offline,
                                          const struct ax_source *source,
                                          char ret_stamp[AX_SHA256_TEXT_SIZE], struct ax_err *err);

struct ax_offline_expect {
    int64_t now_us;            /* what freshness is measured from */
    const char *failed_folder; /* or NULL: rows that do not hold are kept there (absolute; on the
                                  work folder's file system) */
    void (*result)(void *arg, const struct ax_expectation_result *result);
    void *arg;
};

struct ax_offline_expect_report {
    size_t rows;
    size_t failing_rows; /* kept in the folder */
};

/* Read a source and look at what is expected of its rows; `result` gets each expectation in the
 * order of the text, whatever became of it. With a folder, SOURCE.failed.parquet appears there
 * whole or not at all: all columns of each row that some expectation does not hold of, and the
 * reasons; when there is no such row, one that was there goes. Expected: NOT_FOUND, INVALID (the
 * source cannot be read), TOO_LARGE, CANCELLED, and the system's codes. */
AX_MUST_USE enum ax_code ax_offline_expect(struct ax_offline *offline,
                                           const struct ax_source *source,
                                           const struct ax_offline_expect *request,
                                           struct ax_offline_expect_report *ret_report,
                                           struct ax_err *err);

/* Write every row of `rows`, in their order, with all their columns and then the inputs of
 * `service` as they were at each row's moment, to `out` (.parquet or .csv; appears whole or not at
 * all, in the place of a file that is there). Relative paths of SQL start in the data folder, which
 * is the working folder of the process while a call runs. Rows that a source's expectations drop
 * are not read, and a failed expectation is INVALID. Expected: NOT_FOUND, INVALID, TOO_LARGE,
 * LIMIT, CANCELLED, and the system's codes. */
AX_MUST_USE enum ax_code ax_offline_history(struct ax_offline *offline,
                                            const struct ax_service *service,
                                            const struct ax_offline_rows *rows, const char *out,
                                            struct ax_offline_report *ret_report,
                                            struct ax_err *err);

/* Some keys of a view, each with its latest row. */
struct ax_offline_latest_rows {
    const struct ax_view *view;
    size_t rows;                    /* at most AX_VALUES_ROWS_MAX */
    const struct ax_values *keys;   /* a column for each of the entity's keys; none is null */
    const struct ax_values *fields; /* for each field of the view, narrowed to what is stored; where
                                       there is no value there is none, also with a default */
    const struct ax_values *times;  /* from when it is true, microseconds; of `time: none` null */
    const struct ax_values *known;  /* when it became known; null: always */
};

/* Some events of a source. */
struct ax_offline_event_rows {
    const struct ax_source *source;
    size_t rows;                     /* at most AX_VALUES_ROWS_MAX; 0: there are no more */
    const struct ax_values *columns; /* all of the source's, widened */
};

struct ax_offline_latest {
    const struct ax_view *const *views; /* of one source; windows are over one with event ids */
    size_t view_count;
    int64_t from_us; /* rows whose time lies in [from, to] count, whatever the time when there is */
    int64_t to_us;   /* none; INT64_MIN: there is no `from` */
    /* What an earlier call has marked as read, of the same definitions: keys may be left out that
     * nothing new was learnt of since. Empty: all keys are wanted. */
    struct ax_str since;
    /* On the calling thread. Each key of a view comes once; a failure ends it. */
    enum ax_code (*rows)(void *arg, const struct ax_offline_latest_rows *rows, struct ax_err *err);
    /* Where a view has windows: the newest version of each event whose time lies in
     * (events_from, events_to], and of those before of which it was learnt (`created`) behind
     * events_from, since they may have been others; in the order of times. They come once, before
     * the first such view is done, and no rows behind them. */
    int64_t events_from_us, events_to_us;
    enum ax_code (*events)(void *arg, const struct ax_offline_event_rows *rows, struct ax_err *err);
    /* All keys of the view have come; with this mark a later call goes on. */
    enum ax_code (*done)(void *arg, const struct ax_view *view, struct ax_str mark,
                         struct ax_err *err);
    void *arg;
};

struct ax_offline_latest_report {
    size_t rows;         /* of the source that were read */
    size_t dropped_rows; /* by its expectations */
};

/* Give the latest row of each key of the plain views: that which a history finds at `to`, whatever
 * its age; and the events of windows. Expectations are as in a history, and relative paths, too.
 * Files that are as the mark knows them are not read again, but for rows that were later than its
 * `to`; of a query or table with `created` only what was learnt since is. A source of events or
 * with expectations is read whole when anything of it may be new. A mark knows nothing of rows that
 * were pushed: alone they are no reason to read a source. Expected: NOT_FOUND, INVALID, TOO_LARGE,
 * LIMIT, CANCELLED, the system's codes, and what the callbacks fail with. */
AX_MUST_USE enum ax_code ax_offline_latest(struct ax_offline *offline,
                                           const struct ax_offline_latest *request,
                                           struct ax_offline_latest_report *ret_report,
                                           struct ax_err *err);

/* Tell each file that a source reads at the moment, by its absolute path: those of its glob in
 * their order, or its table's database; of SQL none, since nobody looks into it. A failure of
 * `found` ends it. Expected: NOT_FOUND, INVALID, and what `found` fails with. */
typedef enum ax_code (*ax_offline_file_fn)(void *arg, struct ax_str path, struct ax_err *err);
AX_MUST_USE enum ax_code ax_offline_files(struct ax_offline *offline,
                                          const struct ax_source *source, ax_offline_file_fn found,
                                          void *arg, struct ax_err *err);

#endif

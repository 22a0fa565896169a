/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of the online store: the one thread by which everything in it changes.
 *
 * It owns the table in memory, the journals of the sources and the rows on the disk. Others send it
 * batches, from any thread and without waiting, and are told on the writer's thread what became of
 * them. Rows of a source are journalled before they are seen, and seen before they are
 * acknowledged; all batches that wait are journalled by one write a source. What was acknowledged
 * outlives the process (kill -9), and with `disk` durability the machine.
 *
 * With a folder of state, whose lock the process has (base/state_lock.h), the journals are
 * <state>/journal/<source>/ and the rows <state>/online/. Without one the store is in memory alone.
 * See docs/internals/online-store.md.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_WRITER_H
#define AX_FEATURE_ONLINE_ONLINE_WRITER_H

#include "base/inbox.h"
#include "feature/online/online_views.h"

struct ax_online_counts; /* feature/online/online_apply.h */
struct ax_online_journal;
struct ax_online_journal_loss; /* feature/online/online_journals.h */
struct ax_online_writer;
struct ax_source_rows; /* feature/source_plan.h */

enum ax_online_durability {
    AX_ONLINE_DURABLE_PROCESS, /* the kernel has what was acknowledged */
    AX_ONLINE_DURABLE_DISK,    /* the disk has it */
};

struct ax_online_writer_config {
    const char *state;          /* folder, copied; NULL or empty: none */
    struct ax_epoch *epoch;     /* of the readers; borrowed */
    size_t memory_bytes_max;    /* of the table, and of the windows of each view */
    uint64_t disk_bytes_max;    /* of the rows on the disk */
    uint64_t journal_bytes_max; /* of each source's journal */
    size_t fill_bytes_first;    /* of rows on the disk, that are read before definitions come into
                                   force; the others are read behind */
    size_t fill_rows_first;     /* of histories and journals, that are read into windows before the
                                   first definitions come into force; if there are more, behind */
    size_t queue_max;           /* batches that wait */
    enum ax_online_durability durability;
    /* What parts are swept by that are older than their view's ttl, microseconds UTC, on the
     * writer's thread. NULL: none are. */
    int64_t (*now_us)(void *context);
    /* Folding to the disk fails from now on, or (NULL) works again; on the writer's thread. May be
     * NULL. */
    void (*fold_failed)(void *context, const struct ax_err *err);
    /* Rows on the disk that were not read yet cannot be, likewise; their keys are read from there,
     * or fail, one by one. Or windows cannot be read, and stay unknown. May be NULL. */
    void (*fill_failed)(void *context, const struct ax_err *err);
    /* The journal of a source lacks what it had, likewise. May be NULL. */
    void (*journal_lacks)(void *context, struct ax_str source,
                          const struct ax_online_journal_loss *loss);
    void *context;
};

enum ax_online_batch_kind {
    AX_ONLINE_ROWS,   /* rows of a source that can be pushed */
    AX_ONLINE_VALUES, /* final values of a view */
    AX_ONLINE_FLUSH,  /* nothing */
};

/* What is sent. It, and what it points to, is the sender's, and stays until `done`. */
struct ax_online_batch {
    struct ax_message message; /* the writer's */
    enum ax_online_batch_kind kind;
    struct ax_online_views *views; /* by which it was made; not for FLUSH. The sender's reference */
    size_t number;                 /* of the source or view in the definitions */

    const struct ax_source_rows *rows; /* ROWS: all of them are taken in, or none, but for partial
                                          ones that are stale; taken_us and first_sequence are
                                          the writer's to say */
    int64_t taken_us;                  /* ROWS: when they came, microseconds UTC */

    const struct ax_online_item *items; /* VALUES: of the view */
    size_t item_count;
    bool is_kept; /* VALUES: `done` is called when they are on the disk, as with FLUSH */

    /* On the writer's thread, which it must not hold up; the batch is the sender's again. */
    void (*done)(struct ax_online_batch *batch);
    void *context;     /* the sender's */
    struct ax_err err; /* is AX_OK when it is sent. Of ROWS: nothing was taken in. Else: why items
                          were refused, or are not on the disk */
    uint64_t written, stale, refused; /* items; of ROWS: those that follow from them */
    size_t dropped;                   /* ROWS: partial ones that are left out, since they were not
                                         as the source expects when they were whole, */
    size_t unexpected[AX_EXPECT_FAIL + 1]; /* and how often one was not, by what is done then */

    struct {
        size_t number; /* in the definitions that are in force */
        struct ax_online_journal *journal;
        const struct ax_source_rows *rows; /* whole */
        uint64_t stale;                    /* items that partial rows did not become */
        uint64_t first_sequence;
        int64_t taken_us;
    } own; /* the writer's */
};

/* At the moment; counts are since it was opened. */
struct ax_online_writer_stats {
    struct ax_online_stats table;
    uint64_t queue;   /* batches that wait */
    uint64_t batches; /* that were done */
    uint64_t rows_journalled;
    uint64_t journal_bytes, journal_bytes_written, journal_failures;
    uint64_t folded; /* rows that were written to the disk */
    uint64_t fold_failures;
    uint64_t unfolded;         /* keys that are newer than what the disk has of them */
    uint64_t unfolded_ns;      /* since the first of these changed */
    uint64_t filled;           /* rows that were read from the disk since the start */
    uint64_t unfilled;         /* and about how many are still to be read */
    uint64_t windows_unfilled; /* events that are still to be read into windows, about; it stays
                                  when they cannot be */
    uint64_t windows_bytes;    /* of the windows of all views, without their keys */
    uint64_t events_refused;   /* by windows of views that are in force */
    uint64_t swept;            /* parts that went with their view, or were too old */
};

/* Open what is there, and start the thread. Expected: INVALID (damaged, or another program's),
 * DENIED, LIMIT, UNAVAILABLE. */
AX_MUST_USE enum ax_code ax_online_writer_open(const struct ax_online_writer_config *config,
                                               struct ax_online_writer **ret_writer,
                                               struct ax_err *err);
/* Do what was sent, put all of it on the disk, and end. No reader and no sender is left; views may
 * be. NULL is fine. */
void ax_online_writer_close(struct ax_online_writer *writer);

/* What readers fetch from; as long as the writer. While the table is filled, keys that it has not
 * got yet are read from the disk, within the fetch. */
struct ax_online *ax_online_writer_store(struct ax_online_writer *writer);

/* Have other definitions in force, and *ret_views is a reference of their views. Blocks, until they
 * have all that the journals have for them, while batches by the views before go on. Windows of the
 * first ones may be filled afterwards. `given` is
 * published before another batch is done, and released by the views, and not when this fails. One
 * control thread. Expected: INVALID, LIMIT, TOO_LARGE, UNAVAILABLE; then those before stay in
 * force. */
AX_MUST_USE enum ax_code ax_online_writer_define(struct ax_online_writer *writer,
                                                 const struct ax_online_definitions *given,
                                                 struct ax_online_views **ret_views,
                                                 struct ax_err *err);

/* Take out what a view has, its number in the definitions of `views`, and put in again what its
 * source's journal has: values that came otherwise are gone. Blocks, while batches go on; readers
 * find nothing in between, and its fields lack what files have until ax_online_writer_complete,
 * also over a restart. Killed in the midst, the next start puts in what the journal has. One
 * control thread, which may be another one than that of define. Expected: CONFLICT (other
 * definitions are in force), UNAVAILABLE (nothing can be folded, or not all was read from the disk:
 * all values are still there), and those of reading a journal. */
AX_MUST_USE enum ax_code ax_online_writer_clear(struct ax_online_writer *writer,
                                                struct ax_online_views *views, size_t number,
                                                struct ax_err *err);

/* The fields of a view lack nothing any more of what files have: until then partial rows that leave
 * out what they keep are refused (UNAVAILABLE). Nothing, if other definitions are in force. Blocks;
 * the disk is told by the next fold. Any control thread. */
void ax_online_writer_complete(struct ax_online_writer *writer, struct ax_online_views *views,
                               size_t number);

/* Keys of an entity that go. */
struct ax_online_erase {
    size_t entity;             /* its number in the definitions of the views */
    const struct ax_map *keys; /* feature/online/online_key.h; the values are not NULL */
    bool is_dry;               /* only tell what there is */
    /* Set: how many of them had values in the table, and how many rows of each source's journal
     * were theirs, one a source of the definitions; the caller's. */
    size_t found;
    uint64_t *rows;
};

/* Have keys go, with all that is told of them: the values of all views, the windows, and their rows
 * in the journals of the sources of those views, which were taken in up to then. Blocks, while
 * batches go on, until all of that is on the disk. Killed or failed in the midst, some of it has
 * gone: it is to be done again. One control thread, as with clear. Expected: CONFLICT (other
 * definitions are in force), LIMIT, UNAVAILABLE, and those of reading a journal. */
AX_MUST_USE enum ax_code ax_online_writer_erase(struct ax_online_writer *writer,
                                                struct ax_online_views *views,
                                                struct ax_online_erase *erase, struct ax_err *err);

/* Have the windows of a view, its number in the definitions of `views`, know the history of its
 * source that counts (feature/online/online_history.h); as all windows do at the next start. Counts
 * of events are added up. Blocks, while batches go on. One control thread, as with clear. Expected:
 * CONFLICT (other definitions are in force), LIMIT and TOO_LARGE (some were refused), and those of
 * reading a journal. */
AX_MUST_USE enum ax_code ax_online_writer_history(struct ax_online_writer *writer,
                                                  struct ax_online_views *views, size_t number,
                                                  struct ax_online_counts *counts,
                                                  struct ax_err *err);

/* Hand over a batch; batches are done in the order in which they were sent. Any thread, never
 * blocks. Expected: LIMIT (queue_max wait), and then `done` is not called. A batch whose
 * definitions are not in force any more fails with CONFLICT if it does not fit those that are. */
AX_MUST_USE enum ax_code ax_online_writer_send(struct ax_online_writer *writer,
                                               struct ax_online_batch *batch, struct ax_err *err);

/* When the last of the rows that are seen were taken in, also before a restart; 0: none were. It
 * never goes back. Any thread, never blocks. */
int64_t ax_online_writer_taken_us(const struct ax_online_writer *writer);

/* Whether windows are still filled after a start: nothing is known of them before. Any thread,
 * never blocks. */
bool ax_online_writer_fills_windows(const struct ax_online_writer *writer);

/* When the rows on the disk began, UTC: what is recorded of values that were written before is not
 * true any more. 0: there is no disk, or nobody knows. Any thread. */
int64_t ax_online_writer_made_us(const struct ax_online_writer *writer);

/* Any thread. */
void ax_online_writer_stats(const struct ax_online_writer *writer,
                            struct ax_online_writer_stats *ret_stats);

#endif

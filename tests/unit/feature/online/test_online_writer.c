/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what the writer has acknowledged is seen at once, outlives the process, and never goes
 * backwards; a view that is defined otherwise has what the journal has; and what cannot be taken in
 * or kept is told.
 * Method: pushes, final values and ends beside arrays of the newest values, with the writer closed
 * and opened again, or defined anew, in between. A child that pushes is killed (SIGKILL) at random
 * moments, and what it was told goes through a pipe to the one who looks. This program's own
 * fdatasync stands in front of the C library's, for LMDB, too: it fails, or holds a fold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/thread.h"
#include "feature/online/journal_reader.h"
#include "feature/online/online_apply.h"
#include "feature/online/online_disk.h"
#include "feature/online/online_journals.h"

#include "writer_steps.h"

#include "random.h"
#include "torture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS = 150, KILLS = 20 };

static atomic_bool is_sync_to_fail, is_sync_to_hold;
static sem_t sync_held, sync_released;

/* What a killed process has written is the kernel's: no disk is waited for. */
int fdatasync(int fd)
{
    (void)fd;
    if (atomic_exchange(&is_sync_to_hold, false)) {
        (void)sem_post(&sync_held);
        wait_for(&sync_released);
    }
    errno = EIO;
    return atomic_exchange(&is_sync_to_fail, false) ? -1 : 0;
}

static void has(size_t view, int64_t key, int64_t time, int64_t x)
{
    struct given_row row = { 0 };
    assert_true(get_value(view, key, &row));
    assert_int_equal(row.time, time);
    assert_int_equal(row.x, x);
}

static void has_not(size_t view, int64_t key)
{
    struct given_row row;
    assert_false(get_value(view, key, &row));
}

/* ---- what it does ---- */

static void rows_are_seen_when_they_are_acknowledged(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 2, 10, 200 }, { 1, 9, 90 } };
    config.durability = AX_ONLINE_DURABLE_DISK;
    good(open_writer(&config, "x", &err));
    good(push(SOURCE_A, rows, 3, &batch, &err));
    assert_int_equal(batch.written, 4); /* of two views */
    assert_int_equal(batch.stale, 2);
    assert_int_equal(batch.refused, 0);
    for (size_t view = VIEW_A; view <= VIEW_S; view++) {
        has(view, 1, 10, 100);
        has(view, 2, 10, 200);
        has_not(view, 3);
    }
    has_not(VIEW_B, 1);
    good(push(SOURCE_B, rows, 1, &batch, &err));
    has(VIEW_B, 1, 10, 100);
    struct ax_online_writer_stats stats;
    ax_online_writer_stats(fixture.writer, &stats);
    assert_int_equal(stats.rows_journalled, 4);
    assert_int_equal(stats.batches, 2);
    assert_int_equal(stats.queue, 0);
    assert_int_equal(stats.table.rows, 4);
    close_writer();
    open_state("x");
    has(VIEW_A, 1, 10, 100);
    has(VIEW_S, 2, 10, 200);
    has(VIEW_B, 1, 10, 100);
    close_writer();
    remove_state();
}

static void without_a_folder_it_is_in_memory(void **state)
{
    (void)state;
    const struct ax_online_writer_config config = writer_config(NULL);
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 1, 10, 101 } };
    good(open_writer(&config, "x", &err));
    good(push(SOURCE_A, rows, 2, &batch, &err));
    has(VIEW_A, 1, 10, 101);
    good(flush(&err));
    good(define("x", &err));
    has(VIEW_A, 1, 10, 101);
    good(define("x + 1", &err));
    has(VIEW_A, 1, 10, 0); /* no value, but as new as it was */
    has(VIEW_S, 1, 10, 101);
    good(push(SOURCE_A, rows, 1, &batch, &err));
    has(VIEW_A, 1, 10, 101);
    close_writer();
}

static void a_changed_view_has_what_the_journal_has(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 2, 20, 200 } };
    const struct given_row value = { 1, 5, 7 };
    open_state("x");
    good(push(SOURCE_A, rows, 2, &batch, &err));
    good(put_values(VIEW_C, &value, 1, false, &batch, &err));
    struct ax_online_views *before = ax_online_views_ref(fixture.views);
    good(define("x * 10", &err));
    has(VIEW_A, 1, 10, 1000);
    has(VIEW_A, 2, 20, 2000);
    has(VIEW_S, 1, 10, 100);
    has(VIEW_C, 1, 5, 7);
    assert_int_equal(fixture.views->views[VIEW_S].layout->id, before->views[VIEW_S].layout->id);
    assert_int_not_equal(fixture.views->views[VIEW_A].layout->id, before->views[VIEW_A].layout->id);
    close_writer();
    assert_true(ax_str_is(before->given.definitions->views[0].name, "va"));
    ax_online_views_unref(before);
    open_state("x * 10");
    has(VIEW_A, 2, 20, 2000);
    close_writer();
    open_state("x");
    has(VIEW_A, 2, 20, 200);
    close_writer();
    remove_state();
}

static void batches_of_before_are_done_if_they_fit(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    const struct given_row row = { 1, 10, 100 };
    uint64_t erased;
    open_state("x");
    struct ax_online_views *before = ax_online_views_ref(fixture.views);
    good(define("x * 10", &err));
    struct ax_online_views *now = fixture.views;
    fixture.views = before;
    good(push(SOURCE_A, &row, 1, &batch, &err));
    good(put_values(VIEW_C, &row, 1, true, &batch, &err));
    assert_int_equal(put_values(VIEW_A, &row, 1, false, &batch, &err), AX_E_CONFLICT);
    err = (struct ax_err)AX_ERR_INIT;
    assert_int_equal(erase_key(0, 1, &erased, &err), AX_E_CONFLICT);
    err = (struct ax_err)AX_ERR_INIT;
    fixture.views = now;
    has(VIEW_A, 1, 10, 1000);
    has(VIEW_C, 1, 10, 100);
    ax_online_views_unref(before);
    close_writer();
    remove_state();
}

static struct ax_online_views *published;

static enum ax_code publish_these(void *context, struct ax_online_views *views,
                                  struct ax_err *failed)
{
    (void)context;
    (void)failed;
    published = views;
    return AX_OK;
}

static enum ax_code publish_none(void *context, struct ax_online_views *views,
                                 struct ax_err *failed)
{
    (void)context;
    (void)views;
    return ax_fail(failed, AX_E_LIMIT, "no memory");
}

/* So that what is acknowledged is seen: batches go on by the views that readers have. */
static void readers_have_views_before_batches_do(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    struct given_row row = { 1, 10, 100 };
    open_state("x");
    publish = publish_none;
    assert_int_equal(define("x * 10", &err), AX_E_LIMIT);
    err = (struct ax_err)AX_ERR_INIT;
    good(push(SOURCE_A, &row, 1, &batch, &err));
    has(VIEW_A, 1, 10, 100);
    publish = publish_these;
    good(define("x * 10", &err));
    assert_ptr_equal(published, fixture.views);
    has(VIEW_A, 1, 10, 1000);
    publish = publish_none;
    assert_int_equal(define("x", &err), AX_E_LIMIT);
    err = (struct ax_err)AX_ERR_INIT;
    row.time++;
    good(push(SOURCE_A, &row, 1, &batch, &err));
    has(VIEW_A, 1, 11, 1000);
    publish = NULL;
    close_writer();
    remove_state();
}

/* Not at a start, nor when the journal is read for a view that is new, or that begins anew. A row
 * of the journal is gone for all, but what other entities have of it already stays. */
static void what_was_erased_stays_away(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 2, 20, 200 }, { 1, 30, 300 } };
    uint64_t erased;
    open_state("x");
    good(push(SOURCE_A, rows, 3, &batch, &err));
    good(push(SOURCE_B, rows, 2, &batch, &err));
    good(put_values(VIEW_C, rows, 2, true, &batch, &err));
    good(erase_key(0, 1, &erased, &err));
    assert_int_equal(erased, 3);
    for (int round = 0; round < 4; round++) {
        has_not(VIEW_A, 1);
        has_not(VIEW_B, 1);
        has_not(VIEW_C, 1);
        has(VIEW_A, 2, 20, round < 2 ? 200 : 2000);
        has(VIEW_B, 2, 20, 200);
        has(VIEW_C, 2, 20, 200);
        has(VIEW_S, 2, 20, 200);
        if (round < 3)
            has(VIEW_S, 1, 30, 300);
        else
            has_not(VIEW_S, 1);
        if (round == 0) {
            close_writer();
            open_state("x");
        } else if (round == 1) {
            good(define("x * 10", &err));
        } else {
            good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_S, &err));
        }
    }
    good(erase_key(0, 1, &erased, &err));
    assert_int_equal(erased, 0);
    good(push(SOURCE_A, rows, 1, &batch, &err));
    has(VIEW_A, 1, 10, 1000);
    close_writer();
    remove_state();
}

/* What the journal has comes back, what it does not have goes; also when nothing was folded since,
 * and what was pushed beside it stays. */
static void a_cleared_view_has_what_the_journal_has(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 2, 20, 200 } };
    const struct given_row values[] = { { 2, 90, 900 }, { 3, 10, 300 } };
    const struct given_row later = { 4, 40, 400 };
    open_state("x");
    good(push(SOURCE_A, rows, 2, &batch, &err));
    good(put_values(VIEW_A, values, 2, true, &batch, &err));
    good(put_values(VIEW_C, values, 2, true, &batch, &err));
    has(VIEW_A, 2, 90, 900);
    good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_A, &err));
    good(push(SOURCE_A, &later, 1, &batch, &err));
    for (int round = 0; round < 2; round++) {
        has(VIEW_A, 1, 10, 100);
        has(VIEW_A, 2, 20, 200);
        has_not(VIEW_A, 3);
        has(VIEW_A, 4, 40, 400);
        has(VIEW_S, 2, 20, 200);
        has(VIEW_C, 2, 90, 900);
        close_writer();
        open_state("x");
    }
    good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_C, &err));
    has_not(VIEW_C, 2);
    has(VIEW_A, 2, 20, 200);
    struct ax_online_views *before = ax_online_views_ref(fixture.views);
    good(define("x * 10", &err));
    assert_int_equal(ax_online_writer_clear(fixture.writer, before, VIEW_A, &err), AX_E_CONFLICT);
    err = (struct ax_err)AX_ERR_INIT;
    ax_online_views_unref(before);
    close_writer();
    remove_state();
}

/* Until so many parts went. */
static void wait_for_sweep(uint64_t count)
{
    struct ax_online_writer_stats stats = { 0 };
    while (stats.swept < count) {
        good(flush(&err));
        ax_online_writer_stats(fixture.writer, &stats);
    }
    assert_int_equal(stats.swept, count);
}

static void parts_of_former_views_go(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 2, 20, 200 }, { 3, 20, 300 } };
    open_state("x");
    good(push(SOURCE_A, rows, 3, &batch, &err));
    good(push(SOURCE_B, rows, 1, &batch, &err));
    struct ax_online_views *before = ax_online_views_ref(fixture.views);
    good(define("x * 10", &err));
    struct ax_online_writer_stats stats;
    good(flush(&err));
    ax_online_writer_stats(fixture.writer, &stats);
    assert_int_equal(stats.swept, 0); /* somebody reads them */
    ax_online_views_unref(before);
    wait_for_sweep(3);
    has(VIEW_A, 1, 10, 1000);
    has(VIEW_B, 1, 10, 100);
    good(define("x", &err)); /* comes back whole */
    has(VIEW_A, 1, 10, 100);
    has(VIEW_A, 3, 20, 300);
    close_writer();
    open_state("x + 1"); /* "x" went while nobody was looking, and perhaps the one before */
    has(VIEW_A, 3, 20, 301);
    do {
        good(flush(&err));
        ax_online_writer_stats(fixture.writer, &stats);
    } while (stats.swept < 3);
    close_writer();
    open_state("x");
    has(VIEW_A, 1, 10, 100);
    has(VIEW_B, 1, 10, 100);
    close_writer();
    remove_state();
}

static int64_t clock_us;

static int64_t now_us(void *context)
{
    (void)context;
    return clock_us;
}

static void old_parts_go(void **state)
{
    (void)state;
    const int64_t second = 1000000;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 4 * second, 100 }, { 2, 6 * second, 200 } };
    config.now_us = now_us;
    clock_us = 0;
    good(open_writer(&config, "x", &err));
    good(push(SOURCE_A, rows, 2, &batch, &err));
    good(push(SOURCE_B, rows, 2, &batch, &err));
    close_writer();
    clock_us = 25 * second; /* the ttl is 10 s */
    good(open_writer(&config, "x", &err));
    wait_for_sweep(1);
    for (int round = 0; round < 2; round++) {
        has_not(VIEW_B, 1);
        has(VIEW_B, 2, 6 * second, 200);
        has(VIEW_A, 1, 4 * second, 100);
        close_writer();
        open_state("x");
    }
    close_writer();
    remove_state();
}

/* Rows that were taken in more than an hour ago leave the journal, and stay online. */
static void old_rows_leave_the_journal(void **state)
{
    (void)state;
    const int64_t half_hour = INT64_C(1800) * 1000000;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 9 * half_hour, 100 }, { 2, 9 * half_hour, 200 } };
    const uint64_t wanted[] = { 1, 2, 2, 3, 1, 1, 0 };
    struct ax_journal_extent extent;
    char path[256];
    uint64_t none;
    (void)snprintf(path, sizeof(path), "%s/journal/b", folder);
    config.now_us = now_us;
    for (size_t i = 0; i < AX_COUNT(wanted); i++) {
        clock_us = taken_us = (int64_t)i * half_hour;
        good(open_writer(&config, "x", &err));
        if (i == 0)
            good(push(SOURCE_A, rows, 2, &batch, &err));
        if (i < 2 || i == 3)
            good(push(SOURCE_B, &rows[i % 2], 1, &batch, &err));
        good(flush(&err));
        good(erase_key(0, 999, &none, &err)); /* What is due behind the flush is done before. */
        good(ax_journal_extent_read(path, &extent, &err));
        assert_int_equal(extent.next - extent.first, wanted[i]);
        has(VIEW_B, 1, 9 * half_hour, 100);
        has(VIEW_A, 2, 9 * half_hour, 200);
        close_writer();
    }
    taken_us = 1;
    remove_state();
}

static struct ax_online_journal_loss lost;

static void journal_lacks(void *context, struct ax_str source,
                          const struct ax_online_journal_loss *loss)
{
    (void)context;
    assert_true(ax_str_is(source, "a"));
    lost = *loss;
}

/* What is pushed after a loss is applied at a start, since it is above what was folded. */
static void lost_rows_keep_their_sequences(void **state)
{
    (void)state;
    const struct {
        int64_t bytes; /* that the file has then; below 0: as many less */
        uint64_t rows; /* that are missing; 0: some */
    } cases[] = { { -1, 1 }, { 300, 0 }, { 0, 10 } };
    struct ax_online_writer_config config = writer_config(folder);
    config.journal_lacks = journal_lacks;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_online_batch batch;
        struct ax_journal_extent extent;
        struct stat info;
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/journal/a/%016d.journal", folder, 1);
        good(open_writer(&config, "x", &err));
        for (int64_t key = 0; key < 10; key++)
            good(push(SOURCE_A, &(struct given_row){ key, 10, key }, 1, &batch, &err));
        close_writer();
        assert_int_equal(stat(path, &info), 0);
        int64_t bytes = cases[i].bytes < 0 ? info.st_size + cases[i].bytes : cases[i].bytes;
        assert_int_equal(bytes ? truncate(path, bytes) : unlink(path), 0);
        lost = (struct ax_online_journal_loss){ 0 };
        good(open_writer(&config, "x", &err));
        assert_true(lost.rows > 0);
        if (cases[i].rows)
            assert_int_equal(lost.rows, cases[i].rows);
        assert_false(lost.is_cut_damaged);
        good(push(SOURCE_A, &(struct given_row){ 1, 20, 111 }, 1, &batch, &err));
        path[strlen(path) - strlen("/0000000000000001.journal")] = '\0';
        good(ax_journal_extent_read(path, &extent, &err));
        assert_int_equal(extent.next, 12);
        has(VIEW_A, 9, 10, 9);
        has(VIEW_A, 1, 20, 111);
        good(define("x + 1", &err)); /* reads the journal from its first row */
        has(VIEW_A, 1, 20, 112);
        close_writer();
        lost = (struct ax_online_journal_loss){ 0 };
        good(open_writer(&config, "x", &err));
        assert_int_equal(lost.rows, 0);
        has(VIEW_A, 1, 20, 111);
        close_writer();
        remove_state();
    }
}

/* Rows that were taken in before something was expected (whoever sends them asks) are seen until
 * the journal is read for a view again, as a start does for windows; then those that a history
 * drops go, and what was before them is there. */
static void rows_that_are_dropped_by_now_are_not_replayed(void **state)
{
    (void)state;
    enum { LARGE = 2000000000 };
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 10, 100 }, { 1, 20, LARGE } };
    const struct given_event events[] = { { 1, 1, 10, 100 },
                                          { 2, 1, 20, 200 },
                                          { 2, 1, 20, LARGE } };
    int64_t n, sum;
    open_state("x");
    good(push(SOURCE_A, rows, 2, &batch, &err));
    good(push_events(events, 3, &batch, &err));
    has(VIEW_A, 1, 20, LARGE);
    assert_true(get_windows(VIEW_D, 1, 30, &n, &sum));
    assert_int_equal(sum, 100 + (int64_t)LARGE);
    good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_A, &err));
    has(VIEW_A, 1, 10, 100);
    has(VIEW_S, 1, 20, LARGE);
    for (int i = 0; i < 2; i++) {
        if (i)
            open_state("x");
        else
            good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_D, &err));
        struct ax_online_writer_stats stats;
        ax_online_writer_stats(fixture.writer, &stats);
        assert_true(get_windows(VIEW_D, 1, 30, &n, &sum));
        assert_int_equal(n, 2);
        assert_int_equal(sum, 100 + 200);
        assert_int_equal(stats.events_refused, 0);
        has(VIEW_A, 1, 10, 100);
        close_writer();
    }
    remove_state();
}

static void a_queue_that_is_full_refuses(void **state)
{
    (void)state;
    struct ax_online_batch batches[9];
    sem_t done;
    size_t sent = 0;
    open_state("x");
    assert_int_equal(sem_init(&done, 0, 0), 0);
    /* Whether it comes to that depends on the threads: all that were taken are done. */
    for (size_t i = 0; i < AX_COUNT(batches); i++) {
        batches[i] =
            (struct ax_online_batch){ .kind = AX_ONLINE_FLUSH, .done = post, .context = &done };
        if (ax_online_writer_send(fixture.writer, &batches[i], &err))
            break;
        sent++;
    }
    assert_true(sent >= 8);
    assert_int_equal(err.code, sent == 9 ? AX_OK : AX_E_LIMIT);
    err = (struct ax_err)AX_ERR_INIT;
    for (size_t i = 0; i < sent; i++)
        wait_for(&done);
    (void)sem_destroy(&done);
    close_writer();
    remove_state();
}

/* ---- when rows were taken in ---- */

static void the_moment_never_goes_back(void **state)
{
    (void)state;
    static const struct {
        size_t source;
        int64_t taken_us, told;
    } cases[] = { { SOURCE_A, -5, 0 },
                  { SOURCE_A, 700, 700 },
                  { SOURCE_B, 600, 700 },
                  { SOURCE_B, 900, 900 },
                  { SOURCE_A, 800, 900 } };
    const struct given_row row = { 1, 10, 1 };
    struct ax_online_batch batch;
    open_state("x");
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        taken_us = cases[i].taken_us;
        good(push(cases[i].source, &row, 1, &batch, &err));
        assert_int_equal(ax_online_writer_taken_us(fixture.writer), cases[i].told);
        good(put_values(VIEW_C, &row, 1, false, &batch, &err));
        if (i % 2)
            good(flush(&err));
        close_writer();
        open_state("x");
        assert_int_equal(ax_online_writer_taken_us(fixture.writer), cases[i].told);
    }
    taken_us = 1;
    close_writer();
    remove_state();
}

/* ---- beside arrays ---- */

struct reference {
    struct given_row rows[VIEWS][WRITER_KEYS];
    bool is_there[VIEWS][WRITER_KEYS];
};

static void reference_put(struct reference *reference, size_t view, struct given_row row)
{
    struct given_row *stored = &reference->rows[view][row.key];
    if (reference->is_there[view][row.key] && row.time < stored->time)
        return;
    *stored = row;
    reference->is_there[view][row.key] = true;
}

static void reference_check(const struct reference *reference, int64_t factor)
{
    for (size_t view = 0; view < VIEWS; view++) {
        for (int64_t key = 0; key < WRITER_KEYS; key++) {
            struct given_row row;
            assert_int_equal(get_value(view, key, &row), reference->is_there[view][key]);
            if (!reference->is_there[view][key])
                continue;
            assert_int_equal(row.time, reference->rows[view][key].time);
            assert_int_equal(row.x, reference->rows[view][key].x * (view == VIEW_A ? factor : 1));
        }
    }
}

static void random_rows(uint64_t *random, struct given_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct given_row){ (int64_t)(test_random(random) % WRITER_KEYS),
                                      (int64_t)(test_random(random) % 40),
                                      (int64_t)(test_random(random) % 1000) };
}

static void push_both(struct reference *reference, size_t source, const struct given_row *rows,
                      size_t count)
{
    struct ax_online_batch batch;
    good(push(source, rows, count, &batch, &err));
    assert_int_equal(batch.written + batch.stale, source == SOURCE_A ? 2 * count : count);
    for (size_t i = 0; i < count; i++) {
        reference_put(reference, source == SOURCE_A ? VIEW_A : VIEW_B, rows[i]);
        if (source == SOURCE_A)
            reference_put(reference, VIEW_S, rows[i]);
    }
}

static void random_work_is_what_arrays_have(void **state)
{
    (void)state;
    static const char *const fields[] = { "x", "x * 2", "x * 3" };
    struct reference *reference = calloc(1, sizeof(*reference));
    struct given_row rows[ROWS_MAX];
    uint64_t random = 7;
    size_t field = 0;
    assert_non_null(reference);
    open_state(fields[0]);
    for (size_t step = 0; step < STEPS; step++) {
        struct ax_online_batch batch;
        size_t count = 1 + test_random(&random) % ROWS_MAX;
        random_rows(&random, rows, count);
        switch (test_random(&random) % 12) {
        case 0:
            close_writer();
            open_state(fields[field]);
            break;
        case 1:
            field = test_random(&random) % AX_COUNT(fields);
            good(define(fields[field], &err));
            break;
        case 2:
            good(flush(&err));
            break;
        case 3:
            good(put_values(VIEW_C, rows, count, test_random(&random) % 2, &batch, &err));
            for (size_t i = 0; i < count; i++)
                reference_put(reference, VIEW_C, rows[i]);
            break;
        default:
            push_both(reference, test_random(&random) % 2, rows, count);
        }
        if (step % 10 == 0)
            reference_check(reference, (int64_t)field + 1);
    }
    reference_check(reference, (int64_t)field + 1);
    close_writer();
    remove_state();
    free(reference);
}

/* ---- windows ---- */

enum { EVENTS = 200, EVENT_KEYS = 5, EVENT_STEPS = 60 };
#define SECOND INT64_C(1000000)

/* Of all events the last version; id < 0: it was not pushed yet. */
static void check_windows(const struct given_event *events, int64_t at)
{
    for (int64_t key = 0; key <= EVENT_KEYS; key++) {
        int64_t n = 0, sum = 0, found_n, found_sum;
        for (size_t i = 0; i < EVENTS; i++) {
            const struct given_event *event = &events[i];
            if (event->id < 0 || event->key != key || event->time > at)
                continue;
            n += event->time > at - 10 * SECOND;
            sum += event->time > at - 60 * SECOND ? event->x : 0;
        }
        assert_true(get_windows(VIEW_D, key, at, &found_n, &found_sum));
        assert_int_equal(found_n, n);
        assert_int_equal(found_sum, sum);
    }
}

/* Late, repeated and corrected ones, which come to other keys and to none, at a start and by other
 * definitions, too. When a key was erased the version before counts that was another one's, once
 * windows are made anew. */
static void windows_have_what_was_pushed(void **state)
{
    (void)state;
    struct given_event events[EVENTS], others[EVENTS], rows[ROWS_MAX];
    struct ax_online_batch batch;
    uint64_t random = 11, erased;
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = others[i] = (struct given_event){ .id = -1 };
    open_state("x");
    for (size_t step = 0; step < EVENT_STEPS; step++) {
        size_t count = 1 + test_random(&random) % ROWS_MAX;
        for (size_t i = 0; i < count; i++) {
            int64_t id = (int64_t)(test_random(&random) % EVENTS);
            int64_t other = (int64_t)(test_random(&random) % ((uint64_t)6 * EVENT_KEYS));
            int64_t key = other < EVENT_KEYS ? other : id % EVENT_KEYS;
            rows[i] = (struct given_event){ id, other == EVENT_KEYS ? NO_CELL : key,
                                            (int64_t)(test_random(&random) % 200) * SECOND,
                                            (int64_t)(test_random(&random) % 1000) };
            events[id] = rows[i];
            if (rows[i].key != 1)
                others[id] = rows[i];
        }
        good(push_events(rows, count, &batch, &err));
        for (size_t i = 0; i < count; i++)
            batch.written += rows[i].key == NO_CELL;
        assert_int_equal(batch.written, count);
        if (step % 12 == 5) {
            close_writer();
            open_state("x");
        }
        if (step % 12 == 11)
            good(define(step % 24 == 11 ? "x * 2" : "x", &err));
        check_windows(events, (int64_t)(test_random(&random) % 220) * SECOND);
    }
    good(erase_key(0, 1, &erased, &err));
    assert_in_range(erased, EVENTS / EVENT_KEYS, SIZE_MAX);
    for (size_t i = 0; i < EVENTS; i++)
        events[i].id = events[i].key == 1 ? -1 : events[i].id;
    check_windows(events, 150 * SECOND);
    good(define("x * 2", &err));
    check_windows(others, 150 * SECOND);
    close_writer();
    open_state("x");
    check_windows(others, 150 * SECOND);
    close_writer();
    remove_state();
}

/* Rows that were pushed stay, also of events, when their source is not pushed any more. */
static void what_was_pushed_stays(void **state)
{
    (void)state;
    const struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    const struct given_row row = { 1, 10, 100 };
    const struct given_event event = { 1, 1, SECOND, 7 };
    uint64_t erased;
    open_state("x");
    good(push(SOURCE_A, &row, 1, &batch, &err));
    good(push_events(&event, 1, &batch, &err));
    are_pushed = false;
    for (int turn = 0; turn < 4; turn++) {
        int64_t n = 0, sum = 0;
        if (turn == 1) {
            close_writer();
            good(open_writer(&config, "x", &err));
        } else if (turn == 3) {
            good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_A, &err));
            good(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_D, &err));
        } else {
            good(define(turn ? "x + 0" : "x", &err));
        }
        has(VIEW_A, 1, 10, 100);
        has(VIEW_S, 1, 10, 100);
        assert_true(get_windows(VIEW_D, 1, 2 * SECOND, &n, &sum));
        assert_int_equal(n, 1);
        assert_int_equal(sum, 7);
    }
    good(erase_key(0, 1, &erased, &err));
    assert_int_equal(erased, 2);
    are_pushed = true;
    close_writer();
    remove_state();
}

/* Nobody has a key with a null; without an id or a time there is no event. */
static void incomplete_events_do_not_count(void **state)
{
    (void)state;
    const struct ax_online_writer_config config = writer_config(NULL);
    struct ax_online_batch batch;
    const struct given_event rows[] = { { 1, 1, SECOND, 100 },
                                        { NO_CELL, 1, SECOND, 100 },
                                        { 2, NO_CELL, SECOND, 100 },
                                        { 3, 1, NO_CELL, 100 },
                                        { 4, 1, 2 * SECOND, NO_CELL } };
    struct ax_online_writer_stats stats;
    int64_t n, sum;
    good(open_writer(&config, "x", &err));
    good(push_events(rows, AX_COUNT(rows), &batch, &err));
    assert_int_equal(batch.written, 2);
    assert_int_equal(batch.refused, 2);
    ax_online_writer_stats(fixture.writer, &stats);
    assert_int_equal(stats.events_refused, 2);
    assert_true(get_windows(VIEW_D, 1, 3 * SECOND, &n, &sum));
    assert_int_equal(n, 2);
    assert_int_equal(sum, 100);
    close_writer();
}

static void old_events_are_forgotten(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    const struct given_event rows[] = { { 1, 1, 10 * SECOND, 100 }, { 2, 2, 1500 * SECOND, 200 } };
    int64_t n, sum;
    config.now_us = now_us;
    clock_us = 0;
    good(open_writer(&config, "x", &err));
    good(push_events(rows, 2, &batch, &err));
    close_writer();
    clock_us = 5000 * SECOND;
    good(open_writer(&config, "x", &err));
    while (atomic_load(&fixture.views->views[VIEW_D].windows->keys) > 1)
        good(flush(&err));
    assert_true(get_windows(VIEW_D, 2, 1500 * SECOND, &n, &sum));
    assert_int_equal(n, 1);
    assert_int_equal(sum, 200);
    close_writer();
    remove_state();
}

/* ---- beside readers ---- */

/* The definitions that are in force for readers, who keep those that they began a round with. */
static struct {
    pthread_mutex_t mutex;
    struct ax_online_views *views; /* guarded by mutex; one reference */
    int64_t factor;                /* guarded by mutex; of view A */
} shown = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void show_views(int64_t factor)
{
    assert_int_equal(pthread_mutex_lock(&shown.mutex), 0);
    ax_online_views_unref(shown.views);
    shown.views = ax_online_views_ref(fixture.views);
    shown.factor = factor;
    assert_int_equal(pthread_mutex_unlock(&shown.mutex), 0);
}

static struct ax_online_views *shown_views(int64_t *ret_factor)
{
    (void)pthread_mutex_lock(&shown.mutex);
    struct ax_online_views *views = ax_online_views_ref(shown.views);
    *ret_factor = shown.factor;
    (void)pthread_mutex_unlock(&shown.mutex);
    return views;
}

struct reading {
    struct ax_thread thread;
    struct ax_str *keys; /* WRITER_KEYS */
    atomic_bool *stop;
    bool is_wrong;
};

enum { ERASED_KEY = 7 };

static void read_on(void *arg)
{
    struct reading *reading = arg;
    struct ax_epoch_reader *reader = ax_epoch_register(&fixture.epoch);
    int64_t seen[WRITER_KEYS] = { 0 };
    while (!atomic_load(reading->stop)) {
        int64_t factor;
        struct ax_online_views *views = shown_views(&factor);
        for (size_t i = 0; i < WRITER_KEYS; i++) {
            struct given_row row = { 0 };
            if (!read_value(reader, views, VIEW_A, reading->keys[i], &row))
                reading->is_wrong |= seen[i] > 0;
            reading->is_wrong |= row.x != factor * row.time || row.time < seen[i];
            seen[i] = i == ERASED_KEY ? 0 : row.time; /* That one goes, and begins anew. */
        }
        ax_online_views_unref(views);
    }
    ax_epoch_unregister(reader);
}

/* While rows come, a key is erased and definitions change. */
static void readers_never_go_back(void **state)
{
    enum { READERS = 2, PUSHES = 200 };
    (void)state;
    struct reading readings[READERS];
    struct given_row rows[ROWS_MAX];
    struct ax_online_batch batch;
    int64_t numbers[WRITER_KEYS];
    struct ax_str keys[WRITER_KEYS];
    atomic_bool stop = false;
    uint64_t random = 3, erased;
    open_state("x");
    for (size_t i = 0; i < WRITER_KEYS; i++) {
        numbers[i] = (int64_t)i;
        keys[i] = (struct ax_str){ (const char *)&numbers[i], sizeof(numbers[i]) };
    }
    show_views(1);
    for (size_t i = 0; i < READERS; i++) {
        readings[i] = (struct reading){ .keys = keys, .stop = &stop };
        good(ax_thread_start(&readings[i].thread, "reader", read_on, &readings[i], &err));
    }
    for (int64_t push_count = 1; push_count <= PUSHES; push_count++) {
        random_rows(&random, rows, ROWS_MAX);
        for (size_t i = 0; i < ROWS_MAX; i++)
            rows[i].x = rows[i].time = push_count + (int64_t)(test_random(&random) % 3);
        good(push(SOURCE_A, rows, ROWS_MAX, &batch, &err));
        if (push_count % 10 == 0)
            good(flush(&err));
        if (push_count % 40 == 0) {
            good(erase_key(0, ERASED_KEY, &erased, &err));
            has_not(VIEW_A, ERASED_KEY);
        }
        if (push_count % 50 == 25) {
            bool is_double = push_count % 100 == 25;
            good(define(is_double ? "x * 2" : "x", &err));
            show_views(is_double ? 2 : 1);
        }
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        ax_thread_join(&readings[i].thread);
        assert_false(readings[i].is_wrong);
    }
    ax_online_views_unref(shown.views);
    shown.views = NULL;
    close_writer();
    remove_state();
}

/* ---- kill -9 ---- */

/* What the child was told: rows of source A with this x, in order. */
static AX_NORETURN void push_until_killed(int told, int64_t first)
{
    uint64_t random = (uint64_t)first;
    open_state("x");
    for (int64_t x = first;; x++) {
        struct ax_online_batch batch;
        struct given_row row = { (int64_t)(test_random(&random) % WRITER_KEYS), x, x };
        if (push(SOURCE_A, &row, 1, &batch, &err) || write(told, &row, sizeof(row)) < 0)
            _exit(1);
        if (x % 4 == 1 && ax_online_writer_clear(fixture.writer, fixture.views, VIEW_A, &err))
            _exit(1);
        if (x % 16 == 0 && flush(&err))
            _exit(1);
    }
}

static void what_was_acknowledged_survives_kill(void **state)
{
    (void)state;
    struct given_row newest[WRITER_KEYS] = { 0 };
    int64_t next = 1;
    for (unsigned kill_count = 0; kill_count < KILLS; kill_count++) {
        int told[2];
        struct given_row row;
        unsigned left = kill_count * 7 % 40 + 1; /* rows that it lives for, at least */
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        if (child == 0)
            push_until_killed(told[1], next);
        (void)close(told[1]);
        while (read(told[0], &row, sizeof(row)) == (ssize_t)sizeof(row)) {
            newest[row.key] = row;
            next = row.x + 2; /* one may have been taken in that was not told of */
            if (left && --left == 0)
                (void)kill(child, SIGKILL);
        }
        (void)close(told[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        open_state("x");
        for (int64_t key = 0; key < WRITER_KEYS; key++) {
            bool is_there = get_value(VIEW_A, key, &row);
            assert_true(is_there || !newest[key].x);
            if (newest[key].x)
                assert_true(row.x >= newest[key].x && row.x < next && row.time == row.x);
        }
        close_writer();
    }
    remove_state();
}

/* ---- what does not go ---- */

static unsigned fold_failures, fold_successes;

static void fold_failed(void *context, const struct ax_err *reason)
{
    (void)context;
    fold_failures += reason != NULL;
    fold_successes += reason == NULL;
    if (reason)
        assert_int_equal(reason->code, AX_E_LIMIT);
}

/* A batch waits behind the fold, and is told; the next fold has its rows, too. */
static void a_fold_that_failed_is_done_again(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_writer_stats stats;
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 5, 55 }, { 2, 6, 66 } };
    config.fold_failed = fold_failed;
    fold_failures = fold_successes = 0;
    good(open_writer(&config, "x", &err));
    atomic_store(&is_sync_to_fail, true);
    assert_int_equal(put_values(VIEW_C, rows, 1, true, &batch, &err), AX_E_LIMIT);
    assert_non_null(strstr(err.msg, "the disk is full, or fails"));
    err = (struct ax_err)AX_ERR_INIT;
    assert_int_equal(fold_failures, 1);
    has(VIEW_C, 1, 5, 55);
    good(push(SOURCE_A, rows + 1, 1, &batch, &err));
    good(flush(&err));
    assert_int_equal(fold_successes, 1);
    ax_online_writer_stats(fixture.writer, &stats);
    assert_int_equal(stats.fold_failures, 1);
    assert_int_equal(stats.unfolded, 0);
    close_writer();
    open_state("x");
    has(VIEW_C, 1, 5, 55);
    has(VIEW_A, 2, 6, 66);
    close_writer();
    remove_state();
}

/* A push of 64 further keys; whether it is done when the writer has had the time for it. */
static bool push_some(struct ax_online_batch *batch, struct given_columns *columns, int64_t from,
                      sem_t *done)
{
    struct ax_online_counts counts = { 0 };
    struct given_row rows[ROWS_MAX];
    for (int64_t i = 0; i < ROWS_MAX; i++)
        rows[i] = (struct given_row){ from + i, 1, from + i };
    fill_columns(columns, SOURCE_A, rows, ROWS_MAX);
    *batch = (struct ax_online_batch){ .kind = AX_ONLINE_ROWS,
                                       .views = fixture.views,
                                       .number = SOURCE_A,
                                       .rows = &columns->rows,
                                       .taken_us = 1,
                                       .done = post,
                                       .context = done };
    good(ax_online_writer_send(fixture.writer, batch, &err));
    /* What is called comes behind it. */
    good(ax_online_writer_history(fixture.writer, fixture.views, VIEW_D, &counts, &err));
    return sem_trywait(done) == 0;
}

/* Keys that wait for the next fold have a quarter of the memory. */
static void pushes_wait_behind_a_long_fold(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct given_columns *columns = calloc(1, sizeof(*columns));
    struct ax_online_batch batch, first = { .kind = AX_ONLINE_FLUSH, .done = post };
    const struct given_row row = { -1, 1, 1 };
    sem_t done, flushed;
    int64_t count = 0;
    assert_non_null(columns);
    assert_int_equal(sem_init(&done, 0, 0), 0);
    assert_int_equal(sem_init(&flushed, 0, 0), 0);
    assert_int_equal(sem_init(&sync_held, 0, 0), 0);
    assert_int_equal(sem_init(&sync_released, 0, 0), 0);
    config.memory_bytes_max = (size_t)2 << 20;
    good(open_writer(&config, "x", &err));
    good(push(SOURCE_A, &row, 1, &batch, &err));
    atomic_store(&is_sync_to_hold, true);
    first.context = &flushed;
    good(ax_online_writer_send(fixture.writer, &first, &err));
    wait_for(&sync_held);
    while (push_some(&batch, columns, count, &done)) {
        good(batch.err.code);
        assert_int_equal(batch.refused, 0);
        count += ROWS_MAX;
    }
    assert_in_range(count, 1000, 10000);
    has(VIEW_A, count - 1, 1, count - 1);
    has_not(VIEW_A, count);
    (void)sem_post(&sync_released);
    wait_for(&done);
    wait_for(&flushed);
    good(first.err.code);
    has(VIEW_A, count, 1, count);
    close_writer();
    open_state("x");
    for (int64_t key = -1; key < count + ROWS_MAX; key += 100)
        assert_true(get_value(VIEW_S, key, &(struct given_row){ 0 }));
    close_writer();
    free(columns);
    remove_state();
}

static void a_full_disk_loses_nothing_that_is_journalled(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    struct given_row rows[ROWS_MAX];
    config.disk_bytes_max = AX_ONLINE_DISK_BYTES_MIN;
    config.fold_failed = fold_failed;
    fold_failures = fold_successes = 0;
    good(open_writer(&config, "x", &err));
    for (int64_t key = 0; key < 1024; key++) {
        rows[key % ROWS_MAX] = (struct given_row){ key, 1, key };
        if (key % ROWS_MAX == ROWS_MAX - 1)
            good(push(SOURCE_A, rows, ROWS_MAX, &batch, &err));
    }
    assert_int_equal(flush(&err), AX_E_LIMIT);
    assert_non_null(strstr(err.msg, "raise online_disk_bytes_max"));
    err = (struct ax_err)AX_ERR_INIT;
    assert_int_equal(flush(&err), AX_E_LIMIT);
    err = (struct ax_err)AX_ERR_INIT;
    assert_int_equal(fold_failures, 1); /* is told once */
    assert_int_equal(put_values(VIEW_C, rows, 1, true, &batch, &err), AX_E_LIMIT);
    err = (struct ax_err)AX_ERR_INIT;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_A, &err),
                         AX_E_UNAVAILABLE);
        err = (struct ax_err)AX_ERR_INIT;
        has(VIEW_A, 6, 1, 6); /* when the disk takes nothing, nothing goes */
    }
    rows[0] = (struct given_row){ 5, 2, 55 };
    good(push(SOURCE_A, rows, 1, &batch, &err));
    has(VIEW_A, 5, 2, 55);
    struct ax_online_writer_stats stats;
    ax_online_writer_stats(fixture.writer, &stats);
    assert_true(stats.fold_failures >= 3 && stats.unfolded >= 1024);
    assert_true(stats.unfolded_ns > 0);
    close_writer();
    open_state("x");
    has(VIEW_A, 5, 2, 55);
    for (int64_t key = 6; key < 1024; key++)
        has(VIEW_S, key, 1, key);
    good(put_values(VIEW_C, rows, 1, true, &batch, &err)); /* there is room again */
    ax_online_writer_stats(fixture.writer, &stats);
    assert_int_equal(stats.fold_failures, 0);
    assert_true(stats.folded >= 1024);
    close_writer();
    remove_state();
}

/* Everything is asked for at once after a start, while the table is filled: read, written, in
 * part and whole, and ended. */
static void it_answers_while_it_is_filled(void **state)
{
    (void)state;
    struct ax_online_batch batch;
    struct given_row rows[ROWS_MAX];
    struct ax_online_writer_stats stats;
    const struct given_row newer = { 4000, 9, 99 };
    const struct given_row older = { 4001, 0, 99 };
    open_state("x");
    for (int64_t key = 0; key < 8192; key++) {
        rows[key % ROWS_MAX] = (struct given_row){ key, 1, key };
        if (key % ROWS_MAX == ROWS_MAX - 1)
            good(push(SOURCE_A, rows, ROWS_MAX, &batch, &err));
    }
    close_writer();
    open_state("x");
    has(VIEW_A, 8191, 1, 8191);
    has_not(VIEW_A, 8192);
    good(push(SOURCE_B, &newer, 1, &batch, &err));
    has(VIEW_A, 4000, 1, 4000);
    has(VIEW_B, 4000, 9, 99);
    good(push(SOURCE_A, &older, 1, &batch, &err));
    assert_int_equal(batch.stale, 2);
    has(VIEW_A, 4001, 1, 4001);
    const struct ax_online_item end = {
        .key = key_of(fixture.views->given.definitions->views[VIEW_A].entity, 4003)
    };
    batch = (struct ax_online_batch){ .kind = AX_ONLINE_VALUES,
                                      .views = fixture.views,
                                      .number = VIEW_A,
                                      .items = &end,
                                      .item_count = 1 };
    good(send_and_wait(&batch, &err)); /* reads the rest first */
    has_not(VIEW_A, 4003);
    uint64_t count;
    good(erase_key(0, 4002, &count, &err));
    has_not(VIEW_A, 4002);
    ax_online_writer_stats(fixture.writer, &stats);
    assert_int_equal(stats.unfilled, 0);
    assert_true(stats.filled >= 2 * 8192 - 2);
    for (int64_t key = 0; key < 8192; key++) {
        if (key != 4002 && key != 4003)
            has(VIEW_A, key, 1, key);
    }
    close_writer();
    open_state("x");
    has(VIEW_B, 4000, 9, 99);
    has(VIEW_A, 4000, 1, 4000);
    has_not(VIEW_A, 4002);
    has_not(VIEW_A, 4003);
    close_writer();
    remove_state();
}

#define MARK INT64_C(0x5a17c0de5a17c0de)

/* Change a bit of each place where the file of rows has the mark. */
static void damage_marks(void)
{
    char path[4200];
    struct ax_buf bytes;
    const int64_t mark = MARK;
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "%s/online/data.mdb", folder);
    ax_buf_init(&bytes, (size_t)64 << 20);
    good(ax_file_read(path, &bytes, &err));
    for (char *at = bytes.ptr;
         (at = memmem(at, (size_t)(bytes.ptr + bytes.len - at), &mark, sizeof(mark))); count++)
        *at ^= 1;
    assert_true(count > 0);
    good(ax_file_replace(path, (struct ax_str){ bytes.ptr, bytes.len }, &err));
    ax_buf_done(&bytes);
}

static _Atomic unsigned fill_failures;

static void fill_failed(void *context, const struct ax_err *reason)
{
    (void)context;
    assert_int_equal(reason->code, AX_E_INVALID);
    assert_non_null(strstr(reason->msg, "auspex materialize --rebuild"));
    atomic_fetch_add(&fill_failures, 1);
}

/* Told at once where all is read first; else the key fails, and others have their values. */
static void damage_of_a_row_is_told(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    const struct given_row rows[] = { { 1, 1, 1 }, { 2, 1, MARK }, { 3, 1, 3 } };
    open_state("x");
    good(put_values(VIEW_C, rows, 3, true, &batch, &err));
    close_writer();
    damage_marks();
    config.fill_bytes_first = (size_t)1 << 20;
    assert_int_equal(open_writer(&config, "x", &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "auspex materialize --rebuild"));
    err = (struct ax_err)AX_ERR_INIT;
    config.fill_bytes_first = 0;
    config.fill_failed = fill_failed;
    good(open_writer(&config, "x", &err));
    while (!atomic_load(&fill_failures))
        (void)sched_yield();
    has(VIEW_C, 1, 1, 1);
    has(VIEW_C, 3, 1, 3); /* which the walk did not come to */
    const struct ax_str key =
        key_of(fixture.views->given.definitions->views[VIEW_C].entity, rows[1].key);
    const struct ax_online_row *row = NULL;
    struct ax_online_fetch fetch = { .entity = fixture.views->views[VIEW_C].entity,
                                     .keys = &key,
                                     .count = 1,
                                     .rows = &row,
                                     .arena = &arena };
    ax_epoch_enter(&fixture.epoch, fixture.reader);
    assert_true(ax_online_fetch(ax_online_writer_store(fixture.writer), &fetch));
    ax_epoch_leave(fixture.reader);
    assert_int_equal(fetch.err.code, AX_E_UNAVAILABLE);
    uint64_t count;
    assert_int_equal(erase_key(0, 1, &count, &err), AX_E_UNAVAILABLE);
    err = (struct ax_err)AX_ERR_INIT;
    struct ax_online_writer_stats stats;
    ax_online_writer_stats(fixture.writer, &stats);
    assert_true(stats.unfilled > 0);
    close_writer();
    remove_state();
}

static void a_full_journal_refuses_rows(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch batch;
    struct given_row row = { 1, 0, 0 };
    config.journal_bytes_max = 4096;
    good(open_writer(&config, "x", &err));
    while (!push(SOURCE_A, &row, 1, &batch, &err))
        row.time = ++row.x;
    assert_int_equal(err.code, AX_E_LIMIT);
    assert_true(row.x > 10);
    assert_int_equal(batch.written + batch.stale + batch.refused, 0);
    err = (struct ax_err)AX_ERR_INIT;
    has(VIEW_A, 1, row.x - 1, row.x - 1);
    good(push(SOURCE_B, &row, 1, &batch, &err));
    close_writer();
    remove_state();
}

static void full_memory_refuses_rows(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(NULL);
    struct ax_online_batch batch = { 0 };
    struct given_row rows[ROWS_MAX];
    config.memory_bytes_max = (size_t)1 << 20;
    good(open_writer(&config, "x", &err));
    for (int64_t key = 0; !err.code; key++) {
        rows[key % ROWS_MAX] = (struct given_row){ key, 1, key };
        if (key % ROWS_MAX == ROWS_MAX - 1)
            (void)(push(SOURCE_B, rows, ROWS_MAX, &batch, &err) != AX_OK);
    }
    assert_int_equal(err.code, AX_E_LIMIT);
    assert_true(batch.refused > 0);
    err = (struct ax_err)AX_ERR_INIT;
    has(VIEW_B, 1, 1, 1);
    close_writer();
}

/* Rows without the view have other sizes, for which there is no memory: what went comes back from
 * the journal, and nobody waits for the rest. */
static void in_full_memory_nothing_is_cleared(void **state)
{
    (void)state;
    struct ax_online_writer_config config = writer_config(folder);
    struct ax_online_batch a = { 0 }, b = { 0 };
    struct given_row rows[ROWS_MAX];
    int64_t count = 0;
    uint64_t none;
    config.memory_bytes_max = (size_t)1 << 20;
    good(open_writer(&config, "x", &err));
    for (; !a.refused && !b.refused; count++) {
        rows[count % ROWS_MAX] = (struct given_row){ count, 1, count };
        if (count % ROWS_MAX < ROWS_MAX - 1)
            continue;
        (void)(push(SOURCE_A, rows, ROWS_MAX, &a, &err) != AX_OK);
        (void)(push(SOURCE_B, rows, ROWS_MAX, &b, &err) != AX_OK);
    }
    err = (struct ax_err)AX_ERR_INIT;
    assert_true(count > 1000);
    assert_int_equal(ax_online_writer_clear(fixture.writer, fixture.views, VIEW_A, &err),
                     AX_E_LIMIT);
    assert_non_null(strstr(err.msg, "raise online_memory_bytes_max"));
    err = (struct ax_err)AX_ERR_INIT;
    for (int64_t key = 0; key < count - ROWS_MAX; key++) {
        has(VIEW_A, key, 1, key);
        has(VIEW_B, key, 1, key);
    }
    good(erase_key(0, 1, &none, &err));
    close_writer();
    open_state("x");
    has_not(VIEW_A, 1);
    for (int64_t key = 2; key < count - ROWS_MAX; key++)
        has(VIEW_A, key, 1, key);
    close_writer();
    remove_state();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_seen_when_they_are_acknowledged),
        cmocka_unit_test(without_a_folder_it_is_in_memory),
        cmocka_unit_test(a_changed_view_has_what_the_journal_has),
        cmocka_unit_test(batches_of_before_are_done_if_they_fit),
        cmocka_unit_test(readers_have_views_before_batches_do),
        cmocka_unit_test(what_was_erased_stays_away),
        cmocka_unit_test(a_cleared_view_has_what_the_journal_has),
        cmocka_unit_test(parts_of_former_views_go),
        cmocka_unit_test(old_parts_go),
        cmocka_unit_test(old_rows_leave_the_journal),
        cmocka_unit_test(lost_rows_keep_their_sequences),
        cmocka_unit_test(rows_that_are_dropped_by_now_are_not_replayed),
        cmocka_unit_test(a_queue_that_is_full_refuses),
        cmocka_unit_test(the_moment_never_goes_back),
        cmocka_unit_test(random_work_is_what_arrays_have),
        cmocka_unit_test(windows_have_what_was_pushed),
        cmocka_unit_test(what_was_pushed_stays),
        cmocka_unit_test(incomplete_events_do_not_count),
        cmocka_unit_test(old_events_are_forgotten),
        cmocka_unit_test(readers_never_go_back),
        cmocka_unit_test(what_was_acknowledged_survives_kill),
        cmocka_unit_test(a_fold_that_failed_is_done_again),
        cmocka_unit_test(pushes_wait_behind_a_long_fold),
        cmocka_unit_test(a_full_disk_loses_nothing_that_is_journalled),
        cmocka_unit_test(it_answers_while_it_is_filled),
        cmocka_unit_test(damage_of_a_row_is_told),
        cmocka_unit_test(a_full_journal_refuses_rows),
        cmocka_unit_test(full_memory_refuses_rows),
        cmocka_unit_test(in_full_memory_nothing_is_cleared),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_writer_folder);
}

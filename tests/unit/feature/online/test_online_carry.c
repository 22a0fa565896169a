/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a view that is changed keeps the values of the fields that are the same, wherever they came
 * from, while batches go on, and also if the process is killed before or after; the others are null
 * until somebody gives them. Of another source nothing is kept.
 * Method: final values and pushes, then other definitions, in one store and by opening it again; a
 * child kills itself (SIGKILL) at each of its syncs in turn; a thread writes values while
 * definitions come into force.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/thread.h"
#include "feature/online/online_disk.h"

#include "writer_steps.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned syncs_left; /* 0: nobody is killed */
static atomic_bool are_held;
static sem_t held, released;

/* What a killed process has written is the kernel's: no disk is waited for. */
int fdatasync(int fd)
{
    (void)fd;
    if (atomic_exchange(&are_held, false)) {
        (void)sem_post(&held);
        wait_for(&released);
    }
    if (syncs_left && --syncs_left == 0)
        (void)kill(getpid(), SIGKILL);
    return 0;
}

static void put(size_t view, int64_t key, int64_t time, int64_t x)
{
    const struct given_row row = { key, time, x };
    struct ax_online_batch batch;
    good(put_values(view, &row, 1, true, &batch, &err));
}

static const int64_t null = INT64_MIN;

/* A field of a view for a key, from a time; null: it has none there. */
static void has(size_t view, size_t field, int64_t key, int64_t time, int64_t value)
{
    const struct ax_online_view *place = &fixture.views->views[view];
    struct ax_arena rows;
    ax_arena_init(&rows, 4096, (size_t)1 << 20);
    ax_arena_reset(&arena);
    struct ax_str text = key_of(fixture.views->given.definitions->views[view].entity, key);
    const struct ax_online_row *row = NULL;
    struct ax_online_fetch fetch = {
        .entity = place->entity, .keys = &text, .count = 1, .rows = &row, .arena = &rows
    };
    ax_epoch_enter(&fixture.epoch, fixture.reader);
    assert_true(ax_online_fetch(ax_online_writer_store(fixture.writer), &fetch));
    const struct ax_online_part *part = row ? ax_online_row_part(row, place->layout->id) : NULL;
    assert_non_null(part);
    assert_int_equal(part->stamp.time, time);
    assert_int_equal(ax_online_part_has(part, field), value != null);
    if (value != null)
        assert_memory_equal((const char *)part + place->layout->fields[field].offset, &value,
                            sizeof(value));
    ax_epoch_leave(fixture.reader);
    ax_arena_done(&rows);
}

static void has_not(size_t view, int64_t key)
{
    struct given_row row;
    assert_false(get_value(view, key, &row));
}

/* ---- what is kept ---- */

/* Key 1 has values that came otherwise, key 2 a row that was pushed. */
static void fill(void)
{
    const struct given_row pushed = { 2, 20, 200 };
    struct ax_online_batch batch;
    put(VIEW_A, 1, 10, 100);
    good(push(SOURCE_A, &pushed, 1, &batch, &err));
}

static void fields_that_are_the_same_are_kept(void **state)
{
    for (int with_folder = 0; with_folder < 2; with_folder++) {
        const struct ax_online_writer_config config = writer_config(with_folder ? folder : NULL);
        good(open_writer(&config, "x", &err));
        fill();
        good(define("x, g: x + 1", &err));
        has(VIEW_A, 0, 1, 10, 100);
        has(VIEW_A, 1, 1, 10, null);
        has(VIEW_A, 0, 2, 20, 200);
        has(VIEW_A, 1, 2, 20, with_folder ? 201 : null); /* the journal's */
        put(VIEW_A, 3, 30, 300);
        good(define("x * 2, h: k, i: x", &err)); /* another place, and another name */
        has(VIEW_A, 0, 1, 10, null);
        has(VIEW_A, 1, 1, 10, null);
        has(VIEW_A, 2, 1, 10, 100);
        has(VIEW_A, 2, 2, 20, 200);
        has(VIEW_A, 2, 3, 30, 300);
        good(define("x", &err));
        has(VIEW_A, 0, 1, 10, 100);
        has(VIEW_A, 0, 3, 30, 300);
        close_writer();
    }
    (void)state;
    remove_state();
}

static void another_type_is_another_field(void **state)
{
    (void)state;
    open_state("x, g: k");
    put(VIEW_A, 1, 10, 100);
    good(define("{expr: x, type: int32}, g: k", &err));
    has(VIEW_A, 0, 1, 10, null);
    has(VIEW_A, 1, 1, 10, 100);
    good(define("x + 1, g: k + 1", &err)); /* nothing is the same, but the moment */
    has(VIEW_A, 0, 1, 10, null);
    has(VIEW_A, 1, 1, 10, null);
    put(VIEW_A, 1, 9, 1);
    has(VIEW_A, 0, 1, 10, null);
    close_writer();
    remove_state();
}

static void of_another_source_nothing_is_kept(void **state)
{
    (void)state;
    enum { VIEW_X = 1 };
    open_state("x}}\n  vx: {entity: thing, source: c, fields: {f: x");
    put(VIEW_X, 1, 10, 100);
    good(define("x}}\n  vx: {entity: thing, source: c, fields: {f: x, g: k", &err));
    has(VIEW_X, 0, 1, 10, 100);
    good(define("x}}\n  vx: {entity: thing, source: b, fields: {f: x, g: k", &err));
    has_not(VIEW_X, 1);
    good(define("x", &err));
    good(define("x}}\n  vy: {entity: thing, source: b, fields: {f: x", &err)); /* another */
    has_not(VIEW_X, 1);
    close_writer();
    remove_state();
}

static void what_is_newer_stays(void **state)
{
    (void)state;
    struct ax_online_views *before;
    open_state("x");
    put(VIEW_A, 1, 10, 100);
    put(VIEW_A, 2, 10, 100);
    before = ax_online_views_ref(fixture.views); /* its parts stay */
    good(define("x, g: k", &err));
    put(VIEW_A, 1, 10, 101); /* materialised: the same moment, all fields */
    put(VIEW_A, 2, 11, 102);
    good(define("x", &err));
    has(VIEW_A, 0, 1, 10, 101);
    has(VIEW_A, 0, 2, 11, 102);
    ax_online_views_unref(before);
    close_writer();
    remove_state();
}

static void a_view_that_changes_back_has_what_was_corrected(void **state)
{
    (void)state;
    struct ax_online_views *before;
    open_state("x, g: k");
    put(VIEW_A, 1, 10, 100);
    before = ax_online_views_ref(fixture.views); /* its parts stay */
    good(define("x", &err));
    put(VIEW_A, 1, 10, 101); /* the same moment */
    good(define("x, g: k", &err));
    has(VIEW_A, 0, 1, 10, 101);
    has(VIEW_A, 1, 1, 10, 100);
    ax_online_views_unref(before);
    close_writer();
    remove_state();
}

static void texts_and_lists_are_kept(void **state)
{
    (void)state;
    struct ax_err failed = AX_ERR_INIT;
    struct ax_arena own;
    ax_arena_init(&own, 4096, (size_t)1 << 20);
    const struct ax_storage before[] = { { AX_STORAGE_STRING, true },
                                         { AX_STORAGE_STRING, false },
                                         { AX_STORAGE_BOOL, false } };
    const struct ax_storage after[] = { { AX_STORAGE_FLOAT64, false },
                                        { AX_STORAGE_BOOL, false },
                                        { AX_STORAGE_STRING, false },
                                        { AX_STORAGE_STRING, true } };
    const size_t from[] = { AX_ONLINE_FORM_NEW, 2, 1, 0 };
    struct ax_online_layout former, layout;
    assert_int_equal(ax_online_layout_init(&former, 1, before, 3, &own, &failed), AX_OK);
    assert_int_equal(ax_online_layout_init(&layout, 2, after, 4, &own, &failed), AX_OK);
    struct ax_str items[] = { AX_STR("one"), AX_STR(""), AX_STR("three") };
    uint64_t no_second = 5;
    struct ax_values elements = column_of(AX_TYPE_STRING, items, 3);
    elements.validity = &no_second;
    struct ax_span span = { 0, 3 };
    struct ax_str text = AX_STR("a text that is longer than a place");
    uint8_t is_so = 1;
    struct ax_values columns[] = {
        { .type = { AX_TYPE_STRING, true }, .rows = 1, .data = &span, .items = &elements },
        column_of(AX_TYPE_STRING, &text, 1),
        column_of(AX_TYPE_BOOL, &is_so, 1)
    };
    const struct ax_values *fields[] = { &columns[0], &columns[1], &columns[2] };
    const struct ax_online_stamp stamp = { 1, 2, 3 };
    size_t bytes = ax_online_part_write(&former, &stamp, fields, 0, NULL);
    struct ax_online_part *part = ax_arena_alloc(&own, 1, bytes);
    assert_int_equal(ax_online_part_write(&former, &stamp, fields, 0, part), bytes);
    bytes = ax_online_part_carry(&layout, from, &former, part, NULL);
    struct ax_online_part *carried = ax_arena_alloc(&own, 1, bytes);
    assert_int_equal(ax_online_part_carry(&layout, from, &former, part, carried), bytes);
    assert_int_equal(ax_online_part_check(&layout, carried, bytes, &failed), AX_OK);
    assert_memory_equal(&carried->stamp, &stamp, sizeof(stamp));
    const size_t all[] = { 0, 1, 2, 3 };
    const struct ax_online_part *parts[] = { carried };
    struct ax_values read[4];
    assert_int_equal(ax_online_read(&layout, all, 4, parts, 1, &own, read, &failed), AX_OK);
    assert_true(ax_values_is_null(&read[0], 0));
    assert_int_equal(read[1].bools[0], 1);
    assert_true(ax_str_equals(read[2].texts[0], text));
    assert_int_equal(read[3].spans[0].count, 3);
    assert_true(ax_str_is(read[3].items->texts[read[3].spans[0].from + 2], "three"));
    assert_true(ax_values_is_null(read[3].items, read[3].spans[0].from + 1));
    ax_arena_done(&own);
}

/* ---- other starts, and kills ---- */

static void a_start_by_other_definitions_keeps_them(void **state)
{
    (void)state;
    open_state("x");
    fill();
    close_writer();
    open_state("x, g: x + 1");
    has(VIEW_A, 0, 1, 10, 100);
    has(VIEW_A, 1, 1, 10, null);
    has(VIEW_A, 1, 2, 20, 201);
    struct ax_online_writer_stats stats;
    do { /* the parts before go, and nothing else */
        good(flush(&err));
        ax_online_writer_stats(fixture.writer, &stats);
    } while (stats.swept < 2);
    close_writer();
    open_state("x, g: x + 1");
    has(VIEW_A, 0, 1, 10, 100);
    has(VIEW_A, 1, 2, 20, 201);
    close_writer();
    open_state("x, g: x + 1, h: k");
    has(VIEW_A, 0, 1, 10, 100);
    close_writer();
    remove_state();
}

/* The definitions change twice; it is killed at a sync. */
static AX_NORETURN void change_until_killed(unsigned at)
{
    syncs_left = at;
    open_state("x, g: x + 1");
    (void)(flush(&err) != AX_OK);
    (void)(define("x, h: x + 2", &err) != AX_OK);
    (void)(flush(&err) != AX_OK);
    close_writer();
    _exit(0);
}

static void killed_whenever_it_is_nothing_is_lost(void **state)
{
    (void)state;
    static const char *const fields[] = { "x, g: x + 1", "x, h: x + 2", "x", "x, i: k" };
    unsigned kills = 0;
    for (bool was_killed = true; was_killed; kills++) {
        open_state("x");
        fill();
        close_writer();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            change_until_killed(kills + 1);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        was_killed = WIFSIGNALED(status);
        open_state(fields[kills % AX_COUNT(fields)]);
        has(VIEW_A, 0, 1, 10, 100);
        has(VIEW_A, 0, 2, 20, 200);
        close_writer();
        remove_state();
    }
    assert_true(kills > 2);
}

/* ---- batches in between ---- */

enum { KEYS = 5000, WRITES_MAX = 100000 };

/* Values of one key that a thread writes by the views before, until they do not fit any more. */
struct writing {
    struct ax_thread thread;
    struct ax_online_views *views;
    struct ax_str key;
    int64_t written; /* the last that was acknowledged */
};

static void write_on(void *arg)
{
    struct writing *writing = arg;
    const struct ax_online_layout *layout = writing->views->views[VIEW_A].layout;
    struct ax_err failed = AX_ERR_INIT;
    sem_t done;
    assert_int_equal(sem_init(&done, 0, 0), 0);
    for (int64_t x = 1; x < WRITES_MAX && !failed.code; x++) {
        uint64_t part[8];
        struct ax_values values = column_of(AX_TYPE_INT64, &x, 1);
        const struct ax_values *fields[] = { &values };
        const struct ax_online_stamp stamp = { .time = x };
        const struct ax_online_item item = { .key = writing->key,
                                             .layout = layout,
                                             .part = (const void *)part,
                                             .bytes = ax_online_part_write(layout, &stamp, fields,
                                                                           0, part) };
        struct ax_online_batch batch = { .kind = AX_ONLINE_VALUES,
                                         .views = writing->views,
                                         .number = VIEW_A,
                                         .items = &item,
                                         .item_count = 1,
                                         .context = &done,
                                         .done = post };
        if (ax_online_writer_send(fixture.writer, &batch, &failed))
            break;
        wait_for(&done);
        failed = batch.err;
        if (!failed.code)
            writing->written = x;
    }
    (void)sem_destroy(&done);
}

static void values_that_come_meanwhile_are_kept(void **state)
{
    (void)state;
    struct given_row rows[ROWS_MAX];
    struct ax_online_batch batch;
    const struct ax_online_writer_config config = writer_config(NULL);
    good(open_writer(&config, "x", &err));
    for (int64_t key = 0; key < KEYS; key++) {
        rows[key % ROWS_MAX] = (struct given_row){ key, 1, key };
        if (key % ROWS_MAX == ROWS_MAX - 1)
            good(put_values(VIEW_A, rows, ROWS_MAX, false, &batch, &err));
    }
    struct writing writing = { .views = ax_online_views_ref(fixture.views) };
    char text[64];
    ax_arena_reset(&arena);
    struct ax_str key = key_of(fixture.views->given.definitions->views[VIEW_A].entity, 1);
    memcpy(text, key.ptr, key.len);
    writing.key = (struct ax_str){ text, key.len };
    good(ax_thread_start(&writing.thread, "writing", write_on, &writing, &err));
    good(define("x, g: x + 1", &err));
    ax_thread_join(&writing.thread);
    struct given_row row = { 0 };
    assert_true(get_value(VIEW_A, 1, &row));
    assert_true(row.x >= writing.written && row.x == row.time);
    has(VIEW_A, 0, 2, 1, 2);
    ax_online_views_unref(writing.views);
    close_writer();
}

/* Values of view a for some keys. */
static enum ax_code put_some(int64_t first, int64_t time)
{
    struct given_row rows[ROWS_MAX];
    struct ax_online_batch batch;
    for (int64_t i = 0; i < ROWS_MAX; i++)
        rows[i] = (struct given_row){ first + i, time, time };
    return put_values(VIEW_A, rows, ROWS_MAX, false, &batch, &err);
}

static void without_room_the_views_before_stay(void **state)
{
    for (int with_folder = 0; with_folder < 2; with_folder++) {
        struct ax_online_writer_config config = writer_config(with_folder ? folder : NULL);
        struct ax_online_stats before, after;
        int64_t keys = 0;
        config.memory_bytes_max = (size_t)1 << 20;
        good(open_writer(&config, "x", &err));
        do {
            good(put_some(keys, 1));
            good(put_some(0, 1)); /* some rows always wait to be freed */
            keys += ROWS_MAX;
            ax_online_stats(ax_online_writer_store(fixture.writer), &before);
        } while (before.bytes_used < config.memory_bytes_max * 3 / 4);
        assert_int_equal(define("x, g: x + 1", &err), AX_E_LIMIT);
        assert_non_null(strstr(err.msg, "the changed view 'va'"));
        err = (struct ax_err)AX_ERR_INIT;
        has(VIEW_A, 0, 1, 1, 1);
        do { /* what was carried over goes again, and is freed by writes behind it */
            (void)(put_some(0, 1) != AX_OK);
            err = (struct ax_err)AX_ERR_INIT;
            ax_online_stats(ax_online_writer_store(fixture.writer), &after);
        } while (after.bytes_used > before.bytes_used);
        for (int64_t key = 0; key < keys; key += ROWS_MAX)
            good(put_some(key, 2));
        for (int64_t key = 0; key < keys; key++)
            has(VIEW_A, 0, key, 2, 2);
        close_writer();
    }
    (void)state;
    remove_state();
}

/* ---- forms ---- */

static void forms_are_what_they_were(void **state)
{
    (void)state;
    open_state("x, g: k");
    struct ax_arena own;
    struct ax_err failed = AX_ERR_INIT;
    ax_arena_init(&own, 4096, (size_t)1 << 20);
    struct ax_online_form *form = &fixture.views->forms[VIEW_A];
    struct ax_online_form read;
    struct ax_str whole;
    const size_t *fields;
    form->fields[1].lacks_files = true;
    assert_int_equal(ax_online_form_write(form, &own, &whole, &failed), AX_OK);
    assert_int_equal(ax_online_form_read(whole, &own, &read, &failed), AX_OK);
    assert_int_equal(read.layout, form->layout);
    assert_false(read.fields[0].lacks_files);
    assert_true(read.fields[1].lacks_files);
    assert_int_equal(ax_online_form_match(form, &read, &own, &fields, &failed), AX_OK);
    assert_non_null(fields);
    assert_int_equal(fields[0], 0);
    assert_int_equal(fields[1], 1);
    char *bytes = ax_arena_alloc(&own, 1, whole.len);
    for (size_t len = 0; len < whole.len; len++) { /* cut short */
        failed = (struct ax_err)AX_ERR_INIT;
        memcpy(bytes, whole.ptr, len);
        assert_int_equal(ax_online_form_read((struct ax_str){ bytes, len }, &own, &read, &failed),
                         AX_E_INVALID);
    }
    static const struct {
        size_t at;
        char to;
    } wrong[] = { { 0, 2 }, { 8, 3 }, { 80, AX_STORAGE_COUNT }, { 81, 2 }, { 82, 2 } };
    for (size_t i = 0; i < AX_COUNT(wrong); i++) {
        failed = (struct ax_err)AX_ERR_INIT;
        memcpy(bytes, whole.ptr, whole.len);
        bytes[wrong[i].at] = wrong[i].to;
        assert_int_equal(
            ax_online_form_read((struct ax_str){ bytes, whole.len }, &own, &read, &failed),
            AX_E_INVALID);
    }
    ax_arena_done(&own);
    close_writer();
    remove_state();
}

/* What the disk has when nobody uses it. */
static void read_form(struct ax_arena *own, struct ax_online_form *ret_form)
{
    struct ax_online_disk *disk;
    struct ax_str bytes;
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/online", folder);
    good(ax_online_disk_open(path, (uint64_t)64 << 20, &disk, &err));
    good(ax_online_disk_form(disk, AX_STR("thing"), AX_STR("va"), own, &bytes, &err));
    ax_online_disk_close(disk);
    good(ax_online_form_read(bytes, own, ret_form, &err));
}

/* A form that changes while the fold that has it waits for the disk is folded by the next one. */
static void a_form_that_changes_while_it_is_folded_is_folded_again(void **state)
{
    (void)state;
    static const bool all[VIEW_E + 1] = { true };
    struct ax_online_batch batch = { .kind = AX_ONLINE_FLUSH, .done = post };
    struct ax_online_form read;
    struct ax_arena own;
    sem_t done;
    ax_arena_init(&own, 4096, (size_t)1 << 20);
    assert_true(!sem_init(&held, 0, 0) && !sem_init(&released, 0, 0) && !sem_init(&done, 0, 0));
    are_materialised = all;
    open_state("x");
    are_materialised = NULL;
    batch.context = &done;
    atomic_store(&are_held, true);
    const struct given_row row = { 1, 10, 100 }; /* something to fold, whatever was before */
    struct ax_online_batch values;
    good(put_values(VIEW_A, &row, 1, false, &values, &err));
    good(ax_online_writer_send(fixture.writer, &batch, &err));
    wait_for(&held);
    ax_online_writer_complete(fixture.writer, fixture.views, VIEW_A);
    (void)sem_post(&released);
    wait_for(&done);
    good(flush(&err));
    close_writer();
    read_form(&own, &read);
    assert_int_equal(read.field_count, 1);
    assert_false(read.fields[0].lacks_files);
    ax_arena_done(&own);
    remove_state();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_are_the_same_are_kept),
        cmocka_unit_test(another_type_is_another_field),
        cmocka_unit_test(of_another_source_nothing_is_kept),
        cmocka_unit_test(what_is_newer_stays),
        cmocka_unit_test(a_view_that_changes_back_has_what_was_corrected),
        cmocka_unit_test(texts_and_lists_are_kept),
        cmocka_unit_test(a_start_by_other_definitions_keeps_them),
        cmocka_unit_test(killed_whenever_it_is_nothing_is_lost),
        cmocka_unit_test(values_that_come_meanwhile_are_kept),
        cmocka_unit_test(without_room_the_views_before_stay),
        cmocka_unit_test(forms_are_what_they_were),
        cmocka_unit_test(a_form_that_changes_while_it_is_folded_is_folded_again),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_writer_folder);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a view with windows has online for many keys is what its fields say of their events.
 * Method: a view read from text; random events of some keys, computed as its columns say and put in
 * by batches, late ones among them; its fields read for many keys at once, known and unknown, and
 * compared with a walk over a plain list. Then memory that is full, keys that end, and a sweep that
 * leaves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "feature/online/online_windows.h"

#include "test_folder.h"

#include <stdio.h>

#define SECOND      INT64_C(1000000)
#define HOUR        (3600 * SECOND)
#define ARENA_BYTES ((size_t)4 << 20)

enum { KEYS = 40, EVENTS = 3000, BATCH = 50, ASKED = 100 };
enum { FIELD_N, FIELD_SUM, FIELD_SHARE, FIELD_SMALL, FIELD_LAST, FIELDS };
enum { COLUMN_ID, COLUMN_K, COLUMN_T, COLUMN_X, COLUMN_Y, COLUMN_W, COLUMNS };

static const char definition[] =
    "auspex: 1\n"
    "entities: {e: {keys: {k: string}}}\n"
    "sources:\n"
    "  s: {files: a.csv, time: t, event_id: [id],\n"
    "      columns: {id: string, k: string, t: timestamp, x: float64, y: int64, w: string}}\n"
    "views:\n"
    "  v:\n"
    "    entity: e\n"
    "    source: s\n"
    "    fields:\n"
    "      n: count(*) over 10m\n"
    "      sum: sum(x * 2.0) over 1h\n"
    "      share: count(*) filter (where y > 50) over 1h / count(*) over 1h\n"
    "      small: {expr: sum(y) over 1h, type: int32}\n"
    "      last: last_n(w, 2) over 1h\n";

struct event {
    size_t key;
    int64_t time;
    double x;
    int64_t y;
    char id[16], w[24];
};

static struct ax_err err;
static struct ax_epoch epoch;
static struct ax_definitions definitions;
static struct ax_online_windows *windows;
static struct ax_window_scratch scratch;
static struct ax_program *program; /* of an event's columns */
static struct ax_arena arena;
static struct ax_random numbers;
static struct event events[EVENTS];
static char names[KEYS + 1][16];

static int start(void **state)
{
    if (make_folder(state))
        return -1;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/a.yaml", folder);
    for (size_t i = 0; i <= KEYS; i++)
        (void)snprintf(names[i], sizeof(names[i]), "key %zu", i);
    return ax_file_replace(path, AX_STR(definition), &err) ||
           ax_definitions_read(folder, &definitions, &err);
}

static int stop(void **state)
{
    ax_definitions_done(&definitions);
    return remove_folder(state);
}

static void open_windows(size_t bytes)
{
    ax_epoch_init(&epoch);
    ax_arena_init(&arena, ARENA_BYTES, 16 * ARENA_BYTES);
    ax_random_init(&numbers, 5, 0);
    if (ax_online_windows_open(&definitions.views[0], &epoch, bytes, &windows, &err) ||
        ax_program_new(windows->made.columns, windows->made.column_count, &program, &err))
        fail_msg("%s", err.msg);
    assert_true(ax_window_scratch_init(&scratch, windows->made.spec, NULL));
}

static void close_windows(void)
{
    ax_window_scratch_done(&scratch, windows->made.spec);
    ax_program_free(program);
    ax_online_windows_close(windows);
    ax_arena_done(&arena);
    ax_epoch_done(&epoch);
}

static void random_event(size_t i, int64_t now)
{
    struct event *event = &events[i];
    event->key = (size_t)ax_random_below(&numbers, KEYS);
    event->time =
        now - (ax_random_below(&numbers, 4) ? 0 : (int64_t)ax_random_below(&numbers, 600) * SECOND);
    event->x = (double)ax_random_below(&numbers, 1000);
    event->y = (int64_t)ax_random_below(&numbers, 100);
    (void)snprintf(event->id, sizeof(event->id), "%06zu", i);
    (void)snprintf(event->w, sizeof(event->w), "what number %zu says", i);
}

/* Put in `count` events, computed as the view's columns say; their codes are in `ret_items`. */
static enum ax_code put_events(size_t from, size_t count, struct ax_online_windows_item *ret_items)
{
    struct ax_values sources[COLUMNS], columns[8];
    const struct ax_values *inputs[COLUMNS], *list[8];
    static const enum ax_type_kind kinds[COLUMNS] = { AX_TYPE_STRING,    AX_TYPE_STRING,
                                                      AX_TYPE_TIMESTAMP, AX_TYPE_FLOAT64,
                                                      AX_TYPE_INT64,     AX_TYPE_STRING };
    ax_arena_reset(&arena);
    for (size_t c = 0; c < COLUMNS; c++) {
        struct ax_type type = { kinds[c], false };
        inputs[c] = &sources[c];
        assert_int_equal(ax_values_init(&sources[c], type, count, &arena, &err), AX_OK);
    }
    for (size_t i = 0; i < count; i++) {
        const struct event *event = &events[from + i];
        sources[COLUMN_ID].texts[i] = ax_str_from(event->id);
        sources[COLUMN_K].texts[i] = ax_str_from(names[event->key]);
        sources[COLUMN_T].i64s[i] = event->time;
        sources[COLUMN_X].f64s[i] = event->x;
        sources[COLUMN_Y].i64s[i] = event->y;
        sources[COLUMN_W].texts[i] = ax_str_from(event->w);
        ret_items[i] = (struct ax_online_windows_item){
            .key = ax_str_from(names[event->key]),
            .event = { .id = ax_str_from(event->id), .time = event->time },
            .row = i,
        };
    }
    assert_in_range(windows->made.column_count, 1, 8);
    assert_int_equal(ax_program_run(program, inputs, count, &arena, columns, &err), AX_OK);
    for (size_t i = 0; i < windows->made.column_count; i++)
        list[i] = &columns[i];
    enum ax_code code = ax_online_windows_put(windows, ret_items, count, list, &err);
    ax_online_windows_settle(windows);
    return code;
}

/* ---- what fields must be ---- */

static bool is_in(const struct event *event, size_t key, int64_t at, int64_t window)
{
    return event->key == key && event->time <= at && event->time > at - window;
}

static bool is_before(const struct event *a, const struct event *b)
{
    return a->time != b->time ? a->time < b->time : strcmp(a->id, b->id) < 0;
}

static void check_key(const struct ax_values *fields, size_t row, size_t key, int64_t at,
                      size_t known, const char *self)
{
    int64_t n = 0, count = 0, big = 0, total = 0;
    double sum = 0;
    const struct event *last[2] = { NULL, NULL };
    for (size_t i = 0; i < known; i++) {
        const struct event *event = &events[i];
        if (self && strcmp(event->id, self) == 0)
            continue;
        n += is_in(event, key, at, HOUR / 6);
        if (!is_in(event, key, at, HOUR))
            continue;
        count++;
        big += event->y > 50;
        total += event->y;
        sum += 2 * event->x;
        if (!last[0] || is_before(last[0], event)) {
            last[1] = last[0];
            last[0] = event;
        } else if (!last[1] || is_before(last[1], event)) {
            last[1] = event;
        }
    }
    assert_int_equal(fields[FIELD_N].i64s[row], n);
    for (size_t i = FIELD_SUM; i < FIELDS; i++)
        assert_int_equal(ax_values_is_null(&fields[i], row), count == 0);
    if (!count)
        return;
    assert_true(fields[FIELD_SUM].f64s[row] == sum);
    assert_true(fields[FIELD_SHARE].f64s[row] == (double)big / (double)count);
    assert_int_equal(fields[FIELD_SMALL].i64s[row], total);
    struct ax_span span = fields[FIELD_LAST].spans[row];
    assert_int_equal(span.count, AX_MIN(count, 2));
    for (size_t i = 0; i < span.count; i++)
        assert_true(ax_str_is(fields[FIELD_LAST].items->texts[span.from + i], last[i]->w));
}

static void check_moment(struct ax_epoch_reader *reader, int64_t now, size_t known)
{
    struct ax_str keys[ASKED], selfs[ASKED];
    int64_t at[ASKED];
    size_t asked[ASKED];
    bool are_known[ASKED];
    struct ax_values fields[FIELDS];
    for (size_t i = 0; i < ASKED; i++) {
        const struct event *event = &events[ax_random_below(&numbers, known)];
        asked[i] = i % 2 ? event->key : (size_t)ax_random_below(&numbers, KEYS + 1);
        keys[i] = ax_str_from(names[asked[i]]);
        at[i] = now - (int64_t)ax_random_below(&numbers, 300) * SECOND;
        selfs[i] = i % 4 == 1 ? ax_str_from(event->id) : (struct ax_str){ NULL, 0 };
    }
    keys[7] = (struct ax_str){ NULL, 0 }; /* A null is the key of nobody, who has no events. */
    asked[7] = KEYS;
    struct ax_online_windows_read read = { keys, at, selfs, ASKED };
    ax_arena_reset(&arena);
    ax_epoch_enter(&epoch, reader);
    assert_int_equal(
        ax_online_windows_get(windows, &read, &scratch, &arena, fields, are_known, &err), AX_OK);
    ax_epoch_leave(reader);
    for (size_t i = 0; i < ASKED; i++) {
        assert_true(are_known[i]);
        check_key(fields, i, asked[i], at[i], known, selfs[i].ptr);
    }
}

static void fields_are_what_events_say(void **state)
{
    (void)state;
    struct ax_online_windows_item items[BATCH];
    open_windows((size_t)64 << 20);
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    int64_t now = 1000 * HOUR;
    int64_t newest = AX_ONLINE_TIMELESS;
    for (size_t known = 0; known < EVENTS; known += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            random_event(known + i, now += 4 * SECOND);
        assert_int_equal(put_events(known, BATCH, items), AX_OK);
        for (size_t i = known; i < known + BATCH; i++)
            newest = AX_MAX(newest, events[i].time);
        assert_int_equal(atomic_load(&windows->newest), newest);
        check_moment(reader, now, known + BATCH);
        size_t cursor = known / BATCH * 17 % AX_MEMORY_SEGMENTS;
        (void)ax_online_windows_sweep(windows, now - HOUR, &cursor);
    }
    assert_int_equal(atomic_load(&windows->keys), KEYS);
    ax_online_windows_clear(windows);
    assert_int_equal(atomic_load(&windows->newest), AX_ONLINE_TIMELESS);
    ax_epoch_unregister(reader);
    close_windows();
}

/* Keys end, one by one and when nothing of them is left; and a moment before the floor is told. */
static void keys_end(void **state)
{
    (void)state;
    struct ax_online_windows_item items[BATCH];
    struct ax_values fields[FIELDS];
    bool known;
    open_windows((size_t)64 << 20);
    for (size_t i = 0; i < BATCH; i++)
        random_event(i, HOUR);
    assert_int_equal(put_events(0, BATCH, items), AX_OK);
    uint64_t keys = atomic_load(&windows->keys);
    struct ax_str key = ax_str_from(names[events[0].key]);
    assert_true(ax_online_windows_end(windows, key));
    assert_false(ax_online_windows_end(windows, key));
    assert_int_equal(atomic_load(&windows->keys), keys - 1);
    size_t cursor = 0;
    while (ax_online_windows_sweep(windows, HOUR, &cursor))
        continue;
    random_event(BATCH, HOUR);
    events[BATCH].key = events[1].key;
    events[BATCH].time = events[1].time - SECOND; /* A late one, with which the floor is seen. */
    assert_int_equal(put_events(BATCH, 1, items), AX_OK);
    int64_t at = HOUR - 1;
    struct ax_online_windows_read read = { &items[0].key, &at, NULL, 1 };
    assert_int_equal(ax_online_windows_get(windows, &read, &scratch, &arena, fields, &known, &err),
                     AX_OK);
    assert_false(known);
    for (cursor = 0; ax_online_windows_sweep(windows, 3 * HOUR, &cursor);)
        continue;
    assert_int_equal(atomic_load(&windows->keys), 0);
    close_windows();
}

/* What is refused is told of each event; the others are there. */
static void what_is_refused_is_told(void **state)
{
    (void)state;
    struct ax_online_windows_item items[BATCH];
    open_windows((size_t)40 << 10);
    size_t refused = 0;
    for (size_t from = 0; from < EVENTS && !refused; from += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            random_event(from + i, HOUR);
        ax_err_clear(&err);
        enum ax_code code = put_events(from, BATCH, items);
        for (size_t i = 0; i < BATCH; i++)
            refused += items[i].ret_code != AX_OK;
        assert_int_equal(code, refused ? AX_E_LIMIT : AX_OK);
    }
    assert_in_range(refused, 1, BATCH);
    assert_int_equal(windows->refused, refused);
    ax_err_clear(&err);
    close_windows();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_what_events_say),
        cmocka_unit_test(keys_end),
        cmocka_unit_test(what_is_refused_is_told),
    };
    return cmocka_run_group_tests_name("feature/online/online_windows", tests, start, stop);
}

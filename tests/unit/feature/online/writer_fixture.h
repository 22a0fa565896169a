/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of the online store over a folder, three sources that are pushed, of which one has
 * windows, and views of two that are not, of which one has windows, and calls that wait until a
 * batch is done.
 */
#ifndef AX_TESTS_UNIT_FEATURE_ONLINE_WRITER_FIXTURE_H
#define AX_TESTS_UNIT_FEATURE_ONLINE_WRITER_FIXTURE_H

#include "feature/online/online_key.h"
#include "feature/online/online_writer.h"

#include "test_folder.h"

#include <semaphore.h>
#include <stdio.h>

enum { ROWS_MAX = 64, WRITER_KEYS = 50 };

/* The sources and views, by number in the definitions. `%s` is the field of view 0, or more. A test
 * may have its own. */
#ifndef DEFINITIONS
#define DEFINITIONS                                                                            \
    "auspex: 1\n"                                                                              \
    "entities: {thing: {keys: {k: int64}}, other: {keys: {s: string}}}\n"                      \
    "sources:\n"                                                                               \
    "  a: {files: a.csv, time: t, push: true, "                                                \
    "columns: {k: int64, s: string, t: timestamp, x: int64},\n"                                \
    "  expect: [{check: between, column: x, max: 1000000000, do: drop_row}]}\n"                \
    "  b: {files: b.csv, time: t, push: true, keep: 1h, "                                      \
    "columns: {k: int64, t: timestamp, x: int64}}\n"                                           \
    "  c: {files: c.csv, time: t, columns: {k: int64, t: timestamp, x: int64}}\n"              \
    "  d: {files: d.csv, time: t, event_id: [id], push: true, "                                \
    "columns: {id: int64, k: int64, t: timestamp, x: int64},\n"                                \
    "  expect: [{check: between, column: x, max: 1000000000, do: drop_row}]}\n"                \
    "  e: {files: e.csv, time: t, event_id: [id], "                                            \
    "columns: {id: int64, k: int64, t: timestamp, x: int64}}\n"                                \
    "views:\n"                                                                                 \
    "  va: {entity: thing, source: a, fields: {f: %s}}\n"                                      \
    "  vs: {entity: other, source: a, fields: {f: x}}\n"                                       \
    "  vb: {entity: thing, source: b, ttl: 10s, fields: {f: x}}\n"                             \
    "  vc: {entity: thing, source: c, fields: {f: x}}\n"                                       \
    "  vd: {entity: thing, source: d, fields: {n: count(*) over 10s, sum: sum(x) over 60s}}\n" \
    "  ve: {entity: thing, source: e, fields: {n: count(*) over 10s, sum: sum(x) over 60s}}\n"
#endif
enum { SOURCE_A, SOURCE_B, SOURCE_D = 3, SOURCE_E };
enum { VIEW_A, VIEW_S, VIEW_B, VIEW_C, VIEWS, VIEW_D = VIEWS /* with windows */, VIEW_E };

struct given_row {
    int64_t key, time, x;
};

struct fixture {
    struct ax_epoch epoch;
    struct ax_epoch_reader *reader;
    struct ax_online_writer *writer;
    struct ax_online_views *views;
};

static struct fixture fixture;
static int64_t taken_us = 1;   /* of what is pushed */
static bool are_pushed = true; /* sources a and d */
static struct ax_arena arena;  /* of keys and parts; lives longer, so that it need not grow again */

/* ---- definitions ---- */

static void release_definitions(void *owner)
{
    ax_definitions_done(owner);
    free(owner);
}

/* What readers are given views by; NULL: define returns them. */
static enum ax_code (*publish)(void *context, struct ax_online_views *views, struct ax_err *err);

static const bool *are_materialised; /* one a view; NULL: none */

/* With this expression as the field of view 0. */
static enum ax_code define(const char *field, struct ax_err *err)
{
    char text[2048];
    static const char yes[] = "push: true, columns", no[] = "push: false,columns";
    (void)snprintf(text, sizeof(text), DEFINITIONS, field);
    for (char *at = text; !are_pushed && (at = strstr(at, yes));)
        memcpy(at, no, strlen(no));
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(text) };
    struct ax_definitions *definitions = calloc(1, sizeof(*definitions));
    assert_non_null(definitions);
    if (ax_definitions_read_texts("f", &file, 1, definitions, err)) {
        free(definitions);
        return err->code;
    }
    const struct ax_online_definitions given = { .definitions = definitions,
                                                 .owner = definitions,
                                                 .release = release_definitions,
                                                 .publish = publish,
                                                 .are_materialised = are_materialised };
    struct ax_online_views *views;
    if (ax_online_writer_define(fixture.writer, &given, &views, err)) {
        release_definitions(definitions);
        return err->code;
    }
    ax_online_views_unref(fixture.views);
    fixture.views = views;
    return AX_OK;
}

/* ---- life ---- */

static void close_writer(void)
{
    if (fixture.reader)
        ax_epoch_unregister(fixture.reader);
    ax_online_writer_close(fixture.writer);
    ax_online_views_unref(fixture.views);
    ax_epoch_done(&fixture.epoch);
    fixture = (struct fixture){ 0 };
}

static enum ax_code open_writer(const struct ax_online_writer_config *config, const char *field,
                                struct ax_err *err)
{
    struct ax_online_writer_config own = *config;
    ax_epoch_init(&fixture.epoch);
    fixture.reader = ax_epoch_register(&fixture.epoch);
    if (!arena.max)
        ax_arena_init(&arena, (size_t)64 << 10, (size_t)1 << 26);
    own.epoch = &fixture.epoch;
    if (ax_online_writer_open(&own, &fixture.writer, err) || define(field, err))
        close_writer();
    return err->code;
}

static struct ax_online_writer_config writer_config(const char *state)
{
    return (struct ax_online_writer_config){ .state = state,
                                             .memory_bytes_max = (size_t)64 << 20,
                                             .disk_bytes_max = (uint64_t)64 << 20,
                                             .fill_rows_first = 65536,
                                             .queue_max = 8 };
}

static int remove_writer_folder(void **state)
{
    ax_arena_done(&arena);
    return remove_folder(state);
}

/* ---- batches ---- */

static void post(struct ax_online_batch *batch)
{
    (void)sem_post(batch->context);
}

static void wait_for(sem_t *done)
{
    while (sem_wait(done))
        ;
}

/* Send it, and wait until it is done. */
static enum ax_code send_and_wait(struct ax_online_batch *batch, struct ax_err *err)
{
    static sem_t done; /* one waits at a time */
    assert_int_equal(sem_init(&done, 0, 0), 0);
    batch->context = &done;
    batch->done = post;
    if (!ax_online_writer_send(fixture.writer, batch, err)) {
        wait_for(&done);
        *err = batch->err;
    }
    (void)sem_destroy(&done);
    return err->code;
}

AX_UNUSED static enum ax_code flush(struct ax_err *err)
{
    struct ax_online_batch batch = { .kind = AX_ONLINE_FLUSH };
    return send_and_wait(&batch, err);
}

/* Storage of the columns of a few rows. */
struct given_columns {
    int64_t keys[ROWS_MAX], times[ROWS_MAX], xs[ROWS_MAX];
    struct ax_str texts[ROWS_MAX];
    char names[ROWS_MAX][24];
    struct ax_values values[4];
    struct ax_source_rows rows;
};

static struct ax_values column_of(enum ax_type_kind kind, void *data, size_t rows)
{
    return (struct ax_values){ .type = { kind, false }, .rows = rows, .data = data };
}

static void fill_columns(struct given_columns *columns, size_t source, const struct given_row *rows,
                         size_t count)
{
    size_t at = 0;
    assert_true(count <= ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        columns->keys[i] = rows[i].key;
        columns->times[i] = rows[i].time;
        columns->xs[i] = rows[i].x;
        (void)snprintf(columns->names[i], sizeof(columns->names[i]), "k%d", (int)rows[i].key);
        columns->texts[i] = ax_str_from(columns->names[i]);
    }
    columns->values[at++] = column_of(AX_TYPE_INT64, columns->keys, count);
    if (source == SOURCE_A)
        columns->values[at++] = column_of(AX_TYPE_STRING, columns->texts, count);
    columns->values[at++] = column_of(AX_TYPE_TIMESTAMP, columns->times, count);
    columns->values[at++] = column_of(AX_TYPE_INT64, columns->xs, count);
    columns->rows = (struct ax_source_rows){ .rows = count, .columns = columns->values };
}

/* Push rows; *batch has the counts. */
AX_UNUSED static enum ax_code push(size_t source, const struct given_row *rows, size_t count,
                                   struct ax_online_batch *batch, struct ax_err *err)
{
    struct given_columns *columns = calloc(1, sizeof(*columns));
    assert_non_null(columns);
    fill_columns(columns, source, rows, count);
    *batch = (struct ax_online_batch){ .kind = AX_ONLINE_ROWS,
                                       .views = fixture.views,
                                       .number = source,
                                       .rows = &columns->rows,
                                       .taken_us = taken_us };
    (void)(send_and_wait(batch, err) != AX_OK);
    free(columns);
    return err->code;
}

#define NO_CELL INT64_MIN

/* An event of source d or e; NO_CELL: it is null. */
struct given_event {
    int64_t id, key, time, x;
};

struct event_columns {
    int64_t cells[4][ROWS_MAX];
    uint64_t validity[4];
    struct ax_values values[4];
};

static void fill_events(struct event_columns *columns, const struct given_event *events,
                        size_t count)
{
    static const enum ax_type_kind kinds[] = { AX_TYPE_INT64, AX_TYPE_INT64, AX_TYPE_TIMESTAMP,
                                               AX_TYPE_INT64 };
    assert_true(count <= ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        columns->cells[0][i] = events[i].id;
        columns->cells[1][i] = events[i].key;
        columns->cells[2][i] = events[i].time;
        columns->cells[3][i] = events[i].x;
    }
    for (size_t i = 0; i < 4; i++) {
        columns->values[i] = column_of(kinds[i], columns->cells[i], count);
        columns->values[i].validity = &columns->validity[i];
        columns->validity[i] = UINT64_MAX;
        for (size_t row = 0; row < count; row++)
            columns->validity[i] &= ~((uint64_t)(columns->cells[i][row] == NO_CELL) << row);
    }
}

AX_UNUSED static enum ax_code push_events(const struct given_event *events, size_t count,
                                          struct ax_online_batch *batch, struct ax_err *err)
{
    struct event_columns columns = { 0 };
    fill_events(&columns, events, count);
    const struct ax_source_rows rows = { .rows = count, .columns = columns.values };
    *batch = (struct ax_online_batch){ .kind = AX_ONLINE_ROWS,
                                       .views = fixture.views,
                                       .number = SOURCE_D,
                                       .rows = &rows,
                                       .taken_us = 1 };
    return send_and_wait(batch, err);
}

/* ---- keys and values ---- */

static struct ax_str key_of(const struct ax_entity *entity, int64_t number)
{
    struct ax_str text = { ax_arena_alloc(&arena, 1, 24), 0 };
    assert_non_null(text.ptr);
    text.len = (size_t)snprintf((char *)text.ptr, 24, "k%d", (int)number);
    struct ax_values values = entity->keys[0].storage.kind == AX_STORAGE_STRING
                                  ? column_of(AX_TYPE_STRING, &text, 1)
                                  : column_of(AX_TYPE_INT64, &number, 1);
    const struct ax_values *columns[] = { &values };
    struct ax_str key;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_online_keys_make(entity, columns, 1, &arena, &key, &err), AX_OK);
    char *own = ax_arena_alloc(&arena, 1, key.len);
    assert_non_null(own);
    memcpy(own, key.ptr, key.len);
    return (struct ax_str){ own, key.len };
}

/* Final values of view `view`; all of its fields have the same. */
AX_UNUSED static enum ax_code put_values(size_t view, const struct given_row *rows, size_t count,
                                         bool is_kept, struct ax_online_batch *batch,
                                         struct ax_err *err)
{
    const struct ax_view *definition = &fixture.views->given.definitions->views[view];
    const struct ax_online_layout *layout = fixture.views->views[view].layout;
    struct ax_online_item items[ROWS_MAX];
    ax_arena_reset(&arena);
    for (size_t i = 0; i < count; i++) {
        int64_t x = rows[i].x;
        struct ax_values values = column_of(AX_TYPE_INT64, &x, 1);
        const struct ax_values *fields[] = { &values, &values, &values };
        assert_true(layout->field_count <= AX_COUNT(fields));
        struct ax_online_stamp stamp = { .time = rows[i].time };
        size_t bytes = ax_online_part_write(layout, &stamp, fields, 0, NULL);
        void *part = ax_arena_alloc(&arena, 1, bytes);
        assert_non_null(part);
        (void)ax_online_part_write(layout, &stamp, fields, 0, part);
        items[i] = (struct ax_online_item){ .key = key_of(definition->entity, rows[i].key),
                                            .layout = layout,
                                            .part = part,
                                            .bytes = bytes };
    }
    *batch = (struct ax_online_batch){ .kind = AX_ONLINE_VALUES,
                                       .views = fixture.views,
                                       .number = view,
                                       .items = items,
                                       .item_count = count,
                                       .is_kept = is_kept };
    return send_and_wait(batch, err);
}

/* Have a key of the entity of that number go; *ret_rows: with so many rows of journals. */
AX_UNUSED static enum ax_code erase_key(size_t entity, int64_t number, uint64_t *ret_rows,
                                        struct ax_err *err)
{
    uint64_t rows[SOURCE_E + 1] = { 0 };
    struct ax_map keys;
    struct ax_online_erase erase = { .entity = entity, .keys = &keys, .rows = rows };
    ax_arena_reset(&arena);
    ax_map_init(&keys);
    (void)ax_map_put(&keys, key_of(&fixture.views->given.definitions->entities[entity], number),
                     &keys);
    (void)(ax_online_writer_erase(fixture.writer, fixture.views, &erase, err) != AX_OK);
    ax_map_done(&keys);
    *ret_rows = 0;
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        *ret_rows += rows[i];
    return err->code;
}

/* What view `view` has of a key, as a reader sees it; false: nothing. */
static bool read_value(struct ax_epoch_reader *reader, const struct ax_online_views *views,
                       size_t view, struct ax_str key, struct given_row *ret)
{
    const struct ax_online_view *place = &views->views[view];
    const struct ax_online_row *row = NULL;
    struct ax_arena rows;
    struct ax_online_fetch fetch = {
        .entity = place->entity, .keys = &key, .count = 1, .rows = &row, .arena = &rows
    };
    ax_arena_init(&rows, 4096, (size_t)1 << 20);
    ax_epoch_enter(&fixture.epoch, reader);
    assert_true(ax_online_fetch(ax_online_writer_store(fixture.writer), &fetch));
    assert_int_equal(fetch.err.code, AX_OK);
    const struct ax_online_part *part = row ? ax_online_row_part(row, place->layout->id) : NULL;
    if (part) {
        ret->time = part->stamp.time;
        memcpy(&ret->x, (const char *)part + place->layout->fields[0].offset, sizeof(ret->x));
    }
    ax_epoch_leave(reader);
    ax_arena_done(&rows);
    return part != NULL;
}

/* What the windows of a view have of a key at a moment. False: it lies before what is kept. */
AX_UNUSED static bool get_windows(size_t view, int64_t number, int64_t at, int64_t *ret_n,
                                  int64_t *ret_sum)
{
    const struct ax_online_windows *windows = fixture.views->views[view].windows;
    struct ax_window_scratch scratch;
    struct ax_values fields[2];
    struct ax_err err = AX_ERR_INIT;
    bool is_known;
    ax_arena_reset(&arena);
    struct ax_str key = key_of(fixture.views->given.definitions->views[view].entity, number);
    const struct ax_online_windows_read read = { .keys = &key, .at = &at, .count = 1 };
    assert_true(ax_window_scratch_init(&scratch, windows->made.spec, NULL));
    ax_epoch_enter(&fixture.epoch, fixture.reader);
    assert_int_equal(
        ax_online_windows_get(windows, &read, &scratch, &arena, fields, &is_known, &err), AX_OK);
    ax_epoch_leave(fixture.reader);
    ax_window_scratch_done(&scratch, windows->made.spec);
    *ret_n = fields[0].i64s[0];
    *ret_sum = ax_values_is_null(&fields[1], 0) ? 0 : fields[1].i64s[0];
    return is_known;
}

/* What view `view` has of a key's number, for the test's own thread. */
AX_UNUSED static bool get_value(size_t view, int64_t number, struct given_row *ret)
{
    ax_arena_reset(&arena);
    return read_value(fixture.reader, fixture.views, view,
                      key_of(fixture.views->given.definitions->views[view].entity, number), ret);
}

#endif

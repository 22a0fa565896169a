/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a history holds, for every row, what a join by brute force finds: the rules of
 * docs/internals/point-in-time.md, one by one, over random histories.
 *
 * Method: each case makes a source (states or events, with and without `created`, ttl, time: none,
 * one or two keys, with and without exclude_self, times in seconds, milliseconds or microseconds,
 * in one to three CSV, JSON lines or Parquet files whose columns mostly stand in different orders)
 * with few keys and few moments, so that ties, corrections, nulls and edges of ttl are frequent;
 * rows ask for it in one role or two. Of some the last rows were pushed: they stand in a journal.
 * The store's answer is read back and compared with loops over all rows that know nothing of SQL;
 * so are the latest rows of all keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/sql.h"
#include "feature/offline/duckdb_table.h"
#include "feature/offline/offline.h"
#include "feature/online/journal.h"
#include "random.h"
#include "test_folder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CASES_DEFAULT        30
#define PUSHED_CASES_DEFAULT 10
#define EVENTS_MAX           60
#define PROBES_MAX           80
#define FILES_MAX            3
#define NONE                 INT64_MIN
#define EPOCH                INT64_C(1357000000000000)

enum { COLUMN_A, COLUMN_B, COLUMN_TIME, COLUMN_CREATED, COLUMN_ID, COLUMN_X, COLUMN_S, COLUMNS };
enum { CALL_A, CALL_B, CALL_A2, CALL_B2, CALL_ID, CALLS };

/* ---- definitions, made by hand ---- */

struct fixture {
    struct ax_definition_column columns[COLUMNS];
    struct ax_definition_column call[CALLS];
    struct ax_definition_column keys[2];
    struct ax_entity entity;
    struct ax_source source;
    struct ax_expr inputs[COLUMNS];
    struct ax_field fields[2];
    struct ax_view view;
    struct ax_role roles[2];
    struct ax_service_input service_inputs[5];
    struct ax_service service;
    struct ax_definitions definitions;
};

static const size_t id_columns[] = { COLUMN_ID };
static const size_t key_columns[] = { COLUMN_A, COLUMN_B };
static const size_t call_keys[2][2] = { { CALL_A, CALL_B }, { CALL_A2, CALL_B2 } };

static void name_column(struct ax_definition_column *column, const char *name,
                        enum ax_storage_kind kind)
{
    *column =
        (struct ax_definition_column){ .name = ax_str_from(name), .storage = { kind, false } };
}

static void make_source(struct fixture *f)
{
    name_column(&f->columns[COLUMN_A], "a", AX_STORAGE_INT64);
    name_column(&f->columns[COLUMN_B], "b", AX_STORAGE_STRING);
    name_column(&f->columns[COLUMN_TIME], "t", AX_STORAGE_TIMESTAMP);
    name_column(&f->columns[COLUMN_CREATED], "c", AX_STORAGE_TIMESTAMP);
    name_column(&f->columns[COLUMN_ID], "id", AX_STORAGE_INT64);
    name_column(&f->columns[COLUMN_X], "x", AX_STORAGE_FLOAT64);
    name_column(&f->columns[COLUMN_S], "salary_y", AX_STORAGE_STRING);
    f->source = (struct ax_source){ .name = AX_STR("h"),
                                    .kind = AX_SOURCE_FILES,
                                    .text = AX_STR("h*.*"),
                                    .columns = f->columns,
                                    .column_count = COLUMNS,
                                    .time = COLUMN_TIME,
                                    .created = -1,
                                    .zone = AX_STR("UTC") };
}

static void make_view(struct fixture *f)
{
    static const struct {
        const char *name;
        size_t column;
        enum ax_storage_kind kind;
    } fields[] = { { "a", COLUMN_X, AX_STORAGE_FLOAT32 },
                   { "salary_y", COLUMN_S, AX_STORAGE_STRING } };
    name_column(&f->keys[0], "a", AX_STORAGE_INT64);
    name_column(&f->keys[1], "b", AX_STORAGE_STRING);
    f->entity = (struct ax_entity){ .name = AX_STR("e"), .keys = f->keys, .key_count = 1 };
    for (size_t i = 0; i < AX_COUNT(fields); i++) {
        struct ax_storage storage = { fields[i].kind, false };
        f->inputs[i] = (struct ax_expr){ .kind = AX_EXPR_INPUT,
                                         .type = ax_storage_type(storage),
                                         .input = fields[i].column };
        f->fields[i] = (struct ax_field){ .name = ax_str_from(fields[i].name),
                                          .parsed = { .root = &f->inputs[i] },
                                          .storage = storage };
    }
    f->view = (struct ax_view){ .name = AX_STR("v"),
                                .entity = &f->entity,
                                .source = &f->source,
                                .key_columns = key_columns,
                                .fields = f->fields,
                                .field_count = AX_COUNT(fields) };
}

/* Inputs: a key as it came, and two fields in each of two roles, one called like a key. */
static void make_service(struct fixture *f)
{
    static const char *const names[] = { "a", "b", "a2", "b2", "id" };
    for (size_t i = 0; i < CALLS; i++)
        name_column(&f->call[i], names[i], i % 2 ? AX_STORAGE_STRING : AX_STORAGE_INT64);
    for (size_t i = 0; i < 2; i++)
        f->roles[i] = (struct ax_role){ .view = &f->view, .call_keys = call_keys[i] };
    f->service_inputs[0] =
        (struct ax_service_input){ .name = AX_STR("a"), .kind = AX_INPUT_KEY, .call_column = 0 };
    static const char *const inputs[] = { "r__a", "r__salary_y", "o__a", "o__salary_y" };
    for (size_t i = 0; i < 4; i++)
        f->service_inputs[1 + i] = (struct ax_service_input){ .name = ax_str_from(inputs[i]),
                                                              .kind = AX_INPUT_FIELD,
                                                              .role = i / 2,
                                                              .field = i % 2,
                                                              .storage = f->fields[i % 2].storage };
    f->service = (struct ax_service){ .name = AX_STR("s"),
                                      .call = f->call,
                                      .call_count = CALLS,
                                      .roles = f->roles,
                                      .role_count = 2,
                                      .inputs = f->service_inputs,
                                      .input_count = 5 };
}

static void make_fixture(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    make_source(f);
    make_view(f);
    make_service(f);
}

/* ---- histories ---- */

struct event {
    int64_t a, time, created, id; /* NONE: null */
    const char *b;                /* NULL: null */
    double x;                     /* NaN: null */
    const char *s;
    int64_t taken; /* NONE: it was not pushed */
};

struct probe {
    int64_t keys[2]; /* of the roles */
    int64_t id;      /* of the own event */
    const char *texts[2];
    int64_t at;
};

struct history {
    struct event events[EVENTS_MAX];
    size_t event_count;
    size_t file_count; /* events behind these were pushed */
    struct probe probes[PROBES_MAX];
    size_t probe_count;
    bool is_events, as_known;
    uint64_t seed;
};

static const char *const texts[] = { "k", "", "it's, \"x\"", NULL };

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(test_random(state) % n);
}

static int64_t moment(uint64_t *state, int64_t unit, size_t null_of)
{
    if (null_of && below(state, null_of) == 0)
        return NONE;
    return EPOCH + (int64_t)below(state, 8) * unit;
}

/* The same in its lower 32 bits, now and then. */
static int64_t far(uint64_t *state, int64_t key)
{
    return key + (below(state, 8) ? 0 : INT64_C(1) << 32);
}

static void make_history(struct history *h, struct fixture *f, uint64_t *state)
{
    /* The last one spans more than packs into one number with a row's. */
    static const int64_t units[] = { 1000000, 1000, 1, INT64_C(900) * 86400 * 365250000 + 1 };
    int64_t unit = units[below(state, AX_COUNT(units))];
    h->event_count = below(state, EVENTS_MAX + 1);
    h->probe_count = 1 + below(state, PROBES_MAX);
    h->is_events = below(state, 3) == 0;
    h->as_known = below(state, 3) == 0;
    bool has_far = below(state, 2) == 0;
    for (size_t i = 0; i < h->event_count; i++)
        h->events[i] = (struct event){
            .a = below(state, 10) ? (int64_t)below(state, 3) : NONE,
            .b = texts[below(state, AX_COUNT(texts))],
            .time = moment(state, unit, 12),
            .created = moment(state, unit, 5),
            .id = (int64_t)below(state, h->event_count),
            .x = below(state, 6) ? (double)i + 0.25 : (double)NAN,
            .s = texts[below(state, AX_COUNT(texts))],
            .taken = NONE,
        };
    for (size_t i = 0; has_far && i < h->event_count; i++)
        if (h->events[i].a != NONE)
            h->events[i].a = far(state, h->events[i].a);
    for (size_t i = 0; i < h->probe_count; i++)
        for (size_t r = 0; r < 2; r++) {
            h->probes[i].id = below(state, 6) ? (int64_t)below(state, h->event_count + 1) : NONE;
            h->probes[i].keys[r] = below(state, 10) ? far(state, (int64_t)below(state, 4)) : NONE;
            h->probes[i].texts[r] = texts[below(state, AX_COUNT(texts))];
            h->probes[i].at = moment(state, unit, 15);
            if (h->probes[i].at != NONE && below(state, 4) == 0)
                h->probes[i].at += (int64_t)below(state, 3) - 1;
        }
    h->file_count = h->event_count;
    f->entity.key_count = 1 + below(state, 2);
    f->service.role_count = 1 + below(state, 2);
    f->service.input_count = 1 + 2 * f->service.role_count;
    f->source.created = below(state, 2) ? COLUMN_CREATED : -1;
    f->source.event_id = id_columns;
    f->source.event_id_count = h->is_events ? 1 : 0;
    bool may_be_timeless = !h->is_events && !f->source.push; /* what is pushed has a time */
    f->source.time = may_be_timeless && below(state, 6) == 0 ? -1 : COLUMN_TIME;
    f->service.exclude_self = h->is_events && below(state, 2) == 0;
    f->service.self = f->service.exclude_self ? &f->source : NULL;
    f->view.ttl_us = below(state, 2) ? (int64_t)below(state, 4) * unit : 0;
    f->fields[0].has_default = below(state, 2) == 0;
    f->fields[0].default_value.f64 = -1.5;
}

/* ---- the oracle ---- */

static int64_t created_of(const struct fixture *f, const struct event *e)
{
    return f->source.created >= 0 ? e->created : NONE;
}

/* When a version became known; one that has no moment at all always was. */
static int64_t known_of(const struct fixture *f, const struct event *e)
{
    int64_t created = created_of(f, e);
    if (created != NONE || e->taken != NONE)
        return created != NONE ? created : e->taken;
    return f->source.time < 0 ? NONE : e->time;
}

static bool is_seen(const struct fixture *f, const struct history *h, const struct event *e,
                    int64_t at)
{
    return !h->as_known || known_of(f, e) == NONE || known_of(f, e) <= at;
}

/* Whether event i is the version of its id that counts; states always are. */
static bool is_current(const struct fixture *f, const struct history *h, size_t i, int64_t at)
{
    for (size_t k = 0; h->is_events && k < h->event_count; k++) {
        int64_t mine = known_of(f, &h->events[i]);
        int64_t other = known_of(f, &h->events[k]);
        if (k != i && h->events[k].id == h->events[i].id && is_seen(f, h, &h->events[k], at) &&
            (other > mine || (other == mine && k > i)))
            return false;
    }
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Whether event i is newer than event k. */
static bool is_newer(const struct fixture *f, const struct history *h, size_t i, size_t k)
{
    const struct event *a = &h->events[i];
    const struct event *b = &h->events[k];
    if (f->source.time >= 0 && a->time != b->time)
        return a->time > b->time;
    if (h->is_events)
        return a->id > b->id;
    if (known_of(f, a) != known_of(f, b))
        return known_of(f, a) > known_of(f, b);
    return i > k;
}

static long find(const struct fixture *f, const struct history *h, const struct probe *p, size_t r)
{
    long best = -1;
    bool timeless = f->source.time < 0;
    for (size_t i = 0; i < h->event_count; i++) {
        const struct event *e = &h->events[i];
        if (e->a == NONE || e->a != p->keys[r] ||
            (f->entity.key_count == 2 && !same_text(e->b, p->texts[r])))
            continue;
        if (f->service.exclude_self && p->id != NONE && e->id == p->id)
            continue;
        if (!timeless && (p->at == NONE || e->time == NONE || e->time > p->at ||
                          !is_seen(f, h, e, p->at) || !is_current(f, h, i, p->at)))
            continue;
        if (best < 0 || is_newer(f, h, i, (size_t)best))
            best = (long)i;
    }
    if (best >= 0 && !timeless && f->view.ttl_us && p->at - h->events[best].time > f->view.ttl_us)
        return -1;
    return best;
}

/* ---- what was pushed ---- */

/* The last rows of a history, taken in one after another. */
static void push_last(struct history *h, uint64_t *state)
{
    int64_t taken = EPOCH;
    h->file_count = below(state, h->event_count + 1);
    for (size_t i = h->file_count; i < h->event_count; i++) {
        struct event *e = &h->events[i];
        int64_t then = h->events[below(state, h->event_count)].time;
        taken = AX_MAX(taken, then);
        e->taken = taken;
    }
}

static void set_null(struct ax_values *values, size_t column, bool is_null)
{
    if (is_null)
        ax_values_set_null(&values[column], 0);
}

static void add_row(struct ax_journal *journal, const struct event *e,
                    const struct ax_definition_column *columns, size_t count)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_values values[COLUMNS];
    const struct ax_values *pointers[COLUMNS];
    struct ax_arena arena;
    uint64_t sequence;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++) {
        struct ax_type type = ax_storage_type(columns[i].storage);
        assert_int_equal(ax_values_init(&values[i], type, 1, &arena, &err), AX_OK);
        pointers[i] = &values[i];
    }
    values[COLUMN_A].i64s[0] = e->a;
    values[COLUMN_B].texts[0] = ax_str_from(e->b ? e->b : "");
    values[COLUMN_TIME].i64s[0] = e->time;
    values[COLUMN_CREATED].i64s[0] = e->created;
    values[COLUMN_ID].i64s[0] = e->id;
    values[COLUMN_X].f64s[0] = e->x;
    values[COLUMN_S].texts[0] = ax_str_from(e->s ? e->s : "");
    set_null(values, COLUMN_A, e->a == NONE);
    set_null(values, COLUMN_B, !e->b);
    set_null(values, COLUMN_TIME, e->time == NONE);
    set_null(values, COLUMN_CREATED, e->created == NONE);
    set_null(values, COLUMN_X, isnan(e->x));
    set_null(values, COLUMN_S, !e->s);
    assert_int_equal(ax_journal_add(journal, pointers, 1, e->taken, &sequence, &err), AX_OK);
    ax_arena_done(&arena);
}

static void write_journal(const struct history *h, const struct fixture *f, uint64_t *state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_journal *journal;
    char path[256];
    struct ax_journal_config config = { .folder = path, .source = f->source.name };
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    if (ax_file_remove_tree(path, &err) || ax_file_make_folder(path, &err))
        fail_msg("%s", err.msg);
    (void)snprintf(path, sizeof(path), "%s/state/journal", folder);
    if (ax_file_make_folder(path, &err))
        fail_msg("%s", err.msg);
    (void)snprintf(path, sizeof(path), "%s/state/journal/h", folder);
    config.columns = f->source.columns;
    config.column_count = f->source.column_count;
    if (ax_journal_open(&config, &journal, &err))
        fail_msg("%s", err.msg);
    for (size_t i = h->file_count; i < h->event_count; i++) {
        add_row(journal, &h->events[i], config.columns, config.column_count);
        if ((i + 1 == h->event_count || !below(state, 4)) && ax_journal_commit(journal, &err))
            fail_msg("%s", err.msg);
    }
    ax_journal_close(journal);
}

/* ---- files ---- */

static void put_text(struct ax_buf *out, const char *text, bool json)
{
    if (!text) {
        (void)ax_buf_append_str(out, json ? AX_STR("null") : AX_STR(""));
        return;
    }
    (void)ax_buf_append_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            (void)ax_buf_append_char(out, json ? '\\' : '"');
        (void)ax_buf_append_char(out, *text);
    }
    (void)ax_buf_append_char(out, '"');
}

static void put_moment(struct ax_buf *out, int64_t at, bool json)
{
    char text[AX_CLOCK_TEXT_SIZE];
    if (at != NONE)
        ax_clock_text(at, text);
    put_text(out, at == NONE ? NULL : text, json);
}

static void put_i64(struct ax_buf *out, int64_t value, bool json)
{
    if (value != NONE)
        ax_buf_printf(out, "%" PRId64, value);
    else
        put_text(out, NULL, json);
}

static void put_cell(struct ax_buf *out, const struct event *e, size_t column, bool json)
{
    switch (column) {
    case COLUMN_A:
        put_i64(out, e->a, json);
        return;
    case COLUMN_B:
        put_text(out, e->b, json);
        return;
    case COLUMN_TIME:
        put_moment(out, e->time, json);
        return;
    case COLUMN_CREATED:
        put_moment(out, e->created, json);
        return;
    case COLUMN_ID:
        put_i64(out, e->id, json);
        return;
    case COLUMN_X:
        if (isnan(e->x))
            put_text(out, NULL, json);
        else
            ax_buf_printf(out, "%.2f", e->x);
        return;
    default:
        put_text(out, e->s, json);
    }
}

static void write_file(const char *name, struct ax_buf *bytes)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/data/%s", folder, name);
    if (ax_buf_check(bytes, "file", &err) || ax_file_replace(path, ax_buf_str(bytes), &err))
        fail_msg("%s", err.msg);
}

/* Rows [from, to) with the columns turned by `turn`. */
static void write_events(const struct history *h, const struct fixture *f, size_t number,
                         size_t from, size_t to, size_t turn, bool json)
{
    struct ax_buf out;
    char name[32];
    ax_buf_init(&out, (size_t)1 << 20);
    for (size_t i = 0; i < COLUMNS && !json; i++)
        ax_buf_printf(&out, "%s%s", i ? "," : "", f->columns[(i + turn) % COLUMNS].name.ptr);
    for (size_t row = from; row < to; row++) {
        ax_buf_printf(&out, json ? "{" : "\n");
        for (size_t i = 0; i < COLUMNS; i++) {
            size_t column = (i + turn) % COLUMNS;
            if (json)
                ax_buf_printf(&out, "%s\"%s\":", i ? "," : "", f->columns[column].name.ptr);
            else if (i)
                ax_buf_printf(&out, ",");
            put_cell(&out, &h->events[row], column, json);
        }
        if (json)
            ax_buf_printf(&out, "}\n");
    }
    ax_buf_printf(&out, json ? "" : "\n");
    (void)snprintf(name, sizeof(name), "h%zu.%s", number, json ? "jsonl" : "csv");
    write_file(name, &out);
    ax_buf_done(&out);
}

static void remove_file(size_t number, const char *ending)
{
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/data/h%zu.%s", folder, number, ending);
    if (ax_file_remove_tree(path, &err))
        fail_msg("%s", err.msg);
}

static void remove_history(void)
{
    static const char *const endings[] = { "csv", "jsonl", "parquet" };
    for (size_t i = 0; i < (size_t)FILES_MAX * AX_COUNT(endings); i++)
        remove_file(i / AX_COUNT(endings), endings[i % AX_COUNT(endings)]);
}

/* The JSON lines as a Parquet file. */
static void make_parquet(struct ax_sql *sql, size_t number)
{
    struct ax_err err = AX_ERR_INIT;
    char statement[1024];
    (void)snprintf(statement, sizeof(statement),
                   "COPY (SELECT * FROM read_json('%s/data/h%zu.jsonl', format = "
                   "'newline_delimited', columns = {a: 'BIGINT', b: 'VARCHAR', t: 'TIMESTAMPTZ', "
                   "c: 'TIMESTAMP', id: 'INTEGER', x: 'DOUBLE', salary_y: 'VARCHAR'})) TO "
                   "'%s/data/h%zu.parquet'",
                   folder, number, folder, number);
    if (ax_sql_run(sql, ax_str_from(statement), &err))
        fail_msg("%s", err.msg);
    remove_file(number, "jsonl");
}

static void write_history(const struct history *h, const struct fixture *f, struct ax_sql *sql,
                          uint64_t *state)
{
    size_t files = 1 + below(state, FILES_MAX);
    bool is_parquet = below(state, 3) == 0;
    remove_history();
    for (size_t i = 0; i < files; i++) {
        write_events(h, f, i, h->file_count * i / files, h->file_count * (i + 1) / files,
                     below(state, 3), is_parquet || below(state, 3) == 0);
        if (is_parquet)
            make_parquet(sql, i);
    }
}

static void write_rows(const struct history *h)
{
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    ax_buf_printf(&out, "at,b2,a2,a,salary_y,b,id\n");
    for (size_t i = 0; i < h->probe_count; i++) {
        const struct probe *p = &h->probes[i];
        put_moment(&out, p->at, false);
        ax_buf_printf(&out, ",");
        put_text(&out, p->texts[1], false);
        ax_buf_printf(&out, ",");
        put_i64(&out, p->keys[1], false);
        ax_buf_printf(&out, ",");
        put_i64(&out, p->keys[0], false);
        ax_buf_printf(&out, ",%zu,", i);
        put_text(&out, p->texts[0], false);
        ax_buf_printf(&out, ",");
        put_i64(&out, p->id, false);
        ax_buf_printf(&out, "\n");
    }
    write_file("rows.csv", &out);
    ax_buf_done(&out);
}

/* ---- comparing ---- */

static bool is_right(const struct ax_sql_column *column, size_t row, const struct fixture *f,
                     const struct event *e, size_t number)
{
    bool has_default = f->fields[0].has_default;
    if (number == 0 && (!e || isnan(e->x)) && has_default)
        return !ax_sql_is_null(column, row) && column->f64s[row] == f->fields[0].default_value.f64;
    if (!e || (number == 0 ? isnan(e->x) : !e->s))
        return ax_sql_is_null(column, row);
    if (ax_sql_is_null(column, row))
        return false;
    return number == 0 ? column->f64s[row] == (double)(float)e->x
                       : ax_str_is(column->texts[row], e->s);
}

static void compare_row(const struct ax_sql_chunk *chunk, size_t row, const struct fixture *f,
                        const struct history *h, size_t number)
{
    const struct probe *p = &h->probes[number];
    char text[24];
    /* A column that is nothing to the service is passed on as the text that it is in CSV. */
    (void)snprintf(text, sizeof(text), "%zu", number);
    assert_true(ax_str_is(chunk->columns[4].texts[row], text));
    assert_int_equal(ax_sql_is_null(&chunk->columns[3], row), p->keys[0] == NONE);
    if (p->keys[0] != NONE)
        assert_int_equal(chunk->columns[3].i64s[row], p->keys[0]);
    for (size_t r = 0; r < f->service.role_count; r++) {
        long found = find(f, h, p, r);
        for (size_t i = 0; i < 2; i++)
            if (!is_right(&chunk->columns[7 + r * 2 + i], row, f,
                          found < 0 ? NULL : &h->events[found], i))
                fail_msg("seed %" PRIu64 ", row %zu, role %zu, field %zu: event %ld is expected",
                         h->seed, number, r, i, found);
    }
}

static void compare(struct ax_sql *sql, const char *path, const struct fixture *f,
                    const struct history *h)
{
    static const char *const names[] = {
        "at", "b2", "a2", "a", "salary_y", "b", "id", "r__a", "r__salary_y", "o__a", "o__salary_y",
    };
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk;
    char query[512];
    size_t row = 0;
    (void)snprintf(query, sizeof(query), "SELECT * FROM read_parquet('%s')", path);
    if (ax_sql_query(sql, ax_str_from(query), &stream, &err))
        fail_msg("%s", err.msg);
    size_t count = 7 + 2 * f->service.role_count;
    assert_int_equal(ax_sql_stream_column_count(stream), count);
    for (size_t i = 0; i < count; i++)
        assert_true(ax_str_is(ax_sql_stream_column_name(stream, i), names[i]));
    /* A key has its declared type, whether it is an input of the service or not. */
    assert_int_equal(ax_sql_stream_column_type(stream, 2), AX_SQL_I64);
    assert_int_equal(ax_sql_stream_column_type(stream, 3), AX_SQL_I64);
    do {
        if (ax_sql_stream_next(stream, &chunk, &err))
            fail_msg("%s", err.msg);
        for (size_t i = 0; i < chunk.rows; i++)
            compare_row(&chunk, i, f, h, row++);
    } while (chunk.rows);
    ax_sql_stream_free(stream);
    assert_int_equal(row, h->probe_count);
}

/* ---- tests ---- */

static struct ax_sql *open_sql(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_sql *sql;
    struct ax_sql_config config = { .threads = 1 };
    if (ax_sql_open(&config, &sql, &err))
        fail_msg("%s", err.msg);
    return sql;
}

static struct ax_offline *open_store(const struct fixture *f,
                                     const struct ax_source_journals *journals)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_offline *store;
    char data[256];
    char work[256];
    (void)snprintf(data, sizeof(data), "%s/data", folder);
    if (ax_file_make_folder(data, &err))
        fail_msg("%s", err.msg);
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    struct ax_offline_config config = {
        .definitions = &f->definitions,
        .data_folder = data,
        .work_folder = work,
        .threads = 2,
        .journals = journals,
    };
    if (ax_offline_open(&config, &store, &err))
        fail_msg("%s", err.msg);
    return store;
}

/* ---- the latest rows ---- */

struct latest {
    struct fixture f; /* without what only a history has: ages, defaults, own events */
    struct history h;
    int64_t to;
    bool is_winner[EVENTS_MAX]; /* and its key was not given yet */
    size_t given;
};

static long find_latest(const struct latest *l, int64_t a, const char *b)
{
    const struct probe p = { .keys = { a }, .texts = { b }, .at = l->to };
    return find(&l->f, &l->h, &p, 0);
}

static int64_t moment_at(const struct ax_values *values, size_t row)
{
    return ax_values_is_null(values, row) ? NONE : values->i64s[row];
}

static void check_given(struct latest *l, const struct ax_offline_latest_rows *rows, size_t row)
{
    char b[16] = "";
    if (l->f.entity.key_count == 2)
        (void)snprintf(b, sizeof(b), "%.*s", AX_STR_ARG(rows->keys[1].texts[row]));
    long found = find_latest(l, rows->keys[0].i64s[row], b);
    if (found < 0 || !l->is_winner[found])
        fail_msg("seed %" PRIu64 ": a key was given twice, or has no row", l->h.seed);
    const struct event *e = &l->h.events[found];
    l->is_winner[found] = false;
    assert_true(moment_at(rows->times, row) == (l->f.source.time < 0 ? NONE : e->time));
    assert_true(moment_at(rows->known, row) == known_of(&l->f, e));
    assert_int_equal(ax_values_is_null(&rows->fields[0], row), isnan(e->x));
    assert_true(isnan(e->x) || rows->fields[0].f64s[row] == (double)(float)e->x);
    assert_int_equal(ax_values_is_null(&rows->fields[1], row), !e->s);
    assert_true(!e->s || ax_str_is(rows->fields[1].texts[row], e->s));
}

static enum ax_code take_latest(void *arg, const struct ax_offline_latest_rows *rows,
                                struct ax_err *err AX_UNUSED)
{
    struct latest *l = arg;
    for (size_t row = 0; row < rows->rows; row++)
        check_given(l, rows, row);
    l->given += rows->rows;
    return AX_OK;
}

static enum ax_code end_latest(void *arg, const struct ax_view *view, struct ax_str mark,
                               struct ax_err *err AX_UNUSED)
{
    struct latest *l = arg;
    assert_true(view->fields == l->f.view.fields && mark.len > 0);
    for (size_t i = 0; i < l->h.event_count; i++)
        if (l->is_winner[i])
            fail_msg("seed %" PRIu64 ": event %zu is not given", l->h.seed, i);
    return AX_OK;
}

static void check_latest(struct ax_offline *store, const struct fixture *f, const struct history *h,
                         uint64_t *state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_offline_latest_report report;
    struct latest l = { .f = *f, .h = *h, .to = INT64_MAX };
    const struct ax_view *views[] = { &f->view };
    l.f.view.ttl_us = 0;
    l.f.service.exclude_self = false;
    l.h.as_known = false;
    if (h->event_count && h->events[0].time != NONE && below(state, 3))
        l.to = h->events[0].time;
    for (size_t i = 0; i < h->event_count; i++) {
        const struct event *e = &h->events[i];
        long found =
            e->a == NONE || (f->entity.key_count == 2 && !e->b) ? -1 : find_latest(&l, e->a, e->b);
        if (found >= 0)
            l.is_winner[found] = true;
    }
    const struct ax_offline_latest request = { .views = views,
                                               .view_count = 1,
                                               .from_us = INT64_MIN,
                                               .to_us = l.to,
                                               .rows = take_latest,
                                               .done = end_latest,
                                               .arg = &l };
    if (ax_offline_latest(store, &request, &report, &err))
        fail_msg("seed %" PRIu64 ": %s", h->seed, err.msg);
    assert_true(report.rows >= l.given && report.rows <= h->event_count);
}

static void ask_and_compare(struct ax_offline *store, struct ax_sql *sql, struct fixture *f,
                            struct history *h, uint64_t *state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_offline_report report;
    char rows[256];
    char out[256];
    (void)snprintf(rows, sizeof(rows), "%s/data/rows.csv", folder);
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    struct ax_offline_rows request = { .path = rows, .as_known = h->as_known };
    if (ax_offline_history(store, &f->service, &request, out, &report, &err))
        fail_msg("seed %" PRIu64 ": %s", h->seed, err.msg);
    assert_int_equal(report.rows, h->probe_count);
    compare(sql, out, f, h);
    check_latest(store, f, h, state);
}

static void run_case(struct ax_offline *store, struct ax_sql *sql, uint64_t seed)
{
    struct fixture f;
    struct history h;
    uint64_t state = seed * 2654435761u + 1;
    make_fixture(&f);
    h.seed = seed;
    make_history(&h, &f, &state);
    write_history(&h, &f, sql, &state);
    write_rows(&h);
    ask_and_compare(store, sql, &f, &h, &state);
}

static void run_pushed_case(struct ax_sql *sql, uint64_t seed)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_source_journals *journals;
    struct fixture f;
    struct history h;
    char path[256];
    uint64_t state = seed * 2654435761u + 2;
    make_fixture(&f);
    f.source.push = true;
    f.view.online = true;
    f.definitions = (struct ax_definitions){
        .sources = &f.source, .source_count = 1, .views = &f.view, .view_count = 1
    };
    h.seed = seed;
    make_history(&h, &f, &state);
    push_last(&h, &state);
    write_history(&h, &f, sql, &state);
    write_rows(&h);
    write_journal(&h, &f, &state);
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    if (ax_source_journals_open(path, &f.definitions, &journals, &err))
        fail_msg("%s", err.msg);
    struct ax_offline *store = open_store(&f, journals);
    ask_and_compare(store, sql, &f, &h, &state);
    ax_offline_close(store);
    ax_source_journals_close(journals);
}

static uint64_t case_count(uint64_t by_default)
{
    const char *text = getenv("AX_CASES");
    uint64_t cases = by_default;
    if (text)
        assert_true(ax_str_to_u64(ax_str_from(text), &cases));
    return cases;
}

static void test_pushed(void **state)
{
    (void)state;
    uint64_t cases = case_count(PUSHED_CASES_DEFAULT);
    struct ax_sql *sql = open_sql();
    for (uint64_t seed = 1; seed <= cases; seed++)
        run_pushed_case(sql, seed);
    ax_sql_close(sql);
}

static void test_brute_force(void **state)
{
    (void)state;
    uint64_t cases = case_count(CASES_DEFAULT);
    struct fixture f = { 0 };
    struct ax_sql *sql = open_sql();
    struct ax_offline *store = open_store(&f, NULL);
    for (uint64_t seed = 1; seed <= cases; seed++)
        run_case(store, sql, seed);
    ax_offline_close(store);
    ax_sql_close(sql);
}

/* ---- scans ---- */

static void write_parquet(struct ax_sql *sql, const char *time)
{
    struct ax_err err = AX_ERR_INIT;
    char statement[512];
    (void)snprintf(statement, sizeof(statement),
                   "COPY (SELECT 1 AS a, 'k' AS b, '2024-01-01' AS t, TIMESTAMP '2024-01-01' AS c, "
                   "1 AS id, 0.5 AS x, 's' AS salary_y UNION ALL SELECT 1, 'k', '%s', NULL, 2, "
                   "1.5, 's') TO '%s/data/h0.parquet'",
                   time, folder);
    remove_history();
    if (ax_sql_run(sql, ax_str_from(statement), &err))
        fail_msg("%s", err.msg);
}

/* Rows that ask one role, whose files a scan reads. */
static enum ax_code ask(struct ax_offline *store, const struct fixture *f, struct ax_err *err)
{
    struct ax_offline_report report;
    char out[256];
    struct ax_offline_rows request = { .sql = AX_STR("SELECT 1 AS a, 'k' AS b, 1 AS a2, 'k' AS b2, "
                                                     "1 AS id, TIMESTAMP '2024-02-01' AS at") };
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    return ax_offline_history(store, &f->service, &request, out, &report, err);
}

static void test_scan_tells_where(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct fixture f;
    make_fixture(&f);
    f.service.role_count = 1;
    f.service.input_count = 3;
    struct ax_sql *sql = open_sql();
    struct ax_offline *store = open_store(&f, NULL);
    write_parquet(sql, "2024-01-02");
    assert_int_equal(ask(store, &f, &err), AX_OK);
    write_parquet(sql, "soon");
    assert_int_equal(ask(store, &f, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "h0.parquet: row 2: column 't' is 'soon'"));
    ax_offline_close(store);
    ax_sql_close(sql);
}

static void test_scan_of_changing_files(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct fixture f;
    make_fixture(&f);
    struct ax_sql *sql = open_sql();
    struct ax_offline *store = open_store(&f, NULL);
    bool used[COLUMNS] = { [COLUMN_A] = true };
    struct ax_source_reading reading = { .source = &f.source, .used = used, .once = true };
    struct ax_source_table table;
    for (size_t i = 0; i < 2; i++) {
        write_parquet(sql, "2024-01-02");
        assert_int_equal(ax_source_table_load(store, &reading, &table, &err), AX_OK);
        assert_non_null(table.scan);
        assert_int_equal(table.rows, 2);
        if (i)
            write_parquet(sql, "2024-01-02T00:00:00.000001Z");
        assert_int_equal(ax_source_table_close(store, &table, &err), i ? AX_E_CONFLICT : AX_OK);
    }
    ax_offline_close(store);
    ax_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_pushed),
        cmocka_unit_test(test_scan_tells_where),
        cmocka_unit_test(test_scan_of_changing_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

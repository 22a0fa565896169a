/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is served of the entities that are sampled stands in files whole, to the bit, and
 * nothing else does; which entities these are depends on their keys alone; no row is lost or torn
 * on its way unless it is counted; the files stay within their bounds.
 * Method: vectors made by hand go through a log into a folder, and DuckDB reads the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/served_log.h"

#include "base/file.h"
#include "base/metric.h"
#include "base/sql.h"
#include "server/served_files.h"
#include "server/served_ring.h"

#include "test_folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <utime.h>

enum { ROWS = 500 };

static const char text[] =
    "auspex: 1\n"
    "entities:\n"
    "  airport: {keys: {faa: string}}\n"
    "sources:\n"
    "  w:\n"
    "    files: w.csv\n"
    "    time: t\n"
    "    push: true\n"
    "    columns: {faa: string, t: timestamp, temp: float32, words: list<string>}\n"
    "  p: {files: p.csv, time: none, columns: {faa: string, seats: int64, raw: bytes}}\n"
    "views:\n"
    "  weather: {entity: airport, source: w, fields: {temp: temp, words: words}}\n"
    "  plane: {entity: airport, source: p, fields: {seats: seats, raw: raw}}\n"
    "services:\n"
    "  s:\n"
    "    request: {x: float64, when: timestamp}\n"
    "    features:\n"
    "      - {name: x}\n"
    "      - {name: faa}\n"
    "      - {view: weather}\n"
    "      - {view: plane}\n"
    "      - {name: sum, expr: temp + x}\n";

static struct ax_err err;
static const struct ax_service no_service;
static const struct ax_service_plan no_roles = { .service = &no_service };
static struct ax_applied_definitions applied;
static struct ax_applied_service service;
static struct ax_online_seen seen;
static struct ax_served_form *form;
static struct ax_served_log_config config;
static struct ax_served_log *served;
static struct ax_served_sampler *sampler;
static int64_t clock_us;

static int64_t now_us(void *context)
{
    (void)context;
    return clock_us;
}

static void good(enum ax_code code)
{
    if (code)
        fail_msg("%s", err.msg);
}

static int set_up(void **state)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = ax_str_from(text) };
    const struct ax_online_seen *sources[] = { &seen, NULL };
    struct ax_online_views views = { .given.definitions = &applied.definitions, .seen = sources };
    (void)state;
    ax_err_clear(&err);
    good(ax_definitions_read_texts("features", &file, 1, &applied.definitions, &err));
    service.service = applied.definitions.services;
    (void)snprintf(service.digest, sizeof(service.digest), "%064d", 7);
    good(ax_served_form_new(&service, &views, &form, &err));
    config = (struct ax_served_log_config){ .entities_per_million = 1000000,
                                            .bytes_max = SIZE_MAX,
                                            .days_max = 30,
                                            .interval_ns = UINT64_MAX };
    clock_us = 5000000;
    return 0;
}

static int tear_down(void **state)
{
    ax_served_form_unref(form);
    ax_definitions_done(&applied.definitions);
    (void)state;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/served", folder);
    return ax_file_remove_tree(path, &err) ? -1 : 0;
}

static void begin(void)
{
    good(ax_served_log_new(&config, folder, now_us, NULL, &served, &err));
    sampler = ax_served_log_sampler(served);
}

/* ---- a vector ---- */

static struct {
    double x[ROWS], temp[ROWS], sum[ROWS];
    int64_t when[ROWS], at[ROWS], seats[ROWS];
    char names[ROWS][16], bytes[ROWS][2];
    struct ax_str faa[ROWS], words[2 * ROWS], raw[ROWS];
    struct ax_span spans[ROWS];
    uint64_t validity[(ROWS + 63) / 64];
    struct ax_values items;
    struct ax_values call[3], inputs[7];
    struct ax_service_request request;
    struct ax_service_vector vector;
} v;

static struct ax_values of_type(enum ax_type_kind kind, void *data)
{
    return (struct ax_values){ .type = { kind, false }, .rows = ROWS, .data = data };
}

/* Each third seat is null; a row has as many words as its number leaves divided by three. */
static void make_vector(void)
{
    memset(&v, 0, sizeof(v));
    for (size_t i = 0; i < ROWS; i++) {
        v.x[i] = (double)i / 7;
        v.temp[i] = (double)(float)(0.1 * (double)i);
        v.sum[i] = v.x[i] + v.temp[i];
        v.when[i] = (int64_t)i * 1000003;
        v.at[i] = 1000000 + (int64_t)i;
        v.seats[i] = (int64_t)i;
        (void)snprintf(v.names[i], sizeof(v.names[i]), "N%zu", i);
        v.faa[i] = ax_str_from(v.names[i]);
        v.bytes[i][0] = '\xFF'; /* no UTF-8 */
        v.bytes[i][1] = (char)i;
        v.raw[i] = (struct ax_str){ v.bytes[i], 2 };
        v.words[2 * i] = v.words[2 * i + 1] = v.faa[i];
        v.spans[i] = (struct ax_span){ (uint32_t)(2 * i), (uint32_t)(i % 3) };
        v.validity[i / 64] |= (uint64_t)(i % 3 != 0) << i % 64;
    }
    v.items = (struct ax_values){ .type = { AX_TYPE_STRING, false },
                                  .rows = (size_t)2 * ROWS,
                                  .texts = v.words };
    v.call[0] = of_type(AX_TYPE_FLOAT64, v.x);
    v.call[1] = of_type(AX_TYPE_TIMESTAMP, v.when);
    v.call[2] = of_type(AX_TYPE_STRING, v.faa);
    v.inputs[0] = v.call[0];
    v.inputs[1] = v.call[2];
    v.inputs[2] = of_type(AX_TYPE_FLOAT64, v.temp);
    v.inputs[3] = (struct ax_values){
        .type = { AX_TYPE_STRING, true }, .rows = ROWS, .spans = v.spans, .items = &v.items
    };
    v.inputs[4] = of_type(AX_TYPE_INT64, v.seats);
    v.inputs[4].validity = v.validity;
    v.inputs[5] = of_type(AX_TYPE_STRING, v.raw);
    v.inputs[6] = of_type(AX_TYPE_FLOAT64, v.sum);
    v.request.at = v.at;
    v.request.plan = &no_roles;
    v.vector = (struct ax_service_vector){
        .request = &v.request, .rows = ROWS, .call = v.call, .inputs = v.inputs
    };
}

static void serve(void)
{
    uint64_t done[AX_SERVED_SOURCES_MAX];
    ax_served_sampler_begin(form, done);
    assert_int_equal(ax_served_sampler_take(sampler, form, &v.vector, done, &err), AX_OK);
}

static int64_t ask(const char *what)
{
    struct ax_sql_config one = { .threads = 1 };
    struct ax_sql *sql;
    char query[2048];
    int64_t found = 0;
    (void)snprintf(query, sizeof(query),
                   "SELECT CAST(%s AS BIGINT) FROM read_parquet('%s/served/s/*.parquet')", what,
                   folder);
    good(ax_sql_open(&one, &sql, &err));
    good(ax_sql_get_i64(sql, ax_str_from(query), &found, &err));
    ax_sql_close(sql);
    return found;
}

static void what_is_served_is_in_a_file(void **state)
{
    (void)state;
    make_vector();
    begin();
    ax_online_seen_begin(&seen, 18);
    ax_online_seen_end(&seen, 12);
    serve();
    ax_served_log_free(served);
    /* The number of a row follows from its moment. */
    assert_int_equal(ask("count(*)"), ROWS);
    assert_int_equal(ask("count(DISTINCT \"call.faa\")"), ROWS);
    assert_int_equal(ask("count(*) FILTER (\"seen.w\" = 11 AND \"seen_until.w\" = 17)"), ROWS);
    assert_int_equal(ask("count(*) FILTER (epoch_us(made) = 5000000 AND definitions = "
                         "lpad('7', 64, '0'))"),
                     ROWS);
    assert_int_equal(ask("count(*) FILTER (\"call.x\" = \"input.seats\" / 7.0)"),
                     ROWS - (ROWS + 2) / 3);
    assert_int_equal(ask("count(*) FILTER (epoch_us(\"call.when\") = 1000003 * (epoch_us(\"at\") - "
                         "1000000))"),
                     ROWS);
    assert_int_equal(ask("count(*) FILTER (\"input.temp\" + \"call.x\" = \"input.sum\")"), ROWS);
    assert_int_equal(ask("count(*) FILTER (len(\"input.words\") = (epoch_us(\"at\") - 1000000) % 3 "
                         "AND list_distinct(\"input.words\") <= [\"call.faa\"])"),
                     ROWS);
    assert_int_equal(ask("count(COLUMNS('input.seats'))"), ROWS - (ROWS + 2) / 3);
    assert_int_equal(ask("count(*) FILTER (hex(\"input.raw\") = printf('FF%02X', "
                         "(epoch_us(\"at\") - 1000000) % 256))"),
                     ROWS);
    assert_int_equal(ask("count(*) FILTER (\"input.temp\" = CAST(CAST(0.1 AS DOUBLE) * "
                         "(epoch_us(\"at\") - 1000000) AS "
                         "FLOAT))"),
                     ROWS);
}

/* Once more, on another day and after a restart: the same entities, about as many as are wanted. */
static void entities_are_sampled_by_their_keys(void **state)
{
    (void)state;
    make_vector();
    config.entities_per_million = 200000;
    for (size_t run = 0; run < 2; run++) {
        begin();
        clock_us += 1000;
        serve();
        ax_served_log_free(served);
    }
    int64_t entities = ask("count(DISTINCT \"call.faa\")");
    assert_in_range(entities, ROWS / 10, ROWS * 3 / 10);
    assert_int_equal(ask("count(*)"), 2 * entities);
}

/* A call that gives features, and moments that no history has. */
static void what_cannot_be_compared_is_left_out(void **state)
{
    (void)state;
    make_vector();
    begin();
    v.request.given_count = 1;
    serve();
    v.request.given_count = 0;
    v.at[3] = INT64_MAX;
    v.when[4] = INT64_MIN;
    serve();
    ax_served_log_free(served);
    assert_int_equal(ask("count(*)"), ROWS - 2);
}

/* What comes faster than it can be taken is lost, and counted; all else is there. */
static void what_has_no_room_is_counted(void **state)
{
    (void)state;
    enum { TIMES = 20 };
    static char bytes[AX_SERVED_RING_BYTES / 2];
    make_vector();
    memset(bytes, 'w', sizeof(bytes));
    v.words[2 * 7] = (struct ax_str){ bytes, sizeof(bytes) };
    begin();
    for (size_t i = 0; i < TIMES; i++)
        serve();
    ax_served_log_free(served);
    struct ax_buf scrape;
    ax_buf_init(&scrape, (size_t)1 << 20);
    struct ax_metric_scrape *walk = ax_metric_scrape_new();
    while (!ax_metric_scrape_step(walk, &scrape, 4096)) {
    }
    ax_metric_scrape_free(walk);
    (void)ax_buf_append_char(&scrape, '\0');
    const char *lost = strstr(scrape.ptr, "\nax_served_vectors_lost_total ");
    assert_non_null(lost);
    int64_t count = strtoll(strchr(lost + 1, ' '), NULL, 10);
    ax_buf_done(&scrape);
    assert_true(count >= TIMES);
    assert_int_equal(ask("count(*) FILTER (\"call.faa\" = 'N7')"), 0);
    assert_int_equal(ask("count(*)"), (int64_t)TIMES * ROWS - count);
}

/* ---- files ---- */

static char *made_file(const char *name, size_t size, int64_t days)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/served/s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        assert_int_not_equal(fputc('x', file), EOF);
    assert_int_equal(fclose(file), 0);
    time_t changed = time(NULL) - days * 86400;
    assert_int_equal(utime(path, &(struct utimbuf){ changed, changed }), 0);
    return path;
}

static bool is_there(const char *name)
{
    char path[512];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/served/s/%s", folder, name);
    return stat(path, &info) == 0;
}

static void files_are_bounded(void **state)
{
    (void)state;
    struct ax_served_files files;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/served/s", folder);
    good(ax_file_make_folder(path, &err));
    ax_served_files_init(&files, folder, 250, 30);
    (void)made_file("1.parquet", 100, 31);
    (void)made_file("2.parquet", 100, 3);
    (void)made_file("3.parquet", 100, 2);
    (void)made_file("4.parquet", 100, 1);
    (void)made_file(".0.parquet", 10, 0);
    (void)made_file("notes.txt", 1000, 99);
    ax_served_files_trim(&files);
    assert_false(is_there("1.parquet"));
    assert_false(is_there("2.parquet"));
    assert_true(is_there("3.parquet"));
    assert_true(is_there("4.parquet"));
    assert_false(is_there(".0.parquet"));
    assert_true(is_there("notes.txt"));
    (void)made_file(".5.parquet", 10, 0);
    ax_served_files_trim(&files);
    assert_true(is_there(".5.parquet")); /* is being written */
}

int main(void)
{
    ax_metric_thread_attach();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_served_is_in_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entities_are_sampled_by_their_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_compared_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_no_room_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a vector is held against exactly what had been seen when it was made: rows of a journal
 * behind the last one that had been seen do not count, nor what became known later; of a vector
 * that was made while a row came either way is right, and what neither explains is unsettled. What
 * is wrong otherwise is found, by feature and day.
 * Method: a journal, a file that says when its rows were known, and vectors written by hand. Each
 * vector is of a day and a key of its own, with one value of the pushed feature and one of the
 * other, and what becomes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sql.h"
#include "feature/online/journal.h"
#include "pipeline/consistency.h"

#include "test_folder.h"

#include <stdio.h>

#define SECOND INT64_C(1000000)
#define DAY    (86400 * SECOND)
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: int64}}}\n"
    "sources:\n"
    "  p: {files: p.csv, time: t, push: true, columns: {k: int64, t: timestamp, x: float64}}\n"
    "  f: {files: f.csv, time: t, created: c, columns: {k: int64, t: timestamp, c: timestamp,\n"
    "    y: float64}}\n"
    "views:\n"
    "  v: {entity: thing, source: p, fields: {x: x}}\n"
    "  w: {entity: thing, source: f, fields: {y: y}}\n"
    "services:\n"
    "  s: {features: [{view: v}, {view: w}]}\n";

/* Of each key and its day. The first two were taken in within one microsecond. */
static const struct {
    int64_t time, taken;
    double x;
} pushed[] = {
    { 10 * SECOND, 20 * SECOND, 1 },
    { 11 * SECOND, 20 * SECOND, 2 },
    { 12 * SECOND, 30 * SECOND, 3 },
};
enum { PUSHED = AX_COUNT(pushed) };

/* The file has one row a key, of 00:00:10, known at 00:00:35, with 5. */

static const struct vector {
    const char *what;
    int64_t at, made;    /* seconds */
    int64_t seen, until; /* last rows of the journal */
    const char *x, *y;   /* as they were served */
    enum ax_consistency_outcome of_x, of_y;
} vectors[] = {
    { "before what is asked for", 20, 20, 0, 0, "7", "7", AX_CONSISTENCY_EQUAL,
      AX_CONSISTENCY_EQUAL },
    { "as known", 20, 20, 2, 2, "2", "NULL", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "the journal is cut", 20, 20, 1, 1, "1", "NULL", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "before any row", 20, 20, 0, 0, "NULL", "NULL", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "known later than the moment", 25, 30, 3, 3, "3", "NULL", AX_CONSISTENCY_EQUAL,
      AX_CONSISTENCY_EQUAL },
    { "a moment to come", 40, 30, 3, 3, "3", "NULL", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "the lower bound", 20, 20, 1, 2, "1", "NULL", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "the upper bound", 20, 20, 0, 1, "1", "NULL", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "no bound", 20, 20, 0, 1, "7", "NULL", AX_CONSISTENCY_UNSETTLED, AX_CONSISTENCY_EQUAL },
    { "another value", 20, 20, 1, 1, "7", "NULL", AX_CONSISTENCY_DIFFERING, AX_CONSISTENCY_EQUAL },
    { "a row on its way", 40, 40, 2, 2, "2", "5", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
    { "a row that was lost", 30, 30, 3, 3, "NULL", "NULL", AX_CONSISTENCY_MISSING,
      AX_CONSISTENCY_EQUAL },
    { "a feed that is late", 40, 40, 3, 3, "3", "NULL", AX_CONSISTENCY_EQUAL,
      AX_CONSISTENCY_MISSING },
    { "a clock that is ahead", 30, 30, 3, 3, "3", "5", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EXTRA },
    { "another row", 40, 40, 3, 3, "3", "6", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_DIFFERING },
    { "behind it", 20, 20, 0, 0, "7", "7", AX_CONSISTENCY_EQUAL, AX_CONSISTENCY_EQUAL },
};

static struct ax_err err = AX_ERR_INIT;
static struct ax_applied_definitions applied;
static struct ax_applied_service service;
static struct ax_sql *sql;

static void good(enum ax_code code)
{
    if (code)
        fail_msg("%s", err.msg);
}

static const char *in_folder(const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_journal(void)
{
    const struct ax_source *source = &applied.definitions.sources[0];
    struct ax_journal *journal;
    good(ax_file_make_folder(in_folder("journal"), &err));
    const struct ax_journal_config config = { .folder = in_folder("journal/p"),
                                              .source = source->name,
                                              .columns = source->columns,
                                              .column_count = source->column_count };
    good(ax_journal_open(&config, &journal, &err));
    for (size_t i = 0; i < AX_COUNT(vectors) * PUSHED; i++) {
        int64_t key = (int64_t)(i / PUSHED), time = key * DAY + pushed[i % PUSHED].time;
        double x = pushed[i % PUSHED].x;
        const struct ax_values values[] = {
            { .type = { AX_TYPE_INT64, false }, .rows = 1, .i64s = &key },
            { .type = { AX_TYPE_TIMESTAMP, false }, .rows = 1, .i64s = &time },
            { .type = { AX_TYPE_FLOAT64, false }, .rows = 1, .f64s = &x },
        };
        const struct ax_values *columns[] = { &values[0], &values[1], &values[2] };
        uint64_t sequence;
        good(ax_journal_add(journal, columns, 1, key * DAY + pushed[i % PUSHED].taken, &sequence,
                            &err));
    }
    good(ax_journal_commit(journal, &err));
    ax_journal_close(journal);
}

static int open_all(void **state)
{
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(definitions_text) };
    const struct ax_sql_config config = { .threads = 1 };
    if (make_folder(state) || ax_sql_open(&config, &sql, &err) ||
        ax_definitions_read_texts("f", &file, 1, &applied.definitions, &err))
        return -1;
    service =
        (struct ax_applied_service){ .service = applied.definitions.services, .digest = DIGEST };
    good(ax_file_replace(in_folder("p.csv"), AX_STR("k,t,x\n"), &err));
    good(ax_file_make_folder(in_folder("served"), &err));
    good(ax_file_make_folder(in_folder("served/s"), &err));
    write_journal();
    return 0;
}

static int close_all(void **state)
{
    ax_sql_close(sql);
    ax_definitions_done(&applied.definitions);
    return remove_folder(state);
}

static void run(const struct ax_buf *text)
{
    assert_false(text->failed);
    good(ax_sql_run(sql, ax_buf_str(text), &err));
}

static void write_file(void)
{
    struct ax_buf text;
    ax_buf_init(&text, 4096);
    ax_buf_printf(&text,
                  "COPY (SELECT range AS k, make_timestamp(range * %lld + 10000000) AS t, "
                  "make_timestamp(range * %lld + 35000000) AS c, 5 AS y FROM range(%zu)) "
                  "TO '%s/f.csv'",
                  (long long)DAY, (long long)DAY, AX_COUNT(vectors), folder);
    run(&text);
    ax_buf_done(&text);
}

static void write_vectors(void)
{
    struct ax_buf text;
    ax_buf_init(&text, (size_t)64 << 10);
    ax_buf_printf(&text, "COPY (");
    for (size_t i = 0; i < AX_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        int64_t day = (int64_t)i * DAY, last = (int64_t)(i * PUSHED);
        ax_buf_printf(&text,
                      "%s SELECT make_timestamp(%lld) AS \"at\", make_timestamp(%lld) AS made, "
                      "'" DIGEST "' AS definitions, %lld::BIGINT AS \"seen.p\", "
                      "%lld::BIGINT AS \"seen_until.p\", %zu::BIGINT AS \"call.k\", "
                      "%s::DOUBLE AS \"input.x\", %s::DOUBLE AS \"input.y\"",
                      i ? " UNION ALL" : "", (long long)(day + v->at * SECOND),
                      (long long)(day + v->made * SECOND), (long long)(last + v->seen),
                      (long long)(last + v->until), i, v->x, v->y);
    }
    ax_buf_printf(&text, ") TO '%s/served/s/19700101T000000.000000Z_0123456789abcdef.parquet'",
                  folder);
    run(&text);
    ax_buf_done(&text);
}

static void each_vector_is_held_against_what_it_had_seen(void **state)
{
    (void)state;
    struct ax_consistency_config config = { .state = folder,
                                            .applied = &applied,
                                            .service = &service,
                                            .data = folder,
                                            .work = folder,
                                            .from_us = DAY,
                                            .to_us = ((int64_t)AX_COUNT(vectors) - 1) * DAY - 1,
                                            .threads = 1 };
    struct ax_consistency_report report;
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, (size_t)1 << 20);
    write_file();
    write_vectors();
    good(ax_consistency_check(&config, &arena, &report, &err));
    assert_int_equal(report.vectors, AX_COUNT(vectors) - 2);
    assert_int_equal(report.feature_count, 2);
    assert_int_equal(report.day_count, AX_COUNT(vectors) - 2);
    for (size_t i = 1; i + 1 < AX_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        const struct ax_consistency_day *day = &report.days[i - 1];
        assert_int_equal(day->day, i);
        if (day->features[0].values[v->of_x] != 1 || day->features[1].values[v->of_y] != 1)
            fail_msg("%s: not %s and %s", v->what, ax_consistency_outcome_name(v->of_x),
                     ax_consistency_outcome_name(v->of_y));
    }
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_is_held_against_what_it_had_seen),
    };
    return cmocka_run_group_tests_name("pipeline/consistency", tests, open_all, close_all);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: while a history is made, standard error tells the step, rows done, rows a second and the
 * time left, in lines or on a terminal in one that moves; what was done stays done, and quiet is
 * quiet. Method: progress.c is compiled here with a clock that this test sets; the history is one
 * of two sources, with half a minute between any two looks at the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static uint64_t clock_ns, tick_ns;

static uint64_t test_clock_ns(void)
{
    clock_ns += tick_ns;
    return clock_ns;
}

#define ax_clock_ns test_clock_ns
#include "../../../src/cmd/progress.c" /* NOLINT(bugprone-suspicious-include) */
#undef ax_clock_ns

#include "feature/offline/offline.h"

#include "test_folder.h"

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {thing: {keys: {k: int64}}}\n"
    "sources:\n"
    "  a: {sql: \"SELECT 1 AS k, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS t, 2.5 AS x\", time: t,\n"
    "    columns: {k: int64, t: timestamp, x: float64}}\n"
    "  b: {sql: \"SELECT 1 AS k, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS t, 2.5 AS x\", time: t,\n"
    "    columns: {k: int64, t: timestamp, x: float64}}\n"
    "views:\n"
    "  newest: {entity: thing, source: a, fields: {x: x}}\n"
    "  window: {entity: thing, source: b, fields: {n: count(*) over 1h}}\n"
    "services:\n"
    "  s: {features: [{view: newest}, {view: window}]}\n";

#define ROWS "SELECT i % 3 AS k, TIMESTAMPTZ '2024-01-01 00:00:00Z' AS at FROM range(1000) r(i)"

static char said[1 << 16];

/* ---- standard error, in a file ---- */

static FILE *captured;
static int kept_fd;

static void begin_capture(void)
{
    captured = tmpfile();
    kept_fd = dup(STDERR_FILENO);
    assert_true(captured && kept_fd >= 0);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

static void end_capture(void)
{
    assert_true(dup2(kept_fd, STDERR_FILENO) >= 0);
    (void)close(kept_fd);
    rewind(captured);
    said[fread(said, 1, sizeof(said) - 1, captured)] = '\0';
    (void)fclose(captured);
}

/* ---- what is shown ---- */

static void begin(struct ax_progress *progress, bool quiet, bool is_terminal)
{
    tick_ns = 0;
    ax_progress_init(progress, "history", quiet);
    assert_false(progress->is_terminal);
    progress->is_terminal = is_terminal;
}

static void lines_where_nobody_looks(void **state)
{
    (void)state;
    struct ax_progress progress;
    begin_capture();
    begin(&progress, false, false);
    ax_progress_step(&progress, "reading the rows", 0, 0);
    clock_ns += 9 * (uint64_t)AX_NS_PER_S;
    ax_progress_step(&progress, "joining view v", 100, 1000); /* too early for a line */
    clock_ns += AX_NS_PER_S;
    ax_progress_step(&progress, "joining view v", 200, 1000);
    clock_ns += 10 * (uint64_t)AX_NS_PER_S;
    ax_progress_step(&progress, "joining view w", 100, 1000); /* it stays at 200 */
    clock_ns += 20 * (uint64_t)AX_NS_PER_S;
    ax_progress_step(&progress, "writing", 1000, 1000);
    ax_progress_end(&progress);
    end_capture();
    assert_string_equal(said, "history: reading the rows\n"
                              "history: joining view v\n"
                              "history: 200 rows, 20 a second, 40 s left\n"
                              "history: joining view w\n"
                              "history: 200 rows, 10 a second, 80 s left\n"
                              "history: writing\n"
                              "history: 1000 rows, 25 a second, 0 s left\n");
}

static void one_line_on_a_terminal(void **state)
{
    (void)state;
    struct ax_progress progress;
    begin_capture();
    begin(&progress, false, true);
    clock_ns += 2 * (uint64_t)AX_NS_PER_S;
    ax_progress_step(&progress, "reading", 0, 0);
    clock_ns += 2 * (uint64_t)AX_NS_PER_S;
    ax_progress_step(&progress, "joining", 500, 1000);
    clock_ns += 50 * (uint64_t)AX_NS_PER_MS;
    ax_progress_step(&progress, "joining", 900, 1000); /* a terminal gets ten a second */
    clock_ns += 50 * (uint64_t)AX_NS_PER_MS;
    ax_progress_step(&progress, "joining", 800, 1000);
    ax_progress_end(&progress);
    end_capture();
    assert_string_equal(said, "history: reading\n"
                              "\r0 rows, 0 a second  \n"
                              "history: joining\n"
                              "\r[###############               ]  50 %, 500 rows, 125 a second, "
                              "4 s left  "
                              "\r[###########################   ]  90 %, 900 rows, 220 a second, "
                              "0 s left  \n");
}

static void parts_count_anew(void **state)
{
    (void)state;
    struct ax_progress progress;
    begin_capture();
    begin(&progress, false, false);
    ax_progress_part(&progress, "view v", 0, 1000);
    clock_ns += 20 * (uint64_t)AX_NS_PER_S;
    ax_progress_part(&progress, "view v", 1000, 1000);
    ax_progress_part(&progress, "view w", 0, 400);
    clock_ns += 10 * (uint64_t)AX_NS_PER_S;
    ax_progress_part(&progress, "view w", 100, 400);
    ax_progress_end(&progress);
    end_capture();
    assert_string_equal(said, "history: view v\n"
                              "history: 1000 rows, 50 a second, 0 s left\n"
                              "history: view w\n"
                              "history: 100 rows, 10 a second, 30 s left\n");
}

static void quiet_is_quiet(void **state)
{
    (void)state;
    struct ax_progress progress;
    begin_capture();
    begin(&progress, true, false);
    clock_ns += 60 * (uint64_t)AX_NS_PER_S;
    ax_progress_step(&progress, "joining", 500, 1000);
    ax_progress_note(&progress, "something");
    ax_progress_end(&progress);
    end_capture();
    assert_string_equal(said, "");
}

/* ---- a history ---- */

static void show(void *arg, const char *what, size_t rows_done, size_t rows)
{
    ax_progress_step(arg, what, rows_done, rows);
}

static enum ax_code make_history(struct ax_progress *progress, struct ax_err *err)
{
    struct ax_definitions definitions;
    struct ax_offline *store;
    struct ax_offline_report report;
    struct ax_offline_rows request = { .sql = AX_STR(ROWS) };
    char path[256], work[256], out[256];
    (void)snprintf(path, sizeof(path), "%s/features.yaml", folder);
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    (void)snprintf(out, sizeof(out), "%s/out.parquet", folder);
    struct ax_offline_config config = { .definitions = &definitions,
                                        .data_folder = folder,
                                        .work_folder = work,
                                        .threads = 1,
                                        .progress = show,
                                        .arg = progress };
    if (ax_file_replace(path, ax_str_from(definitions_text), err) ||
        ax_definitions_read(folder, &definitions, err))
        return err->code;
    if (!ax_offline_open(&config, &store, err)) {
        const struct ax_service *service = ax_definitions_service(&definitions, AX_STR("s"));
        (void)(ax_offline_history(store, service, &request, out, &report, err) != AX_OK);
        ax_offline_close(store);
    }
    ax_definitions_done(&definitions);
    return err->code;
}

static void a_history_tells_how_far_it_is(void **state)
{
    (void)state;
    static const char *const steps[] = { "reading the rows",
                                         "reading source a",
                                         "joining view newest",
                                         "reading source b",
                                         "joining view window",
                                         "writing",
                                         "done" };
    struct ax_err err = AX_ERR_INIT;
    struct ax_progress progress;
    size_t step = 0, most = 0, rows;
    unsigned long rate, left = 0;
    char *save = NULL;
    begin_capture();
    begin(&progress, false, false);
    tick_ns = 30 * (uint64_t)AX_NS_PER_S;
    enum ax_code code = make_history(&progress, &err);
    ax_progress_end(&progress);
    end_capture();
    if (code)
        fail_msg("%s", err.msg);
    for (char *line = strtok_r(said, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        assert_memory_equal(line, "history: ", 9);
        line += 9;
        if (step < AX_COUNT(steps) && strcmp(line, steps[step]) == 0) {
            step++;
        } else if (sscanf(line, "%zu rows, %lu a second, %lu s left", &rows, &rate, &left) == 3) {
            assert_in_range(rows, most, 1000);
            most = rows;
        } else {
            assert_string_equal(line, "0 rows, 0 a second");
        }
    }
    assert_int_equal(step, AX_COUNT(steps));
    assert_true(most == 1000 && left == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_where_nobody_looks),
        cmocka_unit_test(one_line_on_a_terminal),
        cmocka_unit_test(parts_count_anew),
        cmocka_unit_test(quiet_is_quiet),
        cmocka_unit_test(a_history_tells_how_far_it_is),
    };
    return cmocka_run_group_tests_name("cmd/progress", tests, make_folder, remove_folder);
}

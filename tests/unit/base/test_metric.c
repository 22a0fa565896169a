/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: nothing that threads count is lost, also when series are given back and their cells used
 * again; bucket edges are exact, and what is printed is Prometheus text, in however many steps, of
 * which none is long.
 * Method: four threads count while another one prints and registers; series come and go under
 * threads that count in the one of the moment, and what all of them counted is one sum in the end,
 * while each text that is printed meanwhile has whole lines and none twice; series that come and go
 * between two given steps; durations at every edge and one nanosecond off; the text of small series
 * compared whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/metric.h"

#include "base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ax_metric_family requests = { "ax_requests_total", "Requests answered.",
                                                  AX_METRIC_COUNTER, "model,version" };
static const struct ax_metric_family open_now = { "ax_connections", "Connections open now.",
                                                  AX_METRIC_GAUGE, NULL };
static const struct ax_metric_family backlog = { "ax_backlog_seconds", "Time of what waits.",
                                                 AX_METRIC_GAUGE_NS, NULL };
static const struct ax_metric_family duration = { "ax_request_duration_seconds",
                                                  "Time from the first byte to the answer.",
                                                  AX_METRIC_HISTOGRAM_COARSE, "model" };

static ax_metric add(const struct ax_metric_family *family, const char *a, const char *b)
{
    const struct ax_str values[2] = { ax_str_from(a), ax_str_from(b) };
    struct ax_err err = AX_ERR_INIT;
    ax_metric metric = 0;
    assert_int_equal(ax_metric_register(family, values, &metric, &err), AX_OK);
    assert_int_not_equal(metric, 0);
    return metric;
}

/* The whole text, in steps of so many bytes; the caller frees it. */
static char *scraped(size_t bytes)
{
    struct ax_buf out;
    ax_buf_init(&out, 64 << 20);
    struct ax_metric_scrape *scrape = ax_metric_scrape_new();
    while (!ax_metric_scrape_step(scrape, &out, bytes))
        ;
    ax_metric_scrape_free(scrape);
    char *text = ax_buf_take(&out);
    assert_non_null(text);
    return text;
}

/* All of the text behind `from`; the caller frees it. */
static char *printed(const char *from)
{
    char *text = scraped(SIZE_MAX);
    char *at = strstr(text, from);
    assert_non_null(at);
    memmove(text, at, strlen(at) + 1);
    return text;
}

static void series_are_found_again(void **state)
{
    (void)state;
    ax_metric a = add(&requests, "fraud", "1");
    assert_int_equal(add(&requests, "fraud", "1"), a);
    assert_int_not_equal(add(&requests, "fraud", "2"), a);
    assert_int_not_equal(add(&requests, "fraud\",version=\"1", ""), a);
    assert_ptr_equal(ax_metric_family_at(0), &requests);
    assert_null(ax_metric_family_at(1));
    /* The same family from another table, as when a module is linked twice. */
    const struct ax_metric_family copy = requests;
    assert_int_equal(add(&copy, "fraud", "1"), a);
    assert_null(ax_metric_family_at(1));
}

static void text_is_escaped(void **state)
{
    (void)state;
    ax_metric metric = add(&requests, "a\"b\\c\nd\xFF\xC3\xA9", "9");
    ax_metric_add(metric, 3);
    ax_metric_add(metric, 4);
    assert_int_equal(ax_metric_read(metric), 7);
    char *text = printed("# HELP ax_requests_total");
    assert_non_null(strstr(text, "# HELP ax_requests_total Requests answered.\n"
                                 "# TYPE ax_requests_total counter\n"
                                 "ax_requests_total{model=\"fraud\",version=\"1\"} 0\n"));
    assert_non_null(strstr(text,
                           "\nax_requests_total{model=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\xC3\xA9\","
                           "version=\"9\"} 7\n"));
    free(text);
}

static void times_are_shown_in_seconds(void **state)
{
    (void)state;
    ax_metric metric = add(&backlog, NULL, NULL);
    ax_metric_gauge_add(metric, 1500000000);
    char *text = printed("# TYPE ax_backlog_seconds");
    assert_true(strncmp(text, "# TYPE ax_backlog_seconds gauge\nax_backlog_seconds 1.5\n", 55) ==
                0);
    free(text);
    ax_metric_gauge_add(metric, -1750000000);
    text = printed("\nax_backlog_seconds ");
    assert_true(strncmp(text, "\nax_backlog_seconds -0.25\n", 26) == 0);
    free(text);
}

static void gauges_go_down(void **state)
{
    (void)state;
    ax_metric metric = add(&open_now, NULL, NULL);
    ax_metric_gauge_add(metric, 2);
    ax_metric_gauge_add(metric, -5);
    assert_int_equal(ax_metric_read(metric), -3);
    char *text = printed("# HELP ax_connections");
    assert_true(strcmp(text, "# HELP ax_connections Connections open now.\n"
                             "# TYPE ax_connections gauge\nax_connections -3\n") == 0);
    free(text);
}

static void writing_to_no_series_does_nothing(void **state)
{
    (void)state;
    ax_metric_add(0, 5);
    ax_metric_gauge_add(0, 5);
    ax_metric_observe_ns(0, 5);
    ax_metric_observe_ns(0, UINT64_MAX);
    assert_int_equal(ax_metric_read(0), 0);
    assert_int_equal(ax_metric_quantile_ns(0, 0.5), 0);
}

/* A duration is counted in the bucket that ends at it, and one nanosecond more in the next. */
static void bucket_edges(void **state)
{
    (void)state;
    uint64_t edge = 1000;
    uint64_t below = 0;
    for (int bucket = 0; bucket <= 104; bucket++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "edge %d", bucket);
        ax_metric metric = add(&duration, name, NULL);
        ax_metric_observe_ns(metric, edge);
        assert_int_equal(ax_metric_quantile_ns(metric, 1), edge);
        (void)snprintf(name, sizeof(name), "above %d", bucket);
        metric = add(&duration, name, NULL);
        ax_metric_observe_ns(metric, below + 1);
        assert_int_equal(ax_metric_quantile_ns(metric, 0), edge);
        below = edge;
        uint64_t octave = UINT64_C(1000) << bucket / 4;
        edge = octave + octave / 4 * (unsigned)(bucket % 4 + 1);
    }
    ax_metric metric = add(&duration, "over", NULL);
    ax_metric_observe_ns(metric, (UINT64_C(1000) << 26) + 1);
    assert_true(ax_metric_quantile_ns(metric, 0.5) == UINT64_MAX);
}

/* Reserved counters are found again by name, counted like any other, and never printed. */
static void reserved_cells_are_not_printed(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    ax_metric first = 0;
    ax_metric again = 0;
    ax_metric other = 0;
    uint64_t values[4] = { 9, 9, 9, 9 };
    assert_int_equal(ax_metric_reserve(AX_STR("hidden"), 3, &first, &err), AX_OK);
    assert_int_equal(ax_metric_reserve(AX_STR("hidden"), 3, &again, &err), AX_OK);
    assert_int_equal(ax_metric_reserve(AX_STR("other"), 3, &other, &err), AX_OK);
    assert_int_not_equal(first, 0);
    assert_int_equal(again, first);
    assert_true(other >= first + 3);
    ax_metric_add(first, 1);
    ax_metric_add(first + 2, 3);
    ax_metric_read_cells(first, 3, values);
    assert_int_equal(values[0], 1);
    assert_int_equal(values[1], 0);
    assert_int_equal(values[2], 3);
    assert_int_equal(values[3], 9);
    ax_metric_read_cells(0, 2, values);
    assert_int_equal(values[0] + values[1], 0);
    char *text = printed("# HELP");
    assert_null(strstr(text, "hidden"));
    free(text);
}

static void quantiles(void **state)
{
    (void)state;
    ax_metric metric = add(&duration, "quantiles", NULL);
    assert_int_equal(ax_metric_quantile_ns(metric, 0.5), 0);
    for (uint64_t us = 1; us <= 1000; us++)
        ax_metric_observe_ns(metric, us * 1000);
    static const double qs[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
    for (size_t i = 0; i < AX_COUNT(qs); i++) {
        double exact = AX_MAX(1000 * qs[i], 1) * 1000;
        double found = (double)ax_metric_quantile_ns(metric, qs[i]);
        assert_true(found >= exact && found <= exact * 1.26);
    }
}

static void histogram_text(void **state)
{
    (void)state;
    ax_metric metric = add(&duration, "text", NULL);
    ax_metric_observe_ns(metric, 0);
    ax_metric_observe_ns(metric, 1500);
    ax_metric_observe_ns(metric, 1000000);
    ax_metric_observe_ns(metric, UINT64_C(90) * 1000000000);
    char *text = printed("ax_request_duration_seconds_bucket{model=\"text\"");
    static const struct {
        const char *le;
        int count;
    } rows[] = { { "0.000004", 2 }, { "0.000016", 2 },  { "0.000256", 2 },
                 { "0.001024", 3 }, { "16.777216", 3 }, { "+Inf", 4 } };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line),
                       "ax_request_duration_seconds_bucket{model=\"text\",le=\"%s\"} %d\n",
                       rows[i].le, rows[i].count);
        assert_non_null(strstr(text, line));
    }
    assert_non_null(strstr(text, "\nax_request_duration_seconds_sum{model=\"text\"} 90.0010015\n"
                                 "ax_request_duration_seconds_count{model=\"text\"} 4\n"));
    free(text);
}

/* How many edges the first series of this beginning shows; each is `factor` times the last. */
static size_t check_edges(const char *text, const char *begin, uint64_t us, uint64_t factor)
{
    size_t count = 0;
    for (const char *at = strstr(text, begin);; at = strstr(at, begin), count++) {
        assert_non_null(at);
        at = strstr(at, "le=\"") + 4;
        if (*at == '+')
            return count;
        assert_int_equal((uint64_t)(strtod(at, NULL) * 1e6 + 0.5), us);
        us *= factor;
    }
}

static void coarse_families_show_fewer_edges(void **state)
{
    (void)state;
    static const struct ax_metric_family fine = { "ax_fine_seconds", "Not coarse.",
                                                  AX_METRIC_HISTOGRAM, "kind" };
    ax_metric metric = add(&fine, "a", NULL);
    /* At each edge that there is, and one above all. */
    for (unsigned octave = 0; octave <= 26; octave++)
        ax_metric_observe_ns(metric, UINT64_C(1000) << octave);
    ax_metric_observe_ns(metric, UINT64_C(1001) << 26);
    char *text = printed("ax_fine_seconds_bucket{kind=\"a\",le=\"0.000001\"} 1\n");
    assert_int_equal(check_edges(text, "ax_fine_seconds_bucket{", 1, 2), 27);
    assert_non_null(strstr(text, ",le=\"0.000002\"} 2\n"));
    assert_non_null(strstr(text, ",le=\"67.108864\"} 27\n"));
    assert_non_null(strstr(text, ",le=\"+Inf\"} 28\n"));
    free(text);
    (void)add(&duration, "edges", NULL);
    text = printed("ax_request_duration_seconds_bucket{model=\"edges\"");
    assert_int_equal(check_edges(text, "ax_request_duration_seconds_bucket{model=\"edges\"", 4, 4),
                     12);
    free(text);
}

/* More than any series and head take here. */
enum { SERIES_BYTES_MAX = 2048 };

static void steps_are_short_and_make_the_same_text(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "steps %d", i);
        ax_metric_add(add(&requests, name, "1"), (uint64_t)i);
        ax_metric_observe_ns(add(&duration, name, NULL), (uint64_t)i * 1000);
    }
    char *whole = scraped(SIZE_MAX);
    static const size_t step_bytes[] = { 1, 100, 4096, 5000, 65536 };
    for (size_t i = 0; i < AX_COUNT(step_bytes); i++) {
        struct ax_buf out;
        ax_buf_init(&out, 64 << 20);
        struct ax_metric_scrape *scrape = ax_metric_scrape_new();
        size_t before = 0;
        for (bool done = false; !done; before = out.len) {
            done = ax_metric_scrape_step(scrape, &out, step_bytes[i]);
            assert_in_range(out.len - before, done ? 0 : step_bytes[i],
                            step_bytes[i] + SERIES_BYTES_MAX);
        }
        ax_metric_scrape_free(scrape);
        char *text = ax_buf_take(&out);
        assert_string_equal(text, whole);
        free(text);
    }
    free(whole);
    ax_metric_scrape_free(NULL);
    /* A buffer that is full ends it. */
    struct ax_buf small;
    ax_buf_init(&small, 1000);
    struct ax_metric_scrape *scrape = ax_metric_scrape_new();
    assert_true(ax_metric_scrape_step(scrape, &small, SIZE_MAX));
    assert_int_equal(small.failed, AX_E_TOO_LARGE);
    ax_metric_scrape_free(scrape);
    ax_buf_done(&small);
}

static void remove_series(const struct ax_metric_family *family, const char *name, ax_metric into);

/* A step: the head or a line of the family that comes last, since it was registered last. */
static void expect_step(struct ax_metric_scrape *scrape, const char *text)
{
    struct ax_buf out;
    ax_buf_init(&out, 4096);
    (void)ax_metric_scrape_step(scrape, &out, 1);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.ptr ? out.ptr : "", text, out.len);
    ax_buf_done(&out);
}

static void series_come_and_go_between_steps(void **state)
{
    (void)state;
    static const struct ax_metric_family last = { "ax_last", "Of this test.", AX_METRIC_COUNTER,
                                                  "name,version" };
    static const struct ax_metric_family later = { "ax_later", "Later.", AX_METRIC_COUNTER, NULL };
    static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
    for (size_t i = 0; i < AX_COUNT(names); i++)
        ax_metric_add(add(&last, names[i], "1"), i + 1);
    struct ax_metric_scrape *scrape = ax_metric_scrape_new();
    struct ax_metric_scrape *other = ax_metric_scrape_new();
    struct ax_buf out;
    ax_buf_init(&out, 64 << 20);
    while (!out.len || !memmem(out.ptr, out.len, "# TYPE ax_last", 14))
        (void)ax_metric_scrape_step(scrape, &out, 1);
    ax_buf_done(&out);
    expect_step(scrape, "ax_last{name=\"a\",version=\"1\"} 1\n");
    /* Of a family and a series that were not there when it began, nothing is shown. */
    (void)add(&later, NULL, NULL);
    (void)add(&last, "g", "1");
    /* The next ones, one that was printed, and one that comes back: it is another series. */
    remove_series(&last, "b", 0);
    remove_series(&last, "c", 0);
    remove_series(&last, "a", 0);
    (void)add(&last, "c", "1");
    expect_step(scrape, "ax_last{name=\"d\",version=\"1\"} 4\n");
    remove_series(&last, "f", 0);
    expect_step(scrape, "ax_last{name=\"e\",version=\"1\"} 5\n");
    /* The last one goes when it is the next. */
    remove_series(&last, "g", 0);
    expect_step(scrape, "");
    expect_step(scrape, "");
    ax_metric_scrape_free(scrape);
    ax_metric_scrape_free(other);
    char *text = printed("# TYPE ax_last counter\n");
    assert_string_equal(text, "# TYPE ax_last counter\n"
                              "ax_last{name=\"d\",version=\"1\"} 4\n"
                              "ax_last{name=\"e\",version=\"1\"} 5\n"
                              "ax_last{name=\"c\",version=\"1\"} 0\n"
                              "# HELP ax_later Later.\n# TYPE ax_later counter\nax_later 0\n");
    free(text);
}

enum { THREADS = 4, COUNTS = 100000 };
static ax_metric shared_counter, shared_gauge, shared_duration;
static atomic_bool over;

static void count(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < COUNTS; i++) {
        ax_metric_add(shared_counter, 1);
        ax_metric_gauge_add(shared_gauge, i % 2 ? 1 : -1);
        ax_metric_observe_ns(shared_duration, i);
    }
}

static void print_and_register(void *arg)
{
    (void)arg;
    for (int i = 0; !atomic_load(&over); i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%d", i % 100);
        (void)add(&requests, "concurrent", name);
        free(printed("# HELP"));
    }
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    shared_counter = add(&requests, "shared", "1");
    shared_gauge = add(&open_now, NULL, NULL);
    shared_duration = add(&duration, "shared", NULL);
    int64_t gauge_before = ax_metric_read(shared_gauge);
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread printer;
    assert_int_equal(ax_thread_start(&printer, "print", print_and_register, NULL, &err), AX_OK);
    /* Twice, so that the second threads take over the shards of the first. */
    for (int round = 1; round <= 2; round++) {
        struct ax_thread threads[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(ax_thread_start(&threads[i], "count", count, NULL, &err), AX_OK);
        for (size_t i = 0; i < THREADS; i++)
            ax_thread_join(&threads[i]);
        assert_int_equal(ax_metric_read(shared_counter), (int64_t)round * THREADS * COUNTS);
    }
    atomic_store(&over, true);
    ax_thread_join(&printer);
    assert_int_equal(ax_metric_read(shared_gauge), gauge_before);
    char *text = printed("ax_request_duration_seconds_count{model=\"shared\"}");
    assert_non_null(strstr(text, "{model=\"shared\"} 800000\n"));
    free(text);
}

static void remove_series(const struct ax_metric_family *family, const char *name, ax_metric into)
{
    const struct ax_str values[2] = { ax_str_from(name), AX_STR("1") };
    ax_metric_unregister(family, values, into);
}

static void series_that_are_given_back_are_used_again(void **state)
{
    (void)state;
    ax_metric sum = add(&requests, "sum", "1");
    ax_metric a = add(&requests, "a", "1");
    ax_metric b = add(&requests, "b", "1");
    ax_metric c = add(&requests, "c", "1");
    ax_metric_add(a, 3);
    ax_metric_add(b, 4);
    ax_metric_add(c, 5);
    /* In the middle, at the end, and one that is not there. */
    ax_metric_thread_detach(); /* It needs no shard. */
    remove_series(&requests, "b", sum);
    ax_metric_thread_attach();
    remove_series(&requests, "c", 0);
    remove_series(&requests, "no such", sum);
    assert_int_equal(ax_metric_read(sum), 4);
    char *text = printed("# HELP ax_requests_total");
    assert_non_null(strstr(text, "{model=\"sum\",version=\"1\"} 4\n"
                                 "ax_requests_total{model=\"a\",version=\"1\"} 3\n"));
    assert_null(strstr(text, "model=\"b\""));
    assert_null(strstr(text, "model=\"c\""));
    free(text);
    ax_metric again = add(&requests, "d", "1");
    assert_int_equal(again, c);
    assert_int_equal(ax_metric_read(again), 0);
    assert_int_equal(add(&requests, "b", "1"), b);
    text = printed("# HELP ax_requests_total");
    assert_non_null(strstr(text, "{model=\"a\",version=\"1\"} 3\n"
                                 "ax_requests_total{model=\"d\",version=\"1\"} 0\n"
                                 "ax_requests_total{model=\"b\",version=\"1\"} 0\n"));
    free(text);
}

static void cells_are_used_again_by_length(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    ax_metric first = 0;
    ax_metric gone = 0;
    ax_metric other = 0;
    ax_metric histogram = add(&duration, "comes back", NULL);
    ax_metric sum = add(&duration, "sum", NULL);
    ax_metric_observe_ns(histogram, 5000);
    assert_int_equal(ax_metric_reserve(AX_STR("comes back"), 3, &first, &err), AX_OK);
    assert_int_equal(ax_metric_reserve(AX_STR("gone"), 3, &gone, &err), AX_OK);
    ax_metric_add(first + 1, 7);
    remove_series(&duration, "comes back", sum);
    ax_metric_unreserve(AX_STR("comes back"), 3, gone);
    ax_metric_unreserve(AX_STR("comes back"), 3, gone);
    assert_int_equal(ax_metric_read(gone + 1), 7);
    assert_int_equal(ax_metric_quantile_ns(sum, 1), ax_metric_quantile_ns(sum, 0));
    assert_int_not_equal(ax_metric_quantile_ns(sum, 1), 0);
    assert_int_equal(ax_metric_reserve(AX_STR("four"), 4, &other, &err), AX_OK);
    assert_true(other > gone);
    assert_int_equal(ax_metric_reserve(AX_STR("three"), 3, &other, &err), AX_OK);
    assert_int_equal(other, first);
    assert_int_equal(add(&duration, "another", NULL), histogram);
    assert_int_equal(ax_metric_quantile_ns(histogram, 1), 0);
    uint64_t values[3] = { 9, 9, 9 };
    ax_metric_read_cells(first, 3, values);
    assert_int_equal(values[0] + values[1] + values[2], 0);
    ax_metric_unreserve(AX_STR("four"), 4, 0);
    remove_series(&duration, "another", 0);
}

/* A series that is counted: the threads share it, and the last one to let go gives it back. */
enum { LIVES = 300, LIFE = 200 };
struct life {
    _Atomic unsigned refs;
    ax_metric counter, seconds;
    char name[16];
};
static ax_metric lives_sum, lives_seconds;

static void life_release(struct life *life)
{
    if (atomic_fetch_sub_explicit(&life->refs, 1, memory_order_acq_rel) > 1)
        return;
    remove_series(&requests, life->name, lives_sum);
    remove_series(&duration, life->name, lives_seconds);
}

static void count_lives(void *arg)
{
    struct life *lives = arg;
    for (size_t i = 0; i < LIVES; i++) {
        for (uint64_t k = 0; k < LIFE; k++) {
            ax_metric_add(lives[i].counter, 1);
            ax_metric_observe_ns(lives[i].seconds, k * 1000);
        }
        life_release(&lives[i]);
    }
}

/* The sum of a family as a scrape shows it in which nothing else happens. */
static uint64_t printed_sum(void)
{
    char *text = printed("# TYPE ax_requests_total counter\n");
    uint64_t sum = 0;
    for (const char *at = strchr(text, '\n') + 1; *at && *at != '#'; at = strchr(at, '\n') + 1)
        sum += strtoull(strstr(at, "\"} ") + 3, NULL, 10);
    free(text);
    return sum;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each line is whole, and none stands there twice. */
static void check_lines(char *text)
{
    enum { LINES_MAX = 65536 };
    static char *lines[LINES_MAX];
    size_t count = 0;
    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        assert_true(count < LINES_MAX);
        lines[count++] = line;
        if (line[0] == '#')
            continue;
        char *value = strrchr(line, ' ');
        char *end;
        assert_true(strncmp(line, "ax_", 3) == 0 && value);
        (void)strtod(value + 1, &end);
        assert_true(end > value + 1 && *end == '\0');
        *value = '\0'; /* The same series with another value is the same series. */
    }
    qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 1; i < count; i++)
        assert_string_not_equal(lines[i - 1], lines[i]);
}

/* In steps of all sizes, beside another scrape that is never done. */
static void scrape_lives(void *arg)
{
    (void)arg;
    struct ax_metric_scrape *idle = ax_metric_scrape_new();
    for (size_t bytes = 1; !atomic_load(&over); bytes = bytes * 3 % 70001) {
        char *text = scraped(bytes);
        check_lines(text);
        free(text);
    }
    ax_metric_scrape_free(idle);
}

static void series_come_and_go_under_threads(void **state)
{
    (void)state;
    static struct life lives[LIVES];
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread threads[THREADS];
    struct ax_thread scraper;
    lives_sum = add(&requests, "lives", "1");
    lives_seconds = add(&duration, "lives", NULL);
    uint64_t before = printed_sum();
    atomic_store(&over, false);
    assert_int_equal(ax_thread_start(&scraper, "scrape", scrape_lives, NULL, &err), AX_OK);
    ax_metric highest = 0;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < LIVES; i++) {
            struct life *life = &lives[i];
            (void)snprintf(life->name, sizeof(life->name), "life %zu", i);
            life->counter = add(&requests, life->name, "1");
            life->seconds = add(&duration, life->name, NULL);
            assert_int_equal(ax_metric_read(life->counter), 0);
            assert_true(round == 0 || life->seconds <= highest);
            highest = AX_MAX(highest, life->seconds);
            atomic_store(&life->refs, THREADS);
        }
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(ax_thread_start(&threads[i], "count", count_lives, lives, &err),
                             AX_OK);
        for (size_t i = 0; i < THREADS; i++)
            ax_thread_join(&threads[i]);
        assert_int_equal(ax_metric_read(lives_sum), (round + 1) * LIVES * LIFE * THREADS);
    }
    atomic_store(&over, true);
    ax_thread_join(&scraper);
    assert_int_equal(printed_sum(), before + UINT64_C(3) * LIVES * LIFE * THREADS);
    char *text = printed("ax_request_duration_seconds_count{model=\"lives\"}");
    assert_non_null(strstr(text, "{model=\"lives\"} 720000\n"));
    free(text);
}

/* The last test: it fills the table. */
static void cells_are_limited(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    ax_metric metric = 0;
    size_t series = 0;
    for (; series < 20000; series++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "%zu", series);
        const struct ax_str value = { name, (size_t)len };
        if (ax_metric_register(&duration, &value, &metric, &err))
            break;
    }
    assert_int_equal(err.code, AX_E_LIMIT);
    assert_string_equal(err.msg, "no room for another series of ax_request_duration_seconds");
    assert_in_range(series, 9000, AX_METRIC_CELLS_MAX / 107);
    /* The last cells lie within the shard. */
    ax_metric_observe_ns(metric, UINT64_MAX);
    assert_true(ax_metric_quantile_ns(metric, 1) == UINT64_MAX);
}

static int set_up(void **state)
{
    (void)state;
    ax_metric_thread_attach();
    ax_metric_thread_attach();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ax_metric_thread_detach();
    ax_metric_thread_detach();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_found_again),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(gauges_go_down),
        cmocka_unit_test(times_are_shown_in_seconds),
        cmocka_unit_test(writing_to_no_series_does_nothing),
        cmocka_unit_test(bucket_edges),
        cmocka_unit_test(reserved_cells_are_not_printed),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(histogram_text),
        cmocka_unit_test(coarse_families_show_fewer_edges),
        cmocka_unit_test(steps_are_short_and_make_the_same_text),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(series_that_are_given_back_are_used_again),
        cmocka_unit_test(cells_are_used_again_by_length),
        cmocka_unit_test(series_come_and_go_under_threads),
        cmocka_unit_test(series_come_and_go_between_steps),
        cmocka_unit_test(cells_are_limited),
    };
    return cmocka_run_group_tests_name("base/metric", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times our engine beside its peers, in one process and in turns. bench/compare/run makes models,
 * builds peers, calls this and makes tables of what it prints.
 *
 *   compare margins ROWS FEATURES COUNT BATCH OUT -- KIND WORD...
 *   compare time ROWS FEATURES BATCH[,BATCH...] SECONDS SLICE_US -- KIND WORD... [-- ...]...
 *
 * ROWS is a file of native f32, FEATURES a row. `margins` has one contestant score the first COUNT
 * rows, BATCH a call, writes its margins to OUT and prints their width and the time of loading.
 *
 * `time` takes ours first, then the peers. In a round each peer has four slices: ours, its own, its
 * own, ours; the second of all contestants is ours once more, so that the noise of the method
 * shows. A slice lasts SLICE_US or one call. The rounds of one batch size go on for SECONDS a peer,
 * or until there are ROUNDS_LEAST. Calls rotate over all rows, so that no branch history learns
 * them. A line for each peer of each round: "slice BATCH PEER" and the four, in nanoseconds a row.
 */
#include "contestant.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONTESTANTS_MAX 16
#define ROUNDS_LEAST    8
#define ROUNDS_MAX      2000
#define LOOK_ROWS       256 /* between two looks at the clock, a system call of some 300 ns */

static const struct contestant_kind *const kinds[] = {
    &contestant_auspex, &contestant_compiled, &contestant_lightgbm,
    &contestant_onnx,   &contestant_worker,   &contestant_xgboost,
};

struct plan {
    struct compare_rows rows;
    struct contestant *contestants[CONTESTANTS_MAX]; /* ours first, and ours again */
    size_t count;
    double *margins; /* of one batch, of either width */
    size_t at;       /* the row that comes next */
    double seconds;
    uint64_t slice_ns;
};

static uint64_t number(const char *text, const char *what)
{
    uint64_t value;
    if (!ax_str_to_u64(ax_str_from(text), &value) || value < 1)
        compare_die("%s is no number: '%s'", what, text);
    return value;
}

static void load_rows(struct compare_rows *rows, const char *path, const char *features)
{
    size_t size;
    float *narrow = (float *)(void *)compare_read_file(path, &size);
    rows->features = (size_t)number(features, "FEATURES");
    rows->count = size / sizeof(float) / rows->features;
    if (rows->count < 1)
        compare_die("'%s' has no rows", path);
    double *wide = ax_xalloc(rows->count * rows->features * sizeof(*wide));
    for (size_t i = 0; i < rows->count * rows->features; i++)
        wide[i] = (double)narrow[i];
    rows->narrow = narrow;
    rows->wide = wide;
}

static const void *rows_at(const struct contestant *c, size_t row)
{
    size_t at = row * c->rows->features;
    return c->row_type == AX_FP64 ? (const void *)(c->rows->wide + at) : c->rows->narrow + at;
}

static struct contestant *open_contestant(char **words, const struct compare_rows *rows)
{
    for (size_t i = 0; words[0] && i < AX_COUNT(kinds); i++) {
        if (strcmp(kinds[i]->name, words[0]) == 0)
            return kinds[i]->open(words + 1, rows);
    }
    compare_die("no kind of contestant '%s'", words[0] ? words[0] : "");
}

/* CPU time of all threads of this process: what other programs of the machine take meanwhile is no
 * cost of ours, and threads that a peer might start are a cost of its own. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        compare_die("no clock of CPU time");
    return (uint64_t)t.tv_sec * AX_NS_PER_S + (uint64_t)t.tv_nsec;
}

static int write_margins(char **argv, char **words)
{
    struct compare_rows rows;
    load_rows(&rows, argv[0], argv[1]);
    size_t count = AX_MIN((size_t)number(argv[2], "COUNT"), rows.count);
    size_t batch = AX_MIN((size_t)number(argv[3], "BATCH"), COMPARE_BATCH_MAX);
    uint64_t start = cpu_ns();
    struct contestant *c = open_contestant(words, &rows);
    uint64_t load_ns = cpu_ns() - start;
    if (c->kind->write_margins) {
        c->kind->write_margins(c, count, batch, argv[4]);
    } else {
        size_t size = ax_datatype_size(c->margin_type);
        char *margins = ax_xalloc(count * size);
        for (size_t from = 0; from < count; from += batch)
            c->kind->predict(c, rows_at(c, from), AX_MIN(batch, count - from),
                             margins + from * size);
        FILE *f = fopen(argv[4], "wb");
        if (!f || fwrite(margins, size, count, f) != count || fclose(f) != 0)
            compare_die("cannot write '%s'", argv[4]);
        free(margins);
    }
    printf("%s %.3f\n", c->margin_type == AX_FP64 ? "f64" : "f32", (double)load_ns * 1e-6);
    return 0;
}

/* Nanoseconds a row. */
static double run_slice(struct plan *p, struct contestant *c, size_t batch)
{
    if (c->kind->slice)
        return c->kind->slice(c, batch, p->slice_ns);
    size_t calls = AX_MAX(LOOK_ROWS / batch, (size_t)1), rows = 0;
    uint64_t start = cpu_ns(), now;
    do {
        for (size_t i = 0; i < calls; i++) {
            if (p->at + batch > p->rows.count)
                p->at = 0;
            c->kind->predict(c, rows_at(c, p->at), batch, p->margins);
            p->at += batch;
        }
        rows += calls * batch;
        now = cpu_ns();
    } while (now - start < p->slice_ns);
    return (double)(now - start) / (double)rows;
}

static void time_batch(struct plan *p, size_t batch)
{
    if (batch < 1 || batch > AX_MIN(p->rows.count, COMPARE_BATCH_MAX))
        compare_die("a batch of %zu rows out of %zu", batch, p->rows.count);
    struct contestant *ours = p->contestants[0];
    for (size_t i = 0; i < p->count; i++) /* warm */
        (void)run_slice(p, p->contestants[i], batch);
    uint64_t start = ax_clock_ns();
    double budget = p->seconds * (double)(p->count - 1);
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        for (size_t i = 1; i < p->count; i++) {
            double a = run_slice(p, ours, batch), b = run_slice(p, p->contestants[i], batch);
            double c = run_slice(p, p->contestants[i], batch), d = run_slice(p, ours, batch);
            printf("slice %zu %zu %.2f %.2f %.2f %.2f\n", batch, i, a, b, c, d);
        }
        if (round + 1 >= ROUNDS_LEAST && (double)(ax_clock_ns() - start) * 1e-9 > budget)
            break;
    }
}

static int time_all(char **argv, char **words, char **end)
{
    struct plan p = { 0 };
    load_rows(&p.rows, argv[0], argv[1]);
    p.seconds = strtod(argv[3], NULL);
    p.slice_ns = number(argv[4], "SLICE_US") * 1000;
    p.margins = ax_xalloc(COMPARE_BATCH_MAX * sizeof(*p.margins));
    while (words < end) {
        if (p.count == CONTESTANTS_MAX)
            compare_die("more than %d contestants", CONTESTANTS_MAX - 1);
        p.contestants[p.count++] = open_contestant(words, &p.rows);
        if (p.count == 1)
            p.contestants[p.count++] = p.contestants[0];
        while (*words)
            words++;
        words++;
    }
    for (char *at = argv[2], *next; *at; at = *next ? next + 1 : next) {
        size_t batch = (size_t)strtoul(at, &next, 10);
        time_batch(&p, batch);
    }
    return 0;
}

int main(int argc, char **argv)
{
    char **words = argv;
    while (*words && strcmp(*words, "--") != 0)
        words++;
    char **end = argv + argc;
    for (char **w = words; w < end; w++) { /* each contestant's words then end with NULL */
        if (strcmp(*w, "--") == 0)
            *w = NULL;
    }
    size_t before = (size_t)(words - argv);
    if (words >= end)
        before = 0;
    if (before == 7 && strcmp(argv[1], "margins") == 0)
        return write_margins(argv + 2, words + 1);
    if (before == 7 && strcmp(argv[1], "time") == 0)
        return time_all(argv + 2, words + 1, end);
    compare_die("see the head of driver.c for what there is to say");
}

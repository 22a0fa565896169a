/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the online store's writer costs: rows of a source (two short texts, a time, two float64)
 * that are pushed, with two views of one entity.
 *
 *     build/release/bench/online_writer              # 200,000 keys, in /tmp
 *     build/release/bench/online_writer FOLDER KEYS
 *
 * Batches of 10,000 rows, one waiting while one is done, as many rows as five a key: in memory
 * alone, journalled with the kernel, and with the disk. Then a start from what was folded, and one
 * from the journal alone. Nanoseconds of the process's CPU time a row, or a key at a start; rows a
 * second of wall-clock time beside it, which wants a quiet machine.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "feature/online/online_writer.h"

#include "program.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    BATCH = 10000,
    COLUMNS = 5,
    KEY_BYTES = 16,
    KEYS_MAX = 100000000,
    WAITING = 2,
    ROWS_A_KEY = 5
};

static const char text[] =
    "auspex: 1\n"
    "entities: {aircraft: {keys: {tail: string}}}\n"
    "sources:\n"
    "  flights: {files: f.csv, time: at, push: true, columns: {tail: string, carrier: string, "
    "at: timestamp, delay: float64, distance: float64}}\n"
    "views:\n"
    "  last: {entity: aircraft, source: flights, fields: {delay: delay, late: delay > 15}}\n"
    "  speed: {entity: aircraft, source: flights, fields: {d: distance / 2, c: carrier}}\n";

static struct ax_err err = AX_ERR_INIT;
static struct ax_epoch epoch;
static struct ax_definitions definitions;
static struct ax_online_views *views;
static size_t key_count = 200000;
static char (*keys)[KEY_BYTES];

/* A batch and its columns. */
struct pushed {
    struct ax_online_batch batch;
    struct ax_source_rows rows;
    struct ax_values columns[COLUMNS];
    struct ax_str tails[BATCH], carriers[BATCH];
    int64_t times[BATCH];
    double numbers[BATCH];
};

static void check(enum ax_code code)
{
    if (code)
        die(err.msg);
}

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct ax_online_writer *open_store(const char *state, enum ax_online_durability durability)
{
    const struct ax_online_writer_config config = {
        .state = state,
        .epoch = &epoch,
        .memory_bytes_max = ((size_t)256 << 20) + key_count * 512,
        .disk_bytes_max = (uint64_t)64 << 30,
        .fill_bytes_first = SIZE_MAX,
        .queue_max = WAITING,
        .durability = durability,
    };
    const struct ax_online_definitions given = { .definitions = &definitions };
    struct ax_online_writer *writer;
    check(ax_online_writer_open(&config, &writer, &err));
    check(ax_online_writer_define(writer, &given, &views, &err));
    return writer;
}

static void close_store(struct ax_online_writer *writer)
{
    ax_online_writer_close(writer);
    ax_online_views_unref(views);
}

static void post(struct ax_online_batch *batch)
{
    (void)sem_post(batch->context);
}

static void fill(struct pushed *pushed, struct ax_random *random, sem_t *done, int64_t time)
{
    const struct ax_values columns[COLUMNS] = {
        { .type = { AX_TYPE_STRING, false }, .rows = BATCH, .texts = pushed->tails },
        { .type = { AX_TYPE_STRING, false }, .rows = BATCH, .texts = pushed->carriers },
        { .type = { AX_TYPE_TIMESTAMP, false }, .rows = BATCH, .i64s = pushed->times },
        { .type = { AX_TYPE_FLOAT64, false }, .rows = BATCH, .f64s = pushed->numbers },
        { .type = { AX_TYPE_FLOAT64, false }, .rows = BATCH, .f64s = pushed->numbers },
    };
    memcpy(pushed->columns, columns, sizeof(columns));
    for (size_t i = 0; i < BATCH; i++) {
        pushed->tails[i] =
            (struct ax_str){ keys[ax_random_below(random, key_count)], KEY_BYTES - 1 };
        pushed->carriers[i] = AX_STR("UA");
        pushed->times[i] = time;
        pushed->numbers[i] = (double)i;
    }
    pushed->rows = (struct ax_source_rows){ .rows = BATCH, .columns = pushed->columns };
    pushed->batch = (struct ax_online_batch){
        .kind = AX_ONLINE_ROWS, .views = views, .rows = &pushed->rows, .done = post, .context = done
    };
}

static void tell(const char *what, size_t count, double cpu, double seconds)
{
    printf("%-44s %8.0f ns CPU %10.0f a second\n", what, cpu / (double)count,
           (double)count / seconds);
}

/* All rows; what it costs to make them is measured apart and taken off. */
static void push_all(const char *what, const char *state, enum ax_online_durability durability)
{
    struct ax_online_writer *writer = open_store(state, durability);
    struct pushed *pushed = ax_xalloc(WAITING * sizeof(*pushed));
    size_t batches = key_count * ROWS_A_KEY / BATCH;
    struct ax_random random;
    double making = 0;
    sem_t done[WAITING];
    ax_random_init(&random, 1, 0);
    for (size_t i = 0; i < WAITING; i++)
        (void)sem_init(&done[i], 0, 1);
    double cpu = cpu_ns();
    uint64_t start_ns = ax_clock_ns();
    for (size_t i = 0; i < batches; i++) {
        struct pushed *next = &pushed[i % WAITING];
        while (sem_wait(&done[i % WAITING]))
            ;
        check(next->batch.err.code);
        uint64_t begun_ns = ax_clock_thread_ns();
        fill(next, &random, &done[i % WAITING], (int64_t)i);
        making += (double)(ax_clock_thread_ns() - begun_ns);
        check(ax_online_writer_send(writer, &next->batch, &err));
    }
    for (size_t i = 0; i < WAITING; i++)
        while (sem_wait(&done[i]))
            ;
    double seconds = (double)(ax_clock_ns() - start_ns) / 1e9;
    close_store(writer); /* with the last fold */
    tell(what, batches * BATCH, cpu_ns() - cpu - making, seconds);
    free(pushed);
}

static void start(const char *what, const char *state, size_t count)
{
    double cpu = cpu_ns();
    uint64_t start_ns = ax_clock_ns();
    struct ax_online_writer *writer = open_store(state, AX_ONLINE_DURABLE_PROCESS);
    tell(what, count, cpu_ns() - cpu, (double)(ax_clock_ns() - start_ns) / 1e9);
    struct ax_online_writer_stats stats;
    ax_online_writer_stats(writer, &stats);
    if (stats.table.rows == 0 || stats.table.rows > key_count)
        die("keys are missing");
    close_store(writer);
}

int main(int argc, char **argv)
{
    const struct ax_file_text file = { AX_STR("f.yaml"), { text, sizeof(text) - 1 } };
    const char *folder = argc > 1 ? argv[1] : "/tmp/auspex-bench-writer";
    char kernel[4096], disk[4096], rows[4200];
    if (argc > 3 ||
        (argc == 3 && ((key_count = strtoul(argv[2], NULL, 10)) < BATCH || key_count > KEYS_MAX)))
        die("usage: online_writer [FOLDER [KEYS, 10000 or more]]");
    (void)snprintf(kernel, sizeof(kernel), "%s/kernel", folder);
    (void)snprintf(disk, sizeof(disk), "%s/disk", folder);
    (void)snprintf(rows, sizeof(rows), "%s/online", kernel);
    ax_epoch_init(&epoch);
    check(ax_definitions_read_texts("f", &file, 1, &definitions, &err));
    keys = ax_xalloc(key_count * sizeof(*keys));
    for (size_t i = 0; i < key_count; i++)
        (void)snprintf(keys[i], sizeof(keys[i]), "tail %010u", (unsigned)i);
    push_all("a row, in memory", NULL, AX_ONLINE_DURABLE_PROCESS);
    push_all("a row, journalled, and folded", kernel, AX_ONLINE_DURABLE_PROCESS);
    push_all("a row, journalled on the disk, and folded", disk, AX_ONLINE_DURABLE_DISK);
    start("a start, a key", kernel, key_count);
    check(ax_file_remove_tree(rows, &err));
    start("a start from the journal alone, a row", kernel, key_count * ROWS_A_KEY);
    ax_definitions_done(&definitions);
    free(keys);
    check(ax_file_remove_tree(folder, &err));
    return 0;
}

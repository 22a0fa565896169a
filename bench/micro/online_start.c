/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a start of the online store takes: one view of 64 float32.
 *
 *     build/release/bench/online_start               # 200,000 keys, in /tmp
 *     build/release/bench/online_start FOLDER KEYS   # 10,000,000 keys: 4 GB of memory, and of disk
 *
 * The keys are put into a store, in their order, which is closed, so that its file is in the
 * page cache if memory allows. Then it is opened: the time until definitions are in force, until
 * one key in the midst was read right, and until all keys are in memory. Wall-clock time and the
 * process's CPU time, which on a quiet machine are alike.
 *
 * Before, as much memory as the table takes is touched and given back: a virtual machine's host
 * gives it memory page by page when it is touched first, and counts that as the guest's time.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "feature/online/online_writer.h"

#include "program.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { FIELDS = 64, BATCH = 10000, KEY_BYTES = 16, KEYS_MAX = 100000000, TEXT_BYTES = 8192 };

#define ARENA_BYTES ((size_t)1 << 20)

static struct ax_err err = AX_ERR_INIT;
static struct ax_epoch epoch;
static struct ax_definitions definitions;
static struct ax_online_writer *writer;
static struct ax_online_views *views;
static size_t key_count = 200000;
static uint64_t begun_ns;
static double begun_cpu_ns;

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

static void begin(void)
{
    begun_ns = ax_clock_ns();
    begun_cpu_ns = cpu_ns();
}

static void tell(const char *what)
{
    printf("%-32s %8.0f ms %8.0f ms CPU\n", what, (double)(ax_clock_ns() - begun_ns) / 1e6,
           (cpu_ns() - begun_cpu_ns) / 1e6);
}

static void read_definitions(void)
{
    static char text[2 * TEXT_BYTES];
    char columns[TEXT_BYTES / 2], fields[TEXT_BYTES];
    size_t columns_len = 0, fields_len = 0;
    for (int i = 0; i < FIELDS; i++) {
        columns_len += (size_t)snprintf(columns + columns_len, sizeof(columns) - columns_len,
                                        ", c%d: float32", i);
        fields_len += (size_t)snprintf(fields + fields_len, sizeof(fields) - fields_len,
                                       "%sf%d: {expr: c%d, type: float32}", i ? ", " : "", i, i);
    }
    (void)snprintf(text, sizeof(text),
                   "auspex: 1\n"
                   "entities: {thing: {keys: {k: string}}}\n"
                   "sources:\n"
                   "  s: {files: s.csv, time: at, columns: {k: string, at: timestamp%s}}\n"
                   "views:\n"
                   "  v: {entity: thing, source: s, fields: {%s}}\n",
                   columns, fields);
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(text) };
    check(ax_definitions_read_texts("f", &file, 1, &definitions, &err));
}

static size_t memory_bytes(void)
{
    return ((size_t)256 << 20) + key_count * 512;
}

static void open_store(const char *state)
{
    const struct ax_online_writer_config config = {
        .state = state,
        .epoch = &epoch,
        .memory_bytes_max = memory_bytes(),
        .disk_bytes_max = (uint64_t)64 << 30,
        .fill_bytes_first = (size_t)16 << 20, /* as a server */
        .queue_max = 2,
    };
    const struct ax_online_definitions given = { .definitions = &definitions };
    check(ax_online_writer_open(&config, &writer, &err));
    check(ax_online_writer_define(writer, &given, &views, &err));
}

static void close_store(void)
{
    ax_online_writer_close(writer);
    ax_online_views_unref(views);
}

/* ---- making it ---- */

static void post(struct ax_online_batch *batch)
{
    (void)sem_post(batch->context);
}

static void send(const struct ax_online_item *items, size_t count)
{
    sem_t done;
    (void)sem_init(&done, 0, 0);
    struct ax_online_batch batch = { .kind = AX_ONLINE_VALUES,
                                     .views = views,
                                     .items = items,
                                     .item_count = count,
                                     .done = post,
                                     .context = &done };
    check(ax_online_writer_send(writer, &batch, &err));
    while (sem_wait(&done))
        ;
    err = batch.err;
    check(err.code);
    (void)sem_destroy(&done);
}

/* A part whose first field says which key it is of. */
static void make_part(const struct ax_online_layout *layout, size_t key,
                      struct ax_online_part *part, size_t *bytes)
{
    double numbers[FIELDS];
    struct ax_values values[FIELDS];
    const struct ax_values *fields[FIELDS];
    const struct ax_online_stamp stamp = { .time = 1 };
    for (size_t i = 0; i < FIELDS; i++) {
        numbers[i] = (double)(key + i);
        values[i] = (struct ax_values){ .type = { AX_TYPE_FLOAT64, false },
                                        .rows = 1,
                                        .f64s = &numbers[i] };
        fields[i] = &values[i];
    }
    *bytes = ax_online_part_write(layout, &stamp, fields, 0, part);
}

static void put_all(void)
{
    static struct ax_online_item items[BATCH];
    static char keys[BATCH][KEY_BYTES];
    const struct ax_online_layout *layout = views->views[0].layout;
    size_t bytes;
    make_part(layout, 0, NULL, &bytes);
    char *parts = ax_xalloc(BATCH * bytes);
    for (size_t at = 0; at < key_count; at += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            (void)snprintf(keys[i], KEY_BYTES, "key  %010u", (unsigned)(at + i));
            struct ax_online_part *part = (void *)(parts + i * bytes);
            make_part(layout, at + i, part, &bytes);
            items[i] = (struct ax_online_item){
                .key = { keys[i], KEY_BYTES - 1 }, .layout = layout, .part = part, .bytes = bytes
            };
        }
        send(items, BATCH);
    }
    free(parts);
}

/* ---- starting ---- */

static void read_one(struct ax_epoch_reader *reader, size_t key)
{
    char text[KEY_BYTES];
    (void)snprintf(text, sizeof(text), "key  %010u", (unsigned)key);
    const struct ax_str wanted = { text, KEY_BYTES - 1 };
    const struct ax_online_row *row = NULL;
    struct ax_arena arena;
    ax_arena_init(&arena, ARENA_BYTES, ARENA_BYTES);
    struct ax_online_fetch fetch = {
        .entity = views->entities[0], .keys = &wanted, .count = 1, .rows = &row, .arena = &arena
    };
    ax_epoch_enter(&epoch, reader);
    if (!ax_online_fetch(ax_online_writer_store(writer), &fetch))
        die("a fetch is not done");
    const struct ax_online_layout *layout = views->views[0].layout;
    const struct ax_online_part *part = row ? ax_online_row_part(row, layout->id) : NULL;
    float first = -1;
    if (part)
        memcpy(&first, (const char *)part + layout->fields[0].offset, sizeof(first));
    if (first != (float)key)
        die("a key has another value");
    ax_epoch_leave(reader);
    ax_arena_done(&arena);
}

static void touch_memory(void)
{
    size_t bytes = memory_bytes();
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("no memory");
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 1, bytes);
    (void)munmap(memory, bytes);
}

static void start(const char *state)
{
    struct ax_online_writer_stats stats;
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    touch_memory();
    begin();
    open_store(state);
    tell("definitions are in force");
    read_one(reader, key_count / 2 + 1);
    tell("a key was read");
    do {
        if (!ax_thread_wait_a_little(begun_ns + UINT64_C(600) * AX_NS_PER_S))
            die("keys are missing");
        ax_online_writer_stats(writer, &stats);
    } while (stats.table.rows < key_count);
    tell("all keys are in memory");
    ax_epoch_unregister(reader);
    close_store();
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "/tmp/auspex-bench-start";
    if (argc > 3 ||
        (argc == 3 && ((key_count = strtoul(argv[2], NULL, 10)) < BATCH || key_count > KEYS_MAX)))
        die("usage: online_start [FOLDER [KEYS, 10000 or more]]");
    key_count -= key_count % BATCH;
    ax_epoch_init(&epoch);
    read_definitions();
    begin();
    open_store(folder);
    put_all();
    close_store();
    tell("put, and on the disk");
    start(folder);
    start(folder);
    ax_definitions_done(&definitions);
    check(ax_file_remove_tree(folder, &err));
    return 0;
}

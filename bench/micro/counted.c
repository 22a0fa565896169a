/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What expressions, rules and the online store cost in instructions: bench/callgrind runs this once
 * and counts inside of each function counted_*, in the order in which they stand here.
 *
 *     build/release/bench/counted
 *
 * The expressions are those that bench/micro/expressions.c times; their rows are random but always
 * the same. Of the rules some compare and some compute. What comes out is looked at, roughly: tests
 * know better.
 */
#include "base/alloc.h"
#include "base/random.h"
#include "data/expr/program.h"
#include "data/rows.h"
#include "engine/backends.h"
#include "feature/online/online.h"

#include "expression_cases.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = AX_COUNT(columns), EXPRESSIONS = AX_COUNT(expressions) };
enum { CALLS = 4, SINGLE_CALLS = 20, RULES_ROWS = 256 };
enum { ONLINE_FIELDS = 64, ONLINE_KEYS = 4096, ONLINE_BATCH = 16 };

#define ARENA_BYTES ((size_t)1 << 20)
#define COUNTED     __attribute__((noinline))

static struct ax_err err = AX_ERR_INIT;
static struct ax_random numbers;

static void check(enum ax_code code)
{
    if (code)
        die(err.msg);
}

/* ---- expressions ---- */

struct rows {
    struct ax_arena arena;
    struct ax_values values[COLUMNS];
    const struct ax_values *inputs[COLUMNS];
};

static struct ax_str random_text(struct ax_arena *arena)
{
    char text[16];
    (void)snprintf(text, sizeof text, "N%lluUA",
                   (unsigned long long)ax_random_below(&numbers, 99999));
    struct ax_str made = ax_str_from(text);
    made.ptr = ax_arena_strdup(arena, made);
    return made;
}

static void fill_row(struct ax_values *values, size_t row, struct ax_arena *arena)
{
    int64_t number = (int64_t)ax_random_below(&numbers, 400);
    switch (values->type.kind) {
    case AX_TYPE_FLOAT64:
        values->f64s[row] = (double)(number - 100);
        break;
    case AX_TYPE_STRING:
        values->texts[row] = random_text(arena);
        break;
    case AX_TYPE_TIMESTAMP:
        values->i64s[row] = INT64_C(1356998400000000) + number * INT64_C(77777777777);
        break;
    case AX_TYPE_BOOL:
    case AX_TYPE_INT64:
    case AX_TYPE_DURATION:
    case AX_TYPE_COUNT:
        values->i64s[row] = number % 12;
    }
    if (number % 37 == 0)
        ax_values_set_null(values, row);
}

static void make_rows(struct rows *rows)
{
    ax_arena_init(&rows->arena, ARENA_BYTES, 64 * ARENA_BYTES);
    for (size_t i = 0; i < COLUMNS; i++) {
        check(ax_values_init(&rows->values[i], columns[i].type, AX_VALUES_ROWS_MAX, &rows->arena,
                             &err));
        for (size_t row = 0; row < AX_VALUES_ROWS_MAX; row++)
            fill_row(&rows->values[i], row, &rows->arena);
        rows->inputs[i] = &rows->values[i];
    }
}

static COUNTED void counted_compile(struct ax_arena *arena, struct ax_program **programs)
{
    struct ax_scope scope = { .columns = columns, .column_count = COLUMNS };
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct ax_parsed parsed;
        size_t at;
        check(ax_expr_parse(ax_str_from(expressions[i].text), &scope, arena, &parsed, &at, &err));
        check(ax_program_new(&parsed.root, 1, &programs[i], &err));
    }
}

static void run_all(struct ax_program *const *programs, const struct rows *rows, size_t count,
                    struct ax_arena *arena)
{
    for (size_t i = 0; i < EXPRESSIONS; i++) {
        struct ax_values output;
        ax_arena_reset(arena);
        check(ax_program_run(programs[i], rows->inputs, count, arena, &output, &err));
        if (output.rows != count)
            die("rows are missing");
    }
}

static COUNTED void counted_batch(struct ax_program *const *programs, const struct rows *rows,
                                  struct ax_arena *arena)
{
    for (size_t i = 0; i < CALLS; i++) /* One alone would be a jump and no call. */
        run_all(programs, rows, AX_VALUES_ROWS_MAX, arena);
}

static COUNTED void counted_single(struct ax_program *const *programs, const struct rows *rows,
                                   struct ax_arena *arena)
{
    for (size_t i = 0; i < SINGLE_CALLS; i++)
        run_all(programs, rows, 1, arena);
}

static void count_expressions(void)
{
    struct ax_program *programs[EXPRESSIONS];
    struct ax_arena arena;
    struct rows rows;
    make_rows(&rows);
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    counted_compile(&arena, programs);
    run_all(programs, &rows, AX_VALUES_ROWS_MAX, &arena); /* Memory is there. */
    counted_batch(programs, &rows, &arena);
    counted_single(programs, &rows, &arena);
    for (size_t i = 0; i < EXPRESSIONS; i++)
        ax_program_free(programs[i]);
    ax_arena_done(&arena);
    ax_arena_done(&rows.arena);
}

/* ---- rules ---- */

static const char rules[] =
    "rules: 1\n"
    "inputs: {dep_delay: FP64, distance: FP32, carrier: {datatype: BYTES, default: UA}}\n"
    "outputs: {prediction: FP64}\n"
    "cases:\n"
    "  - {when: \"dep_delay > 120 and carrier in ('UA', 'AA')\", then: 0.9}\n"
    "  - {when: \"dep_delay / distance > 0.2\", then: 0.8}\n"
    "  - {when: \"lower(carrier) = 'b6' and round(dep_delay / 5) * 5 > 60\", then: 0.7}\n"
    "  - {when: dep_delay is null, then: 0.5}\n"
    "  - otherwise: 0.2\n";

static void fill_rules(struct ax_rows *rows)
{
    static const char *const carriers[] = { "UA", "AA", "B6", "DL" };
    for (size_t row = 0; row < RULES_ROWS; row++) {
        if (ax_random_below(&numbers, 20))
            check(ax_rows_set_f64(rows, row, 0, (double)ax_random_below(&numbers, 200), &err));
        check(ax_rows_set_f64(rows, row, 1, 100 + (double)ax_random_below(&numbers, 2000), &err));
        check(ax_rows_set_str(rows, row, 2, ax_str_from(carriers[ax_random_below(&numbers, 4)]),
                              &err));
    }
    check(ax_rows_finish(rows, 0, RULES_ROWS, &err));
}

static COUNTED void counted_rules(const struct ax_model *model, const struct ax_batch *in,
                                  struct ax_batch *out, void *scratch)
{
    for (size_t i = 0; i < CALLS; i++)
        check(ax_model_predict(model, in, out, scratch, &err));
}

static void count_rules(void)
{
    double predictions[RULES_ROWS] = { 0 };
    struct ax_column column = {
        .datatype = AX_FP64, .width = 1, .values = predictions, .stride = sizeof(double)
    };
    struct ax_model *model;
    struct ax_arena arena;
    struct ax_rows rows;
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    check(ax_engine_load(&ax_engine_rules, ax_str_from(rules), NULL, &model, &err));
    check(ax_rows_init(&rows, &model->signature, RULES_ROWS, &arena, &err));
    fill_rules(&rows);
    struct ax_batch in = ax_rows_batch(&rows);
    struct ax_batch out = { RULES_ROWS, 1, &column };
    void *scratch = ax_xalloc(ax_model_scratch_size(model, RULES_ROWS) + 1);
    check(ax_model_predict(model, &in, &out, scratch, &err)); /* Memory is there. */
    counted_rules(model, &in, &out, scratch);
    double sum = 0;
    for (size_t row = 0; row < RULES_ROWS; row++)
        sum += predictions[row];
    if (!(sum > 0.2 * RULES_ROWS && sum < 0.9 * RULES_ROWS))
        die("the rules answer otherwise");
    free(scratch);
    ax_model_unref(model);
    ax_arena_done(&arena);
}

/* ---- the online store ---- */

struct online {
    struct ax_online *store;
    struct ax_online_entity *entity;
    struct ax_online_layout layout;
    struct ax_arena arena; /* of a batch */
    struct ax_online_part *part;
    size_t bytes;
    char texts[ONLINE_KEYS][16];
    struct ax_str keys[ONLINE_KEYS];
};

static void write_online(const struct online *online)
{
    struct ax_online_item items[ONLINE_BATCH];
    online->part->stamp.time++;
    for (size_t from = 0; from < ONLINE_KEYS; from += ONLINE_BATCH) {
        for (size_t i = 0; i < ONLINE_BATCH; i++)
            items[i] = (struct ax_online_item){ .key = online->keys[from + i],
                                                .layout = &online->layout,
                                                .part = online->part,
                                                .bytes = online->bytes };
        struct ax_online_write write = { .entity = online->entity,
                                         .items = items,
                                         .count = ONLINE_BATCH };
        if (!ax_online_write(online->store, &write) || write.written != ONLINE_BATCH)
            die("the online store refuses something");
    }
}

static COUNTED void counted_online_write(const struct online *online)
{
    write_online(online);
}

static COUNTED double counted_online_read(struct online *online)
{
    double sum = 0;
    size_t fields[ONLINE_FIELDS];
    struct ax_values values[ONLINE_FIELDS];
    for (size_t i = 0; i < ONLINE_FIELDS; i++)
        fields[i] = i;
    for (size_t from = 0; from < ONLINE_KEYS; from += ONLINE_BATCH) {
        const struct ax_online_row *rows[ONLINE_BATCH];
        const struct ax_online_part *parts[ONLINE_BATCH];
        struct ax_online_fetch fetch = { .entity = online->entity,
                                         .keys = online->keys + from,
                                         .count = ONLINE_BATCH,
                                         .rows = rows };
        if (!ax_online_fetch(online->store, &fetch))
            die("a fetch is not done");
        for (size_t i = 0; i < ONLINE_BATCH; i++)
            parts[i] = ax_online_row_part(rows[i], online->layout.id);
        ax_arena_reset(&online->arena);
        check(ax_online_read(&online->layout, fields, ONLINE_FIELDS, parts, ONLINE_BATCH,
                             &online->arena, values, &err));
        sum += values[from % ONLINE_FIELDS].f64s[ONLINE_BATCH - 1];
    }
    return sum;
}

static void make_online_part(struct online *online)
{
    double one = 1;
    struct ax_values value = { .type = { AX_TYPE_FLOAT64, false }, .rows = 1, .f64s = &one };
    const struct ax_values *fields[ONLINE_FIELDS];
    for (size_t i = 0; i < ONLINE_FIELDS; i++)
        fields[i] = &value;
    struct ax_online_stamp stamp = { 0, 0, 0 };
    online->bytes = ax_online_part_write(&online->layout, &stamp, fields, 0, NULL);
    online->part = ax_xalloc(online->bytes);
    (void)ax_online_part_write(&online->layout, &stamp, fields, 0, online->part);
    for (size_t i = 0; i < ONLINE_KEYS; i++) {
        (void)snprintf(online->texts[i], sizeof online->texts[i], "user%06u", (unsigned)i);
        online->keys[i] = ax_str_from(online->texts[i]);
    }
}

static void count_online(void)
{
    static struct ax_epoch epoch;
    struct online *online = ax_xalloc(sizeof(*online));
    struct ax_online_config config = { .epoch = &epoch, .memory_bytes_max = 64 * ARENA_BYTES };
    struct ax_storage storages[ONLINE_FIELDS];
    struct ax_arena arena;
    for (size_t i = 0; i < ONLINE_FIELDS; i++)
        storages[i] = (struct ax_storage){ AX_STORAGE_FLOAT32, false };
    ax_epoch_init(&epoch);
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    ax_arena_init(&online->arena, ARENA_BYTES, 64 * ARENA_BYTES);
    check(ax_online_layout_init(&online->layout, 1, storages, ONLINE_FIELDS, &arena, &err));
    check(ax_online_open(&ax_online_memory, &config, &online->store, &err));
    check(ax_online_find_entity(online->store, AX_STR("user"), &online->entity, &err));
    make_online_part(online);
    write_online(online); /* They are new. */
    counted_online_write(online);
    if (!(counted_online_read(online) >= ONLINE_KEYS / ONLINE_BATCH))
        die("the online store has something else");
    ax_online_close(online->store);
    free(online->part);
    ax_arena_done(&online->arena);
    ax_arena_done(&arena);
    free(online);
}

int main(void)
{
    ax_random_init(&numbers, 7, 0);
    count_expressions();
    count_rules();
    count_online();
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What expressions, rules, the online store, a service's inputs and sampling them cost in
 * instructions: bench/callgrind runs this once and counts inside of each function counted_*, in the
 * order in which they stand here.
 *
 *     build/release/bench/counted
 *
 * The expressions are those that bench/micro/expressions.c times; their rows are random but always
 * the same. Of the rules some compare and some compute. What comes out is looked at, roughly: tests
 * know better.
 */
#include "base/alloc.h"
#include "base/metric.h"
#include "base/random.h"
#include "data/expr/program.h"
#include "data/rows.h"
#include "engine/backends.h"
#include "feature/online/online_key.h"
#include "feature/service_vector.h"
#include "server/served_log.h"

#include "expression_cases.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = AX_COUNT(columns), EXPRESSIONS = AX_COUNT(expressions) };
enum { CALLS = 4, SINGLE_CALLS = 20, RULES_ROWS = 256 };
enum { ONLINE_FIELDS = 64, ONLINE_KEYS = 4096, ONLINE_BATCH = 16 };
enum { VECTOR_VIEWS = 5, VECTOR_FIELDS = 8, VECTOR_CALLS = 64 };

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

/* ---- a service's inputs: five views of eight float32, two entities ---- */

struct service {
    struct ax_definitions definitions;
    struct ax_online *store;
    struct ax_online_layout layouts[VECTOR_VIEWS];
    struct ax_online_view views[VECTOR_VIEWS];
    struct ax_service_plan *plan;
    struct ax_signature signature;
    size_t inputs[VECTOR_VIEWS * VECTOR_FIELDS];
    struct ax_arena arena; /* of a request */
    struct ax_service_request request;
    struct ax_str keys[2][ONLINE_BATCH];
    struct ax_values call[2];
    int64_t at[ONLINE_BATCH];
};

static void read_service(struct service *s)
{
    struct ax_buf text;
    ax_buf_init(&text, ARENA_BYTES);
    ax_buf_printf(&text,
                  "auspex: 1\nentities: {user: {keys: {u: string}}, shop: {keys: {s: string}}}\n"
                  "sources:\n  h: {files: h.csv, time: t, columns: {u: string, s: string, "
                  "t: timestamp, x: float32}}\nviews:\n");
    for (int v = 0; v < VECTOR_VIEWS; v++) {
        ax_buf_printf(&text, "  v%d: {entity: %s, source: h, ttl: 1h, fields: {", v,
                      v < 3 ? "user" : "shop");
        for (int f = 0; f < VECTOR_FIELDS; f++)
            ax_buf_printf(&text, "%sv%df%d: x", f ? ", " : "", v, f);
        ax_buf_printf(&text, "}}\n");
    }
    ax_buf_printf(&text,
                  "services: {s: {features: [{view: v0}, {view: v1}, {view: v2}, {view: v3}, "
                  "{view: v4}]}}\n");
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_buf_str(&text) };
    check(ax_definitions_read_texts("features", &file, 1, &s->definitions, &err));
    ax_buf_done(&text);
}

static void put_view(struct service *s, size_t view, struct ax_arena *arena)
{
    const struct ax_entity *entity = s->definitions.views[view].entity;
    struct ax_online_entity *online;
    double one = 1;
    struct ax_values value = { .type = { AX_TYPE_FLOAT64, false }, .rows = 1, .f64s = &one };
    const struct ax_values *fields[VECTOR_FIELDS];
    for (size_t i = 0; i < VECTOR_FIELDS; i++)
        fields[i] = &value;
    check(ax_online_layout_of_view(&s->layouts[view], (uint32_t)view, &s->definitions.views[view],
                                   arena, &err));
    check(ax_online_find_entity(s->store, entity->name, &online, &err));
    s->views[view] = (struct ax_online_view){ .entity = online, .layout = &s->layouts[view] };
    struct ax_online_stamp stamp = { 0, 0, 0 };
    size_t bytes = ax_online_part_write(&s->layouts[view], &stamp, fields, 0, NULL);
    struct ax_online_part *part = ax_arena_alloc(arena, 1, bytes);
    if (!part)
        die("no memory");
    (void)ax_online_part_write(&s->layouts[view], &stamp, fields, 0, part);
    for (size_t i = 0; i < ONLINE_BATCH; i++) {
        struct ax_online_item item = { .key = s->keys[view < 3 ? 0 : 1][i],
                                       .layout = &s->layouts[view],
                                       .part = part,
                                       .bytes = bytes };
        struct ax_online_write write = { .entity = online, .items = &item, .count = 1 };
        if (!ax_online_write(s->store, &write) || write.written != 1)
            die("the online store refuses something");
    }
}

static void make_signature(struct service *s)
{
    char name[16];
    check(ax_signature_init(&s->signature, AX_COUNT(s->inputs), 0, &err));
    for (size_t i = 0; i < AX_COUNT(s->inputs); i++) {
        (void)snprintf(name, sizeof name, "v%zuf%zu", i / VECTOR_FIELDS, i % VECTOR_FIELDS);
        check(ax_signature_name_input(&s->signature, i, ax_str_from(name), &err));
    }
    check(ax_service_plan_bind(s->plan, &s->signature, s->inputs, &err));
}

static void make_vector(struct service *s, size_t count, struct ax_service_vector *vector)
{
    bool done;
    ax_arena_reset(&s->arena);
    s->request = (struct ax_service_request){
        .plan = s->plan, .rows = count, .call = s->call, .at = s->at, .arena = &s->arena
    };
    struct ax_service_lookups lookups = { .store = s->store, .arena = &s->arena };
    check(ax_service_vector_begin(vector, &s->request, 0, count, &lookups, &err));
    check(ax_service_lookups_ask(&lookups, &done, &err));
    check(ax_service_vector_finish(vector, &err));
}

/* From keys to the rows of a model; the sum of the last one. */
static double fill_vector(struct service *s, size_t count)
{
    struct ax_service_vector vector;
    struct ax_rows rows;
    double sum = 0;
    make_vector(s, count, &vector);
    check(ax_rows_init(&rows, &s->signature, count, &s->arena, &err));
    check(ax_service_vector_write(&vector, s->inputs, &rows, 0, &s->arena, &err));
    check(ax_rows_finish(&rows, 0, count, &err));
    for (size_t i = 0; i < AX_COUNT(s->inputs); i++)
        sum += (double)ax_rows_matrix(&rows, count - 1)[i];
    return sum;
}

static COUNTED double counted_vector_single(struct service *s)
{
    double sum = 0;
    for (size_t i = 0; i < VECTOR_CALLS; i++)
        sum += fill_vector(s, 1);
    return sum;
}

static COUNTED double counted_vector_batch(struct service *s)
{
    double sum = 0;
    for (size_t i = 0; i < VECTOR_CALLS; i++)
        sum += fill_vector(s, ONLINE_BATCH);
    return sum;
}

static COUNTED void counted_sampling(struct ax_served_sampler *sampler, struct ax_served_form *form,
                                     struct ax_service_vector *vector)
{
    uint64_t seen[AX_SERVED_SOURCES_MAX];
    for (size_t i = 0; i < VECTOR_CALLS; i++) {
        ax_served_sampler_begin(form, seen);
        check(ax_served_sampler_take(sampler, form, vector, seen, &err));
    }
}

static int64_t no_time(void *context)
{
    (void)context;
    return 0;
}

/* All entities are sampled. The log lasts as long as the process, since it would write a file at
 * its end, which is not what is counted here. */
static void count_sampling(struct service *s)
{
    static const struct ax_served_log_config config = { .entities_per_million = 1000000,
                                                        .bytes_max = SIZE_MAX,
                                                        .interval_ns = UINT64_MAX };
    static struct ax_served_log *log;
    struct ax_served_form *form;
    struct ax_service_vector vector;
    struct ax_applied_service applied = { .service = s->definitions.services };
    const struct ax_online_seen *sources[] = { NULL };
    struct ax_online_views views = { .given.definitions = &s->definitions, .seen = sources };
    check(ax_served_form_new(&applied, &views, &form, &err));
    check(ax_served_log_new(&config, "/nowhere", no_time, NULL, &log, &err));
    make_vector(s, ONLINE_BATCH, &vector);
    check(ax_service_vector_columns(&vector, &err));
    counted_sampling(ax_served_log_sampler(log), form, &vector);
    ax_served_form_unref(form);
}

static void make_calls(struct service *s, struct ax_arena *arena)
{
    for (size_t i = 0; i < (size_t)2 * ONLINE_BATCH; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "key%06zu", i);
        struct ax_str *key = &s->keys[i / ONLINE_BATCH][i % ONLINE_BATCH];
        *key = ax_str_from(text);
        key->ptr = ax_arena_strdup(arena, *key);
    }
    for (size_t i = 0; i < 2; i++)
        s->call[i] = (struct ax_values){ .type = { AX_TYPE_STRING, false },
                                         .rows = ONLINE_BATCH,
                                         .texts = s->keys[i] };
}

static void count_vectors(void)
{
    static struct ax_epoch epoch;
    struct service *s = ax_xalloc(sizeof(*s));
    struct ax_online_config config = { .epoch = &epoch, .memory_bytes_max = 64 * ARENA_BYTES };
    struct ax_arena arena;
    memset(s, 0, sizeof(*s));
    ax_epoch_init(&epoch);
    ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
    ax_arena_init(&s->arena, ARENA_BYTES, 64 * ARENA_BYTES);
    check(ax_online_open(&ax_online_memory, &config, &s->store, &err));
    read_service(s);
    make_calls(s, &arena);
    for (size_t view = 0; view < VECTOR_VIEWS; view++)
        put_view(s, view, &arena);
    check(ax_service_plan_new(&s->definitions, s->definitions.services, s->views, &s->plan, &err));
    make_signature(s);
    double each = fill_vector(s, ONLINE_BATCH); /* Memory is there. */
    double all = counted_vector_single(s);
    all += counted_vector_batch(s);
    if (each != (double)AX_COUNT(s->inputs) || all != 2 * VECTOR_CALLS * each)
        die("the inputs are others");
    count_sampling(s);
    ax_service_plan_free(s->plan);
    ax_signature_done(&s->signature);
    ax_definitions_done(&s->definitions);
    ax_online_close(s->store);
    ax_arena_done(&s->arena);
    ax_arena_done(&arena);
    free(s);
}

int main(void)
{
    ax_random_init(&numbers, 7, 0);
    ax_metric_thread_attach();
    count_expressions();
    count_rules();
    count_online();
    count_vectors();
    return 0;
}

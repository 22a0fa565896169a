/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the body of a request by entity and its way through a call of a service, over an empty
 * store: whole and in slices it must tell the same of the features, or end in the same failure, and
 * only in failures that a client may be told.
 */
#include "server/api/service_pass.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {airport: {keys: {faa: string, number: int32}}}\n"
    "sources: {w: {files: w.csv, time: t, columns: {faa: string, number: int32, t: timestamp,\n"
    "    temp: float64, l: list<int64>}}}\n"
    "views: {weather: {entity: airport, source: w, ttl: 1h, fields: {temp: {expr: temp,\n"
    "    type: float32, default: 20}, l: l}}}\n"
    "services:\n"
    "  s:\n"
    "    request: {x: float64, b: bool, t: timestamp, d: duration, s: string, m: list<string>,\n"
    "        n: {type: int32, required: true}}\n"
    "    features:\n"
    "      - {name: x}\n"
    "      - {name: n}\n"
    "      - {view: weather, keys: {faa: origin}}\n"
    "      - {name: hour, expr: extract(hour from t)}\n"
    "      - {name: sum, expr: temp + x}\n";

static const struct ax_row_member members[] = { AX_ROW_ENTITY_MEMBERS, { 0 } };
static const struct ax_row_protocol protocol = { .members = members, .wanted = "'entities'" };

static struct {
    bool is_open;
    struct ax_epoch epoch;
    struct ax_online *store;
    struct ax_applied_definitions applied;
    struct ax_applied_service service;
    struct ax_serving_features *features;
} served;

/* Once, for the life of the program. */
static void open_served(void)
{
    static const struct ax_online_config config = { .epoch = &served.epoch,
                                                    .memory_bytes_max = (size_t)1 << 20 };
    const struct ax_file_text file = { .path = AX_STR("f.yaml"),
                                       .text = ax_str_from(definitions_text) };
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_numbers numbers;
    struct ax_online_views *views;
    ax_metric_thread_attach();
    ax_epoch_init(&served.epoch);
    ax_map_init(&numbers.given);
    const struct ax_online_definitions given = { .definitions = &served.applied.definitions };
    struct ax_online_views_place place = { .epoch = &served.epoch, .numbers = &numbers };
    if (ax_online_open(&ax_online_memory, &config, &served.store, &err) ||
        ax_definitions_read_texts("features", &file, 1, &served.applied.definitions, &err))
        abort();
    place.store = served.store;
    if (ax_online_views_new(&given, &place, &views, &err))
        abort();
    atomic_init(&served.applied.refs, 1);
    served.service.service = served.applied.definitions.services;
    served.applied.services = &served.service;
    if (ax_serving_features_new(&served.applied, served.store, views, &served.features, &err))
        abort();
    ax_online_views_unref(views);
    ax_online_numbers_done(&numbers);
    served.is_open = true;
}

/* Reads a body and goes through its call; what is told is printed. */
static void run(struct ax_str text, size_t budget, struct ax_buf *out, struct ax_err *err)
{
    struct ax_arena arena;
    struct ax_row_body body;
    struct ax_service_pass pass = { 0 };
    struct ax_service_call call = { 0 };
    bool done = false;
    bool waits;
    size_t cost = 0;
    ax_arena_init(&arena, 1024, ARENA_MAX);
    ax_buf_init(out, (size_t)8 << 20);
    ax_row_body_init(&body, &protocol, text, &arena);
    while (!done && !ax_row_body_read(&body, budget, &cost, &done, err))
        continue;
    size_t rows = body.cells[AX_ROW_SET_ROWS].row_count;
    ax_service_pass_begin(&pass, served.features, rows, &arena, NULL, 0);
    if (done && (ax_service_call_begin(&call, &pass, served.features->services,
                                       AX_SERVICE_TELL_SOURCES, err) ||
                 ax_service_call_take(&call, body.cells, body.is_one, 0, err)))
        done = false;
    for (bool more = done; more; more = !done)
        ax_service_pass_step(&pass, budget, &cost, &done, &waits);
    if (call.err.code)
        *err = call.err;
    for (size_t row = 0; done && !err->code && row < rows; row++)
        (void)ax_buf_append_str(out, ax_service_call_told(&call, row));
    if (err->code && err->code != AX_E_INVALID && err->code != AX_E_TOO_LARGE &&
        err->code != AX_E_UNSUPPORTED)
        abort();
    ax_service_pass_done(&pass);
    ax_arena_done(&arena);
}

/* The first byte is the size of a slice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err whole = AX_ERR_INIT;
    struct ax_err sliced = AX_ERR_INIT;
    struct ax_buf all, some;
    if (size == 0)
        return 0;
    if (!served.is_open)
        open_served();
    char *copy = calloc(1, size - 1 + 16);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    struct ax_str text = { copy, size - 1 };
    run(text, SIZE_MAX / 2, &all, &whole);
    run(text, 1 + (size_t)data[0], &some, &sliced);
    if (whole.code != sliced.code || strcmp(whole.msg, sliced.msg) != 0 ||
        !ax_str_equals(ax_buf_str(&all), ax_buf_str(&some)))
        abort();
    ax_buf_done(&all);
    ax_buf_done(&some);
    free(copy);
    return 0;
}

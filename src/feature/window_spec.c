/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a view's aggregates to windows, accumulators and the layout of a row.
 *
 * Everything is found by looking through what is there already, since lists are short and this runs
 * once a view. Sizes are bounded by the config's limits, so nothing here may be refused memory.
 */
#include "feature/window_spec.h"

#include "base/alloc.h"
#include "feature/window_log.h"
#include "feature/window_partial.h"

#include <assert.h>
#include <stdlib.h>

static const int64_t ladder_us[] = {
    INT64_C(86400000000), INT64_C(3600000000), INT64_C(300000000), INT64_C(60000000),
    INT64_C(5000000),     INT64_C(1000000),    INT64_C(100000),
};

/* A hop is at most this part of its window. */
enum { LADDER_PARTS = 12 };

int64_t ax_window_hop_us(int64_t window_us)
{
    for (size_t i = 0; i < AX_COUNT(ladder_us); i++) {
        if (ladder_us[i] <= window_us / LADDER_PARTS)
            return ladder_us[i];
    }
    return ladder_us[AX_COUNT(ladder_us) - 1];
}

static bool is_number(enum ax_type_kind kind)
{
    return kind == AX_TYPE_BOOL || kind == AX_TYPE_INT64 || kind == AX_TYPE_FLOAT64 ||
           kind == AX_TYPE_DURATION;
}

/* Whether only numbers have this aggregate. */
static bool is_arithmetic(enum ax_aggregate_kind kind)
{
    return kind == AX_AGGREGATE_SUM || kind == AX_AGGREGATE_AVG || kind == AX_AGGREGATE_VAR ||
           kind == AX_AGGREGATE_STDDEV || kind == AX_AGGREGATE_APPROX_QUANTILE;
}

static bool has_list(enum ax_aggregate_kind kind)
{
    return kind == AX_AGGREGATE_LAST_N || kind == AX_AGGREGATE_TOP_K;
}

static enum ax_code check_aggregate(const struct ax_window_config *config,
                                    const struct ax_window_aggregate *aggregate, struct ax_err *err)
{
    assert(aggregate->kind < AX_AGGREGATE_COUNT_OF);
    assert(aggregate->value < (int)config->column_count &&
           aggregate->filter < (int)config->column_count);
    const char *name = ax_aggregate_name(aggregate->kind);
    if (aggregate->value < 0 && aggregate->kind != AX_AGGREGATE_COUNT)
        return ax_fail(err, AX_E_INVALID, "%s needs a value; only count has (*)", name);
    if (aggregate->filter >= 0 && config->columns[aggregate->filter].kind != AX_TYPE_BOOL)
        return ax_fail(err, AX_E_INVALID, "the filter of %s is %s; bool is expected", name,
                       ax_type_name(config->columns[aggregate->filter]));
    if (aggregate->value >= 0 && is_arithmetic(aggregate->kind) &&
        !is_number(config->columns[aggregate->value].kind))
        return ax_fail(err, AX_E_INVALID, "%s of %s is not there; a number is expected", name,
                       ax_type_name(config->columns[aggregate->value]));
    if (has_list(aggregate->kind) && (aggregate->n < 1 || aggregate->n > AX_WINDOW_LIST_MAX))
        return ax_fail(err, AX_E_INVALID, "%s gives 1 to %d values, not %lld", name,
                       AX_WINDOW_LIST_MAX, (long long)aggregate->n);
    if (aggregate->kind == AX_AGGREGATE_APPROX_QUANTILE &&
        !(aggregate->quantile >= 0 && aggregate->quantile <= 1))
        return ax_fail(err, AX_E_INVALID, "a quantile lies between 0 and 1");
    if (aggregate->window_us < 1 || aggregate->window_us > AX_WINDOW_US_MAX)
        return ax_fail(err, AX_E_INVALID, "the window of %s is not between 1 us and 400 d", name);
    if (aggregate->hop_us < 0 || aggregate->hop_us > aggregate->window_us)
        return ax_fail(err, AX_E_INVALID, "the hop of %s is longer than its window", name);
    return AX_OK;
}

static enum ax_code check_config(const struct ax_window_config *config, struct ax_err *err)
{
    if (config->column_count > AX_WINDOW_COLUMNS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "aggregates read %zu different values; %d are the most",
                       config->column_count, AX_WINDOW_COLUMNS_MAX);
    if (config->aggregate_count > AX_WINDOW_AGGREGATES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu aggregates of one view; %d are the most",
                       config->aggregate_count, AX_WINDOW_AGGREGATES_MAX);
    if (config->exact_events > AX_WINDOW_EXACT_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu exact events; %zu are the most",
                       config->exact_events, AX_WINDOW_EXACT_MAX);
    for (size_t i = 0; i < config->column_count; i++)
        assert(!config->columns[i].is_list);
    for (size_t i = 0; i < config->aggregate_count; i++) {
        if (check_aggregate(config, &config->aggregates[i], err))
            return err->code;
    }
    return AX_OK;
}

static enum ax_window_cell_kind cell_kind(enum ax_type_kind kind)
{
    return kind == AX_TYPE_FLOAT64  ? AX_WINDOW_CELL_F64
           : kind == AX_TYPE_STRING ? AX_WINDOW_CELL_TEXT
                                    : AX_WINDOW_CELL_I64;
}

/* The column for it, which is made when there is none. */
static int spec_column(struct ax_window_spec *spec, struct ax_type type,
                       enum ax_window_derived derived, size_t source)
{
    for (size_t i = spec->source_count; derived && i < spec->column_count; i++) {
        if (spec->columns[i].derived == derived && spec->columns[i].source == source)
            return (int)i;
    }
    enum ax_window_cell_kind kind = cell_kind(type.kind);
    spec->columns[spec->column_count] = (struct ax_window_column){
        .type = type,
        .kind = kind,
        .derived = derived,
        .source = source,
        .bytes_before = spec->row_bytes,
    };
    spec->row_bytes +=
        kind == AX_WINDOW_CELL_TEXT ? sizeof(struct ax_window_text) : sizeof(int64_t);
    spec->has_texts |= kind == AX_WINDOW_CELL_TEXT;
    return (int)spec->column_count++;
}

static int spec_filter(struct ax_window_spec *spec, int column)
{
    if (column < 0)
        return -1;
    for (size_t i = 0; i < spec->filter_count; i++) {
        if (spec->filters[i] == (size_t)column)
            return (int)i;
    }
    spec->filters[spec->filter_count] = (size_t)column;
    return (int)spec->filter_count++;
}

static int64_t hop_of(const struct ax_window_aggregate *aggregate)
{
    return aggregate->hop_us > 0 ? aggregate->hop_us : ax_window_hop_us(aggregate->window_us);
}

int64_t ax_window_aggregate_reach_us(const struct ax_window_aggregate *aggregate)
{
    assert(aggregate);
    return aggregate->window_us + hop_of(aggregate);
}

/* `room`: accumulators that it may come to read. */
static size_t spec_window(struct ax_window_spec *spec, const struct ax_window_aggregate *aggregate,
                          size_t room)
{
    bool always = aggregate->hop_us > 0;
    int64_t hop_us = hop_of(aggregate);
    for (size_t i = 0; i < spec->window_count; i++) {
        const struct ax_window_range *window = &spec->windows[i];
        if (window->window_us == aggregate->window_us && window->hop_us == hop_us &&
            window->always_hops == always)
            return i;
    }
    spec->windows[spec->window_count] = (struct ax_window_range){
        .window_us = aggregate->window_us,
        .hop_us = hop_us,
        .always_hops = always,
        .accumulators = ax_xalloc(room * sizeof(size_t)),
        .readers = ax_xalloc(room * sizeof(size_t)),
    };
    spec->reach_us = AX_MAX(spec->reach_us, ax_window_aggregate_reach_us(aggregate));
    for (size_t i = 0; i < spec->step_count; i++) {
        if (spec->steps[i].hop_us == hop_us) {
            spec->steps[i].window_us = AX_MAX(spec->steps[i].window_us, aggregate->window_us);
            return spec->window_count++;
        }
    }
    spec->steps[spec->step_count++] = (struct ax_window_step){ hop_us, aggregate->window_us };
    return spec->window_count++;
}

static enum ax_window_accumulator_kind accumulator_kind(enum ax_aggregate_kind kind)
{
    static const enum ax_window_accumulator_kind kinds[] = {
        [AX_AGGREGATE_COUNT] = AX_WINDOW_COUNT,
        [AX_AGGREGATE_SUM] = AX_WINDOW_SUM,
        [AX_AGGREGATE_AVG] = AX_WINDOW_SUM,
        [AX_AGGREGATE_MIN] = AX_WINDOW_MIN,
        [AX_AGGREGATE_MAX] = AX_WINDOW_MAX,
        [AX_AGGREGATE_STDDEV] = AX_WINDOW_MOMENTS,
        [AX_AGGREGATE_VAR] = AX_WINDOW_MOMENTS,
        [AX_AGGREGATE_FIRST] = AX_WINDOW_FIRST,
        [AX_AGGREGATE_LAST] = AX_WINDOW_LAST,
        [AX_AGGREGATE_LAST_N] = AX_WINDOW_LAST_N,
        [AX_AGGREGATE_COUNT_DISTINCT] = AX_WINDOW_DISTINCT,
        [AX_AGGREGATE_APPROX_QUANTILE] = AX_WINDOW_QUANTILE,
        [AX_AGGREGATE_TOP_K] = AX_WINDOW_TOP,
    };
    return kinds[kind];
}

/* Where the column starts that holds what the accumulator counts instead of the value. */
static size_t spec_derived(struct ax_window_spec *spec, enum ax_window_accumulator_kind kind,
                           int column)
{
    struct ax_type type = { AX_TYPE_INT64, false };
    if (kind == AX_WINDOW_DISTINCT || kind == AX_WINDOW_TOP)
        return spec->columns[spec_column(spec, type, AX_WINDOW_HASH, (size_t)column)].bytes_before;
    if (kind == AX_WINDOW_QUANTILE)
        return spec->columns[spec_column(spec, type, AX_WINDOW_BUCKET, (size_t)column)]
            .bytes_before;
    return 0;
}

static bool accumulator_slides(enum ax_window_accumulator_kind kind, enum ax_window_cell_kind cell)
{
    bool is_extreme = kind == AX_WINDOW_MIN || kind == AX_WINDOW_MAX;
    return kind == AX_WINDOW_COUNT || kind == AX_WINDOW_SUM || kind == AX_WINDOW_MOMENTS ||
           kind == AX_WINDOW_QUANTILE || (is_extreme && cell != AX_WINDOW_CELL_TEXT);
}

static size_t spec_accumulator(struct ax_window_spec *spec,
                               const struct ax_window_aggregate *aggregate)
{
    enum ax_window_accumulator_kind kind = accumulator_kind(aggregate->kind);
    int filter = spec_filter(spec, aggregate->filter);
    uint32_t n = kind == AX_WINDOW_LAST_N ? (uint32_t)aggregate->n : 0;
    for (size_t i = 0; i < spec->accumulator_count; i++) {
        struct ax_window_accumulator *accumulator = &spec->accumulators[i];
        if (accumulator->kind == kind && accumulator->column == aggregate->value &&
            accumulator->filter == filter) {
            accumulator->n = AX_MAX(accumulator->n, n);
            return i;
        }
    }
    enum ax_window_cell_kind cell =
        aggregate->value < 0 ? AX_WINDOW_CELL_I64 : spec->columns[aggregate->value].kind;
    spec->accumulators[spec->accumulator_count] = (struct ax_window_accumulator){
        .kind = kind,
        .cell = cell,
        .column = aggregate->value,
        .bytes_before = aggregate->value < 0 ? 0 : spec->columns[aggregate->value].bytes_before,
        .derived_bytes_before = spec_derived(spec, kind, aggregate->value),
        .filter = filter,
        .n = n,
        .offset = spec->partial_bytes,
        .in_chunks = kind != AX_WINDOW_LAST_N && kind != AX_WINDOW_DISTINCT &&
                     kind != AX_WINDOW_QUANTILE && kind != AX_WINDOW_TOP,
        .slides = accumulator_slides(kind, cell),
    };
    size_t size = ax_window_part_size(kind);
    assert(size % AX_WINDOW_PARTIAL_ALIGN == 0);
    spec->partial_bytes += size;
    return spec->accumulator_count++;
}

static struct ax_type result_type(const struct ax_window_config *config,
                                  const struct ax_window_aggregate *aggregate)
{
    struct ax_type value = { AX_TYPE_INT64, false };
    if (aggregate->value >= 0)
        value = config->columns[aggregate->value];
    switch (aggregate->kind) {
    case AX_AGGREGATE_COUNT:
    case AX_AGGREGATE_COUNT_DISTINCT:
        return (struct ax_type){ AX_TYPE_INT64, false };
    case AX_AGGREGATE_SUM:
        if (value.kind == AX_TYPE_BOOL)
            value.kind = AX_TYPE_INT64;
        return value;
    case AX_AGGREGATE_AVG:
    case AX_AGGREGATE_VAR:
    case AX_AGGREGATE_STDDEV:
    case AX_AGGREGATE_APPROX_QUANTILE:
        return (struct ax_type){ AX_TYPE_FLOAT64, false };
    case AX_AGGREGATE_LAST_N:
    case AX_AGGREGATE_TOP_K:
        value.is_list = true;
        return value;
    case AX_AGGREGATE_MIN:
    case AX_AGGREGATE_MAX:
    case AX_AGGREGATE_FIRST:
    case AX_AGGREGATE_LAST:
    case AX_AGGREGATE_COUNT_OF:
        break;
    }
    return value;
}

static void spec_add(struct ax_window_spec *spec, const struct ax_window_config *config,
                     const struct ax_window_aggregate *aggregate)
{
    size_t accumulator = spec_accumulator(spec, aggregate);
    size_t window = spec_window(spec, aggregate, config->aggregate_count);
    struct ax_window_range *range = &spec->windows[window];
    size_t at = 0;
    while (at < range->accumulator_count && range->accumulators[at] != accumulator)
        at++;
    if (at == range->accumulator_count)
        range->accumulators[range->accumulator_count++] = accumulator;
    range->readers[range->reader_count++] = spec->reader_count;
    spec->readers[spec->reader_count++] = (struct ax_window_reader){
        .kind = aggregate->kind,
        .accumulator = accumulator,
        .window = window,
        .slot = at,
        .n = has_list(aggregate->kind) ? (uint32_t)aggregate->n : 1,
        .quantile = aggregate->quantile,
        .type = result_type(config, aggregate),
    };
}

enum ax_code ax_window_spec_new(const struct ax_window_config *config,
                                struct ax_window_spec **ret_spec, struct ax_err *err)
{
    assert(config && ret_spec && err);
    if (check_config(config, err))
        return err->code;
    struct ax_window_spec *spec = ax_xalloc(sizeof *spec);
    size_t count = AX_MAX(config->aggregate_count, (size_t)1);
    spec->exact_events = config->exact_events ? config->exact_events : AX_WINDOW_EXACT_DEFAULT;
    spec->columns = ax_xalloc((config->column_count + count + 1) * sizeof *spec->columns);
    spec->filters = ax_xalloc(count * sizeof *spec->filters);
    spec->accumulators = ax_xalloc(count * sizeof *spec->accumulators);
    spec->readers = ax_xalloc(count * sizeof *spec->readers);
    spec->windows = ax_xalloc(count * sizeof *spec->windows);
    spec->steps = ax_xalloc(count * sizeof *spec->steps);
    for (size_t i = 0; i < config->column_count; i++)
        (void)spec_column(spec, config->columns[i], AX_WINDOW_SOURCE, i);
    spec->source_count = config->column_count;
    for (size_t i = 0; i < config->aggregate_count; i++)
        spec_add(spec, config, &config->aggregates[i]);
    size_t masks = spec->column_count + spec->filter_count;
    spec->mask_bytes = (masks + masks % 2) * sizeof(uint64_t);
    *ret_spec = spec;
    return AX_OK;
}

void ax_window_spec_free(struct ax_window_spec *spec)
{
    if (!spec)
        return;
    for (size_t i = 0; i < spec->window_count; i++) {
        free(spec->windows[i].accumulators);
        free(spec->windows[i].readers);
    }
    free(spec->columns);
    free(spec->filters);
    free(spec->accumulators);
    free(spec->readers);
    free(spec->windows);
    free(spec->steps);
    free(spec);
}

size_t ax_window_spec_aggregate_count(const struct ax_window_spec *spec)
{
    return spec->reader_count;
}

struct ax_type ax_window_spec_type(const struct ax_window_spec *spec, size_t aggregate)
{
    assert(spec && aggregate < spec->reader_count);
    return spec->readers[aggregate].type;
}

int64_t ax_window_spec_reach_us(const struct ax_window_spec *spec)
{
    return spec->reach_us;
}

size_t ax_window_spec_row_bytes(const struct ax_window_spec *spec)
{
    /* A row, its share of its chunk, and its entry in the index of ids, which is half full. */
    size_t chunk = ax_window_log_chunk_bytes(spec, AX_WINDOW_CHUNK_ROWS);
    return chunk / AX_WINDOW_CHUNK_ROWS + 4 * sizeof(uint64_t);
}

size_t ax_window_spec_bytes(const struct ax_window_spec *spec)
{
    /* The newest N rows, one chunk that could not be left out yet, one being filled; chunks that
     * were split by late events are half full, so twice as many. */
    size_t chunks = 2 * (spec->exact_events / AX_WINDOW_CHUNK_ROWS + 1) + 2;
    size_t tiles = 0;
    for (size_t i = 0; i < spec->step_count; i++)
        tiles += (size_t)(spec->steps[i].window_us / spec->steps[i].hop_us) + 3;
    tiles = AX_WINDOW_TILES_ROOM(tiles);
    size_t tile = AX_WINDOW_TILE_HEAD + spec->partial_bytes;
    for (size_t i = 0; i < spec->accumulator_count; i++)
        tile += ax_window_part_heap_max(&spec->accumulators[i]);
    return chunks * ax_window_log_chunk_bytes(spec, AX_WINDOW_CHUNK_ROWS) + tiles * tile;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a stream of events and probes gives each probe the values of its key at its moment, in
 * every mode, and its output hands them on as they are. Method: random histories spread over keys,
 * as streams in pieces of random sizes, against brute force over the events that count for a key;
 * rows out of order; ids of several parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/window_id.h"
#include "feature/window_output.h"
#include "unit/feature/window_history.h"

enum { KEYS = 3, ROWS_MAX = 2 * EVENTS_MAX, PROBES_MAX = 200 };

enum stream { FINAL, FINAL_WITHOUT_SELF, AS_KNOWN };

struct probe {
    int64_t at;
    int key; /* KEYS: null */
    const char *self;
};

static struct probe probes[PROBES_MAX];
static size_t probe_count;
static int64_t known_at[EVENTS_MAX];

/* One row of the stream. */
struct line {
    int key;
    int64_t moment;
    const struct oracle_event *event; /* NULL: a probe */
    size_t probe;
};

static struct line lines[ROWS_MAX];
static size_t line_count;

static int key_of(const struct oracle_event *event)
{
    unsigned sum = 0;
    for (const char *c = event->id; *c; c++)
        sum = sum * 31 + (unsigned char)*c;
    return (int)(sum % KEYS);
}

static int order_lines(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->key != b->key)
        return a->key - b->key;
    if (a->moment != b->moment)
        return a->moment < b->moment ? -1 : 1;
    if (!a->event != !b->event)
        return a->event ? -1 : 1;
    return a < b ? -1 : a > b; /* Whatever; the order of versions does not matter. */
}

static void make_stream(enum stream stream)
{
    line_count = 0;
    for (size_t i = 0; i < history.count; i++) {
        struct oracle_event *event = &history.events[i];
        /* No two versions are equal, since which of those counts is decided by who comes first. */
        event->sequence = event->sequence * EVENTS_MAX + (int64_t)i;
        known_at[i] = event->time + (int64_t)below(40 * SECOND) - 10 * SECOND;
        int64_t moment = stream == AS_KNOWN ? known_at[i] : event->time;
        lines[line_count++] = (struct line){ key_of(event), moment, event, 0 };
    }
    probe_count = 1 + below(PROBES_MAX - 1);
    for (size_t i = 0; i < probe_count; i++) {
        const struct oracle_event *event = &history.events[below(history.count)];
        probes[i] = (struct probe){
            .at = event->time + (below(2) ? 0 : (int64_t)below(20 * SECOND) - 5 * SECOND),
            .key = below(10) ? (int)below(KEYS) : KEYS,
        };
        if (stream != FINAL && below(2))
            probes[i].self = event->id;
        lines[line_count++] = (struct line){ probes[i].key, probes[i].at, NULL, i };
    }
    qsort(lines, line_count, sizeof *lines, order_lines);
}

/* ---- The stream in columns. ---- */

static struct {
    int64_t keys[ROWS_MAX], moments[ROWS_MAX], times[ROWS_MAX], created[ROWS_MAX],
        sequences[ROWS_MAX], numbers[ROWS_MAX], n[ROWS_MAX];
    bool are_probes[ROWS_MAX], are_gone[ROWS_MAX];
    uint64_t key_validity[ROWS_MAX / 64], id_validity[ROWS_MAX / 64],
        validity[ORACLE_COLUMNS][ROWS_MAX / 64];
    struct ax_str ids[ROWS_MAX], s[ROWS_MAX];
    double x[ROWS_MAX];
    uint8_t flags[ROWS_MAX];
} cells;

static void set_bit(uint64_t *words, size_t row, bool value)
{
    words[row / 64] &= ~(UINT64_C(1) << row % 64);
    words[row / 64] |= (uint64_t)value << row % 64;
}

static void set_cells(size_t row, const struct line *line)
{
    static const struct oracle_event nothing;
    const struct oracle_event *event = line->event ? line->event : &nothing;
    cells.keys[row] = line->key;
    set_bit(cells.key_validity, row, line->key < KEYS);
    cells.moments[row] = line->moment;
    cells.are_probes[row] = !line->event;
    cells.numbers[row] = (int64_t)line->probe;
    cells.times[row] = event->time;
    cells.created[row] = event->created;
    cells.sequences[row] = event->sequence;
    cells.are_gone[row] = event->is_gone;
    const char *id = line->event ? event->id : probes[line->probe].self;
    cells.ids[row] = ax_str_from(id);
    set_bit(cells.id_validity, row, id != NULL);
    cells.x[row] = event->x;
    cells.n[row] = event->n;
    cells.s[row] = ax_str_from(event->s);
    cells.flags[row] = event->flag;
    for (int i = 0; i < ORACLE_COLUMNS; i++)
        set_bit(cells.validity[i], row, !event->is_null[i]);
}

/* Push `count` lines, at most a chunk, from `from` on. */
static enum ax_code push(struct ax_window_join *join, size_t from, size_t count, bool with_versions)
{
    for (size_t row = 0; row < count; row++)
        set_cells(row, &lines[from + row]);
    void *data[ORACLE_COLUMNS] = { cells.x, cells.n, cells.s, cells.flags };
    struct ax_values columns[ORACLE_COLUMNS];
    const struct ax_values *list[ORACLE_COLUMNS];
    for (int i = 0; i < ORACLE_COLUMNS; i++) {
        columns[i] = (struct ax_values){
            .type = oracle_types[i], .rows = count, .data = data[i], .validity = cells.validity[i]
        };
        list[i] = &columns[i];
    }
    struct ax_values id = { .type = { AX_TYPE_STRING, false },
                            .rows = count,
                            .texts = cells.ids,
                            .validity = cells.id_validity };
    const struct ax_values *ids[] = { &id };
    struct ax_window_join_rows rows = {
        .count = count,
        .keys = cells.keys,
        .key_validity = cells.key_validity,
        .moments = cells.moments,
        .are_probes = cells.are_probes,
        .ids = ids,
        .id_count = 1,
        .numbers = cells.numbers,
        .columns = list,
    };
    if (with_versions) {
        rows.times = cells.times;
        rows.created = cells.created;
        rows.sequences = cells.sequences;
        rows.are_gone = cells.are_gone;
    }
    return ax_window_join_push(join, &rows, &err);
}

/* ---- Comparing. ---- */

/* A value of the output as the state gave it. */
static struct ax_window_value read_back(const struct ax_values *column, size_t row,
                                        struct ax_window_item *items)
{
    struct ax_window_value value = { .status = AX_WINDOW_NULL };
    if (ax_values_is_null(column, row))
        return value;
    const struct ax_values *from = column->type.is_list ? column->items : column;
    size_t first = column->type.is_list ? column->spans[row].from : row;
    size_t count = column->type.is_list ? column->spans[row].count : 1;
    for (size_t i = 0; i < count; i++) {
        if (from->type.kind == AX_TYPE_FLOAT64)
            items[i].f64 = from->f64s[first + i];
        else if (from->type.kind == AX_TYPE_STRING)
            items[i].text = from->texts[first + i];
        else
            items[i].i64 =
                from->type.kind == AX_TYPE_BOOL ? from->bools[first + i] : from->i64s[first + i];
    }
    value.status = AX_WINDOW_PRESENT;
    if (column->type.is_list) {
        value.items = items;
        value.item_count = count;
    } else {
        value.item = items[0];
    }
    return value;
}

static void check_probe(uint64_t seed, enum stream stream, const struct ax_window_output *output,
                        size_t row)
{
    static struct oracle_event known[EVENTS_MAX];
    static struct ax_window_item items[AGGREGATES][1024];
    const struct probe *probe = &probes[output->numbers[row]];
    size_t count = 0;
    for (size_t i = 0; i < history.count; i++) {
        if (key_of(&history.events[i]) == probe->key &&
            (stream != AS_KNOWN || known_at[i] <= probe->at))
            known[count++] = history.events[i];
    }
    const struct oracle_event **winners;
    size_t winner_count = oracle_winners(known, count, &winners);
    struct ax_window_value values[AGGREGATES];
    for (size_t i = 0; i < AGGREGATES; i++) {
        values[i] = read_back(&output->columns[i], row, items[i]);
        if (history.aggregates[i].kind == AX_AGGREGATE_TOP_K &&
            values[i].status == AX_WINDOW_NULL && output->too_many)
            return; /* Which of the two nulls it is, is no longer known. */
    }
    check_values(seed, values, winners, winner_count, probe->at, probe->self);
    free(winners);
}

static void run(uint64_t seed, enum stream stream)
{
    random_history(seed, seed % 20 == 0 ? 1000 : 120, stream != AS_KNOWN);
    make_stream(stream);
    struct ax_window_config spec_config = {
        .columns = oracle_types,
        .column_count = ORACLE_COLUMNS,
        .aggregates = history.aggregates,
        .aggregate_count = AGGREGATES,
        .exact_events = history.exact_events,
    };
    struct ax_window_spec *spec;
    assert_int_equal(ax_window_spec_new(&spec_config, &spec, &err), AX_OK);
    struct ax_window_output output;
    ax_window_output_init(&output, spec, 1 << 24);
    struct ax_window_join_config config = { spec,
                                            stream == FINAL ? AX_WINDOW_SORTED : AX_WINDOW_ANY,
                                            &output.sink };
    struct ax_window_join *join;
    assert_int_equal(ax_window_join_new(&config, &join, &err), AX_OK);
    size_t seen = 0;
    for (size_t from = 0; from < line_count;) {
        size_t count = 1 + below(500);
        count = AX_MIN(count, line_count - from);
        assert_int_equal(push(join, from, count, stream == AS_KNOWN), AX_OK);
        from += count;
        if (below(2) && from < line_count)
            continue;
        for (size_t row = 0; row < output.rows; row++)
            check_probe(seed, stream, &output, row);
        seen += output.rows;
        ax_window_output_reset(&output);
    }
    assert_int_equal(seen, probe_count);
    ax_window_join_free(join);
    ax_window_output_done(&output);
    ax_window_spec_free(spec);
}

static uint64_t rounds(void)
{
    const char *text = getenv("AX_WINDOW_ROUNDS");
    return text ? strtoull(text, NULL, 10) : 60;
}

static void final_streams(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(); i++)
        run(1 + i, FINAL);
}

static void streams_without_self(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(); i++)
        run(100001 + i, FINAL_WITHOUT_SELF);
}

static void streams_as_known(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(); i++)
        run(200001 + i, AS_KNOWN);
}

static void rows_out_of_order_are_refused(void **state)
{
    (void)state;
    random_history(5, 50, true);
    make_stream(FINAL);
    /* Another key between; and the first moments of a key swapped. */
    size_t later = 1;
    while (lines[later].key == lines[0].key && lines[later].moment == lines[0].moment)
        later++;
    size_t other = later;
    while (lines[other].key == lines[0].key)
        other++;
    assert_true(lines[other].key < KEYS && lines[later].key == lines[0].key);
    const struct {
        size_t a, b;
    } swaps[] = { { 0, other }, { 0, later } };
    for (size_t i = 0; i < AX_COUNT(swaps); i++) {
        struct ax_window_config spec_config = { .columns = oracle_types,
                                                .column_count = ORACLE_COLUMNS };
        struct ax_window_spec *spec;
        assert_int_equal(ax_window_spec_new(&spec_config, &spec, &err), AX_OK);
        struct ax_window_output output;
        ax_window_output_init(&output, spec, 1 << 20);
        struct ax_window_join_config config = { spec, AX_WINDOW_SORTED, &output.sink };
        struct ax_window_join *join;
        assert_int_equal(ax_window_join_new(&config, &join, &err), AX_OK);
        struct line kept = lines[swaps[i].a];
        lines[swaps[i].a] = lines[swaps[i].b];
        lines[swaps[i].b] = kept;
        assert_int_equal(push(join, 0, line_count, false), AX_E_INVALID);
        lines[swaps[i].b] = lines[swaps[i].a];
        lines[swaps[i].a] = kept;
        ax_err_clear(&err);
        ax_window_join_free(join);
        ax_window_output_done(&output);
        ax_window_spec_free(spec);
    }
}

/* Ids in the order of their parts; what only looks alike is not. */
static void ids_keep_the_order_of_their_parts(void **state)
{
    (void)state;
    int64_t numbers[] = { INT64_MIN, -5, -1, 0, 1, 7, 256, INT64_MAX };
    struct ax_str texts[] = { AX_STR(""),    AX_STR("\0"), AX_STR("\0\0"), AX_STR("a"),
                              AX_STR("a\0"), AX_STR("ab"), AX_STR("b"),    AX_STR("\xff") };
    double doubles[] = { -INFINITY, -1e300, -1, -1e-300, 0, 1e-300, 2, INFINITY };
    size_t count = AX_COUNT(numbers);
    struct ax_values parts[] = {
        { .type = { AX_TYPE_INT64, false }, .rows = count, .i64s = numbers },
        { .type = { AX_TYPE_STRING, false }, .rows = count, .texts = texts },
        { .type = { AX_TYPE_FLOAT64, false }, .rows = count, .f64s = doubles },
    };
    struct ax_buf low, high;
    ax_buf_init(&low, 1000);
    ax_buf_init(&high, 1000);
    for (size_t p = 0; p < AX_COUNT(parts); p++) {
        const struct ax_values *lists[][2] = { { &parts[p], NULL },
                                               { &parts[p], &parts[0] },
                                               { &parts[0], &parts[p] } };
        for (size_t l = 0; l < AX_COUNT(lists); l++) {
            for (size_t i = 0; i + 1 < count; i++) {
                size_t part_count = lists[l][1] ? 2 : 1;
                assert_int_equal(ax_window_id_put(&low, lists[l], part_count, i, &err), AX_OK);
                assert_int_equal(ax_window_id_put(&high, lists[l], part_count, i + 1, &err), AX_OK);
                assert_true(ax_str_compare(ax_buf_str(&low), ax_buf_str(&high)) < 0);
            }
        }
    }
    struct ax_str first[] = { AX_STR("a"), AX_STR("ab") }, second[] = { AX_STR("bc"), AX_STR("c") };
    struct ax_values a = { .type = { AX_TYPE_STRING, false }, .rows = 2, .texts = first };
    struct ax_values b = { .type = { AX_TYPE_STRING, false }, .rows = 2, .texts = second };
    const struct ax_values *both[] = { &a, &b };
    assert_int_equal(ax_window_id_put(&low, both, 2, 0, &err), AX_OK);
    assert_int_equal(ax_window_id_put(&high, both, 2, 1, &err), AX_OK);
    assert_false(ax_str_equals(ax_buf_str(&low), ax_buf_str(&high)));
    uint64_t none = 0;
    a.validity = &none;
    assert_int_equal(ax_window_id_put(&low, both, 2, 0, &err), AX_E_INVALID);
    ax_err_clear(&err);
    ax_buf_done(&low);
    ax_buf_done(&high);
}

/* Values beyond a number of bytes are refused, with nothing lost but the row; texts count. */
static void output_is_bounded(void **state)
{
    (void)state;
    const struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_LAST_N, .value = ORACLE_S, .filter = -1, .n = 3, .window_us = HOUR },
        { .kind = AX_AGGREGATE_LAST, .value = ORACLE_S, .filter = -1, .window_us = HOUR },
    };
    struct ax_window_spec *spec = make_spec(aggregates, AX_COUNT(aggregates), 0);
    struct ax_window_output output;
    struct ax_window_item items[3];
    for (size_t i = 0; i < AX_COUNT(items); i++)
        items[i].text = AX_STR("a text of twenty-six bytes");
    const struct ax_window_value values[] = { { .items = items, .item_count = 3 },
                                              { .item = items[0] } };
    ax_window_output_init(&output, spec, 1000);
    for (int round = 0; round < 2; round++) {
        size_t rows = 0;
        while (!output.sink.emit(&output.sink, 0, values, &err))
            rows++;
        assert_int_equal(err.code, AX_E_LIMIT);
        assert_true(output.is_full);
        assert_int_equal(output.rows, rows);
        /* A number, a span, a text, three texts; four times 27 bytes. */
        assert_int_equal(rows, 1000 / (8 + 8 + 16 + 3 * 16 + 4 * 27));
        ax_err_clear(&err);
        ax_window_output_reset(&output);
        assert_false(output.is_full);
    }
    ax_window_output_done(&output);
    ax_window_spec_free(spec);
}

/* Rows that came by keys are put in the order of their numbers, with their nulls and lists. */
static void output_is_sorted(void **state)
{
    (void)state;
    enum { ROWS = 5003, FIRST = 40 };
    const struct ax_window_aggregate aggregates[] = {
        { .kind = AX_AGGREGATE_LAST_N, .value = ORACLE_S, .filter = -1, .n = 3, .window_us = HOUR },
        { .kind = AX_AGGREGATE_COUNT, .value = -1, .filter = -1, .window_us = HOUR },
    };
    struct ax_window_spec *spec = make_spec(aggregates, AX_COUNT(aggregates), 0);
    struct ax_window_output output;
    ax_window_output_init(&output, spec, 1 << 20);
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t number = i * 2003 % ROWS;
        struct ax_window_item items[] = { { .text = number % 2 ? AX_STR("odd") : AX_STR("even") },
                                          { .text = AX_STR("second") } };
        const struct ax_window_value values[] = {
            { .items = items, .item_count = (size_t)(number % 3) },
            { .item.i64 = number, .status = number % 5 ? AX_WINDOW_PRESENT : AX_WINDOW_NULL },
        };
        assert_int_equal(output.sink.emit(&output.sink, FIRST + number, values, &err), AX_OK);
    }
    assert_true(ax_window_output_sort(&output, FIRST));
    const struct ax_values *lists = &output.columns[0];
    for (size_t row = 0; row < ROWS; row++) {
        assert_int_equal(output.numbers[row], FIRST + row);
        assert_int_equal(ax_values_is_null(&output.columns[1], row), row % 5 == 0);
        if (row % 5)
            assert_int_equal(output.columns[1].i64s[row], row);
        assert_int_equal(lists->spans[row].count, row % 3);
        if (row % 3) {
            struct ax_str first = lists->items->texts[lists->spans[row].from];
            assert_true(ax_str_is(first, row % 2 ? "odd" : "even"));
        }
    }
    ax_window_output_done(&output);
    ax_window_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(final_streams),
        cmocka_unit_test(streams_without_self),
        cmocka_unit_test(streams_as_known),
        cmocka_unit_test(rows_out_of_order_are_refused),
        cmocka_unit_test(ids_keep_the_order_of_their_parts),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(output_is_sorted),
    };
    return cmocka_run_group_tests_name("feature/window_join", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the flights' definitions become what they say: every object, reference, role and input.
 * Method: the reference text, read whole and looked at part by part; the same split into several
 * files; folders that cannot be read; limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "definition_fixture.h"

#include <unistd.h>

static struct ax_definitions definitions;

static int read_flights(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    if (make_definitions(state))
        return -1;
    if (read_definitions(ax_buf_str(&flights), &definitions, &err)) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

static int forget_flights(void **state)
{
    ax_definitions_done(&definitions);
    return remove_definitions(state);
}

static const struct ax_source *source_of(const char *name)
{
    const struct ax_source *source =
        ax_map_get(&definitions.names[AX_DEFINITION_SOURCE], ax_str_from(name));
    assert_non_null(source);
    return source;
}

static const struct ax_view *view_of(const char *name)
{
    const struct ax_view *view = ax_definitions_view(&definitions, ax_str_from(name));
    assert_non_null(view);
    return view;
}

static void assert_text(struct ax_str text, const char *expected)
{
    if (!ax_str_is(text, expected))
        fail_msg("'%.*s' is not '%s'", (int)text.len, text.ptr, expected);
}

static void objects_are_in_the_order_of_the_text(void **state)
{
    (void)state;
    assert_text(definitions.project, "flights");
    assert_string_equal(definitions.folder, folder);
    assert_int_equal(definitions.entity_count, 4);
    assert_int_equal(definitions.source_count, 4);
    assert_int_equal(definitions.view_count, 6);
    assert_int_equal(definitions.service_count, 1);
    assert_int_equal(definitions.model_count, 1);
    assert_text(definitions.entities[3].name, "route");
    assert_text(definitions.entities[3].keys[1].name, "dest");
    assert_int_equal(definitions.entities[3].key_count, 2);
    assert_int_equal(definitions.entities[3].keys[1].storage.kind, AX_STORAGE_STRING);
    assert_text(definitions.sources[2].name, "weather");
    assert_text(definitions.views[5].name, "carrier_arrivals");
    assert_string_equal(definitions.entities[0].place.file, "f.yaml");
    assert_int_equal(definitions.entities[0].place.line, 4);
    assert_int_equal(definitions.entities[0].place.column, 3);
    assert_null(ax_definitions_view(&definitions, AX_STR("pushback")));
}

static void sources(void **state)
{
    (void)state;
    const struct ax_source *source = source_of("departures");
    assert_int_equal(source->kind, AX_SOURCE_SQL);
    assert_text(source->sql_path, "sql/departures.sql");
    assert_text(source->text, "SELECT flight_id, origin, departed_at, dep_delay FROM "
                              "'flights.csv'\n");
    assert_int_equal(source->time, 2);
    assert_int_equal(source->created, -1);
    assert_int_equal(source->event_id_count, 1);
    assert_int_equal(source->event_id[0], 0);
    assert_true(source->push);
    assert_text(source->zone, "UTC");
    source = source_of("planes");
    assert_int_equal(source->kind, AX_SOURCE_FILES);
    assert_text(source->text, "data/planes.csv");
    assert_int_equal(source->time, -1);
    assert_false(source->push);
    source = source_of("arrivals");
    assert_int_equal(source->expectation_count, 1);
    const struct ax_expectation *expectation = &source->expectations[0];
    assert_int_equal(expectation->kind, AX_EXPECT_BETWEEN);
    assert_int_equal(expectation->action, AX_EXPECT_DROP_ROW);
    assert_int_equal(expectation->column_count, 1);
    assert_int_equal(expectation->columns[0], 5);
    assert_true(expectation->min.is_there && expectation->max.is_there);
    assert_true(expectation->min.number == -120 && expectation->max.number == 2000);
    assert_true(expectation->mostly == 0.999);
}

static void views(void **state)
{
    (void)state;
    const struct ax_view *view = view_of("plane");
    assert_false(view->windowed);
    assert_true(view->online);
    assert_ptr_equal(view->source, source_of("planes"));
    assert_text(view->entity->name, "aircraft");
    assert_int_equal(view->fields[0].storage.kind, AX_STORAGE_INT64);
    assert_text(view->fields[0].text, "year");
    const struct ax_field *seats = &view->fields[1];
    assert_int_equal(seats->storage.kind, AX_STORAGE_FLOAT32);
    assert_int_equal(seats->parsed.root->type.kind, AX_TYPE_FLOAT64);
    assert_true(seats->has_default && !seats->default_is_null);
    assert_true(seats->default_value.f64 == 150);
    assert_text(seats->description, "seats of the airframe");

    view = view_of("weather");
    assert_true(view->ttl_us == INT64_C(3) * 3600 * 1000000);
    assert_int_equal(view->key_columns[0], 0);
    assert_int_equal(view->fields[2].storage.kind, AX_STORAGE_BOOL);
    assert_int_equal(view->exact_events, 0);

    view = view_of("airport_arrivals");
    assert_true(view->windowed);
    assert_int_equal(view->exact_events, 1024);
    assert_true(view->fields[1].parsed.aggregates[0].hop_us == INT64_C(3600) * 1000000);
    assert_int_equal(view->fields[2].parsed.aggregate_count, 2);
    assert_int_equal(view->fields[2].storage.kind, AX_STORAGE_FLOAT64);
    assert_int_equal(view->key_columns[0], 3);
}

static void inputs_of_the_service(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ax_input_kind kind;
        enum ax_storage_kind storage;
    } expected[] = {
        { "carrier", AX_INPUT_KEY, AX_STORAGE_STRING },
        { "distance", AX_INPUT_REQUEST, AX_STORAGE_FLOAT64 },
        { "dep_delay", AX_INPUT_REQUEST, AX_STORAGE_FLOAT64 },
        { "hour", AX_INPUT_EXPR, AX_STORAGE_INT64 },
        { "built", AX_INPUT_FIELD, AX_STORAGE_INT64 },
        { "seats", AX_INPUT_FIELD, AX_STORAGE_FLOAT32 },
        { "origin__temp", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "origin__wind", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "origin__wet", AX_INPUT_FIELD, AX_STORAGE_BOOL },
        { "origin__dep_delay_1h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "origin__dep_delay_3h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "dest__arr_delay_3h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "dest__arr_delay_24h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "dest__late_share_24h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "aircraft__arr_delay_24h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "aircraft__flights_24h", AX_INPUT_FIELD, AX_STORAGE_INT64 },
        { "carrier__arr_delay_6h", AX_INPUT_FIELD, AX_STORAGE_FLOAT64 },
        { "age", AX_INPUT_EXPR, AX_STORAGE_INT64 },
    };
    const struct ax_service *service = ax_definitions_service(&definitions, AX_STR("pushback"));
    assert_non_null(service);
    assert_int_equal(service->input_count, AX_COUNT(expected));
    for (size_t i = 0; i < AX_COUNT(expected); i++) {
        assert_text(service->inputs[i].name, expected[i].name);
        assert_int_equal(service->inputs[i].kind, expected[i].kind);
        assert_int_equal(service->inputs[i].storage.kind, expected[i].storage);
    }
    assert_false(service->exclude_self);
    assert_ptr_equal(definitions.models[0].service, service);
    assert_text(definitions.models[0].rows, "SELECT * FROM 'flights.csv' ORDER BY flight_id\n");
}

static void what_a_call_gives(void **state)
{
    (void)state;
    static const char *const expected[] = { "sched_dep", "distance", "dep_delay", "tailnum",
                                            "origin",    "dest",     "carrier" };
    const struct ax_service *service = ax_definitions_service(&definitions, AX_STR("pushback"));
    assert_int_equal(service->request_count, 3);
    assert_int_equal(service->call_count, AX_COUNT(expected));
    for (size_t i = 0; i < AX_COUNT(expected); i++)
        assert_text(service->call[i].name, expected[i]);
    assert_true(service->call[2].required && !service->call[1].required);
    assert_int_equal(service->role_count, 6);
    assert_int_equal(service->roles[1].call_keys[0], 4);
    assert_int_equal(service->roles[2].call_keys[0], 4);
    assert_int_equal(service->roles[3].call_keys[0], 5);
    /* `age` reads `built`, which is the second behind the seven columns of the call: `hour` is the
     * first input that is none of them. */
    bool used[32] = { false };
    ax_expr_inputs(service->inputs[17].parsed.root, used);
    for (size_t i = 0; i < AX_COUNT(used); i++)
        assert_int_equal(used[i], i == 8);
}

static void warnings(void **state)
{
    (void)state;
    assert_int_equal(definitions.warning_count, 1);
    assert_text(definitions.warnings[0].text, "source 'planes' has no history: its rows are the "
                                              "same at every moment, also in the past");
    assert_int_equal(definitions.warnings[0].place.line, 30);
    assert_int_equal(definitions.warnings[0].place.column, 11);
}

struct warning {
    unsigned line, column;
    const char *text;
};

/* They are read, with these warnings. */
static void read_with_warnings(const char *text, const struct warning *expected, size_t count,
                               struct ax_definitions *ret_read)
{
    struct ax_err err = AX_ERR_INIT;
    if (read_definitions(ax_str_from(text), ret_read, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(ret_read->warning_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_text(ret_read->warnings[i].text, expected[i].text);
        assert_int_equal(ret_read->warnings[i].place.line, expected[i].line);
        assert_int_equal(ret_read->warnings[i].place.column, expected[i].column);
    }
}

/* Services that are for training alone; windows leave out the row's own event, so those are served.
 */
static void what_is_not_served(void **state)
{
    (void)state;
    static const char text[] =
        "auspex: 1\n"
        "entities: {e: {keys: {k: string}}}\n"
        "sources:\n"
        "  s: {files: a.csv, time: t, event_id: [i],\n"
        "      columns: {i: int64, k: string, t: timestamp, x: float64}}\n"
        "views:\n"
        "  v: {entity: e, source: s, fields: {a: sum(x) over 1h}}\n"
        "  w: {entity: e, source: s, fields: {b: x}}\n"
        "  o: {entity: e, source: s, online: false, fields: {c: x}}\n"
        "services:\n"
        "  served: {exclude_self: s, request: {i: int64}, features: [{view: v}]}\n"
        "  newest: {features: [{view: v}, {view: w}]}\n"
        "  own: {exclude_self: s, request: {i: int64}, features: [{view: v}, {view: w}]}\n"
        "  offline: {features: [{view: w}, {view: o}]}\n";
    static const struct warning expected[] = {
        { 13, 76,
          "service 'own' cannot be asked by entity: view 'w' has the newest event of each key "
          "alone, which may be the row's own that exclude_self leaves out" },
        { 14, 42,
          "service 'offline' cannot be asked by entity: view 'o' is not online; take 'online: "
          "false' away" },
    };
    struct ax_definitions read;
    read_with_warnings(text, expected, AX_COUNT(expected), &read);
    ax_definitions_done(&read);
}

static void what_only_looks_wrong(void **state)
{
    (void)state;
    static const char text[] =
        "auspex: 1\n"
        "entities: {e: {keys: {k: string}}}\n"
        "sources:\n"
        "  s: {files: a.csv, time: t, columns: {k: string, t: timestamp, x: float64}}\n"
        "  p: {files: a.csv, time: t, push: true, columns: {k: string, t: timestamp}, expect: ["
        "{check: unique, column: k}, {check: unique, column: k, do: fail}, "
        "{check: not_null, column: k, do: fail}]}\n"
        "views:\n"
        "  v: {entity: e, source: s, fields: {a: sum(x) over 1h}}\n"
        "  w: {entity: e, source: s, deprecated: use v, fields: {b: {expr: x, deprecated: true}, "
        "c: "
        "x}}\n"
        "services:\n"
        "  z: {features: [{view: v}, {view: w, fields: [c]}]}\n"
        "  y: {features: [{view: w}]}\n"
        "  x: {features: [{view: w, as: one}, {view: w, as: two}]}\n"
        "  u: {features: [{view: v}]}\n";
    static const struct warning expected[] = {
        { 5, 115,
          "source 'p': pushed rows are not asked for 'unique', which needs other rows: they are "
          "online whatever it says" },
        { 7, 26,
          "view 'v': source 's' has no event_id; of rows with one key and time a window counts "
          "one" },
        { 10, 36, "view 'w' is deprecated: use v" },
        { 10, 25,
          "service 'z' cannot be asked by entity: view 'v' has windows over rows without an "
          "event_id, which are not served" },
        { 11, 25, "view 'w' is deprecated: use v" },
        { 11, 25, "field 'b' of view 'w' is deprecated" },
        { 12, 25, "view 'w' is deprecated: use v" },
        { 12, 45, "view 'w' is deprecated: use v" },
        { 12, 25, "field 'b' of view 'w' is deprecated" },
        { 12, 45, "field 'b' of view 'w' is deprecated" },
        { 13, 25,
          "service 'u' cannot be asked by entity: view 'v' has windows over rows without an "
          "event_id, which are not served" },
    };
    struct ax_definitions read;
    read_with_warnings(text, expected, AX_COUNT(expected), &read);
    static const char *const used[][2] = {
        { "z", "view 'w' is deprecated: use v\n" },
        { "y", "view 'w' is deprecated: use v\nfield 'b' of view 'w' is deprecated\n" },
        { "x", "view 'w' is deprecated: use v\nfield 'b' of view 'w' is deprecated\n" },
        { "u", "" },
    };
    for (size_t i = 0; i < AX_COUNT(used); i++) {
        struct ax_buf out;
        ax_buf_init(&out, 4096);
        ax_service_put_deprecated(&out, ax_definitions_service(&read, ax_str_from(used[i][0])));
        assert_text(ax_buf_str(&out), used[i][1]);
        ax_buf_done(&out);
    }
    ax_definitions_done(&read);
}

static void the_event_of_the_call_does_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *self;
        const char *source;
    } rows[] = {
        { "exclude_self: departures", "departures" },
        { "exclude_self: false", NULL },
        { "description: x", NULL },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_definitions read;
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf text;
        char request[128];
        (void)snprintf(request, sizeof(request), "    %s\n    request: {flight_id: string, ",
                       rows[i].self);
        ax_buf_init(&text, (size_t)1 << 20);
        replace_text(ax_buf_str(&flights), "    request: {", request, &text);
        if (read_definitions(ax_buf_str(&text), &read, &err))
            fail_msg("%s", err.msg);
        const struct ax_service *service = &read.services[0];
        assert_true(service->exclude_self == (rows[i].source != NULL));
        assert_true(!service->self == !rows[i].source);
        if (rows[i].source)
            assert_text(service->self->name, rows[i].source);
        ax_definitions_done(&read);
        ax_buf_done(&text);
    }
}

/* ---- folders ---- */

static void several_files_are_one_text(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    write_definition_file("f.yaml", AX_STR("auspex: 1\nviews:\n  v: {entity: e, source: s, "
                                           "fields: {x: x}}\n"));
    write_definition_file("a.yaml", AX_STR("auspex: 1\nproject: p\nentities:\n  e: {keys: {k: "
                                           "string}}\n"));
    write_definition_file("z.yaml", AX_STR("auspex: 1\nproject: p\nsources:\n  s: {files: a.csv, "
                                           "time: t, columns: {k: string, t: timestamp, x: "
                                           "float32}}\n"));
    write_definition_file(".hidden.yaml", AX_STR("nothing"));
    write_definition_file("notes.txt", AX_STR("nothing"));
    if (ax_definitions_read(folder, &read, &err))
        fail_msg("%s", err.msg);
    assert_text(read.project, "p");
    assert_int_equal(read.view_count, 1);
    assert_ptr_equal(read.views[0].source, &read.sources[0]);
    assert_string_equal(read.sources[0].place.file, "z.yaml");
    ax_definitions_done(&read);

    write_definition_file("b.yaml", AX_STR("auspex: 1\nentities:\n  e: {keys: {k: int64}}\n"));
    assert_int_equal(ax_definitions_read(folder, &read, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "b.yaml:3:3: entity 'e' is defined before, in a.yaml:4");
    err = (struct ax_err)AX_ERR_INIT;
    write_definition_file("b.yaml", AX_STR("auspex: 1\nproject: other\n"));
    assert_int_equal(ax_definitions_read(folder, &read, &err), AX_E_INVALID);
    assert_string_equal(err.msg, "b.yaml:2:10: 'project' is 'p' in another file, 'other' here");
    err = (struct ax_err)AX_ERR_INIT;
    write_definition_file("b.yml", AX_STR("auspex: 1\n"));
    assert_int_equal(ax_definitions_read(folder, &read, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "/b.yml' would not be read: files of definitions end in "
                                    ".yaml"));
    const char *const names[] = { "a.yaml", "b.yaml", "b.yml", "z.yaml", ".hidden.yaml" };
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
}

static void one_file_is_a_folder_of_one(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    write_definition_file("f.yaml", ax_buf_str(&flights));
    (void)snprintf(path, sizeof(path), "%s/f.yaml", folder);
    if (ax_definitions_read(path, &read, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(read.folder, folder);
    assert_string_equal(read.views[0].place.file, "f.yaml");
    ax_definitions_done(&read);
}

/* Files of `auspex train` are definitions too. */
static void the_examples_are_definitions(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    const char *data = getenv("AX_TEST_DATA");
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/../../examples/flights", data ? data : "tests/data");
    if (ax_definitions_read(path, &read, &err))
        fail_msg("%s", err.msg);
    assert_text(read.project, "flights");
    const struct ax_model_definition *model =
        ax_map_get(&read.names[AX_DEFINITION_MODEL], AX_STR("flight_delay"));
    assert_true(model && model->rows.len && ax_yaml_get(model->node, "train"));
    ax_definitions_done(&read);
}

static void what_cannot_be_read(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/nowhere", folder);
    assert_int_equal(ax_definitions_read(path, &read, &err), AX_E_NOT_FOUND);
    err = (struct ax_err)AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/sql", folder);
    assert_int_equal(ax_definitions_read(path, &read, &err), AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "no *.yaml in the folder"));
}

/* ---- limits ---- */

static void append_many(struct ax_buf *text, const char *format, int count)
{
    for (int i = 0; i < count; i++)
        for (const char *c = format; *c; c++)
            if (*c == '#')
                (void)ax_buf_printf(text, "%d", i);
            else
                (void)ax_buf_append_char(text, *c);
}

static void assert_limit(const char *before, const char *each, int count, const char *behind,
                         enum ax_code code, const char *msg)
{
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    ax_buf_init(&text, (size_t)8 << 20);
    (void)ax_buf_append_str(&text, ax_str_from(before));
    append_many(&text, each, count);
    (void)ax_buf_append_str(&text, ax_str_from(behind));
    assert_int_equal(text.failed, AX_OK);
    assert_int_equal(read_definitions(ax_buf_str(&text), &read, &err), code);
    if (code)
        assert_string_equal(err.msg, msg);
    else
        ax_definitions_done(&read);
    ax_buf_done(&text);
}

#define SOURCE \
    "sources:\n  s: {files: a.csv, time: t, columns: {k: string, t: timestamp, x: float64}}\n"
#define ENTITY "auspex: 1\nentities:\n  e: {keys: {k: string}}\n"

static void limits(void **state)
{
    (void)state;
    const char *view = ENTITY SOURCE "views:\n  v:\n    entity: e\n    source: s\n    fields:\n";
    assert_limit(view, "      f#: x\n", 1024, "", AX_OK, NULL);
    assert_limit(view, "      f#: x\n", 1025, "", AX_E_INVALID,
                 "f.yaml:11:7: 1025 fields; at most 1024 are allowed");
    assert_limit("auspex: 1\nentities:\n  e:\n    keys:\n", "      k#: string\n", 16, "", AX_OK,
                 NULL);
    assert_limit("auspex: 1\nentities:\n  e:\n    keys:\n", "      k#: string\n", 17, "",
                 AX_E_INVALID, "f.yaml:5:7: 17 keys; at most 16 are allowed");
    assert_limit("auspex: 1\nentities:\n", "  e#: {keys: {k: string}}\n", 10000, "", AX_OK, NULL);
    assert_limit("auspex: 1\nentities:\n", "  e#: {keys: {k: string}}\n", 10001, "", AX_E_TOO_LARGE,
                 "over 10000 entities");
    assert_limit("auspex: 1\nentities:\n  ", "a", 128, ": {keys: {k: string}}\n", AX_OK, NULL);
    assert_limit("auspex: 1\nentities:\n  ", "a", 129, ": {keys: {k: string}}\n", AX_E_INVALID,
                 "f.yaml:3:3: "
                 "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is no name: "
                 "letters, digits and '_', no digit in front, at most 128");
}

static void assert_same(const struct ax_definitions *a, const struct ax_definitions *b,
                        enum ax_definition_kind kind)
{
    const struct ax_map *map = &a->names[kind];
    struct ax_str name;
    void *object;
    assert_int_equal(map->count, b->names[kind].count);
    for (size_t at = 0; ax_map_next(map, &at, &name, &object);) {
        struct ax_buf texts[2];
        for (size_t i = 0; i < 2; i++)
            ax_buf_init(&texts[i], (size_t)1 << 20);
        ax_definition_put_json(&texts[0], kind, object);
        ax_definition_put_json(&texts[1], kind, ax_map_get(&b->names[kind], name));
        assert_true(ax_str_equals(ax_buf_str(&texts[0]), ax_buf_str(&texts[1])));
        for (size_t i = 0; i < 2; i++)
            ax_buf_done(&texts[i]);
    }
}

/* What definitions were read from gives the same definitions, without their folder. */
static void the_same_from_texts(void **state)
{
    (void)state;
    struct ax_definitions read, again;
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(read_definitions(ax_buf_str(&flights), &read, &err), AX_OK);
    assert_int_equal(read.file_count, 4);
    assert_text(read.files[0].path, "f.yaml");
    assert_text(read.files[1].path, "sql/departures.sql");
    assert_text(read.files[3].path, "sql/rows.sql");
    assert_true(ax_str_equals(read.files[0].text, ax_buf_str(&flights)));
    if (ax_definitions_read_texts("/nowhere", read.files, read.file_count, &again, &err))
        fail_msg("%s", err.msg);
    for (int kind = 0; kind < AX_DEFINITION_KIND_COUNT; kind++)
        assert_same(&read, &again, (enum ax_definition_kind)kind);
    assert_string_equal(again.folder, "/nowhere");
    assert_int_equal(again.file_count, 4);
    assert_true(ax_str_equals(again.files[2].text, read.files[2].text));
    assert_string_equal(again.services[0].place.file, "f.yaml");
    assert_int_equal(again.services[0].place.line, read.services[0].place.line);
    assert_int_equal(again.services[0].place.column, read.services[0].place.column);
    ax_definitions_done(&again);

    assert_int_equal(ax_definitions_read_texts("/nowhere", read.files, 1, &again, &err),
                     AX_E_NOT_FOUND);
    assert_string_equal(err.msg, "f.yaml:11:10: '/nowhere/sql/departures.sql' is not among the "
                                 "files of the definitions");
    ax_err_clear(&err);
    assert_int_equal(ax_definitions_read_texts("/nowhere", read.files + 1, 3, &again, &err),
                     AX_E_NOT_FOUND);
    assert_string_equal(err.msg, "no *.yaml among the files of '/nowhere'");
    ax_definitions_done(&read);
}

/* A byte of a query is found in texts as in files. */
static void places_in_queries_of_texts(void **state)
{
    (void)state;
    const struct ax_file_text file = { AX_STR("a.yaml"),
                                       AX_STR("auspex: 1\nsources:\n  s:\n    sql: >\n"
                                              "      select a\n      from b\n    time: none\n"
                                              "    columns: {a: int64}\n") };
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    if (ax_definitions_read_texts("/nowhere", &file, 1, &read, &err))
        fail_msg("%s", err.msg);
    (void)ax_fail(&err, AX_E_INVALID, "no b");
    assert_int_equal(ax_source_context(&read.sources[0], strlen("select a from "), &err),
                     AX_E_INVALID);
    assert_string_equal(err.msg, "a.yaml:6:12: source 's': no b");
    ax_definitions_done(&read);
}

static void found_by_name(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    const struct ax_service *service = NULL;
    const struct ax_source *source = NULL;
    assert_int_equal(read_definitions(ax_buf_str(&flights), &read, &err), AX_OK);
    assert_int_equal(ax_definitions_find_service(&read, AX_STR("pushback"), &service, &err), AX_OK);
    assert_ptr_equal(service, ax_definitions_service(&read, AX_STR("pushback")));
    assert_int_equal(ax_definitions_find_source(&read, AX_STR("planes"), &source, &err), AX_OK);
    assert_text(source->name, "planes");
    assert_int_equal(ax_definitions_find_service(&read, AX_STR("pushbak"), &service, &err),
                     AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "no service 'pushbak' is defined; nearest is 'pushback'"));
    ax_err_clear(&err);
    assert_int_equal(ax_definitions_find_source(&read, AX_STR("zzzzzzzzz"), &source, &err),
                     AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "no source 'zzzzzzzzz' is defined"));
    assert_null(strstr(err.msg, "nearest"));
    ax_definitions_done(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_name),
        cmocka_unit_test(objects_are_in_the_order_of_the_text),
        cmocka_unit_test(sources),
        cmocka_unit_test(views),
        cmocka_unit_test(inputs_of_the_service),
        cmocka_unit_test(what_a_call_gives),
        cmocka_unit_test(warnings),
        cmocka_unit_test(what_is_not_served),
        cmocka_unit_test(what_only_looks_wrong),
        cmocka_unit_test(the_event_of_the_call_does_not_count),
        cmocka_unit_test(several_files_are_one_text),
        cmocka_unit_test(one_file_is_a_folder_of_one),
        cmocka_unit_test(the_examples_are_definitions),
        cmocka_unit_test(the_same_from_texts),
        cmocka_unit_test(places_in_queries_of_texts),
        cmocka_unit_test(what_cannot_be_read),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, read_flights, forget_flights);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: definitions become the Python that Feast reads, and nothing that it refuses or reads
 * otherwise is in it. Method: small definitions, what must stand in the text and what must not, and
 * the notes whole. That Feast itself takes such a text is for tests/clients/test_feast.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/feast_repository.h"

#include "definition_fixture.h"

struct written {
    struct ax_buf text;
    struct ax_buf notes;
};

static enum ax_code write_definitions(struct ax_str yaml, struct written *ret, struct ax_err *err)
{
    struct ax_definitions definitions;
    ax_buf_init(&ret->text, (size_t)1 << 20);
    ax_buf_init(&ret->notes, (size_t)1 << 20);
    if (read_definitions(yaml, &definitions, err))
        fail_msg("%s", err->msg);
    enum ax_code code = ax_feast_put_definitions(&definitions, &ret->text, &ret->notes, err);
    ax_definitions_done(&definitions);
    return code;
}

static void forget(struct written *written)
{
    ax_buf_done(&written->text);
    ax_buf_done(&written->notes);
}

static bool has(const struct written *written, const char *piece)
{
    return memmem(written->text.ptr, written->text.len, piece, strlen(piece)) != NULL;
}

static void test_flights(void **state)
{
    static const char *const pieces[] = {
        AX_FEAST_HEAD " from what is applied of project flights.\n",
        "entity_aircraft = Entity(\n    name=\"aircraft\", join_keys=[\"tailnum\"], "
        "value_type=ValueType.STRING\n)\n",
        "entity_route__dest = Entity(\n    name=\"route__dest\", join_keys=[\"dest\"], ",
        "source_planes = FileSource(\n    name=\"planes\", path=\"history/planes.parquet\", "
        "timestamp_field=\"event_timestamp\"\n)\n",
        "history_arrivals = FileSource(\n    name=\"arrivals__history\", ",
        "source_arrivals = PushSource(\n    name=\"arrivals\", batch_source=history_arrivals\n)\n",
        "        Field(name=\"tailnum\", dtype=String),\n"
        "        Field(name=\"built\", dtype=Int64),  # year\n"
        "        Field(name=\"seats\", dtype=Float32, description=\"seats of the airframe\"),  # "
        "seats; default 150.0\n",
        "entities=[entity_airport],\n    source=source_weather,\n    ttl=timedelta(seconds=10800),",
        "entities=[entity_airport],\n    source=history_arrivals,\n    ttl=timedelta(seconds=0),",
        "        view_weather[[\"temp\", \"wind\", \"wet\"]].with_name(\"origin\")"
        ".with_join_key_map({\"faa\": \"origin\"}),\n",
        "        view_plane[[\"built\", \"seats\"]],\n",
        "# service pushback computes, and answers besides: hour, age\n",
    };
    struct ax_err err = AX_ERR_INIT;
    struct written written;
    (void)state;
    assert_int_equal(write_definitions(ax_buf_str(&flights), &written, &err), AX_OK);
    for (size_t i = 0; i < AX_COUNT(pieces); i++)
        if (!has(&written, pieces[i]))
            fail_msg("%s is not in:\n%.*s", pieces[i], AX_STR_ARG(ax_buf_str(&written.text)));
    forget(&written);
}

static const char odd[] =
    "auspex: 1\n"
    "project: odd\n"
    "entities:\n"
    "  user: {keys: {id: int64}, description: \"who \\\"asks\\\"\\nand says\"}\n"
    "sources:\n"
    "  clicks:\n"
    "    files: c.csv\n"
    "    time: t\n"
    "    columns: {id: int64, t: timestamp, x: float64}\n"
    "    push: true\n"
    "  CLICKS: {files: d.csv, time: t, columns: {id: int64, t: timestamp, x: float64}}\n"
    "views:\n"
    "  one:\n"
    "    entity: user\n"
    "    source: clicks\n"
    "    ttl: 1500ms\n"
    "    fields:\n"
    "      x: {expr: \"x\\n  + 1\", deprecated: use y}\n"
    "      id: x\n"
    "      created: x\n"
    "      when: t\n"
    "      since: t - t\n"
    "  ONE: {entity: user, source: clicks, fields: {y: x}}\n"
    "  none: {entity: user, source: clicks, fields: {event_timestamp: x}}\n"
    "  lost: {entity: user, source: CLICKS, fields: {z: x}}\n"
    "services:\n"
    "  all: {features: [{view: one, fields: [x, created, when, since]}, {view: ONE}, {view: none}, "
    "{view: lost}]}\n";

static const char odd_notes[] =
    "source CLICKS is not there: Feast takes its name for that of source clicks\n"
    "field id of view one is not there: Feast takes it for the join key of its name\n"
    "field created of view one is not there: Feast has a column of its own of that name\n"
    "view ONE is not there: Feast takes its name for that of view one\n"
    "field event_timestamp of view none is not there: Feast has a column of its own of that name\n"
    "view none is not there: none of its fields is\n"
    "view lost is not there: its source CLICKS is not\n"
    "service all goes without view ONE\n"
    "service all goes without view none\n"
    "service all goes without view lost\n";

static void test_what_feast_refuses(void **state)
{
    static const char *const pieces[] = {
        ", description=\"who \\\"asks\\\"\\nand says\"\n)\n",
        "ttl=timedelta(microseconds=1500000)",
        "Field(name=\"x\", dtype=Float64, tags={\"deprecated\": \"use y\"}),  # x   + 1\n",
        "dtype=UnixTimestamp),  # t; whole seconds\n",
        "dtype=Int64),  # t - t; microseconds\n",
        "view_one[[\"x\", \"when\", \"since\"]],\n    ],\n)\n",
        "# service all goes without view lost\n",
    };
    static const char *const wrong[] = { "CLICKS__", "view_ONE", "view_lost", "view_none",
                                         "name=\"created\"" };
    struct ax_err err = AX_ERR_INIT;
    struct written written;
    (void)state;
    assert_int_equal(write_definitions(AX_STR(odd), &written, &err), AX_OK);
    for (size_t i = 0; i < AX_COUNT(pieces); i++)
        if (!has(&written, pieces[i]))
            fail_msg("%s is not in:\n%.*s", pieces[i], AX_STR_ARG(ax_buf_str(&written.text)));
    for (size_t i = 0; i < AX_COUNT(wrong); i++)
        assert_false(has(&written, wrong[i]));
    (void)ax_buf_append_char(&written.notes, '\0');
    assert_string_equal(written.notes.ptr, odd_notes);
    forget(&written);
}

static void test_project(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct written written;
    struct ax_buf yaml;
    (void)state;
    ax_buf_init(&yaml, (size_t)1 << 20);
    replace_text(ax_buf_str(&flights), "project: flights", "project: _flights", &yaml);
    assert_int_equal(write_definitions(ax_buf_str(&yaml), &written, &err), AX_E_INVALID);
    assert_string_equal(err.msg,
                        "Feast refuses the project '_flights', since its name begins with '_'");
    forget(&written);
    ax_buf_done(&yaml);
}

static void test_store(void **state)
{
    const struct ax_definitions definitions = { .project = AX_STR("flights") };
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    (void)state;
    ax_buf_init(&text, (size_t)1 << 10);
    assert_int_equal(ax_feast_put_store(&definitions, AX_STR("http://a:1"), &text, &err), AX_OK);
    (void)ax_buf_append_char(&text, '\0');
    assert_string_equal(text.ptr,
                        "project: flights\nprovider: local\nregistry: registry.db\n"
                        "entity_key_serialization_version: 3\nonline_store:\n  type: remote\n"
                        "  path: \"http://a:1\"\n");
    ax_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flights),
        cmocka_unit_test(test_what_feast_refuses),
        cmocka_unit_test(test_project),
        cmocka_unit_test(test_store),
    };
    return cmocka_run_group_tests(tests, make_definitions, remove_definitions);
}

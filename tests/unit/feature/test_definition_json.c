/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: equal meaning has equal canonical text and digest, another meaning another one; what is
 * said in passing (descriptions, deprecations, places) changes the text only.
 * Method: whole texts of some objects; pairs of definitions of one object that mean the same, and
 * pairs that do not; the schema is JSON and knows every key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "definition_fixture.h"

#include "base/json.h"
#include "feature/definition_keys.h"

#define BASE                                                                          \
    "auspex: 1\n"                                                                     \
    "entities: {e: {keys: {k: string}}}\n"                                            \
    "sources:\n"                                                                      \
    "  s: {files: a.csv, time: t, columns: {k: string, t: timestamp, x: float64, y: " \
    "int64}}\n"

static const void *object_of(const struct ax_definitions *definitions, enum ax_definition_kind kind)
{
    struct ax_str name;
    void *object = NULL;
    size_t at = 0;
    assert_true(ax_map_next(&definitions->names[kind], &at, &name, &object));
    return object;
}

/* The text and digest of the first object of that kind. */
static void put(const char *text, enum ax_definition_kind kind, struct ax_buf *out,
                char ret_digest[AX_SHA256_TEXT_SIZE])
{
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    if (read_definitions(ax_str_from(text), &read, &err))
        fail_msg("%s: %s", text, err.msg);
    ax_definition_put_json(out, kind, object_of(&read, kind));
    assert_int_equal(ax_definition_digest(kind, object_of(&read, kind), ret_digest, &err), AX_OK);
    /* Both at once are the same, also behind something else. */
    char digest[AX_SHA256_TEXT_SIZE];
    struct ax_buf both;
    ax_buf_init(&both, (size_t)1 << 20);
    (void)ax_buf_append_char(&both, '[');
    ax_definition_put_json_and_digest(&both, kind, object_of(&read, kind), digest);
    ax_buf_consume(&both, 1);
    struct ax_str all = ax_buf_str(out), end = ax_buf_str(&both);
    assert_true(end.len > 0 && end.len <= all.len);
    assert_memory_equal(all.ptr + all.len - end.len, end.ptr, end.len);
    assert_string_equal(digest, ret_digest);
    ax_buf_done(&both);
    ax_definitions_done(&read);
    assert_int_equal(out->failed, AX_OK);
}

static void whole_texts(void **state)
{
    (void)state;
    static const struct {
        enum ax_definition_kind kind;
        const char *text, *json;
    } rows[] = {
        { AX_DEFINITION_ENTITY, "auspex: 1\nentities: {e: {keys: {b: int64, a: string}}}\n",
          "{\"kind\":\"entity\",\"name\":\"e\",\"keys\":[{\"name\":\"b\",\"type\":\"int64\"},"
          "{\"name\":\"a\",\"type\":\"string\"}],\"notes\":{}}" },
        { AX_DEFINITION_SOURCE,
          "auspex: 1\nsources:\n  s:\n    sql: |\n      SELECT 1;\n    time: t\n    created: c\n"
          "    zone: Europe/Berlin\n    event_id: id\n    push: true\n    keep: 48h\n    "
          "description: d\n"
          "    columns: {t: timestamp, id: string, c: timestamp, x: list<int32>}\n"
          "    expect: [{check: not_null, column: id, do: fail}, {check: expression, expr: 't "
          "is null', mostly: 0.5}, {check: monotonic, column: t, by: id}]\n",
          "{\"kind\":\"source\",\"name\":\"s\",\"sql\":\"SELECT 1\",\"columns\":{\"c\":"
          "\"timestamp\",\"id\":\"string\",\"t\":\"timestamp\",\"x\":\"list<int32>\"},\"time\":"
          "\"t\",\"created\":\"c\",\"zone\":\"Europe/Berlin\",\"event_id\":[\"id\"],\"push\":true,"
          "\"expect\":[{\"check\":\"not_null\",\"columns\":[\"id\"],\"mostly\":1.0,\"do\":"
          "\"fail\"},{\"check\":\"expression\",\"expr\":\"t is null\",\"mostly\":0.5,\"do\":"
          "\"warn\"},{\"check\":\"monotonic\",\"columns\":[\"t\"],\"by\":[\"id\"],\"mostly\":1.0,"
          "\"do\":\"warn\"}],\"notes\":{\"description\":\"d\",\"keep\":\"2d\"}}" },
        { AX_DEFINITION_VIEW,
          BASE "views:\n  v:\n    entity: e\n    source: s\n    ttl: 90m\n    every: 60m\n"
               "    deprecated: use w\n"
               "    fields:\n      b: {expr: x>1, deprecated: true, default: true}\n"
               "      a: {expr: x, type: float32, default: 1, description: d}\n",
          "{\"kind\":\"view\",\"name\":\"v\",\"entity\":\"e\",\"source\":\"s\",\"keys\":{\"k\":"
          "\"k\"},\"ttl\":\"90m\",\"online\":true,\"exact_events\":0,\"fields\":{\"a\":{\"expr\":"
          "\"x\",\"type\":\"float32\",\"default\":1.0},\"b\":{\"expr\":\"x > 1.0\",\"type\":"
          "\"bool\",\"default\":true}},\"notes\":{\"deprecated\":\"use "
          "w\",\"every\":\"1h\",\"fields\":{\"a\":{"
          "\"description\":\"d\"},\"b\":{\"deprecated\":true}}}}" },
        { AX_DEFINITION_SERVICE,
          BASE "views: {v: {entity: e, source: s, fields: {f: x}}}\n"
               "services:\n  z:\n    request: {q: int64}\n    features:\n"
               "      - {view: v, as: r, keys: {k: call_k}}\n"
               "      - {name: g, expr: r__f + q}\n",
          "{\"kind\":\"service\",\"name\":\"z\",\"request\":{\"q\":\"int64\"},\"keys\":{\"call_k\":"
          "\"string\"},\"inputs\":[{\"name\":\"r__f\",\"from\":\"field\",\"type\":\"float64\","
          "\"view\":\"v\",\"field\":\"f\",\"keys\":{\"k\":\"call_k\"}},{\"name\":\"g\",\"from\":"
          "\"expr\",\"type\":\"float64\",\"expr\":\"r__f + cast(q as float64)\"}],"
          "\"exclude_self\":null,\"notes\":{}}" },
        { AX_DEFINITION_MODEL,
          "auspex: 1\nmodels:\n  m-1:\n    columns: [b, {name: a, required: true}]\n    train:\n"
          "      split: {test_from: \"2013-11-01\"}\n      rows: {sql: SELECT 1}\n      label: y\n"
          "      params: {objective: 'a', eta: 0.1, deep: [1, ~, x]}\n",
          "{\"kind\":\"model\",\"name\":\"m-1\",\"service\":null,\"columns\":[\"b\",{\"name\":"
          "\"a\",\"required\":true}],\"decision\":null,\"unknown_category\":\"error\",\"rows\":"
          "\"SELECT 1\",\"train\":{\"label\":\"y\",\"params\":{\"deep\":[1,null,\"x\"],\"eta\":0.1,"
          "\"objective\":\"a\"},\"split\":{\"test_from\":\"2013-11-01\"}},\"notes\":{}}" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char digest[AX_SHA256_TEXT_SIZE];
        struct ax_buf out;
        ax_buf_init(&out, (size_t)1 << 20);
        put(rows[i].text, rows[i].kind, &out, digest);
        if (!ax_str_is(ax_buf_str(&out), rows[i].json))
            fail_msg("%.*s\nis not\n%s", (int)out.len, out.ptr, rows[i].json);
        ax_buf_done(&out);
    }
}

static const char source_a[] = "auspex: 1\nsources: {s: {sql: SELECT 1, time: t, columns: {t: "
                               "timestamp, x: int64}}}\n";

static const struct {
    enum ax_definition_kind kind;
    const char *a, *b;
    bool is_equal;
} pairs[] = {
    { AX_DEFINITION_SOURCE, source_a,
      "auspex: 1\nsources:\n  s:\n    columns: {x: int64, t: timestamp}\n    time: t\n    zone: "
      "UTC\n    push: false\n    sql: |\n      SELECT 1;\n",
      true },
    { AX_DEFINITION_SOURCE, source_a,
      "auspex: 1\nsources: {s: {sql: SELECT 2, time: t, columns: {t: timestamp, x: int64}}}\n",
      false },
    { AX_DEFINITION_SOURCE, source_a,
      "auspex: 1\nsources: {s: {sql: SELECT 1, time: none, columns: {t: timestamp, x: int64}}}\n",
      false },
    { AX_DEFINITION_SOURCE, source_a,
      "auspex: 1\nsources: {s: {sql: SELECT 1, time: t, columns: {t: timestamp, x: int32}}}\n",
      false },
    { AX_DEFINITION_VIEW,
      BASE "views: {v: {entity: e, source: s, ttl: 3h, fields: {a: x>1, b: y}}}",
      BASE "views: {v: {source: s, entity: e, ttl: 180m, every: 1h, online: true, keys: {k: k}, "
           "description: d, "
           "fields: {b: {expr: (y), type: int64, default: ~, deprecated: old}, a: {expr: 'x  > "
           "1.0'}}}}",
      true },
    { AX_DEFINITION_VIEW, BASE "views: {v: {entity: e, source: s, fields: {a: x, b: y}}}",
      BASE "views: {v: {entity: e, source: s, fields: {a: x, c: y}}}", false },
    { AX_DEFINITION_VIEW, BASE "views: {v: {entity: e, source: s, fields: {a: x}}}",
      BASE "views: {v: {entity: e, source: s, fields: {a: {expr: x, default: 0}}}}", false },
    { AX_DEFINITION_VIEW, BASE "views: {v: {entity: e, source: s, fields: {a: x}}}",
      BASE "views: {v: {entity: e, source: s, fields: {a: {expr: x, type: float32}}}}", false },
    { AX_DEFINITION_VIEW, BASE "views: {v: {entity: e, source: s, fields: {a: sum(x) over 24h}}}",
      BASE "views: {v: {entity: e, source: s, exact_events: 1024, fields: {a: SUM(x) OVER 1d}}}",
      true },
    { AX_DEFINITION_VIEW, BASE "views: {v: {entity: e, source: s, fields: {a: sum(x) over 24h}}}",
      BASE "views: {v: {entity: e, source: s, exact_events: 10, fields: {a: sum(x) over 24h}}}",
      false },
    { AX_DEFINITION_VIEW, BASE "views: {v: {entity: e, source: s, fields: {a: x}}}",
      BASE "views: {v: {entity: e, source: s, ttl: 1d, fields: {a: x}}}", false },
    { AX_DEFINITION_SERVICE,
      BASE
      "services: {z: {request: {p: int64, q: {type: int64, required: false}}, features: [{name: "
      "p}, {name: q}]}}",
      BASE "services: {z: {features: [{name: p}, {name: q}], request: {q: int64, p: int64}, "
           "exclude_self: false}}",
      true },
    { AX_DEFINITION_SERVICE,
      BASE "services: {z: {request: {p: int64, q: int64}, features: [{name: p}, {name: q}]}}",
      BASE "services: {z: {request: {p: int64, q: int64}, features: [{name: q}, {name: p}]}}",
      false },
    { AX_DEFINITION_SERVICE, BASE "services: {z: {request: {p: int64}, features: [{name: p}]}}",
      BASE "services: {z: {request: {p: {type: int64, required: true}}, features: [{name: p}]}}",
      false },
};

static void meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(pairs); i++) {
        char digests[2][AX_SHA256_TEXT_SIZE];
        struct ax_buf out;
        ax_buf_init(&out, (size_t)1 << 20);
        put(pairs[i].a, pairs[i].kind, &out, digests[0]);
        put(pairs[i].b, pairs[i].kind, &out, digests[1]);
        if ((strcmp(digests[0], digests[1]) == 0) != pairs[i].is_equal)
            fail_msg("pair %zu: %.*s", i, (int)out.len, out.ptr);
        ax_buf_done(&out);
    }
}

static void every_object_of_the_flights_is_json(void **state)
{
    (void)state;
    struct ax_definitions read;
    struct ax_err err = AX_ERR_INIT;
    if (read_definitions(ax_buf_str(&flights), &read, &err))
        fail_msg("%s", err.msg);
    for (int kind = 0; kind < AX_DEFINITION_KIND_COUNT; kind++) {
        struct ax_str name;
        void *object;
        for (size_t at = 0; ax_map_next(&read.names[kind], &at, &name, &object);) {
            struct ax_json_doc *doc = NULL;
            struct ax_buf out;
            ax_buf_init(&out, (size_t)1 << 20);
            ax_definition_put_json(&out, (enum ax_definition_kind)kind, object);
            assert_int_equal(ax_json_parse(ax_buf_str(&out), &doc, &err), AX_OK);
            assert_true(ax_str_equals(ax_json_str(ax_json_get(ax_json_root(doc), "name")), name));
            ax_json_free(doc);
            ax_buf_done(&out);
        }
    }
    ax_definitions_done(&read);
}

static void the_schema_knows_every_key(void **state)
{
    (void)state;
    struct ax_json_doc *doc = NULL;
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    ax_definition_put_schema(&out);
    assert_int_equal(ax_json_parse(ax_buf_str(&out), &doc, &err), AX_OK);
    const struct ax_json *root = ax_json_root(doc);
    for (int i = 0; i < AX_MAPPING_COUNT; i++) {
        const struct ax_definition_keys *table = ax_definition_keys((enum ax_definition_mapping)i);
        const struct ax_json *form =
            i ? ax_json_get(ax_json_get(root, "$defs"), table->name) : root;
        struct ax_json_iter forms = ax_json_iterate(ax_json_get(form, "anyOf"));
        if (table->has_short && ax_json_next(&forms))
            form = ax_json_next(&forms);
        const struct ax_json *properties = ax_json_get(form, "properties");
        assert_int_equal(ax_json_count(properties), table->key_count);
        for (size_t k = 0; k < table->key_count; k++)
            assert_non_null(ax_json_get(properties, table->keys[k].name));
    }
    ax_json_free(doc);
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts),
        cmocka_unit_test(meaning),
        cmocka_unit_test(every_object_of_the_flights_is_json),
        cmocka_unit_test(the_schema_knows_every_key),
    };
    return cmocka_run_group_tests(tests, make_definitions, remove_definitions);
}

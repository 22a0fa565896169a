/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: definitions become a catalogue with their features and what each is made from, in one
 * order, whatever the order of the text; bytes an entity are counted. Method: a folder of
 * definitions with every kind of source and input, its edges printed as lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/definition_catalogue.h"

#include "base/buf.h"
#include "test_folder.h"

#include <stdio.h>

static const char text[] =
    "auspex: 1\n"
    "services:\n"
    "  s:\n"
    "    request: {d: float64}\n"
    "    features:\n"
    "      - {name: d}\n"
    "      - {name: k}\n"
    "      - {view: plain, as: p}\n"
    "      - {name: twice, expr: p__a * 2.0 + d}\n"
    "      - {name: thrice, expr: twice * 3.0}\n"
    "views:\n"
    "  plain:\n"
    "    entity: e\n"
    "    source: f\n"
    "    fields: {a: x + y, n: {expr: x, type: float32, deprecated: true}}\n"
    "  window:\n"
    "    entity: e\n"
    "    source: q\n"
    "    online: false\n"
    "    fields:\n"
    "      w: sum(x) filter (where y > 1.0) over 1h / count(*) over 2h\n"
    "      n: count(*) over 2h\n"
    "sources:\n"
    "  f: {files: 'd/*.csv', time: t, columns: {k: string, t: timestamp, x: float64, y: float64}}\n"
    "  q: {sql: select 1, time: t, event_id: [e], created: c, columns: {c: timestamp,\n"
    "      e: string, k: string, t: timestamp, x: float64, y: float64}}\n"
    "  b: {table: a.duckdb/main.t, time: t, columns: {k: string, t: timestamp}}\n"
    "entities: {e: {keys: {k: string}}}\n";

static const char expected[] =
    "entity e a.yaml:28: k string\n"
    "source b a.yaml:27: k string, t timestamp\n"
    "   <- table a.duckdb/main.t \n"
    "source f a.yaml:24: k string, t timestamp, x float64, y float64\n"
    "   <- file d/*.csv \n"
    "source q a.yaml:25: c timestamp, e string, k string, t timestamp, x float64, y float64\n"
    "   <- sql a.yaml:25 \n"
    "view plain a.yaml:12: a float64, n float32 deprecated\n"
    "   <- entity e \n"
    "   <- source f \n"
    "   <- source f k\n"
    "   <- source f t\n"
    "  a <- source f x\n"
    "  a <- source f y\n"
    "  n <- source f x\n"
    "view window a.yaml:16: w float64, n int64\n"
    "   <- entity e \n"
    "   <- source q \n"
    "   <- source q c\n"
    "   <- source q e\n"
    "   <- source q k\n"
    "   <- source q t\n"
    "  w <- source q x\n"
    "  w <- source q y\n"
    "  n <- source q \n"
    "service s a.yaml:3: d float64, k string, p__a float64, p__n float32, twice float64, "
    "thrice float64\n"
    "  d <- call s d\n"
    "  k <- call s k\n"
    "  p__a <- view plain a\n"
    "  p__n <- view plain n\n"
    "  twice <- call s d\n"
    "  twice <- service s p__a\n"
    "  thrice <- service s twice\n";

static void read_text(struct ax_definitions *definitions)
{
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/a.yaml", folder);
    assert_int_equal(ax_file_replace(path, ax_str_from(text), &err), AX_OK);
    if (ax_definitions_read(folder, definitions, &err))
        fail_msg("%s", err.msg);
}

static void put_object(struct ax_buf *out, const struct ax_registry_object *object)
{
    const char *separator = ": ";
    ax_buf_printf(out, "%s %.*s %.*s", ax_registry_kind_name(object->kind),
                  AX_STR_ARG(object->name), AX_STR_ARG(object->place));
    for (size_t i = 0; i < object->feature_count; i++) {
        ax_buf_printf(out, "%s%.*s %.*s%s", separator, AX_STR_ARG(object->features[i].name),
                      AX_STR_ARG(object->features[i].type),
                      object->features[i].deprecated ? " deprecated" : "");
        separator = ", ";
    }
    (void)ax_buf_append_char(out, '\n');
    for (size_t i = 0; i < object->edge_count; i++)
        ax_buf_printf(out, "  %.*s <- %.*s %.*s %.*s\n", AX_STR_ARG(object->edges[i].feature),
                      AX_STR_ARG(object->edges[i].kind), AX_STR_ARG(object->edges[i].name),
                      AX_STR_ARG(object->edges[i].part));
}

static void has_features_and_edges(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions definitions;
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    struct ax_buf out;
    read_text(&definitions);
    ax_arena_init(&arena, 4096, (size_t)64 << 20);
    ax_buf_init(&out, (size_t)1 << 20);
    assert_int_equal(ax_definition_catalogue(&definitions, &arena, &catalogue, &err), AX_OK);
    for (size_t i = 0; i < catalogue.object_count; i++) {
        const struct ax_registry_object *object = &catalogue.objects[i];
        put_object(&out, object);
        assert_true(strlen(object->digest) == AX_SHA256_TEXT_SIZE - 1 && object->version == 0);
        assert_true(ax_str_starts_with(object->definition, AX_STR("{\"kind\":\"")));
    }
    if (!ax_str_is(ax_buf_str(&out), expected))
        fail_msg("made:\n%.*s", AX_STR_ARG(ax_buf_str(&out)));
    ax_buf_done(&out);
    ax_arena_done(&arena);
    ax_definitions_done(&definitions);
}

static void counts_bytes(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_definitions definitions;
    const struct ax_entity_bytes *bytes;
    size_t count;
    struct ax_arena arena;
    read_text(&definitions);
    ax_arena_init(&arena, 4096, (size_t)64 << 20);
    assert_int_equal(ax_definition_bytes(&definitions, &arena, &bytes, &count, &err), AX_OK);
    assert_int_equal(count, 1);
    assert_int_equal(bytes[0].view_count, 1);
    /* Time and sequence, a byte of validity, float64, float32. */
    assert_int_equal(bytes[0].bytes, 16 + 1 + 8 + 4);
    assert_int_equal(bytes[0].window_bytes, 0); /* that view is not online */
    ax_arena_done(&arena);
    ax_definitions_done(&definitions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_features_and_edges),
        cmocka_unit_test(counts_bytes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

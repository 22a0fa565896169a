/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: keys that somebody gives become the bytes that the store has them under, each once; what is
 * no key is told with its column; and the rows of a source that are of these keys are found by any
 * of its views.
 * Method: options and files of lines, good and bad; four rows of a source that two views of one
 * entity have under different columns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "feature/source_keys.h"
#include "pipeline/given_keys.h"

#include "test_folder.h"

#include <stdio.h>

static const char definitions_text[] =
    "auspex: 1\n"
    "entities:\n"
    "  airport: {keys: {faa: string}}\n"
    "  route: {keys: {origin: string, number: int64}}\n"
    "sources:\n"
    "  s: {files: 's.csv', time: t, columns: {t: timestamp, from: string, to: string,\n"
    "    number: int64, x: float64}}\n"
    "views:\n"
    "  departures: {entity: airport, keys: {faa: from}, source: s, fields: {x: x}}\n"
    "  again: {entity: airport, keys: {faa: from}, source: s, fields: {x: x}, online: false}\n"
    "  arrivals: {entity: airport, keys: {faa: to}, source: s, fields: {x: x}}\n"
    "  routes: {entity: route, keys: {origin: from}, source: s, fields: {x: x}}\n";

enum { AIRPORT, ROUTE };

static struct ax_definitions definitions;
static struct ax_arena arena;
static struct ax_cells cells;
static struct ax_map keys;
static struct ax_err err = AX_ERR_INIT;

static int open_all(void **state)
{
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(definitions_text) };
    if (make_folder(state))
        return -1;
    ax_arena_init(&arena, 4096, (size_t)1 << 24);
    return ax_definitions_read_texts("f", &file, 1, &definitions, &err) ? -1 : 0;
}

static int close_all(void **state)
{
    ax_definitions_done(&definitions);
    ax_arena_done(&arena);
    return remove_folder(state);
}

static void begin(void)
{
    ax_arena_reset(&arena);
    ax_given_keys_init(&cells, &arena);
    ax_map_init(&keys);
}

/* Lines of a file, or one key; '|' divides columns. */
static enum ax_code take(size_t entity, const char *lines, const char *key)
{
    char path[256], text[256];
    char *texts[4];
    size_t count = 0;
    begin();
    (void)snprintf(path, sizeof(path), "%s/keys", folder);
    if (lines && (ax_file_replace(path, ax_str_from(lines), &err) ||
                  ax_given_keys_add_file(&cells, path, &err)))
        return err.code;
    (void)snprintf(text, sizeof(text), "%s", key ? key : "");
    char *rest = NULL;
    for (char *at = strtok_r(text, "|", &rest); at; at = strtok_r(NULL, "|", &rest))
        texts[count++] = at;
    if (key && ax_given_keys_add(&cells, texts, count, &err))
        return err.code;
    return ax_given_keys_make(&cells, &definitions.entities[entity], &keys, &err);
}

static void good(size_t entity, const char *lines, const char *key, size_t count)
{
    if (take(entity, lines, key))
        fail_msg("%s", err.msg);
    assert_int_equal(keys.count, count);
}

static void bad(size_t entity, const char *lines, const char *key, const char *words)
{
    assert_int_equal(take(entity, lines, key), AX_E_INVALID);
    if (!strstr(err.msg, words))
        fail_msg("'%s' is not in '%s'", words, err.msg);
    ax_err_clear(&err);
    ax_map_done(&keys);
}

static void test_keys(void **state)
{
    (void)state;
    good(AIRPORT, NULL, "faa=EWR", 1);
    assert_non_null(ax_map_get(&keys, AX_STR("EWR")));
    ax_map_done(&keys);
    good(AIRPORT, "{\"faa\":\"JFK\"}\n\n {\"faa\":\"JFK\"}\r\n{\"faa\":\"=\"}", "faa==", 2);
    assert_non_null(ax_map_get(&keys, AX_STR("=")));
    ax_map_done(&keys);
    good(ROUTE, "{\"number\":-7,\"origin\":\"EWR\"}\n", "origin=EWR|number=-7", 1);
    const char route[] = "\3\0\0\0EWR\xf9\xff\xff\xff\xff\xff\xff\xff";
    assert_non_null(ax_map_get(&keys, (struct ax_str){ route, sizeof(route) - 1 }));
    ax_map_done(&keys);
}

static void test_bad_keys(void **state)
{
    (void)state;
    bad(AIRPORT, "", NULL, "no key is given");
    bad(AIRPORT, NULL, "EWR", "'EWR' is no key; one is COLUMN=VALUE");
    bad(AIRPORT, NULL, "fa=EWR", "nearest is 'faa'");
    bad(AIRPORT, NULL, "faa=EWR|faa=JFK", "faa");
    bad(AIRPORT, "{\"faa\":\"EWR\"}\n{\"faa\":null}\n", NULL, "key 2 has no 'faa'");
    bad(AIRPORT, "{\"faa\":7}\n", NULL, "'faa', row 0: a text is wanted");
    bad(AIRPORT, "{\"faa\":[\"EWR\"]}\n", NULL, "line 1: 'faa': the value is no scalar");
    bad(AIRPORT, "\n[]\n", NULL, "line 2: expected an object");
    bad(ROUTE, "{\"origin\":\"EWR\",\"number\":1e999}\n", NULL,
        "line 1: malformed JSON at byte 25: the number is too large");
    bad(AIRPORT, "{\"faa\":\n", NULL, "line 1: ");
    bad(ROUTE, NULL, "origin=EWR", "key 1 has no 'number'");
    bad(ROUTE, NULL, "origin=EWR|number=1.5", "'number'");
    begin();
    assert_int_equal(ax_given_keys_add_file(&cells, "/nowhere/at/all", &err), AX_E_NOT_FOUND);
    ax_err_clear(&err);
}

enum { ROWS = 4 };

static void expect_found(size_t entity, const char *key, const bool *expected)
{
    struct ax_str from[ROWS] = { AX_STR("EWR"), AX_STR("JFK"), AX_STR("JFK"), AX_STR("EWR") };
    struct ax_str to[ROWS] = { AX_STR("JFK"), AX_STR("EWR"), AX_STR("LGA"), AX_STR("EWR") };
    int64_t numbers[ROWS] = { 1, 2, 1, 0 };
    uint64_t valid = 0x7; /* the last row has no number */
    const struct ax_values columns[] = {
        { .type = { AX_TYPE_TIMESTAMP, false }, .rows = ROWS, .i64s = numbers },
        { .type = { AX_TYPE_STRING, false }, .rows = ROWS, .texts = from },
        { .type = { AX_TYPE_STRING, false }, .rows = ROWS, .texts = to },
        { .type = { AX_TYPE_INT64, false }, .rows = ROWS, .i64s = numbers, .validity = &valid },
    };
    struct ax_source_keys wanted;
    bool found[ROWS];
    size_t count, expected_count = 0;
    good(entity, NULL, key, 1);
    if (ax_source_keys_init(&wanted, &definitions, &definitions.sources[0],
                            &definitions.entities[entity], &keys, &arena, &err) ||
        ax_source_keys_find(&wanted, columns, ROWS, &arena, found, &count, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(wanted.mapping_count, entity == AIRPORT ? 2 : 1);
    for (size_t row = 0; row < ROWS; row++) {
        assert_int_equal(found[row], expected[row]);
        expected_count += expected[row];
    }
    assert_int_equal(count, expected_count);
    ax_map_done(&keys);
}

static void test_rows_of_keys(void **state)
{
    (void)state;
    expect_found(AIRPORT, "faa=EWR", (const bool[]){ true, true, false, true });
    expect_found(AIRPORT, "faa=LGA", (const bool[]){ false, false, true, false });
    expect_found(AIRPORT, "faa=BOS", (const bool[]){ false, false, false, false });
    expect_found(ROUTE, "origin=EWR|number=1", (const bool[]){ true, false, false, false });
    expect_found(ROUTE, "origin=EWR|number=0", (const bool[]){ false, false, false, false });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_rows_of_keys),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

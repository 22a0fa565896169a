/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is written to a part is what is read from it, narrowed as it is stored, whatever the
 * types and whichever values are null; bytes from elsewhere that are none are refused; keys are as
 * the page says.
 * Method: random columns of all storage types and lists of them, written to parts and rows and read
 * back in batches beside what went in; parts merged field by field; bytes of rows and parts changed
 * one by one, where what is accepted must be readable (AddressSanitizer sees it); tables of keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/online_key.h"
#include "feature/online/online_layout.h"

#include "random_columns.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 20)

/* All storages, and lists of all of them, twice: more than one word of validity. */
enum { FIELDS = 4 * AX_STORAGE_COUNT + 30, ROWS = 150 };

static struct ax_storage storages[FIELDS];
static struct ax_online_layout layout;
static size_t all_fields[FIELDS];

static int setup(void **state)
{
    (void)state;
    ax_arena_init(&arena, ARENA_BYTES, 1024 * ARENA_BYTES);
    ax_random_init(&numbers, 3, 0);
    for (size_t i = 0; i < FIELDS; i++) {
        storages[i] = (struct ax_storage){ (enum ax_storage_kind)(i % AX_STORAGE_COUNT),
                                           i / AX_STORAGE_COUNT % 2 == 1 };
        all_fields[i] = i;
    }
    return ax_online_layout_init(&layout, 7, storages, FIELDS, &arena, &err);
}

static int teardown(void **state)
{
    (void)state;
    ax_arena_done(&arena);
    return 0;
}

struct columns {
    struct ax_values values[FIELDS];
    const struct ax_values *fields[FIELDS];
};

static struct columns *random_columns(size_t rows)
{
    struct columns *columns = ax_arena_alloc(&arena, 1, sizeof(*columns));
    assert_non_null(columns);
    for (size_t i = 0; i < FIELDS; i++) {
        random_column(&columns->values[i], storages[i], rows);
        columns->fields[i] = &columns->values[i];
    }
    return columns;
}

static struct ax_online_part *write_part(const struct columns *columns, size_t row,
                                         size_t *ret_bytes)
{
    struct ax_online_stamp stamp = { (int64_t)row, 2, 3 };
    size_t bytes = ax_online_part_write(&layout, &stamp, columns->fields, row, NULL);
    struct ax_online_part *part = malloc(bytes);
    assert_non_null(part);
    memset(part, 0xA5, bytes);
    assert_int_equal(ax_online_part_write(&layout, &stamp, columns->fields, row, part), bytes);
    assert_int_equal(part->stamp.time, row);
    assert_int_equal(bytes % 8, 0);
    *ret_bytes = bytes;
    return part;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct columns *columns = random_columns(ROWS);
    struct ax_online_part *parts[ROWS];
    struct ax_values out[FIELDS];
    for (size_t row = 0; row < ROWS; row++) {
        size_t bytes;
        parts[row] = write_part(columns, row, &bytes);
        assert_int_equal(ax_online_part_check(&layout, parts[row], bytes, &err), AX_OK);
    }
    free(parts[70]);
    parts[70] = NULL;
    assert_int_equal(ax_online_read(&layout, all_fields, FIELDS,
                                    (const struct ax_online_part *const *)parts, ROWS, &arena, out,
                                    &err),
                     AX_OK);
    for (size_t i = 0; i < FIELDS; i++) {
        for (size_t row = 0; row < ROWS; row++) {
            if (parts[row])
                assert_value(storages[i], &columns->values[i], row, &out[i], row);
            else
                assert_true(ax_values_is_null(&out[i], row));
        }
    }
    for (size_t row = 0; row < ROWS; row++)
        free(parts[row]);
}

static void fields_are_merged(void **state)
{
    (void)state;
    enum { MERGES = 40 };
    struct columns *columns = random_columns(2 * MERGES);
    for (size_t row = 0; row < MERGES; row++) {
        size_t bytes;
        struct ax_online_part *stored = write_part(columns, row, &bytes);
        struct ax_online_part *newer = write_part(columns, row + MERGES, &bytes);
        uint64_t given[2] = { ax_random_next(&numbers), ax_random_next(&numbers) };
        bytes = ax_online_part_merge(&layout, newer, given, stored, NULL);
        struct ax_online_part *merged = malloc(bytes);
        assert_non_null(merged);
        assert_int_equal(ax_online_part_merge(&layout, newer, given, stored, merged), bytes);
        assert_int_equal(ax_online_part_check(&layout, merged, bytes, &err), AX_OK);
        assert_int_equal(merged->stamp.time, row + MERGES);
        struct ax_values out[FIELDS];
        const struct ax_online_part *parts[] = { merged };
        assert_int_equal(ax_online_read(&layout, all_fields, FIELDS, parts, 1, &arena, out, &err),
                         AX_OK);
        for (size_t i = 0; i < FIELDS; i++)
            assert_value(storages[i], &columns->values[i],
                         given[i / 64] >> (i % 64) & 1 ? row + MERGES : row, &out[i], 0);
        free(stored);
        free(newer);
        free(merged);
    }
}

static void rows_have_parts_by_their_layouts(void **state)
{
    (void)state;
    const uint32_t ids[] = { 5, 9, 1, 7, 9, 5 };
    struct columns *columns = random_columns(AX_COUNT(ids));
    struct ax_online_part *parts[AX_COUNT(ids)];
    struct ax_online_row *row = NULL;
    size_t newest[10];
    memset(newest, 0xFF, sizeof newest);
    size_t bytes[AX_COUNT(ids)];
    for (size_t i = 0; i < AX_COUNT(ids); i++) {
        parts[i] = write_part(columns, i, &bytes[i]);
        size_t total = ax_online_row_with(row, AX_STR("key"), ids[i], parts[i], bytes[i], NULL);
        struct ax_online_row *next = malloc(total);
        assert_non_null(next);
        (void)ax_online_row_with(row, AX_STR("key"), ids[i], parts[i], bytes[i], next);
        free(row);
        row = next;
        newest[ids[i]] = i;
        assert_int_equal(ax_online_row_check(row, total, &err), AX_OK);
        assert_true(ax_str_is(ax_online_row_key(row), "key"));
        for (uint32_t id = 0; id < 10; id++) {
            const struct ax_online_part *part = ax_online_row_part(row, id);
            assert_int_equal(part != NULL, newest[id] != SIZE_MAX);
            if (part)
                assert_memory_equal(part, parts[newest[id]], bytes[newest[id]]);
        }
    }
    while (row->part_count > 1) {
        uint32_t gone = row->places[row->part_count / 2].layout;
        size_t total = ax_online_row_without(row, gone, NULL);
        struct ax_online_row *next = malloc(total);
        assert_non_null(next);
        (void)ax_online_row_without(row, gone, next);
        assert_int_equal(next->part_count, row->part_count - 1);
        free(row);
        row = next;
        assert_int_equal(ax_online_row_check(row, total, &err), AX_OK);
        assert_null(ax_online_row_part(row, gone));
        for (size_t i = 0; i < row->part_count; i++) {
            size_t at = newest[row->places[i].layout];
            assert_int_equal(ax_online_row_part_bytes(row, i), bytes[at]);
            assert_memory_equal(ax_online_row_part(row, row->places[i].layout), parts[at],
                                bytes[at]);
        }
    }
    free(row);
    for (size_t i = 0; i < AX_COUNT(ids); i++)
        free(parts[i]);
}

/* Read all of a row that was accepted, so that a sanitizer sees what lies outside. */
static void read_whole(const struct ax_online_row *row)
{
    struct ax_err failed = AX_ERR_INIT;
    struct ax_values out[FIELDS];
    size_t letters = ax_online_row_key(row).len;
    for (size_t at = 0; at < row->part_count; at++) {
        const struct ax_online_part *part = ax_online_row_part(row, row->places[at].layout);
        assert_non_null(part);
        size_t bytes = ax_online_row_part_bytes(row, at);
        if (ax_online_part_check(&layout, part, bytes, &failed)) {
            assert_int_equal(failed.code, AX_E_INVALID);
            continue;
        }
        assert_int_equal(ax_online_read(&layout, all_fields, FIELDS, &part, 1, &arena, out, &err),
                         AX_OK);
        for (size_t i = 0; i < FIELDS; i++) {
            for (size_t k = 0; out[i].type.kind == AX_TYPE_STRING && !out[i].type.is_list &&
                               k < out[i].texts[0].len;
                 k++)
                letters += out[i].texts[0].ptr[k] == 'x';
        }
    }
    assert_true(letters < SIZE_MAX);
}

static void bytes_that_are_no_row_are_refused(void **state)
{
    (void)state;
    struct columns *columns = random_columns(1);
    size_t bytes;
    struct ax_online_part *part = write_part(columns, 0, &bytes);
    size_t total = ax_online_row_with(NULL, AX_STR("abc"), 7, part, bytes, NULL);
    unsigned char *good = malloc(total);
    unsigned char *row = malloc(total);
    assert_true(good && row);
    (void)ax_online_row_with(NULL, AX_STR("abc"), 7, part, bytes, good);
    size_t refused = 0;
    for (size_t at = 0; at < total; at++) {
        for (size_t bit = 0; bit < 8; bit += 3) {
            struct ax_err failed = AX_ERR_INIT;
            memcpy(row, good, total);
            row[at] ^= (unsigned char)(1U << bit);
            if (ax_online_row_check(row, total, &failed)) {
                assert_int_equal(failed.code, AX_E_INVALID);
                refused++;
            } else {
                struct ax_arena kept = arena;
                ax_arena_init(&arena, ARENA_BYTES, 64 * ARENA_BYTES);
                read_whole((const struct ax_online_row *)(const void *)row);
                ax_arena_done(&arena);
                arena = kept;
            }
        }
    }
    assert_true(refused > 20);
    for (size_t len = 0; len < total; len++) {
        struct ax_err failed = AX_ERR_INIT;
        assert_int_equal(ax_online_row_check(good, len, &failed), AX_E_INVALID);
    }
    free(good);
    free(row);
    free(part);
}

static void a_status_is_that_of_the_moment(void **state)
{
    (void)state;
    static const struct {
        int64_t time, ttl, at;
        enum ax_online_status status;
    } cases[] = {
        { 100, 0, 100, AX_ONLINE_PRESENT },
        { 100, 0, 99, AX_ONLINE_NOT_FOUND },
        { 100, 10, 110, AX_ONLINE_PRESENT },
        { 100, 10, 111, AX_ONLINE_OUTSIDE_MAX_AGE },
        { 100, 10, 99, AX_ONLINE_NOT_FOUND },
        { INT64_MIN + 1, 10, INT64_MAX, AX_ONLINE_OUTSIDE_MAX_AGE },
        { AX_ONLINE_TIMELESS, 10, INT64_MAX, AX_ONLINE_PRESENT },
        { AX_ONLINE_TIMELESS, 0, INT64_MIN, AX_ONLINE_PRESENT },
        { INT64_MAX, INT64_MAX, INT64_MAX, AX_ONLINE_PRESENT },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_online_part part = { .stamp = { cases[i].time, 0, 0 } };
        assert_int_equal(ax_online_part_status(&part, cases[i].ttl, cases[i].at), cases[i].status);
    }
    assert_int_equal(ax_online_part_status(NULL, 0, 0), AX_ONLINE_NOT_FOUND);
}

/* ---- keys ---- */

static void keys_have_the_bytes_of_their_types(void **state)
{
    (void)state;
    const struct ax_definition_column columns[] = {
        { .storage = { AX_STORAGE_STRING, false } },
        { .storage = { AX_STORAGE_INT32, false } },
        { .storage = { AX_STORAGE_BOOL, false } },
    };
    struct ax_str texts[] = { AX_STR("ab"), AX_STR(""), AX_STR("c"), { NULL, 0 } };
    int64_t numbers_of[] = { 1, -2, 258, 0 };
    uint8_t bools[] = { 1, 0, 1, 0 };
    uint64_t second_null = ~(uint64_t)4;
    struct ax_values text = { .type = { AX_TYPE_STRING, false }, .rows = 4, .texts = texts };
    struct ax_values number = {
        .type = { AX_TYPE_INT64, false }, .rows = 4, .i64s = numbers_of, .validity = &second_null
    };
    struct ax_values flag = { .type = { AX_TYPE_BOOL, false }, .rows = 4, .bools = bools };
    const struct ax_values *values[] = { &text, &number, &flag };
    struct ax_entity entity = { .name = AX_STR("e"), .keys = columns, .key_count = 1 };
    struct ax_str keys[4];
    assert_int_equal(ax_online_keys_make(&entity, values, 4, &arena, keys, &err), AX_OK);
    assert_true(ax_str_is(keys[0], "ab") && ax_str_is(keys[2], "c"));
    assert_true(keys[1].ptr && !keys[1].len && keys[3].ptr && !keys[3].len);
    entity.keys = columns + 1;
    assert_int_equal(ax_online_keys_make(&entity, values + 1, 4, &arena, keys, &err), AX_OK);
    assert_true(ax_str_equals(keys[0], AX_STR("\1\0\0\0\0\0\0\0")));
    assert_true(ax_str_equals(keys[1], AX_STR("\376\377\377\377\377\377\377\377")));
    assert_null(keys[2].ptr);
    entity.keys = columns + 2;
    assert_int_equal(ax_online_keys_make(&entity, values + 2, 4, &arena, keys, &err), AX_OK);
    assert_true(ax_str_equals(keys[0], AX_STR("\1")) && ax_str_equals(keys[1], AX_STR("\0")));
    entity.keys = columns;
    entity.key_count = 3;
    assert_int_equal(ax_online_keys_make(&entity, values, 4, &arena, keys, &err), AX_OK);
    assert_true(ax_str_equals(keys[0], AX_STR("\2\0\0\0ab\1\0\0\0\0\0\0\0\1")));
    assert_true(ax_str_equals(keys[3], AX_STR("\0\0\0\0\0\0\0\0\0\0\0\0\0")));
    assert_null(keys[2].ptr);
}

static void a_key_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static char letters[AX_ONLINE_KEY_BYTES_MAX + 1];
    const struct ax_definition_column columns[] = { { .storage = { AX_STORAGE_STRING, false } },
                                                    { .storage = { AX_STORAGE_STRING, false } } };
    struct ax_str text = { letters, sizeof letters };
    struct ax_values values = { .type = { AX_TYPE_STRING, false }, .rows = 1, .texts = &text };
    const struct ax_values *both[] = { &values, &values };
    struct ax_str key;
    for (size_t count = 1; count <= 2; count++) {
        struct ax_entity entity = { .name = AX_STR("e"), .keys = columns, .key_count = count };
        struct ax_err failed = AX_ERR_INIT;
        text.len = count == 1 ? sizeof letters : sizeof letters / 2;
        assert_int_equal(ax_online_keys_make(&entity, both, 1, &arena, &key, &err), AX_OK);
        assert_int_equal(ax_online_keys_check(&entity, &key, 5000, 1, &failed), AX_E_TOO_LARGE);
        assert_non_null(strstr(failed.msg, "entity 'e' in row 5000 has"));
        text.len -= count == 1 ? 1 : 4;
        assert_int_equal(ax_online_keys_make(&entity, both, 1, &arena, &key, &err), AX_OK);
        assert_int_equal(key.len, AX_ONLINE_KEY_BYTES_MAX);
        assert_int_equal(ax_online_keys_check(&entity, &key, 5000, 1, &err), AX_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_are_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_have_parts_by_their_layouts, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_row_are_refused, setup, teardown),
        cmocka_unit_test(a_status_is_that_of_the_moment),
        cmocka_unit_test_setup_teardown(keys_have_the_bytes_of_their_types, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_too_long_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("feature/online/layout", tests, NULL, NULL);
}

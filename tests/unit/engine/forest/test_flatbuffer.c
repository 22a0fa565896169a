/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: fields are found, absent ones have their default, and no offset or count leads out of the
 *   message.
 * Method: one message with a field of each kind; then the message cut off behind every byte, and
 *   every byte of it changed, in memory of exactly its size, so that a sanitizer sees one too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/flatbuffer.h"

#include "flat_builder.h"
#include "forest_data.h"

enum { A_BOOL, A_BYTE, AN_INT, A_REAL, A_TEXT, NUMBERS, A_CHILD, CHILDREN, TEXTS, ABSENT, FIELDS };

static void build(struct flat_builder *b)
{
    flat_begin(b);
    size_t root = flat_table(b, FIELDS);
    flat_unset(b, root, FIELDS, ABSENT);
    flat_set(b, root, A_BOOL, 1, 1);
    flat_set(b, root, A_BYTE, 200, 1);
    flat_set(b, root, AN_INT, (uint32_t)-5, 4);
    flat_set(b, root, A_REAL, flat_bits_f64(0.1), 8);
    flat_text(b, flat_field_at(root, A_TEXT), "text");
    size_t numbers = flat_vector(b, root, NUMBERS, 3, 4);
    for (size_t i = 0; i < 3; i++)
        flat_put(b, numbers + 4 * i, flat_bits_f32(1.5f * (float)i), 4);
    flat_link(b, flat_field_at(root, A_CHILD));
    flat_set(b, flat_table(b, 1), 0, 1, 1);
    size_t children = flat_vector(b, root, CHILDREN, 2, 4);
    for (size_t i = 0; i < 2; i++) {
        flat_link(b, children + 4 * i);
        flat_set(b, flat_table(b, 3), 2, 70 + i, 4);
    }
    size_t texts = flat_vector(b, root, TEXTS, 1, 4);
    flat_text(b, texts, "");
}

static void fields_are_found(void **state)
{
    (void)state;
    struct flat_builder b;
    struct ax_err err = AX_ERR_INIT;
    struct ax_flat_table root;
    struct ax_flat_table child;
    struct ax_flat_vector vector;
    struct ax_str text;
    uint8_t byte;
    int32_t number;
    double real;
    bool truth;
    build(&b);
    assert_int_equal(ax_flat_root((struct ax_str){ b.bytes, b.len }, &root, &err), AX_OK);
    assert_int_equal(root.field_count, FIELDS);
    assert_true(ax_flat_has(&root, AN_INT));
    assert_false(ax_flat_has(&root, ABSENT) || ax_flat_has(&root, FIELDS));
    assert_true(!ax_flat_bool(&root, A_BOOL, false, &truth, &err) && truth);
    assert_true(!ax_flat_u8(&root, A_BYTE, 0, &byte, &err) && byte == 200);
    assert_true(!ax_flat_i32(&root, AN_INT, 0, &number, &err) && number == -5);
    assert_true(!ax_flat_f64(&root, A_REAL, 0, &real, &err) && real == 0.1);
    assert_true(!ax_flat_text(&root, A_TEXT, &text, &err) && ax_str_is(text, "text"));
    assert_true(!ax_flat_vector(&root, NUMBERS, 4, &vector, &err) && vector.count == 3);
    assert_true(ax_flat_load_f32(vector.ptr + 8) == 3.0f);
    assert_true(!ax_flat_child(&root, A_CHILD, &truth, &child, &err) && truth);
    assert_true(!ax_flat_u8(&child, 0, 0, &byte, &err) && byte == 1);
    assert_true(!ax_flat_vector(&root, CHILDREN, 4, &vector, &err) && vector.count == 2);
    assert_int_equal(ax_flat_vector_table(&vector, 1, &child, &err), AX_OK);
    assert_true(!ax_flat_i32(&child, 2, 0, &number, &err) && number == 71);
    assert_true(!ax_flat_vector(&root, TEXTS, 4, &vector, &err) && vector.count == 1);
    assert_true(!ax_flat_vector_text(&vector, 0, &text, &err) && text.ptr && !text.len);
    /* What is not there, whether the writer knew of it or not. */
    for (unsigned field = ABSENT; field <= FIELDS; field++) {
        assert_true(!ax_flat_bool(&root, field, true, &truth, &err) && truth);
        assert_true(!ax_flat_i32(&root, field, 9, &number, &err) && number == 9);
        assert_true(!ax_flat_f64(&root, field, 2.5, &real, &err) && real == 2.5);
        assert_true(!ax_flat_text(&root, field, &text, &err) && !text.ptr && !text.len);
        assert_true(!ax_flat_vector(&root, field, 4, &vector, &err) && !vector.count);
        assert_true(!ax_flat_child(&root, field, &truth, &child, &err) && !truth);
    }
    assert_string_equal(err.msg, "");
}

/* Follow everything that can be followed. Returns how many bytes were seen. */
static size_t visit(struct ax_str message)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_flat_table root;
    struct ax_flat_table child;
    struct ax_flat_vector vector;
    struct ax_str text;
    int32_t number;
    double real;
    bool is_present;
    size_t seen = 0;
    if (ax_flat_root(message, &root, &err))
        return 0;
    for (unsigned field = 0; field < FIELDS; field++) {
        err = (struct ax_err)AX_ERR_INIT;
        seen += !ax_flat_i32(&root, field, 0, &number, &err) && number != 0;
        seen += !ax_flat_f64(&root, field, 0, &real, &err) && real != 0;
        if (!ax_flat_text(&root, field, &text, &err) && text.ptr)
            seen += strnlen(text.ptr, text.len);
        if (!ax_flat_child(&root, field, &is_present, &child, &err) && is_present)
            seen += !ax_flat_i32(&child, 2, 1, &number, &err);
        if (ax_flat_vector(&root, field, 4, &vector, &err))
            continue;
        for (size_t i = 0; i < vector.count; i++) {
            err = (struct ax_err)AX_ERR_INIT;
            seen += !ax_flat_vector_table(&vector, i, &child, &err) &&
                    !ax_flat_i32(&child, 2, 1, &number, &err);
            if (!ax_flat_vector_text(&vector, i, &text, &err))
                seen += strnlen(text.ptr, text.len);
        }
    }
    return seen;
}

static void nothing_leads_out(void **state)
{
    (void)state;
    struct flat_builder b;
    build(&b);
    size_t whole = visit((struct ax_str){ b.bytes, b.len });
    assert_true(whole > 8);
    for (size_t len = 0; len < b.len; len++) {
        char *exact = forest_copy((struct ax_str){ b.bytes, len });
        (void)visit((struct ax_str){ exact, len });
        free(exact);
    }
    static const unsigned char changes[] = { 0x00, 0x01, 0x04, 0x7f, 0x80, 0xff };
    for (size_t i = 0; i < b.len; i++) {
        for (size_t c = 0; c < AX_COUNT(changes); c++) {
            char *exact = forest_copy((struct ax_str){ b.bytes, b.len });
            exact[i] = (char)changes[c];
            (void)visit((struct ax_str){ exact, b.len });
            free(exact);
        }
    }
}

/* Offsets and counts that lie, each refused with its place. */
static void lies_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        uint32_t offset; /* of the field */
    } lies[] = {
        { A_TEXT, 0 }, { A_TEXT, UINT32_MAX }, { A_CHILD, 0x7fffffff }, { NUMBERS, 4000 }
    };
    for (size_t i = 0; i < AX_COUNT(lies); i++) {
        struct flat_builder b;
        struct ax_err err = AX_ERR_INIT;
        struct ax_flat_table root;
        struct ax_flat_table child;
        struct ax_flat_vector vector;
        bool is_present;
        build(&b);
        assert_int_equal(ax_flat_root((struct ax_str){ b.bytes, b.len }, &root, &err), AX_OK);
        flat_set(&b, root.at, lies[i].field, lies[i].offset, 4);
        enum ax_code code = lies[i].field == A_CHILD
                                ? ax_flat_child(&root, A_CHILD, &is_present, &child, &err)
                                : ax_flat_vector(&root, (unsigned)lies[i].field, 1, &vector, &err);
        assert_int_equal(code, AX_E_INVALID);
        assert_non_null(strstr(err.msg, "leads out of the message"));
    }
    struct flat_builder b;
    struct ax_err err = AX_ERR_INIT;
    struct ax_flat_table root;
    struct ax_flat_vector vector;
    build(&b);
    assert_int_equal(ax_flat_root((struct ax_str){ b.bytes, b.len }, &root, &err), AX_OK);
    assert_int_equal(ax_flat_vector(&root, NUMBERS, 4, &vector, &err), AX_OK);
    flat_put(&b, (size_t)(vector.ptr - b.bytes) - 4, UINT32_MAX, 4);
    assert_int_equal(ax_flat_vector(&root, NUMBERS, 4, &vector, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "the 4294967295 elements announced at byte"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(nothing_leads_out),
        cmocka_unit_test(lies_are_refused),
    };
    return cmocka_run_group_tests_name("engine/forest/flatbuffer", tests, NULL, NULL);
}

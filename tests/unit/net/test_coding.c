/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is compressed comes back the same, whatever the pieces; damage and cuts are noticed;
 * the headers are understood as RFC 9110 has them; coders are bounded and charged.
 * Method: tables of headers; a stream is made by one coder and taken apart by another. Streams of
 * another library: test_http1.c, and tests/e2e/test_compression.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/coding.h"

#include "base/alloc.h"
#include "torture.h"

#include <stdlib.h>

static void content_encodings(void **state)
{
    static const struct {
        const char *value;
        int coding; /* -1: none of ours */
    } cases[] = {
        { "gzip", AX_CODING_GZIP },
        { "x-gzip", AX_CODING_GZIP },
        { "GZIP", AX_CODING_GZIP },
        { "deflate", AX_CODING_DEFLATE },
        { "", -1 },
        { "identity", AX_CODING_IDENTITY },
        { "br", -1 },
        { "gzip, deflate", -1 },
        { "gzip ", -1 },
        { "zstd", -1 },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        enum ax_coding coding = AX_CODING_COUNT;
        bool known = ax_coding_parse(ax_str_from(cases[i].value), &coding);
        assert_int_equal(known, cases[i].coding >= 0);
        if (known)
            assert_int_equal(coding, cases[i].coding);
    }
}

static void accepted_encodings(void **state)
{
    static const struct {
        const char *value;
        enum ax_coding coding;
    } cases[] = {
        { "gzip", AX_CODING_GZIP },
        { "deflate", AX_CODING_DEFLATE },
        { "gzip, deflate", AX_CODING_GZIP },
        { "deflate, gzip", AX_CODING_GZIP },
        { "gzip, deflate, br, zstd", AX_CODING_GZIP },
        { "gzip;q=0.5, deflate;q=0.8", AX_CODING_DEFLATE },
        { "gzip;q=0.5,deflate;q=0.499", AX_CODING_GZIP },
        { "GZIP ; Q=1.000", AX_CODING_GZIP },
        { "\tgzip\t;\tq=1\t,\tbr", AX_CODING_GZIP },
        { "gzip;x=1;q=0", AX_CODING_IDENTITY },
        { "gzip;q=0", AX_CODING_IDENTITY },
        { "gzip;q=0.000, deflate;q=0.001", AX_CODING_DEFLATE },
        { "identity", AX_CODING_IDENTITY },
        { "identity, gzip;q=0.5", AX_CODING_IDENTITY },
        { "identity;q=0.5, gzip;q=0.5", AX_CODING_GZIP },
        { "identity;q=0, gzip", AX_CODING_GZIP },
        { "*", AX_CODING_GZIP },
        { "*;q=0", AX_CODING_IDENTITY },
        { "*;q=0.5, gzip;q=0", AX_CODING_DEFLATE },
        { "br, *;q=0.1", AX_CODING_GZIP },
        { "", AX_CODING_IDENTITY },
        { ",,, ,", AX_CODING_IDENTITY },
        { "br", AX_CODING_IDENTITY },
        { "gzipped", AX_CODING_IDENTITY },
        { "gzip;q=1.1", AX_CODING_IDENTITY },
        { "gzip;q=2", AX_CODING_IDENTITY },
        { "gzip;q=-1", AX_CODING_IDENTITY },
        { "gzip;q=", AX_CODING_IDENTITY },
        { "gzip;q=0.1234", AX_CODING_IDENTITY },
        { "gzip;q=0,5", AX_CODING_IDENTITY },
        { "gzip;q", AX_CODING_IDENTITY },
        { "gzip;q=1.", AX_CODING_GZIP },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        if (ax_coding_choose(ax_str_from(cases[i].value)) != cases[i].coding)
            fail_msg("%s", cases[i].value);
}

/* Run a coder over all of `in`, in pieces; the last event. */
static enum ax_coder_event run(struct ax_coder *coder, struct ax_str in, size_t piece, size_t room,
                               struct ax_buf *out)
{
    enum ax_coder_event event = AX_CODER_MORE;
    size_t at = 0;
    do {
        struct ax_str next = { in.ptr + at, AX_MIN(piece, in.len - at) };
        at += next.len;
        do {
            char *to = ax_buf_reserve(out, room);
            assert_non_null(to);
            size_t len = 0;
            event = ax_coder_run(coder, &next, at == in.len, to, room, &len);
            assert_true(len <= room && (event != AX_CODER_FULL || len == room));
            ax_buf_added(out, len);
        } while (event == AX_CODER_FULL);
        assert_true(event != AX_CODER_MORE || next.len == 0);
    } while (at < in.len && event == AX_CODER_MORE);
    return event;
}

static struct ax_str make_text(size_t len, uint64_t seed)
{
    char *text = ax_xalloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        /* Repetitive and random by turns. */
        text[i] = (char)(i / 1000 % 2 ? seed >> 56 : 'a' + i % 7);
    }
    return (struct ax_str){ text, len };
}

static void round_trips(void **state)
{
    static const enum ax_coding codings[] = { AX_CODING_GZIP, AX_CODING_DEFLATE };
    static const size_t lengths[] = { 0, 1, 100, 5000, 300000 };
    static const size_t pieces[][2] = { { SIZE_MAX, 65536 }, { 1, 100 }, { 777, 1 } };
    (void)state;
    struct ax_budget budget = { .max = (size_t)1 << 30 };
    struct ax_coder_pool pool;
    ax_coder_pool_init(&pool, &budget);
    for (size_t i = 0; i < 2 * AX_COUNT(lengths); i++) {
        struct ax_str text = make_text(lengths[i / 2], i);
        struct ax_buf packed, plain;
        ax_buf_init(&packed, SIZE_MAX / 2);
        ax_buf_init(&plain, SIZE_MAX / 2);
        struct ax_coder *coder = ax_coder_take_deflate(&pool, codings[i % 2]);
        assert_int_equal(budget.used, coder ? AX_CODER_DEFLATE_BYTES : 0);
        if (coder)
            assert_int_equal(run(coder, text, 10000, 10000, &packed), AX_CODER_END);
        ax_coder_give_back(&pool, coder);
        for (size_t k = 0; coder && k < AX_COUNT(pieces); k++) {
            struct ax_coder *back = ax_coder_take_inflate(&pool, codings[i % 2]);
            assert_int_equal(budget.used, back ? AX_CODER_INFLATE_BYTES : 0);
            ax_buf_reset(&plain);
            enum ax_coder_event event =
                back ? run(back, ax_buf_str(&packed), pieces[k][0], pieces[k][1], &plain)
                     : AX_CODER_MEMORY;
            if (event == AX_CODER_MEMORY) {
                assert_true(ax_torture_struck());
            } else {
                assert_int_equal(event, AX_CODER_END);
                assert_int_equal(plain.len, text.len);
                assert_memory_equal(plain.ptr ? plain.ptr : "", text.ptr, text.len);
            }
            ax_coder_give_back(&pool, back);
        }
        ax_buf_done(&packed);
        ax_buf_done(&plain);
        free((void *)(uintptr_t)text.ptr);
    }
    assert_int_equal(budget.used, 0);
    ax_coder_pool_done(&pool);
}

/* Each byte changed, and each cut: an error or an unfinished stream, never another text. */
static void damage_is_noticed(void **state)
{
    static const enum ax_coding codings[] = { AX_CODING_GZIP, AX_CODING_DEFLATE };
    (void)state;
    if (ax_torture_struck())
        return;
    struct ax_budget budget = { .max = (size_t)1 << 30 };
    struct ax_coder_pool pool;
    ax_coder_pool_init(&pool, &budget);
    struct ax_str text = make_text(1500, 3);
    for (size_t i = 0; i < AX_COUNT(codings); i++) {
        struct ax_buf packed, plain;
        ax_buf_init(&packed, SIZE_MAX / 2);
        ax_buf_init(&plain, SIZE_MAX / 2);
        struct ax_coder *coder = ax_coder_take_deflate(&pool, codings[i]);
        if (coder)
            assert_int_equal(run(coder, text, text.len, 10000, &packed), AX_CODER_END);
        ax_coder_give_back(&pool, coder);
        for (size_t at = 0; at < 2 * packed.len; at++) {
            struct ax_coder *back = ax_coder_take_inflate(&pool, codings[i]);
            if (!back)
                break;
            bool is_cut = at >= packed.len;
            size_t len = is_cut ? at - packed.len : packed.len;
            if (!is_cut)
                packed.ptr[at] ^= 0x10;
            ax_buf_reset(&plain);
            enum ax_coder_event event =
                run(back, (struct ax_str){ packed.ptr, len }, SIZE_MAX, 100000, &plain);
            if (!is_cut)
                packed.ptr[at] ^= 0x10;
            if (event == AX_CODER_END) {
                /* Some bits say nothing about the text: gzip's time and system, padding. */
                assert_false(is_cut);
                assert_int_equal(plain.len, text.len);
                assert_memory_equal(plain.ptr, text.ptr, text.len);
            } else {
                assert_int_equal(event, is_cut ? AX_CODER_MORE : event);
            }
            ax_coder_give_back(&pool, back);
        }
        ax_buf_done(&packed);
        ax_buf_done(&plain);
    }
    free((void *)(uintptr_t)text.ptr);
    assert_int_equal(budget.used, 0);
    ax_coder_pool_done(&pool);
}

static void coders_are_bounded(void **state)
{
    enum { MANY = 100 };
    struct ax_coder *taken[MANY];
    (void)state;
    struct ax_budget budget = { .max = 3 * AX_CODER_INFLATE_BYTES + 7 };
    struct ax_coder_pool pool;
    ax_coder_pool_init(&pool, &budget);
    size_t count = 0;
    while (count < MANY && (taken[count] = ax_coder_take_inflate(&pool, AX_CODING_GZIP)))
        count++;
    if (!ax_torture_struck())
        assert_int_equal(count, 3);
    while (count)
        ax_coder_give_back(&pool, taken[--count]);
    assert_int_equal(budget.used, 0);
    budget.max = SIZE_MAX;
    while (count < MANY && (taken[count] = ax_coder_take_deflate(&pool, AX_CODING_DEFLATE)))
        count++;
    if (!ax_torture_struck())
        assert_int_equal(count, 64);
    while (count)
        ax_coder_give_back(&pool, taken[--count]);
    assert_int_equal(budget.used, 0);
    /* What is given back is used again, with nothing of before. */
    struct ax_coder *coder = ax_coder_take_inflate(&pool, AX_CODING_DEFLATE);
    if (coder) {
        assert_int_equal(ax_buf_append(ax_coder_input(coder), "x", 1), 0);
        ax_coder_give_back(&pool, coder);
        assert_ptr_equal(ax_coder_take_inflate(&pool, AX_CODING_GZIP), coder);
        assert_int_equal(ax_coder_input(coder)->len, 0);
        ax_coder_give_back(&pool, coder);
    }
    ax_coder_give_back(&pool, NULL);
    ax_coder_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_encodings),  cmocka_unit_test(accepted_encodings),
        cmocka_unit_test(round_trips),        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(coders_are_bounded),
    };
    return cmocka_run_group_tests_name("net/coding", tests, NULL, NULL);
}

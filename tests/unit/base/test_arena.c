/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: allocations are aligned, apart from each other and within the maximum; reset keeps only a
 * typical block.
 * Method: random sizes and alignments filled with a pattern each, then all checked; limits one byte
 * apart. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

#include "random.h"
#include "torture.h"

#include <string.h>

enum { PIECES = 500 };

/* True when the refusal was the torture's, which is then reported rightly. */
static bool refused(const struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    assert_true(ax_torture_struck());
    assert_int_equal(ax_arena_fail(arena, "a piece", &err), AX_E_LIMIT);
    assert_string_equal(err.msg, "no memory for a piece");
    return true;
}

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 100, 1 << 22);
    uint64_t random = 1;
    for (int round = 0; round < 20; round++) {
        unsigned char *pieces[PIECES];
        size_t sizes[PIECES];
        size_t count = 0;
        for (; count < PIECES; count++) {
            size_t align = (size_t)1 << test_random(&random) % (count % 50 ? 7 : 13);
            sizes[count] = test_random(&random) % 300;
            pieces[count] = ax_arena_alloc_aligned(&arena, sizes[count], 1, align);
            if (!pieces[count] && refused(&arena))
                break;
            assert_true(((uintptr_t)pieces[count] & (align - 1)) == 0);
            memset(pieces[count], (int)count & 255, sizes[count]);
        }
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(pieces[i][k], i & 255);
        ax_arena_reset(&arena);
    }
    ax_arena_done(&arena);
}

static void maximum_holds(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 64, 1000);
    struct ax_err err = AX_ERR_INIT;
    assert_null(ax_arena_alloc_aligned(&arena, 1001, 1, 1));
    assert_int_equal(ax_arena_fail(&arena, "a row", &err), AX_E_TOO_LARGE);
    assert_string_equal(err.msg, "1000 bytes are not enough for a row");
    assert_null(ax_arena_alloc(&arena, SIZE_MAX / 2, 4));
    assert_null(ax_arena_zalloc(&arena, SIZE_MAX, SIZE_MAX));
    if (ax_arena_alloc_aligned(&arena, 1000, 1, 1) || !refused(&arena))
        assert_null(ax_arena_alloc_aligned(&arena, 1, 1, 1));
    ax_arena_done(&arena);
}

/* Padding in a fresh block must not let `used` pass the maximum. */
static void padding_does_not_pass_the_maximum(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 16, 4200);
    for (int i = 0; i < 100; i++) {
        (void)!ax_arena_alloc_aligned(&arena, 40, 1, 4096);
        assert_true(arena.used <= arena.max);
    }
    assert_null(ax_arena_alloc_aligned(&arena, 4200, 1, 1));
    ax_arena_done(&arena);
}

static void reset_keeps_a_typical_block(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 8192, 1 << 24);
    const char *first = ax_arena_alloc(&arena, 100, 1);
    const char *next = ax_arena_alloc(&arena, 100000, 1);
    ax_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    if (first && next) {
        assert_ptr_equal(ax_arena_alloc(&arena, 100, 1), first);
        ax_arena_reset(&arena);
    }
    ax_arena_done(&arena);
    assert_true(ax_arena_alloc(&arena, 1 << 20, 1) || refused(&arena));
    ax_arena_reset(&arena);
    assert_null(arena.blocks);
    ax_arena_done(&arena);
}

/* Two arenas share a budget; what may be kept over a reset is not charged. */
static void a_budget_is_shared(void **state)
{
    (void)state;
    struct ax_budget budget = { .max = 100000 };
    struct ax_arena one, two;
    ax_arena_init(&one, 4096, 1 << 20);
    ax_arena_init(&two, 4096, 1 << 20);
    one.budget = two.budget = &budget;
    assert_true(ax_arena_alloc(&one, 8000, 1) || refused(&one));
    assert_int_equal(budget.used, 0);
    bool has = ax_arena_alloc(&one, 60000, 1) != NULL;
    assert_true(has ? budget.used >= 60000 : refused(&one));
    void *more = ax_arena_alloc(&two, 60000, 1);
    if (has) {
        struct ax_err err = AX_ERR_INIT;
        assert_null(more);
        assert_int_equal(ax_arena_fail(&two, "more", &err), AX_E_LIMIT);
    }
    assert_true(budget.used <= budget.max);
    ax_arena_reset(&one);
    assert_int_equal(budget.used, more ? budget.used : 0);
    more = ax_arena_alloc(&two, 60000, 1);
    assert_true(more || refused(&two));
    ax_arena_done(&two);
    ax_arena_done(&one);
    assert_int_equal(budget.used, 0);
}

static void texts_and_zeros(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 64, 4096);
    char *dirty = ax_arena_alloc(&arena, 64, 1);
    if (dirty)
        memset(dirty, 0xAA, 64);
    ax_arena_reset(&arena);
    const unsigned char *zeros = ax_arena_zalloc(&arena, 8, 8);
    for (size_t i = 0; zeros && i < 64; i++)
        assert_int_equal(zeros[i], 0);
    const char *text = ax_arena_strdup(&arena, AX_STR("tail"));
    if (text)
        assert_string_equal(text, "tail");
    text = ax_arena_strdup(&arena, (struct ax_str){ NULL, 0 });
    if (text)
        assert_string_equal(text, "");
    ax_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(maximum_holds),
        cmocka_unit_test(padding_does_not_pass_the_maximum),
        cmocka_unit_test(reset_keeps_a_typical_block),
        cmocka_unit_test(a_budget_is_shared),
        cmocka_unit_test(texts_and_zeros),
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: blocks keep their contents while they grow, a large one without a copy; what is freed into
 * a waste is given back bit by bit, oldest first, and never the reason for a refusal. Method: sizes
 * around the border between the two kinds; the kernel's view (mincore) tells what is mapped and
 * which pages were ever touched. Also run with refused allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/block.h"

#include "torture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB       ((size_t)1 << 20)
#define PAGE_SIZE ((size_t)4096)

/* Like a caller: a refusal ends the test, but only in a torture run. */
static bool refused(const void *ptr)
{
    assert_true(ptr || ax_torture_struck());
    return !ptr;
}

static void fill(char *ptr, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        ptr[i] = (char)(i * 2654435761u >> 24);
}

static void assert_filled(const char *ptr, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (ptr[i] != (char)(i * 2654435761u >> 24))
            fail_msg("byte %zu of %zu is lost", i, len);
}

static size_t resident_pages(char *ptr, size_t size)
{
    size_t count = 0;
    for (size_t at = 0; at < size; at += PAGE_SIZE) {
        unsigned char page;
        assert_int_equal(mincore(ptr + at, PAGE_SIZE, &page), 0);
        count += page & 1;
    }
    return count;
}

/* Whether anything is mapped at this page. */
static bool is_mapped_at(char *ptr)
{
    unsigned char page;
    int result = mincore(ptr, PAGE_SIZE, &page);
    assert_true(result == 0 || errno == ENOMEM);
    return result == 0;
}

static void contents_survive_growth(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1,       2,           4096,        MIB - 1,     MIB,
                                    MIB + 1, 3 * MIB / 2, 3 * MIB + 7, 8 * MIB - 1, 40 * MIB };
    char *ptr = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *grown = ax_block_grow(ptr, size, size, sizes[i]);
        if (refused(grown)) {
            assert_filled(ptr, size); /* as it was */
            continue;
        }
        assert_filled(grown, size);
        fill(grown, size, sizes[i]);
        ptr = grown;
        size = sizes[i];
        assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
    }
    ax_block_free(ptr, size);
}

/* Growing touches neither the pages that were written nor the others: a copy would touch both. */
static void a_large_block_is_not_copied(void **state)
{
    (void)state;
    char *ptr = ax_block_grow(NULL, 0, 0, 64 * MIB);
    if (refused(ptr))
        return;
    ptr[5 * MIB] = 'x';
    size_t before = resident_pages(ptr, 64 * MIB);
    char *grown = ax_block_grow(ptr, 64 * MIB, 64 * MIB, 128 * MIB);
    if (refused(grown)) {
        ax_block_free(ptr, 64 * MIB);
        return;
    }
    assert_int_equal(grown[5 * MIB], 'x');
    assert_true(before < 64 * MIB / PAGE_SIZE / 2);
    assert_int_equal(resident_pages(grown, 128 * MIB), before);
    ax_block_free(grown, 128 * MIB);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 4 };
    char *ptr = ax_block_grow(NULL, 0, 0, 2 * MIB);
    if (refused(ptr))
        return;
    fill(ptr, 0, 2 * MIB);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_null(ax_block_grow(NULL, 0, 0, sizes[i]));
        assert_null(ax_block_grow(ptr, 2 * MIB, 2 * MIB, sizes[i]));
    }
    assert_filled(ptr, 2 * MIB);
    ax_block_free(ptr, 2 * MIB);
    ax_block_free(NULL, 0);
    ax_block_free(NULL, 2 * MIB);
}

static void without_a_waste_nothing_waits(void **state)
{
    (void)state;
    struct ax_block_waste waste = { 0 };
    char *ptr = ax_block_grow(NULL, 0, 0, 4 * MIB);
    if (refused(ptr))
        return;
    ax_block_waste_enter(&waste);
    ax_block_waste_enter(NULL);
    ax_block_free(ptr, 4 * MIB);
    assert_false(is_mapped_at(ptr));
    assert_int_equal(waste.bytes, 0);
}

static void waste_goes_back_in_parts(void **state)
{
    (void)state;
    struct ax_block_waste waste = { 0 };
    static const size_t sizes[] = { 5 * MIB + 1, MIB - 1, MIB, 3 * MIB / 2 };
    char *blocks[4];
    ax_block_waste_enter(&waste);
    size_t expected = 0;
    bool all = true;
    for (size_t i = 0; i < 4; i++) {
        blocks[i] = ax_block_grow(NULL, 0, 0, sizes[i]);
        all = !refused(blocks[i]) && all;
        ax_block_free(blocks[i], sizes[i]);
        /* Small ones do not wait; of the others the kernel's share is counted. */
        if (blocks[i] && sizes[i] >= MIB)
            expected += (sizes[i] + 65535) / 65536 * 65536;
        assert_int_equal(waste.bytes, expected);
    }
    size_t calls = 0;
    bool oldest_first = true;
    while (waste.first) {
        size_t before = waste.bytes;
        if (all && is_mapped_at(blocks[0]))
            oldest_first = oldest_first && is_mapped_at(blocks[2]) && is_mapped_at(blocks[3]);
        ax_block_waste_release(&waste);
        assert_int_equal(before - waste.bytes, before < MIB ? before : MIB);
        calls++;
    }
    assert_true(oldest_first);
    assert_int_equal(waste.bytes, 0);
    assert_null(waste.last);
    assert_int_equal(calls, (expected + MIB - 1) / MIB);
    for (size_t i = 0; all && i < 4; i++)
        assert_true(sizes[i] < MIB || !is_mapped_at(blocks[i]));
    ax_block_waste_enter(NULL);
    ax_block_waste_done(&waste);
}

/* However fast large blocks are freed, what waits stays below 64 times of what comes a round. */
static void waste_does_not_pile_up(void **state)
{
    (void)state;
    struct ax_block_waste waste = { 0 };
    ax_block_waste_enter(&waste);
    for (size_t i = 0; i < 2000; i++) {
        for (size_t k = 0; k < 2; k++)
            ax_block_free(ax_block_grow(NULL, 0, 0, 16 * MIB), 16 * MIB);
        assert_true(waste.bytes <= 65 * 32 * MIB);
        ax_block_waste_release(&waste);
    }
    size_t before = waste.bytes;
    assert_true(before > 32 * 32 * MIB || ax_torture_struck());
    ax_block_waste_release(&waste);
    assert_true(before - waste.bytes <= before / 64);
    ax_block_waste_enter(NULL);
    ax_block_waste_done(&waste);
    assert_true(!waste.first && !waste.last && !waste.bytes);
}

static size_t address_space_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    return pages * PAGE_SIZE;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMITS_ADDRESS_SPACE 0 /* sanitizers hold terabytes of it */
#else
#define LIMITS_ADDRESS_SPACE 1
#endif

static void waste_is_no_reason_to_refuse(void **state)
{
    (void)state;
    if (!LIMITS_ADDRESS_SPACE)
        return;
    struct ax_block_waste waste = { 0 };
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    ax_block_waste_enter(&waste);
    char *first = ax_block_grow(NULL, 0, 0, 64 * MIB);
    if (!refused(first)) {
        struct rlimit tight = { address_space_bytes() + 16 * MIB, before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
        char *second = ax_block_grow(NULL, 0, 0, 64 * MIB);
        assert_null(second); /* nothing waits yet */
        ax_block_free(first, 64 * MIB);
        assert_int_equal(waste.bytes, 64 * MIB);
        second = ax_block_grow(NULL, 0, 0, 64 * MIB);
        bool is_refused = refused(second);
        assert_int_equal(waste.bytes, 0);
        assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
        if (!is_refused)
            memset(second, 1, 64 * MIB);
        ax_block_free(second, 64 * MIB);
    }
    ax_block_waste_enter(NULL);
    ax_block_waste_done(&waste);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_survive_growth),
        cmocka_unit_test(a_large_block_is_not_copied),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(without_a_waste_nothing_waits),
        cmocka_unit_test(waste_goes_back_in_parts),
        cmocka_unit_test(waste_does_not_pile_up),
        cmocka_unit_test(waste_is_no_reason_to_refuse),
    };
    return cmocka_run_group_tests_name("base/block", tests, NULL, NULL);
}

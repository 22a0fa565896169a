/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: who must go is who was used least recently, never who is pinned or on its way, no more than
 * needed; an image counts once; what can never fit is refused with its bytes. Method: a table of
 * memories written as text, a letter a version, and what must come of a demand; then random
 * memories, held against what the rules say of any outcome.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/residency.h"

#include "random.h"

#define RESIDENTS_MAX 24

static struct ax_footprint footprint(size_t memory_bytes, size_t image_bytes, uint64_t digest)
{
    return (struct ax_footprint){ memory_bytes, image_bytes, { digest, ~digest } };
}

/* In order of their last use, the least recently used first: 'a' ready, 'p' pinned, 'l' being
 * loaded, 'd' draining, 'c' coming, 'w' ready and worth 10; each of 10 bytes, an upper-case letter
 * of 30. */
static size_t make(const char *text, struct ax_resident *ret_residents)
{
    size_t count = strlen(text);
    for (size_t i = 0; i < count; i++) {
        char kind = (char)(text[i] | 0x20);
        ret_residents[i] = (struct ax_resident){
            .footprint = footprint(text[i] == kind ? 10 : 30, 0, 0),
            .state = kind == 'l'   ? AX_RESIDENT_LOADING
                     : kind == 'd' ? AX_RESIDENT_LEAVING
                     : kind == 'c' ? AX_RESIDENT_COMING
                                   : AX_RESIDENT_READY,
            .is_pinned = kind == 'p',
            .used_ms = 100 + i,
            .worth = kind == 'w' ? 10 : 1,
        };
    }
    return count;
}

static void the_least_recently_used_goes(void **state)
{
    (void)state;
    static const struct {
        const char *residents;
        size_t bytes, bytes_max;
        double worth;
        const char *outcome; /* fits, later, limit */
        const char *go;      /* x: must go */
    } cases[] = {
        { "", 10, 10, AX_RESIDENCY_ASKED, "fits", "" },
        { "", 11, 10, AX_RESIDENCY_ASKED, "limit", "" },
        { "aaa", 10, 0, AX_RESIDENCY_ASKED, "fits", "..." },
        { "aaa", 10, 40, AX_RESIDENCY_ASKED, "fits", "..." },
        { "aaa", 10, 39, AX_RESIDENCY_ASKED, "later", "x.." },
        { "aaa", 20, 30, AX_RESIDENCY_ASKED, "later", "xx." },
        { "aaa", 30, 30, AX_RESIDENCY_ASKED, "later", "xxx" },
        { "aaa", 31, 30, AX_RESIDENCY_ASKED, "limit", "..." },
        { "paa", 10, 30, AX_RESIDENCY_ASKED, "later", ".x." },
        { "pap", 20, 30, AX_RESIDENCY_ASKED, "limit", "..." },
        { "pap", 10, 30, AX_RESIDENCY_ASKED, "later", ".x." },
        /* Being loaded: it stays, and there may be room when it is over. */
        { "laa", 10, 30, AX_RESIDENCY_ASKED, "later", ".x." },
        { "ll", 10, 20, AX_RESIDENCY_ASKED, "later", ".." },
        { "lpa", 20, 20, AX_RESIDENCY_ASKED, "limit", "..." },
        { "lla", 10, 20, AX_RESIDENCY_ASKED, "later", "..." },
        /* What leaves anyway is waited for. */
        { "ada", 10, 30, AX_RESIDENCY_ASKED, "later", "..." },
        { "ada", 20, 30, AX_RESIDENCY_ASKED, "later", "x.." },
        /* Room is kept for who comes; what leaves for it may be beside us until then. */
        { "DC", 10, 40, AX_RESIDENCY_ASKED, "fits", ".." },
        { "DC", 11, 40, AX_RESIDENCY_ASKED, "limit", ".." },
        { "aC", 10, 40, AX_RESIDENCY_ASKED, "fits", "x." },
        { "aC", 10, 40, 0, "limit", ".." },
        { "aCD", 10, 40, AX_RESIDENCY_ASKED, "later", "x.." },
        /* A large one makes room alone; who went before it stays. */
        { "aAa", 20, 50, AX_RESIDENCY_ASKED, "later", ".x." },
        { "aAa", 40, 50, AX_RESIDENCY_ASKED, "later", "xx." },
        /* A guess drives out only what is worth less than half. */
        { "wwa", 10, 30, 15, "later", "..x" },
        { "wwa", 20, 30, 15, "limit", "..." },
        { "wwa", 10, 30, 2, "limit", "..." },
        { "wwa", 10, 30, 21, "later", "x.." },
        { "wwa", SIZE_MAX, 30, AX_RESIDENCY_ASKED, "limit", "..." },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_resident residents[RESIDENTS_MAX];
        size_t count = make(cases[i].residents, residents);
        struct ax_footprint demanded = footprint(cases[i].bytes, 0, 0);
        struct ax_residency_demand demand = { &demanded, cases[i].worth };
        struct ax_err err = AX_ERR_INIT;
        bool fits = false;
        enum ax_code code =
            ax_residency_admit(residents, count, &demand, cases[i].bytes_max, &fits, &err);
        assert_string_equal(code ? "limit" : fits ? "fits" : "later", cases[i].outcome);
        char go[RESIDENTS_MAX + 1] = "";
        for (size_t k = 0; k < count; k++)
            go[k] = residents[k].must_go ? 'x' : '.';
        assert_string_equal(go, cases[i].go);
        assert_true(!code || code == AX_E_LIMIT);
    }
}

static void a_refusal_names_the_bytes(void **state)
{
    (void)state;
    struct ax_resident residents[RESIDENTS_MAX];
    size_t count = make("ap", residents);
    struct ax_footprint demanded = footprint(70, 20, 7);
    struct ax_residency_demand demand = { &demanded, AX_RESIDENCY_ASKED };
    struct ax_err err = AX_ERR_INIT;
    bool fits;
    assert_int_equal(ax_residency_admit(residents, count, &demand, 95, &fits, &err), AX_E_LIMIT);
    assert_non_null(strstr(err.msg, "90 bytes"));
    assert_non_null(strstr(err.msg, "10 of what is pinned"));
    assert_non_null(strstr(err.msg, "--model-memory-max (95)"));
}

static void an_image_counts_once(void **state)
{
    (void)state;
    struct ax_resident residents[] = {
        { .footprint = footprint(1, 100, 5), .used_ms = 1 },
        { .footprint = footprint(1, 100, 6), .used_ms = 2 },
        { .footprint = footprint(1, 100, 5), .used_ms = 3 },
    };
    assert_int_equal(ax_residency_bytes(residents, 3), 203);
    assert_int_equal(ax_residency_bytes(residents, 0), 0);
    struct ax_footprint demanded = footprint(1, 100, 6);
    struct ax_residency_demand demand = { &demanded, AX_RESIDENCY_ASKED };
    struct ax_err err = AX_ERR_INIT;
    bool fits;
    /* Its image is there already. */
    assert_int_equal(ax_residency_admit(residents, 3, &demand, 204, &fits, &err), AX_OK);
    assert_true(fits);
    /* The first alone frees a byte only, since its image is shared; the second none of its image,
     * which the demand holds. */
    assert_int_equal(ax_residency_admit(residents, 3, &demand, 203, &fits, &err), AX_OK);
    assert_false(fits);
    assert_true(residents[0].must_go && !residents[1].must_go && !residents[2].must_go);
    assert_int_equal(ax_residency_admit(residents, 3, &demand, 201, &fits, &err), AX_OK);
    assert_true(residents[0].must_go && !residents[1].must_go && residents[2].must_go);
    demanded = footprint(1, 100, 8);
    assert_int_equal(ax_residency_admit(residents, 3, &demand, 203, &fits, &err), AX_OK);
    /* The first goes for nothing when the second has to go, so it stays. */
    assert_true(!residents[0].must_go && residents[1].must_go && !residents[2].must_go);
}

static void an_estimate_is_twice_the_source(void **state)
{
    (void)state;
    assert_int_equal(ax_residency_estimate(1000).memory_bytes, 2000);
    assert_int_equal(ax_residency_estimate(SIZE_MAX).memory_bytes, SIZE_MAX);
}

static size_t fill(struct ax_resident *residents, uint64_t *random)
{
    size_t count = test_random(random) % RESIDENTS_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t kind = test_random(random) % 10;
        residents[i] = (struct ax_resident){
            .footprint =
                footprint(test_random(random) % 50, kind % 2 * 40, test_random(random) % 6),
            .state = kind == 0   ? AX_RESIDENT_LOADING
                     : kind == 1 ? AX_RESIDENT_LEAVING
                                 : AX_RESIDENT_READY,
            .is_pinned = kind == 2,
            .used_ms = test_random(random) % 8,
        };
    }
    return count;
}

/* What is left and what is demanded take together. */
static size_t bytes_later(const struct ax_resident *residents, size_t count,
                          const struct ax_footprint *demanded, size_t but)
{
    struct ax_resident left[RESIDENTS_MAX + 1];
    size_t left_count = 0;
    for (size_t i = 0; i < count; i++)
        if (residents[i].state != AX_RESIDENT_LEAVING && (!residents[i].must_go || i == but))
            left[left_count++] = residents[i];
    left[left_count++] = (struct ax_resident){ .footprint = *demanded };
    return ax_residency_bytes(left, left_count);
}

static void what_goes_is_enough_and_not_too_much(void **state)
{
    (void)state;
    uint64_t random = 20261126;
    size_t later_count = 0;
    for (size_t round = 0; round < 20000; round++) {
        struct ax_resident residents[RESIDENTS_MAX];
        size_t count = fill(residents, &random);
        struct ax_footprint demanded =
            footprint(test_random(&random) % 90, 40, test_random(&random) % 6);
        struct ax_residency_demand demand = { &demanded, AX_RESIDENCY_ASKED };
        size_t bytes_max = 1 + test_random(&random) % 600;
        struct ax_err err = AX_ERR_INIT;
        bool fits = true;
        size_t go_count = 0;
        enum ax_code code = ax_residency_admit(residents, count, &demand, bytes_max, &fits, &err);
        for (size_t i = 0; i < count; i++) {
            if (!residents[i].must_go)
                continue;
            go_count++;
            assert_true(!code && !fits && residents[i].state == AX_RESIDENT_READY &&
                        !residents[i].is_pinned);
            /* None of them could have stayed. */
            assert_true(bytes_later(residents, count, &demanded, i) > bytes_max);
        }
        if (go_count)
            assert_true(bytes_later(residents, count, &demanded, count) <= bytes_max);
        later_count += go_count > 0;
    }
    assert_true(later_count > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes),
        cmocka_unit_test(a_refusal_names_the_bytes),
        cmocka_unit_test(an_image_counts_once),
        cmocka_unit_test(an_estimate_is_twice_the_source),
        cmocka_unit_test(what_goes_is_enough_and_not_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

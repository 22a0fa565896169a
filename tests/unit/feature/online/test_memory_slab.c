/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what the slab hands out lies apart from everything else it handed out, is aligned, stays
 * within the maximum, and serves again once it was freed.
 * Method: objects of random sizes that come and go, each filled with its own byte and looked at
 * before it goes; all sizes around each step; slabs that become full. Also run with refused
 * allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/online/memory_slab.h"

#include "base/random.h"

#include "torture.h"

#include <string.h>

enum { OBJECTS = 500, STEPS = 20000 };

struct object {
    unsigned char *ptr;
    size_t bytes;
    unsigned char mark;
};

static void object_take(struct ax_memory_slab *slab, struct object *object, size_t bytes,
                        unsigned char mark)
{
    *object = (struct object){ ax_memory_slab_alloc(slab, bytes, 0), bytes, mark };
    if (!object->ptr) {
        assert_true(ax_torture_struck());
        return;
    }
    size_t align = bytes % AX_MEMORY_SLAB_PAGE == 0 ? AX_MEMORY_SLAB_PAGE : bytes % 64 ? 16 : 64;
    assert_int_equal((uintptr_t)object->ptr % align, 0);
    memset(object->ptr, mark, bytes);
}

static void object_check(const struct object *object)
{
    for (size_t i = 0; object->ptr && i < object->bytes; i++)
        assert_int_equal(object->ptr[i], object->mark);
}

static void object_give(struct ax_memory_slab *slab, struct object *object)
{
    object_check(object);
    if (object->ptr)
        ax_memory_slab_free(slab, object->ptr, object->bytes);
    object->ptr = NULL;
}

static size_t random_bytes(struct ax_random *random)
{
    size_t max = (size_t)16 << ax_random_below(random, 12);
    size_t bytes = 1 + ax_random_below(random, max);
    size_t part = ax_random_below(random, 8) ? 1 : ax_random_below(random, 2) ? 64 : 4096;
    return (bytes + part - 1) / part * part; /* Lines and pages have places of their own. */
}

static void objects_lie_apart(void **state)
{
    (void)state;
    static struct object objects[OBJECTS];
    struct ax_memory_slab slab;
    struct ax_random random;
    size_t wanted = 0;
    ax_random_init(&random, 4, 0);
    ax_memory_slab_init(&slab, (size_t)256 << 20);
    memset(objects, 0, sizeof objects);
    for (size_t i = 0; i < STEPS; i++) {
        struct object *object = &objects[ax_random_below(&random, OBJECTS)];
        if (object->ptr) {
            wanted -= object->bytes;
            object_give(&slab, object);
        } else {
            object_take(&slab, object, random_bytes(&random), (unsigned char)i);
            wanted += object->ptr ? object->bytes : 0;
        }
        assert_true(slab.used >= wanted && slab.used <= slab.budget.used);
    }
    for (size_t i = 0; i < OBJECTS; i++)
        object_give(&slab, &objects[i]);
    assert_int_equal(slab.used, 0);
    ax_memory_slab_done(&slab);
}

static void all_sizes_have_a_class(void **state)
{
    (void)state;
    struct ax_memory_slab slab;
    ax_memory_slab_init(&slab, SIZE_MAX);
    for (size_t power = 16; power <= AX_MEMORY_SLAB_BYTES_MAX; power *= 2) {
        for (size_t eighth = 8; eighth <= 16; eighth++) {
            for (size_t off = 0; off < 3; off++) {
                size_t bytes = power / 8 * eighth / 2 + off - 1;
                if (!bytes || bytes > AX_MEMORY_SLAB_BYTES_MAX)
                    continue;
                struct object object;
                size_t before = slab.used;
                object_take(&slab, &object, bytes, 1);
                if (!object.ptr)
                    break;
                /* An eighth is lost at most, or less than 16 bytes. */
                assert_true(slab.used - before >= bytes);
                assert_true(slab.used - before - bytes <= AX_MAX(bytes / 8, (size_t)15));
                object_give(&slab, &object);
                assert_int_equal(slab.used, before);
            }
        }
    }
    ax_memory_slab_done(&slab);
}

static void a_full_slab_refuses_and_serves_again(void **state)
{
    (void)state;
    enum { MANY = 4000, BYTES = 600, KEPT = 50000 };
    static struct object objects[MANY];
    struct ax_memory_slab slab;
    size_t count = 0;
    ax_memory_slab_init(&slab, (size_t)1 << 20);
    while (count < MANY) {
        unsigned char *made = ax_memory_slab_alloc(&slab, BYTES, KEPT);
        if (!made)
            break;
        objects[count] = (struct object){ made, BYTES, (unsigned char)count };
        memset(made, (unsigned char)count++, BYTES);
    }
    if (!ax_torture_struck()) {
        assert_true(count > ((size_t)1 << 20) / BYTES * 9 / 10 && count < MANY);
        assert_true(slab.budget.used <= slab.budget.max - KEPT);
        /* What was kept is there, and what was freed. */
        struct object last;
        object_take(&slab, &last, BYTES, 7);
        assert_non_null(last.ptr);
        object_give(&slab, &last);
        object_give(&slab, &objects[5]);
        object_take(&slab, &objects[5], BYTES, 9);
        assert_non_null(objects[5].ptr);
        assert_null(ax_memory_slab_alloc(&slab, AX_MEMORY_SLAB_BYTES_MAX, 0));
    }
    for (size_t i = 0; i < count; i++)
        object_check(&objects[i]);
    ax_memory_slab_done(&slab);
}

static void large_objects_become_runs_of_others(void **state)
{
    (void)state;
    struct ax_memory_slab slab;
    ax_memory_slab_init(&slab, (size_t)1 << 20);
    struct object large;
    object_take(&slab, &large, (size_t)1 << 19, 3);
    object_give(&slab, &large);
    size_t taken = slab.budget.used;
    for (size_t i = 0; i < 1000; i++) {
        struct object small;
        object_take(&slab, &small, 512, (unsigned char)i);
        assert_true(slab.budget.used == taken || ax_torture_struck());
    }
    ax_memory_slab_done(&slab);
    ax_memory_slab_done(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_lie_apart),
        cmocka_unit_test(all_sizes_have_a_class),
        cmocka_unit_test(a_full_slab_refuses_and_serves_again),
        cmocka_unit_test(large_objects_become_runs_of_others),
    };
    return cmocka_run_group_tests_name("feature/online/memory_slab", tests, NULL, NULL);
}

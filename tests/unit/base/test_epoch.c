/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an epoch is over when those who were inside as it began have left, and not before; what was
 * replaced is then seen by nobody.
 * Method: readers that come and go in all orders around two epochs; a writer that replaces objects
 * in a row of pointers, wipes and frees each when its epoch is over, without waiting, beside
 * readers that load the pointers by acquiring alone. ThreadSanitizer and AddressSanitizer see the
 * rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/epoch.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <sched.h>
#include <stdlib.h>

static struct ax_epoch epoch;

static void an_epoch_waits_for_those_who_were_inside(void **state)
{
    (void)state;
    ax_epoch_init(&epoch);
    struct ax_epoch_reader *early = ax_epoch_register(&epoch);
    struct ax_epoch_reader *late = ax_epoch_register(&epoch);
    assert_true(early && late);
    uint64_t first = ax_epoch_advance(&epoch);
    assert_true(ax_epoch_is_over(&epoch, first)); /* Nobody was inside. */
    ax_epoch_enter(&epoch, early);
    assert_true(ax_epoch_is_over(&epoch, first));
    uint64_t second = ax_epoch_advance(&epoch);
    assert_true(second > first);
    assert_false(ax_epoch_is_over(&epoch, second));
    assert_true(ax_epoch_is_over(&epoch, first));
    ax_epoch_enter(&epoch, late);
    assert_false(ax_epoch_is_over(&epoch, second));
    ax_epoch_leave(early);
    assert_true(ax_epoch_is_over(&epoch, second)); /* The late one does not count. */
    ax_epoch_wait(&epoch, second);
    uint64_t third = ax_epoch_advance(&epoch);
    ax_epoch_enter(&epoch, early);
    assert_false(ax_epoch_is_over(&epoch, third));
    ax_epoch_leave(late);
    assert_true(ax_epoch_is_over(&epoch, third));
    ax_epoch_leave(early);
    ax_epoch_unregister(early);
    ax_epoch_unregister(late);
    ax_epoch_unregister(NULL);
    ax_epoch_done(&epoch);
    ax_epoch_done(NULL);
}

static void slots_are_limited_and_reused(void **state)
{
    (void)state;
    struct ax_epoch_reader *readers[AX_EPOCH_READERS_MAX];
    ax_epoch_init(&epoch);
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++) {
        readers[i] = ax_epoch_register(&epoch);
        assert_non_null(readers[i]);
    }
    assert_null(ax_epoch_register(&epoch));
    ax_epoch_enter(&epoch, readers[AX_EPOCH_READERS_MAX - 1]); /* The last one counts, too. */
    uint64_t number = ax_epoch_advance(&epoch);
    assert_false(ax_epoch_is_over(&epoch, number));
    ax_epoch_leave(readers[AX_EPOCH_READERS_MAX - 1]);
    ax_epoch_unregister(readers[7]);
    assert_ptr_equal(ax_epoch_register(&epoch), readers[7]);
    for (size_t i = 0; i < AX_EPOCH_READERS_MAX; i++)
        ax_epoch_unregister(readers[i]);
    ax_epoch_done(&epoch);
}

enum { READERS = 3, POINTERS = 16, WRITES = 10000 };

struct object {
    unsigned long mark;
    unsigned long twice;
};

static _Atomic(struct object *) pointers[POINTERS];
static atomic_bool stop;
static atomic_ulong broken;
static atomic_ulong reads;

static struct object *object_new(unsigned long mark)
{
    struct object *object = ax_xalloc(sizeof(*object));
    *object = (struct object){ mark, 2 * mark };
    return object;
}

static void read_on(void *arg)
{
    (void)arg;
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    while (!atomic_load(&stop)) {
        ax_epoch_enter(&epoch, reader);
        for (size_t i = 0; i < POINTERS; i++) {
            const struct object *object = atomic_load_explicit(&pointers[i], memory_order_acquire);
            if (object->twice != 2 * object->mark)
                atomic_fetch_add(&broken, 1);
        }
        ax_epoch_leave(reader);
        atomic_fetch_add(&reads, 1);
    }
    ax_epoch_unregister(reader);
}

struct retired {
    struct object *object;
    uint64_t number;
};

/* What is over is wiped and freed; the queue holds one lap of the pointers at most. */
static void write_on(void)
{
    struct retired queue[POINTERS] = { { 0 } };
    for (unsigned long i = 0; i < WRITES; i++) {
        struct retired *place = &queue[i % POINTERS];
        while (place->object && !ax_epoch_is_over(&epoch, place->number))
            (void)sched_yield();
        if (place->object)
            *place->object = (struct object){ 1, 0 };
        free(place->object);
        place->object = atomic_exchange_explicit(&pointers[i * 7 % POINTERS], object_new(i),
                                                 memory_order_release);
        place->number = ax_epoch_advance(&epoch);
    }
    for (size_t i = 0; i < POINTERS; i++) {
        ax_epoch_wait(&epoch, queue[i].number);
        free(queue[i].object);
    }
}

static void what_is_over_is_seen_by_nobody(void **state)
{
    (void)state;
    struct ax_thread readers[READERS];
    struct ax_err err = AX_ERR_INIT;
    ax_epoch_init(&epoch);
    for (size_t i = 0; i < POINTERS; i++)
        atomic_init(&pointers[i], object_new(i));
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(ax_thread_start(&readers[i], "read", read_on, NULL, &err), AX_OK);
    while (atomic_load(&reads) < 10)
        (void)sched_yield();
    write_on();
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++)
        ax_thread_join(&readers[i]);
    assert_int_equal(atomic_load(&broken), 0);
    for (size_t i = 0; i < POINTERS; i++)
        free(atomic_load(&pointers[i]));
    ax_epoch_done(&epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_waits_for_those_who_were_inside),
        cmocka_unit_test(slots_are_limited_and_reused),
        cmocka_unit_test(what_is_over_is_seen_by_nobody),
    };
    return cmocka_run_group_tests_name("base/epoch", tests, NULL, NULL);
}

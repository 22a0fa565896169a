/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: no reader ever sees an object that was given back, and a publisher waits for exactly those
 * who are inside.
 * Method: readers that check a mark which two publishers wipe out before they free; a reader that
 * stays inside holds a publisher up, and one that came later does not. ThreadSanitizer and
 * AddressSanitizer see the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/snapshot.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

#include <sched.h>
#include <stdlib.h>

enum { READERS = 3, PUBLISHERS = 2, PUBLICATIONS = 3000 };

static struct ax_epoch epoch;
static struct ax_snapshot snapshot;
static atomic_bool stop;
static atomic_ulong broken;
static atomic_ulong reads;

struct object {
    unsigned long mark;
    unsigned long twice;
};

static struct object *object_new(unsigned long mark)
{
    struct object *object = ax_xalloc(sizeof(*object));
    object->mark = mark;
    object->twice = 2 * mark;
    return object;
}

static void object_wipe(struct object *object)
{
    object->mark = 1;
    object->twice = 0;
    free(object);
}

static void read_on(void *arg)
{
    (void)arg;
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    while (!atomic_load(&stop)) {
        ax_epoch_enter(&epoch, reader);
        const struct object *object = ax_snapshot_get(&snapshot);
        if (object->twice != 2 * object->mark)
            atomic_fetch_add(&broken, 1);
        ax_epoch_leave(reader);
        atomic_fetch_add(&reads, 1);
    }
    ax_epoch_unregister(reader);
}

static void publish_on(void *arg)
{
    (void)arg;
    for (unsigned long i = 0; i < PUBLICATIONS; i++)
        object_wipe(ax_snapshot_publish(&snapshot, object_new(i + 5)));
}

static void readers_never_see_the_old(void **state)
{
    (void)state;
    struct ax_thread readers[READERS];
    struct ax_thread publishers[PUBLISHERS];
    struct ax_err err = AX_ERR_INIT;
    ax_epoch_init(&epoch);
    ax_snapshot_init(&snapshot, &epoch, object_new(3));
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(ax_thread_start(&readers[i], "read", read_on, NULL, &err), AX_OK);
    while (atomic_load(&reads) < 10)
        (void)sched_yield();
    for (size_t i = 0; i < PUBLISHERS; i++)
        assert_int_equal(ax_thread_start(&publishers[i], "publish", publish_on, NULL, &err), AX_OK);
    for (size_t i = 0; i < PUBLISHERS; i++)
        ax_thread_join(&publishers[i]);
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++)
        ax_thread_join(&readers[i]);
    assert_int_equal(atomic_load(&broken), 0);
    free(ax_snapshot_get(&snapshot));
    ax_snapshot_done(&snapshot);
    ax_epoch_done(&epoch);
}

static atomic_bool published;

static void publish_once(void *arg)
{
    free(ax_snapshot_publish(&snapshot, arg));
    atomic_store(&published, true);
}

static void publisher_waits_for_who_is_inside(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    ax_epoch_init(&epoch);
    ax_snapshot_init(&snapshot, &epoch, object_new(3));
    struct ax_epoch_reader *early = ax_epoch_register(&epoch);
    struct ax_epoch_reader *late = ax_epoch_register(&epoch);
    struct ax_epoch_reader *outside = ax_epoch_register(&epoch);
    assert_true(early && late && outside);
    ax_epoch_enter(&epoch, early);
    const struct object *old = ax_snapshot_get(&snapshot);
    struct object *next = object_new(4);
    struct ax_thread publisher;
    assert_int_equal(ax_thread_start(&publisher, "publish", publish_once, next, &err), AX_OK);
    while (ax_snapshot_get(&snapshot) != next)
        (void)sched_yield();
    /* The pointer is swapped, the grace period is not over. */
    uint64_t until = ax_clock_ns() + 20 * AX_NS_PER_MS;
    while (ax_clock_ns() < until)
        assert_false(atomic_load(&published));
    assert_int_equal(old->twice, 6);
    while (atomic_load(&epoch.current) == 1)
        (void)sched_yield();
    ax_epoch_enter(&epoch, late);
    assert_ptr_equal(ax_snapshot_get(&snapshot), next);
    ax_epoch_leave(early);
    ax_thread_join(&publisher);
    assert_true(atomic_load(&published));
    ax_epoch_leave(late);
    ax_epoch_unregister(early);
    ax_epoch_unregister(late);
    ax_epoch_unregister(outside);
    free(ax_snapshot_get(&snapshot));
    ax_snapshot_done(&snapshot);
    ax_epoch_done(&epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_the_old),
        cmocka_unit_test(publisher_waits_for_who_is_inside),
    };
    return cmocka_run_group_tests_name("base/snapshot", tests, NULL, NULL);
}

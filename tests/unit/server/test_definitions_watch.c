/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is applied comes into force by itself, and stays there when the registry is damaged or
 * gone; readers see one whole object at any moment, the later one later.
 * Method: a folder in which this program applies definitions, beside a reader that enters and
 * leaves the epoch all the time and reads what it gets there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/thread.h"
#include "server/definitions_watch.h"

#include "applied_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#define WAIT_NS    ((uint64_t)60 * AX_NS_PER_S) /* far more than anything here takes */
#define READING_NS ((uint64_t)200 * AX_NS_PER_MS)
#define APPLIES    4

static struct ax_epoch epoch;
static struct ax_definitions_watch *watch;
static atomic_bool is_over;
static _Atomic uint64_t seen_apply; /* by the reader */

struct changes {
    struct ax_definitions_watch_listener listener;
    uint64_t before[APPLIES], now[APPLIES];
    atomic_uint count;
    atomic_uint failures;
    atomic_bool is_full;
};

static enum ax_code changed(struct ax_definitions_watch_listener *listener,
                            const struct ax_applied_definitions *before,
                            struct ax_applied_definitions *now, struct ax_err *err)
{
    struct changes *changes = container_of(listener, struct changes, listener);
    if (atomic_load(&changes->is_full)) {
        (void)atomic_fetch_add(&changes->failures, 1);
        return ax_fail(err, AX_E_LIMIT, "no room");
    }
    unsigned at = atomic_load(&changes->count);
    assert_true(at < APPLIES);
    changes->before[at] = before ? before->apply : 0;
    changes->now[at] = now->apply;
    atomic_store(&changes->count, at + 1);
    return AX_OK;
}

/* The service is there, and its view has the version that the apply gave it. */
static void check_whole(const struct ax_applied_definitions *applied)
{
    const struct ax_applied_service *service = ax_applied_service(applied, AX_STR("buy"));
    const struct ax_view *view = service->service->roles[0].view;
    assert_int_equal(ax_applied_version(applied, AX_REGISTRY_VIEW, view->name), applied->apply);
    assert_int_equal(view->ttl_us / 3600000000, 2 + applied->apply);
}

static void read_all_the_time(void *arg)
{
    struct ax_epoch_reader *reader = arg;
    while (!atomic_load(&is_over)) {
        ax_epoch_enter(&epoch, reader);
        const struct ax_applied_definitions *applied = ax_definitions_watch_get(watch);
        if (applied) {
            check_whole(applied);
            assert_true(applied->apply >= atomic_load(&seen_apply));
            atomic_store(&seen_apply, applied->apply);
        }
        ax_epoch_leave(reader);
        (void)sched_yield();
    }
}

/* The n-th apply: a view that is kept an hour longer. */
static void apply_next(const char *state, unsigned number)
{
    static char text[1024];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(text, sizeof(text), "%s%uh%s", HEAD, 2 + number, TAIL);
    files[0].text = ax_str_from(text);
    if (apply(state, files, &err))
        fail_msg("%s", err.msg);
}

static void wait_for_apply(uint64_t number)
{
    uint64_t until_ns = ax_clock_ns() + WAIT_NS;
    while (atomic_load(&seen_apply) < number && ax_clock_ns() < until_ns)
        (void)sched_yield();
    assert_int_equal(atomic_load(&seen_apply), number);
}

/* What the listener has failed with is not tried again whenever somebody reads the registry, which
 * touches its files, but when the store's folder is made. */
static void wait_for_another_try(const char *path, const struct changes *changes)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_applied_definitions *applied;
    unsigned failures = atomic_load(&changes->failures);
    uint64_t until_ns = ax_clock_ns() + READING_NS;
    while (ax_clock_ns() < until_ns) {
        assert_int_equal(ax_applied_definitions_read(path, NULL, &applied, &err), AX_OK);
        ax_applied_definitions_unref(applied);
    }
    assert_int_equal(atomic_load(&changes->failures), failures);
    until_ns = ax_clock_ns() + WAIT_NS;
    assert_int_equal(ax_file_make_folder(in_folder("state/online"), &err), AX_OK);
    while (atomic_load(&changes->failures) == failures && ax_clock_ns() < until_ns)
        (void)sched_yield();
    assert_int_equal(atomic_load(&changes->failures), failures + 1);
}

/* A registry that could not be read for a reason that passes is read again, though nobody touches
 * it any more: here all of SQLite's locks are held for a while. */
static void wait_for_a_busy_registry(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct flock locks = { .l_type = F_WRLCK, .l_start = 0x40000000, .l_len = 512 };
    int fd = open(in_folder("state/registry.db"), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &locks), 0);
    assert_int_equal(ax_definitions_watch_read(watch, &err), AX_E_UNAVAILABLE);
    ax_err_clear(&err);
    assert_true(ax_definitions_watch_has_failed(watch));
    assert_int_equal(close(fd), 0);
    uint64_t until_ns = ax_clock_ns() + WAIT_NS;
    while (ax_definitions_watch_has_failed(watch) && ax_clock_ns() < until_ns)
        (void)sched_yield();
    assert_false(ax_definitions_watch_has_failed(watch));
}

static void follows_what_is_applied(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread thread;
    struct changes changes = { .listener = { .changed = changed } };
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", in_folder("state"));
    assert_int_equal(ax_file_make_folder(path, &err), AX_OK);
    apply_next(path, 1);
    ax_epoch_init(&epoch);
    struct ax_epoch_reader *reader = ax_epoch_register(&epoch);
    watch = ax_definitions_watch_new(path, &epoch);
    assert_non_null(watch);
    assert_int_equal(ax_definitions_watch_start(watch, &changes.listener, &err), AX_OK);
    assert_int_equal(atomic_load(&changes.count), 1);
    assert_int_equal(ax_thread_start(&thread, "reader", read_all_the_time, reader, &err), AX_OK);
    wait_for_apply(1);
    for (unsigned i = 2; i < APPLIES; i++) {
        apply_next(path, i);
        wait_for_apply(i);
    }
    /* Who asks is answered when it is in force, or learns why the listener does not work by it. */
    assert_int_equal(ax_definitions_watch_read(watch, &err), AX_OK);
    assert_int_equal(atomic_load(&changes.count), APPLIES - 1);
    atomic_store(&changes.is_full, true);
    apply_next(path, APPLIES);
    assert_int_equal(ax_definitions_watch_read(watch, &err), AX_E_LIMIT);
    ax_err_clear(&err);
    wait_for_apply(APPLIES);
    wait_for_another_try(path, &changes);
    atomic_store(&changes.is_full, false);
    assert_int_equal(ax_definitions_watch_read(watch, &err), AX_OK);
    wait_for_a_busy_registry();
    /* A registry that cannot be read, and none at all. */
    assert_int_equal(ax_file_replace(in_folder("state/registry.db"), AX_STR("none"), &err), AX_OK);
    assert_int_equal(ax_definitions_watch_read(watch, &err), AX_E_INVALID);
    assert_non_null(strstr(err.msg, "registry.db"));
    ax_err_clear(&err);
    struct ax_applied_definitions *applied = ax_definitions_watch_ref(watch);
    assert_int_equal(ax_file_remove_tree(path, &err), AX_OK);
    ax_definitions_watch_look_again(watch);
    ax_definitions_watch_stop(watch);
    atomic_store(&is_over, true);
    ax_thread_join(&thread);
    assert_int_equal(atomic_load(&seen_apply), APPLIES);
    ax_epoch_unregister(reader);
    ax_definitions_watch_free(watch);
    ax_epoch_done(&epoch);
    check_whole(applied);
    ax_applied_definitions_unref(applied);

    assert_int_equal(atomic_load(&changes.count), APPLIES);
    for (unsigned i = 0; i < APPLIES; i++)
        assert_true(changes.now[i] == i + 1 && changes.before[i] == (i < APPLIES - 1 ? i : i + 1));
}

static void nothing_is_applied(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct changes changes = { .listener = { .changed = changed } };
    const char *const paths[] = { "", in_folder("nowhere") };
    ax_epoch_init(&epoch);
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct ax_definitions_watch *none = ax_definitions_watch_new(paths[i], &epoch);
        ax_definitions_watch_look_again(none);
        assert_int_equal(ax_definitions_watch_read(none, &err), AX_E_UNAVAILABLE);
        ax_err_clear(&err);
        assert_int_equal(ax_definitions_watch_start(none, &changes.listener, &err), AX_OK);
        ax_definitions_watch_look_again(none);
        assert_int_equal(ax_definitions_watch_read(none, &err),
                         paths[i][0] ? AX_E_NOT_FOUND : AX_E_UNAVAILABLE);
        ax_err_clear(&err);
        ax_definitions_watch_stop(none);
        assert_null(ax_definitions_watch_get(none));
        assert_null(ax_definitions_watch_ref(none));
        ax_definitions_watch_free(none);
    }
    assert_int_equal(atomic_load(&changes.count), 0);
    ax_definitions_watch_free(NULL);
    ax_epoch_done(&epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_what_is_applied),
        cmocka_unit_test(nothing_is_applied),
    };
    ax_metric_thread_attach();
    ax_log_setup(AX_LOG_ERROR, AX_LOG_LOGFMT);
    int failed = cmocka_run_group_tests(tests, make_files, remove_folder);
    ax_metric_thread_detach();
    return failed;
}

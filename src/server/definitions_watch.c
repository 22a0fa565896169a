/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells of an apply is the file of the registry, or its log: their sizes and times, looked at
 * when inotify tells that one of them was touched, and now and then without being told (the folder
 * may be another one by now, or on a file system that tells nothing). Reading the registry touches
 * them as well, so what counts is whether they are as they were before the last reading, and what
 * was read twice is published once.
 *
 * What the listener has failed with may be mended elsewhere, as a store that is damaged is by
 * moving it away. So it is asked again now and then, and when something in the folder tells of
 * that.
 *
 * Reading that failed for a reason that passes, as a full disk does, is tried again by itself,
 * later each time: since reading touches the files, what is told in between tells nothing.
 *
 * An apply touches them many times. Reading waits until that has been over for a moment, but never
 * long: in the middle of it, what was in force before is read again.
 */
#include "server/definitions_watch.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/snapshot.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENT_BYTES  ((size_t)16 << 10)
#define LOOK_MS      15000  /* between two looks when nothing is told */
#define AGAIN_MS_MAX 300000 /* between two tries of what has failed */
#define RETRY_MS_MIN 100    /* between two readings that failed, to LOOK_MS */
#define SETTLE_MS    20
#define SETTLES_MAX  50
#define REGISTRY     "registry.db"
#define STORE        "online" /* in the same folder */
#define WATCHED      (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)

static const struct ax_metric_family apply_family = {
    .name = "ax_features_apply",
    .help = "Number of the apply whose definitions of features are in force; 0: none is.",
    .type = AX_METRIC_GAUGE,
};
static const struct ax_metric_family loads_family = {
    .name = "ax_features_loads_total",
    .help = "Times that definitions of features came into force.",
    .type = AX_METRIC_COUNTER,
};
static const struct ax_metric_family failures_family = {
    .name = "ax_features_load_failures_total",
    .help = "Times that applied definitions could not be read, and those before stayed in force.",
    .type = AX_METRIC_COUNTER,
};

/* How a file is; zeros: it is not there. */
struct file_stamp {
    uint64_t inode, size, changed_ns;
};

/* What changes when something was applied. */
struct registry_stamp {
    struct file_stamp file;
    struct file_stamp log; /* as if it were not there while it is empty */
};

struct ax_definitions_watch {
    const char *state; /* borrowed */
    struct ax_snapshot snapshot;
    pthread_mutex_t lock;                   /* of the next five */
    struct ax_applied_definitions *applied; /* what is published, one reference more */
    pthread_cond_t answered;
    uint64_t asks, answers; /* to read: how many there were, and how many of them were done */
    struct ax_err failure;  /* of the last reading; NOT_FOUND: nothing was ever applied */
    struct ax_definitions_watch_listener *listener;
    struct ax_thread thread;
    int inotify; /* -1: nothing is told */
    int wake;    /* eventfd; -1: it has not started */
    atomic_bool is_stopped;
    atomic_bool has_failed;
    ax_metric apply, loads, failures;
    /* The thread's, once it has started. */
    struct registry_stamp stamp; /* from before the last reading */
    struct ax_err unheard;       /* what the listener has failed with; it is asked again */
    uint64_t again_ns;           /* at that moment, */
    uint64_t pause_ns;           /* which is so long after the last time, */
    bool is_store_told;          /* or since something was told of the store */
    uint64_t retry_ns;           /* reading has failed, and is tried again at that moment, */
    uint64_t retry_pause_ns;     /* which is so long after the last time; 0: it has not */
};

/* ---- reading ---- */

static void stamp_file(const char *state, const char *ending, struct file_stamp *ret)
{
    char path[PATH_MAX];
    struct stat info;
    int len = snprintf(path, sizeof(path), "%s/" REGISTRY "%s", state, ending);
    *ret = (struct file_stamp){ 0 };
    if (len > 0 && (size_t)len < sizeof(path) && stat(path, &info) == 0 && info.st_size > 0)
        *ret = (struct file_stamp){ info.st_ino, (uint64_t)info.st_size,
                                    (uint64_t)info.st_mtim.tv_sec * AX_NS_PER_S +
                                        (uint64_t)info.st_mtim.tv_nsec };
}

static struct registry_stamp stamp_registry(const char *state)
{
    struct registry_stamp stamp;
    stamp_file(state, "", &stamp.file);
    stamp_file(state, "-wal", &stamp.log);
    return stamp;
}

static void log_in_force(const struct ax_applied_definitions *applied)
{
    ax_log(AX_LOG_INFO, "definitions of features are in force", AX_LOG_U64("apply", applied->apply),
           AX_LOG_STR("project", applied->definitions.project),
           AX_LOG_U64("views", applied->definitions.view_count),
           AX_LOG_U64("services", applied->definitions.service_count));
}

static void fail(struct ax_definitions_watch *watch, const struct ax_err *err)
{
    const struct ax_applied_definitions *applied = ax_snapshot_get(&watch->snapshot);
    ax_metric_add(watch->failures, 1);
    ax_log(AX_LOG_WARN, "the applied definitions of features cannot be read",
           AX_LOG_U64("apply_in_force", applied ? applied->apply : 0), AX_LOG_ERR(err));
}

static void tell_listener(struct ax_definitions_watch *watch,
                          const struct ax_applied_definitions *before,
                          struct ax_applied_definitions *now)
{
    struct ax_definitions_watch_listener *listener = watch->listener;
    ax_err_clear(&watch->unheard);
    if (listener)
        (void)(listener->changed(listener, before, now, &watch->unheard) != AX_OK);
}

/* Publish; the reference is the snapshot's from here. */
static void publish(struct ax_definitions_watch *watch, struct ax_applied_definitions *applied)
{
    (void)pthread_mutex_lock(&watch->lock);
    struct ax_applied_definitions *held = watch->applied;
    watch->applied = ax_applied_definitions_ref(applied);
    (void)pthread_mutex_unlock(&watch->lock);
    ax_applied_definitions_unref(held);
    struct ax_applied_definitions *before = ax_snapshot_publish(&watch->snapshot, applied);
    ax_metric_gauge_add(watch->apply,
                        (int64_t)applied->apply - (before ? (int64_t)before->apply : 0));
    ax_metric_add(watch->loads, 1);
    log_in_force(applied);
    tell_listener(watch, before, applied);
    ax_applied_definitions_unref(before);
}

static enum ax_code read_anew(struct ax_definitions_watch *watch, struct ax_err *err)
{
    struct ax_applied_definitions *before = ax_snapshot_get(&watch->snapshot);
    struct ax_applied_definitions *applied;
    watch->stamp = stamp_registry(watch->state);
    if (!ax_applied_definitions_read(watch->state, before, &applied, err)) {
        if (applied != before) {
            publish(watch, applied);
        } else {
            if (watch->unheard.code)
                tell_listener(watch, applied, applied);
            ax_applied_definitions_unref(applied);
        }
        return watch->unheard.code ? ax_fail(err, watch->unheard.code, "%s", watch->unheard.msg)
                                   : AX_OK;
    }
    if (err->code != AX_E_NOT_FOUND || before)
        fail(watch, err);
    return err->code;
}

static uint64_t longer_pause(uint64_t pause_ns, uint64_t least_ms, uint64_t most_ms)
{
    return AX_MIN(AX_MAX(2 * pause_ns, least_ms * AX_NS_PER_MS), most_ms * AX_NS_PER_MS);
}

static enum ax_code read_registry(struct ax_definitions_watch *watch, struct ax_err *err)
{
    enum ax_code code = read_anew(watch, err);
    /* Somebody writes, or memory or the disk is short. */
    bool passes = (code == AX_E_UNAVAILABLE || code == AX_E_LIMIT) && !watch->unheard.code;
    watch->retry_pause_ns = passes ? longer_pause(watch->retry_pause_ns, RETRY_MS_MIN, LOOK_MS) : 0;
    watch->retry_ns = ax_clock_ns() + watch->retry_pause_ns;
    atomic_store(&watch->has_failed, code != AX_OK && code != AX_E_NOT_FOUND);
    return code;
}

/* ---- watching ---- */

static bool is_about(const struct inotify_event *event, struct ax_str name)
{
    return !event->len || ax_str_starts_with(ax_str_from(event->name), name);
}

/* Take what was told; whether any of it is about the registry, or the store. */
static bool take_events(struct ax_definitions_watch *watch)
{
    _Alignas(struct inotify_event) char buffer[EVENT_BYTES];
    bool is_told = false;
    ssize_t len;
    while ((len = read(watch->inotify, buffer, sizeof(buffer))) > 0) {
        const struct inotify_event *event;
        for (const char *at = buffer; at < buffer + len; at += sizeof(*event) + event->len) {
            event = (const struct inotify_event *)(const void *)at;
            watch->is_store_told |= is_about(event, AX_STR(STORE));
            is_told |= is_about(event, AX_STR(REGISTRY)) || watch->is_store_told;
        }
    }
    return is_told;
}

/* Until something is told, somebody asks, or it is time to look anyway. */
static void wait_for_word(struct ax_definitions_watch *watch)
{
    struct pollfd fds[] = { { .fd = watch->wake, .events = POLLIN },
                            { .fd = watch->inotify, .events = POLLIN } };
    uint64_t until_ns =
        watch->retry_pause_ns ? watch->retry_ns : ax_clock_ns() + (uint64_t)LOOK_MS * AX_NS_PER_MS;
    bool is_told = false;
    size_t settles = 0;
    for (;;) {
        uint64_t now_ns = ax_clock_ns();
        int left_ms = (int)((until_ns - AX_MIN(now_ns, until_ns)) / AX_NS_PER_MS);
        int got = poll(fds, AX_COUNT(fds), is_told ? SETTLE_MS : left_ms);
        if (got < 0 && errno != EINTR)
            return;
        if (got == 0 || fds[0].revents || settles++ == SETTLES_MAX)
            return;
        is_told = (fds[1].revents && take_events(watch)) || is_told;
    }
}

static void clear_wake(struct ax_definitions_watch *watch)
{
    uint64_t count;
    (void)!read(watch->wake, &count, sizeof(count));
}

static bool is_due_again(const struct ax_definitions_watch *watch)
{
    return watch->unheard.code && (watch->is_store_told || ax_clock_ns() >= watch->again_ns);
}

static void settle_again(struct ax_definitions_watch *watch)
{
    watch->pause_ns =
        watch->unheard.code ? longer_pause(watch->pause_ns, LOOK_MS, AGAIN_MS_MAX) : 0;
    watch->again_ns = ax_clock_ns() + watch->pause_ns;
}

/* Read if somebody asks, or something has changed or is to be tried again; tell those who asked. */
static void look(struct ax_definitions_watch *watch)
{
    struct registry_stamp stamp = stamp_registry(watch->state);
    struct ax_err err = AX_ERR_INIT;
    (void)pthread_mutex_lock(&watch->lock);
    uint64_t asks = watch->asks;
    bool is_asked = asks != watch->answers;
    (void)pthread_mutex_unlock(&watch->lock);
    bool is_due = watch->retry_pause_ns
                      ? ax_clock_ns() >= watch->retry_ns
                      : is_due_again(watch) || memcmp(&stamp, &watch->stamp, sizeof(stamp)) != 0;
    if (!is_asked && !is_due)
        return;
    watch->is_store_told = false;
    (void)(read_registry(watch, &err) != AX_OK);
    settle_again(watch);
    (void)pthread_mutex_lock(&watch->lock);
    watch->failure = err;
    watch->answers = asks;
    (void)pthread_cond_broadcast(&watch->answered);
    (void)pthread_mutex_unlock(&watch->lock);
}

static void watch_run(void *arg)
{
    struct ax_definitions_watch *watch = arg;
    while (!atomic_load(&watch->is_stopped)) {
        /* The folder may have come, or may be another one. */
        if (watch->inotify >= 0)
            (void)inotify_add_watch(watch->inotify, watch->state, WATCHED);
        look(watch);
        wait_for_word(watch);
        clear_wake(watch);
    }
}

static void wake(struct ax_definitions_watch *watch)
{
    uint64_t one = 1;
    (void)!write(watch->wake, &one, sizeof(one));
}

/* ---- life ---- */

static void register_metrics(struct ax_definitions_watch *watch)
{
    struct ax_err ignored = AX_ERR_INIT; /* without room for series nothing is counted */
    (void)(ax_metric_register(&apply_family, NULL, &watch->apply, &ignored) ||
           ax_metric_register(&loads_family, NULL, &watch->loads, &ignored) ||
           ax_metric_register(&failures_family, NULL, &watch->failures, &ignored));
}

struct ax_definitions_watch *ax_definitions_watch_new(const char *state, struct ax_epoch *epoch)
{
    assert(state && epoch);
    struct ax_definitions_watch *watch =
        aligned_alloc(_Alignof(struct ax_definitions_watch), sizeof(*watch));
    if (!watch)
        return NULL;
    *watch = (struct ax_definitions_watch){ .state = state, .inotify = -1, .wake = -1 };
    ax_snapshot_init(&watch->snapshot, epoch, NULL);
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_cond_init(&watch->answered, NULL);
    register_metrics(watch);
    if (state[0])
        (void)(read_registry(watch, &watch->failure) != AX_OK);
    return watch;
}

enum ax_code ax_definitions_watch_start(struct ax_definitions_watch *watch,
                                        struct ax_definitions_watch_listener *listener,
                                        struct ax_err *err)
{
    assert(watch && watch->wake < 0 && listener && err);
    if (!watch->state[0])
        return AX_OK;
    watch->listener = listener;
    struct ax_applied_definitions *applied = ax_snapshot_get(&watch->snapshot);
    if (applied)
        tell_listener(watch, NULL, applied);
    settle_again(watch);
    watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (watch->wake < 0)
        return ax_fail_errno(err, errno, "watch the registry");
    if (!ax_thread_start(&watch->thread, "definitions", watch_run, watch, err))
        return AX_OK;
    (void)close(watch->wake);
    watch->wake = -1;
    return err->code;
}

void ax_definitions_watch_stop(struct ax_definitions_watch *watch)
{
    if (!watch || watch->wake < 0)
        return;
    atomic_store(&watch->is_stopped, true);
    wake(watch);
    ax_thread_join(&watch->thread);
    (void)close(watch->wake);
    watch->wake = -1;
}

void ax_definitions_watch_free(struct ax_definitions_watch *watch)
{
    if (!watch)
        return;
    assert(watch->wake < 0);
    if (watch->inotify >= 0)
        (void)close(watch->inotify);
    ax_applied_definitions_unref(watch->applied);
    ax_applied_definitions_unref(ax_snapshot_get(&watch->snapshot));
    ax_snapshot_done(&watch->snapshot);
    (void)pthread_cond_destroy(&watch->answered);
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
}

static uint64_t ask(struct ax_definitions_watch *watch)
{
    (void)pthread_mutex_lock(&watch->lock);
    uint64_t asks = ++watch->asks;
    (void)pthread_mutex_unlock(&watch->lock);
    if (watch->wake >= 0)
        wake(watch);
    return asks;
}

bool ax_definitions_watch_has_failed(const struct ax_definitions_watch *watch)
{
    assert(watch);
    return atomic_load(&watch->has_failed);
}

void ax_definitions_watch_look_again(struct ax_definitions_watch *watch)
{
    assert(watch);
    (void)ask(watch);
}

enum ax_code ax_definitions_watch_read(struct ax_definitions_watch *watch, struct ax_err *err)
{
    assert(watch && err);
    if (watch->wake < 0)
        return ax_fail(err, AX_E_UNAVAILABLE, "nobody reads what is applied");
    uint64_t asks = ask(watch);
    (void)pthread_mutex_lock(&watch->lock);
    while (watch->answers < asks)
        (void)pthread_cond_wait(&watch->answered, &watch->lock);
    struct ax_err found = watch->failure;
    (void)pthread_mutex_unlock(&watch->lock);
    return found.code ? ax_fail(err, found.code, "%s", found.msg) : AX_OK;
}

struct ax_applied_definitions *ax_definitions_watch_get(struct ax_definitions_watch *watch)
{
    assert(watch);
    return ax_snapshot_get(&watch->snapshot);
}

struct ax_applied_definitions *ax_definitions_watch_ref(struct ax_definitions_watch *watch)
{
    assert(watch);
    (void)pthread_mutex_lock(&watch->lock);
    struct ax_applied_definitions *applied =
        watch->applied ? ax_applied_definitions_ref(watch->applied) : NULL;
    (void)pthread_mutex_unlock(&watch->lock);
    return applied;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the fleet: a folder of small rules models, a real fleet over it, and this program as
 * the data plane, which reads the catalog as I/O threads do and keeps references. The answer that a
 * version gives tells which files it was made of.
 */
#ifndef AX_TESTS_UNIT_SERVER_FLEET_FIXTURE_H
#define AX_TESTS_UNIT_SERVER_FLEET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/fleet.h"

#include "test_folder.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_NS ((uint64_t)20 * AX_NS_PER_S) /* far more than anything here takes */

struct fixture {
    char root[160];
    struct ax_repository_config repository;
    struct ax_fleet_config config;
    struct ax_epoch epoch;
    struct ax_snapshot snapshot;
    struct ax_epoch_reader *reader;
    struct ax_fleet *fleet;
    atomic_int complete_count;
};

static struct fixture fixture;

static inline void put_file(const char *path, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    char whole[512];
    (void)snprintf(whole, sizeof(whole), "%s/%s", fixture.root, path);
    char *slash = strrchr(whole, '/');
    *slash = '\0';
    assert_int_equal(ax_file_make_folder(whole, &err), 0);
    *slash = '/';
    assert_int_equal(ax_file_replace(whole, ax_str_from(text), &err), 0);
}

/* A version that answers `value`. */
static inline void put_version(const char *model, unsigned version, double value)
{
    char path[256], text[256];
    (void)snprintf(path, sizeof(path), "%s/%u/rules.yaml", model, version);
    (void)snprintf(text, sizeof(text),
                   "rules: 1\ninputs: {a: FP64}\noutputs: {prediction: FP64}\n"
                   "cases: [{otherwise: %g}]\n",
                   value);
    put_file(path, text);
}

static inline void remove_path(const char *path)
{
    struct ax_err err = AX_ERR_INIT;
    char whole[512];
    (void)snprintf(whole, sizeof(whole), "%s/%s", fixture.root, path);
    assert_int_equal(ax_file_remove_tree(whole, &err), 0);
}

static inline void note_complete(void *context, const struct ax_catalog *catalog)
{
    struct fixture *f = context;
    assert_true(catalog->is_complete);
    (void)atomic_fetch_add(&f->complete_count, 1);
}

static inline int set_up(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    fixture = (struct fixture){ 0 };
    *state = &fixture;
    ax_log_setup(AX_LOG_ERROR, AX_LOG_LOGFMT);
    ax_log_change_levels(0, 1u << AX_LOG_ERROR);
    (void)snprintf(fixture.root, sizeof(fixture.root), "%s/models", folder);
    assert_int_equal(ax_file_remove_tree(fixture.root, &err), 0);
    assert_int_equal(ax_file_make_folder(fixture.root, &err), 0);
    fixture.repository = (struct ax_repository_config){ .versions_max = 20000 };
    fixture.config = (struct ax_fleet_config){ .version_policy = (char *)"latest:1",
                                               .load_threads = 2,
                                               .load_waiters_max = 1000,
                                               .load_orders_max = 8,
                                               .load_timeout_ns = 600 * AX_NS_PER_S,
                                               .models = fixture.root,
                                               .repository = &fixture.repository,
                                               .complete = note_complete,
                                               .context = &fixture };
    ax_epoch_init(&fixture.epoch);
    ax_snapshot_init(&fixture.snapshot, &fixture.epoch, ax_catalog_new());
    fixture.reader = ax_epoch_register(&fixture.epoch);
    assert_non_null(fixture.reader);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    ax_fleet_free(fixture.fleet);
    ax_epoch_unregister(fixture.reader);
    ax_catalog_free(ax_snapshot_get(&fixture.snapshot));
    ax_snapshot_done(&fixture.snapshot);
    ax_epoch_done(&fixture.epoch);
    return 0;
}

/* ---- the data plane ---- */

static inline const struct ax_catalog *enter(void)
{
    ax_epoch_enter(&fixture.epoch, fixture.reader);
    return ax_snapshot_get(&fixture.snapshot);
}

static inline void leave(void)
{
    ax_epoch_leave(fixture.reader);
}

/* What a version answers. */
static inline double answer_of(const struct ax_served *served)
{
    struct ax_err err = AX_ERR_INIT;
    double a = 1, prediction = -1;
    char scratch[4096];
    assert_true(ax_model_scratch_size(served->version->model, 1) <= sizeof(scratch));
    struct ax_column in = { .datatype = AX_FP64, .width = 1, .stride = sizeof(a), .values = &a };
    struct ax_column out = {
        .datatype = AX_FP64, .width = 1, .stride = sizeof(prediction), .values = &prediction
    };
    struct ax_batch ins = { 1, 1, &in }, outs = { 1, 1, &out };
    assert_int_equal(ax_model_predict(served->version->model, &ins, &outs, scratch, &err), 0);
    return prediction;
}

/* The answer to a request, or minus the code of its failure. */
static inline double ask(const char *model, const char *version)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    double answer;
    if (ax_catalog_version(enter(), ax_str_from(model), ax_str_from(version), &served, &err))
        answer = -(double)err.code;
    else
        answer = answer_of(served);
    leave();
    return answer;
}

static inline struct ax_served *hold(const char *model)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    assert_int_equal(ax_catalog_version(enter(), ax_str_from(model), AX_STR(""), &served, &err), 0);
    (void)ax_served_ref(served);
    leave();
    return served;
}

/* "1 unloaded, 2 ready", and the reason of the last one that has one. */
static inline const char *states_of(const char *model, char *reason, size_t reason_size)
{
    static char text[512];
    size_t len = 0;
    const struct ax_catalog_model *found = ax_map_get(&enter()->models, ax_str_from(model));
    text[0] = reason[0] = '\0';
    for (size_t i = 0; found && i < found->version_count && len < sizeof(text); i++) {
        const struct ax_catalog_version *at = &found->versions[i];
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? ", " : "", at->text,
                                ax_version_state_name(at->state));
        if (at->reason)
            (void)snprintf(reason, reason_size, "%s", at->reason);
    }
    leave();
    return found ? text : "none";
}

static inline void wait_for_states(const char *model, const char *states)
{
    char reason[512];
    uint64_t end_ns = ax_clock_ns() + WAIT_NS;
    while (strcmp(states_of(model, reason, sizeof(reason)), states) && ax_clock_ns() < end_ns)
        (void)poll(NULL, 0, 1);
    assert_string_equal(states_of(model, reason, sizeof(reason)), states);
}

static inline void assert_reason(const char *model, const char *part)
{
    char reason[512];
    (void)states_of(model, reason, sizeof(reason));
    if (!strstr(reason, part))
        fail_msg("'%s' is not in '%s'", part, reason);
}

/* ---- orders ---- */

struct told {
    struct ax_fleet_waiter waiter;
    struct ax_err err;
    atomic_int count;
};

static inline void note_told(struct ax_fleet_waiter *waiter, const struct ax_err *err)
{
    struct told *told = container_of(waiter, struct told, waiter);
    told->err = *err;
    (void)atomic_fetch_add(&told->count, 1);
}

static inline enum ax_code wait_told(struct told *told)
{
    uint64_t end_ns = ax_clock_ns() + WAIT_NS;
    while (!atomic_load(&told->count) && ax_clock_ns() < end_ns)
        (void)poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&told->count), 1);
    return told->err.code;
}

static inline void told_init(struct told *told)
{
    *told = (struct told){ .waiter.done = note_told };
}

static inline enum ax_code load(const char *model, struct told *told)
{
    told_init(told);
    ax_fleet_load(fixture.fleet, ax_str_from(model), NULL, &told->waiter);
    return wait_told(told);
}

static inline enum ax_code unload(const char *model)
{
    struct told told;
    told_init(&told);
    ax_fleet_unload(fixture.fleet, ax_str_from(model), false, &told.waiter);
    return wait_told(&told);
}

static inline enum ax_code want(const char *model, const char *version, struct told *told)
{
    told_init(told);
    ax_fleet_want(fixture.fleet, ax_str_from(model), ax_str_from(version), &told->waiter);
    return wait_told(told);
}

static inline void start(void)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_fleet_start(&fixture.config, &fixture.snapshot, &fixture.fleet, &err),
                     AX_OK);
    uint64_t end_ns = ax_clock_ns() + WAIT_NS;
    while (!atomic_load(&fixture.complete_count) && ax_clock_ns() < end_ns)
        (void)poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&fixture.complete_count), 1);
}

#endif

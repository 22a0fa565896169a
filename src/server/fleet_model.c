/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are kept until nobody holds anything of them: a version whose folder is gone stays while
 * it answers, loads, drains or is waited for, a model while it has such versions. Listings and
 * records are both sorted by number and merged.
 */
#include "server/fleet_model.h"

#include "base/alloc.h"
#include "server/fleet_load.h"

#include <assert.h>
#include <stdio.h>

#define STAND_INS_MAX 64 /* versions that were not in force and failed, until no other is tried */

struct ax_fleet_model *ax_fleet_model_new(const char *name)
{
    assert(name);
    struct ax_fleet_model *model = ax_xalloc(sizeof(*model));
    model->name = ax_xstrdup(name);
    model->is_wanted = true;
    model->is_touched = true;
    ax_model_settings_init(&model->settings);
    return model;
}

void ax_fleet_model_free(struct ax_fleet_model *model)
{
    if (!model)
        return;
    assert(model->order_count == 0);
    ax_fleet_model_end_try(model);
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        assert(!version->load && version->draining_count == 0 && version->wanting_count == 0);
        ax_served_unref(version->loaded.served);
        ax_account_unref(version->account);
        free(version);
    }
    free(model->versions);
    ax_override_free(model->override);
    ax_catalog_model_unref(model->published);
    free(model->name);
    free(model);
}

/* ---- what is on disk ---- */

static struct ax_fleet_version *version_new(struct ax_fleet_model *model,
                                            const struct ax_repository_version *listed)
{
    struct ax_fleet_version *version = ax_xalloc(sizeof(*version));
    version->number = listed->number;
    memcpy(version->text, listed->text, sizeof(version->text));
    version->model = model;
    return version;
}

void ax_fleet_version_forgive(struct ax_fleet_version *version)
{
    assert(version);
    version->err = (struct ax_err)AX_ERR_INIT;
    version->is_short = false;
    version->conflict_count = 0;
    version->retry_ns = 0;
}

static void version_list(struct ax_fleet_version *version,
                         const struct ax_repository_version *listed)
{
    if (!version->is_listed || !ax_fingerprint_equal(version->fingerprint, listed->fingerprint))
        ax_fleet_version_forgive(version);
    version->is_listed = true;
    version->fingerprint = listed->fingerprint;
}

static void model_merge(struct ax_fleet_model *model, const struct ax_repository_version *listed,
                        size_t listed_count)
{
    struct ax_fleet_version **before = model->versions;
    size_t before_count = model->version_count;
    struct ax_fleet_version **merged =
        ax_xalloc((before_count + listed_count) * sizeof(struct ax_fleet_version *));
    size_t count = 0, old = 0;
    for (size_t i = 0; i < listed_count; i++) {
        for (; old < before_count && before[old]->number < listed[i].number; old++) {
            before[old]->is_listed = false;
            merged[count++] = before[old];
        }
        bool is_known = old < before_count && before[old]->number == listed[i].number;
        merged[count] = is_known ? before[old++] : version_new(model, &listed[i]);
        version_list(merged[count++], &listed[i]);
    }
    for (; old < before_count; old++) {
        before[old]->is_listed = false;
        merged[count++] = before[old];
    }
    free(before);
    model->versions = merged;
    model->version_count = count;
}

/* Which of the versions that are there the policy wants. What goes on or stands in does so until it
 * is chosen anew. */
static void model_aim(struct ax_fleet_model *model)
{
    size_t newer_count = 0;
    for (size_t i = model->version_count; i > 0; i--) {
        struct ax_fleet_version *version = model->versions[i - 1];
        version->is_in_policy =
            version->is_listed &&
            ax_version_policy_has(&model->settings.policy, version->number, newer_count);
        version->is_target = version->is_in_policy ||
                             ((version->goes_on || version->stands_in) && version->is_listed);
        newer_count += version->is_listed;
    }
}

static void model_set_settings(struct ax_fleet_model *model,
                               const struct ax_model_settings *settings)
{
    if (model->has_settings && ax_model_settings_equal(&model->settings, settings))
        return;
    model->settings = *settings;
    model->has_settings = true;
    for (size_t i = 0; i < model->version_count; i++) {
        ax_fleet_version_note_settings(model->versions[i]);
        ax_fleet_version_forgive(model->versions[i]);
    }
}

void ax_fleet_model_list(struct ax_fleet_model *model, const struct ax_repository_model *listing)
{
    assert(model);
    static const struct ax_repository_model gone;
    model->is_touched = true;
    model->is_listed = listing != NULL;
    listing = listing ? listing : &gone;
    model->err = listing->err;
    /* A folder that cannot be read at the moment takes nothing away. */
    if (listing->version_count == 0 && listing->err.code && listing->err.code != AX_E_NOT_FOUND)
        return;
    model_merge(model, listing->versions, listing->version_count);
    /* Refused settings leave those in force that were good before. */
    if (listing->version_count > 0 && listing->err.code == AX_OK) {
        model_set_settings(model, &listing->settings);
        model->is_warned = false;
    }
    model_aim(model);
}

/* Whether anything of it is left, or on its way. */
static bool version_is_alive(const struct ax_fleet_version *version)
{
    return version->loaded.served || version->held.served || version->load || version->is_pending ||
           version->draining_count || version->wanting_count;
}

void ax_fleet_model_sweep(struct ax_fleet_model *model)
{
    assert(model);
    size_t kept = 0;
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        bool is_alive = version_is_alive(version);
        if (version->account && !is_alive && !version->is_target && !version->is_in_force) {
            ax_account_unref(version->account);
            version->account = NULL;
            model->is_touched = true;
        }
        /* What was in force before a try is again when that is given up. */
        if (is_alive || version->is_listed || (version->is_in_force && model->is_trying)) {
            model->versions[kept++] = version;
            continue;
        }
        free(version);
        model->is_touched = true;
    }
    model->version_count = kept;
}

bool ax_fleet_model_is_over(const struct ax_fleet_model *model)
{
    assert(model);
    return !model->is_listed && model->version_count == 0 && model->order_count == 0;
}

/* ---- questions ---- */

static bool loaded_has_settings(const struct ax_loaded *loaded, const struct ax_fleet_model *model)
{
    return loaded->served && ax_model_settings_equal(&loaded->served->settings, &model->settings);
}

void ax_fleet_version_note_settings(struct ax_fleet_version *version)
{
    assert(version);
    version->loaded_has_settings = loaded_has_settings(&version->loaded, version->model);
    version->held_has_settings = loaded_has_settings(&version->held, version->model);
}

bool ax_fleet_version_is_current(const struct ax_fleet_version *version)
{
    assert(version);
    return version->loaded.served && version->loaded_has_settings &&
           ax_fingerprint_equal(version->loaded.fingerprint, version->fingerprint);
}

bool ax_fleet_version_is_held(const struct ax_fleet_version *version)
{
    assert(version);
    return version->held.served && version->held_has_settings &&
           ax_fingerprint_equal(version->held.fingerprint, version->fingerprint) &&
           version->is_target && version->model->is_wanted;
}

void ax_fleet_version_drop_held(struct ax_fleet_version *version)
{
    assert(version);
    ax_served_unref(version->held.served);
    version->held = (struct ax_loaded){ 0 };
}

bool ax_fleet_version_is_due(const struct ax_fleet_version *version)
{
    assert(version);
    const struct ax_fleet_model *model = version->model;
    /* What only goes on or stands in is as it was: there is no need of its new files. */
    bool is_there = version->is_in_policy ? ax_fleet_version_is_current(version)
                                          : version->loaded.served != NULL;
    return version->is_target && model->is_wanted && model->has_settings &&
           version->err.code == AX_OK && !is_there;
}

bool ax_fleet_version_is_coming(const struct ax_fleet_version *version)
{
    return ax_fleet_version_is_due(version) &&
           (version->load || version->is_pending || version->is_asked);
}

bool ax_fleet_model_answers(const struct ax_fleet_model *model)
{
    assert(model);
    for (size_t i = 0; i < model->version_count; i++)
        if (model->versions[i]->loaded.served)
            return true;
    return false;
}

bool ax_fleet_version_comes_back(const struct ax_fleet_version *version)
{
    assert(version);
    return version->is_in_force && !version->loaded.served && version->is_listed &&
           version->err.code == AX_OK &&
           ax_fingerprint_equal(version->loaded.fingerprint, version->fingerprint);
}

bool ax_fleet_version_is_awaited(const struct ax_fleet_version *version)
{
    assert(version);
    const struct ax_fleet_model *model = version->model;
    return version->wanting_count > 0 || (model->is_succeeded && model->wanting_count > 0 &&
                                          version->is_in_policy && !version->is_in_force);
}

/* Whether any version of it answers, or would if it were asked, as it did before. */
static bool model_would_answer(const struct ax_fleet_model *model)
{
    for (size_t i = 0; i < model->version_count; i++) {
        const struct ax_fleet_version *version = model->versions[i];
        if (version->loaded.served || (!model->is_trying && ax_fleet_version_is_due(version) &&
                                       ax_fleet_version_comes_back(version)))
            return true;
    }
    return false;
}

/* It is not ready, and asking has it loaded. A new version that comes beside one that answers, or
 * would, is not cold: until it is there, the other one answers. */
static bool version_is_cold(const struct ax_fleet_version *version, bool answers)
{
    if (version->loaded.served)
        return false;
    if (ax_fleet_version_is_due(version))
        return version->is_in_force || !answers;
    /* When what is tried is given up, something else may come. */
    return version->model->is_trying && version->model->is_wanted && !answers;
}

bool ax_fleet_version_must_retire(const struct ax_fleet_version *version)
{
    assert(version);
    const struct ax_fleet_model *model = version->model;
    if (!version->loaded.served && !version->is_in_force)
        return false;
    if (!model->is_wanted)
        return true;
    /* What is tried may yet be given up. */
    if (version->is_target || model->is_trying)
        return false;
    size_t listed_count = 0, ready_count = 0;
    for (size_t i = 0; i < model->version_count; i++) {
        const struct ax_fleet_version *other = model->versions[i];
        listed_count += other->is_listed;
        if (!other->is_target)
            continue;
        bool is_there = ax_fleet_version_comes_back(other);
        if (ax_fleet_version_is_due(other) && !is_there)
            return false; /* It is on its way. */
        ready_count += is_there || other->loaded.served;
    }
    return ready_count > 0 || listed_count == 0;
}

/* How those that the policy wants have turned out. */
struct outcome {
    size_t failed_count;
    bool has_good;    /* one answers, or would if it were asked */
    bool has_untried; /* it is not known of one whether it loads */
};

static struct outcome model_outcome(const struct ax_fleet_model *model)
{
    struct outcome outcome = { 0 };
    for (size_t i = 0; i < model->version_count; i++) {
        const struct ax_fleet_version *version = model->versions[i];
        if (!version->is_in_policy)
            continue;
        if (version->loaded.served || ax_fleet_version_comes_back(version))
            outcome.has_good = true;
        else if (version->err.code)
            outcome.failed_count++;
        else
            outcome.has_untried = true;
    }
    return outcome;
}

/* What is in force and the policy does not want goes on while one that it wants is untried. Then as
 * many of it stand in as have failed, the newest ones. True when any does. */
static bool model_keep_in_force(struct ax_fleet_model *model, const struct outcome *outcome)
{
    size_t place_count = outcome->failed_count;
    bool any = false;
    for (size_t i = model->version_count; i > 0; i--) {
        struct ax_fleet_version *version = model->versions[i - 1];
        if (version->is_in_policy ||
            !(version->loaded.served || ax_fleet_version_comes_back(version)))
            continue;
        if (outcome->has_untried) {
            version->goes_on = version->is_listed;
            model->is_succeeded |= version->goes_on;
            continue;
        }
        /* One whose folder is gone cannot come back. It answers on when there is nobody else. */
        if (place_count == 0 || (!version->is_listed && (outcome->has_good || any)))
            continue;
        version->stands_in = version->is_listed;
        place_count--;
        any = true;
    }
    return any;
}

/* The newest that may be loaded, where the policy wants the newest, unless too many were tried. */
static void model_try_older(struct ax_fleet_model *model)
{
    size_t failed_count = 0;
    if (model->settings.policy.kind != AX_POLICY_LATEST)
        return;
    for (size_t i = model->version_count; i > 0 && failed_count < STAND_INS_MAX; i--) {
        struct ax_fleet_version *version = model->versions[i - 1];
        if (version->is_in_policy || !version->is_listed)
            continue;
        if (version->err.code == AX_OK) {
            version->stands_in = true;
            return;
        }
        failed_count++;
    }
}

void ax_fleet_model_choose(struct ax_fleet_model *model)
{
    assert(model);
    struct outcome outcome = model_outcome(model);
    model->is_succeeded = false;
    for (size_t i = 0; i < model->version_count; i++)
        model->versions[i]->goes_on = model->versions[i]->stands_in = false;
    /* A load that tries something is told how that went, and what it tried is given up. */
    if (model->is_wanted && model->has_settings && !model->is_trying &&
        !model_keep_in_force(model, &outcome) && outcome.failed_count && !outcome.has_good &&
        !outcome.has_untried)
        model_try_older(model);
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        version->is_target = version->is_in_policy || version->goes_on || version->stands_in;
    }
}

static struct ax_fleet_version *model_answering(struct ax_fleet_model *model)
{
    bool answers = model_would_answer(model);
    for (size_t i = model->version_count; i > 0; i--) {
        struct ax_fleet_version *version = model->versions[i - 1];
        if (version->loaded.served || version_is_cold(version, answers))
            return version;
    }
    for (size_t i = model->version_count; i > 0; i--)
        if (model->versions[i - 1]->is_target)
            return model->versions[i - 1];
    return NULL;
}

struct ax_fleet_version *ax_fleet_model_version(struct ax_fleet_model *model, struct ax_str text)
{
    assert(model);
    if (text.len == 0)
        return model_answering(model);
    for (size_t i = 0; i < model->version_count; i++)
        if (ax_str_is(text, model->versions[i]->text))
            return model->versions[i];
    return NULL;
}

/* ---- what the catalog says ---- */

static enum ax_version_state version_state(const struct ax_fleet_version *version)
{
    if (version->loaded.served)
        return AX_VERSION_READY;
    if (version->load)
        return ax_fleet_load_is_warming(version->load) ? AX_VERSION_WARMING : AX_VERSION_LOADING;
    if (version->held.served)
        return AX_VERSION_WARMING;
    if (version->draining_count)
        return AX_VERSION_DRAINING;
    bool is_refused = version->is_target && !version->model->has_settings;
    return version->err.code || is_refused ? AX_VERSION_FAILED : AX_VERSION_UNLOADED;
}

/* Why a version is as it is; NULL: there is nothing to say. */
static const char *version_reason(const struct ax_fleet_version *version,
                                  enum ax_version_state state)
{
    const struct ax_fleet_model *model = version->model;
    if (version->err.code)
        return version->err.msg;
    if (model->err.code && version->is_target)
        return model->err.msg;
    if (state != AX_VERSION_UNLOADED)
        return NULL;
    if (!model->is_wanted)
        return "unloaded";
    if (!version->is_target)
        return version->is_listed ? "not in the version policy" : "its folder is gone";
    return version->is_pending ? "waits for a loader" : "is loaded when it is asked for";
}

struct ax_catalog_model *ax_fleet_model_catalog(const struct ax_fleet_model *model)
{
    assert(model);
    struct ax_catalog_model *made = ax_catalog_model_new(model->name, model->version_count);
    made->is_wanted = model->is_wanted;
    made->timeout = ax_model_settings_timeout(&model->settings);
    bool answers = model_would_answer(model);
    if (model->version_count == 0)
        made->reason = ax_xstrdup(model->err.code ? model->err.msg : "its folder is gone");
    for (size_t i = 0; i < model->version_count; i++) {
        const struct ax_fleet_version *version = model->versions[i];
        struct ax_catalog_version *to = &made->versions[i];
        to->number = version->number;
        memcpy(to->text, version->text, sizeof(to->text));
        to->state = version_state(version);
        const char *reason = version_reason(version, to->state);
        to->reason = reason ? ax_xstrdup(reason) : NULL;
        to->served = version->loaded.served ? ax_served_ref(version->loaded.served) : NULL;
        to->account = version->account ? ax_account_ref(version->account) : NULL;
        to->load_ns = version->loaded.load_ns;
        to->warm_up_ns = version->loaded.warm_up_ns;
        to->resident_bytes = version->loaded.memory_bytes + version->loaded.image_bytes;
        to->is_target = version->is_target;
        to->is_cold = version_is_cold(version, answers);
    }
    return made;
}

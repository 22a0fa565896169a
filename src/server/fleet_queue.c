/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions that wait for a loader, those that are being loaded, and what comes of it.
 *
 * Few loads run, many may wait: who is next is found by looking at all that wait whenever a loader
 * is free, which needs no order that would have to be kept.
 */
#include "server/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/fleet_metrics.h"

#include <assert.h>
#include <limits.h>

#define CONFLICT_WAIT_NS ((uint64_t)100 * AX_NS_PER_MS) /* doubled with each one */
#define CONFLICTS_MAX    6
#define PUT_OFF_MAX      8 /* that have no room are looked at in a round: each costs a decision */
#define LOOK_NS          ((uint64_t)500 * AX_NS_PER_MS) /* at loads that run in idle time */

void ax_fleet_add_pending(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    if (fleet->pending_count == fleet->pending_cap) {
        fleet->pending_cap = AX_MAX(2 * fleet->pending_cap, (size_t)64);
        fleet->pending =
            ax_xrealloc(fleet->pending, fleet->pending_cap, sizeof(struct ax_fleet_version *));
    }
    fleet->pending[fleet->pending_count++] = version;
    version->is_pending = true;
}

static void fleet_take_pending(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    size_t at = 0;
    while (fleet->pending[at] != version)
        at++;
    fleet->pending_count--;
    memmove(&fleet->pending[at], &fleet->pending[at + 1],
            (fleet->pending_count - at) * sizeof(struct ax_fleet_version *));
    version->is_pending = false;
}

void ax_fleet_reconsider(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    if (!version->is_pending ||
        ax_fleet_preloads(fleet, version, ax_fleet_model_answers(version->model)))
        return;
    fleet_take_pending(fleet, version);
    ax_fleet_touch(fleet, version->model);
}

static void fleet_receive_load(void *context, struct ax_message *message);

/* Which of those that wait comes next: one that requests wait for, a pinned one, the one that is
 * worth most, what replaces another one of its model (its room is not held against that), the
 * first. */
static bool version_is_before(const struct ax_fleet *fleet, const struct ax_fleet_version *a,
                              const struct ax_fleet_version *b)
{
    bool a_awaited = ax_fleet_version_is_awaited(a);
    if (a_awaited != ax_fleet_version_is_awaited(b))
        return a_awaited;
    if (a->model == b->model)
        return a->is_in_policy && !b->is_in_policy;
    bool a_pinned = ax_fleet_pins(fleet, a->model);
    bool b_pinned = ax_fleet_pins(fleet, b->model);
    return a_pinned != b_pinned ? a_pinned : a->model->worth > b->model->worth;
}

/* Whether a load is not left to idle time: requests wait for it, or for the server's start, or
 * there is no such time. */
static bool fleet_hurries(const struct ax_fleet *fleet, const struct ax_fleet_version *version)
{
    return version->wanting_count > 0 || version->is_starved || !fleet->is_complete ||
           fleet->loaders.given_up_count == fleet->loaders.thread_count;
}

static struct ax_fleet_version *fleet_next_pending(struct ax_fleet *fleet, uint64_t now_ns)
{
    size_t best = SIZE_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < fleet->pending_count; i++) {
        struct ax_fleet_version *version = fleet->pending[i];
        if (version->held.served || !ax_fleet_version_is_due(version)) {
            version->is_pending = false; /* Something came in between. */
            continue;
        }
        fleet->pending[kept++] = version;
        if (version->retry_ns > now_ns) {
            ax_fleet_wake_by(fleet, version->retry_ns);
            continue;
        }
        if (!version->is_put_off &&
            ax_fleet_loaders_have_room(&fleet->loaders, fleet_hurries(fleet, version)) &&
            (best == SIZE_MAX || version_is_before(fleet, version, fleet->pending[best])))
            best = kept - 1;
    }
    fleet->pending_count = kept;
    return best == SIZE_MAX ? NULL : fleet->pending[best];
}

bool ax_fleet_print_path(const struct ax_fleet *fleet, const struct ax_fleet_version *version,
                         char path[PATH_MAX])
{
    const char *source = ax_fleet_model_source(version->model, fleet->config->models);
    int len = snprintf(path, PATH_MAX, "%s/%s/%s", source, version->model->name, version->text);
    return len > 0 && len < PATH_MAX;
}

/* A state that is passed through. */
static void log_state(const struct ax_fleet_version *version, const char *event)
{
    ax_log(AX_LOG_DEBUG, event, AX_LOG_TEXT("model", version->model->name),
           AX_LOG_TEXT("version", version->text));
}

static void fleet_begin_load(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    char path[PATH_MAX];
    if (!ax_fleet_print_path(fleet, version, path)) {
        (void)ax_fail(&version->err, AX_E_INVALID, "the path is too long");
        return;
    }
    const struct ax_fleet_load template = {
        .message.receive = fleet_receive_load,
        .inbox = &fleet->inbox,
        .version = version,
        .is_urgent = fleet_hurries(fleet, version),
        .job.number = version->number,
        .job.known_fingerprint = version->loaded.fingerprint,
        .job.known_key = version->loaded.image_key,
        .path = ax_xstrdup(path),
        .model_name = ax_xstrdup(version->model->name),
        .settings = version->model->settings,
        .listed = version->fingerprint,
        .try_number = version->model->is_trying ? version->model->try_number : 0,
    };
    if (!version->account)
        version->account = ax_account_open(version->model->name, version->text);
    version->load = ax_fleet_loaders_begin(&fleet->loaders, &template);
    log_state(version, "model version loading");
    ax_fleet_wake_by(fleet, version->load->began_ns + LOOK_NS);
}

/* Begin with it, unless it waits for room, where it stays in its place. */
static enum ax_fleet_room fleet_try_to_begin(struct ax_fleet *fleet,
                                             struct ax_fleet_version *version)
{
    enum ax_fleet_room room = ax_fleet_make_room(fleet, version);
    if (room == AX_FLEET_ROOM_LATER)
        return room;
    fleet_take_pending(fleet, version);
    version->is_foreseen = false;
    if (room == AX_FLEET_ROOM)
        fleet_begin_load(fleet, version);
    /* Others of a model change when one of it fails; a review looks at all of them. */
    if (version->load)
        ax_fleet_touch(fleet, version->model);
    else
        ax_fleet_review(fleet, version->model);
    return room;
}

void ax_fleet_begin_loads(struct ax_fleet *fleet)
{
    uint64_t now_ns = ax_clock_ns();
    struct ax_fleet_version *version, *put_off[PUT_OFF_MAX];
    size_t put_off_count = 0;
    while (put_off_count < PUT_OFF_MAX &&
           (ax_fleet_loaders_have_room(&fleet->loaders, false) ||
            ax_fleet_loaders_have_room(&fleet->loaders, true)) &&
           (version = fleet_next_pending(fleet, now_ns))) {
        if (fleet_try_to_begin(fleet, version) != AX_FLEET_ROOM_LATER)
            continue;
        put_off[put_off_count++] = version;
        version->is_put_off = true;
        fleet->first_put_off = put_off[0];
    }
    for (size_t i = 0; i < put_off_count; i++)
        put_off[i]->is_put_off = false;
    fleet->first_put_off = NULL;
}

static void fleet_tell_loaded(const struct ax_fleet *fleet, const struct ax_fleet_load *load)
{
    static const char *const images[] = { [AX_VERSION_IMAGE_NONE] = "none",
                                          [AX_VERSION_IMAGE_USED] = "used",
                                          [AX_VERSION_IMAGE_MADE] = "made" };
    const struct ax_version *version = load->loaded.served->version;
    if (version->image_note.code)
        ax_log(AX_LOG_WARN, "model image passed over", AX_LOG_TEXT("model", version->model_name),
               AX_LOG_TEXT("version", version->text), AX_LOG_ERR(&version->image_note));
    ax_log(AX_LOG_INFO, "model version loaded", AX_LOG_TEXT("model", version->model_name),
           AX_LOG_TEXT("version", version->text), AX_LOG_TEXT("format", version->model->format),
           AX_LOG_U64("inputs", version->model->signature.input_count),
           AX_LOG_TEXT("image", images[version->image]),
           AX_LOG_F64("seconds", (double)load->loaded.load_ns / AX_NS_PER_S),
           AX_LOG_F64("warm_up_seconds", (double)load->loaded.warm_up_ns / AX_NS_PER_S));
    if (fleet->config->loaded)
        fleet->config->loaded(fleet->config->context, version);
}

/* What was read may be older or younger than what was listed: only another look tells. */
static void load_look_again(const struct ax_fleet_load *load)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_fingerprint now;
    if (!ax_fingerprint_read(load->path, &now, &ignored))
        load->version->fingerprint = now;
}

/* What the policy does not want answers only as long as it is needed, and what was in force only as
 * it was; its files may have changed since they were looked at. */
static bool load_is_in_vain(const struct ax_fleet_load *load)
{
    const struct ax_fleet_version *version = load->version;
    if (load->try_number || version->is_in_policy)
        return false;
    return !version->is_target ||
           (ax_fleet_version_comes_back(version) &&
            !ax_fingerprint_equal(version->loaded.fingerprint, load->loaded.fingerprint));
}

static void fleet_take_loaded(struct ax_fleet *fleet, const struct ax_fleet_load *load)
{
    struct ax_fleet_version *version = load->version;
    if (load_is_in_vain(load)) {
        load_look_again(load);
        ax_served_unref(load->loaded.served);
        return;
    }
    fleet_tell_loaded(fleet, load);
    if (!ax_fleet_fit(fleet, version, &load->loaded, load->try_number > 0)) {
        ax_served_unref(load->loaded.served);
        return;
    }
    ax_fleet_metrics_loaded(version->account, load->loaded.load_ns, load->loaded.warm_up_ns);
    version->is_left_out = false;
    version->conflict_count = 0;
    if (version->is_listed && !ax_fingerprint_equal(version->fingerprint, load->loaded.fingerprint))
        load_look_again(load);
    if (load->try_number) {
        ax_fleet_version_drop_held(version);
        version->held = load->loaded;
        ax_fleet_version_note_settings(version);
    } else {
        ax_fleet_show(fleet, version, &load->loaded);
    }
    if (ax_fleet_version_is_held(version) || ax_fleet_version_is_current(version))
        version->is_asked = false;
}

/* What failed is no longer what should be loaded. */
static bool load_is_outdated(const struct ax_fleet_load *load)
{
    const struct ax_fleet_version *version = load->version;
    return !ax_fingerprint_equal(load->listed, version->fingerprint) ||
           !ax_model_settings_equal(&load->settings, &version->model->settings);
}

/* Files that change while they are read have not settled; nor is it an error before some tries. */
static void load_take_failure(const struct ax_fleet_load *load)
{
    struct ax_fleet_version *version = load->version;
    if (load_is_outdated(load))
        return;
    if (load->err.code == AX_E_CONFLICT && ++version->conflict_count < CONFLICTS_MAX) {
        version->retry_ns = ax_clock_ns() + (CONFLICT_WAIT_NS << (version->conflict_count - 1));
        load_look_again(load);
        return;
    }
    version->err = load->err;
    version->is_asked = false;
    ax_fleet_metrics_failed(version->account);
    ax_log(AX_LOG_ERROR,
           version->loaded.served ? "model version not replaced" : "model version failed",
           AX_LOG_TEXT("model", version->model->name), AX_LOG_TEXT("version", version->text),
           AX_LOG_ERR(&version->err));
}

/* Whether an override came or went since the load began, so that its files or its settings are not
 * the version's any more. */
static bool fleet_was_elsewhere(const struct ax_fleet *fleet, const struct ax_fleet_load *load)
{
    char path[PATH_MAX];
    const struct ax_fleet_model *model = load->version->model;
    if (load->try_number && (!model->is_trying || model->try_number != load->try_number))
        return true;
    return !ax_fleet_print_path(fleet, load->version, path) || strcmp(path, load->path) != 0;
}

static void fleet_note_warming(struct ax_fleet *fleet, struct ax_fleet_load *load)
{
    if (load->was_warming || !load->version || !ax_fleet_load_is_warming(load))
        return;
    load->was_warming = true;
    log_state(load->version, "model version warming");
    ax_fleet_touch(fleet, load->version->model);
}

static void fleet_receive_load(void *context, struct ax_message *message)
{
    struct ax_fleet *fleet = context;
    struct ax_fleet_load *load = container_of(message, struct ax_fleet_load, message);
    struct ax_fleet_version *version = load->version;
    if (!version) {
        ax_served_unref(load->loaded.served);
        ax_fleet_loaders_end(&fleet->loaders, load);
        return;
    }
    fleet_note_warming(fleet, load); /* It may be over before anybody looked. */
    version->load = NULL;
    version->is_starved = false;
    if (fleet_was_elsewhere(fleet, load))
        ax_served_unref(load->loaded.served); /* Neither what it read counts, nor that it failed. */
    else if (load->err.code)
        load_take_failure(load);
    else
        fleet_take_loaded(fleet, load);
    ax_fleet_loaders_end(&fleet->loaders, load);
    /* What is not wanted any more is retired at once. */
    ax_fleet_review(fleet, version->model);
}

/* One that idle time is not enough for is begun anew in a hurry. */
static void fleet_feed(struct ax_fleet *fleet, struct ax_fleet_load *load, uint64_t now_ns)
{
    if (load->is_urgent || !load->version)
        return;
    ax_fleet_wake_by(fleet, now_ns + LOOK_NS);
    if (!ax_fleet_load_is_starved(load, now_ns))
        return;
    struct ax_fleet_version *version = load->version;
    ax_fleet_loaders_give_up(&fleet->loaders, load);
    version->load = NULL;
    version->is_starved = true;
    ax_fleet_review(fleet, version->model);
}

void ax_fleet_look_at_loads(struct ax_fleet *fleet)
{
    uint64_t now_ns = ax_clock_ns();
    for (struct ax_fleet_load *load = fleet->loaders.running; load; load = load->next) {
        fleet_note_warming(fleet, load);
        fleet_feed(fleet, load, now_ns);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's memory: what is in it, as residency.c wants to see it, and what comes of its
 * decision.
 *
 * A version that is loaded counts with what its loader measured, one that is being loaded with what
 * the same files took before, or with a guess; as soon as it is there it is looked at again. Only
 * what was measured of the same files refuses a version; one that by a guess cannot fit is tried. A
 * version that went for others, or was left out, is cold: it comes when it is asked.
 */
#include "server/fleet_control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/fleet_metrics.h"
#include "server/popularity.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A guess that can never fit is taken for as many times too large, until it fits. */
#define GUESS_DOUBT 8

static struct ax_footprint loaded_footprint(const struct ax_loaded *loaded)
{
    return (struct ax_footprint){ loaded->memory_bytes, loaded->image_bytes,
                                  loaded->image_key.digest };
}

/* ---- the table ---- */

struct table {
    struct ax_resident *residents;
    struct ax_fleet_version **versions; /* whose they are */
    size_t count, cap;
};

static struct ax_resident *table_add(struct table *table, struct ax_fleet_version *version,
                                     const struct ax_footprint *footprint,
                                     enum ax_resident_state state)
{
    if (table->count == table->cap) {
        table->cap = AX_MAX(2 * table->cap, (size_t)64);
        table->residents = ax_xrealloc(table->residents, table->cap, sizeof(*table->residents));
        table->versions =
            ax_xrealloc(table->versions, table->cap, sizeof(struct ax_fleet_version *));
    }
    struct ax_resident *resident = &table->residents[table->count];
    *resident = (struct ax_resident){ .footprint = *footprint, .state = state };
    table->versions[table->count++] = version;
    return resident;
}

/* Whether the one that is to come takes the place of this one, which answers until then. What is in
 * force itself takes nobody's place. */
static bool is_replaced(const struct ax_fleet_version *version,
                        const struct ax_fleet_version *demanding)
{
    return demanding && demanding->model == version->model &&
           (demanding == version ||
            (demanding->is_in_policy && !demanding->is_in_force && !version->is_in_policy));
}

/* What answers is not driven out by what replaces it: that may fail yet. */
static void table_add_ready(struct ax_fleet *fleet, struct table *table,
                            struct ax_fleet_version *version,
                            const struct ax_fleet_version *demanding, uint64_t now_ms)
{
    uint64_t used_ms = atomic_load_explicit(&version->loaded.served->used_ms, memory_order_relaxed);
    struct ax_footprint footprint = loaded_footprint(&version->loaded);
    struct ax_resident *resident = table_add(table, version, &footprint, AX_RESIDENT_READY);
    resident->is_pinned = ax_fleet_pins(fleet, version->model) || is_replaced(version, demanding);
    resident->used_ms = AX_MAX(used_ms, version->ready_ms);
    resident->worth = version->model->worth;
    if (version->turn_ms > now_ms && used_ms < version->ready_ms) {
        resident->state = AX_RESIDENT_LOADING;
        ax_fleet_wake_by(fleet, version->turn_ms * AX_NS_PER_MS);
    }
}

/* What is loaded for a try is in the way of others until it is over. What is tried at the same time
 * does not wait for it: it would wait for itself, or both for each other. */
static void table_add_held(struct table *table, struct ax_fleet_version *version, bool waits)
{
    struct ax_footprint footprint = loaded_footprint(&version->held);
    struct ax_resident *resident =
        table_add(table, version, &footprint, waits ? AX_RESIDENT_LOADING : AX_RESIDENT_READY);
    resident->is_pinned = !waits;
}

/* For a version that is to come; NULL: of what is there now. What is to take its place, and is not
 * there yet, is not in its way: it answers until then. */
static struct table table_make(struct ax_fleet *fleet, const struct ax_fleet_version *demanding)
{
    struct table table = { 0 };
    uint64_t now_ms = ax_clock_ns() / AX_NS_PER_MS;
    for (size_t i = 0; i < fleet->model_count; i++) {
        struct ax_fleet_model *model = fleet->models[i];
        for (size_t k = 0; k < model->version_count; k++) {
            struct ax_fleet_version *version = model->versions[k];
            if (version->loaded.served)
                table_add_ready(fleet, &table, version, demanding, now_ms);
            if (version->held.served)
                table_add_held(&table, version, demanding && !demanding->model->is_trying);
            if (version->load && demanding && !is_replaced(demanding, version))
                (void)table_add(&table, version, &version->estimate, AX_RESIDENT_LOADING);
        }
    }
    for (size_t i = 0; i < fleet->draining_count; i++)
        (void)table_add(&table, fleet->draining[i].version, &fleet->draining[i].footprint,
                        AX_RESIDENT_LEAVING);
    const struct ax_fleet_version *first = demanding ? fleet->first_put_off : NULL;
    if (first && first != demanding && !first->load && !is_replaced(demanding, first))
        (void)table_add(&table, fleet->first_put_off, &first->estimate, AX_RESIDENT_COMING);
    return table;
}

static void table_done(struct table *table)
{
    free(table->residents);
    free(table->versions);
}

static void table_evict(struct ax_fleet *fleet, const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct ax_fleet_version *version = table->versions[i];
        if (!table->residents[i].must_go)
            continue;
        ax_log(AX_LOG_DEBUG, "model version evicted", AX_LOG_TEXT("model", version->model->name),
               AX_LOG_TEXT("version", version->text));
        version->is_left_out = true;
        ax_fleet_metrics_evicted(version->account);
        ax_fleet_retire(fleet, version);
    }
    /* One that stands in may not be able to come back. */
    for (size_t i = 0; i < table->count; i++)
        if (table->residents[i].must_go)
            ax_fleet_review(fleet, table->versions[i]->model);
}

/* ---- what a version will take ---- */

static size_t folder_bytes(const char *path)
{
    size_t bytes = 0;
    DIR *listing = opendir(path);
    if (!listing)
        return 0;
    for (const struct dirent *file; (file = readdir(listing));) {
        struct stat info;
        if (fstatat(dirfd(listing), file->d_name, &info, 0) == 0 && S_ISREG(info.st_mode))
            bytes += (size_t)info.st_size;
    }
    (void)closedir(listing);
    return bytes;
}

static bool footprint_is_known(const struct ax_footprint *footprint)
{
    return footprint->memory_bytes || footprint->image_bytes;
}

/* True when it is but a guess: what the model took with other files, or in another process, may
 * have had nothing to do with these. */
static bool fleet_estimate(const struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    if (footprint_is_known(&version->measured) &&
        ax_fingerprint_equal(version->measured_fingerprint, version->fingerprint)) {
        version->estimate = version->measured;
        return false;
    }
    struct ax_str name = ax_str_from(version->model->name);
    if (ax_popularity_footprint(fleet->popularity, name, &version->estimate))
        return true;
    char path[PATH_MAX];
    size_t bytes = ax_fleet_print_path(fleet, version, path) ? folder_bytes(path) : 0;
    version->estimate = ax_residency_estimate(bytes);
    return true;
}

/* ---- decisions ---- */

static bool model_answers(const struct ax_fleet_model *model)
{
    for (size_t i = 0; i < model->version_count; i++)
        if (model->versions[i]->loaded.served)
            return true;
    return false;
}

/* What may go for it. */
static double fleet_demand(const struct ax_fleet *fleet, const struct ax_fleet_version *version)
{
    if (ax_fleet_version_is_awaited(version) || version->is_asked ||
        ax_fleet_pins(fleet, version->model) ||
        (model_answers(version->model) && !version->is_left_out))
        return AX_RESIDENCY_ASKED;
    /* At start nobody is driven out by who comes later, and is worth less. */
    return fleet->is_complete ? version->model->worth : 0;
}

/* It does not fit. What was asked for has failed; the others were but to be there before. */
static void version_leave_out(struct ax_fleet_version *version, double worth,
                              const struct ax_err *err)
{
    if (worth < AX_RESIDENCY_ASKED) {
        version->is_left_out = true;
        return;
    }
    version->err = *err;
    version->is_short = true;
    version->is_asked = false;
    if (!version->account)
        version->account = ax_account_open(version->model->name, version->text);
    ax_fleet_metrics_failed(version->account);
    ax_log(AX_LOG_ERROR, "model version does not fit into memory",
           AX_LOG_TEXT("model", version->model->name), AX_LOG_TEXT("version", version->text),
           AX_LOG_ERR(err));
}

/* A guess refuses nobody: what cannot fit by it is loaded, and then it is known. */
static void version_doubt(struct ax_fleet_version *version, struct table *table,
                          const struct ax_residency_demand *demand, size_t bytes_max,
                          bool *ret_fits, struct ax_err *err)
{
    version->is_doubted = true;
    while (err->code && footprint_is_known(&version->estimate)) {
        version->estimate.memory_bytes /= GUESS_DOUBT;
        version->estimate.image_bytes /= GUESS_DOUBT;
        ax_err_clear(err);
        (void)(ax_residency_admit(table->residents, table->count, demand, bytes_max, ret_fits,
                                  err) != AX_OK);
    }
}

enum ax_fleet_room ax_fleet_make_room(struct ax_fleet *fleet, struct ax_fleet_version *version)
{
    assert(fleet && version && !version->load);
    bool is_guess = fleet_estimate(fleet, version);
    version->is_doubted = false;
    size_t bytes_max = fleet->config->model_memory_max;
    if (bytes_max == 0)
        return AX_FLEET_ROOM;
    struct ax_err err = AX_ERR_INIT;
    struct table table = table_make(fleet, version);
    struct ax_residency_demand demand = { &version->estimate, fleet_demand(fleet, version) };
    /* Behind one that waits for room, only requests drive out others. */
    bool is_behind = fleet->first_put_off != NULL;
    if (is_behind && !ax_fleet_version_is_awaited(version))
        demand.worth = 0;
    bool fits = false;
    if (ax_residency_admit(table.residents, table.count, &demand, bytes_max, &fits, &err) &&
        is_guess && !is_behind && demand.worth >= AX_RESIDENCY_ASKED)
        version_doubt(version, &table, &demand, bytes_max, &fits, &err);
    bool is_never = err.code && !is_behind;
    if (is_never)
        version_leave_out(version, demand.worth, &err);
    else if (!err.code)
        table_evict(fleet, &table);
    table_done(&table);
    fits &= !err.code;
    fleet->needs_room |= !is_never && !fits;
    return is_never ? AX_FLEET_ROOM_NEVER : fits ? AX_FLEET_ROOM : AX_FLEET_ROOM_LATER;
}

/* What was loaded, and takes `version->estimate`, may stay; then those go that have to. */
static bool fleet_keeps(struct ax_fleet *fleet, struct ax_fleet_version *version, bool is_held)
{
    size_t bytes_max = fleet->config->model_memory_max;
    if (bytes_max == 0)
        return true;
    struct ax_err err = AX_ERR_INIT;
    struct table table = table_make(fleet, version);
    /* One that was let in on a doubt has yet to show that it fits beside what it replaces. */
    for (size_t i = 0; i < table.count && !is_held && !version->is_doubted; i++)
        if (is_replaced(table.versions[i], version))
            table.residents[i].state = AX_RESIDENT_LEAVING;
    struct ax_residency_demand demand = { &version->estimate, fleet_demand(fleet, version) };
    bool fits = false;
    if (ax_residency_admit(table.residents, table.count, &demand, bytes_max, &fits, &err))
        version_leave_out(version, demand.worth, &err);
    else
        table_evict(fleet, &table);
    table_done(&table);
    fleet->is_over |= !err.code && !fits;
    return err.code == AX_OK;
}

void ax_fleet_trim(struct ax_fleet *fleet)
{
    assert(fleet);
    if (!fleet->is_over)
        return;
    struct ax_err err = AX_ERR_INIT;
    struct table table = table_make(fleet, NULL);
    const struct ax_footprint nothing = { 0 };
    struct ax_residency_demand demand = { &nothing, AX_RESIDENCY_ASKED };
    bool fits = false;
    if (!ax_residency_admit(table.residents, table.count, &demand, fleet->config->model_memory_max,
                            &fits, &err))
        table_evict(fleet, &table);
    table_done(&table);
    /* Where nobody may go, whoever changes that looks again. */
    fleet->is_over = !err.code && !fits;
}

bool ax_fleet_fit(struct ax_fleet *fleet, struct ax_fleet_version *version,
                  const struct ax_loaded *loaded, bool is_held)
{
    assert(fleet && version && !version->load && loaded);
    version->estimate = version->measured = loaded_footprint(loaded);
    version->measured_fingerprint = loaded->fingerprint;
    if (!fleet_keeps(fleet, version, is_held))
        return false;
    /* What did not fit would tell nothing of what will come. */
    ax_popularity_note(fleet->popularity, ax_str_from(version->model->name), &version->measured);
    return true;
}

/* What cannot go for anybody. */
static size_t fleet_pinned_bytes(const struct ax_fleet *fleet)
{
    size_t bytes = 0;
    for (size_t i = 0; i < fleet->model_count; i++) {
        const struct ax_fleet_model *model = fleet->models[i];
        for (size_t k = 0; k < model->version_count && ax_fleet_pins(fleet, model); k++)
            if (model->versions[k]->loaded.served)
                bytes += model->versions[k]->loaded.memory_bytes +
                         model->versions[k]->loaded.image_bytes;
    }
    return bytes;
}

/* What the versions take that it would replace: they stay until it is there. */
static size_t replaced_bytes(const struct ax_fleet_version *version)
{
    size_t bytes = 0;
    for (size_t i = 0; i < version->model->version_count; i++) {
        const struct ax_fleet_version *other = version->model->versions[i];
        if (other->loaded.served && is_replaced(other, version))
            bytes += other->loaded.memory_bytes + other->loaded.image_bytes;
    }
    return bytes;
}

/* True when any version of it was. */
static bool model_forgive_short(struct ax_fleet_model *model, size_t bytes_max)
{
    bool any = false;
    for (size_t i = 0; i < model->version_count; i++) {
        struct ax_fleet_version *version = model->versions[i];
        if (!version->is_short)
            continue;
        size_t bytes = version->estimate.memory_bytes + version->estimate.image_bytes;
        if (bytes + replaced_bytes(version) > bytes_max)
            continue;
        ax_fleet_version_forgive(version);
        any = true;
    }
    return any;
}

void ax_fleet_forgive_short(struct ax_fleet *fleet)
{
    assert(fleet);
    size_t bytes_max = fleet->config->model_memory_max;
    if (!fleet->has_more_room || bytes_max == 0)
        return;
    fleet->has_more_room = false;
    size_t pinned_bytes = fleet_pinned_bytes(fleet);
    size_t free_bytes = bytes_max > pinned_bytes ? bytes_max - pinned_bytes : 0;
    for (size_t i = 0; i < fleet->model_count; i++)
        if (model_forgive_short(fleet->models[i], free_bytes))
            ax_fleet_review(fleet, fleet->models[i]);
}

void ax_fleet_tell_memory(struct ax_fleet *fleet)
{
    assert(fleet);
    struct table table = table_make(fleet, NULL);
    ax_fleet_metrics_memory(ax_residency_bytes(table.residents, table.count),
                            fleet->config->model_memory_max);
    table_done(&table);
}

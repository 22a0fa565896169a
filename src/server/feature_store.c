/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer is opened late, and stays.
 */
#include "server/feature_store.h"

#include "base/alloc.h"
#include "base/log.h"
#include "feature/online/online_disk.h"
#include "feature/online/online_journals.h"
#include "pipeline/materialize_views.h"
#include "registry/registry.h"
#include "server/server.h"

#include <assert.h>
#include <stdlib.h>

/* Each some hundredths of a second. */
#define FILL_BYTES_FIRST ((size_t)16 << 20)
#define FILL_ROWS_FIRST  ((size_t)100000)

#define FIELD(name) offsetof(struct ax_feature_store_config, name)

const struct ax_option ax_feature_store_options[] = {
    { AX_OPTION_SIZE, "online_memory_bytes_max", "1g", FIELD(memory_bytes_max), 1 << 20,
      INT64_C(1) << 46, "bytes",
      "Memory of the online store; over it keys that are new are refused." },
    { AX_OPTION_SIZE, "online_disk_bytes_max", "16g", FIELD(disk_bytes_max),
      (int64_t)AX_ONLINE_DISK_BYTES_MIN, INT64_C(1) << 46, "bytes",
      "File of the online store in the folder of state; over it nothing is folded into it until a "
      "restart with more." },
    { AX_OPTION_SIZE, "journal_bytes_max", "16g", FIELD(journal_bytes_max), 4096, INT64_C(1) << 46,
      "bytes",
      "Files of the journal of a source that is pushed; over it its rows are refused with 503." },
    { AX_OPTION_CHOICE, "journal_durability", "process", FIELD(durability), 0, 0, "process|disk",
      "What pushed rows outlive once they are acknowledged: the process (kill -9), or the "
      "machine." },
    { AX_OPTION_SIZE, "online_queue_max", "1024", FIELD(queue_max), 1, 1 << 20, NULL,
      "Most pushes that wait for the online store; further ones are refused with 503." },
    { 0 },
};

struct ax_feature_store {
    const struct ax_feature_store_config *config;
    const char *state;
    struct ax_epoch *epoch;
    const struct ax_server *server;
    _Atomic(struct ax_online_writer *) writer;
};

struct ax_feature_store *ax_feature_store_new(const struct ax_feature_store_config *config,
                                              const char *state, struct ax_epoch *epoch,
                                              const struct ax_server *server)
{
    assert(config && state && epoch);
    struct ax_feature_store *store = ax_xalloc(sizeof(*store));
    *store = (struct ax_feature_store){
        .config = config, .state = state, .epoch = epoch, .server = server
    };
    return store;
}

void ax_feature_store_free(struct ax_feature_store *store)
{
    if (!store)
        return;
    ax_online_writer_close(ax_feature_store_writer(store));
    free(store);
}

/* On the writer's thread. */
static void log_fold(void *context, const struct ax_err *err)
{
    const struct ax_feature_store *store = context;
    if (err)
        ax_log(AX_LOG_ERROR, "the online store cannot be kept on the disk",
               AX_LOG_TEXT("state", store->state), AX_LOG_ERR(err));
    else
        ax_log(AX_LOG_INFO, "the online store is kept on the disk again",
               AX_LOG_TEXT("state", store->state));
}

static void log_fill(void *context, const struct ax_err *err)
{
    const struct ax_feature_store *store = context;
    ax_log(AX_LOG_ERROR, "the online store cannot be read into memory",
           AX_LOG_TEXT("state", store->state), AX_LOG_ERR(err));
}

static void log_journal(void *context, struct ax_str source,
                        const struct ax_online_journal_loss *loss)
{
    (void)context;
    if (loss->bytes_cut)
        ax_log(loss->is_cut_damaged ? AX_LOG_WARN : AX_LOG_INFO,
               loss->is_cut_damaged
                   ? "the end of a journal was damaged and cut off: push its rows again"
                   : "the last write to a journal was broken off, and is cut off",
               AX_LOG_STR("source", source), AX_LOG_U64("bytes", loss->bytes_cut));
    if (loss->rows)
        ax_log(AX_LOG_WARN,
               "a journal lacks rows that were acknowledged: the online store has their values, "
               "histories do not; push them again",
               AX_LOG_STR("source", source), AX_LOG_U64("rows", loss->rows));
}

static int64_t now_us(void *context)
{
    const struct ax_feature_store *store = context;
    return ax_server_now_us(store->server);
}

static enum ax_code open_writer(struct ax_feature_store *store, struct ax_err *err)
{
    const struct ax_feature_store_config *config = store->config;
    const struct ax_online_writer_config opened = {
        .state = store->state,
        .epoch = store->epoch,
        .memory_bytes_max = config->memory_bytes_max,
        .disk_bytes_max = config->disk_bytes_max,
        .journal_bytes_max = config->journal_bytes_max,
        .fill_bytes_first = FILL_BYTES_FIRST,
        .fill_rows_first = FILL_ROWS_FIRST,
        .queue_max = config->queue_max,
        .durability = (enum ax_online_durability)config->durability,
        .now_us = store->server ? now_us : NULL,
        .fold_failed = log_fold,
        .fill_failed = log_fill,
        .journal_lacks = log_journal,
        .context = store,
    };
    struct ax_online_writer *writer;
    if (ax_online_writer_open(&opened, &writer, err))
        return err->code;
    atomic_store_explicit(&store->writer, writer, memory_order_release);
    return AX_OK;
}

/* Which views files gave values to, and how many of them lack these, since the store's file is a
 * new one. */
static enum ax_code look_back(const struct ax_feature_store *store,
                              const struct ax_definitions *definitions, bool *ret_are_materialised,
                              size_t *ret_lost, struct ax_err *err)
{
    struct ax_registry *registry = NULL;
    (void)(ax_registry_open(store->state, AX_REGISTRY_READ, &registry, err) ||
           ax_materialize_look_back(registry, definitions, ax_feature_store_writer(store),
                                    ret_are_materialised, ret_lost, err));
    ax_registry_close(registry);
    return err->code;
}

static void tell_lost(size_t views)
{
    if (views)
        ax_log(AX_LOG_WARN,
               "the online store was made anew and lacks what files had: run 'auspex materialize'",
               AX_LOG_U64("views", views));
}

static void release(void *owner)
{
    ax_applied_definitions_unref(owner);
}

enum ax_code ax_feature_store_define(
    struct ax_feature_store *store, struct ax_applied_definitions *applied,
    enum ax_code (*publish)(void *context, struct ax_online_views *views, struct ax_err *err),
    void *context, struct ax_online_views **ret_views, struct ax_err *err)
{
    assert(store && applied && ret_views && err);
    bool is_first = !ax_feature_store_writer(store);
    size_t lost = 0;
    if (is_first && open_writer(store, err))
        return err->code;
    bool *are_materialised =
        ax_xalloc((applied->definitions.view_count + 1) * sizeof(*are_materialised));
    if (look_back(store, &applied->definitions, are_materialised, &lost, err)) {
        free(are_materialised);
        return err->code;
    }
    if (is_first && store->server)
        tell_lost(lost);
    const struct ax_online_definitions given = { .definitions = &applied->definitions,
                                                 .owner = ax_applied_definitions_ref(applied),
                                                 .release = release,
                                                 .publish = publish,
                                                 .context = context,
                                                 .are_materialised = are_materialised };
    if (ax_online_writer_define(ax_feature_store_writer(store), &given, ret_views, err))
        ax_applied_definitions_unref(applied);
    free(are_materialised);
    return err->code;
}

bool ax_feature_store_is_ready(const struct ax_feature_store *store)
{
    const struct ax_online_writer *writer = ax_feature_store_writer(store);
    return !writer || !ax_online_writer_fills_windows(writer);
}

struct ax_online_writer *ax_feature_store_writer(const struct ax_feature_store *store)
{
    assert(store);
    return atomic_load_explicit(&store->writer, memory_order_acquire);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex features delete`. The work is that of the state directory's owner: a server, which goes
 * on meanwhile, or this process, which opens the store for as long.
 */
#include "cmd/features_delete.h"

#include "base/alloc.h"
#include "base/json.h"
#include "cmd/control_client.h"
#include "cmd/exit_code.h"
#include "cmd/jobs.h"
#include "pipeline/given_keys.h"
#include "pipeline/served_erase.h"
#include "server/served_log.h"
#include "server/server.h"
#include "server/serving_features.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_INIT ((size_t)64 << 10)
#define ARENA_BYTES_MAX  ((size_t)4 << 30)
#define OUT_BYTES_MAX    ((size_t)16 << 20)

const struct ax_option ax_features_delete_options[] = {
    { AX_OPTION_TEXT, "entity", NULL, offsetof(struct ax_features_delete_config, entity), 0, 0,
      "NAME", "The entity of which `delete` deletes keys." },
    { AX_OPTION_LIST, "key", NULL, offsetof(struct ax_features_delete_config, key), 0, 0,
      "COLUMN=VALUE", "A part of the key that goes, once for each of the entity's columns." },
    { AX_OPTION_TEXT, "keys", NULL, offsetof(struct ax_features_delete_config, keys), 0, 0, "FILE",
      "Keys that go, a line of JSON each: {\"COLUMN\": VALUE}." },
    { AX_OPTION_BOOL, "dry_run", "false", offsetof(struct ax_features_delete_config, dry_run), 0, 0,
      NULL, "Tell what `delete` would delete, and delete nothing." },
    { 0 },
};

/* Of the command as a server has it. */
struct sent_config {
    bool json;
};

static const struct ax_option sent_options[] = {
    { AX_OPTION_BOOL, "json", "false", offsetof(struct sent_config, json), 0, 0, NULL,
      "Print a line of JSON." },
    { 0 },
};

/* ---- the work, whoever does it ---- */

struct deleting {
    const struct ax_features_delete_config *config;
    const char *keys_path;
    bool json;
    const char *state;
    struct ax_online_writer *writer;
    struct ax_online_views *views;
    struct ax_served_log *log; /* NULL: nothing is logged at the moment */
    struct ax_text_output *output;
    void (*notice)(void *arg, struct ax_str text);
    void *arg;
};

static void put_result(const struct deleting *d, const struct ax_online_erase *erase,
                       uint64_t vectors, struct ax_buf *out)
{
    const struct ax_definitions *definitions = d->views->given.definitions;
    struct ax_str entity = definitions->entities[erase->entity].name;
    uint64_t rows = 0;
    for (size_t i = 0; i < definitions->source_count; i++)
        rows += erase->rows[i];
    if (d->json) {
        (void)ax_buf_append_char(out, '{');
        ax_json_put_member(out, "entity", entity);
        ax_json_put_member_u64(out, "keys", erase->keys->count);
        ax_json_put_member_u64(out, "found", erase->found);
        ax_json_put_member_u64(out, "rows", rows);
        ax_json_put_member_u64(out, "served_vectors", vectors);
        ax_json_put_key(out, "sources");
        (void)ax_buf_append_char(out, '{');
    } else {
        ax_buf_printf(out,
                      "%.*s: %zu keys, %zu of them with values; %" PRIu64
                      " rows of journals and histories, %" PRIu64 " served vectors%s\n",
                      AX_STR_ARG(entity), erase->keys->count, erase->found, rows, vectors,
                      d->config->dry_run ? "; nothing was deleted" : "");
    }
    for (size_t i = 0; i < definitions->source_count; i++) {
        struct ax_str source = definitions->sources[i].name;
        if (!erase->rows[i])
            continue;
        if (d->json) {
            if (out->len && out->ptr[out->len - 1] != '{')
                (void)ax_buf_append_char(out, ',');
            ax_json_put_str(out, source);
            ax_buf_printf(out, ":%" PRIu64, erase->rows[i]);
        } else {
            ax_buf_printf(out, "  %.*s: %" PRIu64 "\n", AX_STR_ARG(source), erase->rows[i]);
        }
    }
    if (d->json)
        ax_buf_printf(out, "},\"dry_run\":%s}\n", d->config->dry_run ? "true" : "false");
}

/* Journals whose sources are not applied: which rows are of the keys is told by nobody. */
static void tell_strangers(const struct deleting *d)
{
    const struct ax_definitions *definitions = d->views->given.definitions;
    char text[PATH_MAX];
    (void)snprintf(text, sizeof(text), "%s/journal", d->state);
    DIR *folder = opendir(text);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        const struct ax_source *source =
            ax_map_get(&definitions->names[AX_DEFINITION_SOURCE], ax_str_from(entry->d_name));
        if (entry->d_name[0] == '.' || (source && source->time >= 0))
            continue;
        (void)snprintf(text, sizeof(text),
                       "the journal of '%s' was not looked at, since no source of that name is "
                       "applied that has a time",
                       entry->d_name);
        d->notice(d->arg, ax_str_from(text));
    }
    if (folder)
        (void)closedir(folder);
}

static void tell_unserved(void *arg, const char *path)
{
    const struct deleting *d = arg;
    char text[PATH_MAX + 128];
    (void)snprintf(text, sizeof(text),
                   "'%s' was not looked at, since no service of that name is applied: remove it, "
                   "or wait until it is too old",
                   path);
    d->notice(d->arg, ax_str_from(text));
}

/* From what was served up to now. */
static enum ax_code delete_served(const struct deleting *d, const struct ax_online_erase *erase,
                                  uint64_t *ret_vectors, struct ax_err *err)
{
    const struct ax_definitions *definitions = d->views->given.definitions;
    struct ax_served_erase served = { .state = d->state,
                                      .definitions = definitions,
                                      .entity = &definitions->entities[erase->entity],
                                      .keys = erase->keys,
                                      .is_dry = erase->is_dry,
                                      .stranger = tell_unserved,
                                      .arg = (void *)d };
    if (d->log)
        ax_served_log_flush(d->log);
    if (!ax_served_erase(&served, err))
        *ret_vectors = served.vectors;
    return err->code;
}

static enum ax_code read_keys(const struct deleting *d, const struct ax_entity *entity,
                              struct ax_map *keys, struct ax_err *err)
{
    const struct ax_features_delete_config *config = d->config;
    struct ax_arena arena;
    struct ax_cells cells;
    ax_arena_init(&arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    ax_given_keys_init(&cells, &arena);
    if ((!config->key.count ||
         !ax_given_keys_add(&cells, config->key.texts, config->key.count, err)) &&
        (!config->keys || !ax_given_keys_add_file(&cells, d->keys_path, err)))
        (void)(ax_given_keys_make(&cells, entity, keys, err) != AX_OK);
    ax_arena_done(&arena);
    return err->code;
}

static enum ax_code delete_owned(const struct deleting *d, struct ax_err *err)
{
    const struct ax_definitions *definitions = d->views->given.definitions;
    struct ax_str name = ax_str_from(d->config->entity);
    const struct ax_entity *entity = ax_map_get(&definitions->names[AX_DEFINITION_ENTITY], name);
    if (!entity)
        return ax_fail(err, AX_E_NOT_FOUND, "no entity '%.*s' is applied", AX_STR_ARG(name));
    struct ax_map keys;
    struct ax_buf out;
    struct ax_online_erase erase = { .entity = (size_t)(entity - definitions->entities),
                                     .keys = &keys,
                                     .is_dry = d->config->dry_run };
    ax_map_init(&keys);
    ax_buf_init(&out, OUT_BYTES_MAX);
    erase.rows = ax_xalloc((definitions->source_count + 1) * sizeof(*erase.rows));
    uint64_t vectors = 0;
    tell_strangers(d);
    if (!read_keys(d, entity, &keys, err) &&
        !ax_online_writer_erase(d->writer, d->views, &erase, err) &&
        !delete_served(d, &erase, &vectors, err)) {
        put_result(d, &erase, vectors, &out);
        if (!ax_buf_check(&out, "what was deleted", err))
            (void)(d->output->print(d->output, ax_buf_str(&out), err) != AX_OK);
    }
    free(erase.rows);
    ax_buf_done(&out);
    ax_map_done(&keys);
    return err->code;
}

/* ---- as a job of a server ---- */

static void note_job(void *arg, struct ax_str text)
{
    ax_control_job_note(arg, text);
}

static enum ax_code run_job(struct deleting *d, struct ax_server *server, struct ax_err *err)
{
    struct ax_serving_features *features;
    if (ax_server_features_read(server, &features, err))
        return err->code;
    d->state = ax_server_state(server);
    d->writer = ax_feature_store_writer(ax_server_feature_store(server));
    d->views = features->online;
    d->log = ax_server_served_log(server);
    (void)(delete_owned(d, err) != AX_OK);
    ax_serving_features_unref(features);
    return err->code;
}

enum ax_code ax_job_features_delete(struct ax_control_job *job,
                                    const struct ax_control_request *request, struct ax_err *err)
{
    assert(job && request && err);
    struct ax_features_delete_config config = { 0 };
    struct sent_config sent = { 0 };
    const struct ax_option_group groups[] = { { ax_features_delete_options, &config },
                                              { sent_options, &sent },
                                              { 0 } };
    struct ax_option_args args;
    struct ax_job_output output;
    char path[PATH_MAX] = "";
    ax_job_output_init(&output, job);
    if (!ax_job_options(job, request, groups, &args, err) &&
        (!config.keys || !ax_job_path(request, config.keys, path, err))) {
        struct deleting d = { .config = &config,
                              .keys_path = path,
                              .json = sent.json,
                              .output = &output.base,
                              .notice = note_job,
                              .arg = job };
        (void)(run_job(&d, ax_control_job_server(job), err) != AX_OK);
    }
    ax_option_done(groups);
    return err->code;
}

/* ---- by this process ---- */

static void note(void *arg, struct ax_str text)
{
    ax_command_line_complain(arg, "%.*s", AX_STR_ARG(text));
}

static enum ax_code delete_here(struct deleting *d, const struct ax_feature_store_config *limits,
                                struct ax_err *err)
{
    static struct ax_epoch epoch; /* in lines of the cache, which a stack need not have */
    struct ax_applied_definitions *applied = NULL;
    ax_epoch_init(&epoch);
    struct ax_feature_store *store = ax_feature_store_new(limits, d->state, &epoch, NULL);
    if (!ax_applied_definitions_read(d->state, NULL, &applied, err) &&
        !ax_feature_store_define(store, applied, NULL, NULL, &d->views, err)) {
        d->writer = ax_feature_store_writer(store);
        (void)(delete_owned(d, err) != AX_OK);
    }
    ax_online_views_unref(d->views);
    ax_feature_store_free(store);
    ax_applied_definitions_unref(applied);
    ax_epoch_done(&epoch);
    return err->code;
}

int ax_features_delete(const struct ax_command_line *line,
                       const struct ax_features_delete_config *config,
                       const struct ax_feature_store_config *store, const char *state,
                       struct ax_str typed, bool json)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_features_delete_config sent_config = *config;
    struct sent_config sent = { json };
    const struct ax_option_group groups[] = { { ax_features_delete_options, &sent_config },
                                              { sent_options, &sent },
                                              { 0 } };
    const struct ax_option_args none = { 0 };
    const struct ax_control_work work = {
        .command = "features delete", .typed = typed, .groups = groups, .args = &none
    };
    struct ax_control_owner owner;
    struct deleting d = { .config = config,
                          .keys_path = config->keys,
                          .json = json,
                          .state = state,
                          .output = &ax_text_output_standard,
                          .notice = note,
                          .arg = (void *)line };
    if (!config->entity || (!config->key.count && !config->keys)) {
        ax_command_line_complain(line, "usage: auspex features delete [OPTION]... --entity NAME "
                                       "--key COLUMN=VALUE|--keys FILE");
        return AX_EXIT_USAGE;
    }
    if (!ax_control_owner_find_existing(state, "auspex features delete", &owner, &err)) {
        (void)(owner.lock ? delete_here(&d, store, &err) != AX_OK
                          : ax_control_owner_run(&owner, &work, &err) != AX_OK);
        ax_control_owner_done(&owner);
    }
    if (err.code)
        ax_command_line_complain(line, "%s", err.msg);
    return (int)ax_exit_from_code(err.code);
}

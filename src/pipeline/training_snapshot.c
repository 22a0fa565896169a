/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows are copied without the column of moments, which no snapshot has. Sources are digested
 * before they are read and looked at again after, as for any snapshot.
 */
#include "pipeline/training_snapshot.h"

#include "base/alloc.h"
#include "feature/offline/offline.h"
#include "pipeline/dataset_content.h"
#include "pipeline/dataset_history.h"
#include "pipeline/training_set.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)64 << 10)

struct ax_training_snapshot {
    const struct ax_training_history_job *job;
    struct ax_dataset_store *store;
    struct ax_dataset_origins origins;
};

/* Digest the sources; `again`: see whether they are still the same. */
static enum ax_code look_at_sources(struct ax_training_snapshot *s, bool again, struct ax_err *err)
{
    const struct ax_definitions *definitions = s->job->file->definitions;
    const struct ax_service *service = s->job->spec->service;
    const struct ax_training_history_job *job = s->job;
    struct ax_offline_config config = {
        .definitions = definitions,
        .data_folder = job->data_folder,
        .journals = job->journals,
        .work_folder = ax_dataset_store_work(s->store),
        .threads = 1,
        .cancelled = job->cancelled,
    };
    struct ax_offline *offline = NULL;
    if (ax_offline_open(&config, &offline, err))
        return err->code;
    if (again)
        (void)(ax_dataset_sources_check(&s->origins, definitions, service, offline, err) != AX_OK);
    else
        (void)(ax_dataset_sources_add(&s->origins, definitions, service, offline, job->cancelled,
                                      err) != AX_OK);
    ax_offline_close(offline);
    return err->code;
}

/* The path from the root: a manifest is read elsewhere. */
static enum ax_code copy_path(struct ax_training_snapshot *s, const char *path, struct ax_str *ret,
                              struct ax_err *err)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return ax_fail_errno(err, errno, "find '%s'", path);
    return ax_dataset_origins_copy(&s->origins, ax_str_from(real), ret, err);
}

static enum ax_code tell_origin(struct ax_training_snapshot *s, struct ax_err *err)
{
    const struct ax_train_spec *spec = s->job->spec;
    struct ax_dataset_origin *origin = &s->origins.origin;
    origin->by = AX_DATASET_BY_HISTORY;
    origin->service = spec->service->name;
    origin->at = spec->at;
    origin->as_known = spec->as_known;
    if (copy_path(s, spec->path, &origin->from, err) ||
        copy_path(s, s->job->file->path, &origin->definitions, err))
        return err->code;
    if (spec->query.len
            ? ax_dataset_origins_add_text(&s->origins, AX_STR("rows"), AX_STR(""), spec->query, err)
            : ax_dataset_origins_add_file(&s->origins, AX_STR("rows"), ax_str_from(s->job->rows),
                                          s->job->cancelled, err))
        return err->code;
    return look_at_sources(s, false, err);
}

enum ax_code ax_training_snapshot_open(const struct ax_training_history_job *job, const char *state,
                                       struct ax_training_snapshot **ret_snapshot,
                                       struct ax_err *err)
{
    assert(job && job->file->definitions && job->spec->service && state && ret_snapshot && err);
    struct ax_training_snapshot *s = ax_xalloc(sizeof(*s));
    *s = (struct ax_training_snapshot){ .job = job };
    ax_dataset_origins_init(&s->origins);
    if (ax_dataset_store_open(state, &s->store, err) || tell_origin(s, err))
        ax_training_snapshot_close(s);
    else
        *ret_snapshot = s;
    return err->code;
}

void ax_training_snapshot_close(struct ax_training_snapshot *snapshot)
{
    if (!snapshot)
        return;
    ax_dataset_store_close(snapshot->store);
    ax_dataset_origins_done(&snapshot->origins);
    free(snapshot);
}

static enum ax_code copy_rows(struct ax_training_snapshot *s, struct ax_sql *sql,
                              struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    ax_buf_printf(&text, "COPY (SELECT * EXCLUDE (%s) FROM read_parquet(", AX_TRAINING_MOMENT);
    ax_dataset_put_path(&text, s->job->out);
    ax_buf_printf(&text, ", hive_partitioning=false)) TO ");
    ax_sql_put_literal(&text, ax_str_from(ax_dataset_store_rows(s->store)));
    ax_buf_printf(&text, " (FORMAT parquet)");
    if (!ax_buf_check(&text, "the statement", err))
        (void)(ax_sql_run(sql, ax_buf_str(&text), err) != AX_OK);
    ax_buf_done(&text);
    return err->code;
}

enum ax_code ax_training_snapshot_keep(struct ax_training_snapshot *snapshot,
                                       const char *definition_digest,
                                       struct ax_dataset_kept *ret_kept, struct ax_err *err)
{
    assert(snapshot && definition_digest && ret_kept && err);
    const struct ax_training_history_job *job = snapshot->job;
    struct ax_sql_config config = {
        .threads = job->threads,
        .memory_bytes_max = job->memory_bytes_max,
        .temp_folder = ax_dataset_store_work(snapshot->store),
        .cancelled = job->cancelled,
    };
    struct ax_sql *sql = NULL;
    struct ax_dataset_origin *origin = &snapshot->origins.origin;
    if (look_at_sources(snapshot, true, err) ||
        ax_dataset_origins_copy(&snapshot->origins, ax_str_from(definition_digest),
                                &origin->definition_digest, err) ||
        ax_sql_open(&config, &sql, err))
        return err->code;
    if (!copy_rows(snapshot, sql, err))
        (void)(ax_dataset_store_keep(snapshot->store, sql, origin, job->cancelled, ret_kept, err) !=
               AX_OK);
    ax_sql_close(sql);
    return err->code;
}

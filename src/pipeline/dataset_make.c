/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are written to the store's work folder by whoever makes them, and kept from there.
 */
#include "pipeline/dataset_make.h"

#include "base/alloc.h"
#include "pipeline/dataset_history.h"
#include "pipeline/dataset_origin.h"
#include "pipeline/dataset_rows.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct maker {
    const struct ax_dataset_job *job;
    struct ax_dataset_store *store;
    struct ax_dataset_origins origins;
    struct ax_sql *sql;
    struct ax_err *err;
};

static void tell(const struct maker *m, const char *what)
{
    if (m->job->progress)
        m->job->progress(m->job->arg, what, 0, 0);
}

static enum ax_code open_sql(struct maker *m)
{
    char spill[PATH_MAX];
    int len = snprintf(spill, sizeof(spill), "%s/spill", ax_dataset_store_work(m->store));
    if (len < 0 || (size_t)len >= sizeof(spill))
        return ax_fail(m->err, AX_E_INVALID, "the path of the state directory is too long");
    struct ax_sql_config config = {
        .threads = m->job->threads,
        .memory_bytes_max = m->job->memory_bytes_max,
        .temp_folder = spill,
        .cancelled = m->job->cancelled,
    };
    return ax_sql_open(&config, &m->sql, m->err);
}

static enum ax_code copy_file(struct maker *m)
{
    struct ax_dataset_origin *origin = &m->origins.origin;
    char real[PATH_MAX];
    if (!realpath(m->job->path, real))
        return ax_fail_errno(m->err, errno, "open '%s'", m->job->path);
    tell(m, "reading the file");
    if (ax_dataset_origins_copy(&m->origins, ax_str_from(real), &origin->from, m->err) ||
        ax_dataset_origins_add_file(&m->origins, AX_STR("rows"), origin->from, m->job->cancelled,
                                    m->err) ||
        ax_dataset_rows_copy(m->sql, m->job->threads, m->job->path, NULL, 0,
                             ax_dataset_store_rows(m->store), m->err))
        return m->err->code;
    return ax_dataset_origins_check(&m->origins, m->err);
}

static enum ax_code make(struct maker *m, struct ax_dataset_kept *ret_kept)
{
    if (m->job->history &&
        ax_dataset_history_write(m->job, ax_dataset_store_work(m->store),
                                 ax_dataset_store_rows(m->store), &m->origins, m->err))
        return m->err->code;
    if (open_sql(m) || (m->job->path && copy_file(m)))
        return m->err->code;
    tell(m, "measuring");
    return ax_dataset_store_keep(m->store, m->sql, &m->origins.origin, m->job->cancelled, ret_kept,
                                 m->err);
}

enum ax_code ax_dataset_make(const struct ax_dataset_job *job, struct ax_dataset_kept *ret_kept,
                             struct ax_err *err)
{
    assert(job && job->state && !job->path == !!job->history && job->threads && ret_kept && err);
    struct maker m = { .job = job, .err = err };
    ax_dataset_origins_init(&m.origins);
    if (!ax_dataset_store_open(job->state, &m.store, err))
        (void)(make(&m, ret_kept) != AX_OK);
    ax_sql_close(m.sql);
    ax_dataset_store_close(m.store);
    ax_dataset_origins_done(&m.origins);
    return err->code;
}

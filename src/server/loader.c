/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading one version.
 *
 * What was read is what the folder held at one moment, as far as its fingerprint can tell: it is
 * taken before the first byte is read and behind the last. When the two differ, the load says
 * CONFLICT, also where it failed: half a file is more probably one that is still being written than
 * a broken one. Rows for the warm-up are read in the same moment. Two changes within a tick of the
 * file system's clock that leave the size as it was are not seen: who watches waits for longer than
 * that before it loads (docs/internals/watch.md).
 */
#include "server/loader.h"

#include "base/clock.h"
#include "server/warmup.h"

#include <assert.h>

/* A version between its folder and what is served. */
struct loading {
    const struct ax_load_job *job;
    struct ax_version *version;
    struct ax_warm_up warm_up;
};

/* A step is reading, making and tuning the model, or a batch of the warm-up. */
static enum ax_code loading_check_stop(const struct loading *l, struct ax_err *err)
{
    if (l->job->is_stopped && atomic_load(l->job->is_stopped))
        return ax_fail(err, AX_E_CANCELLED, "the server stops");
    return AX_OK;
}

static enum ax_code loading_read_files(struct loading *l, struct ax_fingerprint before,
                                       struct ax_err *err)
{
    const struct ax_load_job *job = l->job;
    bool is_known =
        job->known_key.source_bytes && ax_fingerprint_equal(before, job->known_fingerprint);
    const struct ax_version_options options = { .images = job->images,
                                                .tune = job->tune,
                                                .known = is_known ? &job->known_key : NULL };
    if (ax_version_load(job->path, job->model_name, job->number, &options, &l->version, err))
        return err->code;
    /* Nobody else has the version yet. */
    size_t *rows_max = &l->version->model->signature.rows_max;
    if (job->settings->rows_max)
        *rows_max = AX_MIN(*rows_max, job->settings->rows_max);
    return ax_warm_up_read(&l->warm_up, l->version, err);
}

static enum ax_code loading_read(struct loading *l, struct ax_fingerprint *ret_fingerprint,
                                 struct ax_err *err)
{
    struct ax_err cause = AX_ERR_INIT;
    struct ax_fingerprint before, after;
    if (loading_check_stop(l, err) || ax_fingerprint_read(l->job->path, &before, err))
        return err->code;
    enum ax_code code = loading_read_files(l, before, &cause);
    if (ax_fingerprint_read(l->job->path, &after, err))
        return err->code;
    if (!ax_fingerprint_equal(before, after))
        return ax_fail(err, AX_E_CONFLICT, "the files in '%s' changed while they were read",
                       l->job->path);
    if (code)
        return ax_fail(err, code, "%s", cause.msg);
    *ret_fingerprint = after;
    return AX_OK;
}

static enum ax_code loading_warm_up(struct loading *l, struct ax_err *err)
{
    if (loading_check_stop(l, err))
        return err->code;
    if (l->job->warming)
        l->job->warming(l->job->context);
    l->warm_up.is_stopped = l->job->is_stopped;
    if (ax_warm_up_run(&l->warm_up, l->job->settings, err))
        return err->code;
    return loading_check_stop(l, err);
}

enum ax_code ax_loader_load(const struct ax_load_job *job, struct ax_loaded *ret_loaded,
                            struct ax_err *err)
{
    assert(job && job->path && job->model_name && job->settings && ret_loaded && err);
    struct loading l = { .job = job };
    struct ax_loaded loaded = { 0 };
    uint64_t began_ns = ax_clock_ns(), read_ns = 0;
    enum ax_code code = loading_read(&l, &loaded.fingerprint, err);
    if (!code) {
        read_ns = ax_clock_ns();
        code = loading_warm_up(&l, err);
    }
    if (!code) {
        loaded.load_ns = read_ns - began_ns;
        loaded.warm_up_ns = ax_clock_ns() - read_ns;
        loaded.memory_bytes = ax_version_memory_bytes(l.version);
        loaded.image_bytes = l.version->image_bytes;
        loaded.image_key = l.version->image_key;
        code = ax_served_new(l.version, job->settings, &loaded.served, err);
    }
    if (!code)
        *ret_loaded = loaded;
    ax_warm_up_done(&l.warm_up);
    ax_version_unref(l.version); /* The served one has a reference of its own. */
    return code;
}

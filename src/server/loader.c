/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading one version.
 *
 * What was read is what the folder held at one moment, as far as its fingerprint can tell: it is
 * taken before the first byte is read and behind the last. When the two differ, the load says
 * CONFLICT, also where it failed: half a file is more probably one that is still being written than
 * a broken one. Two changes within a tick of the file system's clock that leave the size as it was
 * are not seen.
 */
#include "server/loader.h"

#include "base/clock.h"

#include <assert.h>

static enum ax_code loader_read(const struct ax_load_job *job, struct ax_fingerprint before,
                                struct ax_version **ret_version, struct ax_err *err)
{
    const struct ax_version_options options = { .images = job->images, .tune = job->tune };
    struct ax_err cause = AX_ERR_INIT;
    struct ax_fingerprint after;
    struct ax_version *version = NULL;
    (void)(ax_version_load(job->path, job->model_name, job->number, &options, &version, &cause) !=
           AX_OK);
    if (ax_fingerprint_read(job->path, &after, err)) {
        ax_version_unref(version);
        return err->code;
    }
    if (!ax_fingerprint_equal(before, after)) {
        ax_version_unref(version);
        return ax_fail(err, AX_E_CONFLICT, "the files in '%s' changed while they were read",
                       job->path);
    }
    if (cause.code)
        return ax_fail(err, cause.code, "%s", cause.msg);
    *ret_version = version;
    return AX_OK;
}

enum ax_code ax_loader_load(const struct ax_load_job *job, struct ax_loaded *ret_loaded,
                            struct ax_err *err)
{
    assert(job && job->path && job->model_name && job->settings && ret_loaded && err);
    struct ax_loaded loaded = { 0 };
    struct ax_version *version = NULL;
    uint64_t began_ns = ax_clock_ns();
    if (ax_fingerprint_read(job->path, &loaded.fingerprint, err) ||
        loader_read(job, loaded.fingerprint, &version, err))
        return err->code;
    uint64_t read_ns = ax_clock_ns();
    if (job->warming)
        job->warming(job->context);
    loaded.load_ns = read_ns - began_ns;
    loaded.memory_bytes = ax_version_memory_bytes(version);
    loaded.image_bytes = version->image_bytes;
    loaded.image_digest = version->image_digest;
    if (!ax_served_new(version, job->settings, &loaded.served, err))
        *ret_loaded = loaded;
    ax_version_unref(version); /* The served one has a reference of its own. */
    return err->code;
}

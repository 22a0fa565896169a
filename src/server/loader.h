/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version from its folder to a served one: read, checked, warmed.
 *
 * Reading is stable: when the files' fingerprint afterwards is not the one from before, what was
 * read is dropped and the load fails with CONFLICT, for whoever ordered it to try again. The
 * warm-up scores rows (model.yaml, a file, or made up from the signature) with every kernel class
 * that requests will use; a call that fails or an answer that is NaN fails the load. Runs on a
 * loader's thread; nothing is shared.
 */
#ifndef AX_SERVER_LOADER_H
#define AX_SERVER_LOADER_H

#include "engine/version.h"
#include "server/catalog.h"
#include "server/model_settings.h"
#include "server/repository.h"

#include <stdatomic.h>

struct ax_load_job {
    const char *path; /* of the version's folder */
    const char *model_name;
    uint64_t number;
    const struct ax_model_settings *settings;
    struct ax_image_store *images; /* NULL: none */
    bool tune;

    /* What an earlier load had: with the same files its image is mapped without reading them.
     * Zeros: there was none. */
    struct ax_fingerprint known_fingerprint;
    struct ax_image_key known_key;

    const atomic_bool *is_stopped; /* (optional) looked at between steps: CANCELLED */
    /* (optional) The version is loaded and checked and is being warmed now. */
    void (*warming)(void *context);
    void *context;
};

struct ax_loaded {
    struct ax_served *served; /* one reference */
    struct ax_fingerprint fingerprint;
    uint64_t load_ns, warm_up_ns;
    size_t memory_bytes;           /* what its model keeps in memory, without its image */
    size_t image_bytes;            /* of the image that it is mapped from, */
    struct ax_image_key image_key; /* which other versions may share; zeros: no images are used */
};

/* Expected: as ax_version_load; CONFLICT (files changed meanwhile); INVALID (the warm-up failed,
 * with the row and the output); CANCELLED. */
AX_MUST_USE enum ax_code ax_loader_load(const struct ax_load_job *job, struct ax_loaded *ret_loaded,
                                        struct ax_err *err);

#endif

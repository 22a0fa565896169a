/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial of a version before requests find it: rows, scored in batches of each kernel class.
 *
 * Rows are those that model.yaml gives, or made from the signature;
 * docs/internals/model-versions.md says which, and what fails. Reading needs the version's folder,
 * running nothing but memory. At most AX_WARM_UP_ROWS_MAX rows, and about AX_WARM_UP_NS_MAX of a
 * thread's time. One thread.
 */
#ifndef AX_SERVER_WARMUP_H
#define AX_SERVER_WARMUP_H

#include "base/buf.h"
#include "data/rows.h"
#include "engine/version.h"
#include "server/model_settings.h"

#include <stdatomic.h>

#define AX_WARM_UP_NS_MAX         (UINT64_C(1000) * 1000 * 1000)
#define AX_WARM_UP_FILE_BYTES_MAX ((size_t)64 << 20)

struct ax_warm_up {
    const struct ax_version *version; /* borrowed */
    struct ax_signature signature;    /* the version's, for any number of rows; owns nothing */
    struct ax_arena arena;            /* what follows lies in it, */
    struct ax_buf file;               /* and texts of the rows here */
    struct ax_rows rows;              /* given */
    bool is_given, is_off;
    const atomic_bool *is_stopped; /* NULL, or when it is set run ends early, and well; borrowed */
};

/* Read what model.yaml says of it, and the file that it may name. `ret` is released by done, also
 * after a failure. Expected: INVALID (with the place, or the row and its input), DENIED, TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_warm_up_read(struct ax_warm_up *ret, const struct ax_version *version,
                                         struct ax_err *err);
void ax_warm_up_done(struct ax_warm_up *warm_up);

/* Score the rows, and the batches that the settings ask for. Expected: INVALID (a call failed, or
 * an output is NaN and must not be: told by row), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_warm_up_run(struct ax_warm_up *warm_up,
                                        const struct ax_model_settings *settings,
                                        struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overrides: what was given with a load instead of what the folder of models holds, kept on disk.
 *
 * docs/internals/overrides.md. An override is staged (on disk, in use by nobody), then committed by
 * the fleet when its load has succeeded, or discarded. A store may be used by several threads, an
 * override by one at a time. All of it blocks: control threads and pools only.
 */
#ifndef AX_SERVER_OVERRIDES_H
#define AX_SERVER_OVERRIDES_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define AX_OVERRIDE_FILES_MAX        64
#define AX_OVERRIDE_PATH_BYTES_MAX   512
#define AX_OVERRIDE_PATH_PARTS_MAX   8
#define AX_OVERRIDE_CONFIG_BYTES_MAX ((size_t)1 << 20)

struct ax_overrides; /* the folder */
struct ax_override;  /* one model's */

/* What an order brings; all borrowed. */
struct ax_override_file {
    struct ax_str path; /* "1/model.json" */
    struct ax_str bytes;
    bool is_base64; /* `bytes` are text of base64 */
};
struct ax_override_draft {
    struct ax_str model;  /* a name that ax_repository_check_name has taken */
    struct ax_str config; /* Triton's model configuration as JSON; empty: none */
    const struct ax_override_file *files;
    size_t file_count; /* 0: the folder's own */
};

/* Whether a file may have this path. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_override_check_path(struct ax_str path, struct ax_err *err);

/* Open `state`/overrides, making it, read what is in force, and remove what no entry names; for the
 * owner of the state directory. An entry that cannot be read is logged and passed over. Expected:
 * NOT_FOUND, DENIED (cannot be made or read), INVALID, LIMIT. */
AX_MUST_USE enum ax_code ax_overrides_open(const char *state, struct ax_overrides **ret_overrides,
                                           struct ax_err *err);
/* NULL is fine. Overrides that were handed out must be gone. */
void ax_overrides_free(struct ax_overrides *overrides);

/* How many are in force in `state`, for servers that do not use them; 0 when it cannot be read. */
size_t ax_overrides_count(const char *state);

/* The next one of those that were in force when the store was opened, each once; the caller owns
 * it. NULL: no more. For the start. */
struct ax_override *ax_overrides_take(struct ax_overrides *overrides);

/* Write an order's files. Nothing is in force yet. Expected: INVALID (a path, base64, two files in
 * one place), TOO_LARGE, LIMIT (disk full), DENIED. */
AX_MUST_USE enum ax_code ax_overrides_stage(struct ax_overrides *overrides,
                                            const struct ax_override_draft *draft,
                                            struct ax_override **ret_override, struct ax_err *err);

/* No override of the model is in force from now on, also after a crash; fine when none was.
 * Discard it afterwards. Expected: DENIED, LIMIT. */
AX_MUST_USE enum ax_code ax_overrides_clear(struct ax_overrides *overrides, const char *model,
                                            struct ax_err *err);

/* ---- one override ---- */

const char *ax_override_model(const struct ax_override *override);
/* Empty: none. NUL-terminated. */
struct ax_str ax_override_config(const struct ax_override *override);
/* A folder in which <model>/<version>/ are those of the order, to be listed instead of the
 * repository's; NULL: the order had no files. Good as long as the override. */
const char *ax_override_folder(const struct ax_override *override);

/* In force from now on, also after a crash, instead of any other of the model, which the caller
 * discards. A failure leaves in force what was. Expected: LIMIT (disk full), DENIED. */
AX_MUST_USE enum ax_code ax_override_commit(const struct ax_override *override, struct ax_err *err);

/* It is not in force (any more): remove its files, as far as that works, and free it. NULL is fine.
 */
void ax_override_discard(struct ax_override *override);
/* Free the memory alone: what is in force stays so. NULL is fine. */
void ax_override_free(struct ax_override *override);

#endif

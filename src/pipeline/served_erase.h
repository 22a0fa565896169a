/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of an entity go from the files of served vectors.
 *
 * A vector goes if one of its service's roles of the entity was asked for such a key. Files that
 * were written by former definitions of a service have the columns of their call: those that the
 * roles of today name, and, where the call has no such name any more, the entity's own. What is
 * being written meanwhile is another file, and is not looked at.
 */
#ifndef AX_PIPELINE_SERVED_ERASE_H
#define AX_PIPELINE_SERVED_ERASE_H

#include "base/map.h"
#include "feature/definitions.h"

struct ax_served_erase {
    const char *state; /* folder */
    const struct ax_definitions *definitions;
    const struct ax_entity *entity; /* of them */
    const struct ax_map *keys;      /* feature/online/online_key.h */
    bool is_dry;                    /* only tell what there is */
    /* A folder of a service that is not applied: nobody knows which of its columns are keys. */
    void (*stranger)(void *arg, const char *path);
    void *arg;
    uint64_t vectors; /* that went, or would */
};

/* Blocks. Killed meanwhile, or failed, some have gone: again. Expected: UNSUPPORTED (built without
 * DuckDB, and there are files), INVALID (a damaged file), LIMIT, TOO_LARGE, the system's codes. */
AX_MUST_USE enum ax_code ax_served_erase(struct ax_served_erase *erase, struct ax_err *err);

#endif

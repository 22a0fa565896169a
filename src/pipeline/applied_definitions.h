/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definitions that are in force, read from the registry whole: what a server works by.
 *
 * They come from the files that the last apply kept, by the parser that the apply used, so they are
 * all that is known of a folder of definitions, expressions included. Each object has the number of
 * its version and the digest that the catalogue has of it; when this program reads the texts
 * otherwise than the one that applied them, they are refused. Immutable and counted.
 */
#ifndef AX_PIPELINE_APPLIED_DEFINITIONS_H
#define AX_PIPELINE_APPLIED_DEFINITIONS_H

#include "engine/version.h"
#include "feature/definitions.h"
#include "registry/registry.h"

/* A service as it is in force. */
struct ax_applied_service {
    const struct ax_service *service;
    uint64_t version;
    char digest[AX_SHA256_TEXT_SIZE]; /* with all that it is made from: ax_lineage_digest */
};

struct ax_applied_definitions {
    _Atomic unsigned refs;
    struct ax_definitions definitions;
    struct ax_arena arena; /* of what follows */
    uint64_t apply;
    int64_t checksum; /* of the files */
    struct ax_registry_catalogue catalogue;
    const struct ax_applied_service *services; /* one a service, in the order of the definitions */
};

/* Read those of the state directory. `before` (may be NULL) is what was read before: when that is
 * what is in force, *ret is another reference of it. May take long. Expected: NOT_FOUND (nothing
 * was applied), UNSUPPORTED (by an older auspex, which kept no files, or which means something else
 * by them; or by a newer one), INVALID (damaged), DENIED, UNAVAILABLE, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_applied_definitions_read(const char *state,
                                                     struct ax_applied_definitions *before,
                                                     struct ax_applied_definitions **ret,
                                                     struct ax_err *err);

struct ax_applied_definitions *ax_applied_definitions_ref(struct ax_applied_definitions *applied);
/* NULL is fine. The last one frees. Any thread. */
void ax_applied_definitions_unref(struct ax_applied_definitions *applied);

/* The service of that name, or NULL. */
const struct ax_applied_service *ax_applied_service(const struct ax_applied_definitions *applied,
                                                    struct ax_str name);

/* Whether a service that a model version was trained with is in force as it was then; true for
 * none. `applied` may be NULL: nothing is in force. */
bool ax_applied_fits(const struct ax_applied_definitions *applied,
                     const struct ax_version_service *needed);

/* The number of the version of an object that is in force. */
uint64_t ax_applied_version(const struct ax_applied_definitions *applied,
                            enum ax_registry_kind kind, struct ax_str name);

#endif

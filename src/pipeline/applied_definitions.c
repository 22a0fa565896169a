/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catalogue and files are read one after the other, the files by the catalogue's number: an apply
 * in between does not change what an earlier one is. Then the definitions that the files give are
 * made a catalogue, as a plan does, and each object of the one is held against the other's by its
 * digest.
 */
#include "pipeline/applied_definitions.h"

#include "base/alloc.h"
#include "pipeline/definition_catalogue.h"
#include "pipeline/lineage.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_BYTES_INIT ((size_t)64 << 10)
#define ARENA_BYTES_MAX  ((size_t)4 << 30)

/* Both in `arena`, with the files' texts, which the definitions copy. */
static enum ax_code read_registry(const char *state, struct ax_arena *arena,
                                  struct ax_applied_definitions *applied,
                                  struct ax_registry_files *ret_files, struct ax_err *err)
{
    struct ax_registry *registry;
    if (ax_registry_open(state, AX_REGISTRY_READ, &registry, err))
        return err->code;
    if (!ax_registry_read(registry, &applied->arena, &applied->catalogue, err))
        (void)(ax_registry_read_files(registry, applied->catalogue.apply, arena, ret_files, err) !=
               AX_OK);
    ax_registry_close(registry);
    return err->code;
}

/* What was read means what was applied. */
static enum ax_code check_digests(const struct ax_registry_catalogue *applied,
                                  const struct ax_registry_catalogue *read, struct ax_err *err)
{
    for (size_t i = 0; i < AX_MAX(applied->object_count, read->object_count); i++) {
        const struct ax_registry_object *one =
            i < applied->object_count ? &applied->objects[i] : &read->objects[i];
        if (i < applied->object_count && i < read->object_count &&
            ax_registry_object_compare(one, &read->objects[i]) == 0 &&
            strcmp(one->digest, read->objects[i].digest) == 0)
            continue;
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "%s '%.*s' of apply %llu means something else to this auspex than to the "
                       "one that applied it: apply again",
                       ax_registry_kind_name(one->kind), AX_STR_ARG(ax_str_cut(one->name, 60)),
                       (unsigned long long)applied->apply);
    }
    return AX_OK;
}

static enum ax_code add_services(struct ax_applied_definitions *applied, struct ax_arena *arena,
                                 struct ax_err *err)
{
    const struct ax_definitions *definitions = &applied->definitions;
    struct ax_applied_service *services =
        ax_arena_zalloc(&applied->arena, definitions->service_count + 1, sizeof(*services));
    if (!services)
        return ax_arena_fail(&applied->arena, "the definitions", err);
    applied->services = services;
    for (size_t i = 0; i < definitions->service_count && !err->code; i++) {
        struct ax_applied_service *service = &services[i];
        service->service = &definitions->services[i];
        const struct ax_registry_object *object = ax_registry_find(
            &applied->catalogue, AX_REGISTRY_SERVICE, definitions->services[i].name);
        service->version = object->version;
        (void)(ax_lineage_digest(&applied->catalogue, object, arena, service->digest, err) !=
               AX_OK);
    }
    return err->code;
}

/* `arena` is for the time of reading. */
static enum ax_code read_all(const char *state, const struct ax_applied_definitions *before,
                             struct ax_arena *arena, struct ax_applied_definitions *applied,
                             bool *ret_is_same, struct ax_err *err)
{
    struct ax_registry_files files;
    struct ax_registry_catalogue read;
    if (read_registry(state, arena, applied, &files, err))
        return err->code;
    applied->apply = files.apply;
    applied->checksum = files.checksum;
    *ret_is_same = before && before->apply == files.apply && before->checksum == files.checksum;
    if (*ret_is_same ||
        ax_definitions_read_texts(files.folder.ptr, files.files, files.file_count,
                                  &applied->definitions, err) ||
        ax_definition_catalogue(&applied->definitions, arena, &read, err) ||
        check_digests(&applied->catalogue, &read, err))
        return err->code;
    return add_services(applied, arena, err);
}

enum ax_code ax_applied_definitions_read(const char *state, struct ax_applied_definitions *before,
                                         struct ax_applied_definitions **ret, struct ax_err *err)
{
    assert(state && ret && err);
    struct ax_applied_definitions *applied = ax_xalloc(sizeof(*applied));
    struct ax_arena arena;
    bool is_same = false;
    atomic_init(&applied->refs, 1);
    ax_arena_init(&applied->arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    ax_arena_init(&arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    (void)(read_all(state, before, &arena, applied, &is_same, err) != AX_OK);
    ax_arena_done(&arena);
    if (!err->code && !is_same) {
        *ret = applied;
        return AX_OK;
    }
    ax_applied_definitions_unref(applied);
    if (!err->code)
        *ret = ax_applied_definitions_ref(before);
    return err->code;
}

struct ax_applied_definitions *ax_applied_definitions_ref(struct ax_applied_definitions *applied)
{
    assert(applied);
    unsigned before = atomic_fetch_add_explicit(&applied->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return applied;
}

void ax_applied_definitions_unref(struct ax_applied_definitions *applied)
{
    if (!applied)
        return;
    unsigned before = atomic_fetch_sub_explicit(&applied->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    ax_definitions_done(&applied->definitions);
    ax_arena_done(&applied->arena);
    free(applied);
}

const struct ax_applied_service *ax_applied_service(const struct ax_applied_definitions *applied,
                                                    struct ax_str name)
{
    assert(applied);
    const struct ax_service *service = ax_definitions_service(&applied->definitions, name);
    return service ? &applied->services[service - applied->definitions.services] : NULL;
}

bool ax_applied_fits(const struct ax_applied_definitions *applied,
                     const struct ax_version_service *needed)
{
    assert(needed);
    const struct ax_applied_service *found =
        applied && needed->name.len ? ax_applied_service(applied, needed->name) : NULL;
    return !needed->name.len || (found && strcmp(found->digest, needed->digest) == 0);
}

uint64_t ax_applied_version(const struct ax_applied_definitions *applied,
                            enum ax_registry_kind kind, struct ax_str name)
{
    assert(applied);
    const struct ax_registry_object *object = ax_registry_find(&applied->catalogue, kind, name);
    assert(object);
    return object->version;
}

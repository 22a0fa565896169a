/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder's definitions are made a catalogue, as a plan does, and two digests are compared: of
 * the service with its views, their entities and sources, there and in the registry. Other objects
 * may differ as they like.
 */
#include "pipeline/training_registry.h"

#include "base/yaml.h"
#include "pipeline/definition_catalogue.h"
#include "pipeline/lineage.h"
#include "pipeline/version_paths.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_INIT ((size_t)1 << 20)
#define ARENA_BYTES_MAX  ((size_t)4 << 30)

static enum ax_code digest_of(const struct ax_registry_catalogue *catalogue, struct ax_str name,
                              struct ax_arena *arena, char ret_digest[AX_SHA256_TEXT_SIZE],
                              uint64_t *ret_version, struct ax_err *err)
{
    const struct ax_registry_object *object =
        ax_registry_find(catalogue, AX_REGISTRY_SERVICE, name);
    ret_digest[0] = '\0';
    if (!object)
        return AX_OK;
    *ret_version = object->version;
    return ax_lineage_digest(catalogue, object, arena, ret_digest, err);
}

/* *ret_version stays as it is when nothing was applied, or something else. */
static enum ax_code compare(const char *state, struct ax_str name, const char *digest,
                            struct ax_arena *arena, uint64_t *ret_version, struct ax_err *err)
{
    struct ax_registry *registry = NULL;
    struct ax_registry_catalogue applied;
    char found[AX_SHA256_TEXT_SIZE];
    uint64_t version = 0;
    if (ax_registry_open(state, AX_REGISTRY_READ, &registry, err) == AX_E_NOT_FOUND) {
        ax_err_clear(err);
        return AX_OK;
    }
    if (!err->code && !ax_registry_read(registry, arena, &applied, err) &&
        !digest_of(&applied, name, arena, found, &version, err) && strcmp(found, digest) == 0)
        *ret_version = version;
    ax_registry_close(registry);
    return err->code;
}

enum ax_code ax_training_service_find(const struct ax_definitions *definitions,
                                      const struct ax_service *service, const char *state,
                                      struct ax_training_service *ret_service, struct ax_err *err)
{
    assert(definitions && service && state && ret_service && err);
    struct ax_training_service found = { .version = 0 };
    struct ax_registry_catalogue wanted;
    struct ax_arena arena;
    uint64_t unused = 0;
    ax_arena_init(&arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    if (!ax_definition_catalogue(definitions, &arena, &wanted, err) &&
        !digest_of(&wanted, service->name, &arena, found.digest, &unused, err) &&
        !compare(state, service->name, found.digest, &arena, &found.version, err))
        *ret_service = found;
    ax_arena_done(&arena);
    return err->code;
}

enum ax_code ax_training_version_record(const char *state,
                                        const struct ax_registry_model_version *version,
                                        struct ax_err *err)
{
    assert(state && version && err);
    struct ax_registry *registry = NULL;
    struct ax_registry_model_version whole = *version;
    struct ax_buf path;
    char real[PATH_MAX];
    ax_buf_init(&path, PATH_MAX);
    (void)ax_buf_append_str(&path, version->path);
    (void)ax_buf_append_char(&path, '\0');
    if (ax_buf_check(&path, "the path", err))
        goto done;
    if (!realpath(path.ptr, real)) {
        (void)ax_fail_errno(err, errno, "find '%s'", path.ptr);
        goto done;
    }
    whole.path = ax_str_from(real);
    if (!ax_registry_open(state, AX_REGISTRY_WRITE, &registry, err))
        (void)(ax_registry_put_model_version(registry, &whole, err) != AX_OK);
done:
    ax_registry_close(registry);
    ax_buf_done(&path);
    return err->code;
}

/* ---- a version that is there ---- */

struct trained {
    struct ax_version_paths paths;
    struct ax_arena arena;
    const struct ax_yaml *service; /* of model.yaml */
    const struct ax_yaml *history;
    const char *file;
};

/* The one version that the folder is, and its model.yaml. */
static enum ax_code read_folder(struct trained *t, const char *folder, char file[PATH_MAX],
                                struct ax_err *err)
{
    struct ax_yaml *root = NULL;
    if (ax_version_paths_add(&t->paths, folder, err))
        return err->code;
    if (t->paths.count != 1 || !t->paths.items[0].number)
        return ax_fail(err, AX_E_INVALID, "'%s' is no folder of a version, as models/m/1 is",
                       folder);
    int len = snprintf(file, PATH_MAX, "%s/model.yaml", t->paths.items[0].path);
    if (len < 0 || len >= PATH_MAX)
        return ax_fail(err, AX_E_INVALID, "the path of '%s' is too long", folder);
    if (ax_yaml_read(file, &t->arena, &root, err))
        return err->code;
    t->file = file;
    t->service = ax_yaml_get(root, "service");
    t->history = ax_yaml_get(ax_yaml_get(root, "training"), "history");
    if (!t->service || !t->history)
        return ax_fail(err, AX_E_INVALID, "'%s' was not trained with a service", folder);
    return AX_OK;
}

static enum ax_code get_text(const struct trained *t, const struct ax_yaml *map, const char *key,
                             struct ax_str *ret, struct ax_err *err)
{
    const struct ax_yaml *node = ax_yaml_get(map, key);
    if (!node)
        return ax_yaml_fail(map, t->file, err, "the key '%s' is missing", key);
    return ax_yaml_str(node, t->file, ret, err);
}

/* The version of the service in force, when its digest is the one of training. */
static enum ax_code find_in_force(struct trained *t, const char *state, struct ax_str name,
                                  struct ax_str digest, uint64_t *ret_version, struct ax_err *err)
{
    uint64_t version = 0;
    if (compare(state, name, digest.ptr, &t->arena, &version, err))
        return err->code;
    if (!version)
        return ax_fail(err, AX_E_NOT_FOUND,
                       "service '%.*s' is not in force in '%s' as it was in training: apply those "
                       "definitions first",
                       AX_STR_ARG(ax_str_cut(name, 60)), state);
    *ret_version = version;
    return AX_OK;
}

static enum ax_code record_folder(struct trained *t, const char *folder, const char *state,
                                  int64_t now_us, struct ax_trained_version *ret_version,
                                  struct ax_err *err)
{
    char file[PATH_MAX];
    struct ax_str name, digest;
    struct ax_registry_model_version version = { .recorded_at_us = now_us };
    if (read_folder(t, folder, file, err) || get_text(t, t->service, "name", &name, err) ||
        get_text(t, t->service, "digest", &digest, err) ||
        get_text(t, t->history, "digest", &version.digest, err) ||
        find_in_force(t, state, name, digest, &version.service_version, err))
        return err->code;
    version.model = ax_str_from(t->paths.items[0].model);
    version.number = t->paths.items[0].number;
    version.service = name;
    version.path = ax_str_from(t->paths.items[0].path);
    if (ax_training_version_record(state, &version, err))
        return err->code;
    *ret_version = (struct ax_trained_version){ .number = version.number,
                                                .service_version = version.service_version };
    (void)snprintf(ret_version->model, sizeof(ret_version->model), "%.*s",
                   AX_STR_ARG(version.model));
    (void)snprintf(ret_version->service, sizeof(ret_version->service), "%.*s", AX_STR_ARG(name));
    return AX_OK;
}

enum ax_code ax_training_folder_record(const char *folder, const char *state, int64_t now_us,
                                       struct ax_trained_version *ret_version, struct ax_err *err)
{
    assert(folder && state && ret_version && err);
    struct trained trained = { .file = "" };
    ax_arena_init(&trained.arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    (void)(record_folder(&trained, folder, state, now_us, ret_version, err) != AX_OK);
    ax_version_paths_done(&trained.paths);
    ax_arena_done(&trained.arena);
    return err->code;
}

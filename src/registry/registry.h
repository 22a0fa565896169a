/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: the catalogue of definitions as they were applied, in one database.
 *
 * It keeps canonical texts, their digests, the features they make and where these come from; what a
 * text means it does not know. An object (entity, source, view, service, model) has numbered
 * versions, of which one is in force or none; what a version means is never changed, and no version
 * is removed. All that one
 * apply changes is one transaction: whoever reads, also after kill -9 or a loss of power, finds
 * what was before or what is after. With each apply it keeps the files that were applied, so that
 * who reads the definitions needs no folder. Besides, it keeps which versions of services the
 * trained versions of models were made with, and up to where views are in the online store.
 *
 * SQLite in the state directory is the one implementation; with a second one these functions become
 * the wrappers of a table. A registry belongs to one thread at a time; several processes may have
 * it open, one of which may write (base/state_lock.h). All of it blocks. What is read lives in the
 * caller's arena. Errors name the file. See docs/internals/registry.md.
 */
#ifndef AX_REGISTRY_REGISTRY_H
#define AX_REGISTRY_REGISTRY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/option.h"
#include "base/str.h"

struct ax_registry;

/* In this order everything is listed. */
enum ax_registry_kind {
    AX_REGISTRY_ENTITY,
    AX_REGISTRY_SOURCE,
    AX_REGISTRY_VIEW,
    AX_REGISTRY_SERVICE,
    AX_REGISTRY_MODEL,
};
#define AX_REGISTRY_KIND_COUNT 5

/* "entity", as it stands in the database and in JSON. */
const char *ax_registry_kind_name(enum ax_registry_kind kind) AX_RETURNS_NONNULL;
AX_MUST_USE bool ax_registry_kind_find(struct ax_str name, enum ax_registry_kind *ret_kind);

/* A named value that an object has to give: a field of a view, a column of a source, an input of a
 * service. */
struct ax_registry_feature {
    struct ax_str name;
    struct ax_str type;
    bool deprecated;
};

/* What an object, or one feature of it, is made from. */
struct ax_registry_edge {
    struct ax_str feature; /* empty: the object as a whole */
    struct ax_str kind;    /* of an object; "file", "sql", "table" for what lies outside */
    struct ax_str name;
    struct ax_str part; /* a feature of it; empty: it as a whole */
};

/* One version of an object. */
struct ax_registry_object {
    enum ax_registry_kind kind;
    struct ax_str name;
    uint64_t version; /* from 1; 0: was not applied yet */
    bool deprecated;
    struct ax_str definition;         /* canonical text, UTF-8 */
    char digest[AX_SHA256_TEXT_SIZE]; /* of what it means; texts that differ may have the same */
    struct ax_str place;              /* "flights.yaml:12", where it was read */
    uint64_t apply;                   /* that made this version */
    int64_t applied_at_us;            /* UTC */
    uint64_t ended_by;                /* apply that replaced or dropped it; 0: it is in force */
    const struct ax_registry_feature *features;
    size_t feature_count;
    const struct ax_registry_edge *edges;
    size_t edge_count;
};

/* What is in force, or would be. */
struct ax_registry_catalogue {
    uint64_t apply;                           /* number of the last apply; 0: none yet */
    struct ax_str project;                    /* whose definitions they are; empty: none yet */
    const struct ax_registry_object *objects; /* by kind, then by name (bytewise) */
    size_t object_count;
};

/* The objects of a catalogue in its order. */
int ax_registry_object_compare(const struct ax_registry_object *a,
                               const struct ax_registry_object *b);

/* The object of this name, or NULL. */
const struct ax_registry_object *ax_registry_find(const struct ax_registry_catalogue *catalogue,
                                                  enum ax_registry_kind kind, struct ax_str name);

struct ax_registry_config {
    char *state; /* the state directory */
};
extern const struct ax_option ax_registry_options[];

enum ax_registry_access {
    AX_REGISTRY_READ,
    AX_REGISTRY_WRITE, /* makes folder and database, and brings an older one up to date */
};

/* Open the registry of the state directory `state`. Expected: NOT_FOUND (to read, and there is
 * none), INVALID (damaged, or no registry), UNSUPPORTED (written by a newer auspex), DENIED,
 * UNAVAILABLE (another process writes for too long). */
AX_MUST_USE enum ax_code ax_registry_open(const char *state, enum ax_registry_access access,
                                          struct ax_registry **ret_registry, struct ax_err *err);
/* NULL is fine. */
void ax_registry_close(struct ax_registry *registry);

/* What is in force, of one moment. Expected: INVALID (damaged), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_registry_read(struct ax_registry *registry, struct ax_arena *arena,
                                          struct ax_registry_catalogue *ret_catalogue,
                                          struct ax_err *err);

/* One version of one object, whole. Expected: NOT_FOUND, and as for reading. */
AX_MUST_USE enum ax_code ax_registry_read_version(struct ax_registry *registry,
                                                  enum ax_registry_kind kind, struct ax_str name,
                                                  uint64_t version, struct ax_arena *arena,
                                                  struct ax_registry_object *ret_object,
                                                  struct ax_err *err);

/* All versions of one object, the oldest first, without features and edges; none when it was never
 * there. Expected: as for reading. */
AX_MUST_USE enum ax_code ax_registry_versions(struct ax_registry *registry,
                                              enum ax_registry_kind kind, struct ax_str name,
                                              struct ax_arena *arena,
                                              struct ax_registry_catalogue *ret_versions,
                                              struct ax_err *err);

/* What an apply does, and who does it. */
struct ax_registry_change {
    uint64_t after; /* the catalogue's `apply` that this was planned upon */
    int64_t applied_at_us;
    struct ax_str who;     /* "ana@host" */
    struct ax_str command; /* "auspex apply --force flights" */
    struct ax_str folder;  /* of the definitions */
    struct ax_str project; /* whose they are */
    struct ax_str program; /* version of auspex */
    bool forced;
    /* Objects as they are to be; the number of a version and who made it follow. */
    const struct ax_registry_object *const *put; /* new ones, and new versions */
    size_t put_count;
    const struct ax_registry_object *const *dropped; /* known by kind and name */
    size_t dropped_count;
    /* The same in meaning, which the digest tells, but described otherwise or written at another
     * place: the version in force is written anew. */
    const struct ax_registry_object *const *rewritten;
    size_t rewritten_count;
    /* What all of it was read from, and the folder that their relative paths start in. They are
     * those of the last apply from then on, also when nothing else changes. */
    struct ax_str files_folder;
    const struct ax_file_text *files;
    size_t file_count;
};

/* Do it all, or nothing. *ret_apply is its number; with nothing put and nothing dropped, and the
 * same project, no apply is counted, and it is that of the last one. Expected: CONFLICT (another
 * apply came between, or what is dropped or rewritten is not in force), UNAVAILABLE, LIMIT (disk
 * full). */
AX_MUST_USE enum ax_code ax_registry_apply(struct ax_registry *registry,
                                           const struct ax_registry_change *change,
                                           uint64_t *ret_apply, struct ax_err *err);

/* An apply that was done. */
struct ax_registry_applied {
    uint64_t number;
    int64_t applied_at_us;
    struct ax_str who, command, folder, project, program;
    bool forced;
    uint64_t added, changed, dropped; /* objects */
};

/* The last `count_max` ones, the newest first. Expected: as for reading. */
AX_MUST_USE enum ax_code ax_registry_history(struct ax_registry *registry, size_t count_max,
                                             struct ax_arena *arena,
                                             const struct ax_registry_applied **ret_applies,
                                             size_t *ret_count, struct ax_err *err);

/* The files of an apply. */
struct ax_registry_files {
    uint64_t apply;
    struct ax_str folder;             /* NUL-terminated */
    const struct ax_file_text *files; /* in the order in which they were given */
    size_t file_count;
    int64_t checksum; /* of folder, paths and texts */
};

/* Those of apply `number`, 0: of the last one. Expected: NOT_FOUND (there is no such apply),
 * UNSUPPORTED (an older auspex did it and kept none), and as for reading. */
AX_MUST_USE enum ax_code ax_registry_read_files(struct ax_registry *registry, uint64_t number,
                                                struct ax_arena *arena,
                                                struct ax_registry_files *ret_files,
                                                struct ax_err *err);

/* A trained version of a model, and the version of the service that gave its inputs. */
struct ax_registry_model_version {
    struct ax_str model;
    uint64_t number;
    struct ax_str service;
    uint64_t service_version;
    struct ax_str digest; /* of what it was trained on; may be empty */
    struct ax_str path;   /* its folder */
    int64_t recorded_at_us;
};

/* Record one; the same model and number again replaces it. Expected: NOT_FOUND (no such version of
 * the service), UNAVAILABLE, LIMIT. */
AX_MUST_USE enum ax_code ax_registry_put_model_version(
    struct ax_registry *registry, const struct ax_registry_model_version *version,
    struct ax_err *err);

/* All of them, by model and number. Expected: as for reading. */
AX_MUST_USE enum ax_code ax_registry_model_versions(
    struct ax_registry *registry, struct ax_arena *arena,
    const struct ax_registry_model_version **ret_versions, size_t *ret_count, struct ax_err *err);

/* Up to where a view is in the online store. */
struct ax_registry_materialised {
    struct ax_str view;
    char digest[AX_SHA256_TEXT_SIZE]; /* of the view with all that it is made from */
    uint64_t run;                     /* that was the last to do it */
    int64_t to_us;                    /* rows up to this time were read, UTC */
    int64_t done_at_us;
    struct ax_str mark; /* what was read of its source: struct ax_offline_latest */
};

/* What is recorded of a view; NULL: nothing. Expected: as for reading. */
AX_MUST_USE enum ax_code ax_registry_materialised(
    struct ax_registry *registry, struct ax_str view, struct ax_arena *arena,
    const struct ax_registry_materialised **ret_materialised, struct ax_err *err);
/* Record it in the place of what was. Expected: UNAVAILABLE, LIMIT. */
AX_MUST_USE enum ax_code ax_registry_put_materialised(
    struct ax_registry *registry, const struct ax_registry_materialised *materialised,
    struct ax_err *err);

/* Nothing is recorded of the view any more. Expected: as above. */
AX_MUST_USE enum ax_code ax_registry_forget_materialised(struct ax_registry *registry,
                                                         struct ax_str view, struct ax_err *err);

/* One run of materialise over some views. */
struct ax_registry_run {
    struct ax_str arguments; /* what it was asked for, in one form */
    int64_t to_us;
    int64_t began_at_us;
};

/* Begin one, or go on with the last one, if that had the same arguments, was not ended and began
 * at `since_us` or later; then *ret_number and *ret_to_us are that one's. Expected: UNAVAILABLE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_registry_begin_run(struct ax_registry *registry,
                                               const struct ax_registry_run *run, int64_t since_us,
                                               uint64_t *ret_number, int64_t *ret_to_us,
                                               struct ax_err *err);
/* All that the last run was asked for is done. Expected: UNAVAILABLE, LIMIT. */
AX_MUST_USE enum ax_code ax_registry_end_run(struct ax_registry *registry, struct ax_err *err);

#endif

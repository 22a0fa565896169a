/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry read: whole tables into the caller's arena, in one read transaction.
 *
 * Versions, their features and their edges come by three queries in the same order, by the key of
 * the version, and are put together as in a merge: a hundred thousand features are read without one
 * look-up each. What is read is compared with the checksum that was written with it.
 */
#include "registry/database.h"

#include <assert.h>
#include <stdlib.h>

#define IN_FORCE "from versions where ended_by is null"
#define VERSION_COLUMNS                                                                      \
    "select v.id, o.kind, o.name, v.number, v.deprecated, v.definition, v.digest, v.place, " \
    "v.apply, coalesce(v.ended_by, 0), v.checksum, a.applied_at from versions v "            \
    "join objects o on o.id = v.object join applies a on a.number = v.apply "

/* A version while it is put together. */
struct version_row {
    struct ax_registry_object object;
    int64_t id;
    int64_t checksum;
};

static enum ax_code read_digest(struct ax_query *query, int column, struct version_row *row,
                                struct ax_err *err)
{
    struct ax_str digest = ax_query_text(query, column);
    if (digest.len != AX_SHA256_TEXT_SIZE - 1)
        return ax_database_damaged_fail(query->registry, err, "%s '%.*s' has no digest",
                                        ax_registry_kind_name(row->object.kind),
                                        AX_STR_ARG(row->object.name));
    memcpy(row->object.digest, digest.ptr, digest.len);
    row->object.digest[digest.len] = '\0';
    return AX_OK;
}

/* A row of VERSION_COLUMNS. */
static enum ax_code read_version(struct ax_query *query, struct ax_arena *arena,
                                 struct version_row *row, struct ax_err *err)
{
    struct ax_registry_object *object = &row->object;
    *row =
        (struct version_row){ .id = ax_query_i64(query, 0), .checksum = ax_query_i64(query, 10) };
    if (!ax_registry_kind_find(ax_query_text(query, 1), &object->kind))
        return ax_database_damaged_fail(query->registry, err, "it has an object of kind '%.*s'",
                                        AX_STR_ARG(ax_query_text(query, 1)));
    object->version = ax_query_u64(query, 3);
    object->deprecated = ax_query_i64(query, 4) != 0;
    object->apply = ax_query_u64(query, 8);
    object->ended_by = ax_query_u64(query, 9);
    object->applied_at_us = ax_query_i64(query, 11);
    if (ax_query_copy(query, 2, arena, &object->name, err) ||
        ax_query_copy(query, 5, arena, &object->definition, err) ||
        ax_query_copy(query, 7, arena, &object->place, err))
        return err->code;
    return read_digest(query, 6, row, err);
}

/* Which versions are read: those in force, or one. */
struct version_sql {
    const char *feature_count, *features, *edge_count, *edges;
};

static const struct version_sql in_force_sql = {
    "select count(*) from features where version in (select id " IN_FORCE ")",
    "select version, name, type, deprecated from features where version in (select id " IN_FORCE
    ") order by version, position",
    "select count(*) from edges where version in (select id " IN_FORCE ")",
    "select version, feature, kind, name, part from edges where version in (select id " IN_FORCE
    ") order by version, position",
};

static const struct version_sql one_sql = {
    "select count(*) from features where version = ?",
    "select version, name, type, deprecated from features where version = ? order by position",
    "select count(*) from edges where version = ?",
    "select version, feature, kind, name, part from edges where version = ? order by position",
};

struct version_set {
    const struct version_sql *sql;
    int64_t id; /* of the one */
    struct version_row *rows;
    size_t count;
};

enum ax_code ax_registry_make_room(struct ax_registry *registry, const char *count_query,
                                   int64_t id, size_t item_size, struct ax_arena *arena,
                                   void **ret_items, size_t *ret_count, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    size_t count = 0;
    if (!ax_query_begin(&query, registry, count_query, err)) {
        ax_query_set_i64(&query, 0, id);
        if (!ax_query_step(&query, &has_row, err) && has_row)
            count = (size_t)ax_query_u64(&query, 0);
    }
    ax_query_end(&query);
    if (err->code)
        return err->code;
    void *items = ax_arena_zalloc(arena, count + 1, item_size);
    if (!items)
        return ax_arena_fail(arena, "what the registry holds", err);
    *ret_items = items;
    *ret_count = count;
    return AX_OK;
}

static enum ax_code read_versions(struct ax_registry *registry, struct ax_arena *arena,
                                  struct version_row *rows, size_t count, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    size_t at = 0;
    if (!ax_query_begin(&query, registry, VERSION_COLUMNS "where v.ended_by is null order by v.id",
                        err)) {
        while (!ax_query_step(&query, &has_row, err) && has_row && at < count &&
               !read_version(&query, arena, &rows[at], err))
            at++;
    }
    ax_query_end(&query);
    if (!err->code && (at < count || has_row))
        return ax_database_damaged_fail(registry, err, "its tables do not agree");
    return err->code;
}

/* The version that the query's row belongs to, from *at on. */
static struct version_row *find_version(const struct version_set *set, size_t *at, int64_t id)
{
    while (*at < set->count && set->rows[*at].id < id)
        (*at)++;
    return *at < set->count && set->rows[*at].id == id ? &set->rows[*at] : NULL;
}

static enum ax_code read_feature(struct ax_query *query, struct ax_arena *arena,
                                 struct ax_registry_feature *feature, struct ax_err *err)
{
    feature->deprecated = ax_query_i64(query, 3) != 0;
    (void)(ax_query_copy(query, 1, arena, &feature->name, err) ||
           ax_query_copy(query, 2, arena, &feature->type, err));
    return err->code;
}

static enum ax_code read_features(struct ax_registry *registry, struct ax_arena *arena,
                                  const struct version_set *set, struct ax_err *err)
{
    struct ax_registry_feature *items;
    struct ax_query query = { 0 };
    bool has_row = false;
    size_t count, done = 0, at = 0;
    if (ax_registry_make_room(registry, set->sql->feature_count, set->id, sizeof(*items), arena,
                              (void **)&items, &count, err) ||
        ax_query_begin(&query, registry, set->sql->features, err))
        return err->code;
    ax_query_set_i64(&query, 0, set->id);
    while (!ax_query_step(&query, &has_row, err) && has_row && done < count) {
        struct version_row *row = find_version(set, &at, ax_query_i64(&query, 0));
        if (!row || read_feature(&query, arena, &items[done], err))
            break;
        if (!row->object.feature_count++)
            row->object.features = &items[done];
        done++;
    }
    ax_query_end(&query);
    if (!err->code && (done < count || has_row))
        return ax_database_damaged_fail(registry, err, "its tables do not agree");
    return err->code;
}

static enum ax_code read_edge(struct ax_query *query, struct ax_arena *arena,
                              struct ax_registry_edge *edge, struct ax_err *err)
{
    (void)(ax_query_copy(query, 1, arena, &edge->feature, err) ||
           ax_query_copy(query, 2, arena, &edge->kind, err) ||
           ax_query_copy(query, 3, arena, &edge->name, err) ||
           ax_query_copy(query, 4, arena, &edge->part, err));
    return err->code;
}

static enum ax_code read_edges(struct ax_registry *registry, struct ax_arena *arena,
                               const struct version_set *set, struct ax_err *err)
{
    struct ax_registry_edge *items;
    struct ax_query query = { 0 };
    bool has_row = false;
    size_t count, done = 0, at = 0;
    if (ax_registry_make_room(registry, set->sql->edge_count, set->id, sizeof(*items), arena,
                              (void **)&items, &count, err) ||
        ax_query_begin(&query, registry, set->sql->edges, err))
        return err->code;
    ax_query_set_i64(&query, 0, set->id);
    while (!ax_query_step(&query, &has_row, err) && has_row && done < count) {
        struct version_row *row = find_version(set, &at, ax_query_i64(&query, 0));
        if (!row || read_edge(&query, arena, &items[done], err))
            break;
        if (!row->object.edge_count++)
            row->object.edges = &items[done];
        done++;
    }
    ax_query_end(&query);
    if (!err->code && (done < count || has_row))
        return ax_database_damaged_fail(registry, err, "its tables do not agree");
    return err->code;
}

static enum ax_code check_version(const struct ax_registry *registry, const struct version_row *row,
                                  struct ax_err *err)
{
    if (ax_registry_object_checksum(&row->object) == row->checksum)
        return AX_OK;
    return ax_database_damaged_fail(registry, err, "%s '%.*s' is not what was applied",
                                    ax_registry_kind_name(row->object.kind),
                                    AX_STR_ARG(row->object.name));
}

static int compare_objects(const void *a, const void *b)
{
    return ax_registry_object_compare(a, b);
}

/* Of the last apply; empty when there is none. */
static enum ax_code read_project(struct ax_registry *registry, struct ax_arena *arena,
                                 struct ax_str *ret, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    *ret = AX_STR("");
    if (!ax_query_begin(&query, registry,
                        "select project from applies order by number desc limit 1", err) &&
        !ax_query_step(&query, &has_row, err) && has_row)
        (void)(ax_query_copy(&query, 0, arena, ret, err) != AX_OK);
    ax_query_end(&query);
    return err->code;
}

static enum ax_code read_all(struct ax_registry *registry, struct ax_arena *arena,
                             struct ax_registry_catalogue *ret, struct ax_err *err)
{
    struct version_set set = { .sql = &in_force_sql };
    struct ax_str project;
    int64_t apply = 0;
    if (ax_database_get(registry, "select coalesce(max(number), 0) from applies", &apply, err) ||
        read_project(registry, arena, &project, err) ||
        ax_registry_make_room(registry, "select count(*) " IN_FORCE, 0, sizeof(*set.rows), arena,
                              (void **)&set.rows, &set.count, err) ||
        read_versions(registry, arena, set.rows, set.count, err) ||
        read_features(registry, arena, &set, err) || read_edges(registry, arena, &set, err))
        return err->code;
    struct ax_registry_object *objects = ax_arena_alloc(arena, set.count + 1, sizeof(*objects));
    if (!objects)
        return ax_arena_fail(arena, "what the registry holds", err);
    for (size_t i = 0; i < set.count; i++) {
        if (check_version(registry, &set.rows[i], err))
            return err->code;
        objects[i] = set.rows[i].object;
    }
    qsort(objects, set.count, sizeof(*objects), compare_objects);
    *ret = (struct ax_registry_catalogue){ (uint64_t)apply, project, objects, set.count };
    return AX_OK;
}

enum ax_code ax_registry_read(struct ax_registry *registry, struct ax_arena *arena,
                              struct ax_registry_catalogue *ret_catalogue, struct ax_err *err)
{
    assert(registry && arena && ret_catalogue && err);
    if (ax_database_run(registry, "begin", err))
        return err->code;
    (void)(read_all(registry, arena, ret_catalogue, err) != AX_OK);
    return ax_database_end(registry, err);
}

static enum ax_code read_one(struct ax_registry *registry, const struct ax_registry_object *wanted,
                             struct ax_arena *arena, struct ax_registry_object *ret,
                             struct ax_err *err)
{
    struct version_row row;
    struct version_set set = { .sql = &one_sql, .rows = &row, .count = 1 };
    struct ax_query query = { 0 };
    bool has_row = false;
    if (!ax_query_begin(&query, registry,
                        VERSION_COLUMNS "where o.kind = ? and o.name = ? and v.number = ?", err)) {
        ax_query_set_text(&query, 0, ax_str_from(ax_registry_kind_name(wanted->kind)));
        ax_query_set_text(&query, 1, wanted->name);
        ax_query_set_u64(&query, 2, wanted->version);
        if (!ax_query_step(&query, &has_row, err) && has_row)
            (void)(read_version(&query, arena, &row, err) != AX_OK);
    }
    ax_query_end(&query);
    if (!err->code && !has_row)
        return ax_fail(err, AX_E_NOT_FOUND, "%s '%.*s' has no version %llu",
                       ax_registry_kind_name(wanted->kind), AX_STR_ARG(wanted->name),
                       (unsigned long long)wanted->version);
    if (err->code)
        return err->code;
    set.id = row.id;
    if (read_features(registry, arena, &set, err) || read_edges(registry, arena, &set, err) ||
        check_version(registry, &row, err))
        return err->code;
    *ret = row.object;
    return AX_OK;
}

enum ax_code ax_registry_read_version(struct ax_registry *registry, enum ax_registry_kind kind,
                                      struct ax_str name, uint64_t version, struct ax_arena *arena,
                                      struct ax_registry_object *ret_object, struct ax_err *err)
{
    assert(registry && arena && ret_object && err);
    const struct ax_registry_object wanted = { .kind = kind,
                                               .name = name,
                                               .version = AX_MIN(version, (uint64_t)INT64_MAX) };
    struct ax_registry_object object;
    if (ax_database_run(registry, "begin", err))
        return err->code;
    (void)(read_one(registry, &wanted, arena, &object, err) != AX_OK);
    if (ax_database_end(registry, err))
        return err->code;
    *ret_object = object;
    return AX_OK;
}

/* All versions of one object; `count` of them. */
static enum ax_code read_past(struct ax_query *query, struct ax_arena *arena,
                              struct ax_registry_object *objects, size_t count, struct ax_err *err)
{
    bool has_row = false;
    size_t at = 0;
    while (!ax_query_step(query, &has_row, err) && has_row && at < count) {
        struct version_row row;
        if (read_version(query, arena, &row, err))
            break;
        objects[at++] = row.object;
    }
    if (!err->code && (at < count || has_row))
        return ax_database_damaged_fail(query->registry, err, "its tables do not agree");
    return err->code;
}

enum ax_code ax_registry_versions(struct ax_registry *registry, enum ax_registry_kind kind,
                                  struct ax_str name, struct ax_arena *arena,
                                  struct ax_registry_catalogue *ret_versions, struct ax_err *err)
{
    assert(registry && arena && ret_versions && err);
    struct ax_query counting = { 0 }, query = { 0 };
    struct ax_registry_object *objects = NULL;
    bool has_row = false;
    size_t count = 0;
    if (ax_database_run(registry, "begin", err))
        return err->code;
    if (!ax_query_begin(&counting, registry,
                        "select count(*) from versions v join objects o on o.id = v.object "
                        "where o.kind = ? and o.name = ?",
                        err) &&
        !ax_query_begin(&query, registry,
                        VERSION_COLUMNS "where o.kind = ? and o.name = ? order by v.number", err)) {
        ax_query_set_text(&counting, 0, ax_str_from(ax_registry_kind_name(kind)));
        ax_query_set_text(&counting, 1, name);
        ax_query_set_text(&query, 0, ax_str_from(ax_registry_kind_name(kind)));
        ax_query_set_text(&query, 1, name);
        if (!ax_query_step(&counting, &has_row, err) && has_row)
            count = (size_t)ax_query_u64(&counting, 0);
        objects = ax_arena_zalloc(arena, count + 1, sizeof(*objects));
        if (!objects)
            (void)ax_arena_fail(arena, "what the registry holds", err);
        else if (!err->code)
            (void)(read_past(&query, arena, objects, count, err) != AX_OK);
    }
    ax_query_end(&counting);
    ax_query_end(&query);
    if (ax_database_end(registry, err))
        return err->code;
    *ret_versions = (struct ax_registry_catalogue){ .objects = objects, .object_count = count };
    return AX_OK;
}

static enum ax_code read_applied(struct ax_query *query, struct ax_arena *arena,
                                 struct ax_registry_applied *applied, struct ax_err *err)
{
    *applied = (struct ax_registry_applied){ .number = ax_query_u64(query, 0),
                                             .applied_at_us = ax_query_i64(query, 1),
                                             .forced = ax_query_i64(query, 6) != 0,
                                             .added = ax_query_u64(query, 7),
                                             .changed = ax_query_u64(query, 8),
                                             .dropped = ax_query_u64(query, 9) };
    (void)(ax_query_copy(query, 2, arena, &applied->who, err) ||
           ax_query_copy(query, 3, arena, &applied->command, err) ||
           ax_query_copy(query, 4, arena, &applied->folder, err) ||
           ax_query_copy(query, 5, arena, &applied->program, err) ||
           ax_query_copy(query, 10, arena, &applied->project, err));
    return err->code;
}

enum ax_code ax_registry_history(struct ax_registry *registry, size_t count_max,
                                 struct ax_arena *arena,
                                 const struct ax_registry_applied **ret_applies, size_t *ret_count,
                                 struct ax_err *err)
{
    assert(registry && count_max < INT32_MAX && arena && ret_applies && ret_count && err);
    struct ax_query query = { 0 };
    struct ax_registry_applied *applies = NULL;
    bool has_row = false;
    size_t count = 0, at = 0;
    if (ax_database_run(registry, "begin", err))
        return err->code;
    if (!ax_registry_make_room(registry, "select count(*) from applies", 0, sizeof(*applies), arena,
                               (void **)&applies, &count, err) &&
        !ax_query_begin(&query, registry,
                        "select number, applied_at, who, command, folder, program, forced, added, "
                        "changed, dropped, project from applies order by number desc limit ?",
                        err)) {
        ax_query_set_u64(&query, 0, count_max);
        while (!ax_query_step(&query, &has_row, err) && has_row && at < count &&
               !read_applied(&query, arena, &applies[at], err))
            at++;
    }
    ax_query_end(&query);
    if (ax_database_end(registry, err))
        return err->code;
    *ret_applies = applies;
    *ret_count = at;
    return AX_OK;
}

static enum ax_code read_model_version(struct ax_query *query, struct ax_arena *arena,
                                       struct ax_registry_model_version *version,
                                       struct ax_err *err)
{
    *version = (struct ax_registry_model_version){ .number = ax_query_u64(query, 1),
                                                   .service_version = ax_query_u64(query, 3),
                                                   .recorded_at_us = ax_query_i64(query, 6) };
    (void)(ax_query_copy(query, 0, arena, &version->model, err) ||
           ax_query_copy(query, 2, arena, &version->service, err) ||
           ax_query_copy(query, 4, arena, &version->digest, err) ||
           ax_query_copy(query, 5, arena, &version->path, err));
    return err->code;
}

enum ax_code ax_registry_model_versions(struct ax_registry *registry, struct ax_arena *arena,
                                        const struct ax_registry_model_version **ret_versions,
                                        size_t *ret_count, struct ax_err *err)
{
    assert(registry && arena && ret_versions && ret_count && err);
    struct ax_query query = { 0 };
    struct ax_registry_model_version *versions = NULL;
    bool has_row = false;
    size_t count = 0, at = 0;
    if (ax_database_run(registry, "begin", err))
        return err->code;
    if (!ax_registry_make_room(registry, "select count(*) from model_versions", 0,
                               sizeof(*versions), arena, (void **)&versions, &count, err) &&
        !ax_query_begin(&query, registry,
                        "select m.model, m.number, o.name, v.number, m.digest, m.path, "
                        "m.recorded_at from model_versions m join versions v on v.id = m.service "
                        "join objects o on o.id = v.object order by m.model, m.number",
                        err))
        while (!ax_query_step(&query, &has_row, err) && has_row && at < count &&
               !read_model_version(&query, arena, &versions[at], err))
            at++;
    ax_query_end(&query);
    if (ax_database_end(registry, err))
        return err->code;
    *ret_versions = versions;
    *ret_count = at;
    return AX_OK;
}

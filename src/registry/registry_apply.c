/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry written: an apply as one transaction, and the versions of models.
 *
 * The transaction is begun for writing, so what is looked at first holds until its end. Statements
 * are prepared once an apply, not once an object.
 */
#include "registry/database.h"

#include <assert.h>

/* The statements of an apply. */
struct apply_run {
    struct ax_registry *registry;
    const struct ax_registry_change *change;
    struct ax_query find;    /* kind, name -> object, version in force (or 0), its number */
    struct ax_query newest;  /* object -> highest number */
    struct ax_query object;  /* insert */
    struct ax_query end;     /* ended_by, version */
    struct ax_query version; /* insert */
    struct ax_query rewrite;
    struct ax_query feature; /* insert */
    struct ax_query edge;    /* insert */
    struct ax_query clear_features, clear_edges;
    uint64_t number; /* of this apply */
    uint64_t added, changed;
};

static enum ax_code prepare(struct apply_run *run, struct ax_err *err)
{
    const struct {
        struct ax_query *query;
        const char *sql;
    } queries[] = {
        { &run->find, "select o.id, coalesce(v.id, 0), coalesce(v.number, 0), "
                      "coalesce(v.digest, '') from objects o "
                      "left join versions v on v.object = o.id and v.ended_by is null "
                      "where o.kind = ? and o.name = ?" },
        { &run->newest, "select coalesce(max(number), 0) from versions where object = ?" },
        { &run->object, "insert into objects (kind, name) values (?, ?)" },
        { &run->end, "update versions set ended_by = ? where id = ?" },
        { &run->version, "insert into versions (object, number, definition, digest, place, "
                         "deprecated, checksum, apply) values (?, ?, ?, ?, ?, ?, ?, ?)" },
        { &run->rewrite, "update versions set definition = ?, place = ?, deprecated = ?, "
                         "checksum = ? where id = ?" },
        { &run->feature, "insert into features (version, position, name, type, deprecated) "
                         "values (?, ?, ?, ?, ?)" },
        { &run->edge, "insert into edges (version, position, feature, kind, name, part) "
                      "values (?, ?, ?, ?, ?, ?)" },
        { &run->clear_features, "delete from features where version = ?" },
        { &run->clear_edges, "delete from edges where version = ?" },
    };
    for (size_t i = 0; i < AX_COUNT(queries); i++)
        if (ax_query_begin(queries[i].query, run->registry, queries[i].sql, err))
            return err->code;
    return AX_OK;
}

static void end_queries(struct apply_run *run)
{
    struct ax_query *const queries[] = { &run->find,       &run->newest,         &run->object,
                                         &run->end,        &run->version,        &run->rewrite,
                                         &run->feature,    &run->clear_features, &run->edge,
                                         &run->clear_edges };
    for (size_t i = 0; i < AX_COUNT(queries); i++)
        ax_query_end(queries[i]);
}

/* What the database has of an object. */
struct stored_object {
    int64_t id;      /* 0: there never was one */
    int64_t version; /* key of the one in force; 0: none is */
    uint64_t number; /* of that */
    char digest[AX_SHA256_TEXT_SIZE];
};

static enum ax_code find_object(struct apply_run *run, const struct ax_registry_object *object,
                                struct stored_object *ret, struct ax_err *err)
{
    struct ax_query *find = &run->find;
    struct stored_object found = { 0 };
    bool has_row = false;
    ax_query_set_text(find, 0, ax_str_from(ax_registry_kind_name(object->kind)));
    ax_query_set_text(find, 1, object->name);
    if (ax_query_step(find, &has_row, err))
        return err->code;
    if (has_row) {
        struct ax_str digest = ax_query_text(find, 3);
        found.id = ax_query_i64(find, 0);
        found.version = ax_query_i64(find, 1);
        found.number = ax_query_u64(find, 2);
        memcpy(found.digest, digest.ptr, AX_MIN(digest.len, sizeof(found.digest) - 1));
    }
    *ret = found;
    return ax_query_run(find, err);
}

static enum ax_code not_in_force_fail(const struct ax_registry_object *object, struct ax_err *err)
{
    return ax_fail(err, AX_E_CONFLICT, "%s '%.*s' is not in force any more: plan again",
                   ax_registry_kind_name(object->kind), AX_STR_ARG(object->name));
}

static enum ax_code put_rows(struct apply_run *run, int64_t version,
                             const struct ax_registry_object *object, struct ax_err *err)
{
    ax_query_set_i64(&run->feature, 0, version);
    for (size_t i = 0; i < object->feature_count && !err->code; i++) {
        ax_query_set_u64(&run->feature, 1, i);
        ax_query_set_text(&run->feature, 2, object->features[i].name);
        ax_query_set_text(&run->feature, 3, object->features[i].type);
        ax_query_set_i64(&run->feature, 4, object->features[i].deprecated);
        (void)(ax_query_run(&run->feature, err) != AX_OK);
    }
    ax_query_set_i64(&run->edge, 0, version);
    for (size_t i = 0; i < object->edge_count && !err->code; i++) {
        ax_query_set_u64(&run->edge, 1, i);
        ax_query_set_text(&run->edge, 2, object->edges[i].feature);
        ax_query_set_text(&run->edge, 3, object->edges[i].kind);
        ax_query_set_text(&run->edge, 4, object->edges[i].name);
        ax_query_set_text(&run->edge, 5, object->edges[i].part);
        (void)(ax_query_run(&run->edge, err) != AX_OK);
    }
    return err->code;
}

static enum ax_code end_version(struct apply_run *run, int64_t version, struct ax_err *err)
{
    ax_query_set_u64(&run->end, 0, run->number);
    ax_query_set_i64(&run->end, 1, version);
    return ax_query_run(&run->end, err);
}

static enum ax_code add_object(struct apply_run *run, const struct ax_registry_object *object,
                               struct stored_object *stored, struct ax_err *err)
{
    ax_query_set_text(&run->object, 0, ax_str_from(ax_registry_kind_name(object->kind)));
    ax_query_set_text(&run->object, 1, object->name);
    if (ax_query_run(&run->object, err))
        return err->code;
    stored->id = ax_database_last_key(run->registry);
    return AX_OK;
}

/* The number that the object's next version gets: numbers of dropped ones are not used again. */
static enum ax_code next_number(struct apply_run *run, const struct stored_object *stored,
                                uint64_t *ret_number, struct ax_err *err)
{
    bool has_row = false;
    ax_query_set_i64(&run->newest, 0, stored->id);
    if (ax_query_step(&run->newest, &has_row, err))
        return err->code;
    *ret_number = ax_query_u64(&run->newest, 0) + 1;
    return ax_query_run(&run->newest, err);
}

static enum ax_code put_object(struct apply_run *run, const struct ax_registry_object *object,
                               struct ax_err *err)
{
    struct stored_object stored;
    struct ax_registry_object numbered = *object;
    if (find_object(run, object, &stored, err) ||
        (!stored.id && add_object(run, object, &stored, err)) ||
        (stored.version && end_version(run, stored.version, err)) ||
        next_number(run, &stored, &numbered.version, err))
        return err->code;
    if (stored.version)
        run->changed++;
    else
        run->added++;
    struct ax_query *query = &run->version;
    ax_query_set_i64(query, 0, stored.id);
    ax_query_set_u64(query, 1, numbered.version);
    ax_query_set_text(query, 2, object->definition);
    ax_query_set_text(query, 3, ax_str_from(object->digest));
    ax_query_set_text(query, 4, object->place);
    ax_query_set_i64(query, 5, object->deprecated);
    ax_query_set_i64(query, 6, ax_registry_object_checksum(&numbered));
    ax_query_set_u64(query, 7, run->number);
    return ax_query_run(query, err) ||
                   put_rows(run, ax_database_last_key(run->registry), object, err)
               ? err->code
               : AX_OK;
}

static enum ax_code drop_object(struct apply_run *run, const struct ax_registry_object *object,
                                struct ax_err *err)
{
    struct stored_object stored;
    if (find_object(run, object, &stored, err))
        return err->code;
    return stored.version ? end_version(run, stored.version, err) : not_in_force_fail(object, err);
}

static enum ax_code clear_rows(struct apply_run *run, int64_t version, struct ax_err *err)
{
    ax_query_set_i64(&run->clear_features, 0, version);
    ax_query_set_i64(&run->clear_edges, 0, version);
    (void)(ax_query_run(&run->clear_features, err) || ax_query_run(&run->clear_edges, err));
    return err->code;
}

static enum ax_code rewrite_object(struct apply_run *run, const struct ax_registry_object *object,
                                   struct ax_err *err)
{
    struct stored_object stored;
    if (find_object(run, object, &stored, err))
        return err->code;
    if (!stored.version || strcmp(stored.digest, object->digest) != 0)
        return not_in_force_fail(object, err);
    struct ax_registry_object numbered = *object;
    numbered.version = stored.number;
    ax_query_set_text(&run->rewrite, 0, object->definition);
    ax_query_set_text(&run->rewrite, 1, object->place);
    ax_query_set_i64(&run->rewrite, 2, object->deprecated);
    ax_query_set_i64(&run->rewrite, 3, ax_registry_object_checksum(&numbered));
    ax_query_set_i64(&run->rewrite, 4, stored.version);
    (void)(ax_query_run(&run->rewrite, err) || clear_rows(run, stored.version, err) ||
           put_rows(run, stored.version, object, err));
    return err->code;
}

/* The row that versions refer to; what it counts is filled in at the end. */
static enum ax_code begin_apply(struct apply_run *run, struct ax_err *err)
{
    const struct ax_registry_change *change = run->change;
    struct ax_query query = { 0 };
    if (!ax_query_begin(&query, run->registry,
                        "insert into applies values (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, null, null)",
                        err)) {
        ax_query_set_u64(&query, 0, run->number);
        ax_query_set_i64(&query, 1, change->applied_at_us);
        ax_query_set_text(&query, 2, change->who);
        ax_query_set_text(&query, 3, change->command);
        ax_query_set_text(&query, 4, change->folder);
        ax_query_set_text(&query, 5, change->project);
        ax_query_set_text(&query, 6, change->program);
        ax_query_set_i64(&query, 7, change->forced);
        (void)(ax_query_run(&query, err) != AX_OK);
    }
    ax_query_end(&query);
    return err->code;
}

static enum ax_code count_apply(struct apply_run *run, struct ax_err *err)
{
    struct ax_query query = { 0 };
    if (!ax_query_begin(&query, run->registry,
                        "update applies set added = ?, changed = ?, dropped = ? where number = ?",
                        err)) {
        ax_query_set_u64(&query, 0, run->added);
        ax_query_set_u64(&query, 1, run->changed);
        ax_query_set_u64(&query, 2, run->change->dropped_count);
        ax_query_set_u64(&query, 3, run->number);
        (void)(ax_query_run(&query, err) != AX_OK);
    }
    ax_query_end(&query);
    return err->code;
}

static enum ax_code check_last(struct apply_run *run, struct ax_err *err)
{
    int64_t last = 0;
    if (ax_database_get(run->registry, "select coalesce(max(number), 0) from applies", &last, err))
        return err->code;
    run->number = (uint64_t)last;
    if (run->number != run->change->after)
        return ax_fail(err, AX_E_CONFLICT, "'%s' was changed by another apply: plan again",
                       run->registry->path);
    return AX_OK;
}

/* Whether what is in force is another project's. */
static enum ax_code find_other_project(struct apply_run *run, bool *ret_other, struct ax_err *err)
{
    struct ax_query query = { 0 };
    if (!ax_query_begin(&query, run->registry,
                        "select 1 from applies where number = ? and project <> ?", err)) {
        ax_query_set_u64(&query, 0, run->number);
        ax_query_set_text(&query, 1, run->change->project);
        (void)(ax_query_step(&query, ret_other, err) != AX_OK);
    }
    ax_query_end(&query);
    return err->code;
}

static enum ax_code apply_all(struct apply_run *run, struct ax_err *err)
{
    const struct ax_registry_change *change = run->change;
    bool is_other = false;
    if (check_last(run, err) || find_other_project(run, &is_other, err) || prepare(run, err))
        return err->code;
    bool is_counted = change->put_count || change->dropped_count || is_other;
    if (is_counted) {
        run->number++;
        if (begin_apply(run, err))
            return err->code;
    }
    for (size_t i = 0; i < change->dropped_count && !err->code; i++)
        (void)(drop_object(run, change->dropped[i], err) != AX_OK);
    for (size_t i = 0; i < change->put_count && !err->code; i++)
        (void)(put_object(run, change->put[i], err) != AX_OK);
    for (size_t i = 0; i < change->rewritten_count && !err->code; i++)
        (void)(rewrite_object(run, change->rewritten[i], err) != AX_OK);
    if (err->code || (is_counted && count_apply(run, err)))
        return err->code;
    return run->number ? ax_registry_keep_files(run->registry, run->number, change, err) : AX_OK;
}

enum ax_code ax_registry_apply(struct ax_registry *registry,
                               const struct ax_registry_change *change, uint64_t *ret_apply,
                               struct ax_err *err)
{
    assert(registry && change && ret_apply && err);
    struct apply_run run = { .registry = registry, .change = change };
    if (ax_database_run(registry, "begin immediate", err))
        return err->code;
    (void)(apply_all(&run, err) != AX_OK);
    end_queries(&run);
    if (ax_database_end(registry, err))
        return err->code;
    *ret_apply = run.number;
    return AX_OK;
}

enum ax_code ax_registry_put_model_version(struct ax_registry *registry,
                                           const struct ax_registry_model_version *version,
                                           struct ax_err *err)
{
    assert(registry && version && err);
    struct ax_query query = { 0 };
    if (!ax_query_begin(&query, registry,
                        "insert or replace into model_versions "
                        "select ?, ?, v.id, ?, ?, ? from versions v "
                        "join objects o on o.id = v.object "
                        "where o.kind = 'service' and o.name = ? and v.number = ?",
                        err)) {
        ax_query_set_text(&query, 0, version->model);
        ax_query_set_u64(&query, 1, version->number);
        ax_query_set_text(&query, 2, version->digest);
        ax_query_set_text(&query, 3, version->path);
        ax_query_set_i64(&query, 4, version->recorded_at_us);
        ax_query_set_text(&query, 5, version->service);
        ax_query_set_u64(&query, 6, version->service_version);
        if (!ax_query_run(&query, err) && ax_database_changes(registry) == 0)
            (void)ax_fail(err, AX_E_NOT_FOUND, "no version %llu of service '%.*s' was applied",
                          (unsigned long long)version->service_version,
                          AX_STR_ARG(version->service));
    }
    ax_query_end(&query);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the registry, as steps from one schema to the next.
 *
 * The file says by SQLite's application_id that it is a registry, and by its user_version how many
 * of the steps below were taken; those that are missing are taken in one transaction. A step that
 * has been in a release is never changed: what comes later is another step.
 *
 * A version is in force while no apply has ended it; an index sees to it that an object has one
 * such version at most. Features and edges belong to versions, so that the past has its lineage
 * too.
 */
#include "registry/database.h"

#include <assert.h>
#include <stdio.h>

#define APPLICATION_ID 0x61757370 /* "ausp" */

static const char *const steps[] = {
    /* 1: the catalogue of definitions. */
    "create table applies ("
    "  number integer primary key,"
    "  applied_at integer not null," /* UTC, microseconds */
    "  who text not null,"
    "  command text not null,"
    "  folder text not null,"  /* of the definitions */
    "  project text not null," /* whose they are */
    "  program text not null,"
    "  forced integer not null,"
    "  added integer not null, changed integer not null, dropped integer not null"
    ") strict;"
    "create table objects ("
    "  id integer primary key,"
    "  kind text not null,"
    "  name text not null,"
    "  unique (kind, name)"
    ") strict;"
    /* What is long stands last, so that nothing reads over it. */
    "create table versions ("
    "  id integer primary key,"
    "  object integer not null references objects,"
    "  number integer not null,"
    "  apply integer not null references applies,"
    "  ended_by integer references applies," /* null: in force */
    "  deprecated integer not null,"
    "  digest text not null,"      /* of its meaning */
    "  checksum integer not null," /* XXH3 of this row, its features and edges */
    "  place text not null,"
    "  definition text not null," /* canonical */
    "  unique (object, number)"
    ") strict;"
    "create unique index versions_in_force on versions (object) where ended_by is null;"
    "create table features ("
    "  version integer not null references versions,"
    "  position integer not null,"
    "  name text not null,"
    "  type text not null,"
    "  deprecated integer not null,"
    "  primary key (version, position)"
    ") strict, without rowid;"
    "create table edges ("
    "  version integer not null references versions,"
    "  position integer not null,"
    "  feature text not null,"
    "  kind text not null,"
    "  name text not null,"
    "  part text not null,"
    "  primary key (version, position)"
    ") strict, without rowid;"
    "create table model_versions ("
    "  model text not null,"
    "  number integer not null,"
    "  service integer not null references versions,"
    "  digest text not null," /* of what it was trained on */
    "  path text not null,"
    "  recorded_at integer not null,"
    "  primary key (model, number)"
    ") strict, without rowid;",
    /* 2: the files that were applied. */
    "alter table applies add column files_folder text;"      /* null: none were kept */
    "alter table applies add column files_checksum integer;" /* XXH3 of folder, paths, texts */
    "create table texts ("
    "  id integer primary key,"
    "  digest text not null unique,"
    "  text text not null"
    ") strict;"
    "create table files ("
    "  apply integer not null references applies,"
    "  position integer not null,"
    "  path text not null,"
    "  text integer not null references texts,"
    "  primary key (apply, position)"
    ") strict, without rowid;",
    /* 3: up to where views are in the online store. */
    "create table materialised ("
    "  view text primary key,"
    "  digest text not null,"     /* of the view with all that it is made from */
    "  run integer not null,"     /* that was the last to do it */
    "  to_time integer not null," /* microseconds UTC */
    "  done_at integer not null," /* likewise */
    "  mark text not null"        /* what was read of its source */
    ") strict;"
    "create table materialise_runs (" /* the last one */
    "  number integer primary key,"
    "  arguments text not null,"
    "  to_time integer not null,"
    "  began_at integer not null,"
    "  ended integer not null"
    ") strict;",
};

struct schema_state {
    int64_t application;
    int64_t version;
    int64_t table_count;
};

static enum ax_code read_state(struct ax_registry *registry, struct schema_state *ret,
                               struct ax_err *err)
{
    struct schema_state state = { 0 };
    if (ax_database_get(registry, "pragma application_id", &state.application, err) ||
        ax_database_get(registry, "pragma user_version", &state.version, err) ||
        ax_database_get(registry, "select count(*) from sqlite_schema", &state.table_count, err))
        return err->code;
    *ret = state;
    return AX_OK;
}

static bool is_empty(const struct schema_state *state)
{
    return state->application == 0 && state->version == 0 && state->table_count == 0;
}

static enum ax_code check_state(const struct ax_registry *registry,
                                const struct schema_state *state, struct ax_err *err)
{
    if (is_empty(state))
        return AX_OK;
    if (state->application != APPLICATION_ID)
        return ax_fail(err, AX_E_INVALID,
                       "'%s' is a database of another program; give another state directory",
                       registry->path);
    if (state->version > (int64_t)AX_COUNT(steps))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "'%s' has schema %lld and this auspex knows schemas up to %zu: use the "
                       "newer auspex that wrote it",
                       registry->path, (long long)state->version, AX_COUNT(steps));
    if (state->version < 1)
        return ax_database_damaged_fail(registry, err, "its schema is numbered %lld",
                                        (long long)state->version);
    return AX_OK;
}

/* The statements of those that are missing, and in the same transaction the number that says so. */
static enum ax_code take_missing(struct ax_registry *registry, size_t taken, struct ax_err *err)
{
    char mark[96];
    (void)snprintf(mark, sizeof(mark), "pragma application_id = %d; pragma user_version = %zu;",
                   APPLICATION_ID, AX_COUNT(steps));
    for (size_t i = taken; i < AX_COUNT(steps); i++)
        if (ax_database_run(registry, steps[i], err))
            return err->code;
    return ax_database_run(registry, mark, err);
}

/* What another process has done while this one waited for its turn is not done again. */
static enum ax_code take_steps(struct ax_registry *registry, struct ax_err *err)
{
    struct schema_state state;
    if (ax_database_run(registry, "begin immediate", err))
        return err->code;
    if (!read_state(registry, &state, err) && !check_state(registry, &state, err) &&
        state.version < (int64_t)AX_COUNT(steps))
        (void)(take_missing(registry, (size_t)state.version, err) != AX_OK);
    return ax_database_end(registry, err);
}

static enum ax_code check_pages(struct ax_registry *registry, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    if (!ax_query_begin(&query, registry, "pragma quick_check(1)", err) &&
        !ax_query_step(&query, &has_row, err) && has_row &&
        !ax_str_is(ax_query_text(&query, 0), "ok"))
        (void)ax_database_damaged_fail(registry, err, "%.*s", AX_STR_ARG(ax_query_text(&query, 0)));
    ax_query_end(&query);
    return err->code;
}

enum ax_code ax_schema_bring(struct ax_registry *registry, enum ax_registry_access access,
                             struct ax_err *err)
{
    struct schema_state state;
    assert(registry && err);
    if (read_state(registry, &state, err) || check_state(registry, &state, err))
        return err->code;
    if (state.version && check_pages(registry, err))
        return err->code;
    if (access == AX_REGISTRY_WRITE)
        return state.version < (int64_t)AX_COUNT(steps) ? take_steps(registry, err) : AX_OK;
    /* One that was killed while it made the file has left it without tables. */
    if (is_empty(&state))
        return ax_fail(err, AX_E_NOT_FOUND, "'%s' is empty: nothing was applied yet",
                       registry->path);
    if (state.version < (int64_t)AX_COUNT(steps))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "'%s' has the older schema %lld: auspex apply brings it up to date",
                       registry->path, (long long)state.version);
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the online store of each view, and the run that is under way or was the last one. A
 * view that is not defined any more keeps its row, which means nothing by its digest when another
 * one gets that name.
 */
#include "registry/database.h"

#include <assert.h>
#include <string.h>

static enum ax_code read_row(struct ax_query *query, struct ax_arena *arena,
                             struct ax_registry_materialised *row, struct ax_err *err)
{
    struct ax_str digest = ax_query_text(query, 0);
    if (digest.len != AX_SHA256_TEXT_SIZE - 1)
        return ax_database_damaged_fail(query->registry, err, "a view has no digest");
    memcpy(row->digest, digest.ptr, digest.len);
    row->run = ax_query_u64(query, 1);
    row->to_us = ax_query_i64(query, 2);
    row->done_at_us = ax_query_i64(query, 3);
    return ax_query_copy(query, 4, arena, &row->mark, err);
}

enum ax_code ax_registry_materialised(struct ax_registry *registry, struct ax_str view,
                                      struct ax_arena *arena,
                                      const struct ax_registry_materialised **ret_materialised,
                                      struct ax_err *err)
{
    assert(registry && arena && ret_materialised && err);
    struct ax_query query = { 0 };
    bool has_row = false;
    struct ax_registry_materialised *row = ax_arena_zalloc(arena, 1, sizeof(*row));
    if (!row)
        return ax_arena_fail(arena, "what is materialised", err);
    row->view = view;
    if (!ax_query_begin(&query, registry,
                        "select digest, run, to_time, done_at, mark from materialised "
                        "where view = ?",
                        err)) {
        ax_query_set_text(&query, 0, view);
        if (!ax_query_step(&query, &has_row, err) && has_row)
            (void)(read_row(&query, arena, row, err) != AX_OK);
    }
    ax_query_end(&query);
    if (!err->code)
        *ret_materialised = has_row ? row : NULL;
    return err->code;
}

enum ax_code ax_registry_put_materialised(struct ax_registry *registry,
                                          const struct ax_registry_materialised *materialised,
                                          struct ax_err *err)
{
    assert(registry && materialised && err);
    struct ax_query query = { 0 };
    if (!ax_query_begin(&query, registry,
                        "insert or replace into materialised "
                        "(view, digest, run, to_time, done_at, mark) values (?, ?, ?, ?, ?, ?)",
                        err)) {
        ax_query_set_text(&query, 0, materialised->view);
        ax_query_set_text(&query, 1, ax_str_from(materialised->digest));
        ax_query_set_u64(&query, 2, materialised->run);
        ax_query_set_i64(&query, 3, materialised->to_us);
        ax_query_set_i64(&query, 4, materialised->done_at_us);
        ax_query_set_text(&query, 5, materialised->mark);
        (void)(ax_query_run(&query, err) != AX_OK);
    }
    ax_query_end(&query);
    return err->code;
}

enum ax_code ax_registry_forget_materialised(struct ax_registry *registry, struct ax_str view,
                                             struct ax_err *err)
{
    assert(registry && err);
    struct ax_query query = { 0 };
    if (!ax_query_begin(&query, registry, "delete from materialised where view = ?", err)) {
        ax_query_set_text(&query, 0, view);
        (void)(ax_query_run(&query, err) != AX_OK);
    }
    ax_query_end(&query);
    return err->code;
}

/* ---- runs ---- */

struct last_run {
    uint64_t number;
    int64_t to_us;
    bool goes_on;
};

static enum ax_code find_last(struct ax_registry *registry, const struct ax_registry_run *run,
                              int64_t since_us, struct last_run *ret_last, struct ax_err *err)
{
    struct ax_query query = { 0 };
    bool has_row = false;
    if (!ax_query_begin(&query, registry,
                        "select number, to_time, not ended and arguments = ? and began_at >= ? "
                        "from materialise_runs order by number desc limit 1",
                        err)) {
        ax_query_set_text(&query, 0, run->arguments);
        ax_query_set_i64(&query, 1, since_us);
        if (!ax_query_step(&query, &has_row, err) && has_row)
            *ret_last = (struct last_run){ ax_query_u64(&query, 0), ax_query_i64(&query, 1),
                                           ax_query_i64(&query, 2) };
    }
    ax_query_end(&query);
    return err->code;
}

static enum ax_code put_run(struct ax_registry *registry, const struct ax_registry_run *run,
                            uint64_t number, struct ax_err *err)
{
    struct ax_query query = { 0 };
    if (!ax_database_run(registry, "delete from materialise_runs", err) &&
        !ax_query_begin(&query, registry,
                        "insert into materialise_runs (number, arguments, to_time, began_at, "
                        "ended) values (?, ?, ?, ?, 0)",
                        err)) {
        ax_query_set_u64(&query, 0, number);
        ax_query_set_text(&query, 1, run->arguments);
        ax_query_set_i64(&query, 2, run->to_us);
        ax_query_set_i64(&query, 3, run->began_at_us);
        (void)(ax_query_run(&query, err) != AX_OK);
    }
    ax_query_end(&query);
    return err->code;
}

enum ax_code ax_registry_begin_run(struct ax_registry *registry, const struct ax_registry_run *run,
                                   int64_t since_us, uint64_t *ret_number, int64_t *ret_to_us,
                                   struct ax_err *err)
{
    assert(registry && run && ret_number && ret_to_us && err);
    struct last_run last = { 0 };
    if (ax_database_run(registry, "begin immediate", err))
        return err->code;
    if (!find_last(registry, run, since_us, &last, err) && !last.goes_on) {
        last.number++;
        last.to_us = run->to_us;
        (void)(put_run(registry, run, last.number, err) != AX_OK);
    }
    if (ax_database_end(registry, err))
        return err->code;
    *ret_number = last.number;
    *ret_to_us = last.to_us;
    return AX_OK;
}

enum ax_code ax_registry_end_run(struct ax_registry *registry, struct ax_err *err)
{
    assert(registry && err);
    return ax_database_run(registry, "update materialise_runs set ended = 1", err);
}

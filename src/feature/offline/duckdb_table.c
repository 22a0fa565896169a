/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a source. States without `created` in Parquet files may stay there: DuckDB tells where
 * each row stands, and that breaks ties. Else the first statement reads it in its own order; where
 * ties are broken by more than that order a second one sorts, since DuckDB's sort is not stable by
 * promise and needs the rowid of a table. Events lose their replaced versions there; as known they
 * keep them, with the moments from and to which each is visible. Rows that were pushed are behind
 * all others, and have been known since they were.
 *
 * A scan is read twice, for the bounds of its times and by the join. A value in it that cannot be
 * converted is told by the table that is made then, one file after another.
 */
#include "feature/offline/duckdb_table.h"

#include "base/alloc.h"
#include "feature/offline/duckdb_expectations.h"
#include "feature/offline/duckdb_pushed.h"
#include "feature/offline/duckdb_relation.h"
#include "feature/offline/duckdb_stamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct loader {
    struct ax_offline *offline;
    const struct ax_source *source;
    bool *used;
    struct ax_relation_column *columns; /* those that are used */
    char (*aliases)[24];
    size_t column_count;
    const int64_t *known_until; /* or NULL */
    bool once;
    const struct ax_source_seen *seen; /* or NULL */
    struct ax_source_table table;
    struct ax_err *err;
};

static bool is_events(const struct ax_source *source)
{
    return source->event_id_count > 0;
}

static bool is_id(const struct ax_source *source, size_t column)
{
    for (size_t i = 0; i < source->event_id_count; i++)
        if (source->event_id[i] == column)
            return true;
    return false;
}

static void make_columns(struct loader *l)
{
    const struct ax_source *source = l->source;
    for (size_t i = 0; i < source->column_count; i++) {
        if (!l->used[i])
            continue;
        char *alias = l->aliases[l->column_count];
        (void)snprintf(alias, sizeof(l->aliases[0]), "c%zu", i);
        l->columns[l->column_count++] = (struct ax_relation_column){
            .name = source->columns[i].name,
            .storage = source->columns[i].storage,
            .zone = source->zone,
            .alias = ax_str_from(alias),
            .necessity = is_id(source, i) && !ax_expectations_drop_null(source, i)
                             ? "which is the id of its event"
                             : NULL,
        };
    }
}

static void loader_init(struct loader *l, const bool *used)
{
    const struct ax_source *source = l->source;
    l->used = ax_xalloc((source->column_count + 1) * sizeof(*l->used));
    l->columns = ax_xalloc((source->column_count + 1) * sizeof(*l->columns));
    l->aliases = ax_xalloc((source->column_count + 1) * sizeof(*l->aliases));
    for (size_t i = 0; i < source->column_count; i++)
        l->used[i] = !used || used[i];
    if (source->time >= 0)
        l->used[source->time] = true;
    if (source->created >= 0)
        l->used[source->created] = true;
    for (size_t i = 0; i < source->event_id_count; i++)
        l->used[source->event_id[i]] = true;
    ax_expectations_mark_columns(source, l->used);
    make_columns(l);
}

static void loader_done(struct loader *l)
{
    free(l->used);
    free(l->columns);
    free(l->aliases);
}

/* ---- loading ---- */

static bool is_in_order(const struct loader *l)
{
    return !is_events(l->source) && l->source->created < 0 && !l->table.as_known &&
           !l->table.has_pushed;
}

static bool can_scan(const struct loader *l)
{
    return l->once && !l->known_until && is_in_order(l) && l->source->kind == AX_SOURCE_FILES &&
           l->source->time >= 0 && !l->source->expectation_count;
}

static enum ax_code take_scan(struct loader *l, const struct ax_relation *relation,
                              const struct ax_relation_load *load)
{
    struct ax_buf scan;
    ax_buf_init(&scan, AX_OFFLINE_TEXT_MAX);
    (void)ax_buf_append_char(&scan, '(');
    ax_relation_put_scan(&scan, relation, load);
    (void)ax_buf_append_char(&scan, ')');
    if (!ax_buf_check(&scan, "the query", l->err))
        l->table.scan = ax_xmemdup0(scan.ptr, scan.len);
    ax_buf_done(&scan);
    return l->err->code;
}

/* Of each file of the relation, or its query, whether it was read before. */
static enum ax_code find_seen(struct loader *l, const struct ax_relation *relation, bool *is_seen)
{
    char stamp[AX_SHA256_TEXT_SIZE];
    is_seen[0] = !l->seen->files;
    for (size_t i = 0; i < relation->file_count && l->seen->files; i++) {
        if (ax_file_stamp(relation->files[i].ptr, stamp, l->err))
            return l->err->code;
        is_seen[i] = ax_map_get(l->seen->files, ax_str_from(stamp)) != NULL;
    }
    return AX_OK;
}

static enum ax_code load_seen(struct loader *l, const struct ax_relation *relation,
                              struct ax_relation_load *load)
{
    bool *is_seen = ax_xalloc((relation->file_count + 1) * sizeof(*is_seen));
    if (!find_seen(l, relation, is_seen)) {
        load->is_seen = is_seen;
        load->seen_where = l->seen->where;
        (void)(ax_relation_load(l->offline, relation, load, l->err) != AX_OK);
    }
    free(is_seen);
    return l->err->code;
}

static enum ax_code load_rows(struct loader *l, struct ax_relation *relation,
                              struct ax_relation_load *load)
{
    if (can_scan(l) && ax_relation_has_places(relation))
        return take_scan(l, relation, load);
    if (l->seen)
        return load_seen(l, relation, load);
    return ax_relation_add_pushed(l->offline, l->source, relation, l->err) ||
                   ax_relation_load(l->offline, relation, load, l->err)
               ? l->err->code
               : AX_OK;
}

static enum ax_code load_base(struct loader *l, const char *name)
{
    struct ax_relation relation;
    char where[48] = "";
    /* Of an event without a time the earlier versions are to go, too; and what is expected is
     * expected of all rows. */
    bool needs_time = l->source->time >= 0 && !is_events(l->source);
    if (needs_time && !l->source->expectation_count)
        (void)snprintf(where, sizeof(where), "c%ld IS NOT NULL", l->source->time);
    struct ax_relation_load load = {
        .table = name, .columns = l->columns, .count = l->column_count, .where = ax_str_from(where)
    };
    if (ax_relation_open(l->offline, l->source, &relation, l->err))
        return l->err->code;
    if (ax_relation_check(&relation, l->columns, l->column_count, l->err) ||
        load_rows(l, &relation, &load))
        (void)ax_source_context(l->source, SIZE_MAX, l->err);
    ax_relation_done(&relation);
    if (!l->err->code && l->source->expectation_count)
        return ax_source_hold(l->offline, l->source, name, needs_time, l->err);
    return l->err->code;
}

static void put_ids(struct loader *l)
{
    for (size_t i = 0; i < l->source->event_id_count; i++)
        ax_buf_printf(&l->offline->text, "%sc%zu", i ? ", " : "", l->source->event_id[i]);
}

static void put_known(struct loader *l)
{
    ax_source_put_known(&l->offline->text, l->source, l->table.has_pushed);
}

/* What became known later is as if it was not there. */
static enum ax_code forget_later(struct loader *l, const char *base)
{
    if (!l->known_until)
        return AX_OK;
    ax_buf_printf(&l->offline->text, "DELETE FROM %s WHERE ", base);
    put_known(l);
    ax_buf_printf(&l->offline->text, " > %" PRId64, *l->known_until);
    return ax_offline_run(l->offline, l->err);
}

static enum ax_code drop(struct loader *l, const char *name)
{
    ax_buf_printf(&l->offline->text, "DROP TABLE %s", name);
    return ax_offline_run(l->offline, l->err);
}

/* The last version of each id, in the order of ids. */
static enum ax_code keep_events(struct loader *l, const char *base)
{
    struct ax_buf *text = &l->offline->text;
    ax_buf_printf(text,
                  "CREATE TEMP TABLE %s AS SELECT * EXCLUDE (ax_n) FROM (SELECT *, "
                  "row_number() OVER (PARTITION BY ",
                  l->table.name);
    put_ids(l);
    ax_buf_printf(text, " ORDER BY ");
    put_known(l);
    ax_buf_printf(text,
                  " DESC NULLS LAST, rowid DESC) AS ax_n FROM %s) WHERE ax_n = 1 AND c%ld IS NOT "
                  "NULL ORDER BY ",
                  base, l->source->time);
    put_ids(l);
    return ax_offline_run(l->offline, l->err);
}

/* All versions, with when each is seen and when the next one takes its place. One without a time
 * (a cancelled event) is none to be seen, but takes the place of those before it. */
static enum ax_code keep_versions(struct loader *l, const char *base)
{
    struct ax_buf *text = &l->offline->text;
    ax_buf_printf(text, "CREATE TEMP TABLE %s AS SELECT *, greatest(epoch_us(c%ld), ",
                  l->table.name, l->source->time);
    put_known(l);
    ax_buf_printf(text, ") AS seen FROM (SELECT *, rowid AS ax_row, lead(");
    put_known(l);
    ax_buf_printf(text, ") OVER (PARTITION BY ");
    put_ids(l);
    ax_buf_printf(text, " ORDER BY ");
    put_known(l);
    ax_buf_printf(text,
                  " NULLS FIRST, rowid) AS gone FROM %s) "
                  "WHERE c%ld IS NOT NULL AND (gone IS NULL OR gone > greatest(epoch_us(c%ld)"
                  ", ",
                  base, l->source->time, l->source->time);
    put_known(l);
    ax_buf_printf(text, ")) ORDER BY ");
    put_ids(l);
    ax_buf_printf(text, ", ax_row");
    return ax_offline_run(l->offline, l->err);
}

/* States in the order in which ties are broken. */
static enum ax_code keep_states(struct loader *l, const char *base)
{
    struct ax_buf *text = &l->offline->text;
    ax_buf_printf(text, "CREATE TEMP TABLE %s AS SELECT *", l->table.name);
    if (l->table.as_known) {
        ax_buf_printf(text, ", greatest(epoch_us(c%ld), ", l->source->time);
        put_known(l);
        ax_buf_printf(text, ") AS seen");
    }
    ax_buf_printf(text, " FROM %s ORDER BY ", base);
    if (l->source->created >= 0 || l->table.has_pushed) {
        put_known(l);
        ax_buf_printf(text, " NULLS FIRST, ");
    }
    ax_buf_printf(text, "rowid");
    return ax_offline_run(l->offline, l->err);
}

static enum ax_code order_rows(struct loader *l, const char *base)
{
    enum ax_code code;
    if (!is_events(l->source))
        code = keep_states(l, base);
    else
        code = l->table.as_known ? keep_versions(l, base) : keep_events(l, base);
    if (code)
        return ax_source_context(l->source, SIZE_MAX, l->err);
    return drop(l, base);
}

/* ---- the order as one number ---- */

static int64_t power_above(int64_t number)
{
    int64_t power = 1;
    while (power <= number)
        power *= 2;
    return power;
}

static void set_order(struct ax_source_table *table, const struct ax_sql_column *found)
{
    table->rows = (size_t)found[0].i64s[0];
    table->first = found[1].i64s[0];
    table->last = found[2].i64s[0];
    table->unit = found[3].i64s[0];
    table->stride = power_above(found[4].i64s[0]);
    table->capacity = power_above(found[5].i64s[0]) * table->stride;
    int64_t span = (table->last - table->first) / table->unit + 2;
    if (span > INT64_MAX / 2 / table->capacity)
        table->capacity = 0;
}

/* The unit of the times, and whether (time, what breaks ties) fits an int64. */
static enum ax_code measure(struct loader *l)
{
    struct ax_buf *text = &l->offline->text;
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    char time[32] = "CAST(NULL AS BIGINT)";
    if (l->source->time >= 0)
        (void)snprintf(time, sizeof(time), "epoch_us(c%ld)", l->source->time);
    ax_buf_printf(text,
                  "SELECT count(*), coalesce(min(t), 0), coalesce(max(t), 0), CASE WHEN bool_and(t "
                  "%% 1000000 = 0) THEN 1000000 WHEN bool_and(t %% 1000 = 0) THEN 1000 ELSE 1 END, "
                  "coalesce(max(r), 0), coalesce(max(f), 0) FROM (SELECT %s AS t, %s FROM ",
                  time,
                  l->table.scan ? "file_row_number AS r, file_index AS f" : "rowid AS r, 0 AS f");
    ax_source_table_put_from(text, &l->table);
    (void)ax_buf_append_char(text, ')');
    if (ax_offline_query(l->offline, &stream, l->err))
        return l->err->code;
    if (!ax_sql_stream_next(stream, &chunk, l->err)) {
        assert(chunk.rows == 1);
        set_order(&l->table, chunk.columns);
    }
    ax_sql_stream_free(stream);
    return l->err->code;
}

static enum ax_code find_versions(struct loader *l)
{
    int64_t gone = 0;
    if (!is_events(l->source) || !l->table.as_known)
        return AX_OK;
    ax_buf_printf(&l->offline->text, "SELECT count(gone) FROM %s", l->table.name);
    if (ax_offline_get_i64(l->offline, &gone, l->err))
        return l->err->code;
    l->table.has_versions = gone > 0;
    return AX_OK;
}

static enum ax_code load(struct loader *l, size_t number)
{
    char base[24];
    (void)snprintf(l->table.name, sizeof(l->table.name), "ax_h%zu", number);
    (void)snprintf(base, sizeof(base), "ax_b%zu", number);
    if (is_in_order(l))
        return load_base(l, l->table.name) || forget_later(l, l->table.name) || measure(l)
                   ? l->err->code
                   : AX_OK;
    return load_base(l, base) || forget_later(l, base) || order_rows(l, base) || measure(l) ||
                   find_versions(l)
               ? l->err->code
               : AX_OK;
}

/* A scan goes on as it is, or ends in a table that tells what was wrong with it. */
static enum ax_code load_scanned(struct loader *l, size_t number)
{
    if (ax_source_stamp(l->offline, l->source, l->table.stamp, l->err) ||
        load(l, number) != AX_E_INVALID || !l->table.scan)
        return l->err->code;
    free(l->table.scan);
    l->table.scan = NULL;
    l->once = false;
    ax_err_clear(l->err);
    return load(l, number);
}

enum ax_code ax_source_table_load(struct ax_offline *offline,
                                  const struct ax_source_reading *reading,
                                  struct ax_source_table *ret_table, struct ax_err *err)
{
    assert(offline && reading && reading->source && reading->used && ret_table && err);
    const struct ax_source *source = reading->source;
    struct loader l = { .offline = offline,
                        .source = source,
                        .known_until = reading->known_until,
                        .once = reading->once,
                        .seen = reading->seen,
                        .err = err };
    assert(!l.once || !l.seen);
    l.table.source = source;
    l.table.has_pushed = !l.seen && ax_offline_pushed(offline, source);
    /* What has no history was always known. */
    l.table.as_known = reading->as_known && source->time >= 0;
    loader_init(&l, reading->used);
    if (can_scan(&l) ? load_scanned(&l, reading->number) : load(&l, reading->number))
        free(l.table.scan);
    else
        *ret_table = l.table;
    loader_done(&l);
    return err->code;
}

enum ax_code ax_source_table_close(struct ax_offline *offline, struct ax_source_table *table,
                                   struct ax_err *err)
{
    assert(offline && table && err);
    char now[AX_SHA256_TEXT_SIZE];
    if (!table->scan) {
        ax_buf_printf(&offline->text, "DROP TABLE %s", table->name);
        return ax_offline_run(offline, err);
    }
    free(table->scan);
    table->scan = NULL;
    if (ax_source_stamp(offline, table->source, now, err))
        return err->code;
    return strcmp(now, table->stamp) == 0
               ? AX_OK
               : ax_fail(err, AX_E_CONFLICT,
                         "source '%.*s': its files changed while they were read; try again",
                         AX_STR_ARG(table->source->name));
}

enum ax_code ax_source_table_check(struct ax_offline *offline, const struct ax_source *source,
                                   struct ax_err *err)
{
    assert(offline && source && err);
    struct loader l = { .offline = offline, .source = source, .err = err };
    struct ax_relation relation;
    loader_init(&l, NULL);
    if (!ax_relation_open(offline, source, &relation, err)) {
        if (ax_relation_check(&relation, l.columns, l.column_count, err))
            (void)ax_source_context(source, SIZE_MAX, err);
        ax_relation_done(&relation);
    }
    loader_done(&l);
    return err->code;
}

void ax_source_put_known(struct ax_buf *out, const struct ax_source *source, bool has_pushed)
{
    assert(out && source);
    const char *separator = "";
    ax_buf_printf(out, "coalesce(");
    if (source->created >= 0) {
        ax_buf_printf(out, "epoch_us(c%ld)", source->created);
        separator = ", ";
    }
    if (has_pushed) {
        ax_buf_printf(out, "%sax_taken", separator);
        separator = ", ";
    }
    if (source->time >= 0)
        ax_buf_printf(out, "%sepoch_us(c%ld)", separator, source->time);
    else
        ax_buf_printf(out, "%sCAST(NULL AS BIGINT)", separator);
    (void)ax_buf_append_char(out, ')');
}

void ax_source_table_put_from(struct ax_buf *out, const struct ax_source_table *table)
{
    assert(out && table);
    (void)ax_buf_append_str(out, ax_str_from(table->scan ? table->scan : table->name));
}

void ax_source_table_put_order(struct ax_buf *out, const struct ax_source_table *table)
{
    assert(out && table && table->source->time >= 0);
    long time = table->source->time;
    char tie[80] = "rowid";
    if (table->scan)
        (void)snprintf(tie, sizeof(tie), "file_index * %" PRId64 " + file_row_number",
                       table->stride);
    if (table->capacity)
        ax_buf_printf(out, "((epoch_us(c%ld) - %" PRId64 ") // %" PRId64 ") * %" PRId64 " + %s",
                      time, table->first, table->unit, table->capacity, tie);
    else
        ax_buf_printf(out, "{'t': epoch_us(c%ld), 'r': %s}", time, tie);
}

void ax_source_table_put_time(struct ax_buf *out, const struct ax_source_table *table,
                              const char *order)
{
    assert(out && table && order);
    if (table->capacity)
        ax_buf_printf(out, "(%s // %" PRId64 " * %" PRId64 " + %" PRId64 ")", order,
                      table->capacity, table->unit, table->first);
    else
        ax_buf_printf(out, "%s.t", order);
}

void ax_source_table_put_moment(struct ax_buf *out, const struct ax_source_table *table,
                                const char *moment)
{
    assert(out && table && moment);
    if (!table->capacity) {
        /* A struct is never null itself, and least() looks past a null: a moment that is none must
         * be compared with nothing. */
        ax_buf_printf(out,
                      "CASE WHEN %s IS NULL THEN NULL ELSE {'t': %s, 'r': 9223372036854775807} END",
                      moment, moment);
        return;
    }
    ax_buf_printf(out,
                  "CASE WHEN %s IS NULL THEN NULL WHEN %s < %" PRId64
                  " THEN -1 ELSE ((least(%s, %" PRId64 ") - %" PRId64 ") // %" PRId64 ") * %" PRId64
                  " + %" PRId64 " END",
                  moment, moment, table->first, moment, table->last, table->first, table->unit,
                  table->capacity, table->capacity - 1);
}

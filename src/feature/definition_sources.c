/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: where rows come from, their columns, and which of them say time and identity.
 *
 * No source is opened here; what is declared is believed, and compared with the files when they are
 * read (feature/offline).
 */
#include "feature/definition_reader.h"

#include "base/zone.h"

#include <assert.h>
#include <stdio.h>

#define KEEP_MIN_US (INT64_C(3600) * 1000000)
#define KEEP_MAX_US (INT64_C(36500) * 86400 * 1000000)

/* ---- where rows come from ---- */

/* FILE/SCHEMA.TABLE or FILE/TABLE. */
static bool is_table(struct ax_str text)
{
    const char *slash = memrchr(text.ptr, '/', text.len);
    return slash && slash > text.ptr && slash + 1 < text.ptr + text.len &&
           !memchr(text.ptr, '\n', text.len);
}

static enum ax_code read_origin(struct ax_definition_reader *r, const struct ax_yaml *node,
                                struct ax_source *source)
{
    const struct ax_yaml *files = ax_yaml_get(node, "files");
    const struct ax_yaml *sql = ax_yaml_get(node, "sql");
    const struct ax_yaml *table = ax_yaml_get(node, "table");
    if (!!files + !!sql + !!table != 1)
        return ax_definition_fail_key(r, node,
                                      "exactly one of 'files', 'sql' and 'table' says "
                                      "where rows come from; %s",
                                      files || sql || table ? "there are several"
                                                            : "none is there");
    source->text_node = files ? files : sql ? sql : table;
    source->yaml = r->file->text;
    if (sql) {
        source->kind = AX_SOURCE_SQL;
        return ax_definition_sql(r, sql, &source->text, &source->sql_path);
    }
    source->kind = files ? AX_SOURCE_FILES : AX_SOURCE_TABLE;
    source->sql_path = (struct ax_str){ "", 0 };
    if (ax_definition_text(r, node, AX_MAPPING_SOURCE, files ? "files" : "table", &source->text))
        return r->err->code;
    if (table && !is_table(source->text))
        return ax_definition_fail(r, table,
                                  "'%.*s' is no FILE/SCHEMA.TABLE, as "
                                  "store.duckdb/main.flights",
                                  AX_STR_ARG(ax_str_cut(source->text, 60)));
    return AX_OK;
}

/* ---- columns ---- */

/* Names come from files of others: any text that can be read. */
static enum ax_code read_column(struct ax_definition_reader *r, const struct ax_yaml *node,
                                struct ax_definition_column *column)
{
    column->name = node->key;
    column->place = ax_definition_place_key(r, node);
    if (!node->key.len || node->key.len > AX_DEFINITION_NAME_MAX || !ax_str_is_plain(node->key))
        return ax_definition_fail_key(r, node,
                                      "a column's name has 1 to %d bytes and no control "
                                      "characters",
                                      AX_DEFINITION_NAME_MAX);
    return ax_definition_storage(r, node, &column->storage);
}

static enum ax_code read_columns(struct ax_definition_reader *r, const struct ax_yaml *node,
                                 struct ax_source *source)
{
    const struct ax_yaml *map = ax_yaml_get(node, "columns");
    struct ax_definition_scope *scope = ax_definition_source_scope(r, source);
    struct ax_map folded;
    if (ax_definition_check_many(r, map, AX_YAML_MAP, AX_DEFINITION_COLUMNS_MAX, "columns"))
        return r->err->code;
    struct ax_definition_column *columns = ax_definition_alloc(r, map->count, sizeof(*columns));
    if (!columns || ax_definition_scope_init(r, scope, map->count))
        return r->err->code;
    scope->scope.has_aggregates = true;
    source->columns = columns;
    ax_map_init(&folded);
    for (const struct ax_yaml *item = map->first; item && !r->err->code; item = item->next) {
        struct ax_definition_column *column = &columns[source->column_count++];
        if (read_column(r, item, column) ||
            ax_definition_check_case(r, &column->place, column->name, &folded))
            break;
        bool is_new = ax_definition_scope_add(scope, column->name, column->storage);
        assert(is_new); /* YAML refuses a key that is there twice. */
    }
    ax_map_done(&folded);
    return r->err->code;
}

/* ---- time and identity ---- */

static enum ax_code read_zone(struct ax_definition_reader *r, const struct ax_yaml *node,
                              struct ax_source *source)
{
    const struct ax_zone *zone;
    if (ax_definition_text(r, node, AX_MAPPING_SOURCE, "zone", &source->zone))
        return r->err->code;
    if (!ax_yaml_get(node, "zone") || !ax_zone_get(source->zone, &zone, r->err))
        return AX_OK;
    struct ax_place place = ax_definition_place(r, ax_yaml_get(node, "zone"));
    return ax_err_context(r->err, "%s:%u:%u", place.file, place.line, place.column);
}

static enum ax_code read_time_column(struct ax_definition_reader *r, const struct ax_yaml *node,
                                     const struct ax_source *source, long *ret_column)
{
    struct ax_str name;
    size_t column;
    if (node->kind != AX_YAML_SCALAR)
        return ax_definition_fail(r, node, "'%s' must be the name of a column", node->key.ptr);
    name = node->text;
    if (ax_definition_column(r, node, source, name, &column))
        return r->err->code;
    struct ax_storage storage = source->columns[column].storage;
    if (storage.kind != AX_STORAGE_TIMESTAMP || storage.is_list)
        return ax_definition_fail(r, node, "column '%.*s' is %s; timestamp is expected",
                                  AX_STR_ARG(ax_str_cut(name, 60)), ax_storage_name(storage));
    *ret_column = (long)column;
    return AX_OK;
}

static enum ax_code read_times(struct ax_definition_reader *r, const struct ax_yaml *node,
                               struct ax_source *source)
{
    const struct ax_yaml *time = ax_yaml_get(node, "time");
    const struct ax_yaml *created = ax_yaml_get(node, "created");
    bool is_none = time->kind == AX_YAML_SCALAR && ax_str_is(time->text, "none");
    source->time = -1;
    source->created = -1;
    if (is_none && created)
        return ax_definition_fail_key(r, created, "'created' needs a time; 'time' is none");
    if (!is_none && read_time_column(r, time, source, &source->time))
        return r->err->code;
    if (created && read_time_column(r, created, source, &source->created))
        return r->err->code;
    if (is_none) {
        struct ax_place place = ax_definition_place(r, time);
        return ax_definition_warn(r, &place,
                                  "source '%.*s' has no history: its rows are the same at every "
                                  "moment, also in the past",
                                  AX_STR_ARG(ax_str_cut(source->name, 60)));
    }
    return AX_OK;
}

static enum ax_code read_identity(struct ax_definition_reader *r, const struct ax_yaml *node,
                                  struct ax_source *source)
{
    const struct ax_yaml *id = ax_yaml_get(node, "event_id");
    const struct ax_yaml *push = ax_yaml_get(node, "push");
    if (ax_definition_flag(r, node, AX_MAPPING_SOURCE, "push", &source->push))
        return r->err->code;
    if (id && source->time < 0)
        return ax_definition_fail_key(r, id, "events have a time; 'time' is none");
    if (source->push && source->time < 0)
        return ax_definition_fail_key(r, push, "what is pushed has a time; 'time' is none");
    if (id && ax_definition_columns(r, id, source, AX_DEFINITION_KEYS_MAX, &source->event_id,
                                    &source->event_id_count))
        return r->err->code;
    for (size_t i = 0; i < source->event_id_count; i++) {
        const struct ax_definition_column *column = &source->columns[source->event_id[i]];
        struct ax_type type = ax_storage_type(column->storage);
        if (type.is_list || type.kind == AX_TYPE_FLOAT64)
            return ax_definition_fail(r, id, "column '%.*s' is %s, which identifies no event",
                                      AX_STR_ARG(ax_str_cut(column->name, 60)),
                                      ax_storage_name(column->storage));
    }
    return AX_OK;
}

static enum ax_code read_keep(struct ax_definition_reader *r, const struct ax_yaml *node,
                              struct ax_source *source)
{
    const struct ax_yaml *keep = ax_yaml_get(node, "keep");
    if (ax_definition_duration(r, node, "keep", &source->keep_us))
        return r->err->code;
    if (keep && !source->push)
        return ax_definition_fail_key(r, keep,
                                      "'keep' is for rows that are pushed; 'push' is false");
    if (keep && (source->keep_us < KEEP_MIN_US || source->keep_us > KEEP_MAX_US))
        return ax_definition_fail(r, keep, "'keep' is %.*s, expected 1h to 36500d",
                                  AX_STR_ARG(keep->text));
    return AX_OK;
}

enum ax_code ax_definition_read_source(struct ax_definition_reader *r, const struct ax_yaml *node,
                                       struct ax_source *source)
{
    assert(r && node && source);
    if (ax_definition_check_keys(r, node, AX_MAPPING_SOURCE) || read_origin(r, node, source) ||
        read_columns(r, node, source) || read_times(r, node, source) ||
        read_identity(r, node, source) || read_keep(r, node, source) || read_zone(r, node, source))
        return r->err->code;
    return ax_definition_text(r, node, AX_MAPPING_SOURCE, "description", &source->description);
}

/* ---- places ---- */

/* Of a byte of the query: in a file of its own, or in the YAML, which is read again for that. */
static struct ax_place query_place(const struct ax_source *source, const char *sql_path, size_t at)
{
    struct ax_place place = { sql_path, 1, 1 };
    if (source->sql_path.len) {
        ax_str_place(source->text, AX_MIN(at, source->text.len), &place.line, &place.column);
        return place;
    }
    place =
        (struct ax_place){ source->place.file, source->text_node->line, source->text_node->column };
    ax_yaml_locate(source->yaml, source->text_node, AX_MIN(at, source->text.len), &place.line,
                   &place.column);
    return place;
}

enum ax_code ax_source_context(const struct ax_source *source, size_t at, struct ax_err *err)
{
    assert(source && err && err->code);
    char sql_path[4096];
    (void)snprintf(sql_path, sizeof(sql_path), "%.*s", AX_STR_ARG(source->sql_path));
    const struct ax_place place =
        at == SIZE_MAX ? source->place : query_place(source, sql_path, at);
    return ax_err_context(err, "%s:%u:%u: source '%.*s'", place.file, place.line, place.column,
                          AX_STR_ARG(source->name));
}

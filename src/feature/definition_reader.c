/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of definitions, each checked against the table of keys, and messages with their places.
 *
 * What a message quotes of a user's text is cut, so that the place and the fix stay in the line.
 */
#include "feature/definition_reader.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define QUOTED_MAX     ((size_t)60) /* bytes of a user's text in a message */
#define KEYS_MAX       16           /* in a mapping of the table */
#define WORDS_MAX      16           /* of a value */
#define WARNINGS_MAX   1000
#define LIST_BYTES_MAX 120 /* of known names in a message */

#define QUOTED(text) AX_STR_ARG(ax_str_cut((text), QUOTED_MAX))

/* ---- places and messages ---- */

enum ax_code ax_place_fail(const struct ax_place *place, struct ax_err *err, const char *fmt, ...)
{
    assert(place && place->file && err && fmt);
    char what[sizeof(err->msg)];
    va_list args;
    va_start(args, fmt);
    ax_err_print(what, sizeof(what), fmt, args);
    va_end(args);
    return ax_fail(err, AX_E_INVALID, "%s:%u:%u: %s", place->file, place->line, place->column,
                   what);
}

struct ax_place ax_definition_place(const struct ax_definition_reader *r,
                                    const struct ax_yaml *node)
{
    assert(r && r->file && node);
    return (struct ax_place){ r->file->name, node->line, node->column };
}

struct ax_place ax_definition_place_key(const struct ax_definition_reader *r,
                                        const struct ax_yaml *node)
{
    assert(r && r->file && node);
    if (!node->key.ptr)
        return ax_definition_place(r, node);
    return (struct ax_place){ r->file->name, node->key_line, node->key_column };
}

enum ax_code ax_definition_fail(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                const char *fmt, ...)
{
    struct ax_place place = ax_definition_place(r, node);
    char what[sizeof(r->err->msg)];
    va_list args;
    va_start(args, fmt);
    ax_err_print(what, sizeof(what), fmt, args);
    va_end(args);
    return ax_place_fail(&place, r->err, "%s", what);
}

enum ax_code ax_definition_fail_key(const struct ax_definition_reader *r,
                                    const struct ax_yaml *node, const char *fmt, ...)
{
    struct ax_place place = ax_definition_place_key(r, node);
    char what[sizeof(r->err->msg)];
    va_list args;
    va_start(args, fmt);
    ax_err_print(what, sizeof(what), fmt, args);
    va_end(args);
    return ax_place_fail(&place, r->err, "%s", what);
}

/* "; there are 'a', 'b'", as many as have room. */
static void list_names(const struct ax_str *names, size_t count, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *before = i ? ", " : count == 1 ? "; there is " : "; there are ";
        if (len + strlen(before) + names[i].len + 8 > size) {
            (void)snprintf(text + len, size - len, i ? ", …" : "");
            return;
        }
        len += (size_t)snprintf(text + len, size - len, "%s'%.*s'", before, AX_STR_ARG(names[i]));
    }
}

enum ax_code ax_definition_fail_unknown(const struct ax_definition_reader *r, struct ax_place place,
                                        const char *what, struct ax_str text,
                                        const struct ax_str *known, size_t count)
{
    assert(r && what && (known || !count));
    long nearest = ax_str_nearest(text, known, count);
    char names[LIST_BYTES_MAX];
    if (nearest >= 0)
        return ax_place_fail(&place, r->err, "%s '%.*s'; did you mean '%.*s'?", what, QUOTED(text),
                             QUOTED(known[nearest]));
    list_names(known, count, names, sizeof(names));
    return ax_place_fail(&place, r->err, "%s '%.*s'%s", what, QUOTED(text), names);
}

/* The same, of a map's names. */
static enum ax_code fail_unknown(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                 const char *what, struct ax_str text, const struct ax_map *names)
{
    struct ax_str *known = ax_arena_alloc(r->arena, names->count + 1, sizeof(*known));
    if (!known)
        return ax_arena_fail(r->arena, "the definitions", r->err);
    size_t count = 0;
    void *value;
    for (size_t at = 0; ax_map_next(names, &at, &known[count], &value);)
        count++;
    return ax_definition_fail_unknown(r, ax_definition_place(r, node), what, text, known, count);
}

enum ax_code ax_definition_warn(struct ax_definition_reader *r, const struct ax_place *place,
                                const char *fmt, ...)
{
    assert(r && place && fmt);
    char text[sizeof(r->err->msg)];
    if (r->warning_count == WARNINGS_MAX)
        return AX_OK;
    va_list args;
    va_start(args, fmt);
    ax_err_print(text, sizeof(text), fmt, args);
    va_end(args);
    if (r->warning_count == r->warning_cap) {
        r->warning_cap = r->warning_cap ? 2 * r->warning_cap : 16;
        r->warnings = ax_xrealloc(r->warnings, r->warning_cap, sizeof(*r->warnings));
    }
    const char *copy = ax_arena_strdup(r->arena, ax_str_from(text));
    if (!copy)
        return ax_arena_fail(r->arena, "the definitions", r->err);
    r->warnings[r->warning_count++] = (struct ax_definition_warning){ *place, ax_str_from(copy) };
    return AX_OK;
}

void *ax_definition_alloc(struct ax_definition_reader *r, size_t count, size_t size)
{
    assert(r && size);
    void *ptr = ax_arena_zalloc(r->arena, AX_MAX(count, (size_t)1), size);
    if (!ptr)
        (void)ax_arena_fail(r->arena, "the definitions", r->err);
    return ptr;
}

/* ---- mappings and lists ---- */

static const char *kind_name(const struct ax_yaml *node)
{
    return node->kind == AX_YAML_MAP ? "a mapping" : node->kind == AX_YAML_LIST ? "a list" : "";
}

enum ax_code ax_definition_fail_kind(const struct ax_definition_reader *r,
                                     const struct ax_yaml *node, const char *wanted)
{
    char what[AX_DEFINITION_NAME_MAX + 40];
    if (node->key.ptr)
        (void)snprintf(what, sizeof(what), "'%.60s' must be", node->key.ptr);
    else
        (void)snprintf(what, sizeof(what), "expected");
    if (node->kind != AX_YAML_SCALAR)
        return ax_definition_fail(r, node, "%s %s, found %s", what, wanted, kind_name(node));
    if (ax_yaml_is_null(node))
        return ax_definition_fail(r, node, "%s %s, found nothing", what, wanted);
    return ax_definition_fail(r, node, "%s %s, found '%.*s'", what, wanted, QUOTED(node->text));
}

enum ax_code ax_definition_check_keys(const struct ax_definition_reader *r,
                                      const struct ax_yaml *node,
                                      enum ax_definition_mapping mapping)
{
    assert(r && r->file && node);
    const struct ax_definition_keys *table = ax_definition_keys(mapping);
    const char *names[KEYS_MAX + 1] = { NULL };
    assert(table->key_count <= KEYS_MAX);
    for (size_t i = 0; i < table->key_count; i++)
        names[i] = table->keys[i].name;
    if (node->kind != AX_YAML_MAP)
        return ax_definition_fail_kind(r, node, "a mapping");
    if (ax_yaml_only(node, r->file->name, names, r->err))
        return r->err->code;
    for (size_t i = 0; i < table->key_count; i++)
        if (table->keys[i].required && !ax_yaml_get(node, names[i]))
            return ax_definition_fail_key(r, node, "the key '%s' is missing", names[i]);
    return AX_OK;
}

enum ax_code ax_definition_check_many(const struct ax_definition_reader *r,
                                      const struct ax_yaml *node, enum ax_yaml_kind kind,
                                      size_t max, const char *what)
{
    assert(r && node && what);
    if (node->kind != kind)
        return ax_definition_fail_kind(r, node, kind == AX_YAML_MAP ? "a mapping" : "a list");
    if (!node->count)
        return ax_definition_fail(r, node, "'%.60s' has no %s", node->key.ptr ? node->key.ptr : "",
                                  what);
    if (node->count > max)
        return ax_definition_fail(r, node, "%zu %s; at most %zu are allowed", node->count, what,
                                  max);
    return AX_OK;
}

/* ---- scalars ---- */

enum ax_code ax_definition_text(const struct ax_definition_reader *r, const struct ax_yaml *map,
                                enum ax_definition_mapping mapping, const char *key,
                                struct ax_str *ret)
{
    const struct ax_definition_key *entry = ax_definition_key(mapping, key);
    const struct ax_yaml *node = ax_yaml_get(map, key);
    if (!node) {
        *ret = ax_str_from(entry->default_text ? entry->default_text : "");
        return AX_OK;
    }
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node) || !node->text.len)
        return ax_definition_fail_kind(r, node, "a text");
    *ret = node->text;
    return AX_OK;
}

enum ax_code ax_definition_flag(const struct ax_definition_reader *r, const struct ax_yaml *map,
                                enum ax_definition_mapping mapping, const char *key, bool *ret)
{
    const struct ax_definition_key *entry = ax_definition_key(mapping, key);
    const struct ax_yaml *node = ax_yaml_get(map, key);
    assert(entry->default_text);
    if (node)
        return ax_yaml_bool(node, r->file->name, ret, r->err);
    *ret = strcmp(entry->default_text, "true") == 0;
    return AX_OK;
}

/* The index of `text` among words divided by '|', or -1. */
static int word_index(const char *words, struct ax_str text)
{
    for (int i = 0; *words; i++) {
        size_t len = strcspn(words, "|");
        if (ax_str_equals(text, (struct ax_str){ words, len }))
            return i;
        words += len + (words[len] == '|');
    }
    return -1;
}

static enum ax_code fail_word(const struct ax_definition_reader *r, const struct ax_yaml *node,
                              const char *words, struct ax_str text)
{
    struct ax_str names[WORDS_MAX];
    size_t count = 0;
    for (const char *at = words; *at && count < WORDS_MAX;) {
        size_t len = strcspn(at, "|");
        names[count++] = (struct ax_str){ at, len };
        at += len + (at[len] == '|');
    }
    long nearest = ax_str_nearest(text, names, count);
    return ax_definition_fail(
        r, node, "'%s' must be one of %s, found '%.*s'%s%.*s%s", node->key.ptr, words, QUOTED(text),
        nearest < 0 ? "" : "; did you mean '", nearest < 0 ? 0 : (int)names[nearest].len,
        nearest < 0 ? "" : names[nearest].ptr, nearest < 0 ? "" : "'?");
}

enum ax_code ax_definition_word(const struct ax_definition_reader *r, const struct ax_yaml *map,
                                enum ax_definition_mapping mapping, const char *key, int *ret)
{
    const struct ax_definition_key *entry = ax_definition_key(mapping, key);
    const struct ax_yaml *node = ax_yaml_get(map, key);
    struct ax_str text;
    assert(entry->words);
    if (ax_definition_text(r, map, mapping, key, &text))
        return r->err->code;
    int index = word_index(entry->words, text);
    if (index < 0)
        return fail_word(r, node, entry->words, text);
    *ret = index;
    return AX_OK;
}

enum ax_code ax_definition_duration(const struct ax_definition_reader *r, const struct ax_yaml *map,
                                    const char *key, int64_t *ret_us)
{
    const struct ax_yaml *node = ax_yaml_get(map, key);
    struct ax_err ignored = AX_ERR_INIT;
    int64_t us = 0;
    if (!node) {
        *ret_us = 0;
        return AX_OK;
    }
    if (node->kind != AX_YAML_SCALAR || ax_duration_parse(node->text, &us, &ignored) || us <= 0)
        return ax_definition_fail_kind(r, node, ax_definition_value_name(AX_VALUE_DURATION));
    *ret_us = us;
    return AX_OK;
}

enum ax_code ax_definition_deprecated(const struct ax_definition_reader *r,
                                      const struct ax_yaml *map, bool *ret, struct ax_str *ret_why)
{
    const struct ax_yaml *node = ax_yaml_get(map, "deprecated");
    *ret = false;
    *ret_why = (struct ax_str){ "", 0 };
    if (!node)
        return AX_OK;
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node) || !node->text.len)
        return ax_definition_fail_kind(r, node, ax_definition_value_name(AX_VALUE_FLAG_TEXT));
    *ret = node->quoted || !ax_str_is(node->text, "false");
    if (*ret && (node->quoted || !ax_str_is(node->text, "true")))
        *ret_why = node->text;
    return AX_OK;
}

enum ax_code ax_definition_storage(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                   struct ax_storage *ret)
{
    /* Whoever writes int or float means the first of those that are as near. */
    static const struct ax_str names[] = { { "int64", 5 },
                                           { "float64", 7 },
#define X(name, text, type, bytes) { text, sizeof(text) - 1 },
                                           AX_STORAGE_LIST(X)
#undef X
    };
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node))
        return ax_definition_fail_kind(r, node, "a type");
    if (ax_storage_from_name(node->text, ret))
        return AX_OK;
    long nearest = ax_str_nearest(node->text, names, AX_COUNT(names));
    if (nearest >= 0)
        return ax_definition_fail(r, node, "no type '%.*s'; did you mean '%s'?", QUOTED(node->text),
                                  names[nearest].ptr);
    return ax_definition_fail(r, node,
                              "no type '%.*s'; there are bool, int32, int64, float32, float64, "
                              "string, bytes, timestamp, duration and list<…> of them",
                              QUOTED(node->text));
}

/* ---- names ---- */

static bool is_identifier(struct ax_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i && c >= '0' && c <= '9'))
            return false;
    }
    return name.len > 0 && name.len <= AX_DEFINITION_NAME_MAX;
}

static enum ax_code check_name(const struct ax_definition_reader *r, struct ax_place place,
                               struct ax_str name)
{
    if (!is_identifier(name))
        return ax_place_fail(&place, r->err,
                             "'%.*s' is no name: letters, digits and '_', no digit in front, at "
                             "most %d",
                             QUOTED(name), AX_DEFINITION_NAME_MAX);
    if (memmem(name.ptr, name.len, "__", 2))
        return ax_place_fail(&place, r->err,
                             "'%.*s' is no name: '__' stands between a role and a field",
                             QUOTED(name));
    return AX_OK;
}

enum ax_code ax_definition_name_key(const struct ax_definition_reader *r,
                                    const struct ax_yaml *node, struct ax_str *ret)
{
    if (check_name(r, ax_definition_place_key(r, node), node->key))
        return r->err->code;
    *ret = node->key;
    return AX_OK;
}

enum ax_code ax_definition_name(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                struct ax_str *ret)
{
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node))
        return ax_definition_fail_kind(r, node, "a name");
    if (check_name(r, ax_definition_place(r, node), node->text))
        return r->err->code;
    *ret = node->text;
    return AX_OK;
}

enum ax_code ax_definition_reference(const struct ax_definition_reader *r,
                                     const struct ax_yaml *node, enum ax_definition_kind kind,
                                     void **ret_object)
{
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node))
        return ax_definition_fail_kind(r, node, "a name");
    return ax_definition_find(r, node, kind, node->text, ret_object);
}

enum ax_code ax_definition_find(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                enum ax_definition_kind kind, struct ax_str name, void **ret_object)
{
    void *object = ax_map_get(&r->definitions->names[kind], name);
    char what[32];
    (void)snprintf(what, sizeof(what), "no %s", ax_definition_kind_name(kind));
    if (!object)
        return fail_unknown(r, node, what, name, &r->definitions->names[kind]);
    *ret_object = object;
    return AX_OK;
}

enum ax_code ax_definition_names(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                 size_t max, const struct ax_yaml **ret_first, size_t *ret_count)
{
    if (node->kind == AX_YAML_SCALAR && !ax_yaml_is_null(node)) {
        *ret_first = node;
        *ret_count = 1;
        return AX_OK;
    }
    if (node->kind != AX_YAML_LIST)
        return ax_definition_fail_kind(r, node, "a list of names");
    if (ax_definition_check_many(r, node, AX_YAML_LIST, max, "names"))
        return r->err->code;
    for (const struct ax_yaml *item = node->first; item; item = item->next)
        if (item->kind != AX_YAML_SCALAR || ax_yaml_is_null(item))
            return ax_definition_fail_kind(r, item, "a name");
    *ret_first = node->first;
    *ret_count = node->count;
    return AX_OK;
}

enum ax_code ax_definition_column(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                  const struct ax_source *source, struct ax_str name,
                                  size_t *ret_column)
{
    const struct ax_definition_scope *scope = ax_definition_source_scope(r, source);
    long index = ax_definition_scope_find(scope, name);
    char what[AX_DEFINITION_NAME_MAX + 40];
    if (index < 0) {
        (void)snprintf(what, sizeof(what), "source '%.*s' has no column", QUOTED(source->name));
        return fail_unknown(r, node, what, name, &scope->indexes);
    }
    *ret_column = (size_t)index;
    return AX_OK;
}

enum ax_code ax_definition_columns(struct ax_definition_reader *r, const struct ax_yaml *node,
                                   const struct ax_source *source, size_t max,
                                   const size_t **ret_columns, size_t *ret_count)
{
    const struct ax_yaml *item;
    size_t count;
    if (ax_definition_names(r, node, max, &item, &count))
        return r->err->code;
    size_t *columns = ax_definition_alloc(r, count, sizeof(*columns));
    for (size_t i = 0; columns && i < count && !r->err->code; i++, item = item->next) {
        if (ax_definition_column(r, item, source, item->text, &columns[i]))
            return r->err->code;
        for (size_t k = 0; k < i; k++)
            if (columns[k] == columns[i])
                return ax_definition_fail(r, item, "'%.*s' is there twice", QUOTED(item->text));
    }
    if (!columns)
        return r->err->code;
    *ret_columns = columns;
    *ret_count = count;
    return AX_OK;
}

enum ax_code ax_definition_check_case(const struct ax_definition_reader *r,
                                      const struct ax_place *place, struct ax_str name,
                                      struct ax_map *folded)
{
    char text[2 * AX_DEFINITION_NAME_MAX + 2];
    assert(r && place && folded && name.len <= sizeof(text));
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        text[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    /* The map's value is the name as it is written, which ends in NUL. */
    const char *before = ax_map_put(folded, (struct ax_str){ text, name.len }, (char *)name.ptr);
    if (!before)
        return AX_OK;
    if (ax_str_is(name, before))
        return ax_place_fail(place, r->err, "'%.*s' is there before", QUOTED(name));
    return ax_place_fail(place, r->err,
                         "'%.60s' and '%.*s' differ in case only, which SQL does not tell apart",
                         before, QUOTED(name));
}

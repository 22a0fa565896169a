/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From libyaml's events to a tree of nodes in the caller's arena.
 *
 * The builder keeps a stack of the open collections, so depth is bounded and nothing recurses. In a
 * mapping scalars alternate between key and value; a key waits in its level until the value's node
 * takes it. Duplicate keys are looked for once, when their mapping ends.
 */
#include "base/yaml.h"

#include "base/file.h"
#include "base/json_reader.h"
#include "base/map.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include <yaml.h>

#define DEPTH_MAX  32
#define NODES_MAX  100000
#define TEXT_MAX   ((size_t)8 << 20)
#define KEYS_MAX   64 /* that are compared for "did you mean" */
#define TAGS_MAX   16 /* "%TAG" in a text: libyaml compares each such line with all before it */
#define QUOTED_MAX 60 /* bytes of a value that an error quotes */

/* The arguments of "%.*s" for a value that may be long. */
#define QUOTED(text) (int)AX_MIN((text).len, (size_t)QUOTED_MAX), (text).ptr

struct yaml_level {
    struct ax_yaml *node;
    struct ax_yaml *last; /* child */
    struct ax_str key;    /* waits for its value; ptr NULL: a key comes next */
    yaml_mark_t key_mark;
};

struct yaml_build {
    const char *name;
    struct ax_str text;
    struct ax_arena *arena;
    struct ax_yaml *root;
    struct yaml_level levels[DEPTH_MAX];
    size_t depth;
    size_t node_count;
    bool document_seen;
};

static enum ax_code fail_at_mark(const char *name, yaml_mark_t mark, struct ax_err *err,
                                 const char *what)
{
    return ax_fail(err, AX_E_INVALID, "%s:%zu:%zu: %s", name, mark.line + 1, mark.column + 1, what);
}

static struct yaml_level *build_level(struct yaml_build *build)
{
    return build->depth ? &build->levels[build->depth - 1] : NULL;
}

static bool build_wants_key(struct yaml_build *build)
{
    const struct yaml_level *level = build_level(build);
    return level && level->node->kind == AX_YAML_MAP && !level->key.ptr;
}

/* A node under the open collection, or the root. */
static enum ax_code build_add(struct yaml_build *build, enum ax_yaml_kind kind, yaml_mark_t mark,
                              struct ax_yaml **ret_node, struct ax_err *err)
{
    if (++build->node_count > NODES_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%s:%zu:%zu: over %d values", build->name,
                       mark.line + 1, mark.column + 1, NODES_MAX);
    struct ax_yaml *node = ax_arena_zalloc(build->arena, 1, sizeof(*node));
    if (!node)
        return ax_arena_fail(build->arena, build->name, err);
    node->kind = kind;
    node->line = (unsigned)mark.line + 1;
    node->column = (unsigned)mark.column + 1;
    struct yaml_level *level = build_level(build);
    if (level) {
        node->key = level->key;
        node->key_line = (unsigned)level->key_mark.line + 1;
        node->key_column = (unsigned)level->key_mark.column + 1;
        level->key = (struct ax_str){ 0 };
        if (level->last)
            level->last->next = node;
        else
            level->node->first = node;
        level->last = node;
        level->node->count++;
    } else {
        build->root = node;
    }
    *ret_node = node;
    return AX_OK;
}

static bool is_ambiguous(struct ax_str text)
{
    static const char *const words[] = { "on", "off", "yes", "no" };
    for (size_t i = 0; i < AX_COUNT(words); i++)
        if (ax_str_equals_nocase(text, ax_str_from(words[i])))
            return true;
    return false;
}

static enum ax_code build_check_scalar(struct yaml_build *build, const yaml_event_t *event,
                                       struct ax_str text, bool quoted, struct ax_err *err)
{
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return fail_at_mark(build->name, event->start_mark, err,
                            "anchors and tags are not allowed");
    if (memchr(text.ptr, '\0', text.len))
        return fail_at_mark(build->name, event->start_mark, err, "a text may not hold a NUL");
    if (!quoted && is_ambiguous(text))
        return ax_fail(err, AX_E_INVALID,
                       "%s:%zu:%zu: '%.*s' means a boolean to some and a text to others: write "
                       "true, false, or quotes",
                       build->name, event->start_mark.line + 1, event->start_mark.column + 1,
                       AX_STR_ARG(text));
    return AX_OK;
}

static enum ax_code build_scalar(struct yaml_build *build, const yaml_event_t *event,
                                 struct ax_err *err)
{
    struct ax_str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (build_check_scalar(build, event, text, quoted, err))
        return err->code;
    text.ptr = ax_arena_strdup(build->arena, text);
    if (!text.ptr)
        return ax_arena_fail(build->arena, build->name, err);
    if (build_wants_key(build)) {
        if (!quoted && ax_str_is(text, "<<"))
            return fail_at_mark(build->name, event->start_mark, err, "merge keys are not allowed");
        struct yaml_level *level = build_level(build);
        level->key = text;
        level->key_mark = event->start_mark;
        return AX_OK;
    }
    struct ax_yaml *node;
    if (build_add(build, AX_YAML_SCALAR, event->start_mark, &node, err))
        return err->code;
    node->text = text;
    node->quoted = quoted;
    return AX_OK;
}

static enum ax_code build_open(struct yaml_build *build, const yaml_event_t *event,
                               enum ax_yaml_kind kind, struct ax_err *err)
{
    bool marked = kind == AX_YAML_MAP
                      ? event->data.mapping_start.anchor || event->data.mapping_start.tag
                      : event->data.sequence_start.anchor || event->data.sequence_start.tag;
    if (marked)
        return fail_at_mark(build->name, event->start_mark, err,
                            "anchors and tags are not allowed");
    if (build_wants_key(build))
        return fail_at_mark(build->name, event->start_mark, err, "a key must be a plain text");
    if (build->depth == DEPTH_MAX)
        return fail_at_mark(build->name, event->start_mark, err, "nested over 32 deep");
    struct ax_yaml *node;
    if (build_add(build, kind, event->start_mark, &node, err))
        return err->code;
    build->levels[build->depth++] = (struct yaml_level){ .node = node };
    return AX_OK;
}

static enum ax_code build_close(struct yaml_build *build, struct ax_err *err)
{
    assert(build->depth);
    struct ax_yaml *node = build->levels[--build->depth].node;
    if (node->kind != AX_YAML_MAP)
        return AX_OK;
    struct ax_map keys;
    ax_map_init(&keys);
    for (struct ax_yaml *child = node->first; child && !err->code; child = child->next) {
        const struct ax_yaml *before = ax_map_put(&keys, child->key, child);
        if (before)
            (void)ax_yaml_fail_key(child, build->name, err, "'%.*s' was given before, in line %u",
                                   QUOTED(child->key), before->key_line);
    }
    ax_map_done(&keys);
    return err->code;
}

static enum ax_code build_document(struct yaml_build *build, const yaml_event_t *event,
                                   struct ax_err *err)
{
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end)
        return fail_at_mark(build->name, event->start_mark, err, "%TAG is not allowed");
    if (build->document_seen)
        return fail_at_mark(build->name, event->start_mark, err, "only one document is allowed");
    build->document_seen = true;
    return AX_OK;
}

static enum ax_code build_event(struct yaml_build *build, const yaml_event_t *event,
                                struct ax_err *err)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return build_document(build, event, err);
    case YAML_ALIAS_EVENT:
        return fail_at_mark(build->name, event->start_mark, err, "aliases are not allowed");
    case YAML_SCALAR_EVENT:
        return build_scalar(build, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return build_open(build, event, AX_YAML_LIST, err);
    case YAML_MAPPING_START_EVENT:
        return build_open(build, event, AX_YAML_MAP, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return build_close(build, err);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return AX_OK;
}

/* The mark that libyaml has not made yet of a byte, in characters. */
static yaml_mark_t mark_of(struct ax_str text, size_t offset)
{
    yaml_mark_t mark = { .index = offset };
    for (size_t i = 0; i < AX_MIN(offset, text.len); i++) {
        bool is_break = text.ptr[i] == '\n';
        mark.line += is_break;
        mark.column = is_break ? 0 : mark.column + (((unsigned char)text.ptr[i] & 0xc0) != 0x80);
    }
    return mark;
}

/* Expected: INVALID, LIMIT. */
static enum ax_code yaml_fail(const yaml_parser_t *parser, const struct yaml_build *build,
                              struct ax_err *err)
{
    const char *name = build->name;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    if (parser->error == YAML_MEMORY_ERROR)
        return ax_fail(err, AX_E_LIMIT, "no memory for %s", name);
    if (parser->error == YAML_READER_ERROR)
        return fail_at_mark(name, mark_of(build->text, parser->problem_offset), err, problem);
    return fail_at_mark(name, parser->problem_mark, err, problem);
}

static enum ax_code build_run(struct yaml_build *build, yaml_parser_t *parser, struct ax_err *err)
{
    bool ended = false;
    while (!ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return yaml_fail(parser, build, err);
        ended = event.type == YAML_STREAM_END_EVENT;
        enum ax_code code = build_event(build, &event, err);
        yaml_event_delete(&event);
        if (code)
            return code;
    }
    return AX_OK;
}

/* Not allowed at all, but libyaml reads every one of them before it tells of the first. */
static bool has_many_tags(struct ax_str text)
{
    size_t count = 0;
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; text.len && count <= TAGS_MAX; at++, count++) {
        at = memmem(at, (size_t)(end - at), "%TAG", 4);
        if (!at)
            return false;
    }
    return count > TAGS_MAX;
}

enum ax_code ax_yaml_parse(struct ax_str text, const char *name, struct ax_arena *arena,
                           struct ax_yaml **ret_root, struct ax_err *err)
{
    assert((text.ptr || !text.len) && name && arena && ret_root && err);
    if (text.len > TEXT_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%s: over %zu bytes", name, TEXT_MAX);
    if (has_many_tags(text))
        return ax_fail(err, AX_E_INVALID, "%s: %%TAG is not allowed", name);
    /* libyaml skips the byte order mark only when it may guess the encoding. */
    if (ax_str_starts_with(text, AX_STR("\xEF\xBB\xBF")))
        text = (struct ax_str){ text.ptr + 3, text.len - 3 };
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return ax_fail(err, AX_E_LIMIT, "no memory for %s", name);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len ? text.ptr : ""),
                                 text.len);
    struct yaml_build build = { .name = name, .text = text, .arena = arena };
    enum ax_code code = build_run(&build, &parser, err);
    yaml_parser_delete(&parser);
    if (code)
        return code;
    /* Comments alone make no document, "---" alone makes one of an empty scalar. */
    if (!build.root || (build.root->kind == AX_YAML_SCALAR && ax_yaml_is_null(build.root))) {
        yaml_mark_t top = { 0 };
        build.root = NULL;
        if (build_add(&build, AX_YAML_MAP, top, &build.root, err))
            return err->code;
    }
    *ret_root = build.root;
    return AX_OK;
}

enum ax_code ax_yaml_read(const char *path, struct ax_arena *arena, struct ax_yaml **ret_root,
                          struct ax_err *err)
{
    assert(path && arena && ret_root && err);
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    enum ax_code code = ax_file_read(path, &text, err);
    if (!code)
        code = ax_yaml_parse(ax_buf_str(&text), path, arena, ret_root, err);
    ax_buf_done(&text);
    return code;
}

const struct ax_yaml *ax_yaml_get(const struct ax_yaml *map, const char *key)
{
    assert(key);
    if (!map || map->kind != AX_YAML_MAP)
        return NULL;
    for (const struct ax_yaml *child = map->first; child; child = child->next)
        if (ax_str_is(child->key, key))
            return child;
    return NULL;
}

bool ax_yaml_is_null(const struct ax_yaml *node)
{
    if (!node)
        return true;
    return node->kind == AX_YAML_SCALAR && !node->quoted &&
           (!node->text.len || ax_str_is(node->text, "~") || ax_str_is(node->text, "null"));
}

AX_PRINTF(5, 0)
static enum ax_code fail_at(unsigned line, unsigned column, const char *name, struct ax_err *err,
                            const char *fmt, va_list args)
{
    char what[sizeof(err->msg)];
    ax_err_print(what, sizeof(what), fmt, args);
    return ax_fail(err, AX_E_INVALID, "%s:%u:%u: %s", name, line, column, what);
}

enum ax_code ax_yaml_fail(const struct ax_yaml *node, const char *name, struct ax_err *err,
                          const char *fmt, ...)
{
    assert(node && name && err && fmt);
    va_list args;
    va_start(args, fmt);
    enum ax_code code = fail_at(node->line, node->column, name, err, fmt, args);
    va_end(args);
    return code;
}

enum ax_code ax_yaml_fail_key(const struct ax_yaml *node, const char *name, struct ax_err *err,
                              const char *fmt, ...)
{
    assert(node && name && err && fmt);
    va_list args;
    va_start(args, fmt);
    enum ax_code code = fail_at(node->key_line, node->key_column, name, err, fmt, args);
    va_end(args);
    return code;
}

static enum ax_code fail_kind(const struct ax_yaml *node, const char *name, const char *wanted,
                              struct ax_err *err)
{
    const char *label = node->key.ptr ? node->key.ptr : "this";
    if (node->kind != AX_YAML_SCALAR)
        return ax_yaml_fail(node, name, err, "'%.60s' must be %s, found a %s", label, wanted,
                            node->kind == AX_YAML_MAP ? "mapping" : "list");
    return ax_yaml_fail(node, name, err, "'%.60s' must be %s, found %s'%.*s'", label, wanted,
                        node->quoted ? "the text " : "", QUOTED(node->text));
}

enum ax_code ax_yaml_bool(const struct ax_yaml *node, const char *name, bool *ret,
                          struct ax_err *err)
{
    assert(node && name && ret && err);
    bool plain = node->kind == AX_YAML_SCALAR && !node->quoted;
    if (!plain || (!ax_str_is(node->text, "true") && !ax_str_is(node->text, "false")))
        return fail_kind(node, name, "true or false", err);
    *ret = node->text.ptr[0] == 't';
    return AX_OK;
}

/* Whether a plain scalar is a number as JSON has it (without JSON's extra tokens). */
static bool scalar_is_number(const struct ax_yaml *node, struct ax_json_reader *reader)
{
    if (node->kind != AX_YAML_SCALAR || node->quoted || !node->text.len)
        return false;
    char last = node->text.ptr[node->text.len - 1];
    if (last < '0' || last > '9')
        return false;
    struct ax_err ignored = AX_ERR_INIT;
    ax_json_reader_init(reader, node->text);
    return ax_json_read(reader, &ignored) == AX_JSON_NUMBER && reader->at == node->text.len;
}

enum ax_code ax_yaml_i64(const struct ax_yaml *node, const char *name, int64_t *ret,
                         struct ax_err *err)
{
    assert(node && name && ret && err);
    struct ax_json_reader reader;
    if (!scalar_is_number(node, &reader) || !ax_str_to_i64(node->text, ret))
        return fail_kind(node, name, "a whole number", err);
    return AX_OK;
}

enum ax_code ax_yaml_f64(const struct ax_yaml *node, const char *name, double *ret,
                         struct ax_err *err)
{
    assert(node && name && ret && err);
    struct ax_json_reader reader;
    if (scalar_is_number(node, &reader) && ax_json_read_f64(&reader, ret))
        return AX_OK;
    if (node->kind == AX_YAML_SCALAR && !node->quoted) {
        if (ax_str_is(node->text, ".inf") || ax_str_is(node->text, "-.inf")) {
            *ret = node->text.ptr[0] == '-' ? -INFINITY : INFINITY;
            return AX_OK;
        }
        if (ax_str_is(node->text, ".nan")) {
            *ret = NAN;
            return AX_OK;
        }
    }
    return fail_kind(node, name, "a number", err);
}

enum ax_code ax_yaml_str(const struct ax_yaml *node, const char *name, struct ax_str *ret,
                         struct ax_err *err)
{
    assert(node && name && ret && err);
    if (node->kind != AX_YAML_SCALAR || ax_yaml_is_null(node))
        return fail_kind(node, name, "a text", err);
    *ret = node->text;
    return AX_OK;
}

enum ax_code ax_yaml_only(const struct ax_yaml *map, const char *name, const char *const *keys,
                          struct ax_err *err)
{
    assert(map && name && keys && err);
    if (map->kind != AX_YAML_MAP)
        return fail_kind(map, name, "a mapping", err);
    struct ax_str known[KEYS_MAX];
    size_t count = 0;
    for (; keys[count]; count++) {
        assert(count < KEYS_MAX);
        known[count] = ax_str_from(keys[count]);
    }
    for (const struct ax_yaml *child = map->first; child; child = child->next) {
        size_t i = 0;
        while (i < count && !ax_str_equals(child->key, known[i]))
            i++;
        if (i < count)
            continue;
        long nearest = ax_str_nearest(child->key, known, count);
        /* {expr: greatest(a, 1)} has two keys. */
        if (memchr(child->key.ptr, ')', child->key.len))
            return ax_yaml_fail_key(child, name, err,
                                    "unknown key '%.*s'; a text with a comma takes quotes in {…}",
                                    QUOTED(child->key));
        if (nearest < 0)
            return ax_yaml_fail_key(child, name, err, "unknown key '%.*s'", QUOTED(child->key));
        return ax_yaml_fail_key(child, name, err, "unknown key '%.*s'; did you mean '%s'?",
                                QUOTED(child->key), keys[nearest]);
    }
    return AX_OK;
}

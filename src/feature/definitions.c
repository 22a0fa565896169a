/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading definitions: files, names, objects.
 *
 * Files become texts in the arena, which stay there: whoever keeps them can read the same again.
 * SQL that stands in a file is read when it is named first. All YAML is parsed first; then every
 * object gets its place in the array of its kind and its name, so that order and files do not
 * matter; then objects are read kind by kind. What one kind of object is, is in
 * definition_<kind>.c.
 */
#include "feature/definitions.h"

#include "base/alloc.h"
#include "base/file.h"
#include "feature/definition_reader.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FORMAT_VERSION   1
#define FILE_BYTES_MAX   ((size_t)8 << 20)
#define ARENA_BYTES_MAX  ((size_t)2 << 30)
#define ARENA_BYTES_INIT ((size_t)64 << 10)

const char *ax_definition_kind_name(enum ax_definition_kind kind)
{
    static const char *const names[AX_DEFINITION_KIND_COUNT] = {
        [AX_DEFINITION_ENTITY] = "entity", [AX_DEFINITION_SOURCE] = "source",
        [AX_DEFINITION_VIEW] = "view",     [AX_DEFINITION_SERVICE] = "service",
        [AX_DEFINITION_MODEL] = "model",
    };
    assert((unsigned)kind < AX_DEFINITION_KIND_COUNT);
    return names[kind];
}

/* ---- files ---- */

/* A copy in the arena; empty after reporting. */
static struct ax_str reader_copy(const struct ax_definition_reader *r, struct ax_str text)
{
    const char *copy = ax_arena_strdup(r->arena, text);
    if (!copy)
        (void)ax_arena_fail(r->arena, "the definitions", r->err);
    return copy ? (struct ax_str){ copy, text.len } : (struct ax_str){ "", 0 };
}

enum ax_code ax_definition_read_file(const struct ax_definition_reader *r, const char *path,
                                     struct ax_str *ret_text)
{
    assert(r && path && ret_text);
    struct ax_buf text;
    ax_buf_init(&text, FILE_BYTES_MAX);
    if (!ax_file_read(path, &text, r->err))
        *ret_text = reader_copy(r, ax_buf_str(&text));
    ax_buf_done(&text);
    return r->err->code;
}

enum ax_code ax_definition_add_sql(struct ax_definition_reader *r, struct ax_str path,
                                   struct ax_str text)
{
    assert(r);
    struct ax_file_text *file = ax_definition_alloc(r, 1, sizeof(*file));
    if (!file)
        return r->err->code;
    *file = (struct ax_file_text){ path, text };
    (void)ax_map_put(&r->sql, path, file);
    return AX_OK;
}

/* A file of the folder, without its text. */
static enum ax_code reader_add_file(struct ax_definition_reader *r, const char *name)
{
    if (r->file_count == AX_DEFINITION_FILES_MAX)
        return ax_fail(r->err, AX_E_TOO_LARGE, "over %d files in '%s'", AX_DEFINITION_FILES_MAX,
                       r->definitions->folder);
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/%s", r->definitions->folder, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return ax_fail(r->err, AX_E_INVALID, "the path of '%s' is too long", name);
    struct ax_definition_file *file = &r->files[r->file_count++];
    file->path = reader_copy(r, ax_str_from(path)).ptr;
    file->name = reader_copy(r, ax_str_from(name)).ptr;
    return r->err->code;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t len = strlen(name), end_len = strlen(ending);
    return len > end_len && strcmp(name + len - end_len, ending) == 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct ax_definition_file *left = a;
    const struct ax_definition_file *right = b;
    return strcmp(left->name, right->name);
}

static enum ax_code reader_list(struct ax_definition_reader *r)
{
    DIR *folder = opendir(r->definitions->folder);
    if (!folder)
        return ax_fail_errno(r->err, errno, "folder '%s'", r->definitions->folder);
    const struct dirent *entry;
    while (!r->err->code && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (ends_in(entry->d_name, ".yml"))
            (void)ax_fail(r->err, AX_E_INVALID,
                          "'%s/%s' would not be read: files of definitions end in .yaml",
                          r->definitions->folder, entry->d_name);
        else if (ends_in(entry->d_name, ".yaml"))
            (void)(reader_add_file(r, entry->d_name) != AX_OK);
    }
    (void)closedir(folder);
    if (!r->err->code && !r->file_count)
        return ax_fail(r->err, AX_E_NOT_FOUND, "no *.yaml in the folder '%s'",
                       r->definitions->folder);
    qsort(r->files, r->file_count, sizeof(*r->files), compare_files);
    return r->err->code;
}

/* The folder's files, or the one file and the folder that holds it. */
static enum ax_code reader_find(struct ax_definition_reader *r, const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return ax_fail_errno(r->err, errno, "'%s'", path);
    size_t len = strlen(path);
    if (S_ISDIR(status.st_mode)) {
        while (len > 1 && path[len - 1] == '/')
            len--;
        r->definitions->folder = ax_xmemdup0(path, len);
        return reader_list(r);
    }
    const char *slash = strrchr(path, '/');
    size_t folder_len = slash ? AX_MAX((size_t)(slash - path), (size_t)1) : 1;
    r->definitions->folder = ax_xmemdup0(slash ? path : ".", folder_len);
    return reader_add_file(r, slash ? slash + 1 : path);
}

/* What is not SQL is YAML, as it was found in the folder. */
static enum ax_code reader_take_texts(struct ax_definition_reader *r, const char *folder,
                                      const struct ax_file_text *files, size_t count)
{
    r->is_from_texts = true;
    r->definitions->folder = ax_xstrdup(folder);
    for (size_t i = 0; i < count && !r->err->code; i++) {
        struct ax_str path = reader_copy(r, files[i].path);
        struct ax_str text = reader_copy(r, files[i].text);
        if (r->err->code)
            break;
        if (ends_in(path.ptr, ".sql"))
            (void)(ax_definition_add_sql(r, path, text) != AX_OK);
        else if (!reader_add_file(r, path.ptr))
            r->files[r->file_count - 1].text = text;
    }
    if (!r->err->code && !r->file_count)
        return ax_fail(r->err, AX_E_NOT_FOUND, "no *.yaml among the files of '%s'", folder);
    return r->err->code;
}

/* ---- the top of a file ---- */

static enum ax_code reader_take_project(struct ax_definition_reader *r, const struct ax_yaml *root)
{
    const struct ax_yaml *node = ax_yaml_get(root, "project");
    struct ax_str *project = &r->definitions->project;
    struct ax_str name;
    if (!node)
        return AX_OK;
    if (ax_definition_name(r, node, &name))
        return r->err->code;
    if (project->len && !ax_str_equals(*project, name))
        return ax_definition_fail(r, node, "'project' is '%.*s' in another file, '%.*s' here",
                                  AX_STR_ARG(ax_str_cut(*project, 60)),
                                  AX_STR_ARG(ax_str_cut(name, 60)));
    *project = name;
    return AX_OK;
}

static enum ax_code reader_check_root(struct ax_definition_reader *r, const struct ax_yaml *root)
{
    const struct ax_yaml *format = ax_yaml_get(root, "auspex");
    int64_t version;
    if (root->kind != AX_YAML_MAP)
        return ax_definition_fail_kind(r, root, "a mapping with auspex: 1");
    if (!format)
        return ax_definition_fail(r, root,
                                  "'auspex: 1' is missing: every *.yaml of the folder is a file of "
                                  "definitions");
    if (ax_yaml_i64(format, r->file->name, &version, r->err))
        return r->err->code;
    if (version != FORMAT_VERSION)
        return ax_definition_fail(r, format, "this program reads format %d, not %lld",
                                  FORMAT_VERSION, (long long)version);
    if (ax_definition_check_keys(r, root, AX_MAPPING_FILE))
        return r->err->code;
    return reader_take_project(r, root);
}

static enum ax_code reader_parse_files(struct ax_definition_reader *r)
{
    for (size_t i = 0; i < r->file_count; i++) {
        struct ax_definition_file *file = &r->files[i];
        r->file = file;
        if ((!r->is_from_texts && ax_definition_read_file(r, file->path, &file->text)) ||
            ax_yaml_parse(file->text, file->name, r->arena, &file->root, r->err) ||
            reader_check_root(r, file->root))
            return r->err->code;
    }
    if (!r->definitions->project.len)
        r->definitions->project =
            ax_str_from(ax_definition_key(AX_MAPPING_FILE, "project")->default_text);
    return AX_OK;
}

/* ---- names ---- */

static const struct {
    const char *section;
    size_t size; /* of an object */
} kinds[AX_DEFINITION_KIND_COUNT] = {
    [AX_DEFINITION_ENTITY] = { "entities", sizeof(struct ax_entity) },
    [AX_DEFINITION_SOURCE] = { "sources", sizeof(struct ax_source) },
    [AX_DEFINITION_VIEW] = { "views", sizeof(struct ax_view) },
    [AX_DEFINITION_SERVICE] = { "services", sizeof(struct ax_service) },
    [AX_DEFINITION_MODEL] = { "models", sizeof(struct ax_model_definition) },
};

static enum ax_code reader_count(struct ax_definition_reader *r, enum ax_definition_kind kind)
{
    for (size_t i = 0; i < r->file_count; i++) {
        const struct ax_yaml *section = ax_yaml_get(r->files[i].root, kinds[kind].section);
        r->file = &r->files[i];
        if (!section)
            continue;
        if (section->kind != AX_YAML_MAP)
            return ax_definition_fail(r, section, "'%s' must be a mapping of names",
                                      kinds[kind].section);
        r->counts[kind] += section->count;
        if (r->counts[kind] > AX_DEFINITION_OBJECTS_MAX) {
            (void)ax_fail(r->err, AX_E_TOO_LARGE, "over %d %s", AX_DEFINITION_OBJECTS_MAX,
                          kinds[kind].section);
            return r->err->code;
        }
    }
    return AX_OK;
}

/* The model's name is also a folder's, for which the rule is wider. */
static enum ax_code reader_take_name(struct ax_definition_reader *r, enum ax_definition_kind kind,
                                     const struct ax_yaml *node)
{
    struct ax_str name;
    if (kind != AX_DEFINITION_MODEL)
        return ax_definition_name_key(r, node, &name);
    for (size_t i = 0; i < node->key.len; i++) {
        char c = node->key.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || (i && (c == '-' || c == '.'));
        if (!is_word || i == AX_DEFINITION_NAME_MAX)
            return ax_definition_fail_key(r, node,
                                          "'%.*s' is no name of a model: letters, digits, '_', '-' "
                                          "and '.', at most %d",
                                          AX_STR_ARG(ax_str_cut(node->key, 60)),
                                          AX_DEFINITION_NAME_MAX);
    }
    return node->key.len ? AX_OK : ax_definition_fail_key(r, node, "a model has no name");
}

static enum ax_code reader_name(struct ax_definition_reader *r, enum ax_definition_kind kind,
                                char *objects, size_t *count, const struct ax_yaml *node)
{
    if (reader_take_name(r, kind, node))
        return r->err->code;
    char *object = objects + *count * kinds[kind].size;
    const char *before = ax_map_put(&r->definitions->names[kind], node->key, object);
    if (before) {
        size_t index = (size_t)(before - objects) / kinds[kind].size;
        const struct ax_definition_node *first = &r->nodes[kind][index];
        return ax_definition_fail_key(
            r, node, "%s '%.*s' is defined before, in %s:%u", ax_definition_kind_name(kind),
            AX_STR_ARG(ax_str_cut(node->key, 60)), first->file->name, first->node->key_line);
    }
    r->nodes[kind][(*count)++] = (struct ax_definition_node){ r->file, node };
    return AX_OK;
}

static void *reader_name_all(struct ax_definition_reader *r, enum ax_definition_kind kind)
{
    if (reader_count(r, kind))
        return NULL;
    char *objects = ax_definition_alloc(r, r->counts[kind], kinds[kind].size);
    r->nodes[kind] = ax_definition_alloc(r, r->counts[kind], sizeof(*r->nodes[kind]));
    size_t count = 0;
    for (size_t i = 0; i < r->file_count && !r->err->code; i++) {
        const struct ax_yaml *section = ax_yaml_get(r->files[i].root, kinds[kind].section);
        r->file = &r->files[i];
        for (const struct ax_yaml *node = section ? section->first : NULL; node; node = node->next)
            if (reader_name(r, kind, objects, &count, node))
                return NULL;
    }
    return r->err->code ? NULL : objects;
}

static enum ax_code reader_take_names(struct ax_definition_reader *r)
{
    struct ax_definitions *definitions = r->definitions;
    if (!(r->entities = reader_name_all(r, AX_DEFINITION_ENTITY)) ||
        !(r->sources = reader_name_all(r, AX_DEFINITION_SOURCE)) ||
        !(r->views = reader_name_all(r, AX_DEFINITION_VIEW)) ||
        !(r->services = reader_name_all(r, AX_DEFINITION_SERVICE)) ||
        !(r->models = reader_name_all(r, AX_DEFINITION_MODEL)))
        return r->err->code;
    r->scopes = ax_definition_alloc(r, r->counts[AX_DEFINITION_SOURCE], sizeof(*r->scopes));
    definitions->entities = r->entities;
    definitions->entity_count = r->counts[AX_DEFINITION_ENTITY];
    definitions->sources = r->sources;
    definitions->source_count = r->counts[AX_DEFINITION_SOURCE];
    definitions->views = r->views;
    definitions->view_count = r->counts[AX_DEFINITION_VIEW];
    definitions->services = r->services;
    definitions->service_count = r->counts[AX_DEFINITION_SERVICE];
    definitions->models = r->models;
    definitions->model_count = r->counts[AX_DEFINITION_MODEL];
    return r->err->code;
}

/* ---- objects ---- */

static const struct ax_yaml *reader_at(struct ax_definition_reader *r, enum ax_definition_kind kind,
                                       size_t index, struct ax_str *ret_name,
                                       struct ax_place *ret_place)
{
    const struct ax_definition_node *at = &r->nodes[kind][index];
    r->file = at->file;
    *ret_name = at->node->key;
    *ret_place = ax_definition_place_key(r, at->node);
    return at->node;
}

static enum ax_code reader_read_sources(struct ax_definition_reader *r)
{
    size_t count = r->counts[AX_DEFINITION_SOURCE];
    for (size_t i = 0; i < count; i++) {
        struct ax_source *source = &r->sources[i];
        const struct ax_yaml *node =
            reader_at(r, AX_DEFINITION_SOURCE, i, &source->name, &source->place);
        if (ax_definition_read_source(r, node, source))
            return r->err->code;
    }
    for (size_t i = 0; i < count; i++) {
        struct ax_source *source = &r->sources[i];
        const struct ax_yaml *node =
            reader_at(r, AX_DEFINITION_SOURCE, i, &source->name, &source->place);
        if (ax_definition_read_expectations(r, node, source))
            return r->err->code;
    }
    return AX_OK;
}

static enum ax_code reader_read_objects(struct ax_definition_reader *r)
{
    for (size_t i = 0; i < r->counts[AX_DEFINITION_ENTITY]; i++) {
        struct ax_entity *entity = &r->entities[i];
        const struct ax_yaml *node =
            reader_at(r, AX_DEFINITION_ENTITY, i, &entity->name, &entity->place);
        if (ax_definition_read_entity(r, node, entity))
            return r->err->code;
    }
    if (reader_read_sources(r))
        return r->err->code;
    for (size_t i = 0; i < r->counts[AX_DEFINITION_VIEW]; i++) {
        struct ax_view *view = &r->views[i];
        const struct ax_yaml *node = reader_at(r, AX_DEFINITION_VIEW, i, &view->name, &view->place);
        if (ax_definition_read_view(r, node, view))
            return r->err->code;
    }
    for (size_t i = 0; i < r->counts[AX_DEFINITION_SERVICE]; i++) {
        struct ax_service *service = &r->services[i];
        const struct ax_yaml *node =
            reader_at(r, AX_DEFINITION_SERVICE, i, &service->name, &service->place);
        if (ax_definition_read_service(r, node, service))
            return r->err->code;
    }
    for (size_t i = 0; i < r->counts[AX_DEFINITION_MODEL]; i++) {
        struct ax_model_definition *model = &r->models[i];
        const struct ax_yaml *node =
            reader_at(r, AX_DEFINITION_MODEL, i, &model->name, &model->place);
        if (ax_definition_read_model(r, node, model))
            return r->err->code;
    }
    return AX_OK;
}

static enum ax_code reader_keep_warnings(struct ax_definition_reader *r)
{
    struct ax_definition_warning *kept =
        ax_definition_alloc(r, r->warning_count, sizeof(*r->warnings));
    if (!kept)
        return r->err->code;
    if (r->warning_count)
        memcpy(kept, r->warnings, r->warning_count * sizeof(*kept));
    r->definitions->warnings = kept;
    r->definitions->warning_count = r->warning_count;
    return AX_OK;
}

static enum ax_code reader_keep_files(struct ax_definition_reader *r)
{
    struct ax_str path;
    void *sql;
    size_t count = 0;
    struct ax_file_text *kept = ax_definition_alloc(r, r->file_count + r->sql.count, sizeof(*kept));
    if (!kept)
        return r->err->code;
    for (; count < r->file_count; count++)
        kept[count] =
            (struct ax_file_text){ ax_str_from(r->files[count].name), r->files[count].text };
    for (size_t at = 0; ax_map_next(&r->sql, &at, &path, &sql);)
        kept[count++] = *(const struct ax_file_text *)sql;
    r->definitions->files = kept;
    r->definitions->file_count = count;
    return AX_OK;
}

static void reader_done(struct ax_definition_reader *r)
{
    ax_map_done(&r->sql);
    for (size_t i = 0; r->scopes && i < r->counts[AX_DEFINITION_SOURCE]; i++)
        ax_definition_scope_done(&r->scopes[i]);
    free(r->warnings);
}

static void reader_init(struct ax_definition_reader *r, struct ax_definitions *definitions,
                        struct ax_err *err)
{
    ax_arena_init(&definitions->arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    for (size_t i = 0; i < AX_DEFINITION_KIND_COUNT; i++)
        ax_map_init(&definitions->names[i]);
    *r = (struct ax_definition_reader){ .definitions = definitions,
                                        .arena = &definitions->arena,
                                        .err = err };
    ax_map_init(&r->sql);
    r->files = ax_definition_alloc(r, AX_DEFINITION_FILES_MAX, sizeof(*r->files));
}

/* Read what was found, unless that has failed. */
static enum ax_code reader_run(struct ax_definition_reader *r, struct ax_definitions *ret)
{
    if (!r->err->code && !reader_parse_files(r) && !reader_take_names(r) &&
        !reader_read_objects(r) && !reader_keep_warnings(r))
        (void)(reader_keep_files(r) != AX_OK);
    reader_done(r);
    if (r->err->code)
        ax_definitions_done(r->definitions);
    else
        *ret = *r->definitions;
    return r->err->code;
}

enum ax_code ax_definitions_read(const char *folder, struct ax_definitions *ret, struct ax_err *err)
{
    assert(folder && ret && err);
    struct ax_definitions definitions = { 0 };
    struct ax_definition_reader r;
    reader_init(&r, &definitions, err);
    if (!err->code)
        (void)(reader_find(&r, folder) != AX_OK);
    return reader_run(&r, ret);
}

enum ax_code ax_definitions_read_texts(const char *folder, const struct ax_file_text *files,
                                       size_t count, struct ax_definitions *ret, struct ax_err *err)
{
    assert(folder && (files || !count) && ret && err);
    struct ax_definitions definitions = { 0 };
    struct ax_definition_reader r;
    reader_init(&r, &definitions, err);
    if (!err->code)
        (void)(reader_take_texts(&r, folder, files, count) != AX_OK);
    return reader_run(&r, ret);
}

void ax_definitions_done(struct ax_definitions *definitions)
{
    if (!definitions)
        return;
    for (size_t i = 0; i < AX_DEFINITION_KIND_COUNT; i++)
        ax_map_done(&definitions->names[i]);
    ax_arena_done(&definitions->arena);
    free(definitions->folder);
    definitions->folder = NULL;
}

const struct ax_view *ax_definitions_view(const struct ax_definitions *definitions,
                                          struct ax_str name)
{
    assert(definitions);
    return ax_map_get(&definitions->names[AX_DEFINITION_VIEW], name);
}

const struct ax_service *ax_definitions_service(const struct ax_definitions *definitions,
                                                struct ax_str name)
{
    assert(definitions);
    return ax_map_get(&definitions->names[AX_DEFINITION_SERVICE], name);
}

static enum ax_code find(const struct ax_definitions *definitions, enum ax_definition_kind kind,
                         struct ax_str name, const void **ret_object, struct ax_err *err)
{
    const struct ax_map *map = &definitions->names[kind];
    *ret_object = ax_map_get(map, name);
    if (*ret_object)
        return AX_OK;
    struct ax_str *names = ax_xalloc((map->count + 1) * sizeof(*names));
    void *ignored;
    size_t count = 0;
    for (size_t at = 0; ax_map_next(map, &at, &names[count], &ignored);)
        count++;
    long nearest = ax_str_nearest(name, names, count);
    (void)ax_fail(err, AX_E_NOT_FOUND, "no %s '%.*s' is defined%s%.*s%s",
                  ax_definition_kind_name(kind), AX_STR_ARG(ax_str_cut(name, (size_t)60)),
                  nearest < 0 ? "" : "; nearest is '", nearest < 0 ? 0 : (int)names[nearest].len,
                  nearest < 0 ? "" : names[nearest].ptr, nearest < 0 ? "" : "'");
    free(names);
    return err->code;
}

enum ax_code ax_definitions_find_service(const struct ax_definitions *definitions,
                                         struct ax_str name, const struct ax_service **ret_service,
                                         struct ax_err *err)
{
    assert(definitions && ret_service && err);
    const void *object;
    if (find(definitions, AX_DEFINITION_SERVICE, name, &object, err))
        return err->code;
    *ret_service = object;
    return AX_OK;
}

enum ax_code ax_definitions_find_view(const struct ax_definitions *definitions, struct ax_str name,
                                      const struct ax_view **ret_view, struct ax_err *err)
{
    assert(definitions && ret_view && err);
    const void *object;
    if (find(definitions, AX_DEFINITION_VIEW, name, &object, err))
        return err->code;
    *ret_view = object;
    return AX_OK;
}

enum ax_code ax_definitions_find_source(const struct ax_definitions *definitions,
                                        struct ax_str name, const struct ax_source **ret_source,
                                        struct ax_err *err)
{
    assert(definitions && ret_source && err);
    const void *object;
    if (find(definitions, AX_DEFINITION_SOURCE, name, &object, err))
        return err->code;
    *ret_source = object;
    return AX_OK;
}

const char *ax_service_why_unserved(const struct ax_service *service, const struct ax_view *view)
{
    assert(service && view);
    if (!view->online)
        return "is not online; take 'online: false' away";
    if (view->windowed)
        return view->source->event_id_count
                   ? NULL
                   : "has windows over rows without an event_id, which are not served";
    return service->exclude_self && service->self == view->source
               ? "has the newest event of each key alone, which may be the row's own that "
                 "exclude_self leaves out"
               : NULL;
}

bool ax_service_reads(const struct ax_service *service, const struct ax_source *source)
{
    assert(service && source);
    for (size_t i = 0; i < service->role_count; i++)
        if (service->roles[i].view->source == source)
            return true;
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that read feature definitions share: the objects being made, the place where
 * reading stands, and values that are checked against the table of keys. Only for
 * feature/definition*.c.
 *
 * Objects are read kind by kind, in the order of enum ax_definition_kind, so that what an object
 * refers to is whole when it is needed. Functions return the code of a failure, whose text begins
 * with the place, and leave what they return untouched then.
 */
#ifndef AX_FEATURE_DEFINITION_READER_H
#define AX_FEATURE_DEFINITION_READER_H

#include "feature/definition_keys.h"
#include "feature/definitions.h"

#define AX_DEFINITION_FILES_MAX   1000
#define AX_DEFINITION_OBJECTS_MAX 10000 /* a kind */
#define AX_DEFINITION_FIELDS_MAX  1024  /* a view; request values and items of a service, too */
#define AX_DEFINITION_INPUTS_MAX  4096  /* a service */
#define AX_DEFINITION_COLUMNS_MAX 4096  /* a source */
#define AX_DEFINITION_KEYS_MAX    16    /* of an entity, of an event's id */
#define AX_DEFINITION_NAME_MAX    128   /* bytes */

struct ax_definition_file {
    const char *name; /* relative to the folder */
    const char *path;
    struct ax_str text; /* errors in expressions point into it */
    struct ax_yaml *root;
};

/* Where an object stands. */
struct ax_definition_node {
    const struct ax_definition_file *file;
    const struct ax_yaml *node;
};

/* A source's columns, or what a service's expressions see, as the parser wants them. */
struct ax_definition_scope {
    struct ax_scope scope; /* scope.columns is `columns` */
    struct ax_scope_column *columns;
    struct ax_map indexes;
};

struct ax_definition_reader {
    struct ax_definitions *definitions;
    struct ax_arena *arena; /* the definitions' */
    struct ax_err *err;
    struct ax_definition_file *files;
    size_t file_count;
    bool is_from_texts; /* then `sql` is whole from the beginning */
    struct ax_map sql;  /* path as definitions have it -> struct ax_file_text of the arena */
    const struct ax_definition_file *file; /* of the object that is being read */
    struct ax_definition_node *nodes[AX_DEFINITION_KIND_COUNT];
    size_t counts[AX_DEFINITION_KIND_COUNT];
    struct ax_entity *entities;
    struct ax_source *sources;
    struct ax_definition_scope *scopes; /* one a source */
    struct ax_view *views;
    struct ax_service *services;
    struct ax_model_definition *models;
    struct ax_definition_warning *warnings;
    size_t warning_count, warning_cap;
};

/* ---- one object each; r->file is set, the object has its name and place ---- */

AX_MUST_USE enum ax_code ax_definition_read_entity(struct ax_definition_reader *r,
                                                   const struct ax_yaml *node,
                                                   struct ax_entity *entity);
AX_MUST_USE enum ax_code ax_definition_read_source(struct ax_definition_reader *r,
                                                   const struct ax_yaml *node,
                                                   struct ax_source *source);
/* The source's `expect`; all sources have their columns. */
AX_MUST_USE enum ax_code ax_definition_read_expectations(struct ax_definition_reader *r,
                                                         const struct ax_yaml *node,
                                                         struct ax_source *source);
AX_MUST_USE enum ax_code ax_definition_read_view(struct ax_definition_reader *r,
                                                 const struct ax_yaml *node, struct ax_view *view);
AX_MUST_USE enum ax_code ax_definition_read_fields(struct ax_definition_reader *r,
                                                   const struct ax_yaml *node,
                                                   struct ax_view *view);
AX_MUST_USE enum ax_code ax_definition_read_service(struct ax_definition_reader *r,
                                                    const struct ax_yaml *node,
                                                    struct ax_service *service);
AX_MUST_USE enum ax_code ax_definition_read_model(struct ax_definition_reader *r,
                                                  const struct ax_yaml *node,
                                                  struct ax_model_definition *model);

/* ---- places and messages ---- */

/* Of a value, and of its key (of the value, when it stands in a list). */
struct ax_place ax_definition_place(const struct ax_definition_reader *r,
                                    const struct ax_yaml *node);
struct ax_place ax_definition_place_key(const struct ax_definition_reader *r,
                                        const struct ax_yaml *node);

/* Fail with INVALID, at the value or at its key. */
enum ax_code ax_definition_fail(const struct ax_definition_reader *r, const struct ax_yaml *node,
                                const char *fmt, ...) AX_PRINTF(3, 4);
enum ax_code ax_definition_fail_key(const struct ax_definition_reader *r,
                                    const struct ax_yaml *node, const char *fmt, ...)
    AX_PRINTF(3, 4);

/* "'ttl' must be WANTED, found …" */
enum ax_code ax_definition_fail_kind(const struct ax_definition_reader *r,
                                     const struct ax_yaml *node, const char *wanted);

/* "WHAT 'text'", and the nearest of the names that are known, or some of them. */
enum ax_code ax_definition_fail_unknown(const struct ax_definition_reader *r, struct ax_place place,
                                        const char *what, struct ax_str text,
                                        const struct ax_str *known, size_t count);

AX_MUST_USE enum ax_code ax_definition_warn(struct ax_definition_reader *r,
                                            const struct ax_place *place, const char *fmt, ...)
    AX_PRINTF(3, 4);

/* `count` zeroed structs, or NULL after reporting. */
void *ax_definition_alloc(struct ax_definition_reader *r, size_t count, size_t size) AX_MUST_USE;

/* ---- files ---- */

/* A file's contents, in the arena. Failures tell its path, and no place. */
AX_MUST_USE enum ax_code ax_definition_read_file(const struct ax_definition_reader *r,
                                                 const char *path, struct ax_str *ret_text);

/* One more file of SQL; path and text live in the arena. */
AX_MUST_USE enum ax_code ax_definition_add_sql(struct ax_definition_reader *r, struct ax_str path,
                                               struct ax_str text);

/* ---- values ---- */

/* The node is that mapping: no unknown key, none missing. */
AX_MUST_USE enum ax_code ax_definition_check_keys(const struct ax_definition_reader *r,
                                                  const struct ax_yaml *node,
                                                  enum ax_definition_mapping mapping);

/* The node is a mapping or list of 1 to `max` things called `what`. */
AX_MUST_USE enum ax_code ax_definition_check_many(const struct ax_definition_reader *r,
                                                  const struct ax_yaml *node,
                                                  enum ax_yaml_kind kind, size_t max,
                                                  const char *what);

/* Values of keys; an absent one has the table's default, or is empty, 0, false. */
AX_MUST_USE enum ax_code ax_definition_text(const struct ax_definition_reader *r,
                                            const struct ax_yaml *map,
                                            enum ax_definition_mapping mapping, const char *key,
                                            struct ax_str *ret);
AX_MUST_USE enum ax_code ax_definition_flag(const struct ax_definition_reader *r,
                                            const struct ax_yaml *map,
                                            enum ax_definition_mapping mapping, const char *key,
                                            bool *ret);
/* The index in the key's words. */
AX_MUST_USE enum ax_code ax_definition_word(const struct ax_definition_reader *r,
                                            const struct ax_yaml *map,
                                            enum ax_definition_mapping mapping, const char *key,
                                            int *ret);
/* More than 0; 0 when it is absent. */
AX_MUST_USE enum ax_code ax_definition_duration(const struct ax_definition_reader *r,
                                                const struct ax_yaml *map, const char *key,
                                                int64_t *ret_us);
AX_MUST_USE enum ax_code ax_definition_deprecated(const struct ax_definition_reader *r,
                                                  const struct ax_yaml *map, bool *ret,
                                                  struct ax_str *ret_why);

/* A scalar that is a stored type. */
AX_MUST_USE enum ax_code ax_definition_storage(const struct ax_definition_reader *r,
                                               const struct ax_yaml *node, struct ax_storage *ret);

/* The key of `node` as the name of something new: an identifier without "__". */
AX_MUST_USE enum ax_code ax_definition_name_key(const struct ax_definition_reader *r,
                                                const struct ax_yaml *node, struct ax_str *ret);
/* The scalar itself as one. */
AX_MUST_USE enum ax_code ax_definition_name(const struct ax_definition_reader *r,
                                            const struct ax_yaml *node, struct ax_str *ret);

/* `keys: {join key: name}` of a view or a role (NULL is fine) names keys of that entity only. */
AX_MUST_USE enum ax_code ax_definition_check_key_names(const struct ax_definition_reader *r,
                                                       const struct ax_yaml *keys,
                                                       const struct ax_entity *entity);

/* A scalar that names an object of that kind. */
AX_MUST_USE enum ax_code ax_definition_reference(const struct ax_definition_reader *r,
                                                 const struct ax_yaml *node,
                                                 enum ax_definition_kind kind, void **ret_object);

/* The object of that kind and name, which stands in `node`. */
AX_MUST_USE enum ax_code ax_definition_find(const struct ax_definition_reader *r,
                                            const struct ax_yaml *node,
                                            enum ax_definition_kind kind, struct ax_str name,
                                            void **ret_object);

/* Names: a scalar is a list of one. *ret_first and what follows it, *ret_count in all. */
AX_MUST_USE enum ax_code ax_definition_names(const struct ax_definition_reader *r,
                                             const struct ax_yaml *node, size_t max,
                                             const struct ax_yaml **ret_first, size_t *ret_count);

/* The columns of a source that `node` names, each once. */
AX_MUST_USE enum ax_code ax_definition_columns(struct ax_definition_reader *r,
                                               const struct ax_yaml *node,
                                               const struct ax_source *source, size_t max,
                                               const size_t **ret_columns, size_t *ret_count);
AX_MUST_USE enum ax_code ax_definition_column(const struct ax_definition_reader *r,
                                              const struct ax_yaml *node,
                                              const struct ax_source *source, struct ax_str name,
                                              size_t *ret_column);

/* An expression; errors point at the place inside the scalar. */
AX_MUST_USE enum ax_code ax_definition_parse(const struct ax_definition_reader *r,
                                             const struct ax_yaml *node,
                                             const struct ax_scope *scope, struct ax_str *ret_text,
                                             struct ax_parsed *ret_parsed);

/* A scalar as a literal of that type, which is no list: times and durations as expressions write
 * them inside their quotes. */
AX_MUST_USE enum ax_code ax_definition_literal(const struct ax_definition_reader *r,
                                               const struct ax_yaml *node, struct ax_type type,
                                               union ax_literal *ret);

/* The contents of a file that the text names ("sql/x.sql"), or the text itself. */
AX_MUST_USE enum ax_code ax_definition_sql(struct ax_definition_reader *r,
                                           const struct ax_yaml *node, struct ax_str *ret_text,
                                           struct ax_str *ret_path);

/* The storage of an expression: what `said` says (NULL: nothing), else what its type is stored as;
 * the tree is converted where there is an implicit conversion. */
AX_MUST_USE enum ax_code ax_definition_store(const struct ax_definition_reader *r,
                                             const struct ax_yaml *said,
                                             const struct ax_scope *scope, struct ax_parsed *parsed,
                                             struct ax_storage *ret);

/* Put `name` into the names so far, in lower case; fails when another one differs from it in case
 * only, or not at all. */
AX_MUST_USE enum ax_code ax_definition_check_case(const struct ax_definition_reader *r,
                                                  const struct ax_place *place, struct ax_str name,
                                                  struct ax_map *folded);

/* ---- scopes ---- */

/* With room for `max` columns. After a failure too ax_definition_scope_done follows. */
AX_MUST_USE enum ax_code ax_definition_scope_init(struct ax_definition_reader *r,
                                                  struct ax_definition_scope *scope, size_t max);
void ax_definition_scope_done(struct ax_definition_scope *scope);
/* False when the name is there already. */
AX_MUST_USE bool ax_definition_scope_add(struct ax_definition_scope *scope, struct ax_str name,
                                         struct ax_storage storage);
/* Its index, or -1. */
long ax_definition_scope_find(const struct ax_definition_scope *scope, struct ax_str name);

static inline struct ax_definition_scope *ax_definition_source_scope(
    const struct ax_definition_reader *r, const struct ax_source *source)
{
    return &r->scopes[source - r->sources];
}

#endif

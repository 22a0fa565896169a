/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feature definitions: entities, sources, views, services and models, read from a folder of YAML,
 * or from the texts that were read from one.
 *
 * A feature is written once, here; training sets, the online table and the request path all come
 * from this text. Reading checks everything that can be checked without opening a source: keys,
 * types, names, expressions, roles, clashes of input names. The words are told in
 * docs/feature-definitions.md, which is printed from the same table that reading follows
 * (feature/definition_keys.h), as is the JSON Schema for editors.
 *
 * A struct ax_definitions is immutable once read and owns all that it points to; threads may share
 * it. Lists are in the order of the text; files are read in byte order of their paths. Each object
 * knows the place where it is written. Limits: 1,000 files, 8 MiB each, 10,000 objects a kind,
 * 1,024 fields a view, 16 keys an entity, names as identifiers of 1 to 128 bytes
 * ([A-Za-z_][A-Za-z0-9_]*, no "__").
 */
#ifndef AX_FEATURE_DEFINITIONS_H
#define AX_FEATURE_DEFINITIONS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/yaml.h"
#include "data/expr/expr.h"

/* Where something is written. */
struct ax_place {
    const char *file; /* relative to the folder */
    unsigned line;
    unsigned column;
};

enum ax_definition_kind {
    AX_DEFINITION_ENTITY,
    AX_DEFINITION_SOURCE,
    AX_DEFINITION_VIEW,
    AX_DEFINITION_SERVICE,
    AX_DEFINITION_MODEL,
    AX_DEFINITION_KIND_COUNT
};
/* "entity", … */
const char *ax_definition_kind_name(enum ax_definition_kind kind) AX_RETURNS_NONNULL;

/* A named, stored value: a join key, a source's column, a request value. */
struct ax_definition_column {
    struct ax_str name;
    struct ax_storage storage;
    bool required; /* of a request value: null or absent is refused */
    struct ax_place place;
};

struct ax_entity {
    struct ax_str name;
    struct ax_str description;
    struct ax_place place;
    const struct ax_definition_column *keys; /* an entity is its keys, in this order */
    size_t key_count;
};

enum ax_expectation_kind {
    AX_EXPECT_NOT_NULL,
    AX_EXPECT_UNIQUE,
    AX_EXPECT_BETWEEN,
    AX_EXPECT_IN_SET,
    AX_EXPECT_REGEX,
    AX_EXPECT_LENGTH,
    AX_EXPECT_ROW_COUNT,
    AX_EXPECT_FRESHNESS,
    AX_EXPECT_MONOTONIC,
    AX_EXPECT_REFERENTIAL,
    AX_EXPECT_EXPRESSION,
    AX_EXPECT_KIND_COUNT
};

enum ax_expectation_action { AX_EXPECT_WARN, AX_EXPECT_DROP_ROW, AX_EXPECT_FAIL };

/* A bound of an expectation, exactly: a whole number (a time or duration: microseconds), or any. */
struct ax_bound {
    bool is_there;
    bool is_whole;
    int64_t whole;
    double number; /* the nearest one, of a whole bound */
};

struct ax_expectation {
    enum ax_expectation_kind kind;
    enum ax_expectation_action action;
    const size_t *columns; /* of the source; none for row_count and expression */
    size_t column_count;
    double mostly;            /* least share of rows that hold, (0, 1]; drop_row: 1 is no limit */
    struct ax_bound min, max; /* of between (numbers or times), length, row_count */
    const struct ax_str *set; /* of in_set: texts, or numbers as text */
    size_t set_count;
    struct ax_str pattern; /* of regex */
    const size_t *by;      /* of monotonic: within equal values of these columns; none: all rows */
    size_t by_count;
    int64_t freshness_us;             /* of freshness: the newest time is at most this old */
    const struct ax_source *referred; /* of referential: its source, and the column there */
    size_t referred_column;
    const struct ax_expr *expr; /* of expression: a bool over the source's columns */
    struct ax_str text;         /* of it as written */
    struct ax_place place;
};

enum ax_source_kind { AX_SOURCE_FILES, AX_SOURCE_SQL, AX_SOURCE_TABLE };

/* Rows of one kind. With event ids they are events, without they are states. */
struct ax_source {
    struct ax_str name;
    struct ax_str description;
    struct ax_place place;
    enum ax_source_kind kind;
    struct ax_str text;     /* files: the glob, relative to the data folder; sql: the SELECT itself;
                               table: "store.duckdb/main.flights" */
    struct ax_str sql_path; /* of sql that stands in a file of its own, relative to the folder */
    const struct ax_yaml *text_node;
    struct ax_str yaml; /* all of its file, for messages about the SQL in it */
    const struct ax_definition_column *columns;
    size_t column_count;
    long time;              /* column that says from when a row is true; -1: time: none */
    long created;           /* column that says when we learnt it; -1: none */
    struct ax_str zone;     /* of naive times; "UTC" when nothing is said */
    const size_t *event_id; /* columns; none: states */
    size_t event_id_count;
    bool push;
    int64_t keep_us; /* what was pushed goes when it is older; 0: it stays */
    const struct ax_expectation *expectations;
    size_t expectation_count;
};

struct ax_field {
    struct ax_str name;
    struct ax_str description;
    struct ax_str text;        /* the expression as written */
    struct ax_parsed parsed;   /* over the source's columns */
    struct ax_storage storage; /* said, or what the expression's type is stored as */
    bool has_default;
    bool default_is_null;
    union ax_literal default_value; /* of the computation type */
    bool deprecated;
    struct ax_str deprecation; /* why, or what to use */
    struct ax_place place;
};

/* It has a value where there is none. */
static inline bool ax_field_has_default(const struct ax_field *field)
{
    return field->has_default && !field->default_is_null;
}

/* That value, as it is stored. */
static inline union ax_literal ax_field_default(const struct ax_field *field)
{
    union ax_literal value = field->default_value;
    if (field->storage.kind == AX_STORAGE_FLOAT32)
        value.f64 = (double)(float)value.f64;
    return value;
}

struct ax_view {
    struct ax_str name;
    struct ax_str description;
    struct ax_place place;
    const struct ax_entity *entity;
    const struct ax_source *source;
    const size_t *key_columns; /* of the source, one a key of the entity */
    int64_t ttl_us;            /* 0: none; age > ttl is OUTSIDE_MAX_AGE */
    bool online;
    int64_t every_us;    /* a server materialises it so often; 0: when it is told to */
    bool windowed;       /* fields are aggregates */
    size_t exact_events; /* of a windowed view: the newest so many events count exactly */
    const struct ax_field *fields;
    size_t field_count;
    bool deprecated;
    struct ax_str deprecation;
};

/* What a service's inputs are made of, in the order in which they are known: first the keys and
 * request values, then what views give, then expressions over all names above them. */
enum ax_input_kind {
    AX_INPUT_KEY,     /* a join key as the call gives it */
    AX_INPUT_REQUEST, /* a request value */
    AX_INPUT_FIELD,   /* a field of a view, by a role */
    AX_INPUT_EXPR,
};

/* A view as a service uses it: with the names under which the call gives its keys. */
struct ax_role {
    const struct ax_view *view;
    struct ax_str as;        /* prefix of input names, "<as>__<field>"; empty: none */
    const size_t *call_keys; /* into the service's call columns, one a key of the entity */
    struct ax_place place;
};

struct ax_service_input {
    struct ax_str name;
    enum ax_input_kind kind;
    size_t call_column;      /* KEY, REQUEST */
    size_t role;             /* FIELD */
    size_t field;            /* FIELD: of the role's view */
    struct ax_parsed parsed; /* EXPR: input i is column i of the service's scope: the call's
                                columns, then the inputs above it that are not themselves call
                                columns, in order */
    struct ax_str text;      /* EXPR */
    struct ax_storage storage;
    struct ax_place place;
};

/* It is made, and no column of the call; a call may give it instead. */
static inline bool ax_service_input_is_made(const struct ax_service_input *input)
{
    return input->kind == AX_INPUT_FIELD || input->kind == AX_INPUT_EXPR;
}

struct ax_service {
    struct ax_str name;
    struct ax_str description;
    struct ax_place place;
    const struct ax_definition_column *call; /* what a call gives: request values, then keys */
    size_t request_count;                    /* the first so many of `call` */
    size_t call_count;
    const struct ax_role *roles;
    size_t role_count;
    const struct ax_service_input *inputs; /* in the order of the model's inputs */
    size_t input_count;
    bool exclude_self;            /* the event whose id the row carries does not count */
    const struct ax_source *self; /* of exclude_self: the source of that event */
};

/* A model of the folder. What training needs is read by pipeline/train_file from the same node. */
struct ax_model_definition {
    struct ax_str name;
    struct ax_place place;
    const struct ax_service *service; /* NULL: it names its columns itself */
    struct ax_str description;
    struct ax_str rows; /* the query of its training rows; empty: they are those of a file */
    const struct ax_yaml *node;
    const char *file; /* whole path, for messages of who reads the node */
};

/* Something that is allowed and probably not meant. */
struct ax_definition_warning {
    struct ax_place place;
    struct ax_str text;
};

struct ax_definitions {
    struct ax_arena arena;
    char *folder;
    const struct ax_file_text *files; /* that they were read from, under paths relative to the
                                         folder or absolute ones: the YAML in byte order of names,
                                         then the SQL that it names, each once */
    size_t file_count;
    struct ax_str project;
    const struct ax_entity *entities;
    size_t entity_count;
    const struct ax_source *sources;
    size_t source_count;
    const struct ax_view *views;
    size_t view_count;
    const struct ax_service *services;
    size_t service_count;
    const struct ax_model_definition *models;
    size_t model_count;
    const struct ax_definition_warning *warnings;
    size_t warning_count;
    struct ax_map names[AX_DEFINITION_KIND_COUNT]; /* name -> the object */
};

/* All *.yaml of `folder` (not of folders inside), or the one file when `folder` is a file. Errors
 * have file:line:column, what was found, what is expected, the nearest known name. Expected:
 * NOT_FOUND, DENIED, INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_definitions_read(const char *folder, struct ax_definitions *ret,
                                             struct ax_err *err);
/* The same from texts: what `files` of definitions that were read were, of `folder`. No file is
 * opened. Expected: NOT_FOUND (no YAML, or SQL that is not among them), INVALID, TOO_LARGE, LIMIT.
 */
AX_MUST_USE enum ax_code ax_definitions_read_texts(const char *folder,
                                                   const struct ax_file_text *files, size_t count,
                                                   struct ax_definitions *ret, struct ax_err *err);
void ax_definitions_done(struct ax_definitions *definitions);

/* The object of that name, or NULL. */
const struct ax_view *ax_definitions_view(const struct ax_definitions *definitions,
                                          struct ax_str name);
const struct ax_service *ax_definitions_service(const struct ax_definitions *definitions,
                                                struct ax_str name);

/* The one of that name. Expected: NOT_FOUND ("no service 'pushbak' is defined; nearest is
 * 'pushback'"). */
AX_MUST_USE enum ax_code ax_definitions_find_service(const struct ax_definitions *definitions,
                                                     struct ax_str name,
                                                     const struct ax_service **ret_service,
                                                     struct ax_err *err);
AX_MUST_USE enum ax_code ax_definitions_find_view(const struct ax_definitions *definitions,
                                                  struct ax_str name,
                                                  const struct ax_view **ret_view,
                                                  struct ax_err *err);
AX_MUST_USE enum ax_code ax_definitions_find_source(const struct ax_definitions *definitions,
                                                    struct ax_str name,
                                                    const struct ax_source **ret_source,
                                                    struct ax_err *err);

/* Why the service is not served for the sake of a view of its own: what is so of the view, as a
 * message says it behind its name. NULL: it is served. */
const char *ax_service_why_unserved(const struct ax_service *service, const struct ax_view *view);

/* Whether a view of the service is made of the source's rows. */
bool ax_service_reads(const struct ax_service *service, const struct ax_source *source);

/* An object as canonical JSON: everything that its meaning depends on, with defaults written out,
 * in a fixed order of members, names of other objects as names, expressions as their canonical
 * text, contents of SQL files instead of their paths; descriptions and schedules stand in a member
 * of their own that the digest leaves out. Equal meaning, equal text. `object` is of `kind`. */
void ax_definition_put_json(struct ax_buf *out, enum ax_definition_kind kind, const void *object);

/* The SHA-256 of that text without its last member, "notes", which has descriptions,
 * deprecations and schedules: equal meaning, equal digest. Expected: TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_definition_digest(enum ax_definition_kind kind, const void *object,
                                              char ret_digest[AX_SHA256_TEXT_SIZE],
                                              struct ax_err *err);

/* Both of them at once, since a plan needs both of everything: *ret_digest is worth something when
 * nothing was appended in vain, as ax_buf_check(out) tells. */
void ax_definition_put_json_and_digest(struct ax_buf *out, enum ax_definition_kind kind,
                                       const void *object, char ret_digest[AX_SHA256_TEXT_SIZE]);

/* Append a line for each deprecated field and view that the service takes, each once, in the order
 * of its inputs: "field 'built' of view 'plane' is deprecated: use age". */
void ax_service_put_deprecated(struct ax_buf *out, const struct ax_service *service);

/* Put "FILE:LINE:COLUMN: source 'NAME'" in front of a failure's text: the place of the source, or
 * of a byte of its query (SIZE_MAX: none is known). Returns err->code. */
enum ax_code ax_source_context(const struct ax_source *source, size_t at, struct ax_err *err);

/* Fail with INVALID and "FILE:LINE:COLUMN: " in front of the text. */
enum ax_code ax_place_fail(const struct ax_place *place, struct ax_err *err, const char *fmt, ...)
    AX_PRINTF(3, 4);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of feature definitions: one table a mapping.
 *
 * Reading refuses what is not in the table, names what is missing and takes defaults from it; the
 * JSON Schema for editors and the tables of docs/feature-definitions.md are printed from it. To add
 * a key: a line in definition_keys.c, its reading in definition_<kind>.c, `make docs`. Immutable.
 */
#ifndef AX_FEATURE_DEFINITION_KEYS_H
#define AX_FEATURE_DEFINITION_KEYS_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

enum ax_definition_mapping {
    AX_MAPPING_FILE,
    AX_MAPPING_ENTITY,
    AX_MAPPING_SOURCE,
    AX_MAPPING_EXPECTATION,
    AX_MAPPING_VIEW,
    AX_MAPPING_FIELD,
    AX_MAPPING_SERVICE,
    AX_MAPPING_REQUEST,
    AX_MAPPING_FEATURE,
    AX_MAPPING_MODEL,
    AX_MAPPING_TRAIN,
    AX_MAPPING_ROWS,
    AX_MAPPING_COUNT
};

/* What may stand behind a key. */
enum ax_definition_value {
    AX_VALUE_TEXT,
    AX_VALUE_NAME,       /* an identifier, or what another object is called */
    AX_VALUE_NAMES,      /* a list of names, or one */
    AX_VALUE_FLAG,       /* true or false */
    AX_VALUE_FLAG_TEXT,  /* true, or a text that says more */
    AX_VALUE_FORMAT,     /* 1 */
    AX_VALUE_COUNT,      /* a whole number */
    AX_VALUE_NUMBER,     /* a number */
    AX_VALUE_DURATION,   /* 15m */
    AX_VALUE_STORAGE,    /* a stored type */
    AX_VALUE_EXPRESSION, /* data/expr */
    AX_VALUE_SCALAR,     /* a number, a text, true, false or null */
    AX_VALUE_SCALARS,    /* a list of those */
    AX_VALUE_WORD,       /* one of `words` */
    AX_VALUE_TYPES,      /* {name: stored type} */
    AX_VALUE_NAMED,      /* {name: name} */
    AX_VALUE_MAPPINGS,   /* {name: `of`} */
    AX_VALUE_LIST,       /* [`of`] */
    AX_VALUE_MAPPING,    /* `of` */
    AX_VALUE_OTHER,      /* a mapping that another part of the program reads */
};

struct ax_definition_key {
    const char *name;
    enum ax_definition_value value;
    bool required;
    enum ax_definition_mapping of;
    const char *words;        /* "a|b|c" */
    const char *default_text; /* as it would be written; NULL: none */
    const char *about;        /* a sentence */
    const char *example;      /* of the value */
};

struct ax_definition_keys {
    const char *name;                  /* of the mapping, in the schema: "view" */
    const char *title;                 /* on the page: "A view" */
    const char *about;                 /* sentences */
    bool has_short;                    /* a scalar may stand instead of the mapping: */
    enum ax_definition_value short_of; /* what it is */
    const char *short_about;
    const char *one_of; /* "a|b|c": keys of which exactly one is there; NULL: none */
    const struct ax_definition_key *keys;
    size_t key_count;
};

const struct ax_definition_keys *ax_definition_keys(enum ax_definition_mapping mapping)
    AX_RETURNS_NONNULL;

/* The key of that name; it is there (asserted). */
const struct ax_definition_key *ax_definition_key(enum ax_definition_mapping mapping,
                                                  const char *name) AX_RETURNS_NONNULL;

/* What a value is, in words: "a name", "true or false". */
const char *ax_definition_value_name(enum ax_definition_value value) AX_RETURNS_NONNULL;

/* Print the JSON Schema (draft 2020-12) of a file, and the tables of the page in Markdown. */
void ax_definition_put_schema(struct ax_buf *out);
void ax_definition_put_markdown(struct ax_buf *out);

#endif

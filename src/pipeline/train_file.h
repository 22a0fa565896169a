/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `auspex train` reads: which rows, which inputs, which label, which parameters.
 *
 * It is a train file, whose models name columns of their rows, or a folder of definitions (or one
 * file with all of them), whose models may take their inputs from a service instead. Parsed and
 * checked here, without touching any data; the words are told in docs/training.md.
 */
#ifndef AX_PIPELINE_TRAIN_FILE_H
#define AX_PIPELINE_TRAIN_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/sql.h"
#include "base/yaml.h"
#include "feature/definitions.h"
#include "pipeline/trainer/trainer.h"

struct ax_train_column {
    struct ax_str name;
    bool required;
    const struct ax_yaml *default_value; /* NULL: none */
};

/* One model of the file. All texts live in the file's arena, or in its definitions. */
struct ax_train_spec {
    struct ax_str name;
    struct ax_str description;
    const struct ax_service *service; /* NULL: the columns are those of the rows */
    struct ax_train_column *columns;  /* of a service: its inputs */
    size_t column_count;
    bool unknown_category_is_missing;
    const struct ax_yaml *decision; /* copied into model.yaml; NULL: none */
    struct ax_str query;            /* the text itself, without a ';' behind it; or empty */
    const char *query_path;         /* of its own file; NULL: it stands in this one */
    struct ax_str rows_file;        /* or the file with the rows, as it is written */
    /* The moment: a column, or with a service an expression over the rows' columns; may be empty
     * when the split is by hash and there is no service. */
    struct ax_str at;
    struct ax_str label;          /* SQL expression over the query's columns */
    struct ax_str label_known_at; /* SQL expression, or empty */
    bool as_known;                /* with a service: count only what was known at the moment */
    struct ax_str weight;         /* SQL expression, or empty */
    struct ax_str stop_from;      /* split by time: "2013-10-01"; empty: by hash */
    struct ax_str test_from;
    struct ax_str hash_column;       /* split by hash of this column */
    double hash_stop, hash_test;     /* shares, 0..1 */
    struct ax_trainer_param *params; /* from `params`, and the seed */
    size_t param_count;
    size_t rounds;
    size_t early_stopping_rounds;
    size_t threads; /* 0: the caller's choice */
    /* Where it is written: the train block, and its file. NULL: nowhere. */
    const struct ax_yaml *train;
    const char *path;
    const char *real_path; /* the same from the root: histories change the working folder */
};

struct ax_train_file {
    struct ax_arena arena;
    char *path;
    char *folder;                       /* that holds it, or that it is */
    struct ax_definitions *definitions; /* NULL: a train file */
    struct ax_train_spec *specs;
    size_t spec_count;
};

/* Read and check the file or folder. `sql:` files beside it are read too. Expected: NOT_FOUND,
 * DENIED, INVALID (with file:line:column), TOO_LARGE. */
AX_MUST_USE enum ax_code ax_train_file_read(const char *path, struct ax_train_file *ret_file,
                                            struct ax_err *err);
void ax_train_file_done(struct ax_train_file *file);

/* The model of that name; an empty name: the only one. NOT_FOUND names those that there are. */
AX_MUST_USE enum ax_code ax_train_file_spec(const struct ax_train_file *file, struct ax_str name,
                                            const struct ax_train_spec **ret_spec,
                                            struct ax_err *err);

/* Check what is written in SQL or as an expression, as far as that can be said without the rows:
 * the query and its order, label, label_known_at, weight, and with a service `at`. Nothing is run.
 * Expected: INVALID (with its place), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_train_spec_check(const struct ax_train_spec *spec, struct ax_sql *sql,
                                             struct ax_err *err);

/* Check all models of definitions, as ax_train_file_read and ax_train_spec_check do; a build
 * without DuckDB parses no SQL. Expected: theirs. */
AX_MUST_USE enum ax_code ax_train_check_models(const struct ax_definitions *definitions,
                                               struct ax_err *err);

/* `expression`, which `key` of the train block says, as DuckDB's parser has it: the tree of
 * "SELECT (…)". Expected: those of ax_sql_tree_read, with the place. */
AX_MUST_USE enum ax_code ax_train_spec_parse(const struct ax_train_spec *spec, struct ax_sql *sql,
                                             const char *key, struct ax_str expression,
                                             struct ax_json_doc **ret_doc, struct ax_err *err);

/* Put the place of a key of the train block, or of its split, in front of an error: "all.yaml:40:7:
 * label: …". `at` is the byte of the value's text that is meant; SIZE_MAX: the value. */
enum ax_code ax_train_spec_context(const struct ax_train_spec *spec, const char *key, size_t at,
                                   struct ax_err *err);
/* The query of the rows failed, alone or within another statement: put its place in front of the
 * error, or that of what is wrong in it: "rows.sql:3:8: rows: …". `sql` is the handle it ran on. */
enum ax_code ax_train_spec_explain_query(const struct ax_train_spec *spec, struct ax_sql *sql,
                                         struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature of a model version: its named inputs and outputs.
 *
 * Made once at load (from the model file, then model.yaml adds to it) and immutable afterwards.
 * It says what clients send; each input also says how the engine reads it: a field with categories
 * is sent as text (or as the category's index) and read by the engine as an index.
 */
#ifndef AX_DATA_SIGNATURE_H
#define AX_DATA_SIGNATURE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "data/batch.h"

/* How a library turns a category's text into the number that its model files hold. */
typedef uint32_t (*ax_category_hash_fn)(struct ax_str text);

struct ax_hashed_category {
    uint32_t hash;
    uint32_t index;
};

/* An ordered set of categories; the index is what the engine reads. One by name knows its texts.
 * One by hash only recognises them: the model file holds hashes, so every text is a category, and
 * those that are not in it are all one, with the index `count`. */
struct ax_dictionary {
    struct ax_str *names; /* in order of index; NULL: by hash */
    size_t count;
    struct ax_map indexes;             /* name -> its struct ax_str inside `names` */
    bool has_numbers;                  /* there are names, and all are decimal numbers */
    ax_category_hash_fn hash;          /* NULL: by name */
    struct ax_hashed_category *hashes; /* by hash, ascending; `count` of them */
};

struct ax_input {
    struct ax_str name;
    enum ax_datatype datatype;        /* as the engine reads it */
    struct ax_dictionary *categories; /* NULL: none */
    bool required;                    /* a missing value is refused */
    bool has_default;                 /* in place of a missing value */
    double default_number;            /* of a numeric field, or the category's index */
    struct ax_str default_text;       /* of a BYTES field */
};

struct ax_output {
    struct ax_str name;        /* prediction, margin, probability, label */
    enum ax_datatype datatype; /* as the engine writes it */
    size_t width;              /* 1: shape [-1]; k: [-1, k] */
    bool by_default;           /* answered when the request names no outputs */
};

/* What clients are told: one tensor "input" of all columns, or one tensor a column. */
enum ax_signature_form { AX_FORM_TENSOR, AX_FORM_COLUMNS };

enum ax_task { AX_TASK_VALUE, AX_TASK_BINARY, AX_TASK_MULTICLASS, AX_TASK_QUANTILES };

struct ax_signature {
    struct ax_arena arena; /* owns all texts and arrays here, but for maps */
    struct ax_input *inputs;
    size_t input_count;
    struct ax_map input_indexes; /* name -> its struct ax_input */
    struct ax_output *outputs;
    size_t output_count;
    enum ax_signature_form form;
    bool unknown_category_is_missing; /* else it is refused */
    size_t rows_max;                  /* max_batch_size */
    enum ax_task task;
    struct ax_str *labels; /* class names, label_count of them; NULL: none */
    size_t label_count;
    double *quantiles; /* of AX_TASK_QUANTILES, one an output column */
    size_t quantile_count;
};

#define AX_SIGNATURE_ROWS_MAX       ((size_t)1 << 20)
#define AX_SIGNATURE_INPUTS_MAX     ((size_t)1 << 16)
#define AX_SIGNATURE_NAME_BYTES_MAX 256
/* Most bytes of a user's text that an error message repeats. */
#define AX_SIGNATURE_SHOWN_BYTES_MAX 64

/* Zeroed, with `input_count` unnamed FP32 inputs, and rows_max at its largest. Expected:
 * TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_signature_init(struct ax_signature *signature, size_t input_count,
                                           size_t output_count, struct ax_err *err);
void ax_signature_done(struct ax_signature *signature);
/* What it takes from the heap, with its dictionaries. */
size_t ax_signature_bytes(const struct ax_signature *signature);

/* Name input `index`, or name it anew (copied). Expected: INVALID (empty, too long, not UTF-8,
 * holds a control character, or taken), LIMIT. */
AX_MUST_USE enum ax_code ax_signature_name_input(struct ax_signature *signature, size_t index,
                                                 struct ax_str name, struct ax_err *err);

/* Take all names away again, so that others can be given in any order. */
void ax_signature_clear_names(struct ax_signature *signature);

/* A dictionary for input `index`, which has none; owned by the signature, names copied. Expected:
 * INVALID (a name twice), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_signature_add_dictionary(struct ax_signature *signature, size_t index,
                                                     const struct ax_str *names, size_t count,
                                                     struct ax_err *err);

/* The same by hash: hashes[i] is category i. Expected: INVALID (a hash twice), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_signature_add_hashes(struct ax_signature *signature, size_t index,
                                                 ax_category_hash_fn hash, const uint32_t *hashes,
                                                 size_t count, struct ax_err *err);

/* The input or output of that name, or NULL. */
const struct ax_input *ax_signature_input(const struct ax_signature *signature, struct ax_str name);
const struct ax_output *ax_signature_output(const struct ax_signature *signature,
                                            struct ax_str name);

/* The input's place in the batch. */
static inline size_t ax_signature_index(const struct ax_signature *signature,
                                        const struct ax_input *input)
{
    return (size_t)(input - signature->inputs);
}

/* Of AX_TASK_QUANTILES: the places of the smallest and the largest quantile, and of the median or,
 * without it, of the one nearest to it. */
void ax_signature_find_quantiles(const struct ax_signature *signature, size_t *ret_low,
                                 size_t *ret_high, size_t *ret_middle);

/* The datatype that clients are told: BYTES for a field with categories, else the engine's. */
enum ax_datatype ax_input_wire_datatype(const struct ax_input *input);

/* Whether one tensor can hold all columns: all are sent as the same datatype, and not as text. */
bool ax_signature_is_uniform(const struct ax_signature *signature);

/* "no input 'dep_dely'; nearest is 'dep_delay'": fail with INVALID. */
enum ax_code ax_signature_unknown_input(const struct ax_signature *signature, struct ax_str name,
                                        struct ax_err *err);

/* Whether every text is a category: see struct ax_dictionary. */
static inline bool ax_dictionary_is_hashed(const struct ax_dictionary *dictionary)
{
    return dictionary && dictionary->hash;
}

/* Room for a number as a category's name, with its NUL. */
#define AX_CATEGORY_NUMBER_BYTES 32

/* Write a number as a category's name: a whole one of 64 bits in full, any other as the shortest
 * text that reads back to it. */
void ax_category_print(double number, char text[AX_CATEGORY_NUMBER_BYTES]);

/* The category's index, or -1; never -1 by hash. */
long ax_dictionary_index(const struct ax_dictionary *dictionary, struct ax_str name);

/* The index of the category that `name` was probably meant to be, or -1. By name only. */
long ax_dictionary_nearest(const struct ax_dictionary *dictionary, struct ax_str name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model version: one folder with one model file and an optional model.yaml, loaded.
 *
 * The model file is told apart by content, whatever its name. model.yaml may name the engine, add
 * to the signature (names, labels, defaults, required, dictionaries where the file has none), set
 * limits and the engine's options, and define a decision. Immutable once loaded; shared by
 * reference count across threads.
 */
#ifndef AX_ENGINE_VERSION_H
#define AX_ENGINE_VERSION_H

#include "base/err.h"
#include "base/hash.h"
#include "base/yaml.h"
#include "engine/engine.h"
#include "engine/image.h"

/* The decision: the first threshold, from the highest down, that the score reaches names the
 * action. The score is the positive class's probability, or the prediction of a value model. */
struct ax_decision_step {
    double at_least; /* -INFINITY for the last one */
    struct ax_str action;
};

/* The service that gave a version's inputs in training, as its model.yaml tells. */
struct ax_version_service {
    struct ax_str name;               /* empty: there was none */
    uint64_t number;                  /* of its version, then in force; 0: it was not */
    char digest[AX_SHA256_TEXT_SIZE]; /* with all that it is made from, as it was then */
};

/* What became of the image of a version's model; see engine/image.h. */
enum ax_version_image {
    AX_VERSION_IMAGE_NONE, /* not kept */
    AX_VERSION_IMAGE_USED, /* the model is one */
    AX_VERSION_IMAGE_MADE, /* the next load will have one */
};

struct ax_version_options {
    struct ax_image_store *images; /* NULL: none */
    bool tune;                     /* let the engine find out what is fastest here */
    bool read_only;                /* write nothing */

    /* (optional) What an earlier load of the same files found for `image_key`: the model file is
     * not read for it. That they are the same is the caller's word. */
    const struct ax_image_key *known;
};

struct ax_version {
    _Atomic unsigned refs;
    char *model_name;
    uint64_t number;
    char text[24]; /* the number as text */
    char *path;    /* of the folder */
    struct ax_model *model;
    enum ax_version_image image;
    size_t image_bytes;                   /* mapped, of AX_VERSION_IMAGE_USED; else 0 */
    struct ax_image_key image_key;        /* zeros: no images; the same image is the same bytes in
                                             memory, however often it is mapped */
    struct ax_image_hold *image_hold;     /* keeps the image on disk; NULL: it has none */
    struct ax_err image_note;             /* with a code: what is to be told about images, once */
    uint64_t load_ns;                     /* how long loading took */
    const struct ax_signature *signature; /* the model's, completed */
    struct ax_decision_step *decision;    /* NULL: none */
    size_t decision_count;
    size_t decision_class; /* the class whose probability decides (multi-class) */
    struct ax_version_service service;
    char digest[AX_SHA256_TEXT_SIZE]; /* of the model file */
    struct ax_arena arena;            /* owns the texts of decision and service */
};

/* Load DIR/<model>/<version>/. `path` is the version's folder; `options` may be NULL: without
 * images, not tuned. May take long; never on an I/O thread. Expected: NOT_FOUND (no model file),
 * INVALID (several model files, malformed file or model.yaml, with its place), UNSUPPORTED (also a
 * file that only looks like a model, named), DENIED (unreadable), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_version_load(const char *path, const char *model_name, uint64_t number,
                                         const struct ax_version_options *options,
                                         struct ax_version **ret_version, struct ax_err *err);

/* Whether a load looks at no file of this name, whatever it holds. */
bool ax_version_ignores(const char *name);

/* What the version keeps in memory, without the image that its model is mapped from. */
size_t ax_version_memory_bytes(const struct ax_version *version);

struct ax_version *ax_version_ref(struct ax_version *version);
void ax_version_unref(struct ax_version *version);

/* Whether `decision` is one as model.yaml has it, of a model of `many` (more than two) classes or
 * not; what else it asks of the model is seen when that is loaded. `name` is of the file where it
 * stands. Expected: INVALID (with the place), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_version_check_decision(const struct ax_yaml *decision, const char *name,
                                                   bool many, struct ax_err *err);

/* The decision's action for one score; an empty text without a decision or for NaN. */
struct ax_str ax_version_decide(const struct ax_version *version, double score);

/* The same for row `row` of answers, whose columns are the signature's outputs: `probability`
 * where the signature has it, else `prediction`, must be among those that were wanted. */
struct ax_str ax_version_decide_row(const struct ax_version *version, const struct ax_batch *out,
                                    size_t row);

#endif

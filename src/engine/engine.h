/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine seam: code that runs a model version.
 *
 * An engine is a const table of functions; a model is one loaded artifact, immutable once loaded
 * and shared by reference count. The backends: forest (tree ensembles; forest/), rules (ordered
 * conditions; rules.c). Callers use the inline wrappers, never the slots.
 */
#ifndef AX_ENGINE_ENGINE_H
#define AX_ENGINE_ENGINE_H

#include "base/err.h"
#include "base/option.h"
#include "data/batch.h"
#include "data/signature.h"

#include <assert.h>
#include <stdatomic.h>

/* Where predict runs: on the I/O thread in slices of at most 1 ms, or on the compute pool. */
#define AX_ENGINE_CAP_INLINE 1u
#define AX_ENGINE_CAP_POOLED 2u

#define AX_ENGINE_FILE_BYTES_MAX ((size_t)1 << 30)

struct ax_engine;
struct ax_image;

struct ax_model { /* each engine's instance begins with one */
    const struct ax_engine *engine;
    _Atomic unsigned refs;
    struct ax_signature signature; /* as the file has it; model.yaml may add before publishing */
    char format[32];               /* what was read: "xgboost_json", "xgboost_ubjson", "rules" */
    char iterations[48];           /* how many boosting rounds answer: "all (120)"; or empty */
};

/* How an engine's models are kept as images, which load without their source;
 * docs/internals/image.md.
 */
struct ax_engine_images {
    /* Part of the image's name: letters and a number, another one whenever what is written changes.
     */
    const char *format;

    /* Append what of `config` (as in load) changes the image. */
    void (*key)(const void *config, struct ax_buf *out);

    /* Append the payload of a model as load made it. Places in it count from where it begins, which
     * is a multiple of 64 in `out`. Expected: TOO_LARGE, LIMIT. */
    enum ax_code (*write)(const struct ax_model *model, struct ax_buf *out, struct ax_err *err);

    /* The model of an image, which may be anything: what is accepted can be asked. On success the
     * image is the model's to release; on failure it stays the caller's. May take long. Expected:
     * INVALID, LIMIT. */
    enum ax_code (*read)(const struct ax_image *image, struct ax_model **ret_model,
                         struct ax_err *err);
};

struct ax_engine {
    const char *name; /* as written in model.yaml */
    unsigned caps;    /* AX_ENGINE_CAP_* */

    /* NaN may be an answer that somebody wrote down; else it is a sign that something is wrong. */
    bool answers_nan;

    /* Options that model.yaml may set for this engine, or NULL; ends with a nameless entry. */
    const struct ax_option *options;
    size_t config_size; /* of the struct that `options` fills */

    /* Does this content look like a file for this engine? `head` is its first bytes (up to 4 KiB).
     * No validation: load does that. Any thread. */
    bool (*recognise)(struct ax_str head);

    /* Load the artifact whose bytes are `bytes` (borrowed for the call); `config` was filled by
     * `options`. On success `*ret_model` has one reference and a complete signature; an output
     * "label", where the engine can answer one, is its last and needs signature.labels before it
     * may be asked for (without labels: take it off output_count). May take long;
     * never on an I/O thread. Expected: INVALID (malformed, with the place inside the file),
     * UNSUPPORTED (a meaning we do not have, named), TOO_LARGE, LIMIT. */
    enum ax_code (*load)(struct ax_str bytes, const void *config, struct ax_model **ret_model,
                         struct ax_err *err);

    /* Bytes of scratch that predict needs for `rows` rows, aligned to 64. Any thread. */
    size_t (*scratch_size)(const struct ax_model *model, size_t rows);

    /* Score `in` (columns as the signature's inputs) into `out`, whose columns stand for the
     * signature's outputs in order; a column with values == NULL is not wanted, the others have
     * room for in->rows rows. `out` is undefined after a failure. Must be safe to call from many
     * threads at once, must not allocate, lock or log. Texts written to BYTES outputs live as long
     * as the model. Expected: INVALID. */
    enum ax_code (*predict)(const struct ax_model *model, const struct ax_batch *in,
                            struct ax_batch *out, void *scratch, struct ax_err *err);

    /* Release everything. Called once, when the last reference goes. */
    void (*free)(struct ax_model *model);

    /* What the model keeps in memory, with its signature and without an image that it is mapped
     * from. Any thread. */
    size_t (*memory_bytes)(const struct ax_model *model);

    /* (optional) NULL: every load reads the source. */
    const struct ax_engine_images *images;

    /* (optional) Find out what is fastest on this machine, before the model is shared; takes some
     * milliseconds, and never changes an answer. `kept` is what an earlier call wrote about the
     * same model, on whatever machine, or anything else; what is to be kept instead is appended to
     * `out`, or nothing. Expected: LIMIT. */
    enum ax_code (*tune)(struct ax_model *model, struct ax_str kept, struct ax_buf *out,
                         struct ax_err *err);

    /* (optional) Append a JSON object of what is to be known about the model's inside. */
    void (*describe)(const struct ax_model *model, struct ax_buf *out);
};

/* All engines of this build, ended by NULL. */
extern const struct ax_engine *const ax_engines[];

/* The engine of that name, or the one that recognises the content, or NULL. */
const struct ax_engine *ax_engine_by_name(struct ax_str name);
const struct ax_engine *ax_engine_by_content(struct ax_str head);

AX_MUST_USE static inline enum ax_code ax_engine_load(const struct ax_engine *engine,
                                                      struct ax_str bytes, const void *config,
                                                      struct ax_model **ret_model,
                                                      struct ax_err *err)
{
    assert(engine && ret_model && err);
    return engine->load(bytes, config, ret_model, err);
}

static inline size_t ax_model_scratch_size(const struct ax_model *model, size_t rows)
{
    return model->engine->scratch_size(model, rows);
}

static inline size_t ax_model_memory_bytes(const struct ax_model *model)
{
    return model->engine->memory_bytes(model);
}

AX_MUST_USE static inline enum ax_code ax_model_predict(const struct ax_model *model,
                                                        const struct ax_batch *in,
                                                        struct ax_batch *out, void *scratch,
                                                        struct ax_err *err)
{
    assert(model && in && out && err && out->rows == in->rows);
    return model->engine->predict(model, in, out, scratch, err);
}

/* For engines: begin an instance with one reference. The signature is the engine's to fill. */
void ax_model_init(struct ax_model *model, const struct ax_engine *engine);

struct ax_model *ax_model_ref(struct ax_model *model);
/* NULL is fine. The last one frees. Any thread. */
void ax_model_unref(struct ax_model *model);

#endif

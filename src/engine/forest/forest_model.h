/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loaded forest: what the engine `forest` makes of a file, or of an image of one.
 *
 * Immutable once shared. forest.c makes and asks it, forest_image.c writes and reads it, tune.c
 * chooses its kernels.
 */
#ifndef AX_ENGINE_FOREST_FOREST_MODEL_H
#define AX_ENGINE_FOREST_FOREST_MODEL_H

#include "engine/engine.h"
#include "engine/forest/kernel.h"
#include "engine/image.h"

struct ax_forest_config { /* what model.yaml may say */
    char *iterations;
};

/* The outputs, in the order in which a signature has those that there are. */
enum ax_forest_output {
    AX_FOREST_PREDICTION,
    AX_FOREST_MARGIN,
    AX_FOREST_PROBABILITY,
    AX_FOREST_LABEL,
    AX_FOREST_OUTPUT_COUNT
};

/* What becomes of the sums; see struct ax_forest. */
struct ax_forest_ending {
    double scale; /* margin = sum * scale + bias */
    double *bias; /* group_count, or NULL; owned */
    double divisor;
    enum ax_transform transform;
    enum ax_transform probability;
    double slope;
    bool class_by_margin;
    double class_margin;
};

struct ax_forest_model {
    struct ax_model base;
    struct ax_forest_plan plan;
    struct ax_forest_ending ending;
    char objective[AX_FOREST_OBJECTIVE_BYTES]; /* see struct ax_forest */
    bool has_affine;                           /* the scale is not 1, or there is a bias */
    enum ax_forest_output outputs[AX_FOREST_OUTPUT_COUNT]; /* of the signature, in its order */
    size_t output_count;
    struct ax_image image; /* what the plan's arrays lie in; else zeroed */
};

/* One that holds nothing yet, to be released with ax_model_unref. */
struct ax_forest_model *ax_forest_model_new(void);

/* When the plan, the inputs of the signature and the ending are there: the rest. */
void ax_forest_model_complete(struct ax_forest_model *model);

/* How many outputs a signature needs. */
size_t ax_forest_output_count(enum ax_transform probability, enum ax_task task);

/* Images of forests (forest_image.c). */
extern const struct ax_engine_images ax_forest_images;

/* As the slot `tune` of the seam (tune.c). */
enum ax_code ax_forest_tune(struct ax_model *model, struct ax_str kept, struct ax_buf *out,
                            struct ax_err *err);

/* As the slot `describe` of the seam (describe.c). */
void ax_forest_describe(const struct ax_model *model, struct ax_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model that a peer turned into code, compiled into a shared object together with the glue for
 * that peer in bench/compare/glue, which gives all of them one face.
 *
 *   compiled SHARED_OBJECT
 *
 * The face: two numbers, 1 for f64 and 0 for f32, and the function.
 */
#include "contestant.h"

struct compiled {
    struct contestant base;
    void (*predict)(const void *values, size_t features, size_t count, void *margins);
};

static enum ax_datatype compiled_type(void *library, const char *name)
{
    const int *is_wide;
    compare_find(library, name, &is_wide);
    return *is_wide ? AX_FP64 : AX_FP32;
}

static struct contestant *compiled_open(char **words, const struct compare_rows *rows)
{
    struct compiled *c = ax_xalloc(sizeof(*c));
    void *library = compare_open_library(words[0]);
    compare_find(library, "compiled_predict", &c->predict);
    c->base = (struct contestant){ .kind = &contestant_compiled,
                                   .rows = rows,
                                   .row_type = compiled_type(library, "compiled_rows_wide"),
                                   .margin_type = compiled_type(library, "compiled_margins_wide") };
    return &c->base;
}

static void compiled_predict(struct contestant *contestant, const void *values, size_t count,
                             void *margins)
{
    struct compiled *c = container_of(contestant, struct compiled, base);
    c->predict(values, contestant->rows->features, count, margins);
}

const struct contestant_kind contestant_compiled = {
    .name = "compiled",
    .open = compiled_open,
    .predict = compiled_predict,
};

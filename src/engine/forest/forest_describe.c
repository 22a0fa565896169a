/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `auspex models inspect` tells of a forest: its shape, its memory, its kernels. All of it is
 * counted in the compiled form, so it is what answers, not what the file said.
 */
#include "engine/forest/forest_model.h"

#include "base/alloc.h"
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>

struct shape {
    size_t leaf_count;
    size_t wide_count, oblivious_count; /* trees */
    size_t depth_max;
    double depth_mean;
    size_t feature_count;  /* that splits read */
    size_t category_count; /* of them categorical */
};

static struct shape measure(const struct ax_compiled *c)
{
    struct shape shape = { 0 };
    for (size_t i = 0; i < c->node_count; i++)
        shape.leaf_count += c->nodes[i].left == 0;
    for (size_t i = 0; i < c->wide_count; i++)
        shape.leaf_count += c->wide_nodes[i].left == 0;
    for (size_t t = 0; t < c->tree_count; t++) {
        shape.wide_count += c->trees[t].is_wide;
        shape.oblivious_count += c->trees[t].is_oblivious;
        shape.depth_max = AX_MAX(shape.depth_max, (size_t)c->trees[t].depth);
        shape.depth_mean += c->trees[t].depth;
    }
    shape.depth_mean /= (double)AX_MAX(c->tree_count, (size_t)1);
    /* A feature's slots of one sort are side by side. */
    for (size_t i = 1; i < c->slot_count; i++) {
        bool is_new =
            i == 1 || i == c->number_end || c->sources[i].feature != c->sources[i - 1].feature;
        shape.feature_count += is_new;
        shape.category_count += is_new && i >= c->number_end;
    }
    return shape;
}

static size_t compiled_bytes(const struct ax_compiled *c)
{
    size_t leaves = c->leaf_values ? c->leaf_rows * c->leaf_width * sizeof(double) : 0;
    return c->slot_count * sizeof(*c->sources) + c->rank_count * sizeof(*c->ranks) +
           c->threshold_count * sizeof(*c->thresholds) + c->tree_count * sizeof(*c->trees) +
           c->group_ends[AX_TREE_WIDE] * sizeof(*c->groups) + c->node_count * sizeof(*c->nodes) +
           c->wide_count * sizeof(*c->wide_nodes) + c->bit_words * sizeof(*c->bits) + leaves;
}

static size_t program_bytes(const struct ax_mux *mux)
{
    return mux->tree_count * sizeof(*mux->trees) + mux->code_words * sizeof(*mux->code) +
           mux->leaf_bytes + mux->column_count * sizeof(*mux->columns);
}

static size_t crown_bytes(const struct ax_deep *deep)
{
    return deep->node_count * sizeof(*deep->nodes) +
           deep->node_count / AX_DEEP_CHUNK * sizeof(*deep->chunk_leaves) +
           deep->leaf_count * sizeof(*deep->leaves);
}

static void put_text(struct ax_buf *out, const char *key, struct ax_str text)
{
    ax_json_put_key(out, key);
    ax_json_put_str(out, text);
}

static void put_count(struct ax_buf *out, const char *key, size_t count)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, count);
}

static const char *transform_name(enum ax_transform transform)
{
    static const char *const names[] = {
        [AX_TRANSFORM_IDENTITY] = "identity",
        [AX_TRANSFORM_SIGMOID] = "sigmoid",
        [AX_TRANSFORM_HINGE] = "hinge",
        [AX_TRANSFORM_SORT] = "sort",
        [AX_TRANSFORM_SOFTMAX] = "softmax",
        [AX_TRANSFORM_ARGMAX] = "argmax",
        [AX_TRANSFORM_EXP] = "exp",
        [AX_TRANSFORM_LOG1P_EXP] = "log1p_exp",
        [AX_TRANSFORM_SIGNED_SQUARE] = "signed_square",
        [AX_TRANSFORM_EXP_WIDE] = "exp",
        [AX_TRANSFORM_EXPECTILES] = "expectiles",
    };
    return names[transform];
}

static void put_shape(const struct ax_forest_model *model, struct ax_buf *out)
{
    const struct ax_compiled *c = &model->plan.compiled;
    struct shape shape = measure(c);
    put_text(out, "objective", ax_str_from(model->objective));
    put_count(out, "trees", c->tree_count);
    put_count(out, "trees_oblivious", shape.oblivious_count);
    put_count(out, "trees_wide", shape.wide_count);
    put_count(out, "depth_max", shape.depth_max);
    ax_json_put_key(out, "depth_mean");
    ax_json_put_f64(out, shape.depth_mean);
    put_count(out, "leaves", shape.leaf_count);
    put_count(out, "leaf_width", c->leaf_width);
    put_count(out, "outputs", c->group_count);
    put_count(out, "features", c->feature_count);
    put_count(out, "features_used", shape.feature_count);
    put_count(out, "features_categorical", shape.category_count);
    put_count(out, "thresholds", c->threshold_count);
    put_text(out, "inputs", ax_str_from(ax_datatype_name(c->input_type)));
    put_text(out, "sums", ax_str_from(ax_datatype_name(c->sum_type)));
    put_text(out, "transform", ax_str_from(transform_name(model->ending.transform)));
}

/* The classes, and for each what a row cost in each kernel, as far as it was measured. */
static void put_classes(const struct ax_forest_plan *plan, struct ax_buf *out)
{
    for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++) {
        (void)ax_buf_append_str(out, class ? AX_STR(",{") : AX_STR("{"));
        put_count(out, "rows", ax_kernel_class_from(class));
        put_text(out, "kernel", ax_str_from(plan->by_class[class]->name));
        ax_json_put_key(out, "row_ns");
        (void)ax_buf_append_char(out, '{');
        for (size_t k = 0; ax_forest_kernels[k]; k++) {
            if (!(plan->row_ns[class][k] > 0))
                continue;
            ax_json_put_key(out, ax_forest_kernels[k]->name);
            ax_json_put_f32(out, plan->row_ns[class][k]);
        }
        (void)ax_buf_append_str(out, AX_STR("}}"));
    }
}

void ax_forest_describe(const struct ax_model *model, struct ax_buf *out)
{
    assert(model && out);
    const struct ax_forest_model *forest = container_of_const(model, struct ax_forest_model, base);
    const struct ax_forest_plan *plan = &forest->plan;
    (void)ax_buf_append_char(out, '{');
    put_shape(forest, out);
    put_count(out, "compiled_bytes", compiled_bytes(&plan->compiled));
    put_count(out, "program_bytes", program_bytes(&plan->mux) + crown_bytes(&plan->deep));
    put_count(out, "trees_deep", plan->mux.deep_count);
    put_count(out, "trees_walked",
              plan->mux.trees ? plan->mux.walked_count : plan->compiled.tree_count);
    put_text(out, "kernel", ax_str_from(plan->kernel->name));
    ax_json_put_key(out, "kernels");
    (void)ax_buf_append_char(out, '[');
    put_classes(plan, out);
    (void)ax_buf_append_str(out, AX_STR("]}"));
}

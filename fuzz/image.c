/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of compiled images, and the kernels on what it accepts.
 *
 * An image is laid out by the compiler and changes with every struct, so the corpus does not hold
 * images but what is done to them: the first byte chooses a forest, which is compiled and written
 * when the target starts; then come changes of four bytes each, a place (24 bits, modulo the size)
 * and the byte that is put there. A place of all ones cuts the image off, to as many 64ths of it as
 * its byte says. With 0xFF as first byte the rest is the payload itself.
 *
 * What is accepted is asked for 3 rows and for 40, so that kernels for few rows and for many walk
 * it, and written again, which must be possible.
 */
#include "forest_fuzz.h"

#include "engine/forest/forest_model.h"

#include <assert.h>

#define FORESTS     5
#define FEATURES    3
#define TREES       3
#define NODES       ((size_t)7)   /* of a tree */
#define NODES_DEEP  ((size_t)513) /* too many leaves for a program of the whole tree */
#define CHANGE      4             /* bytes */
#define PLACE_CUT   0xFFFFFFu
#define ROWS_MANY   40
#define IMAGE_BYTES ((size_t)1 << 20)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ax_buf images[FORESTS];

/* A tree of `size` nodes without gaps, whose splits differ from tree to tree, or, `oblivious`, from
 * level to level only. */
static void plant_tree(struct ax_forest *forest, size_t t, size_t size, bool oblivious)
{
    struct ax_forest_node *nodes = forest->nodes + t * size;
    forest->trees[t] = (struct ax_forest_tree){ .node_from = t * size,
                                                .node_count = (uint32_t)size,
                                                .group = (uint32_t)(t % forest->group_count) };
    for (uint32_t i = 0; i < size; i++) {
        struct ax_forest_node *node = &nodes[i];
        *node = (struct ax_forest_node){ .left = -1, .value = (double)(i + t), .set = i % 4 };
        if (forest->leaf_width == 1)
            node->set = 0;
        if (2 * i + 2 >= size)
            continue;
        uint32_t place = oblivious && i == 2 ? 1 : i;
        node->left = (int32_t)(2 * i + 1);
        node->right = (int32_t)(2 * i + 2);
        node->value = (double)place - 0.5 * (double)t;
        node->feature = (place + (uint32_t)t) % FEATURES;
        node->missing = place % 2 ? AX_MISSING_LEFT : AX_MISSING_RIGHT;
        node->set = 0;
    }
}

/* The root of tree 1 asks for the categories 1 and 5. */
static void plant_set(struct ax_forest *forest)
{
    forest->categories[0] = 1;
    forest->categories[1] = 5;
    forest->sets[0] = (struct ax_forest_set){ 0, 2 };
    forest->set_count = 1;
    forest->category_count = 2;
    for (size_t i = 0; i < forest->node_count; i++)
        forest->nodes[i].feature = forest->nodes[i].feature == 2 ? 1 : forest->nodes[i].feature;
    forest->nodes[7].feature = 2;
    forest->nodes[7].set = 1;
}

/* Number 0: f32; 1: f64 with a set and a bias; 2: oblivious; 3: leaves of two values; 4: deep. */
static struct ax_forest plant(size_t number)
{
    bool is_f64 = number == 1;
    size_t width = number == 3 ? 2 : 1;
    size_t size = number == 4 ? NODES_DEEP : NODES;
    struct ax_forest forest = {
        .feature_count = FEATURES,
        .group_count = width,
        .input_type = is_f64 ? AX_FP64 : AX_FP32,
        .sum_type = is_f64 ? AX_FP64 : AX_FP32,
        .flush_zero = is_f64,
        .trees = ax_xalloc(TREES * sizeof(struct ax_forest_tree)),
        .tree_count = TREES,
        .nodes = ax_xalloc(TREES * size * sizeof(struct ax_forest_node)),
        .node_count = TREES * size,
        .sets = ax_xalloc(sizeof(struct ax_forest_set)),
        .categories = ax_xalloc(2 * sizeof(int32_t)),
        .leaf_width = width,
        .leaf_values = ax_xalloc(8 * sizeof(double)),
        .leaf_count = 4,
        .base = ax_xalloc(width * sizeof(double)),
    };
    for (size_t t = 0; t < TREES; t++) {
        plant_tree(&forest, t, size, number == 2);
        if (width > 1)
            forest.trees[t].group = 0;
    }
    if (is_f64)
        plant_set(&forest);
    return forest;
}

static void make_image(size_t number)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_forest forest = plant(number);
    struct ax_forest_model *model = ax_forest_model_new();
    struct ax_signature *signature = &model->base.signature;
    enum ax_transform probability = number == 0 ? AX_TRANSFORM_SIGMOID : AX_TRANSFORM_IDENTITY;
    enum ax_task task = number == 0 ? AX_TASK_BINARY : AX_TASK_VALUE;
    model->ending = (struct ax_forest_ending){
        .scale = 1, .divisor = 1, .slope = 1, .transform = probability, .probability = probability
    };
    if (number == 1) {
        model->ending.scale = 0.5;
        model->ending.bias = ax_xalloc(sizeof(double));
    }
    const struct ax_str names[] = { AX_STR("a"), AX_STR("b"), AX_STR("c") };
    bool failed =
        ax_forest_plan_init(&model->plan, &forest, &err) ||
        ax_signature_init(signature, FEATURES, ax_forest_output_count(probability, task), &err) ||
        ax_signature_add_dictionary(signature, 2, names, AX_COUNT(names), &err);
    for (size_t i = 0; i < FEATURES && !failed; i++) {
        signature->inputs[i].datatype = forest.input_type;
        failed = ax_signature_name_input(signature, i, names[i], &err) != AX_OK;
    }
    assert(!failed);
    signature->task = task;
    ax_forest_model_complete(model);
    ax_buf_init(&images[number], IMAGE_BYTES);
    failed = ax_forest_images.write(&model->base, &images[number], &err) != AX_OK;
    assert(!failed);
    ax_model_unref(&model->base);
    ax_forest_done(&forest);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < FORESTS; i++)
        make_image(i);
    return 0;
}

/* The payload that the input means: memory of its own, which ends where it does. */
static char *make_payload(const uint8_t *data, size_t size, size_t *ret_len)
{
    bool is_raw = size && data[0] == 0xFF;
    const struct ax_buf *from = &images[size ? data[0] % FORESTS : 0];
    size_t len = is_raw ? size - 1 : from->len;
    const void *bytes = is_raw ? (const void *)(data + 1) : from->ptr;
    char *payload = aligned_alloc(64, (len + 64) & ~(size_t)63);
    memcpy(payload, bytes, len);
    size_t kept = len;
    for (size_t at = 1; !is_raw && at + CHANGE <= size; at += CHANGE) {
        size_t place = data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16;
        if (place == PLACE_CUT)
            kept = len * (data[at + 3] % 65) / 64;
        else
            payload[place % len] = (char)data[at + 3];
    }
    char *exact = aligned_alloc(64, kept ? (kept + 63) & ~(size_t)63 : 64);
    memcpy(exact, payload, kept);
    free(payload);
    *ret_len = kept;
    return exact;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = NULL;
    struct ax_image image = { 0 };
    size_t len;
    char *payload = make_payload(data, size, &len);
    image.payload = (struct ax_str){ payload, len };
    if (!ax_forest_images.read(&image, &model, &err)) {
        struct ax_buf again;
        forest_fuzz_score(model);
        forest_fuzz_score_rows(model, ROWS_MANY);
        ax_buf_init(&again, IMAGE_BYTES * 4);
        if (ax_forest_images.write(model, &again, &err) && err.code != AX_E_TOO_LARGE)
            abort();
        ax_buf_done(&again);
    }
    ax_model_unref(model);
    free(payload);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever an image holds, reading it touches no memory but its own, and what it accepts can
 * be asked by every kernel; what is inconsistent in a way that would matter is refused, and the
 * refusal names it.
 * Method: models of all three libraries from the fixtures; their images with each byte changed in
 * several ways, cut off everywhere, and with chosen fields changed (a table). This file includes
 * the implementation, to find the fields. That unchanged images answer as the model does is
 * tested for all fixtures in test_fixtures.c. Sanitizers make this test what it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/forest_image.c"

#include "forest_data.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>

#define ROWS 70

static const struct {
    const char *file, *name;
} sources[] = {
    { "xgboost-3.4.1", "onehot" },
    { "xgboost-3.4.1", "dictionaries" },
    { "xgboost-3.4.1", "reg:quantileerror" },
    { "xgboost-3.4.1", "vector leaves" },
    { "xgboost-3.4.1", "no trees" },
    { "lightgbm-4.7.0", "dictionaries" },
    { "lightgbm-4.7.0", "regression, rf" },
    { "catboost-1.2.10", "MultiClass, one-hot" },
    { "catboost-1.2.10", "scale and bias" },
};

/* The model `name` of a pack of fixtures. */
static struct ax_model *load_fixture(const char *file, const char *name, struct ax_err *err)
{
    char path[512], head[128];
    const char *folder = getenv("AX_TEST_DATA");
    (void)snprintf(path, sizeof(path), "%s/forest/%s.fixtures", folder ? folder : "tests/data",
                   file);
    (void)snprintf(head, sizeof(head), "fixture %s\nlibrary ", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    static char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    const char *at = memmem(bytes, size, head, strlen(head));
    assert_non_null(at);
    const char *model = (const char *)memmem(at, size - (size_t)(at - bytes), "\nmodel ", 7) + 7;
    size_t len = (size_t)strtoul(model, NULL, 10);
    const char *from =
        (const char *)memmem(model, size - (size_t)(model - bytes), "\nend\n", 5) + 5;
    struct ax_model *ret = NULL;
    (void)(ax_engine_load(&ax_engine_forest, (struct ax_str){ from, len }, NULL, &ret, err) !=
           AX_OK);
    return ret;
}

/* An image whose memory ends where it does. */
struct held {
    char *bytes;
    size_t len;
};

static struct held hold(const struct ax_model *model)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf payload;
    ax_buf_init(&payload, (size_t)1 << 24);
    struct held held = { 0 };
    if (!ax_forest_images.write(model, &payload, &err)) {
        held.len = payload.len;
        held.bytes = aligned_alloc(64, payload.len);
        memcpy(held.bytes, payload.ptr, payload.len);
    } else {
        assert_true(ax_torture_struck());
    }
    ax_buf_done(&payload);
    return held;
}

static struct image_head *head_of(const struct held *held)
{
    return (struct image_head *)(void *)held->bytes;
}

static void *find(const struct held *held, enum section section)
{
    return held->bytes + head_of(held)->sections[section].offset;
}

/* All outputs but the label, of rows of edges, for a batch of each class. */
static void ask(const struct ax_model *model)
{
    static const double edges[] = { (double)NAN, 0, -1, INFINITY, 3, -INFINITY, 0.5, 1, 2, 1e9 };
    const struct ax_signature *signature = &model->signature;
    size_t features = signature->input_count;
    enum ax_datatype type = signature->inputs[0].datatype;
    size_t size = ax_datatype_size(type);
    char *rows = ax_xalloc(ROWS * features * size);
    struct ax_column *columns = ax_xalloc(features * sizeof(*columns));
    for (size_t i = 0; i < ROWS * features; i++) {
        double wide = edges[i * 7 % AX_COUNT(edges)];
        float narrow = (float)wide;
        memcpy(rows + i * size, type == AX_FP64 ? (void *)&wide : (void *)&narrow, size);
    }
    for (size_t i = 0; i < features; i++)
        columns[i] = (struct ax_column){
            .datatype = type, .width = 1, .values = rows + i * size, .stride = features * size
        };
    struct ax_column out[3] = { { 0 } };
    size_t outputs = AX_MIN(signature->output_count, AX_COUNT(out));
    for (size_t i = 0; i < outputs; i++) {
        const struct ax_output *output = &signature->outputs[i];
        size_t stride = output->width * ax_datatype_size(output->datatype);
        out[i] =
            (struct ax_column){ .datatype = output->datatype,
                                .width = output->width,
                                .values =
                                    output->datatype == AX_BYTES ? NULL : ax_xalloc(ROWS * stride),
                                .stride = stride };
    }
    void *scratch = aligned_alloc(64, (ax_model_scratch_size(model, ROWS) + 63) & ~(size_t)63);
    static const size_t batches[] = { 1, 7, 20, ROWS };
    for (size_t b = 0; b < AX_COUNT(batches); b++) {
        struct ax_batch in = { batches[b], features, columns };
        struct ax_batch results = { batches[b], outputs, out };
        struct ax_err err = AX_ERR_INIT;
        assert_int_equal(ax_model_predict(model, &in, &results, scratch, &err), AX_OK);
    }
    for (size_t i = 0; i < outputs; i++)
        free(out[i].values);
    free(scratch);
    free(columns);
    free(rows);
}

/* Read, and ask what comes of it. What was said goes to *err. */
static bool accepts(const char *bytes, size_t len, struct ax_err *err)
{
    struct ax_image image = { .payload = { bytes, len } };
    struct ax_model *model = NULL;
    *err = (struct ax_err)AX_ERR_INIT;
    if (ax_forest_images.read(&image, &model, err)) {
        assert_null(model);
        assert_true(err->code == AX_E_INVALID || err->code == AX_E_LIMIT ||
                    err->code == AX_E_TOO_LARGE);
        return false;
    }
    ask(model);
    ax_model_unref(model);
    return true;
}

/* The image of source number `i`; no bytes when the torture run refused an allocation. */
static struct held hold_source(size_t i)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_model *model = load_fixture(sources[i].file, sources[i].name, &err);
    struct held held = { 0 };
    if (model)
        held = hold(model);
    else
        assert_true(ax_torture_struck());
    ax_model_unref(model);
    return held;
}

static void unchanged_images_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(sources); i++) {
        struct ax_err err;
        struct held held = hold_source(i);
        if (held.bytes && !accepts(held.bytes, held.len, &err)) {
            if (!ax_torture_struck())
                fail_msg("%s: %s", sources[i].name, err.msg);
            assert_int_equal(err.code, AX_E_LIMIT);
        }
        free(held.bytes);
    }
}

static void any_byte_may_be_any(void **state)
{
    (void)state;
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < AX_COUNT(sources) && !forest_is_torture(); i++) {
        struct held held = hold_source(i);
        for (size_t at = 0; at < held.len; at++) {
            char before = held.bytes[at];
            const int values[] = { before ^ 1, before ^ 0x80, 0, 0xFF };
            for (size_t v = 0; v < AX_COUNT(values); v++) {
                struct ax_err err;
                held.bytes[at] = (char)values[v];
                bool is_accepted = accepts(held.bytes, held.len, &err);
                accepted += is_accepted;
                refused += !is_accepted;
            }
            held.bytes[at] = before;
        }
        free(held.bytes);
    }
    /* Values of leaves and thresholds are data; most of the rest is not. */
    assert_true(forest_is_torture() || (accepted > 1000 && refused > 1000));
}

static void what_is_cut_off_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(sources) && !forest_is_torture(); i++) {
        struct held held = hold_source(i);
        const struct image_head *head = head_of(&held);
        uint64_t end = 0;
        for (size_t s = 0; s < SECTION_COUNT; s++)
            end =
                AX_MAX(end, head->sections[s].offset + head->sections[s].count * element_sizes[s]);
        for (size_t len = 0; len < held.len; len += len < 2048 ? 1 : 61) {
            struct ax_err err;
            char *exact = aligned_alloc(64, (len + 64) & ~(size_t)63);
            memcpy(exact, held.bytes, len);
            assert_true(accepts(exact, len, &err) == (len >= end));
            free(exact);
        }
        free(held.bytes);
    }
}

/* ---- chosen fields ---- */

typedef void (*damage_fn)(const struct held *held);

static void other_layout(const struct held *held)
{
    head_of(held)->layout ^= 1;
}

static void section_beyond(const struct held *held)
{
    head_of(held)->sections[SECTION_NODES].offset = held->len;
    head_of(held)->sections[SECTION_NODES].count = 1;
}

static void section_askew(const struct held *held)
{
    head_of(held)->sections[SECTION_NODES].offset += 8;
}

static void section_huge(const struct held *held)
{
    head_of(held)->sections[SECTION_NODES].count = UINT64_MAX / 4;
}

static void datatype_unknown(const struct held *held)
{
    head_of(held)->input_type = AX_BYTES;
}

static void features_fewer(const struct held *held)
{
    head_of(held)->feature_count = 1;
}

static void groups_none(const struct held *held)
{
    head_of(held)->group_count = 0;
}

static void leaves_wider(const struct held *held)
{
    head_of(held)->leaf_width = head_of(held)->group_count + 1;
}

static void numbers_beyond(const struct held *held)
{
    head_of(held)->number_end = head_of(held)->sections[SECTION_SLOTS].count + 1;
}

static void slot_of_no_feature(const struct held *held)
{
    ((struct ax_slot_source *)find(held, SECTION_SLOTS))[1].feature = UINT32_MAX;
}

static void slot_of_no_kind(const struct held *held)
{
    ((struct ax_slot_source *)find(held, SECTION_SLOTS))[1].kind = AX_SLOT_KIND_COUNT;
}

static void rank_without_end(const struct held *held)
{
    ((struct ax_rank_source *)find(held, SECTION_RANKS))->slot_end = UINT32_MAX;
}

static void rank_with_more(const struct held *held)
{
    ((struct ax_rank_source *)find(held, SECTION_RANKS))->threshold_count++;
}

static void thresholds_descend(const struct held *held)
{
    const struct ax_rank_source *rank = find(held, SECTION_RANKS);
    double *thresholds = find(held, SECTION_THRESHOLDS);
    while (rank->threshold_count < 2)
        rank++;
    thresholds[rank->thresholds_from] = INFINITY;
}

static void threshold_of_nan(const struct held *held)
{
    double *thresholds = find(held, SECTION_THRESHOLDS);
    thresholds[0] = (double)NAN;
}

static void tree_of_no_kind(const struct held *held)
{
    ((struct image_tree *)find(held, SECTION_TREES))->is_wide = 2;
}

static void tree_beyond_outputs(const struct held *held)
{
    ((struct image_tree *)find(held, SECTION_TREES))->group = 1 << 20;
}

/* The first split of the narrow nodes. */
static struct ax_node *first_split(const struct held *held)
{
    struct ax_node *nodes = find(held, SECTION_NODES);
    while (nodes->left == 0)
        nodes++;
    return nodes;
}

static void child_backwards(const struct held *held)
{
    first_split(held)->left = -1;
}

static void child_further(const struct held *held)
{
    first_split(held)->left++;
}

static void child_gone(const struct held *held)
{
    first_split(held)->left = 0; /* then its slot is none of a leaf */
}

static void split_reads_leaf_slot(const struct held *held)
{
    first_split(held)->slot = 0;
}

static void split_reads_beyond(const struct held *held)
{
    first_split(held)->slot = UINT16_MAX;
}

static void leaf_reads(const struct held *held)
{
    struct ax_node *nodes = find(held, SECTION_NODES);
    while (nodes->left != 0)
        nodes++;
    nodes->slot = 1;
}

static void leaf_of_no_row(const struct held *held)
{
    struct ax_node *nodes = find(held, SECTION_NODES);
    while (nodes->left != 0)
        nodes++;
    nodes->leaf.row = UINT32_MAX;
}

static void leaf_of_nan(const struct held *held)
{
    struct ax_node *nodes = find(held, SECTION_NODES);
    while (nodes->left != 0)
        nodes++;
    nodes->leaf.value = NAN;
}

static void row_of_nan(const struct held *held)
{
    double *leaves = find(held, SECTION_LEAVES);
    struct ax_node *nodes = find(held, SECTION_NODES);
    while (nodes->left != 0)
        nodes++;
    leaves[nodes->leaf.row * head_of(held)->leaf_width] = (double)NAN;
}

static void node_too_many(const struct held *held)
{
    head_of(held)->sections[SECTION_NODES].count--;
}

static void bound_beyond(const struct held *held)
{
    first_split(held)->bound = UINT32_MAX;
}

static void table_shorter(const struct held *held)
{
    head_of(held)->sections[SECTION_LEAVES].count--;
}

static void base_shorter(const struct held *held)
{
    head_of(held)->sections[SECTION_BASE].count--;
}

static struct ax_wide_node *first_set(const struct held *held)
{
    struct ax_wide_node *nodes = find(held, SECTION_WIDE_NODES);
    while (nodes->left == 0 || nodes->bits == 0)
        nodes++;
    return nodes;
}

static void set_beyond(const struct held *held)
{
    first_set(held)->bits = UINT32_MAX;
}

static void set_at_end(const struct held *held)
{
    /* Its last word would be behind the table. */
    first_set(held)->bits = (uint32_t)head_of(held)->sections[SECTION_BITS].count;
}

static void set_of_a_number(const struct held *held)
{
    first_set(held)->slot = 1;
}

static struct ax_mux_tree *first_program(const struct held *held)
{
    struct ax_mux_tree *programs = find(held, SECTION_PROGRAMS);
    while (programs->form == AX_MUX_WALKED)
        programs++;
    return programs;
}

static void program_of_no_form(const struct held *held)
{
    first_program(held)->form = AX_MUX_OBLIVIOUS + 1;
}

static void program_of_other_output(const struct held *held)
{
    first_program(held)->group++;
}

static void program_elsewhere(const struct held *held)
{
    first_program(held)->code++;
}

static void program_with_more_leaves(const struct held *held)
{
    first_program(held)->leaf_count = AX_MUX_LEAVES_MAX + 1;
}

static void program_with_fewer_leaves(const struct held *held)
{
    first_program(held)->leaf_count = 1;
}

static void program_with_more_joins(const struct held *held)
{
    first_program(held)->joins = UINT16_MAX;
}

static void program_without_results(const struct held *held)
{
    struct ax_mux_tree *program = first_program(held);
    memset(program->tiles, 0, sizeof(program->tiles));
    program->joins = 0;
}

static void code_shorter(const struct held *held)
{
    head_of(held)->sections[SECTION_CODE].count--;
}

static void code_reads_beyond(const struct held *held)
{
    /* The word behind a first tile's leaf is a bound, then comes the column. */
    uint32_t *code = find(held, SECTION_CODE);
    code[2] = UINT32_MAX / 64 * 64;
}

static void splits_fewer(const struct held *held)
{
    head_of(held)->sections[SECTION_SPLITS].count--;
}

static void split_of_no_column(const struct held *held)
{
    uint32_t *splits = find(held, SECTION_SPLITS);
    splits[head_of(held)->sections[SECTION_SPLITS].count - 1] = AX_MUX_COLUMNS_MAX << 8;
}

static void programs_fewer(const struct held *held)
{
    head_of(held)->sections[SECTION_PROGRAMS].count--;
}

static void meta_shorter(const struct held *held)
{
    head_of(held)->sections[SECTION_META].count--;
}

static void format_endless(const struct held *held)
{
    uint64_t len = UINT64_MAX;
    memcpy(find(held, SECTION_META), &len, sizeof(len));
}

/* Source 0 to 8 is damaged so, and that is said. */
static const struct {
    size_t source;
    damage_fn damage;
    const char *says;
} damages[] = {
    { 0, other_layout, "version of the program" },
    { 0, section_beyond, "section 6" },
    { 0, section_askew, "section 6" },
    { 0, section_huge, "section 6" },
    { 0, datatype_unknown, "datatypes" },
    { 0, features_fewer, "slot" },
    { 0, groups_none, "outputs" },
    { 0, leaves_wider, "width of leaves" },
    { 0, numbers_beyond, "slots" },
    { 0, slot_of_no_feature, "slot" },
    { 0, slot_of_no_kind, "slot" },
    { 2, rank_without_end, "rank" },
    { 2, rank_with_more, "rank" },
    { 2, thresholds_descend, "thresholds" },
    { 2, threshold_of_nan, "thresholds" },
    { 2, tree_of_no_kind, "kind of tree 0" },
    { 2, tree_beyond_outputs, "output of tree" },
    { 2, child_backwards, "node" },
    { 2, child_further, "node" },
    { 2, child_gone, "node" },
    { 2, split_reads_leaf_slot, "node" },
    { 2, split_reads_beyond, "node" },
    { 2, leaf_reads, "node" },
    { 2, node_too_many, "node" },
    { 2, base_shorter, "base" },
    { 2, leaf_of_nan, "node" },
    { 3, row_of_nan, "node" },
    { 6, row_of_nan, "node" },
    { 3, leaf_of_no_row, "node" },
    { 3, table_shorter, "table of leaves" },
    { 6, leaf_of_no_row, "node" },
    { 6, bound_beyond, "node" },
    { 6, table_shorter, "table of leaves" },
    { 1, set_beyond, "node" },
    { 1, set_at_end, "node" },
    { 1, set_of_a_number, "node" },
    { 2, program_of_no_form, "program" },
    { 2, program_of_other_output, "program" },
    { 2, program_elsewhere, "program" },
    { 2, program_with_more_leaves, "program" },
    { 2, program_with_fewer_leaves, "program" },
    { 2, program_with_more_joins, "program" },
    { 2, program_without_results, "program" },
    { 2, code_shorter, "program" },
    { 2, code_reads_beyond, "program" },
    { 2, programs_fewer, "programs" },
    { 2, splits_fewer, "splits" },
    { 2, split_of_no_column, "split that reads column 4096" },
    { 5, split_of_no_column, "split that reads column 4096" },
    { 6, split_of_no_column, "split that reads column 4096" },
    { 8, code_reads_beyond, "program" },
    { 5, meta_shorter, "meta section" },
    { 5, format_endless, "meta section" },
    { 7, meta_shorter, "meta section" },
};

static void damage_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(damages) && !forest_is_torture(); i++) {
        struct ax_err err;
        struct held held = hold_source(damages[i].source);
        damages[i].damage(&held);
        if (accepts(held.bytes, held.len, &err))
            fail_msg("damage %zu is accepted", i);
        if (err.code != AX_E_INVALID || !strstr(err.msg, damages[i].says))
            fail_msg("damage %zu: %s, '%s'", i, ax_code_name(err.code), err.msg);
        free(held.bytes);
    }
}

static void options_are_told_apart(void **state)
{
    (void)state;
    struct ax_buf out;
    struct ax_forest_config config = { .iterations = (char[]){ "best" } };
    ax_buf_init(&out, 64);
    ax_forest_images.key(NULL, &out);
    assert_true(ax_str_is(ax_buf_str(&out), "all"));
    ax_buf_reset(&out);
    ax_forest_images.key(&config, &out);
    assert_true(ax_str_is(ax_buf_str(&out), "best"));
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unchanged_images_are_read),  cmocka_unit_test(any_byte_may_be_any),
        cmocka_unit_test(what_is_cut_off_is_refused), cmocka_unit_test(damage_is_named),
        cmocka_unit_test(options_are_told_apart),
    };
    return cmocka_run_group_tests_name("engine/forest/forest_image", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the values that Feast's client writes, into a view that has every type: whole and in slices
 * they must become the same items, byte by byte, or the same failure; and each part is one of the
 * view's layout.
 */
#include "server/api/feast_values.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)1 << 20)
#define NOW       INT64_C(1700000000000000)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "auspex: 1\n"
    "entities: {e: {keys: {k: string, n: int32}}}\n"
    "sources:\n"
    "  s:\n"
    "    files: s.csv\n"
    "    time: t\n"
    "    created: c\n"
    "    columns: {k: string, n: int32, t: timestamp, c: timestamp, b: bool, i: int32, f: "
    "float32,\n"
    "              d: float64, s: string, y: bytes, l: list<float64>, m: list<string>}\n"
    "views:\n"
    "  v: {entity: e, source: s, fields: {b: b, i: {expr: i, type: int32}, f: {expr: f, type: "
    "float32},\n"
    "      d: d, s: s, y: y, w: t, e: t - t, l: l, m: m}}\n";

static struct ax_definitions definitions;
static struct ax_online_layout layout;
static struct ax_arena layouts;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = AX_STR(text) };
    struct ax_err err = AX_ERR_INIT;
    (void)argc;
    (void)argv;
    ax_arena_init(&layouts, 1024, ARENA_MAX);
    if (ax_definitions_read_texts("features", &file, 1, &definitions, &err) ||
        ax_online_layout_of_view(&layout, 1, &definitions.views[0], &layouts, &err))
        abort();
    return 0;
}

struct reading {
    struct ax_arena request, own;
    struct ax_feast_values values;
    struct ax_err err;
};

static void read_body(struct reading *reading, struct ax_str body, size_t budget)
{
    struct ax_feast_values *values = &reading->values;
    struct ax_err *err = &reading->err;
    bool done = false;
    size_t cost = 0;
    *reading = (struct reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->request, 1024, ARENA_MAX);
    ax_arena_init(&reading->own, 1024, ARENA_MAX);
    ax_feast_values_init(values, body, &reading->request);
    while (!done && !ax_row_body_read(&values->body.rows, budget, &cost, &done, err))
        continue;
    if (!err->code &&
        !ax_feast_values_begin(values, &definitions.views[0], &layout, NOW, &reading->own, err))
        for (done = false; !done && !ax_feast_values_step(values, budget, &cost, &done, err);)
            continue;
    if (err->code && err->code != AX_E_INVALID && err->code != AX_E_TOO_LARGE &&
        err->code != AX_E_LIMIT)
        abort();
}

static void check_same(const struct reading *a, const struct reading *b)
{
    if (a->err.code || b->err.code) {
        if (a->err.code != b->err.code || strcmp(a->err.msg, b->err.msg) != 0)
            abort();
        return;
    }
    if (a->values.row_count != b->values.row_count)
        abort();
    for (size_t i = 0; i < a->values.row_count; i++) {
        const struct ax_online_item *left = &a->values.items[i], *right = &b->values.items[i];
        struct ax_err err = AX_ERR_INIT;
        if (!ax_str_equals(left->key, right->key) || left->bytes != right->bytes ||
            memcmp(left->part, right->part, left->bytes) != 0 || !left->given != !right->given ||
            ax_online_part_check(&layout, left->part, left->bytes, &err))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading whole, sliced;
    if (size == 0)
        return 0;
    char *copy = calloc(1, size - 1 + 16);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    read_body(&whole, (struct ax_str){ copy, size - 1 }, SIZE_MAX);
    read_body(&sliced, (struct ax_str){ copy, size - 1 }, 1 + (size_t)data[0]);
    check_same(&whole, &sliced);
    ax_arena_done(&whole.request);
    ax_arena_done(&whole.own);
    ax_arena_done(&sliced.request);
    ax_arena_done(&sliced.own);
    free(copy);
    return 0;
}

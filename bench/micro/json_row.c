/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON costs: bodies of the Open Inference Protocol to columns, and numbers to text.
 *
 *   json_row [FEATURES]
 *
 * The reader is the server's own, fed as the server feeds it; a library's tree stands beside it,
 * and libc's printing beside ours. What was read is compared as bits with what was written before
 * time is taken. Numbers are f32, printed as clients of ours print them (the shortest text that is
 * that f32) and as Python prints them (the f64 that is that f32, up to 17 digits). Bodies rotate
 * over 256 different ones. turns.h tells how time is taken.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "base/random.h"
#include "server/api/oip_infer.h"
#include "program.h"
#include "turns.h"

#include <stdio.h>
#include <stdlib.h>

#define BODIES         256
#define FEATURES_MAX   1024
#define ROWS_MAX       64
#define BODY_BYTES_MAX ((size_t)1 << 24)

/* Bodies of `rows` rows each. */
struct bodies {
    size_t rows;
    size_t features;
    struct ax_buf json[BODIES];
    float *values[BODIES];
};

static struct ax_signature signature;
static struct ax_arena arena; /* of one request */
static struct ax_buf printed;

/* ---- bodies ---- */

static void make_body(struct bodies *bodies, size_t number, bool is_wide, struct ax_random *random)
{
    struct ax_buf *json = &bodies->json[number];
    size_t count = bodies->rows * bodies->features;
    float *values = bodies->values[number] = ax_xalloc(count * sizeof(*values));
    ax_buf_init(json, BODY_BYTES_MAX);
    (void)ax_buf_printf(json,
                        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":"
                        "[%zu,%zu],\"data\":[",
                        bodies->rows, bodies->features);
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)ax_random_normal(random);
        if (i > 0)
            (void)ax_buf_append_char(json, ',');
        if (is_wide)
            ax_json_put_f64(json, (double)values[i]);
        else
            ax_json_put_f32(json, values[i]);
    }
    (void)ax_buf_append_str(json, AX_STR("]}]}"));
    (void)ax_buf_append(json, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    json->len -= 16; /* a server's body has that behind it */
}

static struct bodies *make_bodies(size_t rows, size_t features, bool is_wide)
{
    struct bodies *bodies = ax_xalloc(sizeof(*bodies));
    struct ax_random random;
    ax_random_init(&random, 7, 0);
    bodies->rows = rows;
    bodies->features = features;
    for (size_t i = 0; i < BODIES; i++)
        make_body(bodies, i, is_wide, &random);
    return bodies;
}

static void make_signature(size_t features)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_signature_init(&signature, features, 2, &err))
        die(err.msg);
    for (size_t i = 0; i < features; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "f%zu", i);
        if (ax_signature_name_input(&signature, i, ax_str_from(name), &err))
            die(err.msg);
    }
    signature.outputs[0] = (struct ax_output){ AX_STR("prediction"), AX_FP32, 1, true };
    signature.outputs[1] = (struct ax_output){ AX_STR("margin"), AX_FP32, 1, false };
}

/* ---- the parts ---- */

/* A body to columns, as the server does. The rows are in the arena. */
static const struct ax_rows *read_body(const struct bodies *bodies, size_t body)
{
    static struct ax_infer infer;
    struct ax_err err = AX_ERR_INIT;
    const struct ax_infer_body parts = { .json = ax_buf_str(&bodies->json[body]),
                                         .model = AX_STR("m") };
    bool done = false;
    ax_arena_reset(&arena);
    if (ax_infer_begin(&infer, &signature, &signature, &arena, &parts, &err))
        die(err.msg);
    while (!done) {
        if (ax_infer_read(&infer, SIZE_MAX, &done, &err))
            die(err.msg);
    }
    return &infer.rows;
}

static void parse_json(const void *context, size_t body)
{
    const struct bodies *bodies = context;
    if (read_body(bodies, body)->count != bodies->rows)
        die("rows are missing");
}

/* The same by a library's tree: parsed, found, narrowed. */
static void read_tree(const struct bodies *bodies, size_t body, float *values)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc;
    if (ax_json_parse(ax_buf_str(&bodies->json[body]), &doc, &err))
        die(err.msg);
    struct ax_json_iter inputs = ax_json_iterate(ax_json_get(ax_json_root(doc), "inputs"));
    struct ax_json_iter data = ax_json_iterate(ax_json_get(ax_json_next(&inputs), "data"));
    const struct ax_json *value;
    for (size_t i = 0; (value = ax_json_next(&data)); i++) {
        double wide;
        if (!ax_json_to_f64(value, &wide))
            die("no number");
        values[i] = (float)wide;
    }
    ax_json_free(doc);
}

static void parse_tree(const void *context, size_t body)
{
    const struct bodies *bodies = context;
    static float values[ROWS_MAX * FEATURES_MAX];
    read_tree(bodies, body, values);
}

static void print_numbers(const void *context, size_t body)
{
    const struct bodies *bodies = context;
    ax_buf_reset(&printed);
    for (size_t i = 0; i < bodies->rows * bodies->features; i++)
        ax_json_put_f32(&printed, bodies->values[body][i]);
}

static void print_by_libc(const void *context, size_t body)
{
    const struct bodies *bodies = context;
    static char text[32];
    for (size_t i = 0; i < bodies->rows * bodies->features; i++)
        (void)snprintf(text, sizeof(text), "%.9g", (double)bodies->values[body][i]);
}

/* ---- all of it ---- */

static void check_parity(const struct bodies *bodies)
{
    static float values[ROWS_MAX * FEATURES_MAX];
    size_t size = bodies->rows * bodies->features * sizeof(float);
    for (size_t i = 0; i < BODIES; i++) {
        read_tree(bodies, i, values);
        if (memcmp(read_body(bodies, i)->block, bodies->values[i], size) != 0 ||
            memcmp(values, bodies->values[i], size) != 0)
            die("the numbers that were read are not those that were written");
    }
}

int main(int argc, char **argv)
{
    uint64_t features = 50;
    if (argc > 2 || (argc == 2 && (!ax_str_to_u64(ax_str_from(argv[1]), &features) ||
                                   features < 1 || features > FEATURES_MAX)))
        die("json_row [FEATURES, 1 to 1024]");
    make_signature((size_t)features);
    ax_arena_init(&arena, 1 << 16, BODY_BYTES_MAX);
    ax_buf_init(&printed, BODY_BYTES_MAX);
    const struct bodies *one = make_bodies(1, (size_t)features, false);
    const struct bodies *wide = make_bodies(1, (size_t)features, true);
    const struct bodies *many = make_bodies(ROWS_MAX, (size_t)features, false);
    check_parity(one);
    check_parity(wide);
    check_parity(many);
    printf("%llu numbers a row; parity: all equal as bits\n", (unsigned long long)features);
    size_t count = (size_t)features;
    struct turns_part parts[] = {
        { .name = "JSON to columns, one row", .run = parse_json, .context = one },
        { .name = "  numbers as Python prints them", .run = parse_json, .context = wide },
        { .name = "  64 rows, of that a row", .run = parse_json, .context = many, .per = ROWS_MAX },
        { .name = "JSON to a tree, then to numbers (yyjson), one row",
          .run = parse_tree,
          .context = one },
        { .name = "f32 to JSON, a number", .run = print_numbers, .context = one, .per = count },
        { .name = "f32 by snprintf(\"%.9g\"), a number",
          .run = print_by_libc,
          .context = one,
          .per = count },
    };
    for (size_t i = 0; i < AX_COUNT(parts); i++)
        parts[i].numbers = BODIES;
    turns_take(parts, AX_COUNT(parts));
    return 0;
}

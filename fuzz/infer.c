/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of infer bodies, with and without blobs, over two fixed signatures, whole and in
 * slices: both must end in the same rows or in the same failure, and only in failures that a client
 * may be told.
 */
#include "server/api/oip_infer.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All FP32, which is the fast path; and one of each kind. */
static struct ax_signature numbers;
static struct ax_signature mixed;

static void make_signature(struct ax_signature *signature, const char *const *names,
                           const enum ax_datatype *datatypes, size_t count)
{
    struct ax_err err = AX_ERR_INIT;
    if (ax_signature_init(signature, count, 2, &err))
        abort();
    for (size_t i = 0; i < count; i++) {
        signature->inputs[i].datatype = datatypes[i];
        if (ax_signature_name_input(signature, i, ax_str_from(names[i]), &err))
            abort();
    }
    signature->outputs[0] = (struct ax_output){ AX_STR("prediction"), AX_FP32, 1, true };
    signature->outputs[1] = (struct ax_output){ AX_STR("margin"), AX_FP32, 1, false };
    signature->rows_max = 1000;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const number_names[] = { "a", "b", "c" };
    static const enum ax_datatype number_types[] = { AX_FP32, AX_FP32, AX_FP32 };
    static const char *const mixed_names[] = {
        "carrier", "stops", "night", "note", "far", "input"
    };
    static const enum ax_datatype mixed_types[] = { AX_FP32,  AX_INT16, AX_BOOL,
                                                    AX_BYTES, AX_FP64,  AX_UINT64 };
    const struct ax_str carriers[] = { AX_STR("AA"), AX_STR("UA") };
    struct ax_err err = AX_ERR_INIT;
    (void)argc;
    (void)argv;
    make_signature(&numbers, number_names, number_types, AX_COUNT(number_types));
    make_signature(&mixed, mixed_names, mixed_types, AX_COUNT(mixed_types));
    if (ax_signature_add_dictionary(&mixed, 0, carriers, 2, &err))
        abort();
    mixed.inputs[1].has_default = true;
    mixed.inputs[4].required = true;
    return 0;
}

struct reading {
    struct ax_arena arena;
    struct ax_infer infer;
    struct ax_err err;
};

static void read_body(struct reading *reading, const struct ax_signature *signature,
                      const struct ax_infer_body *body, size_t budget)
{
    bool done = false;
    *reading = (struct reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->arena, 1024, (size_t)1 << 20);
    if (ax_infer_begin(&reading->infer, signature, &reading->arena, body, &reading->err))
        return;
    while (!done && !ax_infer_read(&reading->infer, budget, &done, &reading->err))
        continue;
    enum ax_code code = reading->err.code;
    if (code && code != AX_E_INVALID && code != AX_E_UNSUPPORTED && code != AX_E_TOO_LARGE)
        abort();
}

static bool are_same_columns(const struct ax_rows *a, const struct ax_rows *b)
{
    for (size_t i = 0; i < a->signature->input_count; i++) {
        /* Texts with escapes are copies, each reading has its own. */
        size_t size =
            a->columns[i].datatype == AX_BYTES ? 0 : ax_datatype_size(a->columns[i].datatype);
        for (size_t row = 0; row < a->count; row++) {
            bool valid = ax_column_is_valid(&a->columns[i], row);
            if (valid != ax_column_is_valid(&b->columns[i], row))
                return false;
            if (valid &&
                memcmp(ax_column_at(&a->columns[i], row), ax_column_at(&b->columns[i], row), size))
                return false;
        }
    }
    return true;
}

static bool are_same(const struct reading *a, const struct reading *b)
{
    if (a->err.code || b->err.code)
        return a->err.code == b->err.code && strcmp(a->err.msg, b->err.msg) == 0;
    return a->infer.rows.count == b->infer.rows.count &&
           a->infer.output_count == b->infer.output_count &&
           ax_str_equals(a->infer.id, b->infer.id) &&
           are_same_columns(&a->infer.rows, &b->infer.rows);
}

/* The first byte chooses the signature and the size of a slice; when its top bit is set, two more
 * are where blobs begin behind the JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool has_blobs = size > 0 && data[0] & 0x80;
    size_t head = has_blobs ? 3 : 1;
    if (size < head)
        return 0;
    const struct ax_signature *signature = data[0] & 1 ? &mixed : &numbers;
    size_t budget = 1 + (data[0] & 0x7f) / 2;
    size_t len = size - head;
    size_t json = has_blobs ? AX_MIN(data[1] + 256u * data[2], len) : len;
    char *copy = calloc(1, len + 16);
    if (!copy)
        abort();
    memcpy(copy, data + head, len);
    const struct ax_infer_body body = { .json = { copy, json },
                                        .blobs = { copy + json, len - json },
                                        .is_raw = has_blobs && json == 0,
                                        .model = AX_STR("m") };
    struct reading whole;
    struct reading sliced;
    read_body(&whole, signature, &body, SIZE_MAX);
    read_body(&sliced, signature, &body, budget);
    if (!are_same(&whole, &sliced))
        abort();
    ax_arena_done(&whole.arena);
    ax_arena_done(&sliced.arena);
    free(copy);
    return 0;
}

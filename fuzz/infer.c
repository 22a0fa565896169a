/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of infer bodies, with and without blobs, over two fixed signatures, whole and in
 * slices: both must end in the same rows or in the same failure, and only in failures that a client
 * may be told. Who looks for the timeout alone finds that of a whole body, or none.
 */
#include "server/api/oip_infer.h"
#include "server/api/oip_parameters.h"

#include "fuzz_signatures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    if (ax_infer_begin(&reading->infer, signature, signature, &reading->arena, body, &reading->err))
        return;
    while (!done && !ax_infer_read(&reading->infer, budget, &done, &reading->err))
        continue;
    enum ax_code code = reading->err.code;
    if (code && code != AX_E_INVALID && code != AX_E_UNSUPPORTED && code != AX_E_TOO_LARGE)
        abort();
}

static bool are_same(const struct reading *a, const struct reading *b)
{
    if (a->err.code || b->err.code)
        return fuzz_same_failure(&a->err, &b->err);
    return a->infer.output_count == b->infer.output_count &&
           ax_str_equals(a->infer.id, b->infer.id) &&
           fuzz_same_rows(&a->infer.rows, &b->infer.rows);
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
    uint64_t peeked_us = ax_oip_parameters_peek_timeout(body.json, SIZE_MAX);
    if (!whole.err.code && peeked_us && peeked_us != whole.infer.parameters.timeout_us)
        abort();
    (void)ax_oip_parameters_peek_timeout(body.json, budget);
    ax_arena_done(&whole.arena);
    ax_arena_done(&sliced.arena);
    free(copy);
    return 0;
}

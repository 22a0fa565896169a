/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of a model's metadata, from which `auspex bench` makes its requests.
 *
 * The first byte chooses the rows, the second the seed; the rest is what the server says. Whatever
 * is accepted is made into a request of each format, which must be valid JSON, and in binary of the
 * length that its own JSON tells.
 */
#include "base/json.h"
#include "cmd/bench_model.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_BYTES_MAX ((size_t)1 << 20)

static uint64_t told_bytes(const struct ax_json *root)
{
    uint64_t sum = 0;
    struct ax_json_iter it = ax_json_iterate(ax_json_get(root, "inputs"));
    for (const struct ax_json *input; (input = ax_json_next(&it));) {
        uint64_t bytes = 0;
        bool there = ax_json_to_u64(
            ax_json_get(ax_json_get(input, "parameters"), "binary_data_size"), &bytes);
        assert(there);
        sum += bytes;
    }
    return sum;
}

static void make(const struct ax_bench_model *model, size_t rows, enum ax_bench_format format,
                 uint64_t seed)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_random random;
    struct ax_buf out;
    struct ax_json_doc *doc = NULL;
    if (ax_bench_model_check(model, rows, format, &err))
        return;
    ax_random_init(&random, seed, 0);
    ax_buf_init(&out, BODY_BYTES_MAX);
    size_t json_len = ax_bench_model_print(model, rows, format, &random, &out);
    if (out.failed == AX_OK) {
        assert(json_len <= out.len);
        bool valid = ax_json_parse((struct ax_str){ out.ptr, json_len }, &doc, &err) == AX_OK;
        assert(valid);
        if (format == AX_BENCH_BINARY)
            assert(told_bytes(ax_json_root(doc)) == out.len - json_len);
        ax_json_free(doc);
    }
    ax_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct ax_err err = AX_ERR_INIT;
    struct ax_bench_model *model = NULL;
    struct ax_str metadata = { (const char *)data + 2, size - 2 };
    if (ax_bench_model_parse(metadata, &model, &err))
        return 0;
    size_t rows = 1 + data[0];
    /* Texts have no values of their own. */
    make(model, rows, AX_BENCH_JSON, data[1]);
    struct ax_err refused = AX_ERR_INIT;
    (void)ax_bench_model_set_values(model, AX_STR("x=A,-1,\"\\"), &refused);
    make(model, rows, AX_BENCH_JSON, data[1]);
    make(model, rows, AX_BENCH_BINARY, data[1]);
    ax_bench_model_free(model);
    return 0;
}

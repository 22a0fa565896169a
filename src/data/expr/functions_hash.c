/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of hashes: MurmurHash3_x86_32, as Feast and Python's mmh3 compute it, and shares by it.
 *
 * A bucket hashes salt, '.' and key together. Who hashes the key alone and adds the salt later has
 * the same people together in every experiment.
 */
#include "base/hash.h"
#include "data/expr/function.h"

#include <stdio.h>

static enum ax_code run_murmur3(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        int64_t seed = call->arg_count > 1 ? call->args[1]->i64s[row] : 0;
        if (seed < 0 || seed > UINT32_MAX)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = (int32_t)ax_murmur3(call->args[0]->texts[row], (uint32_t)seed);
    }
    return AX_OK;
}

/* Of salt.key, when that is short enough. */
static bool bucket(struct ax_str salt, struct ax_str key, int64_t count, int64_t *ret)
{
    char text[1024];
    if (count < 1 || salt.len + 1 + key.len > sizeof(text))
        return false;
    if (salt.len)
        memcpy(text, salt.ptr, salt.len);
    text[salt.len] = '.';
    if (key.len)
        memcpy(text + salt.len + 1, key.ptr, key.len);
    *ret = ax_murmur3((struct ax_str){ text, salt.len + 1 + key.len }, 0) % count;
    return true;
}

static enum ax_code run_bucket(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        if (!bucket(call->args[1]->texts[row], call->args[0]->texts[row], call->args[2]->i64s[row],
                    &call->out->i64s[row]))
            ax_values_set_null(call->out, row);
    return AX_OK;
}

static enum ax_code run_bucket_i64(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        char key[24];
        int len = snprintf(key, sizeof(key), "%lld", (long long)call->args[0]->i64s[row]);
        if (!bucket(call->args[1]->texts[row], (struct ax_str){ key, (size_t)len },
                    call->args[2]->i64s[row], &call->out->i64s[row]))
            ax_values_set_null(call->out, row);
    }
    return AX_OK;
}

const struct ax_function ax_functions_hash[] = {
    { .name = "murmur3",
      .params = { AX_PARAM_STRING },
      .param_count = 1,
      .result = AX_PARAM_INT64,
      .run = run_murmur3,
      .about = "MurmurHash3 (x86, 32 bits, seed 0) of a text's bytes, as a number with a sign, as "
               "Python's mmh3.hash gives it.",
      .examples = { { "murmur3('foo')", "-156908512" }, { "murmur3('')", "0" } } },
    { .name = "murmur3",
      .params = { AX_PARAM_STRING, AX_PARAM_INT64 },
      .param_count = 2,
      .result = AX_PARAM_INT64,
      .run = run_murmur3,
      .about = "The same with a seed from 0 to 4294967295.",
      .examples = { { "murmur3('foo', 42)", "-1322301282" } } },
    { .name = "bucket",
      .params = { AX_PARAM_STRING, AX_PARAM_STRING, AX_PARAM_INT64 },
      .param_count = 3,
      .result = AX_PARAM_INT64,
      .run = run_bucket,
      .about = "A share from 0 to n - 1 that a key falls into: murmur3 of salt, '.' and key, as an "
               "unsigned number of 32 bits, modulo n; null when the two have over 1,023 bytes.",
      .examples = { { "bucket('1', 'exp-01', 10000)", "1038" },
                    { "bucket('42', 'exp-02', 10000)", "7393" },
                    { "bucket('b', 'e', 1000)", "709" } } },
    { .name = "bucket",
      .params = { AX_PARAM_INT64, AX_PARAM_STRING, AX_PARAM_INT64 },
      .param_count = 3,
      .result = AX_PARAM_INT64,
      .run = run_bucket_i64,
      .about = "The same for a key that is a number: as its decimal text.",
      .examples = { { "bucket(42, 'exp-01', 10000)", "8334" } } },
    { 0 },
};

const size_t ax_functions_hash_count = AX_COUNT(ax_functions_hash) - 1;

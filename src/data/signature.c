/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signature is arrays and texts in one arena, plus a map a set of names. The maps hold pointers
 * into the arrays, so an index is a difference of pointers and nothing is stored twice.
 *
 * Nearest names are looked for among the first NEAREST_NAMES_MAX only: the answer to a typing
 * error must not cost more than the prediction would have.
 */
#include "data/signature.h"

#include "base/json_number.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES 4096
#define ARENA_BYTES_MAX   ((size_t)1 << 28)
#define NEAREST_NAMES_MAX ((size_t)1024)

enum ax_code ax_signature_init(struct ax_signature *signature, size_t input_count,
                               size_t output_count, struct ax_err *err)
{
    assert(signature && err);
    if (input_count > AX_SIGNATURE_INPUTS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu inputs; at most %zu are allowed", input_count,
                       AX_SIGNATURE_INPUTS_MAX);
    struct ax_signature fresh = { .input_count = input_count,
                                  .output_count = output_count,
                                  .rows_max = AX_SIGNATURE_ROWS_MAX };
    ax_arena_init(&fresh.arena, ARENA_FIRST_BYTES, ARENA_BYTES_MAX);
    ax_map_init(&fresh.input_indexes);
    fresh.inputs = ax_arena_zalloc(&fresh.arena, input_count, sizeof(*fresh.inputs));
    fresh.outputs = ax_arena_zalloc(&fresh.arena, output_count, sizeof(*fresh.outputs));
    if (!fresh.inputs || !fresh.outputs) {
        enum ax_code code = ax_arena_fail(&fresh.arena, "the signature", err);
        ax_signature_done(&fresh);
        return code;
    }
    for (size_t i = 0; i < input_count; i++)
        fresh.inputs[i].datatype = AX_FP32;
    *signature = fresh;
    return AX_OK;
}

void ax_signature_done(struct ax_signature *signature)
{
    if (!signature)
        return;
    for (size_t i = 0; signature->inputs && i < signature->input_count; i++)
        if (signature->inputs[i].categories)
            ax_map_done(&signature->inputs[i].categories->indexes);
    ax_map_done(&signature->input_indexes);
    ax_arena_done(&signature->arena);
    *signature = (struct ax_signature){ 0 };
}

size_t ax_signature_bytes(const struct ax_signature *signature)
{
    assert(signature);
    size_t bytes = ax_arena_bytes(&signature->arena) + ax_map_bytes(&signature->input_indexes);
    for (size_t i = 0; i < signature->input_count; i++)
        if (signature->inputs[i].categories)
            bytes += ax_map_bytes(&signature->inputs[i].categories->indexes);
    return bytes;
}

static bool has_control_character(struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

enum ax_code ax_signature_name_input(struct ax_signature *signature, size_t index,
                                     struct ax_str name, struct ax_err *err)
{
    assert(signature && err && index < signature->input_count && (name.ptr || !name.len));
    struct ax_input *input = &signature->inputs[index];
    if (!name.len)
        return ax_fail(err, AX_E_INVALID, "the name of input %zu is empty", index);
    if (name.len > AX_SIGNATURE_NAME_BYTES_MAX)
        return ax_fail(err, AX_E_INVALID, "the name of input %zu is longer than %d bytes", index,
                       AX_SIGNATURE_NAME_BYTES_MAX);
    if (!ax_str_is_utf8(name) || has_control_character(name))
        return ax_fail(err, AX_E_INVALID,
                       "the name of input %zu is not UTF-8 or holds a control character", index);
    const struct ax_input *taken = ax_map_get(&signature->input_indexes, name);
    if (taken == input)
        return AX_OK;
    if (taken)
        return ax_fail(err, AX_E_INVALID, "inputs %zu and %zu are both called '%.*s'",
                       ax_signature_index(signature, taken), index, AX_STR_ARG(name));
    char *copy = ax_arena_strdup(&signature->arena, name);
    if (!copy)
        return ax_arena_fail(&signature->arena, "the signature", err);
    if (input->name.len)
        (void)ax_map_remove(&signature->input_indexes, input->name);
    input->name = (struct ax_str){ copy, name.len };
    (void)ax_map_put(&signature->input_indexes, input->name, input);
    return AX_OK;
}

void ax_signature_clear_names(struct ax_signature *signature)
{
    assert(signature);
    ax_map_done(&signature->input_indexes);
    ax_map_init(&signature->input_indexes);
    for (size_t i = 0; i < signature->input_count; i++)
        signature->inputs[i].name = (struct ax_str){ 0 };
}

/* Leading zeros are those of postcodes. */
static bool is_number(struct ax_str name)
{
    const char *at = name.ptr;
    const char *end = at + name.len;
    double value;
    at += at < end && *at == '-';
    while (end - at > 1 && at[0] == '0' && at[1] >= '0' && at[1] <= '9')
        at++;
    return at < end && ax_json_number_read(at, end, &value) == end;
}

enum ax_code ax_signature_add_dictionary(struct ax_signature *signature, size_t index,
                                         const struct ax_str *names, size_t count,
                                         struct ax_err *err)
{
    assert(signature && err && index < signature->input_count && (names || !count));
    struct ax_input *input = &signature->inputs[index];
    assert(!input->categories);
    struct ax_dictionary *dictionary = ax_arena_zalloc(&signature->arena, 1, sizeof(*dictionary));
    struct ax_str *copies = ax_arena_alloc(&signature->arena, count, sizeof(*copies));
    if (!dictionary || !copies)
        return ax_arena_fail(&signature->arena, "the categories", err);
    ax_map_init(&dictionary->indexes);
    dictionary->has_numbers = count > 0;
    for (size_t i = 0; i < count; i++) {
        char *copy = ax_arena_strdup(&signature->arena, names[i]);
        if (!copy) {
            ax_map_done(&dictionary->indexes);
            return ax_arena_fail(&signature->arena, "the categories", err);
        }
        copies[i] = (struct ax_str){ copy, names[i].len };
        if (ax_map_get(&dictionary->indexes, copies[i])) {
            ax_map_done(&dictionary->indexes);
            return ax_fail(err, AX_E_INVALID, "category '%.*s' is listed twice",
                           AX_STR_ARG(copies[i]));
        }
        (void)ax_map_put(&dictionary->indexes, copies[i], &copies[i]);
        dictionary->has_numbers = dictionary->has_numbers && is_number(copies[i]);
    }
    dictionary->names = copies;
    dictionary->count = count;
    input->categories = dictionary;
    return AX_OK;
}

static int compare_hashes(const void *a, const void *b)
{
    const struct ax_hashed_category *one = a;
    const struct ax_hashed_category *other = b;
    return one->hash < other->hash ? -1 : one->hash > other->hash;
}

enum ax_code ax_signature_add_hashes(struct ax_signature *signature, size_t index,
                                     ax_category_hash_fn hash, const uint32_t *hashes, size_t count,
                                     struct ax_err *err)
{
    assert(signature && err && index < signature->input_count && hash && (hashes || !count));
    struct ax_input *input = &signature->inputs[index];
    assert(!input->categories && count < UINT32_MAX);
    struct ax_dictionary *dictionary = ax_arena_zalloc(&signature->arena, 1, sizeof(*dictionary));
    struct ax_hashed_category *sorted = ax_arena_alloc(&signature->arena, count, sizeof(*sorted));
    if (!dictionary || !sorted)
        return ax_arena_fail(&signature->arena, "the categories", err);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct ax_hashed_category){ hashes[i], (uint32_t)i };
    qsort(sorted, count, sizeof(*sorted), compare_hashes);
    for (size_t i = 1; i < count; i++)
        if (sorted[i].hash == sorted[i - 1].hash)
            return ax_fail(err, AX_E_INVALID, "the category with hash %u is listed twice",
                           sorted[i].hash);
    ax_map_init(&dictionary->indexes);
    dictionary->hash = hash;
    dictionary->hashes = sorted;
    dictionary->count = count;
    input->categories = dictionary;
    return AX_OK;
}

const struct ax_input *ax_signature_input(const struct ax_signature *signature, struct ax_str name)
{
    assert(signature);
    return ax_map_get(&signature->input_indexes, name);
}

const struct ax_output *ax_signature_output(const struct ax_signature *signature,
                                            struct ax_str name)
{
    assert(signature);
    for (size_t i = 0; i < signature->output_count; i++)
        if (ax_str_equals(signature->outputs[i].name, name))
            return &signature->outputs[i];
    return NULL;
}

enum ax_datatype ax_input_wire_datatype(const struct ax_input *input)
{
    assert(input);
    return input->categories ? AX_BYTES : input->datatype;
}

bool ax_signature_is_uniform(const struct ax_signature *signature)
{
    assert(signature);
    for (size_t i = 0; i < signature->input_count; i++) {
        enum ax_datatype datatype = ax_input_wire_datatype(&signature->inputs[i]);
        if (datatype == AX_BYTES || datatype != signature->inputs[0].datatype)
            return false;
    }
    return true;
}

void ax_signature_find_quantiles(const struct ax_signature *signature, size_t *ret_low,
                                 size_t *ret_high, size_t *ret_middle)
{
    assert(signature && signature->quantile_count && ret_low && ret_high && ret_middle);
    const double *quantiles = signature->quantiles;
    size_t low = 0;
    size_t high = 0;
    size_t middle = 0;
    for (size_t i = 1; i < signature->quantile_count; i++) {
        low = quantiles[i] < quantiles[low] ? i : low;
        high = quantiles[i] > quantiles[high] ? i : high;
        middle = fabs(quantiles[i] - 0.5) < fabs(quantiles[middle] - 0.5) ? i : middle;
    }
    *ret_low = low;
    *ret_high = high;
    *ret_middle = middle;
}

enum ax_code ax_signature_unknown_input(const struct ax_signature *signature, struct ax_str name,
                                        struct ax_err *err)
{
    assert(signature && err);
    /* The best so far stands first, so that it wins ties and carries its distance along. */
    struct ax_str pair[2] = { { NULL, 0 }, { NULL, 0 } };
    for (size_t i = 0; i < AX_MIN(signature->input_count, NEAREST_NAMES_MAX); i++) {
        pair[1] = signature->inputs[i].name;
        size_t known = pair[0].ptr ? 0 : 1;
        long best = ax_str_nearest(name, pair + known, 2 - known);
        if (best >= 0)
            pair[0] = pair[known + (size_t)best];
    }
    struct ax_str shown = ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (pair[0].ptr)
        return ax_fail(err, AX_E_INVALID, "no input '%.*s'; nearest is '%.*s'", AX_STR_ARG(shown),
                       AX_STR_ARG(pair[0]));
    return ax_fail(err, AX_E_INVALID, "no input '%.*s'", AX_STR_ARG(shown));
}

void ax_category_print(double number, char text[AX_CATEGORY_NUMBER_BYTES])
{
    assert(text);
    if (number == trunc(number) && number >= (double)INT64_MIN && number < (double)INT64_MAX) {
        (void)snprintf(text, AX_CATEGORY_NUMBER_BYTES, "%" PRId64, (int64_t)number);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, AX_CATEGORY_NUMBER_BYTES, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            return;
    }
}

static long hashed_index(const struct ax_dictionary *dictionary, struct ax_str text)
{
    struct ax_hashed_category key = { .hash = dictionary->hash(text) };
    const struct ax_hashed_category *found =
        dictionary->count
            ? bsearch(&key, dictionary->hashes, dictionary->count, sizeof(key), compare_hashes)
            : NULL;
    return found ? (long)found->index : (long)dictionary->count;
}

long ax_dictionary_index(const struct ax_dictionary *dictionary, struct ax_str name)
{
    assert(dictionary);
    if (dictionary->hash)
        return hashed_index(dictionary, name);
    const struct ax_str *entry = ax_map_get(&dictionary->indexes, name);
    return entry ? entry - dictionary->names : -1;
}

long ax_dictionary_nearest(const struct ax_dictionary *dictionary, struct ax_str name)
{
    assert(dictionary && !dictionary->hash);
    return ax_str_nearest(name, dictionary->names, AX_MIN(dictionary->count, NEAREST_NAMES_MAX));
}

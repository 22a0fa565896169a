/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the targets that read rows: two signatures, and whether two readings of a body are the same.
 */
#ifndef AX_FUZZ_FUZZ_SIGNATURES_H
#define AX_FUZZ_FUZZ_SIGNATURES_H

#include "data/rows.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

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
    const struct ax_str carriers[] = { AX_STR("AA"), AX_STR("UA"), AX_STR("NA") };
    struct ax_err err = AX_ERR_INIT;
    (void)argc;
    (void)argv;
    make_signature(&numbers, number_names, number_types, AX_COUNT(number_types));
    make_signature(&mixed, mixed_names, mixed_types, AX_COUNT(mixed_types));
    if (ax_signature_add_dictionary(&mixed, 0, carriers, AX_COUNT(carriers), &err))
        abort();
    mixed.inputs[1].has_default = true;
    mixed.inputs[4].required = true;
    return 0;
}

static bool fuzz_same_field(const struct ax_column *a, const struct ax_column *b, size_t row)
{
    const void *left = ax_column_at(a, row);
    const void *right = ax_column_at(b, row);
    if (ax_column_is_valid(a, row) != ax_column_is_valid(b, row))
        return false;
    if (!ax_column_is_valid(a, row))
        return true;
    /* Texts with escapes are copies, each reading has its own. */
    if (a->datatype == AX_BYTES)
        return ax_str_equals(*(const struct ax_str *)left, *(const struct ax_str *)right);
    return memcmp(left, right, ax_datatype_size(a->datatype)) == 0;
}

static bool fuzz_same_rows(const struct ax_rows *a, const struct ax_rows *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->signature->input_count; i++)
        for (size_t row = 0; row < a->count; row++)
            if (!fuzz_same_field(&a->columns[i], &b->columns[i], row))
                return false;
    return true;
}

/* Both failed, and with the same message. */
static bool fuzz_same_failure(const struct ax_err *a, const struct ax_err *b)
{
    return a->code == b->code && strcmp(a->msg, b->msg) == 0;
}

#endif

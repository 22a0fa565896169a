/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of kernels, and the choice among them.
 *
 * To add a kernel: write kernel_<name>.c, declare its table in kernel.h, and add it to the list
 * below, behind all that are slower; the tests of the forest then run with it wherever the CPU can.
 */
#include "engine/forest/kernel.h"

#include "auspex_config.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const struct ax_forest_kernel *const ax_forest_kernels[] = {
    &ax_kernel_portable,
#if AX_HAVE_AVX2
    &ax_kernel_ranks,
    &ax_kernel_avx2,
    &ax_kernel_avx512,
#endif
    NULL,
};

/* "portable, avx2", in `text`. */
static void list_names(char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; ax_forest_kernels[i] && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i ? ", " : "",
                                ax_forest_kernels[i]->name);
}

enum ax_code ax_forest_kernel_choose(const char *name, const struct ax_forest_kernel **ret_kernel,
                                     struct ax_err *err)
{
    assert(ret_kernel && err);
    const struct ax_forest_kernel *best = NULL;
    for (size_t i = 0; ax_forest_kernels[i]; i++) {
        bool runs_here = ax_forest_kernels[i]->runs_here();
        if (runs_here)
            best = ax_forest_kernels[i];
        if (!name || strcmp(name, ax_forest_kernels[i]->name) != 0)
            continue;
        if (!runs_here)
            return ax_fail(err, AX_E_UNSUPPORTED, "%s: this CPU cannot run the kernel '%s'",
                           AX_KERNEL_VARIABLE, name);
        *ret_kernel = ax_forest_kernels[i];
        return AX_OK;
    }
    if (name) {
        char names[128];
        list_names(names, sizeof(names));
        return ax_fail(err, AX_E_INVALID, "%s: no kernel '%.40s'; there are %s", AX_KERNEL_VARIABLE,
                       name, names);
    }
    assert(best);
    *ret_kernel = best;
    return AX_OK;
}

enum ax_code ax_forest_kernel_default(const struct ax_forest_kernel **ret_kernel,
                                      struct ax_err *err)
{
    return ax_forest_kernel_choose(getenv(AX_KERNEL_VARIABLE), ret_kernel, err);
}

size_t ax_kernel_class_from(size_t class)
{
    static const size_t froms[AX_KERNEL_CLASSES] = { 1, AX_KERNEL_FEW, AX_KERNEL_SOME,
                                                     AX_KERNEL_MANY };
    assert(class < AX_KERNEL_CLASSES);
    return froms[class];
}

enum ax_code ax_forest_plan_choose(struct ax_forest_plan *plan, size_t class,
                                   const struct ax_forest_kernel *kernel, struct ax_err *err)
{
    assert(plan && class < AX_KERNEL_CLASSES && kernel && err);
    if (kernel->prepare && kernel->prepare(plan, err))
        return err->code;
    plan->by_class[class] = kernel;
    return AX_OK;
}

size_t ax_forest_plan_scratch_size(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan);
    size_t most = 0;
    for (size_t class = 0; class <= ax_kernel_class(rows); class ++) {
        const struct ax_forest_kernel *kernel = plan->by_class[class];
        most = AX_MAX(most, kernel->scratch_size(plan, AX_MIN(rows, kernel->rows_max)));
    }
    return most;
}

size_t ax_forest_plan_block(const struct ax_forest_plan *plan, size_t rows)
{
    assert(plan);
    size_t most = 0;
    for (size_t class = 0; class <= ax_kernel_class(rows); class ++)
        most = AX_MAX(most, plan->by_class[class]->rows_max);
    return AX_MIN(most, rows);
}

enum ax_code ax_forest_plan_prepare(struct ax_forest_plan *plan, struct ax_err *err)
{
    assert(plan && err);
    if (ax_forest_kernel_default(&plan->kernel, err))
        return err->code;
    for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++) {
        if (ax_forest_plan_choose(plan, class, plan->kernel, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_forest_plan_init(struct ax_forest_plan *plan, const struct ax_forest *forest,
                                 struct ax_err *err)
{
    assert(plan && forest && err);
    struct ax_forest_plan made = { 0 };
    if (ax_compiled_init(&made.compiled, forest, err) || ax_forest_plan_prepare(&made, err)) {
        ax_forest_plan_done(&made);
        return err->code;
    }
    *plan = made;
    return AX_OK;
}

void ax_forest_plan_done(struct ax_forest_plan *plan)
{
    if (!plan)
        return;
    ax_oblivious_done(&plan->oblivious);
    ax_ranked_done(&plan->ranked);
    ax_deep_done(&plan->deep);
    ax_mux_done(&plan->mux);
    ax_numbers_done(&plan->numbers);
    ax_compiled_done(&plan->compiled);
    *plan = (struct ax_forest_plan){ 0 };
}

size_t ax_forest_plan_bytes(const struct ax_forest_plan *plan)
{
    assert(plan);
    return ax_oblivious_bytes(&plan->oblivious) + ax_ranked_bytes(&plan->ranked) +
           ax_deep_bytes(&plan->deep) + ax_mux_bytes(&plan->mux) +
           ax_numbers_bytes(&plan->numbers) + ax_compiled_bytes(&plan->compiled);
}

const void *ax_forest_plan_row(const struct ax_forest_plan *plan, const struct ax_forest_input *in,
                               size_t row, void *gathered)
{
    assert(plan && in && row < in->batch->rows && gathered);
    if (in->is_matrix)
        return ax_column_at(&in->batch->columns[0], row);
    bool is_f64 = plan->compiled.input_type == AX_FP64;
    for (size_t i = 0; i < in->batch->column_count; i++) {
        const struct ax_column *column = &in->batch->columns[i];
        const void *value = ax_column_at(column, row);
        bool is_valid = ax_column_is_valid(column, row);
        if (is_f64)
            ((double *)gathered)[i] = is_valid ? *(const double *)value : (double)NAN;
        else
            ((float *)gathered)[i] = is_valid ? *(const float *)value : NAN;
    }
    return gathered;
}

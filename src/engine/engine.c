/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of engines, and the reference counts of models. Content is offered to the engines in
 * the order of the list; their formats exclude each other, so the order decides nothing today.
 */
#include "engine/engine.h"

#include "engine/backends.h"

const struct ax_engine *const ax_engines[] = {
    &ax_engine_forest,
    &ax_engine_rules,
    NULL,
};

const struct ax_engine *ax_engine_by_name(struct ax_str name)
{
    for (size_t i = 0; ax_engines[i]; i++)
        if (ax_str_is(name, ax_engines[i]->name))
            return ax_engines[i];
    return NULL;
}

const struct ax_engine *ax_engine_by_content(struct ax_str head)
{
    assert(head.ptr || !head.len);
    for (size_t i = 0; ax_engines[i]; i++)
        if (ax_engines[i]->recognise(head))
            return ax_engines[i];
    return NULL;
}

void ax_model_init(struct ax_model *model, const struct ax_engine *engine)
{
    assert(model && engine);
    *model = (struct ax_model){ .engine = engine };
    atomic_init(&model->refs, 1);
}

struct ax_model *ax_model_ref(struct ax_model *model)
{
    assert(model);
    unsigned before = atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return model;
}

void ax_model_unref(struct ax_model *model)
{
    if (!model)
        return;
    unsigned before = atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        model->engine->free(model);
}

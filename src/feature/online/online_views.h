/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The views of some definitions as the online store has them: where each lies, and what a row of a
 * source changes.
 *
 * Made by the store's writer (feature/online/online_writer.h) when definitions come into force, and
 * immutable then; threads share it by counting references. A view has the number of a layout that
 * follows from its stored form alone (the types of its keys, its source, the expressions of its
 * fields and their storage), so that a view which only gets another ttl keeps its values, and one
 * that is computed otherwise begins anew beside the old one.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_VIEWS_H
#define AX_FEATURE_ONLINE_ONLINE_VIEWS_H

#include "feature/definitions.h"
#include "feature/service_plan.h"

#include <stdatomic.h>

/* Definitions, and what is called when nobody uses them any more; NULL: nothing. */
struct ax_online_definitions {
    const struct ax_definitions *definitions;
    void *owner;
    void (*release)(void *owner);
};

struct ax_online_views {
    _Atomic unsigned refs;
    struct ax_online_definitions given;
    struct ax_arena arena;
    const struct ax_online_view *views; /* one a view of the definitions; layout NULL: it is not
                                           online, or has windows */
    struct ax_online_entity *const *entities; /* one an entity of the definitions */
};

struct ax_online_views *ax_online_views_ref(struct ax_online_views *views);
/* NULL is fine. The last one frees, and releases the definitions. Any thread. */
void ax_online_views_unref(struct ax_online_views *views);

#endif

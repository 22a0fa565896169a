/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The views of some definitions as the online store has them: where each lies, and what a row of a
 * source changes.
 *
 * Made by the store's writer (feature/online/online_writer.h) when definitions come into force, and
 * immutable then; threads share it by counting references. A view has the number of a layout that
 * follows from its stored form alone (the types of its keys, its source, the expressions of its
 * fields and their storage), so that a view which only gets another ttl keeps its values, and one
 * that is computed otherwise begins anew beside the old one. Windows are made anew with the views,
 * empty, and filled from the journals.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_VIEWS_H
#define AX_FEATURE_ONLINE_ONLINE_VIEWS_H

#include "feature/online/online_seen.h"
#include "feature/online/online_form.h"
#include "feature/source_plan.h"

#include <stdatomic.h>

struct ax_online_disk;
struct ax_online_journals;
struct ax_online_moves; /* feature/online/online_moves.h */

struct ax_online_views;

/* Definitions that come into force. */
struct ax_online_definitions {
    const struct ax_definitions *definitions;
    void *owner;
    void (*release)(void *owner); /* when nobody uses them any more; NULL: nothing */
    /* (optional) Have readers read by the views, which have all that there is. The writer's thread,
     * with no batch between this and those that change these views: what is acknowledged is seen.
     * What it fails with leaves in force what was. */
    enum ax_code (*publish)(void *context, struct ax_online_views *views, struct ax_err *err);
    void *context;
    /* One a view of them: whether files ever gave it values, be it into a store that is gone. NULL:
     * none. Of define alone. */
    const bool *are_materialised;
};

struct ax_online_views {
    _Atomic unsigned refs;
    struct ax_online_definitions given;
    struct ax_arena arena;
    struct ax_online_view *views; /* one a view of the definitions: layout NULL: it is not online,
                                     or has windows; these too NULL: of no events with an id */
    struct ax_online_form *forms; /* of the views that have a layout; what their fields lack is the
                                     writer's alone */
    struct ax_online_windows **windows;   /* those of the views, which are the writer's to change */
    struct ax_online_moves **moves;       /* of their events; NULL: they cannot move */
    struct ax_online_entity **entities;   /* one an entity of the definitions */
    uint32_t *entity_numbers;             /* on the disk */
    struct ax_source_plan **source_plans; /* one a source; NULL: it has neither a journal nor views
                                             with windows */
    bool *are_journalled;               /* sources that are pushed, or were: what they got stays */
    const struct ax_online_seen **seen; /* of a source that is journalled: which of its rows readers
                                           see; the writer's, as long as that */
};

/* The numbers of layouts and entities where nothing is on a disk: given in turn. */
struct ax_online_numbers {
    struct ax_map given;
};
void ax_online_numbers_done(struct ax_online_numbers *numbers);

/* What views are made in. */
struct ax_online_views_place {
    struct ax_online *store;
    struct ax_epoch *epoch; /* of the readers */
    /* Where numbers come from: the disk, or if that is NULL the others. */
    struct ax_online_disk *disk;
    struct ax_online_numbers *numbers;
    const struct ax_online_journals *journals; /* that there are; NULL: none */
    size_t windows_bytes_max; /* of each view with windows, as ax_online_windows_open has it */
};

/* The writer's thread. `given` is released by the last reference. Expected: INVALID, LIMIT,
 * TOO_LARGE. */
AX_MUST_USE enum ax_code ax_online_views_new(const struct ax_online_definitions *given,
                                             const struct ax_online_views_place *place,
                                             struct ax_online_views **ret_views,
                                             struct ax_err *err);
/* The plan of a source, by its number, that is pushed, or has a journal; else NULL. */
const struct ax_source_plan *ax_online_views_journalled(const struct ax_online_views *views,
                                                        size_t source);

/* Whether one of them has the layout of that number; not when there are none (NULL). */
bool ax_online_views_have(const struct ax_online_views *views, uint32_t layout);

struct ax_online_views *ax_online_views_ref(struct ax_online_views *views);
/* NULL is fine. The last one frees, and releases the definitions. Any thread. */
void ax_online_views_unref(struct ax_online_views *views);

#endif

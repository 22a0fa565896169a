/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An online store in memory for all views of some definitions, and parts written to it.
 */
#ifndef AX_TESTS_UNIT_FEATURE_ONLINE_FIXTURE_H
#define AX_TESTS_UNIT_FEATURE_ONLINE_FIXTURE_H

#include "feature/online/online_key.h"
#include "feature/service_plan.h"

enum { ONLINE_VIEWS_MAX = 16 };

struct online {
    const struct ax_definitions *definitions;
    struct ax_epoch epoch;
    struct ax_online *store;
    struct ax_arena arena; /* of layouts, and of what is written */
    struct ax_online_layout layouts[ONLINE_VIEWS_MAX];
    struct ax_online_view views[ONLINE_VIEWS_MAX];
};

static struct online online;

static enum ax_code open_online(const struct ax_definitions *definitions, struct ax_err *err)
{
    const struct ax_online_config config = { .epoch = &online.epoch,
                                             .memory_bytes_max = (size_t)64 << 20 };
    memset(&online, 0, sizeof(online));
    online.definitions = definitions;
    ax_epoch_init(&online.epoch);
    ax_arena_init(&online.arena, (size_t)1 << 16, (size_t)64 << 20);
    if (ax_online_open(&ax_online_memory, &config, &online.store, err))
        return err->code;
    assert_true(definitions->view_count <= ONLINE_VIEWS_MAX);
    for (size_t i = 0; i < definitions->view_count; i++) {
        const struct ax_view *view = &definitions->views[i];
        struct ax_online_entity *entity;
        if (ax_online_layout_of_view(&online.layouts[i], (uint32_t)i + 1, view, &online.arena,
                                     err) ||
            ax_online_find_entity(online.store, view->entity->name, &entity, err))
            return err->code;
        online.views[i] = (struct ax_online_view){ .entity = entity, .layout = &online.layouts[i] };
    }
    return AX_OK;
}

static void close_online(void)
{
    if (!online.definitions)
        return;
    ax_online_close(online.store);
    ax_arena_done(&online.arena);
    ax_epoch_done(&online.epoch);
    online.definitions = NULL;
}

/* Write one item of a view. */
static enum ax_code write_online(const struct ax_view *view, const struct ax_online_item *item,
                                 struct ax_err *err)
{
    struct ax_online_entity *entity;
    if (ax_online_find_entity(online.store, view->entity->name, &entity, err))
        return err->code;
    struct ax_online_write write = { .entity = entity, .items = item, .count = 1 };
    assert_true(ax_online_write(online.store, &write));
    if (write.err.code)
        *err = write.err;
    return err->code;
}

/* Write row `row` of columns of a view's keys and fields. */
AX_UNUSED static enum ax_code put_online(const char *name, const struct ax_values *const *keys,
                                         const struct ax_values *const *fields, size_t row,
                                         struct ax_online_stamp stamp, struct ax_err *err)
{
    const struct ax_view *view = ax_definitions_view(online.definitions, ax_str_from(name));
    size_t index = (size_t)(view - online.definitions->views);
    const struct ax_online_layout *layout = &online.layouts[index];
    struct ax_str *made =
        ax_arena_alloc(&online.arena, row + 1, sizeof(*made)); /* of all rows up to this one */
    size_t bytes = ax_online_part_write(layout, &stamp, fields, row, NULL);
    void *part = ax_arena_alloc(&online.arena, 1, bytes);
    if (!made || !part)
        return ax_arena_fail(&online.arena, "a test", err);
    if (ax_online_keys_make(view->entity, keys, row + 1, &online.arena, made, err))
        return err->code;
    (void)ax_online_part_write(layout, &stamp, fields, row, part);
    const struct ax_online_item item = {
        .key = made[row], .layout = layout, .part = part, .bytes = bytes
    };
    return write_online(view, &item, err);
}

#endif

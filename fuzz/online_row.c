/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz rows of the online store, and forms of views, that come from elsewhere.
 *
 * What is accepted is read whole, and must not lie outside of it. Each part that fits a layout of
 * all storage types is written anew: merged with itself, and put into the same row, where it must
 * hold what it held; and carried over to a layout of the same fields in another order. A form has
 * the fields that it has itself.
 */
#include "feature/online/online_form.h"
#include "feature/online/online_layout.h"

#include <stdlib.h>

enum { FIELDS = 2 * AX_STORAGE_COUNT };

#define ARENA_BYTES ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void read_part(const struct ax_online_layout *layout, const struct ax_online_part *part,
                      struct ax_arena *arena, struct ax_values *ret_values)
{
    size_t fields[FIELDS];
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < FIELDS; i++)
        fields[i] = i;
    require(ax_online_read(layout, fields, FIELDS, &part, 1, arena, ret_values, &err) == AX_OK);
}

static bool are_equal(const struct ax_values *a, size_t row_a, const struct ax_values *b,
                      size_t row_b)
{
    if (ax_values_is_null(a, row_a) || ax_values_is_null(b, row_b))
        return ax_values_is_null(a, row_a) == ax_values_is_null(b, row_b);
    if (a->type.kind == AX_TYPE_STRING)
        return ax_str_equals(a->texts[row_a], b->texts[row_b]);
    if (a->type.kind == AX_TYPE_BOOL)
        return a->bools[row_a] == b->bools[row_b];
    return a->i64s[row_a] == b->i64s[row_b];
}

static bool lists_are_equal(const struct ax_values *a, const struct ax_values *b)
{
    bool equal = ax_values_is_null(a, 0) == ax_values_is_null(b, 0) &&
                 a->spans[0].count == b->spans[0].count;
    for (size_t i = 0; equal && i < a->spans[0].count; i++)
        equal = are_equal(a->items, a->spans[0].from + i, b->items, b->spans[0].from + i);
    return equal;
}

static void check_part(const struct ax_online_layout *layout, const struct ax_online_row *row,
                       size_t at, struct ax_arena *arena)
{
    static const uint64_t given = 0x5A5A5;
    uint32_t id = row->places[at].layout;
    const struct ax_online_part *part = ax_online_row_part(row, id);
    struct ax_values before[FIELDS];
    struct ax_values after[FIELDS];
    size_t bytes = ax_online_part_merge(layout, part, &given, part, NULL);
    if (bytes > AX_ONLINE_ROW_BYTES_MAX) /* Its texts may overlap, and do so no longer. */
        return;
    struct ax_online_part *merged = malloc(bytes);
    require(merged && ax_online_part_merge(layout, part, &given, part, merged) == bytes);
    size_t total = ax_online_row_with(row, ax_online_row_key(row), id, merged, bytes, NULL);
    if (total <= AX_ONLINE_ROW_BYTES_MAX) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_online_row *made = malloc(total);
        require(made != NULL);
        (void)ax_online_row_with(row, ax_online_row_key(row), id, merged, bytes, made);
        require(ax_online_row_check(made, total, &err) == AX_OK);
        part = ax_online_row_part(made, id);
        require(ax_online_part_check(layout, part, bytes, &err) == AX_OK);
        read_part(layout, ax_online_row_part(row, id), arena, before);
        read_part(layout, part, arena, after);
        for (size_t i = 0; i < FIELDS; i++)
            require(layout->fields[i].storage.is_list ? lists_are_equal(&before[i], &after[i])
                                                      : are_equal(&before[i], 0, &after[i], 0));
        free(made);
    }
    free(merged);
}

static void check_carried(const struct ax_online_layout *layout,
                          const struct ax_online_part *former, struct ax_arena *arena)
{
    struct ax_storage storages[FIELDS];
    size_t from[FIELDS];
    struct ax_online_layout turned;
    struct ax_values before[FIELDS];
    struct ax_values after[FIELDS];
    struct ax_err err = AX_ERR_INIT;
    for (size_t i = 0; i < FIELDS; i++) {
        from[i] = FIELDS - 1 - i;
        storages[i] = layout->fields[from[i]].storage;
    }
    require(ax_online_layout_init(&turned, 2, storages, FIELDS, arena, &err) == AX_OK);
    size_t bytes = ax_online_part_carry(&turned, from, layout, former, NULL);
    if (bytes > AX_ONLINE_ROW_BYTES_MAX)
        return;
    struct ax_online_part *part = malloc(bytes);
    require(part && ax_online_part_carry(&turned, from, layout, former, part) == bytes);
    require(ax_online_part_check(&turned, part, bytes, &err) == AX_OK);
    read_part(layout, former, arena, before);
    read_part(&turned, part, arena, after);
    for (size_t i = 0; i < FIELDS; i++)
        require(storages[i].is_list ? lists_are_equal(&before[from[i]], &after[i])
                                    : are_equal(&before[from[i]], 0, &after[i], 0));
    free(part);
}

static void check_form(struct ax_str bytes, struct ax_arena *arena)
{
    struct ax_online_form form;
    struct ax_err err = AX_ERR_INIT;
    const size_t *fields;
    if (ax_online_form_read(bytes, arena, &form, &err))
        return;
    require(ax_online_form_match(&form, &form, arena, &fields, &err) == AX_OK && fields);
    for (size_t i = 0; i < form.field_count; i++)
        require(fields[i] < form.field_count &&
                form.fields[fields[i]].storage.kind == form.fields[i].storage.kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_storage storages[FIELDS];
    struct ax_online_layout layout;
    struct ax_arena arena;
    struct ax_err err = AX_ERR_INIT;
    ax_arena_init(&arena, ARENA_BYTES, 1024 * ARENA_BYTES);
    for (size_t i = 0; i < FIELDS; i++)
        storages[i] = (struct ax_storage){ (enum ax_storage_kind)(i / 2), i % 2 == 1 };
    require(ax_online_layout_init(&layout, 1, storages, FIELDS, &arena, &err) == AX_OK);
    void *row = malloc(size + 1); /* Aligned, and no longer than it is. */
    require(row != NULL);
    memcpy(row, data, size);
    if (!ax_online_row_check(row, size, &err)) {
        const struct ax_online_row *accepted = row;
        for (size_t i = 0; i < accepted->part_count; i++) {
            struct ax_err failed = AX_ERR_INIT;
            const struct ax_online_part *part =
                ax_online_row_part(accepted, accepted->places[i].layout);
            if (ax_online_part_check(&layout, part, ax_online_row_part_bytes(accepted, i), &failed))
                continue;
            check_part(&layout, accepted, i, &arena);
            check_carried(&layout, part, &arena);
        }
    }
    check_form((struct ax_str){ row, size }, &arena);
    free(row);
    ax_arena_done(&arena);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that a changed view keeps.
 *
 * Before the new views are in force, each part that the view had before becomes one of the new
 * layout: with its stamp, and the values of the fields that are the same; the others are null. The
 * part before stays for those who read by the views before, and goes when nobody does
 * (online_writer_sweep.c). First all rows are gone through, with other work in between, and then,
 * when the journals were applied, the keys that were written meanwhile. A part that is there
 * already and is newer stays. One as new was carried before, comes of the same row of the journal,
 * or is what the view was before the one that now changes back, and has not gone yet: it takes the
 * fields that are the same, since a correction may have had the same time, and keeps the others.
 *
 * What a view was before is told by the views in force, or at a start by the form that stands on
 * the disk. That is another one from the fold on that has all parts; whoever is killed before
 * carries them again. The form also tells which fields lack what files have (online_merge.h): those
 * that did before, and those that are new where files gave the view values.
 */
#include "feature/online/online_writer_state.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define ARENA_BYTES_FIRST ((size_t)1 << 20)
#define ARENA_BYTES_MAX   ((size_t)4 << 30)

enum { AGAIN_KEYS = 1024 };

/* One view. */
struct carry_view {
    struct ax_str name;
    struct ax_online_entity *entity;
    size_t entity_index; /* in the definitions */
    const struct ax_online_layout *layout;
    const size_t *from; /* its fields in the former layout, */
    uint64_t *are_same; /* and bits of those that are there */
    struct ax_online_layout former;
};

struct ax_online_carry {
    struct ax_online_writer *writer;
    const struct ax_online_views *views; /* that come into force */
    struct carry_view *all;
    size_t count;
    bool has_new_forms;                /* that the disk is to have */
    struct ax_online_unfolded touched; /* keys that were written meanwhile */
    struct ax_arena arena;             /* of some items */
    struct ax_buf items;               /* struct ax_online_item */
};

/* ---- what there is to carry ---- */

static const struct ax_online_form *form_in_force(const struct ax_online_writer *writer,
                                                  const struct ax_view *view)
{
    const struct ax_definitions *definitions =
        writer->views ? writer->views->given.definitions : NULL;
    const struct ax_view *before =
        definitions ? ax_definitions_view(definitions, view->name) : NULL;
    return before && ax_str_equals(before->entity->name, view->entity->name) &&
                   writer->views->views[before - definitions->views].layout
               ? &writer->views->forms[before - definitions->views]
               : NULL;
}

/* The form that stands on the disk; *ret_form is left as it is when there is none. *ret_is_swept:
 * the rows may lack the view's parts, but for what a journal has. */
static enum ax_code form_on_disk(const struct ax_online_carry *carry, size_t number,
                                 struct ax_str bytes, struct ax_arena *arena,
                                 struct ax_online_form *ret_form, bool *ret_is_swept,
                                 struct ax_err *err)
{
    const struct ax_online_views *views = carry->views;
    const struct ax_definitions *definitions = views->given.definitions;
    size_t source = (size_t)(definitions->views[number].source - definitions->sources);
    struct ax_err unread = AX_ERR_INIT;
    uint64_t next;
    if (!bytes.ptr)
        return AX_OK;
    if (ax_online_form_read(bytes, arena, ret_form, &unread)) {
        if (unread.code != AX_E_INVALID)
            *err = unread;
        return err->code;
    }
    if (!ax_online_views_journalled(views, source))
        return AX_OK;
    bool is_told; /* it is not of a source that was not pushed before */
    if (!ax_online_writer_position(carry->writer, ret_form->layout, &next, &is_told, err))
        *ret_is_swept = is_told && !next;
    return err->code;
}

/* Which fields lack what files have: those that the former view had as it had them, and others if
 * files had values for them. `from` NULL: all are others. */
static void mark_fields(struct ax_online_form *form, const struct ax_online_form *former,
                        const size_t *from, bool lacks_files)
{
    for (size_t i = 0; i < former->field_count; i++)
        lacks_files = lacks_files || former->fields[i].lacks_files;
    for (size_t i = 0; i < form->field_count; i++) {
        bool is_new = !from || from[i] == AX_ONLINE_FORM_NEW;
        form->fields[i].lacks_files = is_new ? lacks_files : former->fields[from[i]].lacks_files;
    }
}

/* Whether the disk has another form. */
static enum ax_code compare_form(struct ax_online_carry *carry, const struct ax_online_form *form,
                                 struct ax_str on_disk, struct ax_arena *arena, struct ax_err *err)
{
    struct ax_str bytes;
    if (ax_online_form_write(form, arena, &bytes, err))
        return err->code;
    if (!on_disk.ptr || !ax_str_equals(bytes, on_disk))
        carry->has_new_forms = true;
    return AX_OK;
}

static enum ax_code note_same(struct carry_view *view, size_t field_count, struct ax_arena *arena,
                              struct ax_err *err)
{
    view->are_same = ax_arena_zalloc(arena, (field_count + 63) / 64, sizeof(*view->are_same));
    if (!view->are_same)
        return ax_arena_fail(arena, "a view", err);
    for (size_t i = 0; i < field_count; i++)
        view->are_same[i / 64] |= (uint64_t)(view->from[i] != AX_ONLINE_FORM_NEW) << (i % 64);
    return AX_OK;
}

static enum ax_code init_former(struct carry_view *view, const struct ax_online_form *former,
                                struct ax_arena *arena, struct ax_err *err)
{
    struct ax_storage *storages = ax_arena_alloc(arena, former->field_count, sizeof(*storages));
    if (!storages)
        return ax_arena_fail(arena, "a view", err);
    for (size_t i = 0; i < former->field_count; i++)
        storages[i] = former->fields[i].storage;
    return ax_online_layout_init(&view->former, former->layout, storages, former->field_count,
                                 arena, err);
}

static enum ax_code add_view(struct ax_online_carry *carry, size_t number, struct ax_arena *arena,
                             struct ax_err *err)
{
    const struct ax_online_views *views = carry->views;
    const struct ax_definitions *definitions = views->given.definitions;
    const struct ax_view *view = &definitions->views[number];
    struct ax_online_form *form = &views->forms[number];
    const struct ax_online_form *former = form_in_force(carry->writer, view);
    struct ax_online_disk *disk = carry->writer->disk;
    struct ax_str on_disk = { 0 };
    struct ax_online_form kept = { 0 };
    const size_t *from = NULL;
    bool is_swept = false;
    if (disk && ax_online_disk_form(disk, view->entity->name, view->name, arena, &on_disk, err))
        return err->code;
    if (!former && form_on_disk(carry, number, on_disk, arena, &kept, &is_swept, err))
        return err->code;
    if (!former)
        former = &kept;
    if (ax_online_form_match(form, former, arena, &from, err))
        return err->code;
    mark_fields(form, former, is_swept ? NULL : from,
                views->given.are_materialised && views->given.are_materialised[number]);
    if (disk && compare_form(carry, form, on_disk, arena, err))
        return err->code;
    if (!from || former->layout == form->layout)
        return AX_OK;
    size_t entity = (size_t)(view->entity - definitions->entities);
    struct carry_view *to = &carry->all[carry->count++];
    *to = (struct carry_view){ .name = view->name,
                               .entity = views->entities[entity],
                               .entity_index = entity,
                               .layout = views->views[number].layout,
                               .from = from };
    return note_same(to, form->field_count, arena, err) ? err->code
                                                        : init_former(to, former, arena, err);
}

enum ax_code ax_online_carry_new(struct ax_online_writer *writer, struct ax_online_views *views,
                                 struct ax_online_carry **ret_carry, struct ax_err *err)
{
    assert(writer && views && ret_carry && err);
    size_t count = views->given.definitions->view_count;
    struct ax_online_carry *carry = ax_xalloc(sizeof(*carry));
    /* Until a fold is done with those of the views before, the disk does not tell what it will
     * have. */
    *carry =
        (struct ax_online_carry){ .writer = writer,
                                  .views = views,
                                  .has_new_forms = writer->has_new_forms || writer->fold_views };
    ax_online_unfolded_init(&carry->touched);
    ax_arena_init(&carry->arena, ARENA_BYTES_FIRST, ARENA_BYTES_MAX);
    ax_buf_init(&carry->items, ARENA_BYTES_MAX);
    carry->all = ax_arena_zalloc(&views->arena, AX_MAX(count, 1), sizeof(*carry->all));
    if (!carry->all)
        (void)ax_arena_fail(&views->arena, "views", err);
    for (size_t i = 0; i < count && !err->code; i++) {
        if (views->views[i].layout)
            (void)(add_view(carry, i, &views->arena, err) != AX_OK);
    }
    if (err->code) {
        ax_online_carry_free(carry);
        return err->code;
    }
    if (carry->count)
        writer->apply.touched = &carry->touched;
    *ret_carry = carry;
    return AX_OK;
}

void ax_online_carry_free(struct ax_online_carry *carry)
{
    if (!carry)
        return;
    carry->writer->apply.touched = NULL;
    ax_online_unfolded_done(&carry->touched);
    ax_arena_done(&carry->arena);
    ax_buf_done(&carry->items);
    free(carry);
}

bool ax_online_carry_has_new_forms(const struct ax_online_carry *carry)
{
    return carry->has_new_forms;
}

/* ---- carrying ---- */

struct carry_visit {
    struct ax_online_carry *carry;
    const struct carry_view *view;
};

/* The part at a place, as one of the new layout; `given`: what of it, NULL: all. */
static enum ax_code add_item(const struct carry_visit *visit, const struct ax_online_row *row,
                             size_t place, const uint64_t *given, struct ax_err *err)
{
    const struct carry_view *view = visit->view;
    struct ax_arena *arena = &visit->carry->arena;
    const struct ax_online_part *part = ax_online_row_part(row, view->former.id);
    struct ax_str key = ax_online_row_key(row);
    if (ax_online_part_check(&view->former, part, ax_online_row_part_bytes(row, place), err))
        return err->code;
    size_t bytes = ax_online_part_carry(view->layout, view->from, &view->former, part, NULL);
    char *own = ax_arena_alloc(arena, 1, AX_MAX(key.len, 1));
    struct ax_online_part *carried = own ? ax_arena_alloc(arena, 1, bytes) : NULL;
    if (!carried)
        return ax_arena_fail(arena, "the values of a view", err);
    memcpy(own, key.ptr, key.len);
    (void)ax_online_part_carry(view->layout, view->from, &view->former, part, carried);
    const struct ax_online_item item = {
        .key = { own, key.len },
        .layout = view->layout,
        .part = carried,
        .bytes = bytes,
        .given = given,
    };
    (void)ax_buf_append(&visit->carry->items, &item, sizeof(item));
    return ax_buf_check(&visit->carry->items, "the values of a view", err);
}

static enum ax_code visit_row(void *arg, const struct ax_online_row *row, struct ax_err *err)
{
    const struct carry_visit *visit = arg;
    size_t place = 0;
    while (place < row->part_count && row->places[place].layout != visit->view->former.id)
        place++;
    if (place == row->part_count)
        return AX_OK;
    const struct ax_online_part *part = ax_online_row_part(row, visit->view->former.id);
    const struct ax_online_part *there = ax_online_row_part(row, visit->view->layout->id);
    int order = there ? ax_online_stamp_compare(&there->stamp, &part->stamp) : -1;
    return order > 0 ? AX_OK
                     : add_item(visit, row, place, order ? NULL : visit->view->are_same, err);
}

/* Write what was visited. What is too large for a row with both parts is left. */
static enum ax_code write_items(const struct carry_visit *visit, struct ax_online_apply *apply,
                                struct ax_err *err)
{
    struct ax_online_carry *carry = visit->carry;
    struct ax_online_counts counts = { 0 };
    struct ax_err reason = AX_ERR_INIT;
    size_t count = carry->items.len / sizeof(struct ax_online_item);
    if (count &&
        ax_online_apply_items(apply, carry->views, visit->view->entity_index,
                              (const void *)carry->items.ptr, count, &counts, &reason) &&
        reason.code != AX_E_TOO_LARGE)
        (void)ax_fail(err, reason.code, "there is no room for the values of both: %s", reason.msg);
    ax_buf_reset(&carry->items);
    ax_arena_reset(&carry->arena);
    return err->code;
}

static enum ax_code name_view(const struct carry_view *view, struct ax_err *err)
{
    return err->code ? ax_err_context(err, "the changed view '%.*s'", AX_STR_ARG(view->name))
                     : AX_OK;
}

static enum ax_code carry_all(const struct carry_visit *visit, struct ax_online_apply *apply,
                              struct ax_err *err)
{
    struct ax_online_writer *writer = visit->carry->writer;
    size_t cursor = 0;
    for (bool has_more = true; has_more && !err->code;) {
        if (ax_online_walk(writer->store, visit->view->entity, &cursor, visit_row, (void *)visit,
                           &has_more, err) ||
            write_items(visit, apply, err))
            break;
        ax_online_writer_turn(writer);
    }
    return name_view(visit->view, err);
}

enum ax_code ax_online_carry_all(struct ax_online_carry *carry, struct ax_online_apply *apply,
                                 struct ax_err *err)
{
    assert(carry && apply && err);
    if (carry->count && ax_online_writer_fill_all(carry->writer, true, err))
        return err->code;
    for (size_t i = 0; i < carry->count; i++) {
        const struct carry_visit visit = { carry, &carry->all[i] };
        if (carry_all(&visit, apply, err))
            return err->code;
    }
    return AX_OK;
}

/* Of some keys those of the view's entity. */
static enum ax_code carry_keys(const struct carry_visit *visit, struct ax_online_apply *apply,
                               const struct ax_online_unfolded *keys, size_t from, size_t count,
                               struct ax_err *err)
{
    const struct ax_online_key *key = ax_online_unfolded_keys(keys);
    for (size_t i = from; i < from + count && !err->code; i++) {
        struct ax_str text = ax_online_unfolded_text(keys, &key[i]);
        const struct ax_online_row *row = NULL;
        struct ax_online_fetch fetch = {
            .entity = key[i].entity, .keys = &text, .count = 1, .rows = &row
        };
        if (key[i].entity != visit->view->entity)
            continue;
        bool is_done =
            ax_online_fetch(visit->carry->writer->store, &fetch); /* freed by this thread alone */
        assert(is_done);
        if (row)
            (void)(visit_row((void *)visit, row, err) != AX_OK);
    }
    if (!err->code)
        (void)(write_items(visit, apply, err) != AX_OK);
    return name_view(visit->view, err);
}

enum ax_code ax_online_carry_again(struct ax_online_carry *carry, struct ax_online_apply *apply,
                                   bool *ret_is_behind, struct ax_err *err)
{
    assert(carry && apply && ret_is_behind && err);
    struct ax_online_unfolded keys = carry->touched;
    size_t count = ax_online_unfolded_count(&keys);
    ax_online_unfolded_init(&carry->touched);
    if (keys.has_lost)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for the keys of a view that is changed");
    for (size_t at = 0; at < count && !err->code; at += AGAIN_KEYS) {
        size_t some = AX_MIN(count - at, (size_t)AGAIN_KEYS);
        for (size_t i = 0; i < carry->count && !err->code; i++) {
            const struct carry_visit visit = { carry, &carry->all[i] };
            (void)(carry_keys(&visit, apply, &keys, at, some, err) != AX_OK);
        }
        if (at + some < count && !err->code)
            ax_online_writer_turn(carry->writer);
    }
    *ret_is_behind = count > AGAIN_KEYS;
    ax_online_unfolded_done(&keys);
    return err->code;
}

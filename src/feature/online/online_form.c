/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests are SHA-256 of a text of what they are of.
 *
 * On the disk a form is {u32 version, u32 layout, u32 fields, u32 0, digest}, then for each field
 * {u8 storage, u8 is a list, u8 lacks what files have, 5 zeros, digest}; digests are in hex.
 * Another version is as if nothing stood there: then a changed view begins without values.
 */
#include "feature/online/online_form.h"

#include "base/arena.h"
#include "base/buf.h"
#include "data/expr/expr_text.h"

#include <assert.h>

#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define VERSION        UINT32_C(1)
#define DIGEST_BYTES   (AX_SHA256_TEXT_SIZE - 1)

struct form_head {
    uint32_t version, layout, field_count, zero;
    char digest[DIGEST_BYTES];
};

struct form_field {
    uint8_t storage, is_list, lacks_files, zeros[5];
    char digest[DIGEST_BYTES];
};

/* ---- texts ---- */

static void put_name(struct ax_buf *out, struct ax_str name)
{
    ax_buf_printf(out, "%zu:%.*s ", name.len, AX_STR_ARG(name));
}

static void put_column(struct ax_buf *out, size_t column, void *arg)
{
    const struct ax_source *source = arg;
    put_name(out, source->columns[column].name);
    ax_buf_printf(out, "%s ", ax_storage_name(source->columns[column].storage));
}

static void put_named_column(struct ax_buf *out, const struct ax_source *source, long column)
{
    if (column < 0)
        ax_buf_printf(out, "none ");
    else
        put_column(out, (size_t)column, (void *)source);
}

/* What all fields depend on. */
static void put_common(struct ax_buf *out, const struct ax_view *view)
{
    const struct ax_source *source = view->source;
    put_name(out, source->name);
    ax_buf_printf(out, "%d ", (int)source->kind);
    put_name(out, source->text);
    put_name(out, source->zone);
    put_named_column(out, source, source->time);
    put_named_column(out, source, source->created);
    ax_buf_printf(out, "%zu ", source->event_id_count);
    for (size_t i = 0; i < source->event_id_count; i++)
        put_named_column(out, source, (long)source->event_id[i]);
    for (size_t i = 0; i < view->entity->key_count; i++) {
        ax_buf_printf(out, "%s ", ax_storage_name(view->entity->keys[i].storage));
        put_named_column(out, source, (long)view->key_columns[i]);
    }
}

static void put_field(struct ax_buf *out, const struct ax_view *view, size_t field)
{
    ax_buf_printf(out, "; %s ", ax_storage_name(view->fields[field].storage));
    ax_parsed_put_text(out, &view->fields[field].parsed, put_column, (void *)view->source);
}

static enum ax_code digest_text(const struct ax_buf *text, char ret_digest[AX_SHA256_TEXT_SIZE],
                                struct ax_err *err)
{
    if (!ax_buf_check(text, "a view", err)) {
        struct ax_sha256 sha;
        ax_sha256_init(&sha);
        ax_sha256_add(&sha, text->ptr, text->len);
        ax_sha256_text(&sha, ret_digest);
    }
    return err->code;
}

enum ax_code ax_online_form_digest(const struct ax_view *view, char ret_digest[AX_SHA256_TEXT_SIZE],
                                   struct ax_err *err)
{
    assert(view && ret_digest && err);
    struct ax_buf text;
    ax_buf_init(&text, TEXT_BYTES_MAX);
    put_common(&text, view);
    for (size_t i = 0; i < view->field_count; i++)
        put_field(&text, view, i);
    (void)(digest_text(&text, ret_digest, err) != AX_OK);
    ax_buf_done(&text);
    return err->code;
}

/* ---- bytes ---- */

enum ax_code ax_online_form_write(const struct ax_online_form *form, struct ax_arena *arena,
                                  struct ax_str *ret_bytes, struct ax_err *err)
{
    assert(form && arena && ret_bytes && err);
    size_t len = sizeof(struct form_head) + form->field_count * sizeof(struct form_field);
    struct form_head *head = ax_arena_zalloc(arena, 1, len);
    if (!head)
        return ax_arena_fail(arena, "a view", err);
    head->version = VERSION;
    head->layout = form->layout;
    head->field_count = (uint32_t)form->field_count;
    memcpy(head->digest, form->digest, DIGEST_BYTES);
    struct form_field *fields = (void *)(head + 1);
    for (size_t i = 0; i < form->field_count; i++) {
        fields[i].storage = (uint8_t)form->fields[i].storage.kind;
        fields[i].is_list = form->fields[i].storage.is_list;
        fields[i].lacks_files = form->fields[i].lacks_files;
        memcpy(fields[i].digest, form->fields[i].digest, DIGEST_BYTES);
    }
    *ret_bytes = (struct ax_str){ (const char *)head, len };
    return AX_OK;
}

enum ax_code ax_online_form_of_view(struct ax_online_form *form, uint32_t layout,
                                    const struct ax_view *view, struct ax_arena *arena,
                                    struct ax_err *err)
{
    assert(form && view && arena && err);
    struct ax_online_form_field *fields =
        ax_arena_zalloc(arena, view->field_count, sizeof(*fields));
    if (!fields)
        return ax_arena_fail(arena, "a view", err);
    struct ax_buf text;
    ax_buf_init(&text, TEXT_BYTES_MAX);
    put_common(&text, view);
    (void)(digest_text(&text, form->digest, err) != AX_OK);
    for (size_t i = 0; i < view->field_count && !err->code; i++) {
        fields[i].storage = view->fields[i].storage;
        ax_buf_reset(&text);
        put_field(&text, view, i);
        (void)(digest_text(&text, fields[i].digest, err) != AX_OK);
    }
    ax_buf_done(&text);
    form->layout = layout;
    form->field_count = view->field_count;
    form->fields = fields;
    return err->code;
}

static bool read_head(struct ax_str bytes, struct form_head *ret_head)
{
    if (bytes.len < sizeof(*ret_head))
        return false;
    memcpy(ret_head, bytes.ptr, sizeof(*ret_head));
    return ret_head->version == VERSION && ret_head->layout && ret_head->field_count &&
           ret_head->field_count <= UINT16_MAX &&
           bytes.len == sizeof(*ret_head) + ret_head->field_count * sizeof(struct form_field);
}

enum ax_code ax_online_form_read(struct ax_str bytes, struct ax_arena *arena,
                                 struct ax_online_form *ret_form, struct ax_err *err)
{
    assert(arena && ret_form && err);
    struct form_head head;
    if (!read_head(bytes, &head))
        return ax_fail(err, AX_E_INVALID, "no form of a view, or one of another version");
    struct ax_online_form_field *fields = ax_arena_zalloc(arena, head.field_count, sizeof(*fields));
    if (!fields)
        return ax_arena_fail(arena, "a view", err);
    for (size_t i = 0; i < head.field_count; i++) {
        struct form_field field;
        memcpy(&field, bytes.ptr + sizeof(head) + i * sizeof(field), sizeof(field));
        if (field.storage >= AX_STORAGE_COUNT || field.is_list > 1 || field.lacks_files > 1)
            return ax_fail(err, AX_E_INVALID, "field %zu of a view's form is none", i);
        fields[i].storage =
            (struct ax_storage){ (enum ax_storage_kind)field.storage, field.is_list != 0 };
        fields[i].lacks_files = field.lacks_files != 0;
        memcpy(fields[i].digest, field.digest, DIGEST_BYTES);
    }
    *ret_form = (struct ax_online_form){ .layout = head.layout,
                                         .field_count = head.field_count,
                                         .fields = fields };
    memcpy(ret_form->digest, head.digest, DIGEST_BYTES);
    return AX_OK;
}

/* ---- two of them ---- */

static bool are_same(const struct ax_online_form_field *a, const struct ax_online_form_field *b)
{
    return a->storage.kind == b->storage.kind && a->storage.is_list == b->storage.is_list &&
           memcmp(a->digest, b->digest, DIGEST_BYTES) == 0;
}

/* The field of the form that is the same; most stand behind the one that was found before. */
static size_t find_field(const struct ax_online_form *form,
                         const struct ax_online_form_field *field, size_t from)
{
    for (size_t i = 0; i < form->field_count; i++) {
        size_t at = (from + i) % form->field_count;
        if (are_same(&form->fields[at], field))
            return at;
    }
    return AX_ONLINE_FORM_NEW;
}

enum ax_code ax_online_form_match(const struct ax_online_form *form,
                                  const struct ax_online_form *former, struct ax_arena *arena,
                                  const size_t **ret_fields, struct ax_err *err)
{
    assert(form && former && arena && ret_fields && err);
    *ret_fields = NULL;
    if (memcmp(form->digest, former->digest, DIGEST_BYTES) != 0)
        return AX_OK;
    size_t *fields = ax_arena_alloc(arena, form->field_count, sizeof(*fields));
    size_t next = 0;
    if (!fields)
        return ax_arena_fail(arena, "a view", err);
    for (size_t i = 0; i < form->field_count; i++) {
        fields[i] = find_field(former, &form->fields[i], next);
        if (fields[i] != AX_ONLINE_FORM_NEW)
            next = fields[i] + 1;
    }
    *ret_fields = fields;
    return AX_OK;
}

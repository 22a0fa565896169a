/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One feature in the definition of its object: where it stands there depends on the kind (fields of
 * a view, columns of a source, keys of an entity, inputs of a service), and its description and
 * deprecation stand in the notes.
 */
#include "cmd/features_catalogue.h"

#include "base/json.h"

#include <assert.h>

#define WORD_BYTES_MAX ((size_t)1 << 20)

struct printer {
    struct ax_buf *out;
    bool json;
};

/* A text of several lines stays one in a table. */
static void put_line(struct ax_buf *out, struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++)
        (void)ax_buf_append_char(out, (unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
}

static bool is_scalar(const struct ax_json *value)
{
    enum ax_json_kind kind = ax_json_kind(value);
    return kind != AX_JSON_KIND_OBJECT && kind != AX_JSON_KIND_ARRAY;
}

/* A word that says nothing is passed over: its name stands above already, and null is no default.
 */
static void put_word(const struct printer *printer, struct ax_str above, struct ax_str key,
                     const struct ax_json *value)
{
    if (ax_json_kind(value) == AX_JSON_KIND_NULL || ax_str_is(key, "name"))
        return;
    struct ax_buf name;
    ax_buf_init(&name, WORD_BYTES_MAX);
    ax_buf_printf(&name, "%.*s%s%.*s", AX_STR_ARG(above), above.len ? "." : "", AX_STR_ARG(key));
    if (ax_buf_append_char(&name, '\0')) {
        printer->out->failed = name.failed;
    } else if (printer->json) {
        ax_json_put_key(printer->out, name.ptr);
        ax_json_put_value(printer->out, value);
    } else {
        ax_buf_printf(printer->out, "  %-11s ", name.ptr);
        if (ax_json_kind(value) == AX_JSON_KIND_STRING)
            put_line(printer->out, ax_json_str(value));
        else
            ax_json_put_plain(printer->out, value);
        (void)ax_buf_append_char(printer->out, '\n');
    }
    ax_buf_done(&name);
}

/* Its words, and those of mappings in it, as the keys of a role are. */
static void put_words(const struct printer *printer, const struct ax_json *object)
{
    struct ax_json_iter it = ax_json_iterate(object);
    for (const struct ax_json *value; (value = ax_json_next(&it));) {
        if (is_scalar(value)) {
            put_word(printer, AX_STR(""), it.key, value);
            continue;
        }
        struct ax_str above = it.key;
        struct ax_json_iter inside = ax_json_iterate(value);
        for (const struct ax_json *word; (word = ax_json_next(&inside));)
            if (inside.is_object && is_scalar(word))
                put_word(printer, above, inside.key, word);
    }
}

/* What is called so in a mapping, or in a list of things that have a name; NULL when nothing is. */
static const struct ax_json *find_named(const struct ax_json *all, struct ax_str part)
{
    struct ax_json_iter it = ax_json_iterate(all);
    for (const struct ax_json *value; all && (value = ax_json_next(&it));)
        if (ax_str_equals(it.is_object ? it.key : ax_json_str(ax_json_get(value, "name")), part))
            return value;
    return NULL;
}

void ax_features_put_part(struct ax_buf *out, const struct ax_registry_object *object,
                          struct ax_str part, bool json)
{
    static const char *const places[AX_REGISTRY_KIND_COUNT] = {
        [AX_REGISTRY_ENTITY] = "keys",       [AX_REGISTRY_SOURCE] = "columns",
        [AX_REGISTRY_VIEW] = "fields",       [AX_REGISTRY_SERVICE] = "inputs",
        [AX_REGISTRY_MODEL] = "no features",
    };
    assert(out && object && part.len);
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_json_doc *doc = NULL;
    const struct printer printer = { .out = out, .json = json };
    /* It was JSON when it was applied. */
    if (ax_json_parse(object->definition, &doc, &ignored))
        return;
    const struct ax_json *root = ax_json_root(doc);
    const struct ax_json *found = find_named(ax_json_get(root, places[object->kind]), part);
    const struct ax_json *notes = ax_json_get(ax_json_get(root, "notes"), places[object->kind]);
    if (found && !is_scalar(found))
        put_words(&printer, found);
    notes = find_named(notes, part);
    if (notes)
        put_words(&printer, notes);
    ax_json_free(doc);
}

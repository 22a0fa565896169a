/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A default is checked by what will use it: one row of ax_rows in which it is set. So a default
 * that loads can never fail when a request needs it.
 */
#include "engine/input_yaml.h"

#include "data/rows.h"

#include <assert.h>

enum ax_code ax_yaml_texts(const struct ax_yaml *list, const char *name, struct ax_arena *arena,
                           struct ax_str **ret_texts, size_t *ret_count, struct ax_err *err)
{
    assert(list && name && arena && ret_texts && ret_count && err);
    if (list->kind != AX_YAML_LIST)
        return ax_yaml_fail(list, name, err, "expected a list of texts");
    struct ax_str *texts = ax_arena_alloc(arena, list->count, sizeof(*texts));
    if (!texts)
        return ax_arena_fail(arena, name, err);
    size_t count = 0;
    for (const struct ax_yaml *item = list->first; item; item = item->next)
        if (ax_yaml_str(item, name, &texts[count++], err))
            return err->code;
    *ret_texts = texts;
    *ret_count = count;
    return AX_OK;
}

static bool is_same_dictionary(const struct ax_dictionary *dictionary, const struct ax_str *texts,
                               size_t count)
{
    if (dictionary->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!ax_str_equals(dictionary->names[i], texts[i]))
            return false;
    return true;
}

static enum ax_code take_categories(struct ax_signature *signature, size_t index,
                                    const struct ax_yaml *node, const char *name,
                                    struct ax_err *err)
{
    struct ax_input *input = &signature->inputs[index];
    struct ax_str *texts;
    size_t count;
    if (input->datatype == AX_BYTES || input->datatype == AX_BOOL)
        return ax_yaml_fail(node, name, err, "categories are for numeric inputs; this is %s",
                            ax_datatype_name(input->datatype));
    if (ax_dictionary_is_hashed(input->categories))
        return ax_yaml_fail(node, name, err,
                            "the model file holds hashes of the categories of '%.*s', any text is "
                            "one; leave them out",
                            AX_STR_ARG(input->name));
    if (ax_yaml_texts(node, name, &signature->arena, &texts, &count, err))
        return err->code;
    if (input->categories)
        return is_same_dictionary(input->categories, texts, count)
                   ? AX_OK
                   : ax_yaml_fail(node, name, err,
                                  "the model file has other categories for '%.*s'; leave them out",
                                  AX_STR_ARG(input->name));
    if (ax_signature_add_dictionary(signature, index, texts, count, err))
        return err->code == AX_E_INVALID
                   ? ax_err_context(err, "%s:%u:%u", name, node->line, node->column)
                   : err->code;
    return AX_OK;
}

static enum ax_code check_default(struct ax_signature *signature, size_t index,
                                  const struct ax_yaml *node, const char *name, struct ax_err *err)
{
    const struct ax_input *input = &signature->inputs[index];
    struct ax_arena arena;
    struct ax_rows rows;
    ax_arena_init(&arena, 4096, (size_t)1 << 24);
    enum ax_code code = ax_rows_init(&rows, signature, 1, &arena, err);
    if (!code && input->datatype == AX_BYTES)
        code = ax_rows_set_str(&rows, 0, index, input->default_text, err);
    else if (!code && !input->categories)
        code = ax_rows_set_f64(&rows, 0, index, input->default_number, err);
    ax_arena_done(&arena);
    return code ? ax_err_context(err, "%s:%u:%u: default", name, node->line, node->column) : AX_OK;
}

static enum ax_code take_category_default(struct ax_input *input, const struct ax_yaml *node,
                                          const char *name, struct ax_err *err)
{
    struct ax_str text;
    if (ax_yaml_str(node, name, &text, err))
        return err->code;
    long index = ax_dictionary_index(input->categories, text);
    long near = index < 0 ? ax_dictionary_nearest(input->categories, text) : -1;
    if (near >= 0)
        return ax_yaml_fail(node, name, err, "unknown category '%.*s'; nearest is '%.*s'",
                            AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)),
                            AX_STR_ARG(input->categories->names[near]));
    if (index < 0)
        return ax_yaml_fail(node, name, err, "unknown category '%.*s'", AX_STR_ARG(text));
    input->default_number = (double)index;
    return AX_OK;
}

static enum ax_code take_text_default(struct ax_signature *signature, struct ax_input *input,
                                      const struct ax_yaml *node, const char *name,
                                      struct ax_err *err)
{
    struct ax_str text;
    if (ax_yaml_str(node, name, &text, err))
        return err->code;
    char *copy = ax_arena_strdup(&signature->arena, text);
    if (!copy)
        return ax_arena_fail(&signature->arena, "the signature", err);
    input->default_text = (struct ax_str){ copy, text.len };
    return AX_OK;
}

static enum ax_code take_default(struct ax_signature *signature, size_t index,
                                 const struct ax_yaml *node, const char *name, struct ax_err *err)
{
    struct ax_input *input = &signature->inputs[index];
    enum ax_code code;
    bool is_true;
    if (input->categories) {
        code = take_category_default(input, node, name, err);
    } else if (input->datatype == AX_BYTES) {
        code = take_text_default(signature, input, node, name, err);
    } else if (input->datatype == AX_BOOL) {
        code = ax_yaml_bool(node, name, &is_true, err);
        if (!code)
            input->default_number = is_true;
    } else {
        code = ax_yaml_f64(node, name, &input->default_number, err);
    }
    if (code || check_default(signature, index, node, name, err))
        return err->code;
    input->has_default = true;
    input->required = false; /* the model file's wish, which the default grants */
    return AX_OK;
}

enum ax_code ax_input_yaml_take(struct ax_signature *signature, size_t index,
                                const struct ax_yaml *map, const char *name, struct ax_err *err)
{
    assert(signature && index < signature->input_count && map && name && err);
    const struct ax_yaml *categories = ax_yaml_get(map, "categories");
    const struct ax_yaml *required = ax_yaml_get(map, "required");
    const struct ax_yaml *fallback = ax_yaml_get(map, "default");
    struct ax_input *input = &signature->inputs[index];
    if (categories && take_categories(signature, index, categories, name, err))
        return err->code;
    if (required && ax_yaml_bool(required, name, &input->required, err))
        return err->code;
    if (fallback && required && input->required)
        return ax_yaml_fail(fallback, name, err,
                            "an input with a default is never missing; leave out one of 'required' "
                            "and 'default'");
    if (fallback && take_default(signature, index, fallback, name, err))
        return err->code;
    return AX_OK;
}

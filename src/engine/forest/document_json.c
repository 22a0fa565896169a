/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON into a tree of values, by the pull reader of base/json_reader.h, which checks the grammar.
 *
 * The pull reader rather than a document of base/json.h: it hands out numbers as text, which are
 * needed to round to f32 once, and it lets an array of a million numbers stay one value.
 */
#include "engine/forest/document.h"

#include "base/json_reader.h"

#include <assert.h>

static enum ax_value_kind json_kind(enum ax_json_token token)
{
    if (token == AX_JSON_OBJECT_BEGIN)
        return AX_VALUE_MAP;
    if (token == AX_JSON_ARRAY_BEGIN)
        return AX_VALUE_NUMBERS;
    if (token == AX_JSON_STRING)
        return AX_VALUE_TEXT;
    if (token == AX_JSON_NUMBER)
        return AX_VALUE_NUMBER;
    return token == AX_JSON_NULL ? AX_VALUE_NULL : AX_VALUE_BOOL;
}

static enum ax_code json_value(struct ax_document *document, struct ax_document_path *path,
                               const struct ax_json_reader *reader, enum ax_json_token token,
                               struct ax_str key, struct ax_err *err)
{
    enum ax_value_kind kind = json_kind(token);
    bool is_number = kind == AX_VALUE_NUMBER || kind == AX_VALUE_BOOL;
    if (is_number && ax_document_add_number(document, path))
        return AX_OK;
    struct ax_value *value;
    if (ax_document_add(document, path, kind, key, &value, err))
        return err->code;
    value->is_true = token == AX_JSON_TRUE;
    if (kind == AX_VALUE_TEXT)
        return ax_json_read_text(reader, &document->arena, &value->raw, err);
    if (kind == AX_VALUE_NUMBER)
        value->raw = reader->raw;
    else if (ax_value_is_container(kind))
        value->raw.ptr = reader->text.ptr + reader->at;
    return AX_OK;
}

enum ax_code ax_document_read_json(struct ax_document *document, struct ax_str bytes,
                                   struct ax_err *err)
{
    assert(document && (bytes.ptr || bytes.len == 0) && err);
    struct ax_json_reader reader;
    ax_json_reader_init(&reader, bytes);
    struct ax_document_path path = { .depth = 0 };
    struct ax_str key = { 0 };
    for (;;) {
        enum ax_json_token token = ax_json_read(&reader, err);
        if (token == AX_JSON_FAILED)
            return err->code;
        if (token == AX_JSON_END)
            return AX_OK;
        if (token == AX_JSON_KEY) {
            if (ax_json_read_text(&reader, &document->arena, &key, err))
                return err->code;
        } else if (token == AX_JSON_OBJECT_END || token == AX_JSON_ARRAY_END) {
            struct ax_value *value = &document->values[path.open[path.depth - 1].value];
            value->raw.len = (size_t)(reader.text.ptr + reader.at - 1 - value->raw.ptr);
            if (ax_document_close(document, &path, err))
                return err->code;
        } else {
            if (json_value(document, &path, &reader, token, key, err))
                return err->code;
            key = (struct ax_str){ 0 };
            /* Most of a file are arrays of numbers: what is one is passed over at once. */
            if (token == AX_JSON_ARRAY_BEGIN)
                document->values[document->count - 1].count = ax_json_skip_numbers(&reader);
        }
    }
}

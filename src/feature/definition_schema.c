/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of keys printed: as a JSON Schema for editors, and as the reference in
 * docs/feature-definitions.md.
 *
 * The schema knows form, not meaning: that a name is known or a type fits is told by `auspex plan`.
 */
#include "feature/definition_keys.h"

#include "base/json.h"
#include "data/expr/type.h"

#include <assert.h>

#define STORAGE_WORDS "bool|int32|int64|float32|float64|string|bytes|timestamp|duration"

/* ---- JSON Schema ---- */

/* Form of a value that needs nothing of its key; NULL: it does. */
static const char *value_form(enum ax_definition_value value)
{
    switch (value) {
    case AX_VALUE_TEXT: /* a number without quotes is taken as it is written */
        return "\"type\":[\"string\",\"number\",\"boolean\"]";
    case AX_VALUE_NAME:
        return "\"type\":\"string\"";
    case AX_VALUE_NAMES:
        return "\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,"
               "\"items\":{\"type\":\"string\"}}]";
    case AX_VALUE_FLAG:
        return "\"type\":\"boolean\"";
    case AX_VALUE_FLAG_TEXT:
        return "\"type\":[\"boolean\",\"string\",\"number\"]";
    case AX_VALUE_FORMAT:
        return "\"const\":1";
    case AX_VALUE_COUNT:
        return "\"type\":\"integer\"";
    case AX_VALUE_NUMBER:
        return "\"type\":\"number\"";
    case AX_VALUE_DURATION:
        return "\"type\":\"string\",\"pattern\":\"^[0-9]+(us|ms|s|m|h|d)$\"";
    case AX_VALUE_STORAGE:
        return "\"$ref\":\"#/$defs/type\"";
    case AX_VALUE_EXPRESSION:
        return "\"type\":[\"string\",\"number\",\"boolean\"]";
    case AX_VALUE_SCALAR:
        return "\"type\":[\"string\",\"number\",\"boolean\",\"null\"]";
    case AX_VALUE_SCALARS:
        return "\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":[\"string\",\"number\","
               "\"boolean\"]}";
    case AX_VALUE_TYPES:
        return "\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"$ref\":"
               "\"#/$defs/type\"}";
    case AX_VALUE_NAMED:
        return "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}";
    case AX_VALUE_OTHER:
        return "\"type\":[\"object\",\"array\"]";
    case AX_VALUE_WORD:
    case AX_VALUE_MAPPINGS:
    case AX_VALUE_LIST:
    case AX_VALUE_MAPPING:
        break;
    }
    return NULL;
}

static void put_words(struct ax_buf *out, const char *words)
{
    (void)ax_buf_append_str(out, AX_STR("\"enum\":["));
    while (*words) {
        size_t len = strcspn(words, "|");
        ax_json_put_str(out, (struct ax_str){ words, len });
        words += len + (words[len] == '|');
        (void)ax_buf_append_str(out, ax_str_from(*words ? "," : "]"));
    }
}

static void put_key_form(struct ax_buf *out, const struct ax_definition_key *key)
{
    const char *form = value_form(key->value);
    const char *of = ax_definition_keys(key->of)->name;
    if (form)
        (void)ax_buf_append_str(out, ax_str_from(form));
    else if (key->value == AX_VALUE_WORD)
        put_words(out, key->words);
    else if (key->value == AX_VALUE_MAPPINGS)
        (void)ax_buf_printf(out,
                            "\"type\":\"object\",\"additionalProperties\":{\"$ref\":"
                            "\"#/$defs/%s\"}",
                            of);
    else if (key->value == AX_VALUE_LIST)
        (void)ax_buf_printf(out,
                            "\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":"
                            "\"#/$defs/%s\"}",
                            of);
    else
        (void)ax_buf_printf(out, "\"$ref\":\"#/$defs/%s\"", of);
}

/* Of these keys exactly one is required. */
static void put_one_of(struct ax_buf *out, const char *words)
{
    (void)ax_buf_append_str(out, AX_STR(",\"oneOf\":["));
    while (*words) {
        size_t len = strcspn(words, "|");
        (void)ax_buf_printf(out, "{\"required\":[\"%.*s\"]}", (int)len, words);
        words += len + (words[len] == '|');
        (void)ax_buf_append_char(out, *words ? ',' : ']');
    }
}

/* The members of an object that is this mapping. */
static void put_mapping(struct ax_buf *out, const struct ax_definition_keys *table)
{
    (void)ax_buf_append_str(out, AX_STR("\"type\":\"object\",\"description\":"));
    ax_json_put_str(out, ax_str_from(table->about));
    (void)ax_buf_append_str(out, AX_STR(",\"additionalProperties\":false,\"required\":["));
    const char *comma = "";
    for (size_t i = 0; i < table->key_count; i++) {
        if (!table->keys[i].required)
            continue;
        (void)ax_buf_printf(out, "%s\"%s\"", comma, table->keys[i].name);
        comma = ",";
    }
    (void)ax_buf_append_str(out, AX_STR("],\"properties\":{"));
    for (size_t i = 0; i < table->key_count; i++) {
        ax_json_put_key(out, table->keys[i].name);
        (void)ax_buf_append_str(out, AX_STR("{\"description\":"));
        ax_json_put_str(out, ax_str_from(table->keys[i].about));
        (void)ax_buf_append_char(out, ',');
        put_key_form(out, &table->keys[i]);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, '}');
    if (table->one_of)
        put_one_of(out, table->one_of);
}

void ax_definition_put_schema(struct ax_buf *out)
{
    assert(out);
    (void)ax_buf_append_str(out, AX_STR("{\"$schema\":\"https://json-schema.org/draft/2020-12/"
                                        "schema\",\"title\":\"auspex feature definitions\","));
    put_mapping(out, ax_definition_keys(AX_MAPPING_FILE));
    (void)ax_buf_append_str(out, AX_STR(",\"$defs\":{\"type\":{\"type\":\"string\",\"pattern\":"
                                        "\"^(" STORAGE_WORDS "|list<(" STORAGE_WORDS ")>)$\"}"));
    for (int i = AX_MAPPING_FILE + 1; i < AX_MAPPING_COUNT; i++) {
        const struct ax_definition_keys *table = ax_definition_keys((enum ax_definition_mapping)i);
        ax_json_put_key(out, table->name);
        if (table->has_short)
            (void)ax_buf_printf(out, "{\"anyOf\":[{%s},{", value_form(table->short_of));
        else
            (void)ax_buf_append_char(out, '{');
        put_mapping(out, table);
        (void)ax_buf_append_str(out, ax_str_from(table->has_short ? "}]}" : "}"));
    }
    (void)ax_buf_append_str(out, AX_STR("}}\n"));
}

/* ---- Markdown ---- */

/* A '|' would end the cell. */
static void put_cell(struct ax_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            (void)ax_buf_append_char(out, '\\');
        (void)ax_buf_append_char(out, *text);
    }
}

static void put_value(struct ax_buf *out, const struct ax_definition_key *key)
{
    if (key->value == AX_VALUE_WORD) {
        put_cell(out, key->words);
        return;
    }
    (void)ax_buf_append_str(out, ax_str_from(ax_definition_value_name(key->value)));
    if (key->value == AX_VALUE_MAPPINGS)
        (void)ax_buf_append_str(out, AX_STR(" to mappings"));
}

static void put_row(struct ax_buf *out, const struct ax_definition_key *key)
{
    (void)ax_buf_printf(out, "| `%s` | ", key->name);
    put_value(out, key);
    (void)ax_buf_append_str(out, AX_STR(" | "));
    if (key->required)
        (void)ax_buf_append_str(out, AX_STR("**required**"));
    else if (key->default_text)
        (void)ax_buf_printf(out, "`%s`", key->default_text);
    (void)ax_buf_append_str(out, AX_STR(" | "));
    put_cell(out, key->about);
    if (key->example) {
        (void)ax_buf_append_str(out, AX_STR(" `"));
        put_cell(out, key->example);
        (void)ax_buf_append_char(out, '`');
    }
    (void)ax_buf_append_str(out, AX_STR(" |\n"));
}

void ax_definition_put_markdown(struct ax_buf *out)
{
    assert(out);
    for (int i = 0; i < AX_MAPPING_COUNT; i++) {
        const struct ax_definition_keys *table = ax_definition_keys((enum ax_definition_mapping)i);
        (void)ax_buf_printf(out, "\n### %s\n\n%s", table->title, table->about);
        if (table->short_about)
            (void)ax_buf_printf(out, " %s", table->short_about);
        (void)ax_buf_append_str(out, AX_STR("\n\n| key | value | default | meaning |\n"
                                            "| --- | --- | --- | --- |\n"));
        for (size_t k = 0; k < table->key_count; k++)
            put_row(out, &table->keys[k]);
    }
}

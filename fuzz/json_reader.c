/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the pull reader against yyjson, which knows nothing of it.
 *
 * Both must accept the same texts (where they mean to differ is written at tolerated()), see the
 * same values in the same order, and the same numbers to the bit. Then the text is read once more
 * with the fast path for numbers, in runs whose length the input chooses, which must lead to the
 * same tokens. Both again with a limit for one token, as bodies of requests have: nothing longer is
 * handed out, and the tokens are the same up to the first that is too long.
 */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "base/json.h"
#include "base/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* yyjson has no depth limit, takes nan, inf and -NaN in any case, and refuses half a surrogate pair
 * and what is too large for a double, which ours hands out and reports only when asked for it. */
static bool tolerated(const struct ax_err *ours, bool odd_word)
{
    return odd_word || strstr(ours->msg, "nesting depth");
}

/* Whether a letter sequence stands outside of strings that only yyjson takes for a number. */
static bool has_odd_word(const char *text, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        char word[4] = { (char)(text[i] | 0x20), (char)(text[i + 1] | 0x20),
                         (char)(text[i + 2] | 0x20), '\0' };
        if (strcmp(word, "nan") == 0 || strcmp(word, "inf") == 0)
            return true;
    }
    return false;
}

static void compare_number(const struct ax_json_reader *reader, yyjson_val *value)
{
    double ours = 0;
    bool fits = ax_json_read_f64(reader, &ours);
    assert(yyjson_is_num(value));
    double theirs = yyjson_get_num(value);
    if (!fits)
        assert(isinf(theirs));
    else if (isnan(ours))
        assert(isnan(theirs));
    else
        assert(ours == theirs); /* -0 is an integer to yyjson */
    int64_t i64;
    if (yyjson_is_sint(value) && yyjson_get_sint(value) != 0)
        assert(ax_json_read_i64(reader, &i64) && i64 == yyjson_get_sint(value));
    uint64_t u64;
    if (yyjson_is_uint(value))
        assert(ax_json_read_u64(reader, &u64) && u64 == yyjson_get_uint(value));
}

static void compare_text(const struct ax_json_reader *reader, yyjson_val *value,
                         struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_str text;
    enum ax_code code = ax_json_read_text(reader, arena, &text, &err);
    assert(!code && yyjson_is_str(value));
    assert(text.len == yyjson_get_len(value));
    assert(!text.len || memcmp(text.ptr, yyjson_get_str(value), text.len) == 0);
    ax_arena_reset(arena);
}

/* yyjson keeps its values in the order of the text, so no stack is needed. */
static void compare_token(enum ax_json_token token, const struct ax_json_reader *reader,
                          yyjson_val **value, struct ax_arena *arena)
{
    switch (token) {
    case AX_JSON_OBJECT_BEGIN:
        assert(yyjson_is_obj((*value)++));
        break;
    case AX_JSON_ARRAY_BEGIN:
        assert(yyjson_is_arr((*value)++));
        break;
    case AX_JSON_KEY:
    case AX_JSON_STRING:
        compare_text(reader, (*value)++, arena);
        break;
    case AX_JSON_NUMBER:
        compare_number(reader, (*value)++);
        break;
    case AX_JSON_TRUE:
        assert(yyjson_is_true((*value)++));
        break;
    case AX_JSON_FALSE:
        assert(yyjson_is_false((*value)++));
        break;
    case AX_JSON_NULL:
        assert(yyjson_is_null((*value)++));
        break;
    case AX_JSON_OBJECT_END:
    case AX_JSON_ARRAY_END:
    case AX_JSON_END:
    case AX_JSON_FAILED:
        break;
    }
}

static enum ax_json_token read_all(struct ax_str text, yyjson_doc *doc, bool *ret_half_pair,
                                   struct ax_err *err)
{
    struct ax_json_reader reader;
    struct ax_arena arena;
    ax_json_reader_init(&reader, text);
    ax_arena_init(&arena, 4096, 1 << 24);
    yyjson_val *value = doc ? doc->root : NULL;
    enum ax_json_token token;
    *ret_half_pair = false;
    do {
        token = ax_json_read(&reader, err);
        if (doc) {
            compare_token(token, &reader, &value, &arena);
        } else if (token == AX_JSON_STRING || token == AX_JSON_KEY) {
            struct ax_err ignored = AX_ERR_INIT;
            struct ax_str decoded;
            *ret_half_pair |= ax_json_read_text(&reader, &arena, &decoded, &ignored) != AX_OK;
            ax_arena_reset(&arena);
        }
    } while (token != AX_JSON_END && token != AX_JSON_FAILED);
    if (doc && token == AX_JSON_END)
        assert((size_t)(value - doc->root) == doc->val_read);
    ax_arena_done(&arena);
    return token;
}

static bool is_too_long(const struct ax_err *err)
{
    return strstr(err->msg, " of more than ") != NULL;
}

/* The fast path now and then: the same numbers as one by one, and the same end. */
static void read_in_runs(struct ax_str text, size_t token_max, enum ax_json_token end, size_t seed)
{
    struct ax_json_reader fast, slow;
    struct ax_err fast_err = AX_ERR_INIT;
    struct ax_err slow_err = AX_ERR_INIT;
    ax_json_reader_init(&fast, text);
    ax_json_reader_init(&slow, text);
    fast.token_max = slow.token_max = token_max;
    enum ax_json_token token;
    do {
        double values[16];
        size_t count = ax_json_read_f64s(&fast, values, 1, seed++ % 16);
        for (size_t i = 0; i < count; i++) {
            double value = 0;
            token = ax_json_read(&slow, &slow_err);
            assert(token == AX_JSON_NUMBER && ax_json_read_f64(&slow, &value));
            assert(memcmp(&value, &values[i], sizeof(value)) == 0);
        }
        token = ax_json_read(&fast, &fast_err);
        enum ax_json_token other = ax_json_read(&slow, &slow_err);
        assert(token == other && fast.at == slow.at);
    } while (token != AX_JSON_END && token != AX_JSON_FAILED);
    assert(token == end);
    assert(is_too_long(&fast_err) == is_too_long(&slow_err));
}

/* With a limit: as without, up to a token that is too long. Returns the end. */
static enum ax_json_token read_limited(struct ax_str text, size_t token_max)
{
    struct ax_json_reader limited, any;
    struct ax_err limited_err = AX_ERR_INIT;
    struct ax_err any_err = AX_ERR_INIT;
    ax_json_reader_init(&limited, text);
    ax_json_reader_init(&any, text);
    limited.token_max = token_max;
    enum ax_json_token token;
    do {
        token = ax_json_read(&limited, &limited_err);
        if (token == AX_JSON_FAILED && is_too_long(&limited_err))
            return token;
        enum ax_json_token other = ax_json_read(&any, &any_err);
        assert(token == other && limited.at == any.at);
        if (token == AX_JSON_KEY || token == AX_JSON_STRING || token == AX_JSON_NUMBER)
            assert(limited.raw.len <= token_max && limited.raw.ptr == any.raw.ptr);
    } while (token != AX_JSON_END && token != AX_JSON_FAILED);
    assert(token != AX_JSON_FAILED || strcmp(limited_err.msg, any_err.msg) == 0);
    return token;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_str text = { (const char *)data, size };
    yyjson_doc *doc =
        yyjson_read_opts((char *)data, size, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
    struct ax_err err = AX_ERR_INIT;
    bool odd_word = has_odd_word(text.ptr, text.len);
    bool half_pair;
    enum ax_json_token end = read_all(text, odd_word ? NULL : doc, &half_pair, &err);
    if (end == AX_JSON_END && !doc)
        assert(half_pair);
    if (end == AX_JSON_FAILED && doc)
        assert(tolerated(&err, odd_word));
    read_in_runs(text, 0, end, size);

    /* The last byte, which grammar hardly needs, chooses the limit; words always fit. */
    size_t token_max = strlen("-Infinity") + (size ? data[size - 1] % 64 : 0);
    read_in_runs(text, token_max, read_limited(text, token_max), size);

    struct ax_json_doc *ours;
    struct ax_err parse_err = AX_ERR_INIT;
    if (!ax_json_parse(text, &ours, &parse_err))
        ax_json_free(ours);
    yyjson_doc_free(doc);
    return 0;
}

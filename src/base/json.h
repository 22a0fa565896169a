/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: documents for the control plane, printing for everything.
 *
 * Reading makes an immutable tree (yyjson behind this header) whose texts and values live as long
 * as the document. Depth and size are bounded; duplicate keys are kept and the first one is found.
 * Large tensors do not come this way: see json_reader.h. Printing appends to a struct ax_buf, whose
 * sticky failure is checked once at the end.
 */
#ifndef AX_BASE_JSON_H
#define AX_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define AX_JSON_DEPTH_MAX 100

enum ax_json_kind {
    AX_JSON_KIND_NULL,
    AX_JSON_KIND_BOOL,
    AX_JSON_KIND_NUMBER,
    AX_JSON_KIND_STRING,
    AX_JSON_KIND_ARRAY,
    AX_JSON_KIND_OBJECT,
};

struct ax_json_doc;
struct ax_json; /* a value inside a document, borrowed */

/* Parse strict JSON, plus the bare tokens NaN, Infinity, -Infinity, as Python prints them. `text`
 * is not kept. Expected: INVALID (with the position; depth: "JSON nesting depth exceeds maximum
 * allowed limit (100)"), LIMIT. */
AX_MUST_USE enum ax_code ax_json_parse(struct ax_str text, struct ax_json_doc **ret_doc,
                                       struct ax_err *err);
void ax_json_free(struct ax_json_doc *doc);
const struct ax_json *ax_json_root(const struct ax_json_doc *doc);

/* All take NULL and answer as for a JSON null or an absent value. */
enum ax_json_kind ax_json_kind(const struct ax_json *value);
const struct ax_json *ax_json_get(const struct ax_json *object, const char *key);
size_t ax_json_count(const struct ax_json *value);      /* elements or members */
struct ax_str ax_json_str(const struct ax_json *value); /* empty unless a string */
bool ax_json_is_true(const struct ax_json *value);

/* False unless a number that fits exactly (f64: nearest double). */
AX_MUST_USE bool ax_json_to_f64(const struct ax_json *value, double *ret);
AX_MUST_USE bool ax_json_to_i64(const struct ax_json *value, int64_t *ret);
AX_MUST_USE bool ax_json_to_u64(const struct ax_json *value, uint64_t *ret);

/* Iterate: struct ax_json_iter it = ax_json_iterate(v); while ((v = ax_json_next(&it))) … ; for an
 * object it.key is the member's name. Anything else has no elements. */
struct ax_json_iter {
    const struct ax_json *at;
    size_t left;
    bool is_object;
    struct ax_str key;
};
struct ax_json_iter ax_json_iterate(const struct ax_json *value);
const struct ax_json *ax_json_next(struct ax_json_iter *iter);

/* Print one value. Strings: quoted and escaped, invalid UTF-8 becomes U+FFFD. Floats: the shortest
 * text that reads back to the same f64 (f32: to the same f32); integers in floats keep ".0";
 * NaN, Infinity, -Infinity as bare tokens. */
void ax_json_put_str(struct ax_buf *out, struct ax_str text);
void ax_json_put_f64(struct ax_buf *out, double value);
void ax_json_put_f32(struct ax_buf *out, float value);
void ax_json_put_i64(struct ax_buf *out, int64_t value);
void ax_json_put_u64(struct ax_buf *out, uint64_t value);
void ax_json_put_bool(struct ax_buf *out, bool value);
/* One of a document with all that is inside, on one line; NULL is null. */
void ax_json_put_value(struct ax_buf *out, const struct ax_json *value);
/* The same for people: a text as it is, 1.0 as 1. */
void ax_json_put_plain(struct ax_buf *out, const struct ax_json *value);

/* A finite f64 as above, without a buffer; no NUL behind it. Returns its length. */
#define AX_JSON_F64_TEXT_SIZE 64
size_t ax_json_print_f64(double value, char ret_text[AX_JSON_F64_TEXT_SIZE]);

/* `"key":` with a comma in front unless it is the first member (the last byte is '{'). */
void ax_json_put_key(struct ax_buf *out, const char *key);

/* A member, key and value. */
void ax_json_put_member(struct ax_buf *out, const char *key, struct ax_str text);
void ax_json_put_member_u64(struct ax_buf *out, const char *key, uint64_t value);
void ax_json_put_member_bool(struct ax_buf *out, const char *key, bool value);

/* '{' of an element of a list, with a comma in front unless it is the first (the last byte is '[').
 */
void ax_json_begin_item(struct ax_buf *out);

#endif

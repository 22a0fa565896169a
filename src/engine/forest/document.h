/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model file as a tree of values, read from JSON or from UBJSON.
 *
 * Both formats end in the same tree, so what the values mean is written down once. The tree is
 * immutable and points into the file's bytes, which must outlive it. An array that holds nothing
 * but numbers (or true and false) is one value of kind NUMBERS, however long: its elements stay
 * where they lie in the file and are converted when they are asked for, text straight to the type
 * wanted, so that nothing is rounded twice. Depth, number of values and every length are checked
 * while reading; nothing here recurses.
 */
#ifndef AX_ENGINE_FOREST_DOCUMENT_H
#define AX_ENGINE_FOREST_DOCUMENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define AX_DOCUMENT_DEPTH_MAX  64
#define AX_DOCUMENT_VALUES_MAX ((size_t)1 << 22)

enum ax_value_kind {
    AX_VALUE_NULL,
    AX_VALUE_BOOL,
    AX_VALUE_NUMBER,
    AX_VALUE_TEXT,
    AX_VALUE_NUMBERS, /* an array of numbers and booleans only; also the empty array */
    AX_VALUE_LIST,    /* any other array of one kind of value: its elements are children */
    AX_VALUE_MIXED,   /* an array of numbers and others: tolerated, but nothing can be read of it */
    AX_VALUE_MAP,
};

/* How the numbers of a value lie in the file. */
enum ax_value_form {
    AX_VALUE_FORM_JSON = 0,   /* decimal texts divided by commas */
    AX_VALUE_FORM_MARKED = 1, /* UBJSON, each with its own type marker in front */
    /* else: the UBJSON type marker that all share */
};

struct ax_value {
    enum ax_value_kind kind;
    unsigned char form; /* enum ax_value_form or a UBJSON marker, of NUMBER and NUMBERS */
    bool is_true;       /* of BOOL */
    uint32_t child;     /* places from here to the first child; 0: none */
    uint32_t sibling;   /* places from here to the next child of the same parent; 0: none */
    size_t count;       /* elements or members */
    struct ax_str key;  /* of a map's member */
    struct ax_str raw;  /* TEXT: the text; NUMBER and NUMBERS: the bytes */
};

struct ax_document {
    struct ax_value *values; /* the root first */
    size_t count;
    size_t capacity;
    struct ax_arena arena; /* texts that had escapes */
};

/* Read a whole file; the byte behind the first '{' tells the formats apart. Expected: INVALID (with
 * the place), TOO_LARGE, LIMIT. On failure there is nothing to release. */
AX_MUST_USE enum ax_code ax_document_init(struct ax_document *document, struct ax_str bytes,
                                          struct ax_err *err);
void ax_document_done(struct ax_document *document);

/* What ax_document_init calls, and the builder that both use. */
AX_MUST_USE enum ax_code ax_document_read_json(struct ax_document *document, struct ax_str bytes,
                                               struct ax_err *err);
AX_MUST_USE enum ax_code ax_document_read_ubjson(struct ax_document *document, struct ax_str bytes,
                                                 struct ax_err *err);

/* The containers that are open while a document is read. */
struct ax_document_path {
    struct {
        uint32_t value; /* the container */
        uint32_t last;  /* its newest child, 0: none yet */
    } open[AX_DOCUMENT_DEPTH_MAX];
    unsigned depth;
};

/* Add a value of `kind` to the innermost open container; maps and arrays become the innermost one
 * (an array begins as NUMBERS). *ret_value stays valid until the next call. Expected: TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_document_add(struct ax_document *document,
                                         struct ax_document_path *path, enum ax_value_kind kind,
                                         struct ax_str key, struct ax_value **ret_value,
                                         struct ax_err *err);
/* Count an element that needs no value of its own. True when it was taken: the innermost container
 * is an array that held only numbers so far. */
bool ax_document_add_number(struct ax_document *document, struct ax_document_path *path);
/* Close the innermost open container. Expected: INVALID (a map with two members of one name),
 * LIMIT. */
AX_MUST_USE enum ax_code ax_document_close(const struct ax_document *document,
                                           struct ax_document_path *path, struct ax_err *err);

static inline bool ax_value_is_container(enum ax_value_kind kind)
{
    return kind >= AX_VALUE_NUMBERS;
}

/* The member of that name, or NULL; NULL too when `map` is NULL or no map. */
const struct ax_value *ax_value_get(const struct ax_value *map, const char *key);

/* The first child of a LIST or MAP, the next one, or NULL. */
static inline const struct ax_value *ax_value_first(const struct ax_value *value)
{
    return value && value->child ? value + value->child : NULL;
}
static inline const struct ax_value *ax_value_next(const struct ax_value *value)
{
    return value->sibling ? value + value->sibling : NULL;
}

/* A NUMBER that is an integer and fits. */
AX_MUST_USE bool ax_value_to_i64(const struct ax_value *value, int64_t *ret);
/* A NUMBER, as the nearest f64. */
AX_MUST_USE bool ax_value_to_f64(const struct ax_value *value, double *ret);

/* The first `count` elements of NUMBERS (count <= value->count): integers that fit (true is 1), or
 * the nearest f32 of each number, as one rounding of what the file says. False when an element is
 * of another kind; `out` is undefined then. */
AX_MUST_USE bool ax_value_read_i32(const struct ax_value *value, int32_t *out, size_t count);
AX_MUST_USE bool ax_value_read_i64(const struct ax_value *value, int64_t *out, size_t count);
AX_MUST_USE bool ax_value_read_f32(const struct ax_value *value, float *out, size_t count);
AX_MUST_USE bool ax_value_read_f64(const struct ax_value *value, double *out, size_t count);

/* Bytes of a UBJSON number of type `marker`, or 0 when that is no number we read. */
size_t ax_ubjson_number_size(unsigned char marker);

/* The text of one JSON number (or NaN, Infinity, -Infinity) at the start of `text`, which ends with
 * any other character. Returns the bytes used. */
size_t ax_text_to_f32(struct ax_str text, float *ret);

#endif

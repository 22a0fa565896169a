/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull reader of JSON over a body that lies whole in memory.
 *
 * It hands out one token a call and keeps its whole state in the struct, so a long body can be read
 * in slices by simply stopping between two calls. It checks grammar, nesting (at most
 * AX_JSON_DEPTH_MAX) and UTF-8, does not recurse and does not allocate, but for strings with
 * escapes, which go to the caller's arena. Numbers are JSON's, plus the tokens NaN, Infinity and
 * -Infinity (accepted as numbers).
 */
#ifndef AX_BASE_JSON_READER_H
#define AX_BASE_JSON_READER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum ax_json_token {
    AX_JSON_FAILED,       /* malformed; `err` holds INVALID and the position */
    AX_JSON_END,          /* behind the value; nothing but white space was left */
    AX_JSON_OBJECT_BEGIN, /* { */
    AX_JSON_OBJECT_END,
    AX_JSON_ARRAY_BEGIN, /* [ */
    AX_JSON_ARRAY_END,
    AX_JSON_KEY,    /* a member's name; the colon is read too */
    AX_JSON_STRING, /* raw text between the quotes in `raw` */
    AX_JSON_NUMBER, /* its text in `raw` */
    AX_JSON_TRUE,
    AX_JSON_FALSE,
    AX_JSON_NULL,
};

/* What a token of a request's body may take, so that reading one is never long. */
#define AX_JSON_TOKEN_BYTES_MAX ((size_t)64 << 10)

struct ax_json_reader {
    struct ax_str text; /* borrowed */
    size_t at;          /* next byte */
    size_t token_max;   /* bytes of a string, a number, a run of white space; 0: any; may be set */
    struct ax_str raw;  /* of the last KEY, STRING or NUMBER, within text */
    bool escaped;       /* raw holds backslash escapes */
    bool has_number;    /* the last NUMBER's value came with its end */
    double number;
    unsigned depth;
    uint64_t in_object[2]; /* bit d: level d is an object */
    unsigned char expects; /* what may come next: see json_reader.c */
};

void ax_json_reader_init(struct ax_json_reader *reader, struct ax_str text);

enum ax_json_token ax_json_read(struct ax_json_reader *reader, struct ax_err *err);

/* What a value is called in messages: "a number", "an object", "null". */
const char *ax_json_token_text(enum ax_json_token token) AX_RETURNS_NONNULL;

/* Skip the rest of the value whose first token was just read (a scalar: nothing), at most
 * `byte_budget` bytes; *ret_done says whether it is over. Call again to go on, with the same
 * `depth`: the reader's depth before the value began. */
AX_MUST_USE enum ax_code ax_json_skip(struct ax_json_reader *reader, unsigned depth,
                                      size_t byte_budget, bool *ret_done, struct ax_err *err);

/* The last KEY or STRING without escapes: `raw` itself, or a copy in the arena. Lone surrogates are
 * INVALID. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_json_read_text(const struct ax_json_reader *reader,
                                           struct ax_arena *arena, struct ax_str *ret_text,
                                           struct ax_err *err);

/* The last NUMBER: the nearest f64 (round half even; overflow gives an infinity only for the tokens
 * Infinity, else false), or the exact integer; false when it is none that fits. */
AX_MUST_USE bool ax_json_read_f64(const struct ax_json_reader *reader, double *ret);
AX_MUST_USE bool ax_json_read_i64(const struct ax_json_reader *reader, int64_t *ret);
AX_MUST_USE bool ax_json_read_u64(const struct ax_json_reader *reader, uint64_t *ret);

/* Inside an array: read up to `count` elements that are plain numbers, one after another, each
 * converted to f64 and then narrowed, to values[0], values[stride] …. Stops in front of anything
 * else (also in front of the array's end), and when token_max bytes were read; the commas between
 * are read. Returns how many. The fast path of tensors: a call of ax_json_read goes on behind it.
 */
size_t ax_json_read_f32s(struct ax_json_reader *reader, float *values, size_t stride, size_t count);
size_t ax_json_read_f64s(struct ax_json_reader *reader, double *values, size_t stride,
                         size_t count);

/* The same for as many as there are, and without their values. */
size_t ax_json_skip_numbers(struct ax_json_reader *reader);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text in 16 bytes: in place up to 12 bytes, else its beginning and a pointer.
 *
 * For event ids and values that lie in rows and partials. Whether the pointer's bytes are owned or
 * borrowed is said where such a text lies; copies made by ax_window_text_init are owned.
 */
#ifndef AX_FEATURE_WINDOW_TEXT_H
#define AX_FEATURE_WINDOW_TEXT_H

#include "base/alloc.h"
#include "base/str.h"

#include <stdlib.h>

#define AX_WINDOW_TEXT_INLINE 12

struct ax_window_text {
    uint32_t len;
    char head[4];
    union {
        char rest[8]; /* len <= AX_WINDOW_TEXT_INLINE: follows `head`; what is unused is 0 */
        char *ptr;    /* all of it */
    };
};

static inline bool ax_window_text_is_long(const struct ax_window_text *text)
{
    return text->len > AX_WINDOW_TEXT_INLINE;
}

/* Borrowed of `text`. */
static inline struct ax_str ax_window_text_str(const struct ax_window_text *text)
{
    return (struct ax_str){ ax_window_text_is_long(text) ? text->ptr : text->head, text->len };
}

/* A copy of `text`, of at most UINT32_MAX bytes; false: memory was refused. */
AX_MUST_USE bool ax_window_text_init(struct ax_window_text *ret, struct ax_str text);

/* The same without a copy: `text` is borrowed. */
void ax_window_text_borrow(struct ax_window_text *ret, struct ax_str text);

/* A copy of what a text borrows. */
AX_MUST_USE static inline bool ax_window_text_own(struct ax_window_text *ret,
                                                  const struct ax_window_text *text)
{
    if (ax_window_text_is_long(text))
        return ax_window_text_init(ret, ax_window_text_str(text));
    *ret = *text;
    return true;
}

static inline void ax_window_text_done(struct ax_window_text *text)
{
    if (ax_window_text_is_long(text))
        free(text->ptr);
    *text = (struct ax_window_text){ 0 };
}

/* By bytes; a prefix is smaller. */
static inline int ax_window_text_compare(const struct ax_window_text *a,
                                         const struct ax_window_text *b)
{
    int heads = memcmp(a->head, b->head, sizeof a->head);
    return heads ? heads : ax_str_compare(ax_window_text_str(a), ax_window_text_str(b));
}

/* What a copy takes beyond its 16 bytes. */
static inline size_t ax_window_text_bytes(size_t len)
{
    return len > AX_WINDOW_TEXT_INLINE ? len : 0;
}

#endif

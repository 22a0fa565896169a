/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in 16 bytes. The first four bytes always lie in place and what is unused is zeroed, so that
 * most comparisons end there.
 */
#include "feature/window_text.h"

#include <assert.h>

void ax_window_text_borrow(struct ax_window_text *ret, struct ax_str text)
{
    assert(ret && text.len <= UINT32_MAX);
    enum { HEAD = sizeof ret->head, REST = sizeof ret->rest };
    size_t len = text.len;
    *ret = (struct ax_window_text){ .len = (uint32_t)len };
    if (len < HEAD) {
        for (size_t i = 0; i < len; i++)
            ret->head[i] = text.ptr[i];
        return;
    }
    /* Copies of constant sizes, which may overlap. */
    memcpy(ret->head, text.ptr, HEAD);
    if (len > AX_WINDOW_TEXT_INLINE) {
        ret->ptr = (char *)(uintptr_t)text.ptr;
    } else if (len >= REST) {
        memcpy(ret->rest, text.ptr + HEAD, REST / 2);
        memcpy(ret->rest + (len - REST), text.ptr + (len - REST / 2), REST / 2);
    } else {
        for (size_t i = HEAD; i < len; i++)
            ret->rest[i - HEAD] = text.ptr[i];
    }
}

bool ax_window_text_init(struct ax_window_text *ret, struct ax_str text)
{
    struct ax_window_text made;
    ax_window_text_borrow(&made, text);
    if (ax_window_text_is_long(&made)) {
        made.ptr = ax_try_alloc(text.len, 1);
        if (!made.ptr)
            return false;
        memcpy(made.ptr, text.ptr, text.len);
    }
    *ret = made;
    return true;
}

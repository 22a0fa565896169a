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
    *ret = (struct ax_window_text){ .len = (uint32_t)text.len };
    size_t head = AX_MIN(text.len, sizeof ret->head);
    if (head)
        memcpy(ret->head, text.ptr, head);
    if (text.len > AX_WINDOW_TEXT_INLINE)
        ret->ptr = (char *)(uintptr_t)text.ptr;
    else if (text.len > head)
        memcpy(ret->rest, text.ptr + head, text.len - head);
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

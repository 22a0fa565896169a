/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caret stands below the character: continuation bytes of UTF-8 take no column, and tabs are
 * kept, so that the terminal puts both lines alike.
 */
#include "cmd/expression_place.h"

#include <assert.h>

void ax_expression_place_show(struct ax_str text, size_t at, FILE *out)
{
    assert(at <= text.len && out);
    size_t begin = at;
    while (begin > 0 && text.ptr[begin - 1] != '\n')
        begin--;
    size_t end = begin;
    while (end < text.len && text.ptr[end] != '\n')
        end++;
    (void)fprintf(out, "  %.*s\n  ", (int)(end - begin), text.ptr + begin);
    for (size_t i = begin; i < at; i++)
        if (((unsigned char)text.ptr[i] & 0xC0) != 0x80)
            (void)fputc(text.ptr[i] == '\t' ? '\t' : ' ', out);
    (void)fputs("^\n", out);
}

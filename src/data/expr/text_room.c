/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts one behind the other in pieces of an arena. A piece that is too small for a text is left.
 */
#include "data/expr/text_room.h"

#include <assert.h>

#define PIECE_BYTES ((size_t)8 << 10)

char *ax_text_room_ask(struct ax_text_room *room, size_t len)
{
    assert(room && room->arena);
    if (room->at && len <= room->left)
        return room->at;
    size_t piece = AX_MAX(len, PIECE_BYTES);
    char *at = ax_arena_alloc_aligned(room->arena, piece, 1, 1);
    if (!at)
        return NULL;
    room->at = at;
    room->left = piece;
    return at;
}

struct ax_str ax_text_room_keep(struct ax_text_room *room, size_t len)
{
    assert(room && len <= room->left);
    struct ax_str text = { room->at, len };
    room->at += len;
    room->left -= len;
    return text;
}

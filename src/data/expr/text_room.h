/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for the texts that a kernel makes, taken from the call's arena in large pieces.
 *
 * A kernel asks for as much as a text may need, writes it, and says how much it was. What was not
 * used serves the next one.
 */
#ifndef AX_DATA_EXPR_TEXT_ROOM_H
#define AX_DATA_EXPR_TEXT_ROOM_H

#include "base/arena.h"

struct ax_text_room {
    struct ax_arena *arena;
    char *at;
    size_t left;
};

/* At least `len` bytes, or NULL when the arena refuses them (ax_arena_fail says why). */
char *ax_text_room_ask(struct ax_text_room *room, size_t len);

/* The text of `len` bytes that was written where the last one asked for began. */
struct ax_str ax_text_room_keep(struct ax_text_room *room, size_t len);

#endif

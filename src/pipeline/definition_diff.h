/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which words of a definition changed: two canonical JSON texts compared.
 *
 * A word is a member, named by its path: "fields.seats.type". Elements of a list that have a member
 * "name" are told apart by it, others by their place: "keys[1]". What is there on one side only is
 * told once, not for each of its members; the words are in the order of the texts.
 */
#ifndef AX_PIPELINE_DEFINITION_DIFF_H
#define AX_PIPELINE_DEFINITION_DIFF_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct ax_definition_word {
    struct ax_str path;
    /* As text; empty when it was not there, or is a list or mapping on both sides. */
    struct ax_str from;
    struct ax_str to;
    bool was_there, is_there;
};

/* Compare; the words live in the arena. Texts that differ in the order of a list's elements alone
 * give the list's path, with the two orders. Expected: INVALID (no JSON), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_definition_diff(struct ax_str before, struct ax_str after,
                                            struct ax_arena *arena,
                                            const struct ax_definition_word **ret_words,
                                            size_t *ret_count, struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of an expression, one a call. It owns nothing; texts that have doubled quotes are
 * copied into the caller's arena when they are asked for.
 */
#ifndef AX_DATA_EXPR_LEXER_H
#define AX_DATA_EXPR_LEXER_H

#include "base/arena.h"
#include "base/err.h"

enum ax_token_kind {
    AX_TOKEN_END,
    AX_TOKEN_WORD,     /* a plain word: a name, a function, a word of the language */
    AX_TOKEN_NAME,     /* "…" */
    AX_TOKEN_TEXT,     /* '…' */
    AX_TOKEN_NUMBER,   /* without a sign */
    AX_TOKEN_DURATION, /* digits and letters: 15m */
    AX_TOKEN_SIGN,     /* an operator, a parenthesis, a comma */
};

struct ax_lexer {
    struct ax_str text; /* borrowed, valid UTF-8 without NUL */
    size_t at;          /* next byte */
    enum ax_token_kind kind;
    size_t token_at;   /* where the last token begins */
    struct ax_str raw; /* it, without quotes */
    bool has_doubled;  /* raw holds doubled quotes */
};

void ax_lexer_init(struct ax_lexer *lexer, struct ax_str text);

/* Read the next token. Expected: INVALID (a quote that is not closed, a character that means
 * nothing); then token_at is where. */
AX_MUST_USE enum ax_code ax_lexer_next(struct ax_lexer *lexer, struct ax_err *err);

/* Whether the last token is this sign, or this word in small or capital letters. */
bool ax_lexer_is_sign(const struct ax_lexer *lexer, const char *sign);
bool ax_lexer_is_word(const struct ax_lexer *lexer, const char *word);

/* Whether the next token begins with this character, the last one being read. */
bool ax_lexer_precedes(const struct ax_lexer *lexer, char first);

/* The last WORD, NAME or TEXT with its quotes made single; in the arena. Expected: TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_lexer_take_text(const struct ax_lexer *lexer, struct ax_arena *arena,
                                            struct ax_str *ret_text, struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at the first character tells the kind of a token. A number takes everything that a
 * number may consist of; letters behind its digits, other than an exponent, make it a duration.
 */
#include "data/expr/lexer.h"

#include <assert.h>

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
}

static char peek(const struct ax_lexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->text.len ? lexer->text.ptr[lexer->at + ahead] : '\0';
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

void ax_lexer_init(struct ax_lexer *lexer, struct ax_str text)
{
    assert(lexer && (text.ptr || !text.len));
    *lexer = (struct ax_lexer){ .text = text };
}

static void end_token(struct ax_lexer *lexer, enum ax_token_kind kind)
{
    lexer->kind = kind;
    lexer->raw = (struct ax_str){ lexer->text.ptr + lexer->token_at, lexer->at - lexer->token_at };
    lexer->has_doubled = false;
}

static enum ax_code read_quoted(struct ax_lexer *lexer, enum ax_token_kind kind, struct ax_err *err)
{
    char quote = lexer->text.ptr[lexer->at++];
    size_t begin = lexer->at;
    lexer->has_doubled = false;
    for (; lexer->at < lexer->text.len; lexer->at++) {
        if (lexer->text.ptr[lexer->at] != quote)
            continue;
        if (peek(lexer, 1) != quote) {
            lexer->kind = kind;
            lexer->raw = (struct ax_str){ lexer->text.ptr + begin, lexer->at - begin };
            lexer->at++;
            return AX_OK;
        }
        lexer->has_doubled = true;
        lexer->at++;
    }
    return ax_fail(err, AX_E_INVALID, "the quote %c is not closed", quote);
}

static void skip_digits(struct ax_lexer *lexer)
{
    while (is_digit(peek(lexer, 0)))
        lexer->at++;
}

static void read_number(struct ax_lexer *lexer)
{
    skip_digits(lexer);
    if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
        lexer->at++;
        skip_digits(lexer);
    }
    if ((peek(lexer, 0) | 0x20) == 'e') {
        size_t sign = peek(lexer, 1) == '-' || peek(lexer, 1) == '+';
        if (is_digit(peek(lexer, 1 + sign))) {
            lexer->at += 1 + sign;
            skip_digits(lexer);
        }
    }
    if (!is_letter(peek(lexer, 0))) {
        end_token(lexer, AX_TOKEN_NUMBER);
        return;
    }
    while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
        lexer->at++;
    end_token(lexer, AX_TOKEN_DURATION);
}

static enum ax_code read_sign(struct ax_lexer *lexer, struct ax_err *err)
{
    static const struct ax_str signs[] = {
        /* longer ones first */
        { "<=", 2 }, { ">=", 2 }, { "!=", 2 }, { "<>", 2 }, { "==", 2 }, { "||", 2 }, { "//", 2 },
        { "<", 1 },  { ">", 1 },  { "=", 1 },  { "+", 1 },  { "-", 1 },  { "*", 1 },  { "/", 1 },
        { "%", 1 },  { "(", 1 },  { ")", 1 },  { "[", 1 },  { "]", 1 },  { ",", 1 },
    };
    struct ax_str rest = { lexer->text.ptr + lexer->at, lexer->text.len - lexer->at };
    for (size_t i = 0; i < AX_COUNT(signs); i++) {
        if (ax_str_starts_with(rest, signs[i])) {
            lexer->at += signs[i].len;
            end_token(lexer, AX_TOKEN_SIGN);
            return AX_OK;
        }
    }
    return ax_fail(err, AX_E_INVALID, "'%.*s' means nothing here",
                   AX_STR_ARG(ax_str_cut(rest, AX_MAX(ax_str_utf8_len(rest), (size_t)1))));
}

enum ax_code ax_lexer_next(struct ax_lexer *lexer, struct ax_err *err)
{
    assert(lexer && err);
    while (is_blank(peek(lexer, 0)))
        lexer->at++;
    lexer->token_at = lexer->at;
    char ch = peek(lexer, 0);
    if (lexer->at == lexer->text.len) {
        end_token(lexer, AX_TOKEN_END);
    } else if (is_letter(ch)) {
        while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
            lexer->at++;
        end_token(lexer, AX_TOKEN_WORD);
    } else if (is_digit(ch)) {
        read_number(lexer);
    } else if (ch == '\'') {
        return read_quoted(lexer, AX_TOKEN_TEXT, err);
    } else if (ch == '"') {
        return read_quoted(lexer, AX_TOKEN_NAME, err);
    } else {
        return read_sign(lexer, err);
    }
    return AX_OK;
}

bool ax_lexer_is_sign(const struct ax_lexer *lexer, const char *sign)
{
    return lexer->kind == AX_TOKEN_SIGN && ax_str_is(lexer->raw, sign);
}

bool ax_lexer_is_word(const struct ax_lexer *lexer, const char *word)
{
    return lexer->kind == AX_TOKEN_WORD && ax_str_equals_nocase(lexer->raw, ax_str_from(word));
}

bool ax_lexer_precedes(const struct ax_lexer *lexer, char first)
{
    size_t ahead = 0;
    while (is_blank(peek(lexer, ahead)))
        ahead++;
    return peek(lexer, ahead) == first;
}

enum ax_code ax_lexer_take_text(const struct ax_lexer *lexer, struct ax_arena *arena,
                                struct ax_str *ret_text, struct ax_err *err)
{
    assert(lexer && arena && ret_text && err);
    char *copy = ax_arena_strdup(arena, lexer->raw);
    if (!copy)
        return ax_arena_fail(arena, "an expression", err);
    size_t len = 0;
    for (size_t i = 0; i < lexer->raw.len; i++) {
        copy[len++] = copy[i];
        /* Where quotes are doubled, the kind says which quote it is. */
        if (lexer->has_doubled && copy[i] == (lexer->kind == AX_TOKEN_TEXT ? '\'' : '"'))
            i++;
    }
    *ret_text = (struct ax_str){ copy, len };
    return AX_OK;
}

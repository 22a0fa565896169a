/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the parser share: its state, and how nodes are made.
 *
 * Operands that were read wait on a stack; a call takes its arguments from there and puts itself in
 * their place. So a call of any number of arguments needs no list of its own, and what types its
 * arguments have is known when it is made. Every function that reads a part of the grammar leaves
 * one operand more.
 */
#ifndef AX_DATA_EXPR_PARSER_H
#define AX_DATA_EXPR_PARSER_H

#include "data/expr/expr.h"
#include "data/expr/lexer.h"

#define AX_PARSER_AGGREGATES_MAX 64

/* The type of a bare null, until its place says which it is. */
#define AX_TYPE_OF_NULL ((struct ax_type){ AX_TYPE_COUNT, false })

struct ax_operand {
    const struct ax_expr *expr;
    size_t nodes; /* of its tree; what is used twice counts twice */
    size_t depth;
    bool is_bytes;   /* a column that may only be passed on */
    bool is_unknown; /* made of a column that the scope does not have, of any type */
};

struct ax_parser {
    struct ax_lexer lexer;
    const struct ax_scope *scope;
    struct ax_arena *arena;
    struct ax_err *err;
    size_t fail_at; /* SIZE_MAX: the last token is where it went wrong */
    size_t level;   /* of nesting */
    size_t nodes;   /* that were made, or used again */

    struct ax_operand operands[AX_EXPR_NODES_MAX];
    size_t operand_count;

    struct ax_aggregate aggregates[AX_PARSER_AGGREGATES_MAX];
    size_t aggregate_count;
    bool in_aggregate;
    const struct ax_expr *outside; /* the first column that stands outside of aggregates */

    /* Of the call that is being made. */
    struct ax_type types[AX_EXPR_ARGUMENTS_MAX];
    struct ax_type wanted[AX_EXPR_ARGUMENTS_MAX];
    bool is_null[AX_EXPR_ARGUMENTS_MAX];
};

/* Read a whole expression, down to the lowest precedence. */
AX_MUST_USE enum ax_code ax_parser_expr(struct ax_parser *parser);

/* Read an aggregate, whose name is the last token. */
AX_MUST_USE enum ax_code ax_parser_aggregate(struct ax_parser *parser, enum ax_aggregate_kind kind);
AX_MUST_USE bool ax_aggregate_from_name(struct ax_str name, enum ax_aggregate_kind *ret);

/* Fail at a byte of the text; or for the last token, which is not what was expected. */
enum ax_code ax_parser_fail(struct ax_parser *parser, size_t at, enum ax_code code, const char *fmt,
                            ...) AX_PRINTF(4, 5);
enum ax_code ax_parser_fail_expected(struct ax_parser *parser, const char *expected);

static inline enum ax_code ax_parser_next(struct ax_parser *parser)
{
    return ax_lexer_next(&parser->lexer, parser->err);
}

/* Go over a sign or word that has to stand here. */
AX_MUST_USE enum ax_code ax_parser_skip_sign(struct ax_parser *parser, const char *sign);
AX_MUST_USE enum ax_code ax_parser_skip_word(struct ax_parser *parser, const char *word);

/* ---- operands (parser_operands.c) ---- */

/* Put one leaf on the stack: a copy of `leaf`. */
AX_MUST_USE enum ax_code ax_parser_push(struct ax_parser *parser, struct ax_expr leaf);
AX_MUST_USE enum ax_code ax_parser_push_text(struct ax_parser *parser, struct ax_str text,
                                             size_t at);
/* The number that is the last token. */
AX_MUST_USE enum ax_code ax_parser_push_number(struct ax_parser *parser, bool negative);
/* The column that the last token names. */
AX_MUST_USE enum ax_code ax_parser_push_column(struct ax_parser *parser);

/* Use an operand once more. */
AX_MUST_USE enum ax_code ax_parser_repeat(struct ax_parser *parser, struct ax_operand operand);

struct ax_operand ax_parser_pop(struct ax_parser *parser);

/* Make the last `count` operands the arguments of a call of `name`, which stands at `at`. */
AX_MUST_USE enum ax_code ax_parser_call(struct ax_parser *parser, struct ax_str name, size_t at,
                                        size_t count);

/* Make the last operand one of `type`, as `cast` does. */
AX_MUST_USE enum ax_code ax_parser_cast(struct ax_parser *parser, struct ax_type type, size_t at);

/* Whether two trees say the same; where they stand in the text does not count. */
bool ax_expr_equals(const struct ax_expr *a, const struct ax_expr *b);

#endif

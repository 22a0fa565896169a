/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of regular expressions. Pattern, options, group and replacement are literals, so all
 * that can be wrong with them is told when an expression is compiled, and rows cannot fail.
 */
#include "base/alloc.h"
#include "base/regex.h"
#include "data/expr/strings.h"
#include "data/expr/text_room.h"

#include <assert.h>
#include <stdlib.h>

struct regexp_state {
    struct ax_regex *regex;
    size_t group;  /* of regexp_extract */
    char *rewrite; /* of regexp_replace; owned */
    size_t rewrite_len;
    bool global;
};

/* Compile argument 1 with the options that argument `options_at` may have. */
static enum ax_code prepare(const struct ax_expr *call, size_t options_at, bool replaces,
                            struct regexp_state **ret_state, struct ax_err *err)
{
    struct ax_regex_options options = { .nocase = false };
    assert(call->arg_count >= 2);
    if (call->arg_count > options_at &&
        ax_regex_options_read(call->args[options_at]->literal.text, &options, err))
        return err->code;
    if (options.global && !replaces)
        return ax_fail(err, AX_E_INVALID, "regex option 'g' is for regexp_replace: leave it out");
    struct ax_regex *regex;
    if (ax_regex_new(call->args[1]->literal.text, &options, &regex, err))
        return err->code;
    struct regexp_state *state = ax_xalloc(sizeof(*state));
    state->regex = regex;
    state->global = options.global;
    *ret_state = state;
    return AX_OK;
}

void ax_string_release(void *state)
{
    struct regexp_state *regexp = state;
    if (!regexp)
        return;
    ax_regex_free(regexp->regex);
    free(regexp->rewrite);
    free(regexp);
}

enum ax_code ax_string_prepare_matches(const struct ax_expr *call, void **ret_state,
                                       struct ax_err *err)
{
    struct regexp_state *state;
    if (prepare(call, 2, false, &state, err))
        return err->code;
    *ret_state = state;
    return AX_OK;
}

enum ax_code ax_string_prepare_extract(const struct ax_expr *call, void **ret_state,
                                       struct ax_err *err)
{
    int64_t group = call->arg_count > 2 ? call->args[2]->literal.i64 : 0;
    struct regexp_state *state;
    if (group < 0 || group > AX_REGEX_GROUP_MAX)
        return ax_fail(err, AX_E_INVALID, "group %lld of regexp_extract: use 0 to %d",
                       (long long)group, AX_REGEX_GROUP_MAX);
    if (prepare(call, 3, false, &state, err))
        return err->code;
    state->group = (size_t)group;
    *ret_state = state;
    return AX_OK;
}

enum ax_code ax_string_prepare_replace(const struct ax_expr *call, void **ret_state,
                                       struct ax_err *err)
{
    struct ax_str rewrite = call->args[2]->literal.text;
    struct regexp_state *state;
    if (prepare(call, 3, true, &state, err))
        return err->code;
    if (ax_regex_check_rewrite(state->regex, rewrite, err)) {
        ax_string_release(state);
        return err->code;
    }
    state->rewrite = ax_xmemdup0(rewrite.ptr ? rewrite.ptr : "", rewrite.len);
    state->rewrite_len = rewrite.len;
    *ret_state = state;
    return AX_OK;
}

enum ax_code ax_string_regexp_matches(struct ax_call *call, struct ax_err *err)
{
    const struct regexp_state *state = call->state;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = ax_regex_matches(state->regex, call->args[0]->texts[row]);
    return AX_OK;
}

enum ax_code ax_string_regexp_full_match(struct ax_call *call, struct ax_err *err)
{
    const struct regexp_state *state = call->state;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->bools[row] = ax_regex_matches_whole(state->regex, call->args[0]->texts[row]);
    return AX_OK;
}

enum ax_code ax_string_regexp_extract(struct ax_call *call, struct ax_err *err)
{
    const struct regexp_state *state = call->state;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->texts[row] =
            ax_regex_extract(state->regex, call->args[0]->texts[row], state->group);
    return AX_OK;
}

enum ax_code ax_string_regexp_replace(struct ax_call *call, struct ax_err *err)
{
    const struct regexp_state *state = call->state;
    struct ax_str rewrite = { state->rewrite, state->rewrite_len };
    struct ax_text_room room = { .arena = call->arena };
    for (size_t row = 0; row < call->rows; row++) {
        struct ax_str text = call->args[0]->texts[row];
        size_t most = AX_MAX(AX_MAX(text.len, rewrite.len), AX_STRING_MADE_MAX);
        size_t len = text.len + rewrite.len; /* a guess, and tried with all that is left */
        do {
            char *out = ax_text_room_ask(&room, len);
            if (!out)
                return ax_arena_fail(call->arena, "the texts of an expression", err);
            len = ax_regex_replace(state->regex, text, rewrite, state->global, out, room.left);
        } while (len > room.left && len <= most);
        if (len > most)
            ax_values_set_null(call->out, row);
        else
            call->out->texts[row] = ax_text_room_keep(&room, len);
    }
    return AX_OK;
}

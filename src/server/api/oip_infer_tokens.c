/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the infer body's reader ask of the pull reader: a value of one kind, the next
 * member of an object, the next object of an array.
 */
#include "server/api/oip_infer_states.h"

#include <assert.h>

enum ax_code ax_infer_expect(struct ax_infer *infer, enum ax_json_token wanted, const char *what,
                             struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != wanted)
        return ax_fail(err, AX_E_INVALID, "%s must be %s, found %s", what,
                       ax_json_token_text(wanted), ax_json_token_text(token));
    return AX_OK;
}

enum ax_code ax_infer_read_text(struct ax_infer *infer, const char *what, struct ax_str *ret_text,
                                struct ax_err *err)
{
    if (ax_infer_expect(infer, AX_JSON_STRING, what, err))
        return err->code;
    return ax_json_read_text(&infer->reader, infer->arena, ret_text, err);
}

enum ax_code ax_infer_read_member(struct ax_infer *infer, struct ax_str *ret_key, bool *ret_end,
                                  struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    *ret_end = token == AX_JSON_OBJECT_END;
    if (*ret_end)
        return AX_OK;
    assert(token == AX_JSON_KEY);
    return ax_json_read_text(&infer->reader, infer->arena, ret_key, err);
}

enum ax_code ax_infer_read_element(struct ax_infer *infer, const char *what, bool *ret_end,
                                   struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    *ret_end = token == AX_JSON_ARRAY_END;
    if (!*ret_end && token != AX_JSON_OBJECT_BEGIN)
        return ax_fail(err, AX_E_INVALID, "each of '%s' must be an object, found %s", what,
                       ax_json_token_text(token));
    return AX_OK;
}

enum ax_code ax_infer_skip(struct ax_infer *infer, int then, struct ax_err *err)
{
    infer->skip_depth = infer->reader.depth;
    if (ax_json_read(&infer->reader, err) == AX_JSON_FAILED)
        return err->code;
    infer->state = AX_INFER_SKIP;
    infer->state_after_skip = then;
    return AX_OK;
}

enum ax_code ax_infer_once(unsigned *seen, unsigned member, const char *name, struct ax_err *err)
{
    if (*seen & member)
        return ax_fail(err, AX_E_INVALID, "'%s' is given twice", name);
    *seen |= member;
    return AX_OK;
}

enum ax_code ax_infer_read_form(struct ax_infer *infer, unsigned *seen, const char *name,
                                enum ax_infer_form *ret_form, struct ax_err *err)
{
    if (ax_infer_once(seen, AX_INFER_SEEN_FORM, name, err))
        return err->code;
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_TRUE && token != AX_JSON_FALSE)
        return ax_fail(err, AX_E_INVALID, "'%s' must be true or false, found %s", name,
                       ax_json_token_text(token));
    *ret_form = token == AX_JSON_TRUE ? AX_INFER_BINARY : AX_INFER_JSON;
    return AX_OK;
}

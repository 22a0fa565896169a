/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of CatBoost's files: which of the two formats it is.
 */
#include "engine/forest/catboost_model.h"

#include <assert.h>
#include <stdio.h>

static bool is_cbm(struct ax_str bytes)
{
    return ax_str_starts_with(bytes, AX_STR("CBM1"));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* JSON whose beginning holds a key of CatBoost's; which one is in front differs by release. */
static bool catboost_recognise(struct ax_str head)
{
    static const char *const keys[] = { "\"features_info\"", "\"float_features\"",
                                        "\"oblivious_trees\"", "\"catboost_version_info\"" };
    if (is_cbm(head))
        return true;
    size_t at = 0;
    while (at < head.len && is_blank(head.ptr[at]))
        at++;
    if (at == head.len || head.ptr[at] != '{')
        return false;
    for (size_t i = 0; i < AX_COUNT(keys); i++)
        if (memmem(head.ptr + at, head.len - at, keys[i], strlen(keys[i])))
            return true;
    return false;
}

static enum ax_code catboost_read(struct ax_str bytes, struct ax_iterations iterations,
                                  struct ax_forest *ret_forest, struct ax_signature *signature,
                                  char *format, struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && ret_forest && signature && format && err);
    bool by_bytes = is_cbm(bytes);
    if (by_bytes ? ax_catboost_read_cbm(bytes, iterations, ret_forest, signature, err)
                 : ax_catboost_read_json(bytes, iterations, ret_forest, signature, err))
        return err->code;
    (void)snprintf(format, AX_READER_FORMAT_BYTES, "catboost_%s", by_bytes ? "cbm" : "json");
    return AX_OK;
}

const struct ax_forest_reader ax_reader_catboost = {
    .name = "catboost",
    .recognise = catboost_recognise,
    .read = catboost_read,
};

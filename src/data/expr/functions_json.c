/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of JSON, over texts: there is no type of documents.
 */
#include "base/json_path.h"
#include "data/expr/function.h"

static enum ax_code prepare_extract(const struct ax_expr *call, void **ret_state,
                                    struct ax_err *err)
{
    struct ax_json_path *path;
    if (ax_json_path_new(call->args[1]->literal.text, &path, err))
        return err->code;
    *ret_state = path;
    return AX_OK;
}

static void release_extract(void *state)
{
    ax_json_path_free(state);
}

static enum ax_code run_extract(struct ax_call *call, struct ax_err *err)
{
    for (size_t row = 0; row < call->rows; row++) {
        bool found;
        if (ax_json_path_find(call->state, call->args[0]->texts[row], call->arena, &found,
                              &call->out->texts[row], err))
            return err->code;
        if (!found)
            ax_values_set_null(call->out, row);
    }
    return AX_OK;
}

const struct ax_function ax_functions_json[] = {
    { .name = "json_extract",
      .params = { AX_PARAM_STRING, AX_PARAM_STRING },
      .param_count = 2,
      .result = AX_PARAM_STRING,
      .literals = 2,
      .run = run_extract,
      .prepare = prepare_extract,
      .release = release_extract,
      .about =
          "What stands at a path of a JSON text: a string without its quotes, anything else as "
          "it is written; null when nothing stands there, or null, or the text is no JSON.",
      .examples = { { "json_extract('{\"a\": {\"b\": [\"x\", 2.50]}}', '$.a.b[0]')", "'x'" },
                    { "cast(json_extract('{\"a\": {\"b\": [\"x\", 2.50]}}', '$.a.b[1]') as "
                      "float64)",
                      "2.5" },
                    { "json_extract('{\"a\": null}', '$.a')", "null" } } },
    { 0 },
};

const size_t ax_functions_json_count = AX_COUNT(ax_functions_json) - 1;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offline join: one state of windows, filled and asked while a key's rows pass, then cleared
 * for the next key. There is nothing else to it: all rules are the state's.
 */
#include "feature/window_join.h"

#include "base/alloc.h"
#include "feature/window_id.h"

#include <assert.h>
#include <stdlib.h>

#define ID_BYTES_MAX ((size_t)64 << 10)

struct ax_window_join {
    struct ax_window_join_config config;
    struct ax_window *window;
    struct ax_buf id;
    bool has_key; /* the rows so far had one */
    bool key_is_null;
    int64_t key;
    int64_t moment; /* of the row before */
    size_t bytes_max;
};

enum ax_code ax_window_join_new(const struct ax_window_join_config *config,
                                struct ax_window_join **ret_join, struct ax_err *err)
{
    assert(config && config->spec && config->sink && ret_join && err);
    struct ax_window *window;
    if (ax_window_new(config->spec, config->mode, &window, err))
        return err->code;
    struct ax_window_join *join = ax_xalloc(sizeof *join);
    join->config = *config;
    join->window = window;
    ax_buf_init(&join->id, ID_BYTES_MAX);
    *ret_join = join;
    return AX_OK;
}

void ax_window_join_free(struct ax_window_join *join)
{
    if (!join)
        return;
    ax_window_free(join->window);
    ax_buf_done(&join->id);
    free(join);
}

size_t ax_window_join_bytes_max(const struct ax_window_join *join)
{
    return AX_MAX(join->bytes_max, ax_window_bytes(join->window));
}

/* Go on to the key of a row. */
static enum ax_code join_enter(struct ax_window_join *join, const struct ax_window_join_rows *rows,
                               size_t row, struct ax_err *err)
{
    bool is_null = rows->key_validity && !(rows->key_validity[row / 64] >> (row % 64) & 1);
    int64_t key = is_null ? 0 : rows->keys[row];
    if (join->has_key && is_null == join->key_is_null && key == join->key) {
        /* Rows without a key are of many, and of none. */
        if (!is_null && rows->moments[row] < join->moment)
            return ax_fail(err, AX_E_INVALID, "rows of a key are not in order of their moments");
    } else {
        if (join->has_key && !is_null && !join->key_is_null && key < join->key)
            return ax_fail(err, AX_E_INVALID, "rows are not in order of their keys");
        join->bytes_max = ax_window_join_bytes_max(join);
        ax_window_clear(join->window);
        join->has_key = true;
        join->key_is_null = is_null;
        join->key = key;
    }
    join->moment = rows->moments[row];
    return AX_OK;
}

static enum ax_code join_put(struct ax_window_join *join, const struct ax_window_join_rows *rows,
                             size_t row, struct ax_err *err)
{
    if (join->key_is_null)
        return AX_OK;
    if (ax_window_id_put(&join->id, rows->ids, rows->id_count, row, err))
        return err->code;
    struct ax_window_event event = {
        .id = ax_buf_str(&join->id),
        .time = rows->times ? rows->times[row] : rows->moments[row],
        .created = rows->created ? rows->created[row] : 0,
        .sequence = rows->sequences ? rows->sequences[row] : 0,
        .is_gone = rows->are_gone && rows->are_gone[row],
    };
    return ax_window_put(join->window, &event, rows->columns, row, err);
}

static bool has_self(const struct ax_window_join *join, const struct ax_window_join_rows *rows,
                     size_t row)
{
    if (join->config.mode == AX_WINDOW_SORTED)
        return false;
    for (size_t i = 0; i < rows->id_count; i++) {
        if (ax_values_is_null(rows->ids[i], row))
            return false;
    }
    return true;
}

static enum ax_code join_get(struct ax_window_join *join, const struct ax_window_join_rows *rows,
                             size_t row, struct ax_err *err)
{
    const struct ax_window_value *values;
    struct ax_str self = { NULL, 0 };
    bool without = has_self(join, rows, row);
    if (without) {
        if (ax_window_id_put(&join->id, rows->ids, rows->id_count, row, err))
            return err->code;
        self = ax_buf_str(&join->id);
    }
    if (ax_window_get(join->window, rows->moments[row], without ? &self : NULL, &values, err))
        return err->code;
    return join->config.sink->emit(join->config.sink, rows->numbers[row], values, err);
}

enum ax_code ax_window_join_push(struct ax_window_join *join,
                                 const struct ax_window_join_rows *rows, struct ax_err *err)
{
    assert(join && rows && rows->id_count && err);
    for (size_t row = 0; row < rows->count; row++) {
        if (join_enter(join, rows, row, err) ||
            (rows->are_probes[row] ? join_get(join, rows, row, err)
                                   : join_put(join, rows, row, err)))
            return err->code;
        if (!join->key_is_null)
            ax_window_forget(join->window, rows->moments[row]);
    }
    return AX_OK;
}

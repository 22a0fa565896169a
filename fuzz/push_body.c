/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz bodies of pushes, in all forms, into columns of sources: whole and in slices, which must end
 * in the same rows or in the same failure, and only in failures that a client may be told. What is
 * accepted is applied, and goes through the columns of the journal.
 */
#include "../tests/unit/server/api/push_fixture.h"

#include "data/expr/value_text.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_reading {
    struct ax_arena arena;
    struct ax_push_body body;
    struct ax_err err;
};

static void put_rows(struct ax_buf *out, const struct ax_push_body *body)
{
    for (size_t row = 0; row < body->rows.rows; row++) {
        for (size_t i = 0; i < body->plan->source->column_count; i++) {
            const uint64_t *given = body->rows.given ? body->rows.given[i] : NULL;
            (void)ax_buf_append_char(out,
                                     given && !(given[row / 64] >> (row % 64) & 1) ? '-' : '+');
            ax_values_put_json(out, &body->rows.columns[i], row);
        }
    }
}

static void fuzz_read(struct fuzz_reading *reading, struct ax_str text, bool is_lines,
                      size_t budget, struct ax_buf *out)
{
    *reading = (struct fuzz_reading){ .err = AX_ERR_INIT };
    ax_arena_init(&reading->arena, 1024, ARENA_MAX);
    ax_buf_init(out, (size_t)8 << 20);
    if (!read_push(&reading->body, text, is_lines, budget, &reading->arena, &reading->err))
        put_rows(out, &reading->body);
    enum ax_code code = reading->err.code;
    if (code && code != AX_E_INVALID && code != AX_E_TOO_LARGE && code != AX_E_NOT_FOUND)
        abort();
}

/* As the writer of the online store does with whole rows. */
static void fuzz_use(struct fuzz_reading *reading)
{
    struct ax_source_items items[1];
    struct ax_push_body *body = &reading->body;
    struct ax_err *err = &reading->err;
    size_t count = AX_MIN(body->rows.rows, (size_t)AX_VALUES_ROWS_MAX);
    if (!ax_source_rows_are_partial(body->plan, &body->rows))
        (void)ax_source_plan_apply(body->plan, &body->rows, 0, count, &reading->arena, items, err);
    if (err->code && err->code != AX_E_TOO_LARGE)
        abort();
}

/* The first byte chooses lines, and the size of a slice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct fuzz_reading whole, sliced;
    struct ax_buf all, some;
    if (size == 0 || (!push.is_read && open_push(&err)))
        return 0;
    char *copy = calloc(1, size - 1 + 16);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    struct ax_str text = { copy, size - 1 };
    bool is_lines = !(data[0] & 1);
    fuzz_read(&whole, text, is_lines, SIZE_MAX / 2, &all);
    fuzz_read(&sliced, text, is_lines, 1 + data[0] / 2, &some);
    if (whole.err.code != sliced.err.code || strcmp(whole.err.msg, sliced.err.msg) != 0 ||
        !ax_str_equals(ax_buf_str(&all), ax_buf_str(&some)))
        abort();
    if (!whole.err.code)
        fuzz_use(&whole);
    ax_buf_done(&all);
    ax_buf_done(&some);
    ax_arena_done(&whole.arena);
    ax_arena_done(&sliced.arena);
    free(copy);
    return 0;
}

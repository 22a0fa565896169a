/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of readers: one model as a text, tables of what is changed in it, and what must
 * come of that.
 */
#ifndef AX_TESTS_UNIT_ENGINE_FOREST_FOREST_READING_H
#define AX_TESTS_UNIT_ENGINE_FOREST_FOREST_READING_H

#include "engine/forest/compile.h"
#include "engine/forest/reader.h"

#include "forest_data.h"
#include "torture.h"

struct reading {
    struct ax_forest forest;
    struct ax_signature signature;
    char format[AX_READER_FORMAT_BYTES];
    struct ax_err err;
};

/* Read, describe and compile; *r is fresh. */
typedef enum ax_code (*ax_reading_fn)(struct reading *r, struct ax_str bytes,
                                      struct ax_iterations iterations);

static const struct ax_iterations all = { .kind = AX_ITERATIONS_ALL };

static inline void finish(struct reading *r)
{
    ax_forest_done(&r->forest);
    ax_signature_done(&r->signature);
}

/* `text` with the first `find` replaced, to be freed. */
static inline char *replaced(const char *text, const char *find, const char *replace)
{
    const char *at = strstr(text, find);
    if (!at)
        fail_msg("no '%s' in the model", find);
    size_t size = strlen(text) + strlen(replace) + 1;
    char *result = ax_xalloc(size);
    (void)snprintf(result, size, "%.*s%s%s", (int)(at - text), text, replace, at + strlen(find));
    return result;
}

/* Read a text, which is freed; true when a torture run was struck and cleaned up. The reader sees
 * it at the end of its memory. */
static inline bool was_struck(struct reading *r, ax_reading_fn read, char *text,
                              struct ax_iterations iterations)
{
    struct ax_str bytes = { forest_copy(ax_str_from(text)), strlen(text) };
    enum ax_code code = read(r, bytes, iterations);
    free(text);
    free((char *)(uintptr_t)bytes.ptr);
    if (!code || !ax_torture_struck())
        return false;
    assert_int_equal(code, AX_E_LIMIT);
    finish(r);
    return true;
}

/* A change, and how it is refused; AX_OK: it is not. */
struct change {
    const char *find;
    const char *replace;
    enum ax_code code;
    const char *message; /* must be part of it */
};

static inline void check_changes(ax_reading_fn read, const char *model, const struct change *rows,
                                 size_t count)
{
    /* With one refused allocation after the other, a part of a long table is enough. */
    size_t step = forest_is_torture() && count > 50 ? 8 : 1;
    for (size_t i = 0; i < count; i += step) {
        struct reading r;
        if (was_struck(&r, read, replaced(model, rows[i].find, rows[i].replace), all))
            return;
        if (r.err.code != rows[i].code || !strstr(r.err.msg, rows[i].message))
            fail_msg("%s -> %s: code %s, '%s'", rows[i].find, rows[i].replace,
                     ax_code_name(r.err.code), r.err.msg);
        finish(&r);
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of numbers, then a line a file: its stamp, which has its path in it.
 */
#include "feature/offline/duckdb_mark.h"

#include "feature/offline/duckdb_stamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX 96

static char present; /* what stamps lead to */

static void init(struct ax_mark *mark)
{
    *mark = (struct ax_mark){ .known_us = INT64_MIN };
    ax_map_init(&mark->files);
}

void ax_mark_done(struct ax_mark *mark)
{
    assert(mark);
    ax_map_done(&mark->files);
}

static enum ax_code add_file(void *arg, struct ax_str path, struct ax_err *err)
{
    struct ax_mark *mark = arg;
    char stamp[AX_SHA256_TEXT_SIZE];
    if (!ax_file_stamp(path.ptr, stamp, err))
        (void)ax_map_put(&mark->files, ax_str_from(stamp), &present);
    return err->code;
}

/* What was written last to a table may stand in the log of its database alone, so that is in the
 * stamp of such a source. */
enum ax_code ax_mark_of_files(struct ax_mark *mark, struct ax_offline *offline,
                              const struct ax_source *source, struct ax_err *err)
{
    assert(mark && offline && source && err);
    char stamp[AX_SHA256_TEXT_SIZE];
    init(mark);
    if (source->kind == AX_SOURCE_FILES)
        return ax_offline_files(offline, source, add_file, mark, err);
    if (!ax_source_stamp(offline, source, stamp, err) && stamp[0])
        (void)ax_map_put(&mark->files, ax_str_from(stamp), &present);
    return err->code;
}

static bool read_numbers(struct ax_mark *mark, struct ax_str line)
{
    char text[LINE_BYTES_MAX];
    int has_later;
    int end = 0;
    if (line.len >= sizeof(text))
        return false;
    memcpy(text, line.ptr, line.len);
    text[line.len] = '\0';
    bool read = sscanf(text, "1 %" SCNd64 " %d %" SCNd64 "%n", &mark->to_us, &has_later,
                       &mark->known_us, &end) == 3;
    mark->has_later = read && has_later;
    return read && (size_t)end == line.len;
}

enum ax_code ax_mark_read(struct ax_mark *mark, struct ax_str text, struct ax_err *err)
{
    assert(mark && (text.ptr || !text.len) && err);
    bool is_first = true;
    init(mark);
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        struct ax_str line = { text.ptr, len };
        if (!end || (is_first ? !read_numbers(mark, line) : len != AX_SHA256_TEXT_SIZE - 1))
            return ax_fail(err, AX_E_INVALID, "what was read before is told in no form of ours");
        if (!is_first)
            (void)ax_map_put(&mark->files, line, &present);
        is_first = false;
        text = (struct ax_str){ text.ptr + len + 1, text.len - len - 1 };
    }
    return AX_OK;
}

void ax_mark_put(struct ax_buf *out, const struct ax_mark *mark)
{
    assert(out && mark);
    struct ax_str stamp;
    void *value;
    ax_buf_printf(out, "1 %" PRId64 " %d %" PRId64 "\n", mark->to_us, mark->has_later,
                  mark->known_us);
    for (size_t at = 0; ax_map_next(&mark->files, &at, &stamp, &value);)
        ax_buf_printf(out, "%.*s\n", AX_STR_ARG(stamp));
}

bool ax_mark_has_files(const struct ax_mark *before, const struct ax_mark *now)
{
    assert(before && now);
    struct ax_str stamp;
    void *value;
    for (size_t at = 0; ax_map_next(&now->files, &at, &stamp, &value);)
        if (!ax_map_get(&before->files, stamp))
            return false;
    return now->files.count > 0;
}

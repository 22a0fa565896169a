/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a file is read backwards, until a line begins: a few KiB of nearly every file. How
 * deep JSON is nested needs all of its lines, but those alone that are long enough to be too deep;
 * DuckDB reads them, which knows compressed files, and brackets outside of texts are counted here.
 */
#include "data/line_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

static enum ax_code open_file(const char *path, int *ret_fd, off_t *ret_size, struct ax_err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open it");
    if (fstat(fd, &info))
        (void)ax_fail_errno(err, errno, "look at it");
    else if (!S_ISREG(info.st_mode))
        (void)ax_fail(err, AX_E_INVALID, "it is no regular file");
    if (err->code) {
        (void)close(fd);
        return err->code;
    }
    *ret_fd = fd;
    *ret_size = info.st_size;
    return AX_OK;
}

/* ---- the beginning ---- */

enum ax_code ax_line_file_read_head(const char *path, struct ax_buf *out, struct ax_err *err)
{
    assert(path && out && err);
    int fd;
    off_t size;
    bool is_over = false;
    if (open_file(path, &fd, &size, err))
        return err->code;
    while (!is_over && out->len < out->max) {
        size_t room = AX_MIN(out->max - out->len, (size_t)BLOCK_BYTES);
        char *at = ax_buf_reserve(out, room);
        ssize_t got = at ? read(fd, at, room) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            (void)ax_fail_errno(err, errno, "read it");
        else
            ax_buf_added(out, (size_t)got);
        is_over = got <= 0 || memchr(at, '\n', (size_t)got) || memchr(at, '\r', (size_t)got);
    }
    (void)close(fd);
    return err->code ? err->code : ax_buf_check(out, "the first line", err);
}

/* ---- the end ---- */

static bool ends_line(char c)
{
    return c == '\n' || c == '\r';
}

/* Whether a line begins in front of what stands at `end`, in the last bytes before it. */
static enum ax_code find_line(int fd, off_t end, size_t len_max, bool *ret_found,
                              struct ax_err *err)
{
    char block[BLOCK_BYTES];
    bool in_line = false; /* not in the ends of lines that end the file */
    off_t first = end - (off_t)len_max - 1;
    for (off_t last = end; last > first;) {
        size_t len = (size_t)AX_MIN((off_t)sizeof(block), last - first);
        ssize_t got = pread(fd, block, len, last - (off_t)len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ax_fail_errno(err, errno, "read it");
        for (size_t i = (size_t)got; i; i--) {
            if (in_line && ends_line(block[i - 1])) {
                *ret_found = true;
                return AX_OK;
            }
            in_line |= !ends_line(block[i - 1]);
        }
        if (got < (ssize_t)len)
            break; /* It became shorter meanwhile. */
        last -= got;
    }
    *ret_found = !in_line;
    return AX_OK;
}

enum ax_code ax_line_file_check_end(const char *path, size_t len_max, struct ax_err *err)
{
    assert(path && len_max && err);
    int fd;
    off_t size;
    bool found = true;
    if (open_file(path, &fd, &size, err))
        return err->code;
    if (size > (off_t)len_max && !find_line(fd, size, len_max, &found, err) && !found)
        (void)ax_fail(err, AX_E_INVALID, "the last line is longer than %zu bytes", len_max);
    (void)close(fd);
    return err->code;
}

/* ---- the depth ---- */

static bool is_too_deep(struct ax_str line)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '{'))
            depth++;
        else if (!quoted && depth && (c == ']' || c == '}'))
            depth--;
        if (depth > AX_LINE_FILE_DEPTH_MAX)
            return true;
    }
    return false;
}

/* Each line that is long enough. What divides lines is a byte that no JSON has. */
static void put_query(struct ax_buf *out, struct ax_str path, size_t len_max)
{
    ax_buf_printf(out, "SELECT line FROM read_csv(%.*s", AX_STR_ARG(path));
    ax_buf_printf(out,
                  ", auto_detect=false, columns={'line':'VARCHAR'}, delim='\x01', quote='', "
                  "escape='', header=false, comment='', strict_mode=false, "
                  "hive_partitioning=false, max_line_size=%zu, buffer_size=%zu) "
                  "WHERE strlen(line) > %d",
                  len_max, 2 * len_max, AX_LINE_FILE_DEPTH_MAX);
}

static enum ax_code check_lines(struct ax_sql_stream *stream, struct ax_err *err)
{
    struct ax_sql_chunk chunk;
    do {
        if (ax_sql_stream_next(stream, &chunk, err))
            return err->code;
        for (size_t row = 0; row < chunk.rows; row++)
            if (is_too_deep(chunk.columns[0].texts[row]))
                return ax_fail(err, AX_E_INVALID, "a line is nested more than %d deep",
                               AX_LINE_FILE_DEPTH_MAX);
    } while (chunk.rows);
    return AX_OK;
}

enum ax_code ax_line_file_check_depth(struct ax_sql *sql, struct ax_str path, size_t len_max,
                                      struct ax_err *err)
{
    assert(sql && path.len && len_max && err);
    struct ax_sql_stream *stream = NULL;
    struct ax_buf text;
    ax_buf_init(&text, path.len + 1024);
    put_query(&text, path, len_max);
    if (!ax_buf_check(&text, "the query", err) &&
        !ax_sql_query(sql, ax_buf_str(&text), &stream, err))
        (void)(check_lines(stream, err) != AX_OK);
    ax_sql_stream_free(stream);
    ax_buf_done(&text);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of lines (CSV, JSON lines) that DuckDB is to read, and what 1.5.5 gets wrong about them.
 *
 * It leaves out the last line of a file, and says nothing, when that is longer than its buffer. And
 * JSON that is nested some ten thousand deep ends the process where it is asked for types. Both are
 * looked for here, before it reads. All of this blocks. Errors do not name the file.
 */
#ifndef AX_DATA_LINE_FILE_H
#define AX_DATA_LINE_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sql.h"
#include "base/str.h"

#define AX_LINE_FILE_DEPTH_MAX 1000

/* Append the beginning of a file, until a line has ended or `out` is full. Expected: NOT_FOUND,
 * DENIED, INVALID (no regular file), LIMIT. */
AX_MUST_USE enum ax_code ax_line_file_read_head(const char *path, struct ax_buf *out,
                                                struct ax_err *err);

/* That the last line of a file is at most `len_max` bytes long. What is compressed is not looked
 * into. Expected: NOT_FOUND, DENIED, INVALID. */
AX_MUST_USE enum ax_code ax_line_file_check_end(const char *path, size_t len_max,
                                                struct ax_err *err);

/* That no line of JSON lines is nested deeper than AX_LINE_FILE_DEPTH_MAX, or longer than `len_max`
 * bytes. PATH is a literal of SQL. Expected: INVALID, CANCELLED. */
AX_MUST_USE enum ax_code ax_line_file_check_depth(struct ax_sql *sql, struct ax_str path,
                                                  size_t len_max, struct ax_err *err);

#endif

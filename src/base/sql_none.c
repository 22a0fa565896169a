/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/sql.h in a build without DuckDB. Nobody holds a handle, so none of these but ax_sql_open is
 * ever called; they exist to be linked.
 */
#include "base/sql.h"

#include "base/sql_function.h"
#include "base/sql_table.h"

#include <assert.h>

enum ax_code ax_sql_open(const struct ax_sql_config *config, struct ax_sql **ret_sql,
                         struct ax_err *err)
{
    assert(config && ret_sql && err);
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL: build it with DuckDB");
}

void ax_sql_close(struct ax_sql *sql)
{
    assert(!sql);
}

enum ax_code ax_sql_run(struct ax_sql *sql AX_UNUSED, struct ax_str text AX_UNUSED,
                        struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

enum ax_code ax_sql_check(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                          size_t *ret_at AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

size_t ax_sql_explain(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                      struct ax_err *err AX_UNUSED)
{
    return SIZE_MAX;
}

enum ax_code ax_sql_query(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                          struct ax_sql_stream **ret_stream AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

void ax_sql_stream_free(struct ax_sql_stream *stream)
{
    assert(!stream);
}

size_t ax_sql_stream_column_count(const struct ax_sql_stream *stream AX_UNUSED)
{
    return 0;
}

struct ax_str ax_sql_stream_column_name(const struct ax_sql_stream *stream AX_UNUSED,
                                        size_t column AX_UNUSED)
{
    return AX_STR("");
}

enum ax_sql_type ax_sql_stream_column_type(const struct ax_sql_stream *stream AX_UNUSED,
                                           size_t column AX_UNUSED)
{
    return AX_SQL_F64;
}

struct ax_sql_kind ax_sql_stream_column_kind(const struct ax_sql_stream *stream AX_UNUSED,
                                             size_t column AX_UNUSED)
{
    return (struct ax_sql_kind){ AX_SQL_F64, AX_SQL_F64 };
}

enum ax_code ax_sql_stream_next(struct ax_sql_stream *stream AX_UNUSED,
                                struct ax_sql_chunk *ret_chunk AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

double ax_sql_progress(const struct ax_sql *sql AX_UNUSED)
{
    return -1;
}

enum ax_code ax_sql_get_i64(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                            int64_t *ret AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

enum ax_code ax_sql_get_text(struct ax_sql *sql AX_UNUSED, struct ax_str query AX_UNUSED,
                             char **ret AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

enum ax_code ax_sql_add_function(struct ax_sql *sql AX_UNUSED,
                                 const struct ax_sql_function *function AX_UNUSED,
                                 struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

enum ax_code ax_sql_add_table(struct ax_sql *sql AX_UNUSED,
                              const struct ax_sql_table *table AX_UNUSED, struct ax_err *err)
{
    return ax_fail(err, AX_E_UNSUPPORTED, "this build has no SQL");
}

void ax_sql_remove_table(struct ax_sql *sql AX_UNUSED, const struct ax_sql_table *table AX_UNUSED)
{
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of types and the quoting of SQL: what needs no database.
 */
#include "base/sql.h"

#include <assert.h>

const char *ax_sql_type_name(enum ax_sql_type type)
{
    static const char *const names[] = {
        [AX_SQL_BOOL] = "BOOLEAN", [AX_SQL_I64] = "BIGINT", [AX_SQL_F64] = "DOUBLE",
        [AX_SQL_TEXT] = "VARCHAR", [AX_SQL_BYTES] = "BLOB", [AX_SQL_TIMESTAMP] = "TIMESTAMP",
        [AX_SQL_LIST] = "LIST",
    };
    assert((size_t)type < AX_COUNT(names));
    return names[type];
}

bool ax_sql_type_is_exact(struct ax_str type)
{
    static const char *const names[] = {
        "BOOLEAN",   "TINYINT",     "SMALLINT",     "INTEGER",
        "BIGINT",    "UTINYINT",    "USMALLINT",    "UINTEGER",
        "FLOAT",     "DOUBLE",      "VARCHAR",      "DATE",
        "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE"
    };
    for (size_t i = 0; i < AX_COUNT(names); i++)
        if (ax_str_is(type, names[i]))
            return true;
    return false;
}

void ax_sql_put_literal(struct ax_buf *out, struct ax_str text)
{
    (void)ax_buf_append_quoted(out, text, '\'');
}

void ax_sql_put_name(struct ax_buf *out, struct ax_str name)
{
    (void)ax_buf_append_quoted(out, name, '"');
}

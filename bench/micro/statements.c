/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of bench/history: SQL statements run by the DuckDB that auspex is linked with, and
 * nothing else.
 *
 *     build/release/bench/statements THREADS 'STATEMENT'...
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/sql.h"

int main(int argc, char **argv)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_sql_config config = { .threads = argc > 2 ? strtoull(argv[1], NULL, 10) : 0 };
    if (!config.threads) {
        (void)fputs("usage: statements THREADS 'STATEMENT'...\n", stderr);
        return 2;
    }
    struct ax_sql *sql;
    if (ax_sql_open(&config, &sql, &err)) {
        (void)fprintf(stderr, "statements: %s\n", err.msg);
        return 1;
    }
    int i = 2;
    while (i < argc && !ax_sql_run(sql, ax_str_from(argv[i]), &err))
        i++;
    ax_sql_close(sql);
    if (i < argc)
        (void)fprintf(stderr, "statements: %s\n", err.msg);
    return i < argc;
}

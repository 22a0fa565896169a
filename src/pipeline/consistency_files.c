/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose definitions a file's vectors were served by is told by its name, and exactly by a column.
 */
#include "pipeline/consistency_files.h"

#include "base/file.h"
#include "pipeline/served_form.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)64 << 20)

struct gathering {
    const struct ax_consistency_config *config;
    struct ax_sql *sql;
    char folder[PATH_MAX];
    struct ax_buf own, others; /* "'path', 'path'" */
    struct ax_buf text;
    struct ax_err *err;
};

/* "20261127T120455.123456Z_0123456789abcdef.parquet" */
static void add_file(struct gathering *g, const char *name)
{
    const char *digest = strchr(name, '_');
    const char *end = digest ? strstr(digest, ".parquet") : NULL;
    char path[PATH_MAX + NAME_MAX + 2];
    (void)snprintf(path, sizeof(path), "%s/%s", g->folder, name);
    if (name[0] == '.' || !end)
        return;
    size_t digest_len = (size_t)(end - digest) - 1;
    bool is_own = digest_len < AX_SHA256_TEXT_SIZE &&
                  strncmp(digest + 1, g->config->service->digest, digest_len) == 0;
    struct ax_buf *list = is_own ? &g->own : &g->others;
    if (list->len)
        (void)ax_buf_append_str(list, AX_STR(", "));
    ax_sql_put_literal(list, ax_str_from(path));
}

static enum ax_code list_files(struct gathering *g)
{
    struct ax_str name = g->config->service->service->name;
    int len = snprintf(g->folder, sizeof(g->folder), "%s/served/%.*s", g->config->state,
                       AX_STR_ARG(name));
    if (len < 0 || (size_t)len >= sizeof(g->folder))
        return ax_fail(g->err, AX_E_INVALID, "the path of the state directory is too long");
    DIR *dir = opendir(g->folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        add_file(g, entry->d_name);
    if (dir)
        (void)closedir(dir);
    if (!g->own.len && !g->others.len)
        return ax_fail(g->err, AX_E_NOT_FOUND,
                       "nothing that service '%.*s' served was logged in '%s': auspex serve does "
                       "it with --served-entities-per-million",
                       AX_STR_ARG(name), g->config->state);
    return AX_OK;
}

static void put_from(struct gathering *g, const struct ax_buf *files)
{
    (void)ax_buf_append_str(&g->text, AX_STR(" FROM read_parquet(["));
    (void)ax_buf_append_str(&g->text, ax_buf_str(files));
    ax_buf_printf(&g->text,
                  "], union_by_name = true) WHERE \"" AX_SERVED_AT
                  "\" >= make_timestamp(%lld) AND \"" AX_SERVED_AT "\" <= make_timestamp(%lld)",
                  (long long)g->config->from_us, (long long)g->config->to_us);
}

/* `own` may have some of other definitions, too, if the begins of digests are alike. */
static void put_is_own(struct gathering *g, const char *operator)
{
    ax_buf_printf(&g->text, " AND \"" AX_SERVED_DEFINITIONS "\" %s '%s'", operator,
                  g->config->service->digest);
}

static enum ax_code run(struct gathering *g)
{
    if (!ax_buf_check(&g->text, "the query", g->err))
        (void)(ax_sql_run(g->sql, ax_buf_str(&g->text), g->err) != AX_OK);
    ax_buf_reset(&g->text);
    return g->err->code;
}

static enum ax_code get(struct gathering *g, size_t *ret)
{
    int64_t found = 0;
    if (!ax_buf_check(&g->text, "the query", g->err))
        (void)(ax_sql_get_i64(g->sql, ax_buf_str(&g->text), &found, g->err) != AX_OK);
    ax_buf_reset(&g->text);
    *ret = (size_t)found;
    return g->err->code;
}

static enum ax_code count_others(struct gathering *g, const struct ax_buf *files, size_t *ret)
{
    size_t found = 0;
    if (!files->len)
        return AX_OK;
    (void)ax_buf_append_str(&g->text, AX_STR("SELECT count(*)"));
    put_from(g, files);
    put_is_own(g, "<>");
    if (get(g, &found))
        return g->err->code;
    *ret += found;
    return AX_OK;
}

static enum ax_code write_own(struct gathering *g, const char *path, size_t *ret)
{
    if (!g->own.len)
        return AX_OK;
    (void)ax_buf_append_str(&g->text, AX_STR("COPY (SELECT row_number() OVER () - 1 AS "
                                             "\"" AX_CONSISTENCY_NUMBER "\", * FROM (SELECT *"));
    put_from(g, &g->own);
    put_is_own(g, "=");
    (void)ax_buf_append_str(&g->text,
                            AX_STR(" ORDER BY \"" AX_SERVED_MADE "\", \"" AX_SERVED_AT "\")) TO "));
    ax_sql_put_literal(&g->text, ax_str_from(path));
    (void)ax_buf_append_str(&g->text, AX_STR(" (FORMAT parquet)"));
    if (run(g))
        return g->err->code;
    (void)ax_buf_append_str(&g->text, AX_STR("SELECT count(*) FROM read_parquet("));
    ax_sql_put_literal(&g->text, ax_str_from(path));
    (void)ax_buf_append_char(&g->text, ')');
    return get(g, ret);
}

enum ax_code ax_consistency_gather(const struct ax_consistency_config *config, struct ax_sql *sql,
                                   const char *path, size_t *ret_vectors, size_t *ret_others,
                                   struct ax_err *err)
{
    assert(config && sql && path && ret_vectors && ret_others && err);
    struct gathering g = { .config = config, .sql = sql, .err = err };
    size_t vectors = 0;
    size_t others = 0;
    ax_buf_init(&g.own, TEXT_BYTES_MAX);
    ax_buf_init(&g.others, TEXT_BYTES_MAX);
    ax_buf_init(&g.text, TEXT_BYTES_MAX);
    if (!(list_files(&g) || count_others(&g, &g.own, &others) ||
          count_others(&g, &g.others, &others) || write_own(&g, path, &vectors))) {
        *ret_vectors = vectors;
        *ret_others = others;
    }
    ax_buf_done(&g.own);
    ax_buf_done(&g.others);
    ax_buf_done(&g.text);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the names of the rows' columns, from the query without its rows, the search for leaks, and
 * the order and names that training needs; so these are told before the work. Then the offline
 * store does it.
 */
#include "pipeline/training_history.h"

#include "base/alloc.h"
#include "feature/offline/offline.h"
#include "pipeline/dataset_content.h"
#include "pipeline/row_order.h"
#include "pipeline/training_set.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)16 << 20)

static enum ax_code check_leaks(const struct ax_training_history_job *job, struct ax_sql *sql,
                                const struct ax_sql_stream *stream, struct ax_err *err)
{
    size_t count = ax_sql_stream_column_count(stream);
    struct ax_str *names = ax_xalloc((count + 1) * sizeof(*names));
    struct ax_arena arena;
    ax_arena_init(&arena, 65536, TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        struct ax_str name = ax_sql_stream_column_name(stream, i);
        const char *copy = ax_arena_strdup(&arena, name);
        names[i] = (struct ax_str){ copy ? copy : "", copy ? name.len : 0 };
        if (!copy)
            (void)ax_arena_fail(&arena, "the columns of the rows", err);
    }
    if (!err->code)
        (void)(ax_leakage_check(sql, job->spec, names, count, job->warn, job->arg, err) != AX_OK);
    ax_arena_done(&arena);
    free(names);
    return err->code;
}

/* A table without rows that has the columns of the rows. DuckDB looks into files, of CSV at length,
 * twice for each statement that reads them: so there is but one. */
static enum ax_code make_table(const struct ax_training_history_job *job, struct ax_sql *sql,
                               struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    ax_buf_printf(&text, "CREATE TABLE ax_rows AS FROM (");
    if (job->rows) {
        ax_buf_printf(&text, "FROM read_parquet(");
        ax_dataset_put_path(&text, job->rows);
        ax_buf_printf(&text, ", hive_partitioning=false)");
    }
    ax_buf_printf(&text, "\n%.*s\n) LIMIT 0", AX_STR_ARG(job->spec->query));
    if (!ax_buf_check(&text, "the query", err))
        (void)(ax_sql_run(sql, ax_buf_str(&text), err) != AX_OK);
    ax_buf_done(&text);
    return err->code;
}

static enum ax_code query_table(struct ax_sql *sql, struct ax_str what,
                                struct ax_sql_stream **ret_stream, struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, TEXT_MAX);
    ax_buf_printf(&text, "SELECT %.*s\n FROM ax_rows", AX_STR_ARG(what));
    if (!ax_buf_check(&text, "the query", err))
        (void)(ax_sql_query(sql, ax_buf_str(&text), ret_stream, err) != AX_OK);
    ax_buf_done(&text);
    return err->code;
}

/* Whether DuckDB says that there is no column of a name; what is added to the rows comes later. */
static bool is_unknown_name(const struct ax_train_spec *spec, const char *message)
{
    char name[320];
    bool is_added = strstr(message, "\"" AX_TRAINING_MOMENT "\" not found") ||
                    strstr(message, "\"" AX_TRAINING_ROW "\" not found");
    for (size_t i = 0; i < spec->service->input_count; i++) {
        (void)snprintf(name, sizeof(name), "\"%.*s\" not found",
                       AX_STR_ARG(spec->service->inputs[i].name));
        is_added = is_added || strstr(message, name);
    }
    return strstr(message, "not found in FROM clause") && !is_added;
}

/* A name that no column has would be found only behind the history. */
static enum ax_code check_names(const struct ax_training_history_job *job, struct ax_sql *sql,
                                const char *key, struct ax_str expression, struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_err found = AX_ERR_INIT;
    if (!expression.len)
        return AX_OK;
    if (!query_table(sql, expression, &stream, &found))
        ax_sql_stream_free(stream);
    else if (is_unknown_name(job->spec, found.msg))
        *err = found;
    return err->code ? ax_train_spec_context(job->spec, key, SIZE_MAX, err) : AX_OK;
}

static enum ax_code look_at_table(const struct ax_training_history_job *job, struct ax_sql *sql,
                                  struct ax_err *err)
{
    struct ax_sql_stream *stream = NULL;
    if (make_table(job, sql, err) || query_table(sql, AX_STR("*"), &stream, err))
        (void)(job->spec->query.len ? ax_train_spec_explain_query(job->spec, sql, err)
                                    : ax_err_context(err, "rows"));
    else
        (void)(check_leaks(job, sql, stream, err) ||
               check_names(job, sql, "label", job->spec->label, err) ||
               check_names(job, sql, "label_known_at", job->spec->label_known_at, err));
    ax_sql_stream_free(stream);
    return err->code;
}

static enum ax_code look_at_rows(const struct ax_training_history_job *job, struct ax_err *err)
{
    struct ax_sql_config config = { .threads = 1, .cancelled = job->cancelled };
    struct ax_sql *sql = NULL;
    if (ax_sql_open(&config, &sql, err))
        return err->code;
    (void)(ax_train_spec_check(job->spec, sql, err) || look_at_table(job, sql, err));
    ax_sql_close(sql);
    return err->code;
}

/* The query's relative paths start in the data folder, here as in the history. */
static enum ax_code look_in_folder(const struct ax_training_history_job *job, struct ax_err *err)
{
    int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (back < 0)
        return ax_fail_errno(err, errno, "open the working folder");
    if (chdir(job->data_folder))
        (void)ax_fail_errno(err, errno, "go to the data's folder '%s'", job->data_folder);
    else
        (void)(look_at_rows(job, err) != AX_OK);
    if (fchdir(back))
        (void)ax_fail_errno(err, errno, "go back from the data's folder");
    (void)close(back);
    return err->code;
}

/* ---- what the store tells ---- */

static void pass_progress(void *arg, const char *what, size_t rows_done, size_t rows)
{
    const struct ax_training_history_job *job = arg;
    if (job->progress)
        job->progress(job->arg, what, rows_done, rows);
}

static void pass_notice(void *arg, struct ax_str text)
{
    const struct ax_training_history_job *job = arg;
    char line[1024];
    (void)snprintf(line, sizeof(line), "%.*s", AX_STR_ARG(text));
    if (job->warn)
        job->warn(job->arg, line);
}

enum ax_code ax_training_history_make(const struct ax_training_history_job *job,
                                      struct ax_training_history *ret_history, struct ax_err *err)
{
    assert(job && job->file->definitions && job->spec->service && job->data_folder && job->out &&
           job->threads && ret_history && err);
    struct ax_offline_config config = {
        .definitions = job->file->definitions,
        .data_folder = job->data_folder,
        .journals = job->journals,
        .work_folder = job->work_folder,
        .keep_parts = job->keep_parts,
        .threads = job->threads,
        .memory_bytes_max = job->memory_bytes_max,
        .cancelled = job->cancelled,
        .progress = pass_progress,
        .notice = pass_notice,
        .arg = (void *)(uintptr_t)job,
    };
    size_t at_place = SIZE_MAX;
    struct ax_offline_rows rows = {
        .sql = job->spec->query,
        .path = job->rows,
        .at = job->spec->at,
        .as_known = job->spec->as_known,
        .ret_at_place = &at_place,
        .moment = AX_STR(AX_TRAINING_MOMENT),
    };
    struct ax_offline *offline = NULL;
    struct ax_offline_report report;
    if (look_in_folder(job, err) || ax_offline_open(&config, &offline, err))
        return err->code;
    if (!ax_offline_history(offline, job->spec->service, &rows, job->out, &report, err)) {
        ret_history->rows = report.rows;
        memcpy(ret_history->digest, report.digest, sizeof(ret_history->digest));
    } else if (at_place != SIZE_MAX) {
        (void)ax_train_spec_context(job->spec, "at", at_place, err);
    }
    ax_offline_close(offline);
    return err->code;
}

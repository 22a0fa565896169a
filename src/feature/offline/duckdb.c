/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offline store over DuckDB: the order of the steps.
 *
 * Sources are loaded one after another; when the roles that read one are joined, its table goes. So
 * at any time there are the rows, the fields joined so far, and one source. Paths that are relative
 * start in the data folder, which therefore is the working folder while a call runs (DuckDB's own
 * setting for it looks into the working folder first).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "data/expr/expr_sql.h"
#include "feature/offline/duckdb_expectations.h"
#include "feature/offline/duckdb_join.h"
#include "feature/offline/duckdb_latest.h"
#include "feature/offline/duckdb_moment.h"
#include "feature/offline/duckdb_output.h"
#include "feature/offline/duckdb_parts.h"
#include "feature/offline/duckdb_relation.h"
#include "feature/offline/duckdb_stamp.h"
#include "feature/offline/duckdb_windows.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct history {
    struct ax_offline *offline;
    const struct ax_service *service;
    const struct ax_offline_rows *request;
    struct ax_history_rows rows;
    char *out;         /* absolute */
    char *rows_digest; /* NULL: nobody asked yet */
    bool *is_done;     /* roles whose table is there */
    bool takes_rows;   /* ax_s0 has the rows' columns, too */
    struct ax_too_many too_many;
    struct ax_offline_report report;
    struct ax_err *err;
};

/* ---- statements ---- */

enum ax_code ax_offline_run(struct ax_offline *offline, struct ax_err *err)
{
    assert(offline && err);
    enum ax_code code = ax_buf_check(&offline->text, "the statement", err);
    if (!code)
        code = ax_sql_run(offline->sql, ax_buf_str(&offline->text), err);
    ax_buf_reset(&offline->text);
    return code;
}

enum ax_code ax_offline_set_threads(struct ax_offline *offline, size_t threads, struct ax_err *err)
{
    assert(offline && threads && err);
    char text[64];
    (void)snprintf(text, sizeof(text), "SET threads = %zu", threads);
    return ax_sql_run(offline->sql, ax_str_from(text), err);
}

size_t ax_offline_part_bytes(const struct ax_offline *offline)
{
    assert(offline);
    size_t most = offline->config.memory_bytes_max;
    return most ? AX_MIN(most / 4, AX_OFFLINE_PART_BYTES_MAX) : AX_OFFLINE_PART_BYTES_MAX;
}

enum ax_code ax_offline_run_in_order(struct ax_offline *offline, struct ax_err *err)
{
    assert(offline && err);
    struct ax_err ignored = AX_ERR_INIT;
    if (ax_offline_set_threads(offline, 1, err)) {
        ax_buf_reset(&offline->text);
        return err->code;
    }
    enum ax_code code = ax_offline_run(offline, err);
    /* Fewer threads change no answer. */
    (void)(ax_offline_set_threads(offline, offline->config.threads, &ignored) != AX_OK);
    return code;
}

enum ax_code ax_offline_query(struct ax_offline *offline, struct ax_sql_stream **ret_stream,
                              struct ax_err *err)
{
    assert(offline && ret_stream && err);
    enum ax_code code = ax_buf_check(&offline->text, "the query", err);
    if (!code)
        code = ax_sql_query(offline->sql, ax_buf_str(&offline->text), ret_stream, err);
    ax_buf_reset(&offline->text);
    return code;
}

enum ax_code ax_offline_get_i64(struct ax_offline *offline, int64_t *ret, struct ax_err *err)
{
    assert(offline && ret && err);
    enum ax_code code = ax_buf_check(&offline->text, "the query", err);
    if (!code)
        code = ax_sql_get_i64(offline->sql, ax_buf_str(&offline->text), ret, err);
    ax_buf_reset(&offline->text);
    return code;
}

/* ---- life cycle ---- */

static enum ax_code real_path(const char *path, char **ret, struct ax_err *err)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return ax_fail_errno(err, errno, "find '%s'", path);
    *ret = ax_xstrdup(real);
    return AX_OK;
}

/* Within a step, from time to time. */
static void tick(void *arg, double share)
{
    const struct ax_offline *offline = arg;
    const struct ax_offline_config *config = &offline->config;
    double steps = (double)AX_MAX(offline->steps, (size_t)1);
    double slices = (double)AX_MAX(offline->slices, (size_t)1);
    double done = ((double)offline->slice + (share >= 0 && share <= 1 ? share : 0)) / slices;
    if (config->progress && offline->step[0])
        config->progress(
            config->arg, offline->step,
            (size_t)((double)offline->rows * ((double)offline->steps_done + done) / steps),
            offline->rows);
}

/* A handle without tables. */
static enum ax_code open_sql(struct ax_offline *offline, struct ax_err *err)
{
    char spill[PATH_MAX];
    int len = snprintf(spill, sizeof(spill), "%s/spill", offline->work_folder);
    if (len < 0 || (size_t)len >= sizeof(spill))
        return ax_fail(err, AX_E_INVALID, "the path of the work folder is too long");
    struct ax_sql_config config = {
        .threads = offline->config.threads,
        .memory_bytes_max = offline->config.memory_bytes_max,
        .temp_folder = spill,
        .cancelled = offline->config.cancelled,
        .tick = tick,
        .arg = offline,
    };
    if (ax_sql_open(&config, &offline->sql, err))
        return err->code;
    return ax_moment_register(offline->sql, err) ? err->code : ax_expr_register(offline->sql, err);
}

enum ax_code ax_offline_open(const struct ax_offline_config *config,
                             struct ax_offline **ret_offline, struct ax_err *err)
{
    assert(config && config->definitions && config->data_folder && config->work_folder &&
           config->threads && ret_offline && err);
    if (config->memory_bytes_max && config->memory_bytes_max < AX_OFFLINE_MEMORY_BYTES_MIN)
        return ax_fail(err, AX_E_INVALID, "%zu bytes of memory are too few; %zu are the least",
                       config->memory_bytes_max, AX_OFFLINE_MEMORY_BYTES_MIN);
    struct ax_offline *offline = ax_xalloc(sizeof(*offline));
    offline->config = *config;
    ax_buf_init(&offline->text, AX_OFFLINE_TEXT_MAX);
    ax_buf_init(&offline->held, AX_OFFLINE_TEXT_MAX);
    if (real_path(config->data_folder, &offline->data_folder, err) ||
        ax_file_make_folder(config->work_folder, err) ||
        real_path(config->work_folder, &offline->work_folder, err) || open_sql(offline, err)) {
        ax_offline_close(offline);
        return err->code;
    }
    *ret_offline = offline;
    return AX_OK;
}

void ax_offline_close(struct ax_offline *offline)
{
    if (!offline)
        return;
    ax_sql_close(offline->sql);
    ax_buf_done(&offline->text);
    ax_buf_done(&offline->held);
    free(offline->data_folder);
    free(offline->work_folder);
    free(offline);
}

const struct ax_source_journal *ax_offline_pushed(const struct ax_offline *offline,
                                                  const struct ax_source *source)
{
    assert(offline && source);
    return ax_source_journals_get(offline->config.journals, source);
}

/* ---- the data folder ---- */

static enum ax_code enter(const struct ax_offline *offline, int *ret_back, struct ax_err *err)
{
    int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (back < 0)
        return ax_fail_errno(err, errno, "open the working folder");
    if (chdir(offline->data_folder)) {
        (void)ax_fail_errno(err, errno, "go to the data's folder '%s'", offline->data_folder);
        (void)close(back);
        return err->code;
    }
    *ret_back = back;
    return AX_OK;
}

static void leave(int back, struct ax_err *err)
{
    if (fchdir(back))
        (void)ax_fail_errno(err, errno, "go back from the data's folder");
    (void)close(back);
}

enum ax_code ax_offline_check(struct ax_offline *offline, const struct ax_source *source,
                              struct ax_err *err)
{
    int back;
    assert(offline && source && err);
    if (enter(offline, &back, err))
        return err->code;
    (void)(ax_source_table_check(offline, source, err) != AX_OK);
    leave(back, err);
    return err->code;
}

enum ax_code ax_offline_stamp(struct ax_offline *offline, const struct ax_source *source,
                              char ret_stamp[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    int back;
    assert(offline && source && ret_stamp && err);
    if (enter(offline, &back, err))
        return err->code;
    (void)(ax_source_stamp(offline, source, ret_stamp, err) != AX_OK);
    leave(back, err);
    return err->code;
}

enum ax_code ax_offline_expect(struct ax_offline *offline, const struct ax_source *source,
                               const struct ax_offline_expect *request,
                               struct ax_offline_expect_report *ret_report, struct ax_err *err)
{
    int back;
    assert(offline && source && request && request->result && ret_report && err);
    assert(!request->failed_folder || request->failed_folder[0] == '/');
    if (enter(offline, &back, err))
        return err->code;
    (void)(ax_source_expect(offline, source, request, ret_report, err) != AX_OK);
    leave(back, err);
    return err->code;
}

enum ax_code ax_offline_latest(struct ax_offline *offline, const struct ax_offline_latest *request,
                               struct ax_offline_latest_report *ret_report, struct ax_err *err)
{
    int back;
    assert(offline && request && ret_report && err);
    if (enter(offline, &back, err))
        return err->code;
    (void)(ax_source_latest(offline, request, ret_report, err) != AX_OK);
    leave(back, err);
    return err->code;
}

/* ---- history ---- */

static void tell(struct history *h, const char *what, struct ax_str name)
{
    struct ax_offline *offline = h->offline;
    char part[64] = "";
    if (offline->slices)
        (void)snprintf(part, sizeof(part), ", part %zu of %zu", offline->slice + 1,
                       offline->slices);
    (void)snprintf(offline->step, sizeof(offline->step), "%s%s%.*s%s", what, name.len ? " " : "",
                   AX_STR_ARG(name), part);
    tick(offline, 0);
}

/* Columns that a field reads: of a windowed one those inside of its aggregates. */
static void mark_columns(const struct ax_view *view, size_t field, bool *used)
{
    const struct ax_parsed *parsed = &view->fields[field].parsed;
    if (!view->windowed)
        ax_expr_inputs(parsed->root, used);
    for (size_t i = 0; i < parsed->aggregate_count; i++) {
        if (parsed->aggregates[i].value)
            ax_expr_inputs(parsed->aggregates[i].value, used);
        if (parsed->aggregates[i].filter)
            ax_expr_inputs(parsed->aggregates[i].filter, used);
    }
}

/* Columns of a source that any role's fields and keys read. */
static bool *used_columns(const struct ax_service *service, const struct ax_source *source)
{
    bool *used = ax_xalloc((source->column_count + 1) * sizeof(*used));
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        if (input->kind == AX_INPUT_FIELD && service->roles[input->role].view->source == source)
            mark_columns(service->roles[input->role].view, input->field, used);
    }
    for (size_t i = 0; i < service->role_count; i++) {
        const struct ax_view *view = service->roles[i].view;
        for (size_t k = 0; k < view->entity->key_count && view->source == source; k++)
            used[view->key_columns[k]] = true;
    }
    return used;
}

static bool reads(const struct history *h, size_t role, const struct ax_source *source)
{
    return h->service->roles[role].view->source == source;
}

/* ---- parts ---- */

/* What names the parts of the roles that read a source. */
struct part_source {
    const struct ax_source *source;
    struct ax_buf key;
    bool is_known;
    bool is_of_files; /* which may change while they are read */
};

static void find_files(struct history *h, struct part_source *from)
{
    ax_buf_init(&from->key, AX_OFFLINE_TEXT_MAX);
    from->is_of_files = h->offline->config.keep_parts &&
                        ax_role_part_put_files(h->offline, from->source, &from->key);
    from->is_known = from->is_of_files;
}

/* Of the files what there was before they were read, if it still is; else what was read. */
static bool is_unchanged(struct history *h, const struct part_source *from)
{
    struct ax_buf now;
    if (!from->is_of_files)
        return from->is_known;
    ax_buf_init(&now, AX_OFFLINE_TEXT_MAX);
    bool same = ax_role_part_put_files(h->offline, from->source, &now) &&
                ax_str_equals(ax_buf_str(&now), ax_buf_str(&from->key));
    ax_buf_done(&now);
    return same;
}

static void find_content(struct history *h, struct part_source *from,
                         const struct ax_source_table *table)
{
    if (from->is_known || !h->offline->config.keep_parts)
        return;
    ax_buf_reset(&from->key);
    from->is_known = ax_role_part_put_content(h->offline, table, &from->key);
}

static struct ax_role_part_of part_of(struct history *h, size_t role,
                                      const struct part_source *from)
{
    if (from->is_known && !h->rows_digest)
        h->rows_digest = ax_role_part_rows_digest(h->offline, h->service);
    return (struct ax_role_part_of){ .service = h->service,
                                     .role = role,
                                     .slice = { 0, 1 },
                                     .as_known = h->request->as_known,
                                     .rows = from->is_known ? h->rows_digest : NULL,
                                     .source = ax_buf_str(&from->key) };
}

static void add_too_many(struct history *h)
{
    if (!h->too_many.count)
        h->too_many = h->offline->too_many;
    else
        h->too_many.count += h->offline->too_many.count;
}

static bool take_part(struct history *h, const struct ax_role_part_of *of)
{
    if (!ax_role_part_load(h->offline, of))
        return false;
    add_too_many(h);
    tell(h, "found what was done of view", h->service->roles[of->role].view->name);
    return true;
}

static void begin_slice(struct history *h, size_t at, size_t count)
{
    h->offline->slice = at;
    h->offline->slices = count > 1 ? count : 0;
}

static void end_role(struct history *h, size_t role)
{
    begin_slice(h, 0, 1);
    h->is_done[role] = true;
    h->offline->steps_done++;
}

static bool take_slices(struct history *h, struct ax_role_part_of of)
{
    struct ax_err ignored = AX_ERR_INIT;
    of.slice.count = AX_ROLE_SLICES;
    for (of.slice.at = 0; of.slice.at < AX_ROLE_SLICES; of.slice.at++)
        if (!ax_role_part_is_there(h->offline, &of))
            return false;
    bool done = true;
    struct ax_too_many too_many = h->too_many;
    for (of.slice.at = 0; of.slice.at < AX_ROLE_SLICES && done; of.slice.at++) {
        begin_slice(h, of.slice.at, AX_ROLE_SLICES);
        done = take_part(h, &of) &&
               !ax_role_slice_put_aside(h->offline, of.role, of.slice.at, &ignored);
    }
    begin_slice(h, 0, 1);
    if (done && !ax_role_slices_unite(h->offline, h->service, of.role, &ignored))
        return true;
    ax_role_slices_drop(h->offline, of.role);
    h->too_many = too_many;
    return false;
}

/* Whether all roles that read the source have parts, which are tables then. */
static bool take_parts(struct history *h, const struct part_source *from)
{
    bool all = true;
    if (!from->is_known || !ax_role_parts_are_there(h->offline))
        return false;
    for (size_t i = 0; i < h->service->role_count; i++) {
        if (!reads(h, i, from->source))
            continue;
        struct ax_role_part_of of = part_of(h, i, from);
        if (take_part(h, &of) || take_slices(h, of))
            end_role(h, i);
        else
            all = false;
    }
    return all;
}

/* ---- roles ---- */

static bool is_last(const struct history *h, size_t role)
{
    for (size_t i = 0; i < h->service->role_count; i++)
        if (i != role && !h->is_done[i])
            return false;
    return true;
}

/* Whose making would be lost by a kill for long is made and kept in slices. */
static size_t slice_count(const struct history *h, size_t values, size_t rows)
{
    size_t work = rows + h->rows.count / 2 * values;
    return h->offline->config.keep_parts && work >= AX_ROLE_SLICED_ROWS_MIN ? AX_ROLE_SLICES : 1;
}

/* What is small is made anew in the time that keeping it takes; and nothing but the writing follows
 * the last role, when that is made in one. */
static bool is_worth_keeping(const struct history *h, size_t role, size_t slices, size_t rows)
{
    return h->offline->config.keep_parts &&
           (slices > 1 || (!is_last(h, role) && rows >= AX_ROLE_PART_ROWS_MIN));
}

static enum ax_code join_slice(struct history *h, const struct ax_role_part_of *of,
                               const struct ax_source_table *table, const struct part_source *from)
{
    const struct ax_view *view = h->service->roles[of->role].view;
    struct ax_role_job job = { h->service, of->role, table, of->slice, h->takes_rows };
    h->offline->too_many = (struct ax_too_many){ .count = 0 };
    tell(h, "joining view", view->name);
    if (view->windowed ? ax_role_windows(h->offline, &job, h->err)
                       : ax_role_join(h->offline, &job, h->err))
        return h->err->code;
    add_too_many(h);
    if (of->rows && is_unchanged(h, from))
        ax_role_part_keep(h->offline, of);
    return AX_OK;
}

static enum ax_code join_slices(struct history *h, struct ax_role_part_of of,
                                const struct ax_source_table *table, const struct part_source *from)
{
    for (of.slice.at = 0; of.slice.at < of.slice.count; of.slice.at++) {
        begin_slice(h, of.slice.at, of.slice.count);
        if ((!take_part(h, &of) && join_slice(h, &of, table, from)) ||
            (of.slice.count > 1 &&
             ax_role_slice_put_aside(h->offline, of.role, of.slice.at, h->err)))
            return h->err->code;
    }
    return of.slice.count > 1 ? ax_role_slices_unite(h->offline, h->service, of.role, h->err)
                              : AX_OK;
}

static enum ax_code join_role(struct history *h, size_t role, const struct ax_source_table *table,
                              struct part_source *from)
{
    struct ax_role_part_of of = { .service = h->service, .role = role };
    size_t rows = table->rows + h->rows.count;
    size_t slices = slice_count(h, ax_role_values(h->service, role).cost, rows);
    if (is_worth_keeping(h, role, slices, rows)) {
        find_content(h, from, table);
        of = part_of(h, role, from);
    }
    of.slice.count = slices;
    /* Parts do not have them. */
    h->takes_rows = ax_role_can_take_rows(h->service, h->request->as_known) &&
                    (slices == 1 || !ax_role_parts_are_there(h->offline));
    if (join_slices(h, of, table, from) || ax_role_check(h->offline, role, h->err))
        return h->err->code;
    end_role(h, role);
    return AX_OK;
}

static enum ax_code load_source(struct history *h, struct ax_source_reading *reading,
                                struct ax_source_table *table)
{
    tell(h, "reading source", reading->source->name);
    if (ax_source_table_load(h->offline, reading, table, h->err) || !table->scan ||
        slice_count(h, 0, table->rows + h->rows.count) == 1)
        return h->err->code;
    /* What is read once a slice is read into a table. */
    if (ax_source_table_close(h->offline, table, h->err))
        return h->err->code;
    reading->once = false;
    return ax_source_table_load(h->offline, reading, table, h->err);
}

static enum ax_code join_readers(struct history *h, struct ax_source_reading *reading,
                                 struct part_source *from, bool *ret_is_scan)
{
    struct ax_source_table table;
    if (load_source(h, reading, &table))
        return h->err->code;
    ax_source_tell_held(h->offline);
    *ret_is_scan = table.scan != NULL;
    for (size_t i = 0; i < h->service->role_count && !h->err->code; i++)
        if (reads(h, i, reading->source) && !h->is_done[i])
            (void)(join_role(h, i, &table, from) != AX_OK);
    if (!h->err->code)
        return ax_source_table_close(h->offline, &table, h->err);
    free(table.scan);
    return h->err->code;
}

/* Whether one ASOF join is all that is left to read the source. */
static bool is_read_once(const struct history *h, const struct ax_source *source)
{
    size_t readers = 0;
    bool has_windows = false;
    for (size_t i = 0; i < h->service->role_count; i++) {
        if (!reads(h, i, source) || h->is_done[i])
            continue;
        readers++;
        has_windows = has_windows || h->service->roles[i].view->windowed;
    }
    return readers == 1 && !has_windows;
}

static enum ax_code read_source(struct history *h, size_t first, struct part_source *from)
{
    bool *used = used_columns(h->service, from->source);
    struct ax_source_reading reading = { .source = from->source,
                                         .used = used,
                                         .as_known = h->request->as_known,
                                         .known_until = h->request->known_until,
                                         .once = is_read_once(h, from->source),
                                         .number = first };
    bool is_scan = false;
    ax_buf_reset(&h->offline->held);
    enum ax_code code = join_readers(h, &reading, from, &is_scan);
    if (code == AX_E_INVALID && is_scan) {
        /* Which value cannot be converted is told by who reads file by file. */
        reading.once = false;
        ax_err_clear(h->err);
        code = join_readers(h, &reading, from, &is_scan);
    }
    free(used);
    return code;
}

static enum ax_code join_source(struct history *h, size_t first)
{
    struct part_source from = { .source = h->service->roles[first].view->source };
    find_files(h, &from);
    if (take_parts(h, &from))
        ax_source_tell_held(h->offline);
    else
        (void)(read_source(h, first, &from) != AX_OK);
    ax_buf_done(&from.key);
    return h->err->code;
}

static enum ax_code join_roles(struct history *h)
{
    for (size_t i = 0; i < h->service->role_count; i++) {
        bool is_done = false;
        for (size_t k = 0; k < i && !is_done; k++)
            is_done = h->service->roles[k].view->source == h->service->roles[i].view->source;
        if (!is_done && join_source(h, i))
            return h->err->code;
    }
    return AX_OK;
}

/* What is read must not be replaced by what is made of it. */
static enum ax_code check_place(struct history *h)
{
    if (h->request->path && ax_relation_is_same_file(h->request->path, h->out))
        return ax_fail(h->err, AX_E_INVALID, "'%s' holds the rows; write to another place", h->out);
    for (size_t i = 0; i < h->service->role_count; i++)
        if (ax_relation_check_out(h->offline, h->service->roles[i].view->source, h->out, h->err))
            return h->err->code;
    return AX_OK;
}

static enum ax_code run(struct history *h)
{
    struct ax_str none = { "", 0 };
    h->offline->steps_done = 0;
    h->offline->rows = 0;
    begin_slice(h, 0, 1);
    h->offline->steps = h->service->role_count + 1;
    if (check_place(h))
        return h->err->code;
    tell(h, "reading the rows", none);
    if (ax_history_rows_load(h->offline, h->service, h->request, &h->rows, h->err))
        return h->err->code;
    h->offline->rows = h->rows.count;
    h->is_done = ax_xalloc((h->service->role_count + 1) * sizeof(*h->is_done));
    if (!ax_history_output_check(h->service, &h->rows, h->request->moment, h->err) &&
        !join_roles(h)) {
        tell(h, "writing", none);
        h->rows.are_taken = h->takes_rows;
        if (!ax_history_output_write(h->offline, h->service, &h->rows, h->request->moment, h->out,
                                     h->report.digest, h->err)) {
            h->offline->steps_done = h->offline->steps;
            tell(h, "done", none);
        }
    }
    h->report.rows = h->rows.count;
    h->report.inputs = h->service->input_count;
    h->report.dropped_rows = h->offline->dropped_rows;
    ax_history_rows_done(&h->rows);
    free(h->rows_digest);
    free(h->is_done);
    h->offline->step[0] = '\0';
    return h->err->code;
}

static enum ax_code check_out(const char *out, struct ax_err *err)
{
    struct ax_str path = ax_str_from(out);
    static const struct ax_str endings[] = { { ".parquet", 8 }, { ".csv", 4 } };
    struct stat info;
    if (!lstat(out, &info) && S_ISDIR(info.st_mode))
        return ax_fail(err, AX_E_INVALID, "'%s' is a folder", out);
    for (size_t i = 0; i < AX_COUNT(endings); i++)
        if (path.len > endings[i].len &&
            memcmp(path.ptr + path.len - endings[i].len, endings[i].ptr, endings[i].len) == 0)
            return AX_OK;
    return ax_fail(err, AX_E_INVALID, "'%s' does not end in .parquet or .csv", out);
}

/* The same path from the root; a file that is not there yet has a folder that is. */
static enum ax_code absolute(const char *path, char **ret, struct ax_err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *real = NULL;
    int len = slash ? snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path)
                    : snprintf(folder, sizeof(folder), ".");
    if (len < 0 || (size_t)len >= sizeof(folder))
        return ax_fail(err, AX_E_INVALID, "the path '%s' is too long", path);
    if (real_path(folder, &real, err))
        return err->code;
    size_t size = strlen(real) + strlen(name) + 2;
    char *joined = ax_xalloc(size);
    (void)snprintf(joined, size, "%s/%s", real[1] ? real : "", name);
    free(real);
    *ret = joined;
    return AX_OK;
}

/* Whatever a call made, whole or not. */
static void drop_tables(struct ax_offline *offline, const struct ax_service *service)
{
    static const char *const kinds[] = { "h", "b", "s", "v", "w" };
    struct ax_err ignored = AX_ERR_INIT;
    ax_buf_reset(&offline->text);
    ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS ax_rows");
    (void)(ax_offline_run(offline, &ignored) != AX_OK);
    for (size_t i = 0; i < service->role_count; i++)
        ax_role_slices_drop(offline, i);
    for (size_t i = 0; i < service->role_count * AX_COUNT(kinds); i++) {
        ax_err_clear(&ignored);
        ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS ax_%s%zu", kinds[i % AX_COUNT(kinds)],
                      i / AX_COUNT(kinds));
        (void)(ax_offline_run(offline, &ignored) != AX_OK);
    }
}

/* Nulls that are no absence. */
static void tell_too_many(const struct history *h)
{
    const struct ax_offline_config *config = &h->offline->config;
    const struct ax_view *view = h->too_many.view;
    struct ax_buf text;
    if (!h->too_many.count || !config->notice)
        return;
    ax_buf_init(&text, 4096);
    ax_buf_printf(&text,
                  "%zu values of top_k are null since their windows have more than 256 different "
                  "values; the first is of view '%.*s', field '%.*s'",
                  h->too_many.count, AX_STR_ARG(view->name),
                  AX_STR_ARG(view->fields[h->too_many.field].name));
    config->notice(config->arg, ax_buf_str(&text));
    ax_buf_done(&text);
}

enum ax_code ax_offline_history(struct ax_offline *offline, const struct ax_service *service,
                                const struct ax_offline_rows *rows, const char *out,
                                struct ax_offline_report *ret_report, struct ax_err *err)
{
    assert(offline && service && rows && out && ret_report && err);
    uint64_t began_ns = ax_clock_ns();
    struct ax_offline_rows request = *rows;
    struct history h = { .offline = offline, .service = service, .request = &request, .err = err };
    char *path = NULL;
    int back;
    if (check_out(out, err) || absolute(out, &h.out, err) ||
        (rows->path && absolute(rows->path, &path, err)) || enter(offline, &back, err)) {
        free(h.out);
        free(path);
        return err->code;
    }
    request.path = path;
    offline->dropped_rows = 0;
    if (!run(&h))
        tell_too_many(&h);
    h.report.too_many = h.too_many.count;
    drop_tables(offline, service);
    leave(back, err);
    free(h.out);
    free(path);
    h.report.seconds = (double)(ax_clock_ns() - began_ns) / 1e9;
    if (!err->code)
        *ret_report = h.report;
    return err->code;
}

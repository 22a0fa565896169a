/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources are digested before the history is made and looked at again after, so what the manifest
 * tells of a file is what was read, and no file was read that it does not tell of. The digest of
 * the definitions is the service's with all that it is made from, as the catalogue would have it.
 */
#include "pipeline/dataset_history.h"

#include "base/alloc.h"
#include "base/file.h"
#include "pipeline/definition_catalogue.h"
#include "pipeline/lineage.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_INIT    ((size_t)1 << 20)
#define ARENA_MAX     ((size_t)4 << 30)
#define SQL_BYTES_MAX ((size_t)8 << 20)

struct writer {
    const struct ax_dataset_job *job;
    const struct ax_dataset_history *history;
    struct ax_definitions definitions;
    const struct ax_service *service;
    struct ax_offline *offline;
    struct ax_source_journals *journals;
    struct ax_dataset_origins *origins;
    struct ax_buf sql;
    struct ax_err *err;
};

/* A line each. */
static void tell_deprecated(const struct writer *w)
{
    struct ax_buf text;
    ax_buf_init(&text, ARENA_MAX);
    ax_service_put_deprecated(&text, w->service);
    struct ax_str rest = ax_buf_str(&text);
    const char *end;
    while (w->job->notice && (end = memchr(rest.ptr, '\n', rest.len))) {
        size_t len = (size_t)(end - rest.ptr);
        w->job->notice(w->job->arg, (struct ax_str){ rest.ptr, len });
        rest = (struct ax_str){ end + 1, rest.len - len - 1 };
    }
    ax_buf_done(&text);
}

static enum ax_code open_store(struct writer *w, const char *work)
{
    struct ax_offline_config config = {
        .definitions = &w->definitions,
        .data_folder = w->history->data ? w->history->data : w->definitions.folder,
        .work_folder = work,
        .threads = w->job->threads,
        .memory_bytes_max = w->job->memory_bytes_max,
        .journals = w->journals,
        .cancelled = w->job->cancelled,
        .progress = w->job->progress,
        .notice = w->job->notice,
        .arg = w->job->arg,
    };
    return ax_offline_open(&config, &w->offline, w->err);
}

/* ---- where it comes from ---- */

struct sources {
    struct ax_dataset_origins *origins;
    const struct ax_definitions *definitions;
    const struct ax_service *service;
    struct ax_offline *offline;
    atomic_bool *cancelled;
    struct ax_str whose; /* of the source whose files are told */
    size_t looked_at;    /* origins that were found again */
    enum ax_code (*call)(struct sources *s, const struct ax_source *source, struct ax_err *err);
    bool *visited; /* of each source */
};

static enum ax_code visit(struct sources *s, const struct ax_source *source, struct ax_err *err)
{
    size_t index = (size_t)(source - s->definitions->sources);
    assert(index < s->definitions->source_count);
    if (s->visited[index])
        return AX_OK;
    s->visited[index] = true;
    return s->call(s, source, err);
}

/* Once each: the service's sources, and those whose rows decide which of their rows count. */
static enum ax_code visit_all(struct sources *s, struct ax_err *err)
{
    s->visited = ax_xalloc((s->definitions->source_count + 1) * sizeof(*s->visited));
    for (size_t i = 0; i < s->service->role_count && !err->code; i++) {
        const struct ax_source *source = s->service->roles[i].view->source;
        (void)(visit(s, source, err) != AX_OK);
        for (size_t k = 0; k < source->expectation_count && !err->code; k++)
            if (source->expectations[k].referred)
                (void)(visit(s, source->expectations[k].referred, err) != AX_OK);
    }
    free(s->visited);
    return err->code;
}

static enum ax_code add_file(void *arg, struct ax_str path, struct ax_err *err)
{
    struct sources *s = arg;
    return ax_dataset_origins_add_file(s->origins, s->whose, path, s->cancelled, err);
}

/* The rows of its journal that the store reads: others may be appended while it does. */
static enum ax_code add_pushed(struct sources *s, const struct ax_source *source,
                               struct ax_err *err)
{
    const struct ax_source_journal *pushed = ax_offline_pushed(s->offline, source);
    struct ax_buf extent, whose;
    if (!pushed)
        return AX_OK;
    ax_buf_init(&extent, 256);
    ax_buf_init(&whose, 1024);
    ax_source_journal_put_extent(&extent, pushed);
    ax_buf_printf(&whose, "%.*s, pushed ", AX_STR_ARG(s->whose));
    (void)ax_buf_append_str(&whose, ax_buf_str(&extent));
    if (!ax_buf_check(&whose, "the name of a source", err))
        (void)(ax_dataset_origins_add_text(s->origins, ax_buf_str(&whose),
                                           ax_str_from(pushed->folder), ax_buf_str(&extent),
                                           err) != AX_OK);
    ax_buf_done(&extent);
    ax_buf_done(&whose);
    return err->code;
}

static enum ax_code add_source(struct sources *s, const struct ax_source *source,
                               struct ax_err *err)
{
    char whose[512];
    (void)snprintf(whose, sizeof(whose), "source %.*s", AX_STR_ARG(source->name));
    s->whose = ax_str_from(whose);
    if (source->kind == AX_SOURCE_SQL
            ? ax_dataset_origins_add_text(s->origins, s->whose, AX_STR(""), source->text, err)
            : ax_offline_files(s->offline, source, add_file, s, err))
        return err->code;
    return add_pushed(s, source, err);
}

enum ax_code ax_dataset_sources_add(struct ax_dataset_origins *origins,
                                    const struct ax_definitions *definitions,
                                    const struct ax_service *service, struct ax_offline *offline,
                                    atomic_bool *cancelled, struct ax_err *err)
{
    assert(origins && origins->count == 1 && definitions && service && offline && err);
    struct sources s = { .origins = origins,
                         .definitions = definitions,
                         .service = service,
                         .offline = offline,
                         .cancelled = cancelled,
                         .call = add_source };
    return visit_all(&s, err);
}

/* Whether the file is the next of those that were digested. */
static enum ax_code check_file(void *arg, struct ax_str path, struct ax_err *err)
{
    struct sources *s = arg;
    if (s->looked_at == s->origins->count ||
        !ax_str_equals(s->origins->sources[s->looked_at].path, path))
        return ax_fail(err, AX_E_CONFLICT, "'%.*s' came while files were read; try again",
                       AX_STR_ARG(path));
    s->looked_at++;
    return AX_OK;
}

static enum ax_code check_source(struct sources *s, const struct ax_source *source,
                                 struct ax_err *err)
{
    if (source->kind == AX_SOURCE_SQL)
        s->looked_at++;
    else if (ax_offline_files(s->offline, source, check_file, s, err))
        return err->code;
    s->looked_at += ax_offline_pushed(s->offline, source) != NULL;
    return AX_OK;
}

enum ax_code ax_dataset_sources_check(struct ax_dataset_origins *origins,
                                      const struct ax_definitions *definitions,
                                      const struct ax_service *service, struct ax_offline *offline,
                                      struct ax_err *err)
{
    assert(origins && origins->count && definitions && service && offline && err);
    struct sources s = { .origins = origins,
                         .definitions = definitions,
                         .service = service,
                         .offline = offline,
                         .looked_at = 1, /* the rows are the first */
                         .call = check_source };
    return ax_dataset_origins_check(origins, err) ? err->code : visit_all(&s, err);
}

/* The path from the root: a manifest is read elsewhere. */
static enum ax_code real_path(struct writer *w, const char *path, struct ax_str *ret)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return ax_fail_errno(w->err, errno, "find '%s'", path);
    return ax_dataset_origins_copy(w->origins, ax_str_from(real), ret, w->err);
}

static enum ax_code digest_definition(struct writer *w)
{
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    char digest[AX_SHA256_TEXT_SIZE];
    ax_arena_init(&arena, ARENA_INIT, ARENA_MAX);
    if (!ax_definition_catalogue(&w->definitions, &arena, &catalogue, w->err)) {
        const struct ax_registry_object *object =
            ax_registry_find(&catalogue, AX_REGISTRY_SERVICE, w->service->name);
        assert(object);
        if (!ax_lineage_digest(&catalogue, object, &arena, digest, w->err))
            (void)(ax_dataset_origins_copy(w->origins, ax_str_from(digest),
                                           &w->origins->origin.definition_digest, w->err) != AX_OK);
    }
    ax_arena_done(&arena);
    return w->err->code;
}

static enum ax_code tell_origin(struct writer *w)
{
    struct ax_dataset_origin *origin = &w->origins->origin;
    const struct ax_dataset_history *history = w->history;
    origin->by = AX_DATASET_BY_HISTORY;
    origin->as_known = history->as_known;
    origin->at = ax_str_from(history->at);
    if (real_path(w, history->rows ? history->rows : history->sql, &origin->from) ||
        real_path(w, history->definitions, &origin->definitions) ||
        ax_dataset_origins_copy(w->origins, w->service->name, &origin->service, w->err) ||
        ax_dataset_origins_add_file(w->origins,
                                    history->rows ? AX_STR("rows") : AX_STR("sql of the rows"),
                                    origin->from, w->job->cancelled, w->err) ||
        ax_dataset_sources_add(w->origins, &w->definitions, w->service, w->offline,
                               w->job->cancelled, w->err))
        return w->err->code;
    return digest_definition(w);
}

/* ---- the history ---- */

static enum ax_code read_query(struct writer *w)
{
    if (ax_file_read(w->history->sql, &w->sql, w->err))
        return w->err->code;
    if (!w->sql.len)
        return ax_fail(w->err, AX_E_INVALID, "%s is empty; one SELECT is expected",
                       w->history->sql);
    return AX_OK;
}

static enum ax_code write_rows(struct writer *w, const char *out)
{
    struct ax_offline_report report;
    tell_deprecated(w);
    struct ax_offline_rows rows = {
        .sql = ax_buf_str(&w->sql),
        .sql_path = w->history->sql,
        .path = w->history->rows,
        .at = ax_str_from(w->history->at),
        .as_known = w->history->as_known,
    };
    return ax_offline_history(w->offline, w->service, &rows, out, &report, w->err);
}

enum ax_code ax_dataset_history_write(const struct ax_dataset_job *job, const char *work,
                                      const char *out, struct ax_dataset_origins *origins,
                                      struct ax_err *err)
{
    assert(job && job->history && !job->history->rows == !!job->history->sql && work && out &&
           origins && err);
    struct writer w = { .job = job, .history = job->history, .origins = origins, .err = err };
    ax_buf_init(&w.sql, SQL_BYTES_MAX);
    if (!ax_definitions_read(w.history->definitions, &w.definitions, err)) {
        (void)(ax_definitions_find_service(&w.definitions, ax_str_from(w.history->service),
                                           &w.service, err) ||
               ax_source_journals_open(job->state, &w.definitions, &w.journals, err) ||
               open_store(&w, work) || tell_origin(&w) || (w.history->sql && read_query(&w)) ||
               write_rows(&w, out) ||
               ax_dataset_sources_check(origins, &w.definitions, w.service, w.offline, err));
        ax_offline_close(w.offline);
        ax_source_journals_close(w.journals);
        ax_definitions_done(&w.definitions);
    }
    ax_buf_done(&w.sql);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the training child.
 *
 * The parent writes job.json, starts /proc/self/exe as `train --worker FOLDER` and reads lines from
 * its standard output: "round N VALUE METRIC" after each round, "error CODE TEXT" when it gives up.
 * Standard error goes to worker.log in the folder, whose last line explains a sudden death. The
 * child asks the kernel to be killed when its parent ends, however that happens. It writes the
 * model and result.json; the parent believes them only when the exit status is 0.
 */
#include "pipeline/trainer/trainer.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB_BYTES_MAX ((size_t)64 << 20)
#define LINE_MAX_LEN  512
#define POLL_MS       100

extern char **environ;

/* ---- what passes in files ---- */

static void print_texts(struct ax_buf *out, const char *key, const struct ax_trainer_param *params,
                        size_t count, bool names)
{
    ax_json_put_key(out, key);
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            (void)ax_buf_append_char(out, ',');
        ax_json_put_str(out, ax_str_from(names ? params[i].name : params[i].text));
    }
    (void)ax_buf_append_char(out, ']');
}

static void print_number(struct ax_buf *out, const char *key, uint64_t value)
{
    ax_json_put_key(out, key);
    ax_json_put_u64(out, value);
}

static enum ax_code write_job(const struct ax_trainer_job *job, struct ax_err *err)
{
    struct ax_buf out;
    char path[4096];
    ax_buf_init(&out, JOB_BYTES_MAX);
    (void)ax_buf_append_char(&out, '{');
    ax_json_put_key(&out, "columns");
    (void)ax_buf_append_char(&out, '[');
    for (size_t i = 0; i < job->column_count; i++) {
        (void)ax_buf_append_str(&out, i ? AX_STR(",[") : AX_STR("["));
        ax_json_put_str(&out, job->names[i]);
        (void)ax_buf_append_str(&out,
                                job->category_counts[i] ? AX_STR(",\"c\"]") : AX_STR(",\"q\"]"));
    }
    (void)ax_buf_append_char(&out, ']');
    print_number(&out, "train_rows", job->train_rows);
    print_number(&out, "stop_rows", job->stop_rows);
    print_number(&out, "weighted", job->weighted);
    print_number(&out, "rounds", job->rounds);
    print_number(&out, "early_stopping_rounds", job->early_stopping_rounds);
    print_number(&out, "threads", job->threads);
    print_texts(&out, "param_names", job->params, job->param_count, true);
    print_texts(&out, "param_texts", job->params, job->param_count, false);
    (void)ax_buf_append_char(&out, '}');
    (void)snprintf(path, sizeof(path), "%s/job.json", job->folder);
    enum ax_code code = ax_buf_check(&out, "job", err);
    if (!code)
        code = ax_file_replace(path, ax_buf_str(&out), err);
    ax_buf_done(&out);
    return code;
}

static enum ax_code read_document(const char *folder, const char *name,
                                  struct ax_json_doc **ret_doc, struct ax_err *err)
{
    struct ax_buf text;
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ax_buf_init(&text, JOB_BYTES_MAX);
    enum ax_code code = ax_file_read(path, &text, err);
    if (!code)
        code = ax_json_parse(ax_buf_str(&text), ret_doc, err);
    ax_buf_done(&text);
    return code;
}

static size_t get_size(const struct ax_json *object, const char *key)
{
    uint64_t value = 0;
    return ax_json_to_u64(ax_json_get(object, key), &value) ? (size_t)value : 0;
}

/* The elements of a list of texts; the texts stay the document's (NUL-terminated by the parser). */
static const char **get_texts(const struct ax_json *list)
{
    const char **texts = ax_xalloc((ax_json_count(list) + 1) * sizeof(*texts));
    struct ax_json_iter iter = ax_json_iterate(list);
    const struct ax_json *value;
    for (size_t i = 0; (value = ax_json_next(&iter)); i++)
        texts[i] = ax_json_str(value).ptr;
    return texts;
}

static void read_work(const struct ax_json *root, struct ax_trainer_work *work)
{
    const struct ax_json *columns = ax_json_get(root, "columns");
    work->column_count = ax_json_count(columns);
    work->names = ax_xalloc((work->column_count + 1) * sizeof(*work->names));
    work->types = ax_xalloc((work->column_count + 1) * sizeof(*work->types));
    struct ax_json_iter iter = ax_json_iterate(columns);
    const struct ax_json *pair;
    for (size_t i = 0; (pair = ax_json_next(&iter)); i++) {
        struct ax_json_iter parts = ax_json_iterate(pair);
        work->names[i] = ax_json_str(ax_json_next(&parts)).ptr;
        work->types[i] = ax_json_str(ax_json_next(&parts)).ptr;
    }
    work->train_rows = get_size(root, "train_rows");
    work->stop_rows = get_size(root, "stop_rows");
    work->weighted = get_size(root, "weighted") != 0;
    work->rounds = get_size(root, "rounds");
    work->early_stopping_rounds = get_size(root, "early_stopping_rounds");
    work->threads = get_size(root, "threads");
    work->param_count = ax_json_count(ax_json_get(root, "param_names"));
    work->param_names = get_texts(ax_json_get(root, "param_names"));
    work->param_texts = get_texts(ax_json_get(root, "param_texts"));
}

static enum ax_code write_result(const char *folder, const struct ax_trainer_result *result,
                                 size_t column_count, struct ax_err *err)
{
    struct ax_buf out;
    char path[4096];
    ax_buf_init(&out, JOB_BYTES_MAX);
    (void)ax_buf_append_char(&out, '{');
    print_number(&out, "rounds_run", result->rounds_run);
    print_number(&out, "rounds_kept", result->rounds_kept);
    ax_json_put_key(&out, "metric");
    ax_json_put_str(&out, ax_str_from(result->metric));
    ax_json_put_key(&out, "best_value");
    ax_json_put_f64(&out, result->best_value);
    ax_json_put_key(&out, "library");
    ax_json_put_str(&out, ax_str_from(result->library));
    ax_json_put_key(&out, "gains");
    (void)ax_buf_append_char(&out, '[');
    for (size_t i = 0; i < column_count; i++) {
        if (i)
            (void)ax_buf_append_char(&out, ',');
        ax_json_put_f64(&out, result->gains[i]);
    }
    (void)ax_buf_append_str(&out, AX_STR("]}"));
    (void)snprintf(path, sizeof(path), "%s/result.json", folder);
    enum ax_code code = ax_buf_check(&out, "result", err);
    if (!code)
        code = ax_file_replace(path, ax_buf_str(&out), err);
    ax_buf_done(&out);
    return code;
}

static enum ax_code read_result(const struct ax_trainer_job *job, struct ax_trainer_result *result,
                                struct ax_err *err)
{
    struct ax_json_doc *doc = NULL;
    if (read_document(job->folder, "result.json", &doc, err))
        return err->code;
    const struct ax_json *root = ax_json_root(doc);
    result->rounds_run = get_size(root, "rounds_run");
    result->rounds_kept = get_size(root, "rounds_kept");
    if (!ax_json_to_f64(ax_json_get(root, "best_value"), &result->best_value))
        (void)ax_fail(err, AX_E_INTERNAL, "the training process left no result");
    (void)snprintf(result->metric, sizeof(result->metric), "%.*s",
                   AX_STR_ARG(ax_json_str(ax_json_get(root, "metric"))));
    (void)snprintf(result->library, sizeof(result->library), "%.*s",
                   AX_STR_ARG(ax_json_str(ax_json_get(root, "library"))));
    result->gains = ax_xalloc(AX_MAX(job->column_count, (size_t)1) * sizeof(double));
    struct ax_json_iter iter = ax_json_iterate(ax_json_get(root, "gains"));
    const struct ax_json *value;
    for (size_t i = 0; (value = ax_json_next(&iter)) && i < job->column_count; i++)
        if (!ax_json_to_f64(value, &result->gains[i]))
            result->gains[i] = 0;
    ax_json_free(doc);
    return err->code;
}

/* ---- the child ---- */

static void worker_report(void *arg, size_t round, size_t rounds, const char *metric, double value)
{
    (void)arg;
    (void)rounds;
    (void)printf("round %zu %.17g %s\n", round, value, metric);
    (void)fflush(stdout);
}

int ax_trainer_worker(const char *folder)
{
    assert(folder);
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc = NULL;
    struct ax_trainer_work work = { .folder = folder };
    struct ax_trainer_result result = { 0 };
    char model_path[4096];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(model_path, sizeof(model_path), "%s/model.ubj", folder);
    if (!read_document(folder, "job.json", &doc, &err)) {
        read_work(ax_json_root(doc), &work);
        enum ax_code code = ax_xgboost_train(&work, model_path, &result, worker_report, &err);
        if (!code)
            code = write_result(folder, &result, work.column_count, &err);
        assert(code == err.code);
        free(result.gains);
        free(work.names);
        free(work.types);
        free(work.param_names);
        free(work.param_texts);
        ax_json_free(doc);
    }
    if (!err.code)
        return 0;
    (void)printf("error %d %s\n", (int)err.code, err.msg);
    return fflush(stdout) ? 2 : 1;
}

/* ---- the parent ---- */

struct child {
    pid_t pid;
    int lines; /* the reading end of its standard output */
    char text[LINE_MAX_LEN];
    size_t len;
};

static enum ax_code child_start(const struct ax_trainer_job *job, struct child *child,
                                struct ax_err *err)
{
    int ends[2];
    char log[4096];
    char *argv[] = { (char *)(uintptr_t)"auspex", (char *)(uintptr_t)"train",
                     (char *)(uintptr_t)"--worker", (char *)(uintptr_t)job->folder, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t pipe_only;
    (void)snprintf(log, sizeof(log), "%s/worker.log", job->folder);
    if (pipe2(ends, O_CLOEXEC))
        return ax_fail(err, AX_E_LIMIT, "no pipe for the training process");
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    /* A child that missed its parent's end dies when it reports. */
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)posix_spawnattr_setsigdefault(&attributes, &pipe_only);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    (void)posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int status = posix_spawn(&child->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    (void)close(ends[1]);
    child->lines = ends[0];
    if (status == 0)
        return AX_OK;
    (void)close(ends[0]);
    return ax_fail(err, AX_E_LIMIT, "cannot start the training process: error %d", status);
}

static void handle_line(const struct ax_trainer_job *job, const char *line, struct ax_err *err)
{
    size_t round;
    double value;
    char metric[64];
    int code;
    int at = 0;
    if (sscanf(line, "round %zu %lf %63s", &round, &value, metric) == 3) {
        if (job->progress)
            job->progress(job->progress_arg, round, job->rounds, metric, value);
    } else if (sscanf(line, "error %d %n", &code, &at) == 1 && at > 0 && code > 0 &&
               code <= AX_E_INTERNAL) {
        (void)ax_fail(err, (enum ax_code)code, "%s", line + at);
    }
}

/* Take the whole lines out of what was read; a line that is too long is dropped. */
static void handle_text(const struct ax_trainer_job *job, struct child *child, struct ax_err *err)
{
    char *end;
    while ((end = memchr(child->text, '\n', child->len))) {
        size_t used = (size_t)(end - child->text) + 1;
        *end = '\0';
        handle_line(job, child->text, err);
        child->len -= used;
        memmove(child->text, child->text + used, child->len);
    }
    if (child->len == sizeof(child->text))
        child->len = 0;
}

/* Read until the child closes its output or the work is cancelled. */
static void child_follow(const struct ax_trainer_job *job, struct child *child, struct ax_err *err)
{
    for (;;) {
        struct pollfd wait = { .fd = child->lines, .events = POLLIN };
        int ready = poll(&wait, 1, POLL_MS);
        if (job->cancelled && atomic_load(job->cancelled)) {
            (void)kill(child->pid, SIGKILL);
            (void)ax_fail(err, AX_E_CANCELLED, "training was interrupted");
            return;
        }
        if (ready <= 0)
            continue;
        ssize_t len =
            read(child->lines, child->text + child->len, sizeof(child->text) - child->len);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return;
        child->len += (size_t)len;
        handle_text(job, child, err);
    }
}

/* The last line of the child's own words, for an end that it did not explain. */
static void last_words(const char *folder, char text[160])
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_buf log;
    char path[4096];
    text[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/worker.log", folder);
    ax_buf_init(&log, JOB_BYTES_MAX);
    if (!ax_file_read(path, &log, &ignored)) {
        while (log.len && log.ptr[log.len - 1] == '\n')
            log.len--;
        const char *line = log.len ? memrchr(log.ptr, '\n', log.len) : NULL;
        line = line ? line + 1 : log.ptr;
        if (log.len)
            (void)snprintf(text, 160, "; it said: %.*s", (int)(log.ptr + log.len - line), line);
    }
    ax_buf_done(&log);
}

static enum ax_code child_end(const struct ax_trainer_job *job, struct child *child,
                              struct ax_err *err)
{
    int status = 0;
    char words[160];
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    (void)close(child->lines);
    if (err->code || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return err->code;
    /* Ctrl-C reaches the child as well, sometimes sooner. */
    if (job->cancelled && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        return ax_fail(err, AX_E_CANCELLED, "training was interrupted");
    last_words(job->folder, words);
    if (WIFSIGNALED(status))
        return ax_fail(err, AX_E_INTERNAL, "the training process was ended by signal %d (%s)%s%s",
                       WTERMSIG(status), strsignal(WTERMSIG(status)),
                       WTERMSIG(status) == SIGKILL ? ", probably for want of memory" : "", words);
    return ax_fail(err, AX_E_INTERNAL, "the training process ended with status %d%s",
                   WEXITSTATUS(status), words);
}

enum ax_code ax_trainer_run(const struct ax_trainer_job *job, struct ax_trainer_result *ret_result,
                            struct ax_err *err)
{
    assert(job && job->folder && job->column_count && job->train_rows && ret_result && err);
    struct child child = { 0 };
    if (write_job(job, err) || child_start(job, &child, err))
        return err->code;
    child_follow(job, &child, err);
    if (child_end(job, &child, err))
        return err->code;
    struct ax_trainer_result result = { 0 };
    if (read_result(job, &result, err))
        return err->code;
    (void)snprintf(result.model_path, sizeof(result.model_path), "%s/model.ubj", job->folder);
    *ret_result = result;
    return AX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread waits for connections, and for the ends of those whose jobs wait or run: a client that
 * goes away is seen by it, whatever its job does. It reads a request whole before it looks at the
 * next connection; the other end is a command of this program, which sends it at once.
 *
 * The list of jobs is in the order in which they came, the first one runs. The pool's one thread
 * takes them in the same order. A job that has ended is marked, and freed by the thread that polls
 * its descriptor: so what that thread finds in the list stays there while it looks, and others only
 * add to it. A task is a job without a descriptor, and whatever it would tell its client is logged.
 */
#include "server/control.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/thread.h"
#include "server/control_wire.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARENA_BYTES_MAX  ((size_t)4 << 20)
#define REQUEST_WAIT_NS  ((uint64_t)5 * AX_NS_PER_S)
#define PROGRESS_WAIT_NS ((uint64_t)100 * AX_NS_PER_MS)

static const struct ax_metric_family jobs_family = {
    .name = "ax_control_jobs_total",
    .help = "Requests of commands to the control socket, by the code that they ended with.",
    .type = AX_METRIC_COUNTER,
    .labels = "code",
};

struct ax_control_job {
    struct ax_control *control;
    struct ax_control_wire wire;
    struct ax_arena arena;
    struct ax_control_request request; /* in the arena */
    const struct ax_control_command *command;
    struct ax_buf line;                                /* that is being sent */
    pid_t process;                                     /* of the client */
    void (*done)(void *arg, const struct ax_err *err); /* of a task, which has no client */
    void *arg;
    atomic_bool cancelled;
    atomic_bool is_ended; /* nobody waits for it any more */
    uint64_t began_ns;
    uint64_t told_ns; /* the last progress */
    bool is_over;     /* it may be freed; guarded by the control's lock */
};

struct ax_control {
    const char *state;
    const struct ax_control_command *commands;
    struct ax_server *server;
    int listener;
    int wake; /* eventfd: look around */
    atomic_bool is_stopped;
    bool is_started;
    struct ax_thread thread;
    struct ax_pool *pool;
    pthread_mutex_t lock;                             /* of what follows */
    bool is_open;                                     /* jobs are taken */
    struct ax_control_job *jobs[AX_CONTROL_JOBS_MAX]; /* removed by the thread alone */
    size_t job_count;
};

/* ---- what a job says ---- */

static bool is_task(const struct ax_control_job *job)
{
    return job->wire.fd < 0;
}

/* What a client would be told, a line at a time. */
static void log_text(const struct ax_control_job *job, struct ax_str text)
{
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        ax_log(AX_LOG_INFO, "a job tells", AX_LOG_TEXT("command", job->command->name),
               AX_LOG_TEXT("who", job->request.who),
               AX_LOG_STR("text", ((struct ax_str){ text.ptr, len })));
        len += end != NULL;
        text = (struct ax_str){ text.ptr + len, text.len - len };
    }
}

static struct ax_buf *begin_line(struct ax_control_job *job)
{
    ax_buf_reset(&job->line);
    (void)ax_buf_append_char(&job->line, '{');
    return &job->line;
}

/* Who cannot be told has gone. */
static void send_line(struct ax_control_job *job)
{
    struct ax_err err = AX_ERR_INIT;
    (void)ax_buf_append_str(&job->line, AX_STR("}\n"));
    if (ax_buf_check(&job->line, "a line", &err) ||
        ax_control_wire_write(&job->wire, ax_buf_str(&job->line), &err))
        atomic_store(&job->cancelled, true);
}

enum ax_code ax_control_job_print(struct ax_control_job *job, struct ax_str text,
                                  struct ax_err *err)
{
    assert(job && (text.ptr || !text.len) && err);
    if (is_task(job)) {
        log_text(job, text);
        return AX_OK;
    }
    while (text.len && !ax_control_job_is_cancelled(job)) {
        struct ax_str part = ax_str_cut(text, AX_CONTROL_OUTPUT_BYTES_MAX);
        ax_json_put_member(begin_line(job), "output", part);
        send_line(job);
        text = (struct ax_str){ text.ptr + part.len, text.len - part.len };
    }
    return text.len ? ax_fail(err, AX_E_CANCELLED, "cancelled") : AX_OK;
}

void ax_control_job_note(struct ax_control_job *job, struct ax_str text)
{
    assert(job && (text.ptr || !text.len));
    if (is_task(job)) {
        log_text(job, text);
        return;
    }
    ax_json_put_member(begin_line(job), "note", text);
    send_line(job);
}

void ax_control_job_progress(struct ax_control_job *job, const char *what, uint64_t done,
                             uint64_t of)
{
    assert(job && what);
    uint64_t now_ns = ax_clock_ns();
    if (is_task(job) || now_ns < job->told_ns + PROGRESS_WAIT_NS)
        return;
    job->told_ns = now_ns;
    struct ax_buf *line = begin_line(job);
    ax_json_put_key(line, "progress");
    (void)ax_buf_append_char(line, '{');
    ax_json_put_member(line, "what", ax_str_from(what));
    ax_json_put_member_u64(line, "done", done);
    ax_json_put_member_u64(line, "of", of);
    (void)ax_buf_append_char(line, '}');
    send_line(job);
}

static void tell_end(struct ax_control_job *job, const struct ax_err *err)
{
    struct ax_buf *line = begin_line(job);
    ax_json_put_member(line, "end", ax_str_from(ax_code_name(err->code)));
    if (err->code)
        ax_json_put_member(line, "error", ax_str_from(err->msg));
    send_line(job);
}

atomic_bool *ax_control_job_cancelled(struct ax_control_job *job)
{
    assert(job);
    return &job->cancelled;
}

struct ax_arena *ax_control_job_arena(struct ax_control_job *job)
{
    assert(job);
    return &job->arena;
}

struct ax_server *ax_control_job_server(struct ax_control_job *job)
{
    assert(job);
    return job->control->server;
}

/* ---- the life of a job ---- */

/* `fd` is that of its client, or -1. */
static struct ax_control_job *job_new(struct ax_control *control, int fd)
{
    struct ax_control_job *job = ax_xalloc(sizeof(*job));
    *job = (struct ax_control_job){ .control = control, .began_ns = ax_clock_ns() };
    job->wire.fd = fd;
    if (fd >= 0)
        ax_control_wire_init(&job->wire, fd, AX_CONTROL_REQUEST_BYTES_MAX, &job->cancelled);
    ax_arena_init(&job->arena, AX_CONTROL_REQUEST_BYTES_MAX, ARENA_BYTES_MAX);
    ax_buf_init(&job->line, AX_CONTROL_ANSWER_BYTES_MAX);
    return job;
}

static void job_free(struct ax_control_job *job)
{
    ax_control_wire_done(&job->wire);
    ax_buf_done(&job->line);
    ax_arena_done(&job->arena);
    free(job);
}

static void count(enum ax_code code)
{
    struct ax_err ignored = AX_ERR_INIT; /* without room for series nothing is counted */
    struct ax_str name = ax_str_from(ax_code_name(code));
    ax_metric metric = 0;
    (void)(ax_metric_register(&jobs_family, &name, &metric, &ignored) != AX_OK);
    ax_metric_add(metric, 1);
}

/* It ends: its client and the log are told. */
static void job_end(struct ax_control_job *job, const struct ax_err *err)
{
    count(err->code);
    atomic_store(&job->is_ended, true);
    ax_log(AX_LOG_INFO, "a command's request has ended",
           AX_LOG_TEXT("command", job->command ? job->command->name : ""),
           AX_LOG_U64("process", (uint64_t)job->process),
           AX_LOG_TEXT("who", job->request.who ? job->request.who : ""),
           AX_LOG_TEXT("code", ax_code_name(err->code)),
           AX_LOG_TEXT("error", err->code ? err->msg : "none"),
           AX_LOG_F64("seconds", (double)(ax_clock_ns() - job->began_ns) / (double)AX_NS_PER_S));
    if (!is_task(job))
        tell_end(job, err);
    else if (job->done)
        job->done(job->arg, err);
}

static void wake(struct ax_control *control)
{
    uint64_t one = 1;
    (void)!write(control->wake, &one, sizeof(one));
}

static bool has_gone(const struct ax_control_job *job)
{
    struct pollfd end = { .fd = job->wire.fd, .events = POLLRDHUP };
    return poll(&end, 1, 0) > 0;
}

/* On the pool's thread. */
static void run_job(void *arg)
{
    struct ax_control_job *job = arg;
    struct ax_control *control = job->control;
    struct ax_err err = AX_ERR_INIT, stopped = AX_ERR_INIT;
    /* Whoever reads sources goes to their folder. */
    (void)ax_thread_own_folder();
    if (ax_control_job_is_cancelled(job) || has_gone(job))
        (void)ax_fail(&err, AX_E_CANCELLED, "cancelled before it began");
    else
        (void)(job->command->run(job, &job->request, &err) != AX_OK);
    /* Nobody interrupted the command that waits: it may be tried again. */
    if (err.code == AX_E_CANCELLED && atomic_load(&control->is_stopped))
        (void)ax_fail(&stopped, AX_E_UNAVAILABLE, "the server stops: %s", err.msg);
    job_end(job, stopped.code ? &stopped : &err);
    (void)pthread_mutex_lock(&control->lock);
    job->is_over = true;
    (void)pthread_mutex_unlock(&control->lock);
    wake(control);
}

/* ---- taking requests ---- */

static enum ax_code check_peer(struct ax_control_job *job, struct ax_err *err)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(job->wire.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
        return ax_fail_errno(err, errno, "ask who connects");
    job->process = peer.pid;
    if (peer.uid != geteuid() && peer.uid != 0)
        return ax_fail(err, AX_E_DENIED, "the server is another user's");
    return AX_OK;
}

static enum ax_code find_command(struct ax_control_job *job, struct ax_err *err)
{
    const struct ax_control_command *command = job->control->commands;
    while (command->name && strcmp(command->name, job->request.command) != 0)
        command++;
    if (!command->name)
        return ax_fail(err, AX_E_UNSUPPORTED, "the server knows no command '%s'",
                       job->request.command);
    job->command = command;
    return AX_OK;
}

static enum ax_code read_request(struct ax_control_job *job, struct ax_err *err)
{
    struct ax_str line;
    if (check_peer(job, err) ||
        ax_control_wire_read(&job->wire, ax_clock_ns() + REQUEST_WAIT_NS, &line, err) ||
        ax_control_request_parse(line, &job->arena, &job->request, err))
        return err->code;
    return find_command(job, err);
}

/* The first of the list that has not ended, or NULL. Locked. */
static const struct ax_control_job *first_job(const struct ax_control *control, size_t *ret_count)
{
    size_t first = 0;
    while (first < control->job_count && atomic_load(&control->jobs[first]->is_ended))
        first++;
    *ret_count = control->job_count - first;
    return *ret_count ? control->jobs[first] : NULL;
}

/* Tell a job behind whom it waits, if it does. That one is freed by this thread alone. */
static void tell_wait(struct ax_control_job *job)
{
    struct ax_control *control = job->control;
    struct ax_buf text;
    size_t count;
    (void)pthread_mutex_lock(&control->lock);
    const struct ax_control_job *first = first_job(control, &count);
    (void)pthread_mutex_unlock(&control->lock);
    if (!first)
        return;
    ax_buf_init(&text, 256);
    ax_buf_printf(&text, "waiting behind %s of process %ld", first->command->name,
                  (long)first->process);
    if (count > 1)
        ax_buf_printf(&text, " and %zu more", count - 1);
    ax_control_job_note(job, ax_buf_str(&text));
    ax_buf_done(&text);
}

/* Whether there is room for it. Locked. */
static enum ax_code check_room(const struct ax_control *control, struct ax_err *err)
{
    if (!control->is_open || atomic_load(&control->is_stopped))
        return ax_fail(err, AX_E_UNAVAILABLE, "the server is starting or ending");
    if (control->job_count == AX_CONTROL_JOBS_MAX)
        return ax_fail(err, AX_E_LIMIT, "%zu commands wait already, behind %s of process %ld",
                       AX_CONTROL_JOBS_MAX - 1, control->jobs[0]->command->name,
                       (long)control->jobs[0]->process);
    return AX_OK;
}

/* Have it run when its turn has come. Locked. */
static enum ax_code add_job(struct ax_control *control, struct ax_control_job *job,
                            struct ax_err *err)
{
    if (check_room(control, err) || ax_pool_submit(control->pool, run_job, job, err))
        return err->code;
    control->jobs[control->job_count++] = job;
    return AX_OK;
}

static enum ax_code queue_job(struct ax_control *control, struct ax_control_job *job,
                              struct ax_err *err)
{
    (void)pthread_mutex_lock(&control->lock);
    (void)(check_room(control, err) != AX_OK);
    (void)pthread_mutex_unlock(&control->lock);
    if (err->code)
        return err->code;
    job->wire.cancelled = &job->cancelled;
    tell_wait(job);
    (void)pthread_mutex_lock(&control->lock);
    (void)(add_job(control, job, err) != AX_OK);
    (void)pthread_mutex_unlock(&control->lock);
    return err->code;
}

/* ---- tasks ---- */

static enum ax_code copy_request(struct ax_control_job *job,
                                 const struct ax_control_request *request, struct ax_err *err)
{
    struct ax_buf line;
    ax_buf_init(&line, AX_CONTROL_REQUEST_BYTES_MAX);
    if (!ax_control_request_put(request, &line, err))
        (void)(ax_control_request_parse(ax_buf_str(&line), &job->arena, &job->request, err) !=
               AX_OK);
    ax_buf_done(&line);
    return err->code;
}

/* Locked. */
static enum ax_code check_only(const struct ax_control *control, const struct ax_control_job *job,
                               struct ax_err *err)
{
    for (size_t i = 0; i < control->job_count; i++) {
        const struct ax_control_job *other = control->jobs[i];
        if (other->command == job->command && !atomic_load(&other->is_ended))
            return ax_fail(err, AX_E_CONFLICT, "%s of process %ld is under way",
                           other->command->name, (long)other->process);
    }
    return AX_OK;
}

enum ax_code ax_control_submit(struct ax_control *control, const struct ax_control_task *task,
                               struct ax_err *err)
{
    assert(control && task && err);
    struct ax_control_job *job = job_new(control, -1);
    job->process = getpid();
    job->done = task->done;
    job->arg = task->arg;
    if (!copy_request(job, &task->request, err) && !find_command(job, err)) {
        (void)pthread_mutex_lock(&control->lock);
        (void)((task->is_only && check_only(control, job, err)) || add_job(control, job, err));
        (void)pthread_mutex_unlock(&control->lock);
    }
    if (err->code)
        job_free(job);
    else
        wake(control);
    return err->code;
}

/* ---- connections ---- */

static void take_connection(struct ax_control *control)
{
    struct ax_err err = AX_ERR_INIT;
    int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct ax_control_job *job = job_new(control, fd);
    job->wire.cancelled = &control->is_stopped;
    if (read_request(job, &err) || queue_job(control, job, &err)) {
        job_end(job, &err);
        job_free(job);
    }
}

/* ---- the thread ---- */

/* Free those that are over. */
static void sweep(struct ax_control *control)
{
    size_t kept = 0;
    (void)pthread_mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++) {
        struct ax_control_job *job = control->jobs[i];
        if (job->is_over)
            job_free(job);
        else
            control->jobs[kept++] = job;
    }
    control->job_count = kept;
    (void)pthread_mutex_unlock(&control->lock);
}

/* Until a connection comes, one of the clients goes, or somebody wakes it. */
static void wait_and_look(struct ax_control *control)
{
    struct pollfd fds[2 + AX_CONTROL_JOBS_MAX] = { { .fd = control->wake, .events = POLLIN },
                                                   { .fd = control->listener, .events = POLLIN } };
    (void)pthread_mutex_lock(&control->lock);
    size_t job_count = control->job_count;
    (void)pthread_mutex_unlock(&control->lock);
    for (size_t i = 0; i < job_count; i++)
        fds[2 + i] = (struct pollfd){ .fd = ax_control_job_is_cancelled(control->jobs[i])
                                                ? -1
                                                : control->jobs[i]->wire.fd,
                                      .events = POLLRDHUP };
    if (poll(fds, (nfds_t)(2 + job_count), -1) < 0)
        return;
    for (size_t i = 0; i < job_count; i++)
        if (fds[2 + i].revents)
            atomic_store(&control->jobs[i]->cancelled, true);
    uint64_t unused;
    (void)!read(control->wake, &unused, sizeof(unused));
    sweep(control);
    if (fds[1].revents && !atomic_load(&control->is_stopped))
        take_connection(control);
}

static void control_run(void *arg)
{
    struct ax_control *control = arg;
    while (!atomic_load(&control->is_stopped))
        wait_and_look(control);
    ax_control_wire_unlink(control->state);
    (void)close(control->listener);
    control->listener = -1;
    (void)pthread_mutex_lock(&control->lock);
    for (size_t i = 0; i < control->job_count; i++)
        atomic_store(&control->jobs[i]->cancelled, true);
    (void)pthread_mutex_unlock(&control->lock);
}

/* ---- life ---- */

enum ax_code ax_control_new(const char *state, const struct ax_control_command *commands,
                            struct ax_server *server, struct ax_control **ret_control,
                            struct ax_err *err)
{
    assert(state && commands && ret_control && err);
    int listener;
    if (ax_control_wire_listen(state, &listener, err))
        return err->code;
    int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake < 0) {
        (void)ax_fail_errno(err, errno, "make an eventfd");
        (void)close(listener);
        return err->code;
    }
    struct ax_control *control = ax_xalloc(sizeof(*control));
    *control = (struct ax_control){
        .state = state, .commands = commands, .server = server, .listener = listener, .wake = wake
    };
    (void)pthread_mutex_init(&control->lock, NULL);
    *ret_control = control;
    return AX_OK;
}

enum ax_code ax_control_start(struct ax_control *control, struct ax_err *err)
{
    assert(control && !control->is_started && err);
    if (ax_pool_new("jobs", 1, AX_CONTROL_JOBS_MAX, &control->pool, err))
        return err->code;
    (void)pthread_mutex_lock(&control->lock);
    control->is_open = true;
    (void)pthread_mutex_unlock(&control->lock);
    if (ax_thread_start(&control->thread, "control", control_run, control, err))
        return err->code;
    control->is_started = true;
    return AX_OK;
}

void ax_control_stop(struct ax_control *control)
{
    if (!control)
        return;
    atomic_store(&control->is_stopped, true);
    wake(control);
}

bool ax_control_free_until(struct ax_control *control, uint64_t until_ns)
{
    if (!control)
        return true;
    ax_control_stop(control);
    if (control->is_started)
        ax_thread_join(&control->thread);
    else
        ax_control_wire_unlink(control->state);
    if (!ax_pool_free_until(control->pool, until_ns))
        return false;
    for (size_t i = 0; i < control->job_count; i++)
        job_free(control->jobs[i]);
    if (control->listener >= 0)
        (void)close(control->listener);
    (void)close(control->wake);
    (void)pthread_mutex_destroy(&control->lock);
    free(control);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `auspex serve`: answer prediction requests until told to stop.
 *
 * The main thread reads the options, starts the server and then waits for signals; all other
 * threads block them. SIGHUP has the folder of models looked through again, and what is applied.
 * SIGTERM or SIGINT begins the graceful end. From then on the two have their default effect again,
 * so a second one ends the process at once. What follows the first within a tenth of a second
 * counts as the same: timeout(1) sends to the process and to its group.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cmd/cmd.h"
#include "cmd/command_line.h"
#include "cmd/exit_code.h"
#include "cmd/jobs.h"
#include "engine/forest/kernel.h"
#include "engine/image.h"
#include "server/admission.h"
#include "server/feature_store.h"
#include "server/fleet.h"
#include "server/repository.h"
#include "server/served_log.h"
#include "server/server.h"
#include "server/watch.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* What is left to files of models, listeners, the log and libraries. */
#define DESCRIPTORS_KEPT ((size_t)256)

struct serve_config {
    struct ax_server_config server;
    struct ax_admission_config admission;
    struct ax_repository_config repository;
    struct ax_fleet_config fleet;
    struct ax_watch_config watch;
    struct ax_feature_store_config feature_store;
    struct ax_served_log_config served_log;
    struct ax_image_config images;
    struct ax_http_config http;
};

const struct ax_option *const ax_cmd_serve_options[] = {
    ax_server_options,        ax_admission_options,
    ax_fleet_options,         ax_watch_options,
    ax_repository_options,    ax_image_options,
    ax_feature_store_options, ax_served_log_options,
    ax_http_options,          NULL
};

/* Signals are blocked before any thread is made, so that all of them inherit it. */
static void block_signals(sigset_t *ret_stop)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigemptyset(ret_stop);
    (void)sigaddset(ret_stop, SIGTERM);
    (void)sigaddset(ret_stop, SIGINT);
    (void)sigaddset(ret_stop, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, ret_stop, NULL);
}

/* Until one of them comes that is not SIGHUP. */
static void wait_for_stop(struct ax_server *server, const sigset_t *stop)
{
    int number = SIGHUP;
    while (number == SIGHUP)
        if (sigwait(stop, &number) == 0 && number == SIGHUP)
            ax_server_rescan(server);
    ax_log(AX_LOG_INFO, "stopping", AX_LOG_TEXT("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
}

static void allow_second_signal(const sigset_t *stop)
{
    const struct timespec echo = { .tv_nsec = 100L * AX_NS_PER_MS };
    sigset_t ends = *stop;
    (void)sigdelset(&ends, SIGHUP);
    (void)sigtimedwait(&ends, NULL, &echo);
    (void)pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
}

/* Let the process open as many descriptors as it may, and promise no more connections than that:
 * one that is refused learns why, and a model that shall be loaded finds a descriptor. */
static void fit_connections(struct ax_http_config *http)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    struct rlimit raised = { limit.rlim_max, limit.rlim_max };
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    if (limit.rlim_cur == RLIM_INFINITY)
        return;
    size_t descriptors = (size_t)limit.rlim_cur;
    size_t room = descriptors - AX_MIN(DESCRIPTORS_KEPT, descriptors / 2);
    if (http->connections_max <= room)
        return;
    ax_log(AX_LOG_WARN, "connections_max is lowered",
           AX_LOG_U64("connections_max", http->connections_max), AX_LOG_U64("lowered_to", room),
           AX_LOG_TEXT("reason", "the process may not open more descriptors (ulimit -n)"),
           AX_LOG_U64("descriptors", descriptors));
    http->connections_max = AX_MAX(room, (size_t)1);
}

static enum ax_exit serve(const struct serve_config *config)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_http_config http = config->http;
    struct ax_server *server;
    const struct ax_forest_kernel *kernel;
    sigset_t stop;
    block_signals(&stop);
    /* This thread counts, too: at the end it does what the control thread has left. */
    ax_metric_thread_attach();
    ax_log_setup((enum ax_log_level)config->server.log_level,
                 (enum ax_log_format)config->server.log_format);
    fit_connections(&http);
    /* A wrong AUSPEX_KERNEL is no fault of each model. */
    if (ax_forest_kernel_default(&kernel, &err) ||
        ax_server_start(&config->server, &http, &server, &err)) {
        ax_log(AX_LOG_ERROR, "could not serve", AX_LOG_ERR(&err));
        return ax_exit_from_code(err.code);
    }
    wait_for_stop(server, &stop);
    ax_server_drain(server);
    allow_second_signal(&stop);
    struct ax_server_end end = ax_server_join_free(server);
    if (end.connections_cut)
        ax_log(AX_LOG_WARN, "stopped", AX_LOG_TEXT("reason", "the drain timeout was over"),
               AX_LOG_U64("connections_cut", end.connections_cut));
    else
        ax_log(AX_LOG_INFO, "stopped", AX_LOG_TEXT("reason", "all requests were answered"),
               AX_LOG_TEXT("work", end.has_work_left ? "given up" : "none"));
    /* Threads go on that use what lies on this stack. */
    if (end.has_work_left)
        _exit(AX_EXIT_OK);
    return AX_EXIT_OK;
}

int ax_cmd_serve(int argc, char **argv)
{
    struct serve_config config = { .server.commands = ax_jobs,
                                   .server.repository = &config.repository,
                                   .server.admission = &config.admission,
                                   .server.fleet = &config.fleet,
                                   .server.watch = &config.watch,
                                   .server.feature_store = &config.feature_store,
                                   .server.served_log = &config.served_log,
                                   .repository.images = &config.images };
    const struct ax_option_group groups[] = {
        { ax_server_options, &config.server },
        { ax_admission_options, &config.admission },
        { ax_fleet_options, &config.fleet },
        { ax_watch_options, &config.watch },
        { ax_repository_options, &config.repository },
        { ax_image_options, &config.images },
        { ax_feature_store_options, &config.feature_store },
        { ax_served_log_options, &config.served_log },
        { ax_http_options, &config.http },
        { 0 },
    };
    struct ax_command_line line = {
        .name = "serve",
        .usage = "[OPTION]...",
        .about = "Answer prediction requests for the models of a folder, until SIGTERM or SIGINT.\n"
                 "DIR/<model>/<version>/ holds one model file and may hold model.yaml.",
        .groups = groups,
        .with_file = true,
    };
    int status = AX_EXIT_OK;
    if (ax_command_line_load(&line, argc, argv, &status))
        status = (int)serve(&config);
    ax_command_line_done(&line);
    return status;
}

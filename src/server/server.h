/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serving program: the repository of models, the catalog made from it, and the HTTP server.
 *
 * Listening begins before the models are loaded, so that health can be asked for meanwhile; until
 * then the server is live and not ready, and a model that is asked for is unavailable.
 */
#ifndef AX_SERVER_SERVER_H
#define AX_SERVER_SERVER_H

#include "base/option.h"
#include "base/snapshot.h"
#include "net/http.h"

struct ax_admission_config;
struct ax_control;
struct ax_control_command;
struct ax_definitions_watch;
struct ax_feature_store;
struct ax_feature_store_config;
struct ax_fleet;
struct ax_fleet_config;
struct ax_model_orders;
struct ax_repository_config;
struct ax_schedules;
struct ax_served_log;
struct ax_served_log_config;
struct ax_server;
struct ax_watch_config;

/* What "now" is to features. */
enum ax_server_clock {
    AX_SERVER_CLOCK_WALL,
    AX_SERVER_CLOCK_REPLAY, /* the latest time of the rows that were pushed; 0 before the first */
};

struct ax_server_config {
    char *models;                                        /* the repository's folder */
    const struct ax_repository_config *repository;       /* not an option: set by the caller */
    const struct ax_admission_config *admission;         /* likewise */
    const struct ax_fleet_config *fleet;                 /* likewise */
    const struct ax_watch_config *watch;                 /* likewise */
    const struct ax_feature_store_config *feature_store; /* likewise */
    const struct ax_served_log_config *served_log;       /* likewise */
    const struct ax_control_command *commands;           /* likewise: what it does for others */
    char *default_model; /* "model" or "model/version"; empty: none */
    size_t models_per_request_max;
    size_t metric_versions_max;
    int clock; /* enum ax_server_clock */
    int log_level;
    int log_format;
    char *server_name, *server_version; /* as GET /v2 says; an empty version is the program's */
    bool allow_remote_control;
};
extern const struct ax_option ax_server_options[];

/* Become the owner of the state directory, if there can be one, bind the listeners, start the
 * threads, and the fleet, which loads the models. Logs what happened, and one line when ready,
 * which may be after this has returned. The configurations are borrowed until free. Expected:
 * NOT_FOUND (no such folder), DENIED, INVALID, UNAVAILABLE (port or state directory in use), LIMIT.
 */
AX_MUST_USE enum ax_code ax_server_start(const struct ax_server_config *config,
                                         const struct ax_http_config *http,
                                         struct ax_server **ret_server, struct ax_err *err);

/* How a server ended. */
struct ax_server_end {
    size_t connections_cut; /* that had not got all their answers when the drain timeout was over */
    bool has_work_left;     /* models are being loaded still, for want of processor time, or a job
                               runs, and use what was not freed: nothing may follow but the
                               process's end */
};

/* Begin the graceful end, and wait for it, not much longer than the drain timeout. */
void ax_server_drain(struct ax_server *server);
struct ax_server_end ax_server_join_free(struct ax_server *server);

/* Look through the folder of models again, and at what is applied. Any thread. */
void ax_server_rescan(struct ax_server *server);

/* For the threads. */
const struct ax_server_config *ax_server_config(const struct ax_server *server);
const char *ax_server_state(const struct ax_server *server); /* its directory; empty: none */
/* What they enter once a wake-up: for the catalog, and all else that is published to them. */
struct ax_epoch *ax_server_epoch(struct ax_server *server);
struct ax_snapshot *ax_server_snapshot(struct ax_server *server);
struct ax_definitions_watch *ax_server_definitions(struct ax_server *server) AX_RETURNS_NONNULL;
/* The moment that features are asked for when none is named, by the clock that the server goes by:
 * microseconds since 1970. */
int64_t ax_server_now_us(const struct ax_server *server);
/* The moment that rows which come may lie little ahead of: the wall clock's, since a clock that
 * they drive refuses none. */
int64_t ax_server_wall_us(void);
/* When rows are taken in whose latest time this is. */
int64_t ax_server_taken_us(const struct ax_server *server, int64_t latest_us);
/* What services are served by; NULL: nothing. Inside the epoch. */
struct ax_serving_features *ax_server_features(struct ax_server *server);
/* Whether there are any, or nothing was applied. Inside the epoch. Expected: UNAVAILABLE (what is
 * applied cannot be served: the online store was not opened). */
AX_MUST_USE enum ax_code ax_server_check_features(struct ax_server *server, struct ax_err *err);
/* The same as a reference, which the caller gives back. Control threads. */
struct ax_serving_features *ax_server_features_ref(struct ax_server *server);
/* Likewise; if there are none what is applied is read again, since it may have been mended just
 * now. Expected: NOT_FOUND (nothing was applied), UNAVAILABLE (it cannot be served). */
AX_MUST_USE enum ax_code ax_server_features_read(struct ax_server *server,
                                                 struct ax_serving_features **ret_features,
                                                 struct ax_err *err);
struct ax_feature_store *ax_server_feature_store(struct ax_server *server) AX_RETURNS_NONNULL;
/* NULL: the state directory is not its own, so it does nothing there for others. */
struct ax_control *ax_server_control(struct ax_server *server);
/* NULL likewise. */
struct ax_schedules *ax_server_schedules(struct ax_server *server);
/* NULL: what is served is not logged. */
struct ax_served_log *ax_server_served_log(struct ax_server *server);
/* NULL until it was started: before that the catalog is empty. */
struct ax_fleet *ax_server_fleet(const struct ax_server *server);
/* NULL likewise. */
struct ax_model_orders *ax_server_orders(const struct ax_server *server);
size_t ax_server_thread_count(const struct ax_server *server);
struct ax_str ax_server_default_model(const struct ax_server *server);
size_t ax_server_models_per_request_max(const struct ax_server *server);
int64_t ax_server_start_us(const struct ax_server *server); /* wall clock */

#endif

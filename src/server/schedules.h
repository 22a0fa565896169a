/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedules of a server: views with `every` are materialised incrementally as their moments
 * come (server/schedule.h), by the jobs of the control socket.
 *
 * A thread of its own waits for the next moment. What was done last is read from the registry, so
 * nothing is lost by a restart, and a run that somebody asked for counts as well. "Now" is the wall
 * clock, also with --clock replay.
 */
#ifndef AX_SERVER_SCHEDULES_H
#define AX_SERVER_SCHEDULES_H

#include "base/buf.h"
#include "server/control.h"

struct ax_schedules;

/* `control` is that of the server, and takes jobs. Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_schedules_new(struct ax_server *server, struct ax_control *control,
                                          struct ax_schedules **ret_schedules, struct ax_err *err);
/* Definitions may have changed: look around. Any thread; never blocks. NULL is fine. */
void ax_schedules_wake(struct ax_schedules *schedules);
/* Begin no more. Does not wait. NULL is fine. */
void ax_schedules_stop(struct ax_schedules *schedules);
/* Stop, and wait for the thread, but not for a job that runs. NULL is fine. */
void ax_schedules_join(struct ax_schedules *schedules);
/* Behind join, and when the control has no jobs any more. NULL is fine. */
void ax_schedules_free(struct ax_schedules *schedules);

/* When each view is due, and how often it has failed since it was done, as metrics. NULL: there are
 * no such views. */
void ax_schedules_print(struct ax_schedules *schedules, struct ax_buf *out);

#endif

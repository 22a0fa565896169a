/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of one view for one key, online: one thread puts events in, others read values.
 *
 * The rules and the pieces are those of feature/window.h; a value is the same function of the
 * events and of the moment. Readers take no lock and never wait: they read pieces that were
 * published (feature/window_piece.h), as they were at one moment between two events. The writer is
 * the store's; it is outside of the epoch, and has the heap settled after each batch.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_WINDOW_H
#define AX_FEATURE_ONLINE_ONLINE_WINDOW_H

#include "feature/window_piece.h"
#include "feature/window_read.h"

struct ax_online_window;

/* ---- The writer's. ---- */

/* The spec and the heap are borrowed: of the spec until the heap was flushed after the drop.
 * Expected: LIMIT. */
AX_MUST_USE enum ax_code ax_online_window_new(const struct ax_window_spec *spec,
                                              struct ax_window_heap *heap,
                                              struct ax_online_window **ret_window,
                                              struct ax_err *err);
/* It was taken from where readers find it; those that did may go on until they leave the epoch. */
void ax_online_window_drop(struct ax_online_window *window);

/* As ax_window_put of AX_WINDOW_ANY; readers see the event when it returns. Expected: INVALID,
 * TOO_LARGE; LIMIT: put it again, since readers may not see it yet. */
AX_MUST_USE enum ax_code ax_online_window_put(struct ax_online_window *window,
                                              const struct ax_window_event *event,
                                              const struct ax_values *const *columns, size_t row,
                                              struct ax_err *err);

/* The same for many events, in their order; of many keys it is cheaper, since what each touches is
 * asked for ahead. Those windows forget what no moment from `floor` on can reach. `err` is that of
 * the first failure. */
struct ax_online_window_put {
    struct ax_online_window *window;
    const struct ax_window_event *event;
    const struct ax_values *const *columns;
    size_t row;
    enum ax_code ret_code;
};
AX_MUST_USE enum ax_code ax_online_window_put_all(struct ax_online_window_put *puts, size_t count,
                                                  int64_t floor, struct ax_err *err);

/* As ax_window_forget; what no moment from the floor on can reach goes. Costs what goes. Whether
 * nothing is left, not even ids, so that the window may be dropped. */
bool ax_online_window_forget(struct ax_online_window *window, int64_t floor);

/* ---- Readers', inside the epoch. ---- */

/* The values at a moment, as ax_window_get, in a scratch of the spec; good until it is used again
 * or the epoch is left. `self` is looked for among the rows in reach, the newest first. Expected:
 * INVALID (before the floor), LIMIT. */
AX_MUST_USE enum ax_code ax_online_window_get(const struct ax_online_window *window, int64_t at,
                                              const struct ax_str *self,
                                              struct ax_window_scratch *scratch,
                                              const struct ax_window_value **ret_values,
                                              struct ax_err *err);

#endif

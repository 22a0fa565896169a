/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels of functions_time.c: what each does is said in its entry there.
 */
#ifndef AX_DATA_EXPR_TIMES_H
#define AX_DATA_EXPR_TIMES_H

#include "data/expr/function.h"

/* A field or a unit is argument 0, a literal. */
enum ax_code ax_time_prepare_extract(const struct ax_expr *call, void **ret_state,
                                     struct ax_err *err);
enum ax_code ax_time_prepare_unit(const struct ax_expr *call, void **ret_state, struct ax_err *err);
void ax_time_release(void *state);
enum ax_code ax_time_extract(struct ax_call *call, struct ax_err *err);
enum ax_code ax_time_trunc(struct ax_call *call, struct ax_err *err);
enum ax_code ax_time_diff(struct ax_call *call, struct ax_err *err);
void ax_time_put_extract(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args);
void ax_time_put_trunc(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args);
void ax_time_put_diff(struct ax_buf *out, const struct ax_expr *call, const struct ax_buf *args);

/* A zone is argument 1, a literal. Zones stay until the process ends: there is no release. */
enum ax_code ax_time_prepare_zone(const struct ax_expr *call, void **ret_state, struct ax_err *err);
void ax_time_release_zone(void *state);
enum ax_code ax_time_at_zone(struct ax_call *call, struct ax_err *err);
enum ax_code ax_time_from_local(struct ax_call *call, struct ax_err *err);

enum ax_code ax_time_epoch(struct ax_call *call, struct ax_err *err);
enum ax_code ax_time_epoch_ms(struct ax_call *call, struct ax_err *err);
enum ax_code ax_time_make(struct ax_call *call, struct ax_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the settings extensions share: the body of a change, an object of names and values.
 */
#ifndef AX_SERVER_API_SETTINGS_H
#define AX_SERVER_API_SETTINGS_H

#include "base/json.h"
#include "server/router.h"

#define AX_SETTINGS_SHOWN_BYTES_MAX ((size_t)64)

/* One setting; NULL values (JSON null) mean "as it was at the start". Expected: INVALID,
 * UNSUPPORTED. */
typedef enum ax_code (*ax_settings_take_fn)(void *change, struct ax_str name,
                                            const struct ax_json *value, struct ax_err *err);

/* Hand each setting of the request's body to `take`. All are looked at before anything is done with
 * `change`, so a body is taken whole or not at all. Expected: INVALID, UNSUPPORTED, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_settings_read(const struct ax_request *request,
                                          ax_settings_take_fn take, void *change,
                                          struct ax_err *err);

/* Answer a failure as the protocol has it. */
void ax_settings_answer_error(struct ax_call *call, const struct ax_err *err);

#endif

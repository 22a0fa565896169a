/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target of a request: split into path and query, the path percent-decoded, and the query taken
 * apart.
 */
#ifndef AX_NET_URI_H
#define AX_NET_URI_H

#include "base/arena.h"

struct ax_uri {
    struct ax_str path;  /* decoded; in the arena when it held an escape, else a part of the text */
    struct ax_str query; /* behind '?', as sent */
};

/*
 * Split "/path?query" or "http://host/path?query" (whose host is not looked at); "*" is a path of
 * its own. Nothing is resolved: ".." and "//" stay, and "%2F" becomes a '/' like any other.
 * Expected: INVALID (an escape that is none, %00, a fragment, no path), TOO_LARGE, LIMIT.
 */
AX_MUST_USE enum ax_code ax_uri_parse(struct ax_str text, struct ax_arena *arena,
                                      struct ax_uri *ret_uri, struct ax_err *err);

/* Take the first "name=value" off a query, decoded ('+' is a space); *ret_taken: there was one.
 * Without '=' the value is empty. Expected: INVALID (an escape that is none, %00), TOO_LARGE,
 * LIMIT. */
AX_MUST_USE enum ax_code ax_uri_take_parameter(struct ax_str *query, struct ax_arena *arena,
                                               struct ax_str *ret_name, struct ax_str *ret_value,
                                               bool *ret_taken, struct ax_err *err);

#endif

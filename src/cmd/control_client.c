/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work goes to the server as the flags that this process has understood, wherever they came
 * from: the server's own environment and configuration file say nothing about it.
 */
#include "cmd/control_client.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "cmd/text_output.h"
#include "server/control_request.h"
#include "server/control_wire.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIND_WAIT_NS  ((uint64_t)300 * AX_NS_PER_MS)
#define WHO_BYTES_MAX ((size_t)1 << 10)
#define ADVICE        "what it was doing is done whole or not at all"

/* ---- the owner ---- */

enum ax_code ax_control_owner_find(const char *state, const char *command,
                                   struct ax_control_owner *ret_owner, struct ax_err *err)
{
    assert(state && command && ret_owner && err);
    uint64_t until_ns = ax_clock_ns() + FIND_WAIT_NS;
    for (;;) {
        struct ax_control_owner owner = { .server = -1 };
        struct ax_err unconnected = AX_ERR_INIT;
        if (ax_state_lock_take(state, command, &owner.lock, err) == AX_E_UNAVAILABLE &&
            ax_control_wire_connect(state, &owner.server, &unconnected) == AX_OK)
            ax_err_clear(err);
        if (!err->code) {
            *ret_owner = owner;
            return AX_OK;
        }
        if (unconnected.code != AX_E_UNAVAILABLE || !ax_thread_wait_a_little(until_ns))
            return err->code;
        ax_err_clear(err);
    }
}

enum ax_code ax_control_owner_find_existing(const char *state, const char *command,
                                            struct ax_control_owner *ret_owner, struct ax_err *err)
{
    if (access(state, F_OK) && errno == ENOENT)
        return ax_fail(err, AX_E_NOT_FOUND,
                       "there is no state directory '%s'; `auspex apply` makes one", state);
    return ax_control_owner_find(state, command, ret_owner, err);
}

void ax_control_owner_done(struct ax_control_owner *owner)
{
    assert(owner);
    ax_state_lock_free(owner->lock);
    if (owner->server >= 0)
        (void)close(owner->server);
    *owner = (struct ax_control_owner){ .server = -1 };
}

/* ---- the request ---- */

void ax_control_put_typed(struct ax_buf *out, int argc, char **argv)
{
    assert(out && argv);
    (void)ax_buf_append_str(out, AX_STR("auspex"));
    for (int i = 0; i < argc; i++) {
        (void)ax_buf_append_char(out, ' ');
        (void)ax_buf_append_str(out, ax_str_from(argv[i]));
    }
}

void ax_control_put_who(struct ax_buf *out)
{
    assert(out);
    char host[HOST_NAME_MAX + 1] = "";
    char buffer[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
        (void)ax_buf_append_str(out, ax_str_from(found->pw_name));
    else
        (void)ax_buf_append_u64(out, geteuid());
    if (gethostname(host, sizeof(host) - 1) == 0 && host[0])
        ax_buf_printf(out, "@%s", host);
}

static void put_arguments(const struct ax_control_work *work, struct ax_option_list *arguments)
{
    ax_option_list_add(arguments, ax_str_from(work->command));
    ax_option_list_flags(work->groups, arguments);
    ax_option_list_add(arguments, AX_STR("--"));
    for (size_t i = 0; i < work->args->count; i++)
        ax_option_list_add(arguments, ax_str_from(work->args->texts[i]));
}

static enum ax_code put_request(const struct ax_control_work *work, struct ax_buf *out,
                                struct ax_err *err)
{
    struct ax_option_list arguments = { 0 };
    struct ax_buf who;
    char folder[PATH_MAX];
    if (!getcwd(folder, sizeof(folder)))
        return ax_fail_errno(err, errno, "find the path of this folder");
    ax_buf_init(&who, WHO_BYTES_MAX);
    ax_control_put_who(&who);
    put_arguments(work, &arguments);
    char *who_text = ax_xmemdup0(ax_buf_str(&who).ptr, who.len);
    char *typed = ax_xmemdup0(work->typed.ptr, work->typed.len);
    const struct ax_control_request request = { .command = work->command,
                                                .who = who_text,
                                                .typed = typed,
                                                .folder = folder,
                                                .argv = arguments.texts,
                                                .argc = (int)arguments.count };
    (void)(ax_control_request_put(&request, out, err) != AX_OK);
    free(typed);
    free(who_text);
    ax_option_list_done(&arguments);
    ax_buf_done(&who);
    return err->code;
}

/* ---- the answer ---- */

/* A code by its name; one of a newer server's fails all the same. */
static enum ax_code code_named(struct ax_str name)
{
#define X(code, text, http, grpc)           \
    if (ax_str_equals(name, AX_STR(#code))) \
        return AX_E_##code;
    AX_ERR_LIST(X)
#undef X
    return ax_str_equals(name, AX_STR("OK")) ? AX_OK : AX_E_INTERNAL;
}

static void show_progress(const struct ax_control_work *work, const struct ax_json *progress)
{
    char what[256];
    uint64_t done = 0, of = 0;
    struct ax_str text = ax_json_str(ax_json_get(progress, "what"));
    if (!work->progress || !ax_json_to_u64(ax_json_get(progress, "done"), &done) ||
        !ax_json_to_u64(ax_json_get(progress, "of"), &of))
        return;
    (void)snprintf(what, sizeof(what), "%.*s", AX_STR_ARG(text));
    ax_progress_part(work->progress, what, done, of);
}

/* True: it was the last line. */
static bool take_line(const struct ax_control_work *work, const struct ax_json *line,
                      struct ax_err *err)
{
    struct ax_str note = ax_json_str(ax_json_get(line, "note"));
    struct ax_str output = ax_json_str(ax_json_get(line, "output"));
    const struct ax_json *end = ax_json_get(line, "end");
    if (work->progress && (note.len || output.len))
        ax_progress_end(work->progress);
    if (note.len)
        fprintf(stderr, "%s: %.*s\n", work->command, AX_STR_ARG(note));
    if (output.len && ax_text_output_standard.print(&ax_text_output_standard, output, err))
        return true;
    show_progress(work, ax_json_get(line, "progress"));
    enum ax_code code = code_named(ax_json_str(end));
    if (end && code)
        (void)ax_fail(err, code, "%.*s", AX_STR_ARG(ax_json_str(ax_json_get(line, "error"))));
    return end != NULL;
}

/* Until the end, or a failure. */
static enum ax_code take_answer(struct ax_control_wire *wire, const struct ax_control_work *work,
                                struct ax_err *err)
{
    for (bool is_over = false; !is_over && !err->code;) {
        struct ax_str line;
        struct ax_json_doc *doc;
        if (ax_control_wire_read(wire, UINT64_MAX, &line, err) == AX_E_UNAVAILABLE) {
            ax_err_clear(err);
            return ax_fail(err, AX_E_UNAVAILABLE,
                           "the server has ended before it answered; " ADVICE);
        }
        if (err->code || ax_json_parse(line, &doc, err))
            return ax_err_context(err, "the server's answer");
        is_over = take_line(work, ax_json_root(doc), err);
        ax_json_free(doc);
    }
    return err->code;
}

enum ax_code ax_control_owner_run(struct ax_control_owner *owner,
                                  const struct ax_control_work *work, struct ax_err *err)
{
    assert(owner && owner->server >= 0 && work && err);
    struct ax_control_wire wire;
    struct ax_err unsent = AX_ERR_INIT;
    struct ax_buf request;
    ax_buf_init(&request, AX_CONTROL_REQUEST_BYTES_MAX);
    ax_control_wire_init(&wire, owner->server, AX_CONTROL_ANSWER_BYTES_MAX, work->cancelled);
    owner->server = -1;
    /* A server that refuses may do so before it has read all, and says why. */
    if (!put_request(work, &request, err)) {
        (void)(ax_control_wire_write(&wire, ax_buf_str(&request), &unsent) != AX_OK);
        (void)(take_answer(&wire, work, err) != AX_OK);
    }
    ax_control_wire_done(&wire);
    ax_buf_done(&request);
    return err->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: one job at a time, in order; who waits is told behind whom; who goes away, and whoever is
 * there when the server stops, is cancelled and nothing is left; no line, however long or wrong,
 * does harm.
 * Method: commands of the test's own, of which one holds until it is let go or cancelled, and
 * clients on the other end of the socket in the same program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/control.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "server/control_wire.h"

#include "test_folder.h"

#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_NS ((uint64_t)60 * AX_NS_PER_S) /* far more than anything here takes */

static atomic_bool is_let_go;
static atomic_uint begun_count, cancelled_count;

/* ---- commands ---- */

static enum ax_code run_echo(struct ax_control_job *job, const struct ax_control_request *request,
                             struct ax_err *err)
{
    assert_int_equal((intptr_t)ax_control_job_server(job), 0);
    assert_non_null(ax_control_job_arena(job));
    ax_control_job_note(job, ax_str_from(request->typed));
    ax_control_job_progress(job, request->who, 3, 4);
    ax_control_job_progress(job, "too soon after the one before", 4, 4);
    for (int i = 1; i < request->argc; i++)
        if (ax_control_job_print(job, ax_str_from(request->argv[i]), err))
            return err->code;
    return AX_OK;
}

static enum ax_code run_fail(struct ax_control_job *job, const struct ax_control_request *request,
                             struct ax_err *err)
{
    (void)job;
    return ax_fail(err, AX_E_CONFLICT, "not in '%s'", request->folder);
}

static enum ax_code run_hold(struct ax_control_job *job, const struct ax_control_request *request,
                             struct ax_err *err)
{
    (void)request;
    atomic_fetch_add(&begun_count, 1);
    while (!atomic_load(&is_let_go) && !ax_control_job_is_cancelled(job))
        (void)sched_yield();
    if (!ax_control_job_is_cancelled(job))
        return AX_OK;
    atomic_fetch_add(&cancelled_count, 1);
    return ax_fail(err, AX_E_CANCELLED, "held no more");
}

/* More than a socket takes, for a client that reads none of it. */
static enum ax_code run_flood(struct ax_control_job *job, const struct ax_control_request *request,
                              struct ax_err *err)
{
    (void)request;
    static char text[1 << 20];
    memset(text, 'x', sizeof(text));
    atomic_fetch_add(&begun_count, 1);
    while (!ax_control_job_print(job, (struct ax_str){ text, sizeof(text) }, err))
        continue;
    atomic_fetch_add(&cancelled_count, 1);
    return err->code;
}

static const struct ax_control_command commands[] = {
    { "echo", run_echo }, { "fail", run_fail }, { "hold", run_hold }, { "flood", run_flood }, { 0 },
};

/* ---- clients ---- */

static void wait_until(atomic_uint *count, unsigned value)
{
    uint64_t until_ns = ax_clock_ns() + WAIT_NS;
    while (atomic_load(count) < value && ax_clock_ns() < until_ns)
        (void)sched_yield();
    assert_int_equal(atomic_load(count), value);
}

static struct ax_control *start(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_control *control = NULL;
    atomic_store(&is_let_go, false);
    atomic_store(&begun_count, 0);
    atomic_store(&cancelled_count, 0);
    assert_int_equal(ax_control_new(folder, commands, NULL, &control, &err), AX_OK);
    assert_int_equal(ax_control_start(control, &err), AX_OK);
    return control;
}

static void end(struct ax_control *control)
{
    struct ax_err err = AX_ERR_INIT;
    int fd;
    assert_true(ax_control_free_until(control, ax_clock_ns() + WAIT_NS));
    assert_int_equal(ax_control_wire_connect(folder, &fd, &err), AX_E_UNAVAILABLE);
}

static void connect_to(struct ax_control_wire *wire)
{
    struct ax_err err = AX_ERR_INIT;
    int fd = -1;
    assert_int_equal(ax_control_wire_connect(folder, &fd, &err), AX_OK);
    ax_control_wire_init(wire, fd, AX_CONTROL_ANSWER_BYTES_MAX, NULL);
}

static void send_text(struct ax_control_wire *wire, struct ax_str text)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_control_wire_write(wire, text, &err), AX_OK);
}

static void ask(struct ax_control_wire *wire, const char *command, const char *argument)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf line;
    char *argv[] = { NULL, (char *)(intptr_t)argument, NULL };
    const struct ax_control_request request = {
        .command = command,
        .who = "ana@here",
        .typed = "auspex it",
        .folder = "/f",
        .argv = argv,
        .argc = argument ? 2 : 1,
    };
    ax_buf_init(&line, (size_t)1 << 20);
    assert_int_equal(ax_control_request_put(&request, &line, &err), AX_OK);
    connect_to(wire);
    send_text(wire, ax_buf_str(&line));
    ax_buf_done(&line);
}

/* The next line must be this one. */
static void expect(struct ax_control_wire *wire, const char *line)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_str found;
    assert_int_equal(ax_control_wire_read(wire, ax_clock_ns() + WAIT_NS, &found, &err), AX_OK);
    char *text = strndup(found.ptr, found.len);
    assert_string_equal(text, line);
    free(text);
}

static void expect_gone(struct ax_control_wire *wire)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_str found;
    assert_int_equal(ax_control_wire_read(wire, ax_clock_ns() + WAIT_NS, &found, &err),
                     AX_E_UNAVAILABLE);
    ax_control_wire_done(wire);
}

/* ---- tests ---- */

static void says_what_the_job_says(void **state)
{
    (void)state;
    struct ax_control *control = start();
    struct ax_control_wire wire;
    ask(&wire, "echo", "\"two\nlines\"");
    expect(&wire, "{\"note\":\"auspex it\"}");
    expect(&wire, "{\"progress\":{\"what\":\"ana@here\",\"done\":3,\"of\":4}}");
    expect(&wire, "{\"output\":\"\\\"two\\nlines\\\"\"}");
    expect(&wire, "{\"end\":\"OK\"}");
    expect_gone(&wire);
    ask(&wire, "fail", NULL);
    expect(&wire, "{\"end\":\"CONFLICT\",\"error\":\"not in '/f'\"}");
    expect_gone(&wire);
    end(control);
}

static size_t output_len(struct ax_str line)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_json_doc *doc;
    assert_int_equal(ax_json_parse(line, &doc, &err), AX_OK);
    struct ax_str text = ax_json_str(ax_json_get(ax_json_root(doc), "output"));
    assert_true(text.len <= AX_CONTROL_OUTPUT_BYTES_MAX && text.len % 3 == 0);
    size_t len = text.len;
    ax_json_free(doc);
    return len;
}

/* No line of a long output is longer than the client takes, and no character is cut. */
static void cuts_what_is_long(void **state)
{
    (void)state;
    struct ax_control *control = start();
    struct ax_control_wire wire;
    struct ax_err err = AX_ERR_INIT;
    static char text[60001];
    struct ax_str line;
    for (size_t i = 0; i < 60000; i += 3)
        memcpy(text + i, "€", 3);
    ask(&wire, "echo", text);
    expect(&wire, "{\"note\":\"auspex it\"}");
    expect(&wire, "{\"progress\":{\"what\":\"ana@here\",\"done\":3,\"of\":4}}");
    assert_int_equal(ax_control_wire_read(&wire, UINT64_MAX, &line, &err), AX_OK);
    assert_int_equal(output_len(line), 60000);
    ax_control_wire_done(&wire);
    /* 16 lines of it. */
    ask(&wire, "flood", NULL);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(ax_control_wire_read(&wire, UINT64_MAX, &line, &err), AX_OK);
    ax_control_wire_done(&wire);
    wait_until(&cancelled_count, 1);
    end(control);
}

static void one_at_a_time(void **state)
{
    (void)state;
    struct ax_control *control = start();
    struct ax_control_wire first, second, third;
    char note[96];
    ask(&first, "hold", NULL);
    wait_until(&begun_count, 1);
    ask(&second, "fail", NULL);
    (void)snprintf(note, sizeof(note), "{\"note\":\"waiting behind hold of process %ld\"}",
                   (long)getpid());
    expect(&second, note);
    ask(&third, "hold", NULL);
    (void)snprintf(note, sizeof(note),
                   "{\"note\":\"waiting behind hold of process %ld and 1 more\"}", (long)getpid());
    expect(&third, note);
    assert_int_equal(atomic_load(&begun_count), 1);
    atomic_store(&is_let_go, true);
    expect(&first, "{\"end\":\"OK\"}");
    expect(&second, "{\"end\":\"CONFLICT\",\"error\":\"not in '/f'\"}");
    expect(&third, "{\"end\":\"OK\"}");
    expect_gone(&first);
    expect_gone(&second);
    expect_gone(&third);
    end(control);
}

static void cancels_whoever_goes(void **state)
{
    (void)state;
    struct ax_control *control = start();
    struct ax_control_wire first, second, third;
    ask(&first, "hold", NULL);
    wait_until(&begun_count, 1);
    ask(&second, "hold", NULL);
    ax_control_wire_done(&second); /* it waits, and is not begun */
    ax_control_wire_done(&first);
    wait_until(&cancelled_count, 1);
    ask(&third, "echo", NULL);
    struct ax_str line = { 0 };
    struct ax_err err = AX_ERR_INIT;
    while (!ax_control_wire_read(&third, ax_clock_ns() + WAIT_NS, &line, &err) &&
           !ax_str_is(line, "{\"end\":\"OK\"}"))
        continue;
    assert_int_equal(err.code, AX_OK);
    assert_int_equal(atomic_load(&begun_count), 1);
    ax_control_wire_done(&third);
    end(control);
}

static void refuses_what_is_too_much(void **state)
{
    (void)state;
    struct ax_control *control = start();
    static struct ax_control_wire wires[AX_CONTROL_JOBS_MAX + 1];
    struct ax_err err = AX_ERR_INIT;
    struct ax_str line;
    char refused[128];
    for (size_t i = 0; i < AX_CONTROL_JOBS_MAX; i++) {
        ask(&wires[i], "hold", NULL);
        if (i == 0)
            wait_until(&begun_count, 1);
        else
            assert_int_equal(ax_control_wire_read(&wires[i], UINT64_MAX, &line, &err), AX_OK);
    }
    ask(&wires[AX_CONTROL_JOBS_MAX], "hold", NULL);
    (void)snprintf(refused, sizeof(refused),
                   "{\"end\":\"LIMIT\",\"error\":\"16 commands wait already, behind hold of "
                   "process %ld\"}",
                   (long)getpid());
    expect(&wires[AX_CONTROL_JOBS_MAX], refused);
    expect_gone(&wires[AX_CONTROL_JOBS_MAX]);
    /* The server stops: the one that runs is told to end, and the others are not begun. */
    ax_control_stop(control);
    expect(&wires[0], "{\"end\":\"UNAVAILABLE\",\"error\":\"the server stops: held no more\"}");
    for (size_t i = 1; i < AX_CONTROL_JOBS_MAX; i++)
        expect(&wires[i], "{\"end\":\"UNAVAILABLE\",\"error\":\"the server stops: cancelled before "
                          "it began\"}");
    end(control);
    assert_int_equal(atomic_load(&begun_count), 1);
    for (size_t i = 0; i < AX_CONTROL_JOBS_MAX; i++)
        expect_gone(&wires[i]);
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
#define GOOD "\"command\":\"fail\",\"who\":\"w\",\"typed\":\"t\",\"folder\":\"/f\","
    static const struct {
        const char *line, *end;
    } lines[] = {
        { "{" GOOD "\"arguments\":[]}", "CONFLICT\",\"error\":\"not in '/f'" },
        { "{" GOOD "\"arguments\":[\"\",\"\\n\"]}", "CONFLICT\",\"error\":\"not in '/f'" },
        { "[]", "INVALID\",\"error\":\"the request: not an object" },
        { "{}", "INVALID\",\"error\":\"the request: 'command' is missing" },
        { "{" GOOD "\"x\":1}", "INVALID\",\"error\":\"the request: a request has no member 'x', or "
                               "has it once" },
        { "{" GOOD "\"who\":\"w\"}", "INVALID\",\"error\":\"the request: a request has no member "
                                     "'who', or has it once" },
        { "{" GOOD "\"arguments\":[],\"arguments\":[]}",
          "INVALID\",\"error\":\"the request: a request has no member 'arguments', or has it "
          "once" },
        { "{\"command\":null}", "INVALID\",\"error\":\"the request: 'command' is not a text" },
        { "{\"command\":\"a\\u0000\"}", "INVALID\",\"error\":\"the request: 'command' holds a "
                                        "NUL" },
        { "{" GOOD "\"arguments\":{}}", "INVALID\",\"error\":\"the request: 'arguments' is not a "
                                        "list" },
        { "{" GOOD "\"arguments\":[1]}", "INVALID\",\"error\":\"the request: 'arguments' is not a "
                                         "text" },
        { "{\"command\":\"fall\",\"who\":\"\",\"typed\":\"\",\"folder\":\"/\",\"arguments\":[]}",
          "UNSUPPORTED\",\"error\":\"the server knows no command 'fall'" },
        { "{\"command\":\"fail\",\"who\":\"\",\"typed\":\"\",\"folder\":\"f\",\"arguments\":[]}",
          "INVALID\",\"error\":\"the request: 'folder' is no absolute path" },
    };
    struct ax_control *control = start();
    struct ax_control_wire wire;
    for (size_t i = 0; i < AX_COUNT(lines); i++) {
        char expected[256];
        (void)snprintf(expected, sizeof(expected), "{\"end\":\"%s\"}", lines[i].end);
        connect_to(&wire);
        send_text(&wire, ax_str_from(lines[i].line));
        send_text(&wire, AX_STR("\n"));
        expect(&wire, expected);
        expect_gone(&wire);
    }
    /* Longer than a request may be, without an end; and one that says nothing. */
    static char many[AX_CONTROL_REQUEST_BYTES_MAX + 1];
    memset(many, '[', sizeof(many));
    connect_to(&wire);
    send_text(&wire, (struct ax_str){ many, sizeof(many) });
    expect(&wire, "{\"end\":\"TOO_LARGE\",\"error\":\"a line of more than 65536 bytes\"}");
    ax_control_wire_done(&wire);
    connect_to(&wire);
    assert_int_equal(shutdown(wire.fd, SHUT_WR), 0);
    expect(&wire, "{\"end\":\"UNAVAILABLE\",\"error\":\"the other end has gone\"}");
    ax_control_wire_done(&wire);
    end(control);
}

static atomic_uint ended[64]; /* by code */

static void count_end(void *arg, const struct ax_err *err)
{
    assert_ptr_equal(arg, ended);
    atomic_fetch_add(&ended[err->code], 1);
}

static enum ax_code submit(struct ax_control *control, const char *command, bool is_only)
{
    struct ax_err err = AX_ERR_INIT;
    char *argv[] = { NULL, (char *)(intptr_t)"an\nargument", NULL };
    const struct ax_control_task task = { .request = { .command = command,
                                                       .who = "test",
                                                       .typed = "it",
                                                       .folder = "/f",
                                                       .argv = argv,
                                                       .argc = 2 },
                                          .is_only = is_only,
                                          .done = count_end,
                                          .arg = ended };
    return ax_control_submit(control, &task, &err);
}

/* The server's own stand in the same line, and learn of their end, whatever it is. */
static void takes_tasks(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_control *control = NULL;
    struct ax_control_wire wire;
    char note[96];
    assert_int_equal(ax_control_new(folder, commands, NULL, &control, &err), AX_OK);
    assert_int_equal(submit(control, "echo", false), AX_E_UNAVAILABLE);
    assert_true(ax_control_free_until(control, 0));
    control = start();
    assert_int_equal(submit(control, "fall", false), AX_E_UNSUPPORTED);
    assert_int_equal(submit(control, "hold", true), AX_OK);
    wait_until(&begun_count, 1);
    assert_int_equal(submit(control, "hold", true), AX_E_CONFLICT);
    assert_int_equal(submit(control, "echo", true), AX_OK);
    assert_int_equal(submit(control, "echo", true), AX_E_CONFLICT);
    ask(&wire, "fail", NULL);
    (void)snprintf(note, sizeof(note),
                   "{\"note\":\"waiting behind hold of process %ld and 1 more\"}", (long)getpid());
    expect(&wire, note);
    assert_int_equal(submit(control, "fail", false), AX_OK);
    assert_int_equal(atomic_load(&ended[AX_OK]), 0);
    atomic_store(&is_let_go, true);
    wait_until(&ended[AX_OK], 2);
    expect(&wire, "{\"end\":\"CONFLICT\",\"error\":\"not in '/f'\"}");
    wait_until(&ended[AX_E_CONFLICT], 1);
    ax_control_wire_done(&wire);
    /* What waits when the server stops ends as well. */
    atomic_store(&is_let_go, false);
    for (size_t i = 0; i < AX_CONTROL_JOBS_MAX; i++)
        while (submit(control, "hold", false) != AX_OK) /* those before are just being removed */
            (void)sched_yield();
    assert_int_equal(submit(control, "hold", false), AX_E_LIMIT);
    ax_control_stop(control);
    assert_int_equal(submit(control, "hold", false), AX_E_UNAVAILABLE);
    end(control);
    assert_int_equal(atomic_load(&ended[AX_E_UNAVAILABLE]), AX_CONTROL_JOBS_MAX);
}

/* Nobody waits for ever, and no longer than somebody wants. */
static void waits_give_up(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_control *control = NULL;
    struct ax_control_wire wire;
    struct ax_str line;
    atomic_bool cancelled = true;
    /* It listens, and nobody takes requests. */
    assert_int_equal(ax_control_new(folder, commands, NULL, &control, &err), AX_OK);
    connect_to(&wire);
    assert_int_equal(ax_control_wire_read(&wire, ax_clock_ns() + 1, &line, &err), AX_E_TIMEOUT);
    ax_err_clear(&err);
    wire.cancelled = &cancelled;
    assert_int_equal(ax_control_wire_read(&wire, UINT64_MAX, &line, &err), AX_E_CANCELLED);
    ax_control_wire_done(&wire);
    end(control);
    ax_control_stop(NULL);
    assert_true(ax_control_free_until(NULL, 0));
}

static void listens_where_it_can(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_control *control = NULL;
    char path[512];
    struct stat info;
    /* What is left of one that was killed is replaced; what is no socket is not. */
    int left = -1;
    assert_int_equal(ax_control_wire_listen(folder, &left, &err), AX_OK);
    assert_int_equal(close(left), 0);
    control = start();
    (void)snprintf(path, sizeof(path), "%s/control.sock", folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    end(control);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ax_control_new(folder, commands, NULL, &control, &err), AX_E_INVALID);
    ax_err_clear(&err);
    assert_int_equal(ax_control_wire_connect(folder, &left, &err), AX_E_UNAVAILABLE);
    ax_err_clear(&err);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(ax_control_new("/nowhere", commands, NULL, &control, &err), AX_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_job_says),
        cmocka_unit_test(cuts_what_is_long),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(cancels_whoever_goes),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(takes_tasks),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(waits_give_up),
        cmocka_unit_test(listens_where_it_can),
    };
    ax_metric_thread_attach();
    ax_log_setup(AX_LOG_WARN, AX_LOG_LOGFMT);
    int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    ax_metric_thread_detach();
    return failed;
}

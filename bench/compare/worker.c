/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer without a C interface: it runs in a process of its own (bench/compare/worker.py), which
 * measures itself when it is told to, so that its turns lie between the others'.
 *
 *   worker PROGRAM WORD...
 *
 * Lines to it: "slice BATCH NS", answered by "ROWS NS"; "margins COUNT BATCH PATH", answered by
 * "done". It begins with "ready f32" or "ready f64", the width of its margins.
 */
#include "contestant.h"

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

struct worker {
    struct contestant base;
    FILE *orders;
    FILE *answers;
};

static void worker_ask(struct worker *w, char *answer, int size)
{
    if (fflush(w->orders) != 0 || !fgets(answer, size, w->answers))
        compare_die("the worker ended; what it said is above");
}

/* The worker ends when its standard input does, so with this program, however that ends. */
static void worker_spawn(struct worker *w, char **words)
{
    int in[2], out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe(in) || pipe(out) || posix_spawn_file_actions_init(&actions) ||
        posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO) ||
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO) ||
        posix_spawn_file_actions_addclose(&actions, in[1]) ||
        posix_spawn_file_actions_addclose(&actions, out[0]) ||
        posix_spawnp(&pid, words[0], &actions, NULL, words, environ))
        compare_die("cannot run '%s'", words[0]);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(in[0]);
    (void)close(out[1]);
    w->orders = fdopen(in[1], "w");
    w->answers = fdopen(out[0], "r");
    if (!w->orders || !w->answers)
        compare_die("no memory for streams");
}

static struct contestant *worker_open(char **words, const struct compare_rows *rows)
{
    struct worker *w = ax_xalloc(sizeof(*w));
    worker_spawn(w, words);
    char answer[80];
    worker_ask(w, answer, sizeof(answer));
    bool is_wide = strcmp(answer, "ready f64\n") == 0;
    if (!is_wide && strcmp(answer, "ready f32\n") != 0)
        compare_die("the worker said '%s'", answer);
    w->base = (struct contestant){ .kind = &contestant_worker,
                                   .rows = rows,
                                   .row_type = AX_FP32,
                                   .margin_type = is_wide ? AX_FP64 : AX_FP32 };
    return &w->base;
}

static double worker_slice(struct contestant *contestant, size_t batch, uint64_t ns)
{
    struct worker *w = container_of(contestant, struct worker, base);
    char answer[80];
    (void)fprintf(w->orders, "slice %zu %" PRIu64 "\n", batch, ns);
    worker_ask(w, answer, sizeof(answer));
    uint64_t rows, took;
    if (sscanf(answer, "%" SCNu64 " %" SCNu64, &rows, &took) != 2 || rows == 0)
        compare_die("the worker said '%s'", answer);
    return (double)took / (double)rows;
}

static void worker_write_margins(struct contestant *contestant, size_t count, size_t batch,
                                 const char *path)
{
    struct worker *w = container_of(contestant, struct worker, base);
    char answer[80];
    (void)fprintf(w->orders, "margins %zu %zu %s\n", count, batch, path);
    worker_ask(w, answer, sizeof(answer));
    if (strcmp(answer, "done\n") != 0)
        compare_die("the worker said '%s'", answer);
}

const struct contestant_kind contestant_worker = {
    .name = "worker",
    .open = worker_open,
    .slice = worker_slice,
    .write_margins = worker_write_margins,
};

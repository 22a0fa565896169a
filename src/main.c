/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry point: the table of subcommands, and the choice among them.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/thread.h"
#include "cmd/cmd.h"
#include "cmd/exit_code.h"
#include "cmd/functions_page.h"

/*
 * To add a subcommand: write cmd/<name>.c, declare it and its options in cmd/cmd.h, add a line here
 * in alphabetical order, and describe it in docs/commands.md; `make docs` writes its options to
 * docs/configuration.md. tests/docs/ compares this table with them.
 */
static const struct ax_cmd commands[] = {
    { "apply", ax_cmd_apply, ax_cmd_apply_options, "put the definitions of features in force" },
    { "bench", ax_cmd_bench, ax_cmd_bench_options, "measure a server under load" },
    { "compile", ax_cmd_compile, ax_cmd_compile_options, "make the images of model versions" },
    { "data", ax_cmd_data, ax_cmd_data_options, "keep datasets under the digest of their content" },
    { "eval", ax_cmd_eval, ax_cmd_eval_options, "compute an expression" },
    { "features", ax_cmd_features, ax_cmd_features_options,
      "tell which features are applied, where they come from and who uses them" },
    { "init", ax_cmd_init, ax_cmd_init_options, "write an example of feature definitions" },
    { "materialize", ax_cmd_materialize, ax_cmd_materialize_options,
      "bring the latest values of views to the online store" },
    { "models", ax_cmd_models, ax_cmd_models_options,
      "tell which model versions there are, and what is in them" },
    { "plan", ax_cmd_plan, ax_cmd_plan_options,
      "tell what apply would change, and what would break" },
    { "predict", ax_cmd_predict, ax_cmd_predict_options, "predict the rows of a file" },
    { "serve", ax_cmd_serve, ax_cmd_serve_options, "answer prediction requests" },
    { "train", ax_cmd_train, ax_cmd_train_options, "train a model version" },
    { "version", ax_cmd_version, NULL, "print the version" },
};

static void print_usage(FILE *out)
{
    fprintf(out, "usage: auspex COMMAND [ARGUMENT]...\n\n");
    for (size_t i = 0; i < AX_COUNT(commands); i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n`auspex COMMAND --help` tells more about one of them.\n");
}

/* What tools/docs reads. */
static int print_markdown(const char *what)
{
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 20);
    if (strcmp(what, "--functions") == 0)
        ax_functions_page_put(&out);
    else
        ax_cmd_print_markdown(commands, AX_COUNT(commands), &out);
    size_t written = fwrite(ax_buf_str(&out).ptr, 1, out.len, stdout);
    bool whole = out.failed == AX_OK && written == out.len && fflush(stdout) == 0;
    ax_buf_done(&out);
    return whole ? AX_EXIT_OK : AX_EXIT_FAILURE;
}

/* Libraries that are linked or preloaded have run their constructors by now, on this thread, whose
 * mode all others inherit. */
static void restore_floating_point(void)
{
    if (ax_thread_restore_fp())
        ax_log(AX_LOG_WARN, "floating-point mode put back",
               AX_LOG_TEXT("reason", "a library changed it before the program began; look at "
                                     "LD_PRELOAD and at what ldd lists"));
}

/* A limit of file sizes (ulimit -f) makes a write fail, which is told, instead of ending the
 * process: an image that cannot be kept costs nobody an answer. */
static void ignore_size_signal(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

int main(int argc, char **argv)
{
    restore_floating_point();
    ignore_size_signal();
    if (argc < 2) {
        print_usage(stderr);
        return AX_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        if (argc > 2 && (strcmp(argv[2], "--markdown") == 0 || strcmp(argv[2], "--functions") == 0))
            return print_markdown(argv[2]);
        print_usage(stdout);
        return AX_EXIT_OK;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < AX_COUNT(commands); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "auspex: no command '%s'; see auspex --help\n", argv[1]);
    return AX_EXIT_USAGE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of `auspex`: one function each, in cmd/<name>.c.
 *
 * A subcommand gets its own name as argv[0] and its arguments after it, as
 * main() gets the program's. What it returns is the exit status of the process,
 * one of cmd/exit_code.h. Its options are one or more tables (ax_cmd_<name>_options,
 * ended by NULL), which `auspex help --markdown` prints for docs/configuration.md.
 */
#ifndef AX_CMD_CMD_H
#define AX_CMD_CMD_H

#include "base/option.h"

typedef int (*ax_cmd_fn)(int argc, char **argv);

struct ax_cmd {
    const char *name;
    ax_cmd_fn run;
    const struct ax_option *const *options; /* tables, ended by NULL; NULL: it has none */
    const char *summary;                    /* one line of `auspex --help` */
};

/* Print the options of all commands as docs/configuration.md has them. */
void ax_cmd_print_markdown(const struct ax_cmd *commands, size_t count, struct ax_buf *out);

/* Put definitions in force. */
int ax_cmd_apply(int argc, char **argv);
extern const struct ax_option *const ax_cmd_apply_options[];

/* Measure a server under load. */
int ax_cmd_bench(int argc, char **argv);
extern const struct ax_option *const ax_cmd_bench_options[];

/* Make images of model versions. */
int ax_cmd_compile(int argc, char **argv);
extern const struct ax_option *const ax_cmd_compile_options[];

/* Keep datasets under the digest of their content. */
int ax_cmd_data(int argc, char **argv);
extern const struct ax_option *const ax_cmd_data_options[];

/* Compute an expression. */
int ax_cmd_eval(int argc, char **argv);
extern const struct ax_option *const ax_cmd_eval_options[];

/* Look at applied definitions. */
int ax_cmd_features(int argc, char **argv);
extern const struct ax_option *const ax_cmd_features_options[];

/* Write an example of feature definitions. */
int ax_cmd_init(int argc, char **argv);
extern const struct ax_option *const ax_cmd_init_options[];

/* Bring the latest values of views to the online store. */
int ax_cmd_materialize(int argc, char **argv);
extern const struct ax_option *const ax_cmd_materialize_options[];

/* Inspect model versions. */
int ax_cmd_models(int argc, char **argv);
extern const struct ax_option *const ax_cmd_models_options[];

/* Tell what apply would do. */
int ax_cmd_plan(int argc, char **argv);
extern const struct ax_option *const ax_cmd_plan_options[];

/* Predict the rows of a file. */
int ax_cmd_predict(int argc, char **argv);
extern const struct ax_option *const ax_cmd_predict_options[];

/* Answer prediction requests. */
int ax_cmd_serve(int argc, char **argv);
extern const struct ax_option *const ax_cmd_serve_options[];

/* Train a model version. */
int ax_cmd_train(int argc, char **argv);
extern const struct ax_option *const ax_cmd_train_options[];

/* Print the program's version. */
int ax_cmd_version(int argc, char **argv);

#endif

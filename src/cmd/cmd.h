/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of `auspex`: one function each, in cmd/<name>.c.
 *
 * A subcommand gets its own name as argv[0] and its arguments after it, as
 * main() gets the program's. What it returns is the exit status of the process.
 */
#ifndef AX_CMD_CMD_H
#define AX_CMD_CMD_H

typedef int (*ax_cmd_fn)(int argc, char **argv);

struct ax_cmd {
    const char *name;
    ax_cmd_fn run;
    const char *summary; /* one line of `auspex --help` */
};

/* Print the program's version. */
int ax_cmd_version(int argc, char **argv);

#endif
